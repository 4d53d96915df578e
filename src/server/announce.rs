//! What is said when the process starts: to a person what it will do, with a command to try it with; to a
//! supervisor what is served where.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::memory::MemoryBound;
use crate::{
    config::{Config, Gateway, LeadsTo, ListenAddress, Listener},
    gateway::GatewayForms,
    uri::Scheme,
};

/// Says what is served where: a banner for a person, an event for a supervisor.
pub(super) fn announce(config: &Config, addresses: &[ListenAddress], admin: Option<&ListenAddress>) {
    let parts = MemoryBound::of(config);
    let bound = parts.total();
    tracing::debug!(
        connections = parts.connections,
        handshakes = parts.handshakes,
        idle_upstreams = parts.idle_upstreams,
        sessions = parts.sessions,
        names = parts.names,
        lookups = parts.lookups,
        access_log = parts.access_log,
        counters = parts.counters,
        limits = parts.limits,
        admin = parts.admin,
        workers = parts.workers,
        "the memory bound in bytes, by what takes it"
    );
    if io::stderr().is_terminal() {
        // A terminal that has gone away is no reason not to serve.
        let _ = io::stderr().write_all(banner(config, addresses, admin, bound).as_bytes());
        return;
    }
    for (address, (_, listener)) in addresses.iter().zip(config.listeners()) {
        tracing::info!(
            %address,
            tls = listener.tls.is_some(),
            workers = config.process.workers.get(),
            max_connections = config.process.max_connections,
            memory_bound_bytes = bound,
            "listening"
        );
    }
    started(config, addresses, admin, bound);
}

/// The facts of the banner as one event, for whoever reads logs.
fn started(config: &Config, addresses: &[ListenAddress], admin: Option<&ListenAddress>, memory_bound: u64) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = listens(config, addresses),
        admin = admin.map(|address| address.url(false)),
        mode = mode_line(config),
        upstreams = (!config.upstreams.is_empty()).then(|| all_servers(config)),
        policy = config.cors().describe(),
        credentials = config.cors().allows_credentials(),
        client = client(config, addresses),
        memory_bound,
        workers = config.process.workers.get(),
        max_connections = config.process.max_connections,
        config = config.file.as_ref().map_or("flags", |file| &file.name),
        generation = 1,
        "started"
    );
}

/// The banner for `config`, whose listeners got `addresses` (in their order) and whose memory stays within
/// `memory_bound` bytes. Several lines, each ended.
fn banner(
    config: &Config,
    addresses: &[ListenAddress],
    admin: Option<&ListenAddress>,
    memory_bound: u64,
) -> String {
    let mut lines = format!("corsair {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "  {name:<8} {text}");
    };
    line("listens", &listens(config, addresses));
    line("mode", &mode_line(config));
    line("cors", config.cors().describe());
    if let Some(((_, listener), address)) = config.listeners().zip(addresses).next() {
        line("try", &command(config, listener, address));
    }
    if let Some(client) = client(config, addresses) {
        line("client", &client);
    }
    if let Some(admin) = admin {
        line("admin", &admin.url(false));
    }
    let connections = config.process.max_connections;
    let bound = bytes(memory_bound);
    line("memory", &format!("at most {bound} for {connections} connections, however large the bodies"));
    lines
}

fn listens(config: &Config, addresses: &[ListenAddress]) -> String {
    let urls: Vec<String> = config
        .listeners()
        .zip(addresses)
        .map(|((_, listener), address)| address.url(listener.tls.is_some()))
        .collect();
    urls.join(", ")
}

fn mode_line(config: &Config) -> String {
    let of_others = match (&config.gateway, config.has_routes()) {
        (Some(gateway), true) => format!("{}; the rest: {}", gateway_line(gateway), reverse(config)),
        (Some(gateway), false) => gateway_line(gateway),
        (None, true) => reverse(config),
        (None, false) => String::new(),
    };
    match &config.forward {
        Some(forward) if of_others.is_empty() => forward.describe(),
        Some(forward) => format!("{}; {of_others}", forward.describe()),
        None => of_others,
    }
}

/// Where routes lead: a few of them are told, of many how many there are.
fn reverse(config: &Config) -> String {
    let count = config.routes.typed().count();
    let leads_to_upstream = config.routes.typed().any(|route| matches!(route.leads_to, LeadsTo::Upstream(_)));
    if count > 1 || !leads_to_upstream {
        let shown = config.routes.typed().take(MAX_SHOWN).map(|route| match &route.leads_to {
            LeadsTo::Upstream(upstream) => format!("{} to {}", route.name, config.upstream(*upstream).name),
            LeadsTo::Respond(respond) => format!("{} answers {}", route.name, respond.status),
            LeadsTo::Nothing | LeadsTo::Gateway | LeadsTo::Forward => route.name.to_string(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if count > MAX_SHOWN { ", …" } else { "" };
        let routes = if count == 1 { "route" } else { "routes" };
        return format!("{count} {routes}: {shown}{more}");
    }
    format!("reverse proxy to {}", all_servers(config))
}

/// Routes that are told one by one.
const MAX_SHOWN: usize = 4;

fn all_servers(config: &Config) -> String {
    let servers =
        config.upstreams.iter().flat_map(|upstream| &upstream.endpoints).map(|server| &*server.shown);
    servers.collect::<Vec<_>>().join(", ")
}

fn gateway_line(gateway: &Gateway) -> String {
    let forms = match gateway.forms {
        GatewayForms { query: true, path: true, .. } => "/?url=… and /https://host/…",
        GatewayForms { query: true, path: false, .. } => "/?url=…",
        GatewayForms { path: true, .. } => "/https://host/…",
        GatewayForms { query: false, path: false, .. } => "no form",
    };
    let bare = if gateway.forms.path && gateway.forms.bare_hosts { " and /host/…" } else { "" };
    format!("gateway: {forms}{bare}; targets: {}", gateway.rules.describe())
}

/// A curl that gets an answer: fields that are asked for are given, and an address that can be connected to.
fn command(config: &Config, listener: &Listener, address: &ListenAddress) -> String {
    let is_forward_alone =
        config.forward.is_some() && listener.forward && config.gateway.is_none() && !config.has_routes();
    let target = match &config.gateway {
        None => "/",
        // A list says which targets are allowed, not which of them answers.
        Some(gateway) if gateway.rules.is_list() => "/healthcheck",
        Some(Gateway { forms: GatewayForms { query: true, .. }, .. }) => "/?url=https://example.com/",
        Some(_) => "/https://example.com/",
    };
    let fields: String = config.example_fields.iter().map(|field| format!("-H {} ", quoted(field))).collect();
    // The certificate is for a name, and this is an address.
    let insecure = if listener.tls.is_some() { "k" } else { "" };
    let (option, authority) = reachable(address);
    let header = if wants_header(config, listener, address) { "--haproxy-protocol " } else { "" };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let url = format!("{}://{authority}{target}", scheme.as_str());
    if is_forward_alone {
        let (proxy, insecure) = (
            quoted(&format!("{}://{authority}", scheme.as_str())),
            if insecure.is_empty() { "" } else { "--proxy-insecure " },
        );
        return format!("curl -i {insecure}-x {proxy} 'https://example.com/'");
    }
    format!("curl -i{insecure} {header}{option}{fields}{}", quoted(&url))
}

/// What to write into the code of a client: how the gateway is called, or the URL of the only server; nothing where that is its
/// user's to know.
fn client(config: &Config, addresses: &[ListenAddress]) -> Option<String> {
    let serves = |listener: &Listener| match config.gateway {
        Some(_) => listener.gateway,
        None => listener.routes,
    };
    let ((_, listener), address) =
        config.listeners().zip(addresses).find(|((_, listener), _)| serves(listener))?;
    let base = base(config, listener, address)?;
    let Some(gateway) = &config.gateway else {
        return config.client_path.as_ref().map(|path| format!("{base}{path}"));
    };
    let url = match gateway.forms {
        GatewayForms { query: true, .. } => format!("\"{base}/?url=\" + encodeURIComponent(url)"),
        GatewayForms { query: false, .. } => format!("\"{base}/\" + url"),
    };
    // Browsers send this one by themselves.
    let is_sent = |name: &str| name.eq_ignore_ascii_case("origin");
    let headers = match gateway.require_headers.first() {
        Some(name) if !gateway.require_headers.iter().any(|name| is_sent(name)) => {
            format!(", {{ headers: {{ \"{name}\": \"example\" }} }}")
        }
        Some(_) | None => String::new(),
    };
    Some(format!("fetch({url}{headers})"))
}

/// The URL of a listener without a path, by a name that it asks for if it asks for some; nothing where no page gets to it.
fn base(config: &Config, listener: &Listener, address: &ListenAddress) -> Option<String> {
    let ListenAddress::Tcp(socket) = address else { return None };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let host = config.example_fields.iter().find_map(|field| field.strip_prefix("Host: "));
    let authority = match host {
        Some(host) if socket.port() == scheme.default_port() || host.contains(':') => host.to_owned(),
        Some(host) => format!("{host}:{}", socket.port()),
        None => reachable(address).1,
    };
    Some(format!("{}://{authority}", scheme.as_str()))
}

/// Whether what comes from this machine has to begin with a PROXY header.
fn wants_header(config: &Config, listener: &Listener, address: &ListenAddress) -> bool {
    let peer = match address {
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))
        }
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    };
    listener.proxy_protocol && config.trust.proxies.trusts_peer(peer)
}

/// How curl gets to an address: an option, and what stands for the host in the URL.
fn reachable(address: &ListenAddress) -> (String, String) {
    match address {
        ListenAddress::Tcp(address) => {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
            };
            (String::new(), SocketAddr::new(ip, address.port()).to_string())
        }
        ListenAddress::Unix(name) => {
            let option = match name.text().strip_prefix('@') {
                Some(name) => format!("--abstract-unix-socket {} ", quoted(name)),
                None => format!("--unix-socket {} ", quoted(name.text())),
            };
            (option, "localhost".to_owned())
        }
    }
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Bytes for a person: whole numbers of the largest unit that leaves at least ten of them.
fn bytes(bytes: u64) -> String {
    [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter().find(|(shift, _)| bytes >> shift >= 10).map_or_else(
        || format!("{bytes} bytes"),
        |(shift, unit)| format!("{} {unit}", bytes.div_ceil(1 << shift)),
    )
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::{compile::compile, flags, machine::Machine};

    fn banner_of(arguments: &[&str], addresses: &[&str]) -> String {
        let arguments = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
        let settings = flags::parse(arguments).expect("flags");
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
        let (config, _) = compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}"));
        let addresses: Vec<ListenAddress> =
            addresses.iter().map(|address| ListenAddress::sample(address)).collect();
        banner(&config, &addresses, None, 9000 * (48 << 10))
    }

    #[test]
    fn the_banner_of_a_gateway_says_all_there_is_to_know() {
        let banner = banner_of(&["-l", "127.0.0.1:0"], &["127.0.0.1:41234"]);
        let lines: Vec<&str> = banner.lines().collect();
        assert_eq!(lines[0], format!("corsair {}", env!("CARGO_PKG_VERSION")));
        assert_eq!(lines[1], "  listens  http://127.0.0.1:41234");
        assert!(
            lines[2].starts_with("  mode     gateway: /?url=… and /https://host/…; targets: "),
            "{banner}"
        );
        assert!(lines[3].starts_with("  cors     "), "{banner}");
        assert_eq!(
            lines[4],
            "  try      curl -i -H 'Origin: https://app.example.com' 'http://127.0.0.1:41234/?url=https://example.com/'"
        );
        assert_eq!(lines[5], "  client   fetch(\"http://127.0.0.1:41234/?url=\" + encodeURIComponent(url))");
        assert_eq!(lines[6], "  memory   at most 422 MiB for 9000 connections, however large the bodies");
        assert_eq!(lines.len(), 7);
    }

    #[test]
    fn the_command_gives_what_the_settings_ask_for() {
        for (arguments, address, expected) in [
            (
                &["-u", "http://127.0.0.1:9001/v1/"][..],
                "127.0.0.1:3000",
                "curl -i -H 'Origin: https://app.example.com' 'http://127.0.0.1:3000/'",
            ),
            (
                &[
                    "-u",
                    "http://127.0.0.1:9001",
                    "-l",
                    ":8080",
                    "--allow-origin",
                    "~https://.*,https://a.example",
                ],
                "0.0.0.0:8080",
                "curl -i -H 'Origin: https://a.example' 'http://127.0.0.1:8080/'",
            ),
            (
                &["-u", "http://127.0.0.1:9001", "-l", "[::]:8080", "--allow-origin", "https://*.example"],
                "[::]:8080",
                "curl -i 'http://[::1]:8080/'",
            ),
            (
                &["--allow-target", "api.example.org", "--allow-origin", "https://a.example"],
                "127.0.0.1:3000",
                "curl -i -H 'Origin: https://a.example' 'http://127.0.0.1:3000/healthcheck'",
            ),
            (
                &["--gateway", "path", "--require-header", "origin,x-a"],
                "127.0.0.1:3000",
                "curl -i -H 'Origin: https://app.example.com' 'http://127.0.0.1:3000/https://example.com/'",
            ),
            (
                &["--require-header", "X-A", "--allow-host", "dev.test"],
                "127.0.0.1:3000",
                "curl -i -H 'Origin: https://app.example.com' -H 'Host: dev.test' -H 'X-A: example' \
                 'http://127.0.0.1:3000/?url=https://example.com/'",
            ),
        ] {
            let banner = banner_of(arguments, &[address]);
            assert!(banner.contains(&format!("  try      {expected}\n")), "{banner}");
        }
    }

    #[test]
    fn the_client_of_one_server_is_told_its_url() {
        for (arguments, address, expected) in [
            (
                &["--mcp", "http://127.0.0.1:9001/mcp"][..],
                "127.0.0.1:41234",
                Some("http://127.0.0.1:41234/mcp"),
            ),
            (&["--llm", "https://api.example.com/v1"], "[::1]:41234", Some("http://[::1]:41234/v1")),
            (
                &["--mcp", "http://127.0.0.1:9001", "-l", ":80", "--allow-host", "a.example"],
                "0.0.0.0:80",
                Some("http://a.example/"),
            ),
            (
                &["--mcp", "http://127.0.0.1:9001/mcp", "-l", ":8080", "--allow-host", "a.example"],
                "0.0.0.0:8080",
                Some("http://a.example:8080/mcp"),
            ),
            (&["--mcp", "http://127.0.0.1:9001", "-l", "unix:/run/c.sock"], "unix:/run/c.sock", None),
            (&["-u", "http://127.0.0.1:9001/v1"], "127.0.0.1:41234", None),
        ] {
            let banner = banner_of(arguments, &[address]);
            let told = banner.lines().find_map(|line| line.strip_prefix("  client   "));
            assert_eq!(told, expected, "{banner}");
        }
    }

    #[test]
    fn the_page_of_a_gateway_is_told_how_to_call_it() {
        let query = "fetch(\"http://127.0.0.1:41234/?url=\" + encodeURIComponent(url)";
        for (arguments, expected) in [
            (&[][..], format!("{query})")),
            (&["--gateway", "query", "-u", "http://127.0.0.1:9001"], format!("{query})")),
            (&["--gateway", "path"], "fetch(\"http://127.0.0.1:41234/\" + url)".to_owned()),
            (&["--require-header", "X-A,Origin"], format!("{query})")),
            (&["--require-header", "X-A"], format!("{query}, {{ headers: {{ \"X-A\": \"example\" }} }})")),
            (
                &["--allow-host", "dev.test"],
                "fetch(\"http://dev.test:41234/?url=\" + encodeURIComponent(url))".to_owned(),
            ),
        ] {
            let banner = banner_of(arguments, &["127.0.0.1:41234"]);
            let told = banner.lines().find_map(|line| line.strip_prefix("  client   "));
            assert_eq!(told, Some(&*expected), "{banner}");
        }
    }

    #[test]
    fn a_unix_socket_is_told_with_the_option_that_reaches_it() {
        for (address, option) in [
            ("unix:/run/my corsair.sock", "--unix-socket '/run/my corsair.sock'"),
            ("unix:@corsair", "--abstract-unix-socket 'corsair'"),
        ] {
            let banner = banner_of(&["-l", address, "-u", "http://127.0.0.1:9001"], &[address]);
            assert!(banner.contains(&format!("  listens  {address}\n")), "{banner}");
            let command =
                format!("curl -i {option} -H 'Origin: https://app.example.com' 'http://localhost/'");
            assert!(banner.contains(&format!("  try      {command}\n")), "{banner}");
        }
    }

    #[test]
    fn the_command_begins_with_a_proxy_header_where_one_is_asked_for() {
        for (trusted, asks, address, expected) in [
            ("loopback", true, "127.0.0.1:3000", true),
            ("loopback", true, "0.0.0.0:3000", true),
            ("loopback", false, "127.0.0.1:3000", false),
            ("10.0.0.0/8", true, "127.0.0.1:3000", false),
            ("10.0.0.0/8", true, "10.0.0.1:3000", true),
            ("unix", true, "unix:/run/corsair.sock", true),
            ("unix", true, "127.0.0.1:3000", false),
        ] {
            let arguments = ["corsair", "-u", "http://127.0.0.1:9001", "--trusted-proxy", trusted];
            let settings = flags::parse(arguments.into_iter().map(Into::into)).expect("flags");
            let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
            let (config, _) = compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}"));
            let mut listener = config.listeners().next().expect("one").1.clone();
            listener.proxy_protocol = asks;
            let command = command(&config, &listener, &ListenAddress::sample(address));
            assert_eq!(command.contains(" --haproxy-protocol "), expected, "{trusted} {address}: {command}");
        }
    }

    #[test]
    fn both_modes_and_all_listeners_are_named() {
        let arguments = [
            "-l",
            "127.0.0.1:1,127.0.0.1:2",
            "--gateway",
            "query",
            "-u",
            "https://api.example.org/v1/,http://10.0.0.1",
        ];
        let banner = banner_of(&arguments, &["127.0.0.1:1", "127.0.0.1:2"]);
        assert!(banner.contains("http://127.0.0.1:1, http://127.0.0.1:2\n"), "{banner}");
        assert!(banner.contains("gateway: /?url=…; targets: "), "{banner}");
        assert!(
            banner.contains("; the rest: reverse proxy to https://api.example.org/v1, http://10.0.0.1\n"),
            "{banner}"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a'b"), r"'a'\''b'");
    }

    #[test]
    fn bytes_are_rounded_up_for_a_person() {
        for (count, text) in
            [(0, "0 bytes"), (10 << 10, "10 KiB"), ((10 << 20) + 1, "11 MiB"), (10 << 30, "10 GiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }
}

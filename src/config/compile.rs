//! Settings to configuration: every setting read, every check made.
//!
//! Every fault is reported, not the first: the tables beside this file read each setting on its own, and here is
//! judged what concerns several of them together. Only what passes without a fault becomes a [`Config`].

use std::{net::SocketAddr, sync::Arc};

use super::{
    configuration::{Config, Mode},
    dns,
    gateway::{self, Gateway, GatewayParts},
    keys::Key,
    limits,
    listen::{self, Listener},
    log,
    machine::Machine,
    notes::{ConfigFault, Notes},
    policy, pool, process,
    reader::Reader,
    settings::Settings,
    timeouts,
    upstream::{self, Endpoint, Place, Upstream, UpstreamParts},
};
use crate::{
    cors::{CorsPolicy, CorsSettings},
    uri::{Scheme, TargetHost},
};

/// The configuration that `settings` ask for on this `machine`, with what deserves a warning.
///
/// Reads the files that the settings name.
///
/// # Errors
/// Everything that is wrong.
pub fn compile(
    settings: &Settings,
    machine: Machine,
) -> Result<(Config, Vec<ConfigFault>), Vec<ConfigFault>> {
    let mut reader = Reader::new(settings);
    let config = read(machine, &mut reader);
    let Notes { faults, warnings } = reader.into_notes();
    config.filter(|_| faults.is_empty()).map(|config| (config, warnings)).ok_or(faults)
}

/// Reads every setting once; `None` if what was typed is too faulty to make anything of it.
fn read(machine: Machine, reader: &mut Reader<'_>) -> Option<Config> {
    let addresses = listen::addresses(reader);
    let process = process::read(machine, reader);
    let cors_settings = policy::settings(reader);
    let cors = policy::policy(&cors_settings, reader);
    let gateway = gateway::read(reader);
    let server_tls = listen::server_tls(reader);
    let client_tls = upstream::client_tls(reader);
    let upstream = upstream::read(reader);
    let pool = pool::read(reader);
    let dns = dns::read(reader);
    let limits = limits::read(reader);
    let timeouts = timeouts::read(reader);
    let log = log::read(reader);

    let listeners: Vec<Listener> =
        addresses.iter().map(|&address| Listener { address, tls: server_tls.clone() }).collect();
    let any_origin = cors.as_ref().map_or_else(
        || cors_settings.allow_origins.iter().any(|origin| origin == "*"),
        |policy| policy.is_any_origin(),
    );
    refuse_an_open_gateway(&listeners, &gateway, any_origin, cors.as_ref(), reader);
    let required_hosts = gateway.allow_hosts.clone().filter(|_| reader.has(Key::AllowHost));
    let only_origins = !gateway.open && gateway.rules.as_ref().is_some_and(|rules| !rules.is_list());
    if let (Some(cors), Some(_)) = (&cors, &server_tls) {
        policy::warn_behind_tls(cors, reader);
    }
    refuse_a_loop(&addresses, &upstream.endpoints, reader);
    warn_of_idle_flags(&gateway, &upstream.endpoints, reader);
    warn_of_a_shared_origin(&gateway, &upstream.endpoints, reader);
    let example_fields = example_fields(&cors_settings, &gateway, reader);
    let allow_hosts = gateway.allow_hosts.clone();
    Some(Config {
        process,
        listeners,
        allow_hosts: allow_hosts?,
        required_hosts,
        mode: mode(upstream, gateway, only_origins, client_tls?)?,
        cors: cors?,
        timeouts,
        limits,
        pool,
        dns,
        log,
        example_fields,
    })
}

/// What requests are answered with; `None` where a part of it is faulty.
fn mode(
    upstream: UpstreamParts,
    gateway: GatewayParts,
    only_origins: bool,
    tls: Arc<rustls::ClientConfig>,
) -> Option<Mode> {
    let UpstreamParts { endpoints, rewrite, ejection } = upstream;
    let upstream =
        (!endpoints.is_empty()).then(|| Upstream { endpoints, tls: Arc::clone(&tls), rewrite, ejection });
    let GatewayParts { forms, rules, redirects, require_headers, .. } = gateway;
    let rules = rules?;
    let gateway = forms.map(|forms| Gateway { forms, rules, redirects, require_headers, only_origins, tls });
    match (gateway, upstream) {
        (Some(gateway), Some(upstream)) => Some(Mode::Both { gateway, upstream }),
        (Some(gateway), None) => Some(Mode::Gateway(gateway)),
        (None, Some(upstream)) => Some(Mode::Reverse(upstream)),
        // Without an upstream the gateway is on, so one was typed, and none is understood.
        (None, None) => None,
    }
}

/// A gateway that strangers can reach must be restricted by something, or published knowingly: else it is an
/// open proxy, found by scanners within hours.
fn refuse_an_open_gateway(
    listeners: &[Listener],
    gateway: &GatewayParts,
    any_origin: bool,
    cors: Option<&CorsPolicy>,
    reader: &mut Reader<'_>,
) {
    // What cannot be read was meant to restrict: its own fault is enough.
    let by_origins = cors.map_or(!any_origin, CorsPolicy::is_list);
    let restricted = by_origins || gateway.open || gateway.rules.as_ref().is_none_or(|rules| rules.is_list());
    let published: Vec<String> = listeners
        .iter()
        .filter(|listener| !listener.is_loopback())
        .map(|listener| listener.address.to_string())
        .collect();
    if gateway.forms.is_none() || restricted || published.is_empty() {
        return;
    }
    let mut no_list = String::new();
    if let Some(stranger) = cors.and_then(|cors| cors.strangers().first()) {
        no_list = format!(", for the origin {stranger} can be anybody's");
    } else if reader.has(Key::AllowTarget) {
        no_list = ", for those targets are no list".to_owned();
    }
    let message = format!(
        "a gateway on {} would let anyone reach any site through this machine{no_list}; restrict it with \
         --allow-origin or --allow-target, or publish it knowingly with --open",
        published.join(" and ")
    );
    reader.fault_of_several(message);
}

/// An upstream that is our own listener answers every request with itself.
fn refuse_a_loop(addresses: &[SocketAddr], endpoints: &[Endpoint], reader: &mut Reader<'_>) {
    for endpoint in endpoints {
        let Place::Port(TargetHost::Ip(ip), port) = endpoint.place() else { continue };
        let is_own = |address: &&SocketAddr| {
            let everywhere = address.ip().is_unspecified() && ip.to_canonical().is_loopback();
            address.port() == port && (address.ip() == ip || everywhere)
        };
        if let Some(address) = addresses.iter().find(is_own) {
            let message = format!(
                "{} is corsair's own listener {address}; give the application's address",
                endpoint.authority
            );
            reader.fault(Key::Upstream, message);
        }
    }
}

/// A flag that changes nothing in this mode was probably meant to change something.
fn warn_of_idle_flags(gateway: &GatewayParts, endpoints: &[Endpoint], reader: &mut Reader<'_>) {
    if endpoints.is_empty() && !reader.has(Key::Upstream) {
        for key in [Key::HostHeader, Key::Rewrite] {
            warn_if_typed(key, "has no effect without an upstream; add --upstream or leave it out", reader);
        }
    }
    if endpoints.len() < 2 {
        for key in [Key::EjectFailures, Key::EjectStatus, Key::EjectMinTime] {
            warn_if_typed(
                key,
                "has no effect with fewer than two upstreams: the last one is never out",
                reader,
            );
        }
    }
    if gateway.forms.is_none() {
        const OF_THE_GATEWAY: [Key; 5] =
            [Key::AllowTarget, Key::DenyTarget, Key::RequireHeader, Key::Open, Key::Redirects];
        for key in OF_THE_GATEWAY.into_iter().filter(|key| *key != Key::Open || gateway.open) {
            warn_if_typed(
                key,
                "has no effect without a gateway; add --gateway query,path or leave it out",
                reader,
            );
        }
        if endpoints.iter().all(|endpoint| endpoint.scheme == Scheme::Http) {
            for key in [Key::CaFile, Key::VerifyUpstream] {
                warn_if_typed(key, "has no effect: no upstream is https", reader);
            }
        }
        if endpoints.iter().all(|endpoint| !matches!(endpoint.place(), Place::Port(TargetHost::Name(_), _))) {
            for key in [Key::DnsServer, Key::HostsFile] {
                warn_if_typed(key, "has no effect: no upstream is given by name", reader);
            }
        }
    }
}

/// To a browser the targets and the application are one origin.
fn warn_of_a_shared_origin(gateway: &GatewayParts, endpoints: &[Endpoint], reader: &mut Reader<'_>) {
    if gateway.forms.is_some() && !endpoints.is_empty() {
        let message = "its targets share the origin of the application behind --upstream, so that their scripts, styles, \
                       frames and documents are refused; a corsair of its own, on another listener, is safer";
        reader.warn(Key::GatewayForms, message);
    }
}

fn warn_if_typed(key: Key, message: &str, reader: &mut Reader<'_>) {
    if reader.has(key) {
        reader.warn(key, message);
    }
}

/// The fields that an example request needs to be let in, and to show what the policy does.
fn example_fields(cors: &CorsSettings, gateway: &GatewayParts, reader: &Reader<'_>) -> Vec<Box<str>> {
    let origin = cors.allow_origins.iter().find_map(|origin| match origin.as_str() {
        "*" => Some("https://app.example.com"),
        "loopback" => Some("http://localhost:5173"),
        exact if exact.contains("://") && !exact.contains('*') && !exact.starts_with('~') => Some(exact),
        _ => None,
    });
    let mut fields: Vec<Box<str>> =
        origin.map(|origin| format!("Origin: {origin}").into()).into_iter().collect();
    if reader.has(Key::AllowHost) {
        let host = gateway.hosts.iter().find(|host| !host.contains('*'));
        fields.extend(host.map(|host| format!("Host: {host}").into()));
    }
    if gateway.forms.is_some() {
        let met = |name: &str| {
            fields
                .iter()
                .any(|field| field.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        if !gateway.require_headers.iter().any(|name| met(name)) {
            fields.extend(gateway.require_headers.first().map(|name| format!("{name}: example").into()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use tracing::level_filters::LevelFilter;

    use super::{super::sample, *};
    use crate::config::{flags, gateway::Redirects, log::AccessLog};

    fn compiled(arguments: &[&str]) -> Result<(Config, Vec<String>), Vec<String>> {
        let arguments = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::new(2).unwrap() };
        let lines = |notes: Vec<ConfigFault>| notes.iter().map(ToString::to_string).collect();
        compile(&flags::parse(arguments).expect("flags"), machine)
            .map(|(config, warnings)| (config, lines(warnings)))
            .map_err(lines)
    }

    fn faults(arguments: &[&str]) -> Vec<String> {
        compiled(arguments).err().unwrap_or_default()
    }

    fn warnings(arguments: &[&str]) -> Vec<String> {
        compiled(arguments).map_or_else(|faults| panic!("{faults:?}"), |(_, warnings)| warnings)
    }

    #[test]
    fn every_setting_is_read_once() {
        let settings = Settings::default();
        let mut reader = Reader::new(&settings);
        assert!(read(sample::MACHINE, &mut reader).is_some());
        for key in Key::ALL {
            let readers = reader.read.iter().filter(|read| *read == key).count();
            assert_eq!(readers, 1, "how often {key:?} is read");
        }
    }

    #[test]
    fn nothing_typed_is_a_gateway_on_loopback() {
        let (config, warnings) = compiled(&[]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.listeners[0].address, "127.0.0.1:3000".parse().unwrap());
        assert!(config.listeners[0].tls.is_none());
        let Mode::Gateway(gateway) = &config.mode else { panic!("not a gateway alone") };
        assert!(gateway.forms.query && gateway.forms.path);
        assert!(!gateway.rules.is_list() && gateway.require_headers.is_empty());
        assert_eq!(gateway.redirects, Redirects::Follow);
        assert!(config.cors.is_any_origin());
        assert_eq!((config.process.workers.get(), config.process.max_connections), (2, 9000));
        assert_eq!(config.process.drain_timeout, Duration::from_secs(30));
        assert_eq!((config.log.access, config.log.verbosity), (AccessLog::Off, LevelFilter::INFO));
        assert!(config.dns.servers.is_empty() && config.dns.hosts_file.is_none());
    }

    #[test]
    fn upstream_and_gateway_flags_choose_the_mode() {
        for (arguments, upstreams, is_gateway) in [
            (&["-u", "http://127.0.0.1:9001"][..], 1, false),
            (&["-u", "http://127.0.0.1:9001", "-u", "http://127.0.0.1:9002"], 2, false),
            (&["-u", "http://127.0.0.1:9001,https://api.example.org"], 2, false),
            (&["-u", "http://127.0.0.1:9001", "--gateway", "path"], 1, true),
            (&["--gateway", "query"], 0, true),
        ] {
            let (config, _) = compiled(arguments).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(config.upstream().map_or(0, |upstream| upstream.endpoints.len()), upstreams);
            assert_eq!(config.gateway().is_some(), is_gateway, "{arguments:?}");
        }
    }

    #[test]
    fn an_open_gateway_is_not_published_unknowingly() {
        let refusal = |address: &str, no_list: &str| {
            format!(
                "a gateway on {address} would let anyone reach any site through this machine{no_list}; restrict it \
                 with --allow-origin or --allow-target, or publish it knowingly with --open"
            )
        };
        for (arguments, address) in [
            (&["-l", ":8080"][..], "0.0.0.0:8080"),
            (&["-l", "[::]:8080"], "[::]:8080"),
            (&["-l", ":8080", "--allow-origin", "*"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--open=false"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--require-header", "Origin"], "0.0.0.0:8080"),
            (&["-l", ":80", "--gateway", "query", "-u", "http://10.0.0.1"], "0.0.0.0:80"),
            (&["-l", "127.0.0.1:1", "-l", ":2", "-l", "[::]:2"], "0.0.0.0:2 and [::]:2"),
        ] {
            assert_eq!(faults(arguments), [refusal(address, "")], "{arguments:?}");
        }
        for origins in
            ["null", "~.*", "~https://.*", "https://*.com", "https://*.co.uk", "https://app.example,null"]
        {
            let stranger = origins.rsplit(',').next().unwrap_or(origins);
            assert_eq!(
                faults(&["-l", ":80", "--allow-origin", origins]),
                [refusal("0.0.0.0:80", &format!(", for the origin {stranger} can be anybody's"))]
            );
        }
        for targets in
            ["public", "any", "0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1", "::/0", "*.com", "*.co.uk,a.example"]
        {
            assert_eq!(
                faults(&["-l", ":80", "--allow-target", targets]),
                [refusal("0.0.0.0:80", ", for those targets are no list")]
            );
        }
    }

    #[test]
    fn a_gateway_that_is_restricted_or_local_starts() {
        for arguments in [
            &["-l", ":8080", "--open"][..],
            &["-l", ":8080", "--allow-origin", "https://app.example.com"],
            &["-l", ":8080", "--allow-target", "api.example.org"],
            &["-l", "127.9.9.9:80"],
            &["-l", "[::1]:80"],
            &["-l", "[::ffff:127.0.0.1]:80"],
            &["-l", ":8080", "-u", "http://127.0.0.1:9001"],
        ] {
            assert_eq!(faults(arguments), Vec::<String>::new(), "{arguments:?}");
        }
    }

    #[test]
    fn a_list_of_origins_alone_binds_programs_too() {
        let origins = ["-l", ":80", "--allow-origin", "https://app.example.com"];
        for (more, alone) in [
            (&[][..], true),
            (&["--allow-target", "public"], true),
            (&["--allow-target", "api.example.org"], false),
            (&["--open"], false),
        ] {
            let (config, _) =
                compiled(&[&origins[..], more].concat()).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(config.gateway().map(|gateway| gateway.only_origins), Some(alone), "{more:?}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let found = faults(&[
            "-l",
            ":8080",
            "-l",
            "nowhere",
            "--workers",
            "none",
            "--allow-credentials",
            "--max-age",
            "600",
            "--redirects",
            "folow",
            "--tls-cert",
            "a.pem",
            "--limit-fields",
            "9999",
            "--timeout-head",
            "1x",
            "--dns-server",
            "dns.example",
            "--gateway",
            "query",
            "-u",
            "ftp://example.com",
            "-q",
            "-v",
        ]);
        for start in [
            "--listen: \"nowhere\"",
            "--workers: ",
            "--allow-credentials: needs a list of origins, not \"*\"",
            "--max-age: \"600\" has no unit; write 600s",
            "--redirects: \"folow\"",
            "--tls-cert: cannot read a.pem",
            "--tls-cert: a certificate needs its private key",
            "--limit-fields: ",
            "--timeout-head: ",
            "--dns-server: ",
            "--upstream: \"ftp://example.com\"",
            "--quiet: ",
            "a gateway on 0.0.0.0:8080 would let anyone",
        ] {
            assert_eq!(
                found.iter().filter(|fault| fault.starts_with(start)).count(),
                1,
                "{start}: {found:#?}"
            );
        }
        assert_eq!(found.len(), 13, "{found:#?}");
    }

    #[test]
    fn an_upstream_is_not_corsair_itself() {
        for arguments in [
            &["-u", "http://127.0.0.1:3000"][..],
            &["-l", ":80", "-u", "http://127.0.0.1"],
            &["-l", "[::]:80", "-u", "http://[::1]"],
            &["-l", "192.0.2.1:80", "-u", "http://192.0.2.1"],
        ] {
            let found = faults(arguments);
            assert!(
                found.len() == 1 && found[0].contains("is corsair's own listener"),
                "{arguments:?}: {found:?}"
            );
        }
        assert_eq!(faults(&["-l", "127.0.0.2:80", "-u", "http://127.0.0.1"]), Vec::<String>::new());
    }

    #[test]
    fn flags_without_effect_are_warned_of() {
        let reverse = ["-u", "http://127.0.0.1:9001"];
        for flag in [
            "--allow-target=a.example",
            "--deny-target=a.example",
            "--require-header=Origin",
            "--open",
            "--redirects=pass",
        ] {
            let key = flag.split('=').next().unwrap_or(flag);
            assert_eq!(
                warnings(&[&reverse[..], &[flag]].concat()),
                [format!("{key}: has no effect without a gateway; add --gateway query,path or leave it out")]
            );
        }
        assert_eq!(
            warnings(&[&reverse[..], &["--dns-server", "10.0.0.2"]].concat()),
            ["--dns-server: has no effect: no upstream is given by name"]
        );
        assert!(
            warnings(&[&reverse[..], &["--insecure-upstream"]].concat())
                .contains(&"--insecure-upstream: has no effect: no upstream is https".to_owned())
        );
        for asked in [&["-l", ":80", "--open"][..], &[], &reverse] {
            let arguments = [asked, &["--allow-host", "a.example"]].concat();
            assert_eq!(warnings(&arguments), Vec::<String>::new(), "asked wherever it is typed");
        }
    }

    #[test]
    fn a_plain_origin_with_credentials_is_warned_of_where_tls_is_served() {
        let (_folder, cert, key) = sample::certificate();
        let tls = ["--tls-cert", &cert, "--tls-key", &key];
        let origins = ["--allow-origin", "https://a.example,http://b.example,http://c.example"];
        let credentials = ["--allow-credentials"];
        assert_eq!(
            warnings(&[&tls[..], &origins, &credentials].concat()),
            ["http://b.example", "http://c.example"].map(|origin| format!(
                "--allow-origin: whoever is on the way to {origin} can change its pages and use the credentials \
                 that TLS protects here"
            ))
        );
        assert_eq!(warnings(&[&origins[..], &credentials].concat()), Vec::<String>::new());
        assert_eq!(warnings(&[&tls[..], &origins].concat()), Vec::<String>::new());
    }

    #[test]
    fn distrust_switched_off_is_warned_of() {
        let found = warnings(&["--insecure-upstream"]);
        assert!(
            found.len() == 1 && found[0].starts_with("--insecure-upstream: any certificate is trusted"),
            "{found:?}"
        );
    }
}

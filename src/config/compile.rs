//! Settings to configuration: all defaults, all checks.
//!
//! Every fault is reported, not the first: the readers beside this file read each value on its own, and
//! here is judged what concerns several of them together. Only what passes without a fault becomes a
//! [`Config`]. Nothing here knows where a setting was typed.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Config, ConfigFault, Endpoint, Gateway, Listener, Service, Upstream, bounds,
    endpoints::{self, Place},
    flags::Settings,
    machine::Machine,
    notes::Notes,
    policies::{self, GatewayParts},
    sections,
};
use crate::{
    cors::CorsSettings,
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
    let mut notes = Notes::default();
    let addresses = sections::addresses(&settings.serving, &mut notes);
    let (workers, max_connections, drain_timeout) = sections::sizes(&settings.serving, machine, &mut notes);
    let cors_settings = policies::cors_settings(&settings.cors, &mut notes);
    let cors = policies::cors(&cors_settings, &mut notes);
    let gateway = policies::gateway(&settings.gateway, !settings.upstream.upstream.is_empty(), &mut notes);
    let server_tls = sections::server_tls(&settings.tls, &mut notes);
    let client_tls = sections::client_tls(&settings.tls, &mut notes);
    let endpoints = notes.members("--upstream", &settings.upstream.upstream, endpoints::upstream);
    let dns = sections::dns(&settings.dns, &mut notes);
    let limits = bounds::limits(&settings.limits, &mut notes);
    let timeouts = bounds::timeouts(&settings.timeouts, &mut notes);
    let (access_log, verbosity) = sections::observation(&settings.observation, &mut notes);

    let listeners: Vec<Listener> =
        addresses.iter().map(|&address| Listener { address, tls: server_tls.clone() }).collect();
    let any_origin = cors.as_ref().map_or_else(
        || cors_settings.allow_origins.iter().any(|origin| origin == "*"),
        |policy| policy.is_any_origin(),
    );
    refuse_an_open_gateway(&listeners, &gateway, any_origin, &mut notes);
    warn_of_plain_origins(&cors_settings, server_tls.is_some(), &mut notes);
    refuse_a_loop(&addresses, &endpoints, &mut notes);
    warn_of_idle_flags(settings, &listeners, &gateway, &endpoints, &mut notes);
    let example_fields = example_fields(&cors_settings, &gateway, settings);

    let (Some(cors), Some(client_tls), Some(rules), Some(allow_hosts), true) =
        (cors, client_tls, gateway.rules, gateway.allow_hosts, notes.faults.is_empty())
    else {
        return Err(notes.faults);
    };
    let upstream = (!endpoints.is_empty()).then(|| Upstream { endpoints, tls: Arc::clone(&client_tls) });
    let forms = gateway.forms;
    let gateway = |forms| Gateway {
        forms,
        rules,
        redirects: gateway.redirects,
        require_headers: gateway.require_headers,
        allow_hosts,
        tls: client_tls,
    };
    let service = match (forms, upstream) {
        (Some(forms), Some(upstream)) => Service::Both { gateway: gateway(forms), upstream },
        (Some(forms), None) => Service::Gateway(gateway(forms)),
        (None, Some(upstream)) => Service::Reverse(upstream),
        (None, None) => unreachable!("without an upstream the gateway is on, or the list had a fault"),
    };
    let config = Config {
        listeners,
        service,
        cors,
        timeouts,
        limits,
        workers,
        max_connections,
        pipes: sections::pipes(machine, max_connections, workers),
        drain_timeout,
        access_log,
        dns,
        verbosity,
        example_fields,
    };
    Ok((config, notes.warnings))
}

/// A gateway that strangers can reach must be restricted by something, or published knowingly: else it is an
/// open proxy, found by scanners within hours.
fn refuse_an_open_gateway(
    listeners: &[Listener],
    gateway: &GatewayParts,
    any_origin: bool,
    notes: &mut Notes,
) {
    // Rules that cannot be read were meant to be some: their own fault is enough.
    let restricted =
        !any_origin || gateway.open || gateway.rules.as_ref().is_none_or(|rules| rules.is_list());
    let published: Vec<String> = listeners
        .iter()
        .filter(|listener| !listener.is_loopback())
        .map(|listener| listener.address.to_string())
        .collect();
    if gateway.forms.is_none() || restricted || published.is_empty() {
        return;
    }
    let message = format!(
        "a gateway on {} would let anyone reach any site through this machine; restrict it with --allow-origin or \
         --allow-target, or publish it knowingly with --open",
        published.join(" and ")
    );
    notes.fault("", message);
}

/// A page that came in the clear may have been changed on the way: with credentials it acts for its user.
fn warn_of_plain_origins(cors: &CorsSettings, serves_tls: bool, notes: &mut Notes) {
    if !(serves_tls && cors.allow_credentials) {
        return;
    }
    for origin in cors.allow_origins.iter().filter(|origin| origin.starts_with("http://")) {
        let message = format!(
            "whoever is on the way to {origin} can change its pages and use the credentials that TLS protects here"
        );
        notes.warn("--allow-origin", message);
    }
}

/// An upstream that is our own listener answers every request with itself.
fn refuse_a_loop(addresses: &[SocketAddr], endpoints: &[Endpoint], notes: &mut Notes) {
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
            notes.fault("--upstream", message);
        }
    }
}

/// A flag that changes nothing in this mode was probably meant to change something.
fn warn_of_idle_flags(
    settings: &Settings,
    listeners: &[Listener],
    gateway: &GatewayParts,
    endpoints: &[Endpoint],
    notes: &mut Notes,
) {
    let typed = &settings.gateway;
    let gateway_flags = [
        ("--allow-target", !typed.allow_target.is_empty()),
        ("--deny-target", !typed.deny_target.is_empty()),
        ("--require-header", !typed.require_header.is_empty()),
        ("--open", gateway.open),
        ("--redirects", typed.redirects.is_some()),
        ("--allow-host", !typed.allow_host.is_empty()),
    ];
    if gateway.forms.is_none() {
        for (key, _) in gateway_flags.into_iter().filter(|(_, typed)| *typed) {
            notes.warn(key, "has no effect without a gateway; add --gateway query,path or leave it out");
        }
        if endpoints.iter().all(|endpoint| endpoint.scheme == Scheme::Http) {
            let trust = [
                ("--ca-file", &settings.tls.ca_file),
                ("--insecure-upstream", &settings.tls.insecure_upstream),
            ];
            for (key, _) in trust.into_iter().filter(|(_, typed)| typed.is_some()) {
                notes.warn(key, "has no effect: no upstream is https");
            }
        }
        if endpoints.iter().all(|endpoint| !matches!(endpoint.place(), Place::Port(TargetHost::Name(_), _))) {
            let names = [
                ("--dns-server", !settings.dns.dns_server.is_empty()),
                ("--hosts-file", settings.dns.hosts_file.is_some()),
            ];
            for (key, _) in names.into_iter().filter(|(_, typed)| *typed) {
                notes.warn(key, "has no effect: no upstream is given by name");
            }
        }
    } else if !typed.allow_host.is_empty() && !listeners.iter().any(Listener::is_loopback) {
        notes.warn("--allow-host", "has no effect: it is asked on loopback listeners only");
    }
}

/// The fields that an example request needs to be let in, and to show what the policy does.
fn example_fields(cors: &CorsSettings, gateway: &GatewayParts, settings: &Settings) -> Vec<Box<str>> {
    let origin = cors.allow_origins.iter().find_map(|origin| match origin.as_str() {
        "*" => Some("https://app.example.com"),
        "loopback" => Some("http://localhost:5173"),
        exact if exact.contains("://") && !exact.contains('*') && !exact.starts_with('~') => Some(exact),
        _ => None,
    });
    let mut fields: Vec<Box<str>> =
        origin.map(|origin| format!("Origin: {origin}").into()).into_iter().collect();
    if gateway.forms.is_some() {
        let host = gateway.hosts.first().filter(|_| !settings.gateway.allow_host.is_empty());
        fields.extend(host.map(|host| format!("Host: {host}").into()));
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

    use super::*;
    use crate::config::{AccessLog, Limits, Redirects, Timeouts, flags};

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
    fn nothing_typed_is_a_gateway_on_loopback() {
        let (config, warnings) = compiled(&[]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.listeners[0].address, "127.0.0.1:3000".parse().unwrap());
        assert!(config.listeners[0].tls.is_none());
        let Service::Gateway(gateway) = &config.service else { panic!("not a gateway alone") };
        assert!(gateway.forms.query && gateway.forms.path);
        assert!(!gateway.rules.is_list() && gateway.require_headers.is_empty());
        assert_eq!(gateway.redirects, Redirects::Follow);
        assert!(config.cors.is_any_origin());
        assert_eq!((config.timeouts, config.limits), (Timeouts::default(), Limits::default()));
        assert_eq!((config.workers.get(), config.max_connections), (2, 9000));
        assert_eq!(config.drain_timeout, Duration::from_secs(30));
        assert_eq!((config.access_log, config.verbosity), (AccessLog::Off, LevelFilter::INFO));
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
        let refusal = |address: &str| {
            format!(
                "a gateway on {address} would let anyone reach any site through this machine; restrict it with \
                 --allow-origin or --allow-target, or publish it knowingly with --open"
            )
        };
        for (arguments, address) in [
            (&["-l", ":8080"][..], "0.0.0.0:8080"),
            (&["-l", "[::]:8080"], "[::]:8080"),
            (&["-l", "192.0.2.1:80", "--allow-target", "public"], "192.0.2.1:80"),
            (&["-l", ":8080", "--allow-target", "any"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--allow-origin", "*"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--open=false"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--require-header", "Origin"], "0.0.0.0:8080"),
            (&["-l", ":80", "--gateway", "query", "-u", "http://10.0.0.1"], "0.0.0.0:80"),
            (&["-l", "127.0.0.1:1", "-l", ":2", "-l", "[::]:2"], "0.0.0.0:2 and [::]:2"),
        ] {
            assert_eq!(faults(arguments), [refusal(address)], "{arguments:?}");
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
            "--tls-cert: ",
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
        assert_eq!(found.len(), 12, "{found:#?}");
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
            "--allow-host=a.example",
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
        assert_eq!(
            warnings(&["-l", ":80", "--open", "--allow-host", "a.example"]),
            ["--allow-host: has no effect: it is asked on loopback listeners only"]
        );
        assert_eq!(warnings(&["--allow-host", "a.example"]), Vec::<String>::new());
    }

    #[test]
    fn a_plain_origin_with_credentials_is_warned_of_where_tls_is_served() {
        let origins = vec!["https://a.example".into(), "http://b.example".into()];
        for (serves_tls, allow_credentials, expected) in [(true, true, 1), (false, true, 0), (true, false, 0)]
        {
            let mut notes = Notes::default();
            let mut cors = policies::cors_settings(&Settings::default().cors, &mut notes);
            (cors.allow_origins, cors.allow_credentials) = (Vec::clone(&origins), allow_credentials);
            warn_of_plain_origins(&cors, serves_tls, &mut notes);
            assert_eq!(notes.warnings.len(), expected);
            assert!(notes.warnings.iter().all(|warning| warning.message.contains("http://b.example")));
        }
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

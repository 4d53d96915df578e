//! Listeners, sizes, TLS, names, logs: text to values, defaults where nothing was typed.
//!
//! Here as in [`policies`](super::policies) and [`bounds`](super::bounds) each setting stands alone; what
//! concerns several together is judged in [`compile`](super::compile). Nothing stops at a fault: it is noted
//! and the default stands in.

use std::{fs::File, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use tracing::level_filters::LevelFilter;

use super::{
    AccessLog, Dns, endpoints,
    flags::{DnsSettings, ObservationSettings, ServingSettings, TlsSettings},
    machine::Machine,
    notes::Notes,
    units,
};
use crate::tls;

/// Where to serve; an address typed twice is a fault.
pub(super) fn addresses(settings: &ServingSettings, notes: &mut Notes) -> Vec<SocketAddr> {
    if settings.listen.is_empty() {
        return vec![SocketAddr::from(([127, 0, 0, 1], 3000))];
    }
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in notes.members("--listen", &settings.listen, endpoints::listener) {
        // Two times port 0 are two ports.
        if address.port() != 0 && addresses.contains(&address) {
            notes.fault("--listen", format!("{address} is given twice"));
        } else {
            addresses.push(address);
        }
    }
    addresses
}

/// Pipes that each of `workers` may have: of the descriptors that connections leave over, half, so that bodies in
/// pipes never take the place of a connection.
pub(super) fn pipes(machine: Machine, max_connections: usize, workers: NonZeroUsize) -> usize {
    let left = machine.descriptors.saturating_sub(max_connections.saturating_mul(2));
    (left / DESCRIPTORS_OF_A_PIPE / 2 / workers).min(MAX_PIPES)
}

const DESCRIPTORS_OF_A_PIPE: usize = 2;
/// What the kernel keeps in a pipe comes beside the buffers of its sockets.
const MAX_PIPES: usize = 64;

/// Threads, connections, and how long the end may take.
pub(super) fn sizes(
    settings: &ServingSettings,
    machine: Machine,
    notes: &mut Notes,
) -> (NonZeroUsize, usize, Duration) {
    let workers = notes.value("--workers", settings.workers.as_ref(), machine.cores, |text| match text {
        "auto" => Ok(machine.cores),
        text => units::count(text, 1..=1024)
            .map_err(|fault| format!("{fault}, or auto"))
            .map(|count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)),
    });
    // A connection has two descriptors, and a tenth is left for everything else.
    let default = (machine.descriptors.saturating_mul(9) / 20).max(1);
    let max_connections =
        notes.value("--max-connections", settings.max_connections.as_ref(), default, |text| {
            units::count(text, 1..=100_000_000)
        });
    if max_connections.saturating_mul(2) > machine.descriptors {
        let message = format!(
            "{max_connections} connections and as many to upstreams need more than the {} descriptors that this \
             process may open; raise the limit (ulimit -n, LimitNOFILE=)",
            machine.descriptors
        );
        notes.warn("--max-connections", message);
    }
    let drain = notes.value(
        "--drain-timeout",
        settings.drain_timeout.as_ref(),
        Duration::from_secs(30),
        units::duration,
    );
    (workers, max_connections, drain)
}

/// TLS of the listeners; `None` where they are plain, or the files faulty.
pub(super) fn server_tls(settings: &TlsSettings, notes: &mut Notes) -> Option<Arc<rustls::ServerConfig>> {
    let cert = file_name("--tls-cert", settings.tls_cert.as_ref(), notes);
    let key = file_name("--tls-key", settings.tls_key.as_ref(), notes);
    match (cert, key) {
        (Some(cert), Some(key)) => {
            tls::server_config(&cert, &key).map_err(|fault| notes.fault("--tls-cert", fault.to_string())).ok()
        }
        (None, None) => None,
        (Some(_), None) if settings.tls_key.is_none() => {
            notes.fault("--tls-cert", "a certificate needs its private key; give it with --tls-key");
            None
        }
        (None, Some(_)) if settings.tls_cert.is_none() => {
            notes.fault("--tls-key", "a private key needs its certificate; give it with --tls-cert");
            None
        }
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// TLS towards upstreams and targets; `None` if a file is faulty.
pub(super) fn client_tls(settings: &TlsSettings, notes: &mut Notes) -> Option<Arc<rustls::ClientConfig>> {
    let insecure = notes.switch("--insecure-upstream", settings.insecure_upstream.as_ref());
    let ca_file = file_name("--ca-file", settings.ca_file.as_ref(), notes);
    if insecure {
        let message = "any certificate is trusted: whoever is on the way can read and change what passes";
        notes.warn("--insecure-upstream", message);
    }
    tls::client_config(ca_file.as_deref(), insecure)
        .map_err(|fault| notes.fault("--ca-file", fault.to_string()))
        .ok()
}

/// Where names are resolved.
pub(super) fn dns(settings: &DnsSettings, notes: &mut Notes) -> Dns {
    let hosts_file = file_name("--hosts-file", settings.hosts_file.as_ref(), notes);
    if let Some(file) = &hosts_file
        && let Err(reason) = File::open(file)
    {
        notes.fault("--hosts-file", format!("cannot read {}: {reason}", file.display()));
    }
    Dns {
        servers: notes.members("--dns-server", &settings.dns_server, endpoints::resolver),
        hosts_file,
        max_stale: Duration::from_secs(3600),
    }
}

/// Where the access log goes, and how much is said on stderr.
pub(super) fn observation(settings: &ObservationSettings, notes: &mut Notes) -> (AccessLog, LevelFilter) {
    let access_log = match settings.access_log.as_deref() {
        None | Some("off") => AccessLog::Off,
        Some("stdout") => AccessLog::Stdout,
        Some("stderr") => AccessLog::Stderr,
        typed @ Some(_) => file_name("--access-log", typed.map(String::from).as_ref(), notes)
            .map_or(AccessLog::Off, AccessLog::File),
    };
    let quiet = notes.switch("--quiet", settings.quiet.as_ref());
    let verbosity = match (quiet, settings.verbose) {
        (true, 0) => LevelFilter::ERROR,
        (true, _) => {
            notes.fault("--quiet", "contradicts --verbose; give one of the two");
            LevelFilter::INFO
        }
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    (access_log, verbosity)
}

/// A file's name; an empty one is the sign of a variable that was not set.
fn file_name(key: &str, typed: Option<&String>, notes: &mut Notes) -> Option<PathBuf> {
    notes.value(key, typed, None, |text| {
        if text.is_empty() {
            Err("is empty; expected the name of a file".into())
        } else {
            Ok(Some(text.into()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    /// What `read` makes of its settings, and the messages of the faults it notes.
    fn noted<T>(read: impl FnOnce(&mut Notes) -> T) -> (T, Vec<String>) {
        let mut notes = Notes::default();
        let value = read(&mut notes);
        (value, notes.faults.iter().map(ToString::to_string).collect())
    }

    fn machine(descriptors: usize) -> Machine {
        Machine { descriptors, cores: NonZeroUsize::new(4).unwrap() }
    }

    #[test]
    fn connections_stay_below_the_descriptor_limit() {
        for (descriptors, expected) in [(20_000, 9000), (1024, 460), (1, 1)] {
            let (sizes, faults) =
                noted(|notes| sizes(&ServingSettings::default(), machine(descriptors), notes));
            assert_eq!((sizes.1, faults), (expected, vec![]));
        }
        let settings = ServingSettings { max_connections: text("600"), ..Default::default() };
        let mut notes = Notes::default();
        assert_eq!(sizes(&settings, machine(1024), &mut notes).1, 600);
        assert!(notes.warnings[0].to_string().starts_with("--max-connections: 600 connections"), "{notes:?}");
    }

    #[test]
    fn pipes_take_no_descriptor_from_a_connection() {
        for (descriptors, connections, workers, expected) in [
            (20_000, 9000, 2, 64),
            (20_000, 9000, 64, 7),
            (1024, 460, 2, 13),
            (1024, 512, 2, 0),
            (10, 100, 1, 0),
        ] {
            let workers = NonZeroUsize::new(workers).unwrap();
            assert_eq!(pipes(machine(descriptors), connections, workers), expected, "{descriptors}");
        }
    }

    #[test]
    fn workers_are_a_number_or_the_cores() {
        for (typed, expected) in [(None, 4), (text("auto"), 4), (text("2"), 2)] {
            let settings = ServingSettings { workers: typed, ..Default::default() };
            assert_eq!(noted(|notes| sizes(&settings, machine(9), notes).0.get()), (expected, vec![]));
        }
        for typed in ["0", "many", "-1", "1025"] {
            let settings = ServingSettings { workers: text(typed), ..Default::default() };
            let (_, faults) = noted(|notes| sizes(&settings, machine(9), notes));
            assert_eq!(
                faults,
                [format!("--workers: \"{typed}\" is out of range; expected 1 to 1024, or auto")]
            );
        }
    }

    #[test]
    fn an_address_is_served_once() {
        let listen = |addresses: &[&str]| {
            let listen = addresses.iter().map(ToString::to_string).collect();
            noted(|notes| addresses_of(listen, notes))
        };
        fn addresses_of(listen: Vec<String>, notes: &mut Notes) -> usize {
            addresses(&ServingSettings { listen, ..Default::default() }, notes).len()
        }
        assert_eq!(listen(&[]), (1, vec![]));
        assert_eq!(listen(&["127.0.0.1:0", "127.0.0.1:0"]), (2, vec![]));
        assert_eq!(listen(&[":80", "[::]:80"]), (2, vec![]));
        assert_eq!(listen(&[":80,0.0.0.0:80"]).1, ["--listen: 0.0.0.0:80 is given twice"]);
    }

    #[test]
    fn certificate_and_key_come_together() {
        for (cert, key, expected) in [
            (text("a.pem"), None, "--tls-cert: a certificate needs its private key; give it with --tls-key"),
            (None, text("a.key"), "--tls-key: a private key needs its certificate; give it with --tls-cert"),
            (text(""), text("a.key"), "--tls-cert: is empty; expected the name of a file"),
        ] {
            let settings = TlsSettings { tls_cert: cert, tls_key: key, ..Default::default() };
            assert_eq!(noted(|notes| server_tls(&settings, notes).is_none()), (true, vec![expected.into()]));
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_faults() {
        let missing = text("/nonexistent/file");
        let settings = TlsSettings {
            tls_cert: missing.clone(),
            tls_key: missing.clone(),
            ca_file: missing.clone(),
            ..Default::default()
        };
        let (_, faults) = noted(|notes| (server_tls(&settings, notes), client_tls(&settings, notes)));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("--tls-cert: ") && faults[1].starts_with("--ca-file: "), "{faults:?}");
        let settings = DnsSettings { hosts_file: missing, ..Default::default() };
        let (_, faults) = noted(|notes| dns(&settings, notes));
        assert!(faults[0].starts_with("--hosts-file: cannot read /nonexistent/file: "), "{faults:?}");
    }

    #[test]
    fn a_certificate_makes_the_listeners_speak_tls() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let name = |path: &std::path::Path| path.to_str().map(String::from);
        let settings = TlsSettings {
            tls_cert: name(&cert),
            tls_key: name(&key),
            ca_file: name(&cert),
            ..Default::default()
        };
        let (made, faults) = noted(|notes| (server_tls(&settings, notes), client_tls(&settings, notes)));
        assert_eq!(faults, Vec::<String>::new());
        assert!(made.0.is_some() && made.1.is_some());
    }

    #[test]
    fn the_access_log_is_off_unless_asked_for() {
        for (typed, expected) in [
            (None, AccessLog::Off),
            (text("off"), AccessLog::Off),
            (text("stdout"), AccessLog::Stdout),
            (text("stderr"), AccessLog::Stderr),
            (text("/var/log/corsair.log"), AccessLog::File("/var/log/corsair.log".into())),
        ] {
            let settings = ObservationSettings { access_log: typed, ..Default::default() };
            assert_eq!(noted(|notes| observation(&settings, notes).0), (expected, vec![]));
        }
    }

    #[test]
    fn verbosity_goes_up_and_down() {
        for (quiet, verbose, expected) in [
            (None, 0, LevelFilter::INFO),
            (text("true"), 0, LevelFilter::ERROR),
            (text("false"), 1, LevelFilter::DEBUG),
            (None, 2, LevelFilter::TRACE),
            (None, 9, LevelFilter::TRACE),
        ] {
            let settings = ObservationSettings { quiet, verbose, ..Default::default() };
            assert_eq!(noted(|notes| observation(&settings, notes).1), (expected, vec![]));
        }
        let settings = ObservationSettings { quiet: text("true"), verbose: 1, ..Default::default() };
        let (_, faults) = noted(|notes| observation(&settings, notes));
        assert_eq!(faults, ["--quiet: contradicts --verbose; give one of the two"]);
    }

    #[test]
    fn resolvers_are_the_systems_unless_named() {
        let (system, _) = noted(|notes| dns(&DnsSettings::default(), notes));
        assert_eq!(system, Dns { servers: vec![], hosts_file: None, max_stale: Duration::from_secs(3600) });
        let settings = DnsSettings { dns_server: vec!["10.0.0.2,[::1]:54".into()], ..Default::default() };
        let (named, faults) = noted(|notes| dns(&settings, notes));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(named.servers, ["10.0.0.2:53".parse().unwrap(), "[::1]:54".parse().unwrap()]);
    }
}

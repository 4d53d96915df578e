//! `[dns]`: where names are resolved.

use std::{
    fs::File,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{keys::Key, reader::Reader, values};

/// Where names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers; empty means the system's.
    pub servers: Vec<SocketAddr>,
    /// A hosts file instead of the system's.
    pub hosts_file: Option<PathBuf>,
    /// How long a last good answer may serve when the resolver fails.
    pub max_stale: Duration,
}

/// Where names are resolved; the hosts file must be there.
pub(super) fn read(reader: &mut Reader<'_>) -> Dns {
    let hosts_file = reader.optional(Key::HostsFile, values::file);
    if let Some(file) = &hosts_file
        && let Err(reason) = File::open(file)
    {
        reader.fault(Key::HostsFile, format!("cannot read {}: {reason}", file.display()));
    }
    Dns {
        servers: reader.members(Key::DnsServer, resolver),
        hosts_file,
        max_stale: reader.value(Key::DnsMaxStale, values::duration),
    }
}

/// A resolver: an address, with the port where it is not 53. Names cannot be taken, since nothing could resolve them.
fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .map(|ip| SocketAddr::from((ip, 53)))
        .or_else(|_| text.parse())
        .ok()
        .filter(|address| address.port() != 0)
        .ok_or_else(|| {
            format!("\"{text}\" is no resolver; expected an address such as 10.0.0.2 or 10.0.0.2:53")
        })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn resolvers_are_addresses() {
        for (text, address) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:54", "[::1]:54"),
        ] {
            assert_eq!(resolver(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "dns.example", "10.0.0.2:0", "10.0.0.2:"] {
            assert!(resolver(text).expect_err(text).contains("is no resolver"), "{text}");
        }
    }

    #[test]
    fn resolvers_are_the_systems_unless_named() {
        let (system, _) = sample::faults(&[], read);
        assert_eq!(system, Dns { servers: vec![], hosts_file: None, max_stale: Duration::from_secs(3600) });
        let (named, faults) = sample::faults(&[(Key::DnsServer, "10.0.0.2,[::1]:54")], read);
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(named.servers, ["10.0.0.2:53".parse().unwrap(), "[::1]:54".parse().unwrap()]);
    }

    #[test]
    fn a_stale_answer_serves_as_long_as_it_may() {
        let (dns, faults) = sample::faults(&[(Key::DnsMaxStale, "0")], read);
        assert_eq!((dns.max_stale, faults), (Duration::ZERO, vec![]));
    }

    #[test]
    fn a_hosts_file_that_cannot_be_used_is_a_fault() {
        let (_, faults) = sample::faults(&[(Key::HostsFile, "/nonexistent/file")], read);
        assert!(faults[0].starts_with("--hosts-file: cannot read /nonexistent/file: "), "{faults:?}");
    }
}

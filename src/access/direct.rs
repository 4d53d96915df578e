//! Destinations that are asked directly, although there is a parent proxy: the operator's list, compiled.

use std::fmt;

use ipnet::IpNet;

use super::{
    hosts::{HostPatterns, folded},
    parse_network,
};
use crate::uri::TargetHost;

/// What no parent proxy is asked for.
///
/// An entry is a host or an address, `.example.com` for all names below that one, either with a port or without, or a
/// network. Names are compared as they stand, and none is resolved: a network holds addresses that stand in a URL.
#[derive(Clone, Default)]
pub struct DirectHosts {
    any: bool,
    networks: Vec<IpNet>,
    hosts: HostPatterns,
    /// What it was compiled from.
    written: Vec<Box<str>>,
}

impl fmt::Debug for DirectHosts {
    /// Its maps have no order; what was written has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl DirectHosts {
    /// Adds an entry.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, entry: &str) -> Result<(), String> {
        if entry == "*" {
            return Err("would leave nothing to the parent; leave the parent out instead".to_owned());
        }
        if entry.contains('/') && !entry.contains("://") {
            let network = parse_network(entry).ok_or(
                "is no network; write an address and a prefix, as in 10.0.0.0/8, and no path behind a host",
            )?;
            self.networks.push(network);
        } else if entry.starts_with('.') {
            self.hosts.add(&format!("*{entry}"))?;
        } else {
            self.hosts.add(entry)?;
        }
        self.written.push(entry.into());
        Ok(())
    }

    /// Adds an entry of the variable `no_proxy` as other programs take it: `*` is everything, and a name stands for those
    /// below it, too.
    ///
    /// # Errors
    /// As [`DirectHosts::add`].
    pub fn add_of_environment(&mut self, entry: &str) -> Result<(), String> {
        if entry == "*" {
            self.any = true;
            self.written.push(entry.into());
            return Ok(());
        }
        let name = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')).unwrap_or(entry);
        self.add(name)?;
        // Nothing is below an address or a network.
        let _ = self.add(&format!(".{name}"));
        Ok(())
    }

    /// Whether this host is asked directly.
    #[must_use]
    pub fn has(&self, host: TargetHost<'_>, port: u16) -> bool {
        self.any
            || match host {
                TargetHost::Ip(ip) => {
                    let canonical = ip.to_canonical();
                    self.hosts.has_address(ip, port)
                        || self.networks.iter().any(|network| network.contains(&canonical))
                }
                TargetHost::Name(name) => {
                    let name = folded(name);
                    self.hosts.has_name(&name, port) || self.hosts.has_wildcard_over(&name, port)
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(add: impl Fn(&mut DirectHosts, &str) -> Result<(), String>, entries: &[&str]) -> DirectHosts {
        let mut direct = DirectHosts::default();
        for entry in entries {
            add(&mut direct, entry).unwrap_or_else(|fault| panic!("{entry}: {fault}"));
        }
        direct
    }

    fn has(direct: &DirectHosts, host: &str, port: u16) -> bool {
        direct.has(host.parse().map_or(TargetHost::Name(host), TargetHost::Ip), port)
    }

    #[test]
    fn a_host_is_asked_directly_by_its_name_those_above_it_its_network_and_its_port() {
        let entries =
            ["localhost", ".internal", "10.0.0.0/8", "host:8080", ".dev.example:81", "9.9.9.9", "fd00::/8"];
        let direct = of(DirectHosts::add, &entries);
        for (host, port, expected) in [
            ("localhost", 80, true),
            ("LOCALHOST.", 80, true),
            ("a.localhost", 80, false),
            ("a.internal", 443, true),
            ("a.b.internal.", 443, true),
            ("internal", 443, false),
            ("ainternal", 443, false),
            ("10.1.2.3", 80, true),
            ("::ffff:10.1.2.3", 80, true),
            ("11.1.2.3", 80, false),
            ("fd12::1", 80, true),
            ("host", 8080, true),
            ("host", 80, false),
            ("a.dev.example", 81, true),
            ("a.dev.example", 80, false),
            ("9.9.9.9", 1, true),
            ("9.9.9.8", 1, false),
            ("example.com", 80, false),
        ] {
            assert_eq!(has(&direct, host, port), expected, "{host}:{port}");
        }
        assert!(!has(&DirectHosts::default(), "localhost", 80), "nothing is, unless it is listed");
    }

    #[test]
    fn in_the_environment_a_name_stands_for_those_below_it_too() {
        let entries =
            ["example.com", ".corp.example", "*.wild.example", "10.0.0.0/8", "127.0.0.1", "host:8080"];
        let direct = of(DirectHosts::add_of_environment, &entries);
        for (host, port, expected) in [
            ("example.com", 80, true),
            ("a.example.com", 80, true),
            ("anexample.com", 80, false),
            ("corp.example", 80, true),
            ("a.corp.example", 80, true),
            ("wild.example", 80, true),
            ("a.wild.example", 80, true),
            ("10.9.9.9", 80, true),
            ("127.0.0.1", 80, true),
            ("host", 8080, true),
            ("a.host", 8080, true),
            ("host", 80, false),
        ] {
            assert_eq!(has(&direct, host, port), expected, "{host}:{port}");
        }
        assert!(has(&of(DirectHosts::add_of_environment, &["*"]), "any.example", 1));
    }

    #[test]
    fn what_is_no_entry_hears_why() {
        for (entry, reason) in [
            ("", "is empty"),
            ("*", "leave the parent out"),
            ("http://a.example", "is a URL"),
            ("a.example/b", "is no network"),
            ("10.0.0.0/99", "is no network"),
            ("host:0", "no port from 1"),
            ("a b", "is no"),
            ("192.168.*", "has a *"),
        ] {
            let fault = DirectHosts::default().add(entry).expect_err(entry);
            assert!(fault.contains(reason), "{entry}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_listed_is_asked_directly_and_its_neighbour_is_not(
            name in "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}",
            port in 1_u16..,
        ) {
            let (child, sibling) = (format!("x.{name}"), format!("x{name}"));
            let exact = of(DirectHosts::add, &[&format!("{name}:{port}")]);
            prop_assert!(has(&exact, &name, port));
            prop_assert!(!has(&exact, &name, port ^ 1) && !has(&exact, &child, port));
            let below = of(DirectHosts::add, &[&format!(".{name}")]);
            prop_assert!(has(&below, &child, port));
            prop_assert!(!has(&below, &name, port) && !has(&below, &sibling, port));
        }
    }
}

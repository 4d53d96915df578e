//! Whose word counts.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::access::{AddressClass, class_of, cover_the_internet, parse_network};

/// Whom to believe, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Whose word counts.
    pub proxies: TrustedProxies,
    /// In which fields it stands.
    pub headers: TrustedHeaders,
}

/// The fields that are believed; the others are dropped from everybody (rule 2 of [`trust`](super)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedHeaders {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Proxies whose word counts about those who come by way of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    loopback: bool,
    private: bool,
    unix: bool,
    /// Networks without overlaps, in their order, as their first and their last addresses.
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
    /// Anybody on the internet could be one of them.
    everybody: bool,
}

/// One of those that an operator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustRule {
    /// This machine.
    Loopback,
    /// Private addresses.
    Private,
    /// Whoever comes over a Unix socket.
    Unix,
    /// A network, or an address alone.
    Network(IpNet),
}

impl TrustRule {
    /// What was typed.
    ///
    /// # Errors
    /// What is wrong with it, to be said behind its name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let named = match text.to_ascii_lowercase().as_str() {
            "loopback" => Some(Self::Loopback),
            "private" => Some(Self::Private),
            "unix" => Some(Self::Unix),
            _ => None,
        };
        let address = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
        let network = || parse_network(text).or_else(address).map(Self::Network);
        named.or_else(network).ok_or_else(|| {
            format!(
                "\"{text}\" is no network; expected an address, one with a prefix such as 10.0.0.0/8 or fd00::/8, \
                 loopback, private or unix"
            )
        })
    }
}

impl TrustedProxies {
    /// Those that these rules name.
    #[must_use]
    pub fn of(rules: &[TrustRule]) -> Self {
        let mut trusted = Self::default();
        let (mut v4, mut v6, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            match rule {
                TrustRule::Loopback => trusted.loopback = true,
                TrustRule::Private => trusted.private = true,
                TrustRule::Unix => trusted.unix = true,
                TrustRule::Network(network) => {
                    all.push(*network);
                    match network {
                        IpNet::V4(network) => v4.push(*network),
                        IpNet::V6(network) => v6.push(*network),
                    }
                }
            }
        }
        trusted.everybody = cover_the_internet(&all);
        trusted.v4 = Ipv4Net::aggregate(&v4)
            .iter()
            .map(|network| (network.network().to_bits(), network.broadcast().to_bits()))
            .collect();
        trusted.v6 = Ipv6Net::aggregate(&v6)
            .iter()
            .map(|network| (network.network().to_bits(), network.broadcast().to_bits()))
            .collect();
        trusted.v4.sort_unstable();
        trusted.v6.sort_unstable();
        trusted
    }

    /// Whether nobody is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !(self.loopback || self.private || self.unix) && self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether they hold a sixteenth of the internet or more.
    #[must_use]
    pub const fn is_everybody(&self) -> bool {
        self.everybody
    }

    /// Whether the peer of a connection is one; `None` came over a Unix socket.
    #[must_use]
    pub fn trusts_peer(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.trusts(peer.ip()),
            None => self.unix,
        }
    }

    /// Whether this address is that of one. An IPv6 address that leads to an IPv4 one by a detour is none.
    #[must_use]
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let is_named = match ip {
            IpAddr::V4(ip) => holds(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => holds(&self.v6, ip.to_bits()),
        };
        // `to_canonical` has left no IPv6 address but those that are meant as such, and detours.
        let class = || if crate::access::address::embedded(ip).is_none() { Some(class_of(ip)) } else { None };
        is_named
            || self.loopback && class() == Some(AddressClass::Loopback)
            || self.private && class() == Some(AddressClass::Private)
    }
}

/// Whether one of the ranges, which are in order, holds `address`.
fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn trusted(rules: &str) -> TrustedProxies {
        let rules: Vec<_> = rules.split_whitespace().map(|rule| TrustRule::parse(rule).unwrap()).collect();
        TrustedProxies::of(&rules)
    }

    #[test]
    fn those_are_trusted_who_are_named() {
        for (rules, yes, no) in [
            ("", "", "127.0.0.1 ::1 10.0.0.1 unix"),
            ("loopback", "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1", "10.0.0.1 unix 0.0.0.0 64:ff9b::7f00:1"),
            (
                "private",
                "10.0.0.1 172.31.0.1 192.168.255.255 100.64.0.1 fd12::1 ::ffff:10.0.0.1",
                "127.0.0.1 172.32.0.1 169.254.169.254 2002:a00:1:: fe80::1 unix 8.8.8.8",
            ),
            ("unix", "unix", "127.0.0.1"),
            ("Loopback UNIX", "127.0.0.1 unix", "10.0.0.1"),
            ("192.0.2.7", "192.0.2.7 ::ffff:192.0.2.7", "192.0.2.6 192.0.2.8"),
            ("2001:db8::7", "2001:db8::7", "2001:db8::6 2001:db8::8"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            (
                "203.0.113.0/24 192.0.2.128/25 192.0.2.0/25 2001:db8::/32 10.1.2.3/8",
                "192.0.2.0 192.0.2.255 203.0.113.0 203.0.113.255 2001:db8:ffff::1 10.255.255.255",
                "192.0.1.255 192.0.3.0 203.0.112.255 203.0.114.0 2001:db9:: 2001:db7:ffff:: 9.255.255.255 11.0.0.0",
            ),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0 ::a00:0"),
            ("0.0.0.0/0", "0.0.0.0 255.255.255.255 8.8.8.8", "::1 2001:db8::1"),
        ] {
            let trusted = trusted(rules);
            assert_eq!(trusted.is_empty(), rules.is_empty());
            for (peers, expected) in [(yes, true), (no, false)] {
                for peer in peers.split_whitespace() {
                    let address = (peer != "unix").then(|| SocketAddr::new(peer.parse().unwrap(), 4711));
                    assert_eq!(trusted.trusts_peer(address), expected, "{rules}: {peer}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_rule_hears_what_was_expected() {
        for text in
            ["*", "any", "public", "10.0.0.0/33", "10.0.0", "localhost", "example.com", "fe80::1%eth0", ""]
        {
            let fault = TrustRule::parse(text).unwrap_err();
            assert!(fault.starts_with(&format!("\"{text}\" is no network; expected")), "{fault}");
        }
    }

    #[test]
    fn a_sixteenth_of_the_internet_is_everybody() {
        for (rules, expected) in [
            ("0.0.0.0/0", true),
            ("0.0.0.0/1 128.0.0.0/1", true),
            ("::/0", true),
            ("10.0.0.0/8 loopback private", false),
        ] {
            assert_eq!(trusted(rules).is_everybody(), expected, "{rules}");
        }
    }
}

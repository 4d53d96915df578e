//! Networks of clients.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::access::{cover_the_internet, parse_network};

/// From where clients may come.
#[derive(Debug)]
pub struct ClientRules {
    /// Empty: from anywhere.
    allow: Box<[IpNet]>,
    /// Refused whatever else allows them.
    deny: Box<[IpNet]>,
}

impl ClientRules {
    /// Those of these networks, but not of those.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        Self { allow: allow.into(), deny: deny.into() }
    }

    /// A network as it was typed, or an address alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<IpNet, String> {
        let address = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
        parse_network(text).or_else(address).ok_or_else(|| {
            format!("\"{text}\" is no network; expected an address, or one with a prefix such as 10.0.0.0/8 or fd00::/8")
        })
    }

    /// Whether a client of this address may come. One without an address may not: nobody knows where it is.
    #[must_use]
    pub fn admit(&self, client: Option<IpAddr>) -> bool {
        let Some(ip) = client.map(|ip| ip.to_canonical()) else { return false };
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&ip));
        (self.allow.is_empty() || is_in(&self.allow)) && !is_in(&self.deny)
    }

    /// Whether it says who may come at all: to leave some out, or to name a sixteenth of the internet, is not to.
    #[must_use]
    pub fn restrict(&self) -> bool {
        !self.allow.is_empty() && !cover_the_internet(&self.allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> ClientRules {
        let read =
            |texts: &[&str]| texts.iter().map(|text| ClientRules::read(text).expect("a network")).collect();
        ClientRules::new(read(allow), read(deny))
    }

    #[test]
    fn a_client_is_admitted_by_its_network_and_never_without_an_address() {
        let private = rules(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], &["10.1.0.0/16"]);
        let strangers = rules(&[], &["192.0.2.0/24"]);
        for (client, of_private, of_strangers) in [
            ("10.0.0.1", true, true),
            ("::ffff:10.0.0.1", true, true),
            ("10.1.2.3", false, true),
            ("11.0.0.1", false, true),
            ("192.0.2.7", true, false),
            ("192.0.2.8", false, false),
            ("2001:db8::1", true, true),
            ("2001:db9::1", false, true),
        ] {
            let client: IpAddr = client.parse().expect("an address");
            let found = (private.admit(Some(client)), strangers.admit(Some(client)));
            assert_eq!(found, (of_private, of_strangers), "{client}");
        }
        assert!(!private.admit(None) && !strangers.admit(None));
    }

    #[test]
    fn a_network_is_one_of_addresses() {
        for text in ["", "*", "any", "10.0.0.0/33", "example.com", "10.0.0", "loopback"] {
            let expected = format!("\"{text}\" is no network; expected an address, or one with a prefix");
            assert!(ClientRules::read(text).is_err_and(|fault| fault.starts_with(&expected)), "{text}");
        }
    }

    #[test]
    fn networks_restrict_where_they_say_who_may_come() {
        for (allow, deny, expected) in [
            (&["10.0.0.0/8"][..], &[][..], true),
            (&[], &["10.0.0.0/8"], false),
            (&["0.0.0.0/1", "128.0.0.0/1"], &[], false),
        ] {
            assert_eq!(rules(allow, deny).restrict(), expected, "{allow:?} {deny:?}");
        }
    }
}

//! Which addresses are reached through the internet: a list of networks, and nothing clever.
//!
//! Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 4291, RFC 6052, RFC 3056.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not public, and single addresses at which clouds hand out credentials.
const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Networks inside of 2000::/3 that are not public.
const NOT_PUBLIC_V6: [&str; 3] = ["2001::/23", "2001:db8::/32", "3fff::/20"];

/// IPv6 networks that carry an IPv4 address, and the first of its bits.
const CARRIERS: [(&str, u32); 4] =
    [("::ffff:0:0/96", 96), ("::/96", 96), ("64:ff9b::/96", 96), ("2002::/16", 16)];

/// The address and the length of the prefix of a network.
fn network<A: std::str::FromStr>(text: &str) -> (A, u32) {
    let (address, prefix) = text.split_once('/').expect("a network has a prefix");
    let Ok(address) = address.parse() else { panic!("{text} begins with an address") };
    (address, prefix.parse().expect("a prefix is a number"))
}

fn v4_is_in(address: Ipv4Addr, text: &str) -> bool {
    let (start, prefix) = network::<Ipv4Addr>(text);
    (0..prefix).all(|bit| (u32::from(address) ^ u32::from(start)) >> (31 - bit) & 1 == 0)
}

fn v6_is_in(address: Ipv6Addr, text: &str) -> bool {
    let (start, prefix) = network::<Ipv6Addr>(text);
    (0..prefix).all(|bit| (u128::from(address) ^ u128::from(start)) >> (127 - bit) & 1 == 0)
}

/// Whether packets to this address leave for the internet and end in a network that anybody may reach.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| v4_is_in(address, network)),
        IpAddr::V6(address) => {
            if address == Ipv6Addr::UNSPECIFIED || address == Ipv6Addr::LOCALHOST {
                return false;
            }
            for (carrier, first) in CARRIERS {
                if v6_is_in(address, carrier) {
                    let carried = (u128::from(address) << first >> 96) as u32;
                    return is_public(IpAddr::V4(Ipv4Addr::from(carried)));
                }
            }
            v6_is_in(address, "2000::/3") && !NOT_PUBLIC_V6.iter().any(|network| v6_is_in(address, network))
        }
    }
}

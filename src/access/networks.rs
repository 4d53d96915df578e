//! How much of the internet a list of networks holds.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What is given out of IPv6: 2000::/3.
const GLOBAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Prefixes of IPv6 that carry all of IPv4 behind them: NAT64 (RFC 6052 §2.1) and 6to4 (RFC 3056 §2).
const CARRIERS: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96), (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16)];

/// A part of the internet of one in so many, as a power of two: who allows more of it has named nobody.
const SHARE: u8 = 4;

/// Whether these networks hold a sixteenth of the internet or more, of either family. They are counted together: halves
/// are not smaller than a whole.
#[must_use]
pub fn cover_the_internet(networks: &[IpNet]) -> bool {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for network in networks {
        match network {
            IpNet::V4(network) => v4.push(*network),
            IpNet::V6(network) => {
                v6.push(*network);
                v4.extend(carried(*network));
            }
        }
    }
    let v4 = Ipv4Net::aggregate(&v4).iter().map(|network| 1 << (32 - network.prefix_len())).sum::<u64>();
    let v6 = Ipv6Net::aggregate(&v6).iter().filter_map(global_share).sum::<u128>();
    v4 >= 1 << (32 - SHARE) || v6 >= 1 << (128 - GLOBAL.1 - SHARE)
}

/// The IPv4 network behind a prefix that carries one.
fn carried(network: Ipv6Net) -> Option<Ipv4Net> {
    CARRIERS.iter().find_map(|&(address, prefix)| {
        let carrier = Ipv6Net::new(address, prefix).ok()?;
        if network.contains(&carrier) {
            return Ipv4Net::new([0, 0, 0, 0].into(), 0).ok();
        }
        if !carrier.contains(&network) {
            return None;
        }
        // Beyond the 32 bits of the IPv4 address all belongs to one of them.
        let own = network.prefix_len().saturating_sub(prefix).min(32);
        let bits = network.addr().to_bits() >> (96 - prefix) & u128::from(u32::MAX);
        Ipv4Net::new(u32::try_from(bits).ok()?.into(), own).ok().map(|network| network.trunc())
    })
}

/// How many of its addresses are given out.
fn global_share(network: &Ipv6Net) -> Option<u128> {
    let global = Ipv6Net::new(GLOBAL.0, GLOBAL.1).ok()?;
    let inside = if network.contains(&global) { global } else { *network };
    global.contains(&inside).then(|| 1 << (128 - inside.prefix_len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_detours_hold_the_internet_as_much_as_a_whole() {
        for (networks, expected) in [
            ("0.0.0.0/0", true),
            ("0.0.0.0/1 128.0.0.0/1", true),
            ("0.0.0.0/1", true),
            ("1.0.0.0/8 2.0.0.0/8", false),
            ("16.0.0.0/5 24.0.0.0/5", true),
            ("16.0.0.0/5 16.0.0.0/5", false),
            ("::/0", true),
            ("::/1", true),
            ("2000::/3", true),
            ("2000::/4 3000::/4", true),
            ("2001:db8::/32", false),
            ("64:ff9b::/96", true),
            ("64:ff9b::/97 64:ff9b::8000:0/97", true),
            ("64:ff9b::a00:0/104", false),
            ("2002::/16", true),
            ("2002::/17", true),
            ("2002:a00::/24", false),
            ("fc00::/7", false),
            ("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16", false),
            ("", false),
        ] {
            let parsed: Vec<IpNet> = networks.split_whitespace().map(|text| text.parse().unwrap()).collect();
            assert_eq!(cover_the_internet(&parsed), expected, "{networks}");
        }
    }
}

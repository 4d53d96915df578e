//! What kind of network an address belongs to.
//!
//! Pure tables over the special-purpose registries (RFC 6890 and its successors). An address that carries an
//! IPv4 address is judged by that one, because that is where the packets end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of network that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Reached through the internet.
    Public,
    /// RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193).
    Private,
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// 169.254.0.0/16, `fe80::/10`.
    LinkLocal,
    /// A service of a cloud that hands out credentials to whoever asks, wherever its address lies.
    Metadata,
    /// "This host on this network": 0.0.0.0/8, `::`; many systems take it for loopback.
    Unspecified,
    /// 224.0.0.0/4, `ff00::/8`.
    Multicast,
    /// Kept for examples (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// Benchmarks, relays, translation of unknown layout, future use and everything nobody was given.
    Reserved,
}

/// The kind of network that `ip` belongs to.
///
/// IPv4-mapped, IPv4-compatible, NAT64 and 6to4 addresses are of the class of the IPv4 address in them. The
/// local-use NAT64 prefix 64:ff9b:1::/48 (RFC 8215) is reserved as a whole: where in it the IPv4 address
/// stands is known to the local network only, so a public-looking one may end anywhere.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries.
#[must_use]
pub fn class_of(ip: IpAddr) -> AddressClass {
    match (ip, embedded(ip)) {
        (IpAddr::V4(ip), _) | (IpAddr::V6(_), Some(ip)) => class_of_v4(ip),
        (IpAddr::V6(ip), None) => class_of_v6(ip),
    }
}

/// The IPv4 address that an IPv6 address carries: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052
/// §2.1), 6to4 (RFC 3056 §2).
#[must_use]
pub fn embedded(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

const fn class_of_v4(ip: Ipv4Addr) -> AddressClass {
    match ip.octets() {
        // AWS, Google, Azure and most others; Alibaba; Oracle; Azure's host agent, on a public address.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => {
            AddressClass::Metadata
        }
        [0, ..] => AddressClass::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => AddressClass::Private,
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Documentation,
        [224..=239, ..] => AddressClass::Multicast,
        // Protocol assignments, the 6to4 relay, benchmarks, future use and broadcast.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [240..=255, ..] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

const fn class_of_v6(ip: Ipv6Addr) -> AddressClass {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // AWS (instance data, time, pod identity); Google; Scaleway. All of them look like unique local ones.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => {
            AddressClass::Metadata
        }
        [0xfc00..=0xfdff, ..] => AddressClass::Private,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressClass::Documentation,
        // Protocol assignments: Teredo, benchmarks, ORCHID and their kin.
        [0x2001, 0..=0x1ff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        // Discard-only, segment routing, site-local, local NAT64, and what was never given out.
        _ => AddressClass::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressClass::*, *};

    #[test]
    fn every_range_has_its_class_to_its_last_address() {
        for (class, addresses) in [
            (Unspecified, "0.0.0.0 0.255.255.255 :: ::0.0.0.2 ::ffff:0.0.0.0 64:ff9b::"),
            (
                Private,
                "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 100.64.0.0 \
                 100.127.255.255 fc00:: fdff:ffff::1 ::10.0.0.1 ::ffff:192.168.1.1 64:ff9b::10.0.0.1 \
                 2002:a00:1:: 2002:c0a8:101::1",
            ),
            (Loopback, "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1::"),
            (LinkLocal, "169.254.0.1 169.254.170.2 fe80::1 febf:ffff::1 ::ffff:169.254.1.1"),
            (
                Metadata,
                "169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd00:ec2::23 \
                 fd20:ce::254 fd00:42::42 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::",
            ),
            (Multicast, "224.0.0.1 239.255.255.255 ff00:: ff02::1 ffff::"),
            (
                Documentation,
                "192.0.2.1 198.51.100.255 203.0.113.0 2001:db8::1 2001:db8:ffff::1 3fff::1 3fff:fff::1",
            ),
            (
                Reserved,
                "192.0.0.1 192.88.99.1 198.18.0.0 198.19.255.255 240.0.0.0 255.255.255.255 2001::1 2001:2::1 \
                 2001:10::1 2001:2f:: 2001:1ff::1 100::1 100:0:0:1::1 5f00::1 fec0::1 fe00::1 64:ff9b:1::1 \
                 64:ff9b:1::8.8.8.8 64:ff9b:0:1::8.8.8.8 ::ffff:0:127.0.0.1 ::1:0:0:0:1 1fff::1 4000::1 \
                 f000::1",
            ),
            (
                Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
                 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 \
                 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.17 2001:200::1 \
                 2001:4860::8888 2001:db9::1 2003::1 2606:4700::1 3ffe::1 3fff:1000::1 ::ffff:8.8.8.8 \
                 64:ff9b::8.8.8.8 2002:808:808::",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(class_of(address.parse().unwrap()), class, "{address}");
            }
        }
    }
}

//! An address as a proxy writes it, with a port or without.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address, and its port or 0: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and without brackets
/// where `bare` says so. Nothing for anything else, a zone, a name, a port of 0 or one that is no number.
pub(super) fn parse(text: &[u8], bare: bool) -> Option<SocketAddr> {
    // No address is longer, and none is looked at twice.
    if text.len() > LONGEST {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (literal, port) = rest.split_once(']')?;
        let ip: Ipv6Addr = literal.parse().ok()?;
        return Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), self::port(port)?));
    }
    if bare && let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), 0));
    }
    let end = text.find(':').unwrap_or(text.len());
    let (ip, port) = text.split_at_checked(end)?;
    Some(SocketAddr::new(ip.parse::<Ipv4Addr>().ok()?.into(), self::port(port)?))
}

/// `[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535`.
const LONGEST: usize = 53;

/// What stands behind an address: nothing, or a colon and a port.
fn port(text: &str) -> Option<u16> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(':')?;
    // `str::parse` would take "+80".
    let is_number = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok().filter(|port| *port != 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_in_every_spelling_and_nothing_else_is() {
        for (text, bare, expected) in [
            ("192.0.2.1", true, Some("192.0.2.1:0")),
            ("192.0.2.1:8080", true, Some("192.0.2.1:8080")),
            ("2001:db8::1", true, Some("[2001:db8::1]:0")),
            ("2001:db8::1", false, None),
            ("[2001:db8::1]", false, Some("[2001:db8::1]:0")),
            ("[2001:DB8::1]:65535", true, Some("[2001:db8::1]:65535")),
            ("::ffff:192.0.2.1", true, Some("192.0.2.1:0")),
            ("[::ffff:192.0.2.1]:80", true, Some("192.0.2.1:80")),
            (
                "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
                true,
                Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
            ),
            ("", true, None),
            ("unknown", true, None),
            ("_hidden", true, None),
            ("192.0.2.1:", true, None),
            ("192.0.2.1:0", true, None),
            ("192.0.2.1:65536", true, None),
            ("192.0.2.1:+80", true, None),
            ("192.0.2.1:000080", true, None),
            ("192.0.2.1:_port", true, None),
            ("192.0.2.1:80:80", true, None),
            ("192.0.2.01", true, None),
            ("192.0.2", true, None),
            ("0xc0.0.2.1", true, None),
            ("192.0.2.1 ", true, None),
            ("[192.0.2.1]", true, None),
            ("[2001:db8::1", true, None),
            ("[2001:db8::1]80", true, None),
            ("[2001:db8::1]:", true, None),
            ("fe80::1%eth0", true, None),
            ("[fe80::1%25eth0]", true, None),
            ("\u{661}92.0.2.1", true, None),
            ("example.com", true, None),
        ] {
            let expected: Option<SocketAddr> = expected.map(|address| address.parse().unwrap());
            assert_eq!(parse(text.as_bytes(), bare), expected, "{text}");
        }
        assert_eq!(parse(b"192.0.2.\xff", true), None);
        assert_eq!(parse(&[b'1'; 1 << 16], true), None);
    }
}

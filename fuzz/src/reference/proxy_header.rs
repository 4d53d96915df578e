//! The header of the PROXY protocol, read as its text says: piece by piece, and slowly.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What has come of a header.
#[derive(Debug)]
pub enum Read {
    /// More must come.
    Incomplete,
    /// There is none, or a faulty one.
    Wrong,
    /// So many bytes, for this client.
    Complete(usize, Client),
}

/// For whom it is.
#[derive(Debug)]
pub enum Client {
    /// For the proxy itself.
    Proxy,
    /// For a client with an address.
    Named(SocketAddr),
    /// For one that has none.
    Unnamed,
}

/// Reads a header.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    for (start, rest) in [(&b"PROXY "[..], line as fn(&[u8]) -> Read), (b"\r\n\r\n\0\r\nQUIT\n", binary)] {
        if bytes.starts_with(start) {
            return rest(bytes);
        }
        if start.starts_with(bytes) {
            return Read::Incomplete;
        }
    }
    Read::Wrong
}

fn line(bytes: &[u8]) -> Read {
    let text: Vec<u8> = bytes.iter().copied().take_while(|byte| !b"\r\n".contains(byte)).collect();
    if text.len() + 2 > 107 {
        return Read::Wrong;
    }
    match bytes[text.len()..] {
        [] | [b'\r'] => return Read::Incomplete,
        [b'\r', b'\n', ..] => {}
        _ => return Read::Wrong,
    }
    let len = text.len() + 2;
    let Ok(text) = String::from_utf8(text) else { return Read::Wrong };
    let words: Vec<&str> = text.split(' ').skip(1).collect();
    match words[..] {
        ["UNKNOWN", ..] => Read::Complete(len, Client::Unnamed),
        [family, source, destination, from, to] => {
            let ip = |text: &str| match family {
                "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
                "TCP6" => text.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::V6(ip).to_canonical()),
                _ => None,
            };
            let port = |text: &str| text.parse::<u16>().ok().filter(|port| port.to_string() == text);
            match (ip(source), ip(destination), port(from), port(to)) {
                (Some(ip), Some(_), Some(port), Some(_)) => {
                    Read::Complete(len, Client::Named(SocketAddr::new(ip, port)))
                }
                _ => Read::Wrong,
            }
        }
        _ => Read::Wrong,
    }
}

fn binary(bytes: &[u8]) -> Read {
    let is_proxy = match bytes.get(12) {
        None => return Read::Incomplete,
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Read::Wrong,
    };
    if bytes.len() < 16 {
        return Read::Incomplete;
    }
    let rest = usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
    let least = match bytes[13] {
        _ if is_proxy => 0,
        0x00 => 0,
        0x11 => 4 + 4 + 2 + 2,
        0x21 => 16 + 16 + 2 + 2,
        0x31 => 108 + 108,
        _ => return Read::Wrong,
    };
    if 16 + rest > 536 || rest < least {
        return Read::Wrong;
    }
    if bytes.len() < 16 + rest {
        return Read::Incomplete;
    }
    let port = |at: usize| u16::from(bytes[at]) << 8 | u16::from(bytes[at + 1]);
    let client = match bytes[13] {
        _ if is_proxy => Client::Proxy,
        0x11 => {
            let ip: [u8; 4] = bytes[16..20].try_into().expect("four");
            Client::Named((Ipv4Addr::from(ip), port(24)).into())
        }
        0x21 => {
            let ip: [u8; 16] = bytes[16..32].try_into().expect("sixteen");
            Client::Named(SocketAddr::new(IpAddr::V6(ip.into()).to_canonical(), port(48)))
        }
        _ => Client::Unnamed,
    };
    Read::Complete(16 + rest, client)
}

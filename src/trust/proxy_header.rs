//! The header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection that it makes for a client.
//!
//! Source: "The PROXY protocol, versions 1 & 2", HAProxy 3.0, §2.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Bytes of the longest header that is read, with all that a proxy adds to it: what fits into one segment wherever IP is
/// spoken (§2, RFC 9293 §3.7.1).
pub const PROXY_HEADER_MAX: usize = 536;

/// What every header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What every header of version 1 begins with.
const WORD: &[u8; 6] = b"PROXY ";
/// Bytes of the longest header of version 1, with its line end (§2.1).
const LINE_MAX: usize = 107;
/// Bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// A header that has come as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its bytes; what comes behind them is the client's.
    pub len: usize,
    /// For whom the connection is made.
    pub source: Source,
}

/// For whom a proxy makes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For itself, to see whether somebody answers.
    Proxy,
    /// For this client.
    Client(SocketAddr),
    /// For one that it does not name, or that has no address.
    Unnamed,
}

/// A version of the protocol, in which headers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderFault {
    /// It begins like none.
    Missing,
    /// It is longer than [`PROXY_HEADER_MAX`], or than a line may be.
    TooLong,
    /// It says nothing that can be understood.
    Malformed(&'static str),
}

impl fmt::Display for ProxyHeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none"),
            Self::TooLong => {
                write!(f, "it is longer than {PROXY_HEADER_MAX} bytes ({LINE_MAX} in version 1)")
            }
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

/// Reads the header that a connection begins with; nothing while more of it has to come. Then all of `bytes` belong to it.
///
/// # Errors
/// What is wrong with it, as soon as that is certain.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderFault> {
    match bytes {
        [] => Ok(None),
        [b'\r', ..] => version_2(bytes),
        _ => version_1(bytes),
    }
}

/// Whether what has come is, or may become, such a header: it is no request.
#[must_use]
pub fn begins_proxy_header(bytes: &[u8]) -> bool {
    bytes.starts_with(WORD) || bytes.starts_with(SIGNATURE)
}

/// Whether `bytes` begin with `expected`; nothing while it may be that they do.
fn begins(bytes: &[u8], expected: &[u8]) -> Option<bool> {
    let common = bytes.len().min(expected.len());
    if bytes.get(..common) != expected.get(..common) {
        return Some(false);
    }
    (common == expected.len()).then_some(true)
}

/// The header of a connection that is made for `source`, which has come to `destination`.
#[must_use]
pub fn write_proxy_header(version: ProxyVersion, source: Source, destination: Option<SocketAddr>) -> Vec<u8> {
    match (version, source) {
        (ProxyVersion::V1, Source::Proxy | Source::Unnamed) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyVersion::V2, Source::Proxy) => [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
        (ProxyVersion::V2, Source::Unnamed) => [&SIGNATURE[..], &[0x21, 0, 0, 0]].concat(),
        (ProxyVersion::V1, Source::Client(client)) => {
            let own = own_of(client, destination);
            let family = if client.ip().to_canonical().is_ipv4() { "TCP4" } else { "TCP6" };
            let [source, destination] = [client, own].map(|address| address.ip().to_canonical());
            format!("PROXY {family} {source} {destination} {} {}\r\n", client.port(), own.port()).into_bytes()
        }
        (ProxyVersion::V2, Source::Client(client)) => {
            let own = own_of(client, destination);
            let ports = [client.port().to_be_bytes(), own.port().to_be_bytes()].concat();
            match (client.ip().to_canonical(), own.ip().to_canonical()) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    let addresses = [source.octets(), destination.octets()].concat();
                    [&SIGNATURE[..], &[0x21, 0x11, 0, 12], &addresses, &ports].concat()
                }
                (source, destination) => {
                    let addresses = [source, destination].map(|ip| match ip {
                        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                        IpAddr::V6(ip) => ip.octets(),
                    });
                    [&SIGNATURE[..], &[0x21, 0x21, 0, 36], &addresses.concat(), &ports].concat()
                }
            }
        }
    }
}

/// The address that a client has come to, which must be of its own family; where it is not, or nobody knows it, none.
fn own_of(client: SocketAddr, own: Option<SocketAddr>) -> SocketAddr {
    let is_v4 = client.ip().to_canonical().is_ipv4();
    let none = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    own.filter(|own| own.ip().to_canonical().is_ipv4() == is_v4).unwrap_or(SocketAddr::new(none, 0))
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 40000 443` and a line end (§2.1).
fn version_1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderFault> {
    match begins(bytes, WORD) {
        Some(true) => {}
        Some(false) => return Err(ProxyHeaderFault::Missing),
        None => return Ok(None),
    }
    let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) else {
        return if bytes.len() > LINE_MAX - 2 { Err(ProxyHeaderFault::TooLong) } else { Ok(None) };
    };
    if end > LINE_MAX - 2 {
        return Err(ProxyHeaderFault::TooLong);
    }
    match bytes.get(end..) {
        Some([b'\r', b'\n', ..]) => {}
        Some([b'\r']) => return Ok(None),
        _ => return Err(ProxyHeaderFault::Malformed("its line ends without CR and LF")),
    }
    let line = bytes.get(WORD.len()..end).and_then(|line| str::from_utf8(line).ok());
    let line = line.ok_or(ProxyHeaderFault::Malformed("its line is no text"))?;
    let source = source_of_line(line)?;
    Ok(Some(ProxyHeader { len: end + 2, source }))
}

fn source_of_line(line: &str) -> Result<Source, ProxyHeaderFault> {
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // Whatever stands behind it is to be ignored.
        return Ok(Source::Unnamed);
    }
    let ip = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    if !["TCP4", "TCP6"].contains(&family) {
        return Err(ProxyHeaderFault::Malformed("its protocol is none of TCP4, TCP6 and UNKNOWN"));
    }
    let words: [&str; 4] = match [words.next(), words.next(), words.next(), words.next()] {
        [Some(source), Some(destination), Some(from), Some(to)] if words.next().is_none() => {
            [source, destination, from, to]
        }
        _ => return Err(ProxyHeaderFault::Malformed("its line has not two addresses and two ports")),
    };
    let [source, destination, from, to] = words;
    match (ip(source), ip(destination), port(from), port(to)) {
        (Some(ip), Some(_), Some(port), Some(_)) => {
            Ok(Source::Client(SocketAddr::new(ip.to_canonical(), port)))
        }
        _ => Err(ProxyHeaderFault::Malformed("an address or a port of its line is none")),
    }
}

/// A number without a sign and without zeros before it.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_number { text.parse().ok() } else { None }
}

/// Signature, version and command, family and protocol, length; addresses and ports; and what a proxy adds (§2.2).
fn version_2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderFault> {
    match begins(bytes, SIGNATURE) {
        Some(true) => {}
        Some(false) => return Err(ProxyHeaderFault::Missing),
        None => return Ok(None),
    }
    let Some(version) = bytes.get(12) else { return Ok(None) };
    let is_local = match version {
        0x20 => true,
        0x21 => false,
        0x22..=0x2f => return Err(ProxyHeaderFault::Malformed("its command is neither LOCAL nor PROXY")),
        _ => return Err(ProxyHeaderFault::Malformed("its version is not 2")),
    };
    let Some(&[family, high, low]) = bytes.get(13..FIXED) else { return Ok(None) };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let len = FIXED + rest;
    if len > PROXY_HEADER_MAX {
        return Err(ProxyHeaderFault::TooLong);
    }
    // Of what a proxy says for itself nothing else counts.
    let needed = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => {
            return Err(ProxyHeaderFault::Malformed("its addresses are of no protocol that has connections"));
        }
    };
    if rest < needed {
        return Err(ProxyHeaderFault::Malformed("it is too short for its addresses"));
    }
    let Some(addresses) = bytes.get(FIXED..len) else { return Ok(None) };
    let source = match (is_local, family, addresses) {
        (true, ..) => Source::Proxy,
        (false, 0x11, &[a, b, c, d, _, _, _, _, high, low, ..]) => {
            let port = u16::from_be_bytes([high, low]);
            Source::Client(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
        }
        (false, 0x21, _) => client_v6(addresses).map_or(Source::Unnamed, Source::Client),
        (false, ..) => Source::Unnamed,
    };
    Ok(Some(ProxyHeader { len, source }))
}

/// Two addresses of 16 bytes each, and two ports.
fn client_v6(addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, _) = addresses.split_first_chunk::<16>()?;
    let port = addresses.get(32..34)?.first_chunk::<2>()?;
    let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests;

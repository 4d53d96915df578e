//! What each key shows of a record, and how such values are written.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use super::{
    escape::{Escaped, Style, is_plain, is_plain_path},
    record::{Record, Server, Times},
    redact::redact,
};
use crate::{
    config::{LogKey, SecretNames},
    error::Error,
    http1::head::Version,
    net::Peer,
};

/// The most bytes that values may take up in a line: so that all of them, with their keys, are at most
/// [`LINE_MAX`](super::LINE_MAX).
const METHOD_MAX: usize = 64;
const LISTENER_MAX: usize = 192;
const HOST_MAX: usize = 256;
const TARGET_MAX: usize = 4 << 10;
const NAME_MAX: usize = 128;
const SERVER_MAX: usize = 512;
const ORIGIN_MAX: usize = 512;
const CERTIFICATE_MAX: usize = 256;
const AGENT_MAX: usize = 512;
pub(super) const REFERER_MAX: usize = 1 << 10;
const REQUEST_ID_MAX: usize = 256;

/// What a key shows.
pub(super) enum Value<'a> {
    /// It is not known, or did not happen.
    Nothing,
    Time(SystemTime),
    /// The peer of a connection; none over a Unix socket.
    Client(Option<SocketAddr>),
    Peer(&'a Peer),
    Number(u64),
    Duration(Duration),
    Flag(bool),
    /// One of ours, or a name of the configuration: it means nothing anywhere.
    Word(&'a str),
    /// What somebody else chose, and how much of it is shown.
    Text(&'a [u8], usize),
    /// The same, where it may hold a URL or a query, of which secrets are hidden.
    Url(&'a [u8], &'a SecretNames, usize),
}

impl<'a> Value<'a> {
    /// What `key` shows of a record.
    #[expect(clippy::inline_always, reason = "where the key is known, what is left is one field")]
    #[inline(always)]
    pub(super) fn of(key: LogKey, record: &Record<'a>) -> Self {
        let Times { head, queue, dns, connect, tls, first_byte, total } = record.times;
        match key {
            LogKey::Time => Self::Time(record.time),
            LogKey::Client => Self::Client(record.client),
            LogKey::Listener => Self::text(record.listener.as_bytes(), LISTENER_MAX),
            LogKey::Method => Self::text(record.method, METHOD_MAX),
            LogKey::Scheme => Self::Word(if record.secure { "https" } else { "http" }),
            LogKey::Host => Self::url(record.host, record.redact, HOST_MAX),
            LogKey::Target if record.target.is_empty() => Self::Nothing,
            LogKey::Target => Self::Url(record.target, record.redact, TARGET_MAX),
            LogKey::Version => match record.version {
                Some(Version::Http11) => Self::Word("1.1"),
                Some(Version::Http10) => Self::Word("1.0"),
                None => Self::Nothing,
            },
            LogKey::Status => Self::Number(record.status.into()),
            LogKey::Cause => Self::word(record.error.map_or("", Error::token)),
            LogKey::BytesIn => Self::Number(record.bytes_in),
            LogKey::BytesOut => Self::Number(record.bytes_out),
            LogKey::HeadMs => Self::duration(head),
            LogKey::QueueMs => Self::duration(queue),
            LogKey::DnsMs => Self::duration(dns),
            LogKey::ConnectMs => Self::duration(connect),
            LogKey::TlsMs => Self::duration(tls),
            LogKey::FirstByteMs => Self::duration(first_byte),
            LogKey::TotalMs => Self::duration(total),
            LogKey::Service => Self::word(record.service),
            LogKey::Route => Self::text(record.route.as_bytes(), NAME_MAX),
            LogKey::Upstream => Self::word(record.upstream),
            LogKey::Server => match record.server {
                Server::None => Self::Nothing,
                Server::Url(url) => Self::Text(url.as_bytes(), SERVER_MAX),
                Server::Peer(peer) => Self::Peer(peer),
            },
            LogKey::Attempts if record.attempts == 0 => Self::Nothing,
            LogKey::Attempts => Self::Number(record.attempts.into()),
            LogKey::Hops => record.hops.map_or(Self::Nothing, |hops| Self::Number(hops.into())),
            LogKey::Reused => record.reused.map_or(Self::Nothing, Self::Flag),
            LogKey::Cors => Self::word(record.cors),
            LogKey::CorsReason => Self::word(record.cors_reason),
            LogKey::Policy => Self::word(record.policy),
            LogKey::Origin => Self::url(record.origin, record.redact, ORIGIN_MAX),
            LogKey::Access => Self::word(record.access),
            LogKey::Limit => Self::word(record.limit),
            LogKey::ClientCertificate => {
                Self::text(record.client_certificate.unwrap_or_default(), CERTIFICATE_MAX)
            }
            LogKey::UserAgent => Self::agent(record.user_agent, record.redact),
            LogKey::RequestId => Self::url(record.request_id, record.redact, REQUEST_ID_MAX),
            LogKey::TraceId => Self::text(record.trace_id.unwrap_or_default(), NAME_MAX),
        }
    }

    /// The most bytes that it takes up in a line without JSON.
    pub(super) fn most(&self) -> usize {
        match *self {
            Self::Nothing | Self::Time(_) | Self::Number(_) | Self::Duration(_) | Self::Flag(_) => 32,
            Self::Client(_) => 64,
            Self::Peer(_) => 8 + SERVER_MAX,
            Self::Word(word) => word.len(),
            Self::Text(text, limit) => limit.min(4 * text.len()),
            Self::Url(_, _, limit) => limit,
        }
    }

    fn word(word: &'a str) -> Self {
        if word.is_empty() { Self::Nothing } else { Self::Word(word) }
    }

    fn text(text: &'a [u8], limit: usize) -> Self {
        if text.is_empty() { Self::Nothing } else { Self::Text(text, limit) }
    }

    fn url(url: Option<&'a [u8]>, secrets: &'a SecretNames, limit: usize) -> Self {
        match url {
            None | Some([]) => Self::Nothing,
            Some(url) => Self::Url(url, secrets, limit),
        }
    }

    /// A browser's holds semicolons and no query, a robot's perhaps a URL.
    pub(super) fn agent(agent: Option<&'a [u8]>, secrets: &'a SecretNames) -> Self {
        match agent {
            None | Some([]) => Self::Nothing,
            Some(agent) if memchr::memchr2(b'?', b'@', agent).is_some() => {
                Self::Url(agent, secrets, AGENT_MAX)
            }
            Some(agent) => Self::Text(agent, AGENT_MAX),
        }
    }

    fn duration(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Nothing, Self::Duration)
    }
}

/// What somebody else chose, at most so much of it.
pub(super) fn text(text: &[u8], style: Style, limit: usize, out: &mut Vec<u8>) {
    // A word has no blanks.
    if text.len() <= limit - 3 && style != Style::Word && is_plain(text) {
        out.extend_from_slice(text);
    } else {
        Escaped::new(out, style, limit).push(text);
    }
}

/// The same, without what is secret in it.
pub(super) fn url(url: &[u8], secrets: &SecretNames, style: Style, limit: usize, out: &mut Vec<u8>) {
    if url.len() <= limit - 3 && style != Style::Word && is_plain_path(url) {
        out.extend_from_slice(url);
    } else {
        let mut escaped = Escaped::new(out, style, limit);
        redact(url, secrets, |piece| escaped.push(piece));
    }
}

pub(super) fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(duration: Duration, out: &mut Vec<u8>) {
    let micros = u64::from(duration.subsec_micros());
    let micros = duration.as_secs().saturating_mul(1_000_000).saturating_add(micros);
    number(micros / 1_000, out);
    let rest = micros % 1_000;
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// Address and port, or `unix:` where there is none. A port that nobody knows is left out.
pub(super) fn client(client: Option<SocketAddr>, out: &mut Vec<u8>) {
    match client {
        Some(client) if client.port() == 0 => ip_address(client.ip(), out),
        Some(client) => address(client, out),
        None => out.extend_from_slice(b"unix:"),
    }
}

/// Address and port, or what a Unix socket is called.
pub(super) fn peer(peer: &Peer, style: Style, out: &mut Vec<u8>) {
    match peer {
        Peer::Ip(ip) => address(*ip, out),
        Peer::Unix(name) => {
            out.extend_from_slice(b"unix:");
            text(name.as_bytes(), style, SERVER_MAX, out);
        }
    }
}

/// Address and port. An IPv4-mapped IPv6 address is shown as IPv4.
fn address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => ip_address(ip, out),
        ip @ IpAddr::V6(_) => {
            out.push(b'[');
            ip_address(ip, out);
            out.push(b']');
        }
    }
    out.push(b':');
    number(address.port().into(), out);
}

pub(super) fn ip_address(ip: IpAddr, out: &mut Vec<u8>) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mut text = [b'.'; 16];
            let mut len = 0;
            for octet in ip.octets() {
                let [digits @ .., count] = OCTETS[usize::from(octet)];
                text[len..len + 3].copy_from_slice(&digits);
                len += usize::from(count);
                text[len] = b'.';
                len += 1;
            }
            out.extend_from_slice(&text[..len - 1]);
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

/// The digits of every octet, and how many they are.
const OCTETS: [[u8; 4]; 256] = {
    let mut octets = [[b'.', b'.', b'.', 0]; 256];
    let mut octet: u8 = 0;
    loop {
        let (hundreds, tens, ones) = (b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10);
        octets[octet as usize] = match octet {
            100.. => [hundreds, tens, ones, 3],
            10.. => [tens, ones, b'.', 2],
            _ => [ones, b'.', b'.', 1],
        };
        if octet == u8::MAX {
            break octets;
        }
        octet += 1;
    }
};

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn addresses_are_shown_as_an_operator_writes_them() {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        for (shown, expected) in [
            (Peer::Ip((v6, 1).into()), "[2001:db8::1]:1"),
            (Peer::Ip((mapped, 65_535).into()), "192.0.2.1:65535"),
            (Peer::Ip(([0, 10, 100, 255], 0).into()), "0.10.100.255:0"),
            (Peer::Unix("/run/a b.sock".into()), "unix:/run/a\\x20b.sock"),
            (Peer::Unix("@app".into()), "unix:@app"),
        ] {
            let mut out = Vec::new();
            peer(&shown, Style::Word, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn times_have_microseconds_and_never_overflow() {
        for (duration, expected) in [
            (Duration::ZERO, "0.000"),
            (Duration::from_nanos(999), "0.000"),
            (Duration::from_micros(1_040), "1.040"),
            (Duration::from_millis(80_300), "80300.000"),
            (Duration::MAX, "18446744073709551.615"),
        ] {
            let mut out = Vec::new();
            milliseconds(duration, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}

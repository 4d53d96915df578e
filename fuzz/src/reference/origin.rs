//! Serialized origins, and what a list of them admits, by comparing text.
//!
//! Source: HTML "serialization of an origin", RFC 6454 §6.2, URL standard.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An origin in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// In lower case.
    pub scheme: String,
    /// In lower case, brackets included.
    pub host: String,
    /// If it is not the scheme's own.
    pub port: Option<u16>,
}

/// The parts of an origin as browsers spell it; `None` for every other text, and for `null`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Origin> {
    let text = str::from_utf8(bytes).ok()?;
    if text.len() > 320 {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let of = |text: &str, allowed: &str| text.chars().all(|character| allowed.contains(character));
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    const DIGITS: &str = "0123456789";
    let scheme_is_valid = scheme.chars().next().is_some_and(|first| LETTERS.contains(first))
        && of(scheme, &[LETTERS, DIGITS, "+-."].concat());
    if !scheme_is_valid {
        return None;
    }
    let (host, port) = if rest.starts_with('[') {
        let end = rest.find(']')? + 1;
        rest.split_at(end)
    } else {
        rest.split_at(rest.find(':').unwrap_or(rest.len()))
    };
    let host_is_valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => of(address, "0123456789abcdef:") && address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
            let is_name = labels.iter().all(|label| {
                !label.is_empty() && label.len() <= 63 && of(label, &[LETTERS, DIGITS, "-_"].concat())
            });
            let is_number = labels.last().is_some_and(|last| of(last, DIGITS));
            is_name && (!is_number || host.parse::<Ipv4Addr>().is_ok())
        }
    };
    if !host_is_valid {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return None,
        Some(digits) => {
            let number: u16 = digits.parse().ok()?;
            // Exactly one spelling, and none of the scheme's own port.
            let own = match scheme {
                "http" | "ws" => Some(80),
                "https" | "wss" => Some(443),
                _ => None,
            };
            if number.to_string() != digits || own == Some(number) {
                return None;
            }
            Some(number)
        }
    };
    Some(Origin { scheme: scheme.to_owned(), host: host.to_owned(), port })
}

/// Whether this is an origin as somebody sends it: `null`, one with parts, or one of a scheme that is not of the web,
/// whose host may be anything that begins no other part of a URL, or nothing.
#[must_use]
pub fn is_origin(bytes: &[u8]) -> bool {
    if bytes == b"null" || parse(bytes).is_some() {
        return true;
    }
    let Some((scheme, host)) = str::from_utf8(bytes).ok().and_then(|text| text.split_once("://")) else {
        return false;
    };
    // A scheme is judged as that of an origin that is surely one.
    bytes.len() <= 320
        && parse(format!("{scheme}://a").as_bytes()).is_some()
        && !["http", "https", "ws", "wss", "ftp"].contains(&scheme)
        && host
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-._~%:[]!$&'()+;=".contains(character))
}

/// Whether an entry of a list means this origin. Expressions are among those of [`EXPRESSIONS`].
#[must_use]
pub fn entry_admits(entry: &str, bytes: &[u8]) -> bool {
    if entry == "*" {
        return !bytes.is_empty() && bytes.iter().all(|byte| (0x21..0x7f).contains(byte) && *byte != b',');
    }
    if entry == "null" || bytes == b"null" {
        return entry.as_bytes() == bytes;
    }
    let Some(origin) = parse(bytes) else {
        return is_origin(bytes) && entry.as_bytes() == bytes;
    };
    if entry == "loopback" {
        let is_machine = origin.host == "localhost"
            || origin.host == "[::1]"
            || origin.host.parse::<Ipv4Addr>().is_ok_and(|address| address.octets()[0] == 127);
        return (origin.scheme == "http" || origin.scheme == "https") && is_machine;
    }
    if let Some((_, means)) = EXPRESSIONS.iter().find(|(expression, _)| *expression == entry) {
        return means(&origin);
    }
    if let Some((scheme, suffix)) = entry.split_once("://*.") {
        let text = str::from_utf8(bytes).unwrap_or_default();
        let Some(rest) = text.strip_prefix(&format!("{scheme}://")) else { return false };
        let Some(labels) = rest.strip_suffix(&format!(".{suffix}")) else { return false };
        return !labels.is_empty() && !labels.contains([':', '[', ']']);
    }
    entry.as_bytes() == bytes
}

/// What an expression means, said without one.
pub type Meaning = fn(&Origin) -> bool;

/// Expressions, and what each of them means.
pub const EXPRESSIONS: [(&str, Meaning); 4] = [
    (r"~https://[a-z]+\.example\.net", |origin| {
        let name = origin.host.strip_suffix(".example.net").unwrap_or_default();
        let letters = name.chars().all(|character| character.is_ascii_lowercase());
        origin.scheme == "https" && origin.port.is_none() && !name.is_empty() && letters
    }),
    (r"~https://(dev|test)\.example\.com(:\d+)?", |origin| {
        let host = ["dev.example.com", "test.example.com"].contains(&origin.host.as_str());
        origin.scheme == "https" && host
    }),
    (r"~^https?://api\.example\.com$", |origin| {
        let scheme = ["http", "https"].contains(&origin.scheme.as_str());
        scheme && origin.host == "api.example.com" && origin.port.is_none()
    }),
    (r"~https://one\.example|https://two\.example", |origin| {
        let host = ["one.example", "two.example"].contains(&origin.host.as_str());
        origin.scheme == "https" && host && origin.port.is_none()
    }),
];

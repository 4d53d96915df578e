//! One element of `Forwarded` (RFC 7239 §4).

use std::{net::SocketAddr, ops::Range};

use super::node;
use crate::http1::{
    fields::{is_token, trim},
    target::is_authority,
};

/// What one proxy says of who came to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// `for`: who.
    pub(super) client: Option<SocketAddr>,
    /// `proto`: whether over TLS.
    pub(super) secure: Option<bool>,
    /// `host`: for which authority; where it stands in the element.
    pub(super) host: Option<Range<usize>>,
}

/// Reads an element; nothing where any part of it is malformed, or names nobody that has an address (rule 7 of
/// [`trust`](super)). Each parameter stands once; a value is a token, or quoted, and then holds no backslash, for none
/// of those that count here has a use for one.
pub(super) fn parse(element: &[u8]) -> Option<Element> {
    let mut found = Element::default();
    let (mut at, mut seen_by) = (0, false);
    loop {
        let end = at + end_of_pair(element.get(at..)?)?;
        let pair = trim(element.get(at..end)?);
        // RFC 7239 §4 lets a pair be left out.
        if !pair.is_empty() {
            let equals = memchr::memchr(b'=', pair)?;
            let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
            let start = at + offset(element.get(at..end)?) + equals + 1;
            let (value, start) = match value {
                [b'"', quoted @ .., b'"'] if !quoted.iter().any(|byte| matches!(byte, b'"' | b'\\')) => {
                    (quoted, start + 1)
                }
                token if is_token(token) => (token, start),
                _ => return None,
            };
            if name.eq_ignore_ascii_case(b"for") {
                once(&mut found.client, node::parse(value, false)?)?;
            } else if name.eq_ignore_ascii_case(b"proto") {
                once(&mut found.secure, scheme(value)?)?;
            } else if name.eq_ignore_ascii_case(b"host") {
                if value.is_empty() || !is_authority(value) {
                    return None;
                }
                once(&mut found.host, start..start + value.len())?;
            } else if name.eq_ignore_ascii_case(b"by") {
                if std::mem::replace(&mut seen_by, true) {
                    return None;
                }
            } else if !is_token(name) {
                return None;
            }
        }
        if end == element.len() {
            return Some(found);
        }
        at = end + 1;
    }
}

/// Whether a scheme is one over TLS; nothing for one that is not spoken here.
pub(super) fn scheme(value: &[u8]) -> Option<bool> {
    // A WebSocket is told by its own scheme by some.
    if value.eq_ignore_ascii_case(b"https") || value.eq_ignore_ascii_case(b"wss") {
        Some(true)
    } else if value.eq_ignore_ascii_case(b"http") || value.eq_ignore_ascii_case(b"ws") {
        Some(false)
    } else {
        None
    }
}

/// Puts a value where none is yet.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// How many blanks stand before the first of something else.
pub(super) fn offset(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Where the pair ends at which `rest` begins: at a semicolon outside of quotes, or with the element. Nothing where a
/// quote is not closed.
fn end_of_pair(rest: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b';' if !quoted => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<String>, Option<bool>, Option<&str>)> {
        let Element { client, secure, host } = parse(text.as_bytes())?;
        Some((client.map(|client| client.to_string()), secure, host.map(|host| &text[host])))
    }

    #[test]
    fn an_element_is_read_whole_or_not_at_all() {
        let address = |text: &str| Some(text.to_owned());
        for (text, expected) in [
            ("for=192.0.2.1", (address("192.0.2.1:0"), None, None)),
            (
                "For=192.0.2.1;PROTO=HTTPS;Host=a.example",
                (address("192.0.2.1:0"), Some(true), Some("a.example")),
            ),
            ("for=\"192.0.2.1:4711\"", (address("192.0.2.1:4711"), None, None)),
            ("for=\"[2001:db8::1]:80\";by=_x;secret=_y", (address("[2001:db8::1]:80"), None, None)),
            ("host=\"a.example:8443\"; proto=http", (None, Some(false), Some("a.example:8443"))),
            (";; for=192.0.2.1 ;", (address("192.0.2.1:0"), None, None)),
            ("for=192.0.2.1;x=\"a;b,c=d\"", (address("192.0.2.1:0"), None, None)),
            ("proto=wss", (None, Some(true), None)),
            ("", (None, None, None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in [
            "for=unknown",
            "for=_hidden",
            "for=\"192.0.2.1:_port\"",
            "for=192.0.2.1:80",
            "for=[2001:db8::1]",
            "for=\"2001:db8::1\"",
            "for=",
            "for",
            "=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1;for=192.0.2.1",
            "proto=http;proto=http;for=192.0.2.1",
            "host=a;host=a",
            "by=_a;by=_a",
            "proto=ftp;for=192.0.2.1",
            "proto=\"\"",
            "host=\"\";for=192.0.2.1",
            "host=\"a b\";for=192.0.2.1",
            "host=\"a@b\"",
            "host=a:80",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.\\1\"",
            "for=\"192.0.2.1\"x",
            "for=\"\"192.0.2.1\"\"",
            "x=\"a\"b\"c\";for=192.0.2.1",
            "f\u{f6}r=192.0.2.1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

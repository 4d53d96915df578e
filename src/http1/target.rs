//! Request targets and authorities (RFC 9112 §3.2, RFC 3986 §3.2.2).

use std::net::Ipv6Addr;

use super::{
    fields::{FieldId, starts_with_ignore_case},
    head::{Method, Request, Version},
    span::Span,
};
use crate::error::Error;

/// The four forms of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// `/path?query`, forwarded byte for byte.
    Origin,
    /// `http://authority/path?query`; the authority takes the place of Host.
    Absolute {
        /// What stands between `//` and the path.
        authority: Span,
        /// Path and query as written; may be empty, or begin with `?`.
        path: Span,
    },
    /// `host:port`, with CONNECT only.
    Authority,
    /// `*`, with OPTIONS only.
    Asterisk,
}

const FRAGMENT: Error = Error::RequestHead("the request target has a fragment");

impl RequestTarget {
    /// Which form the target of this request has.
    ///
    /// # Errors
    /// [`Error::RequestHead`] for a form that does not go with the method, or for none at all.
    pub fn parse(request: Request<'_>) -> Result<Self, Error> {
        let target = request.target();
        if memchr::memchr(b'#', target).is_some() {
            return Err(FRAGMENT);
        }
        match (request.head.method, target) {
            (Method::Connect, authority) => {
                match (is_authority(authority), authority.iter().rposition(|b| *b == b':')) {
                    (true, Some(colon))
                        if colon.saturating_add(1) < authority.len() && !authority.ends_with(b"]") =>
                    {
                        Ok(Self::Authority)
                    }
                    _ => Err(Error::RequestHead("the target of CONNECT is not host:port")),
                }
            }
            (_, [b'/', ..]) => Ok(Self::Origin),
            (Method::Options, b"*") => Ok(Self::Asterisk),
            _ => Self::absolute(request.head.target, target),
        }
    }

    fn absolute(span: Span, target: &[u8]) -> Result<Self, Error> {
        let scheme = if starts_with_ignore_case(target, b"http://") {
            7_usize
        } else if starts_with_ignore_case(target, b"https://") {
            8_usize
        } else {
            return Err(Error::RequestHead(
                "the request target is neither a path nor an http URL; a proxy takes other schemes by CONNECT HOST:PORT",
            ));
        };
        let rest = target.get(scheme..).unwrap_or_default();
        let authority_len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if !is_authority(rest.get(..authority_len).unwrap_or_default()) {
            return Err(Error::RequestHead("the authority of the request target is malformed"));
        }
        let start = span.range().start.saturating_add(scheme);
        let path = start.saturating_add(authority_len);
        Ok(Self::Absolute { authority: Span::new(start, path), path: Span::new(path, span.range().end) })
    }

    /// The target in origin-form, in parts to be written one behind the other; for `OPTIONS` without a path
    /// `*` (RFC 9112 §3.2.4).
    #[must_use]
    pub fn origin_form(self, request: Request<'_>) -> [&[u8]; 2] {
        match self {
            Self::Absolute { path, .. } => match path.of(request.bytes) {
                [] if request.head.method == Method::Options => [b"*", b""],
                path @ [b'/', ..] => [path, b""],
                path => [b"/", path],
            },
            Self::Origin | Self::Authority | Self::Asterisk => [request.target(), b""],
        }
    }

    /// The authority that the request is for: that of the target, else the Host; `None` in HTTP/1.0 without
    /// Host.
    ///
    /// # Errors
    /// [`Error::RequestHead`] when there is not exactly one well-formed Host in HTTP/1.1, or more than one in
    /// HTTP/1.0 (RFC 9112 §3.2).
    pub fn authority(self, request: Request<'_>) -> Result<Option<Span>, Error> {
        let mut hosts = request.head.fields.all(FieldId::Host);
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return Err(Error::RequestHead("there is more than one Host")),
            (None, _) if request.head.version == Version::Http11 => {
                return Err(Error::RequestHead("Host is missing"));
            }
            (host, _) => host.map(|field| field.value),
        };
        if host.is_some_and(|host| !is_authority(host.of(request.bytes))) {
            return Err(Error::RequestHead("Host is malformed"));
        }
        Ok(match self {
            Self::Absolute { authority, .. } => Some(authority),
            Self::Authority => Some(request.head.target),
            Self::Origin | Self::Asterisk => host,
        })
    }
}

/// Whether `bytes` are `uri-host [":" port]`: no userinfo, no blank, no list (RFC 9110 §7.2).
#[must_use]
pub fn is_authority(bytes: &[u8]) -> bool {
    let (host_is_valid, rest) = if let [b'[', rest @ ..] = bytes {
        let Some(close) = memchr::memchr(b']', rest) else { return false };
        let literal = rest.get(..close).unwrap_or_default();
        let is_address = str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        (is_address, rest.get(close.saturating_add(1)..).unwrap_or_default())
    } else {
        let plain = bytes.iter().position(|byte| !is_plain_in_host(*byte)).unwrap_or(bytes.len());
        let (end, is_name) = match bytes.get(plain) {
            // An escape, which hardly any host has.
            Some(b'%') => {
                let end = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
                (end, is_reg_name(bytes.get(..end).unwrap_or_default()))
            }
            _ => (plain, plain > 0),
        };
        (is_name, bytes.get(end..).unwrap_or_default())
    };
    let port_is_valid = match rest {
        [] => true,
        [b':', port @ ..] => {
            let number = port.iter().try_fold(0_u32, |sum, byte| match byte {
                b'0'..=b'9' => {
                    Some(sum.saturating_mul(10).saturating_add(u32::from(byte.wrapping_sub(b'0'))))
                }
                _ => None,
            });
            port.len() <= 5 && number.is_some_and(|number| number <= 65_535)
        }
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// Whether two authorities name the same host and port, each with the port that is meant where it names none: names
/// compare without case, addresses by what they are (RFC 3986 §6.2.2.1, §6.2.3).
#[must_use]
pub fn is_same_authority(one: (&[u8], u16), other: (&[u8], u16)) -> bool {
    // Most differ, and are told apart by the first bytes of their hosts.
    !differ_in_host(one.0, other.0) && have_same_parts(one, other)
}

/// The host of an authority, which is well-formed: without port, and without the last dot of a name.
#[must_use]
pub fn host_of(authority: &[u8]) -> &[u8] {
    let host = if authority.starts_with(b"[") {
        authority.split_inclusive(|byte| *byte == b']').next()
    } else {
        authority.split(|byte| *byte == b':').next()
    };
    let host = host.unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host)
}

/// Whether two authorities differ before the host of either may have ended, and not as addresses do that are spelled
/// in two ways.
fn differ_in_host(one: &[u8], other: &[u8]) -> bool {
    let mut pairs = one.iter().zip(other);
    let is_told = |(byte, other): &(&u8, &u8)| **byte == b':' || !byte.eq_ignore_ascii_case(other);
    one.first() != Some(&b'[')
        && pairs.find(is_told).is_some_and(|(byte, other)| ![*byte, *other].contains(&b':'))
}

fn have_same_parts(one: (&[u8], u16), other: (&[u8], u16)) -> bool {
    let parts = |(authority, default_port)| {
        let (host, port) = split_port(authority)?;
        let port = match port {
            [] => default_port,
            digits if digits.iter().all(u8::is_ascii_digit) => str::from_utf8(digits).ok()?.parse().ok()?,
            _ => return None,
        };
        Some((host, port))
    };
    match (parts(one), parts(other)) {
        (Some((host, port)), Some((other_host, other_port))) => {
            port == other_port && is_same_host(host, other_host)
        }
        (None, _) | (_, None) => false,
    }
}

/// The host of an authority, and the digits of its port; nothing where it has an opening bracket alone.
#[must_use]
pub fn split_port(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let from = if authority.first() == Some(&b'[') { memchr::memchr(b']', authority)? } else { 0 };
    let colon = memchr::memchr(b':', authority.get(from..)?).map(|at| at.saturating_add(from));
    let Some(colon) = colon else { return Some((authority, b"")) };
    Some((authority.get(..colon)?, authority.get(colon.saturating_add(1)..)?))
}

fn is_same_host(host: &[u8], other: &[u8]) -> bool {
    let address = |host: &[u8]| -> Option<Ipv6Addr> {
        str::from_utf8(host.strip_prefix(b"[")?.strip_suffix(b"]")?).ok()?.parse().ok()
    };
    host.eq_ignore_ascii_case(other) || address(host).is_some_and(|ip| address(other) == Some(ip))
}

/// `reg-name` without the comma, which some peers read as a list of hosts; never empty.
fn is_reg_name(host: &[u8]) -> bool {
    let mut rest = host;
    loop {
        rest = match rest {
            [] => return !host.is_empty(),
            [byte, rest @ ..] if is_plain_in_host(*byte) => rest,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ => return false,
        };
    }
}

fn is_plain_in_host(byte: u8) -> bool {
    IS_PLAIN_IN_HOST.get(usize::from(byte)) == Some(&true)
}

/// The bytes of a `reg-name` that stand for themselves: `unreserved` and `sub-delims` (RFC 3986 §2.2, §2.3).
#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, where a fault is a build error"
)]
const IS_PLAIN_IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+;=";
    while let [byte, behind @ ..] = rest {
        table[*byte as usize] = true;
        rest = behind;
    }
    table
};

#[cfg(test)]
mod tests;

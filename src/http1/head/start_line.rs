//! The first line of a head (RFC 9112 §3, §4).

use super::message::{Fields, Method, RequestHead, Version};
use crate::{
    error::Error,
    http1::{fields, span::Span},
};

/// The parts of a request line.
pub(super) struct RequestLine<'a> {
    method: Method,
    name: &'a [u8],
    target: &'a [u8],
    version: Version,
}

impl RequestLine<'_> {
    /// The head in `bytes` that begins with this line.
    pub(super) fn head(&self, bytes: &[u8], fields: Fields, len: usize) -> RequestHead {
        RequestHead {
            method: self.method,
            method_name: Span::within(bytes, self.name),
            target: Span::within(bytes, self.target),
            version: self.version,
            fields,
            len,
        }
    }
}

/// Takes a request line, without its CRLF, apart (RFC 9112 §3).
pub(super) fn parse_request_line(line: &[u8]) -> Result<RequestLine<'_>, Error> {
    // Names are short and targets are not.
    let name_end = line.iter().position(|byte| *byte == b' ');
    let parts = name_end.and_then(|end| split_at_blank(line, end)).and_then(|(name, rest)| {
        let (target, version) = split_at_blank(rest, memchr::memchr(b' ', rest)?)?;
        Some((name, target, version))
    });
    let Some((name, target, version)) = parts else {
        return Err(Error::RequestHead("the request line has not three parts"));
    };
    let method = Method::of(name);
    if method == Method::Other && !fields::is_token(name) {
        return Err(Error::RequestHead("the method is not a token"));
    }
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Error::RequestVersion),
        _ => return Err(Error::RequestHead("the version is not HTTP/1.0 or HTTP/1.1")),
    };
    // All bytes are looked at in any case, so that the compiler takes many at a time.
    let is_graphic = target.iter().fold(true, |is_graphic, byte| is_graphic & byte.is_ascii_graphic());
    if target.is_empty() || !is_graphic {
        return Err(Error::RequestHead("the request target is empty or holds a byte that no URL can hold"));
    }
    Ok(RequestLine { method, name, target, version })
}

/// What stands before the blank at `at`, and what stands behind it.
fn split_at_blank(line: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (before, rest) = line.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

/// The parts of a status line (RFC 9112 §4).
pub(super) fn parse_status_line(line: &[u8]) -> Result<(Version, u16, &[u8]), Error> {
    let (version, rest) = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] => {
            (if *minor == b'0' { Version::Http10 } else { Version::Http11 }, rest)
        }
        _ => return Err(Error::ResponseHead("the status line is not one of HTTP/1")),
    };
    let (status, reason) = match rest {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let digit = |byte: &u8| u16::from(byte.wrapping_sub(b'0'));
            let status = [a, b, c]
                .into_iter()
                .fold(0_u16, |sum, byte| sum.saturating_mul(10).saturating_add(digit(byte)));
            match rest {
                // The blank belongs there, but its absence can mean nothing else.
                [] => (status, rest),
                [b' ', reason @ ..] => (status, reason),
                _ => return Err(Error::ResponseHead("the status is not three digits")),
            }
        }
        _ => return Err(Error::ResponseHead("the status is not three digits")),
    };
    if !reason.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)) {
        return Err(Error::ResponseHead("the reason phrase holds a control byte"));
    }
    Ok((version, status, reason))
}

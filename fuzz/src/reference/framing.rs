//! How a body ends: RFC 9112 §6.3 as a list of questions.

use super::head::{Lines, Old, Request, Response, blanks_off};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// After this many bytes, at least one.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With its connection.
    UntilClose,
}

/// The lengths of a head; those of a response, repeated or listed, are one where all are the same text.
fn lengths(lines: &Lines, is_response: bool) -> Option<Vec<&[u8]>> {
    let values = lines.all("content-length");
    if !is_response {
        return Some(values);
    }
    let mut members = Vec::new();
    for value in values {
        for member in value.split(|byte| *byte == b',') {
            members.push(blanks_off(member));
        }
    }
    if members.windows(2).any(|two| two[0] != two[1]) {
        return None;
    }
    members.truncate(1);
    Some(members)
}

/// What the framing fields say, if they agree; `None` where they do not.
fn declared(lines: &Lines, old: Old, is_response: bool) -> Option<(Option<Body>, Option<u64>)> {
    let lengths = lengths(lines, is_response)?;
    let codings = lines.all("transfer-encoding");
    if !codings.is_empty() {
        let chunked = codings.len() == 1 && codings[0].to_ascii_lowercase() == b"chunked";
        return (chunked && lengths.is_empty() && !old.0).then_some((Some(Body::Chunked), None));
    }
    match lengths[..] {
        [] => Some((None, None)),
        [digits] => {
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let mut length: u128 = 0;
            for digit in digits {
                length = length * 10 + u128::from(digit - b'0');
                if length > u128::from(u64::MAX) {
                    return None;
                }
            }
            let length = length as u64;
            Some((Some(if length == 0 { Body::None } else { Body::Length(length) }), Some(length)))
        }
        _ => None,
    }
}

/// How the body of a request ends; `None` where nobody may guess.
#[must_use]
pub fn of_request(head: &Request) -> Option<Body> {
    declared(&head.lines, head.old, false).map(|(body, _)| body.unwrap_or(Body::None))
}

/// How the body of a response ends, and the length it declares; `None` where nobody may guess.
#[must_use]
pub fn of_response(head: &Response, to_head: bool) -> Option<(Body, Option<u64>)> {
    if head.status < 200 || head.status == 204 {
        return Some((Body::None, None));
    }
    let (body, length) = declared(&head.lines, head.old, true)?;
    if to_head || head.status == 304 {
        return Some((Body::None, length));
    }
    Some((body.unwrap_or(Body::UntilClose), length))
}

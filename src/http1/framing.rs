//! How a body ends: the gate where request smuggling is stopped.
//!
//! RFC 9112 §6.3 gives one list of rules; these two functions are that list. Where it offers a choice
//! between repairing and refusing, we refuse.

use super::{
    fields::FieldId,
    head::{Fields, Method, Request, Response, Version},
};
use crate::error::Error;

/// How the body of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// This many bytes, at least one.
    Length(u64),
    /// Chunks, the last of them empty.
    Chunked,
    /// All bytes until the connection ends; responses only.
    UntilClose,
}

const LENGTHS_DIFFER: &str = "there is more than one Content-Length";
const LENGTH_INVALID: &str = "Content-Length is not a plain number";
const BOTH: &str = "there are both Content-Length and Transfer-Encoding";
const CODING_IN_10: &str = "Transfer-Encoding stands in an HTTP/1.0 message";

/// What the framing fields of a head say.
struct Declared {
    length: Option<u64>,
    codings: Codings,
}

enum Codings {
    Absent,
    Chunked,
    Unknown,
}

/// Reads `Content-Length` and `Transfer-Encoding`, without deciding anything.
fn declared(bytes: &[u8], fields: &Fields) -> Result<Declared, &'static str> {
    let mut length = None;
    let mut codings = Codings::Absent;
    for field in fields.iter() {
        if field.id == FieldId::ContentLength {
            if length.is_some() {
                return Err(LENGTHS_DIFFER);
            }
            length = Some(decimal(field.value.of(bytes)).ok_or(LENGTH_INVALID)?);
        } else if field.id == FieldId::TransferEncoding {
            let once = matches!(codings, Codings::Absent);
            codings = if once && field.value.of(bytes).eq_ignore_ascii_case(b"chunked") {
                Codings::Chunked
            } else {
                Codings::Unknown
            };
        }
    }
    Ok(Declared { length, codings })
}

/// `1*DIGIT` up to 2^64-1. `str::parse` would accept `+5`, which some origins read as 5 and others refuse.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0'))),
        _ => None,
    })
}

impl Framing {
    const fn of_length(length: u64) -> Self {
        if length == 0 { Self::None } else { Self::Length(length) }
    }

    /// How the body of this request ends. Without `Content-Length` and `Transfer-Encoding` there is none;
    /// the method makes no difference.
    ///
    /// # Errors
    /// [`Error::RequestHead`] when both fields are present, when there are several lengths, when a length is
    /// not plain digits, or for a transfer coding in HTTP/1.0; [`Error::RequestCoding`] for anything but one
    /// `chunked`.
    ///
    /// Source: RFC 9112 §6.1–6.3.
    pub fn of_request(request: Request<'_>) -> Result<Self, Error> {
        let declared = declared(request.bytes, &request.head.fields).map_err(Error::RequestHead)?;
        match (declared.codings, declared.length) {
            (Codings::Absent, None) => Ok(Self::None),
            (Codings::Absent, Some(length)) => Ok(Self::of_length(length)),
            (Codings::Unknown, _) => Err(Error::RequestCoding),
            (Codings::Chunked, Some(_)) => Err(Error::RequestHead(BOTH)),
            (Codings::Chunked, None) if request.head.version == Version::Http10 => {
                Err(Error::RequestHead(CODING_IN_10))
            }
            (Codings::Chunked, None) => Ok(Self::Chunked),
        }
    }

    /// How the body of this response to a request with `method` ends, and the length it declares, which a
    /// response without a body (HEAD, 304) may still do.
    ///
    /// # Errors
    /// [`Error::ResponseHead`] as for requests; a response is never passed on with doubtful framing.
    ///
    /// Source: RFC 9112 §6.3; RFC 9110 §8.6.
    pub fn of_response(response: Response<'_>, method: Method) -> Result<(Self, Option<u64>), Error> {
        let status = response.head.status;
        if matches!(status, 100..=199 | 204) {
            return Ok((Self::None, None));
        }
        let declared = declared(response.bytes, &response.head.fields).map_err(Error::ResponseHead)?;
        let framing = match (declared.codings, declared.length) {
            (Codings::Unknown, _) => {
                return Err(Error::ResponseHead("the transfer coding is not one chunked"));
            }
            (Codings::Chunked, Some(_)) => return Err(Error::ResponseHead(BOTH)),
            (Codings::Chunked, None) if response.head.version == Version::Http10 => {
                return Err(Error::ResponseHead(CODING_IN_10));
            }
            (Codings::Chunked, None) => Self::Chunked,
            (Codings::Absent, Some(length)) => Self::of_length(length),
            (Codings::Absent, None) => Self::UntilClose,
        };
        if method == Method::Head || status == 304 {
            return Ok((Self::None, declared.length));
        }
        Ok((framing, declared.length))
    }
}

#[cfg(test)]
mod tests;

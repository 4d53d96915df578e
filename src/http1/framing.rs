//! How a body ends: the gate where request smuggling is stopped.
//!
//! RFC 9112 §6.3 gives one list of rules; these two functions are that list. Where it offers a choice
//! between repairing and refusing, we refuse; but a response may say its one length more than once.

use super::{
    fields::{self, FieldId},
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

const CODING_NOT_CHUNKED: &str = "the transfer coding is not one chunked";

/// What the framing fields of a head say.
struct Declared {
    length: Option<u64>,
    codings: Codings,
}

/// What all `Transfer-Encoding` lines of a head say together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codings {
    Absent,
    /// One `chunked`.
    Chunked,
    /// Names of other codings, with no end yet.
    Others,
    /// Other codings, and a final `chunked`: understood by who knows those (RFC 9112 §6.1).
    OthersChunked,
    /// Nobody can say where it ends (RFC 9112 §6.3).
    Broken,
}

impl Codings {
    /// With one more line behind those before it.
    fn and(self, value: &[u8]) -> Self {
        // What nearly every line says is no list.
        if self == Self::Absent && value.eq_ignore_ascii_case(b"chunked") {
            return Self::Chunked;
        }
        value.split(|byte| *byte == b',').map(fields::trim).fold(self, Self::and_one)
    }

    fn and_one(self, coding: &[u8]) -> Self {
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        match self {
            Self::Absent if is_chunked => Self::Chunked,
            Self::Others if is_chunked => Self::OthersChunked,
            Self::Absent | Self::Others
                if fields::is_token(coding) && !coding.eq_ignore_ascii_case(b"identity") =>
            {
                Self::Others
            }
            Self::Absent | Self::Chunked | Self::Others | Self::OthersChunked | Self::Broken => Self::Broken,
        }
    }
}

/// How a length is spelled, and what it is; nothing where that is no plain number.
type Length<'a> = (&'a [u8], Option<u64>);

/// Reads `Content-Length` and `Transfer-Encoding`, without deciding anything; `length_of` says what a line of
/// `Content-Length` does with those before it.
fn declared(
    bytes: &[u8],
    fields: &Fields,
    length_of: impl for<'v> Fn(Option<Length<'v>>, &'v [u8]) -> Result<Length<'v>, &'static str>,
) -> Result<Declared, &'static str> {
    let mut length = None;
    for field in fields.all(FieldId::ContentLength) {
        length = Some(length_of(length, field.value.of(bytes))?);
    }
    let codings = fields
        .all(FieldId::TransferEncoding)
        .fold(Codings::Absent, |codings, field| codings.and(field.value.of(bytes)));
    let length = length.map(|(_, length)| length.ok_or(LENGTH_INVALID)).transpose()?;
    Ok(Declared { length, codings })
}

/// The only length of a request.
fn only_length<'v>(before: Option<Length<'v>>, value: &'v [u8]) -> Result<Length<'v>, &'static str> {
    if before.is_some() { Err(LENGTHS_DIFFER) } else { Ok((value, decimal(value))) }
}

/// The length of a response, which may be said again, and in a list, if it is spelled the same each time (Fetch,
/// "extract a length").
fn same_length<'v>(before: Option<Length<'v>>, value: &'v [u8]) -> Result<Length<'v>, &'static str> {
    // What nearly every response says is no list.
    if before.is_none()
        && let Some(length) = decimal(value)
    {
        return Ok((value, Some(length)));
    }
    let mut lengths = value.split(|byte| *byte == b',').map(fields::trim);
    let length = before.unwrap_or_else(|| {
        let first = lengths.next().unwrap_or_default();
        (first, decimal(first))
    });
    if lengths.all(|other| other == length.0) { Ok(length) } else { Err(LENGTHS_DIFFER) }
}

/// `1*DIGIT` up to 2^64-1. `str::parse` would accept `+5`, which some origins read as 5 and others refuse.
fn decimal(value: &[u8]) -> Option<u64> {
    /// Digits of a number that always fits.
    const SURE: usize = 19;
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (sure, rest) = value.split_at_checked(SURE).unwrap_or((value, b""));
    let digit = |byte: &u8| u64::from(byte.wrapping_sub(b'0'));
    let sum = sure.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(10).wrapping_add(digit(byte)));
    rest.iter().try_fold(sum, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)))
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
    /// not plain digits, for a transfer coding in HTTP/1.0, and for one whose end nobody can know;
    /// [`Error::RequestCoding`] for other codings before a final `chunked`.
    ///
    /// Source: RFC 9112 §6.1–6.3.
    pub fn of_request(request: Request<'_>) -> Result<Self, Error> {
        let declared =
            declared(request.bytes, &request.head.fields, only_length).map_err(Error::RequestHead)?;
        match (declared.codings, declared.length) {
            (Codings::Absent, None) => Ok(Self::None),
            (Codings::Absent, Some(length)) => Ok(Self::of_length(length)),
            (Codings::Others | Codings::Broken, _) => Err(Error::RequestHead(CODING_NOT_CHUNKED)),
            (Codings::Chunked | Codings::OthersChunked, _) if request.head.version == Version::Http10 => {
                Err(Error::RequestHead(CODING_IN_10))
            }
            (Codings::OthersChunked, _) => Err(Error::RequestCoding),
            (Codings::Chunked, Some(_)) => Err(Error::RequestHead(BOTH)),
            (Codings::Chunked, None) => Ok(Self::Chunked),
        }
    }

    /// How the body of this response to a request with `method` ends, and the length it declares, which a
    /// response without a body (HEAD, 304) may still do.
    ///
    /// # Errors
    /// [`Error::ResponseHead`] as for requests, but for a length that is said again; a response is never passed on
    /// with doubtful framing.
    ///
    /// Source: RFC 9112 §6.3; RFC 9110 §8.6.
    pub fn of_response(response: Response<'_>, method: Method) -> Result<(Self, Option<u64>), Error> {
        let status = response.head.status;
        if matches!(status, 100..=199 | 204) {
            return Ok((Self::None, None));
        }
        let declared =
            declared(response.bytes, &response.head.fields, same_length).map_err(Error::ResponseHead)?;
        let framing = match (declared.codings, declared.length) {
            (Codings::Others | Codings::OthersChunked | Codings::Broken, _) => {
                return Err(Error::ResponseHead(CODING_NOT_CHUNKED));
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

//! Request and response heads as spans into the bytes that they were read from.
//!
//! httparse finds the fields; the rules that it leaves out are ours: every line ends in CRLF, the parts of
//! the first line are parted by single blanks, at most two empty lines stand before it, no 8-bit byte in the
//! target, no folding in a request. Nothing is repaired.

mod end;
mod whole;

use httparse::{EMPTY_HEADER, Header, Status};

pub use self::{
    end::HeadEnd,
    whole::{parse_whole_request, parse_whole_response},
};
use super::fields::{self, Field, FieldId};
use crate::error::Error;

/// The most fields that `limits.fields` can allow; a head is parsed on the stack.
pub const MAX_FIELDS: usize = 1024;

/// Field slots of the first attempt: enough for nearly every head, cheap to reserve.
const COMMON_FIELDS: usize = 40;

/// A range of bytes in a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range `start..end`; a head is far shorter than 4 GiB.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: u32::try_from(start).unwrap_or(0), end: u32::try_from(end).unwrap_or(0) }
    }

    /// The bytes of this range in the head it was made for.
    #[must_use]
    pub fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.range()).unwrap_or_default()
    }

    /// The range as indices.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        usize::try_from(self.start).unwrap_or(0)..usize::try_from(self.end).unwrap_or(0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Where `part`, a slice of `whole`, stands in it.
    fn within(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr().addr()).wrapping_sub(whole.as_ptr().addr());
        Self::new(start, start.wrapping_add(part.len()))
    }
}

/// The minor version of HTTP/1; a higher one counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Methods that a proxy treats apart; names are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// POST
    Post,
    /// CONNECT
    Connect,
    /// Any other token.
    Other,
}

impl Method {
    /// The method of this name.
    #[must_use]
    pub const fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"POST" => Self::Post,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether a request may be sent again when nothing came back (RFC 9110 §9.2.1).
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }
}

/// The field lines of a head, in order, duplicates and case preserved.
///
/// Once parsed, the storage can be handed to the next head: [`Fields`] is cleared, not freed.
#[derive(Debug, Default)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// Empty, with the storage kept.
    #[must_use]
    pub fn recycled(mut self) -> Self {
        self.0.clear();
        self
    }

    /// All fields in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = &Field> + '_ {
        self.0.iter()
    }

    /// The fields of one name.
    pub fn all(&self, id: FieldId) -> impl Iterator<Item = &Field> + '_ {
        self.0.iter().filter(move |field| field.id == id)
    }

    /// The first field of a name.
    #[must_use]
    pub fn first(&self, id: FieldId) -> Option<&Field> {
        self.0.iter().find(|field| field.id == id)
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub fn has(&self, id: FieldId) -> bool {
        self.first(id).is_some()
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A parsed request head. Its spans are offsets into the bytes it was parsed from.
#[derive(Debug)]
pub struct RequestHead {
    /// The method, classified.
    pub method: Method,
    /// The method as it was spelled.
    pub method_name: Span,
    /// The request target, not yet taken apart.
    pub target: Span,
    /// The version, as far as it makes a difference.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes from the start of the buffer to the end of the head, leading empty lines included.
    pub len: usize,
}

/// A parsed response head. Its spans are offsets into the bytes it was parsed from.
#[derive(Debug)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase; often empty.
    pub reason: Span,
    /// The version, as far as it makes a difference.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes of the head.
    pub len: usize,
}

/// A request head together with its bytes: what the pure floors look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The bytes the head was parsed from.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a RequestHead,
}

/// A response head together with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The bytes the head was parsed from.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a ResponseHead,
}

impl<'a> Request<'a> {
    /// The values of all fields of one name.
    pub fn values(self, id: FieldId) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.head.fields.all(id).map(move |field| field.value.of(self.bytes))
    }

    /// The value of the first field of a name.
    #[must_use]
    pub fn value(self, id: FieldId) -> Option<&'a [u8]> {
        self.head.fields.first(id).map(|field| field.value.of(self.bytes))
    }

    /// The method as it was spelled.
    #[must_use]
    pub fn method_name(self) -> &'a [u8] {
        self.head.method_name.of(self.bytes)
    }

    /// The request target, byte for byte.
    #[must_use]
    pub fn target(self) -> &'a [u8] {
        self.head.target.of(self.bytes)
    }
}

impl<'a> Response<'a> {
    /// The values of all fields of one name.
    pub fn values(self, id: FieldId) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.head.fields.all(id).map(move |field| field.value.of(self.bytes))
    }

    /// The value of the first field of a name.
    #[must_use]
    pub fn value(self, id: FieldId) -> Option<&'a [u8]> {
        self.head.fields.first(id).map(|field| field.value.of(self.bytes))
    }
}

/// Why a head is refused before it is known whose head it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// The text says which rule is broken.
    Malformed(&'static str),
    /// More fields than allowed.
    TooManyFields,
}

impl HeadFault {
    /// The fault of a client that sent it.
    #[must_use]
    pub const fn in_request(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::RequestHead(reason),
            Self::TooManyFields => Error::RequestHeadTooLarge,
        }
    }

    /// The fault of an upstream that sent it.
    #[must_use]
    pub const fn in_response(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::ResponseHead(reason),
            Self::TooManyFields => Error::ResponseHeadTooLarge,
        }
    }
}

/// Parses a complete request head of `len` bytes, as [`HeadEnd::find`] measured it.
///
/// # Errors
/// [`Error::RequestHead`] for whatever breaks the grammar, [`Error::RequestVersion`] for another major
/// version, [`Error::RequestHeadTooLarge`] for more than `max_fields` fields.
///
/// Source: RFC 9112 §2–5.
pub fn parse_request(
    bytes: &[u8],
    end: &HeadEnd,
    len: usize,
    max_fields: usize,
    recycled: Fields,
) -> Result<RequestHead, Error> {
    let (start, line_end) = end.first_line.ok_or(Error::RequestHead("the request line is missing"))?;
    let line = parse_request_line(bytes.get(start..line_end).unwrap_or_default())?;
    if end.folded {
        return Err(Error::RequestHead("a field is folded over several lines"));
    }
    let fields = parse_fields(bytes, line_end.saturating_add(2), len, max_fields, recycled)
        .map_err(HeadFault::in_request)?;
    if has_underscore_alias(bytes, &fields) {
        return Err(Error::RequestHead("a field name has _ where a framing or routing field has -"));
    }
    Ok(line.head(bytes, fields, len))
}

/// The parts of a request line.
struct RequestLine<'a> {
    method: Method,
    name: &'a [u8],
    target: &'a [u8],
    version: Version,
}

impl RequestLine<'_> {
    /// The head in `bytes` that begins with this line.
    fn head(&self, bytes: &[u8], fields: Fields, len: usize) -> RequestHead {
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
fn parse_request_line(line: &[u8]) -> Result<RequestLine<'_>, Error> {
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

/// Whether a field has a name that [`FieldId::is_underscore_alias`] warns of.
fn has_underscore_alias(bytes: &[u8], fields: &Fields) -> bool {
    fields.all(FieldId::Other).any(|field| FieldId::is_underscore_alias(field.name.of(bytes)))
}

/// Parses a complete response head of `len` bytes; folded fields are unfolded in place (RFC 9112 §5.2).
///
/// # Errors
/// [`Error::ResponseHead`] for whatever breaks the grammar, [`Error::ResponseHeadTooLarge`] for more than
/// `max_fields` fields.
///
/// Source: RFC 9112 §4, §5.
pub fn parse_response(
    bytes: &mut [u8],
    end: &HeadEnd,
    len: usize,
    max_fields: usize,
    recycled: Fields,
) -> Result<ResponseHead, Error> {
    let (start, line_end) = match end.first_line {
        Some((0, line_end)) => (0_usize, line_end),
        _ => return Err(Error::ResponseHead("an empty line stands before the status line")),
    };
    let fields_start = line_end.saturating_add(2);
    if end.folded {
        unfold(bytes.get_mut(fields_start..len).unwrap_or_default()).map_err(HeadFault::in_response)?;
    }
    let bytes = &*bytes;
    let line = bytes.get(start..line_end).unwrap_or_default();
    let (version, status, reason) = parse_status_line(line)?;
    let fields =
        parse_fields(bytes, fields_start, len, max_fields, recycled).map_err(HeadFault::in_response)?;
    Ok(ResponseHead { status, reason: Span::within(bytes, reason), version, fields, len })
}

/// The parts of a status line (RFC 9112 §4).
fn parse_status_line(line: &[u8]) -> Result<(Version, u16, &[u8]), Error> {
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

/// Replaces the CRLF of every folded line by blanks.
fn unfold(fields: &mut [u8]) -> Result<(), HeadFault> {
    if let [b' ' | b'\t', ..] = fields {
        return Err(HeadFault::Malformed("a blank stands before the first field"));
    }
    let mut at = 0_usize;
    while let Some(found) = memchr::memmem::find(fields.get(at..).unwrap_or_default(), b"\r\n") {
        at = at.saturating_add(found);
        if let Some([cr, lf, b' ' | b'\t']) = fields.get_mut(at..at.saturating_add(3)) {
            *cr = b' ';
            *lf = b' ';
        }
        at = at.saturating_add(2);
    }
    Ok(())
}

/// Parses the field lines in `bytes[start..end]`, which end in an empty line. Trailer sections come here too.
///
/// # Errors
/// See [`HeadFault`].
pub fn parse_fields(
    bytes: &[u8],
    start: usize,
    end: usize,
    max_fields: usize,
    recycled: Fields,
) -> Result<Fields, HeadFault> {
    let lines = bytes.get(start..end).unwrap_or_default();
    let mut slots = [EMPTY_HEADER; COMMON_FIELDS];
    match httparse::parse_headers(lines, &mut slots) {
        Err(httparse::Error::TooManyHeaders) if max_fields > COMMON_FIELDS => {
            let mut slots = vec![EMPTY_HEADER; max_fields.min(MAX_FIELDS)];
            let headers = checked(httparse::parse_headers(lines, &mut slots), lines.len(), max_fields)?;
            Ok(collect(bytes, headers, recycled))
        }
        parsed => Ok(collect(bytes, checked(parsed, lines.len(), max_fields)?, recycled)),
    }
}

/// What httparse makes of field lines, if they are right as a whole.
fn checked<'h, 'b>(
    parsed: httparse::Result<(usize, &'h [Header<'b>])>,
    len: usize,
    max_fields: usize,
) -> Result<&'h [Header<'b>], HeadFault> {
    match parsed {
        Ok(Status::Complete((parsed_len, headers))) if parsed_len == len => {
            if headers.len() > max_fields {
                Err(HeadFault::TooManyFields)
            } else {
                Ok(headers)
            }
        }
        Ok(_) => Err(HeadFault::Malformed("a field line is incomplete")),
        Err(httparse::Error::TooManyHeaders) => Err(HeadFault::TooManyFields),
        Err(httparse::Error::HeaderName) => Err(HeadFault::Malformed("a field name is empty or not a token")),
        Err(httparse::Error::HeaderValue) => Err(HeadFault::Malformed("a field value holds a control byte")),
        Err(_) => Err(HeadFault::Malformed("a field line is malformed")),
    }
}

/// The fields in `bytes` that httparse has found, which has trimmed their values.
fn collect(bytes: &[u8], headers: &[Header<'_>], recycled: Fields) -> Fields {
    let Fields(mut list) = recycled.recycled();
    list.extend(headers.iter().map(|header| {
        let name = header.name.as_bytes();
        Field {
            name: Span::within(bytes, name),
            value: Span::within(bytes, header.value),
            id: FieldId::of(name),
        }
    }));
    Fields(list)
}

#[cfg(test)]
mod tests;

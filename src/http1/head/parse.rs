//! Heads that may come in pieces: found by [`HeadEnd`], then parsed.

use super::{
    end::HeadEnd,
    fault::HeadFault,
    field_section::{has_underscore_alias, parse_lenient_fields, parse_lines, unfold},
    message::{Fields, RequestHead, ResponseHead},
    start_line::{parse_request_line, parse_status_line},
};
use crate::{error::Error, http1::span::Span};

/// Parses a complete request head of `len` bytes, as [`HeadEnd::find_request`] measured it.
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
    let fields = parse_lines(bytes, end.fields_start..len, end.lines, max_fields, recycled)
        .map_err(HeadFault::in_request)?;
    if has_underscore_alias(bytes, &fields) {
        return Err(Error::RequestHead("a field name has _ where a framing or routing field has -"));
    }
    Ok(line.head(bytes, fields, len))
}

/// Parses a complete response head of `len` bytes, as [`HeadEnd::find_response`] measured it. What every browser
/// would have read is read: folded fields are unfolded in place, blanks before a colon are no part of the name
/// (RFC 9112 §5.1, §5.2), and a value may hold any byte that cannot end it.
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
    let (start, line_end) = end.first_line.ok_or(Error::ResponseHead("the status line is missing"))?;
    if end.folded {
        unfold(bytes.get_mut(end.fields_start..len).unwrap_or_default()).map_err(HeadFault::in_response)?;
    }
    let bytes = &*bytes;
    let line = bytes.get(start..line_end).unwrap_or_default();
    let (version, status, reason) = parse_status_line(line)?;
    let fields = match parse_lines(bytes, end.fields_start..len, end.lines, max_fields, recycled) {
        Err(HeadFault::Malformed(_)) => parse_lenient_fields(bytes, end.fields_start, len, max_fields),
        parsed => parsed,
    };
    let fields = fields.map_err(HeadFault::in_response)?;
    Ok(ResponseHead { status, reason: Span::within(bytes, reason), version, fields, len })
}

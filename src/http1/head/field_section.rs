//! The field lines of a head, or of a trailer section (RFC 9112 §5, §7.1.2).

use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, Status};

use super::{fault::HeadFault, message::Fields};
use crate::http1::{
    fields::{self, Field, FieldId},
    span::Span,
};

/// The most fields that `limits.fields` can allow; a head is parsed on the stack.
pub const MAX_FIELDS: usize = 1024;

/// Field slots of the first attempt: enough for nearly every head, cheap to reserve.
pub(super) const COMMON_FIELDS: usize = 40;

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
    parse_lines(bytes, start..end, 0, max_fields, recycled)
}

/// As [`parse_fields`], of so many lines, as far as that is known: where there are many, few slots are not tried first.
pub(super) fn parse_lines(
    bytes: &[u8],
    section: Range<usize>,
    count: usize,
    max_fields: usize,
    recycled: Fields,
) -> Result<Fields, HeadFault> {
    let lines = bytes.get(section).unwrap_or_default();
    let may_be_more = max_fields > COMMON_FIELDS;
    if !may_be_more || count <= COMMON_FIELDS {
        let mut slots = [EMPTY_HEADER; COMMON_FIELDS];
        let parsed = httparse::parse_headers(lines, &mut slots);
        if !(may_be_more && matches!(parsed, Err(httparse::Error::TooManyHeaders))) {
            return Ok(collect(bytes, checked(parsed, lines.len(), max_fields)?, recycled));
        }
    }
    let mut slots = vec![EMPTY_HEADER; max_fields.min(MAX_FIELDS)];
    let headers = checked(httparse::parse_headers(lines, &mut slots), lines.len(), max_fields)?;
    Ok(collect(bytes, headers, recycled))
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
pub(super) fn collect(bytes: &[u8], headers: &[Header<'_>], recycled: Fields) -> Fields {
    recycled.refilled(bytes, headers.iter().map(|header| (header.name.as_bytes(), header.value)))
}

/// Whether a field has a name that [`FieldId::is_underscore_alias`] warns of.
pub(super) fn has_underscore_alias(bytes: &[u8], fields: &Fields) -> bool {
    let is_alias = |field: &Field| FieldId::is_underscore_alias(field.name.of(bytes));
    fields.may_have_underscores() && fields.all(FieldId::Other).any(is_alias)
}

/// `name` without the SP and HTAB behind it; in front of it they would be folding.
fn blanks_behind_off(mut name: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    name
}

/// As [`parse_fields`], for a response that httparse does not take: blanks may stand between name and colon, lines
/// may end in LF alone, and a value may hold any byte but NUL, CR and LF.
pub(super) fn parse_lenient_fields(
    bytes: &[u8],
    start: usize,
    end: usize,
    max_fields: usize,
) -> Result<Fields, HeadFault> {
    let mut list = Vec::new();
    for line in bytes.get(start..end).unwrap_or_default().split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // The one that ends the section; nothing stands behind it.
        if line.is_empty() {
            break;
        }
        let colon = memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon));
        let Some((name, [_, value @ ..])) = colon else {
            return Err(HeadFault::Malformed("a field line has no colon"));
        };
        let (name, value) = (blanks_behind_off(name), fields::trim(value));
        if !fields::is_token(name) {
            return Err(HeadFault::Malformed("a field name is empty or not a token"));
        }
        if memchr::memchr2(b'\r', 0, value).is_some() {
            return Err(HeadFault::Malformed("a field value holds CR or NUL"));
        }
        if list.len() >= max_fields {
            return Err(HeadFault::TooManyFields);
        }
        let (place, value) = (Span::within(bytes, name), Span::within(bytes, value));
        list.push(Field::new(bytes, place, value, FieldId::of(name)));
    }
    Ok(Fields::of(list))
}

/// Replaces the line end of every folded line by blanks.
pub(super) fn unfold(fields: &mut [u8]) -> Result<(), HeadFault> {
    if let [b' ' | b'\t', ..] = fields {
        return Err(HeadFault::Malformed("a blank stands before the first field"));
    }
    let (mut line, mut at) = (0_usize, 0_usize);
    while let Some(found) = memchr::memchr(b'\n', fields.get(at..).unwrap_or_default()) {
        let lf = at.saturating_add(found);
        at = lf.saturating_add(1);
        if matches!(fields.get(at), Some(b' ' | b'\t')) {
            if memchr::memchr(b':', fields.get(line..lf).unwrap_or_default()).is_none() {
                return Err(HeadFault::Malformed("a field line is folded before its colon"));
            }
            let cr = lf.saturating_sub(1);
            for place in fields.get_mut(cr..at).unwrap_or_default() {
                if matches!(*place, b'\r' | b'\n') {
                    *place = b' ';
                }
            }
        } else {
            line = at;
        }
    }
    Ok(())
}

//! The field lines of a head, or of a trailer section (RFC 9112 §5, §7.1.2).

use httparse::{EMPTY_HEADER, Header, Status};

use super::{fault::HeadFault, message::Fields};
use crate::http1::{
    fields::{Field, FieldId},
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
pub(super) fn collect(bytes: &[u8], headers: &[Header<'_>], recycled: Fields) -> Fields {
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

/// Whether a field has a name that [`FieldId::is_underscore_alias`] warns of.
pub(super) fn has_underscore_alias(bytes: &[u8], fields: &Fields) -> bool {
    fields.all(FieldId::Other).any(|field| FieldId::is_underscore_alias(field.name.of(bytes)))
}

/// Replaces the CRLF of every folded line by blanks.
pub(super) fn unfold(fields: &mut [u8]) -> Result<(), HeadFault> {
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

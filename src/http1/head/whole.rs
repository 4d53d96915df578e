//! Heads that are there as a whole and leave nothing to judge: found and parsed in one go.

use httparse::{EMPTY_HEADER, Header, Status};

use super::{
    field_section::{COMMON_FIELDS, collect, has_underscore_alias},
    message::{Fields, RequestHead, ResponseHead},
    start_line::{parse_request_line, parse_status_line},
};
use crate::http1::span::Span;

/// The request head at the start of `bytes`, found and parsed in one go. Nothing, if it is not there as a whole
/// or if there is anything about it that [`HeadEnd::find_request`](super::HeadEnd::find_request) and
/// [`parse_request`](super::parse_request) have to judge: then the storage stays in `recycled`.
#[must_use]
pub fn parse_whole_request(bytes: &[u8], max_fields: usize, recycled: &mut Fields) -> Option<RequestHead> {
    let (line, fields_start) = first_line(bytes)?;
    let line = parse_request_line(line).ok()?;
    let (fields, len) = parse_whole_fields(bytes, fields_start, max_fields, recycled)?;
    if has_underscore_alias(bytes, &fields) {
        *recycled = fields;
        return None;
    }
    Some(line.head(bytes, fields, len))
}

/// The response head at the start of `bytes`, found and parsed in one go. Nothing, if it is not there as a whole
/// or if there is anything about it that [`HeadEnd::find_response`](super::HeadEnd::find_response) and
/// [`parse_response`](super::parse_response) have to judge: then the storage stays in `recycled`.
#[must_use]
pub fn parse_whole_response(bytes: &[u8], max_fields: usize, recycled: &mut Fields) -> Option<ResponseHead> {
    let (line, fields_start) = first_line(bytes)?;
    let (version, status, reason) = parse_status_line(line).ok()?;
    let (fields, len) = parse_whole_fields(bytes, fields_start, max_fields, recycled)?;
    Some(ResponseHead { status, reason: Span::within(bytes, reason), version, fields, len })
}

impl RequestHead {
    /// Lets go of its fields, if [`RequestHead::recall_fields`] can find them again in `bytes`, whose start it is. Gives
    /// storage back that it does not need, for `recycled`.
    #[must_use]
    pub fn forget_fields(&mut self, bytes: &[u8], max_fields: usize, mut recycled: Fields) -> Fields {
        let again = first_line(bytes)
            .and_then(|(_, start)| parse_whole_fields(bytes, start, max_fields, &mut recycled));
        let is_same =
            again.as_ref().is_some_and(|(fields, len)| *len == self.len && fields.len() == self.fields.len());
        if is_same {
            self.fields = Fields::default();
        } else {
            drop(self.fields.shrink());
        }
        again.map_or(recycled, |(fields, _)| fields.recycled())
    }

    /// Finds its fields in `bytes` again, if it has let go of them.
    pub fn recall_fields(&mut self, bytes: &[u8], max_fields: usize, recycled: &mut Fields) {
        if self.fields.is_empty()
            && let Some((_, start)) = first_line(bytes)
            && let Some((fields, _)) = parse_whole_fields(bytes, start, max_fields, recycled)
        {
            self.fields = fields;
        }
    }
}

/// The first line without its CRLF, and where the next one begins.
fn first_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let lf = memchr::memchr(b'\n', bytes)?;
    Some((bytes.get(..lf)?.strip_suffix(b"\r")?, lf.saturating_add(1)))
}

/// The fields behind `start`, and where the head ends. Nothing, if they are incomplete or not right in every
/// way: then the storage stays in `recycled`.
fn parse_whole_fields(
    bytes: &[u8],
    start: usize,
    max_fields: usize,
    recycled: &mut Fields,
) -> Option<(Fields, usize)> {
    let mut slots = [EMPTY_HEADER; COMMON_FIELDS];
    let Ok(Status::Complete((lines_len, headers))) = httparse::parse_headers(bytes.get(start..)?, &mut slots)
    else {
        return None;
    };
    let len = start.saturating_add(lines_len);
    let head = bytes.get(..len)?;
    if headers.len() > max_fields || !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    let fields = collect(bytes, headers, std::mem::take(recycled));
    // httparse takes LF for CRLF. A line ends where the next one's name begins, and the last before the empty one.
    let ends_in_crlf = |header: &Header<'_>| {
        let name = Span::within(head, header.name.as_bytes()).range();
        head.get(..name.start).is_some_and(|before| before.ends_with(b"\r\n"))
    };
    if fields.may_be_odd() && !headers.iter().all(ends_in_crlf) {
        *recycled = fields;
        return None;
    }
    Some((fields, len))
}

#[cfg(test)]
mod tests {
    use super::{super::field_section::MAX_FIELDS, *};

    #[test]
    fn a_response_head_that_comes_as_a_whole_is_parsed_in_one_go_unless_it_needs_judging() {
        for (head, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], true),
            (b"HTTP/1.1 200 OK\r\nA: b\r\nC:d\t \r\n\r\n", true),
            (b"HTTP/1.0 204 \r\nA:\r\n\r\nbehind\n", true),
            (b"", false),
            (b"HTTP/1.1 200 OK\r\n", false),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n", false),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\r", false),
            (b"HTTP/1.1 200 OK\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\n\n", false),
            (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\nA: b\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", false),
            (b"HTTP/1.1 200\r\n\r\n", true),
            (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", false),
        ] {
            let mut recycled = Fields::default();
            let parsed = parse_whole_response(head, MAX_FIELDS, &mut recycled);
            assert_eq!(parsed.is_some(), expected, "{:?}", head.escape_ascii().to_string());
        }
        let two = b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
        for (most, expected) in [(1, false), (2, true)] {
            assert_eq!(parse_whole_response(two, most, &mut Fields::default()).is_some(), expected);
        }
    }

    #[test]
    fn a_request_head_that_comes_as_a_whole_is_parsed_in_one_go_unless_it_needs_judging() {
        for (head, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\r\nA: b\r\nC:d\t \r\n\r\n", true),
            (b"X /a HTTP/1.0\r\nA:\r\n\r\nbehind\n", true),
            (b"", false),
            (b"GET / HTTP/1.1\r\n", false),
            (b"GET / HTTP/1.1\r\nA: b\r\n", false),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r", false),
            (b"GET / HTTP/1.1\n\r\n", false),
            (b"GET / HTTP/1.1\r\n\n", false),
            (b"GET / HTTP/1.1\r\nA: b\n\r\n", false),
            (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", false),
            (b"GET / HTTP/1.1\nA: b\r\n\r\n", false),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false),
            (b"GET / HTTP/1.1\r\n A: b\r\n\r\n", false),
            (b"GET / HTTP/1.1\r\nContent_Length: 1\r\n\r\n", false),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", false),
            (b"GET / HTTP/2.0\r\n\r\n", false),
            (b"GET /\r\n\r\n", false),
        ] {
            let parsed = parse_whole_request(head, MAX_FIELDS, &mut Fields::default());
            assert_eq!(parsed.is_some(), expected, "{:?}", head.escape_ascii().to_string());
        }
        let two = b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
        for (most, expected) in [(1, false), (2, true)] {
            assert_eq!(parse_whole_request(two, most, &mut Fields::default()).is_some(), expected);
        }
    }
}

//! Writing heads: a start line and fields into a fixed buffer.

use std::ops::Range;

use super::fields::Field;
use crate::error::Error;

/// Writes one head into a buffer of fixed size.
///
/// Nothing is ever written past the end of the buffer: what does not fit is remembered, and
/// [`HeadWriter::finish`] refuses the head as a whole.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut [u8],
    len: usize,
    fault: bool,
}

impl<'a> HeadWriter<'a> {
    /// A writer at the start of `out`.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0, fault: false }
    }

    /// `METHOD target HTTP/1.1`; the target in parts, which are written one behind the other.
    pub fn request_line(&mut self, method: &[u8], target: &[&[u8]]) {
        self.put([method, b" "]);
        for part in target {
            self.put([part]);
        }
        self.put([b" HTTP/1.1\r\n"]);
    }

    /// `HTTP/1.1 STATUS reason`, the reason as the upstream gave it.
    pub fn status_line(&mut self, status: u16, reason: &[u8]) {
        self.put([b"HTTP/1.1 ", itoa::Buffer::new().format(status).as_bytes(), b" ", reason, b"\r\n"]);
    }

    /// A field whose bytes came out of a parsed head, or were rendered and checked at start.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.put([name, b": ", value, b"\r\n"]);
    }

    /// Fields of the parsed head in `bytes`, to be written one after the other.
    pub const fn parsed_fields<'w>(&'w mut self, bytes: &'w [u8]) -> ParsedFields<'w, 'a> {
        ParsedFields { writer: self, bytes, lines: 0..0 }
    }

    /// A field whose value is made of parts.
    pub fn field_parts<const N: usize>(&mut self, name: &[u8], parts: [&[u8]; N]) {
        self.put([name, b": "]);
        self.put(parts);
        self.put([b"\r\n"]);
    }

    /// A field whose value is a list, to be written member by member.
    pub const fn list_field<'w>(&'w mut self, name: &'w [u8]) -> ListField<'w, 'a> {
        ListField { writer: self, name, is_empty: true }
    }

    /// Whole field lines, each with its CRLF, that were rendered once at start.
    pub fn lines(&mut self, rendered: &[u8]) {
        self.put([rendered]);
    }

    /// Whole field lines, each with its CRLF, in parts that obey [`HeadWriter::field`].
    pub fn lines_in_parts<const N: usize>(&mut self, parts: [&[u8]; N]) {
        self.put(parts);
    }

    /// A field whose value was computed from input: refused when a byte in it could end the line
    /// (RFC 9110 §5.5).
    pub fn computed_field(&mut self, name: &[u8], value: &[u8]) {
        if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
            self.fault = true;
        } else {
            self.field(name, value);
        }
    }

    /// Ends the head with an empty line.
    ///
    /// # Errors
    /// [`Error::ResponseHeadTooLarge`] is not decided here: a head that did not fit, or held a byte that
    /// could end a line, is [`Error::Internal`] and the caller says what that means for its side.
    pub fn finish(mut self) -> Result<usize, Error> {
        self.put([b"\r\n"]);
        if self.fault { Err(Error::Internal) } else { Ok(self.len) }
    }

    fn put<const N: usize>(&mut self, parts: [&[u8]; N]) {
        let size = parts.iter().fold(0_usize, |size, part| size.saturating_add(part.len()));
        let end = self.len.saturating_add(size);
        let Some(mut room) = self.out.get_mut(self.len..end) else {
            self.fault = true;
            return;
        };
        for part in parts {
            let (place, rest) = room.split_at_mut(part.len());
            place.copy_from_slice(part);
            room = rest;
        }
        self.len = end;
    }
}

/// Bytes of lines that are copied in one piece. Longer pieces are copied by an instruction that starts slowly, and that
/// callgrind counts once for each byte.
const LONGEST_PIECE: usize = 2048;

/// Fields of a parsed head under way. What is spelled as [`HeadWriter::field`] would spell it goes over as it stands, and
/// lines that stand one behind the other in one piece.
#[derive(Debug)]
#[must_use]
pub struct ParsedFields<'w, 'a> {
    writer: &'w mut HeadWriter<'a>,
    bytes: &'w [u8],
    /// Where the lines stand that are to be written next.
    lines: Range<usize>,
}

impl<'a> ParsedFields<'_, 'a> {
    /// One more.
    #[inline(always)]
    pub fn push(&mut self, field: &Field) {
        match field.canonical_line() {
            Some(line)
                if line.start == self.lines.end
                    && line.end.wrapping_sub(self.lines.start) <= LONGEST_PIECE =>
            {
                self.lines.end = line.end;
            }
            line => self.push_apart(field, line),
        }
    }

    /// One that does not continue the lines before it.
    #[inline(never)]
    fn push_apart(&mut self, field: &Field, line: Option<Range<usize>>) {
        if let Some(line) = line {
            self.write();
            self.lines = line;
        } else {
            let bytes = self.bytes;
            self.writer().field(field.name.of(bytes), field.value.of(bytes));
        }
    }

    /// For what is to stand behind those so far.
    pub fn writer(&mut self) -> &mut HeadWriter<'a> {
        self.write();
        self.lines = 0..0;
        self.writer
    }

    /// Ends them.
    pub fn finish(mut self) {
        self.write();
    }

    fn write(&mut self) {
        if !self.lines.is_empty() {
            self.writer.put([self.bytes.get(self.lines.clone()).unwrap_or_default()]);
        }
    }
}

/// A field under way whose value is a list (RFC 9110 §5.6.1). Without a member nothing is written.
#[derive(Debug)]
pub struct ListField<'w, 'a> {
    writer: &'w mut HeadWriter<'a>,
    name: &'w [u8],
    is_empty: bool,
}

impl ListField<'_, '_> {
    /// One more member, or several that are a list already; like the value of [`HeadWriter::field`] it came
    /// out of a parsed head or was checked at start.
    #[inline(always)]
    pub fn push(&mut self, member: &[u8]) {
        if self.is_empty {
            self.writer.put([self.name, b": ", member]);
            self.is_empty = false;
        } else {
            self.writer.put([b", ", member]);
        }
    }

    /// Ends the line.
    pub fn finish(self) {
        if !self.is_empty {
            self.writer.put([b"\r\n"]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic fails the test")]
mod tests {
    use super::*;
    use crate::http1::sample::response;

    fn written(size: usize, write: impl FnOnce(&mut HeadWriter<'_>)) -> Result<Vec<u8>, Error> {
        let mut out = vec![0xee; size];
        let mut writer = HeadWriter::new(&mut out);
        write(&mut writer);
        let len = writer.finish()?;
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "written behind the end");
        out.truncate(len);
        Ok(out)
    }

    #[test]
    fn a_head_is_a_line_fields_and_an_empty_line() {
        let request = written(200, |out| {
            out.request_line(b"GET", &[b"/a", b"", b"?b"]);
            out.field(b"Host", b"h");
            out.field_parts(b"Via", [b"1.1 ", b"x"]);
            out.lines(b"A: b\r\nC: d\r\n");
            out.computed_field(b"E", b"");
        });
        assert_eq!(
            request.unwrap(),
            b"GET /a?b HTTP/1.1\r\nHost: h\r\nVia: 1.1 x\r\nA: b\r\nC: d\r\nE: \r\n\r\n"
        );
        let response = written(200, |out| out.status_line(404, b"Not Found"));
        assert_eq!(response.unwrap(), b"HTTP/1.1 404 Not Found\r\n\r\n");
        // RFC 9112 §4: the blank stays where there is no reason.
        assert_eq!(written(200, |out| out.status_line(200, b"")).unwrap(), b"HTTP/1.1 200 \r\n\r\n");
    }

    #[test]
    fn a_parsed_field_is_written_in_the_one_way_that_we_spell_fields() {
        for line in ["A: b", "A:b", "A:\tb", "A:  b", "A: b ", "A: b\t", "A: \tb"] {
            let parsed = response(format!("HTTP/1.1 200 OK\r\n{line}\r\nC: d\r\n\r\n"));
            let head = written(100, |out| {
                let mut fields = out.parsed_fields(&parsed.bytes);
                parsed.head.fields.iter().for_each(|field| fields.push(field));
                fields.finish();
            });
            assert_eq!(head.unwrap(), b"A: b\r\nC: d\r\n\r\n", "{line:?}");
        }
        for (line, expected) in
            [("A:", "A: \r\n\r\n"), ("A: ", "A: \r\n\r\n"), ("A: b  c", "A: b  c\r\n\r\n")]
        {
            let parsed = response(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n"));
            let field = parsed.head.fields.iter().next().unwrap();
            let head = written(100, |out| {
                let mut fields = out.parsed_fields(&parsed.bytes);
                fields.push(field);
                fields.finish();
            });
            let head = head.unwrap();
            assert_eq!(String::from_utf8(head).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn lines_that_are_left_out_or_come_between_change_nothing_about_the_others() {
        let parsed = response("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC:3\r\nD: 4\r\nE: 5\r\nF: 6\r\n\r\n");
        for left_out in 0..6 {
            let head = written(200, |out| {
                let mut fields = out.parsed_fields(&parsed.bytes);
                for (place, field) in parsed.head.fields.iter().enumerate() {
                    if place != left_out {
                        fields.push(field);
                    }
                    if place == 4 {
                        fields.writer().field(b"X", b"y");
                    }
                }
                fields.finish();
            });
            let all = ["A: 1", "B: 2", "C: 3", "D: 4", "E: 5", "F: 6"];
            let mut lines: Vec<_> = all.into_iter().filter(|line| *line != all[left_out]).collect();
            lines.insert(if left_out == 5 { 5 } else { 4 + usize::from(left_out > 4) }, "X: y");
            assert_eq!(String::from_utf8(head.unwrap()).unwrap(), lines.join("\r\n") + "\r\n\r\n");
        }
    }

    #[test]
    fn a_list_has_separators_between_its_members_and_no_line_without_any() {
        let cases: [(&[&str], &str); 4] = [
            (&[], "\r\n"),
            (&["a"], "X: a\r\n\r\n"),
            (&["a", "b, c", "d"], "X: a, b, c, d\r\n\r\n"),
            (&[""], "X: \r\n\r\n"),
        ];
        for (members, expected) in cases {
            let head = written(100, |out| {
                let mut list = out.list_field(b"X");
                members.iter().for_each(|member| list.push(member.as_bytes()));
                list.finish();
            });
            assert_eq!(String::from_utf8(head.unwrap()).unwrap(), expected, "{members:?}");
        }
    }

    #[test]
    fn a_computed_value_that_could_end_its_line_refuses_the_head() {
        for byte in 0..=u8::MAX {
            let result = written(100, |out| out.computed_field(b"A", &[b'b', byte, b'c']));
            assert_eq!(result.is_err(), matches!(byte, 0 | b'\r' | b'\n'), "{byte:#x}");
        }
    }

    #[test]
    fn a_head_that_does_not_fit_is_refused_as_a_whole() {
        let write = |out: &mut HeadWriter<'_>| {
            out.status_line(200, b"OK");
            out.field(b"Long-Name", b"value");
            out.field(b"A", b"b");
            out.field_parts(b"C", [b"d", b"e"]);
            let mut list = out.list_field(b"F");
            list.push(b"g");
            list.push(b"h");
            list.finish();
        };
        let whole = written(1000, write).unwrap();
        for size in 0..whole.len() {
            assert_eq!(written(size, write), Err(Error::Internal), "{size} bytes");
        }
        assert_eq!(written(whole.len(), write).unwrap(), whole);
    }
}

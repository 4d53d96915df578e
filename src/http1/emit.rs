//! Writing heads: a start line and fields into a fixed buffer.

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
        self.put(method);
        self.put(b" ");
        for part in target {
            self.put(part);
        }
        self.put(b" HTTP/1.1\r\n");
    }

    /// `HTTP/1.1 STATUS reason`, the reason as the upstream gave it.
    pub fn status_line(&mut self, status: u16, reason: &[u8]) {
        self.put(b"HTTP/1.1 ");
        self.put(itoa::Buffer::new().format(status).as_bytes());
        self.put(b" ");
        self.put(reason);
        self.put(b"\r\n");
    }

    /// A field whose bytes came out of a parsed head, or were rendered and checked at start.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.put(name);
        self.put(b": ");
        self.put(value);
        self.put(b"\r\n");
    }

    /// A field whose value is made of parts.
    pub fn field_parts<'p>(&mut self, name: &[u8], parts: impl IntoIterator<Item = &'p [u8]>) {
        self.put(name);
        self.put(b": ");
        for part in parts {
            self.put(part);
        }
        self.put(b"\r\n");
    }

    /// Whole field lines, each with its CRLF, that were rendered once at start.
    pub fn lines(&mut self, rendered: &[u8]) {
        self.put(rendered);
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
        self.put(b"\r\n");
        if self.fault { Err(Error::Internal) } else { Ok(self.len) }
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.out.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.fault = true,
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic fails the test")]
mod tests {
    use super::*;

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
            out.field_parts(b"Via", [b"1.1 ".as_slice(), b"x"]);
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
        };
        let whole = written(1000, write).unwrap();
        for size in 0..whole.len() {
            assert_eq!(written(size, write), Err(Error::Internal), "{size} bytes");
        }
        assert_eq!(written(whole.len(), write).unwrap(), whole);
    }
}

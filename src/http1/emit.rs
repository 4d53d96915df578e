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

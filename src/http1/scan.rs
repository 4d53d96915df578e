//! The rest of a head that is too large to keep: is there an `Origin` in it, and where does it end?
//!
//! Chromium sends `Origin` behind the fields that a page set, so it may stand beyond the limit; without it a
//! script could not read our 431 or 414 (cors.md, "the hard ones").

/// The longest origin worth an answer: scheme, a name of 253 bytes, port.
const MAX_ORIGIN: usize = 280;
const NAME: &[u8] = b"origin:";

/// Looks for an `Origin` line and for the empty line, however the bytes are split.
#[derive(Debug, Default)]
pub struct OriginScan {
    /// The start of the present line, as far as it can matter.
    line: Vec<u8>,
    line_len: usize,
    origin: Option<Vec<u8>>,
    repeated: bool,
    begun: bool,
    complete: bool,
}

impl OriginScan {
    /// Looks at the next bytes; whether the end of the head has been seen.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.complete {
                break;
            }
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line_len = self.line_len.saturating_add(1);
                if self.line.len() < MAX_ORIGIN {
                    self.line.push(*byte);
                }
            }
        }
        self.complete
    }

    /// The only `Origin` of the head so far.
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        if self.repeated { None } else { self.origin.as_deref() }
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.is_empty() {
            // Empty lines may stand before the request line.
            self.complete = self.begun;
        } else if self.line_len < MAX_ORIGIN && super::fields::starts_with_ignore_case(line, NAME) {
            self.repeated |= self.origin.is_some();
            let value = super::fields::trim(line.get(NAME.len()..).unwrap_or_default());
            self.origin = Some(value.to_vec());
        }
        self.begun |= !line.is_empty();
        self.line.clear();
        self.line_len = 0;
    }
}

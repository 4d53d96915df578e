//! Where a head ends, found as it arrives.
//!
//! A request is strict, whatever could be repaired; a response is read as browsers read it (rule 45 of
//! [`http1`](crate::http1)).

use super::fault::HeadFault;
use crate::http1::fields;

const NOT_HTTP: HeadFault = HeadFault::Malformed("this is not HTTP/1");
const BARE_LF: HeadFault = HeadFault::Malformed("a line ends in LF without CR");

/// A client's head: every line ends in CRLF, two empty lines may stand before the first one.
const OF_REQUEST: bool = true;
/// An upstream's: a line may end in LF alone, and the first one comes first.
const OF_RESPONSE: bool = false;

/// The search for the empty line that ends a head, resumed where it stopped as bytes arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadEnd {
    scanned: usize,
    line_start: usize,
    /// Start and end of the first line that is not empty.
    pub(super) first_line: Option<(usize, usize)>,
    /// Where the line behind it begins.
    pub(super) fields_start: usize,
    empty_lines: u8,
    /// Lines that are not empty, the first one included.
    pub(super) lines: usize,
    pub(super) folded: bool,
}

impl HeadEnd {
    /// Looks at the bytes of a request that are new since the last call; the length of the head once it is
    /// complete.
    ///
    /// # Errors
    /// A line that does not end in CRLF, a third empty line before the first one, or a first byte that can
    /// begin no message: the peer need not be waited for (RFC 9112 §2.2).
    pub fn find_request(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
        self.find::<OF_REQUEST>(bytes)
    }

    /// As [`HeadEnd::find_request`], of a response, whose lines may end in LF alone.
    ///
    /// # Errors
    /// An empty line before the first one, or a first byte that can begin no message.
    pub fn find_response(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
        self.find::<OF_RESPONSE>(bytes)
    }

    fn find<const IS_REQUEST: bool>(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
        let fresh = bytes.get(self.scanned..).unwrap_or_default();
        for position in memchr::memchr_iter(b'\n', fresh) {
            let lf = self.scanned.wrapping_add(position);
            let line = bytes.get(self.line_start..lf).unwrap_or_default();
            let text = match line {
                [text @ .., b'\r'] => text,
                text if !IS_REQUEST => text,
                _ => return Err(BARE_LF),
            };
            let next = lf.wrapping_add(1);
            if !text.is_empty() {
                self.lines = self.lines.wrapping_add(1);
                if self.first_line.is_none() {
                    if !text.first().is_some_and(|byte| fields::is_tchar(*byte)) {
                        return Err(NOT_HTTP);
                    }
                    self.first_line = Some((self.line_start, self.line_start.saturating_add(text.len())));
                    self.fields_start = next;
                } else if let [b' ' | b'\t', ..] = text {
                    self.folded = true;
                }
            } else if self.first_line.is_some() {
                return Ok(Some(next));
            } else if !IS_REQUEST {
                return Err(HeadFault::Malformed("an empty line stands before the status line"));
            } else {
                self.empty_lines = self.empty_lines.saturating_add(1);
                if self.empty_lines > 2 {
                    return Err(HeadFault::Malformed("more than two empty lines before the first line"));
                }
            }
            self.line_start = next;
        }
        self.scanned = bytes.len();
        match bytes.get(self.line_start) {
            Some(byte) if self.first_line.is_none() && !fields::is_tchar(*byte) && *byte != b'\r' => {
                Err(NOT_HTTP)
            }
            _ => Ok(None),
        }
    }

    /// Whether the first line has begun in `bytes`, which have been looked at; empty lines may stand before it.
    #[must_use]
    pub fn has_begun(&self, bytes: &[u8]) -> bool {
        self.first_line.is_some() || !matches!(bytes.get(self.line_start..), None | Some([] | [b'\r']))
    }

    /// What has been looked at is thrown away, and was nothing but whole empty lines: they stay counted.
    pub const fn forget(&mut self) {
        self.scanned = 0;
        self.line_start = 0;
    }

    /// Whether nothing has been looked at yet.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// Whether the first line has come to its end within `limit` bytes.
    #[must_use]
    pub fn has_first_line_within(&self, limit: usize) -> bool {
        self.first_line.is_some_and(|(_, end)| end <= limit)
    }
}

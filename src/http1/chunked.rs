//! The chunked coding: where chunks begin and end, and whether they are well-formed.
//!
//! The decoder looks at chunk headers and trailers only; chunk data is counted, never touched. Its decisions
//! are the same however the input is split.

use super::fields::is_tchar;

/// Hexadecimal digits of a chunk size, leading zeros included, before the peer is taken for hostile.
const MAX_SIZE_DIGITS: u8 = 64;

/// Bounds of what a chunked message carries beside its payload.
#[derive(Clone, Copy, Debug)]
pub struct ChunkLimits {
    /// Bytes of all chunk extensions of the message.
    pub extensions: usize,
    /// Bytes of the trailer section.
    pub trailers: usize,
}

/// What the next bytes of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Part of a chunk header, of a chunk's end or of the trailers; all input is used up.
    Starved,
    /// A chunk header is complete: this many bytes of data follow, at least one.
    Chunk(u64),
    /// This many bytes of chunk data.
    Data(usize),
    /// The CRLF behind a chunk's data is complete.
    ChunkEnd,
    /// The message is complete.
    End,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Digits of a chunk size.
    Size {
        value: u64,
        digits: u8,
    },
    /// Inside chunk extensions.
    Extension {
        size: u64,
        at: Extension,
    },
    /// The LF of a chunk header.
    SizeLf {
        size: u64,
    },
    /// Chunk data.
    Data {
        left: u64,
    },
    /// The CRLF behind chunk data.
    DataCr,
    DataLf,
    /// The trailer section, from the beginning of a line (`line` bytes into it).
    Trailer {
        line: usize,
    },
    Done,
}

/// Where in `*( ";" name [ "=" value ] )` the input stands (RFC 9112 §7.1.1).
#[derive(Clone, Copy, Debug)]
enum Extension {
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Token,
    Quoted,
    Escaped,
    AfterValue,
    /// Blanks behind a value: only another extension may follow.
    BeforeNext,
}

/// Delimits and validates one chunked message (RFC 9112 §7.1).
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    limits: ChunkLimits,
    extension_bytes: usize,
    trailers: Vec<u8>,
}

/// Room for the trailers of most messages that have any.
const FIRST_ROOM: usize = 256;
/// The empty line that ends a trailer section; it counts as no trailer.
const EMPTY_LINE: usize = 2;

const MALFORMED_SIZE: &str = "a chunk size is not plain hexadecimal";
const MALFORMED_END: &str = "a chunk's data is not followed by CRLF";
const MALFORMED_EXTENSION: &str = "a chunk extension is malformed";
const MALFORMED_TRAILER: &str = "a trailer line does not end in CRLF";

impl ChunkedDecoder {
    /// A decoder at the start of a chunked body.
    #[must_use]
    pub const fn new(limits: ChunkLimits) -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, limits, extension_bytes: 0, trailers: Vec::new() }
    }

    /// Bytes of chunk data that must follow before the next header; 0 outside of data.
    #[must_use]
    pub const fn data_left(&self) -> u64 {
        if let State::Data { left } = self.state { left } else { 0 }
    }

    /// Takes `size` bytes of chunk data as passed on elsewhere.
    pub fn skip_data(&mut self, size: u64) {
        if let State::Data { left } = &mut self.state {
            *left = left.saturating_sub(size);
            if *left == 0 {
                self.state = State::DataCr;
            }
        }
    }

    /// Whether the message is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The field lines of the trailer section with the empty line that ends it; empty without trailers.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Looks at the next bytes: how many of them, from the start, and what they are.
    ///
    /// # Errors
    /// The rule that is broken. The decoder must not be used further.
    pub fn next(&mut self, input: &[u8]) -> Result<(usize, Event), &'static str> {
        if let State::Data { left } = &mut self.state {
            let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
            if here == 0 {
                return Ok((0, Event::Starved));
            }
            *left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
            if *left == 0 {
                self.state = State::DataCr;
            }
            return Ok((here, Event::Data(here)));
        }
        let mut used = 0_usize;
        for byte in input {
            if self.is_done() {
                break;
            }
            used = used.saturating_add(1);
            if let Some(event) = self.step(*byte)? {
                return Ok((used, event));
            }
        }
        Ok((used, Event::Starved))
    }

    fn step(&mut self, byte: u8) -> Result<Option<Event>, &'static str> {
        let (state, event) = match self.state {
            State::Size { value, digits } => (size_step(value, digits, byte)?, None),
            State::Extension { size, at } => {
                if byte == b'\r' && matches!(at, Extension::Name | Extension::Token | Extension::AfterValue) {
                    (State::SizeLf { size }, None)
                } else {
                    self.extension_bytes = self.extension_bytes.saturating_add(1);
                    if self.extension_bytes > self.limits.extensions {
                        return Err("the chunk extensions exceed --limit-chunk-extensions");
                    }
                    (State::Extension { size, at: extension_step(at, byte)? }, None)
                }
            }
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => (State::Trailer { line: 0 }, None),
                (b'\n', left) => (State::Data { left }, Some(Event::Chunk(left))),
                _ => return Err(MALFORMED_SIZE),
            },
            State::DataCr if byte == b'\r' => (State::DataLf, None),
            State::DataLf if byte == b'\n' => (State::Size { value: 0, digits: 0 }, Some(Event::ChunkEnd)),
            State::DataCr | State::DataLf => return Err(MALFORMED_END),
            State::Trailer { line } => self.trailer_step(line, byte)?,
            state @ (State::Data { .. } | State::Done) => (state, None),
        };
        self.state = state;
        Ok(event)
    }

    fn trailer_step(&mut self, line: usize, byte: u8) -> Result<(State, Option<Event>), &'static str> {
        if self.trailers.len() >= self.limits.trailers.saturating_add(EMPTY_LINE) {
            return Err("the trailer section exceeds --limit-trailers");
        }
        if byte != b'\n' {
            self.keep(byte);
            return Ok((State::Trailer { line: line.saturating_add(1) }, None));
        }
        if self.trailers.last() != Some(&b'\r') || line == 0 {
            return Err(MALFORMED_TRAILER);
        }
        self.keep(byte);
        if line > 1 {
            return Ok((State::Trailer { line: 0 }, None));
        }
        if self.trailers.len() == 2 {
            self.trailers.clear();
        }
        Ok((State::Done, Some(Event::End)))
    }

    /// Adds a byte to the trailer section; its room grows by doubling, and never beyond its limit, so that the limit
    /// bounds the memory as well.
    #[inline(never)]
    fn keep(&mut self, byte: u8) {
        let len = self.trailers.len();
        if len == self.trailers.capacity() {
            let left = self.limits.trailers.saturating_add(EMPTY_LINE).saturating_sub(len);
            self.trailers.reserve_exact(left.min(len.max(FIRST_ROOM)));
        }
        self.trailers.push(byte);
    }
}

fn size_step(value: u64, digits: u8, byte: u8) -> Result<State, &'static str> {
    let digit = match byte {
        b'0'..=b'9' => byte.wrapping_sub(b'0'),
        b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
        b'A'..=b'F' => byte.wrapping_sub(b'A').wrapping_add(10),
        b'\r' if digits > 0 => return Ok(State::SizeLf { size: value }),
        b';' if digits > 0 => return Ok(State::Extension { size: value, at: Extension::BeforeName }),
        _ => return Err(MALFORMED_SIZE),
    };
    if digits >= MAX_SIZE_DIGITS {
        return Err(MALFORMED_SIZE);
    }
    let value = value
        .checked_mul(16)
        .and_then(|value| value.checked_add(u64::from(digit)))
        .ok_or("a chunk size is beyond 2^64")?;
    Ok(State::Size { value, digits: digits.saturating_add(1) })
}

/// One byte of chunk extensions. Blanks are allowed where RFC 9112 §7.1.1 has BWS, except between the chunk
/// size and the first `;`.
fn extension_step(at: Extension, byte: u8) -> Result<Extension, &'static str> {
    use Extension::{
        AfterName, AfterValue, BeforeName, BeforeNext, BeforeValue, Escaped, Name, Quoted, Token,
    };
    let blank = matches!(byte, b' ' | b'\t');
    Ok(match at {
        BeforeName if blank => BeforeName,
        BeforeName | Name if is_tchar(byte) => Name,
        Name | AfterName if byte == b'=' => BeforeValue,
        Name | AfterName | Token | AfterValue | BeforeNext if byte == b';' => BeforeName,
        Name | AfterName if blank => AfterName,
        Token | AfterValue | BeforeNext if blank => BeforeNext,
        BeforeValue if blank => BeforeValue,
        BeforeValue if byte == b'"' => Quoted,
        BeforeValue | Token if is_tchar(byte) => Token,
        Quoted if byte == b'"' => AfterValue,
        Quoted if byte == b'\\' => Escaped,
        Quoted | Escaped if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) => Quoted,
        BeforeName | Name | AfterName | BeforeValue | Token | Quoted | Escaped | AfterValue | BeforeNext => {
            return Err(MALFORMED_EXTENSION);
        }
    })
}

#[cfg(test)]
mod tests;

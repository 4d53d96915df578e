//! Progress through one body: which bytes belong to it, and what they look like when they leave.
//!
//! A [`BodyReader`] works in place. The caller reads input into a slice at [`BodyReader::headroom`], and
//! [`BodyReader::feed`] turns it into output at the start of the same slice: nothing moves while the framing
//! that came in is canonical, and what is not (leading zeros, extensions, trailers that may not travel) is
//! dropped or written anew, so that what leaves always is.

use std::ops::Range;

use super::{
    chunked::{ChunkLimits, ChunkedDecoder, Event},
    framing::Framing,
    head::{Fields, parse_fields},
};
use crate::error::Error;

/// How a body changes its framing on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recode {
    /// The framing stays as it is, made canonical.
    Verbatim,
    /// Chunked comes in, bare bytes leave: the peer speaks HTTP/1.0.
    Dechunk,
    /// Bare bytes come in until the connection ends, chunks leave.
    Enchunk,
}

/// Bounds of one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of payload; `u64::MAX` is no limit.
    pub payload: u64,
    /// Fields of the trailer section.
    pub trailer_fields: usize,
    /// What a chunked body may carry beside its payload.
    pub chunked: ChunkLimits,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The framing is broken; the text says how.
    Malformed(&'static str),
    /// The payload is longer than its limit.
    TooLarge,
    /// The connection ended before the body did.
    Incomplete,
}

impl BodyFault {
    /// The fault of a client that sent it.
    #[must_use]
    pub const fn in_request(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::RequestBody(reason),
            Self::TooLarge => Error::RequestBodyTooLarge,
            Self::Incomplete => Error::ClientGone,
        }
    }

    /// The fault of an upstream that sent it.
    #[must_use]
    pub const fn in_response(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::ResponseBody(reason),
            Self::Incomplete | Self::TooLarge => Error::ResponseIncomplete,
        }
    }
}

/// The outcome of one [`BodyReader::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes of output at the start of the slice.
    pub output: usize,
    /// Bytes at the end of the input that belong to whatever follows this body.
    pub surplus: usize,
}

#[derive(Debug)]
enum Progress {
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
    Done,
}

/// Reads one body and re-frames it.
#[derive(Debug)]
pub struct BodyReader {
    progress: Progress,
    recode: Recode,
    limits: BodyLimits,
    payload: u64,
    /// Input bytes of an incomplete chunk header or chunk end, used up and not yet written.
    held: usize,
    /// What leaves behind the last chunk of data.
    tail: Tail,
}

#[derive(Debug)]
enum Tail {
    None,
    Static(&'static [u8]),
    Trailers(Vec<u8>, usize),
}

/// The longest canonical chunk header: sixteen digits and CRLF.
const MAX_CHUNK_HEADER: usize = 18;
/// Room before and behind the data that [`Recode::Enchunk`] needs: eight digits and CRLF, CRLF.
const ENCHUNK_BEFORE: usize = 10;
const ENCHUNK_BEHIND: usize = 2;

impl BodyReader {
    /// The least room that [`BodyReader::feed`] can make progress in.
    pub const MIN_ROOM: usize = 64;

    /// A reader at the start of a body.
    #[must_use]
    pub const fn new(framing: Framing, recode: Recode, limits: BodyLimits) -> Self {
        let progress = match framing {
            Framing::None => Progress::Done,
            Framing::Length(length) => Progress::Length(length),
            Framing::Chunked => Progress::Chunked(ChunkedDecoder::new(limits.chunked)),
            Framing::UntilClose => Progress::UntilClose,
        };
        Self { progress, recode, limits, payload: 0, held: 0, tail: Tail::None }
    }

    /// Whether the whole body has been read; [`BodyReader::take_tail`] may still have bytes to write.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.progress, Progress::Done)
    }

    /// Whether the whole body has been read and written.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.is_done() && matches!(self.tail, Tail::None)
    }

    /// Bytes of payload so far.
    #[must_use]
    pub const fn payload(&self) -> u64 {
        self.payload
    }

    /// Where in the room input must be placed.
    #[must_use]
    pub fn headroom(&self) -> usize {
        match self.recode {
            Recode::Enchunk => ENCHUNK_BEFORE,
            Recode::Verbatim => self.held.min(MAX_CHUNK_HEADER),
            Recode::Dechunk => 0,
        }
    }

    /// The most bytes that may be read into `room` bytes now, when no more than `surplus` bytes beyond the
    /// end of this body can be kept.
    #[must_use]
    pub fn appetite(&self, room: usize, surplus: usize) -> usize {
        let room = room.saturating_sub(self.headroom());
        let of_body = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
        match &self.progress {
            Progress::Length(left) => room.min(of_body(*left)),
            Progress::Chunked(decoder) => room.min(of_body(decoder.data_left()).saturating_add(surplus)),
            Progress::UntilClose if self.recode == Recode::Enchunk => room.saturating_sub(ENCHUNK_BEHIND),
            Progress::UntilClose => room,
            Progress::Done => 0,
        }
    }

    /// Whether reading this body may bring what comes behind it.
    #[must_use]
    pub const fn may_overrun(&self) -> bool {
        matches!(self.progress, Progress::Chunked(_))
    }

    /// Takes the input at `room[input]`, which begins at [`BodyReader::headroom`], and leaves its output at
    /// the start of `room`.
    ///
    /// # Errors
    /// See [`BodyFault`]. After one the body can only be cut off.
    pub fn feed(&mut self, room: &mut [u8], input: Range<usize>) -> Result<Fed, BodyFault> {
        let given = input.len();
        let as_payload = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        match &mut self.progress {
            Progress::Done => Ok(Fed { output: 0, surplus: given }),
            Progress::Length(left) => {
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(given);
                *left = left.saturating_sub(as_payload(size));
                let end = *left == 0;
                self.count(as_payload(size))?;
                if end {
                    self.progress = Progress::Done;
                }
                let output = shift(room, 0, input.start, size);
                Ok(Fed { output, surplus: given.saturating_sub(size) })
            }
            Progress::UntilClose => {
                self.count(as_payload(given))?;
                let output = if self.recode == Recode::Enchunk {
                    enchunk(room, input)
                } else {
                    shift(room, 0, input.start, given)
                };
                Ok(Fed { output, surplus: 0 })
            }
            Progress::Chunked(_) => self.feed_chunked(room, input),
        }
    }

    fn feed_chunked(&mut self, room: &mut [u8], input: Range<usize>) -> Result<Fed, BodyFault> {
        let verbatim = self.recode == Recode::Verbatim;
        let Range { start: mut at, end } = input;
        let mut output = 0_usize;
        loop {
            let Progress::Chunked(decoder) = &mut self.progress else {
                return Ok(Fed { output, surplus: end.saturating_sub(at) });
            };
            let unread = room.get(at..end).unwrap_or_default();
            let (used, event) = decoder.next(unread).map_err(BodyFault::Malformed)?;
            let from = at;
            at = at.saturating_add(used);
            match event {
                Event::Starved => {
                    self.held = self.held.saturating_add(used);
                    return Ok(Fed { output, surplus: 0 });
                }
                Event::Chunk(size) => {
                    self.held = 0;
                    self.check(size)?;
                    if verbatim {
                        output = output.saturating_add(chunk_header(room, output, size));
                    }
                }
                Event::Data(size) => {
                    self.payload = self.payload.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
                    output = output.saturating_add(shift(room, output, from, size));
                }
                Event::ChunkEnd => {
                    self.held = 0;
                    if verbatim {
                        output = output.saturating_add(place(room, output, b"\r\n"));
                    }
                }
                Event::End => {
                    if verbatim {
                        self.tail = tail_of(decoder, self.limits.trailer_fields)?;
                    } else if !decoder.trailers().is_empty() {
                        tail_of(decoder, self.limits.trailer_fields)?;
                    }
                    self.progress = Progress::Done;
                    self.held = 0;
                    let room_left = room.get_mut(output..at).unwrap_or_default();
                    output = output.saturating_add(self.take_tail(room_left));
                }
            }
        }
    }

    /// The input has ended with its connection.
    ///
    /// # Errors
    /// [`BodyFault::Incomplete`] unless the body was delimited by that.
    pub fn end_of_input(&mut self) -> Result<(), BodyFault> {
        match self.progress {
            Progress::Done => Ok(()),
            Progress::UntilClose => {
                self.progress = Progress::Done;
                if self.recode == Recode::Enchunk {
                    self.tail = Tail::Static(LAST_CHUNK);
                }
                Ok(())
            }
            Progress::Length(_) | Progress::Chunked(_) => Err(BodyFault::Incomplete),
        }
    }

    /// Moves what is left to be written behind the data into `room`; the number of bytes.
    pub fn take_tail(&mut self, room: &mut [u8]) -> usize {
        let left = match &self.tail {
            Tail::None => return 0,
            Tail::Static(bytes) => *bytes,
            Tail::Trailers(bytes, written) => bytes.get(*written..).unwrap_or_default(),
        };
        let size = left.len().min(room.len());
        let moved = place(room, 0, left.get(..size).unwrap_or_default());
        let complete = moved == left.len();
        match &mut self.tail {
            _ if complete => self.tail = Tail::None,
            Tail::Static(bytes) => *bytes = bytes.get(moved..).unwrap_or_default(),
            Tail::Trailers(_, written) => *written = written.saturating_add(moved),
            Tail::None => {}
        }
        moved
    }

    /// Bytes of data that may be moved past this reader by other means (splice); 0 when the next bytes have
    /// to be looked at. Tell [`BodyReader::skipped`] how many were.
    #[must_use]
    pub const fn opaque(&self) -> u64 {
        match (&self.progress, self.recode) {
            (Progress::Length(left), _) => *left,
            (Progress::Chunked(decoder), Recode::Verbatim | Recode::Dechunk) => decoder.data_left(),
            (Progress::UntilClose, Recode::Verbatim) => u64::MAX,
            _ => 0,
        }
    }

    /// Counts bytes of data that were moved by other means.
    ///
    /// # Errors
    /// [`BodyFault::TooLarge`].
    pub fn skipped(&mut self, size: u64) -> Result<(), BodyFault> {
        match &mut self.progress {
            Progress::Length(left) => {
                *left = left.saturating_sub(size);
                if *left == 0 {
                    self.progress = Progress::Done;
                }
            }
            Progress::Chunked(decoder) => decoder.skip_data(size),
            Progress::UntilClose | Progress::Done => {}
        }
        self.count(size)
    }

    /// Refuses a chunk that would lead beyond the limit before any of it is passed on.
    fn check(&self, size: u64) -> Result<(), BodyFault> {
        if self.payload.checked_add(size).is_none_or(|payload| payload > self.limits.payload) {
            return Err(BodyFault::TooLarge);
        }
        Ok(())
    }

    fn count(&mut self, size: u64) -> Result<(), BodyFault> {
        self.check(size)?;
        self.payload = self.payload.saturating_add(size);
        Ok(())
    }
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The last chunk and those trailers that may travel on.
fn tail_of(decoder: &ChunkedDecoder, max_fields: usize) -> Result<Tail, BodyFault> {
    let section = decoder.trailers();
    if section.is_empty() {
        return Ok(Tail::Static(LAST_CHUNK));
    }
    let fields = parse_fields(section, 0, section.len(), max_fields, Fields::default())
        .map_err(|_| BodyFault::Malformed("a trailer field is malformed, or there are too many"))?;
    // A field grows by the blank behind its colon at most.
    let room = section.len().saturating_add(fields.len()).saturating_add(LAST_CHUNK.len());
    let mut tail = Vec::with_capacity(room);
    tail.extend_from_slice(b"0\r\n");
    for field in fields.iter().filter(|field| {
        let name = field.name.of(section);
        !field.id.is_forbidden_in_trailers() && !super::fields::FieldId::is_underscore_alias(name)
    }) {
        for part in [field.name.of(section), b": ", field.value.of(section), b"\r\n"] {
            tail.extend_from_slice(part);
        }
    }
    tail.extend_from_slice(b"\r\n");
    Ok(Tail::Trailers(tail, 0))
}

/// Moves `size` bytes from `from` to `to`, which is not behind it; usually they are the same place.
fn shift(room: &mut [u8], to: usize, from: usize, size: usize) -> usize {
    let end = from.saturating_add(size);
    if to != from && to < from && end <= room.len() {
        room.copy_within(from..end, to);
    }
    size
}

/// Writes `bytes` at `to`; the number of bytes.
fn place(room: &mut [u8], to: usize, bytes: &[u8]) -> usize {
    match room.get_mut(to..to.saturating_add(bytes.len())) {
        Some(target) => {
            target.copy_from_slice(bytes);
            bytes.len()
        }
        None => 0,
    }
}

/// Renders a canonical chunk header at `to`.
fn chunk_header(room: &mut [u8], to: usize, size: u64) -> usize {
    let mut header = [0; MAX_CHUNK_HEADER];
    let len = render_chunk_header(&mut header, size);
    place(room, to, header.get(..len).unwrap_or_default())
}

fn render_chunk_header(header: &mut [u8; MAX_CHUNK_HEADER], size: u64) -> usize {
    let digits =
        usize::try_from(u64::BITS.saturating_sub(size.leading_zeros()).div_ceil(4)).unwrap_or(0).max(1);
    let mut rest = size;
    for slot in header.iter_mut().take(digits).rev() {
        *slot = match u8::try_from(rest & 0xf).unwrap_or(0) {
            digit @ 0..=9 => digit.wrapping_add(b'0'),
            digit => digit.wrapping_sub(10).wrapping_add(b'a'),
        };
        rest >>= 4_u32;
    }
    place(header, digits, b"\r\n").saturating_add(digits)
}

/// Frames the input at `room[input]` as one chunk at the start of `room`.
fn enchunk(room: &mut [u8], input: Range<usize>) -> usize {
    let size = input.len();
    let header = chunk_header(room, 0, u64::try_from(size).unwrap_or(0));
    let data = shift(room, header, input.start, size);
    let behind = header.saturating_add(data);
    behind.saturating_add(place(room, behind, b"\r\n"))
}

#[cfg(test)]
mod tests;

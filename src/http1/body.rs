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
    let mut tail = b"0\r\n".to_vec();
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
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        payload: u64::MAX,
        trailer_fields: 100,
        chunked: ChunkLimits { extensions: 1024, trailers: 1024 },
    };

    /// Feeds `input` in pieces of the given sizes through a room of the least size allowed.
    fn relay(
        framing: Framing,
        recode: Recode,
        input: &[u8],
        pieces: &[usize],
    ) -> Result<(Vec<u8>, usize), BodyFault> {
        let mut reader = BodyReader::new(framing, recode, LIMITS);
        let mut room = vec![0; 4096];
        let (mut out, mut rest, mut turn) = (Vec::new(), input, 0);
        while !reader.is_done() && !rest.is_empty() {
            let piece = pieces[turn % pieces.len()].max(1);
            turn += 1;
            let take = reader.appetite(room.len(), 4000).min(piece).min(rest.len());
            let start = reader.headroom();
            room[start..start + take].copy_from_slice(&rest[..take]);
            let fed = reader.feed(&mut room, start..start + take)?;
            out.extend_from_slice(&room[..fed.output]);
            rest = &rest[take - fed.surplus..];
        }
        if rest.is_empty() && !reader.is_done() {
            reader.end_of_input()?;
        }
        let mut tail = [0; 3];
        while !reader.is_written() {
            let size = reader.take_tail(&mut tail);
            out.extend_from_slice(&tail[..size]);
        }
        Ok((out, rest.len()))
    }

    #[test]
    fn canonical_chunks_pass_verbatim_and_what_follows_is_left() {
        let input = b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nGET /";
        for piece in 1..input.len() {
            let (out, left) = relay(Framing::Chunked, Recode::Verbatim, input, &[piece]).unwrap();
            assert_eq!(out, &input[..input.len() - 5], "in pieces of {piece}");
            assert_eq!(left, 5);
        }
    }

    #[test]
    fn whatever_is_not_canonical_is_written_anew() {
        let input = b"0005;ext=\"a\\\"b\"\r\nhello\r\n00A\r\n0123456789\r\n000;last\r\nX-Ok: 1\r\nContent-Length: 7\r\nHost: x\r\n\r\n";
        for piece in 1..input.len() {
            let (out, _) = relay(Framing::Chunked, Recode::Verbatim, input, &[piece]).unwrap();
            assert_eq!(out, b"5\r\nhello\r\na\r\n0123456789\r\n0\r\nX-Ok: 1\r\n\r\n", "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let (out, left) = relay(Framing::Length(5), Recode::Verbatim, b"helloGET", &[3]).unwrap();
        assert_eq!((out.as_slice(), left), (&b"hello"[..], 3));
    }

    #[test]
    fn a_close_delimited_body_becomes_chunks() {
        let (out, _) = relay(Framing::UntilClose, Recode::Enchunk, b"hello world", &[5]).unwrap();
        assert_eq!(out, b"5\r\nhello\r\n5\r\n worl\r\n1\r\nd\r\n0\r\n\r\n");
    }

    #[test]
    fn malformed_chunks_are_faults_however_they_are_split() {
        for input in [
            &b"5\r\nhello\n0\r\n\r\n"[..],
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5;\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"\r\n\r\n",
            b"10000000000000000\r\nh",
            b"5\r\nhello!!\r\n0\r\n\r\n",
            b"5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n",
            b"0\r\nbad\r\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\n\r\n",
            b"5\r\nhello0\r\n\r\n",
        ] {
            for piece in 1..=input.len() {
                let text = String::from_utf8_lossy(input);
                for recode in [Recode::Verbatim, Recode::Dechunk] {
                    let result = relay(Framing::Chunked, recode, input, &[piece]);
                    assert!(
                        matches!(result, Err(BodyFault::Malformed(_))),
                        "{text:?} in pieces of {piece}: {result:?}"
                    );
                }
            }
        }
    }

    /// A reader that has been fed the whole of `input`, and what came out of it.
    fn fed(
        framing: Framing,
        recode: Recode,
        limits: BodyLimits,
        input: &[u8],
    ) -> (BodyReader, Result<Vec<u8>, BodyFault>) {
        let mut reader = BodyReader::new(framing, recode, limits);
        let mut room = vec![0; input.len() + 4096];
        let start = reader.headroom();
        room[start..start + input.len()].copy_from_slice(input);
        let fed = reader.feed(&mut room, start..start + input.len());
        let out = fed.map(|fed| room[..fed.output].to_vec());
        (reader, out)
    }

    #[test]
    fn a_body_may_be_exactly_as_long_as_its_limit() {
        let limits = BodyLimits { payload: 5, ..LIMITS };
        for (framing, right, wrong) in [
            (Framing::Chunked, &b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"[..], &b"2\r\nab\r\n4\r\n"[..]),
            (Framing::UntilClose, b"abcde", b"abcdef"),
            (Framing::Length(5), b"abcde", b""),
        ] {
            let (reader, out) = fed(framing, Recode::Verbatim, limits, right);
            assert_eq!((out.as_deref(), reader.payload()), (Ok(right), 5), "{framing:?}");
            if !wrong.is_empty() {
                // A chunk that leads beyond the limit is refused by its header: none of its data is needed.
                assert_eq!(fed(framing, Recode::Verbatim, limits, wrong).1, Err(BodyFault::TooLarge));
            }
        }
        assert_eq!(fed(Framing::Length(6), Recode::Verbatim, limits, b"abcdef").1, Err(BodyFault::TooLarge));
    }

    #[test]
    fn chunks_cannot_add_up_past_the_largest_number() {
        let huge = b"1\r\nx\r\nffffffffffffffff\r\n";
        assert_eq!(fed(Framing::Chunked, Recode::Verbatim, LIMITS, huge).1, Err(BodyFault::TooLarge));
    }

    #[test]
    fn only_harmless_trailers_travel_and_none_into_http_10() {
        let trailers = "X-Sum: 1\r\nTransfer-Encoding: chunked\r\ncontent-length: 5\r\nHost: evil\r\n\
            Authorization: x\r\nSet-Cookie: a\r\nContent-Type: text/evil\r\nContent_Length: 1\r\n\
            Access-Control-Allow-Origin: *\r\nVary: x\r\nETag:\t2\r\n";
        let input = format!("1\r\nx\r\n0\r\n{trailers}\r\n");
        for piece in [1, 7, 4000] {
            let (out, _) = relay(Framing::Chunked, Recode::Verbatim, input.as_bytes(), &[piece]).unwrap();
            assert_eq!(out, b"1\r\nx\r\n0\r\nX-Sum: 1\r\nETag: 2\r\n\r\n");
            let (out, _) = relay(Framing::Chunked, Recode::Dechunk, input.as_bytes(), &[piece]).unwrap();
            assert_eq!(out, b"x");
        }
    }

    #[test]
    fn malformed_and_too_many_trailers_are_faults_even_where_they_are_dropped() {
        let limits = BodyLimits { trailer_fields: 2, ..LIMITS };
        for section in [
            "no colon\r\n",
            " folded: x\r\n",
            "A: b\r\n c\r\n",
            "A : b\r\n",
            "A: \x00\r\n",
            "A: b\rc\r\n",
            "A: 1\r\nB: 2\r\nC: 3\r\n",
        ] {
            let input = format!("0\r\n{section}\r\n");
            for recode in [Recode::Verbatim, Recode::Dechunk] {
                let (_, out) = fed(Framing::Chunked, recode, limits, input.as_bytes());
                assert!(matches!(out, Err(BodyFault::Malformed(_))), "{section:?}: {out:?}");
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_short_is_never_completed() {
        for (framing, input) in [
            (Framing::Length(5), &b"hell"[..]),
            (Framing::Chunked, b"5\r\nhell"),
            (Framing::Chunked, b"5\r\nhello\r\n"),
            (Framing::Chunked, b"5\r\nhello\r\n0\r\n"),
            (Framing::Chunked, b"5\r\nhello\r\n0\r\n\r"),
            (Framing::Chunked, b""),
        ] {
            for recode in [Recode::Verbatim, Recode::Dechunk] {
                let (mut reader, out) = fed(framing, recode, LIMITS, input);
                assert!(!out.unwrap().ends_with(b"0\r\n\r\n"));
                assert_eq!(reader.end_of_input(), Err(BodyFault::Incomplete));
                assert!(!reader.is_done());
                assert_eq!(reader.take_tail(&mut [0; 64]), 0);
            }
        }
        let (mut reader, out) = fed(Framing::UntilClose, Recode::Enchunk, LIMITS, b"ab");
        assert_eq!(out.unwrap(), b"2\r\nab\r\n");
        assert_eq!(reader.take_tail(&mut [0; 64]), 0, "no last chunk before the end");
        assert_eq!(reader.end_of_input(), Ok(()));
        let mut tail = [0; 64];
        assert_eq!(reader.take_tail(&mut tail), 5);
        assert_eq!(&tail[..5], b"0\r\n\r\n");
        assert!(reader.is_written());
    }

    #[test]
    fn no_body_takes_nothing() {
        let (reader, out) = fed(Framing::None, Recode::Verbatim, LIMITS, b"GET /");
        assert!(reader.is_written() && out.unwrap().is_empty());
        assert_eq!((reader.appetite(100, 100), reader.opaque()), (0, 0));
    }

    #[test]
    fn a_reader_asks_for_no_more_than_it_can_place() {
        let reader = |framing, recode| BodyReader::new(framing, recode, LIMITS);
        assert_eq!(reader(Framing::Length(10), Recode::Verbatim).appetite(100, 0), 10);
        assert_eq!(reader(Framing::Length(1000), Recode::Verbatim).appetite(100, 50), 100);
        assert_eq!(reader(Framing::Chunked, Recode::Verbatim).appetite(100, 30), 30);
        assert_eq!(reader(Framing::UntilClose, Recode::Verbatim).appetite(100, 0), 100);
        assert_eq!(reader(Framing::UntilClose, Recode::Enchunk).appetite(100, 0), 88);
        let (inside, _) = fed(Framing::Chunked, Recode::Verbatim, LIMITS, b"ff\r\nab");
        assert_eq!(inside.appetite(4096, 7), 253 + 7);
    }

    #[test]
    fn data_may_be_moved_past_the_reader_but_framing_may_not() {
        let (mut reader, _) = fed(Framing::Chunked, Recode::Verbatim, LIMITS, b"a\r\nab");
        assert_eq!(reader.opaque(), 8);
        reader.skipped(8).unwrap();
        assert_eq!((reader.opaque(), reader.payload(), reader.is_done()), (0, 10, false));
        let mut room = [0; 64];
        room[..7].copy_from_slice(b"\r\n0\r\n\r\n");
        assert_eq!(reader.feed(&mut room, 0..7), Ok(Fed { output: 7, surplus: 0 }));
        assert!(reader.is_written());

        let (mut reader, _) = fed(Framing::Length(10), Recode::Verbatim, LIMITS, b"ab");
        assert_eq!(reader.opaque(), 8);
        reader.skipped(8).unwrap();
        assert!(reader.is_written());
        let (reader, _) = fed(Framing::UntilClose, Recode::Verbatim, LIMITS, b"ab");
        assert_eq!(reader.opaque(), u64::MAX);
        let (reader, _) = fed(Framing::UntilClose, Recode::Enchunk, LIMITS, b"ab");
        assert_eq!(reader.opaque(), 0);
        let limits = BodyLimits { payload: 9, ..LIMITS };
        let (mut reader, _) = fed(Framing::UntilClose, Recode::Verbatim, limits, b"ab");
        assert_eq!(reader.skipped(8), Err(BodyFault::TooLarge));
    }

    proptest! {
        #[test]
        fn every_split_gives_the_payload_and_canonical_framing(
            chunks in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..300), 0..3usize, any::<bool>()), 0..8),
            pieces in prop::collection::vec(1..700usize, 1..6),
        ) {
            let (mut input, mut payload, mut canonical) = (Vec::new(), Vec::new(), Vec::new());
            for (data, zeros, extension) in &chunks {
                input.extend_from_slice("0".repeat(*zeros).as_bytes());
                input.extend_from_slice(format!("{:X}", data.len()).as_bytes());
                input.extend_from_slice(if *extension { b";a=b\r\n" } else { b"\r\n" });
                canonical.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                for out in [&mut input, &mut canonical] {
                    out.extend_from_slice(data);
                    out.extend_from_slice(b"\r\n");
                }
                payload.extend_from_slice(data);
            }
            input.extend_from_slice(b"0\r\n\r\n");
            canonical.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(relay(Framing::Chunked, Recode::Verbatim, &input, &pieces).unwrap().0, canonical);
            prop_assert_eq!(relay(Framing::Chunked, Recode::Dechunk, &input, &pieces).unwrap().0, payload.clone());
            input.truncate(input.len() - 1);
            prop_assert_eq!(relay(Framing::Chunked, Recode::Verbatim, &input, &pieces), Err(BodyFault::Incomplete));
            let enchunked = relay(Framing::UntilClose, Recode::Enchunk, &payload, &pieces).unwrap().0;
            prop_assert_eq!(relay(Framing::Chunked, Recode::Dechunk, &enchunked, &[9]).unwrap().0, payload);
        }
    }
}

//! Bodies: the same payload for every split, the payload of a slow decoder, and canonical framing behind it.

use corsair::http1::{
    body::{BodyFault, BodyLimits, BodyReader, Recode},
    chunked::ChunkLimits,
    framing::Framing,
};

use crate::{
    input::{Input, Pieces, shown},
    reference::{
        body::{self, Bounds, Canonical, Decoded},
        head::Lines,
    },
};

/// What may follow a body that is not complete yet.
const COMPLETIONS: [&[u8]; 7] =
    [b"", b"\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\n\r\n", b"\n\r\n", b"0\r\n\r\n", b"a\"\r\n\r\n0\r\n\r\n"];

/// Names that never travel in trailers: framing, routing, credentials, content (RFC 9110 §6.5.1).
const NEVER: [&str; 18] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "max-forwards",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

/// How one body came through.
#[derive(Debug, PartialEq, Eq)]
struct Relayed {
    out: Vec<u8>,
    /// Whether it was complete; and the bytes that follow it.
    ended: Result<usize, BodyFault>,
}

/// How the input of a body arrives, and how much room there is for it.
struct Arrival {
    pieces: Pieces,
    room: usize,
    /// Whether data goes past the reader where it may.
    splices: bool,
}

/// The property.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.byte();
    let room = BodyReader::MIN_ROOM + usize::from(input.byte()) * 3;
    let splices = input.flag();
    let bounds = Bounds {
        payload: input.pick(&[u64::MAX, 10, 1000, 0]),
        extensions: input.pick(&[1024, 8, 0]),
        trailers: input.pick(&[1024, 32, 2, 0]),
        fields: input.pick(&[100, 2]),
    };
    let bytes = input.rest();
    let arrivals = || {
        [
            Arrival { pieces: Pieces::new(seed), room, splices: false },
            Arrival { pieces: Pieces::new(seed.wrapping_add(1)), room, splices },
            Arrival { pieces: Pieces::new(7), room: 8192, splices },
        ]
    };
    for arrival in arrivals() {
        verbatim(bytes, bounds, arrival);
    }
    for arrival in arrivals() {
        bare(bytes, bounds, arrival);
    }
    for arrival in arrivals() {
        enchunked(bytes, arrival);
    }
    for arrival in arrivals() {
        counted(bytes, arrival);
    }
}

fn limits(bounds: Bounds) -> BodyLimits {
    BodyLimits {
        payload: bounds.payload,
        trailer_fields: bounds.fields,
        chunked: ChunkLimits { extensions: bounds.extensions, trailers: bounds.trailers },
    }
}

/// Chunks in, canonical chunks out.
fn verbatim(bytes: &[u8], bounds: Bounds, arrival: Arrival) {
    let Relayed { out, ended } = relay(Framing::Chunked, Recode::Verbatim, bytes, bounds, arrival);
    let (payload, expected) = body::decode(bytes, bounds);
    agrees(bytes, bounds, &ended, &expected);
    match (ended, body::canonical(&out), expected) {
        (Ok(_), Canonical::Complete(again, trailers, end), Decoded::Complete(lines, _)) => {
            assert_eq!((again, end), (payload, out.len()), "{}", shown(bytes));
            trailers_may_travel(bytes, &trailers, &lines);
        }
        (Err(_), Canonical::Incomplete(again), _) => {
            assert!(payload.starts_with(&again), "other bytes than came in: {}", shown(bytes));
        }
        (ended, canonical, _) => panic!("{ended:?}, but {canonical:?}: {}", shown(bytes)),
    }
}

/// Those that may, all of them, in order.
fn trailers_may_travel(bytes: &[u8], written: &Lines, given: &Lines) {
    let mut rest = given.0.iter();
    for line in &written.0 {
        assert!(rest.any(|given| given == line), "a trailer out of nothing: {}", shown(bytes));
        let spelled = String::from_utf8_lossy(&line.0).to_ascii_lowercase();
        assert!(!NEVER.contains(&spelled.as_str()), "{spelled} as a trailer");
        assert!(!NEVER.contains(&spelled.replace('_', "-").as_str()), "{spelled} as a trailer");
    }
    let harmless = |lines: &Lines| lines.count("x-checksum");
    assert_eq!(harmless(written), harmless(given), "a trailer was lost: {}", shown(bytes));
}

/// Chunks in, their payload out.
fn bare(bytes: &[u8], bounds: Bounds, arrival: Arrival) {
    let Relayed { out, ended } = relay(Framing::Chunked, Recode::Dechunk, bytes, bounds, arrival);
    let (payload, expected) = body::decode(bytes, bounds);
    agrees(bytes, bounds, &ended, &expected);
    match ended {
        Ok(_) => assert_eq!(out, payload, "{}", shown(bytes)),
        Err(_) => assert!(payload.starts_with(&out), "other bytes than came in: {}", shown(bytes)),
    }
}

/// Anything in, canonical chunks of it out.
fn enchunked(bytes: &[u8], arrival: Arrival) {
    let Relayed { out, ended } = relay(Framing::UntilClose, Recode::Enchunk, bytes, Bounds::NONE, arrival);
    assert_eq!(ended, Ok(0));
    assert_eq!(
        body::canonical(&out),
        Canonical::Complete(bytes.to_vec(), Lines::default(), out.len()),
        "{}",
        shown(bytes)
    );
}

/// A length is kept to the byte.
fn counted(bytes: &[u8], arrival: Arrival) {
    let length = (bytes.len() / 2).max(1);
    let framing = Framing::Length(length as u64);
    let Relayed { out, ended } = relay(framing, Recode::Verbatim, bytes, Bounds::NONE, arrival);
    match ended {
        Ok(surplus) => assert_eq!((out.as_slice(), surplus), (&bytes[..length], bytes.len() - length)),
        Err(fault) => assert_eq!((fault, bytes.len()), (BodyFault::Incomplete, 0)),
    }
}

/// Whether the verdict is that of the slow decoder. Of a body that is not complete, a fault may be seen before
/// its line has ended: then nothing that could follow would make it a body.
fn agrees(bytes: &[u8], bounds: Bounds, ended: &Result<usize, BodyFault>, expected: &Decoded) {
    let agree = match (ended, expected) {
        (Ok(surplus), Decoded::Complete(_, end)) => *surplus == bytes.len() - end,
        (Err(BodyFault::Incomplete), Decoded::Incomplete)
        | (Err(BodyFault::Malformed(_)), Decoded::Malformed)
        | (Err(BodyFault::TooLarge), Decoded::TooLarge) => true,
        (Err(BodyFault::Malformed(_)), Decoded::Incomplete) => COMPLETIONS.iter().all(|completion| {
            let (_, completed) = body::decode(&[bytes, *completion].concat(), bounds);
            !matches!(completed, Decoded::Complete(..))
        }),
        _ => false,
    };
    assert!(agree, "{ended:?}, but {expected:?}: {}", shown(bytes));
}

/// Drives a reader as the sides of an exchange do.
fn relay(framing: Framing, recode: Recode, bytes: &[u8], bounds: Bounds, mut arrival: Arrival) -> Relayed {
    let mut reader = BodyReader::new(framing, recode, limits(bounds));
    let mut room = vec![0xaa; arrival.room];
    let (mut out, mut rest) = (Vec::new(), bytes);
    let mut paid = 0;
    while !reader.is_done() && !rest.is_empty() {
        let opaque = usize::try_from(reader.opaque()).unwrap_or(usize::MAX);
        if arrival.splices && opaque > 0 && recode != Recode::Enchunk && reader.headroom() == 0 {
            let size = opaque.min(rest.len()).min(arrival.pieces.size());
            if let Err(fault) = reader.skipped(size as u64) {
                return Relayed { out, ended: Err(fault) };
            }
            out.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            continue;
        }
        let start = reader.headroom();
        let size = reader.appetite(room.len(), rest.len()).min(arrival.pieces.size()).min(rest.len());
        assert!(size > 0, "no progress with {} bytes of room", room.len());
        room[start..start + size].copy_from_slice(&rest[..size]);
        match reader.feed(&mut room, start..start + size) {
            Ok(fed) => {
                // Two bytes end a chunk that is made here.
                assert!(fed.output <= start + size + 2 && fed.surplus <= size, "more than there was");
                out.extend_from_slice(&room[..fed.output]);
                rest = &rest[size - fed.surplus..];
                assert!(fed.surplus == 0 || reader.is_done());
            }
            Err(fault) => return Relayed { out, ended: Err(fault) },
        }
        assert!(reader.payload() >= paid && reader.payload() <= bytes.len() as u64);
        paid = reader.payload();
    }
    if !reader.is_done()
        && let Err(fault) = reader.end_of_input()
    {
        return Relayed { out, ended: Err(fault) };
    }
    let mut turns = 0;
    while !reader.is_written() {
        let size = reader.take_tail(&mut room[..1 + turns % 7]);
        out.extend_from_slice(&room[..size]);
        turns += 1;
        assert!(turns < 10_000, "the tail has no end");
    }
    Relayed { out, ended: Ok(rest.len()) }
}

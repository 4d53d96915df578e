//! Progress through 64 KiB of payload.

use std::hint::black_box;

use corsair::http1::{
    body::{BodyLimits, BodyReader, Recode},
    chunked::ChunkLimits,
    framing::Framing,
};

use super::{Operation, Operations};

/// Bytes of payload in every operation.
const PAYLOAD: usize = 64 << 10;

const LIMITS: BodyLimits = BodyLimits {
    payload: u64::MAX,
    trailer_fields: 100,
    chunked: ChunkLimits { extensions: 1 << 20, trailers: 8 << 10 },
};

pub(super) fn operations() -> Operations {
    vec![
        ("chunks-of-16k", read(&chunks(16 << 10, ""), Recode::Verbatim)),
        ("chunks-of-16k-dechunked", read(&chunks(16 << 10, ""), Recode::Dechunk)),
        ("chunks-of-100", read(&chunks(100, ""), Recode::Verbatim)),
        ("chunks-of-1", read(&chunks(1, ""), Recode::Verbatim)),
        ("chunks-of-100-extended", read(&chunks(100, ";name=\"value\""), Recode::Verbatim)),
        ("until-close-enchunked", enchunk()),
    ]
}

/// A chunked body in chunks of `size`, each with this extension.
fn chunks(size: usize, extension: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in [b'x'; PAYLOAD].chunks(size) {
        body.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// A whole body in one piece. What leaves is written over what came; where it is something else, each call
/// begins with a copy, and that is measured too.
fn read(body: &[u8], recode: Recode) -> Operation {
    let body = body.to_vec();
    let mut room = body.clone();
    let is_canonical = recode == Recode::Verbatim && !body.contains(&b';');
    Box::new(move || {
        if !is_canonical {
            room.copy_from_slice(&body);
        }
        let mut reader = BodyReader::new(Framing::Chunked, recode, LIMITS);
        let end = room.len();
        let fed = reader.feed(black_box(&mut room), 0..end).expect("a body that is right");
        assert!(black_box(fed).surplus == 0 && reader.is_done(), "the body is read to its end");
    })
}

fn enchunk() -> Operation {
    let mut room = vec![b'x'; PAYLOAD + BodyReader::MIN_ROOM];
    Box::new(move || {
        let mut reader = BodyReader::new(Framing::UntilClose, Recode::Enchunk, LIMITS);
        let start = reader.headroom();
        black_box(reader.feed(black_box(&mut room), start..start + PAYLOAD)).expect("bytes");
    })
}

//! Bodies in pieces, and what leaves of them.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]

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

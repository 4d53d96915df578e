//! The decoder against the grammar of RFC 9112 §7.1, against httparse, and against every split.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]

use std::sync::LazyLock;

use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;

const LIMITS: ChunkLimits = ChunkLimits { extensions: 1000, trailers: 1000 };

/// What came of a chunked message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Incomplete,
    Malformed,
    Complete { payload: Vec<u8>, trailers: Vec<u8>, used: usize },
}

/// Feeds `input` up to each of `stops`, then to its end.
fn decode(limits: ChunkLimits, input: &[u8], stops: &[usize]) -> Verdict {
    let mut decoder = ChunkedDecoder::new(limits);
    let (mut at, mut payload) = (0, Vec::new());
    let mut announced = 0;
    for stop in stops.iter().copied().chain([input.len()]) {
        let stop = stop.clamp(at, input.len());
        loop {
            let Ok((used, event)) = decoder.next(&input[at..stop]) else { return Verdict::Malformed };
            let piece = &input[at..at + used];
            at += used;
            match event {
                Event::Starved => break,
                Event::Chunk(size) => {
                    assert_eq!((announced, decoder.data_left()), (0, size));
                    announced = size;
                }
                Event::Data(size) => {
                    assert_eq!(size, piece.len());
                    announced -= u64::try_from(size).unwrap();
                    payload.extend_from_slice(piece);
                }
                Event::ChunkEnd => assert_eq!((announced, decoder.data_left()), (0, 0)),
                Event::End => {
                    assert!(decoder.is_done());
                    assert_eq!(decoder.next(&input[at..]), Ok((0, Event::Starved)));
                    return Verdict::Complete { payload, trailers: decoder.trailers().to_vec(), used: at };
                }
            }
        }
        assert_eq!(at, stop, "starved with input left");
    }
    assert!(!decoder.is_done());
    Verdict::Incomplete
}

/// One chunk header without its CRLF, by the grammar of §7.1.1; only behind the size may no blank stand.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    let name = r"[\t ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+";
    let quoted = r#""(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*""#;
    let value = format!(r"[\t ]*=(?:{name}|[\t ]*{quoted})");
    let extensions = format!(r"(?:;{name}(?:{value})?[\t ]*)*;{name}(?:{value})?");
    Regex::new(&format!("(?-u)^([0-9A-Fa-f]{{1,64}})(?:{extensions})?$")).unwrap()
});

/// The slow way: line by line, each held against the grammar.
fn decode_slowly(input: &[u8]) -> Verdict {
    let (mut rest, mut payload) = (input, Vec::new());
    loop {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Verdict::Incomplete };
        let Some(parts) = HEADER.captures(&rest[..end]) else { return Verdict::Malformed };
        let digits = str::from_utf8(&parts[1]).unwrap().trim_start_matches('0');
        let Ok(size) = u64::from_str_radix(&format!("0{digits}"), 16) else { return Verdict::Malformed };
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if rest.len() < size {
            return Verdict::Incomplete;
        }
        payload.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        match rest {
            [b'\r', b'\n', more @ ..] => rest = more,
            [] | [b'\r'] => return Verdict::Incomplete,
            _ => return Verdict::Malformed,
        }
    }
    let section = rest;
    loop {
        let Some(lf) = rest.iter().position(|byte| *byte == b'\n') else { return Verdict::Incomplete };
        let line = &rest[..lf];
        rest = &rest[lf + 1..];
        match line {
            [b'\r'] => break,
            [.., b'\r'] => {}
            _ => return Verdict::Malformed,
        }
    }
    let trailers = &section[..section.len() - rest.len()];
    let trailers = if trailers.len() == 2 { Vec::new() } else { trailers.to_vec() };
    Verdict::Complete { payload, trailers, used: input.len() - rest.len() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every cut in two, and byte by byte.
fn assert_splits_agree(input: &[u8]) {
    let whole = decode(LIMITS, input, &[]);
    for cut in 0..=input.len() {
        assert_eq!(decode(LIMITS, input, &[cut]), whole, "{:?} cut at {cut}", text(input));
    }
    let each: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(decode(LIMITS, input, &each), whole, "{:?} byte by byte", text(input));
}

#[test]
fn chunks_are_delimited_and_what_follows_is_left() {
    for (input, payload, trailers) in [
        (&b"0\r\n\r\n"[..], &b""[..], &b""[..]),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", b""),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
        (b"0005\r\nhello\r\n000\r\n\r\n", b"hello", b""),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b""),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", b""),
        (b"1;a\r\nx\r\n0\r\n\r\n", b"x", b""),
        (b"1;a=b;c=\"d;\\\"\\\\ \t\xff\"\r\nx\r\n0;last\r\n\r\n", b"x", b""),
        (b"1; a = b\r\nx\r\n0\r\n\r\n", b"x", b""),
        (b"0\r\nA: b\r\n\r\n", b"", b"A: b\r\n\r\n"),
        (b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"x", b"A: b\r\nC: d\r\n\r\n"),
    ] {
        let followed = [input, b"\r\nGET / HTTP/1.1"].concat();
        let expected =
            Verdict::Complete { payload: payload.to_vec(), trailers: trailers.to_vec(), used: input.len() };
        assert_eq!(decode(LIMITS, &followed, &[]), expected, "{:?}", text(input));
        assert_eq!(decode_slowly(&followed), expected, "{:?}", text(input));
        assert_splits_agree(&followed);
        for end in 0..input.len() {
            assert_eq!(decode(LIMITS, &input[..end], &[]), Verdict::Incomplete, "{:?}", text(&input[..end]));
        }
    }
}

/// Chunk headers that are none (rules 5 and 6).
const BAD_HEADERS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"5\n",
    b"5\r\r\n",
    b"5\rx",
    b" 5\r\n",
    b"\t5\r\n",
    b"5 \r\n",
    b"5\t\r\n",
    b"5 ;a\r\n",
    b"5\t;a\r\n",
    b"+5\r\n",
    b"-5\r\n",
    b"0x5\r\n",
    b"x5\r\n",
    b"1_0\r\n",
    b"1 0\r\n",
    b"5h\r\n",
    b"5.\r\n",
    b"\xb2\r\n",
    b"5\x00\r\n",
    b"5\x85\r\n",
    b"5\xa0\r\n",
    b";a\r\n",
    b"5;\r\n",
    b"5; \r\n",
    b"5;;a\r\n",
    b"5;a;\r\n",
    b"5;=b\r\n",
    b"5;a=\r\n",
    b"5;a= \r\n",
    b"5;a==b\r\n",
    b"5;a b\r\n",
    b"5;a=b c\r\n",
    b"5;a=\"b\r\n",
    b"5;a=\"b\"c\r\n",
    b"5;a=\"\\\r\n",
    b"5;a=\"\x00\"\r\n",
    b"5;a=\"\x7f\"\r\n",
    b"5;a\x00\r\n",
    b"5;(\r\n",
    b"5;a\n",
    b"5;a=\"\n\"\r\n",
    b"5;a\r\x00",
    b"5;\xff\r\n",
    b"10000000000000000\r\n",
    b"ffffffffffffffff0\r\n",
    b"fffffffffffffffff\r\n",
];

#[test]
fn a_chunk_header_that_is_not_one_is_an_error() {
    for header in BAD_HEADERS {
        for prefix in [&b""[..], b"1\r\nx\r\n"] {
            let input = [prefix, header, b"hello\r\n0\r\n\r\n"].concat();
            assert_eq!(decode(LIMITS, &input, &[]), Verdict::Malformed, "{:?}", text(&input));
            assert_splits_agree(&input);
        }
    }
}

#[test]
fn the_data_of_a_chunk_is_followed_by_crlf_and_nothing_else() {
    for end in [&b"\n"[..], b"\r", b"\r\r\n", b"0\r\n", b" \r\n", b"\n\r\n", b"!\r\n"] {
        let input = [b"5\r\nhello", end, b"0\r\n\r\n"].concat();
        assert_eq!(decode(LIMITS, &input, &[]), Verdict::Malformed, "{:?}", text(&input));
        assert_splits_agree(&input);
    }
}

#[test]
fn a_trailer_line_ends_in_crlf() {
    for section in [&b"\n"[..], b"A: b\n\r\n", b"A: b\r\n\n", b"A: b\n\n", b"A: b\r\n\rx\n"] {
        let input = [b"0\r\n", section].concat();
        assert_eq!(decode(LIMITS, &input, &[]), Verdict::Malformed, "{:?}", text(&input));
        assert_splits_agree(&input);
    }
}

#[test]
fn the_largest_size_is_right_to_the_last_chunk() {
    for (digits, size) in [
        ("7fffffffffffffff", u64::MAX >> 1),
        ("8000000000000000", 1 << 63),
        ("ffffffffffffffff", u64::MAX),
        ("0000FFFFFFFFFFFFFFFF", u64::MAX),
    ] {
        let mut decoder = ChunkedDecoder::new(LIMITS);
        let header = format!("{digits}\r\n");
        assert_eq!(decoder.next(header.as_bytes()), Ok((header.len(), Event::Chunk(size))));
        assert_eq!(decoder.data_left(), size);
    }
    let zeros = |count: usize| format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(count));
    assert!(matches!(decode(LIMITS, zeros(63).as_bytes(), &[]), Verdict::Complete { .. }));
    assert_eq!(decode(LIMITS, zeros(64).as_bytes(), &[]), Verdict::Malformed);
}

#[test]
fn extensions_are_bounded_over_the_whole_message() {
    let limits = ChunkLimits { extensions: 10, trailers: 0 };
    let message = |names: &[usize]| -> Vec<u8> {
        names.iter().flat_map(|len| format!("1;{}\r\nx\r\n", "a".repeat(*len)).into_bytes()).collect()
    };
    assert_eq!(decode(limits, &message(&[10]), &[]), Verdict::Incomplete);
    assert_eq!(decode(limits, &message(&[11]), &[]), Verdict::Malformed);
    assert_eq!(decode(limits, &message(&[5, 5]), &[]), Verdict::Incomplete);
    assert_eq!(decode(limits, &message(&[5, 6]), &[]), Verdict::Malformed);
    assert_eq!(decode(limits, &message(&[1; 10]), &[]), Verdict::Incomplete);
    assert_eq!(decode(limits, &message(&[1; 11]), &[]), Verdict::Malformed);
}

#[test]
fn trailers_are_bounded() {
    let limits = |trailers| ChunkLimits { extensions: 0, trailers };
    let input = b"0\r\nA: b\r\n\r\n";
    assert!(matches!(decode(limits(6), input, &[]), Verdict::Complete { .. }));
    assert_eq!(decode(limits(5), input, &[]), Verdict::Malformed);
    // A trailer line that never ends is cut off too.
    let endless = [b"0\r\n".as_slice(), &[b'a'; 2000]].concat();
    assert_eq!(decode(LIMITS, &endless, &[]), Verdict::Malformed);
}

#[test]
fn a_limit_of_no_trailers_is_none_of_chunked_messages() {
    for trailers in 0..3 {
        let limits = ChunkLimits { extensions: 0, trailers };
        let verdict = decode(limits, b"1\r\nx\r\n0\r\n\r\n", &[]);
        assert!(matches!(verdict, Verdict::Complete { .. }), "limits.trailers = {trailers}: {verdict:?}");
    }
}

#[test]
fn a_blank_behind_the_value_of_an_extension_is_legal() {
    // chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS val ] ), and BWS must be parsed (RFC 9110 §5.6.3).
    for header in ["1;a=b ;c", "1;a=\"b\" ;c", "1;a=b\t;c=d"] {
        let input = format!("{header}\r\nx\r\n0\r\n\r\n");
        let verdict = decode(LIMITS, input.as_bytes(), &[]);
        assert!(matches!(verdict, Verdict::Complete { .. }), "{header}: {verdict:?}");
    }
}

#[test]
fn data_that_was_moved_elsewhere_is_counted() {
    let mut decoder = ChunkedDecoder::new(LIMITS);
    assert_eq!(decoder.next(b"a\r\nxyz"), Ok((3, Event::Chunk(10))));
    decoder.skip_data(4);
    assert_eq!(decoder.data_left(), 6);
    assert_eq!(decoder.next(b"xyz"), Ok((3, Event::Data(3))));
    decoder.skip_data(3);
    assert_eq!(decoder.data_left(), 0);
    assert_eq!(decoder.next(b"\r\n0\r\n\r\n"), Ok((2, Event::ChunkEnd)));
    decoder.skip_data(100);
    assert_eq!(decoder.next(b"0\r\n\r\n"), Ok((5, Event::End)));
}

/// Why a chunk header is judged differently here and by httparse.
fn explained(header: &[u8], theirs: Option<u64>, ours: Option<u64>) -> Option<&'static str> {
    let size_end = header.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(header.len());
    match (theirs, ours) {
        _ if theirs == ours => Some("the same"),
        (Some(_), None) if size_end == 0 => Some("rule 5: a size is at least one digit"),
        (Some(_), None) if matches!(header[size_end], b' ' | b'\t') => {
            Some("rule 5: no blank behind the size")
        }
        (Some(_), None) if header[size_end] == b';' => {
            Some("rule 6: extensions are checked by their grammar")
        }
        (None, Some(_)) if size_end > 16 && size_end <= 64 => {
            Some("rule 5: a size may have leading zeros, as long as it does not overflow")
        }
        _ => None,
    }
}

fn near_headers() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => "[0-9a-fA-F]{1,3}".prop_map(String::into_bytes),
        1 => "0{10,20}".prop_map(String::into_bytes),
        1 => "[fF]{15,17}".prop_map(String::into_bytes),
        2 => Just(b";".to_vec()),
        1 => Just(b"=".to_vec()),
        1 => Just(b"\"".to_vec()),
        1 => Just(b"\\".to_vec()),
        2 => "[ \t]".prop_map(String::into_bytes),
        2 => "[a-z]{1,3}".prop_map(String::into_bytes),
        1 => "[\r\n+x]".prop_map(String::into_bytes),
        1 => Just(b"\xff".to_vec()),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| [parts.concat(), b"\r\n".to_vec()].concat())
}

fn near_messages() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 1..20).prop_map(|data| {
            [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()
        }),
        2 => prop::collection::vec(any::<u8>(), 1..20).prop_map(|data| {
            [format!("00{:X};a=\"b\"\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()
        }),
        3 => Just(b"0\r\n".to_vec()),
        3 => Just(b"\r\n".to_vec()),
        2 => Just(b"A: b\r\n".to_vec()),
        1 => near_headers(),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_split_is_decoded_as_the_slow_way_says(
        input in near_messages(),
        mut stops in prop::collection::vec(0..100_usize, 0..6),
    ) {
        stops.sort_unstable();
        let whole = decode(LIMITS, &input, &[]);
        prop_assert_eq!(&decode(LIMITS, &input, &stops), &whole);
        let slow = decode_slowly(&input);
        // The decoder need not wait for the end of a line that is wrong already.
        let early = slow == Verdict::Incomplete && whole == Verdict::Malformed;
        prop_assert!(slow == whole || early, "{slow:?} but {whole:?}");
    }

    #[test]
    fn a_chunk_header_is_read_as_httparse_reads_it_but_for_the_named_rules(header in near_headers()) {
        let end = header.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let header = &header[..end + 2];
        let mut decoder = ChunkedDecoder::new(LIMITS);
        let ours = match decoder.next(header) {
            Ok((used, Event::Chunk(size))) => Some((used, size)),
            // Behind the header of the last chunk the trailers begin.
            Ok((used, Event::Starved)) if matches!(decoder.state, State::Trailer { .. }) => Some((used, 0)),
            _ => None,
        };
        let theirs = match httparse::parse_chunk_size(header) {
            Ok(httparse::Status::Complete(read)) => Some(read),
            _ => None,
        };
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours, theirs);
        }
        let why = explained(header, theirs.map(|read| read.1), ours.map(|read| read.1));
        prop_assert!(why.is_some(), "{:?}: theirs {theirs:?}, ours {ours:?}", text(header));
    }
}

#[test]
fn every_named_difference_from_httparse_exists() {
    for (header, theirs, ours) in [
        (&b"\r\n"[..], Some(0), None),
        (b"5 \r\n", Some(5), None),
        (b"5 ;a\r\n", Some(5), None),
        (b"5;\r\n", Some(5), None),
        (b"5;\x00\n\r\n", Some(5), None),
        (b"00000000000000005\r\n", None, Some(5)),
    ] {
        let read = match httparse::parse_chunk_size(header) {
            Ok(httparse::Status::Complete((_, size))) => Some(size),
            _ => None,
        };
        assert_eq!(read, theirs, "{:?}", text(header));
        let decoded = match ChunkedDecoder::new(LIMITS).next(header) {
            Ok((_, Event::Chunk(size))) => Some(size),
            _ => None,
        };
        assert_eq!(decoded, ours, "{:?}", text(header));
        assert_ne!(explained(header, theirs, ours), Some("the same"));
        assert!(explained(header, theirs, ours).is_some(), "{:?}", text(header));
    }
}

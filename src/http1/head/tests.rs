//! Heads as bytes, and what is made of them.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "any other verdict fails the test")]

mod tables;

use proptest::prelude::*;

use self::tables::{
    BAD_FIELDS, BAD_IN_REQUESTS, BAD_REQUEST_LINES, BAD_STATUS_LINES, FIELDS, LENIENT_RESPONSES,
    REQUEST_LINES, STATUS_LINES,
};
use super::*;
use crate::{
    error::Error,
    http1::{
        emit::HeadWriter,
        fields::{self, FieldId},
        sample::{MAX_FIELDS as MOST, request, response, try_response},
    },
};

/// What a reader makes of the bytes that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// More must come.
    Incomplete,
    /// Refused with this status.
    Refused(u16),
    /// A head: its start line and its fields.
    Head { start: Vec<String>, fields: Vec<(Vec<u8>, Vec<u8>)>, len: usize },
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn fields_of(bytes: &[u8], fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|field| (field.name.of(bytes).to_vec(), field.value.of(bytes).to_vec())).collect()
}

/// Reads a head that arrives up to each of some stops.
type Judge = fn(&[u8], &[usize]) -> Verdict;

/// Puts fields behind a first line.
type Lines = fn(&[u8]) -> Vec<u8>;

/// [`HeadEnd::find_request`] or [`HeadEnd::find_response`].
type Find = fn(&mut HeadEnd, &[u8]) -> Result<Option<usize>, HeadFault>;

/// Finds the end of the head in `input`, which arrives up to each of `stops` and then as a whole.
fn find(input: &[u8], stops: &[usize], find: Find) -> Result<Option<(HeadEnd, usize)>, HeadFault> {
    let mut end = HeadEnd::default();
    for stop in stops.iter().copied().chain([input.len()]) {
        if let Some(len) = find(&mut end, &input[..stop.min(input.len())])? {
            return Ok(Some((end, len)));
        }
    }
    Ok(None)
}

fn request_verdict(input: &[u8], stops: &[usize]) -> Verdict {
    let verdict = found_request_verdict(input, stops);
    // What is parsed in one go is what is found and parsed, or nothing.
    if let Some(head) = parse_whole_request(input, MOST, &mut Fields::default()) {
        assert_eq!(request_head_verdict(input, &head), verdict, "{:?}", text(input));
    }
    verdict
}

fn found_request_verdict(input: &[u8], stops: &[usize]) -> Verdict {
    let judged = find(input, stops, HeadEnd::find_request).map_err(HeadFault::in_request).and_then(|found| {
        let Some((end, len)) = found else { return Ok(Verdict::Incomplete) };
        let head = parse_request(input, &end, len, MOST, Fields::default())?;
        Ok(request_head_verdict(input, &head))
    });
    judged.unwrap_or_else(|error| Verdict::Refused(error.status()))
}

fn request_head_verdict(input: &[u8], head: &RequestHead) -> Verdict {
    assert_eq!(head.method, Method::of(head.method_name.of(input)));
    let start =
        vec![text(head.method_name.of(input)), text(head.target.of(input)), format!("{:?}", head.version)];
    Verdict::Head { start, fields: fields_of(input, &head.fields), len: head.len }
}

fn response_verdict(input: &[u8], stops: &[usize]) -> Verdict {
    let verdict = found_response_verdict(input, stops);
    // What is parsed in one go is what is found and parsed, or nothing.
    let mut recycled = Fields::default();
    if let Some(head) = parse_whole_response(input, MOST, &mut recycled) {
        let start = vec![head.status.to_string(), text(head.reason.of(input)), format!("{:?}", head.version)];
        let whole = Verdict::Head { start, fields: fields_of(input, &head.fields), len: head.len };
        assert_eq!(whole, verdict, "{:?}", text(input));
    }
    verdict
}

fn found_response_verdict(input: &[u8], stops: &[usize]) -> Verdict {
    let judged =
        find(input, stops, HeadEnd::find_response).map_err(HeadFault::in_response).and_then(|found| {
            let Some((end, len)) = found else { return Ok(Verdict::Incomplete) };
            let mut bytes = input.to_vec();
            let head = parse_response(&mut bytes, &end, len, MOST, Fields::default())?;
            let start =
                vec![head.status.to_string(), text(head.reason.of(&bytes)), format!("{:?}", head.version)];
            Ok(Verdict::Head { start, fields: fields_of(&bytes, &head.fields), len: head.len })
        });
    judged.unwrap_or_else(|error| Verdict::Refused(error.status()))
}

/// Every cut in two, and byte by byte.
fn assert_splits_agree(input: &[u8], verdict: Judge) {
    let whole = verdict(input, &[]);
    for cut in 0..=input.len() {
        assert_eq!(verdict(input, &[cut]), whole, "{:?} cut at {cut}", text(input));
    }
    let each: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(verdict(input, &each), whole, "{:?} byte by byte", text(input));
}

/// `fields` behind a request line, and the end of the head.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\n".as_slice(), fields, b"\r\n"].concat()
}

/// `fields` behind a status line, and the end of the head.
fn response_with_fields(fields: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n".as_slice(), fields, b"\r\n"].concat()
}

#[test]
fn a_request_line_is_read_as_it_stands() {
    for (line, expected) in REQUEST_LINES {
        let input = [line, b"\r\nHost: h\r\n\r\n".as_slice()].concat();
        let expected = Verdict::Head {
            start: expected.iter().map(|part| (*part).to_owned()).collect(),
            fields: vec![(b"Host".to_vec(), b"h".to_vec())],
            len: input.len(),
        };
        assert_eq!(request_verdict(&input, &[]), expected, "{:?}", text(line));
        assert_splits_agree(&input, request_verdict);
    }
}

#[test]
fn a_request_line_that_is_not_one_is_refused() {
    for (line, status) in BAD_REQUEST_LINES {
        let input = [line, b"\r\nHost: h\r\n\r\n".as_slice()].concat();
        assert_eq!(request_verdict(&input, &[]), Verdict::Refused(*status), "{:?}", text(line));
        assert_splits_agree(&input, request_verdict);
    }
}

#[test]
fn every_byte_of_a_method_and_of_a_target_is_judged_by_the_grammar() {
    for byte in 0..=u8::MAX {
        let refused = |line: Vec<u8>| {
            let input = [line.as_slice(), b"\r\n\r\n"].concat();
            !matches!(request_verdict(&input, &[]), Verdict::Head { .. })
        };
        let method = [b"G", [byte].as_slice(), b"T / HTTP/1.1"].concat();
        assert_eq!(refused(method), !fields::is_tchar(byte), "method {byte:#x}");
        let target = [b"GET /", [byte].as_slice(), b"x HTTP/1.1"].concat();
        assert_eq!(refused(target), !(0x21..=0x7e).contains(&byte), "target {byte:#x}");
    }
}

#[test]
fn every_byte_of_a_field_is_judged_by_the_grammar() {
    for byte in 0..=u8::MAX {
        let directions: [(Judge, Lines, bool); 2] =
            [(request_verdict, with_fields, false), (response_verdict, response_with_fields, true)];
        for (verdict, lines, is_response) in directions {
            let refused = |line: Vec<u8>| !matches!(verdict(&lines(&line), &[]), Verdict::Head { .. });
            // A colon makes another name of it, which is as good.
            let name = [b"a", [byte].as_slice(), b"b: c\r\n"].concat();
            assert_eq!(refused(name), !(fields::is_tchar(byte) || byte == b':'), "name {byte:#x}");
            // Behind an LF, which ends a line of a response, stands a field without a colon.
            let value = [b"a: b", [byte].as_slice(), b"c\r\n"].concat();
            let is_control = !matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
            let passes = !is_control || is_response && !matches!(byte, 0 | b'\r' | b'\n');
            assert_eq!(refused(value), !passes, "value {byte:#x}");
        }
    }
}

#[test]
fn fields_keep_their_order_their_case_and_their_duplicates() {
    for (lines, expected) in FIELDS {
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        let directions: [(Judge, Vec<u8>); 2] =
            [(request_verdict, with_fields(lines)), (response_verdict, response_with_fields(lines))];
        for (verdict, input) in directions {
            match verdict(&input, &[]) {
                Verdict::Head { fields, len, .. } => {
                    assert_eq!((fields, len), (expected.clone(), input.len()), "{:?}", text(lines));
                }
                other => panic!("{:?}: {other:?}", text(lines)),
            }
            assert_splits_agree(&input, verdict);
        }
    }
}

#[test]
fn a_field_line_that_is_not_one_is_refused_in_both_directions() {
    for lines in BAD_FIELDS {
        for place in [lines.to_vec(), [b"A: b\r\n", *lines].concat(), [*lines, b"A: b\r\n"].concat()] {
            assert_eq!(
                request_verdict(&with_fields(&place), &[]),
                Verdict::Refused(400),
                "request with {:?}",
                text(&place)
            );
            assert_eq!(
                response_verdict(&response_with_fields(&place), &[]),
                Verdict::Refused(502),
                "response with {:?}",
                text(&place)
            );
        }
        assert_splits_agree(&with_fields(lines), request_verdict);
        assert_splits_agree(&response_with_fields(lines), response_verdict);
    }
}

#[test]
fn a_blank_before_the_first_field_is_refused_in_both_directions() {
    for lines in [&b" A: b\r\n"[..], b"\tA: b\r\n", b" \r\nA: b\r\n", b" A: b\r\nC: d\r\n"] {
        assert_eq!(request_verdict(&with_fields(lines), &[]), Verdict::Refused(400), "{:?}", text(lines));
        let input = response_with_fields(lines);
        assert_eq!(response_verdict(&input, &[]), Verdict::Refused(502), "{:?}", text(lines));
        assert_splits_agree(&with_fields(lines), request_verdict);
    }
}

#[test]
fn what_a_browser_would_read_is_refused_in_a_request_all_the_same() {
    for lines in BAD_IN_REQUESTS {
        let input = with_fields(lines);
        assert_eq!(request_verdict(&input, &[]), Verdict::Refused(400), "{:?}", text(lines));
        assert_splits_agree(&input, request_verdict);
        let input = response_with_fields(lines);
        assert!(matches!(response_verdict(&input, &[]), Verdict::Head { .. }), "{:?}", text(lines));
    }
}

#[test]
fn a_folded_response_field_becomes_one_line() {
    for (lines, value) in [
        (&b"A: b\r\n c\r\n"[..], &b"b   c"[..]),
        (b"A: b\r\n\tc\r\n", b"b  \tc"),
        (b"A: b\r\n c\r\n\td\r\n", b"b   c  \td"),
        (b"A:\r\n b\r\n", b"b"),
        (b"A: b\r\n \r\n", b"b"),
        (b"A: \r\n \r\n", b""),
    ] {
        let input = response_with_fields(lines);
        let parsed = response(input.clone());
        let all = fields_of(&parsed.bytes, &parsed.head.fields);
        assert_eq!(all, [(b"A".to_vec(), value.to_vec())], "{:?}", text(lines));
        assert_eq!(parsed.head.len, input.len());
        assert_splits_agree(&input, response_verdict);
    }
    // What is folded is still judged.
    for lines in [&b"A\r\n : b\r\n"[..], b"A: b\r\n c\x00\r\n", b"A: b\r\r\n c\r\n", b"A: b\r\n\r c\r\n"] {
        assert_eq!(response_verdict(&response_with_fields(lines), &[]), Verdict::Refused(502));
    }
}

#[test]
fn unfolding_leaves_the_body_behind_the_head_alone() {
    let head = b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n";
    let body = b"x\r\n y\r\n\tz";
    let parsed = response([head.as_slice(), body].concat());
    assert_eq!(parsed.head.len, head.len());
    assert_eq!(&parsed.bytes[head.len()..], body);
}

#[test]
fn one_or_two_empty_lines_may_stand_before_a_request() {
    for (lines, expected) in [(0, true), (1, true), (2, true), (3, false), (9, false)] {
        let input = ["\r\n".repeat(lines), "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()].concat();
        match request_verdict(input.as_bytes(), &[]) {
            Verdict::Head { len, .. } if expected => assert_eq!(len, input.len()),
            Verdict::Refused(400) if !expected => {}
            other => panic!("{lines} lines: {other:?}"),
        }
        assert_splits_agree(input.as_bytes(), request_verdict);
    }
    assert_eq!(response_verdict(b"\r\nHTTP/1.1 200 OK\r\n\r\n", &[]), Verdict::Refused(502));
}

#[test]
fn a_line_that_ends_in_lf_alone_is_refused_wherever_it_stands() {
    for input in [
        &b"GET / HTTP/1.1\nHost: h\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: h\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\n",
        b"GET /\n\n",
        b"\n",
    ] {
        assert_eq!(request_verdict(input, &[]), Verdict::Refused(400), "{:?}", text(input));
        assert_splits_agree(input, request_verdict);
    }
}

#[test]
fn a_response_is_read_as_every_browser_reads_it() {
    for (head, expected) in LENIENT_RESPONSES {
        let parsed = response(*head);
        let fields = fields_of(&parsed.bytes, &parsed.head.fields);
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        assert_eq!((parsed.head.status, fields), (200, expected), "{:?}", text(head));
        assert_eq!(parsed.head.len, head.len(), "{:?}", text(head));
        assert_splits_agree(head, response_verdict);
        let behind = [head, &b"\x00\r\n y\n\n"[..]].concat();
        let read = response(behind.clone());
        assert_eq!(read.head.len, head.len());
        assert_eq!(read.bytes[head.len()..], behind[head.len()..], "what follows a head was touched");
    }
    for input in [&b"\nHTTP/1.1 200 OK\n\n"[..], b"\r\nHTTP/1.1 200 OK\r\n\r\n", b"\n", b"\r\n"] {
        assert_eq!(response_verdict(input, &[]), Verdict::Refused(502), "{:?}", text(input));
        assert_splits_agree(input, response_verdict);
    }
    for input in
        [&b"HTTP/1.1 200 OK\n"[..], b"HTTP/1.1 200\n", b"HTTP/1.1 200 OK\nA: b\n", b"HTTP/1.1 200 OK\n\r"]
    {
        assert_eq!(response_verdict(input, &[]), Verdict::Incomplete, "{:?}", text(input));
    }
}

#[test]
fn a_head_without_its_end_is_waited_for() {
    for input in [
        &b""[..],
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"G",
        b"GET /hello",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r",
        b"GET /\r\n",
    ] {
        assert_eq!(request_verdict(input, &[]), Verdict::Incomplete, "{:?}", text(input));
        assert_splits_agree(input, request_verdict);
    }
}

#[test]
fn what_cannot_be_http_is_refused_at_its_first_byte() {
    for input in [&b"\x16"[..], b"\x16\x03\x01", b"\r\n\x80", b"(", b" ", b"{", b"\x00"] {
        assert_eq!(request_verdict(input, &[]), Verdict::Refused(400), "{:?}", text(input));
    }
    // The preface of HTTP/2 is a head of its own, so nobody waits.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(request_verdict(preface, &[]), Verdict::Refused(505));
    assert_splits_agree(preface, request_verdict);
}

#[test]
fn what_stands_behind_a_head_is_not_looked_at() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for rest in [&b"\x00\n\xff"[..], b"GET /next\n", b"\r\n\r\n\r\n\r\n"] {
        let input = [head.as_slice(), rest].concat();
        let Verdict::Head { len, .. } = request_verdict(&input, &[]) else { panic!("{:?}", text(rest)) };
        assert_eq!(len, head.len());
    }
}

#[test]
fn a_status_line_is_read_as_it_stands() {
    for (line, expected) in STATUS_LINES {
        let input = [line, b"\r\nA: b\r\n\r\n".as_slice()].concat();
        match response_verdict(&input, &[]) {
            Verdict::Head { start, .. } => assert_eq!(start, *expected, "{:?}", text(line)),
            other => panic!("{:?}: {other:?}", text(line)),
        }
        assert_splits_agree(&input, response_verdict);
    }
    let parsed = response(b"HTTP/1.1 200 gr\xfc\xdf\r\n\r\n");
    assert_eq!(parsed.head.reason.of(&parsed.bytes), b"gr\xfc\xdf");
}

#[test]
fn a_status_line_that_is_not_one_is_a_bad_gateway() {
    for line in BAD_STATUS_LINES {
        let input = [line, b"\r\nA: b\r\n\r\n".as_slice()].concat();
        assert_eq!(response_verdict(&input, &[]), Verdict::Refused(502), "{:?}", text(line));
        assert_splits_agree(&input, response_verdict);
    }
}

#[test]
fn the_number_of_fields_is_bounded() {
    for most in [1, 63, 64, 65, 100, 1024] {
        for count in [most - 1, most, most + 1, 3 * most] {
            let mut input = with_fields("A: b\r\n".repeat(count).as_bytes());
            let (end, len) = find(&input, &[], HeadEnd::find_request).unwrap().unwrap();
            let parsed = parse_request(&input, &end, len, most, Fields::default());
            match parsed {
                Ok(head) => assert!(count <= most && head.fields.len() == count, "{count} of {most}"),
                Err(error) => assert!(
                    count > most && error == Error::RequestHeadTooLarge,
                    "{count} of {most}: {error:?}"
                ),
            }
            input.splice(..16, *b"HTTP/1.1 200 OK\r\n");
            let (end, len) = find(&input, &[], HeadEnd::find_response).unwrap().unwrap();
            let parsed = parse_response(&mut input, &end, len, most, Fields::default());
            assert_eq!(parsed.err(), (count > most).then_some(Error::ResponseHeadTooLarge));
        }
    }
}

#[test]
fn the_length_of_the_first_line_is_known_once_it_has_ended() {
    let mut end = HeadEnd::default();
    assert_eq!(end.find_request(b"\r\nGET / HTTP/1.1\r"), Ok(None));
    assert!(!end.has_first_line_within(1000));
    assert_eq!(end.find_request(b"\r\nGET / HTTP/1.1\r\n"), Ok(None));
    assert!(end.has_first_line_within(16) && !end.has_first_line_within(15));
}

#[test]
fn empty_lines_begin_nothing_and_stay_counted_when_they_are_forgotten() {
    for (input, begun) in [
        (&b""[..], false),
        (b"\r", false),
        (b"\r\n", false),
        (b"\r\n\r", false),
        (b"\r\n\r\n", false),
        (b"\rG", true),
        (b"G", true),
        (b"\r\nG", true),
        (b"GET / HTTP/1.1\r\n", true),
        (b"GET / HTTP/1.1\r\n\r", true),
    ] {
        let mut end = HeadEnd::default();
        assert_eq!(end.find_request(input), Ok(None), "{:?}", text(input));
        assert_eq!(end.has_begun(input), begun, "{:?}", text(input));
    }
    let mut end = HeadEnd::default();
    for _ in 0..2 {
        assert_eq!(end.find_request(b"\r\n"), Ok(None));
        end.forget();
    }
    let mut third = end;
    assert!(third.find_request(b"\r\n").is_err());
    let head = b"GET / HTTP/1.1\r\n\r\n";
    assert_eq!(end.find_request(head), Ok(Some(head.len())));
}

#[test]
fn storage_for_fields_is_emptied_before_it_is_used_again() {
    let first = request("GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\n\r\n");
    let recycled = first.head.fields.recycled();
    assert!(recycled.is_empty());
    let input = with_fields(b"Vary: c\r\n");
    let (end, len) = find(&input, &[], HeadEnd::find_request).unwrap().unwrap();
    let head = parse_request(&input, &end, len, MOST, recycled).unwrap();
    assert_eq!((head.fields.len(), head.fields.has(FieldId::Host)), (1, false));
}

#[test]
fn fields_are_found_by_name_first_and_all() {
    let sample = request("GET /x HTTP/1.1\r\nvia: a\r\nHost: h\r\nVIA: b\r\n\r\n");
    let request = sample.request();
    assert_eq!(request.values(FieldId::Via).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(request.value(FieldId::Via), Some(&b"a"[..]));
    assert_eq!(request.value(FieldId::Origin), None);
    assert_eq!((request.method_name(), request.target()), (&b"GET"[..], &b"/x"[..]));
}

#[test]
fn a_trailer_section_is_read_like_the_fields_of_a_head() {
    let parse = |section: &[u8]| {
        parse_fields(section, 0, section.len(), 2, Fields::default())
            .map(|fields| fields_of(section, &fields))
    };
    assert_eq!(parse(b"A: b\r\n\r\n").unwrap(), [(b"A".to_vec(), b"b".to_vec())]);
    assert_eq!(parse(b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), Err(HeadFault::TooManyFields));
    for section in [
        &b"A\r\n\r\n"[..],
        b"A: b\r\n c\r\n\r\n",
        b" A: b\r\n\r\n",
        b"A: b\r\n",
        b"",
        b"\r\n\r\n",
        b"A: b\r\n\r\nC: d\r\n\r\n",
    ] {
        assert!(matches!(parse(section), Err(HeadFault::Malformed(_))), "{:?}", text(section));
    }
}

#[test]
fn only_safe_methods_may_be_sent_again() {
    for (name, safe) in [
        ("GET", true),
        ("HEAD", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("POST", false),
        ("PUT", false),
        ("DELETE", false),
        ("PATCH", false),
        ("CONNECT", false),
        ("get", false),
        ("PROPFIND", false),
    ] {
        assert_eq!(Method::of(name.as_bytes()).is_safe(), safe, "{name}");
    }
}

/// Any bytes that come close to a head: parts of one, and bytes that break it.
fn near_heads() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just(b"GET / HTTP/1.1\r\n".to_vec()),
        4 => Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        6 => Just(b"\r\n".to_vec()),
        6 => Just(b"A: b\r\n".to_vec()),
        2 => Just(b" c\r\n".to_vec()),
        1 => Just(b"A : b\n".to_vec()),
        1 => Just(b"A: \x01\r\n".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"POST /x HTTP/1.0".to_vec()),
        1 => Just(b"Content_Length: 1\r\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn tokens() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 0x21..=0x7e_u8, 2 => Just(b' '), 1 => Just(b'\t'), 1 => 0x80..=0xff_u8];
    prop::collection::vec(byte, 0..20)
}

fn blanks() -> impl Strategy<Value = String> {
    "[ \t]{0,3}"
}

proptest! {
    #[test]
    fn every_split_of_any_bytes_gives_the_same_verdict(
        input in near_heads(),
        mut stops in prop::collection::vec(0..80_usize, 0..6),
    ) {
        stops.sort_unstable();
        prop_assert_eq!(request_verdict(&input, &stops), request_verdict(&input, &[]));
        prop_assert_eq!(response_verdict(&input, &stops), response_verdict(&input, &[]));
    }

    #[test]
    fn a_request_head_survives_being_read_and_written(
        method in tokens(),
        target in "/[!-~]{0,30}",
        fields in prop::collection::vec((tokens(), blanks(), values(), blanks()), 0..80),
    ) {
        let mut input = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, before, value, behind) in &fields {
            input.extend([name.as_bytes(), b":", before.as_bytes(), value, behind.as_bytes(), b"\r\n"].concat());
        }
        input.extend_from_slice(b"\r\n");
        let Verdict::Head { start, fields: read, len } = request_verdict(&input, &[]) else {
            // Only a name that could be taken for another is refused.
            prop_assert!(fields.iter().any(|(name, ..)| FieldId::is_underscore_alias(name.as_bytes())));
            return Ok(());
        };
        prop_assert_eq!((&start[0], &start[1], len), (&method, &target, input.len()));
        let expected: Vec<_> = fields
            .iter()
            .map(|(name, _, value, _)| (name.clone().into_bytes(), fields::trim(value).to_vec()))
            .collect();
        prop_assert_eq!(&read, &expected);

        let mut out = vec![0; input.len() + 2 * fields.len()];
        let mut writer = HeadWriter::new(&mut out);
        writer.request_line(start[0].as_bytes(), &[start[1].as_bytes()]);
        for (name, value) in &read {
            writer.field(name, value);
        }
        let written = writer.finish().unwrap();
        let again = request_verdict(&out[..written], &[]);
        prop_assert_eq!(again, Verdict::Head { start, fields: read, len: written });
    }

    #[test]
    fn a_response_head_survives_being_read_and_written(
        status in 100..=999_u16,
        reason in values(),
        fields in prop::collection::vec((tokens(), values()), 0..20),
    ) {
        let mut out = vec![0; 4096];
        let mut writer = HeadWriter::new(&mut out);
        writer.status_line(status, &reason);
        for (name, value) in &fields {
            writer.field(name.as_bytes(), value);
        }
        let written = writer.finish().unwrap();
        let parsed = try_response(&out[..written]).unwrap();
        prop_assert_eq!((parsed.head.status, parsed.head.reason.of(&parsed.bytes)), (status, &reason[..]));
        let expected: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), fields::trim(value).to_vec()))
            .collect();
        prop_assert_eq!(fields_of(&parsed.bytes, &parsed.head.fields), expected);
    }
}

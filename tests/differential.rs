//! Request heads as corsair and as httparse read them: every difference has a rule.
//!
//! httparse is what hyper and many others stand on, so a head that it takes and we refuse, or the other way
//! round, must be one that a rule of ours names. An unexplained difference fails.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use corsair::http1::head::{Fields, HeadEnd, Version, parse_request};
use proptest::prelude::*;
use serde_json::Value;

const DATA: &str = include_str!("data/wire_sample.json");
const MOST_FIELDS: usize = 100;

/// What a parser makes of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reading {
    /// More must come.
    Incomplete,
    Refused,
    Head(Head),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    method: Vec<u8>,
    target: Vec<u8>,
    minor: u8,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    len: usize,
}

fn ours(bytes: &[u8]) -> Reading {
    let mut end = HeadEnd::default();
    let len = match end.find_request(bytes) {
        Ok(Some(len)) => len,
        Ok(None) => return Reading::Incomplete,
        Err(_) => return Reading::Refused,
    };
    match parse_request(bytes, &end, len, MOST_FIELDS, Fields::default()) {
        Ok(head) => Reading::Head(Head {
            method: head.method_name.of(bytes).to_vec(),
            target: head.target.of(bytes).to_vec(),
            minor: if head.version == Version::Http10 { 0 } else { 1 },
            fields: head
                .fields
                .iter()
                .map(|field| (field.name.of(bytes).to_vec(), field.value.of(bytes).to_vec()))
                .collect(),
            len: head.len,
        }),
        Err(_) => Reading::Refused,
    }
}

fn theirs(bytes: &[u8]) -> Reading {
    let mut slots = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut slots);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => Reading::Head(Head {
            method: request.method.unwrap().as_bytes().to_vec(),
            target: request.path.unwrap().as_bytes().to_vec(),
            minor: request.version.unwrap(),
            fields: request
                .headers
                .iter()
                .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
                .collect(),
            len,
        }),
        Ok(httparse::Status::Partial) => Reading::Incomplete,
        Err(_) => Reading::Refused,
    }
}

/// One reason for which the two may differ: its rule, and when it applies.
struct Difference {
    rule: &'static str,
    /// Whether it explains these readings (theirs, ours) of these bytes.
    explains: fn(&[u8], &Reading, &Reading) -> bool,
}

/// The lines of what is there of a head, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut begun = false;
    lines.take_while(move |line| {
        begun |= !line.is_empty();
        !begun || !line.is_empty()
    })
}

/// The request line, as far as it is there.
fn request_line(bytes: &[u8]) -> &[u8] {
    lines(bytes).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Whether an LF stands alone in what is there of a head.
fn has_bare_lf(bytes: &[u8]) -> bool {
    let mut before = 0;
    let mut line = 0;
    let mut begun = false;
    for byte in bytes {
        if *byte == b'\n' {
            if before != b'\r' {
                return true;
            }
            if line == 1 && begun {
                return false;
            }
            begun |= line > 1;
            line = 0;
        } else {
            line += 1;
        }
        before = *byte;
    }
    false
}

fn leading_empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks(2).take_while(|pair| *pair == b"\r\n").count()
}

fn is_underscore_alias(name: &[u8]) -> bool {
    const ALIASED: &[&str] = &[
        "content-length",
        "transfer-encoding",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "http2-settings",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded-for",
        "client-ip",
        "real-ip",
    ];
    let dashed: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    name.contains(&b'_') && ALIASED.iter().any(|known| dashed.eq_ignore_ascii_case(known.as_bytes()))
}

/// Every difference there may be, with its rule of `corsair::http1`.
const DIFFERENCES: &[Difference] = &[
    Difference {
        rule: "rule 12: a line that ends in LF alone is refused",
        explains: |bytes, _, ours| *ours == Reading::Refused && has_bare_lf(bytes),
    },
    Difference {
        rule: "rule 12: at most two empty lines before the request line",
        explains: |bytes, _, ours| *ours == Reading::Refused && leading_empty_lines(bytes) > 2,
    },
    Difference {
        rule: "rule 16: an underscore is no dash in a framing, routing or forwarding field",
        explains: |_, theirs, ours| {
            let Reading::Head(head) = theirs else { return false };
            *ours == Reading::Refused && head.fields.iter().any(|(name, _)| is_underscore_alias(name))
        },
    },
    Difference {
        rule: "rule 17: no 8-bit byte in the target",
        explains: |_, theirs, ours| {
            let Reading::Head(head) = theirs else { return false };
            *ours == Reading::Refused && !head.target.is_ascii()
        },
    },
    Difference {
        rule: "rule 17: a higher minor version counts as 1.1",
        explains: |bytes, theirs, ours| {
            let line = request_line(bytes);
            let [.., b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] = line else { return false };
            // Apart from its version, it must be the same head.
            let mut known = bytes.to_vec();
            let at = bytes.windows(line.len()).position(|window| window == line).unwrap();
            known[at + line.len() - 1] = b'1';
            *theirs == Reading::Refused && self::ours(&known) == *ours && explain(&known).is_ok()
        },
    },
    Difference {
        rule: "rule 17: but for its first byte, a head is judged when it is complete",
        explains: |bytes, theirs, ours| {
            let complete = [bytes, b"\r\n\r\n"].concat();
            (theirs, ours) == (&Reading::Refused, &Reading::Incomplete)
                && self::ours(&complete) == Reading::Refused
        },
    },
];

/// The rule for which the two differ about these bytes, if they do.
fn explain(bytes: &[u8]) -> Result<Option<&'static str>, String> {
    let (theirs, ours) = (theirs(bytes), ours(bytes));
    if theirs == ours {
        return Ok(None);
    }
    let found = DIFFERENCES.iter().find(|difference| (difference.explains)(bytes, &theirs, &ours));
    found.map(|difference| Some(difference.rule)).ok_or_else(|| {
        format!("{:?}\n  httparse: {theirs:?}\n  corsair:  {ours:?}", String::from_utf8_lossy(bytes))
    })
}

/// Heads that each make one of the differences, or come close to one.
const HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"get /x?y HTTP/1.1\r\nA:b\r\nA:\t c \t\r\nB:\r\n\r\nbody",
    b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\n!#$%&'*+-.^_`|~: x\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"\nGET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n\n",
    b"GET /\n\n",
    b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.9\r\nHost: h\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1 \r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET /  HTTP/1.1\r\n\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET /\x7f HTTP/1.1\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"GET /\"<>\\^`{|} HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\x0bc\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: \x80\xa0\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent_Length: 5\r\n\r\n",
    b"GET / HTTP/1.1\r\nX_Forwarded_For: 5\r\n\r\n",
    b"GET / HTTP/1.1\r\napi_key: 5\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"(",
    b"\x16\r\n",
    b"GET",
    b"GET / HTTP/1.1\r\nHost: h",
    b"GET / HTTP/9",
];

/// The bytes of the sample's cases, each from every one of its heads on.
fn sample() -> Vec<Vec<u8>> {
    let data: Value = serde_json::from_str(DATA).unwrap();
    let mut heads = Vec::new();
    for case in data["cases"].as_array().unwrap() {
        let Some(steps) = case["send"].as_array() else { continue };
        let text: String = steps.iter().filter_map(Value::as_str).collect();
        heads.push(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect());
    }
    heads
}

#[test]
fn every_difference_from_httparse_has_a_rule() {
    let mut used = BTreeMap::<&str, usize>::new();
    let corpus = sample();
    assert!(corpus.len() > 100, "only {} cases", corpus.len());
    let mut unexplained = Vec::new();
    for bytes in HEADS.iter().map(|head| head.to_vec()).chain(corpus) {
        // A head also differs from itself by where it is cut.
        for end in 0..=bytes.len() {
            match explain(&bytes[..end]) {
                Ok(Some(rule)) => *used.entry(rule).or_default() += 1,
                Ok(None) => {}
                Err(difference) => unexplained.push(difference),
            }
        }
    }
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|difference| difference.rule).collect();
    assert_eq!(
        used.keys().copied().collect::<BTreeSet<_>>(),
        known,
        "a rule that explains nothing has no place"
    );
}

#[test]
fn what_httparse_takes_and_no_rule_forbids_is_read_alike() {
    for head in [
        &b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest"[..],
        b"POST /a?b HTTP/1.0\r\nA: \tb \r\nA:c\r\nEmpty:\r\n\r\n",
        b"\r\nM-SEARCH * HTTP/1.1\r\nX: \x80\xff\r\n\r\n",
    ] {
        assert_eq!(explain(head), Ok(None));
        assert!(matches!(ours(head), Reading::Head(_)));
    }
}

fn near_heads() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => Just(b"GET / HTTP/1.1\r\n".to_vec()),
        1 => Just(b"GET /\xc3\xa9 HTTP/1.1\r\n".to_vec()),
        1 => Just(b"GET / HTTP/1.5\r\n".to_vec()),
        4 => Just(b"\r\n".to_vec()),
        4 => Just(b"A: b\r\n".to_vec()),
        1 => Just(b" c\r\n".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"Transfer_Encoding: x\r\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..7).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_made_at_random_differ_by_named_rules_only(bytes in near_heads()) {
        prop_assert!(explain(&bytes).is_ok(), "{}", explain(&bytes).unwrap_err());
    }
}

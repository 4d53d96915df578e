//! A response head: nothing is accepted that a slow reader refuses, however it arrives, and what is accepted
//! reads back as itself when it is written again.

use corsair::{
    error::Error,
    http1::{
        emit::HeadWriter,
        head::{Fields, HeadEnd, ResponseHead, Version, parse_response},
        span::Span,
    },
};

use crate::{
    input::{Input, Pieces, shown},
    reference::head::{self, Lines, Old, Read},
};

/// What may follow a head that is not complete yet.
const COMPLETIONS: [&[u8]; 4] = [b"\r\n\r\n", b"\r\n", b"\n", b"/1.1 200 OK\r\n\r\n"];

/// What corsair makes of bytes that arrive in pieces; the bytes after folded lines have been unfolded.
enum Outcome {
    Complete(ResponseHead, Vec<u8>),
    Incomplete,
    Fault(Error),
}

/// The property.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pieces = Pieces::new(input.byte());
    let max_fields = input.pick(&[100, 3, 64, 65, 1024]);
    let bytes = input.rest();
    let whole = read(bytes, max_fields, || usize::MAX);
    let split = read(bytes, max_fields, || pieces.size());
    let expected = head::response(bytes, max_fields);
    let parts = match (&whole, &split) {
        (Outcome::Complete(whole, unfolded), Outcome::Complete(split, also_unfolded)) => {
            let parts = parts(unfolded, whole);
            assert_eq!(parts, self::parts(also_unfolded, split), "{}", shown(bytes));
            assert_eq!(whole.len, split.len);
            assert_eq!(unfolded[whole.len..], bytes[whole.len..], "what follows a head was touched");
            Some((parts, whole.len))
        }
        (Outcome::Complete(..), _) | (_, Outcome::Complete(..)) => {
            panic!("the pieces decide: {}", shown(bytes));
        }
        (Outcome::Incomplete, Outcome::Incomplete) => None,
        (Outcome::Fault(error), _) | (_, Outcome::Fault(error)) => {
            assert_eq!(error.status(), 502, "{error:?}");
            for completion in COMPLETIONS {
                let completed = head::response(&[bytes, completion].concat(), max_fields);
                assert!(!matches!(completed, Read::Complete(..)), "refused too early: {}", shown(bytes));
            }
            None
        }
    };
    match (parts, expected) {
        (Some((parts, len)), Read::Complete(expected, end)) => {
            assert_eq!((&parts, len), (&expected, end), "{}", shown(bytes));
            emitted_reads_back(&parts);
        }
        (None, Read::Incomplete) => {}
        // An empty line in front of the status line is noticed with the last one.
        (None, Read::Malformed(_)) => {
            let waits = matches!(whole, Outcome::Incomplete) && !bytes.starts_with(b"\r\n");
            assert!(!waits, "left waiting: {}", shown(bytes));
        }
        (got, expected) => panic!("{got:?}, but {expected:?}: {}", shown(bytes)),
    }
}

fn read(bytes: &[u8], max_fields: usize, mut size: impl FnMut() -> usize) -> Outcome {
    let mut bytes = bytes.to_vec();
    let mut end = HeadEnd::default();
    let mut here = 0;
    while here < bytes.len() {
        here = here.saturating_add(size()).min(bytes.len());
        match end.find_response(&bytes[..here]) {
            Ok(Some(len)) => {
                assert!(len <= here);
                let parsed = parse_response(&mut bytes[..here], &end, len, max_fields, Fields::default());
                return parsed.map_or_else(Outcome::Fault, |head| Outcome::Complete(head, bytes));
            }
            Ok(None) => {}
            Err(fault) => return Outcome::Fault(fault.in_response()),
        }
    }
    Outcome::Incomplete
}

/// The parts of a head, after a look at where they stand.
fn parts(bytes: &[u8], head: &ResponseHead) -> head::Response {
    let inside = |span: Span| {
        let range = span.range();
        assert!(range.start <= range.end && range.end <= head.len, "a span outside of {}", shown(bytes));
        span.of(bytes).to_vec()
    };
    let fields = head.fields.iter().map(|field| (inside(field.name), inside(field.value)));
    head::Response {
        status: head.status,
        reason: inside(head.reason),
        old: Old(head.version == Version::Http10),
        lines: Lines(fields.collect()),
    }
}

fn emitted_reads_back(parts: &head::Response) {
    let write = |out: &mut [u8]| {
        let mut writer = HeadWriter::new(out);
        writer.status_line(parts.status, &parts.reason);
        for (name, value) in &parts.lines.0 {
            writer.computed_field(name, value);
        }
        writer.finish()
    };
    let size = parts.lines.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let mut out = vec![0; size + parts.reason.len() + 32];
    let len = write(&mut out).expect("an accepted head can be written");
    let expected = head::Response { old: Old(false), ..parts.clone() };
    assert_eq!(head::response(&out[..len], usize::MAX), Read::Complete(expected, len));
    assert!(write(&mut out[..len - 1]).is_err(), "a head that does not fit was written");
}

//! A request head: nothing is accepted that a slow reader refuses, however it arrives, and what is accepted
//! reads back as itself when it is written again.

use corsair::{
    error::Error,
    http1::{
        emit::HeadWriter,
        head::{Fields, HeadEnd, Request, RequestHead, Version, parse_request},
        scan::OriginScan,
        target::RequestTarget,
    },
};

use crate::{
    input::{Input, Pieces, shown},
    reference::head::{self, Lines, Old, Read},
};

/// What may follow a head that is not complete yet.
const COMPLETIONS: [&[u8]; 4] = [b"\r\n\r\n", b"\r\n", b"\n", b" / HTTP/1.1\r\nHost: a\r\n\r\n"];

/// What corsair makes of bytes that arrive in pieces.
enum Outcome {
    Complete(RequestHead),
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
    let expected = head::request(bytes, max_fields);
    let parts = match (&whole, &split) {
        (Outcome::Complete(whole), Outcome::Complete(split)) => {
            let parts = parts(bytes, whole);
            assert_eq!(parts, self::parts(bytes, split), "{}", shown(bytes));
            assert_eq!(whole.len, split.len);
            Some((parts, whole.len))
        }
        (Outcome::Complete(_), _) | (_, Outcome::Complete(_)) => {
            panic!("the pieces decide: {}", shown(bytes));
        }
        (Outcome::Incomplete, Outcome::Incomplete) => None,
        (Outcome::Fault(error), _) | (_, Outcome::Fault(error)) => {
            assert!(matches!(error.status(), 400 | 431 | 505), "{error:?}");
            for completion in COMPLETIONS {
                let completed = head::request(&[bytes, completion].concat(), max_fields);
                assert!(!matches!(completed, Read::Complete(..)), "refused too early: {}", shown(bytes));
            }
            None
        }
    };
    match (parts, expected) {
        (Some((parts, len)), Read::Complete(expected, end)) => {
            assert_eq!((&parts, len), (&expected, end), "{}", shown(bytes));
            if let Outcome::Complete(head) = &whole {
                emitted_reads_back(bytes, head, &parts);
                target_is_what_it_says(bytes, head);
                scan_agrees(bytes, &parts.lines, len, &mut pieces);
            }
        }
        (None, Read::Incomplete) => {}
        (None, Read::Malformed(_)) => {
            assert!(!matches!(whole, Outcome::Incomplete), "left waiting: {}", shown(bytes));
        }
        (got, expected) => panic!("{got:?}, but {expected:?}: {}", shown(bytes)),
    }
}

fn read(bytes: &[u8], max_fields: usize, mut size: impl FnMut() -> usize) -> Outcome {
    let mut end = HeadEnd::default();
    let mut here = 0;
    while here < bytes.len() {
        here = here.saturating_add(size()).min(bytes.len());
        match end.find_request(&bytes[..here]) {
            Ok(Some(len)) => {
                assert!(len <= here);
                let head = parse_request(&bytes[..here], &end, len, max_fields, Fields::default());
                return head.map_or_else(Outcome::Fault, Outcome::Complete);
            }
            Ok(None) => {}
            Err(fault) => return Outcome::Fault(fault.in_request()),
        }
    }
    Outcome::Incomplete
}

/// The parts of a head, after a look at where they stand.
fn parts(bytes: &[u8], head: &RequestHead) -> head::Request {
    let mut last = 0;
    let mut inside = |span: corsair::http1::span::Span| {
        let range = span.range();
        assert!(range.start <= range.end && range.end <= head.len, "a span outside of {}", shown(bytes));
        assert!(range.is_empty() || last <= range.start, "spans in disorder: {}", shown(bytes));
        last = last.max(range.end);
        span.of(bytes).to_vec()
    };
    let (method, target) = (inside(head.method_name), inside(head.target));
    let fields = head.fields.iter().map(|field| (inside(field.name), inside(field.value)));
    head::Request {
        method,
        target,
        old: Old(head.version == Version::Http10),
        lines: Lines(fields.collect()),
    }
}

fn emitted_reads_back(bytes: &[u8], head: &RequestHead, parts: &head::Request) {
    let request = Request { bytes, head };
    let write = |out: &mut [u8]| {
        let mut writer = HeadWriter::new(out);
        writer.request_line(request.method_name(), &[request.target()]);
        for field in head.fields.iter() {
            writer.computed_field(field.name.of(bytes), field.value.of(bytes));
        }
        writer.finish()
    };
    let mut out = vec![0; bytes.len() + 4 * head.fields.len() + 16];
    let len = write(&mut out).expect("an accepted head can be written");
    match head::request(&out[..len], usize::MAX) {
        Read::Complete(again, end) => {
            assert_eq!(end, len);
            let expected = head::Request { old: Old(false), ..parts.clone() };
            assert_eq!(again, expected, "{}", shown(bytes));
        }
        other => panic!("{other:?} when written again: {}", shown(bytes)),
    }
    assert!(write(&mut out[..len - 1]).is_err(), "a head that does not fit was written");
}

/// Rules 19 to 21: the four forms, and one well-formed Host.
fn target_is_what_it_says(bytes: &[u8], head: &RequestHead) {
    let request = Request { bytes, head };
    let Ok(form) = RequestTarget::parse(request) else { return };
    let target = request.target();
    assert!(!target.contains(&b'#'), "{}", shown(target));
    assert_eq!(form == RequestTarget::Authority, request.method_name() == b"CONNECT", "{}", shown(target));
    if form == RequestTarget::Asterisk {
        assert_eq!((request.method_name(), target), (&b"OPTIONS"[..], &b"*"[..]));
    }
    let written = form.origin_form(request).concat();
    if form != RequestTarget::Authority {
        assert!(written.starts_with(b"/") || written == b"*", "{}", shown(&written));
        assert!(target.ends_with(&written) || written.starts_with(b"/?") || written.len() == 1);
    }
    let hosts = request.values(corsair::http1::fields::FieldId::Host).collect::<Vec<_>>();
    let Ok(authority) = form.authority(request) else { return };
    assert!(hosts.len() <= 1 && (head.version == Version::Http10 || hosts.len() == 1));
    assert!(hosts.iter().all(|host| head::is_authority(host)), "{}", shown(bytes));
    if let Some(authority) = authority {
        let authority = authority.of(bytes);
        assert!(head::is_authority(authority), "{}", shown(authority));
        if let RequestTarget::Absolute { .. } = form {
            let text = target.to_ascii_lowercase();
            let prefix = if text.starts_with(b"https://") { 8 } else { 7 };
            assert!(target[prefix..].starts_with(authority), "{}", shown(target));
            assert!(matches!(target[prefix + authority.len()..].first(), None | Some(b'/' | b'?')));
        }
    }
}

/// The search that is left for heads too large to keep finds what the parser finds.
fn scan_agrees(bytes: &[u8], lines: &Lines, len: usize, pieces: &mut Pieces) {
    let mut scan = OriginScan::default();
    let mut rest = bytes;
    let mut complete = false;
    while !rest.is_empty() && !complete {
        let (piece, behind) = rest.split_at(pieces.size().min(rest.len()));
        complete = scan.feed(piece);
        rest = behind;
    }
    assert!(complete, "the end of the head was missed: {}", shown(bytes));
    match (lines.all("origin")[..].first(), scan.origin()) {
        (Some(parsed), Some(found)) => {
            assert_eq!((*parsed, lines.count("origin")), (found, 1), "{}", shown(bytes));
        }
        (Some(_), None) => assert!(lines.count("origin") > 1 || len > 270, "{}", shown(bytes)),
        (None, None) => {}
        (None, Some(found)) => panic!("an origin out of nothing: {}", shown(found)),
    }
}

//! Framing: the same answer as a slow reader of RFC 9112 §6.3, and none where lengths meet.

use corsair::http1::{
    fields::FieldId,
    framing::Framing,
    head::{Fields, HeadEnd, Method, Request, RequestHead, Response, parse_request, parse_response},
};

use crate::{
    input::{Input, shown},
    reference::{
        framing::{self, Body},
        head::{self, Read},
    },
};

/// The property. A line of the input is a field; one that begins with `=` is a length, with `~` a coding.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let method = input.pick(&["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE", "BREW", "CONNECT"]);
    let version = input.pick(&["HTTP/1.1", "HTTP/1.0", "HTTP/1.7"]);
    let status = input.pick(&["200", "100", "103", "204", "304", "205", "404", "999", "500", "206"]);
    let mut block = Vec::new();
    for line in input.rest().split(|byte| *byte == b'\n') {
        let (name, value): (&[u8], _) = match line {
            [b'=', value @ ..] => (b"Content-Length:", value),
            [b'~', value @ ..] => (b"tRANSFER-eNCODING:", value),
            line => (b"", line),
        };
        if !line.is_empty() {
            block.extend_from_slice(&[name, value, b"\r\n"].concat());
        }
    }
    block.extend_from_slice(b"\r\n");
    let target = if method == "CONNECT" { "a:1" } else { "/" };
    request([format!("{method} {target} {version}\r\n").as_bytes(), &block].concat());
    response([format!("{version} {status} \r\n").as_bytes(), &block].concat(), method);
}

fn request(bytes: Vec<u8>) {
    let mut end = HeadEnd::default();
    let Ok(Some(len)) = end.find_request(&bytes) else { return };
    let Ok(head) = parse_request(&bytes, &end, len, 1024, Fields::default()) else { return };
    let Read::Complete(expected, _) = head::request(&bytes, 1024) else {
        panic!("accepted: {}", shown(&bytes));
    };
    let got = Framing::of_request(Request { bytes: &bytes, head: &head }).ok();
    assert_eq!(got.map(body), framing::of_request(&expected), "{}", shown(&bytes));
    if lengths_meet(&head) {
        assert_eq!(got, None, "{}", shown(&bytes));
    }
}

fn lengths_meet(head: &RequestHead) -> bool {
    let lengths = head.fields.all(FieldId::ContentLength).count();
    let codings = head.fields.all(FieldId::TransferEncoding).count();
    lengths + codings > 1
}

fn response(mut bytes: Vec<u8>, method: &str) {
    let mut end = HeadEnd::default();
    let Ok(Some(len)) = end.find_response(&bytes) else { return };
    let original = bytes.clone();
    let Ok(head) = parse_response(&mut bytes, &end, len, 1024, Fields::default()) else { return };
    let Read::Complete(expected, _) = head::response(&original, 1024) else {
        panic!("accepted: {}", shown(&original));
    };
    let of = Framing::of_response(Response { bytes: &bytes, head: &head }, Method::of(method.as_bytes()));
    let got = of.ok().map(|(framing, declared)| (body(framing), declared));
    assert_eq!(got, framing::of_response(&expected, method == "HEAD"), "{}", shown(&bytes));
}

const fn body(framing: Framing) -> Body {
    match framing {
        Framing::None => Body::None,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::Chunked,
        Framing::UntilClose => Body::UntilClose,
    }
}

//! Finding the end of a head and parsing it into a recycled list of fields, as the connection does: in one go where
//! it is there as a whole, in two steps otherwise.

use std::{hint::black_box, mem};

use corsair::http1::head::{
    Fields, HeadEnd, parse_request, parse_response, parse_whole_request, parse_whole_response,
};

use super::{
    Operation, Operations,
    samples::{APPLICATION_ANSWER, BROWSER, MAX_FIELDS, PLAIN, SMALL_ANSWER, full_answer, full_request},
};

pub(super) fn operations() -> Operations {
    vec![
        ("request-plain", request(PLAIN)),
        ("request-browser", request(BROWSER)),
        ("request-full", request(&full_request())),
        ("whole-request-plain", whole_request(PLAIN)),
        ("whole-request-browser", whole_request(BROWSER)),
        ("response-small", response(SMALL_ANSWER)),
        ("response-application", response(APPLICATION_ANSWER)),
        ("response-full", response(&full_answer())),
        ("whole-response-small", whole_response(SMALL_ANSWER)),
        ("whole-response-application", whole_response(APPLICATION_ANSWER)),
    ]
}

fn request(text: &str) -> Operation {
    let bytes = text.as_bytes().to_vec();
    let mut fields = Fields::default();
    Box::new(move || {
        let bytes = black_box(bytes.as_slice());
        let mut end = HeadEnd::default();
        let len = end.find_request(bytes).ok().flatten().expect("a complete head");
        let head = parse_request(bytes, &end, len, MAX_FIELDS, mem::take(&mut fields));
        fields = black_box(head).expect("a head that is right").fields.recycled();
    })
}

fn response(text: &str) -> Operation {
    let mut bytes = text.as_bytes().to_vec();
    let mut fields = Fields::default();
    Box::new(move || {
        let bytes = black_box(bytes.as_mut_slice());
        let mut end = HeadEnd::default();
        let len = end.find_response(bytes).ok().flatten().expect("a complete head");
        let head = parse_response(bytes, &end, len, MAX_FIELDS, mem::take(&mut fields));
        fields = black_box(head).expect("a head that is right").fields.recycled();
    })
}

fn whole_request(text: &str) -> Operation {
    let bytes = text.as_bytes().to_vec();
    let mut fields = Fields::default();
    Box::new(move || {
        let head = parse_whole_request(black_box(&bytes), MAX_FIELDS, &mut fields);
        fields = black_box(head).expect("a head that is right").fields.recycled();
    })
}

fn whole_response(text: &str) -> Operation {
    let bytes = text.as_bytes().to_vec();
    let mut fields = Fields::default();
    Box::new(move || {
        let head = parse_whole_response(black_box(&bytes), MAX_FIELDS, &mut fields);
        fields = black_box(head).expect("a head that is right").fields.recycled();
    })
}

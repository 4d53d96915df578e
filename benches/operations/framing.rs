//! Deciding how a body ends.

use std::hint::black_box;

use corsair::http1::{framing::Framing, head::Method};

use super::{
    Operation, Operations,
    samples::{APPLICATION_ANSWER, Answered, Asked, BROWSER, SMALL_ANSWER, full_answer, full_request},
};

pub(super) fn operations() -> Operations {
    vec![
        ("request-browser", request(BROWSER)),
        ("request-full", request(&full_request())),
        ("response-small", response(SMALL_ANSWER)),
        ("response-application", response(APPLICATION_ANSWER)),
        ("response-full", response(&full_answer())),
    ]
}

fn request(text: &str) -> Operation {
    let asked = Asked::new(text);
    Box::new(move || {
        black_box(Framing::of_request(black_box(asked.request()))).expect("one framing");
    })
}

fn response(text: &str) -> Operation {
    let answered = Answered::new(text);
    Box::new(move || {
        black_box(Framing::of_response(black_box(answered.response()), Method::Get)).expect("one framing");
    })
}

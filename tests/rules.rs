//! The rules of HTTP/1 on the wire, each a test named after it; the docs of `corsair::http1` list them.
//!
//! A raw client, a raw scripted origin and the real binary between them. What a test says of a message holds
//! for it whole, dribbled byte by byte and cut in two at every position; what it says of the upstream is said
//! of the bytes that reached it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod rules {
    mod choices;
    mod hop_by_hop;
    mod limits;
    mod request_framing;
    mod request_syntax;
    mod responses;
    mod scene;
    mod table;
}

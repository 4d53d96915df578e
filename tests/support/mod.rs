//! What the end-to-end tests share: the daemon as a child process, a raw client, origins of several
//! kinds, a bad network between any two of them.
//!
//! Nothing here knows the daemon's code: tests speak to it through its flags, its sockets and its logs.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(unused_imports, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod daemon;
pub(crate) mod gate;
pub(crate) mod hyper_origin;
pub(crate) mod impairment;
pub(crate) mod message;
pub(crate) mod name_server;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod taken;

use std::time::{Duration, Instant};

pub(crate) use client::Client;
pub(crate) use connection::Connection;
pub(crate) use daemon::Corsair;
pub(crate) use gate::Gate;
pub(crate) use impairment::{Impairment, Turns};
pub(crate) use message::{Fault, Fields, Framing, Request, Response};
pub(crate) use name_server::{NameServer, Zone};
pub(crate) use network::{Network, nobody};
pub(crate) use origin::{Exchange, Origin, Then};

/// The longest that a test waits for anything that should happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of latin-1 text.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1 text")).collect()
}

/// Bytes as latin-1 text.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// SHA-256 of `data` in lower-case hexadecimal.
pub(crate) fn sha256(data: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `length` bytes that do not compress or repeat, the same for the same `seed`.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut data = vec![0; length];
    random.fill(&mut data);
    data
}

/// A pause that is itself the thing under test (a stall, a slow peer), never a way to wait for an event.
pub(crate) fn pause(length: Duration) {
    let end = Instant::now() + length;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Looks at `condition` until it holds; panics with `what` after [`PATIENCE`].
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        pause(Duration::from_millis(5));
    }
}

/// A response with a length.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// `data` as a chunked body without trailers, cut at random.
pub(crate) fn chunked(data: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 64);
    let mut rest = data;
    while !rest.is_empty() {
        let size = random.usize(1..=rest.len().min(20_000));
        out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        out.extend_from_slice(&rest[..size]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[size..];
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

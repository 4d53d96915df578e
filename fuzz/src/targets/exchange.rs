//! A whole exchange: made-up client bytes and made-up upstream bytes through the real connection code.
//!
//! The client is one end of a pair of Unix sockets, the upstream a listener on loopback in the same runtime,
//! and the clock of that runtime is moved by hand whenever nothing else moves. Judged is what came out at
//! both ends: a strict server reads exactly requests that the client sent, a strict client reads exactly the
//! answers that belong to them, what was cut short is seen to be, and it ends.

mod judge;
mod stage;

use self::{
    judge::judge,
    stage::{Ending, Mode, Part, Play},
};
use crate::input::{Input, Pieces};

/// The property. The first part is what the client sends; each further one what the upstream answers to the
/// next request that it reads, behind a character that says how.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.pick(&[Mode::Reverse, Mode::Strict, Mode::Follow, Mode::Rewrite]);
    let ending = input.pick(&[Ending::Stays, Ending::HalfCloses, Ending::Leaves]);
    let pieces = match input.byte() {
        b'0' => None,
        seed => Some(Pieces::new(seed)),
    };
    let mut parts = input.parts();
    let client = parts.next().unwrap_or_default().to_vec();
    let port = stage::port();
    let client = if matches!(mode, Mode::Follow | Mode::Rewrite) { with_port(&client, port) } else { client };
    let answers = parts.map(|part| Part::read(part, port)).collect();
    let play = Play { mode, ending, pieces, client, answers };
    let record = stage::perform(&play);
    judge(&play, &record);
}

/// `bytes` with `@@` replaced by the port of the upstream, which no seed can know.
fn with_port(bytes: &[u8], port: u16) -> Vec<u8> {
    let digits = port.to_string().into_bytes();
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|window| window == b"@@") {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(&digits);
        rest = &rest[at + 2..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

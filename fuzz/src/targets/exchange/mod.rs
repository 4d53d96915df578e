//! A whole exchange: made-up client bytes and made-up upstream bytes through the real connection code.
//!
//! The client is one end of a pair of Unix sockets, the upstream a listener on loopback in the same runtime,
//! and the clock of that runtime is moved by hand whenever nothing else moves. Judged is what came out at
//! both ends: a strict server reads exactly requests that the client sent, a strict client reads exactly the
//! answers that belong to them, what was cut short is seen to be, and it ends.

mod stage;

mod judge;

use self::{
    judge::judge,
    stage::{Ending, Mode, Part, Play, written_out},
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
    let client = written_out(parts.next().unwrap_or_default());
    let answers = parts.map(Part::read).collect();
    let play = Play { mode, ending, pieces, client, answers };
    let record = stage::perform(&play);
    judge(&play, &record);
}

//! How long a server may be silent before a request is taken from it.

use std::time::{Duration, Instant};

/// How often it is looked at in the time for which it may be silent.
const LOOKS: u32 = 8;
/// The least between two looks, however short the time for an answer is.
const LEAST: Duration = Duration::from_millis(1);

/// A server from which an answer is awaited, and which has answered nobody meanwhile. One that answers others has its time for
/// a slow request; one that is frozen answers nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// From one look to the next.
    step: Duration,
    since: Instant,
    looked: Instant,
    /// How many requests it had answered at the last look.
    answered: u64,
}

/// What a look at a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has answered somebody of late.
    Enough,
    /// It has been silent for half of its share, and should be asked whether it answers at all: others may have asked it nothing.
    Little,
    /// It has been silent for its share.
    Nothing,
}

impl Silence {
    /// From when the request was `sent`, to a server that had `answered` so many by then: each of so many attempts has the same
    /// share of the time for a response.
    pub(super) fn new(response: Duration, attempts: u32, sent: Instant, answered: u64) -> Self {
        let step = (response / (attempts * LOOKS)).max(LEAST);
        Self { step, since: sent, looked: sent, answered }
    }

    /// When it is to be looked at next.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        self.looked + self.step
    }

    /// Looks at the server `now` that it has `answered` so many.
    #[must_use]
    pub fn look(&mut self, now: Instant, answered: u64) -> Heard {
        if self.answered != answered {
            (self.since, self.answered) = (now, answered);
        }
        self.looked = now;
        match now.saturating_duration_since(self.since) {
            silent if silent >= self.step * LOOKS => Heard::Nothing,
            silent if silent >= self.step * LOOKS / 2 => Heard::Little,
            _ => Heard::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_server_may_be_silent_for_a_share_of_the_time_for_a_response_and_every_answer_begins_it_anew() {
        use Heard::{Enough, Little, Nothing};
        // By how many seconds of eight it has answered how many, and what that shows.
        for (attempts, looks) in [
            (
                1,
                &[
                    (1, 7, Enough),
                    (3, 7, Enough),
                    (4, 7, Little),
                    (7, 7, Little),
                    (8, 7, Nothing),
                    (9, 7, Nothing),
                ][..],
            ),
            (
                2,
                &[
                    (1, 7, Enough),
                    (3, 7, Little),
                    (4, 7, Nothing),
                    (5, 8, Enough),
                    (8, 8, Little),
                    (9, 8, Nothing),
                ],
            ),
            // What was answered since it was looked at last counts from this look.
            (2, &[(3, 8, Enough), (4, 8, Enough), (6, 8, Little), (7, 8, Nothing)]),
            (8, &[(1, 7, Nothing), (2, 8, Enough), (3, 8, Nothing)]),
        ] {
            let sent = Instant::now();
            let mut silence = Silence::new(8 * SECOND, attempts, sent, 7);
            for (seconds, answered, expected) in looks {
                let heard = silence.look(sent + *seconds * SECOND, *answered);
                assert_eq!(heard, *expected, "{attempts} attempts: {answered} after {seconds} s");
            }
        }
    }

    #[test]
    fn it_is_looked_at_eight_times_in_its_share_and_never_without_a_pause() {
        for (response, attempts, step) in [
            (16 * SECOND, 2, SECOND),
            (16 * SECOND, 4, SECOND / 2),
            (Duration::from_millis(3), 16, LEAST),
            (Duration::ZERO, 2, LEAST),
        ] {
            let sent = Instant::now();
            let mut silence = Silence::new(response, attempts, sent, 0);
            for count in 1..=LOOKS {
                assert_eq!(silence.next_look(), sent + step * count, "{response:?}, {attempts}");
                let heard = silence.look(sent + step * count, 0);
                assert_eq!(heard == Heard::Nothing, count == LOOKS, "{response:?}, {attempts}");
            }
        }
    }
}

//! The states of an exchange and of its two flows, and what makes one of another.
//!
//! Each is an enumeration with one table of transitions; whatever happens later is held against it. A state that no
//! row names stays as it is.

use crate::error::Error;

/// How far the source of a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceState {
    /// More of its body is to come.
    Reading,
    /// Its body has been read to the end.
    Read,
    /// The rest of its body will not be read: it is malformed and the response has begun, or it belongs to no
    /// request any more.
    Cut,
}

/// What happens to the source of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceEvent {
    End,
    Cut,
}

impl SourceState {
    pub(super) const fn after(self, event: SourceEvent) -> Self {
        match (self, event) {
            (Self::Reading, SourceEvent::End) => Self::Read,
            (Self::Reading, SourceEvent::Cut) => Self::Cut,
            (Self::Read | Self::Cut, _) => self,
        }
    }
}

/// Whether the target of a flow takes what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    /// It does, and has let all of it go.
    Flushed,
    /// It does, and may hold back what a flush has not seen leave, as TLS does.
    Unflushed,
    /// It did not take the last bytes, or does not let them go.
    Blocked,
    /// It takes no more, or is not to have any more: what is left is thrown away.
    Discarding,
}

/// What happens to the target of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetEvent {
    /// Bytes have left.
    Wrote,
    /// The copy, which flushes before it waits, has written bytes.
    Copied,
    /// Everything has left.
    Flushed,
    /// A write or a flush has to wait.
    Held,
    /// Nothing more goes there.
    Discarded,
}

impl TargetState {
    pub(super) const fn after(self, event: TargetEvent) -> Self {
        match (self, event) {
            (Self::Discarding, _) | (_, TargetEvent::Discarded) => Self::Discarding,
            (_, TargetEvent::Flushed) | (Self::Blocked, TargetEvent::Wrote) => Self::Flushed,
            (_, TargetEvent::Copied) => Self::Unflushed,
            (_, TargetEvent::Held) => Self::Blocked,
            (Self::Flushed | Self::Unflushed, TargetEvent::Wrote) => self,
        }
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The response is complete.
    Done,
    /// The target redirects, and the gateway follows.
    Redirect,
    /// The answer has this status, and another server is asked instead.
    Declined(u16),
    /// The service lets the request in.
    Admitted,
    /// Nothing of an answer came in the share of the time that the attempt had, and another server is asked instead.
    Abandoned,
    /// 101: the rest is a tunnel.
    Switch,
    /// It cannot be completed.
    Failed(Error),
}

/// The course of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It goes on.
    Running,
    /// Both sides report an end, so that the copy ends; it goes on with large buffers.
    Paused,
    /// It is over.
    Over(Ended),
}

/// What happens to the course of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CourseEvent {
    Pause,
    Resume,
    End(Ended),
}

impl Course {
    pub(super) const fn after(self, event: CourseEvent) -> Self {
        match (self, event) {
            // The first reason stays.
            (Self::Over(_), _) => self,
            (_, CourseEvent::End(ended)) => Self::Over(ended),
            (_, CourseEvent::Pause) => Self::Paused,
            (_, CourseEvent::Resume) => Self::Running,
        }
    }
}

/// Whether the client has any of the final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseState {
    /// Not yet: an error can still be told.
    Awaited,
    /// It has begun to leave; an error can only cut it from now on.
    Begun,
}

/// What can still come from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientState {
    /// Anything.
    Open,
    /// Nothing: it has sent FIN, and still may read.
    HalfClosed,
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write};

    use super::*;

    /// Every pair of a state and an event, a line each.
    fn table<S: Copy + Debug, E: Copy + Debug>(
        states: &[S],
        events: &[E],
        after: impl Fn(S, E) -> S,
    ) -> String {
        let mut table = String::new();
        for state in states {
            for event in events {
                writeln!(table, "{state:?} + {event:?} = {:?}", after(*state, *event)).unwrap();
            }
        }
        table
    }

    #[test]
    fn a_body_that_has_ended_or_was_cut_stays_so() {
        use SourceState::{Cut, Read, Reading};
        let table = table(&[Reading, Read, Cut], &[SourceEvent::End, SourceEvent::Cut], SourceState::after);
        assert_eq!(
            table,
            "Reading + End = Read\n\
             Reading + Cut = Cut\n\
             Read + End = Read\n\
             Read + Cut = Read\n\
             Cut + End = Cut\n\
             Cut + Cut = Cut\n"
        );
    }

    #[test]
    fn a_target_that_discards_takes_nothing_any_more_and_only_a_flush_makes_sure() {
        use TargetEvent::{Copied, Discarded, Held, Wrote};
        use TargetState::{Blocked, Discarding, Flushed, Unflushed};
        let states = [Flushed, Unflushed, Blocked, Discarding];
        let events = [Wrote, Copied, TargetEvent::Flushed, Held, Discarded];
        assert_eq!(
            table(&states, &events, TargetState::after),
            "Flushed + Wrote = Flushed\n\
             Flushed + Copied = Unflushed\n\
             Flushed + Flushed = Flushed\n\
             Flushed + Held = Blocked\n\
             Flushed + Discarded = Discarding\n\
             Unflushed + Wrote = Unflushed\n\
             Unflushed + Copied = Unflushed\n\
             Unflushed + Flushed = Flushed\n\
             Unflushed + Held = Blocked\n\
             Unflushed + Discarded = Discarding\n\
             Blocked + Wrote = Flushed\n\
             Blocked + Copied = Unflushed\n\
             Blocked + Flushed = Flushed\n\
             Blocked + Held = Blocked\n\
             Blocked + Discarded = Discarding\n\
             Discarding + Wrote = Discarding\n\
             Discarding + Copied = Discarding\n\
             Discarding + Flushed = Discarding\n\
             Discarding + Held = Discarding\n\
             Discarding + Discarded = Discarding\n"
        );
    }

    #[test]
    fn the_first_reason_to_end_stays_and_a_pause_is_none() {
        use CourseEvent::{End, Pause, Resume};
        let states = [Course::Running, Course::Paused, Course::Over(Ended::Done)];
        let events = [Pause, Resume, End(Ended::Done), End(Ended::Failed(Error::ClientGone))];
        assert_eq!(
            table(&states, &events, Course::after),
            "Running + Pause = Paused\n\
             Running + Resume = Running\n\
             Running + End(Done) = Over(Done)\n\
             Running + End(Failed(ClientGone)) = Over(Failed(ClientGone))\n\
             Paused + Pause = Paused\n\
             Paused + Resume = Running\n\
             Paused + End(Done) = Over(Done)\n\
             Paused + End(Failed(ClientGone)) = Over(Failed(ClientGone))\n\
             Over(Done) + Pause = Over(Done)\n\
             Over(Done) + Resume = Over(Done)\n\
             Over(Done) + End(Done) = Over(Done)\n\
             Over(Done) + End(Failed(ClientGone)) = Over(Done)\n"
        );
    }
}

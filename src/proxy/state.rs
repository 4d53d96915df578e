//! What the two sides of an exchange tell each other and its watchdog: plain cells, one task.

use std::{
    cell::Cell,
    task::{Context, Poll},
};

use super::{splice::WORTHWHILE, stream::BULK_MARK};
use crate::error::Error;

/// What a direction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For bytes from its source.
    Read,
    /// For its target to take bytes.
    Write,
    /// For nothing: this direction is complete.
    Done,
}

/// One direction of an exchange.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Bytes that arrived or left, both counted: it only has to change when something moves.
    pub(crate) moved: Cell<u64>,
    /// Its source has given all it has.
    pub(crate) complete: Cell<bool>,
    /// Its target did not take the last bytes offered.
    pub(crate) blocked: Cell<bool>,
    /// Its target has taken bytes from the copy that a flush has not seen leave: TLS holds records back.
    pub(crate) unflushed: Cell<bool>,
    /// Bytes that arrived; an upload is judged by their rate.
    pub(crate) arrived: Cell<u64>,
    /// Bytes that left on the wire.
    pub(crate) sent: Cell<u64>,
}

impl Flow {
    const fn new() -> Self {
        Self {
            moved: Cell::new(0),
            complete: Cell::new(false),
            blocked: Cell::new(false),
            unflushed: Cell::new(false),
            arrived: Cell::new(0),
            sent: Cell::new(0),
        }
    }

    /// What this direction waits for.
    pub(crate) fn waiting(&self) -> Waiting {
        match (self.blocked.get(), self.complete.get()) {
            (true, _) => Waiting::Write,
            (false, true) => Waiting::Done,
            (false, false) => Waiting::Read,
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.moved.set(self.moved.get() + bytes as u64);
        self.arrived.set(self.arrived.get() + bytes as u64);
    }

    /// Whether so much has gone this way that large buffers pay.
    pub(crate) fn is_bulk(&self) -> bool {
        self.sent.get() >= BULK_MARK
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.moved.set(self.moved.get() + bytes as u64);
        self.sent.set(self.sent.get() + bytes as u64);
        self.blocked.set(false);
    }

    /// The copy has written `bytes`, and flushes its target before it waits for more.
    pub(crate) fn copied(&self, bytes: usize) {
        self.wrote(bytes);
        self.unflushed.set(true);
    }

    /// The copy has flushed its target, which has not let everything go if `is_pending`.
    pub(crate) fn flushed(&self, is_pending: bool) {
        self.blocked.set(is_pending);
        self.unflushed.set(is_pending);
    }
}

/// Why the sides ended a call of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The response is complete.
    Done,
    /// The target redirects, and the gateway follows.
    Redirect,
    /// 101: the rest is a tunnel.
    Switch,
    /// The stream proved to be bulk: go on with large buffers.
    Bulk,
    /// It cannot be completed.
    Failed(Error),
}

/// State of one exchange, shared by its sides.
#[derive(Debug)]
pub(crate) struct ExchangeState {
    /// Client to upstream.
    pub(crate) upload: Flow,
    /// Upstream to client.
    pub(crate) download: Flow,
    /// Why the exchange is over, once it is.
    ended: Cell<Option<Ended>>,
    /// The final response has begun to leave; an error can only cut it from now on.
    pub(crate) response_started: Cell<bool>,
    /// The whole request has been read.
    pub(crate) request_read: Cell<bool>,
    /// The rest of the request body will not be read: it is malformed, and the response has begun.
    pub(crate) upload_cut: Cell<bool>,
    /// Bytes of the request were thrown away: the upstream took no more, or had answered already.
    pub(crate) upload_discarded: Cell<bool>,
    /// A direction that proves to be bulk pauses, so that it can go on with large buffers.
    watches_for_bulk: Cell<bool>,
    /// The client has sent FIN, and still may read.
    pub(crate) client_half_closed: Cell<bool>,
}

impl ExchangeState {
    pub(crate) const fn new() -> Self {
        Self {
            upload: Flow::new(),
            download: Flow::new(),
            ended: Cell::new(None),
            response_started: Cell::new(false),
            request_read: Cell::new(false),
            upload_cut: Cell::new(false),
            upload_discarded: Cell::new(false),
            watches_for_bulk: Cell::new(false),
            client_half_closed: Cell::new(false),
        }
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.get()
    }

    /// Whether nothing more goes upstream; a pause for larger buffers is none.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.get().is_some_and(|ended| ended != Ended::Bulk)
    }

    /// Ends the exchange; the first reason stays, unless it was a pause.
    pub(crate) fn end(&self, reason: Ended) {
        if !self.is_over() {
            self.ended.set(Some(reason));
        }
    }

    /// Whether a stream that proves to be bulk is to pause.
    pub(crate) fn watch_for_bulk(&self, watch: bool) {
        self.watches_for_bulk.set(watch);
    }

    /// Pauses both directions if `flow` has proved to be bulk; whether it did. A pause within a large chunk, of
    /// which `opaque` bytes are left, is the better one: the rest can go through a pipe.
    ///
    /// The copy ends only when all that it took has left, which can take as long as a target likes; so there is
    /// no pause while anything waits to be written, in either direction. Pending is a reader that lets the copy
    /// flush what `flow` has written, and is asked again at once.
    pub(crate) fn poll_pause_for_bulk(
        &self,
        cx: &Context<'_>,
        flow: &Flow,
        other: &Flow,
        opaque: u64,
    ) -> Poll<bool> {
        let is_time = opaque >= WORTHWHILE || flow.sent.get() >= 2 * BULK_MARK;
        let is_held_up = flow.blocked.get() || other.blocked.get() || other.unflushed.get();
        if !self.watches_for_bulk.get() || !flow.is_bulk() || !is_time || is_held_up {
            return Poll::Ready(false);
        }
        if flow.unflushed.get() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.end(Ended::Bulk);
        Poll::Ready(true)
    }

    /// Goes on after a pause for larger buffers.
    pub(crate) fn resume(&self) {
        self.ended.set(None);
    }

    /// Ends the exchange with an error, as the copy wants to hear it: which one is kept here, because an
    /// `io::Error` cannot carry it.
    pub(crate) fn fail(&self, error: Error) -> std::io::Error {
        self.end(Ended::Failed(error));
        std::io::ErrorKind::Other.into()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// What is asked before a pause, of an exchange in which it is time for the download's.
    fn asked(hold_up: impl Fn(&ExchangeState)) -> (Poll<bool>, Option<Ended>) {
        let state = ExchangeState::new();
        state.watch_for_bulk(true);
        state.download.sent.set(BULK_MARK);
        hold_up(&state);
        let cx = Context::from_waker(Waker::noop());
        (state.poll_pause_for_bulk(&cx, &state.download, &state.upload, WORTHWHILE), state.ended())
    }

    #[test]
    fn nothing_pauses_while_anything_waits_to_be_written() {
        assert_eq!(asked(|_| {}), (Poll::Ready(true), Some(Ended::Bulk)));
        assert_eq!(asked(|state| state.watch_for_bulk(false)), (Poll::Ready(false), None));
        assert_eq!(asked(|state| state.download.sent.set(BULK_MARK - 1)), (Poll::Ready(false), None));
        assert_eq!(asked(|state| state.upload.blocked.set(true)), (Poll::Ready(false), None));
        assert_eq!(asked(|state| state.upload.copied(1)), (Poll::Ready(false), None));
        assert_eq!(asked(|state| state.download.flushed(true)), (Poll::Ready(false), None));
        // The copy flushes it now, and asks again.
        assert_eq!(asked(|state| state.download.copied(1)), (Poll::Pending, None));
        let flushed = asked(|state| {
            state.download.copied(1);
            state.download.flushed(false);
        });
        assert_eq!(flushed, (Poll::Ready(true), Some(Ended::Bulk)));
    }

    #[test]
    fn the_first_reason_to_end_stays_unless_it_was_a_pause() {
        let state = ExchangeState::new();
        state.end(Ended::Bulk);
        state.fail(Error::ClientGone);
        assert_eq!(state.ended(), Some(Ended::Failed(Error::ClientGone)));
        state.end(Ended::Done);
        assert_eq!(state.ended(), Some(Ended::Failed(Error::ClientGone)));
    }
}

//! What the two sides of an exchange tell each other and its watchdog: plain cells, one task.

use std::{
    cell::Cell,
    io, ptr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::state::{
    ClientState, Course, CourseEvent, Ended, ResponseState, SourceEvent, SourceState, TargetEvent,
    TargetState,
};
use crate::error::Error;

/// Bytes in one direction after which it counts as bulk: more than a peer's kernel and ours take in for a target that
/// reads nothing.
pub(crate) const BULK_MARK: u64 = 512 << 10;
/// A target that takes nothing for so long does not keep up with its source. The kernel asks for more when a third of
/// its buffer is free, so that with the default one who reads less than some 160 KB/s is found out.
pub(super) const STALL: Duration = Duration::from_millis(500);
/// The relay buffer of a response whose head is still waited for.
pub(super) const HEAD_BUFFER: usize = 4 << 10;
/// The least number of bytes ahead for which a pipe is cheaper than a buffer.
pub(super) const WORTHWHILE: u64 = 32 << 10;

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
    source: Cell<SourceState>,
    target: Cell<TargetState>,
    /// Bytes that arrived; an upload is judged by their rate.
    arrived: Cell<u64>,
    /// Bytes that left on the wire.
    pub(super) sent: Cell<u64>,
    /// Since when the target has taken nothing.
    pub(super) held_since: Cell<Option<Instant>>,
    /// Bytes that had left when the target last went on after a [`STALL`].
    stalled_at: Cell<Option<u64>>,
}

impl Flow {
    pub(super) const fn new() -> Self {
        Self {
            source: Cell::new(SourceState::Reading),
            target: Cell::new(TargetState::Flushed),
            arrived: Cell::new(0),
            sent: Cell::new(0),
            held_since: Cell::new(None),
            stalled_at: Cell::new(None),
        }
    }

    fn begin_anew(&self) {
        self.source.set(SourceState::Reading);
        self.target.set(TargetState::Flushed);
        self.arrived.set(0);
        self.sent.set(0);
        self.held_since.set(None);
        self.stalled_at.set(None);
    }

    /// What this direction waits for.
    pub(crate) fn waiting(&self) -> Waiting {
        match (self.target.get(), self.source.get()) {
            (TargetState::Blocked, _) => Waiting::Write,
            (_, SourceState::Reading) => Waiting::Read,
            (_, SourceState::Read | SourceState::Cut) => Waiting::Done,
        }
    }

    /// How far its source is.
    pub(crate) fn source(&self) -> SourceState {
        self.source.get()
    }

    /// Whether its target takes what it is given.
    pub(crate) fn target(&self) -> TargetState {
        self.target.get()
    }

    /// Changes with everything that arrives or leaves.
    pub(crate) fn moved(&self) -> u64 {
        self.arrived.get() + self.sent.get()
    }

    /// Bytes that arrived.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.get()
    }

    /// Bytes that left.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Bytes that left while the target kept up.
    pub(super) fn drained(&self) -> u64 {
        self.sent.get() - self.stalled_at.get().unwrap_or_default()
    }

    /// Whether so much has gone this way, to a target that keeps up, that large buffers pay.
    pub(crate) fn is_bulk(&self) -> bool {
        self.drained() >= BULK_MARK
    }

    /// Whether the target has stalled and not made good for it: what is read for it ahead only waits, so it gets no
    /// pipe and no large buffers.
    pub(super) fn lags(&self) -> bool {
        self.stalled_at.get().is_some() && !self.is_bulk()
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.arrived.set(self.arrived.get() + bytes as u64);
    }

    /// Its source has given all it has.
    pub(crate) fn read_to_end(&self) {
        self.source.set(self.source.get().after(SourceEvent::End));
    }

    /// What is left of its source will not be read.
    pub(crate) fn cut(&self) {
        self.source.set(self.source.get().after(SourceEvent::Cut));
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.goes_on();
        self.sent.set(self.sent.get() + bytes as u64);
        self.target.set(self.target.get().after(TargetEvent::Wrote));
    }

    /// The copy has written `bytes`, and flushes its target before it waits for more.
    pub(crate) fn copied(&self, bytes: usize) {
        self.goes_on();
        self.sent.set(self.sent.get() + bytes as u64);
        self.target.set(self.target.get().after(TargetEvent::Copied));
    }

    /// The target did not take the last bytes offered.
    pub(crate) fn held(&self) {
        if self.held_since.get().is_none() {
            self.held_since.set(Some(Instant::now()));
        }
        self.target.set(self.target.get().after(TargetEvent::Held));
    }

    /// The target takes bytes, perhaps after a stall.
    fn goes_on(&self) {
        if self.held_since.take().is_some_and(|since| since.elapsed() >= STALL) {
            self.stalled_at.set(Some(self.sent.get()));
        }
    }

    /// The copy has flushed its target, which has not let everything go if `is_pending`.
    pub(crate) fn flushed(&self, is_pending: bool) {
        if is_pending {
            return self.held();
        }
        self.goes_on();
        self.target.set(self.target.get().after(TargetEvent::Flushed));
    }

    /// Bytes are thrown away from now on: the target takes no more, or has answered already.
    pub(crate) fn discard(&self) {
        self.target.set(self.target.get().after(TargetEvent::Discarded));
    }

    pub(crate) fn is_discarding(&self) -> bool {
        self.target.get() == TargetState::Discarding
    }
}

/// State of one exchange, shared by its sides.
#[derive(Debug)]
pub(crate) struct ExchangeState {
    /// Client to upstream.
    pub(crate) upload: Flow,
    /// Upstream to client.
    pub(crate) download: Flow,
    course: Cell<Course>,
    response: Cell<ResponseState>,
    client: Cell<ClientState>,
    watch: Cell<Watch>,
    /// The whole body of the request has been kept.
    body_kept: Cell<bool>,
}

/// What a pause is for, so that the copy can go on with other buffers or a pipe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// A direction that proves to be bulk pauses: there is something to be had for it.
    pub(super) for_bulk: bool,
    /// There are large buffers; a direction that lags pauses, so that it can give them back.
    pub(super) has_large_buffers: bool,
    /// The response has a buffer for its head alone; it pauses when a body follows that is longer.
    pub(super) has_head_buffer: bool,
}

impl ExchangeState {
    pub(crate) const fn new() -> Self {
        Self {
            upload: Flow::new(),
            download: Flow::new(),
            course: Cell::new(Course::Running),
            response: Cell::new(ResponseState::Awaited),
            client: Cell::new(ClientState::Open),
            watch: Cell::new(Watch { for_bulk: false, has_large_buffers: false, has_head_buffer: false }),
            body_kept: Cell::new(false),
        }
    }

    /// Begins another attempt at the same request: what the client has done stays done.
    pub(crate) fn begin_anew(&self) {
        self.upload.begin_anew();
        self.download.begin_anew();
        self.course.set(Course::Running);
        self.response.set(ResponseState::Awaited);
        self.watch.set(Watch::default());
    }

    pub(crate) fn course(&self) -> Course {
        self.course.get()
    }

    /// Whether the sides are to report an end: the exchange is over, or pauses.
    pub(crate) fn has_stopped(&self) -> bool {
        self.course.get() != Course::Running
    }

    /// Whether nothing more goes upstream; a pause for larger buffers is none.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.course.get(), Course::Over(_))
    }

    /// Ends the exchange; the first reason stays.
    pub(crate) fn end(&self, reason: Ended) {
        self.course.set(self.course.get().after(CourseEvent::End(reason)));
    }

    /// Ends the exchange with an error, as the copy wants to hear it: which one is kept here, because an
    /// `io::Error` cannot carry it.
    pub(crate) fn fail(&self, error: Error) -> io::Error {
        self.end(Ended::Failed(error));
        io::ErrorKind::Other.into()
    }

    /// Goes on after a pause for larger buffers.
    pub(crate) fn resume(&self) {
        self.course.set(self.course.get().after(CourseEvent::Resume));
    }

    /// Whether all that has come in either direction has left, so that nothing is lost with the buffers of the copy.
    pub(super) fn is_settled(&self) -> bool {
        let has_left = |flow: &Flow| matches!(flow.target(), TargetState::Flushed | TargetState::Discarding);
        has_left(&self.upload) && has_left(&self.download)
    }

    /// The final response begins to leave; nothing else can be said any more.
    pub(crate) fn begin_response(&self) {
        self.response.set(ResponseState::Begun);
    }

    pub(crate) fn response_begun(&self) -> bool {
        self.response.get() == ResponseState::Begun
    }

    /// The client has sent FIN, which is no abort.
    pub(crate) fn half_close_client(&self) {
        self.client.set(ClientState::HalfClosed);
    }

    pub(crate) fn client_half_closed(&self) -> bool {
        self.client.get() == ClientState::HalfClosed
    }

    /// The whole body of the request has been kept, and can be sent again.
    pub(super) fn keep_body(&self) {
        self.body_kept.set(true);
    }

    /// Whether it has.
    pub(crate) fn body_kept(&self) -> bool {
        self.body_kept.get()
    }

    /// Whether the whole request has been read.
    pub(crate) fn request_read(&self) -> bool {
        self.upload.source() == SourceState::Read
    }

    /// What is to be paused for from now on.
    pub(super) fn watch(&self, watch: Watch) {
        self.watch.set(watch);
    }

    /// Pauses both directions if `flow` has proved to be bulk, or has large buffers and is it no more, or is a response
    /// that needs more than the buffer of its head; whether it did. A pause for more within a large chunk, of which
    /// `opaque` bytes are left, is the better one: the rest can go through a pipe.
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
        use TargetState::{Blocked, Unflushed};
        let is_time = opaque >= WORTHWHILE || flow.drained() >= 2 * BULK_MARK;
        let watch = self.watch.get();
        let gains = watch.for_bulk && flow.is_bulk() && is_time;
        let gives_back = watch.has_large_buffers && flow.lags() && !other.is_bulk();
        let outgrows = watch.has_head_buffer
            && ptr::eq(flow, &self.download)
            && opaque.max(flow.sent()) > HEAD_BUFFER as u64;
        let is_held_up = flow.target() == Blocked || matches!(other.target(), Blocked | Unflushed);
        if !(gains || gives_back || outgrows) || is_held_up {
            return Poll::Ready(false);
        }
        if flow.target() == Unflushed {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.course.set(self.course.get().after(CourseEvent::Pause));
        Poll::Ready(true)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// What is asked before a pause, of an exchange in which it is time for the download's.
    fn asked(hold_up: impl Fn(&ExchangeState)) -> (Poll<bool>, Course) {
        let state = ExchangeState::new();
        state.watch(Watch { for_bulk: true, ..Watch::default() });
        state.download.sent.set(BULK_MARK);
        hold_up(&state);
        let cx = Context::from_waker(Waker::noop());
        (state.poll_pause_for_bulk(&cx, &state.download, &state.upload, WORTHWHILE), state.course())
    }

    #[test]
    fn nothing_pauses_while_anything_waits_to_be_written() {
        use Course::{Paused, Running};
        assert_eq!(asked(|_| {}), (Poll::Ready(true), Paused));
        assert_eq!(asked(|state| state.watch(Watch::default())), (Poll::Ready(false), Running));
        assert_eq!(asked(|state| state.download.sent.set(BULK_MARK - 1)), (Poll::Ready(false), Running));
        assert_eq!(asked(|state| state.upload.held()), (Poll::Ready(false), Running));
        assert_eq!(asked(|state| state.upload.copied(1)), (Poll::Ready(false), Running));
        assert_eq!(asked(|state| state.download.flushed(true)), (Poll::Ready(false), Running));
        // The copy flushes it now, and asks again.
        assert_eq!(asked(|state| state.download.copied(1)), (Poll::Pending, Running));
        let flushed = asked(|state| {
            state.download.copied(1);
            state.download.flushed(false);
        });
        assert_eq!(flushed, (Poll::Ready(true), Paused));
    }

    /// The target, which did not take the last bytes offered, has stalled.
    fn stall(flow: &Flow) {
        flow.held();
        flow.held_since.set(Instant::now().checked_sub(STALL));
    }

    #[test]
    fn a_target_lags_from_a_stall_until_it_has_taken_what_makes_a_stream_bulk() {
        let flow = Flow::new();
        flow.wrote(1);
        assert!(!flow.lags() && !flow.is_bulk(), "nothing is known of it");
        flow.held();
        flow.wrote(BULK_MARK as usize);
        assert!(!flow.lags() && flow.is_bulk(), "it has been waited for, but not long");
        for goes_on in [Flow::wrote, Flow::copied] {
            stall(&flow);
            assert!(!flow.lags(), "that shows when it goes on");
            goes_on(&flow, 1);
            assert!(flow.lags() && !flow.is_bulk());
            flow.wrote(BULK_MARK as usize - 2);
            assert!(flow.lags() && !flow.is_bulk());
            flow.wrote(1);
            assert!(!flow.lags() && flow.is_bulk());
        }
        stall(&flow);
        flow.flushed(true);
        flow.flushed(false);
        assert!(flow.lags(), "what was held back by a flush has stalled no less");
        flow.begin_anew();
        assert!(!flow.lags());
    }

    #[test]
    fn a_response_that_outgrows_the_buffer_of_its_head_gets_another_one() {
        use Course::{Paused, Running};
        let asked = |has_head_buffer, sent, opaque, of_upload| {
            let state = ExchangeState::new();
            state.watch(Watch { has_head_buffer, ..Watch::default() });
            state.download.sent.set(sent);
            let (flow, other) = (&state.download, &state.upload);
            let (flow, other) = if of_upload { (other, flow) } else { (flow, other) };
            let cx = Context::from_waker(Waker::noop());
            (state.poll_pause_for_bulk(&cx, flow, other, opaque), state.course())
        };
        let (small, large) = (HEAD_BUFFER as u64, HEAD_BUFFER as u64 + 1);
        for (sent, opaque) in [(large, 0), (0, large)] {
            assert_eq!(asked(true, sent, opaque, false), (Poll::Ready(true), Paused), "{sent}, {opaque}");
            assert_eq!(asked(false, sent, opaque, false), (Poll::Ready(false), Running), "it has a buffer");
            assert_eq!(asked(true, sent, opaque, true), (Poll::Ready(false), Running), "the upload has too");
        }
        assert_eq!(asked(true, small, small, false), (Poll::Ready(false), Running), "it fits");
    }

    #[test]
    fn large_buffers_are_given_back_when_no_direction_is_bulk_any_more() {
        use Course::{Paused, Running};
        const LARGE: Watch = Watch { for_bulk: false, has_large_buffers: true, has_head_buffer: false };
        let lagging = |state: &ExchangeState| {
            stall(&state.download);
            state.download.wrote(0);
        };
        let held = |state: &ExchangeState| {
            state.watch(LARGE);
            lagging(state);
        };
        assert_eq!(asked(held), (Poll::Ready(true), Paused));
        assert_eq!(asked(lagging), (Poll::Ready(false), Running), "there are none");
        assert_eq!(asked(|state| state.watch(LARGE)), (Poll::Ready(false), Running), "it keeps up");
        let other = asked(|state| {
            held(state);
            state.upload.sent.set(BULK_MARK);
        });
        assert_eq!(other, (Poll::Ready(false), Running), "the other direction needs them");
    }

    #[test]
    fn the_first_reason_to_end_stays_unless_it_was_a_pause() {
        let state = ExchangeState::new();
        state.course.set(Course::Paused);
        state.fail(Error::ClientGone);
        assert_eq!(state.course(), Course::Over(Ended::Failed(Error::ClientGone)));
        state.end(Ended::Done);
        assert_eq!(state.course(), Course::Over(Ended::Failed(Error::ClientGone)));
    }

    #[test]
    fn another_attempt_begins_with_nothing_but_what_the_client_has_done() {
        let state = ExchangeState::new();
        state.upload.copied(1);
        state.upload.discard();
        state.upload.cut();
        state.begin_response();
        state.half_close_client();
        state.end(Ended::Redirect);
        state.begin_anew();
        assert_eq!((state.course(), state.response_begun()), (Course::Running, false));
        assert_eq!((state.upload.waiting(), state.upload.moved()), (Waiting::Read, 0));
        assert!(!state.upload.is_discarding() && state.client_half_closed());
    }
}

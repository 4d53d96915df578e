//! Reading a request head: the only wait in which a connection may be idle.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    beginnings::Number,
    core::Core,
    idle::{IdleSlot, LAST_CHANCE, SHORT_WAIT, Told},
    snapshot::Snapshot,
};
use crate::{
    error::Error,
    http1::{
        head::{HeadEnd, RequestHead, parse_request, parse_whole_request},
        scan::OriginScan,
    },
    net::{buffer::Buffer, stream::Stream, timer::Timer},
    plan::Refusal,
    trust::begins_proxy_header,
};

/// Bytes read at once while a head is waited for: nearly every head, and most short bodies with it.
const FIRST_READ: usize = 4 << 10;
/// How far, and for how long, an `Origin` is looked for beyond the limit of a head (rule 3 of [`proxy`](super)):
/// without it a script could not read why its request is refused.
const SCAN_BYTES: usize = 256 << 10;
const SCAN_TIME: Duration = Duration::from_secs(1);

const PROXY_HEADER: Error = Error::RequestHead(
    "this is a PROXY header and no request: its sender is not trusted, or the listener asks for none",
);

/// What the client sent.
pub(crate) enum Received {
    /// A request: its head in the buffer, and whatever came behind it. The duration is that from the first
    /// byte of the head to its end, where it took more than one read.
    Head(Buffer, RequestHead, Option<Duration>),
    /// Nothing more; nobody waits for an answer.
    Closed,
    /// Nothing for so long that the connection is to leave the runtime; by when a byte must have come.
    Idle(Instant),
    /// What cannot be served; the origin, if one was found.
    Fault(Error, Option<Vec<u8>>),
}

/// Where a request is waited for, and what has come of it.
pub(crate) struct Receiver<'a, 'c> {
    pub(crate) core: &'c Core,
    pub(crate) stream: &'a mut Stream,
    pub(crate) timer: &'a mut Timer,
    pub(crate) idle: &'a mut IdleSlot<'c>,
    /// Since when it has been idle, where the clock need not be asked for that.
    pub(crate) since: Option<Instant>,
    /// For how long the first byte is waited for.
    pub(crate) patience: Duration,
    /// Why its request is only refused: then its head has no more time than its first byte, and the client is told even
    /// where none has come by then.
    pub(crate) refusal: Option<Refusal>,
    /// Nothing has been asked on the connection before.
    pub(crate) is_new: bool,
    /// The connection leaves the runtime once it has been idle for long.
    pub(crate) may_leave: bool,
    /// What has come; none while nothing has.
    pub(crate) buffer: Option<Buffer>,
    pub(crate) progress: HeadProgress,
    /// What counts for the request: taken when its first byte has come, for who waits holds no configuration.
    pub(crate) snapshot: Option<Rc<Snapshot>>,
}

/// How far a wait has come.
#[derive(Default)]
pub(crate) struct HeadProgress {
    /// The stream has been asked, or need not be, before a buffer is taken.
    asked: bool,
    end: HeadEnd,
    /// Its place among those that wait to begin.
    number: Option<Number>,
    /// By when the first byte must have come.
    deadline: Option<Instant>,
    /// When it has, where the head was not complete then.
    begun: Option<Instant>,
}

/// How a wait for a head ended.
enum Wait {
    /// The head is there, and is the start of what has come.
    Complete(RequestHead),
    Ended,
    Idle(Instant),
    Expired,
    Fault(Error),
}

impl Receiver<'_, '_> {
    /// Waits for the next request. A connection that waits for its first byte holds no buffer.
    pub(crate) async fn receive(&mut self) -> Received {
        if let Some(buffer) = &mut self.buffer {
            buffer.compact();
            self.progress.asked = true;
        }
        let waited = poll_fn(|cx| self.poll_head(cx)).await;
        let Some(mut buffer) = self.buffer.take() else {
            return match waited {
                Wait::Idle(deadline) => Received::Idle(deadline),
                Wait::Fault(error) => Received::Fault(error, None),
                Wait::Complete(_) | Wait::Ended | Wait::Expired => Received::Closed,
            };
        };
        let error = match waited {
            Wait::Complete(head) => {
                buffer.consume(head.len);
                let took = self.progress.begun.map(|begun| begun.elapsed());
                return Received::Head(buffer, head, took);
            }
            Wait::Ended | Wait::Idle(_) => return Received::Closed,
            Wait::Expired => self.refusal.map_or(Error::RequestHeadTimeout, Refusal::error),
            Wait::Fault(error) => error,
        };
        // Boxed: rare, and its room would be every connection's.
        let origin = Box::pin(self.find_origin(&buffer, error)).await;
        Received::Fault(error, origin)
    }

    /// What counts for the request that has begun.
    pub(crate) fn snapshot(&mut self) -> Rc<Snapshot> {
        Rc::clone(self.snapshot.get_or_insert_with(|| self.core.snapshot()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        // Most clients wait for an answer before they ask again: the first look takes no buffer.
        if !std::mem::replace(&mut self.progress.asked, true) && self.stream.poll_readable(cx).is_pending() {
            return self.poll_idle(cx);
        }
        if self.buffer.is_none() {
            ready!(self.poll_turn(cx));
        }
        loop {
            let mut buffer = self.buffer.take().unwrap_or_else(|| self.core.buffers.take());
            if !buffer.is_empty()
                && let Some(wait) = self.look(buffer.unread())
            {
                self.buffer = Some(buffer);
                return Poll::Ready(wait);
            }
            // What a body brings at once would only lie here and be copied: it is read where it goes on.
            let size = if buffer.is_empty() { FIRST_READ } else { usize::MAX };
            match buffer.poll_fill_up_to(cx, self.stream, size) {
                Poll::Ready(Ok(size)) if size > 0 => {
                    self.idle.leave();
                    self.buffer = Some(buffer);
                }
                // The end of the connection, even in the middle of a head: nobody is left to be told.
                Poll::Ready(_) => return Poll::Ready(Wait::Ended),
                Poll::Pending if buffer.is_empty() => {
                    drop(buffer);
                    return self.poll_idle(cx);
                }
                Poll::Pending if !self.progress.end.has_begun(buffer.unread()) => {
                    // A client that sends such lines for ever must not begin to wait anew with each.
                    self.may_leave = false;
                    if buffer.unread().ends_with(b"\n") {
                        self.progress.end.forget();
                        drop(buffer);
                    } else {
                        self.buffer = Some(buffer);
                    }
                    return self.poll_idle(cx);
                }
                Poll::Pending => {
                    self.buffer = Some(buffer);
                    let begun = *self.progress.begun.get_or_insert_with(Instant::now);
                    let patience = if self.refusal.is_some() {
                        self.patience
                    } else {
                        self.snapshot().config.timeouts.head
                    };
                    return self.timer.poll_until(cx, begun + patience).map(|()| Wait::Expired);
                }
            }
        }
    }

    /// Ready when it may begin (rule 31 of [`proxy`](super)). Only what has come waits for that, and is not idle then.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { core, stream, idle, progress: HeadProgress { number, .. }, .. } = self;
        if number.is_none() {
            if !core.beginnings.is_crowded() || stream.poll_more(cx).is_pending() {
                return Poll::Ready(());
            }
            idle.leave();
        }
        core.beginnings.poll_begin(cx, number)
    }

    /// Looks for a head in what has come; nothing while it is incomplete.
    fn look(&mut self, bytes: &[u8]) -> Option<Wait> {
        let Self { core, snapshot, progress, .. } = self;
        let limits = &snapshot.get_or_insert_with(|| core.snapshot()).config.limits;
        let end = &mut progress.end;
        let mut recycled = core.take_fields();
        // Nearly every head comes as a whole.
        if end.is_new()
            && let Some(head) = parse_whole_request(bytes, limits.fields, &mut recycled)
            && head.len <= limits.head
        {
            return Some(Wait::Complete(head));
        }
        let too_long = bytes.len() >= limits.head;
        let error = match end.find_request(bytes) {
            Ok(Some(len)) if len <= limits.head => {
                match parse_request(bytes, end, len, limits.fields, recycled) {
                    Ok(head) => return Some(Wait::Complete(head)),
                    Err(error) => error,
                }
            }
            Ok(None) if !too_long => {
                core.put_fields(recycled);
                return None;
            }
            Ok(_) if end.has_first_line_within(limits.head) => Error::RequestHeadTooLarge,
            Ok(_) => Error::RequestLineTooLong,
            Err(fault) => fault.in_request(),
        };
        Some(Wait::Fault(if begins_proxy_header(bytes) { PROXY_HEADER } else { error }))
    }

    /// Nothing has come yet but perhaps an empty line (rule 12 of [`http1`](crate::http1)): expiry is silent, for a browser's
    /// spare connection asked nothing (rule 1 of [`proxy`](super)). Only who is refused is told so: what it asks may be on
    /// its way.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        let deadline = &mut self.progress.deadline;
        let since = self.since;
        let patience = *deadline.get_or_insert_with(|| since.unwrap_or_else(Instant::now) + self.patience);
        let since = patience.checked_sub(self.patience).unwrap_or(patience);
        // Who is refused has no place that somebody else could take.
        let told = match self.refusal {
            None => self.idle.wait(cx.waker(), since, self.may_leave),
            Some(_) => Told::Stay,
        };
        if self.core.is_draining() {
            let last = patience.min(Instant::now() + LAST_CHANCE);
            *deadline = Some(last);
            return self.timer.poll_until(cx, last).map(|()| Wait::Ended);
        }
        // The runtime may not have looked since a request came, which is not lost for a newcomer.
        if told == Told::End && self.stream.is_idle_now() {
            return Poll::Ready(self.superseded());
        }
        if told == Told::Leave {
            return Poll::Ready(Wait::Idle(patience));
        }
        if self.may_leave && self.patience >= SHORT_WAIT {
            return Poll::Pending;
        }
        let expired = self.refusal.map_or(Wait::Ended, |refusal| Wait::Fault(refusal.error()));
        self.timer.poll_until(cx, patience).map(|()| expired)
    }

    /// It ends for a newcomer. Where newcomers are told that there is no memory for them, so is this one, if it is as new:
    /// what it asks may be on its way.
    fn superseded(&self) -> Wait {
        let tells = self.is_new && self.core.snapshot().config.process.reserve() > 0;
        if tells { Wait::Fault(Refusal::Memory.error()) } else { Wait::Ended }
    }

    /// The `Origin` of a head that is not understood. Where the policy makes a difference between origins and
    /// the head is only too long, the rest of it is read and thrown away in the search.
    async fn find_origin(&mut self, buffer: &Buffer, error: Error) -> Option<Vec<u8>> {
        let mut scan = OriginScan::default();
        let complete = scan.feed(buffer.unread());
        let goes_on = matches!(error, Error::RequestHeadTooLarge | Error::RequestLineTooLong);
        if goes_on && !complete && self.snapshot().config.cors().depends_on_origin() {
            let deadline = Instant::now() + SCAN_TIME;
            let mut room = self.core.buffers.take();
            let mut left = SCAN_BYTES;
            poll_fn(|cx| {
                while left > 0 {
                    room.clear();
                    match room.poll_fill(cx, self.stream) {
                        Poll::Ready(Ok(size)) if size > 0 => {
                            left = left.saturating_sub(size);
                            if scan.feed(room.unread()) {
                                break;
                            }
                        }
                        Poll::Ready(_) => break,
                        Poll::Pending => return self.timer.poll_until(cx, deadline),
                    }
                }
                Poll::Ready(())
            })
            .await;
        }
        scan.origin().map(<[u8]>::to_vec)
    }
}

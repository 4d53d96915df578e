//! The upstream's end of a running exchange: the request body into it, the response out of it.
//!
//! Reading first gathers response heads (interim ones, then the final one), hands each to the pure rewrite and
//! yields what the client is to see, then the body in the framing that the client gets. Writing never fails:
//! an upstream that stops reading may still have an answer on the way, so the rest is thrown away.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{flow::ExchangeState, response_head::HeadReader, source::Source, state::Ended};
use crate::{
    error::Error,
    gateway::Hop,
    http1::{
        body::{BodyFault, BodyReader},
        head::{Request, RequestHead, Response, ResponseHead},
    },
    net::{buffer::Buffer, pipe::Pipe, stream::Stream},
    plan::{Arrived, ResponseContext, ResponsePlan, Seen},
    proxy::core::Core,
    upstream::RetryBudget,
};

/// Where the response stands.
#[derive(Debug)]
enum Phase {
    /// Heads are gathered.
    Head,
    /// The head is in the out buffer; the body follows.
    Body(BodyReader),
    /// Once the out buffer is empty, the exchange ends for this reason.
    Over(Ended),
}

/// What [`UpstreamSide::poll_head`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadArrived {
    /// An interim response is in the out buffer, or was dropped; the final one is still to come.
    Interim,
    /// The final head is in the out buffer.
    Final,
    /// A redirect that the gateway follows; nothing is in the out buffer.
    Redirect,
    /// A service lets the request in; what has come behind the head is in the out buffer, and for nobody.
    Admitted,
    /// An answer of this status, instead of which another server is asked; nothing is in the out buffer.
    Declined(u16),
    /// The head of a 101 is in the out buffer.
    Switch,
}

/// Which answers are declined, so that another server is asked.
#[derive(Clone, Copy)]
pub(crate) struct Declining<'a> {
    pub(crate) statuses: &'a [u16],
    /// What pays for it.
    pub(crate) budget: &'a RetryBudget,
}

impl Declining<'_> {
    /// `can_be_sent` says that the request has no body, or one that has been kept.
    fn takes(self, status: u16, can_be_sent: bool) -> bool {
        self.statuses.contains(&status) && can_be_sent && self.budget.spend()
    }
}

/// What is kept of the upstream's end while nothing moves.
#[derive(Debug)]
pub(crate) struct RestingUpstream {
    /// Nothing while heads are gathered.
    body: Option<Box<BodyReader>>,
    interim: usize,
    received: bool,
    plan: Option<ResponsePlan>,
    head_at: Option<Instant>,
}

impl RestingUpstream {
    /// The status of the answer that has begun, and since when.
    pub(crate) fn answered(&self) -> Option<(u16, Instant)> {
        self.plan.map(|plan| plan.status).zip(self.head_at)
    }
}

/// The upstream's end of one exchange.
pub(crate) struct UpstreamSide<'a> {
    pub(crate) stream: &'a mut Stream,
    reused: bool,
    state: &'a ExchangeState,
    context: ResponseContext<'a>,
    /// The request that is answered: its head, and the buffer that it is the start of.
    request: (&'a RequestHead, &'a RefCell<Buffer>),
    core: &'a Core,
    /// Holds the bytes of the response that have not been looked at yet.
    reader: HeadReader<'a>,
    /// What leaves for the client before anything else.
    pub(super) out: Option<Buffer>,
    /// What of the body is on its way through a pipe; it leaves behind `out`.
    pub(super) piped: Option<Pipe>,
    interim: usize,
    /// What of its answers is not for the client.
    pub(crate) declining: Option<Declining<'a>>,
    phase: Phase,
    /// Where a redirect leads.
    pub(crate) hop: Option<Box<Hop>>,
    /// Field lines that go on with a request which a service lets in.
    pub(crate) passed: Option<Box<[u8]>>,
    /// The final head's consequences.
    pub(crate) plan: Option<ResponsePlan>,
    /// More came than the response.
    excess: bool,
    /// The input has ended.
    at_end: bool,
    /// When the final head was complete.
    pub(crate) head_at: Option<Instant>,
}

impl<'a> UpstreamSide<'a> {
    /// The upstream on this connection, which has been `reused`. Heads are judged in this context; the storage that
    /// they take belongs to `core`.
    pub(crate) fn new(
        (stream, reused): (&'a mut Stream, bool),
        state: &'a ExchangeState,
        context: ResponseContext<'a>,
        request: (&'a RequestHead, &'a RefCell<Buffer>),
        core: &'a Core,
    ) -> Self {
        Self {
            stream,
            reused,
            state,
            context,
            request,
            core,
            reader: HeadReader::new(core),
            out: None,
            piped: None,
            interim: 0,
            declining: None,
            phase: Phase::Head,
            hop: None,
            passed: None,
            plan: None,
            excess: false,
            at_end: false,
            head_at: None,
        }
    }

    /// Whether all that is to be kept of it is what [`UpstreamSide::rest`] leaves.
    pub(crate) fn may_rest(&self) -> bool {
        let is_between_reads = self.reader.is_empty() && !(self.has_ready() || self.excess || self.at_end);
        is_between_reads && matches!(self.phase, Phase::Head | Phase::Body(_))
    }

    /// What is to be kept of it.
    pub(crate) fn rest(self) -> RestingUpstream {
        let Self { phase, interim, plan, head_at, .. } = self;
        let body = match phase {
            Phase::Body(body) => Some(Box::new(body)),
            Phase::Head | Phase::Over(_) => None,
        };
        RestingUpstream { body, interim, received: self.reader.received, plan, head_at }
    }

    /// Goes on where it rested.
    pub(crate) fn resume(&mut self, rest: RestingUpstream) {
        let RestingUpstream { body, interim, received, plan, head_at } = rest;
        (self.interim, self.plan, self.head_at) = (interim, plan, head_at);
        self.phase = body.map_or(Phase::Head, |body| Phase::Body(*body));
        self.reader.received = received;
    }

    /// Gathers the next head. Bytes for the client are in [`UpstreamSide::take_out`] afterwards.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<HeadArrived, Error>> {
        let head = ready!(self.reader.poll_head(cx, self.stream, &self.context.route.limits))?;
        Poll::Ready(self.accept_head(head))
    }

    /// Gathers the next head while a body may be on its way to the upstream.
    pub(super) fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let arrived = ready!(self.poll_head(cx))?;
        if matches!(arrived, HeadArrived::Final | HeadArrived::Switch) {
            self.state.begin_response();
        }
        Poll::Ready(Ok(()))
    }

    /// The status of an answer instead of which another server is asked.
    pub(crate) const fn declined(&self) -> Option<u16> {
        match self.phase {
            Phase::Over(Ended::Declined(status)) => Some(status),
            Phase::Head | Phase::Body(_) | Phase::Over(_) => None,
        }
    }

    /// Whether any byte of the response has come.
    pub(crate) const fn received(&self) -> bool {
        self.reader.received
    }

    /// Whether what comes next is of the body of the response.
    pub(super) const fn is_in_body(&self) -> bool {
        matches!(self.phase, Phase::Body(_)) && !self.has_ready()
    }

    /// Whether no final head has come, and nothing waits to leave for the client.
    pub(super) const fn awaits_head(&self) -> bool {
        matches!(self.phase, Phase::Head) && self.out.is_none()
    }

    /// Takes a head, which was parsed from the start of the buffer, out of it and acts on it.
    fn accept_head(&mut self, head: ResponseHead) -> Result<HeadArrived, Error> {
        // Whatever else it says.
        let can_be_sent = self.interim == 0 && (!self.context.has_body || self.state.body_kept());
        if self.declining.is_some_and(|declining| declining.takes(head.status, can_be_sent)) {
            self.reader.fields = head.fields;
            self.head_at = Some(Instant::now());
            self.phase = Phase::Over(Ended::Declined(head.status));
            return Ok(HeadArrived::Declined(head.status));
        }
        let Some(buffer) = &mut self.reader.buffer else { return Err(Error::Internal) };
        let limits = &self.context.route.limits;
        let mut out = self.out.take().unwrap_or_else(|| self.core.buffers.take());
        let now = Instant::now();
        let date = self.core.clock.date(now);
        let seen = Seen {
            request_read: self.state.request_read(),
            body_kept: self.state.body_kept(),
            reused: self.reused,
            date,
        };
        let arrived = {
            let (head_of_request, inbound) = (self.request.0, self.request.1.borrow());
            let request = Request { bytes: inbound.all(), head: head_of_request };
            let response = Response { bytes: buffer.unread(), head: &head };
            self.context.respond(request, response, &seen, out.spare())
        };
        let ResponseHead { fields, len, .. } = head;
        buffer.consume(len);
        self.reader.fields = fields;
        let arrived = arrived.inspect_err(|error| {
            // The response was none of ours; as far as this request goes, nothing came.
            self.reader.received &= !(error.is_retryable() && self.interim == 0);
        })?;
        match arrived {
            Arrived::Interim { written } => {
                self.interim += 1;
                if self.interim > limits.interim {
                    return Err(Error::TooManyInterim);
                }
                out.filled(written);
                self.out = Some(out).filter(|out| !out.is_empty());
                buffer.compact();
                Ok(HeadArrived::Interim)
            }
            Arrived::Redirect(hop) => {
                self.hop = Some(Box::new(hop));
                self.phase = Phase::Over(Ended::Redirect);
                Ok(HeadArrived::Redirect)
            }
            Arrived::Switch { written } => {
                out.filled(written);
                self.out = Some(out);
                self.phase = Phase::Over(Ended::Switch);
                Ok(HeadArrived::Switch)
            }
            Arrived::Final { written, plan } => {
                out.filled(written);
                self.begin_body(plan, now, out, len)?;
                Ok(HeadArrived::Final)
            }
            Arrived::Admitted { passed, plan } => {
                self.passed = Some(passed);
                self.begin_body(plan, now, out, len)?;
                Ok(HeadArrived::Admitted)
            }
        }
    }

    /// The final head, which took `len` bytes, has come; what leaves of it is in `out`.
    fn begin_body(&mut self, plan: ResponsePlan, now: Instant, out: Buffer, len: usize) -> Result<(), Error> {
        self.head_at = Some(now);
        self.state.download.received(len);
        let body = BodyReader::new(plan.framing, plan.recode, self.context.body_limits());
        self.phase = Phase::Body(body);
        self.plan = Some(plan);
        self.out = Some(out);
        self.fill_out()
    }

    /// Puts as much of the buffered body behind the head as there is room for, so that both leave in one
    /// write; for a small response that is all of it.
    fn fill_out(&mut self) -> Result<(), Error> {
        let (Phase::Body(body), Some(out), Some(buffer)) =
            (&mut self.phase, &mut self.out, &mut self.reader.buffer)
        else {
            return Ok(());
        };
        let room = out.spare();
        if room.len() >= BodyReader::MIN_ROOM && !buffer.is_empty() && !body.is_done() {
            let start = body.headroom();
            let size = body.appetite(room.len(), usize::MAX).min(buffer.unread().len());
            room[start..start + size].copy_from_slice(&buffer.unread()[..size]);
            let fed = body.feed(room, start..start + size).map_err(BodyFault::in_response)?;
            out.filled(fed.output);
            buffer.consume(size - fed.surplus);
        }
        if body.is_done() {
            let size = body.take_tail(out.spare());
            out.filled(size);
            self.excess |= !buffer.is_empty();
        }
        if buffer.is_empty() || body.is_done() {
            self.reader.buffer = None;
        }
        Ok(())
    }

    /// Adds what has come of the body in the meantime to what leaves with its head; waits for nothing.
    ///
    /// # Errors
    /// What is wrong with the body: while nothing has left, the client can still be told.
    pub(crate) async fn add_what_came(&mut self) -> Result<(), Error> {
        let Some(mut out) = self.out.take() else { return Ok(()) };
        let added = poll_fn(|cx| {
            while !self.is_complete() && out.spare_len() >= BodyReader::MIN_ROOM {
                match self.poll_body(cx, out.spare()) {
                    Poll::Ready(Ok(size)) => out.filled(size),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await;
        self.out = Some(out);
        added
    }

    /// What leaves for the client before the body goes on: heads, and what came of the body with them.
    pub(crate) fn take_out(&mut self) -> Option<Buffer> {
        self.out.take()
    }

    /// Whether the response is complete but for what [`UpstreamSide::take_out`] holds.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(&self.phase, Phase::Body(body) if body.is_written())
    }

    /// Whether bytes have come that have not left for the client.
    pub(super) const fn has_ready(&self) -> bool {
        self.out.is_some() || self.piped.is_some()
    }

    /// Whether the response ended on its framing and nothing came behind it, so that the connection may
    /// serve another request.
    pub(crate) fn ended_cleanly(&self) -> bool {
        self.is_complete() && !self.excess && !self.at_end
    }

    /// What came behind a 101; it belongs to the tunnel.
    pub(crate) fn take_leftover(&mut self) -> Option<Buffer> {
        self.reader.buffer.take().filter(|buffer| !buffer.is_empty())
    }
}

impl Source for UpstreamSide<'_> {
    fn stream(&self) -> &Stream {
        self.stream
    }

    fn opaque(&self) -> u64 {
        match &self.phase {
            Phase::Body(body) if self.reader.buffer.is_none() => body.opaque(),
            Phase::Head | Phase::Body(_) | Phase::Over(_) => 0,
        }
    }

    fn poll_pour(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, most: usize) -> Poll<Result<(), Error>> {
        let (Phase::Body(body), Some(tcp)) = (&mut self.phase, self.stream.plain_tcp()) else {
            return Poll::Ready(Err(Error::Internal));
        };
        match ready!(pipe.poll_fill(cx, tcp, most)) {
            Ok(0) => {
                self.at_end = true;
                body.end_of_input().map_err(BodyFault::in_response)?;
            }
            Ok(size) => {
                self.state.download.received(size);
                body.skipped(size as u64).map_err(BodyFault::in_response)?;
            }
            Err(_) => return Poll::Ready(Err(Error::ResponseIncomplete)),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Error>> {
        let Phase::Body(body) = &mut self.phase else { return Poll::Ready(Err(Error::Internal)) };
        loop {
            if body.is_done() {
                return Poll::Ready(Ok(body.take_tail(room)));
            }
            let start = body.headroom();
            // Whatever follows this body is not wanted: the connection will not be used again.
            let end = start + body.appetite(room.len(), room.len());
            let size = if let Some(buffer) = &mut self.reader.buffer {
                let size = buffer.unread().len().min(end - start);
                room[start..start + size].copy_from_slice(&buffer.unread()[..size]);
                buffer.consume(size);
                if buffer.is_empty() {
                    self.reader.buffer = None;
                }
                size
            } else {
                let mut into = ReadBuf::new(&mut room[start..end]);
                match ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut into)) {
                    Ok(()) => into.filled().len(),
                    Err(_) => return Poll::Ready(Err(Error::ResponseIncomplete)),
                }
            };
            if size == 0 {
                self.at_end = true;
                body.end_of_input().map_err(BodyFault::in_response)?;
                continue;
            }
            self.state.download.received(size);
            let fed = body.feed(room, start..start + size).map_err(BodyFault::in_response)?;
            self.excess |= fed.surplus > 0;
            if body.is_done() {
                self.excess |= self.reader.buffer.take().is_some();
            }
            if fed.output > 0 {
                return Poll::Ready(Ok(fed.output));
            }
        }
    }

    fn lead(&mut self) -> Option<&mut Buffer> {
        self.out.take_if(|out| out.is_empty());
        self.out.as_mut()
    }
}

impl AsyncRead for UpstreamSide<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let side = &mut *self;
        let state = side.state;
        let (upload, download) = (&state.upload, &state.download);
        loop {
            if state.has_stopped() {
                return Poll::Ready(Ok(()));
            }
            if let Some(out) = &mut side.out {
                let size = out.unread().len().min(buf.remaining());
                buf.put_slice(&out.unread()[..size]);
                out.consume(size);
                if out.is_empty() {
                    side.out = None;
                }
                if size > 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            if Pipe::copy_rest(&mut side.piped, buf)? {
                return Poll::Ready(Ok(()));
            }
            let ended = match &side.phase {
                Phase::Head => match ready!(side.poll_arrival(cx)) {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Err(state.fail(error))),
                },
                Phase::Over(ended) => *ended,
                Phase::Body(body) if body.is_written() => {
                    state.download.read_to_end();
                    Ended::Done
                }
                Phase::Body(_) if buf.remaining() < BodyReader::MIN_ROOM => {
                    // The copy still has bytes to write and comes back with an empty buffer.
                    return Poll::Pending;
                }
                Phase::Body(_)
                    if buf.filled().is_empty()
                        && ready!(state.poll_pause_for_bulk(cx, download, upload, side.opaque())) =>
                {
                    continue;
                }
                Phase::Body(_) => match ready!(side.poll_body(cx, buf.initialize_unfilled())) {
                    Ok(0) => continue,
                    Ok(size) => {
                        buf.advance(size);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) => return Poll::Ready(Err(state.fail(error))),
                },
            };
            if !buf.filled().is_empty() {
                // What the copy still holds must leave before this is over; it comes back empty.
                return Poll::Pending;
            }
            state.end(ended);
        }
    }
}

impl AsyncWrite for UpstreamSide<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let state = self.state;
        if !state.upload.is_discarding() && !state.is_over() {
            match Pin::new(&mut *self.stream).poll_write(cx, bytes) {
                Poll::Ready(Ok(size)) if size > 0 => {
                    state.upload.copied(size);
                    return Poll::Ready(Ok(size));
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    state.upload.held();
                    return Poll::Pending;
                }
            }
        }
        state.upload.discard();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.is_over() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut *self.stream).poll_flush(cx);
        self.state.upload.flushed(flushed.is_pending());
        // Whether the upstream took it shows in its answer.
        flushed.map(|_| Ok(()))
    }

    /// A request has ended, not the connection.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests;

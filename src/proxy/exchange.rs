//! One request on its way: to an upstream and back.
//!
//! The plan is made; here it is carried out. A connection is taken from the pool or opened, the request is
//! sent, the response relayed. A request that a stale pooled connection has swallowed is sent once more if
//! it may be; a redirect that the gateway follows leads to another round.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{io::AsyncWrite, time::Instant};

use super::{
    checkout::{self, Round},
    client_side::ClientSide,
    core::Core,
    identity::RequestId,
    plan::{Exchange, Plan},
    response::{ResponseContext, ResponsePlan},
    rewrite,
    route::{Destination, Target},
    splice,
    state::{Ended, ExchangeState},
    stream::stream,
    upstream_side::{HeadArrived, UpstreamSide},
};
use crate::{
    config::Config,
    error::Error,
    gateway::HopMethod,
    http1::{
        body::{BodyLimits, BodyReader, Recode},
        chunked::ChunkLimits,
        connection::Persistence,
        fields::FieldId,
        framing::Framing,
        head::{Method, Request, RequestHead, Version},
    },
    net::{Peer, buffer::Buffer, stream::Stream, timer::Timer},
    observe::metrics::PoolResult,
    upstream::{Lease, connector::OpeningTimes},
};

/// What is left to do with the client connection.
pub(crate) enum Next {
    /// Read the next request.
    KeepAlive,
    /// Close, after what the client still sends has been thrown away for a while.
    Close,
    /// Cut it off.
    Reset,
    /// It is a tunnel now.
    Tunnel(Box<TunnelEnds>),
}

/// The upstream's end of a tunnel.
pub(crate) struct TunnelEnds {
    pub(crate) lease: Lease,
    /// What the upstream sent behind its 101.
    pub(crate) from_upstream: Option<Buffer>,
}

/// What an exchange came to, for the log and the metrics; filled in as it goes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) error: Option<Error>,
    pub(crate) body_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) opening: OpeningTimes,
    pub(crate) first_byte: Option<Duration>,
    /// Time in which only the upstream could do something.
    pub(crate) waited: Duration,
    /// The bodies did not fit one buffer.
    pub(crate) streamed: bool,
    pub(crate) upstream: Option<Peer>,
    pub(crate) attempts: u32,
    pub(crate) reused: Option<bool>,
    /// The final response has begun to leave; nothing else can be said any more.
    pub(crate) response_started: bool,
    /// The response that was cut can only be seen as cut from a reset.
    pub(crate) cut_needs_reset: bool,
    /// The request body was read to its end.
    pub(crate) request_read: bool,
    /// How the request is called where the client gave it no name.
    pub(crate) request_id: RequestId,
    /// When the response was complete, where that is known.
    pub(crate) ended: Option<Instant>,
}

/// One request and everything that its exchange touches.
pub(crate) struct Job<'a> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) config: &'a Config,
    pub(crate) forwarding: &'a rewrite::Forwarding,
    pub(crate) stream: &'a mut Stream,
    pub(crate) inbound: &'a RefCell<Buffer>,
    pub(crate) head: &'a RequestHead,
    pub(crate) plan: &'a Plan,
    pub(crate) timer: &'a mut Timer,
    pub(crate) outcome: &'a mut Outcome,
    pub(crate) begun: Instant,
}

/// How one attempt ended.
enum Attempt {
    Done(Next),
    Redirect,
}

impl Job<'_> {
    /// Carries the exchange out.
    ///
    /// # Errors
    /// Why there is no complete response; [`Outcome::response_started`] says whether the client has part of
    /// one.
    pub(crate) async fn run(mut self, exchange: &mut Exchange) -> Result<Next, Error> {
        let mut body = self.request_body();
        self.outcome.request_read = body.is_done();
        let mut round = Round { deadline: self.deadline(self.begun), begun: self.begun, fresh_only: false };
        let mut uploaded = false;
        loop {
            let state = ExchangeState::new();
            let lease = checkout::checkout(&mut self, exchange, &round, &mut body, &state).await?;
            let reused = lease.reused;
            self.outcome.attempts += u32::from(reused);
            self.outcome.reused = Some(reused);
            self.outcome.upstream = Some(lease.peer.clone());
            let (received, attempt) = self.attempt(exchange, lease, &round, &mut body, &state).await;
            self.outcome.body_in = body.payload();
            self.outcome.request_read = body.is_done();
            match attempt {
                Ok(Attempt::Done(next)) => return Ok(next),
                Ok(Attempt::Redirect) => {
                    round.fresh_only = false;
                    if self.plan.framing != Framing::None && !uploaded {
                        // The clock stood still while the body was sent; it is never sent again (R5).
                        uploaded = true;
                        round.deadline = self.deadline(Instant::now());
                    }
                }
                Err(error) => {
                    let repeatable = self.head.method.is_safe() && self.plan.framing == Framing::None;
                    if !(error.is_retryable() && reused && !received && repeatable && !round.fresh_only) {
                        return Err(error);
                    }
                    self.core.counters.retry();
                    self.core.counters.pool_reuse(PoolResult::Stale);
                    round.fresh_only = true;
                }
            }
            round.begun = Instant::now();
        }
    }

    /// By when a request that set out at `begun` must have its response head, over all attempts.
    fn deadline(&self, begun: Instant) -> Instant {
        begun + self.config.timeouts.connect + self.config.timeouts.response
    }

    fn request_body(&self) -> BodyReader {
        let limits = &self.config.limits;
        BodyReader::new(
            self.plan.framing,
            Recode::Verbatim,
            BodyLimits {
                payload: limits.body.unwrap_or(u64::MAX),
                trailer_fields: limits.fields,
                chunked: ChunkLimits { extensions: limits.chunk_extensions, trailers: limits.trailers },
            },
        )
    }

    /// A browser never half-closes, so its FIN is an abort (reliability.md R16).
    fn fin_is_abort(&self) -> bool {
        let fields = &self.head.fields;
        fields.has(FieldId::Origin) || fields.has(FieldId::SecFetch)
    }

    /// The client's end of the exchange, and the timer of its connection.
    pub(super) fn client_side_and_timer<'s>(
        &'s mut self,
        body: &'s mut BodyReader,
        state: &'s ExchangeState,
    ) -> (ClientSide<'s>, &'s mut Timer) {
        let fin_is_abort = self.fin_is_abort();
        let Self { stream, inbound, head, timer, .. } = self;
        let head_len = head.len;
        (
            ClientSide {
                stream,
                inbound,
                head_len,
                body,
                state,
                fin_is_abort,
                next_check: None,
                piped: None,
            },
            timer,
        )
    }

    /// Sends the request over one connection and relays what comes back. The first value says whether any
    /// byte came.
    async fn attempt(
        &mut self,
        exchange: &mut Exchange,
        mut lease: Lease,
        round: &Round,
        body: &mut BodyReader,
        state: &ExchangeState,
    ) -> (bool, Result<Attempt, Error>) {
        let target = match &exchange.destination {
            Destination::Target(target) => Some(target),
            Destination::Upstream => None,
        };
        let out = match self.render(exchange, target, body, state) {
            Ok(out) => out,
            Err(error) => return (false, Err(error)),
        };
        if let Err(error) = self.send_request(&mut lease.stream, out, round.deadline, body, state).await {
            return (false, Err(error));
        }
        let sent = Instant::now();
        let deadline = round.deadline.min(sent + self.config.timeouts.response);
        let (core, config) = (self.core, self.config);
        let context = ResponseContext {
            config,
            identity: &core.identity,
            date: &core.date,
            inbound: self.inbound,
            request: self.head,
            exchange,
            cors: self.plan.cors,
            target,
            method: target.filter(|target| target.get).map_or(self.head.method, |_| Method::Get),
            has_body: self.plan.framing != Framing::None,
            persistence: if core.is_draining() { Persistence::Close } else { self.plan.persistence },
            reused: lease.reused,
            state,
        };
        let mut upstream =
            UpstreamSide::new(&mut lease.stream, state, &context, &core.buffers, core.take_fields());
        let relayed = self.relay(&mut upstream, deadline, body, state).await;
        core.put_fields(upstream.take_fields());
        let received = upstream.received;
        let clean = upstream.ended_cleanly() && body.is_written() && !state.upload_discarded.get();
        let (hop, plan, leftover) = (upstream.hop.take(), upstream.plan, upstream.take_leftover());
        let first_byte = upstream.head_at.map(|at| at.saturating_duration_since(sent));
        self.outcome.first_byte = first_byte;
        self.outcome.waited += first_byte.unwrap_or_default();
        self.note(state, plan);
        let ended = match relayed {
            Ok(ended) => ended,
            Err(error) => return (received, Err(error)),
        };
        let attempt = match (ended, hop, plan) {
            (Ended::Redirect, Some(hop), _) => {
                self.outcome.response_started = false;
                if let Destination::Target(target) = &mut exchange.destination {
                    target.hops += 1;
                    target.get |= hop.method == HopMethod::Get;
                    target.without_body |= hop.drop_body_fields;
                    target.crossed |= hop.cross_origin;
                    target.url = hop.target;
                }
                Attempt::Redirect
            }
            (Ended::Switch, ..) => {
                self.outcome.status = 101;
                Attempt::Done(Next::Tunnel(Box::new(TunnelEnds { lease, from_upstream: leftover })))
            }
            (_, _, Some(plan)) => {
                let now = Instant::now();
                self.outcome.ended = Some(now);
                if clean && plan.upstream_persists {
                    checkout::keep(self, exchange, lease, plan.patience, now);
                }
                let keeps = plan.persistence != Persistence::Close
                    && body.is_done()
                    && !(state.client_half_closed.get() && self.inbound.borrow().is_empty());
                Attempt::Done(if keeps { Next::KeepAlive } else { Next::Close })
            }
            _ => return (received, Err(Error::Internal)),
        };
        (received, Ok(attempt))
    }

    /// Writes down what an attempt came to.
    fn note(&mut self, state: &ExchangeState, plan: Option<ResponsePlan>) {
        self.outcome.bytes_out += state.download.sent.get();
        self.outcome.response_started |= state.response_started.get();
        if let Some(plan) = plan {
            self.outcome.status = plan.status;
            let unframed = plan.framing == Framing::UntilClose && plan.recode == Recode::Verbatim;
            // HTTP/1.0 clients read until the end, whatever the length said (http1.md, rule 33).
            self.outcome.cut_needs_reset =
                unframed || plan.recode == Recode::Dechunk || self.head.version == Version::Http10;
        }
    }

    /// The head of the upstream request, and behind it what has come of the body.
    fn render(
        &mut self,
        exchange: &Exchange,
        target: Option<&Target>,
        body: &mut BodyReader,
        state: &ExchangeState,
    ) -> Result<Buffer, Error> {
        let mut out = self.core.buffers.take();
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        let onward = checkout::onward(self, exchange, target, request);
        let sender = rewrite::Sender {
            forwarding: self.forwarding,
            identity: &self.core.identity,
            request_id: self.outcome.request_id,
        };
        let written = rewrite::request(request, exchange, &onward, &sender, out.spare())?;
        drop(inbound);
        out.filled(written);
        if onward_has_no_body(target) {
            return Ok(out);
        }
        let (mut client, _) = self.client_side_and_timer(body, state);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while !client.body.is_written() && out.spare_len() >= BodyReader::MIN_ROOM {
            match client.poll_body(&mut cx, out.spare()) {
                Poll::Ready(Ok(size)) => out.filled(size),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(out)
    }

    /// Writes the request. An upstream that takes no more may have answered already, so that is no error
    /// here: it shows when the answer is read.
    async fn send_request(
        &mut self,
        upstream: &mut Stream,
        mut out: Buffer,
        deadline: Instant,
        body: &mut BodyReader,
        state: &ExchangeState,
    ) -> Result<(), Error> {
        let (mut client, timer) = self.client_side_and_timer(body, state);
        poll_fn(|cx| {
            while !out.is_empty() {
                match Pin::new(&mut *upstream).poll_write(cx, out.unread()) {
                    Poll::Ready(Ok(size)) if size > 0 => {
                        state.upload.wrote(size);
                        out.consume(size);
                    }
                    Poll::Ready(_) => {
                        state.upload_discarded.set(true);
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {
                        return client.poll_leave(cx, timer, deadline, Error::UpstreamSendTimeout).map(Err);
                    }
                }
            }
            match Pin::new(&mut *upstream).poll_flush(cx) {
                Poll::Ready(_) => Poll::Ready(Ok(())),
                Poll::Pending => client.poll_leave(cx, timer, deadline, Error::UpstreamSendTimeout).map(Err),
            }
        })
        .await
    }

    /// Relays the response, and what is left of the request body.
    async fn relay(
        &mut self,
        upstream: &mut UpstreamSide<'_>,
        deadline: Instant,
        body: &mut BodyReader,
        state: &ExchangeState,
    ) -> Result<Ended, Error> {
        let without_body = onward_has_no_body(upstream.context.target);
        if without_body && !body.is_written() {
            // What is left of the client's body belongs to no request any more: it must never go upstream.
            state.upload_cut.set(true);
            state.upload_discarded.set(true);
        }
        if body.is_written() || without_body {
            state.request_read.set(body.is_done());
            state.upload.complete.set(true);
            loop {
                let arrived = self.head(upstream, deadline, body, state).await?;
                if arrived == HeadArrived::Redirect {
                    return Ok(Ended::Redirect);
                }
                if arrived == HeadArrived::Final && !upstream.is_complete() {
                    if splice::is_worthwhile(self.core, self.stream, upstream) {
                        state.response_started.set(true);
                        break;
                    }
                    upstream.add_what_came().await?;
                }
                if arrived != HeadArrived::Interim {
                    state.response_started.set(true);
                }
                if let Some(out) = upstream.take_out() {
                    let size = out.unread().len();
                    send(self.stream, out.unread(), self.timer, self.config.timeouts.send).await?;
                    state.download.wrote(size);
                }
                match arrived {
                    HeadArrived::Switch => return Ok(Ended::Switch),
                    HeadArrived::Final if upstream.is_complete() => return Ok(Ended::Done),
                    HeadArrived::Final => {
                        upstream.stream.acknowledge();
                        break;
                    }
                    HeadArrived::Interim | HeadArrived::Redirect => {}
                }
            }
        }
        let (core, config) = (self.core, self.config);
        self.outcome.streamed = true;
        let (mut client, timer) = self.client_side_and_timer(body, state);
        // Boxed, so that only a running stream pays for its size.
        Box::pin(stream(core, config, &mut client, upstream, state, timer)).await
    }

    /// Waits for the next head while an eye is kept on the client.
    async fn head(
        &mut self,
        upstream: &mut UpstreamSide<'_>,
        deadline: Instant,
        body: &mut BodyReader,
        state: &ExchangeState,
    ) -> Result<HeadArrived, Error> {
        let (mut client, timer) = self.client_side_and_timer(body, state);
        poll_fn(|cx| match upstream.poll_head(cx) {
            Poll::Ready(arrived) => Poll::Ready(arrived),
            Poll::Pending => client.poll_leave(cx, timer, deadline, Error::ResponseTimeout).map(Err),
        })
        .await
    }
}

fn onward_has_no_body(target: Option<&Target>) -> bool {
    target.is_some_and(|target| target.without_body)
}

/// Writes `bytes` to the client, which may take nothing for `patience`.
///
/// # Errors
/// [`Error::ClientGone`] and [`Error::ClientSendTimeout`].
pub(crate) async fn send(
    stream: &mut Stream,
    bytes: &[u8],
    timer: &mut Timer,
    patience: Duration,
) -> Result<(), Error> {
    let mut left = bytes;
    let mut deadline = None;
    poll_fn(|cx| {
        while !left.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, left) {
                Poll::Ready(Ok(size)) if size > 0 => {
                    left = &left[size..];
                    deadline = None;
                }
                Poll::Ready(_) => return Poll::Ready(Err(Error::ClientGone)),
                Poll::Pending => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                    return timer.poll_until(cx, deadline).map(|()| Err(Error::ClientSendTimeout));
                }
            }
        }
        match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_| Error::ClientGone)),
            Poll::Pending => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                timer.poll_until(cx, deadline).map(|()| Err(Error::ClientSendTimeout))
            }
        }
    })
    .await
}

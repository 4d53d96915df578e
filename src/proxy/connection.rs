//! One client connection from accept to close: read a head, decide, do, and again.

use std::{
    cell::{OnceCell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::AsyncWrite,
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    core::Core,
    exchange::{Job, Next, Outcome, TunnelEnds, send},
    identity::RequestId,
    plan::{Action, Answer, Client, Persistence, Plan, plan},
    receive::{Received, Receiver},
    record::{Finished, record_fault},
    respond::{Recipient, Responder},
    rewrite::Forwarding,
    tunnel::{self, TunnelLimits},
};
use crate::{
    config::Config,
    error::Error,
    http1::{
        framing::Framing,
        head::{Request, RequestHead},
    },
    net::{buffer::Buffer, handshake, parked, stream::Stream, timer::Timer},
};

/// A connection at rest: nothing has been read of its next request.
#[derive(Debug)]
pub struct IdleConnection {
    /// The connection.
    pub tcp: TcpStream,
    /// By when the first byte of a request must have come; if none has, it is to be closed without a word.
    pub deadline: Instant,
}

/// Serves one connection until it ends, or until it has been idle for so long that it should leave the
/// runtime, which [`Core::idle`] tells it to. `tls` is what its listener speaks; the first byte may take
/// `patience`.
pub async fn serve_connection(
    core: Rc<Core>,
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    client: Client,
    patience: Duration,
) -> Option<IdleConnection> {
    let stream = match tls {
        None => Stream::Tcp(tcp),
        Some(tls) => {
            // Boxed: the handshake's room is not the connection's.
            let handshake = Box::pin(handshake::accept(tls, tcp));
            match timeout(core.config.timeouts.head, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    };
    let may_leave = parked::AVAILABLE && matches!(stream, Stream::Tcp(_));
    Connection::new(&core, stream, client, may_leave).serve(patience).await
}

/// Serves one connection whose handshake, if it has one, is done, until it ends.
pub async fn serve_stream(core: Rc<Core>, stream: Stream, client: Client) {
    let patience = core.config.timeouts.head;
    // Not called by `serve_connection`: a future within a future would cost every connection its arguments
    // a second time.
    Connection::new(&core, stream, client, false).serve(patience).await;
}

/// A client connection.
struct Connection<'c> {
    core: &'c Rc<Core>,
    client: Client,
    /// What its requests say of it, once there is one.
    forwarding: OnceCell<Forwarding>,
    stream: Stream,
    timer: Timer,
    /// It leaves the runtime once it has been idle for long.
    may_leave: bool,
}

/// What becomes of a connection after a request.
enum After {
    /// Another one, of which this has come already.
    KeepAlive(Option<Buffer>),
    /// It ends; what the client still sends must be read, or a reset could destroy the answer.
    Linger,
    /// It ends.
    Close,
    /// It ends with a reset, so that a response that was cut is seen to be.
    Reset,
}

impl<'c> Connection<'c> {
    fn new(core: &'c Rc<Core>, stream: Stream, client: Client, may_leave: bool) -> Self {
        Self { core, client, forwarding: OnceCell::new(), stream, timer: Timer::default(), may_leave }
    }

    async fn serve(mut self, mut patience: Duration) -> Option<IdleConnection> {
        let core = Rc::clone(self.core);
        let mut idle = core.idle.slot();
        let mut early = None;
        let after = loop {
            let config = Arc::clone(&core.config);
            let receiver = Receiver {
                core: &core,
                config: &config,
                stream: &mut self.stream,
                timer: &mut self.timer,
                idle: &mut idle,
                patience,
                may_leave: self.may_leave,
            };
            patience = config.timeouts.keep_alive;
            let after = match receiver.receive(early.take()).await {
                Received::Closed => After::Close,
                Received::Idle(deadline) => {
                    return self.stream.into_tcp().map(|tcp| IdleConnection { tcp, deadline });
                }
                Received::Fault(error, origin) => self.refuse(&config, error, origin.as_deref()).await,
                Received::Head(buffer, head, took) => self.exchange(&config, buffer, head, took).await,
            };
            match after {
                After::KeepAlive(next) => early = next,
                After::Linger | After::Close | After::Reset => break after,
            }
        };
        self.end(after).await;
        None
    }

    /// Decides about a request and does what was decided.
    async fn exchange(
        &mut self,
        config: &Config,
        buffer: Buffer,
        head: RequestHead,
        head_took: Option<Duration>,
    ) -> After {
        let begun = Instant::now();
        let inbound = RefCell::new(buffer);
        let mut plan = {
            let inbound = inbound.borrow();
            let request = Request { bytes: inbound.all(), head: &head };
            plan(request, config, &self.client, &self.core.identity.id)
        };
        if self.core.is_draining() {
            plan.persistence = Persistence::Close;
        }
        let mut outcome = Outcome::default();
        let action = std::mem::replace(&mut plan.action, Action::Respond(Answer::LastHop));
        let next = match action {
            Action::Respond(answer) => {
                self.respond(config, &plan, &head, &inbound, answer, &mut outcome).await
            }
            Action::Exchange(mut exchange) => {
                let job = Job {
                    core: self.core,
                    config,
                    forwarding: self.forwarding.get_or_init(|| Forwarding::of(&self.client)),
                    stream: &mut self.stream,
                    inbound: &inbound,
                    head: &head,
                    plan: &plan,
                    timer: &mut self.timer,
                    outcome: &mut outcome,
                    begun,
                };
                match job.run(&mut exchange).await {
                    Ok(next) => next,
                    Err(error) => self.fail(config, &plan, &head, &inbound, error, &mut outcome).await,
                }
            }
        };
        let mut inbound = inbound.into_inner();
        let after = match next {
            Next::KeepAlive => After::KeepAlive(None),
            Next::Close if outcome.request_read && inbound.is_empty() && self.stream.is_idle() => {
                After::Close
            }
            Next::Close => After::Linger,
            Next::Reset => After::Reset,
            Next::Tunnel(ends) => {
                self.tunnel(config, *ends, &mut inbound, head.len, &mut outcome).await;
                After::Close
            }
        };
        let request = Request { bytes: inbound.all(), head: &head };
        let finished =
            Finished { client: &self.client, request, plan: &plan, outcome: &outcome, begun, head_took };
        finished.record(self.core);
        self.core.put_fields(head.fields);
        match after {
            After::KeepAlive(_) => After::KeepAlive(Some(inbound).filter(|inbound| !inbound.is_empty())),
            After::Linger | After::Close | After::Reset => after,
        }
    }

    /// Answers a request here.
    async fn respond(
        &mut self,
        config: &Config,
        plan: &Plan,
        head: &RequestHead,
        inbound: &RefCell<Buffer>,
        answer: Answer,
        outcome: &mut Outcome,
    ) -> Next {
        // A body that has come completely is skipped; for one that has not, nobody waits.
        let skipped = match plan.framing {
            Framing::None => true,
            Framing::Length(length) => {
                let mut inbound = inbound.borrow_mut();
                let here = usize::try_from(length).is_ok_and(|length| length <= inbound.unread().len());
                if here {
                    inbound.consume(usize::try_from(length).unwrap_or(0));
                }
                here
            }
            Framing::Chunked | Framing::UntilClose => false,
        };
        let persistence = if skipped { plan.persistence } else { Persistence::Close };
        outcome.request_read = skipped;
        outcome.error = match answer {
            Answer::Fault(error) => Some(error),
            Answer::Cors => plan.cors.reason().map(|_| Error::CorsRefused),
            Answer::Healthcheck | Answer::LastHop => None,
        };
        let mut out = self.core.buffers.take();
        let (size, status) = {
            let inbound = inbound.borrow();
            let recipient = Recipient::Request(Request { bytes: inbound.all(), head }, plan.cors);
            self.responder(config, outcome.request_id).write(answer, recipient, persistence, out.spare())
        };
        outcome.status = status;
        outcome.bytes_out += size as u64;
        let sent = send(&mut self.stream, &out.spare()[..size], &mut self.timer, config.timeouts.send).await;
        match (sent, persistence) {
            (Ok(()), Persistence::KeepAlive | Persistence::KeepAliveExplicit) if size > 0 => Next::KeepAlive,
            (Ok(()), _) => Next::Close,
            (Err(error), _) => {
                outcome.error = Some(error);
                Next::Reset
            }
        }
    }

    /// Tells the client why there is no response, or cuts the one that has begun.
    async fn fail(
        &mut self,
        config: &Config,
        plan: &Plan,
        head: &RequestHead,
        inbound: &RefCell<Buffer>,
        error: Error,
        outcome: &mut Outcome,
    ) -> Next {
        if error.client_is_gone() || outcome.response_started {
            outcome.error = Some(error);
            if outcome.status == 0 {
                outcome.status = error.status();
            }
            return if outcome.cut_needs_reset || error.client_is_gone() { Next::Reset } else { Next::Close };
        }
        let refused = Plan {
            persistence: if error.closes() { Persistence::Close } else { plan.persistence },
            // Of a body that was begun, nobody knows any more how much is left.
            framing: match plan.framing {
                _ if outcome.request_read => Framing::None,
                Framing::Length(_) if outcome.body_in > 0 => Framing::UntilClose,
                Framing::None | Framing::Length(_) | Framing::Chunked | Framing::UntilClose => plan.framing,
            },
            action: Action::Respond(Answer::Fault(error)),
            ..*plan
        };
        self.respond(config, &refused, head, inbound, Answer::Fault(error), outcome).await
    }

    /// Answers what is not a request.
    async fn refuse(&mut self, config: &Config, error: Error, origin: Option<&[u8]>) -> After {
        let mut out = self.core.buffers.take();
        let request_id = RequestId::random();
        let recipient = Recipient::Unknown(origin);
        let (size, _) = self.responder(config, request_id).write(
            Answer::Fault(error),
            recipient,
            Persistence::Close,
            out.spare(),
        );
        let sent = send(&mut self.stream, &out.spare()[..size], &mut self.timer, config.timeouts.send).await;
        record_fault(self.core, &self.client, error, origin, request_id, size as u64);
        if sent.is_ok() { After::Linger } else { After::Reset }
    }

    fn responder<'a>(&'a self, config: &'a Config, request_id: RequestId) -> Responder<'a> {
        let Core { identity, date, .. } = &**self.core;
        date.update(Instant::now());
        Responder { request_id, policy: &config.cors, identity, date }
    }

    async fn tunnel(
        &mut self,
        config: &Config,
        mut ends: TunnelEnds,
        inbound: &mut Buffer,
        head_len: usize,
        outcome: &mut Outcome,
    ) {
        let timeouts = &config.timeouts;
        let limits = TunnelLimits {
            idle: timeouts.tunnel_idle,
            half_closed: timeouts.tunnel_half_closed,
            send: timeouts.send,
            buffer: config.limits.buffer,
        };
        // What the client sent behind its request is for the tunnel.
        let mut early = self.core.buffers.take();
        early.push(inbound.unread());
        inbound.consume(inbound.unread().len());
        inbound.reclaim(head_len);
        let early = (Some(early).filter(|early| !early.is_empty()), ends.from_upstream.take());
        let relay = tunnel::relay(&mut self.stream, &mut ends.lease.stream, early, &mut self.timer, limits);
        let (tunnelled, result) = Box::pin(relay).await;
        outcome.body_in += tunnelled.to_upstream;
        outcome.bytes_out += tunnelled.to_client;
        outcome.error = result.err();
    }

    /// Closes the connection in the way that what was sent last asks for.
    async fn end(mut self, after: After) {
        match after {
            After::Reset => self.stream.reset(),
            After::Close | After::KeepAlive(_) => {
                if self.stream.is_tls() {
                    let patience = self.core.config.timeouts.linger;
                    // A peer that does not take the close is not waited for.
                    let _ =
                        timeout(patience, poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx))).await;
                }
            }
            After::Linger => self.linger().await,
        }
    }

    /// Shuts the writing side, then reads and throws away what the client still sends, within bounds: closing
    /// with unread input would reset the connection and could destroy the answer (RFC 9112 §9.6).
    async fn linger(&mut self) {
        let core = Rc::clone(self.core);
        let deadline = Instant::now() + core.config.timeouts.linger;
        let mut left = core.config.limits.linger;
        let mut shut = false;
        let mut room = core.buffers.take();
        poll_fn(|cx| {
            if !shut {
                match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => shut = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return self.timer.poll_until(cx, deadline),
                }
            }
            while left > 0 {
                room.clear();
                match room.poll_fill(cx, &mut self.stream) {
                    Poll::Ready(Ok(size)) if size > 0 => left = left.saturating_sub(size as u64),
                    Poll::Ready(_) => break,
                    Poll::Pending => return self.timer.poll_until(cx, deadline),
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

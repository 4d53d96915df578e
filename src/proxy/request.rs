//! One request of a client connection: decide, do what was decided, record it.
//!
//! Runs in a frame ([`super::frame`]): what is kept here is kept while a request is under way, and no longer.

use std::{cell::RefCell, convert::Infallible, mem, rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{
    connection::{After, Connection},
    exchange::{Job, Next, Outcome, TunnelEnds, send},
    frame::Desk,
    plan::{Action, Answer, Plan, plan},
    record::Finished,
    respond::Recipient,
    rewrite::Forwarding,
    tunnel::{self, TunnelLimits},
};
use crate::{
    config::Config,
    error::Error,
    http1::{
        connection::Persistence,
        framing::Framing,
        head::{Request, RequestHead},
    },
    net::{buffer::Buffer, timer::Timer},
};

/// A request whose head has come, and the connection that it came on.
pub(crate) struct Asked {
    pub(crate) connection: Box<Connection>,
    /// The head, and whatever came behind it.
    pub(crate) buffer: Buffer,
    pub(crate) head: RequestHead,
    /// How long the head took, where it took more than one read.
    pub(crate) head_took: Option<Duration>,
}

/// The connection again, and what becomes of it.
pub(crate) struct Served {
    pub(crate) connection: Box<Connection>,
    pub(crate) after: After,
}

/// Serves one request after another.
pub(crate) async fn serve_requests(desk: Rc<Desk<Asked, Served>>) -> Infallible {
    // Lent to one connection after another: it is armed already, and a connection that brings one request needs
    // none of its own.
    let mut timer = Timer::default();
    loop {
        let Asked { mut connection, buffer, head, head_took } = desk.next().await;
        mem::swap(&mut connection.timer, &mut timer);
        let after = connection.handle(buffer, head, head_took).await;
        mem::swap(&mut connection.timer, &mut timer);
        desk.done(Served { connection, after });
    }
}

impl Connection {
    /// Decides about a request and does what was decided.
    async fn handle(&mut self, buffer: Buffer, head: RequestHead, head_took: Option<Duration>) -> After {
        let core = &Rc::clone(&self.core);
        let config = &*core.config;
        let begun = Instant::now();
        let inbound = RefCell::new(buffer);
        let mut plan = {
            let inbound = inbound.borrow();
            let request = Request { bytes: inbound.all(), head: &head };
            plan(request, config, &self.client, &core.identity.id)
        };
        if core.is_draining() {
            plan.persistence = Persistence::Close;
        }
        let mut outcome = Outcome::default();
        let action = mem::replace(&mut plan.action, Action::Respond(Answer::LastHop));
        let next = match action {
            Action::Respond(answer) => {
                self.respond(config, &plan, &head, &inbound, answer, &mut outcome).await
            }
            Action::Exchange(mut exchange) => {
                let job = Job {
                    core,
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
        finished.record(core);
        core.put_fields(head.fields);
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
}

//! One client connection: what it is, how it is told that it sent no request, and how it ends.

use std::{cell::OnceCell, future::poll_fn, pin::Pin, rc::Rc, task::Poll, time::Duration};

use tokio::{
    io::AsyncWrite,
    time::{Instant, timeout},
};

use super::{core::Core, record::record_fault, send::send, snapshot::Snapshot};
use crate::{
    config::{Config, RouteId, Routes},
    error::Error,
    http1::connection::Persistence,
    net::{stream::Stream, timer::Timer},
    observe::metrics::Leg,
    plan::{Answer, Client, Recipient, RequestId, Responder, rewrite::Forwarding},
    upstream::BoundLeases,
};

/// A client connection.
pub(crate) struct Connection {
    pub(super) core: Rc<Core>,
    pub(super) client: Client,
    /// What its requests say of it, once there is one.
    pub(super) forwarding: OnceCell<Forwarding>,
    pub(super) stream: Stream,
    pub(super) timer: Timer,
    /// When its last answer was complete: since then it has been idle.
    pub(super) answered: Option<Instant>,
    /// Connections to upstreams on which this client has logged in.
    pub(super) bound: BoundLeases,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another one may come.
    KeepAlive,
    /// It ends; what the client still sends must be read, or a reset could destroy the answer.
    Linger,
    /// It ends.
    Close,
    /// It ends with a reset, so that a response that was cut is seen to be.
    Reset,
}

impl After {
    /// How a connection ends whose last request was read to its end, or was not.
    pub(crate) const fn closing(request_read: bool) -> Self {
        if request_read { Self::Close } else { Self::Linger }
    }
}

impl Connection {
    /// The connection of a client of which nothing has come yet.
    pub(super) fn new(core: Rc<Core>, stream: Stream, client: Client) -> Self {
        Self {
            core,
            client,
            forwarding: OnceCell::new(),
            stream,
            timer: Timer::default(),
            answered: None,
            bound: BoundLeases::default(),
        }
    }

    /// Answers what is not a request.
    pub(super) async fn refuse(
        &mut self,
        snapshot: &Snapshot,
        error: Error,
        origin: Option<Vec<u8>>,
    ) -> After {
        let core = Rc::clone(&self.core);
        let (config, origin) = (&*snapshot.config, origin.as_deref());
        let mut out = core.buffers.take();
        let request_id = RequestId::random();
        let recipient = Recipient::Unknown(origin);
        let (size, _) = responder(&core, config, Routes::NOTHING, request_id).write(
            &Answer::Fault(error),
            recipient,
            Persistence::Close,
            out.spare(),
        );
        let patience = config.timeouts.send;
        let bytes = &out.spare()[..size];
        let sent = send(&mut self.stream, Leg::Client, bytes, &mut self.timer, patience).await;
        record_fault(&core, snapshot, &self.client, error, origin, request_id, size as u64);
        if sent.is_ok() { After::Linger } else { After::Reset }
    }

    /// Waits until the client or the upstream may have something to say, or `deadline` has passed.
    pub(super) async fn wait_for_either(&mut self, upstream: &Stream, deadline: Instant) {
        let Self { stream, timer, .. } = self;
        poll_fn(|cx| {
            if stream.poll_more(cx).is_ready() || upstream.poll_more(cx).is_ready() {
                return Poll::Ready(());
            }
            timer.poll_until(cx, deadline)
        })
        .await;
    }

    /// Ends the connection, but for dropping it. What the client still sends is read for `linger` at most.
    pub(super) async fn close(&mut self, after: After, linger: Duration) {
        match after {
            After::Reset => self.stream.reset_when_dropped(),
            After::Linger => Box::pin(self.linger(linger)).await,
            After::Close | After::KeepAlive if self.stream.is_tls() => Box::pin(self.close_tls()).await,
            After::Close | After::KeepAlive => {}
        }
    }

    /// Says that the connection ends, so that what came last is seen to be whole.
    async fn close_tls(&mut self) {
        let patience = self.core.snapshot().config.timeouts.linger;
        // A peer that does not take the close is not waited for.
        let _ = timeout(patience, poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx))).await;
    }

    /// Shuts the writing side, then reads and throws away what the client still sends, within bounds: closing
    /// with unread input would reset the connection and could destroy the answer (RFC 9112 §9.6; rule 10 of
    /// [`proxy`](super)).
    async fn linger(&mut self, most: Duration) {
        let core = Rc::clone(&self.core);
        let snapshot = core.snapshot();
        let deadline = Instant::now() + snapshot.config.timeouts.linger.min(most);
        let mut left = snapshot.config.limits.linger;
        drop(snapshot);
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

/// What answers a request of this connection's worker.
pub(super) fn responder<'a>(
    core: &'a Core,
    config: &'a Config,
    route: RouteId,
    request_id: RequestId,
) -> Responder<'a> {
    let (date, route) = (core.clock.date(Instant::now()), config.route(route));
    Responder { request_id, policy: config.policy(route.policy), route, identity: &core.identity, date }
}

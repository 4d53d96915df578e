//! A connection that has become a tunnel: bytes both ways until both ends are done (RFC 9110 §7.8).
//!
//! Half-close is passed on in each direction. One clock watches both; once one direction has ended, the other
//! has a bounded time left. An end that fails ends the tunnel, and is who it is recorded of (rules 20 to 24 of
//! [`proxy`](crate::proxy)).

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    watchdog::LONG_QUIET,
    way::{Failed, Way},
};
use crate::{
    config::Route,
    error::Error,
    net::{
        buffer::{Buffer, BufferPool},
        pipe::PipePool,
        stream::Stream,
        timer::Timer,
    },
    observe::metrics::Leg,
    proxy::send::{gone, send},
};

/// Bounds of a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TunnelLimits {
    /// Nothing moves in either direction.
    pub(crate) idle: Duration,
    /// One direction has ended.
    pub(crate) half_closed: Duration,
    /// A peer takes nothing.
    pub(crate) send: Duration,
    /// Bytes read at once; never more than a buffer of the worker holds.
    pub(crate) buffer: usize,
}

impl TunnelLimits {
    /// Those of a route.
    pub(crate) const fn of(route: &Route) -> Self {
        Self {
            idle: route.timeouts.tunnel_idle,
            half_closed: route.timeouts.tunnel_half_closed,
            send: route.timeouts.send,
            buffer: route.limits.buffer,
        }
    }
}

/// Bytes that went to the client and to the upstream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tunnelled {
    pub(crate) to_client: u64,
    pub(crate) to_upstream: u64,
}

/// How a tunnel was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TunnelEnd {
    /// It is over.
    Over(Result<(), Error>),
    /// Nothing is on its way in it, and nothing has moved since then: it can wait elsewhere until something does.
    Quiet { since: Instant },
}

/// Relays until both directions have ended, one fails, or nothing moves any more: for as long as it may stand still or,
/// where it `may_rest`, for a moment. What was read before the tunnel began goes first; one that has rested has been
/// quiet `since` then.
pub(crate) async fn tunnel(
    client: &mut Stream,
    upstream: &mut Stream,
    early: (Option<Buffer>, Option<Buffer>),
    timer: &mut Timer,
    (limits, pipes, buffers): (TunnelLimits, &Rc<PipePool>, &Rc<BufferPool>),
    (may_rest, since): (bool, Option<Instant>),
) -> (Tunnelled, TunnelEnd) {
    let (from_client, from_upstream) = early;
    let mut early = Tunnelled::default();
    if let Some(buffer) = from_client {
        if let Err(error) = send(upstream, Leg::Upstream, buffer.unread(), timer, limits.send).await {
            return (early, TunnelEnd::Over(Err(error)));
        }
        early.to_upstream = buffer.unread().len() as u64;
    }
    if let Some(buffer) = from_upstream {
        if let Err(error) = send(client, Leg::Client, buffer.unread(), timer, limits.send).await {
            return (early, TunnelEnd::Over(Err(error)));
        }
        early.to_client = buffer.unread().len() as u64;
    }
    let mut up = Way::new(early.to_upstream, limits.buffer, pipes, buffers);
    let mut down = Way::new(early.to_client, limits.buffer, pipes, buffers);
    let end = {
        let mut idle = IdleClock::new(&limits, up.moved() + down.moved(), since);
        poll_fn(|cx| {
            let upload =
                up.poll(cx, client, upstream).map_err(|end| failed(end, Leg::Client, Leg::Upstream))?;
            let download =
                down.poll(cx, upstream, client).map_err(|end| failed(end, Leg::Upstream, Leg::Client))?;
            if upload.is_ready() && download.is_ready() {
                return Poll::Ready(Ok(TunnelEnd::Over(Ok(()))));
            }
            let has_ended = up.has_ended() || down.has_ended();
            let may_rest = may_rest && up.may_rest() && down.may_rest();
            idle.poll_end(cx, timer, (up.moved() + down.moved(), has_ended), &limits, may_rest).map(Ok)
        })
        .await
    };
    let end = end.unwrap_or_else(|error| TunnelEnd::Over(Err(error)));
    (Tunnelled { to_client: down.sent(), to_upstream: up.sent() }, end)
}

/// What it is called that this end of a direction fails.
const fn failed(end: Failed, source: Leg, target: Leg) -> Error {
    gone(match end {
        Failed::Source => source,
        Failed::Target => target,
    })
}

/// Compares what has moved, now and then.
struct IdleClock {
    tick: Duration,
    next: Instant,
    moved: u64,
    since: Instant,
    ended: Option<Instant>,
}

impl IdleClock {
    fn new(limits: &TunnelLimits, moved: u64, since: Option<Instant>) -> Self {
        let shortest = limits.idle.min(limits.half_closed);
        let tick = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let now = Instant::now();
        Self { tick, next: now + tick, moved, since: since.unwrap_or(now), ended: None }
    }

    fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        (moved, has_ended): (u64, bool),
        limits: &TunnelLimits,
        may_rest: bool,
    ) -> Poll<TunnelEnd> {
        loop {
            ready!(timer.poll_until(cx, self.next));
            let now = Instant::now();
            self.next = now + self.tick;
            if moved != self.moved {
                self.moved = moved;
                self.since = now;
            }
            if has_ended {
                self.ended.get_or_insert(now);
            }
            let passed = |since: Instant| now.saturating_duration_since(since);
            if passed(self.since) >= limits.idle
                || self.ended.is_some_and(|at| passed(at) >= limits.half_closed)
            {
                return Poll::Ready(TunnelEnd::Over(Ok(())));
            }
            if may_rest && passed(self.since) >= LONG_QUIET {
                return Poll::Ready(TunnelEnd::Quiet { since: self.since });
            }
        }
    }
}

#[cfg(test)]
mod tests;

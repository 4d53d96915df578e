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

use super::way::{Failed, Way};
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

/// Relays until both directions have ended, one fails, or nothing moves any more. What was read before the
/// tunnel began goes first.
pub(crate) async fn tunnel(
    client: &mut Stream,
    upstream: &mut Stream,
    early: (Option<Buffer>, Option<Buffer>),
    timer: &mut Timer,
    (limits, pipes, buffers): (TunnelLimits, &Rc<PipePool>, &Rc<BufferPool>),
) -> (Tunnelled, Result<(), Error>) {
    let (from_client, from_upstream) = early;
    let mut early = Tunnelled::default();
    if let Some(buffer) = from_client {
        if let Err(error) = send(upstream, Leg::Upstream, buffer.unread(), timer, limits.send).await {
            return (early, Err(error));
        }
        early.to_upstream = buffer.unread().len() as u64;
    }
    if let Some(buffer) = from_upstream {
        if let Err(error) = send(client, Leg::Client, buffer.unread(), timer, limits.send).await {
            return (early, Err(error));
        }
        early.to_client = buffer.unread().len() as u64;
    }
    let mut up = Way::new(early.to_upstream, limits.buffer, pipes, buffers);
    let mut down = Way::new(early.to_client, limits.buffer, pipes, buffers);
    let result = {
        let mut idle = IdleClock::new(&limits, up.moved() + down.moved());
        poll_fn(|cx| {
            let upload =
                up.poll(cx, client, upstream).map_err(|end| failed(end, Leg::Client, Leg::Upstream))?;
            let download =
                down.poll(cx, upstream, client).map_err(|end| failed(end, Leg::Upstream, Leg::Client))?;
            if upload.is_ready() && download.is_ready() {
                return Poll::Ready(Ok(()));
            }
            let has_ended = up.has_ended() || down.has_ended();
            idle.poll_expired(cx, timer, (up.moved() + down.moved(), has_ended), &limits).map(Ok)
        })
        .await
    };
    (Tunnelled { to_client: down.sent(), to_upstream: up.sent() }, result)
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
    fn new(limits: &TunnelLimits, moved: u64) -> Self {
        let shortest = limits.idle.min(limits.half_closed);
        let tick = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let now = Instant::now();
        Self { tick, next: now + tick, moved, since: now, ended: None }
    }

    fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        (moved, has_ended): (u64, bool),
        limits: &TunnelLimits,
    ) -> Poll<()> {
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
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! A connection that has become a tunnel: bytes both ways until both ends are done (RFC 9110 §7.8).
//!
//! Half-close is passed on in each direction. One clock watches both; once one direction has ended, the other
//! has a bounded time left. An end that fails ends the tunnel, and is who it is recorded of (rules 20 to 24 of
//! [`proxy`](crate::proxy)).

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::Instant,
};

use crate::{
    config::Route,
    error::Error,
    net::{buffer::Buffer, stream::Stream, timer::Timer},
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
    /// Bytes of each relay buffer.
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

/// What both ends of a tunnel have counted.
#[derive(Debug, Default)]
struct Traffic {
    moved: Cell<u64>,
    ended: Cell<bool>,
    /// The end that has failed.
    failed: Cell<Option<Leg>>,
}

/// One end of a tunnel, counting.
struct End<'a> {
    stream: &'a mut Stream,
    leg: Leg,
    traffic: &'a Traffic,
    sent: u64,
}

impl End<'_> {
    /// Notes that this end has failed, if it has: what the copy returns does not say which.
    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.traffic.failed.set(Some(self.leg)))
    }
}

impl AsyncRead for End<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut *self.stream).poll_read(cx, buf));
        self.noted(read)?;
        let size = buf.filled().len() - before;
        self.traffic.moved.set(self.traffic.moved.get() + size as u64);
        if size == 0 {
            self.traffic.ended.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.stream).poll_write(cx, bytes));
        let size = self.noted(written)?;
        self.traffic.moved.set(self.traffic.moved.get() + size as u64);
        self.sent += size as u64;
        Poll::Ready(Ok(size))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut *self.stream).poll_flush(cx));
        Poll::Ready(self.noted(flushed))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut *self.stream).poll_shutdown(cx));
        Poll::Ready(self.noted(shut))
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
    limits: TunnelLimits,
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
    let traffic = Traffic::default();
    let mut client = End { stream: client, leg: Leg::Client, traffic: &traffic, sent: early.to_client };
    let mut upstream =
        End { stream: upstream, leg: Leg::Upstream, traffic: &traffic, sent: early.to_upstream };
    let result = {
        let mut copy =
            pin!(copy_bidirectional_with_sizes(&mut client, &mut upstream, limits.buffer, limits.buffer));
        let mut idle = IdleClock::new(&limits);
        poll_fn(|cx| {
            if let Poll::Ready(copied) = copy.as_mut().poll(cx) {
                let failed = || traffic.failed.get().map_or(Error::Internal, gone);
                return Poll::Ready(copied.map(|_| ()).map_err(|_| failed()));
            }
            idle.poll_expired(cx, timer, &traffic, &limits).map(|()| Ok(()))
        })
        .await
    };
    (Tunnelled { to_client: client.sent, to_upstream: upstream.sent }, result)
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
    fn new(limits: &TunnelLimits) -> Self {
        let shortest = limits.idle.min(limits.half_closed);
        let tick = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let now = Instant::now();
        Self { tick, next: now + tick, moved: 0, since: now, ended: None }
    }

    fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        traffic: &Traffic,
        limits: &TunnelLimits,
    ) -> Poll<()> {
        loop {
            ready!(timer.poll_until(cx, self.next));
            let now = Instant::now();
            self.next = now + self.tick;
            if traffic.moved.get() != self.moved {
                self.moved = traffic.moved.get();
                self.since = now;
            }
            if traffic.ended.get() {
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

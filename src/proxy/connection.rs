//! One client connection from accept to close: read a head, serve the request, and again.

use std::{cell::OnceCell, future::poll_fn, pin::Pin, rc::Rc, task::Poll, time::Duration};

use tokio::{
    io::AsyncWrite,
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    core::Core,
    exchange::send,
    identity::RequestId,
    plan::{Answer, Client},
    receive::{Progress, Received, Receiver},
    record::record_fault,
    request::{Asked, Served, serve_requests},
    respond::{Recipient, Responder},
    rewrite::Forwarding,
};
use crate::{
    config::Config,
    error::Error,
    http1::connection::Persistence,
    net::{buffer::Buffer, parked, stream::Stream, timer::Timer},
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
/// runtime, which [`Core::idle`] tells a plain TCP connection to. The first byte may take `patience`.
pub fn serve_connection(
    core: Rc<Core>,
    stream: Stream,
    client: Client,
    patience: Duration,
) -> impl Future<Output = Option<IdleConnection>> {
    let may_leave = parked::AVAILABLE && matches!(stream, Stream::Tcp(_));
    let forwarding = OnceCell::new();
    let connection = Connection { core, client, forwarding, stream, timer: Timer::default(), may_leave };
    // Boxed, for it moves: it goes into a frame and comes back with each request.
    Box::new(connection).serve(patience)
}

/// A client connection.
pub(crate) struct Connection {
    pub(super) core: Rc<Core>,
    pub(super) client: Client,
    /// What its requests say of it, once there is one.
    pub(super) forwarding: OnceCell<Forwarding>,
    pub(super) stream: Stream,
    pub(super) timer: Timer,
    /// It leaves the runtime once it has been idle for long.
    may_leave: bool,
}

/// What becomes of a connection after a request.
pub(crate) enum After {
    /// Another one, of which this has come already.
    KeepAlive(Option<Buffer>),
    /// It ends; what the client still sends must be read, or a reset could destroy the answer.
    Linger,
    /// It ends.
    Close,
    /// It ends with a reset, so that a response that was cut is seen to be.
    Reset,
}

impl Connection {
    async fn serve(mut self: Box<Self>, mut patience: Duration) -> Option<IdleConnection> {
        let core = Rc::clone(&self.core);
        let config = &*core.config;
        let mut idle = core.idle.slot();
        let mut early = None;
        let after = loop {
            let mut receiver = Receiver {
                core: &core,
                config,
                may_leave: self.may_leave,
                stream: &mut self.stream,
                timer: &mut self.timer,
                idle: &mut idle,
                patience,
                buffer: early.take(),
                progress: Progress::default(),
            };
            patience = config.timeouts.keep_alive;
            match receiver.receive().await {
                Received::Closed => break After::Close,
                Received::Idle(deadline) => {
                    return self.stream.into_tcp().map(|tcp| IdleConnection { tcp, deadline });
                }
                // Boxed as what is rare.
                Received::Fault(error, origin) => break Box::pin(self.refuse(error, origin)).await,
                Received::Head(buffer, head, head_took) => {
                    let asked = Asked { connection: self, buffer, head, head_took };
                    let Served { connection, after } = core.frames.call(serve_requests, asked).await;
                    self = connection;
                    match after {
                        After::KeepAlive(next) => early = next,
                        After::Linger | After::Close | After::Reset => break after,
                    }
                }
            }
        };
        match after {
            After::Reset => self.stream.reset(),
            After::Linger => Box::pin(self.linger()).await,
            After::Close | After::KeepAlive(_) if self.stream.is_tls() => Box::pin(self.close_tls()).await,
            After::Close | After::KeepAlive(_) => {}
        }
        None
    }

    /// Answers what is not a request.
    async fn refuse(&mut self, error: Error, origin: Option<Vec<u8>>) -> After {
        let core = Rc::clone(&self.core);
        let (config, origin) = (&*core.config, origin.as_deref());
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
        record_fault(&self.core, &self.client, error, origin, request_id, size as u64);
        if sent.is_ok() { After::Linger } else { After::Reset }
    }

    pub(super) fn responder<'a>(&'a self, config: &'a Config, request_id: RequestId) -> Responder<'a> {
        let Core { identity, date, .. } = &*self.core;
        date.update(Instant::now());
        Responder { request_id, policy: &config.cors, identity, date }
    }

    /// Says that the connection ends, so that what came last is seen to be whole.
    async fn close_tls(&mut self) {
        let patience = self.core.config.timeouts.linger;
        // A peer that does not take the close is not waited for.
        let _ = timeout(patience, poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx))).await;
    }

    /// Shuts the writing side, then reads and throws away what the client still sends, within bounds: closing
    /// with unread input would reset the connection and could destroy the answer (RFC 9112 §9.6).
    async fn linger(&mut self) {
        let core = Rc::clone(&self.core);
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

//! One client connection from accept to close: read a head, serve the request, and again.

use std::{rc::Rc, time::Duration};

use tokio::{net::TcpStream, time::Instant};

use super::{
    connection::{After, Connection},
    core::Core,
    frame::FramePool,
    receive::{HeadProgress, Received, Receiver},
    request::{Asked, Served, serve_requests},
};
use crate::{
    error::Error,
    net::{parked, stream::Stream},
    plan::Client,
};

/// A connection at rest: nothing has been read of its next request.
#[derive(Debug)]
pub struct IdleConnection {
    /// The connection.
    pub tcp: TcpStream,
    /// By when the first byte of a request must have come; if none has, it is to be closed without a word.
    pub deadline: Instant,
}

/// What serves the connections of one worker.
pub struct Connections {
    core: Rc<Core>,
    /// Room for requests under way.
    frames: FramePool<Asked, Served>,
}

impl Connections {
    /// Those of the worker that owns `core`.
    #[must_use]
    pub const fn new(core: Rc<Core>) -> Self {
        Self { core, frames: FramePool::new() }
    }

    /// Serves one connection until it ends, or until it has been idle for so long that it should leave the
    /// runtime, which [`Core::idle`] tells a plain TCP connection to. The first byte may take `patience`.
    pub async fn serve(
        &self,
        stream: Stream,
        client: Client,
        mut patience: Duration,
    ) -> Option<IdleConnection> {
        let core = &*self.core;
        let can_leave = parked::AVAILABLE && matches!(stream, Stream::Tcp(_));
        // Boxed, for it moves: it goes into a frame and comes back with each request.
        let mut connection = Box::new(Connection::new(Rc::clone(&self.core), stream, client));
        let mut idle = core.idle.slot();
        let mut early = None;
        let after = loop {
            let Connection { stream, timer, bound, client, .. } = &mut *connection;
            let is_refused = client.refusal.is_some();
            // What belongs to it could not be kept outside of the runtime.
            let may_leave = can_leave && bound.is_empty();
            let (buffer, progress) = (early.take(), HeadProgress::default());
            let idle = &mut idle;
            let snapshot = None;
            let mut receiver = Receiver {
                core,
                may_leave,
                is_refused,
                stream,
                timer,
                idle,
                patience,
                buffer,
                progress,
                snapshot,
            };
            let received = receiver.receive().await;
            let snapshot = receiver.snapshot.take();
            match received {
                Received::Closed => break After::Close,
                Received::Idle(deadline) => {
                    return connection.stream.into_tcp().map(|tcp| IdleConnection { tcp, deadline });
                }
                // Boxed as what is rare.
                Received::Fault(error, origin) => {
                    let snapshot = snapshot.unwrap_or_else(|| core.snapshot());
                    break Box::pin(connection.refuse(&snapshot, error, origin)).await;
                }
                Received::Head(buffer, head, head_took) => {
                    let snapshot = snapshot.unwrap_or_else(|| core.snapshot());
                    patience = snapshot.config.timeouts.keep_alive;
                    let asked = Asked { connection, snapshot, buffer, head, head_took };
                    let served = self.frames.call(serve_requests, asked).await;
                    (connection, early) = (served.connection, served.early);
                    if served.after != After::KeepAlive {
                        break served.after;
                    }
                }
            }
        };
        connection.close(after).await;
        None
    }

    /// Answers a connection on which no request can come, and ends it.
    pub async fn refuse(&self, stream: Stream, client: Client, error: Error) {
        let mut connection = Box::new(Connection::new(Rc::clone(&self.core), stream, client));
        let snapshot = self.core.snapshot();
        let after = connection.refuse(&snapshot, error, None).await;
        connection.close(after).await;
    }

    /// Gives most of what waits for the next request back to the allocator.
    pub fn shrink(&self) {
        self.core.shrink();
        self.frames.shrink();
    }
}

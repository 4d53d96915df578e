//! One client connection from accept to close: read a head, serve the request, and again.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{net::TcpStream, time::Instant};

use super::{
    connection::{After, Connection},
    core::Core,
    frame::FramePool,
    idle::SHORT_WAIT,
    receive::{HeadProgress, Received, Receiver},
    request::{Asked, NewRequest, Next, Requested, Served, serve_requests},
    resting::{Kept, KeptStream, RestingStream},
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

/// What leaves the runtime until its peer, or one of both, has something to say.
pub enum AtRest {
    /// A connection that waits for a request.
    Idle(IdleConnection),
    /// A request in which nothing moves, with its connections.
    Stream(RestingStream),
}

/// What begins or goes on.
pub enum Beginning {
    /// A connection, which may take so long for its first byte.
    Connection(Stream, Duration),
    /// A stream that has been at rest.
    Rested([TcpStream; 2], KeptStream),
}

impl Beginning {
    /// The connection of the client, how long its first byte may take, and what comes next.
    fn begin(self) -> (Stream, Duration, Next) {
        match self {
            Self::Connection(stream, patience) => (stream, patience, Next::Answered(After::KeepAlive, None)),
            Self::Rested([client, upstream], KeptStream(kept)) => {
                let upstream = Stream::Tcp(upstream);
                let next = match kept {
                    Kept::Request(request) => Next::Rests(request, upstream),
                    Kept::Tunnel(tunnel) => Next::Switched(tunnel, upstream),
                };
                (Stream::Tcp(client), Duration::ZERO, next)
            }
        }
    }
}

impl Connection {
    /// What leaves the runtime of one that waits for a request; nothing where it is not plain.
    fn idle(self, deadline: Instant) -> Option<AtRest> {
        self.stream.into_tcp().map(|tcp| AtRest::Idle(IdleConnection { tcp, deadline }))
    }

    /// What leaves the runtime of a connection whose request rests; nothing where one of both is not plain.
    fn at_rest(self, upstream: Stream, kept: Kept) -> Option<AtRest> {
        let deadline = kept.deadline();
        let sockets = [self.stream.into_tcp()?, upstream.into_tcp()?];
        Some(AtRest::Stream(RestingStream { sockets, deadline, kept: KeptStream(kept) }))
    }
}

/// How long the place of somebody is kept from others who was told before it asked that there is no memory.
const SHORT_LINGER: Duration = Duration::from_millis(50);

/// What serves the connections of one worker.
pub struct Connections {
    core: Rc<Core>,
    /// Room for requests under way.
    frames: FramePool<Box<Asked>, Served>,
}

impl Connections {
    /// Those of the worker that owns `core`.
    #[must_use]
    pub const fn new(core: Rc<Core>) -> Self {
        Self { core, frames: FramePool::new() }
    }

    /// Serves one connection until it ends, or until it has been idle for so long that it should leave the
    /// runtime, which [`Core::idle`] tells a plain TCP connection to, or nothing moves in its request.
    pub async fn serve(&self, beginning: Beginning, client: Client) -> Option<AtRest> {
        let core = &*self.core;
        let mut is_new = matches!(beginning, Beginning::Connection(..));
        let (stream, mut patience, mut next) = beginning.begin();
        let can_leave = parked::AVAILABLE && matches!(stream, Stream::Tcp(_));
        let connection = Connection::new(Rc::clone(&self.core), stream, client);
        let mut asked = Box::new(Asked { connection, request: None });
        let mut linger = if asked.connection.client.refusal.is_some() { patience } else { Duration::MAX };
        let mut idle = core.idle.slot();
        let after = loop {
            let connection = &mut asked.connection;
            // What belongs to it could not be kept outside of the runtime.
            let may_leave = can_leave && connection.bound.is_empty() && connection.client.refusal.is_none();
            let request = match next {
                Next::Answered(After::KeepAlive, early) => {
                    let Connection { stream, timer, client, answered, .. } = connection;
                    let mut receiver = Receiver {
                        core,
                        may_leave,
                        refusal: client.refusal,
                        is_new,
                        stream,
                        timer,
                        since: answered.take(),
                        idle: &mut idle,
                        patience,
                        buffer: early,
                        progress: HeadProgress::default(),
                        snapshot: None,
                    };
                    let received = receiver.receive().await;
                    let snapshot = receiver.snapshot.take();
                    match received {
                        Received::Closed => break After::Close,
                        Received::Idle(deadline) => return asked.connection.idle(deadline),
                        // Boxed as what is rare.
                        Received::Fault(error, origin) => {
                            if error == Error::MemoryLimit {
                                linger = linger.min(SHORT_LINGER);
                            }
                            let snapshot = snapshot.unwrap_or_else(|| core.snapshot());
                            break Box::pin(connection.refuse(&snapshot, error, origin)).await;
                        }
                        Received::Head(buffer, head, head_took) => {
                            let snapshot = snapshot.unwrap_or_else(|| core.snapshot());
                            patience = snapshot.config.timeouts.keep_alive;
                            is_new = false;
                            let inbound = RefCell::new(buffer);
                            Requested::New(NewRequest { snapshot, head, inbound, head_took })
                        }
                    }
                }
                Next::Answered(after, _) => break after,
                Next::Rests(request, upstream) => {
                    patience = request.turn.request.snapshot.config.timeouts.keep_alive;
                    Requested::Rested(request, upstream)
                }
                // Boxed, for few connections become one.
                Next::Switched(tunnel, upstream) => {
                    match Box::pin(tunnel.run(connection, upstream, may_leave)).await {
                        None => break After::Close,
                        Some((tunnel, upstream)) => {
                            return asked.connection.at_rest(upstream, Kept::Tunnel(tunnel));
                        }
                    }
                }
            };
            asked.request = Some(request);
            Served { asked, next } = core.beginnings.serve(self.frames.call(serve_requests, asked)).await;
            if let Next::Rests(request, upstream) = next {
                let deadline = request.deadline();
                let is_long = deadline >= Instant::now() + SHORT_WAIT;
                if may_leave && is_long && upstream.plain_tcp().is_some() {
                    return asked.connection.at_rest(upstream, Kept::Request(request));
                }
                // Boxed: it is out of its frame, and not in this one.
                Box::pin(asked.connection.wait_for_either(&upstream, deadline)).await;
                next = Next::Rests(request, upstream);
            }
        };
        asked.connection.close(after, linger).await;
        None
    }

    /// Answers a connection on which no request can come, and ends it.
    pub async fn refuse(&self, stream: Stream, client: Client, error: Error) {
        let mut connection = Box::new(Connection::new(Rc::clone(&self.core), stream, client));
        let snapshot = self.core.snapshot();
        let after = connection.refuse(&snapshot, error, None).await;
        connection.close(after, Duration::MAX).await;
    }

    /// Gives most of what waits for the next request back to the allocator.
    pub fn shrink(&self) {
        self.core.shrink();
        self.frames.shrink();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        task::{spawn_local, yield_now},
    };

    use super::*;
    use crate::{
        net::testing::{in_worker, tcp_pair},
        observe::metrics::Metrics,
        plan::sample::{client, config, identity},
    };

    /// What a connection hears whose place a newcomer takes, behind the answers to `asked`.
    fn superseded(arguments: &[&str], asked: &[u8]) -> String {
        in_worker(async {
            let metrics = Metrics::new();
            let config = config(&[&["--upstream=http://127.0.0.1:1"], arguments].concat());
            let core = Core::new(Arc::new(config), Arc::new(identity()), metrics.register(), None);
            let (mut peer, socket) = tcp_pair().await;
            let connections = Connections::new(Rc::clone(&core));
            let patience = Duration::from_secs(10);
            let served = spawn_local(async move {
                connections
                    .serve(Beginning::Connection(Stream::Tcp(socket), patience), client())
                    .await
                    .is_some()
            });
            peer.write_all(asked).await.unwrap();
            let (mut heard, mut room) = (Vec::new(), [0; 4096]);
            if !asked.is_empty() {
                let size = peer.read(&mut room).await.unwrap();
                heard.extend_from_slice(&room[..size]);
            }
            while !core.idle.end_longest(Instant::now()) {
                yield_now().await;
            }
            let rest = heard.len();
            peer.read_to_end(&mut heard).await.unwrap();
            assert!(!served.await.unwrap());
            String::from_utf8(heard.split_off(rest)).unwrap()
        })
    }

    #[test]
    fn where_memory_is_bounded_who_has_asked_nothing_yet_is_told_that_a_newcomer_takes_its_place() {
        let bounded = ["--max-memory=64m"];
        let told = superseded(&bounded, b"");
        assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("Retry-After: 1"), "{told}");
        let asked = b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
            Access-Control-Request-Method: GET\r\n\r\n";
        assert_eq!(superseded(&bounded, asked), "", "whoever asks again on it knows that it may have ended");
        assert_eq!(superseded(&[], b""), "", "a place is all that there is none of");
    }
}

//! A request in which nothing moves: what is kept of it outside of its frame, and what leaves the runtime.
//!
//! A frame has room for all that a request may come to; one that waits needs a fraction of that. It leaves its frame
//! with what is here, and where both of its connections are plain the runtime, too: then it costs a record and two
//! sockets that the kernel watches. It goes on in any frame. Nothing here decides anything about a request.

use tokio::{net::TcpStream, time::Instant};

use super::{
    kept_request::KeptRequest,
    relay::{ExchangeState, Replay},
    resting_attempt::RestingAttempt,
    tunnel::Tunnel,
};
use crate::{http1::body::BodyReader, plan::Exchange};

/// A request in which nothing moves.
pub(super) struct RestingRequest {
    pub(super) kept: KeptRequest,
    pub(super) exchange: Exchange,
    pub(super) attempt: RestingAttempt,
    /// The body of the request, which has been read, and what it is kept in; nothing of a request without one.
    pub(super) body: Option<Box<(BodyReader, Option<Box<Replay>>)>>,
    pub(super) state: ExchangeState,
}

impl RestingRequest {
    /// By when it has to go on, whether or not anything has moved.
    pub(super) const fn deadline(&self) -> Instant {
        self.attempt.deadline
    }
}

impl Kept {
    /// By when it has to go on, whether or not anything has moved.
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::Request(request) => request.deadline(),
            Self::Tunnel(tunnel) => tunnel.deadline(),
        }
    }
}

/// A stream in which nothing moves, outside of the runtime.
pub struct RestingStream {
    /// The connections of the client and of the upstream.
    pub sockets: [TcpStream; 2],
    /// By when it has to go on, whether or not anything has moved.
    pub deadline: Instant,
    /// What goes on then.
    pub kept: KeptStream,
}

/// What is kept of a stream in which nothing moves.
pub struct KeptStream(pub(super) Kept);

/// Which stream it is.
pub(super) enum Kept {
    Request(Box<RestingRequest>),
    Tunnel(Box<Tunnel>),
}

//! A request in which nothing moves: what is kept of it outside of its frame, and what leaves the runtime.
//!
//! A frame has room for all that a request may come to; one that waits needs a fraction of that. It leaves its frame
//! with what is here, and where both of its connections are plain the runtime, too: then it costs a record and two
//! sockets that the kernel watches. It goes on in any frame. Nothing here decides anything about a request.

use tokio::{net::TcpStream, time::Instant};

use super::{
    core::Core,
    kept_head::{HeadAgain, KeptHead},
    kept_request::KeptRequest,
    relay::{ExchangeState, Replay},
    resting_attempt::RestingAttempt,
    tunnel::Tunnel,
};
use crate::{
    http1::body::BodyReader,
    plan::{Client, Exchange},
};

/// A request in which nothing moves.
pub(super) struct RestingRequest {
    pub(super) turn: Box<RestingTurn>,
    pub(super) exchange: Box<RestingExchange>,
}

/// What it is, and where it goes.
pub(super) struct RestingTurn {
    pub(super) request: KeptRequest,
    pub(super) head: KeptHead,
    pub(super) exchange: Exchange,
}

/// How far its exchange has come.
pub(super) struct RestingExchange {
    pub(super) attempt: RestingAttempt,
    /// The body of the request, which has been read, and what it is kept in; nothing of a request without one.
    pub(super) body: Option<Box<RequestBody>>,
    pub(super) state: ExchangeState,
}

/// The body of a request, and what it is kept in.
pub(super) type RequestBody = (BodyReader, Option<Box<Replay>>);

impl RestingRequest {
    /// What is kept of a request of this client, of whose head this has come.
    pub(super) fn of(
        core: &Core,
        client: &Client,
        request: KeptRequest,
        came: HeadAgain,
        exchange: Exchange,
        resting: Box<RestingExchange>,
    ) -> Self {
        let head = KeptHead::of(core, client, &request, came, resting.state.response_begun());
        Self { turn: Box::new(RestingTurn { request, head, exchange }), exchange: resting }
    }

    /// By when it has to go on, whether or not anything has moved.
    pub(super) fn deadline(&self) -> Instant {
        self.exchange.attempt.deadline
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
    Request(RestingRequest),
    Tunnel(Box<Tunnel>),
}

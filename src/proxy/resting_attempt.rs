//! An attempt in which nothing moves: what of it is kept while its request waits elsewhere.
//!
//! An attempt that waits for an answer, or for more of one, borrows from its request, its configuration and its frame.
//! Here is what it owns, in no more memory than that takes; the rest is found again when it goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    checkout::{Connected, InUse},
    relay::{RestingUpstream, Watchdog},
};
use crate::{
    config::Endpoint,
    net::stream::Stream,
    plan::{Attempts, Silence},
    upstream::{DetachedLease, KeptTurn},
};

/// An attempt in which nothing moves.
pub(super) struct RestingAttempt {
    pub(super) connection: RestingConnection,
    /// Its turn at a server that is not the only one, and how long that has been silent, where it may be left for that.
    pub(super) turn: Option<Box<(KeptTurn, Option<Silence>)>>,
    pub(super) wait: RestingWait,
    /// By when something must have moved, or is to be looked at.
    pub(super) deadline: Instant,
    pub(super) attempts: Attempts,
    pub(super) begun: Instant,
    pub(super) tried: Vec<usize>,
    pub(super) queued: Duration,
}

/// Where it stands.
pub(super) struct RestingWait {
    /// When the request had left.
    pub(super) sent: Instant,
    pub(super) upstream: RestingUpstream,
    /// Watches bodies; nothing where a head is waited for before anything is copied.
    pub(super) watchdog: Option<Box<Watchdog>>,
}

/// A connection that leads through no parent, but for its stream.
pub(super) struct RestingConnection {
    lease: DetachedLease,
    /// The place of its server.
    pub(super) server: Option<usize>,
    bound: bool,
    in_use: InUse,
}

impl RestingConnection {
    /// The stream of a connection, and what else is kept of it.
    pub(super) fn of(connected: Connected<'_>) -> (Stream, Self) {
        let Connected { lease, server, bound, through: _, in_use } = connected;
        let (stream, lease) = lease.detach();
        (stream, Self { lease, server: server.map(|(index, _)| index), bound, in_use })
    }

    /// The connection again.
    pub(super) fn on<'a>(self, stream: Stream, servers: Option<&'a [Endpoint]>) -> Connected<'a> {
        let Self { lease, server, bound, in_use } = self;
        let server = server.and_then(|index| Some((index, servers?.get(index)?)));
        Connected { lease: lease.attach(stream), server, bound, through: None, in_use }
    }
}

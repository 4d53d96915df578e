//! A connection to an upstream while one exchange has it.

use std::sync::Arc;

use super::room::Place;
use crate::{
    net::{Descriptors, Peer, Spent, stream::Stream},
    observe::metrics::{Leg, WorkerCounters},
};

/// A connection to an upstream, for one exchange.
///
/// Dropping it closes the connection; only [`Lease::keep`] lets another exchange have it. Boxed once when it is opened:
/// each request has it pass through many hands, from the pool and back.
#[derive(Debug)]
pub struct Lease {
    /// The connection.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: Peer,
    /// Whether an exchange went before.
    pub reused: bool,
    /// Counts it for as long as it is open.
    pub open: OpenConnection,
}

/// What is known of a connection to an upstream whose stream is elsewhere. Dropping it counts the connection as closed.
#[derive(Debug)]
pub struct DetachedLease {
    peer: Peer,
    reused: bool,
    open: OpenConnection,
}

impl Lease {
    /// The stream by itself, and all else.
    #[must_use]
    pub fn detach(self) -> (Stream, DetachedLease) {
        let Self { stream, peer, reused, open } = self;
        (stream, DetachedLease { peer, reused, open })
    }
}

impl DetachedLease {
    /// The lease that it was detached from, on its stream again.
    #[must_use]
    pub fn attach(self, stream: Stream) -> Box<Lease> {
        let Self { peer, reused, open } = self;
        Box::new(Lease { stream, peer, reused, open })
    }
}

/// An open upstream connection, as the gauge of connections and the budget of descriptors see it.
#[derive(Debug)]
pub struct OpenConnection {
    counters: Arc<WorkerCounters>,
    spent: Spent,
    /// Of those that its upstream has.
    place: Option<Place>,
}

impl OpenConnection {
    /// Counts one more.
    #[must_use]
    pub fn count(counters: &Arc<WorkerCounters>, descriptors: &Arc<Descriptors>) -> Self {
        counters.connection_opened(Leg::Upstream);
        Self { counters: Arc::clone(counters), spent: descriptors.spend(), place: None }
    }

    /// Has it take a place of those that its upstream has for as long as it is open.
    pub fn take_place(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// Whether there are as many connections to upstreams as there may be, this one included.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.spent.is_full()
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.counters.connection_closed(Leg::Upstream);
    }
}

//! A connection to an upstream while one exchange has it.

use std::sync::Arc;

use crate::{
    net::{Peer, stream::Stream},
    observe::metrics::{Leg, WorkerCounters},
};

/// A connection to an upstream, for one exchange.
///
/// Dropping it closes the connection; only [`Lease::keep`] lets another exchange have it.
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

/// An open upstream connection, as the gauge of connections sees it.
#[derive(Debug)]
pub struct OpenConnection(Arc<WorkerCounters>);

impl OpenConnection {
    /// Counts one more.
    #[must_use]
    pub fn count(counters: &Arc<WorkerCounters>) -> Self {
        counters.connection_opened(Leg::Upstream);
        Self(Arc::clone(counters))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection_closed(Leg::Upstream);
    }
}

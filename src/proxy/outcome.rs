//! What an exchange came to, for the log and the metrics. Nothing is decided by it.

use std::time::Duration;

use tokio::time::Instant;

use crate::{config::LimitId, error::Error, net::Peer, plan::RequestId, upstream::connector::OpeningTimes};

/// What an exchange came to; filled in as it goes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) error: Option<Error>,
    pub(crate) body_in: u64,
    pub(crate) bytes_out: u64,
    /// Of the last connection that was opened for it.
    pub(crate) opening: Option<Box<OpeningTimes>>,
    pub(crate) first_byte: Option<Duration>,
    /// Time in which only the upstream could do something.
    pub(crate) waited: Duration,
    /// The bodies did not fit one buffer.
    pub(crate) streamed: bool,
    pub(crate) upstream: Option<Peer>,
    /// The place of the server that was asked last among those of its upstream.
    pub(crate) server: Option<usize>,
    pub(crate) attempts: u32,
    /// Redirects that were followed.
    pub(crate) hops: u32,
    pub(crate) reused: Option<bool>,
    /// The limit that has refused it.
    pub(crate) limited_by: Option<LimitId>,
    /// How the request is called where the client gave it no name.
    pub(crate) request_id: RequestId,
    /// When the response was complete, where that is known.
    pub(crate) ended: Option<Instant>,
}

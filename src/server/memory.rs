//! How much memory traffic can take, whatever it carries.

use crate::{
    config::{Config, Upstream},
    net::handshake::TLS_MEMORY,
    proxy::{
        core::{BULK_STREAMS, buffer_size},
        relay::BULK_BUFFER,
    },
    uri::Scheme,
};

/// What a connection and its exchange take beside buffers, in bytes: the task, the frame that its request runs in,
/// and the runtime's records of both sockets.
const EXCHANGE_MEMORY: usize = 8 << 10;

/// The most user memory that traffic can take, in bytes: for each connection the exchange and its buffers, those
/// of a stream while a head is gathered on each side, TLS on the sides that may speak it, and the pools.
#[must_use]
pub fn memory_bound(config: &Config) -> u64 {
    let client_tls = config.listeners.iter().any(|listener| listener.tls.is_some());
    let https = |upstream: &Upstream| upstream.endpoints.iter().any(|server| server.scheme == Scheme::Https);
    // A gateway's targets choose for themselves.
    let upstream_tls = config.gateway().is_some() || config.upstream().is_some_and(https);
    let tls = (usize::from(client_tls) + usize::from(upstream_tls)) * TLS_MEMORY;
    let per_connection = EXCHANGE_MEMORY + 3 * buffer_size(config) + 2 * config.limits.buffer + tls;
    let pools = config.process.workers.get() * BULK_STREAMS * 2 * BULK_BUFFER;
    (config.process.max_connections as u64) * (per_connection as u64) + pools as u64
}

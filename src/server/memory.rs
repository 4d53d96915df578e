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

/// What an idle connection to an upstream takes, in bytes: the socket, its place in the pool and in the runtime.
const POOLED_MEMORY: usize = 2 << 10;
/// What an idle TLS session to an upstream adds, in bytes: keys, the peer's certificates, a resumption ticket, and
/// what the allocator leaves around them.
const POOLED_TLS_MEMORY: usize = 32 << 10;

/// The most user memory that traffic can take, in bytes: for each connection the exchange and its buffers, those
/// of a stream while a head is gathered on each side, TLS on the sides that may speak it; idle connections to
/// upstreams; and the pools. Trailers come when two of the heads have left: of each direction they are held as they
/// came and as they go.
#[must_use]
pub fn memory_bound(config: &Config) -> u64 {
    let client_tls = config.listeners.iter().any(|listener| listener.tls.is_some());
    let https = |upstream: &Upstream| upstream.endpoints.iter().any(|server| server.scheme == Scheme::Https);
    // A gateway's targets choose for themselves.
    let upstream_tls = config.gateway().is_some() || config.upstream().is_some_and(https);
    let tls = (usize::from(client_tls) + usize::from(upstream_tls)) * TLS_MEMORY;
    let head = buffer_size(config);
    let heads_or_trailers = (2 * head).max(4 * (config.limits.trailers + config.limits.fields));
    let per_connection = EXCHANGE_MEMORY + head + heads_or_trailers + 2 * config.limits.buffer + tls;
    let pooled = POOLED_MEMORY + if upstream_tls { POOLED_TLS_MEMORY } else { 0 };
    let most = config.process.max_connections;
    // As many as the pools of all workers keep.
    let idle = config.pool.max_idle.saturating_mul(2).min(most) as u64;
    let bulk = config.process.workers.get() * BULK_STREAMS * 2 * BULK_BUFFER;
    (most as u64) * (per_connection as u64) + idle * (pooled as u64) + bulk as u64
}

//! The one configuration of the process: valid by construction, immutable afterwards.
//!
//! [`compile`](crate::config::compile) makes a [`Config`] from what was typed; nothing else does, and
//! nothing changes one. No I/O happens here but the reading of the files that the settings name.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// `[timeouts]`: every wait of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head (or from accept) to its end; the same for a TLS handshake.
    pub head: Duration,
    /// An idle client connection between two requests.
    pub keep_alive: Duration,
    /// Silence inside a request body.
    pub body_idle: Duration,
    /// Average bytes per second of a request body after the first `body_idle`; 0 switches it off.
    pub min_rate: u64,
    /// DNS, TCP and TLS towards the upstream: one race of addresses.
    pub connect: Duration,
    /// From the request sent to the response head.
    pub response: Duration,
    /// Silence inside a response body.
    pub upstream_idle: Duration,
    /// A peer that takes nothing.
    pub send: Duration,
    /// A tunnel in which nothing moves.
    pub tunnel_idle: Duration,
    /// A tunnel of which one direction has ended.
    pub tunnel_half_closed: Duration,
    /// How long input is read and thrown away after an early answer.
    pub linger: Duration,
}

/// `[limits]`: every bound in bytes or counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head; more is 431, a request line alone 414.
    pub head: usize,
    /// Fields of a head, at most [`MAX_FIELDS`](crate::http1::head::MAX_FIELDS).
    pub fields: usize,
    /// Bytes of a response head; more is 502.
    pub response_head: usize,
    /// Bytes of a trailer section, both directions.
    pub trailers: usize,
    /// Bytes of chunk extensions in one message.
    pub chunk_extensions: usize,
    /// 1xx responses in one exchange.
    pub interim: usize,
    /// Bytes read and thrown away after an early answer.
    pub linger: u64,
    /// Bytes of a request body; `None` is no limit.
    pub body: Option<u64>,
    /// Bytes of the relay buffer of each direction.
    pub buffer: usize,
    /// Kernel buffer of each socket; `None` leaves it to the kernel.
    pub socket_buffer: Option<usize>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_idle: Duration::from_secs(30),
            min_rate: 100,
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(60),
            send: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3600),
            tunnel_half_closed: Duration::from_secs(60),
            linger: Duration::from_secs(2),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 << 10,
            fields: 100,
            response_head: 16 << 10,
            trailers: 8 << 10,
            chunk_extensions: 16 << 10,
            interim: 16,
            linger: 1 << 20,
            body: None,
            buffer: 16 << 10,
            socket_buffer: Some(128 << 10),
        }
    }
}

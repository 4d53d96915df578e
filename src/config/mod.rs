//! The one configuration of the process: valid by construction, immutable afterwards.
//!
//! What was typed arrives as [`Settings`](flags::Settings); [`compile`](compile::compile) makes a [`Config`]
//! of it; nothing else does, and nothing changes one. No I/O happens here but the reading of the files that
//! the settings name, and no decision about a request.

mod bounds;
pub mod compile;
pub mod endpoints;
pub mod flags;
pub mod machine;
mod notes;
mod policies;
mod sections;
pub mod units;
pub mod words;

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use tracing::level_filters::LevelFilter;

pub use self::endpoints::Endpoint;
use crate::{
    access::{AllowHosts, TargetRules},
    cors::CorsPolicy,
    gateway::GatewayForms,
};

/// All that the process does, decided.
pub struct Config {
    /// What is served, where; never empty.
    pub listeners: Vec<Listener>,
    /// What a request is answered with.
    pub service: Service,
    /// Who may read the answers.
    pub cors: CorsPolicy,
    /// Every wait.
    pub timeouts: Timeouts,
    /// Every bound.
    pub limits: Limits,
    /// Threads that serve, each with a runtime of its own.
    pub workers: NonZeroUsize,
    /// Client connections at a time, over all workers.
    pub max_connections: usize,
    /// Bodies that each worker may splice at a time.
    pub pipes: usize,
    /// How long running exchanges may take to end after TERM.
    pub drain_timeout: Duration,
    /// Where the access log is written.
    pub access_log: AccessLog,
    /// Where names are resolved.
    pub dns: Dns,
    /// What is worth a line on stderr.
    pub verbosity: LevelFilter,
    /// Field lines that an example request needs to be let in, such as `Origin: https://app.example.com`.
    pub example_fields: Vec<Box<str>>,
}

impl Config {
    /// The reverse proxy's side of the service.
    #[must_use]
    pub const fn upstream(&self) -> Option<&Upstream> {
        match &self.service {
            Service::Reverse(upstream) | Service::Both { upstream, .. } => Some(upstream),
            Service::Gateway(_) => None,
        }
    }

    /// The gateway's side of the service.
    #[must_use]
    pub const fn gateway(&self) -> Option<&Gateway> {
        match &self.service {
            Service::Gateway(gateway) | Service::Both { gateway, .. } => Some(gateway),
            Service::Reverse(_) => None,
        }
    }
}

/// An address to serve.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where; port 0 lets the kernel choose one.
    pub address: SocketAddr,
    /// With what certificate; `None` is plain TCP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Listener {
    /// Whether only this machine can reach it.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// What a request is answered with.
pub enum Service {
    /// Everything goes to the upstream.
    Reverse(Upstream),
    /// Requests name their target themselves.
    Gateway(Gateway),
    /// What has one of the gateway's forms goes to its target, the rest to the upstream.
    Both {
        /// Asked first.
        gateway: Gateway,
        /// Takes what is no gateway form.
        upstream: Upstream,
    },
}

/// The application behind the reverse proxy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its servers, in the order typed; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken to those that want it.
    pub tls: Arc<rustls::ClientConfig>,
}

/// The gateway, and who may use it for what.
pub struct Gateway {
    /// How a request names its target; at least one is on.
    pub forms: GatewayForms,
    /// Which targets it may name.
    pub rules: TargetRules,
    /// What becomes of a target's redirect.
    pub redirects: Redirects,
    /// Names of fields of which a request must carry one; empty asks for none.
    pub require_headers: Vec<Box<str>>,
    /// Values of `Host` accepted on loopback listeners, where a foreign one is DNS rebinding.
    pub allow_hosts: AllowHosts,
    /// How TLS is spoken to targets.
    pub tls: Arc<rustls::ClientConfig>,
}

/// What becomes of a target's redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// The gateway goes there itself.
    Follow,
    /// `Location` becomes a URL of this gateway.
    Rewrite,
    /// The browser gets it as it is.
    Pass,
}

/// Where the access log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file, made if it is missing.
    File(PathBuf),
}

/// `[dns]`: where names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers; empty means the system's.
    pub servers: Vec<SocketAddr>,
    /// A hosts file instead of the system's.
    pub hosts_file: Option<PathBuf>,
    /// How long a last good answer may serve when the resolver fails.
    pub max_stale: Duration,
}

/// One thing wrong, or worth a warning, in what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The flag as typed, such as `--allow-credentials`; empty where it is about several together.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        // What was typed may hold anything; a terminal is shown text.
        self.message.chars().try_for_each(|character| match character {
            character if character.is_control() => write!(f, "{}", character.escape_default()),
            character => write!(f, "{character}"),
        })
    }
}

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
    /// Kernel buffer of each socket, 4 times that to receive a long body; `None` leaves it to the kernel.
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

//! All of it together.

use std::{num::NonZeroUsize, time::Duration};

use tracing::level_filters::LevelFilter;

use super::{
    dns::Dns, gateway::Gateway, limits::Limits, listen::Listener, log::AccessLog, pool::Pooling,
    timeouts::Timeouts, upstream::Upstream,
};
use crate::cors::CorsPolicy;

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
    /// Query parameters whose values never reach the access log.
    pub redact_query: Vec<String>,
    /// What is kept of connections to upstreams that no request uses.
    pub pool: Pooling,
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

//! All of it together.

use super::{
    dns::Dns, gateway::Gateway, limits::Limits, listen::Listener, log::Log, pool::Pooling, process::Process,
    timeouts::Timeouts, upstream::Upstream,
};
use crate::{access::AllowHosts, cors::CorsPolicy};

/// All that the process does, decided.
pub struct Config {
    /// What holds for the life of the process.
    pub process: Process,
    /// What is served, where; never empty.
    pub listeners: Vec<Listener>,
    /// What a request is answered with.
    pub mode: Mode,
    /// Names by which loopback listeners are called. A page that comes under any other, though it is bound to loopback,
    /// is none of what is served here.
    pub allow_hosts: AllowHosts,
    /// Who may read the answers.
    pub cors: CorsPolicy,
    /// Values of `Host` that are asked for on every listener and of every request; `None` where none were typed.
    pub required_hosts: Option<AllowHosts>,
    /// Every wait.
    pub timeouts: Timeouts,
    /// Every bound.
    pub limits: Limits,
    /// What is kept of connections to upstreams that no request uses.
    pub pool: Pooling,
    /// Where names are resolved.
    pub dns: Dns,
    /// What is written, and where.
    pub log: Log,
    /// Field lines that an example request needs to be let in, such as `Origin: https://app.example.com`.
    pub example_fields: Vec<Box<str>>,
}

impl Config {
    /// The reverse proxy's side of it.
    #[must_use]
    pub const fn upstream(&self) -> Option<&Upstream> {
        match &self.mode {
            Mode::Reverse(upstream) | Mode::Both { upstream, .. } => Some(upstream),
            Mode::Gateway(_) => None,
        }
    }

    /// The gateway's side of it.
    #[must_use]
    pub const fn gateway(&self) -> Option<&Gateway> {
        match &self.mode {
            Mode::Gateway(gateway) | Mode::Both { gateway, .. } => Some(gateway),
            Mode::Reverse(_) => None,
        }
    }
}

/// What a request is answered with.
pub enum Mode {
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

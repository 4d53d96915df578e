//! How much memory traffic can take, whatever it carries.

use crate::{
    admin,
    admission::{MAX_REMEMBERED, Way},
    config::{
        AccessLog, Config, ConfigFault, Endpoint, LeadsTo, Place, Redirects, Resolution, Route, Upstream,
        UpstreamId,
    },
    http1::fields::Field,
    limit::{ConnectionsByClient, Shared, State},
    net::{
        dns::{LOOKUP_MEMORY, LOOKUPS_OF_GOOD, MAX_NAMES, NAME_MEMORY},
        handshake::{HANDSHAKES, TLS_MEMORY, UNPROVEN_MEMORY},
        parked,
    },
    observe::{access_log, metrics, refusals::RECENT_MEMORY},
    proxy::{
        MAX_FREE_FRAMES,
        core::{BULK_STREAMS, MAX_FREE_FIELDS, buffer_size, idle_connections},
        relay::BULK_BUFFER,
    },
    tls::{self, ServerTls},
    uri::{Scheme, TargetHost},
};

/// What a connection and its exchange take beside buffers, in bytes: the task, the frame that its request runs in,
/// and the runtime's records of both sockets. What is kept of one in which nothing moves takes less.
const EXCHANGE_MEMORY: usize = 8 << 10;

/// What a connection to an upstream takes while no exchange has it, in bytes: the socket, its place in the pool or at
/// the client that has logged in on it, and in the runtime.
const IDLE_MEMORY: usize = 2 << 10;
/// What TLS adds to it, in bytes: keys, the chain of certificates that the upstream showed, at its limit, the room
/// that the last record was read into (RFC 8446 §5.2), and what the allocator leaves around them.
const IDLE_TLS_MEMORY: usize = tls::CHAIN_MEMORY + (32 << 10);

/// What a thread takes that verifies passwords, in bytes: its stack as far as it is used, and the passwords that wait.
const VERIFIER_MEMORY: usize = 256 << 10;

/// What a connection to a redis server takes, in bytes, with what waits in it.
const REDIS_MEMORY: usize = 64 << 10;

/// What a token takes that is remembered, in bytes: its digest and what is known of it, in a table that grows by doubling.
const TOKEN_MEMORY: usize = 192;

/// What the program takes without traffic, in bytes: itself, and each of its workers.
const OWN_MEMORY: (usize, usize) = (6 << 20, 1 << 20);

/// The fewest connections that are worth to be served.
const FEWEST: usize = 8;

/// Lets as many connections be served as fit into `max_memory`, if there is such a bound.
///
/// # Errors
/// Hardly any do; it says what is needed.
pub fn fit(config: &mut Config) -> Result<(), ConfigFault> {
    let Some(bound) = config.process.max_memory else { return Ok(()) };
    let (mut fewest, mut most) = (FEWEST.min(config.process.max_connections), config.process.max_connections);
    let mut takes = |connections| {
        config.process.max_connections = connections;
        own(config) + MemoryBound::of(config).total()
    };
    let needed = takes(fewest);
    if needed > bound {
        let message = format!(
            "{bound} bytes are too few: {fewest} connections of this configuration can take {needed}; allow more, or \
             lower --limit-head, --limit-buffer, --workers or keys of [limit.NAME]"
        );
        return Err(ConfigFault { key: "max_memory".into(), message, place: None });
    }
    while fewest < most {
        let middle = fewest + (most - fewest).div_ceil(2);
        if takes(middle) > bound {
            most = middle - 1;
        } else {
            fewest = middle;
        }
    }
    config.process.max_connections = fewest;
    Ok(())
}

/// Whether what `next` can take fits into the bound that holds for the life of the process.
///
/// # Errors
/// It does not.
pub(super) fn fits(next: &Config) -> Result<(), String> {
    let takes = own(next) + MemoryBound::of(next).total();
    match next.process.max_memory {
        Some(bound) if takes > bound => Err(format!(
            "max_memory: {} connections of this configuration can take {takes} bytes, and {bound} are allowed; restart \
             the process, so that it serves fewer",
            next.process.max_connections
        )),
        Some(_) | None => Ok(()),
    }
}

fn own(config: &Config) -> u64 {
    product(1, OWN_MEMORY.0) + product(config.process.workers.get(), OWN_MEMORY.1)
}

/// The most user memory that traffic can take, in bytes, by what takes it. What corsair takes without traffic comes
/// beside it, and so do files that the operator gives it to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// Client connections with their exchanges: buffers, heads, trailers, TLS of both sides.
    pub connections: u64,
    /// Connections to upstreams that no exchange has: in the pools, and those on which clients have logged in.
    pub idle_upstreams: u64,
    /// TLS sessions that are kept to be resumed, with clients and with upstreams.
    pub sessions: u64,
    /// Names that are remembered, or wait to be looked up.
    pub names: u64,
    /// Lookups under way.
    pub lookups: u64,
    /// TLS handshakes with upstreams under way.
    pub handshakes: u64,
    /// Records of the access log on their way to its target.
    pub access_log: u64,
    /// Counters.
    pub counters: u64,
    /// Who is known to limits, and the connections to servers at which they are counted.
    pub limits: u64,
    /// Those who look on: their connections, and the largest answer.
    pub admin: u64,
    /// Buffers of bulk streams, what each worker keeps of requests that have ended for the next ones, certificates of
    /// a client that are being read, and the thread that verifies passwords.
    pub workers: u64,
}

impl MemoryBound {
    /// The bound under this configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let workers = config.process.workers.get();
        let (served, refused) = (config.process.max_connections, config.process.reserve());
        let client_chains = client_tls(config).any(ServerTls::asks_for_certificates);
        let https =
            |upstream: &Upstream| upstream.endpoints.iter().any(|server| server.scheme == Scheme::Https);
        // A gateway's targets choose for themselves.
        let upstream_tls = config.gateway.is_some() || config.upstreams.iter().any(https);
        // A client's are verified as soon as they have been read: one at a time.
        let unproven = if client_chains { UNPROVEN_MEMORY } else { 0 };
        Self {
            connections: product(served, per_connection(config, client_chains, upstream_tls))
                + product(refused, per_refusal(config, client_chains)),
            idle_upstreams: idle_upstreams(config, upstream_tls),
            sessions: sessions(config),
            names: product(names(config, MAX_NAMES), NAME_MEMORY),
            lookups: product(names(config, lookups(config)), LOOKUP_MEMORY),
            handshakes: if upstream_tls {
                product(workers * HANDSHAKES.min(served), UNPROVEN_MEMORY)
            } else {
                0
            },
            access_log: match config.log.access {
                AccessLog::Off => 0,
                AccessLog::Stdout | AccessLog::Stderr | AccessLog::File(_) => {
                    product(workers, access_log::HANDLE_MEMORY) + product(1, access_log::WRITER_MEMORY)
                }
            },
            // Those of the workers, and the sums over them.
            counters: product(workers + 1, counters(config)),
            limits: limits(config) + product(1, ConnectionsByClient::memory(config.process.max_connections)),
            admin: if config.admin.listen.is_some() {
                product(1, admin::MEMORY_OF_CONNECTIONS + admin::answer_memory(config))
            } else {
                0
            },
            workers: product(
                workers,
                BULK_STREAMS * 2 * BULK_BUFFER
                    + kept(config)
                    + unproven
                    + verifications(config)
                    + known_tokens(config),
            ),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            connections,
            idle_upstreams,
            sessions,
            names,
            lookups,
            handshakes,
            access_log,
            counters,
            limits,
            admin,
            workers,
        } = *self;
        let parts = [
            connections,
            idle_upstreams,
            sessions,
            names,
            lookups,
            handshakes,
            access_log,
            counters,
            limits,
            admin,
            workers,
        ];
        parts.iter().sum()
    }
}

/// What one worker counts: also of what a configuration had that was replaced, while requests under way have it.
fn counters(config: &Config) -> usize {
    let servers: usize = config.upstreams.iter().map(Upstream::most_servers).sum();
    // The targets of the gateway are one more, and so are those of the forward proxy.
    let targets = 1 + usize::from(config.forward.is_some());
    let upstreams = config.upstreams.len() + targets;
    let (routes, policies) = (config.routes.iter().count(), config.policy_ids().count());
    let (access, limits) = (config.access_tables().count(), config.limit_tables().len());
    let recent = if config.dev { RECENT_MEMORY } else { 0 };
    recent + metrics::memory(routes, policies, access, limits, upstreams, servers + targets)
}

/// What limits take.
fn limits(config: &Config) -> u64 {
    let tables = config.limit_tables().iter();
    let known: u64 = tables.clone().map(|limit| product(1, State::memory(limit.state.keys()))).sum();
    let at_servers = tables.filter(|limit| matches!(limit.shared, Shared::Redis { .. })).count();
    known + product(config.process.workers.get() * at_servers, REDIS_MEMORY)
}

/// What the thread takes that verifies passwords for a worker.
fn verifications(config: &Config) -> usize {
    if config.access_tables().any(|table| matches!(table.way, Way::Basic(..))) { VERIFIER_MEMORY } else { 0 }
}

/// What a worker remembers of tokens.
fn known_tokens(config: &Config) -> usize {
    let are_known = config.access_tables().any(|table| matches!(table.way, Way::Jwt(_)));
    if are_known { MAX_REMEMBERED * TOKEN_MEMORY } else { 0 }
}

/// TLS of the listeners.
fn client_tls(config: &Config) -> impl Iterator<Item = &ServerTls> {
    config.listeners().filter_map(|(_, listener)| listener.tls.as_ref())
}

fn product(count: usize, size: usize) -> u64 {
    (count as u64).saturating_mul(size as u64)
}

/// What one client connection takes: the exchange and its buffers, those of a stream while a head is gathered on each
/// side, TLS on the sides that may speak it, and its rows among what waits outside of the runtime. Trailers come when two of the heads
/// have left: of each direction they are held as they came and as they go.
fn per_connection(config: &Config, client_chains: bool, upstream_tls: bool) -> usize {
    let with_upstream = if upstream_tls { TLS_MEMORY + tls::CHAIN_MEMORY } else { 0 };
    let head = buffer_size(config);
    let heads_or_trailers = (2 * head).max(4 * (config.limits.trailers + config.limits.fields));
    let buffers = head + heads_or_trailers + 2 * config.limits.buffer;
    // A table keeps its size while anybody is parked, and which worker's a connection will be in nobody knows.
    let parked = config.process.workers.get() * (parked::ROW_MEMORY + parked::ROW_OF_TWO_MEMORY);
    exchange(config)
        + 2 * fields(config)
        + buffers
        + kept_bodies(config)
        + with_client(config, client_chains)
        + with_upstream
        + parked
}

/// What a client connection takes that is only told that there is no memory: its head, and the answer.
fn per_refusal(config: &Config, client_chains: bool) -> usize {
    EXCHANGE_MEMORY + fields(config) + 2 * buffer_size(config) + with_client(config, client_chains)
}

/// TLS on the side of the client, if it may speak it.
fn with_client(config: &Config, client_chains: bool) -> usize {
    let with_chain = if client_chains { tls::CLIENT_CHAIN_MEMORY } else { 0 };
    client_tls(config).next().map_or(0, |_| TLS_MEMORY + with_chain)
}

/// An exchange, and the one before it in which a service is asked whether it may be.
fn exchange(config: &Config) -> usize {
    let asks = config.access_tables().any(|table| matches!(table.way, Way::Forward(_)));
    if asks { 2 * EXCHANGE_MEMORY } else { EXCHANGE_MEMORY }
}

/// The request body that an exchange keeps to send it again, where a gateway follows redirects, or upstreams are asked
/// instead of others.
fn kept_bodies(config: &Config) -> usize {
    let follows = config.gateway.as_ref().is_some_and(|gateway| gateway.redirects == Redirects::Follow);
    let declines = |id: UpstreamId| !config.upstream(id).retry.statuses.is_empty();
    let keeps = |route: &&Route| match route.leads_to {
        LeadsTo::Gateway => follows,
        LeadsTo::Upstream(id) => declines(id),
        LeadsTo::Nothing | LeadsTo::Forward | LeadsTo::Respond(_) => false,
    };
    config.routes.iter().filter(keeps).map(|route| route.limits.replay).max().unwrap_or(0)
}

/// The fields of one head.
fn fields(config: &Config) -> usize {
    // A list grows by doubling.
    config.limits.fields.next_power_of_two() * size_of::<Field>()
}

/// Lookups that a worker makes at once: of new names, and of those that were good before.
fn lookups(config: &Config) -> usize {
    config.process.lookups + config.process.lookups.min(LOOKUPS_OF_GOOD)
}

/// How many names all resolvers have to do with, each up to `most`: those of workers with all that clients think of, or with
/// those of the upstreams, and so has that of the process, which follows and probes these.
fn names(config: &Config, most: usize) -> usize {
    let of_upstreams = config.upstreams.iter().map(names_of).sum::<usize>().min(most);
    let of_worker = if config.reaches_chosen_targets() { most } else { of_upstreams };
    let of_keys = config.key_sources().map(|(source, _)| names_of(&source.upstream)).sum::<usize>();
    config.process.workers.get() * of_worker + of_upstreams + of_keys
}

/// How many names there are of an upstream: none where all its servers are addresses.
fn names_of(upstream: &Upstream) -> usize {
    let has_one = |server: &&Endpoint| match server.place() {
        Place::Service(_) | Place::Port(TargetHost::Name(_), _) => true,
        // What it is asked through may be a name.
        Place::Port(TargetHost::Ip(_), _) | Place::Unix(_) => upstream.parents.is_some(),
    };
    // Each server of a service may have a name of its own.
    let of_services = if upstream.resolution == Resolution::Service { upstream.most_servers() } else { 0 };
    upstream.endpoints.iter().filter(has_one).count() + of_services
}

/// Those in the pools of all workers, and those on which clients have logged in at several upstreams.
fn idle_upstreams(config: &Config, upstream_tls: bool) -> u64 {
    let most = config.process.max_connections;
    let several = config.reaches_chosen_targets()
        || config.upstreams.iter().any(|upstream| upstream.most_servers() > 1);
    let workers = config.process.workers.get();
    // The pools of all workers, of which each rounds up.
    let pooled = workers * idle_connections(config);
    let bound = if several { most } else { 0 };
    product(pooled + bound, IDLE_MEMORY + if upstream_tls { IDLE_TLS_MEMORY } else { 0 })
}

fn sessions(config: &Config) -> u64 {
    let mut keeping: Vec<&ServerTls> = Vec::new();
    for tls in client_tls(config).filter(|tls| tls.keeps_sessions()) {
        // Listeners of the same settings keep them together.
        if !keeping.iter().any(|other| other.shares_sessions_with(tls)) {
            keeping.push(tls);
        }
    }
    let with_clients = product(keeping.len() * tls::SERVER_SESSIONS, tls::SERVER_SESSION_MEMORY);
    with_clients + product(session_names(config) * tls::SESSIONS_OF_A_NAME, tls::CLIENT_SESSION_MEMORY)
}

/// Names of servers whose sessions are kept: each upstream has a memory of its own for them, and so has the gateway.
fn session_names(config: &Config) -> usize {
    let https = |upstream: &Upstream| {
        let servers = upstream.endpoints.iter().filter(|server| server.scheme == Scheme::Https);
        servers.count().min(tls::CLIENT_SESSION_NAMES)
    };
    let of_gateway = config.gateway.as_ref().map_or(0, |_| tls::CLIENT_SESSION_NAMES);
    of_gateway + config.upstreams.iter().map(https).sum::<usize>()
}

/// What one worker keeps of requests that have ended. That of one worker alone is what its connections took before;
/// those of others may have taken theirs since.
fn kept(config: &Config) -> usize {
    if config.process.workers.get() == 1 {
        return 0;
    }
    let most = config.process.max_connections;
    most.min(MAX_FREE_FRAMES) * EXCHANGE_MEMORY + (2 * most).min(MAX_FREE_FIELDS) * fields(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{MAX_ADDRESSES, sample},
        plan::sample::{REVERSE, config},
        tls::sample::tls,
    };

    /// The bound with listeners that speak TLS so.
    fn bound(tls: &[&ServerTls]) -> MemoryBound {
        let mut config = config(REVERSE);
        let plain = config.listeners.remove(0);
        let listener = |tls: &&ServerTls| {
            let mut listener = plain.clone();
            listener.tls = Some((*tls).clone());
            listener
        };
        config.listeners = tls.iter().map(listener).collect();
        MemoryBound::of(&config)
    }

    #[test]
    fn names_are_counted_for_each_who_resolves_them_and_addresses_for_nobody() {
        for (upstream, each) in [
            ("servers = \"http://10.0.0.1\"", 0),
            ("servers = [\"http://a.example\", \"http://10.0.0.1\", \"unix:/run/a.sock\"]", 1),
            ("servers = \"http://a.example\"\nresolve = \"all\"", 1),
            ("servers = \"http://_http._tcp.a.example\"\nresolve = \"srv\"", 1 + MAX_ADDRESSES),
        ] {
            let text = format!("workers = 2\n[upstream.a]\n{upstream}\n[[route]]\nupstream = \"a\"");
            let config = sample::compiled(&sample::file(&text, &[]));
            assert_eq!(names(&config, MAX_NAMES), 3 * each, "{upstream}");
        }
    }

    #[test]
    fn as_many_connections_are_served_as_fit() {
        let fitted = |typed: &str| {
            let mut config = config(&["--upstream=http://127.0.0.1:1", "--workers=2", typed]);
            config.process.max_connections = 5_000;
            fit(&mut config).map(|()| config)
        };
        let served = |typed: &str| fitted(typed).expect("some fit").process.max_connections;
        assert_eq!((served("--max-memory=off"), served("--max-memory=4g")), (5_000, 5_000));
        let config = fitted("--max-memory=64m").expect("some fit");
        assert!((100..1_000).contains(&config.process.max_connections), "{}", config.process.max_connections);
        let takes = own(&config) + MemoryBound::of(&config).total();
        assert!((62 << 20..=64 << 20).contains(&takes), "{takes}");
        assert!(fits(&config).is_ok());
        let mut more = config;
        more.limits.buffer = 1 << 20;
        assert!(fits(&more).is_err_and(|fault| fault.starts_with("max_memory: ")));
        let fault = fitted("--max-memory=16m").map(|config| config.process.max_connections);
        assert!(
            fault
                .as_ref()
                .is_err_and(|fault| fault.to_string().starts_with("max_memory: 16777216 bytes are too few"))
                || fault.is_ok_and(|connections| connections < 100)
        );
    }

    #[test]
    fn sessions_are_counted_once_for_listeners_that_share_them() {
        let (one, other) = (tls(&[&["a.example"]], false), tls(&[&["a.example"]], false));
        let of_one = product(tls::SERVER_SESSIONS, tls::SERVER_SESSION_MEMORY);
        for (listeners, tables) in
            [(&[][..], 0), (&[&one], 1), (&[&one, &one], 1), (&[&one, &other], 2), (&[&one, &other, &one], 2)]
        {
            assert_eq!(bound(listeners).sessions, tables * of_one);
        }
    }

    #[test]
    fn certificates_of_clients_are_held_for_each_connection_and_no_session() {
        let (open, asking) = (tls(&[&["a.example"]], false), tls(&[&["a.example"]], true));
        let (without, with) = (bound(&[&open]), bound(&[&open, &asking]));
        let most = config(REVERSE).process.max_connections;
        assert_eq!(with.connections - without.connections, product(most, tls::CLIENT_CHAIN_MEMORY));
        assert_eq!(with.sessions, without.sessions);
        assert_eq!(with.workers - without.workers, product(1, UNPROVEN_MEMORY));
        assert_eq!(bound(&[&asking]).sessions, 0);
    }
}

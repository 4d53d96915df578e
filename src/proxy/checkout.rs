//! A connection for an exchange: from the pool, or opened.

use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::time::Instant;

use super::{
    exchange::Job,
    plan::Exchange,
    rewrite::Onward,
    route::{Destination, Target},
    state::ExchangeState,
};
use crate::{
    config::{Endpoint, Upstream, endpoints::Place},
    error::Error,
    http1::{body::BodyReader, framing::Framing, head::Request},
    net::Peer,
    observe::metrics::PoolResult,
    upstream::{
        Lease, OpenConnection,
        connector::{self, OpeningTimes, Remote},
    },
    uri::{Scheme, TargetHost},
};

/// What holds for all attempts of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// By when there must be a response head.
    pub(crate) deadline: Instant,
    /// When this attempt began.
    pub(crate) begun: Instant,
    /// A pooled connection has failed already.
    pub(crate) fresh_only: bool,
}

/// Takes or opens a connection to wherever the exchange goes now.
///
/// # Errors
/// Those of [`connector::open`], timeouts, a client that leaves meanwhile, and those of
/// [`crate::access::TargetRules::admit_name`].
pub(crate) async fn checkout(
    job: &mut Job<'_>,
    exchange: &mut Exchange,
    round: &Round,
    body: &mut BodyReader,
    state: &ExchangeState,
) -> Result<Lease, Error> {
    match &exchange.destination {
        Destination::Target(target) => to_target(job, target, round, body, state).await,
        Destination::Upstream => to_upstream(job, exchange, round, body, state).await,
    }
}

async fn to_target(
    job: &mut Job<'_>,
    target: &Target,
    round: &Round,
    body: &mut BodyReader,
    state: &ExchangeState,
) -> Result<Lease, Error> {
    let gateway = job.config.gateway().ok_or(Error::Internal)?;
    let url = &target.url;
    let verdict = gateway.rules.admit_name(url.host(), url.port())?;
    let admits = |ip| gateway.rules.admit_address(verdict, ip, url.port());
    if let Some(lease) = pooled(job, url.origin(), round, admits) {
        return Ok(lease);
    }
    let tls = match url.scheme() {
        Scheme::Http => None,
        Scheme::Https => {
            let name = match url.host() {
                TargetHost::Ip(ip) => ServerName::from(ip),
                TargetHost::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                    .map_err(|_| Error::TlsProtocol)?,
            };
            Some((Arc::clone(&gateway.tls), name))
        }
    };
    let socket_buffer = job.config.limits.socket_buffer;
    let door = Remote { place: Place::Port(url.host(), url.port()), tls, socket_buffer };
    open(job, door, admits, round, body, state).await
}

async fn to_upstream(
    job: &mut Job<'_>,
    exchange: &mut Exchange,
    round: &Round,
    body: &mut BodyReader,
    state: &ExchangeState,
) -> Result<Lease, Error> {
    let config = job.config;
    let upstream = config.upstream().ok_or(Error::Internal)?;
    let count = upstream.endpoints.len();
    let first = job.core.turn.get() % count;
    job.core.turn.set((first + 1) % count);
    let mut failed = Error::Internal;
    for index in (first..first + count).map(|index| index % count) {
        exchange.endpoint = index;
        let endpoint = &upstream.endpoints[index];
        if let Some(lease) = pooled(job, &endpoint.key, round, |_| true) {
            return Ok(lease);
        }
        match open(job, door(upstream, endpoint, config.limits.socket_buffer), |_| true, round, body, state)
            .await
        {
            Ok(lease) => return Ok(lease),
            Err(error) if error.client_is_gone() || Instant::now() >= round.deadline => return Err(error),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn door<'a>(upstream: &Upstream, endpoint: &'a Endpoint, socket_buffer: Option<usize>) -> Remote<'a> {
    Remote {
        place: endpoint.place(),
        tls: endpoint.tls_server_name.clone().map(|name| (Arc::clone(&upstream.tls), name)),
        socket_buffer,
    }
}

fn pooled(job: &Job<'_>, key: &str, round: &Round, admits: impl Fn(IpAddr) -> bool) -> Option<Lease> {
    if round.fresh_only {
        return None;
    }
    // A request that cannot be sent twice is worth a system call (R2).
    let ask_kernel = !job.head.method.is_safe() || job.plan.framing != Framing::None;
    let found = job.core.pool.checkout(key, ask_kernel, round.begun, |peer| match peer {
        Peer::Ip(address) => admits(address.ip()),
        Peer::Unix(_) => true,
    });
    let counters = &job.core.counters;
    counters.pool_reuse(if found.is_some() { PoolResult::Reused } else { PoolResult::New });
    found
}

async fn open(
    job: &mut Job<'_>,
    door: Remote<'_>,
    admits: impl Fn(IpAddr) -> bool,
    round: &Round,
    body: &mut BodyReader,
    state: &ExchangeState,
) -> Result<Lease, Error> {
    let core = job.core;
    let deadline = round.deadline.min(Instant::now() + job.config.timeouts.connect);
    let is_name = matches!(door.place, Place::Port(TargetHost::Name(_), _));
    let mut times = OpeningTimes::default();
    let opened = {
        // Boxed: an idle connection must not carry the room for a handshake.
        let mut opening = Box::pin(connector::open(&core.resolver, door, admits, &mut times));
        let (mut client, timer) = job.client_side_and_timer(body, state);
        poll_fn(|cx| {
            if let Poll::Ready(opened) = pin!(&mut opening).poll(cx) {
                return Poll::Ready(opened);
            }
            client.poll_leave(cx, timer, deadline, Error::ConnectTimeout).map(Err)
        })
        .await
    };
    job.outcome.opening = times;
    job.outcome.attempts += 1;
    job.outcome.upstream = times.tried.map(Peer::Ip);
    let unresolved = is_name && times.dns.is_none();
    let (stream, peer) = opened.map_err(|error| {
        if error == Error::ConnectTimeout && unresolved { Error::DnsTimeout } else { error }
    })?;
    Ok(Lease { stream, peer, reused: false, open: OpenConnection::count(&core.counters) })
}

/// Returns a connection to the pool under the name it was taken out by.
pub(crate) fn keep(
    job: &Job<'_>,
    exchange: &Exchange,
    lease: Lease,
    announced: Option<Duration>,
    now: Instant,
) {
    match (&exchange.destination, job.config.upstream()) {
        (Destination::Target(target), _) => lease.keep(&job.core.pool, target.url.origin(), announced, now),
        (Destination::Upstream, Some(upstream)) => {
            lease.keep(&job.core.pool, &upstream.endpoints[exchange.endpoint].key, announced, now);
        }
        (Destination::Upstream, None) => {}
    }
}

/// What the head of the upstream request says of where it goes.
pub(crate) fn onward<'a>(
    job: &Job<'a>,
    exchange: &Exchange,
    target: Option<&'a Target>,
    request: Request<'a>,
) -> Onward<'a> {
    let plain = Onward {
        method: None,
        target: [b"", b"", b""],
        host: b"",
        framing: job.plan.framing,
        is_gateway: false,
        without_credentials: false,
        without_body: false,
    };
    if let Some(target) = target {
        return Onward {
            method: target.get.then_some(b"GET"),
            target: [target.url.path_and_query().as_bytes(), b"", b""],
            host: target.url.authority().as_bytes(),
            framing: if target.without_body { Framing::None } else { job.plan.framing },
            is_gateway: true,
            without_credentials: target.crossed,
            without_body: target.without_body,
        };
    }
    let [path, rest] = exchange.target.origin_form(request);
    let Some(endpoint) = job.config.upstream().and_then(|upstream| upstream.endpoints.get(exchange.endpoint))
    else {
        return plain;
    };
    let prefix = if path == b"*" { "" } else { &*endpoint.prefix };
    let own = exchange.authority.map(|authority| authority.of(request.bytes));
    let host = match own {
        // An https server given by name expects to be called by it (interface.md, `host_header`).
        Some(host) if !endpoint.wants_own_host() => host,
        _ => endpoint.authority.as_bytes(),
    };
    Onward { target: [prefix.as_bytes(), path, rest], host, ..plain }
}

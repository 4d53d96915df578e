//! The state of the process as JSON: for the page, for `corsair status`, and for whoever else looks on.
//!
//! Its names are an interface: they are added to and never renamed.

use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    exposition::result,
    history::Period,
    observed::{Observed, Stage},
    quantile::quantile,
};
use crate::{
    config::{self, Config, Endpoint, Upstream},
    cors::Stage as Kind,
    limit::Shared,
    observe::{
        metrics::{Leg, ServerSums, Snapshot},
        refusals::Refusal,
    },
    upstream::{ServerState, Servers},
};

/// A resident page of memory, in bytes, is told by the system as part of this metric.
const RESIDENT: &str = "process_resident_memory_bytes";

/// All of it.
#[derive(Debug, Serialize)]
struct Status<'a> {
    version: &'static str,
    generation: u64,
    started: String,
    time: String,
    state: &'static str,
    workers: Vec<Worker>,
    listeners: Vec<Listener>,
    connections: Connections,
    upstreams: Vec<Group<'a>>,
    cors: Vec<Verdict<'a>>,
    refused: Vec<RefusedRequest>,
    certificates: Vec<Certificate>,
    limits: Vec<Limiting<'a>>,
    errors: BTreeMap<&'static str, u64>,
    requests: Requests,
    memory: Memory,
    log: Log,
    config: Configuration,
    history: Seconds,
}

#[derive(Debug, Serialize)]
struct Worker {
    requests: u64,
    connections: u64,
}

#[derive(Debug, Serialize)]
struct Listener {
    address: String,
    tls: bool,
    services: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Connections {
    client: u64,
    upstream: u64,
    idle_upstream: u64,
    max: usize,
}

#[derive(Debug, Serialize)]
struct Group<'a> {
    name: &'a str,
    servers: Vec<Server<'a>>,
}

#[derive(Debug, Serialize)]
struct Server<'a> {
    url: &'a str,
    address: Option<String>,
    state: &'static str,
    reason: Option<String>,
    since: String,
    verify: bool,
    in_use: u64,
    idle: u64,
    requests: u64,
    failures: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
    policy: &'a str,
    kind: &'static str,
    result: &'static str,
    reason: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct RefusedRequest {
    time: String,
    origin: String,
    method: String,
    path: String,
    route: String,
    policy: String,
    kind: Option<&'static str>,
    reason: String,
    setting: Option<String>,
    place: Option<String>,
    hint: String,
}

#[derive(Debug, Serialize)]
struct Certificate {
    listener: String,
    names: Vec<String>,
    expires: String,
}

#[derive(Debug, Serialize)]
struct Requests {
    total: u64,
    rate: f64,
    error_rate: f64,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Memory {
    bound: u64,
    used: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Log {
    dropped: u64,
}

/// A limit, and what it has come to.
#[derive(Debug, Serialize)]
struct Limiting<'a> {
    limit: &'a str,
    /// Who is known, and how many can be.
    known: usize,
    keys: usize,
    /// Among how many processes its rate is divided, or counted; absent where it is not shared, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u32>,
    limited: u64,
    keys_dropped: u64,
    shared_failures: u64,
}

#[derive(Debug, Serialize)]
struct Configuration {
    path: Option<String>,
    generation: u64,
    loaded: String,
    fault: Option<String>,
}

#[derive(Debug, Serialize)]
struct Seconds {
    interval_s: u32,
    end: Option<String>,
    requests: Vec<u64>,
    errors: Vec<u64>,
    p50_ms: Vec<Option<f64>>,
    p90_ms: Vec<Option<f64>>,
    p99_ms: Vec<Option<f64>>,
    connections: Vec<u64>,
}

fn limits<'a>(observed: &Observed, config: &'a Config) -> Vec<Limiting<'a>> {
    let limits = config.limit_tables().iter().map(|limit| {
        let sums = observed.metrics.limit(&limit.name);
        let replicas = Some(limit.state.replicas()).filter(|replicas| *replicas > 0);
        Limiting {
            limit: &limit.name,
            known: limit.state.known(),
            keys: limit.state.keys(),
            replicas: replicas.filter(|_| limit.shared != Shared::Local),
            limited: sums.limited,
            keys_dropped: sums.keys_dropped,
            shared_failures: sums.shared_failures,
        }
    });
    limits.collect()
}

/// The state, as it is now.
pub(super) fn json(observed: &Observed) -> Vec<u8> {
    let publication = observed.published.current();
    let config = &*publication.config;
    let snapshot = observed.metrics.snapshot();
    let reloads = observed.reloads.current();
    let groups = config.upstreams.iter().zip(&publication.servers);
    let groups = groups.map(|(upstream, servers)| group(observed, upstream, servers));
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        generation: publication.generation,
        started: timestamp(observed.started),
        time: timestamp(SystemTime::now()),
        state: match observed.stage.get() {
            Stage::Starting => "starting",
            Stage::Serving => "serving",
            Stage::Draining => "draining",
        },
        workers: workers(observed),
        listeners: listeners(observed, config),
        connections: Connections {
            client: snapshot.connections(Leg::Client),
            upstream: snapshot.connections(Leg::Upstream),
            idle_upstream: snapshot.pool_idle(),
            max: config.process.max_connections,
        },
        upstreams: groups.collect(),
        cors: verdicts(observed, config),
        refused: refused(observed, config, publication.generation),
        certificates: certificates(config),
        limits: limits(observed, config),
        errors: snapshot.errors().filter(|(_, count)| *count > 0).collect(),
        requests: requests(observed, &snapshot),
        memory: Memory { bound: (observed.memory_bound)(config), used: resident(observed) },
        log: Log { dropped: snapshot.log_dropped() },
        config: Configuration {
            path: config.file.as_ref().map(|file| file.name.to_string()),
            generation: publication.generation,
            loaded: timestamp(reloads.loaded),
            fault: (!reloads.faults.is_empty()).then(|| reloads.faults.join("\n")),
        },
        history: seconds(observed),
    };
    // Nothing in it is a map whose keys are no text, or a number that is none.
    serde_json::to_vec(&status).unwrap_or_default()
}

fn workers(observed: &Observed) -> Vec<Worker> {
    let workers = observed.metrics.by_worker().into_iter();
    workers.map(|(requests, connections)| Worker { requests, connections }).collect()
}

fn listeners(observed: &Observed, config: &Config) -> Vec<Listener> {
    let addresses = observed.addresses.borrow();
    let listeners = config.listeners().enumerate().map(|(place, (_, listener))| {
        let services = [
            ("gateway", listener.gateway && config.gateway.is_some()),
            ("forward", listener.forward && config.forward.is_some()),
            ("routes", listener.routes && config.has_routes()),
        ];
        Listener {
            // Where port 0 is configured, the one that it came to be.
            address: addresses.get(place).unwrap_or(&listener.address).url(listener.tls.is_some()),
            tls: listener.tls.is_some(),
            services: services.into_iter().filter_map(|(name, is)| is.then_some(name)).collect(),
        }
    });
    listeners.collect()
}

fn group<'a>(observed: &Observed, upstream: &'a Upstream, servers: &'a Servers) -> Group<'a> {
    let servers = servers.endpoints().iter().enumerate().map(|(index, server)| {
        let sums = observed.metrics.server(&upstream.name, &server.shown);
        one_server(observed, server, &sums, servers.state(index), upstream.tls.verifies())
    });
    Group { name: &upstream.name, servers: servers.collect() }
}

fn one_server<'a>(
    observed: &Observed,
    server: &'a Endpoint,
    sums: &ServerSums,
    state: ServerState,
    verify: bool,
) -> Server<'a> {
    let first_byte = sums.first_byte();
    let milliseconds = |share| rounded(quantile(first_byte.bounds_nanos, &first_byte.counts, share)? / 1e6);
    let address = server.found().map(|address| address.to_string());
    let url = address.as_ref().and_then(|address| server.shown.strip_suffix(&**address)).map(str::trim_end);
    Server {
        url: url.unwrap_or(&server.shown),
        address,
        state: match state {
            ServerState { is_out: true, .. } => "out",
            ServerState { is_starting: true, .. } => "starting",
            ServerState { .. } => "up",
        },
        reason: state.reason,
        since: timestamp(state.since.map_or(observed.started, |since: Instant| observed.time_of(since))),
        verify,
        in_use: sums.in_use,
        idle: sums.idle,
        requests: sums.requests().map(|(_, count)| count).sum(),
        failures: sums.failures,
        p50_ms: milliseconds(0.5),
        p99_ms: milliseconds(0.99),
    }
}

fn verdicts<'a>(observed: &Observed, config: &'a Config) -> Vec<Verdict<'a>> {
    let policies = config.policy_ids().flat_map(|id| {
        let (policy, reports_only) = (config.policy_name(id), config.policy(id).is_report_only());
        let verdicts: Vec<_> = observed.metrics.policy(policy).verdicts().collect();
        verdicts.into_iter().map(move |(stage, reason, count)| Verdict {
            policy,
            kind: stage.label(),
            result: result(reason, reports_only),
            reason: reason.unwrap_or_default(),
            count,
        })
    });
    policies.collect()
}

/// The last requests that were refused under the running configuration: what an earlier one has refused may be allowed
/// by now.
fn refused(observed: &Observed, config: &Config, generation: u64) -> Vec<RefusedRequest> {
    let refusals = observed.metrics.refusals();
    let refusals = refusals.iter().filter(|refusal| refusal.generation == generation);
    refusals.map(|refusal| refused_request(config, refusal)).collect()
}

fn refused_request(config: &Config, refusal: &Refusal) -> RefusedRequest {
    let Refusal { listener, route, obstacle, access, .. } = *refusal;
    let what = config::Refused {
        listener,
        route,
        head: &refusal.detail,
        origin: Some(&*refusal.origin).filter(|origin| !origin.is_empty()),
        host: &refusal.host,
        access,
    };
    let remedy = config.remedy(obstacle, &what);
    let (setting, hint) = remedy.map_or((None, String::new()), |remedy| (remedy.setting, remedy.hint));
    let route = config.route(route);
    RefusedRequest {
        time: timestamp(refusal.time),
        origin: text(&refusal.origin),
        method: text(&refusal.method),
        path: text(&refusal.target),
        route: route.name.to_string(),
        policy: config.policy_name(route.policy).to_owned(),
        kind: refusal.stage.map(Kind::label),
        reason: obstacle.describe(&refusal.detail),
        place: setting.as_ref().and_then(|setting| setting.place.as_ref()).map(ToString::to_string),
        setting: setting.map(|setting| setting.name),
        hint,
    }
}

fn certificates(config: &Config) -> Vec<Certificate> {
    let listeners = config.listeners().filter_map(|(_, listener)| Some((listener, listener.tls.as_ref()?)));
    let certificates = listeners.flat_map(|(listener, tls)| {
        tls.certificates().map(|certificate| Certificate {
            listener: listener.address.url(true),
            names: certificate.names.iter().map(ToString::to_string).collect(),
            expires: timestamp(certificate.not_after),
        })
    });
    certificates.collect()
}

fn requests(observed: &Observed, snapshot: &Snapshot) -> Requests {
    let Period { seconds, requests, failed, quantiles: [p50_ms, p90_ms, p99_ms], .. } =
        observed.history.borrow().present();
    let rate = |count| if seconds > 0.0 { rounded(number(count) / seconds).unwrap_or_default() } else { 0.0 };
    Requests {
        total: snapshot.requests(),
        rate: rate(requests),
        error_rate: rate(failed),
        p50_ms: p50_ms.and_then(rounded),
        p90_ms: p90_ms.and_then(rounded),
        p99_ms: p99_ms.and_then(rounded),
    }
}

fn seconds(observed: &Observed) -> Seconds {
    let history = observed.history.borrow();
    let seconds = history.seconds();
    let quantiles =
        |place: usize| seconds.iter().map(move |second| second.quantiles[place].and_then(rounded)).collect();
    Seconds {
        interval_s: 1,
        end: history.end().map(timestamp),
        requests: seconds.iter().map(|second| second.requests).collect(),
        errors: seconds.iter().map(|second| second.failed).collect(),
        p50_ms: quantiles(0),
        p90_ms: quantiles(1),
        p99_ms: quantiles(2),
        connections: seconds.iter().map(|second| second.connections).collect(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size in memory is no fraction, not negative, and far below 2^53"
)]
fn resident(observed: &Observed) -> Option<u64> {
    let families = observed.process();
    let family = families.iter().find(|family| family.name() == RESIDENT)?;
    family.get_metric().first().map(|metric| metric.get_gauge().get_value() as u64)
}

/// What came from outside, as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// To thousandths: more than that nobody reads.
fn rounded(value: f64) -> Option<f64> {
    Some((value * 1000.0).round() / 1000.0).filter(|value| value.is_finite())
}

#[expect(clippy::cast_precision_loss, reason = "requests of a minute are far fewer than 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// RFC 3339, UTC, with milliseconds.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let time = i64::try_from(since).ok().and_then(|since| Timestamp::from_millisecond(since).ok());
    time.map_or_else(String::new, |time| format!("{time:.3}"))
}

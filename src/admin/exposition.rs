//! The metrics as text, for Prometheus and whoever reads its format.
//!
//! A series is there as soon as something of it was counted, or where it is a gauge; all of them come from the rows of
//! the [catalogue](crate::observe::metrics::catalogue), and labels are words of tables and names of the configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{
    Encoder, TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily},
};

use super::observed::Observed;
use crate::{
    admission::Way,
    config::{Config, Routes},
    observe::metrics::{
        BufferState, Direction, Distribution, Leg, Metric, PoolResult, Snapshot,
        catalogue::{self as all, Kind},
    },
};

/// What a sample is worth.
enum Value {
    Count(u64),
    Seconds(f64),
    Spread(Distribution),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Count(u64::from(is))
    }
}

/// Families of samples that are being gathered.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    /// Adds a family with its samples, each with the values of its labels; nothing where there are none.
    fn add<'a, L: AsRef<[&'a str]>>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (L, Value)>,
    ) {
        let samples: Vec<Sample> =
            samples.into_iter().map(|(labels, value)| sample(metric, labels.as_ref(), value)).collect();
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(metric.kind.of_library());
        family.set_metric(samples);
        self.0.push(family);
    }

    fn add_one(&mut self, metric: &Metric, value: impl Into<Value>) {
        self.add(metric, [([], value.into())]);
    }
}

fn sample(metric: &Metric, labels: &[&str], value: Value) -> Sample {
    let pairs = metric.labels.iter().zip(labels).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    let mut sample = Sample::from_label(pairs.collect());
    match value {
        Value::Spread(distribution) => sample.set_histogram(histogram(&distribution)),
        Value::Count(_) | Value::Seconds(_) => {
            let number = number(&value);
            if metric.kind == Kind::Counter {
                let mut counter = Counter::default();
                counter.set_value(number);
                sample.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(number);
                sample.set_gauge(gauge);
            }
        }
    }
    sample
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has floating-point numbers: counts are exact up to 2^53"
)]
fn number(value: &Value) -> f64 {
    match value {
        Value::Count(count) => *count as f64,
        Value::Seconds(seconds) => *seconds,
        Value::Spread(distribution) => distribution.count() as f64,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounds are round numbers of nanoseconds")]
fn histogram(distribution: &Distribution) -> Histogram {
    let mut cumulated = 0;
    let buckets = distribution.bounds_nanos.iter().zip(&distribution.counts).map(|(bound, count)| {
        cumulated += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1e9);
        bucket.set_cumulative_count(cumulated);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(distribution.count());
    histogram.set_sample_sum(distribution.sum.as_secs_f64());
    histogram
}

/// All metrics, as they are now.
pub(super) fn text(observed: &Observed) -> Vec<u8> {
    let publication = observed.published.current();
    let config = &*publication.config;
    let snapshot = observed.metrics.snapshot();
    let mut families = Families::default();
    add_traffic(&mut families, &snapshot);
    add_routes(&mut families, observed, config);
    add_upstreams(&mut families, observed);
    add_policies(&mut families, observed, config);
    add_access(&mut families, observed, config);
    add_limits(&mut families, observed, config);
    add_process(&mut families, observed, config);
    families.add_one(&all::GENERATION, publication.generation);
    add_certificates(&mut families, config);
    let mut text = Vec::new();
    families.0.extend(observed.process());
    // Fails for a family without samples, of which there is none.
    let _ = TextEncoder::new().encode(&families.0, &mut text);
    text
}

fn add_traffic(families: &mut Families, snapshot: &Snapshot) {
    families.add_one(&all::PROXY_ADDED, Value::Spread(snapshot.proxy_added()));
    families.add(&all::CONNECTIONS, Leg::ALL.map(|leg| ([leg.label()], snapshot.connections(leg).into())));
    families.add(
        &all::CONNECTIONS_TOTAL,
        Leg::ALL.map(|leg| ([leg.label()], snapshot.connections_total(leg).into())),
    );
    let bytes = Leg::ALL.into_iter().flat_map(|leg| {
        let of = move |direction: Direction| {
            ([leg.label(), direction.label()], snapshot.bytes(leg, direction).into())
        };
        Direction::ALL.map(of)
    });
    families.add(&all::BYTES, bytes);
    families.add(&all::ERRORS, snapshot.errors().map(|(cause, count)| ([cause], count.into())));
    families.add_one(&all::RETRIES, snapshot.retries());
    families
        .add(&all::BUFFERS, BufferState::ALL.map(|state| ([state.label()], snapshot.buffers(state).into())));
    families.add_one(&all::LOG_DROPPED, snapshot.log_dropped());
    families.add_one(&all::PANICS, snapshot.panics());
    families.add_one(&all::WORKER_RESTARTS, snapshot.worker_restarts());
}

fn add_routes(families: &mut Families, observed: &Observed, config: &Config) {
    let mut names: Vec<&str> = config.routes.iter().map(|route| &*route.name).collect();
    names.sort_unstable();
    names.dedup();
    let routes: Vec<_> = names.into_iter().map(|name| (name, observed.metrics.route(name))).collect();
    let requests = routes.iter().flat_map(|(name, route)| {
        route.requests().map(|(method, code, count)| ([name, method.label(), code.label()], count.into()))
    });
    families.add(&all::REQUESTS, requests);
    let counted = routes.iter().map(|(name, route)| (name, route.duration()));
    let counted = counted.filter(|(_, duration)| duration.count() > 0);
    families.add(&all::REQUEST_DURATION, counted.map(|(name, duration)| ([*name], Value::Spread(duration))));
}

fn add_upstreams(families: &mut Families, observed: &Observed) {
    let publication = observed.published.current();
    let config = &*publication.config;
    let metrics = &observed.metrics;
    let gateway = config.gateway.as_ref().map(|_| Routes::GATEWAY_NAME);
    let targets = gateway.into_iter().chain(config.forward.as_ref().map(|_| Routes::FORWARD_NAME));
    let names = config.upstreams.iter().map(|upstream| &*upstream.name).chain(targets.clone());
    let upstreams: Vec<_> = names.map(|name| (name, metrics.upstream(name))).collect();
    let servers = config.upstreams.iter().zip(&publication.servers).flat_map(|(upstream, servers)| {
        servers.endpoints().iter().map(|server| (&*upstream.name, &*server.shown))
    });
    let servers = servers.chain(targets.map(|name| (name, name)));
    let servers: Vec<_> =
        servers.map(|(name, server)| (name, server, metrics.server(name, server))).collect();

    let first_byte = upstreams.iter().map(|(name, sums)| (*name, sums.first_byte()));
    let first_byte = first_byte.filter(|(_, spread)| spread.count() > 0);
    families.add(&all::UPSTREAM_FIRST_BYTE, first_byte.map(|(name, spread)| ([name], Value::Spread(spread))));
    let states = config.upstreams.iter().zip(&publication.servers).flat_map(|(upstream, servers)| {
        servers
            .endpoints()
            .iter()
            .enumerate()
            .map(|(index, server)| ([&*upstream.name, &*server.shown], servers.is_usable(index).into()))
    });
    families.add(&all::UPSTREAM_UP, states);
    let waiting = config.upstreams.iter().zip(&publication.servers);
    let waiting = waiting.map(|(upstream, servers)| ([&*upstream.name], (servers.waiting() as u64).into()));
    families.add(&all::QUEUE_WAITING, waiting);
    let verify = config.upstreams.iter().map(|upstream| ([&*upstream.name], upstream.tls.verifies().into()));
    families.add(&all::UPSTREAM_VERIFY, verify);
    let requests = servers.iter().flat_map(|(name, server, sums)| {
        sums.requests().map(move |(code, count)| ([*name, *server, code.label()], count.into()))
    });
    families.add(&all::UPSTREAM_REQUESTS, requests);
    let failures = servers.iter().map(|(name, server, sums)| ([*name, *server], sums.failures.into()));
    families.add(&all::UPSTREAM_FAILURES, failures);
    let idle = upstreams.iter().map(|(name, _)| {
        let of_it = servers.iter().filter(|(upstream, ..)| upstream == name);
        ([*name], of_it.map(|(.., sums)| sums.idle).sum::<u64>().into())
    });
    families.add(&all::POOL_IDLE, idle);
    let reuse = upstreams.iter().flat_map(|(name, sums)| {
        PoolResult::ALL.map(|result| ([*name, result.label()], sums.reuse(result).into()))
    });
    families.add(&all::POOL_REUSE, reuse);
}

fn add_policies(families: &mut Families, observed: &Observed, config: &Config) {
    let policies = config.policy_ids().map(|id| (config.policy_name(id), config.policy(id).is_report_only()));
    let verdicts: Vec<_> = policies
        .flat_map(|(name, reports_only)| {
            let verdicts: Vec<_> = observed.metrics.policy(name).verdicts().collect();
            verdicts.into_iter().map(move |(stage, reason, count)| {
                let labels = [name, stage.label(), result(reason, reports_only), reason.unwrap_or_default()];
                (labels, count.into())
            })
        })
        .collect();
    families.add(&all::CORS_REQUESTS, verdicts);
}

fn add_access(families: &mut Families, observed: &Observed, config: &Config) {
    let results = config.access_tables().flat_map(|table| {
        let results = observed.metrics.access(&table.name).results();
        results.map(|(result, count)| ([&*table.name, result.label()], count.into()))
    });
    families.add(&all::ACCESS, results);
    let fetches = config.key_sources().flat_map(|(_, table)| {
        let counts = if let Way::Jwt(rules) = &table.way { rules.keys.counts() } else { [0; 2] };
        let labels = ["fetched", "failed"].into_iter().zip(counts);
        labels.map(|(result, count)| ([&*table.name, result], count.into()))
    });
    families.add(&all::KEY_FETCHES, fetches);
}

fn add_limits(families: &mut Families, observed: &Observed, config: &Config) {
    let limits = config.limit_tables().iter();
    let sums: Vec<_> = limits.map(|limit| (&*limit.name, observed.metrics.limit(&limit.name))).collect();
    families.add(&all::LIMITED, sums.iter().map(|(name, sums)| ([*name], sums.limited.into())));
    families
        .add(&all::LIMIT_KEYS_DROPPED, sums.iter().map(|(name, sums)| ([*name], sums.keys_dropped.into())));
    let failures = sums.iter().map(|(name, sums)| ([*name], sums.shared_failures.into()));
    families.add(&all::LIMIT_SHARED_FAILURES, failures);
}

/// The word for a verdict: refused for a reason, or not.
pub(super) const fn result(reason: Option<&str>, reports_only: bool) -> &'static str {
    match (reason, reports_only) {
        (None, _) => "allowed",
        (Some(_), false) => "refused",
        (Some(_), true) => "reported",
    }
}

fn add_process(families: &mut Families, observed: &Observed, config: &Config) {
    let reloads = observed.reloads.current();
    let results = [("applied", reloads.applied), ("refused", reloads.refused)];
    families.add(&all::RELOADS, results.map(|(result, count)| ([result], count.into())));
    families.add_one(&all::RELOAD_SUCCESS, Value::Seconds(unix(reloads.loaded)));
    families.add_one(&all::MEMORY_BOUND, (observed.memory_bound)(config));
    families.add_one(&all::CONNECTIONS_MAX, config.process.max_connections as u64);
    families.add(&all::BUILD_INFO, [([env!("CARGO_PKG_VERSION")], true.into())]);
}

fn add_certificates(families: &mut Families, config: &Config) {
    let mut rows = Vec::new();
    for (_, listener) in config.listeners() {
        let Some(tls) = &listener.tls else { continue };
        let address = listener.address.to_string();
        for certificate in tls.certificates() {
            let expires = unix(certificate.not_after);
            let names = certificate.names.iter().map(ToString::to_string);
            // One without names has its file for one.
            let names: Vec<String> = if certificate.names.is_empty() {
                vec![certificate.file.display().to_string()]
            } else {
                names.collect()
            };
            rows.extend(names.into_iter().map(|name| (address.clone(), name, expires)));
        }
    }
    // Two certificates of one name: the first is the one that is shown.
    rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    rows.dedup_by(|next, first| (&next.0, &next.1) == (&first.0, &first.1));
    let samples =
        rows.iter().map(|(listener, name, expires)| ([&**listener, &**name], Value::Seconds(*expires)));
    families.add(&all::CERTIFICATE_EXPIRY, samples);
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

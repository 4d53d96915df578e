//! What is written down when a request has ended: counters, and a line of the access log.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    core::Core,
    names::Names,
    outcome::Outcome,
    snapshot::{Party, Snapshot},
    why,
};
use crate::{
    admission::Admission,
    config::{Obstacle, RouteId, Routes, SecretNames},
    cors::{CorsDecision, Reason, Stage},
    error::{Error, Side},
    http1::{fields::FieldId, head::Request, target::RequestTarget},
    observe::{
        access_log::{Ended, KeptRecord, Record, Server, Times},
        metrics::{Direction, Leg, MethodLabel, PolicyCounters, RouteCounters, UpstreamCounters},
        refusals::Refused,
    },
    plan::{Client, Plan, RequestId, Service},
};

/// A request that has ended.
pub(crate) struct Finished<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: Request<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: &'a Outcome,
    /// The configuration that it saw.
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) begun: Instant,
    pub(crate) head_took: Option<Duration>,
}

/// What a request that has ended came to.
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) error: Option<Error>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) total: Duration,
}

/// What is counted of a request beside that.
#[derive(Clone, Copy)]
struct Labels {
    method: MethodLabel,
    /// What CORS said.
    verdict: Option<(Stage, Option<Reason>)>,
}

impl Labels {
    /// Those of a request.
    #[inline]
    fn of(request: Request<'_>, plan: &Plan) -> Self {
        let verdict = plan.cors.stage().map(|stage| (stage, plan.cors.reason()));
        Self { method: MethodLabel::of(request.method_name()), verdict }
    }

    /// Counts it.
    #[inline]
    fn count(self, core: &Core, cells: Cells<'_>, ending: &Ending) {
        let Ending { status, error, bytes_in, bytes_out, first_byte, total } = *ending;
        let counters = &core.counters;
        counters.request_finished(has_failed(status, error), total);
        cells.route.finished(self.method, status, total);
        counters.bytes(Leg::Client, Direction::In, bytes_in);
        counters.bytes(Leg::Client, Direction::Out, bytes_out);
        if let Some(error) = error {
            counters.error(error);
        }
        if let Some(first_byte) = first_byte {
            cells.upstream.first_byte(first_byte);
        }
        if let Some((stage, reason)) = self.verdict {
            cells.policy.decided(stage, reason);
        }
    }
}

/// Where a request is counted that has ended.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) route: &'a Arc<RouteCounters>,
    pub(crate) policy: &'a Arc<PolicyCounters>,
    pub(crate) upstream: &'a Arc<UpstreamCounters>,
}

impl<'a> Cells<'a> {
    /// Those of the route that took the request, and of what it leads to.
    pub(crate) fn of(snapshot: &'a Snapshot, id: RouteId) -> Self {
        let route = snapshot.config.route(id);
        Self {
            route: snapshot.route_counters(id),
            policy: snapshot.policy_counters(route.policy),
            upstream: snapshot.upstream_counters(Party::of_route(&route.leads_to)),
        }
    }
}

impl Finished<'_> {
    /// Counts and logs it.
    #[inline]
    pub(crate) fn record(&self, core: &Core, cells: Cells<'_>) {
        let Self { plan, outcome, request, .. } = self;
        let ended = outcome.ended.unwrap_or_else(Instant::now);
        let total = ended.saturating_duration_since(self.begun);
        let ending = Ending {
            status: outcome.status,
            error: outcome.error,
            bytes_in: request.head.len as u64 + outcome.body_in,
            bytes_out: outcome.bytes_out,
            first_byte: outcome.first_byte,
            total,
        };
        Labels::of(*request, plan).count(core, cells, &ending);
        if outcome.reused == Some(true) && !outcome.streamed && outcome.error.is_none() {
            // Opening a connection and moving bulk depend on the peers; what is left is our own doing.
            core.counters.proxy_added(total.saturating_sub(outcome.waited));
        }
        if let Some(log) = &core.access_log {
            self.told(core.clock.time(ended), total, |record| log.log(record));
        }
    }

    /// What is to be kept of it for the log, which tells of it when it has ended; nothing where there is no log.
    fn kept(&self, core: &Core) -> Option<Box<KeptRecord>> {
        core.access_log.as_ref()?;
        let now = Instant::now();
        let so_far = now.saturating_duration_since(self.begun);
        Some(self.told(core.clock.time(now), so_far, KeptRecord::of))
    }

    /// Tells of it at this time, when so much has gone by since its head was there.
    fn told<T>(&self, now: SystemTime, so_far: Duration, tell: impl FnOnce(&Record<'_>) -> T) -> T {
        let total = so_far + self.head_took.unwrap_or_default();
        let Self { plan, outcome, request, .. } = self;
        let names = Names::of(self.snapshot, self.client, plan, outcome);
        let of_gateway = plan.service == Service::Gateway;
        let made_id;
        let request_id = match request.value(FieldId::XRequestId) {
            Some(id) => id,
            None => {
                made_id = outcome.request_id.text();
                &made_id
            }
        };
        let is_cors = !matches!(plan.cors, CorsDecision::NotCors | CorsDecision::Exempt);
        let handshake = self.client.handshake.as_deref();
        let opening = outcome.opening.as_deref().copied().unwrap_or_default();
        tell(&Record {
            time: now.checked_sub(total).unwrap_or(SystemTime::UNIX_EPOCH),
            client: plan.asker.address,
            listener: names.listener,
            method: request.method_name(),
            secure: plan.asker.secure,
            host: plan.asker.told.host.map_or_else(|| host(*request), |host| Some(host.of(request.bytes))),
            target: request.target(),
            redact: &self.snapshot.config.log.secrets,
            version: Some(request.head.version),
            status: outcome.status,
            error: outcome.error,
            bytes_in: request.head.len as u64 + outcome.body_in,
            bytes_out: outcome.bytes_out,
            times: Times {
                head: self.head_took,
                queue: opening.queue,
                dns: opening.dns,
                connect: opening.connect,
                tls: opening.tls,
                first_byte: outcome.first_byte,
                total: Some(total),
            },
            service: match plan.service {
                Service::Local => "",
                Service::Gateway => "gateway",
                Service::Forward => "forward",
                Service::Reverse => "routes",
            },
            route: names.route,
            upstream: names.upstream,
            server: match (names.server, &outcome.upstream) {
                ("", Some(peer)) => Server::Peer(peer),
                ("", None) => Server::None,
                (url, _) => Server::Url(url),
            },
            attempts: outcome.attempts.saturating_sub(outcome.hops),
            hops: (of_gateway && outcome.attempts > 0).then_some(outcome.hops),
            reused: outcome.reused,
            cors: if is_cors { plan.cors.result() } else { "" },
            cors_reason: plan.cors.reason().map_or("", Reason::label),
            policy: if is_cors { names.policy } else { "" },
            origin: request.value(FieldId::Origin),
            access: names.access,
            limit: names.limit,
            client_certificate: handshake.and_then(|told| told.client_subject()).map(str::as_bytes),
            referer: request.value(FieldId::Referer),
            user_agent: request.value(FieldId::UserAgent),
            request_id: Some(request_id),
            trace_id: request.value(FieldId::Traceparent).and_then(trace_id),
        })
    }
}

/// What is kept of a request that goes on for long when nothing of its head is needed any more: what counts it, and what
/// the log will tell of it.
pub(crate) struct Told {
    labels: Labels,
    /// Nothing where there is no log.
    record: Option<Box<KeptRecord>>,
    /// Bytes of its head.
    pub(crate) head_len: u64,
}

impl Told {
    /// What is kept of this one, which has not ended.
    pub(crate) fn of(core: &Core, request: &Finished<'_>) -> Self {
        let labels = Labels::of(request.request, request.plan);
        Self { labels, record: request.kept(core), head_len: request.request.head.len as u64 }
    }

    /// Counts and logs it. Its head took so long, where it took more than one read.
    pub(crate) fn ended(
        &self,
        core: &Core,
        cells: Cells<'_>,
        ending: &Ending,
        head_took: Option<Duration>,
        secrets: &SecretNames,
    ) {
        self.labels.count(core, cells, ending);
        if let (Some(record), Some(log)) = (&self.record, &core.access_log) {
            let Ending { error, bytes_in, bytes_out, total, .. } = *ending;
            let total = total + head_took.unwrap_or_default();
            log.log(&record.record(Ended { error, bytes_in, bytes_out, total }, secrets));
        }
    }
}

/// Whether a server or corsair itself has failed; to refuse is no failure, and neither is what a client does.
fn has_failed(status: u16, error: Option<Error>) -> bool {
    error.map_or(status >= 500, |error| error.side() != Side::Client && error.status() >= 500)
}

/// Writes down that a page is kept from what it asks for, so that an operator sees which setting does that.
pub(crate) fn note_refusal(
    core: &Core,
    snapshot: &Snapshot,
    client: &Client,
    plan: &Plan,
    outcome: &Outcome,
    request: Request<'_>,
) {
    // Nobody here keeps a page from what it asks for there.
    if plan.service == Service::Forward {
        return;
    }
    let refused = |obstacle| refused(snapshot, client, plan, obstacle, request);
    match (plan.cors.reason(), outcome.error) {
        (Some(reason), _) => core.counters.refusals.add(&refused(Obstacle::Policy(reason))),
        (None, Some(error)) => {
            let obstacle = Obstacle::Error(error);
            if obstacle.key().is_some() {
                core.counters.refusals.add(&refused(obstacle));
            }
            // A browser that may not read an answer leaves it.
            if snapshot.config.dev && !error.client_is_gone() {
                core.counters.recent.add(&refused(obstacle));
            }
        }
        (None, None) => {}
    }
}

/// Writes down what stands in the way of a page as soon as that is known, for who develops: its request may last.
#[inline]
pub(crate) fn note_obstacle(
    core: &Core,
    snapshot: &Snapshot,
    client: &Client,
    plan: &Plan,
    request: Request<'_>,
) {
    if snapshot.config.dev
        && let Some(obstacle) = why::obstacle(&snapshot.config, plan)
    {
        core.counters.recent.add(&refused(snapshot, client, plan, obstacle, request));
    }
}

fn refused<'a>(
    snapshot: &'a Snapshot,
    client: &Client,
    plan: &Plan,
    obstacle: Obstacle,
    request: Request<'a>,
) -> Refused<'a> {
    let refuses = match plan.admission {
        Admission::Refused(at) | Admission::Failed(at) => Some(usize::from(at)),
        Admission::NotAsked | Admission::Admitted | Admission::Unverified(_) => None,
    };
    let asked = snapshot.config.route(plan.route).access.ids();
    Refused {
        time: SystemTime::now(),
        generation: snapshot.generation,
        listener: client.listener,
        route: plan.route,
        stage: plan.cors.stage(),
        obstacle,
        access: refuses.and_then(|at| asked.get(at)).copied(),
        head: request.bytes,
        origin: request.value(FieldId::Origin).unwrap_or_default(),
        host: request.value(FieldId::Host).unwrap_or_default(),
        method: request.method_name(),
        target: request.target(),
        secrets: &snapshot.config.log.secrets,
    }
}

/// The authority that a request is for: that of its target, if it has one, else the value of `Host` (RFC 9112 §3.2.2).
fn host(request: Request<'_>) -> Option<&[u8]> {
    if !matches!(request.target(), [b'/' | b'*', ..])
        && let Ok(target) = RequestTarget::parse(request)
        && let Ok(Some(authority)) = target.authority(request)
    {
        return Some(authority.of(request.bytes));
    }
    request.value(FieldId::Host)
}

/// The trace of a `traceparent`, if it is valid (W3C Trace Context §3.2): digits are lower case, the version is not `ff`,
/// and no identifier is all zeros.
fn trace_id(traceparent: &[u8]) -> Option<&[u8]> {
    let (parent, more) = traceparent.split_at_checked(55)?;
    let is_digits = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_digits(part) && part.iter().any(|byte| *byte != b'0');
    let (version, trace, parent, flags) = (&parent[..2], &parent[3..35], &parent[36..52], &parent[53..]);
    let is_parted = [2, 35, 52].iter().all(|at| traceparent[*at] == b'-');
    // Later versions may say more behind it.
    let is_whole = more.is_empty() || version != b"00" && more.starts_with(b"-");
    let is_valid = is_parted
        && is_whole
        && is_digits(version)
        && version != b"ff"
        && is_id(trace)
        && is_id(parent)
        && is_digits(flags);
    is_valid.then_some(trace)
}

/// Records a head that was not understood.
pub(crate) fn record_fault(
    core: &Core,
    snapshot: &Snapshot,
    client: &Client,
    error: Error,
    origin: Option<&[u8]>,
    request_id: RequestId,
    bytes_out: u64,
) {
    core.counters.request_finished(has_failed(error.status(), Some(error)), Duration::ZERO);
    snapshot.route_counters(Routes::NOTHING).finished(MethodLabel::Other, error.status(), Duration::ZERO);
    core.counters.error(error);
    core.counters.bytes(Leg::Client, Direction::Out, bytes_out);
    let Some(log) = &core.access_log else { return };
    log.log(&Record {
        client: client.address,
        listener: &snapshot.config.listener(client.listener).url,
        secure: client.secure,
        error: Some(error),
        bytes_out,
        origin,
        request_id: Some(&request_id.text()),
        ..Record::nothing(SystemTime::now(), error.status(), SecretNames::NONE)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_a_valid_traceparent_alone() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (value, expected) in [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("01-{TRACE}-00f067aa0ba902b7-01-more"), true),
            (format!("01-{TRACE}-00f067aa0ba902b7-01more"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false),
            (format!("00_{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7-0"), false),
            (String::new(), false),
        ] {
            let found = trace_id(value.as_bytes());
            assert_eq!(found, expected.then_some(TRACE.as_bytes()), "{value}");
        }
    }
}

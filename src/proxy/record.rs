//! What is written down when a request has ended: counters, and a line of the access log.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{core::Core, outcome::Outcome, snapshot::Snapshot};
use crate::{
    config::{Obstacle, RouteId, Routes, SecretNames, UpstreamId},
    cors::CorsDecision,
    error::{Error, Side},
    http1::{fields::FieldId, head::Request},
    observe::{
        access_log::{Record, Times},
        metrics::{Direction, Leg, MethodLabel, PolicyCounters, RouteCounters, UpstreamCounters},
        refusals::Refused,
    },
    plan::{Client, Plan, RequestId},
};

/// A request that has ended.
pub(crate) struct Finished<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: Request<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: &'a Outcome,
    /// What of a query is hidden.
    pub(crate) secrets: &'a SecretNames,
    pub(crate) begun: Instant,
    pub(crate) head_took: Option<Duration>,
}

/// Where a request is counted that has ended.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) route: &'a Arc<RouteCounters>,
    pub(crate) policy: &'a Arc<PolicyCounters>,
    pub(crate) upstream: &'a Arc<UpstreamCounters>,
}

impl<'a> Cells<'a> {
    /// Those of the route that took the request, and of the upstream that it went to, if it went to one.
    pub(crate) fn of(snapshot: &'a Snapshot, route: RouteId, upstream: Option<UpstreamId>) -> Self {
        let policy = snapshot.config.route(route).policy;
        Self {
            route: snapshot.route_counters(route),
            policy: snapshot.policy_counters(policy),
            upstream: snapshot.upstream_counters(upstream),
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
        let counters = &core.counters;
        let failed = outcome.error.is_some_and(|error| error.side() != Side::Client);
        counters.request_finished(failed || outcome.status >= 500, total);
        let method = MethodLabel::of(request.method_name());
        cells.route.finished(method, outcome.status, total);
        let bytes_in = request.head.len as u64 + outcome.body_in;
        counters.bytes(Leg::Client, Direction::In, bytes_in);
        counters.bytes(Leg::Client, Direction::Out, outcome.bytes_out);
        if let Some(error) = outcome.error {
            counters.error(error);
        }
        if let Some(first_byte) = outcome.first_byte {
            cells.upstream.first_byte(first_byte);
        }
        if outcome.reused == Some(true) && !outcome.streamed && outcome.error.is_none() {
            // Opening a connection and moving bulk depend on the peers; what is left is our own doing.
            counters.proxy_added(total.saturating_sub(outcome.waited));
        }
        if let Some(stage) = plan.cors.stage() {
            cells.policy.decided(stage, plan.cors.reason());
        }
        let Some(log) = &core.access_log else { return };
        log.log(&Record {
            time: SystemTime::now().checked_sub(total).unwrap_or(SystemTime::UNIX_EPOCH),
            client: self.client.address,
            method: request.method_name(),
            target: request.target(),
            redact: self.secrets,
            version: Some(request.head.version),
            status: outcome.status,
            error: outcome.error,
            bytes_in,
            bytes_out: outcome.bytes_out,
            times: Times {
                head: self.head_took,
                queue: None,
                dns: outcome.opening.dns,
                connect: outcome.opening.connect,
                tls: outcome.opening.tls,
                first_byte: outcome.first_byte,
                total: Some(total),
            },
            upstream: outcome.upstream.as_ref(),
            attempts: outcome.attempts,
            reused: outcome.reused,
            cors: if plan.cors == CorsDecision::NotCors { "" } else { plan.cors.result() },
            origin: request.value(FieldId::Origin),
            request_id: Some(request.value(FieldId::XRequestId).unwrap_or(&outcome.request_id.text())),
        });
    }
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
    let obstacle = match (plan.cors.reason(), outcome.error) {
        (Some(reason), _) => Obstacle::Policy(reason),
        (None, Some(error)) if Obstacle::Error(error).key().is_some() => Obstacle::Error(error),
        (None, _) => return,
    };
    core.counters.refusals.add(&Refused {
        time: SystemTime::now(),
        generation: snapshot.generation,
        listener: client.listener,
        route: plan.route,
        stage: plan.cors.stage(),
        obstacle,
        head: request.bytes,
        origin: request.value(FieldId::Origin).unwrap_or_default(),
        host: request.value(FieldId::Host).unwrap_or_default(),
        method: request.method_name(),
        target: request.target(),
        secrets: &snapshot.config.log.secrets,
    });
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
    core.counters.request_finished(error.side() != Side::Client, Duration::ZERO);
    snapshot.route_counters(Routes::NOTHING).finished(MethodLabel::Other, error.status(), Duration::ZERO);
    core.counters.error(error);
    core.counters.bytes(Leg::Client, Direction::Out, bytes_out);
    let Some(log) = &core.access_log else { return };
    log.log(&Record {
        time: SystemTime::now(),
        client: client.address,
        method: b"",
        target: b"",
        redact: SecretNames::NONE,
        version: None,
        status: error.status(),
        error: Some(error),
        bytes_in: 0,
        bytes_out,
        times: Times::default(),
        upstream: None,
        attempts: 0,
        reused: None,
        cors: "",
        origin,
        request_id: Some(&request_id.text()),
    });
}

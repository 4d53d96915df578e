//! Sums over all workers of what has a name of the configuration for a label.

use super::{
    cell::Cell,
    counts::{METHODS, STAGES, Sum, VERDICTS, verdict},
    histogram::{Distribution, Histogram, REQUEST_BOUNDS},
    labels::{AccessResult, CodeLabel, MethodLabel, PoolResult},
    named::{
        AccessCounters, Codes, LimitCounters, PolicyCounters, RouteCounters, ServerCounters, UpstreamCounters,
    },
};
use crate::cors::{Reason, Stage};

/// Sums of [`Codes`].
pub(super) type CodeSums = [u64; CodeLabel::COUNT];

impl Sum<Codes> for CodeSums {
    fn sum(&mut self, worker: &Codes) {
        if let Some(cells) = worker.0.get() {
            <Self as Sum<[Cell; CodeLabel::COUNT]>>::sum(self, cells);
        }
    }
}

/// The sums of a route over all workers.
#[derive(Debug)]
pub struct RouteSums {
    pub(super) requests: [CodeSums; METHODS],
    pub(super) duration: Histogram<u64, 16>,
}

impl Default for RouteSums {
    fn default() -> Self {
        Self { requests: [[0; CodeLabel::COUNT]; METHODS], duration: Histogram::default() }
    }
}

impl RouteSums {
    /// `corsair_requests_total`: those of them that are not zero.
    pub fn requests(&self) -> impl Iterator<Item = (MethodLabel, CodeLabel, u64)> + '_ {
        MethodLabel::ALL.into_iter().zip(&self.requests).flat_map(|(method, codes)| {
            CodeLabel::all()
                .zip(codes)
                .filter(|(_, count)| **count > 0)
                .map(move |(code, count)| (method, code, *count))
        })
    }

    /// `corsair_request_duration_seconds`
    #[must_use]
    pub fn duration(&self) -> Distribution {
        self.duration.distribution(&REQUEST_BOUNDS)
    }
}

impl Sum<RouteCounters> for RouteSums {
    fn sum(&mut self, worker: &RouteCounters) {
        self.requests.sum(&worker.requests);
        self.duration.sum(&worker.duration);
    }
}

/// The sums of a policy over all workers.
#[derive(Debug, Default)]
pub struct PolicySums {
    pub(super) verdicts: [[u64; VERDICTS]; STAGES],
}

impl PolicySums {
    /// `corsair_cors_requests_total`: how often requests of this kind were allowed, or refused for a reason.
    #[must_use]
    pub fn count(&self, stage: Stage, refused: Option<Reason>) -> u64 {
        self.verdicts[stage.index()][verdict(refused)]
    }

    /// The same for each kind and reason; no reason: they are allowed. Those of them that are not zero.
    pub fn verdicts(&self) -> impl Iterator<Item = (Stage, Option<&'static str>, u64)> + '_ {
        Stage::ALL.into_iter().zip(&self.verdicts).flat_map(|(stage, verdicts)| {
            let words = [None].into_iter().chain(Reason::LABELS.map(Some));
            words
                .zip(verdicts)
                .filter(|(_, count)| **count > 0)
                .map(move |(word, count)| (stage, word, *count))
        })
    }
}

impl Sum<PolicyCounters> for PolicySums {
    fn sum(&mut self, worker: &PolicyCounters) {
        self.verdicts.sum(&worker.verdicts);
    }
}

/// The sums of a table of access over all workers.
#[derive(Debug, Default)]
pub struct AccessSums {
    pub(super) results: [u64; AccessResult::ALL.len()],
}

impl AccessSums {
    /// `corsair_access_total`: those of them that are not zero.
    pub fn results(&self) -> impl Iterator<Item = (AccessResult, u64)> + use<> {
        AccessResult::ALL.into_iter().zip(self.results).filter(|(_, count)| *count > 0)
    }
}

impl Sum<AccessCounters> for AccessSums {
    fn sum(&mut self, worker: &AccessCounters) {
        self.results.sum(&worker.results);
    }
}

/// The sums of a limit over all workers.
#[derive(Debug, Default)]
pub struct LimitSums {
    /// `corsair_limited_total`.
    pub limited: u64,
    /// `corsair_limit_keys_dropped_total`.
    pub keys_dropped: u64,
    /// `corsair_limit_shared_failures_total`.
    pub shared_failures: u64,
}

impl Sum<LimitCounters> for LimitSums {
    fn sum(&mut self, worker: &LimitCounters) {
        self.limited += worker.limited.value();
        self.keys_dropped += worker.keys_dropped.value();
        self.shared_failures += worker.shared_failures.value();
    }
}

/// The sums of an upstream over all workers.
#[derive(Debug, Default)]
pub struct UpstreamSums {
    pub(super) first_byte: Histogram<u64, 16>,
    pub(super) reuse: [u64; PoolResult::ALL.len()],
}

impl UpstreamSums {
    /// `corsair_upstream_first_byte_seconds`
    #[must_use]
    pub fn first_byte(&self) -> Distribution {
        self.first_byte.distribution(&REQUEST_BOUNDS)
    }

    /// `corsair_pool_reuse_total`
    #[must_use]
    pub fn reuse(&self, result: PoolResult) -> u64 {
        self.reuse[result.index()]
    }
}

impl Sum<UpstreamCounters> for UpstreamSums {
    fn sum(&mut self, worker: &UpstreamCounters) {
        self.first_byte.sum(&worker.first_byte);
        self.reuse.sum(&worker.reuse);
    }
}

/// The sums of a server over all workers.
#[derive(Debug)]
pub struct ServerSums {
    pub(super) requests: CodeSums,
    /// Attempts that have failed.
    pub failures: u64,
    pub(super) first_byte: Histogram<u64, 16>,
    /// Connections that an exchange has.
    pub in_use: u64,
    /// Connections that wait for one.
    pub idle: u64,
}

impl Default for ServerSums {
    fn default() -> Self {
        Self {
            requests: [0; CodeLabel::COUNT],
            failures: 0,
            first_byte: Histogram::default(),
            in_use: 0,
            idle: 0,
        }
    }
}

impl ServerSums {
    /// `corsair_upstream_requests_total`: those of them that are not zero.
    pub fn requests(&self) -> impl Iterator<Item = (CodeLabel, u64)> + '_ {
        CodeLabel::all().zip(self.requests).filter(|(_, count)| *count > 0)
    }

    /// How long after a request its response began.
    #[must_use]
    pub fn first_byte(&self) -> Distribution {
        self.first_byte.distribution(&REQUEST_BOUNDS)
    }
}

impl Sum<ServerCounters> for ServerSums {
    fn sum(&mut self, worker: &ServerCounters) {
        self.requests.sum(&worker.requests);
        self.failures.sum(&worker.failures);
        self.first_byte.sum(&worker.first_byte);
        self.in_use.sum(&worker.in_use);
        self.idle.sum(&worker.idle);
    }
}

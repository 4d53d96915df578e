//! The cells of one worker whose labels are names of the configuration: routes, policies, tables of access,
//! upstreams and their servers.
//!
//! A worker asks for them by name when it takes a configuration up, and counts without looking anything up. A name that
//! stays keeps its counts over a reload, and one that is gone is forgotten: there are never more than the
//! configuration has, whatever peers send.

use std::{
    array,
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::{
    cell::Cell,
    counts::{METHODS, STAGES, Sum, VERDICTS, verdict},
    histogram::{Histogram, REQUEST_BOUNDS},
    labels::{AccessResult, CodeLabel, MethodLabel, PoolResult},
};
use crate::cors::{Reason, Stage};

/// Counts by status code, of which most stay at zero: made when the first is counted.
#[derive(Debug, Default)]
pub(super) struct Codes(pub(super) OnceLock<Box<[Cell; CodeLabel::COUNT]>>);

impl Codes {
    fn add(&self, status: u16) {
        let cells = self.0.get_or_init(|| Box::new(array::from_fn(|_| Cell::default())));
        cells[CodeLabel::of(status).index()].add(1);
    }
}

/// What a worker counts of the requests of one route.
#[derive(Debug)]
pub struct RouteCounters {
    pub(super) requests: [Codes; METHODS],
    pub(super) duration: Histogram<Cell, 16>,
}

impl Default for RouteCounters {
    fn default() -> Self {
        Self { requests: array::from_fn(|_| Codes::default()), duration: Histogram::default() }
    }
}

impl RouteCounters {
    /// A request has ended with this status after this time: `corsair_requests_total`,
    /// `corsair_request_duration_seconds`.
    pub fn finished(&self, method: MethodLabel, status: u16, duration: Duration) {
        self.requests[method.index()].add(status);
        self.duration.record(&REQUEST_BOUNDS, duration);
    }
}

/// What a worker counts of the verdicts of one policy.
#[derive(Debug)]
pub struct PolicyCounters {
    pub(super) verdicts: [[Cell; VERDICTS]; STAGES],
}

impl Default for PolicyCounters {
    fn default() -> Self {
        Self { verdicts: array::from_fn(|_| array::from_fn(|_| Cell::default())) }
    }
}

impl PolicyCounters {
    /// The policy was asked about a request with an `Origin`, and allows it or refuses it for a reason:
    /// `corsair_cors_requests_total`.
    pub fn decided(&self, stage: Stage, refused: Option<Reason>) {
        self.verdicts[stage.index()][verdict(refused)].add(1);
    }
}

/// What a worker counts of one table of access.
#[derive(Debug, Default)]
pub struct AccessCounters {
    pub(super) results: [Cell; AccessResult::ALL.len()],
}

impl AccessCounters {
    /// It was asked about a request: `corsair_access_total`.
    pub fn asked(&self, result: AccessResult) {
        self.results[result.index()].add(1);
    }
}

/// What a worker counts of one limit.
#[derive(Debug, Default)]
pub struct LimitCounters {
    pub(super) limited: Cell,
    pub(super) keys_dropped: Cell,
    pub(super) shared_failures: Cell,
}

impl LimitCounters {
    /// It has refused a request: `corsair_limited_total`.
    pub fn limited(&self) {
        self.limited.add(1);
    }

    /// It has forgotten somebody of whom something was still to be known: `corsair_limit_keys_dropped_total`.
    pub fn key_dropped(&self) {
        self.keys_dropped.add(1);
    }

    /// The server that it is shared at gave no answer in time: `corsair_limit_shared_failures_total`.
    pub fn shared_failure(&self) {
        self.shared_failures.add(1);
    }
}

/// What a worker counts of one upstream, or of all targets of the gateway.
#[derive(Debug, Default)]
pub struct UpstreamCounters {
    pub(super) first_byte: Histogram<Cell, 16>,
    pub(super) reuse: [Cell; PoolResult::ALL.len()],
}

impl UpstreamCounters {
    /// A response began this long after its request was sent: `corsair_upstream_first_byte_seconds`.
    pub fn first_byte(&self, duration: Duration) {
        self.first_byte.record(&REQUEST_BOUNDS, duration);
    }

    /// A connection was asked of the pool: `corsair_pool_reuse_total`.
    pub fn pool_reuse(&self, result: PoolResult) {
        self.reuse[result.index()].add(1);
    }
}

/// What a worker counts of one server of an upstream, or of all targets of the gateway.
#[derive(Debug, Default)]
pub struct ServerCounters {
    pub(super) requests: Codes,
    pub(super) failures: Cell,
    pub(super) first_byte: Histogram<Cell, 16>,
    pub(super) in_use: Cell,
    pub(super) idle: Cell,
}

impl ServerCounters {
    /// It has answered with this status, which began this long after the request was sent:
    /// `corsair_upstream_requests_total`.
    pub fn answered(&self, status: u16, first_byte: Duration) {
        self.requests.add(status);
        self.first_byte.record(&REQUEST_BOUNDS, first_byte);
    }

    /// An attempt at it has failed.
    pub fn failed(&self) {
        self.failures.add(1);
    }
}

/// The counters of a server, as the tasks of one worker share them.
#[derive(Clone, Debug)]
pub struct ServerTally(Rc<Shared>);

/// Behind a count that no other thread touches: to hand it on takes no locked instruction.
#[derive(Debug)]
struct Shared {
    counters: Arc<ServerCounters>,
}

impl ServerTally {
    /// Those of a worker.
    #[must_use]
    pub fn new(counters: Arc<ServerCounters>) -> Self {
        Self(Rc::new(Shared { counters }))
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &ServerCounters {
        &self.0.counters
    }

    /// Counts a connection that an exchange has, for as long as what is returned is there.
    #[must_use]
    pub fn in_use(&self) -> Connections {
        Connections::count(self, |counters| &counters.in_use)
    }

    /// Counts one that waits, for as long as what is returned is there.
    #[must_use]
    pub fn idle(&self) -> Connections {
        Connections::count(self, |counters| &counters.idle)
    }
}

/// A connection, as one of the gauges of its server sees it.
#[derive(Debug)]
pub struct Connections {
    tally: ServerTally,
    gauge: fn(&ServerCounters) -> &Cell,
}

impl Connections {
    fn count(tally: &ServerTally, gauge: fn(&ServerCounters) -> &Cell) -> Self {
        gauge(tally.counters()).change(1);
        Self { tally: tally.clone(), gauge }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        (self.gauge)(self.tally.counters()).change(-1);
    }
}

/// Cells of one worker by their names. Locked when a configuration is taken up and when somebody asks for sums.
#[derive(Debug)]
pub(super) struct Named<T>(Mutex<BTreeMap<Box<str>, Arc<T>>>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Named<T> {
    /// The cells of this name, new ones if there are none.
    pub(super) fn get(&self, name: &str) -> Arc<T> {
        let mut cells = self.cells();
        if let Some(known) = cells.get(name) {
            return Arc::clone(known);
        }
        let new = Arc::<T>::default();
        cells.insert(name.into(), Arc::clone(&new));
        new
    }

    /// Forgets those that nobody else has.
    pub(super) fn forget_unused(&self) {
        self.cells().retain(|_, cells| Arc::strong_count(cells) > 1);
    }

    /// Adds those of this name to `sums`.
    pub(super) fn add_to(&self, name: &str, sums: &mut impl Sum<T>) {
        if let Some(cells) = self.cells().get(name) {
            sums.sum(cells);
        }
    }

    /// How many names there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cells().len()
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Arc<T>>> {
        // Nothing is left half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

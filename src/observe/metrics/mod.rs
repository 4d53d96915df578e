//! Counters of the traffic: written by the workers, each into cells of its own, and summed when asked for.
//!
//! A cell has one writer, so that counting is a load and a store, both relaxed: no locked instruction, no
//! shared cache line. The price is that a sum is not a picture of one moment. Every label is an enumeration or a
//! name of the configuration: nothing that a peer sends may become a series. How the sums are shown to whom is not the
//! business of this room; no text is made here.
//!
//! - `catalogue`: every metric, with its labels and its help
//! - `labels`: the values that labels can have
//! - `causes`: those of the label `cause`, which are the tokens of errors
//! - `cell`: a number that one thread counts up and any thread reads
//! - `histogram`: distributions of durations
//! - `counts`: the cells of one worker, and their sums
//! - `named`: those whose labels are names of the configuration
//! - `sums`: what these come to

pub mod catalogue;

mod labels;

mod causes;

mod cell;

mod histogram;

mod counts;

mod named;

mod sums;

use std::{
    cmp::Reverse,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

pub use self::{
    catalogue::{CATALOGUE, Metric},
    causes::CAUSES,
    histogram::Distribution,
    labels::{AccessResult, BufferState, CodeLabel, Direction, Leg, MethodLabel, PoolResult},
    named::{
        AccessCounters, Connections, LimitCounters, PolicyCounters, RouteCounters, ServerCounters,
        ServerTally, UpstreamCounters,
    },
    sums::{AccessSums, LimitSums, PolicySums, RouteSums, ServerSums, UpstreamSums},
};
use self::{
    causes::cause_index,
    cell::Cell,
    counts::{Counts, METHODS, Sum},
    histogram::{ADDED_BOUNDS, REQUEST_BOUNDS},
    named::Named,
};
use super::refusals::{self, Recent, Refusal, Refusals};
use crate::error::Error;

/// What one worker counts: one method for each event.
///
/// Only its worker may call them: a second thread would do no harm but to the numbers. Whoever wants sums asks
/// [`Metrics::snapshot`].
#[derive(Debug, Default)]
#[repr(align(128))] // no cache line in common with another worker's
pub struct WorkerCounters {
    fixed: Counts<Cell>,
    routes: Named<RouteCounters>,
    policies: Named<PolicyCounters>,
    access: Named<AccessCounters>,
    limits: Named<LimitCounters>,
    upstreams: Named<UpstreamCounters>,
    servers: Named<ServerCounters>,
    /// The last requests that were refused.
    pub refusals: Refusals,
    /// The last requests of pages, of all workers; nobody writes to it but for who develops.
    pub recent: Arc<Recent>,
}

/// What the counters of one worker take for so many names of the configuration, in bytes.
#[must_use]
pub const fn memory(
    routes: usize,
    policies: usize,
    access: usize,
    limits: usize,
    upstreams: usize,
    servers: usize,
) -> usize {
    const CODES: usize = size_of::<[Cell; CodeLabel::COUNT]>();
    /// A name, its place among the others, and what the allocator adds to them.
    const NAME: usize = 512;
    size_of::<WorkerCounters>()
        + refusals::MEMORY
        + routes * (size_of::<RouteCounters>() + METHODS * CODES + NAME)
        + policies * (size_of::<PolicyCounters>() + NAME)
        + access * (size_of::<AccessCounters>() + NAME)
        + limits * (size_of::<LimitCounters>() + NAME)
        + upstreams * (size_of::<UpstreamCounters>() + NAME)
        + servers * (size_of::<ServerCounters>() + CODES + NAME)
}

/// Under what the cells of a server stand: no name of an upstream holds such a byte.
fn server_name(upstream: &str, server: &str) -> String {
    format!("{upstream}\n{server}")
}

impl WorkerCounters {
    /// A connection was accepted or made: `corsair_connections`, `corsair_connections_total`.
    pub fn connection_opened(&self, leg: Leg) {
        self.fixed.opened[leg.index()].add(1);
    }

    /// It is gone: `corsair_connections`.
    pub fn connection_closed(&self, leg: Leg) {
        self.fixed.closed[leg.index()].add(1);
    }

    /// The cells of a route; those of one name are the same.
    #[must_use]
    pub fn route(&self, name: &str) -> Arc<RouteCounters> {
        self.routes.get(name)
    }

    /// The cells of a policy.
    #[must_use]
    pub fn policy(&self, name: &str) -> Arc<PolicyCounters> {
        self.policies.get(name)
    }

    /// The cells of a table of access.
    #[must_use]
    pub fn access(&self, name: &str) -> Arc<AccessCounters> {
        self.access.get(name)
    }

    /// The cells of a limit.
    #[must_use]
    pub fn limit(&self, name: &str) -> Arc<LimitCounters> {
        self.limits.get(name)
    }

    /// The cells of an upstream.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Arc<UpstreamCounters> {
        self.upstreams.get(name)
    }

    /// The cells of a server of an upstream.
    #[must_use]
    pub fn server(&self, upstream: &str, server: &str) -> ServerTally {
        ServerTally::new(self.servers.get(&server_name(upstream, server)))
    }

    /// Forgets the cells that nobody has asked for, or that everybody who did has dropped.
    pub fn forget_unused(&self) {
        self.routes.forget_unused();
        self.policies.forget_unused();
        self.access.forget_unused();
        self.limits.forget_unused();
        self.upstreams.forget_unused();
        self.servers.forget_unused();
    }

    /// A request of whatever route has ended after this time, for good or with an error of a server or of corsair's own.
    pub fn request_finished(&self, failed: bool, duration: Duration) {
        self.fixed.requests.add(1);
        self.fixed.failed_requests.add(u64::from(failed));
        self.fixed.request_duration.record(&REQUEST_BOUNDS, duration);
    }

    /// What corsair itself added to an exchange: `corsair_proxy_added_seconds`.
    pub fn proxy_added(&self, duration: Duration) {
        self.fixed.proxy_added.record(&ADDED_BOUNDS, duration);
    }

    /// Bytes have moved: `corsair_bytes_total`.
    pub fn bytes(&self, leg: Leg, direction: Direction, count: u64) {
        self.fixed.bytes[leg.index()][direction.index()].add(count);
    }

    /// An exchange went wrong: `corsair_errors_total`.
    pub fn error(&self, error: Error) {
        self.fixed.errors[cause_index(error)].add(1);
    }

    /// A request is sent once more: `corsair_retries_total`.
    pub fn retry(&self) {
        self.fixed.retries.add(1);
    }

    /// So many more idle connections are in the pool, or fewer.
    pub fn pool_idle_changed(&self, by: i64) {
        self.fixed.pool_idle.change(by);
    }

    /// The task of a connection panicked: `corsair_panics_total`.
    pub fn panic(&self) {
        self.fixed.panics.add(1);
    }

    /// So many more relay buffers are in this state, or fewer: `corsair_buffers`.
    pub fn buffers_changed(&self, state: BufferState, by: i64) {
        self.fixed.buffers[state.index()].change(by);
    }
}

/// The counters of all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    // Locked when a worker starts and when somebody asks, never in between.
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    recent: Arc<Recent>,
    log_dropped: OnceLock<Arc<AtomicU64>>,
    worker_restarts: AtomicU64,
}

impl Metrics {
    /// No workers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cells for one more worker ([`memory`]). They are kept when the worker ends, because counters never
    /// go back.
    #[must_use]
    pub fn register(&self) -> Arc<WorkerCounters> {
        let counters =
            Arc::new(WorkerCounters { recent: Arc::clone(&self.recent), ..WorkerCounters::default() });
        self.workers().push(Arc::clone(&counters));
        counters
    }

    /// Where the access log counts what it drops
    /// ([`AccessLog::dropped`](super::access_log::AccessLog::dropped)): `corsair_log_dropped_total`. The
    /// process has one access log; a second call changes nothing.
    pub fn set_log_dropped(&self, dropped: Arc<AtomicU64>) {
        // Only the first one counts, as documented.
        let _ = self.log_dropped.set(dropped);
    }

    /// The sums over all workers.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut counts = Box::<Counts<u64>>::default();
        for worker in &*self.workers() {
            counts.sum(&worker.fixed);
        }
        Snapshot {
            counts,
            log_dropped: self.log_dropped.get().map_or(0, |dropped| dropped.load(Relaxed)),
            worker_restarts: self.worker_restarts.load(Relaxed),
        }
    }

    /// A worker has died and was started anew: `corsair_worker_restarts_total`.
    pub fn worker_restarted(&self) {
        self.worker_restarts.fetch_add(1, Relaxed);
    }

    /// Of each worker how many requests have ended, and how many client connections it has.
    #[must_use]
    pub fn by_worker(&self) -> Vec<(u64, u64)> {
        let of = |worker: &Arc<WorkerCounters>| {
            let Counts { requests, opened, closed, .. } = &worker.fixed;
            let [opened, closed] = [opened, closed].map(|cells| cells[Leg::Client.index()].value());
            (requests.value(), opened.saturating_sub(closed))
        };
        self.workers().iter().map(of).collect()
    }

    /// The last requests that were refused, the newest first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        let workers = self.workers().clone();
        let mut all: Vec<Refusal> = workers.iter().flat_map(|worker| worker.refusals.list()).collect();
        all.sort_by_key(|refusal| Reverse(refusal.time));
        all
    }

    /// What the route of this name has come to.
    #[must_use]
    pub fn route(&self, name: &str) -> RouteSums {
        self.named(name, |worker| &worker.routes)
    }

    /// What the policy of this name has come to.
    #[must_use]
    pub fn policy(&self, name: &str) -> PolicySums {
        self.named(name, |worker| &worker.policies)
    }

    /// What the table of access of this name has come to.
    #[must_use]
    pub fn access(&self, name: &str) -> AccessSums {
        self.named(name, |worker| &worker.access)
    }

    /// What the limit of this name has come to.
    #[must_use]
    pub fn limit(&self, name: &str) -> LimitSums {
        self.named(name, |worker| &worker.limits)
    }

    /// What the upstream of this name has come to.
    #[must_use]
    pub fn upstream(&self, name: &str) -> UpstreamSums {
        self.named(name, |worker| &worker.upstreams)
    }

    /// What a server of an upstream has come to.
    #[must_use]
    pub fn server(&self, upstream: &str, server: &str) -> ServerSums {
        self.named(&server_name(upstream, server), |worker| &worker.servers)
    }

    fn named<T: Default, S: Sum<T> + Default>(
        &self,
        name: &str,
        of: impl Fn(&WorkerCounters) -> &Named<T>,
    ) -> S {
        let mut sums = S::default();
        for worker in &*self.workers() {
            of(worker).add_to(name, &mut sums);
        }
        sums
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Arc<WorkerCounters>>> {
        // A list that only grows is never left half-done.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sums over all workers, taken while they went on counting.
#[derive(Debug)]
pub struct Snapshot {
    counts: Box<Counts<u64>>,
    log_dropped: u64,
    worker_restarts: u64,
}

impl Snapshot {
    /// Requests of all routes that have ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.counts.requests
    }

    /// Those of them that have ended with an error of a server or of corsair's own.
    #[must_use]
    pub fn failed_requests(&self) -> u64 {
        self.counts.failed_requests
    }

    /// How long those of all routes took.
    #[must_use]
    pub fn request_duration(&self) -> Distribution {
        self.counts.request_duration.distribution(&REQUEST_BOUNDS)
    }

    /// `corsair_worker_restarts_total`
    #[must_use]
    pub const fn worker_restarts(&self) -> u64 {
        self.worker_restarts
    }

    /// `corsair_proxy_added_seconds`
    #[must_use]
    pub fn proxy_added(&self) -> Distribution {
        self.counts.proxy_added.distribution(&ADDED_BOUNDS)
    }

    /// `corsair_connections`: those open now.
    #[must_use]
    pub fn connections(&self, leg: Leg) -> u64 {
        self.counts.opened[leg.index()].saturating_sub(self.counts.closed[leg.index()])
    }

    /// `corsair_connections_total`
    #[must_use]
    pub fn connections_total(&self, leg: Leg) -> u64 {
        self.counts.opened[leg.index()]
    }

    /// `corsair_bytes_total`
    #[must_use]
    pub fn bytes(&self, leg: Leg, direction: Direction) -> u64 {
        self.counts.bytes[leg.index()][direction.index()]
    }

    /// `corsair_errors_total`, each with its `cause`.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        CAUSES.into_iter().zip(self.counts.errors)
    }

    /// `corsair_retries_total`
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.counts.retries
    }

    /// Idle connections in the pools.
    #[must_use]
    pub fn pool_idle(&self) -> u64 {
        self.counts.pool_idle
    }

    /// `corsair_log_dropped_total`
    #[must_use]
    pub const fn log_dropped(&self) -> u64 {
        self.log_dropped
    }

    /// `corsair_panics_total`
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.counts.panics
    }

    /// `corsair_buffers`
    #[must_use]
    pub fn buffers(&self, state: BufferState) -> u64 {
        self.counts.buffers[state.index()]
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{
        cors::{Reason, Stage},
        http1::span::Span,
    };

    /// The variant behind that of `error`. Whoever adds one is led here by the compiler.
    fn next(error: &Error) -> Option<Error> {
        use Error as E;
        Some(match error {
            E::RequestHead(_) => E::RequestVersion,
            E::RequestVersion => E::RequestCoding,
            E::RequestCoding => E::RequestLineTooLong,
            E::RequestLineTooLong => E::RequestHeadTooLarge,
            E::RequestHeadTooLarge => E::RequestHeadTimeout,
            E::RequestHeadTimeout => E::RequestBodyTooLarge,
            E::RequestBodyTooLarge => E::RequestBody(""),
            E::RequestBody(_) => E::RequestBodyTimeout,
            E::RequestBodyTimeout => E::Expectation,
            E::Expectation => E::MethodNotAllowed,
            E::MethodNotAllowed => E::ClientGone,
            E::ClientGone => E::ClientSendTimeout,
            E::ClientSendTimeout => E::Misdirected,
            E::Misdirected => E::HostNotAllowed,
            E::HostNotAllowed => E::RouteNotFound,
            E::RouteNotFound => E::NoRoute,
            E::NoRoute => E::PathAmbiguous,
            E::PathAmbiguous => E::MethodNotServed,
            E::MethodNotServed => E::TargetMissing,
            E::TargetMissing => E::TargetInvalid(""),
            E::TargetInvalid(_) => E::TargetDenied,
            E::TargetDenied => E::TargetAddressProhibited,
            E::TargetAddressProhibited => E::FieldRequired,
            E::FieldRequired => E::DestinationRefused,
            E::DestinationRefused => E::OriginRequired,
            E::OriginRequired => E::CorsRefused,
            E::CorsRefused => E::CredentialsMissing,
            E::CredentialsMissing => E::CredentialsRefused,
            E::CredentialsRefused => E::ProxyCredentialsMissing,
            E::ProxyCredentialsMissing => E::ProxyCredentialsRefused,
            E::ProxyCredentialsRefused => E::ConnectPortDenied,
            E::ConnectPortDenied => E::ClientRefused,
            E::ClientRefused => E::SiteRefused,
            E::SiteRefused => E::SignatureMissing,
            E::SignatureMissing => E::SignatureRefused,
            E::SignatureRefused => E::SignatureExpired,
            E::SignatureExpired => E::VerificationsBusy,
            E::VerificationsBusy => E::MemoryLimit,
            E::MemoryLimit => E::TooManyConnections,
            E::TooManyConnections => E::RateLimited,
            E::RateLimited => E::ConcurrencyLimited,
            E::ConcurrencyLimited => E::AccessUnavailable,
            E::AccessUnavailable => E::LoopDetected,
            E::LoopDetected => E::TooManyRedirects,
            E::TooManyRedirects => E::Internal,
            E::Internal => E::ConnectionLimit,
            E::ConnectionLimit => E::DnsTimeout,
            E::DnsTimeout => E::Dns,
            E::Dns => E::SocketMissing,
            E::SocketMissing => E::ConnectRefused,
            E::ConnectRefused => E::ConnectTimeout,
            E::ConnectTimeout => E::ConnectFailed,
            E::ConnectFailed => E::ParentUnreachable,
            E::ParentUnreachable => E::ParentRefused,
            E::ParentRefused => E::ParentUnauthorized,
            E::ParentUnauthorized => E::TlsCertificate,
            E::TlsCertificate => E::TlsProtocol,
            E::TlsProtocol => E::UpstreamClosed,
            E::UpstreamClosed => E::UpstreamSendTimeout,
            E::UpstreamSendTimeout => E::ResponseTimeout,
            E::ResponseTimeout => E::ResponseHead(""),
            E::ResponseHead(_) => E::ResponseHeadTooLarge,
            E::ResponseHeadTooLarge => E::TooManyInterim,
            E::TooManyInterim => E::UpgradeFailed,
            E::UpgradeFailed => E::ResponseBody(""),
            E::ResponseBody(_) => E::ResponseIncomplete,
            E::ResponseIncomplete => E::ResponseBodyTimeout,
            E::ResponseBodyTimeout => return None,
        })
    }

    /// One error of each variant.
    fn every_error() -> impl Iterator<Item = Error> {
        std::iter::successors(Some(Error::RequestHead("")), next)
    }

    #[test]
    fn every_error_is_counted_under_its_own_token() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        for error in every_error() {
            assert_eq!(CAUSES[cause_index(error)], error.token());
            worker.error(error);
        }
        for (cause, count) in metrics.snapshot().errors() {
            let expected = every_error().filter(|error| error.token() == cause).count();
            assert_eq!(usize::try_from(count), Ok(expected), "{cause}");
            assert_eq!(expected == 0, cause == "other", "{cause} is a token of some error");
        }
    }

    #[test]
    fn a_snapshot_sums_over_workers_on_their_own_threads() {
        let metrics = Metrics::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                let worker = metrics.register();
                scope.spawn(move || {
                    let route = worker.route("api");
                    for index in 0..1_000_u16 {
                        let status = if index % 10 == 0 { 502 } else { 200 };
                        worker.connection_opened(Leg::Client);
                        worker.bytes(Leg::Client, Direction::In, 100);
                        let duration = Duration::from_micros(300);
                        worker.request_finished(status == 502, duration);
                        route.finished(MethodLabel::Get, status, duration);
                        worker.connection_closed(Leg::Client);
                    }
                    worker.connection_opened(Leg::Client);
                });
            }
        });
        let sums = metrics.snapshot();
        assert_eq!((sums.requests(), sums.failed_requests()), (2_000, 200));
        assert_eq!(sums.bytes(Leg::Client, Direction::In), 200_000);
        assert_eq!((sums.connections(Leg::Client), sums.connections_total(Leg::Client)), (2, 2_002));
        assert_eq!(metrics.by_worker(), [(1_000, 1), (1_000, 1)]);
        let route = metrics.route("api");
        let requests: Vec<_> = route.requests().map(|(method, code, n)| (method, code.label(), n)).collect();
        assert_eq!(requests, [(MethodLabel::Get, "200", 1_800), (MethodLabel::Get, "502", 200)]);
        for durations in [sums.request_duration(), route.duration()] {
            assert_eq!((durations.count(), durations.counts[0]), (2_000, 2_000));
            assert_eq!(durations.sum, Duration::from_millis(600));
        }
        assert_eq!(metrics.route("none").duration().count(), 0);
    }

    #[test]
    fn each_event_counts_in_its_own_place() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        worker.retry();
        worker.panic();
        metrics.worker_restarted();
        let upstream = worker.upstream("a");
        upstream.pool_reuse(PoolResult::Stale);
        upstream.first_byte(Duration::from_secs(90));
        let server = worker.server("a", "http://127.0.0.1:1");
        server.counters().answered(404, Duration::from_micros(11));
        server.counters().failed();
        let named = Some(Reason::HeaderNotAllowed(Span::new(1, 2)));
        worker.policy("default").decided(Stage::Preflight, named);
        worker.proxy_added(Duration::from_micros(11));
        let sums = metrics.snapshot();
        assert_eq!((sums.retries(), sums.panics(), sums.log_dropped(), sums.worker_restarts()), (1, 1, 0, 1));
        let (upstream, other) = (metrics.upstream("a"), metrics.upstream("b"));
        for result in PoolResult::ALL {
            assert_eq!(upstream.reuse(result), u64::from(result == PoolResult::Stale));
            assert_eq!(other.reuse(result), 0);
        }
        assert_eq!(upstream.first_byte().counts[16], 1);
        let server = metrics.server("a", "http://127.0.0.1:1");
        assert_eq!(
            server.requests().map(|(code, count)| (code.label(), count)).collect::<Vec<_>>(),
            [("404", 1)]
        );
        assert_eq!((server.failures, server.first_byte().count()), (1, 1));
        let policy = metrics.policy("default");
        let refused = Some(Reason::HeaderNotAllowed(Span::default()));
        assert_eq!(policy.count(Stage::Preflight, refused), 1, "whatever the name is");
        let verdicts: Vec<_> = policy.verdicts().collect();
        assert_eq!(verdicts, [(Stage::Preflight, Some("header_not_allowed"), 1)]);
        assert_eq!(sums.proxy_added().counts[1], 1);
        assert_eq!(sums.proxy_added().bounds_nanos.len(), sums.proxy_added().counts.len() - 1);
    }

    #[test]
    fn a_name_that_nobody_has_any_more_is_forgotten_and_one_that_stays_keeps_its_counts() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        let kept = worker.route("kept");
        kept.finished(MethodLabel::Get, 200, Duration::ZERO);
        worker.route("gone").finished(MethodLabel::Get, 200, Duration::ZERO);
        worker.forget_unused();
        assert_eq!(worker.routes.len(), 1);
        worker.route("kept").finished(MethodLabel::Get, 200, Duration::ZERO);
        assert_eq!(metrics.route("kept").duration().count(), 2);
        assert_eq!(metrics.route("gone").duration().count(), 0);
    }

    #[test]
    fn connections_of_a_server_are_counted_for_as_long_as_they_are_there() {
        let metrics = Metrics::new();
        let tally = metrics.register().server("a", "s");
        let sums = || {
            let sums = metrics.server("a", "s");
            (sums.in_use, sums.idle)
        };
        let (first, second, idle) = (tally.in_use(), tally.in_use(), tally.idle());
        assert_eq!(sums(), (2, 1));
        drop((first, idle));
        assert_eq!(sums(), (1, 0));
        drop(second);
        assert_eq!(sums(), (0, 0));
    }

    #[test]
    fn gauges_go_both_ways_and_end_at_zero() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        worker.pool_idle_changed(3);
        worker.pool_idle_changed(-1);
        worker.buffers_changed(BufferState::Used, 2);
        let sums = metrics.snapshot();
        assert_eq!((sums.pool_idle(), sums.buffers(BufferState::Used)), (2, 2));
        worker.pool_idle_changed(-2);
        worker.buffers_changed(BufferState::Used, -2);
        worker.buffers_changed(BufferState::Free, 2);
        let sums = metrics.snapshot();
        assert_eq!((sums.pool_idle(), sums.buffers(BufferState::Used)), (0, 0));
        assert_eq!(sums.buffers(BufferState::Free), 2);
    }

    #[test]
    fn the_drops_of_the_access_log_are_part_of_a_snapshot() {
        let metrics = Metrics::new();
        let dropped = Arc::new(AtomicU64::new(7));
        metrics.set_log_dropped(Arc::clone(&dropped));
        assert_eq!(metrics.snapshot().log_dropped(), 7);
        dropped.store(8, Relaxed);
        assert_eq!(metrics.snapshot().log_dropped(), 8);
    }
}

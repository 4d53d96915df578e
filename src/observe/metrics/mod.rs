//! Counters of the traffic: written by the workers, each into cells of its own, and summed when asked for.
//!
//! A cell has one writer, so that counting is a load and a store, both relaxed: no locked instruction, no
//! shared cache line. The price is that a sum is not a picture of one moment. Every label is an enumeration:
//! nothing that a peer sends may become a series. How the sums are shown to whom is not the business of this
//! room; no text is made here.
//!
//! - `labels`: the values that labels can have
//! - `causes`: those of the label `cause`, which are the tokens of errors
//! - `cell`: a number that one thread counts up and any thread reads
//! - `histogram`: distributions of durations
//! - `counts`: the cells of one worker, and their sums

mod labels;

mod causes;

mod cell;

mod histogram;

mod counts;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

pub use self::{
    causes::CAUSES,
    histogram::Distribution,
    labels::{BufferState, CodeLabel, Direction, Leg, MethodLabel, PoolResult},
};
use self::{
    causes::cause_index,
    cell::Cell,
    counts::{Counts, Sum},
    histogram::{ADDED_BOUNDS, REQUEST_BOUNDS},
};
use crate::{
    cors::{Reason, Stage},
    error::Error,
    plan::Service,
};

/// The place of a verdict of CORS among all: allowed, or refused for a reason.
fn verdict(refused: Option<Reason>) -> usize {
    refused.map_or(0, |reason| 1 + reason.index())
}

/// What one worker counts: one method for each event.
///
/// Only its worker may call them: a second thread would do no harm but to the numbers. Whoever wants sums asks
/// [`Metrics::snapshot`].
#[derive(Debug, Default)]
#[repr(align(128))] // no cache line in common with another worker's
pub struct WorkerCounters(Counts<Cell>);

impl WorkerCounters {
    /// A connection was accepted or made: `corsair_connections`, `corsair_connections_total`.
    pub fn connection_opened(&self, leg: Leg) {
        self.0.opened[leg.index()].add(1);
    }

    /// It is gone: `corsair_connections`.
    pub fn connection_closed(&self, leg: Leg) {
        self.0.closed[leg.index()].add(1);
    }

    /// A request has ended with this status after this time: `corsair_requests_total`,
    /// `corsair_request_duration_seconds`.
    pub fn request_finished(&self, service: Service, method: MethodLabel, status: u16, duration: Duration) {
        self.0.requests[service.index()][method.index()][CodeLabel::of(status).index()].add(1);
        self.0.request_duration[service.index()].record(&REQUEST_BOUNDS, duration);
    }

    /// The upstream's response began this long after the request was sent:
    /// `corsair_upstream_first_byte_seconds`.
    pub fn upstream_first_byte(&self, duration: Duration) {
        self.0.upstream_first_byte.record(&REQUEST_BOUNDS, duration);
    }

    /// What corsair itself added to an exchange: `corsair_proxy_added_seconds`.
    pub fn proxy_added(&self, duration: Duration) {
        self.0.proxy_added.record(&ADDED_BOUNDS, duration);
    }

    /// Bytes have moved: `corsair_bytes_total`.
    pub fn bytes(&self, leg: Leg, direction: Direction, count: u64) {
        self.0.bytes[leg.index()][direction.index()].add(count);
    }

    /// An exchange went wrong: `corsair_errors_total`.
    pub fn error(&self, error: Error) {
        self.0.errors[cause_index(error)].add(1);
    }

    /// A request is sent once more: `corsair_retries_total`.
    pub fn retry(&self) {
        self.0.retries.add(1);
    }

    /// A connection was asked of the pool: `corsair_pool_reuse_total`.
    pub fn pool_reuse(&self, result: PoolResult) {
        self.0.pool_reuse[result.index()].add(1);
    }

    /// So many more idle connections are in the pool, or fewer: `corsair_pool_idle`.
    pub fn pool_idle_changed(&self, by: i64) {
        self.0.pool_idle.change(by);
    }

    /// The CORS policy was asked about a request with an `Origin`: `corsair_cors_requests_total`.
    /// It is allowed, or refused for a reason.
    pub fn cors(&self, service: Service, stage: Stage, refused: Option<Reason>) {
        self.0.cors[service.index()][stage.index()][verdict(refused)].add(1);
    }

    /// The task of a connection panicked: `corsair_panics_total`.
    pub fn panic(&self) {
        self.0.panics.add(1);
    }

    /// So many more relay buffers are in this state, or fewer: `corsair_buffers`.
    pub fn buffers_changed(&self, state: BufferState, by: i64) {
        self.0.buffers[state.index()].change(by);
    }
}

/// The counters of all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    // Locked when a worker starts and when somebody asks, never in between.
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    log_dropped: OnceLock<Arc<AtomicU64>>,
}

impl Metrics {
    /// No workers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cells for one more worker (some 22 KiB). They are kept when the worker ends, because counters never
    /// go back.
    #[must_use]
    pub fn register(&self) -> Arc<WorkerCounters> {
        let counters = Arc::new(WorkerCounters::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
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
        for worker in &*self.workers.lock().unwrap_or_else(PoisonError::into_inner) {
            counts.sum(&worker.0);
        }
        Snapshot { counts, log_dropped: self.log_dropped.get().map_or(0, |dropped| dropped.load(Relaxed)) }
    }
}

/// Sums over all workers, taken while they went on counting.
#[derive(Debug)]
pub struct Snapshot {
    counts: Box<Counts<u64>>,
    log_dropped: u64,
}

impl Snapshot {
    /// `corsair_requests_total`
    #[must_use]
    pub fn requests(&self, service: Service, method: MethodLabel, code: CodeLabel) -> u64 {
        self.counts.requests[service.index()][method.index()][code.index()]
    }

    /// `corsair_request_duration_seconds`
    #[must_use]
    pub fn request_duration(&self, service: Service) -> Distribution {
        self.counts.request_duration[service.index()].distribution(&REQUEST_BOUNDS)
    }

    /// `corsair_upstream_first_byte_seconds`
    #[must_use]
    pub fn upstream_first_byte(&self) -> Distribution {
        self.counts.upstream_first_byte.distribution(&REQUEST_BOUNDS)
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

    /// `corsair_pool_reuse_total`
    #[must_use]
    pub fn pool_reuse(&self, result: PoolResult) -> u64 {
        self.counts.pool_reuse[result.index()]
    }

    /// `corsair_pool_idle`
    #[must_use]
    pub fn pool_idle(&self) -> u64 {
        self.counts.pool_idle
    }

    /// `corsair_cors_requests_total`
    #[must_use]
    pub fn cors(&self, service: Service, stage: Stage, refused: Option<Reason>) -> u64 {
        self.counts.cors[service.index()][stage.index()][verdict(refused)]
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
    use crate::http1::span::Span;

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
            E::CorsRefused => E::LoopDetected,
            E::LoopDetected => E::TooManyRedirects,
            E::TooManyRedirects => E::Internal,
            E::Internal => E::DnsTimeout,
            E::DnsTimeout => E::Dns,
            E::Dns => E::SocketMissing,
            E::SocketMissing => E::ConnectRefused,
            E::ConnectRefused => E::ConnectTimeout,
            E::ConnectTimeout => E::ConnectFailed,
            E::ConnectFailed => E::TlsCertificate,
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
                    for index in 0..1_000_u16 {
                        let status = if index % 10 == 0 { 502 } else { 200 };
                        worker.connection_opened(Leg::Client);
                        worker.bytes(Leg::Client, Direction::In, 100);
                        let duration = Duration::from_micros(300);
                        worker.request_finished(Service::Gateway, MethodLabel::Get, status, duration);
                        worker.connection_closed(Leg::Client);
                    }
                    worker.connection_opened(Leg::Client);
                });
            }
        });
        let sums = metrics.snapshot();
        let requests = |status| sums.requests(Service::Gateway, MethodLabel::Get, CodeLabel::of(status));
        assert_eq!((requests(200), requests(502), requests(404)), (1_800, 200, 0));
        assert_eq!(sums.bytes(Leg::Client, Direction::In), 200_000);
        assert_eq!((sums.connections(Leg::Client), sums.connections_total(Leg::Client)), (2, 2_002));
        let durations = sums.request_duration(Service::Gateway);
        assert_eq!((durations.count(), durations.counts[0]), (2_000, 2_000));
        assert_eq!(durations.sum, Duration::from_millis(600));
        assert_eq!(sums.request_duration(Service::Reverse).count(), 0);
    }

    #[test]
    fn each_event_counts_in_its_own_place() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        worker.retry();
        worker.panic();
        worker.pool_reuse(PoolResult::Stale);
        worker.cors(Service::Reverse, Stage::Preflight, Some(Reason::HeaderNotAllowed(Span::new(1, 2))));
        worker.upstream_first_byte(Duration::from_secs(90));
        worker.proxy_added(Duration::from_micros(11));
        let sums = metrics.snapshot();
        assert_eq!((sums.retries(), sums.panics(), sums.log_dropped()), (1, 1, 0));
        for result in PoolResult::ALL {
            assert_eq!(sums.pool_reuse(result), u64::from(result == PoolResult::Stale));
        }
        let mut cors = 0;
        for service in Service::ALL {
            for stage in Stage::ALL {
                for verdict in &sums.counts.cors[service.index()][stage.index()] {
                    cors += verdict;
                }
            }
        }
        assert_eq!(cors, 1);
        let refused = Some(Reason::HeaderNotAllowed(Span::default()));
        assert_eq!(sums.cors(Service::Reverse, Stage::Preflight, refused), 1, "whatever the name is");
        assert_eq!(sums.upstream_first_byte().counts[16], 1);
        assert_eq!(sums.proxy_added().counts[1], 1);
        assert_eq!(sums.proxy_added().bounds_nanos.len(), sums.proxy_added().counts.len() - 1);
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

//! The cells of one worker, and their sums over all workers: one shape for both.

use std::array;

use super::{
    causes::CAUSES,
    cell::Cell,
    histogram::Histogram,
    labels::{BufferState, Direction, Leg, MethodLabel},
};
use crate::cors::{Reason, Stage};

pub(super) const METHODS: usize = MethodLabel::ALL.len();
const LEGS: usize = Leg::ALL.len();
pub(super) const STAGES: usize = Stage::ALL.len();
/// Allowed, or refused for one of the reasons.
pub(super) const VERDICTS: usize = 1 + Reason::COUNT;

/// The place of a verdict of CORS among all: allowed, or refused for a reason.
pub(super) fn verdict(refused: Option<Reason>) -> usize {
    refused.map_or(0, |reason| 1 + reason.index())
}

/// All counts that have no name of the configuration for a label: of a worker when `C` is [`Cell`], of all workers when it
/// is a number.
#[derive(Debug)]
pub(super) struct Counts<C> {
    pub(super) requests: C,
    pub(super) failed_requests: C,
    pub(super) request_duration: Histogram<C, 16>,
    pub(super) proxy_added: Histogram<C, 13>,
    pub(super) opened: [C; LEGS],
    pub(super) closed: [C; LEGS],
    pub(super) bytes: [[C; Direction::ALL.len()]; LEGS],
    pub(super) errors: [C; CAUSES.len()],
    pub(super) retries: C,
    pub(super) panics: C,
    pub(super) pool_idle: C,
    pub(super) buffers: [C; BufferState::ALL.len()],
}

/// An array of fresh cells; the standard library makes only short ones.
fn cells<T, const N: usize>(cell: impl Fn() -> T) -> [T; N] {
    array::from_fn(|_| cell())
}

impl<C: Default> Default for Counts<C> {
    fn default() -> Self {
        Self {
            requests: C::default(),
            failed_requests: C::default(),
            request_duration: Histogram::default(),
            proxy_added: Histogram::default(),
            opened: cells(C::default),
            closed: cells(C::default),
            bytes: cells(|| cells(C::default)),
            errors: cells(C::default),
            retries: C::default(),
            panics: C::default(),
            pool_idle: C::default(),
            buffers: cells(C::default),
        }
    }
}

/// What can be summed over workers.
pub(super) trait Sum<From> {
    fn sum(&mut self, worker: &From);
}

impl Sum<Cell> for u64 {
    fn sum(&mut self, worker: &Cell) {
        *self = self.wrapping_add(worker.value());
    }
}

impl<To: Sum<From>, From, const N: usize> Sum<[From; N]> for [To; N] {
    fn sum(&mut self, worker: &[From; N]) {
        for (sum, cell) in self.iter_mut().zip(worker) {
            sum.sum(cell);
        }
    }
}

impl<const N: usize> Sum<Histogram<Cell, N>> for Histogram<u64, N> {
    fn sum(&mut self, worker: &Histogram<Cell, N>) {
        self.buckets.sum(&worker.buckets);
        self.above.sum(&worker.above);
        self.sum.sum(&worker.sum);
    }
}

impl Sum<Counts<Cell>> for Counts<u64> {
    fn sum(&mut self, worker: &Counts<Cell>) {
        self.requests.sum(&worker.requests);
        self.request_duration.sum(&worker.request_duration);
        self.failed_requests.sum(&worker.failed_requests);
        self.proxy_added.sum(&worker.proxy_added);
        self.closed.sum(&worker.closed);
        self.opened.sum(&worker.opened);
        self.bytes.sum(&worker.bytes);
        self.errors.sum(&worker.errors);
        self.retries.sum(&worker.retries);
        self.panics.sum(&worker.panics);
        self.pool_idle.sum(&worker.pool_idle);
        self.buffers.sum(&worker.buffers);
    }
}

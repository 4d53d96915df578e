//! A number that one thread counts up and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.value().wrapping_add(count), Relaxed);
    }

    /// For what can also become less; never below zero.
    pub(super) fn change(&self, by: i64) {
        self.0.store(self.value().saturating_add_signed(by), Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

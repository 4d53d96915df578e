//! A door that one thread opens and others wait at, with a deadline.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use super::PATIENCE;

/// An event that happens once.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Waits until the gate is open; `false` when `limit` has passed.
    pub(crate) fn opens_within(&self, limit: Duration) -> bool {
        let guard = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(guard, limit, |open| !*open).unwrap().0
    }

    /// Waits until the gate is open; panics after [`PATIENCE`].
    pub(crate) fn wait(&self) {
        assert!(self.opens_within(PATIENCE), "the gate stayed closed");
    }
}

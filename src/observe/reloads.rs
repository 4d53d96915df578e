//! How the configuration of the process came to be what it is: the last reload, and how many there were.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// What the process and whoever looks on share of reloads.
#[derive(Debug)]
pub struct Reloads(Mutex<ReloadState>);

/// What became of the configurations that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadState {
    /// When the running one was loaded.
    pub loaded: SystemTime,
    /// Reloads that were applied.
    pub applied: u64,
    /// Reloads that were refused.
    pub refused: u64,
    /// What was wrong with the last one; empty where it was applied.
    pub faults: Vec<String>,
}

impl Reloads {
    /// Nothing but the first configuration, loaded at that time.
    #[must_use]
    pub fn new(loaded: SystemTime) -> Self {
        Self(Mutex::new(ReloadState { loaded, applied: 0, refused: 0, faults: Vec::new() }))
    }

    /// One was applied.
    pub fn applied(&self, now: SystemTime) {
        let mut state = self.state();
        state.applied += 1;
        state.loaded = now;
        state.faults.clear();
    }

    /// One was refused for these faults.
    pub fn refused(&self, faults: Vec<String>) {
        let mut state = self.state();
        state.refused += 1;
        state.faults = faults;
    }

    /// How it stands.
    #[must_use]
    pub fn current(&self) -> ReloadState {
        self.state().clone()
    }

    fn state(&self) -> MutexGuard<'_, ReloadState> {
        // Plain values, never left half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_refusal_stands_until_a_reload_is_applied() {
        let reloads = Reloads::new(UNIX_EPOCH);
        reloads.refused(vec!["a".into(), "b".into()]);
        let state = reloads.current();
        assert_eq!((state.refused, state.faults.len(), state.loaded), (1, 2, UNIX_EPOCH));
        let later = UNIX_EPOCH + Duration::from_secs(1);
        reloads.applied(later);
        let state = reloads.current();
        assert_eq!(state, ReloadState { loaded: later, applied: 1, refused: 1, faults: vec![] });
    }
}

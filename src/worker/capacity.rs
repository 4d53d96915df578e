//! How many client connections the process may have, for all workers together.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Process, limit::ConnectionsByClient};

/// How long the head of a request may take that is only refused: at most, and where many want to hear the same. What has waited
/// to be accepted has mostly come by then.
const REFUSAL_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(20));

/// How many client connections the process may have.
#[derive(Debug)]
pub struct Capacity {
    /// Those that it may still accept, the reserve among them.
    permits: Arc<Semaphore>,
    /// For those that are only told that there is no room; 0 where they wait instead.
    reserve: usize,
    /// Who has how many; made when somebody is counted.
    by_client: OnceLock<ConnectionsByClient>,
    most: usize,
}

impl Capacity {
    /// That of a process.
    #[must_use]
    pub fn of(process: &Process) -> Arc<Self> {
        let most = process.max_connections.saturating_add(process.reserve()).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(most)),
            reserve: process.reserve(),
            by_client: OnceLock::new(),
            most: process.max_connections,
        })
    }

    /// Whether there is a reserve.
    pub(super) const fn refuses(&self) -> bool {
        self.reserve > 0
    }

    /// A place; nothing where there is none at once.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        // Two workers may look at the same time: then one takes of the reserve, which is as large for that.
        if self.reserve > 0 && self.permits.available_permits() <= self.reserve {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Waits for a place. Cancel safe.
    pub(super) async fn next_place(&self) -> Option<OwnedSemaphorePermit> {
        let all = u32::try_from(self.reserve + 1).ok()?;
        let mut permits = Arc::clone(&self.permits).acquire_many_owned(all).await.ok()?;
        permits.split(1)
    }

    /// A place of the reserve.
    pub(super) async fn reserved(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Who has how many connections.
    pub(super) fn by_client(&self) -> &ConnectionsByClient {
        self.by_client.get_or_init(|| ConnectionsByClient::new(self.most))
    }

    /// How long the head of a request may take now that is only refused: the less of the reserve is left, the less.
    pub(super) fn refusal_patience(&self) -> Duration {
        let (most, least) = REFUSAL_WAITS;
        let Ok(reserve @ 1..) = u32::try_from(self.reserve) else { return most };
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX).min(reserve);
        (most / reserve / reserve * (free * free)).max(least)
    }

    /// A place that was forgotten is free again.
    pub(super) fn free(&self) {
        self.permits.add_permits(1);
    }

    /// How many are free, the reserve among them.
    #[must_use]
    pub fn available(&self) -> usize {
        self.permits.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::config;

    #[tokio::test]
    async fn the_reserve_is_for_those_that_are_refused() {
        let mut process =
            config(&["--upstream=http://127.0.0.1:1", "--workers=1", "--max-memory=1g"]).process;
        process.max_connections = 2;
        let capacity = Capacity::of(&process);
        let held = [capacity.place().expect("one"), capacity.next_place().await.expect("two")];
        assert!(capacity.place().is_none() && capacity.refuses());
        assert_eq!(capacity.available(), process.reserve());
        assert_eq!(capacity.refusal_patience(), Duration::from_secs(1));
        let mut refused = Vec::new();
        while capacity.available() > 0 {
            let before = capacity.refusal_patience();
            refused.push(capacity.reserved().await);
            assert!(capacity.refusal_patience() < before || before == REFUSAL_WAITS.1, "{before:?}");
        }
        assert!(refused.iter().all(Option::is_some) && capacity.place().is_none());
        assert_eq!(capacity.refusal_patience(), Duration::from_millis(20));
        drop(refused);
        drop(held);
        assert!(capacity.place().is_some());
    }

    #[tokio::test]
    async fn without_one_all_places_are_for_everybody() {
        let mut process = config(&["--upstream=http://127.0.0.1:1"]).process;
        process.max_connections = 1;
        let capacity = Capacity::of(&process);
        let place = capacity.place().expect("the only one");
        assert!(capacity.place().is_none() && !capacity.refuses());
        drop(place);
        assert!(capacity.next_place().await.is_some());
    }
}

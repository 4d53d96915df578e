//! What the process may spend on connections to upstreams: descriptors are a budget.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Notify;

/// Descriptors for connections to upstreams, counted over all workers.
#[derive(Debug)]
pub struct Descriptors {
    /// Connections that may be open, idle ones included; those in use are never refused.
    limit: usize,
    open: AtomicUsize,
    /// Attempts that may run beside the first one of their race.
    races: usize,
    racing: AtomicUsize,
    called: Notify,
    places_wanted: Notify,
}

/// An open connection to an upstream, as the budget sees it.
#[derive(Debug)]
pub struct Spent(Arc<Descriptors>);

/// An attempt beside the first one of its race.
#[derive(Debug)]
pub(super) struct Racing(Arc<Descriptors>);

impl Descriptors {
    /// For `limit` connections, and `races` attempts beside the first ones.
    #[must_use]
    pub fn new(limit: usize, races: usize) -> Arc<Self> {
        let (open, racing) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { limit, open, races, racing, called: Notify::new(), places_wanted: Notify::new() })
    }

    /// Counts a connection for as long as the result lives.
    #[must_use]
    pub fn spend(self: &Arc<Self>) -> Spent {
        self.open.fetch_add(1, Relaxed);
        Spent(Arc::clone(self))
    }

    /// Whether one more connection is one too many: then an idle one has to go first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open.load(Relaxed) >= self.limit
    }

    /// Asks the other workers to give idle connections up.
    pub fn call(&self) {
        self.called.notify_waiters();
    }

    /// Waits until that is asked for. A call that comes at another time is missed, and repeated by the next one.
    pub async fn called(&self) {
        self.called.notified().await;
    }

    /// Asks the other workers to give idle connections up to those upstreams that have as many as they may, and for which
    /// requests wait.
    pub fn want_places(&self) {
        self.places_wanted.notify_waiters();
    }

    /// Waits until that is asked for; as [`called`](Self::called).
    pub async fn places_wanted(&self) {
        self.places_wanted.notified().await;
    }

    /// Room for an attempt beside others of its race, if there is any.
    pub(super) fn race(self: &Arc<Self>) -> Option<Racing> {
        let racing = Racing(Arc::clone(self));
        // Counted in any case, and dropped where it is too many.
        (self.racing.fetch_add(1, Relaxed) < self.races).then_some(racing)
    }
}

impl Spent {
    /// Whether one more is one too many.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for Racing {
    fn drop(&mut self) {
        self.0.racing.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_and_what_races_is_counted_exactly() {
        let descriptors = Descriptors::new(2, 1);
        let first = descriptors.spend();
        assert!(!descriptors.is_full());
        let second = descriptors.spend();
        assert!(descriptors.is_full());
        drop(first);
        assert!(!descriptors.is_full());
        drop(second);
        let racing = descriptors.race();
        assert!(racing.is_some());
        assert!(descriptors.race().is_none() && descriptors.race().is_none());
        drop(racing);
        assert!(descriptors.race().is_some() && descriptors.race().is_some());
    }
}

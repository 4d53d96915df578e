//! Clients that find no place: what workers tell each other so that an idle connection makes room for them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// Connections that were accepted and have no place yet, over all workers.
#[derive(Debug, Default)]
pub struct Newcomers {
    waiting: AtomicUsize,
    /// Places that a worker without idle connections asks the others for; never more than wait.
    wanted: AtomicUsize,
    called: Notify,
}

/// Counts a newcomer for as long as it waits.
#[derive(Debug)]
pub(super) struct Newcomer<'a>(&'a Newcomers);

impl Newcomers {
    /// One more waits.
    pub(super) fn arrive(&self) -> Newcomer<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Newcomer(self)
    }

    /// Asks all workers for a place for everybody who waits.
    pub(super) fn call(&self) {
        self.wanted.store(self.waiting.load(Relaxed), Relaxed);
        self.called.notify_waiters();
    }

    /// Waits until a place is asked for. A call that comes at another time is missed, and repeated by who needs it.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    /// Has the caller make room for one; `false` when others do already.
    pub(super) fn take(&self) -> bool {
        self.wanted.fetch_update(Relaxed, Relaxed, |wanted| wanted.checked_sub(1)).is_ok()
    }

    /// The caller cannot: somebody else may.
    pub(super) fn give_back(&self) {
        self.wanted.fetch_add(1, Relaxed);
    }
}

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        // Nobody makes room for one who has it.
        let left = self.0.waiting.fetch_sub(1, Relaxed).saturating_sub(1);
        self.0.wanted.fetch_min(left, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_made_than_newcomers_wait() {
        let newcomers = Newcomers::default();
        newcomers.call();
        assert!(!newcomers.take(), "nobody waits");
        let (one, other) = (newcomers.arrive(), newcomers.arrive());
        assert!(!newcomers.take(), "nobody has called");
        newcomers.call();
        newcomers.call();
        assert!(newcomers.take() && newcomers.take() && !newcomers.take());
        newcomers.give_back();
        assert!(newcomers.take() && !newcomers.take());
        newcomers.call();
        drop(one);
        assert!(newcomers.take() && !newcomers.take());
        newcomers.call();
        drop(other);
        assert!(!newcomers.take());
    }
}

//! A message that the network could provoke a thousand times is logged once a second.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Lets one message a second pass and counts the others; one static per message, shared by all workers.
#[derive(Debug)]
pub(crate) struct Throttle {
    last: Mutex<Option<Instant>>,
    held_back: AtomicU64,
}

impl Throttle {
    /// Before the first message.
    pub(crate) const fn new() -> Self {
        Self { last: Mutex::new(None), held_back: AtomicU64::new(0) }
    }

    /// How many messages were held back since the last one, when this one may be logged; `None` when it may
    /// not. Never waits: a lock held by another worker means that worker is about to log.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        if let Ok(mut last) = self.last.try_lock()
            && last.is_none_or(|last| now.saturating_duration_since(last) >= Duration::from_secs(1))
        {
            *last = Some(now);
            return Some(self.held_back.swap(0, Ordering::Relaxed));
        }
        self.held_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_a_second_passes_and_the_others_are_counted() {
        let throttle = Throttle::new();
        let start = Instant::now();
        assert_eq!(throttle.admit_at(start), Some(0));
        assert_eq!(throttle.admit_at(start + Duration::from_millis(500)), None);
        assert_eq!(throttle.admit_at(start + Duration::from_millis(999)), None);
        assert_eq!(throttle.admit_at(start + Duration::from_secs(1)), Some(2));
        assert_eq!(throttle.admit_at(start + Duration::from_secs(3)), Some(0));
    }
}

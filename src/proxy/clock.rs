//! The date of our answers, rendered once a second, and the time of what is written down.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use crate::plan::Date;

/// Tells the date, and asks the system for it once a second.
#[derive(Debug)]
pub(crate) struct Clock {
    date: Cell<Date>,
    /// When the second that the date tells is over.
    until: Cell<Option<Instant>>,
    /// What time it was, and when that was asked.
    asked: Cell<Option<(Instant, SystemTime)>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { date: Cell::new(Date::of(UNIX_EPOCH)), until: Cell::new(None), asked: Cell::new(None) }
    }
}

impl Clock {
    /// The date `now`.
    pub(crate) fn date(&self, now: Instant) -> Date {
        self.look(now);
        self.date.get()
    }

    /// The time `now`, without asking the system for it.
    pub(crate) fn time(&self, now: Instant) -> SystemTime {
        self.look(now);
        match self.asked.get() {
            Some((then, time)) => time + now.saturating_duration_since(then),
            None => SystemTime::now(),
        }
    }

    /// Asks the system, if the second is over.
    fn look(&self, now: Instant) {
        if self.until.get().is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let into_second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            self.until.set(Some(now + Duration::from_secs(1) - Duration::from_nanos(into_second.into())));
            self.asked.set(Some((now, time)));
            self.date.set(Date::of(time));
        }
    }
}

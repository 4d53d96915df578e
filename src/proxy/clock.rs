//! The date of our answers, rendered once a second.

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
}

impl Default for Clock {
    fn default() -> Self {
        Self { date: Cell::new(Date::of(UNIX_EPOCH)), until: Cell::new(None) }
    }
}

impl Clock {
    /// The date `now`.
    pub(crate) fn date(&self, now: Instant) -> Date {
        if self.until.get().is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let into_second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            self.until.set(Some(now + Duration::from_secs(1) - Duration::from_nanos(into_second.into())));
            self.date.set(Date::of(time));
        }
        self.date.get()
    }
}

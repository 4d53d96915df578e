//! The date of our answers, rendered once a second.

use std::{
    cell::{Cell, RefCell},
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use crate::http1::emit::HeadWriter;

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT`, and its CRLF.
const LINE: usize = 37;

/// Writes `Date` fields (RFC 9110 §6.6.1).
#[derive(Debug)]
pub struct HttpDate {
    line: RefCell<[u8; LINE]>,
    /// When the second that the line tells is over.
    until: Cell<Option<Instant>>,
}

impl Default for HttpDate {
    fn default() -> Self {
        let date = Self { line: RefCell::new([0; LINE]), until: Cell::new(None) };
        date.update(Instant::now());
        date
    }
}

impl HttpDate {
    /// Lets the field tell the second that it is `now`. The system's clock is asked once a second.
    pub fn update(&self, now: Instant) {
        if self.until.get().is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let into_second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            self.until.set(Some(now + Duration::from_secs(1) - Duration::from_nanos(into_second.into())));
            // As long as the line: years have four digits.
            let _ = write!(&mut self.line.borrow_mut()[..], "Date: {}\r\n", httpdate::HttpDate::from(time));
        }
    }

    /// Writes the field as it was at the last [`HttpDate::update`].
    pub fn write(&self, writer: &mut HeadWriter<'_>) {
        writer.lines(&*self.line.borrow());
    }
}

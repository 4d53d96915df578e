//! The date of our answers, rendered once a second.

use std::{
    cell::{Cell, RefCell},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::http1::emit::HeadWriter;

/// Writes `Date` fields (RFC 9110 §6.6.1).
#[derive(Debug, Default)]
pub struct HttpDate {
    second: Cell<u64>,
    line: RefCell<String>,
}

impl HttpDate {
    /// Writes the field with the present second.
    pub fn write(&self, writer: &mut HeadWriter<'_>) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second.get() || second == 0 {
            self.second.set(second);
            *self.line.borrow_mut() = format!("Date: {}\r\n", httpdate::fmt_http_date(now));
        }
        writer.lines(self.line.borrow().as_bytes());
    }
}

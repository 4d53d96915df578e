//! The date of our answers, as it is written (RFC 9110 §6.6.1).

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use crate::http1::emit::HeadWriter;

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT`, and its CRLF.
const LEN: usize = 37;

/// A whole `Date` line.
#[derive(Clone, Copy, Debug)]
pub struct Date([u8; LEN]);

impl Date {
    /// The line that tells this time, to the second.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let mut line = Line { bytes: [0; LEN], len: 0 };
        // It has the length of the line: years have four digits.
        let _ = write!(line, "Date: {}\r\n", httpdate::HttpDate::from(time));
        Self(line.bytes)
    }

    /// The time, to the second.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        let value = self.0.get(6..LEN - 2).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
        httpdate::parse_http_date(value).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Writes the field.
    pub fn write(&self, writer: &mut HeadWriter<'_>) {
        writer.lines(&self.0);
    }
}

/// A line that is being written.
struct Line {
    bytes: [u8; LEN],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_date_fills_its_line() {
        for (seconds, line) in [
            (0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
            (784_111_777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            (253_402_300_799, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(
                (Date::of(time).0, Date::of(time).time()),
                (line.as_bytes().try_into().unwrap(), time)
            );
        }
    }
}

//! A line for eyes: what is always asked first, then only what is unusual.

use super::{
    escape::Style,
    record::{Record, Server},
    second::SecondCache,
    value::{self, Value},
};
use crate::config::LogKey;

/// How a part of a line is coloured (ECMA-48, SGR).
#[derive(Clone, Copy)]
enum Colour {
    Dim,
    Green,
    Cyan,
    Yellow,
    Red,
}

impl Colour {
    const fn begin(self) -> &'static [u8] {
        match self {
            Self::Dim => b"\x1b[2m",
            Self::Green => b"\x1b[32m",
            Self::Cyan => b"\x1b[36m",
            Self::Yellow => b"\x1b[33m",
            Self::Red => b"\x1b[31m",
        }
    }

    const fn of_status(status: u16) -> Self {
        match status {
            ..300 => Self::Green,
            300..400 => Self::Cyan,
            400..500 => Self::Yellow,
            500.. => Self::Red,
        }
    }
}

/// Appends a record as one line, in colours or without.
pub(super) fn render(record: &Record<'_>, colours: bool, second: &mut SecondCache, out: &mut Vec<u8>) {
    let mut line = Line { colours, out };
    line.coloured(Colour::Dim, |out| second.render(record.time, out));
    line.blank();
    line.coloured(Colour::of_status(record.status), |out| value::number(record.status.into(), out));
    line.blank();
    line.value(LogKey::Method, record);
    line.blank();
    // The target of an absolute form brings its host along.
    if record.host.is_some() && matches!(record.target, [b'/' | b'*', ..]) {
        line.value(LogKey::Host, record);
    }
    line.value(LogKey::Target, record);
    line.blank();
    match record.times.total {
        Some(total) => {
            value::milliseconds(total, line.out);
            line.out.extend_from_slice(b"ms");
        }
        None => line.out.push(b'-'),
    }
    line.blank();
    match record.server {
        // The name that the operator gave it says more than an address.
        Server::Url(_) => line.value(LogKey::Upstream, record),
        Server::None | Server::Peer(_) => line.value(LogKey::Server, record),
    }
    line.unusual(record);
    line.out.push(b'\n');
}

/// A line that is being written.
struct Line<'o> {
    colours: bool,
    out: &'o mut Vec<u8>,
}

impl Line<'_> {
    fn blank(&mut self) {
        self.out.push(b' ');
    }

    fn coloured(&mut self, colour: Colour, write: impl FnOnce(&mut Vec<u8>)) {
        if self.colours {
            self.out.extend_from_slice(colour.begin());
        }
        write(self.out);
        if self.colours {
            self.out.extend_from_slice(b"\x1b[0m");
        }
    }

    fn value(&mut self, key: LogKey, record: &Record<'_>) {
        match Value::of(key, record) {
            Value::Text(text, limit) => value::text(text, Style::Word, limit, self.out),
            Value::Url(url, secrets, limit) => value::url(url, secrets, Style::Word, limit, self.out),
            Value::Word(word) => self.out.extend_from_slice(word.as_bytes()),
            Value::Number(number) => value::number(number, self.out),
            Value::Peer(peer) => value::peer(peer, Style::Word, self.out),
            Value::Nothing | Value::Time(_) | Value::Client(_) | Value::Duration(_) | Value::Flag(_) => {
                self.out.push(b'-');
            }
        }
    }

    /// What an eye should stop at.
    fn unusual(&mut self, record: &Record<'_>) {
        if record.error.is_some() {
            self.pair(Colour::Red, LogKey::Cause, record);
        }
        if record.error.is_some() && !record.access.is_empty() {
            self.pair(Colour::Yellow, LogKey::Access, record);
        }
        if !record.limit.is_empty() {
            self.pair(Colour::Yellow, LogKey::Limit, record);
        }
        if record.attempts > 1 {
            self.pair(Colour::Yellow, LogKey::Attempts, record);
        }
        if record.hops.is_some_and(|hops| hops > 0) {
            self.pair(Colour::Cyan, LogKey::Hops, record);
        }
        if !record.cors_reason.is_empty() {
            self.pair(Colour::Yellow, LogKey::Cors, record);
            self.pair(Colour::Yellow, LogKey::CorsReason, record);
            self.pair(Colour::Yellow, LogKey::Origin, record);
        }
    }

    fn pair(&mut self, colour: Colour, key: LogKey, record: &Record<'_>) {
        self.blank();
        self.coloured(colour, |out| {
            let (name, _) = key.row();
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            Line { colours: false, out }.value(key, record);
        });
    }
}

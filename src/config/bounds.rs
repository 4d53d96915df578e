//! Limits and timeouts: text to values within reason, defaults where nothing was typed.

use std::ops::RangeInclusive;

use super::{
    Limits, Timeouts,
    flags::{LimitSettings, TimeoutSettings},
    notes::Notes,
    units,
};
use crate::http1::head::MAX_FIELDS;

/// Every bound.
pub(super) fn limits(settings: &LimitSettings, notes: &mut Notes) -> Limits {
    const HEAD: RangeInclusive<u64> = 1 << 10..=1 << 20;
    let default = Limits::default();
    let mut size = |key, typed: &Option<String>, default, range| {
        notes.value(key, typed.as_ref(), default, |text| {
            units::size_within(text, range).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
        })
    };
    let head = size("--limit-head", &settings.head, default.head, HEAD);
    let response_head = size("--limit-response-head", &settings.response_head, default.response_head, HEAD);
    let trailers = size("--limit-trailers", &settings.trailers, default.trailers, 0..=1 << 20);
    let extensions =
        size("--limit-chunk-extensions", &settings.chunk_extensions, default.chunk_extensions, 0..=1 << 20);
    let buffer = size("--limit-buffer", &settings.buffer, default.buffer, 4 << 10..=1 << 20);
    Limits {
        head,
        fields: notes.value("--limit-fields", settings.fields.as_ref(), default.fields, |text| {
            units::count(text, 1..=MAX_FIELDS)
        }),
        response_head,
        trailers,
        chunk_extensions: extensions,
        interim: notes.value("--limit-interim", settings.interim.as_ref(), default.interim, |text| {
            units::count(text, 1..=1000)
        }),
        linger: notes.value("--limit-linger", settings.linger.as_ref(), default.linger, |text| {
            units::size_within(text, 0..=1 << 30)
        }),
        body: notes.value("--limit-body", settings.body.as_ref(), default.body, |text| match text {
            "off" => Ok(None),
            text => units::size(text).map(Some).map_err(|fault| format!("{fault}, or off")),
        }),
        buffer,
        socket_buffer: notes.value(
            "--limit-socket-buffer",
            settings.socket_buffer.as_ref(),
            default.socket_buffer,
            |text| match text {
                "auto" => Ok(None),
                text => units::size_within(text, 4 << 10..=64 << 20)
                    .map(|bytes| usize::try_from(bytes).ok())
                    .map_err(|fault| format!("{fault}, or auto")),
            },
        ),
    }
}

/// Every wait.
pub(super) fn timeouts(settings: &TimeoutSettings, notes: &mut Notes) -> Timeouts {
    let default = Timeouts::default();
    let min_rate =
        notes.value("--timeout-min-rate", settings.min_rate.as_ref(), default.min_rate, units::rate);
    // Zero is a useful answer for lingering alone: do not.
    let linger = notes.value("--timeout-linger", settings.linger.as_ref(), default.linger, units::duration);
    let mut wait =
        |key, typed: &Option<String>, default| notes.value(key, typed.as_ref(), default, units::wait);
    Timeouts {
        head: wait("--timeout-head", &settings.head, default.head),
        keep_alive: wait("--timeout-keep-alive", &settings.keep_alive, default.keep_alive),
        body_idle: wait("--timeout-body-idle", &settings.body_idle, default.body_idle),
        min_rate,
        connect: wait("--timeout-connect", &settings.connect, default.connect),
        response: wait("--timeout-response", &settings.response, default.response),
        upstream_idle: wait("--timeout-upstream-idle", &settings.upstream_idle, default.upstream_idle),
        send: wait("--timeout-send", &settings.send, default.send),
        tunnel_idle: wait("--timeout-tunnel-idle", &settings.tunnel_idle, default.tunnel_idle),
        tunnel_half_closed: wait(
            "--timeout-tunnel-half-closed",
            &settings.tunnel_half_closed,
            default.tunnel_half_closed,
        ),
        linger,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    /// What `read` makes of its settings, and the messages of the faults it notes.
    fn noted<T>(read: impl FnOnce(&mut Notes) -> T) -> (T, Vec<String>) {
        let mut notes = Notes::default();
        let value = read(&mut notes);
        (value, notes.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn limits_out_of_reason_hear_the_range() {
        type Set = fn(&mut LimitSettings, Option<String>);
        let rows: [(&str, Set, &str, &str); 13] = [
            ("head", |limits, text| limits.head = text, "1023", "expected 1k to 1m"),
            ("head", |limits, text| limits.head = text, "2m", "expected 1k to 1m"),
            ("fields", |limits, text| limits.fields = text, "0", "expected 1 to 1024"),
            ("fields", |limits, text| limits.fields = text, "1025", "expected 1 to 1024"),
            (
                "response-head",
                |limits, text| limits.response_head = text,
                "1b",
                "expected bytes or one such as",
            ),
            ("trailers", |limits, text| limits.trailers = text, "2m", "expected 0 to 1m"),
            ("chunk-extensions", |limits, text| limits.chunk_extensions = text, "1g", "expected 0 to 1m"),
            ("interim", |limits, text| limits.interim = text, "0", "expected 1 to 1000"),
            ("linger", |limits, text| limits.linger = text, "2g", "expected 0 to 1g"),
            ("body", |limits, text| limits.body = text, "none", ", or off"),
            ("buffer", |limits, text| limits.buffer = text, "1k", "expected 4k to 1m"),
            (
                "socket-buffer",
                |limits, text| limits.socket_buffer = text,
                "1k",
                "expected 4k to 64m, or auto",
            ),
            ("socket-buffer", |limits, text| limits.socket_buffer = text, "off", ", or auto"),
        ];
        for (key, set, typed, expected) in rows {
            let mut settings = LimitSettings::default();
            set(&mut settings, text(typed));
            let (read, faults) = noted(|notes| limits(&settings, notes));
            assert_eq!(read, Limits::default(), "{key}: the default stands in");
            assert_eq!(faults.len(), 1);
            assert!(faults[0].starts_with(&format!("--limit-{key}: \"{typed}\" ")), "{faults:?}");
            assert!(faults[0].contains(expected), "{faults:?}");
        }
    }

    #[test]
    fn each_limit_reaches_its_field() {
        let settings = LimitSettings {
            head: text("1k"),
            fields: text("1024"),
            response_head: text("2k"),
            trailers: text("0"),
            chunk_extensions: text("3k"),
            interim: text("5"),
            linger: text("6k"),
            body: text("7"),
            buffer: text("8k"),
            socket_buffer: text("auto"),
        };
        let expected = Limits {
            head: 1024,
            fields: 1024,
            response_head: 2048,
            trailers: 0,
            chunk_extensions: 3072,
            interim: 5,
            linger: 6144,
            body: Some(7),
            buffer: 8192,
            socket_buffer: None,
        };
        assert_eq!(noted(|notes| limits(&settings, notes)), (expected, vec![]));
    }

    #[test]
    fn each_timeout_reaches_its_field() {
        let settings = TimeoutSettings {
            head: text("1s"),
            keep_alive: text("2s"),
            body_idle: text("3s"),
            min_rate: text("4/s"),
            connect: text("5s"),
            response: text("6s"),
            upstream_idle: text("7s"),
            send: text("8s"),
            tunnel_idle: text("9s"),
            tunnel_half_closed: text("10s"),
            linger: text("0"),
        };
        let expected = Timeouts {
            head: Duration::from_secs(1),
            keep_alive: Duration::from_secs(2),
            body_idle: Duration::from_secs(3),
            min_rate: 4,
            connect: Duration::from_secs(5),
            response: Duration::from_secs(6),
            upstream_idle: Duration::from_secs(7),
            send: Duration::from_secs(8),
            tunnel_idle: Duration::from_secs(9),
            tunnel_half_closed: Duration::from_secs(10),
            linger: Duration::ZERO,
        };
        assert_eq!(noted(|notes| timeouts(&settings, notes)), (expected, vec![]));
        let settings = TimeoutSettings { head: text("0s"), ..Default::default() };
        let (_, faults) = noted(|notes| timeouts(&settings, notes));
        assert_eq!(faults, ["--timeout-head: \"0s\" would end every wait at once; expected more than zero"]);
    }
}

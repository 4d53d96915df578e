//! `upstream.health`: how servers are asked whether they are well.

use std::{ops::RangeInclusive, time::Duration};

use super::{keys::Key, reader::Reader, values};

/// How servers are asked whether they are well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// Whether all are asked, time and again; else those alone that requests have taken out.
    pub probes_all: bool,
    /// What they are asked for; nothing where a connection is enough.
    pub path: Option<Box<str>>,
    /// The statuses of one that is well.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Good probes in a row that bring a server back.
    pub rise: u32,
    /// Bad ones that take it out.
    pub fall: u32,
    /// How long the share of one that is back grows.
    pub slow_start: Duration,
}

/// The most probes in a row.
const MOST_IN_A_ROW: usize = 1000;

/// The settings of the table.
pub(super) const KEYS: [Key; 7] = [
    Key::HealthPath,
    Key::HealthStatus,
    Key::HealthInterval,
    Key::HealthTimeout,
    Key::HealthRise,
    Key::HealthFall,
    Key::SlowStart,
];

/// How servers are asked.
pub(super) fn read(reader: &mut Reader<'_>) -> HealthCheck {
    let in_a_row = |text: &str| {
        let count = values::count(text, 1..=MOST_IN_A_ROW)?;
        u32::try_from(count).map_err(|fault| fault.to_string())
    };
    HealthCheck {
        probes_all: reader.has_table("health") || KEYS.into_iter().any(|key| reader.has(key)),
        path: reader.optional(Key::HealthPath, path),
        statuses: reader.members(Key::HealthStatus, statuses),
        interval: reader.value(Key::HealthInterval, values::wait),
        timeout: reader.value(Key::HealthTimeout, values::wait),
        rise: reader.value(Key::HealthRise, in_a_row),
        fall: reader.value(Key::HealthFall, in_a_row),
        slow_start: reader.value(Key::SlowStart, values::duration),
    }
}

/// A request target in origin form (RFC 9112 §3.2.1), as the server sees it.
fn path(text: &str) -> Result<Box<str>, String> {
    let is_fine =
        text.starts_with('/') && text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#');
    if is_fine && text.len() <= 1024 {
        Ok(text.into())
    } else {
        Err(format!("\"{text}\" is no path; expected at most 1024 visible ASCII characters such as /healthz"))
    }
}

/// One status or a range of them.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, String> {
    let status = |text: &str| {
        let status = values::count(text, 200..=599).ok()?;
        u16::try_from(status).ok()
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (status(first.trim()), status(last.trim())) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => {
            Err(format!("\"{text}\" is no status; expected one from 200 to 599, or a range such as 200-399"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_setting_reaches_its_field() {
        let defaults = HealthCheck {
            probes_all: false,
            path: None,
            statuses: vec![200..=399],
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            slow_start: Duration::ZERO,
        };
        assert_eq!(sample::faults(&[], read), (defaults, vec![]));
        let settings = [
            (Key::HealthPath, "/healthz?deep=1"),
            (Key::HealthStatus, "200,204-206"),
            (Key::HealthInterval, "250ms"),
            (Key::HealthTimeout, "1s"),
            (Key::HealthRise, "1"),
            (Key::HealthFall, "7"),
            (Key::SlowStart, "30s"),
        ];
        let expected = HealthCheck {
            probes_all: true,
            path: Some("/healthz?deep=1".into()),
            statuses: vec![200..=200, 204..=206],
            interval: Duration::from_millis(250),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 7,
            slow_start: Duration::from_secs(30),
        };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
    }

    #[test]
    fn one_setting_of_the_table_is_enough_to_have_all_servers_asked() {
        for key in [Key::HealthFall, Key::SlowStart, Key::HealthInterval] {
            let typed = if key == Key::HealthFall { "2" } else { "1s" };
            assert!(sample::faults(&[(key, typed)], read).0.probes_all, "{key:?}");
        }
        let config = sample::compiled(&sample::file(
            "[upstream.a]\nservers=\"http://a\"\nhealth={}\n[[route]]\nupstream=\"a\"",
            &[],
        ));
        assert!(config.upstreams[0].health.probes_all);
    }

    #[test]
    fn what_cannot_be_asked_for_is_a_fault() {
        for (key, typed, message) in [
            (Key::HealthPath, "healthz", "is no path"),
            (Key::HealthPath, "/a b", "is no path"),
            (Key::HealthPath, "/a#b", "is no path"),
            (Key::HealthStatus, "2xx", "is no status"),
            (Key::HealthStatus, "399-200", "is no status"),
            (Key::HealthStatus, "100", "is no status"),
            (Key::HealthRise, "0", "out of range"),
            (Key::HealthFall, "1001", "out of range"),
            (Key::HealthInterval, "0s", ""),
        ] {
            let (_, faults) = sample::faults(&[(key, typed)], read);
            assert!(faults.len() == 1 && faults[0].contains(message), "{typed}: {faults:?}");
        }
    }
}

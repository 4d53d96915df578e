//! `upstream.eject`: what takes a server of an upstream out while others are usable.

use std::time::Duration;

use super::{keys::Key, reader::Reader, values};

/// What takes a server out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ejection {
    /// Failed requests in a row that take a server out; 0 where requests never do.
    pub failures: u32,
    /// Statuses of answers that count as failures.
    pub statuses: Vec<u16>,
    /// The shortest time that one stays out which is taken out again soon after it was back.
    pub min_time: Duration,
    /// How many of all servers may be out for failed requests, in percent.
    pub at_most: u32,
}

/// What takes a server out.
pub(super) fn read(reader: &mut Reader<'_>) -> Ejection {
    let failures = reader.value(Key::EjectFailures, |text| values::count(text, 0..=1_000_000));
    Ejection {
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        statuses: reader.members(Key::EjectStatus, status).into_iter().flatten().collect(),
        min_time: reader.value(Key::EjectMinTime, values::wait),
        at_most: reader.value(Key::EjectAtMost, |text| values::percent(text, 0..=100)),
    }
}

/// A status of a final answer; none for `none`.
fn status(text: &str) -> Result<Option<u16>, String> {
    values::or_word(text, "none", |text| {
        let status = values::count(text, 200..=599)?;
        u16::try_from(status).map_err(|fault| fault.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_setting_reaches_its_field() {
        let expected =
            Ejection { failures: 3, statuses: vec![503], min_time: Duration::from_secs(10), at_most: 100 };
        assert_eq!(sample::faults(&[], read), (expected, vec![]));
        let settings = [
            (Key::EjectFailures, "0"),
            (Key::EjectStatus, "502,504"),
            (Key::EjectMinTime, "250ms"),
            (Key::EjectAtMost, "50%"),
        ];
        let expected = Ejection {
            failures: 0,
            statuses: vec![502, 504],
            min_time: Duration::from_millis(250),
            at_most: 50,
        };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
        let (read, faults) = sample::faults(&[(Key::EjectStatus, "none")], read);
        assert_eq!((read.statuses, faults), (vec![], vec![]));
    }

    #[test]
    fn what_is_no_status_is_a_fault() {
        for typed in ["5xx", "199", "600", "-1"] {
            let (_, faults) = sample::faults(&[(Key::EjectStatus, typed)], read);
            let expected =
                format!("--eject-status: \"{typed}\" is out of range; expected 200 to 599, or none");
            assert_eq!(faults, [expected]);
        }
    }
}

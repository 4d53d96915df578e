//! `upstream.retry`: how often a request is tried that a server has failed at.

use super::{keys::Key, reader::Reader, values};

/// How often a request is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often one request may be sent, the first time among them; what was refused as a connection counts for nothing.
    pub attempts: u32,
    /// Further attempts there may be for every 100 requests.
    pub budget: u32,
    /// Statuses of answers that are not given to the client while another server may give a better one.
    pub statuses: Vec<u16>,
}

/// How often.
pub(super) fn read(reader: &mut Reader<'_>) -> Retry {
    let attempts = reader.value(Key::RetryAttempts, |text| values::count(text, 1..=16));
    Retry {
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        budget: reader.value(Key::RetryBudget, share),
        statuses: reader.members(Key::RetryStatuses, status),
    }
}

/// Percent.
fn share(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').ok_or_else(|| match text.parse::<u32>() {
        Ok(_) => format!("\"{text}\" has no unit; write {text}%"),
        Err(_) => format!("\"{text}\" is no share; expected 0% to 100%"),
    })?;
    let percent = values::count(percent, 0..=100)
        .map_err(|_| format!("\"{text}\" is out of range; expected 0% to 100%"))?;
    u32::try_from(percent).map_err(|fault| fault.to_string())
}

/// A status that tells of a failure.
fn status(text: &str) -> Result<u16, String> {
    let status = values::count(text, 400..=599)?;
    u16::try_from(status).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_setting_reaches_its_field() {
        let expected = Retry { attempts: 2, budget: 20, statuses: vec![] };
        assert_eq!(sample::faults(&[], read), (expected, vec![]));
        let settings = [(Key::RetryAttempts, "1"), (Key::RetryBudget, "0%"), (Key::RetryStatuses, "502,503")];
        let expected = Retry { attempts: 1, budget: 0, statuses: vec![502, 503] };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
    }

    #[test]
    fn what_cannot_be_hears_what_can() {
        for (key, typed, expected) in [
            (Key::RetryAttempts, "0", "upstream.retry.attempts: \"0\" is out of range; expected 1 to 16"),
            (Key::RetryAttempts, "17", "upstream.retry.attempts: \"17\" is out of range; expected 1 to 16"),
            (Key::RetryBudget, "20", "upstream.retry.budget: \"20\" has no unit; write 20%"),
            (
                Key::RetryBudget,
                "101%",
                "upstream.retry.budget: \"101%\" is out of range; expected 0% to 100%",
            ),
            (Key::RetryBudget, "-1%", "upstream.retry.budget: \"-1%\" is out of range; expected 0% to 100%"),
            (Key::RetryBudget, "few", "upstream.retry.budget: \"few\" is no share; expected 0% to 100%"),
            (
                Key::RetryStatuses,
                "200",
                "upstream.retry.statuses: \"200\" is out of range; expected 400 to 599",
            ),
        ] {
            assert_eq!(sample::faults(&[(key, typed)], read).1, [expected]);
        }
    }
}

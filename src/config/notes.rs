//! What was found wrong while settings are read: kept, so that reading can go on.

use super::{ConfigFault, words};

/// Faults and warnings, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What keeps the configuration from being used.
    pub(super) faults: Vec<ConfigFault>,
    /// What works, but deserves a word.
    pub(super) warnings: Vec<ConfigFault>,
}

impl Notes {
    /// Notes a fault of the flag `key`.
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        self.faults.push(ConfigFault { key: key.into(), message: message.into() });
    }

    /// Notes a warning about the flag `key`.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.warnings.push(ConfigFault { key: key.into(), message: message.into() });
    }

    /// What was typed for `key` as `read` understands it; `default` where nothing was, or where it is faulty.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        typed: Option<&String>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        match typed.map(|text| read(text.trim())) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(message)) => {
                self.fault(key, message);
                default
            }
        }
    }

    /// Whether `key` was switched on.
    pub(super) fn switch(&mut self, key: &str, typed: Option<&String>) -> bool {
        self.value(key, typed, false, words::boolean)
    }

    /// The members of a list.
    pub(super) fn list(&mut self, key: &str, typed: &[String]) -> Vec<String> {
        words::list(typed).unwrap_or_else(|message| {
            self.fault(key, message);
            Vec::new()
        })
    }

    /// The members of a list that `read` understands; each of the others is a fault.
    pub(super) fn members<T>(
        &mut self,
        key: &str,
        typed: &[String],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut members = Vec::new();
        for text in self.list(key, typed) {
            match read(&text) {
                Ok(member) => members.push(member),
                Err(message) => self.fault(key, message),
            }
        }
        members
    }
}

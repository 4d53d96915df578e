//! From settings to values, one setting at a time: what was typed, else the default of its row.
//!
//! Nothing stops at a fault: it is noted under the name that was typed, and the default stands in. Every setting is
//! read in one place and whether or not it matters, so that a fault in it does not wait for the day when it does.

use super::{
    keys::{Key, Kind},
    notes::{ConfigFault, Notes},
    settings::{Settings, Typed, TypedAt},
    values,
};

/// Settings that are being read, and what was found wrong with them so far.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    notes: Notes,
    /// What was read, in that order. A setting has one reader: a test looks for those with none or two.
    pub(super) read: Vec<Key>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet; what was noted where the settings were gathered comes first.
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, notes: settings.notes().clone(), read: Vec::new() }
    }

    /// What was found.
    pub(super) fn into_notes(self) -> Notes {
        self.notes
    }

    /// Whether anything was typed for `key`.
    pub(super) fn has(&self, key: Key) -> bool {
        self.settings.has(key)
    }

    /// Notes a fault of `key`.
    pub(super) fn fault(&mut self, key: Key, message: impl Into<String>) {
        let key = self.settings.spelled(key);
        self.notes.faults.push(ConfigFault { key, message: message.into() });
    }

    /// Notes a fault of several settings together.
    pub(super) fn fault_of_several(&mut self, message: String) {
        self.notes.faults.push(ConfigFault { key: String::new(), message });
    }

    /// Notes a warning about `key`.
    pub(super) fn warn(&mut self, key: Key, message: impl Into<String>) {
        let key = self.settings.spelled(key);
        self.notes.warnings.push(ConfigFault { key, message: message.into() });
    }

    /// The value of a setting that has a default.
    pub(super) fn value<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
        self.typed(key, |typed| read(typed.text.trim())).unwrap_or_else(|| default(key, read))
    }

    /// The value of a setting that has no default; `None` where nothing was typed, or where that is faulty.
    pub(super) fn optional<T>(
        &mut self,
        key: Key,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.typed(key, |typed| read(typed.text.trim()))
    }

    /// Whether a switch is on, in the sense of its name in a file.
    pub(super) fn switch(&mut self, key: Key) -> bool {
        let typed = self.typed(key, |typed| {
            let on = values::boolean(typed.text.trim())?;
            Ok(match (key.row().kind, typed.at) {
                (Kind::Opposite, TypedAt::Flag | TypedAt::Variable) => !on,
                (Kind::Value(_) | Kind::List(_) | Kind::Switch | Kind::Count, _) => on,
            })
        });
        typed.unwrap_or_else(|| default(key, values::boolean))
    }

    /// The members of a list, those of its default where nothing was typed; none where that is faulty.
    pub(super) fn list(&mut self, key: Key) -> Vec<String> {
        self.read.push(key);
        let settings = self.settings;
        let members = match settings.typed(key) {
            [] => values::list(key.row().default),
            typed => values::list(typed.iter().map(|typed| typed.text.as_str())),
        };
        members.unwrap_or_else(|message| {
            self.fault(key, message);
            Vec::new()
        })
    }

    /// The members of a list that `read` understands; each of the others is a fault.
    pub(super) fn members<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut members = Vec::new();
        for text in self.list(key) {
            match read(&text) {
                Ok(member) => members.push(member),
                Err(message) => self.fault(key, message),
            }
        }
        members
    }

    /// What was typed for `key` as `read` understands it; `None` where nothing was, or where it is faulty.
    fn typed<T>(&mut self, key: Key, read: impl FnOnce(&Typed) -> Result<T, String>) -> Option<T> {
        self.read.push(key);
        match read(self.settings.typed(key).last()?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fault(key, message);
                None
            }
        }
    }
}

/// The default of `key`, which its own reader understands: a test reads all of them.
fn default<T>(key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
    let text = key.row().default.unwrap_or_default();
    read(text).unwrap_or_else(|fault| unreachable!("the default of {key:?}: {fault}"))
}

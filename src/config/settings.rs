//! What was typed for each setting, as text, and where.
//!
//! [`Settings`] is the seam between the places where settings come from and
//! [`compile`](crate::config::compile::compile), which alone gives them meaning: every value stays the text that was
//! typed, so that all faults are found together and none hides the next. Nothing is parsed, checked or defaulted
//! here. What was typed and belongs to no setting is noted beside them: a flag that does not exist hides no other fault.

use std::collections::BTreeMap;

use super::{
    keys::{Key, Row},
    notes::{ConfigFault, Notes},
};

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    typed: BTreeMap<Key, Vec<Typed>>,
    /// What is wrong with the places themselves: words that are no setting's.
    notes: Notes,
}

/// One value, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The value, unread.
    pub text: String,
    /// Where it was typed: a fault is told in the words of that place.
    pub at: TypedAt,
}

/// Where a value was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedAt {
    /// Behind a flag.
    Flag,
    /// In an environment variable.
    Variable,
}

impl Settings {
    /// Adds what was typed for `key` to what is there.
    pub fn add(&mut self, key: Key, typed: Typed) {
        self.typed.entry(key).or_default().push(typed);
    }

    /// Takes `typed` for all that was typed for `key`.
    pub(super) fn set(&mut self, key: Key, typed: Typed) {
        self.typed.insert(key, vec![typed]);
    }

    /// What was typed for `key`, in that order.
    #[must_use]
    pub fn typed(&self, key: Key) -> &[Typed] {
        self.typed.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Whether anything was typed for `key`.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        !self.typed(key).is_empty()
    }

    /// How `key` is spelled where it was typed last; where nothing was, as its flag.
    #[must_use]
    pub fn spelled(&self, key: Key) -> String {
        let at = self.typed(key).last().map_or(TypedAt::Flag, |typed| typed.at);
        match (key.row(), at) {
            (Row { flag: Some(flag), .. }, TypedAt::Flag) => format!("--{}", flag.long),
            (Row { flag: Some(flag), .. }, TypedAt::Variable) => flag.variable(),
            (Row { flag: None, name, .. }, _) => name.unwrap_or_default().to_owned(),
        }
    }

    /// Notes that what was typed as `key` cannot be used.
    pub(super) fn fault(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.notes.faults.push(ConfigFault { key: key.into(), message: message.into() });
    }

    /// Notes that what was typed as `key` changes nothing.
    pub(super) fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.notes.warnings.push(ConfigFault { key: key.into(), message: message.into() });
    }

    /// What was noted where settings were gathered.
    pub(super) const fn notes(&self) -> &Notes {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_called_as_it_was_typed_and_by_its_name_where_it_cannot_be() {
        for (key, flag, variable) in [
            (Key::Listen, "--listen", "CORSAIR_LISTEN"),
            (Key::Verdict, "--no-verdict", "CORSAIR_NO_VERDICT"),
            (Key::PoolMaxIdle, "pool.max_idle", "pool.max_idle"),
        ] {
            let mut settings = Settings::default();
            assert_eq!(settings.spelled(key), flag);
            for (at, spelled) in [(TypedAt::Flag, flag), (TypedAt::Variable, variable)] {
                settings.add(key, Typed { text: "x".into(), at });
                assert_eq!(settings.spelled(key), spelled);
            }
        }
    }

    #[test]
    fn what_is_typed_is_kept_in_order() {
        let mut settings = Settings::default();
        assert!(!settings.has(Key::Upstream));
        for text in ["a", "b"] {
            settings.add(Key::Upstream, Typed { text: text.into(), at: TypedAt::Flag });
        }
        let typed: Vec<&str> = settings.typed(Key::Upstream).iter().map(|typed| &*typed.text).collect();
        assert_eq!((typed, settings.has(Key::Upstream)), (vec!["a", "b"], true));
    }
}

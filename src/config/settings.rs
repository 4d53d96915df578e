//! What was typed for each setting, as text, and where.
//!
//! [`Settings`] is the seam between the places where settings come from and
//! [`compile`](crate::config::compile::compile), which alone gives them meaning: every value stays the text that was
//! typed, so that all faults are found together and none hides the next. Nothing is parsed, checked or defaulted
//! here.

use std::collections::BTreeMap;

use super::keys::{Key, Row};

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    typed: BTreeMap<Key, Vec<Typed>>,
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

    /// How `key` is spelled where it was typed last; where nothing was, as its flag. A variable's is told as its
    /// flag too, which the help lists.
    #[must_use]
    pub fn spelled(&self, key: Key) -> String {
        let at = self.typed(key).last().map_or(TypedAt::Flag, |typed| typed.at);
        match (key.row(), at) {
            (Row { flag: Some(flag), .. }, TypedAt::Flag | TypedAt::Variable) => format!("--{}", flag.long),
            (Row { name, .. }, _) => name.unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_called_by_its_flag_and_by_its_name_where_it_has_none() {
        for (key, spelled) in [
            (Key::Listen, "--listen"),
            (Key::Verdict, "--no-verdict"),
            (Key::RedactQuery, "log.redact_query"),
        ] {
            let mut settings = Settings::default();
            assert_eq!(settings.spelled(key), spelled);
            for at in [TypedAt::Flag, TypedAt::Variable] {
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

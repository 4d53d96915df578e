//! What was found wrong while settings are read: kept, so that reading can go on.

use std::{cmp::Reverse, collections::HashSet, fmt};

use super::source::Place;

/// One thing wrong, or worth a warning, in what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The setting as typed, such as `--allow-credentials` or `cors.allow_credentials`; empty where it is about several
    /// together.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Where it was typed, if that was in a file.
    pub place: Option<Place>,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        let separator = if self.key.is_empty() { "" } else { ": " };
        // What was typed may hold anything, and a flag that does not exist too; a terminal is shown text.
        [&self.key, separator, &self.message].iter().flat_map(|text| text.chars()).try_for_each(|character| {
            match character {
                character if character.is_control() => write!(f, "{}", character.escape_default()),
                character => write!(f, "{character}"),
            }
        })
    }
}

/// Faults and warnings, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// What keeps the configuration from being used.
    pub(super) faults: Vec<ConfigFault>,
    /// What works, but deserves a word.
    pub(super) warnings: Vec<ConfigFault>,
}

impl Notes {
    /// Each of them once, and without the `secrets` that somebody's words may repeat.
    pub(super) fn tidied(mut self, secrets: &[String]) -> Self {
        for notes in [&mut self.faults, &mut self.warnings] {
            for note in notes.iter_mut() {
                note.message = without(secrets, &note.message);
            }
            let mut told = HashSet::new();
            notes.retain(|note| {
                let at = note.place.as_ref().map(|place| (place.span.start, place.span.end));
                told.insert((note.key.clone(), note.message.clone(), at))
            });
            // In the order of the file, whoever found them; what stands in none comes first.
            notes.sort_by_key(|note| note.place.as_ref().map(|place| place.span.start));
        }
        self
    }
}

/// A text without these secrets.
pub(super) fn without(secrets: &[String], text: &str) -> String {
    spellings(secrets).iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

/// How messages may spell secrets: as they are, without the blanks around them, in lower case; the longest first, so
/// that of one that holds another nothing is left over.
fn spellings(secrets: &[String]) -> Vec<String> {
    let mut spellings: Vec<String> = secrets
        .iter()
        .flat_map(|secret| [secret.clone(), secret.trim().to_owned(), secret.trim().to_ascii_lowercase()])
        .filter(|secret| !secret.is_empty())
        .collect();
    spellings.sort_unstable_by_key(|secret| Reverse(secret.len()));
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_secret_is_told_and_nothing_twice() {
        let note = |message: &str| ConfigFault { key: "a".into(), message: message.into(), place: None };
        let secrets = [" Hunter2\n", "Hunter22", ""].map(String::from);
        let told = ["no Hunter2", "no Hunter2", "no hunter2 and Hunter22", "fine"].map(note);
        let notes = Notes { faults: told.to_vec(), warnings: told.to_vec() }.tidied(&secrets);
        let expected = ["no ***", "no *** and ***", "fine"].map(note).to_vec();
        assert_eq!(notes, Notes { faults: expected.clone(), warnings: expected });
    }

    #[test]
    fn whatever_was_typed_a_fault_is_one_line_of_text() {
        let fault = |key: &str| {
            ConfigFault { key: key.into(), message: "a\u{1b}[2J".into(), place: None }.to_string()
        };
        assert_eq!(fault("--x\ny"), "--x\\ny: a\\u{1b}[2J");
        assert_eq!(fault(""), "a\\u{1b}[2J");
    }
}

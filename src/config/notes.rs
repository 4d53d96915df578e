//! What was found wrong while settings are read: kept, so that reading can go on.

use std::fmt;

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
                for secret in secrets {
                    note.message = note.message.replace(secret, "***");
                }
            }
            let mut told = Vec::new();
            notes.retain(|note| {
                let is_new = !told.contains(note);
                if is_new {
                    told.push(note.clone());
                }
                is_new
            });
            // In the order of the file, whoever found them; what stands in none comes first.
            notes.sort_by_key(|note| note.place.as_ref().map(|place| place.span.start));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_typed_a_fault_is_one_line_of_text() {
        let fault = |key: &str| {
            ConfigFault { key: key.into(), message: "a\u{1b}[2J".into(), place: None }.to_string()
        };
        assert_eq!(fault("--x\ny"), "--x\\ny: a\\u{1b}[2J");
        assert_eq!(fault(""), "a\\u{1b}[2J");
    }
}

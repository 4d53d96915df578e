//! What is to be done besides serving: the words that a command line may begin with, and what each takes beside the
//! flags of the settings.
//!
//! A command is a row of [`WORDS`]. What it takes is read by [`Command::option`].

use super::values;

/// What is to be done with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve,
    /// Tell what is wrong with them.
    Check {
        /// Tell what is effective as a file.
        print: bool,
    },
    /// Print a file that holds everything that one can.
    GenerateConfig,
}

/// A word that a command line may begin with.
pub(super) struct Word {
    pub(super) name: &'static str,
    /// The command; `None`: it is planned.
    pub(super) begins: Option<fn() -> Command>,
}

/// All of them, but for those that are answered at once: help and version.
pub(super) const WORDS: &[Word] = &[
    Word { name: "check", begins: Some(|| Command::Check { print: false }) },
    Word { name: "explain", begins: None },
    Word { name: "status", begins: None },
    Word { name: "reload", begins: None },
    Word { name: "sign", begins: None },
    Word { name: "generate", begins: Some(|| Command::GenerateConfig) },
];

/// What an option of a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// No value.
    Nothing,
}

impl Command {
    /// The command that this word begins.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|known| known.name == word)?.begins.map(|begins| begins())
    }

    /// What the option `--NAME` of this command takes, if it has one.
    pub(super) fn option(&self, name: &str) -> Option<Takes> {
        matches!((self, name), (Self::Check { .. }, "print")).then_some(Takes::Nothing)
    }

    /// Takes an option that it has.
    pub(super) fn set(&mut self, name: &str) {
        if let (Self::Check { print }, "print") = (self, name) {
            *print = true;
        }
    }
}

/// The command that a word is a slip of.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    let there = WORDS.iter().filter(|known| known.begins.is_some()).map(|known| known.name);
    values::nearest(word, there.chain(["help", "version"]))
}

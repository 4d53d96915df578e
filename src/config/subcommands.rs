//! What the first word of a command line can be, one row each: the help, the manual page and the completions are made
//! of them.

use super::{
    artifact::{Artifact, Shell},
    keys::Key,
};

/// What is known of one command.
#[derive(Debug)]
pub struct Subcommand {
    /// Its word.
    pub name: &'static str,
    /// What may stand behind it, beside flags of settings; empty for nothing.
    pub usage: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Which settings it takes the flags of.
    pub settings: FlagsOf,
    /// Flags that it alone has, where no help of its own has them.
    pub flags: &'static [OwnFlag],
    /// The words that stand behind it, in their order.
    pub words: &'static [Argument],
}

/// The settings whose flags a command takes.
#[derive(Clone, Copy, Debug)]
pub enum FlagsOf {
    /// Those of a configuration: all of them.
    All,
    /// These.
    These(&'static [Key]),
    /// None.
    None,
}

/// A flag that is no setting's.
#[derive(Debug)]
pub struct OwnFlag {
    /// Its name, without dashes.
    pub long: &'static str,
    /// What stands for its value, if it has one.
    pub value: Option<&'static str>,
    /// Whether it can be given several times.
    pub repeatable: bool,
    /// What it does, in a line.
    pub help: &'static str,
}

/// A word behind the one of a command.
#[derive(Debug)]
pub struct Argument {
    /// What stands for it.
    pub name: &'static str,
    /// Whether the command needs it.
    pub required: bool,
    /// What it says, in a line.
    pub help: &'static str,
    /// Everything that it can be, with what that means; empty where it can be anything.
    pub choices: fn() -> Vec<(&'static str, &'static str)>,
}

/// All commands, in the order of the help.
pub const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "check",
        usage: "[-c FILE]",
        help: "tell all that is wrong, else what is effective (--print: as a file); -t for short",
        settings: FlagsOf::All,
        flags: &[OwnFlag {
            long: "print",
            value: None,
            repeatable: false,
            help: "Tell what is effective as a configuration file, secrets hidden",
        }],
        words: &[],
    },
    // What else it takes is said by its own help.
    Subcommand {
        name: "explain",
        usage: "[-c FILE] URL",
        help: "tell what becomes of a page's request; corsair explain --help says more",
        settings: FlagsOf::All,
        flags: &[],
        words: &[],
    },
    Subcommand {
        name: "status",
        usage: "[--admin ADDR]",
        help: "tell what a running corsair does (--watch: again and again)",
        settings: FlagsOf::These(&[Key::ConfigFile, Key::AdminListen]),
        flags: &[OwnFlag { long: "watch", value: None, repeatable: false, help: "Tell it again and again" }],
        words: &[],
    },
    Subcommand {
        name: "reload",
        usage: "[--admin ADDR]",
        help: "have it read its configuration again, and tell what is wrong with that",
        settings: FlagsOf::These(&[Key::ConfigFile, Key::AdminListen]),
        flags: &[],
        words: &[],
    },
    Subcommand {
        name: "sign",
        usage: "--key NAME URL",
        help: "print a signed URL, which lets in whoever has it until it --expires",
        settings: FlagsOf::These(&[Key::ConfigFile]),
        flags: &[
            OwnFlag {
                long: "key",
                value: Some("NAME"),
                repeatable: false,
                help: "Key of [access.NAME] that signs it",
            },
            OwnFlag {
                long: "access",
                value: Some("NAME"),
                repeatable: false,
                help: "Table that has the key, where several have one of that name",
            },
            OwnFlag {
                long: "expires",
                value: Some("DURATION"),
                repeatable: false,
                help: "How long it lets in, from now on: 10m, 1h, 30d",
            },
            OwnFlag {
                long: "method",
                value: Some("METHOD"),
                repeatable: false,
                help: "Method that it is asked with; GET, the default, covers HEAD",
            },
        ],
        words: &[Argument {
            name: "URL",
            required: true,
            help: "What is asked for, as clients know it: scheme, host, path and query",
            choices: Vec::new,
        }],
    },
    Subcommand {
        name: "generate",
        usage: "WHAT",
        help: "print a file that goes with corsair; corsair generate --help lists them",
        settings: FlagsOf::None,
        flags: &[],
        words: &[
            Argument { name: "WHAT", required: true, help: "What is printed", choices: artifacts },
            Argument {
                name: "SHELL",
                required: false,
                help: "The shell that completions are for",
                choices: shells,
            },
        ],
    },
    Subcommand {
        name: "help",
        usage: "[COMMAND]",
        help: "print this, or what a command takes",
        settings: FlagsOf::None,
        flags: &[],
        words: &[Argument {
            name: "COMMAND",
            required: false,
            help: "What help is wanted for",
            choices: commands,
        }],
    },
    Subcommand {
        name: "version",
        usage: "",
        help: "print the version",
        settings: FlagsOf::None,
        flags: &[],
        words: &[],
    },
];

impl Subcommand {
    /// The command of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SUBCOMMANDS.iter().find(|command| command.name == name)
    }
}

fn artifacts() -> Vec<(&'static str, &'static str)> {
    Artifact::WORDS.iter().map(|(word, help, _)| (*word, *help)).collect()
}

fn shells() -> Vec<(&'static str, &'static str)> {
    Shell::WORDS.iter().map(|(word, _)| (*word, "")).collect()
}

fn commands() -> Vec<(&'static str, &'static str)> {
    SUBCOMMANDS.iter().map(|command| (command.name, "")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::command::WORDS, *};

    #[test]
    fn every_command_that_is_there_has_a_row_and_no_other_has() {
        let there = WORDS.iter().map(|word| word.name);
        let there: BTreeSet<&str> = there.chain(["help", "version"]).collect();
        assert_eq!(SUBCOMMANDS.iter().map(|row| row.name).collect::<BTreeSet<_>>(), there);
    }
}

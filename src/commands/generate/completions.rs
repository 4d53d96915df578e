//! Completions, from the grammar that the help is made of.

use clap_complete::Shell as Generator;

use crate::config::{Shell, flags};

/// What makes this shell complete the command line of corsair.
pub(super) fn completions(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => Generator::Bash,
        Shell::Elvish => Generator::Elvish,
        Shell::Fish => Generator::Fish,
        Shell::PowerShell => Generator::PowerShell,
        Shell::Zsh => Generator::Zsh,
    };
    let mut text = Vec::new();
    clap_complete::generate(generator, &mut flags::command(), "corsair", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

//! What the program knows: its commands, its flags, its settings, and whether it takes a file.

use std::{collections::BTreeSet, num::NonZeroUsize, path::Path};

use corsair::config::{Key, Settings, Source, compile::compile, file, machine::Machine};

use crate::support::{Corsair, certificates::Authority, daemon::command};

/// What can be typed behind `corsair`.
pub(super) struct Program {
    pub(super) commands: BTreeSet<String>,
    pub(super) flags: BTreeSet<String>,
    /// What `corsair generate` prints.
    pub(super) printed: BTreeSet<String>,
    folder: tempfile::TempDir,
}

impl Program {
    /// Asks it for its help.
    pub(super) fn new() -> Self {
        let help = |arguments: &[&str]| Corsair::command_to_end(command(arguments)).stdout;
        let mut text = help(&["--help"]);
        let listed = text.split("corsair ").skip(1);
        let words = listed.map(|rest| rest.chars().take_while(char::is_ascii_lowercase).collect::<String>());
        let commands: BTreeSet<String> = words.filter(|word| !word.is_empty()).collect();
        for known in &commands {
            text.push_str(&help(&[known, "--help"]));
        }
        let generate = help(&["generate", "--help"]);
        let choices = generate.lines().filter_map(|line| line.trim_start().strip_prefix("- "));
        let printed = choices.filter_map(|choice| Some(choice.split_once(':')?.0.to_owned())).collect();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
        std::fs::copy(certificate, folder.path().join("cert.pem")).unwrap();
        std::fs::copy(key, folder.path().join("key.pem")).unwrap();
        Self { commands, flags: flags_in(&text), printed, folder }
    }

    /// What `corsair check` says against a file; nothing where it is well, without a warning.
    pub(super) fn against(&self, file: &str) -> Option<String> {
        let path = self.folder.path().join("corsair.toml");
        std::fs::write(&path, file.replace("/etc/corsair", self.folder.path().to_str().unwrap())).unwrap();
        let mut check = command(&["check", "-c", path.to_str().unwrap()]);
        let ended = Corsair::command_to_end({
            check.env("API_TOKEN", "s3cret");
            check
        });
        let is_well = ended.code == Some(0) && ended.stdout.starts_with("ok") && ended.stderr.is_empty();
        (!is_well).then_some(ended.stderr)
    }
}

/// The names of flags, `--…`, in a text.
pub(super) fn flags_in(text: &str) -> BTreeSet<String> {
    let behind = text.split("--").skip(1);
    let names = behind.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect());
    names.filter(|name: &String| !name.is_empty() && !name.starts_with('-')).collect()
}

/// Names in a part of a file that no setting has.
pub(super) fn unknown_settings(part: &str) -> Vec<String> {
    let mut settings = Settings::default();
    file::add(&Source::new(Path::new("corsair.toml"), part), &mut settings);
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    let faults = compile(&settings, machine, None).err().unwrap_or_default();
    let faults = faults.iter().map(ToString::to_string);
    let is_about_a_name = |fault: &String| ["no such setting", "TOML"].iter().any(|it| fault.contains(it));
    faults.filter(is_about_a_name).collect()
}

/// Whether this is the name of a setting, or of a table of them.
pub(super) fn is_setting(name: &str) -> bool {
    let table = format!("{name}.");
    let mut names = Key::ALL.iter().filter_map(|key| key.row().name);
    names.any(|known| known == name || known.starts_with(&table))
}

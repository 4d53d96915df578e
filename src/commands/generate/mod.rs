//! `corsair generate`: what goes with the program, out of the tables that the program itself is made of, so that neither
//! can say what the other does not. What it prints lies in `packaging/` as well, which a test keeps equal.
//!
//! - `config`: a configuration file with every setting
//! - `man`: the manual page
//! - `completions`: what a shell completes
//! - `systemd`, `logrotate`, `container`: the process among others on a machine
//! - `dashboard`, `alerts`: its metrics, seen and watched

mod config;

mod man;

mod completions;

mod systemd;

mod logrotate;

mod container;

mod dashboard;

mod alerts;

use crate::config::{Artifact, ConfigFault, Key, Settings, TypedAt};

/// The text of it.
///
/// # Errors
/// What was typed beside it: nothing of that could be heeded.
pub fn generate(artifact: Artifact, settings: &Settings) -> Result<String, Vec<ConfigFault>> {
    let mut faults = settings.faults().to_vec();
    faults.extend(flags(settings).map(|flag| ConfigFault {
        key: format!("--{flag}"),
        message: "changes nothing of what is generated; leave it out".to_owned(),
        place: None,
    }));
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(match artifact {
        Artifact::Config => config::config(),
        Artifact::Man => man::man(),
        Artifact::Completions(shell) => completions::completions(shell),
        Artifact::Systemd => systemd::systemd(),
        Artifact::Container => container::container(),
        Artifact::Logrotate => logrotate::logrotate(),
        Artifact::Dashboard => dashboard::dashboard(),
        Artifact::Alerts => alerts::alerts(),
    })
}

/// The flags that were typed. Variables are for whoever serves, and happen to be there.
fn flags(settings: &Settings) -> impl Iterator<Item = &'static str> {
    let is_typed = |key: &&Key| settings.typed(**key).iter().any(|typed| typed.at == TypedAt::Flag);
    Key::ALL.iter().filter(is_typed).filter_map(|key| key.row().flag).map(|flag| flag.long)
}

//! Another configuration for the same process: read, judged, and published, or refused as a whole.
//!
//! Nothing is closed by it: requests under way keep the configuration that they have, and idle connections have none.
//! What belongs to the process, and not to a request, keeps what it had, and is named in a warning.

use std::{sync::Arc, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::{
    crew::Crew,
    memory::{MemoryBound, fits},
    notify,
};
use crate::config::{
    Config, ConfigFault, Settings,
    compile::compile,
    file::{self, content},
    machine::Machine,
};

/// How often files are looked at where they are watched.
const LOOK: Duration = Duration::from_secs(2);

/// Where configurations come from: what was typed at the start, which stays as it was, and a file.
pub struct Origin {
    /// What flags and variables said.
    pub typed: Settings,
    /// What the process can use.
    pub machine: Machine,
}

impl Origin {
    /// The configuration as it stands now, with what deserves a warning. What belongs to the life of the process is as
    /// it was `before`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(&self, before: Option<&Config>) -> Result<(Config, Vec<ConfigFault>), Vec<ConfigFault>> {
        let mut settings = self.typed.clone();
        file::read(&mut settings);
        compile(&settings, self.machine, before)
    }
}

/// Reads the configuration anew and publishes it, or tells why not; what is told in the end is one event. Its
/// generation.
///
/// # Errors
/// All that is wrong.
pub(super) fn reload(origin: &Origin, config: &mut Arc<Config>, crew: &mut Crew) -> Result<u64, Vec<String>> {
    notify::reloading();
    let end = match origin.read(Some(config)) {
        Ok((next, warnings)) => apply(Arc::new(next), &warnings, config, crew),
        Err(faults) => Err(texts(&faults)),
    };
    if let Err(faults) = &end {
        tracing::error!(faults = faults.join("; "), "reload refused");
    }
    notify::ready();
    end
}

fn apply(
    next: Arc<Config>,
    warnings: &[ConfigFault],
    config: &mut Arc<Config>,
    crew: &mut Crew,
) -> Result<u64, Vec<String>> {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    fits(&next).map_err(|fault| vec![fault])?;
    match crew.reconfigure(&next) {
        Ok((generation, changes)) => {
            *config = next;
            let listeners = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::info!(
                generation,
                listeners = Some(listeners).filter(|listeners| !listeners.is_empty()),
                routes = config.routes.typed().count(),
                memory_bound = MemoryBound::of(config).total(),
                "reloaded"
            );
            Ok(generation)
        }
        Err(faults) => Err(texts(&faults)),
    }
}

fn texts(faults: &[impl ToString]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// Looks whether what a configuration was read from has changed, by what it holds: links are moved, and times are set.
pub(super) struct Watch {
    rounds: Option<Interval>,
    seen: u64,
}

impl Watch {
    /// Looks at the files of `config`, if it asks for that. Needs a runtime.
    pub(super) fn new(config: &Config) -> Self {
        let rounds = config.process.watch.then(|| {
            let mut rounds = interval_at(tokio::time::Instant::now() + LOOK, LOOK);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            rounds
        });
        Self { rounds, seen: config.content }
    }

    /// Waits until the files hold something else than what `config` was read from; once for each content, for it may
    /// be refused. For good where nobody asks. Cancel safe.
    pub(super) async fn changed(&mut self, config: &Config) {
        let Some(rounds) = &mut self.rounds else { return std::future::pending().await };
        loop {
            rounds.tick().await;
            let now = content(&config.files);
            let is_new = now != std::mem::replace(&mut self.seen, now) && now != config.content;
            if is_new {
                return;
            }
        }
    }
}

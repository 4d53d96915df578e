//! The process: it owns every listener, starts the workers, and ends them.
//!
//! It runs on the main thread, which serves nobody.
//!
//! - `fault`: what keeps the process from serving
//! - `memory`: how much memory traffic can take
//! - `listeners`: opened here, lent to the workers
//! - `announce`: what a person or a supervisor is told at the start
//! - `signals`: what the process obeys
//! - `crew`: the workers, and how they are led

mod fault;

mod memory;

mod listeners;

mod announce;

mod signals;

mod crew;

use std::{sync::Arc, time::Duration};

use tokio::runtime::Builder;

use self::{announce::announce, crew::Crew, listeners::listen, signals::Signals};
pub use self::{fault::ServeError, memory::memory_bound};
use crate::{
    config::{self, Config},
    observe::{
        access_log::{AccessLog, AccessLogTarget},
        metrics::Metrics,
    },
};

/// How long the access log may take to write what is left when the process ends.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Serves until a signal ends it; the first SIGTERM or SIGINT drains, a second one ends at once.
///
/// # Errors
/// See [`ServeError`].
pub fn run(config: Config) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let groups = listen(&config)?;
    let access_log = start_access_log(&config)?;
    let metrics = Metrics::new();
    if let Some(log) = &access_log {
        metrics.set_log_dropped(log.dropped());
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let result = runtime.block_on(async {
        // Before the workers start, so that no signal is missed.
        let signals = Signals::new().map_err(ServeError::Start)?;
        let crew = Crew::start(&config, &groups, access_log.as_ref(), &metrics)?;
        announce(&config, &groups);
        crew.lead(groups, signals, access_log.as_ref(), config.process.drain_timeout).await
    });
    if let Some(log) = access_log
        && !log.shutdown(LOG_FLUSH)
    {
        tracing::warn!("the access log takes nothing; its last lines are lost");
    }
    result
}

fn start_access_log(config: &Config) -> Result<Option<AccessLog>, ServeError> {
    let target = match &config.log.access {
        config::AccessLog::Off => return Ok(None),
        config::AccessLog::Stdout => AccessLogTarget::Stdout,
        config::AccessLog::Stderr => AccessLogTarget::Stderr,
        config::AccessLog::File(path) => AccessLogTarget::File(path.clone()),
    };
    AccessLog::start(target).map(Some).map_err(ServeError::AccessLog)
}

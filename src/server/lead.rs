//! What the process does from when it serves until it ends: it obeys signals, and looks after the workers.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    crew::Crew,
    fault::ServeError,
    notify::{self, Watchdog},
    reload::{Origin, Watch, reload},
    signals::{Event, Signals},
};
use crate::{config::Config, observe::access_log::AccessLog, worker::Stop};

/// How long a drain may overrun `drain_timeout` before the process ends all the same.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// What the process is made of while it serves.
pub(super) struct Process {
    pub(super) config: Arc<Config>,
    pub(super) origin: Origin,
    pub(super) crew: Crew,
    pub(super) signals: Signals,
    pub(super) access_log: Option<Rc<AccessLog>>,
    pub(super) watch: Watch,
    pub(super) watchdog: Watchdog,
}

impl Process {
    /// Serves until it is told to stop, and then until the workers have.
    ///
    /// # Errors
    /// [`ServeError::WorkerDied`] when a worker dies over and over.
    pub(super) async fn lead(mut self) -> Result<(), ServeError> {
        loop {
            let event = tokio::select! {
                event = self.signals.next(self.access_log.as_deref()) => event,
                error = self.crew.tend() => return Err(error),
                () = self.watch.changed(&self.config) => Event::Reload,
                () = self.watchdog.round() => {
                    Watchdog::tell(self.crew.has_answered());
                    if self.crew.has_answered() {
                        self.crew.ask();
                    }
                    continue;
                }
            };
            match event {
                Event::Stop => break,
                Event::Reload => reload(&self.origin, &mut self.config, &mut self.crew),
                Event::Upgrade => {
                    tracing::warn!(
                        "USR2: there is no upgrade in place; start the new program and stop this one"
                    );
                }
            }
        }
        self.stop().await
    }

    /// Serves on for `drain_delay`, then drains.
    async fn stop(&mut self) -> Result<(), ServeError> {
        let Self { config, crew, signals, access_log, watchdog, .. } = self;
        notify::stopping();
        let delay = config.process.drain_delay;
        let stopping = async {
            if delay.is_zero() {
                tracing::info!("stopping: connections are drained; a second signal ends at once");
            } else {
                tracing::info!(
                    ?delay,
                    "stopping: connections are drained after --drain-delay; a second signal ends at once"
                );
                tokio::select! {
                    () = sleep(delay) => {}
                    error = crew.tend() => return Err(error),
                }
                tracing::info!("stopping: connections are drained from now on");
            }
            // What is over is told by the workers.
            timeout(config.process.drain_timeout + DRAIN_GRACE, crew.stop(Stop::Drain))
                .await
                .unwrap_or(Ok(()))
        };
        tokio::select! {
            stopped = stopping => stopped,
            () = second_stop(signals, access_log.as_deref()) => {
                tracing::warn!("a second signal: ending at once");
                Ok(())
            }
            never = reassure(watchdog) => never,
        }
    }
}

/// Tells the service manager for good that the process is well: what a drain takes is bounded anyway.
async fn reassure(watchdog: &mut Watchdog) -> Result<(), ServeError> {
    loop {
        watchdog.round().await;
        Watchdog::tell(true);
    }
}

/// Waits for a signal to stop, while others come too late.
async fn second_stop(signals: &mut Signals, access_log: Option<&AccessLog>) {
    loop {
        match signals.next(access_log).await {
            Event::Stop => return,
            Event::Reload | Event::Upgrade => tracing::warn!("stopping: HUP and USR2 come too late"),
        }
    }
}

//! What the process does from when it serves until it ends: it obeys signals, and looks after the workers.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{sleep, timeout};

use super::{
    admin_listener::AdminDesk,
    crew::Crew,
    fault::ServeError,
    notify::{self, Watchdog},
    parent::{self, Children},
    reload::{Origin, Watch, reload},
    signals::{Event, Signals},
    upgrade::{Outcome, Program, Successor, Upgrade},
};
use crate::{
    admin::ReloadRequest,
    config::Config,
    observe::{access_log::AccessLog, reloads::Reloads},
    worker::Stop,
};

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
    /// What an upgrade starts.
    pub(super) program: Program,
    /// Whether an upgrade has started this process.
    pub(super) succeeds: bool,
    /// The upgrade that is under way.
    pub(super) upgrade: Option<Upgrade>,
    /// Where the process shows what it does.
    pub(super) admin: Option<AdminDesk>,
    /// What became of reloads.
    pub(super) reloads: Arc<Reloads>,
}

/// How a process that has served ends.
pub(super) enum End {
    /// For good.
    Stopped,
    /// Others have succeeded it, and it stays until the last of them has ended.
    Succeeded(Children, Signals),
}

impl Process {
    /// Serves until it is told to stop or a successor serves, and then until the workers have ended.
    ///
    /// # Errors
    /// [`ServeError::WorkerDied`] when a worker dies over and over.
    pub(super) async fn lead(mut self) -> Result<End, ServeError> {
        loop {
            tokio::select! {
                event = self.signals.next(self.access_log.as_deref()) => match event {
                    Event::Stop => return self.stop().await.map(|()| End::Stopped),
                    Event::Reload => drop(self.reload()),
                    Event::Upgrade => self.begin_upgrade(),
                },
                error = self.crew.tend() => return Err(error),
                () = self.watch.changed(&self.config) => drop(self.reload()),
                request = reload_wanted(&mut self.admin) => {
                    let end = self.reload();
                    // Whoever asked may have left.
                    let _ = request.answer.send(end);
                }
                () = self.watchdog.round() => {
                    Watchdog::tell(self.crew.has_answered());
                    if self.crew.has_answered() {
                        self.crew.ask();
                    }
                }
                outcome = outcome(&mut self.upgrade) => {
                    self.upgrade = None;
                    match outcome {
                        Outcome::Serves(successor) => return self.hand_over(successor).await,
                        Outcome::Failed(reason) => {
                            tracing::warn!(reason, "USR2: the new program does not serve; this process goes on");
                        }
                    }
                }
            }
        }
    }

    /// Reads the configuration anew; its generation, or all that is wrong.
    fn reload(&mut self) -> Result<u64, Vec<String>> {
        let end = reload(&self.origin, &mut self.config, &mut self.crew);
        match &end {
            Ok(_) => {
                self.reloads.applied(SystemTime::now());
                if let Some(admin) = &self.admin {
                    admin.serves(self.crew.addresses());
                }
            }
            Err(faults) => self.reloads.refused(faults.clone()),
        }
        end
    }

    /// Starts a new program that is to serve in the place of this process.
    fn begin_upgrade(&mut self) {
        if let Some(upgrade) = &self.upgrade {
            return tracing::warn!(pid = upgrade.pid(), "USR2: an upgrade is under way already");
        }
        if !notify::follows() && !self.succeeds {
            parent::adopt_orphans();
        }
        let sockets = self.crew.shared_sockets().and_then(|mut sockets| {
            if let Some(admin) = &self.admin {
                sockets.push(admin.shared()?);
            }
            Ok(sockets)
        });
        let started = sockets.and_then(|sockets| Upgrade::start(&self.program, sockets));
        match started {
            Ok(upgrade) => {
                tracing::info!(pid = upgrade.pid(), "USR2: a new program is started, and is to serve here");
                self.upgrade = Some(upgrade);
            }
            Err(error) => {
                let program = self.program.path().display();
                tracing::warn!(%program, %error, "USR2: the new program cannot be started; this process goes on");
            }
        }
    }

    /// Leaves the listeners to the successor and drains. What they share it does not touch: to refuse there would refuse
    /// at both.
    async fn hand_over(mut self, successor: Successor) -> Result<End, ServeError> {
        let Successor { pid, serves } = successor;
        tracing::info!(pid, "the new process serves; connections of this one are drained");
        // First: however this ends, what the successor has stays.
        self.crew.keep_listeners(&serves);
        if let Some(admin) = self.admin.take() {
            admin.leave(&serves);
        }
        let children = if notify::follows() {
            notify::main_pid(pid);
            None
        } else {
            Some(Children::from(pid).map_err(ServeError::Start)?)
        };
        // Where the first process has all that come after it for children, it passes signals on to all of them, and those
        // between it and the last need not stay.
        let children = children.filter(|_| !(self.succeeds && parent::can_adopt()));
        let Self { config, crew, signals, access_log, .. } = &mut self;
        let drained = async {
            // One that never lets go must not keep the others.
            if let Ok(Err(error)) = timeout(DRAIN_GRACE, crew.have_left()).await {
                return Err(error);
            }
            crew.stop(Stop::HandOver).await
        };
        let second = async {
            let mut stops = 0;
            while stops < 2 {
                let received = signals.received().await;
                if let Some(children) = &children {
                    children.pass_on(received);
                }
                stops += usize::from(signals.event(received, access_log.as_deref()) == Some(Event::Stop));
            }
        };
        tokio::select! {
            drained = timeout(config.process.drain_timeout + DRAIN_GRACE, drained) => drained.unwrap_or(Ok(()))?,
            () = second => tracing::warn!("a second signal: ending at once"),
        }
        Ok(match children {
            Some(children) => End::Succeeded(children, self.signals),
            None => End::Stopped,
        })
    }

    /// Serves on for `drain_delay`, then drains.
    async fn stop(&mut self) -> Result<(), ServeError> {
        let Self { config, crew, signals, access_log, watchdog, upgrade, admin, .. } = self;
        notify::stopping();
        if let Some(admin) = admin {
            admin.drains();
        }
        if let Some(upgrade) = upgrade {
            upgrade.stop();
        }
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

/// Waits for somebody who wants a reload; for good where nobody can ask. Cancel safe.
async fn reload_wanted(admin: &mut Option<AdminDesk>) -> ReloadRequest {
    match admin {
        Some(admin) => admin.reload_wanted().await,
        None => std::future::pending().await,
    }
}

/// Waits for what becomes of an upgrade; for good where there is none. Cancel safe.
async fn outcome(upgrade: &mut Option<Upgrade>) -> Outcome {
    match upgrade {
        Some(upgrade) => upgrade.outcome().await,
        None => std::future::pending().await,
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

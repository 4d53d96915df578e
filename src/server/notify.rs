//! What a service manager is told, as systemd wants to be told (sd_notify(3)). Without `NOTIFY_SOCKET` it is nothing.

use std::{env, process, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Whether somebody follows the main process wherever it goes. Nobody does out of a container, which ends with its first
/// process.
pub(super) fn follows() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty()) && process::id() != 1
}

/// All listeners are open and all workers serve; also when a reload has ended.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it, whatever came of it.
pub(super) fn reloading() {
    // A manager that does not know what is said of the time takes the rest.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The process was told to stop.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Process `pid` is the main one from now on.
pub(super) fn main_pid(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// It is well.
fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, ?state, "the service manager cannot be told");
    }
}

/// When the service manager wants to hear that the process is well, if it does: twice in the time after which it takes
/// it for stuck.
pub(super) struct Watchdog {
    rounds: Option<Interval>,
}

impl Watchdog {
    /// What the environment asks for. Needs a runtime.
    pub(super) fn from_environment() -> Self {
        let period = sd_notify::watchdog_enabled().map(|timeout| timeout / 2).filter(|half| !half.is_zero());
        Self { rounds: period.map(rounds) }
    }

    /// Waits for the next time; for good where nobody asks. Cancel safe.
    pub(super) async fn round(&mut self) {
        match &mut self.rounds {
            Some(rounds) => _ = rounds.tick().await,
            None => std::future::pending().await,
        }
    }

    /// Tells whether it is well: silence is the sign that it is not.
    pub(super) fn tell(well: bool) {
        if well {
            watchdog();
        } else {
            tracing::error!(
                "a worker does not answer; the service manager's watchdog is not told that all is well"
            );
        }
    }
}

fn rounds(period: Duration) -> Interval {
    let mut rounds = interval_at(Instant::now() + period, period);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

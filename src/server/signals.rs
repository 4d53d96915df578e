//! The signals that the process obeys.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::observe::access_log::AccessLog;

/// The signals that the process obeys.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
    upgrade: Signal,
    /// When the last signal to stop came that counted.
    stopped: Option<Instant>,
}

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// TERM.
    Terminate,
    /// INT.
    Interrupt,
    /// HUP.
    Reload,
    /// USR1.
    Reopen,
    /// USR2.
    Upgrade,
}

impl From<Received> for rustix::process::Signal {
    fn from(received: Received) -> Self {
        match received {
            Received::Terminate => Self::TERM,
            Received::Interrupt => Self::INT,
            Received::Reload => Self::HUP,
            Received::Reopen => Self::USR1,
            Received::Upgrade => Self::USR2,
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// TERM, INT.
    Stop,
    /// HUP.
    Reload,
    /// USR2.
    Upgrade,
}

/// A signal to stop that follows another within this time is the same one: supervisors send it to the process and
/// to its group.
const ONE_STOP: Duration = Duration::from_millis(100);

impl Signals {
    /// Listens for them from now on. Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
            stopped: None,
        })
    }

    /// What is asked for next. USR1 is obeyed meanwhile: the access log is opened anew. Cancel safe.
    pub(super) async fn next(&mut self, access_log: Option<&AccessLog>) -> Event {
        loop {
            let received = self.received().await;
            if let Some(event) = self.event(received, access_log) {
                return event;
            }
        }
    }

    /// The next signal, whatever it asks for. Cancel safe.
    pub(super) async fn received(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received::Terminate,
            _ = self.interrupt.recv() => Received::Interrupt,
            _ = self.reload.recv() => Received::Reload,
            _ = self.reopen.recv() => Received::Reopen,
            _ = self.upgrade.recv() => Received::Upgrade,
        }
    }

    /// What a signal asks for; USR1 is obeyed at once.
    pub(super) fn event(&mut self, received: Received, access_log: Option<&AccessLog>) -> Option<Event> {
        match received {
            Received::Terminate | Received::Interrupt => self.is_another().then_some(Event::Stop),
            Received::Reload => Some(Event::Reload),
            Received::Upgrade => Some(Event::Upgrade),
            Received::Reopen => {
                if let Some(log) = access_log {
                    log.reopen();
                }
                None
            }
        }
    }

    /// Whether a signal to stop that has come now is not the last one over again.
    fn is_another(&mut self) -> bool {
        let now = Instant::now();
        let is_another = self.stopped.is_none_or(|last| now.duration_since(last) > ONE_STOP);
        if is_another {
            self.stopped = Some(now);
        }
        is_another
    }
}

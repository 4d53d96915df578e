//! The signals that the process obeys.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::observe::access_log::AccessLog;

/// The signals that the process obeys.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
}

impl Signals {
    /// Listens for them from now on. Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal to stop; USR1 is obeyed meanwhile: the access log is opened anew.
    pub(super) async fn stop(&mut self, access_log: Option<&AccessLog>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.reload.recv() => tracing::warn!("HUP: there is no file to reload; flags hold until a restart"),
                _ = self.reopen.recv() => {
                    if let Some(log) = access_log {
                        log.reopen();
                    }
                }
            }
        }
    }
}

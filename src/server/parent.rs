//! The first of several processes, of which each has succeeded the one before: whoever started it watches it, and so it
//! stays until the last one has ended.
//!
//! It needs this where nobody follows the main process as systemd does: in a terminal, in a container, under a
//! supervisor that knows one number. Processes between the first and the last end when they have drained.

use std::{collections::BTreeSet, fs, io, path::Path, process::ExitCode};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait},
};
use tokio::signal::unix::{self, SignalKind};

use super::signals::{Received, Signals};

/// The successors of this process.
#[derive(Debug)]
pub(super) struct Children {
    /// The one that this process has started.
    first: Option<Pid>,
    ended: unix::Signal,
    /// How the last one to end has ended.
    code: ExitCode,
}

impl Children {
    /// The successors from process `pid` on. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when it does not tell of the ends of children.
    pub(super) fn from(pid: u32) -> io::Result<Self> {
        let first = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok(Self { first, ended: unix::signal(SignalKind::child())?, code: ExitCode::SUCCESS })
    }

    /// Passes a signal on to all successors: those that drain already make nothing of it. One that is about to end could
    /// not be trusted to pass it on itself.
    pub(super) fn pass_on(&self, received: Received) {
        let successors = descendants().unwrap_or_else(|| self.first.into_iter().collect());
        for successor in successors {
            // One that has just ended needs no signal.
            let _ = kill_process(successor, Signal::from(received));
        }
    }

    /// Waits until the last has ended, and passes signals on meanwhile; the code of that one is this process's.
    pub(super) async fn last(mut self, signals: &mut Signals) -> ExitCode {
        while self.remain() {
            tokio::select! {
                received = signals.received() => self.pass_on(received),
                _ = self.ended.recv() => {}
            }
        }
        self.code
    }

    /// Takes note of those that have ended; whether there are others.
    fn remain(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    self.code = code(status);
                    self.first = self.first.filter(|first| *first != pid);
                }
                Ok(None) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Makes those that outlive the process which has started them children of this one, where that is possible.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if can_adopt()
        && let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
    {
        tracing::warn!(%error, "cannot stay with those that come after the next upgrade");
    }
}

/// Whether a first process can have all that come after it for children, and find them. Elsewhere each process stays with
/// the one that it has started.
pub(super) fn can_adopt() -> bool {
    Path::new("/proc/thread-self/children").exists()
}

/// All that were started by this process, by those, and so on; nothing where the system does not tell.
fn descendants() -> Option<Vec<Pid>> {
    if !can_adopt() {
        return None;
    }
    let mut found = look();
    // What is missed because its parent ends during one look is seen by the next.
    loop {
        let again = look();
        if again == found {
            return Some(found.into_iter().filter_map(Pid::from_raw).collect());
        }
        found = again;
    }
}

/// Looks once for all of them.
fn look() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut parents = vec!["self".to_owned()];
    while let Some(parent) = parents.pop() {
        for child in children_of(&parent) {
            if found.insert(child) {
                parents.push(child.to_string());
            }
        }
    }
    found
}

/// The children of a process; of one that is ending, perhaps not all.
fn children_of(process: &str) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The exit code for how a child has ended; for a signal as shells have it.
fn code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

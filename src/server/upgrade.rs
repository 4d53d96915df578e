//! A new program in the place of this process, without a moment in which nobody serves: it is started with the listening
//! sockets themselves, and says when it serves.
//!
//! What it gets is what a service manager passes (sd_listen_fds(3)), and behind the sockets one end of a pair of
//! connected ones by the name of [`SUCCESSOR`]. There it writes a line when all its workers serve: for each socket in
//! its order `1` if it is served, `0` if not. When it ends before, that is the end of the attempt and nothing else.

use std::{
    env,
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, kill_process};
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout_at},
};

use super::{
    inherited::{FIRST_DESCRIPTOR, KEPT, SUCCESSOR},
    listeners::Shared,
};
use crate::worker::GroupId;

/// How long the new program may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);

/// How this process was started, so that it can be started again.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// How this process was started. To be asked at its start: later another file may have its name.
    ///
    /// # Errors
    /// When the system does not say which program this is.
    pub(super) fn of_this_process() -> io::Result<Self> {
        let program = env::current_exe()?;
        let mut arguments = env::args_os();
        let called = arguments.next().unwrap_or_default();
        // As it was called, for a link of that name may lead to another version by then.
        let path = called_as(Path::new(&called), &program).unwrap_or(program);
        Ok(Self { path, arguments: arguments.collect() })
    }

    /// Where the program is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The path by which `program` was called, if `called` is one: anybody can call a program anything.
fn called_as(called: &Path, program: &Path) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == program);
    if called.components().count() > 1 || called.is_absolute() {
        let path = env::current_dir().ok()?.join(called);
        return Some(path).filter(is_program);
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(called)).find(is_program)
}

/// A new program that has been started and does not serve yet.
#[derive(Debug)]
pub(super) struct Upgrade {
    child: Child,
    /// Some child of this process has ended.
    ended: Signal,
    answer: UnixStream,
    /// What has come of it.
    answered: Vec<u8>,
    deadline: Instant,
    /// The group of each socket that was passed.
    passed: Vec<GroupId>,
}

/// What has become of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The new program serves.
    Serves(Successor),
    /// It does not, and this is why.
    Failed(String),
}

/// The process that serves from now on.
#[derive(Debug)]
pub(super) struct Successor {
    /// Its number.
    pub(super) pid: u32,
    /// The listeners that it serves: what waits at others is left to this process.
    pub(super) serves: Vec<GroupId>,
}

impl Upgrade {
    /// Starts the program with these sockets. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when the program cannot be started.
    pub(super) fn start(program: &Program, sockets: Vec<Shared>) -> io::Result<Self> {
        // Before there is a child that can end.
        let ended = signal(SignalKind::child())?;
        let (own, its) = StdUnixStream::pair()?;
        own.set_nonblocking(true)?;
        let answer = UnixStream::from_std(own)?;
        let passed = sockets.iter().map(|socket| socket.group).collect();
        let names = sockets.iter().map(|socket| if socket.kept { KEPT } else { "listen" });
        let names = names.chain([SUCCESSOR]).collect::<Vec<_>>().join(":");
        let mut descriptors: Vec<OwnedFd> = sockets.into_iter().map(|socket| socket.socket).collect();
        descriptors.push(its.into());
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env("LISTEN_FDS", descriptors.len().to_string())
            .env("LISTEN_FDNAMES", names)
            // They name this process.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .env_remove("WATCHDOG_PID");
        let mappings = (FIRST_DESCRIPTOR..)
            .zip(descriptors)
            .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
        let child = command.spawn()?;
        let deadline = Instant::now() + PATIENCE;
        Ok(Self { child, ended, answer, answered: Vec::new(), deadline, passed })
    }

    /// The number of the new process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells the new process to stop as well, because this one was told to.
    pub(super) fn stop(&self) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// Waits until it is known what becomes of it. Cancel safe. A new program that fails has ended by then.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let outcome = timeout_at(self.deadline, async {
            loop {
                tokio::select! {
                    read = self.answer.read_buf(&mut self.answered) => match read {
                        Ok(count) if count > 0 => {
                            if let Some(successor) = self.successor() {
                                return Outcome::Serves(successor);
                            }
                            if self.answered.len() > self.passed.len() {
                                return self.kill("it answers what is no answer".to_owned());
                            }
                        }
                        // It is about to end, or has closed what it does not know.
                        Ok(_) | Err(_) => return Outcome::Failed(end(&mut self.child, &mut self.ended).await),
                    },
                    reason = end(&mut self.child, &mut self.ended) => return Outcome::Failed(reason),
                }
            }
        });
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_elapsed) => self.kill(format!("it did not serve within {} s", PATIENCE.as_secs())),
        }
    }

    fn kill(&mut self, reason: String) -> Outcome {
        // Killed it ends at once; an error says that it has already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        Outcome::Failed(reason)
    }

    /// Who serves from now on, if that has been answered.
    fn successor(&self) -> Option<Successor> {
        let answer = self.answered.strip_suffix(b"\n")?;
        Some(Successor { pid: self.pid(), serves: served(&self.passed, answer) })
    }
}

/// The groups of the sockets that are served, by what is answered about each.
fn served(passed: &[GroupId], answer: &[u8]) -> Vec<GroupId> {
    passed.iter().zip(answer).filter(|(_, served)| **served == b'1').map(|(group, _)| *group).collect()
}

/// Waits until the child has ended, and says how. Cancel safe.
async fn end(child: &mut Child, ended: &mut Signal) -> String {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return described(status),
            Ok(None) => {}
            Err(error) => return format!("nothing is known of it: {error}"),
        }
        ended.recv().await;
    }
}

fn described(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_served_when_one_of_its_sockets_is() {
        let passed = [0, 0, 1, 1, 2].map(GroupId);
        for (answer, expected) in [
            (&b"11111"[..], [true, true, true]),
            (b"10010", [true, true, false]),
            (b"00000", [false, false, false]),
            (b"1", [true, false, false]),
            (b"", [false, false, false]),
        ] {
            let served = served(&passed, answer);
            assert_eq!([0, 1, 2].map(|group| served.contains(&GroupId(group))), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_program_that_does_not_serve_in_time_is_killed() {
        let program = Program { path: "/bin/sleep".into(), arguments: vec!["1000".into()] };
        let mut upgrade = Upgrade::start(&program, Vec::new()).unwrap();
        let begun = Instant::now();
        let outcome = upgrade.outcome().await;
        assert!(
            matches!(&outcome, Outcome::Failed(reason) if reason == "it did not serve within 30 s"),
            "{outcome:?}"
        );
        assert!(begun.elapsed() >= PATIENCE, "not before");
        assert!(upgrade.child.try_wait().unwrap().is_some(), "it has ended");
    }

    #[tokio::test]
    async fn a_new_program_that_answers_something_else_is_killed() {
        // To the descriptor behind the standard ones, the only one that is passed.
        let script = "printf yes >&3; exec sleep 1000";
        let program = Program { path: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        let mut upgrade = Upgrade::start(&program, Vec::new()).unwrap();
        let outcome = upgrade.outcome().await;
        assert!(
            matches!(&outcome, Outcome::Failed(reason) if reason == "it answers what is no answer"),
            "{outcome:?}"
        );
        assert!(upgrade.child.try_wait().unwrap().is_some(), "it has ended");
    }

    #[test]
    fn a_program_is_found_again_as_it_was_called() {
        let folder = tempfile::tempdir().unwrap();
        let (version, link) = (folder.path().join("corsair-1"), folder.path().join("corsair"));
        std::fs::write(&version, "").unwrap();
        std::os::unix::fs::symlink(&version, &link).unwrap();
        let program = version.canonicalize().unwrap();
        assert_eq!(
            called_as(&link, &program),
            Some(link.clone()),
            "another version may be there the next time"
        );
        assert_eq!(called_as(Path::new("/bin/sh"), &program), None, "that is another program");
        assert_eq!(called_as(Path::new("-corsair"), &program), None);
    }
}

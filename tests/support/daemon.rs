//! The real binary as a child process.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Client, PATIENCE, eventually, message::Response};

/// Text that a thread collects from a pipe.
#[derive(Default)]
struct Collected {
    text: Mutex<(String, bool)>,
    grown: Condvar,
}

impl Collected {
    fn from_pipe(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let collected = Arc::new(Self::default());
        let writer = Arc::clone(&collected);
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                writer.text.lock().unwrap().0.push_str(&without_colours(&String::from_utf8_lossy(&line)));
                writer.grown.notify_all();
                line.clear();
            }
            writer.text.lock().unwrap().1 = true;
            writer.grown.notify_all();
        });
        collected
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().0.clone()
    }

    /// Waits until `found` finds something; `None` when the pipe has ended or [`super::PATIENCE`] is over.
    fn wait_for<T>(&self, mut found: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + PATIENCE;
        let mut guard = self.text.lock().unwrap();
        loop {
            if let Some(result) = found(&guard.0) {
                return Some(result);
            }
            let left = end.saturating_duration_since(Instant::now());
            if guard.1 || left.is_zero() {
                return None;
            }
            guard = self.grown.wait_timeout(guard, left).unwrap().0;
        }
    }
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// The `address=` of every complete line that reports the event `listening`.
fn listening(text: &str) -> Vec<SocketAddr> {
    let complete = text.rfind('\n').map_or("", |at| &text[..at]);
    let lines = complete.lines().filter(|line| line.contains("listening"));
    let addresses = lines.filter_map(|line| {
        let value = line.split_once("address=")?.1.trim_start_matches('"');
        value.split([' ', '"', ',']).next()?.parse().ok()
    });
    // Each worker may report the same listener.
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}

/// The command with these arguments, and nothing of what the environment says to it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    // Another build of the same program: a release build for long runs.
    let binary = std::env::var_os("CORSAIR_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_corsair").into());
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CORSAIR_") || name == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Puts a program at `path`, in the place of what is there: what `script` writes to standard output.
///
/// Another process writes it. One that this process wrote could not be executed while a child that is just being started
/// has its descriptor as well.
pub(crate) fn install(path: &Path, script: &str, argument: &OsStr) {
    let script = format!("{{ {script}; }} >\"$0.new\" && chmod 755 \"$0.new\" && mv \"$0.new\" \"$0\"");
    let status = Command::new("sh").arg("-c").arg(script).arg(path).arg(argument).status().unwrap();
    assert!(status.success(), "{path:?}: {status}");
}

/// Puts the real program at `path`.
pub(crate) fn install_corsair(path: &Path) {
    install(path, "cat \"$1\"", command(&[]).get_program());
}

/// What a process that ended by itself left behind.
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// Standard error, without colours.
    pub(crate) stderr: String,
    /// Standard output.
    pub(crate) stdout: String,
}

/// A running corsair; dropping it kills it.
pub(crate) struct Corsair {
    child: Child,
    addresses: Vec<SocketAddr>,
    stderr: Arc<Collected>,
    stdout: Arc<Collected>,
}

impl Corsair {
    /// Starts it and waits until it listens. Unless given: `--listen 127.0.0.1:0` and `--workers 1` (pools
    /// are per worker, so that one makes reuse predictable).
    pub(crate) fn start<S: AsRef<str>>(arguments: &[S]) -> Self {
        Self::start_listeners(arguments, 1)
    }

    /// As [`Corsair::start`], with so many listeners.
    pub(crate) fn start_listeners<S: AsRef<str>>(arguments: &[S], count: usize) -> Self {
        Self::launch(command, arguments, count)
    }

    /// As [`Corsair::start`], with so many descriptors.
    pub(crate) fn start_with_descriptors<S: AsRef<str>>(descriptors: usize, arguments: &[S]) -> Self {
        let limited = |arguments: &[&str]| {
            let corsair = command(arguments);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")]);
            shell.arg(corsair.get_program()).args(corsair.get_args());
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            shell
        };
        Self::launch(limited, arguments, 1)
    }

    /// As [`Corsair::start_listeners`], started by what `command` makes of the arguments.
    pub(crate) fn launch<S: AsRef<str>>(
        command: impl FnOnce(&[&str]) -> Command,
        arguments: &[S],
        count: usize,
    ) -> Self {
        let mut all: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        if !all.iter().any(|a| matches!(*a, "--listen" | "-l" | "--config" | "-c")) {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        if !all.contains(&"--workers") {
            all.extend(["--workers", "1"]);
        }
        Self::listening(command(&all), count)
    }

    /// Starts this command as it is, and waits until it has so many listeners.
    pub(crate) fn listening(mut command: Command, count: usize) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = Collected::from_pipe(child.stderr.take().unwrap());
        let stdout = Collected::from_pipe(child.stdout.take().unwrap());
        let addresses = stderr.wait_for(|text| Some(listening(text)).filter(|found| found.len() >= count));
        let Some(addresses) = addresses else {
            drop(child.kill());
            drop(child.wait());
            panic!("{command:?} does not listen; it said:\n{}", stderr.text());
        };
        Self { child, addresses, stderr, stdout }
    }

    /// A reverse proxy to this address.
    pub(crate) fn reverse(upstream: SocketAddr, more: &[&str]) -> Self {
        let url = format!("http://{upstream}");
        let mut arguments = vec!["--upstream", url.as_str()];
        arguments.extend_from_slice(more);
        Self::start(&arguments)
    }

    /// Runs it with exactly these arguments until it ends by itself; panics when it does not.
    pub(crate) fn run_to_end(arguments: &[&str]) -> Ended {
        Self::command_to_end(command(arguments))
    }

    /// As [`Corsair::run_to_end`], with a command that is ready to start.
    pub(crate) fn command_to_end(mut command: Command) -> Ended {
        let mut child = command.spawn().unwrap();
        let stderr = Collected::from_pipe(child.stderr.take().unwrap());
        let stdout = Collected::from_pipe(child.stdout.take().unwrap());
        let end = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > end {
                drop(child.kill());
                drop(child.wait());
                panic!("{command:?} runs on; it said:\n{}", stderr.text());
            }
            super::pause(std::time::Duration::from_millis(5));
        };
        stderr.wait_for(|_| None::<()>);
        stdout.wait_for(|_| None::<()>);
        Ended { code, stderr: stderr.text(), stdout: stdout.text() }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where all its listeners are.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The peak of resident memory so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// What it said at start of the memory that traffic can take, in bytes: a part of it by its name, which wants
    /// `--verbose`, or all of it, `memory_bound_bytes`.
    pub(crate) fn memory_bound(&self, part: &str) -> u64 {
        let label = format!(" {part}=");
        let bound = |text: &str| {
            let line = text.lines().find(|line| line.contains("memory") && line.contains(&label))?;
            let (_, value) = line.split_once(&label)?;
            value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        self.stderr.wait_for(bound).unwrap_or_else(|| panic!("no {part} in:\n{}", self.stderr.text()))
    }

    /// The descriptors that each of its epoll sets watches, by the descriptor of the set: as events in
    /// hexadecimal.
    fn watched(&self) -> Vec<(u32, Vec<u32>)> {
        let mut sets: Vec<(u32, String)> = Vec::new();
        for entry in std::fs::read_dir(format!("/proc/{}/fdinfo", self.pid())).unwrap() {
            let entry = entry.unwrap();
            // A descriptor may be closed while this looks at it.
            let Ok(info) = std::fs::read_to_string(entry.path()) else { continue };
            let info: String = info.lines().filter(|line| line.starts_with("tfd:")).collect();
            // A set may have two descriptors.
            if !info.is_empty() && sets.iter().all(|(_, known)| *known != info) {
                sets.push((entry.file_name().to_str().unwrap().parse().unwrap(), info));
            }
        }
        sets.sort_unstable();
        let events = |info: &str| {
            let events = info.split("events:").skip(1).filter_map(|rest| rest.split_whitespace().next());
            events.map(|events| u32::from_str_radix(events, 16).unwrap()).collect()
        };
        sets.into_iter().map(|(descriptor, info)| (descriptor, events(&info))).collect()
    }

    /// Client connections that wait outside of the runtime: what its epoll sets watch without edge triggering,
    /// which the runtime always asks for.
    pub(crate) fn parked(&self) -> usize {
        self.watched().iter().flat_map(|(_, events)| events).filter(|events| *events >> 31 == 0).count()
    }

    /// What each of its runtimes watches, by the descriptor of its epoll set: every connection, and some that
    /// are always there.
    pub(crate) fn watched_by_runtime(&self) -> Vec<(u32, usize)> {
        let edge_triggered = |events: &[u32]| events.iter().filter(|events| *events >> 31 == 1).count();
        let sets = self.watched();
        sets.iter()
            .map(|(set, events)| (*set, edge_triggered(events)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Waits until so many client connections wait outside of the runtime.
    pub(crate) fn wait_parked(&self, count: usize) {
        eventually(&format!("{count} connections are parked"), || self.parked() == count);
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line of standard error that contains `wanted`.
    pub(crate) fn wait_for_log(&self, wanted: &str) -> String {
        let found =
            self.stderr.wait_for(|text| text.lines().find(|line| line.contains(wanted)).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {wanted:?} in the log:\n{}", self.log()))
    }

    /// Waits for a line of standard output that contains `wanted`.
    pub(crate) fn wait_for_stdout(&self, wanted: &str) -> String {
        let found = self.stdout.wait_for(|text| {
            let complete = text.rfind('\n').map_or("", |at| &text[..at]);
            complete.lines().find(|line| line.contains(wanted)).map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("no {wanted:?} in standard output:\n{}", self.stdout.text()))
    }

    /// Waits for a record of the access log, in JSON on standard output, whose target contains `wanted`.
    pub(crate) fn wait_for_record(&self, wanted: &str) -> serde_json::Value {
        let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let is_wanted = |record: &serde_json::Value| {
            record["target"].as_str().is_some_and(|target| target.contains(wanted))
        };
        let found = self.stdout.wait_for(|text| {
            let complete = text.rfind('\n').map_or("", |at| &text[..at]);
            complete.lines().filter_map(record).find(is_wanted)
        });
        found.unwrap_or_else(|| panic!("no record of {wanted:?} in standard output:\n{}", self.stdout.text()))
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to drain.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end of the process.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// A new client connection.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Sends raw bytes on a new connection and reads one response.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        let method = super::latin1(request.split(|&b| b == b' ').next().unwrap_or_default());
        let mut client = self.connect();
        client.send(request);
        client.response_to(&method)
    }

    /// GET of this target with these field lines (each with its CRLF) on a new connection.
    pub(crate) fn get(&self, target: &str, fields: &str) -> Response {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"))
    }
}

impl Drop for Corsair {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- corsair said:\n{}---", self.log());
        }
    }
}

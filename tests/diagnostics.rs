//! What the process says on stderr: what is asked for, and to a reader who takes nothing without harm.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use support::{Client, Corsair, Origin, PATIENCE, Then, daemon::command, eventually};

const FOREIGN: &str = "Origin: https://evil.example\r\n";

#[test]
fn every_refusal_of_cors_is_one_line_with_its_reason_where_it_is_asked_for() {
    let origin = Origin::echo();
    for (level, is_told) in [
        (&["-v"][..], true),
        (&["-vv"], true),
        (&["--log-level", "debug"], true),
        (&["--log-level", "corsair::cors=debug"], true),
        (&["--log-level", "debug,corsair::cors=info"], false),
        (&[], false),
    ] {
        let arguments = [&["--allow-origin", "https://app.example.com"], level].concat();
        let mut corsair = Corsair::reverse(origin.address(), &arguments);
        corsair.get("/refused?token=s3cret", FOREIGN);
        corsair.terminate();
        corsair.wait_exit();
        let log = corsair.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("CORS refuses")).collect();
        assert_eq!(lines.len(), usize::from(is_told), "{level:?}: {log}");
        for line in lines {
            for part in [
                "origin=\"https://evil.example\"",
                "method=\"GET\"",
                "target=\"/refused?token=***\"",
                "policy=\"default\"",
                "reason=\"origin_not_allowed\"",
            ] {
                assert!(line.contains(part), "{part} is missing in {line}");
            }
        }
        assert_eq!(log.contains(" decided "), level == ["-vv"], "{log}");
        assert!(!log.contains("s3cret"), "{log}");
    }
}

#[test]
fn every_failed_attempt_is_one_line_with_its_reason() {
    let broken = Origin::on_head(|exchange| {
        exchange.request();
        Then::Close
    });
    let mut corsair = Corsair::reverse(broken.address(), &["-v"]);
    assert_eq!(corsair.get("/", "").status, 502);
    corsair.terminate();
    corsair.wait_exit();
    let log = corsair.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("an attempt failed")).collect();
    let [line] = lines[..] else { panic!("one line: {log}") };
    let server = format!("server=\"http://{}\"", broken.address());
    for part in [&*server, "cause=\"connection_terminated\"", "attempt=1"] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

#[test]
fn every_decision_is_a_line_where_everything_is_asked_for() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["-vv"]);
    assert_eq!(corsair.get("/decided?key=s3cret", "Origin: https://a.example\r\n").status, 200);
    let line = corsair.wait_for_log(" decided ");
    for part in [
        "target=\"/decided?key=***\"",
        "route=\"/\"",
        "policy=\"default\"",
        "cors=\"allowed\"",
        "destination=\"default\"",
    ] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

/// A corsair whose standard error goes there, on a Unix socket.
struct Muted {
    child: Child,
    _folder: tempfile::TempDir,
    socket: String,
}

impl Muted {
    fn start(stderr: impl Into<Stdio>, origin: &Origin) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s").display().to_string();
        let (listen, upstream) = (format!("unix:{socket}"), format!("http://{}", origin.address()));
        let arguments = ["--listen", &listen, "--upstream", &upstream, "--workers", "1", "-vv"];
        let mut command = command(&arguments);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        eventually("it listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        Self { child, _folder: folder, socket }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends requests of which each is worth several lines.
    fn ask(&self, count: usize) {
        let mut client = Client::connect_unix(&self.socket);
        for _ in 0..count {
            client.send(format!("GET /{} HTTP/1.1\r\nHost: a\r\n{FOREIGN}\r\n", "x".repeat(500)));
            assert_eq!(client.response().status, 200);
        }
    }

    /// Ends it; how long that took.
    fn end(mut self) -> Duration {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        eventually("it ends", || self.child.try_wait().unwrap().is_some());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        begun.elapsed()
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_error_output_that_takes_nothing_stops_neither_requests_nor_signals() {
    let origin = Origin::echo();
    let (_reader, pipe) = std::io::pipe().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for (what, stderr) in [
        ("a pipe that nobody reads", Stdio::from(pipe)),
        ("a full disk", full.into()),
        ("a pipe without a reader", closed.into()),
    ] {
        let corsair = Muted::start(stderr, &origin);
        // More by far than a pipe and the queue hold.
        corsair.ask(1_500);
        corsair.signal(Signal::HUP);
        corsair.ask(1);
        let took = corsair.end();
        assert!(took < PATIENCE / 2, "{what}: {took:?}");
    }
}

#[test]
fn what_was_dropped_is_told_when_it_is_read_again() {
    let origin = Origin::echo();
    let (reader, pipe) = std::io::pipe().unwrap();
    let corsair = Muted::start(pipe, &origin);
    corsair.ask(1_500);
    // Now somebody reads.
    let text = Arc::new(Mutex::new(String::new()));
    let reading = Arc::clone(&text);
    let ended = std::thread::spawn(move || {
        let mut lines = BufReader::new(reader);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
            reading.lock().unwrap().push_str(&std::mem::take(&mut line));
        }
    });
    let told = " lines here: standard error took none, or too few";
    eventually("it is told", || text.lock().unwrap().contains(told));
    corsair.end();
    ended.join().unwrap();
    assert!(text.lock().unwrap().contains(" stopped\n"), "the last line is not lost");
}

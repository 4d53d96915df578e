//! A new program in the place of the running one: nothing is lost, and whoever watches the process sees one.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use support::{
    Client, Corsair, Gate, Origin, PATIENCE, Then, answer,
    daemon::{command, install, install_corsair},
    eventually,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SERVES: &str = "the new process serves";

/// A corsair and all that succeed it; dropping it kills them.
struct Line {
    first: Corsair,
}

impl Line {
    fn reverse(origin: &Origin, more: &[&str]) -> Self {
        Self { first: Corsair::reverse(origin.address(), more) }
    }

    /// Has the process `pid` succeeded by another one, and returns that one's number once it serves.
    fn upgrade(&self, pid: u32) -> u32 {
        let before = self.successors().len();
        signal(pid, Signal::USR2);
        eventually("a new process serves", || self.successors().len() > before);
        self.successors()[before]
    }

    /// The numbers of those that have come to serve.
    fn successors(&self) -> Vec<u32> {
        let log = self.first.log();
        let complete = log.rfind('\n').map_or("", |at| &log[..at]);
        complete.lines().filter(|line| line.contains(SERVES)).map(pid_of).collect()
    }

    /// Everybody that was started.
    fn all(&self) -> Vec<u32> {
        self.first.log().lines().filter(|line| line.contains(" pid=")).map(pid_of).collect()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for pid in self.all() {
            // What has ended is not there any more.
            if fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
                signal(pid, Signal::KILL);
            }
        }
    }
}

fn pid_of(line: &str) -> u32 {
    let (_, rest) = line.split_once(" pid=").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal);
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// An origin whose response has a first half at once and a second half when the gate opens; anything but `/` at once.
fn origin_in_halves(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::on_head(move |exchange| {
        if exchange.request().unwrap().target != "/" {
            exchange.send(answer("200 OK", "", "x"));
            return Then::KeepAlive;
        }
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        gate.wait();
        exchange.send("last.");
        Then::KeepAlive
    })
}

/// Asks until it is told to end, and returns how often it was answered; anything else is a failure. Half of the clients
/// keep their connection for as long as they may.
fn ask_on(address: SocketAddr, keep: bool, end: &AtomicBool, answered: &AtomicUsize) {
    let mut kept: Option<Client> = None;
    while !end.load(Ordering::Relaxed) {
        let mut client = kept.take().unwrap_or_else(|| Client::connect(address));
        client.send(if keep { GET } else { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" });
        let response = client.response();
        assert_eq!(response.status, 200);
        answered.fetch_add(1, Ordering::Relaxed);
        if keep && response.fields.get("connection") != Some("close") {
            kept = Some(client);
        }
    }
}

#[test]
fn upgrades_under_load_fail_no_request() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let mut line = Line::reverse(&origin, &["--workers", "2"]);
    let address = line.first.address();
    let (end, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let (end, answered) = (Arc::clone(&end), Arc::clone(&answered));
            thread::spawn(move || ask_on(address, number % 2 == 0, &end, &answered))
        })
        .collect();
    let mut pid = line.first.pid();
    for _ in 0..5 {
        let before = answered.load(Ordering::Relaxed);
        eventually("they are answered", || answered.load(Ordering::Relaxed) > before + 100);
        pid = line.upgrade(pid);
    }
    let before = answered.load(Ordering::Relaxed);
    eventually("the last one answers", || answered.load(Ordering::Relaxed) > before + 100);
    end.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request fails");
    }
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn what_the_old_process_has_begun_it_ends_however_often_it_is_succeeded() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut line = Line::reverse(&origin, &[]);
    let (address, first) = (line.first.address(), line.first.pid());
    let mut kept = line.first.connect();
    kept.send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(kept.response().status, 200);
    let mut downloads = Vec::new();
    let mut pid = first;
    for _ in 0..3 {
        let mut client = Client::connect(address);
        client.send(GET).until(b"first");
        downloads.push(client);
        pid = line.upgrade(pid);
    }
    // It is idle at the first one, which does not wait for it.
    kept.expect_end();
    let mut other = Client::connect(address);
    other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = other.response();
    assert_eq!((response.status, response.fields.get("connection")), (200, None), "the last one serves");
    gate.open();
    for client in &mut downloads {
        assert_eq!(client.until(b"last."), b"last.");
        client.expect_end();
    }
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
}

#[test]
fn the_first_process_stays_and_those_between_go() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let mut line = Line::reverse(&origin, &[]);
    let first = line.first.pid();
    let second = line.upgrade(first);
    line.first.wait_for_log("this process stays");
    let third = line.upgrade(second);
    eventually("the one between has ended", || !is_alive(second));
    // What is sent to the first is for the last.
    let fourth = line.upgrade(first);
    eventually("the one between has ended", || !is_alive(third));
    assert!(line.first.is_running() && is_alive(fourth));
    assert_eq!(line.first.get("/", "").status, 200);
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
    assert!(!is_alive(fourth));
}

#[test]
fn the_first_process_ends_as_the_last_one_does() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let mut line = Line::reverse(&origin, &[]);
    let second = line.upgrade(line.first.pid());
    let third = line.upgrade(second);
    eventually("the one between has ended", || !is_alive(second));
    line.first.wait_for_log("this process stays");
    assert!(line.first.is_running());
    signal(third, Signal::KILL);
    assert_eq!(line.first.wait_exit().code(), Some(128 + 9));
}

#[test]
fn a_stop_in_the_middle_of_a_drain_reaches_the_last_one_and_cuts_nothing() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut line = Line::reverse(&origin, &[]);
    let mut client = line.first.connect();
    client.send(GET).until(b"first");
    let second = line.upgrade(line.first.pid());
    line.first.terminate();
    let address = line.first.address();
    eventually("nobody accepts", || TcpStream::connect(address).is_err());
    assert!(line.first.is_running());
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    assert_eq!(line.first.wait_exit().code(), Some(0));
    assert!(!is_alive(second));
}

/// A folder with a program that can be replaced.
struct Installed {
    _folder: tempfile::TempDir,
    binary: PathBuf,
}

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installed = Self { binary: folder.path().join("corsair"), _folder: folder };
        installed.install_corsair();
        installed
    }

    fn install_corsair(&self) {
        install_corsair(&self.binary);
    }

    fn install_script(&self, text: &str) {
        install(&self.binary, "printf '#!/bin/sh\\n%s\\n' \"$1\"", text.as_ref());
    }

    fn start(&self, arguments: &[&str], listeners: usize) -> Line {
        let installed = |arguments: &[&str]| {
            let mut installed = Command::new(&self.binary);
            installed.args(command(arguments).get_args());
            installed.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            installed
        };
        Line { first: Corsair::launch(installed, arguments, listeners) }
    }
}

#[test]
fn a_new_program_that_fails_leaves_the_old_one_serving() {
    let installed = Installed::new();
    let mut line = installed.start(&[], 1);
    for (script, reason) in [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9")] {
        installed.install_script(script);
        line.first.signal(Signal::USR2);
        let told = line.first.wait_for_log(reason);
        assert!(told.contains("WARN") && told.contains("does not serve"), "{told}");
        assert_eq!(line.first.get("/healthcheck", "").status, 200);
    }
    fs::remove_file(&installed.binary).unwrap();
    line.first.signal(Signal::USR2);
    assert!(line.first.wait_for_log("cannot be started").contains("WARN"));
    assert_eq!(line.first.get("/healthcheck", "").status, 200);
    installed.install_corsair();
    let second = line.upgrade(line.first.pid());
    assert_eq!(line.first.get("/healthcheck", "").status, 200);
    assert!(is_alive(second));
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
}

#[test]
fn what_root_has_opened_goes_to_a_successor_that_is_not_root() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can become another user");
    }
    let installed = Installed::new();
    let folder = installed.binary.parent().unwrap();
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let mut line = installed.start(&["--listen", "127.0.0.1:0", "--user", "nobody"], 1);
    let second = line.upgrade(line.first.pid());
    let status = fs::read_to_string(format!("/proc/{second}/status")).unwrap();
    assert!(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{status}");
    assert_eq!(line.first.get("/healthcheck", "").status, 200);
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
}

#[test]
fn an_upgrade_at_a_time() {
    let installed = Installed::new();
    let mut line = installed.start(&[], 1);
    installed.install_script("exec sleep 1000");
    line.first.signal(Signal::USR2);
    let stuck = pid_of(&line.first.wait_for_log("a new program is started"));
    line.first.signal(Signal::USR2);
    assert!(line.first.wait_for_log("under way already").contains("WARN"));
    assert_eq!(line.first.get("/healthcheck", "").status, 200);
    // A stop is for both.
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
    eventually("the new one has ended", || {
        fs::read_to_string(format!("/proc/{stuck}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn listeners_that_the_new_program_has_not_are_drained_by_the_old_one() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let upstream = format!("http://{}", origin.address());
    let installed = Installed::new();
    let arguments = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    let mut line = installed.start(&arguments, 2);
    let [stays, goes] = line.first.addresses()[..] else { panic!("two listeners") };
    let mut client = Client::connect(goes);
    client.send(GET).until(b"first");
    let real = command(&[]).get_program().to_str().unwrap().to_owned();
    // Another number of workers and another new listener, too.
    installed.install_script(&format!(
        "exec {real} --upstream {upstream} --listen {stays} --listen 127.0.0.3:0 --workers 3"
    ));
    line.upgrade(line.first.pid());
    assert!(line.first.wait_for_log(&format!("address={goes}")).contains("listening"));
    eventually("nobody accepts there", || TcpStream::connect(goes).is_err());
    for _ in 0..10 {
        let mut other = Client::connect(stays);
        other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(other.response().status, 200);
    }
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
}

#[test]
fn an_upgrade_takes_what_a_reload_has_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let write = |addresses: &[&str]| {
        let listeners = addresses.iter().map(|address| format!("[[listen]]\naddress = \"{address}\"\n"));
        fs::write(&file, listeners.collect::<String>()).unwrap();
    };
    write(&["127.0.0.1:0"]);
    let with_file = |arguments: &[&str]| {
        let mut with_file = command(&["--config", file.to_str().unwrap(), "--workers", "2"]);
        assert!(arguments.contains(&"--listen"), "which the file says");
        with_file.stdin(Stdio::null());
        with_file
    };
    let mut line = Line { first: Corsair::launch::<&str>(with_file, &[], 1) };
    let old = line.first.address();
    write(&["127.0.0.1:0", "127.0.0.2:0"]);
    line.first.signal(Signal::HUP);
    let told = line.first.wait_for_log("reloaded");
    let (_, rest) = told.split_once("127.0.0.2:").expect(&told);
    let port = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    let new = SocketAddr::from(([127, 0, 0, 2], port));
    line.upgrade(line.first.pid());
    line.first.wait_for_log("this process stays");
    for address in [old, new, old, new] {
        let mut client = Client::connect(address);
        client.send("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.response().status, 200, "{address}");
    }
    line.first.terminate();
    assert_eq!(line.first.wait_exit().code(), Some(0));
}

#[test]
fn a_service_manager_is_told_of_the_new_main_process_and_the_old_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut text = [0; 256];
        let count = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap().trim_end().to_owned()
    };
    let managed = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("NOTIFY_SOCKET", &path);
        command
    };
    let mut line = Line { first: Corsair::launch(managed, &["--drain-timeout", "10s"], 1) };
    let address = line.first.address();
    assert_eq!(told(), "READY=1");
    line.first.signal(Signal::USR2);
    let mut news = [told(), told()];
    news.sort_unstable();
    let second = pid_of(&line.first.wait_for_log(SERVES));
    assert_eq!(news, [format!("MAINPID={second}"), "READY=1".to_owned()]);
    assert_eq!(line.first.wait_exit().code(), Some(0), "nobody waits for it");
    let mut client = Client::connect(address);
    client.send("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.response().status, 200);
    signal(second, Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    eventually("nobody accepts any more", || TcpStream::connect(address).is_err());
}

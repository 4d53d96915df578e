//! Listening on Unix sockets: served like ports, and their files come and go as they should.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use support::{
    Client, Corsair, Gate, Origin, Then, answer, certificates::Authority, client::unix_stream,
    daemon::command, eventually, noise, pause, sha256,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A folder with a path in it on which nobody listens.
struct Place {
    folder: tempfile::TempDir,
    path: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corsair.sock").to_str().unwrap().to_owned();
        Self { folder, path }
    }

    fn listen(&self) -> String {
        format!("unix:{}", self.path)
    }

    fn is_socket(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.file_type().is_socket())
    }

    /// An abstract name that no other test has.
    fn abstract_name(&self) -> String {
        format!("@{}", self.folder.path().display())
    }

    /// A reverse proxy to `origin` that listens there, and on a port by which it is known that it has started.
    fn reverse(&self, origin: &Origin, more: &[&str]) -> Corsair {
        let listen = self.listen();
        let arguments = [&["--listen", "127.0.0.1:0", "--listen", &listen][..], more].concat();
        Corsair::reverse(origin.address(), &arguments)
    }
}

fn origin() -> Origin {
    Origin::always(answer("200 OK", "", "x"))
}

fn is_answered(client: &mut Client) {
    client.send(GET);
    assert_eq!(client.response().status, 200);
}

fn is_refused(name: &str) -> bool {
    unix_stream(name)
        .is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound))
}

#[test]
fn a_path_and_an_abstract_name_are_served_like_a_port() {
    let place = Place::new();
    let name = place.abstract_name();
    let (origin, body) = (Origin::echo(), noise(3 << 20, 5));
    let corsair = place.reverse(&origin, &["--listen", &format!("unix:{name}")]);
    for shown in [place.listen(), format!("unix:{name}")] {
        let line = corsair.wait_for_log(&format!("address={shown}"));
        assert!(line.contains("listening"), "{line}");
    }
    for name in [&place.path, &name] {
        let mut client = Client::connect_unix(name);
        for _ in 0..3 {
            is_answered(&mut client);
        }
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.send(&body);
        assert!(client.response().text().contains(&sha256(&body)), "{name}");
        client.send(format!("{GET}{GET}"));
        assert_eq!([client.response().status, client.response().status], [200, 200], "pipelined");
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.response().status, 200);
        client.expect_end();
        let mut faulty = Client::connect_unix(name);
        faulty.send("nonsense\r\n\r\n");
        assert_eq!(faulty.response().status, 400);
    }
}

#[test]
fn the_mode_of_the_file_is_what_the_umask_leaves() {
    let origin = origin();
    for (umask, mode) in [("022", 0o755), ("117", 0o660)] {
        let place = Place::new();
        let with_umask = |arguments: &[&str]| {
            let corsair = command(arguments);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("umask {umask} && exec \"$0\" \"$@\"")]);
            shell.arg(corsair.get_program()).args(corsair.get_args());
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            shell
        };
        let upstream = format!("http://{}", origin.address());
        let arguments = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--listen", &place.listen()];
        let _corsair = Corsair::launch(with_umask, &arguments, 1);
        assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_tunnel_is_opened_over_a_unix_socket() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        while let Ok(data) = exchange.connection.some() {
            exchange.send(data);
        }
        exchange.send("bye");
        Then::Close
    });
    let place = Place::new();
    let _corsair = place.reverse(&origin, &[]);
    let mut client = Client::connect_unix(&place.path);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.next_head().status().unwrap(), 101);
    for word in [&b"ahoy"[..], &noise(100_000, 3)] {
        client.send(word);
        assert!(client.until(word).ends_with(word));
    }
    client.shutdown_write();
    assert_eq!(client.until(b"bye"), b"bye");
    client.expect_end();
}

#[test]
fn tls_is_spoken_over_a_unix_socket() {
    let (origin, place, authority) = (origin(), Place::new(), Authority::new());
    let (cert, key) = authority.write(&authority.leaf(&["a.test"]));
    let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let _corsair = place.reverse(&origin, &files);
    let connection =
        ClientConnection::new(authority.client(&["http/1.1"]), ServerName::try_from("a.test").unwrap());
    let mut tls = StreamOwned::new(connection.unwrap(), unix_stream(&place.path).unwrap());
    tls.sock.set_read_timeout(Some(support::PATIENCE)).unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    tls.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nx"), "{text}");
    let mut plain = Client::connect_unix(&place.path);
    plain.send(GET);
    assert!(plain.response().text().contains("a port that speaks TLS"));
}

#[test]
fn all_workers_share_what_comes_and_none_of_it_is_lost() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        held.wait();
        exchange.send("last.");
        Then::Close
    });
    let place = Place::new();
    let corsair = place.reverse(&origin, &["--workers", "2"]);
    let mut clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect_unix(&place.path);
            client.send(GET).until(b"first");
            client
        })
        .collect();
    let mut watched: Vec<usize> = corsair.watched_by_runtime().into_iter().map(|(_, count)| count).collect();
    // What a worker watches beside its connections is the same for both, and the server watches little.
    watched.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(watched[0], watched[1], "four streams each");
    gate.open();
    for client in &mut clients {
        assert_eq!(client.until(b"last."), b"last.");
    }
}

#[test]
fn what_waits_at_a_unix_socket_is_served_when_the_process_stops() {
    let origin = origin();
    for _ in 0..5 {
        let place = Place::new();
        let mut corsair = place.reverse(&origin, &["--workers", "2"]);
        let mut clients: Vec<Client> = (0..40)
            .map(|_| {
                let mut client = Client::connect_unix(&place.path);
                client.send(GET);
                client
            })
            .collect();
        corsair.terminate();
        for client in &mut clients {
            assert_eq!(client.response().status, 200);
        }
        assert_eq!(corsair.wait_exit().code(), Some(0));
        assert!(!corsair.log().contains("cannot accept"), "{}", corsair.log());
    }
}

#[test]
fn the_file_is_gone_when_the_process_stops() {
    let (origin, place) = (origin(), Place::new());
    let mut corsair = place.reverse(&origin, &[]);
    is_answered(&mut Client::connect_unix(&place.path));
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    assert!(!fs::exists(&place.path).unwrap());
    // Also where it is not even drained.
    let mut corsair = place.reverse(&origin, &["--drain-delay", "60s"]);
    corsair.terminate();
    corsair.wait_for_log("--drain-delay");
    is_answered(&mut Client::connect_unix(&place.path));
    pause(Duration::from_millis(150));
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    assert!(!fs::exists(&place.path).unwrap());
}

#[test]
fn what_a_killed_process_has_left_makes_room() {
    let (origin, place) = (origin(), Place::new());
    let mut corsair = place.reverse(&origin, &[]);
    corsair.signal(Signal::KILL);
    corsair.wait_exit();
    assert!(place.is_socket(), "nobody has removed it");
    let _corsair = place.reverse(&origin, &[]);
    is_answered(&mut Client::connect_unix(&place.path));
}

#[test]
fn a_socket_that_is_listened_on_is_left_alone() {
    let (origin, place) = (origin(), Place::new());
    let name = place.abstract_name();
    let _corsair = place.reverse(&origin, &["--listen", &format!("unix:{name}")]);
    for name in [&place.path, &name] {
        let ended = Corsair::run_to_end(&["--listen", &format!("unix:{name}")]);
        assert_eq!(ended.code, Some(1));
        let told = format!("cannot listen on unix:{name}: another socket listens there already");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
        is_answered(&mut Client::connect_unix(name));
    }
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let place = Place::new();
    fs::write(&place.path, "precious").unwrap();
    // What was bound before it goes again.
    let other = format!("{}.other", place.path);
    let ended = Corsair::run_to_end(&["--listen", &format!("unix:{other}"), "--listen", &place.listen()]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("a file is there that is no socket, and is left alone"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&place.path).unwrap(), "precious");
    assert!(!fs::exists(&other).unwrap());
}

#[test]
fn a_socket_of_another_program_by_the_same_name_is_not_removed() {
    let (origin, place) = (origin(), Place::new());
    let mut corsair = place.reverse(&origin, &[]);
    fs::rename(&place.path, format!("{}.old", place.path)).unwrap();
    let _other = UnixListener::bind(&place.path).unwrap();
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    assert!(place.is_socket());
}

/// Whether there is a listening socket of this name (proc(5), `/proc/net/unix`); connections to it have the same.
fn listens(name: &str) -> bool {
    const LISTENS: &str = " 00010000 ";
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    sockets.lines().any(|line| line.ends_with(name) && line.contains(LISTENS))
}

/// A configuration file with these listen addresses, and what was started with it.
struct Configured {
    place: Place,
    file: PathBuf,
    origin: Origin,
    corsair: Corsair,
}

impl Configured {
    fn start(listen: impl Fn(&Place) -> Vec<String>) -> Self {
        let (place, origin) = (Place::new(), origin());
        let file = place.folder.path().join("corsair.toml");
        write(&file, &origin, &listen(&place));
        let corsair = Corsair::start(&["-c", file.to_str().unwrap()]);
        Self { place, file, origin, corsair }
    }

    fn write(&self, listen: &[String]) {
        write(&self.file, &self.origin, listen);
    }

    fn reload(&self, listen: &[String], told: &str) -> String {
        self.write(listen);
        self.corsair.signal(Signal::HUP);
        self.corsair.wait_for_log(told)
    }

    /// The numbers of those that have come to serve.
    fn successors(&self) -> Vec<u32> {
        let log = self.corsair.log();
        let complete = log.rfind('\n').map_or("", |at| &log[..at]);
        complete.lines().filter(|line| line.contains("the new process serves")).map(pid_of).collect()
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let log = self.corsair.log();
        for line in log.lines().filter(|line| line.contains(" pid=")) {
            let pid = Pid::from_raw(pid_of(line).try_into().unwrap()).unwrap();
            // What has ended is not there any more.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn pid_of(line: &str) -> u32 {
    let (_, rest) = line.split_once(" pid=").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn write(file: &PathBuf, origin: &Origin, listen: &[String]) {
    let tables: String =
        listen.iter().map(|address| format!("[[listen]]\naddress = {address:?}\n\n")).collect();
    let upstream = format!("[upstream.web]\nservers = [\"http://{}\"]\n", origin.address());
    fs::write(file, format!("{tables}[[route]]\nupstream = \"web\"\n\n{upstream}")).unwrap();
}

#[test]
fn a_reload_adds_a_unix_socket_and_takes_it_back() {
    let port = "127.0.0.1:0".to_owned();
    let scene = Configured::start(|_| vec!["127.0.0.1:0".to_owned()]);
    let (path, name) = (scene.place.path.clone(), scene.place.abstract_name());
    let all = [port.clone(), scene.place.listen(), format!("unix:{name}")];
    let told = scene.reload(&all, "reloaded generation=2");
    for address in &all[1..] {
        assert!(told.contains(&format!("{address} is served")), "{told}");
    }
    assert!(listens(&name));
    let mut clients = [Client::connect_unix(&path), Client::connect_unix(&name)];
    clients.iter_mut().for_each(is_answered);

    let told = scene.reload(&all, "reloaded generation=3");
    assert!(!told.contains("listeners="), "what stays is what it was: {told}");
    clients.iter_mut().for_each(is_answered);

    let told = scene.reload(&[port], "reloaded generation=4");
    for address in &all[1..] {
        assert!(told.contains(&format!("{address} is closed")), "{told}");
    }
    assert!(!fs::exists(&path).unwrap());
    assert!(is_refused(&path) && is_refused(&name));
    clients.iter_mut().for_each(is_answered);

    // An abstract name is free when all workers have emptied the queue.
    eventually("its socket is closed", || !listens(&name));
    scene.reload(&all, "reloaded generation=5");
    is_answered(&mut Client::connect_unix(&path));
    is_answered(&mut Client::connect_unix(&name));
    assert!(scene.place.is_socket());
}

#[test]
fn an_upgrade_takes_unix_sockets_along_and_the_last_process_removes_their_files() {
    let listen = |place: &Place| {
        vec!["127.0.0.1:0".to_owned(), place.listen(), format!("unix:{}", place.abstract_name())]
    };
    let mut scene = Configured::start(listen);
    let (path, name) = (scene.place.path.clone(), scene.place.abstract_name());
    let inode = || std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(&path).unwrap());
    let first = inode();
    scene.corsair.signal(Signal::USR2);
    scene.corsair.wait_for_log("the new process serves");
    scene.corsair.wait_for_log("this process stays");
    assert_eq!(inode(), first, "the very same socket");
    for name in [&path, &name] {
        let mut client = Client::connect_unix(name);
        is_answered(&mut client);
    }
    scene.corsair.terminate();
    assert_eq!(scene.corsair.wait_exit().code(), Some(0));
    assert!(!fs::exists(&path).unwrap());
}

#[test]
fn upgrades_under_load_lose_no_connection_to_a_unix_socket() {
    let mut scene = Configured::start(|place| vec!["127.0.0.1:0".to_owned(), place.listen()]);
    let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let answers_on = || {
        let before = answered.load(Relaxed);
        eventually("they are answered", || answered.load(Relaxed) > before + 100);
    };
    thread::scope(|scope| {
        // However this ends, they end with it.
        let _end = EndWhenDropped(&end);
        for _ in 0..4 {
            scope.spawn(|| {
                while !end.load(Relaxed) {
                    let mut client = Client::connect_unix(&scene.place.path);
                    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                    assert_eq!(client.response().status, 200);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        let mut pid = scene.corsair.pid();
        for number in 0..3 {
            answers_on();
            kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::USR2).unwrap();
            eventually("a new process serves", || scene.successors().len() > number);
            pid = scene.successors()[number];
        }
        answers_on();
    });
    scene.corsair.terminate();
    assert_eq!(scene.corsair.wait_exit().code(), Some(0));
    assert!(!fs::exists(&scene.place.path).unwrap());
}

/// Has others end.
struct EndWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn an_upgrade_that_fails_leaves_the_file_and_one_that_drops_the_listener_removes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let scene = Configured::start(|place| vec!["127.0.0.1:0".to_owned(), place.listen()]);
    let path = scene.place.path.clone();
    let [port, unix] = ["127.0.0.1:0".to_owned(), scene.place.listen()];
    // It has taken the socket over when it fails.
    scene.write(&[port.clone(), unix, taken.local_addr().unwrap().to_string()]);
    scene.corsair.signal(Signal::USR2);
    scene.corsair.wait_for_log("the new program does not serve");
    assert!(scene.place.is_socket());
    is_answered(&mut Client::connect_unix(&path));

    scene.write(&[port]);
    scene.corsair.signal(Signal::USR2);
    scene.corsair.wait_for_log("the new process serves");
    eventually("the old process has removed it", || !fs::exists(&path).unwrap());
}

#[test]
fn a_unix_socket_of_a_service_manager_is_served_and_stays_its_own() {
    let (place, origin) = (Place::new(), origin());
    let upstream = format!("http://{}", origin.address());
    let kept = UnixListener::bind(&place.path).unwrap();
    let mut waiting: Vec<Client> = (0..20).map(|_| Client::connect_unix(&place.path)).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    for _ in 0..2 {
        let passed: OwnedFd = kept.try_clone().unwrap().into();
        let with_descriptor = |arguments: &[&str]| {
            let corsair = command(arguments);
            let mut shell = Command::new("sh");
            shell.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]);
            shell.arg(corsair.get_program()).args(corsair.get_args()).env("LISTEN_FDS", "1");
            shell.fd_mappings(vec![FdMapping { parent_fd: passed, child_fd: 3 }]).unwrap();
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            shell
        };
        let arguments = [
            "--upstream",
            &upstream,
            "--listen",
            "127.0.0.1:0",
            "--listen",
            &place.listen(),
            "--workers",
            "3",
        ];
        let mut corsair = Corsair::launch(with_descriptor, &arguments, 1);
        for client in &mut waiting {
            assert_eq!(client.response().status, 200);
        }
        corsair.terminate();
        assert_eq!(corsair.wait_exit().code(), Some(0));
        assert!(place.is_socket());
        waiting = (0..20).map(|_| Client::connect_unix(&place.path)).collect();
        for client in &mut waiting {
            client.send(GET);
        }
    }
}

#[test]
fn an_upstream_is_told_that_nobody_knows_the_address() {
    let (origin, place) = (origin(), Place::new());
    let corsair = place.reverse(&origin, &["--access-log", "stdout", "--log-format", "json"]);
    let mut client = Client::connect_unix(&place.path);
    client
        .send("GET /a HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let fields = origin.only_request().fields;
    assert_eq!(fields.get("x-forwarded-for"), Some("unknown"));
    assert_eq!(fields.get("forwarded"), Some("for=unknown;host=\"a.example\";proto=http"));
    assert!(!fields.has("x-real-ip"));
    let record = corsair.wait_for_record("/a");
    assert_eq!((&record["client"], &record["status"]), (&"unix:".into(), &200.into()), "{record}");
    assert_eq!(record["listener"], place.listen(), "{record}");
}

#[test]
fn a_gateway_on_a_unix_socket_is_one_on_loopback() {
    let place = Place::new();
    // It starts unrestricted, and under no name that a page could have been loaded by.
    let _corsair = Corsair::start(&["--listen", "127.0.0.1:0", "--listen", &place.listen()]);
    for (host, status) in [("localhost", 200), ("rebound.example", 403)] {
        let mut client = Client::connect_unix(&place.path);
        client.send(format!("GET /healthcheck HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, status, "{host}");
    }
}

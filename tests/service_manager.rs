//! What a service manager such as systemd does with the process: sockets that it passes, and what it is told.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use support::{Client, Corsair, Gate, Origin, PATIENCE, Then, daemon::command, eventually, pause};

const GET: &str = "GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The command with these descriptors from 3 on, as systemd passes them.
fn with_descriptors(arguments: &[&str], descriptors: Vec<OwnedFd>) -> Command {
    with_descriptors_for("LISTEN_PID=$$", arguments, descriptors)
}

/// As [`with_descriptors`], with this assignment of the shell in the place of the process's own number.
fn with_descriptors_for(pid: &str, arguments: &[&str], descriptors: Vec<OwnedFd>) -> Command {
    let corsair = command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{pid} exec \"$0\" \"$@\"")]);
    shell.arg(corsair.get_program()).args(corsair.get_args());
    shell.env("LISTEN_FDS", descriptors.len().to_string()).env_remove("LISTEN_PID");
    let mappings = (3..).zip(descriptors).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    shell.fd_mappings(mappings.collect()).unwrap();
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn asked(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(GET);
    client
}

/// Where a service manager listens.
struct Manager {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
    path: String,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify").to_str().unwrap().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, _folder: folder, path }
    }

    fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Corsair {
        let with_variables = |arguments: &[&str]| {
            let mut command = command(arguments);
            command.env("NOTIFY_SOCKET", &self.path).envs(variables.iter().copied());
            command
        };
        Corsair::launch(with_variables, arguments, 1)
    }

    /// The next thing that it is told.
    fn told(&self) -> String {
        let mut text = [0; 1024];
        let count = self.socket.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap().trim_end().to_owned()
    }
}

#[test]
fn a_socket_that_is_passed_is_served_by_all_workers_and_loses_nothing() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed.local_addr().unwrap();
    // They wait since before there was anybody to serve them.
    let mut waiting: Vec<Client> = (0..20).map(|_| asked(address)).collect();
    let mut corsair = Corsair::launch(
        |arguments| with_descriptors(arguments, vec![passed.into()]),
        &["--listen", &address.to_string(), "--workers", "3"],
        1,
    );
    assert_eq!(corsair.address(), address);
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    for _ in 0..20 {
        assert_eq!(asked(address).response().status, 200);
    }
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    assert!(TcpStream::connect(address).is_err(), "nobody has the socket any more");
}

#[test]
fn a_restart_with_a_socket_of_the_manager_loses_nothing() {
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = kept.local_addr().unwrap();
    let start = || {
        let passed = kept.try_clone().unwrap();
        Corsair::launch(
            |arguments| with_descriptors(arguments, vec![passed.into()]),
            &["--listen", &address.to_string(), "--workers", "2"],
            1,
        )
    };
    let mut corsair = start();
    for upgraded in [false, true] {
        assert_eq!(asked(address).response().status, 200);
        if upgraded {
            corsair.signal(rustix::process::Signal::USR2);
            corsair.wait_for_log("this process stays");
        }
        corsair.terminate();
        assert_eq!(corsair.wait_exit().code(), Some(0));
        // The manager goes on listening, with as long a queue as before.
        let mut waiting: Vec<Client> = (0..20).map(|_| asked(address)).collect();
        corsair = start();
        for client in &mut waiting {
            assert_eq!(client.response().status, 200);
        }
    }
}

#[test]
fn each_of_several_sockets_of_one_address_is_accepted_from() {
    // As one process hands a group of another number of workers to the next.
    let bind = |address: SocketAddr| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(64).unwrap();
        TcpListener::from(socket)
    };
    for workers in ["1", "2", "5"] {
        let first = bind("127.0.0.1:0".parse().unwrap());
        let address = first.local_addr().unwrap();
        let group: Vec<OwnedFd> =
            std::iter::once(first).chain((1..4).map(|_| bind(address))).map(Into::into).collect();
        let mut waiting: Vec<Client> = (0..40).map(|_| asked(address)).collect();
        let _corsair = Corsair::launch(
            |arguments| with_descriptors(arguments, group),
            &["--listen", &address.to_string(), "--workers", workers],
            1,
        );
        for client in &mut waiting {
            assert_eq!(client.response().status, 200, "{workers} workers");
        }
    }
}

#[test]
fn a_listener_without_a_socket_binds_its_own_and_a_socket_without_a_listener_is_closed() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let stray = TcpListener::bind("127.0.0.1:0").unwrap();
    let [address, stray_address] = [&passed, &stray].map(|listener| listener.local_addr().unwrap());
    let no_listener = UnixDatagram::unbound().unwrap();
    let corsair = Corsair::launch(
        |arguments| with_descriptors(arguments, vec![stray.into(), no_listener.into(), passed.into()]),
        &["--listen", &address.to_string(), "--listen", "127.0.0.2:0"],
        2,
    );
    assert_eq!(corsair.addresses()[0], address);
    for address in corsair.addresses() {
        assert_eq!(asked(*address).response().status, 200);
    }
    let line = corsair.wait_for_log(&format!("address={stray_address}"));
    assert!(line.contains("WARN") && line.contains("no listener has this address"), "{line}");
    assert!(corsair.wait_for_log("no listening TCP or Unix socket").contains("number=1"));
    eventually("the stray one is closed", || TcpStream::connect(stray_address).is_err());
}

#[test]
fn sockets_that_are_meant_for_another_process_are_left_alone() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed.local_addr().unwrap();
    for pid in ["", "LISTEN_PID=1"] {
        let descriptors = vec![passed.try_clone().unwrap().into()];
        let command = with_descriptors_for(pid, &["--listen", &address.to_string()], descriptors);
        let ended = Corsair::command_to_end(command);
        assert_eq!(ended.code, Some(1), "it binds its own, and cannot: {}", ended.stderr);
        assert!(ended.stderr.contains("another socket listens there already"), "{}", ended.stderr);
    }
}

#[test]
fn a_manager_is_told_of_start_and_end() {
    let manager = Manager::new();
    let gate = Gate::new();
    let waiting = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        waiting.wait();
        exchange.send("last.");
        Then::KeepAlive
    });
    let upstream = format!("http://{}", origin.address());
    let mut corsair = manager.start(&["--upstream", &upstream], &[]);
    assert_eq!(manager.told(), "READY=1");
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    corsair.terminate();
    assert_eq!(manager.told(), "STOPPING=1");
    assert!(corsair.is_running(), "it is told at the signal, not at the end");
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn a_watchdog_is_told_twice_in_its_time_that_all_is_well() {
    let manager = Manager::new();
    let corsair = manager.start(&["--workers", "2"], &[("WATCHDOG_USEC", "400000")]);
    assert_eq!(manager.told(), "READY=1");
    let start = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900), "five in {took:?}");
    drop(corsair);
    // For another process.
    let other = Manager::new();
    let _corsair = other.start(&[], &[("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(other.told(), "READY=1");
    pause(Duration::from_millis(100));
    other.socket.set_nonblocking(true).unwrap();
    assert!(other.socket.recv(&mut [0; 64]).is_err(), "nothing was asked of this one");
}

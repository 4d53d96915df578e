//! The process: start, refusal to start, sockets, drain, memory.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::Stdio,
    time::{Duration, Instant},
};

use support::{Corsair, Gate, Origin, Then, answer, eventually, hyper_origin::HyperOrigin, pause};

/// The listening sockets of a port of 127.0.0.1, as the kernel counts them.
fn listening_sockets(port: u16) -> usize {
    let wanted = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_listening = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1) == Some(&wanted.as_str()) && columns.get(3) == Some(&"0A")
    };
    table.lines().filter(|line| is_listening(line)).count()
}

#[test]
fn without_arguments_it_serves_the_gateway() {
    let corsair = Corsair::start::<&str>(&[]);
    let response = corsair.get("/healthcheck", "");
    assert_eq!((response.status, response.text().trim_end()), (200, "OK"));
}

#[test]
fn every_worker_has_a_listening_socket_of_its_own() {
    let corsair = Corsair::start(&["--workers", "2"]);
    assert_eq!(listening_sockets(corsair.address().port()), 2);
    for _ in 0..20 {
        assert_eq!(corsair.get("/healthcheck", "").status, 200);
    }
}

#[test]
fn it_listens_on_every_address_given() {
    let corsair = Corsair::start_listeners(&["-l", "127.0.0.1:0", "--listen", "127.0.0.1:0"], 2);
    for &address in corsair.addresses() {
        let mut client = support::Client::connect(address);
        client.send("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn version_and_help_go_to_standard_output_and_end_with_0() {
    for flag in ["--version", "--help"] {
        let ended = Corsair::run_to_end(&[flag]);
        assert_eq!(ended.code, Some(0), "{flag}: {}", ended.stderr);
        assert!(ended.stdout.contains("corsair"), "{flag}: {}", ended.stdout);
    }
}

/// Arguments, and what the reason must name.
const REFUSED: &[(&[&str], &[&str])] = &[
    (
        &["--listen", "0.0.0.0:0"],
        &["would let anyone reach any site", "--allow-origin", "--allow-target", "--open"],
    ),
    (&["--listen", "0.0.0.0:0", "--allow-origin", "*"], &["would let anyone reach any site"]),
    (&["--listen", "0.0.0.0:0", "--allow-target", "any"], &["would let anyone reach any site"]),
    (&["--listen", "0.0.0.0:0", "--allow-target", "public"], &["would let anyone reach any site"]),
    (&["--listen", "127.0.0.1:0", "--timeout-head", "soon"], &["timeout-head", "soon"]),
    (&["--listen", "127.0.0.1:0", "--limit-body", "much"], &["limit-body", "much"]),
    (&["--listen", "127.0.0.1:0", "--workers", "none"], &["workers", "none"]),
    (&["--listen", "nowhere"], &["nowhere"]),
    (&["--listen", "127.0.0.1:0", "--upstream", "ftp://127.0.0.1:1"], &["upstream", "ftp"]),
    (&["--listen", "127.0.0.1:0", "--no-such-flag"], &["--no-such-flag"]),
    (&["--listen", "127.0.0.1:0", "--allow-credentials"], &["allow_credentials", "origins"]),
    (
        &["--listen", "127.0.0.1:0", "--allow-origin", "*", "--allow-credentials"],
        &["allow_credentials", "origins"],
    ),
    (&["--listen", "127.0.0.1:0", "--allow-origin", "~.*", "--allow-credentials"], &["credentials"]),
    (&["--listen", "127.0.0.1:0", "--allow-origin", "null", "--allow-credentials"], &["null"]),
    (&["--listen", "127.0.0.1:0", "--allow-origin", "app.example.com"], &["app.example.com"]),
];

#[test]
fn what_it_cannot_or_must_not_serve_ends_with_2_and_the_reason() {
    for (arguments, reasons) in REFUSED {
        let ended = Corsair::run_to_end(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        // A flag may be named as flag or as key.
        let said = ended.stderr.replace('-', "_");
        for reason in *reasons {
            assert!(
                said.contains(&reason.replace('-', "_")),
                "{arguments:?} lacks {reason:?}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn an_open_gateway_starts_when_it_is_restricted_or_knowingly_open() {
    let ways: [&[&str]; 3] =
        [&["--open"], &["--allow-origin", "https://app.example.com"], &["--allow-target", "example.com"]];
    for way in ways {
        let mut arguments = vec!["--listen", "0.0.0.0:0"];
        arguments.extend_from_slice(way);
        let corsair = Corsair::start(&arguments);
        let mut client =
            support::Client::connect(std::net::SocketAddr::from(([127, 0, 0, 1], corsair.address().port())));
        client.send("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.response().status, 200, "{way:?}");
    }
}

#[test]
fn an_address_in_use_ends_with_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Corsair::run_to_end(&["--listen", &address]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
}

/// An origin whose response has a first half at once and a second half when the gate opens.
fn origin_in_halves(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        gate.wait();
        exchange.send("last.");
        Then::KeepAlive
    })
}

#[test]
fn term_lets_a_running_download_complete_and_then_ends_with_0() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    corsair.terminate();
    let address = corsair.address();
    eventually("new connections are refused", || TcpStream::connect(address).is_err());
    assert!(corsair.is_running(), "it waits for the download");
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    client.expect_end();
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn int_drains_like_term() {
    let mut corsair = Corsair::start::<&str>(&[]);
    corsair.signal(rustix::process::Signal::INT);
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn a_second_term_ends_at_once() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    corsair.terminate();
    let address = corsair.address();
    eventually("new connections are refused", || TcpStream::connect(address).is_err());
    // Sooner it would be the first one over again.
    pause(Duration::from_millis(150));
    corsair.terminate();
    corsair.wait_exit();
    gate.open();
}

#[test]
fn a_term_that_comes_twice_at_once_is_one_drain() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    corsair.terminate();
    corsair.wait_for_log("stopping");
    corsair.terminate();
    corsair.signal(rustix::process::Signal::INT);
    // Had a second one counted, it would have ended by then.
    pause(Duration::from_millis(50));
    assert!(corsair.is_running(), "it waits for the download");
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn a_drain_that_is_delayed_serves_on_until_a_second_term() {
    let mut corsair = Corsair::start(&["--drain-delay", "1h"]);
    let mut kept = corsair.connect();
    corsair.terminate();
    corsair.wait_for_log("stopping");
    for _ in 0..5 {
        let response = corsair.get("/healthcheck", "");
        assert_eq!((response.status, response.fields.get("connection")), (200, None), "nothing has begun");
    }
    kept.send("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(kept.response().status, 200);
    // Sooner it would be the first one over again.
    pause(Duration::from_millis(150));
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    corsair.wait_for_log("ending at once");
}

#[test]
fn a_drain_begins_when_its_delay_is_over() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut corsair = Corsair::reverse(origin.address(), &["--drain-delay", "300ms"]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    let told = Instant::now();
    corsair.terminate();
    let address = corsair.address();
    eventually("new connections are refused", || TcpStream::connect(address).is_err());
    assert!(told.elapsed() >= Duration::from_millis(300), "after {:?}", told.elapsed());
    gate.open();
    assert_eq!(client.until(b"last."), b"last.");
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

/// The value of this name in each thread's status.
#[cfg(target_os = "linux")]
fn of_each_thread(pid: u32, name: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let values = tasks.map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    values.collect()
}

#[cfg(target_os = "linux")]
#[test]
fn with_a_user_nothing_of_root_is_left() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can become another user");
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let corsair = Corsair::start(&[
        "--user",
        "nobody",
        "--workers",
        "2",
        "--access-log",
        log.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(corsair.get("/healthcheck", "").status, 200);
    eventually("what root has opened is written", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("/healthcheck"))
    });
    for (name, expected) in [
        ("Uid:", "65534 65534 65534 65534"),
        ("Gid:", "65534 65534 65534 65534"),
        ("Groups:", "65534"),
        ("CapPrm:", "0000000000000000"),
        ("CapEff:", "0000000000000000"),
    ] {
        let found = of_each_thread(corsair.pid(), name);
        assert!(found.len() >= 4, "main, access log and two workers: {found:?}");
        assert!(found.iter().all(|value| value == expected), "{name} {found:?}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", corsair.pid())).unwrap();
    let files: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert!(files[3] == files[4] || files[3].parse::<u64>().unwrap() >= 1 << 20, "{files:?}");
}

#[test]
fn a_user_who_cannot_be_become_is_a_fault() {
    for (arguments, expected) in [
        (&["--user", "no-such-user"][..], "corsair: --user: there is no user no-such-user on this machine\n"),
        (
            &["--user", "root", "--group", "no-such-group"],
            "corsair: --group: there is no group no-such-group on this machine\n",
        ),
    ] {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--listen", "127.0.0.1:0"]);
        let ended = Corsair::run_to_end(&arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), expected));
    }
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can start it as somebody else");
    }
    // Where everybody can execute it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let binary = folder.path().join("corsair");
    support::daemon::install_corsair(&binary);
    let as_nobody = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&binary);
        command.args(arguments).env_clear().uid(65534).gid(65534);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let ended = Corsair::command_to_end(as_nobody(&["--user", "root", "--listen", "127.0.0.1:0"]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--user: only root can become root"), "{}", ended.stderr);
    let corsair = Corsair::launch(as_nobody, &["--user", "nobody"], 1);
    assert_eq!(corsair.get("/healthcheck", "").status, 200, "it is nobody already");
}

#[test]
fn without_a_terminal_one_event_tells_what_the_banner_does() {
    let mut corsair = Corsair::start(&[
        "-u",
        "https://api.example.org/v1",
        "--allow-origin",
        "https://app.example.com",
        "--allow-credentials",
        "--max-connections",
        "100",
    ]);
    let line = corsair.wait_for_log("generation=1");
    for fact in [
        format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
        format!("listen=\"http://{}\"", corsair.address()),
        "mode=\"reverse proxy to https://api.example.org/v1\"".to_owned(),
        "upstreams=\"https://api.example.org/v1\"".to_owned(),
        "policy=\"".to_owned(),
        "credentials=true".to_owned(),
        "memory_bound=".to_owned(),
        "workers=1".to_owned(),
        "max_connections=100".to_owned(),
        "config=\"flags\"".to_owned(),
        "generation=1".to_owned(),
    ] {
        assert!(line.contains(&fact), "{fact} is missing: {line}");
    }
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    corsair.wait_for_log("stopped");
}

#[test]
fn idle_kept_alive_connections_are_closed_by_a_drain() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let mut unused = corsair.connect();
    // A later connection that is served shows that the unused one was accepted before it.
    assert_eq!(corsair.get("/", "").status, 200);
    corsair.terminate();
    client.expect_end();
    unused.expect_end();
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn a_drain_ends_after_drain_timeout_even_when_a_transfer_does_not() {
    let gate = Gate::new();
    let origin = origin_in_halves(&gate);
    let mut corsair = Corsair::reverse(origin.address(), &["--drain-timeout", "300ms"]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    corsair.terminate();
    corsair.wait_exit();
    client.expect_end();
    gate.open();
}

#[test]
fn memory_stays_flat_while_a_large_body_streams() {
    let origin = HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/plain", "").status, 200);
    let before = corsair.rss_kib();
    let size = 64 << 20;
    let mut client = corsair.connect();
    client.send(format!("GET /big/{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.head();
    let (mut read, mut peak) = (0, 0);
    while read < size {
        read += client.piece().len();
        peak = peak.max(corsair.rss_kib());
    }
    assert_eq!(read, size);
    assert!(peak < before + 8192, "{before} KiB before, {peak} KiB at most");
}

#[test]
fn memory_of_exchanges_goes_back_although_their_clients_are_gone() {
    const UPLOADS: usize = 300;
    // It answers nothing, and so holds every upload.
    let origin = Origin::on_head(|_| Then::Hold);
    let corsair = Corsair::reverse(origin.address(), &["--workers", "1"]);
    let before = corsair.rss_kib();
    let body = vec![b'x'; 30 << 10];
    let clients: Vec<_> = (0..UPLOADS)
        .map(|_| {
            let mut client = corsair.connect();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").send(&body);
            client
        })
        .collect();
    origin.wait("all are on their way", |seen| seen.heads == UPLOADS);
    let grown = corsair.rss_kib() - before;
    assert!(grown > 20 * UPLOADS, "{grown} KiB for {UPLOADS} uploads");
    drop(clients);
    eventually("most of it goes back", || corsair.rss_kib() < before + grown / 4);
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream() {
    let origin = HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/plain", "").status, 200);
    let before = corsair.rss_kib();
    let mut clients: Vec<_> = (0..8).map(|_| corsair.connect()).collect();
    for client in &mut clients {
        client.send("GET /big/600000000 HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\n");
    }
    // What would flow without backpressure flows in this time.
    pause(Duration::from_millis(700));
    assert!(corsair.rss_kib() < before + 8192, "{before} KiB before, {} KiB now", corsair.rss_kib());
    assert_eq!(corsair.get("/plain", "").status, 200);
}

#[test]
fn an_idle_process_uses_no_cpu() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/", "").status, 200);
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", corsair.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    pause(Duration::from_secs(1));
    assert!(ticks() <= before + 3, "{} ticks of CPU in an idle second", ticks() - before);
}

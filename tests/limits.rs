//! Limits and timeouts: the right status, the right moment, and nothing lost beside them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use support::{
    Client, Corsair, Fault, Gate, Impairment::StallAfter, Network, Origin, PATIENCE, Then, answer, pause,
};

fn status_of(corsair: &Corsair, request: &str) -> u16 {
    let mut client = corsair.connect();
    client.offer(request);
    let response = client.response();
    assert!(response.closes(), "{}: no Connection: close", response.status);
    client.expect_fin();
    response.status
}

#[test]
fn a_head_beyond_the_limit_is_414_or_431_and_one_within_it_passes() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--limit-head", "4k", "--limit-fields", "20"]);
    let pad = |size: usize| "a".repeat(size);
    let within = format!("GET /{} HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", pad(1500), pad(1500));
    assert_eq!(corsair.ask(&within).status, 200);
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: 1\r\n".repeat(count));
    assert_eq!(corsair.ask(fields(19)).status, 200);
    for (status, request) in [
        (414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", pad(5000))),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", pad(5000))),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}: 1\r\n\r\n", pad(5000))),
        (431, format!("GET /{} HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", pad(3000), pad(3000))),
        (431, fields(20)),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", pad(100_000))),
    ] {
        assert_eq!(status_of(&corsair, &request), status);
    }
    assert_eq!(origin.seen().requests.len(), 2);
}

#[test]
fn a_body_beyond_the_limit_is_413_and_one_within_it_passes() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--limit-body", "1k"]);
    let full = "a".repeat(1024);
    assert_eq!(
        corsair.ask(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{full}")).status,
        200
    );
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(corsair.ask(format!("{chunked}400\r\n{full}\r\n0\r\n\r\n")).status, 200);
    assert_eq!(status_of(&corsair, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n"), 413);
    assert_eq!(status_of(&corsair, &format!("{chunked}400\r\n{full}\r\n1\r\na\r\n0\r\n\r\n")), 413);
    assert_eq!(status_of(&corsair, &format!("{chunked}7fffffffffffffff\r\n")), 413);
    assert_eq!(origin.seen().requests.len(), 2);
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_upstream_is_asked() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--limit-body", "1k"]);
    assert_eq!(status_of(&corsair, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"), 413);
    assert_eq!(origin.connections(), 0);
}

/// A client in the middle of a body that is refused: it has its answer, and the end behind it.
fn refused_client(corsair: &Corsair) -> Client {
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.closes()), (413, true));
    client.expect_fin();
    client
}

#[test]
fn what_follows_a_refusal_is_read_for_timeout_linger_and_no_longer() {
    let origin = Origin::echo();
    let limits = ["--limit-body", "1k", "--limit-linger", "1g", "--timeout-linger", "700ms"];
    let corsair = Corsair::reverse(origin.address(), &limits);
    let start = Instant::now();
    let mut client = refused_client(&corsair);
    while client.offer("a") {
        assert!(start.elapsed() < PATIENCE, "it is read for ever");
        pause(Duration::from_millis(10));
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(700) && took < Duration::from_millis(2700), "{took:?}");
}

#[test]
fn what_follows_a_refusal_is_read_up_to_limit_linger_and_no_further() {
    let origin = Origin::echo();
    let limits = ["--limit-body", "1k", "--limit-linger", "256k", "--timeout-linger", "60s"];
    let corsair = Corsair::reverse(origin.address(), &limits);
    let mut client = refused_client(&corsair);
    let (block, mut sent) = ([b'a'; 64 << 10], 0);
    while client.offer(block) {
        sent += block.len();
        assert!(sent < 32 << 20, "more is read than the limit and what the kernel may hold of it");
    }
    assert!(sent >= (256 - 64) << 10, "it ends before the limit: {sent}");
}

#[test]
fn chunk_extensions_are_bounded_over_the_whole_message() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let extended = |count: usize, size: usize| {
        let chunk = format!("1;{}\r\nA\r\n", "x".repeat(size));
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(count)
        )
    };
    assert_eq!(corsair.ask(extended(5, 1000)).status, 200);
    for (count, size) in [(100, 2000), (1, 100_000), (20_000, 1)] {
        let status = status_of(&corsair, &extended(count, size));
        assert!((400..500).contains(&status), "{count} times {size}: {status}");
    }
    assert_eq!(origin.seen().requests.len(), 1);
}

#[test]
fn request_trailers_are_bounded() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let with = |trailers: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n{trailers}\r\n"
        )
    };
    assert_eq!(corsair.ask(with(&format!("X-A: {}\r\n", "a".repeat(4000)))).status, 200);
    for trailers in [format!("X-A: {}\r\n", "a".repeat(20_000)), "X-A: 1\r\n".repeat(5000)] {
        let status = status_of(&corsair, &with(&trailers));
        assert!((400..500).contains(&status), "{status}");
    }
    assert_eq!(origin.seen().requests.len(), 1);
}

#[test]
fn response_trailers_beyond_the_limit_are_never_a_clean_end() {
    let trailer = format!("X-A: {}\r\n", "a".repeat(20_000));
    let origin = Origin::always(format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n{trailer}\r\n"
    ));
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    match client.try_response("GET") {
        Ok(response) => assert_eq!(response.status, 502),
        Err(fault) => assert!(matches!(fault, Fault::Truncated { .. }), "{fault:?}"),
    }
}

#[test]
fn a_response_head_beyond_the_limit_is_502() {
    for fields in [format!("X-A: {}\r\n", "a".repeat(20_000)), "X-A: 1\r\n".repeat(5000)] {
        let origin = Origin::always(answer("200 OK", &fields, "x"));
        let corsair = Corsair::reverse(origin.address(), &[]);
        assert_eq!(corsair.get("/", "").status, 502);
        origin.wait("the connection is closed", |seen| seen.open == 0);
    }
}

#[test]
fn a_flood_of_interim_responses_ends_in_502() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for (count, expected) in [(16, 200), (17, 502), (10_000, 502)] {
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            for _ in 0..count {
                if !exchange.send(early) {
                    return Then::Close;
                }
            }
            exchange.send(answer("200 OK", "", "x"));
            Then::KeepAlive
        });
        let response = Corsair::reverse(origin.address(), &[]).get("/", "");
        assert_eq!(response.status, expected, "{count} interim responses");
        assert!(response.interim.len() <= 16);
    }
}

#[test]
fn an_idle_kept_alive_connection_is_closed_without_an_answer() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-keep-alive", "300ms"]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let start = Instant::now();
    client.expect_fin();
    assert!(start.elapsed() < Duration::from_millis(1300));
}

#[test]
fn a_body_that_stalls_is_408() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-body-idle", "300ms"]);
    for (framing, part) in [("Content-Length: 100", "abc"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n")]
    {
        let mut client = corsair.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{part}"));
        let start = Instant::now();
        let response = client.response();
        assert_eq!((response.status, response.closes()), (408, true), "{framing}");
        assert!(start.elapsed() < Duration::from_millis(1300), "{framing}: {:?}", start.elapsed());
        client.expect_end();
    }
    origin.wait("the upstream connections are closed", |seen| seen.open == 0);
    assert!(origin.seen().requests.is_empty());
}

#[test]
fn a_body_that_trickles_below_the_minimum_rate_is_408() {
    let origin = Origin::echo();
    let flags = ["--timeout-body-idle", "400ms", "--timeout-min-rate", "1000/s"];
    let corsair = Corsair::reverse(origin.address(), &flags);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4)
        && client.offer("a")
        && client.is_quiet_for(Duration::from_millis(50))
    {}
    assert_eq!(client.response().status, 408);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_slow_upload_does_not_run_into_the_response_timeout() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-response", "400ms"]);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        pause(Duration::from_millis(100));
        client.send("a");
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_client_that_takes_nothing_is_cut_after_timeout_send() {
    let origin = support::hyper_origin::HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-send", "500ms"]);
    let network = Network::to(corsair.address());
    network.download([StallAfter(1000, Gate::new())]);
    let mut client = network.connect();
    client.send("GET /big/600000000 HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\n");
    let cut = network.happens(Duration::from_secs(5), |seen| seen.download.reset == 1);
    assert!(cut, "the transfer goes on: {:?}", network.seen());
    client.0.allow(Duration::from_secs(5));
    let end = client.0.read_to_end();
    assert!(!matches!(end, Err(Fault::Timeout)), "the transfer goes on");
    assert_eq!(corsair.get("/plain", "").status, 200);
}

#[test]
fn slow_clients_do_not_hinder_others() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut slow: Vec<_> = (0..200).map(|_| corsair.connect()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-");
    }
    let start = Instant::now();
    for _ in 0..50 {
        assert_eq!(corsair.get("/", "").status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    for client in &mut slow {
        client.send("A: 1\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
}

/// A hosts file in which names of `example.org` lead to this machine.
fn hosts_file(lines: impl Iterator<Item = String>) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file
}

/// An application and a gateway to the names of `hosts`, in a process that may open 256 files.
fn with_few_descriptors(application: &Origin, hosts: &tempfile::NamedTempFile, workers: &str) -> Corsair {
    let upstream = format!("http://{}", application.address());
    let hosts = hosts.path().to_str().unwrap();
    let arguments = [
        ["--upstream", &upstream],
        ["--gateway", "query"],
        ["--allow-target", "*.example.org"],
        ["--allow-target", "loopback"],
        ["--hosts-file", hosts],
        ["--workers", workers],
    ];
    Corsair::start_with_descriptors(256, arguments.as_flattened())
}

fn descriptors_of(corsair: &Corsair) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", corsair.pid())).unwrap().count()
}

#[test]
fn a_client_that_walks_through_origins_leaves_descriptors_for_everybody_else() {
    for workers in ["1", "2"] {
        let (application, target) = (Origin::echo(), Origin::echo());
        let hosts = hosts_file((0..300).map(|number| format!("127.0.0.1 n{number}.example.org")));
        let corsair = with_few_descriptors(&application, &hosts, workers);
        let mut walker = corsair.connect();
        for number in 0..300 {
            let url = format!("http://n{number}.example.org:{}/", target.address().port());
            walker.send(format!("GET /?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert_eq!(walker.response().status, 200, "number {number}");
            if number % 20 == 0 {
                assert_eq!(corsair.get("/", "").status, 200);
            }
        }
        if workers == "1" {
            assert_eq!(application.connections(), 1, "what the walker leaves pushes nobody out");
        }
        let mut others: Vec<Client> = (0..100).map(|_| corsair.connect()).collect();
        for round in 0..2 {
            for client in &mut others {
                client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            }
            for client in &mut others {
                assert_eq!(client.response().status, 200, "round {round}");
            }
        }
    }
}

#[test]
fn names_with_many_silent_addresses_leave_descriptors_for_everybody_else() {
    let application = Origin::echo();
    // All of 127.0.0.0/8 leads to a listener whose queue is full.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&std::net::SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
    silent.listen(0).unwrap();
    let port = silent.local_addr().unwrap().as_socket().unwrap().port();
    let mut queued = Vec::new();
    let first = std::net::SocketAddr::from(([127, 0, 1, 1], port));
    while let Ok(connected) = std::net::TcpStream::connect_timeout(&first, Duration::from_millis(200)) {
        queued.push(connected);
    }
    let hosts = hosts_file((1..=64).map(|number| format!("127.0.1.{number} silent.example.org")));
    let corsair = with_few_descriptors(&application, &hosts, "2");
    let mut waiting: Vec<Client> = (0..60).map(|_| corsair.connect()).collect();
    for client in &mut waiting {
        client
            .send(format!("GET /?url=http://silent.example.org:{port}/ HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        let mut others: Vec<Client> = (0..20).map(|_| corsair.connect()).collect();
        for client in &mut others {
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(client.response().status, 200);
        }
        assert!(waiting[0].is_quiet_for(Duration::from_millis(1)));
        assert!(descriptors_of(&corsair) < 220, "{}", descriptors_of(&corsair));
    }
}

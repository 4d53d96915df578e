//! Faults that once were here, each named by what a user saw.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use support::{
    Client, Connection, Corsair, Fault, Framing, Gate, Origin, Then, answer, certificates::Authority,
    connection::Wire, eventually, pause,
};

/// A gateway that may reach the test's origins.
fn gateway(more: &[&str]) -> Corsair {
    let mut arguments = vec!["--allow-target", "loopback"];
    arguments.extend_from_slice(more);
    Corsair::start(&arguments)
}

/// An origin that takes a request and never says anything.
fn silent_origin() -> Origin {
    Origin::on_head(|_| Then::Hold)
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn a_body_left_over_after_a_followed_redirect_reaches_no_target() {
    let gate = Gate::new();
    let rest_is_sent = gate.clone();
    let target = Origin::on_head(move |exchange| {
        if exchange.target != "/moved" {
            exchange.send(answer("200 OK", "", "good"));
            return Then::KeepAlive;
        }
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
        rest_is_sent.wait();
        exchange.send("56789");
        Then::KeepAlive
    });
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: http://{}/moved\r\n", target.address());
    let first = Origin::on_head(move |exchange| {
        exchange.send(format!("{moved}Content-Length: 0\r\n\r\n"));
        Then::Hold
    });
    let corsair = gateway(&[]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: b\r\nCookie: stolen=1\r\n\r\n";
    let mut client = corsair.connect();
    client.send(format!(
        "POST /?url=http://{}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\nz",
        first.address(),
        1 + smuggled.len()
    ));
    client.until(b"01234");
    client.send(smuggled);
    // The target is still busy with its answer when the rest of the body is there.
    pause(Duration::from_millis(100));
    gate.open();
    client.until(b"56789");
    client.expect_end();

    let other = corsair.get(&format!("/?url=http://{}/other", target.address()), "");
    assert_eq!(other.text(), "good");
    // It answers a head, and only then is done with its request.
    eventually("the second request", || target.lines().len() > 1);
    assert_eq!(target.lines(), ["GET /moved", "GET /other"]);
    assert_eq!(target.connections(), 2, "a connection in doubt was used again");
}

#[test]
fn pipelined_requests_are_answered_although_the_client_half_closed() {
    let origin = Origin::start(|request| {
        pause(Duration::from_millis(100));
        answer("200 OK", "", &request.target).into()
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.shutdown_write();
    for target in ["/0", "/1", "/2"] {
        assert_eq!(client.response().text(), target);
    }
    client.expect_fin();
}

/// A TLS client whose kernel takes little in advance.
fn narrow_tls_client(corsair: &Corsair, authority: &Authority) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(&corsair.address().into()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(authority.client(&["http/1.1"]), name).unwrap();
    Client(Connection::new(Wire::TlsClient(Box::new(StreamOwned::new(tls, TcpStream::from(socket))))))
}

#[test]
fn a_tls_client_that_stops_reading_is_cut_after_send() {
    let origin = Origin::start(|request| {
        let size: usize = request.target[1..].parse().unwrap();
        answer("200 OK", "", &"x".repeat(size)).into()
    });
    let authority = Authority::new();
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let flags = [
        "--tls-cert",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
        "--timeout-send",
        "500ms",
        "--access-log",
        "stdout",
    ];
    let corsair = Corsair::reverse(origin.address(), &flags);
    // At some of these sizes the last bytes are with TLS and no longer with the body, at others with neither.
    let sizes = (10..50).map(|number| number * 16_000);
    let clients: Vec<(usize, Client)> = sizes
        .map(|size| {
            let mut client = narrow_tls_client(&corsair, &authority);
            client.send(format!("GET /{size} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            (size, client)
        })
        .collect();
    for (size, _) in &clients {
        corsair.wait_for_stdout(&format!("/{size} "));
    }
}

/// The response to an upload of `size` bytes that come evenly, so many a second.
fn upload_at(corsair: &Corsair, size: usize, rate: usize) -> support::Response {
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
    let start = Instant::now();
    let mut sent = 0;
    while sent < size {
        let due = (start.elapsed().as_millis() as usize * rate / 1000).min(size);
        if !client.offer("x".repeat(due - sent)) {
            break;
        }
        sent = due;
        if !client.is_quiet_for(Duration::from_millis(20)) {
            break;
        }
    }
    client.response()
}

#[test]
fn min_rate_is_what_it_says() {
    let origin = Origin::echo();
    let flags = ["--timeout-min-rate", "20000/s", "--timeout-body-idle", "300ms"];
    let corsair = Corsair::reverse(origin.address(), &flags);
    thread::scope(|scope| {
        let slow = scope.spawn(|| upload_at(&corsair, 1_000_000, 12_000));
        let fast = scope.spawn(|| upload_at(&corsair, 80_000, 40_000));
        assert_eq!(slow.join().unwrap().status, 408);
        assert_eq!(fast.join().unwrap().status, 200);
    });
}

#[test]
fn a_limit_of_connections_is_used_up_to_the_last() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--workers", "4", "--max-connections", "4"]);
    for _ in 0..12 {
        assert_eq!(corsair.get("/", "Connection: close\r\n").status, 200);
    }
    let mut kept: Vec<Client> = (0..4).map(|_| corsair.connect()).collect();
    for client in &mut kept {
        assert_eq!(client.send(GET).response().status, 200);
        // Only who is busy keeps a place.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    }
    let mut fifth = corsair.connect();
    assert!(fifth.send(GET).is_quiet_for(Duration::from_millis(200)), "one more than the limit is served");
    kept.pop();
    assert_eq!(fifth.response().status, 200);
}

#[test]
fn a_half_closed_tunnel_has_its_time_from_the_end_not_from_the_last_byte() {
    let origin = Origin::on_head(|exchange| {
        exchange.send(SWITCH);
        drop(exchange.connection.read_to_end());
        if exchange.target == "/soon" {
            pause(Duration::from_millis(300));
            exchange.send("bye");
            return Then::Close;
        }
        // Bytes that go on for ever do not put the end off.
        while exchange.send("more") {
            pause(Duration::from_millis(50));
        }
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &["--timeout-tunnel-half-closed", "1s"]);
    let tunnel = |target: &str| {
        let mut client = corsair.connect();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        ));
        client.until(b"\r\n\r\n");
        client
    };
    let (mut soon, mut never) = (tunnel("/soon"), tunnel("/never"));
    never.shutdown_write();
    pause(Duration::from_millis(1300));
    soon.shutdown_write();
    soon.until(b"bye");
    soon.expect_fin();
    never.0.allow(Duration::from_secs(1));
    assert!(!matches!(never.0.read_to_end(), Err(Fault::Timeout)), "a tunnel with one end goes on for ever");
}

#[test]
fn a_trailer_limit_of_zero_still_takes_a_body_without_trailers() {
    for (limit, trailers, status) in [
        ("0", "", 200),
        ("1", "", 200),
        ("2", "", 200),
        ("0", "X: 1\r\n", 400),
        ("5", "X: 1\r\n", 400),
        ("6", "X: 1\r\n", 200),
    ] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &["--limit-trailers", limit]);
        let response = corsair.ask(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailers}\r\n"
        ));
        assert_eq!(response.status, status, "limit {limit}, trailers {trailers:?}");
    }
}

#[test]
fn an_upload_does_not_use_up_the_deadline_of_the_redirect_behind_it() {
    let origin = Origin::start(|request| match request.method.as_str() {
        "POST" => answer("303 See Other", "Location: /done\r\n", "").into(),
        _ => answer("200 OK", "", "done").into(),
    });
    let corsair = gateway(&["--timeout-connect", "500ms", "--timeout-response", "500ms"]);
    let mut client = corsair.connect();
    client.send(format!(
        "POST /?url=http://{}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n",
        origin.address()
    ));
    for _ in 0..15 {
        pause(Duration::from_millis(100));
        client.send("x");
    }
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "done"));
}

#[test]
fn a_trickled_response_head_times_out_behind_a_streamed_body() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        for byte in answer("200 OK", "", "").bytes() {
            if !exchange.send([byte]) {
                return Then::Close;
            }
            pause(Duration::from_millis(100));
        }
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &["--timeout-response", "600ms"]);
    for behind in [false, true] {
        let mut client = corsair.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
        if behind {
            pause(Duration::from_millis(100));
        }
        client.send("abcdef");
        let start = Instant::now();
        assert_eq!(client.response().status, 504, "body behind the head: {behind}");
        assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
    }
}

#[test]
fn a_cut_response_to_http10_is_a_reset() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 31000\r\n\r\n");
        // More than is looked at before anything leaves.
        exchange.send(vec![b'x'; 30_000]);
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    for fields in ["", "Connection: keep-alive\r\n"] {
        let mut client = corsair.connect();
        client.send(format!("GET / HTTP/1.0\r\nHost: a\r\n{fields}\r\n"));
        let fault = client.try_response("GET").unwrap_err();
        assert!(matches!(fault, Fault::Truncated { reset: true, .. }), "{fields:?}: {fault:?}");
    }
}

#[test]
fn a_reset_is_noticed_behind_a_half_close() {
    let origin = silent_origin();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.shutdown_write();
    origin.wait("the request arrives", |seen| seen.heads == 1);
    // The FIN alone is no reason to give the request up.
    assert!(!origin.happens(Duration::from_millis(300), |seen| seen.open == 0));
    client.reset();
    origin.wait("the upstream connection is closed", |seen| seen.open == 0);
}

#[test]
fn a_reset_is_noticed_behind_pipelined_input() {
    // A little, and more than corsair has room for.
    for behind in [1, 2000] {
        let origin = silent_origin();
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(
            "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://o\r\n\r\n".to_owned()
                + &"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n".repeat(behind),
        );
        origin.wait("the request arrives", |seen| seen.heads == 1);
        assert!(!origin.happens(Duration::from_millis(200), |seen| seen.open == 0));
        client.reset();
        origin.wait("the upstream connection is closed", |seen| seen.open == 0);
    }
}

#[test]
fn an_upgrade_with_a_body_is_no_tunnel() {
    const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n";
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(UPGRADE).send("5").send("\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = origin.only_request();
    assert_eq!((request.body.as_slice(), request.framing), (&b"hello"[..], Framing::Chunked));
    assert!(!request.fields.has("upgrade"), "{:?}", request.fields);

    let eager = Origin::on_head(|exchange| {
        exchange.send(SWITCH);
        Then::Hold
    });
    let corsair = Corsair::reverse(eager.address(), &[]);
    let mut client = corsair.connect();
    client.send(UPGRADE).send("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 502);
}

#[test]
fn a_408_for_the_idle_connection_reaches_no_client() {
    const POST: &str = "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    const GET: &str = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for (second, status, connections) in [(GET, 200, 2), (POST, 502, 1)] {
        let origin = Origin::on_head(|exchange| {
            exchange.request();
            exchange.send(answer("200 OK", "", "ok"));
            if exchange.connection.head().is_ok() {
                exchange.send(answer("408 Request Timeout", "Connection: close\r\n", ""));
            }
            Then::Close
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        assert_eq!(corsair.get("/first", "").status, 200);
        assert_eq!(corsair.ask(second).status, status, "{second:?}");
        assert_eq!(origin.connections(), connections, "{second:?}");
    }
}

#[test]
fn a_408_that_is_an_answer_reaches_its_client() {
    let origin = Origin::always(answer("408 Request Timeout", "Connection: close\r\n", "slow"));
    let corsair = Corsair::reverse(origin.address(), &[]);
    let response = corsair.get("/", "");
    assert_eq!((response.status, response.text().as_str()), (408, "slow"));
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_early_response_is_not_cut_because_the_upload_is_not_read() {
    const SIZE: usize = 16 << 20;
    let origin = Origin::on_head(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..30 {
            exchange.send("1\r\nx\r\n");
            pause(Duration::from_millis(50));
        }
        exchange.send("0\r\n\r\n");
        Then::Hold
    });
    let flags = ["--timeout-send", "500ms", "--timeout-linger", "100ms"];
    let corsair = Corsair::reverse(origin.address(), &flags);
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
    let mut writer = client.writer();
    let upload = thread::spawn(move || std::io::Write::write_all(&mut writer, &vec![b'z'; SIZE]));
    let response = client.response();
    assert_eq!((response.status, response.body.len()), (200, 30));
    assert!(upload.join().unwrap().is_err(), "sixteen megabytes fitted somewhere");
}

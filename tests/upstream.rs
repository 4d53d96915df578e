//! Upstream connections: reuse, the one retry, failures, several servers, aborts.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use support::{
    Client, Corsair, Fault, Network, Origin, Response, Then, answer, hyper_origin::HyperOrigin, pause,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// The word of `Proxy-Status`.
fn cause(response: &Response) -> String {
    let status = response.field("proxy-status").expect("an answer of corsair's own");
    status.split_once("error=").unwrap().1.split(';').next().unwrap().to_owned()
}

/// Answers the first request of each connection and closes, without an answer, on receipt of the second.
fn stale_origin(then: Then) -> Origin {
    let counts = AtomicUsize::new(0);
    Origin::on_head(move |exchange| {
        let number = counts.fetch_add(1, Ordering::Relaxed);
        exchange.request();
        if number == 1 {
            return then;
        }
        exchange.send(answer("200 OK", "", "x"));
        Then::KeepAlive
    })
}

#[test]
fn a_connection_is_reused_for_the_next_request() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    for _ in 0..50 {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(corsair.ask(POST).status, 200);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_get_on_a_stale_pooled_connection_is_retried_once_on_a_fresh_one() {
    for then in [Then::Close, Then::Reset] {
        let origin = stale_origin(then);
        let corsair = Corsair::reverse(origin.address(), &[]);
        for _ in 0..2 {
            assert_eq!(corsair.ask(GET).status, 200, "{then:?}");
        }
        assert_eq!((origin.connections(), origin.seen().requests.len()), (2, 3), "{then:?}");
    }
}

#[test]
fn a_post_is_delivered_exactly_once_and_its_loss_is_a_502() {
    for then in [Then::Close, Then::Reset] {
        let origin = stale_origin(then);
        let corsair = Corsair::reverse(origin.address(), &[]);
        assert_eq!(corsair.ask(GET).status, 200);
        let response = corsair.ask(POST);
        assert_eq!(response.status, 502, "{then:?}");
        assert_eq!(origin.lines(), ["GET /", "POST /"], "{then:?}");
    }
}

#[test]
fn a_request_on_a_fresh_connection_is_not_retried() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    for request in [GET, POST] {
        let response = corsair.ask(request);
        assert_eq!((response.status, cause(&response).as_str()), (502, "connection_terminated"), "{request}");
    }
    assert_eq!(origin.seen().requests.len(), 2);
}

#[test]
fn a_post_is_not_lost_when_the_idle_connection_was_already_closed() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send(answer("200 OK", "", "x"));
        Then::Close
    });
    let network = Network::to(origin.address());
    let corsair = Corsair::reverse(network.address(), &[]);
    for round in 1..=20 {
        assert_eq!(corsair.ask(POST).status, 200, "round {round}");
        network.wait("corsair's side has the FIN", |seen| seen.download.closed == round);
    }
    assert_eq!(origin.seen().requests.len(), 20);
}

#[test]
fn a_response_once_begun_is_never_retried() {
    let counts = AtomicUsize::new(0);
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        if counts.fetch_add(1, Ordering::Relaxed) == 1 {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
            return Then::Close;
        }
        exchange.send(answer("200 OK", "", "x"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.ask(GET).status, 200);
    let mut client = corsair.connect();
    client.send(GET);
    match client.try_response("GET") {
        Err(Fault::Truncated { .. }) => {}
        // The end came before anything had left.
        Ok(response) => assert_eq!(response.status, 502),
        other => panic!("{other:?}"),
    }
    assert_eq!(origin.seen().requests.len(), 2);
}

/// Responses after which the connection must not be used again, and how the origin goes on.
const NOT_REUSED: &[(&str, Then)] = &[
    ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", Then::Hold),
    ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", Then::Hold),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxLEFTOVER", Then::Hold),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nLEFTOVER", Then::Hold),
    ("HTTP/1.1 200 OK\r\n\r\nx", Then::Close),
];

#[test]
fn a_connection_that_is_not_surely_clean_is_closed() {
    for (text, then) in NOT_REUSED {
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(text);
            *then
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        for round in 1..=3 {
            assert_eq!(corsair.ask(GET).text(), "x", "{text:?}");
            assert_eq!(origin.connections(), round, "{text:?}");
        }
        origin.wait("corsair closes every connection", |seen| seen.open == 0);
    }
}

#[test]
fn an_answer_before_the_end_of_the_upload_does_not_return_the_connection() {
    let origin = Origin::on_head(|exchange| {
        exchange.send(answer("200 OK", "", "early"));
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\npart");
    assert_eq!(client.response().text(), "early");
    drop(client);
    origin.wait("the connection is closed", |seen| seen.open == 0);
}

#[test]
fn a_refused_connection_is_a_502_at_once() {
    let corsair = Corsair::start(&["--upstream", "http://127.0.0.1:1"]);
    let start = Instant::now();
    for request in [GET, POST] {
        let response = corsair.ask(request);
        assert_eq!((response.status, cause(&response).as_str()), (502, "connection_refused"));
        assert!(!response.text().contains("127.0.0.1"), "no upstream detail: {}", response.text());
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_upstream_that_never_answers_is_a_504_after_timeout_response() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &["--timeout-response", "300ms"]);
    for request in [GET, POST] {
        let start = Instant::now();
        let response = corsair.ask(request);
        let waited = start.elapsed();
        assert_eq!((response.status, cause(&response).as_str()), (504, "http_response_timeout"));
        assert!(waited >= Duration::from_millis(290) && waited < Duration::from_millis(1300), "{waited:?}");
    }
    origin.wait("both connections are closed", |seen| seen.open == 0);
    assert_eq!(origin.seen().requests.len(), 2);
}

#[test]
fn silence_inside_a_body_is_a_visible_cut_after_timeout_upstream_idle() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab");
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &["--timeout-upstream-idle", "300ms"]);
    let mut client = corsair.connect();
    client.send(GET);
    let start = Instant::now();
    match client.try_response("GET") {
        Err(Fault::Truncated { body, .. }) => assert_eq!(body, b"ab"),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_millis(1300));
    origin.wait("the connection is closed", |seen| seen.open == 0);
}

#[test]
fn a_dead_server_among_several_is_skipped() {
    let (one, two) = (Origin::echo(), Origin::echo());
    let (one_url, two_url) = (format!("http://{}", one.address()), format!("http://{}", two.address()));
    let corsair = Corsair::start(&["-u", &one_url, "-u", "http://127.0.0.1:1", "-u", &two_url]);
    for _ in 0..30 {
        assert_eq!(corsair.ask(GET).status, 200);
        assert_eq!(corsair.ask(POST).status, 200);
    }
    let (first, second) = (one.seen().requests.len(), two.seen().requests.len());
    assert_eq!(first + second, 60);
    assert!(first > 0 && second > 0, "{first} and {second}");
}

#[test]
fn the_path_of_an_upstream_is_a_prefix() {
    let origin = Origin::echo();
    let corsair = Corsair::start(&["--upstream", &format!("http://{}/base/", origin.address())]);
    assert_eq!(corsair.get("/x?y", "").status, 200);
    assert_eq!(origin.only_request().target, "/base/x?y");
}

/// Answers on a Unix socket with `unix`.
fn answer_on(listener: std::os::unix::net::UnixListener) {
    use std::io::{Read, Write};
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut head = [0; 4096];
            if socket.read(&mut head).is_ok_and(|count| count > 0) {
                drop(socket.write_all(answer("200 OK", "Connection: close\r\n", "unix").as_bytes()));
            }
        }
    });
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    answer_on(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let corsair = Corsair::start(&["--upstream", &format!("unix:{}", path.display())]);
    assert_eq!(corsair.ask(GET).text(), "unix");
}

#[test]
#[cfg(target_os = "linux")]
fn an_upstream_may_be_a_unix_socket_with_an_abstract_name() {
    use std::os::{linux::net::SocketAddrExt, unix::net};
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().display();
    let address = net::SocketAddr::from_abstract_name(name.to_string()).unwrap();
    let upstream = format!("unix:@{name}");
    let arguments = ["--upstream", upstream.as_str(), "--access-log", "stdout", "--log-format", "json"];
    let refusing = Corsair::start(&arguments);
    assert_eq!(cause(&refusing.ask(GET)), "connection_refused", "nobody listens there yet");
    answer_on(net::UnixListener::bind_addr(&address).unwrap());
    let corsair = Corsair::start(&arguments);
    assert_eq!(corsair.ask(GET).text(), "unix");
    assert_eq!(corsair.wait_for_record("/")["server"], *upstream);
}

#[test]
fn a_unix_socket_that_is_not_there_is_said_to_be_missing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let dead = directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    for (path, error, says) in [
        (directory.path().join("missing.sock"), "destination_unavailable", "not there"),
        (directory.path().join("missing/app.sock"), "destination_unavailable", "not there"),
        (file.join("app.sock"), "destination_unavailable", "not there"),
        (file, "connection_refused", "refused"),
        (dead, "connection_refused", "refused"),
    ] {
        let corsair = Corsair::start(&["--upstream", &format!("unix:{}", path.display())]);
        let response = corsair.ask(GET);
        assert_eq!((response.status, cause(&response).as_str()), (502, error), "{path:?}");
        let text = response.text();
        assert!(text.contains(says) && !text.contains("app.sock"), "{path:?}: {text}");
    }
}

/// A client in the middle of something, and what it was.
fn busy_clients(corsair: &Corsair) -> Vec<(&'static str, Client)> {
    let mut waiting = corsair.connect();
    waiting.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut reading = corsair.connect();
    reading.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").until(b"data");
    let mut sending = corsair.connect();
    sending.send("POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
    vec![("waiting", waiting), ("reading", reading), ("sending", sending)]
}

#[test]
fn a_client_that_resets_makes_corsair_close_the_upstream_connection() {
    let origin = Origin::on_head(|exchange| {
        if exchange.target == "/endless" {
            exchange.request();
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndata");
        }
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let clients = busy_clients(&corsair);
    origin.wait("every request arrives", |seen| seen.open == 3);
    for (what, client) in clients {
        let open = origin.seen().open;
        client.reset();
        let closed = origin.happens(Duration::from_millis(1500), |seen| seen.open < open);
        assert!(closed, "{what}: the upstream connection stays open");
    }
}

#[test]
fn a_page_that_aborts_by_a_fin_makes_corsair_close_the_upstream_connection() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let agent =
        "Accept: text/event-stream\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101";
    for fields in ["Origin: https://app.example.com", "Sec-Fetch-Mode: cors", agent] {
        aborts_by_a_fin(&corsair, &origin, &format!("{fields}\r\n"));
    }
}

#[test]
fn a_server_is_called_as_the_operator_says() {
    let origin = Origin::echo();
    let address = origin.address().to_string();
    for (more, host) in [
        (&[][..], "app.test"),
        (&["--host-header=auto"], "app.test"),
        (&["--host-header=keep"], "app.test"),
        (&["--host-header=upstream"], &address),
        (&["--host-header", "web.internal:81"], "web.internal:81"),
    ] {
        let corsair = Corsair::reverse(origin.address(), more);
        assert_eq!(corsair.ask("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").status, 200);
        let request = origin.seen().requests.last().unwrap().clone();
        assert_eq!(request.fields.get("host"), Some(host), "{more:?}");
        assert_eq!(request.fields.get("x-forwarded-host"), Some("app.test"), "{more:?}");
    }
}

#[test]
fn what_names_the_upstream_names_the_proxy_when_it_arrives() {
    let origin = Origin::on_head(|exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let host = request.fields.get("host").unwrap_or_default();
        let fields = format!(
            "Location: http://{host}/v1/next\r\nContent-Location: /v1/this\r\nRefresh: 1; url=http://{host}/v1/\r\n\
             Set-Cookie: a=b; Domain=127.0.0.1; Path=/v1\r\nSet-Cookie: c=d\r\n"
        );
        exchange.send(answer("302 Found", &fields, ""));
        Then::KeepAlive
    });
    let upstream = format!("http://{}/v1", origin.address());
    let ask = |more: &[&str]| {
        let corsair = Corsair::start(&[&["--upstream", &upstream], more].concat());
        let response = corsair.ask("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        ["location", "content-location", "refresh", "set-cookie"]
            .map(|name| response.fields.all(name).join(", "))
    };
    for more in [&[][..], &["--host-header=upstream"]] {
        let expected = ["http://app.test/next", "/this", "1; url=http://app.test/", "a=b; Path=/, c=d"];
        assert_eq!(ask(more), expected, "{more:?}");
    }
    let kept = ask(&["--rewrite", "off"]);
    assert_eq!(
        kept,
        [
            "http://app.test/v1/next",
            "/v1/this",
            "1; url=http://app.test/v1/",
            "a=b; Domain=127.0.0.1; Path=/v1, c=d"
        ]
    );
}

#[test]
fn without_half_closing_every_fin_is_an_abort() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &["--half-close=false"]);
    for fields in ["", "User-Agent: curl/8.5.0\r\n"] {
        aborts_by_a_fin(&corsair, &origin, fields);
    }
}

/// Ends the client's side behind a request, and expects the upstream connection to be closed for that.
fn aborts_by_a_fin(corsair: &Corsair, origin: &Origin, fields: &str) {
    let mut client = corsair.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    origin.wait("the request arrives", |seen| seen.open == 1);
    client.shutdown_write();
    let closed = origin.happens(Duration::from_millis(1500), |seen| seen.open == 0);
    assert!(closed, "{fields}");
}

#[test]
fn an_aborted_download_of_an_honest_server_does_not_spoil_the_next() {
    let origin = HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &[]);
    for _ in 0..5 {
        let mut client = corsair.connect();
        client.send("GET /big/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\n");
        client.reset();
        assert_eq!(corsair.get("/plain", "").text(), "plain");
    }
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--workers", "2"]);
    std::thread::scope(|scope| {
        for number in 0..32 {
            let corsair = &corsair;
            scope.spawn(move || {
                let mut client = corsair.connect();
                for round in 0..20 {
                    client.send(format!("GET /{number}/{round} HTTP/1.1\r\nHost: a\r\n\r\n"));
                    assert!(client.response().text().contains(&format!(" /{number}/{round} ")));
                }
            });
        }
    });
    assert_eq!(origin.seen().requests.len(), 640);
}

/// A server of the kind that authenticates connections: whoever has brought both messages on one is served on it
/// from then on, without a word.
fn ntlm_origin() -> Origin {
    let stages = Mutex::new(HashMap::<usize, u8>::new());
    Origin::on_head(move |exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let mut stages = stages.lock().unwrap();
        let stage = stages.entry(request.connection).or_default();
        *stage = match (*stage, request.fields.all("authorization").first().copied()) {
            (2, _) | (1, Some("NTLM third")) => 2,
            (_, Some("NTLM first")) => 1,
            _ => 0,
        };
        exchange.send(match *stage {
            0 => answer("401 Unauthorized", "WWW-Authenticate: NTLM\r\n", "who"),
            1 => answer("401 Unauthorized", "WWW-Authenticate: NTLM second\r\n", "more"),
            _ => answer("200 OK", "", "mailbox"),
        });
        Then::KeepAlive
    })
}

fn ask_as(client: &mut Client, target: &str, authorization: &str) -> String {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"));
    client.response().text()
}

/// Logs in on a connection to corsair, and says with which target.
fn log_in(corsair: &Corsair, target: &str) -> Client {
    let mut client = corsair.connect();
    assert_eq!(ask_as(&mut client, target, "Authorization: NTLM first\r\n"), "more");
    assert_eq!(ask_as(&mut client, target, "Authorization: NTLM third\r\n"), "mailbox");
    client
}

#[test]
fn a_connection_that_authenticates_serves_one_client_alone() {
    for gateway in [false, true] {
        let origin = ntlm_origin();
        let (corsair, target) = if gateway {
            let target = format!("/http://{}/", origin.address());
            (Corsair::start(&["--allow-target", "loopback"]), target)
        } else {
            (Corsair::reverse(origin.address(), &[]), "/".to_owned())
        };
        // Each after the other, on connections that were new, pooled and asked for a login.
        assert_eq!(ask_as(&mut corsair.connect(), &target, ""), "who", "gateway: {gateway}");
        let mut user = log_in(&corsair, &target);
        for round in 0..3 {
            let mut other = corsair.connect();
            assert_eq!(ask_as(&mut other, &target, ""), "who", "round {round}, gateway: {gateway}");
            assert_eq!(ask_as(&mut user, &target, ""), "mailbox", "round {round}, gateway: {gateway}");
            assert_eq!(ask_as(&mut other, &target, ""), "who", "round {round}, gateway: {gateway}");
        }
        let mut second = log_in(&corsair, &target);
        assert_eq!(ask_as(&mut second, &target, ""), "mailbox", "gateway: {gateway}");
        drop((user, second));
        origin.wait("what they logged in on is closed with them", |seen| seen.open == 0);
        assert_eq!(ask_as(&mut corsair.connect(), &target, ""), "who", "gateway: {gateway}");
    }
}

#[test]
fn a_connection_that_authenticates_ends_with_its_client() {
    let origin = ntlm_origin();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-keep-alive", "1500ms"]);
    let mut user = log_in(&corsair, "/");
    // Longer than a connection stays in the runtime that nothing belongs to.
    pause(Duration::from_millis(500));
    assert_eq!(ask_as(&mut user, "/", ""), "mailbox");
    assert_eq!((origin.connections(), origin.seen().open), (1, 1));
    user.expect_fin();
    origin.wait("it is closed with the client's idle connection", |seen| seen.open == 0);
}

#[test]
fn a_client_that_logged_in_at_one_server_of_several_stays_there() {
    let origins = [ntlm_origin(), ntlm_origin(), ntlm_origin()];
    let upstreams: Vec<String> =
        origins.iter().map(|origin| format!("http://{}", origin.address())).collect();
    let arguments: Vec<&str> = upstreams.iter().flat_map(|url| ["--upstream", url.as_str()]).collect();
    let corsair = Corsair::start(&arguments);
    let mut user = log_in(&corsair, "/");
    for _ in 0..6 {
        assert_eq!(ask_as(&mut corsair.connect(), "/", ""), "who");
        assert_eq!(ask_as(&mut user, "/", ""), "mailbox");
    }
}

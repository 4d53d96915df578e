//! The wire through a bad network: a message split anywhere is the same, one cut anywhere is none, and what
//! stalls is waited for as long as it may take.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use support::{
    Client, Corsair, Fault, Gate,
    Impairment::{self, CutAfter, Narrow, ResetAfter, SplitAt, SplitEvery, StallAfter, TakeSlowly},
    Network, Origin, PATIENCE, Request, Response, Then, Turns,
    certificates::Authority,
    noise, sha256,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A head with everything that is parsed in one, and a chunked body with extensions and trailers.
const REQUEST: &str = "POST /a/b?c=d%20e HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: tests\r\n\
    Accept: text/html, */*;q=0.8\r\nCookie: a=b; c=d\r\nOrigin: https://app.example\r\nX-Empty:\r\n\
    Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;name=\"value\"\r\nhello\r\n00c\r\n, and thanks\r\n0;last\r\nX-Sum: 1\r\n\r\n";

/// The same for the other way; its connection is not used again, so that offsets begin with it.
const RESPONSE: &str = "HTTP/1.1 203 Fine by me\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: its\r\n\
    Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nX-Empty:\r\nX-Hop: 1\r\nConnection: close, X-Hop\r\n\
    Transfer-Encoding: chunked\r\n\r\n\
    5;name=\"value\"\r\nhello\r\n00c\r\n, and thanks\r\n0;last\r\nX-Sum: 1\r\n\r\n";

/// Every way to split what is so long.
fn every_split(length: usize) -> impl Iterator<Item = Impairment> {
    (1..length).map(SplitAt).chain([1, 2, 3, 7].map(SplitEvery))
}

/// What an origin was told, without what is new for each request.
fn told(request: &Request) -> String {
    let Request { method, target, fields, framing, body, trailers, .. } = request;
    let mut fields = fields.clone();
    fields.0.retain(|(name, _)| name != "X-Request-Id" && name != "traceparent");
    format!("{method} {target} {fields:?} {framing:?} {body:?} {trailers:?}")
}

/// What a client was told, likewise.
fn answered(response: &Response) -> String {
    let mut response = response.clone();
    response.fields.0.retain(|(name, _)| name != "X-Request-Id");
    format!("{response:?}")
}

#[test]
fn a_request_split_at_any_byte_is_the_same_request() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let network = Network::to(corsair.address());
    assert_eq!(corsair.ask(REQUEST).status, 200);
    let whole = told(&origin.only_request());
    assert!(whole.contains("POST /a/b?c=d%20e") && whole.contains("X-Sum"), "{whole}");
    for split in every_split(REQUEST.len()) {
        let label = label(&split);
        network.upload([split]);
        let response = network.connect().send(REQUEST).response();
        assert_eq!(response.status, 200, "{label}");
        assert_eq!(told(origin.seen().requests.last().unwrap()), whole, "{label}");
    }
}

#[test]
fn a_response_split_at_any_byte_is_the_same_response() {
    let origin = Origin::always(RESPONSE);
    let network = Network::to(origin.address());
    let corsair = Corsair::reverse(network.address(), &[]);
    let whole = answered(&corsair.ask(GET));
    assert!(whole.contains("status: 203") && whole.contains("X-Sum"), "{whole}");
    for split in every_split(RESPONSE.len()) {
        let label = label(&split);
        network.download([split]);
        let before = network.seen().connections;
        assert_eq!(answered(&corsair.ask(GET)), whole, "{label}");
        assert_eq!(network.seen().connections, before + 1, "{label}: its offset is that of the connection");
    }
}

fn label(impairment: &Impairment) -> String {
    match impairment {
        SplitAt(at) => format!("split at {at}"),
        SplitEvery(size) => format!("split every {size}"),
        CutAfter(at) => format!("cut after {at}"),
        ResetAfter(at) => format!("reset after {at}"),
        StallAfter(at, _) => format!("stall after {at}"),
        TakeSlowly(..) | Narrow(_) => "slow".to_owned(),
    }
}

#[test]
fn bodies_pass_byte_by_byte_both_ways_on_both_sides() {
    let data = noise(900, 1);
    let mut random = fastrand::Rng::with_seed(1);
    let message = support::chunked(&data, &mut random);
    let copy = message.clone();
    let origin = Origin::on_head(move |exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let sum = sha256(&request.body);
        exchange.send(format!("HTTP/1.1 200 OK\r\nX-Sum: {sum}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        exchange.send(&copy);
        Then::KeepAlive
    });
    let behind = Network::to(origin.address());
    let corsair = Corsair::reverse(behind.address(), &[]);
    let front = Network::to(corsair.address());
    for network in [&behind, &front] {
        network.upload([SplitEvery(1)]).download([SplitEvery(1)]);
    }
    let mut client = front.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").send(&message);
        let response = client.response();
        assert_eq!(response.field("x-sum"), Some(sha256(&data).as_str()));
        assert!(response.body == data);
    }
    assert_eq!((behind.seen().connections, front.seen().connections), (1, 1));
}

#[test]
fn tls_passes_byte_by_byte_on_both_sides() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["127.0.0.1"]).server(), support::origin::describe);
    let behind = Network::to(origin.address());
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let (upstream, file) = (format!("https://{}", behind.address()), authority.file());
    let corsair = Corsair::start(&[
        "--upstream",
        &upstream,
        "--ca-file",
        file.to_str().unwrap(),
        "--tls-cert",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    let front = Network::to(corsair.address());
    for network in [&behind, &front] {
        network.upload([SplitEvery(1)]).download([SplitEvery(1)]);
    }
    let mut client = Client::connect_tls(front.address(), "localhost", authority.client(&["http/1.1"]));
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n").send(noise(500, 2));
        assert_eq!(client.response().text(), format!("POST / 500 {}", sha256(&noise(500, 2))));
    }
    assert_eq!((behind.seen().connections, front.seen().connections), (1, 1));
}

#[test]
fn a_request_cut_or_reset_at_any_byte_is_never_completed() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let network = Network::to(corsair.address());
    for ends_after in [CutAfter, ResetAfter] {
        for at in 1..REQUEST.len() {
            let end = ends_after(at);
            let label = label(&end);
            network.upload([end]);
            let mut client = network.connect();
            client.offer(REQUEST);
            client.0.allow(PATIENCE);
            let came = client.0.read_to_end();
            assert!(!matches!(came, Err(Fault::Timeout)), "{label}: nothing ends");
            let came = support::latin1(&came.unwrap_or_default());
            assert!(came.is_empty() || came.starts_with("HTTP/1.1 400 "), "{label}: {came}");
        }
    }
    origin.wait("every connection is closed", |seen| seen.open == 0);
    assert!(origin.seen().requests.is_empty(), "{:?}", origin.lines());
    assert_eq!(corsair.ask(REQUEST).status, 200);
}

#[test]
fn a_response_cut_or_reset_at_any_byte_is_seen_as_cut() {
    let with_length =
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: close\r\nContent-Length: 13\r\n\r\nhello, thanks";
    for text in [RESPONSE, with_length] {
        let origin = Origin::always(text);
        let network = Network::to(origin.address());
        let corsair = Corsair::reverse(network.address(), &[]);
        for ends_after in [CutAfter, ResetAfter] {
            for at in 0..text.len() {
                let end = ends_after(at);
                let label = label(&end);
                network.download([end]);
                let before = network.seen().connections;
                match corsair.connect().send(GET).try_response("GET") {
                    Ok(response) => assert_eq!(response.status, 502, "{label}: looks complete"),
                    Err(fault) => assert!(matches!(fault, Fault::Truncated { .. }), "{label}: {fault:?}"),
                }
                assert_eq!(network.seen().connections, before + 1, "{label}: no second attempt");
            }
        }
        network.download([CutAfter(text.len())]);
        assert_ne!(corsair.ask(GET).status, 502, "a FIN behind the last byte cuts nothing");
    }
}

#[test]
fn tls_of_an_upstream_cut_anywhere_is_never_a_clean_end() {
    let authority = Authority::new();
    let origin = Origin::on_head_tls(authority.leaf(&["127.0.0.1"]).server(), |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\n\r\nits length is not told");
        Then::Close
    });
    let network = Network::to(origin.address());
    let (upstream, file) = (format!("https://{}", network.address()), authority.file());
    let corsair = Corsair::start(&["--upstream", &upstream, "--ca-file", file.to_str().unwrap()]);
    let mut whole = 0;
    for at in (0..6000).step_by(23) {
        let before = network.seen().download.bytes;
        network.download([CutAfter(at)]);
        let result = corsair.connect().send(GET).try_response("GET");
        network.wait("the connection has ended", |seen| seen.open == 0);
        if network.seen().download.bytes - before < at {
            assert_eq!(result.unwrap().status, 200, "{at}");
            whole += 1;
            if whole == 3 {
                return;
            }
            continue;
        }
        match result {
            Ok(response) => assert_eq!(response.status, 502, "cut after {at}: looks complete"),
            Err(fault) => assert!(matches!(fault, Fault::Truncated { .. }), "cut after {at}: {fault:?}"),
        }
    }
    panic!("6000 bytes are not enough for a handshake and a response");
}

#[test]
fn a_response_that_stalls_anywhere_arrives_whole_when_it_goes_on() {
    let origin = Origin::always(RESPONSE);
    let network = Network::to(origin.address());
    let corsair = Corsair::reverse(network.address(), &[]);
    let whole = answered(&corsair.ask(GET));
    network.wait("the connection has ended", |seen| seen.open == 0);
    for at in (0..RESPONSE.len()).step_by(7) {
        let (gate, before) = (Gate::new(), network.seen().download.bytes);
        network.download([StallAfter(at, gate.clone())]);
        let mut client = corsair.connect();
        client.send(GET);
        network.wait("it stalls", |seen| seen.open == 1 && seen.download.bytes == before + at);
        gate.open();
        assert_eq!(answered(&client.response()), whole, "{at}");
        network.wait("the connection has ended", |seen| seen.open == 0);
    }
}

#[test]
fn a_response_that_stalls_for_good_is_a_504_before_its_body_and_a_cut_within() {
    let origin = Origin::always(RESPONSE);
    let network = Network::to(origin.address());
    let flags = ["--timeout-response", "300ms", "--timeout-upstream-idle", "300ms"];
    let corsair = Corsair::reverse(network.address(), &flags);
    let body = RESPONSE.find("5;name").unwrap();
    let begun = Instant::now();
    let stalled = [0, 1, 20, body - 1, body, body + 1, body + 18, body + 20, RESPONSE.len() - 1].map(|at| {
        let before = network.seen().connections;
        network.download([StallAfter(at, Gate::new())]);
        let mut client = corsair.connect();
        client.send(GET);
        network.wait("it has its own connection", |seen| seen.connections > before);
        (at, client)
    });
    for (at, mut client) in stalled {
        match client.try_response("GET") {
            Ok(response) => {
                assert_eq!(response.status, 504, "{at}");
                let token = if at < body { "http_response_timeout" } else { "connection_read_timeout" };
                let status = response.field("proxy-status").unwrap();
                assert!(status.contains(&format!("error={token}")), "{at}: {status}");
            }
            Err(fault) => assert!(at >= body && matches!(fault, Fault::Truncated { .. }), "{at}: {fault:?}"),
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    origin.wait("corsair lets go of every connection", |seen| seen.open == 0);
}

#[test]
fn a_tls_handshake_that_stalls_anywhere_ends_on_either_side() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["127.0.0.1"]).server(), support::origin::describe);
    let behind = Network::to(origin.address());
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let (upstream, file) = (format!("https://{}", behind.address()), authority.file());
    let trusts = ["--upstream", &upstream, "--ca-file", file.to_str().unwrap()];
    let corsair = Corsair::start(&[&trusts[..], &["--timeout-connect", "300ms"]].concat());
    let stalled = [0, 1, 5, 100, 1000].map(|at| {
        let before = behind.seen().connections;
        behind.download([StallAfter(at, Gate::new())]);
        let mut client = corsair.connect();
        client.send(GET);
        behind.wait("it has its own connection", |seen| seen.connections > before);
        (at, client)
    });
    for (at, mut client) in stalled {
        assert_eq!(client.response().status, 504, "{at}");
    }
    assert_eq!(origin.seen().heads, 0);

    let serves = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let corsair = Corsair::start(&[&trusts[..], &serves, &["--timeout-head", "300ms"]].concat());
    let front = Network::to(corsair.address());
    for (count, at) in [0, 1, 5, 100].into_iter().enumerate() {
        front.upload([StallAfter(at, Gate::new())]);
        let mut client = Client::connect_tls(front.address(), "localhost", authority.client(&["http/1.1"]));
        assert!(!client.offer(GET), "{at}: a handshake without an end");
        front.wait("corsair lets go of it", |seen| seen.download.closed + seen.download.reset > count);
    }
}

#[test]
fn an_upstream_that_stops_taking_the_upload_is_a_504_after_timeout_send() {
    const SIZE: usize = 32 << 20;
    let origin = Origin::echo();
    let network = Network::to(origin.address());
    network.upload([Narrow(16 << 10), StallAfter(1000, Gate::new())]);
    let corsair = Corsair::reverse(network.address(), &["--timeout-send", "300ms"]);
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
    let mut writer = client.writer();
    let upload = thread::spawn(move || drop(writer.write_all(&vec![b'x'; SIZE])));
    let response = client.response();
    assert_eq!(response.status, 504);
    assert!(response.field("proxy-status").unwrap().contains("error=connection_write_timeout"));
    drop(client);
    upload.join().unwrap();
    assert!(origin.seen().requests.is_empty());
}

#[test]
fn a_client_that_takes_little_by_little_gets_everything() {
    let data = noise(400_000, 3);
    let copy = data.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", copy.len()));
        exchange.send(&copy);
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let network = Network::to(corsair.address());
    let turns = Turns::new();
    network.download([Narrow(8 << 10), TakeSlowly(2000, turns.clone())]);
    let mut client = network.connect();
    client.send(GET);
    let mut taken = 0;
    while taken < data.len() {
        turns.allow(1);
        network.wait("it is taken", |seen| seen.download.bytes > taken);
        taken = network.seen().download.bytes;
    }
    turns.allow(1000);
    assert!(client.response().body == data);
}

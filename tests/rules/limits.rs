//! Rules 41 to 44: how much of anything there may be, how long it may take, and how its end is told.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::scene::Scene;
use crate::support::{Corsair, Fault, Gate, Origin, Then, answer, pause};

/// A chunked request.
fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// A GET with this target and these field lines.
fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn rule_41_a_request_line_a_head_and_a_number_of_fields_have_their_own_limits() {
    let pad = |size: usize| "a".repeat(size);
    let fields = |count: usize| get("/", &"X: 1\r\n".repeat(count));
    // `GET / HTTP/1.1`, `Host: a`, the empty line: 27 bytes and what is padded.
    let with_target = |size: usize| get(&format!("/{}", pad(size - 27)), "");
    let with_value = |size: usize| get("/", &format!("X: {}\r\n", pad(size - 32)));
    let flags = ["--limit-head", "1k", "--limit-fields", "6"];
    Scene::new(&flags).assert_refused([
        (431, fields(6)),
        (431, with_value(1025)),
        (431, with_value(5000)),
        (431, get("/", &format!("{}: 1\r\n", pad(1000)))),
        (431, get(&format!("/{}", pad(500)), &format!("X: {}\r\n", pad(600)))),
        (414, get(&format!("/{}", pad(1100)), "")),
        (414, pad(1100)),
    ]);
    let scene = Scene::new(&flags);
    for message in [fields(5), with_target(1024), with_value(1024)] {
        scene.assert_forwarded(&message, &message);
    }
}

#[test]
fn rule_41_a_body_has_a_limit_before_and_while_it_is_read() {
    let flags = ["--limit-body", "8"];
    let scene = Scene::new(&flags);
    let length = |length: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    scene.assert_refused([
        (413, length("9", "")),
        (413, length("18446744073709551615", "")),
        (413, length("9", "123456789")),
    ]);
    scene.assert_broken([
        (413, chunked("9\r\n"), chunked("")),
        (413, chunked("ffffffffffffffff\r\n"), chunked("")),
        (413, chunked("8\r\n12345678\r\n1\r\n9\r\n0\r\n\r\n"), chunked("8\r\n12345678\r\n")),
        (
            413,
            chunked("4\r\n1234\r\n4\r\n5678\r\nfffffffffffffffc\r\n"),
            chunked("4\r\n1234\r\n4\r\n5678\r\n"),
        ),
    ]);
    let scene = Scene::new(&flags);
    for message in [length("8", "12345678"), chunked("4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n")] {
        scene.assert_forwarded(&message, &message);
    }
}

#[test]
fn rule_41_a_trailer_section_has_a_limit_both_ways() {
    let flags = ["--limit-trailers", "20", "--limit-fields", "3"];
    let most = chunked("1\r\nA\r\n");
    let with = |trailers: &str| format!("1\r\nA\r\n0\r\n{trailers}\r\n");
    let (long, many, within) = ("X: 1234567890123456\r\n", "X: 1\r\n".repeat(4), "X: 12345\r\nY: 3\r\n");
    Scene::new(&flags).assert_broken([
        (400, chunked(&with(long)), most.as_str()),
        (400, chunked(&with(&many)), most.as_str()),
    ]);
    let scene = Scene::new(&flags);
    scene.assert_forwarded(&chunked(&with(within)), &chunked(&with(within)));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (trailers, passes) in [(long, false), (many.as_str(), false), (within, true)] {
        for (cut, _, response) in scene.responses(&format!("{head}{}", with(trailers)), Then::Close) {
            match response {
                Ok(response) if passes => assert_eq!(response.trailers.0.len(), 2, "{cut:?}"),
                Ok(response) => assert_eq!(response.status, 502, "{trailers:?} {cut:?}"),
                Err(fault) => assert!(
                    !passes && matches!(fault, Fault::Truncated { .. }),
                    "{trailers:?} {cut:?} {fault:?}"
                ),
            }
        }
    }
}

#[test]
fn rule_41_a_response_head_has_a_limit() {
    let scene = Scene::new(&["--limit-response-head", "1k", "--limit-fields", "6"]);
    let pad = format!("X: {}\r\n", "a".repeat(1000));
    for (fields, status) in [("X: 1\r\n".repeat(5), 200), ("X: 1\r\n".repeat(6), 502), (pad, 502)] {
        for (cut, _, response) in scene.responses(&answer("200 OK", &fields, "ok"), Then::KeepAlive) {
            assert_eq!(response.unwrap().status, status, "{fields:?} {cut:?}");
        }
        scene.assert_good();
    }
}

#[test]
fn rule_42_the_time_for_a_head_is_a_total() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-head", "300ms"]);
    let mut trickling = corsair.connect();
    let mut stalled = corsair.connect();
    let mut silent = corsair.connect();
    stalled.send("G");
    trickling.send("GET / HTTP/1.1\r\nX-A: ");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2)
        && trickling.offer("a")
        && trickling.is_quiet_for(Duration::from_millis(30))
    {}
    assert_eq!(trickling.response().status, 408);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    let response = stalled.response();
    assert_eq!((response.status, response.closes()), (408, true));
    silent.expect_fin();
    assert_eq!(origin.connections(), 0);
}

#[test]
fn rule_42_stalls_end_in_408_in_504_and_silently() {
    let flags =
        ["--timeout-body-idle", "250ms", "--timeout-response", "250ms", "--timeout-keep-alive", "250ms"];
    let scene = Scene::answering("", Then::Hold, &flags);
    let mut stalled: Vec<_> = [("Content-Length: 9", "abc"), ("Transfer-Encoding: chunked", "3\r\nabc\r\n")]
        .map(|(framing, part)| {
            let mut client = scene.corsair.connect();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{part}"));
            client
        })
        .into();
    let mut unanswered = scene.corsair.connect();
    unanswered.send(get("/", ""));
    for client in &mut stalled {
        let response = client.response();
        assert_eq!((response.status, response.closes()), (408, true));
        client.expect_end();
    }
    assert_eq!(unanswered.response().status, 504);
    unanswered.expect_fin();
    scene.origin.wait("every connection is closed", |seen| seen.open == 0);
    assert_eq!(scene.origin.seen().requests.len(), 1);
    scene.assert_good();
}

/// Waits until `count` has stood still, and returns it.
fn at_rest(count: &AtomicUsize) -> usize {
    let end = Instant::now() + Duration::from_secs(8);
    let mut before = usize::MAX;
    while Instant::now() < end {
        let now = count.load(Ordering::Relaxed);
        if now == before && now > 0 {
            return now;
        }
        before = now;
        pause(Duration::from_millis(150));
    }
    panic!("never at rest: {before} bytes");
}

/// What the buffers of both kernels' ends and of corsair may hold; far less than what is offered.
const HELD: usize = 16 << 20;
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 1024;

#[test]
fn rule_43_a_client_that_does_not_read_stops_the_upstream() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BLOCK * BLOCKS));
        while exchange.send(vec![0; BLOCK]) {
            counter.fetch_add(BLOCK, Ordering::Relaxed);
        }
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(get("/", ""));
    let held = at_rest(&sent);
    assert!(held < HELD, "{held} bytes");
    let before = corsair.rss_kib();
    client.until(b"\r\n\r\n");
    client.reset();
    origin.wait("the upstream is let go", |seen| seen.open == 0);
    assert!(before < 64 << 10, "{before} KiB");
}

#[test]
fn rule_43_an_upstream_that_does_not_read_stops_the_client() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |_| {
        wait.wait();
        Then::Reset
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", BLOCK * BLOCKS));
    let sent = Arc::new(AtomicUsize::new(0));
    let (mut writer, counter) = (client.writer(), Arc::clone(&sent));
    let upload = thread::spawn(move || {
        while writer.write_all(&[0; BLOCK]).is_ok() {
            counter.fetch_add(BLOCK, Ordering::Relaxed);
        }
    });
    let held = at_rest(&sent);
    gate.open();
    assert!(held < HELD, "{held} bytes");
    assert_eq!(client.response().status, 502);
    drop(client);
    upload.join().unwrap();
}

#[test]
fn rule_43_unread_responses_stop_the_parsing_of_pipelined_requests() {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    let body = "x".repeat(BLOCK);
    let origin = Origin::start(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        answer("200 OK", "", &body).into_bytes()
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(get("/", "").repeat(BLOCKS));
    let asked = at_rest(&served);
    assert!(asked < HELD / BLOCK, "{asked} of {BLOCKS} requests were taken");
    for _ in 0..BLOCKS {
        assert_eq!(client.response().body.len(), BLOCK);
    }
    assert_eq!(served.load(Ordering::Relaxed), BLOCKS);
}

#[test]
fn rule_44_errors_carry_a_length_and_head_gets_no_body() {
    let corsair = Corsair::start(&["--upstream", "http://127.0.0.1:1"]);
    let mut client = corsair.connect();
    for _ in 0..2 {
        for method in ["HEAD", "GET"] {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            let response = client.response_to(method);
            assert_eq!((response.status, response.closes()), (502, false), "the connection lives on");
            assert_eq!(response.body.is_empty(), method == "HEAD");
            assert!(response.fields.has("content-length") && response.fields.has("date"));
        }
    }
    let response = corsair.ask("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    assert_eq!((response.status, response.closes(), response.body.len()), (400, true, 0));
}

#[test]
fn rule_44_an_error_reaches_a_client_that_is_still_sending() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--limit-body", "64k"]);
    let block = "x".repeat(BLOCK);
    for message in [
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n{}", block.repeat(10)),
        chunked(&format!("10000\r\n{block}\r\n").repeat(10)),
        format!("GET /{} HTTP/1.1\r\n", block.repeat(8)),
        format!("GET / HTTP/1.1\r\nX: {}\r\n", block.repeat(8)),
        format!("BAD LINE\r\n\r\n{}", block.repeat(10)),
    ] {
        for _ in 0..5 {
            let mut client = corsair.connect();
            client.offer(&message);
            let response = client.response();
            assert!((400..500).contains(&response.status) && response.closes(), "{:.60?}", message);
            client.expect_fin();
        }
    }
    assert!(origin.seen().requests.is_empty());
}

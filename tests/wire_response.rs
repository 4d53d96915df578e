//! Responses on the wire: what passes, what becomes a 502, what must be seen as cut.
//!
//! Every case is answered in one write and again in pieces of one to three bytes.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{net::SocketAddr, time::Duration};

use support::{Corsair, Exchange, Fault, Framing, Gate, Origin, Response, Then, bytes, pause};

fn reply(exchange: &mut Exchange<'_>, text: &str, dribbled: bool) {
    let data = bytes(text);
    let pieces = if dribbled { data.chunks(2) } else { data.chunks(data.len().max(1)) };
    for piece in pieces {
        if !exchange.send(piece) {
            break;
        }
        if dribbled {
            pause(Duration::from_micros(80));
        }
    }
}

/// Answers `/good` well and everything else with `text`, then does `then`.
fn scripted(text: &'static str, dribbled: bool, then: Then) -> Origin {
    Origin::on_head(move |exchange| {
        exchange.request();
        if exchange.target == "/good" {
            exchange.send(support::answer("200 OK", "", "good"));
            return Then::KeepAlive;
        }
        reply(exchange, text, dribbled);
        then
    })
}

fn ask(corsair: SocketAddr, method: &str) -> Result<Response, Fault> {
    let mut client = support::Client::connect(corsair);
    client.send(format!("{method} /case HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.try_response(method)
}

fn assert_502(cases: &[&'static str]) {
    for text in cases {
        for dribbled in [false, true] {
            let origin = scripted(text, dribbled, Then::Hold);
            let corsair = Corsair::reverse(origin.address(), &["--timeout-response", "1s"]);
            let response =
                ask(corsair.address(), "GET").unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
            assert_eq!(response.status, 502, "{text:?} (dribbled: {dribbled})");
            assert!(!response.text().contains("POISON"), "{text:?}");
            origin.wait("the connection is closed", |seen| seen.open == 0);
            for _ in 0..2 {
                assert_eq!(corsair.get("/good", "").text(), "good", "{text:?}");
            }
        }
    }
}

#[test]
fn what_is_no_status_line_is_a_502() {
    assert_502(&[
        "POISON\r\n\r\n",
        "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1\t200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok",
        "\r\n\r\n\r\n\r\nPOISON\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ]);
}

#[test]
fn malformed_response_fields_are_a_502() {
    assert_502(&[
        "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: POISON\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: a\x08b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A : x\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nnocolon\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok",
    ]);
}

#[test]
fn ambiguous_response_framing_is_a_502_without_a_body_byte() {
    assert_502(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: 6, 7\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: +6\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x6\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n6\r\nPOISON\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n6\r\nPOISON\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n6\r\nPOISON\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nPOISON\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nContent-Length: 6\r\n\r\nPOISON",
    ]);
}

#[test]
fn a_101_that_was_not_asked_for_is_a_502() {
    assert_502(&[
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nPOISON",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nPOISON",
    ]);
}

#[test]
fn an_end_before_the_head_is_a_502_at_once() {
    for text in
        ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]
    {
        for then in [Then::Close, Then::Reset] {
            let origin = scripted(text, false, then);
            let corsair = Corsair::reverse(origin.address(), &[]);
            let response = ask(corsair.address(), "POST").unwrap();
            assert_eq!(response.status, 502, "{text:?} {then:?}");
        }
    }
}

/// Responses, how they end, and the body that an HTTP/1.1 client gets.
const PASSING: &[(&str, Then, &str)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Then::KeepAlive, "ok"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok", Then::KeepAlive, "ok"),
    ("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", Then::KeepAlive, "ok"),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close, "ok"),
    ("HTTP/1.0 200 OK\r\n\r\nok", Then::Close, "ok"),
    ("HTTP/1.1 200 OK\r\n\r\nok", Then::Close, "ok"),
    ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Then::Close, ""),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Then::KeepAlive, "ok"),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding:\tCHUNKED \r\n\r\n02;x=y\r\nok\r\n00\r\n\r\n",
        Then::KeepAlive,
        "ok",
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::KeepAlive, ""),
    (
        "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nok",
        Then::KeepAlive,
        "ok",
    ),
];

#[test]
fn every_framing_of_a_response_arrives_complete_and_canonical() {
    for (text, then, body) in PASSING {
        for dribbled in [false, true] {
            let origin = scripted(text, dribbled, *then);
            let corsair = Corsair::reverse(origin.address(), &[]);
            let mut client = corsair.connect();
            client.send("GET /case HTTP/1.1\r\nHost: a\r\n\r\n");
            let response = client.response();
            assert_eq!((response.status, response.text().as_str()), (200, *body), "{text:?}");
            assert_ne!(response.framing, Framing::UntilClose, "{text:?}: keep-alive lives on");
            assert!(!response.fields.has("upgrade") && !response.fields.has("keep-alive"));
            client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().text(), "good", "{text:?}");
        }
    }
}

#[test]
fn an_http_10_client_never_sees_chunks_or_interim_responses() {
    for (text, then, body) in PASSING {
        let origin = scripted(text, false, *then);
        let corsair = Corsair::reverse(origin.address(), &[]);
        let response = corsair.ask("GET /case HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_eq!(response.text(), *body, "{text:?}");
        assert!(!response.fields.has("transfer-encoding"), "{text:?}");
    }
    let origin = scripted(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        false,
        Then::KeepAlive,
    );
    let response = Corsair::reverse(origin.address(), &[]).ask("GET /case HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(response.interim.is_empty());
}

#[test]
fn folded_response_fields_are_unfolded() {
    let origin = scripted(
        "HTTP/1.1 200 OK\r\nX-A: one\r\n \ttwo\r\nContent-Length: 0\r\n\r\n",
        false,
        Then::KeepAlive,
    );
    let response = ask(Corsair::reverse(origin.address(), &[]).address(), "GET").unwrap();
    let value = response.field("x-a").unwrap();
    assert_eq!(value.split_whitespace().collect::<Vec<_>>(), ["one", "two"], "{value:?}");
}

#[test]
fn responses_without_a_body_end_with_their_head() {
    for (method, text, keeps_length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", true),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", false),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n", true),
        ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", false),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n", false),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", false),
    ] {
        let origin = scripted(text, false, Then::KeepAlive);
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(format!("{method} /case HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response_to(method);
        assert_eq!(response.field("content-length"), keeps_length.then_some("44"), "{method} {text:?}");
        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().text(), "good", "{method} {text:?}");
        assert_eq!(origin.connections(), 1, "{method} {text:?}: reusable at once");
    }
}

#[test]
fn bytes_behind_a_complete_response_reach_no_client() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    for (method, good) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    ] {
        let text: &'static str = Box::leak(format!("{good}{poison}").into_boxed_str());
        // Not dribbled: a byte that comes after the next request has left cannot be told from its answer.
        let origin = scripted(text, false, Then::KeepAlive);
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(format!("{method} /case HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.response_to(method).status < 400, "{text:?}");
        for _ in 0..2 {
            client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().text(), "good", "{text:?}");
            assert_eq!(corsair.get("/good", "").text(), "good", "{text:?}");
        }
    }
}

#[test]
fn an_unsolicited_408_on_an_idle_connection_reaches_no_client() {
    let gate = Gate::new();
    let sent = Gate::new();
    let (wait, done) = (gate.clone(), sent.clone());
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(support::answer("200 OK", "", "good"));
        if exchange.number == 0 {
            wait.wait();
            exchange.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            done.open();
            return Then::Close;
        }
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/", "").status, 200);
    gate.open();
    sent.wait();
    for _ in 0..3 {
        assert_eq!(corsair.get("/", "").status, 200);
    }
}

/// Heads and partial bodies; the end that follows must be visible to the client.
const CUT: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nparts!\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\npart\r\n0\r\n\r\n",
];

#[test]
fn a_body_that_ends_too_early_or_breaks_is_seen_as_cut() {
    for text in CUT {
        for then in [Then::Close, Then::Reset] {
            let origin = scripted(text, false, then);
            let corsair = Corsair::reverse(origin.address(), &[]);
            match ask(corsair.address(), "GET") {
                Ok(response) => assert_eq!(response.status, 502, "{text:?} {then:?}: looks complete"),
                // A cut inside a chunk header or trailer section is as visible as one inside data.
                Err(Fault::Truncated { .. } | Fault::Malformed(_)) => {}
                Err(fault) => panic!("{text:?} {then:?}: {fault:?}"),
            }
            assert_eq!(corsair.get("/good", "").text(), "good", "{text:?}");
        }
    }
}

#[test]
fn a_reset_under_a_close_delimited_body_is_seen_as_cut() {
    let origin = scripted("HTTP/1.1 200 OK\r\n\r\npart", false, Then::Reset);
    let corsair = Corsair::reverse(origin.address(), &[]);
    match ask(corsair.address(), "GET") {
        Ok(response) => assert_eq!(response.status, 502),
        Err(fault) => assert!(matches!(fault, Fault::Truncated { .. } | Fault::Malformed(_)), "{fault:?}"),
    }
}

#[test]
fn an_http_10_client_sees_a_cut_as_a_reset() {
    for text in CUT {
        let origin = scripted(text, false, Then::Close);
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send("GET /case HTTP/1.0\r\nHost: a\r\n\r\n");
        match client.try_response("GET") {
            Ok(response) => assert_eq!(response.status, 502, "{text:?}: looks complete"),
            Err(fault) => {
                let visible = matches!(fault, Fault::Truncated { .. } | Fault::Reset | Fault::Closed);
                assert!(visible, "{text:?}: {fault:?}");
            }
        }
    }
}

#[test]
fn interim_responses_are_relayed_at_once_and_in_order() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 Strange\r\n\r\n");
        wait.wait();
        exchange.send(support::answer("200 OK", "", "done"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let first = client.next_head();
    assert_eq!((first.status().unwrap(), first.fields.get("link")), (103, Some("</a>")));
    assert_eq!(client.next_head().status().unwrap(), 199);
    gate.open();
    assert_eq!(client.response().text(), "done");
}

#[test]
fn response_fields_keep_their_order_and_hop_by_hop_ones_stay() {
    let text = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-B: 1\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n\
                Proxy-Connection: close\r\nSet-Cookie: b=2\r\nX-B: 2\r\nServer: its\r\nContent-Length: 2\r\n\r\nok";
    let origin = scripted(text, false, Then::Close);
    let corsair = Corsair::reverse(origin.address(), &[]);
    let response = ask(corsair.address(), "GET").unwrap();
    assert_eq!(response.fields.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.fields.all("x-b"), ["1", "2"]);
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert!(!response.fields.has(name), "{name}");
    }
    assert!(!response.closes(), "the upstream's close is not the client's");
    assert_eq!(response.field("server"), Some("its"));
    assert!(response.field("via").unwrap().contains("corsair"));
    assert!(response.fields.has("date"), "Date is added where missing");
}

#[test]
fn response_trailers_pass_and_never_as_framing() {
    let text = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    let origin = scripted(text, false, Then::KeepAlive);
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET /case HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    assert_eq!(client.response().trailers.get("x-sum"), Some("1"));
    let evil =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 50\r\n\r\n";
    let origin = scripted(evil, false, Then::KeepAlive);
    let corsair = Corsair::reverse(origin.address(), &[]);
    if let Ok(response) = ask(corsair.address(), "GET") {
        assert!(!response.trailers.has("content-length"), "{:?}", response.trailers);
    }
}

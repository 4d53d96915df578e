//! Rules 30 to 40: what is taken for a response, when a connection is used again, what must be seen as cut.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::scene::Scene;
use crate::support::{Client, Corsair, Exchange, Fault, Gate, Origin, Response, Then, answer};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn rule_30_what_is_no_http_1_status_line_is_a_502() {
    let scene = Scene::new(&["--timeout-response", "2s"]);
    scene.assert_502(&[
        "POISON\r\n\r\n",
        "<html>POISON</html>\r\n\r\n\r\n",
        "ICY 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/2.0 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/0.9 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "http/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 20 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 2000 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 099 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 -20 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1  200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1\t200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200\tOK\r\nContent-Length: 6\r\n\r\nPOISON",
        " HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200 O\rK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200 O\x00K\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200 O\x01K\r\nContent-Length: 6\r\n\r\nPOISON",
        "\nHTTP/1.1 200 OK\nContent-Length: 6\n\nPOISON",
        "HTTP/1.1 200\r\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1\nContent-Length: 6\n\nPOISON",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ]);
    for (line, reason) in [
        ("HTTP/1.1 200 ", " "),
        ("HTTP/1.1 200", " "),
        ("HTTP/1.0 200 OK", " OK"),
        ("HTTP/1.7 200 O\tK", " O\tK"),
        ("HTTP/1.1 200 \u{e9}", " \u{e9}"),
    ] {
        scene.say(
            &format!("{line}\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
            Then::KeepAlive,
        );
        for (cut, mut client) in scene.relayed("GET", "HTTP/1.1\r\nHost: a\r\n\r\n") {
            let head = client.until(b"\r\n");
            assert_eq!(
                crate::support::latin1(&head),
                format!("HTTP/1.1 200{reason}\r\n"),
                "{line:?} {cut:?}"
            );
        }
    }
}

#[test]
fn rule_30_a_malformed_field_of_a_response_is_a_502() {
    let heads = [
        "X-A: a\x00b",
        "X-A: a\rSet-Cookie: POISON",
        "X-A: a\nX-B",
        "X-A: a\r\r",
        "X-A : a\x00b",
        "Bad Name: x",
        "Bad Name : x",
        "nocolon",
        "nocolon\r\n : x",
        ": x",
    ]
    .map(|field| format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 6\r\n\r\nPOISON"));
    Scene::new(&[]).assert_502(&heads.each_ref().map(String::as_str));
}

#[test]
fn rule_31_doubtful_framing_is_a_502_without_a_body_byte() {
    let chunks = "6\r\nPOISON\r\n0\r\n\r\n";
    let lengths = [
        "6\r\nContent-Length: 7",
        "6\r\nContent-Length: 06",
        "6\r\nContent-Length: ",
        "6, 7",
        "6, 6, 7",
        "6,6\r\nContent-Length: 7",
        "6,",
        ",6",
        "+6, +6",
        "6\x01",
        "+6",
        "",
        "-1",
        "0x6",
        "6 6",
        "\u{a0}6",
        "18446744073709551616",
    ]
    .map(|length| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nPOISON"));
    let codings = [
        "gzip",
        "identity",
        "chunked, chunked",
        "chunked, gzip",
        "gzip, chunked",
        "",
        "chunked;x",
        "xchunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nContent-Length: 6",
        "chunked\nContent-Length: 6\nContent-Length: 6",
        "\x0bchunked",
        "xchunked\r\nContent-Length: 6",
    ]
    .map(|coding| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n{chunks}"));
    let spaced = [
        "Transfer-Encoding : chunked\r\nContent-Length: 6",
        "Transfer-Encoding\t: gzip",
        "Content-Length : 6\r\nContent-Length: 7",
    ]
    .map(|fields| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{chunks}"));
    let old = [format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")];
    let all: Vec<&str> =
        lengths.iter().chain(&codings).chain(&spaced).chain(&old).map(String::as_str).collect();
    Scene::new(&[]).assert_502(&all);
}

#[test]
fn rule_31_every_plain_framing_arrives_complete_and_canonical() {
    let scene = Scene::new(&[]);
    for (fields, body, length) in [
        ("Content-Length: 2", "ok", Some("2")),
        ("content-length:\t002 ", "ok", Some("2")),
        ("Content-Length: 0", "", Some("0")),
        ("transfer-encoding:\tCHUNKED ", "02;x=y\r\nok\r\n00\r\n\r\n", None),
        ("Transfer-Encoding: chunked", "1\r\no\r\n1\r\nk\r\n0\r\n\r\n", None),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
        for (cut, mut client, response) in scene.responses(&text, Then::KeepAlive) {
            let response = response.unwrap();
            let expected = if body.is_empty() { "" } else { "ok" };
            assert_eq!(
                (response.text().as_str(), response.field("content-length")),
                (expected, length),
                "{text:?} {cut:?}"
            );
            client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().text(), "good", "{text:?} {cut:?}");
        }
    }
}

/// Method, head, and the `Content-Length` that the client sees.
const BODILESS: &[(&str, &str, Option<&str>)] = &[
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", Some("44")),
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some("0")),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", None),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n", Some("44")),
    ("GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", None),
    ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n", None),
    ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
];

#[test]
fn rule_32_a_response_without_a_body_ends_with_its_head() {
    for (method, text, length) in BODILESS {
        let scene = Scene::answering(text, Then::KeepAlive, &[]);
        for (cut, mut client) in scene.relayed(method, "HTTP/1.1\r\nHost: a\r\n\r\n") {
            let response = client.response_to(method);
            assert_eq!(response.field("content-length"), *length, "{method} {text:?} {cut:?}");
            let lets_a_body_follow = response.status == 204 && response.fields.has("transfer-encoding");
            assert!(!lets_a_body_follow, "{text:?}");
            assert!(client.0.unread.is_empty());
        }
        let scene = Scene::answering(text, Then::KeepAlive, &[]);
        let mut client = scene.corsair.connect();
        for _ in 0..3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            client.response_to(method);
        }
        assert_eq!(scene.origin.connections(), 1, "{method} {text:?}: reusable at once");
        let poison: &str = &format!("{text}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON");
        scene.say(poison, Then::KeepAlive);
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.response_to(method);
        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().text(), "good", "{method} {text:?}: bytes that follow spoil it");
    }
}

/// Heads and partial or broken bodies.
const CUT: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\nX: 1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nparts!\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\npart\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\nbad trailer\r\n\r\n",
];

/// Panics unless the client can see that the response is none, or not whole.
fn assert_seen_as_cut(result: Result<Response, Fault>, case: &str) {
    match result {
        Ok(response) => assert_eq!(response.status, 502, "{case}: looks complete"),
        Err(fault) => assert!(matches!(fault, Fault::Truncated { .. }), "{case}: {fault:?}"),
    }
}

#[test]
fn rule_33_a_body_that_ends_too_early_or_breaks_is_seen_as_cut() {
    let scene = Scene::new(&[]);
    for text in CUT {
        for then in [Then::Close, Then::Reset] {
            for (cut, _, response) in scene.responses(text, then) {
                assert_seen_as_cut(response, &format!("{text:?} {then:?} {cut:?}"));
            }
            scene.assert_good();
        }
        scene.say(text, Then::Close);
        for (cut, mut client) in scene.relayed("GET", "HTTP/1.0\r\n\r\n") {
            match client.try_response("GET") {
                Ok(response) => assert_eq!(response.status, 502, "{text:?} {cut:?}: looks complete"),
                Err(fault) => {
                    let reset = matches!(fault, Fault::Truncated { reset: true, .. } | Fault::Reset);
                    assert!(reset, "{text:?} {cut:?}: {fault:?}");
                }
            }
        }
    }
}

#[test]
fn rule_33_a_stall_or_a_reset_is_seen_as_cut_and_nothing_is_retried() {
    let scene = Scene::new(&["--timeout-upstream-idle", "200ms"]);
    for (text, then) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", Then::Hold),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", Then::Hold),
        ("HTTP/1.1 200 OK\r\n\r\npart", Then::Hold),
    ] {
        scene.origin.wait("no connection is left to be reused", |seen| seen.open == 0);
        let before = scene.origin.seen().requests.len();
        let responses = scene.responses(text, then);
        assert_eq!(scene.origin.seen().requests.len(), before + responses.len(), "no second attempt");
        for (cut, _, response) in responses {
            assert!(matches!(response, Err(Fault::Truncated { .. })), "{text:?} {cut:?}: {response:?}");
        }
    }
    let scene = Scene::answering("HTTP/1.1 200 OK\r\n\r\npart", Then::Reset, &[]);
    for (cut, mut client) in scene.relayed("GET", "HTTP/1.1\r\nHost: a\r\n\r\n") {
        assert_seen_as_cut(client.try_response("GET"), &format!("a close-delimited body {cut:?}"));
    }
}

#[test]
fn rule_34_bytes_behind_a_response_reach_no_client() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    for good in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n",
    ] {
        // In one write: a byte that comes after the next request has left cannot be told from its answer.
        let scene = Scene::answering(&format!("{good}{poison}"), Then::KeepAlive, &[]);
        let mut client = scene.corsair.connect();
        for _ in 0..3 {
            client.send(GET);
            assert!(client.response().status < 400, "{good:?}");
            scene.assert_good();
        }
    }
}

#[test]
fn rule_34_what_an_idle_connection_says_reaches_no_client() {
    for late in [
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "x",
        "",
    ] {
        let (gate, sent) = (Gate::new(), Gate::new());
        let (wait, done) = (gate.clone(), sent.clone());
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(answer("200 OK", "", "good"));
            if exchange.number > 0 {
                return Then::KeepAlive;
            }
            wait.wait();
            exchange.send(late);
            if late.is_empty() {
                exchange.connection.shutdown_write();
            }
            done.open();
            Then::Hold
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        assert_eq!(corsair.ask(GET).text(), "good");
        gate.open();
        sent.wait();
        for request in [POST, GET, POST] {
            assert_eq!(corsair.ask(request).text(), "good", "{late:?}");
        }
        assert_eq!(origin.seen().requests.len(), 4, "{late:?}: each arrives once");
    }
}

#[test]
fn rule_35_only_a_surely_clean_connection_is_used_again() {
    for (text, then, reused) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", Then::KeepAlive, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", Then::KeepAlive, true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", Then::KeepAlive, true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", Then::Hold, false),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 1\r\n\r\nx", Then::Hold, false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", Then::Hold, false),
        ("HTTP/1.1 200 OK\r\n\r\nx", Then::Close, false),
    ] {
        let scene = Scene::answering(text, then, &[]);
        let cuts = ["whole", "dribbled", "9", "17", "40"];
        for cut in cuts {
            assert_eq!(scene.corsair.get(&format!("/{cut}"), "").text(), "x", "{text:?} {cut}");
        }
        let connections = if reused { 1 } else { cuts.len() };
        assert_eq!(scene.origin.connections(), connections, "{text:?}");
        if !reused {
            scene.origin.wait("every connection is closed", |seen| seen.open == 0);
        }
    }
}

/// Answers the first request of a connection; takes the second and ends without a word.
fn stale_origin(then: Then) -> Origin {
    let count = AtomicUsize::new(0);
    Origin::on_head(move |exchange| {
        exchange.request();
        if count.fetch_add(1, Ordering::Relaxed) == 1 {
            return then;
        }
        let body = if exchange.method == "HEAD" { "" } else { "x" };
        exchange.send(answer("200 OK", "", body));
        Then::KeepAlive
    })
}

#[test]
fn rule_36_what_a_stale_connection_swallowed_is_repeated_only_if_safe_and_without_a_body() {
    for then in [Then::Close, Then::Reset] {
        for (method, body, safe) in [
            ("GET", "", true),
            ("HEAD", "", true),
            ("OPTIONS", "", true),
            ("TRACE", "", true),
            ("POST", "Content-Length: 0\r\n", false),
            ("POST", "", false),
            ("PUT", "", false),
            ("DELETE", "", false),
            ("PROPFIND", "", false),
            ("GET", "Content-Length: 2\r\n", false),
            ("GET", "Transfer-Encoding: chunked\r\n", false),
        ] {
            let origin = stale_origin(then);
            let corsair = Corsair::reverse(origin.address(), &[]);
            corsair.ask(GET);
            let data = match body {
                "Content-Length: 2\r\n" => "hi",
                "Transfer-Encoding: chunked\r\n" => "0\r\n\r\n",
                _ => "",
            };
            let response = corsair.ask(format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}\r\n{data}"));
            let (status, seen) = if safe { (200, 3) } else { (502, 2) };
            assert_eq!(
                (response.status, origin.seen().requests.len()),
                (status, seen),
                "{method} {body:?} {then:?}"
            );
        }
    }
}

#[test]
fn rule_36_an_end_before_the_head_on_a_fresh_connection_is_a_502() {
    for then in [Then::Close, Then::Reset] {
        for text in
            ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"]
        {
            let scene = Scene::answering(text, then, &[]);
            for request in [GET, POST] {
                let response = scene.corsair.ask(request);
                assert_eq!(response.status, 502, "{text:?} {then:?}");
                scene.assert_good();
                assert!(response.field("proxy-status").unwrap().contains("error=connection_terminated"));
            }
            assert_eq!(scene.origin.seen().requests.len(), 4, "{text:?} {then:?}: none is repeated");
        }
    }
}

#[test]
fn rule_37_a_final_response_during_the_upload_is_relayed_at_once() {
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        for (status, option) in [("413 Content Too Large", "Connection: close\r\n"), ("200 OK", "")] {
            let origin = Origin::on_head(move |exchange| {
                exchange.send(answer(status, option, "early"));
                if option.is_empty() { Then::Hold } else { Then::Close }
            });
            let corsair = Corsair::reverse(origin.address(), &[]);
            let mut client = corsair.connect();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
            assert_eq!(client.response().text(), "early", "{framing} {status}");
            drop(client);
            origin.wait("a connection with half a request is not kept", |seen| seen.open == 0);
            assert_eq!(origin.connections(), 1);
        }
    }
}

#[test]
fn rule_38_response_fields_keep_their_order_and_none_is_invented() {
    let scene = Scene::new(&[]);
    let fields = "Set-Cookie: a=1\r\nX-B: 1\r\nSet-Cookie: b=2, c\r\nx-a: 2\r\nX-B: 3\r\nServer: its\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let text = answer("200 OK", fields, "ok");
    for (cut, _, response) in scene.responses(&text, Then::KeepAlive) {
        let response = response.unwrap();
        let mut lines = response.fields.0.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let theirs: String = lines.by_ref().take(7).collect();
        assert_eq!(theirs, fields, "{cut:?}");
        let ours: Vec<String> = lines.map(|line| line.split(':').next().unwrap().to_owned()).collect();
        let expected =
            ["Content-Length", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Via"];
        assert_eq!(ours, expected, "{cut:?}");
    }
    let lines: Vec<String> = scene.caused().concat().split("\r\n").map(str::to_owned).collect();
    let asked = lines.iter().all(|line| line.is_empty() || line == "Host: a" || line.starts_with("GET /"));
    assert!(asked, "no User-Agent, no Accept, no length: {lines:?}");
}

#[test]
fn rule_39_heads_and_chunks_leave_as_they_arrive() {
    let origin = Origin::on_head(|exchange: &mut Exchange<'_>| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for word in ["1\r\na\r\n", "2\r\nbb\r\n", "3\r\nccc\r\n"] {
            let Ok(got) = exchange.connection.exactly(word.len()) else { return Then::Close };
            if got != word.as_bytes() || !exchange.send(word) {
                return Then::Close;
            }
        }
        exchange.request();
        exchange.send("0\r\n\r\n");
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().status().unwrap(), 200, "the head comes before any chunk");
    // Each goes up and comes back before the next is sent.
    for word in ["1\r\na\r\n", "2\r\nbb\r\n", "3\r\nccc\r\n"] {
        client.dribble(word).until(word.as_bytes());
    }
    client.send("0\r\n\r\n").until(b"0\r\n\r\n");
}

/// An origin that takes requests and answers when the gate opens.
fn slow_origin(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::on_head(move |exchange| {
        exchange.request();
        if !gate.opens_within(Duration::from_secs(5)) {
            return Then::Close;
        }
        exchange.send(answer("200 OK", "", "slow"));
        Then::KeepAlive
    })
}

#[test]
fn rule_40_a_fin_behind_a_request_is_no_abort_and_a_reset_is() {
    let gate = Gate::new();
    let origin = slow_origin(&gate);
    let corsair = Corsair::reverse(origin.address(), &[]);
    for request in [GET, POST] {
        let before = origin.seen().requests.len();
        let mut client = corsair.connect();
        client.send(request).shutdown_write();
        origin.wait("the request arrives", |seen| seen.requests.len() == before + 1);
        gate.open();
        assert_eq!(client.response().text(), "slow");
        client.expect_end();
    }
    let origin = Origin::on_head(|exchange| {
        if exchange.method == "GET" {
            exchange.request();
        }
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    for (what, request) in
        [("waiting", GET), ("sending", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi")]
    {
        let before = origin.seen().heads;
        let mut client: Client = corsair.connect();
        client.send(request);
        origin.wait("the request arrives", |seen| seen.heads == before + 1);
        client.reset();
        assert!(origin.happens(Duration::from_secs(1), |seen| seen.open == 0), "{what}");
    }
}

//! Requests on the wire: what is refused, what is forwarded, and in exactly which form.
//!
//! Every case is sent in one write and again in pieces of one to three bytes; the two must not differ.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use support::{Client, Corsair, Fault, Framing, Origin, Request, answer, bytes};

fn send(client: &mut Client, text: &str, dribbled: bool) {
    let data = bytes(text);
    if dribbled {
        client.dribble(data);
    } else {
        client.offer(data);
    }
}

/// Status 4xx/5xx of `statuses`, then the end; nothing reaches the origin.
fn assert_refused(cases: &[(&str, &[u16])]) {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    for (request, statuses) in cases {
        for dribbled in [false, true] {
            let mut client = corsair.connect();
            send(&mut client, request, dribbled);
            let response = match client.try_response("GET") {
                Ok(response) => response,
                Err(fault) => panic!("{request:?} (dribbled: {dribbled}): {fault:?}"),
            };
            assert!(
                statuses.contains(&response.status),
                "{request:?} (dribbled: {dribbled}): {}",
                response.status
            );
            assert!(response.closes(), "{request:?} (dribbled: {dribbled}): no Connection: close");
            client.expect_end();
            assert_eq!(origin.lines(), Vec::<String>::new(), "{request:?} (dribbled: {dribbled})");
        }
    }
    assert_eq!(corsair.get("/alive", "").status, 200);
}

/// Sends `request`, expects 200, and returns what the origin received: whole, then dribbled.
fn forwarded(request: &str) -> Vec<Request> {
    let mut received = Vec::new();
    for dribbled in [false, true] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        send(&mut client, request, dribbled);
        match client.try_response(request.trim_start().split(' ').next().unwrap()) {
            Ok(response) => assert_eq!(response.status, 200, "{request:?}: {}", response.text()),
            Err(fault) => panic!("{request:?} (dribbled: {dribbled}): {fault:?}"),
        }
        received.push(origin.only_request());
    }
    received
}

#[test]
fn ambiguous_framing_is_refused() {
    assert_refused(&[
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &[400],
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            &[400],
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &[400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello", &[400]),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    ]);
}

#[test]
fn every_transfer_coding_but_one_chunked_is_refused() {
    let values = [
        "gzip",
        "identity",
        "chunked, chunked",
        "chunked, identity",
        "gzip, chunked",
        "chunked;q=1",
        "",
        ",chunked",
        "chunked,",
        "\x0bchunked",
        "\x0cchunked",
        "\u{a0}chunked",
        "chunked\u{85}",
        "chunke",
        "chunkedx",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-Encoding: chunked",
        "gzip\r\nContent-Length: 5",
    ];
    let requests: Vec<String> = values
        .iter()
        .map(|value| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n0\r\n\r\n"))
        .collect();
    let cases: Vec<(&str, &[u16])> =
        requests.iter().map(|request| (request.as_str(), &[400, 501][..])).collect();
    assert_refused(&cases);
}

#[test]
fn a_content_length_that_is_not_plain_digits_is_refused() {
    let values = [
        "",
        "+5",
        "-5",
        "0x5",
        "5_0",
        "1 0",
        "5,5",
        "5, 6",
        "5;",
        "5.0",
        "5e0",
        "\u{b2}",
        "18446744073709551616",
        "99999999999999999999",
        "\x0b5",
        "\u{a0}5",
    ];
    let requests: Vec<String> = values
        .iter()
        .map(|value| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\nhello"))
        .collect();
    let cases: Vec<(&str, &[u16])> = requests.iter().map(|request| (request.as_str(), &[400][..])).collect();
    assert_refused(&cases);
}

#[test]
fn lengths_leave_canonical() {
    for value in ["5", "05", "0000000000000000000000005", "\t5", "5 \t"] {
        for request in
            forwarded(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\nhello"))
        {
            assert_eq!(
                (request.framing, request.body.as_slice()),
                (Framing::Length(5), &b"hello"[..]),
                "{value:?}"
            );
        }
    }
}

#[test]
fn broken_chunks_never_become_a_complete_request() {
    let bodies = [
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5_\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello!!\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\rXhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "10000000000000000\r\nx",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;\r\r\nhello\r\n0\r\n\r\n",
        "5;\x01\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "-1\r\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
        "5\r\nhello\r\n0\r\n X: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \x00\r\n\r\n",
    ];
    for body in bodies {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[]);
        for dribbled in [false, true] {
            let mut client = corsair.connect();
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            send(&mut client, &request, dribbled);
            match client.try_response("POST") {
                Ok(response) => assert_eq!((response.status, response.closes()), (400, true), "{body:?}"),
                Err(fault) => assert!(matches!(fault, Fault::Closed | Fault::Reset), "{body:?}: {fault:?}"),
            }
            client.expect_end();
        }
        origin.wait("the broken request's connection is closed", |seen| seen.open == 0);
        assert_eq!(origin.lines(), Vec::<String>::new(), "{body:?}");
    }
}

#[test]
fn chunks_are_reframed_and_extensions_dropped() {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "005\r\nhello\r\n000\r\n\r\n",
        "5;name=value\r\nhello\r\n0;last\r\n\r\n",
        "5;a=\"b c\"\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n{body}");
        for request in forwarded(&request) {
            assert_eq!(request.body, b"hello", "{body:?}");
        }
    }
}

#[test]
fn trailers_pass_as_trailers_and_never_as_framing_or_credentials() {
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
                   X-Sum: 1\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: x\r\n\
                   Content-Type: text/evil\r\n\r\n";
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.offer(request);
    let status = client.try_response("POST").map_or(400, |response| response.status);
    let seen = origin.seen();
    match status {
        200 => {
            let request = &seen.requests[0];
            for name in ["content-length", "transfer-encoding", "host", "authorization", "content-type"] {
                assert!(!request.trailers.has(name), "{name}");
            }
            assert!(!request.fields.has("x-sum") && !request.fields.has("authorization"));
        }
        other => assert_eq!((other, seen.requests.len()), (400, 0)),
    }
}

#[test]
fn a_body_cut_by_the_client_is_never_completed() {
    for (framing, body) in [
        ("Content-Length: 100", "abc"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "64\r\nabc"),
    ] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}"));
        origin.wait("the head arrives while the body is open", |seen| seen.heads == 1);
        drop(client);
        origin.wait("the connection is closed", |seen| seen.open == 0);
        let seen = origin.seen();
        assert_eq!((seen.requests.len(), seen.aborted.len()), (0, 1), "{framing}");
    }
}

#[test]
fn bodies_follow_any_method_and_are_consumed() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "PATCH", "PROPFIND", "x!#$%&'*+-.^_`|~"] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(format!(
            "{method} /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
             {method} /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\
             GET /three HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        for expected in [method, method, "GET"] {
            assert_eq!(client.response_to(expected).status, 200, "{method}");
        }
        assert_eq!(
            origin.lines(),
            [format!("{method} /one"), format!("{method} /two"), "GET /three".to_owned()]
        );
        assert_eq!(origin.seen().requests[0].body, b"hello");
        assert_eq!(origin.seen().requests[1].body, b"hi");
    }
}

#[test]
fn nothing_behind_connection_close_or_a_refused_request_is_parsed() {
    for first in [
        "GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n",
    ] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send(format!("{first}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.response().closes());
        client.expect_end();
        assert!(!origin.lines().contains(&"GET /smuggled".to_owned()));
    }
}

#[test]
fn malformed_heads_are_refused() {
    assert_refused(&[
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\nHost: a\n\n", &[400]),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A\t: b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x01b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x7fb\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: \x0bb\r\n\r\n", &[400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", &[400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n", &[400]),
    ]);
}

#[test]
fn malformed_request_lines_are_refused() {
    assert_refused(&[
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET / / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", &[400, 505]),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", &[400, 505]),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", &[400, 505]),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", &[505]),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[505]),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", &[505]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]),
        ("GET /\r\n\r\n", &[400, 505]),
        ("GET /\n", &[400, 505]),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", &[400, 405]),
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", &[400, 405]),
        ("CONNECT a:99999 HTTP/1.1\r\nHost: a\r\n\r\n", &[400, 405]),
    ]);
}

#[test]
fn a_host_that_is_missing_double_or_malformed_is_refused() {
    let mut requests = vec![
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET http://a/ HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n".to_owned(),
    ];
    for host in [
        "a b", "a@b", "a/b", "a\\b", "a,b", "a#b", "a?b", "a:80:80", "a:x", "a:-1", "[::1", "::1]", "[::1]x",
        "[a\\b]", "\u{e9}", "u:p@a",
    ] {
        requests.push(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    let cases: Vec<(&str, &[u16])> = requests.iter().map(|request| (request.as_str(), &[400][..])).collect();
    assert_refused(&cases);
}

#[test]
fn targets_are_forwarded_byte_for_byte() {
    for target in [
        "/",
        "/a/../b/./c",
        "//double//",
        "/%2e%2E/%41%zz",
        "/a;b=c,d",
        "/?",
        "/??a=[b]|{c}^`\"<>\\",
        "/~!$&'()*+,;=:@",
    ] {
        for request in forwarded(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")) {
            assert_eq!(request.target, target);
        }
    }
}

#[test]
fn absolute_form_becomes_origin_form_with_the_matching_host() {
    for (line, target, host) in [
        ("GET http://other.test/x?y", "/x?y", "other.test"),
        ("GET HTTP://other.test", "/", "other.test"),
        ("GET http://other.test?q", "/?q", "other.test"),
        ("GET http://other.test:8080/", "/", "other.test:8080"),
        ("OPTIONS http://other.test", "*", "other.test"),
        ("OPTIONS *", "*", "a"),
    ] {
        for request in forwarded(&format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")) {
            assert_eq!((request.target.as_str(), request.fields.get("host")), (target, Some(host)), "{line}");
        }
    }
}

#[test]
fn what_is_legal_though_rare_passes() {
    for (text, name, value) in [
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n", "x-a", "1"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n", "x-a", "1"),
        ("GET / HTTP/1.1\r\nHost:\ta \t\r\nX-A:1\r\n\r\n", "x-a", "1"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: \u{e9}\u{85}\u{ff}\r\n\r\n", "x-a", "\u{e9}\u{85}\u{ff}"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A:\r\n\r\n", "x-a", ""),
        ("GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: 1\r\n\r\n", "!#$%&'*+-.^_`|~", "1"),
        ("GET / HTTP/1.1\r\nHost: a\r\napi_key: k\r\n\r\n", "api_key", "k"),
        ("GET / HTTP/1.5\r\nHost: a\r\nX-A: 1\r\n\r\n", "x-a", "1"),
        ("GET / HTTP/1.0\r\nHost: a\r\nX-A: 1\r\n\r\n", "x-a", "1"),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-A: 1\r\n\r\n", "x-a", "1"),
    ] {
        for request in forwarded(text) {
            assert_eq!(request.fields.get(name), Some(value), "{text:?}");
        }
    }
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, Host, Content-Length, X-Forwarded-For, keep-alive\r\nX-Hop: 1\r\n\
                Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\
                HTTP2-Settings: x\r\nUpgrade: h2c\r\nTE: gzip, trailers\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n";
    for request in forwarded(text) {
        for name in
            ["x-hop", "keep-alive", "proxy-connection", "proxy-authorization", "http2-settings", "upgrade"]
        {
            assert!(!request.fields.has(name), "{name}");
        }
        assert_eq!(request.fields.get("host"), Some("a"));
        assert_eq!(request.fields.get("x-end"), Some("1"));
        assert!(request.fields.has("x-forwarded-for"), "a peer cannot strip what the proxy adds");
        match request.fields.get("te") {
            None => {}
            Some(te) => {
                assert_eq!(te, "trailers");
                assert!(request.fields.members("connection").contains(&"te".to_owned()));
            }
        }
    }
}

#[test]
fn only_websocket_is_upgraded_and_only_when_connection_says_so() {
    for fields in [
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: evil\r\n",
    ] {
        for request in forwarded(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")) {
            assert!(!request.fields.has("upgrade"), "{fields}");
        }
    }
    for request in forwarded("GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    {
        assert!(!request.fields.has("upgrade"), "HTTP/1.0 cannot upgrade");
    }
}

#[test]
fn the_real_peer_is_forwarded_and_claims_are_dropped() {
    let text = "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n\
                X-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n\r\n";
    for request in forwarded(text) {
        assert_eq!(request.fields.get("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(request.fields.get("x-forwarded-proto"), Some("http"));
        assert_eq!(request.fields.get("x-forwarded-host"), Some("shop.test"));
        assert!(!request.fields.get("forwarded").unwrap().contains("9.9.9.9"));
        assert!(request.fields.get("via").unwrap().starts_with("1.1 corsair"));
        assert!(request.fields.has("x-request-id") && request.fields.has("traceparent"));
    }
}

#[test]
fn our_own_via_is_a_loop_and_anothers_is_none() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/", "Via: 1.1 corsair (another)\r\n").status, 200);
    let vias = origin.only_request().fields.all("via").join(", ");
    assert!(vias.starts_with("1.1 corsair (another)"), "{vias}");
    let own = vias.rsplit(", ").next().unwrap();
    assert_eq!(corsair.get("/", &format!("Via: {own}\r\n")).status, 508);
}

#[test]
fn max_forwards_counts_down_and_ends_here() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let ask =
        |value: &str| corsair.ask(format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n"));
    assert_eq!(ask("5").status, 200);
    assert_eq!(origin.only_request().fields.get("max-forwards"), Some("4"));
    assert!(ask("0").status < 500);
    assert_eq!(origin.seen().requests.len(), 1);
}

#[test]
fn field_order_is_kept_and_nothing_is_invented() {
    let text =
        "GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n";
    for request in forwarded(text) {
        assert_eq!(request.fields.all("x-b"), ["1", "3"]);
        assert_eq!(request.fields.all("cookie"), ["a=1", "b=2"]);
        let ours: Vec<&str> = request
            .fields
            .0
            .iter()
            .map(|(n, _)| n.as_str())
            .filter(|n| n.to_ascii_lowercase().starts_with("x-") && n.len() == 3)
            .collect();
        assert_eq!(ours.iter().map(|n| n.to_ascii_lowercase()).collect::<Vec<_>>(), ["x-b", "x-a", "x-b"]);
        for name in [
            "user-agent",
            "accept",
            "content-type",
            "te",
            "accept-encoding",
            "content-length",
            "transfer-encoding",
        ] {
            assert!(!request.fields.has(name), "{name}");
        }
    }
}

#[test]
fn a_head_may_be_cut_anywhere() {
    let text = "POST /x?y=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n";
    let origin = Origin::always(answer("200 OK", "", "x"));
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    for position in 1..text.len() {
        client.send_split(text, position);
        assert_eq!(client.response().status, 200, "cut at {position}");
    }
    let seen = origin.seen();
    assert_eq!(seen.requests.len(), text.len() - 1);
    assert!(seen.requests.iter().all(|request| request.body == b"abc" && request.target == "/x?y=1"));
}

#[test]
fn an_http_10_client_gets_its_answer_and_the_end() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.expect_fin();
    let mut client = corsair.connect();
    client.send("GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert!(response.fields.members("connection").contains(&"keep-alive".to_owned()));
    client.send("GET /2 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

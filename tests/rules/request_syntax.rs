//! Rules 11 to 22: what a request head may look like, and what becomes of it.

use std::time::{Duration, Instant};

use super::scene::{GOOD, Scene};

/// A GET with these field lines.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// A request with this first line.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

#[test]
fn rule_11_the_head_is_rendered_anew() {
    let scene = Scene::new(&[]);
    for (message, expected) in [
        ("GET / HTTP/1.1\r\nHost:a\r\nX-A:1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"),
        (
            "GET / HTTP/1.1\r\nX-A: \t 1\t \r\nhOST:\ta \t\r\nX-B:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: \r\n\r\n",
        ),
        (
            "POST /x HTTP/1.0\r\ncontent-length:\t002\r\nHost: a\r\n\r\nhi",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
        ),
    ] {
        scene.assert_forwarded(message, expected);
    }
}

#[test]
fn rule_12_lines_end_in_crlf_and_hold_no_bare_cr() {
    let scene = Scene::new(&[]);
    scene.assert_refused(
        [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-B: c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX\r-A: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\rX-A: b\r\n\r\n",
            "GET / HTTP/1.1\rHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\r / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        .map(|message| (400, message)),
    );
    for empty in ["\r\n", "\r\n\r\n"] {
        scene.assert_forwarded(&format!("{empty}{}", get("")), &get(""));
    }
}

#[test]
fn rule_12_an_empty_line_behind_a_body_starts_no_clock() {
    let flags = ["--timeout-head", "250ms", "--timeout-keep-alive", "1200ms"];
    let scene = Scene::new(&flags);
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for lines in ["\r\n", "\r\n\r\n", "\r"] {
        // With the body, and behind the answer.
        for together in [true, false] {
            let mut client = scene.corsair.connect();
            client.send(format!("{post}{}", if together { lines } else { "" }));
            assert_eq!(client.response().status, 200, "{lines:?}");
            if !together {
                client.send(lines);
            }
            assert!(client.is_quiet_for(Duration::from_millis(600)), "{lines:?}: an answer nobody asked for");
            let rest = if lines == "\r" { "\n" } else { "" };
            client.send(format!("{rest}{}", GOOD));
            assert_eq!(client.response().text(), "good", "{lines:?}");
        }
        // The wait ends without a word, and its end does not move.
        let mut silent = scene.corsair.connect();
        silent.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        silent.response();
        let begun = Instant::now();
        silent.send(lines);
        silent.expect_fin();
        assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&begun.elapsed()), "{lines:?}");
    }
    // Nor does it hide a third one, or the clock of what follows.
    let mut third = scene.corsair.connect();
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    third.response();
    for _ in 0..2 {
        third.send("\r\n");
        assert!(third.is_quiet_for(Duration::from_millis(50)));
    }
    third.send("\r\n");
    assert_eq!(third.response().status, 400);
    let mut stalled = scene.corsair.connect();
    stalled.send("\r\nG");
    assert_eq!(stalled.response().status, 408);
}

#[test]
fn rule_13_blanks_before_a_colon_or_a_field_and_folding_are_refused() {
    Scene::new(&[]).assert_refused(
        [
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n \r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: 5\r\n\r\n",
        ]
        .map(|message| (400, message)),
    );
}

#[test]
fn rule_14_a_field_name_is_a_token_and_no_line_is_dropped() {
    let scene = Scene::new(&[]);
    let mut lines: Vec<String> =
        ["nocolon", ": empty", ":", "=a", "GET / HTTP/1.1"].map(str::to_owned).into();
    let no_tokens = (0_u8..128)
        .chain([0x80, 0x85, 0xa0, 0xe9, 0xff])
        .filter(|b| !(b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:\r\n".contains(b)));
    lines.extend(no_tokens.map(|byte| format!("X{}A: b", char::from(byte))));
    scene.assert_refused(lines.iter().map(|line| (400, get(&format!("{line}\r\n")))));
    for name in ["!#$%&'*+-.^_`|~", "0", "api_key"] {
        scene.assert_forwarded(&get(&format!("{name}: 1\r\n")), &get(&format!("{name}: 1\r\n")));
    }
}

#[test]
fn rule_15_a_value_holds_no_control_byte_and_only_blanks_are_trimmed() {
    let scene = Scene::new(&[]);
    let controls = (0_u8..32).chain([127]).filter(|byte| !b"\t\r\n".contains(byte)).map(char::from);
    let inside = controls.map(|control| format!("a{control}b"));
    let at_an_end = ["\x00", "\x0b", "\x0c", "\x0ba", "a\x0c", "\x7f"].map(str::to_owned);
    let values = inside.chain(at_an_end);
    scene.assert_refused(values.map(|value| (400, get(&format!("X-A: {value}\r\n")))));
    for value in ["\u{e9}\u{80}\u{ff}", "\u{85}a\u{85}", "\u{a0}a\u{a0}", "a \t b", "\"a\\\"\"", ""] {
        let (sent, expected) = (get(&format!("X-A:\t {value} \t\r\n")), get(&format!("X-A: {value}\r\n")));
        scene.assert_forwarded(&sent, &expected);
    }
}

#[test]
fn rule_16_an_underscore_is_no_dash_of_a_framing_or_routing_field() {
    let scene = Scene::new(&[]);
    let names = [
        "Content_Length",
        "content_length",
        "Transfer_Encoding",
        "Transfer_encoding",
        "Keep_Alive",
        "Proxy_Connection",
        "Proxy_Authorization",
        "HTTP2_Settings",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X_Forwarded-Proto",
        "X_Forwarded_Host",
        "X_Forwarded_Prefix",
        "X-Forwarded_Port",
        "X_Real_IP",
        "true_client-ip",
        "X_ORIGINAL_URL",
    ];
    scene.assert_refused(names.map(|name| (400, get(&format!("{name}: 5\r\n")))));
    for name in ["api_key", "X_Custom", "content_type", "_"] {
        scene.assert_forwarded(&get(&format!("{name}: 5\r\n")), &get(&format!("{name}: 5\r\n")));
    }
}

#[test]
fn rule_17_a_request_line_is_three_parts_and_a_version() {
    let scene = Scene::new(&[]);
    scene.assert_refused(
        [
            "GET  / HTTP/1.1",
            "GET / / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET /\tHTTP/1.1",
            "GET HTTP/1.1",
            "GET /",
            "GET",
            "/ HTTP/1.1",
            "G(T / HTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
            "G\x00T / HTTP/1.1",
            ": / HTTP/1.1",
            "GET /\x01 HTTP/1.1",
            "GET /\x00 HTTP/1.1",
            "GET /\x7f HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /\u{a0} HTTP/1.1",
            "GET / HTTP/1",
            "GET / HTTP/1.",
            "GET / HTTP/1.10",
            "GET / HTTP/01.1",
            "GET / HTTP/+1.1",
            "GET / HTTP/1,1",
            "GET / HTTP 1.1",
            "GET / http/1.1",
            "GET / HTTPS/1.1",
            "GET / XHTTP/1.1",
            "GET / HTTP/x.1",
        ]
        .map(|text| (400, line(text))),
    );
    scene.assert_refused(
        ["GET / HTTP/0.9", "GET / HTTP/2.0", "GET / HTTP/2.1", "GET / HTTP/3.0", "GET / HTTP/9.9"]
            .map(|text| (505, line(text))),
    );
    for method in ["GET", "get", "PoSt", "M-SEARCH", "!#$%&'*+-.^_`|~"] {
        scene
            .assert_forwarded(&line(&format!("{method} / HTTP/1.1")), &line(&format!("{method} / HTTP/1.1")));
    }
}

#[test]
fn rule_17_what_is_no_http_1_is_refused_at_once() {
    Scene::new(&["--timeout-head", "60s"]).assert_refused([
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, "GET /\n"),
        (400, "GET /\r\n\r\n"),
        (400, "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03"),
        (400, "\x00"),
    ]);
}

#[test]
fn rule_18_the_version_is_our_own_both_ways() {
    let scene = Scene::new(&[]);
    for version in ["1.0", "1.1", "1.2", "1.9"] {
        scene.assert_forwarded(&line(&format!("GET / HTTP/{version}")), &line("GET / HTTP/1.1"));
    }
    scene.assert_forwarded(
        "GET / HTTP/1.0\r\n\r\n",
        &format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", scene.origin.address()),
    );
}

#[test]
fn rule_18_an_http_10_client_gets_no_chunks_and_no_interim_response() {
    use crate::support::Then;
    let scene = Scene::new(&[]);
    for (text, then) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nX: 1\r\n\r\n",
            Then::KeepAlive,
        ),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Then::KeepAlive),
        ("HTTP/1.0 200 OK\r\n\r\nok", Then::Close),
    ] {
        scene.say(text, then);
        for option in ["", "Connection: keep-alive\r\n"] {
            for (cut, mut client) in scene.relayed("GET", &format!("HTTP/1.0\r\n{option}\r\n")) {
                let response = client.response();
                assert_eq!((response.status, response.text().as_str()), (200, "ok"), "{text:?} {cut:?}");
                assert!(response.interim.is_empty() && !response.fields.has("transfer-encoding"), "{text:?}");
                let lives = response.fields.members("connection") == ["keep-alive"];
                assert_eq!(
                    lives,
                    !option.is_empty() && response.fields.has("content-length"),
                    "{text:?} {cut:?}"
                );
                if lives {
                    client.send("GET /good HTTP/1.0\r\n\r\n");
                    assert_eq!(client.response().text(), "good", "{text:?} {cut:?}");
                }
                client.expect_fin();
            }
        }
    }
}

#[test]
fn rule_19_a_target_has_the_form_that_its_method_asks_for() {
    let scene = Scene::new(&[]);
    scene.assert_refused(
        [
            "GET a HTTP/1.1",
            "GET * HTTP/1.1",
            "GET a:80 HTTP/1.1",
            "GET ?a HTTP/1.1",
            "GET \\ HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET http:/// HTTP/1.1",
            "GET http:/a HTTP/1.1",
            "GET http:a HTTP/1.1",
            "GET ftp://a/ HTTP/1.1",
            "GET file:///a HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET http://a/#b HTTP/1.1",
            "POST * HTTP/1.1",
            "OPTIONS ** HTTP/1.1",
            "OPTIONS a HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "CONNECT * HTTP/1.1",
            "CONNECT a HTTP/1.1",
            "CONNECT a: HTTP/1.1",
            "CONNECT a:99999 HTTP/1.1",
            "CONNECT a:b HTTP/1.1",
            "CONNECT u@a:80 HTTP/1.1",
            "CONNECT http://a:80 HTTP/1.1",
        ]
        .map(|text| (400, line(text))),
    );
    scene.assert_forwarded(&line("OPTIONS * HTTP/1.1"), &line("OPTIONS * HTTP/1.1"));
    let response = scene.corsair.ask(line("CONNECT a:80 HTTP/1.1"));
    assert_eq!((response.status, scene.caused()), (405, vec![]), "well-formed, and not served");
}

#[test]
fn rule_20_absolute_form_becomes_origin_form_and_its_host_counts() {
    let scene = Scene::new(&[]);
    scene.assert_refused(
        [
            "http://u:p@a/",
            "http://u@a/",
            "http://@a/",
            "http://a b/",
            "http://a:80:80/",
            "http://a,b/",
            "http://[::1/",
        ]
        .map(|target| (400, line(&format!("GET {target} HTTP/1.1")))),
    );
    for (sent, target, host) in [
        ("GET http://b.test/x?y", "GET /x?y", "b.test"),
        ("GET HTTP://b.test", "GET /", "b.test"),
        ("GET https://b.test/", "GET /", "b.test"),
        ("GET http://b.test?q", "GET /?q", "b.test"),
        ("GET http://b.test:8080/", "GET /", "b.test:8080"),
        ("GET http://[::1]:80//a/../b", "GET //a/../b", "[::1]:80"),
        ("OPTIONS http://b.test", "OPTIONS *", "b.test"),
        ("OPTIONS http://b.test/", "OPTIONS /", "b.test"),
    ] {
        let expected = format!("{target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        scene.assert_forwarded(&line(&format!("{sent} HTTP/1.1")), &expected);
    }
}

#[test]
fn rule_21_there_is_exactly_one_wellformed_host() {
    let scene = Scene::new(&[]);
    let with = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    scene.assert_refused(
        [
            with(""),
            "GET http://a/ HTTP/1.1\r\n\r\n".to_owned(),
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
            "GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(),
            "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
            with("Host: a\r\nHost: a\r\n"),
            with("Host: a\r\nX: 1\r\nhost: b\r\n"),
        ]
        .map(|message| (400, message)),
    );
    scene.assert_refused(
        [
            "", "a b", "a\tb", "a@b", "u:p@a", "a/b", "a\\b", "a,b", "a#b", "a?b", "a:80:80", "a:x", "a:-1",
            "a:65536", "a:+1", ":80", "[::1", "::1]", "::1", "[::1]x", "[::1]:x", "[a\\b]", "[]", "[::1",
            "\u{e9}", "a\u{a0}", "a\x00", "a\x01", "http://a", "a%", "a%zz", "<a>", "\"a\"",
        ]
        .map(|host| (400, with(&format!("Host: {host}\r\n")))),
    );
    for host in ["a", "A.Test.", "a:", "a:80", "a:0080", "1.2.3.4:5", "[::1]", "[::1]:80", "a_b", "xn--a%2d"]
    {
        scene.assert_forwarded(&with(&format!("Host:\t{host} \r\n")), &with(&format!("Host: {host}\r\n")));
    }
}

#[test]
fn rule_22_a_target_is_forwarded_byte_for_byte() {
    let scene = Scene::new(&[]);
    for target in [
        "/",
        "/a/../b/./c",
        "//double//",
        "/..",
        "/%2e%2E/%41%zz%",
        "/a;b=c,d",
        "/?",
        "/??a=[b]|{c}^`\"<>\\",
        "/~!$&'()*+,;=:@",
        "/http://b/",
        "/*",
    ] {
        scene.assert_forwarded(
            &line(&format!("GET {target} HTTP/1.1")),
            &line(&format!("GET {target} HTTP/1.1")),
        );
    }
}

//! Requests, and what is decided about them.

use std::fmt::Debug;

use super::*;
use crate::plan::{
    action::Destination,
    sample::{OWN_ID, REVERSE, client, config, planned},
};

const GATEWAY: &[&str] = &["--allow-target=any"];

/// Where a plan leads, in a word.
fn action((_, action): &(Plan, Action)) -> String {
    match action {
        Action::Respond(Answer::Fault(error)) => format!("{} {}", error.status(), error.token()),
        Action::Respond(answer) => format!("{answer:?}"),
        Action::Exchange(Exchange { destination: Destination::Upstream(_), .. }) => "upstream".to_owned(),
        Action::Exchange(Exchange { destination: Destination::Target(target), .. }) => target.url.to_string(),
        Action::Exchange(Exchange { destination: Destination::Forward(target), .. }) => {
            target.url().origin().to_owned()
        }
        Action::Connect(target) => format!("tunnel to {}", target.url().authority()),
        Action::Exchange(Exchange { destination: Destination::Question { .. }, .. }) => {
            "a service".to_owned()
        }
    }
}

fn fault((_, action): &(Plan, Action)) -> Option<Error> {
    match *action {
        Action::Respond(Answer::Fault(error)) => Some(error),
        Action::Respond(_) | Action::Exchange(_) | Action::Connect(_) => None,
    }
}

#[track_caller]
fn check<T: Debug + PartialEq>(arguments: &[&str], cases: &[(&str, T)], of: impl Fn(&(Plan, Action)) -> T) {
    let config = config(arguments);
    for (head, expected) in cases {
        assert_eq!(of(&planned(&config, &client(), &format!("{head}\r\n\r\n"))), *expected, "{head:?}");
    }
}

#[test]
fn the_connection_lives_on_as_long_as_both_sides_agree() {
    use Persistence::{Close, KeepAlive, KeepAliveExplicit};
    let cases = [
        ("GET / HTTP/1.1\r\nHost: h", KeepAlive),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close", Close),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: CLOSE", Close),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close", Close),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: a\r\nConnection: b,close", Close),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed", KeepAlive),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive", KeepAlive),
        ("GET / HTTP/1.0\r\nHost: h", Close),
        ("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive", KeepAliveExplicit),
        ("GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive, close", Close),
        // The end of a refused request is unknown, so nothing behind it is read.
        ("GET / HTTP/1.1", Close),
        ("GET # HTTP/1.1\r\nHost: h", Close),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip", Close),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", Close),
        // A refusal of something else leaves it open.
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: x", KeepAlive),
    ];
    check(REVERSE, &cases, |(plan, _)| plan.persistence);
}

#[test]
fn a_fin_is_an_abort_behind_what_a_browser_sent() {
    let cases = [
        ("GET / HTTP/1.1\r\nHost: h", false),
        ("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.5.0", false),
        ("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: libwww Mozilla/5.0", false),
        ("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: Mozilla", false),
        ("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)", true),
        ("POST / HTTP/1.1\r\nHost: h\r\nuser-agent:Mozilla/5.0\r\nContent-Length: 1", true),
        ("GET / HTTP/1.1\r\nHost: h\r\nOrigin: null", true),
        ("GET / HTTP/1.1\r\nHost: h\r\nSec-Fetch-Dest: empty", true),
    ];
    check(REVERSE, &cases, |(plan, _)| plan.fin_is_abort);
    let arguments = &[REVERSE, &["--half-close=false"]].concat();
    check(arguments, &cases.map(|(head, _)| (head, true)), |(plan, _)| plan.fin_is_abort);
}

#[test]
fn faults_of_the_head_are_found_before_anything_else() {
    let cases = [
        ("GET / HTTP/1.1\r\nHost: h", "upstream"),
        ("GET /%00//../x HTTP/1.1\r\nHost: h", "upstream"),
        ("GET http://other/x HTTP/1.1\r\nHost: h", "upstream"),
        ("OPTIONS * HTTP/1.1\r\nHost: h", "upstream"),
        ("GET / HTTP/1.0", "upstream"),
        ("GET / HTTP/1.1", "400 http_request_error"),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: h", "400 http_request_error"),
        ("GET / HTTP/1.1\r\nHost: a@b", "400 http_request_error"),
        ("GET x HTTP/1.1\r\nHost: h", "400 http_request_error"),
        ("GET * HTTP/1.1\r\nHost: h", "400 http_request_error"),
        ("CONNECT h:443 HTTP/1.1\r\nHost: h:443", "405 http_request_error"),
        ("CONNECT h HTTP/1.1\r\nHost: h", "400 http_request_error"),
        ("CONNECT / HTTP/1.1\r\nHost: h", "400 http_request_error"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5", "400 http_request_error"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity", "400 http_request_error"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked", "501 http_request_error"),
        ("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked", "400 http_request_error"),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue", "upstream"),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue", "upstream"),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok", "417 http_request_error"),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nExpect: x", "417 http_request_error"),
        ("GET / HTTP/1.0\r\nHost: h\r\nExpect: x", "upstream"),
    ];
    check(REVERSE, &cases.map(|(head, expected)| (head, expected.to_owned())), action);
    // The gateway is no way around them.
    let cases =
        cases.map(|(head, expected)| (head.replacen(" / ", " /?url=http://t.example/ ", 1), expected));
    for (head, expected) in cases.iter().filter(|(_, expected)| *expected != "upstream") {
        let plan = planned(&config(GATEWAY), &client(), &format!("{head}\r\n\r\n"));
        assert_eq!(action(&plan), *expected, "{head:?}");
    }
}

#[test]
fn the_body_is_framed_as_declared_and_bounded_before_it_is_read() {
    use Framing::{Chunked, Length};
    let cases = [
        ("POST / HTTP/1.1\r\nHost: h", (Framing::None, None)),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1024", (Length(1024), None)),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1025",
            (Length(1025), Some(Error::RequestBodyTooLarge)),
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615",
            (Length(u64::MAX), Some(Error::RequestBodyTooLarge)),
        ),
        ("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked", (Chunked, None)),
    ];
    check(&["--upstream=http://127.0.0.1:9001", "--limit-body=1k"], &cases, |plan| {
        (plan.0.framing, fault(plan))
    });
    let too_large = planned(
        &config(&["--upstream=http://127.0.0.1:9001", "--limit-body=1k"]),
        &client(),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n",
    );
    assert_eq!(too_large.0.persistence, Persistence::Close);
}

#[test]
fn only_a_websocket_is_an_upgrade() {
    let upgrade = |lines: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}");
    let cases = [
        (upgrade("Connection: upgrade\r\nUpgrade: websocket"), true),
        (upgrade("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket"), true),
        (upgrade("Upgrade: websocket"), false),
        (upgrade("Connection: upgrade"), false),
        (upgrade("Connection: upgrade\r\nUpgrade: h2c"), false),
        (upgrade("Connection: upgrade\r\nUpgrade: h2c, websocket"), false),
        (upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c"), false),
        ("GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket".to_owned(), false),
        ("POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket".to_owned(), false),
    ];
    let cases: Vec<(&str, bool)> = cases.iter().map(|(head, expected)| (head.as_str(), *expected)).collect();
    check(REVERSE, &cases, |(_, action)| match action {
        Action::Exchange(exchange) => exchange.upgrade,
        action @ (Action::Respond(_) | Action::Connect(_)) => panic!("{action:?}"),
    });
}

#[test]
fn max_forwards_counts_down_for_options_and_trace() {
    let head = |method: &str, value: &str| format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {value}");
    let cases = [
        (head("OPTIONS", "5"), "Some(4)"),
        (head("TRACE", "1"), "Some(0)"),
        (head("OPTIONS", "0"), "LastHop"),
        (head("TRACE", "0"), "405 http_request_error"),
        (head("GET", "0"), "None"),
        (head("options", "0"), "None"),
        (head("OPTIONS", "x"), "None"),
        (head("OPTIONS", "-1"), "None"),
        (head("OPTIONS", ""), "None"),
        (head("OPTIONS", "99999999999999"), "None"),
    ];
    let config = config(REVERSE);
    for (head, expected) in cases {
        let plan = planned(&config, &client(), &format!("{head}\r\n\r\n"));
        let got = match &plan.1 {
            Action::Exchange(exchange) => format!("{:?}", exchange.max_forwards),
            Action::Respond(_) | Action::Connect(_) => action(&plan),
        };
        assert_eq!(got, expected, "{head:?}");
    }
}

#[test]
fn our_own_name_in_via_is_a_loop_and_another_corsair_is_none() {
    let head = |via: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{via}\r\n\r\n");
    let config = config(REVERSE);
    let plan = |via: String| action(&planned(&config, &client(), &head(&via)));
    assert_eq!(plan(format!("Via: 1.1 corsair ({OWN_ID})")), "508 proxy_loop_detected");
    assert_eq!(plan(format!("Via: 1.0 a\r\nVia: 1.1 b, 1.1 corsair ({OWN_ID})")), "508 proxy_loop_detected");
    assert_eq!(plan("Via: 1.1 corsair (fedcba9876543210)".to_owned()), "upstream");
}

#[test]
fn a_preflight_is_answered_here_and_any_other_options_is_not() {
    let origin = "Origin: https://a.example\r\n";
    let asked = "Access-Control-Request-Method: PUT";
    let head = |method: &str, lines: &str| format!("{method} /x HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
    for (method, lines, expected) in [
        ("OPTIONS", format!("{origin}{asked}"), "Cors"),
        ("OPTIONS", asked.to_owned(), "upstream"),
        ("OPTIONS", format!("{origin}X: y"), "upstream"),
        ("GET", format!("{origin}{asked}"), "upstream"),
    ] {
        let config = config(REVERSE);
        assert_eq!(action(&planned(&config, &client(), &head(method, &lines))), expected, "{method} {lines}");
    }
    let forwarding = config(&["--upstream=http://127.0.0.1:9001", "--preflight=forward"]);
    let text = head("OPTIONS", &format!("{origin}{asked}"));
    assert_eq!(action(&planned(&forwarding, &client(), &text)), "upstream");
}

#[test]
fn a_body_is_measured_behind_cors_and_the_methods_of_the_route() {
    let arguments =
        ["--upstream=http://127.0.0.1:9001", "--limit-body=4", "--allow-origin=https://a.example"];
    let config = config(&[&arguments[..], &["--refuse-other-origins"]].concat());
    let fault = |lines: &str| {
        let text = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n{lines}\r\n");
        action(&planned(&config, &client(), &text))
    };
    assert_eq!(fault("Origin: https://b.example\r\n"), "Cors");
    assert_eq!(fault("Origin: https://a.example\r\n"), "413 http_request_error");
}

#[test]
fn a_refusal_knows_what_cors_says_so_that_a_script_can_read_it() {
    let config = config(&["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"]);
    for (origin, result) in [("https://a.example", "allowed"), ("https://b.example", "refused")] {
        for rest in ["Transfer-Encoding: gzip", "Content-Length: x", "Expect: x", "Host: second"] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n{rest}\r\n\r\n");
            let plan = planned(&config, &client(), &text);
            assert!(fault(&plan).is_some(), "{text:?}");
            assert_eq!(plan.0.cors.result(), result, "{text:?}");
        }
    }
}

#[test]
fn an_upgrade_from_another_origin_is_refused_where_there_is_a_list() {
    let text = |origin: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
    };
    let listed = config(&["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"]);
    assert_eq!(action(&planned(&listed, &client(), &text("https://a.example"))), "upstream");
    assert_eq!(action(&planned(&listed, &client(), &text("https://b.example"))), "Cors");
    assert_eq!(action(&planned(&config(REVERSE), &client(), &text("https://b.example"))), "upstream");
}

#[test]
fn the_gateway_answers_preflights_whatever_the_target() {
    let gateway = config(&[]);
    for target in ["/", "/?url=http://10.0.0.1/", "/nothing", "/?url=ftp://x/", "/http://t.example/"] {
        let text = format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n\
             Access-Control-Request-Method: PUT\r\n\r\n"
        );
        assert_eq!(action(&planned(&gateway, &client(), &text)), "Cors", "{target}");
    }
}

#[test]
fn a_page_of_the_application_is_known_by_where_it_is_addressed() {
    let listed = config(&["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"]);
    let named = config(&["--upstream=http://127.0.0.1:9001", "--allow-origin=null", "--allow-host=app.test"]);
    let remote = client();
    let local = Client { loopback_listener: true, ..client() };
    let secure = Client { secure: true, ..client() };
    for (config, client, start, origin, expected) in [
        (&listed, &remote, "/ HTTP/1.1\r\nHost: app.test", "http://app.test", "same-origin"),
        (&listed, &remote, "/ HTTP/1.1\r\nHost: App.test:80", "http://app.test", "same-origin"),
        (&listed, &remote, "http://app.test/ HTTP/1.1\r\nHost: b", "http://app.test", "same-origin"),
        (&listed, &remote, "http://b/ HTTP/1.1\r\nHost: app.test", "http://app.test", "refused"),
        (&listed, &remote, "/ HTTP/1.0\r\nX: y", "http://app.test", "refused"),
        (&listed, &remote, "/ HTTP/1.1\r\nHost: app.test", "https://app.test", "refused"),
        (&listed, &secure, "/ HTTP/1.1\r\nHost: app.test", "https://app.test", "same-origin"),
        (&listed, &secure, "/ HTTP/1.1\r\nHost: app.test", "http://app.test", "refused"),
        (&listed, &local, "/ HTTP/1.1\r\nHost: localhost:3000", "http://localhost:3000", "same-origin"),
        (&listed, &local, "/ HTTP/1.1\r\nHost: [::1]:3000", "http://[::1]:3000", "same-origin"),
        (&listed, &local, "/ HTTP/1.1\r\nHost: app.test:3000", "http://app.test:3000", "refused"),
        (&named, &local, "/ HTTP/1.1\r\nHost: app.test:3000", "http://app.test:3000", "same-origin"),
        (&named, &local, "/ HTTP/1.1\r\nHost: app.test\r\nHost: app.test", "http://app.test", "refused"),
    ] {
        for end in ["", "Connection: upgrade\r\nUpgrade: websocket\r\n"] {
            let text = format!("GET {start}\r\nOrigin: {origin}\r\n{end}\r\n");
            assert_eq!(planned(config, client, &text).0.cors.result(), expected, "{text:?}");
        }
    }
}

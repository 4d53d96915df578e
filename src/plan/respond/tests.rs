//! Every answer that corsair makes itself.

use serde_json::Value;

use super::*;
use crate::{
    cors::decide,
    http1::sample,
    plan::sample::{OWN_ID, REVERSE, Written, config, identity},
};

/// Every error, and one whose text has to be escaped.
fn errors() -> Vec<Error> {
    [Error::RequestHead("a \"quoted\" text with a \\")].iter().chain(Error::ALL).copied().collect()
}

/// Whether its body is one of the gateway's own texts, without the word.
const fn is_a_text_of_the_gateway(error: &Error) -> bool {
    matches!(error, Error::TargetMissing | Error::TargetInvalid(_) | Error::RouteNotFound)
}

const LISTED: &[&str] = &["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"];
const ROOM: usize = 16 << 10;

/// Writes an answer; to a request with these lines, or to a head that was not understood.
fn write(
    arguments: &[&str],
    answer: Answer,
    to: Result<(&str, &str), Option<&[u8]>>,
    persistence: Persistence,
    room: usize,
) -> (Vec<u8>, u16) {
    let config = config(arguments);
    let identity = identity();
    let date = Date::of(std::time::UNIX_EPOCH);
    let (policy, route) = (config.cors(), config.route(crate::config::Routes::NOTHING));
    let responder = Responder { request_id: RequestId::random(), policy, route, identity: &identity, date };
    let parsed =
        to.map(|(method, lines)| sample::request(format!("{method} / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")));
    let recipient = match &parsed {
        Ok(parsed) => {
            Recipient::Request(parsed.request(), decide(config.cors(), parsed.request(), false, |_| false))
        }
        Err(origin) => Recipient::Unknown(*origin),
    };
    let mut out = vec![0; room];
    let (len, status) = responder.write(&answer, recipient, persistence, &mut out);
    out.truncate(len);
    (out, status)
}

fn answered(answer: Answer, method: &str, lines: &str) -> (Written, u16) {
    let (out, status) = write(REVERSE, answer, Ok((method, lines)), Persistence::KeepAlive, ROOM);
    (Written::response(&out), status)
}

#[test]
fn every_error_has_a_status_line_a_length_a_date_and_a_name() {
    for error in errors().into_iter().filter(|error| !error.client_is_gone()) {
        for accept in ["", "Accept: */*\r\n", "Accept: text/html, */*\r\n", "Accept: application/json\r\n"] {
            let (written, status) = answered(Answer::Fault(error), "GET", accept);
            assert_eq!(status, error.status(), "{error:?}");
            let phrase = reason(status);
            assert!(!phrase.is_empty(), "{error:?}: {status} has no reason phrase");
            assert_eq!(written.start, format!("HTTP/1.1 {status} {phrase}"), "{error:?}");
            assert_eq!(
                written.all("Content-Length"),
                [written.body.len().to_string()],
                "{error:?} {accept:?}"
            );
            assert!(!written.body.is_empty() && !written.has("Transfer-Encoding"), "{error:?}");
            assert_eq!(written.all("Proxy-Status"), [format!("corsair; error={}", error.token())]);
            assert_eq!(written.all("Via"), [format!("1.1 corsair ({OWN_ID})")]);
            assert!(httpdate::parse_http_date(written.all("Date")[0]).is_ok(), "{error:?}");
            assert_eq!(written.all("X-Content-Type-Options"), ["nosniff"]);
            assert_eq!(written.all("Content-Type").len(), 1);
            assert_eq!(written.has("Allow"), status == 405, "{error:?}");
            assert!(!written.has("Connection"));
        }
    }
}

#[test]
fn a_plain_error_is_one_line_with_its_code() {
    for error in
        errors().into_iter().filter(|error| !error.client_is_gone() && !is_a_text_of_the_gateway(error))
    {
        let (written, _) = answered(Answer::Fault(error), "GET", "");
        assert_eq!(written.all("Content-Type"), [TEXT], "{error:?}");
        assert_eq!(written.body, format!("{}: {error}\n", error.token()).into_bytes(), "{error:?}");
    }
}

#[test]
fn a_problem_is_valid_json_that_says_the_same() {
    for error in
        errors().into_iter().filter(|error| !error.client_is_gone() && !is_a_text_of_the_gateway(error))
    {
        for accept in
            ["application/json", "application/problem+json", "Application/JSON;q=1, text/plain;q=0.5"]
        {
            let (written, status) = answered(Answer::Fault(error), "GET", &format!("Accept: {accept}\r\n"));
            assert_eq!(written.all("Content-Type"), ["application/problem+json"], "{error:?}");
            let problem: Value = serde_json::from_slice(&written.body).unwrap_or_else(|fault| {
                panic!("{error:?}: {fault}: {}", String::from_utf8_lossy(&written.body))
            });
            assert_eq!(problem["status"], status, "{error:?}");
            assert_eq!(problem["code"], error.token(), "{error:?}");
            assert_eq!(problem["detail"], error.to_string(), "{error:?}");
            assert_eq!(problem["title"], reason(status), "{error:?}");
            assert_eq!(problem["type"], "about:blank", "{error:?}");
        }
    }
}

#[test]
fn who_does_not_ask_for_json_first_gets_text() {
    for accept in ["*/*", "text/html", "text/plain, application/json", "application/jsonp", "json", ""] {
        let (written, _) = answered(Answer::Fault(Error::Dns), "GET", &format!("Accept: {accept}\r\n"));
        assert_eq!(written.all("Content-Type"), [TEXT], "{accept:?}");
    }
}

#[test]
fn weights_say_what_accept_prefers() {
    for (accept, media_type) in [
        ("application/json;q=0", TEXT),
        ("application/json;q=0.1, text/plain", TEXT),
        ("text/plain;q=0.1, application/json", PROBLEM),
        ("text/plain;q=0.5, application/problem+json;q=0.6", PROBLEM),
    ] {
        let (written, _) = answered(Answer::Fault(Error::Dns), "GET", &format!("Accept: {accept}\r\n"));
        assert_eq!(written.all("Content-Type"), [media_type], "{accept:?}");
    }
}

#[test]
fn the_answer_to_head_has_the_length_and_not_the_body() {
    for error in errors().into_iter().filter(|error| !error.client_is_gone()) {
        for accept in ["", "Accept: application/json\r\n"] {
            let (get, _) = answered(Answer::Fault(error), "GET", accept);
            let (head, _) = answered(Answer::Fault(error), "HEAD", accept);
            assert!(head.body.is_empty(), "{error:?}");
            assert_eq!(head.all("Content-Length"), get.all("Content-Length"), "{error:?}");
            assert_eq!(head.start, get.start, "{error:?}");
        }
    }
}

#[test]
fn the_gateways_four_texts_stand_as_they_are() {
    let body = |answer, accept: &str| {
        let (written, status) = answered(answer, "GET", &format!("Accept: {accept}\r\n"));
        (status, written.all("Content-Type")[0].to_owned(), String::from_utf8(written.body).unwrap())
    };
    for accept in ["*/*", "application/json", "text/html"] {
        assert_eq!(body(Answer::Healthcheck, accept), (200, TEXT.to_owned(), "OK".to_owned()));
        let (status, media_type, text) = body(Answer::Fault(Error::RouteNotFound), accept);
        assert_eq!((status, media_type.as_str(), text.as_str()), (404, TEXT, "Route not found."));
        let (status, media_type, text) = body(Answer::Fault(Error::TargetInvalid("why")), accept);
        assert_eq!((status, media_type.as_str()), (400, TEXT));
        assert_eq!(text, "Invalid \"url\" query parameter provided.\nwhy\n");
    }
    let (status, media_type, text) = body(Answer::Fault(Error::TargetMissing), "*/*");
    assert_eq!((status, media_type.as_str()), (400, TEXT));
    assert!(text.starts_with("Required \"url\" query parameter not found.\n"));
    let (_, media_type, text) = body(Answer::Fault(Error::TargetMissing), "text/html,application/xml;q=0.9");
    assert!(media_type == HTML && text.contains("Required \"url\" query parameter not found."));
}

#[test]
fn the_last_hop_of_options_has_neither_body_nor_length() {
    let (written, status) = answered(Answer::LastHop, "OPTIONS", "");
    assert_eq!((status, written.start.as_str()), (204, "HTTP/1.1 204 No Content"));
    assert!(written.body.is_empty() && !written.has("Content-Length") && !written.has("Content-Type"));
}

#[test]
fn connection_is_said_where_it_must_be() {
    for (persistence, option) in [
        (Persistence::KeepAlive, vec![]),
        (Persistence::KeepAliveExplicit, vec!["keep-alive"]),
        (Persistence::Close, vec!["close"]),
    ] {
        let (out, _) = write(REVERSE, Answer::Healthcheck, Ok(("GET", "")), persistence, ROOM);
        assert_eq!(Written::response(&out).all("Connection"), option, "{persistence:?}");
    }
}

#[test]
fn every_error_carries_the_cors_fields_of_a_success() {
    for error in errors().into_iter().filter(|error| !error.client_is_gone()) {
        for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
            let line = format!("Origin: {origin}\r\n");
            for to in [Ok(("GET", line.as_str())), Err(Some(origin.as_bytes()))] {
                let (out, _) = write(LISTED, Answer::Fault(error), to, Persistence::Close, ROOM);
                let written = Written::response(&out);
                let expected = if allowed { vec![origin] } else { vec![] };
                assert_eq!(written.all("Access-Control-Allow-Origin"), expected, "{error:?} {to:?}");
                assert_eq!(written.all("Vary"), ["Origin"], "{error:?} {to:?}");
                let exposed = written.all("Access-Control-Expose-Headers").join("");
                assert_eq!(exposed.contains("Proxy-Status"), allowed, "{error:?} {to:?}");
                for name in ["Allow", "Retry-After"] {
                    let is_exposed = exposed.split(", ").any(|exposed| exposed == name);
                    assert_eq!(is_exposed, allowed && written.has(name), "{name} {error:?} {to:?}");
                }
            }
        }
        for to in [Ok(("GET", "Origin: https://b.example\r\n")), Ok(("GET", "")), Err(None)] {
            let (out, _) = write(REVERSE, Answer::Fault(error), to, Persistence::Close, ROOM);
            let written = Written::response(&out);
            assert_eq!(written.all("Access-Control-Allow-Origin"), ["*"], "{error:?} {to:?}");
        }
    }
}

#[test]
fn preflights_are_answered_by_the_policy() {
    let lines = |origin: &str, method: &str| {
        format!("Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n")
    };
    let answer = |lines: &str| {
        let (out, status) = write(LISTED, Answer::Cors, Ok(("OPTIONS", lines)), Persistence::KeepAlive, ROOM);
        (Written::response(&out), status)
    };
    let (allowed, status) = answer(&lines("https://a.example", "PUT"));
    assert_eq!(status, 204);
    assert!(allowed.body.is_empty() && !allowed.has("Content-Length") && !allowed.has("Content-Type"));
    assert_eq!(allowed.all("Access-Control-Allow-Origin"), ["https://a.example"]);
    assert_eq!(allowed.all("Access-Control-Allow-Methods"), ["PUT"]);
    let (refused, status) = answer(&lines("https://b.example", "PUT"));
    assert_eq!((status, refused.start.as_str()), (403, "HTTP/1.1 403 Forbidden"));
    assert_eq!(refused.body, b"http_request_denied: origin not allowed\n");
    assert_eq!(refused.all("Content-Length"), [refused.body.len().to_string()]);
    assert!(!refused.has("Access-Control-Allow-Origin") && refused.has("Corsair-Cors"));
    let asked = format!("{}Access-Control-Request-Headers: x y\r\n", lines("https://a.example", "PUT"));
    let (malformed, status) = answer(&asked);
    assert_eq!(status, 400);
    assert_eq!(malformed.all("Access-Control-Allow-Origin"), ["https://a.example"]);
    assert_eq!(malformed.all("Content-Length"), [malformed.body.len().to_string()]);
}

#[test]
fn an_answer_that_does_not_fit_is_not_begun() {
    let answer = Answer::Fault(Error::Dns);
    let (whole, _) = write(REVERSE, answer.clone(), Ok(("GET", "")), Persistence::Close, ROOM);
    for room in (0..whole.len()).step_by(7) {
        let (out, status) = write(REVERSE, answer.clone(), Ok(("GET", "")), Persistence::Close, room);
        assert_eq!((out.len(), status), (0, 502), "{room}");
    }
}

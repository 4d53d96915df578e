//! CORS as a browser sees it: preflights, actual responses, errors, refusals, upgrades.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::time::{Duration, Instant};

use support::{Corsair, Fields, Origin, Response, Then, answer};

/// The page's origin in these tests.
const APP: &str = "https://app.example.com";
const ALLOW_APP: [&str; 2] = ["--allow-origin", APP];

fn preflight(corsair: &Corsair, origin: &str, method: &str, fields: &str) -> Response {
    corsair.ask(format!(
        "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n{fields}\r\n"
    ))
}

fn assert_no_cors(fields: &Fields) {
    let leaked: Vec<_> =
        fields.0.iter().filter(|(n, _)| n.to_ascii_lowercase().starts_with("access-control-")).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

fn assert_readable_by_app(response: &Response, what: &str) {
    assert_eq!(response.field("access-control-allow-origin"), Some(APP), "{what}: {:?}", response.fields);
    assert!(response.fields.members("vary").contains(&"origin".to_owned()), "{what}: {:?}", response.fields);
}

#[test]
fn a_preflight_is_answered_at_the_edge_without_touching_the_upstream() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let fields = "Access-Control-Request-Headers: x-token, content-type\r\n";
    let response = preflight(&corsair, APP, "PUT", fields);
    assert_eq!((response.status, response.body.len()), (204, 0));
    assert!(!response.fields.has("content-length"));
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert!(response.fields.members("access-control-allow-methods").contains(&"put".to_owned()));
    let allowed = response.fields.members("access-control-allow-headers");
    assert!(
        allowed.contains(&"x-token".to_owned()) && allowed.contains(&"content-type".to_owned()),
        "{allowed:?}"
    );
    assert_eq!(response.field("access-control-max-age"), Some("600"));
    assert!(!response.fields.has("access-control-allow-credentials"));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_preflight_to_a_dead_upstream_succeeds_and_the_request_is_a_readable_502() {
    let corsair = Corsair::start(&["--upstream", "http://127.0.0.1:1"]);
    assert_eq!(preflight(&corsair, APP, "PUT", "").status, 204);
    let response = corsair.get("/", &format!("Origin: {APP}\r\n"));
    assert_eq!((response.status, response.field("access-control-allow-origin")), (502, Some("*")));
}

#[test]
fn a_preflight_keeps_the_connection_for_the_request_that_follows() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(format!(
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\r\n\
         PUT / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nContent-Length: 1\r\n\r\nx"
    ));
    assert_eq!(client.response().status, 204);
    assert_eq!(client.response().status, 200);
}

#[test]
fn the_answer_to_a_preflight_varies_by_what_it_depends_on() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &ALLOW_APP);
    for asked in [APP, "https://evil.example"] {
        let vary = preflight(&corsair, asked, "PUT", "Access-Control-Request-Headers: x-a\r\n")
            .fields
            .members("vary");
        for name in ["origin", "access-control-request-method", "access-control-request-headers"] {
            assert_eq!(vary.iter().filter(|v| *v == name).count(), 1, "{asked}: {vary:?}");
        }
    }
}

/// Flags, origin, method, further fields, and a word of the reason.
const REFUSED: &[(&[&str], &str, &str, &str, &str)] = &[
    (&[], "https://evil.example", "GET", "", "origin"),
    (&[], "https://app.example.com:8443", "GET", "", "origin"),
    (&[], "http://app.example.com", "GET", "", "origin"),
    (&[], "https://app.example.com.evil.example", "GET", "", "origin"),
    (&[], "https://app.example.com/", "GET", "", "origin"),
    (&[], "null", "GET", "", "origin"),
    (&[], "https://app.example.com, https://evil.example", "GET", "", "origin"),
    (&["--allow-method", "PUT"], APP, "DELETE", "", "method"),
    (&["--allow-method", "PATCH"], APP, "patch", "", "method"),
    (&["--allow-header", "x-a"], APP, "PUT", "Access-Control-Request-Headers: x-foo\r\n", "x-foo"),
];

#[test]
fn a_refused_preflight_is_403_with_the_reason_and_nothing_that_allows() {
    let origin = Origin::echo();
    for (flags, asked, method, fields, word) in REFUSED {
        let mut arguments = ALLOW_APP.to_vec();
        arguments.extend_from_slice(flags);
        let corsair = Corsair::reverse(origin.address(), &arguments);
        let response = preflight(&corsair, asked, method, fields);
        assert_eq!(response.status, 403, "{asked} {method} {fields}");
        assert_no_cors(&response.fields);
        let verdict = response.field("corsair-cors").unwrap();
        assert!(verdict.starts_with("refused; reason=") && verdict.contains(word), "{verdict}");
        assert!(response.text().contains(word), "{}", response.text());
        assert!(response.fields.members("vary").contains(&"origin".to_owned()));
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn allowed_methods_always_include_the_safelisted_ones() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--allow-method", "PUT"]);
    for method in ["GET", "HEAD", "POST", "PUT"] {
        assert_eq!(preflight(&corsair, APP, method, "").status, 204, "{method}");
    }
}

#[test]
fn header_names_compare_without_case_and_may_come_on_several_lines() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--allow-header", "X-A", "--allow-header", "x-b"]);
    let lines = "Access-Control-Request-Headers: x-a\r\nAccess-Control-Request-Headers: X-B\r\n";
    assert_eq!(preflight(&corsair, APP, "PUT", lines).status, 204);
}

#[test]
fn requested_headers_that_are_no_tokens_are_a_readable_400() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    for list in ["x a", "x-a;b", "x-a\"", "x-\u{e9}", "(x)"] {
        let line = format!(
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\
             Access-Control-Request-Headers: {list}\r\n\r\n"
        );
        let response = corsair.ask(support::bytes(&line));
        assert_eq!(response.status, 400, "{list}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{list}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn eight_kilobytes_of_requested_headers_are_accepted() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let names: Vec<String> = (0..500).map(|n| format!("x-requested-{n:04}")).collect();
    let list = names.join(",");
    assert!(list.len() > 8000);
    let response = preflight(&corsair, APP, "PUT", &format!("Access-Control-Request-Headers: {list}\r\n"));
    assert_eq!(response.status, 204);
    let allowed = response.fields.members("access-control-allow-headers");
    assert!(names.iter().all(|name| allowed.contains(name)));
}

#[test]
fn only_options_with_origin_and_requested_method_is_a_preflight() {
    let plain = [
        "OPTIONS /o HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("OPTIONS /o HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n\r\n"),
        "OPTIONS /o HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n\r\n".to_owned(),
        format!("GET /o HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"),
    ];
    for request in plain {
        let origin = Origin::echo();
        assert_eq!(Corsair::reverse(origin.address(), &[]).ask(&request).status, 200, "{request}");
        assert_eq!(origin.only_request().target, "/o");
    }
}

#[test]
fn a_preflight_can_be_left_to_the_application() {
    let origin = Origin::always("HTTP/1.1 204 No Content\r\nAllow: PUT\r\n\r\n");
    let corsair = Corsair::reverse(origin.address(), &["--preflight", "forward"]);
    let response = preflight(&corsair, APP, "PUT", "");
    assert_eq!((response.status, response.field("allow")), (204, Some("PUT")));
    assert_eq!(origin.only_request().method, "OPTIONS");
}

#[test]
fn private_network_is_granted_only_when_it_is_on() {
    let origin = Origin::echo();
    let asked = "Access-Control-Request-Private-Network: true\r\n";
    let off = preflight(&Corsair::reverse(origin.address(), &[]), APP, "GET", asked);
    assert!(!off.fields.has("access-control-allow-private-network"));
    let on = preflight(&Corsair::reverse(origin.address(), &["--private-network"]), APP, "GET", asked);
    assert_eq!(on.field("access-control-allow-private-network"), Some("true"));
}

/// What the upstream says of CORS; in every case exactly our own set must leave.
const UPSTREAM_CORS: &[&str] = &[
    "",
    "Access-Control-Allow-Origin: *\r\n",
    "Access-Control-Allow-Origin: https://app.example.com\r\nAccess-Control-Allow-Origin: https://app.example.com\r\n",
    "access-control-allow-origin: https://wrong.example\r\naccess-control-allow-credentials: true\r\n",
    "ACCESS-CONTROL-ALLOW-ORIGIN: null\r\nAccess-Control-Expose-Headers: *\r\nAccess-Control-Max-Age: 1\r\n",
    "Access-Control-Allow-Methods: PUT\r\nAccess-Control-Allow-Headers: *\r\n\
     Access-Control-Allow-Private-Network: true\r\n",
];

#[test]
fn the_upstreams_cors_fields_are_replaced_by_one_right_set() {
    for fields in UPSTREAM_CORS {
        let origin = Origin::always(answer("200 OK", fields, "x"));
        let corsair = Corsair::reverse(origin.address(), &ALLOW_APP);
        let response = corsair.get("/", &format!("Origin: {APP}\r\n"));
        assert_readable_by_app(&response, fields);
        for name in ["credentials", "methods", "headers", "private-network"] {
            assert!(!response.fields.has(&format!("access-control-allow-{name}")), "{fields}: {name}");
        }
        assert!(!response.fields.has("access-control-max-age"), "{fields}");

        let other = corsair.get("/", "Origin: https://evil.example\r\n");
        assert_eq!(other.status, 200, "the browser hides it, the proxy does not");
        assert_no_cors(&other.fields);
        assert!(other.fields.members("vary").contains(&"origin".to_owned()), "{fields}");
    }
}

#[test]
fn the_upstreams_cors_fields_can_be_kept() {
    let fields = "Access-Control-Allow-Origin: https://its.example\r\n";
    let origin = Origin::always(answer("200 OK", fields, "x"));
    let corsair = Corsair::reverse(origin.address(), &["--upstream-headers", "keep"]);
    let response = corsair.get("/", &format!("Origin: {APP}\r\n"));
    assert_eq!(response.field("access-control-allow-origin"), Some("https://its.example"));
}

#[test]
fn every_status_of_the_upstream_is_readable() {
    for status in
        ["200 OK", "201 Created", "204 No Content", "304 Not Modified", "404 Not Found", "500 Oops", "599 X"]
    {
        let bodyless = status.starts_with("204") || status.starts_with("304");
        let text = if bodyless { format!("HTTP/1.1 {status}\r\n\r\n") } else { answer(status, "", "x") };
        let origin = Origin::always(text);
        let corsair = Corsair::reverse(origin.address(), &ALLOW_APP);
        assert_readable_by_app(&corsair.get("/", &format!("Origin: {APP}\r\n")), status);
    }
}

/// The upstream's `Vary` lines, and the members that must leave for a policy that depends on the origin.
const VARY: &[(&str, &[&str])] = &[
    ("", &["origin"]),
    ("Vary: Accept-Encoding\r\n", &["accept-encoding", "origin"]),
    ("Vary: Origin\r\n", &["origin"]),
    ("Vary: accept, ORIGIN\r\n", &["accept", "origin"]),
    ("Vary: Accept\r\nVary: Cookie\r\n", &["accept", "cookie", "origin"]),
    ("Vary: *\r\n", &["*"]),
];

#[test]
fn vary_is_merged_and_never_doubled() {
    for (fields, expected) in VARY {
        let origin = Origin::always(answer("200 OK", fields, "x"));
        let corsair = Corsair::reverse(origin.address(), &ALLOW_APP);
        for request in [format!("Origin: {APP}\r\n"), String::new()] {
            let mut vary = corsair.get("/", &request).fields.members("vary");
            vary.sort();
            assert_eq!(vary, *expected, "{fields:?} {request:?}");
        }
    }
}

#[test]
fn without_an_origin_there_is_no_grant() {
    let origin = Origin::always(answer("200 OK", "Access-Control-Allow-Credentials: true\r\n", "x"));
    let response = Corsair::reverse(origin.address(), &ALLOW_APP).get("/", "");
    assert_eq!(response.status, 200);
    assert!(!response.fields.has("access-control-allow-credentials"));
    assert!(!response.fields.has("corsair-cors"));
}

#[test]
fn with_credentials_the_origin_is_echoed_and_lists_are_never_a_star() {
    let origin = Origin::always(answer("200 OK", "X-One: 1\r\nSet-Cookie: a=1\r\n", "x"));
    let corsair = Corsair::reverse(origin.address(), &["--allow-origin", APP, "--allow-credentials"]);
    let response = corsair.get("/", &format!("Origin: {APP}\r\n"));
    assert_readable_by_app(&response, "credentials");
    assert_eq!(response.field("access-control-allow-credentials"), Some("true"));
    let exposed = response.fields.members("access-control-expose-headers");
    assert!(exposed.contains(&"x-one".to_owned()), "{exposed:?}");
    for never in ["*", "set-cookie", "content-type", "content-length"] {
        assert!(!exposed.contains(&never.to_owned()), "{never} in {exposed:?}");
    }
    let response = preflight(&corsair, APP, "PUT", "Access-Control-Request-Headers: authorization\r\n");
    assert_eq!(response.status, 204);
    assert_eq!(response.fields.members("access-control-allow-headers"), ["authorization"]);
    assert_eq!(response.field("access-control-allow-credentials"), Some("true"));
    assert_ne!(response.field("access-control-allow-methods"), Some("*"));
}

/// A policy, an origin, and whether it is allowed.
const ORIGINS: &[(&str, &str, bool)] = &[
    ("https://*.example.com", "https://a.example.com", true),
    ("https://*.example.com", "https://a.b.example.com", true),
    ("https://*.example.com", "https://example.com", false),
    ("https://*.example.com", "http://a.example.com", false),
    ("https://*.example.com", "https://a.example.com:444", false),
    ("https://*.example.com", "https://evilexample.com", false),
    ("https://*.example.com", "https://a.example.com.evil.net", false),
    ("loopback", "http://localhost:5173", true),
    ("loopback", "https://localhost", true),
    ("loopback", "http://127.8.9.1:3000", true),
    ("loopback", "http://[::1]:8080", true),
    ("loopback", "http://localhost.evil.net", false),
    ("loopback", "http://127.0.0.1.evil.net", false),
    ("~https://(a|b)\\.example\\.com", "https://b.example.com", true),
    ("~https://(a|b)\\.example\\.com", "https://b.example.com.evil.net", false),
    ("~https://(a|b)\\.example\\.com", "xhttps://b.example.com", false),
    ("null", "null", true),
    ("https://app.example.com", "null", false),
];

#[test]
fn origins_match_by_the_rules_of_the_policy() {
    let upstream = Origin::echo();
    for (policy, asked, allowed) in ORIGINS {
        let corsair = Corsair::reverse(upstream.address(), &["--allow-origin", policy]);
        let response = corsair.get("/", &format!("Origin: {asked}\r\n"));
        let expected = allowed.then_some(*asked);
        assert_eq!(response.field("access-control-allow-origin"), expected, "{policy} {asked}");
        let verdict = response.field("corsair-cors").unwrap();
        assert_eq!(verdict == "allowed", *allowed, "{policy} {asked}: {verdict}");
    }
}

#[test]
fn the_verdict_can_be_switched_off() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &["--no-verdict"]);
    assert!(!corsair.get("/", &format!("Origin: {APP}\r\n")).fields.has("corsair-cors"));
}

#[test]
fn two_origins_are_never_echoed() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    let response = corsair.get("/", &format!("Origin: {APP}\r\nOrigin: {APP}\r\n"));
    assert_no_cors(&response.fields);
}

#[test]
fn other_origins_can_be_refused_instead_of_hidden() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &["--allow-origin", APP, "--refuse-other-origins"]);
    let response = corsair.get("/", "Origin: https://evil.example\r\n");
    assert_eq!(response.status, 403);
    assert_no_cors(&response.fields);
    assert_eq!(upstream.connections(), 0);
    assert_eq!(corsair.get("/", &format!("Origin: {APP}\r\n")).status, 200);
}

#[test]
fn an_origin_that_is_denied_is_refused_whatever_else_allows_it() {
    for allowed in [&[][..], &["--allow-origin", "https://*.example"]] {
        let upstream = Origin::echo();
        let denied = ["--deny-origin", "https://evil.example", "--deny-origin", "null"];
        let corsair = Corsair::reverse(upstream.address(), &[allowed, &denied].concat());
        for fields in ["Origin: https://evil.example\r\n", "Origin: null\r\n"] {
            let preflight = format!("{fields}Access-Control-Request-Method: PUT\r\n");
            for response in [
                corsair.get("/", fields),
                corsair.ask(format!("OPTIONS / HTTP/1.1\r\nHost: a\r\n{preflight}\r\n")),
                corsair.get("/", &format!("{UPGRADE}{fields}")),
            ] {
                assert_eq!(response.status, 403, "{allowed:?} {fields}");
                assert_no_cors(&response.fields);
                assert!(response.field("vary").unwrap().contains("Origin"));
                assert_eq!(response.field("corsair-cors"), Some("refused; reason=\"origin denied\""));
            }
        }
        assert_eq!(upstream.connections(), 0);
        let response = corsair.get("/", "Origin: https://good.example\r\n");
        let expected = if allowed.is_empty() { "*" } else { "https://good.example" };
        assert_eq!((response.status, response.field("access-control-allow-origin")), (200, Some(expected)));
        assert_eq!(response.field("vary"), Some("Origin"), "a cache must not give it to the denied one");
    }
}

#[test]
fn an_upgrade_from_another_origin_never_reaches_the_upstream() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let response = corsair.get("/", &format!("{upgrade}Origin: https://evil.example\r\n"));
    assert_eq!(response.status, 403);
    assert_eq!(upstream.connections(), 0);
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn an_applications_own_page_is_never_refused() {
    let upstream = Origin::echo();
    for more in [&ALLOW_APP[..], &["--allow-origin", APP, "--refuse-other-origins"]] {
        let corsair = Corsair::reverse(upstream.address(), more);
        let port = corsair.address().port();
        for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]"] {
            let own = format!("http://{}:{port}", host.to_lowercase());
            for (method, more) in [("POST", "Content-Length: 0\r\n"), ("GET", UPGRADE), ("OPTIONS", "")] {
                let response = corsair.ask(format!(
                    "{method} / HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {own}\r\n{more}\r\n"
                ));
                assert_ne!(response.status, 403, "{method} {host}");
                if more != UPGRADE {
                    assert_eq!(response.field("corsair-cors"), Some("same-origin"), "{method} {host}");
                    assert_eq!(response.status, 200);
                    assert_no_cors(&response.fields);
                }
            }
        }
        // Another port or scheme of the same machine is another origin.
        for other in [format!("http://127.0.0.1:{}", port ^ 1), format!("https://127.0.0.1:{port}")] {
            let upgrade = corsair
                .ask(format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {other}\r\n{UPGRADE}\r\n"));
            assert_eq!(upgrade.status, 403, "{other}");
        }
    }
}

#[test]
fn a_rebound_page_is_no_page_of_the_applications_own() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    let port = corsair.address().port();
    let ask = |corsair: &Corsair| {
        corsair.ask(format!(
            "GET / HTTP/1.1\r\nHost: rebound.example:{port}\r\nOrigin: http://rebound.example:{port}\r\n{UPGRADE}\r\n"
        ))
    };
    assert_eq!(ask(&corsair).status, 403);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_answer_that_no_browser_accepts_is_called_so() {
    let upstream = Origin::on_head(|exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let lines = match request.target.as_str() {
            "/two" => {
                "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: https://app.example.com\r\n"
            }
            "/star" => "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n",
            _ => "Access-Control-Allow-Origin: https://app.example.com\r\n",
        };
        exchange.send(answer("200 OK", lines, "ok"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(upstream.address(), &["--upstream-headers", "keep"]);
    let verdict = |target: &str, more: &str| {
        let response = corsair.get(target, &format!("Origin: {APP}\r\n{more}"));
        response.field("corsair-cors").unwrap_or_default().to_owned()
    };
    assert_eq!(verdict("/one", ""), "allowed");
    assert_eq!(verdict("/one", "Cookie: a=b\r\n"), "allowed; credentials=off");
    for target in ["/two", "/star"] {
        let said = verdict(target, "");
        assert!(said.starts_with("unusable; reason=\"the upstream sent "), "{target}: {said}");
    }
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    for line in ["Cookie: a=b", "Authorization: Bearer x"] {
        let response = corsair.get("/two", &format!("Origin: {APP}\r\n{line}\r\n"));
        assert_eq!(response.field("corsair-cors"), Some("allowed; credentials=off"), "{line}");
    }
}

/// Requests with `{o}` for the Origin line, and the status of corsair's own answer to each.
fn faults() -> Vec<(u16, String)> {
    let long = "a".repeat(20_000);
    vec![
        (400, "GET / HTTP/1.1\r\nHost: a\r\n{o}Bad Name: x\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n{o}Host: a\r\n\r\n".to_owned()),
        (400, "POST / HTTP/1.1\r\nHost: a\r\n{o}Content-Length: +1\r\n\r\nx".to_owned()),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\n{o}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
        ),
        (400, "GET nonsense HTTP/1.1\r\nHost: a\r\n{o}\r\n".to_owned()),
        (405, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n{o}\r\n".to_owned()),
        (413, "POST / HTTP/1.1\r\nHost: a\r\n{o}Content-Length: 1000\r\n\r\n".to_owned()),
        (
            413,
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{{o}}Transfer-Encoding: chunked\r\n\r\n200\r\n{}\r\n0\r\n\r\n",
                "a".repeat(512)
            ),
        ),
        (414, format!("GET /{long} HTTP/1.1\r\nHost: a\r\n{{o}}\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{{o}}X-Long: {long}\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n{{o}}\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}{{o}}\r\n", "X-A: 1\r\n".repeat(150))),
        (501, "POST / HTTP/1.1\r\nHost: a\r\n{o}Transfer-Encoding: gzip, chunked\r\n\r\n".to_owned()),
        (505, "GET / HTTP/3.0\r\nHost: a\r\n{o}\r\n".to_owned()),
    ]
}

#[test]
fn every_error_that_corsair_makes_is_readable_by_the_page() {
    let upstream = Origin::echo();
    let listed = Corsair::reverse(upstream.address(), &["--allow-origin", APP, "--limit-body", "100"]);
    let open = Corsair::reverse(upstream.address(), &["--limit-body", "100"]);
    for (status, request) in faults() {
        let start: String = request.chars().take(60).collect();
        let response = listed.ask(request.replace("{o}", &format!("Origin: {APP}\r\n")));
        assert_eq!(response.status, status, "{start}: {}", response.text());
        assert_readable_by_app(&response, &start);
        assert!(matches!(response.framing, support::Framing::Length(_)), "{start}");
        assert!(response.fields.has("proxy-status"), "{start}");

        let other = listed.ask(request.replace("{o}", "Origin: https://evil.example\r\n"));
        assert_eq!(other.status, status, "{start}");
        assert_no_cors(&other.fields);

        let star = open.ask(request.replace("{o}", &format!("Origin: {APP}\r\n")));
        assert_eq!((star.status, star.field("access-control-allow-origin")), (status, Some("*")), "{start}");
    }
    assert!(upstream.seen().requests.is_empty());
}

#[test]
fn an_origin_far_behind_the_head_limit_is_still_found() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    let mut client = corsair.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "a".repeat(100_000)));
    let late = format!("{}\r\nOrigin: {APP}\r\n\r\n", "a".repeat(50_000));
    client.0.write_split([late.as_bytes()]);
    let response = client.response();
    assert_eq!(response.status, 431);
    assert_readable_by_app(&response, "late Origin");
    client.expect_fin();
}

/// The start of a request whose head has no end yet.
const ENDLESS: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ";

#[test]
fn the_search_for_an_origin_ends_after_a_bounded_number_of_bytes() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    for (length, found) in [(250_000, true), (400_000, false)] {
        let mut client = corsair.connect();
        client.offer(format!("{ENDLESS}{}\r\nOrigin: {APP}\r\n\r\n", "a".repeat(length)));
        let response = client.response();
        assert_eq!(response.status, 431, "{length}");
        assert_eq!(response.fields.has("access-control-allow-origin"), found, "{length}");
        client.expect_fin();
    }
}

#[test]
fn the_search_for_an_origin_ends_after_a_second() {
    let upstream = Origin::echo();
    let corsair = Corsair::reverse(upstream.address(), &ALLOW_APP);
    let mut client = corsair.connect();
    let start = Instant::now();
    client.send(format!("{ENDLESS}{}", "a".repeat(20_000)));
    while client.is_quiet_for(Duration::from_millis(20)) {
        assert!(start.elapsed() < Duration::from_secs(5), "it is searched for ever");
        client.offer("a");
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
    let response = client.response();
    assert_eq!((response.status, response.closes()), (431, true));
    assert_no_cors(&response.fields);
}

#[test]
fn timeouts_are_readable_by_the_page() {
    let silent = Origin::on_head(|_| Then::Hold);
    let flags = [
        "--allow-origin",
        APP,
        "--timeout-head",
        "300ms",
        "--timeout-response",
        "300ms",
        "--timeout-body-idle",
        "300ms",
    ];
    let corsair = Corsair::reverse(silent.address(), &flags);
    for (status, request) in [
        (408, format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n")),
        (408, format!("POST / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nContent-Length: 9\r\n\r\nabc")),
        (504, format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n\r\n")),
    ] {
        let response = corsair.ask(&request);
        assert_eq!(response.status, status, "{request}");
        assert_readable_by_app(&response, &request);
    }
}

#[test]
fn upstream_failures_are_readable_by_the_page() {
    for response in
        ["", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 101 S\r\n\r\n"]
    {
        let broken = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(response);
            Then::Close
        });
        let corsair = Corsair::reverse(broken.address(), &ALLOW_APP);
        let response = corsair.get("/", &format!("Origin: {APP}\r\n"));
        assert_eq!(response.status, 502);
        assert_readable_by_app(&response, "502");
    }
}

#[test]
fn the_gateways_own_texts_are_readable_by_the_page() {
    let corsair = Corsair::start(&ALLOW_APP);
    for (status, target) in [(400, "/"), (400, "/?url=x"), (400, "/nothing"), (403, "/http://127.0.0.1:9/")] {
        let response = corsair.get(target, &format!("Origin: {APP}\r\n"));
        assert_eq!(response.status, status, "{target}");
        assert_readable_by_app(&response, target);
    }
    assert_eq!(
        corsair.get("/healthcheck", &format!("Origin: {APP}\r\n")).field("access-control-allow-origin"),
        Some(APP)
    );
    let response = corsair.ask(format!(
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    ));
    assert_eq!(response.status, 204);
}

#[test]
fn an_origin_of_another_scheme_is_allowed_where_it_is_listed_or_any_is() {
    const SAFARI: &str = "safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8F";
    let upstream = Origin::echo();
    let any = Corsair::reverse(upstream.address(), &[]);
    let listed =
        ["--allow-origin", SAFARI, "--allow-origin", "file://", "--allow-origin", "~app://[A-Za-z]+"];
    let listed = Corsair::reverse(upstream.address(), &[&listed[..], &["--allow-credentials"]].concat());
    let allowed = |corsair: &Corsair, origin: &str| {
        let response = corsair.get("/", &format!("Origin: {origin}\r\n"));
        assert_eq!(response.status, 200, "{origin}");
        response.field("access-control-allow-origin").map(ToOwned::to_owned)
    };
    for origin in [SAFARI, "file://", "app://Mine"] {
        assert_eq!(allowed(&any, origin).as_deref(), Some("*"), "{origin}");
        assert_eq!(allowed(&listed, origin).as_deref(), Some(origin));
    }
    for origin in [&SAFARI.to_lowercase(), "app://Mine/", "file:///", "tauri://localhost"] {
        assert_eq!(allowed(&any, origin).as_deref(), Some("*"), "{origin}");
        assert_eq!(allowed(&listed, origin), None, "{origin}");
    }
    for origin in ["", "app://a app://b", "file://,file://"] {
        assert_eq!((allowed(&any, origin), allowed(&listed, origin)), (None, None), "{origin:?}");
    }
    let preflight = listed.ask(format!(
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: {SAFARI}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    ));
    assert_eq!((preflight.status, preflight.field("access-control-allow-origin")), (204, Some(SAFARI)));
}

#[test]
fn an_error_is_one_line_of_text_or_problem_json() {
    let corsair = Corsair::start(&["--upstream", "http://127.0.0.1:1"]);
    let plain = corsair.get("/", "");
    assert!(plain.field("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(plain.text().trim_end().lines().count(), 1);
    assert!(plain.text().contains(": "));
    let problem = corsair.get("/", "Accept: application/json\r\n");
    assert!(problem.field("content-type").unwrap().starts_with("application/problem+json"));
    let json: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
    assert_eq!(json["status"], 502);
    assert!(!problem.text().contains("127.0.0.1"), "no upstream detail: {}", problem.text());
}

//! Response heads as the client gets them.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::{
    cors::{CorsDecision, decide},
    plan::date::Date,
};

/// The head that a client gets of `upstream`, by the policy of these arguments.
fn homeward_head(
    arguments: &[&str],
    origin: Option<&str>,
    upstream: &[u8],
    gateway: Option<GatewayAnswer<'_>>,
    framing: Framing,
) -> Vec<u8> {
    edited_head(arguments, origin, upstream, gateway, framing, None)
}

/// The same with what the operator changes.
fn edited_head(
    arguments: &[&str],
    origin: Option<&str>,
    upstream: &[u8],
    gateway: Option<GatewayAnswer<'_>>,
    framing: Framing,
    edits: Option<&Edits>,
) -> Vec<u8> {
    let config = config(arguments);
    let line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let asked = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n"));
    let upstream = sample::response(upstream);
    let identity = identity();
    let homeward = Homeward {
        cors: decide(config.cors(), asked.request(), false, |_| false),
        policy: config.cors(),
        request_bytes: &asked.bytes,
        framing,
        declared: None,
        connection: None,
        gateway,
        renaming: None,
        edits,
        identity: &identity,
        date: &Date::of(UNIX_EPOCH),
    };
    let mut out = vec![0; ROOM];
    let len = response(upstream.response(), &homeward, &mut out).unwrap();
    out.truncate(len);
    out
}

fn received(arguments: &[&str], origin: Option<&str>, lines: &str) -> Written {
    let upstream = format!("HTTP/1.0 200 Fine\r\n{lines}\r\n\r\n");
    Written::response(&homeward_head(arguments, origin, upstream.as_bytes(), None, Framing::Chunked))
}

const TARGET: GatewayAnswer<'_> = GatewayAnswer {
    final_url: "https://t.example/x",
    location: Location::Kept,
    cookies: CookiesHome::Dropped,
};

fn from_target(lines: &str) -> Written {
    let upstream = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
    let origin = Some("https://a.example");
    Written::response(&homeward_head(&[], origin, upstream.as_bytes(), Some(TARGET), Framing::Length(5)))
}

const LISTED: &[&str] = &["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"];
const KEEPING: &[&str] =
    &["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example", "--upstream-headers=keep"];

#[test]
fn a_response_is_written_anew_without_what_belongs_to_one_connection() {
    let written = received(
        REVERSE,
        None,
        "Connection: keep-alive, X-Hop, Set-Cookie, Vary, Via, Date\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
         Proxy-Connection: x\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\
         Set-Cookie: a\r\nX: y\r\nset-cookie: b\r\nVia: 1.1 up\r\nDate: then\r\nVary: Accept\r\nServer: s",
    );
    assert_eq!(written.start, "HTTP/1.1 200 Fine");
    for name in ["Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "X-Hop", "Content-Length"] {
        assert!(!written.has(name), "{name}");
    }
    assert_eq!(written.all("Transfer-Encoding"), ["chunked"]);
    assert_eq!(written.all("Set-Cookie"), ["a", "b"]);
    assert_eq!(written.all("Via"), ["1.1 up", &format!("1.1 corsair ({OWN_ID})")]);
    assert_eq!((written.all("Date"), written.all("Vary")), (vec!["then"], vec!["Accept"]));
    assert_eq!(written.all("Server"), ["s"]);
    assert_eq!(received(REVERSE, None, "X: y").all("Date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
}

#[test]
fn the_policy_alone_speaks_of_cors() {
    let theirs = "access-control-allow-origin: *\r\nAccess-Control-Allow-Origin: https://b.example\r\n\
                  Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X\r\n\
                  Access-Control-Max-Age: 5\r\nCorsair-Cors: allowed\r\nVary: Accept\r\nvary: origin\r\nETag: 1";
    let allowed = received(LISTED, Some("https://a.example"), theirs);
    assert_eq!(allowed.all("Access-Control-Allow-Origin"), ["https://a.example"]);
    assert_eq!(allowed.all("Vary"), ["Accept, origin"]);
    assert_eq!(allowed.all("Corsair-Cors"), ["allowed"]);
    assert!(!allowed.has("Access-Control-Allow-Credentials") && !allowed.has("Access-Control-Max-Age"));
    assert!(allowed.all("Access-Control-Expose-Headers")[0].contains("ETag"));
    let refused = received(LISTED, Some("https://b.example"), theirs);
    assert!(!refused.fields.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control")));
    assert_eq!(refused.all("Vary"), ["Accept, origin"]);
    let unasked = received(LISTED, None, theirs);
    assert!(!unasked.has("Access-Control-Allow-Origin"));
    assert_eq!(unasked.all("Vary"), ["Accept, origin"]);
    let kept = received(KEEPING, Some("https://a.example"), "Access-Control-Allow-Origin: https://a.example");
    assert_eq!(kept.all("Access-Control-Allow-Origin"), ["https://a.example"]);
    assert!(!received(KEEPING, Some("https://b.example"), theirs).has("Access-Control-Allow-Origin"));
}

#[test]
fn vary_is_merged_into_one_line() {
    for (theirs, merged) in [
        ("X: y", "Origin"),
        ("Vary: Accept", "Accept, Origin"),
        ("Vary: Accept\r\nVary: Cookie", "Accept, Cookie, Origin"),
        ("Vary: ORIGIN", "ORIGIN"),
        ("Vary: *", "*"),
    ] {
        assert_eq!(received(LISTED, Some("https://a.example"), theirs).all("Vary"), [merged], "{theirs:?}");
    }
}

#[test]
fn a_target_cannot_act_on_the_gateways_origin() {
    let acting = [
        "Set-Cookie: a=b",
        "set-cookie: c=d",
        "Content-Security-Policy: default-src *",
        "X-Frame-Options: DENY",
        "Cross-Origin-Opener-Policy: same-origin",
        "Clear-Site-Data: \"*\"",
        "Strict-Transport-Security: max-age=1",
        "Service-Worker-Allowed: /",
        "NEL: {}",
        "report-to: {}",
        "Alt-Svc: h3=\":443\"",
        "Refresh: 0;url=https://evil.example/",
        "Set-Cookie2: e=f",
        "Proxy-Authenticate: Basic",
        "X-Final-URL: https://evil.example/",
    ];
    let lines = format!("Content-Type: application/json\r\n{}\r\nX-Kept: 1", acting.join("\r\n"));
    let written = from_target(&lines);
    for line in acting {
        let name = line.split(':').next().unwrap();
        assert!(name == "X-Final-URL" || !written.has(name), "{name}: {written:?}");
    }
    assert_eq!(written.all("X-Final-URL"), ["https://t.example/x"]);
    assert_eq!(written.all("X-Kept"), ["1"]);
    assert_eq!(written.all("Access-Control-Expose-Headers"), ["Corsair-Cors, Via, X-Final-URL, X-Kept"]);
    // A reverse proxy's own application may say all that, but what is for corsair itself (RFC 9110 §11.7.1).
    let own = received(REVERSE, None, &lines);
    assert!(!own.has("Proxy-Authenticate"));
    for line in acting.into_iter().filter(|line| !line.starts_with("Proxy-Authenticate")) {
        assert!(own.has(line.split(':').next().unwrap()), "{line}");
    }
}

#[test]
fn a_targets_challenge_reaches_scripts_and_no_browser() {
    let written = from_target("www-authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Bearer\r\nETag: 1");
    assert!(!written.has("WWW-Authenticate"));
    assert_eq!(written.all("X-WWW-Authenticate"), ["Basic realm=\"x\"", "Bearer"]);
    assert_eq!(
        written.all("Access-Control-Expose-Headers"),
        ["Corsair-Cors, Via, X-Final-URL, X-WWW-Authenticate, ETag"]
    );
    // An application's own users are asked.
    assert_eq!(received(REVERSE, None, "WWW-Authenticate: Basic").all("WWW-Authenticate"), ["Basic"]);
}

#[test]
fn scripts_are_told_of_no_field_that_does_not_leave() {
    let written = from_target(
        "Connection: X-Hop\r\nX-Hop: 1\r\nNEL: {}\r\nAlt-Svc: clear\r\nX-Frame-Options: DENY\r\nETag: 1\r\n\
         Keep-Alive: timeout=5\r\nRefresh: 1\r\nAuthentication-Info: a=b\r\nLink: </a>",
    );
    assert_eq!(written.all("Access-Control-Expose-Headers"), ["Corsair-Cors, Via, X-Final-URL, ETag, Link"]);
}

#[test]
fn what_is_known_to_be_inert_is_not_guessed_at() {
    for (lines, nosniff) in [
        ("Content-Type: application/json", true),
        ("Content-Type: application/pdf", true),
        ("Content-Type: image/png\r\nX-Content-Type-Options: nosniff", true),
        ("x-content-type-options: none\r\nContent-Type: image/png", true),
        ("Content-Type: text/html", false),
        ("Content-Type: text/html\r\nX-Content-Type-Options: nosniff", true),
        ("X: y", false),
    ] {
        let expected = if nosniff { vec!["nosniff"] } else { vec![] };
        assert_eq!(from_target(lines).all("X-Content-Type-Options"), expected, "{lines:?}");
    }
}

#[test]
fn what_a_browser_could_take_for_a_document_is_put_into_a_sandbox() {
    for (lines, sandboxed) in [
        ("Content-Type: text/html", true),
        ("Content-Type: TEXT/HTML; charset=utf-8", true),
        ("Content-Type: application/xhtml+xml", true),
        ("Content-Type: text/xml", true),
        ("Content-Type: image/svg+xml", true),
        ("Content-Type: image/SVG+xml;x", true),
        ("Content-Type: text/javascript", true),
        ("Content-Type: ", true),
        ("Content-Type: nonsense", true),
        ("Content-Type: text/plain\r\nContent-Type: text/html", true),
        ("Content-Type: text/html\r\nContent-Type: text/plain", true),
        ("Content-Type: application/json", false),
        ("Content-Type: Application/JSON ; charset=utf-8", false),
        ("Content-Type: text/plain", false),
        ("Content-Type: image/png", false),
        ("Content-Type: application/pdf", false),
        ("Content-Type: text/event-stream", false),
        ("Content-Type: application/octet-stream", false),
    ] {
        let written = from_target(&format!("{lines}\r\nContent-Security-Policy: default-src *"));
        let expected = if sandboxed { vec!["sandbox"] } else { vec![] };
        assert_eq!(written.all("Content-Security-Policy"), expected, "{lines:?}");
    }
}

#[test]
fn a_target_that_names_no_media_type_is_sandboxed_for_browsers_guess() {
    assert_eq!(from_target("X: y").all("Content-Security-Policy"), ["sandbox"]);
    // Stripped by its own nomination, it is missing too.
    let nominated = from_target("Content-Type: application/json\r\nConnection: Content-Type");
    assert!(nominated.has("Content-Type") || nominated.all("Content-Security-Policy") == ["sandbox"]);
}

#[test]
fn of_a_list_of_media_types_browsers_take_the_last() {
    // Fetch, "extract a MIME type": the value is split at its commas, and the last one that parses counts.
    for value in ["text/plain;,text/html", "application/json;x=y, text/html", "image/png;, text/html"] {
        let written = from_target(&format!("Content-Type: {value}"));
        assert_eq!(written.all("Content-Security-Policy"), ["sandbox"], "{value:?}");
    }
}

#[test]
fn a_location_that_was_rewritten_takes_the_place_of_the_targets() {
    let gateway = Some(GatewayAnswer { location: Location::Rewritten("/https://t.example/y"), ..TARGET });
    let upstream = b"HTTP/1.1 302 Found\r\nlocation: /y\r\n\r\n";
    let written = Written::response(&homeward_head(&[], None, upstream, gateway, Framing::Length(5)));
    assert_eq!(written.all("Location"), ["/https://t.example/y"]);
    assert_eq!(from_target("Location: /y").all("Location"), ["/y"]);
}

#[test]
fn the_client_gets_the_framing_that_was_decided() {
    let written = |framing, declared, connection| {
        let config = config(REVERSE);
        let upstream =
            sample::response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n");
        let identity = identity();
        let homeward = Homeward {
            cors: CorsDecision::NotCors,
            policy: config.cors(),
            request_bytes: b"",
            framing,
            declared,
            connection,
            gateway: None,
            renaming: None,
            edits: None,
            identity: &identity,
            date: &Date::of(UNIX_EPOCH),
        };
        let mut out = vec![0; ROOM];
        let len = response(upstream.response(), &homeward, &mut out).unwrap();
        for room in 0..len {
            let result = response(upstream.response(), &homeward, &mut out[..room]);
            assert_eq!(result, Err(Error::ResponseHeadTooLarge));
        }
        let len = response(upstream.response(), &homeward, &mut out).unwrap();
        Written::response(&out[..len])
    };
    for (framing, declared, connection, length, coding) in [
        (Framing::None, None, None, vec![], vec![]),
        (Framing::None, Some(0), Some(&b"close"[..]), vec!["0"], vec![]),
        (Framing::None, Some(7), None, vec!["7"], vec![]),
        (Framing::Length(5), Some(5), Some(b"keep-alive"), vec!["5"], vec![]),
        (Framing::Chunked, None, None, vec![], vec!["chunked"]),
        (Framing::UntilClose, None, Some(b"close"), vec![], vec![]),
    ] {
        let written = written(framing, declared, connection);
        assert_eq!((written.all("Content-Length"), written.all("Transfer-Encoding")), (length, coding));
        let said: Vec<&str> = connection.iter().map(|option| str::from_utf8(option).unwrap()).collect();
        assert_eq!(written.all("Connection"), said, "{framing:?}");
    }
}

#[test]
fn an_interim_response_has_neither_framing_nor_cors() {
    let upstream = sample::response(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
         Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
    );
    let mut out = vec![0; ROOM];
    let len = interim(upstream.response(), false, false, None, &mut out).unwrap();
    assert_eq!(&out[..len], b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n");
    for room in 0..len {
        assert!(interim(upstream.response(), false, false, None, &mut out[..room]).is_err());
    }
    let upstream = sample::response(
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
    );
    let len = interim(upstream.response(), true, false, None, &mut out).unwrap();
    let written = Written::response(&out[..len]);
    assert_eq!((written.all("Connection"), written.all("Upgrade")), (vec!["upgrade"], vec!["websocket"]));
    assert_eq!(written.all("Sec-WebSocket-Accept"), ["x"]);
}

proptest! {
    #[test]
    fn any_response_leaves_with_one_set_of_cors_fields_and_nothing_of_its_last_hop(
        lines in lines(),
        origin in prop::sample::select(&[None, Some("https://a.example"), Some("https://b.example")][..]),
        arguments in prop::sample::select(&[REVERSE, LISTED, KEEPING][..]),
    ) {
        let upstream = format!("HTTP/1.1 200 OK\r\n{}\r\n", text_of(&lines));
        let head = homeward_head(arguments, origin, upstream.as_bytes(), None, Framing::Length(5));
        let written = Written::response(&head);
        prop_assert_eq!(written.all("Content-Length"), ["5"]);
        for name in HOP_BY_HOP {
            prop_assert!(!written.has(name), "{}", name);
        }
        prop_assert!(written.all("Vary").len() <= 1);
        prop_assert!(written.all("Date").len() == 1 || lines.iter().filter(|line| line.0 == "Date").count() > 1);
        let allowed = written.all("Access-Control-Allow-Origin");
        if arguments != KEEPING {
            let expected = match (arguments == REVERSE, origin) {
                (true, _) => vec!["*"],
                (false, Some("https://a.example")) => vec!["https://a.example"],
                (false, _) => vec![],
            };
            prop_assert_eq!(allowed, expected);
            prop_assert!(written.all("Access-Control-Expose-Headers").len() <= 1);
        } else if origin == Some("https://b.example") {
            prop_assert!(allowed.is_empty());
        }
        if arguments != REVERSE {
            let vary = written.all("Vary")[0];
            let names = vary.split(',').filter(|name| name.trim().eq_ignore_ascii_case("Origin")).count();
            prop_assert!(vary == "*" || vary.contains('*') || names == 1, "{}", vary);
        }
        for name in ["X-A", "X-B", "Content-Type"] {
            let expected: Vec<&str> = lines
                .iter()
                .filter(|line| line.0.eq_ignore_ascii_case(name) && !is_named(&lines, name))
                .map(|line| line.1.as_str())
                .collect();
            prop_assert_eq!(written.all(name), expected, "{}", name);
        }
        prop_assert_eq!(
            written.all("Set-Cookie").len(),
            lines.iter().filter(|line| line.0 == "Set-Cookie").count()
        );
    }
}

#[test]
fn what_the_operator_sets_adds_and_removes_of_a_response_is_so() {
    let edits = edits(
        Edited::Responses,
        &[("X-Frame-Options", "DENY"), ("X-Set", "new"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
        &[("X-Add", "2"), ("Vary", "Accept"), ("Set-Cookie", "c=d"), ("Cache-Control", "no-store")],
        &["Server", "x-powered-by"],
    );
    let upstream = "HTTP/1.1 200 OK\r\nserver: s\r\nX-Powered-By: p\r\nX-SET: a\r\nx-set: b\r\nX-Add: 1\r\n\
                    Vary: Cookie\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nSet-Cookie: a=b\r\nX-Kept: k\r\n\r\n";
    let origin = Some("https://a.example");
    let head = edited_head(LISTED, origin, upstream.as_bytes(), None, Framing::Length(0), Some(&edits));
    let written = Written::response(&head);
    for (name, values) in [
        ("X-Frame-Options", &["DENY"][..]),
        ("X-Set", &["new"]),
        ("Date", &["Sun, 06 Nov 1994 08:49:37 GMT"]),
        ("X-Add", &["1", "2"]),
        ("Set-Cookie", &["a=b", "c=d"]),
        ("Cache-Control", &["no-store"]),
        ("Server", &[]),
        ("X-Powered-By", &[]),
        ("X-Kept", &["k"]),
        ("Content-Length", &["0"]),
    ] {
        assert_eq!(written.all(name), values, "{name}");
    }
    let vary = written.all("Vary").join(", ");
    assert!(["Cookie", "Origin", "Accept"].iter().all(|name| vary.contains(name)), "{vary}");
    // Scripts are told of what is new, of nothing that is gone, and of each once.
    let exposed = written.all("Access-Control-Expose-Headers").join(", ");
    let exposed: Vec<String> = exposed.split(", ").map(str::to_ascii_lowercase).collect();
    for (name, times) in [
        ("x-frame-options", 1),
        ("x-set", 1),
        ("x-add", 1),
        ("x-kept", 1),
        ("date", 1),
        ("vary", 1),
        ("via", 1),
        ("server", 0),
        ("x-powered-by", 0),
        ("set-cookie", 0),
        ("cache-control", 0),
    ] {
        assert_eq!(exposed.iter().filter(|known| *known == name).count(), times, "{name}: {exposed:?}");
    }
}

#[test]
fn a_response_without_edits_is_as_it_would_be_with_none_to_make() {
    let nothing = edits(Edited::Responses, &[], &[], &[]);
    let upstream = b"HTTP/1.1 200 OK\r\nServer: s\r\nX-A: 1\r\nVary: Cookie\r\n\r\n";
    for origin in [None, Some("https://a.example"), Some("https://evil.test")] {
        let head = |edits| edited_head(LISTED, origin, upstream, None, Framing::Chunked, edits);
        assert_eq!(head(None), head(Some(&nothing)));
    }
}

//! Response heads, and what they mean for the exchange.

use super::*;
use std::time::UNIX_EPOCH;

use crate::{
    gateway::HopMethod,
    http1::sample,
    plan::{
        sample::{REVERSE, Setup, Written},
        target::MAX_HOPS,
    },
};

/// What a head amounted to, and what was written of it.
enum Outcome {
    Interim(Vec<u8>),
    Redirect(Hop),
    Switch(Written),
    Final(Written, ResponsePlan),
}

fn see(setup: &Setup, head: &str) -> Result<Outcome, Error> {
    see_with(setup, true, head)
}

fn see_with(setup: &Setup, request_read: bool, head: &str) -> Result<Outcome, Error> {
    let parsed = sample::response(head);
    let mut out = vec![0; 32 << 10];
    let seen = Seen { request_read, body_kept: false, reused: false, date: Date::of(UNIX_EPOCH) };
    let arrived = setup.context().respond(setup.request.request(), parsed.response(), &seen, &mut out)?;
    Ok(match arrived {
        Arrived::Interim { written } => Outcome::Interim(out[..written].to_vec()),
        Arrived::Redirect(hop) => Outcome::Redirect(hop),
        Arrived::Switch { written } => Outcome::Switch(Written::response(&out[..written])),
        Arrived::Final { written, plan } => Outcome::Final(Written::response(&out[..written]), plan),
        Arrived::Admitted { .. } => panic!("nobody asks a service"),
    })
}

#[track_caller]
fn see_final(setup: &Setup, head: &str) -> (Written, ResponsePlan) {
    final_of(see(setup, head))
}

#[track_caller]
fn final_of(seen: Result<Outcome, Error>) -> (Written, ResponsePlan) {
    match seen {
        Ok(Outcome::Final(written, plan)) => (written, plan),
        Ok(Outcome::Interim(_)) => panic!("interim"),
        Ok(Outcome::Redirect(hop)) => panic!("redirect to {}", hop.target.as_str()),
        Ok(Outcome::Switch(_)) => panic!("switch"),
        Err(error) => panic!("{error:?}"),
    }
}

/// A request whose body has been read.
fn asked(arguments: &[&str], text: &str) -> Setup {
    Setup::new(arguments, text)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OLD_GET: &str = "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const WEBSOCKET_TO_TARGET: &str =
    "GET /?url=http://t.example/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const TO_TARGET: &str = "GET /?url=http://t.example/a HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn framing_changes_only_where_the_clients_version_wants_it() {
    use Persistence::{Close, KeepAlive, KeepAliveExplicit};
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\n";
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (request, head, recode, persistence, sent_length, sent_coding) in [
        (GET, length, Recode::Verbatim, KeepAlive, Some("5"), false),
        (GET, empty, Recode::Verbatim, KeepAlive, Some("0"), false),
        (GET, chunked, Recode::Verbatim, KeepAlive, None, true),
        (GET, until_close, Recode::Enchunk, KeepAlive, None, true),
        (OLD_GET, length, Recode::Verbatim, KeepAliveExplicit, Some("5"), false),
        (OLD_GET, empty, Recode::Verbatim, KeepAliveExplicit, Some("0"), false),
        (OLD_GET, chunked, Recode::Dechunk, Close, None, false),
        (OLD_GET, until_close, Recode::Verbatim, Close, None, false),
        (HEAD, length, Recode::Verbatim, KeepAlive, Some("5"), false),
        (HEAD, chunked, Recode::Verbatim, KeepAlive, None, false),
        (HEAD, until_close, Recode::Verbatim, KeepAlive, None, false),
    ] {
        let (written, plan) = see_final(&asked(REVERSE, request), head);
        assert_eq!((plan.recode, plan.persistence), (recode, persistence), "{request:?} {head:?}");
        assert_eq!(written.all("Content-Length"), Vec::from_iter(sent_length), "{request:?} {head:?}");
        assert_eq!(written.has("Transfer-Encoding"), sent_coding, "{request:?} {head:?}");
        assert_eq!(written.start, "HTTP/1.1 200 OK");
        let option = match persistence {
            KeepAlive => vec![],
            KeepAliveExplicit => vec!["keep-alive"],
            Close => vec!["close"],
        };
        assert_eq!(written.all("Connection"), option, "{request:?} {head:?}");
    }
}

#[test]
fn responses_without_a_body_keep_the_length_that_means_something() {
    for (request, head, length) in [
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", vec![]),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n", vec![]),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", vec!["5"]),
        (GET, "HTTP/1.1 304 Not Modified\r\n\r\n", vec![]),
        (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", vec!["0"]),
        (HEAD, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", vec![]),
    ] {
        let (written, plan) = see_final(&asked(REVERSE, request), head);
        assert_eq!(plan.framing, Framing::None, "{head:?}");
        assert!(plan.upstream_persists, "{head:?}");
        assert_eq!((written.all("Content-Length"), written.has("Transfer-Encoding")), (length, false));
    }
}

#[test]
fn an_upstream_connection_persists_only_where_its_end_is_known_and_nobody_closes() {
    for (head, persists) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nConnection: close", false),
        ("HTTP/1.1 200 OK", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive", false),
    ] {
        let (_, plan) = see_final(&asked(REVERSE, GET), &format!("{head}\r\n\r\n"));
        assert_eq!(plan.upstream_persists, persists, "{head:?}");
        assert_eq!(plan.persistence, Persistence::KeepAlive, "{head:?}");
    }
}

#[test]
fn a_connection_on_which_somebody_logs_in_is_bound_to_its_client() {
    let logging_in = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: nTlM TlRM\r\n\r\n";
    let basic = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic TlRM\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let asks = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic, NEGOTIATE\r\n\r\n";
    let target = "GET /?url=http://t.example/a HTTP/1.1\r\nHost: h\r\nAuthorization: Negotiate a\r\n\r\n";
    for (arguments, request, head, expected) in [
        (REVERSE, GET, ok, false),
        (REVERSE, basic, ok, false),
        (REVERSE, logging_in, ok, true),
        (REVERSE, GET, asks, true),
        (&[], TO_TARGET, ok, false),
        (&[], target, ok, true),
        (&[], TO_TARGET, asks, true),
    ] {
        let (_, plan) = see_final(&asked(arguments, request), head);
        assert_eq!(plan.upstream_bound, expected, "{request:?} {head:?}");
        assert!(plan.upstream_persists);
    }
}

#[test]
fn an_announced_patience_is_read() {
    for (value, seconds) in [
        ("timeout=5, max=100", Some(5)),
        ("max=100,timeout=0", Some(0)),
        ("timeout=5", Some(5)),
        ("timeout=x", None),
        ("timeout=-1", None),
        ("timeout=99999999999999999999", None),
        ("5", None),
        ("", None),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: {value}\r\n\r\n");
        let (written, plan) = see_final(&asked(REVERSE, GET), &head);
        assert_eq!(plan.patience, seconds.map(Duration::from_secs), "{value:?}");
        assert!(!written.has("Keep-Alive"));
    }
}

#[test]
fn doubtful_framing_never_reaches_the_client() {
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 05",
        "Content-Length: +5",
        "Content-Length: 5, 6",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
    ] {
        for request in [GET, HEAD, OLD_GET] {
            let result = see(&asked(REVERSE, request), &format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"));
            assert!(matches!(result, Err(Error::ResponseHead(_))), "{lines:?}");
        }
    }
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_closes_after_it() {
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
    for (head, read, persistence) in [
        ("HTTP/1.1 413 x\r\nContent-Length: 5", false, Persistence::Close),
        ("HTTP/1.1 302 x\r\nContent-Length: 5", false, Persistence::Close),
        ("HTTP/1.1 200 x\r\nContent-Length: 5\r\nConnection: close", false, Persistence::Close),
        ("HTTP/1.1 200 x\r\nContent-Length: 5", false, Persistence::KeepAlive),
        ("HTTP/1.1 413 x\r\nContent-Length: 5", true, Persistence::KeepAlive),
        ("HTTP/1.1 413 x\r\nContent-Length: 5\r\nConnection: close", true, Persistence::KeepAlive),
    ] {
        let seen = see_with(&Setup::new(REVERSE, post), read, &format!("{head}\r\n\r\n"));
        let (written, plan) = final_of(seen);
        assert_eq!(plan.persistence, persistence, "{head:?}");
        assert_eq!(written.has("Connection"), persistence == Persistence::Close, "{head:?}");
    }
}

#[test]
fn interim_responses_pass_to_those_who_know_them() {
    for status in [100, 102, 103, 199] {
        let head = format!("HTTP/1.1 {status} x\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n");
        let Ok(Outcome::Interim(bytes)) = see(&asked(REVERSE, GET), &head) else { panic!("{status}") };
        assert_eq!(bytes, format!("HTTP/1.1 {status} x\r\nLink: </a>\r\n\r\n").into_bytes());
        let Ok(Outcome::Interim(bytes)) = see(&asked(REVERSE, OLD_GET), &head) else { panic!("{status}") };
        assert!(bytes.is_empty(), "{status} to HTTP/1.0");
    }
}

#[test]
fn a_switch_is_taken_only_as_it_was_asked_for() {
    let head = |lines: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n\r\n");
    let right = head("Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: x");
    let Ok(Outcome::Switch(written)) = see(&asked(REVERSE, WEBSOCKET), &right) else { panic!("no switch") };
    assert_eq!(written.start, "HTTP/1.1 101 Switching Protocols");
    assert_eq!((written.all("Connection"), written.all("Upgrade")), (vec!["upgrade"], vec!["websocket"]));
    assert_eq!(written.all("Sec-WebSocket-Accept"), ["x"]);
    for lines in [
        "Connection: Upgrade\r\nUpgrade: h2c",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ] {
        assert_eq!(
            see(&asked(REVERSE, WEBSOCKET), &head(lines)).err(),
            Some(Error::UpgradeFailed),
            "{lines:?}"
        );
    }
    assert_eq!(see(&asked(REVERSE, GET), &right).err(), Some(Error::UpgradeFailed));
    // Declined, the request is one like any other.
    let (written, _) = see_final(&asked(REVERSE, WEBSOCKET), "HTTP/1.1 200 OK\r\nUpgrade: websocket\r\n\r\n");
    assert!(!written.has("Upgrade"));
}

#[test]
fn a_target_cannot_act_on_the_gateways_origin_by_switching_or_in_advance() {
    // Browsers take cookies and HSTS out of the answer to a WebSocket's handshake too.
    let acting = "Set-Cookie: a=b\r\nStrict-Transport-Security: max-age=1\r\nClear-Site-Data: \"*\"\r\nNEL: {}\r\n\
                  WWW-Authenticate: Basic\r\nAlt-Svc: h3=\":443\"";
    let setup = asked(&["--allow-target=any"], WEBSOCKET_TO_TARGET);
    let head = format!(
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\
         Sec-WebSocket-Protocol: z\r\n{acting}\r\n\r\n"
    );
    let Ok(Outcome::Switch(written)) = see(&setup, &head) else { panic!("no switch") };
    let Ok(Outcome::Interim(hints)) = see(&setup, &format!("HTTP/1.1 103 x\r\n{acting}\r\n\r\n")) else {
        panic!("no interim response")
    };
    assert_eq!(
        (written.all("Sec-WebSocket-Accept"), written.all("Sec-WebSocket-Protocol")),
        (vec!["y"], vec!["z"])
    );
    for written in [written, Written::response(&hints)] {
        for name in [
            "Set-Cookie",
            "Strict-Transport-Security",
            "Clear-Site-Data",
            "NEL",
            "WWW-Authenticate",
            "Alt-Svc",
        ] {
            assert!(!written.has(name), "{name}: {written:?}");
        }
    }
}

#[test]
fn that_a_parent_wants_a_login_is_told_to_no_client() {
    let head = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
    for request in [GET, TO_TARGET] {
        let setup = asked(if request == GET { REVERSE } else { &[] }, request);
        let (parsed, mut out) = (sample::response(head), vec![0; 32 << 10]);
        let seen = Seen { request_read: true, body_kept: false, reused: false, date: Date::of(UNIX_EPOCH) };
        let context = ResponseContext { by_parent: true, ..setup.context() };
        let arrived = context.respond(setup.request.request(), parsed.response(), &seen, &mut out);
        assert_eq!(arrived.err(), Some(Error::ParentUnauthorized));
        let (written, _) = see_final(&setup, head);
        assert!(
            written.start.starts_with("HTTP/1.1 407") && !written.has("Proxy-Authenticate"),
            "a server's own"
        );
    }
}

#[test]
fn every_final_response_carries_what_cors_decided() {
    let text = "GET / HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n\r\n";
    let setup = asked(&["--upstream=http://127.0.0.1:9001", "--allow-origin=https://a.example"], text);
    for status in [200, 204, 206, 301, 304, 404, 500, 503, 599] {
        let head = format!("HTTP/1.1 {status} x\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept\r\n\r\n");
        let (written, plan) = see_final(&setup, &head);
        assert_eq!(plan.status, status);
        assert_eq!(written.all("Access-Control-Allow-Origin"), ["https://a.example"], "{status}");
        assert_eq!(written.all("Vary"), ["Accept, Origin"], "{status}");
    }
}

#[test]
fn a_gateway_follows_redirects_up_to_a_bound() {
    let head = |status: u16| format!("HTTP/1.1 {status} x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    for status in [301, 302, 303, 307, 308] {
        let Ok(Outcome::Redirect(hop)) = see(&asked(&[], TO_TARGET), &head(status)) else {
            panic!("{status}")
        };
        assert_eq!(hop.target.as_str(), "http://t.example/b");
    }
    let mut setup = asked(&[], TO_TARGET);
    setup.target_mut().hops = MAX_HOPS - 1;
    assert!(matches!(see(&setup, &head(302)), Ok(Outcome::Redirect(_))));
    setup.target_mut().hops = MAX_HOPS;
    assert_eq!(see(&setup, &head(302)).err(), Some(Error::TooManyRedirects));
    assert_eq!(see_final(&setup, "HTTP/1.1 200 OK\r\n\r\n").0.all("X-Final-URL"), ["http://t.example/a"]);
}

#[test]
fn the_location_of_a_3xx_that_is_no_redirect_does_not_leave() {
    for status in [300, 304, 305, 306, 309, 399] {
        for mode in ["follow", "rewrite"] {
            let setup = asked(&[&format!("--redirects={mode}")], TO_TARGET);
            let head = format!(
                "HTTP/1.1 {status} x\r\nLocation: http://b.example/\r\nlocation: /c\r\nRefresh: 0;url=/d\r\n\r\n"
            );
            let (written, plan) = see_final(&setup, &head);
            assert_eq!(plan.status, status);
            assert!(!written.has("Location") && !written.has("Refresh"), "{status}: {written:?}");
            assert!(
                !written.all("Access-Control-Expose-Headers").concat().contains("Location"),
                "{written:?}"
            );
        }
        let head = format!("HTTP/1.1 {status} x\r\nLocation: /b\r\n\r\n");
        let (written, _) = see_final(&asked(&["--redirects=pass"], TO_TARGET), &head);
        assert_eq!(written.all("Location"), ["/b"], "{status} passed");
        let (written, _) = see_final(&asked(REVERSE, GET), &head);
        assert_eq!(written.all("Location"), ["/b"], "{status} of a reverse proxy");
    }
}

#[test]
fn what_is_no_redirect_passes_with_its_location() {
    for (head, location) in [("HTTP/1.1 201 x\r\nLocation: /b", Some("/b")), ("HTTP/1.1 302 x", None)] {
        let (written, _) = see_final(&asked(&[], TO_TARGET), &format!("{head}\r\n\r\n"));
        assert_eq!(written.all("Location"), Vec::from_iter(location), "{head:?}");
    }
    // A reverse proxy follows nothing.
    let (written, _) =
        see_final(&asked(REVERSE, GET), "HTTP/1.1 302 x\r\nLocation: http://t.example/\r\n\r\n");
    assert_eq!(written.all("Location"), ["http://t.example/"]);
}

#[test]
fn a_location_that_leads_to_no_http_url_never_reaches_a_gateways_client() {
    for mode in ["follow", "rewrite"] {
        for location in
            ["mailto:a@b.example", "ftp://b.example/", "javascript:alert(1)", "http://[::1/", "//", ""]
        {
            for status in [301, 302, 303, 307, 308] {
                let setup = asked(&[&format!("--redirects={mode}")], TO_TARGET);
                let head = format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nX-Kept: 1\r\n\r\n");
                let (written, plan) = see_final(&setup, &head);
                assert_eq!((plan.status, written.has("X-Kept")), (status, true), "{mode} {location:?}");
                assert!(!written.has("Location"), "{mode} {status} {location:?}: {written:?}");
            }
        }
    }
}

#[test]
fn a_location_that_a_browser_could_follow_out_of_the_gateway_ends_the_exchange() {
    let result = see(&asked(&[], TO_TARGET), "HTTP/1.1 302 x\r\nLocation: http://u:p@t.example/\r\n\r\n");
    assert!(matches!(result.err(), Some(Error::TargetInvalid(_))));
    let result = see(&asked(&[], TO_TARGET), "HTTP/1.1 302 x\r\nLocation: /b\r\nLocation: /c\r\n\r\n");
    assert!(matches!(result.err(), Some(Error::ResponseHead(_))));
}

#[test]
fn a_redirect_that_is_not_followed_is_rewritten_or_passed() {
    let head = "HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    for (mode, location) in [("rewrite", "/?url=http%3A%2F%2Ft.example%2Fb"), ("pass", "/b")] {
        let (written, plan) = see_final(&asked(&[&format!("--redirects={mode}")], TO_TARGET), head);
        assert_eq!((plan.status, written.all("Location")), (302, vec![location]), "{mode}");
    }
}

#[test]
fn a_redirect_that_keeps_the_body_is_left_to_the_browser() {
    let post = "POST /?url=http://t.example/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    for status in [307, 308] {
        let head = format!("HTTP/1.1 {status} x\r\nLocation: /b\r\n\r\n");
        let (written, _) = see_final(&asked(&[], post), &head);
        assert_eq!(written.all("Location"), ["/?url=http%3A%2F%2Ft.example%2Fb"], "{status}");
    }
    for status in [301, 302, 303] {
        let head = format!("HTTP/1.1 {status} x\r\nLocation: /b\r\n\r\n");
        let Ok(Outcome::Redirect(hop)) = see(&asked(&[], post), &head) else { panic!("{status}") };
        assert_eq!((hop.method, hop.drop_body_fields), (HopMethod::Get, true), "{status}");
    }
}

#[test]
fn the_setup_of_these_tests_is_what_the_plan_says() {
    let setup = asked(REVERSE, WEBSOCKET);
    let Exchange { upgrade, max_forwards, .. } = &setup.exchange;
    assert!(*upgrade && max_forwards.is_none() && setup.exchange.gateway_target().is_none());
}

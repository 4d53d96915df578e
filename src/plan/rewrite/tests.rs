//! Heads as they come in and as they leave: requests here, responses beside.

mod responses;

use proptest::prelude::*;

use super::*;
use crate::{
    config::{Parent, UpstreamId},
    error::Error,
    http1::{
        edits::{Edited, Edits},
        framing::Framing,
        sample,
        target::RequestTarget,
    },
    plan::{
        action::{Destination, Exchange, Withheld},
        asker::Asker,
        client::Client,
        identity::RequestId,
        sample::{OWN_ID, REVERSE, Written, client, config, identity},
        target::CookiesOnward,
    },
    trust::{Trust, TrustRule, TrustedHeaders, TrustedProxies},
};

/// How a request goes on, where it differs from the reverse proxy's way.
struct Way<'a> {
    exchange: Exchange,
    onward: Onward<'a>,
    client: Client,
    trust: Trust,
}

const ROOM: usize = 64 << 10;

/// The head that an upstream gets; `change` may alter the way.
fn onward_head(text: &[u8], room: usize, change: impl FnOnce(&mut Way<'_>)) -> Result<Vec<u8>, Error> {
    edited_head(text, room, None, change)
}

/// The same with what the operator changes.
fn edited_head(
    text: &[u8],
    room: usize,
    edits: Option<&Edits>,
    change: impl FnOnce(&mut Way<'_>),
) -> Result<Vec<u8>, Error> {
    let parsed = sample::request(text);
    let head = parsed.request();
    let target = RequestTarget::parse(head).unwrap();
    let authority = target.authority(head).unwrap();
    let [path, rest] = target.origin_form(head);
    let mut way = Way {
        exchange: Exchange {
            destination: Destination::Upstream(UpstreamId::FIRST),
            target,
            rest: None,
            authority,
            upgrade: false,
            max_forwards: None,
            withheld: Withheld::default(),
        },
        onward: Onward {
            method: None,
            target: [b"", path, rest],
            host: authority.map_or(b"upstream.example".as_slice(), |authority| authority.of(head.bytes)),
            framing: Framing::of_request(head).unwrap(),
            cookies: CookiesOnward::AsTheyCame,
            is_gateway: false,
            is_forward: false,
            set_fields: &[],
            without_credentials: false,
            withheld: Withheld::default(),
            without_body: false,
            edits,
            parent: None,
            spoken_for: &[],
            passed: b"",
            question: None,
        },
        client: client(),
        trust: Trust::default(),
    };
    change(&mut way);
    let identity = identity();
    let forwarding = Forwarding::of(&way.client);
    let asker = Asker::of(head, authority, &way.client, &way.trust);
    let sender = Sender {
        forwarding: &forwarding,
        peer: way.client.address,
        asker: &asker,
        identity: &identity,
        request_id: RequestId::random(),
    };
    let mut out = vec![0; room];
    let len = request(head, &way.exchange, &way.onward, &sender, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn sent(text: &str) -> Written {
    sent_by(text, |_| {})
}

fn sent_by(text: &str, change: impl FnOnce(&mut Way<'_>)) -> Written {
    Written::request(&onward_head(format!("{text}\r\n\r\n").as_bytes(), ROOM, change).unwrap())
}

fn sent_edited(text: &str, edits: &Edits) -> Written {
    let head = edited_head(format!("{text}\r\n\r\n").as_bytes(), ROOM, Some(edits), |_| {});
    Written::request(&head.unwrap())
}

/// Names of the fields that corsair itself adds to every request.
const OWN: [&str; 8] = [
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "Forwarded",
    "Via",
    "X-Request-Id",
    "traceparent",
];

const HOP_BY_HOP: [&str; 8] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
];

#[test]
fn the_first_line_and_host_are_written_anew() {
    for (head, line, host) in [
        ("GET /a/../b?c HTTP/1.1\r\nHost: h:1", "GET /a/../b?c HTTP/1.1", "h:1"),
        ("get / HTTP/1.1\r\nhOST:\th", "get / HTTP/1.1", "h"),
        ("GET / HTTP/1.0\r\nHost: h", "GET / HTTP/1.1", "h"),
        ("GET / HTTP/1.0", "GET / HTTP/1.1", "upstream.example"),
        ("GET / HTTP/1.9\r\nHost: h", "GET / HTTP/1.1", "h"),
        ("GET http://other:81/x?y HTTP/1.1\r\nHost: h", "GET /x?y HTTP/1.1", "other:81"),
        ("GET http://other?y HTTP/1.1\r\nHost: h", "GET /?y HTTP/1.1", "other"),
        ("OPTIONS http://other HTTP/1.1\r\nHost: h", "OPTIONS * HTTP/1.1", "other"),
        ("OPTIONS * HTTP/1.1\r\nHost: h", "OPTIONS * HTTP/1.1", "h"),
    ] {
        let written = sent(head);
        assert_eq!((written.start.as_str(), written.all("Host")), (line, vec![host]), "{head:?}");
    }
}

#[test]
fn a_parent_gets_the_whole_url_and_its_own_credentials_alone() {
    for (url, head, line, credentials) in [
        ("http://p:1", "GET /a?b HTTP/1.1", "GET http://up.example:81/a?b HTTP/1.1", vec![]),
        ("http://p:1", "OPTIONS * HTTP/1.1", "OPTIONS http://up.example:81 HTTP/1.1", vec![]),
        (
            "http://u:p@p:1",
            "GET http://other/x HTTP/1.1",
            "GET http://up.example:81/x HTTP/1.1",
            vec!["Basic dTpw"],
        ),
    ] {
        let parent: &Parent = Box::leak(Box::new(Parent::of(url)));
        let text = format!("{head}\r\nHost: h\r\nProxy-Authorization: Basic mine");
        let written = sent_by(&text, |way| way.onward = way.onward.by_parent(parent, "up.example:81"));
        assert_eq!((written.start.as_str(), written.all("Host")), (line, vec!["up.example:81"]), "{head}");
        assert_eq!(written.all("Proxy-Authorization"), credentials);
    }
}

#[test]
fn what_belongs_to_one_connection_goes_no_further() {
    let written = sent(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Hop, close,,\tx-two\r\nX-Hop: 1\r\nX-TWO: 2\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n\
         HTTP2-Settings: x\r\nUpgrade: h2c\r\nTE: gzip\r\nConnection: x-three\r\nX-Three: 3\r\nX-End: 1",
    );
    for name in HOP_BY_HOP.iter().chain(&["X-Hop", "X-Two", "X-Three"]) {
        assert!(!written.has(name), "{name}: {written:?}");
    }
    assert_eq!(written.all("X-End"), ["1"]);
}

#[test]
fn connection_strips_neither_what_a_message_needs_nor_what_corsair_adds() {
    let nominated =
        [&OWN[..], &["Host", "Content-Length", "Transfer-Encoding", "Origin", "Authorization", "Cookie"]]
            .concat()
            .join(", ");
    let written = sent(&format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: {nominated}\r\nContent-Length: 5\r\n\
         Origin: https://a.example\r\nAuthorization: x\r\nCookie: a=b\r\nX-Forwarded-For: 6.6.6.6"
    ));
    for name in OWN {
        assert_eq!(written.all(name).len(), 1, "{name}: {written:?}");
    }
    assert_eq!(written.all("X-Forwarded-For"), ["192.0.2.7"]);
    assert_eq!((written.all("Host"), written.all("Content-Length")), (vec!["h"], vec!["5"]));
    for name in ["Origin", "Authorization", "Cookie"] {
        assert!(written.has(name), "{name}");
    }
}

#[test]
fn te_is_reduced_to_trailers_and_named_again() {
    for (te, kept) in [
        ("trailers", true),
        ("Trailers", true),
        ("gzip, trailers;q=1, trailers", true),
        ("gzip", false),
        ("trailers2", false),
        ("", false),
    ] {
        let written = sent(&format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: {te}"));
        let expected: (Vec<&str>, Vec<&str>) =
            if kept { (vec!["trailers"], vec!["TE"]) } else { (vec![], vec![]) };
        assert_eq!((written.all("TE"), written.all("Connection")), expected, "{te:?}");
    }
}

#[test]
fn an_upgrade_is_asked_for_only_where_it_was_decided() {
    let head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTE: trailers\r\n\
                Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13";
    let written = sent_by(head, |way| way.exchange.upgrade = true);
    assert_eq!((written.all("Connection"), written.all("Upgrade")), (vec!["upgrade"], vec!["websocket"]));
    assert_eq!((written.all("Sec-WebSocket-Key"), written.has("TE")), (vec!["x"], false));
    assert!(!sent(head).has("Upgrade"));
}

#[test]
fn there_is_one_framing_field_and_it_is_canonical() {
    for (lines, length, coding) in [
        ("Content-Length: 00005", vec!["5"], vec![]),
        ("Content-Length:\t18446744073709551615 ", vec!["18446744073709551615"], vec![]),
        ("Transfer-Encoding: CHUNKED", vec![], vec!["chunked"]),
        ("X: y", vec![], vec![]),
    ] {
        let written = sent(&format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}"));
        assert_eq!(
            (written.all("Content-Length"), written.all("Transfer-Encoding")),
            (length, coding),
            "{lines}"
        );
    }
}

#[test]
fn a_length_of_zero_reaches_the_upstream() {
    // Some servers answer a POST without any length with 411 (RFC 9110 §8.6).
    for method in ["POST", "PUT", "DELETE", "GET"] {
        let written = sent(&format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0"));
        assert_eq!(written.all("Content-Length"), ["0"], "{method}");
    }
}

#[test]
fn the_client_is_who_it_is_and_not_who_it_says() {
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                   Forwarded: for=6.6.6.6\r\nForwarded: for=7.7.7.7\r\nX-Real-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\n\
                   X-Forwarded-Port: 1\r\nx-forwarded-prefix: /evil\r\nX-Original-URL: /admin";
    for (address, secure, plain, quoted) in [
        ("192.0.2.7:1", false, "192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]:1", true, "2001:db8::1", "\"[2001:db8::1]\""),
        ("[::ffff:192.0.2.7]:1", false, "192.0.2.7", "192.0.2.7"),
        ("255.255.255.255:1", true, "255.255.255.255", "255.255.255.255"),
    ] {
        let written = sent_by(&format!("GET / HTTP/1.1\r\nHost: h:81\r\n{spoofed}"), |way| {
            way.client.address = Some(address.parse().unwrap());
            way.client.secure = secure;
        });
        let protocol = if secure { "https" } else { "http" };
        assert_eq!((written.all("X-Forwarded-For"), written.all("X-Real-IP")), (vec![plain], vec![plain]));
        for claim in ["True-Client-IP", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Original-URL"] {
            assert!(!written.has(claim), "{claim}");
        }
        assert_eq!(written.all("X-Forwarded-Proto"), [protocol]);
        assert_eq!(written.all("X-Forwarded-Host"), ["h:81"]);
        assert_eq!(written.all("Forwarded"), [format!("for={quoted};host=\"h:81\";proto={protocol}")]);
    }
}

/// The head that an upstream gets of a peer that is trusted.
fn sent_by_proxy(text: &str, peer: Option<&str>, headers: TrustedHeaders) -> Written {
    let rules = ["private", "unix", "192.0.2.7"].map(|rule| TrustRule::parse(rule).unwrap());
    sent_by(text, |way| {
        way.client.address = peer.map(|peer| peer.parse().unwrap());
        way.trust = Trust { proxies: TrustedProxies::of(&rules), headers };
    })
}

#[test]
fn a_chain_is_told_in_both_families_and_ends_with_the_peer() {
    let x_forwarded = "X-Forwarded-For: 6.6.6.6, 203.0.113.7:4711, 10.0.0.2\r\nX-Forwarded-Proto: https\r\n\
                       X-Forwarded-Host: app.example:8443\r\nForwarded: for=6.6.6.6";
    let forwarded = "Forwarded: for=6.6.6.6, for=\"203.0.113.7:4711\";host=\"app.example:8443\";proto=https;by=_a\r\n\
                     X-Forwarded-Proto: http\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=10.0.0.2;proto=http";
    let more = "X-Forwarded-Port: 1\r\nX-Real-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6";
    for (peer, last) in [(Some("192.0.2.7:40000"), Some("192.0.2.7")), (None, None)] {
        for (fields, headers) in
            [(x_forwarded, TrustedHeaders::XForwarded), (forwarded, TrustedHeaders::Forwarded)]
        {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{more}");
            let written = sent_by_proxy(&text, peer, headers);
            let also = |before: &str| last.map_or_else(String::new, |last| format!(", {before}{last}"));
            assert_eq!(written.all("X-Real-IP"), ["203.0.113.7"]);
            assert_eq!(written.all("X-Forwarded-For"), [format!("203.0.113.7, 10.0.0.2{}", also(""))]);
            assert_eq!(written.all("X-Forwarded-Proto"), ["https"]);
            assert_eq!(written.all("X-Forwarded-Host"), ["app.example:8443"]);
            let expected = format!(
                "for=203.0.113.7;host=\"app.example:8443\";proto=https, for=10.0.0.2{}",
                also("for=")
            );
            assert_eq!(written.all("Forwarded"), [expected]);
            assert_eq!(written.all("Host"), ["h"], "which server is meant, the proxy has said");
            assert!(!written.has("X-Forwarded-Port") && !written.has("True-Client-IP"));
        }
    }
    let v6 = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 2001:db8::7";
    let written = sent_by_proxy(v6, Some("[::ffff:192.0.2.7]:1"), TrustedHeaders::XForwarded);
    assert_eq!(written.all("X-Forwarded-For"), ["2001:db8::7, 192.0.2.7"]);
    assert_eq!(written.all("Forwarded"), ["for=\"[2001:db8::7]\";host=\"h\";proto=http, for=192.0.2.7"]);
    let scheme = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https";
    for (peer, plain) in [(Some("192.0.2.7:1"), "192.0.2.7"), (None, "unknown")] {
        let written = sent_by_proxy(scheme, peer, TrustedHeaders::XForwarded);
        assert_eq!(written.all("X-Real-IP").len(), usize::from(peer.is_some()));
        assert_eq!(
            (written.all("X-Forwarded-For"), written.all("X-Forwarded-Proto")),
            (vec![plain], vec!["https"])
        );
        assert_eq!(written.all("Forwarded"), [format!("for={plain};host=\"h\";proto=https")]);
    }
}

#[test]
fn the_operator_may_set_or_remove_what_proxies_tell() {
    let removed = [TOLD[0], TOLD[1], TOLD[2]];
    let edits = edits(Edited::Requests, &[(TOLD[3], "set")], &[], &removed);
    let head = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
    let head = edited_head(head.as_bytes(), ROOM, Some(&edits), |way| {
        way.trust.proxies = TrustedProxies::of(&[TrustRule::parse("192.0.2.7").unwrap()]);
    });
    let written = Written::request(&head.unwrap());
    for name in removed {
        assert!(!written.has(name), "{name}");
    }
    assert_eq!(written.all(TOLD[3]), ["set"]);
    assert_eq!(written.all("Forwarded"), ["for=203.0.113.7;host=\"h\";proto=http, for=192.0.2.7"]);
}

const TOLD: [&str; 4] = ["X-Real-IP", "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto"];

#[test]
fn a_client_without_an_address_is_said_to_be_unknown() {
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6";
    let written =
        sent_by(&format!("GET / HTTP/1.1\r\nHost: h\r\n{spoofed}"), |way| way.client.address = None);
    assert_eq!(written.all("X-Forwarded-For"), ["unknown"]);
    assert_eq!(written.all("Forwarded"), ["for=unknown;host=\"h\";proto=http"]);
    assert!(!written.has("X-Real-IP"));
    assert_eq!(
        (written.all("X-Forwarded-Proto"), written.all("X-Forwarded-Host")),
        (vec!["http"], vec!["h"])
    );
}

#[test]
fn the_way_is_written_down_and_a_request_keeps_its_name() {
    let own = format!("1.1 corsair ({OWN_ID})");
    let written =
        sent("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 a\r\nX-Request-Id: mine\r\nTraceparent: 00-a-b-01");
    assert_eq!(written.all("Via"), ["1.0 a", &own]);
    assert_eq!((written.all("X-Request-Id"), written.all("traceparent")), (vec!["mine"], vec!["00-a-b-01"]));
    let written = sent("GET / HTTP/1.1\r\nHost: h");
    let id = written.all("X-Request-Id")[0];
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let parts: Vec<&str> = written.all("traceparent")[0].split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
}

#[test]
fn nothing_is_invented_and_the_rest_passes_in_order() {
    let lines =
        "Accept: a\r\ncookie: 1\r\nX-A: \u{e9}\r\nCookie: 2\r\nX-a: 3\r\nX-Empty: \r\napi_key: k\r\nDNT: 1";
    let written = sent(&format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}"));
    let rest: Vec<&str> = written.fields[1..].iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(rest[..8], ["Accept", "cookie", "X-A", "Cookie", "X-a", "X-Empty", "api_key", "DNT"]);
    assert!(rest[8..].iter().all(|name| OWN.contains(name)), "{rest:?}");
    assert_eq!(written.all("X-Empty"), [""]);
}

#[test]
fn an_expectation_of_an_old_client_stays_here() {
    for (version, expected) in [("1.1", vec!["100-continue"]), ("1.0", vec![])] {
        let written =
            sent(&format!("POST / HTTP/{version}\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue"));
        assert_eq!(written.all("Expect"), expected, "{version}");
    }
}

#[test]
fn max_forwards_is_sent_on_as_decided() {
    let head = "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5";
    assert_eq!(sent_by(head, |way| way.exchange.max_forwards = Some(4)).all("Max-Forwards"), ["4"]);
    assert_eq!(sent(head).all("Max-Forwards"), ["5"]);
}

#[test]
fn a_gateway_keeps_the_browsers_secrets_here() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nCookie: a\r\ncookie: b\r\nOrigin: https://a.example\r\n\
                Referer: https://a.example/x\r\nAuthorization: x\r\nContent-Type: t\r\nContent-Encoding: e\r\n\
                Content-Language: l\r\nContent-Location: o\r\nTrailer: X\r\nExpect: 100-continue\r\nContent-Length: 5";
    let described =
        ["Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Trailer", "Expect"];
    let written = sent_by(head, |way| {
        way.onward.is_gateway = true;
        way.onward.cookies = CookiesOnward::None;
        way.onward.host = b"t.example";
        way.onward.target = [b"/y?z", b"", b""];
    });
    assert_eq!((written.start.as_str(), written.all("Host")), ("POST /y?z HTTP/1.1", vec!["t.example"]));
    for name in ["Cookie", "Origin", "Referer"] {
        assert!(!written.has(name), "{name}");
    }
    for name in described.iter().chain(&["Authorization", "Content-Length"]) {
        assert!(written.has(name), "{name}");
    }
    let written = sent_by(head, |way| {
        way.onward.is_gateway = true;
        way.onward.cookies = CookiesOnward::None;
        way.onward.method = Some(b"GET");
        way.onward.without_body = true;
        way.onward.without_credentials = true;
        way.onward.framing = Framing::None;
    });
    assert_eq!(written.start, "GET / HTTP/1.1");
    for name in described.iter().chain(&["Authorization", "Content-Length", "Transfer-Encoding"]) {
        assert!(!written.has(name), "{name}");
    }
}

#[test]
fn a_target_is_told_neither_who_asks_nor_what_the_gateway_is_called() {
    let head = "GET / HTTP/1.1\r\nHost: gateway.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Port: 81\r\n\
                X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nX-Kept: 1";
    let written = sent_by(head, |way| {
        way.onward.is_gateway = true;
        way.onward.cookies = CookiesOnward::None;
        way.onward.host = b"t.example";
    });
    let names: Vec<&str> = written.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "X-Kept", "Via", "X-Request-Id", "traceparent"]);
    let told = format!("{written:?}");
    assert!(!told.contains("6.6.6.6") && !told.contains("192.0.2.7") && !told.contains("gateway"), "{told}");
}

/// Edits that are known to be right.
fn edits(edited: Edited, set: &[(&str, &str)], add: &[(&str, &str)], remove: &[&str]) -> Edits {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let remove: Vec<String> = remove.iter().map(|name| (*name).to_owned()).collect();
    Edits::compile(edited, &pairs(set), &pairs(add), &remove).unwrap()
}

#[test]
fn what_the_operator_sets_adds_and_removes_of_a_request_is_so() {
    let edits = edits(
        Edited::Requests,
        &[("X-Set", "new"), ("authorization", "Bearer x"), ("X-Fresh", "1")],
        &[("X-Add", "2"), ("X-Add", "3"), ("Cookie", "more=1")],
        &["X-Gone", "Referer"],
    );
    let head = "GET / HTTP/1.1\r\nHost: h\r\nX-SET: a\r\nx-set: b\r\nAuthorization: theirs\r\nX-Add: 1\r\n\
                Cookie: c=d\r\nx-gone: 1\r\nX-Gone: 2\r\nReferer: r\r\nX-Kept: k";
    let written = sent_edited(head, &edits);
    for (name, values) in [
        ("X-Set", &["new"][..]),
        ("Authorization", &["Bearer x"]),
        ("X-Fresh", &["1"]),
        ("X-Add", &["1", "2", "3"]),
        ("Cookie", &["c=d", "more=1"]),
        ("X-Gone", &[]),
        ("Referer", &[]),
        ("X-Kept", &["k"]),
        ("Host", &["h"]),
    ] {
        assert_eq!(written.all(name), values, "{name}");
    }
    for name in OWN {
        assert_eq!(written.all(name).len(), 1, "{name}");
    }
}

#[test]
fn the_operator_may_set_or_remove_what_corsair_says_of_the_client() {
    let set = {
        let own = ["X-Real-IP", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "Forwarded"];
        let all = own.iter().chain(&["X-Request-Id", "traceparent", "X-Forwarded-Port"]);
        edits(Edited::Requests, &all.map(|name| (*name, "set")).collect::<Vec<_>>(), &[], &[])
    };
    let some_removed = {
        let removed = ["x-forwarded-for", "X-Forwarded-Host", "X-Request-Id"];
        edits(Edited::Requests, &[], &[("X-Real-IP", "added")], &removed)
    };
    let forwarded_removed = edits(Edited::Requests, &[], &[], &["forwarded", "Traceparent", "X-Real-Ip"]);
    for head in [
        "GET / HTTP/1.1\r\nHost: h",
        "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nX-Request-Id: y\r\ntraceparent: z\r\nX-Forwarded-Port: 1",
    ] {
        let written = sent_edited(head, &set);
        for name in OWN.iter().filter(|name| **name != "Via").chain(&["X-Forwarded-Port"]) {
            assert_eq!(written.all(name), ["set"], "{name}");
        }
        assert_eq!(written.all("Via").len(), 1);
        let written = sent_edited(head, &some_removed);
        for name in ["X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id"] {
            assert!(!written.has(name), "{name}");
        }
        assert_eq!(written.all("X-Real-IP"), ["192.0.2.7", "added"]);
        assert_eq!(written.all("X-Forwarded-Proto"), ["http"]);
        assert_eq!(written.all("Forwarded"), ["for=192.0.2.7;host=\"h\";proto=http"]);
        let written = sent_edited(head, &forwarded_removed);
        for name in ["Forwarded", "traceparent", "X-Real-IP"] {
            assert!(!written.has(name), "{name}");
        }
        assert_eq!(
            (written.all("X-Forwarded-For"), written.all("X-Forwarded-Host")),
            (vec!["192.0.2.7"], vec!["h"])
        );
    }
}

#[test]
fn a_request_head_that_does_not_fit_is_too_large() {
    let text = b"GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n";
    let whole = onward_head(text, ROOM, |_| {}).unwrap().len();
    for room in 0..whole {
        assert_eq!(onward_head(text, room, |_| {}), Err(Error::RequestHeadTooLarge), "{room}");
    }
    assert!(onward_head(text, whole, |_| {}).is_ok());
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authorization",
            "TE",
            "Upgrade",
            "HTTP2-Settings",
            "X-A",
            "x-a",
            "X-B",
            "Cookie",
            "Authorization",
            "Via",
            "Forwarded",
            "X-Forwarded-For",
            "x-forwarded-proto",
            "X-Forwarded-Host",
            "X-Request-Id",
            "Traceparent",
            "Origin",
            "Accept",
            "Trailer",
            "Set-Cookie",
            "Vary",
            "Date",
            "Access-Control-Allow-Origin",
            "Access-Control-Expose-Headers",
            "Content-Type",
        ][..],
    )
}

fn options() -> impl Strategy<Value = String> {
    let option = prop_oneof![
        4 => names().prop_map(str::to_owned),
        1 => Just("close".to_owned()),
        1 => Just("Host".to_owned()),
        1 => Just("Content-Length".to_owned()),
        1 => Just("transfer-encoding".to_owned()),
        1 => Just(String::new()),
    ];
    prop::collection::vec(option, 0..4).prop_map(|options| options.join(" ,"))
}

fn lines() -> impl Strategy<Value = Vec<(String, String)>> {
    let line = prop_oneof![
        4 => (names().prop_map(str::to_owned), "[a-z*]{0,8}"),
        1 => (Just("Connection".to_owned()), options()),
        1 => (Just("connection".to_owned()), options()),
    ];
    prop::collection::vec(line, 0..14)
}

fn text_of(lines: &[(String, String)]) -> String {
    lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// Whether a `Connection` line names this field.
fn is_named(lines: &[(String, String)], name: &str) -> bool {
    lines
        .iter()
        .filter(|line| line.0.eq_ignore_ascii_case("Connection"))
        .flat_map(|line| line.1.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case(name))
}

/// Names that somebody may want to edit, some of which cannot be.
fn edited_names() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => names().prop_map(str::to_owned),
        2 => prop::sample::select(&OWN[..]).prop_map(str::to_owned),
        1 => prop::sample::select(&["Host", "content-length", "X_Real_IP", "a b", "", "Expect"][..])
            .prop_map(str::to_owned),
    ]
}

fn lines_to_edit() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof![8 => "[ -~\t]{0,6}", 1 => "[\r\n\0a]{1,3}"];
    prop::collection::vec((edited_names(), value), 0..5)
}

proptest! {
    #[test]
    fn any_request_leaves_with_one_host_one_framing_and_nothing_of_its_last_hop(
        lines in lines(),
        framing in prop::sample::select(&["", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n"][..]),
    ) {
        let text = format!("POST /x HTTP/1.1\r\n{}Host: h\r\n{framing}\r\n", text_of(&lines));
        let written = Written::request(&onward_head(text.as_bytes(), ROOM, |_| {}).unwrap());
        prop_assert_eq!(written.all("Host"), ["h"]);
        let framed = written.all("Content-Length").len() + written.all("Transfer-Encoding").len();
        prop_assert_eq!(framed, usize::from(!framing.is_empty()));
        let te = written.has("TE");
        prop_assert_eq!(written.all("Connection"), if te { vec!["TE"] } else { vec![] });
        prop_assert!(!te || written.all("TE") == ["trailers"]);
        for name in HOP_BY_HOP {
            prop_assert!(!written.has(name) || ["Connection", "TE", "Transfer-Encoding"].contains(&name));
        }
        for name in OWN {
            prop_assert!(written.has(name), "{name}");
        }
        for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"] {
            prop_assert_eq!(written.all(name).len(), 1);
        }
        prop_assert_eq!(written.all("X-Forwarded-For"), ["192.0.2.7"]);
        let own_via = format!("1.1 corsair ({OWN_ID})");
        prop_assert_eq!(written.all("Via").last().copied(), Some(own_via.as_str()));
        for name in ["X-A", "X-B", "Accept", "Content-Type"] {
            let expected: Vec<&str> = lines
                .iter()
                .filter(|line| line.0.eq_ignore_ascii_case(name) && !is_named(&lines, name))
                .map(|line| line.1.as_str())
                .collect();
            prop_assert_eq!(written.all(name), expected, "{}", name);
        }
    }

    #[test]
    fn no_edits_break_a_request(
        lines in lines(),
        edited in lines_to_edit(),
        removed in prop::collection::vec(edited_names(), 0..4),
        framing in prop::sample::select(&["", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n"][..]),
        set in 0_usize..4,
    ) {
        let (set, add) = edited.split_at(set.min(edited.len()));
        if let Ok(edits) = Edits::compile(Edited::Requests, set, add, &removed) {
            let text = format!("POST /x HTTP/1.1\r\n{}Host: h\r\n{framing}\r\n", text_of(&lines));
            let head = |edits| edited_head(text.as_bytes(), ROOM, edits, |_| {}).unwrap();
            let (written, plain) = (Written::request(&head(Some(&edits))), Written::request(&head(None)));
            prop_assert_eq!(&written.start, &plain.start);
            for (name, _) in plain.fields.iter().chain(&written.fields) {
                let is_of = |names: &[(String, String)]| names.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
                let is_removed = removed.iter().any(|other| other.eq_ignore_ascii_case(name));
                let mut expected = plain.all(name);
                if is_of(set) || is_removed {
                    expected.clear();
                }
                let ours = set.iter().chain(add).filter(|(other, _)| other.eq_ignore_ascii_case(name));
                let ours: Vec<&str> = ours.map(|(_, value)| value.trim_matches([' ', '\t'])).collect();
                // What corsair makes anew for each request is another one.
                if ["X-Request-Id", "traceparent"].iter().any(|made| made.eq_ignore_ascii_case(name)) {
                    prop_assert_eq!(written.all(name).len(), expected.len() + ours.len(), "{}", name);
                } else {
                    prop_assert_eq!(written.all(name), [expected, ours].concat(), "{}", name);
                }
            }
        }
    }
}

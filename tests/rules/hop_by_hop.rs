//! Rules 23 to 29: what belongs to one hop, upgrades, interim responses, expectations, who asks.

use std::time::Duration;

use super::scene::Scene;
use crate::support::{Corsair, Fault, Gate, Origin, Then, answer};

/// A GET with these field lines.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The fields of a WebSocket handshake.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn rule_23_connection_strips_what_it_names_but_never_what_counts() {
    let scene = Scene::new(&[]);
    for (sent, expected) in [
        ("Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 1\r\n", "X-End: 1\r\n"),
        ("X-Hop: 1\r\nConnection: close, x-hop ,\tx-OTHER\r\nX-Hop: 2\r\nX-Other: 1\r\n", ""),
        ("X-A: 1\r\nX-B: 1\r\nConnection: X-A\r\nConnection: X-B\r\n", ""),
        ("Connection: X, ,,\r\nX-A: 1\r\n", "X-A: 1\r\n"),
        ("Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Host, Forwarded, Via\r\n", ""),
        (
            "Connection: Authorization, Cookie\r\nAuthorization: x\r\nCookie: a=b\r\n",
            "Authorization: x\r\nCookie: a=b\r\n",
        ),
    ] {
        scene.assert_forwarded(&get(sent), &get(expected));
    }
    for (framing, body) in
        [("Content-Length: 2", "hi"), ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n")]
    {
        let option = "Connection: Content-Length, Transfer-Encoding, Host\r\n";
        let message = |option: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{option}{framing}\r\n\r\n{body}");
        scene.assert_forwarded(&message(option), &message(""));
    }
}

#[test]
fn rule_23_connection_of_a_response_strips_likewise() {
    let scene = Scene::new(&[]);
    let text = "HTTP/1.1 200 OK\r\nConnection: X-Hop, Content-Length, Via, Date, Set-Cookie, close\r\nX-Hop: 1\r\n\
                Keep-Alive: timeout=9\r\nProxy-Connection: close\r\nUpgrade: x\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nok";
    for (cut, mut client, response) in scene.responses(text, Then::Close) {
        let response = response.unwrap();
        for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade", "connection"] {
            assert!(!response.fields.has(name), "{name} {cut:?}");
        }
        for name in ["via", "date", "set-cookie", "content-length"] {
            assert!(response.field(name).is_some(), "{name} {cut:?}");
        }
        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().text(), "good", "the upstream's close is not the client's");
    }
}

#[test]
fn rule_24_hop_by_hop_fields_never_travel_and_te_is_reduced() {
    let scene = Scene::new(&[]);
    for field in [
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "HTTP2-Settings: x",
        "Upgrade: websocket",
        "Connection: keep-alive",
        "TE: gzip",
        "TE: trailersx",
        "te: deflate;q=1, gzip",
    ] {
        scene.assert_forwarded(&get(&format!("X: 1\r\n{field}\r\n")), &get("X: 1\r\n"));
    }
    for te in
        ["TE: trailers", "TE: gzip, Trailers", "TE: gzip\r\nTE: trailers", "Connection: TE\r\nTE: trailers"]
    {
        let expected = get("X: 1\r\nTE: trailers\r\nConnection: TE\r\n");
        scene.assert_forwarded(&get(&format!("{te}\r\nX: 1\r\n")), &expected);
    }
}

#[test]
fn rule_25_only_a_websocket_is_upgraded_and_only_when_connection_says_so() {
    let scene = Scene::new(&[]);
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: evil\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    ] {
        scene.assert_forwarded(&get(fields), &get(""));
    }
    let old = format!("GET / HTTP/1.0\r\nHost: a\r\n{UPGRADE}\r\n");
    scene.assert_forwarded(&old, &get(""));
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n");
    scene.assert_forwarded(&post, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    scene.assert_forwarded(&get(UPGRADE), &get(upgrade));
    scene.assert_forwarded(&get("Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"), &get(upgrade));
}

#[test]
fn rule_26_a_101_is_taken_only_for_what_was_offered() {
    Scene::new(&[]).assert_502(&[
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nPOISON",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nPOISON",
    ]);
    let scene = Scene::new(&[]);
    for text in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\nPOISON",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket, evil\r\n\r\nPOISON",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nPOISON",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nPOISON",
    ] {
        scene.say(text, Then::Hold);
        for (cut, mut client) in scene.relayed("GET", &format!("HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n")) {
            let response = client.response();
            assert_eq!(response.status, 502, "{text:?} {cut:?}");
            assert!(!response.text().contains("POISON"));
            scene.assert_good();
        }
        scene.origin.wait("every connection is closed", |seen| seen.open == 0);
    }
}

#[test]
fn rule_26_bytes_behind_a_handshake_belong_to_the_tunnel() {
    let scene = Scene::answering(&format!("{SWITCH}early"), Then::Hold, &[]);
    let behind = "GET /smuggled HTTP/1.1\r\n\r\n";
    let clients = scene.send_every(&format!("{}{behind}", get(UPGRADE)));
    let count = clients.len();
    for (cut, mut client) in clients {
        assert_eq!(client.next_head().status().unwrap(), 101, "{cut:?}");
        client.until(b"early");
        client.shutdown_write();
        client.expect_end();
    }
    scene.assert_good();
    let caused = scene.caused();
    let expected = get("Connection: upgrade\r\nUpgrade: websocket\r\n") + behind;
    assert!(
        caused.iter().filter(|caused| caused.contains(behind)).all(|caused| *caused == expected),
        "{caused:?}"
    );
    assert_eq!(caused.len(), count + 1, "no tunnel returns to the pool");
    for (_, mut client) in scene.relayed("GET", &format!("HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n")) {
        assert_eq!(client.next_head().status().unwrap(), 101);
        client.until(b"early");
    }
}

#[test]
fn rule_27_every_interim_response_is_relayed_and_followed_by_the_final_one() {
    let scene = Scene::new(&[]);
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (cut, mut client, response) in scene.responses(text, Then::KeepAlive) {
        let response = response.unwrap();
        let interim: Vec<u16> = response.interim.iter().map(|head| head.status().unwrap()).collect();
        assert_eq!((interim.as_slice(), response.text().as_str()), (&[100, 103, 199][..], "ok"), "{cut:?}");
        assert_eq!(response.interim[1].fields.get("link"), Some("</a>"));
        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().text(), "good");
    }
    for (text, then) in [
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Then::Close),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", Then::Close),
    ] {
        for (cut, _, response) in scene.responses(text, then) {
            assert_eq!(response.unwrap().status, 502, "{text:?} {cut:?}");
            scene.assert_good();
        }
    }
}

#[test]
fn rule_27_an_interim_response_is_not_held_back() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 199 Strange\r\n\r\n");
        wait.wait();
        exchange.send(answer("200 OK", "", "done"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(get(""));
    assert_eq!(client.next_head().status().unwrap(), 103);
    assert_eq!(client.next_head().status().unwrap(), 199);
    gate.open();
    assert_eq!(client.response().text(), "done");
}

#[test]
fn rule_27_the_number_of_interim_responses_is_bounded() {
    let early = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (count, expected) in [(3, 200), (4, 502), (50, 502)] {
        let text = early.repeat(count) + &answer("200 OK", "", "ok");
        let scene = Scene::answering(&text, Then::KeepAlive, &["--limit-interim", "3"]);
        for (cut, mut client) in scene.relayed("GET", "HTTP/1.1\r\nHost: a\r\n\r\n") {
            let response = client.response();
            assert_eq!(response.status, expected, "{count} {cut:?}");
            assert!(response.interim.len() <= 3);
        }
        scene.assert_good();
    }
}

#[test]
fn rule_28_an_expectation_is_forwarded_and_never_a_deadlock() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let origin = Origin::on_head(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
        exchange.request();
        exchange.send(answer("200 OK", "", "ok"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(head);
    assert_eq!(client.next_head().status().unwrap(), 100);
    client.send("hello");
    assert_eq!(client.response().text(), "ok");
    let request = origin.only_request();
    assert_eq!(
        (request.fields.get("expect"), request.body.as_slice()),
        (Some("100-continue"), &b"hello"[..])
    );

    let scene = Scene::new(&[]);
    scene.assert_forwarded(&format!("{head}hello"), &format!("{head}hello"));
    let mut client = scene.corsair.connect();
    client.send(head);
    assert!(client.is_quiet_for(Duration::from_millis(300)), "the origin sends no 100");
    client.send("hello");
    assert_eq!(client.response().status, 200);
}

#[test]
fn rule_28_a_final_answer_leaves_the_unsent_body_unread() {
    let origin = Origin::on_head(|exchange| {
        exchange.send(answer("401 Unauthorized", "", "no"));
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 41\r\n\r\n");
    assert_eq!(client.response().status, 401);
    client.offer("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(client.try_response("GET"), Err(Fault::Closed | Fault::Reset)));
    assert_eq!(origin.seen().heads, 1);
}

#[test]
fn rule_28_an_unknown_expectation_is_417_and_no_100_comes_before_a_413() {
    let scene = Scene::new(&["--limit-body", "4"]);
    for expectation in ["the-impossible", "100-continue, x", "100-continuex", ""] {
        let response = scene.corsair.ask(get(&format!("Expect: {expectation}\r\n")));
        assert_eq!((response.status, scene.caused()), (417, vec![]), "{expectation:?}");
        scene.assert_good();
        scene.caused();
    }
    let message = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    for (cut, mut client) in scene.send_every(message) {
        let response = client.response();
        assert_eq!((response.status, response.interim.len()), (413, 0), "{cut:?}");
        client.expect_end();
    }
    assert_eq!(scene.caused(), Vec::<String>::new());
}

#[test]
fn rule_29_the_real_peer_is_forwarded_and_what_the_client_claims_is_dropped() {
    let scene = Scene::new(&[]);
    let claims = "X-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nX-Forwarded-Host: evil\r\n\
                  x-forwarded-proto: https\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\n\
                  X-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: https\r\nX-Forwarded-Server: evil\r\n\
                  X-Real-IP: 9.9.9.9\r\nTrue-Client-IP: 9.9.9.9\r\nCF-Connecting-IP: 9.9.9.9\r\n\
                  X-Original-URL: /admin\r\nX-Forwarded: for=9.9.9.9\r\nX-Cluster-Client-IP: 9.9.9.9\r\n";
    // The lines that corsair adds are checked, and left out, by the scene.
    scene.assert_forwarded(&get(claims), &get(""));
    let raw = get("X-Request-Id: mine\r\ntraceparent: its\r\n");
    assert_eq!(scene.corsair.ask(raw).status, 200);
    let request = scene.origin.seen().requests.last().unwrap().clone();
    assert_eq!(
        (request.fields.get("x-request-id"), request.fields.get("traceparent")),
        (Some("mine"), Some("its"))
    );
    let response = scene.corsair.ask(get(""));
    assert!(response.field("via").unwrap().starts_with("1.1 corsair ("), "Via in both directions");
}

#[test]
fn rule_29_our_own_via_is_a_loop_and_anothers_is_none() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.corsair.get("/", "Via: 1.1 corsair (another)\r\n").status, 200);
    let vias = scene.origin.only_request().fields.all("via").join(", ");
    let (others, own) = vias.rsplit_once(", ").unwrap();
    assert_eq!(others, "1.1 corsair (another)");
    scene.caused();
    assert_eq!(scene.corsair.get("/", &format!("Via: 1.0 x, {own}\r\n")).status, 508);
    assert_eq!(scene.caused(), Vec::<String>::new());
}

#[test]
fn rule_29_max_forwards_counts_down_for_options_and_trace_and_ends_here() {
    let scene = Scene::new(&[]);
    let message = |method: &str, value: &str| {
        format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n")
    };
    for (method, sent, expected) in [
        ("OPTIONS", "5", "4"),
        ("TRACE", "1", "0"),
        ("OPTIONS", "010", "9"),
        ("GET", "0", "0"),
        ("OPTIONS", "x", "x"),
    ] {
        scene.assert_forwarded(&message(method, sent), &message(method, expected));
    }
    for (method, status) in [("OPTIONS", 204), ("TRACE", 405)] {
        for (cut, mut client) in scene.send_every(&message(method, "0")) {
            assert_eq!(client.response_to(method).status, status, "{method} {cut:?}");
        }
        assert_eq!(scene.caused(), Vec::<String>::new());
    }
}

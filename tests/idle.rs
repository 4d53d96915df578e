//! Idle client connections: they leave the runtime and cost next to nothing, and nobody can tell.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::time::{Duration, Instant};

use support::{Client, Corsair, Gate, Origin, Then, answer, certificates::Authority};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection that has had one response and is parked.
fn parked_client(corsair: &Corsair) -> Client {
    let before = corsair.parked();
    let mut client = corsair.connect();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    corsair.wait_parked(before + 1);
    client
}

#[test]
fn a_parked_connection_serves_the_next_request_and_is_parked_again() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = parked_client(&corsair);
    for round in 0..3 {
        client.send(format!("POST /{round} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
        let response = client.response();
        assert_eq!(response.status, 200);
        assert!(response.text().starts_with(&format!("POST /{round} 3 ")));
        corsair.wait_parked(1);
    }
    assert_eq!(origin.seen().requests.len(), 4);
}

#[test]
fn a_connection_is_parked_while_its_first_request_is_waited_for() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    corsair.wait_parked(1);
    client.send(GET);
    assert_eq!(client.response().status, 200);
}

#[test]
fn requests_in_a_row_on_a_parked_connection_are_all_answered_in_order() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = parked_client(&corsair);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT");
    for target in ["/1", "/2"] {
        assert!(client.response().text().starts_with(&format!("GET {target} ")));
    }
    assert_eq!(corsair.parked(), 0, "a head has begun");
    client.send("TP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response().text().starts_with("GET /3 "));
}

#[test]
fn a_parked_client_that_sends_one_byte_and_stops_gets_408() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--timeout-head", "1500ms"]);
    let mut client = parked_client(&corsair);
    let begun = Instant::now();
    client.send("G");
    let response = client.response();
    assert_eq!((response.status, response.closes()), (408, true));
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
    client.expect_end();
}

#[test]
fn parked_connections_expire_silently_each_by_its_own_timeout() {
    let origin = Origin::echo();
    let corsair =
        Corsair::reverse(origin.address(), &["--timeout-head", "1200ms", "--timeout-keep-alive", "2500ms"]);
    let begun = Instant::now();
    let mut kept = corsair.connect();
    kept.send(GET);
    assert_eq!(kept.response().status, 200);
    let mut fresh = corsair.connect();
    corsair.wait_parked(2);
    fresh.expect_fin();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1200) && took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(corsair.parked(), 1);
    kept.expect_fin();
    assert!(begun.elapsed() >= Duration::from_millis(2500), "{:?}", begun.elapsed());
    assert_eq!(corsair.parked(), 0);
}

#[test]
fn a_parked_client_that_leaves_frees_its_slot() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--max-connections", "2"]);
    for reset in [false, true] {
        let one = parked_client(&corsair);
        let other = parked_client(&corsair);
        let mut third = corsair.connect();
        third.send(GET);
        assert!(third.is_quiet_for(Duration::from_millis(200)), "both slots are taken");
        if reset {
            one.reset();
        } else {
            drop(one);
        }
        assert_eq!(third.response().status, 200, "reset: {reset}");
        drop((other, third));
        corsair.wait_parked(0);
    }
}

#[test]
fn a_parked_client_may_end_its_direction_behind_its_last_request() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = parked_client(&corsair);
    client.send(GET).shutdown_write();
    assert_eq!(client.response().status, 200);
    client.expect_end();
}

#[test]
fn many_that_wake_at_once_are_all_served() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut clients: Vec<Client> = (0..500).map(|_| corsair.connect()).collect();
    for _ in 0..2 {
        corsair.wait_parked(clients.len());
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            assert_eq!(client.response().status, 200);
        }
    }
}

#[test]
fn a_busy_connection_is_not_parked() {
    let gate = Gate::new();
    let origin = {
        let gate = gate.clone();
        Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            gate.wait();
            exchange.send("last.");
            Then::KeepAlive
        })
    };
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut busy = corsair.connect();
    busy.send(GET).until(b"first");
    // Whoever comes later and is parked shows that the busy one would have been.
    let _idle = corsair.connect();
    corsair.wait_parked(1);
    assert_eq!(corsair.parked(), 1);
    gate.open();
    assert_eq!(busy.until(b"last."), b"last.");
    corsair.wait_parked(2);
}

#[test]
fn a_connection_with_tls_stays_and_serves_on() {
    let origin = Origin::echo();
    let authority = Authority::new();
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let arguments = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let corsair = Corsair::reverse(origin.address(), &arguments);
    let mut client = Client::connect_tls(corsair.address(), "localhost", authority.client(&["http/1.1"]));
    client.send(GET);
    assert_eq!(client.response().status, 200);
    assert!(client.is_quiet_for(Duration::from_millis(500)));
    assert_eq!(corsair.parked(), 0);
    client.send(GET);
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_drain_gives_parked_connections_a_last_chance_and_then_closes_them() {
    let origin = Origin::echo();
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut asks = parked_client(&corsair);
    let mut waits = corsair.connect();
    corsair.wait_parked(2);
    let begun = Instant::now();
    // On its way when the process is told to stop.
    asks.send(GET);
    corsair.terminate();
    assert_eq!(asks.response().status, 200);
    asks.expect_end();
    waits.expect_fin();
    assert!(begun.elapsed() >= Duration::from_millis(250), "no chance at all: {:?}", begun.elapsed());
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn what_is_asked_during_a_drain_is_answered_with_connection_close() {
    let gate = Gate::new();
    let origin = {
        let gate = gate.clone();
        Origin::on_head(move |exchange| {
            exchange.request();
            if exchange.target == "/held" {
                gate.wait();
            }
            exchange.send(answer("200 OK", "", "x"));
            Then::KeepAlive
        })
    };
    let mut corsair = Corsair::reverse(origin.address(), &[]);
    let mut waits = parked_client(&corsair);
    let mut asks = corsair.connect();
    // The second request is read once the first is answered, and by then the drain has begun.
    asks.send(GET.replace("/x", "/held")).send(GET);
    origin.wait("the first request arrives", |seen| seen.heads == 2);
    corsair.terminate();
    // It is closed by nothing but the drain.
    waits.expect_fin();
    gate.open();
    assert_eq!(asks.response().status, 200);
    let last = asks.response();
    assert_eq!((last.status, last.closes()), (200, true));
    asks.expect_end();
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

//! Idle client connections: they leave the runtime and cost next to nothing, and nobody can tell.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::time::{Duration, Instant};

use support::{Client, Corsair, Gate, Origin, Then, answer, certificates::Authority};

const GET: &str = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

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
        let mut other = parked_client(&corsair);
        if reset {
            one.reset();
        } else {
            drop(one);
        }
        corsair.wait_parked(1);
        let mut third = corsair.connect();
        for client in [&mut third, &mut other] {
            client.send(GET);
            assert_eq!(client.response().status, 200, "reset: {reset}");
        }
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

#[test]
fn a_newcomer_takes_the_place_of_the_connection_that_is_idle_longest() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--max-connections", "100"]);
    let mut clients = vec![parked_client(&corsair), parked_client(&corsair)];
    clients.extend((2..100).map(|_| corsair.connect()));
    for client in &mut clients[2..] {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    corsair.wait_parked(100);
    // Not the one that came first, but the one that has been idle longest.
    clients[0].send(GET);
    assert_eq!(clients[0].response().status, 200);
    corsair.wait_parked(100);
    for number in 1..=20 {
        let begun = Instant::now();
        assert_eq!(corsair.ask(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).status, 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        if number == 1 {
            clients[1].expect_fin();
        }
    }
    corsair.wait_parked(99);
    for number in [0, 99].into_iter().chain(2..99) {
        clients[number].send(GET);
        assert_eq!(clients[number].response().status, 200, "number {number} keeps its place");
    }
}

#[test]
fn a_newcomer_is_served_whoever_has_the_idle_connections() {
    let authority = Authority::new();
    let origin = Origin::echo();
    for tls in [false, true] {
        let mut arguments = vec!["--workers", "4", "--max-connections", "8"];
        let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
        if tls {
            arguments.extend(["--tls-cert", certificate.to_str().unwrap()]);
            arguments.extend(["--tls-key", key.to_str().unwrap()]);
        }
        let corsair = Corsair::reverse(origin.address(), &arguments);
        let connect = || {
            let mut client = if tls {
                Client::connect_tls(corsair.address(), "localhost", authority.client(&[]))
            } else {
                corsair.connect()
            };
            client.send(GET);
            assert_eq!(client.response().status, 200);
            client
        };
        let begun = Instant::now();
        let kept: Vec<Client> = (0..40).map(|_| connect()).collect();
        assert!(begun.elapsed() < Duration::from_secs(10), "tls: {tls}, {:?}", begun.elapsed());
        drop(kept);
    }
}

#[test]
fn running_requests_and_tunnels_keep_their_places() {
    let gate = Gate::new();
    let opened = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        if exchange.request().is_none() {
            return Then::Close;
        }
        if exchange.target == "/tunnel" {
            exchange.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            return Then::Hold;
        }
        opened.wait();
        exchange.send(answer("200 OK", "", "x"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &["--max-connections", "3"]);
    let mut tunnel = corsair.connect();
    tunnel.send("GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(tunnel.head().status().unwrap(), 101);
    let mut busy = [corsair.connect(), corsair.connect()];
    for client in &mut busy {
        client.send(GET);
    }
    origin.wait("both run", |seen| seen.heads == 3);
    let mut newcomer = corsair.connect();
    newcomer.send(GET);
    assert!(newcomer.is_quiet_for(Duration::from_millis(300)), "nobody is idle");
    gate.open();
    for client in &mut busy {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(newcomer.response().status, 200, "one of them is idle now");
    assert!(tunnel.is_quiet_for(Duration::from_millis(100)));
}

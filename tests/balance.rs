//! Connections are spread over the workers, whatever the kernel makes of their addresses.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use support::{Client, Corsair, Gate, Origin, Then, answer, eventually};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

/// An origin whose responses begin and end when the gate opens.
fn origin_of_long_streams(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        gate.wait();
        exchange.send("last.");
        Then::Close
    })
}

/// How many streams each of two workers serves. What a worker watches beside its connections is the same for
/// both, and each stream is a connection to the client and one to the origin.
fn shares(corsair: &Corsair, streams: usize) -> [usize; 2] {
    let mut watched: Vec<usize> = corsair.watched_by_runtime().into_iter().map(|(_, count)| count).collect();
    watched.sort_unstable_by(|one, other| other.cmp(one));
    let difference = (watched[0] - watched[1]) / 2;
    [(streams + difference) / 2, (streams - difference) / 2]
}

#[test]
fn eight_long_streams_on_two_workers_are_four_each() {
    for at_once in [false, true] {
        let gate = Gate::new();
        let origin = origin_of_long_streams(&gate);
        let corsair = Corsair::reverse(origin.address(), &["--workers", "2"]);
        let mut streams: Vec<Client> = Vec::new();
        for _ in 0..8 {
            let mut client = corsair.connect();
            client.send(GET);
            if !at_once {
                client.until(b"first");
            }
            streams.push(client);
        }
        if at_once {
            for stream in &mut streams {
                stream.until(b"first");
            }
        }
        assert_eq!(shares(&corsair, 8), [4, 4], "at once: {at_once}");
        gate.open();
        for stream in &mut streams {
            assert_eq!(stream.until(b"last."), b"last.");
        }
    }
}

#[test]
fn parked_connections_weigh_nothing() {
    let gate = Gate::new();
    let origin = origin_of_long_streams(&gate);
    let corsair = Corsair::reverse(origin.address(), &["--workers", "2"]);
    let idle: Vec<Client> = (0..20).map(|_| corsair.connect()).collect();
    corsair.wait_parked(idle.len());
    let mut streams: Vec<Client> = (0..4).map(|_| corsair.connect()).collect();
    for stream in &mut streams {
        stream.send(GET).until(b"first");
    }
    assert_eq!(shares(&corsair, 4), [2, 2]);
    gate.open();
}

#[test]
fn a_stop_loses_no_connection_on_its_way_to_another_worker() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    for _ in 0..5 {
        let mut corsair = Corsair::reverse(origin.address(), &["--workers", "2"]);
        let mut clients: Vec<Client> = (0..40)
            .map(|_| {
                let mut client = corsair.connect();
                client.send(GET);
                client
            })
            .collect();
        corsair.terminate();
        for client in &mut clients {
            assert_eq!(client.response().status, 200);
        }
        drop(clients);
        assert_eq!(corsair.wait_exit().code(), Some(0));
    }
}

#[test]
fn handed_over_connections_count_against_the_limit_and_free_their_slots() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let corsair = Corsair::reverse(origin.address(), &["--workers", "2", "--max-connections", "4"]);
    for _ in 0..5 {
        let mut clients: Vec<Client> = (0..4).map(|_| corsair.connect()).collect();
        for client in &mut clients {
            client.send(GET);
            assert_eq!(client.response().status, 200);
            // Only who is busy keeps a place.
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
        }
        let mut fifth = corsair.connect();
        fifth.send(GET);
        assert!(fifth.is_quiet_for(std::time::Duration::from_millis(100)), "all slots are taken");
        drop(clients);
        assert_eq!(fifth.response().status, 200);
        drop(fifth);
        eventually("all are gone", || corsair.parked() == 0);
    }
}

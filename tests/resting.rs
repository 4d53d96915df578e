//! Streams in which nothing moves leave frame and runtime, and nobody can tell: what happens to them then happens as if
//! they had not.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use support::{Client, Corsair, Fault, Gate, Origin, Then, answer};

// A browser never ends its direction alone: when it has, it is gone.
const GET: &str = "GET /waits HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla/5.0\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &str = "GET /waits HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfirst";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";

/// A kind of stream: what asks for it, what of it comes before it rests, and behind that.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    request: &'static str,
    before: &'static str,
    behind: &'static str,
    /// The setting that says how long it may stand still.
    limit: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "an answer that has not come",
        request: GET,
        before: "",
        behind: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
        limit: "--timeout-response",
    },
    Kind {
        name: "events",
        request: GET,
        before: EVENTS,
        behind: "6\r\nsecond\r\n0\r\n\r\n",
        limit: "--timeout-upstream-idle",
    },
    Kind {
        name: "a tunnel",
        request: UPGRADE,
        before: SWITCH,
        behind: "second",
        limit: "--timeout-tunnel-idle",
    },
];

impl Kind {
    /// An origin of which `/waits` is such a stream, which goes on when the gate opens; everything else is answered.
    fn origin(self, gate: &Gate, then: Then) -> Origin {
        let gate = gate.clone();
        Origin::on_head(move |exchange| {
            exchange.request();
            if exchange.target != "/waits" {
                exchange.send(answer("200 OK", "", "other"));
                return Then::KeepAlive;
            }
            exchange.send(self.before);
            gate.wait();
            exchange.send(self.behind);
            then
        })
    }

    /// A client of it, when it has come to rest.
    fn resting(self, corsair: &Corsair) -> Client {
        let mut client = corsair.connect();
        client.send(self.request);
        if !self.before.is_empty() {
            let end = if self.before == EVENTS { "first\r\n" } else { "first" };
            client.until(end.as_bytes());
        }
        corsair.wait_parked(2);
        client
    }
}

#[test]
fn it_goes_on_when_its_upstream_does_and_is_recorded_as_one_request() {
    for kind in KINDS {
        let gate = Gate::new();
        let origin = kind.origin(&gate, Then::KeepAlive);
        let corsair = Corsair::reverse(origin.address(), &["--access-log=stdout", "--log-format=json"]);
        let mut client = kind.resting(&corsair);
        let runtimes = corsair.watched_by_runtime();
        assert!(runtimes.iter().all(|(_, count)| *count <= 6), "{}: {runtimes:?}", kind.name);
        gate.open();
        client.until(b"second");
        if kind.request == UPGRADE {
            client.shutdown_write();
            client.expect_end();
        }
        let record = corsair.wait_for_record("/waits");
        let status = if kind.request == UPGRADE { 101 } else { 200 };
        assert_eq!(
            (&record["status"], &record["cause"]),
            (&status.into(), &serde_json::Value::Null),
            "{record}"
        );
        assert!(record["total_ms"].as_f64().unwrap() >= 2000.0, "{record}");
        assert!(record["bytes_out"].as_u64().unwrap() >= (kind.before.len() + 6) as u64, "{record}");
        assert_eq!(origin.connections(), 1);
    }
}

#[test]
fn both_connections_serve_the_next_request_behind_it_and_what_came_meanwhile_is_answered() {
    for kind in &KINDS[..2] {
        for pipelined in [false, true] {
            let gate = Gate::new();
            let origin = kind.origin(&gate, Then::KeepAlive);
            let corsair = Corsair::reverse(origin.address(), &[]);
            let mut client = kind.resting(&corsair);
            if pipelined {
                client.send(NEXT);
                // It is read, and the stream comes to rest once more.
                corsair.wait_parked(0);
                corsair.wait_parked(2);
            }
            gate.open();
            client.until(b"second");
            if kind.before == EVENTS {
                client.until(b"0\r\n\r\n");
            }
            if !pipelined {
                client.send(NEXT);
            }
            client.until(b"other");
            assert_eq!(origin.connections(), 1, "{}: pipelined: {pipelined}", kind.name);
        }
    }
}

#[test]
fn a_client_that_leaves_takes_its_upstream_connection_with_it() {
    for kind in KINDS {
        for reset in [false, true] {
            if kind.request == UPGRADE && !reset {
                // It has ended its direction, and the other one lives.
                continue;
            }
            let gate = Gate::new();
            let origin = kind.origin(&gate, Then::Hold);
            let corsair = Corsair::reverse(origin.address(), &["--access-log=stdout", "--log-format=json"]);
            let client = kind.resting(&corsair);
            if reset {
                client.reset()
            } else {
                drop(client)
            }
            // Not before: an answer that comes first has served its connection, which is kept then.
            corsair.wait_for_record("/waits");
            gate.open();
            origin.wait("the connection is closed", |seen| seen.open == 0);
        }
    }
}

#[test]
fn an_upstream_that_leaves_ends_it() {
    for kind in KINDS {
        let gate = Gate::new();
        // Its direction has an end, and nothing before that.
        let origin = Kind { behind: "", ..kind }.origin(&gate, Then::Close);
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = kind.resting(&corsair);
        gate.open();
        match kind.before {
            "" => assert_eq!(client.response().status, 502),
            EVENTS => assert!(matches!(client.0.read_to_end(), Ok(rest) if !rest.ends_with(b"0\r\n\r\n"))),
            _ => client.expect_end(),
        }
    }
}

#[test]
fn it_may_stand_still_for_as_long_as_its_limit_says() {
    for kind in KINDS {
        let gate = Gate::new();
        let origin = kind.origin(&gate, Then::Hold);
        let corsair = Corsair::reverse(origin.address(), &[kind.limit, "6s"]);
        let mut client = kind.resting(&corsair);
        assert!(client.is_quiet_for(Duration::from_secs(1)), "{}", kind.name);
        client.0.allow(Duration::from_secs(8));
        match kind.before {
            "" => assert_eq!(client.response().status, 504),
            _ => assert!(!matches!(client.0.read_to_end(), Err(Fault::Timeout)), "{}", kind.name),
        }
        corsair.wait_parked(0);
        gate.open();
    }
}

#[test]
fn a_drain_waits_for_it() {
    for kind in KINDS {
        let gate = Gate::new();
        let origin = kind.origin(&gate, Then::Close);
        let mut corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = kind.resting(&corsair);
        corsair.terminate();
        assert!(client.is_quiet_for(Duration::from_millis(500)), "{}", kind.name);
        gate.open();
        client.until(b"second");
        drop(client);
        assert_eq!(corsair.wait_exit().code(), Some(0), "{}", kind.name);
    }
}

#[test]
fn a_reload_lets_it_end_under_its_configuration() {
    for kind in KINDS {
        let gate = Gate::new();
        let origin = kind.origin(&gate, Then::Close);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("corsair.toml");
        let write = |max_age: u32| {
            let upstream = origin.address();
            let text = format!(
                "[[listen]]\naddress = \"127.0.0.1:0\"\n\n[cors]\nallow_origins = \"*\"\nmax_age = \"{max_age}s\"\n\n\
                 [[route]]\nupstream = \"web\"\n\n[upstream.web]\nservers = [\"http://{upstream}\"]\n"
            );
            std::fs::write(&path, text).unwrap();
        };
        write(5);
        let corsair = Corsair::start(&["--config", path.to_str().unwrap()]);
        let mut client = kind.resting(&corsair);
        write(6);
        corsair.signal(rustix::process::Signal::HUP);
        corsair.wait_for_log("generation=2");
        gate.open();
        client.until(b"second");
    }
}

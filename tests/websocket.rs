//! WebSocket tunnels: the handshake both ways, bytes both ways, ends both ways.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use support::{
    Client, Corsair, Fault, Gate,
    Impairment::{CutAfter, ResetAfter, SplitAt, SplitEvery, StallAfter},
    Network, Origin, PATIENCE, Then,
};
use tokio_tungstenite::tungstenite::{self, Message};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: chat\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// A WebSocket server of another make that sends every message back.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else { return };
            thread::spawn(move || {
                let Ok(mut server) = tungstenite::accept(socket) else { return };
                while let Ok(message) = server.read() {
                    if (message.is_text() || message.is_binary()) && server.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Switches and then sends back every byte until corsair ends its direction; then says `bye` and ends too.
fn raw_tunnel() -> Origin {
    Origin::on_head(|exchange| {
        exchange.send(SWITCH);
        exchange.connection.allow(Duration::from_secs(30));
        while let Ok(data) = exchange.connection.some() {
            if !exchange.send(data) {
                return Then::Close;
            }
        }
        exchange.send("bye");
        Then::Close
    })
}

fn tunnel(corsair: &Corsair) -> Client {
    tunnel_over(corsair.connect())
}

fn tunnel_over(mut client: Client) -> Client {
    client.send(UPGRADE);
    let head = client.next_head();
    assert_eq!(head.status().unwrap(), 101);
    assert_eq!(head.fields.get("upgrade"), Some("websocket"));
    assert!(head.fields.members("connection").contains(&"upgrade".to_owned()));
    client
}

#[test]
fn messages_of_every_size_come_back() {
    let corsair = Corsair::reverse(echo_server(), &[]);
    let socket = TcpStream::connect(corsair.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut client, response) =
        tungstenite::client(format!("ws://{}/chat", corsair.address()), socket).unwrap();
    assert_eq!(response.status(), 101);
    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let data = support::noise(size, 9);
        client.send(Message::binary(data.clone())).unwrap();
        assert!(client.read().unwrap().into_data() == data, "{size}");
    }
    client.send(Message::text("h\u{e9}llo")).unwrap();
    assert_eq!(client.read().unwrap().into_text().unwrap().as_str(), "h\u{e9}llo");
    client.close(None).unwrap();
    while client.read().is_ok() {}
}

#[test]
fn the_handshake_fields_pass_both_ways() {
    let origin = Origin::on_head(|exchange| {
        let fields = exchange.head.fields.clone();
        assert!(fields.members("connection").contains(&"upgrade".to_owned()));
        assert_eq!(fields.get("upgrade"), Some("websocket"));
        for name in ["sec-websocket-version", "sec-websocket-key", "sec-websocket-protocol"] {
            assert!(fields.has(name), "{name}");
        }
        exchange.request();
        exchange.send(SWITCH);
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(UPGRADE);
    let head = client.next_head();
    assert_eq!(head.fields.get("sec-websocket-protocol"), Some("chat"));
    assert_eq!(head.fields.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(origin.seen().requests.len(), 1);
}

#[test]
fn bytes_sent_behind_the_request_belong_to_the_tunnel() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(format!("{UPGRADE}GET /early HTTP/1.1\r\n\r\n"));
    assert_eq!(client.next_head().status().unwrap(), 101);
    client.until(b"GET /early HTTP/1.1\r\n\r\n");
    assert_eq!(origin.seen().heads, 1);
}

#[test]
fn bytes_sent_behind_the_101_belong_to_the_tunnel() {
    let origin = Origin::on_head(|exchange| {
        exchange.send(format!("{SWITCH}early bytes"));
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    tunnel(&corsair).until(b"early bytes");
}

#[test]
fn a_half_close_is_passed_on_and_the_other_direction_lives() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = tunnel(&corsair);
    client.send("ping").until(b"ping");
    client.shutdown_write();
    client.until(b"bye");
    client.expect_fin();
}

#[test]
fn a_tunnel_passes_byte_by_byte_on_both_sides() {
    let origin = raw_tunnel();
    let behind = Network::to(origin.address());
    let corsair = Corsair::reverse(behind.address(), &[]);
    let front = Network::to(corsair.address());
    for network in [&behind, &front] {
        network.upload([SplitEvery(1)]).download([SplitEvery(1)]);
    }
    let mut client = tunnel_over(front.connect());
    let data = support::noise(500, 8);
    client.send(&data).until(&data);
    client.shutdown_write();
    client.until(b"bye");
    client.expect_fin();
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
}

#[test]
fn a_tunnel_split_at_any_byte_of_its_handshake_is_the_same_tunnel() {
    let origin = raw_tunnel();
    let behind = Network::to(origin.address());
    let corsair = Corsair::reverse(behind.address(), &[]);
    let front = Network::to(corsair.address());
    for at in 1..UPGRADE.len().max(SWITCH.len()) + 4 {
        front.upload([SplitAt(at)]);
        behind.download([SplitAt(at)]);
        let mut client = front.connect();
        // The first bytes of the tunnel come with the handshake.
        client.send(format!("{UPGRADE}ping"));
        assert_eq!(client.next_head().status().unwrap(), 101, "{at}");
        client.until(b"ping");
    }
}

#[test]
fn a_cut_upload_is_a_half_close_of_the_tunnel() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let network = Network::to(corsair.address());
    network.upload([CutAfter(UPGRADE.len() + 4)]);
    let mut client = tunnel_over(network.connect());
    client.send("ping and what is lost").until(b"ping");
    client.until(b"bye");
    client.expect_fin();
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
}

#[test]
fn a_cut_download_is_a_half_close_of_the_tunnel() {
    let origin = raw_tunnel();
    let network = Network::to(origin.address());
    network.download([CutAfter(SWITCH.len() + 4)]);
    let corsair = Corsair::reverse(network.address(), &[]);
    let mut client = tunnel(&corsair);
    client.send("ping").until(b"ping");
    client.expect_fin();
    client.send("the other direction lives");
    support::eventually("it arrives", || {
        support::latin1(&origin.seen().tapes[0].bytes()).ends_with("direction lives")
    });
    client.shutdown_write();
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
}

#[test]
fn a_reset_on_one_side_of_a_tunnel_ends_the_other_side() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let network = Network::to(corsair.address());
    network.upload([ResetAfter(UPGRADE.len() + 4)]);
    let mut client = tunnel_over(network.connect());
    client.send("ping");
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
    // What the client sent before the reset had arrived.
    assert!(support::latin1(&origin.seen().tapes[0].bytes()).ends_with("ping"));

    let network = Network::to(origin.address());
    network.download([ResetAfter(SWITCH.len() + 4)]);
    let corsair = Corsair::reverse(network.address(), &[]);
    let mut client = tunnel(&corsair);
    client.send("ping").until(b"ping");
    client.expect_end();
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
}

#[test]
fn a_tunnel_that_stalls_goes_on_when_its_bytes_come() {
    let origin = raw_tunnel();
    let gate = Gate::new();
    let network = Network::to(origin.address());
    network.download([StallAfter(SWITCH.len() + 2, gate.clone())]);
    let corsair = Corsair::reverse(network.address(), &[]);
    let mut client = tunnel(&corsair);
    client.send("ping").until(b"pi");
    assert!(client.is_quiet_for(Duration::from_millis(50)));
    client.send("pong");
    support::eventually("the other direction passes", || {
        support::latin1(&origin.seen().tapes[0].bytes()).ends_with("pingpong")
    });
    gate.open();
    client.until(b"ngpong");
}

#[test]
fn an_end_by_the_server_reaches_the_client() {
    for then in [Then::Close, Then::Reset] {
        let origin = Origin::on_head(move |exchange| {
            exchange.send(SWITCH);
            drop(exchange.connection.some());
            then
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = tunnel(&corsair);
        client.send("x");
        client.0.allow(Duration::from_secs(1));
        assert!(!matches!(client.0.read_to_end(), Err(Fault::Timeout)), "{then:?}");
    }
}

#[test]
fn an_end_by_the_client_reaches_the_server() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    tunnel(&corsair).reset();
    origin.wait("the tunnel is closed", |seen| seen.open == 0);
}

#[test]
fn a_101_for_another_protocol_is_a_502() {
    for upgrade in ["Upgrade: evil\r\n", "", "Upgrade: websocket, evil\r\n", "Upgrade: h2c\r\n"] {
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{upgrade}\r\nPOISON"
            ));
            Then::Hold
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let response = corsair.ask(UPGRADE);
        assert_eq!(response.status, 502, "{upgrade:?}");
        assert!(response.field("proxy-status").unwrap().contains("error=http_upgrade_failed"));
        origin.wait("the upstream connection is dropped", |seen| seen.open == 0);
    }
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    let origin = Origin::always(support::answer("426 Upgrade Required", "", "no"));
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send(UPGRADE);
    assert_eq!(client.response().status, 426);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 426);
}

#[test]
fn a_tunnel_connection_never_returns_to_the_pool() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        if exchange.head.fields.has("upgrade") {
            exchange.send(SWITCH);
            drop(exchange.connection.read_to_end());
            return Then::Close;
        }
        exchange.send(support::answer("200 OK", "", "x"));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    drop(tunnel(&corsair));
    assert_eq!(corsair.get("/", "").status, 200);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn an_idle_tunnel_outlives_the_other_timeouts_and_ends_by_its_own() {
    let origin = raw_tunnel();
    let flags = [
        "--timeout-keep-alive",
        "100ms",
        "--timeout-body-idle",
        "100ms",
        "--timeout-upstream-idle",
        "100ms",
        "--timeout-tunnel-idle",
        "1s",
    ];
    let corsair = Corsair::reverse(origin.address(), &flags);
    let mut client = tunnel(&corsair);
    assert!(client.is_quiet_for(Duration::from_millis(600)), "cut by a timeout that is not a tunnel's");
    client.send("alive").until(b"alive");
    client.0.allow(Duration::from_secs(3));
    assert!(!matches!(client.0.read_to_end(), Err(Fault::Timeout)), "an idle tunnel is never ended");
}

#[test]
fn many_idle_tunnels_are_kept_beside_live_traffic() {
    let origin = raw_tunnel();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut tunnels: Vec<Client> = (0..100).map(|_| tunnel(&corsair)).collect();
    for (number, client) in tunnels.iter_mut().enumerate() {
        let word = format!("tunnel {number};");
        client.send(&word).until(word.as_bytes());
    }
}

#[test]
fn the_access_log_says_which_side_broke_a_tunnel() {
    let origin = raw_tunnel();
    let log = ["--access-log", "stdout", "--log-format", "json"];
    let behind = Network::to(origin.address());
    behind.download([ResetAfter(SWITCH.len() + 4)]);
    let corsair = Corsair::reverse(behind.address(), &log);
    let mut client = tunnel(&corsair);
    client.send("ping").until(b"ping");
    client.expect_end();
    let record = corsair.wait_for_record("/ws");
    assert_eq!(record["cause"], "http_response_incomplete", "the upstream did: {record}");
    assert_eq!((&record["status"], &record["route"]), (&101.into(), &"/".into()), "{record}");

    let corsair = Corsair::reverse(origin.address(), &log);
    let front = Network::to(corsair.address());
    front.upload([ResetAfter(UPGRADE.len() + 4)]);
    tunnel_over(front.connect()).send("ping");
    let record = corsair.wait_for_record("/ws");
    assert_eq!(record["cause"], "client_gone", "the client did: {record}");

    let corsair = Corsair::reverse(origin.address(), &log);
    let mut client = tunnel(&corsair);
    client.shutdown_write();
    client.until(b"bye");
    client.expect_fin();
    let record = corsair.wait_for_record("/ws");
    assert!(record.get("cause").is_none(), "nobody did: {record}");
}

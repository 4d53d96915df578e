//! The header of the PROXY protocol: of those who are trusted, and of those who are not.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use super::{Behind, LOOPBACK};
use crate::support::{
    Client, Origin,
    certificates::Authority,
    connection::{Connection, Wire},
};

const TRUSTED: &str = "trusted_proxies = [\"loopback\", \"unix\"]";
const STRANGE: &str = "trusted_proxies = [\"10.0.0.0/8\"]";
const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn binary(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version, family], &len, rest].concat()
}

/// One for 203.0.113.7:4711, with this behind the addresses.
fn binary_v4(more: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&[203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 1, 187], more].concat())
}

fn binary_v6() -> Vec<u8> {
    let client: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    binary(0x21, 0x21, &[&client.octets()[..], &[0; 16], &[0x12, 0x67, 1, 187]].concat())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n\r\n")
}

/// corsair that asks trusted proxies for the header.
fn behind(origin: &Origin, root: &str) -> Behind {
    Behind::start(origin.address(), root, &format!("{LOOPBACK}\nproxy_protocol = true"), "")
}

/// The chain that each request came with.
fn chains(origin: &Origin) -> Vec<String> {
    let seen = origin.seen();
    seen.requests.iter().map(|request| request.fields.get("x-forwarded-for").unwrap().to_owned()).collect()
}

#[test]
fn a_trusted_proxy_says_for_whom_a_connection_is() {
    let (origin, long) = (Origin::echo(), binary_v4(&[0xee; 508]));
    let behind = behind(&origin, TRUSTED);
    let mut expected = Vec::new();
    for (index, (header, client, ip)) in [
        (LINE.to_vec(), "203.0.113.7:4711", "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), "[2001:db8::7]:4711", "2001:db8::7"),
        (binary_v4(b""), "203.0.113.7:4711", "203.0.113.7"),
        (long, "203.0.113.7:4711", "203.0.113.7"),
        (binary_v6(), "[2001:db8::7]:4711", "2001:db8::7"),
    ]
    .into_iter()
    .enumerate()
    {
        // As one with the request, and in pieces.
        for dribbled in [false, true] {
            let mut connection = behind.corsair.connect();
            let first = format!("/{index}/{dribbled}/first");
            if dribbled {
                connection.dribble(&header).send(get(&first));
            } else {
                connection.send([&header[..], get(&first).as_bytes()].concat());
            }
            assert_eq!(connection.response().status, 200);
            let second = format!("/{index}/{dribbled}/second");
            connection.send(get(&second));
            assert_eq!(connection.response().status, 200);
            for target in [first, second] {
                let record = behind.corsair.wait_for_record(&target);
                assert_eq!(record["client"], client, "{record}");
                expected.push(ip);
            }
        }
    }
    assert_eq!(chains(&origin), expected);
}

#[test]
fn what_the_client_behind_the_header_says_of_others_is_judged_by_its_own_address() {
    let origin = Origin::echo();
    let behind = behind(&origin, "trusted_proxies = [\"loopback\", \"192.0.2.0/24\"]");
    for source in ["203.0.113.7", "192.0.2.1"] {
        let header = format!("PROXY TCP4 {source} 10.0.0.1 4711 443\r\n");
        let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n";
        assert_eq!(behind.corsair.connect().send(header + request).response().status, 200);
    }
    assert_eq!(chains(&origin), ["203.0.113.7", "198.51.100.9, 192.0.2.1"]);
}

#[test]
fn an_unnamed_client_says_nothing_of_others() {
    let origin = Origin::echo();
    let behind = behind(&origin, TRUSTED);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n";
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN whatever it says\r\n".to_vec(),
        binary(0x21, 0x00, b""),
        binary(0x21, 0x31, &[b'/'; 216]),
    ] {
        let sent = [&header[..], request.as_bytes()].concat();
        assert_eq!(behind.corsair.connect().send(sent).response().status, 200);
    }
    // What a proxy asks for itself is its own word.
    let local = [&binary(0x20, 0x00, b"")[..], request.as_bytes()].concat();
    assert_eq!(behind.corsair.connect().send(local).response().status, 200);
    let unnamed = ["127.0.0.1"; 4];
    assert_eq!(chains(&origin), [&unnamed[..], &["198.51.100.9, 127.0.0.1"]].concat());
}

#[test]
fn a_trusted_proxy_that_begins_otherwise_is_closed_at_once() {
    let origin = Origin::echo();
    let behind = behind(&origin, &format!("{TRUSTED}\ntimeouts.head = \"60s\""));
    for sent in [
        get("/").into_bytes(),
        b"\x16\x03\x01\x02\x00\x01".to_vec(),
        b"PROXY TCP4 203.0.113.7\r\n".to_vec(),
        b"PROXY TCP5 ".iter().chain([&b'x'; 200]).copied().collect(),
        b"PROXY UNKNOWN\n".to_vec(),
        binary(0x22, 0x11, &[0; 12]),
        binary(0x11, 0x11, &[0; 12]),
        binary(0x21, 0x12, &[0; 12]),
        binary(0x21, 0x11, &[0; 11]),
        binary(0x21, 0x11, &[0; 521]),
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut client = behind.corsair.connect();
        client.offer(&sent);
        client.expect_end();
    }
    assert_eq!(origin.connections(), 0);
    behind.corsair.wait_for_log("without a PROXY header that can be read");
}

#[test]
fn half_a_header_is_closed_at_the_deadline_of_a_head_and_gives_its_place_back() {
    let origin = Origin::echo();
    let root = format!("{TRUSTED}\nmax_connections = 1\ntimeouts.head = \"400ms\"");
    let behind = behind(&origin, &root);
    let v2 = binary_v4(b"");
    for sent in [&b""[..], b"PROXY TCP4 203.0", &v2[..1], &v2[..15], &v2[..v2.len() - 1]] {
        let begun = Instant::now();
        let mut slow = behind.corsair.connect();
        slow.offer(sent);
        slow.expect_end();
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
        let mut gone = behind.corsair.connect();
        gone.offer(sent);
        gone.reset();
        // There is one place, and it is free again.
        let mut next = behind.corsair.connect();
        next.send([LINE, get("/").as_bytes()].concat());
        assert_eq!(next.response().status, 200);
    }
}

#[test]
fn a_header_of_a_stranger_is_no_request() {
    let origin = Origin::echo();
    for (root, listen) in [
        (STRANGE, format!("{LOOPBACK}\nproxy_protocol = true")),
        ("", format!("{LOOPBACK}\nproxy_protocol = true")),
        (TRUSTED, LOOPBACK.to_owned()),
    ] {
        let behind = Behind::start(origin.address(), root, &listen, "");
        for header in [LINE.to_vec(), binary_v4(b"")] {
            let mut client = behind.corsair.connect();
            client.send([&header[..], get("/").as_bytes()].concat());
            let response = client.response();
            assert_eq!(response.status, 400);
            assert!(response.text().contains("this is a PROXY header and no request"), "{}", response.text());
            client.expect_end();
        }
        assert_eq!(origin.connections(), 0);
    }
}

#[test]
fn a_stranger_without_a_header_is_served_as_always() {
    let origin = Origin::echo();
    let behind = behind(&origin, STRANGE);
    assert_eq!(behind.corsair.connect().send(get("/a")).response().status, 200);
    assert_eq!(chains(&origin), ["127.0.0.1"]);
    let record = behind.corsair.wait_for_record("/a");
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{record}");
}

#[test]
fn a_header_may_come_over_a_unix_socket() {
    let (origin, folder) = (Origin::echo(), tempfile::tempdir().unwrap());
    let path = folder.path().join("corsair.sock");
    let listen =
        format!("{LOOPBACK}\n[[listen]]\naddress = \"unix:{}\"\nproxy_protocol = true", path.display());
    let behind = Behind::start(origin.address(), TRUSTED, &listen, "");
    let mut client = Client::connect_unix(path.to_str().unwrap());
    let header = binary_v6();
    let (first, second) = header.split_at(20);
    client.send(first).send(second).send(get("/a"));
    assert_eq!(client.response().status, 200);
    assert_eq!(behind.corsair.wait_for_record("/a")["client"], "[2001:db8::7]:4711");
}

#[cfg(target_os = "linux")]
#[test]
fn a_parked_connection_is_still_that_of_its_client() {
    let origin = Origin::echo();
    let behind = behind(&origin, TRUSTED);
    for (header, client) in [(LINE, "203.0.113.7"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")] {
        let mut connection = behind.corsair.connect();
        connection.send([header, get("/").as_bytes()].concat());
        assert_eq!(connection.response().status, 200);
        behind.corsair.wait_parked(1);
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n");
        assert_eq!(connection.response().status, 200);
        assert_eq!(chains(&origin).pop().unwrap(), client);
        behind.corsair.wait_parked(1);
        drop(connection);
        behind.corsair.wait_parked(0);
    }
}

/// corsair that speaks TLS, and asks for the header before it.
fn secure(origin: &Origin, root: &str) -> (Behind, Authority) {
    let authority = Authority::new();
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let listen = format!(
        "{LOOPBACK}\nproxy_protocol = true\ntls = {{ certificates = [{{ cert = {certificate:?}, key = {key:?} }}] }}"
    );
    (Behind::start(origin.address(), root, &listen, ""), authority)
}

/// A connection that begins with these bytes, with TLS behind them.
fn connect_tls(address: SocketAddr, first: &[&[u8]], authority: &Authority) -> Client {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_nodelay(true).unwrap();
    for piece in first {
        tcp.write_all(piece).unwrap();
    }
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(authority.client(&["http/1.1"]), name).unwrap();
    Client(Connection::new(Wire::TlsClient(Box::new(StreamOwned::new(session, tcp)))))
}

#[test]
fn tls_begins_behind_the_header() {
    let origin = Origin::echo();
    let (behind, authority) = secure(&origin, TRUSTED);
    let v2 = binary_v4(&[0; 100]);
    for (target, first) in [("/1", &[LINE][..]), ("/2", &[&v2]), ("/3", &[&v2[..13], &v2[13..]])] {
        let mut client = connect_tls(behind.corsair.address(), first, &authority);
        client.send(get(target).replace("app.example", "localhost"));
        assert_eq!(client.response().status, 200);
        let record = behind.corsair.wait_for_record(target);
        assert_eq!(
            (&record["client"], &record["scheme"]),
            (&"203.0.113.7:4711".into(), &"https".into()),
            "{record}"
        );
    }
    // Behind the header as before it: who speaks plain HTTP is told so.
    let mut plain = behind.corsair.connect();
    plain.send([LINE, get("/").as_bytes()].concat());
    let response = plain.response();
    assert_eq!(response.status, 400);
    assert!(response.text().contains("plain HTTP on a port that speaks TLS"), "{}", response.text());
}

#[test]
fn where_tls_is_spoken_a_header_of_a_stranger_gets_no_answer() {
    let origin = Origin::echo();
    let (behind, authority) = secure(&origin, STRANGE);
    for header in [LINE.to_vec(), binary_v4(b"")] {
        let mut client = behind.corsair.connect();
        client.send(&header);
        client.expect_end();
    }
    behind.corsair.wait_for_log("a PROXY header of a peer that is not trusted");
    let mut client = connect_tls(behind.corsair.address(), &[], &authority);
    client.send(get("/").replace("app.example", "localhost"));
    assert_eq!(client.response().status, 200, "without one it is served as always");
}

#[test]
fn a_handshake_that_stalls_behind_the_header_has_what_is_left_of_the_time() {
    let origin = Origin::echo();
    let (behind, _authority) = secure(&origin, &format!("{TRUSTED}\ntimeouts.head = \"400ms\""));
    let mut client = behind.corsair.connect();
    let begun = Instant::now();
    client.send(LINE).send(b"\x16\x03\x01");
    client.expect_end();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_reload_asks_new_connections_for_the_header_and_keeps_the_others() {
    let origin = Origin::echo();
    let mut behind = Behind::start(origin.address(), TRUSTED, LOOPBACK, "");
    let mut old = behind.corsair.connect();
    assert_eq!(old.send(get("/")).response().status, 200);
    behind.rewrite(|text| text.replace(LOOPBACK, &format!("{LOOPBACK}\nproxy_protocol = true")));
    let mut new = behind.corsair.connect();
    new.offer(get("/"));
    new.expect_end();
    let mut new = behind.corsair.connect();
    assert_eq!(new.send([LINE, get("/").as_bytes()].concat()).response().status, 200);
    assert_eq!(old.send(get("/")).response().status, 200, "it began before");
    assert_eq!(chains(&origin), ["127.0.0.1", "203.0.113.7", "127.0.0.1"]);
}

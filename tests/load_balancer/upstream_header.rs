//! Connections to upstreams that begin with a PROXY header.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use super::{Behind, LOOPBACK};
use crate::support::{Client, Origin, PATIENCE, certificates::Authority};

/// What the header says, no field says once more.
const ROUTE: &str = "[[route]]\nupstream = \"app\"\nrequest_headers.remove = [\"x-forwarded-for\"]\n";

/// corsair that wants the header and says who came, behind corsair that sends it in this version.
struct Two {
    outer: Behind,
    inner: Behind,
}

impl Two {
    fn start(origin: &Origin, version: &str, root: &str) -> Self {
        let asks = format!("{LOOPBACK}\nproxy_protocol = true");
        let inner = Behind::start(origin.address(), "trusted_proxies = [\"loopback\"]", &asks, "");
        let more = format!("proxy_protocol = \"{version}\"\n{ROUTE}");
        Self {
            outer: Behind::before(&format!("http://{}", inner.corsair.address()), root, LOOPBACK, &more),
            inner,
        }
    }

    /// Whom the inner one takes for the client of this request.
    fn client(&self, target: &str) -> String {
        self.inner.corsair.wait_for_record(target)["client"].as_str().unwrap().to_owned()
    }

    /// Whether the outer one had a connection for it.
    fn reused(&self, target: &str) -> bool {
        self.outer.corsair.wait_for_record(target)["reused"].as_bool().unwrap()
    }
}

fn get(client: &mut Client, target: &str, fields: &str) {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200, "{target}");
}

fn address(client: &Client) -> String {
    client.writer().local_addr().unwrap().to_string()
}

#[test]
fn a_connection_to_an_upstream_names_one_client_and_serves_it_alone() {
    for version in ["v1", "v2"] {
        let origin = Origin::echo();
        let two = Two::start(&origin, version, "workers = 1");
        let (mut one, mut other) = (two.outer.corsair.connect(), two.outer.corsair.connect());
        for round in 0..3 {
            for (name, client) in [("one", &mut one), ("other", &mut other)] {
                let target = format!("/{name}/{round}");
                get(client, &target, "");
                assert_eq!(two.client(&target), address(client), "{version} {target}");
                assert_eq!(two.reused(&target), round > 0, "{version} {target}");
            }
        }
        let metrics = two.outer.metrics();
        for (result, count) in [("new", 2), ("reused", 4)] {
            let line = format!("corsair_pool_reuse_total{{upstream=\"app\",result=\"{result}\"}} {count}\n");
            assert!(metrics.contains(&line), "{line} in {metrics}");
        }
        // A client that leaves leaves no connection to anybody else.
        drop(one);
        let mut third = two.outer.corsair.connect();
        get(&mut third, "/third", "");
        assert_eq!((two.client("/third"), two.reused("/third")), (address(&third), false), "{version}");
    }
}

#[test]
fn of_several_clients_on_one_connection_each_has_its_own() {
    let origin = Origin::echo();
    let two = Two::start(&origin, "v2", "trusted_proxies = [\"loopback\"]");
    let mut balancer = two.outer.corsair.connect();
    for (index, (client, reused)) in [
        ("203.0.113.7:1", false),
        ("203.0.113.8:2", false),
        ("203.0.113.7:1", true),
        ("[2001:db8::7]:3", false),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{index}");
        get(&mut balancer, &target, &format!("X-Forwarded-For: {client}\r\n"));
        assert_eq!((two.client(&target).as_str(), two.reused(&target)), (client, reused), "{target}");
    }
}

#[test]
fn the_header_comes_before_tls() {
    let (origin, authority) = (Origin::echo(), Authority::new());
    let (certificate, key) = authority.write(&authority.leaf(&["127.0.0.1"]));
    let listen = format!(
        "{LOOPBACK}\nproxy_protocol = true\ntls = {{ certificates = [{{ cert = {certificate:?}, key = {key:?} }}] }}"
    );
    let inner = Behind::start(origin.address(), "trusted_proxies = [\"loopback\"]", &listen, "");
    let more = format!("proxy_protocol = \"v1\"\ntls.ca = {:?}\n{ROUTE}", authority.file());
    let outer = Behind::before(&format!("https://{}", inner.corsair.address()), "", LOOPBACK, &more);
    let mut client = outer.corsair.connect();
    get(&mut client, "/a", "");
    assert_eq!(inner.corsair.wait_for_record("/a")["client"], address(&client));
}

/// A server that ends its first connection without a word, and then tells what each one begins with, up to the request.
fn sick(sender: mpsc::Sender<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = Vec::new();
            // Either header ends with a line end, or 4 bytes behind one.
            while let Ok(1..) = reader.read_until(b'\n', &mut first)
                && !first.ends_with(b"\r\n\r\n") | (first.len() < 8)
            {}
            if index > 0 {
                _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
            if sender.send(first).is_err() {
                return;
            }
            _ = stream.shutdown(std::net::Shutdown::Write);
            _ = reader.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn a_probe_says_that_it_is_for_nobody() {
    for (version, header) in
        [("v1", &b"PROXY UNKNOWN\r\n"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00")]
    {
        let (sender, beginnings) = mpsc::channel();
        let servers = [sender.clone(), sender].map(|sender| format!("http://{}", sick(sender)));
        let more = format!("proxy_protocol = \"{version}\"\neject.failures = 1\n{ROUTE}");
        let outer = Behind::before(&servers.join("\", \""), "workers = 1", LOOPBACK, &more);
        assert_eq!(outer.corsair.get("/", "").status, 502);
        for _ in servers {
            let named = beginnings.recv_timeout(PATIENCE).unwrap();
            assert!(!named.starts_with(header), "a request is for somebody: {named:?}");
        }
        let probe = beginnings.recv_timeout(PATIENCE).unwrap();
        assert!(probe.starts_with(header), "{probe:?}");
        assert!(probe[header.len()..].starts_with(b"OPTIONS * HTTP/1.1\r\n"), "{probe:?}");
    }
}

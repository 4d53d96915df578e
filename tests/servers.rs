//! Several servers: which of them a request goes to, and how they are asked whether they are well.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use support::{Client, Corsair, Gate, Origin, Then, answer, eventually, nobody};
use tempfile::TempDir;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A corsair with one worker in front of an upstream of which the file says this.
fn in_front_of(upstream: &str) -> (Corsair, TempDir) {
    with_workers(1, upstream)
}

fn with_workers(workers: usize, upstream: &str) -> (Corsair, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "workers = {workers}\n[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n\
         [[route]]\nupstream = \"app\"\n[upstream.app]\n{upstream}\n"
    );
    std::fs::write(&file, text).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap()]), folder)
}

fn url(server: SocketAddr) -> String {
    format!("http://{server}")
}

/// Requests that were no probes.
fn asked(origin: &Origin) -> usize {
    origin.lines().iter().filter(|line| *line == "GET /").count()
}

/// A server whose `/healthz` is answered 200 or 503, and everything else 200.
fn patient() -> (Origin, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    let origin = Origin::on_head(move |exchange| {
        let is_probe = exchange.target == "/healthz";
        exchange.request();
        let status = if is_probe && !is_well.load(Ordering::SeqCst) { "503 Unwell" } else { "200 OK" };
        exchange.send(answer(status, "", "x"));
        Then::KeepAlive
    });
    (origin, well)
}

#[test]
fn servers_have_requests_by_their_weights() {
    let servers = [Origin::echo(), Origin::echo()];
    let [first, second] = [0, 1].map(|index| url(servers[index].address()));
    let (corsair, _folder) =
        in_front_of(&format!("servers = [{{ url = \"{first}\", weight = 3 }}, \"{second}\"]"));
    (0..40).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!(servers.each_ref().map(asked), [30, 10]);
}

#[test]
fn a_backup_has_requests_only_where_no_other_server_is_usable() {
    let (first, backup) = (Origin::echo(), Origin::echo());
    let urls = [first.address(), backup.address()].map(url);
    let servers = format!("servers = [{{ url = \"{}\", backup = true }}, \"{}\"]", urls[1], urls[0]);
    let (corsair, _folder) = in_front_of(&servers);
    (0..10).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!((asked(&first), asked(&backup)), (10, 0));
    let dead = url(nobody());
    let servers = format!("servers = [\"{dead}\", {{ url = \"{}\", backup = true }}]", urls[1]);
    let (corsair, _folder) = in_front_of(&servers);
    (0..10).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!(asked(&backup), 10);
}

#[test]
fn the_server_with_the_least_under_way_is_next() {
    let gate = Gate::new();
    let opens = gate.clone();
    let busy = Origin::on_head(move |exchange| {
        exchange.request();
        opens.wait();
        exchange.send(answer("200 OK", "", "late"));
        Then::Close
    });
    let idle = Origin::echo();
    let urls = [busy.address(), idle.address()].map(url);
    let servers = format!("servers = [\"{}\", \"{}\"]\nbalance = \"least_conn\"", urls[0], urls[1]);
    let (corsair, _folder) = in_front_of(&servers);
    let mut waiting = corsair.connect();
    waiting.send(GET);
    busy.wait("the first request", |seen| seen.heads == 1);
    (0..10).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!((asked(&busy), asked(&idle)), (1, 10));
    gate.open();
    assert_eq!(waiting.response().status, 200);
}

#[test]
fn requests_with_the_same_key_go_to_the_same_server_and_where_it_dies_no_others_move() {
    let mut servers: Vec<Origin> = (0..3)
        .map(|index| {
            Origin::on_head(move |exchange| {
                exchange.request();
                exchange.send(answer("200 OK", "Connection: close\r\n", &index.to_string()));
                Then::Close
            })
        })
        .collect();
    let urls: Vec<String> = servers.iter().map(|server| format!("\"{}\"", url(server.address()))).collect();
    let (corsair, _folder) =
        in_front_of(&format!("servers = [{}]\nbalance = \"hash:header:X-Session\"", urls.join(", ")));
    let ask = || -> BTreeMap<usize, usize> {
        let sessions = (0..60).map(|session| {
            let response = corsair.get("/", &format!("X-Session: {session}\r\n"));
            (session, String::from_utf8(response.body).unwrap().parse().unwrap())
        });
        sessions.collect()
    };
    let before = ask();
    assert_eq!(ask(), before);
    let of = |server: usize| before.values().filter(|own| **own == server).count();
    assert!((0..3).all(|server| of(server) > 5), "{before:?}");
    drop(servers.remove(0));
    let after = ask();
    for (session, server) in before {
        assert_eq!(after[&session] == server, server != 0, "session {session}");
    }
}

#[test]
fn probes_take_out_a_server_that_is_not_well_and_bring_it_back_and_no_request_fails() {
    let ((ill, well), other) = (patient(), patient().0);
    let urls = [ill.address(), other.address()].map(url);
    let health = "health = { path = \"/healthz\", interval = \"50ms\", fall = 2 }";
    let (corsair, _folder) = in_front_of(&format!("servers = [\"{}\", \"{}\"]\n{health}", urls[0], urls[1]));
    ill.wait("a probe", |seen| seen.heads >= 1);
    well.store(false, Ordering::SeqCst);
    let line = corsair.wait_for_log("a server is out");
    for part in ["WARN", &urls[0], "probes are answered 503"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    (0..10).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!((asked(&ill), asked(&other)), (0, 10));
    well.store(true, Ordering::SeqCst);
    let line = corsair.wait_for_log("a server is back");
    assert!(line.contains("INFO") && line.contains(&urls[0]), "{line}");
    (0..10).for_each(|_| assert_eq!(corsair.ask(GET).status, 200));
    assert_eq!((asked(&ill), asked(&other)), (5, 15));
}

#[test]
fn an_only_server_that_is_not_well_is_tried_rather_than_to_refuse() {
    let (ill, well) = patient();
    well.store(false, Ordering::SeqCst);
    let health = "health = { path = \"/healthz\", interval = \"50ms\", fall = 1 }";
    let (corsair, _folder) = in_front_of(&format!("servers = [\"{}\"]\n{health}", url(ill.address())));
    corsair.wait_for_log("a server is out");
    assert_eq!(corsair.ask(GET).status, 200);
}

#[test]
fn without_a_path_a_server_is_well_that_can_be_connected_to() {
    let dead = nobody();
    let other = Origin::echo();
    let servers = format!("servers = [\"{}\", \"{}\"]", url(dead), url(other.address()));
    let (corsair, _folder) = in_front_of(&format!("{servers}\nhealth = {{ interval = \"50ms\", fall = 1 }}"));
    let line = corsair.wait_for_log("a server is out");
    assert!(line.contains("probes fail: the upstream refused the connection"), "{line}");
    let revived = Origin::at(dead, |exchange| {
        exchange.request();
        exchange.send(answer("200 OK", "", "alive"));
        Then::KeepAlive
    });
    corsair.wait_for_log("a server is back");
    eventually("it is asked again", || {
        assert_eq!(corsair.ask(GET).status, 200);
        asked(&revived) > 0
    });
}

/// A server that answers when the gate opens.
fn slow(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::on_head(move |exchange| {
        exchange.request();
        gate.wait();
        exchange.send(answer("200 OK", "", "x"));
        Then::KeepAlive
    })
}

fn sends(corsair: &Corsair) -> Client {
    let mut client = corsair.connect();
    client.send(GET);
    client
}

#[test]
fn no_more_connections_are_open_than_may_be_and_so_many_requests_wait() {
    const QUEUE: &str = "queue = 3, queue_timeout = \"60s\"";
    for (of_server, pool) in [("", "max_connections = 2, "), (", max_connections = 2", "")] {
        for workers in [1, 2] {
            let gate = Gate::new();
            let origin = slow(&gate);
            let server = format!("{{ url = \"{}\"{of_server} }}", url(origin.address()));
            let (corsair, _folder) =
                with_workers(workers, &format!("servers = [{server}]\npool = {{ {pool}{QUEUE} }}"));
            let mut first = [sends(&corsair), sends(&corsair)];
            origin.wait("two requests", |seen| seen.heads == 2);
            let (mut waiting, mut refused) =
                ((0..6).map(|_| sends(&corsair)).collect::<Vec<_>>(), Vec::new());
            eventually("three of six are told to come again", || {
                for mut client in std::mem::take(&mut waiting) {
                    let is_quiet = client.is_quiet_for(Duration::from_millis(1));
                    if is_quiet { waiting.push(client) } else { refused.push(client) }
                }
                refused.len() == 3
            });
            for client in &mut refused {
                let response = client.response();
                assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
                assert_eq!(response.field("Proxy-Status"), Some("corsair; error=connection_limit_reached"));
                assert_eq!(response.field("Access-Control-Allow-Origin"), Some("*"));
            }
            assert_eq!((origin.connections(), origin.seen().heads), (2, 2));
            gate.open();
            for client in first.iter_mut().chain(&mut waiting) {
                assert_eq!(client.response().status, 200);
            }
        }
    }
}

#[test]
fn a_request_that_has_waited_long_enough_is_told_to_come_again() {
    let gate = Gate::new();
    let origin = slow(&gate);
    let pool = "pool = { max_connections = 1, queue_timeout = \"300ms\" }";
    let (corsair, _folder) = in_front_of(&format!("servers = [\"{}\"]\n{pool}", url(origin.address())));
    let mut first = sends(&corsair);
    origin.wait("the first", |seen| seen.heads == 1);
    let begun = Instant::now();
    assert_eq!(corsair.ask(GET).status, 503);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(corsair.ask(GET).status, 200, "its place has come free");
}

#[test]
fn whoever_waits_has_the_connection_before_whoever_comes_later() {
    let gate = Gate::new();
    let origin = slow(&gate);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock").display().to_string();
    let pool = "pool = { max_connections = 1, queue_timeout = \"60s\" }";
    let (corsair, _folder) = in_front_of(&format!(
        "servers = [\"{}\"]\n{pool}\n[admin]\nlisten = \"unix:{socket}\"",
        url(origin.address())
    ));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut first = corsair.connect();
    // The second of these is at hand the moment that the first is answered.
    first.send(get("/first") + &get("/last"));
    origin.wait("the first", |seen| seen.heads == 1);
    let mut waiting = corsair.connect();
    waiting.send(get("/waiting"));
    eventually("it waits", || {
        let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let metrics = Client::connect_unix(&socket).send(metrics).response().body;
        String::from_utf8(metrics).unwrap().contains("corsair_queue_waiting{upstream=\"app\"} 1")
    });
    gate.open();
    assert_eq!(waiting.response().status, 200);
    assert_eq!([first.response().status, first.response().status], [200, 200]);
    assert_eq!(origin.lines(), ["GET /first", "GET /waiting", "GET /last"]);
}

#[test]
fn an_idle_connection_of_another_worker_makes_room() {
    let origin = Origin::echo();
    let pool = "pool = { max_connections = 1, queue_timeout = \"60s\" }";
    let (corsair, _folder) = with_workers(2, &format!("servers = [\"{}\"]\n{pool}", url(origin.address())));
    // New connections go to either worker; each keeps its connection to the server, and there may be one.
    let mut clients: Vec<Client> = (0..8).map(|_| corsair.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.send(GET).response().status, 200);
        }
    }
    eventually("all but one are closed", || origin.seen().open <= 1);
}

#[test]
fn what_cannot_be_sent_twice_goes_out_on_a_connection_of_its_own_where_that_is_wanted() {
    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for (reuse, connections) in [(true, 1), (false, 4)] {
        let origin = Origin::echo();
        let servers = format!("servers = [\"{}\"]\npool.reuse_for_unsafe = {reuse}", url(origin.address()));
        let (corsair, _folder) = in_front_of(&servers);
        let mut client = corsair.connect();
        for request in [GET, POST, GET, POST, POST] {
            assert_eq!(client.send(request).response().status, 200);
        }
        assert_eq!(origin.connections(), connections, "{reuse}");
    }
}

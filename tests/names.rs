//! Names of upstreams: what they stand for is followed as DNS changes.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use support::{Client, Corsair, NameServer, Origin, Then, Zone, answer, eventually};
use tempfile::TempDir;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// What may pass beyond a TTL until a change is followed, on a machine that does much else: a tenth of it else.
const BEYOND: Duration = Duration::from_secs(5);

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Servers that tell their address, all on the same port of loopback addresses that end in these.
fn servers<const N: usize>(last: [u8; N]) -> ([Origin; N], u16) {
    let mut port = 0;
    let origins = last.map(|last| {
        let origin = at(SocketAddr::new(ip(last), port));
        port = origin.address().port();
        origin
    });
    (origins, port)
}

fn at(address: SocketAddr) -> Origin {
    Origin::at(address, move |exchange| {
        exchange.request();
        exchange.send(answer("200 OK", "", &address.ip().to_string()));
        Then::KeepAlive
    })
}

/// A corsair with two workers in front of an upstream of which the file says this, which asks this name server.
fn in_front_of(names: &NameServer, upstream: &str) -> (Corsair, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "workers = 2\n[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n\
         [dns]\nservers = [\"{}\"]\n[[route]]\nupstream = \"app\"\n[upstream.app]\n{upstream}\n",
        names.address()
    );
    std::fs::write(&file, text).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap()]), folder)
}

/// Who answers a request on this connection.
fn who(client: &mut Client) -> IpAddr {
    client.send(GET);
    let response = client.response();
    assert_eq!(response.status, 200, "{}", response.text());
    response.text().parse().unwrap()
}

/// Who answers `count` requests, each on a connection of its own.
fn all(corsair: &Corsair, count: usize) -> BTreeSet<IpAddr> {
    (0..count).map(|_| who(&mut corsair.connect())).collect()
}

/// Has clients ask without a pause on connections that are kept while `change` happens, until only `expected` answer, each
/// of them. None may fail; returns how long it took.
fn followed(corsair: &Corsair, change: impl FnOnce(), expected: &[IpAddr]) -> Duration {
    let expected: BTreeSet<IpAddr> = expected.iter().copied().collect();
    let address = corsair.address();
    thread::scope(|scope| {
        let begun = Instant::now();
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let expected = &expected;
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    let mut last = Instant::now();
                    // As many in a row as would meet each server, whoever else asks.
                    let mut same = 0;
                    while same < 100 {
                        let is_expected = expected.contains(&who(&mut client));
                        same = if is_expected { same + 1 } else { 0 };
                        if !is_expected {
                            last = Instant::now();
                        }
                        assert!(begun.elapsed() < support::PATIENCE, "it is never followed");
                    }
                    last
                })
            })
            .collect();
        change();
        let changed = Instant::now();
        let last = clients.into_iter().map(|client| client.join().unwrap()).max().unwrap();
        last.saturating_duration_since(changed)
    })
}

#[test]
fn kept_connections_go_where_the_name_leads_by_now() {
    let (_servers, port) = servers([2, 3]);
    let names = NameServer::with_ttl(1);
    names.set_addresses("app.test", &[ip(2)]);
    let (corsair, _folder) = in_front_of(&names, &format!("servers = \"http://app.test:{port}\""));
    assert_eq!(all(&corsair, 8), BTreeSet::from([ip(2)]));
    let took = followed(&corsair, || names.set_addresses("app.test", &[ip(3)]), &[ip(3)]);
    assert!(took <= names.ttl() + BEYOND, "{took:?}");
}

#[test]
fn each_address_is_a_server_and_they_come_and_go_with_the_name() {
    let (_servers, port) = servers([2, 3, 4]);
    let names = NameServer::with_ttl(1);
    names.set_addresses("app.test", &[ip(2), ip(3)]);
    let (corsair, _folder) =
        in_front_of(&names, &format!("servers = \"http://app.test:{port}\"\nresolve = \"all\""));
    eventually("both are known", || all(&corsair, 8) == BTreeSet::from([ip(2), ip(3)]));
    let begun = Instant::now();
    names.set_addresses("app.test", &[ip(2), ip(3), ip(4)]);
    eventually("one more has come", || all(&corsair, 12).len() == 3);
    assert!(begun.elapsed() <= names.ttl() + BEYOND + Duration::from_secs(1), "{:?}", begun.elapsed());
    let took = followed(&corsair, || names.set_addresses("app.test", &[ip(4), ip(3)]), &[ip(3), ip(4)]);
    assert!(took <= names.ttl() + BEYOND, "{took:?}");
    corsair.wait_for_log(&format!("http://app.test:{port} 127.0.0.4:{port}"));
}

#[test]
fn idle_connections_to_a_server_that_is_gone_take_nobody_a_place() {
    let (_servers, port) = servers([2, 3]);
    let names = NameServer::with_ttl(1);
    names.set_addresses("app.test", &[ip(2)]);
    let upstream = format!(
        "servers = \"http://app.test:{port}\"\nresolve = \"all\"\npool = {{ max_connections = 1, queue_timeout = \"5s\" }}"
    );
    let (corsair, _folder) = in_front_of(&names, &upstream);
    corsair.wait_for_log("a name stands for other servers");
    assert_eq!(who(&mut corsair.connect()), ip(2));
    names.set_addresses("app.test", &[ip(3)]);
    corsair.wait_for_log(&format!("app.test:{port} 127.0.0.3"));
    // They wait for a place, and are 503 where none comes free.
    assert_eq!(all(&corsair, 4), BTreeSet::from([ip(3)]));
}

#[test]
fn a_service_is_its_servers_with_their_ports_weights_and_priorities() {
    let origins = [2, 3, 4].map(|last| at(SocketAddr::new(ip(last), 0)));
    let names = NameServer::with_ttl(1);
    let mut records = Vec::new();
    for ((origin, name), (priority, weight)) in
        origins.iter().zip(["a.test", "b.test", "c.test"]).zip([(1, 30), (1, 10), (2, 10)])
    {
        names.set_addresses(name, &[origin.address().ip()]);
        records.push((priority, weight, origin.address().port(), format!("{name}.")));
    }
    let service = |records: &[_]| names.set("_http._tcp.app.test", Zone::Services(records.to_vec()));
    service(&records);
    let (corsair, _folder) =
        in_front_of(&names, "servers = \"http://_http._tcp.app.test\"\nresolve = \"srv\"");
    eventually("both are known", || all(&corsair, 8) == BTreeSet::from([ip(2), ip(3)]));
    let mut counts = BTreeMap::<IpAddr, usize>::new();
    // On one connection, and so at one worker.
    let mut client = corsair.connect();
    (0..40).for_each(|_| *counts.entry(who(&mut client)).or_default() += 1);
    assert_eq!(counts, BTreeMap::from([(ip(2), 30), (ip(3), 10)]));
    let took = followed(&corsair, || service(&records[1..]), &[ip(3)]);
    assert!(took <= names.ttl() + BEYOND, "{took:?}");
    let took = followed(&corsair, || service(&records[2..]), &[ip(4)]);
    assert!(took <= names.ttl() + BEYOND, "what was a backup is none where it is the first: {took:?}");
}

#[test]
fn a_name_server_that_dies_or_forgets_a_name_costs_no_request() {
    for resolve in ["first", "all"] {
        for dies in [true, false] {
            let (_servers, port) = servers([2, 3]);
            let names = NameServer::with_ttl(1);
            names.set_addresses("app.test", &[ip(2), ip(3)]);
            let upstream = format!("servers = \"http://app.test:{port}\"\nresolve = \"{resolve}\"");
            let (corsair, _folder) = in_front_of(&names, &upstream);
            eventually("it is known", || corsair.ask(GET).status == 200);
            let asked = names.asked("app.test");
            if dies {
                names.die()
            } else {
                names.remove("app.test")
            }
            // Beyond what was known, and a failure or two.
            let begun = Instant::now();
            while names.asked("app.test") < asked + 3 {
                assert!([ip(2), ip(3)].contains(&who(&mut corsair.connect())));
                assert!(begun.elapsed() < support::PATIENCE, "it is asked for again");
            }
        }
    }
}

#[test]
fn without_dns_it_starts_and_serves_as_soon_as_there_is_some() {
    let (_servers, port) = servers([2, 3]);
    let service = Zone::Services(vec![(1, 1, port, "app.test.".to_owned())]);
    for (server, resolve) in [
        (format!("http://app.test:{port}"), "first"),
        (format!("http://app.test:{port}"), "all"),
        ("http://_http._tcp.app.test".to_owned(), "srv"),
    ] {
        let names = NameServer::with_ttl(1);
        let (corsair, _folder) =
            in_front_of(&names, &format!("servers = \"{server}\"\nresolve = \"{resolve}\""));
        let response = corsair.ask(GET);
        assert_eq!((response.status, response.text().contains("dns_")), (502, true), "{}", response.text());
        names.set_addresses("app.test", &[ip(2)]);
        names.set("_http._tcp.app.test", service.clone());
        eventually("the name is known", || corsair.ask(GET).status == 200);
    }
}

#[test]
fn the_first_request_finds_the_servers_of_a_name_that_is_not_followed_yet() {
    let (_servers, port) = servers([2]);
    let names = NameServer::with_ttl(60);
    names.set_addresses("app.test", &[ip(2)]);
    names.set("_http._tcp.app.test", Zone::Services(vec![(1, 1, port, "app.test.".to_owned())]));
    for (server, resolve) in
        [(format!("http://app.test:{port}"), "all"), ("http://_http._tcp.app.test".to_owned(), "srv")]
    {
        let upstream = format!("servers = \"{server}\"\nresolve = \"{resolve}\"");
        let (corsair, _folder) = in_front_of(&names, &upstream);
        assert_eq!(who(&mut corsair.connect()), ip(2));
    }
}

#[test]
fn a_reload_keeps_the_servers_that_were_found() {
    let (_servers, port) = servers([2, 3]);
    let names = NameServer::with_ttl(60);
    names.set_addresses("app.test", &[ip(2), ip(3)]);
    let upstream = format!("servers = \"http://app.test:{port}\"\nresolve = \"all\"");
    let (corsair, folder) = in_front_of(&names, &upstream);
    eventually("both are known", || all(&corsair, 8).len() == 2);
    let asked = names.asked("app.test");
    let file = folder.path().join("corsair.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "eject.failures = 5\n").unwrap();
    corsair.signal(rustix::process::Signal::HUP);
    corsair.wait_for_log("generation=2");
    assert_eq!(all(&corsair, 8).len(), 2);
    assert_eq!(names.asked("app.test"), asked, "nobody has to ask again");
}

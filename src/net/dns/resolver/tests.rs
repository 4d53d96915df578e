//! The resolver against a name server of our own.

use std::{collections::HashMap as Map, fs};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use tokio::{net::UdpSocket, task::yield_now};

use super::*;
use crate::net::testing::{in_worker, pass};

/// What the name server does with a name.
#[derive(Clone, Debug)]
enum Zone {
    Has(Vec<IpAddr>, u32),
    Serves(Vec<ServiceRecord>, u32),
    NoSuchName(u32),
    Fails,
    Silent,
}

#[derive(Debug, Default)]
struct Server {
    zones: RefCell<Map<String, Zone>>,
    /// The queries for A records seen, by name.
    asked: RefCell<Map<String, usize>>,
}

impl Server {
    async fn start() -> (Rc<Self>, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Rc::new(Self::default());
        let serving = Rc::clone(&server);
        spawn_local(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(answer) = serving.answer(&buffer[..length]) {
                    socket.send_to(&answer, client).await.unwrap();
                }
            }
        });
        (server, address)
    }

    fn set(&self, name: &str, zone: Zone) {
        self.zones.borrow_mut().insert(name.to_owned(), zone);
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.borrow().get(name).copied().unwrap_or_default()
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_vec(query).unwrap();
        let question = request.queries.first().unwrap().clone();
        let name = question.name().to_string();
        if question.query_type() == RecordType::A {
            *self.asked.borrow_mut().entry(name.clone()).or_default() += 1;
        }
        let mut response = Message::response(request.metadata.id, OpCode::Query);
        response.metadata.recursion_available = true;
        response.add_query(question.clone());
        match self.zones.borrow().get(&name).cloned().unwrap_or(Zone::NoSuchName(60)) {
            Zone::Has(addresses, ttl) => {
                for address in addresses {
                    let data = match address {
                        IpAddr::V4(ip) => RData::A(ip.into()),
                        IpAddr::V6(ip) => RData::AAAA(ip.into()),
                    };
                    if data.record_type() == question.query_type() {
                        response.add_answer(Record::from_rdata(question.name().clone(), ttl, data));
                    }
                }
            }
            Zone::Serves(records, ttl) if question.query_type() == RecordType::SRV => {
                *self.asked.borrow_mut().entry(name).or_default() += 1;
                for ServiceRecord { priority, weight, port, target } in records {
                    let target = Name::from_ascii(&*target).unwrap();
                    let data = RData::SRV(rdata::SRV::new(priority, weight, port, target));
                    response.add_answer(Record::from_rdata(question.name().clone(), ttl, data));
                }
            }
            Zone::Serves(..) => {}
            Zone::NoSuchName(minimum) => {
                response.metadata.response_code = ResponseCode::NXDomain;
                let zone = Name::from_ascii("test.").unwrap();
                let soa = rdata::SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, minimum);
                response.add_authority(Record::from_rdata(zone, minimum, RData::SOA(soa)));
            }
            Zone::Fails => response.metadata.response_code = ResponseCode::ServFail,
            Zone::Silent => return None,
        }
        Some(response.to_vec().unwrap())
    }
}

fn resolver(server: SocketAddr, max_stale: Duration) -> Resolver {
    let missing = PathBuf::from("/nonexistent/hosts");
    Resolver::new(ResolverSettings {
        servers: vec![server],
        hosts_file: Some(missing),
        max_stale,
        lookups: 4,
    })
}

fn four(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_answer_lives_for_its_ttl() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        server.set("api.test.", Zone::Has(vec![four(2)], 30));
        pass(Duration::from_secs(29)).await;
        assert_eq!(*resolver.resolve("API.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert_eq!(server.asked("api.test."), 1);
        pass(Duration::from_secs(2)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(2)]);
        assert_eq!(server.asked("api.test."), 2);
    });
}

#[test]
fn a_ttl_of_zero_lives_a_second_and_none_lives_longer_than_a_day() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        for (name, ttl, life) in [("zero.test.", 0, 1), ("long.test.", 1 << 30, 24 * 3600)] {
            server.set(name, Zone::Has(vec![four(1)], ttl));
            resolver.resolve(name, &QueueTime::default()).await.unwrap();
            pass(Duration::from_millis(life * 1000 - 500)).await;
            resolver.resolve(name, &QueueTime::default()).await.unwrap();
            assert_eq!(server.asked(name), 1, "{name}");
            pass(Duration::from_secs(1)).await;
            resolver.resolve(name, &QueueTime::default()).await.unwrap();
            assert_eq!(server.asked(name), 2, "{name}");
        }
    });
}

#[test]
fn both_families_are_asked_for_and_ipv6_comes_first() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        server.set("api.test.", Zone::Has(vec![four(1), six, four(2)], 30));
        assert_eq!(
            *resolver.resolve("api.test", &QueueTime::default()).await.unwrap(),
            [six, four(1), four(2)]
        );
    });
}

#[test]
fn a_name_is_asked_for_once_however_many_wait() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let resolver = resolver.clone();
                spawn_local(async move { resolver.resolve("api.test", &QueueTime::default()).await })
            })
            .collect();
        for one in waiting {
            assert_eq!(*one.await.unwrap().unwrap(), [four(1)]);
        }
        assert_eq!(server.asked("api.test."), 1);
    });
}

#[test]
fn the_first_to_ask_may_go_without_ending_the_lookup() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        let asking = resolver.clone();
        let first = spawn_local(async move { asking.resolve("api.test", &QueueTime::default()).await });
        let asking = resolver.clone();
        let second = spawn_local(async move { asking.resolve("api.test", &QueueTime::default()).await });
        while server.asked("api.test.") == 0 {
            yield_now().await;
        }
        first.abort();
        assert_eq!(*second.await.unwrap().unwrap(), [four(1)]);
        assert_eq!(server.asked("api.test."), 1);
    });
}

#[test]
fn no_such_name_lives_as_its_zone_says_but_ten_seconds_at_most() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        for (name, minimum, life) in [("short.test.", 3, 3), ("long.test.", 900, 10), ("zero.test.", 0, 1)] {
            server.set(name, Zone::NoSuchName(minimum));
            assert_eq!(resolver.resolve(name, &QueueTime::default()).await.unwrap_err(), Error::Dns);
            pass(Duration::from_millis(life * 1000 - 500)).await;
            assert_eq!(resolver.resolve(name, &QueueTime::default()).await.unwrap_err(), Error::Dns);
            assert_eq!(server.asked(name), 1, "{name}");
            server.set(name, Zone::Has(vec![four(1)], 30));
            pass(Duration::from_secs(1)).await;
            assert_eq!(*resolver.resolve(name, &QueueTime::default()).await.unwrap(), [four(1)], "{name}");
        }
    });
}

#[test]
fn the_last_good_answer_serves_while_the_servers_fail_and_for_a_bounded_time() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, Duration::from_secs(100));
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        resolver.resolve("api.test", &QueueTime::default()).await.unwrap();
        server.set("api.test.", Zone::Fails);
        pass(Duration::from_secs(31)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        let asked = server.asked("api.test.");
        assert!(asked > 1);
        // Asked again once a second at most.
        pass(Duration::from_millis(900)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert_eq!(server.asked("api.test."), asked);
        pass(Duration::from_millis(200)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert!(server.asked("api.test.") > asked);
        pass(Duration::from_secs(100)).await;
        assert_eq!(resolver.resolve("api.test", &QueueTime::default()).await.unwrap_err(), Error::Dns);
        server.set("api.test.", Zone::Has(vec![four(2)], 30));
        pass(RETRY_EVERY).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(2)]);
    });
}

#[test]
fn a_name_that_is_gone_has_its_last_good_answer_for_as_long_as_one_that_cannot_be_resolved() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        resolver.resolve("api.test", &QueueTime::default()).await.unwrap();
        server.set("api.test.", Zone::NoSuchName(60));
        pass(Duration::from_secs(31)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        pass(HOUR).await;
        assert_eq!(resolver.resolve("api.test", &QueueTime::default()).await.unwrap_err(), Error::Dns);
    });
}

#[test]
fn an_address_is_one_of_its_name_until_a_newer_answer_says_otherwise() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        assert!(resolver.still_has("api.test", four(9)), "nothing is known");
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        resolver.resolve("api.test", &QueueTime::default()).await.unwrap();
        let has = |last| resolver.still_has("API.test", four(last));
        assert_eq!((has(1), has(2)), (true, false));
        server.set("api.test.", Zone::Has(vec![four(2)], 30));
        pass(Duration::from_secs(29)).await;
        assert!(has(1) && server.asked("api.test.") == 1, "it lives for its TTL");
        pass(Duration::from_secs(2)).await;
        assert!(has(1), "nobody waits for the new answer");
        while resolver.0.names.borrow()["api.test"].lookup.is_some() {
            yield_now().await;
        }
        assert_eq!((has(1), has(2), server.asked("api.test.")), (false, true, 2));
        server.set("api.test.", Zone::Fails);
        pass(Duration::from_secs(31)).await;
        assert!(has(2) && !has(1), "the last good answer stays in use");
        assert!(resolver.still_has("localhost", four(1)) && resolver.still_has("no name", four(1)));
    });
}

#[test]
fn a_service_is_where_dns_says_and_is_remembered_like_a_name() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let at =
            |priority, port, target: &str| ServiceRecord { priority, weight: 5, port, target: target.into() };
        let records = vec![at(1, 80, "a.test."), at(2, 81, "b.test.")];
        let unusable = [at(1, 0, "a.test."), at(1, 80, ".")];
        server.set("_http._tcp.api.test.", Zone::Serves([&records[..], &unusable].concat(), 30));
        for _ in 0..2 {
            let found = resolver.services("_http._TCP.api.test", &QueueTime::default()).await.unwrap();
            assert_eq!(*found, records);
        }
        assert_eq!(server.asked("_http._tcp.api.test."), 1);
        let due = resolver.service_due("_http._tcp.api.test") - Instant::now();
        assert!(due > Duration::from_secs(29) && due <= Duration::from_secs(30), "{due:?}");
        server.set("_http._tcp.api.test.", Zone::NoSuchName(60));
        pass(Duration::from_secs(31)).await;
        let found = resolver.services("_http._tcp.api.test", &QueueTime::default()).await.unwrap();
        assert_eq!(*found, records, "the last good answer stays in use");
        server.set("none.test.", Zone::Serves(vec![at(1, 80, ".")], 30));
        assert_eq!(resolver.services("none.test", &QueueTime::default()).await.unwrap_err(), Error::Dns);
    });
}

#[test]
fn silent_servers_do_not_hold_up_a_request_that_has_an_old_answer() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        resolver.resolve("api.test", &QueueTime::default()).await.unwrap();
        server.set("api.test.", Zone::Silent);
        pass(Duration::from_secs(31)).await;
        tokio::time::pause();
        let start = Instant::now();
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert!(start.elapsed() <= PATIENCE + Duration::from_millis(10), "{:?}", start.elapsed());
        // The same lookup has kept the next one waiting long enough already.
        let start = Instant::now();
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert!(start.elapsed() <= Duration::from_millis(10), "{:?}", start.elapsed());
    });
}

#[test]
fn servers_that_say_nothing_are_a_timeout() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("api.test.", Zone::Silent);
        tokio::time::pause();
        let start = Instant::now();
        assert_eq!(resolver.resolve("api.test", &QueueTime::default()).await.unwrap_err(), Error::DnsTimeout);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
}

#[test]
fn the_hosts_file_goes_before_dns_and_is_followed() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        fs::write(&hosts, "10.0.0.1 api.test\n").unwrap();
        let resolver = Resolver::new(ResolverSettings {
            servers: vec![address],
            hosts_file: Some(hosts.clone()),
            max_stale: HOUR,
            lookups: 4,
        });
        server.set("api.test.", Zone::Has(vec![four(1)], 30));
        assert_eq!(
            *resolver.resolve("api.test", &QueueTime::default()).await.unwrap(),
            [IpAddr::from([10, 0, 0, 1])]
        );
        assert_eq!(
            *resolver.resolve("Api.Test.", &QueueTime::default()).await.unwrap(),
            [IpAddr::from([10, 0, 0, 1])]
        );
        assert_eq!(server.asked("api.test."), 0);
        fs::write(&hosts, "10.0.0.1 other.test\n").unwrap();
        pass(Duration::from_secs(1)).await;
        assert_eq!(*resolver.resolve("api.test", &QueueTime::default()).await.unwrap(), [four(1)]);
    });
}

#[test]
fn localhost_and_addresses_need_no_server() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for name in ["localhost", "LOCALHOST.", "app.localhost", "a.b.localhost."] {
            assert_eq!(*resolver.resolve(name, &QueueTime::default()).await.unwrap(), loopback, "{name}");
        }
        assert_eq!(*resolver.resolve("192.0.2.7", &QueueTime::default()).await.unwrap(), [four(7)]);
        assert_eq!(
            *resolver.resolve("::1", &QueueTime::default()).await.unwrap(),
            [IpAddr::V6(Ipv6Addr::LOCALHOST)]
        );
        assert!(server.asked.borrow().is_empty());
    });
}

#[test]
fn what_is_no_name_is_never_asked_for() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "a";
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a\0",
            "a/b",
            "bücher.test",
            "a\\046b",
            "[::1]",
            &long_label,
            &long_name,
        ] {
            assert_eq!(
                resolver.resolve(name, &QueueTime::default()).await.unwrap_err(),
                Error::Dns,
                "{name:?}"
            );
        }
        assert!(server.asked.borrow().is_empty());
        assert!(resolver.0.names.borrow().is_empty());
        assert!(normal("_dns-01.a_b.test").is_some());
    });
}

#[test]
fn the_memory_is_bounded_and_the_least_useful_name_goes_first() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        server.set("kept.test.", Zone::Has(vec![four(1)], 3600));
        server.set("old.test.", Zone::Has(vec![four(2)], 3600));
        resolver.resolve("old.test", &QueueTime::default()).await.unwrap();
        resolver.resolve("kept.test", &QueueTime::default()).await.unwrap();
        for number in 0..MAX_NAMES {
            resolver.resolve("kept.test", &QueueTime::default()).await.unwrap();
            assert_eq!(
                resolver.resolve(&format!("n{number}.test"), &QueueTime::default()).await.unwrap_err(),
                Error::Dns
            );
        }
        assert_eq!(resolver.0.names.borrow().len(), MAX_NAMES);
        // Names without an answer went first, so both are still there.
        resolver.resolve("kept.test", &QueueTime::default()).await.unwrap();
        resolver.resolve("old.test", &QueueTime::default()).await.unwrap();
        assert_eq!((server.asked("kept.test."), server.asked("old.test.")), (1, 1));
    });
}

#[test]
fn nobody_is_let_in_while_every_place_is_being_looked_up() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let mut waiting = Vec::new();
        for number in 0..MAX_NAMES {
            let name = format!("n{number}.test");
            server.set(&format!("{name}."), Zone::Silent);
            let Known::Soon(lookup, _) = resolver.known::<IpAddr>(&name).unwrap() else {
                panic!("not known yet")
            };
            waiting.push(lookup);
        }
        assert_eq!(resolver.resolve("one-more.test", &QueueTime::default()).await.unwrap_err(), Error::Dns);
        // The clients go; what had not begun is forgotten, and there is room again.
        waiting.clear();
        while resolver.0.names.borrow().values().any(|entry| entry.lookup.is_some()) {
            pass(Duration::from_secs(1)).await;
            yield_now().await;
        }
        server.set("one-more.test.", Zone::Has(vec![four(1)], 30));
        assert_eq!(*resolver.resolve("one-more.test", &QueueTime::default()).await.unwrap(), [four(1)]);
    });
}

#[test]
fn a_lookup_that_nobody_waits_for_gives_its_place_up() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let mut waiting = Vec::new();
        for number in 0..40 {
            let name = format!("n{number}.test");
            server.set(&format!("{name}."), Zone::Silent);
            let asking = resolver.clone();
            waiting.push(spawn_local(async move { asking.resolve(&name, &QueueTime::default()).await }));
        }
        while server.asked("n0.test.") == 0 {
            yield_now().await;
        }
        let asked = || (0..40).filter(|number| server.asked(&format!("n{number}.test.")) > 0).count();
        // On a busy machine some may have given way already.
        let before = asked();
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        server.set("good.test.", Zone::Has(vec![four(1)], 30));
        assert_eq!(*resolver.resolve("good.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert!(resolver.0.names.borrow().values().all(|entry| entry.lookup.is_none()));
        assert!(
            asked() <= before + 4,
            "questions of the 4 that ran may have been on their way, and no other"
        );
    });
}

#[test]
fn silent_names_give_way_to_one_that_waits() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, HOUR);
        let mut waiting = Vec::new();
        for number in 0..4 {
            let name = format!("n{number}.test");
            server.set(&format!("{name}."), Zone::Silent);
            let asking = resolver.clone();
            waiting.push(spawn_local(async move { asking.resolve(&name, &QueueTime::default()).await }));
        }
        while server.asked("n3.test.") == 0 {
            yield_now().await;
        }
        server.set("good.test.", Zone::Has(vec![four(1)], 30));
        assert_eq!(*resolver.resolve("good.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert_eq!(waiting.remove(0).await.unwrap(), Err(Error::DnsTimeout), "it had run longest");
        // By themselves they would end together, seconds later.
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()), "and no other");
    });
}

#[test]
fn names_that_were_good_before_wait_behind_none_that_was_not() {
    in_worker(async {
        let (server, address) = Server::start().await;
        let resolver = resolver(address, Duration::ZERO);
        server.set("good.test.", Zone::Has(vec![four(1)], 1));
        assert_eq!(*resolver.resolve("good.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        pass(Duration::from_secs(2)).await;
        for number in 0..400 {
            let name = format!("n{number}.test");
            server.set(&format!("{name}."), Zone::Silent);
            let asking = resolver.clone();
            spawn_local(async move { asking.resolve(&name, &QueueTime::default()).await });
        }
        yield_now().await;
        assert_eq!(*resolver.resolve("good.test", &QueueTime::default()).await.unwrap(), [four(1)]);
        assert_eq!(server.asked("good.test."), 2);
        // Four have places; a machine that stalls lets some more have had their time.
        let before = (0..400).filter(|number| server.asked(&format!("n{number}.test.")) > 0).count();
        assert!(before < 100, "it waited behind {before} of 400");
    });
}

//! Workers and listeners over real sockets.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc as blocking,
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    net::testing::{Authority, Validity, in_worker},
    observe::metrics::Leg,
    plan::sample,
    server::inherited::Inherited,
};

const REQUEST: &[u8] = b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The longest that anything takes which should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway on these addresses, with two workers unless `more` says otherwise.
fn config(addresses: &[&str], more: &[&str]) -> Arc<Config> {
    let listen = addresses.iter().flat_map(|address| ["--listen", address]);
    let workers = if more.contains(&"--workers") { &[][..] } else { &["--workers", "2"] };
    let arguments: Vec<&str> = listen.chain(workers.iter().chain(more).copied()).collect();
    Arc::new(sample::config(&arguments))
}

struct Scene {
    crew: Crew,
    metrics: Arc<Metrics>,
}

impl Scene {
    fn new(config: &Arc<Config>) -> Self {
        Self::with(Arc::new(worker::run), config)
    }

    fn with(work: Work, config: &Arc<Config>) -> Self {
        let metrics = Arc::new(Metrics::new());
        let listeners = Listeners::open(config, &mut Inherited::default()).unwrap();
        let crew = Crew::start_with(work, config, listeners, None, &metrics).unwrap();
        Self { crew, metrics }
    }

    /// Lets the crew be tended while `what` happens.
    async fn during<T>(&mut self, what: impl Future<Output = T>) -> T {
        tokio::select! {
            result = timeout(PATIENCE, what) => result.expect("it happens in time"),
            error = self.crew.tend() => panic!("{error}"),
        }
    }

    /// Where its listeners are, which all are ports.
    fn addresses(&self) -> Vec<SocketAddr> {
        let port = |address: &ListenAddress| match address {
            ListenAddress::Tcp(address) => *address,
            ListenAddress::Unix(_) => panic!("{address} is no port"),
        };
        self.crew.addresses().iter().map(port).collect()
    }

    async fn stop(&mut self) {
        timeout(PATIENCE, self.crew.stop(Stop::Drain)).await.expect("they end").unwrap();
    }
}

async fn connected(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    client
}

/// Reads one response.
async fn answered(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let count = client.read(&mut piece).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(text).unwrap()
}

async fn is_answered(client: &mut TcpStream) {
    let text = answered(client).await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

async fn refuses(address: SocketAddr) {
    // While others wait in front of it, a connection may get no answer at all.
    while !matches!(timeout(Duration::from_millis(100), TcpStream::connect(address)).await, Ok(Err(_))) {
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_listener_that_is_added_serves_and_one_that_is_gone_refuses() {
    in_worker(async {
        let first = config(&["127.0.0.1:0"], &[]);
        let mut scene = Scene::new(&first);
        let old = scene.addresses()[0];
        let mut client = connected(old).await;
        scene.during(is_answered(&mut client)).await;

        let changes = scene.crew.reconfigure(&config(&["127.0.0.1:0", "127.0.0.2:0"], &[])).unwrap().1;
        assert_eq!(scene.addresses()[0], old, "what stays is what it was");
        let new = scene.addresses()[1];
        assert_eq!(changes, [ListenerChange::Opened(ListenAddress::Tcp(new))]);
        for address in [old, new, new, new, new] {
            let mut client = connected(address).await;
            scene.during(is_answered(&mut client)).await;
        }

        let changes = scene.crew.reconfigure(&config(&["127.0.0.2:0"], &[])).unwrap().1;
        assert_eq!(
            (changes, scene.addresses()),
            (vec![ListenerChange::Closed(ListenAddress::Tcp(old))], vec![new])
        );
        scene.during(refuses(old)).await;
        client.write_all(REQUEST).await.unwrap();
        scene.during(is_answered(&mut client)).await;
        let mut other = connected(new).await;
        scene.during(is_answered(&mut other)).await;
        scene.stop().await;
        refuses(new).await;
    });
}

#[test]
fn what_waits_at_a_listener_that_is_taken_back_is_served() {
    in_worker(async {
        let (open, gate) = blocking::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let work: Work = Arc::new(move |assignment| {
            // Until the gate is gone.
            let _ = gate.lock().unwrap().recv();
            worker::run(assignment)
        });
        let mut scene = Scene::with(work, &config(&["127.0.0.1:0", "127.0.0.2:0"], &[]));
        let address = scene.addresses()[0];
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(connected(address).await);
        }
        let changes = scene.crew.reconfigure(&config(&["127.0.0.2:0"], &[])).unwrap().1;
        assert_eq!(changes, [ListenerChange::Closed(ListenAddress::Tcp(address))]);
        drop(open);
        for client in &mut clients {
            scene.during(is_answered(client)).await;
        }
        scene.during(refuses(address)).await;
        assert!(scene.crew.listeners.lend(0).unwrap().1.is_empty(), "it is closed");
        scene.stop().await;
    });
}

#[test]
fn what_waits_at_a_listener_that_is_taken_back_gets_the_places_that_others_leave() {
    in_worker(async {
        let more = ["--workers", "1", "--max-connections", "2"];
        let mut scene = Scene::new(&config(&["127.0.0.1:0", "127.0.0.2:0"], &more));
        let address = scene.addresses()[0];
        // Each keeps its place until it has sent a whole head.
        let mut busy = Vec::new();
        for _ in 0..2 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            busy.push(client);
        }
        let metrics = &scene.metrics;
        while metrics.snapshot().connections(Leg::Client) < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        let mut waiting = Vec::new();
        for _ in 0..6 {
            waiting.push(connected(address).await);
        }
        scene.crew.reconfigure(&config(&["127.0.0.2:0"], &more)).unwrap();
        drop(busy);
        for client in &mut waiting {
            scene.during(is_answered(client)).await;
        }
        scene.during(refuses(address)).await;
        scene.stop().await;
    });
}

#[test]
fn a_drain_does_not_wait_for_those_that_find_no_place_at_a_listener_that_was_taken_back() {
    in_worker(async {
        let more =
            ["--workers", "1", "--max-connections", "1", "--timeout-head", "5m", "--drain-timeout", "100ms"];
        let mut scene = Scene::new(&config(&["127.0.0.1:0", "127.0.0.2:0"], &more));
        let address = scene.addresses()[0];
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while scene.metrics.snapshot().connections(Leg::Client) < 1 {
            sleep(Duration::from_millis(5)).await;
        }
        let _waiting = connected(address).await;
        scene.crew.reconfigure(&config(&["127.0.0.2:0"], &more)).unwrap();
        // The second answer comes after what the order has woken.
        for _ in 0..2 {
            timeout(PATIENCE, scene.crew.serves()).await.unwrap().unwrap();
        }
        scene.stop().await;
    });
}

#[test]
fn an_address_that_cannot_be_bound_changes_nothing() {
    in_worker(async {
        let mut scene = Scene::new(&config(&["127.0.0.1:0"], &[]));
        let address = scene.addresses()[0];
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let next = config(&["127.0.0.2:0", &taken, "192.0.2.1:1"], &["--open"]);
        let faults = scene.crew.reconfigure(&next).unwrap_err();
        let named: Vec<String> = faults.iter().map(|fault| fault.address.to_string()).collect();
        assert_eq!(named, [taken, "192.0.2.1:1".to_owned()]);
        assert_eq!(scene.addresses(), [address]);
        let mut client = connected(address).await;
        scene.during(is_answered(&mut client)).await;
        scene.stop().await;
    });
}

#[test]
fn a_listener_that_stays_has_its_new_terms_for_what_it_accepts_from_then_on() {
    in_worker(async {
        let mut scene = Scene::new(&config(&["127.0.0.1:0"], &[]));
        let address = scene.addresses()[0];
        let mut before = connected(address).await;
        scene.during(is_answered(&mut before)).await;
        let authority = Authority::new();
        let (cert, key) = authority.issue("localhost", Validity::Now);
        let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        assert_eq!(scene.crew.reconfigure(&config(&["127.0.0.1:0"], &files)).unwrap().1, []);
        assert_eq!(scene.addresses(), [address]);
        scene
            .during(async {
                // Both workers have heard of it once neither serves plain HTTP any more.
                let mut refused = 0;
                while refused < 20 {
                    let answer = answered(&mut connected(address).await).await;
                    refused = if answer.starts_with("HTTP/1.1 400 ") { refused + 1 } else { 0 };
                }
            })
            .await;
        before.write_all(REQUEST).await.unwrap();
        scene.during(is_answered(&mut before)).await;
        scene.stop().await;
    });
}

#[test]
fn a_worker_that_dies_is_started_anew_with_its_sockets_and_its_places() {
    for in_task in [false, true] {
        in_worker(async {
            let mut scene = Scene::new(&config(
                &["127.0.0.1:0", "127.0.0.2:0"],
                &["--workers", "1", "--max-connections", "3"],
            ));
            for _ in 0..MAX_DEATHS - 1 {
                let mut clients = Vec::new();
                for address in scene.addresses() {
                    let mut client = connected(address).await;
                    scene.during(is_answered(&mut client)).await;
                    clients.push(client);
                }
                scene.crew.members[0].orders.send(Order::Panic { in_task }).unwrap();
                for mut client in clients {
                    let end = scene.during(client.read(&mut [0; 16])).await;
                    assert!(matches!(end, Ok(0) | Err(_)), "its connections die with it: {end:?}");
                }
                let mut clients = Vec::new();
                for address in [0, 0, 1].map(|at| scene.addresses()[at]) {
                    clients.push(connected(address).await);
                }
                for client in &mut clients {
                    scene.during(is_answered(client)).await;
                }
                assert_eq!(scene.metrics.snapshot().connections(Leg::Client), 3);
                assert_eq!(scene.crew.means.capacity.available(), 0);
            }
            scene.crew.members[0].orders.send(Order::Panic { in_task }).unwrap();
            let error = timeout(PATIENCE, scene.crew.tend()).await.unwrap();
            assert!(matches!(error, ServeError::WorkerDied), "{error}: it dies over and over");
        });
    }
}

#[test]
fn what_waits_for_a_worker_that_dies_is_its_successors() {
    in_worker(async {
        let starts = Arc::new(AtomicUsize::new(0));
        let (open, gate) = blocking::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let work: Work = Arc::new(move |assignment| {
            assert!(
                starts.fetch_add(1, Ordering::Relaxed) > 0 || gate.lock().unwrap().recv().is_ok(),
                "dies"
            );
            worker::run(assignment)
        });
        let mut scene = Scene::with(
            work,
            &config(&["127.0.0.1:0", "127.0.0.2:0"], &["--workers", "1", "--max-connections", "30"]),
        );
        let [taken_back, stays] = scene.addresses()[..] else { panic!("two listeners") };
        let mut clients = Vec::new();
        for number in 0..20 {
            clients.push(connected(if number % 2 == 0 { taken_back } else { stays }).await);
        }
        scene.crew.reconfigure(&config(&["127.0.0.2:0"], &["--workers", "1"])).unwrap();
        drop(open);
        for client in &mut clients {
            scene.during(is_answered(client)).await;
        }
        scene.during(refuses(taken_back)).await;
        assert!(scene.crew.listeners.lend(0).unwrap().1.is_empty(), "its successor has left it, too");
        scene.stop().await;
    });
}

#[test]
fn a_worker_that_does_not_answer_is_known() {
    in_worker(async {
        let (open, gate) = blocking::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let work: Work = Arc::new(move |assignment: Assignment| {
            if assignment.reports.worker == 1 {
                let _ = gate.lock().unwrap().recv();
            }
            worker::run(assignment)
        });
        let mut scene = Scene::with(work, &config(&["127.0.0.1:0"], &[]));
        scene.crew.ask();
        while !scene.crew.members[0].answered {
            let report = scene.crew.reports.recv().await.unwrap();
            scene.crew.hear(report).unwrap();
        }
        assert!(!scene.crew.has_answered(), "one of two is stuck");
        drop(open);
        timeout(PATIENCE, scene.crew.serves()).await.unwrap().unwrap();
        assert!(scene.crew.has_answered());
        scene.stop().await;
    });
}

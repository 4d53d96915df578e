//! Each part of the bound on memory that is told at start is true by itself: what it is about is driven to its limit
//! where everything else is small, and what the peak of memory grows by is compared with that part.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use hickory_proto::{
    op::{Message, OpCode},
    rr::{RData, Record, RecordType},
};
use rustls::{
    ClientConnection, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};
use support::{Corsair, PATIENCE, certificates::Authority, eventually};

/// Settings under which a connection takes as little as it can.
const SMALL: &[&str] = &[
    "--verbose",
    "--limit-head=1k",
    "--limit-response-head=1k",
    "--limit-buffer=4k",
    "--limit-trailers=0",
    "--limit-fields=64",
    "--timeout-connect=1h",
    "--timeout-head=1h",
    "--timeout-response=1h",
    "--timeout-keep-alive=1h",
];

/// What allocators and the first use of code take once, however much there is of what is measured.
const ONCE: u64 = 1 << 20;

fn start(arguments: &[&str]) -> Corsair {
    Corsair::start(&[SMALL, arguments].concat())
}

/// Compares what the peak has grown by with the sum of these parts.
fn compare(corsair: &Corsair, before: u64, parts: &[&str]) {
    let bound: u64 = parts.iter().map(|part| corsair.memory_bound(part)).sum();
    let grown = corsair.peak_memory() - before;
    assert!(grown <= bound + ONCE, "{parts:?}: {grown} bytes grown, {bound} were told");
}

/// Corsair with TLS for clients.
fn with_tls(authority: &Authority, arguments: &[&str]) -> Corsair {
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    start(&[&["--tls-cert", &certificate, "--tls-key", &key], arguments].concat())
}

const CLIENTS: usize = 100;

/// A `ClientHello` that is nearly as long as a handshake message may be, without its end, in records.
fn endless_hello() -> Vec<u8> {
    // Handshake type 1 (RFC 8446 §4), and a length of 65,500.
    let message = [&[1, 0, 0xff, 0xdc, 3, 3][..], &vec![0; 65_000]].concat();
    let records = message.chunks(16 << 10);
    records.flat_map(|piece| [&[22, 3, 1], &(piece.len() as u16).to_be_bytes()[..], piece].concat()).collect()
}

#[test]
fn handshakes_of_clients_that_never_end_are_in_the_bound() {
    let authority = Authority::new();
    let limit = format!("--max-connections={CLIENTS}");
    let corsair = with_tls(&authority, &["--upstream=http://127.0.0.1:9", &limit]);
    let before = corsair.peak_memory();
    let hello = endless_hello();
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(corsair.address()).unwrap();
            client.write_all(&hello).unwrap();
            client
        })
        .collect();
    let sent = (CLIENTS * hello.len()) as u64;
    eventually("all of it is held", || corsair.peak_memory() - before > sent / 10 * 9);
    compare(&corsair, before, &["connections"]);
    drop(clients);
}

#[test]
fn clients_that_hold_a_session_are_in_the_bound() {
    let authority = Authority::new();
    let limit = format!("--max-connections={CLIENTS}");
    let corsair = with_tls(&authority, &["--upstream=http://127.0.0.1:9", &limit]);
    let before = corsair.peak_memory();
    let config = authority.client(&["http/1.1"]);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let name = ServerName::try_from("localhost").unwrap();
            let tcp = TcpStream::connect(corsair.address()).unwrap();
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut client = StreamOwned::new(ClientConnection::new(Arc::clone(&config), name).unwrap(), tcp);
            client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            assert!(client.read(&mut [0; 4096]).unwrap() > 0);
            client
        })
        .collect();
    compare(&corsair, before, &["connections", "sessions"]);
    drop(clients);
}

/// A chain of so many certificates of so many bytes each, behind one that is good.
fn chain(count: usize, bytes: usize) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from(vec![0; bytes]); count]
}

/// What a server with this configuration says first.
fn first_flight(config: &Arc<ServerConfig>, mut client: impl Read) -> Vec<u8> {
    let mut session = ServerConnection::new(Arc::clone(config)).unwrap();
    session.set_buffer_limit(None);
    let mut flight = Vec::new();
    while flight.len() < 1000 {
        session.read_tls(&mut client).unwrap();
        session.process_new_packets().unwrap();
        while session.wants_write() {
            session.write_tls(&mut flight).unwrap();
        }
    }
    flight
}

/// Bytes in the last record.
fn last_record(mut flight: &[u8]) -> usize {
    loop {
        let size = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
        if size == flight.len() {
            return size;
        }
        flight = &flight[size..];
    }
}

/// A server that shows as many certificates as fit into a handshake message, and whose last record begins within the
/// proof that one of them is its own (RFC 8446 §4.4.3), behind which is only a check sum.
fn many_certificates(authority: &Authority) -> Arc<ServerConfig> {
    let leaf = authority.leaf(&["localhost"]);
    let name = ServerName::try_from("localhost").unwrap();
    let configs = (1..4100).step_by(30).map(|padding| {
        let certificates = [chain(11_500, 0), chain(1, padding)].concat();
        let mut config = leaf.server_with(certificates);
        Arc::get_mut(&mut config).unwrap().max_fragment_size = Some(4096);
        config
    });
    let mut fitting = configs.filter(|config| {
        let mut client = ClientConnection::new(authority.client(&[]), name.clone()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        // Check sum and proof are 52 and some 78 bytes, and a record adds 22.
        (85..140).contains(&last_record(&first_flight(config, &*hello)))
    });
    fitting.next().unwrap()
}

/// An upstream that never sends the last record of what it says first; to how many it said the rest.
fn unproven(config: Arc<ServerConfig>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shown = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&shown);
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut tcp, _)) = listener.accept() {
            let flight = first_flight(&config, &mut tcp);
            tcp.write_all(&flight[..flight.len() - last_record(&flight)]).unwrap();
            held.push(tcp);
            count.fetch_add(1, SeqCst);
        }
    });
    (address, shown)
}

#[test]
fn handshakes_with_upstreams_that_never_end_are_in_the_bound() {
    let authority = Authority::new();
    let (address, shown) = unproven(many_certificates(&authority));
    let upstream = format!("--upstream=https://localhost:{}", address.port());
    let limit = format!("--max-connections={CLIENTS}");
    let ca = authority.file().display().to_string();
    let corsair = start(&[&upstream, "--ca-file", &ca, &limit]);
    let before = corsair.peak_memory();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = corsair.connect();
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client
        })
        .collect();
    eventually("all are shown", || shown.load(SeqCst) == CLIENTS);
    let least = (CLIENTS * (650 << 10)) as u64;
    eventually("all certificates are held", || corsair.peak_memory() - before > least);
    compare(&corsair, before, &["connections", "handshakes"]);
    drop(clients);
}

/// An upstream that answers every request and keeps its connections; how many answers it gave.
fn keeping(config: Arc<ServerConfig>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    thread::spawn(move || {
        while let Ok((tcp, _)) = listener.accept() {
            let (config, count) = (Arc::clone(&config), Arc::clone(&count));
            thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
                let mut room = [0; 4096];
                // All are asked before the first is answered, so that each has a connection of its own.
                while stream.read(&mut room).is_ok_and(|size| size > 0) {
                    count.fetch_add(1, SeqCst);
                    eventually("all are asked", || count.load(SeqCst) >= CLIENTS);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, answered)
}

#[test]
fn idle_connections_to_upstreams_with_long_chains_are_in_the_bound() {
    let authority = Authority::new();
    let (address, _) = keeping(authority.leaf(&["localhost"]).server_with(chain(15, 2100)));
    let upstream = format!("--upstream=https://localhost:{}", address.port());
    let limit = format!("--max-connections={CLIENTS}");
    let ca = authority.file().display().to_string();
    let corsair = start(&[&upstream, "--ca-file", &ca, &limit]);
    let before = corsair.peak_memory();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| corsair.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    let grown = corsair.peak_memory() - before;
    assert!(grown > (CLIENTS * (32 << 10)) as u64, "no chain is held: {grown}");
    compare(&corsair, before, &["connections", "idle_upstreams", "sessions"]);
}

#[test]
fn an_upstream_that_shows_too_many_certificates_is_a_502() {
    let authority = Authority::new();
    let ca = authority.file().display().to_string();
    for (certificates, status) in [(chain(15, 100), 200), (chain(16, 100), 502), (chain(1, 33 << 10), 502)] {
        let leaf = authority.leaf(&["localhost"]);
        let (address, answered) = keeping(leaf.server_with(certificates));
        answered.store(CLIENTS, SeqCst);
        let upstream = format!("--upstream=https://localhost:{}", address.port());
        let corsair = start(&[&upstream, "--ca-file", &ca]);
        assert_eq!(corsair.get("/", "").status, status);
        if status == 502 {
            corsair.wait_for_log("at most 16 of 32768 bytes are taken");
        }
    }
}

/// A name server over UDP and TCP. A UDP answer to a name that begins with `long` says that it is cut short; the one
/// over TCP has as many addresses as fit.
fn name_server() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&asked);
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, client)) = udp.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                udp.send_to(&answer, client).unwrap();
            }
            let name = Message::from_vec(&query[..length]).unwrap().queries[0].name().to_string();
            names.lock().unwrap().push(name);
        }
    });
    thread::spawn(move || {
        while let Ok((mut tcp, _)) = tcp.accept() {
            thread::spawn(move || {
                let mut length = [0; 2];
                while tcp.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    tcp.read_exact(&mut query).unwrap();
                    let answer = full_answer(&query);
                    tcp.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
                    tcp.write_all(&answer).unwrap();
                }
            });
        }
    });
    (address, asked)
}

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_vec(query).unwrap();
    let question = request.queries.first().unwrap().clone();
    let name = question.name().to_string();
    if name.starts_with("silent") {
        return None;
    }
    let mut response = Message::response(request.metadata.id, OpCode::Query);
    response.metadata.recursion_available = true;
    response.add_query(question.clone());
    response.metadata.truncation = name.starts_with("long");
    for number in 0..if name.starts_with("long") { 0 } else { 40 } {
        let data = if question.query_type() == RecordType::A {
            RData::A(Ipv4Addr::new(10, 9, 0, number).into())
        } else {
            RData::AAAA(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into())
        };
        response.add_answer(Record::from_rdata(question.name().clone(), 3600, data));
    }
    Some(response.to_vec().unwrap())
}

/// An answer with as many addresses as a message can hold (RFC 1035 §4.2.2): some 2,300 or 4,000.
fn full_answer(query: &[u8]) -> Vec<u8> {
    let name = query[12..].iter().position(|&byte| byte == 0).unwrap() + 12;
    let question = &query[12..name + 5];
    let kind = &query[name + 1..name + 3];
    let length: u16 = if kind == [0, 1] { 4 } else { 16 };
    // A pointer to the name, class and time to live, and a private address.
    let address = if length == 4 { vec![10; 4] } else { vec![0xfd; 16] };
    let record = [&[0xc0, 12], kind, &[0, 1, 0, 0, 14, 16], &length.to_be_bytes(), &address].concat();
    let count = (usize::from(u16::MAX) - 12 - question.len()) / record.len();
    let counts = [1, u16::try_from(count).unwrap(), 0, 0].map(u16::to_be_bytes).concat();
    [&query[..2], &[0x81, 0x80], &counts, question, &record.repeat(count)].concat()
}

/// A name of 250 characters.
fn long_name(start: &str, number: usize) -> String {
    let label = "l".repeat(60);
    format!("{start}{number:04}.{label}.{label}.{label}.{}", "m".repeat(40))
}

/// Asks for a target of this name; private addresses are refused, so that nothing is connected to.
fn ask(corsair: &Corsair, name: &str) -> u16 {
    corsair.get(&format!("/http://{name}/"), "").status
}

#[test]
fn names_that_are_remembered_are_in_the_bound() {
    let (address, _) = name_server();
    let server = format!("--dns-server={address}");
    let corsair = start(&["--allow-target=public", &server, "--max-connections=4"]);
    // What a request takes by itself is not what this is about.
    assert_eq!(ask(&corsair, "first.test"), 403);
    let before = corsair.peak_memory();
    let mut client = corsair.connect();
    for number in 0..1024 + 100 {
        let target = format!("/http://{}/", long_name("name", number));
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.response().status, 403);
    }
    compare(&corsair, before, &["names"]);
}

#[test]
fn lookups_under_way_and_those_that_wait_are_in_the_bound() {
    let (address, asked) = name_server();
    let server = format!("--dns-server={address}");
    let corsair = start(&["--allow-target=public", &server, "--max-connections=1000"]);
    let before = corsair.peak_memory();
    for start in ["long", "silent"] {
        let count = if start == "long" { 64 } else { 900 };
        let mut clients: Vec<_> = (0..count)
            .map(|number| {
                let mut client = corsair.connect();
                let target = format!(
                    "/http://{}/",
                    if start == "long" { format!("long{number}.test") } else { long_name(start, number) }
                );
                client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
                client
            })
            .collect();
        if start == "long" {
            for client in &mut clients {
                // A lookup that takes long gives way to the next one.
                let status = client.response().status;
                assert!([403, 504].contains(&status), "{status}");
            }
        } else {
            eventually("silent names are asked for", || {
                asked.lock().unwrap().iter().filter(|name| name.starts_with("silent")).count() > 64
            });
        }
    }
    compare(&corsair, before, &["lookups", "names", "connections"]);
}

#[test]
fn a_log_that_nobody_reads_is_in_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let log = format!("--access-log={}", path.display());
    let mut grown = Vec::new();
    for arguments in [&["--allow-target=any"][..], &["--allow-target=any", &log]] {
        let corsair = start(arguments);
        let mut client = corsair.connect();
        // Longer by far than the ring and the pipe: some 400 bytes each.
        for _ in 0..3000 {
            client.send(format!("GET /healthcheck?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "q".repeat(200)));
            assert_eq!(client.response().status, 200);
        }
        grown.push((corsair.peak_memory(), corsair.memory_bound("access_log")));
        if arguments.len() > 1 {
            // Now somebody reads, and the writer can say that the ring was full.
            let mut reader = File::open(&path).unwrap();
            thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            corsair.wait_for_log(" records of the access log");
        }
    }
    let [(without, none), (with, told)] = grown[..] else { panic!("two runs") };
    assert_eq!(none, 0);
    let more = with.saturating_sub(without);
    assert!(more <= told + ONCE, "{more} bytes more, {told} were told");
}

#[test]
fn counters_are_in_the_bound_whatever_is_asked() {
    let corsair = start(&["--allow-target=any", "--max-connections=4"]);
    let mut client = corsair.connect();
    let mut ask = |method: &str, target: &str| {
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://{method}.example\r\n\r\n"
        ));
        client.response_to(method).status
    };
    ask("GET", "/healthcheck");
    let before = corsair.peak_memory();
    for number in 0..2000 {
        let status = ask(&format!("M{number}"), &format!("/nothing/{number}"));
        assert!((400..405).contains(&status), "{status}");
    }
    compare(&corsair, before, &["counters"]);
}

#[test]
fn parked_connections_are_in_the_bound() {
    const MANY: usize = 2000;
    let corsair = start(&["--upstream=http://127.0.0.1:9", &format!("--max-connections={MANY}")]);
    let before = corsair.peak_memory();
    let clients: Vec<_> = (0..MANY).map(|_| corsair.connect()).collect();
    corsair.wait_parked(MANY);
    compare(&corsair, before, &["connections"]);
    drop(clients);
}

#[test]
fn heads_of_many_fields_are_in_the_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("--upstream=http://{}", listener.local_addr().unwrap());
    let limit = format!("--max-connections={CLIENTS}");
    // In the place of smaller ones.
    let others =
        SMALL.iter().filter(|argument| !argument.contains("fields") && !argument.contains("limit-head"));
    let own = ["--limit-fields=1024", "--limit-head=8k", &upstream, &limit];
    let corsair = Corsair::start(&others.copied().chain(own).collect::<Vec<_>>());
    let before = corsair.peak_memory();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = corsair.connect();
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n{}\r\n",
                "a:b\r\n".repeat(1000)
            ));
            client
        })
        .collect();
    let origins: Vec<_> = (0..CLIENTS).map(|_| listener.accept().unwrap()).collect();
    compare(&corsair, before, &["connections"]);
    drop((clients, origins));
}

#[test]
fn bodies_that_are_kept_to_be_sent_again_are_in_the_bound() {
    const BODY: usize = 256 << 10;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    // It takes everything, and never answers.
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, counted) = (socket.unwrap(), Arc::clone(&counted));
            thread::spawn(move || {
                let mut room = [0; 4 << 10];
                while let Ok(size @ 1..) = socket.read(&mut room) {
                    counted.fetch_add(size, SeqCst);
                }
            });
        }
    });
    let limit = format!("--max-connections={CLIENTS}");
    let corsair = start(&["--allow-target=127.0.0.1", "--limit-replay=256k", &limit]);
    let before = corsair.peak_memory();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = corsair.connect();
            client.send(format!(
                "POST /http://{target}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY}\r\n\r\n{}",
                "x".repeat(BODY)
            ));
            client
        })
        .collect();
    eventually("all of it has arrived", || taken.load(SeqCst) > CLIENTS * BODY);
    let grown = corsair.peak_memory() - before;
    assert!(grown > (CLIENTS * BODY) as u64, "{grown} bytes: they are kept");
    compare(&corsair, before, &["connections"]);
    drop(clients);
}

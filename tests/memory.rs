//! The bound on memory that is told at start is true: corsair is held at its limits, and its peak is compared.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use support::{Corsair, Origin, PATIENCE, certificates::Authority, eventually};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::Semaphore,
    task::spawn_local,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// As many as `--max-connections` allows; more than there are large buffers for.
const CONNECTIONS: usize = 120;
/// What each reader takes before it becomes slow: enough for a stream to be bulk.
const TAKEN: usize = 1 << 20;
/// Nobody is cut for being slow: that is what is tested.
const PATIENT: &[&str] = &[
    "--timeout-connect=1h",
    "--timeout-head=1h",
    "--timeout-response=1h",
    "--timeout-body-idle=1h",
    "--timeout-send=1h",
    "--timeout-min-rate=off",
];
/// A body that never ends within this test.
const BODY: usize = 1 << 30;

/// How many readers have taken [`TAKEN`] bytes, and are slow now.
type Slow = Rc<Cell<usize>>;

/// Writes a head and then its body for as long as somebody takes it.
async fn write(mut to: impl AsyncWrite + Unpin, head: String) {
    to.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 64 << 10];
    while let Ok(1..) = to.write(&piece).await {}
}

/// Takes so many bytes at once, and then a little now and then.
async fn read(mut from: impl AsyncRead + Unpin, slow: Slow) {
    let mut room = vec![0; 16 << 10];
    let mut taken = 0;
    while taken < TAKEN {
        let size = from.read(&mut room).await.unwrap();
        assert_ne!(size, 0, "the connection ended after {taken} bytes");
        taken += size;
    }
    slow.set(slow.get() + 1);
    while let Ok(1..) = from.read(&mut room[..4 << 10]).await {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Writes without an end, and reads a little, at the same time.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, start: &str, slow: Slow) {
    // Nearly as large as a head may be.
    let padding = "p".repeat(15 << 10);
    let head = format!("{start}\r\nX-Padding: {padding}\r\nContent-Length: {BODY}\r\n\r\n");
    let (from, to) = split(stream);
    spawn_local(write(to, head));
    read(from, slow).await;
}

/// An origin that answers before it was asked, and at length.
async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, slow: Slow) {
    const START: &str = "HTTP/1.1 200 OK";
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, slow) = (tls.clone(), Rc::clone(&slow));
        spawn_local(async move {
            match tls {
                None => converse(tcp, START, slow).await,
                Some(tls) => {
                    let stream = TlsAcceptor::from(tls).accept(tcp).await.unwrap();
                    converse(stream, START, slow).await;
                }
            }
        });
    }
}

/// A client that uploads at length.
async fn visit(address: SocketAddr, tls: Option<Arc<ClientConfig>>, slow: Slow) {
    const START: &str = "POST / HTTP/1.1\r\nHost: localhost";
    let tcp = TcpStream::connect(address).await.unwrap();
    match tls {
        None => converse(tcp, START, slow).await,
        Some(tls) => {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(tls).connect(name, tcp).await.unwrap();
            converse(stream, START, slow).await;
        }
    }
}

/// Returns when every reader is slow, and so everything before it is full.
async fn at_the_limits(slow: &Slow) {
    let end = Instant::now() + PATIENCE * 6;
    while slow.get() < 2 * CONNECTIONS {
        assert!(Instant::now() < end, "only {} of {} readers came so far", slow.get(), 2 * CONNECTIONS);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Holds corsair at its limits and compares what its peak grew by with the bound that it told.
fn compare(arguments: &[&str], client: Option<Arc<ClientConfig>>, origin: Option<Arc<ServerConfig>>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let slow = Slow::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if origin.is_some() { "https" } else { "http" };
        let upstream = format!("--upstream={scheme}://localhost:{port}");
        let connections = format!("--max-connections={CONNECTIONS}");
        let corsair = Corsair::start(&[&[upstream.as_str(), &connections], PATIENT, arguments].concat());
        let (bound, before) = (corsair.memory_bound("memory_bound_bytes"), corsair.peak_memory());
        spawn_local(serve(listener, origin, Rc::clone(&slow)));
        for _ in 0..CONNECTIONS {
            spawn_local(visit(corsair.address(), client.clone(), Rc::clone(&slow)));
        }
        at_the_limits(&slow).await;
        let grown = corsair.peak_memory() - before;
        assert!(grown <= bound, "{arguments:?}: {grown} bytes grown, {bound} were told");
    });
}

#[test]
fn memory_stays_within_the_bound_that_was_told_however_slow_both_sides_are() {
    compare(&[], None, None);
    compare(&["--limit-head", "64k", "--limit-buffer", "64k", "--workers", "2"], None, None);
}

#[test]
fn memory_stays_within_the_bound_that_was_told_with_tls_on_both_sides() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let (certificate, key) = authority.write(&leaf);
    let [certificate, key, ca] = [certificate, key, authority.file()].map(|path| path.display().to_string());
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key, "--ca-file", &ca];
    compare(&arguments, Some(authority.client(&["http/1.1"])), Some(leaf.server()));
}

/// Writes `start` and a chunked body of trailers alone, `TRAILERS` bytes of them, whose end comes when all others are
/// there as well; then reads the other side's.
async fn trail(mut stream: TcpStream, start: &str, filled: Rc<Cell<bool>>, done: Slow) {
    stream.write_all(format!("{start}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n").as_bytes()).await.unwrap();
    let line = format!("X: {}\r\n", "t".repeat(TRAILERS / LINES - 5));
    for _ in 0..LINES {
        stream.write_all(line.as_bytes()).await.unwrap();
    }
    while !filled.get() {
        sleep(Duration::from_millis(20)).await;
    }
    stream.write_all(b"\r\n").await.unwrap();
    let (mut room, mut end) = (vec![0; 16 << 10], Vec::new());
    // Who answers before it was asked to the end may not hear the rest.
    while !end.ends_with(b"t\r\n\r\n")
        && let Ok(size @ 1..) = stream.read(&mut room).await
    {
        end.extend_from_slice(&room[..size]);
        end.drain(..end.len().saturating_sub(8));
    }
    done.set(done.get() + usize::from(end.ends_with(b"t\r\n\r\n")));
}

/// Bytes of trailers, nearly what `--limit-trailers 1m` lets in, and the lines that they are.
const TRAILERS: usize = 1000 << 10;
const LINES: usize = 1000;

#[test]
fn memory_stays_within_the_bound_that_was_told_with_trailers_at_their_limit() {
    const EACH: usize = 30;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let (filled, done) = (Rc::new(Cell::new(false)), Slow::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("--upstream=http://{}", listener.local_addr().unwrap());
        let connections = format!("--max-connections={EACH}");
        let arguments = [&upstream, &connections, "--limit-trailers=1m", "--limit-fields=1024"];
        let corsair = Corsair::start(&[&arguments, PATIENT].concat());
        let (bound, before) = (corsair.memory_bound("memory_bound_bytes"), corsair.peak_memory());
        for _ in 0..EACH {
            let stream = TcpStream::connect(corsair.address()).await.unwrap();
            spawn_local(trail(
                stream,
                "POST / HTTP/1.1\r\nHost: localhost",
                Rc::clone(&filled),
                Rc::clone(&done),
            ));
            let (origin, _) = listener.accept().await.unwrap();
            spawn_local(trail(origin, "HTTP/1.1 200 OK", Rc::clone(&filled), Rc::clone(&done)));
        }
        let sections = u64::try_from(2 * EACH * TRAILERS).unwrap();
        let end = Instant::now() + PATIENCE * 6;
        while corsair.peak_memory() - before < sections {
            assert!(Instant::now() < end, "{} bytes of {sections} are held", corsair.peak_memory() - before);
            sleep(Duration::from_millis(50)).await;
        }
        filled.set(true);
        while done.get() < EACH {
            assert!(Instant::now() < end, "only {} of {EACH} came to their end", done.get());
            sleep(Duration::from_millis(50)).await;
        }
        let grown = corsair.peak_memory() - before;
        assert!(grown <= bound, "{grown} bytes grown, {bound} were told");
    });
}

/// Anonymous memory of a process, in bytes.
fn anonymous(corsair: &Corsair) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", corsair.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn with_a_bound_on_memory_newcomers_without_a_place_are_told_so() {
    let origin = Origin::echo();
    let more = ["--max-memory=32m", "--timeout-head=1h", "--verbose"];
    let corsair = Corsair::reverse(origin.address(), &more);
    let get = "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\r\n";
    let bound = corsair.memory_bound("memory_bound_bytes");
    assert!(bound < 32 << 20, "{bound}");
    let mut slow = Vec::new();
    // Each has begun its head, and takes its time.
    let told = loop {
        let mut client = corsair.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: b");
        slow.push(client);
        let mut newcomer = corsair.connect();
        newcomer.send(get);
        let response = newcomer.response();
        if response.status != 200 {
            break response;
        }
        assert!(slow.len() < 2_000, "there is room for any number");
    };
    assert_eq!((told.status, told.field("retry-after"), told.closes()), (503, Some("1"), true));
    assert_eq!(told.field("access-control-allow-origin"), Some("*"));
    assert!(told.text().contains("all memory that may be taken is in use"), "{}", told.text());
    let mut silent = corsair.connect();
    let told = silent.response();
    assert_eq!((told.status, told.closes()), (503, true), "what it asks may be on its way");
    assert!(slow.len() > 30, "{}", slow.len());
    assert!(anonymous(&corsair) < 32 << 20, "{}", anonymous(&corsair));
    for client in &mut slow {
        client.send("\r\n\r\n");
    }
    let served = slow.iter_mut().filter_map(|client| client.try_response("GET").ok());
    let statuses: Vec<u16> = served.map(|response| response.status).collect();
    assert!(statuses.iter().filter(|status| **status == 200).count() >= slow.len() - 1, "{statuses:?}");
    eventually("there is a place again", || corsair.get("/", "").status == 200);
}

/// How many requests an origin has got, and how many of them go on.
struct Told {
    asked: Cell<u32>,
    goes_on: Semaphore,
}

/// An origin that says `start` to each request, and `more` when it is told to.
async fn pause_between(listener: TcpListener, (start, more): (&'static str, &'static str), told: Rc<Told>) {
    while let Ok((mut tcp, _)) = listener.accept().await {
        let told = Rc::clone(&told);
        spawn_local(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert_ne!(tcp.read_buf(&mut head).await.unwrap(), 0);
            }
            tcp.write_all(start.as_bytes()).await.unwrap();
            told.asked.set(told.asked.get() + 1);
            told.goes_on.acquire().await.unwrap().forget();
            tcp.write_all(more.as_bytes()).await.unwrap();
            // Until the client leaves.
            let _ = tcp.read_buf(&mut head).await;
        });
    }
}

/// Reads until `wanted` has come.
async fn hear(tcp: &mut TcpStream, wanted: &str) {
    let mut heard = Vec::new();
    while !heard.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
        assert_ne!(tcp.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
    }
}

/// How many streams wait at a time.
const WAITING: u32 = 400;

#[test]
fn a_stream_in_which_nothing_moves_holds_no_buffer_and_goes_on_when_something_does() {
    const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    const TUNNEL: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfirst";
    const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";
    // What each may take, in bytes: less than with a frame, or with a task.
    for (name, most, fields, start, more) in [
        ("an answer that has not come", 6 << 10, "", "", ANSWER),
        ("events", 6 << 10, "", EVENTS, "4\r\nnext\r\n"),
        ("a tunnel", 4 << 10, UPGRADE, TUNNEL, "next"),
    ] {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let told = Rc::new(Told { asked: Cell::default(), goes_on: Semaphore::new(0) });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let upstream = format!("--upstream=http://{}", listener.local_addr().unwrap());
            spawn_local(pause_between(listener, (start, more), Rc::clone(&told)));
            let corsair = Corsair::start(&[upstream.as_str(), "--max-connections=2000"]);
            let before = anonymous(&corsair);
            let mut waiting = Vec::new();
            for _ in 0..WAITING {
                let mut tcp = TcpStream::connect(corsair.address()).await.unwrap();
                let padding = "p".repeat(500);
                let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Padding: {padding}\r\n{fields}\r\n");
                tcp.write_all(request.as_bytes()).await.unwrap();
                if !start.is_empty() {
                    hear(&mut tcp, "first").await;
                }
                waiting.push(tcp);
            }
            let end = Instant::now() + PATIENCE;
            let each = || anonymous(&corsair).saturating_sub(before) / u64::from(WAITING);
            while told.asked.get() < WAITING || each() > most {
                assert!(Instant::now() < end, "{name}: {} wait and take {} bytes", told.asked.get(), each());
                sleep(Duration::from_millis(50)).await;
            }
            told.goes_on.add_permits(WAITING as usize);
            for mut tcp in waiting {
                hear(&mut tcp, "next").await;
            }
        });
    }
}

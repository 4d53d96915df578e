//! A warm keep-alive connection costs no allocation: neither a request that goes through an upstream, nor a
//! preflight. What allocates still (a target's URL, a refusal in words, a new connection) does not do it more
//! often.
//!
//! A whole worker runs in this process, so every allocation counts, on whatever thread. Client and origin are
//! threads with fixed buffers and allocate nothing either.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::Arc,
    thread,
};

use corsair::{
    admission::{Keys, Link},
    config::{Config, ListenerId, compile::compile, file, flags, machine::Machine},
    net::{Descriptors, listen::ListeningSocket},
    observe::metrics::Metrics,
    plan::Identity,
    proxy::snapshot::Published,
    worker::{self, Assignment, Capacity, GroupId, Loan, Reports, Seat, Stop, Terms},
};
use tokio::sync::{mpsc, watch};

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

/// Requests before the count begins: pools are filled, buffers made, names interned.
const WARM_UP: usize = 100;
const COUNT: usize = 1000;

/// What the origin answers to everything.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nVary: Accept-Encoding\r\n\r\nplain";

/// An origin that answers each head with [`ANSWER`]; its address.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut room = [0; 16 << 10];
                // Requests without a body that wait for their answers come one at a time.
                while read_message(&mut stream, &mut room, 0) > 0 {
                    stream.write_all(ANSWER).unwrap();
                }
            });
        }
    });
    address
}

/// Reads one head and `body` bytes behind it; its length, 0 at the end of the connection.
fn read_message(stream: &mut TcpStream, room: &mut [u8], body: usize) -> usize {
    let mut filled = 0;
    loop {
        let size = stream.read(&mut room[filled..]).unwrap_or(0);
        if size == 0 {
            return 0;
        }
        filled += size;
        if let Some(head) = room[..filled].windows(4).position(|end| end == b"\r\n\r\n")
            && filled >= head + 4 + body
        {
            return filled;
        }
    }
}

fn config(arguments: &[&str]) -> Config {
    let typed = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    let mut settings = flags::parse(typed).unwrap();
    file::read(&mut settings);
    compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// A worker that serves until its string is cut.
struct Worker {
    address: SocketAddr,
    stop: watch::Sender<Option<Stop>>,
    thread: thread::JoinHandle<()>,
}

impl Worker {
    fn start(arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(None);
        let (seat, mailbox) = Seat::among(1).remove(0);
        let terms = Terms { listener: ListenerId::FIRST, proxy_protocol: false, tls: None, loopback: true };
        let assignment = Assignment {
            published: Published::new(Arc::new(config(arguments))),
            identity: Arc::new(Identity::random()),
            counters: Metrics::new().register(),
            access_log: None,
            loans: vec![Loan { group: GroupId(0), listener: ListeningSocket::Tcp(listener), terms }],
            seat: (seat, mailbox.take().unwrap()),
            capacity: Capacity::of(&config(arguments).process),
            descriptors: Descriptors::new(100, 8),
            newcomers: Arc::default(),
            orders: mpsc::unbounded_channel().1,
            stop: stopped,
            reports: Reports { worker: 0, sender: mpsc::unbounded_channel().0 },
        };
        let thread = thread::spawn(|| worker::run(assignment).unwrap());
        Self { address, stop, thread }
    }

    fn end(self) {
        self.stop.send_replace(Some(Stop::Drain));
        self.thread.join().unwrap();
    }
}

/// One kind of request.
struct Row<'a> {
    name: &'a str,
    arguments: &'a [&'a str],
    request: &'a str,
    status: &'a str,
    /// Bytes of the answer's body.
    body: usize,
    /// Allocations for each request.
    allowed: u64,
    /// Each request has a connection of its own, which ends with it.
    alone: bool,
}

#[test]
fn the_keep_alive_fast_path_allocates_nothing() {
    let upstream = origin();
    let reverse = format!("--upstream=http://{upstream}");
    let list = "--allow-origin=https://admin.example.com,https://app.example.com";
    let credentials = "--allow-credentials";
    let target = format!("--allow-target={upstream}");
    let gateway_request = format!("GET /?url=http://{upstream}/items HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let get = "GET /items HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\nAccept: */*\r\n\r\n";
    let last = "GET /items HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let preflight = "OPTIONS /items HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\
                     Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-token\r\n\r\n";
    let refused = "OPTIONS /items HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\
                   Access-Control-Request-Method: PUT\r\n\r\n";
    let rows = [
        Row {
            name: "a GET for any origin",
            arguments: &[&reverse],
            request: get,
            status: "200",
            body: 5,
            allowed: 0,
            alone: false,
        },
        Row {
            name: "a GET for a listed origin",
            arguments: &[&reverse, list, credentials],
            request: get,
            status: "200",
            body: 5,
            allowed: 0,
            alone: false,
        },
        Row {
            name: "a preflight",
            arguments: &[&reverse, list, credentials],
            request: preflight,
            status: "204",
            body: 0,
            allowed: 0,
            alone: false,
        },
        Row {
            name: "a preflight that is refused",
            arguments: &[&reverse, list],
            request: refused,
            status: "403",
            body: 0,
            allowed: 4,
            alone: false,
        },
        Row {
            name: "a GET through the gateway",
            arguments: &[&target],
            request: &gateway_request,
            status: "200",
            body: 5,
            allowed: 1,
            alone: false,
        },
        Row {
            name: "a GET on a connection of its own",
            arguments: &[&reverse],
            request: last,
            status: "200",
            body: 5,
            // The runtime's record of the socket and its list of those that are gone, a timer, the lines that
            // tell of the client.
            allowed: 4,
            alone: true,
        },
    ];
    rows.into_iter().for_each(check);
    check_access();
}

/// Who is let in is asked without an allocation.
fn check_access() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let (users, named) = (folder.path().join("users"), folder.path().join("corsair.toml"));
    let hash = bcrypt::hash_with_salt("pw", 4, [7; 16]).unwrap();
    std::fs::write(&users, format!("ann:{hash}\n")).unwrap();
    let text = format!(
        "[access.office]\nclients.allow = [\"127.0.0.0/8\"]\n[access.page]\nfetch_site = {{}}\n\
         [access.links]\nsigned.keys = {{ k1 = \"{KEY}\" }}\n\
         [access.robots]\nbearer.tokens = [\"one\", \"two\"]\n[access.staff]\nbasic.file = {users:?}\n\
         [upstream.web]\nservers = [\"http://{}\"]\n\
         [[route]]\npath = \"/robots\"\nupstream = \"web\"\naccess = [\"office\", \"page\", \"robots\"]\n\
         [[route]]\npath = \"/files\"\nupstream = \"web\"\naccess = [\"links\"]\n\
         [[route]]\npath = \"/staff\"\nupstream = \"web\"\naccess = [\"staff\"]\n",
        origin()
    );
    std::fs::write(&named, text).unwrap();
    let config = format!("--config={}", named.display());
    let arguments: &[&str] = &[&config, "--access-log=off"];
    let token =
        "GET /robots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer two\r\nSec-Fetch-Site: same-origin\r\n\r\n";
    let password = "GET /staff HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOnB3\r\n\r\n";
    let link = Link { method: b"GET", authority: (b"a", false), target: [b"/files/x", b""] };
    let signature = Keys::of([("k1", KEY)]).unwrap().sign("k1", &link, u64::MAX).unwrap();
    let link = format!("GET /files/x?{signature} HTTP/1.1\r\nHost: a\r\n\r\n");
    let upstream = format!("--upstream=http://{}", origin());
    let flags: &[&str] = &[&upstream, "--token=one,two", "--access-log=off"];
    let in_query = "GET /a?corsair-token=two&b HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, arguments, request) in [
        ("a GET with a token", arguments, token),
        ("a GET with a password that is known", arguments, password),
        ("a GET of a signed link", arguments, &link),
        ("a GET with a token in its query", flags, in_query),
    ] {
        check(Row { name, arguments, request, status: "200", body: 5, allowed: 0, alone: false });
    }
}

/// Counts what one kind of request allocates.
fn check(row: Row<'_>) {
    let Row { name, arguments, request, status, body, allowed, alone } = row;
    let worker = Worker::start(arguments);
    let mut stream = TcpStream::connect(worker.address).unwrap();
    let mut room = [0; 16 << 10];
    let mut ask = |times: usize| {
        for _ in 0..times {
            stream.write_all(request.as_bytes()).unwrap();
            assert_ne!(read_message(&mut stream, &mut room, body), 0, "{name}: the connection ended");
            assert_eq!(&room[9..12], status.as_bytes(), "{name}");
            if alone {
                assert_eq!(stream.read(&mut room).unwrap(), 0, "{name}");
                stream = TcpStream::connect(worker.address).unwrap();
            }
        }
    };
    ask(WARM_UP);
    // Where something allocates, this leaves `dhat-heap.json`, which names every place.
    let counting = dhat::Profiler::builder().testing().build();
    ask(COUNT);
    let blocks = dhat::HeapStats::get().total_blocks;
    // Lists grow now and then; what allocates nothing has none.
    let allowed = allowed * COUNT as u64 * 21 / 20;
    dhat::assert!(blocks <= allowed, "{name}: {blocks} allocations for {COUNT} requests");
    drop(counting);
    drop(stream);
    worker.end();
}

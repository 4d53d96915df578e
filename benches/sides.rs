//! Bodies through the real connection code: a client, corsair's connection and an upstream, over sockets of
//! this process and on one thread. What is measured is all three together, so only ratios between two
//! revisions say something.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc};

use corsair::{
    config::{Config, ListenerId, compile::compile, flags, machine::Machine},
    net::stream::Stream,
    observe::metrics::Metrics,
    plan::{Client, Identity},
    proxy::{
        core::Core,
        serve::{Beginning, Connections},
    },
};
use divan::{Bencher, counter::BytesCount};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::{Builder, LocalOptions, LocalRuntime},
    task::spawn_local,
};

fn main() {
    divan::main();
}

/// Bytes of payload of one message.
const PAYLOAD: usize = 16 << 20;
/// Payload of a chunk, and of one write of the sender.
const PIECE: usize = 64 << 10;

/// How a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framed {
    Length,
    Chunked,
}

const FRAMED: [Framed; 2] = [Framed::Length, Framed::Chunked];

impl Framed {
    fn field(self) -> String {
        match self {
            Self::Length => format!("Content-Length: {PAYLOAD}"),
            Self::Chunked => "Transfer-Encoding: chunked".to_owned(),
        }
    }

    /// One write of the sender.
    fn piece(self) -> Vec<u8> {
        let data = vec![b'x'; PIECE];
        match self {
            Self::Length => data,
            Self::Chunked => [format!("{PIECE:x}\r\n").as_bytes(), &data, b"\r\n"].concat(),
        }
    }

    const fn end(self) -> &'static [u8] {
        match self {
            Self::Length => b"",
            Self::Chunked => b"0\r\n\r\n",
        }
    }

    /// Bytes of the body as it is sent; corsair cuts chunks as they came.
    fn size(self) -> usize {
        PAYLOAD / PIECE * self.piece().len() + self.end().len()
    }
}

/// The client's end of a connection that corsair serves, with the runtime that everybody runs on.
struct Stage {
    runtime: LocalRuntime,
    client: UnixStream,
}

impl Stage {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(async {
            let origin = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
            let address = origin.local_addr().expect("an address");
            spawn_local(async move {
                while let Ok((stream, _)) = origin.accept().await {
                    spawn_local(answer(stream));
                }
            });
            let (near, far) = UnixStream::pair().expect("a pair of sockets");
            let identity = Arc::new(Identity::random());
            let core = Core::new(Arc::new(config(address)), identity, Metrics::new().register(), None);
            let visitor = SocketAddr::from(([192, 0, 2, 7], 4711));
            let client = Client {
                address: Some(visitor),
                anonymous: false,
                secure: false,
                loopback_listener: false,
                listener: ListenerId::FIRST,
                refusal: None,
                handshake: None,
            };
            let patience = core.snapshot().config.timeouts.head;
            let beginning = Beginning::Connection(Stream::Unix(near), patience);
            spawn_local(async move { Connections::new(core).serve(beginning, client).await });
            far
        });
        Self { runtime, client }
    }

    fn send(&mut self, framed: Framed) {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let head = format!("POST /{framed:?} HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", framed.field());
            client.write_all(head.as_bytes()).await.expect("corsair reads");
            write_body(client, framed).await;
            read_head(client).await;
        });
    }

    fn receive(&mut self, framed: Framed) {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let head = format!("GET /{framed:?} HTTP/1.1\r\nHost: a\r\n\r\n");
            client.write_all(head.as_bytes()).await.expect("corsair reads");
            let came = read_head(client).await;
            read_body(client, framed, came).await;
        });
    }
}

fn config(upstream: SocketAddr) -> Config {
    let upstream = format!("--upstream=http://{upstream}");
    let settings = flags::parse(["corsair", &upstream].map(Into::into)).expect("flags that exist");
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// The upstream: takes a POST to its end and answers without a body, sends one for a GET.
async fn answer(mut stream: TcpStream) {
    loop {
        let mut head = Vec::new();
        let came = loop {
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break head.len() - end - 4;
            }
            match stream.read_buf(&mut head).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        };
        let framed =
            if memchr::memmem::find(&head, b"/Length").is_some() { Framed::Length } else { Framed::Chunked };
        if head.starts_with(b"POST") {
            read_body(&mut stream, framed, came).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("corsair reads");
        } else {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", framed.field());
            stream.write_all(head.as_bytes()).await.expect("corsair reads");
            write_body(&mut stream, framed).await;
        }
    }
}

async fn write_body(to: &mut (impl tokio::io::AsyncWrite + Unpin), framed: Framed) {
    let piece = framed.piece();
    for _ in 0..PAYLOAD / PIECE {
        to.write_all(&piece).await.expect("the peer reads");
    }
    to.write_all(framed.end()).await.expect("the peer reads");
}

/// Reads a body of which `came` bytes were read with its head.
async fn read_body(from: &mut (impl tokio::io::AsyncRead + Unpin), framed: Framed, came: usize) {
    let mut room = vec![0; 256 << 10];
    let mut left = framed.size() - came;
    while left > 0 {
        let size = from.read(&mut room[..left.min(256 << 10)]).await.expect("more bytes");
        assert_ne!(size, 0, "the body is cut, {left} bytes are missing");
        left -= size;
    }
}

/// Reads to the end of a head that must be a success; the number of bytes that came behind it.
async fn read_head(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> usize {
    let mut head = Vec::with_capacity(64 << 10);
    loop {
        if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
            assert!(head.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&head));
            return head.len() - end - 4;
        }
        assert_ne!(from.read_buf(&mut head).await.expect("more bytes"), 0, "the answer is cut");
    }
}

#[divan::bench(args = FRAMED, sample_count = 20)]
fn download(bencher: Bencher<'_, '_>, framed: Framed) {
    let mut stage = Stage::new();
    bencher.counter(BytesCount::new(PAYLOAD)).bench_local(|| stage.receive(framed));
}

#[divan::bench(args = FRAMED, sample_count = 20)]
fn upload(bencher: Bencher<'_, '_>, framed: Framed) {
    let mut stage = Stage::new();
    bencher.counter(BytesCount::new(PAYLOAD)).bench_local(|| stage.send(framed));
}

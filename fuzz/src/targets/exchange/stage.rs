//! The stage: a client, corsair's connection, an upstream, and a clock.

use std::{
    cell::{Cell, RefCell},
    net::{SocketAddr, TcpListener as StdListener},
    num::NonZeroUsize,
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Duration,
};

use corsair::{
    config::{Config, ListenerId, compile::compile, flags, machine::Machine},
    net::stream::Stream,
    observe::metrics::{Metrics, WorkerCounters},
    plan::{Client, Identity},
    proxy::{
        core::Core,
        serve::{AtRest, Beginning, Connections},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::{Builder, LocalOptions},
    task::{JoinHandle, spawn_local, yield_now},
    time,
};

use crate::{
    input::Pieces,
    reference::stream::{Said, Sent, said, strict_requests},
};

/// How corsair is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A reverse proxy with the defaults.
    Reverse,
    /// A reverse proxy with a list of origins and small limits.
    Strict,
    /// A gateway that follows redirects.
    Follow,
    /// A gateway that rewrites them, in front of an upstream.
    Rewrite,
}

/// What the client does when it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It waits for the other side to close.
    Stays,
    /// It shuts its writing side and reads on.
    HalfCloses,
    /// It closes.
    Leaves,
}

/// One answer of the upstream.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// What it writes.
    pub(super) bytes: Vec<u8>,
    /// It closes its connection behind that.
    pub(super) closes: bool,
    /// It resets its connection behind that.
    pub(super) resets: bool,
    /// It answers as soon as it has read the head.
    pub(super) early: bool,
    /// It writes a byte, or very few, at a time.
    pub(super) dribbles: bool,
}

impl Part {
    /// A part whose first character says how it is given, in the bits of a digit.
    pub(super) fn read(part: &[u8]) -> Self {
        let (how, bytes) = part.split_first().unwrap_or((&b'0', b""));
        let how = how.wrapping_sub(b'0');
        Self {
            bytes: written_out(bytes),
            closes: how & 1 != 0,
            early: how & 2 != 0,
            dribbles: how & 4 != 0,
            resets: how & 9 == 9,
        }
    }

    /// What an upstream answers that was not told anything.
    fn plain() -> Self {
        let bytes = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", PLAIN].concat();
        Self { bytes, closes: false, resets: false, early: false, dribbles: false }
    }
}

/// What is played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) mode: Mode,
    pub(super) ending: Ending,
    /// In which pieces the client sends, if not all at once.
    pub(super) pieces: Option<Pieces>,
    pub(super) client: Vec<u8>,
    pub(super) answers: Vec<Part>,
}

/// One connection that the upstream accepted.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Everything that came over it.
    pub(super) bytes: Vec<u8>,
    /// The answers given, one for each request in order.
    pub(super) answers: Vec<Part>,
}

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The connections of the upstream, in the order they were accepted.
    pub(super) upstream: Vec<Seen>,
    /// The client that is played.
    pub(super) client: Visit,
    /// A client that came afterwards and asked for [`afterwards`].
    pub(super) afterwards: Visit,
}

/// What one client has met with.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// Everything that it read.
    pub(super) read: Vec<u8>,
    /// Whether it read to the end.
    pub(super) saw_end: bool,
    /// How much it could send.
    pub(super) sent: usize,
}

/// What a client asks for when the play is over: whatever happened before, it gets its own answer, and
/// pooled connections are in order.
pub(super) fn afterwards(mode: Mode) -> Vec<u8> {
    let target = match mode {
        Mode::Reverse | Mode::Strict => "/afterwards".to_owned(),
        Mode::Follow | Mode::Rewrite => format!("/http://127.0.0.1:{}/afterwards", port()),
    };
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The body of an answer that nobody wrote a part for.
pub(super) const PLAIN: &[u8] = b"plain";

/// What everybody on the stage shares.
struct Scene {
    record: RefCell<Record>,
    answers: RefCell<std::vec::IntoIter<Part>>,
    /// Changes whenever something moves.
    moves: Cell<u64>,
}

impl Scene {
    fn moved(&self) {
        self.moves.set(self.moves.get() + 1);
    }
}

/// The upstream's door: one for the life of the process, so that configurations can name it.
static DOOR: LazyLock<StdListener> = LazyLock::new(|| {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.set_nonblocking(true).expect("a socket that can be polled");
    listener
});

static COUNTERS: LazyLock<Arc<WorkerCounters>> = LazyLock::new(|| Metrics::new().register());

/// Configurations by mode.
static CONFIGS: LazyLock<[Arc<Config>; 4]> = LazyLock::new(|| {
    let address = format!("127.0.0.1:{}", port());
    let upstream = format!("--upstream=http://{address}");
    let base = format!("--upstream=http://{address}/base");
    let target = format!("--allow-target={address}");
    [
        config(&[&upstream]),
        config(&[
            &base,
            "--allow-origin=https://app.example.com",
            "--allow-origin=https://*.example.org",
            "--allow-credentials",
            "--limit-body=64",
            "--limit-head=1k",
            "--limit-response-head=1k",
            "--limit-fields=20",
            "--limit-trailers=64",
            "--limit-chunk-extensions=16",
            "--limit-interim=2",
            "--limit-buffer=4k",
        ]),
        config(&[&target]),
        config(&[&target, &upstream, "--gateway=query,path", "--redirects=rewrite"]),
    ]
});

/// Waits in the time of the stage: those for the client short, those for the upstream longer, since what is on
/// its way over loopback may look quiet for a moment.
const WAITS: [&str; 11] = [
    "--listen=127.0.0.1:1",
    "--timeout-head=200ms",
    "--timeout-keep-alive=200ms",
    "--timeout-body-idle=200ms",
    "--timeout-connect=1s",
    "--timeout-response=1s",
    "--timeout-upstream-idle=1s",
    "--timeout-send=1s",
    "--timeout-tunnel-idle=200ms",
    "--timeout-tunnel-half-closed=100ms",
    "--timeout-linger=100ms",
];

fn config(arguments: &[&str]) -> Arc<Config> {
    let typed = std::iter::once("corsair").chain(WAITS).chain(arguments.iter().copied());
    let settings = flags::parse(typed.map(Into::into)).expect("flags that exist");
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    let (config, _) = compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}"));
    Arc::new(config)
}

/// The port of the upstream.
pub(super) fn port() -> u16 {
    DOOR.local_addr().expect("an address").port()
}

/// Plays, and tells what came out.
pub(super) fn perform(play: &Play) -> Record {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.expect("a runtime");
    let scene = Rc::new(Scene {
        record: RefCell::default(),
        answers: RefCell::new(play.answers.clone().into_iter()),
        moves: Cell::new(0),
    });
    runtime.block_on(direct(play, &scene));
    // Ends every task, and with them all other holders of the scene.
    drop(runtime);
    empty_the_queue();
    scene.record.take()
}

/// Nobody who came too late may be taken for a guest of the next play.
fn empty_the_queue() {
    while DOOR.accept().is_ok() {}
}

/// The play, and what comes afterwards.
async fn direct(play: &Play, scene: &Rc<Scene>) {
    time::pause();
    let identity = Arc::new(Identity::random());
    let config = Arc::clone(&CONFIGS[play.mode as usize]);
    let core = Core::new(config, identity, Arc::clone(&COUNTERS), None);
    let client = Client {
        address: Some(SocketAddr::from(([192, 0, 2, 7], 4711))),
        anonymous: false,
        secure: false,
        loopback_listener: play.mode == Mode::Follow,
        listener: ListenerId::FIRST,
        refusal: None,
        handshake: None,
    };
    let door = DOOR.try_clone().and_then(TcpListener::from_std).expect("the door");
    spawn_local(receive(door, Rc::clone(scene)));
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let visitor = Visitor { bytes: play.client.clone(), pieces: play.pieces.clone(), ending: play.ending };
    spawn_local(visitor.visit(far, Rc::clone(scene), |record| &mut record.client));
    let patience = core.snapshot().config.timeouts.head;
    let connections = Rc::new(Connections::new(Rc::clone(&core)));
    let serve = |near| {
        let (connections, client) = (Rc::clone(&connections), client.clone());
        let beginning = Beginning::Connection(Stream::Unix(near), patience);
        async move { connections.serve(beginning, client).await }
    };
    look_on(spawn_local(serve(near)), scene).await;

    *scene.answers.borrow_mut() = Vec::new().into_iter();
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let visitor = Visitor { bytes: afterwards(play.mode), pieces: None, ending: Ending::Stays };
    spawn_local(visitor.visit(far, Rc::clone(scene), |record| &mut record.afterwards));
    look_on(spawn_local(serve(near)), scene).await;
}

/// Looks on until a connection has ended, and moves the clock when nothing else moves.
async fn look_on(served: JoinHandle<Option<AtRest>>, scene: &Scene) {
    /// Turns of the runtime without a move after which nothing is on its way any more.
    const QUIET: usize = 4;
    const STEP: Duration = Duration::from_millis(50);
    /// Longer than every wait, one behind the other, for as many requests as fit into an input.
    const LONGEST: Duration = Duration::from_secs(600);

    let mut passed = Duration::ZERO;
    let mut quiet = 0;
    let mut before = scene.moves.get();
    while quiet < QUIET || !served.is_finished() {
        yield_now().await;
        let now = scene.moves.get();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet >= QUIET && !served.is_finished() {
            quiet = 0;
            time::advance(STEP).await;
            passed += STEP;
            assert!(passed < LONGEST, "the connection does not end");
        }
    }
    assert!(served.await.is_ok(), "the connection panicked");
}

/// A client.
struct Visitor {
    bytes: Vec<u8>,
    pieces: Option<Pieces>,
    ending: Ending,
}

impl Visitor {
    /// Sends everything, reads everything, and writes it down.
    async fn visit(self, stream: UnixStream, scene: Rc<Scene>, place: fn(&mut Record) -> &mut Visit) {
        let Self { bytes, mut pieces, ending } = self;
        let (mut from, mut to) = stream.into_split();
        let reading = spawn_local({
            let scene = Rc::clone(&scene);
            async move {
                let mut room = vec![0; 16 << 10];
                loop {
                    let size = from.read(&mut room).await.unwrap_or(0);
                    scene.moved();
                    let mut record = scene.record.borrow_mut();
                    let visit = place(&mut record);
                    visit.read.extend_from_slice(&room[..size]);
                    if size == 0 {
                        visit.saw_end = true;
                        return;
                    }
                }
            }
        });
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // Of much, more at a time.
            let size = pieces.as_mut().map_or(rest.len(), Pieces::size).max(rest.len() >> 8).min(rest.len());
            if to.write_all(&rest[..size]).await.is_err() {
                break;
            }
            scene.moved();
            place(&mut scene.record.borrow_mut()).sent += size;
            rest = &rest[size..];
            if pieces.is_some() {
                yield_now().await;
            }
        }
        match ending {
            Ending::Stays => drop((reading.await, to)),
            Ending::HalfCloses => drop((to.shutdown().await, reading.await)),
            Ending::Leaves => {
                reading.abort();
                drop(to);
            }
        }
        scene.moved();
    }
}

/// The upstream.
async fn receive(door: TcpListener, scene: Rc<Scene>) {
    while let Ok((stream, _)) = door.accept().await {
        scene.moved();
        let number = scene.record.borrow().upstream.len();
        scene.record.borrow_mut().upstream.push(Seen::default());
        spawn_local(answer(stream, number, Rc::clone(&scene)));
    }
}

/// One connection of the upstream.
async fn answer(mut stream: TcpStream, number: usize, scene: Rc<Scene>) {
    // Whoever closes first keeps the port busy for a minute; a reset does not.
    let _ = stream.set_zero_linger();
    let mut room = vec![0; 16 << 10];
    loop {
        let size = stream.read(&mut room).await.unwrap_or(0);
        scene.moved();
        if size == 0 {
            return;
        }
        scene.record.borrow_mut().upstream[number].bytes.extend_from_slice(&room[..size]);
        while let Some(part) = next_answer(number, &scene) {
            let pieces = if part.dribbles { 256 } else { 1 };
            for piece in part.bytes.chunks(part.bytes.len().div_ceil(pieces).max(1)) {
                if stream.write_all(piece).await.is_err() {
                    return;
                }
                scene.moved();
                if part.dribbles {
                    yield_now().await;
                }
            }
            if part.closes {
                if !part.resets {
                    let _ = stream.shutdown().await;
                    scene.moved();
                    // What still comes is read, and seen.
                    while let Ok(size @ 1..) = stream.read(&mut room).await {
                        scene.moved();
                        scene.record.borrow_mut().upstream[number].bytes.extend_from_slice(&room[..size]);
                    }
                }
                return;
            }
        }
    }
}

/// The answer to give now, if a request waits for one.
fn next_answer(number: usize, scene: &Scene) -> Option<Part> {
    let mut record = scene.record.borrow_mut();
    let seen = &mut record.upstream[number];
    // What is malformed is judged at the end; nobody answers it.
    let requests: Vec<Sent> = strict_requests(&seen.bytes).unwrap_or_default();
    let request = requests.get(seen.answers.len())?;
    let mut answers = scene.answers.borrow_mut();
    let next = answers.as_slice().first().cloned().unwrap_or_else(Part::plain);
    if !(request.complete || next.early) {
        return None;
    }
    answers.next();
    let to_head = request.head.method == b"HEAD";
    // What comes later than the next request would be taken for its answer, and nobody could tell.
    let has_excess = matches!(said(&next.bytes, to_head, false),
        Said::Final { end: Some(end), .. } if end < next.bytes.len());
    let next = Part { dribbles: next.dribbles && !has_excess, ..next };
    seen.answers.push(next.clone());
    Some(next)
}

/// Bytes that stand for `##`; nine times that many make a stream that moves to large buffers.
const MUCH: usize = 64 << 10;

/// `bytes` with the two things that no seed can hold: `@@` is the port of the upstream, and `##` is a lot of
/// bytes.
pub(super) fn written_out(bytes: &[u8]) -> Vec<u8> {
    let port = port().to_string().into_bytes();
    let much = vec![b'x'; MUCH];
    replaced(&replaced(bytes, b"@@", &port), b"##", &much)
}

/// `bytes` with the first few of `what` replaced.
fn replaced(bytes: &[u8], what: &[u8; 2], by: &[u8]) -> Vec<u8> {
    const FEW: usize = 20;
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    for _ in 0..FEW {
        let Some(at) = rest.windows(2).position(|window| window == what) else { break };
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + 2..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

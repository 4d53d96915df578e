//! A client at one end of a socket, its side of the exchange at the other.

use std::future::poll_fn;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::*;
use crate::{
    http1::{
        body::{BodyLimits, Recode},
        chunked::ChunkLimits,
        framing::Framing,
    },
    net::buffer::BufferPool,
    proxy::relay::{
        flow::Waiting,
        state::{Course, Ended},
    },
};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\n\r\n";
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n\r\n";

/// Everything that a side borrows.
struct Setup {
    stream: Stream,
    inbound: RefCell<Buffer>,
    framing: Framing,
    state: ExchangeState,
}

impl Setup {
    /// A request with this framing of which `early` has come with its head, and its client.
    fn new(framing: Framing, early: &[u8]) -> (Self, UnixStream) {
        let (near, client) = UnixStream::pair().unwrap();
        let mut inbound = BufferPool::new(1024).take();
        inbound.push(HEAD);
        inbound.consume(HEAD.len());
        inbound.push(early);
        let state = ExchangeState::new();
        (Self { stream: Stream::Unix(near), inbound: RefCell::new(inbound), framing, state }, client)
    }

    fn side(&mut self) -> ClientSide<'_> {
        self.side_with(None)
    }

    /// The side, which keeps at most so many bytes of the body.
    fn side_with(&mut self, kept: Option<usize>) -> ClientSide<'_> {
        let limits = BodyLimits {
            payload: 100,
            trailer_fields: 10,
            chunked: ChunkLimits { extensions: 100, trailers: 100 },
        };
        let body = BodyReader::new(self.framing, Recode::Verbatim, limits);
        ClientSide::new(
            &mut self.stream,
            &self.inbound,
            HEAD.len(),
            (body, kept.map(Replay::of)),
            &self.state,
            true,
        )
    }
}

/// Reads from the side until the whole body has left; the end itself is not reported before the exchange's.
async fn read_body(side: &mut ClientSide<'_>) -> io::Result<Vec<u8>> {
    let (mut read, mut room) = (Vec::new(), [0; 256]);
    while !side.is_written() {
        let size = side.read(&mut room).await?;
        assert!(size > 0, "no end before the exchange's");
        read.extend_from_slice(&room[..size]);
    }
    Ok(read)
}

/// Whether the side has nothing to say now.
async fn is_pending(side: &mut ClientSide<'_>) -> bool {
    let mut room = [0; 256];
    poll_fn(|cx| {
        let mut room = ReadBuf::new(&mut room);
        Poll::Ready(Pin::new(&mut *side).poll_read(cx, &mut room).is_pending())
    })
    .await
}

const BODIES: &[(Framing, &[u8], &[u8])] = &[
    (Framing::Length(11), b"hello world", b"hello world"),
    (Framing::Chunked, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    (
        Framing::Chunked,
        b"0005;a=b\r\nhello\r\n006\r\n world\r\n00\r\nA:b\r\n\r\n",
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n",
    ),
];

#[tokio::test]
async fn exactly_the_body_is_read_and_the_next_request_stays() {
    for (framing, body, expected) in BODIES {
        let input = [body, NEXT].concat();
        for early in 0..=input.len() {
            let (mut setup, mut client) = Setup::new(*framing, &input[..early]);
            client.write_all(&input[early..]).await.unwrap();
            let read = read_body(&mut setup.side()).await.unwrap();
            assert_eq!(read, *expected, "{early} bytes of {framing:?} came with the head");
            assert!(setup.state.request_read());
            let mut left = setup.inbound.borrow().unread().to_vec();
            let mut rest = vec![0; NEXT.len() - left.len()];
            setup.stream.read_exact(&mut rest).await.unwrap();
            left.extend_from_slice(&rest);
            assert_eq!(left, NEXT, "{early} bytes of {framing:?} came with the head");
            assert_eq!(setup.inbound.borrow().all()[..HEAD.len()], *HEAD, "the head must stay");
        }
    }
}

#[tokio::test]
async fn a_body_may_come_byte_by_byte() {
    for (framing, body, expected) in BODIES {
        let (mut setup, mut client) = Setup::new(*framing, b"");
        let mut side = setup.side();
        let write = async {
            for byte in *body {
                client.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (read, ()) = tokio::join!(read_body(&mut side), write);
        assert_eq!(read.unwrap(), *expected, "{framing:?}");
        assert!(setup.inbound.borrow().is_empty());
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_no_body() {
    for (framing, part) in [
        (Framing::Length(11), &b"hello"[..]),
        (Framing::Chunked, b"5\r\nhello\r\n"),
        (Framing::Chunked, b"5\r\nhe"),
    ] {
        let (mut setup, mut client) = Setup::new(framing, part);
        client.shutdown().await.unwrap();
        let mut side = setup.side();
        assert!(read_body(&mut side).await.is_err());
        assert_eq!(side.state.course(), Course::Over(Ended::Failed(Error::ClientGone)), "{framing:?}");
        assert!(!side.state.request_read());
        assert_eq!(side.body_progress(), BodyProgress::Begun);
    }
}

#[tokio::test]
async fn a_broken_body_ends_the_exchange_unless_the_response_has_begun() {
    let too_large = format!("{:x}\r\n", 101);
    for (input, malformed) in [(&b"5\r\nhello\n"[..], true), (b"x", true), (too_large.as_bytes(), false)] {
        let (mut setup, _client) = Setup::new(Framing::Chunked, input);
        assert!(read_body(&mut setup.side()).await.is_err());
        match setup.state.course() {
            Course::Over(Ended::Failed(Error::RequestBody(_))) => assert!(malformed),
            Course::Over(Ended::Failed(Error::RequestBodyTooLarge)) => assert!(!malformed),
            course @ (Course::Running | Course::Paused | Course::Over(_)) => panic!("{course:?}"),
        }
        let (mut setup, _client) = Setup::new(Framing::Chunked, input);
        setup.state.begin_response();
        assert!(is_pending(&mut setup.side()).await);
        assert_eq!(setup.state.upload.source(), SourceState::Cut);
        assert_eq!(setup.state.upload.waiting(), Waiting::Done);
        assert_eq!(setup.state.course(), Course::Running, "the response that has begun wins");
    }
}

#[tokio::test]
async fn the_end_is_reported_only_when_the_exchange_is_over() {
    let (mut setup, _client) = Setup::new(Framing::Length(5), b"hello");
    let mut side = setup.side();
    assert_eq!(read_body(&mut side).await.unwrap(), b"hello");
    assert!(is_pending(&mut side).await);
    assert_eq!(side.state.upload.waiting(), Waiting::Done);
    side.state.end(Ended::Done);
    assert_eq!(side.read(&mut [0; 256]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let (mut setup, mut client) = Setup::new(Framing::None, b"");
    let mut side = setup.side();
    assert!(is_pending(&mut side).await);
    client.shutdown().await.unwrap();
    assert!(side.read(&mut [0; 256]).await.is_err());
    assert_eq!(side.state.course(), Course::Over(Ended::Failed(Error::ClientGone)));
}

#[tokio::test]
async fn a_fin_that_is_no_abort_leaves_the_exchange_running() {
    let (mut setup, mut client) = Setup::new(Framing::None, b"");
    client.write_all(b"GET").await.unwrap();
    client.shutdown().await.unwrap();
    let mut side = setup.side();
    side.fin_is_abort = false;
    let mut room = [0; 256];
    // Reading on would wait for ever, so the side is looked at until it has seen the end.
    poll_fn(|cx| {
        let mut room = ReadBuf::new(&mut room);
        assert!(Pin::new(&mut side).poll_read(cx, &mut room).is_pending());
        if side.state.client_half_closed() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(is_pending(&mut side).await);
    assert!(side.may_ask_again(), "a request came before it");
    assert_eq!(setup.state.course(), Course::Running);
    assert_eq!(setup.inbound.borrow().unread(), b"GET", "what came before it is kept");
}

#[tokio::test]
async fn pipelined_requests_stop_at_the_buffers_end() {
    let (mut setup, mut client) = Setup::new(Framing::None, b"");
    let flood = vec![b'x'; 4096];
    client.write_all(&flood).await.unwrap();
    let mut side = setup.side();
    poll_fn(|cx| {
        assert!(side.poll_watch(cx).is_pending());
        if side.inbound.borrow().spare_len() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(setup.inbound.borrow().unread().len(), 1024 - HEAD.len());
    assert_eq!(setup.state.course(), Course::Running);
}

#[tokio::test]
async fn a_response_is_counted_and_its_end_is_not_the_connections() {
    let (mut setup, mut client) = Setup::new(Framing::None, b"");
    let mut side = setup.side();
    side.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
    side.shutdown().await.unwrap();
    side.write_all(b"\r\n").await.unwrap();
    assert_eq!(setup.state.download.sent(), 19);
    let mut read = [0; 19];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"HTTP/1.1 200 OK\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_waited_for_and_one_that_is_gone_is_not() {
    let (mut setup, client) = Setup::new(Framing::None, b"");
    let mut side = setup.side();
    while poll_fn(|cx| Poll::Ready(Pin::new(&mut side).poll_write(cx, &[0; 4096]).is_ready())).await {}
    assert_eq!(side.state.download.waiting(), Waiting::Write);
    drop(client);
    assert!(side.write_all(&[0; 4096]).await.is_err());
    assert_eq!(setup.state.course(), Course::Over(Ended::Failed(Error::ClientGone)));
}

#[tokio::test]
async fn a_body_that_was_kept_is_read_again_as_it_went_upstream() {
    for (framing, body, expected) in BODIES {
        for kept in [expected.len(), 64] {
            let (mut setup, mut client) = Setup::new(*framing, &body[..4]);
            client.write_all(&[&body[4..], NEXT].concat()).await.unwrap();
            let mut side = setup.side_with(Some(kept));
            assert_eq!(read_body(&mut side).await.unwrap(), *expected);
            for _ in 0..2 {
                assert!(side.state.body_kept() && side.is_written());
                side.begin_anew(true);
                assert!(side.has_more() && !side.is_written() && !side.state.request_read());
                assert_eq!(read_body(&mut side).await.unwrap(), *expected, "{framing:?}");
                assert!(side.state.request_read());
            }
            // What a redirect has dropped goes nowhere.
            side.begin_anew(false);
            assert!(!side.has_more() && side.is_written());
        }
    }
}

#[tokio::test]
async fn a_body_is_not_kept_beyond_its_bound_nor_behind_the_begin_of_a_response() {
    let (framing, body, expected) = BODIES[1];
    let (mut setup, mut client) = Setup::new(framing, body);
    let mut side = setup.side_with(Some(expected.len() - 1));
    assert_eq!(read_body(&mut side).await.unwrap(), expected, "it goes upstream all the same");
    assert!(!side.state.body_kept() && side.replay.is_none());
    let (mut setup, mut other) = Setup::new(framing, body);
    let mut side = setup.side_with(Some(expected.len()));
    read_body(&mut side).await.unwrap();
    side.write_all(b"interim").await.unwrap();
    assert!(side.replay.is_some());
    side.state.begin_response();
    side.write_all(b"final").await.unwrap();
    assert!(side.replay.is_none());
    drop((client.shutdown().await, other.shutdown().await));
}

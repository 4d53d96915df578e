//! An upstream at one end of a socket, its side of the exchange at the other.

use std::future::poll_fn;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::*;
use crate::{
    plan::sample::{REVERSE, Written},
    proxy::relay::{
        flow::Waiting,
        sample::Stage,
        state::{Course, TargetState},
    },
};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OLD_GET: &str = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// What the client saw, why it ended, and whether the connection may serve again.
#[derive(Debug)]
struct Outcome {
    seen: Vec<u8>,
    ended: Ended,
    clean: bool,
    leftover: Vec<u8>,
    received: bool,
}

impl Outcome {
    fn error(&self) -> Option<Error> {
        match self.ended {
            Ended::Failed(error) => Some(error),
            Ended::Done
            | Ended::Redirect
            | Ended::Admitted
            | Ended::Declined(_)
            | Ended::Abandoned
            | Ended::Switch => None,
        }
    }

    /// The responses that the client saw, one after the other, and the body of the last.
    fn responses(&self) -> Vec<Written> {
        let mut responses = Vec::new();
        let mut rest = self.seen.clone();
        while !rest.is_empty() {
            let response = Written::response(&rest);
            let is_interim = response.start.starts_with("HTTP/1.1 1") && !response.start.contains(" 101 ");
            rest = if is_interim { response.body.clone() } else { Vec::new() };
            responses.push(response);
        }
        responses
    }
}

/// Reads until the exchange is over.
async fn read_all(side: &mut UpstreamSide<'_>) -> Vec<u8> {
    let (mut seen, mut room) = (Vec::new(), [0; 512]);
    while let Ok(size) = side.read(&mut room).await {
        if size == 0 {
            break;
        }
        seen.extend_from_slice(&room[..size]);
    }
    seen
}

/// Relays the response to `request` that arrives in these pieces, and then ends if `close` says so.
async fn relay(arguments: &[&str], request: &str, pieces: &[&[u8]], close: bool) -> Outcome {
    let stage = Stage::new(arguments, request);
    stage.state.upload.read_to_end();
    let (near, mut upstream) = UnixStream::pair().unwrap();
    let mut stream = Stream::Unix(near);
    let mut side = stage.upstream(&mut stream);
    let write = async {
        for piece in pieces {
            // A side that has seen enough no longer reads.
            let _ = upstream.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        if close {
            let _ = upstream.shutdown().await;
        }
    };
    let (seen, ()) = tokio::join!(read_all(&mut side), write);
    let outcome = Outcome {
        seen,
        ended: match stage.state.course() {
            Course::Over(ended) => ended,
            course @ (Course::Running | Course::Paused) => panic!("{course:?}"),
        },
        clean: side.ended_cleanly(),
        leftover: side.take_leftover().map(|buffer| buffer.unread().to_vec()).unwrap_or_default(),
        received: side.received(),
    };
    drop(side);
    assert_eq!(stage.core.buffers.taken(), 0, "every buffer went back");
    outcome
}

async fn relay_whole(request: &str, response: &str) -> Outcome {
    relay(REVERSE, request, &[response.as_bytes()], true).await
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n005;a\r\nhello\r\n0\r\nA:b\r\n\r\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\nDate: x\r\n\r\nhello";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

#[tokio::test]
async fn every_split_of_a_response_is_relayed_alike() {
    for (request, response) in [
        (GET, LENGTH.to_owned()),
        (GET, CHUNKED.to_owned()),
        (OLD_GET, CHUNKED.to_owned()),
        (GET, format!("{INTERIM}{LENGTH}")),
        (OLD_GET, format!("{INTERIM}{LENGTH}")),
        (GET, "HTTP/1.1 200 OK\r\nDate: x\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ] {
        let bytes = response.as_bytes();
        let whole = relay(REVERSE, request, &[bytes], false).await;
        assert_eq!((whole.ended, whole.clean), (Ended::Done, true), "{response:?}");
        for cut in 0..=bytes.len() {
            let parts = relay(REVERSE, request, &[&bytes[..cut], &bytes[cut..]], false).await;
            assert_eq!((parts.ended, parts.clean), (Ended::Done, true), "{response:?} cut at {cut}");
            assert_eq!(parts.seen, whole.seen, "{response:?} cut at {cut}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(relay(REVERSE, request, &each, false).await.seen, whole.seen, "{response:?} byte by byte");
    }
}

#[tokio::test]
async fn a_body_leaves_in_the_framing_that_the_client_understands() {
    for (request, response, body) in [
        (GET, LENGTH, "hello"),
        (GET, CHUNKED, "5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        (OLD_GET, CHUNKED, "hello"),
        (GET, UNTIL_CLOSE, "5\r\nhello\r\n0\r\n\r\n"),
        (OLD_GET, UNTIL_CLOSE, "hello"),
    ] {
        let outcome = relay_whole(request, response).await;
        assert_eq!(outcome.ended, Ended::Done, "{response:?}");
        assert_eq!(outcome.responses()[0].body, body.as_bytes(), "{response:?}");
        assert_eq!(outcome.clean, response != UNTIL_CLOSE, "{response:?}");
    }
}

#[tokio::test]
async fn interim_responses_are_relayed_before_the_final_one_and_never_to_http_10() {
    let response = format!("{INTERIM}{LENGTH}");
    let starts = |outcome: &Outcome| -> Vec<String> {
        outcome.responses().iter().map(|response| response.start.clone()).collect()
    };
    let outcome = relay_whole(GET, &response).await;
    assert_eq!(starts(&outcome), ["HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints", "HTTP/1.1 200 OK"]);
    assert_eq!(starts(&relay_whole(OLD_GET, &response).await), ["HTTP/1.1 200 OK"]);
}

#[tokio::test]
async fn the_number_of_interim_responses_is_bounded() {
    let arguments = &["--upstream=http://127.0.0.1:9001", "--limit-interim=3"];
    for (count, error) in [(3, None), (4, Some(Error::TooManyInterim)), (1000, Some(Error::TooManyInterim))] {
        for request in [GET, OLD_GET] {
            let response = format!("{}{LENGTH}", "HTTP/1.1 103 x\r\n\r\n".repeat(count));
            let outcome = relay(arguments, request, &[response.as_bytes()], true).await;
            assert_eq!(outcome.error(), error, "{count} to {request:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_says_nothing_useful_is_a_bad_gateway() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(16 << 10));
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(18 << 10));
    for (response, error, received) in [
        ("", Error::UpstreamClosed, false),
        ("HTTP/1.1 200 OK\r\n", Error::UpstreamClosed, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", Error::UpstreamClosed, true),
        (&long, Error::ResponseHeadTooLarge, true),
        (&endless, Error::ResponseHeadTooLarge, true),
        ("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Error::UpgradeFailed, true),
    ] {
        let outcome = relay_whole(GET, response).await;
        assert_eq!((outcome.error(), outcome.received), (Some(error), received), "{response:.60?}");
    }
    for response in ["ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\nX\n\n", "\x16\x03", "HTTP/1.1 20 OK\r\n\r\n"] {
        let outcome = relay_whole(GET, response).await;
        assert!(matches!(outcome.error(), Some(Error::ResponseHead(_))), "{response:?}: {outcome:?}");
        assert!(outcome.seen.is_empty() && !outcome.clean, "{response:?}");
    }
}

#[tokio::test]
async fn a_body_cut_short_is_never_completed() {
    for (request, response, ends_so) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "hello"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello\r\n"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "hello\r\n"),
        (OLD_GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello"),
    ] {
        let outcome = relay_whole(request, response).await;
        assert_eq!(outcome.error(), Some(Error::ResponseIncomplete), "{response:?}");
        assert!(outcome.seen.ends_with(ends_so.as_bytes()), "{outcome:?}");
        assert!(!outcome.clean);
    }
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n";
    let outcome = relay(REVERSE, GET, &[&broken.as_bytes()[..47], &broken.as_bytes()[47..]], true).await;
    assert!(matches!(outcome.error(), Some(Error::ResponseBody(_))), "{outcome:?}");
    assert!(!outcome.seen.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn what_comes_behind_a_response_reaches_nobody_and_spoils_the_connection() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    ] {
        let alone = relay(REVERSE, GET, &[response.as_bytes()], false).await;
        let with_more = [response.as_bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"].concat();
        let followed = relay(REVERSE, GET, &[&with_more], false).await;
        assert!(alone.clean && !followed.clean, "{response:?}");
        assert!(!followed.seen.windows(6).any(|window| window == b"POISON"), "{response:?}");
    }
}

#[tokio::test]
async fn what_comes_behind_a_switch_belongs_to_the_tunnel() {
    let head = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let outcome = relay(REVERSE, WEBSOCKET, &[format!("{head}frames").as_bytes()], false).await;
    assert_eq!((outcome.ended, outcome.leftover.as_slice()), (Ended::Switch, &b"frames"[..]));
    let responses = outcome.responses();
    assert_eq!((responses.len(), responses[0].body.len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_that_is_followed_shows_nothing_to_the_client() {
    let request = "GET /?url=http://t.example/ HTTP/1.1\r\nHost: h\r\n\r\n";
    let response = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nhello";
    let outcome = relay(&[], request, &[response], false).await;
    assert_eq!((outcome.ended, outcome.seen.len(), outcome.clean), (Ended::Redirect, 0, false));
}

#[tokio::test]
async fn an_upstream_that_stops_reading_may_still_answer() {
    let stage = Stage::new(REVERSE, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    let (near, mut upstream) = UnixStream::pair().unwrap();
    let mut stream = Stream::Unix(near);
    let mut side = stage.upstream(&mut stream);
    side.write_all(b"he").await.unwrap();
    assert_eq!(stage.state.upload.sent(), 2);
    upstream.write_all(b"HTTP/1.1 413 x\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
    let mut sink = [0; 2];
    upstream.read_exact(&mut sink).await.unwrap();
    drop(upstream);
    side.write_all(b"llo").await.unwrap();
    side.shutdown().await.unwrap();
    assert_eq!(stage.state.upload.target(), TargetState::Discarding);
    assert_eq!(stage.state.upload.sent(), 2, "what is thrown away has not left");
    let written = Written::response(&read_all(&mut side).await);
    assert_eq!((written.start.as_str(), written.body.as_slice()), ("HTTP/1.1 413 x", &b"hello"[..]));
    assert_eq!(written.all("Connection"), ["close"]);
    assert_eq!(stage.state.course(), Course::Over(Ended::Done));
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_blocks_the_upload() {
    let stage = Stage::new(REVERSE, GET);
    let (near, upstream) = UnixStream::pair().unwrap();
    let mut stream = Stream::Unix(near);
    let mut side = stage.upstream(&mut stream);
    while poll_fn(|cx| Poll::Ready(Pin::new(&mut side).poll_write(cx, &[0; 4096]).is_ready())).await {}
    assert_eq!(stage.state.upload.waiting(), Waiting::Write);
    // Once the exchange is over nobody waits for it any more.
    stage.state.end(Ended::Done);
    side.write_all(&[0; 4096]).await.unwrap();
    assert_eq!(stage.state.upload.target(), TargetState::Discarding);
    drop(upstream);
}

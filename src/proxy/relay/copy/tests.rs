//! Both directions at once, with a client at one end and an upstream at the other.

use std::pin::Pin;

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    task::{spawn_local, yield_now},
    time::Instant,
};

use super::*;
use crate::{
    net::{
        stream::Stream,
        testing::{in_worker, tcp_pair, tls_pair},
    },
    plan::sample::REVERSE,
    proxy::{
        core::BULK_STREAMS,
        relay::{
            flow::{BULK_MARK, Flow, STALL},
            sample::Stage,
            state::TargetState,
        },
    },
};

/// Of each body, what comes at first and what there is in all: enough for a pause, too little for more.
const FIRST: usize = 1000;
const WHOLE: usize = 100_000;

/// A stream and its peer, which reads nothing and for which the stream holds back what it has taken.
async fn full() -> (Stream, Stream) {
    let (mut near, far) = tls_pair().await;
    while poll_fn(|cx| {
        assert!(Pin::new(&mut near).poll_write(cx, &[0; 4096]).is_ready());
        Poll::Ready(Pin::new(&mut near).poll_flush(cx).is_ready())
    })
    .await
    {
        // A task that has used up its share of the runtime would see every socket as pending.
        yield_now().await;
    }
    (near, far)
}

fn pair() -> (Stream, Stream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Stream::Unix(near), Stream::Unix(far))
}

/// Waits until `flow`, which is about to be bulk, has brought its first bytes.
async fn is_bulk(flow: &Flow) {
    while !flow.is_bulk() {
        yield_now().await;
    }
}

/// Streams between these ends while `meanwhile` happens, which must come to its end.
async fn while_streaming(
    stage: &Stage,
    client: &mut Stream,
    upstream: &mut Stream,
    meanwhile: impl Future<Output = ()>,
) {
    let (mut client, mut upstream) = (stage.client(client), stage.upstream(upstream));
    let route = stage.setup.config.route(stage.setup.plan.route);
    let (core, mut timer) = (&*stage.core, Timer::default());
    tokio::select! {
        biased;
        () = meanwhile => {}
        ended = copy(core, route, (&mut client, &mut upstream), &stage.state, &mut timer, (false, None)) => {
            panic!("it ended: {ended:?}");
        }
    }
}

fn upload() -> Stage {
    Stage::new(REVERSE, &format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {WHOLE}\r\n\r\n"))
}

fn response() -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n").into_bytes()
}

#[test]
fn an_upload_that_cannot_leave_does_not_hold_the_response_up() {
    in_worker(async {
        let stage = upload();
        let ((mut client, mut client_far), (mut upstream, mut upstream_far)) = (pair(), full().await);
        stage.state.upload.sent.set(BULK_MARK - 1);
        while_streaming(&stage, &mut client, &mut upstream, async {
            client_far.write_all(&vec![b'x'; FIRST]).await.unwrap();
            is_bulk(&stage.state.upload).await;
            upstream_far.write_all(&[response(), vec![b'y'; WHOLE - 1]].concat()).await.unwrap();
            upstream_far.flush().await.unwrap();
            client_far.read_exact(&mut vec![0; WHOLE]).await.unwrap();
        })
        .await;
    });
}

#[test]
fn a_response_that_cannot_leave_does_not_hold_the_upload_up() {
    in_worker(async {
        let stage = upload();
        let ((mut client, mut client_far), (mut upstream, mut upstream_far)) = (full().await, pair());
        stage.state.download.sent.set(BULK_MARK - 1);
        while_streaming(&stage, &mut client, &mut upstream, async {
            upstream_far.write_all(&[response(), vec![b'y'; FIRST]].concat()).await.unwrap();
            is_bulk(&stage.state.download).await;
            client_far.write_all(&vec![b'x'; WHOLE]).await.unwrap();
            client_far.flush().await.unwrap();
            upstream_far.read_exact(&mut vec![0; WHOLE]).await.unwrap();
        })
        .await;
    });
}

/// A response that is longer than everything that a test reads of it.
const LONG: usize = 64 << 20;

fn download() -> Stage {
    let stage = Stage::new(REVERSE, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    stage.state.upload.read_to_end();
    stage
}

/// Sends a long response for as long as somebody takes it.
fn respond(mut far: Stream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n");
    spawn_local(async move {
        far.write_all(head.as_bytes()).await.unwrap();
        // It ends when the test does.
        while far.write_all(&[b'x'; 64 << 10]).await.is_ok() {}
    });
}

/// Waits until the client, which reads nothing, takes no more.
async fn is_held(flow: &Flow) {
    while flow.target() != TargetState::Blocked {
        yield_now().await;
    }
}

/// The time of a stall passes, for a client that takes no more.
async fn stall(flow: &Flow) {
    is_held(flow).await;
    flow.held_since.set(Instant::now().checked_sub(STALL));
}

/// Reads until `enough`, which comes before the body ends.
async fn read_until(client: &mut Stream, enough: impl Fn() -> bool) {
    let mut room = vec![0; 16 << 10];
    let mut left = LONG;
    while !enough() {
        left = left.checked_sub(client.read(&mut room).await.unwrap()).expect("more than the body");
        yield_now().await;
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_pipe_and_a_wide_window_are_for_a_client_that_keeps_up() {
    use std::os::fd::AsFd as _;

    use socket2::{SockRef, Socket};

    in_worker(async {
        let stage = download();
        let ((client, client_far), (upstream, upstream_far)) = (tcp_pair().await, tcp_pair().await);
        // So that little is on its way: the kernel's own buffers take in megabytes.
        SockRef::from(&client).set_send_buffer_size(32 << 10).unwrap();
        SockRef::from(&client_far).set_recv_buffer_size(32 << 10).unwrap();
        let socket = Socket::from(upstream.as_fd().try_clone_to_owned().unwrap());
        // As a connection has it: one that nobody has bounded the kernel widens by itself.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let window = || socket.recv_buffer_size().unwrap();
        let given_back = || stage.core.pipes.free() == 1;
        respond(Stream::Tcp(upstream_far));
        let (mut client, mut upstream) = (Stream::Tcp(client), Stream::Tcp(upstream));
        let mut client_far = Stream::Tcp(client_far);
        let flow = &stage.state.download;
        let at_first = window();
        while_streaming(&stage, &mut client, &mut upstream, async {
            is_held(flow).await;
            assert_eq!(window(), at_first, "it has not proved to keep up");
            read_until(&mut client_far, || window() != at_first).await;
            assert!(flow.is_bulk());
            let wide = window();
            for _ in 0..2 {
                assert!(!given_back(), "the pipe is in use");
                stall(flow).await;
                assert!(!given_back(), "it holds what the client has not taken");
                read_until(&mut client_far, given_back).await;
                assert!(window() < wide && flow.lags());
                read_until(&mut client_far, || !given_back() && window() == wide).await;
                assert!(flow.is_bulk());
            }
        })
        .await;
    });
}

#[test]
fn large_buffers_are_for_a_client_that_keeps_up() {
    in_worker(async {
        let stage = download();
        let ((mut client, mut client_far), (mut upstream, upstream_far)) = (pair(), pair());
        let given_back = || stage.core.bulk_permits.get() == BULK_STREAMS;
        respond(upstream_far);
        let flow = &stage.state.download;
        while_streaming(&stage, &mut client, &mut upstream, async {
            for _ in 0..2 {
                is_held(flow).await;
                assert!(given_back(), "it has not proved to keep up");
                read_until(&mut client_far, || !given_back()).await;
                assert!(flow.is_bulk());
                stall(flow).await;
                read_until(&mut client_far, given_back).await;
                assert!(flow.lags());
            }
        })
        .await;
    });
}

/// What [`pass_piece`] says of `size` bytes of a response of `length`, so many of which the client has been given then, and
/// so many are left to the copy.
async fn pass(length: usize, size: usize, client_takes: bool) -> (bool, u64, usize) {
    let stage = download();
    let ((client, client_far), (upstream, mut upstream_far)) = (tcp_pair().await, tcp_pair().await);
    while !client_takes && client.try_write(&[0; 64 << 10]).is_ok() {
        yield_now().await;
    }
    let (mut client, mut upstream) = (Stream::Tcp(client), Stream::Tcp(upstream));
    let (mut client, mut upstream) = (stage.client(&mut client), stage.upstream(&mut upstream));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    upstream_far.write_all(head.as_bytes()).await.unwrap();
    poll_fn(|cx| upstream.poll_head(cx)).await.unwrap();
    upstream.take_out();
    stage.state.begin_response();
    upstream_far.write_all(&vec![b'x'; size]).await.unwrap();
    poll_fn(|cx| upstream.stream.poll_more(cx)).await;
    let is_all = pass_piece(&stage.core, &mut client, &mut upstream, &stage.state).await.unwrap();
    let left = upstream.take_out().map_or(0, |out| out.unread().len());
    assert_eq!(stage.core.buffers.taken(), 0, "none is held");
    assert_eq!(upstream.is_complete(), size == length);
    drop(client_far);
    (is_all, stage.state.download.sent(), left)
}

#[test]
fn a_little_of_a_response_passes_by_itself_and_whatever_is_more_is_for_the_copy() {
    in_worker(async {
        assert_eq!(pass(100, 10, true).await, (true, 10, 0));
        assert_eq!(pass(10, 10, true).await, (true, 10, 0), "the end of it, too");
        let most = PIECE as u64;
        assert_eq!(pass(2 * PIECE, PIECE - 1, true).await, (true, most - 1, 0));
        assert_eq!(pass(2 * PIECE, PIECE, true).await, (false, most, 0), "there may be more");
        assert_eq!(pass(100, 10, false).await, (false, 0, 10), "the client takes nothing");
    });
}

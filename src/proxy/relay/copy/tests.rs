//! Both directions at once, with a client at one end and an upstream at the other.

use std::pin::Pin;

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    task::yield_now,
};

use super::*;
use crate::{
    net::{
        stream::Stream,
        testing::{in_worker, tls_pair},
    },
    plan::sample::REVERSE,
    proxy::relay::{flow::Flow, sample::Stage},
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
    let (core, config, mut timer) = (&*stage.core, &stage.setup.config, Timer::default());
    tokio::select! {
        biased;
        () = meanwhile => {}
        ended = copy(core, config, &mut client, &mut upstream, &stage.state, &mut timer) => {
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

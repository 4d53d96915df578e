//! Sending what is rendered already to one of the two peers, within a bounded time.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tokio::{io::AsyncWrite, time::Instant};

use crate::{
    error::Error,
    net::{stream::Stream, timer::Timer},
    observe::metrics::Leg,
};

/// Writes `bytes` to the peer at the other end of this leg, which may take nothing for `patience`.
///
/// # Errors
/// Those of [`gone`] and of a peer that takes nothing: [`Error::ClientSendTimeout`],
/// [`Error::UpstreamSendTimeout`].
pub(crate) async fn send(
    stream: &mut Stream,
    leg: Leg,
    bytes: &[u8],
    timer: &mut Timer,
    patience: Duration,
) -> Result<(), Error> {
    let stalled = match leg {
        Leg::Client => Error::ClientSendTimeout,
        Leg::Upstream => Error::UpstreamSendTimeout,
    };
    let mut left = bytes;
    let mut deadline = None;
    poll_fn(|cx| {
        while !left.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, left) {
                Poll::Ready(Ok(size)) if size > 0 => {
                    left = &left[size..];
                    deadline = None;
                }
                Poll::Ready(_) => return Poll::Ready(Err(gone(leg))),
                Poll::Pending => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                    return timer.poll_until(cx, deadline).map(|()| Err(stalled));
                }
            }
        }
        match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_| gone(leg))),
            Poll::Pending => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                timer.poll_until(cx, deadline).map(|()| Err(stalled))
            }
        }
    })
    .await
}

/// What it is called when the peer of this leg has gone while it had something to take or to send.
pub(crate) const fn gone(leg: Leg) -> Error {
    match leg {
        Leg::Client => Error::ClientGone,
        Leg::Upstream => Error::ResponseIncomplete,
    }
}

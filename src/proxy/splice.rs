//! The slow path without a visit to user space: a body between two plain TCP connections moves through a pipe.
//!
//! The sides know which bytes need not be looked at ([`BodyReader::opaque`]); those are spliced, and what
//! delimits them (chunk headers) is read and checked as ever and goes into the pipe in its place. Only one
//! direction is spliced, while nothing moves the other way: whenever anything else happens (a response to an
//! upload that still runs, chunks too small to be worth it), the copy of [`stream`](super::stream) goes on,
//! with what is left in the pipe.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::{
    client_side::ClientSide,
    core::Core,
    state::{ExchangeState, Flow},
    upstream_side::UpstreamSide,
};
use crate::{
    error::Error,
    http1::body::BodyReader,
    net::{
        splice::{PIPE_CAPACITY, Pipe, poll_send_with_more},
        stream::Stream,
    },
};

/// The least number of bytes ahead for which a pipe is cheaper than a buffer.
pub(super) const WORTHWHILE: u64 = 32 << 10;
/// Bytes that go through a pipe at once while a stream may still be short: with its head they fit one segment of
/// the loopback, which costs a third less for 100 KB than two. A long stream is cheapest with full pipes.
const FIRST_PIECES: usize = 56 << 10;
const SHORT: u64 = 1 << 20;
/// How much wider the receive buffer of a long stream's source is: it takes in a megabyte in one go, at a third
/// of the cost, and over distances the window is what bounds the rate.
const WIDER: usize = 4;
/// Bytes moved in one turn of a task; then others have theirs.
const TURN: usize = 1 << 20;

/// The direction that is spliced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spliced {
    /// The response body; the whole request is on its way already.
    Download,
    /// The request body, before anything came back.
    Upload,
}

/// Whether what is left of a response is to be spliced, so that its head can leave with it.
pub(crate) fn is_worthwhile(core: &Core, client: &Stream, upstream: &UpstreamSide<'_>) -> bool {
    upstream.opaque() >= WORTHWHILE
        && client.plain_tcp().is_some()
        && upstream.stream.plain_tcp().is_some()
        && !core.pipes.is_exhausted()
}

/// Takes a pipe for the direction that is worth it, if there is one; it is in the side that it starts from.
/// A body that has `left` its pipe stays out of pipes: its chunks are too small for them.
pub(crate) fn begin(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
    left: Option<Spliced>,
) -> Option<Spliced> {
    let (place, spliced) = if is_worthwhile(core, client.stream, upstream) {
        let uploads = !(client.body.is_written() || state.upload_cut.get()) || client.piped.is_some();
        (&mut upstream.piped, Some(Spliced::Download).filter(|_| !uploads))
    } else {
        let is_worthwhile = client.opaque() >= WORTHWHILE
            && client.stream.plain_tcp().is_some()
            && upstream.stream.plain_tcp().is_some();
        let is_alone = upstream.awaits_head() && !state.upload_discarded.get();
        (&mut client.piped, Some(Spliced::Upload).filter(|_| is_worthwhile && is_alone))
    };
    let spliced = spliced.filter(|spliced| left != Some(*spliced))?;
    *place = Some(core.pipes.take()?);
    Some(spliced)
}

/// Makes the receive buffer of a long stream's source wider, for the rest of its connection's life: a window
/// made narrow again would hold the next stream back. Buffers left to the kernel are left to it.
pub(crate) fn widen(
    spliced: Spliced,
    client: &ClientSide<'_>,
    upstream: &UpstreamSide<'_>,
    socket_buffer: Option<usize>,
) {
    let source = match spliced {
        Spliced::Download => &*upstream.stream,
        Spliced::Upload => &*client.stream,
    };
    if let Some(bytes) = socket_buffer {
        source.set_receive_buffer(bytes.saturating_mul(WIDER));
    }
}

/// The most that goes through a pipe at once.
fn piece(flow: &Flow, opaque: u64) -> usize {
    let most = if flow.sent.get() < SHORT { FIRST_PIECES } else { PIPE_CAPACITY };
    usize::try_from(opaque).map_or(most, |opaque| opaque.min(most))
}

/// Moves what can be moved in the direction of `spliced`; ready when the copy has to go on, which finds what
/// is left in the side's pipe.
///
/// # Errors
/// What ends the exchange.
pub(crate) fn poll_spliced(
    cx: &mut Context<'_>,
    spliced: Spliced,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Poll<Result<(), Error>> {
    let place = |client: &mut ClientSide<'_>, upstream: &mut UpstreamSide<'_>, pipe| match spliced {
        Spliced::Download => std::mem::replace(&mut upstream.piped, pipe),
        Spliced::Upload => std::mem::replace(&mut client.piped, pipe),
    };
    let Some(mut pipe) = place(client, upstream, None) else { return Poll::Ready(Ok(())) };
    let polled = match spliced {
        Spliced::Download => poll_download(cx, &mut pipe, client, upstream, state),
        Spliced::Upload => poll_upload(cx, &mut pipe, client, upstream, state),
    };
    if polled.is_pending() || pipe.held() > 0 {
        place(client, upstream, Some(pipe));
    }
    polled
}

fn poll_download(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Poll<Result<(), Error>> {
    if client.poll_watch(cx).is_ready() {
        return Poll::Ready(Err(Error::ClientGone));
    }
    let mut moved = 0;
    while moved < TURN {
        let poured = if pipe.held() == 0 { poll_response_body(cx, pipe, upstream) } else { GOES_ON };
        ready!(poll_out(cx, client.stream, upstream, state, pipe.held() > 0))?;
        let goes_on = ready!(poured)?;
        while pipe.held() > 0 {
            match drain(cx, pipe, client.stream, &state.download) {
                Poll::Ready(Some(size)) => moved += size,
                Poll::Ready(None) => return Poll::Ready(Err(Error::ClientGone)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if !goes_on {
            return Poll::Ready(Ok(()));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn poll_upload(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Poll<Result<(), Error>> {
    if let Poll::Ready(arrived) = upstream.poll_arrival(cx) {
        return Poll::Ready(arrived);
    }
    let mut moved = 0;
    while moved < TURN {
        let goes_on = if pipe.held() == 0 { ready!(poll_request_body(cx, pipe, client))? } else { true };
        while pipe.held() > 0 {
            match drain(cx, pipe, upstream.stream, &state.upload) {
                Poll::Ready(Some(size)) => moved += size,
                Poll::Ready(None) => {
                    // It may have answered before it stopped reading; the copy waits for that.
                    state.upload_discarded.set(true);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if !goes_on {
            return Poll::Ready(Ok(()));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

const GOES_ON: Poll<Result<bool, Error>> = Poll::Ready(Ok(true));

/// Moves the next bytes of the response body into the pipe; whether it is the way for what follows them.
fn poll_response_body(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    upstream: &mut UpstreamSide<'_>,
) -> Poll<Result<bool, Error>> {
    if upstream.opaque() > 0 {
        let most = piece(&upstream.state.download, upstream.opaque());
        return upstream.poll_pour(cx, pipe, most).map_ok(|()| true);
    }
    let mut room = [0; BodyReader::MIN_ROOM];
    let size = ready!(upstream.poll_body(cx, &mut room))?;
    pipe.push(&room[..size]).map_err(|_| Error::Internal)?;
    Poll::Ready(Ok(upstream.opaque() >= WORTHWHILE))
}

/// The same for the request body.
fn poll_request_body(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    client: &mut ClientSide<'_>,
) -> Poll<Result<bool, Error>> {
    if client.opaque() > 0 {
        let most = piece(&client.state.upload, client.opaque());
        return client.poll_pour(cx, pipe, most).map_ok(|()| true);
    }
    let mut room = [0; BodyReader::MIN_ROOM];
    let size = ready!(client.poll_body(cx, &mut room))?;
    pipe.push(&room[..size]).map_err(|_| Error::Internal)?;
    Poll::Ready(Ok(client.opaque() >= WORTHWHILE))
}

/// Sends what leaves before the body; with a body behind it, both together.
fn poll_out(
    cx: &mut Context<'_>,
    client: &mut Stream,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
    more: bool,
) -> Poll<Result<(), Error>> {
    while let Some(out) = &mut upstream.out {
        let sent = match client.plain_tcp() {
            Some(tcp) if more => poll_send_with_more(cx, tcp, out.unread()),
            _ => Pin::new(&mut *client).poll_write(cx, out.unread()),
        };
        state.download.blocked.set(sent.is_pending());
        match ready!(sent) {
            Ok(size) if size > 0 => {
                state.download.wrote(size);
                out.consume(size);
            }
            _ => return Poll::Ready(Err(Error::ClientGone)),
        }
        if out.is_empty() {
            upstream.out = None;
        }
    }
    Poll::Ready(Ok(()))
}

/// Moves bytes out of the pipe; `None` when the target takes no more.
fn drain(cx: &mut Context<'_>, pipe: &mut Pipe, target: &Stream, flow: &Flow) -> Poll<Option<usize>> {
    let Some(tcp) = target.plain_tcp() else { return Poll::Ready(None) };
    let drained = pipe.poll_drain(cx, tcp);
    flow.blocked.set(drained.is_pending());
    drained.map(|drained| {
        let size = drained.ok().filter(|size| *size > 0)?;
        flow.wrote(size);
        Some(size)
    })
}

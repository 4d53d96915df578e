//! The slow path without a visit to user space: a body between two plain TCP connections moves through a pipe.
//!
//! The sides know which bytes need not be looked at ([`BodyReader::opaque`]); those are spliced, and what
//! delimits them (chunk headers) is read and checked as ever and goes into the pipe in its place. What has come
//! leaves together, chunk headers with the data around them, and waits for nothing. Only one direction is
//! spliced, while nothing moves the other way: whenever anything else happens (a response to an upload that
//! still runs, chunks too small to be worth it), the [copy](mod@super::copy) goes on, with what is left in the pipe.
//!
//! A pipe is for a target that keeps up with its source, and so is a wide window: what a target that stalls does not
//! take would only wait in them. Such a one has small buffers instead, until it has made good for it.

use std::{
    io,
    task::{Context, Poll, ready},
};

use super::{
    client_side::ClientSide,
    flow::{BULK_MARK, ExchangeState, Flow, WORTHWHILE},
    source::Source,
    state::SourceState,
    upstream_side::UpstreamSide,
};
use crate::{
    error::Error,
    http1::body::BodyReader,
    net::{
        pipe::{PIPE_CAPACITY, Pipe, poll_send},
        stream::Stream,
    },
    proxy::core::Core,
};

/// Bytes that go through a pipe at once while a stream may still be short, and where chunk headers come between:
/// with its head they fit one segment of the loopback, which costs a third less for 100 KB than two, and for
/// chunks of 64 KiB a third less than longer pieces. Only long data, of a long stream, is cheapest with full pipes.
const SHORT_PIECES: usize = 56 << 10;
const SHORT: u64 = 1 << 20;
const LONG_DATA: u64 = 2 * SHORT_PIECES as u64;
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

impl Spliced {
    /// What is known of the direction.
    pub(crate) const fn flow(self, state: &ExchangeState) -> &Flow {
        match self {
            Self::Download => &state.download,
            Self::Upload => &state.upload,
        }
    }
}

/// Whether what is left of a response is to be spliced, so that its head can leave with it.
pub(crate) fn is_worthwhile(core: &Core, client: &ClientSide<'_>, upstream: &UpstreamSide<'_>) -> bool {
    upstream.opaque() >= WORTHWHILE
        && client.stream.plain_tcp().is_some()
        && upstream.stream.plain_tcp().is_some()
        && !core.pipes.is_exhausted()
}

/// Takes a pipe for the direction that is worth it, if there is one; it is in the side that it starts from.
/// A body that has `left` its pipe stays out of pipes: its chunks are too small for them. One whose target lags waits
/// until it does not.
pub(crate) fn begin(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
    left: Option<Spliced>,
) -> Option<Spliced> {
    let (place, spliced) = if is_worthwhile(core, client, upstream) {
        let is_cut = state.upload.source() == SourceState::Cut;
        let uploads = !(client.is_written() || is_cut) || client.piped.is_some();
        (&mut upstream.piped, Some(Spliced::Download).filter(|_| !uploads))
    } else {
        let is_worthwhile = client.opaque() >= WORTHWHILE
            && client.stream.plain_tcp().is_some()
            && upstream.stream.plain_tcp().is_some();
        let is_alone = upstream.awaits_head() && !state.upload.is_discarding();
        (&mut client.piped, Some(Spliced::Upload).filter(|_| is_worthwhile && is_alone))
    };
    let spliced = spliced.filter(|spliced| left != Some(*spliced) && !spliced.flow(state).lags())?;
    *place = Some(core.pipes.take()?);
    Some(spliced)
}

/// The receive buffer of a spliced body's source, which bounds what the source may send ahead.
///
/// It grows once the target has proved to keep up, and stays so for the rest of its connection's life, unless the
/// target lags: a window made narrow again would hold the next stream back. What has come into it by then stays until
/// the target takes it. Buffers left to the kernel are left to it.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: Option<usize>,
    /// There has been data so long that a wide one pays; chunks are mostly shorter.
    is_worthwhile: bool,
    is_wide: bool,
    /// The source has failed; what came before that is on its way.
    failed: Option<Error>,
}

impl Window {
    /// The window of a source whose receive buffer has `bytes`.
    pub(crate) const fn new(bytes: Option<usize>) -> Self {
        Self { bytes, is_worthwhile: false, is_wide: false, failed: None }
    }

    /// Widens it when it is time.
    fn follow(&mut self, source: &impl Source, flow: &Flow) {
        self.is_worthwhile |= source.opaque() >= BULK_MARK;
        if let Some(bytes) = self.bytes.filter(|_| self.is_worthwhile && !self.is_wide && flow.is_bulk()) {
            source.stream().set_receive_buffer(bytes.saturating_mul(WIDER));
            self.is_wide = true;
        }
    }

    /// Also after a stream before this one made it wide.
    fn narrow(&mut self, source: &Stream) {
        if let Some(bytes) = self.bytes {
            source.set_receive_buffer(bytes);
            self.is_wide = false;
        }
    }
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
    window: &mut Window,
) -> Poll<Result<(), Error>> {
    let place = |client: &mut ClientSide<'_>, upstream: &mut UpstreamSide<'_>, pipe| match spliced {
        Spliced::Download => std::mem::replace(&mut upstream.piped, pipe),
        Spliced::Upload => std::mem::replace(&mut client.piped, pipe),
    };
    let Some(mut pipe) = place(client, upstream, None) else { return Poll::Ready(Ok(())) };
    let polled = match spliced {
        Spliced::Download => poll_download(cx, (&mut pipe, window), client, upstream, state),
        Spliced::Upload => poll_upload(cx, (&mut pipe, window), client, upstream, state),
    };
    if polled.is_pending() || pipe.held() > 0 {
        place(client, upstream, Some(pipe));
    }
    polled
}

fn poll_download(
    cx: &mut Context<'_>,
    way: (&mut Pipe, &mut Window),
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Poll<Result<(), Error>> {
    if client.poll_watch(cx).is_ready() {
        return Poll::Ready(Err(Error::ClientGone));
    }
    match ready!(poll_through(cx, way, upstream, client.stream, &state.download))? {
        Stopped::Source => Poll::Ready(Ok(())),
        Stopped::Target => Poll::Ready(Err(Error::ClientGone)),
    }
}

fn poll_upload(
    cx: &mut Context<'_>,
    way: (&mut Pipe, &mut Window),
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Poll<Result<(), Error>> {
    if let Poll::Ready(arrived) = upstream.poll_arrival(cx) {
        return Poll::Ready(arrived);
    }
    if ready!(poll_through(cx, way, client, upstream.stream, &state.upload))? == Stopped::Target {
        // It may have answered before it stopped reading; the copy waits for that.
        state.upload.discard();
    }
    Poll::Ready(Ok(()))
}

/// Why nothing more goes through the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// What follows of the body is not worth a pipe, or there is no more, or the target lags behind it.
    Source,
    /// The target takes no more.
    Target,
}

/// Moves the body through the pipe, as long as that is the way for it.
fn poll_through(
    cx: &mut Context<'_>,
    (pipe, window): (&mut Pipe, &mut Window),
    source: &mut impl Source,
    target: &Stream,
    flow: &Flow,
) -> Poll<Result<Stopped, Error>> {
    let mut moved = 0;
    while moved < TURN {
        if pipe.held() == 0 && window.failed.is_none() && flow.lags() {
            window.narrow(source.stream());
            return Poll::Ready(Ok(Stopped::Source));
        }
        window.follow(source, flow);
        let is_empty = pipe.held() == 0 && window.failed.is_none();
        let filled = if is_empty { poll_fill(cx, pipe, source, flow) } else { GOES_ON };
        if let Poll::Ready(Err(error)) = filled {
            window.failed = Some(error);
        }
        let sent = poll_empty(cx, pipe, source, target, flow, &mut moved);
        if !ready!(sent) {
            return Poll::Ready(Ok(Stopped::Target));
        }
        // What came before the fault has left, for as long as its target takes it; a source that failed is not asked
        // again.
        if let Some(error) = window.failed {
            return Poll::Ready(Err(error));
        }
        if !ready!(filled)? {
            return Poll::Ready(Ok(Stopped::Source));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

const GOES_ON: Poll<Result<bool, Error>> = Poll::Ready(Ok(true));

/// Moves what has come of the body into the empty pipe: one long piece, or a short one of chunk after chunk.
/// Whether the pipe is the way for what follows. It is pending only with an empty pipe: what has come waits for
/// nothing.
fn poll_fill(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    source: &mut impl Source,
    flow: &Flow,
) -> Poll<Result<bool, Error>> {
    let is_long = flow.drained() >= SHORT;
    if is_long && source.opaque() >= LONG_DATA {
        return source.poll_pour(cx, pipe, piece(source, PIPE_CAPACITY)).map_ok(|()| true);
    }
    while pipe.held() + BodyReader::MIN_ROOM <= SHORT_PIECES {
        let is_data = source.opaque() > 0;
        let filled = if is_data {
            source.poll_pour(cx, pipe, piece(source, SHORT_PIECES - pipe.held())).map_ok(|()| true)
        } else {
            poll_push(cx, pipe, source)
        };
        match filled {
            // The rest of a piece that came short is often there by now; for a short stream it is too little.
            GOES_ON if is_data && source.opaque() > 0 && !is_long => break,
            GOES_ON => {}
            Poll::Pending if pipe.held() > 0 => break,
            Poll::Ready(_) | Poll::Pending => return filled,
        }
    }
    GOES_ON
}

/// The bytes of data that go into the pipe next, of which there is room for `most`.
fn piece(source: &impl Source, most: usize) -> usize {
    usize::try_from(source.opaque()).map_or(most, |opaque| opaque.min(most))
}

/// Moves what delimits the body at this point into the pipe; whether the pipe is the way for what follows.
fn poll_push(cx: &mut Context<'_>, pipe: &mut Pipe, source: &mut impl Source) -> Poll<Result<bool, Error>> {
    let mut room = [0; BodyReader::MIN_ROOM];
    let size = ready!(source.poll_body(cx, &mut room))?;
    pipe.push(&room[..size]).map_err(|_| Error::Internal)?;
    Poll::Ready(Ok(source.opaque() >= WORTHWHILE))
}

/// Sends what leaves before the body and what the pipe holds, both together; counts what of the latter has
/// `moved`. False when the target takes no more.
fn poll_empty(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    source: &mut impl Source,
    target: &Stream,
    flow: &Flow,
    moved: &mut usize,
) -> Poll<bool> {
    let Some(tcp) = target.plain_tcp() else { return Poll::Ready(false) };
    while let Some(lead) = source.lead() {
        let sent = poll_send(cx, tcp, lead.unread(), pipe.held() > 0);
        match ready!(noted(sent, flow)) {
            Some(size) => lead.consume(size),
            None => return Poll::Ready(false),
        }
    }
    while pipe.held() > 0 {
        let drained = pipe.poll_drain(cx, tcp);
        match ready!(noted(drained, flow)) {
            Some(size) => *moved += size,
            None => return Poll::Ready(false),
        }
    }
    Poll::Ready(true)
}

/// Writes down what a target took; `None` when it takes no more.
fn noted(sent: Poll<io::Result<usize>>, flow: &Flow) -> Poll<Option<usize>> {
    if sent.is_pending() {
        flow.held();
    }
    sent.map(|sent| {
        let size = sent.ok().filter(|size| *size > 0)?;
        flow.wrote(size);
        Some(size)
    })
}

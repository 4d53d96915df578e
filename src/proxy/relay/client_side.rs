//! The client's end of a running exchange: its request body out of it, the response into it. It is made once for an
//! exchange, and nothing else touches the client meanwhile.
//!
//! Reading yields exactly this request's body in the framing that goes upstream; pipelined bytes stay in the
//! connection's buffer. Once the body is complete the side keeps an eye on the connection, so that a client
//! that leaves takes its upstream request with it. The end of input is reported only when the exchange is
//! over: that is how the copy learns that it may stop.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{flow::ExchangeState, replay::Replay, source::Source, state::SourceState};
use crate::{
    error::Error,
    http1::body::{BodyFault, BodyReader},
    net::{buffer::Buffer, pipe::Pipe, stream::Stream, timer::Timer},
    observe::metrics::Leg,
    plan::BodyProgress,
    proxy::send::send,
};

/// The client's end of one exchange.
pub(crate) struct ClientSide<'a> {
    pub(super) stream: &'a mut Stream,
    /// The request head, what came of the body with it, and what comes behind the request.
    inbound: &'a RefCell<Buffer>,
    /// Bytes of `inbound` that must stay: the request head.
    head_len: usize,
    pub(super) body: BodyReader,
    state: &'a ExchangeState,
    /// A FIN means that the client is gone.
    fin_is_abort: bool,
    /// When the kernel is next asked about a client that cannot be heard.
    next_check: Option<Instant>,
    /// What of the body is on its way through a pipe.
    pub(super) piped: Option<Pipe>,
    /// What is kept of the body, where it may have to be sent again, and is being sent again.
    replay: Option<Box<Replay>>,
}

/// Room for what comes behind a request while its body, or the answer, takes long: enough for a short request.
const ROOM_BEHIND: usize = 256;
/// How often the kernel is asked whether a client that cannot be heard has reset its connection.
const DEAF_CHECK: Duration = Duration::from_millis(500);

impl<'a> ClientSide<'a> {
    /// The client of a request whose head is the start of `inbound`, with the reader of its body, and what that is kept
    /// in.
    pub(crate) fn new(
        stream: &'a mut Stream,
        inbound: &'a RefCell<Buffer>,
        head_len: usize,
        (body, replay): (BodyReader, Option<Box<Replay>>),
        state: &'a ExchangeState,
        fin_is_abort: bool,
    ) -> Self {
        if replay.is_some() && body.is_written() {
            // An empty one.
            state.keep_body();
        }
        Self { stream, inbound, head_len, body, state, fin_is_abort, next_check: None, piped: None, replay }
    }

    /// Begins another attempt at the request. What waited in a pipe for the upstream of the one before is dropped with
    /// the pipe: it belongs to no other. A body that was kept is sent again where it is `wanted`.
    pub(crate) fn begin_anew(&mut self, wanted: bool) {
        self.piped = None;
        self.replay = self.replay.take().filter(|_| wanted && self.state.body_kept());
        if let Some(replay) = &mut self.replay {
            replay.begin();
        }
        self.state.begin_anew();
    }

    /// The body of the request.
    pub(crate) const fn body(&self) -> &BodyReader {
        &self.body
    }

    /// Whether nothing of the body is left to be sent to the present upstream.
    pub(crate) fn is_written(&self) -> bool {
        self.body.is_written() && !self.is_replaying()
    }

    fn is_replaying(&self) -> bool {
        self.replay.as_ref().is_some_and(|replay| replay.is_running())
    }

    /// How far the body of the request has been read.
    pub(crate) fn body_progress(&self) -> BodyProgress {
        match self.body.payload() {
            _ if self.body.is_done() => BodyProgress::Read,
            0 => BodyProgress::Untouched,
            _ => BodyProgress::Begun,
        }
    }

    /// Keeps the head in no more memory than it takes: what goes on now may take long.
    pub(crate) fn hold_less(&self) {
        if !self.body.may_overrun() {
            self.inbound.borrow_mut().shrink(ROOM_BEHIND);
        }
    }

    /// Whether what is kept of the client can wait elsewhere until something comes: its whole request has left, and it can
    /// be heard.
    pub(crate) fn may_rest(&self) -> bool {
        !(self.has_more() || self.is_deaf())
    }

    /// What is kept of the body of the request.
    pub(crate) fn into_body(self) -> (BodyReader, Option<Box<Replay>>) {
        (self.body, self.replay)
    }

    /// Whether anything of the body is still to go upstream.
    pub(super) fn has_more(&self) -> bool {
        self.piped.is_some() || !(self.is_written() || self.state.upload.source() == SourceState::Cut)
    }

    /// Whether another request can come from this client: this one has been read to its end, and it has not said
    /// its last word.
    pub(crate) fn may_ask_again(&self) -> bool {
        self.body.is_done() && !(self.state.client_half_closed() && self.inbound.borrow().is_empty())
    }

    /// Writes `bytes` to the client, which may take nothing for `patience`.
    ///
    /// # Errors
    /// Those of [`send`].
    pub(crate) async fn send(
        &mut self,
        bytes: &[u8],
        timer: &mut Timer,
        patience: Duration,
    ) -> Result<(), Error> {
        send(self.stream, Leg::Client, bytes, timer, patience).await
    }

    /// Watches a client that has sent its whole request: pending while it is there.
    ///
    /// # Errors
    /// [`Error::ClientGone`], in the state of the exchange.
    pub(crate) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.is_deaf() {
            let is_reset = self.stream.tcp_ref().is_some_and(|tcp| !matches!(tcp.take_error(), Ok(None)));
            return if is_reset { Poll::Ready(self.state.fail(Error::ClientGone)) } else { Poll::Pending };
        }
        let mut inbound = self.inbound.borrow_mut();
        inbound.reclaim(self.head_len);
        while inbound.spare_len() > 0 {
            ready!(self.stream.poll_readable(cx));
            match ready!(inbound.poll_fill(cx, self.stream)) {
                Ok(0) if !self.fin_is_abort => {
                    self.state.half_close_client();
                    return Poll::Pending;
                }
                Ok(0) | Err(_) => return Poll::Ready(self.state.fail(Error::ClientGone)),
                // The next request, pipelined.
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Ready when more of the body may have come, or the client is gone.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_more() { self.stream.poll_more(cx) } else { self.poll_watch(cx).map(drop) }
    }

    /// Whether reading tells nothing more about the client: it has sent FIN, or so much ahead that there is
    /// no room for more. Then only the kernel knows of a reset, and has to be asked.
    fn is_deaf(&self) -> bool {
        self.state.client_half_closed() || self.inbound.borrow().spare_len() == 0
    }

    /// Ready when the client has left or `deadline` is over, which is `expired`.
    pub(crate) fn poll_leave(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        deadline: Instant,
        expired: Error,
    ) -> Poll<Error> {
        loop {
            if self.poll_watch(cx).is_ready() {
                return Poll::Ready(Error::ClientGone);
            }
            if !self.is_deaf() {
                return timer.poll_until(cx, deadline).map(|()| expired);
            }
            let check = *self.next_check.get_or_insert_with(|| Instant::now() + DEAF_CHECK);
            ready!(timer.poll_until(cx, deadline.min(check)));
            self.next_check = None;
            if check >= deadline {
                return Poll::Ready(expired);
            }
        }
    }

    /// Moves the next bytes of the body, in upstream framing, to the start of `room`. 0 when the body is
    /// complete.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Error>> {
        if let Some(replay) = self.replay.as_mut().filter(|replay| replay.is_running()) {
            let size = replay.take(room);
            self.state.upload.received(size);
            if !replay.is_running() {
                self.state.upload.read_to_end();
            }
            return Poll::Ready(Ok(size));
        }
        let size = ready!(self.poll_new(cx, room))?;
        if self.replay.is_some() && !self.state.body_kept() {
            self.keep(&room[..size]);
        }
        Poll::Ready(Ok(size))
    }

    /// Keeps what goes upstream, as long as there is room for all of it.
    fn keep(&mut self, bytes: &[u8]) {
        let kept = self.replay.take().and_then(|mut replay| replay.keep(bytes).then_some(replay));
        self.replay = kept;
        if self.replay.is_some() && self.body.is_written() {
            self.state.keep_body();
        }
    }

    /// As [`ClientSide::poll_body`], of what has not been sent to anybody.
    fn poll_new(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Error>> {
        let mut inbound = self.inbound.borrow_mut();
        loop {
            if self.body.is_done() {
                self.state.upload.read_to_end();
                return Poll::Ready(Ok(self.body.take_tail(room)));
            }
            inbound.reclaim(self.head_len);
            let start = self.body.headroom();
            let buffered = !inbound.is_empty();
            // What lies in `inbound` can stay there; what is read beyond the body must fit into it.
            let surplus_room = if buffered { usize::MAX } else { inbound.spare_len() };
            let end = start + self.body.appetite(room.len(), surplus_room);
            let size = if buffered {
                let unread = inbound.unread();
                let size = unread.len().min(end - start);
                room[start..start + size].copy_from_slice(&unread[..size]);
                size
            } else {
                let mut into = ReadBuf::new(&mut room[start..end]);
                match ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut into)) {
                    Ok(()) => into.filled().len(),
                    Err(_) => return Poll::Ready(Err(Error::ClientGone)),
                }
            };
            if size == 0 {
                return Poll::Ready(Err(Error::ClientGone));
            }
            self.state.upload.received(size);
            let fed = self.body.feed(room, start..start + size).map_err(BodyFault::in_request)?;
            if buffered {
                inbound.consume(size - fed.surplus);
            } else {
                inbound.push(&room[start + size - fed.surplus..start + size]);
            }
            if self.body.is_done() {
                self.state.upload.read_to_end();
            }
            if fed.output > 0 {
                return Poll::Ready(Ok(fed.output));
            }
        }
    }
}

impl Source for ClientSide<'_> {
    fn stream(&self) -> &Stream {
        self.stream
    }

    fn opaque(&self) -> u64 {
        // What goes through a pipe cannot be kept.
        if self.inbound.borrow().is_empty() && self.replay.is_none() { self.body.opaque() } else { 0 }
    }

    fn poll_pour(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, most: usize) -> Poll<Result<(), Error>> {
        let Some(tcp) = self.stream.plain_tcp() else { return Poll::Ready(Err(Error::Internal)) };
        match ready!(pipe.poll_fill(cx, tcp, most)) {
            Ok(size) if size > 0 => {
                self.state.upload.received(size);
                self.body.skipped(size as u64).map_err(BodyFault::in_request)?;
                if self.body.is_done() {
                    self.state.upload.read_to_end();
                }
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(Error::ClientGone)),
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Error>> {
        ClientSide::poll_body(self, cx, room)
    }
}

impl AsyncRead for ClientSide<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = self.state;
        let (upload, download) = (&state.upload, &state.download);
        loop {
            if state.has_stopped() {
                return Poll::Ready(Ok(()));
            }
            if Pipe::copy_rest(&mut self.piped, buf)? {
                return Poll::Ready(Ok(()));
            }
            if self.is_written() || upload.source() == SourceState::Cut {
                upload.read_to_end();
                return self.poll_watch(cx).map(Err);
            }
            if buf.remaining() < BodyReader::MIN_ROOM {
                // The copy still has bytes to write and comes back with an empty buffer.
                return Poll::Pending;
            }
            if buf.filled().is_empty()
                && ready!(state.poll_pause_for_bulk(cx, upload, download, self.opaque()))
            {
                // The other direction was polled before this one and must look again.
                cx.waker().wake_by_ref();
                return Poll::Ready(Ok(()));
            }
            match ready!(self.poll_body(cx, buf.initialize_unfilled())) {
                Ok(0) => {}
                Ok(size) => {
                    buf.advance(size);
                    return Poll::Ready(Ok(()));
                }
                // The response that has begun wins (rule 48 of `http1`).
                Err(Error::RequestBody(_) | Error::RequestBodyTooLarge) if state.response_begun() => {
                    upload.cut();
                }
                Err(error) => return Poll::Ready(Err(state.fail(error))),
            }
        }
    }
}

impl AsyncWrite for ClientSide<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let state = self.state;
        if state.response_begun() {
            // Nobody asks for the request again, and the response may take long.
            self.replay = None;
        }
        match Pin::new(&mut *self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(size)) if size > 0 => {
                state.download.copied(size);
                Poll::Ready(Ok(size))
            }
            Poll::Ready(_) => Poll::Ready(Err(state.fail(Error::ClientGone))),
            Poll::Pending => {
                state.download.held();
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = self.state;
        let flushed = Pin::new(&mut *self.stream).poll_flush(cx);
        state.download.flushed(flushed.is_pending());
        flushed.map_err(|_| state.fail(Error::ClientGone))
    }

    /// A response has ended, not the connection.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests;

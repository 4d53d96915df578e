//! One direction of a tunnel: bytes from one end to the other until there are no more, and then its end.
//!
//! They go through a buffer, which is there while anything of them is. Where both ends are plain TCP and so much has gone that it is bulk, for a target that keeps
//! up, they go through a pipe, and are not seen any more; a direction in which nothing is on its way holds none.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::flow::Flow;
use crate::net::{
    buffer::{Buffer, BufferPool},
    pipe::{PIPE_CAPACITY, Pipe, PipePool},
    stream::Stream,
};

/// Bytes moved in one turn of a task; then others have theirs.
const TURN: usize = 1 << 20;

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    pipes: Rc<PipePool>,
    buffers: Rc<BufferPool>,
    /// Bytes read at once.
    size: usize,
    /// What is on its way; none while nothing is.
    buffer: Option<Buffer>,
    /// Present while it is the way; there is no buffer then.
    pipe: Option<Pipe>,
    flow: Flow,
    end: End,
}

/// How far the end of a direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may come.
    NotYet,
    /// It is passed on.
    Passing,
    /// It has been passed on.
    Passed,
}

impl Way {
    /// One in which `sent` bytes have gone already, and `size` are read at once.
    pub(super) fn new(sent: u64, size: usize, pipes: &Rc<PipePool>, buffers: &Rc<BufferPool>) -> Self {
        let flow = Flow::new();
        flow.sent.set(sent);
        Self {
            pipes: Rc::clone(pipes),
            buffers: Rc::clone(buffers),
            size,
            buffer: None,
            pipe: None,
            flow,
            end: End::NotYet,
        }
    }

    /// Bytes that the target has taken.
    pub(super) fn sent(&self) -> u64 {
        self.flow.sent()
    }

    /// Changes with everything that arrives or leaves.
    pub(super) fn moved(&self) -> u64 {
        self.flow.moved()
    }

    /// Whether the source has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.end != End::NotYet
    }

    /// Whether nothing is on its way, and no end of it.
    pub(super) fn may_rest(&self) -> bool {
        !(self.is_held() || self.has_ended())
    }

    /// Moves what can be moved; ready when the end has been passed on.
    ///
    /// # Errors
    /// The end that fails.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        target: &mut Stream,
    ) -> Poll<Result<(), Failed>> {
        let mut moved = 0;
        loop {
            if self.end == End::Passed {
                return Poll::Ready(Ok(()));
            }
            if self.is_held() {
                match self.poll_leave(cx, target) {
                    Poll::Ready(sent) => {
                        let size = sent.map_err(|_| Failed::Target)?;
                        self.flow.wrote(size);
                        moved += size;
                    }
                    Poll::Pending => {
                        self.flow.held();
                        return Poll::Pending;
                    }
                }
            } else if self.end == End::Passing {
                ready!(Pin::new(&mut *target).poll_shutdown(cx)).map_err(|_| Failed::Target)?;
                self.end = End::Passed;
            } else if moved >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                match self.poll_come(cx, source, target) {
                    Poll::Ready(Ok(0)) => {
                        self.pipe = None;
                        self.end = End::Passing;
                    }
                    Poll::Ready(come) => self.flow.received(come.map_err(|_| Failed::Source)?),
                    Poll::Pending => {
                        self.pipe = None;
                        ready!(Pin::new(&mut *target).poll_flush(cx)).map_err(|_| Failed::Target)?;
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Whether anything is on its way.
    fn is_held(&self) -> bool {
        self.buffer.is_some() || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
    }

    /// Sends what is on its way.
    fn poll_leave(&mut self, cx: &mut Context<'_>, target: &mut Stream) -> Poll<io::Result<usize>> {
        let sent = match (&mut self.buffer, &mut self.pipe, target.plain_tcp()) {
            (Some(buffer), ..) => {
                let size = ready!(Pin::new(target).poll_write(cx, buffer.unread()))?;
                buffer.consume(size);
                size
            }
            (None, Some(pipe), Some(tcp)) => ready!(pipe.poll_drain(cx, tcp))?,
            (None, ..) => 0,
        };
        self.buffer = self.buffer.take().filter(|buffer| !buffer.is_empty());
        Poll::Ready(if sent == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(sent) })
    }

    /// Takes what comes next; nothing is on its way.
    fn poll_come(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        target: &Stream,
    ) -> Poll<io::Result<usize>> {
        if self.flow.lags() {
            self.pipe = None;
        } else if self.pipe.is_none()
            && self.flow.is_bulk()
            && source.plain_tcp().is_some()
            && target.plain_tcp().is_some()
        {
            self.pipe = self.pipes.take();
        }
        if let (Some(pipe), Some(tcp)) = (&mut self.pipe, source.plain_tcp()) {
            return pipe.poll_fill(cx, tcp, PIPE_CAPACITY);
        }
        // Who waits holds no buffer.
        ready!(source.poll_readable(cx));
        let mut buffer = self.buffers.take();
        let size = ready!(buffer.poll_fill_up_to(cx, source, self.size))?;
        self.buffer = Some(buffer).filter(|buffer| !buffer.is_empty());
        Poll::Ready(Ok(size))
    }
}

/// Which end of a direction has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    Source,
    Target,
}

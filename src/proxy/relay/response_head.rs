//! Reading a response head: what has come of it waits in one buffer, and nothing is held before anything has.

use std::{
    mem,
    task::{Context, Poll, ready},
};

use crate::{
    config::Limits,
    error::Error,
    http1::head::{Fields, HeadEnd, HeadFault, ResponseHead, parse_response, parse_whole_response},
    net::{buffer::Buffer, stream::Stream},
    proxy::core::Core,
};

/// Bytes read at once while a head is waited for: nearly every head, and most short answers whole.
const FIRST_READ: usize = 4 << 10;

/// Gathers response heads, one after the other.
pub(super) struct HeadReader<'a> {
    core: &'a Core,
    /// Bytes of the response not looked at yet; absent while nothing is buffered.
    pub(super) buffer: Option<Buffer>,
    /// The connection has been asked whether there is something to read.
    asked: bool,
    end: HeadEnd,
    /// Storage for the fields of the next head.
    pub(super) fields: Fields,
    /// Any byte has come.
    pub(super) received: bool,
}

impl<'a> HeadReader<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self {
            core,
            buffer: None,
            asked: false,
            end: HeadEnd::default(),
            fields: core.take_fields(),
            received: false,
        }
    }

    /// Whether nothing has come of the next head.
    pub(super) const fn is_empty(&self) -> bool {
        self.buffer.is_none() && self.end.is_new()
    }

    /// The next head, which is the start of the buffer.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        limits: &Limits,
    ) -> Poll<Result<ResponseHead, Error>> {
        loop {
            if let Some(buffer) = &mut self.buffer {
                // Nearly every head comes as a whole.
                if self.end.is_new()
                    && let Some(head) = parse_whole_response(buffer.unread(), limits.fields, &mut self.fields)
                    && head.len <= limits.response_head
                {
                    return Poll::Ready(Ok(head));
                }
                match self.end.find_response(buffer.unread()).map_err(HeadFault::in_response)? {
                    Some(len) if len <= limits.response_head => {
                        let (end, recycled) = (mem::take(&mut self.end), mem::take(&mut self.fields));
                        let parsed = parse_response(buffer.unread_mut(), &end, len, limits.fields, recycled);
                        return Poll::Ready(parsed);
                    }
                    None if buffer.unread().len() < limits.response_head => {}
                    _ => return Poll::Ready(Err(Error::ResponseHeadTooLarge)),
                }
            }
            if self.buffer.is_none() && !mem::replace(&mut self.asked, true) {
                // No upstream answers at once: the first look takes no buffer.
                ready!(stream.poll_readable(cx));
            }
            let mut buffer = self.buffer.take().unwrap_or_else(|| self.core.buffers.take());
            // A body that follows is read where it is needed, or not at all.
            let size = if buffer.is_empty() { FIRST_READ } else { limits.response_head };
            match buffer.poll_fill_up_to(cx, stream, size) {
                Poll::Ready(Ok(size)) if size > 0 => {
                    self.received = true;
                    self.buffer = Some(buffer);
                }
                Poll::Ready(_) => return Poll::Ready(Err(Error::UpstreamClosed)),
                Poll::Pending => {
                    self.buffer = Some(buffer).filter(|buffer| !buffer.is_empty());
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for HeadReader<'_> {
    fn drop(&mut self) {
        self.core.put_fields(mem::take(&mut self.fields));
    }
}

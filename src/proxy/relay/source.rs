//! What a side must be for its body to go through a pipe.

use std::task::{Context, Poll};

use crate::{
    error::Error,
    net::{buffer::Buffer, pipe::Pipe, stream::Stream},
};

/// The side that a spliced body comes from.
pub(super) trait Source {
    /// Where its bytes come from.
    fn stream(&self) -> &Stream;

    /// Bytes of the body that need not be looked at on their way; 0 when the next ones do.
    fn opaque(&self) -> u64;

    /// Moves at most `most` bytes of what is [`Source::opaque`] into `pipe`, as [`Pipe::poll_fill`] does.
    fn poll_pour(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, most: usize) -> Poll<Result<(), Error>>;

    /// Moves the next bytes of the body, in the framing that its target gets, to the start of `room`; 0 when
    /// it is complete.
    fn poll_body(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Error>>;

    /// What leaves before the body, unless it is empty.
    fn lead(&mut self) -> Option<&mut Buffer> {
        None
    }
}

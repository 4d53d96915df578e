//! What stands in for `splice(2)` where there is none: a pool without pipes, so that bodies are copied.

use std::{
    convert::Infallible,
    io,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::{io::ReadBuf, net::TcpStream};

/// A pool that lends nothing.
#[derive(Debug)]
pub struct PipePool;

impl PipePool {
    /// A pool; its size is of no consequence.
    #[must_use]
    pub fn new(_size: usize) -> Rc<Self> {
        Rc::new(Self)
    }

    /// Never a pipe.
    #[must_use]
    pub const fn take(self: &Rc<Self>) -> Option<Pipe> {
        None
    }

    /// Always.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        true
    }

    /// None.
    #[must_use]
    pub const fn free(&self) -> usize {
        0
    }

    /// There is nothing to close.
    pub const fn sweep(&self) {}

    /// Never.
    pub async fn wait_until_free(&self) {
        std::future::pending().await
    }
}

/// A pipe that nobody can have.
#[derive(Debug)]
pub struct Pipe(Infallible);

impl Pipe {
    /// Bytes in the pipe.
    #[must_use]
    pub const fn held(&self) -> usize {
        match self.0 {}
    }

    /// Moves bytes from `source` into the pipe.
    ///
    /// # Errors
    /// None: nobody can call it.
    pub fn poll_fill(&mut self, _: &mut Context<'_>, _: &TcpStream, _: usize) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    /// Puts bytes behind what is in the pipe.
    ///
    /// # Errors
    /// None: nobody can call it.
    pub fn push(&mut self, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    /// Copies what is left in a pipe, of which there is none.
    ///
    /// # Errors
    /// None.
    pub fn copy_rest(_: &mut Option<Self>, _: &mut ReadBuf<'_>) -> io::Result<bool> {
        Ok(false)
    }

    /// Moves bytes out of the pipe.
    ///
    /// # Errors
    /// None: nobody can call it.
    pub fn poll_drain(&mut self, _: &mut Context<'_>, _: &TcpStream) -> Poll<io::Result<usize>> {
        match self.0 {}
    }
}

/// Never called: without a pipe nothing leaves before what is in one.
///
/// # Errors
/// Those of the target.
pub fn poll_send(
    cx: &mut Context<'_>,
    target: &TcpStream,
    bytes: &[u8],
    _more: bool,
) -> Poll<io::Result<usize>> {
    std::task::ready!(target.poll_write_ready(cx))?;
    Poll::Ready(target.try_write(bytes))
}

//! A plain connection of either kind, in a runtime and between two.

use std::{
    io::{self, IoSlice},
    net::TcpStream as StdTcpStream,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    pin::Pin,
    task::{Context, Poll},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A plain connection that the runtime of this thread watches.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// A [`Socket`] that no runtime watches, so that another one can.
#[derive(Debug)]
pub enum Detached {
    /// TCP.
    Tcp(StdTcpStream),
    /// A Unix socket.
    Unix(StdUnixStream),
}

/// Evaluates `$call` with the socket of whichever variant it is.
macro_rules! each {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($inner) => $call,
            Socket::Unix($inner) => $call,
        }
    };
}

impl Socket {
    /// The TCP socket, if it is one.
    #[inline]
    #[must_use]
    pub const fn tcp_ref(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Unix(_) => None,
        }
    }

    /// Bounds the kernel's send buffer of a Unix socket, in bytes (Linux doubles the figure): it has none to receive, for
    /// what comes counts against the sender's. A TCP socket has bounds from its listener.
    pub fn bound_unix_buffer(&self, bytes: Option<usize>) {
        if let (Self::Unix(unix), Some(bytes)) = (self, bytes) {
            // Fails only on a socket that is dead already.
            let _ = SockRef::from(unix).set_send_buffer_size(bytes);
        }
    }

    /// Ready when there may be something to read, without a system call; an error shows when it is read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx).map(|_| ()),
            Self::Unix(unix) => unix.poll_read_ready(cx).map(|_| ()),
        }
    }

    /// Waits for bytes, and leaves them where they are. Cancel safe.
    ///
    /// # Errors
    /// What the system says.
    pub async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.peek(bytes).await,
            Self::Unix(unix) => {
                unix.async_io(Interest::READABLE, || {
                    let peeked = recv(unix, &mut *bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT);
                    peeked.map(|(_, size)| size).map_err(Errno::into)
                })
                .await
            }
        }
    }

    /// Takes it out of the runtime.
    ///
    /// # Errors
    /// When the runtime has lost it.
    pub fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(tcp) => tcp.into_std().map(Detached::Tcp),
            Self::Unix(unix) => unix.into_std().map(Detached::Unix),
        }
    }
}

impl Detached {
    /// Has the runtime of this thread watch it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn attach(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(tcp) => TcpStream::from_std(tcp).map(Socket::Tcp),
            Self::Unix(unix) => UnixStream::from_std(unix).map(Socket::Unix),
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Self {
        Self::Unix(unix)
    }
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        each!(self, inner => inner.as_fd())
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, bytes))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, slices))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        each!(self, inner => inner.is_write_vectored())
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::testing::{in_worker, tcp_pair};

    /// Both ends of one connection of each kind.
    async fn pairs() -> Vec<(Socket, Socket)> {
        let (near, far) = tcp_pair().await;
        let (unix_near, unix_far) = UnixStream::pair().unwrap();
        vec![(near.into(), far.into()), (unix_near.into(), unix_far.into())]
    }

    #[test]
    fn a_look_at_what_comes_takes_nothing() {
        in_worker(async {
            for (mut near, mut far) in pairs().await {
                let (sent, first) = tokio::join!(far.write_all(b"ab"), async {
                    let mut first = [0; 1];
                    near.peek(&mut first).await.map(|size| (size, first))
                });
                sent.unwrap();
                assert_eq!(first.unwrap(), (1, *b"a"));
                let mut all = [0; 2];
                near.read_exact(&mut all).await.unwrap();
                assert_eq!(&all, b"ab");
                drop(far);
                assert_eq!(near.peek(&mut all).await.unwrap(), 0, "its end is seen, too");
            }
        });
    }

    #[test]
    fn a_socket_goes_from_one_runtime_to_another() {
        let (detached, far) = in_worker(async {
            let (mut detached, mut far) = (Vec::new(), Vec::new());
            for (near, end) in pairs().await {
                detached.push(near.detach().unwrap());
                far.push(end.detach().unwrap());
            }
            (detached, far)
        });
        in_worker(async {
            for (near, far) in detached.into_iter().zip(far) {
                let (mut near, mut far) = (near.attach().unwrap(), far.attach().unwrap());
                near.write_all(b"x").await.unwrap();
                assert_eq!(far.read_u8().await.unwrap(), b'x');
            }
        });
    }

    #[test]
    fn the_send_buffer_of_a_unix_socket_is_bounded() {
        in_worker(async {
            let (near, _far) = UnixStream::pair().unwrap();
            let near = Socket::from(near);
            near.bound_unix_buffer(Some(64 << 10));
            let size = SockRef::from(&near).send_buffer_size().unwrap();
            assert!((64 << 10..=128 << 10).contains(&size), "{size}");
        });
    }
}

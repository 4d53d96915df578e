//! One type for every connection of both sides, so that the code above is written once and dispatched
//! statically.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    task::coop::unconstrained,
};
use tokio_rustls::{client, server};

use super::{socket::Socket, tcp};

/// A connection to a client or to an upstream.
///
/// The TLS variants are boxed: their state is a kilobyte, and most connections have none.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS in which we are the server.
    TlsServer(Box<server::TlsStream<Socket>>),
    /// TLS in which we are the client.
    TlsClient(Box<client::TlsStream<TcpStream>>),
}

/// Evaluates `$call` with the stream of whichever variant it is.
macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            Stream::Unix($inner) => $call,
            Stream::TlsServer($inner) => $call,
            Stream::TlsClient($inner) => $call,
        }
    };
}

impl Stream {
    /// Whether the bytes on the wire are encrypted.
    #[inline]
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::TlsServer(_) | Self::TlsClient(_))
    }

    /// Whether a pooled connection may be used again, as far as the runtime knows: nothing to read, no end
    /// and no error.
    ///
    /// Costs no system call while nothing has happened, and sees what the runtime's last look at the kernel
    /// saw; [`Stream::is_idle_now`] sees more. A connection for which this is false has to be closed: a byte
    /// of it may be lost.
    #[inline]
    pub fn is_idle(&mut self) -> bool {
        let mut byte = [0; 1];
        match self {
            Self::Tcp(tcp) => would_block(&tcp.try_read(&mut byte)),
            Self::Unix(unix) => would_block(&unix.try_read(&mut byte)),
            Self::TlsServer(tls) => nothing_decrypted(tls.as_mut(), &mut byte),
            Self::TlsClient(tls) => nothing_decrypted(tls.as_mut(), &mut byte),
        }
    }

    /// [`Stream::is_idle`], but asking the kernel first: one system call, worth it before a request that
    /// must not be sent twice.
    ///
    /// A TLS connection with anything unread counts as ended: what comes on an idle one is a close_notify.
    #[inline]
    pub fn is_idle_now(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = rustix::net::recv(self.descriptor(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(rustix::io::Errno::AGAIN)) && self.is_idle()
    }

    /// Ready when there may be something to read; pending when there is surely nothing. Of TLS only a read can
    /// tell, so that it is always ready.
    ///
    /// Costs no system call; whoever is told to wait is woken as by a read.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // An error shows when it is read.
            Self::Tcp(tcp) => tcp.poll_read_ready(cx).map(|_| ()),
            Self::Unix(unix) => unix.poll_read_ready(cx).map(|_| ()),
            Self::TlsServer(_) | Self::TlsClient(_) => Poll::Ready(()),
        }
    }

    /// Ready when more may have come since a read was pending: as [`Stream::poll_readable`], and of TLS too.
    pub fn poll_more(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => self.poll_readable(cx),
            // What has been decrypted has been read: the rest is still with the kernel.
            Self::TlsServer(tls) => tls.get_ref().0.poll_readable(cx),
            Self::TlsClient(tls) => tls.get_ref().0.poll_read_ready(cx).map(|_| ()),
        }
    }

    /// Has the connection end with a reset (RST) when it is dropped, discarding what is unsent, so that the peer cannot
    /// take what it has for the whole. A Unix socket knows no reset and is just closed.
    pub fn reset_when_dropped(&self) {
        if let Some(tcp) = self.tcp_ref() {
            // Fails only on a socket that is dead already.
            let _ = tcp.set_zero_linger();
        }
    }

    /// The TCP socket, if the bytes on the wire are the bytes that are read and written, so that `splice(2)`
    /// can move them.
    #[inline]
    #[must_use]
    pub const fn plain_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Unix(_) | Self::TlsServer(_) | Self::TlsClient(_) => None,
        }
    }

    /// The TCP socket beneath, also of a TLS connection; `None` where it is a Unix socket.
    #[inline]
    #[must_use]
    pub fn tcp_ref(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Unix(_) => None,
            Self::TlsServer(tls) => tls.get_ref().0.tcp_ref(),
            Self::TlsClient(tls) => Some(tls.get_ref().0),
        }
    }

    /// Sets the kernel's receive buffer, in bytes (Linux doubles the figure).
    pub fn set_receive_buffer(&self, bytes: usize) {
        if let Some(tcp) = self.tcp_ref() {
            // Fails only on a socket that is dead already.
            let _ = SockRef::from(tcp).set_recv_buffer_size(bytes);
        }
    }

    /// The TCP socket of a connection that is nothing more than that; `None` of TLS and of a Unix socket.
    #[must_use]
    pub fn into_tcp(self) -> Option<TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Unix(_) | Self::TlsServer(_) | Self::TlsClient(_) => None,
        }
    }

    /// Acknowledges what has come at once, this time. A peer with Nagle's algorithm that writes head and body
    /// apart holds the body back until then: 40 ms, if it has to wait for a delayed acknowledgement.
    pub fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        if let Some(tcp) = self.tcp_ref() {
            // A connection that fails here fails at its next read.
            let _ = rustix::net::sockopt::set_tcp_quickack(tcp, true);
        }
    }

    #[inline]
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
            Self::TlsServer(tls) => tls.get_ref().0.as_fd(),
            Self::TlsClient(tls) => tls.get_ref().0.as_fd(),
        }
    }
}

impl From<Socket> for Stream {
    #[inline]
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(tcp) => Self::Tcp(tcp),
            Socket::Unix(unix) => Self::Unix(unix),
        }
    }
}

#[inline]
fn would_block(read: &io::Result<usize>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether a TLS stream has neither plaintext, nor an end, nor an error; session tickets are taken in.
fn nothing_decrypted(tls: &mut (impl AsyncRead + Unpin), byte: &mut [u8; 1]) -> bool {
    let mut buffer = ReadBuf::new(byte);
    let read = std::future::poll_fn(|cx| Pin::new(&mut *tls).poll_read(cx, &mut buffer));
    // A task that has used up its share of the runtime would see every socket as pending.
    let read = pin!(unconstrained(read));
    read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => tcp::poll_read(cx, tcp, buffer),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
            Self::TlsServer(tls) => Pin::new(tls).poll_read(cx, buffer),
            Self::TlsClient(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => tcp::poll_write(cx, tcp, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
            Self::TlsServer(tls) => Pin::new(tls).poll_write(cx, bytes),
            Self::TlsClient(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
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
    use crate::net::testing::{in_worker, tcp_pair, tls_pair};

    /// Both ends of one connection of each kind.
    async fn pairs() -> Vec<(Stream, Stream)> {
        let (near, far) = tcp_pair().await;
        let (unix_near, unix_far) = UnixStream::pair().unwrap();
        let (server, client) = tls_pair().await;
        vec![
            (Stream::Tcp(near), Stream::Tcp(far)),
            (Stream::Unix(unix_near), Stream::Unix(unix_far)),
            (client, server),
        ]
    }

    /// Lets the far end's doing arrive without taking anything from the stream.
    async fn readable(stream: &Stream) {
        match stream {
            Stream::Unix(unix) => unix.readable().await.unwrap(),
            Stream::Tcp(_) | Stream::TlsServer(_) | Stream::TlsClient(_) => {
                stream.tcp_ref().unwrap().readable().await.unwrap();
            }
        }
    }

    #[test]
    fn bytes_pass_both_ways_on_every_kind() {
        in_worker(async {
            for (mut near, mut far) in pairs().await {
                assert!(near.is_write_vectored());
                let sent = near.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")]).await.unwrap();
                assert_eq!(sent, 4);
                near.flush().await.unwrap();
                let mut bytes = [0; 4];
                far.read_exact(&mut bytes).await.unwrap();
                assert_eq!(&bytes, b"abcd");
                far.write_all(b"efgh").await.unwrap();
                far.shutdown().await.unwrap();
                let mut rest = Vec::new();
                near.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"efgh");
            }
        });
    }

    #[test]
    fn a_quiet_connection_is_idle_and_stays_usable() {
        in_worker(async {
            for (mut near, mut far) in pairs().await {
                for _ in 0..3 {
                    assert!(near.is_idle() && near.is_idle_now());
                }
                far.write_all(b"x").await.unwrap();
                far.flush().await.unwrap();
                let mut byte = [0; 1];
                near.read_exact(&mut byte).await.unwrap();
                assert_eq!(&byte, b"x");
                assert!(near.is_idle() && near.is_idle_now());
            }
        });
    }

    #[test]
    fn a_wait_to_be_readable_ends_with_a_byte_and_takes_nothing() {
        in_worker(async {
            for (mut near, mut far) in pairs().await {
                // A connection that was just made may have to be read once to know that there is nothing.
                assert!(near.is_idle());
                let is_tls = near.is_tls();
                let at_once = std::future::poll_fn(|cx| Poll::Ready(near.poll_readable(cx))).await;
                assert_eq!(at_once.is_ready(), is_tls, "{near:?}");
                far.write_all(b"x").await.unwrap();
                far.flush().await.unwrap();
                std::future::poll_fn(|cx| near.poll_readable(cx)).await;
                let mut byte = [0; 1];
                near.read_exact(&mut byte).await.unwrap();
                assert_eq!(&byte, b"x");
            }
        });
    }

    #[test]
    fn a_stray_byte_an_end_and_a_reset_all_end_idleness() {
        in_worker(async {
            for (mut near, mut far) in pairs().await {
                far.write_all(b"x").await.unwrap();
                far.flush().await.unwrap();
                readable(&near).await;
                assert!(!near.is_idle_now());
                assert!(!near.is_idle());
            }
            for (mut near, mut far) in pairs().await {
                far.shutdown().await.unwrap();
                readable(&near).await;
                assert!(!near.is_idle_now());
                assert!(!near.is_idle());
            }
            for (mut near, far) in pairs().await {
                far.reset_when_dropped();
                drop(far);
                readable(&near).await;
                assert!(!near.is_idle_now());
                assert!(!near.is_idle());
            }
        });
    }

    #[test]
    fn the_kernel_is_asked_when_the_runtime_has_not_looked_yet() {
        in_worker(async {
            for (mut near, far) in pairs().await {
                assert!(near.is_idle());
                // No await between this and the question: the runtime cannot have noticed.
                far.reset_when_dropped();
                drop(far);
                assert!(near.is_idle());
                assert!(!near.is_idle_now());
            }
        });
    }

    #[test]
    fn an_exhausted_share_of_the_runtime_does_not_hide_an_end() {
        in_worker(async {
            let (server, mut client) = tls_pair().await;
            drop(server);
            readable(&client).await;
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::coop::consume_budget().await;
            }
            assert!(!client.is_idle());
        });
    }

    #[test]
    fn a_reset_reaches_the_peer_as_one() {
        in_worker(async {
            let (near, far) = tcp_pair().await;
            Stream::Tcp(near).reset_when_dropped();
            let mut far = Stream::Tcp(far);
            let error = far.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }

    #[test]
    fn a_tls_end_without_close_notify_is_an_error() {
        in_worker(async {
            let (server, mut client) = tls_pair().await;
            let Stream::TlsServer(server) = server else { panic!("the server's end") };
            let (mut tcp, _) = server.into_inner();
            tcp.shutdown().await.unwrap();
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        });
    }
}

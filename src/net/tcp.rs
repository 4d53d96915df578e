//! Reading from and writing to TCP connections with system calls alone.
//!
//! What the standard library calls for that are cancellation points of the C library, which marks the thread at each
//! with two atomic operations, for a feature that nothing here uses. That is a percent of what a small request costs.

use std::{
    io,
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::{
    io::{Interest, ReadBuf},
    net::TcpStream,
};

/// A connection that its peer has closed is an error, and no signal; elsewhere the runtime of the language sees to that.
#[cfg(target_os = "linux")]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Reads once; nothing is the end of the input.
///
/// # Errors
/// What the system says.
#[inline]
pub(super) fn poll_read(
    cx: &mut Context<'_>,
    tcp: &TcpStream,
    room: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        let space = room.initialize_unfilled();
        let most = space.len();
        let mut size = None;
        let read = tcp.try_io(Interest::READABLE, || {
            let (_, came) = recv(tcp, &mut *space, RecvFlags::empty())?;
            size = Some(came);
            emptied(came, most)
        });
        match (size, read) {
            (Some(size), _) => {
                room.advance(size);
                return Poll::Ready(Ok(()));
            }
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

/// Writes once; how many of `bytes` have left.
///
/// # Errors
/// What the system says.
#[inline]
pub(super) fn poll_write(cx: &mut Context<'_>, tcp: &TcpStream, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let mut size = None;
        let written = tcp.try_io(Interest::WRITABLE, || {
            let left = send(tcp, bytes, NO_SIGNAL)?;
            size = Some(left);
            emptied(left, bytes.len())
        });
        match (size, written) {
            (Some(size), _) => return Poll::Ready(Ok(size)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

/// Tells the runtime that a socket which has done less than it was asked for has to be waited for: to ask it once more
/// would be a system call for nothing.
fn emptied(done: usize, asked: usize) -> io::Result<()> {
    if done > 0 && done < asked { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::net::testing::{in_worker, tcp_pair};

    async fn read(tcp: &TcpStream, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let mut room = ReadBuf::new(&mut bytes);
        poll_fn(|cx| poll_read(cx, tcp, &mut room)).await?;
        let size = room.filled().len();
        bytes.truncate(size);
        Ok(bytes)
    }

    #[test]
    fn what_has_come_is_read_piece_by_piece_up_to_the_end() {
        in_worker(async {
            let (near, mut far) = tcp_pair().await;
            far.write_all(b"abcdef").await.unwrap();
            assert_eq!(read(&near, 4).await.unwrap(), b"abcd", "no more than there is room for");
            assert_eq!(read(&near, 4).await.unwrap(), b"ef");
            far.write_all(b"gh").await.unwrap();
            drop(far);
            assert_eq!(read(&near, 4).await.unwrap(), b"gh", "the last bytes, behind which the end is known");
            assert_eq!(read(&near, 4).await.unwrap(), b"");
        });
    }

    #[test]
    fn a_socket_that_has_given_less_than_there_was_room_for_is_waited_for() {
        in_worker(async {
            let (near, mut far) = tcp_pair().await;
            far.write_all(b"ab").await.unwrap();
            assert_eq!(read(&near, 4).await.unwrap(), b"ab");
            let mut cx = Context::from_waker(Waker::noop());
            assert!(near.poll_read_ready(&mut cx).is_pending(), "without a system call");
            far.write_all(b"cd").await.unwrap();
            assert_eq!(read(&near, 4).await.unwrap(), b"cd", "woken by what comes then");
        });
    }

    #[test]
    fn a_reset_is_an_error_of_both() {
        in_worker(async {
            let (near, far) = tcp_pair().await;
            far.set_zero_linger().unwrap();
            drop(far);
            assert_eq!(read(&near, 4).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            let written = poll_fn(|cx| poll_write(cx, &near, b"x")).await;
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn what_the_kernel_does_not_take_is_left_until_the_peer_has_read() {
        in_worker(async {
            let (near, mut far) = tcp_pair().await;
            let bytes = vec![b'x'; 64 << 10];
            let mut sent = 0;
            let mut cx = Context::from_waker(Waker::noop());
            poll_fn(|cx| near.poll_write_ready(cx)).await.unwrap();
            while let Poll::Ready(written) = poll_write(&mut cx, &near, &bytes) {
                sent += written.unwrap();
            }
            let rest = async {
                let size = poll_fn(|cx| poll_write(cx, &near, b"y")).await.unwrap();
                assert_eq!(size, 1);
            };
            let mut came = vec![0; sent];
            let (read, ()) = tokio::join!(far.read_exact(&mut came), rest);
            assert_eq!(read.unwrap(), sent);
        });
    }
}

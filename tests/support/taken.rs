//! Whether the other end of a connection has taken what was sent, as the kernel tells it (`sock_diag(7)`).
//!
//! Two writes are two pieces for the one who reads only if the second one leaves after the first one was read.
//! No pause can promise that; the kernel knows it. Both ends must be on this machine, and speak IPv4.

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::{SocketAddr, SocketAddrV4, TcpStream},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{PATIENCE, pause};

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// Of `struct nlmsghdr` and of `struct inet_diag_msg`.
const HEADER: usize = 16;
const MESSAGE: usize = 72;
/// The attribute that holds a `struct tcp_info`.
const INET_DIAG_INFO: u16 = 2;

thread_local! {
    /// A way to ask, one question at a time.
    static KERNEL: RefCell<Socket> = RefCell::new({
        let (domain, protocol) = (Domain::from(AF_NETLINK), Protocol::from(NETLINK_SOCK_DIAG));
        let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).expect("the kernel tells of its sockets");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    });
}

/// What the kernel says of one end of a connection.
struct End {
    /// Received and not read yet.
    unread: u32,
    /// Received since the beginning.
    received: u64,
    /// Written and not sent yet, because the peer has no room for it.
    not_sent: u32,
    /// Sent since the beginning, each byte counted once.
    sent: u64,
}

/// The end of this connection that is at `local`; `None` when it is closed.
fn end(local: SocketAddrV4, remote: SocketAddrV4) -> Option<End> {
    let mut request = Vec::with_capacity(HEADER + 56);
    request.extend_from_slice(&72_u32.to_ne_bytes());
    request.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request.extend_from_slice(&[0; 8]);
    // AF_INET, IPPROTO_TCP, this one attribute, every state.
    request.extend_from_slice(&[2, 6, 1 << (INET_DIAG_INFO - 1), 0]);
    request.extend_from_slice(&u32::MAX.to_ne_bytes());
    request.extend_from_slice(&local.port().to_be_bytes());
    request.extend_from_slice(&remote.port().to_be_bytes());
    for address in [local.ip(), remote.ip()] {
        request.extend_from_slice(&address.octets());
        request.extend_from_slice(&[0; 12]);
    }
    // Any interface, no cookie.
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(&[0xff; 8]);
    let mut answer = [0; 4096];
    let size = KERNEL.with_borrow_mut(|kernel| {
        kernel.write_all(&request).unwrap();
        kernel.read(&mut answer).expect("the kernel answers")
    });
    parse(&answer[..size], remote.port())
}

fn parse(answer: &[u8], remote: u16) -> Option<End> {
    let u16_at = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_ne_bytes(answer.get(at..at + 8)?.try_into().ok()?));
    // Where the connection is gone, the answer is an error or tells of the listener instead.
    let same =
        u16_at(4)? == SOCK_DIAG_BY_FAMILY && answer.get(HEADER + 6..HEADER + 8)? == remote.to_be_bytes();
    if !same {
        return None;
    }
    let unread = u32_at(HEADER + 56)?;
    let mut at = HEADER + MESSAGE;
    while u16_at(at + 2)? != INET_DIAG_INFO {
        at += usize::from(u16_at(at)?).next_multiple_of(4).max(4);
    }
    // Offsets in `struct tcp_info`: tcpi_bytes_received, _notsent_bytes, _bytes_sent and _bytes_retrans.
    let info = at + 4;
    Some(End {
        unread,
        received: u64_at(info + 128)?,
        not_sent: u32_at(info + 144)?,
        sent: u64_at(info + 200)? - u64_at(info + 208)?,
    })
}

/// Whether the peer's program has read everything that was written to this socket; also if it never will,
/// because one of the ends is closed.
pub(crate) fn is_taken(socket: &TcpStream) -> bool {
    let (Ok(SocketAddr::V4(local)), Ok(SocketAddr::V4(peer))) = (socket.local_addr(), socket.peer_addr())
    else {
        return true;
    };
    let (Some(ours), Some(theirs)) = (end(local, peer), end(peer, local)) else { return true };
    ours.not_sent == 0 && theirs.received >= ours.sent && theirs.unread == 0
}

/// Waits until the peer has read everything; `false` when it does not within `limit`.
pub(crate) fn is_taken_within(limit: Duration, socket: &TcpStream) -> bool {
    let end = Instant::now() + limit;
    while !is_taken(socket) {
        if Instant::now() > end {
            return false;
        }
        pause(Duration::from_micros(20));
    }
    true
}

//! TCP connections to one of several addresses, raced as RFC 8305 describes.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustix::io::Errno;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    descriptors::{Descriptors, Racing},
    throttle::Throttle,
};
use crate::error::Error;

/// How long one attempt has the field to itself (RFC 8305 §5, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Attempts of one race that run at a time, each a descriptor.
const MAX_AT_A_TIME: usize = 4;
/// Addresses of one race: a name may have any number of silent ones.
const MAX_ATTEMPTS: usize = 16;
/// An attempt has this long before it gives way to the next one where no more may run beside it.
const ATTEMPT_TIME: Duration = Duration::from_secs(1);

/// Connects to the first of the addresses that answers, and says which it was.
///
/// Families alternate, beginning with that of the first address. The next attempt starts when the last one
/// has failed or has had 250 ms; the first to succeed ends the others. Of one name 16 addresses are tried, 4 at a
/// time, and fewer where `descriptors` leaves no room: then the attempt that runs longest gives way to the next one
/// when it has had a second. `socket_buffer` bounds the kernel's
/// receive and send buffer, in bytes; small writes leave at once (`TCP_NODELAY`). There is no deadline here:
/// dropping the future closes every socket.
///
/// # Errors
/// When no address could be reached, the most telling cause: [`Error::Internal`] when we have no descriptor
/// or memory for a socket (which says nothing about the upstream), [`Error::ConnectTimeout`],
/// [`Error::ConnectRefused`], or [`Error::ConnectFailed`] (no route; no address at all).
///
/// Source: RFC 8305 §4 and §5.
pub async fn connect(
    addresses: &[SocketAddr],
    socket_buffer: Option<usize>,
    descriptors: &Arc<Descriptors>,
) -> Result<(TcpStream, SocketAddr), Error> {
    match *addresses {
        [] => Err(Error::ConnectFailed),
        [address] => attempt(address, socket_buffer, None).await.map_err(Cause::error),
        _ => race(interleave(addresses), socket_buffer, descriptors).await,
    }
}

async fn race(
    mut waiting: VecDeque<SocketAddr>,
    socket_buffer: Option<usize>,
    descriptors: &Arc<Descriptors>,
) -> Result<(TcpStream, SocketAddr), Error> {
    waiting.truncate(MAX_ATTEMPTS);
    let mut running = JoinSet::new();
    let mut begun: VecDeque<(AbortHandle, Instant)> = VecDeque::new();
    let mut worst = Cause::Unreachable;
    let mut next_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(cause)) => {
                    worst = worst.max(cause);
                    next_at = Instant::now();
                }
                // It gave way.
                Err(ended) if ended.is_cancelled() => {
                    worst = worst.max(Cause::TimedOut);
                    next_at = Instant::now();
                }
                Err(_panicked) => worst = Cause::Exhausted,
            },
            () = sleep_until(next_at), if !waiting.is_empty() => {
                let now = Instant::now();
                begun.retain(|(attempt, _)| !attempt.is_finished());
                let room = match begun.front() {
                    None => Some(None),
                    Some(_) if begun.len() < MAX_AT_A_TIME => descriptors.race().map(Some),
                    Some(_) => None,
                };
                match (room, begun.front()) {
                    (Some(racing), _) => {
                        if let Some(address) = waiting.pop_front() {
                            let attempt = running.spawn_local(attempt(address, socket_buffer, racing));
                            begun.push_back((attempt, now));
                        }
                        next_at = now + ATTEMPT_DELAY;
                    }
                    (None, Some((longest, since))) if *since + ATTEMPT_TIME <= now => {
                        // Its end, which frees its descriptor, is the next event of the race.
                        longest.abort();
                        next_at = now + ATTEMPT_DELAY;
                    }
                    (None, longest) => next_at = longest.map_or(now, |(_, since)| *since + ATTEMPT_TIME),
                }
            }
            else => return Err(worst.error()),
        }
    }
}

/// Why one attempt failed, the less telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// No route. A machine without IPv6 has none to any IPv6 address, so any other cause tells more.
    Unreachable,
    /// The address refused.
    Refused,
    /// The address did not answer in the time the kernel gives it.
    TimedOut,
    /// No socket could be had.
    Exhausted,
}

impl Cause {
    const fn error(self) -> Error {
        match self {
            Self::Unreachable => Error::ConnectFailed,
            Self::Refused => Error::ConnectRefused,
            Self::TimedOut => Error::ConnectTimeout,
            Self::Exhausted => Error::Internal,
        }
    }

    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::CONNREFUSED | Errno::CONNRESET) => Self::Refused,
            Some(Errno::TIMEDOUT) => Self::TimedOut,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            _ => Self::Unreachable,
        }
    }
}

async fn attempt(
    address: SocketAddr,
    socket_buffer: Option<usize>,
    _racing: Option<Racing>,
) -> Result<(TcpStream, SocketAddr), Cause> {
    static EXHAUSTED: Throttle = Throttle::new();
    match open(address, socket_buffer).await {
        Ok(stream) => Ok((stream, address)),
        Err(error) => {
            let cause = Cause::of(&error);
            if cause == Cause::Exhausted
                && let Some(held_back) = EXHAUSTED.admit()
            {
                tracing::warn!(
                    %error, held_back,
                    "cannot open a socket to an upstream; raise the limit of open files"
                );
            }
            tracing::debug!(%address, %error, "cannot connect");
            Err(cause)
        }
    }
}

async fn open(address: SocketAddr, socket_buffer: Option<usize>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = socket_buffer {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // Before connect: the window is settled in the handshake.
        socket.set_recv_buffer_size(bytes)?;
        socket.set_send_buffer_size(bytes)?;
    }
    socket.set_nodelay(true)?;
    let stream = socket.connect(address).await?;
    // A port nobody listens on may be given to the connecting socket itself, which then meets itself
    // (RFC 9293 §3.5, simultaneous open); only a local port can be so.
    if is_loopback(address.ip()) && stream.local_addr()? == address {
        return Err(Errno::CONNREFUSED.into());
    }
    Ok(stream)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// The addresses with their families alternating, each family in the order given (RFC 8305 §4).
fn interleave(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let mut preferred = addresses.iter().filter(|address| address.is_ipv4() == first_is_v4);
    let mut other = addresses.iter().filter(|address| address.is_ipv4() != first_is_v4);
    let mut ordered = VecDeque::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::testing::in_worker;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address on which nobody listens, held so that nobody will.
    fn refusing() -> (socket2::Socket, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    /// An address whose queue is full, so that a connection to it stays pending.
    async fn silent() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
        let (socket, address) = refusing();
        socket.listen(0).unwrap();
        let mut queued = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            queued.push(connected.unwrap());
        }
        (socket, queued, address)
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_keep_their_own_order() {
        for (given, expected) in [
            (
                &["[::1]:1", "[::2]:1", "1.0.0.1:1", "1.0.0.2:1"][..],
                &["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1"][..],
            ),
            (&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"], &["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]),
            (&["1.0.0.1:1", "1.0.0.2:1"], &["1.0.0.1:1", "1.0.0.2:1"]),
            (&["[::1]:1"], &["[::1]:1"]),
            (&[], &[]),
        ] {
            assert_eq!(Vec::from(interleave(&addresses(given))), addresses(expected));
        }
    }

    #[test]
    fn one_address_is_simply_connected_to() {
        in_worker(async {
            let (listener, address) = listener().await;
            let (stream, reached) = connect(&[address], Some(64 << 10), &many()).await.unwrap();
            assert_eq!(reached, address);
            assert!(stream.nodelay().unwrap());
            let socket = SockRef::from(&stream);
            for size in [socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()] {
                assert!((64 << 10..=128 << 10).contains(&size), "{size}");
            }
            drop(listener);
        });
    }

    #[test]
    fn a_refused_address_gives_way_at_once() {
        in_worker(async {
            let (_held, refusing) = refusing();
            let (_listener, address) = listener().await;
            let start = Instant::now();
            let (_stream, reached) = connect(&[refusing, address], None, &many()).await.unwrap();
            assert_eq!(reached, address);
            assert!(start.elapsed() < ATTEMPT_DELAY);
        });
    }

    #[test]
    fn a_silent_address_gives_way_after_its_delay() {
        in_worker(async {
            let (_socket, _queued, silent) = silent().await;
            let (_listener, address) = listener().await;
            let start = Instant::now();
            let (_stream, reached) = connect(&[silent, address], None, &many()).await.unwrap();
            assert_eq!(reached, address);
            assert!(start.elapsed() >= ATTEMPT_DELAY);
        });
    }

    fn many() -> Arc<Descriptors> {
        Descriptors::new(1000, 1000)
    }

    #[test]
    fn of_many_silent_addresses_few_are_tried_at_a_time_and_each_has_its_time() {
        in_worker(async {
            let (_socket, _queued, silent) = silent().await;
            for (races, count, least) in [(1000, 5, 1250), (1, 2, 1000), (0, 1, 1000)] {
                let descriptors = Descriptors::new(1000, races);
                let (_listener, good) = listener().await;
                let addresses = [vec![silent; count], vec![good]].concat();
                let begun = Instant::now();
                let (_stream, reached) = connect(&addresses, None, &descriptors).await.unwrap();
                assert_eq!(reached, good, "it comes to those behind");
                let (took, least) = (begun.elapsed(), Duration::from_millis(least));
                assert!(took >= least && took < least + ATTEMPT_TIME, "{races}: {took:?}");
                tokio::task::yield_now().await;
                let free = (0..races).map_while(|_| descriptors.race()).collect::<Vec<_>>().len();
                assert_eq!(free, races, "all of it is given back at once");
            }
        });
    }

    #[test]
    fn of_more_addresses_than_sixteen_the_others_are_not_tried() {
        in_worker(async {
            let (_held, refusing) = refusing();
            let (_listener, good) = listener().await;
            for (refused, expected) in [(15, Ok(good)), (16, Err(Error::ConnectRefused))] {
                let addresses = [vec![refusing; refused], vec![good]].concat();
                let connected = connect(&addresses, None, &many()).await.map(|(_, address)| address);
                assert_eq!(connected, expected);
            }
        });
    }

    #[test]
    fn the_most_telling_cause_is_reported() {
        in_worker(async {
            let (_held, refusing) = refusing();
            let unroutable = SocketAddr::from(([255, 255, 255, 255], 9));
            for (addresses, expected) in [
                (vec![], Error::ConnectFailed),
                (vec![refusing], Error::ConnectRefused),
                (vec![refusing, refusing], Error::ConnectRefused),
                (vec![unroutable], Error::ConnectFailed),
                (vec![unroutable, unroutable], Error::ConnectFailed),
                (vec![refusing, unroutable], Error::ConnectRefused),
            ] {
                assert_eq!(connect(&addresses, None, &many()).await.unwrap_err(), expected, "{addresses:?}");
            }
        });
    }

    #[test]
    fn causes_map_to_errors() {
        for (errno, expected) in [
            (Errno::CONNREFUSED, Error::ConnectRefused),
            (Errno::TIMEDOUT, Error::ConnectTimeout),
            (Errno::NETUNREACH, Error::ConnectFailed),
            (Errno::HOSTUNREACH, Error::ConnectFailed),
            (Errno::ADDRNOTAVAIL, Error::ConnectFailed),
            (Errno::ACCESS, Error::ConnectFailed),
            (Errno::MFILE, Error::Internal),
        ] {
            assert_eq!(Cause::of(&errno.into()).error(), expected, "{errno}");
        }
    }
}

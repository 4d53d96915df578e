//! Listening sockets, one per worker on the same address, and an accept loop that outlives what kills others.
//!
//! The kernel spreads connections over the sockets of a group (`SO_REUSEPORT`). Closing one of a group
//! resets what is in its queue, so whoever owns a group closes it whole, after [`ListeningSocket::refuse_new`] and
//! [`Acceptor::try_drain`] have emptied it. Of a Unix socket there is one, which all workers share.

use std::{
    future::pending,
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
    },
    rc::Rc,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{Shutdown, shutdown},
};
use socket2::{Domain, Protocol, SockRef, Socket as AnySocket, Type};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{TcpListener, TcpStream, UnixStream},
    sync::Notify,
    task::coop::consume_budget,
    time::{sleep, timeout},
};

use super::{socket::Socket, throttle::Throttle, unix};
use crate::config::{ListenAddress, UnixName};

/// Connections that may wait to be accepted, per socket; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long an accept without descriptors waits when nobody reports one as freed (another worker may have
/// freed it): short enough to recover within 20 ms, long enough to cost a thousandth of a core.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(10);

/// How long an accept waits after an error that should not happen, so that no error can make it spin.
const FAULT_WAIT: Duration = Duration::from_millis(100);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", reason(.address, .source))]
pub struct ListenError {
    /// The address as it was asked for.
    pub address: ListenAddress,
    /// What the system said.
    pub source: io::Error,
}

fn reason(address: &ListenAddress, error: &io::Error) -> String {
    match address {
        ListenAddress::Tcp(_) => reason_of_tcp(error),
        ListenAddress::Unix(_) => reason_of_unix(error),
    }
}

fn reason_of_unix(error: &io::Error) -> String {
    let text = match Errno::from_io_error(error) {
        Some(Errno::EXIST) => {
            "a file is there that is no socket, and is left alone; move it away or choose another path"
        }
        Some(Errno::ADDRINUSE) => {
            "another socket listens there already; stop that program or choose another name"
        }
        Some(Errno::NOENT | Errno::NOTDIR) => "its folder is not there; create it or choose another path",
        Some(Errno::ACCESS | Errno::PERM) => {
            "permission denied; choose a path in a folder that this user may write to"
        }
        _ => return reason_of_any(error),
    };
    text.to_owned()
}

fn reason_of_tcp(error: &io::Error) -> String {
    let text = match Errno::from_io_error(error) {
        Some(Errno::ACCESS) => "permission denied; run as root or grant CAP_NET_BIND_SERVICE",
        Some(Errno::ADDRINUSE) => {
            "another socket listens there already; stop that program or choose another port"
        }
        Some(Errno::ADDRNOTAVAIL) => {
            "this machine has no such address; choose one of its own, or 0.0.0.0 or [::] for all"
        }
        Some(Errno::AFNOSUPPORT) => "this machine has no IPv6; choose an IPv4 address",
        _ => return reason_of_any(error),
    };
    text.to_owned()
}

fn reason_of_any(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            "no descriptor is left; raise the limit of open files".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A socket that listens, and that no runtime watches.
#[derive(Debug)]
pub enum ListeningSocket {
    /// On a port.
    Tcp(StdListener),
    /// On a Unix socket.
    Unix(StdUnixListener),
}

impl ListeningSocket {
    /// Where it listens.
    ///
    /// # Errors
    /// What the system says, or that it has no name that could be typed.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().map(ListenAddress::Tcp),
            Self::Unix(unix) => {
                let name = UnixName::of_socket(&unix.local_addr()?).map(ListenAddress::Unix);
                name.ok_or_else(|| {
                    io::Error::new(io::ErrorKind::InvalidInput, "it has no name that can be typed")
                })
            }
        }
    }

    /// The same socket by another descriptor.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(tcp) => tcp.try_clone().map(Self::Tcp),
            Self::Unix(unix) => unix.try_clone().map(Self::Unix),
        }
    }

    /// Makes the kernel refuse what is not yet queued, so that the queue can be emptied before closing.
    ///
    /// A TCP socket with a backlog of 0 still lets Linux queue one connection, so a group is empty when
    /// [`Acceptor::try_drain`] says so and stays so only once it is closed.
    ///
    /// # Errors
    /// What the system says.
    pub fn refuse_new(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => Ok(rustix::net::listen(tcp, 0)?),
            // A backlog of 0 would have clients wait (unix(7)); what is queued can be accepted still.
            Self::Unix(unix) => Ok(shutdown(unix, Shutdown::Read)?),
        }
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

impl From<ListeningSocket> for OwnedFd {
    fn from(socket: ListeningSocket) -> Self {
        match socket {
            ListeningSocket::Tcp(tcp) => tcp.into(),
            ListeningSocket::Unix(unix) => unix.into(),
        }
    }
}

/// Opens `count` sockets (at least one) that listen on one address and share what comes; of a Unix socket there is one.
///
/// Port 0 takes a free port, the same for all. `[::]` takes IPv4 as well. `socket_buffer` bounds the kernel's
/// receive and send buffer, in bytes, of every TCP connection accepted (Linux doubles the figure to cover its
/// own bookkeeping); `None` leaves them to the kernel.
///
/// # Errors
/// [`ListenError`] when a socket cannot be opened or bound, also when another process listens there with
/// `SO_REUSEPORT` and the kernel would let us share its connections.
pub fn bind_group(
    address: &ListenAddress,
    count: usize,
    socket_buffer: Option<usize>,
) -> Result<Vec<ListeningSocket>, ListenError> {
    let bound = match address {
        ListenAddress::Tcp(address) => bind_ports(*address, count, socket_buffer),
        ListenAddress::Unix(name) => unix::bind(name, BACKLOG).map(|one| vec![ListeningSocket::Unix(one)]),
    };
    bound.map_err(|source| ListenError { address: address.clone(), source })
}

fn bind_ports(
    address: SocketAddr,
    count: usize,
    socket_buffer: Option<usize>,
) -> io::Result<Vec<ListeningSocket>> {
    if address.port() != 0 {
        bound(address, false)?;
    }
    let first = listener(address, socket_buffer)?;
    let shared = first.local_addr()?;
    let mut group = vec![ListeningSocket::Tcp(first)];
    while group.len() < count {
        group.push(ListeningSocket::Tcp(listener(shared, socket_buffer)?));
    }
    Ok(group)
}

/// Makes a listening socket that others have opened like those of [`bind_group`]. What waits in its queue stays.
///
/// # Errors
/// When it does not listen, or what the system says.
pub fn adopt(socket: &ListeningSocket, socket_buffer: Option<usize>) -> io::Result<()> {
    if !rustix::net::sockopt::socket_acceptconn(socket)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
    }
    // Once more, for its queue may have another length.
    match socket {
        ListeningSocket::Tcp(tcp) => begin(&SockRef::from(tcp), socket_buffer),
        ListeningSocket::Unix(unix) => {
            rustix::net::listen(unix, BACKLOG)?;
            unix.set_nonblocking(true)
        }
    }
}

fn listener(address: SocketAddr, socket_buffer: Option<usize>) -> io::Result<StdListener> {
    let socket = bound(address, true)?;
    begin(&socket, socket_buffer)?;
    Ok(socket.into())
}

fn begin(socket: &AnySocket, socket_buffer: Option<usize>) -> io::Result<()> {
    if let Some(bytes) = socket_buffer {
        // Before listen: the window a peer is offered is settled in its handshake.
        socket.set_recv_buffer_size(bytes)?;
        socket.set_send_buffer_size(bytes)?;
    }
    // Inherited by what is accepted, which saves each connection a system call: small writes leave at once.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)
}

/// A socket bound to the address; without `shared`, binding fails when anybody listens there.
fn bound(address: SocketAddr, shared: bool) -> io::Result<AnySocket> {
    let socket = AnySocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What an error of accept(2) calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// One connection died in the queue, or a signal came: take the next.
    Next,
    /// Descriptors or memory ran out: wait until some are free.
    Scarcity,
    /// Nothing known helps.
    Fault,
}

fn remedy(error: &io::Error) -> Remedy {
    match Errno::from_io_error(error) {
        // Linux also hands out errors that are pending on the new connection; accept(2) says to go on.
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::PROTO
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::TIMEDOUT,
        ) => Remedy::Next,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Remedy::Scarcity,
        _ => Remedy::Fault,
    }
}

fn log(error: &io::Error, remedy: Remedy) {
    static SCARCITY: Throttle = Throttle::new();
    static FAULT: Throttle = Throttle::new();
    match remedy {
        Remedy::Next => tracing::trace!(%error, "a connection ended before it was accepted"),
        Remedy::Scarcity => {
            if let Some(held_back) = SCARCITY.admit() {
                tracing::warn!(
                    %error, held_back,
                    "cannot accept; raise the limit of open files or lower max_connections"
                );
            }
        }
        Remedy::Fault => {
            if let Some(held_back) = FAULT.admit() {
                tracing::error!(%error, held_back, "cannot accept");
            }
        }
    }
}

/// An accepted connection, and where it comes from; `None` of a Unix socket, whose clients have no name.
pub type Accepted = (Socket, Option<SocketAddr>);

/// Takes connections from one listening socket, whatever happens.
#[derive(Debug)]
pub struct Acceptor {
    listener: Listener,
    freed: Rc<Notify>,
}

/// A listening socket that the runtime of this thread watches.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    /// Bare, for the runtime's own would ask one that refuses over and over.
    Unix(AsyncFd<StdUnixListener>),
}

impl Acceptor {
    /// Takes over a non-blocking listener. `freed` is notified (`notify_waiters`) by whoever of this worker
    /// closes a connection, so that an accept that found no descriptor tries again at once.
    ///
    /// # Errors
    /// What the system says when the socket cannot be watched.
    pub fn new(socket: ListeningSocket, freed: Rc<Notify>) -> io::Result<Self> {
        let listener = match socket {
            ListeningSocket::Tcp(tcp) => Listener::Tcp(TcpListener::from_std(tcp)?),
            ListeningSocket::Unix(unix) => {
                #[expect(
                    deprecated,
                    reason = "meant for types that may lie about their descriptor; a UnixListener keeps the one it has"
                )]
                let unix = AsyncFd::with_interest(unix, Interest::READABLE)?;
                Listener::Unix(unix)
            }
        };
        Ok(Self { listener, freed })
    }

    /// The next connection. Never fails: connections that died in the queue are skipped, and while no
    /// descriptor or memory is left it waits, with one message a second in the log, unless `relieve` says that it has
    /// freed a descriptor. Cancel safe.
    pub async fn accept(&self, relieve: impl Fn() -> bool) -> Accepted {
        loop {
            let accepted = match &self.listener {
                Listener::Tcp(tcp) => tcp.accept().await.map(|(tcp, peer)| (Socket::Tcp(tcp), Some(peer))),
                Listener::Unix(unix) => self.accept_unix(unix).await,
            };
            let error = match accepted {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            let remedy = remedy(&error);
            log(&error, remedy);
            match remedy {
                Remedy::Next => {}
                Remedy::Scarcity if relieve() => {}
                Remedy::Scarcity => {
                    // Either the signal or the time; both mean "try again".
                    let _ = timeout(DESCRIPTOR_WAIT, self.freed.notified()).await;
                }
                Remedy::Fault => sleep(FAULT_WAIT).await,
            }
        }
    }

    /// A connection that is queued in the kernel now, without waiting; `None` when the queue is empty or
    /// nothing can be accepted.
    pub fn try_drain(&self) -> Option<Accepted> {
        loop {
            // The kernel is asked, not the runtime, which may not have looked since the connection came.
            match self.take_queued() {
                Ok(accepted) => return Some(accepted),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => {
                    let remedy = remedy(&error);
                    log(&error, remedy);
                    if remedy != Remedy::Next {
                        return None;
                    }
                }
            }
        }
    }

    async fn accept_unix(&self, unix: &AsyncFd<StdUnixListener>) -> io::Result<Accepted> {
        loop {
            // As the runtime's own does, so that a crowd leaves time to others.
            consume_budget().await;
            let mut readable = unix.readable().await?;
            let refuses = readable.ready().is_read_closed();
            match readable.try_io(|_| self.take_queued()) {
                Ok(accepted) => return accepted,
                // Nothing comes any more.
                Err(_would_block) if refuses => pending().await,
                Err(_would_block) => {}
            }
        }
    }

    fn take_queued(&self) -> io::Result<Accepted> {
        let (socket, peer) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        match self.listener {
            Listener::Tcp(_) => {
                let peer = peer.as_socket().ok_or(io::ErrorKind::Unsupported)?;
                Ok((Socket::Tcp(TcpStream::from_std(StdStream::from(socket))?), Some(peer)))
            }
            Listener::Unix(_) => Ok((Socket::Unix(UnixStream::from_std(StdUnixStream::from(socket))?), None)),
        }
    }
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(tcp) => tcp.as_fd(),
            Listener::Unix(unix) => unix.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        net::{Ipv4Addr, Ipv6Addr},
        pin::Pin,
        task::Poll,
    };

    use super::*;
    use crate::net::testing::in_worker;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn acceptor(listener: ListeningSocket) -> Acceptor {
        Acceptor::new(listener, Rc::new(Notify::new())).unwrap()
    }

    fn bind_group(
        address: SocketAddr,
        count: usize,
        socket_buffer: Option<usize>,
    ) -> Result<Vec<ListeningSocket>, ListenError> {
        super::bind_group(&ListenAddress::Tcp(address), count, socket_buffer)
    }

    fn port_of(socket: &ListeningSocket) -> SocketAddr {
        match socket.address().unwrap() {
            ListenAddress::Tcp(address) => address,
            ListenAddress::Unix(_) => panic!("no port"),
        }
    }

    #[test]
    fn a_group_shares_one_port_also_when_the_system_chose_it() {
        let group = bind_group(ANY_PORT, 3, None).unwrap();
        let ports: Vec<_> = group.iter().map(|one| port_of(one).port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
        assert_eq!(bind_group(ANY_PORT, 0, None).unwrap().len(), 1);
    }

    #[test]
    fn a_port_that_others_listen_on_is_an_error_even_if_they_would_share_it() {
        let group = bind_group(ANY_PORT, 1, None).unwrap();
        let taken = port_of(&group[0]);
        let error = bind_group(taken, 2, None).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {taken}: another socket listens there already; \
                 stop that program or choose another port"
            )
        );
        drop(group);
        assert!(bind_group(taken, 2, None).is_ok());
    }

    #[test]
    fn a_port_with_connections_in_time_wait_can_be_taken_again() {
        in_worker(async {
            let mut group = bind_group(ANY_PORT, 1, None).unwrap();
            let address = port_of(&group[0]);
            let acceptor = acceptor(group.remove(0));
            let client = TcpStream::connect(address).await.unwrap();
            // The side that closes first keeps the state.
            drop(acceptor.accept(|| false).await);
            drop(client);
            drop(acceptor);
            assert!(bind_group(address, 1, None).is_ok());
        });
    }

    #[test]
    fn messages_say_what_to_do() {
        for (errno, expected) in [
            (Errno::ACCESS, "permission denied; run as root or grant CAP_NET_BIND_SERVICE"),
            (
                Errno::ADDRNOTAVAIL,
                "this machine has no such address; choose one of its own, or 0.0.0.0 or [::] for all",
            ),
        ] {
            let address = ListenAddress::Tcp(SocketAddr::from(([0, 0, 0, 0], 80)));
            let error = ListenError { address, source: errno.into() };
            assert_eq!(error.to_string(), format!("cannot listen on 0.0.0.0:80: {expected}"));
        }
        let unix =
            |source| ListenError { address: ListenAddress::sample("unix:/run/a.sock"), source }.to_string();
        for (errno, expected) in [
            (Errno::EXIST, "a file is there that is no socket, and is left alone"),
            (Errno::ADDRINUSE, "another socket listens there already"),
            (Errno::NOENT, "its folder is not there"),
            (Errno::ACCESS, "permission denied; choose a path in a folder that this user may write to"),
        ] {
            let told = unix(errno.into());
            assert!(told.starts_with(&format!("cannot listen on unix:/run/a.sock: {expected}")), "{told}");
        }
        let elsewhere = bind_group(SocketAddr::from(([192, 0, 2, 1], 0)), 1, None).unwrap_err();
        assert!(elsewhere.to_string().contains("no such address"), "{elsewhere}");
    }

    #[test]
    fn the_unspecified_ipv6_address_takes_ipv4_as_well() {
        in_worker(async {
            let Ok(mut group) = bind_group(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), 1, None) else {
                // A machine without IPv6 has nothing to show here.
                return;
            };
            let port = port_of(&group[0]).port();
            let acceptor = acceptor(group.remove(0));
            let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            let (accepted, connected) = tokio::join!(acceptor.accept(|| false), connect);
            assert!(connected.is_ok());
            assert!(accepted.1.unwrap().is_ipv6());
        });
    }

    #[test]
    fn accepted_connections_inherit_bounded_buffers_and_send_at_once() {
        in_worker(async {
            let mut group = bind_group(ANY_PORT, 1, Some(64 << 10)).unwrap();
            let address = port_of(&group[0]);
            let acceptor = acceptor(group.remove(0));
            let (accepted, connected) = tokio::join!(acceptor.accept(|| false), TcpStream::connect(address));
            let _client = connected.unwrap();
            let tcp = accepted.0.tcp_ref().unwrap();
            assert!(tcp.nodelay().unwrap());
            let socket = SockRef::from(tcp);
            for size in [socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()] {
                assert!((64 << 10..=128 << 10).contains(&size), "{size}");
            }
        });
    }

    #[test]
    fn a_drain_empties_the_queue_and_then_says_so() {
        in_worker(async {
            let mut group = bind_group(ANY_PORT, 1, None).unwrap();
            let address = port_of(&group[0]);
            let owned = group[0].try_clone().unwrap();
            let acceptor = acceptor(group.remove(0));
            let mut clients = Vec::new();
            for _ in 0..5 {
                clients.push(TcpStream::connect(address).await.unwrap());
            }
            owned.refuse_new().unwrap();
            let drained: Vec<_> = std::iter::from_fn(|| acceptor.try_drain()).collect();
            let peers: Vec<_> = drained.iter().filter_map(|(_, peer)| *peer).collect();
            let expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
            assert_eq!(peers, expected);
            assert!(acceptor.try_drain().is_none());
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_unix_socket_that_refuses_gives_what_is_queued_and_then_nothing() {
        in_worker(async {
            let name = "corsair-test-of-a-socket-that-refuses";
            let address = ListenAddress::sample(&format!("unix:@{name}-{}", std::process::id()));
            let ListenAddress::Unix(name) = &address else { panic!("a Unix socket") };
            let mut group = super::bind_group(&address, 4, None).unwrap();
            assert_eq!((group.len(), group[0].address().unwrap()), (1, address.clone()));
            let taken = super::bind_group(&address, 4, None).unwrap_err().to_string();
            assert!(taken.contains("another socket listens there already"), "{taken}");
            let owned = group[0].try_clone().unwrap();
            let acceptor = acceptor(group.remove(0));
            let connect = || UnixStream::connect(name.system_name());
            let _clients = [connect().await.unwrap(), connect().await.unwrap(), connect().await.unwrap()];
            owned.refuse_new().unwrap();
            assert_eq!(connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            assert!(matches!(acceptor.accept(|| false).await, (Socket::Unix(_), None)));
            let drained: Vec<_> = std::iter::from_fn(|| acceptor.try_drain()).collect();
            assert_eq!(drained.len(), 2);
            assert!(timeout(FAULT_WAIT / 2, acceptor.accept(|| false)).await.is_err());
            // Also for one that comes late to it.
            assert!(timeout(FAULT_WAIT / 2, self::acceptor(owned).accept(|| false)).await.is_err());
        });
    }

    #[test]
    fn every_error_of_accept_has_its_remedy() {
        for (errno, expected) in [
            (Errno::CONNABORTED, Remedy::Next),
            (Errno::INTR, Remedy::Next),
            (Errno::PROTO, Remedy::Next),
            (Errno::MFILE, Remedy::Scarcity),
            (Errno::NFILE, Remedy::Scarcity),
            (Errno::NOBUFS, Remedy::Scarcity),
            (Errno::NOMEM, Remedy::Scarcity),
            (Errno::BADF, Remedy::Fault),
            (Errno::INVAL, Remedy::Fault),
        ] {
            assert_eq!(remedy(&errno.into()), expected, "{errno}");
        }
    }
    #[test]
    fn an_accept_without_descriptors_goes_on_when_one_is_freed() {
        // The limit is the whole process's, so the test has one of its own.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "net::listen::tests::in_a_process_of_its_own"])
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }

    #[test]
    #[ignore = "lowers the descriptor limit of its process; another test starts it"]
    fn in_a_process_of_its_own() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        in_worker(async {
            let mut group = bind_group(ANY_PORT, 1, None).unwrap();
            let address = port_of(&group[0]);
            let freed = Rc::new(Notify::new());
            let acceptor = Acceptor::new(group.remove(0), Rc::clone(&freed)).unwrap();
            let _clients = [(); 2].map(|()| StdStream::connect(address).unwrap());
            let limit = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
            setrlimit(Resource::Nofile, limit).unwrap();
            let mut hoard = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                hoard.push(file);
            }
            assert!(timeout(DESCRIPTOR_WAIT * 5, acceptor.accept(|| false)).await.is_err());
            assert!(acceptor.try_drain().is_none());

            // Told so, it goes on at once; a clock that stands still shows that it did not wait.
            tokio::time::pause();
            let mut accepting = Box::pin(acceptor.accept(|| false));
            assert!(once(&mut accepting).await.is_pending());
            hoard.pop();
            freed.notify_waiters();
            let Poll::Ready(first) = once(&mut accepting).await else { panic!("it waits for the time") };
            tokio::time::resume();

            // Not told, it finds out.
            let mut accepting = Box::pin(acceptor.accept(|| false));
            assert!(once(&mut accepting).await.is_pending());
            hoard.pop();
            let start = std::time::Instant::now();
            let second = accepting.await;
            assert!(start.elapsed() < DESCRIPTOR_WAIT * 10, "{:?}", start.elapsed());
            assert_ne!(first.1, second.1);
        });
    }

    /// Polls a future once.
    async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
    }
}

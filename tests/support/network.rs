//! A bad network between any two sockets: it splits, holds back, cuts and resets what passes through it.
//!
//! It listens, and connects onward for each connection that it takes: in front of corsair for a client, behind
//! corsair for an origin. What comes from the end that connected is the upload, what goes back the download.
//! It knows bytes alone, so TLS passes through it as well.
//!
//! Without impairments it is a good network: bytes, half-closes and resets pass on as they come.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{
    Client, PATIENCE,
    impairment::{Conditions, Impairment, Record, Seen, carry},
};

#[derive(Default)]
struct Shared {
    conditions: Mutex<Conditions>,
    record: Record,
    stopping: AtomicBool,
}

/// A running network; dropping it ends what passes through it.
pub(crate) struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Network {
    /// A good network on the way to `address`.
    pub(crate) fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming() {
                if accepting.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(near) = near else { continue };
                let shared = Arc::clone(&accepting);
                let conditions = shared.conditions.lock().unwrap().clone();
                shared.record.update(|seen| {
                    seen.connections += 1;
                    seen.open += 1;
                });
                thread::spawn(move || {
                    connect_and_carry(near, address, conditions, &shared);
                    shared.record.update(|seen| seen.open -= 1);
                });
            }
        });
        Self { address: here, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to the upload of every connection from now on.
    pub(crate) fn upload(&self, impairments: impl Into<Vec<Impairment>>) -> &Self {
        self.shared.conditions.lock().unwrap().upload = impairments.into();
        self
    }

    /// What happens to the download of every connection from now on.
    pub(crate) fn download(&self, impairments: impl Into<Vec<Impairment>>) -> &Self {
        self.shared.conditions.lock().unwrap().download = impairments.into();
        self
    }

    /// A new client connection through this network.
    pub(crate) fn connect(&self) -> Client {
        let before = self.seen().connections;
        let client = Client::connect(self.address);
        // What is said about later connections is not about this one.
        self.wait("the connection is accepted", |seen| seen.connections > before);
        client
    }

    /// What has passed so far.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.record.seen()
    }

    /// Waits until `condition` holds for what was seen; panics with `what` after [`PATIENCE`].
    pub(crate) fn wait(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        assert!(
            self.happens(PATIENCE, condition),
            "never happened in the network: {what}: {:?}",
            self.seen()
        );
    }

    /// Whether `condition` comes to hold within `limit`.
    pub(crate) fn happens(&self, limit: Duration, condition: impl FnMut(&Seen) -> bool) -> bool {
        self.shared.record.happens(limit, condition)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn connect_and_carry(near: TcpStream, address: SocketAddr, conditions: Conditions, shared: &Shared) {
    let far = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    for (socket, impairments) in
        [(SockRef::from(&near), &conditions.upload), (SockRef::from(&far), &conditions.download)]
    {
        for impairment in impairments {
            if let Impairment::Narrow(size) = impairment {
                socket.set_recv_buffer_size(*size).unwrap();
            }
        }
    }
    let connected = far.connect_timeout(&address.into(), PATIENCE);
    if connected.is_err() {
        shared.record.update(|seen| seen.download.reset += 1);
    }
    let far = TcpStream::from(far);
    let carried = connected.and_then(|()| {
        for socket in [&near, &far] {
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
        }
        carry(&near, &far, conditions, &shared.record, &shared.stopping)
    });
    if carried.is_err() {
        for socket in [&near, &far] {
            // Closed with a reset instead of a FIN.
            drop(SockRef::from(socket).set_linger(Some(Duration::ZERO)));
        }
    }
}

/// An address on which nobody listens, and on which nobody but a test that was told of it ever will: the kernel gives its port
/// to no one else while this process lives.
pub(crate) fn nobody() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // So that who was told may still bind it, as a server does that comes back.
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

//! Listening sockets that the process was started with: by a service manager (sd_listen_fds(3)), or by the process
//! that it succeeds.

use std::{
    env,
    io::{self, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use listenfd::ListenFd;

use crate::{config::ListenAddress, net::listen::ListeningSocket};

/// The number of the first descriptor that is passed.
pub(super) const FIRST_DESCRIPTOR: i32 = 3;
/// The name of what is passed last to a process that succeeds another one: on it that one hears of it.
pub(super) const SUCCESSOR: &str = "corsair-successor";
/// To such a process, the name of a socket that a service manager has as well.
pub(super) const KEPT: &str = "corsair-kept";

/// The sockets that the process was started with and that no listener has taken yet.
#[derive(Default)]
pub(super) struct Inherited {
    /// By their number among those that were passed.
    sockets: Vec<Socket>,
    predecessor: Option<UnixStream>,
    /// How many were passed.
    passed: usize,
}

/// The process that this one succeeds, which serves until it hears that this one does.
#[derive(Debug)]
pub(super) struct Predecessor {
    stream: UnixStream,
    /// What it hears.
    served: String,
}

impl Predecessor {
    /// Tells that all workers serve.
    pub(super) fn tell(mut self) {
        if let Err(error) = self.stream.write_all(self.served.as_bytes()) {
            tracing::warn!(%error, "the process before this one does not hear that this one serves");
        }
    }
}

struct Socket {
    number: usize,
    address: ListenAddress,
    listener: ListeningSocket,
    kept: bool,
}

/// The sockets of one listener.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) sockets: Vec<ListeningSocket>,
    /// A service manager has them as well: they outlive this process, and what it has not accepted waits for the next.
    pub(super) kept: bool,
}

impl Inherited {
    /// What the environment says of them. To be called while the process has one thread and no descriptors of its own.
    pub(super) fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let succeeds = names.last() == Some(&SUCCESSOR);
        // Without it they may be meant for anybody, such as the shell that has started us.
        if env::var_os("LISTEN_PID").is_none() && !succeeds {
            return Self::default();
        }
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        let mut sockets = passed.len();
        if succeeds && let Some(last) = sockets.checked_sub(1) {
            // It is checked to be a stream of the system's own, and has no other way out of there.
            let stream = passed.take_unix_listener(last).ok().flatten();
            inherited.predecessor = stream.map(|stream| UnixStream::from(OwnedFd::from(stream)));
            sockets = last;
        }
        inherited.passed = sockets;
        for number in 0..sockets {
            let kept = !succeeds || names.get(number) == Some(&KEPT);
            inherited.take_in(number, kept, &mut passed);
        }
        inherited
    }

    fn take_in(&mut self, number: usize, kept: bool, passed: &mut ListenFd) {
        let adopted = taken_out(number, passed).and_then(|listener| {
            let Some(listener) = listener else { return Ok(None) };
            Ok(Some(Socket { number, address: listener.address()?, listener, kept }))
        });
        match adopted {
            Ok(socket) => self.sockets.extend(socket),
            Err(error) => {
                tracing::warn!(number, %error, "a descriptor of LISTEN_FDS is no listening TCP or Unix socket; it is not used");
            }
        }
    }

    /// Takes the sockets that listen on `address`. Port 0 stands for any that is left: then they are those of one port.
    pub(super) fn take(&mut self, address: &ListenAddress) -> Taken {
        let found = self.sockets.iter().map(|socket| &socket.address).find(|found| is_meant(address, found));
        let mut taken = Taken::default();
        let Some(found) = found.cloned() else { return taken };
        for socket in self.sockets.extract_if(.., |socket| socket.address == found) {
            taken.kept |= socket.kept;
            taken.sockets.push(socket.listener);
        }
        taken
    }

    /// Closes those that nobody has taken, and says so; returns whom this process succeeds.
    pub(super) fn close(self) -> Option<Predecessor> {
        let left: Vec<usize> = self.sockets.iter().map(|socket| socket.number).collect();
        for Socket { number, address, .. } in self.sockets {
            tracing::warn!(
                number,
                %address,
                "a socket of LISTEN_FDS is closed: no listener has this address; add --listen, or take it out of the \
                 socket unit"
            );
        }
        let served = (0..self.passed).map(|number| if left.contains(&number) { '0' } else { '1' });
        let served = served.chain(['\n']).collect();
        self.predecessor.map(|stream| Predecessor { stream, served })
    }
}

/// The socket of this number, of either kind.
fn taken_out(number: usize, passed: &mut ListenFd) -> io::Result<Option<ListeningSocket>> {
    // What is of one kind cannot be taken as the other, and stays.
    match passed.take_unix_listener(number) {
        Ok(unix) => Ok(unix.map(ListeningSocket::Unix)),
        Err(_) => Ok(passed.take_tcp_listener(number)?.map(ListeningSocket::Tcp)),
    }
}

/// Whether a socket at `found` is one that `address` stands for.
fn is_meant(address: &ListenAddress, found: &ListenAddress) -> bool {
    match (address, found) {
        (ListenAddress::Tcp(any), ListenAddress::Tcp(found)) if any.port() == 0 => any.ip() == found.ip(),
        _ => address == found,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn inherited(addresses: &[&str]) -> Inherited {
        let sockets = addresses.iter().enumerate().map(|(number, address)| {
            let listener = ListeningSocket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
            Socket { number, address: ListenAddress::sample(address), listener, kept: false }
        });
        Inherited { sockets: sockets.collect(), ..Inherited::default() }
    }

    fn left(inherited: &Inherited) -> Vec<usize> {
        inherited.sockets.iter().map(|socket| socket.number).collect()
    }

    #[test]
    fn a_listener_takes_all_sockets_of_its_address() {
        let mut inherited = inherited(&["127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:80", "[::]:80"]);
        assert_eq!(inherited.take(&ListenAddress::sample("127.0.0.1:80")).sockets.len(), 2);
        assert_eq!(left(&inherited), [1, 3]);
        assert_eq!(inherited.take(&ListenAddress::sample("127.0.0.1:80")).sockets.len(), 0);
        assert_eq!(inherited.take(&ListenAddress::sample("[::]:80")).sockets.len(), 1);
        assert_eq!(inherited.take(&ListenAddress::sample("0.0.0.0:81")).sockets.len(), 0);
        assert_eq!(left(&inherited), [1]);
    }

    #[test]
    fn a_unix_socket_is_for_the_listener_of_its_name() {
        let mut inherited = inherited(&["unix:/run/a", "unix:@a", "127.0.0.1:80", "unix:/run/b"]);
        for (address, expected) in [("unix:@b", 0), ("unix:/run/b", 1), ("unix:@a", 1), ("0.0.0.0:0", 0)] {
            assert_eq!(inherited.take(&ListenAddress::sample(address)).sockets.len(), expected, "{address}");
        }
        assert_eq!(left(&inherited), [0, 2]);
    }

    #[test]
    fn port_0_takes_the_sockets_of_one_port_that_are_left() {
        let mut inherited = inherited(&["127.0.0.2:9", "127.0.0.1:7", "127.0.0.1:8", "127.0.0.1:7"]);
        let any = ListenAddress::sample("127.0.0.1:0");
        assert_eq!(inherited.take(&any).sockets.len(), 2);
        assert_eq!(left(&inherited), [0, 2]);
        assert_eq!((inherited.take(&any).sockets.len(), inherited.take(&any).sockets.len()), (1, 0));
    }
}

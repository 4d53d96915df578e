//! The floor under every proxy: an epoll loop that moves bytes and reads none of them.
//!
//! Each client connection has one connection to the upstream, what comes from either goes to the other, and
//! nothing is parsed, added or pooled. What this costs for an exchange is what the kernel takes for it.
//!
//! `relay LISTEN UPSTREAM`, both of them `address:port`; one thread, Linux alone (epoll).

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err(std::io::Error::other("usage: relay LISTEN UPSTREAM"));
    };
    linux::run(&listen, &upstream)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the relay knows epoll alone");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io::{self, ErrorKind, Read, Write},
        mem::MaybeUninit,
        net::{TcpListener, TcpStream},
        os::fd::OwnedFd,
    };

    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

    /// Bytes that one direction of a pair holds while its receiver takes none.
    const ROOM: usize = 64 << 10;
    /// What the listener is called among the events; pairs are called by their place.
    const LISTENER: u64 = u64::MAX;

    /// One direction of a pair.
    struct Direction {
        room: Box<[u8]>,
        held: std::ops::Range<usize>,
        ended: bool,
    }

    impl Direction {
        fn new() -> Self {
            Self { room: vec![0; ROOM].into(), held: 0..0, ended: false }
        }

        /// Moves until one of the two would block; whether the direction may still move.
        fn pump(&mut self, from: &TcpStream, to: &TcpStream) -> bool {
            loop {
                if self.held.is_empty() {
                    if self.ended {
                        return false;
                    }
                    match (&mut &*from).read(&mut self.room) {
                        Ok(0) => self.ended = true,
                        Ok(size) => self.held = 0..size,
                        Err(error) => return error.kind() == ErrorKind::WouldBlock,
                    }
                    continue;
                }
                match (&mut &*to).write(&self.room[self.held.clone()]) {
                    Ok(size) => self.held.start += size,
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
                // A read that did not fill the room has emptied the socket; its next bytes are an event.
                if self.held.is_empty() && self.held.end < ROOM {
                    return true;
                }
            }
        }
    }

    /// A client and its upstream.
    struct Pair {
        client: TcpStream,
        upstream: TcpStream,
        up: Direction,
        down: Direction,
    }

    impl Pair {
        /// Moves both ways; whether the pair lives on.
        fn pump(&mut self) -> bool {
            self.up.pump(&self.client, &self.upstream) && self.down.pump(&self.upstream, &self.client)
        }
    }

    /// Relays until the process is killed.
    pub(crate) fn run(listen: &str, upstream: &str) -> io::Result<()> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut pairs: Vec<Option<Pair>> = Vec::new();
        let mut events = [MaybeUninit::uninit(); 256];
        loop {
            let (ready, _) = epoll::wait(&poll, &mut events, None)?;
            for event in ready {
                let name = event.data.u64();
                if name == LISTENER {
                    accept(&listener, upstream, &poll, &mut pairs)?;
                    continue;
                }
                let Some(place) = usize::try_from(name).ok().and_then(|place| pairs.get_mut(place)) else {
                    continue;
                };
                if place.as_mut().is_some_and(|pair| !pair.pump()) {
                    *place = None;
                }
            }
        }
    }

    fn accept(
        listener: &TcpListener,
        upstream: &str,
        poll: &OwnedFd,
        pairs: &mut Vec<Option<Pair>>,
    ) -> io::Result<()> {
        while let Ok((client, _)) = listener.accept() {
            // Where nobody listens, not yet for example, the client is told by the end of its connection.
            let Ok(upstream) = TcpStream::connect(upstream) else { continue };
            let place = pairs.iter().position(Option::is_none).unwrap_or(pairs.len());
            for end in [&client, &upstream] {
                end.set_nonblocking(true)?;
                end.set_nodelay(true)?;
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(poll, end, EventData::new_u64(place as u64), flags)?;
            }
            let pair = Pair { client, upstream, up: Direction::new(), down: Direction::new() };
            if place == pairs.len() {
                pairs.push(Some(pair));
            } else {
                pairs[place] = Some(pair);
            }
        }
        Ok(())
    }
}

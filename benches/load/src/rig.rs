//! All connections of both ends, and the one loop that serves them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

use crate::{
    framing::Progress,
    kinds::{Afterwards, Kind, Turn},
};

const LISTENER: Token = Token(usize::MAX);
/// Nothing happens for so long: whoever runs the loop looks at its clock.
const PAUSE: Duration = Duration::from_millis(50);
/// No message is longer.
const ROOM: usize = 64 << 10;

/// Who holds a socket.
#[derive(Clone, Copy, Debug)]
enum Role {
    Client { asked_at: Instant },
    Origin,
}

/// One socket, and how far the conversation on it has come.
#[derive(Debug)]
struct End {
    stream: TcpStream,
    role: Role,
    /// What has come of a message that is not whole.
    got: Vec<u8>,
    turn: usize,
}

/// What has happened since it was last set to nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Questions that the origin has heard to their end.
    pub(crate) asked: usize,
    /// Conversations that a client has heard to their end.
    pub(crate) answered: usize,
    pub(crate) errors: usize,
    /// Microseconds from question to answer.
    pub(crate) latencies: Vec<u32>,
}

pub(crate) struct Rig {
    kind: Kind,
    proxy: SocketAddr,
    poll: Poll,
    listener: TcpListener,
    ends: Slab<End>,
    room: Vec<u8>,
    tally: Tally,
}

impl Rig {
    /// The origin listens; nobody has asked yet.
    pub(crate) fn new(kind: Kind, origin: SocketAddr, proxy: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(origin)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (ends, room) = (Slab::new(), vec![0; ROOM]);
        Ok(Self { kind, proxy, poll, listener, ends, room, tally: Tally::default() })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What has happened so far is over.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Conversations that have come as far as they will: to their end, or to where no answer comes.
    pub(crate) fn settled(&self) -> usize {
        if self.kind.is_unanswered() { self.tally.asked } else { self.tally.answered }
    }

    /// One client more, which asks at once.
    pub(crate) fn connect(&mut self) -> io::Result<()> {
        // Over loopback, to somebody who listens, this does not wait.
        let stream = std::net::TcpStream::connect(self.proxy)?;
        stream.set_nonblocking(true)?;
        let key = self.add(TcpStream::from_std(stream), Role::Client { asked_at: Instant::now() })?;
        if self.ends[key].say(&self.kind.turns[0].ask) {
            Ok(())
        } else {
            Err(io::Error::other("a new connection takes nothing"))
        }
    }

    /// Serves whatever has happened, or waits a moment for it.
    pub(crate) fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, Some(PAUSE)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                Token(key) => self.hear(key)?,
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream, Role::Origin)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
        }
    }

    fn add(&mut self, mut stream: TcpStream, role: Role) -> io::Result<usize> {
        let place = self.ends.vacant_entry();
        let key = place.key();
        self.poll.registry().register(&mut stream, Token(key), Interest::READABLE)?;
        place.insert(End { stream, role, got: Vec::new(), turn: 0 });
        Ok(key)
    }

    /// Something has come on a connection, or it has ended.
    fn hear(&mut self, key: usize) -> io::Result<()> {
        // It may have been closed since the event was told.
        let Some(end) = self.ends.get_mut(key) else { return Ok(()) };
        let turn = &self.kind.turns[end.turn];
        let progress = end.receive(turn, &mut self.room);
        match (end.role, progress) {
            (_, Progress::More) => Ok(()),
            (Role::Origin, Progress::Complete) => {
                self.tally.asked += 1;
                if end.say(&turn.answer) {
                    end.turn = (end.turn + 1) % self.kind.turns.len();
                } else {
                    self.ends.remove(key);
                }
                Ok(())
            }
            (Role::Client { asked_at }, Progress::Complete) => {
                end.turn = (end.turn + 1) % self.kind.turns.len();
                if end.turn == 0 { self.conclude(key, asked_at) } else { self.ask(key) }
            }
            // The client at the other side of the proxy notices, where it matters.
            (Role::Origin, Progress::Wrong) => {
                self.ends.remove(key);
                Ok(())
            }
            (Role::Client { .. }, Progress::Wrong) => self.fail(key),
        }
    }

    /// A client has heard everything.
    fn conclude(&mut self, key: usize, asked_at: Instant) -> io::Result<()> {
        self.tally.answered += 1;
        self.tally.latencies.push(u32::try_from(asked_at.elapsed().as_micros()).unwrap_or(u32::MAX));
        match self.kind.afterwards {
            Afterwards::AskAgain => self.ask(key),
            Afterwards::Reconnect => {
                self.ends.remove(key);
                self.connect()
            }
            Afterwards::Rest => Ok(()),
        }
    }

    /// A client says what it has to say next.
    fn ask(&mut self, key: usize) -> io::Result<()> {
        let end = &mut self.ends[key];
        end.role = Role::Client { asked_at: Instant::now() };
        if end.say(&self.kind.turns[end.turn].ask) { Ok(()) } else { self.fail(key) }
    }

    /// A client has not got what was due. Another takes its place, unless it is its place that counts.
    fn fail(&mut self, key: usize) -> io::Result<()> {
        self.tally.errors += 1;
        self.ends.remove(key);
        if self.kind.afterwards == Afterwards::Rest { Ok(()) } else { self.connect() }
    }
}

impl End {
    /// Reads what is there; the message that is due ends with it, for nobody sends two at once.
    fn receive(&mut self, turn: &Turn, room: &mut [u8]) -> Progress {
        let framing = match self.role {
            Role::Client { .. } => &turn.answered,
            Role::Origin => &turn.asked,
        };
        loop {
            let size = match self.stream.read(room) {
                Ok(0) => return Progress::Wrong,
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::More,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Wrong,
            };
            let progress = if self.got.is_empty() {
                framing.judge(&room[..size])
            } else {
                self.got.extend_from_slice(&room[..size]);
                framing.judge(&self.got)
            };
            match progress {
                Progress::More if self.got.is_empty() => self.got.extend_from_slice(&room[..size]),
                Progress::More => {}
                Progress::Complete | Progress::Wrong => {
                    self.got.clear();
                    return progress;
                }
            }
            // An event is told once, and a short read has emptied the socket.
            if size < room.len() {
                return Progress::More;
            }
        }
    }

    /// Whether all of it was taken: no message is longer than what a socket has room for.
    fn say(&mut self, message: &[u8]) -> bool {
        message.is_empty() || matches!(self.stream.write(message), Ok(size) if size == message.len())
    }
}

//! One connection with a read buffer and a deadline, plain or TLS, for clients and origins alike.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::{PATIENCE, message::Fault, taken::is_taken_within};

/// Within this time, a peer that wants more bytes has read those that came.
const READING: Duration = Duration::from_secs(2);

/// How much of what a connection received is kept for assertions.
const KEPT: usize = 1 << 20;

/// The socket under a [`Connection`].
pub(crate) enum Wire {
    /// Plain TCP.
    Plain(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// The client's end of TLS.
    TlsClient(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// The server's end of TLS.
    TlsServer(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// The TCP socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Unix(_) => panic!("this is a Unix socket"),
            Self::TlsClient(tls) => &tls.sock,
            Self::TlsServer(tls) => &tls.sock,
        }
    }

    fn prepare(&self) -> io::Result<()> {
        if let Self::Unix(unix) = self {
            return unix.set_write_timeout(Some(PATIENCE * 3));
        }
        self.tcp().set_nodelay(true)?;
        self.tcp().set_write_timeout(Some(PATIENCE * 3))
    }

    fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.set_read_timeout(Some(limit)),
            Self::Plain(_) | Self::TlsClient(_) | Self::TlsServer(_) => {
                self.tcp().set_read_timeout(Some(limit))
            }
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.shutdown(Shutdown::Write),
            Self::Plain(_) | Self::TlsClient(_) | Self::TlsServer(_) => self.tcp().shutdown(Shutdown::Write),
        }
    }

    fn as_read(&mut self) -> &mut dyn Read {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Unix(unix) => unix,
            Self::TlsClient(tls) => tls,
            Self::TlsServer(tls) => tls,
        }
    }

    fn as_write(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Unix(unix) => unix,
            Self::TlsClient(tls) => tls,
            Self::TlsServer(tls) => tls,
        }
    }
}

/// What a connection has received, byte for byte, up to 1 MiB; others may look at it meanwhile.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    fn record(&self, data: &[u8]) {
        let mut tape = self.0.lock().unwrap();
        let kept = data.len().min(KEPT.saturating_sub(tape.len()));
        tape.extend_from_slice(&data[..kept]);
    }

    /// Everything so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// Everything since the last call.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A connection that is read message by message.
pub(crate) struct Connection {
    wire: Wire,
    /// Received and not yet taken.
    pub(crate) unread: Vec<u8>,
    /// Everything received so far.
    pub(crate) received: Tape,
    deadline: Instant,
}

impl Connection {
    /// Wraps a socket; its small writes leave at once.
    pub(crate) fn new(wire: Wire) -> Self {
        wire.prepare().unwrap();
        Self { wire, unread: Vec::new(), received: Tape::default(), deadline: Instant::now() + PATIENCE }
    }

    /// The TCP socket.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.wire.tcp()
    }

    /// From now, reads may take as long as `limit` in all.
    pub(crate) fn allow(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Writes everything, or says why not.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let writer = self.wire.as_write();
        writer.write_all(data)?;
        writer.flush()
    }

    /// Writes piece by piece, each when the peer has read what went before; `false` when it has closed. One
    /// that reads no more gets the rest at once.
    pub(crate) fn write_split<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut reads = true;
        pieces.into_iter().all(|piece| {
            reads = reads && is_taken_within(READING, self.tcp());
            self.write(piece).is_ok()
        })
    }

    /// Writes in pieces of random sizes, small ones and such of up to `most` bytes, of which some leave only
    /// when what went before was read; `false` when the peer has closed.
    pub(crate) fn scatter(&mut self, data: &[u8], most: usize, random: &mut fastrand::Rng) -> bool {
        let mut rest = data;
        while !rest.is_empty() {
            let most = if random.bool() { 7 } else { most };
            let (piece, behind) = rest.split_at(random.usize(1..=most.min(rest.len())));
            let alone = random.u8(..16) == 0;
            let sent = if alone { self.write_split([piece]) } else { self.write(piece).is_ok() };
            if !sent {
                return false;
            }
            rest = behind;
        }
        true
    }

    /// Ends our direction; with TLS after a close_notify.
    pub(crate) fn shutdown_write(&mut self) {
        match &mut self.wire {
            Wire::Plain(_) | Wire::Unix(_) => {}
            Wire::TlsClient(tls) => tls.conn.send_close_notify(),
            Wire::TlsServer(tls) => tls.conn.send_close_notify(),
        }
        drop(self.wire.as_write().flush());
        drop(self.wire.shutdown_write());
    }

    /// Closes with a reset instead of a FIN.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads once into the buffer; 0 is the peer's end.
    pub(crate) fn fill(&mut self) -> Result<usize, Fault> {
        let mut piece = vec![0; 64 << 10];
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Timeout);
            }
            self.wire.set_read_timeout(left).unwrap();
            match self.wire.as_read().read(&mut piece) {
                Ok(count) => {
                    self.unread.extend_from_slice(&piece[..count]);
                    self.received.record(&piece[..count]);
                    return Ok(count);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Fault::Timeout);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A TLS end without close_notify, and every other way to break.
                Err(_) => return Err(Fault::Reset),
            }
        }
    }

    /// Takes `count` bytes off the buffer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Whatever comes next, at least one byte.
    pub(crate) fn some(&mut self) -> Result<Vec<u8>, Fault> {
        if self.unread.is_empty() && self.fill()? == 0 {
            return Err(Fault::Closed);
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// Exactly `count` bytes.
    pub(crate) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        while self.unread.len() < count {
            if self.fill()? == 0 {
                return Err(Fault::Closed);
            }
        }
        Ok(self.take(count))
    }

    /// Reads and drops until the peer ends; `Ok` holds what came, [`Fault::Reset`] says that it was cut.
    pub(crate) fn read_to_end(&mut self) -> Result<Vec<u8>, Fault> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }
}

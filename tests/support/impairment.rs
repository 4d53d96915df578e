//! What a bad network does to one connection: two directions, each held back by its impairments.
//!
//! One thread carries both without ever blocking in one of them, so that it can reset them together.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Gate, pause, taken::is_taken};

/// What happens to one direction of a connection; offsets are bytes from its beginning.
#[derive(Clone)]
pub(crate) enum Impairment {
    /// Pieces of at most so many bytes; each leaves when the one before was read.
    SplitEvery(usize),
    /// What comes before this offset leaves first, the rest when that was read.
    SplitAt(usize),
    /// A FIN at this offset; what comes behind it is swallowed. The other direction lives on.
    CutAfter(usize),
    /// A reset of both ends when everything before this offset was read.
    ResetAfter(usize),
    /// Nothing passes this offset until the gate opens; for good, if nobody has the gate.
    StallAfter(usize, Gate),
    /// At most so many bytes are taken each time that the test allows.
    TakeSlowly(usize, Turns),
    /// The receive buffer has so many bytes, so that a sender soon sees that nothing is taken.
    Narrow(usize),
}

/// The impairments of both directions.
#[derive(Clone, Default)]
pub(crate) struct Conditions {
    /// Of what the end sends that connected.
    pub(crate) upload: Vec<Impairment>,
    /// Of what the end sends that was connected to.
    pub(crate) download: Vec<Impairment>,
}

/// How many times more something may happen.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<usize>>);

impl Turns {
    /// None for now.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Allows so many more.
    pub(crate) fn allow(&self, more: usize) {
        *self.0.lock().unwrap() += more;
    }

    fn use_one(&self) -> bool {
        let mut left = self.0.lock().unwrap();
        let any = *left > 0;
        *left -= usize::from(any);
        any
    }
}

/// What came from one of the ends, over all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    /// Bytes that went on to the other end.
    pub(crate) bytes: usize,
    /// Connections on which this end was done with sending, and the other one was told.
    pub(crate) closed: usize,
    /// Connections that this end has reset, or refused.
    pub(crate) reset: usize,
}

/// What a network has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Connections accepted.
    pub(crate) connections: usize,
    /// Connections that have not ended yet.
    pub(crate) open: usize,
    /// From the end that connected.
    pub(crate) upload: Passed,
    /// From the end that was connected to.
    pub(crate) download: Passed,
}

/// What was seen, and who waits for it.
#[derive(Default)]
pub(crate) struct Record {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Record {
    /// Adds to it.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    /// Whether `condition` comes to hold within `limit`.
    pub(crate) fn happens(&self, limit: Duration, mut condition: impl FnMut(&Seen) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut seen = self.seen.lock().unwrap();
        while !condition(&seen) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seen = self.changed.wait_timeout(seen, left).unwrap().0;
        }
        true
    }
}

/// Carries both directions until both have ended, or everything is to stop; an error is a reset.
pub(crate) fn carry(
    near: &TcpStream,
    far: &TcpStream,
    Conditions { upload, download }: Conditions,
    record: &Record,
    stopping: &AtomicBool,
) -> io::Result<()> {
    let mut upload = Direction::new(upload, |seen| &mut seen.upload, |seen| &mut seen.download);
    let mut download = Direction::new(download, |seen| &mut seen.download, |seen| &mut seen.upload);
    while !stopping.load(Ordering::Relaxed) {
        let (up, down) = (upload.advance(near, far, record)?, download.advance(far, near, record)?);
        if (up, down) == (Awaits::Nothing, Awaits::Nothing) {
            return Ok(());
        }
        let interest = |sending: Awaits, receiving: Awaits| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, sending == Awaits::Sender);
            flags.set(PollFlags::OUT, receiving == Awaits::Receiver);
            flags
        };
        // Gates, turns and readers give no sign: they are looked at again and again.
        let wait = if [up, down].contains(&Awaits::Permission) { 50_000 } else { 20_000_000 };
        let mut sockets = [(near, interest(up, down)), (far, interest(down, up))]
            .map(|(socket, flags)| PollFd::new(socket, flags));
        poll(&mut sockets, Some(&Timespec { tv_sec: 0, tv_nsec: wait }))?;
        let [near_has, far_has] = sockets.map(|socket| socket.revents());
        for (has, awaits, direction) in [(near_has, up, &upload), (far_has, down, &download)] {
            // Who reads from it sees the reset behind the last bytes.
            if has.contains(PollFlags::ERR) && awaits != Awaits::Sender {
                record.update(|seen| (direction.sender)(seen).reset += 1);
                return Err(ErrorKind::ConnectionReset.into());
            }
            // This is said at once and again, and there is nothing to be done about it.
            if has == PollFlags::HUP {
                pause(Duration::from_micros(50));
            }
        }
    }
    Ok(())
}

/// What a direction waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    /// More bytes.
    Sender,
    /// Room for bytes.
    Receiver,
    /// What an impairment holds back.
    Permission,
    /// It has ended.
    Nothing,
}

/// What may happen at an offset.
enum Next {
    Pass(usize),
    Wait,
    Cut,
    Reset,
}

/// One direction of one connection.
struct Direction {
    impairments: Vec<Impairment>,
    /// Read, and passed on up to `left`.
    held: Vec<u8>,
    left: usize,
    /// Passed on since the beginning.
    passed: usize,
    /// One turn is taken for the next bytes.
    may_take: bool,
    /// The sender's FIN was seen.
    sender_is_done: bool,
    /// A FIN was passed on.
    receiver_is_done: bool,
    /// The end was counted.
    is_over: bool,
    sender: fn(&mut Seen) -> &mut Passed,
    receiver: fn(&mut Seen) -> &mut Passed,
}

impl Direction {
    fn new(
        impairments: Vec<Impairment>,
        sender: fn(&mut Seen) -> &mut Passed,
        receiver: fn(&mut Seen) -> &mut Passed,
    ) -> Self {
        Self {
            impairments,
            held: Vec::new(),
            left: 0,
            passed: 0,
            may_take: false,
            sender_is_done: false,
            receiver_is_done: false,
            is_over: false,
            sender,
            receiver,
        }
    }

    /// What may happen now, and for how many bytes.
    fn next(&self, to: &TcpStream) -> Next {
        let (mut most, begun) = (usize::MAX, self.passed > 0 && self.left < self.held.len());
        for impairment in &self.impairments {
            let here = match impairment {
                Impairment::SplitEvery(size) => {
                    most = most.min(*size);
                    if begun && !is_taken(to) {
                        return Next::Wait;
                    }
                    continue;
                }
                Impairment::SplitAt(at) if self.passed == *at && begun && !is_taken(to) => Next::Wait,
                Impairment::StallAfter(at, gate) if self.passed >= *at && !gate.is_open() => Next::Wait,
                Impairment::CutAfter(at) if self.passed >= *at => Next::Cut,
                Impairment::ResetAfter(at) if self.passed >= *at && is_taken(to) => Next::Reset,
                Impairment::ResetAfter(at) if self.passed >= *at => Next::Wait,
                Impairment::SplitAt(at)
                | Impairment::CutAfter(at)
                | Impairment::ResetAfter(at)
                | Impairment::StallAfter(at, _) => {
                    if *at > self.passed {
                        most = most.min(at - self.passed);
                    }
                    continue;
                }
                Impairment::TakeSlowly(..) | Impairment::Narrow(_) => continue,
            };
            return here;
        }
        Next::Pass(most)
    }

    /// How many bytes may be read now.
    fn turn(&mut self) -> usize {
        for impairment in &self.impairments {
            if let Impairment::TakeSlowly(size, turns) = impairment {
                self.may_take = self.may_take || turns.use_one();
                return if self.may_take { *size } else { 0 };
            }
        }
        64 << 10
    }

    /// Reads what may be read.
    fn take(&mut self, mut from: &TcpStream, size: usize, record: &Record) -> io::Result<()> {
        self.left = 0;
        self.held.resize(size, 0);
        let result = from.read(&mut self.held);
        self.held.truncate(*result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => self.sender_is_done = true,
            Ok(_) => self.may_take = false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                record.update(|seen| (self.sender)(seen).reset += 1);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes as far as it can, and says what it waits for then; an error is a reset.
    fn advance(&mut self, from: &TcpStream, mut to: &TcpStream, record: &Record) -> io::Result<Awaits> {
        loop {
            let most = if self.receiver_is_done {
                // What is swallowed is taken as ever.
                self.left = self.held.len();
                0
            } else {
                match self.next(to) {
                    Next::Pass(most) => most,
                    Next::Wait => return Ok(Awaits::Permission),
                    Next::Reset => return Err(ErrorKind::ConnectionReset.into()),
                    Next::Cut => {
                        drop(to.shutdown(Shutdown::Write));
                        self.receiver_is_done = true;
                        continue;
                    }
                }
            };
            if self.left == self.held.len() {
                if self.sender_is_done {
                    if !self.receiver_is_done {
                        drop(to.shutdown(Shutdown::Write));
                        self.receiver_is_done = true;
                    }
                    if !self.is_over {
                        self.is_over = true;
                        record.update(|seen| (self.sender)(seen).closed += 1);
                    }
                    return Ok(Awaits::Nothing);
                }
                let size = self.turn();
                if size == 0 {
                    return Ok(Awaits::Permission);
                }
                match self.take(from, size, record) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Awaits::Sender),
                    result => result?,
                }
                continue;
            }
            let end = self.held.len().min(self.left.saturating_add(most));
            match to.write(&self.held[self.left..end]) {
                Ok(count) => {
                    self.left += count;
                    self.passed += count;
                    record.update(|seen| (self.sender)(seen).bytes += count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Awaits::Receiver),
                Err(error) => {
                    record.update(|seen| (self.receiver)(seen).reset += 1);
                    return Err(error);
                }
            }
        }
    }
}

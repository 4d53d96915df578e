//! Sockets at rest: connections that wait for their peer and hold nothing but their descriptor.
//!
//! A task that waits on a socket costs kilobytes: its future, its registration with the runtime, its timer. A
//! parked socket costs one record. The kernel watches all of them through one descriptor, which is all that
//! the runtime sees; one that wakes goes back to the runtime for good. What a parked connection is and how
//! long it may rest is for the caller to say.
//!
//! - `records`: what is kept of a parked socket, found by its key and by its deadline
//! - `epoll`: how the kernel watches them (Linux)
//! - `elsewhere`: what stands in for that where there is no epoll

mod records;

#[cfg(target_os = "linux")]
mod epoll;

#[cfg(not(target_os = "linux"))]
mod elsewhere;

use std::{cell::RefCell, io, net::TcpStream as StdStream};

use rustix::{io::Errno, net::RecvFlags};
use tokio::{net::TcpStream, time::Instant};

#[cfg(not(target_os = "linux"))]
use self::elsewhere::Watch;
#[cfg(target_os = "linux")]
use self::epoll::Watch;
use self::records::{Record, Records};

/// Whether this system can watch parked sockets; where it cannot, [`ParkedSet::park`] closes what it is given.
pub const AVAILABLE: bool = Watch::AVAILABLE;

/// What a parked socket takes of the table, in bytes, at most: a row of 72 of them, in a table that grows by doubling
/// and is moved meanwhile.
pub const ROW_MEMORY: usize = 3 * 72;

/// How many sockets are woken or closed in one go; between two goes the runtime does other work.
const BATCH: usize = 128;

/// The parked sockets of one worker, each with a ticket of the caller's.
///
/// A record takes the ticket and 24 bytes more. Records lie in one piece of memory that grows by doubling, so
/// that nothing small and long-lived is left between what busy connections allocate and free.
pub struct ParkedSet<T> {
    watch: Watch,
    records: RefCell<Records<T>>,
}

/// A socket that is at rest no longer.
#[derive(Debug)]
pub struct Woken<T> {
    /// The connection, with bytes to read or an end behind them.
    pub tcp: TcpStream,
    /// What it was parked with.
    pub ticket: T,
    /// By when its peer has to have said something; as it was given, or up to 100 ms later.
    pub deadline: Instant,
}

impl<T> ParkedSet<T> {
    /// An empty set. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when no descriptor is left for the set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { watch: Watch::new(BATCH)?, records: RefCell::new(Records::new(Instant::now().into_std())) })
    }

    /// How many sockets are parked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.borrow().len()
    }

    /// Whether none is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a socket out of the runtime until its peer says something or `deadline` has passed. What has come
    /// already wakes it at once.
    ///
    /// # Errors
    /// What the system says when it cannot watch one more socket; the connection is closed then, and the ticket
    /// dropped.
    pub fn park(&self, tcp: TcpStream, deadline: Instant, ticket: T) -> io::Result<()> {
        let tcp = tcp.into_std()?;
        let mut records = self.records.borrow_mut();
        self.watch.add(&tcp, records.next_key())?;
        records.insert(tcp, deadline.into_std(), ticket);
        Ok(())
    }

    /// Waits until peers of parked sockets have said something, and takes those sockets back into the runtime,
    /// at most 128 at a time. One whose peer has left without a word is closed right here. Cancel safe; `woken`
    /// may stay empty.
    pub async fn wake(&self, woken: &mut Vec<Woken<T>>) {
        let mut ready = self.watch.ready().await;
        for event in ready.drain() {
            let Some(record) = self.records.borrow_mut().take(event.key) else { continue };
            if event.ended && has_nothing_to_read(&record.tcp) {
                continue;
            }
            self.watch.remove(&record.tcp);
            let deadline = self.records.borrow().deadline(&record).into();
            // A socket that the runtime cannot watch any more is closed.
            if let Ok(tcp) = TcpStream::from_std(record.tcp) {
                woken.push(Woken { tcp, ticket: record.ticket, deadline });
            }
        }
    }

    /// When the next socket expires: never before its deadline, and at most 100 ms after it.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.records.borrow().next_expiry().map(Instant::from)
    }

    /// Closes sockets whose time is over, at most 128 of them; whether there may be more.
    pub fn expire(&self, now: Instant) -> bool {
        self.close(|records| records.take_expired(now.into_std()))
    }

    /// Closes sockets, at most 128 of them; whether there are more.
    pub fn close_some(&self) -> bool {
        self.close(Records::take_any)
    }

    /// Closes the socket that has been parked longest; whether there was one. One whose peer has said something is
    /// about to be woken, and stays.
    pub fn close_oldest(&self) -> bool {
        // As in `close`.
        let taken = self.records.borrow_mut().take_oldest(BATCH, |tcp| !has_something_to_read(tcp));
        taken.is_some()
    }

    fn close(&self, mut take: impl FnMut(&mut Records<T>) -> Option<Record<T>>) -> bool {
        for _ in 0..BATCH {
            // Not held while the record is dropped: whoever owned the ticket may ask how many are left.
            let taken = take(&mut self.records.borrow_mut());
            let Some(record) = taken else { return false };
            drop(record);
        }
        true
    }
}

/// Whether a socket that has ended brings nothing before its end.
fn has_nothing_to_read(tcp: &StdStream) -> bool {
    !matches!(peek(tcp), Ok(1..) | Err(Errno::AGAIN))
}

fn has_something_to_read(tcp: &StdStream) -> bool {
    matches!(peek(tcp), Ok(1..))
}

fn peek(tcp: &StdStream) -> Result<usize, Errno> {
    let mut byte = [0_u8; 1];
    rustix::net::recv(tcp, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(size, _)| size)
}

#[cfg(test)]
mod tests;

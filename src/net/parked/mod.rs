//! Sockets at rest: connections that wait for their peer and hold nothing but their descriptor.
//!
//! A task that waits on a socket costs kilobytes: its future, its registration with the runtime, its timer. A
//! parked socket costs one record, and so do the two of a stream in which nothing moves. The kernel watches all of
//! them through one descriptor, which is all that the runtime sees; one that wakes goes back to the runtime for good.
//! What a parked connection is and how long it may rest is for the caller to say.
//!
//! - `records`: what is kept of parked sockets, found by their key and by their deadline
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

/// The same for two that are parked together.
pub const ROW_OF_TWO_MEMORY: usize = 3 * 96;

/// How many sockets are woken or closed in one go; between two goes the runtime does other work.
const BATCH: usize = 128;

/// The parked sockets of one worker, each with a ticket of the caller's, or `N` of them with one: then they wake
/// together, when any of them has something to say.
///
/// A record takes the ticket, four bytes for each socket, and 20 more. Records lie in one piece of memory that grows by
/// doubling, so that nothing small and long-lived is left between what busy connections allocate and free.
pub struct ParkedSet<T, const N: usize = 1> {
    watch: Watch,
    records: RefCell<Records<T, N>>,
}

/// Sockets that are at rest no longer.
#[derive(Debug)]
pub struct Woken<T, const N: usize = 1> {
    /// The connections, one with bytes to read or an end behind them, unless their time is over.
    pub sockets: [TcpStream; N],
    /// What it was parked with.
    pub ticket: T,
    /// By when its peer has to have said something; as it was given, or up to 100 ms later.
    pub deadline: Instant,
}

/// Sockets that could not be parked, as they were.
#[derive(Debug)]
pub struct Unparked<T, const N: usize> {
    /// The connections; nothing where the runtime has lost one of them.
    pub sockets: Option<[TcpStream; N]>,
    /// What they were to be parked with.
    pub ticket: T,
}

impl<T, const N: usize> ParkedSet<T, N> {
    /// An empty set. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when no descriptor is left for the set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { watch: Watch::new(BATCH)?, records: RefCell::new(Records::new(Instant::now().into_std())) })
    }

    /// How many records there are of parked sockets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.borrow().len()
    }

    /// Whether none is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes sockets out of the runtime until a peer says something or `deadline` has passed. What has come
    /// already wakes them at once.
    ///
    /// # Errors
    /// The system cannot watch as many.
    pub fn park(&self, sockets: [TcpStream; N], deadline: Instant, ticket: T) -> Result<(), Unparked<T, N>> {
        let Ok(sockets) = each(sockets, TcpStream::into_std) else {
            return Err(Unparked { sockets: None, ticket });
        };
        let mut records = self.records.borrow_mut();
        let key = records.next_key();
        if sockets.iter().any(|tcp| self.watch.add(tcp, key).is_err()) {
            sockets.iter().for_each(|tcp| self.watch.remove(tcp));
            return Err(Unparked { sockets: each(sockets, TcpStream::from_std).ok(), ticket });
        }
        records.insert(sockets, deadline.into_std(), ticket);
        Ok(())
    }

    /// Waits until peers of parked sockets have said something, and takes those sockets back into the runtime,
    /// at most 128 at a time. One that is parked alone and whose peer has left without a word is closed right here; of
    /// several the others have to hear of it. Cancel safe; `woken` may stay empty.
    pub async fn wake(&self, woken: &mut Vec<Woken<T, N>>) {
        let mut ready = self.watch.ready().await;
        for event in ready.drain() {
            let Some(record) = self.records.borrow_mut().take(event.key) else { continue };
            if let [tcp] = &record.sockets[..]
                && event.ended
                && has_nothing_to_read(tcp)
            {
                continue;
            }
            woken.extend(self.woken(record));
        }
    }

    /// Takes sockets back into the runtime whose time is over, at most 128 of them; whether there may be more.
    pub fn wake_expired(&self, now: Instant, woken: &mut Vec<Woken<T, N>>) -> bool {
        for _ in 0..BATCH {
            let taken = self.records.borrow_mut().take_expired(now.into_std());
            let Some(record) = taken else { return false };
            woken.extend(self.woken(record));
        }
        true
    }

    /// Nothing where the runtime cannot watch one of the sockets any more: they are closed.
    fn woken(&self, record: Record<T, N>) -> Option<Woken<T, N>> {
        let deadline = self.records.borrow().deadline(&record).into();
        record.sockets.iter().for_each(|tcp| self.watch.remove(tcp));
        let sockets = each(record.sockets, TcpStream::from_std).ok()?;
        Some(Woken { sockets, ticket: record.ticket, deadline })
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
        let taken =
            self.records.borrow_mut().take_oldest(BATCH, |all| !all.iter().any(has_something_to_read));
        taken.is_some()
    }

    fn close(&self, mut take: impl FnMut(&mut Records<T, N>) -> Option<Record<T, N>>) -> bool {
        for _ in 0..BATCH {
            // Not held while the record is dropped: whoever owned the ticket may ask how many are left.
            let taken = take(&mut self.records.borrow_mut());
            let Some(record) = taken else { return false };
            drop(record);
        }
        true
    }
}

/// Each of the sockets as `turn` makes it; those that are left are closed where one fails.
fn each<S, T, const N: usize>(sockets: [S; N], turn: impl FnMut(S) -> io::Result<T>) -> io::Result<[T; N]> {
    let turned = sockets.into_iter().map(turn).collect::<io::Result<Vec<T>>>()?;
    turned.try_into().map_err(|_| io::ErrorKind::Other.into())
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

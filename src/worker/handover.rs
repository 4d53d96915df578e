//! Which worker serves a connection, and how it gets there.
//!
//! The kernel spreads connections by a hash of their addresses, so that of eight long streams seven may fall
//! to one core. A worker that holds clearly more than the least loaded one hands over what it accepts. While
//! loads are even, that costs a load of two words for each worker and connection, and nothing else.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{config::ListenerId, net::socket::Detached, tls::ServerTls};

/// What a listener says of its connections.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Which one it is.
    pub listener: ListenerId,
    /// Whether those of trusted proxies begin with a PROXY header.
    pub proxy_protocol: bool,
    /// What is spoken on them; `None` is plain TCP.
    pub tls: Option<ServerTls>,
    /// Whether only this machine can make them.
    pub loopback: bool,
}

/// An accepted connection on its way to another worker.
pub struct Handover {
    pub(super) socket: Detached,
    pub(super) address: Option<SocketAddr>,
    pub(super) terms: Terms,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What is known of one worker by all of them.
#[derive(Debug)]
#[repr(align(128))] // no cache line in common with another worker's
struct Colleague<T> {
    /// Connections that it serves; written by itself alone.
    served: AtomicUsize,
    /// Connections on their way to it.
    coming: AtomicUsize,
    /// Bounded by the number of connections that the process accepts.
    mailbox: UnboundedSender<T>,
}

impl<T> Colleague<T> {
    fn load(&self) -> usize {
        self.served.load(Relaxed) + self.coming.load(Relaxed)
    }
}

/// The seat of one worker among all, which can hand over connections (`T`) to each other.
#[derive(Debug)]
pub struct Seat<T> {
    colleagues: Arc<[Colleague<T>]>,
    index: usize,
}

/// What other workers hand over to one. It outlives a worker that dies: what is in it then is for its successor.
#[derive(Debug)]
pub struct Mailbox<T> {
    /// There until it is dropped.
    receiver: Option<UnboundedReceiver<T>>,
    home: Home<T>,
}

/// Where a mailbox is while no worker has it. Locked at the start and at the end of a worker, and never between.
type Home<T> = Arc<Mutex<Option<UnboundedReceiver<T>>>>;

/// Where the mailbox of one seat is found again.
#[derive(Debug)]
pub struct MailboxHome<T>(Home<T>);

impl<T> MailboxHome<T> {
    /// The mailbox, unless a worker has it.
    #[must_use]
    pub fn take(&self) -> Option<Mailbox<T>> {
        let receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Mailbox { receiver: Some(receiver), home: Arc::clone(&self.0) })
    }
}

impl<T> Mailbox<T> {
    /// The next connection; nothing when it is closed and empty. Cancel safe.
    pub(super) async fn recv(&mut self) -> Option<T> {
        self.receiver.as_mut()?.recv().await
    }

    /// Takes nothing more; what is in it stays.
    pub(super) fn close(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.close();
        }
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = self.receiver.take();
    }
}

impl<T> Clone for Seat<T> {
    fn clone(&self) -> Self {
        Self { colleagues: Arc::clone(&self.colleagues), index: self.index }
    }
}

impl<T> Seat<T> {
    /// Seats for so many workers, and where the mailbox of each is.
    #[must_use]
    pub fn among(workers: usize) -> Vec<(Self, MailboxHome<T>)> {
        let (colleagues, homes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (mailbox, receiver) = unbounded_channel();
                let home = MailboxHome(Arc::new(Mutex::new(Some(receiver))));
                (Colleague { served: AtomicUsize::new(0), coming: AtomicUsize::new(0), mailbox }, home)
            })
            .unzip();
        let colleagues: Arc<[Colleague<T>]> = colleagues.into();
        let seats = (0..workers).map(|index| Self { colleagues: Arc::clone(&colleagues), index });
        seats.zip(homes).collect()
    }

    /// Lets the others know how many connections this worker serves.
    pub fn publish(&self, served: usize) {
        if let Some(own) = self.colleagues.get(self.index) {
            own.served.store(served, Relaxed);
        }
    }

    /// The worker that should have the next connection, if that is not this one.
    #[must_use]
    pub fn better(&self) -> Option<usize> {
        better(self.index, self.colleagues.iter().map(Colleague::load))
    }

    /// Hands a connection over to another worker; gives it back if that one takes nothing any more.
    pub fn hand_over(&self, other: usize, connection: T) -> Option<T> {
        let Some(colleague) = self.colleagues.get(other) else { return Some(connection) };
        // Counted before it arrives: of several accepted in a row each sees those before it.
        colleague.coming.fetch_add(1, Relaxed);
        let refused = colleague.mailbox.send(connection).err();
        if refused.is_some() {
            colleague.coming.fetch_sub(1, Relaxed);
        }
        refused.map(|refused| refused.0)
    }

    /// A connection out of the mailbox is served from now on.
    pub fn arrived(&self) {
        if let Some(own) = self.colleagues.get(self.index) {
            own.coming.fetch_sub(1, Relaxed);
        }
    }
}

/// The worker that a connection should go to, if its own (`index`) holds clearly more than the least loaded one.
///
/// A few connections are divided exactly. Of many, the more there are the more chance evens them out, and the
/// less one of them weighs: then a difference counts only beyond what chance makes of it, which grows with the
/// square root.
fn better(index: usize, loads: impl Iterator<Item = usize> + Clone) -> Option<usize> {
    let own = loads.clone().nth(index)?;
    let (other, least) = loads.enumerate().min_by_key(|(_, load)| *load)?;
    let margin = (least * least / 16).min(8 * least.isqrt());
    (own > least + margin).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_moves_only_from_clearly_more_to_least() {
        for (index, loads, expected) in [
            (0, &[5][..], None),
            (0, &[0, 0], None),
            (0, &[1, 0], Some(1)),
            (1, &[1, 0], None),
            (0, &[3, 3], None),
            (0, &[4, 3], Some(1)),
            (1, &[3, 4], Some(0)),
            (0, &[5, 4], None),
            (0, &[6, 4], Some(1)),
            (0, &[20, 8], Some(1)),
            (0, &[12, 8], None),
            (0, &[45, 20], None),
            (0, &[46, 20], Some(1)),
            (0, &[40, 24], None),
            (0, &[560, 440], None),
            (0, &[620, 440], Some(1)),
            (2, &[4, 1, 3, 1], Some(1)),
            (1, &[4, 1, 3, 1], None),
        ] {
            assert_eq!(better(index, loads.iter().copied()), expected, "{index} of {loads:?}");
        }
    }

    /// Seats, each with its mailbox.
    fn seats<T>(workers: usize) -> Vec<(Seat<T>, Mailbox<T>)> {
        Seat::among(workers).into_iter().map(|(seat, home)| (seat, home.take().unwrap())).collect()
    }

    fn next<T>(mailbox: &mut Mailbox<T>) -> Option<T> {
        mailbox.receiver.as_mut().unwrap().try_recv().ok()
    }

    /// Lets connections fall to workers by `choose` and returns what each has in the end.
    fn spread(workers: usize, connections: usize, mut choose: impl FnMut() -> usize) -> Vec<usize> {
        let mut seats = seats(workers);
        let mut served = vec![0; workers];
        for number in 0..connections {
            let chosen = choose();
            if let Some(other) = seats[chosen].0.better() {
                assert!(seats[chosen].0.hand_over(other, number).is_none());
            } else {
                served[chosen] += 1;
                seats[chosen].0.publish(served[chosen]);
            }
            // The mailboxes are emptied now and then only.
            if number % 3 == 2 || number + 1 == connections {
                for (worker, (seat, mailbox)) in seats.iter_mut().enumerate() {
                    while next(mailbox).is_some() {
                        served[worker] += 1;
                        seat.publish(served[worker]);
                        seat.arrived();
                    }
                }
            }
        }
        served
    }

    #[test]
    fn eight_long_streams_end_four_by_four_wherever_they_fall() {
        for falls in 0..256_usize {
            let mut bits = falls;
            let choose = || {
                let bit = bits & 1;
                bits >>= 1;
                bit
            };
            assert_eq!(spread(2, 8, choose), [4, 4], "{falls:08b}");
        }
    }

    #[test]
    fn what_all_falls_to_one_of_many_is_shared_by_all() {
        assert_eq!(spread(4, 16, || 2), [4, 4, 4, 4]);
        let many = spread(2, 1000, || 0);
        assert!(many[1] > 400, "{many:?}");
    }

    #[test]
    fn what_chance_makes_of_many_is_left_alone() {
        let mut random = fastrand::Rng::with_seed(3);
        let seats = Seat::<()>::among(2);
        let mut served = [0_usize; 2];
        let mut moved = 0;
        // 64 short connections at a time, each followed by another one.
        for number in 0..10_000 {
            let worker = random.usize(0..2);
            served[worker] += 1;
            seats[worker].0.publish(served[worker]);
            if number >= 64 {
                let ends = if random.usize(0..served[0] + served[1]) < served[0] { 0 } else { 1 };
                served[ends] -= 1;
                seats[ends].0.publish(served[ends]);
                moved += usize::from(seats[worker].0.better().is_some());
            }
        }
        assert!(moved < 100, "{moved} of 10,000 would have been handed over");
    }

    #[test]
    fn a_worker_that_takes_nothing_any_more_leaves_the_connection_where_it_is() {
        let mut seats = seats(2);
        assert_eq!(seats[0].0.hand_over(1, "one"), None);
        seats[1].1.close();
        assert_eq!(seats[0].0.hand_over(1, "two"), Some("two"));
        assert_eq!((next(&mut seats[1].1), seats[0].0.colleagues[1].load()), (Some("one"), 1));
        seats[1].0.arrived();
        assert_eq!(seats[0].0.colleagues[1].load(), 0);
    }

    #[test]
    fn what_was_handed_over_to_a_worker_that_dies_is_its_successors() {
        let seats = Seat::among(2);
        let (giver, (_, home)) = (seats[0].0.clone(), &seats[1]);
        let mailbox = home.take().unwrap();
        assert!(home.take().is_none(), "a worker has it");
        assert_eq!(giver.hand_over(1, "before its death"), None);
        drop(mailbox);
        assert_eq!(giver.hand_over(1, "while nobody is there"), None);
        let mut successor = home.take().unwrap();
        assert_eq!(next(&mut successor), Some("before its death"));
        assert_eq!(next(&mut successor), Some("while nobody is there"));
    }
}

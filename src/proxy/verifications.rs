//! Where passwords are verified: beside the traffic, a few at a time.
//!
//! To verify one takes a core for tens of milliseconds, and whoever can reach corsair can make it do so. Therefore threads
//! of their own do that for all workers together, few at a time; so many requests wait for them, so many of one network,
//! and so long. Passwords that were right before never come here.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{admission::Attempt, trust::ClientNetwork};

/// Verifications that go on or wait, at most.
pub(super) const MOST: usize = 64;
/// Those of one network, at most: who guesses leaves room for others.
pub(super) const MOST_OF_ONE: usize = 8;
/// How long one waits before it is given up.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What a thread can ask for to be the last one that runs (nice(2)).
#[cfg(target_os = "linux")]
const LOWEST_PRIORITY: i32 = 19;
/// Of so many workers, one core may verify passwords.
const WORKERS_FOR_ONE: usize = 4;

/// Verifications of one process.
#[derive(Debug)]
pub struct Verifications {
    running: Arc<Semaphore>,
    // Locked for moments, and never by a request that has nothing to be verified.
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    all: usize,
    /// Nobody knows where some are.
    by_network: HashMap<Option<ClientNetwork>, usize>,
}

/// There are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Verifications {
    /// Those of a process with so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(workers.div_ceil(WORKERS_FOR_ONE))),
            pending: Mutex::default(),
        }
    }

    /// Whether a password is right that a client of this address has shown.
    ///
    /// # Errors
    /// [`Busy`].
    pub(super) async fn verify(&self, attempt: Attempt, client: Option<IpAddr>) -> Result<bool, Busy> {
        let _ticket = self.ticket(client.map(ClientNetwork::of))?;
        let permit = timeout(LONGEST_WAIT, Arc::clone(&self.running).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(Busy) };
        let (told, verified) = oneshot::channel();
        // A thread for each: what has yielded once yields for good, and none of the runtime's may.
        let thread = thread::Builder::new().name("verify".to_owned()).spawn(move || {
            // Whoever leaves meanwhile leaves the core to nobody else before this has ended.
            let _permit = permit;
            yield_to_traffic();
            // Nobody may wait any more.
            let _ = told.send(attempt.verify());
        });
        thread.map_err(|_| Busy)?;
        verified.await.map_err(|_| Busy)
    }

    /// A place among those that wait or go on, for as long as what is returned is there.
    fn ticket(&self, network: Option<ClientNetwork>) -> Result<Ticket<'_>, Busy> {
        let mut pending = self.pending();
        let own = pending.by_network.get(&network).copied().unwrap_or(0);
        if pending.all >= MOST || own >= MOST_OF_ONE {
            return Err(Busy);
        }
        pending.all += 1;
        pending.by_network.insert(network, own + 1);
        Ok(Ticket { verifications: self, network })
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Nothing is left half-done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets this thread have what workers leave of the cores.
fn yield_to_traffic() {
    // Elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    // It goes without, where even that is forbidden.
    let _ = rustix::process::setpriority_process(None, LOWEST_PRIORITY);
}

struct Ticket<'a> {
    verifications: &'a Verifications,
    network: Option<ClientNetwork>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut pending = self.verifications.pending();
        pending.all = pending.all.saturating_sub(1);
        match pending.by_network.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => {
                pending.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<ClientNetwork> {
        Some(ClientNetwork::of(text.parse().expect("an address")))
    }

    #[test]
    fn so_many_wait_and_so_many_of_one_network() {
        let verifications = Verifications::new(1);
        let ticket = |network| verifications.ticket(network);
        let mut held: Vec<_> = (0..MOST_OF_ONE).map(|_| ticket(of("192.0.2.1")).expect("room")).collect();
        assert!(ticket(of("192.0.2.1")).is_err() && ticket(of("::ffff:192.0.2.1")).is_err());
        let others = (0..MOST - MOST_OF_ONE).map(|at| {
            let host = u32::try_from(at).expect("few");
            ticket(Some(ClientNetwork::of(std::net::Ipv4Addr::from_bits(host).into())))
                .expect("room for others")
        });
        held.extend(others);
        assert!(ticket(None).is_err(), "all are taken");
        held.pop();
        drop(ticket(None).expect("room again"));
        held.clear();
        assert!(verifications.pending().by_network.is_empty() && verifications.pending().all == 0);
    }
}

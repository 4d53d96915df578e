//! How many connections each client has, for all workers.
//!
//! Two rows of counters, in each of which a network has one by its digest: what it has at most is the smaller of the two, and
//! only who meets others in both may be taken for more. Nothing is ever looked for, forgotten or locked, and what begins and
//! ends at the same moment is counted as if it were one after the other.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use crate::trust::ClientNetwork;

/// Counters of a row, for each connection that there may be.
const SPARE: usize = 2;

/// The connections of each client network.
#[derive(Debug)]
pub struct ConnectionsByClient {
    random: RandomState,
    rows: [Box<[AtomicU32]>; 2],
}

impl ConnectionsByClient {
    /// Room for as many connections in all.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let row = || (0..width(connections)).map(|_| AtomicU32::new(0)).collect();
        Self { random: RandomState::new(), rows: [row(), row()] }
    }

    /// What that takes, in bytes.
    #[must_use]
    pub const fn memory(connections: usize) -> usize {
        2 * width(connections) * size_of::<AtomicU32>()
    }

    /// Counts one more, unless there are as many as may be; whether it was counted.
    #[must_use]
    pub fn enter(&self, network: ClientNetwork, most: u32) -> bool {
        let cells = self.cells(network);
        let before = cells.map(|cell| cell.fetch_add(1, Relaxed)).into_iter().min().unwrap_or_default();
        let enters = before < most;
        if !enters {
            self.leave(network);
        }
        enters
    }

    /// One that was counted has ended.
    pub fn leave(&self, network: ClientNetwork) {
        for cell in self.cells(network) {
            cell.fetch_sub(1, Relaxed);
        }
    }

    fn cells(&self, network: ClientNetwork) -> [&AtomicU32; 2] {
        let digest = self.random.hash_one(network);
        let [one, other] = &self.rows;
        let (high, low) = ((digest >> 32) as usize, (digest & u64::from(u32::MAX)) as usize);
        // As wide as a power of two.
        [&one[high & (one.len() - 1)], &other[low & (other.len() - 1)]]
    }
}

const fn width(connections: usize) -> usize {
    let most = if connections > 1 << 24 { 1 << 24 } else { connections };
    (most * SPARE).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, thread};

    use super::*;

    fn of(host: u32) -> ClientNetwork {
        ClientNetwork::of(Ipv4Addr::from_bits(host).into())
    }

    #[test]
    fn so_many_of_one_network_and_as_many_of_another() {
        let connections = ConnectionsByClient::new(1_000);
        for network in [of(1), of(2)] {
            assert!([(); 3].iter().all(|()| connections.enter(network, 3)));
            assert!(!connections.enter(network, 3) && !connections.enter(network, 0));
        }
        connections.leave(of(1));
        assert!(connections.enter(of(1), 3) && !connections.enter(of(1), 3));
        assert!(connections.enter(of(1), 4), "a limit that has risen holds at once");
    }

    #[test]
    fn hardly_anybody_is_taken_for_more_than_they_have() {
        let connections = ConnectionsByClient::new(10_000);
        let counted_as_one = (0..10_000).filter(|host| connections.enter(of(*host), 1)).count();
        assert!(counted_as_one > 9_000, "{counted_as_one} of 10,000, each with one");
        let counted_as_few = (0..10_000).filter(|host| connections.enter(of(*host), 10)).count();
        assert_eq!(counted_as_few, 10_000);
    }

    #[test]
    fn whoever_comes_and_goes_leaves_nothing_behind() {
        let connections = ConnectionsByClient::new(10);
        thread::scope(|scope| {
            for host in 0..4 {
                let connections = &connections;
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        if connections.enter(of(host % 2), 1) {
                            connections.leave(of(host % 2));
                        }
                    }
                });
            }
        });
        assert!(connections.rows.iter().flatten().all(|cell| cell.load(Relaxed) == 0));
    }
}

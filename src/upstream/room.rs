//! How many connections may be open to the servers of an upstream, over all workers: each takes a place and gives it back when
//! it is closed.
//!
//! Where nothing is limited nothing is counted.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::config::{Endpoint, Upstream};

/// The places for connections to the servers of one upstream.
#[derive(Debug)]
pub(super) struct Room {
    /// In all; 0 where that has no limit.
    most: usize,
    taken: Arc<AtomicUsize>,
    servers: Box<[ServerRoom]>,
    is_limited: bool,
    /// Requests that may wait for one.
    queue: usize,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct ServerRoom {
    /// 0 where it has no limit.
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// A place that an open connection takes.
#[derive(Debug)]
pub struct Place {
    in_all: Arc<AtomicUsize>,
    of_server: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_all.fetch_sub(1, Relaxed);
        self.of_server.fetch_sub(1, Relaxed);
    }
}

/// A request that waits for a place.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Room);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl Room {
    /// That of the servers of an upstream.
    pub(super) fn of(upstream: &Upstream, endpoints: &[Endpoint]) -> Self {
        let servers = endpoints.iter().map(|endpoint| endpoint.share.max_connections);
        Self::limited(upstream.pool.max_connections, servers, upstream.pool.queue)
    }

    fn limited(most: usize, servers: impl Iterator<Item = usize>, queue: usize) -> Self {
        let servers: Box<[ServerRoom]> =
            servers.map(|most| ServerRoom { most, taken: Arc::default() }).collect();
        let is_limited = most > 0 || servers.iter().any(|server| server.most > 0);
        Self { most, taken: Arc::default(), servers, is_limited, queue, waiting: AtomicUsize::new(0) }
    }

    /// The same, where connections are open already: `places` tells of each server where it stood `before`.
    pub(super) fn after(
        upstream: &Upstream,
        endpoints: &[Endpoint],
        before: &Self,
        places: &[Option<usize>],
    ) -> Self {
        let new = Self::of(upstream, endpoints);
        let servers = new.servers.into_iter().zip(places).map(|(server, place)| {
            let known = place.and_then(|place| before.servers.get(place));
            ServerRoom { taken: known.map_or(server.taken, |known| Arc::clone(&known.taken)), ..server }
        });
        let servers = servers.collect();
        Self { servers, taken: Arc::clone(&before.taken), ..new }
    }

    /// Whether anything is limited.
    pub(super) const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Whether there is a place for one more connection to a server.
    pub(super) fn has_some(&self, index: usize) -> bool {
        if !self.is_limited {
            return true;
        }
        let has = |most: usize, taken: &AtomicUsize| most == 0 || taken.load(Relaxed) < most;
        has(self.most, &self.taken)
            && self.servers.get(index).is_none_or(|server| has(server.most, &server.taken))
    }

    /// Takes a place for a connection to a server, if there is one.
    pub(super) fn take(&self, index: usize) -> Option<Place> {
        let server = self.servers.get(index)?;
        let takes = |most: usize, taken: &AtomicUsize| {
            // Counted in any case, and taken back where it is too many.
            let fits = taken.fetch_add(1, Relaxed) < most || most == 0;
            if !fits {
                taken.fetch_sub(1, Relaxed);
            }
            fits
        };
        if !takes(self.most, &self.taken) {
            return None;
        }
        if !takes(server.most, &server.taken) {
            self.taken.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Place { in_all: Arc::clone(&self.taken), of_server: Arc::clone(&server.taken) })
    }

    /// Counts one more request that waits, unless as many do as may.
    pub(super) fn wait(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(self);
        (self.waiting.fetch_add(1, Relaxed) < self.queue).then_some(waiting)
    }

    /// How many requests wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

#[cfg(test)]
impl Room {
    /// One without limits.
    pub(super) fn unlimited(servers: usize) -> Self {
        Self::limited(0, std::iter::repeat_n(0, servers), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_connections_than_places() {
        let room = Room::limited(3, [2, 0].into_iter(), 0);
        assert!(room.is_limited());
        let first = [room.take(0), room.take(0)];
        assert!(first.iter().all(Option::is_some) && !room.has_some(0) && room.has_some(1));
        assert!(room.take(0).is_none(), "the server has no place left");
        let second = room.take(1);
        assert!(second.is_some() && !room.has_some(1) && room.take(1).is_none(), "the upstream has none");
        drop(first);
        assert!(room.take(0).is_some() && room.has_some(1));
        drop(second);
        assert_eq!(room.taken.load(Relaxed), 0, "what was given back is counted back");
    }

    #[test]
    fn without_a_limit_there_is_always_a_place() {
        let room = Room::unlimited(1);
        assert!(!room.is_limited());
        let taken: Vec<_> = (0..1000).map(|_| room.take(0)).collect();
        assert!(taken.iter().all(Option::is_some) && room.has_some(0));
    }

    #[test]
    fn no_more_requests_wait_than_may() {
        let room = Room::limited(1, [0].into_iter(), 2);
        let first = room.wait();
        assert!(first.is_some() && room.wait().is_some() && room.waiting() == 1);
        let second = room.wait();
        assert!(second.is_some() && room.wait().is_none() && room.waiting() == 2);
        drop((first, second));
        assert_eq!(room.waiting(), 0);
    }
}

//! The servers of the upstream as the whole process knows them: which are usable, and what requests have told of them.
//!
//! Requests ask with a load, and one that is answered adds one; only failures and probes take the lock.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::health::{Absence, Failure, Health, Reason};
use crate::{
    config::{Ejection, Upstream},
    error::Error,
};

/// The servers of the upstream, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Servers {
    list: Box<[Server]>,
    ejection: Ejection,
    /// Of all of them under one lock: that one stays usable is a matter of all.
    health: Mutex<Box<[Health]>>,
}

/// How a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// It is not used while others are.
    pub is_out: bool,
    /// Why.
    pub reason: Option<String>,
    /// Since when; nothing where that was never different.
    pub since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Server {
    is_out: AtomicBool,
    /// Requests that were answered, whatever the answer.
    answered: AtomicU64,
    /// Told when it is taken out.
    taken_out: Notify,
}

impl Servers {
    /// Those of an upstream; all of them are usable.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Arc<Self> {
        let list = upstream.endpoints.iter().map(|_| Server::default()).collect();
        let health = upstream.endpoints.iter().map(|_| Health::default()).collect();
        Arc::new(Self { list, ejection: upstream.ejection.clone(), health: Mutex::new(health) })
    }

    /// Those of an upstream that `places` tells of each where it stood `before`: what is known of it is kept.
    #[must_use]
    pub fn after(upstream: &Upstream, before: &Self, places: &[Option<usize>]) -> Arc<Self> {
        let known = before.health();
        let health: Box<[Health]> = places
            .iter()
            .map(|place| place.and_then(|place| known.get(place).cloned()).unwrap_or_default())
            .collect();
        let list = places
            .iter()
            .zip(&health)
            .map(|(place, health)| {
                let answered = place.map_or(0, |place| before.list[place].answered.load(Relaxed));
                Server {
                    is_out: AtomicBool::new(health.absence().is_some()),
                    answered: AtomicU64::new(answered),
                    taken_out: Notify::new(),
                }
            })
            .collect();
        Arc::new(Self { list, ejection: upstream.ejection.clone(), health: Mutex::new(health) })
    }

    /// Whether a server may be used while others are.
    #[must_use]
    pub fn is_usable(&self, index: usize) -> bool {
        self.list.get(index).is_none_or(|server| !server.is_out.load(Relaxed))
    }

    /// How a server does, for whoever looks on.
    #[must_use]
    pub fn state(&self, index: usize) -> ServerState {
        let health = self.health();
        let Some(health) = health.get(index) else { return ServerState::default() };
        match health.absence() {
            Some(Absence { reason, since, .. }) => {
                ServerState { is_out: true, reason: Some(reason.to_string()), since: Some(since) }
            }
            None => ServerState { is_out: false, reason: None, since: health.back() },
        }
    }

    /// Whether there is a usable one that a request has not tried yet.
    #[must_use]
    pub fn has_another(&self, tried: &[usize]) -> bool {
        (0..self.list.len()).any(|index| !tried.contains(&index) && self.is_usable(index))
    }

    /// The turn of a request that set out at `begun` and goes to a server now; nothing where that is the only one,
    /// which stays whatever happens to it.
    #[must_use]
    pub fn turn(&self, index: usize, begun: Instant) -> Option<Turn<'_>> {
        let server = self.list.get(index).filter(|_| self.list.len() > 1)?;
        let answered_before = server.answered.load(Relaxed);
        Some(Turn { servers: self, index, begun, answered_before, is_told: Cell::new(false) })
    }

    /// Waits until a server is out, and says why.
    pub(super) async fn taken_out(&self, index: usize) -> Absence {
        loop {
            if let Some(absence) = self.health()[index].absence() {
                return absence;
            }
            self.list[index].taken_out.notified().await;
        }
    }

    /// Takes the result of a probe in; returns how soon the next one is due, or nothing when the server is back.
    pub(super) fn probed(&self, index: usize, is_good: bool) -> Option<Duration> {
        // Under the lock, for a request may take it out again meanwhile.
        let mut health = self.health();
        let next = health[index].probed(is_good, Instant::now());
        self.list[index].is_out.store(next.is_some(), Relaxed);
        next
    }

    /// How many servers there are.
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    fn health(&self) -> MutexGuard<'_, Box<[Health]>> {
        // Plain numbers, never left half-written.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, turn: &Turn<'_>, reason: Reason) {
        let (now, server) = (Instant::now(), &self.list[turn.index]);
        let failure = Failure {
            reason,
            begun: turn.begun,
            answered_before: turn.answered_before,
            answered: server.answered.load(Relaxed),
        };
        let mut health = self.health();
        let last = !self.has_another(&[turn.index]);
        if health[turn.index].failed(&failure, &self.ejection, last, now) {
            server.is_out.store(true, Relaxed);
            server.taken_out.notify_one();
        }
    }
}

/// One request at one server; it tells once how that came out.
#[derive(Debug)]
pub struct Turn<'a> {
    servers: &'a Servers,
    index: usize,
    begun: Instant,
    answered_before: u64,
    is_told: Cell<bool>,
}

impl Turn<'_> {
    /// Which server it is.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// It has answered with this status.
    pub fn answered(&self, status: u16) {
        if self.is_told.replace(true) {
            return;
        }
        if self.servers.ejection.statuses.contains(&status) {
            self.servers.failed(self, Reason::Answered(status));
        } else {
            self.servers.list[self.index].answered.fetch_add(1, Relaxed);
        }
    }

    /// It has failed like this, on a connection that had served another exchange before or not.
    pub fn failed(&self, error: Error, reused: bool) {
        // An idle connection may end at any time, whoever is at its other end.
        let is_stale = reused && error == Error::UpstreamClosed;
        if !self.is_told.replace(true) && !is_stale {
            self.servers.failed(self, Reason::Failed(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Servers {
        Servers {
            list: (0..count).map(|_| Server::default()).collect(),
            ejection: Ejection { failures: 3, statuses: vec![503], min_time: Duration::from_secs(10) },
            health: Mutex::new((0..count).map(|_| Health::default()).collect()),
        }
    }

    fn usable(servers: &Servers) -> Vec<bool> {
        (0..servers.len()).map(|index| servers.is_usable(index)).collect()
    }

    fn turn(servers: &Servers, index: usize) -> Turn<'_> {
        servers.turn(index, Instant::now()).unwrap()
    }

    #[test]
    fn the_last_usable_server_stays_whatever_happens_to_it() {
        let servers = servers(3);
        for index in [1, 0, 2, 2] {
            turn(&servers, index).failed(Error::ConnectRefused, false);
        }
        assert_eq!(usable(&servers), [false, false, true]);
        assert!(!servers.has_another(&[2]) && servers.has_another(&[0, 1]));
        assert_eq!(servers.probed(1, true), Some(super::super::health::SOON));
        assert_eq!(servers.probed(1, true), None);
        turn(&servers, 2).failed(Error::ConnectRefused, false);
        assert_eq!(usable(&servers), [false, true, false], "it was not the last any more");
    }

    #[test]
    fn an_only_server_is_not_even_counted() {
        let servers = servers(1);
        assert!(servers.turn(0, Instant::now()).is_none() && servers.is_usable(0));
    }

    #[test]
    fn a_turn_tells_once() {
        let servers = servers(2);
        let it = turn(&servers, 0);
        it.answered(200);
        it.answered(200);
        it.failed(Error::ResponseTimeout, false);
        assert_eq!(servers.list[0].answered.load(Relaxed), 1);
        assert_eq!(usable(&servers), [true, true]);
    }

    #[test]
    fn a_connection_that_had_gone_stale_tells_nothing_of_its_server() {
        let servers = servers(2);
        for _ in 0..5 {
            turn(&servers, 0).failed(Error::UpstreamClosed, true);
        }
        assert_eq!(usable(&servers), [true, true]);
        turn(&servers, 0).failed(Error::ResponseTimeout, true);
        assert_eq!(usable(&servers), [false, true], "time passes on any connection");
    }

    #[test]
    fn an_answer_in_between_makes_statuses_begin_anew() {
        let servers = servers(2);
        for status in [503, 503, 200, 503, 503] {
            turn(&servers, 0).answered(status);
        }
        assert_eq!(usable(&servers), [true, true]);
        turn(&servers, 0).answered(503);
        assert_eq!(usable(&servers), [false, true]);
    }

    #[tokio::test]
    async fn whoever_waits_hears_that_a_server_is_out() {
        let servers = servers(2);
        let failing = async { turn(&servers, 1).failed(Error::ConnectRefused, false) };
        let (absence, ()) = tokio::join!(servers.taken_out(1), failing);
        assert_eq!(absence.reason, Reason::Failed(Error::ConnectRefused));
    }
}

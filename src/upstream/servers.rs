//! The servers of the upstream as the whole process knows them: which are usable, what requests have told of them, and how
//! many are under way.
//!
//! Requests ask with a load, and one that is answered adds one; only failures and probes take the lock. What is under way is
//! counted where the choice of a server depends on it.

use std::{
    cell::Cell,
    collections::HashMap,
    hash::BuildHasher as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use foldhash::quality::FixedState;
use tokio::sync::Notify;

use super::{
    balance::{Rule, Standing},
    health::{Absence, Failure, Health, Reason},
    room::{Place, Room, Waiting},
};
use crate::{
    config::{BalanceRule, Balancing, Ejection, Endpoint, HealthCheck, Share, Upstream},
    error::Error,
};

/// The servers of the upstream, in the order of the configuration; where names stand for several, those that were found
/// last.
#[derive(Debug)]
pub struct Servers {
    endpoints: Box<[Endpoint]>,
    list: Box<[Server]>,
    settings: Settings,
    /// Of all of them under one lock: that one stays usable is a matter of all.
    health: Mutex<Box<[Health]>>,
    /// How many connections may be open to them.
    room: Room,
    /// What times are counted from that are kept as numbers.
    epoch: Instant,
}

/// What the configuration says of how they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    balancing: Balancing,
    health: HealthCheck,
    ejection: Ejection,
    shares: Box<[Share]>,
    max_connections: usize,
    queue: usize,
}

/// How a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// It is not used while others are.
    pub is_out: bool,
    /// It is back, and its share still grows.
    pub is_starting: bool,
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
    /// Requests that are under way.
    under_way: AtomicU32,
    /// When it came back, in milliseconds since the epoch of all; 0 where it was never out.
    back: AtomicU64,
    /// What tells it from others in any process.
    identity: u64,
    /// Told when it is taken out.
    taken_out: Notify,
    /// Told when a request doubts that it answers at all.
    doubted: Notify,
    /// Probes that were answered, whatever the answer.
    proofs: AtomicU64,
}

/// A request that a server has under way.
#[derive(Debug)]
pub struct UnderWay {
    servers: Arc<Servers>,
    index: usize,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.servers.list[self.index].under_way.fetch_sub(1, Relaxed);
    }
}

impl Settings {
    fn of(upstream: &Upstream, endpoints: &[Endpoint]) -> Self {
        Self {
            balancing: upstream.balancing.clone(),
            health: upstream.health.clone(),
            ejection: upstream.ejection.clone(),
            shares: endpoints.iter().map(|endpoint| endpoint.share).collect(),
            max_connections: upstream.pool.max_connections,
            queue: upstream.pool.queue,
        }
    }

    /// Whether turns go round without regard to weights.
    fn is_even(&self) -> bool {
        self.health.slow_start.is_zero() && self.shares.windows(2).all(|two| two[0].weight == two[1].weight)
    }

    /// Whether the choice depends on what is under way.
    const fn counts(&self) -> bool {
        match self.balancing.rule {
            BalanceRule::RoundRobin => false,
            BalanceRule::LeastConnections | BalanceRule::RandomTwo | BalanceRule::Hash(_) => true,
        }
    }
}

impl Servers {
    /// Those of an upstream, by what is typed; all of them are usable.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Arc<Self> {
        let endpoints: Box<[Endpoint]> = upstream.endpoints.clone().into();
        let list = endpoints.iter().map(|endpoint| Server::of(&endpoint.key)).collect();
        let health = endpoints.iter().map(|_| Health::default()).collect();
        let (settings, room) = (Settings::of(upstream, &endpoints), Room::of(upstream, &endpoints));
        let (health, epoch) = (Mutex::new(health), Instant::now());
        Arc::new(Self { endpoints, list, settings, health, room, epoch })
    }

    /// These, as the servers of an upstream from now on: what was known of one `before` is kept. Where nothing differs, they
    /// are those from before.
    #[must_use]
    pub fn after(upstream: &Upstream, endpoints: Box<[Endpoint]>, before: &Arc<Self>) -> Arc<Self> {
        let old: HashMap<&str, usize> =
            before.endpoints.iter().map(|endpoint| &*endpoint.key).zip(0..).collect();
        let places: Vec<Option<usize>> =
            endpoints.iter().map(|endpoint| old.get(&*endpoint.key).copied()).collect();
        let settings = Settings::of(upstream, &endpoints);
        if endpoints == before.endpoints && settings == before.settings {
            return Arc::clone(before);
        }
        let known = before.health();
        let health: Box<[Health]> = places
            .iter()
            .map(|place| place.and_then(|place| known.get(place).cloned()).unwrap_or_default())
            .collect();
        let list = places
            .iter()
            .zip(&health)
            .zip(&endpoints)
            .map(|((place, health), endpoint)| {
                let old = place.map(|place| &before.list[place]);
                let number = |of: fn(&Server) -> &AtomicU64| {
                    AtomicU64::new(old.map_or(0, |old| of(old).load(Relaxed)))
                };
                Server {
                    is_out: AtomicBool::new(health.absence().is_some()),
                    answered: number(|server| &server.answered),
                    back: number(|server| &server.back),
                    ..Server::of(&endpoint.key)
                }
            })
            .collect();
        drop(known);
        let room = Room::after(upstream, &endpoints, &before.room, &places);
        Arc::new(Self { endpoints, list, settings, health: Mutex::new(health), room, epoch: before.epoch })
    }

    /// Where each of them is, and what it is called.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
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
            Some(Absence { reason, since, .. }) => ServerState {
                is_out: true,
                reason: Some(reason.to_string()),
                since: Some(since),
                ..ServerState::default()
            },
            None => {
                let is_starting = self.grown(index, Instant::now()).is_some();
                ServerState { is_starting, since: health.back(), ..ServerState::default() }
            }
        }
    }

    /// By what rule a server is chosen for a request that has this key, where requests with the same one belong together.
    #[must_use]
    pub fn rule(&self, key: Option<u64>) -> Rule {
        match (&self.settings.balancing, key) {
            (Balancing { rule: BalanceRule::LeastConnections, .. }, _) => Rule::LeastUnderWay,
            (Balancing { rule: BalanceRule::RandomTwo, .. }, _) => Rule::RandomTwo,
            (Balancing { rule: BalanceRule::Hash(_), hash_bound }, Some(key)) => {
                Rule::Hash { key, bound: *hash_bound }
            }
            _ if self.settings.is_even() => Rule::EvenTurns,
            _ => Rule::WeightedTurns,
        }
    }

    /// How a server stands for a request that sets out at `now`.
    #[must_use]
    pub fn standing(&self, index: usize, now: Instant) -> Standing {
        /// So that a weight of 1 can grow, too.
        const FINENESS: u32 = 100;
        let Some((server, share)) = self.list.get(index).zip(self.settings.shares.get(index)) else {
            return Standing::NONE;
        };
        let weight = u32::from(share.weight);
        let weight = if self.settings.health.slow_start.is_zero() {
            weight
        } else {
            self.grown(index, now).map_or(weight * FINENESS, |grown| {
                // Both are percentages, so that what is cut off is less than one of them.
                (weight * grown.min(FINENESS)).max(1)
            })
        };
        Standing {
            is_usable: !server.is_out.load(Relaxed),
            is_backup: share.backup,
            has_room: self.room.has_some(index),
            weight,
            under_way: server.under_way.load(Relaxed),
            identity: server.identity,
        }
    }

    /// How much of its share a server has that has come back not long ago, in percent; nothing where it has all of it.
    fn grown(&self, index: usize, now: Instant) -> Option<u32> {
        let slow_start = self.settings.health.slow_start.as_millis();
        let back = self.list[index].back.load(Relaxed);
        if slow_start == 0 || back == 0 {
            return None;
        }
        let for_long = self.since_epoch(now).saturating_sub(back);
        let percent = u128::from(for_long) * 100 / slow_start;
        u32::try_from(percent).ok().filter(|percent| *percent < 100)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a request at a server for as long as the result lives, where the choice of a server depends on that.
    #[must_use]
    pub fn enter(self: &Arc<Self>, index: usize) -> Option<UnderWay> {
        if !self.settings.counts() {
            return None;
        }
        self.list.get(index)?.under_way.fetch_add(1, Relaxed);
        Some(UnderWay { servers: Arc::clone(self), index })
    }

    /// Whether there is a usable one that a request has not tried yet.
    #[must_use]
    pub fn has_another(&self, tried: &[usize]) -> bool {
        (0..self.list.len()).any(|index| !tried.contains(&index) && self.is_usable(index))
    }

    /// Those that are usable and that a request has not tried yet, but this one.
    pub fn usable_but<'a>(&'a self, index: usize, tried: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let is_one = move |other: &usize| *other != index && !tried.contains(other) && self.is_usable(*other);
        (0..self.list.len()).filter(is_one)
    }

    /// The turn of a request that set out at `begun` and goes to a server now; nothing where that is the only one,
    /// which stays whatever happens to it.
    #[must_use]
    pub fn turn(&self, index: usize, begun: Instant) -> Option<Turn<'_>> {
        let server = self.list.get(index).filter(|_| self.list.len() > 1)?;
        let answered_before = server.answered.load(Relaxed);
        Some(Turn { servers: self, index, begun, answered_before, is_told: Cell::new(false) })
    }

    /// Whether no more than so many connections may be open to them.
    #[must_use]
    pub const fn are_limited(&self) -> bool {
        self.room.is_limited()
    }

    /// A place for one more connection to a server, if there is one.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<Place> {
        self.room.take(index)
    }

    /// Counts one more request that waits for a place, for as long as the result lives; nothing where as many do as may.
    #[must_use]
    pub fn wait(&self) -> Option<Waiting<'_>> {
        self.room.wait()
    }

    /// How many requests wait for a place, over all workers.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.room.waiting()
    }

    /// How servers are asked whether they are well.
    pub(super) const fn check(&self) -> &HealthCheck {
        &self.settings.health
    }

    /// What is to be known of a server that is out.
    pub(super) fn absence(&self, index: usize) -> Option<Absence> {
        self.health()[index].absence()
    }

    /// Waits until a server is out.
    pub(super) async fn taken_out(&self, index: usize) {
        while self.absence(index).is_none() {
            self.list[index].taken_out.notified().await;
        }
    }

    /// Waits until a request doubts that a server answers.
    pub(super) async fn doubted(&self, index: usize) {
        self.list[index].doubted.notified().await;
    }

    /// A server has answered a probe.
    pub(super) fn proved(&self, index: usize) {
        self.list[index].proofs.fetch_add(1, Relaxed);
    }

    /// Takes in what a probe has found; returns how soon the next one is due.
    pub(super) fn probed(&self, index: usize, found: Result<(), Reason>) -> Duration {
        let (now, server) = (Instant::now(), &self.list[index]);
        // Under the lock, for a request may take it out again meanwhile.
        let mut health = self.health();
        let was_out = health[index].absence().is_some();
        let next = health[index].probed(found, &self.settings.health, &self.settings.ejection, now);
        let is_out = health[index].absence().is_some();
        if was_out && !is_out {
            server.back.store(self.since_epoch(now).max(1), Relaxed);
        }
        server.is_out.store(is_out, Relaxed);
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
        let by_requests = health.iter().filter_map(Health::absence).filter(|it| !it.reason.is_of_probes());
        let most = self.list.len() * self.settings.ejection.at_most as usize / 100;
        let stays = !self.has_another(&[turn.index]) || by_requests.count() >= most;
        if health[turn.index].failed(&failure, &self.settings.ejection, stays, now) {
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

/// A [`Turn`] of which its servers are told later.
#[derive(Debug)]
pub struct KeptTurn {
    index: usize,
    begun: Instant,
    answered_before: u64,
    is_told: bool,
}

impl KeptTurn {
    /// The turn at its `servers`.
    #[must_use]
    pub fn at(self, servers: &Servers) -> Turn<'_> {
        let Self { index, begun, answered_before, is_told } = self;
        Turn { servers, index, begun, answered_before, is_told: Cell::new(is_told) }
    }
}

impl Turn<'_> {
    /// What is known of it, without its servers.
    #[must_use]
    pub fn keep(self) -> KeptTurn {
        let Self { index, begun, answered_before, is_told, .. } = self;
        KeptTurn { index, begun, answered_before, is_told: is_told.into_inner() }
    }

    /// Which server it is.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// How often the server has answered by now, whoever had asked, and whatever the answer.
    #[must_use]
    pub fn answers(&self) -> u64 {
        let server = &self.servers.list[self.index];
        server.answered.load(Relaxed).wrapping_add(server.proofs.load(Relaxed))
    }

    /// Whether the server has been taken out meanwhile.
    #[must_use]
    pub fn is_out(&self) -> bool {
        !self.servers.is_usable(self.index)
    }

    /// Has the server asked whether it answers at all, for it has been silent. That is one of [`Turn::answers`], if it does.
    pub fn doubt(&self) {
        self.servers.list[self.index].doubted.notify_one();
    }

    /// Whether there is another usable server that the request has not tried yet.
    #[must_use]
    pub fn has_another(&self, tried: &[usize]) -> bool {
        self.servers.usable_but(self.index, tried).next().is_some()
    }

    /// It has answered with this status.
    pub fn answered(&self, status: u16) {
        if self.is_told.replace(true) {
            return;
        }
        if self.servers.settings.ejection.statuses.contains(&status) {
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

impl Server {
    /// One whose connections are kept under this key: the same in each process that has it.
    fn of(key: &str) -> Self {
        Self { identity: FixedState::default().hash_one(key), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(shares: &[(u16, bool)]) -> Settings {
        Settings {
            balancing: Balancing { rule: BalanceRule::RoundRobin, hash_bound: 150 },
            health: HealthCheck { rise: 2, interval: Duration::from_secs(5), ..HealthCheck::default() },
            ejection: Ejection {
                failures: 3,
                statuses: vec![503],
                min_time: Duration::from_secs(10),
                at_most: 100,
            },
            shares: shares
                .iter()
                .map(|(weight, backup)| Share { weight: *weight, backup: *backup, max_connections: 0 })
                .collect(),
            max_connections: 0,
            queue: 100,
        }
    }

    fn servers_with(settings: Settings) -> Servers {
        let count = settings.shares.len();
        Servers {
            endpoints: Box::default(),
            list: (0..count).map(|index| Server::of(&index.to_string())).collect(),
            settings,
            room: Room::unlimited(count),
            health: Mutex::new((0..count).map(|_| Health::default()).collect()),
            epoch: Instant::now(),
        }
    }

    fn servers(count: usize) -> Servers {
        servers_with(settings(&vec![(1, false); count]))
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
        assert_eq!(servers.probed(1, Ok(())), super::super::health::SOON);
        servers.probed(1, Ok(()));
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

    #[tokio::test]
    async fn a_server_that_is_doubted_and_answers_a_probe_is_not_silent() {
        let servers = servers(2);
        let (slow, other) = (turn(&servers, 0), turn(&servers, 1));
        slow.doubt();
        slow.doubt();
        servers.doubted(0).await;
        assert_eq!(slow.answers(), 0);
        servers.proved(0);
        turn(&servers, 0).answered(200);
        assert_eq!((slow.answers(), other.answers()), (2, 0));
        assert!(slow.has_another(&[]) && !slow.has_another(&[1]));
        turn(&servers, 0).failed(Error::ConnectRefused, false);
        assert!(slow.is_out() && !other.is_out());
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
        tokio::join!(servers.taken_out(1), failing);
        let reason = servers.absence(1).map(|absence| absence.reason);
        assert_eq!(reason, Some(Reason::Failed(Error::ConnectRefused)));
    }

    #[test]
    fn requests_take_no_more_servers_out_than_they_may_and_probes_any() {
        let settings = settings(&[(1, false); 4]);
        let ejection = Ejection { at_most: 50, ..settings.ejection };
        let servers = servers_with(Settings {
            ejection,
            health: HealthCheck { fall: 1, ..settings.health },
            ..settings
        });
        let _ = servers.probed(3, Err(Reason::ProbeAnswered(500)));
        for index in 0..3 {
            turn(&servers, index).failed(Error::ConnectRefused, false);
        }
        assert_eq!(usable(&servers), [false, false, true, false]);
        let _ = servers.probed(2, Err(Reason::ProbeAnswered(500)));
        assert_eq!(usable(&servers), [false; 4], "the last one, too");
    }

    #[test]
    fn the_share_of_one_that_is_back_grows() {
        let settings = settings(&[(2, false), (1, false)]);
        let health = HealthCheck { slow_start: Duration::from_secs(10), ..settings.health };
        let servers = servers_with(Settings { health, ..settings });
        let weights = |now| [0, 1].map(|index| servers.standing(index, now).weight);
        assert_eq!((servers.rule(None), weights(Instant::now())), (Rule::WeightedTurns, [200, 100]));
        turn(&servers, 0).failed(Error::ConnectRefused, false);
        let _ = (servers.probed(0, Ok(())), servers.probed(0, Ok(())));
        assert!(servers.is_usable(0) && servers.state(0).is_starting && !servers.state(1).is_starting);
        let back = servers.epoch + Duration::from_millis(servers.list[0].back.load(Relaxed));
        for (seconds, expected) in [(0, 1), (1, 20), (5, 100), (9, 180), (10, 200), (99, 200)] {
            assert_eq!(weights(back + Duration::from_secs(seconds)), [expected, 100], "after {seconds} s");
        }
    }

    #[test]
    fn what_is_under_way_is_counted_where_the_choice_depends_on_it() {
        for (rule, counts) in [(BalanceRule::RoundRobin, 0), (BalanceRule::LeastConnections, 1)] {
            let settings = settings(&[(1, false), (3, true)]);
            let balancing = Balancing { rule, hash_bound: 150 };
            let servers = Arc::new(servers_with(Settings { balancing, ..settings }));
            let under_way = |index| servers.standing(index, Instant::now()).under_way;
            let entered = servers.enter(1);
            assert_eq!((under_way(0), under_way(1)), (0, counts));
            drop(entered);
            assert_eq!(under_way(1), 0);
        }
    }

    #[test]
    fn turns_go_round_evenly_where_weights_are_equal() {
        for (shares, rule) in [
            (&[(1, false), (1, true)][..], Rule::EvenTurns),
            (&[(7, false), (7, false)], Rule::EvenTurns),
            (&[(1, false), (2, false)], Rule::WeightedTurns),
        ] {
            assert_eq!(servers_with(settings(shares)).rule(None), rule);
        }
        let hash = Balancing { rule: BalanceRule::Hash(crate::config::HashKey::Target), hash_bound: 120 };
        let servers = servers_with(Settings { balancing: hash, ..settings(&[(1, false); 2]) });
        assert_eq!(servers.rule(Some(7)), Rule::Hash { key: 7, bound: 120 });
        assert_eq!(servers.rule(None), Rule::EvenTurns, "a request without the key");
    }
}

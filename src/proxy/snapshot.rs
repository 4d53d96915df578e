//! The configuration that requests see: published by the process, taken up by each worker with its next request.
//!
//! A request takes a [`Snapshot`] once and keeps it to its end, so that it sees one configuration whatever is published
//! meanwhile. Looking whether there is another one costs a load and a comparison; only when there is does a worker
//! make a snapshot of it. What is known of servers goes over with the names of their upstreams.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::Notify, time::Instant};

use super::verifications::Verifications;
use crate::{
    admission::{Admission, KnownTokens},
    config::{Config, Endpoint, LeadsTo, LimitId, PolicyId, RouteId, Routes, Upstream, UpstreamId},
    observe::metrics::{
        AccessCounters, AccessResult, LimitCounters, PolicyCounters, RouteCounters, ServerTally,
        UpstreamCounters, WorkerCounters,
    },
    plan::Destination,
    upstream::{
        Balance, Queue, RetryBudget, Servers,
        pool::{IdleLimits, Pool},
    },
};

/// What the process publishes: a configuration, and what all workers know of the servers in it.
pub struct Published {
    current: ArcSwap<Publication>,
    /// That of the current one; apart, for it is looked at with every request.
    version: AtomicU64,
    /// Where passwords are verified, whatever the configuration is.
    verifications: Verifications,
    /// From when the time of limits is told: the same in all workers, whatever the configuration is.
    begun: Instant,
    /// What is told of the keys of tokens.
    keys: Arc<KeyNews>,
}

/// What those who use keys of tokens tell who fetches them, and the other way round.
#[derive(Debug, Default)]
pub struct KeyNews {
    /// Others are wanted than are there.
    pub wanted: Notify,
    /// Some were fetched, or could not be.
    pub renewed: Notify,
}

/// One configuration of those that a process has had, and its servers at one time.
pub struct Publication {
    /// The configuration.
    pub config: Arc<Config>,
    /// The servers of its upstreams, in their order.
    pub servers: Box<[Arc<Servers>]>,
    /// Of the configuration, counted from 1.
    pub generation: u64,
    /// Of everything, counted from 1.
    version: u64,
}

impl Published {
    /// The first configuration of a process.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Arc<Self> {
        let servers = config.upstreams.iter().map(Servers::new).collect();
        let verifications = Verifications::new(config.process.workers.get());
        let first = Publication { config, servers, generation: 1, version: 1 };
        Arc::new(Self {
            current: ArcSwap::from_pointee(first),
            version: AtomicU64::new(1),
            verifications,
            begun: Instant::now(),
            keys: Arc::default(),
        })
    }

    /// What is told of the keys of tokens.
    #[must_use]
    pub const fn keys(&self) -> &Arc<KeyNews> {
        &self.keys
    }

    /// The one that new requests see.
    #[must_use]
    pub fn current(&self) -> Arc<Publication> {
        self.current.load_full()
    }

    /// Has new requests see `config`; requests under way keep theirs. What is known of servers is kept where an
    /// upstream of that name had them before. Only one thread publishes.
    pub fn publish(&self, config: Arc<Config>) -> Arc<Publication> {
        let before = self.current.load_full();
        let servers = config.upstreams.iter().map(|upstream| taken_over(upstream, &before)).collect();
        let (generation, version) = (before.generation + 1, before.version + 1);
        self.replace(Publication { config, servers, generation, version })
    }

    /// Has new requests see these servers of the upstream of that name, for its names stand for them by now; what is known of
    /// those that it had is kept. Only one thread publishes.
    pub fn publish_servers(&self, upstream: &str, endpoints: Box<[Endpoint]>) {
        let before = self.current.load_full();
        let config = Arc::clone(&before.config);
        let Some(place) = config.upstreams.iter().position(|known| *known.name == *upstream) else { return };
        let mut servers = before.servers.clone();
        servers[place] = Servers::after(&config.upstreams[place], endpoints, &servers[place]);
        let (generation, version) = (before.generation, before.version + 1);
        self.replace(Publication { config, servers, generation, version });
    }

    fn replace(&self, next: Publication) -> Arc<Publication> {
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        // Behind it: who sees the number finds the configuration.
        self.version.store(next.version, Ordering::Release);
        next
    }
}

/// The servers of an upstream, with what is known of those of the same name and place; where the same names stand for
/// several, those that were found.
fn taken_over(upstream: &Upstream, before: &Publication) -> Arc<Servers> {
    let known = before.config.upstreams.iter().zip(&before.servers);
    let Some((old, servers)) = known.into_iter().find(|(old, _)| old.name == upstream.name) else {
        return Servers::new(upstream);
    };
    let is_same = old.resolution == upstream.resolution && old.endpoints == upstream.endpoints;
    let endpoints = if is_same { servers.endpoints() } else { &*upstream.endpoints };
    Servers::after(upstream, endpoints.into(), servers)
}

/// A configuration as one worker uses it.
pub struct Snapshot {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its upstreams, in their order.
    groups: Box<[Rc<Group>]>,
    /// What is counted of the targets of the gateway.
    targets: Counted,
    /// What is counted of those of the forward proxy, where there is one.
    forwarded: Option<Counted>,
    /// What is counted of routes, in their order.
    routes: Box<[Arc<RouteCounters>]>,
    /// What is counted of policies, in their order.
    policies: Box<[Arc<PolicyCounters>]>,
    /// What is counted of tables of access, in their order.
    access: Box<[Arc<AccessCounters>]>,
    /// What is counted of limits, in their order.
    limits: Box<[Arc<LimitCounters>]>,
    /// That of what is published.
    begun: Instant,
    /// Tokens that were verified.
    pub(super) known_tokens: RefCell<KnownTokens>,
    /// That of the configuration.
    pub generation: u64,
    /// That of the configuration and its servers.
    pub version: u64,
}

/// The servers of an upstream, as one worker uses them.
pub struct Group {
    /// How they do, as the whole process knows it.
    pub servers: Arc<Servers>,
    /// Whose turn it is.
    pub balance: Balance,
    /// Who waits for a connection.
    pub queue: Queue,
    /// How many requests this worker may send them once more.
    pub retries: RetryBudget,
    /// What is kept of connections to each.
    pub idle: IdleLimits,
    /// What is counted of them.
    counted: Counted,
}

/// What is counted of connections and exchanges.
struct Counted {
    upstream: Arc<UpstreamCounters>,
    servers: Box<[ServerTally]>,
}

impl Counted {
    fn of(upstream: &Upstream, servers: &Servers, counters: &WorkerCounters) -> Self {
        let servers = servers.endpoints().iter();
        let servers = servers.map(|server| counters.server(&upstream.name, &server.shown));
        Self { upstream: counters.upstream(&upstream.name), servers: servers.collect() }
    }

    fn of_targets(name: &str, counters: &WorkerCounters) -> Self {
        Self { upstream: counters.upstream(name), servers: [counters.server(name, name)].into() }
    }
}

/// With whom connections and exchanges are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// An upstream.
    Upstream(UpstreamId),
    /// The targets of the gateway.
    GatewayTargets,
    /// Those of the forward proxy.
    ForwardTargets,
}

impl Party {
    /// Whom a route leads to; that of what leads to nobody is never asked for.
    #[must_use]
    pub const fn of_route(leads_to: &LeadsTo) -> Self {
        match leads_to {
            LeadsTo::Upstream(id) => Self::Upstream(*id),
            LeadsTo::Forward => Self::ForwardTargets,
            LeadsTo::Gateway | LeadsTo::Nothing | LeadsTo::Respond(_) => Self::GatewayTargets,
        }
    }

    /// Whom an exchange goes to.
    #[must_use]
    pub const fn of(destination: &Destination) -> Self {
        match destination {
            Destination::Upstream(id) | Destination::Question { upstream: id, .. } => Self::Upstream(*id),
            Destination::Target(_) => Self::GatewayTargets,
            Destination::Forward(_) => Self::ForwardTargets,
        }
    }
}

impl Snapshot {
    fn of(published: &Published, before: Option<&Self>, counters: &WorkerCounters) -> Rc<Self> {
        let publication = published.current();
        let Publication { config, servers, generation, version } = &*publication;
        let workers = config.process.workers.get();
        let most = config.process.max_connections.div_ceil(workers);
        let groups = config.upstreams.iter().zip(servers).map(|(upstream, servers)| {
            let idle = IdleLimits {
                per_endpoint: upstream.pool.max_idle.div_ceil(workers).min(most),
                idle: upstream.pool.idle_timeout,
            };
            let kept = before.and_then(|before| {
                let is_same = |group: &&Rc<Group>| Arc::ptr_eq(&group.servers, servers) && group.idle == idle;
                before.groups.iter().find(is_same).cloned()
            });
            kept.unwrap_or_else(|| {
                let counted = Counted::of(upstream, servers, counters);
                Rc::new(Group {
                    servers: Arc::clone(servers),
                    balance: Balance::default(),
                    queue: Queue::default(),
                    retries: RetryBudget::default(),
                    idle,
                    counted,
                })
            })
        });
        Rc::new(Self {
            groups: groups.collect(),
            targets: Counted::of_targets(Routes::GATEWAY_NAME, counters),
            forwarded: config.forward.as_ref().map(|_| Counted::of_targets(Routes::FORWARD_NAME, counters)),
            routes: config.routes.iter().map(|route| counters.route(&route.name)).collect(),
            access: config.access_tables().map(|table| counters.access(&table.name)).collect(),
            limits: config.limit_tables().iter().map(|limit| counters.limit(&limit.name)).collect(),
            begun: published.begun,
            known_tokens: RefCell::default(),
            policies: config.policy_ids().map(|id| counters.policy(config.policy_name(id))).collect(),
            config: Arc::clone(config),
            generation: *generation,
            version: *version,
        })
    }

    /// An upstream of this configuration.
    #[must_use]
    pub fn group(&self, id: UpstreamId) -> &Group {
        &self.groups[id.index()]
    }

    /// Closes an idle connection to each server of those upstreams that have as many as they may, and for which requests
    /// wait, but none in this worker.
    pub fn give_places_up(&self, pool: &Pool) {
        for group in &self.groups {
            if group.servers.waiting() > 0 && group.queue.is_empty() {
                group.servers.endpoints().iter().for_each(|server| pool.give_up_one_to(&server.key));
            }
        }
    }

    /// Closes idle connections to servers that are none of this configuration, or that no name stands for any more.
    pub fn leave_gone_servers(&self, pool: &Pool) {
        let endpoints = self.groups.iter().flat_map(|group| group.servers.endpoints());
        pool.leave_all_but(&endpoints.map(|endpoint| &*endpoint.key).collect());
    }

    /// What is counted of a route.
    #[must_use]
    pub fn route_counters(&self, id: RouteId) -> &Arc<RouteCounters> {
        &self.routes[id.index()]
    }

    /// What is counted of a policy.
    #[must_use]
    pub fn policy_counters(&self, id: PolicyId) -> &Arc<PolicyCounters> {
        &self.policies[id.index()]
    }

    /// What is counted of a limit.
    #[must_use]
    pub fn limit_counters(&self, id: LimitId) -> &LimitCounters {
        &self.limits[id.index()]
    }

    /// The time of limits, in nanoseconds.
    #[must_use]
    pub fn nanoseconds(&self, now: Instant) -> u64 {
        // From 1 on, for 0 is before all time.
        let passed = now.saturating_duration_since(self.begun);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX - 1) + 1
    }

    /// Counts what the tables of access said of a request that this route takes.
    pub fn count_admission(&self, route: RouteId, admission: Admission) {
        let (admitted, end) = match admission {
            // The client has left before it was known.
            Admission::NotAsked | Admission::Unverified(_) => return,
            Admission::Admitted => (usize::MAX, AccessResult::Admitted),
            Admission::Refused(at) => (at.into(), AccessResult::Refused),
            Admission::Failed(at) => (at.into(), AccessResult::Error),
        };
        let asked = self.config.route(route).access.ids();
        for (at, id) in asked.iter().enumerate().take(admitted.saturating_add(1)) {
            let result = if at < admitted { AccessResult::Admitted } else { end };
            if let Some(counters) = self.access.get(id.index()) {
                counters.asked(result);
            }
        }
    }

    /// What is counted of an upstream, or of targets.
    #[must_use]
    pub fn upstream_counters(&self, party: Party) -> &Arc<UpstreamCounters> {
        &self.counted(party).upstream
    }

    /// What is counted of a server by its place; targets have one place.
    #[must_use]
    pub fn server_tally(&self, party: Party, server: usize) -> &ServerTally {
        &self.counted(party).servers[server]
    }

    fn counted(&self, party: Party) -> &Counted {
        match party {
            Party::Upstream(id) => &self.group(id).counted,
            Party::GatewayTargets => &self.targets,
            Party::ForwardTargets => self.forwarded.as_ref().unwrap_or(&self.targets),
        }
    }
}

/// What one worker has taken up.
pub struct Snapshots {
    published: Arc<Published>,
    current: RefCell<Rc<Snapshot>>,
    counters: Arc<WorkerCounters>,
}

impl Snapshots {
    /// Those of a worker that begins.
    #[must_use]
    pub fn new(published: Arc<Published>, counters: Arc<WorkerCounters>) -> Self {
        let current = RefCell::new(Snapshot::of(&published, None, &counters));
        Self { published, current, counters }
    }

    /// Where passwords are verified.
    #[must_use]
    pub fn verifications(&self) -> &Verifications {
        &self.published.verifications
    }

    /// What is told of the keys of tokens.
    #[must_use]
    pub fn keys(&self) -> &KeyNews {
        &self.published.keys
    }

    /// The configuration that a request sees which comes now.
    #[must_use]
    #[inline]
    pub fn current(&self) -> Rc<Snapshot> {
        let current = self.current.borrow();
        if current.version == self.published.version.load(Ordering::Acquire) {
            return Rc::clone(&current);
        }
        drop(current);
        self.take_up()
    }

    #[cold]
    #[inline(never)]
    fn take_up(&self) -> Rc<Snapshot> {
        let mut current = self.current.borrow_mut();
        *current = Snapshot::of(&self.published, Some(&current), &self.counters);
        // What requests under way still have goes with the next configuration.
        self.counters.forget_unused();
        Rc::clone(&current)
    }
}

/// What is kept of connections to targets of the gateway and of the forward proxy that no request uses.
#[must_use]
pub fn target_idle(config: &Config) -> IdleLimits {
    let workers = config.process.workers.get();
    let most = config.process.max_connections.div_ceil(workers);
    IdleLimits { per_endpoint: TARGET_IDLE.div_ceil(workers).min(most), idle: TARGET_IDLE_TIMEOUT }
}

/// Idle connections kept for each origin that targets are on, over all workers.
const TARGET_IDLE: usize = 1024;
/// How long one is kept, unless its server announces less.
const TARGET_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

//! What is looked after for all workers, on the thread of the process: whether servers are well, and which ones the names of
//! upstreams stand for.

use std::{cell::RefCell, collections::HashSet, net::IpAddr, rc::Rc, sync::Arc};

use tokio::{task::JoinSet, time::sleep_until};

use super::key_sets::keep_fresh;
use crate::{
    admission::Way,
    config::{Config, Dns, Endpoint, Resolution, Upstream},
    limit::{Shared, State},
    net::{Descriptors, QueueTime, dns::Resolver, handshake},
    proxy::{core::resolver, snapshot::Published},
    upstream::{Discovery, Fetcher, Prober, Servers},
};

/// Looks after the upstreams of whatever configuration is published.
pub(super) struct Lookout {
    published: Arc<Published>,
    descriptors: Arc<Descriptors>,
    names: RefCell<Names>,
    probes: RefCell<Vec<Probes>>,
    replicas: RefCell<Vec<Replicas>>,
    /// Who fetches keys of tokens.
    keys: RefCell<JoinSet<()>>,
}

/// Where names are resolved, and who follows them.
struct Names {
    dns: Dns,
    resolver: Resolver,
    followed: Vec<Followed>,
}

/// Follows the names of one upstream for as long as it is there.
struct Followed {
    name: Box<str>,
    endpoints: Vec<Endpoint>,
    resolution: Resolution,
    _tasks: JoinSet<()>,
}

/// Counts the addresses of a name for a limit that is shared by as many processes, for as long as that is there.
struct Replicas {
    name: Box<str>,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

/// Looks after the servers of one upstream for as long as it is there.
struct Probes {
    servers: Arc<Servers>,
    /// How TLS is spoken to them.
    tls: Box<str>,
    _tasks: JoinSet<()>,
}

impl Lookout {
    /// Looks after nothing yet.
    pub(super) fn new(published: &Arc<Published>, descriptors: &Arc<Descriptors>) -> Rc<Self> {
        let config = &published.current().config;
        let names = Names { dns: config.dns.clone(), resolver: resolver(config), followed: Vec::new() };
        Rc::new(Self {
            published: Arc::clone(published),
            descriptors: Arc::clone(descriptors),
            names: RefCell::new(names),
            probes: RefCell::default(),
            replicas: RefCell::default(),
            keys: RefCell::default(),
        })
    }

    /// Looks after what is published, on the local runtime that this is called on; who does already goes on.
    pub(super) fn renew(self: &Rc<Self>) {
        self.follow();
        self.probe();
        self.count_replicas();
        self.fetch_keys();
    }

    /// Anew, whatever was fetched before; what is known stays meanwhile.
    fn fetch_keys(&self) {
        let publication = self.published.current();
        let config = &publication.config;
        let mut tasks = JoinSet::new();
        for (source, table) in config.key_sources() {
            let Way::Jwt(rules) = &table.way else { continue };
            let fetcher = Fetcher {
                source: source.clone(),
                limits: config.limits.clone(),
                resolver: self.names.borrow().resolver.clone(),
                descriptors: Arc::clone(&self.descriptors),
                handshakes: handshake::places(),
            };
            let (store, news) = (Arc::clone(&rules.keys), Arc::clone(self.published.keys()));
            tasks.spawn_local(keep_fresh(table.name.clone(), store, fetcher, news));
        }
        self.keys.replace(tasks);
    }

    fn follow(self: &Rc<Self>) {
        let publication = self.published.current();
        let config = &publication.config;
        let names = &mut *self.names.borrow_mut();
        if names.dns != config.dns {
            *names = Names { dns: config.dns.clone(), resolver: resolver(config), followed: Vec::new() };
        }
        let mut before = std::mem::take(&mut names.followed);
        let upstreams = config.upstreams.iter().zip(&publication.servers);
        let upstreams = upstreams.filter(|(upstream, _)| upstream.resolution != Resolution::First);
        let followed = upstreams.map(|(upstream, servers)| {
            let at = before.iter().position(|followed| followed.is_of(upstream));
            at.map_or_else(
                || self.begin_to_follow(upstream, servers, &names.resolver),
                |at| before.swap_remove(at),
            )
        });
        names.followed = followed.collect();
    }

    fn begin_to_follow(
        self: &Rc<Self>,
        upstream: &Upstream,
        servers: &Servers,
        resolver: &Resolver,
    ) -> Followed {
        let (lookout, name) = (Rc::downgrade(self), upstream.name.clone());
        let changed = move |endpoints| {
            if let Some(lookout) = lookout.upgrade() {
                lookout.published.publish_servers(&name, endpoints);
                lookout.probe();
            }
        };
        let discovery = Discovery { upstream: upstream.clone(), resolver: resolver.clone(), changed };
        Followed {
            name: upstream.name.clone(),
            endpoints: upstream.endpoints.clone(),
            resolution: upstream.resolution,
            _tasks: discovery.start(servers.endpoints()),
        }
    }

    fn count_replicas(&self) {
        let config = &self.published.current().config;
        let resolver = self.names.borrow().resolver.clone();
        let mut before = self.replicas.take();
        let shared = config.limit_tables().iter().filter_map(|limit| match &limit.shared {
            Shared::Replicas { name } => Some((name, &limit.state)),
            Shared::Local | Shared::Redis { .. } => None,
        });
        let replicas = shared.map(|(name, state)| {
            let is_same = |known: &Replicas| known.name == *name && Arc::ptr_eq(&known.state, state);
            if let Some(at) = before.iter().position(is_same) {
                return before.swap_remove(at);
            }
            let mut tasks = JoinSet::new();
            tasks.spawn_local(count_addresses(name.clone(), Arc::clone(state), resolver.clone()));
            Replicas { name: name.clone(), state: Arc::clone(state), _tasks: tasks }
        });
        self.replicas.replace(replicas.collect());
    }

    fn probe(&self) {
        let publication = self.published.current();
        let config: &Config = &publication.config;
        let resolver = self.names.borrow().resolver.clone();
        let mut before = self.probes.take();
        let upstreams = config.upstreams.iter().zip(&publication.servers);
        let probes = upstreams.map(|(upstream, servers)| {
            let tls = upstream.tls.told_apart();
            let is_same = |probes: &Probes| Arc::ptr_eq(&probes.servers, servers) && *probes.tls == *tls;
            if let Some(at) = before.iter().position(is_same) {
                return before.swap_remove(at);
            }
            let prober = Prober {
                upstream: upstream.clone(),
                limits: config.limits.clone(),
                servers: Arc::clone(servers),
                resolver: resolver.clone(),
                descriptors: Arc::clone(&self.descriptors),
                handshakes: handshake::places(),
            };
            Probes { servers: Arc::clone(servers), tls: tls.into(), _tasks: prober.start() }
        });
        self.probes.replace(probes.collect());
    }
}

/// Asks how many addresses a name has whenever what is known of it has ended; while nobody answers, what was known last counts.
async fn count_addresses(name: Box<str>, state: Arc<State>, resolver: Resolver) {
    loop {
        match resolver.resolve(&name, &QueueTime::default()).await {
            Ok(addresses) => {
                let different: HashSet<&IpAddr> = addresses.iter().collect();
                let replicas = u32::try_from(different.len()).unwrap_or(u32::MAX);
                if state.replicas() != replicas {
                    state.set_replicas(replicas);
                    tracing::info!(%name, replicas, "a limit is shared by so many");
                }
            }
            Err(error) => tracing::debug!(%name, %error, "by how many a limit is shared is not known"),
        }
        sleep_until(resolver.due(&name)).await;
    }
}

impl Followed {
    fn is_of(&self, upstream: &Upstream) -> bool {
        *self.name == *upstream.name
            && self.endpoints == upstream.endpoints
            && self.resolution == upstream.resolution
    }
}

//! Which servers the names of an upstream stand for, followed as DNS changes: on the thread of the process, for all workers.
//!
//! Until a name has been resolved for the first time, and when it could not be for longer than an old answer may serve, it
//! stands for itself: whoever connects to it asks DNS then.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use futures_util::future::join_all;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    config::{Endpoint, MAX_ADDRESSES, Place, Resolution, Share, Upstream},
    error::Error,
    net::{
        QueueTime,
        dns::{Resolver, ServiceRecord},
    },
    uri::TargetHost,
};

/// Follows the names of one upstream.
pub struct Discovery<F> {
    /// Whose servers they stand for.
    pub upstream: Upstream,
    /// Names.
    pub resolver: Resolver,
    /// Is told the servers when they are others.
    pub changed: F,
}

/// What is known: the servers that each typed one stands for.
struct Followed<F> {
    discovery: Discovery<F>,
    found: RefCell<Vec<Vec<Endpoint>>>,
}

impl<F: Fn(Box<[Endpoint]>) + 'static> Discovery<F> {
    /// Starts to follow them, on the local runtime that this is called on, until what is returned is dropped; `known` are the
    /// servers that are told already.
    #[must_use]
    pub fn start(self, known: &[Endpoint]) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if self.upstream.resolution == Resolution::First {
            return tasks;
        }
        let of = |typed: &Endpoint| -> Vec<Endpoint> {
            let is_of_it = |known: &&Endpoint| known.stands_for(typed);
            known.iter().filter(is_of_it).cloned().collect()
        };
        let found = RefCell::new(self.upstream.endpoints.iter().map(of).collect());
        let followed = Rc::new(Followed { discovery: self, found });
        for (index, typed) in followed.discovery.upstream.endpoints.iter().enumerate() {
            if matches!(typed.place(), Place::Service(_) | Place::Port(TargetHost::Name(_), _)) {
                tasks.spawn_local(follow(Rc::clone(&followed), index));
            }
        }
        tasks
    }
}

/// Asks for a name whenever what is known of it has ended.
async fn follow<F: Fn(Box<[Endpoint]>)>(followed: Rc<Followed<F>>, index: usize) {
    let Discovery { upstream, resolver, changed } = &followed.discovery;
    let typed = &upstream.endpoints[index];
    loop {
        let (found, due) = stands_for(typed, resolver).await;
        let found = found.unwrap_or_else(|error| {
            tracing::debug!(server = %typed.shown, %error, "the servers that a name stands for are not known");
            vec![typed.clone()]
        });
        let is_new = followed.found.borrow()[index] != found;
        if is_new {
            let shown = found.iter().map(|server| &*server.shown).collect::<Vec<&str>>().join(", ");
            followed.found.borrow_mut()[index] = found;
            changed(followed.found.borrow().concat().into());
            tracing::info!(upstream = %upstream.name, servers = %shown, "a name stands for other servers");
        }
        sleep_until(due).await;
    }
}

/// The servers that a typed one stands for by now, the same ones in the same order, and when to ask again.
async fn stands_for(typed: &Endpoint, resolver: &Resolver) -> (Result<Vec<Endpoint>, Error>, Instant) {
    let queue = QueueTime::default();
    match typed.place() {
        Place::Port(TargetHost::Name(name), port) => {
            let found = resolver.resolve(name, &queue).await;
            let mut addresses: Vec<IpAddr> = found.as_deref().unwrap_or_default().to_vec();
            addresses.sort_unstable();
            addresses.dedup();
            let at = |ip: &IpAddr| typed.at(SocketAddr::new(*ip, port), typed.share);
            (found.map(|_| addresses.iter().map(at).collect()), resolver.due(name))
        }
        Place::Service(name) => {
            let (found, due) = service(name, resolver, &queue).await;
            let found = found.map(|servers| {
                let first = servers.first().map_or(0, |(record, _)| record.priority);
                let mut servers: Vec<(SocketAddr, Share)> = servers
                    .into_iter()
                    .map(|(record, address)| {
                        let backup = typed.share.backup || record.priority > first;
                        // One without weight is chosen hardly ever (RFC 2782), which is not never.
                        (address, Share { weight: record.weight.max(1), backup, ..typed.share })
                    })
                    .collect();
                servers.sort_by_key(|(address, _)| *address);
                servers.dedup_by_key(|(address, _)| *address);
                servers.into_iter().map(|(address, share)| typed.at(address, share)).collect()
            });
            (found, due)
        }
        Place::Port(TargetHost::Ip(_), _) | Place::Unix(_) => (Ok(vec![typed.clone()]), Instant::now()),
    }
}

/// Where a service is to be had, whoever comes first in the order of DNS before others, and when to ask again.
///
/// # Errors
/// Those of resolving, where not one of its servers is known.
pub(super) async fn service(
    name: &str,
    resolver: &Resolver,
    queue: &QueueTime,
) -> (Result<Vec<(ServiceRecord, SocketAddr)>, Error>, Instant) {
    let records = match resolver.services(name, queue).await {
        Ok(records) => records,
        Err(error) => return (Err(error), resolver.service_due(name)),
    };
    let mut records = records.to_vec();
    records.sort_unstable_by_key(|record| (record.priority, u16::MAX - record.weight));
    let resolved = join_all(records.iter().map(|record| resolver.resolve(&record.target, queue))).await;
    let targets_due = records.iter().map(|record| resolver.due(&record.target));
    let due = targets_due.fold(resolver.service_due(name), Instant::min);
    let mut fault = Error::Dns;
    let mut servers = Vec::new();
    for (record, resolved) in records.into_iter().zip(resolved) {
        match resolved {
            Ok(addresses) => {
                servers.extend(addresses.iter().map(|ip| (record.clone(), SocketAddr::new(*ip, record.port))))
            }
            Err(error) => fault = error,
        }
    }
    servers.truncate(MAX_ADDRESSES);
    (if servers.is_empty() { Err(fault) } else { Ok(servers) }, due)
}

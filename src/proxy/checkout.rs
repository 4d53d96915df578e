//! A connection for an exchange: from the pool, or opened.

use std::{
    borrow::Cow,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::time::{Instant, sleep};

use super::{
    core::Core,
    relay::ClientSide,
    snapshot::{Group, Party, Snapshot},
    tell,
    wait::{Taken, Wait},
};
use crate::{
    access::TargetRules,
    config::{Endpoint, Forward, Gateway, ParentProxies, Place, Route, Upstream, UpstreamId},
    error::Error,
    net::{Peer, QueueTime, timer::Timer},
    observe::metrics::{Connections, PoolResult},
    plan::{self, Destination, Exchange, ForwardTarget, Target},
    tls::ClientTls,
    trust::Source,
    upstream::{
        BoundLeases, Lease, OpenConnection, Through, UnderWay,
        connector::{self, Nearness, Opener, OpeningTimes, Remote},
    },
    uri::{Scheme, TargetHost, TargetUrl},
};

/// How long each time to wait for a descriptor that others give up, before it is an error that there is none.
const RELIEF: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(80)];

/// A look for one connection.
pub(crate) struct Checkout<'a, 'b> {
    pub(crate) core: &'a Core,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
    /// By when there must be a response head.
    pub(crate) deadline: Instant,
    /// When the attempt began that wants it.
    pub(crate) begun: Instant,
    /// What the request has in common with others that belong to the same server.
    pub(crate) affinity: Option<u64>,
    /// Only a connection that has served nobody yet will do.
    pub(crate) fresh_only: bool,
    /// The request cannot be sent twice: that a pooled connection lives is asked of the kernel.
    pub(crate) ask_kernel: bool,
    /// Servers of the upstream that need not be tried again while there are others.
    pub(crate) tried: &'b mut Vec<usize>,
    /// Connections that serve this client alone.
    pub(crate) bound: &'b mut BoundLeases,
    /// For whom connections are made, and to which address of ours it has come, where they say that.
    pub(crate) source: (Source, Option<SocketAddr>),
    /// Attempts before it.
    pub(crate) attempts: u32,
    /// Connections that were tried to open.
    pub(crate) opened: u32,
    /// How long the last of them took.
    pub(crate) times: Option<OpeningTimes>,
    /// How long a connection was waited for that others had.
    pub(crate) queued: Duration,
    /// The server that it was to, by its place.
    pub(crate) server: Option<usize>,
}

/// A connection, and which server of the upstream is at its other end: its place among them, and itself.
pub(crate) struct Connected<'a> {
    pub(crate) lease: Box<Lease>,
    /// Nothing for a target that a client has chosen.
    pub(crate) server: Option<(usize, &'a Endpoint)>,
    /// It serves this client alone.
    pub(crate) bound: bool,
    /// The parent proxy that it leads through.
    pub(crate) through: Option<Through<'a>>,
    /// Counts it among those that are in use.
    pub(crate) in_use: InUse,
}

/// Counts a connection among those that are in use, and its request among those that its server has under way.
pub(crate) struct InUse {
    _connection: Connections,
    _request: Option<UnderWay>,
}

/// The name under which a connection to a server is kept for one client connection: where it names a client, with that
/// one, for the requests of a client connection may be of several.
pub(crate) fn bound_name<'n>(upstream: &Upstream, server: &'n Endpoint, source: Source) -> Cow<'n, str> {
    match (upstream.proxy_protocol, source) {
        (Some(_), Source::Client(client)) => format!("{} {client}", server.key).into(),
        (Some(_), Source::Unnamed | Source::Proxy) | (None, _) => (&*server.key).into(),
    }
}

/// What a client has chosen to ask, and what the operator says of that.
struct Chosen<'a, 't> {
    rules: &'a TargetRules,
    parents: Option<&'a ParentProxies>,
    url: &'t TargetUrl,
    /// The name under which connections there are kept.
    key: &'t str,
    /// How TLS is spoken with it; `None` where that is up to the client.
    tls: Option<&'a ClientTls>,
    party: Party,
    /// The lines that a parent gets with CONNECT.
    said: &'t [u8],
}

impl<'a, 't> Chosen<'a, 't> {
    fn of_gateway(gateway: &'a Gateway, target: &'t Target) -> Self {
        Self {
            rules: &gateway.rules,
            parents: gateway.parents.as_deref(),
            url: &target.url,
            key: target.url.origin(),
            tls: Some(&gateway.tls),
            party: Party::GatewayTargets,
            said: &[],
        }
    }

    fn of_forward(forward: &'a Forward, target: &'t ForwardTarget) -> Self {
        Self {
            rules: &forward.rules,
            parents: forward.parents.as_deref(),
            url: target.url(),
            key: target.key(),
            tls: None,
            party: Party::ForwardTargets,
            said: &[],
        }
    }
}

impl<'a> Connected<'a> {
    /// The server; nothing for a target that a client has chosen.
    pub(crate) fn endpoint(&self) -> Option<&'a Endpoint> {
        self.server.map(|(_, endpoint)| endpoint)
    }
}

impl<'a> Checkout<'a, '_> {
    /// Takes or opens a connection to wherever the exchange goes now. A client that leaves is noticed meanwhile.
    ///
    /// # Errors
    /// Those of [`connector::open`], timeouts, [`Error::ClientGone`], and those of
    /// [`plan::admit_target`].
    pub(crate) async fn take(
        &mut self,
        exchange: &Exchange,
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Connected<'a>, Error> {
        match &exchange.destination {
            Destination::Target(target) => {
                let gateway = self.snapshot.config.gateway.as_ref().ok_or(Error::Internal)?;
                let chosen = Chosen::of_gateway(gateway, target);
                self.take_to_chosen(chosen, exchange.upgrade, client, timer).await
            }
            Destination::Forward(target) => {
                let forward = self.snapshot.config.forward.as_ref().ok_or(Error::Internal)?;
                let chosen = Chosen::of_forward(forward, target);
                self.take_to_chosen(chosen, exchange.upgrade, client, timer).await
            }
            Destination::Upstream(upstream) | Destination::Question { upstream, .. } => {
                self.take_to_upstream(*upstream, exchange.upgrade, client, timer).await
            }
        }
    }

    /// A new connection for a tunnel to a target of the forward proxy; `said` are the lines that a parent gets with CONNECT.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub(crate) async fn take_for_tunnel<'t>(
        &mut self,
        target: &'t ForwardTarget,
        said: &'t [u8],
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Connected<'a>, Error> {
        self.fresh_only = true;
        let forward = self.snapshot.config.forward.as_ref().ok_or(Error::Internal)?;
        let chosen = Chosen { said, ..Chosen::of_forward(forward, target) };
        self.take_to_chosen(chosen, false, client, timer).await
    }

    async fn take_to_chosen(
        &mut self,
        chosen: Chosen<'a, '_>,
        upgrade: bool,
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Connected<'a>, Error> {
        let Chosen { rules, parents, url, key, tls, party, said } = chosen;
        let (verdict, parent) = plan::admit_target(rules, parents, url)?;
        let through = parent.map(|parent| Through::new(parent, url.scheme(), upgrade));
        self.fresh_only |= through.is_some_and(Through::is_for_one);
        let snapshot = self.snapshot;
        let connected = |lease, bound| {
            let connection = snapshot.server_tally(party, 0).in_use();
            let in_use = InUse { _connection: connection, _request: None };
            Connected { lease, server: None, bound, through, in_use }
        };
        let admits = |ip, nearness| match (through, nearness) {
            // The address is that of the parent, which the operator has chosen.
            (Some(_), _) => true,
            (None, Nearness::Unknown) => rules.admit_address(verdict, ip, url.port()),
            (None, Nearness::Own) => rules.admit_own_address(verdict, ip, url.port()),
        };
        let name = match url.host() {
            TargetHost::Name(name) if through.is_none() => Some(name),
            TargetHost::Name(_) | TargetHost::Ip(_) => None,
        };
        let is_known = self.still_has(name);
        let admits_again = |ip| admits(ip, Nearness::Unknown) && is_known(ip);
        let key = Through::key(through, key);
        if let Some(lease) = self.bound(party, &key, admits_again) {
            return Ok(connected(lease, true));
        }
        if let Some(lease) = self.pooled(party, &key, admits_again) {
            return Ok(connected(lease, false));
        }
        let tls = match (tls, url.scheme()) {
            (None, _) | (_, Scheme::Http) => None,
            (Some(tls), Scheme::Https) => {
                let name = match url.host() {
                    TargetHost::Ip(ip) => ServerName::from(ip),
                    TargetHost::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                        .map_err(|_| Error::TlsProtocol)?,
                };
                Some((Arc::clone(tls.config()), name))
            }
        };
        let place = Place::Port(url.host(), url.port());
        let remote = Remote { place, through, tls, limits: &self.route.limits, header: Box::default(), said };
        let opened = Box::pin(self.open(remote, admits, client, timer)).await;
        let told = |error: &Error| tell::failed_attempt(url.origin(), *error, self.attempts + self.opened);
        Ok(connected(opened.inspect_err(told)?, false))
    }

    async fn take_to_upstream(
        &mut self,
        id: UpstreamId,
        upgrade: bool,
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Connected<'a>, Error> {
        let upstream = self.snapshot.config.upstream(id);
        let group = self.snapshot.group(id);
        let Group { servers, balance, .. } = group;
        let snapshot = self.snapshot;
        let connected = |lease, index: usize, bound, request| {
            let connection = snapshot.server_tally(Party::Upstream(id), index).in_use();
            let in_use = InUse { _connection: connection, _request: request };
            let server = &servers.endpoints()[index];
            let through = Through::to_server(upstream, server, upgrade);
            Connected { lease, server: Some((index, server)), bound, through, in_use }
        };
        self.fresh_only |= upgrade && upstream.parents.is_some();
        if let Some((index, lease)) = self.bound_to_server_of(id) {
            return Ok(connected(lease, index, true, servers.enter(index)));
        }
        self.fresh_only |= self.ask_kernel && !upstream.pool.reuse_for_unsafe;
        let mut failed = Error::Internal;
        let mut begun = self.begun;
        let (count, begun_at) = (servers.endpoints().len(), begun.into_std());
        let rule = servers.rule(self.affinity);
        let standing = |index| servers.standing(index, begun_at);
        let mut wait = Wait::new(group, upstream.pool.queue_timeout);
        while let Some(index) = balance.next(rule, count, self.tried, standing) {
            let server = &servers.endpoints()[index];
            // From now on, for it takes time to connect.
            let request = servers.enter(index);
            // One that begins with a header is never there: it is for whom it names.
            if wait.is_next()
                && let Some(lease) = self.pooled_to(id, server)
            {
                self.waited(&mut wait);
                return Ok(connected(lease, index, false, request));
            }
            let Some(Taken(place)) = wait.place(index) else {
                let idle = if wait.is_next() { self.idle_at_another(id, index) } else { None };
                if let Some((index, lease)) = idle {
                    self.waited(&mut wait);
                    return Ok(connected(lease, index, false, servers.enter(index)));
                }
                drop(request);
                if self.fresh_only {
                    self.core.pool.give_up_one_to(&server.key);
                }
                let turn = wait.turn(self.core, client, timer).await;
                turn.inspect_err(|_| self.waited(&mut wait))?;
                begun = Instant::now();
                continue;
            };
            self.waited(&mut wait);
            self.server = Some(index);
            let through = Through::to_server(upstream, server, upgrade);
            let remote = Remote::of_server(upstream, server, through, self.source, &self.route.limits);
            // Boxed: most requests find a connection, and each would hold the room for opening one.
            let error = match Box::pin(self.open(remote, |_, _| true, client, timer)).await {
                Ok(mut lease) => {
                    lease.open.take_place(place);
                    return Ok(connected(lease, index, false, request));
                }
                Err(error) => error,
            };
            if !error.client_is_gone() {
                snapshot.server_tally(Party::Upstream(id), index).counters().failed();
            }
            tell::failed_attempt(&server.shown, error, self.attempts + self.opened);
            let now = Instant::now();
            // One that had less than its time, because others took it, has not failed.
            let is_late = matches!(error, Error::ConnectTimeout | Error::DnsTimeout);
            if (!is_late || begun + self.route.timeouts.connect <= self.deadline)
                && let Some(turn) = servers.turn(index, begun.into_std())
            {
                turn.failed(error, false);
            }
            if error.client_is_gone() || now >= self.deadline {
                return Err(error);
            }
            self.tried.push(index);
            (failed, begun) = (error, now);
        }
        Err(failed)
    }

    /// The connection to one of the servers on which this client has logged in, or was named: there it goes again, whosever
    /// turn it is.
    fn bound_to_server_of(&mut self, id: UpstreamId) -> Option<(usize, Box<Lease>)> {
        if self.bound.is_empty() {
            return None;
        }
        let snapshot = self.snapshot;
        let upstream = snapshot.config.upstream(id);
        let mut servers = snapshot.group(id).servers.endpoints().iter().enumerate();
        servers.find_map(|(index, server)| {
            let name = bound_name(upstream, server, self.source.0);
            Some((index, self.bound(Party::Upstream(id), &name, self.leads_to(upstream, server))?))
        })
    }

    /// An idle connection of this worker to a usable server that has not been tried, but this one: where there is no room,
    /// any will do.
    fn idle_at_another(&self, id: UpstreamId, but: usize) -> Option<(usize, Box<Lease>)> {
        let group = self.snapshot.group(id);
        let mut others = group.servers.usable_but(but, self.tried);
        others.find_map(|index| {
            let lease = self.pooled_to(id, &group.servers.endpoints()[index])?;
            Some((index, lease))
        })
    }

    /// Ends the wait for a connection: the clock of the deadline has stood still meanwhile.
    fn waited(&mut self, wait: &mut Wait<'_>) {
        let waited = wait.end();
        if !waited.is_zero() {
            self.deadline += waited;
            self.queued += waited;
            let times = self.times.get_or_insert_default();
            times.queue = Some(times.queue.unwrap_or_default() + waited);
        }
    }

    /// The connection on which this client has logged in before.
    fn bound(&mut self, party: Party, key: &str, admits: impl Fn(IpAddr) -> bool) -> Option<Box<Lease>> {
        if self.bound.is_empty() {
            return None;
        }
        // Taken in any case: one that failed is not kept.
        let lease = self.bound.take(key, admits).filter(|_| !self.fresh_only)?;
        self.snapshot.upstream_counters(party).pool_reuse(PoolResult::Reused);
        Some(lease)
    }

    /// An idle connection of this worker to a server.
    fn pooled_to(&self, upstream: UpstreamId, server: &Endpoint) -> Option<Box<Lease>> {
        let admits = self.leads_to(self.snapshot.config.upstream(upstream), server);
        self.pooled(Party::Upstream(upstream), &server.key, admits)
    }

    /// Whether an address is one that a server's name has by now; a parent proxy has addresses of its own.
    fn leads_to<'n>(
        &self,
        upstream: &Upstream,
        server: &'n Endpoint,
    ) -> impl Fn(IpAddr) -> bool + use<'a, 'n> {
        self.still_has(server.name().filter(|_| upstream.parent_of(server).is_none()))
    }

    /// Whether an address is one that a name has by now; where there is no name, any is.
    fn still_has<'n>(&self, name: Option<&'n str>) -> impl Fn(IpAddr) -> bool + use<'a, 'n> {
        let core = self.core;
        move |address| name.is_none_or(|name| core.resolver().still_has(name, address))
    }

    fn pooled(&self, party: Party, key: &str, admits: impl Fn(IpAddr) -> bool) -> Option<Box<Lease>> {
        if self.fresh_only {
            return None;
        }
        let found = self.core.pool.checkout(key, self.ask_kernel, self.begun, |peer| match peer {
            Peer::Ip(address) => admits(address.ip()),
            Peer::Unix(_) => true,
        });
        let counters = self.snapshot.upstream_counters(party);
        counters.pool_reuse(if found.is_some() { PoolResult::Reused } else { PoolResult::New });
        found
    }

    async fn open(
        &mut self,
        remote: Remote<'_>,
        admits: impl Fn(IpAddr, Nearness) -> bool,
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Box<Lease>, Error> {
        let deadline = self.deadline.min(Instant::now() + self.route.timeouts.connect);
        let through = remote.through;
        let is_name = through.is_none()
            && matches!(remote.place, Place::Port(TargetHost::Name(_), _) | Place::Service(_));
        let (mut times, queue) = (OpeningTimes::default(), QueueTime::default());
        let Core { descriptors, pool, handshakes, .. } = self.core;
        let resolver = &self.core.resolver();
        if descriptors.is_full() && !pool.give_up() {
            descriptors.call();
        }
        let mut relief = RELIEF.into_iter();
        let opened = loop {
            let with = Opener { resolver, descriptors, handshakes, queue: &queue };
            // Boxed: an idle connection must not carry the room for a handshake.
            let mut opening = Box::pin(connector::open(with, remote.clone(), &admits, &mut times));
            let opened = poll_fn(|cx| {
                if let Poll::Ready(opened) = pin!(&mut opening).poll(cx) {
                    return Poll::Ready(opened);
                }
                client.poll_leave(cx, timer, deadline, Error::ConnectTimeout).map(Err)
            })
            .await;
            drop(opening);
            // No descriptor, more than likely: before that is told, idle connections are given up.
            match (&opened, relief.next()) {
                (Err(Error::Internal), Some(pause)) if !pool.give_up() => {
                    descriptors.call();
                    let _queuing = queue.begin();
                    sleep(pause).await;
                }
                (Err(Error::Internal), Some(_)) => {}
                _ => break opened,
            }
        };
        let waited = self.queued;
        times.queue = queue.so_far().map(|so_far| so_far + waited).or((!waited.is_zero()).then_some(waited));
        (self.times, self.opened) = (Some(times), self.opened + 1);
        if let (Some(through), Err(Error::ConnectTimeout)) = (through, &opened) {
            through.tell_failure(Error::ConnectTimeout);
        }
        let unresolved = is_name && times.dns.is_none();
        let (stream, peer) = opened.map_err(|error| {
            if error == Error::ConnectTimeout && unresolved { Error::DnsTimeout } else { error }
        })?;
        let open = OpenConnection::count(&self.core.counters, &self.core.descriptors);
        Ok(Box::new(Lease { stream, peer, reused: false, open }))
    }
}

//! One request on its way: to an upstream and back.
//!
//! The plan is made; here it is carried out. A connection is taken from the pool or opened, the request is
//! sent, the response relayed. What follows an attempt that failed or was redirected is for
//! [`Attempts`] to say.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    answering::Relayed,
    checkout::{Checkout, Connected, InUse, bound_name},
    connection::After,
    job::{Job, tell_of},
    patience::{Elsewhere, Patience, pay},
    relay::{Declining, Ended, UpstreamSide},
    resting_attempt::{RestingAttempt, RestingConnection, RestingWait},
    snapshot::{Group, Party, target_idle},
    tell,
};
use crate::{
    config::{Endpoint, Upstream},
    error::Error,
    gateway::Hop,
    http1::{connection::Persistence, head::Request},
    net::{Peer, buffer::Buffer, stream::Stream},
    observe::metrics::{PoolResult, ServerTally},
    plan::{
        AttemptEnd, Attempts, BodyProgress, Destination, Exchange, ResponseContext, ResponsePlan, Silence,
        Step,
    },
    upstream::{KeptTurn, Lease, Servers, Through, Turn, pool::PoolKey},
};

/// What an exchange came to.
pub(crate) enum Exchanged {
    /// The client has the response.
    Done(After),
    /// The client has the head of a 101.
    Tunnel(Box<TunnelEnds>),
    /// There is no response, and the client can be told.
    Failed(Error, BodyProgress),
    /// A service lets the request in, which goes on with these field lines.
    Admitted(Box<[u8]>),
    /// Nothing can be said any more: the response had begun, or the client is gone.
    Cut(Error, After),
    /// Nothing moves: it goes on when something does, on this stream to the upstream.
    Rests(Stream, Box<RestingAttempt>),
}

/// The upstream's end of a tunnel.
pub(crate) struct TunnelEnds {
    pub(crate) lease: Box<Lease>,
    /// What the upstream sent behind its 101.
    pub(crate) from_upstream: Option<Buffer>,
    /// Counts it among those that are in use.
    pub(crate) in_use: InUse,
}

impl TunnelEnds {
    /// Those of a connection, behind which the upstream has sent so much.
    pub(crate) fn of(connected: Connected<'_>, from_upstream: Option<Buffer>) -> Box<Self> {
        let Connected { lease, in_use, .. } = connected;
        Box::new(Self { lease, from_upstream, in_use })
    }
}

/// How one attempt ended.
enum Attempt {
    Done(After),
    Tunnel(Box<TunnelEnds>),
    Redirected(Box<Hop>),
    Admitted(Box<[u8]>),
    /// Its answer was not taken: another server is asked.
    Declined,
    /// Its server was silent for too long: another one is asked.
    Abandoned,
    /// Nothing moves.
    Rests(Stream, Box<RestingAttempt>),
    Failed {
        error: Error,
        reused: bool,
        received: bool,
        elsewhere: bool,
    },
}

impl Attempt {
    /// One that had no connection: all servers have been tried.
    const fn without_connection(error: Error) -> Self {
        Self::Failed { error, reused: false, received: false, elsewhere: false }
    }
}

/// Takes a request to where it goes, and its response back; or goes on where an attempt at it rested.
pub(crate) async fn exchange(
    job: &mut Job<'_>,
    exchange: &mut Exchange,
    mut rested: Option<(Stream, Box<RestingAttempt>)>,
) -> Exchanged {
    let snapshot = job.snapshot;
    let retries = exchange.upstream().map(|id| (snapshot.config.upstream(id), snapshot.group(id)));
    let (mut attempts, mut begun, mut tried) = match &mut rested {
        None => (job.attempts(retries), job.begun, Vec::new()),
        Some((_, rested)) => {
            job.queued = rested.queued;
            (rested.attempts, rested.begun, mem::take(&mut rested.tried))
        }
    };
    loop {
        let attempt = job.attempt(exchange, &attempts, begun, &mut tried, rested.take()).await;
        job.outcome.body_in = job.client.body().payload();
        let end = match attempt {
            Attempt::Done(after) => return Exchanged::Done(after),
            Attempt::Tunnel(ends) => return Exchanged::Tunnel(ends),
            Attempt::Admitted(passed) => return Exchanged::Admitted(passed),
            Attempt::Rests(stream, resting) => return Exchanged::Rests(stream, resting),
            Attempt::Redirected(hop) => {
                exchange.follow(*hop);
                AttemptEnd::Redirected
            }
            Attempt::Declined => AttemptEnd::Declined,
            Attempt::Abandoned => AttemptEnd::Abandoned,
            Attempt::Failed { error, reused, received, elsewhere } => {
                AttemptEnd::Failed { error, reused, received, elsewhere }
            }
        };
        begun = Instant::now();
        match attempts.after(end, begun.into_std(), || retries.is_some_and(pay)) {
            Step::Follow => job.outcome.hops += 1,
            Step::Again => {
                job.core.counters.retry();
                if job.outcome.reused == Some(true) && matches!(end, AttemptEnd::Failed { .. }) {
                    job.snapshot
                        .upstream_counters(Party::of(&exchange.destination))
                        .pool_reuse(PoolResult::Stale);
                }
            }
            Step::Fail(error) => return job.failed(error),
        }
        job.client.begin_anew(!exchange.drops_body());
    }
}

impl<'a> Job<'a> {
    /// How often the request may be sent, and by when there must be a response.
    fn attempts(&self, retries: Option<(&Upstream, &Group)>) -> Attempts {
        // A target has one address at a time: what has gone stale is all that is sent there once more.
        let most = retries.map_or(2, |(upstream, _)| upstream.retry.attempts);
        if let Some((upstream, group)) = retries {
            group.retries.earn(upstream.retry.budget);
        }
        let inbound = self.inbound.borrow();
        let name = Request { bytes: inbound.all(), head: self.head }.method_name();
        let attempts = Attempts::new(self.plan, name, &self.route.timeouts, most, self.begun.into_std());
        self.patience.map_or(attempts, |patience| attempts.within(patience))
    }

    /// What follows from an error that no further attempt mends.
    fn failed(&self, error: Error) -> Exchanged {
        let body = self.client.body_progress();
        let needs_reset = |response: ResponsePlan| response.cut_needs_reset(self.head.version);
        match self.state.response_begun() {
            _ if error.client_is_gone() => Exchanged::Cut(error, After::Reset),
            true if self.response.is_some_and(needs_reset) => Exchanged::Cut(error, After::Reset),
            true => Exchanged::Cut(error, After::closing(body == BodyProgress::Read)),
            false => Exchanged::Failed(error, body),
        }
    }

    /// Sends the request over one connection and relays what comes back, or goes on with that.
    async fn attempt(
        &mut self,
        exchange: &Exchange,
        attempts: &Attempts,
        begun: Instant,
        tried: &mut Vec<usize>,
        rested: Option<(Stream, Box<RestingAttempt>)>,
    ) -> Attempt {
        // Each where it stays: to move all of them costs every request something.
        let (mut connected, turn, wait);
        let servers = self.servers(exchange);
        if let Some((stream, rested)) = rested {
            (connected, turn, wait) = resumed(stream, *rested, servers);
        } else {
            connected = match self.connect(exchange, attempts, begun, tried).await {
                Ok(connected) => connected,
                Err(error) => return Attempt::without_connection(error),
            };
            (turn, wait) = (turn_at(servers, &connected, begun), None);
        }
        let reused = connected.lease.reused;
        let declining = self.declining(exchange, attempts, &connected, tried);
        let tally = self.tally(exchange, connected.server);
        let (shown, number) = (shown(exchange, connected.endpoint()), self.outcome.attempts);
        let asked = Asked { shown, number, through: connected.through, tally, servers, reused };
        let failed = |error, received, tried: &mut _| asked.failed(turn.as_ref(), error, received, tried);
        if wait.is_none()
            && let Err(error) = self.send_request(exchange, &mut connected, self.deadline(attempts)).await
        {
            return failed(error, false, tried);
        }
        let sent = wait.as_ref().map_or_else(Instant::now, |(wait, _)| wait.sent);
        let may_leave = turn.as_ref().filter(|_| !connected.bound);
        let silence = wait.as_ref().map(|(_, silence)| *silence);
        let mut patience = self.patience(exchange, attempts, (sent, silence), may_leave, tried);
        let (context, request) = (self.context(exchange, &connected), (self.head, self.inbound));
        let Self { core, state, .. } = *self;
        let may_rest = connected.through.is_none() && self.patience.is_none();
        // In a block, for to drop the upstream's end by name would move it first.
        let (relayed, received, clean, hop, passed, leftover) = {
            let mut upstream =
                UpstreamSide::new((&mut connected.lease.stream, reused), state, context, request, core);
            upstream.declining = declining;
            let watchdog = wait.and_then(|(wait, _)| {
                upstream.resume(wait.upstream);
                wait.watchdog
            });
            let way = (may_rest, watchdog);
            let relayed = match self.relay(&mut upstream, turn.as_ref(), exchange, &mut patience, way).await {
                Ok(Relayed::Over(ended)) => Ok(ended),
                Err(error) => Err(error),
                Ok(Relayed::Rests(deadline, watchdog)) => {
                    let wait = RestingWait { sent, upstream: upstream.rest(), watchdog };
                    let silence = patience.silence();
                    let turn = turn.map(|turn| Box::new((turn.keep(), silence)));
                    return self.rests(connected, turn, (wait, deadline), (attempts, begun, tried));
                }
            };
            self.note(&upstream, turn.as_ref(), tally, sent);
            let clean = upstream.ended_cleanly() && self.client.is_written();
            let (hop, passed) = (upstream.hop.take(), upstream.passed.take());
            (relayed, upstream.received(), clean, hop, passed, upstream.take_leftover())
        };
        match (relayed, hop, self.response) {
            (Err(error), ..) => failed(error, received, tried),
            (Ok(Ended::Abandoned), ..) => {
                failed(Error::ResponseTimeout, false, tried);
                Attempt::Abandoned
            }
            (Ok(Ended::Redirect), Some(hop), _) => Attempt::Redirected(hop),
            (Ok(Ended::Admitted), _, Some(response)) => {
                let _ = self.completed(exchange, connected, clean, &response);
                Attempt::Admitted(passed.unwrap_or_default())
            }
            (Ok(Ended::Declined(status)), ..) => {
                tell::declined_answer(shown, status, number);
                tried.extend(turn.as_ref().map(Turn::index));
                Attempt::Declined
            }
            (Ok(Ended::Switch), ..) => {
                self.outcome.status = 101;
                Attempt::Tunnel(TunnelEnds::of(connected, leftover))
            }
            (Ok(_), _, Some(response)) => {
                Attempt::Done(self.completed(exchange, connected, clean, &response))
            }
            (Ok(_), _, None) => failed(Error::Internal, received, tried),
        }
    }

    /// What is kept of an attempt in which nothing moves.
    fn rests(
        &mut self,
        connected: Connected<'_>,
        turn: Option<Box<(KeptTurn, Option<Silence>)>>,
        (wait, deadline): (RestingWait, Instant),
        (attempts, begun, tried): (&Attempts, Instant, &mut Vec<usize>),
    ) -> Attempt {
        if let Some((status, at)) = wait.upstream.answered() {
            // The log may be told of it now.
            self.outcome.status = status;
            self.outcome.first_byte = Some(at.saturating_duration_since(wait.sent));
        }
        let (stream, connection) = RestingConnection::of(connected);
        let (attempts, tried, queued) = (*attempts, mem::take(tried), self.queued);
        let resting = RestingAttempt { connection, turn, wait, deadline, attempts, begun, tried, queued };
        Attempt::Rests(stream, Box::new(resting))
    }

    /// The client has the response: what becomes of its connection, after that to the upstream is kept if it ended `clean`.
    fn completed(
        &mut self,
        exchange: &Exchange,
        connected: Connected<'_>,
        clean: bool,
        response: &ResponsePlan,
    ) -> After {
        let now = Instant::now();
        self.outcome.ended = Some(now);
        if clean && !self.state.upload.is_discarding() && response.upstream_persists {
            self.keep(exchange, connected, response, now);
        }
        let persists = response.persistence != Persistence::Close && self.client.may_ask_again();
        let closing = After::closing(self.client.body().is_done());
        if persists { After::KeepAlive } else { closing }
    }

    /// What heads are judged with that come on this connection.
    fn context<'b>(&self, exchange: &'b Exchange, connected: &Connected<'b>) -> ResponseContext<'b>
    where
        'a: 'b,
    {
        let Self { core, snapshot, plan, .. } = *self;
        // What has come behind the request is to be answered, too.
        let (server, last) = (connected.endpoint(), core.is_draining() && self.inbound.borrow().is_empty());
        ResponseContext {
            by_parent: connected.through.is_some_and(Through::is_absolute),
            ..ResponseContext::new(&snapshot.config, &core.identity, plan, exchange, server, last)
        }
    }

    /// How long an answer is waited for to what was `sent` then: to the end where its server may not be left. How long that has
    /// been silent may be `known`.
    fn patience<'t>(
        &self,
        exchange: &Exchange,
        attempts: &Attempts,
        (sent, known): (Instant, Option<Option<Silence>>),
        turn: Option<&'t Turn<'t>>,
        tried: &'t [usize],
    ) -> Patience<'t>
    where
        'a: 't,
    {
        let response = self.route.timeouts.response;
        let elsewhere = turn.zip(exchange.upstream()).and_then(|(turn, id)| {
            let silence =
                known.unwrap_or_else(|| attempts.silence(response, sent.into_std(), turn.answers()))?;
            let paid_by = (self.snapshot.config.upstream(id), self.snapshot.group(id));
            Some(Elsewhere { silence, turn, tried, paid_by })
        });
        // A wait that goes on is no shorter than one that begins.
        let since = if known.is_none() { sent } else { Instant::now() };
        Patience::new(self.deadline(attempts).min(sent + response), since, elsewhere)
    }

    /// Which answers of this server are not for the client: none where it is the only one, or may not be left.
    fn declining(
        &self,
        exchange: &Exchange,
        attempts: &Attempts,
        connected: &Connected<'_>,
        tried: &mut Vec<usize>,
    ) -> Option<Declining<'a>> {
        let (id, (index, _)) = (exchange.upstream()?, connected.server?);
        let (statuses, group) = (&self.snapshot.config.upstream(id).retry.statuses, self.snapshot.group(id));
        if statuses.is_empty() || connected.bound || !attempts.may_decline() {
            return None;
        }
        tried.push(index);
        let elsewhere = group.servers.has_another(tried);
        tried.pop();
        elsewhere.then_some(Declining { statuses, budget: &group.retries })
    }

    /// A connection to where the exchange goes now.
    async fn connect(
        &mut self,
        exchange: &Exchange,
        attempts: &Attempts,
        begun: Instant,
        tried: &mut Vec<usize>,
    ) -> Result<Connected<'a>, Error> {
        let source = (self.source(), self.own);
        let mut checkout = Checkout {
            core: self.core,
            snapshot: self.snapshot,
            route: self.route,
            deadline: self.deadline(attempts),
            begun,
            affinity: self.affinity,
            fresh_only: attempts.fresh_only(),
            ask_kernel: !self.plan.is_repeatable(),
            tried,
            bound: self.bound,
            source,
            attempts: self.outcome.attempts,
            opened: 0,
            times: None,
            queued: Duration::ZERO,
            server: None,
        };
        let connected = checkout.take(exchange, &mut self.client, self.timer).await;
        let outcome = &mut *self.outcome;
        outcome.attempts += checkout.opened;
        self.queued += checkout.queued;
        if let Some(times) = checkout.times {
            outcome.opening = Some(Box::new(times));
            outcome.upstream = times.tried.map(Peer::Ip);
        }
        outcome.server = checkout.server;
        let connected = connected?;
        outcome.server = connected.server.map(|(index, _)| index);
        let lease = &connected.lease;
        outcome.attempts += u32::from(lease.reused);
        outcome.reused = Some(lease.reused);
        // The address of a parent is that of no destination.
        outcome.upstream = connected.through.is_none().then(|| lease.peer.clone());
        Ok(connected)
    }

    /// Keeps a connection for another request, under the name by which it was looked for: in the pool, or for this
    /// client alone.
    fn keep(&mut self, exchange: &Exchange, connected: Connected<'_>, response: &ResponsePlan, now: Instant) {
        if connected.through.is_some_and(Through::is_for_one) {
            return;
        }
        let key_of_target;
        let (endpoint, chosen, limits) = match (&exchange.destination, connected.endpoint()) {
            (Destination::Target(target), _) => {
                key_of_target = Through::key(connected.through, target.url.origin());
                (&*key_of_target, true, target_idle(&self.snapshot.config))
            }
            (Destination::Forward(target), _) => {
                key_of_target = Through::key(connected.through, target.key());
                (&*key_of_target, true, target_idle(&self.snapshot.config))
            }
            (Destination::Upstream(id) | Destination::Question { upstream: id, .. }, Some(server)) => {
                let upstream = self.snapshot.config.upstream(*id);
                if upstream.proxy_protocol.is_some() || connected.bound || response.upstream_bound {
                    let name = bound_name(upstream, server, self.source());
                    return self.bound.put(&name, connected.lease);
                }
                (&*server.key, false, self.snapshot.group(*id).idle)
            }
            (Destination::Upstream(_) | Destination::Question { .. }, None) => return,
        };
        if connected.bound || response.upstream_bound {
            return self.bound.put(endpoint, connected.lease);
        }
        let group = exchange.upstream().map(|upstream| self.snapshot.group(upstream));
        let waited_for = group.filter(|group| group.servers.waiting() > 0);
        if waited_for.is_some_and(|group| group.queue.is_empty()) {
            // By requests in other workers, for which its place comes free now.
            return;
        }
        let tally = self.tally(exchange, connected.server);
        let key = PoolKey { endpoint, chosen, limits, tally };
        connected.lease.keep(&self.core.pool, key, response.patience, now);
        if let Some(group) = waited_for {
            group.queue.call();
        }
    }

    /// Writes down what an attempt came to.
    fn note(
        &mut self,
        upstream: &UpstreamSide<'_>,
        turn: Option<&Turn<'_>>,
        tally: &ServerTally,
        sent: Instant,
    ) {
        let first_byte = upstream.head_at.map(|at| at.saturating_duration_since(sent));
        self.outcome.first_byte = first_byte;
        self.outcome.waited += first_byte.unwrap_or_default();
        self.outcome.bytes_out += self.state.download.sent();
        self.response = upstream.plan;
        if let Some((status, first_byte)) = upstream.declined().zip(first_byte) {
            tell_of(turn, status);
            tally.counters().answered(status, first_byte);
        }
        if let Some(response) = self.response {
            self.outcome.status = response.status;
            tell_of(turn, response.status);
            tally.counters().answered(response.status, first_byte.unwrap_or_default());
        }
    }
}

/// A connection, the turn at its server, and where an attempt on it stands that has rested.
type Begun<'a> = (Connected<'a>, Option<Turn<'a>>, Option<(Box<RestingWait>, Option<Silence>)>);

/// Those of an attempt that goes on.
fn resumed<'a>(stream: Stream, rested: RestingAttempt, servers: Option<&'a Servers>) -> Begun<'a> {
    let RestingAttempt { connection, turn, wait, .. } = rested;
    let at = servers.zip(turn);
    let (turn, silence) = at.map(|(servers, turn)| (turn.0.at(servers), turn.1)).unzip();
    let connected = connection.on(stream, servers.map(Servers::endpoints));
    (connected, turn, Some((Box::new(wait), silence.flatten())))
}

/// The turn at the server of a connection, where that is one of several.
#[inline]
fn turn_at<'a>(servers: Option<&'a Servers>, connected: &Connected<'_>, begun: Instant) -> Option<Turn<'a>> {
    let at = servers.zip(connected.server);
    at.and_then(|(servers, (index, _))| servers.turn(index, begun.into_std()))
}

/// Who is asked by an attempt.
struct Asked<'a, 'e> {
    shown: &'e str,
    number: u32,
    through: Option<Through<'a>>,
    tally: &'a ServerTally,
    servers: Option<&'a Servers>,
    reused: bool,
}

impl Asked<'_, '_> {
    /// Tells everybody that the attempt has failed.
    fn failed(
        &self,
        turn: Option<&Turn<'_>>,
        error: Error,
        received: bool,
        tried: &mut Vec<usize>,
    ) -> Attempt {
        let Self { reused, servers, .. } = *self;
        tell::failed_attempt(self.shown, error, self.number);
        if let (Some(through), Error::ParentUnauthorized) = (self.through, error) {
            through.tell_refusal(407);
        }
        let mut elsewhere = false;
        if !error.client_is_gone() {
            self.tally.counters().failed();
        }
        if let Some(turn) = turn {
            turn.failed(error, reused);
            if !reused || !error.is_retryable() {
                tried.push(turn.index());
            }
            elsewhere = servers.is_some_and(|servers| servers.has_another(tried));
        }
        Attempt::Failed { error, reused, received, elsewhere }
    }
}

/// How messages name where the exchange goes.
fn shown<'e>(exchange: &'e Exchange, server: Option<&'e Endpoint>) -> &'e str {
    match (server, &exchange.destination) {
        (Some(server), _) => &server.shown,
        (None, Destination::Target(target)) => target.url.origin(),
        (None, Destination::Forward(target)) => target.url().origin(),
        (None, Destination::Upstream(_) | Destination::Question { .. }) => "",
    }
}

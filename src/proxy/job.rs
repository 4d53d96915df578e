//! One request and everything that its exchange touches, lent to whoever carries it out.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::{
    core::Core,
    outcome::Outcome,
    relay::{ClientSide, ExchangeState},
    snapshot::{Party, Snapshot},
};
use crate::{
    config::{Endpoint, Route},
    http1::head::RequestHead,
    net::{buffer::Buffer, timer::Timer},
    observe::metrics::ServerTally,
    plan::{Attempts, Exchange, Plan, ResponsePlan, rewrite::Forwarding},
    trust::Source,
    upstream::{BoundLeases, Servers, Turn},
};

/// One request and everything that its exchange touches.
pub(crate) struct Job<'a> {
    pub(crate) core: &'a Core,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
    pub(crate) plan: &'a Plan,
    /// What is said of the client to upstreams.
    pub(crate) forwarding: &'a Forwarding,
    /// The address of who has sent it.
    pub(crate) peer: Option<SocketAddr>,
    /// The address that it has come to, where a connection to the upstream says it.
    pub(crate) own: Option<SocketAddr>,
    pub(crate) head: &'a RequestHead,
    /// The head, and what has come behind it.
    pub(crate) inbound: &'a RefCell<Buffer>,
    pub(crate) client: ClientSide<'a>,
    pub(crate) state: &'a ExchangeState,
    pub(crate) timer: &'a mut Timer,
    /// Connections to upstreams that serve this client alone.
    pub(crate) bound: &'a mut BoundLeases,
    pub(crate) outcome: &'a mut Outcome,
    pub(crate) begun: Instant,
    /// How long it may take to the head of the response, where it is not as long as the route says.
    pub(crate) patience: Option<Duration>,
    /// What services have said of who asks: field lines that go on.
    pub(crate) passed: &'a [u8],
    /// How long it has waited for a connection to its upstream: the clock of the deadline starts behind that.
    pub(crate) queued: Duration,
    /// What it has in common with others that belong to the same server.
    pub(crate) affinity: Option<u64>,
    /// What the last final response settled.
    pub(crate) response: Option<ResponsePlan>,
}

impl<'a> Job<'a> {
    /// By when there must be a response head.
    pub(super) fn deadline(&self, attempts: &Attempts) -> Instant {
        Instant::from_std(attempts.deadline()) + self.queued
    }

    /// The servers that the exchange goes to, where it goes to some of an upstream.
    pub(super) fn servers(&self, exchange: &Exchange) -> Option<&'a Servers> {
        exchange.upstream().map(|upstream| &*self.snapshot.group(upstream).servers)
    }

    /// What is counted of the server that the exchange goes to.
    pub(super) fn tally(&self, exchange: &Exchange, server: Option<(usize, &Endpoint)>) -> &'a ServerTally {
        self.snapshot.server_tally(Party::of(&exchange.destination), server.map_or(0, |(index, _)| index))
    }

    /// For whom the exchange is.
    pub(super) fn source(&self) -> Source {
        self.plan.asker.address.map_or(Source::Unnamed, Source::Client)
    }
}

/// Tells how the server does, if it was one of the upstream's.
pub(super) fn tell_of(turn: Option<&Turn<'_>>, status: u16) {
    if let Some(turn) = turn {
        turn.answered(status);
    }
}

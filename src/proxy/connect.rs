//! A CONNECT to the forward proxy: a connection to where it leads, and the answer behind which the client's is a tunnel.

use std::{cell::RefCell, time::Duration};

use tokio::time::Instant;

use super::{
    checkout::{Checkout, Connected},
    connection::responder,
    core::Core,
    exchange::TunnelEnds,
    outcome::Outcome,
    relay::{ClientSide, ExchangeState},
    snapshot::Snapshot,
};
use crate::{
    config::Route,
    error::Error,
    http1::{
        body::{BodyReader, Recode},
        fields::FieldId,
        framing::Framing,
        head::{Request, RequestHead},
    },
    net::{Peer, buffer::Buffer, stream::Stream, timer::Timer},
    plan::{ForwardTarget, Plan, request_body_limits},
    trust::Source,
    upstream::BoundLeases,
};

/// A CONNECT, and everything that it touches but its client.
pub(crate) struct Connect<'a> {
    pub(crate) core: &'a Core,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
    pub(crate) plan: &'a Plan,
    pub(crate) head: &'a RequestHead,
    /// The head, and what has come behind it.
    pub(crate) inbound: &'a RefCell<Buffer>,
    /// It is for none of these.
    pub(crate) bound: &'a mut BoundLeases,
    pub(crate) outcome: &'a mut Outcome,
}

impl<'a> Connect<'a> {
    /// Connects there, while an eye is kept on the client, and tells it so. What it has sent meanwhile stays where it is.
    ///
    /// # Errors
    /// Those of [`Checkout::take_for_tunnel`], and of a client that is gone.
    pub(crate) async fn to(
        mut self,
        target: &ForwardTarget,
        stream: &mut Stream,
        timer: &mut Timer,
    ) -> Result<Box<TunnelEnds>, Error> {
        let state = ExchangeState::new();
        let limits = request_body_limits(&self.route.limits);
        let body = (BodyReader::new(Framing::None, Recode::Verbatim, limits), None);
        let mut client =
            ClientSide::new(stream, self.inbound, self.head.len, body, &state, self.plan.fin_is_abort);
        let said = self.said();
        let connected = self.connect(target, &said, &mut client, timer).await?;
        let Self { core, snapshot, route, plan, outcome, .. } = self;
        let mut out = core.buffers.take();
        let responder = responder(core, &snapshot.config, plan.route, outcome.request_id);
        let size = responder.connected(out.spare());
        client.send(&out.spare()[..size], timer, route.timeouts.send).await?;
        outcome.bytes_out += size as u64;
        outcome.status = 200;
        Ok(TunnelEnds::of(connected, None))
    }

    async fn connect(
        &mut self,
        target: &ForwardTarget,
        said: &[u8],
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<Connected<'a>, Error> {
        // Not since the request came: to verify a password may have taken long.
        let begun = Instant::now();
        let mut checkout = Checkout {
            core: self.core,
            snapshot: self.snapshot,
            route: self.route,
            deadline: begun + self.route.timeouts.connect,
            begun,
            affinity: None,
            fresh_only: true,
            ask_kernel: false,
            tried: &mut Vec::new(),
            bound: self.bound,
            source: (Source::Unnamed, None),
            attempts: 0,
            opened: 0,
            times: None,
            queued: Duration::ZERO,
            server: None,
        };
        let connected = checkout.take_for_tunnel(target, said, client, timer).await;
        let outcome = &mut *self.outcome;
        outcome.attempts = checkout.opened;
        if let Some(times) = checkout.times {
            outcome.opening = Some(Box::new(times));
            outcome.upstream = times.tried.map(Peer::Ip);
        }
        let connected = connected?;
        outcome.reused = Some(false);
        // The address of a parent is that of no destination.
        outcome.upstream = connected.through.is_none().then(|| connected.lease.peer.clone());
        Ok(connected)
    }

    /// By whom it has come, for a parent: a circle of proxies is seen by that alone (RFC 9110 §7.6.3).
    fn said(&self) -> Vec<u8> {
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        let mut lines = Vec::new();
        for via in request.values(FieldId::Via) {
            lines.extend_from_slice(b"Via: ");
            lines.extend_from_slice(via);
            lines.extend_from_slice(b"\r\n");
        }
        lines.extend_from_slice(&self.core.identity.via);
        lines
    }
}

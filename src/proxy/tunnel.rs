//! A request that has switched to another protocol, until that has ended and is written down.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    checkout::InUse,
    connection::Connection,
    core::Core,
    exchange::TunnelEnds,
    idle::SHORT_WAIT,
    kept_request::KeptRequest,
    limiting::Held,
    record::{Cells, Ending, Finished, Told},
    relay::{TunnelEnd, TunnelLimits, tunnel},
};
use crate::{
    error::Error,
    http1::head::{Request, RequestHead},
    net::{buffer::Buffer, stream::Stream},
    observe::metrics::{PolicyCounters, RouteCounters, UpstreamCounters},
    plan::Client,
    upstream::OpenConnection,
};

/// A request that has switched to another protocol. It may last for days, and needs nothing of its configuration any
/// more, nor of its head, nor the frame that it was served in.
pub(crate) struct Tunnel {
    /// What counts it, and its connection to the upstream, for as long as it lasts.
    _counted: (OpenConnection, InUse, Held),
    /// What has been read ahead of it, until it begins.
    early: Option<Box<Early>>,
    limits: TunnelLimits,
    /// Since when nothing has moved; nothing before it has rested.
    quiet_since: Option<Instant>,
    begun: Instant,
    /// How long its head took, where it took more than one read.
    head_took: Option<Duration>,
    /// Its route may be gone when it ends.
    cells: KeptCells,
    told: Told,
    status: u16,
    first_byte: Option<Duration>,
    bytes_in: u64,
    bytes_out: u64,
}

/// What client and upstream have sent behind their heads.
type Early = (Option<Buffer>, Option<Buffer>);

/// Those of [`Cells`].
type KeptCells = (Arc<RouteCounters>, Arc<PolicyCounters>, Arc<UpstreamCounters>);

impl Tunnel {
    /// The tunnel that a request becomes, and the stream of its other end.
    pub(super) fn of(
        core: &Core,
        request: KeptRequest,
        (head, mut inbound): (RequestHead, Buffer),
        ends: TunnelEnds,
        client: &Client,
    ) -> (Box<Self>, Stream) {
        let KeptRequest { snapshot, plan, head_took, begun, outcome, held, .. } = request;
        let Cells { route, policy, upstream } = Cells::of(&snapshot, plan.route);
        let cells = (Arc::clone(route), Arc::clone(policy), Arc::clone(upstream));
        let request = Request { bytes: inbound.all(), head: &head };
        let (plan, outcome, snapshot) = (&plan, &outcome, &*snapshot);
        let told = Told::of(core, &Finished { client, request, plan, outcome, snapshot, begun, head_took });
        let TunnelEnds { lease, from_upstream, in_use } = ends;
        let bytes_in = told.head_len + outcome.body_in;
        core.put_fields(head.fields);
        inbound.compact();
        let from_client = Some(inbound).filter(|inbound| !inbound.is_empty());
        let tunnel = Self {
            _counted: (lease.open, in_use, held),
            early: Some(Box::new((from_client, from_upstream))),
            limits: TunnelLimits::of(snapshot.config.route(plan.route)),
            quiet_since: None,
            begun,
            head_took,
            cells,
            told,
            status: outcome.status,
            first_byte: outcome.first_byte,
            bytes_in,
            bytes_out: outcome.bytes_out,
        };
        (Box::new(tunnel), lease.stream)
    }

    /// Relays until it ends, and writes that down; or, where its client `may_leave` the runtime, until nothing moves any
    /// more.
    pub(super) async fn run(
        mut self: Box<Self>,
        connection: &mut Connection,
        mut upstream: Stream,
        may_leave: bool,
    ) -> Option<(Box<Self>, Stream)> {
        let stands_long = self.limits.idle >= 2 * SHORT_WAIT;
        let may_rest = may_leave && stands_long && upstream.plain_tcp().is_some();
        let core = Rc::clone(&connection.core);
        let early = self.early.take().map_or((None, None), |early| *early);
        let Connection { stream, timer, .. } = connection;
        let means = (self.limits, &core.pipes, &core.buffers);
        let rest = (may_rest, self.quiet_since);
        let (tunnelled, end) = tunnel(stream, &mut upstream, early, timer, means, rest).await;
        self.bytes_in += tunnelled.to_upstream;
        self.bytes_out += tunnelled.to_client;
        match end {
            TunnelEnd::Quiet { since } => {
                self.quiet_since = Some(since);
                Some((self, upstream))
            }
            TunnelEnd::Over(result) => {
                self.ended(&core, result.err());
                None
            }
        }
    }

    /// By when something must have moved in one that rests.
    pub(super) fn deadline(&self) -> Instant {
        self.quiet_since.unwrap_or(self.begun) + self.limits.idle
    }

    /// Counts and logs what it came to.
    fn ended(self, core: &Core, error: Option<Error>) {
        let Self { begun, status, first_byte, bytes_in, bytes_out, .. } = self;
        let (route, policy, upstream) = &self.cells;
        let ending = Ending { status, error, bytes_in, bytes_out, first_byte, total: begun.elapsed() };
        let (cells, snapshot) = (Cells { route, policy, upstream }, core.snapshot());
        self.told.ended(core, cells, &ending, self.head_took, &snapshot.config.log.secrets);
    }
}

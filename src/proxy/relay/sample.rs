//! An exchange under way, for the tests of this room.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{client_side::ClientSide, flow::ExchangeState, upstream_side::UpstreamSide};
use crate::{
    http1::body::{BodyReader, Recode},
    net::{
        buffer::{Buffer, BufferPool},
        stream::Stream,
    },
    observe::metrics::Metrics,
    plan::{
        request_body_limits,
        sample::{Setup, config, identity},
    },
    proxy::core::Core,
};

/// What is decided about an exchange, and what its sides share.
pub(super) struct Stage {
    pub(super) setup: Setup,
    pub(super) inbound: RefCell<Buffer>,
    pub(super) state: ExchangeState,
    pub(super) core: Rc<Core>,
}

impl Stage {
    /// The exchange that a request leads to; what follows its head is in the buffer.
    pub(super) fn new(arguments: &[&str], text: &str) -> Self {
        let setup = Setup::new(arguments, text);
        let mut inbound = BufferPool::new(16 << 10).take();
        inbound.push(text.as_bytes());
        inbound.consume(setup.request.head.len);
        let counters = Metrics::new().register();
        let core = Core::new(Arc::new(config(arguments)), Arc::new(identity()), counters, None);
        Self { setup, inbound: RefCell::new(inbound), state: ExchangeState::new(), core }
    }

    pub(super) fn client<'a>(&'a self, stream: &'a mut Stream) -> ClientSide<'a> {
        let limits = request_body_limits(&self.setup.config.limits);
        let body = BodyReader::new(self.setup.plan.framing, Recode::Verbatim, limits);
        ClientSide::new(stream, &self.inbound, self.setup.request.head.len, (body, None), &self.state, true)
    }

    pub(super) fn upstream<'a>(&'a self, stream: &'a mut Stream) -> UpstreamSide<'a> {
        let request = (&self.setup.request.head, &self.inbound);
        UpstreamSide::new((stream, false), &self.state, self.setup.context(), request, &self.core)
    }
}

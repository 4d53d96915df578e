//! A request under way, as it is kept outside of its frame: what it is, and what has become of it so far.

use std::{rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{core::Core, limiting::Held, outcome::Outcome, snapshot::Snapshot};
use crate::{http1::head::RequestHead, net::buffer::Buffer, plan::Plan};

/// A request under way.
pub(super) struct KeptRequest {
    pub(super) snapshot: Rc<Snapshot>,
    pub(super) plan: Plan,
    /// Its head, and the buffer that this is the start of.
    pub(super) came: (RequestHead, Buffer),
    /// How long its head took, where it took more than one read.
    pub(super) head_took: Option<Duration>,
    pub(super) begun: Instant,
    /// When it was let in.
    pub(super) sets_out: Instant,
    pub(super) outcome: Outcome,
    /// What services have said of who asks: field lines that go on.
    pub(super) passed: Vec<u8>,
    /// Its places at limits.
    pub(super) held: Held,
}

impl KeptRequest {
    /// Keeps it in no more memory than it takes.
    pub(super) fn shrink(&mut self, core: &Core) {
        let (head, inbound) = &mut self.came;
        inbound.reclaim(head.len);
        inbound.shrink(0);
        core.put_fields(head.fields.shrink());
    }
}

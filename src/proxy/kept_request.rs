//! A request under way, as it is kept outside of its frame: what it is, and what has become of it so far.

use std::{rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{limiting::Held, outcome::Outcome, snapshot::Snapshot};
use crate::plan::Plan;

/// A request under way, but for its head.
pub(super) struct KeptRequest {
    pub(super) snapshot: Rc<Snapshot>,
    pub(super) plan: Plan,
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

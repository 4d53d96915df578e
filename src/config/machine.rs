//! What the machine grants this process: asked once, before the configuration is compiled.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The facts about the machine that defaults depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// File descriptors that the process may have open.
    pub descriptors: usize,
    /// Cores that the process may use (affinity and cgroup quota respected).
    pub cores: NonZeroUsize,
}

/// More descriptors than this are never claimed: container runtimes hand out a thousand million, and a
/// number of connections derived from that would promise memory that no machine has.
const MOST_DESCRIPTORS: u64 = 1 << 20;

impl Machine {
    /// Raises the soft limit of descriptors to the hard one, as every server of many connections does, and
    /// reports what came of it.
    #[must_use]
    pub fn claim() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = wanted(limit);
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        // Where the kernel declines, the old limit still holds.
        let descriptors = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => wanted,
            Err(_) => limit.current.unwrap_or(MOST_DESCRIPTORS),
        };
        Self {
            descriptors: usize::try_from(descriptors).unwrap_or(usize::MAX),
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The soft limit to ask for; never less than the finite one there is, for that may be in use.
fn wanted(limit: Rlimit) -> u64 {
    let hard = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    limit.current.map_or(MOST_DESCRIPTORS, |soft| soft.max(hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_rises_to_the_hard_one_within_reason() {
        for (current, maximum, expected) in [
            (Some(1024), Some(20_000), 20_000),
            (Some(1024), Some(1 << 30), 1 << 20),
            (Some(1024), None, 1 << 20),
            (Some(1 << 22), Some(1 << 30), 1 << 22),
            (None, None, 1 << 20),
        ] {
            assert_eq!(wanted(Rlimit { current, maximum }), expected);
        }
    }

    #[test]
    fn a_claim_leaves_room_to_work() {
        assert!(Machine::claim().descriptors > 0);
    }
}

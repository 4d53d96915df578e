//! What the machine lets this process use: descriptors and cores.

use std::{num::NonZero, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one and returns the limit now in force.
///
/// Every connection is a descriptor, and the soft default of 1,024 is meant for programs that use
/// `select(2)`. A system that refuses the raise (macOS caps it below an infinite hard limit) leaves the limit
/// as it was; `u64::MAX` stands for "unlimited". The limit may be absurdly large in a container, so who
/// derives sizes from it has to cap them.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        return current.unwrap_or(u64::MAX);
    }
    maximum.unwrap_or(u64::MAX)
}

/// How many cores this process may use: its affinity mask, less what its cgroup's quota leaves; at least 1.
#[must_use]
pub fn usable_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_descriptor_limit_ends_at_the_hard_one() {
        let limit = raise_descriptor_limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(limit, current.unwrap_or(u64::MAX));
        if cfg!(target_os = "linux") {
            assert_eq!(current, maximum);
        }
    }

    #[test]
    fn at_least_one_core_is_usable() {
        assert!(usable_cores() >= 1);
    }
}

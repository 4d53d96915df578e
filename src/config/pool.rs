//! `pool`: how many connections to upstreams wait for the next request, and how long.

use std::time::Duration;

use super::{keys::Key, reader::Reader, values};

/// What is kept of connections that no request uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Idle connections kept for each server, over all workers; twice that for all servers.
    pub max_idle: usize,
    /// How long one is kept, unless its server announces less.
    pub idle_timeout: Duration,
}

/// What is kept.
pub(super) fn read(reader: &mut Reader<'_>) -> Pooling {
    Pooling {
        max_idle: reader.value(Key::PoolMaxIdle, |text| values::count(text, 1..=1_000_000)),
        idle_timeout: reader.value(Key::PoolIdleTimeout, values::wait),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_setting_of_the_pool_reaches_its_field() {
        let expected = Pooling { max_idle: 1024, idle_timeout: Duration::from_secs(60) };
        assert_eq!(sample::faults(&[], read), (expected, vec![]));
        let settings = [(Key::PoolMaxIdle, "7"), (Key::PoolIdleTimeout, "5s")];
        let expected = Pooling { max_idle: 7, idle_timeout: Duration::from_secs(5) };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
    }
}

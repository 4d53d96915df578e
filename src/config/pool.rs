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
    /// Open connections to all servers, idle ones included, over all workers; 0: as many as it takes.
    pub max_connections: usize,
    /// Requests that may wait for one.
    pub queue: usize,
    /// How long one may.
    pub queue_timeout: Duration,
    /// Whether a request that cannot be sent twice may go out on a connection that was used before.
    pub reuse_for_unsafe: bool,
}

/// What is kept.
pub(super) fn read(reader: &mut Reader<'_>) -> Pooling {
    Pooling {
        max_idle: reader.value(Key::PoolMaxIdle, |text| values::count(text, 1..=1_000_000)),
        idle_timeout: reader.value(Key::PoolIdleTimeout, values::wait),
        max_connections: reader.value(Key::PoolMaxConnections, |text| values::count(text, 0..=1_000_000)),
        queue: reader.value(Key::PoolQueue, |text| values::count(text, 0..=1_000_000)),
        queue_timeout: reader.value(Key::PoolQueueTimeout, values::wait),
        reuse_for_unsafe: reader.switch(Key::PoolReuseForUnsafe),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_setting_of_the_pool_reaches_its_field() {
        let expected = Pooling {
            max_idle: 1024,
            idle_timeout: Duration::from_secs(60),
            max_connections: 0,
            queue: 100,
            queue_timeout: Duration::from_secs(1),
            reuse_for_unsafe: true,
        };
        assert_eq!(sample::faults(&[], read), (expected, vec![]));
        let settings = [
            (Key::PoolMaxIdle, "7"),
            (Key::PoolIdleTimeout, "5s"),
            (Key::PoolMaxConnections, "8"),
            (Key::PoolQueue, "0"),
            (Key::PoolQueueTimeout, "250ms"),
            (Key::PoolReuseForUnsafe, "false"),
        ];
        let expected = Pooling {
            max_idle: 7,
            idle_timeout: Duration::from_secs(5),
            max_connections: 8,
            queue: 0,
            queue_timeout: Duration::from_millis(250),
            reuse_for_unsafe: false,
        };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
    }
}

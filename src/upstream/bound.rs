//! Connections that belong to one client connection: on them that client has logged in, or they name it in a PROXY header.

use std::net::IpAddr;

use super::lease::Lease;
use crate::net::Peer;

/// So many are kept for a client connection, one for each endpoint; beyond that the one that it used least recently
/// goes. Where there are as many connections to upstreams as there may be, one is.
const MAX_BOUND: usize = 4;

/// Connections to upstreams that serve one client connection alone, and end with it. Costs nothing while empty.
#[derive(Debug, Default)]
pub struct BoundLeases(Vec<Bound>);

#[derive(Debug)]
struct Bound {
    endpoint: Box<str>,
    lease: Box<Lease>,
}

impl BoundLeases {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is one to `endpoint`, alive or not.
    #[must_use]
    pub fn has(&self, endpoint: &str) -> bool {
        self.0.iter().any(|bound| *bound.endpoint == *endpoint)
    }

    /// The one to `endpoint`, if it lives and its address is admitted still; if not, it is closed.
    pub fn take(&mut self, endpoint: &str, admits: impl Fn(IpAddr) -> bool) -> Option<Box<Lease>> {
        let index = self.0.iter().position(|bound| *bound.endpoint == *endpoint)?;
        let mut lease = self.0.remove(index).lease;
        let admitted = match lease.peer {
            Peer::Ip(address) => admits(address.ip()),
            Peer::Unix(_) => true,
        };
        // The kernel is asked: a login that is lost cannot be repeated from here.
        lease.reused = true;
        (admitted && lease.stream.is_idle_now()).then_some(lease)
    }

    /// Keeps the one to `endpoint` for the next request.
    pub fn put(&mut self, endpoint: &str, lease: Box<Lease>) {
        self.0.retain(|bound| *bound.endpoint != *endpoint);
        // One for each client is what its exchange has anyway; more are kept only while there is room for them.
        let others = if lease.open.is_last() { 0 } else { MAX_BOUND - 1 };
        self.0.drain(..self.0.len().saturating_sub(others));
        self.0.push(Bound { endpoint: endpoint.into(), lease });
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, os::unix::net::UnixStream, sync::Arc};

    use super::{super::lease::OpenConnection, *};
    use crate::{
        net::{Descriptors, stream::Stream},
        observe::metrics::Metrics,
    };

    fn put(bound: &mut BoundLeases, endpoint: &str) -> UnixStream {
        put_one_of(bound, endpoint, &Descriptors::new(9, 9))
    }

    fn put_one_of(bound: &mut BoundLeases, endpoint: &str, descriptors: &Arc<Descriptors>) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(near.try_into().unwrap());
        let peer = Peer::Ip(SocketAddr::from(([127, 0, 0, 1], 1)));
        let open = OpenConnection::count(&Metrics::new().register(), descriptors);
        bound.put(endpoint, Box::new(Lease { stream, peer, reused: false, open }));
        far
    }

    #[tokio::test]
    async fn each_endpoint_has_one_and_the_least_recently_used_goes() {
        let mut bound = BoundLeases::default();
        assert!(bound.is_empty() && !bound.has("a"));
        let _far = ["a", "b", "c", "d", "a", "e"].map(|endpoint| put(&mut bound, endpoint));
        let known = ["a", "b", "c", "d", "e"].map(|endpoint| bound.has(endpoint));
        assert_eq!(known, [true, false, true, true, true]);
        assert!(bound.take("b", |_| true).is_none());
        assert!(bound.take("c", |_| true).is_some_and(|lease| lease.reused));
        assert!(!bound.has("c"), "it is out");
    }

    #[tokio::test]
    async fn one_is_kept_where_there_are_as_many_connections_as_there_may_be() {
        let descriptors = Descriptors::new(3, 9);
        let mut bound = BoundLeases::default();
        let _far = ["a", "b"].map(|endpoint| put_one_of(&mut bound, endpoint, &descriptors));
        assert!(bound.has("a") && bound.has("b"), "there is room for more");
        let _far = put_one_of(&mut bound, "c", &descriptors);
        assert_eq!(["a", "b", "c"].map(|endpoint| bound.has(endpoint)), [false, false, true]);
        let _far = put_one_of(&mut bound, "d", &descriptors);
        assert!(bound.has("c") && bound.has("d"), "there is room again");
    }

    #[tokio::test]
    async fn one_that_has_ended_or_may_not_be_reached_any_more_is_closed() {
        let mut bound = BoundLeases::default();
        drop(put(&mut bound, "a"));
        let _far = put(&mut bound, "b");
        assert!(bound.take("a", |_| true).is_none());
        assert!(bound.take("b", |_| false).is_none());
        assert!(bound.is_empty());
    }
}

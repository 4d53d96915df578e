//! Idle upstream connections of one worker: newest first, bounded in number and age.
//!
//! Nothing polls an idle connection. Whether it has died is asked when it is taken out, and by
//! [`Pool::sweep`], which the worker calls now and then so that dead descriptors do not pile up.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::{sync::Notify, time::Instant};

use super::lease::Lease;
use crate::{
    net::Peer,
    observe::metrics::{Connections, ServerTally, WorkerCounters},
};

/// Bounds of a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleLimits {
    /// Idle connections to one endpoint.
    pub per_endpoint: usize,
    /// The longest that one may wait, unless its upstream has announced less.
    pub idle: Duration,
}

/// Under what a connection is kept.
#[derive(Clone, Copy, Debug)]
pub struct PoolKey<'a> {
    /// Where it leads.
    pub endpoint: &'a str,
    /// A client chose that, as it does with a gateway; the operator did not.
    pub chosen: bool,
    /// How many may wait there, and how long.
    pub limits: IdleLimits,
    /// What is counted of it.
    pub tally: &'a ServerTally,
}

/// A connection at rest.
#[derive(Debug)]
struct Idle {
    lease: Box<Lease>,
    since: Instant,
    expires: Instant,
    /// Counts it.
    _idle: Connections,
}

/// Idle connections by endpoint.
#[derive(Debug)]
pub struct Pool {
    /// Connections that may wait, in all.
    most: Cell<usize>,
    idle: RefCell<Queues>,
    total: Cell<usize>,
    used: Notify,
    counters: Arc<WorkerCounters>,
}

/// Idle connections to one endpoint, the oldest first.
#[derive(Debug)]
struct Queue {
    endpoint: Rc<str>,
    chosen: bool,
    idle: VecDeque<Idle>,
}

/// The queues of all endpoints.
#[derive(Debug, Default)]
struct Queues {
    list: Vec<Queue>,
    /// Places in `list`. Hashed with random numbers of this process: the names are clients' input.
    places: HashMap<Rc<str>, usize, RandomState>,
    /// The place that was asked for last: most likely the next one is, and no name has to be hashed.
    recent: usize,
}

impl Queues {
    fn of(&mut self, endpoint: &str) -> Option<&mut Queue> {
        if self.list.get(self.recent).is_none_or(|queue| *queue.endpoint != *endpoint) {
            self.recent = *self.places.get(endpoint)?;
        }
        self.list.get_mut(self.recent)
    }

    fn insert(&mut self, key: PoolKey<'_>, first: Idle) {
        let endpoint: Rc<str> = key.endpoint.into();
        self.places.insert(Rc::clone(&endpoint), self.list.len());
        self.list.push(Queue { endpoint, chosen: key.chosen, idle: VecDeque::from([first]) });
    }

    /// Takes out the longest idle of whoever has most. All targets that clients chose count as one there: however
    /// many of them there are, they take nothing from a server of the operator's that has less.
    fn evict(&mut self) -> Option<Idle> {
        let of_clients = |queue: &&Queue| queue.chosen;
        let chosen: usize = self.list.iter().filter(of_clients).map(|queue| queue.idle.len()).sum();
        let most = |is_chosen: bool| {
            let queues = self.list.iter().enumerate().filter(|(_, queue)| queue.chosen == is_chosen);
            let weighed = queues.filter_map(|(place, queue)| {
                Some((queue.idle.len(), Reverse(queue.idle.front()?.since), place))
            });
            weighed.max()
        };
        let place = match (most(true), most(false)) {
            (Some((.., place)), Some((configured, ..))) if chosen >= configured => place,
            (_, Some((.., place))) | (Some((.., place)), None) => place,
            (None, None) => return None,
        };
        let queue = self.list.get_mut(place)?;
        let evicted = queue.idle.pop_front();
        if queue.idle.is_empty() {
            // At once: who walks through targets must not make this list long.
            self.places.remove(&queue.endpoint);
            self.list.swap_remove(place);
            if let Some(moved) = self.list.get(place) {
                self.places.insert(Rc::clone(&moved.endpoint), place);
            }
        }
        evicted
    }

    /// Drops those that are not to be kept, and forgets endpoints without any; how many are left.
    fn retain(&mut self, mut keep: impl FnMut(&mut Idle) -> bool) -> usize {
        let known = self.list.len();
        self.list.retain_mut(|queue| {
            queue.idle.retain_mut(&mut keep);
            !queue.idle.is_empty()
        });
        if self.list.len() < known {
            self.places.clear();
            let names = self.list.iter().map(|queue| Rc::clone(&queue.endpoint));
            self.places.extend(names.zip(0..));
        }
        self.list.iter().map(|queue| queue.idle.len()).sum()
    }
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(most: usize, counters: Arc<WorkerCounters>) -> Self {
        Self {
            most: Cell::new(most),
            idle: RefCell::default(),
            total: Cell::new(0),
            used: Notify::new(),
            counters,
        }
    }

    /// Has so many wait in all from now on; those that wait already end as they would have.
    pub fn bound(&self, most: usize) {
        self.most.set(most);
    }

    /// How many connections wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.total.get()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest connection to `endpoint` that lives `now` and whose peer `admits` still allows. With `ask_kernel` its
    /// state is not taken from the last event but asked of the kernel: worth a system call before a request
    /// that cannot be sent twice.
    pub fn checkout(
        &self,
        endpoint: &str,
        ask_kernel: bool,
        now: Instant,
        admits: impl Fn(&Peer) -> bool,
    ) -> Option<Box<Lease>> {
        let mut idle = self.idle.borrow_mut();
        let queue = &mut idle.of(endpoint)?.idle;
        while let Some(mut candidate) = queue.pop_back() {
            self.change_total(self.len() - 1);
            let alive = if ask_kernel {
                candidate.lease.stream.is_idle_now()
            } else {
                candidate.lease.stream.is_idle()
            };
            if alive && candidate.expires > now && admits(&candidate.lease.peer) {
                candidate.lease.reused = true;
                return Some(candidate.lease);
            }
        }
        None
    }

    /// Takes a connection back that is idle since `now`. `announced` is what the upstream said of its own patience
    /// (`Keep-Alive: timeout`); we leave a second before it ends.
    pub fn put(&self, key: PoolKey<'_>, lease: Box<Lease>, announced: Option<Duration>, now: Instant) {
        let patience = announced.map_or(key.limits.idle, |announced| {
            announced.saturating_sub(Duration::from_secs(1)).min(key.limits.idle)
        });
        if patience.is_zero() || key.limits.per_endpoint == 0 {
            return;
        }
        let connection = Idle { lease, since: now, expires: now + patience, _idle: key.tally.idle() };
        let mut idle = self.idle.borrow_mut();
        if let Some(queue) = idle.of(key.endpoint) {
            if queue.idle.len() >= key.limits.per_endpoint {
                queue.idle.pop_front();
                self.change_total(self.len() - 1);
            }
            queue.chosen &= key.chosen;
            queue.idle.push_back(connection);
        } else {
            idle.insert(key, connection);
        }
        drop(idle);
        self.change_total(self.len() + 1);
        if self.len() > self.most.get() {
            self.give_up();
        }
        if self.len() == 1 {
            self.used.notify_one();
        }
    }

    /// Closes the longest idle connection of whoever has most; whether there was any.
    pub fn give_up(&self) -> bool {
        let evicted = self.idle.borrow_mut().evict();
        let any = evicted.is_some();
        self.change_total(self.len() - usize::from(any));
        any
    }

    /// Closes the longest idle connection to an endpoint, if there is any.
    pub fn give_up_one_to(&self, endpoint: &str) {
        let mut idle = self.idle.borrow_mut();
        let given_up = idle.of(endpoint).and_then(|queue| queue.idle.pop_front());
        drop(idle);
        self.change_total(self.len() - usize::from(given_up.is_some()));
    }

    /// Closes those that lead to a server of the operator's which is not among `known` any more.
    pub fn leave_all_but(&self, known: &HashSet<&str>) {
        let mut idle = self.idle.borrow_mut();
        for queue in idle.list.iter_mut().filter(|queue| !queue.chosen && !known.contains(&*queue.endpoint)) {
            queue.idle.clear();
        }
        let total = idle.retain(|_| true);
        drop(idle);
        self.change_total(total);
    }

    /// Waits until there is a connection to look after.
    pub async fn wait_until_used(&self) {
        while self.is_empty() {
            self.used.notified().await;
        }
    }

    /// Closes what has expired or died.
    pub fn sweep(&self) {
        let now = Instant::now();
        let total = self.idle.borrow_mut().retain(|idle| idle.expires > now && idle.lease.stream.is_idle());
        self.change_total(total);
    }

    fn change_total(&self, total: usize) {
        let change = total.cast_signed() - self.len().cast_signed();
        self.counters.pool_idle_changed(change as i64);
        self.total.set(total);
    }

    /// Closes every connection.
    pub fn clear(&self) {
        self.idle.borrow_mut().retain(|_| false);
        self.change_total(0);
    }
}

impl Lease {
    /// Returns the connection, idle since `now`, to the pool; `announced` is how long its upstream said it
    /// would wait.
    pub fn keep(self: Box<Self>, pool: &Pool, key: PoolKey<'_>, announced: Option<Duration>, now: Instant) {
        pool.put(key, self, announced, now);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::SocketAddr,
        os::unix::net::UnixStream,
    };

    use super::{super::lease::OpenConnection, *};
    use crate::{
        net::{Descriptors, stream::Stream},
        observe::metrics::Metrics,
    };

    const SECOND: Duration = Duration::from_secs(1);
    const MOST: usize = 5;
    const LIMITS: IdleLimits = IdleLimits { per_endpoint: 3, idle: Duration::from_secs(60) };

    fn pool_of(most: usize) -> Pool {
        Pool::new(most, Metrics::new().register())
    }

    /// A connection that a test knows again by its number.
    fn lease(pool: &Pool, number: u16, stream: Stream) -> Box<Lease> {
        let peer = Peer::Ip(SocketAddr::from(([127, 0, 0, 1], number)));
        let open = OpenConnection::count(&pool.counters, &Descriptors::new(9, 9));
        Box::new(Lease { stream, peer, reused: false, open })
    }

    fn number_of(peer: &Peer) -> u16 {
        match peer {
            Peer::Ip(address) => address.port(),
            Peer::Unix(_) => 0,
        }
    }

    /// Puts a connection into the pool; the far end of it.
    fn put(pool: &Pool, endpoint: &str, number: u16, announced: Option<Duration>) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        // Targets of clients have a dot.
        let tally = &pool.counters.server("u", endpoint);
        let key = PoolKey { endpoint, chosen: endpoint.contains('.'), limits: LIMITS, tally };
        pool.put(key, lease(pool, number, Stream::Unix(near.try_into().unwrap())), announced, Instant::now());
        far
    }

    /// Whether the near end has been closed.
    fn is_closed(mut far: &UnixStream) -> bool {
        match far.read(&mut [0; 1]) {
            Ok(size) => size == 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }

    /// Lets the runtime see what has happened already: before it sleeps it asks the kernel.
    async fn settle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn take(pool: &Pool, endpoint: &str) -> Option<u16> {
        pool.checkout(endpoint, true, Instant::now(), |_| true).map(|lease| number_of(&lease.peer))
    }

    #[tokio::test]
    async fn the_newest_goes_first_and_each_endpoint_has_its_own() {
        let pool = pool_of(MOST);
        let _far = [put(&pool, "a", 1, None), put(&pool, "b", 2, None), put(&pool, "a", 3, None)];
        assert_eq!((pool.len(), pool.is_empty()), (3, false));
        assert_eq!(take(&pool, "c"), None);
        assert_eq!([take(&pool, "a"), take(&pool, "a"), take(&pool, "a")], [Some(3), Some(1), None]);
        assert_eq!((take(&pool, "b"), take(&pool, "b"), pool.len()), (Some(2), None, 0));
    }

    #[tokio::test]
    async fn of_too_many_for_one_endpoint_the_oldest_is_closed() {
        let pool = pool_of(MOST);
        let far: Vec<UnixStream> = (1..=4).map(|number| put(&pool, "a", number, None)).collect();
        assert_eq!(pool.len(), 3);
        assert_eq!(far.iter().map(is_closed).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!([take(&pool, "a"), take(&pool, "a"), take(&pool, "a")], [Some(4), Some(3), Some(2)]);
    }

    #[tokio::test]
    async fn there_are_never_more_than_the_total() {
        let pool = pool_of(MOST);
        let mut far = Vec::new();
        for endpoint in ["a", "b", "c", "d"] {
            for number in 0..4 {
                far.push(put(&pool, endpoint, number, None));
                assert!(pool.len() <= MOST);
            }
        }
        let open = far.iter().filter(|far| !is_closed(far)).count();
        assert_eq!((pool.len(), open), (MOST, MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn when_there_are_too_many_the_longest_idle_of_whoever_has_most_goes() {
        for (put_in_turn, left) in [
            // The newest is never refused.
            (&["a", "b", "c", "d", "e", "f"][..], &["b", "c", "d", "e", "f"][..]),
            (&["a", "b", "b", "b", "c", "d"], &["a", "b", "b", "c", "d"]),
            (&["a", "a", "b", "b", "c", "d"], &["a", "b", "b", "c", "d"]),
            (&["b", "a", "a", "b", "c", "d", "e"], &["a", "b", "c", "d", "e"]),
            // All that clients chose count as one.
            (&["a", "a", "x.", "y.", "z.", "u."], &["a", "a", "y.", "z.", "u."]),
            (&["a", "x.", "x.", "y.", "z.", "u.", "v."], &["a", "y.", "z.", "u.", "v."]),
            (&["a", "a", "x.", "y.", "a", "b", "b"], &["a", "a", "y.", "b", "b"]),
            (&["x.", "a", "b", "c", "d", "y.", "z."], &["a", "b", "c", "d", "z."]),
            (&["x.", "y.", "y.", "z.", "z.", "u."], &["x.", "y.", "z.", "z.", "u."]),
        ] {
            let pool = pool_of(MOST);
            let mut far = Vec::new();
            for (endpoint, number) in put_in_turn.iter().zip(1..) {
                far.push(put(&pool, endpoint, number, None));
                tokio::time::advance(SECOND / 10).await;
            }
            assert_eq!(pool.len(), MOST);
            let mut found: Vec<&str> = left.to_vec();
            found.retain(|endpoint| take(&pool, endpoint).is_some());
            assert_eq!(found, left, "{put_in_turn:?}");
            assert!(pool.is_empty());
        }
    }

    #[tokio::test]
    async fn whoever_walks_through_targets_leaves_nothing_behind_and_the_application_its_connections() {
        let pool = pool_of(MOST);
        let _kept = [put(&pool, "app", 1, None), put(&pool, "app", 2, None)];
        let mut far = Vec::new();
        for number in 3..500 {
            far.push(put(&pool, &format!("{number}."), number, None));
            assert!(pool.len() <= MOST && pool.idle.borrow().list.len() <= MOST);
            assert_eq!(pool.idle.borrow().places.len(), pool.idle.borrow().list.len());
        }
        assert_eq!((take(&pool, "app"), take(&pool, "app")), (Some(2), Some(1)));
        assert_eq!(
            ["497.", "498.", "499."].map(|target| take(&pool, target)),
            [Some(497), Some(498), Some(499)]
        );
    }

    #[tokio::test]
    async fn they_are_given_up_one_by_one() {
        let pool = pool_of(MOST);
        let far = [put(&pool, "a", 1, None), put(&pool, "b", 2, None)];
        assert_eq!((pool.give_up(), pool.len()), (true, 1));
        assert!(is_closed(&far[0]) && !is_closed(&far[1]));
        assert_eq!((pool.give_up(), pool.give_up(), pool.len()), (true, false, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn none_waits_longer_than_the_limit() {
        let pool = pool_of(MOST);
        let _first = put(&pool, "a", 1, None);
        tokio::time::advance(30 * SECOND).await;
        let _second = put(&pool, "a", 2, None);
        tokio::time::advance(31 * SECOND).await;
        pool.sweep();
        assert_eq!(pool.len(), 1);
        assert_eq!((take(&pool, "a"), take(&pool, "a")), (Some(2), None));
        let _third = put(&pool, "a", 3, None);
        tokio::time::advance(60 * SECOND).await;
        assert_eq!((take(&pool, "a"), pool.len()), (None, 0), "expired without a sweep");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_upstream_announces_shortens_the_wait_and_never_lengthens_it() {
        for (announced, kept) in
            [(Some(5), 4), (Some(2), 1), (Some(60), 59), (Some(61), 60), (Some(9999), 60), (None, 60)]
        {
            let announced = announced.map(|seconds| seconds * SECOND);
            let pool = pool_of(MOST);
            let _far = put(&pool, "a", 1, announced);
            tokio::time::advance(kept * SECOND - SECOND / 10).await;
            assert_eq!(take(&pool, "a"), Some(1), "{announced:?}");
            let _far = put(&pool, "a", 1, announced);
            tokio::time::advance(kept * SECOND).await;
            assert_eq!(take(&pool, "a"), None, "{announced:?}");
        }
        for announced in [Duration::ZERO, SECOND / 2, SECOND] {
            let pool = pool_of(MOST);
            let far = put(&pool, "a", 1, Some(announced));
            assert!(pool.is_empty() && is_closed(&far), "{announced:?}");
        }
    }

    #[tokio::test]
    async fn one_that_has_died_or_says_something_is_passed_over() {
        for ask_kernel in [true, false] {
            let pool = pool_of(MOST);
            let _alive = put(&pool, "a", 1, None);
            drop(put(&pool, "a", 2, None));
            let mut talking = put(&pool, "a", 3, None);
            talking.write_all(b"HTTP/1.1 408 x").unwrap();
            settle().await;
            let found =
                pool.checkout("a", ask_kernel, Instant::now(), |_| true).map(|lease| number_of(&lease.peer));
            assert_eq!((found, pool.len()), (Some(1), 0), "ask_kernel: {ask_kernel}");
            assert_eq!(pool.checkout("a", ask_kernel, Instant::now(), |_| true).map(|_| ()), None);
        }
    }

    #[tokio::test]
    async fn a_peer_that_is_no_longer_admitted_is_closed() {
        let pool = pool_of(MOST);
        let far = [put(&pool, "a", 1, None), put(&pool, "a", 2, None)];
        let found = pool
            .checkout("a", true, Instant::now(), |peer| number_of(peer) != 2)
            .map(|lease| number_of(&lease.peer));
        assert_eq!((found, pool.len()), (Some(1), 0));
        assert_eq!([is_closed(&far[0]), is_closed(&far[1])], [true, true], "the taken one was dropped");
    }

    #[tokio::test]
    async fn a_sweep_closes_the_dead_and_forgets_empty_endpoints() {
        let pool = pool_of(MOST);
        let _alive = put(&pool, "a", 1, None);
        drop(put(&pool, "a", 2, None));
        drop(put(&pool, "b", 3, None));
        settle().await;
        pool.sweep();
        assert_eq!((pool.len(), pool.idle.borrow().list.len()), (1, 1));
        assert_eq!(take(&pool, "a"), Some(1));
        pool.sweep();
        assert!(pool.idle.borrow().list.is_empty() && pool.idle.borrow().places.is_empty());
    }

    #[tokio::test]
    async fn an_endpoint_keeps_its_connections_when_others_are_forgotten() {
        let pool = pool_of(MOST);
        let gone = [put(&pool, "a", 1, None), put(&pool, "c", 2, None)];
        let _kept = [put(&pool, "b", 3, None), put(&pool, "d", 4, None)];
        drop(gone);
        settle().await;
        pool.sweep();
        let _again = put(&pool, "a", 5, None);
        let found = ["d", "c", "b", "a", "a"].map(|endpoint| take(&pool, endpoint));
        assert_eq!(found, [Some(4), None, Some(3), Some(5), None]);
    }

    #[tokio::test]
    async fn clearing_closes_all() {
        let pool = pool_of(MOST);
        let far = [put(&pool, "a", 1, None), put(&pool, "b", 2, None)];
        pool.clear();
        assert!(pool.is_empty());
        assert!(far.iter().all(is_closed));
        assert_eq!(take(&pool, "a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_looks_after_the_pool_is_woken_by_its_first_connection() {
        let pool = pool_of(MOST);
        let wait = |seconds: u32| tokio::time::timeout(seconds * SECOND, pool.wait_until_used());
        assert!(wait(100).await.is_err());
        let put = async {
            tokio::time::sleep(SECOND).await;
            put(&pool, "a", 1, None)
        };
        let (woken, _far) = tokio::join!(wait(100), put);
        assert!(woken.is_ok() && wait(1).await.is_ok());
        assert_eq!(take(&pool, "a"), Some(1));
        assert!(wait(100).await.is_err(), "empty again");
    }
}

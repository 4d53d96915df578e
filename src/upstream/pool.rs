//! Idle upstream connections of one worker: newest first, bounded in number and age.
//!
//! Nothing polls an idle connection. Whether it has died is asked when it is taken out, and by
//! [`Pool::sweep`], which the worker calls now and then so that dead descriptors do not pile up.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::{sync::Notify, time::Instant};

use super::{Lease, Peer};
use crate::observe::metrics::WorkerCounters;

/// Bounds of a [`Pool`].
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Idle connections to one endpoint.
    pub per_endpoint: usize,
    /// Idle connections in all.
    pub total: usize,
    /// The longest that one may wait, unless its upstream has announced less.
    pub idle: Duration,
}

/// A connection at rest.
#[derive(Debug)]
struct Idle {
    lease: Lease,
    expires: Instant,
}

/// Idle connections by endpoint.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    /// Hashed with random numbers of this process: the names are clients' input.
    idle: RefCell<HashMap<Box<str>, VecDeque<Idle>, RandomState>>,
    total: Cell<usize>,
    used: Notify,
    counters: Arc<WorkerCounters>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits, counters: Arc<WorkerCounters>) -> Self {
        Self { limits, idle: RefCell::default(), total: Cell::new(0), used: Notify::new(), counters }
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

    /// The newest living connection to `endpoint` whose peer `admits` still allows. With `ask_kernel` its
    /// state is not taken from the last event but asked of the kernel: worth a system call before a request
    /// that cannot be sent twice.
    pub fn checkout(
        &self,
        endpoint: &str,
        ask_kernel: bool,
        admits: impl Fn(&Peer) -> bool,
    ) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let queue = idle.get_mut(endpoint)?;
        let mut now = None;
        while let Some(mut candidate) = queue.pop_back() {
            self.change_total(self.len() - 1);
            let alive = if ask_kernel {
                candidate.lease.stream.is_idle_now()
            } else {
                candidate.lease.stream.is_idle()
            };
            if alive
                && candidate.expires > *now.get_or_insert_with(Instant::now)
                && admits(&candidate.lease.peer)
            {
                return Some(Lease { reused: true, ..candidate.lease });
            }
        }
        None
    }

    /// Takes a connection back. `announced` is what the upstream said of its own patience
    /// (`Keep-Alive: timeout`); we leave a second before it ends.
    pub fn put(&self, endpoint: &str, lease: Lease, announced: Option<Duration>) {
        if self.total.get() >= self.limits.total {
            return;
        }
        let patience = announced.map_or(self.limits.idle, |announced| {
            announced.saturating_sub(Duration::from_secs(1)).min(self.limits.idle)
        });
        if patience.is_zero() {
            return;
        }
        let connection = Idle { lease, expires: Instant::now() + patience };
        let mut idle = self.idle.borrow_mut();
        if let Some(queue) = idle.get_mut(endpoint) {
            if queue.len() >= self.limits.per_endpoint {
                queue.pop_front();
                self.change_total(self.len() - 1);
            }
            queue.push_back(connection);
        } else {
            idle.insert(endpoint.into(), VecDeque::from([connection]));
        }
        self.change_total(self.len() + 1);
        if self.len() == 1 {
            self.used.notify_one();
        }
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
        let mut total = 0;
        self.idle.borrow_mut().retain(|_, queue| {
            queue.retain_mut(|idle| idle.expires > now && idle.lease.stream.is_idle());
            total += queue.len();
            !queue.is_empty()
        });
        self.change_total(total);
    }

    fn change_total(&self, total: usize) {
        let change = total.cast_signed() - self.len().cast_signed();
        self.counters.pool_idle_changed(change as i64);
        self.total.set(total);
    }

    /// Closes every connection.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.change_total(0);
    }
}

//! What one worker owns: everything that its connections share, without locks.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    beginnings::Beginnings,
    clock::Clock,
    counting_servers::CountingServers,
    idle::IdleConnections,
    snapshot::{KeyNews, Published, Snapshot, Snapshots, target_idle},
    verifications::Verifications,
};
use crate::{
    config::{Config, Process},
    http1::head::Fields,
    net::{
        Descriptors, Places,
        buffer::BufferPool,
        dns::{Resolver, ResolverSettings},
        handshake,
        pipe::PipePool,
    },
    observe::{access_log::AccessLogHandle, metrics::WorkerCounters},
    plan::Identity,
    upstream::pool::Pool,
};

/// Field lists kept for the next head.
pub const MAX_FREE_FIELDS: usize = 256;
/// Those of them kept while nothing happens.
const KEPT_FIELDS: usize = 8;

/// State of one worker.
pub struct Core {
    /// The configuration that new requests see.
    snapshots: Snapshots,
    /// What holds for the life of the process.
    pub process: Process,
    /// How this process names itself.
    pub identity: Arc<Identity>,
    /// Buffers for heads, answers and what is read ahead.
    pub buffers: Rc<BufferPool>,
    /// Pipes for bodies between plain TCP connections.
    pub pipes: Rc<PipePool>,
    /// What connections to upstreams may take of the descriptors of the process.
    pub descriptors: Arc<Descriptors>,
    /// Idle upstream connections.
    pub pool: Pool,
    /// Names.
    resolver: RefCell<Resolver>,
    /// Whose servers idle connections lead to.
    pooled_version: Cell<u64>,
    /// Where TLS handshakes with upstreams take place.
    pub handshakes: Places,
    /// The date.
    pub(crate) clock: Clock,
    /// Where limits are counted that other processes share.
    pub(crate) counting_servers: CountingServers,
    /// What is counted.
    pub counters: Arc<WorkerCounters>,
    /// Where requests are recorded.
    pub access_log: Option<AccessLogHandle>,
    /// Streams that may still move to large relay buffers.
    pub bulk_permits: Cell<usize>,
    draining: Cell<bool>,
    fields: RefCell<Vec<Fields>>,
    /// Client connections that wait for a request.
    pub idle: IdleConnections,
    /// Requests that have come and have not begun.
    pub(crate) beginnings: Beginnings,
}

/// The memory that a worker's pool of large relay buffers may take: this many streams at a time.
pub const BULK_STREAMS: usize = 8;

impl Core {
    /// The state of the only worker of its process.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        identity: Arc<Identity>,
        counters: Arc<WorkerCounters>,
        access_log: Option<AccessLogHandle>,
    ) -> Rc<Self> {
        let descriptors = descriptors(&config);
        Self::among(Published::new(config), identity, counters, access_log, descriptors)
    }

    /// The state of one of `process.workers` workers, which share what is published, and `descriptors`.
    #[must_use]
    pub fn among(
        published: Arc<Published>,
        identity: Arc<Identity>,
        counters: Arc<WorkerCounters>,
        access_log: Option<AccessLogHandle>,
        descriptors: Arc<Descriptors>,
    ) -> Rc<Self> {
        let snapshots = Snapshots::new(published, Arc::clone(&counters));
        let config = Arc::clone(&snapshots.current().config);
        Rc::new(Self {
            buffers: BufferPool::new(buffer_size(&config)),
            pipes: PipePool::new(config.process.pipes),
            snapshots,
            process: config.process.clone(),
            identity,
            descriptors,
            pool: Pool::new(idle_connections(&config), Arc::clone(&counters)),
            resolver: RefCell::new(resolver(&config)),
            pooled_version: Cell::default(),
            handshakes: handshake::places(),
            clock: Clock::default(),
            counting_servers: CountingServers::default(),
            counters,
            access_log,
            bulk_permits: Cell::new(BULK_STREAMS),
            draining: Cell::new(false),
            fields: RefCell::new(Vec::with_capacity(MAX_FREE_FIELDS)),
            idle: IdleConnections::default(),
            beginnings: Beginnings::default(),
        })
    }

    /// What a request sees that comes now, and keeps to its end.
    #[must_use]
    pub fn snapshot(&self) -> Rc<Snapshot> {
        self.snapshots.current()
    }

    /// Where passwords are verified.
    #[must_use]
    pub fn verifications(&self) -> &Verifications {
        self.snapshots.verifications()
    }

    /// What is told of the keys of tokens.
    #[must_use]
    pub fn keys(&self) -> &KeyNews {
        self.snapshots.keys()
    }

    /// Closes idle connections to servers that are gone, once whenever they have changed.
    pub fn leave_gone_servers(&self) {
        let snapshot = self.snapshot();
        if self.pooled_version.replace(snapshot.version) != snapshot.version {
            snapshot.leave_gone_servers(&self.pool);
        }
    }

    /// Takes over what a new configuration says of what a worker has one of.
    pub fn reconfigure(&self, dns_differs: bool) {
        let config = &self.snapshot().config;
        self.pool.bound(idle_connections(config));
        self.counting_servers.retain(config.limit_tables());
        if dns_differs {
            *self.resolver.borrow_mut() = resolver(config);
        }
    }

    /// Who resolves names.
    #[must_use]
    pub fn resolver(&self) -> Resolver {
        self.resolver.borrow().clone()
    }

    /// Storage for the fields of a head.
    pub fn take_fields(&self) -> Fields {
        self.fields.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives such storage back.
    pub fn put_fields(&self, fields: Fields) {
        let mut free = self.fields.borrow_mut();
        if free.len() < MAX_FREE_FIELDS {
            free.push(fields.recycled());
        }
    }

    /// Lets requests begin where many have come at once, for as long as the worker lives.
    pub async fn begin_requests(&self) {
        self.beginnings.run(|| self.pool.len()).await;
    }

    /// Gives most of what waits for the next request back to the allocator: after a busy second it lies all over
    /// the heap, and would keep it from shrinking.
    pub fn shrink(&self) {
        // Twice, so that what a busy second needed does not count any more.
        self.buffers.shrink();
        self.buffers.shrink();
        self.fields.borrow_mut().truncate(KEPT_FIELDS);
        self.beginnings.shrink();
    }

    /// Whether no connection may outlive its present request.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Ends idle connections now and busy ones after their present request.
    pub fn drain(&self) {
        self.draining.set(true);
        self.idle.wake_all();
    }
}

/// The descriptors that connections to upstreams of this configuration may take: as many as there are clients, for
/// each needs one, and what races of addresses may take beside them.
#[must_use]
pub fn descriptors(config: &Config) -> Arc<Descriptors> {
    Descriptors::new(config.process.max_connections, config.process.races)
}

/// Who asks for the names that this configuration has to do with; each thread has one of its own.
#[must_use]
pub fn resolver(config: &Config) -> Resolver {
    Resolver::new(ResolverSettings {
        servers: config.dns.servers.clone(),
        hosts_file: config.dns.hosts_file.clone(),
        max_stale: config.dns.max_stale,
        lookups: config.process.lookups,
    })
}

/// Connections to upstreams that may wait at each worker, in all.
#[must_use]
pub fn idle_connections(config: &Config) -> usize {
    let workers = config.process.workers.get();
    let most = config.process.max_connections.div_ceil(workers);
    let of_upstreams = config.upstreams.iter().map(|upstream| upstream.pool.max_idle.div_ceil(workers));
    let of_targets = config.reaches_chosen_targets().then(|| target_idle(config).per_endpoint);
    of_upstreams.chain(of_targets).max().unwrap_or_default().saturating_mul(2).min(most)
}

/// What a rewritten head may be longer than the one it was made from: our own fields, echoed lists.
const HEAD_GROWTH: usize = 4 << 10;

/// Bytes of one buffer: the largest head, and what a rewrite adds to it.
#[must_use]
pub fn buffer_size(config: &Config) -> usize {
    config.process.largest_head + HEAD_GROWTH
}

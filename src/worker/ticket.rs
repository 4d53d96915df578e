//! What the tasks of one worker share, and the ticket by which each connection counts among them.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    handover::{Handover, Seat},
    newcomers::Newcomers,
    tasks::WaitingTasks,
};
use crate::{
    config::ListenerId,
    net::{parked::ParkedSet, socket::Socket},
    observe::metrics::Leg,
    plan::Client,
    proxy::{core::Core, serve::Connections},
    tls::{ServerHandshake, ServerTls},
    trust::Source,
};

/// What one worker's tasks share beside the core.
pub(super) struct Worker {
    pub(super) core: Rc<Core>,
    /// Serves its connections.
    pub(super) serving: Connections,
    /// Its seat among the workers.
    pub(super) seat: Seat<Handover>,
    /// Client connections that it has.
    pub(super) connections: Cell<usize>,
    /// Those of them that wait outside of the runtime.
    pub(super) parked: ParkedSet<Ticket>,
    /// Tasks whose connections have ended.
    pub(super) tasks: WaitingTasks<Arrival>,
    /// Client connections that the process may still accept.
    pub(super) permits: Arc<Semaphore>,
    /// Those that wait for such a permit, at all workers.
    pub(super) newcomers: Arc<Newcomers>,
    /// A connection has ended, and with it a descriptor is free.
    pub(super) freed: Rc<Notify>,
    /// A task that it cannot do without has panicked.
    pub(super) broken: Notify,
}

impl Worker {
    /// A worker without connections. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when it can watch no sockets at rest.
    pub(super) fn new(
        core: Rc<Core>,
        seat: Seat<Handover>,
        permits: Arc<Semaphore>,
        newcomers: Arc<Newcomers>,
    ) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            serving: Connections::new(Rc::clone(&core)),
            core,
            seat,
            connections: Cell::new(0),
            parked: ParkedSet::new()?,
            tasks: WaitingTasks::default(),
            permits,
            newcomers,
            freed: Rc::new(Notify::new()),
            broken: Notify::new(),
        }))
    }

    /// Ends the connection that has been idle longest, a parked one before others; whether there was one. One that is
    /// not parked ends soon, unless it brings a request first, and must have been idle for a moment: a client that
    /// asks again at once keeps its place.
    pub(super) fn end_longest_idle(&self) -> bool {
        let latest = Instant::now().checked_sub(MOMENT);
        self.parked.close_oldest() || latest.is_some_and(|latest| self.core.idle.end_longest(latest))
    }

    /// Frees a descriptor that nothing needs at once; whether there was one: of an idle connection to an upstream, or
    /// of the parked client that has been idle longest.
    pub(super) fn relieve(&self) -> bool {
        let freed = self.core.pool.give_up() || self.parked.close_oldest();
        if !freed {
            self.core.descriptors.call();
            self.end_longest_idle();
        }
        freed
    }

    /// Drops every connection that no task serves.
    pub(super) fn let_go(&self) {
        while self.parked.close_some() {}
        self.tasks.clear();
    }

    /// Lets the other workers know how much there is to do here: a parked connection is no work.
    pub(super) fn publish(&self) {
        self.seat.publish(self.connections.get().saturating_sub(self.parked.len()));
    }
}

/// How long a connection that is not parked has its place at least when its request has been answered.
const MOMENT: Duration = Duration::from_millis(50);

/// What a connection has from its accept to its end. It is kept for every parked one, which all are plain: what a
/// handshake has told is none of it.
pub(super) struct Ticket {
    address: Option<SocketAddr>,
    anonymous: bool,
    secure: bool,
    loopback_listener: bool,
    listener: ListenerId,
    /// Counts it for so long.
    _guard: Guard,
}

impl Ticket {
    /// Counts one more connection, for which `permit` was taken.
    pub(super) fn new(worker: &Rc<Worker>, client: Client, permit: OwnedSemaphorePermit) -> Self {
        let Client { address, anonymous, secure, loopback_listener, listener, handshake: _ } = client;
        Self { address, anonymous, secure, loopback_listener, listener, _guard: Guard::new(worker, permit) }
    }

    /// The peer, as far as it is known.
    pub(super) const fn peer(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Learns for whom its peer, a trusted proxy, has made the connection.
    pub(super) const fn is_for(&mut self, source: Source) {
        match source {
            Source::Proxy => {}
            Source::Client(client) => self.address = Some(client),
            Source::Unnamed => self.anonymous = true,
        }
    }

    /// Who has it, and what the handshake has told of them.
    pub(super) fn client(&self, handshake: Option<ServerHandshake>) -> Client {
        let Self { address, anonymous, secure, loopback_listener, listener, .. } = *self;
        Client { address, anonymous, secure, loopback_listener, listener, handshake: handshake.map(Rc::new) }
    }
}

/// A connection to be served.
pub(super) struct Arrival {
    pub(super) socket: Socket,
    /// A trusted peer begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    pub(super) tls: Option<ServerTls>,
    pub(super) ticket: Ticket,
    /// How long its first byte may take.
    pub(super) patience: Duration,
}

/// Counts a connection for as long as it lives; frees its slot even if its task panics.
struct Guard {
    worker: Rc<Worker>,
}

impl Guard {
    fn new(worker: &Rc<Worker>, permit: OwnedSemaphorePermit) -> Self {
        // Given back when the guard is dropped; kept, it would take two words more in each parked record.
        permit.forget();
        worker.connections.set(worker.connections.get() + 1);
        worker.core.counters.connection_opened(Leg::Client);
        worker.publish();
        Self { worker: Rc::clone(worker) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.worker.core.counters.panic();
        }
        self.worker.connections.set(self.worker.connections.get() - 1);
        self.worker.core.counters.connection_closed(Leg::Client);
        self.worker.publish();
        self.worker.permits.add_permits(1);
        self.worker.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::spawn_local;

    use super::*;
    use crate::{
        net::{parked::ROW_MEMORY, testing::in_worker},
        observe::metrics::Metrics,
        plan::sample::{REVERSE, client, config, identity},
    };

    #[test]
    fn what_is_kept_of_a_parked_connection_fits_its_row() {
        assert!(size_of::<Ticket>() <= ROW_MEMORY / 3 - 24, "{} bytes", size_of::<Ticket>());
    }

    #[test]
    fn a_panic_ends_one_connection_is_counted_and_frees_its_slot() {
        in_worker(async {
            let metrics = Metrics::new();
            let permits = Arc::new(Semaphore::new(2));
            let core = Core::new(Arc::new(config(REVERSE)), Arc::new(identity()), metrics.register(), None);
            let (seat, _home) = Seat::among(1).pop().unwrap();
            let worker = Worker::new(core, seat, Arc::clone(&permits), Arc::default()).unwrap();
            let ticket = || {
                let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
                Ticket::new(&worker, client(), permit)
            };
            let (other, doomed) = (ticket(), ticket());
            assert_eq!((worker.connections.get(), permits.available_permits()), (2, 0));
            let freed = worker.freed.notified();
            let task = spawn_local(async move {
                let _doomed = doomed;
                panic!("as a connection's task would");
            });
            assert!(task.await.unwrap_err().is_panic());
            freed.await;
            let counts = metrics.snapshot();
            assert_eq!((counts.panics(), counts.connections(Leg::Client)), (1, 1));
            assert_eq!((worker.connections.get(), permits.available_permits()), (1, 1));
            drop(other);
            let counts = metrics.snapshot();
            assert_eq!((counts.panics(), counts.connections(Leg::Client)), (1, 0), "an end is no panic");
            assert_eq!((worker.connections.get(), permits.available_permits()), (0, 2));
        });
    }
}

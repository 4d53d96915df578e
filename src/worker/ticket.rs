//! What the tasks of one worker share, and the ticket by which each connection counts among them.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit},
    time::Instant,
};

use super::{
    capacity::Capacity,
    handover::{Handover, Seat},
    newcomers::Newcomers,
    resting::RestingStreams,
    tasks::WaitingTasks,
};
use crate::{
    config::{Config, ListenerId},
    net::{parked::ParkedSet, socket::Socket},
    observe::metrics::Leg,
    plan::{Client, Refusal},
    proxy::{KeptStream, core::Core, serve::Connections},
    tls::{ServerHandshake, ServerTls},
    trust::{ClientNetwork, Source},
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
    /// Those whose requests wait there for something to move.
    pub(super) resting: RestingStreams<(Ticket, KeptStream)>,
    /// Tasks whose connections have ended.
    pub(super) tasks: WaitingTasks<Arrival>,
    /// How many client connections there may be.
    pub(super) capacity: Arc<Capacity>,
    /// Those that wait for such a permit, at all workers.
    pub(super) newcomers: Arc<Newcomers>,
    /// Until when nobody is waited for who would make room.
    pub(super) full_until: Cell<Option<Instant>>,
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
        capacity: Arc<Capacity>,
        newcomers: Arc<Newcomers>,
    ) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            serving: Connections::new(Rc::clone(&core)),
            core,
            seat,
            connections: Cell::new(0),
            parked: ParkedSet::new()?,
            resting: RestingStreams::new()?,
            tasks: WaitingTasks::default(),
            capacity,
            newcomers,
            full_until: Cell::new(None),
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
        while self.resting.close_some() {}
        self.tasks.clear();
    }

    /// Lets the other workers know how much there is to do here: what rests is no work.
    pub(super) fn publish(&self) {
        let at_rest = self.parked.len() + self.resting.len();
        self.seat.publish(self.connections.get().saturating_sub(at_rest));
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
    refusal: Option<Refusal>,
    /// Whether it counts among those of its client.
    is_counted: bool,
    /// Counts it for so long.
    guard: Guard,
}

impl Ticket {
    /// Counts one more connection, for which `permit` was taken. Where its client has as many as it may have, it is told so.
    pub(super) fn new(worker: &Rc<Worker>, client: Client, permit: OwnedSemaphorePermit) -> Self {
        let Client { address, anonymous, secure, loopback_listener, listener, refusal, handshake: _ } =
            client;
        let mut ticket = Self {
            address,
            anonymous,
            secure,
            loopback_listener,
            listener,
            refusal,
            is_counted: false,
            guard: Guard::new(worker, permit),
        };
        ticket.count();
        ticket
    }

    /// The peer, as far as it is known.
    pub(super) const fn peer(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How long its first head may take, and what comes before it.
    pub(super) fn patience(&self, config: &Config) -> Duration {
        let head = config.timeouts.head;
        if self.refusal.is_some() { head.min(self.guard.worker.capacity.refusal_patience()) } else { head }
    }

    /// Learns for whom its peer, a trusted proxy, has made the connection.
    pub(super) fn is_for(&mut self, source: Source) {
        match source {
            Source::Proxy => {}
            Source::Client(client) => {
                self.address = Some(client);
                self.count();
            }
            Source::Unnamed => self.anonymous = true,
        }
    }

    /// Who has it, and what the handshake has told of them.
    pub(super) fn client(&self, handshake: Option<ServerHandshake>) -> Client {
        let Self { address, anonymous, secure, loopback_listener, listener, refusal, .. } = *self;
        let handshake = handshake.map(Rc::new);
        Client { address, anonymous, secure, loopback_listener, listener, refusal, handshake }
    }

    /// Counts it among those of its client, if there may not be any number of them. A proxy that is trusted comes for many.
    fn count(&mut self) {
        let (worker, Some(address)) = (&self.guard.worker, self.address) else { return };
        let config = &worker.core.snapshot().config;
        let Some(most) = config.process.max_connections_per_client.filter(|_| !self.is_counted) else {
            return;
        };
        if config.trust.proxies.trusts_peer(Some(address)) {
            return;
        }
        self.is_counted = worker.capacity.by_client().enter(ClientNetwork::of(address.ip()), most);
        if !self.is_counted && self.refusal.is_none() {
            self.refusal = Some(Refusal::Connections);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(address) = self.address.filter(|_| self.is_counted) {
            self.guard.worker.capacity.by_client().leave(ClientNetwork::of(address.ip()));
        }
    }
}

/// A connection to be served, or to be served again.
pub(super) struct Arrival {
    pub(super) ticket: Ticket,
    pub(super) what: Arriving,
}

/// What a connection comes with.
pub(super) enum Arriving {
    /// A request may come.
    New(NewConnection),
    /// A request of it has been at rest.
    Rested([TcpStream; 2], KeptStream),
}

/// A connection on which a request may come.
pub(super) struct NewConnection {
    pub(super) socket: Socket,
    /// A trusted peer begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    pub(super) tls: Option<ServerTls>,
    /// How long its first byte may take.
    pub(super) patience: Duration,
}

impl NewConnection {
    /// Whether nothing comes before the request.
    pub(super) const fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol
    }
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
        self.worker.capacity.free();
        self.worker.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::spawn_local;

    use super::*;
    use crate::{
        net::{
            parked::{ROW_MEMORY, ROW_OF_TWO_MEMORY},
            testing::in_worker,
        },
        observe::metrics::Metrics,
        plan::sample::{REVERSE, client, config, identity},
    };

    #[test]
    fn what_is_kept_of_a_parked_connection_fits_its_row() {
        assert!(size_of::<Ticket>() <= ROW_MEMORY / 3 - 24, "{} bytes", size_of::<Ticket>());
        let kept = size_of::<(Ticket, KeptStream)>();
        assert!(kept <= ROW_OF_TWO_MEMORY / 3 - 28, "{kept} bytes");
    }

    #[test]
    fn a_panic_ends_one_connection_is_counted_and_frees_its_slot() {
        in_worker(async {
            let metrics = Metrics::new();
            let mut config = config(REVERSE);
            config.process.max_connections = 2;
            let capacity = Capacity::of(&config.process);
            let core = Core::new(Arc::new(config), Arc::new(identity()), metrics.register(), None);
            let (seat, _home) = Seat::among(1).pop().unwrap();
            let worker = Worker::new(core, seat, Arc::clone(&capacity), Arc::default()).unwrap();
            let ticket = || {
                let permit = capacity.place().unwrap();
                Ticket::new(&worker, client(), permit)
            };
            let (other, doomed) = (ticket(), ticket());
            assert_eq!((worker.connections.get(), capacity.available()), (2, 0));
            let freed = worker.freed.notified();
            let task = spawn_local(async move {
                let _doomed = doomed;
                panic!("as a connection's task would");
            });
            assert!(task.await.unwrap_err().is_panic());
            freed.await;
            let counts = metrics.snapshot();
            assert_eq!((counts.panics(), counts.connections(Leg::Client)), (1, 1));
            assert_eq!((worker.connections.get(), capacity.available()), (1, 1));
            drop(other);
            let counts = metrics.snapshot();
            assert_eq!((counts.panics(), counts.connections(Leg::Client)), (1, 0), "an end is no panic");
            assert_eq!((worker.connections.get(), capacity.available()), (0, 2));
        });
    }
}

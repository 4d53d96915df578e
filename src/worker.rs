//! One core: its thread, its runtime, its listeners, its connections.
//!
//! A worker shares nothing that a request touches with other workers. The server lends it its listeners and
//! keeps them open itself, so that a worker that ends loses no queue (reliability.md R24).

pub mod balance;
mod tasks;

use std::{
    cell::Cell,
    io,
    net::{SocketAddr, TcpListener, TcpStream as StdStream},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{spawn_local, yield_now},
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    balance::{Balance, Mailbox},
    tasks::WaitingTasks,
};
use crate::{
    config::Config,
    net::{handshake, listen::Acceptor, parked::ParkedSet, stream::Stream},
    observe::{
        access_log::AccessLogHandle,
        metrics::{Leg, WorkerCounters},
    },
    proxy::{
        connection::serve_connection,
        core::Core,
        identity::Identity,
        idle::{LAST_CHANCE, Pass},
        plan::Client,
    },
};

/// How often idle upstream connections are looked through, while there are any.
const SWEEP: Duration = Duration::from_secs(5);

/// A listener on loan.
#[derive(Debug)]
pub struct Loan {
    /// The socket, one of its group.
    pub listener: TcpListener,
    /// What it speaks.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether only this machine can reach it.
    pub loopback: bool,
}

/// Everything a worker is given.
pub struct Assignment {
    /// The configuration.
    pub config: Arc<Config>,
    /// How the process names itself.
    pub identity: Arc<Identity>,
    /// Where it counts.
    pub counters: Arc<WorkerCounters>,
    /// Where requests are recorded.
    pub access_log: Option<AccessLogHandle>,
    /// Its listeners.
    pub loans: Vec<Loan>,
    /// Its place among the workers, and what they hand over to it.
    pub place: (Balance<Handover>, Mailbox<Handover>),
    /// Client connections that the process may still accept.
    pub permits: Arc<Semaphore>,
    /// Turns true when the process stops.
    pub stop: watch::Receiver<bool>,
    /// Told once the queues of the listeners are empty and the worker has let go of them.
    pub emptied: mpsc::UnboundedSender<()>,
}

/// What a listener says of its connections.
#[derive(Clone)]
struct Terms {
    tls: Option<Arc<ServerConfig>>,
    loopback: bool,
}

/// An accepted connection on its way to another worker.
pub struct Handover {
    tcp: StdStream,
    address: SocketAddr,
    terms: Terms,
    permit: OwnedSemaphorePermit,
}

/// What one worker's tasks share beside the core.
struct Worker {
    core: Rc<Core>,
    balance: Balance<Handover>,
    connections: Cell<usize>,
    /// Those of them that wait outside of the runtime.
    parked: ParkedSet<Ticket>,
    /// Tasks whose connections have ended.
    tasks: WaitingTasks<Arrival>,
    /// Client connections that the process may still accept.
    permits: Arc<Semaphore>,
    /// A connection has ended, and with it a descriptor is free.
    freed: Rc<Notify>,
}

impl Worker {
    /// Lets the other workers know how much there is to do here: a parked connection is no work.
    fn publish(&self) {
        self.balance.publish(self.connections.get().saturating_sub(self.parked.len()));
    }
}

/// Serves until told to stop, then until every connection has ended or `drain_timeout` is over.
///
/// # Errors
/// When the runtime cannot be built or a listener cannot be watched.
pub fn run(assignment: Assignment) -> io::Result<()> {
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(serve(assignment))
}

async fn serve(assignment: Assignment) -> io::Result<()> {
    let Assignment { config, identity, counters, access_log, loans, place, permits, mut stop, emptied } =
        assignment;
    let (balance, mailbox) = place;
    let drain_timeout = config.drain_timeout;
    let core = Core::new(config, identity, counters, access_log);
    let freed = Rc::new(Notify::new());
    let worker = Rc::new(Worker {
        core,
        balance,
        connections: Cell::new(0),
        parked: ParkedSet::new()?,
        tasks: WaitingTasks::default(),
        permits,
        freed: Rc::clone(&freed),
    });
    let mut accepting = Vec::new();
    for loan in loans {
        let acceptor = Acceptor::new(loan.listener, Rc::clone(&freed))?;
        let door = Door { acceptor, terms: Terms { tls: loan.tls, loopback: loan.loopback } };
        accepting.push(spawn_local(accept(Rc::clone(&worker), door, stop.clone())));
    }
    accepting.push(spawn_local(take_over(Rc::clone(&worker), mailbox, stop.clone())));
    spawn_local(sweep(Rc::clone(&worker)));
    spawn_local(park_idle(Rc::clone(&worker)));
    spawn_local(wake_parked(Rc::clone(&worker)));
    // The server is gone if this fails; then there is nothing left to wait for.
    let _ = stop.wait_for(|stop| *stop).await;
    for acceptor in accepting {
        // A panic while accepting ends the process anyway.
        let _ = acceptor.await;
    }
    worker.core.drain();
    let _ = emptied.send(());
    spawn_local(close_parked(Rc::clone(&worker)));
    let drained = async {
        while worker.connections.get() > 0 {
            freed.notified().await;
        }
    };
    if timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!(connections = worker.connections.get(), "drain_timeout is over; connections are cut");
    }
    // Their tickets hold the worker.
    while worker.parked.close_some() {}
    worker.tasks.clear();
    Ok(())
}

/// A listener that is being served.
struct Door {
    acceptor: Acceptor,
    terms: Terms,
}

/// Accepts until the process stops; then only what is queued already.
async fn accept(worker: Rc<Worker>, door: Door, mut stop: watch::Receiver<bool>) {
    let accepting = async {
        loop {
            // Accepted first: a permit that waits with an idle listener would be missing at a busy one.
            let (tcp, peer) = door.acceptor.accept().await;
            let Ok(permit) = Arc::clone(&worker.permits).acquire_owned().await else { return };
            place(&worker, &door.terms, tcp, peer, permit);
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    while let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned()
        && let Some((tcp, peer)) = door.acceptor.try_drain()
    {
        admit(&worker, door.terms.clone(), tcp, peer, permit);
    }
}

/// Serves a connection here, or hands it over to a worker that has clearly less to do.
fn place(
    worker: &Rc<Worker>,
    terms: &Terms,
    tcp: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let terms = terms.clone();
    let Some(other) = worker.balance.better() else { return admit(worker, terms, tcp, address, permit) };
    // Fails only for a socket that the runtime has lost.
    let Ok(tcp) = tcp.into_std() else { return };
    if let Some(refused) = worker.balance.hand_over(other, Handover { tcp, address, terms, permit }) {
        admit_handover(worker, refused);
    }
}

/// Serves what other workers hand over, until the process stops; then only what is on its way already.
async fn take_over(worker: Rc<Worker>, mut mailbox: Mailbox<Handover>, mut stop: watch::Receiver<bool>) {
    let taking = async {
        while let Some(handover) = mailbox.recv().await {
            admit_handover(&worker, handover);
            worker.balance.arrived();
        }
    };
    tokio::select! {
        () = taking => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    // From now on a worker that has not heard of the stop keeps what it accepts.
    mailbox.close();
    while let Some(handover) = mailbox.recv().await {
        admit_handover(&worker, handover);
        worker.balance.arrived();
    }
}

fn admit_handover(worker: &Rc<Worker>, handover: Handover) {
    let Handover { tcp, address, terms, permit } = handover;
    // A socket that the runtime cannot watch is closed, as it would be at an accept.
    if let Ok(tcp) = TcpStream::from_std(tcp) {
        admit(worker, terms, tcp, address, permit);
    }
}

fn admit(
    worker: &Rc<Worker>,
    terms: Terms,
    tcp: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let client = Client { address, secure: terms.tls.is_some(), loopback_listener: terms.loopback };
    let ticket = Ticket { client, _guard: Guard::new(worker, permit) };
    let patience = worker.core.config.timeouts.head;
    serve_arrival(worker, Arrival { tcp, tls: terms.tls, ticket, patience });
}

/// What a connection has from its accept to its end.
struct Ticket {
    client: Client,
    /// Counts it for so long.
    _guard: Guard,
}

/// A connection to be served.
struct Arrival {
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    ticket: Ticket,
    /// How long its first byte may take.
    patience: Duration,
}

/// Serves a connection until it ends or is parked.
fn serve_arrival(worker: &Rc<Worker>, arrival: Arrival) {
    if let Some(arrival) = worker.tasks.give(arrival) {
        spawn_local(serve_arrivals(Rc::clone(worker), arrival));
    }
}

/// Serves one connection after the other.
async fn serve_arrivals(worker: Rc<Worker>, first: Arrival) {
    let mut next = Some(first);
    while let Some(Arrival { tcp, tls, ticket, patience }) = next.take() {
        let core = Rc::clone(&worker.core);
        let stream = match tls {
            None => Ok(Ok(Stream::Tcp(tcp))),
            // Boxed: the handshake's room is not the connection's.
            Some(tls) => Box::pin(timeout(core.config.timeouts.head, handshake::accept(tls, tcp))).await,
        };
        let idle = match stream {
            Ok(Ok(stream)) => serve_connection(core, stream, ticket.client, patience).await,
            Ok(Err(_)) | Err(_) => None,
        };
        match idle {
            Some(idle) => {
                // Where the kernel has no memory left to watch an idle connection, that one is closed.
                let _ = worker.parked.park(idle.tcp, idle.deadline, ticket);
                worker.publish();
            }
            None => drop(ticket),
        }
        next = worker.tasks.next().await;
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
        self.worker.permits.add_permits(1);
        self.worker.freed.notify_waiters();
    }
}

/// Tells connections that have been idle for long to leave the runtime, and closes parked ones whose time is
/// over; memory follows the load down. Sleeps for good while there are neither.
async fn park_idle(worker: Rc<Worker>) {
    let (idle, parked) = (&worker.core.idle, &worker.parked);
    loop {
        let mut pass = idle.pass();
        while pass == Pass::Unfinished {
            yield_now().await;
            pass = idle.pass();
        }
        while parked.expire(Instant::now()) {
            yield_now().await;
        }
        if pass == Pass::Finished {
            // Not while anything goes on: memory given back and taken again costs page faults.
            worker.core.shrink();
            worker.tasks.shrink();
        }
        match parked.next_expiry() {
            _ if pass == Pass::Waiting => idle.interval().await,
            None => idle.begun().await,
            Some(expiry) => tokio::select! {
                () = idle.begun() => {}
                () = sleep_until(expiry) => {}
            },
        }
    }
}

/// Serves parked connections again whose clients have said something.
async fn wake_parked(worker: Rc<Worker>) {
    let mut woken = Vec::new();
    loop {
        worker.parked.wake(&mut woken).await;
        worker.publish();
        for connection in woken.drain(..) {
            let patience = connection.deadline.saturating_duration_since(Instant::now());
            let arrival = Arrival { tcp: connection.tcp, tls: None, ticket: connection.ticket, patience };
            serve_arrival(&worker, arrival);
        }
        yield_now().await;
    }
}

/// Closes parked connections when the process stops, after a last chance.
async fn close_parked(worker: Rc<Worker>) {
    sleep(LAST_CHANCE).await;
    while worker.parked.close_some() {
        yield_now().await;
    }
}

/// Closes idle upstream connections that have expired or died; sleeps for good while there are none.
async fn sweep(worker: Rc<Worker>) {
    loop {
        worker.core.pool.wait_until_used().await;
        while !worker.core.pool.is_empty() {
            sleep(SWEEP).await;
            worker.core.pool.sweep();
        }
    }
}

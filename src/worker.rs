//! One core: its thread, its runtime, its listeners, its connections.
//!
//! A worker shares nothing that a request touches with other workers. The server lends it its listeners and
//! keeps them open itself, so that a worker that ends loses no queue (reliability.md R24).

use std::{cell::Cell, io, net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::{
    config::Config,
    net::listen::{Acceptor, prepare_accepted},
    observe::{
        access_log::AccessLogHandle,
        metrics::{Leg, WorkerCounters},
    },
    proxy::{connection::serve_connection, core::Core, identity::Identity, plan::Client},
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
    /// Client connections that the process may still accept.
    pub permits: Arc<Semaphore>,
    /// Turns true when the process stops.
    pub stop: watch::Receiver<bool>,
    /// Told once the queues of the listeners are empty and the worker has let go of them.
    pub emptied: mpsc::UnboundedSender<()>,
}

/// What one worker's tasks share beside the core.
struct Worker {
    core: Rc<Core>,
    connections: Cell<usize>,
    /// A connection has ended, and with it a descriptor is free.
    freed: Rc<Notify>,
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
    let Assignment { config, identity, counters, access_log, loans, permits, mut stop, emptied } = assignment;
    let drain_timeout = config.drain_timeout;
    let core = Core::new(config, identity, counters, access_log);
    let freed = Rc::new(Notify::new());
    let worker = Rc::new(Worker { core, connections: Cell::new(0), freed: Rc::clone(&freed) });
    let mut accepting = Vec::new();
    for loan in loans {
        let acceptor = Acceptor::new(loan.listener, Rc::clone(&freed))?;
        let door = Rc::new(Door { acceptor, tls: loan.tls, loopback: loan.loopback });
        let (worker, permits, stop) = (Rc::clone(&worker), Arc::clone(&permits), stop.clone());
        accepting.push(spawn_local(accept(worker, door, permits, stop)));
    }
    spawn_local(sweep(Rc::clone(&worker)));
    // The server is gone if this fails; then there is nothing left to wait for.
    let _ = stop.wait_for(|stop| *stop).await;
    for acceptor in accepting {
        // A panic while accepting ends the process anyway.
        let _ = acceptor.await;
    }
    let _ = emptied.send(());
    worker.core.drain();
    let drained = async {
        while worker.connections.get() > 0 {
            freed.notified().await;
        }
    };
    if timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!(connections = worker.connections.get(), "drain_timeout is over; connections are cut");
    }
    Ok(())
}

/// A listener that is being served.
struct Door {
    acceptor: Acceptor,
    tls: Option<Arc<ServerConfig>>,
    loopback: bool,
}

/// Accepts until the process stops; then only what is queued already.
async fn accept(
    worker: Rc<Worker>,
    door: Rc<Door>,
    permits: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let accepting = async {
        loop {
            // Accepted first: a permit that waits with an idle listener would be missing at a busy one.
            let (tcp, peer) = door.acceptor.accept().await;
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            admit(&worker, &door, tcp, peer, permit);
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    while let Ok(permit) = Arc::clone(&permits).try_acquire_owned()
        && let Some((tcp, peer)) = door.acceptor.try_drain()
    {
        admit(&worker, &door, tcp, peer, permit);
    }
}

fn admit(
    worker: &Rc<Worker>,
    door: &Door,
    tcp: TcpStream,
    address: std::net::SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    // A connection that was reset in the queue shows that at its first read.
    let _ = prepare_accepted(&tcp);
    let client = Client { address, secure: door.tls.is_some(), loopback_listener: door.loopback };
    let guard = Guard::new(worker, permit);
    let (core, tls) = (Rc::clone(&worker.core), door.tls.clone());
    spawn_local(async move {
        let _guard = guard;
        serve_connection(core, tcp, tls, client).await;
    });
}

/// Counts a connection for as long as it lives; frees its slot even if its task panics.
struct Guard {
    worker: Rc<Worker>,
    _permit: OwnedSemaphorePermit,
}

impl Guard {
    fn new(worker: &Rc<Worker>, permit: OwnedSemaphorePermit) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        worker.core.counters.connection_opened(Leg::Client);
        Self { worker: Rc::clone(worker), _permit: permit }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.worker.core.counters.panic();
        }
        self.worker.connections.set(self.worker.connections.get() - 1);
        self.worker.core.counters.connection_closed(Leg::Client);
        self.worker.freed.notify_waiters();
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

//! The process: it owns every listener, starts the workers, and ends them.

use std::{
    io::{self, IsTerminal, Write as _},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
};

use crate::{
    config::{self, Config, Upstream, banner},
    net::{
        handshake::TLS_MEMORY,
        listen::{ListenError, bind_group, refuse_new},
    },
    observe::{
        access_log::{AccessLog, AccessLogTarget},
        metrics::Metrics,
    },
    proxy::{
        core::{BULK_STREAMS, buffer_size},
        identity::Identity,
        stream::BULK_BUFFER,
    },
    uri::Scheme,
    worker::{self, Assignment, Loan, Seat},
};

/// How long the access log may take to write what is left when the process ends.
const LOG_FLUSH: Duration = Duration::from_secs(1);
/// How long a drain may overrun `drain_timeout` before the process ends all the same.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The access log could not be opened.
    #[error("cannot write the access log: {0}")]
    AccessLog(io::Error),
    /// The machine refused something that every process gets.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// A worker ended without being told to; running half-dead would be worse than ending.
    #[error("a worker has died; ending, so that a supervisor starts anew")]
    WorkerDied,
}

/// The sockets of one listen address, one for each worker.
struct Group {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

/// Serves until a signal ends it; the first SIGTERM or SIGINT drains, a second one ends at once.
///
/// # Errors
/// See [`ServeError`].
pub fn run(config: Config) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let groups = listen(&config)?;
    let access_log = start_access_log(&config)?;
    let metrics = Metrics::new();
    if let Some(log) = &access_log {
        metrics.set_log_dropped(log.dropped());
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let result = runtime.block_on(async {
        // Before the workers start, so that no signal is missed.
        let signals = Signals::new().map_err(ServeError::Start)?;
        let crew = Crew::start(&config, &groups, access_log.as_ref(), &metrics)?;
        announce(&config, &groups);
        crew.lead(groups, signals, access_log.as_ref(), config.drain_timeout).await
    });
    if let Some(log) = access_log
        && !log.shutdown(LOG_FLUSH)
    {
        tracing::warn!("the access log takes nothing; its last lines are lost");
    }
    result
}

fn listen(config: &Config) -> Result<Vec<Group>, ServeError> {
    let mut groups = Vec::new();
    for listener in &config.listeners {
        let sockets = bind_group(listener.address, config.workers.get(), config.limits.socket_buffer)?;
        let address = match sockets.first().map(TcpListener::local_addr) {
            Some(Ok(address)) => address,
            Some(Err(error)) => return Err(ServeError::Start(error)),
            None => listener.address,
        };
        groups.push(Group { address, sockets });
    }
    Ok(groups)
}

fn start_access_log(config: &Config) -> Result<Option<AccessLog>, ServeError> {
    let target = match &config.access_log {
        config::AccessLog::Off => return Ok(None),
        config::AccessLog::Stdout => AccessLogTarget::Stdout,
        config::AccessLog::Stderr => AccessLogTarget::Stderr,
        config::AccessLog::File(path) => AccessLogTarget::File(path.clone()),
    };
    AccessLog::start(target).map(Some).map_err(ServeError::AccessLog)
}

/// Says what is served where: a banner for a person, an event for a supervisor.
fn announce(config: &Config, groups: &[Group]) {
    let addresses: Vec<SocketAddr> = groups.iter().map(|group| group.address).collect();
    let bound = memory_bound(config);
    if io::stderr().is_terminal() {
        // A terminal that has gone away is no reason not to serve.
        let _ = io::stderr().write_all(banner::render(config, &addresses, bound).as_bytes());
        return;
    }
    for (address, listener) in addresses.iter().zip(&config.listeners) {
        tracing::info!(
            %address,
            tls = listener.tls.is_some(),
            workers = config.workers.get(),
            max_connections = config.max_connections,
            memory_bound_bytes = bound,
            "listening"
        );
    }
}

/// What a connection and its exchange take beside buffers, in bytes: the task, the frame that its request runs in,
/// and the runtime's records of both sockets.
const EXCHANGE_MEMORY: usize = 8 << 10;

/// The most user memory that traffic can take, in bytes: for each connection the exchange and its buffers, those
/// of a stream while a head is gathered on each side, TLS on the sides that may speak it, and the pools.
#[must_use]
pub fn memory_bound(config: &Config) -> u64 {
    let client_tls = config.listeners.iter().any(|listener| listener.tls.is_some());
    let https = |upstream: &Upstream| upstream.endpoints.iter().any(|server| server.scheme == Scheme::Https);
    // A gateway's targets choose for themselves.
    let upstream_tls = config.gateway().is_some() || config.upstream().is_some_and(https);
    let tls = (usize::from(client_tls) + usize::from(upstream_tls)) * TLS_MEMORY;
    let per_connection = EXCHANGE_MEMORY + 3 * buffer_size(config) + 2 * config.limits.buffer + tls;
    let pools = config.workers.get() * BULK_STREAMS * 2 * BULK_BUFFER;
    (config.max_connections as u64) * (per_connection as u64) + pools as u64
}

/// The signals that the process obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal to stop; USR1 is obeyed meanwhile: the access log is opened anew.
    async fn stop(&mut self, access_log: Option<&AccessLog>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.reload.recv() => tracing::warn!("HUP: there is no file to reload; flags hold until a restart"),
                _ = self.reopen.recv() => {
                    if let Some(log) = access_log {
                        log.reopen();
                    }
                }
            }
        }
    }
}

/// The workers, and the strings that they are led by.
struct Crew {
    stop: watch::Sender<bool>,
    /// A worker has emptied its queues.
    emptied: mpsc::UnboundedReceiver<()>,
    /// A worker has ended.
    ended: mpsc::UnboundedReceiver<()>,
    workers: usize,
}

impl Crew {
    fn start(
        config: &Arc<Config>,
        groups: &[Group],
        access_log: Option<&AccessLog>,
        metrics: &Metrics,
    ) -> Result<Self, ServeError> {
        let (stop, stopped) = watch::channel(false);
        let (emptied_sender, emptied) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
        let identity = Arc::new(Identity::random());
        let workers = config.workers.get();
        for (index, seat) in Seat::among(workers).into_iter().enumerate() {
            let mut loans = Vec::new();
            for (group, listener) in groups.iter().zip(&config.listeners) {
                let Some(socket) = group.sockets.get(index) else { continue };
                let listener_of_worker = socket.try_clone().map_err(ServeError::Start)?;
                loans.push(Loan {
                    listener: listener_of_worker,
                    tls: listener.tls.clone(),
                    loopback: listener.is_loopback(),
                });
            }
            let assignment = Assignment {
                config: Arc::clone(config),
                identity: Arc::clone(&identity),
                counters: metrics.register(),
                access_log: access_log.map(AccessLog::handle),
                loans,
                seat,
                permits: Arc::clone(&permits),
                stop: stopped.clone(),
                emptied: emptied_sender.clone(),
            };
            let ended = Ended(ended_sender.clone());
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    let _ended = ended;
                    if let Err(error) = worker::run(assignment) {
                        tracing::error!(%error, "a worker cannot serve");
                    }
                })
                .map_err(ServeError::Start)?;
        }
        Ok(Self { stop, emptied, ended, workers })
    }

    /// Waits for a signal, then for the workers.
    async fn lead(
        mut self,
        groups: Vec<Group>,
        mut signals: Signals,
        access_log: Option<&AccessLog>,
        drain_timeout: Duration,
    ) -> Result<(), ServeError> {
        tokio::select! {
            () = signals.stop(access_log) => {}
            _ = self.ended.recv() => return Err(ServeError::WorkerDied),
        }
        tracing::info!("stopping: connections are drained; a second signal ends at once");
        for socket in groups.iter().flat_map(|group| &group.sockets) {
            // Where the kernel declines, connections that come in these last moments are reset at the close.
            let _ = refuse_new(socket);
        }
        self.stop.send_replace(true);
        let drained = async {
            for _ in 0..self.workers {
                self.emptied.recv().await;
            }
            // All together, and only now that their queues are empty (R24).
            drop(groups);
            for _ in 0..self.workers {
                self.ended.recv().await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = signals.stop(access_log) => tracing::warn!("a second signal: ending at once"),
            () = tokio::time::sleep(drain_timeout + DRAIN_GRACE) => {}
        }
        Ok(())
    }
}

/// Tells that a worker has ended, in whatever way.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Without a receiver the process is ending already.
        let _ = self.0.send(());
    }
}

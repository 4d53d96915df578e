//! The workers: started, led, and waited for.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    fault::ServeError,
    listeners::{ListenerGroup, lend, refuse},
    signals::Signals,
};
use crate::{
    config::Config,
    net::{Descriptors, handshake},
    observe::{access_log::AccessLog, metrics::Metrics},
    plan::Identity,
    proxy::{
        core::{descriptors, resolver},
        snapshot::{Publication, Published},
    },
    upstream::Prober,
    worker::{self, Assignment, Newcomers, Seat},
};

/// How long a drain may overrun `drain_timeout` before the process ends all the same.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// The workers, and the strings that they are led by.
pub(super) struct Crew {
    stop: watch::Sender<bool>,
    /// A worker has emptied its queues.
    emptied: mpsc::UnboundedReceiver<()>,
    /// A worker has ended.
    ended: mpsc::UnboundedReceiver<()>,
    workers: usize,
    /// Probes of servers that are out, for as long as these are there.
    _probes: Vec<JoinSet<()>>,
}

/// Starts to look after the servers of each upstream.
fn probes(publication: &Publication, descriptors: &Arc<Descriptors>) -> Vec<JoinSet<()>> {
    let Publication { config, servers, .. } = publication;
    let resolver = resolver(config);
    let upstreams = config.upstream_ids().zip(servers);
    let probers = upstreams.map(|(upstream, servers)| Prober {
        config: Arc::clone(config),
        upstream,
        servers: Arc::clone(servers),
        resolver: resolver.clone(),
        descriptors: Arc::clone(descriptors),
        handshakes: handshake::places(),
    });
    probers.map(Prober::start).collect()
}

impl Crew {
    /// Starts a thread for each worker, and probes of servers that are out on the local runtime of this one.
    ///
    /// # Errors
    /// When descriptors or threads are refused.
    pub(super) fn start(
        config: &Arc<Config>,
        groups: &[ListenerGroup],
        access_log: Option<&AccessLog>,
        metrics: &Metrics,
    ) -> Result<Self, ServeError> {
        let (stop, stopped) = watch::channel(false);
        let (emptied_sender, emptied) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let (descriptors, published) = (descriptors(config), Published::new(Arc::clone(config)));
        let newcomers = Arc::<Newcomers>::default();
        let permits = Arc::new(Semaphore::new(config.process.max_connections.min(Semaphore::MAX_PERMITS)));
        let identity = Arc::new(Identity::random());
        let workers = config.process.workers.get();
        for (index, seat) in Seat::among(workers).into_iter().enumerate() {
            let assignment = Assignment {
                published: Arc::clone(&published),
                identity: Arc::clone(&identity),
                counters: metrics.register(),
                access_log: access_log.map(AccessLog::handle),
                loans: lend(config, groups, index)?,
                seat,
                permits: Arc::clone(&permits),
                descriptors: Arc::clone(&descriptors),
                newcomers: Arc::clone(&newcomers),
                stop: stopped.clone(),
                emptied: emptied_sender.clone(),
            };
            spawn(index, assignment, WorkerEnd(ended_sender.clone())).map_err(ServeError::Start)?;
        }
        let probes = probes(&published.current(), &descriptors);
        Ok(Self { stop, emptied, ended, workers, _probes: probes })
    }

    /// Waits for a signal, then for the workers.
    ///
    /// # Errors
    /// [`ServeError::WorkerDied`] when a worker ends without being told to.
    pub(super) async fn lead(
        mut self,
        groups: Vec<ListenerGroup>,
        mut signals: Signals,
        access_log: Option<&AccessLog>,
        drain_timeout: Duration,
    ) -> Result<(), ServeError> {
        tokio::select! {
            () = signals.stop(access_log) => {}
            _ = self.ended.recv() => return Err(ServeError::WorkerDied),
        }
        tracing::info!("stopping: connections are drained; a second signal ends at once");
        refuse(&groups);
        self.stop.send_replace(true);
        let drained = async {
            for _ in 0..self.workers {
                self.emptied.recv().await;
            }
            // All together, and only now that their queues are empty: what waits in the queue of a socket is
            // reset when that one is closed (rule 2 of `server`).
            drop(groups);
            for _ in 0..self.workers {
                self.ended.recv().await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = signals.stop(access_log) => tracing::warn!("a second signal: ending at once"),
            () = sleep(drain_timeout + DRAIN_GRACE) => {}
        }
        Ok(())
    }
}

fn spawn(index: usize, assignment: Assignment, end: WorkerEnd) -> io::Result<()> {
    let run = move || {
        let _end = end;
        if let Err(error) = worker::run(assignment) {
            tracing::error!(%error, "a worker cannot serve");
        }
    };
    thread::Builder::new().name(format!("worker-{index}")).spawn(run).map(drop)
}

/// Tells that a worker has ended, in whatever way.
struct WorkerEnd(mpsc::UnboundedSender<()>);

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        // Without a receiver the process is ending already.
        let _ = self.0.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_dies_ends_the_process_with_an_error() {
        for panics in [false, true] {
            let (stop, stopped) = watch::channel(false);
            let (_emptied, emptied) = mpsc::unbounded_channel();
            let (sender, ended) = mpsc::unbounded_channel();
            let crew = Crew { stop, emptied, ended, workers: 2, _probes: Vec::new() };
            let (dies, _lives) = (WorkerEnd(sender.clone()), WorkerEnd(sender));
            let worker = thread::spawn(move || {
                let _end = dies;
                assert!(!panics, "as a worker would");
            });
            let led = crew.lead(Vec::new(), Signals::new().unwrap(), None, Duration::ZERO).await;
            assert!(matches!(led, Err(ServeError::WorkerDied)), "{led:?}");
            assert!(!*stopped.borrow(), "nobody told the others to stop: the process ends at once");
            assert_eq!(worker.join().is_err(), panics);
        }
    }
}

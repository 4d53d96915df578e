//! The workers: started, started anew when they die, led, and waited for.

use std::{collections::VecDeque, io, rc::Rc, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    fault::ServeError,
    listeners::{ListenerChange, Listeners, Shared},
    lookout::Lookout,
};
use crate::{
    config::{Config, ListenAddress},
    net::{Descriptors, listen::ListenError},
    observe::{
        access_log::AccessLog,
        metrics::{Metrics, WorkerCounters},
    },
    plan::Identity,
    proxy::{core::descriptors, snapshot::Published},
    worker::{
        self, Assignment, Capacity, Event, GroupId, Handover, MailboxHome, Newcomers, Order, Report, Reports,
        Seat, Stop,
    },
};

/// A worker that dies so often within [`DEATHS_WITHIN`] is not started anew: the process ends.
const MAX_DEATHS: usize = 3;
/// How long a death counts.
const DEATHS_WITHIN: Duration = Duration::from_secs(10);

/// The workers, and the strings that they are led by.
pub(super) struct Crew {
    means: Means,
    listeners: Listeners,
    members: Vec<Member>,
    stop: watch::Sender<Option<Stop>>,
    reports: mpsc::UnboundedReceiver<Report>,
    work: Work,
    lookout: Rc<Lookout>,
}

/// What a worker does with its assignment: [`worker::run`].
type Work = Arc<dyn Fn(Assignment) -> io::Result<()> + Send + Sync>;

/// What every worker is given.
struct Means {
    published: Arc<Published>,
    identity: Arc<Identity>,
    access_log: Option<Rc<AccessLog>>,
    capacity: Arc<Capacity>,
    descriptors: Arc<Descriptors>,
    newcomers: Arc<Newcomers>,
    reports: mpsc::UnboundedSender<Report>,
    metrics: Arc<Metrics>,
}

/// One worker, whichever thread does its work.
struct Member {
    seat: Seat<Handover>,
    mailbox: MailboxHome<Handover>,
    counters: Arc<WorkerCounters>,
    orders: mpsc::UnboundedSender<Order>,
    stage: Stage,
    /// When it died.
    deaths: VecDeque<Instant>,
    /// Whether it has obeyed the last [`Order::Answer`].
    answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Emptied,
    Ended,
}

impl Crew {
    /// Starts a thread for each worker, and looks after upstreams on the local runtime of this one.
    ///
    /// # Errors
    /// When descriptors or threads are refused.
    pub(super) fn start(
        config: &Arc<Config>,
        listeners: Listeners,
        access_log: Option<Rc<AccessLog>>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        Self::start_with(Arc::new(worker::run), config, listeners, access_log, metrics)
    }

    fn start_with(
        work: Work,
        config: &Arc<Config>,
        listeners: Listeners,
        access_log: Option<Rc<AccessLog>>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let (sender, reports) = mpsc::unbounded_channel();
        let means = Means {
            published: Published::new(Arc::clone(config)),
            identity: Arc::new(Identity::random()),
            access_log,
            capacity: Capacity::of(&config.process),
            descriptors: descriptors(config),
            newcomers: Arc::default(),
            reports: sender,
            metrics: Arc::clone(metrics),
        };
        let members = Seat::among(config.process.workers.get()).into_iter().map(|(seat, mailbox)| Member {
            seat,
            mailbox,
            counters: metrics.register(),
            // Replaced when it starts.
            orders: mpsc::unbounded_channel().0,
            stage: Stage::Serving,
            deaths: VecDeque::new(),
            answered: true,
        });
        let members = members.collect();
        let lookout = Lookout::new(&means.published, &means.descriptors);
        let mut crew =
            Self { means, listeners, members, stop: watch::Sender::new(None), reports, work, lookout };
        for index in 0..crew.members.len() {
            crew.start_worker(index)?;
        }
        crew.lookout.renew();
        Ok(crew)
    }

    /// The configuration that requests see, and its servers.
    pub(super) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.means.published)
    }

    /// Where the listeners of the configuration are, in its order.
    pub(super) fn addresses(&self) -> Vec<ListenAddress> {
        self.listeners.addresses()
    }

    /// Has the files of Unix sockets removed in the end, for no process before this one has them any more.
    pub(super) fn own_files(&mut self) {
        self.listeners.own_files();
    }

    /// Has requests that come from now on see `config`, and makes what is listened on equal to its listeners: opens what
    /// is new, lets TLS and everything else of those that stay hold for connections accepted from now on, and takes back
    /// what is gone. Connections that wait in a queue are served, and established ones live on, whatever becomes of
    /// their listener. Returns its generation, and what is opened and closed.
    ///
    /// # Errors
    /// Each address that cannot be listened on; then nothing has changed.
    pub(super) fn reconfigure(
        &mut self,
        config: &Arc<Config>,
    ) -> Result<(u64, Vec<ListenerChange>), Vec<ListenError>> {
        let rearranged = self.listeners.rearrange(config)?;
        let dns_differs = self.means.published.current().config.dns != config.dns;
        // Before any connection comes that is told to be of a listener of it.
        let generation = self.means.published.publish(Arc::clone(config)).generation;
        for (member, loans) in self.members.iter().zip(rearranged.loans) {
            let listen = loans.into_iter().map(Order::Listen);
            let terms = rearranged.terms.iter().map(|(group, terms)| Order::Terms(*group, terms.clone()));
            let leave = rearranged.taken_back.iter().map(|group| Order::Leave(*group));
            let orders =
                std::iter::once(Order::Reconfigure { dns_differs }).chain(listen).chain(terms).chain(leave);
            // To one that has just died this is nothing: its successor starts with all of it.
            orders.for_each(|order| _ = member.orders.send(order));
        }
        self.lookout.renew();
        Ok((generation, rearranged.changes))
    }

    /// Asks every worker whether it obeys.
    pub(super) fn ask(&mut self) {
        for member in &mut self.members {
            member.answered = false;
            // Where it has died its successor is asked.
            let _ = member.orders.send(Order::Answer);
        }
    }

    /// Whether every worker has answered what it was [asked](Self::ask) last.
    pub(super) fn has_answered(&self) -> bool {
        self.members.iter().all(|member| member.answered)
    }

    /// Waits until every worker serves.
    ///
    /// # Errors
    /// As [`tend`](Self::tend) returns.
    pub(super) async fn serves(&mut self) -> Result<(), ServeError> {
        self.ask();
        while !self.has_answered() {
            if let Some(report) = self.reports.recv().await {
                self.hear(report)?;
            }
        }
        Ok(())
    }

    /// Looks after the workers for as long as it is awaited: one that dies is started anew. Cancel safe.
    ///
    /// Returns [`ServeError::WorkerDied`] when one dies over and over, or what keeps its successor from starting.
    pub(super) async fn tend(&mut self) -> ServeError {
        loop {
            if let Some(report) = self.reports.recv().await
                && let Err(error) = self.hear(report)
            {
                return error;
            }
        }
    }

    /// All sockets that are listened on, once more: for a successor of this process.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub(super) fn shared_sockets(&self) -> io::Result<Vec<Shared>> {
        self.listeners.shared()
    }

    /// Takes all groups of sockets back but these, which are a successor's from now on.
    pub(super) fn keep_listeners(&mut self, groups: &[GroupId]) {
        for group in self.listeners.keep(groups) {
            // To one that has just died this is nothing: its successor starts with it.
            self.members.iter().for_each(|member| _ = member.orders.send(Order::Leave(group)));
        }
    }

    /// Waits until what is queued at groups that were taken back is accepted.
    ///
    /// # Errors
    /// As [`tend`](Self::tend) returns.
    pub(super) async fn have_left(&mut self) -> Result<(), ServeError> {
        while self.listeners.is_leaving() {
            if let Some(report) = self.reports.recv().await {
                self.hear(report)?;
            }
        }
        Ok(())
    }

    /// Has the workers stop, and waits until all have ended; one that dies on the way has a successor. Cancel safe:
    /// awaited once more it goes on.
    ///
    /// # Errors
    /// As [`tend`](Self::tend) returns.
    pub(super) async fn stop(&mut self, stop: Stop) -> Result<(), ServeError> {
        if stop == Stop::Drain {
            self.listeners.refuse();
        }
        self.stop.send_replace(Some(stop));
        while self.members.iter().any(|member| member.stage < Stage::Ended) {
            if let Some(report) = self.reports.recv().await {
                self.hear(report)?;
            }
            if self.members.iter().all(|member| member.stage >= Stage::Emptied) {
                // All together, and only now that their queues are empty: what waits in the queue of a socket is
                // reset when that one is closed (rule 2 of `server`).
                self.listeners.close();
            }
        }
        Ok(())
    }

    fn hear(&mut self, Report { worker, event }: Report) -> Result<(), ServeError> {
        let Some(member) = self.members.get_mut(worker) else { return Ok(()) };
        match event {
            Event::Left(group) => self.listeners.left(worker, group),
            Event::Answered => member.answered = true,
            Event::Emptied => member.stage = Stage::Emptied,
            Event::Ended if member.stage == Stage::Emptied => member.stage = Stage::Ended,
            Event::Ended => return self.replace(worker),
        }
        Ok(())
    }

    /// Starts a worker anew that has died. Its sockets are the server's, and so nothing that waits in their queues is
    /// lost; neither is what others have handed over to it.
    fn replace(&mut self, index: usize) -> Result<(), ServeError> {
        let Some(member) = self.members.get_mut(index) else { return Ok(()) };
        member.deaths.push_back(Instant::now());
        member.deaths.retain(|death| death.elapsed() < DEATHS_WITHIN);
        if member.deaths.len() >= MAX_DEATHS {
            return Err(ServeError::WorkerDied);
        }
        self.means.metrics.worker_restarted();
        tracing::error!(worker = index, "a worker has died, and its connections with it; it is started anew");
        self.start_worker(index)
    }

    fn start_worker(&mut self, index: usize) -> Result<(), ServeError> {
        let (loans, leaving) = self.listeners.lend(index)?;
        let Some(member) = self.members.get_mut(index) else { return Ok(()) };
        let mailbox = member.mailbox.take().ok_or(ServeError::WorkerDied)?;
        let (sender, orders) = mpsc::unbounded_channel();
        leaving.into_iter().for_each(|group| _ = sender.send(Order::Leave(group)));
        if !member.answered {
            let _ = sender.send(Order::Answer);
        }
        member.orders = sender;
        let Means { published, identity, access_log, capacity, descriptors, newcomers, reports, .. } =
            &self.means;
        let reports = Reports { worker: index, sender: reports.clone() };
        let assignment = Assignment {
            published: Arc::clone(published),
            identity: Arc::clone(identity),
            counters: Arc::clone(&member.counters),
            access_log: access_log.as_ref().map(|log| log.handle()),
            loans,
            seat: (member.seat.clone(), mailbox),
            capacity: Arc::clone(capacity),
            descriptors: Arc::clone(descriptors),
            newcomers: Arc::clone(newcomers),
            orders,
            stop: self.stop.subscribe(),
            reports: reports.clone(),
        };
        spawn(Arc::clone(&self.work), assignment, WorkerEnd(reports)).map_err(ServeError::Start)
    }
}

fn spawn(work: Work, assignment: Assignment, end: WorkerEnd) -> io::Result<()> {
    let name = format!("worker-{}", end.0.worker);
    let run = move || {
        // Dropped last: what the worker held is free by then.
        let _end = end;
        if let Err(error) = work(assignment) {
            tracing::error!(%error, "a worker cannot serve");
        }
    };
    thread::Builder::new().name(name).spawn(run).map(drop)
}

/// Tells that a worker has ended, in whatever way.
struct WorkerEnd(Reports);

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        self.0.send(Event::Ended);
    }
}

#[cfg(test)]
mod tests;

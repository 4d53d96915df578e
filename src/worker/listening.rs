//! The listeners that a worker serves, which come and go while it runs.

use std::{cell::RefCell, future::Future, io, rc::Rc, thread};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    accept::accept,
    handover::Terms,
    orders::{Event, GroupId, Loan, Order, Report, Stop},
    ticket::Worker,
};
use crate::net::listen::Acceptor;

/// The listeners of one worker.
pub(super) struct Listening {
    worker: Rc<Worker>,
    stop: watch::Receiver<Option<Stop>>,
    reports: Reports,
    groups: Vec<Served>,
    /// Groups whose queues are being emptied.
    leaving: JoinSet<()>,
}

/// Where a worker tells of itself.
#[derive(Clone, Debug)]
pub struct Reports {
    /// The worker, by its number.
    pub worker: usize,
    /// The server's ear.
    pub sender: mpsc::UnboundedSender<Report>,
}

impl Reports {
    /// Tells of `event`.
    pub fn send(&self, event: Event) {
        // Without a receiver the process is ending already.
        let _ = self.sender.send(Report { worker: self.worker, event });
    }
}

/// A group of listeners that is being served.
struct Served {
    id: GroupId,
    terms: Rc<RefCell<Terms>>,
    leave: watch::Sender<bool>,
    accepting: JoinSet<()>,
}

impl Listening {
    /// Nothing so far.
    pub(super) fn new(worker: Rc<Worker>, stop: watch::Receiver<Option<Stop>>, reports: Reports) -> Self {
        Self { worker, stop, reports, groups: Vec::new(), leaving: JoinSet::new() }
    }

    /// Serves one more listener. Needs a local runtime.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub(super) fn listen(&mut self, loan: Loan) -> io::Result<()> {
        let acceptor = Acceptor::new(loan.listener, Rc::clone(&self.worker.freed))?;
        let at = self.groups.iter().position(|group| group.id == loan.group).unwrap_or_else(|| {
            self.groups.push(Served {
                id: loan.group,
                terms: Rc::new(RefCell::new(loan.terms)),
                leave: watch::Sender::new(false),
                accepting: JoinSet::new(),
            });
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(at) {
            let (terms, leave) = (Rc::clone(&group.terms), group.leave.subscribe());
            let accepting = accept(Rc::clone(&self.worker), acceptor, terms, leave, self.stop.clone());
            group.accepting.spawn_local(vital(&self.worker, accepting));
        }
        Ok(())
    }

    /// Does what the server says.
    ///
    /// # Errors
    /// When a listener cannot be watched.
    pub(super) fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Listen(loan) => return self.listen(loan),
            Order::Terms(id, terms) => {
                if let Some(group) = self.groups.iter().find(|group| group.id == id) {
                    group.terms.replace(terms);
                }
            }
            Order::Reconfigure { dns_differs } => self.worker.core.reconfigure(dns_differs),
            Order::Leave(id) => self.leave(id),
            Order::Answer => self.reports.send(Event::Answered),
            #[cfg(test)]
            Order::Panic { in_task: true } => {
                self.leaving.spawn_local(vital(&self.worker, async { panic!("in a task, as ordered") }));
            }
            #[cfg(test)]
            Order::Panic { in_task: false } => panic!("beside the tasks, as ordered"),
        }
        Ok(())
    }

    fn leave(&mut self, id: GroupId) {
        while self.leaving.try_join_next().is_some() {}
        let group = self.groups.iter().position(|group| group.id == id).map(|at| self.groups.swap_remove(at));
        let reports = self.reports.clone();
        self.leaving.spawn_local(async move {
            if let Some(group) = group {
                group.leave.send_replace(true);
                end(group.accepting).await;
            }
            reports.send(Event::Left(id));
        });
    }

    /// Waits until all have ended, which they do when the process stops.
    pub(super) async fn ended(self) {
        for group in self.groups {
            end(group.accepting).await;
        }
        end(self.leaving).await;
    }
}

async fn end(mut tasks: JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// A task that a worker cannot do without: its panic is the worker's end, for half of one would be worse.
pub(super) fn vital<T: Future<Output = ()>>(
    worker: &Rc<Worker>,
    task: T,
) -> impl Future<Output = ()> + use<T> {
    let guard = Vital(Rc::clone(worker));
    async move {
        let _guard = guard;
        task.await;
    }
}

struct Vital(Rc<Worker>);

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.core.counters.panic();
            self.0.broken.notify_one();
        }
    }
}

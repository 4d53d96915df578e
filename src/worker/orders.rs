//! What the server tells a worker while it runs, and what it is told.

use super::handover::Terms;
use crate::net::listen::ListeningSocket;

/// The sockets of one listen address, by the number that the server gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupId(pub usize);

/// A listener on loan.
#[derive(Debug)]
pub struct Loan {
    /// The group of the socket; a worker may get several of one.
    pub group: GroupId,
    /// The socket.
    pub listener: ListeningSocket,
    /// What it says of its connections.
    pub terms: Terms,
}

/// What a worker is to do while it serves.
#[derive(Debug)]
pub enum Order {
    /// Serve this listener, too.
    Listen(Loan),
    /// Let this hold for connections that the group accepts from now on.
    Terms(GroupId, Terms),
    /// Take over what another configuration says of what a worker has one of.
    Reconfigure {
        /// Names are resolved otherwise.
        dns_differs: bool,
    },
    /// Empty the queues of the group, let go of its sockets and say so; what it has brought is served on.
    Leave(GroupId),
    /// Say that orders are obeyed.
    Answer,
    /// Panic, as only a defect would: in a task that the worker needs, or beside its tasks.
    #[cfg(test)]
    Panic {
        /// In a task.
        in_task: bool,
    },
}

/// How a worker stops accepting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// What is queued is served.
    #[default]
    Drain,
    /// What is queued is left to a successor that has the same sockets.
    HandOver,
}

/// What a worker tells the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The worker, by its number.
    pub worker: usize,
    /// What has happened.
    pub event: Event,
}

/// What happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has let go of the sockets of a group, whose queues were empty.
    Left(GroupId),
    /// It obeys orders.
    Answered,
    /// It has stopped: its queues are empty, and it has let go of all its sockets.
    Emptied,
    /// It has ended, in whatever way.
    Ended,
}

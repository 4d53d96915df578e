//! The listeners: opened by the process, lent to the workers, taken back, closed together.

use std::{fmt, io, os::fd::OwnedFd};

use super::{
    fault::ServeError,
    inherited::{Inherited, Taken},
};
use crate::{
    config::{Config, ListenAddress, Listener, ListenerId},
    net::{
        SocketFile,
        listen::{ListenError, ListeningSocket, adopt, bind_group},
    },
    worker::{GroupId, Loan, Terms},
};

/// All that the process listens on.
pub(super) struct Listeners {
    /// In the order of the configuration.
    open: Vec<ListenerGroup>,
    /// Taken back, with connections in their queues that workers are about to accept.
    leaving: Vec<Leaving>,
    /// So many workers share them.
    workers: usize,
    /// The number of the next group.
    next: usize,
}

/// The sockets of one listen address: one for each worker, unless they are inherited or it is a Unix socket.
#[derive(Debug)]
pub(super) struct ListenerGroup {
    id: GroupId,
    /// As it is configured: port 0 stands for any.
    configured: ListenAddress,
    address: ListenAddress,
    /// Before the sockets, for it is known by them that the file is theirs.
    file: OwnFile,
    sockets: Vec<ListeningSocket>,
    /// A service manager has them as well, and goes on listening.
    kept: bool,
    terms: Terms,
}

/// The file of a Unix socket that is nobody else's, removed when nobody is to connect to it any more.
#[derive(Debug, Default)]
pub(super) struct OwnFile(Option<SocketFile>);

impl OwnFile {
    /// That of the socket at this address, if it has one.
    pub(super) fn at(address: &ListenAddress) -> Self {
        match address {
            ListenAddress::Tcp(_) => Self(None),
            ListenAddress::Unix(name) => Self(name.file().and_then(SocketFile::of)),
        }
    }

    /// Has it removed in the end, also where another process has made it.
    pub(super) fn claim(&mut self, address: &ListenAddress) {
        if self.0.is_none() {
            *self = Self::at(address);
        }
    }

    /// Leaves it to whoever has the socket from now on.
    pub(super) fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        self.0.iter().for_each(SocketFile::remove);
    }
}

/// A socket once more, for a process that is to share it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) group: GroupId,
    pub(super) kept: bool,
    pub(super) socket: OwnedFd,
}

struct Leaving {
    group: ListenerGroup,
    /// Workers that have not yet emptied their queues.
    workers: Vec<usize>,
}

/// Listeners that are new, and what each worker is lent of them.
struct Opened {
    groups: Vec<ListenerGroup>,
    loans: Vec<Vec<Loan>>,
}

/// Something about what is listened on has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenerChange {
    /// This address is served from now on.
    Opened(ListenAddress),
    /// Connections to this one are refused from now on.
    Closed(ListenAddress),
}

impl fmt::Display for ListenerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(address) => write!(f, "{address} is served"),
            Self::Closed(address) => write!(f, "{address} is closed"),
        }
    }
}

/// What workers are to be told of a change.
#[derive(Debug)]
pub(super) struct Rearranged {
    /// For each worker.
    pub(super) loans: Vec<Vec<Loan>>,
    /// For all of them.
    pub(super) terms: Vec<(GroupId, Terms)>,
    /// For all of them.
    pub(super) taken_back: Vec<GroupId>,
    /// For the operator.
    pub(super) changes: Vec<ListenerChange>,
}

impl Listeners {
    /// Opens every listener of `config`, unless `inherited` has sockets of its address: then it is these.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub(super) fn open(config: &Config, inherited: &mut Inherited) -> Result<Self, ServeError> {
        let workers = config.process.workers.get();
        let mut listeners = Self { open: Vec::new(), leaving: Vec::new(), workers, next: 0 };
        let mut taken: Vec<Taken> = config.listeners().map(|_| Taken::default()).collect();
        // What is left by those that name their port is for those that do not.
        for any_port in [false, true] {
            for ((_, listener), taken) in config.listeners().zip(&mut taken) {
                if listener.address.is_any_port() == any_port {
                    *taken = inherited.take(&listener.address);
                }
            }
        }
        for ((id, listener), taken) in config.listeners().zip(taken) {
            let group = if taken.sockets.is_empty() {
                listeners.bind(config, (id, listener))?
            } else {
                for socket in &taken.sockets {
                    adopt(socket, config.limits.socket_buffer)
                        .map_err(|source| ListenError { address: listener.address.clone(), source })?;
                }
                listeners.group((id, listener), taken)?
            };
            listeners.open.push(group);
        }
        Ok(listeners)
    }

    /// Where the listeners of the configuration are, in its order.
    pub(super) fn addresses(&self) -> Vec<ListenAddress> {
        self.open.iter().map(|group| group.address.clone()).collect()
    }

    /// Has this process remove the files of its Unix sockets in the end, also of those that are inherited: to be called
    /// when the process that it succeeds knows that they are not its own any more.
    pub(super) fn own_files(&mut self) {
        for group in self.open.iter_mut().filter(|group| !group.kept) {
            group.file.claim(&group.address);
        }
    }

    /// What worker `worker` is to be lent when it starts, and the groups among it that it has to leave at once: it is
    /// the successor of one that died before it could.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub(super) fn lend(&self, worker: usize) -> Result<(Vec<Loan>, Vec<GroupId>), ServeError> {
        let leaving = self.leaving.iter().filter(|leaving| leaving.workers.contains(&worker));
        let leaving: Vec<&ListenerGroup> = leaving.map(|leaving| &leaving.group).collect();
        let mut loans = Vec::new();
        for group in self.open.iter().chain(leaving.iter().copied()) {
            loans.extend(group.lend(worker, self.workers).map_err(|error| ServeError::Start(error.source))?);
        }
        Ok((loans, leaving.iter().map(|group| group.id).collect()))
    }

    /// Makes what is listened on equal to `config.listeners`. A listener is known by its address as configured, and by
    /// its place among those of the same one. What is new is opened first; then those that are gone refuse what comes.
    ///
    /// # Errors
    /// Each address that cannot be listened on; then nothing has changed.
    pub(super) fn rearrange(&mut self, config: &Config) -> Result<Rearranged, Vec<ListenError>> {
        let Opened { groups, loans } = self.open_new(config)?;
        let mut opened = groups.into_iter();
        let mut gone: Vec<ListenerGroup> = self.open.drain(..).collect();
        let (mut terms, mut changes) = (Vec::new(), Vec::new());
        for (id, listener) in config.listeners() {
            if let Some(at) = gone.iter().position(|group| group.configured == listener.address) {
                let mut group = gone.remove(at);
                group.terms = terms_of(id, listener);
                for socket in &group.sockets {
                    // What the kernel may keep follows the configuration; where it declines, the old bound stays.
                    let _ = adopt(socket, config.limits.socket_buffer);
                }
                terms.push((group.id, group.terms.clone()));
                self.open.push(group);
            } else if let Some(group) = opened.next() {
                changes.push(ListenerChange::Opened(group.address.clone()));
                self.open.push(group);
            }
        }
        let mut taken_back = Vec::new();
        for group in gone {
            changes.push(ListenerChange::Closed(group.address.clone()));
            taken_back.push(group.id);
            self.leave(group);
        }
        Ok(Rearranged { loans, terms, taken_back, changes })
    }

    /// Takes all groups back but these, which a successor has from now on; returns which.
    pub(super) fn keep(&mut self, groups: &[GroupId]) -> Vec<GroupId> {
        let gone: Vec<ListenerGroup> =
            self.open.extract_if(.., |group| !groups.contains(&group.id)).collect();
        self.open.iter_mut().for_each(|group| group.file.leave());
        let ids = gone.iter().map(|group| group.id).collect();
        gone.into_iter().for_each(|group| self.leave(group));
        ids
    }

    fn leave(&mut self, mut group: ListenerGroup) {
        group.refuse();
        self.leaving.push(Leaving { group, workers: (0..self.workers).collect() });
    }

    /// Whether workers are still emptying queues of groups that were taken back.
    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// All sockets that are listened on, once more: for a process that is to share them.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub(super) fn shared(&self) -> io::Result<Vec<Shared>> {
        let mut shared = Vec::new();
        for group in &self.open {
            for socket in &group.sockets {
                shared.push(Shared { group: group.id, kept: group.kept, socket: socket.try_clone()?.into() });
            }
        }
        Ok(shared)
    }

    /// Opens those listeners of `config` that are not open yet.
    fn open_new(&mut self, config: &Config) -> Result<Opened, Vec<ListenError>> {
        let mut known: Vec<ListenAddress> = self.open.iter().map(|group| group.configured.clone()).collect();
        let (mut groups, mut faults) = (Vec::new(), Vec::new());
        for (id, listener) in config.listeners() {
            if let Some(at) = known.iter().position(|address| *address == listener.address) {
                known.swap_remove(at);
                continue;
            }
            match self.bind(config, (id, listener)) {
                Ok(group) => groups.push(group),
                Err(fault) => faults.push(fault),
            }
        }
        let mut loans = Vec::new();
        for worker in 0..self.workers {
            let lent: Result<Vec<_>, _> =
                groups.iter().map(|group| group.lend(worker, self.workers)).collect();
            match lent {
                Ok(lent) => loans.push(lent.into_iter().flatten().collect()),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Opened { groups, loans }) } else { Err(faults) }
    }

    fn bind(
        &mut self,
        config: &Config,
        listener: (ListenerId, &Listener),
    ) -> Result<ListenerGroup, ListenError> {
        let sockets = bind_group(&listener.1.address, self.workers, config.limits.socket_buffer)?;
        let mut group = self.group(listener, Taken { sockets, kept: false })?;
        group.file = OwnFile::at(&group.address);
        Ok(group)
    }

    fn group(
        &mut self,
        (listener_id, listener): (ListenerId, &Listener),
        taken: Taken,
    ) -> Result<ListenerGroup, ListenError> {
        let Taken { sockets, kept } = taken;
        let address = match sockets.first().map(ListeningSocket::address) {
            Some(Ok(address)) => address,
            Some(Err(source)) => return Err(ListenError { address: listener.address.clone(), source }),
            None => listener.address.clone(),
        };
        let id = GroupId(self.next);
        self.next += 1;
        let (configured, terms) = (listener.address.clone(), terms_of(listener_id, listener));
        Ok(ListenerGroup { id, configured, address, file: OwnFile::default(), sockets, kept, terms })
    }

    /// A worker has emptied its queues of a group that was taken back. When all have, the sockets are closed.
    pub(super) fn left(&mut self, worker: usize, id: GroupId) {
        for leaving in &mut self.leaving {
            if leaving.group.id == id {
                leaving.workers.retain(|waiting| *waiting != worker);
            }
        }
        // All together, and only now that their queues are empty: what waits in the queue of a socket is reset when
        // that one is closed (rule 2 of `server`).
        self.leaving.retain(|leaving| !leaving.workers.is_empty());
    }

    /// Takes no new connections any more; what waits to be accepted stays.
    pub(super) fn refuse(&mut self) {
        self.open.iter_mut().for_each(ListenerGroup::refuse);
    }

    /// Closes all sockets of all groups.
    pub(super) fn close(&mut self) {
        self.open.clear();
        self.leaving.clear();
    }
}

impl ListenerGroup {
    /// The sockets of one worker, which shares their queues with the process: none is lost with the worker.
    fn lend(&self, worker: usize, workers: usize) -> Result<Vec<Loan>, ListenError> {
        let mut loans = Vec::new();
        for socket in shares(&self.sockets, worker, workers) {
            let listener =
                socket.try_clone().map_err(|source| ListenError { address: self.address.clone(), source })?;
            loans.push(Loan { group: self.id, listener, terms: self.terms.clone() });
        }
        Ok(loans)
    }

    fn refuse(&mut self) {
        // What is kept is another's to close, and would refuse for ever.
        for socket in self.sockets.iter().filter(|_| !self.kept) {
            // Where the kernel declines, connections that come in these last moments are reset at the close.
            let _ = socket.refuse_new();
        }
        self.file = OwnFile::default();
    }
}

fn terms_of(id: ListenerId, listener: &Listener) -> Terms {
    Terms {
        listener: id,
        proxy_protocol: listener.proxy_protocol,
        tls: listener.tls.clone(),
        loopback: listener.is_loopback(),
    }
}

/// Those of `all` that worker `worker` serves, of so many workers: each is served by one, and where there are fewer
/// than workers, several share one.
fn shares<T>(all: &[T], worker: usize, workers: usize) -> impl Iterator<Item = &T> {
    let own = all.iter().skip(worker).step_by(workers.max(1));
    let shared = worker.checked_rem(all.len()).filter(|_| worker >= all.len());
    own.chain(shared.and_then(|at| all.get(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_a_socket_and_every_socket_a_worker() {
        for sockets in 1..9_usize {
            for workers in 1..9_usize {
                let all: Vec<usize> = (0..sockets).collect();
                let mut served = vec![0; sockets];
                for worker in 0..workers {
                    let own: Vec<usize> = shares(&all, worker, workers).copied().collect();
                    assert!(!own.is_empty(), "worker {worker} of {workers} for {sockets} sockets");
                    own.iter().for_each(|socket| served[*socket] += 1);
                }
                assert!(served.iter().all(|count| *count > 0), "{served:?} for {workers} workers");
                assert!(sockets < workers || served.iter().all(|count| *count == 1), "{served:?}");
            }
        }
    }
}

//! The listener that shows what the process does: opened with the others, but served on this thread.

use std::{io, rc::Rc, sync::Arc};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    inherited::Inherited,
    listeners::{OwnFile, Shared},
    memory::MemoryBound,
};
use crate::{
    admin::{self, Observed, ReloadRequest, Stage},
    config::{Config, ListenAddress},
    net::listen::{ListenError, ListeningSocket, adopt, bind_group},
    observe::{metrics::Metrics, reloads::Reloads},
    proxy::snapshot::Published,
    worker::GroupId,
};

/// Its number among the groups of sockets of which a successor hears.
const GROUP: GroupId = GroupId(usize::MAX);

/// The listener before anybody is served there.
#[derive(Debug)]
pub(super) struct AdminListener {
    /// Before the socket, for it is known by that whose the file is.
    file: OwnFile,
    socket: ListeningSocket,
    address: ListenAddress,
    /// A service manager has it as well.
    kept: bool,
}

impl AdminListener {
    /// Opens it where the configuration wants one, unless `inherited` has a socket of its address.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(super) fn open(config: &Config, inherited: &mut Inherited) -> Result<Option<Self>, ListenError> {
        let Some(configured) = &config.admin.listen else { return Ok(None) };
        let of = |source| ListenError { address: configured.clone(), source };
        let mut taken = inherited.take(configured);
        let (socket, file) = match taken.sockets.pop() {
            Some(socket) => {
                adopt(&socket, config.limits.socket_buffer).map_err(of)?;
                (socket, OwnFile::default())
            }
            None => {
                let mut bound = bind_group(configured, 1, config.limits.socket_buffer)?;
                let socket = bound.pop().ok_or_else(|| of(io::ErrorKind::Other.into()))?;
                (socket, OwnFile::at(configured))
            }
        };
        let address = socket.address().map_err(of)?;
        Ok(Some(Self { file, socket, address, kept: taken.kept }))
    }
}

/// The listener while the process serves there, and what is asked of the process there.
pub(super) struct AdminDesk {
    listener: AdminListener,
    observed: Rc<Observed>,
    reloads: mpsc::Receiver<ReloadRequest>,
    _tasks: JoinSet<()>,
}

impl AdminDesk {
    /// Serves there, on the local runtime that this is called on.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub(super) fn serve(
        listener: AdminListener,
        published: Arc<Published>,
        metrics: &Arc<Metrics>,
        reloads: &Arc<Reloads>,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(1);
        let bound = |config: &Config| MemoryBound::of(config).total();
        let observed =
            Rc::new(Observed::new(published, Arc::clone(metrics), Arc::clone(reloads), sender, bound));
        let tasks = admin::serve(listener.socket.try_clone()?, Rc::clone(&observed))?;
        Ok(Self { listener, observed, reloads: receiver, _tasks: tasks })
    }

    /// Where it is.
    pub(super) const fn address(&self) -> &ListenAddress {
        &self.listener.address
    }

    /// Tells that the process serves, and where.
    pub(super) fn serves(&self, addresses: Vec<ListenAddress>) {
        *self.observed.addresses.borrow_mut() = addresses;
        self.observed.stage.set(Stage::Serving);
    }

    /// Tells that nothing new is to be sent to the process; reloads are not asked for any more.
    pub(super) fn drains(&mut self) {
        self.observed.stage.set(Stage::Draining);
        self.reloads.close();
        while self.reloads.try_recv().is_ok() {}
    }

    /// Waits for somebody who wants a reload. Cancel safe.
    pub(super) async fn reload_wanted(&mut self) -> ReloadRequest {
        match self.reloads.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// Has the process remove the file of its socket in the end, also of one that is inherited.
    pub(super) fn own_file(&mut self) {
        if !self.listener.kept {
            self.listener.file.claim(&self.listener.address);
        }
    }

    /// Its socket once more, for a successor.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub(super) fn shared(&self) -> io::Result<Shared> {
        let socket = match self.listener.socket.try_clone()? {
            ListeningSocket::Tcp(tcp) => tcp.into(),
            ListeningSocket::Unix(unix) => unix.into(),
        };
        Ok(Shared { group: GROUP, kept: self.listener.kept, socket })
    }

    /// Leaves it to a successor that serves these groups of sockets.
    pub(super) fn leave(mut self, serves: &[GroupId]) {
        if serves.contains(&GROUP) {
            self.listener.file.leave();
        }
    }
}

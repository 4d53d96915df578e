//! The listeners: opened by the process, lent to the workers, closed together.

use std::net::{SocketAddr, TcpListener};

use super::fault::ServeError;
use crate::{
    config::Config,
    net::listen::{bind_group, refuse_new},
    worker::Loan,
};

/// The sockets of one listen address, one for each worker.
pub(super) struct ListenerGroup {
    pub(super) address: SocketAddr,
    sockets: Vec<TcpListener>,
}

/// Opens every listener.
///
/// # Errors
/// When an address cannot be listened on.
pub(super) fn listen(config: &Config) -> Result<Vec<ListenerGroup>, ServeError> {
    let mut groups = Vec::new();
    for (_, listener) in config.listeners() {
        let sockets =
            bind_group(listener.address, config.process.workers.get(), config.limits.socket_buffer)?;
        let address = match sockets.first().map(TcpListener::local_addr) {
            Some(Ok(address)) => address,
            Some(Err(error)) => return Err(ServeError::Start(error)),
            None => listener.address,
        };
        groups.push(ListenerGroup { address, sockets });
    }
    Ok(groups)
}

/// The sockets of one worker, which shares their queues with the process: none is lost with the worker.
///
/// # Errors
/// When no descriptors are left.
pub(super) fn lend(
    config: &Config,
    groups: &[ListenerGroup],
    worker: usize,
) -> Result<Vec<Loan>, ServeError> {
    let mut loans = Vec::new();
    for (group, (id, _)) in groups.iter().zip(config.listeners()) {
        let Some(socket) = group.sockets.get(worker) else { continue };
        loans.push(Loan { listener: socket.try_clone().map_err(ServeError::Start)?, id });
    }
    Ok(loans)
}

/// Takes no new connections any more; what waits to be accepted stays.
pub(super) fn refuse(groups: &[ListenerGroup]) {
    for socket in groups.iter().flat_map(|group| &group.sockets) {
        // Where the kernel declines, connections that come in these last moments are reset at the close.
        let _ = refuse_new(socket);
    }
}

//! A connection from its arrival at a worker until it ends or is parked.

use std::rc::Rc;

use tokio::{task::spawn_local, time::timeout};

use super::ticket::{Arrival, Worker};
use crate::net::{handshake, stream::Stream};

/// Serves a connection until it ends or is parked.
pub(super) fn serve_arrival(worker: &Rc<Worker>, arrival: Arrival) {
    if let Some(arrival) = worker.tasks.give(arrival) {
        spawn_local(serve_arrivals(Rc::clone(worker), arrival));
    }
}

/// Serves one connection after the other.
async fn serve_arrivals(worker: Rc<Worker>, first: Arrival) {
    let mut next = Some(first);
    while let Some(Arrival { tcp, tls, ticket, patience }) = next.take() {
        let stream = match tls {
            None => Ok(Ok(Stream::Tcp(tcp))),
            // Boxed: the handshake's room is not the connection's.
            Some(tls) => {
                Box::pin(timeout(worker.core.config.timeouts.head, handshake::accept(tls, tcp))).await
            }
        };
        let idle = match stream {
            Ok(Ok(stream)) => worker.serving.serve(stream, ticket.client, patience).await,
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

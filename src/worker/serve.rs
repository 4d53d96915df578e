//! A connection from its arrival at a worker until it ends or is parked.

use std::rc::Rc;

use tokio::{task::spawn_local, time::timeout};

use super::ticket::{Arrival, Ticket, Worker};
use crate::{
    error::Error,
    net::{handshake, socket::Socket, stream::Stream},
    tls::{ServerHandshake, ServerTls},
};

const PLAIN_HTTP: Error =
    Error::RequestHead("this is plain HTTP on a port that speaks TLS; use https:// in the URL");

/// Serves a connection until it ends or is parked.
pub(super) fn serve_arrival(worker: &Rc<Worker>, arrival: Arrival) {
    if let Some(arrival) = worker.tasks.give(arrival) {
        spawn_local(serve_arrivals(Rc::clone(worker), arrival));
    }
}

/// Serves one connection after the other.
async fn serve_arrivals(worker: Rc<Worker>, first: Arrival) {
    let mut next = Some(first);
    while let Some(Arrival { socket, tls, ticket, patience }) = next.take() {
        let opened = match tls {
            None => Some((socket.into(), None)),
            // Boxed: the handshake's room is not the connection's.
            Some(tls) => Box::pin(secure(&worker, tls, socket, &ticket)).await,
        };
        let idle = match opened {
            Some((stream, handshake)) => {
                worker.serving.serve(stream, ticket.client(handshake), patience).await
            }
            None => None,
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

/// The connection after its handshake, for which there is as much time as for a head. Who speaks plain HTTP is told
/// so; who fails otherwise has nobody to be answered.
async fn secure(
    worker: &Worker,
    tls: ServerTls,
    socket: Socket,
    ticket: &Ticket,
) -> Option<(Stream, Option<ServerHandshake>)> {
    let shaken = timeout(worker.core.snapshot().config.timeouts.head, async {
        if handshake::speaks_plain_text(&socket).await {
            return Err(socket);
        }
        Ok(handshake::accept(&tls, socket).await.ok())
    });
    match shaken.await {
        Ok(Ok(accepted)) => accepted.map(|(stream, told)| (stream, Some(told))),
        Ok(Err(plain)) => {
            worker.serving.refuse(plain.into(), ticket.client(None), PLAIN_HTTP).await;
            None
        }
        Err(_elapsed) => None,
    }
}

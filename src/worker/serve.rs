//! A connection from its arrival at a worker until it ends or is parked.

use std::rc::Rc;

use tokio::{
    task::spawn_local,
    time::{Instant, timeout_at},
};

use super::ticket::{Arrival, Ticket, Worker};
use crate::{
    error::Error,
    net::{handshake, proxy_header, socket::Socket, stream::Stream},
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
    while let Some(Arrival { socket, proxy_protocol, tls, mut ticket, patience }) = next.take() {
        let opened = if tls.is_none() && !proxy_protocol {
            Some((socket.into(), None))
        } else {
            // Boxed: its room is not the connection's.
            Box::pin(open(&worker, (proxy_protocol, tls), socket, &mut ticket)).await
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

/// A connection after what comes before its first request, for all of which there is as much time as for a head.
type Opened = Option<(Stream, Option<ServerHandshake>)>;

/// Receives the PROXY header where the peer is trusted and has to begin with it, and performs the handshake where TLS is
/// spoken (rule 12 of [`worker`](super)).
async fn open(
    worker: &Worker,
    (proxy_protocol, tls): (bool, Option<ServerTls>),
    mut socket: Socket,
    ticket: &mut Ticket,
) -> Opened {
    let (deadline, is_trusted) = {
        let config = &worker.core.snapshot().config;
        (Instant::now() + ticket.patience(config), config.trust.proxies.trusts_peer(ticket.peer()))
    };
    if proxy_protocol && is_trusted {
        let received = timeout_at(deadline, proxy_header::receive(&mut socket, ticket.peer()));
        ticket.is_for(received.await.ok()??);
    }
    match tls {
        None => Some((socket.into(), None)),
        Some(tls) => secure(worker, tls, socket, ticket, deadline).await,
    }
}

/// The connection after its handshake. Who speaks plain HTTP is told so; who fails otherwise has nobody to be answered.
async fn secure(
    worker: &Worker,
    tls: ServerTls,
    socket: Socket,
    ticket: &Ticket,
    deadline: Instant,
) -> Opened {
    let shaken = timeout_at(deadline, async {
        if handshake::speaks_plain_text(&socket).await {
            return Err(socket);
        }
        Ok(handshake::accept(&tls, socket).await.ok())
    });
    match shaken.await {
        Ok(Ok(accepted)) => accepted.map(|(stream, told)| (stream, Some(told))),
        // A proxy that is not trusted would pass the answer on to its client.
        Ok(Err(plain)) if proxy_header::comes_first(&plain).await => None,
        Ok(Err(plain)) => {
            worker.serving.refuse(plain.into(), ticket.client(None), PLAIN_HTTP).await;
            None
        }
        Err(_elapsed) => None,
    }
}

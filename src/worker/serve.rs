//! A connection from its arrival at a worker until it ends or is parked.

use std::rc::Rc;

use tokio::{
    task::spawn_local,
    time::{Instant, timeout_at},
};

use super::ticket::{Arrival, Arriving, NewConnection, Ticket, Worker};
use crate::{
    error::Error,
    net::{handshake, parked::Unparked, proxy_header, socket::Socket, stream::Stream},
    proxy::{
        RestingStream,
        serve::{AtRest, Beginning},
    },
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
    while let Some(Arrival { mut ticket, what }) = next.take() {
        let beginning = match what {
            Arriving::New(new) if new.is_plain() => {
                Some((Beginning::Connection(new.socket.into(), new.patience), None))
            }
            Arriving::Rested(sockets, kept) => Some((Beginning::Rested(sockets, kept), None)),
            // Boxed: its room is not the connection's.
            Arriving::New(new) => Box::pin(open(&worker, new, &mut ticket)).await,
        };
        let at_rest = match beginning {
            Some((beginning, handshake)) => worker.serving.serve(beginning, ticket.client(handshake)).await,
            None => None,
        };
        match at_rest {
            Some(AtRest::Idle(idle)) => {
                // Where the kernel has no memory left to watch an idle connection, that one is closed.
                let _ = worker.parked.park([idle.tcp], idle.deadline, ticket);
                worker.publish();
            }
            Some(AtRest::Stream(stream)) => {
                let RestingStream { sockets, deadline, kept } = stream;
                let parked = worker.resting.park(sockets, deadline, (ticket, kept));
                worker.core.idle.note_rest();
                next = parked.err().and_then(|Unparked { sockets, ticket: (ticket, kept) }| {
                    Some(Arrival { ticket, what: Arriving::Rested(sockets?, kept) })
                });
                worker.publish();
            }
            None => drop(ticket),
        }
        if next.is_none() {
            next = worker.tasks.next().await;
        }
    }
}

/// A connection after what comes before its first request, for all of which there is as much time as for a head.
type Opened = Option<(Beginning, Option<ServerHandshake>)>;

/// Receives the PROXY header where the peer is trusted and has to begin with it, and performs the handshake where TLS is
/// spoken (rule 12 of [`worker`](super)).
async fn open(
    worker: &Worker,
    NewConnection { proxy_protocol, tls, mut socket, patience }: NewConnection,
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
        None => Some((Beginning::Connection(socket.into(), patience), None)),
        Some(tls) => {
            let secured = secure(worker, tls, socket, ticket, deadline).await;
            secured.map(|(stream, told)| (Beginning::Connection(stream, patience), Some(told)))
        }
    }
}

/// The connection after its handshake. Who speaks plain HTTP is told so; who fails otherwise has nobody to be answered.
async fn secure(
    worker: &Worker,
    tls: ServerTls,
    socket: Socket,
    ticket: &Ticket,
    deadline: Instant,
) -> Option<(Stream, ServerHandshake)> {
    let shaken = timeout_at(deadline, async {
        if handshake::speaks_plain_text(&socket).await {
            return Err(socket);
        }
        Ok(handshake::accept(&tls, socket).await.ok())
    });
    match shaken.await {
        Ok(Ok(accepted)) => accepted,
        // A proxy that is not trusted would pass the answer on to its client.
        Ok(Err(plain)) if proxy_header::comes_first(&plain).await => None,
        Ok(Err(plain)) => {
            worker.serving.refuse(plain.into(), ticket.client(None), PLAIN_HTTP).await;
            None
        }
        Err(_elapsed) => None,
    }
}

//! Accepting connections, and taking over those that other workers hand over.

use std::{net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::{
    handover::{Handover, Mailbox},
    serve::serve_arrival,
    ticket::{Arrival, Ticket, Worker},
};
use crate::{config::ListenerId, net::listen::Acceptor, plan::Client};

/// A listener that is being served.
pub(super) struct ServedListener {
    pub(super) acceptor: Acceptor,
    pub(super) id: ListenerId,
}

/// Accepts until the process stops; then only what is queued already.
pub(super) async fn accept(worker: Rc<Worker>, listener: ServedListener, mut stop: watch::Receiver<bool>) {
    let accepting = async {
        loop {
            // Accepted first: a permit that waits with an idle listener would be missing at a busy one.
            let (tcp, peer) = listener.acceptor.accept(|| worker.relieve()).await;
            let Some(permit) = permit(&worker).await else { return };
            assign(&worker, listener.id, tcp, peer, permit);
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    while let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned()
        && let Some((tcp, peer)) = listener.acceptor.try_drain()
    {
        admit(&worker, listener.id, tcp, peer, permit);
    }
}

/// A place for one more connection; nothing when the process ends.
async fn permit(worker: &Worker) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned() {
        return Some(permit);
    }
    // Boxed: rare.
    Box::pin(make_and_take(worker)).await
}

/// Waits for a place, and has idle connections make room (rule 11 of [`worker`](super)).
async fn make_and_take(worker: &Worker) -> Option<OwnedSemaphorePermit> {
    let _waiting = worker.newcomers.arrive();
    let mut place = pin!(Arc::clone(&worker.permits).acquire_owned());
    loop {
        if !worker.end_longest_idle() {
            worker.newcomers.call();
        }
        if let Ok(permit) = timeout(ROOM_WAIT, &mut place).await {
            return permit.ok();
        }
    }
}

/// How long to wait before somebody else is looked for who is idle by now.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Serves a connection here, or hands it over to a worker that has clearly less to do.
fn assign(
    worker: &Rc<Worker>,
    listener: ListenerId,
    tcp: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let Some(other) = worker.seat.better() else { return admit(worker, listener, tcp, address, permit) };
    // Fails only for a socket that the runtime has lost.
    let Ok(tcp) = tcp.into_std() else { return };
    if let Some(refused) = worker.seat.hand_over(other, Handover { tcp, address, listener, permit }) {
        admit_handover(worker, refused);
    }
}

/// Serves what other workers hand over, until the process stops; then only what is on its way already.
pub(super) async fn take_over(
    worker: Rc<Worker>,
    mut mailbox: Mailbox<Handover>,
    mut stop: watch::Receiver<bool>,
) {
    let taking = async {
        while let Some(handover) = mailbox.recv().await {
            admit_handover(&worker, handover);
            worker.seat.arrived();
        }
    };
    tokio::select! {
        () = taking => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    // From now on a worker that has not heard of the stop keeps what it accepts.
    mailbox.close();
    while let Some(handover) = mailbox.recv().await {
        admit_handover(&worker, handover);
        worker.seat.arrived();
    }
}

fn admit_handover(worker: &Rc<Worker>, handover: Handover) {
    let Handover { tcp, address, listener, permit } = handover;
    // A socket that the runtime cannot watch is closed, as it would be at an accept.
    if let Ok(tcp) = TcpStream::from_std(tcp) {
        admit(worker, listener, tcp, address, permit);
    }
}

fn admit(
    worker: &Rc<Worker>,
    listener: ListenerId,
    tcp: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let snapshot = worker.core.snapshot();
    let served = snapshot.config.listener(listener);
    let (tls, loopback_listener) = (served.tls.clone(), served.is_loopback());
    let client = Client { address, secure: tls.is_some(), loopback_listener, listener };
    let ticket = Ticket::new(worker, client, permit);
    let patience = snapshot.config.timeouts.head;
    serve_arrival(worker, Arrival { tcp, tls, ticket, patience });
}

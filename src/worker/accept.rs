//! Accepting connections, and taking over those that other workers hand over.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::{
    handover::{Handover, Mailbox, Terms},
    orders::Stop,
    serve::serve_arrival,
    ticket::{Arrival, Ticket, Worker},
};
use crate::{
    net::listen::{Accepted, Acceptor},
    plan::Client,
};

/// Accepts until the listener is taken back or the process stops; then what is queued already, unless a successor
/// shares the queue. What `terms` says holds for each connection from its accept to its end.
pub(super) async fn accept(
    worker: Rc<Worker>,
    acceptor: Acceptor,
    terms: Rc<RefCell<Terms>>,
    mut leave: watch::Receiver<bool>,
    mut stop: watch::Receiver<Option<Stop>>,
) {
    // Accepted, and without a place yet.
    let in_hand = Cell::new(None);
    let give = |accepted, permit| assign(&worker, terms.borrow().clone(), accepted, permit);
    let accepting = async {
        loop {
            // Accepted first: a permit that waits with an idle listener would be missing at a busy one.
            let accepted = acceptor.accept(|| worker.relieve()).await;
            if let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned() {
                give(accepted, permit);
                continue;
            }
            in_hand.set(Some(accepted));
            // Boxed: rare.
            let Some(permit) = Box::pin(make_and_take(&worker)).await else { return };
            if let Some(accepted) = in_hand.take() {
                give(accepted, permit);
            }
        }
    };
    let told = tokio::select! {
        () = accepting => return,
        _ = leave.wait_for(|leave| *leave) => None,
        // A server that is gone leaves no successor.
        stop = stop.wait_for(Option::is_some) => Some(stop.map_or(Stop::Drain, |stop| stop.unwrap_or_default())),
    };
    if told == Some(Stop::Drain) {
        // Places are for those that ask for nothing but an end.
        while let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned()
            && let Some(accepted) = in_hand.take().or_else(|| acceptor.try_drain())
        {
            admit(&worker, terms.borrow().clone(), accepted, permit);
        }
        return;
    }
    let queue = || if told.is_none() { acceptor.try_drain() } else { None };
    while let Some(accepted) = in_hand.take().or_else(queue) {
        // A drain that begins meanwhile does not wait for those that have no place.
        let permit = tokio::select! {
            permit = permit(&worker) => permit,
            _ = stop.wait_for(|stop| *stop == Some(Stop::Drain)) => None,
        };
        let Some(permit) = permit else { return };
        give(accepted, permit);
    }
}

/// A place for one more connection; nothing when the process ends.
async fn permit(worker: &Worker) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(&worker.permits).try_acquire_owned() {
        return Some(permit);
    }
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
fn assign(worker: &Rc<Worker>, terms: Terms, accepted: Accepted, permit: OwnedSemaphorePermit) {
    let Some(other) = worker.seat.better() else { return admit(worker, terms, accepted, permit) };
    let (socket, address) = accepted;
    // Fails only for a socket that the runtime has lost.
    let Ok(socket) = socket.detach() else { return };
    if let Some(refused) = worker.seat.hand_over(other, Handover { socket, address, terms, permit }) {
        admit_handover(worker, refused);
    }
}

/// Serves what other workers hand over, until the process stops; then only what is on its way already.
pub(super) async fn take_over(
    worker: Rc<Worker>,
    mut mailbox: Mailbox<Handover>,
    mut stop: watch::Receiver<Option<Stop>>,
) {
    let taking = async {
        while let Some(handover) = mailbox.recv().await {
            worker.seat.arrived();
            admit_handover(&worker, handover);
        }
    };
    tokio::select! {
        () = taking => {}
        _ = stop.wait_for(Option::is_some) => {}
    }
    // From now on a worker that has not heard of the stop keeps what it accepts.
    mailbox.close();
    while let Some(handover) = mailbox.recv().await {
        worker.seat.arrived();
        admit_handover(&worker, handover);
    }
}

fn admit_handover(worker: &Rc<Worker>, handover: Handover) {
    let Handover { socket, address, terms, permit } = handover;
    // A socket that the runtime cannot watch is closed, as it would be at an accept.
    if let Ok(socket) = socket.attach() {
        admit(worker, terms, (socket, address), permit);
    }
}

fn admit(worker: &Rc<Worker>, terms: Terms, accepted: Accepted, permit: OwnedSemaphorePermit) {
    let ((socket, address), Terms { listener, proxy_protocol, tls, loopback }) = (accepted, terms);
    let client = Client {
        address,
        anonymous: false,
        secure: tls.is_some(),
        loopback_listener: loopback,
        listener,
        handshake: None,
    };
    let ticket = Ticket::new(worker, client, permit);
    let snapshot = worker.core.snapshot();
    socket.bound_unix_buffer(snapshot.config.limits.socket_buffer);
    let patience = snapshot.config.timeouts.head;
    serve_arrival(worker, Arrival { socket, proxy_protocol, tls, ticket, patience });
}

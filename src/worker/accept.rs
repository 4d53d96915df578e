//! Accepting connections, and taking over those that other workers hand over.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, timeout},
};

use super::{
    handover::{Handover, Mailbox, Terms},
    orders::Stop,
    serve::serve_arrival,
    ticket::{Arrival, Arriving, NewConnection, Ticket, Worker},
};
use crate::{
    net::listen::{Accepted, Acceptor},
    plan::{Client, Refusal},
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
            if let Some(permit) = worker.capacity.place() {
                give(accepted, permit);
                continue;
            }
            in_hand.set(Some(accepted));
            // Boxed: rare.
            let Some(place) = Box::pin(place(&worker)).await else { return };
            match (in_hand.take(), place) {
                (Some(accepted), Place::Served(permit)) => give(accepted, permit),
                (Some(accepted), Place::Refused(permit)) => {
                    admit(&worker, terms.borrow().clone(), accepted, permit, Some(Refusal::Memory));
                }
                (None, _) => {}
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
        while let Some(permit) = worker.capacity.place()
            && let Some(accepted) = in_hand.take().or_else(|| acceptor.try_drain())
        {
            admit(&worker, terms.borrow().clone(), accepted, permit, None);
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
    if let Some(permit) = worker.capacity.place() {
        return Some(permit);
    }
    Box::pin(make_and_take(worker)).await
}

/// A place for a connection.
enum Place {
    Served(OwnedSemaphorePermit),
    /// It is only told that it is not served.
    Refused(OwnedSemaphorePermit),
}

/// A place for one more connection. Where memory is bounded it is given up soon: then the connection is told so, and those
/// behind it too, without waiting as long again.
async fn place(worker: &Worker) -> Option<Place> {
    if !worker.capacity.refuses() {
        return make_and_take(worker).await.map(Place::Served);
    }
    let now = Instant::now();
    if worker.full_until.get().is_none_or(|until| until <= now) {
        if let Ok(permit) = timeout(ROOM_WAIT, make_and_take(worker)).await {
            return permit.map(Place::Served);
        }
        worker.full_until.set(Some(Instant::now() + ROOM_WAIT));
    } else if worker.end_longest_idle()
        && let Some(permit) = worker.capacity.place()
    {
        return Some(Place::Served(permit));
    }
    worker.capacity.reserved().await.map(Place::Refused)
}

/// Waits for a place, and has idle connections make room (rule 11 of [`worker`](super)).
async fn make_and_take(worker: &Worker) -> Option<OwnedSemaphorePermit> {
    let _waiting = worker.newcomers.arrive();
    let mut place = pin!(worker.capacity.next_place());
    loop {
        if !worker.end_longest_idle() {
            worker.newcomers.call();
        }
        if let Ok(permit) = timeout(ROOM_WAIT, &mut place).await {
            return permit;
        }
    }
}

/// How long to wait before somebody else is looked for who is idle by now.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Serves a connection here, or hands it over to a worker that has clearly less to do.
fn assign(worker: &Rc<Worker>, terms: Terms, accepted: Accepted, permit: OwnedSemaphorePermit) {
    let Some(other) = worker.seat.better() else { return admit(worker, terms, accepted, permit, None) };
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
        admit(worker, terms, (socket, address), permit, None);
    }
}

fn admit(
    worker: &Rc<Worker>,
    terms: Terms,
    accepted: Accepted,
    permit: OwnedSemaphorePermit,
    refusal: Option<Refusal>,
) {
    let ((socket, address), Terms { listener, proxy_protocol, tls, loopback }) = (accepted, terms);
    let client = Client {
        address,
        anonymous: false,
        secure: tls.is_some(),
        loopback_listener: loopback,
        listener,
        refusal,
        handshake: None,
    };
    let ticket = Ticket::new(worker, client, permit);
    let snapshot = worker.core.snapshot();
    socket.bound_unix_buffer(snapshot.config.limits.socket_buffer);
    let patience = ticket.patience(&snapshot.config);
    let what = Arriving::New(NewConnection { socket, proxy_protocol, tls, patience });
    serve_arrival(worker, Arrival { ticket, what });
}

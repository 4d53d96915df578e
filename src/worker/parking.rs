//! Connections at rest: when one leaves the runtime, when it comes back, and when it is closed.

use std::rc::Rc;

use tokio::{
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};

use super::{
    serve::serve_arrival,
    ticket::{Arrival, Arriving, NewConnection, Worker},
};
use crate::{
    net::parked::Woken,
    proxy::idle::{LAST_CHANCE, Pass},
};

/// Tells connections that have been idle for long to leave the runtime, and closes parked ones whose time is
/// over; memory follows the load down. Sleeps for good while there are neither.
pub(super) async fn park_idle(worker: Rc<Worker>) {
    let (idle, parked) = (&worker.core.idle, &worker.parked);
    loop {
        let mut pass = idle.pass();
        while pass == Pass::Unfinished {
            yield_now().await;
            pass = idle.pass();
        }
        while parked.expire(Instant::now()) {
            yield_now().await;
        }
        if pass == Pass::Finished {
            // Not while anything goes on: memory given back and taken again costs page faults.
            worker.serving.shrink();
            worker.tasks.shrink();
        }
        match parked.next_expiry() {
            _ if pass == Pass::Waiting => idle.interval().await,
            None => idle.begun().await,
            Some(expiry) => tokio::select! {
                () = idle.begun() => {}
                () = sleep_until(expiry) => {}
            },
        }
    }
}

/// Ends idle connections for newcomers at workers that have none to end.
pub(super) async fn make_room(worker: Rc<Worker>) {
    loop {
        worker.newcomers.called().await;
        while worker.newcomers.take() {
            if !worker.end_longest_idle() {
                worker.newcomers.give_back();
                break;
            }
        }
    }
}

/// Serves parked connections again whose clients have said something.
pub(super) async fn wake_parked(worker: Rc<Worker>) {
    let mut woken = Vec::new();
    loop {
        worker.parked.wake(&mut woken).await;
        worker.publish();
        for Woken { sockets: [tcp], ticket, deadline } in woken.drain(..) {
            let patience = deadline.saturating_duration_since(Instant::now());
            let new = NewConnection { socket: tcp.into(), proxy_protocol: false, tls: None, patience };
            serve_arrival(&worker, Arrival { ticket, what: Arriving::New(new) });
        }
        yield_now().await;
    }
}

/// Goes on with streams in which something moves again, or whose time is over.
pub(super) async fn wake_resting(worker: Rc<Worker>) {
    let mut woken = Vec::new();
    loop {
        worker.resting.wake(&mut woken).await;
        worker.publish();
        for Woken { sockets, ticket: (ticket, kept), .. } in woken.drain(..) {
            serve_arrival(&worker, Arrival { ticket, what: Arriving::Rested(sockets, kept) });
        }
        yield_now().await;
    }
}

/// Closes parked connections when the process stops, after a last chance.
pub(super) async fn close_parked(worker: Rc<Worker>) {
    sleep(LAST_CHANCE).await;
    while worker.parked.close_some() {
        yield_now().await;
    }
}

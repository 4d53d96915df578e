//! What is looked after now and then: connections and pipes that nobody needs, and memory that a busy minute took.

use std::{rc::Rc, time::Duration};

use tokio::time::sleep;

use super::ticket::Worker;
use crate::proxy::core::Core;

/// How often idle upstream connections are looked through, while there are any.
const SWEEP: Duration = Duration::from_secs(5);
/// How often free pipes and buffers are looked through, while there are any: what nobody needs is gone after twice that.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Closes idle upstream connections that have expired or died, or whose server is gone; sleeps for good while there are none.
pub(super) async fn sweep(worker: Rc<Worker>) {
    loop {
        worker.core.pool.wait_until_used().await;
        while !worker.core.pool.is_empty() {
            sleep(SWEEP).await;
            worker.core.pool.sweep();
            worker.core.leave_gone_servers();
        }
    }
}

/// Lets requests begin where many have come at once.
pub(super) async fn begin(worker: Rc<Worker>) {
    worker.core.begin_requests().await;
}

/// Gives idle upstream connections up when another worker lacks descriptors, or places for connections.
pub(super) async fn give_up(worker: Rc<Worker>) {
    let Core { descriptors, pool, .. } = &*worker.core;
    loop {
        tokio::select! {
            // One at least: the system may have fewer descriptors left than are counted here.
            () = descriptors.called() => while pool.give_up() && descriptors.is_full() {},
            () = descriptors.places_wanted() => {
                worker.core.leave_gone_servers();
                worker.core.snapshot().give_places_up(pool);
            }
        }
    }
}

/// Closes pipes that long bodies have left behind and gives the memory of exchanges back, whether their connections
/// have ended or wait; sleeps for good while there is nothing of either.
pub(super) async fn give_back(worker: Rc<Worker>) {
    let Core { pipes, buffers, .. } = &*worker.core;
    loop {
        tokio::select! {
            () = pipes.wait_until_free() => {}
            () = buffers.grown() => {}
        }
        loop {
            sleep(GIVE_BACK).await;
            pipes.sweep();
            // Not while anything goes on: memory given back and taken again costs page faults.
            if buffers.taken() == 0 {
                worker.serving.shrink();
                worker.tasks.shrink();
                if pipes.free() == 0 {
                    break;
                }
            }
        }
    }
}

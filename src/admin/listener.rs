//! Where those who ask come from.

use std::{io, rc::Rc, sync::Arc, time::SystemTime};

use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Duration, MissedTickBehavior, interval},
};

use super::{
    connection::{self, Desk, MAX_HEAD},
    observed::Observed,
};
use crate::net::listen::{Acceptor, ListeningSocket};

/// Connections that are served at a time.
const MOST: usize = 16;
/// What they take beside answers, in bytes: heads, tasks and what the runtime keeps.
pub const MEMORY_OF_CONNECTIONS: usize = MOST * (2 * MAX_HEAD + (8 << 10));

/// Serves there, and remembers what happens second by second, on the local runtime that this is called on, until what
/// is returned is dropped.
///
/// # Errors
/// When the socket cannot be watched.
pub fn serve(socket: ListeningSocket, observed: Rc<Observed>) -> io::Result<JoinSet<()>> {
    let acceptor = Acceptor::new(socket, Rc::new(Notify::new()))?;
    let mut tasks = JoinSet::new();
    tasks.spawn_local(remember(Rc::clone(&observed)));
    tasks.spawn_local(accept(acceptor, Rc::new(Desk { observed, large: Semaphore::new(1) })));
    Ok(tasks)
}

async fn accept(acceptor: Acceptor, desk: Rc<Desk>) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (socket, peer) = acceptor.accept(|| false).await;
        let desk = Rc::clone(&desk);
        connections.spawn_local(async move {
            connection::serve(desk, socket, peer).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn remember(observed: Rc<Observed>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        seconds.tick().await;
        let snapshot = observed.metrics.snapshot();
        observed.history.borrow_mut().remember(&snapshot, SystemTime::now());
    }
}

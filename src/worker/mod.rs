//! One core: its thread, its runtime, its listeners, its connections.
//!
//! A worker shares nothing that a request touches with other workers. The server lends it its listeners and
//! keeps them open itself, so that a worker that ends loses no queue.
//!
//! - `newcomers`: clients that find no place
//! - `handover`: which worker serves a connection, and how it gets there
//! - `tasks`: tasks that have served a connection and wait for the next one
//! - `resting`: streams in which nothing moves: how they leave the runtime, and when they go on
//! - `ticket`: what the tasks of a worker share, and how each connection counts among them
//! - `serve`: a connection until it ends or is parked
//! - `parking`: when a connection leaves the runtime, comes back, or is closed
//! - `orders`: what the server tells a worker, and what it is told
//! - `accept`: where connections come from
//! - `listening`: the listeners that come and go
//! - `upkeep`: what is looked after now and then
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Of each port every worker has a listening socket of its own | measured | `process::every_worker_has_a_listening_socket_of_its_own` |
//! | 2 | A drain gives idle connections a last chance: a request that is on its way is served, then they are closed | RFC 9112 §9.5 | `idle::a_drain_gives_parked_connections_a_last_chance_and_then_closes_them`, `process::idle_kept_alive_connections_are_closed_by_a_drain` |
//! | 3 | What is asked during a drain is answered with `Connection: close` | RFC 9112 §9.6 | `idle::what_is_asked_during_a_drain_is_answered_with_connection_close` |
//! | 4 | A connection on its way from one worker to another is not lost by a stop | experience | `balance::a_stop_loses_no_connection_on_its_way_to_another_worker` |
//! | 5 | A connection moves only from a worker with clearly more to do to the one with least | measured | `worker::handover::tests::a_connection_moves_only_from_clearly_more_to_least`, `balance::eight_long_streams_on_two_workers_are_four_each` |
//! | 6 | The limit of connections is counted exactly, wherever they are served, and used up to the last | experience | `regression::a_limit_of_connections_is_used_up_to_the_last`, `balance::handed_over_connections_count_against_the_limit_and_free_their_slots` |
//! | 7 | A panic ends one connection, is counted, and frees its slot | experience | `worker::ticket::tests::a_panic_ends_one_connection_is_counted_and_frees_its_slot` |
//! | 8 | Without descriptors what exists is served on, and accepting goes on when one is freed | experience | `net::listen::tests::an_accept_without_descriptors_goes_on_when_one_is_freed`, `net::listen::tests::every_error_of_accept_has_its_remedy` |
//! | 9 | A handshake has the time of a head | experience | `client_tls::a_handshake_that_stalls_is_closed_after_timeout_head` |
//! | 10 | Pipes that long bodies have left behind are closed when nobody needs them, and the memory of exchanges goes back, whatever became of their connections | experience | `splice::pipes_that_nobody_needs_any_more_are_closed`, `process::memory_of_exchanges_goes_back_although_their_clients_are_gone`, `net::pipe::linux::tests::a_sweep_closes_the_pipes_that_nobody_has_needed` |
//! | 11 | When no place is left, the connection that has been idle longest is closed for the newcomer, parked ones first and those of other workers if there are none here: only running requests and tunnels keep anybody out | experience | `idle::a_newcomer_takes_the_place_of_the_connection_that_is_idle_longest`, `idle::a_newcomer_is_served_whoever_has_the_idle_connections`, `idle::running_requests_and_tunnels_keep_their_places`, `worker::newcomers::tests::no_more_places_are_made_than_newcomers_wait` |
//! | 12 | Where a listener asks for the PROXY header, a trusted proxy begins with one within the time of a head, which covers the handshake behind it, or is closed; what it says of the client holds for the connection. Anybody else's header is no request, and who sends none is served as always | PROXY protocol §2, §4 | `load_balancer::proxy_header::a_trusted_proxy_says_for_whom_a_connection_is`, `load_balancer::proxy_header::a_trusted_proxy_that_begins_otherwise_is_closed_at_once`, `load_balancer::proxy_header::half_a_header_is_closed_at_the_deadline_of_a_head_and_gives_its_place_back`, `load_balancer::proxy_header::tls_begins_behind_the_header`, `load_balancer::proxy_header::a_header_of_a_stranger_is_no_request`, `load_balancer::proxy_header::where_tls_is_spoken_a_header_of_a_stranger_gets_no_answer`, `load_balancer::proxy_header::a_stranger_without_a_header_is_served_as_always` |
//! | 13 | A stream that is at rest wakes when either of its ends has something to say, or when its time is over, whatever else rests | experience | `worker::resting::tests::either_end_wakes_a_stream_and_its_deadline_does_in_their_order` |

mod newcomers;

mod capacity;

mod handover;

mod tasks;

mod resting;

mod ticket;

mod serve;

mod parking;

mod orders;

mod accept;

mod listening;

mod upkeep;

use std::{io, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_local},
    time::timeout,
};

use self::{
    accept::take_over,
    listening::{Listening, vital},
    parking::{close_parked, make_room, park_idle, wake_parked, wake_resting},
    ticket::Worker,
    upkeep::{begin, give_back, give_up, sweep},
};
pub use self::{
    capacity::Capacity,
    handover::{Handover, Mailbox, MailboxHome, Seat, Terms},
    listening::Reports,
    newcomers::Newcomers,
    orders::{Event, GroupId, Loan, Order, Report, Stop},
};
use crate::{
    net::Descriptors,
    observe::{access_log::AccessLogHandle, metrics::WorkerCounters},
    plan::Identity,
    proxy::{core::Core, snapshot::Published},
};

/// Everything a worker is given.
pub struct Assignment {
    /// The configuration, and those that follow it.
    pub published: Arc<Published>,
    /// How the process names itself.
    pub identity: Arc<Identity>,
    /// Where it counts.
    pub counters: Arc<WorkerCounters>,
    /// Where requests are recorded.
    pub access_log: Option<AccessLogHandle>,
    /// Its listeners.
    pub loans: Vec<Loan>,
    /// Its seat among the workers, and what they hand over to it.
    pub seat: (Seat<Handover>, Mailbox<Handover>),
    /// How many client connections there may be.
    pub capacity: Arc<Capacity>,
    /// What its connections to upstreams may take of the descriptors of the process.
    pub descriptors: Arc<Descriptors>,
    /// Those that wait for such a permit.
    pub newcomers: Arc<Newcomers>,
    /// What is ordered while it serves. Bounded by the number of listeners that are configured.
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// Says how when the process stops.
    pub stop: watch::Receiver<Option<Stop>>,
    /// Where it tells of itself.
    pub reports: Reports,
}

/// Serves until told to stop, then until every connection has ended or `drain_timeout` is over.
///
/// # Errors
/// When the runtime cannot be built, a listener cannot be watched, or a task has panicked that is not a connection's.
pub fn run(assignment: Assignment) -> io::Result<()> {
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(serve(assignment))
}

async fn serve(assignment: Assignment) -> io::Result<()> {
    let Assignment {
        published,
        identity,
        counters,
        access_log,
        loans,
        seat,
        capacity,
        descriptors,
        newcomers,
        mut orders,
        mut stop,
        reports,
    } = assignment;
    let (seat, mailbox) = seat;
    let core = Core::among(published, identity, counters, access_log, descriptors);
    let drain_timeout = core.process.drain_timeout;
    let worker = Worker::new(core, seat, capacity, newcomers)?;
    let _end = LetGo(Rc::clone(&worker));
    let mut listening = Listening::new(Rc::clone(&worker), stop.clone(), reports.clone());
    for loan in loans {
        listening.listen(loan)?;
    }
    let taking_over = start_tasks(&worker, mailbox, &stop);
    let stop = loop {
        tokio::select! {
            // The server is gone if this fails; then there is nothing left to wait for.
            stop = stop.wait_for(Option::is_some) => break stop.map_or(Stop::Drain, |stop| stop.unwrap_or_default()),
            Some(order) = orders.recv() => listening.obey(order)?,
            () = worker.broken.notified() => return Err(io::Error::other("a task of it has panicked")),
        }
    };
    if stop == Stop::HandOver {
        // At once: whoever waits for a place is let in meanwhile, and that may take long.
        worker.core.drain();
    }
    listening.ended().await;
    // A panic while taking over is told by its message.
    let _ = taking_over.await;
    worker.core.drain();
    reports.send(Event::Emptied);
    drain(&worker, drain_timeout).await;
    Ok(())
}

/// Lets go of every connection when a worker ends, be it by a panic: those that wait hold the worker, and it holds
/// them.
struct LetGo(Rc<Worker>);

impl Drop for LetGo {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// Starts the tasks of a worker; the one that is returned brings connections, and ends when the process stops.
fn start_tasks(
    worker: &Rc<Worker>,
    mailbox: Mailbox<Handover>,
    stop: &watch::Receiver<Option<Stop>>,
) -> JoinHandle<()> {
    // One that has died may have left its load.
    worker.publish();
    spawn_local(vital(worker, sweep(Rc::clone(worker))));
    spawn_local(vital(worker, give_back(Rc::clone(worker))));
    spawn_local(vital(worker, park_idle(Rc::clone(worker))));
    spawn_local(vital(worker, wake_parked(Rc::clone(worker))));
    spawn_local(vital(worker, wake_resting(Rc::clone(worker))));
    spawn_local(vital(worker, make_room(Rc::clone(worker))));
    spawn_local(vital(worker, give_up(Rc::clone(worker))));
    spawn_local(vital(worker, begin(Rc::clone(worker))));
    spawn_local(vital(worker, take_over(Rc::clone(worker), mailbox, stop.clone())))
}

/// Waits until every connection has ended, or cuts what is left when `drain_timeout` is over.
async fn drain(worker: &Rc<Worker>, drain_timeout: Duration) {
    spawn_local(close_parked(Rc::clone(worker)));
    let drained = async {
        while worker.connections.get() > 0 {
            worker.freed.notified().await;
        }
    };
    if timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!(
            connections = worker.connections.get(),
            "--drain-timeout is over; connections are cut"
        );
    }
}

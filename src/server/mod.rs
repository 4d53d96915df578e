//! The process: it owns every listener, starts the workers, and ends them.
//!
//! It runs on the main thread, which serves nobody.
//!
//! - `fault`: what keeps the process from serving
//! - `memory`: how much memory traffic can take
//! - `notify`: what a service manager is told
//! - `inherited`: listening sockets that the process was started with
//! - `listeners`: opened here, lent to the workers, taken back
//! - `privileges`: root no longer than needed
//! - `announce`: what a person or a supervisor is told at the start
//! - `signals`: what the process obeys
//! - `crew`: the workers, and how they are led
//! - `reload`: another configuration for the same process
//! - `lead`: what the process does until it ends
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | The first TERM or INT drains: new connections are refused, what runs is completed, and the exit code is 0 | experience | `process::term_lets_a_running_download_complete_and_then_ends_with_0`, `process::int_drains_like_term` |
//! | 2 | The server owns the listeners; it closes them all together, and only when each worker has emptied its queue: to close one alone would reset what waits in it | measured | `balance::a_stop_loses_no_connection_on_its_way_to_another_worker`, `net::listen::tests::a_drain_empties_the_queue_and_then_says_so` |
//! | 3 | A second signal ends at once; one within 100 ms of the first is the same | experience | `process::a_second_term_ends_at_once`, `process::a_term_that_comes_twice_at_once_is_one_drain` |
//! | 4 | So does the end of `drain_timeout` | experience | `process::a_drain_ends_after_drain_timeout_even_when_a_transfer_does_not` |
//! | 5 | USR1 opens the access log anew | experience | `access_log::a_log_file_is_written_and_reopened_on_usr1` |
//! | 6 | A full disk or a reader that is gone fails no request and no drain | experience | `access_log::a_full_disk_fails_no_request_and_no_drain`, `observe::access_log::tests::a_reader_who_leaves_costs_records_only` |
//! | 7 | The bound on memory that is told at start is one | measured | `memory::memory_stays_within_the_bound_that_was_told_however_slow_both_sides_are`, `memory::memory_stays_within_the_bound_that_was_told_with_tls_on_both_sides`, `memory::memory_stays_within_the_bound_that_was_told_with_trailers_at_their_limit` |
//! | 8 | A process that nobody asks anything uses no CPU | experience | `process::an_idle_process_uses_no_cpu` |
//! | 9 | A worker that dies is started anew with its sockets, so that nothing is lost that waits for it; one that dies three times within 10 s ends the process with an error: running on half-dead would be worse | experience | `server::crew::tests::a_worker_that_dies_is_started_anew_with_its_sockets_and_its_places`, `server::crew::tests::what_waits_for_a_worker_that_dies_is_its_successors`, `worker::handover::tests::what_was_handed_over_to_a_worker_that_dies_is_its_successors` |
//! | 10 | A signal that nothing is made of yet (USR2) is answered with a warning and ends nothing | experience | `process::usr2_and_hup_end_nothing` |
//! | 11 | Without a terminal one event tells what the banner does | experience | `process::without_a_terminal_one_event_tells_what_the_banner_does` |
//! | 12 | All that a setting or a peer can raise is in it: what is about to be resumed, remembered, looked up, logged and counted, too | measured | `bounds::handshakes_of_clients_that_never_end_are_in_the_bound`, `bounds::handshakes_with_upstreams_that_never_end_are_in_the_bound`, `bounds::clients_that_hold_a_session_are_in_the_bound`, `bounds::idle_connections_to_upstreams_with_long_chains_are_in_the_bound`, `bounds::names_that_are_remembered_are_in_the_bound`, `bounds::lookups_under_way_and_those_that_wait_are_in_the_bound`, `bounds::a_log_that_nobody_reads_is_in_the_bound`, `bounds::counters_are_in_the_bound_whatever_is_asked`, `bounds::parked_connections_are_in_the_bound`, `bounds::heads_of_many_fields_are_in_the_bound` |
//! | 13 | A listener that is added serves; one that is taken back refuses, and what waits in its queue is served, as are its established connections | measured | `server::crew::tests::a_listener_that_is_added_serves_and_one_that_is_gone_refuses`, `server::crew::tests::what_waits_at_a_listener_that_is_taken_back_is_served`, `server::crew::tests::what_waits_at_a_listener_that_is_taken_back_gets_the_places_that_others_leave` |
//! | 14 | A change of listeners is made whole or not at all | experience | `server::crew::tests::an_address_that_cannot_be_bound_changes_nothing` |
//! | 15 | A listener that stays keeps its sockets; what is new about it holds for connections that it accepts from then on | experience | `server::crew::tests::a_listener_that_stays_has_its_new_terms_for_what_it_accepts_from_then_on` |
//! | 16 | Where a drain is delayed, nothing is different until the delay is over, but that a second signal ends at once | experience | `process::a_drain_that_is_delayed_serves_on_until_a_second_term`, `process::a_drain_begins_when_its_delay_is_over` |
//! | 17 | With `--user` nothing of root is left in any thread once the listeners and the access log are open, and nothing brings it back | experience | `process::with_a_user_nothing_of_root_is_left`, `process::a_user_who_cannot_be_become_is_a_fault` |
//! | 18 | Sockets that are passed by a service manager are those of the listeners with their addresses, whatever number of them; each is accepted from, one that no listener has is closed with a warning, and what is meant for another process is left alone | sd_listen_fds(3) | `service_manager::a_socket_that_is_passed_is_served_by_all_workers_and_loses_nothing`, `service_manager::each_of_several_sockets_of_one_address_is_accepted_from`, `service_manager::a_listener_without_a_socket_binds_its_own_and_a_socket_without_a_listener_is_closed`, `service_manager::sockets_that_are_meant_for_another_process_are_left_alone`, `server::inherited::tests::port_0_takes_the_sockets_of_one_port_that_are_left` |
//! | 19 | A service manager is told when all workers serve and when a stop begins; its watchdog hears nothing while a worker does not answer | sd_notify(3) | `service_manager::a_manager_is_told_of_start_and_end`, `service_manager::a_watchdog_is_told_twice_in_its_time_that_all_is_well`, `server::crew::tests::a_worker_that_does_not_answer_is_known` |

mod fault;

mod memory;

mod notify;

mod inherited;

mod listeners;

mod privileges;

mod announce;

mod signals;

mod crew;

mod reload;

mod lead;

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::runtime::{Builder, LocalOptions};

use self::{
    announce::announce, crew::Crew, inherited::Inherited, lead::Process, listeners::Listeners,
    notify::Watchdog, privileges::Privileges, reload::Watch, signals::Signals,
};
pub use self::{fault::ServeError, memory::MemoryBound, reload::Origin};
use crate::{
    config::{self, Config},
    observe::{
        access_log::{AccessLog, AccessLogTarget},
        metrics::Metrics,
    },
};

/// How long the access log may take to write what is left when the process ends.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Serves until a signal ends it; the first SIGTERM or SIGINT drains, a second one ends at once.
///
/// # Errors
/// See [`ServeError`].
pub fn run(config: Config, origin: Origin) -> Result<(), ServeError> {
    // First, while nothing else has descriptors or threads.
    let mut inherited = Inherited::from_environment();
    let config = Arc::new(config);
    let privileges = config.process.run_as.as_ref().map(Privileges::to_drop).transpose()?.flatten();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(ServeError::Start)?;
    // Before anything is there that a signal would have to end.
    let signals = runtime.block_on(async { Signals::new() }).map_err(ServeError::Start)?;
    let listeners = Listeners::open(&config, &mut inherited)?;
    inherited.close();
    let access_log = start_access_log(&config)?.map(Rc::new);
    if let Some(privileges) = privileges {
        privileges.drop()?;
    }
    let metrics = Metrics::new();
    if let Some(log) = &access_log {
        metrics.set_log_dropped(log.dropped());
    }
    let result = runtime.block_on(async {
        let mut crew = Crew::start(&config, listeners, access_log.clone(), &metrics)?;
        crew.serves().await?;
        announce(&config, &crew.addresses());
        notify::ready();
        let (config, access_log) = (Arc::clone(&config), access_log.clone());
        let (watch, watchdog) = (Watch::new(&config), Watchdog::from_environment());
        Process { config, origin, crew, signals, access_log, watch, watchdog }.lead().await
    });
    if let Some(log) = access_log.and_then(Rc::into_inner)
        && !log.shutdown(LOG_FLUSH)
    {
        tracing::warn!("the access log takes nothing; its last lines are lost");
    }
    if result.is_ok() {
        tracing::info!("stopped");
    }
    result
}

fn start_access_log(config: &Config) -> Result<Option<AccessLog>, ServeError> {
    let target = match &config.log.access {
        config::AccessLog::Off => return Ok(None),
        config::AccessLog::Stdout => AccessLogTarget::Stdout,
        config::AccessLog::Stderr => AccessLogTarget::Stderr,
        config::AccessLog::File(path) => AccessLogTarget::File(path.clone()),
    };
    AccessLog::start(target).map(Some).map_err(ServeError::AccessLog)
}

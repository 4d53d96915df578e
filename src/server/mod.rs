//! The process: it owns every listener, starts the workers, and ends them.
//!
//! It runs on the main thread, which serves nobody.
//!
//! - `fault`: what keeps the process from serving
//! - `memory`: how much memory traffic can take
//! - `notify`: what a service manager is told
//! - `inherited`: listening sockets that the process was started with
//! - `listeners`: opened here, lent to the workers, taken back
//! - `admin_listener`: the listener that shows what the process does
//! - `privileges`: root no longer than needed
//! - `announce`: what a person or a supervisor is told at the start
//! - `signals`: what the process obeys
//! - `upgrade`: a new program in the place of this process
//! - `parent`: the first of several processes, which stays until the last has ended
//! - `lookout`: whether servers are well, and which ones names stand for
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
//! | 6 | A full disk or a reader that is gone fails no request and no drain | experience | `access_log::a_full_disk_fails_no_request_and_no_drain`, `access_log::a_log_that_nothing_can_be_written_to_stops_neither_requests_nor_signals`, `observe::access_log::tests::a_reader_who_leaves_costs_records_only` |
//! | 7 | The bound on memory that is told at start is one | measured | `memory::memory_stays_within_the_bound_that_was_told_however_slow_both_sides_are`, `memory::memory_stays_within_the_bound_that_was_told_with_tls_on_both_sides`, `memory::memory_stays_within_the_bound_that_was_told_with_trailers_at_their_limit` |
//! | 8 | A process that nobody asks anything uses no CPU | experience | `process::an_idle_process_uses_no_cpu` |
//! | 9 | A worker that dies is started anew with its sockets, so that nothing is lost that waits for it; one that dies three times within 10 s ends the process with an error: running on half-dead would be worse | experience | `server::crew::tests::a_worker_that_dies_is_started_anew_with_its_sockets_and_its_places`, `server::crew::tests::what_waits_for_a_worker_that_dies_is_its_successors`, `worker::handover::tests::what_was_handed_over_to_a_worker_that_dies_is_its_successors` |
//! | 10 | HUP, or a change of a file where files are watched, publishes another configuration: requests under way keep theirs, nothing is closed | experience | `reload::a_kept_connection_gets_the_new_configuration_and_a_request_under_way_keeps_its_own`, `reload::nothing_is_closed_by_a_reload`, `reload::a_file_that_is_watched_is_read_when_its_content_changes`, `reload::listen_addresses_come_and_go_and_their_connections_live_on`, `reload::certificates_are_read_anew_and_a_file_that_cannot_be_read_keeps_the_last_good_one`, `reload::without_a_file_certificates_are_read_anew_all_the_same`, `reload::descriptors_do_not_grow_with_reloads` |
//! | 11 | Without a terminal one event tells what the banner does | experience | `process::without_a_terminal_one_event_tells_what_the_banner_does` |
//! | 12 | All that a setting or a peer can raise is in it: what is about to be resumed, remembered, looked up, logged and counted, too | measured | `bounds::handshakes_of_clients_that_never_end_are_in_the_bound`, `bounds::handshakes_with_upstreams_that_never_end_are_in_the_bound`, `bounds::clients_that_hold_a_session_are_in_the_bound`, `bounds::idle_connections_to_upstreams_with_long_chains_are_in_the_bound`, `bounds::names_that_are_remembered_are_in_the_bound`, `bounds::lookups_under_way_and_those_that_wait_are_in_the_bound`, `bounds::a_log_that_nobody_reads_is_in_the_bound`, `bounds::counters_are_in_the_bound_whatever_is_asked`, `bounds::parked_connections_are_in_the_bound`, `bounds::heads_of_many_fields_are_in_the_bound` |
//! | 13 | A listener that is added serves; one that is taken back refuses, and what waits in its queue is served, as are its established connections | measured | `server::crew::tests::a_listener_that_is_added_serves_and_one_that_is_gone_refuses`, `server::crew::tests::what_waits_at_a_listener_that_is_taken_back_is_served`, `server::crew::tests::what_waits_at_a_listener_that_is_taken_back_gets_the_places_that_others_leave`, `server::crew::tests::a_drain_does_not_wait_for_those_that_find_no_place_at_a_listener_that_was_taken_back` |
//! | 14 | A change of listeners is made whole or not at all | experience | `server::crew::tests::an_address_that_cannot_be_bound_changes_nothing` |
//! | 15 | A listener that stays keeps its sockets; what is new about it holds for connections that it accepts from then on | experience | `server::crew::tests::a_listener_that_stays_has_its_new_terms_for_what_it_accepts_from_then_on` |
//! | 16 | Where a drain is delayed, nothing is different until the delay is over, but that a second signal ends at once | experience | `process::a_drain_that_is_delayed_serves_on_until_a_second_term`, `process::a_drain_begins_when_its_delay_is_over` |
//! | 17 | With `--user` nothing of root is left in any thread once the listeners and the access log are open, and nothing brings it back | experience | `process::with_a_user_nothing_of_root_is_left`, `process::a_user_who_cannot_be_become_is_a_fault` |
//! | 18 | Sockets that are passed by a service manager are those of the listeners with their addresses, whatever number of them; each is accepted from, one that no listener has is closed with a warning, and what is meant for another process is left alone. They are the manager's: no stop makes them refuse | sd_listen_fds(3) | `service_manager::a_socket_that_is_passed_is_served_by_all_workers_and_loses_nothing`, `service_manager::each_of_several_sockets_of_one_address_is_accepted_from`, `service_manager::a_listener_without_a_socket_binds_its_own_and_a_socket_without_a_listener_is_closed`, `service_manager::sockets_that_are_meant_for_another_process_are_left_alone`, `service_manager::a_restart_with_a_socket_of_the_manager_loses_nothing`, `server::inherited::tests::port_0_takes_the_sockets_of_one_port_that_are_left` |
//! | 19 | A service manager is told when all workers serve and when a stop begins; its watchdog hears nothing while a worker does not answer | sd_notify(3) | `service_manager::a_manager_is_told_of_start_and_end`, `service_manager::a_watchdog_is_told_twice_in_its_time_that_all_is_well`, `server::crew::tests::a_worker_that_does_not_answer_is_known` |
//! | 20 | USR2 starts a new program on the very same sockets, and this process drains only when that one serves: no request is lost, and what this one has begun it ends | experience | `upgrade::upgrades_under_load_fail_no_request`, `unix_listener::upgrades_under_load_lose_no_connection_to_a_unix_socket`, `upgrade::what_the_old_process_has_begun_it_ends_however_often_it_is_succeeded` |
//! | 21 | A new program that fails, or does not serve within 30 s, leaves this process serving; one upgrade is tried at a time | experience | `upgrade::a_new_program_that_fails_leaves_the_old_one_serving`, `server::upgrade::tests::a_new_program_that_does_not_serve_in_time_is_killed`, `server::upgrade::tests::a_new_program_that_answers_something_else_is_killed`, `upgrade::an_upgrade_at_a_time` |
//! | 22 | Listeners of which the new program has none are emptied here before they are closed | experience | `upgrade::listeners_that_the_new_program_has_not_are_drained_by_the_old_one`, `server::upgrade::tests::a_group_is_served_when_one_of_its_sockets_is` |
//! | 23 | Where no service manager follows the main process, the first one stays until the last has ended, ends as that one does, and passes signals on | experience | `upgrade::the_first_process_stays_and_those_between_go`, `upgrade::the_first_process_ends_as_the_last_one_does`, `upgrade::a_stop_in_the_middle_of_a_drain_reaches_the_last_one_and_cuts_nothing` |
//! | 24 | Where one does, it is told which process that is | sd_notify(3) | `upgrade::a_service_manager_is_told_of_the_new_main_process_and_the_old_one_ends` |
//! | 25 | A process that has become another user can be succeeded, also on a port that only root can open | experience | `upgrade::what_root_has_opened_goes_to_a_successor_that_is_not_root` |
//! | 26 | A configuration with a fault changes nothing, and every fault is told | experience | `reload::a_file_with_faults_changes_nothing_and_each_of_them_is_told` |
//! | 27 | What belongs to the process and not to a request stays as it was, and is named | experience | `reload::what_holds_for_the_life_of_the_process_is_named_and_kept` |
//! | 28 | A Unix socket is served like a port, by all workers; what waits there is served at a stop | experience | `unix_listener::a_path_and_an_abstract_name_are_served_like_a_port`, `unix_listener::all_workers_share_what_comes_and_none_of_it_is_lost`, `unix_listener::what_waits_at_a_unix_socket_is_served_when_the_process_stops`, `unix_listener::a_tunnel_is_opened_over_a_unix_socket`, `unix_listener::tls_is_spoken_over_a_unix_socket`, `net::listen::tests::a_unix_socket_that_refuses_gives_what_is_queued_and_then_nothing` |
//! | 29 | A socket file that nobody listens on makes room for a listener; one that somebody listens on, and a file that is no socket, are never removed | experience | `unix_listener::what_a_killed_process_has_left_makes_room`, `unix_listener::a_socket_that_is_listened_on_is_left_alone`, `unix_listener::a_file_that_is_no_socket_is_never_removed`, `net::unix::tests::a_socket_that_somebody_has_stays_theirs_also_with_a_full_queue` |
//! | 30 | The file of a Unix socket is removed when its listener is taken back and when the process ends for good, and by nobody while another process has the socket, be that a successor or a service manager | experience | `unix_listener::the_file_is_gone_when_the_process_stops`, `unix_listener::a_reload_adds_a_unix_socket_and_takes_it_back`, `unix_listener::an_upgrade_takes_unix_sockets_along_and_the_last_process_removes_their_files`, `unix_listener::an_upgrade_that_fails_leaves_the_file_and_one_that_drops_the_listener_removes_it`, `unix_listener::a_unix_socket_of_a_service_manager_is_served_and_stays_its_own`, `unix_listener::a_socket_of_another_program_by_the_same_name_is_not_removed` |
//! | 31 | Only this machine reaches a Unix socket: it counts as loopback | experience | `unix_listener::a_gateway_on_a_unix_socket_is_one_on_loopback` |
//! | 32 | With `max_memory` as many connections are served as fit into it, and a newcomer beyond them is told so; a configuration that could take more is refused | experience | `memory::with_a_bound_on_memory_newcomers_without_a_place_are_told_so`, `server::memory::tests::as_many_connections_are_served_as_fit`, `reload::a_reload_that_could_take_more_memory_than_may_be_is_refused` |

mod fault;

mod memory;

mod notify;

mod inherited;

mod listeners;

mod admin_listener;

mod privileges;

mod announce;

mod signals;

mod upgrade;

mod parent;

mod key_sets;

mod lookout;

mod crew;

mod reload;

mod lead;

use std::{
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::runtime::{Builder, LocalOptions};

use self::{
    admin_listener::{AdminDesk, AdminListener},
    announce::announce,
    crew::Crew,
    inherited::Inherited,
    lead::{End, Process},
    listeners::Listeners,
    notify::Watchdog,
    privileges::Privileges,
    reload::Watch,
    signals::Signals,
    upgrade::Program,
};
pub use self::{
    fault::ServeError,
    memory::{MemoryBound, fit},
    reload::Origin,
};
use crate::{
    config::{self, Config},
    observe::{
        access_log::{AccessLog, AccessLogTarget},
        metrics::Metrics,
        reloads::Reloads,
    },
};

/// How long the access log may take to write what is left when the process ends.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Serves until a signal ends it; the first SIGTERM or SIGINT drains, a second one ends at once. Returns the code to exit
/// with.
///
/// # Errors
/// See [`ServeError`].
pub fn run(mut config: Config, origin: Origin) -> Result<ExitCode, ServeError> {
    fit(&mut config).map_err(ServeError::Memory)?;
    // First, while nothing else has descriptors or threads.
    let mut inherited = Inherited::from_environment();
    let program = Program::of_this_process().map_err(ServeError::Start)?;
    let config = Arc::new(config);
    let privileges = config.process.run_as.as_ref().map(Privileges::to_drop).transpose()?.flatten();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(ServeError::Start)?;
    // Before anything is there that a signal would have to end.
    let signals = runtime.block_on(async { Signals::new() }).map_err(ServeError::Start)?;
    let listeners = Listeners::open(&config, &mut inherited)?;
    let admin = AdminListener::open(&config, &mut inherited)?;
    let predecessor = inherited.close();
    let access_log = start_access_log(&config)?.map(Rc::new);
    if let Some(privileges) = privileges {
        privileges.drop()?;
    }
    let metrics = Arc::new(Metrics::new());
    let reloads = Arc::new(Reloads::new(SystemTime::now()));
    if let Some(log) = &access_log {
        metrics.set_log_dropped(log.dropped());
    }
    let result = runtime.block_on(async {
        let mut crew = Crew::start(&config, listeners, access_log.clone(), &metrics)?;
        let admin = admin.map(|listener| AdminDesk::serve(listener, crew.published(), &metrics, &reloads));
        let mut admin = admin.transpose().map_err(ServeError::Start)?;
        crew.serves().await?;
        announce(&config, &crew.addresses(), admin.as_ref().map(AdminDesk::address));
        let succeeds = predecessor.is_some();
        if let Some(predecessor) = predecessor {
            predecessor.tell();
        }
        crew.own_files();
        if let Some(admin) = &mut admin {
            admin.own_file();
            admin.serves(crew.addresses());
        }
        notify::ready();
        let process = Process {
            config: Arc::clone(&config),
            origin,
            crew,
            signals,
            access_log: access_log.clone(),
            watch: Watch::new(&config),
            watchdog: Watchdog::from_environment(),
            program,
            succeeds,
            upgrade: None,
            admin,
            reloads,
        };
        process.lead().await
    });
    if let Some(log) = access_log.and_then(Rc::into_inner)
        && !log.shutdown(LOG_FLUSH)
    {
        tracing::warn!("the access log takes nothing; its last lines are lost");
    }
    match result? {
        End::Stopped => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        End::Succeeded(children, mut signals) => {
            tracing::info!("drained; this process stays until the last of its successors has ended");
            // With all that still ran beside the workers, such as probes: the successors have their own.
            drop(runtime);
            let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
            Ok(runtime.block_on(children.last(&mut signals)))
        }
    }
}

fn start_access_log(config: &Config) -> Result<Option<AccessLog>, ServeError> {
    let target = match &config.log.access {
        config::AccessLog::Off => return Ok(None),
        config::AccessLog::Stdout => AccessLogTarget::Stdout,
        config::AccessLog::Stderr => AccessLogTarget::Stderr,
        config::AccessLog::File(path) => AccessLogTarget::File(path.clone()),
    };
    AccessLog::start(target, config.log.format.clone()).map(Some).map_err(ServeError::AccessLog)
}

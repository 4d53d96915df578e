//! The process: it owns every listener, starts the workers, and ends them.
//!
//! It runs on the main thread, which serves nobody.
//!
//! - `fault`: what keeps the process from serving
//! - `memory`: how much memory traffic can take
//! - `listeners`: opened here, lent to the workers
//! - `announce`: what a person or a supervisor is told at the start
//! - `signals`: what the process obeys
//! - `crew`: the workers, and how they are led
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
//! | 9 | A worker that dies ends the process with an error: running on half-dead would be worse | experience | `server::crew::tests::a_worker_that_dies_ends_the_process_with_an_error` |
//! | 10 | A signal that nothing is made of yet (HUP, USR2) is answered with a warning and ends nothing | experience | `process::usr2_and_hup_end_nothing` |
//! | 11 | Without a terminal one event tells what the banner does | experience | `process::without_a_terminal_one_event_tells_what_the_banner_does` |
//! | 12 | All that a setting or a peer can raise is in it: what is about to be resumed, remembered, looked up, logged and counted, too | measured | `bounds::handshakes_of_clients_that_never_end_are_in_the_bound`, `bounds::handshakes_with_upstreams_that_never_end_are_in_the_bound`, `bounds::clients_that_hold_a_session_are_in_the_bound`, `bounds::idle_connections_to_upstreams_with_long_chains_are_in_the_bound`, `bounds::names_that_are_remembered_are_in_the_bound`, `bounds::lookups_under_way_and_those_that_wait_are_in_the_bound`, `bounds::a_log_that_nobody_reads_is_in_the_bound`, `bounds::counters_are_in_the_bound_whatever_is_asked`, `bounds::parked_connections_are_in_the_bound`, `bounds::heads_of_many_fields_are_in_the_bound` |

mod fault;

mod memory;

mod listeners;

mod announce;

mod signals;

mod crew;

use std::{sync::Arc, time::Duration};

use tokio::runtime::{Builder, LocalOptions};

use self::{announce::announce, crew::Crew, listeners::listen, signals::Signals};
pub use self::{fault::ServeError, memory::MemoryBound};
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
pub fn run(config: Config) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(ServeError::Start)?;
    // Before anything is there that a signal would have to end.
    let signals = runtime.block_on(async { Signals::new() }).map_err(ServeError::Start)?;
    let groups = listen(&config)?;
    let access_log = start_access_log(&config)?;
    let metrics = Metrics::new();
    if let Some(log) = &access_log {
        metrics.set_log_dropped(log.dropped());
    }
    let result = runtime.block_on(async {
        let crew = Crew::start(&config, &groups, access_log.as_ref(), &metrics)?;
        announce(&config, &groups);
        crew.lead(groups, signals, access_log.as_ref(), config.process.drain_timeout).await
    });
    if let Some(log) = access_log
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

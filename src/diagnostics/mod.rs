//! What the process says about itself, line by line on stderr.
//!
//! For events of the process: start, faults of the machine, drain; and, for who asks for it, what is decided about
//! requests. Nobody waits for a terminal, a pipe or a disk: lines go through a bounded queue to a thread of their own.
//! What finds no room in it is dropped and counted, and told of when there is room again.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Standard error that takes nothing holds up neither requests nor signals nor the end | experience | `diagnostics::an_error_output_that_takes_nothing_stops_neither_requests_nor_signals`, `diagnostics::lines::tests::nobody_waits_for_what_takes_nothing_and_what_is_dropped_is_counted` |
//! | 2 | What was dropped is told when there is room again, and the last lines are written before the process ends | experience | `diagnostics::what_was_dropped_is_told_when_it_is_read_again`, `diagnostics::lines::tests::what_fails_is_dropped_and_nobody_waits_for_it` |
//! | 3 | Each refusal of CORS, each attempt that failed and each decision is one line for who asks for it, without secrets | experience | `diagnostics::every_refusal_of_cors_is_one_line_with_its_reason_where_it_is_asked_for`, `diagnostics::every_failed_attempt_is_one_line_with_its_reason`, `diagnostics::every_decision_is_a_line_where_everything_is_asked_for` |

mod lines;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{IsTerminal, stderr},
    panic,
    sync::OnceLock,
    thread,
    time::Duration,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

use self::lines::{Lines, write_to_stderr};

/// How long the last lines may take.
const FLUSH: Duration = Duration::from_millis(800);

/// Where lines go once that is installed.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Writes what is left when it is dropped; what cannot be written soon is lost.
#[must_use = "what is said last is lost without it"]
#[derive(Debug)]
pub struct LastLines(());

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(lines) = LINES.get() {
            lines.flush(FLUSH);
        }
    }
}

/// Sends events of the `general` level and graver to stderr, and those of `parts` of the program at their levels, from now on and for the whole process, and what panics say.
///
/// A terminal gets colours (unless `NO_COLOR` is set to something) and no time; anything else gets the time
/// and plain text. A second call changes nothing.
pub fn install(general: LevelFilter, parts: &[(Box<str>, LevelFilter)]) -> LastLines {
    // Without a thread of its own a line is not written, as if it took nothing.
    if let Ok(lines) = Lines::start(write_to_stderr)
        && LINES.set(lines.clone()).is_ok()
    {
        let terminal = stderr().is_terminal();
        let layer = fmt::layer().with_writer(lines).with_ansi(has_colours()).with_target(false);
        let layer = if terminal { layer.without_time().boxed() } else { layer.boxed() };
        // The first subscriber of a process stays; only a test installs a second.
        let _ = tracing_subscriber::registry().with(layer).with(targets(general, parts)).try_init();
        panic::set_hook(Box::new(|panic| say(&of_panic(panic))));
    }
    LastLines(())
}

/// Writes a line as it is.
pub fn say(line: &str) {
    match LINES.get() {
        Some(lines) => lines.push(format!("{line}\n").as_bytes()),
        None => eprintln!("{line}"),
    }
}

/// Whether standard error is a terminal that shows colours.
#[must_use]
pub fn has_colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether standard output is such a terminal.
#[must_use]
pub fn output_has_colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What the standard library would say of a panic.
fn of_panic(panic: &panic::PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        format!("thread '{name}' {panic}\n{backtrace}")
    } else {
        format!("thread '{name}' {panic}")
    }
}

/// Our own events at the general level; what libraries say only when it is grave, or when everything was asked for.
fn targets(general: LevelFilter, parts: &[(Box<str>, LevelFilter)]) -> Targets {
    let libraries = match general {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        ours => ours.min(LevelFilter::WARN),
    };
    let parts = parts.iter().map(|(target, level)| (&**target, *level));
    Targets::new().with_default(libraries).with_target("corsair", general).with_targets(parts)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_quieter_than_corsair() {
        for (verbosity, ours, theirs) in [
            (LevelFilter::ERROR, Level::ERROR, Level::ERROR),
            (LevelFilter::INFO, Level::INFO, Level::WARN),
            (LevelFilter::DEBUG, Level::DEBUG, Level::WARN),
            (LevelFilter::TRACE, Level::TRACE, Level::DEBUG),
        ] {
            let targets = targets(verbosity, &[]);
            for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert_eq!(
                    targets.would_enable("corsair::server", &level),
                    level <= ours,
                    "{verbosity} {level}"
                );
                assert_eq!(
                    targets.would_enable("rustls::conn", &level),
                    level <= theirs,
                    "{verbosity} {level}"
                );
            }
        }
    }

    #[test]
    fn a_part_of_the_program_has_the_level_that_was_asked_for() {
        let parts = [("corsair::cors".into(), LevelFilter::DEBUG), ("rustls".into(), LevelFilter::TRACE)];
        let targets = targets(LevelFilter::WARN, &parts);
        for (target, level, expected) in [
            ("corsair::cors", Level::DEBUG, true),
            ("corsair::cors", Level::TRACE, false),
            ("corsair::server", Level::INFO, false),
            ("corsair::server", Level::WARN, true),
            ("rustls::conn", Level::TRACE, true),
            ("hickory", Level::INFO, false),
        ] {
            assert_eq!(targets.would_enable(target, &level), expected, "{target} {level}");
        }
    }
}

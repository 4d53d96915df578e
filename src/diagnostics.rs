//! What the process says about itself, line by line on stderr.
//!
//! For events of the process: start, faults of the machine, drain. What happens to requests goes to the
//! access log and the counters, never here: nothing on the way of a request may wait for a terminal.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

/// Sends events of `verbosity` and graver to stderr, from now on and for the whole process.
///
/// A terminal gets colours (unless `NO_COLOR` is set to something) and no time; anything else gets the time
/// and plain text. A second call changes nothing.
pub fn install(verbosity: LevelFilter) {
    let terminal = stderr().is_terminal();
    let lines = fmt::layer().with_writer(stderr).with_ansi(has_colours()).with_target(false);
    let lines = if terminal { lines.without_time().boxed() } else { lines.boxed() };
    // The first subscriber of a process stays; only a test installs a second.
    let _ = tracing_subscriber::registry().with(lines).with(targets(verbosity)).try_init();
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

/// Our own events at `verbosity`; what libraries say only when it is grave, or when everything was asked for.
fn targets(verbosity: LevelFilter) -> Targets {
    let libraries = match verbosity {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        ours => ours.min(LevelFilter::WARN),
    };
    Targets::new().with_default(libraries).with_target("corsair", verbosity)
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
            let targets = targets(verbosity);
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
}

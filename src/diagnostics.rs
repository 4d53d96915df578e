//! What the process says about itself, line by line on stderr.
//!
//! For events of the process: start, faults of the machine, drain. What happens to requests goes to the
//! access log and the counters, never here: nothing on the way of a request may wait for a terminal.

use std::io::{IsTerminal, stderr};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

use crate::config::ConfigFault;

/// The exit code for what was asked for and cannot be done: a flag, or the configuration.
pub const USAGE: u8 = 2;

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

/// Tells what is wrong with a configuration and what deserves a word; of what stands in a file the place is shown.
pub fn report(faults: &[ConfigFault], warnings: &[ConfigFault]) {
    let told = faults.iter().map(|fault| (Level::ERROR, fault));
    for (level, note) in told.chain(warnings.iter().map(|warning| (Level::WARNING, warning))) {
        eprintln!("{}", described(level, note, has_colours()));
    }
}

fn described(level: Level<'static>, note: &ConfigFault, colours: bool) -> String {
    let Some(place) = &note.place else {
        let warning = if level == Level::WARNING { "warning: " } else { "" };
        return format!("corsair: {warning}{note}");
    };
    let told = ConfigFault { place: None, ..note.clone() }.to_string();
    let text = &place.source.text;
    // A caret is under something, also at the end of a line.
    let end = place.span.end.clamp(place.span.start, text.len());
    let snippet = Snippet::source(&**text)
        .path(&*place.source.name)
        .annotation(AnnotationKind::Primary.span(place.span.start.min(end)..end));
    let report = [level.primary_title(told).element(snippet)];
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

fn has_colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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

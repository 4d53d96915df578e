//! `[log]`: what is written about requests, and about the process.

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use super::{keys::Key, reader::Reader, values};

/// What is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where the access log is written.
    pub access: AccessLog,
    /// Query parameters whose values never reach it.
    pub redact_query: Vec<String>,
    /// What is worth a line on stderr.
    pub verbosity: LevelFilter,
}

/// Where the access log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file, made if it is missing.
    File(PathBuf),
}

/// What is written, and where.
pub(super) fn read(reader: &mut Reader<'_>) -> Log {
    Log {
        access: reader.value(Key::AccessLog, access_log),
        redact_query: reader.list(Key::RedactQuery),
        verbosity: verbosity(reader),
    }
}

fn access_log(text: &str) -> Result<AccessLog, String> {
    match text {
        "off" => Ok(AccessLog::Off),
        "stdout" => Ok(AccessLog::Stdout),
        "stderr" => Ok(AccessLog::Stderr),
        file => values::file(file).map(AccessLog::File),
    }
}

fn verbosity(reader: &mut Reader<'_>) -> LevelFilter {
    let quiet = reader.switch(Key::Quiet);
    let verbose = reader.optional(Key::Verbose, |text| values::count(text, 0..=usize::MAX));
    match (quiet, verbose.unwrap_or_default()) {
        (true, 0) => LevelFilter::ERROR,
        (true, _) => {
            reader.fault(Key::Quiet, "contradicts --verbose; give one of the two");
            LevelFilter::INFO
        }
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn the_access_log_is_off_unless_asked_for() {
        for (typed, expected) in [
            (None, AccessLog::Off),
            (Some("off"), AccessLog::Off),
            (Some("stdout"), AccessLog::Stdout),
            (Some("stderr"), AccessLog::Stderr),
            (Some("/var/log/corsair.log"), AccessLog::File("/var/log/corsair.log".into())),
        ] {
            let settings = typed.map(|typed| (Key::AccessLog, typed));
            let (log, faults) = sample::faults(settings.as_slice(), read);
            assert_eq!((log.access, faults), (expected, vec![]));
        }
    }

    #[test]
    fn verbosity_goes_up_and_down() {
        for (settings, expected) in [
            (&[][..], LevelFilter::INFO),
            (&[(Key::Quiet, "true")], LevelFilter::ERROR),
            (&[(Key::Quiet, "true"), (Key::Verbose, "0")], LevelFilter::ERROR),
            (&[(Key::Quiet, "false"), (Key::Verbose, "1")], LevelFilter::DEBUG),
            (&[(Key::Verbose, "2")], LevelFilter::TRACE),
            (&[(Key::Verbose, "9")], LevelFilter::TRACE),
        ] {
            let (log, faults) = sample::faults(settings, read);
            assert_eq!((log.verbosity, faults), (expected, vec![]), "{settings:?}");
        }
        let (_, faults) = sample::faults(&[(Key::Quiet, "true"), (Key::Verbose, "1")], read);
        assert_eq!(faults, ["--quiet: contradicts --verbose; give one of the two"]);
    }

    #[test]
    fn tokens_and_keys_stay_out_of_the_log_unless_others_are_named() {
        for (settings, expected) in
            [(&[][..], &["token", "key"][..]), (&[(Key::RedactQuery, "a,b")], &["a", "b"])]
        {
            let (log, faults) = sample::faults(settings, read);
            assert_eq!((log.redact_query, faults), (sample::owned(expected), vec![]));
        }
    }
}

//! `log.level`, `-v` and `-q`: what is worth a line on stderr.

use tracing::level_filters::LevelFilter;

use super::{keys::Key, reader::Reader, values};

/// What is worth a line on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// How much corsair says.
    pub general: LevelFilter,
    /// Parts of the program that say more or less: a path such as `corsair::cors`, or a library.
    pub targets: Vec<(Box<str>, LevelFilter)>,
}

impl From<LevelFilter> for LogLevel {
    fn from(general: LevelFilter) -> Self {
        Self { general, targets: Vec::new() }
    }
}

const LEVELS: [(&str, LevelFilter); 6] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
    ("off", LevelFilter::OFF),
];

/// What is worth a line.
pub(super) fn read(reader: &mut Reader<'_>) -> LogLevel {
    let level = reader.value(Key::LogLevel, parse);
    let quiet = reader.switch(Key::Quiet);
    let verbose = reader
        .optional(Key::Verbose, |text| {
            values::count(text, 0..=usize::MAX).map_err(|_| {
                format!("\"{text}\" is no number; write 1 to hear more, or 2 to hear everything")
            })
        })
        .unwrap_or_default();
    let short = match (quiet, verbose) {
        (true, 0) => LevelFilter::ERROR,
        (true, _) => {
            let verbose = reader.spelled(Key::Verbose);
            reader.fault(Key::Quiet, format!("contradicts {verbose}; give one of the two"));
            LevelFilter::INFO
        }
        (false, 0) => return level,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    // What stands in a file is outranked by any flag.
    if reader.is_outside_of_a_file(Key::LogLevel) {
        let other = reader.spelled(if quiet { Key::Quiet } else { Key::Verbose });
        reader.fault(Key::LogLevel, format!("contradicts {other}; give one of the two"));
    }
    short.into()
}

fn parse(text: &str) -> Result<LogLevel, String> {
    let mut level = LogLevel::from(LevelFilter::INFO);
    for part in text.split(',').map(str::trim) {
        match part.split_once('=') {
            None => level.general = named(part)?,
            Some((target, name)) => {
                let target = target.trim();
                if target.is_empty()
                    || !target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
                {
                    return Err(format!(
                        "\"{target}\" is no part of the program; write such as corsair::cors=debug"
                    ));
                }
                level.targets.push((target.into(), named(name.trim())?));
            }
        }
    }
    Ok(level)
}

fn named(name: &str) -> Result<LevelFilter, String> {
    values::choice(&name.to_ascii_lowercase(), &LEVELS)
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn told(settings: &[(Key, &str)]) -> (LogLevel, Vec<String>) {
        sample::faults(settings, read)
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
            (&[(Key::LogLevel, "warn")], LevelFilter::WARN),
            (&[(Key::LogLevel, "TRACE"), (Key::Verbose, "0")], LevelFilter::TRACE),
            (&[(Key::LogLevel, "off")], LevelFilter::OFF),
        ] {
            assert_eq!(told(settings), (expected.into(), vec![]), "{settings:?}");
        }
    }

    #[test]
    fn what_contradicts_is_a_fault() {
        for (settings, fault) in [
            (
                &[(Key::Quiet, "true"), (Key::Verbose, "1")][..],
                "--quiet: contradicts --verbose; give one of the two",
            ),
            (
                &[(Key::LogLevel, "info"), (Key::Verbose, "1")],
                "--log-level: contradicts --verbose; give one of the two",
            ),
            (
                &[(Key::LogLevel, "info"), (Key::Quiet, "true")],
                "--log-level: contradicts --quiet; give one of the two",
            ),
            (
                &[(Key::Verbose, "true")],
                "--verbose: \"true\" is no number; write 1 to hear more, or 2 to hear everything",
            ),
        ] {
            assert_eq!(told(settings).1, [fault]);
        }
    }

    #[test]
    fn a_flag_outranks_the_level_of_a_file() {
        let config = sample::compiled(&sample::file("[log]\nlevel = \"error\"", &[(Key::Verbose, "1")]));
        assert_eq!(config.log.level, LevelFilter::DEBUG.into());
    }

    #[test]
    fn parts_of_the_program_have_levels_of_their_own() {
        let level = |general, targets: &[(&str, LevelFilter)]| LogLevel {
            general,
            targets: targets.iter().map(|(target, level)| ((*target).into(), *level)).collect(),
        };
        for (text, expected) in [
            ("corsair::cors=debug", level(LevelFilter::INFO, &[("corsair::cors", LevelFilter::DEBUG)])),
            (
                "corsair=debug, rustls=warn",
                level(LevelFilter::INFO, &[("corsair", LevelFilter::DEBUG), ("rustls", LevelFilter::WARN)]),
            ),
            (
                "error,corsair::cors=trace",
                level(LevelFilter::ERROR, &[("corsair::cors", LevelFilter::TRACE)]),
            ),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("loud", "\"loud\" is none of error, warn, info, debug, trace, off"),
            ("corsair=dbug", "did you mean debug?"),
            ("", "none of error"),
            ("=debug", "is no part of the program"),
            ("a b=debug", "is no part of the program"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }
}

//! `[log]`: what is written about requests, and about the process.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use tracing::level_filters::LevelFilter;

use super::{keys::Key, reader::Reader, values};

/// What is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where the access log is written.
    pub access: AccessLog,
    /// Which query parameters are secrets beside those whose names say so, and which are none.
    pub secrets: SecretNames,
    /// What is worth a line on stderr.
    pub verbosity: LevelFilter,
}

/// What the operator says of the names of query parameters; by default names made of certain words are secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretNames {
    /// Names, compared without regard to case, of parameters whose values never reach a log.
    pub redact: Vec<String>,
    /// Those that do, whatever their names say.
    pub allow: Vec<String>,
}

impl SecretNames {
    /// Nothing was said.
    pub const NONE: &Self = &Self { redact: Vec::new(), allow: Vec::new() };
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
    let access = reader.value(Key::AccessLog, access_log);
    // Whoever writes a file runs a service: its requests are worth a line where nothing else is said.
    let is_default = !reader.has(Key::AccessLog) && reader.has_file();
    Log {
        access: if is_default { AccessLog::Stdout } else { access },
        secrets: SecretNames { redact: reader.list(Key::RedactQuery), allow: reader.list(Key::AllowQuery) },
        verbosity: verbosity(reader),
    }
}

/// Takes what holds for the life of the process back to what it was `before`.
pub(super) fn keep(log: &mut Log, before: &Log, reader: &mut Reader<'_>) {
    if log.access != before.access {
        reader.warn(Key::AccessLog, "holds for the life of the process: restart it, or replace it with USR2");
    }
    log.access = before.access.clone();
    log.verbosity = before.verbosity;
}

fn access_log(text: &str) -> Result<AccessLog, String> {
    match text {
        "off" => Ok(AccessLog::Off),
        "stdout" => Ok(AccessLog::Stdout),
        "stderr" => Ok(AccessLog::Stderr),
        file => {
            let file = values::file(file)?;
            writable(&file)?;
            Ok(AccessLog::File(file))
        }
    }
}

/// Whether a log could be written there; nothing is made yet.
fn writable(file: &Path) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let reason = match fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => "it is a directory".to_owned(),
        Ok(_) => match access(file, Access::WRITE_OK) {
            Ok(()) => return Ok(()),
            Err(reason) => io::Error::from(reason).to_string(),
        },
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => reason.to_string(),
        Err(_) => match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::NOENT) => format!("there is no folder {}", folder.display()),
            Err(reason) => {
                format!("nothing can be made in {}: {}", folder.display(), io::Error::from(reason))
            }
        },
    };
    Err(format!("cannot write {}: {reason}; make it writable or name another", file.display()))
}

fn verbosity(reader: &mut Reader<'_>) -> LevelFilter {
    let quiet = reader.switch(Key::Quiet);
    let verbose = reader.optional(Key::Verbose, |text| {
        values::count(text, 0..=usize::MAX)
            .map_err(|_| format!("\"{text}\" is no number; write 1 to hear more, or 2 to hear everything"))
    });
    match (quiet, verbose.unwrap_or_default()) {
        (true, 0) => LevelFilter::ERROR,
        (true, _) => {
            let verbose = reader.spelled(Key::Verbose);
            reader.fault(Key::Quiet, format!("contradicts {verbose}; give one of the two"));
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
            (Some("/dev/null"), AccessLog::File("/dev/null".into())),
            (Some("corsair-not-made.log"), AccessLog::File("corsair-not-made.log".into())),
        ] {
            let settings = typed.map(|typed| (Key::AccessLog, typed));
            let (log, faults) = sample::faults(settings.as_slice(), read);
            assert_eq!((log.access, faults), (expected, vec![]));
        }
    }

    #[test]
    fn a_log_that_cannot_be_written_is_a_fault_and_none_is_made() {
        assert!(!Path::new("corsair-not-made.log").exists());
        for (typed, reason) in [
            (
                "/nonexistent/access.log",
                "cannot write /nonexistent/access.log: there is no folder /nonexistent; make",
            ),
            ("/", "cannot write /: it is a directory; make"),
            ("/dev/null/access.log", "cannot write /dev/null/access.log: Not a directory"),
        ] {
            let (_, faults) = sample::faults(&[(Key::AccessLog, typed)], read);
            assert!(
                faults.len() == 1 && faults[0].starts_with(&format!("--access-log: {reason}")),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_file_switches_the_access_log_on() {
        for (text, flags, expected) in [
            ("", &[][..], AccessLog::Stdout),
            ("[log]\naccess = \"off\"", &[], AccessLog::Off),
            ("[log]\naccess = \"stderr\"", &[], AccessLog::Stderr),
            ("[log]\naccess = \"stderr\"", &[(Key::AccessLog, "off")], AccessLog::Off),
            ("", &[(Key::AccessLog, "off")], AccessLog::Off),
        ] {
            assert_eq!(sample::compiled(&sample::file(text, flags)).log.access, expected, "{text} {flags:?}");
        }
    }

    #[test]
    fn what_belongs_to_the_life_of_the_process_is_kept() {
        let (before, _) = sample::faults(&[], read);
        for (access, warnings) in [("off", 0), ("stderr", 1)] {
            let settings = [(Key::AccessLog, access), (Key::Verbose, "1"), (Key::RedactQuery, "a")];
            let (log, notes) = sample::noted(&settings, |reader| {
                let mut log = read(reader);
                keep(&mut log, &before, reader);
                log
            });
            let secrets = SecretNames { redact: sample::owned(&["a"]), allow: vec![] };
            assert_eq!(log, Log { secrets, ..before.clone() });
            assert_eq!(notes.warnings.len(), warnings, "{notes:?}");
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
        let (_, faults) = sample::faults(&[(Key::Verbose, "true")], read);
        assert_eq!(
            faults,
            ["--verbose: \"true\" is no number; write 1 to hear more, or 2 to hear everything"]
        );
    }

    #[test]
    fn names_of_secrets_are_added_and_lifted() {
        for (settings, redact, allow) in [
            (&[][..], &[][..], &[][..]),
            (&[(Key::RedactQuery, "a,b"), (Key::AllowQuery, "country_code")], &["a", "b"], &["country_code"]),
        ] {
            let (log, faults) = sample::faults(settings, read);
            let secrets = SecretNames { redact: sample::owned(redact), allow: sample::owned(allow) };
            assert_eq!((log.secrets, faults), (secrets, vec![]));
        }
    }
}

//! `[log]`: what is written about requests, and about the process.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{
    keys::Key,
    log_format::LogFormat,
    log_level::{self, LogLevel},
    reader::Reader,
    values,
};

/// What is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where the access log is written.
    pub access: AccessLog,
    /// Which query parameters are secrets beside those whose names say so, and which are none.
    pub secrets: SecretNames,
    /// What a record looks like.
    pub format: LogFormat,
    /// What is worth a line on stderr.
    pub level: LogLevel,
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
        format: reader.value(Key::LogFormat, str::parse),
        level: log_level::read(reader),
    }
}

/// What is said of a change that a reload does not make.
const KEPT: &str = "holds for the life of the process: restart it, or replace it with USR2";

/// Takes what holds for the life of the process back to what it was `before`.
pub(super) fn keep(log: &mut Log, before: &Log, reader: &mut Reader<'_>) {
    if log.access != before.access {
        reader.warn(Key::AccessLog, KEPT);
    }
    if log.format != before.format {
        reader.warn(Key::LogFormat, KEPT);
    }
    if log.level != before.level {
        reader.warn(Key::LogLevel, KEPT);
    }
    log.access = before.access.clone();
    log.format = before.format.clone();
    log.level = before.level.clone();
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
        for (access, format, level, warnings) in [("off", "text", "info", 0), ("stderr", "json", "debug", 3)]
        {
            let settings = [
                (Key::AccessLog, access),
                (Key::LogFormat, format),
                (Key::LogLevel, level),
                (Key::RedactQuery, "a"),
            ];
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

//! Where the log goes, and how that is opened.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is appended to and made if need be (mode 0640), or a FIFO, which may have no reader.
    File(PathBuf),
}

impl fmt::Display for AccessLogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Opens what the log is written to.
///
/// # Errors
/// The system's, with the path and what to do about it.
pub(super) fn open(target: &AccessLogTarget) -> io::Result<File> {
    // A descriptor of our own: the standard library's handle would hold a lock while a write is stuck.
    let opened = match target {
        AccessLogTarget::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        AccessLogTarget::Stderr => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        AccessLogTarget::File(path) => open_file(path),
    };
    opened.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot open the access log {target}: {error}; make it writable or name another"),
        )
    })
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        // Opened for writing only, a FIFO without a reader would stop us here, and one whose reader leaves
        // would be lost for good; so it just fills up and goes on when a reader comes.
        options.read(true).write(true);
    } else {
        options.append(true).create(true).mode(0o640);
    }
    options.open(path)
}

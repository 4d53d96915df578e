//! What keeps the process from serving.

use std::io;

use crate::{config::ConfigFault, net::listen::ListenError};

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The access log could not be opened.
    #[error("--access-log: {0}")]
    AccessLog(io::Error),
    /// The user to become is none, or cannot be become.
    #[error("--user: {0}")]
    User(String),
    /// What may be taken of memory is too little.
    #[error("{0}")]
    Memory(ConfigFault),
    /// The group to become is none.
    #[error("--group: {0}")]
    Group(String),
    /// The machine refused something that every process gets.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// A worker ended over and over without being told to; running half-dead would be worse than ending.
    #[error("a worker dies over and over; ending, so that a supervisor starts anew")]
    WorkerDied,
}

impl ServeError {
    /// Whether what was asked for cannot be done, rather than that something failed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::AccessLog(_) | Self::Memory(_) | Self::User(_) | Self::Group(_))
    }
}

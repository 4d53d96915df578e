//! Who sends a request.

use std::{net::SocketAddr, rc::Rc};

use crate::{config::ListenerId, error::Error, tls::ServerHandshake};

/// Who sends the request, and how it reached us.
#[derive(Clone, Debug)]
pub struct Client {
    /// The peer of the connection, which may be a proxy ([`Asker`](super::Asker) is whom it tells of); `None` over a Unix
    /// socket, where nobody has an address.
    pub address: Option<SocketAddr>,
    /// Whether a trusted proxy has passed it on without saying for whom: then nothing that it says of others is believed.
    pub anonymous: bool,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Whether the listener can be reached from this machine only.
    pub loopback_listener: bool,
    /// The listener that it came to.
    pub listener: ListenerId,
    /// Why nothing is served on the connection.
    pub refusal: Option<Refusal>,
    /// What its handshake has told; `None` where there was none.
    pub handshake: Option<Rc<ServerHandshake>>,
}

/// Why a connection is only told that it is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What it would take is not there.
    Memory,
    /// Its client has as many as it may have.
    Connections,
}

impl Refusal {
    /// What its request is told.
    #[must_use]
    pub const fn error(self) -> Error {
        match self {
            Self::Memory => Error::MemoryLimit,
            Self::Connections => Error::TooManyConnections,
        }
    }
}

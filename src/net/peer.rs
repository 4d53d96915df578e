//! Who is at the other end of a connection.

use std::{net::SocketAddr, sync::Arc};

/// The other end of a connection. To clone it allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket, or `@` and its abstract name.
    Unix(Arc<str>),
}

//! Certificates and keys in PEM files become rustls configurations, checked when they are loaded and not
//! when the first client comes.
//!
//! Nothing here touches a socket: the configuration is checked with these functions, and
//! [`net::handshake`](crate::net::handshake) uses what they return. The provider (aws-lc-rs) is always passed
//! explicitly, because a process may have two compiled in, and rustls then refuses to choose.
//!
//! Memory: rustls offers three bounds. The sessions kept for resumption are counted here, per
//! configuration, and so are the certificates that an upstream may show; the records waiting for a slow peer are bounded per connection at the handshake; fragments
//! smaller than a record are not asked for, as they would cost every connection throughput.
//!
//! - `files`: certificates and keys out of PEM files, and what can be wrong with them
//! - `client`: how we speak TLS to upstreams
//! - `server`: how a listener speaks TLS to clients

mod files;

mod client;

mod server;

#[cfg(test)]
mod testing;

pub use self::{
    client::{
        CHAIN_MEMORY, CLIENT_SESSION_MEMORY, CLIENT_SESSION_NAMES, SESSIONS_OF_A_NAME, client_config,
        is_certificate_error,
    },
    files::{TlsFault, identity_faults},
    server::{SERVER_SESSION_MEMORY, SERVER_SESSIONS, server_config},
};

/// The protocol offered and asked for (RFC 7301); a peer that insists on another gets an alert instead of a
/// conversation in two languages.
const ALPN: &[u8] = b"http/1.1";

//! Bytes on sockets: listening, resolving, connecting, TLS handshakes, and the one stream type they give.
//!
//! Everything here runs on the thread of one worker. Nothing in this room knows what HTTP is, and no policy
//! may enter it: which address is allowed, which connection is kept and how long anything may take is
//! decided by the callers; dropping a future of this room closes what it had opened.
//!
//! - `throttle`: a message that the network could provoke a thousand times
//! - `descriptors`: what connections to upstreams may take of the process's descriptors
//! - `places`: a bounded number of them, kept by nobody for good
//! - [`timer`]: one timer for deadline after deadline
//! - `peer`: who is at the other end of a connection
//! - [`buffer`]: the memory that bytes are read into
//! - `tcp`: reading from TCP connections and writing to them
//! - [`socket`]: a plain connection, TCP or Unix
//! - [`stream`]: an open connection, whatever it runs over
//! - `unix`: Unix sockets that listen, and their files
//! - [`listen`]: bound sockets, and accepting from them
//! - [`connect`]: the first of several addresses that answers
//! - [`proxy_header`]: for whom a proxy has made a connection
//! - [`handshake`]: TLS on a connection, on either side
//! - [`dns`]: names become addresses
//! - [`redis`]: a server at which several processes count together
//! - [`pipe`]: bytes from one socket to another without a visit to user space
//! - [`parked`]: sockets at rest

mod throttle;

mod descriptors;

mod places;

pub mod timer;

mod peer;

pub mod buffer;

mod tcp;

pub mod socket;

pub mod stream;

mod unix;

pub mod listen;

pub mod connect;

pub mod proxy_header;

pub mod handshake;

pub mod dns;

pub mod redis;

pub mod pipe;

pub mod parked;

#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::throttle::Throttle;
pub use self::{
    descriptors::{Descriptors, Spent},
    peer::Peer,
    places::{Places, QueueTime},
    unix::SocketFile,
};

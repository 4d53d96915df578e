//! Bytes on sockets: listening, resolving, connecting, TLS handshakes, and the one stream type they give.
//!
//! Everything here runs on the thread of one worker. Nothing in this room knows what HTTP is, and no policy
//! may enter it: which address is allowed, which connection is kept and how long anything may take is
//! decided by the callers; dropping a future of this room closes what it had opened.
//!
//! Its files, each naming only those before it: `throttle` keeps a warning from being repeated for each
//! connection, `timer` is a deadline that is moved at no cost, `buffer` the memory that bytes are read into,
//! `stream` a connection of any kind; then `listen`, `connect` and `handshake`, and [`dns`] for names; last what
//! spares memory and copies: [`splice`] from socket to socket, and [`parked`] for sockets at rest.

mod throttle;

pub mod timer;

pub mod buffer;

pub mod stream;

pub mod listen;

pub mod connect;

pub mod handshake;

pub mod dns;

pub mod splice;

pub mod parked;

#[cfg(test)]
pub(crate) mod testing;

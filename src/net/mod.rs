//! Bytes on sockets: listening, resolving, connecting, TLS handshakes, and the one stream type they give.
//!
//! Everything here runs on the thread of one worker. Nothing in this room knows what HTTP is, and no policy
//! may enter it: which address is allowed, which connection is kept and how long anything may take is
//! decided by the callers; dropping a future of this room closes what it had opened.

pub mod buffer;
pub mod connect;
pub mod handshake;
mod hosts;
pub mod listen;
mod name_servers;
pub mod parked;
pub mod resolve;
pub mod splice;
pub mod stream;
mod throttle;
pub mod timer;

#[cfg(test)]
pub(crate) mod testing;

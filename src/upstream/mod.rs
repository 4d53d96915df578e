//! Connections to upstreams: opened once, used as often as they allow.
//!
//! Which server is asked next is decided by plain data that knows no connection. What HTTP is, and whether a
//! connection may be used again, the callers know: no message may enter this room.
//!
//! - `balance`: which server of an upstream is next
//! - `lease`: a connection while one exchange has it
//! - [`pool`]: connections between two exchanges
//! - [`connector`]: from a name to an open connection

mod balance;

mod lease;

pub mod pool;

pub mod connector;

pub use self::{
    balance::Balance,
    lease::{Lease, OpenConnection},
};

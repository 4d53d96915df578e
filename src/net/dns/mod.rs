//! Names become addresses.
//!
//! Its files: `hosts` is the file of names that the operator of the machine has fixed, `name_servers` is what DNS
//! says now, and `resolver` asks both and remembers the answers.

mod hosts;

mod name_servers;

mod resolver;

pub use self::resolver::{Addresses, Resolver, ResolverSettings};

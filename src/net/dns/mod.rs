//! Names become addresses.
//!
//! - `hosts`: the names that the operator of the machine has fixed
//! - `name_servers`: what DNS says about a name, now
//! - `resolver`: asks both, and remembers the answers

mod hosts;

mod name_servers;

mod resolver;

pub use self::{
    name_servers::ServiceRecord,
    resolver::{
        Addresses, LOOKUP_MEMORY, LOOKUPS_OF_GOOD, MAX_NAMES, NAME_MEMORY, Resolver, ResolverSettings,
        Services,
    },
};

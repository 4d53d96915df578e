//! The rules of the wire, of addresses, of origins and of routes, written down a second time.
//!
//! Nothing here is fast, and nothing here is shared with corsair: text is split at line ends, collected and
//! looked at again. Where the two disagree, one of them is wrong.

pub mod address;

pub mod authorization;

pub mod origin;

pub mod proxy_header;

pub mod routing;

pub mod head;

pub mod framing;

pub mod body;

pub mod stream;

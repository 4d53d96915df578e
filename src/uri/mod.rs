//! What a name on the net is: schemes, hosts, and the URLs that are fetched.
//!
//! Everything goes through the URL standard, so that a host is read here exactly as a browser would read it, or is
//! spelled already as the standard would spell it. Whether a host may be reached is asked in
//! [`access`](crate::access). No socket, no name resolution and no rule of an operator may enter this room.

mod host;

mod canonical;

mod url;

pub(crate) use self::url::is_http;
pub use self::{
    host::{Scheme, TargetHost, can_be_resolved, is_below_known_suffix, is_public_suffix, may_be_public},
    url::TargetUrl,
};

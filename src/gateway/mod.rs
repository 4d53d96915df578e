//! The gateway's language: which target a path names, and where a redirect leads.
//!
//! Pure functions from a request target or a `Location` to a [`TargetUrl`](crate::uri::TargetUrl). Whether its host
//! may be reached is asked in [`access`](crate::access). No socket, no name resolution and no rule of an operator
//! may enter this room.

mod texts;

mod form;

mod parse;

mod redirect;

pub use self::{
    form::{Form, GatewayForms},
    parse::{GatewayRequest, parse},
    redirect::{Hop, HopMethod, next_hop, to_gateway_location},
    texts::{HEALTHY, INVALID, MISSING, MISSING_HTML, NOT_FOUND, USAGE},
};

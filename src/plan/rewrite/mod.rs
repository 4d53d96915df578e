//! A request head as the upstream gets it, a response head as the client gets it.
//!
//! Fields are taken one by one from the parsed head, and only a line that is spelled as we would spell it goes over as it
//! stands, with those around it. Whatever belongs to one hop is left out first; what corsair adds comes after, so that no
//! peer can strip it.

mod fields;

mod forwarding;

mod request;

mod rename;

mod target;

mod response;

#[cfg(test)]
mod tests;

pub use self::{
    forwarding::Forwarding,
    rename::Renaming,
    request::{Onward, Sender, request},
    response::{Homeward, interim, response},
    target::{CookiesHome, GatewayAnswer, Location},
};

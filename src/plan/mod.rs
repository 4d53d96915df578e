//! The decisions: what is to be done about a request, and what a response means.
//!
//! A request head and the configuration become a [`Plan`] and an [`Action`]; a response head becomes a
//! [`ResponsePlan`]; what corsair says itself is written by the [`Responder`]. Everything here is a function of its
//! arguments, a time among them where one counts: no socket, no clock, no buffer that fills and no task may enter
//! this room. The code that does what is decided stands above, in [`proxy`](crate::proxy), and holds no policy.

mod date;

mod identity;

mod client;

mod body;

mod target;

mod action;

mod route;

mod request;

mod attempts;

pub mod rewrite;

mod response;

mod respond;

#[cfg(test)]
pub(crate) mod sample;

pub use self::{
    action::{Action, Answer, Destination, Exchange, Plan, Service},
    attempts::{AttemptEnd, Attempts, Step},
    body::{BodyProgress, request_body_limits, response_body_limits},
    client::Client,
    date::Date,
    identity::{Identity, RequestId},
    request::request,
    respond::{Recipient, Responder, reason},
    response::{Arrived, ResponseContext, ResponsePlan, Seen},
    target::Target,
};

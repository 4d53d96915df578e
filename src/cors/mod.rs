//! CORS: one policy, and what it makes of every request and response.
//!
//! [`CorsPolicy::compile`] turns settings into a policy whose lines are rendered once; [`decide()`] turns a request
//! head into a [`CorsDecision`]; the `write_…` functions write the fields that follow from it. All of
//! it is pure: no socket, no clock, no log and no knowledge of routes may enter this room.
//!
//! Sources: the Fetch standard ("HTTP CORS protocol", "CORS check", "CORS-preflight fetch"), RFC 6454,
//! RFC 9110.

mod reason;

mod origin;

mod pattern;

mod policy;

mod compile;

mod lines;

mod lists;

mod decide;

mod answer;

#[cfg(test)]
mod sample;

#[cfg(test)]
mod soundness;

pub use self::{
    answer::{strips, write_origin_fields, write_preflight, write_reason, write_response_fields},
    decide::{CorsDecision, PreflightAnswer, Refusal, Stage, decide, decide_origin},
    origin::is_serialized_origin,
    policy::{CorsPolicy, CorsSettings, PolicyFault, Preflight, ResourcePolicy, UpstreamHeaders},
    reason::Reason,
};

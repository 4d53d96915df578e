//! CORS: one policy, and what it makes of every request and response.
//!
//! [`policy`] turns settings into a [`CorsPolicy`] whose lines are rendered once; [`decide`](mod@decide)
//! turns a request head into a [`CorsDecision`]; [`answer`] writes the fields that follow from it. All of
//! it is pure: no socket, no clock, no log and no knowledge of routes may enter this room.
//!
//! Sources: the Fetch standard ("HTTP CORS protocol", "CORS check", "CORS-preflight fetch"), RFC 6454,
//! RFC 9110.

pub mod answer;
mod compile;
pub mod decide;
mod lists;
pub mod origin;
mod pattern;
pub mod policy;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod soundness;

pub use answer::{strips, write_origin_fields, write_preflight, write_reason, write_response_fields};
pub use decide::{CorsDecision, PreflightAnswer, Reason, Refusal, Stage, decide, decide_origin};
pub use policy::{CorsPolicy, CorsSettings, PolicyFault, Preflight, ResourcePolicy, UpstreamHeaders};

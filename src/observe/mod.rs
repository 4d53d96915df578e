//! What the operator sees of the traffic: the access log and the counters.
//!
//! Whatever happens in here, a request neither waits for it nor fails by it. No policy, no socket of the
//! traffic and no configuration file may enter this room: settings come in as arguments, and what is reported
//! comes in as plain values.
//!
//! - [`access_log`]: one line per request
//! - [`refusals`]: the last requests that were refused
//! - [`metrics`]: the counters
//! - [`reloads`]: what became of the configurations that were read

pub mod access_log;

pub mod refusals;

pub mod metrics;

pub mod reloads;

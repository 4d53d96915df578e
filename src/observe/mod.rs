//! What the operator sees of the traffic: the access log and the counters.
//!
//! Whatever happens in here, a request neither waits for it nor fails by it. No policy, no socket of the
//! traffic and no configuration file may enter this room: settings come in as arguments, and what is reported
//! comes in as plain values.
//!
//! - [`access_log`]: one line per request
//! - [`metrics`]: the counters

pub mod access_log;

pub mod metrics;

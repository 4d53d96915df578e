//! Every metric: its name, its kind, its labels and its line of help. What is exposed and what the manual says of it is
//! made of these rows; a name, once it is here, stays.

use prometheus::proto::MetricType;

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name; times are seconds, sizes bytes, and counters end in `_total`.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a line.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, while the process lives.
    Counter,
    /// Goes both ways.
    Gauge,
    /// A distribution over fixed bounds.
    Histogram,
}

impl Kind {
    /// The word for it, as in the line `# TYPE`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// The library's own.
    #[must_use]
    pub const fn of_library(self) -> MetricType {
        match self {
            Self::Counter => MetricType::COUNTER,
            Self::Gauge => MetricType::GAUGE,
            Self::Histogram => MetricType::HISTOGRAM,
        }
    }
}

/// Declares a metric by constant and the list of all of them.
macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric =
                Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All of them, in the order in which they are exposed. Beside these there are the usual ones of the process,
        /// `process_…`.
        pub const CATALOGUE: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    REQUESTS = "corsair_requests_total", Counter ["route", "method", "code"],
        "Requests that have ended.";
    REQUEST_DURATION = "corsair_request_duration_seconds", Histogram ["route"],
        "From the end of a request's head to the end of its response.";
    PROXY_ADDED = "corsair_proxy_added_seconds", Histogram [],
        "What corsair itself added to an exchange on a connection that was used before, and whose bodies fit a buffer.";
    CONNECTIONS = "corsair_connections", Gauge ["side"],
        "Open connections.";
    CONNECTIONS_TOTAL = "corsair_connections_total", Counter ["side"],
        "Connections that were accepted or made.";
    CONNECTIONS_MAX = "corsair_connections_max", Gauge [],
        "Client connections that there may be at a time.";
    BYTES = "corsair_bytes_total", Counter ["side", "direction"],
        "Bytes of heads and bodies.";
    ERRORS = "corsair_errors_total", Counter ["cause"],
        "Exchanges that went wrong.";
    RETRIES = "corsair_retries_total", Counter [],
        "Requests that were sent once more.";
    UPSTREAM_FIRST_BYTE = "corsair_upstream_first_byte_seconds", Histogram ["upstream"],
        "From a request that was sent to the first byte of its response.";
    UPSTREAM_UP = "corsair_upstream_up", Gauge ["upstream", "server"],
        "1 while a server is used, 0 while it is out.";
    QUEUE_WAITING = "corsair_queue_waiting", Gauge ["upstream"],
        "Requests that wait for a connection to an upstream that has as many as it may.";
    UPSTREAM_VERIFY = "corsair_upstream_verify", Gauge ["upstream"],
        "1 where the certificates of its servers are verified, 0 where any is trusted.";
    UPSTREAM_REQUESTS = "corsair_upstream_requests_total", Counter ["upstream", "server", "code"],
        "Requests that a server has answered.";
    UPSTREAM_FAILURES = "corsair_upstream_failures_total", Counter ["upstream", "server"],
        "Attempts at a server that have failed.";
    POOL_IDLE = "corsair_pool_idle", Gauge ["upstream"],
        "Connections to servers that wait for a request.";
    POOL_REUSE = "corsair_pool_reuse_total", Counter ["upstream", "result"],
        "Connections that were asked of the pool: reused, new, or found to be stale when one was used.";
    CORS_REQUESTS = "corsair_cors_requests_total", Counter ["policy", "kind", "result", "reason"],
        "Requests with an Origin, by what the policy says of them.";
    ACCESS = "corsair_access_total", Counter ["access", "result"],
        "Requests that a table of access was asked about: admitted, refused, or error where it could not be known.";
    KEY_FETCHES = "corsair_access_key_fetches_total", Counter ["access", "result"],
        "Attempts to fetch the keys of the tokens of a table of access: fetched, or failed.";
    LIMITED = "corsair_limited_total", Counter ["limit"],
        "Requests that a limit has refused.";
    LIMIT_KEYS_DROPPED = "corsair_limit_keys_dropped_total", Counter ["limit"],
        "Who was forgotten of whom something was still to be known, for others who came.";
    LIMIT_SHARED_FAILURES = "corsair_limit_shared_failures_total", Counter ["limit"],
        "Requests that were counted here alone, for the server that the limit is shared at gave no answer in time.";
    BUFFERS = "corsair_buffers", Gauge ["state"],
        "Relay buffers: in use, or kept for the next one.";
    MEMORY_BOUND = "corsair_memory_bound_bytes", Gauge [],
        "The most user memory that traffic can take.";
    LOG_DROPPED = "corsair_log_dropped_total", Counter [],
        "Records of the access log that were not written.";
    PANICS = "corsair_panics_total", Counter [],
        "Connections that were ended by a defect.";
    WORKER_RESTARTS = "corsair_worker_restarts_total", Counter [],
        "Workers that have died and were started anew.";
    RELOADS = "corsair_reloads_total", Counter ["result"],
        "Reloads, by how they ended: applied or refused.";
    GENERATION = "corsair_config_generation", Gauge [],
        "The running configuration, counted from 1 since the process began.";
    RELOAD_SUCCESS = "corsair_config_last_reload_success_timestamp_seconds", Gauge [],
        "When the running configuration was loaded.";
    CERTIFICATE_EXPIRY = "corsair_tls_certificate_expiry_timestamp_seconds", Gauge ["listener", "name"],
        "When a certificate of a listener expires.";
    BUILD_INFO = "corsair_build_info", Gauge ["version"],
        "1; the label says which corsair it is.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_different_and_say_what_they_are() {
        let names: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for Metric { name, kind, help, .. } in CATALOGUE {
            assert!(name.starts_with("corsair_") && help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        }
    }
}

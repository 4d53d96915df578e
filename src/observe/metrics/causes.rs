//! `cause`: why exchanges fail, in the tokens that log, metrics and `Proxy-Status` share.

use crate::error::Error;

/// The tokens of [`Error::token`]: the values of the label `cause`. The last one takes what the others do not.
pub const CAUSES: [&str; 27] = [
    "http_request_error",
    "http_request_denied",
    "connection_terminated",
    "client_gone",
    "client_send_timeout",
    "connection_limit_reached",
    "connection_refused",
    "connection_timeout",
    "http_response_timeout",
    "dns_error",
    "dns_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "destination_ip_prohibited",
    "destination_ip_unroutable",
    "destination_not_found",
    "destination_unavailable",
    "http_protocol_error",
    "http_response_header_section_size",
    "http_response_incomplete",
    "http_upgrade_failed",
    "proxy_configuration_error",
    "proxy_loop_detected",
    "tls_certificate_error",
    "tls_protocol_error",
    "proxy_internal_error",
    "other",
];

/// Where the token of `error` stands in [`CAUSES`].
pub(super) fn cause_index(error: Error) -> usize {
    let token = error.token();
    CAUSES.iter().position(|cause| *cause == token).unwrap_or(CAUSES.len() - 1)
}

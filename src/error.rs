//! Everything that can go wrong with one exchange, and the one table that says what follows from it.
//!
//! This is the lowest floor: it names no other module. An [`Error`] is small and [`Copy`], so that the hot
//! path can carry it; text is made only when somebody reads it. Faults of start-up and configuration have
//! types of their own and never come here.

use std::fmt;

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The peer that sent us the request.
    Client,
    /// The peer that we sent it to, or the way there.
    Upstream,
    /// corsair itself, or a rule of its operator.
    Proxy,
}

/// Why an exchange did not end with the upstream's own complete answer.
///
/// The tokens of [`Error::token`] are those of the Proxy-Status registry (RFC 9209 §2.3), but for two of clients that
/// are gone, who can be told nothing; the log, the
/// metrics, the `Proxy-Status` field and the body of the answer all use that one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request head breaks a rule; the text says which.
    RequestHead(&'static str),
    /// A major version other than 1 (RFC 9110 §15.6.6).
    RequestVersion,
    /// Other transfer codings before a final `chunked` (RFC 9112 §6.1).
    RequestCoding,
    /// The request line alone is longer than `limits.head`.
    RequestLineTooLong,
    /// The head is longer than `limits.head` or has more than `limits.fields` fields.
    RequestHeadTooLarge,
    /// The head was not complete within `timeouts.head`.
    RequestHeadTimeout,
    /// The body is longer than `limits.body`.
    RequestBodyTooLarge,
    /// The framing of the body is broken; the text says how.
    RequestBody(&'static str),
    /// The body stalled for `timeouts.body_idle`, or came slower than `timeouts.min_rate`.
    RequestBodyTimeout,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// A method that has no meaning here: CONNECT without a tunnel. Who sent it may take what follows for a
    /// tunnel's.
    MethodNotAllowed,
    /// The client closed or reset its connection; nobody is left to be answered.
    ClientGone,
    /// The client took nothing for `timeouts.send`.
    ClientSendTimeout,

    /// The request is for a host that is not the one whose server the TLS connection was made to
    /// (RFC 9110 §15.5.20).
    Misdirected,
    /// The Host of a loopback gateway is not one of `allow_hosts`.
    HostNotAllowed,
    /// The gateway's path is none of its forms.
    RouteNotFound,
    /// No route is for this host and path.
    NoRoute,
    /// The path climbs above its root, or leads elsewhere for one back end than for another.
    PathAmbiguous,
    /// The route serves other methods alone.
    MethodNotServed,
    /// The gateway was called without a target.
    TargetMissing,
    /// The gateway's target is no http or https URL; the text says why.
    TargetInvalid(&'static str),
    /// The target's name or port is not among those that the operator allows.
    TargetDenied,
    /// The target is, or resolves to, an address that is not public, and nothing allows it.
    TargetAddressProhibited,
    /// One of the fields that the gateway requires is missing.
    FieldRequired,
    /// What is loaded would act as the origin that a gateway's targets share.
    DestinationRefused,
    /// The gateway is restricted by origins alone, and the request has none of them.
    OriginRequired,
    /// The CORS policy refuses this origin, method or field.
    CorsRefused,
    /// What the route asks for to let somebody in is missing.
    CredentialsMissing,
    /// What was shown instead is not right.
    CredentialsRefused,
    /// What the forward proxy asks for to let somebody use it is missing (RFC 9110 §15.5.8).
    ProxyCredentialsMissing,
    /// What was shown to it instead is not right.
    ProxyCredentialsRefused,
    /// CONNECT does not lead to this port.
    ConnectPortDenied,
    /// The client is not in the networks that may come.
    ClientRefused,
    /// The page that asks is of a site that may not.
    SiteRefused,
    /// The route wants a signed URL, and the last parameters of this one are no signature.
    SignatureMissing,
    /// The signature is of another URL, method or host, or of no key that is known.
    SignatureRefused,
    /// The signature is right, and the time over that it was made for.
    SignatureExpired,
    /// So many passwords wait to be verified that this one cannot, or has waited too long.
    VerificationsBusy,
    /// All memory of `max_memory` is spoken for.
    MemoryLimit,
    /// The client has `max_connections_per_client` connections already.
    TooManyConnections,
    /// More requests have come than a `[limit.NAME]` lets come.
    RateLimited,
    /// More requests are under way than a `[limit.NAME]` lets be.
    ConcurrencyLimited,
    /// The service that says who is let in cannot be reached, was too slow, or answered what is no answer.
    AccessUnavailable,
    /// Our own name is in `Via` already (RFC 9110 §7.6.3).
    LoopDetected,
    /// More redirects than the gateway follows.
    TooManyRedirects,
    /// corsair failed; a defect.
    Internal,

    /// As many connections to the upstream are open as may be, and as many requests wait for one as may, or this one has
    /// waited for `pool.queue_timeout`.
    ConnectionLimit,
    /// The resolver did not answer in time.
    DnsTimeout,
    /// The resolver failed, or the name does not exist.
    Dns,
    /// The Unix socket of the upstream does not exist.
    SocketMissing,
    /// Every address refused the connection.
    ConnectRefused,
    /// No address could be reached in time.
    ConnectTimeout,
    /// No address could be reached: no route, or the network is down.
    ConnectFailed,
    /// The parent proxy on the way to the upstream cannot be reached, or gave no answer to CONNECT.
    ParentUnreachable,
    /// The parent proxy does not connect to the upstream: it answered CONNECT with another status than 2xx.
    ParentRefused,
    /// The parent proxy wants credentials, or other ones (RFC 9110 §15.5.8).
    ParentUnauthorized,
    /// The upstream's certificate is not to be trusted.
    TlsCertificate,
    /// The TLS handshake failed for another reason.
    TlsProtocol,
    /// The upstream closed or reset the connection before its response.
    UpstreamClosed,
    /// The upstream took nothing of the request for `timeouts.send`.
    UpstreamSendTimeout,
    /// No response head within `timeouts.response`.
    ResponseTimeout,
    /// What came is no HTTP/1 response head; the text says why.
    ResponseHead(&'static str),
    /// The response head is longer than `limits.response_head`.
    ResponseHeadTooLarge,
    /// More interim responses than `limits.interim`.
    TooManyInterim,
    /// A 101 that was not asked for, or for another protocol.
    UpgradeFailed,
    /// The framing of the response body is broken; the text says how.
    ResponseBody(&'static str),
    /// The response body ended before its framing did.
    ResponseIncomplete,
    /// The response body stalled for `timeouts.upstream_idle`.
    ResponseBodyTimeout,
}

/// One row of the table: status, side, Proxy-Status token.
struct Row(u16, Side, &'static str);

impl Error {
    /// All of them, in their order. Those that bear a text have here what such a text says.
    pub const ALL: &[Self] = &[
        Self::RequestHead("the rule that the head breaks"),
        Self::RequestVersion,
        Self::RequestCoding,
        Self::RequestLineTooLong,
        Self::RequestHeadTooLarge,
        Self::RequestHeadTimeout,
        Self::RequestBodyTooLarge,
        Self::RequestBody("what is broken in the framing of the body"),
        Self::RequestBodyTimeout,
        Self::Expectation,
        Self::MethodNotAllowed,
        Self::ClientGone,
        Self::ClientSendTimeout,
        Self::Misdirected,
        Self::HostNotAllowed,
        Self::RouteNotFound,
        Self::NoRoute,
        Self::PathAmbiguous,
        Self::MethodNotServed,
        Self::TargetMissing,
        Self::TargetInvalid("what is wrong with the target"),
        Self::TargetDenied,
        Self::TargetAddressProhibited,
        Self::FieldRequired,
        Self::DestinationRefused,
        Self::OriginRequired,
        Self::CorsRefused,
        Self::CredentialsMissing,
        Self::CredentialsRefused,
        Self::ProxyCredentialsMissing,
        Self::ProxyCredentialsRefused,
        Self::ConnectPortDenied,
        Self::ClientRefused,
        Self::SiteRefused,
        Self::SignatureMissing,
        Self::SignatureRefused,
        Self::SignatureExpired,
        Self::VerificationsBusy,
        Self::MemoryLimit,
        Self::TooManyConnections,
        Self::RateLimited,
        Self::ConcurrencyLimited,
        Self::AccessUnavailable,
        Self::LoopDetected,
        Self::TooManyRedirects,
        Self::Internal,
        Self::ConnectionLimit,
        Self::DnsTimeout,
        Self::Dns,
        Self::SocketMissing,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::ConnectFailed,
        Self::ParentUnreachable,
        Self::ParentRefused,
        Self::ParentUnauthorized,
        Self::TlsCertificate,
        Self::TlsProtocol,
        Self::UpstreamClosed,
        Self::UpstreamSendTimeout,
        Self::ResponseTimeout,
        Self::ResponseHead("the rule that the head of the response breaks"),
        Self::ResponseHeadTooLarge,
        Self::TooManyInterim,
        Self::UpgradeFailed,
        Self::ResponseBody("what is broken in the framing of the response"),
        Self::ResponseIncomplete,
        Self::ResponseBodyTimeout,
    ];

    const fn row(self) -> Row {
        use Side::{Client, Proxy, Upstream};
        match self {
            Self::RequestHead(_) | Self::RequestBody(_) => Row(400, Client, "http_request_error"),
            Self::RequestVersion => Row(505, Client, "http_request_error"),
            Self::RequestCoding => Row(501, Client, "http_request_error"),
            Self::RequestLineTooLong => Row(414, Client, "http_request_error"),
            Self::RequestHeadTooLarge => Row(431, Client, "http_request_error"),
            Self::RequestHeadTimeout | Self::RequestBodyTimeout => Row(408, Client, "http_request_error"),
            Self::RequestBodyTooLarge => Row(413, Client, "http_request_error"),
            Self::Expectation => Row(417, Client, "http_request_error"),
            Self::MethodNotAllowed => Row(405, Client, "http_request_error"),
            Self::ClientGone => Row(499, Client, "client_gone"),
            Self::ClientSendTimeout => Row(499, Client, "client_send_timeout"),
            Self::MethodNotServed => Row(405, Client, "http_request_error"),
            Self::RouteNotFound | Self::NoRoute => Row(404, Client, "destination_not_found"),
            Self::TargetMissing | Self::TargetInvalid(_) | Self::PathAmbiguous => {
                Row(400, Client, "http_request_error")
            }
            Self::Misdirected => Row(421, Client, "http_request_error"),
            Self::HostNotAllowed
            | Self::TargetDenied
            | Self::FieldRequired
            | Self::DestinationRefused
            | Self::OriginRequired
            | Self::CorsRefused
            | Self::ConnectPortDenied
            | Self::ClientRefused
            | Self::SiteRefused
            | Self::SignatureMissing
            | Self::SignatureRefused
            | Self::SignatureExpired => Row(403, Proxy, "http_request_denied"),
            Self::CredentialsMissing | Self::CredentialsRefused => Row(401, Proxy, "http_request_denied"),
            Self::ProxyCredentialsMissing | Self::ProxyCredentialsRefused => {
                Row(407, Proxy, "http_request_denied")
            }
            Self::VerificationsBusy => Row(503, Proxy, "http_request_denied"),
            Self::MemoryLimit => Row(503, Proxy, "http_request_denied"),
            Self::TooManyConnections | Self::RateLimited | Self::ConcurrencyLimited => {
                Row(429, Proxy, "http_request_denied")
            }
            Self::AccessUnavailable => Row(503, Upstream, "destination_unavailable"),
            Self::TargetAddressProhibited => Row(403, Proxy, "destination_ip_prohibited"),
            Self::LoopDetected | Self::TooManyRedirects => Row(508, Proxy, "proxy_loop_detected"),
            Self::Internal => Row(500, Proxy, "proxy_internal_error"),
            Self::ConnectionLimit => Row(503, Upstream, "connection_limit_reached"),
            Self::DnsTimeout => Row(504, Upstream, "dns_timeout"),
            Self::Dns => Row(502, Upstream, "dns_error"),
            Self::SocketMissing | Self::ParentUnreachable => Row(502, Upstream, "destination_unavailable"),
            Self::ConnectRefused | Self::ParentRefused => Row(502, Upstream, "connection_refused"),
            Self::ParentUnauthorized => Row(502, Proxy, "proxy_configuration_error"),
            Self::ConnectTimeout => Row(504, Upstream, "connection_timeout"),
            Self::ConnectFailed => Row(502, Upstream, "destination_ip_unroutable"),
            Self::TlsCertificate => Row(502, Upstream, "tls_certificate_error"),
            Self::TlsProtocol => Row(502, Upstream, "tls_protocol_error"),
            Self::UpstreamClosed => Row(502, Upstream, "connection_terminated"),
            Self::UpstreamSendTimeout => Row(504, Upstream, "connection_write_timeout"),
            Self::ResponseTimeout => Row(504, Upstream, "http_response_timeout"),
            Self::ResponseHead(_) | Self::TooManyInterim | Self::ResponseBody(_) => {
                Row(502, Upstream, "http_protocol_error")
            }
            Self::ResponseHeadTooLarge => Row(502, Upstream, "http_response_header_section_size"),
            Self::UpgradeFailed => Row(502, Upstream, "http_upgrade_failed"),
            Self::ResponseIncomplete => Row(502, Upstream, "http_response_incomplete"),
            Self::ResponseBodyTimeout => Row(504, Upstream, "connection_read_timeout"),
        }
    }

    /// The status of the answer, were one still possible. 499 is never sent: it marks in the log that the
    /// client was gone.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn side(self) -> Side {
        self.row().1
    }

    /// The word for it in the Proxy-Status registry (RFC 9209 §2.3); one of our own where no answer is possible.
    #[must_use]
    pub const fn token(self) -> &'static str {
        self.row().2
    }

    /// Whether a request that may be repeated is worth one more attempt on a fresh connection
    /// (RFC 9110 §9.2.2): only when the upstream closed before the first byte of its response.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::UpstreamClosed)
    }

    /// Whether nobody can be answered any more.
    #[must_use]
    pub const fn client_is_gone(self) -> bool {
        matches!(self, Self::ClientGone | Self::ClientSendTimeout)
    }

    /// Whether the client connection cannot carry another request after this, because nobody knows, or both ends
    /// do not agree on, where the present one ends (RFC 9112 §9.6).
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Self::RequestHead(_)
                | Self::RequestVersion
                | Self::RequestCoding
                | Self::RequestLineTooLong
                | Self::RequestHeadTooLarge
                | Self::RequestHeadTimeout
                | Self::RequestBodyTooLarge
                | Self::RequestBody(_)
                | Self::RequestBodyTimeout
                | Self::MethodNotAllowed
                | Self::ClientGone
                | Self::ClientSendTimeout
                | Self::Internal
        )
    }
}

impl fmt::Display for Error {
    #[expect(clippy::too_many_lines, reason = "a table, with a row for each error")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestHead(reason)
            | Self::RequestBody(reason)
            | Self::TargetInvalid(reason)
            | Self::ResponseHead(reason)
            | Self::ResponseBody(reason) => reason,
            Self::RequestVersion => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::RequestCoding => "the only transfer coding understood is one final chunked",
            Self::RequestLineTooLong => "the request line is longer than --limit-head",
            Self::RequestHeadTooLarge => "the request head exceeds --limit-head or --limit-fields",
            Self::RequestHeadTimeout => "the request head did not arrive within --timeout-head",
            Self::RequestBodyTooLarge => "the request body exceeds --limit-body",
            Self::RequestBodyTimeout => "the request body stalled or came slower than --timeout-min-rate",
            Self::Expectation => "the only expectation understood is 100-continue",
            Self::MethodNotAllowed => "CONNECT is not served here",
            Self::ClientGone => "the client closed the connection",
            Self::ClientSendTimeout => "the client took nothing for --timeout-send",
            Self::Misdirected => {
                "this connection was made to the server of another name; send the request on a connection of its own"
            }
            Self::HostNotAllowed => "this Host is not served here",
            Self::RouteNotFound => "Route not found.",
            Self::NoRoute => "no route serves this host and path",
            Self::PathAmbiguous => "the path climbs above its root, or means different things to different servers",
            Self::MethodNotServed => "this method is not served here; Allow lists those that are",
            Self::TargetMissing => "Required \"url\" query parameter not found.",
            Self::TargetDenied => {
                "this target is not allowed; the operator can allow it with --allow-target public,HOST[:PORT]"
            }
            Self::TargetAddressProhibited => {
                "the target's address is not public; the operator can allow it with --allow-target public,HOST[:PORT]"
            }
            Self::FieldRequired => "a header field that this gateway requires is missing",
            Self::DestinationRefused => {
                "what a page loads as a worker, script, style, frame or document would act as the origin that all \
                 targets share; read it with fetch(), or serve the gateway from a listener of its own"
            }
            Self::OriginRequired => {
                "this gateway serves pages of the origins that --allow-origin lists, and the request has no such Origin"
            }
            Self::CorsRefused => "the CORS policy does not allow this request",
            Self::CredentialsMissing => "this needs credentials; WWW-Authenticate says which",
            Self::CredentialsRefused => "these credentials are not right; WWW-Authenticate says which are wanted",
            Self::ProxyCredentialsMissing => "this proxy needs credentials; Proxy-Authenticate says which",
            Self::ProxyCredentialsRefused => {
                "these credentials are not right; Proxy-Authenticate says which this proxy wants"
            }
            Self::ConnectPortDenied => {
                "CONNECT does not lead to this port; the operator can add it to forward.connect_ports"
            }
            Self::ClientRefused => "this is not served to clients of your network",
            Self::SiteRefused => "this is not served to pages of other sites",
            Self::SignatureMissing => "this needs a signed URL, which ends in corsair-signature",
            Self::SignatureRefused => "this signature is of another URL, method or host, or of no known key",
            Self::SignatureExpired => "the time is over that this URL was signed for; ask for a new one",
            Self::VerificationsBusy => "too many passwords are being verified; try again soon",
            Self::MemoryLimit => "all memory that may be taken is in use; try again soon",
            Self::TooManyConnections => {
                "too many connections are open from your network; send requests over those that you have, or close some"
            }
            Self::RateLimited => "too many requests have come from you; Retry-After says when to send the next one",
            Self::ConcurrencyLimited => {
                "too many requests of yours are under way; wait for one of them to end before you send the next one"
            }
            Self::AccessUnavailable => "whether this is let in cannot be asked at the moment; try again soon",
            Self::LoopDetected => "the request has passed through this proxy already",
            Self::TooManyRedirects => "the target redirects too many times",
            Self::Internal => "corsair failed to handle this request",
            Self::ConnectionLimit => "all connections that the upstream may have are in use; try again soon",
            Self::DnsTimeout => "the name of the upstream could not be resolved in time",
            Self::Dns => "the name of the upstream could not be resolved",
            Self::SocketMissing => {
                "the unix socket of the upstream is not there; start the application, or correct the path in --upstream"
            }
            Self::ConnectRefused => "the upstream refused the connection",
            Self::ConnectTimeout => "the upstream could not be reached in time",
            Self::ConnectFailed => "the upstream cannot be reached",
            Self::ParentUnreachable => "the proxy on the way to the upstream cannot be reached",
            Self::ParentRefused => "the proxy on the way to the upstream did not connect to it",
            Self::ParentUnauthorized => "corsair could not log in at the proxy on the way to the upstream",
            Self::TlsCertificate => "the certificate of the upstream is not trusted",
            Self::TlsProtocol => "the TLS handshake with the upstream failed",
            Self::UpstreamClosed => "the upstream closed the connection without an answer",
            Self::UpstreamSendTimeout => "the upstream stopped reading the request",
            Self::ResponseTimeout => "the upstream did not answer in time",
            Self::ResponseHeadTooLarge => "the head of the response exceeds --limit-response-head",
            Self::TooManyInterim => "the upstream sent more interim responses than --limit-interim",
            Self::UpgradeFailed => "the upstream switched to a protocol that was not asked for",
            Self::ResponseIncomplete => "the upstream's response is incomplete",
            Self::ResponseBodyTimeout => "the upstream's response stalled",
        })
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, mem::discriminant};

    use super::*;

    #[test]
    fn all_errors_are_listed_once() {
        let declared = include_str!("error.rs").split("pub enum Error {").nth(1).unwrap_or_default();
        let declared = declared.lines().take_while(|line| *line != "}");
        let is_variant =
            |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_uppercase());
        let different: HashSet<_> = Error::ALL.iter().map(discriminant).collect();
        assert_eq!(
            (Error::ALL.len(), different.len()),
            (declared.filter(is_variant).count(), Error::ALL.len())
        );
    }
}

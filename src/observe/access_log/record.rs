//! One finished request.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use crate::{config::SecretNames, error::Error, http1::head::Version, net::Peer};

/// The most bytes of a line, its end included.
pub const LINE_MAX: usize = 8 << 10;

/// One request, as it looks when it has ended. What is empty or `None` is not known, or did not happen.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When the request began.
    pub time: SystemTime,
    /// Who sent it; `None` over a Unix socket, where nobody has an address.
    pub client: Option<SocketAddr>,
    /// What was listened on.
    pub listener: &'a str,
    /// The method as it was spelled; empty when the head could not be parsed.
    pub method: &'a [u8],
    /// Whether the client came over TLS.
    pub secure: bool,
    /// The authority that the request is for.
    pub host: Option<&'a [u8]>,
    /// The request target byte for byte; empty when the head could not be parsed. The line shows neither
    /// userinfo nor the values of secret parameters, in the target or in a URL within it.
    pub target: &'a [u8],
    /// What the operator says of the names of query parameters.
    pub redact: &'a SecretNames,
    /// The version, when the head could be parsed.
    pub version: Option<Version>,
    /// The status that the client got, or would have got had it stayed.
    pub status: u16,
    /// Why the exchange did not end with the upstream's own complete answer.
    pub error: Option<Error>,
    /// Bytes read from the client: head and body.
    pub bytes_in: u64,
    /// Bytes written to the client: heads and body.
    pub bytes_out: u64,
    /// How long each step took.
    pub times: Times,
    /// What took the request.
    pub service: &'static str,
    /// The name of its route.
    pub route: &'a str,
    /// The name of the upstream: at most 64 letters, digits, dots, dashes and underscores, which is all that the
    /// configuration takes.
    pub upstream: &'a str,
    /// Who was asked last.
    pub server: Server<'a>,
    /// Upstream connections that were taken from the pool or opened for it, those that failed included; without
    /// those behind a redirect.
    pub attempts: u32,
    /// Redirects that were followed; `None` where none could be.
    pub hops: Option<u32>,
    /// Whether the last of them came from the pool; `None` when there was none.
    pub reused: Option<bool>,
    /// The CORS verdict; empty when the request had nothing to do with CORS.
    pub cors: &'static str,
    /// Why it is a refusal.
    pub cors_reason: &'static str,
    /// The name of the policy whose verdict it is: written as that of an upstream.
    pub policy: &'a str,
    /// The value of `Origin`.
    pub origin: Option<&'a [u8]>,
    /// The name of the table of access that decided: written as that of an upstream.
    pub access: &'a str,
    /// The name of the limit that refused it: written as that of an upstream.
    pub limit: &'a str,
    /// The subject of the client's certificate.
    pub client_certificate: Option<&'a [u8]>,
    /// The value of `Referer`; of all formats `combined` alone shows it.
    pub referer: Option<&'a [u8]>,
    /// The value of `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
    /// The value of `X-Request-Id`, kept or made.
    pub request_id: Option<&'a [u8]>,
    /// The trace that the request is part of.
    pub trace_id: Option<&'a [u8]>,
}

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server<'a> {
    /// Nobody.
    None,
    /// A server of the upstream, as its URL may be shown.
    Url(&'a str),
    /// A target of the gateway.
    Peer(&'a Peer),
}

/// How long each step took; `None` for one that was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the first byte of the head to its end.
    pub head: Option<Duration>,
    /// Waiting for a place.
    pub queue: Option<Duration>,
    /// Resolving the upstream's name.
    pub dns: Option<Duration>,
    /// The TCP handshake.
    pub connect: Option<Duration>,
    /// The TLS handshake with the upstream.
    pub tls: Option<Duration>,
    /// From the request sent to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// From the first byte of the request to the last byte of the answer.
    pub total: Option<Duration>,
}

impl<'a> Record<'a> {
    /// A request of which nothing is known but when it came and how it was answered.
    #[must_use]
    pub const fn nothing(time: SystemTime, status: u16, redact: &'a SecretNames) -> Self {
        Self {
            time,
            client: None,
            listener: "",
            method: b"",
            secure: false,
            host: None,
            target: b"",
            redact,
            version: None,
            status,
            error: None,
            bytes_in: 0,
            bytes_out: 0,
            times: Times {
                head: None,
                queue: None,
                dns: None,
                connect: None,
                tls: None,
                first_byte: None,
                total: None,
            },
            service: "",
            route: "",
            upstream: "",
            server: Server::None,
            attempts: 0,
            hops: None,
            reused: None,
            cors: "",
            cors_reason: "",
            policy: "",
            origin: None,
            access: "",
            limit: "",
            client_certificate: None,
            referer: None,
            user_agent: None,
            request_id: None,
            trace_id: None,
        }
    }
}

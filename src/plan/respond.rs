//! Every response that corsair makes itself: the one door out, so that each carries the CORS headers
//! that a success would have carried, and a page can read it.

use std::borrow::Cow;

use super::{
    action::Answer,
    date::Date,
    identity::{Identity, RequestId},
    local::{Local, PAGE_POLICY},
};
use crate::{
    config::{LeadsTo, Route},
    cors::{
        CorsDecision, CorsPolicy, write_origin_fields, write_preflight, write_reason, write_response_fields,
    },
    error::Error,
    gateway,
    http1::{
        accept::{accepts_html, prefers_json},
        connection::Persistence,
        emit::HeadWriter,
        fields::FieldId,
        head::{Method, Request},
    },
    limit::Limited,
};

/// Who is answered.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// A request whose head was understood.
    Request(Request<'a>, CorsDecision),
    /// One whose head was not; its origin, if that could be found.
    Unknown(Option<&'a [u8]>),
}

/// What every answer needs.
#[derive(Clone, Copy)]
pub struct Responder<'a> {
    /// How the request is called where the client gave it no name.
    pub request_id: RequestId,
    /// The policy by which CORS fields are given.
    pub policy: &'a CorsPolicy,
    /// The route that the request took.
    pub route: &'a Route,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// The date.
    pub date: Date,
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

/// The reason phrases of the statuses that corsair gives (RFC 9110 §15, RFC 6585).
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        418 => "I'm a Teapot",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}

impl Responder<'_> {
    /// Writes a whole response to `out`; its length and status. 0 bytes if it does not fit, which the size of
    /// buffers rules out.
    pub fn write(
        &self,
        answer: &Answer,
        recipient: Recipient<'_>,
        persistence: Persistence,
        out: &mut [u8],
    ) -> (usize, u16) {
        if let Answer::Local(local) = answer {
            return (self.write_local(*local, local.text().len(), persistence, out), 200);
        }
        let (status, error) = self.verdict(answer, recipient);
        let fixed = match &self.route.leads_to {
            LeadsTo::Respond(fixed) if *answer == Answer::Fixed => Some(fixed),
            LeadsTo::Respond(_)
            | LeadsTo::Nothing
            | LeadsTo::Gateway
            | LeadsTo::Forward
            | LeadsTo::Upstream(_) => None,
        };
        let body = match fixed {
            Some(fixed) => Body { media_type: &fixed.content_type, text: Cow::Borrowed(&*fixed.body) },
            None => Body::of(answer, error, recipient),
        };
        let mut writer = HeadWriter::new(out);
        writer.status_line(status, reason(status).as_bytes());
        self.date.write(&mut writer);
        if let Some(connection) = persistence.option() {
            writer.field(b"Connection", connection);
        }
        if let Some(error) = error {
            self.explain(answer, error, &mut writer);
        }
        if let Some(location) = fixed.and_then(|fixed| fixed.location.as_ref()) {
            writer.field(b"Location", location.as_bytes());
        }
        if let Answer::ToOwnOrigin(url) = answer {
            writer.computed_field(b"Location", url.as_str().as_bytes());
        }
        if !matches!(status, 204 | 304) {
            writer.field(b"Content-Type", body.media_type.as_bytes());
            writer.field(b"Content-Length", itoa::Buffer::new().format(body.text.len()).as_bytes());
            writer.lines(b"X-Content-Type-Options: nosniff\r\n");
        }
        match (answer, recipient) {
            (Answer::Cors, Recipient::Request(request, cors)) => {
                write_preflight(cors, self.policy, request, &mut writer);
            }
            (_, Recipient::Request(request, cors)) => {
                write_response_fields(cors, self.policy, request.bytes, None, added(error), &mut writer);
            }
            (_, Recipient::Unknown(origin)) => {
                write_origin_fields(self.policy, origin, added(error), &mut writer);
            }
        }
        if error.is_some() {
            // So that what a user saw can be found in the log.
            let theirs = match recipient {
                Recipient::Request(request, _) => request.value(FieldId::XRequestId),
                Recipient::Unknown(_) => None,
            };
            writer.field(b"X-Request-Id", theirs.unwrap_or(&self.request_id.text()));
        }
        writer.lines(&self.identity.via);
        let Ok(head) = writer.finish() else { return (0, status) };
        let without_body = matches!(status, 204 | 304)
            || matches!(recipient, Recipient::Request(request, _) if request.head.method == Method::Head);
        if without_body {
            return (head, status);
        }
        match out.get_mut(head..head + body.text.len()) {
            Some(room) => {
                room.copy_from_slice(body.text.as_bytes());
                (head + body.text.len(), status)
            }
            None => (0, status),
        }
    }

    /// Writes the head of what is for who develops on this machine, to `out`; its length. The body, of so many bytes,
    /// follows from where it is. Any page may read it, and nothing keeps it.
    pub fn write_local(
        &self,
        local: Local,
        length: usize,
        persistence: Persistence,
        out: &mut [u8],
    ) -> usize {
        let mut writer = HeadWriter::new(out);
        writer.status_line(200, reason(200).as_bytes());
        self.date.write(&mut writer);
        if let Some(connection) = persistence.option() {
            writer.field(b"Connection", connection);
        }
        writer.field(b"Content-Type", local.media_type().as_bytes());
        writer.field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
        writer.lines(
            b"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\n\
              Cross-Origin-Resource-Policy: cross-origin\r\n",
        );
        if local == Local::Page {
            writer.field(b"Content-Security-Policy", PAGE_POLICY.as_bytes());
        }
        writer.lines(&self.identity.via);
        writer.finish().unwrap_or(0)
    }

    /// Writes the word for an error, and how to do better.
    fn explain(&self, answer: &Answer, error: Error, writer: &mut HeadWriter<'_>) {
        writer.field_parts(b"Proxy-Status", [b"corsair; error=", error.token().as_bytes()]);
        if error == Error::MethodNotAllowed {
            writer.field(b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        } else if error == Error::MethodNotServed {
            writer.field(b"Allow", self.route.methods.allow().as_bytes());
        } else if let Answer::Limited(Limited::Rate { burst, retry_after, reset }) = *answer {
            let mut number = itoa::Buffer::new();
            writer.field(b"Retry-After", number.format(retry_after).as_bytes());
            writer.field(b"RateLimit-Limit", number.format(burst).as_bytes());
            writer.field(b"RateLimit-Remaining", b"0");
            writer.field(b"RateLimit-Reset", number.format(reset).as_bytes());
        } else if matches!(
            error,
            Error::ConnectionLimit
                | Error::VerificationsBusy
                | Error::MemoryLimit
                | Error::TooManyConnections
                | Error::RateLimited
                | Error::ConcurrencyLimited
                | Error::AccessUnavailable
        ) {
            // A place comes free within moments, or there are too few of them.
            writer.field(b"Retry-After", b"1");
        } else if let Some(challenge) = self.route.access.challenges.of(error) {
            let is_proxys = error.status() == 407;
            let name: &[u8] = if is_proxys { b"Proxy-Authenticate" } else { b"WWW-Authenticate" };
            writer.field(name, challenge.as_bytes());
        }
    }

    /// Writes the answer behind which a connection is a tunnel; its length. Nothing of it frames a body (RFC 9110 §9.3.6).
    pub fn connected(&self, out: &mut [u8]) -> usize {
        let mut writer = HeadWriter::new(out);
        writer.status_line(200, b"Connection established");
        self.date.write(&mut writer);
        writer.lines(&self.identity.via);
        writer.finish().unwrap_or_default()
    }

    /// The status, and the error that it stands for, if it does.
    fn verdict(&self, answer: &Answer, recipient: Recipient<'_>) -> (u16, Option<Error>) {
        match (answer, recipient) {
            (Answer::Cors, Recipient::Request(_, cors)) => match cors.edge_status(self.policy) {
                Some(400) => (400, Some(Error::RequestHead(""))),
                Some(status @ 403) => (status, Some(Error::CorsRefused)),
                status => (status.unwrap_or(204), None),
            },
            (Answer::Cors | Answer::LastHop, _) => (204, None),
            (Answer::Healthcheck | Answer::Local(_), _) => (200, None),
            (Answer::Fixed, _) => match &self.route.leads_to {
                LeadsTo::Respond(fixed) => (fixed.status, None),
                LeadsTo::Nothing | LeadsTo::Gateway | LeadsTo::Forward | LeadsTo::Upstream(_) => {
                    (500, Some(Error::Internal))
                }
            },
            // With another method a 302 may become GET (RFC 9110 §15.4.3).
            (Answer::ToOwnOrigin(_), Recipient::Request(request, _))
                if !matches!(request.head.method, Method::Get | Method::Head) =>
            {
                (307, None)
            }
            (Answer::ToOwnOrigin(_), _) => (302, None),
            (Answer::Fault(error), _) => (error.status(), Some(*error)),
            (Answer::Limited(limited), _) => (limited.error().status(), Some(limited.error())),
        }
    }
}

/// Names of fields in our own answers that a script may read beside the safelisted ones.
const fn added(error: Option<Error>) -> &'static [&'static str] {
    match error {
        Some(Error::CredentialsMissing | Error::CredentialsRefused) => {
            &["Date", "Via", "Proxy-Status", "X-Request-Id", "WWW-Authenticate"]
        }
        Some(
            Error::ConnectionLimit
            | Error::VerificationsBusy
            | Error::MemoryLimit
            | Error::TooManyConnections
            | Error::ConcurrencyLimited
            | Error::AccessUnavailable,
        ) => &["Date", "Via", "Proxy-Status", "X-Request-Id", "Retry-After"],
        Some(Error::RateLimited) => &[
            "Date",
            "Via",
            "Proxy-Status",
            "X-Request-Id",
            "Retry-After",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        ],
        Some(Error::MethodNotAllowed | Error::MethodNotServed) => {
            &["Date", "Via", "Proxy-Status", "X-Request-Id", "Allow"]
        }
        _ => &["Date", "Via", "Proxy-Status", "X-Request-Id"],
    }
}

struct Body<'a> {
    media_type: &'a str,
    text: Cow<'a, str>,
}

impl Body<'static> {
    fn of(answer: &Answer, error: Option<Error>, recipient: Recipient<'_>) -> Self {
        let text = |text: String| Self { media_type: TEXT, text: text.into() };
        let Some(error) = error else {
            let healthy = *answer == Answer::Healthcheck;
            return text(if healthy { gateway::HEALTHY.to_owned() } else { String::new() });
        };
        let accept = match recipient {
            Recipient::Request(request, _) => request.value(FieldId::Accept).unwrap_or_default(),
            Recipient::Unknown(_) => b"",
        };
        match (error, recipient) {
            (Error::TargetMissing, _) if accepts_html(accept) => {
                Self { media_type: HTML, text: gateway::MISSING_HTML.into() }
            }
            (Error::TargetMissing, _) => text(format!("{}\n{}\n", gateway::MISSING, gateway::USAGE)),
            (Error::TargetInvalid(reason), _) => text(format!("{}\n{reason}\n", gateway::INVALID)),
            (Error::RouteNotFound, _) => text(gateway::NOT_FOUND.to_owned()),
            (_, Recipient::Request(request, cors)) if *answer == Answer::Cors => {
                let mut detail = String::new();
                if let Some(reason) = cors.reason() {
                    // Writing to a string cannot fail.
                    let _ = write_reason(reason, request.bytes, &mut detail);
                }
                Self::explain(error, &detail, accept)
            }
            _ => Self::explain(error, &error.to_string(), accept),
        }
    }

    /// One line of text, or RFC 9457 with the stable code beside its standard members.
    fn explain(error: Error, detail: &str, accept: &[u8]) -> Self {
        let (token, status) = (error.token(), error.status());
        if !prefers_json(accept) {
            return Self { media_type: TEXT, text: format!("{token}: {detail}\n").into() };
        }
        let (title, detail) = (reason(status), detail.replace('\\', "\\\\").replace('"', "\\\""));
        let text = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"code\":\"{token}\",\"detail\":\"{detail}\"}}\n"
        );
        Self { media_type: PROBLEM, text: text.into() }
    }
}

#[cfg(test)]
mod tests;

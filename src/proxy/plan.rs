//! PURE. A request head and the configuration become a [`Plan`]: the only place where policies meet.
//!
//! Everything that can be known before a connection is opened is decided here: how the body is framed, where
//! the request goes, what CORS adds, whether the connection lives on. I/O code follows the plan and decides
//! nothing.

use std::net::SocketAddr;

use super::route::{self, Destination, Route};
use crate::{
    config::Config,
    cors::{CorsDecision, decide},
    error::Error,
    http1::{
        connection::{ConnectionOptions, Persistence},
        fields::FieldId,
        framing::Framing,
        head::{Method, Request, Version},
        span::Span,
        target::RequestTarget,
    },
};

/// Who sends the request, and how it reached us.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The peer of the connection.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Whether the listener can be reached from this machine only.
    pub loopback_listener: bool,
}

/// What is to be done about a request.
#[derive(Debug)]
pub struct Plan {
    /// What CORS says; it counts for every answer, refusals above all.
    pub cors: CorsDecision,
    /// How the body of the request ends.
    pub framing: Framing,
    /// What becomes of the client connection.
    pub persistence: Persistence,
    /// Which part of corsair takes it.
    pub route: Route,
    /// What to do.
    pub action: Action,
}

/// What to do about a request.
#[derive(Debug)]
pub enum Action {
    /// Answer it here.
    Respond(Answer),
    /// Take it to an upstream.
    Exchange(Exchange),
}

/// Answers that corsair makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What CORS ends here: a preflight, or a request that it refuses; the decision says which.
    Cors,
    /// `GET /healthcheck` of the gateway.
    Healthcheck,
    /// OPTIONS that may not be forwarded any further (RFC 9110 §7.6.2).
    LastHop,
    /// A refusal.
    Fault(Error),
}

/// A request that goes to an upstream.
#[derive(Debug)]
pub struct Exchange {
    /// Where to.
    pub destination: Destination,
    /// The form of its target.
    pub target: RequestTarget,
    /// The authority that it is for, as the client sees it.
    pub authority: Option<Span>,
    /// A WebSocket upgrade.
    pub upgrade: bool,
    /// `Max-Forwards` as it is to be sent on.
    pub max_forwards: Option<u32>,
    /// Which of the upstream's endpoints has it; chosen when a connection is.
    pub endpoint: usize,
}

/// Decides about a request. `own_id` is how this process signs `Via`.
#[must_use]
pub fn plan(request: Request<'_>, config: &Config, client: &Client, own_id: &[u8]) -> Plan {
    let connection = ConnectionOptions::of(request.values(FieldId::Connection));
    let upgrade = is_websocket_upgrade(request, connection);
    let cors = decide(&config.cors, request, upgrade);
    let mut plan = Plan {
        cors,
        framing: Framing::None,
        persistence: Persistence::asked(connection, request.head.version),
        route: Route::Local,
        action: Action::Respond(Answer::Cors),
    };
    if let Err(error) = decide_action(&mut plan, request, config, client, own_id, upgrade) {
        plan.action = Action::Respond(Answer::Fault(error));
        if error.closes() {
            plan.persistence = Persistence::Close;
        }
    }
    plan
}

/// Order: syntax, Host, route, CORS, then what the route admits (cors.md §2).
fn decide_action(
    plan: &mut Plan,
    request: Request<'_>,
    config: &Config,
    client: &Client,
    own_id: &[u8],
    upgrade: bool,
) -> Result<(), Error> {
    plan.framing = Framing::of_request(request)?;
    let target = RequestTarget::parse(request)?;
    let authority = target.authority(request)?;
    expectation(request)?;
    if target == RequestTarget::Authority {
        return Err(Error::MethodNotAllowed);
    }
    if let (Framing::Length(length), Some(limit)) = (plan.framing, config.limits.body)
        && length > limit
    {
        return Err(Error::RequestBodyTooLarge);
    }
    if request.values(FieldId::Via).any(|via| memchr::memmem::find(via, own_id).is_some()) {
        return Err(Error::LoopDetected);
    }
    let (route, destination) = route::route(request, target, authority, config, client)?;
    plan.route = route;
    if plan.cors.edge_status(&config.cors).is_some() {
        plan.action = Action::Respond(Answer::Cors);
        return Ok(());
    }
    let destination = match destination? {
        route::Found::Healthcheck => {
            plan.action = Action::Respond(Answer::Healthcheck);
            return Ok(());
        }
        route::Found::Destination(destination) => destination,
    };
    route::admit(request, config, &destination)?;
    let max_forwards = match max_forwards(request) {
        Some(0) if request.head.method == Method::Options => {
            plan.action = Action::Respond(Answer::LastHop);
            return Ok(());
        }
        Some(0) => return Err(Error::MethodNotAllowed),
        more => more.map(|forwards| forwards - 1),
    };
    // A body would have to end before the tunnel begins, and nothing says when.
    let upgrade = upgrade && plan.framing == Framing::None;
    plan.action =
        Action::Exchange(Exchange { destination, target, authority, upgrade, max_forwards, endpoint: 0 });
    Ok(())
}

/// Whether this asks for the one protocol that we switch to (RFC 9110 §7.8, RFC 6455 §4.1).
fn is_websocket_upgrade(request: Request<'_>, connection: ConnectionOptions) -> bool {
    let mut upgrades = request.values(FieldId::Upgrade);
    connection.upgrade
        && request.head.version == Version::Http11
        && request.head.method == Method::Get
        && matches!((upgrades.next(), upgrades.next()),
            (Some(protocol), None) if protocol.eq_ignore_ascii_case(b"websocket"))
}

/// RFC 9110 §10.1.1; an HTTP/1.0 client's expectation is ignored, and not forwarded.
fn expectation(request: Request<'_>) -> Result<(), Error> {
    let understood = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if request.head.version == Version::Http10 || request.values(FieldId::Expect).all(understood) {
        Ok(())
    } else {
        Err(Error::Expectation)
    }
}

/// `Max-Forwards`, where it has a meaning and is a number (RFC 9110 §7.6.2).
fn max_forwards(request: Request<'_>) -> Option<u32> {
    if !matches!(request.head.method, Method::Options | Method::Trace) {
        return None;
    }
    let value = request.value(FieldId::MaxForwards)?;
    let digits = value.iter().all(u8::is_ascii_digit) && value.len() <= 9;
    digits.then(|| str::from_utf8(value).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;

//! A request head and the configuration become a [`Plan`] and an [`Action`]: the only place where policies meet.
//!
//! Everything that can be known before a connection is opened is decided here: how the body is framed, where
//! the request goes, what CORS adds, whether the connection lives on.

use std::mem;

use super::{
    action::{Action, Answer, Destination, Exchange, Plan, Service, Withheld},
    asker::Asker,
    client::Client,
    forward,
    local::Local,
    misdirected,
    route::{self, Found, Taker},
};
use crate::{
    admission::{self, Admission, Asked, Shown},
    config::{Config, Route, Routes},
    cors::{CorsDecision, decide, is_same_origin},
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

/// Decides about a request, of whose target has been taken what it has `shown`. `own_id` is how this process signs `Via`.
#[must_use]
pub fn request(
    request: Request<'_>,
    shown: &Shown,
    config: &Config,
    client: &Client,
    own_id: &[u8],
) -> (Plan, Action) {
    let options = ConnectionOptions::of(request.values(FieldId::Connection));
    let upgrade = is_websocket_upgrade(request, options);
    let addressed = addressed(request);
    let mut taker =
        addressed.and_then(|(target, authority)| route::route(request, target, authority, config, client));
    let (service, route) =
        taker.as_ref().map_or((Service::Local, Routes::NOTHING), |taker| (taker.service, taker.route));
    let authority = addressed.ok().and_then(|(_, authority)| authority);
    let asker = Asker::of(request, authority, client, &config.trust);
    let is_own = |origin: &[u8]| {
        let authority = asker.authority.map(|authority| authority.of(request.bytes));
        authority.is_some_and(|authority| is_own(origin, (asker.secure, authority), config, client))
    };
    let cors = match taker {
        // What is told to pages that are refused is refused to none.
        Ok(Taker { found: Ok(Found::Local(_)), .. }) => CorsDecision::NotCors,
        Ok(Taker { service: Service::Forward, .. }) => CorsDecision::Exempt,
        Ok(_) | Err(_) => decide(config.policy(config.route(route).policy), request, upgrade, is_own),
    };
    let mut plan = Plan {
        cors,
        method: request.head.method,
        framing: Framing::None,
        persistence: Persistence::asked(options, request.head.version),
        service,
        route,
        asker,
        admission: Admission::NotAsked,
        fin_is_abort: !config.process.half_close || is_of_browser(request),
    };
    let action =
        action(&mut plan, (request, shown), (addressed, &mut taker), config, client, own_id, upgrade)
            .unwrap_or_else(|error| Action::Respond(Answer::Fault(error)));
    // After a CONNECT that became no tunnel, its sender may go on as if it had (RFC 9112 §9.6).
    let is_last = request.head.method == Method::Connect
        || match &action {
            Action::Respond(Answer::Fault(error)) => error.closes(),
            Action::Respond(answer) => *answer == Answer::LastHop,
            Action::Exchange(_) | Action::Connect(_) => false,
        };
    if is_last || client.refusal.is_some() {
        plan.persistence = Persistence::Close;
    }
    (plan, action)
}

/// The form of the target, and the authority that the request is for.
type Addressed = (RequestTarget, Option<Span>);

fn addressed(request: Request<'_>) -> Result<Addressed, Error> {
    let target = RequestTarget::parse(request)?;
    Ok((target, target.authority(request)?))
}

/// Whether a page of `origin` asks for something of its own origin, reached under `authority` as the client knows it, over
/// TLS where it is `secure`. On a loopback listener
/// the name must be one that it is called by: any name can be bound to loopback, behind the browser's back (rule 18 of
/// [`plan`](super)).
fn is_own(origin: &[u8], (secure, authority): (bool, &[u8]), config: &Config, client: &Client) -> bool {
    is_same_origin(origin, secure, authority)
        && (!client.loopback_listener || config.listener(client.listener).allow_hosts.admits(authority))
}

/// Whether a browser has sent this (rule 3 of [`plan`](super)). What it asks of its own page's origin over plain http
/// carries neither `Origin` nor `Sec-Fetch-*`, but always its name.
fn is_of_browser(request: Request<'_>) -> bool {
    let fields = &request.head.fields;
    fields.has(FieldId::Origin)
        || fields.has(FieldId::SecFetch)
        || request.values(FieldId::UserAgent).any(|agent| agent.starts_with(b"Mozilla/"))
}

/// What to do, asked in this order (rule 1 of [`plan`](super)): syntax, Host, route, CORS, then methods, access and
/// whatever else the route admits. A preflight is answered before it is asked for anything that it cannot carry.
fn action(
    plan: &mut Plan,
    (request, shown): (Request<'_>, &Shown),
    (addressed, taker): (Result<Addressed, Error>, &mut Result<Taker, Error>),
    config: &Config,
    client: &Client,
    own_id: &[u8],
    upgrade: bool,
) -> Result<Action, Error> {
    plan.framing = Framing::of_request(request)?;
    let (target, authority) = addressed?;
    expectation(request)?;
    let is_forward = plan.service == Service::Forward;
    if target == RequestTarget::Authority && !is_forward {
        return Err(Error::MethodNotAllowed);
    }
    let route = config.route(plan.route);
    if request.values(FieldId::Via).any(|via| memchr::memmem::find(via, own_id).is_some()) {
        return Err(Error::LoopDetected);
    }
    if !is_forward {
        misdirected::judge(authority.map(|authority| authority.of(request.bytes)), client)?;
    }
    let taker = taker.as_mut().map_err(|error| *error)?;
    if plan.cors.edge_status(config.policy(route.policy)).is_some() {
        return Ok(Action::Respond(Answer::Cors));
    }
    if let Some(refusal) = client.refusal {
        return Err(refusal.error());
    }
    let found = mem::replace(&mut taker.found, Err(Error::Internal))?;
    if !route.methods.admit(request.method_name()) {
        return Err(Error::MethodNotServed);
    }
    let asks_nobody = match found {
        Found::Healthcheck => true,
        // What is the same for everybody tells nothing.
        Found::Local(local) => local != Local::Why,
        Found::Fixed | Found::Target | Found::Upstream(..) | Found::Forward(_) => false,
    };
    if !route.access.ids().is_empty() && !asks_nobody && !is_preflight(request, plan) {
        admit(plan, request, shown, config, client)?;
    }
    if let (Framing::Length(length), Some(limit)) = (plan.framing, route.limits.body)
        && length > limit
    {
        return Err(Error::RequestBodyTooLarge);
    }
    // A body would have to end before the tunnel begins, and nothing says when.
    let upgrade = upgrade && plan.framing == Framing::None && route.websockets;
    let withheld = withheld(request, route, config);
    let (destination, rest) = match found {
        Found::Healthcheck => return Ok(Action::Respond(Answer::Healthcheck)),
        Found::Fixed => return Ok(Action::Respond(Answer::Fixed)),
        Found::Local(local) => return Ok(Action::Respond(Answer::Local(local))),
        Found::Target => {
            let mut target = taker.target.take().ok_or(Error::Internal)?;
            // What lets somebody in here is nothing to a target.
            target.without_credentials |= route.access.reads_credentials || withheld.authorization;
            route::admit(request, plan.cors, config, client, &mut target, upgrade)?;
            if !upgrade && route::is_of_the_page(request, config, &target.url) {
                return Ok(Action::Respond(Answer::ToOwnOrigin(Box::new(target.url))));
            }
            (Destination::Target(target), None)
        }
        Found::Upstream(upstream, rest) => (Destination::Upstream(upstream), rest),
        Found::Forward(to) => {
            let Some(forward) = &config.forward else { return Err(Error::Internal) };
            let is_connect = target == RequestTarget::Authority;
            forward::admit(forward, is_connect, plan.framing, &to)?;
            if is_connect {
                return Ok(Action::Connect(to));
            }
            (Destination::Forward(to), None)
        }
    };
    let max_forwards = match max_forwards(request) {
        Some(0) if request.head.method == Method::Options => return Ok(Action::Respond(Answer::LastHop)),
        Some(0) => return Err(Error::MethodNotAllowed),
        more => more.map(|forwards| forwards - 1),
    };
    Ok(Action::Exchange(Exchange { destination, target, rest, authority, upgrade, max_forwards, withheld }))
}

/// What holds a token that lets in here, or what a page of ours was asked for by: no upstream is told how to get in.
pub(super) fn withheld(request: Request<'_>, route: &Route, config: &Config) -> Withheld {
    let token = route.access.takes_token;
    let mut tables = route.access.ids().iter().map(|id| config.access(*id));
    Withheld {
        token,
        authorization: token && tables.any(|table| admission::token_in_authorization(&table.way, request)),
        referer: request.values(FieldId::Referer).any(|url| config.takes.any_of(url)),
    }
}

/// Whether limits count a request about which this was decided: what is refused or answered before takes no place in
/// one (rule 8 of [`limit`](crate::limit)).
#[must_use]
pub fn is_counted(request: Request<'_>, plan: &Plan, action: &Action) -> bool {
    let comes = match action {
        Action::Exchange(_)
        | Action::Connect(_)
        | Action::Respond(Answer::Fixed | Answer::ToOwnOrigin(_)) => true,
        Action::Respond(
            Answer::Cors
            | Answer::Healthcheck
            | Answer::LastHop
            | Answer::Local(_)
            | Answer::Fault(_)
            | Answer::Limited(_),
        ) => false,
    };
    comes && !is_preflight(request, plan)
}

/// Whether a browser asks with this for leave to ask: without credentials, whoever answers it (rule 2 of
/// [`admission`]). None asks so for something of the page's own origin, nor with a body.
fn is_preflight(request: Request<'_>, plan: &Plan) -> bool {
    request.head.method == Method::Options
        && plan.framing == Framing::None
        && !matches!(plan.cors, CorsDecision::NotCors | CorsDecision::Exempt | CorsDecision::SameOrigin)
        && request.values(FieldId::AccessControlRequestMethod).count() == 1
}

/// Asks the tables that the route names.
fn admit(
    plan: &mut Plan,
    request: Request<'_>,
    shown: &Shown,
    config: &Config,
    client: &Client,
) -> Result<(), Error> {
    let Asker { address, authority, secure, .. } = plan.asker;
    let asked = Asked {
        request,
        // The address of a balancer that names no client is not the client's.
        client: address.filter(|_| !client.anonymous).map(|address| address.ip()),
        authority: authority.map_or(&b""[..], |authority| authority.of(request.bytes)),
        secure,
        shown,
        audience: plan.audience(),
    };
    let tables = config.route(plan.route).access.ids().iter().map(|id| config.access(*id));
    let (admission, refused) = admission::judge(tables, &asked);
    plan.admission = admission;
    refused.map_or(Ok(()), Err)
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

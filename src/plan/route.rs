//! Which part of corsair takes a request: forward proxy, gateway or one of the routes.

use super::{
    action::Service,
    client::Client,
    forward::ForwardTarget,
    local::Local,
    target::{Target, admit_target},
};
use crate::{
    config::{
        Config, Cookies, Gateway, LeadsTo, ListenAddress, Listener, RouteId, Routes, Taken, UpstreamId,
    },
    cors::{CorsDecision, is_same_origin},
    error::Error,
    gateway::{self, GatewayRequest},
    http1::{
        fields::{FieldId, trim},
        head::{Method, Request},
        span::Span,
        target::{RequestTarget, split_port},
    },
    routing::Rest,
    uri::{Scheme, TargetUrl},
};

/// What a route leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// The gateway's own `/healthcheck`.
    Healthcheck,
    /// An answer that is always the same.
    Fixed,
    /// What is for who develops on this machine.
    Local(Local),
    /// The gateway's [`Taker::target`].
    Target,
    /// An upstream; what the prefix of the route leaves of the path, where that is all it gets.
    Upstream(UpstreamId, Option<Rest>),
    /// What a request names to the forward proxy.
    Forward(Box<ForwardTarget>),
}

/// The part that takes the request.
#[derive(Debug)]
pub(super) struct Taker {
    pub(super) service: Service,
    /// What counts for the request.
    pub(super) route: RouteId,
    /// Where it leads, or how it was called wrongly, which a preflight is not told.
    pub(super) found: Result<Found, Error>,
    /// Where the gateway goes. Apart, for it is large, and what comes to a route has none to carry around.
    pub(super) target: Option<Target>,
}

/// The part that takes the request, and where it leads.
///
/// # Errors
/// Where the request must not be served at all, for its Host.
pub(super) fn route(
    request: Request<'_>,
    target: RequestTarget,
    authority: Option<Span>,
    config: &Config,
    client: &Client,
) -> Result<Taker, Error> {
    let host = authority.map_or(&b""[..], |authority| authority.of(request.bytes));
    let listener = config.listener(client.listener);
    if matches!(target, RequestTarget::Absolute { .. } | RequestTarget::Authority)
        && listener.forward
        && config.forward.is_some()
        && !(target != RequestTarget::Authority && is_own_name(host, config, listener))
    {
        // Whoever may use it is asked for no Host of ours: a page cannot name its target so.
        let found = ForwardTarget::named(target, request.target(), host);
        let found = found.map(|target| Found::Forward(Box::new(target)));
        return Ok(Taker { service: Service::Forward, route: Routes::FORWARD, found, target: None });
    }
    if listener.required_hosts.as_ref().is_some_and(|hosts| !hosts.admits(host)) {
        return Err(Error::HostNotAllowed);
    }
    // In absolute-form the path is another server's.
    if config.dev
        && target == RequestTarget::Origin
        && let Some(found) = Local::named(target.origin_form(request)[0], request)
    {
        let found = found.map(Found::Local);
        return Ok(Taker { service: Service::Local, route: Routes::NOTHING, found, target: None });
    }
    match config.gateway.as_ref().filter(|_| listener.gateway) {
        Some(gateway) => beside_gateway(request, target, host, config, gateway, client),
        None => Ok(routed(request, target, host, config, listener)),
    }
}

/// Whether a URL is for what else is served on this listener, and not for the forward proxy beside it: its host is one of the
/// names that the listener or a route has, and its port, where it names one, the listener's.
fn is_own_name(authority: &[u8], config: &Config, listener: &Listener) -> bool {
    let serves_others =
        listener.gateway && config.gateway.is_some() || listener.routes && config.has_routes();
    let own_port = match listener.address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    };
    let is_own_port = |port: &[u8]| {
        str::from_utf8(port).is_ok_and(|port| port.parse().is_ok_and(|port| Some(port) == own_port))
    };
    serves_others
        && listener.allow_hosts.names(authority)
        && split_port(authority).is_some_and(|(_, port)| port.is_empty() || is_own_port(port))
}

/// The part that takes a request where there is a gateway, and perhaps routes beside it.
fn beside_gateway(
    request: Request<'_>,
    target: RequestTarget,
    host: &[u8],
    config: &Config,
    gateway: &Gateway,
    client: &Client,
) -> Result<Taker, Error> {
    let listener = config.listener(client.listener);
    let [path, rest] = target.origin_form(request);
    let asked = if rest.is_empty() {
        gateway::parse(gateway.forms, path)
    } else {
        gateway::parse(gateway.forms, &[path, rest].concat())
    };
    // With a gateway on it, a page that was rebound to this machine could use the application beside it as well.
    if client.loopback_listener && !listener.allow_hosts.admits(host) {
        return Err(Error::HostNotAllowed);
    }
    let is_form =
        matches!(asked, Ok(GatewayRequest::Target(..)) | Err(_)) && !gateway::is_path_of_other_tools(path);
    if config.has_routes() && listener.routes && !is_form {
        return Ok(routed(request, target, host, config, listener));
    }
    let is_absolute = matches!(target, RequestTarget::Absolute { .. });
    if is_absolute && !listener.allow_hosts.admits(host) {
        return Err(Error::HostNotAllowed);
    }
    let mut named = None;
    let found = match asked {
        Ok(GatewayRequest::Target(url, naming)) => {
            let mut target = Target::named(url, naming, gateway);
            target.without_credentials |= !is_script_with_credentials(request, config);
            named = Some(target);
            Ok(Found::Target)
        }
        Ok(GatewayRequest::Healthcheck) if request.head.method == Method::Get => Ok(Found::Healthcheck),
        // There is nothing at that path for another method.
        Ok(GatewayRequest::Healthcheck) => Err(Error::RouteNotFound),
        // What is not understood is told how it is written.
        Ok(GatewayRequest::Missing | GatewayRequest::NotFound) => Err(Error::TargetMissing),
        Err(error) => Err(error),
    };
    Ok(Taker { service: Service::Gateway, route: Routes::GATEWAY, found, target: named })
}

/// The route that takes a request, by its host and path.
fn routed(
    request: Request<'_>,
    target: RequestTarget,
    host: &[u8],
    config: &Config,
    listener: &Listener,
) -> Taker {
    let nowhere =
        |error| Taker { service: Service::Local, route: Routes::NOTHING, found: Err(error), target: None };
    if !listener.routes {
        return nowhere(Error::NoRoute);
    }
    let [path, _] = target.origin_form(request);
    let (route, rest) = match config.routes.find(host, path) {
        Taken::By(route, rest) => (route, rest),
        Taken::ByNone => return nowhere(Error::NoRoute),
        Taken::Ambiguous => return nowhere(Error::PathAmbiguous),
    };
    let settings = config.route(route);
    if settings.asks_for_host && !listener.allow_hosts.admits(host) {
        return nowhere(Error::HostNotAllowed);
    }
    match settings.leads_to {
        LeadsTo::Upstream(upstream) => {
            let rest = rest.filter(|_| settings.strip_prefix);
            Taker {
                service: Service::Reverse,
                route,
                found: Ok(Found::Upstream(upstream, rest)),
                target: None,
            }
        }
        LeadsTo::Respond(_) => {
            Taker { service: Service::Local, route, found: Ok(Found::Fixed), target: None }
        }
        LeadsTo::Nothing | LeadsTo::Gateway | LeadsTo::Forward => nowhere(Error::NoRoute),
    }
}

/// Whether the gateway serves this request to that target, and whether what is added for it is for who asks; asked before
/// anything is resolved.
///
/// # Errors
/// [`Error::DestinationRefused`], [`Error::OriginRequired`], [`Error::FieldRequired`], [`Error::TargetInvalid`] for a
/// WebSocket's target without an `upgrade`, and those of [`admit_target`].
pub(super) fn admit(
    request: Request<'_>,
    cors: CorsDecision,
    config: &Config,
    client: &Client,
    target: &mut Target,
    upgrade: bool,
) -> Result<(), Error> {
    let Some(gateway) = &config.gateway else { return Err(Error::Internal) };
    let is_asked_for = !gateway.targets.is_empty() || gateway.cookies == Cookies::Isolate;
    target.is_for_asker = is_asked_for && may_use_what_is_kept(request, cors);
    if acts_as_our_origin(request, config) {
        return Err(Error::DestinationRefused);
    }
    // CORS binds browsers only: where nothing else restricts strangers, the list of origins binds programs too.
    let policy = config.policy(config.route(Routes::GATEWAY).policy);
    let is_listed = matches!(cors, CorsDecision::Allow { .. } | CorsDecision::Preflight(_));
    if gateway.only_origins && !client.loopback_listener && !is_listed && !policy.is_any_origin() {
        return Err(Error::OriginRequired);
    }
    requires(request, gateway)?;
    if target.is_websocket && !upgrade {
        return Err(Error::TargetInvalid(
            "a ws:// target takes WebSockets alone; write http:// or https:// for the rest",
        ));
    }
    admit_target(&gateway.rules, gateway.parents.as_deref(), &target.url).map(|_| ())
}

/// Whether the target is of the origin of the page that asks, where such a page is sent there (rule 33 of [`gateway`]).
pub(super) fn is_of_the_page(request: Request<'_>, config: &Config, target: &TargetUrl) -> bool {
    let mut origins = request.values(FieldId::Origin);
    config.gateway.as_ref().is_some_and(|gateway| gateway.redirect_same_origin)
        && origins.next().is_some_and(|origin| {
            is_same_origin(origin, target.scheme() == Scheme::Https, target.authority().as_bytes())
        })
        && origins.next().is_none()
}

/// Whether a request may carry what is kept for its target (rule 29 of [`gateway`]): a page could have the target
/// do something without reading the answer, and with TRACE read the request.
fn may_use_what_is_kept(request: Request<'_>, cors: CorsDecision) -> bool {
    let may_read = match cors {
        CorsDecision::Allow { .. } | CorsDecision::SameOrigin => true,
        // A page that loads an image, or sends somebody there, names no origin.
        CorsDecision::NotCors => {
            sec_fetch(request, b"sec-fetch-site").all(|site| [&b"same-origin"[..], b"none"].contains(&site))
        }
        CorsDecision::Exempt
        | CorsDecision::Preflight(_)
        | CorsDecision::MalformedPreflight { .. }
        | CorsDecision::Refuse(_)
        | CorsDecision::Withhold(_) => false,
    };
    may_read && request.head.method != Method::Trace
}

/// What runs as the origin that it was loaded from, whatever page has loaded it (Fetch, "request destination").
const WORKERS: [&[u8]; 3] = [b"serviceworker", b"sharedworker", b"worker"];

/// What acts in a page of the application that shares the gateway's origin, or as one.
const OF_AN_APPLICATION: [&[u8]; 13] = [
    b"audioworklet",
    b"document",
    b"embed",
    b"fencedframe",
    b"frame",
    b"iframe",
    b"object",
    b"paintworklet",
    b"script",
    b"speculationrules",
    b"style",
    b"webidentity",
    b"xslt",
];

/// Whether what the browser loads would act as the gateway's origin, or within it (rule 22 of [`gateway`]).
fn acts_as_our_origin(request: Request<'_>, config: &Config) -> bool {
    let shares = config.has_routes();
    let acts = |destination: &[u8]| {
        let is_of = |list: &[&[u8]]| list.iter().any(|known| destination.eq_ignore_ascii_case(known));
        is_of(&WORKERS) || shares && is_of(&OF_AN_APPLICATION)
    };
    request.head.fields.has(FieldId::ServiceWorker) || sec_fetch(request, b"sec-fetch-dest").any(acts)
}

/// Schemes whose credentials a browser keeps for an origin, and sends with whatever a page loads from it.
const KEPT_BY_BROWSERS: [&[u8]; 4] = [b"basic", b"digest", b"negotiate", b"ntlm"];

/// Whether credentials, if there are any, can have been set by a script, and for this very target (rule 20 of
/// [`gateway`]): a browser adds those that it has kept for the origin by itself.
fn is_script_with_credentials(request: Request<'_>, config: &Config) -> bool {
    let mut credentials = request.values(FieldId::Authorization).peekable();
    if credentials.peek().is_none() {
        return true;
    }
    let is_kept = |value: &[u8]| {
        let scheme = value.split(|byte| matches!(byte, b' ' | b'\t' | b',')).next().unwrap_or_default();
        KEPT_BY_BROWSERS.iter().any(|kept| scheme.eq_ignore_ascii_case(kept))
    };
    let is_scripts = |mode: &[u8]| [&b"cors"[..], b"same-origin"].contains(&mode);
    sec_fetch(request, b"sec-fetch-mode").all(is_scripts)
        && !(config.has_routes() && credentials.any(is_kept))
}

/// The values of the `Sec-Fetch-…` fields of this name.
fn sec_fetch<'a>(request: Request<'a>, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let bytes = request.bytes;
    let named = request
        .head
        .fields
        .all(FieldId::SecFetch)
        .filter(move |field| field.name.of(bytes).eq_ignore_ascii_case(name));
    named.map(move |field| trim(field.value.of(bytes)))
}

fn requires(request: Request<'_>, gateway: &Gateway) -> Result<(), Error> {
    let carries = |required: &str| {
        request
            .head
            .fields
            .iter()
            .filter(|field| field.name.of(request.bytes).eq_ignore_ascii_case(required.as_bytes()))
            .any(|field| !trim(field.value.of(request.bytes)).is_empty())
    };
    if gateway.require_headers.is_empty() || gateway.require_headers.iter().any(|name| carries(name)) {
        Ok(())
    } else {
        Err(Error::FieldRequired)
    }
}

#[cfg(test)]
mod tests;

//! PURE. Which part of corsair takes a request: gateway or reverse proxy.

use super::plan::Client;
use crate::{
    config::{Config, Gateway, Redirects},
    error::Error,
    gateway::{self, Form, GatewayRequest},
    http1::{head::Request, span::Span, target::RequestTarget},
    uri::TargetUrl,
};

/// The parts of corsair, as metrics and the access log name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Answered without asking who would have taken it.
    Local,
    /// The gateway.
    Gateway,
    /// The reverse proxy.
    Reverse,
}

impl Route {
    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Gateway => "gateway",
            Self::Reverse => "reverse",
        }
    }
}

/// Where a request goes.
#[derive(Debug)]
pub enum Destination {
    /// To the configured upstream.
    Upstream,
    /// To the target that it names.
    Target(Target),
}

/// A gateway's target on its way through redirects.
#[derive(Debug)]
pub struct Target {
    /// Where to.
    pub url: TargetUrl,
    /// How the request named it.
    pub form: Form,
    /// What becomes of redirects.
    pub redirects: Redirects,
    /// Redirects followed so far.
    pub hops: usize,
    /// The method has become GET.
    pub get: bool,
    /// Fields that describe a body go no further.
    pub without_body: bool,
    /// The origin has changed since the client named its target: no credentials go there.
    pub crossed: bool,
}

/// What a route leads to.
#[derive(Debug)]
pub enum Found {
    /// The gateway's own `/healthcheck`.
    Healthcheck,
    /// An upstream.
    Destination(Destination),
}

/// The part that takes the request, and where it leads.
///
/// # Errors
/// The outer one where the request must not be served at all (its Host); the inner one where the gateway was
/// called wrongly, which a preflight is not told.
pub fn route(
    request: Request<'_>,
    target: RequestTarget,
    authority: Option<Span>,
    config: &Config,
    client: &Client,
) -> Result<(Route, Result<Found, Error>), Error> {
    let Some(gateway) = config.gateway() else {
        return Ok((Route::Reverse, Ok(Found::Destination(Destination::Upstream))));
    };
    let [path, rest] = target.origin_form(request);
    let asked = if rest.is_empty() {
        gateway::parse(gateway.forms, path)
    } else {
        gateway::parse(gateway.forms, &[path, rest].concat())
    };
    let is_form = matches!(asked, Ok(GatewayRequest::Target(..)) | Err(_));
    if config.upstream().is_some() && !is_form {
        return Ok((Route::Reverse, Ok(Found::Destination(Destination::Upstream))));
    }
    let host = authority.map_or(&b""[..], |authority| authority.of(request.bytes));
    let is_absolute = matches!(target, RequestTarget::Absolute { .. });
    if (client.loopback_listener || is_absolute) && !gateway.allow_hosts.admits(host) {
        return Err(Error::HostNotAllowed);
    }
    let found = match asked {
        Ok(GatewayRequest::Target(url, form)) => {
            let redirects = gateway.redirects;
            let target =
                Target { url, form, redirects, hops: 0, get: false, without_body: false, crossed: false };
            Ok(Found::Destination(Destination::Target(target)))
        }
        Ok(GatewayRequest::Healthcheck) => Ok(Found::Healthcheck),
        Ok(GatewayRequest::Missing) => Err(Error::TargetMissing),
        Ok(GatewayRequest::NotFound) => Err(Error::RouteNotFound),
        Err(error) => Err(error),
    };
    Ok((Route::Gateway, found))
}

/// Whether the gateway serves this request to that target; asked before anything is resolved.
///
/// # Errors
/// [`Error::FieldRequired`], and those of [`crate::access::TargetRules::admit_name`].
pub fn admit(request: Request<'_>, config: &Config, destination: &Destination) -> Result<(), Error> {
    let (Destination::Target(target), Some(gateway)) = (destination, config.gateway()) else { return Ok(()) };
    requires(request, gateway)?;
    gateway.rules.admit_name(target.url.host(), target.url.port()).map(|_| ())
}

fn requires(request: Request<'_>, gateway: &Gateway) -> Result<(), Error> {
    let carries = |required: &str| {
        request
            .head
            .fields
            .iter()
            .any(|field| field.name.of(request.bytes).eq_ignore_ascii_case(required.as_bytes()))
    };
    if gateway.require_headers.is_empty() || gateway.require_headers.iter().any(|name| carries(name)) {
        Ok(())
    } else {
        Err(Error::FieldRequired)
    }
}

#[cfg(test)]
mod tests;

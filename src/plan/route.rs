//! Which part of corsair takes a request: gateway or reverse proxy.

use super::{
    action::{Destination, Service},
    client::Client,
    target::Target,
};
use crate::{
    config::{Config, Gateway},
    error::Error,
    gateway::{self, GatewayRequest},
    http1::{head::Request, span::Span, target::RequestTarget},
};

/// What a route leads to.
#[derive(Debug)]
pub(super) enum Found {
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
pub(super) fn route(
    request: Request<'_>,
    target: RequestTarget,
    authority: Option<Span>,
    config: &Config,
    client: &Client,
) -> Result<(Service, Result<Found, Error>), Error> {
    let Some(gateway) = config.gateway() else {
        return Ok((Service::Reverse, Ok(Found::Destination(Destination::Upstream))));
    };
    let [path, rest] = target.origin_form(request);
    let asked = if rest.is_empty() {
        gateway::parse(gateway.forms, path)
    } else {
        gateway::parse(gateway.forms, &[path, rest].concat())
    };
    let is_form = matches!(asked, Ok(GatewayRequest::Target(..)) | Err(_));
    if config.upstream().is_some() && !is_form {
        return Ok((Service::Reverse, Ok(Found::Destination(Destination::Upstream))));
    }
    let host = authority.map_or(&b""[..], |authority| authority.of(request.bytes));
    let is_absolute = matches!(target, RequestTarget::Absolute { .. });
    if (client.loopback_listener || is_absolute) && !gateway.allow_hosts.admits(host) {
        return Err(Error::HostNotAllowed);
    }
    let found = match asked {
        Ok(GatewayRequest::Target(url, form)) => {
            Ok(Found::Destination(Destination::Target(Target::named(url, form, gateway.redirects))))
        }
        Ok(GatewayRequest::Healthcheck) => Ok(Found::Healthcheck),
        Ok(GatewayRequest::Missing) => Err(Error::TargetMissing),
        Ok(GatewayRequest::NotFound) => Err(Error::RouteNotFound),
        Err(error) => Err(error),
    };
    Ok((Service::Gateway, found))
}

/// Whether the gateway serves this request to that target; asked before anything is resolved.
///
/// # Errors
/// [`Error::FieldRequired`], and those of [`crate::access::TargetRules::admit_name`].
pub(super) fn admit(request: Request<'_>, config: &Config, destination: &Destination) -> Result<(), Error> {
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

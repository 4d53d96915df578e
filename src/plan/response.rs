//! What a response head means for the exchange: framing, persistence, redirects, switching.

use std::time::Duration;

use super::{
    action::{Destination, Exchange, Plan},
    authentication::is_of_connection,
    body::response_body_limits,
    date::Date,
    identity::Identity,
    rewrite::{self, CookiesHome, GatewayAnswer, Homeward, Location, Renaming},
    target::Redirected,
};
use crate::{
    admission::{ForwardAuth, Way},
    config::{Config, Cookies, Endpoint, Route},
    cors::CorsDecision,
    error::Error,
    gateway::{Hop, Scope, SetCookie},
    http1::{
        body::{BodyLimits, Recode},
        connection::{ConnectionOptions, Persistence},
        fields::{self, FieldId},
        framing::Framing,
        head::{Method, Request, Response, Version},
        span::Span,
    },
};

/// What a final response head has settled.
#[derive(Clone, Copy, Debug)]
pub struct ResponsePlan {
    /// The status.
    pub status: u16,
    /// How the upstream's body ends.
    pub framing: Framing,
    /// How its framing changes on the way.
    pub recode: Recode,
    /// Whether the upstream connection may serve another request when the body has ended.
    pub upstream_persists: bool,
    /// Whether it may serve nobody but this client from now on.
    pub upstream_bound: bool,
    /// The upstream's announced patience with an idle connection.
    pub patience: Option<Duration>,
    /// What becomes of the client connection.
    pub persistence: Persistence,
}

impl ResponsePlan {
    /// How the client gets the body.
    #[must_use]
    pub const fn client_framing(&self) -> Framing {
        match self.recode {
            Recode::Verbatim => self.framing,
            Recode::Dechunk => Framing::UntilClose,
            Recode::Enchunk => Framing::Chunked,
        }
    }

    /// Whether a client of this version can tell a response that was cut from a whole one only by a reset: its end
    /// is that of the connection, or an HTTP/1.0 client reads until that, whatever the length said.
    #[must_use]
    pub fn cut_needs_reset(&self, version: Version) -> bool {
        self.client_framing() == Framing::UntilClose || version == Version::Http10
    }
}

/// What one response head amounts to.
pub enum Arrived {
    /// 1xx; `written` is 0 where the client cannot take it.
    Interim {
        /// Bytes in `out`.
        written: usize,
    },
    /// A redirect to be followed here.
    Redirect(Hop),
    /// 101 as asked for.
    Switch {
        /// Bytes in `out`.
        written: usize,
    },
    /// The final head.
    Final {
        /// Bytes in `out`.
        written: usize,
        /// What follows from it.
        plan: ResponsePlan,
    },
    /// A service lets the request in; the client sees nothing of that.
    Admitted {
        /// Field lines that go on with the request.
        passed: Box<[u8]>,
        /// What follows for the connection to the service.
        plan: ResponsePlan,
    },
}

/// All that the response heads of one attempt are judged and rewritten with.
#[derive(Clone, Copy)]
pub struct ResponseContext<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The route that the request took.
    pub route: &'a Route,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// The exchange, and where it goes now.
    pub exchange: &'a Exchange,
    /// The server that answers; nothing for a gateway's target.
    pub server: Option<&'a Endpoint>,
    /// The client came over TLS.
    pub secure: bool,
    /// The authority that the client named.
    pub authority: Option<Span>,
    /// What CORS says.
    pub cors: CorsDecision,
    /// The method that the upstream saw.
    pub method: Method,
    /// The request had a body.
    pub has_body: bool,
    /// As far as the client is concerned.
    pub persistence: Persistence,
    /// A parent proxy got the request, in absolute-form, and may be who answers.
    pub by_parent: bool,
}

/// What is known of the exchange when a response head has come.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The whole request has been read.
    pub request_read: bool,
    /// Its body has been kept, and can be sent again.
    pub body_kept: bool,
    /// The upstream connection has served an exchange before.
    pub reused: bool,
    /// The date, for a response that has none.
    pub date: Date,
}

impl<'a> ResponseContext<'a> {
    /// For an attempt at the exchange of this plan. With `last` the client connection carries no other request.
    #[must_use]
    pub fn new(
        config: &'a Config,
        identity: &'a Identity,
        plan: &Plan,
        exchange: &'a Exchange,
        server: Option<&'a Endpoint>,
        last: bool,
    ) -> Self {
        Self {
            config,
            route: config.route(plan.route),
            identity,
            exchange,
            server,
            secure: plan.asker.secure,
            authority: plan.asker.authority,
            cors: plan.cors,
            method: exchange.gateway_target().map_or(plan.method, |target| target.method(plan.method)),
            has_body: plan.framing != Framing::None,
            persistence: if last { Persistence::Close } else { plan.persistence },
            by_parent: false,
        }
    }

    /// Bounds of the response body.
    #[must_use]
    pub const fn body_limits(&self) -> BodyLimits {
        response_body_limits(&self.route.limits)
    }

    /// Judges a complete head, and writes what the client is to see of it to `out`.
    ///
    /// # Errors
    /// What is wrong with the response, and [`Error::ResponseHeadTooLarge`] when it does not fit into `out`.
    pub fn respond(
        &self,
        request: Request<'_>,
        response: Response<'_>,
        seen: &Seen,
        out: &mut [u8],
    ) -> Result<Arrived, Error> {
        let is_gateway = self.exchange.gateway_target().is_some();
        match response.head.status {
            101 if self.exchange.upgrade && is_websocket(response) => Ok(Arrived::Switch {
                written: rewrite::interim(response, true, is_gateway, self.renaming(request).as_ref(), out)?,
            }),
            101 => Err(Error::UpgradeFailed),
            // It is for us to log in there (RFC 9110 §15.5.8): the client would do so here.
            407 if self.by_parent => Err(Error::ParentUnauthorized),
            100..=199 if request.head.version == Version::Http10 || self.service().is_some() => {
                Ok(Arrived::Interim { written: 0 })
            }
            100..=199 => Ok(Arrived::Interim {
                written: rewrite::interim(response, false, is_gateway, self.renaming(request).as_ref(), out)?,
            }),
            _ => self.respond_finally(request, response, seen, out),
        }
    }

    fn respond_finally(
        &self,
        request: Request<'_>,
        response: Response<'_>,
        seen: &Seen,
        out: &mut [u8],
    ) -> Result<Arrived, Error> {
        if seen.reused && response.head.status == 408 {
            // Meant for the idle connection, sent before our request came (RFC 9110 §15.5.9).
            return Err(Error::UpstreamClosed);
        }
        if let Some(service) = self.service().filter(|_| matches!(response.head.status, 200..=299)) {
            let (framing, _) = Framing::of_response(response, Method::Get)?;
            let plan = self.settle(request, response, framing, seen);
            return Ok(Arrived::Admitted { passed: service.passed(response), plan });
        }
        let (framing, declared) = Framing::of_response(response, self.method)?;
        let redirected = match self.exchange.gateway_target() {
            Some(target) => target.redirected(response, self.method, self.has_body && !seen.body_kept)?,
            None => Redirected::No,
        };
        let place;
        let cookies = match self.exchange.gateway_target() {
            Some(target) if target.cookies == Cookies::Isolate => {
                place = format!("/{}", target.url.origin());
                let path = self.is_below(&place, request).then_some(&*place);
                let scope = Scope { secure: self.secure, path, now: seen.date.time() };
                CookiesHome::Isolated(&target.url, scope, target.jar.as_deref())
            }
            Some(target) if target.cookies == Cookies::Pass => CookiesHome::Passed,
            Some(_) | None => CookiesHome::Dropped,
        };
        if let Redirected::Follow(mut hop) = redirected {
            if let CookiesHome::Isolated(target, scope, _) = cookies {
                let set = response.values(FieldId::SetCookie);
                hop.set_cookies = set.filter_map(|value| SetCookie::read(target, &scope, value)).collect();
            }
            return Ok(Arrived::Redirect(hop));
        }
        let location = match &redirected {
            Redirected::Rewrite(location) => Location::Rewritten(location),
            Redirected::Unreadable => Location::Dropped,
            Redirected::No | Redirected::Follow(_) => Location::Kept,
        };
        let mut plan = self.settle(request, response, framing, seen);
        // It was asked with GET, and its body stays where it is.
        plan.upstream_persists &= self.service().is_none() || self.method != Method::Head;
        let homeward = Homeward {
            cors: self.cors,
            policy: self.config.policy(self.route.policy),
            request_bytes: request.bytes,
            framing: plan.client_framing(),
            declared: self.declared(response.head.status, declared),
            connection: plan.persistence.option(),
            gateway: self.exchange.gateway_target().map(|target| GatewayAnswer {
                final_url: target.url.as_str(),
                location,
                cookies,
            }),
            renaming: self.renaming(request),
            edits: self.route.response_headers.as_ref(),
            identity: self.identity,
            date: &seen.date,
        };
        Ok(Arrived::Final { written: rewrite::response(response, &homeward, out)?, plan })
    }

    /// Whether the client has asked for something below this path, spelled as it is here.
    fn is_below(&self, place: &str, request: Request<'_>) -> bool {
        let [path, _] = self.exchange.target.origin_form(request);
        path.strip_prefix(place.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// The service that is asked whether the request may go on, where it is one that answers.
    fn service(&self) -> Option<&'a ForwardAuth> {
        let Destination::Question { access, .. } = self.exchange.destination else { return None };
        match &self.config.access(access).way {
            Way::Forward(service) => Some(service),
            Way::Clients(_)
            | Way::FetchSite(_)
            | Way::Bearer(_)
            | Way::Token(_)
            | Way::Signed(_)
            | Way::Jwt(_)
            | Way::Basic(..) => None,
        }
    }

    /// What names the application's answer has for what the client knows by others.
    fn renaming<'b>(&self, request: Request<'b>) -> Option<Renaming<'b>>
    where
        'a: 'b,
    {
        let Destination::Upstream(upstream) = self.exchange.destination else { return None };
        let upstream = self.route.rewrite.then(|| self.config.upstream(upstream))?;
        let (server, authority) = (self.server?, self.authority?);
        let called = self.exchange.authority.unwrap_or(authority);
        Some(Renaming {
            servers: &upstream.endpoints,
            server,
            host_header: &self.route.host_header,
            stripped: if self.route.strip_prefix { &self.route.prefix } else { "" },
            secure: self.secure,
            authority: authority.of(request.bytes),
            called: called.of(request.bytes),
        })
    }

    /// The length to be told of a body that does not follow (RFC 9110 §8.6).
    fn declared(&self, status: u16, declared: Option<u64>) -> Option<u64> {
        match status {
            204 => None,
            304 => declared,
            _ if self.method == Method::Head => declared,
            _ => declared.or(Some(0)),
        }
    }

    /// Re-framing and persistence on both sides (RFC 9112 §6.3, §9.3).
    fn settle(
        &self,
        request: Request<'_>,
        response: Response<'_>,
        framing: Framing,
        seen: &Seen,
    ) -> ResponsePlan {
        let head = response.head;
        let is_old = request.head.version == Version::Http10;
        let recode = match framing {
            Framing::Chunked if is_old => Recode::Dechunk,
            Framing::UntilClose if !is_old => Recode::Enchunk,
            Framing::None | Framing::Length(_) | Framing::Chunked | Framing::UntilClose => Recode::Verbatim,
        };
        let ConnectionOptions { close, keep_alive, .. } =
            ConnectionOptions::of(response.values(FieldId::Connection));
        let upstream_persists = !close && (head.version == Version::Http11 || keep_alive);
        let unframed = recode == Recode::Dechunk || framing == Framing::UntilClose && is_old;
        // An upstream that refuses in the middle of an upload will not read the rest of it.
        let refused = !seen.request_read && (close || head.status >= 300 || self.exchange.drops_body());
        ResponsePlan {
            status: head.status,
            framing,
            recode,
            upstream_bound: is_of_connection(request, response),
            upstream_persists: upstream_persists && framing != Framing::UntilClose,
            patience: response.value(FieldId::KeepAlive).and_then(announced_patience),
            persistence: if unframed || refused { Persistence::Close } else { self.persistence },
        }
    }
}

/// Whether a 101 switches to the protocol that was offered (RFC 9110 §7.8).
fn is_websocket(response: Response<'_>) -> bool {
    let mut upgrades = response.values(FieldId::Upgrade);
    let protocol = upgrades.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    let option = ConnectionOptions::of(response.values(FieldId::Connection)).upgrade;
    protocol && option && upgrades.next().is_none()
}

/// `timeout` of `Keep-Alive` (RFC 2068 §19.7.1.1).
fn announced_patience(value: &[u8]) -> Option<Duration> {
    fields::list(value).find_map(|parameter| {
        let seconds = parameter.strip_prefix(b"timeout=")?;
        str::from_utf8(seconds).ok()?.parse().ok().map(Duration::from_secs)
    })
}

#[cfg(test)]
mod tests;

//! PURE. What a response head means for the exchange: framing, persistence, redirects, switching.

use std::{cell::RefCell, time::Duration};

use super::{
    clock::HttpDate,
    identity::Identity,
    plan::Exchange,
    rewrite::{self, GatewayAnswer, Homeward, Location},
    route::Target,
    state::ExchangeState,
};
use crate::{
    config::{Config, Redirects},
    cors::CorsDecision,
    error::Error,
    gateway::{self, Hop, HopMethod},
    http1::{
        body::{BodyLimits, Recode},
        chunked::ChunkLimits,
        connection::{ConnectionOptions, Persistence},
        fields::{self, FieldId},
        framing::Framing,
        head::{Method, RequestHead, Response, ResponseHead, Version},
    },
    net::buffer::Buffer,
};

/// Redirects that a gateway follows for one request.
const MAX_HOPS: usize = 10;

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
    /// The upstream's announced patience with an idle connection.
    pub patience: Option<Duration>,
    /// What becomes of the client connection.
    pub persistence: Persistence,
}

/// What one response head amounts to.
pub(crate) enum Arrived {
    /// 1xx; `written` is 0 where the client cannot take it.
    Interim { written: usize },
    /// A redirect to be followed here.
    Redirect(Hop),
    /// 101 as asked for.
    Switch { written: usize },
    /// The final head.
    Final { written: usize, plan: ResponsePlan },
}

/// All that a response head is judged and rewritten with.
pub(crate) struct ResponseContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) identity: &'a Identity,
    pub(crate) date: &'a HttpDate,
    pub(crate) inbound: &'a RefCell<Buffer>,
    pub(crate) request: &'a RequestHead,
    pub(crate) exchange: &'a Exchange,
    pub(crate) cors: CorsDecision,
    pub(crate) target: Option<&'a Target>,
    /// Whether the upstream connection has served an exchange before.
    pub(crate) reused: bool,
    /// The method that the upstream saw.
    pub(crate) method: Method,
    /// The request had a body.
    pub(crate) has_body: bool,
    /// As far as the client is concerned.
    pub(crate) persistence: Persistence,
    /// What is known of the exchange by now.
    pub(crate) state: &'a ExchangeState,
}

impl ResponseContext<'_> {
    /// Bounds of the response body.
    pub(crate) const fn body_limits(&self) -> BodyLimits {
        let limits = &self.config.limits;
        BodyLimits {
            payload: u64::MAX,
            trailer_fields: limits.fields,
            chunked: ChunkLimits { extensions: limits.chunk_extensions, trailers: limits.trailers },
        }
    }

    /// Judges a complete head in `bytes`, and writes what the client is to see of it to `out`.
    pub(crate) fn respond(
        &self,
        bytes: &[u8],
        head: &ResponseHead,
        out: &mut [u8],
    ) -> Result<Arrived, Error> {
        let response = Response { bytes, head };
        match head.status {
            101 if self.exchange.upgrade && is_websocket(response) => {
                Ok(Arrived::Switch { written: rewrite::interim(response, true, self.target.is_some(), out)? })
            }
            101 => Err(Error::UpgradeFailed),
            100..=199 if self.request.version == Version::Http10 => Ok(Arrived::Interim { written: 0 }),
            100..=199 => Ok(Arrived::Interim {
                written: rewrite::interim(response, false, self.target.is_some(), out)?,
            }),
            _ => self.respond_finally(response, out),
        }
    }

    fn respond_finally(&self, response: Response<'_>, out: &mut [u8]) -> Result<Arrived, Error> {
        if self.reused && response.head.status == 408 {
            // Meant for the idle connection, sent before our request came (RFC 9110 §15.5.9).
            return Err(Error::UpstreamClosed);
        }
        let (framing, declared) = Framing::of_response(response, self.method)?;
        let mut location = Redirected::No;
        if let Some(target) = self.target {
            match self.redirect(target, response)? {
                Redirected::Follow(hop) => return Ok(Arrived::Redirect(hop)),
                other @ (Redirected::No | Redirected::Unreadable | Redirected::Rewrite(_)) => {
                    location = other
                }
            }
        }
        let plan = self.settle(response, framing);
        let client_framing = match plan.recode {
            Recode::Verbatim => framing,
            Recode::Dechunk => Framing::UntilClose,
            Recode::Enchunk => Framing::Chunked,
        };
        let declared = match response.head.status {
            204 => None,
            304 => declared,
            _ if self.method == Method::Head => declared,
            _ => declared.or(Some(0)),
        };
        let inbound = self.inbound.borrow();
        let homeward = Homeward {
            cors: self.cors,
            policy: &self.config.cors,
            request_bytes: inbound.all(),
            framing: client_framing,
            declared,
            connection: plan.persistence.option(),
            gateway: self.target.map(|target| GatewayAnswer {
                final_url: target.url.as_str(),
                location: match &location {
                    Redirected::Rewrite(location) => Location::Rewritten(location),
                    Redirected::Unreadable => Location::Dropped,
                    Redirected::No | Redirected::Follow(_) => Location::Kept,
                },
            }),
            identity: self.identity,
            date: &|writer| self.date.write(writer),
        };
        Ok(Arrived::Final { written: rewrite::response(response, &homeward, out)?, plan })
    }

    /// Re-framing and persistence on both sides (RFC 9112 §6.3, §9.3).
    fn settle(&self, response: Response<'_>, framing: Framing) -> ResponsePlan {
        let head = response.head;
        let is_old = self.request.version == Version::Http10;
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
        let body_is_dropped = self.target.is_some_and(|target| target.without_body);
        let refused = !self.state.request_read.get() && (close || head.status >= 300 || body_is_dropped);
        ResponsePlan {
            status: head.status,
            framing,
            recode,
            upstream_persists: upstream_persists && framing != Framing::UntilClose,
            patience: response.value(FieldId::KeepAlive).and_then(announced_patience),
            persistence: if unframed || refused { Persistence::Close } else { self.persistence },
        }
    }

    fn redirect(&self, target: &Target, response: Response<'_>) -> Result<Redirected, Error> {
        let status = response.head.status;
        let method = if target.get { Method::Get } else { self.request.method };
        if !matches!(status, 301 | 302 | 303 | 307 | 308) || target.redirects == Redirects::Pass {
            return Ok(Redirected::No);
        }
        let mut locations = response.values(FieldId::Location);
        let location = match (locations.next(), locations.next()) {
            (None, _) => return Ok(Redirected::No),
            (Some(location), None) => location,
            // Browsers do not agree on which of several to follow.
            (Some(_), Some(_)) => return Err(Error::ResponseHead("there is more than one Location")),
        };
        let Some(hop) = gateway::next_hop(&target.url, status, location, method)? else {
            return Ok(Redirected::Unreadable);
        };
        let replays_body = self.has_body && hop.method == HopMethod::Keep && !target.without_body;
        if target.redirects == Redirects::Follow && !replays_body {
            if target.hops >= MAX_HOPS {
                return Err(Error::TooManyRedirects);
            }
            return Ok(Redirected::Follow(hop));
        }
        let rewritten = gateway::to_gateway_location(target.form, &target.url, location)?;
        Ok(rewritten.map_or(Redirected::Unreadable, Redirected::Rewrite))
    }
}

enum Redirected {
    No,
    /// Its target is none that we understand.
    Unreadable,
    Follow(Hop),
    Rewrite(String),
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

//! What is to be done about a request.

use super::{asker::Asker, body::BodyProgress, forward::ForwardTarget, local::Local, target::Target};
use crate::{
    admission::{Admission, Audience},
    config::{AccessId, RouteId, UpstreamId},
    cors::CorsDecision,
    error::Error,
    gateway::Hop,
    http1::{
        connection::Persistence,
        framing::Framing,
        head::{Method, Request},
        span::Span,
        target::RequestTarget,
    },
    limit::Limited,
    routing::Rest,
    uri::TargetUrl,
};

/// What is decided about a request, whatever is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What CORS says; it counts for every answer, refusals above all.
    pub cors: CorsDecision,
    /// The method.
    pub method: Method,
    /// How the body of the request ends.
    pub framing: Framing,
    /// What becomes of the client connection.
    pub persistence: Persistence,
    /// Which part of corsair takes it.
    pub service: Service,
    /// What counts for it: policy, waits, bounds.
    pub route: RouteId,
    /// Who asks.
    pub asker: Asker,
    /// What the tables of access say that the route names. Where one of them has to be waited for, nothing else may be
    /// done before that.
    pub admission: Admission,
    /// A FIN behind the request means that the client is gone: browsers never half-close (rule 3 of
    /// [`plan`](super)).
    pub fin_is_abort: bool,
}

/// The parts of corsair, as metrics and the access log name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Answered without asking who would have taken it.
    Local,
    /// The gateway.
    Gateway,
    /// The reverse proxy.
    Reverse,
    /// The forward proxy.
    Forward,
}

/// What to do about a request.
#[derive(Debug)]
pub enum Action {
    /// Answer it here.
    Respond(Answer),
    /// Take it to an upstream.
    Exchange(Exchange),
    /// Connect there, and carry bytes both ways (RFC 9110 §9.3.6).
    Connect(Box<ForwardTarget>),
}

/// Answers that corsair makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What CORS ends here: a preflight, or a request that it refuses; the decision says which.
    Cors,
    /// `GET /healthcheck` of the gateway.
    Healthcheck,
    /// OPTIONS that may not be forwarded any further (RFC 9110 §7.6.2).
    LastHop,
    /// What the route always answers.
    Fixed,
    /// To where the page gets without the gateway: this URL is of its own origin.
    ToOwnOrigin(Box<TargetUrl>),
    /// What is for who develops on this machine.
    Local(Local),
    /// A refusal.
    Fault(Error),
    /// A refusal by a limit.
    Limited(Limited),
}

/// A request that goes to an upstream.
#[derive(Debug)]
pub struct Exchange {
    /// Where to.
    pub destination: Destination,
    /// The form of its target.
    pub target: RequestTarget,
    /// What the prefix of its route leaves of the path, where the upstream gets no more than that.
    pub rest: Option<Rest>,
    /// The authority that it came for.
    pub authority: Option<Span>,
    /// A WebSocket upgrade.
    pub upgrade: bool,
    /// `Max-Forwards` as it is to be sent on.
    pub max_forwards: Option<u32>,
    /// What goes no further.
    pub withheld: Withheld,
}

/// Fields that have let a request in and go no further (rule 15 of [`admission`](crate::admission)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// `X-Corsair-Token`.
    pub token: bool,
    /// `Authorization`.
    pub authorization: bool,
    /// `Referer`, which names the URL of a page as its browser knows it.
    pub referer: bool,
}

/// Where a request goes.
#[derive(Debug)]
pub enum Destination {
    /// To the servers of an upstream.
    Upstream(UpstreamId),
    /// To the target that it names.
    Target(Target),
    /// To that of a forward proxy's request.
    Forward(Box<ForwardTarget>),
    /// Nowhere yet: a service is asked whether it may.
    Question {
        /// The service.
        upstream: UpstreamId,
        /// The table that asks it.
        access: AccessId,
    },
}

impl Service {
    /// All of them, in a fixed order.
    pub const ALL: [Self; 4] = [Self::Local, Self::Gateway, Self::Reverse, Self::Forward];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word for it in metrics and the log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Gateway => "gateway",
            Self::Reverse => "reverse",
            Self::Forward => "forward",
        }
    }
}

impl Plan {
    /// Whether the request may be sent again when nothing came back: it is safe and has no body
    /// (RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.method.is_safe() && self.framing == Framing::None
    }

    /// For whom the credentials are that the request is asked for.
    #[must_use]
    pub const fn audience(&self) -> Audience {
        match self.service {
            Service::Forward => Audience::Proxy,
            Service::Local | Service::Gateway | Service::Reverse => Audience::Server,
        }
    }

    /// The same request, once its exchange has failed for `error` before any response had left.
    #[must_use]
    pub fn refused(&self, error: Error, body: BodyProgress) -> Self {
        Self {
            persistence: if error.closes() { Persistence::Close } else { self.persistence },
            framing: match (body, self.framing) {
                (BodyProgress::Read, _) => Framing::None,
                // Of a body that was begun, nobody knows any more how much is left.
                (BodyProgress::Begun, Framing::Length(_)) => Framing::UntilClose,
                (BodyProgress::Untouched | BodyProgress::Begun, framing) => framing,
            },
            ..*self
        }
    }

    /// How much is to be skipped of the `buffered` bytes behind the head when the request is answered here. Nothing
    /// if the body has not come completely: for one that has not, nobody waits.
    #[must_use]
    pub fn skippable(&self, buffered: usize) -> Option<usize> {
        match self.framing {
            Framing::None => Some(0),
            Framing::Length(length) => usize::try_from(length).ok().filter(|length| *length <= buffered),
            Framing::Chunked | Framing::UntilClose => None,
        }
    }
}

impl Exchange {
    /// The target of a gateway's exchange.
    #[must_use]
    pub const fn gateway_target(&self) -> Option<&Target> {
        match &self.destination {
            Destination::Target(target) => Some(target),
            Destination::Upstream(_) | Destination::Forward(_) | Destination::Question { .. } => None,
        }
    }

    /// The upstream that it goes to; nothing for a target that the request names.
    #[must_use]
    pub const fn upstream(&self) -> Option<UpstreamId> {
        match self.destination {
            Destination::Upstream(upstream) | Destination::Question { upstream, .. } => Some(upstream),
            Destination::Target(_) | Destination::Forward(_) => None,
        }
    }

    /// The target that an upstream gets, in two parts: as it came, or what the prefix of the route leaves of it.
    #[must_use]
    pub fn path_and_query<'a>(&'a self, request: Request<'a>) -> [&'a [u8]; 2] {
        let [path, rest] = self.target.origin_form(request);
        let Some(left) = &self.rest else { return [path, rest] };
        let (path, query) = path.split_at(memchr::memchr(b'?', path).unwrap_or(path.len()));
        [left.of(path), if query.is_empty() { rest } else { query }]
    }

    /// Goes where a redirect of the gateway's target leads.
    pub fn follow(&mut self, hop: Hop) {
        if let Destination::Target(target) = &mut self.destination {
            target.follow(hop);
        }
    }

    /// Whether a redirect has dropped the body: then nothing of it may go upstream any more.
    #[must_use]
    pub fn drops_body(&self) -> bool {
        self.gateway_target().is_some_and(|target| target.without_body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        cors: CorsDecision::NotCors,
        method: Method::Post,
        framing: Framing::Length(5),
        persistence: Persistence::KeepAlive,
        service: Service::Reverse,
        route: crate::config::Routes::NOTHING,
        asker: Asker { address: None, secure: false, authority: None, told: crate::trust::Told::NOTHING },
        admission: Admission::NotAsked,
        fin_is_abort: false,
    };

    #[test]
    fn of_a_refused_body_only_one_that_has_come_completely_is_skipped() {
        for (framing, buffered, expected) in [
            (Framing::None, 0, Some(0)),
            (Framing::None, 9, Some(0)),
            (Framing::Length(0), 0, Some(0)),
            (Framing::Length(5), 5, Some(5)),
            (Framing::Length(5), 9, Some(5)),
            (Framing::Length(5), 4, None),
            (Framing::Length(u64::MAX), usize::MAX - 1, None),
            (Framing::Chunked, 9, None),
            (Framing::UntilClose, 9, None),
        ] {
            let plan = Plan { framing, ..PLAN };
            assert_eq!(plan.skippable(buffered), expected, "{framing:?}, {buffered}");
        }
    }

    #[test]
    fn what_is_left_of_the_body_of_a_failed_exchange_depends_on_how_far_it_was_read() {
        for (body, framing, expected) in [
            (BodyProgress::Untouched, Framing::None, Framing::None),
            (BodyProgress::Untouched, Framing::Length(5), Framing::Length(5)),
            (BodyProgress::Untouched, Framing::Chunked, Framing::Chunked),
            (BodyProgress::Begun, Framing::Length(5), Framing::UntilClose),
            (BodyProgress::Begun, Framing::Chunked, Framing::Chunked),
            (BodyProgress::Read, Framing::Length(5), Framing::None),
            (BodyProgress::Read, Framing::Chunked, Framing::None),
        ] {
            let refused = Plan { framing, ..PLAN }.refused(Error::ConnectRefused, body);
            assert_eq!(
                (refused.framing, refused.persistence),
                (expected, Persistence::KeepAlive),
                "{body:?}"
            );
        }
        let closed = PLAN.refused(Error::RequestBodyTooLarge, BodyProgress::Begun);
        assert_eq!(closed.persistence, Persistence::Close);
    }
}

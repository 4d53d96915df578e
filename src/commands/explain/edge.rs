//! What the daemon answers, by its own functions: what is decided about a head, and which fields leave.

use std::time::SystemTime;

use super::page::PageRequest;
use crate::{
    admission::{self, Admission, Audience, MAX_TOKEN, Shown, TokenRules, Way, bearer_within},
    config::{AccessId, Config, ListenAddress, ListenerId, RouteId, Routes},
    cors::Reason,
    error::Error,
    http1::{
        connection::Persistence,
        fields::FieldId,
        head::{Fields, HeadEnd, Request, RequestHead, Response, parse_request, parse_response},
    },
    plan::{
        self, Action, Answer, Arrived, Client, Date, Destination, Exchange, Identity, Plan, Recipient,
        RequestId, Responder, ResponseContext, Seen,
    },
};

/// What a server behind corsair is taken to answer: it knows nothing of CORS.
const OF_THE_UPSTREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n";

/// More than the largest head that is written.
const ROOM: usize = 256 << 10;

/// What becomes of one request.
pub(super) struct Answered {
    pub(super) route: RouteId,
    /// The status; nothing where it is the upstream's to say.
    pub(super) status: Option<u16>,
    /// The fields of the answer that concern who may read it, in their order.
    pub(super) fields: Vec<(String, String)>,
    /// What CORS refuses, with the bytes in which it points.
    pub(super) reason: Option<Reason>,
    /// What corsair refuses.
    pub(super) error: Option<Error>,
    /// The table of access that refuses it.
    pub(super) access: Option<AccessId>,
    /// The table of which a service decides, or has the keys: it is not asked here.
    pub(super) asks: Option<AccessId>,
    /// The head of the request.
    pub(super) head: Vec<u8>,
}

/// The daemon that would answer.
pub(super) struct Edge<'a> {
    config: &'a Config,
    client: Client,
    identity: Identity,
    date: Date,
}

impl<'a> Edge<'a> {
    pub(super) fn new(config: &'a Config, page: &PageRequest) -> Self {
        let listener = config.listener(page.listener);
        let client = Client {
            address: match listener.address {
                ListenAddress::Tcp(address) => Some(address),
                ListenAddress::Unix(_) => None,
            },
            anonymous: false,
            // A proxy before us that ends TLS is believed that it does.
            secure: page.url.scheme() == "https",
            loopback_listener: listener.is_loopback(),
            listener: page.listener,
            // A browser goes on only where the certificate is for the host that it asks for.
            refusal: None,
            handshake: None,
        };
        Self { config, client, identity: Identity::random(), date: Date::of(SystemTime::UNIX_EPOCH) }
    }

    pub(super) const fn listener(&self) -> ListenerId {
        self.client.listener
    }

    /// What becomes of the request with this head.
    pub(super) fn answer(&self, head: String) -> Answered {
        let mut bytes = head.into_bytes();
        let mut parsed = match self.parse(&bytes) {
            Ok(parsed) => parsed,
            Err(error) => return self.refuse(bytes, error),
        };
        let shown = Shown::take(&mut bytes, &mut parsed, self.config.takes, SystemTime::now());
        let request = Request { bytes: &bytes, head: &parsed };
        let (mut plan, mut action) =
            plan::request(request, &shown, self.config, &self.client, &self.identity.id);
        let asked = self.config.route(plan.route).access.ids();
        let mut asks = None;
        if let Admission::Unverified(first) = plan.admission {
            for (id, at) in asked.iter().zip(0..).skip(first.into()) {
                let way = &self.config.access(*id).way;
                let is_right = match way {
                    Way::Forward(_) => None,
                    Way::Jwt(rules) => is_good(rules, request, plan.audience()),
                    Way::Clients(_) | Way::FetchSite(_) | Way::Bearer(_) | Way::Token(_) | Way::Signed(_) => {
                        Some(true)
                    }
                    Way::Basic(..) => {
                        let attempt = admission::attempt(way, request, plan.audience());
                        Some(attempt.is_some_and(|attempt| attempt.verify()))
                    }
                };
                if is_right.is_none() {
                    asks = Some(*id);
                } else if is_right == Some(false) {
                    plan.admission = Admission::Refused(at);
                    action = Action::Respond(Answer::Fault(plan.audience().refused()));
                    break;
                }
            }
        }
        let access = match plan.admission {
            Admission::Refused(at) => asked.get(usize::from(at)).copied(),
            Admission::NotAsked | Admission::Admitted | Admission::Unverified(_) | Admission::Failed(_) => {
                None
            }
        };
        let reason = plan.cors.reason();
        let (status, fields, error) = match &action {
            Action::Respond(answer) => self.respond(answer, request, &plan),
            Action::Exchange(exchange) => self.exchange(exchange, request, &plan),
            // No page can ask for one.
            Action::Connect(_) => (None, Vec::new(), None),
        };
        Answered { route: plan.route, status, fields, reason, error, access, asks, head: bytes }
    }

    /// The head, held to the bounds of the configuration.
    fn parse(&self, bytes: &[u8]) -> Result<RequestHead, Error> {
        let limits = &self.config.limits;
        let mut end = HeadEnd::default();
        let found = end.find_request(bytes).map_err(crate::http1::head::HeadFault::in_request)?;
        match found {
            Some(len) if len <= limits.head => {
                parse_request(bytes, &end, len, limits.fields, Fields::default())
            }
            _ if end.has_first_line_within(limits.head) => Err(Error::RequestHeadTooLarge),
            _ => Err(Error::RequestLineTooLong),
        }
    }

    /// The answer to a head that is not understood. Its origin is found wherever it stands.
    fn refuse(&self, head: Vec<u8>, error: Error) -> Answered {
        let origin = head.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Origin: "));
        let recipient = Recipient::Unknown(origin.map(<[u8]>::trim_ascii));
        let (status, fields) = self.written(&Answer::Fault(error), recipient, Routes::NOTHING);
        Answered {
            route: Routes::NOTHING,
            status: Some(status),
            fields,
            reason: None,
            error: Some(error),
            access: None,
            asks: None,
            head,
        }
    }

    fn respond(&self, answer: &Answer, request: Request<'_>, plan: &Plan) -> Outcome {
        let (status, fields) = self.written(answer, Recipient::Request(request, plan.cors), plan.route);
        let error = match answer {
            Answer::Fault(error) => Some(*error),
            Answer::Limited(limited) => Some(limited.error()),
            Answer::Cors => plan.cors.reason().map(|_| Error::CorsRefused),
            Answer::Healthcheck
            | Answer::LastHop
            | Answer::Fixed
            | Answer::ToOwnOrigin(_)
            | Answer::Local(_) => None,
        };
        (Some(status), fields, error)
    }

    fn written(
        &self,
        answer: &Answer,
        recipient: Recipient<'_>,
        route: RouteId,
    ) -> (u16, Vec<(String, String)>) {
        let Self { config, identity, date, .. } = self;
        let route = config.route(route);
        let request_id = RequestId::default();
        let policy = config.policy(route.policy);
        let responder = Responder { request_id, policy, route, identity, date: *date };
        let mut out = vec![0; ROOM];
        let (size, status) = responder.write(answer, recipient, Persistence::KeepAlive, &mut out);
        (status, concerning(out.get(..size).unwrap_or_default()))
    }

    /// The fields that leave with what an upstream answers.
    fn exchange(&self, exchange: &Exchange, request: Request<'_>, plan: &Plan) -> Outcome {
        if exchange.upgrade {
            return (None, Vec::new(), None);
        }
        let server = match exchange.destination {
            Destination::Upstream(upstream) => self.config.upstream(upstream).endpoints.first(),
            Destination::Target(_) | Destination::Forward(_) | Destination::Question { .. } => None,
        };
        let context = ResponseContext::new(self.config, &self.identity, plan, exchange, server, false);
        let mut bytes = OF_THE_UPSTREAM.to_vec();
        let seen = Seen { request_read: true, body_kept: false, reused: false, date: self.date };
        let mut out = vec![0; ROOM];
        let arrived = response(&mut bytes).and_then(|head| {
            context.respond(request, Response { bytes: &bytes, head: &head }, &seen, &mut out)
        });
        match arrived {
            Ok(Arrived::Final { written, .. }) => {
                (None, concerning(out.get(..written).unwrap_or_default()), None)
            }
            Ok(
                Arrived::Interim { .. }
                | Arrived::Redirect(_)
                | Arrived::Admitted { .. }
                | Arrived::Switch { .. },
            ) => (None, Vec::new(), None),
            Err(error) => self.respond(&Answer::Fault(error), request, plan),
        }
    }
}

/// Whether a token lets in by these rules; nothing where their keys would have to be fetched.
fn is_good(rules: &TokenRules, request: Request<'_>, audience: Audience) -> Option<bool> {
    let keys = rules.keys.keys()?;
    let token = bearer_within(MAX_TOKEN, request, audience).ok()?;
    Some(rules.verify(token, &keys, SystemTime::now()).is_ok())
}

/// Status, fields, and what was refused.
type Outcome = (Option<u16>, Vec<(String, String)>, Option<Error>);

fn response(bytes: &mut [u8]) -> Result<crate::http1::head::ResponseHead, Error> {
    let mut end = HeadEnd::default();
    let found = end.find_response(bytes).map_err(crate::http1::head::HeadFault::in_response)?;
    let len = found.ok_or(Error::ResponseIncomplete)?;
    parse_response(bytes, &end, len, usize::from(u8::MAX), Fields::default())
}

/// The fields of a head that say who may read what.
fn concerning(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let lines = text.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let fields = lines.filter_map(|line| line.split_once(": "));
    let concerns = |name: &str| {
        let id = FieldId::of(name.as_bytes());
        let of_the_policy = ["corsair-cors", "timing-allow-origin", "cross-origin-resource-policy"];
        matches!(id, FieldId::CorsResponse | FieldId::Vary)
            || of_the_policy.contains(&&*name.to_ascii_lowercase())
    };
    fields
        .filter(|(name, _)| concerns(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

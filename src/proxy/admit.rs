//! Whether a request is let in, where that has to be waited for: passwords are verified, services are asked. Nothing of its
//! body is read for that, and it goes nowhere before.

use std::{
    cell::RefCell,
    pin::pin,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, timeout};

use super::{
    connection::{After, Connection},
    core::Core,
    exchange::{Exchanged, exchange},
    job::Job,
    outcome::Outcome,
    relay::{ClientSide, ExchangeState},
    snapshot::Snapshot,
    tell,
};

use crate::{
    admission::{self, Admission, ForwardAuth, MAX_TOKEN, TokenFault, TokenRules, Way, bearer_within},
    config::AccessId,
    error::Error,
    http1::{
        body::{BodyReader, Recode},
        head::{Request, RequestHead},
    },
    net::buffer::Buffer,
    plan::{Plan, request_body_limits, rewrite::Forwarding},
};

/// How long a request waits for keys that its token may have been signed with.
const KEY_WAIT: Duration = Duration::from_secs(2);

/// A request that waits to be let in.
pub(crate) struct Waiting<'a> {
    pub(crate) core: &'a Core,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) connection: &'a mut Connection,
    pub(crate) plan: &'a mut Plan,
    pub(crate) head: &'a RequestHead,
    /// The head, and what has come behind it.
    pub(crate) inbound: &'a RefCell<Buffer>,
    pub(crate) outcome: &'a mut Outcome,
    /// What services have said of who asks.
    pub(crate) passed: &'a mut Vec<u8>,
}

/// What has become of it.
pub(crate) enum Verdict {
    /// It goes on.
    Admitted,
    /// It is to be told this.
    Refused(Error),
    /// It has its answer.
    Answered(After),
}

impl Waiting<'_> {
    /// Asks the tables one after the other that have to be waited for. What they say stands in the plan then; of a client that
    /// has left meanwhile nothing new does.
    pub(crate) async fn decide(mut self) -> Verdict {
        let Admission::Unverified(first) = self.plan.admission else { return Verdict::Admitted };
        let config = &self.snapshot.config;
        let asked = config.route(self.plan.route).access.ids();
        for (id, at) in asked.iter().zip(0..).skip(first.into()) {
            let verdict = match &config.access(*id).way {
                way @ Way::Basic(..) => self.verify(way).await,
                Way::Jwt(rules) => self.wait_for_keys(*id, rules).await,
                Way::Forward(service) => self.ask(*id, service).await,
                // What needs no wait has been asked.
                Way::Clients(_) | Way::FetchSite(_) | Way::Bearer(_) | Way::Token(_) | Way::Signed(_) => {
                    Verdict::Admitted
                }
            };
            self.plan.admission = match verdict {
                Verdict::Admitted => continue,
                Verdict::Answered(_) if self.outcome.error.is_some_and(Error::client_is_gone) => {
                    Admission::Unverified(at)
                }
                Verdict::Refused(error) if error != self.plan.audience().refused() => Admission::Failed(at),
                Verdict::Refused(_) | Verdict::Answered(_) => Admission::Refused(at),
            };
            return verdict;
        }
        self.plan.admission = Admission::Admitted;
        Verdict::Admitted
    }

    /// What tokens settle at once, from the table in this place on; nothing where something has to be waited for, and the plan
    /// says for which.
    pub(crate) fn recall(&mut self, first: u16) -> Option<Verdict> {
        let config = &self.snapshot.config;
        let asked = config.route(self.plan.route).access.ids();
        for (id, at) in asked.iter().zip(0..).skip(first.into()) {
            self.plan.admission = Admission::Unverified(at);
            match &config.access(*id).way {
                Way::Jwt(rules) => match self.token(*id, rules) {
                    Ok(()) => {}
                    Err(None | Some(TokenFault::UnknownKey)) if config.is_fetched(*id) => return None,
                    Err(_) => {
                        self.plan.admission = Admission::Refused(at);
                        return Some(Verdict::Refused(self.plan.audience().refused()));
                    }
                },
                Way::Basic(..) | Way::Forward(_) => return None,
                Way::Clients(_) | Way::FetchSite(_) | Way::Bearer(_) | Way::Token(_) | Way::Signed(_) => {}
            }
        }
        self.plan.admission = Admission::Admitted;
        Some(Verdict::Admitted)
    }

    /// Whether its token lets it in by these rules.
    fn token(&self, id: AccessId, rules: &TokenRules) -> Result<(), Option<TokenFault>> {
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        let token = bearer_within(MAX_TOKEN, request, self.plan.audience())
            .map_err(|_| Some(TokenFault::Malformed))?;
        let mut known = self.snapshot.known_tokens.borrow_mut();
        let admitted = known.admit(id.index(), rules, token, SystemTime::now());
        if let Err(Some(fault)) = admitted {
            tell::refused_token(&self.snapshot.config.access(id).name, fault);
        }
        admitted
    }

    /// Whether its token lets it in by keys that are fetched for it.
    async fn wait_for_keys(&self, id: AccessId, rules: &TokenRules) -> Verdict {
        let news = self.core.keys();
        let mut renewed = pin!(news.renewed.notified());
        // From here on none is missed.
        renewed.as_mut().enable();
        let before = self.token(id, rules);
        if matches!(before, Err(None | Some(TokenFault::UnknownKey))) {
            rules.keys.want();
            news.wanted.notify_waiters();
            // If nothing comes, what was there counts.
            let _ = timeout(KEY_WAIT, renewed).await;
        }
        match self.token(id, rules) {
            Ok(()) => Verdict::Admitted,
            Err(None) => Verdict::Refused(Error::AccessUnavailable),
            Err(Some(_)) => Verdict::Refused(self.plan.audience().refused()),
        }
    }

    /// Whether its password is right.
    async fn verify(&self, way: &Way) -> Verdict {
        let attempt = {
            let inbound = self.inbound.borrow();
            admission::attempt(way, Request { bytes: inbound.all(), head: self.head }, self.plan.audience())
        };
        let client = self.plan.asker.address.map(|address| address.ip());
        let is_right = match attempt {
            Some(attempt) => self.core.verifications().verify(attempt, client).await,
            None => Ok(false),
        };
        match is_right {
            Ok(true) => Verdict::Admitted,
            Ok(false) => Verdict::Refused(self.plan.audience().refused()),
            Err(_) => Verdict::Refused(Error::VerificationsBusy),
        }
    }

    /// Whether a service lets it in; what that says instead is the answer.
    async fn ask(&mut self, id: AccessId, service: &ForwardAuth) -> Verdict {
        let Self { core, snapshot, head, inbound, .. } = *self;
        let route = snapshot.config.route(self.plan.route);
        let buffered = inbound.borrow().unread().len();
        let question = {
            let inbound = inbound.borrow();
            let request = Request { bytes: inbound.all(), head };
            self.plan.question(&snapshot.config, id, request, buffered)
        };
        let (plan, mut question) = match question {
            Ok(question) => question,
            Err(error) => return Verdict::Refused(error),
        };
        let Connection { stream, timer, forwarding, client, bound, .. } = &mut *self.connection;
        let state = ExchangeState::new();
        let body = BodyReader::new(plan.framing, Recode::Verbatim, request_body_limits(&route.limits));
        let mut outcome = Outcome { request_id: self.outcome.request_id, ..Outcome::default() };
        let mut job = Job {
            core,
            snapshot,
            route,
            plan: &plan,
            forwarding: forwarding.get_or_init(|| Forwarding::of(client)),
            peer: client.address,
            own: None,
            head,
            inbound,
            client: ClientSide::new(stream, inbound, head.len, (body, None), &state, plan.fin_is_abort),
            state: &state,
            timer,
            bound,
            outcome: &mut outcome,
            begun: Instant::now(),
            patience: Some(service.timeout),
            passed: b"",
            affinity: None,
            queued: Duration::ZERO,
            response: None,
        };
        let exchanged = pin!(exchange(&mut job, &mut question, None)).await;
        let after = match exchanged {
            Exchanged::Admitted(passed) => {
                self.passed.extend(passed);
                return Verdict::Admitted;
            }
            // Why has been told with the attempt.
            // A question does not rest.
            Exchanged::Failed(..) | Exchanged::Tunnel(_) | Exchanged::Rests(..) => {
                return Verdict::Refused(Error::AccessUnavailable);
            }
            Exchanged::Done(after) => after,
            Exchanged::Cut(error, after) => {
                outcome.error = Some(error);
                after
            }
        };
        // What is told of upstreams is not told of the service.
        let Outcome { status, error, bytes_out, streamed, ended, .. } = outcome;
        let request_id = self.outcome.request_id;
        let status = if status == 0 { error.map_or(status, Error::status) } else { status };
        *self.outcome =
            Outcome { status, error, bytes_out, streamed, ended, request_id, ..Outcome::default() };
        Verdict::Answered(self.skip_body(buffered, after))
    }

    /// What becomes of the connection behind the answer of a service, when `buffered` bytes had come behind the head.
    fn skip_body(&self, buffered: usize, after: After) -> After {
        match self.plan.skippable(buffered) {
            Some(size) => {
                self.inbound.borrow_mut().consume(size);
                after
            }
            // More of the body may be on its way.
            None if after == After::Close => After::Linger,
            None => after,
        }
    }
}

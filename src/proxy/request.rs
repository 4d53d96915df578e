//! One request of a client connection: decide, do what was decided, record it.
//!
//! Runs in a frame ([`super::frame`]): what is kept here is kept while a request is under way, and no longer.

use std::{borrow::Cow, cell::RefCell, convert::Infallible, mem, pin::pin, rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{
    admit::{Verdict, Waiting},
    connect::Connect,
    connection::{After, Connection, responder},
    core::Core,
    exchange::{Exchanged, TunnelEnds, exchange},
    frame::Desk,
    job::Job,
    kept_request::KeptRequest,
    limiting::{Held, Limiting, Refused},
    outcome::Outcome,
    record::{Cells, Finished, note_obstacle, note_refusal},
    relay::{ClientSide, ExchangeState, Replay},
    resting::RestingRequest,
    resting_attempt::RestingAttempt,
    send::send,
    snapshot::Snapshot,
    tell,
    tunnel::Tunnel,
    why,
};
use crate::{
    admission::{Admission, Shown},
    config::Route,
    error::Error,
    http1::{
        body::{BodyReader, Recode},
        connection::Persistence,
        framing::Framing,
        head::{Method, Request, RequestHead},
    },
    net::{buffer::Buffer, stream::Stream, timer::Timer},
    observe::metrics::Leg,
    plan::{
        self, Action, Answer, Client, Destination, Exchange, ForwardTarget, Local, Plan, Recipient, affinity,
        request_body_limits, rewrite::Forwarding,
    },
};

/// The next turn of a connection.
pub(crate) struct Asked {
    pub(crate) connection: Box<Connection>,
    pub(crate) request: Requested,
}

/// What is to be served.
pub(crate) enum Requested {
    /// A request that has come.
    New(NewRequest),
    /// One that has rested, and its stream to the upstream.
    Rested(Box<RestingRequest>, Stream),
}

/// A request whose head has come.
pub(crate) struct NewRequest {
    /// What counts for it.
    pub(crate) snapshot: Rc<Snapshot>,
    /// The head, and whatever came behind it.
    pub(crate) buffer: Buffer,
    pub(crate) head: RequestHead,
    /// How long the head took, where it took more than one read.
    pub(crate) head_took: Option<Duration>,
}

/// The connection again, and what becomes of it.
pub(crate) struct Served {
    pub(crate) connection: Box<Connection>,
    pub(crate) next: Next,
}

/// What becomes of a connection.
pub(crate) enum Next {
    /// The answer has left; of the next request so much has come.
    Answered(After, Option<Buffer>),
    /// It carries something else from now on, to and from this stream.
    Switched(Box<Tunnel>, Stream),
    /// In its request nothing moves: it goes on when something does, on this stream to the upstream.
    Rests(Box<RestingRequest>, Stream),
}

/// Serves one request after another.
pub(crate) async fn serve_requests(desk: Rc<Desk<Asked, Served>>) -> Infallible {
    // Lent to one connection after another: it is armed already, and a connection that brings one request needs
    // none of its own.
    let mut timer = Timer::default();
    loop {
        let Asked { mut connection, request: asked } = desk.next().await;
        mem::swap(&mut connection.timer, &mut timer);
        // Pinned where it is made: awaited as a value it would be copied, in all its size.
        let next = match asked {
            Requested::New(new) => pin!(request(&mut connection, new)).await,
            Requested::Rested(rested, upstream) => pin!(go_on(&mut connection, *rested, upstream)).await,
        };
        mem::swap(&mut connection.timer, &mut timer);
        desk.done(Served { connection, next });
    }
}

/// Decides about a request and does what was decided.
async fn request(connection: &mut Connection, new: NewRequest) -> Next {
    let NewRequest { snapshot, mut buffer, mut head, head_took } = new;
    let (core, begun) = (Rc::clone(&connection.core), Instant::now());
    let shown = Shown::take(buffer.all_mut(), &mut head, snapshot.config.takes, core.clock.time(begun));
    let inbound = RefCell::new(buffer);
    let (plan, mut action) = {
        let inbound = inbound.borrow();
        let came = Request { bytes: inbound.all(), head: &head };
        planned(&core, &snapshot, &connection.client, came, &shown)
    };
    let mut turn = Turn {
        snapshot: &snapshot,
        route: snapshot.config.route(plan.route),
        connection,
        plan,
        head: &head,
        inbound: &inbound,
        begun,
        outcome: Outcome::default(),
        sets_out: begun,
        passed: Vec::new(),
    };
    let verdict = match turn.plan.admission {
        Admission::Unverified(at) => match turn.waiting(&core).recall(at) {
            Some(verdict) => verdict,
            // Boxed, for few requests need it and each would hold its room.
            None => Box::pin(turn.wait(&core)).await,
        },
        Admission::NotAsked | Admission::Admitted | Admission::Refused(_) | Admission::Failed(_) => {
            Verdict::Admitted
        }
    };
    snapshot.count_admission(turn.plan.route, turn.plan.admission);
    // Changed where it is: to move it costs each request something.
    let answered = match verdict {
        Verdict::Admitted => None,
        Verdict::Refused(error) => {
            action = Action::Respond(Answer::Fault(error));
            None
        }
        Verdict::Answered(after) => Some(after),
    };
    // What they keep is kept until it has ended, and with it what it has become.
    let held = match answered {
        None if !turn.route.limit.ids().is_empty() => turn.ask_limits(&core, &shown, &mut action).await,
        None | Some(_) => Held::default(),
    };
    if core.is_draining() {
        turn.plan.persistence = Persistence::Close;
    }
    let ended = match (answered, &mut action) {
        (Some(after), _) => Ended::Answered(turn.settled(after)),
        // Boxed, as hardly anybody asks for it.
        (None, Action::Respond(Answer::Local(local))) => Ended::Answered(Box::pin(turn.tell(*local)).await),
        (None, Action::Respond(answer)) => Ended::Answered(turn.respond(answer).await),
        (None, Action::Exchange(exchange)) => pin!(turn.exchange(exchange, None)).await,
        // Boxed: few requests are one, and each would hold its room.
        (None, Action::Connect(target)) => Box::pin(turn.connect(target)).await,
    };
    if let Ended::Answered(after) = ended {
        turn.record(&core, &snapshot, head_took);
        core.put_fields(head.fields);
        return after_answer(after, inbound);
    }
    let exchange = match action {
        Action::Exchange(exchange) => Some(exchange),
        Action::Respond(_) | Action::Connect(_) => None,
    };
    let Turn { plan, outcome, sets_out, passed, .. } = turn;
    let came = (head, inbound.into_inner());
    let kept = KeptRequest { snapshot, plan, came, head_took, begun, sets_out, outcome, passed, held };
    left(&core, ended, kept, exchange, &connection.client)
}

/// Goes on with a request that has rested.
async fn go_on(connection: &mut Connection, rested: RestingRequest, upstream: Stream) -> Next {
    let RestingRequest { kept, mut exchange, attempt, body, state } = rested;
    let KeptRequest { snapshot, plan, came, head_took, begun, sets_out, outcome, passed, held } = kept;
    let core = Rc::clone(&connection.core);
    let (head, mut inbound) = came;
    inbound.grow();
    let inbound = RefCell::new(inbound);
    let route = snapshot.config.route(plan.route);
    let mut turn = Turn {
        snapshot: &snapshot,
        route,
        connection,
        plan,
        head: &head,
        inbound: &inbound,
        begun,
        outcome,
        sets_out,
        passed,
    };
    let rests = Box::new(Rests { upstream, attempt, body, state });
    let ended = pin!(turn.exchange(&mut exchange, Some(rests))).await;
    if let Ended::Answered(after) = ended {
        turn.record(&core, &snapshot, head_took);
        return after_answer(after, inbound);
    }
    let Turn { plan, outcome, sets_out, passed, .. } = turn;
    let came = (head, inbound.into_inner());
    let kept = KeptRequest { snapshot, plan, came, head_took, begun, sets_out, outcome, passed, held };
    left(&core, ended, kept, Some(exchange), &connection.client)
}

/// What becomes of a connection whose request has been answered.
fn after_answer(after: After, inbound: RefCell<Buffer>) -> Next {
    let rest = Some(inbound.into_inner());
    let mut rest = rest.filter(|rest| !rest.is_empty() && after == After::KeepAlive);
    rest.iter_mut().for_each(Buffer::grow);
    Next::Answered(after, rest)
}

/// What becomes of a request that leaves its frame before it has ended.
fn left(
    core: &Core,
    ended: Ended,
    mut kept: KeptRequest,
    exchange: Option<Exchange>,
    client: &Client,
) -> Next {
    match (ended, exchange) {
        (Ended::Switched(ends), _) => {
            let (tunnel, upstream) = Tunnel::of(core, kept, *ends, client);
            Next::Switched(tunnel, upstream)
        }
        (Ended::Rests(rests), Some(exchange)) => {
            let Rests { upstream, attempt, body, state } = *rests;
            kept.shrink(core);
            let resting = RestingRequest { kept, exchange, attempt, body, state };
            Next::Rests(Box::new(resting), upstream)
        }
        // What is no exchange does not rest.
        (Ended::Rests(_), None) => Next::Answered(After::Reset, None),
        (Ended::Answered(after), _) => Next::Answered(after, None),
    }
}

/// What is to be done about a request, which is told to whoever looks on.
fn planned(
    core: &Core,
    snapshot: &Snapshot,
    client: &Client,
    request: Request<'_>,
    shown: &Shown,
) -> (Plan, Action) {
    let config = &*snapshot.config;
    let (plan, action) = plan::request(request, shown, config, client, &core.identity.id);
    tell::decision(request, &plan, &action, config);
    tell::refusal(request, &plan, config);
    note_obstacle(core, snapshot, client, &plan, request);
    (plan, action)
}

/// How a request ended, as far as HTTP goes.
enum Ended {
    Answered(After),
    /// The connection carries something else from now on.
    Switched(Box<TunnelEnds>),
    /// Nothing moves.
    Rests(Box<Rests>),
}

/// The body of a request, and what it is kept in.
type RequestBody = (BodyReader, Option<Box<Replay>>);

/// What is left of an exchange in which nothing moves.
struct Rests {
    upstream: Stream,
    attempt: RestingAttempt,
    body: Option<Box<RequestBody>>,
    state: ExchangeState,
}

/// One request under way.
struct Turn<'a, 's> {
    snapshot: &'s Snapshot,
    route: &'s Route,
    connection: &'a mut Connection,
    plan: Plan,
    head: &'a RequestHead,
    /// The head, and what has come behind it.
    inbound: &'a RefCell<Buffer>,
    begun: Instant,
    outcome: Outcome,
    /// When it was let in.
    sets_out: Instant,
    /// What services have said of who asks: field lines that go on.
    passed: Vec<u8>,
}

impl Turn<'_, '_> {
    /// Waits until it is known whether the request is let in.
    async fn wait(&mut self, core: &Core) -> Verdict {
        let verdict = self.waiting(core).decide().await;
        self.sets_out = Instant::now();
        verdict
    }

    /// The request before it is let in.
    fn waiting<'w>(&'w mut self, core: &'w Core) -> Waiting<'w> {
        let Self { snapshot, connection, plan, head, inbound, outcome, passed, .. } = self;
        Waiting { core, snapshot, connection, plan, head, inbound, outcome, passed }
    }

    /// Asks the limits: what they keep for it, or what is to be done instead.
    async fn ask_limits(&mut self, core: &Core, shown: &Shown, action: &mut Action) -> Held {
        let Self { snapshot, plan, begun, route, .. } = &*self;
        let (client, came) = (&self.connection.client, (self.inbound, self.head));
        let limiting = Limiting { core, snapshot, plan, shown, client, came, now: *begun };
        // Boxed, as what few requests need.
        let passed = match route.limit.asks_a_server {
            true => Box::pin(limiting.pass_at_servers(action)).await,
            false => limiting.pass(action),
        };
        match passed {
            Ok(held) => held,
            Err(Refused { by, limited }) => {
                self.outcome.limited_by = Some(by);
                *action = Action::Respond(Answer::Limited(limited));
                Held::default()
            }
        }
    }

    /// Answers the request here.
    async fn respond(&mut self, answer: &Answer) -> After {
        let core = Rc::clone(&self.connection.core);
        let skippable = self.plan.skippable(self.inbound.borrow().unread().len());
        self.inbound.borrow_mut().consume(skippable.unwrap_or(0));
        let persistence = skippable.map_or(Persistence::Close, |_| self.plan.persistence);
        self.outcome.error = match *answer {
            Answer::Fault(error) => Some(error),
            Answer::Limited(limited) => Some(limited.error()),
            Answer::Cors => self.plan.cors.reason().map(|_| Error::CorsRefused),
            Answer::Healthcheck
            | Answer::LastHop
            | Answer::Fixed
            | Answer::ToOwnOrigin(_)
            | Answer::Local(_) => None,
        };
        let mut out = core.buffers.take();
        let (size, status) = {
            let inbound = self.inbound.borrow();
            let request = Request { bytes: inbound.all(), head: self.head };
            let recipient = Recipient::Request(request, self.plan.cors);
            responder(&core, &self.snapshot.config, self.plan.route, self.outcome.request_id).write(
                answer,
                recipient,
                persistence,
                out.spare(),
            )
        };
        self.outcome.status = status;
        self.outcome.bytes_out += size as u64;
        let Connection { stream, timer, .. } = &mut *self.connection;
        let patience = self.route.timeouts.send;
        match send(stream, Leg::Client, &out.spare()[..size], timer, patience).await {
            Ok(()) if persistence != Persistence::Close && size > 0 => After::KeepAlive,
            Ok(()) => self.settled(After::closing(skippable.is_some())),
            Err(error) => {
                self.outcome.error = Some(error);
                After::Reset
            }
        }
    }

    /// Tells who develops on this machine what is for them.
    async fn tell(&mut self, local: Local) -> After {
        let core = Rc::clone(&self.connection.core);
        let skippable = self.plan.skippable(self.inbound.borrow().unread().len());
        self.inbound.borrow_mut().consume(skippable.unwrap_or(0));
        let persistence = skippable.map_or(Persistence::Close, |_| self.plan.persistence);
        let mut out = core.buffers.take();
        let (text, size) = {
            let inbound = self.inbound.borrow();
            let request = Request { bytes: inbound.all(), head: self.head };
            let text = match local {
                Local::Why => Cow::Owned(why::told(&core, self.snapshot, request)),
                Local::Page | Local::PageScript | Local::Script => Cow::Borrowed(local.text()),
            };
            let size = responder(&core, &self.snapshot.config, self.plan.route, self.outcome.request_id)
                .write_local(local, text.len(), persistence, out.spare());
            (text, size)
        };
        let text = if self.plan.method == Method::Head { &[] } else { text.as_bytes() };
        self.outcome.status = 200;
        self.outcome.bytes_out += (size + text.len()) as u64;
        let Connection { stream, timer, .. } = &mut *self.connection;
        let patience = self.route.timeouts.send;
        let sent = match send(stream, Leg::Client, &out.spare()[..size], timer, patience).await {
            Ok(()) => send(stream, Leg::Client, text, timer, patience).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) if persistence != Persistence::Close => After::KeepAlive,
            Ok(()) => self.settled(After::closing(skippable.is_some())),
            Err(error) => {
                self.outcome.error = Some(error);
                After::Reset
            }
        }
    }

    /// Takes the request to its upstream.
    /// Or goes on with that.
    async fn exchange(&mut self, planned: &mut Exchange, rested: Option<Box<Rests>>) -> Ended {
        let core = Rc::clone(&self.connection.core);
        // Each where it stays, as in an attempt.
        let (body, state, resumed);
        if let Some(rested) = rested {
            let Rests { upstream, attempt, .. } = *rested;
            body = rested.body.map_or_else(|| self.body(planned), |body| *body);
            state = rested.state;
            resumed = Some((upstream, Box::new(attempt)));
        } else {
            (body, state, resumed) = (self.body(planned), ExchangeState::new(), None);
        }
        let Connection { stream, timer, forwarding, client, bound, .. } = &mut *self.connection;
        // Asked of the kernel only where it is told on.
        let is_told = match planned.destination {
            Destination::Upstream(id) => self.snapshot.config.upstream(id).proxy_protocol.is_some(),
            Destination::Target(_) | Destination::Forward(_) | Destination::Question { .. } => false,
        };
        let own = stream.tcp_ref().filter(|_| is_told).and_then(|tcp| tcp.local_addr().ok());
        let affinity = match planned.destination {
            Destination::Upstream(upstream) => {
                let rule = &self.snapshot.config.upstream(upstream).balancing.rule;
                let inbound = self.inbound.borrow();
                affinity(rule, &self.plan.asker, Request { bytes: inbound.all(), head: self.head })
            }
            Destination::Target(_) | Destination::Forward(_) | Destination::Question { .. } => None,
        };
        let mut job = Job {
            core: &core,
            snapshot: self.snapshot,
            route: self.route,
            plan: &self.plan,
            forwarding: forwarding.get_or_init(|| Forwarding::of(client)),
            peer: client.address,
            own,
            head: self.head,
            inbound: self.inbound,
            client: ClientSide::new(
                stream,
                self.inbound,
                self.head.len,
                body,
                &state,
                self.plan.fin_is_abort,
            ),
            state: &state,
            timer,
            bound,
            outcome: &mut self.outcome,
            begun: self.sets_out,
            patience: None,
            passed: &self.passed,
            affinity,
            queued: Duration::ZERO,
            response: None,
        };
        let exchanged = pin!(exchange(&mut job, planned, resumed)).await;
        Ended::Answered(match exchanged {
            Exchanged::Rests(upstream, attempt) => {
                // Without one it is as easily made anew.
                let has_body = self.plan.framing != Framing::None;
                let body = has_body.then(|| Box::new(job.client.into_body()));
                return Ended::Rests(Box::new(Rests { upstream, attempt: *attempt, body, state }));
            }
            Exchanged::Done(after) => self.settled(after),
            Exchanged::Tunnel(ends) => return Ended::Switched(ends),
            // Nobody has been asked for that.
            Exchanged::Admitted(_) => self.respond(&Answer::Fault(Error::Internal)).await,
            // Why there is no response.
            Exchanged::Failed(error, body) => {
                self.plan = self.plan.refused(error, body);
                self.respond(&Answer::Fault(error)).await
            }
            Exchanged::Cut(error, after) => {
                self.outcome.error = Some(error);
                if self.outcome.status == 0 {
                    self.outcome.status = error.status();
                }
                self.settled(after)
            }
        })
    }

    /// The body of the request, and what it is kept in.
    #[inline]
    fn body(&self, planned: &Exchange) -> RequestBody {
        let limits = request_body_limits(&self.route.limits);
        let inbound = self.inbound.borrow();
        let name = Request { bytes: inbound.all(), head: self.head }.method_name();
        let kept = self.plan.kept_of_body(&self.snapshot.config, planned, name);
        (BodyReader::new(self.plan.framing, Recode::Verbatim, limits), kept.map(Replay::of))
    }

    /// Connects to where a CONNECT leads.
    async fn connect(&mut self, target: &ForwardTarget) -> Ended {
        let core = Rc::clone(&self.connection.core);
        let Connection { stream, timer, bound, .. } = &mut *self.connection;
        let connect = Connect {
            core: &core,
            snapshot: self.snapshot,
            route: self.route,
            plan: &self.plan,
            head: self.head,
            inbound: self.inbound,
            bound,
            outcome: &mut self.outcome,
        };
        match connect.to(target, stream, timer).await {
            Ok(ends) => Ended::Switched(ends),
            Err(error) if error.client_is_gone() => {
                self.outcome.error = Some(error);
                self.outcome.status = error.status();
                Ended::Answered(After::Reset)
            }
            Err(error) => Ended::Answered(self.respond(&Answer::Fault(error)).await),
        }
    }

    /// What becomes of the connection, now that it is known what else has come: to close it with unread input would
    /// reset it.
    fn settled(&mut self, after: After) -> After {
        let is_quiet = |turn: &mut Self| turn.inbound.borrow().is_empty() && turn.connection.stream.is_idle();
        if after == After::Close && !is_quiet(self) { After::Linger } else { after }
    }

    /// Counts and logs what the request came to.
    fn record(&self, core: &Core, snapshot: &Snapshot, head_took: Option<Duration>) {
        let Self { connection, plan, outcome, begun, .. } = self;
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        note_refusal(core, snapshot, &connection.client, plan, outcome, request);
        let client = &connection.client;
        Finished { client, request, plan, outcome, snapshot, begun: *begun, head_took }
            .record(core, Cells::of(snapshot, plan.route));
    }
}

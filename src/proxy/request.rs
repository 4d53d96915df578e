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
    kept_head::HeadAgain,
    kept_request::KeptRequest,
    limiting::{Held, Limiting, Refused},
    outcome::Outcome,
    record::{Cells, Ending, Finished, Told, note_obstacle, note_refusal},
    relay::{ClientSide, ExchangeState, Replay},
    resting::{RequestBody, RestingExchange, RestingRequest, RestingTurn},
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

/// A connection, and what is to be served on it next. It goes into a frame and comes back with each request: boxed, and
/// used where it lies.
pub(crate) struct Asked {
    pub(crate) connection: Connection,
    /// Nothing between two requests.
    pub(crate) request: Option<Requested>,
}

/// What is to be served.
pub(crate) enum Requested {
    /// A request that has come.
    New(NewRequest),
    /// One that has rested, and its stream to the upstream.
    Rested(RestingRequest, Stream),
}

/// A request whose head has come.
pub(crate) struct NewRequest {
    /// What counts for it.
    pub(crate) snapshot: Rc<Snapshot>,
    pub(crate) head: RequestHead,
    /// The head, and whatever came behind it.
    pub(crate) inbound: RefCell<Buffer>,
    /// How long the head took, where it took more than one read.
    pub(crate) head_took: Option<Duration>,
}

/// The connection again, and what becomes of it.
pub(crate) struct Served {
    pub(crate) asked: Box<Asked>,
    pub(crate) next: Next,
}

/// What becomes of a connection.
pub(crate) enum Next {
    /// The answer has left; of the next request so much has come.
    Answered(After, Option<Buffer>),
    /// It carries something else from now on, to and from this stream.
    Switched(Box<Tunnel>, Stream),
    /// In its request nothing moves: it goes on when something does, on this stream to the upstream.
    Rests(RestingRequest, Stream),
}

/// Serves one request after another.
pub(crate) async fn serve_requests(desk: Rc<Desk<Box<Asked>, Served>>) -> Infallible {
    // Lent to one connection after another: it is armed already, and a connection that brings one request needs
    // none of its own.
    let mut timer = Timer::default();
    loop {
        let mut asked = desk.next().await;
        let Asked { connection, request: requested } = &mut *asked;
        mem::swap(&mut connection.timer, &mut timer);
        // Pinned where it is made: awaited as a value it would be copied, in all its size.
        let next = if let Some(Requested::Rested(rested, upstream)) =
            requested.take_if(|requested| matches!(requested, Requested::Rested(..)))
        {
            // Boxed: it is larger, and few requests rest.
            Box::pin(go_on(connection, rested, upstream)).await
        } else {
            pin!(request(connection, requested)).await
        };
        mem::swap(&mut connection.timer, &mut timer);
        desk.done(Served { asked, next });
    }
}

/// Decides about a request and does what was decided; nothing is left of it then.
async fn request(connection: &mut Connection, requested: &mut Option<Requested>) -> Next {
    let Some(Requested::New(new)) = requested else { return Next::Answered(After::Close, None) };
    let NewRequest { snapshot, head, inbound, head_took } = new;
    let (core, begun) = (Rc::clone(&connection.core), Instant::now());
    let shown = Shown::take(inbound.get_mut().all_mut(), head, snapshot.config.takes, core.clock.time(begun));
    // Used where it is made, for to move it costs each request something; so do all that follow.
    let mut planned = {
        let (config, bytes) = (&*snapshot.config, inbound.get_mut().all());
        plan::request(Request { bytes, head }, &shown, config, &connection.client, &core.identity.id)
    };
    let (plan, action) = &mut planned;
    let came = Request { bytes: inbound.get_mut().all(), head };
    tell_of_plan(&core, snapshot, &connection.client, came, (plan, action));
    let (mut outcome, mut passed) = (Outcome::default(), Vec::new());
    let mut turn = Turn {
        snapshot,
        route: snapshot.config.route(plan.route),
        connection,
        plan,
        head,
        inbound,
        begun,
        outcome: &mut outcome,
        sets_out: begun,
        passed: &mut passed,
        told: None,
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
    let answered = match verdict {
        Verdict::Admitted => None,
        Verdict::Refused(error) => {
            *action = Action::Respond(Answer::Fault(error));
            None
        }
        Verdict::Answered(after) => Some(after),
    };
    // What they keep is kept until it has ended, and with it what it has become.
    let held = match answered {
        None if !turn.route.limit.ids().is_empty() => turn.ask_limits(&core, &shown, action).await,
        None | Some(_) => Held::default(),
    };
    if core.is_draining() {
        turn.plan.persistence = Persistence::Close;
    }
    let ended = match (answered, &mut *action) {
        (Some(after), _) => Ended::Answered(turn.settled(after)),
        // Boxed, as hardly anybody asks for it.
        (None, Action::Respond(Answer::Local(local))) => Ended::Answered(Box::pin(turn.tell(*local)).await),
        (None, Action::Respond(answer)) => Ended::Answered(turn.respond(answer).await),
        (None, Action::Exchange(exchange)) => pin!(turn.exchange(exchange, None)).await,
        // Boxed: few requests are one, and each would hold its room.
        (None, Action::Connect(target)) => Box::pin(turn.connect(target)).await,
    };
    if let Ended::Answered(after) = ended {
        turn.record(&core, snapshot, *head_took);
        core.put_fields(mem::take(&mut head.fields));
        return Next::Answered(after, rest_of(after, requested));
    }
    let sets_out = turn.sets_out;
    let (plan, action) = planned;
    let Some(Requested::New(new)) = requested.take() else { return Next::Answered(After::Reset, None) };
    let NewRequest { snapshot, head, inbound, head_took } = new;
    let request = KeptRequest { snapshot, plan, head_took, begun, sets_out, outcome, passed, held };
    let came = (head, inbound.into_inner(), None);
    let exchange = match action {
        Action::Exchange(exchange) => Some(exchange),
        Action::Respond(_) | Action::Connect(_) => None,
    };
    left(&core, &connection.client, ended, request, came, exchange)
}

/// Goes on with a request that has rested.
async fn go_on(connection: &mut Connection, rested: RestingRequest, upstream: Stream) -> Next {
    let RestingRequest { turn, exchange: resting } = rested;
    let RestingTurn { mut request, head, mut exchange } = *turn;
    let KeptRequest { snapshot, plan, outcome, passed, head_took, begun, sets_out, .. } = &mut request;
    let (head_took, begun, sets_out) = (*head_took, *begun, *sets_out);
    let core = Rc::clone(&connection.core);
    let (head, inbound, told) = head.again(&core, snapshot.config.limits.fields);
    let inbound = RefCell::new(inbound);
    let route = snapshot.config.route(plan.route);
    let (head_ref, inbound_ref) = (&head, &inbound);
    let mut turn = Turn {
        snapshot,
        route,
        connection,
        plan,
        head: head_ref,
        inbound: inbound_ref,
        begun,
        outcome,
        sets_out,
        passed,
        told,
    };
    let ended = pin!(turn.exchange(&mut exchange, Some((upstream, resting)))).await;
    if let Ended::Answered(_) = ended {
        turn.record(&core, snapshot, head_took);
    }
    let told = turn.told.take();
    left(&core, &connection.client, ended, request, (head, inbound.into_inner(), told), Some(exchange))
}

/// What becomes of a request that is not in its frame any more.
fn left(
    core: &Core,
    client: &Client,
    ended: Ended,
    request: KeptRequest,
    came: HeadAgain,
    exchange: Option<Exchange>,
) -> Next {
    match (ended, exchange) {
        (Ended::Switched(ends), _) => {
            let (head, inbound, _) = came;
            let (tunnel, upstream) = Tunnel::of(core, request, (head, inbound), *ends, client);
            Next::Switched(tunnel, upstream)
        }
        (Ended::Rests(upstream, resting), Some(exchange)) => {
            Next::Rests(RestingRequest::of(core, client, request, came, exchange, resting), upstream)
        }
        // What is no exchange does not rest.
        (Ended::Rests(..), None) => Next::Answered(After::Reset, None),
        (Ended::Answered(after), _) => {
            let (head, inbound, told) = came;
            if told.is_none() {
                core.put_fields(head.fields);
            }
            Next::Answered(after, rest(after, inbound))
        }
    }
}

/// What has come of the next request, where there may be one.
fn rest(after: After, inbound: Buffer) -> Option<Buffer> {
    let mut rest = Some(inbound).filter(|rest| !rest.is_empty() && after == After::KeepAlive);
    rest.iter_mut().for_each(Buffer::grow);
    rest
}

/// The same of a request that is not needed any more, which is dropped where it lies.
fn rest_of(after: After, requested: &mut Option<Requested>) -> Option<Buffer> {
    let has_more = match requested {
        Some(Requested::New(new)) => !new.inbound.get_mut().is_empty(),
        Some(Requested::Rested(..)) | None => false,
    };
    if has_more && let Some(Requested::New(new)) = requested.take() {
        return rest(after, new.inbound.into_inner());
    }
    *requested = None;
    None
}

/// Tells whoever looks on what is to be done about a request.
fn tell_of_plan(
    core: &Core,
    snapshot: &Snapshot,
    client: &Client,
    request: Request<'_>,
    (plan, action): (&Plan, &Action),
) {
    let config = &*snapshot.config;
    tell::decision(request, plan, action, config);
    tell::refusal(request, plan, config);
    note_obstacle(core, snapshot, client, plan, request);
}

/// How a request ended, as far as HTTP goes.
enum Ended {
    Answered(After),
    /// The connection carries something else from now on.
    Switched(Box<TunnelEnds>),
    /// Nothing moves; the stream to the upstream.
    Rests(Stream, Box<RestingExchange>),
}

/// One request under way.
struct Turn<'a, 's> {
    snapshot: &'s Snapshot,
    route: &'s Route,
    connection: &'a mut Connection,
    plan: &'a mut Plan,
    head: &'a RequestHead,
    /// The head, and what has come behind it.
    inbound: &'a RefCell<Buffer>,
    begun: Instant,
    outcome: &'a mut Outcome,
    /// When it was let in.
    sets_out: Instant,
    /// What services have said of who asks: field lines that go on.
    passed: &'a mut Vec<u8>,
    /// What is left of its head, where that is not needed any more.
    told: Option<Told>,
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
    async fn exchange(
        &mut self,
        planned: &mut Exchange,
        rested: Option<(Stream, Box<RestingExchange>)>,
    ) -> Ended {
        let core = Rc::clone(&self.connection.core);
        // Each where it stays, as in an attempt.
        let (body, state, resumed);
        if let Some((upstream, rested)) = rested {
            let RestingExchange { attempt, body: read, .. } = *rested;
            body = read.map_or_else(|| self.body(planned), |body| *body);
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
            plan: self.plan,
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
            outcome: self.outcome,
            begun: self.sets_out,
            patience: None,
            passed: self.passed,
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
                return Ended::Rests(upstream, Box::new(RestingExchange { attempt: *attempt, body, state }));
            }
            Exchanged::Done(after) => self.settled(after),
            Exchanged::Tunnel(ends) => return Ended::Switched(ends),
            // Nobody has been asked for that.
            Exchanged::Admitted(_) => self.respond(&Answer::Fault(Error::Internal)).await,
            // Why there is no response.
            Exchanged::Failed(error, body) => {
                *self.plan = self.plan.refused(error, body);
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
    #[inline(always)]
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
            plan: self.plan,
            head: self.head,
            inbound: self.inbound,
            bound,
            outcome: self.outcome,
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
    fn record(&mut self, core: &Core, snapshot: &Snapshot, head_took: Option<Duration>) {
        self.connection.answered = Some(*self.outcome.ended.get_or_insert_with(Instant::now));
        let Self { connection, plan, outcome, begun, .. } = self;
        let (client, begun, cells) = (&connection.client, *begun, Cells::of(snapshot, plan.route));
        if let Some(told) = &self.told {
            let Outcome { status, error, body_in, bytes_out, first_byte, ended, .. } = **outcome;
            let (bytes_in, total) = (told.head_len + body_in, ended.map_or(Duration::ZERO, |at| at - begun));
            let ending = Ending { status, error, bytes_in, bytes_out, first_byte, total };
            return told.ended(core, cells, &ending, head_took, &snapshot.config.log.secrets);
        }
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        note_refusal(core, snapshot, client, plan, outcome, request);
        Finished { client, request, plan, outcome, snapshot, begun, head_took }.record(core, cells);
    }
}

//! A request head as the upstream gets it.

use std::net::SocketAddr;

use super::{
    fields::{content_length, ends_here, frame, nominated},
    forwarding::{Chain, Forwarding},
};
use crate::{
    admission::{ForwardAuth, speaks_for},
    config::{Cookies, Endpoint, Gateway, Parent, Route},
    error::Error,
    gateway::{SetField, SetFields, cookies_for, cookies_of_no_target, tells_of_the_client},
    http1::{
        edits::Edits,
        emit::HeadWriter,
        field_set::FieldSet,
        fields::{self, FieldId},
        framing::Framing,
        head::{Request, Version},
    },
    plan::{
        action::{Exchange, Withheld},
        asker::Asker,
        forward::ForwardTarget,
        identity::{Identity, RequestId, hexadecimal},
        target::{CookiesOnward, Target},
    },
};

/// Where an upstream request goes, as far as its head shows it.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// A method other than the client's, after a redirect.
    pub method: Option<&'a [u8]>,
    /// The request target, in parts.
    pub target: [&'a [u8]; 3],
    /// The value of `Host`.
    pub host: &'a [u8],
    /// How the body is framed.
    pub framing: Framing,
    /// The browser's `Origin` and `Referer` stay here: they belong to the origin that all targets share.
    /// Nor is a target told who the client is, and what the gateway is called.
    pub is_gateway: bool,
    /// By the forward proxy: nothing is said of the client that it does not say itself, and no field is added but `Via`.
    pub is_forward: bool,
    /// Names of fields that a page may set there.
    pub set_fields: &'a [Box<str>],
    /// Which cookies go there.
    pub cookies: CookiesOnward<'a>,
    /// No credentials go there.
    pub without_credentials: bool,
    /// What has let the request in.
    pub withheld: Withheld,
    /// A redirect has dropped the body, and the fields that describe it.
    pub without_body: bool,
    /// What the operator changes of the fields, of the client's and of corsair's own.
    pub edits: Option<&'a Edits>,
    /// The parent proxy that gets the request, in absolute-form.
    pub parent: Option<&'a Parent>,
    /// Names of fields that say who asks: what a client says under them goes no further.
    pub spoken_for: &'a [Box<str>],
    /// Field lines in place of these, each with its CRLF.
    pub passed: &'a [u8],
    /// The target that was asked for, in parts, where it is a question whether that may be.
    pub question: Option<[&'a [u8]; 2]>,
}

/// What is left out of a question, for it is about the answer to the request itself (RFC 9110 §13.1, §14.2).
const OF_THE_ANSWER: [&[u8]; 6] =
    [b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"range"];

/// Fields that are written anew, or are of one connection.
const ALWAYS_STAY: FieldSet = FieldSet::HOP_BY_HOP.with(FieldId::Host).with(FieldId::ContentLength);

/// What describes a body.
const OF_THE_BODY: FieldSet = FieldSet::of(&[
    FieldId::ContentType,
    FieldId::ContentEncoding,
    FieldId::ContentLanguage,
    FieldId::ContentLocation,
    FieldId::ContentRange,
    FieldId::Trailer,
]);

impl<'a> Onward<'a> {
    /// To a gateway's target, where a page may set these fields; `framing` is that of the client's body.
    #[must_use]
    pub fn to_target(target: &'a Target, set_fields: &'a [Box<str>], framing: Framing) -> Self {
        Self {
            method: target.get.then_some(b"GET"),
            target: [target.url.path_and_query().as_bytes(), b"", b""],
            host: target.url.authority().as_bytes(),
            framing: if target.without_body { Framing::None } else { framing },
            is_gateway: true,
            cookies: target.cookies_onward(),
            is_forward: false,
            set_fields,
            without_credentials: target.without_credentials,
            withheld: Withheld { token: true, authorization: false, referer: true },
            without_body: target.without_body,
            edits: None,
            parent: None,
            spoken_for: &[],
            passed: b"",
            question: None,
        }
    }

    /// To a server of the route's upstream.
    #[must_use]
    pub fn to_server(
        server: &'a Endpoint,
        route: &'a Route,
        exchange: &'a Exchange,
        request: Request<'a>,
        framing: Framing,
    ) -> Self {
        let [path, rest] = exchange.path_and_query(request);
        let prefix = if path == b"*" { "" } else { &*server.prefix };
        // Rule 16 of `plan`.
        let host = match (route.host_header.of(server), exchange.authority) {
            (Some(name), _) => name.as_bytes(),
            (None, Some(authority)) => authority.of(request.bytes),
            (None, None) => server.authority.as_bytes(),
        };
        Self {
            method: None,
            target: [prefix.as_bytes(), path, rest],
            host,
            framing,
            is_gateway: false,
            cookies: CookiesOnward::AsTheyCame,
            is_forward: false,
            set_fields: &[],
            without_credentials: false,
            withheld: exchange.withheld,
            without_body: false,
            edits: route.request_headers.as_ref(),
            parent: None,
            spoken_for: &[],
            passed: b"",
            question: None,
        }
    }

    /// The same beside a gateway, the cookies of whose targets are nobody else's: a browser knows cookies by host, and by no
    /// port.
    #[must_use]
    pub fn beside(self, gateway: Option<&Gateway>) -> Self {
        match gateway {
            Some(gateway) if gateway.cookies == Cookies::Isolate => {
                Self { cookies: CookiesOnward::OfNoTarget, ..self }
            }
            Some(_) | None => self,
        }
    }

    /// To a target of the forward proxy: the path and what it says are the client's, the `Host` that of the target
    /// (RFC 9112 §3.2.2).
    #[must_use]
    pub fn to_forwarded(
        target: &'a ForwardTarget,
        exchange: &'a Exchange,
        request: Request<'a>,
        framing: Framing,
    ) -> Self {
        let [path, rest] = exchange.path_and_query(request);
        Self {
            method: None,
            target: [b"", path, rest],
            host: target.url().authority().as_bytes(),
            framing,
            is_gateway: false,
            is_forward: true,
            cookies: CookiesOnward::AsTheyCame,
            set_fields: &[],
            without_credentials: false,
            withheld: Withheld::default(),
            without_body: false,
            edits: None,
            parent: None,
            spoken_for: &[],
            passed: b"",
            question: None,
        }
    }

    /// To a service that is asked whether a request may go on, which is for `target`.
    #[must_use]
    pub fn to_service(
        server: &'a Endpoint,
        service: &'a ForwardAuth,
        exchange: &Exchange,
        target: [&'a [u8]; 2],
    ) -> Self {
        Self {
            method: Some(b"GET"),
            target: [service.target.as_bytes(), b"", b""],
            host: server.authority.as_bytes(),
            framing: Framing::None,
            is_gateway: false,
            is_forward: false,
            cookies: CookiesOnward::AsTheyCame,
            set_fields: &[],
            without_credentials: false,
            without_body: true,
            edits: None,
            parent: None,
            withheld: exchange.withheld,
            spoken_for: &[],
            passed: b"",
            question: Some(target),
        }
    }

    /// The same with what services have said of who asks, in place of what the client says of it under these names.
    #[must_use]
    pub const fn asked_by(self, spoken_for: &'a [Box<str>], passed: &'a [u8]) -> Self {
        Self { spoken_for, passed, ..self }
    }

    /// The fields that go no further in a request of this version, whatever else is said of them.
    fn stays(&self, version: Version) -> FieldSet {
        let one = |id| FieldSet::NONE.with(id);
        ALWAYS_STAY
            .and_if(!self.is_forward, FieldSet::FORWARDING)
            .and_if(version != Version::Http11 || self.without_body, one(FieldId::Expect))
            .and_if(!matches!(self.cookies, CookiesOnward::AsTheyCame), one(FieldId::Cookie))
            .and_if(self.is_gateway, one(FieldId::Origin))
            .and_if(self.is_gateway || self.withheld.referer, one(FieldId::Referer))
            .and_if(self.without_credentials || self.withheld.authorization, one(FieldId::Authorization))
            .and_if(self.withheld.token, one(FieldId::XCorsairToken))
            .and_if(self.without_body, OF_THE_BODY)
    }

    /// Whether there are others of which [`Onward::withholds`] or an edit has to be asked.
    const fn judges_names(&self) -> bool {
        self.is_gateway || self.question.is_some() || !self.spoken_for.is_empty() || self.edits.is_some()
    }

    /// Whether a field of this name goes no further.
    fn withholds(&self, id: FieldId, name: &[u8]) -> bool {
        speaks_for(self.spoken_for, name)
            || self.question.is_some() && OF_THE_ANSWER.iter().any(|known| name.eq_ignore_ascii_case(known))
            || self.is_gateway && tells_of_the_client(id, name)
    }

    /// Writes what is asked for, where it is a question, and what services have said of who asks.
    fn speak_for(&self, writer: &mut HeadWriter<'_>, request: Request<'_>) {
        if let Some([target, rest]) = self.question {
            writer.field(b"X-Forwarded-Method", request.method_name());
            writer.lines_in_parts([b"X-Forwarded-Uri: ", target, rest, b"\r\n"]);
        }
        writer.lines(self.passed);
    }

    /// The same by way of a parent proxy that gets the request itself. What it asks the server for is the authority of the
    /// target, whatever `Host` says, and so that says the same (RFC 9112 §3.2.2).
    #[must_use]
    pub const fn by_parent(self, parent: &'a Parent, authority: &'a str) -> Self {
        Self { host: authority.as_bytes(), parent: Some(parent), ..self }
    }
}

/// What corsair says of the client and of itself.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// What is said of the peer of the connection, where that tells of nobody else.
    pub forwarding: &'a Forwarding,
    /// Its address.
    pub peer: Option<SocketAddr>,
    /// Who asks.
    pub asker: &'a Asker,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// How the request is called where the client gave it no name.
    pub request_id: RequestId,
}

impl Sender<'_> {
    /// Writes who asks, and for what.
    fn tell(&self, writer: &mut HeadWriter<'_>, request: Request<'_>, onward: &Onward<'_>) {
        let host = self.asker.authority.map_or(onward.host, |authority| authority.of(request.bytes));
        if self.asker.told.is_nothing() {
            self.forwarding.write(writer, host, onward.edits);
        } else {
            Chain { request, asker: self.asker, peer: self.peer, host }.write(writer, onward.edits);
        }
    }
}

/// Writes the head of the upstream request; its length.
///
/// # Errors
/// [`Error::RequestHeadTooLarge`] when it does not fit into `out`.
pub fn request(
    request: Request<'_>,
    exchange: &Exchange,
    onward: &Onward<'_>,
    sender: &Sender<'_>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let Request { bytes, head } = request;
    let mut writer = HeadWriter::new(out);
    start(&mut writer, request, onward);
    let drops = |id: FieldId, name: &[u8]| onward.edits.is_some_and(|edits| edits.drops(id, name));
    // What the operator sets or removes is not made here either.
    let mut request_id = onward.is_forward || drops(FieldId::XRequestId, b"x-request-id");
    let mut traceparent = onward.is_forward || drops(FieldId::Traceparent, b"traceparent");
    let mut are_cookies_said = drops(FieldId::Cookie, b"cookie");
    let set = SetFields::of(request, onward.set_fields, onward.without_credentials);
    let nominated = nominated(bytes, &head.fields);
    let stays = onward.stays(head.version);
    let any_name_may_stay = onward.judges_names() || set.is_some() || !nominated.is_empty();
    let mut fields = writer.parsed_fields(bytes);
    for field in head.fields.iter().filter(|field| !stays.has(field.id)) {
        if any_name_may_stay {
            if ends_here(&nominated, bytes, field) || onward.withholds(field.id, field.name.of(bytes)) {
                continue;
            }
            match set.map_or(SetField::Untouched, |set| set.passage(field)) {
                SetField::Untouched => {}
                // What the operator says of a field is the last word.
                SetField::Named(name) if drops(FieldId::of(name.as_bytes()), name.as_bytes()) => continue,
                SetField::Named(name) => {
                    are_cookies_said |= name.eq_ignore_ascii_case("cookie");
                    fields.writer().field(name.as_bytes(), field.value.of(bytes));
                    continue;
                }
                SetField::Dropped => continue,
            }
            if drops(field.id, field.name.of(bytes)) {
                continue;
            }
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "a field that no rule names travels")]
        match field.id {
            FieldId::MaxForwards if let Some(forwards) = exchange.max_forwards => {
                fields.writer().field(b"Max-Forwards", itoa::Buffer::new().format(forwards).as_bytes());
                continue;
            }
            FieldId::XRequestId => request_id = true,
            FieldId::Traceparent => traceparent = true,
            _ => {}
        }
        fields.push(field);
    }
    fields.finish();
    if !are_cookies_said {
        cookies(&mut writer, request, onward);
    }
    hop(&mut writer, request, exchange.upgrade, onward);
    if !(onward.is_gateway || onward.is_forward) {
        sender.tell(&mut writer, request, onward);
    }
    writer.lines(&sender.identity.via);
    if !request_id {
        writer.field(b"X-Request-Id", &sender.request_id.text());
    }
    if !traceparent {
        trace(&mut writer);
    }
    onward.speak_for(&mut writer, request);
    if let Some(edits) = onward.edits {
        writer.lines(edits.lines());
    }
    writer.finish().map_err(|_| Error::RequestHeadTooLarge)
}

/// Writes the cookies that go on, where they are told apart by whose they are.
fn cookies(writer: &mut HeadWriter<'_>, request: Request<'_>, onward: &Onward<'_>) {
    let sent = || request.values(FieldId::Cookie);
    let cookies = match onward.cookies {
        CookiesOnward::AsTheyCame | CookiesOnward::None => return,
        CookiesOnward::Of(target) => cookies_for(&target.url, sent(), target.jar.as_deref()),
        CookiesOnward::OfNoTarget => cookies_of_no_target(sent()),
    };
    if let Some(cookies) = cookies {
        writer.computed_field(b"Cookie", &cookies);
    }
}

/// Writes the beginning of a trace.
fn trace(writer: &mut HeadWriter<'_>) {
    // Neither may be zero (W3C Trace Context, "trace-id", "parent-id").
    let (trace, span) =
        (hexadecimal::<32>(fastrand::u128(..).max(1)), hexadecimal::<16>(fastrand::u64(..).max(1).into()));
    writer.lines_in_parts([b"traceparent: 00-", &trace, b"-", &span, b"-00\r\n"]);
}

/// Writes what is of this hop alone, and how the body is framed.
fn hop(writer: &mut HeadWriter<'_>, request: Request<'_>, upgrade: bool, onward: &Onward<'_>) {
    let is_trailers = |te: &[u8]| te.eq_ignore_ascii_case(b"trailers");
    if upgrade {
        writer.lines(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    } else if request.values(FieldId::Te).flat_map(fields::list).any(is_trailers) {
        writer.lines(b"TE: trailers\r\nConnection: TE\r\n");
    }
    let has_length = request.head.fields.has(FieldId::ContentLength);
    if onward.framing == Framing::None && !onward.without_body && has_length {
        // Some servers want a length with every POST, be it 0 (RFC 9110 §8.6).
        content_length(writer, 0);
    } else {
        frame(writer, onward.framing);
    }
}

/// Writes the request line, and whom it is for.
fn start(writer: &mut HeadWriter<'_>, request: Request<'_>, onward: &Onward<'_>) {
    let (method, target) = (onward.method.unwrap_or_else(|| request.method_name()), onward.target);
    match onward.parent {
        None => writer.request_line(method, &target),
        Some(_) => {
            // Without a path it is asked for nothing in particular (RFC 9112 §3.2.4).
            let [prefix, path, rest] = if target[1] == b"*" { [&b""[..]; 3] } else { target };
            writer.request_line(method, &[b"http://", onward.host, prefix, path, rest]);
        }
    }
    writer.field(b"Host", onward.host);
    if let Some(credentials) = onward.parent.and_then(Parent::authorization) {
        writer.field(b"Proxy-Authorization", credentials.as_bytes());
    }
}

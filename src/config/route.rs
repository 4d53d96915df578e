//! `[[route]]`: what becomes of requests for a host and a path.

use super::{
    access::AccessList,
    keys::Key,
    limit::LimitList,
    limits::{self, Limits},
    policy::PolicyId,
    reader::Reader,
    timeouts::{self, Timeouts},
    upstream::{HostHeader, UpstreamId},
    values,
};
use crate::{
    http1::{
        edits::{Edit, EditFault, Edited, Edits},
        fields,
    },
    routing::{HostPattern, PathPrefix},
};

/// A route by its place among all of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(pub(super) u16);

impl RouteId {
    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What counts for a request, once it is known what takes it.
#[derive(Debug)]
pub struct Route {
    /// What it is called in the log.
    pub name: Box<str>,
    /// What the path begins with that it takes: empty, or `/…` without a slash at its end.
    pub prefix: Box<str>,
    /// What takes the request.
    pub leads_to: LeadsTo,
    /// Who may read the answers.
    pub policy: PolicyId,
    /// Whether requests must be for a host of the listener's `allow_hosts`.
    pub asks_for_host: bool,
    /// Methods that it serves; all of them where none are named.
    pub methods: Methods,
    /// Who is let in.
    pub access: AccessList,
    /// How often, and how much at a time.
    pub limit: LimitList,
    /// Whether the upstream gets the path without the prefix.
    pub strip_prefix: bool,
    /// Whether responses name this proxy where they name a server.
    pub rewrite: bool,
    /// Which `Host` the upstream gets.
    pub host_header: HostHeader,
    /// Whether a connection may become a WebSocket.
    pub websockets: bool,
    /// What is changed of the fields on their way up.
    pub request_headers: Option<Edits>,
    /// What is changed of the fields on their way down.
    pub response_headers: Option<Edits>,
    /// Every wait.
    pub timeouts: Timeouts,
    /// Every bound.
    pub limits: Limits,
}

/// What takes the requests of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadsTo {
    /// Corsair itself, where no other route is known.
    Nothing,
    /// The gateway.
    Gateway,
    /// The forward proxy.
    Forward,
    /// The servers of an upstream.
    Upstream(UpstreamId),
    /// An answer that is always the same.
    Respond(Respond),
}

impl LeadsTo {
    /// The upstream, if it is one.
    #[must_use]
    pub const fn upstream(&self) -> Option<UpstreamId> {
        match self {
            Self::Upstream(id) => Some(*id),
            Self::Nothing | Self::Gateway | Self::Forward | Self::Respond(_) => None,
        }
    }
}

/// An answer that is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// Its status.
    pub status: u16,
    /// Where it redirects to.
    pub location: Option<Box<str>>,
    /// What it says.
    pub body: Box<str>,
    /// What that is.
    pub content_type: Box<str>,
}

/// The methods of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// None: all.
    names: Box<[Box<str>]>,
    /// They as a value of `Allow`.
    allow: Box<str>,
}

impl Methods {
    fn new(mut names: Vec<Box<str>>) -> Self {
        if names.is_empty() {
            return Self::default();
        }
        // Who may get may ask for the head alone (RFC 9110 §9.3.2).
        if names.iter().any(|name| &**name == "GET") {
            names.push("HEAD".into());
        }
        let mut known: Vec<Box<str>> = Vec::new();
        names.retain(|name| {
            let is_new = !known.contains(name);
            if is_new {
                known.push(name.clone());
            }
            is_new
        });
        Self { allow: names.join(", ").into(), names: names.into() }
    }

    /// Whether this one is served.
    #[must_use]
    pub fn admit(&self, method: &[u8]) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name.as_bytes() == method)
    }

    /// The value of `Allow` (RFC 9110 §10.2.1).
    #[must_use]
    pub fn allow(&self) -> &str {
        &self.allow
    }
}

/// What is typed of one route, before names of others are looked up.
pub(super) struct RouteParts {
    /// `None`: faulty.
    pub(super) host: Option<HostPattern>,
    /// `None`: faulty.
    pub(super) path: Option<PathPrefix>,
    /// Host and path as they were typed.
    pub(super) label: String,
    pub(super) name: Option<Box<str>>,
    pub(super) upstream: Option<String>,
    pub(super) respond: Option<Respond>,
    pub(super) cors: String,
    /// Names of tables that must admit.
    pub(super) access: Vec<String>,
    /// Names of limits that count.
    pub(super) limit: Vec<String>,
    methods: Methods,
    strip_prefix: bool,
    rewrite: bool,
    pub(super) host_header: HostHeader,
    websockets: bool,
    request_headers: Option<Edits>,
    response_headers: Option<Edits>,
}

impl RouteParts {
    /// Whether it is for any host and any path.
    pub(super) fn takes_everything(&self) -> bool {
        self.host == Some(HostPattern::EVERY)
            && self.path.as_ref().is_some_and(|path| path.as_str().is_empty())
    }

    /// The route, now that it is known where it leads and by which policy; `None` where it is faulty.
    pub(super) fn route(
        self,
        leads_to: LeadsTo,
        policy: PolicyId,
        (access, limit): (AccessList, LimitList),
        (timeouts, limits): (Timeouts, Limits),
    ) -> Option<(HostPattern, PathPrefix, Route)> {
        let (host, path) = (self.host?, self.path?);
        let route = Route {
            name: self.name.unwrap_or_else(|| self.label.into()),
            prefix: path.as_str().into(),
            leads_to,
            policy,
            asks_for_host: false,
            methods: self.methods,
            access,
            limit,
            strip_prefix: self.strip_prefix,
            rewrite: self.rewrite,
            host_header: self.host_header,
            websockets: self.websockets,
            request_headers: self.request_headers,
            response_headers: self.response_headers,
            timeouts,
            limits,
        };
        Some((host, path, route))
    }
}

impl Route {
    /// A route on which nothing is changed.
    pub(super) fn plain(
        name: &str,
        leads_to: LeadsTo,
        policy: PolicyId,
        (access, limit): (AccessList, LimitList),
        timeouts: Timeouts,
        limits: Limits,
    ) -> Self {
        Self {
            name: name.into(),
            prefix: Box::default(),
            leads_to,
            policy,
            asks_for_host: false,
            methods: Methods::default(),
            access,
            limit,
            strip_prefix: false,
            rewrite: false,
            host_header: HostHeader::Auto,
            websockets: true,
            request_headers: None,
            response_headers: None,
            timeouts,
            limits,
        }
    }
}

/// What is typed of the route in the table that is being read.
pub(super) fn read(reader: &mut Reader<'_>) -> RouteParts {
    // Empty it is a variable that was not set, and not every host.
    let host_name = reader.optional(Key::RouteHost, |text| {
        let host = Some(text.to_owned()).filter(|text| !text.is_empty());
        host.ok_or_else(|| "is empty; give a host, or leave it out for all of them".to_owned())
    });
    let host = host_name.as_deref().map_or(Ok(HostPattern::EVERY), HostPattern::parse);
    let host = host.map_err(|fault| reader.fault(Key::RouteHost, fault)).ok();
    // The default does not stand in for what is faulty: another route may be for it.
    let path = match reader.has(Key::RoutePath) {
        true => reader.optional(Key::RoutePath, PathPrefix::parse),
        false => Some(reader.value(Key::RoutePath, PathPrefix::parse)),
    };
    let of_requests = [Key::SetRequestHeader, Key::AddRequestHeader, Key::RemoveRequestHeader];
    let of_responses = [Key::SetResponseHeader, Key::AddResponseHeader, Key::RemoveResponseHeader];
    let request_headers = edits(Edited::Requests, of_requests, reader);
    let response_headers = edits(Edited::Responses, of_responses, reader);
    RouteParts {
        label: format!(
            "{}{}",
            host_name.as_deref().unwrap_or_default(),
            path.as_ref().map(ToString::to_string).unwrap_or_default()
        ),
        host,
        path,
        name: reader.optional(Key::RouteName, name),
        upstream: reader.optional(Key::RouteUpstream, |text| Ok(text.to_owned())),
        respond: respond(reader),
        cors: reader.value(Key::RouteCors, |text| Ok(text.to_owned())),
        access: reader.list(Key::RouteAccess),
        limit: reader.list(Key::RouteLimit),
        methods: Methods::new(reader.members(Key::RouteMethods, method)),
        strip_prefix: reader.switch(Key::RouteStripPrefix),
        rewrite: reader.value(Key::Rewrite, values::boolean),
        host_header: reader.value(Key::HostHeader, HostHeader::read),
        websockets: reader
            .members(Key::RouteUpgrades, |text| values::choice(text, &[("websocket", true), ("none", false)]))
            .contains(&true),
        request_headers,
        response_headers,
    }
}

/// The waits and bounds of the route in the table that is being read; those of the whole file where it has none, which
/// are `root`. The buffers of the process hold heads of `largest_head` bytes.
pub(super) fn bounds(reader: &mut Reader<'_>, root: &Limits, largest_head: usize) -> (Timeouts, Limits) {
    for key in OF_NO_ROUTE {
        if reader.is_own(key) {
            let table = key.row().name.unwrap_or_default();
            reader.fault(key, format!("counts whatever the route is; write it as {table} of the whole file"));
        }
    }
    let mut limits = limits::read(reader);
    // Those of the whole file may be what they were before: heads never outgrow the buffers of the process.
    limits.head = root.head;
    if !reader.is_own(Key::LimitResponseHead) {
        limits.response_head = root.response_head;
    } else if limits.response_head > largest_head {
        let message =
            "is more than the buffers of the process hold; raise limits.response_head of the whole file";
        reader.fault(Key::LimitResponseHead, message);
    }
    (timeouts::read(reader), limits)
}

/// What counts before a route is known, or after it has done its work.
const OF_NO_ROUTE: [Key; 6] = [
    Key::TimeoutHead,
    Key::TimeoutKeepAlive,
    Key::TimeoutLinger,
    Key::LimitHead,
    Key::LimitFields,
    Key::LimitLinger,
];

/// What is changed of the fields of a head; nothing where nothing is, or where it is faulty.
pub(super) fn edits(edited: Edited, [set, add, remove]: [Key; 3], reader: &mut Reader<'_>) -> Option<Edits> {
    let (setting, adding, removing) = (reader.fields(set), reader.fields(add), reader.list(remove));
    match Edits::compile(edited, &setting, &adding, &removing) {
        Ok(edits) => (!edits.is_empty()).then_some(edits),
        Err(faults) => {
            for EditFault { edit, name, message } in faults {
                let key = match edit {
                    Edit::Set => set,
                    Edit::Add => add,
                    Edit::Remove => remove,
                };
                reader.fault_of_field(key, &name, format!("\"{name}\" {message}"));
            }
            None
        }
    }
}

/// An answer that is always the same, if one is typed.
fn respond(reader: &mut Reader<'_>) -> Option<Respond> {
    let is_typed = reader.has_table("respond");
    let status = reader.value(Key::RespondStatus, |text| {
        let status = values::count(text, 200..=599)?;
        u16::try_from(status).map_err(|fault| fault.to_string())
    });
    let location = reader.optional(Key::RespondLocation, |text| {
        let is_fine = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        match is_fine {
            true if text.len() > MAX_VALUE => Err(format!("is longer than {MAX_VALUE} bytes")),
            true => Ok(text.into()),
            false => Err(format!("\"{text}\" is no URL; escape what is not ASCII")),
        }
    });
    let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
    if location.is_some() && !is_redirect {
        reader.fault(Key::RespondLocation, "redirects only with a status of 301, 302, 303, 307 or 308");
    } else if is_redirect && !reader.has(Key::RespondLocation) {
        reader.fault(Key::RespondLocation, format!("is missing: a {status} leads somewhere"));
    }
    // Blanks around it are part of it.
    let body: Box<str> = reader.verbatim(Key::RespondBody).unwrap_or_default().into();
    if matches!(status, 204 | 205 | 304) && !body.is_empty() {
        reader.fault(Key::RespondBody, format!("a {status} has no body (RFC 9110 §6.4.1)"));
    }
    if body.len() > MAX_BODY {
        reader.fault(
            Key::RespondBody,
            format!("is longer than {MAX_BODY} bytes; serve a file from an upstream"),
        );
    }
    let content_type = reader.value(Key::RespondContentType, |text| {
        let is_fine = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if is_fine && text.contains('/') && text.len() <= MAX_VALUE {
            Ok(text.into())
        } else {
            Err(format!("\"{text}\" is no type; expected one such as text/html"))
        }
    });
    is_typed.then_some(Respond { status, location, body, content_type })
}

/// What the smallest buffer of a head holds beside a head.
const MAX_BODY: usize = 2 << 10;

/// What each field of such an answer may have.
const MAX_VALUE: usize = 512;

/// A name that may stand in logs and metrics.
fn name(text: &str) -> Result<Box<str>, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./*".contains(&byte);
    if ["gateway", "forward", "local", "none"].contains(&text) {
        Err(format!("\"{text}\" is what corsair calls something else; choose another name"))
    } else if text.is_empty() || text.len() > 64 || !text.bytes().all(is_fine) {
        Err(format!("\"{text}\" is no name; expected at most 64 letters, digits and - _ . / *"))
    } else {
        Ok(text.into())
    }
}

fn method(text: &str) -> Result<Box<str>, String> {
    // Methods are told apart by case (RFC 9110 §9.1): one of these in small letters would never come.
    let upper = text.to_ascii_uppercase();
    let is_slip = upper != text
        && ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"].contains(&&*upper);
    match fields::is_token(text.as_bytes()) {
        true if is_slip => Err(format!("\"{text}\" is another method than {upper}; write it in capitals")),
        true => Ok(text.into()),
        false => Err(format!("\"{text}\" is no method; expected one such as GET")),
    }
}

#[cfg(test)]
mod tests;

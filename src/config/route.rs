//! `[[route]]`: what becomes of requests for a host and a path.

use super::{
    keys::Key,
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
    /// Methods that it serves; all of them where none are named.
    pub methods: Methods,
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
    /// The servers of an upstream.
    Upstream(UpstreamId),
    /// An answer that is always the same.
    Respond(Respond),
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
    methods: Methods,
    strip_prefix: bool,
    rewrite: bool,
    host_header: HostHeader,
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
        timeouts: Timeouts,
        limits: Limits,
    ) -> Option<(HostPattern, PathPrefix, Route)> {
        let (host, path) = (self.host?, self.path?);
        let route = Route {
            name: self.name.unwrap_or_else(|| self.label.into()),
            prefix: path.as_str().into(),
            leads_to,
            policy,
            methods: self.methods,
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
        timeouts: Timeouts,
        limits: Limits,
    ) -> Self {
        Self {
            name: name.into(),
            prefix: Box::default(),
            leads_to,
            policy,
            methods: Methods::default(),
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
fn edits(edited: Edited, [set, add, remove]: [Key; 3], reader: &mut Reader<'_>) -> Option<Edits> {
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
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            sample,
            settings::Part,
            upstream::{self, Endpoint},
        },
        *,
    };

    /// What `read` makes of the first route of a file, and the faults.
    fn of_route<T>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
        let settings = sample::file(&format!("[[route]]\n{text}\n"), &[]);
        let mut reader = Reader::new(&settings);
        let route = reader.parts(Part::Route)[0];
        let value = reader.within(route, read);
        (value, reader.into_notes().faults.iter().map(ToString::to_string).collect())
    }

    fn parts(text: &str) -> (RouteParts, Vec<String>) {
        of_route(text, read)
    }

    fn endpoints(reader: &mut Reader<'_>) -> Vec<Endpoint> {
        upstream::read(reader).endpoints
    }

    #[test]
    fn a_server_is_called_as_the_operator_says() {
        let servers = "http://web.internal:8080,https://api.example.org,https://10.0.0.1,unix:/run/app.sock";
        let (servers, _) = sample::faults(&[(Key::Upstream, servers)], endpoints);
        for (typed, expected) in [
            ("auto", [None, Some("api.example.org"), None, None]),
            ("keep", [None, None, None, None]),
            (
                "upstream",
                [Some("web.internal:8080"), Some("api.example.org"), Some("10.0.0.1"), Some("localhost")],
            ),
            ("app.test:81", [Some("app.test:81"); 4]),
            ("[::1]:81", [Some("[::1]:81"); 4]),
        ] {
            let (parts, faults) = parts(&format!("host_header = \"{typed}\""));
            let called: Vec<_> = servers.iter().map(|server| parts.host_header.of(server)).collect();
            assert_eq!((called, faults), (expected.to_vec(), vec![]), "{typed}");
            let (parts, faults) = sample::faults(&[(Key::HostHeader, typed)], read);
            let called: Vec<_> = servers.iter().map(|server| parts.host_header.of(server)).collect();
            assert_eq!((called, faults), (expected.to_vec(), vec![]), "--host-header {typed}");
        }
        for typed in ["", "http://app.test", "a b", "user@app.test", "app.test:99999", "app.test/x", "[::1"] {
            let (_, faults) = sample::faults(&[(Key::HostHeader, typed)], read);
            assert!(faults.len() == 1 && faults[0].starts_with("--host-header: "), "{typed}: {faults:?}");
        }
    }

    #[test]
    fn responses_are_rewritten_unless_told_otherwise() {
        for (text, expected) in
            [("", true), ("rewrite = \"off\"", false), ("rewrite = false", false), ("rewrite = true", true)]
        {
            let (parts, faults) = parts(text);
            assert_eq!((parts.rewrite, faults), (expected, vec![]), "{text}");
        }
        let (_, faults) = sample::faults(&[(Key::Rewrite, "maybe")], read);
        assert!(faults.len() == 1 && faults[0].starts_with("--rewrite: "), "{faults:?}");
    }

    #[test]
    fn what_is_typed_of_a_route_reaches_its_field() {
        let (parts, faults) = parts("");
        assert_eq!(faults, Vec::<String>::new());
        assert!(parts.takes_everything() && parts.name.is_none() && parts.label == "/");
        assert!(
            !parts.strip_prefix && parts.websockets && parts.respond.is_none() && parts.upstream.is_none()
        );
        assert!(parts.cors == "default" && parts.methods == Methods::default());
        assert!(parts.request_headers.is_none() && parts.response_headers.is_none());
        let (parts, faults) = of_route(
            "name = \"v1\"\nhost = \"*.Example.com\"\npath = \"/v1/\"\nupstream = \"a\"\nstrip_prefix = true\ncors = \"b\"\n\
             upgrades = [\"none\"]\nrequest_headers.set.x-a = \"1\"\nresponse_headers.remove = [\"Server\"]",
            read,
        );
        assert_eq!(faults, Vec::<String>::new());
        assert!(!parts.takes_everything() && parts.strip_prefix && !parts.websockets);
        assert_eq!(
            (parts.name.as_deref(), parts.host),
            (Some("v1"), HostPattern::parse("*.example.com").ok())
        );
        assert_eq!((parts.path, &*parts.label), (PathPrefix::parse("/v1").ok(), "*.Example.com/v1"));
        assert_eq!((parts.upstream.as_deref(), &*parts.cors), (Some("a"), "b"));
        assert!(parts.request_headers.is_some() && parts.response_headers.is_some());
    }

    #[test]
    fn methods_are_served_and_told_as_they_are_named_with_head_beside_get() {
        for (typed, allow, served, refused) in [
            ("[]", "", &["GET", "BREW", "get"][..], &[][..]),
            ("[\"GET\"]", "GET, HEAD", &["GET", "HEAD"], &["POST", "OPTIONS", "get"]),
            ("[\"HEAD\", \"GET\"]", "HEAD, GET", &["GET", "HEAD"], &["PUT"]),
            ("[\"POST\", \"GET\", \"POST\"]", "POST, GET, HEAD", &["GET", "HEAD", "POST"], &[""]),
            ("[\"PUT\"]", "PUT", &["PUT"], &["GET", "HEAD", "PUTT"]),
            ("[\"BREW\", \"brew\"]", "BREW, brew", &["BREW", "brew"], &["Brew"]),
        ] {
            let (parts, faults) = parts(&format!("methods = {typed}"));
            assert_eq!((parts.methods.allow(), faults), (allow, vec![]));
            assert!(served.iter().all(|method| parts.methods.admit(method.as_bytes())), "{typed}");
            assert!(!refused.iter().any(|method| parts.methods.admit(method.as_bytes())), "{typed}");
        }
        let (_, faults) = parts("methods = [\"get\", \"A B\", \"\"]");
        assert_eq!(
            faults,
            [
                "f:2:12: route.methods: \"get\" is another method than GET; write it in capitals",
                "f:2:19: route.methods: \"A B\" is no method; expected one such as GET",
                "f:2:26: route.methods: is empty; give a value, or leave it out",
            ]
        );
    }

    #[test]
    fn an_answer_is_what_its_table_says() {
        let plain = |status| Respond {
            status,
            location: None,
            body: "".into(),
            content_type: "text/plain; charset=utf-8".into(),
        };
        for (text, expected) in [
            ("", None),
            ("respond = {}", Some(plain(200))),
            ("[route.respond]", Some(plain(200))),
            ("respond.status = 404", Some(plain(404))),
            ("respond.body = \" a\\n\"", Some(Respond { body: " a\n".into(), ..plain(200) })),
            (
                "respond.content_type = \"text/html\"",
                Some(Respond { content_type: "text/html".into(), ..plain(200) }),
            ),
            (
                "respond = { status = 308, location = \"https://a.example/x\", body = \"b\" }",
                Some(Respond {
                    location: Some("https://a.example/x".into()),
                    body: "b".into(),
                    ..plain(308)
                }),
            ),
        ] {
            let (parts, faults) = parts(text);
            assert_eq!((parts.respond, faults), (expected, vec![]), "{text}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_given_is_a_fault() {
        for (text, expected) in [
            ("status = 199", "status: \"199\" is out of range; expected 200 to 599"),
            ("status = 600", "status: \"600\" is out of range"),
            ("status = \"ok\"", "status: \"ok\" is out of range"),
            ("status = 301", "location: is missing: a 301 leads somewhere"),
            ("location = \"/x\"", "location: redirects only with a status of 301, 302, 303, 307 or 308"),
            ("status = 304\nrespond.location = \"/x\"", "location: redirects only with"),
            ("status = 302\nrespond.location = \"\"", "location: \"\" is no URL; escape what is not ASCII"),
            ("status = 302\nrespond.location = \"/ü\"", "location: \"/ü\" is no URL"),
            ("status = 302\nrespond.location = \"/a\\r\\nb: c\"", "location: \"/a\\r\\nb: c\" is no URL"),
            ("status = 204\nrespond.body = \"x\"", "body: a 204 has no body"),
            ("content_type = \"html\"", "content_type: \"html\" is no type; expected one such as text/html"),
            ("content_type = \"text/html\\r\\nx: y\"", "content_type: \"text/html\\r\\nx: y\" is no type"),
            (
                &format!("status = 302\nrespond.location = \"{}\"", "x".repeat(MAX_VALUE + 1)),
                "location: is longer than 512 bytes",
            ),
            (&format!("body = \"{}\"", "x".repeat(MAX_BODY + 1)), "body: is longer than 2048 bytes; serve"),
        ] {
            let (_, faults) = parts(&format!("respond.{text}"));
            assert!(
                faults.len() == 1 && faults[0].contains(&format!(": route.respond.{expected}")),
                "{text}: {faults:?}"
            );
        }
        assert_eq!(parts(&format!("respond.body = \"{}\"", "x".repeat(MAX_BODY))).1, Vec::<String>::new());
    }

    #[test]
    fn a_name_can_be_a_label_and_is_none_of_corsairs_own() {
        for name in ["a", "api.example.com/v1", "A_b-c/*"] {
            assert_eq!(parts(&format!("name = \"{name}\"")).1, Vec::<String>::new());
        }
        for name in ["gateway", "forward", "local", "none"] {
            let (_, faults) = parts(&format!("name = \"{name}\""));
            assert_eq!(
                faults,
                [format!(
                    "f:2:8: route.name: \"{name}\" is what corsair calls something else; choose another name"
                )]
            );
        }
        for name in ["", "a b", "ü", "a\\tb", &"x".repeat(65)] {
            let (_, faults) = parts(&format!("name = \"{name}\""));
            assert!(faults.len() == 1 && faults[0].contains("is no name; expected"), "{name}: {faults:?}");
        }
    }

    #[test]
    fn host_path_and_edits_that_cannot_be_are_faults_at_their_place() {
        for (text, expected) in [
            ("host = \"\"", "f:2:8: route.host: is empty; give a host, or leave it out for all of them"),
            ("host = \"https://a\"", "f:2:8: route.host: \"https://a\" is no host of a route; "),
            (
                "path = \"v1\"",
                "f:2:8: route.path: \"v1\" is no path of a route; it begins with a slash: write /v1",
            ),
            ("path = \"\"", "f:2:8: route.path: \"\" is no path of a route; write / for every path"),
            (
                "request_headers.set = { x-a = \"1\", host = \"b\" }",
                "f:2:43: route.request_headers.set: \"host\" is set by host_header; use that",
            ),
            (
                "response_headers.add.content-length = \"1\"",
                "f:2:39: route.response_headers.add: \"content-length\" frames the body",
            ),
            (
                "response_headers.remove = [\"x\", \"connection\"]",
                "f:2:33: route.response_headers.remove: \"connection\" belongs to one connection",
            ),
            ("upgrades = [\"h2c\"]", "f:2:13: route.upgrades: \"h2c\" is none of websocket, none"),
        ] {
            let (_, faults) = parts(text);
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{text}: {faults:?}");
        }
    }

    #[test]
    fn a_route_has_the_waits_and_bounds_of_the_file_but_for_its_own() {
        let read = |text: &str| {
            let file = format!(
                "[timeouts]\nconnect = \"1s\"\nsend = \"2s\"\n[limits]\nbody = 7\n[[route]]\n{text}\n"
            );
            let settings = sample::file(&file, &[]);
            let mut reader = Reader::new(&settings);
            let (root, route) = (limits::read(&mut reader), reader.parts(Part::Route)[0]);
            let found = reader.within(route, |reader| bounds(reader, &root, 32 << 10));
            (found, reader.into_notes().faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let ((timeouts, limits), faults) = read("timeouts.send = \"3s\"\nlimits.trailers = 9");
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((timeouts.connect, timeouts.send), (Duration::from_secs(1), Duration::from_secs(3)));
        assert_eq!((timeouts.response, limits.body, limits.trailers), (Duration::from_secs(60), Some(7), 9));
        for (text, expected) in [
            (
                "timeouts.head = \"1s\"",
                "timeouts.head: counts whatever the route is; write it as timeouts.head of the",
            ),
            ("timeouts.keep_alive = \"1s\"", "timeouts.keep_alive: counts whatever the route is"),
            ("timeouts.linger = \"1s\"", "timeouts.linger: counts whatever the route is"),
            ("limits.head = \"1k\"", "limits.head: counts whatever the route is"),
            ("limits.fields = 9", "limits.fields: counts whatever the route is"),
            ("limits.linger = 9", "limits.linger: counts whatever the route is"),
            (
                "limits.response_head = \"33k\"",
                "limits.response_head: is more than the buffers of the process hold",
            ),
            ("limits.body = \"x\"", "limits.body: \"x\" is no size"),
        ] {
            let (_, faults) = read(text);
            assert!(
                faults.len() == 1 && faults[0].contains(&format!(": route.{expected}")),
                "{text}: {faults:?}"
            );
        }
        assert_eq!(read("limits.response_head = \"32k\"").1, Vec::<String>::new());
    }

    #[test]
    fn heads_of_a_route_are_kept_where_those_of_the_file_are() {
        let settings = sample::file("[limits]\nresponse_head = \"64k\"\nhead = \"64k\"\n[[route]]\n", &[]);
        let mut reader = Reader::new(&settings);
        let mut root = limits::read(&mut reader);
        let before = Limits { head: 8 << 10, response_head: 16 << 10, ..root.clone() };
        limits::keep(&mut root, &before, 16 << 10, &mut reader);
        let route = reader.parts(Part::Route)[0];
        let (_, limits) = reader.within(route, |reader| bounds(reader, &root, 16 << 10));
        assert_eq!((limits.head, limits.response_head), (8 << 10, 16 << 10));
        assert_eq!(reader.into_notes().faults, []);
    }
}

//! CORS: the decision of a slow reader of the Fetch standard, and fields that say no more than it.

use std::{
    num::NonZeroUsize,
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use corsair::{
    config::{Config, Routes, Settings, compile::compile, machine::Machine},
    cors::{
        CorsDecision, CorsPolicy, CorsSettings, Preflight, ResourcePolicy, Stage, Transit, Upstream,
        UpstreamHeaders, decide, write_origin_fields, write_preflight, write_response_fields,
    },
    error::Error,
    http1::{
        connection::Persistence,
        emit::HeadWriter,
        head::{
            Fields, HeadEnd, Request, RequestHead, Response, ResponseHead, parse_request, parse_response,
        },
    },
    plan::{Answer, Date, Identity, Recipient, RequestId, Responder},
};

use crate::{
    input::{Input, shown},
    reference::{
        head::{self, Lines, Read},
        origin::entry_admits,
    },
};

/// The property. The parts are a request head and a response head.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = settings(&mut input);
    let upgrade = input.flag();
    let own = input.flag();
    let error = input.pick(&[
        Error::ConnectRefused,
        Error::RequestBodyTooLarge,
        Error::ResponseTimeout,
        Error::TargetMissing,
        Error::MethodNotAllowed,
    ]);
    let mut parts = input.parts();
    let policy = match CorsPolicy::compile(&settings) {
        Ok((policy, _)) => policy,
        Err(_) => {
            let exposed = settings.allow_origins.iter().any(|entry| entry == "*" || entry == "null");
            assert!(settings.allow_credentials && exposed, "{settings:?}");
            return;
        }
    };
    let Some((bytes, head)) = parts.next().and_then(request) else { return };
    let upstream = parts.next().and_then(response);
    let request = Request { bytes: &bytes, head: &head };
    let Read::Complete(slow, _) = head::request(&bytes, 1024) else { panic!("{}", shown(&bytes)) };
    let decision = decide(&policy, request, upgrade, |_| own);
    let expected = Expected::of(&settings, &slow, upgrade, own);
    assert_eq!(
        (decision.stage().map_or("none", Stage::label), decision.result()),
        (expected.kind, expected.result),
        "{}",
        shown(&bytes)
    );
    let edge = expected.status.filter(|_| !settings.report_only);
    assert_eq!(decision.edge_status(&policy), edge, "{}", shown(&bytes));
    assert_eq!(decision.reason().is_some(), expected.result == "refused");

    let given = upstream.as_ref().map(|(bytes, head)| Response { bytes, head });
    let passed = given.map(|response| Upstream { response, transit: Transit::default() });
    let lines = written(|out| write_response_fields(decision, &policy, &bytes, passed, &["Via"], out));
    let kept = settings.upstream_headers == UpstreamHeaders::Keep && given.is_some_and(speaks_of_cors);
    response_is_sound(&settings, &slow, &expected, &lines, kept);
    let lines = written(|out| write_preflight(decision, &policy, request, out));
    if expected.kind == "preflight" && !settings.report_only && expected.status != Some(400) {
        preflight_is_sound(&settings, &slow, &expected, &lines);
    }
    own_answers_are_readable(&settings, &policy, request, decision, error, &expected);
    let origin = slow.lines.all("origin")[..].first().map(|origin| origin.to_vec());
    let lines = written(|out| write_origin_fields(&policy, origin.as_deref(), &["Via"], out));
    are_fields(&lines);
    if !settings.report_only && origin.as_ref().is_some_and(|origin| !admits(&settings, origin)) {
        allows_nothing(&lines);
    }
}

fn settings(input: &mut Input<'_>) -> CorsSettings {
    let lists: [&[&str]; 6] = [
        &["*"],
        &["https://app.example.com"],
        &["https://app.example.com", "https://*.example.org", "loopback"],
        &["null"],
        &[],
        &["null", "https://app.example.com"],
    ];
    let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    CorsSettings {
        allow_origins: strings(input.pick(&lists)),
        deny_origins: strings(input.pick(&[
            &[],
            &["https://app.example.com", "null"],
            &["https://*.example.org"],
        ])),
        allow_credentials: input.flag(),
        allow_methods: strings(input.pick(&[&["any"], &["PUT", "patch"], &[]])),
        allow_headers: strings(input.pick(&[&["any"], &["X-Token", "content-type"], &[]])),
        expose_headers: strings(input.pick(&[&["all"], &["X-Total", "ETag"], &[]])),
        private_network: input.flag(),
        upstream_headers: input.pick(&[UpstreamHeaders::Replace, UpstreamHeaders::Keep]),
        preflight: input.pick(&[Preflight::Answer, Preflight::Forward]),
        refuse_other_origins: input.flag(),
        timing: input.flag(),
        resource_policy: input.pick(&[None, Some(ResourcePolicy::CrossOrigin)]),
        verdict: !input.flag(),
        report_only: input.flag(),
        max_age: Duration::from_secs(600),
    }
}

fn request(bytes: &[u8]) -> Option<(Vec<u8>, RequestHead)> {
    let mut end = HeadEnd::default();
    let len = end.find_request(bytes).ok()??;
    let head = parse_request(bytes, &end, len, 1024, Fields::default()).ok()?;
    Some((bytes[..len].to_vec(), head))
}

fn response(bytes: &[u8]) -> Option<(Vec<u8>, ResponseHead)> {
    let mut bytes = bytes.to_vec();
    let mut end = HeadEnd::default();
    let len = end.find_response(&bytes).ok()??;
    let head = parse_response(&mut bytes, &end, len, 1024, Fields::default()).ok()?;
    Some((bytes, head))
}

/// Whether an upstream sent CORS fields of its own.
fn speaks_of_cors(response: Response<'_>) -> bool {
    response.head.fields.iter().any(|field| is_cors_response(field.name.of(response.bytes)))
}

fn is_cors_response(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    name.starts_with("access-control-allow-")
        || name == "access-control-expose-headers"
        || name == "access-control-max-age"
}

fn admits(settings: &CorsSettings, origin: &[u8]) -> bool {
    settings.allow_origins.iter().any(|entry| entry_admits(entry, origin)) && !denies(settings, origin)
}

fn denies(settings: &CorsSettings, origin: &[u8]) -> bool {
    settings.deny_origins.iter().any(|entry| entry_admits(entry, origin))
}

fn is_any(settings: &CorsSettings) -> bool {
    settings.allow_origins.iter().any(|entry| entry == "*")
}

/// What a slow reader of the Fetch standard decides.
struct Expected {
    kind: &'static str,
    result: &'static str,
    status: Option<u16>,
    /// The one origin, if it may read.
    origin: Option<Vec<u8>>,
}

impl Expected {
    /// With `own` a single origin is the one that the request is addressed to.
    fn of(settings: &CorsSettings, request: &head::Request, upgrade: bool, own: bool) -> Self {
        let plain = Self::of_another(settings, request, upgrade);
        let is_preflight = plain.kind == "preflight" && plain.status != Some(403);
        if !own || is_preflight || request.lines.count("origin") != 1 {
            return plain;
        }
        Self { kind: "none", result: "same-origin", status: None, origin: None }
    }

    fn of_another(settings: &CorsSettings, request: &head::Request, upgrade: bool) -> Self {
        let lines = &request.lines;
        let origins = lines.all("origin");
        let allowed = |kind, status, origin: &[u8]| Self {
            kind,
            result: "allowed",
            status,
            origin: Some(origin.to_vec()),
        };
        let refused = |kind, status| Self { kind, result: "refused", status, origin: None };
        let admitted = match origins[..] {
            [] => return Self { kind: "none", result: "none", status: None, origin: None },
            [origin] if admits(settings, origin) => Some(origin),
            _ => None,
        };
        let asked = lines.all("access-control-request-method");
        let answers = settings.preflight == Preflight::Answer;
        let ([method], true) = (&asked[..], request.method == b"OPTIONS" && answers) else {
            let denied = matches!(origins[..], [origin] if denies(settings, origin));
            let blocked = settings.refuse_other_origins || denied || upgrade && !is_any(settings);
            return match admitted {
                Some(origin) => allowed("actual", None, origin),
                None => refused("actual", blocked.then_some(403)),
            };
        };
        let Some(origin) = admitted else { return refused("preflight", Some(403)) };
        let headers = lines.members("access-control-request-headers");
        if headers.iter().any(|name| !head::is_token(name)) {
            let unreadable = refused("preflight", Some(400));
            return Self { origin: Some(origin.to_vec()), ..unreadable };
        }
        let named = |list: &[String], name: &[u8]| list.iter().any(|entry| entry.as_bytes() == name);
        let any = |list: &[String]| list == ["any"];
        let method_is_allowed = head::is_token(method)
            && (any(&settings.allow_methods)
                || named(&settings.allow_methods, method)
                || [&b"GET"[..], b"HEAD", b"POST"].contains(method));
        let lower: Vec<String> =
            settings.allow_headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        let headers_are_allowed = any(&lower) || headers.iter().all(|name| named(&lower, name));
        if method_is_allowed && headers_are_allowed {
            allowed("preflight", Some(204), origin)
        } else {
            refused("preflight", Some(403))
        }
    }
}

/// The fields that `write` writes.
fn written(write: impl FnOnce(&mut HeadWriter<'_>)) -> Lines {
    let mut room = vec![0; 64 << 10];
    let mut writer = HeadWriter::new(&mut room);
    writer.status_line(200, b"");
    write(&mut writer);
    let len = writer.finish().expect("the fields fit, and none ends a line");
    match head::response(&room[..len], usize::MAX) {
        Read::Complete(response, end) if end == len => response.lines,
        other => panic!("{other:?}: {}", shown(&room[..len])),
    }
}

/// Well-formed, with a value, and no name twice.
fn are_fields(lines: &Lines) {
    for (name, value) in &lines.0 {
        assert!(!value.is_empty() && head::is_value(value) && value.is_ascii() || is_vary(name), "{lines:?}");
        assert_eq!(lines.count(&String::from_utf8_lossy(name).to_ascii_lowercase()), 1, "{lines:?}");
    }
}

fn is_vary(name: &[u8]) -> bool {
    head::is(name, "vary")
}

/// Not a word of permission.
fn allows_nothing(lines: &Lines) {
    for (name, _) in &lines.0 {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        assert!(!name.starts_with("access-control-") && name != "timing-allow-origin", "{lines:?}");
    }
}

/// The fields that name the origin and its credentials, for whoever may read.
fn origin_is_named_rightly(settings: &CorsSettings, expected: &Expected, lines: &Lines) {
    let any = is_any(settings);
    for value in lines.all("access-control-allow-origin") {
        assert_eq!(value == b"*", any, "{lines:?}");
        assert!(any || Some(value) == expected.origin.as_deref(), "{lines:?}");
    }
    for value in lines.all("access-control-allow-credentials") {
        assert!(value == b"true" && settings.allow_credentials && !any, "{lines:?}");
    }
    assert!(!lines.members("access-control-expose-headers").contains(&b"*".to_vec()));
    assert!(!lines.members("access-control-expose-headers").contains(&b"set-cookie".to_vec()));
}

fn response_is_sound(
    settings: &CorsSettings,
    request: &head::Request,
    expected: &Expected,
    lines: &Lines,
    kept: bool,
) {
    are_fields(lines);
    if settings.report_only {
        return allows_nothing(lines);
    }
    let any = is_any(settings);
    origin_is_named_rightly(settings, expected, lines);
    let readable = expected.origin.is_some() || any && expected.result == "none";
    assert_eq!(lines.count("access-control-allow-origin") == 1, readable && !kept, "{lines:?}");
    if !readable {
        allows_nothing(lines);
    }
    let granted = readable && !kept && settings.allow_credentials && expected.origin.is_some();
    if granted {
        assert_eq!(lines.all("access-control-allow-credentials"), [b"true"], "{lines:?}");
    }
    let vary = lines.members("vary");
    if !any || expected.origin.is_none() && expected.result != "none" {
        assert!(vary.contains(&b"origin".to_vec()) || vary.contains(&b"*".to_vec()), "{lines:?}");
    }
    assert_eq!(lines.count("access-control-max-age"), 0);
    let explained = request.lines.count("origin") > 0 && settings.verdict;
    assert_eq!(lines.count("corsair-cors") == 1, explained, "{lines:?}");
    let verdict = lines.all("corsair-cors").first().map(|verdict| verdict.to_vec());
    let sent = request.lines.count("cookie") + request.lines.count("authorization") > 0;
    if let (Some(verdict), "allowed", false) = (verdict, expected.result, kept) {
        let off = sent && !settings.allow_credentials;
        let told: &[u8] = if off { b"allowed; credentials=off" } else { b"allowed" };
        assert!(expected.kind != "actual" || verdict == told, "{lines:?}");
    }
}

fn preflight_is_sound(settings: &CorsSettings, request: &head::Request, expected: &Expected, lines: &Lines) {
    are_fields(lines);
    if expected.result == "refused" {
        allows_nothing(lines);
        assert!(lines.members("vary").contains(&b"origin".to_vec()), "{lines:?}");
        return;
    }
    origin_is_named_rightly(settings, expected, lines);
    assert_eq!(lines.count("access-control-allow-origin"), 1, "{lines:?}");
    assert_eq!(lines.count("access-control-max-age"), 1, "{lines:?}");
    let credentials = lines.count("access-control-allow-credentials") == 1;
    assert_eq!(credentials, settings.allow_credentials);
    let asked = request.lines.all("access-control-request-method")[0].to_ascii_lowercase();
    assert!(lines.members("access-control-allow-methods").contains(&asked), "{lines:?}");
    let granted = lines.members("access-control-allow-headers");
    for name in request.lines.members("access-control-request-headers") {
        assert!(granted.contains(&name), "{lines:?}");
    }
    let private = request.lines.all("access-control-request-private-network").contains(&&b"true"[..]);
    let told = lines.count("access-control-allow-private-network") == 1;
    assert_eq!(told, private && settings.private_network, "{lines:?}");
}

/// An error made by corsair carries what a success would carry.
fn own_answers_are_readable(
    settings: &CorsSettings,
    policy: &CorsPolicy,
    request: Request<'_>,
    decision: CorsDecision,
    error: Error,
    expected: &Expected,
) {
    let identity = Identity::random();
    let date = Date::of(UNIX_EPOCH);
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
        compile(&Settings::default(), machine, None).expect("nothing typed is fine").0
    });
    let route = CONFIG.route(Routes::NOTHING);
    let responder = Responder { request_id: RequestId::random(), policy, route, identity: &identity, date };
    let mut room = vec![0; 64 << 10];
    let recipient = Recipient::Request(request, decision);
    let (len, status) = responder.write(&Answer::Fault(error), recipient, Persistence::Close, &mut room);
    let Read::Complete(head, end) = head::response(&room[..len], usize::MAX) else {
        panic!("{}", shown(&room[..len]));
    };
    assert_eq!((head.status, status), (error.status(), error.status()));
    are_fields(&head.lines);
    let length = head.lines.all("content-length")[0].to_vec();
    let body = len - end;
    if request.method_name() == b"HEAD" {
        assert_eq!(body, 0);
    } else {
        assert_eq!(length, body.to_string().into_bytes());
    }
    if !settings.report_only {
        origin_is_named_rightly(settings, expected, &head.lines);
        let readable = expected.origin.is_some() || is_any(settings) && expected.result == "none";
        assert_eq!(head.lines.count("access-control-allow-origin") == 1, readable, "{head:?}");
        if readable && settings.expose_headers == ["all"] {
            let exposed = head.lines.members("access-control-expose-headers");
            assert!(exposed.contains(&b"proxy-status".to_vec()), "{head:?}");
        }
    }
}

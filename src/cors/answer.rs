//! The fields that follow from a decision: of preflights, of responses, and of errors made by corsair.
//!
//! Whatever is echoed was validated when the decision was made; everything else was rendered with the
//! policy. `Vary` is written here for every response, so that it can be merged.

use std::fmt;

use super::{
    decide::{CorsDecision, Credentials, PreflightAnswer, Refusal, Stage},
    lines::Lines,
    lists::{exposable, write_exposed, write_vary},
    policy::{Allowed, CorsPolicy},
    reason::Reason,
};
use crate::http1::{
    emit::HeadWriter,
    fields::{Field, FieldId, list},
    head::{Fields, Request, Response},
};

/// Bytes of a method or field name that a reason repeats.
const MAX_SUBJECT: usize = 128;

/// Whether the upstream's CORS response fields ([`FieldId::CorsResponse`]) must not be copied.
///
/// Where they are kept, [`write_response_fields`] adds nothing beside them. Of the other fields
/// [`CorsPolicy::replaces`] tells.
#[must_use]
pub const fn strips(decision: CorsDecision, policy: &CorsPolicy) -> bool {
    if matches!(decision, CorsDecision::Exempt) {
        return false;
    }
    // An origin that is not allowed learns nothing, whatever the upstream would tell it.
    let refused = matches!(decision, CorsDecision::Refuse(_) | CorsDecision::Withhold(_));
    !policy.report_only && (refused || policy.strips_upstream_headers())
}

/// Writes the fields of the answer to a preflight, without its status line: those of the 204, or those of
/// a refusal. Any other decision gets the fields of a response made by corsair.
///
/// Source: Fetch, "HTTP responses"; RFC 9110 §12.5.5 for `Vary`.
pub fn write_preflight(
    decision: CorsDecision,
    policy: &CorsPolicy,
    request: Request<'_>,
    out: &mut HeadWriter<'_>,
) {
    let lines = Lines { bytes: request.bytes, fields: &request.head.fields };
    write_preflight_lines(decision, policy, lines, out);
}

/// The response of an upstream, and what becomes of it on its way to the client.
#[derive(Clone, Copy)]
pub struct Upstream<'a> {
    /// As it came.
    pub response: Response<'a>,
    /// What happens on the way.
    pub transit: Transit<'a>,
}

/// What happens to a response on its way to the client, beyond what holds for every hop.
#[derive(Clone, Copy, Default)]
pub struct Transit<'a> {
    /// Which of its fields leave; absent where all do.
    pub leaves: Option<&'a dyn Fn(&Field) -> bool>,
    /// Cookies go neither to the upstream nor back.
    pub drops_cookies: bool,
    /// The names of fields that the operator has added to it.
    pub added: &'a [Box<str>],
}

/// Writes the CORS fields of a response: of the upstream's, or, without one, of corsair's own.
///
/// The caller leaves out of the upstream's fields those that [`CorsPolicy::replaces`] and [`strips`] name;
/// `Vary` is among them and is written here, merged. `extra` are the names of fields that the caller adds
/// to this response and that scripts may want to read.
///
/// An exempt one gets none of them.
///
/// Source: Fetch, "HTTP responses" and "CORS protocol and HTTP caches".
pub fn write_response_fields(
    decision: CorsDecision,
    policy: &CorsPolicy,
    request_bytes: &[u8],
    upstream: Option<Upstream<'_>>,
    extra: &[&str],
    out: &mut HeadWriter<'_>,
) {
    if decision == CorsDecision::Exempt {
        return;
    }
    let standing = Standing::of(decision, request_bytes);
    if let Some(Upstream { response, transit }) = upstream {
        let lines = Lines { bytes: response.bytes, fields: &response.head.fields };
        write_fields(standing, policy, lines, transit, extra, out);
    } else {
        write_fields(standing, policy, NO_LINES, Transit::default(), extra, out);
    }
}

/// Writes the CORS fields of an error made by corsair for a head that could not be parsed; `origin` is the
/// value of its `Origin` line, if that was readable.
pub fn write_origin_fields(
    policy: &CorsPolicy,
    origin: Option<&[u8]>,
    extra: &[&str],
    out: &mut HeadWriter<'_>,
) {
    let standing = match origin.map(|origin| (origin, policy.judge(origin))) {
        None => Standing::Unasked,
        Some((origin, Ok(()))) => Standing::Allowed { origin, sent: Credentials::default(), fault: None },
        Some((_, Err(reason))) => Standing::Refused { reason, request: &[] },
    };
    write_fields(standing, policy, NO_LINES, Transit::default(), extra, out);
}

/// Writes a reason in words, such as `header not allowed: x-foo`.
///
/// # Errors
/// Those of `out`.
pub fn write_reason(reason: Reason, request_bytes: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    let (text, subject) = reason_parts(reason, request_bytes);
    out.write_str(text)?;
    // A subject is a token, and so ASCII.
    subject.iter().try_for_each(|byte| out.write_char(char::from(*byte)))
}

fn reason_parts(reason: Reason, request: &[u8]) -> (&'static str, &[u8]) {
    let (text, subject) = reason.text();
    let subject = subject.map(|span| span.of(request)).unwrap_or_default();
    (text, subject.get(..MAX_SUBJECT).unwrap_or(subject))
}

/// Those of a response that corsair makes itself.
const NO_LINES: Lines<'static> = Lines { bytes: &[], fields: Fields::NONE };

/// What a response must know of the request.
#[derive(Clone, Copy)]
pub(super) enum Standing<'a> {
    /// It named no origin.
    Unasked,
    /// It named the very origin that it was addressed to.
    Own,
    /// Its origin may read the response, even if it says that something else was wrong.
    Allowed { origin: &'a [u8], sent: Credentials, fault: Option<Reason> },
    /// Its origin may not.
    Refused { reason: Reason, request: &'a [u8] },
}

impl<'a> Standing<'a> {
    pub(super) fn of(decision: CorsDecision, request: &'a [u8]) -> Self {
        match decision {
            CorsDecision::NotCors | CorsDecision::Exempt => Self::Unasked,
            CorsDecision::SameOrigin => Self::Own,
            CorsDecision::Allow { origin, sent } => {
                Self::Allowed { origin: origin.of(request), sent, fault: None }
            }
            CorsDecision::Preflight(PreflightAnswer { origin, .. })
            | CorsDecision::MalformedPreflight { origin } => Self::Allowed {
                origin: origin.of(request),
                sent: Credentials::default(),
                fault: decision.reason(),
            },
            CorsDecision::Refuse(Refusal { reason, .. }) | CorsDecision::Withhold(reason) => {
                Self::Refused { reason, request }
            }
        }
    }
}

/// [`write_response_fields`] on bare field lines.
pub(super) fn write_fields<'a>(
    standing: Standing<'_>,
    policy: &CorsPolicy,
    upstream: Lines<'a>,
    transit: Transit<'a>,
    extra: &[&'a str],
    out: &mut HeadWriter<'_>,
) {
    if policy.report_only {
        return write_vary(upstream, false, out);
    }
    let (origin, sent, fault) = match standing {
        Standing::Refused { reason, request } => {
            write_vary(upstream, true, out);
            out.lines(&policy.rendered.always);
            return write_refusal(policy, reason, request, out);
        }
        Standing::Own => {
            // It leaves without a `*`, so that a cache must not give it to others.
            write_vary(upstream, true, out);
            out.lines(&policy.rendered.always);
            if policy.verdict {
                out.lines(b"Corsair-Cors: same-origin\r\n");
            }
            return;
        }
        Standing::Allowed { origin, sent, fault } => (Some(origin), sent, fault),
        Standing::Unasked => (None, Credentials::default(), None),
    };
    write_vary(upstream, policy.depends_on_origin(), out);
    let kept = !policy.strips_upstream_headers() && upstream.fields.has(FieldId::CorsResponse);
    let readable = origin.is_some() || policy.is_any_origin();
    let is_plain = !kept && !transit.drops_cookies && !sent.any();
    match origin {
        _ if kept || !readable => out.lines(&policy.rendered.always),
        // `*` is right for every request only if it is sent to every request: a cache may answer one with
        // an origin from what it stored for one without (Fetch, "CORS protocol and HTTP caches").
        None => out.lines(&policy.rendered.allowed),
        Some(_) if fault.is_none() && is_plain => out.lines(&policy.rendered.allowed_explained),
        Some(_) => out.lines(&policy.rendered.allowed),
    }
    if let Some(origin) = origin.filter(|_| !policy.is_any_origin()) {
        if !kept {
            out.computed_field(b"Access-Control-Allow-Origin", origin);
        }
        if policy.timing {
            out.computed_field(b"Timing-Allow-Origin", origin);
        }
    } else if kept && policy.timing && readable {
        out.field(b"Timing-Allow-Origin", b"*");
    }
    match (fault, origin) {
        (Some(reason), _) => write_refusal(policy, reason, &[], out),
        (None, Some(origin)) if !is_plain => {
            write_verdict(policy, upstream, (origin, sent), (kept, transit.drops_cookies), out);
        }
        (None, _) => {}
    }
    if policy.expose_all && readable && !kept {
        let verdict = (origin.is_some() && policy.verdict).then_some("Corsair-Cors");
        let own = || policy.rendered.own_names.iter().copied().chain(verdict).chain(extra.iter().copied());
        if transit.added.is_empty() {
            write_exposed(policy, upstream, transit.leaves, own, out);
        } else {
            write_exposed_with_added(policy, upstream, transit, &own().collect::<Vec<_>>(), out);
        }
    }
}

/// The names that scripts are told of where the operator adds some. Apart: the code for all other responses is better
/// off without it.
#[cold]
#[inline(never)]
fn write_exposed_with_added<'a>(
    policy: &CorsPolicy,
    upstream: Lines<'a>,
    transit: Transit<'a>,
    own: &[&'a str],
    out: &mut HeadWriter<'_>,
) {
    let edited = || transit.added.iter().map(|name| &**name);
    let added = || edited().filter(|name| exposable(policy).has(FieldId::of(name.as_bytes())));
    write_exposed(policy, upstream, transit.leaves, || own.iter().copied().chain(added()), out);
}

/// The verdict on an allowed request where more than `allowed` may be to be said: what the browser will make of it.
fn write_verdict<'a>(
    policy: &CorsPolicy,
    upstream: Lines<'a>,
    (origin, sent): (&[u8], Credentials),
    (kept, drops_cookies): (bool, bool),
    out: &mut HeadWriter<'_>,
) {
    if !policy.verdict {
        return;
    }
    let theirs = kept.then(|| Permission::of(upstream));
    if let Some(reason) = theirs.as_ref().and_then(|permission| permission.unusable(origin, sent)) {
        return out.field_parts(b"Corsair-Cors", [b"unusable; reason=\"", reason.as_bytes(), b"\""]);
    }
    let grants_credentials =
        theirs.map_or_else(|| policy.allows_credentials(), |permission| permission.credentials);
    if drops_cookies && (sent.cookies || upstream.fields.has(FieldId::SetCookie)) {
        out.lines(b"Corsair-Cors: allowed; cookies=dropped\r\n");
    } else if sent.any() && !grants_credentials {
        out.lines(b"Corsair-Cors: allowed; credentials=off\r\n");
    } else {
        out.lines(&policy.rendered.verdict);
    }
}

/// What an upstream's own fields grant, as a browser reads them.
struct Permission<'a> {
    /// The values of `Access-Control-Allow-Origin`, of which there should be one.
    origins: [Option<&'a [u8]>; 2],
    credentials: bool,
}

impl<'a> Permission<'a> {
    fn of(upstream: Lines<'a>) -> Self {
        let values = |name: &'static [u8]| {
            upstream
                .all(FieldId::CorsResponse)
                .filter(move |field| field.name.of(upstream.bytes).eq_ignore_ascii_case(name))
                .map(|field| field.value.of(upstream.bytes))
        };
        let mut origins = values(b"access-control-allow-origin");
        let mut credentials = values(b"access-control-allow-credentials");
        Self {
            origins: [origins.next(), origins.next()],
            credentials: credentials.next() == Some(b"true") && credentials.next().is_none(),
        }
    }

    /// Why no browser shows the response to a script of this origin (Fetch, "CORS check").
    fn unusable(&self, origin: &[u8], sent: Credentials) -> Option<&'static str> {
        match self.origins {
            [None, _] => Some("the upstream sent no access-control-allow-origin"),
            [Some(_), Some(_)] => Some("the upstream sent more than one access-control-allow-origin"),
            [Some(value), None] if memchr::memchr(b',', value).is_some() => {
                Some("the upstream sent more than one access-control-allow-origin")
            }
            [Some(b"*"), None] if self.credentials || sent.any() => {
                Some("the upstream sent access-control-allow-origin: * with credentials")
            }
            [Some(b"*"), None] => None,
            [Some(value), None] if value == origin => None,
            [Some(_), None] => Some("the upstream sent the access-control-allow-origin of another origin"),
        }
    }
}

fn write_refusal(policy: &CorsPolicy, reason: Reason, request: &[u8], out: &mut HeadWriter<'_>) {
    if policy.verdict {
        let (text, subject) = reason_parts(reason, request);
        // A subject is a token: it holds neither a quote nor a backslash.
        let parts = [b"refused; reason=\"", text.as_bytes(), subject, b"\""];
        out.field_parts(b"Corsair-Cors", parts);
    }
}

/// [`write_preflight`] on bare field lines.
pub(super) fn write_preflight_lines<'a>(
    decision: CorsDecision,
    policy: &CorsPolicy,
    request: Lines<'a>,
    out: &mut HeadWriter<'_>,
) {
    match decision {
        _ if policy.report_only => {}
        CorsDecision::Preflight(answer) => write_allowed_preflight(answer, policy, request, out),
        CorsDecision::Refuse(Refusal { stage: Stage::Preflight, reason }) => {
            out.lines(&policy.rendered.refused_preflight);
            write_refusal(policy, reason, request.bytes, out);
        }
        CorsDecision::NotCors
        | CorsDecision::Exempt
        | CorsDecision::SameOrigin
        | CorsDecision::Allow { .. }
        | CorsDecision::MalformedPreflight { .. }
        | CorsDecision::Refuse(Refusal { stage: Stage::Actual, .. })
        | CorsDecision::Withhold(_) => {
            let standing = Standing::of(decision, request.bytes);
            write_fields(standing, policy, NO_LINES, Transit::default(), &[], out);
        }
    }
}

fn write_allowed_preflight<'a>(
    answer: PreflightAnswer,
    policy: &CorsPolicy,
    request: Lines<'a>,
    out: &mut HeadWriter<'_>,
) {
    out.lines(&policy.rendered.preflight);
    if !policy.is_any_origin() {
        out.computed_field(b"Access-Control-Allow-Origin", answer.origin.of(request.bytes));
    }
    if matches!(policy.methods, Allowed::Any) {
        out.computed_field(b"Access-Control-Allow-Methods", answer.method.of(request.bytes));
    }
    match policy.headers {
        _ if !answer.headers => {}
        Allowed::Listed(_) if !policy.rendered.allow_headers.is_empty() => {
            out.lines(&policy.rendered.allow_headers);
        }
        Allowed::Listed(_) | Allowed::Any => {
            // Each line was found to be a list of tokens, so it can stand as it is.
            let asked = request.values(FieldId::AccessControlRequestHeaders);
            let mut allowed = out.list_field(b"Access-Control-Allow-Headers");
            asked.filter(|value| list(value).next().is_some()).for_each(|value| allowed.push(value));
            allowed.finish();
        }
    }
    if answer.private_network {
        out.lines(b"Access-Control-Allow-Private-Network: true\r\n");
    }
    if answer.local_network {
        out.lines(b"Access-Control-Allow-Local-Network: true\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            policy::{CorsSettings, ResourcePolicy, UpstreamHeaders},
            sample::{Sample, policy, strings, written},
        },
        *,
    };
    use crate::http1::head::Method;

    const GOOD: &str = "https://app.example.com";
    const EVIL: &str = "https://evil.test";

    fn listed(change: impl FnOnce(&mut CorsSettings)) -> CorsPolicy {
        policy(|settings| {
            settings.allow_origins = strings(&[GOOD]);
            change(settings);
        })
    }

    fn response_to(
        policy: &CorsPolicy,
        request: &Sample,
        upstream: &[(&str, &str)],
        extra: &[&str],
    ) -> String {
        let decision = request.decide(policy, Method::Get, false);
        let upstream = Sample::new(upstream.iter().copied());
        let standing = Standing::of(decision, &request.bytes);
        written(|out| write_fields(standing, policy, upstream.lines(), Transit::default(), extra, out))
    }

    /// The verdict on a request with these fields beside its origin.
    fn verdict(
        policy: &CorsPolicy,
        fields: &[(&str, &str)],
        upstream: &[(&str, &str)],
        drops_cookies: bool,
    ) -> String {
        let request = Sample::new([("Origin", GOOD)].iter().chain(fields).copied());
        let upstream = Sample::new(upstream.iter().copied());
        let standing = Standing::of(request.decide(policy, Method::Get, false), &request.bytes);
        let transit = Transit { drops_cookies, ..Transit::default() };
        let text = written(|out| write_fields(standing, policy, upstream.lines(), transit, &[], out));
        let mut verdicts =
            text.split_terminator("\r\n").filter_map(|line| line.strip_prefix("Corsair-Cors: "));
        let verdict = verdicts.next().unwrap_or_default().to_owned();
        assert_eq!(verdicts.next(), None, "{text}");
        verdict
    }

    const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
    const ALLOW_CREDENTIALS: (&str, &str) = ("access-control-allow-credentials", "true");

    #[test]
    fn what_no_browser_accepts_is_never_called_allowed() {
        let keep = policy(|settings| settings.upstream_headers = UpstreamHeaders::Keep);
        let several = "unusable; reason=\"the upstream sent more than one access-control-allow-origin\"";
        let star = "unusable; reason=\"the upstream sent access-control-allow-origin: * with credentials\"";
        let other =
            "unusable; reason=\"the upstream sent the access-control-allow-origin of another origin\"";
        let none = "unusable; reason=\"the upstream sent no access-control-allow-origin\"";
        let cookie = ("Cookie", "a=b");
        for (fields, upstream, expected) in [
            (&[][..], &[][..], "allowed"),
            (&[], &[(ALLOW_ORIGIN, "*")], "allowed"),
            (&[], &[(ALLOW_ORIGIN, GOOD)], "allowed"),
            (&[], &[(ALLOW_ORIGIN, GOOD), ALLOW_CREDENTIALS], "allowed"),
            (&[cookie], &[(ALLOW_ORIGIN, GOOD), ALLOW_CREDENTIALS], "allowed"),
            (&[cookie], &[(ALLOW_ORIGIN, GOOD)], "allowed; credentials=off"),
            (&[], &[(ALLOW_ORIGIN, "*"), (ALLOW_ORIGIN, "*")], several),
            (&[], &[(ALLOW_ORIGIN, GOOD), ("access-control-allow-origin", GOOD)], several),
            (&[], &[(ALLOW_ORIGIN, "https://app.example.com, *")], several),
            (&[], &[(ALLOW_ORIGIN, "*"), ALLOW_CREDENTIALS], star),
            (&[cookie], &[(ALLOW_ORIGIN, "*")], star),
            (&[("Authorization", "x")], &[(ALLOW_ORIGIN, "*")], star),
            (&[], &[(ALLOW_ORIGIN, EVIL)], other),
            (&[], &[(ALLOW_ORIGIN, "null")], other),
            (&[], &[(ALLOW_ORIGIN, "https://app.example.com/")], other),
            (&[], &[("Access-Control-Expose-Headers", "x")], none),
            (&[], &[ALLOW_CREDENTIALS], none),
        ] {
            assert_eq!(verdict(&keep, fields, upstream, false), expected, "{fields:?} {upstream:?}");
        }
        // What is replaced is nothing of theirs.
        let replace = policy(|_| {});
        assert_eq!(verdict(&replace, &[], &[(ALLOW_ORIGIN, "*"), (ALLOW_ORIGIN, "*")], false), "allowed");
        let silent = policy(|settings| {
            settings.upstream_headers = UpstreamHeaders::Keep;
            settings.verdict = false;
        });
        assert_eq!(verdict(&silent, &[cookie], &[(ALLOW_ORIGIN, "*")], false), "");
    }

    #[test]
    fn credentials_without_effect_are_told() {
        let (without, with) = (listed(|_| {}), listed(|settings| settings.allow_credentials = true));
        let (off, dropped) = ("allowed; credentials=off", "allowed; cookies=dropped");
        for (policy, fields, upstream, drops_cookies, expected) in [
            (&without, &[][..], &[][..], false, "allowed"),
            (&without, &[("Cookie", "a=b")], &[], false, off),
            (&without, &[("Authorization", "x")], &[], false, off),
            (&without, &[], &[("Set-Cookie", "a=b")], false, "allowed"),
            (&with, &[("Cookie", "a=b")], &[], false, "allowed"),
            (&with, &[("Authorization", "x")], &[("Set-Cookie", "a=b")], false, "allowed"),
            (&without, &[], &[], true, "allowed"),
            (&without, &[("Cookie", "a=b")], &[], true, dropped),
            (&without, &[("Authorization", "x")], &[], true, off),
            (&without, &[], &[("Set-Cookie", "a=b")], true, dropped),
            (&with, &[("Cookie", "a=b")], &[], true, dropped),
            (&with, &[("Authorization", "x")], &[], true, "allowed"),
        ] {
            assert_eq!(
                verdict(policy, fields, upstream, drops_cookies),
                expected,
                "{fields:?} {upstream:?} {drops_cookies}"
            );
        }
    }

    #[test]
    fn what_an_application_tells_itself_needs_no_permission() {
        for policy in [policy(|_| {}), listed(|settings| settings.allow_credentials = true)] {
            let upstream = Sample::new([("Vary", "Accept"), ("X-A", "1")]);
            let standing = Standing::of(CorsDecision::SameOrigin, b"");
            let transit = Transit::default();
            let text =
                written(|out| write_fields(standing, &policy, upstream.lines(), transit, &["Via"], out));
            assert_eq!(text, "Vary: Accept, Origin\r\nCorsair-Cors: same-origin\r\n");
        }
    }

    /// The lines of a response, sorted; without the exposed names, which have their own tests.
    fn response(policy: &CorsPolicy, origin: Option<&str>, upstream: &[(&str, &str)]) -> Vec<String> {
        let request = Sample::new(origin.map(|origin| ("Origin", origin)));
        let mut lines: Vec<String> = response_to(policy, &request, upstream, &[])
            .split_terminator("\r\n")
            .filter(|line| !line.starts_with("Access-Control-Expose-Headers"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }

    fn preflight(policy: &CorsPolicy, fields: &[(&str, &str)]) -> Vec<String> {
        let request = Sample::new(fields.iter().copied());
        let decision = request.decide(policy, Method::Options, false);
        let text = written(|out| write_preflight_lines(decision, policy, request.lines(), out));
        let mut lines: Vec<String> = text.split_terminator("\r\n").map(str::to_owned).collect();
        lines.sort();
        lines
    }

    const ASK: (&str, &str) = ("Access-Control-Request-Method", "PUT");

    #[test]
    fn an_allowed_preflight_of_any_origin_echoes_what_was_asked() {
        let fields = [
            ("Origin", GOOD),
            ASK,
            ("Access-Control-Request-Headers", "x-b,x-a"),
            ("Access-Control-Request-Headers", ""),
            ("access-control-request-headers", "Authorization"),
        ];
        assert_eq!(
            preflight(&policy(|_| {}), &fields),
            [
                "Access-Control-Allow-Headers: x-b,x-a, Authorization",
                "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Origin: *",
                "Access-Control-Max-Age: 600",
                "Corsair-Cors: allowed",
                "Vary: Access-Control-Request-Method, Access-Control-Request-Headers",
            ]
        );
    }

    #[test]
    fn an_allowed_preflight_of_a_list_names_the_origin_and_the_lists() {
        let policy = listed(|settings| {
            settings.allow_credentials = true;
            settings.allow_methods = strings(&["PUT"]);
            settings.allow_headers = strings(&["X-Token"]);
            settings.private_network = true;
            settings.verdict = false;
        });
        let fields = [
            ("Origin", GOOD),
            ASK,
            ("Access-Control-Request-Headers", "x-token"),
            ("Access-Control-Request-Private-Network", "true"),
        ];
        assert_eq!(
            preflight(&policy, &fields),
            [
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Allow-Headers: X-Token",
                "Access-Control-Allow-Methods: GET, HEAD, POST, PUT",
                "Access-Control-Allow-Origin: https://app.example.com",
                "Access-Control-Allow-Private-Network: true",
                "Access-Control-Max-Age: 600",
                "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
                 Access-Control-Request-Private-Network, Access-Control-Request-Local-Network",
            ]
        );
        let lines = preflight(&policy, &fields[..2]);
        assert!(!lines.iter().any(|line| line.contains("Allow-Headers") || line.contains("Allow-Private")));
    }

    #[test]
    fn a_refused_preflight_says_why_and_allows_nothing() {
        let vary = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        let policy = listed(|settings| settings.allow_headers = strings(&["x-token"]));
        let cases = [
            (EVIL, "x-token", "refused; reason=\"origin not allowed\""),
            (GOOD, "x-foo", "refused; reason=\"header not allowed: x-foo\""),
        ];
        for (origin, header, verdict) in cases {
            let fields = [("Origin", origin), ASK, ("Access-Control-Request-Headers", header)];
            assert_eq!(preflight(&policy, &fields), [format!("Corsair-Cors: {verdict}").as_str(), vary]);
        }
        let silent = listed(|settings| settings.verdict = false);
        assert_eq!(preflight(&silent, &[("Origin", EVIL), ASK]), [vary]);
    }

    #[test]
    fn a_broken_list_of_names_is_answered_so_that_the_script_can_read_it() {
        let fields = [("Origin", GOOD), ASK, ("Access-Control-Request-Headers", "x y")];
        let verdict =
            "Corsair-Cors: refused; reason=\"access-control-request-headers is not a list of tokens\"";
        let lines = preflight(&listed(|_| {}), &fields);
        assert_eq!(lines[0], "Access-Control-Allow-Origin: https://app.example.com");
        assert_eq!(lines[2..], [verdict, "Vary: Origin"]);
        let lines = preflight(&policy(|_| {}), &fields);
        assert_eq!((lines[0].as_str(), lines[2].as_str()), ("Access-Control-Allow-Origin: *", verdict));
    }

    #[test]
    fn a_response_to_an_allowed_origin_names_it_once_and_varies() {
        let policy = listed(|settings| {
            settings.allow_credentials = true;
            settings.timing = true;
            settings.resource_policy = Some(ResourcePolicy::CrossOrigin);
        });
        assert_eq!(
            response(&policy, Some(GOOD), &[("Vary", "Accept"), ("Access-Control-Allow-Origin", "*")]),
            [
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Allow-Origin: https://app.example.com",
                "Corsair-Cors: allowed",
                "Cross-Origin-Resource-Policy: cross-origin",
                "Timing-Allow-Origin: https://app.example.com",
                "Vary: Accept, Origin",
            ]
        );
    }

    #[test]
    fn a_response_to_another_origin_carries_no_permission() {
        let policy = listed(|settings| {
            settings.timing = true;
            settings.upstream_headers = UpstreamHeaders::Keep;
        });
        let upstream = [("Access-Control-Allow-Origin", "*")];
        let refused = "Corsair-Cors: refused; reason=\"origin not allowed\"";
        assert_eq!(response(&policy, Some(EVIL), &upstream), [refused, "Vary: Origin"]);
        let invalid = "Corsair-Cors: refused; reason=\"origin is not a serialized origin\"";
        assert_eq!(response(&policy, Some("evil"), &[]), [invalid, "Vary: Origin"]);
        // A cache must not give this answer to an origin that is one.
        let any = super::super::sample::policy(|_| {});
        assert_eq!(response(&any, Some("evil evil"), &[]), [invalid, "Vary: Origin"]);
    }

    #[test]
    fn without_an_origin_a_list_only_varies_and_a_star_is_sent_all_the_same() {
        assert_eq!(response(&listed(|_| {}), None, &[]), ["Vary: Origin"]);
        assert_eq!(response(&policy(|_| {}), None, &[]), ["Access-Control-Allow-Origin: *"]);
        assert_eq!(
            response(&policy(|settings| settings.timing = true), Some(EVIL), &[("Vary", "A")]),
            ["Access-Control-Allow-Origin: *", "Corsair-Cors: allowed", "Timing-Allow-Origin: *", "Vary: A"]
        );
    }

    #[test]
    fn kept_fields_of_the_upstream_stand_alone() {
        let keep = |settings: &mut CorsSettings| {
            settings.upstream_headers = UpstreamHeaders::Keep;
            settings.timing = true;
        };
        let theirs = [("access-control-max-age", "5")];
        // Theirs allow no origin.
        let verdict = "Corsair-Cors: unusable; reason=\"the upstream sent no access-control-allow-origin\"";
        assert_eq!(
            response(&listed(keep), Some(GOOD), &theirs),
            [verdict, "Timing-Allow-Origin: https://app.example.com", "Vary: Origin"]
        );
        assert_eq!(response(&listed(keep), None, &theirs), ["Vary: Origin"]);
        assert_eq!(response(&policy(keep), Some(GOOD), &theirs), [verdict, "Timing-Allow-Origin: *"]);
        assert_eq!(response(&policy(keep), Some(GOOD), &[])[0], "Access-Control-Allow-Origin: *");
        assert!(
            !response_to(&policy(keep), &Sample::new([("Origin", GOOD)]), &theirs, &[]).contains("Expose")
        );
    }

    #[test]
    fn the_upstreams_fields_are_stripped_unless_they_are_kept_for_an_allowed_origin() {
        let keep = listed(|settings| settings.upstream_headers = UpstreamHeaders::Keep);
        let replace = listed(|_| {});
        for (origin, kept) in [(Some(GOOD), true), (None, true), (Some(EVIL), false), (Some("x"), false)] {
            let request = Sample::new(origin.map(|origin| ("Origin", origin)));
            assert_eq!(!strips(request.decide(&keep, Method::Get, false), &keep), kept, "{origin:?}");
            assert!(strips(request.decide(&replace, Method::Get, false), &replace));
        }
    }

    #[test]
    fn fields_that_the_policy_writes_replace_the_upstreams() {
        let all = policy(|settings| {
            settings.timing = true;
            settings.resource_policy = Some(ResourcePolicy::SameSite);
        });
        let ids = [FieldId::CorsairCors, FieldId::TimingAllowOrigin, FieldId::CrossOriginResourcePolicy];
        let none = policy(|settings| settings.verdict = false);
        assert!(ids.iter().all(|id| all.replaces(*id) && !none.replaces(*id)));
        assert!(all.replaces(FieldId::Vary) && none.replaces(FieldId::Vary) && !all.replaces(FieldId::Date));
    }

    #[test]
    fn exposed_are_own_names_extra_names_and_the_upstreams_or_those_of_a_list() {
        let request = Sample::new([("Origin", GOOD)]);
        let upstream = [("ETag", "1"), ("Via", "x")];
        let all =
            response_to(&listed(|settings| settings.timing = true), &request, &upstream, &["Date", "Via"]);
        let line =
            "Access-Control-Expose-Headers: Vary, Timing-Allow-Origin, Corsair-Cors, Date, Via, ETag\r\n";
        assert!(all.contains(line), "{all}");
        let named = listed(|settings| settings.expose_headers = strings(&["X-A", "X-B"]));
        let some = response_to(&named, &request, &upstream, &["Date"]);
        assert!(some.contains("Access-Control-Expose-Headers: X-A, X-B\r\n"), "{some}");
        let none = listed(|settings| settings.expose_headers = Vec::new());
        assert!(!response_to(&none, &request, &upstream, &["Date"]).contains("Expose"));
    }

    #[test]
    fn a_policy_that_only_reports_writes_nothing_but_the_upstreams_vary() {
        let reporting = listed(|settings| settings.report_only = true);
        for origin in [None, Some(GOOD), Some(EVIL)] {
            let upstream = [("Vary", "A"), ("Vary", "B"), ("Access-Control-Allow-Origin", "*")];
            assert_eq!(response(&reporting, origin, &upstream), ["Vary: A, B"]);
            assert!(response(&reporting, origin, &[]).is_empty());
        }
        assert!(preflight(&reporting, &[("Origin", GOOD), ASK]).is_empty());
        assert!(!strips(CorsDecision::Withhold(Reason::OriginInvalid), &reporting));
    }

    #[test]
    fn an_error_for_an_unreadable_head_uses_the_origin_that_was_found() {
        let lines = |policy: &CorsPolicy, origin: Option<&str>| {
            written(|out| write_origin_fields(policy, origin.map(str::as_bytes), &[], out))
        };
        assert!(
            lines(&listed(|_| {}), Some(GOOD))
                .contains("Access-Control-Allow-Origin: https://app.example.com\r\n")
        );
        assert_eq!(lines(&listed(|_| {}), None), "Vary: Origin\r\n");
        assert!(!lines(&listed(|_| {}), Some(EVIL)).contains("Access-Control"));
        assert!(lines(&policy(|_| {}), None).starts_with("Access-Control-Allow-Origin: *\r\n"));
        assert!(!lines(&policy(|_| {}), Some("a\r\nb")).contains("Access-Control"));
    }

    #[test]
    fn a_reason_repeats_no_more_than_a_bounded_part_of_the_request() {
        let name = "x".repeat(4000);
        let policy = listed(|settings| settings.allow_headers = Vec::new());
        let lines = preflight(&policy, &[("Origin", GOOD), ASK, ("Access-Control-Request-Headers", &name)]);
        assert!(lines[0].contains("header not allowed: xxx") && lines[0].len() < 200, "{lines:?}");
    }
}

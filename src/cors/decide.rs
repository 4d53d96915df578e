//! The decision: what a request is to CORS, and what is to be done with it.
//!
//! A [`CorsDecision`] holds no bytes, only [`Span`]s into the request head, so that it outlives every
//! borrow of the buffer. Writing is the business of [`answer`](super::answer).

use super::{lines::Lines, policy::CorsPolicy, reason::Reason};
use crate::http1::{
    fields::{Field, FieldId, is_token, trim},
    head::{Method, Request},
    span::Span,
};

/// What `Access-Control-Request-Private-Network` was called while its draft bore another name.
const REQUEST_LOCAL_NETWORK: &[u8] = b"access-control-request-local-network";

/// What CORS makes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsDecision {
    /// No `Origin`: no CORS request. Forward it.
    NotCors,
    /// It is for somebody whom the forward proxy only leads to: no policy of ours is asked, what the target says passes, and
    /// nothing is added, for that would switch the protection of the browser off.
    Exempt,
    /// Its `Origin` is the very one that it is addressed to: an application that talks to itself, which no policy
    /// refuses. Forward it; the response needs no permission.
    SameOrigin,
    /// Forward it; the response carries the fields that let its origin read it.
    Allow {
        /// The value of `Origin`, a serialized origin.
        origin: Span,
        /// What it brought of its user's.
        sent: Credentials,
    },
    /// Answer 204 here; the upstream never sees it.
    Preflight(PreflightAnswer),
    /// Answer 400 here, readable by its origin: a preflight from an allowed origin whose
    /// `Access-Control-Request-Headers` is no list of tokens.
    MalformedPreflight {
        /// The value of `Origin`, a serialized origin.
        origin: Span,
    },
    /// Answer 403 here; the upstream never sees it.
    Refuse(Refusal),
    /// Forward it, but let no `Access-Control-*` field back: the browser hides the response.
    Withhold(Reason),
}

/// The credentials that a request carries; asked of allowed ones, and where the verdict is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `Cookie`.
    pub cookies: bool,
    /// `Authorization`.
    pub authorization: bool,
}

impl Credentials {
    /// Whether there are any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.cookies || self.authorization
    }
}

/// An allowed preflight. `Access-Control-Request-Headers` may stand in several lines, so the answer reads
/// them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreflightAnswer {
    /// The value of `Origin`, a serialized origin.
    pub origin: Span,
    /// The method asked for, a token.
    pub method: Span,
    /// Whether any request field was asked for.
    pub headers: bool,
    /// Whether a private network was asked for and is allowed.
    pub private_network: bool,
    /// The same under the other name that the draft had.
    pub local_network: bool,
}

/// A request that ends here with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused: the preflight, or the request itself where it is an upgrade, `refuse_other_origins` is on, or its
    /// origin is denied.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
}

/// Which of a browser's two requests it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The preflight.
    Preflight,
    /// The request itself.
    Actual,
}

impl Stage {
    /// Both, in a fixed order.
    pub const ALL: [Self; 2] = [Self::Preflight, Self::Actual];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word for it in a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Actual => "actual",
        }
    }
}

impl CorsDecision {
    /// The status with which corsair itself ends this request; nothing when it is forwarded, as all are
    /// where the policy only reports.
    #[must_use]
    pub const fn edge_status(self, policy: &CorsPolicy) -> Option<u16> {
        match self {
            _ if policy.report_only => None,
            Self::Preflight(_) => Some(204),
            Self::MalformedPreflight { .. } => Some(400),
            Self::Refuse(_) => Some(403),
            Self::NotCors | Self::Exempt | Self::SameOrigin | Self::Allow { .. } | Self::Withhold(_) => None,
        }
    }

    /// Which of a browser's two requests it is; nothing where CORS is not concerned.
    #[must_use]
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Self::NotCors | Self::Exempt | Self::SameOrigin => None,
            Self::Preflight(_) | Self::MalformedPreflight { .. } => Some(Stage::Preflight),
            Self::Refuse(Refusal { stage, .. }) => Some(stage),
            Self::Allow { .. } | Self::Withhold(_) => Some(Stage::Actual),
        }
    }

    /// `none`, `same-origin`, `allowed` or `refused`: what was decided, for the log.
    #[must_use]
    pub const fn result(self) -> &'static str {
        match self {
            Self::NotCors | Self::Exempt => "none",
            Self::SameOrigin => "same-origin",
            Self::Allow { .. } | Self::Preflight(_) => "allowed",
            Self::MalformedPreflight { .. } | Self::Refuse(_) | Self::Withhold(_) => "refused",
        }
    }

    /// Why it is refused, if it is.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::NotCors | Self::Exempt | Self::SameOrigin | Self::Allow { .. } | Self::Preflight(_) => None,
            Self::MalformedPreflight { .. } => Some(Reason::HeadersInvalid),
            Self::Refuse(Refusal { reason, .. }) | Self::Withhold(reason) => Some(reason),
        }
    }
}

/// Decides what CORS makes of a request. `upgrade` says whether it asks for another protocol: browsers
/// open WebSockets across origins without asking, so the policy is enforced here. `is_own` says whether an origin is
/// the one that the request is addressed to.
///
/// Source: Fetch, "CORS check" and "CORS-preflight fetch".
#[must_use]
pub fn decide(
    policy: &CorsPolicy,
    request: Request<'_>,
    upgrade: bool,
    is_own: impl FnOnce(&[u8]) -> bool,
) -> CorsDecision {
    let lines = Lines { bytes: request.bytes, fields: &request.head.fields };
    decide_lines(policy, request.head.method, lines, upgrade, is_own)
}

/// Whether the policy allows this origin; for a request of which no more than its `Origin` could be read.
#[must_use]
pub fn decide_origin(policy: &CorsPolicy, origin: &[u8]) -> bool {
    policy.judge(origin).is_ok()
}

/// [`decide`] on bare field lines.
pub(super) fn decide_lines<'a>(
    policy: &CorsPolicy,
    method: Method,
    lines: Lines<'a>,
    upgrade: bool,
    is_own: impl FnOnce(&[u8]) -> bool,
) -> CorsDecision {
    let mut origins = lines.all(FieldId::Origin);
    let Some(first) = origins.next() else { return CorsDecision::NotCors };
    let judged = match origins.next() {
        Some(_) => Err(Reason::SeveralOrigins),
        None => policy.judge(first.value.of(lines.bytes)).map(|()| first.value),
    };
    let is_own = || !matches!(judged, Err(Reason::SeveralOrigins)) && is_own(first.value.of(lines.bytes));
    if method == Method::Options
        && policy.answers_preflight()
        && let Some(asked) = lines.only(FieldId::AccessControlRequestMethod)
    {
        let decision = match judged {
            Ok(origin) => decide_preflight(policy, origin, asked.value, lines),
            Err(reason) => CorsDecision::Refuse(Refusal { stage: Stage::Preflight, reason }),
        };
        // No browser asks for leave to talk to the origin of the page itself.
        let is_refused = matches!(decision, CorsDecision::Refuse(_));
        return if is_refused && is_own() { CorsDecision::SameOrigin } else { decision };
    }
    if is_own() {
        return CorsDecision::SameOrigin;
    }
    match judged {
        Ok(origin) => CorsDecision::Allow { origin, sent: credentials(policy, lines) },
        // Where any origin may open a WebSocket, a malformed one is no more dangerous than none.
        Err(reason)
            if policy.refuses_other_origins()
                || reason == Reason::OriginDenied
                || (upgrade && !policy.is_any_origin()) =>
        {
            CorsDecision::Refuse(Refusal { stage: Stage::Actual, reason })
        }
        Err(reason) => CorsDecision::Withhold(reason),
    }
}

/// What a request brings of its user's, where it will be told.
fn credentials<'a>(policy: &CorsPolicy, lines: Lines<'a>) -> Credentials {
    let sent = |id| policy.verdict() && lines.fields.has(id);
    Credentials { cookies: sent(FieldId::Cookie), authorization: sent(FieldId::Authorization) }
}

/// A preflight from an allowed origin.
fn decide_preflight<'a>(policy: &CorsPolicy, origin: Span, method: Span, lines: Lines<'a>) -> CorsDecision {
    let mut headers = false;
    let mut refused = None;
    for field in lines.all(FieldId::AccessControlRequestHeaders) {
        for member in members(field.value, lines.bytes) {
            let name = member.of(lines.bytes);
            if !is_token(name) {
                return CorsDecision::MalformedPreflight { origin };
            }
            headers = true;
            if refused.is_none() && !policy.allows_header(name) {
                refused = Some(Reason::HeaderNotAllowed(member));
            }
        }
    }
    let asked = method.of(lines.bytes);
    let fault = if !is_token(asked) {
        Some(Reason::MethodInvalid)
    } else if !policy.allows_method(asked) {
        Some(Reason::MethodNotAllowed(method))
    } else {
        refused
    };
    if let Some(reason) = fault {
        return CorsDecision::Refuse(Refusal { stage: Stage::Preflight, reason });
    }
    let says_true = |field: &Field| field.value.of(lines.bytes) == b"true";
    let private_network =
        policy.private_network && lines.all(FieldId::AccessControlRequestPrivateNetwork).any(says_true);
    let local_network = policy.private_network
        && lines.all(FieldId::Other).any(|field| {
            field.name.of(lines.bytes).eq_ignore_ascii_case(REQUEST_LOCAL_NETWORK) && says_true(field)
        });
    CorsDecision::Preflight(PreflightAnswer { origin, method, headers, private_network, local_network })
}

/// Where the members of a comma-separated list stand; empty ones are left out (RFC 9110 §5.6.1).
fn members(value: Span, head: &[u8]) -> impl Iterator<Item = Span> {
    let mut at = value.range().start;
    value.of(head).split(|byte| *byte == b',').filter_map(move |piece| {
        let start = at + piece.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        at += piece.len() + 1;
        let name = trim(piece);
        (!name.is_empty()).then(|| Span::new(start, start + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            policy::{CorsSettings, Preflight},
            sample::{Sample, policy, strings},
        },
        *,
    };

    const GOOD: &str = "https://app.example.com";

    fn listed(change: impl FnOnce(&mut CorsSettings)) -> CorsPolicy {
        policy(|settings| {
            settings.allow_origins = strings(&[GOOD, "https://*.example.org", "null"]);
            change(settings);
        })
    }

    fn outcome(policy: &CorsPolicy, method: &str, fields: &[(&str, &str)], upgrade: bool) -> String {
        let sample = Sample::new(fields.iter().copied());
        let decision = sample.decide(policy, Method::of(method.as_bytes()), upgrade);
        let mut reason = String::new();
        if let Some(why) = decision.reason() {
            super::super::write_reason(why, &sample.bytes, &mut reason).unwrap();
        }
        let status = decision.edge_status(policy).map_or("forward".to_owned(), |status| status.to_string());
        format!("{} {} {status} {reason}", decision.stage().map_or("none", Stage::label), decision.result())
            .trim_end()
            .to_owned()
    }

    #[test]
    fn an_application_that_talks_to_itself_is_never_refused() {
        let own = "https://corsair.example";
        let policies = [
            listed(|_| {}),
            listed(|settings| settings.refuse_other_origins = true),
            listed(|settings| settings.allow_origins = strings(&[own])),
            policy(|_| {}),
        ];
        for policy in &policies {
            for (method, fields, upgrade) in [
                ("POST", &[("Origin", own)][..], false),
                ("GET", &[("Origin", own), ("Cookie", "a=b")], true),
                ("OPTIONS", &[("Origin", own)], false),
            ] {
                let sample = Sample::new(fields.iter().copied());
                let decide = |is_own: bool| {
                    let lines = sample.lines();
                    decide_lines(policy, Method::of(method.as_bytes()), lines, upgrade, |origin| {
                        assert_eq!(origin, own.as_bytes());
                        is_own
                    })
                };
                assert_eq!(decide(true), CorsDecision::SameOrigin, "{method}");
                assert_eq!(decide(true).edge_status(policy), None);
                assert_ne!(decide(false), CorsDecision::SameOrigin, "{method}");
            }
            // Two origins are none, and so is a preflight that no browser sends.
            let several = Sample::new([("Origin", own), ("Origin", own)]);
            let decision = decide_lines(policy, Method::Post, several.lines(), true, |_| true);
            assert_ne!(decision, CorsDecision::SameOrigin);
            let asks = Sample::new([("Origin", own), ("Access-Control-Request-Method", "PUT")]);
            let decision = decide_lines(policy, Method::Options, asks.lines(), false, |_| true);
            assert!(decision.reason().is_none(), "{decision:?}");
        }
    }

    #[test]
    fn a_request_without_an_origin_is_no_cors_request() {
        for method in ["GET", "OPTIONS", "POST"] {
            for fields in [&[][..], &[("Access-Control-Request-Method", "PUT"), ("X-Origin", GOOD)]] {
                assert_eq!(outcome(&listed(|_| {}), method, fields, true), "none none forward");
            }
        }
    }

    #[test]
    fn an_actual_request_is_forwarded_and_its_response_shown_or_withheld() {
        let cases = [
            (GOOD, "actual allowed forward"),
            ("https://a.example.org", "actual allowed forward"),
            ("null", "actual allowed forward"),
            ("https://evil.test", "actual refused forward origin not allowed"),
            ("https://app.example.com:8443", "actual refused forward origin not allowed"),
            ("http://app.example.com", "actual refused forward origin not allowed"),
            ("https://app.example.com/", "actual refused forward origin is not a serialized origin"),
            ("", "actual refused forward origin is not a serialized origin"),
            ("*", "actual refused forward origin is not a serialized origin"),
        ];
        for (origin, expected) in cases {
            for method in ["GET", "PUT", "OPTIONS", "options"] {
                let fields = [("oRIGIN", origin)];
                assert_eq!(outcome(&listed(|_| {}), method, &fields, false), expected, "{origin}");
            }
        }
    }

    #[test]
    fn two_origins_are_none() {
        let twice = [("Origin", GOOD), ("Origin", GOOD)];
        assert_eq!(
            outcome(&listed(|_| {}), "GET", &twice, false),
            "actual refused forward more than one origin"
        );
        assert_eq!(
            outcome(&policy(|_| {}), "GET", &twice, false),
            "actual refused forward more than one origin"
        );
        let preflight = [twice[0], twice[1], ("Access-Control-Request-Method", "PUT")];
        assert_eq!(
            outcome(&policy(|_| {}), "OPTIONS", &preflight, false),
            "preflight refused 403 more than one origin"
        );
    }

    #[test]
    fn any_origin_means_any_value_that_can_be_one() {
        for origin in [
            "null",
            "http://a",
            "https://x.example:8443",
            "chrome-extension://abc",
            "safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8F",
            "file://",
            "x\"y",
        ] {
            assert_eq!(
                outcome(&policy(|_| {}), "GET", &[("Origin", origin)], false),
                "actual allowed forward"
            );
        }
        for origin in ["", "http://a http://b", "http://a,http://b", "x\ty"] {
            let outcome = outcome(&policy(|_| {}), "GET", &[("Origin", origin)], false);
            assert_eq!(outcome, "actual refused forward origin is not a serialized origin", "{origin:?}");
        }
    }

    #[test]
    fn a_preflight_is_options_with_an_origin_and_one_requested_method() {
        let method = ("Access-Control-Request-Method", "PUT");
        let origin = ("Origin", GOOD);
        let cases = [
            ("OPTIONS", &[origin, method][..], "preflight allowed 204"),
            ("OPTIONS", &[origin], "actual allowed forward"),
            ("OPTIONS", &[method], "none none forward"),
            ("OPTIONS", &[origin, method, method], "actual allowed forward"),
            ("GET", &[origin, method], "actual allowed forward"),
            ("options", &[origin, method], "actual allowed forward"),
        ];
        for (name, fields, expected) in cases {
            assert_eq!(outcome(&listed(|_| {}), name, fields, false), expected);
        }
        let forwarding = listed(|settings| settings.preflight = Preflight::Forward);
        assert_eq!(outcome(&forwarding, "OPTIONS", &[origin, method], false), "actual allowed forward");
    }

    fn preflight(policy: &CorsPolicy, origin: &str, method: &str, headers: &[&str]) -> String {
        let mut fields = vec![("Origin", origin), ("Access-Control-Request-Method", method)];
        fields.extend(headers.iter().map(|line| ("Access-Control-Request-Headers", *line)));
        outcome(policy, "OPTIONS", &fields, false)
    }

    #[test]
    fn an_entry_that_ends_in_a_dash_and_a_star_allows_all_fields_that_begin_so() {
        let policy = listed(|settings| settings.allow_headers = strings(&["X-Stainless-*", "a*", "Accept"]));
        for (asked, expected) in [
            ("x-stainless-lang, X-STAINLESS-OS, accept", "preflight allowed 204"),
            ("a*", "preflight allowed 204"),
            ("x-stainless-", "preflight refused 403 header not allowed: x-stainless-"),
            ("x-stainless", "preflight refused 403 header not allowed: x-stainless"),
            ("ab", "preflight refused 403 header not allowed: ab"),
        ] {
            let fields = [
                ("Origin", GOOD),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", asked),
            ];
            assert_eq!(outcome(&policy, "OPTIONS", &fields, false), expected, "{asked}");
        }
    }

    #[test]
    fn a_preflight_is_refused_for_its_origin_its_method_or_a_field() {
        let strict = listed(|settings| {
            settings.allow_methods = strings(&["PUT", "PATCH"]);
            settings.allow_headers = strings(&["X-Token", "content-type"]);
        });
        let cases: [(&str, &str, &[&str], &str); 17] = [
            (GOOD, "PUT", &[], "preflight allowed 204"),
            (GOOD, "GET", &[], "preflight allowed 204"),
            (GOOD, "HEAD", &[], "preflight allowed 204"),
            (GOOD, "POST", &["x-token"], "preflight allowed 204"),
            (GOOD, "PUT", &["x-token,Content-Type", "X-TOKEN"], "preflight allowed 204"),
            (GOOD, "PUT", &["", " , ,x-token,\t,"], "preflight allowed 204"),
            (GOOD, "patch", &[], "preflight refused 403 method not allowed: patch"),
            (GOOD, "put", &[], "preflight refused 403 method not allowed: put"),
            (GOOD, "DELETE", &["x-foo"], "preflight refused 403 method not allowed: DELETE"),
            (GOOD, "", &[], "preflight refused 403 access-control-request-method is not a token"),
            (GOOD, "GE T", &[], "preflight refused 403 access-control-request-method is not a token"),
            (GOOD, "PUT", &["x-foo"], "preflight refused 403 header not allowed: x-foo"),
            (GOOD, "PUT", &["x-token, \tX-Foo ,x-bar"], "preflight refused 403 header not allowed: X-Foo"),
            (GOOD, "PUT", &["x-token", "y"], "preflight refused 403 header not allowed: y"),
            (GOOD, "PUT", &["authorization"], "preflight refused 403 header not allowed: authorization"),
            ("https://evil.test", "PUT", &["x y"], "preflight refused 403 origin not allowed"),
            ("evil", "PUT", &[], "preflight refused 403 origin is not a serialized origin"),
        ];
        for (origin, method, headers, expected) in cases {
            assert_eq!(preflight(&strict, origin, method, headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_broken_list_of_field_names_is_a_bad_request_under_every_policy() {
        let bad = "preflight refused 400 access-control-request-headers is not a list of tokens";
        for line in ["x y", "x-token;", "\"x\"", "x,(y)", "x\u{e4}", "a:b", "x-a,\u{1}"] {
            assert_eq!(preflight(&policy(|_| {}), GOOD, "PUT", &["x-token", line]), bad, "{line}");
            let strict = listed(|settings| settings.allow_headers = strings(&["x-token"]));
            assert_eq!(preflight(&strict, GOOD, "PUT", &["x-foo", line]), bad, "{line}");
        }
    }

    #[test]
    fn any_method_and_any_field_name_is_allowed_as_long_as_it_is_a_token() {
        assert_eq!(
            preflight(&policy(|_| {}), GOOD, "x-Odd!", &["a,b,*", "authorization"]),
            "preflight allowed 204"
        );
        let many = (0..1200).map(|n| format!("x-h{n}")).collect::<Vec<_>>().join(",");
        assert!(many.len() > 8 << 10);
        assert_eq!(preflight(&policy(|_| {}), GOOD, "PUT", &[&many]), "preflight allowed 204");
    }

    #[test]
    fn an_upgrade_from_another_origin_is_refused_where_origins_are_listed() {
        for origin in ["https://evil.test", "evil"] {
            let fields = [("Origin", origin)];
            assert!(outcome(&listed(|_| {}), "GET", &fields, true).starts_with("actual refused 403 origin"));
        }
        assert_eq!(outcome(&listed(|_| {}), "GET", &[("Origin", GOOD)], true), "actual allowed forward");
        assert_eq!(outcome(&policy(|_| {}), "GET", &[("Origin", GOOD)], true), "actual allowed forward");
    }

    #[test]
    fn other_origins_are_blocked_on_demand() {
        let blocking = listed(|settings| settings.refuse_other_origins = true);
        let evil = [("Origin", "https://evil.test")];
        assert_eq!(outcome(&blocking, "POST", &evil, false), "actual refused 403 origin not allowed");
        assert_eq!(outcome(&blocking, "POST", &[("Origin", GOOD)], false), "actual allowed forward");
        assert_eq!(outcome(&blocking, "POST", &[], false), "none none forward");
    }

    #[test]
    fn a_policy_that_only_reports_decides_but_answers_nothing() {
        let reporting = listed(|settings| {
            settings.report_only = true;
            settings.refuse_other_origins = true;
        });
        assert_eq!(preflight(&reporting, GOOD, "PUT", &[]), "preflight allowed forward");
        assert_eq!(
            preflight(&reporting, "https://e.test", "PUT", &[]),
            "preflight refused forward origin not allowed"
        );
        let evil = [("Origin", "https://evil.test")];
        assert_eq!(outcome(&reporting, "GET", &evil, true), "actual refused forward origin not allowed");
    }

    #[test]
    fn a_private_network_is_granted_only_where_it_is_on_and_asked_for() {
        for (name, private, local) in [
            ("Access-Control-Request-Private-Network", true, false),
            ("Access-Control-Request-Local-Network", false, true),
        ] {
            for (on, value) in [(true, "true"), (true, "True"), (false, "true")] {
                let policy = policy(|settings| settings.private_network = on);
                let fields = [("Origin", GOOD), ("Access-Control-Request-Method", "GET"), (name, value)];
                let decision = Sample::new(fields).decide(&policy, Method::Options, false);
                let CorsDecision::Preflight(answer) = decision else { panic!("{decision:?}") };
                let granted = on && value == "true";
                assert_eq!(answer.private_network, private && granted);
                assert_eq!(answer.local_network, local && granted);
            }
        }
    }

    #[test]
    fn an_origin_alone_is_judged_like_that_of_a_request() {
        assert!(decide_origin(&listed(|_| {}), GOOD.as_bytes()));
        assert!(!decide_origin(&listed(|_| {}), b"https://evil.test"));
        assert!(decide_origin(&policy(|_| {}), b"https://evil.test"));
        assert!(!decide_origin(&policy(|_| {}), b"evil evil"));
    }

    #[test]
    fn labels_are_a_fixed_set_of_words() {
        let label = |origin| {
            let sample = Sample::new([("Origin", origin)]);
            sample.decide(&listed(|_| {}), Method::Get, false).reason().map_or("none", Reason::label)
        };
        assert_eq!(label(GOOD), "none");
        assert_eq!(label("https://evil.test"), "origin_not_allowed");
        assert_eq!(label("evil"), "origin_invalid");
    }
}

//! One property over all of this room: whatever the policy and whatever is asked, the fields are sound.

use proptest::prelude::*;

use super::{
    answer::{Standing, Transit, write_fields, write_preflight_lines},
    decide::decide_origin,
    policy::{CorsPolicy, CorsSettings, Preflight, ResourcePolicy, UpstreamHeaders},
    sample::{Sample, strings, written},
};
use crate::http1::head::Method;

const GOOD: &str = "https://app.example.com";
const EVIL: &str = "https://evil.test";

fn settings() -> impl Strategy<Value = CorsSettings> {
    let origins = prop::sample::select(vec![
        vec!["*"],
        vec![GOOD],
        vec![GOOD, "https://*.example.org", "loopback"],
        vec![r"~https://[a-z]+\.example\.net"],
        vec!["null"],
        vec![],
    ]);
    let denied =
        prop::sample::select(vec![vec![], vec![GOOD, "null"], vec![r"~https://[a-z]+\.example\.net"]]);
    (origins, denied, any::<[bool; 8]>()).prop_map(|(origins, denied, flags)| CorsSettings {
        allow_origins: strings(&origins),
        deny_origins: strings(&denied),
        allow_credentials: flags[0],
        allow_methods: strings(if flags[1] { &["any"] } else { &["PUT"] }),
        allow_headers: strings(if flags[2] { &["any"] } else { &["x-a"] }),
        expose_headers: strings(if flags[3] { &["all"] } else { &["X-B"] }),
        upstream_headers: if flags[4] { UpstreamHeaders::Keep } else { UpstreamHeaders::Replace },
        preflight: if flags[5] { Preflight::Forward } else { Preflight::Answer },
        timing: flags[6],
        private_network: flags[7],
        resource_policy: flags[6].then_some(ResourcePolicy::SameOrigin),
        ..CorsSettings::default()
    })
}

proptest! {
    #[test]
    fn whatever_is_asked_the_fields_are_sound(
        settings in settings(),
        origin in prop::option::of(prop_oneof![
            prop::sample::select(vec![
                GOOD, EVIL, "null", "*", "https://a.example.org",
                "http://localhost:1", "https://x.example.net",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
            "https://[ -~]{0,12}".prop_map(String::into_bytes),
        ]),
        method in prop_oneof![Just(b"PUT".to_vec()), prop::collection::vec(any::<u8>(), 0..6)],
        headers in prop::collection::vec(
            prop_oneof![Just(b"x-a, x-c".to_vec()), prop::collection::vec(any::<u8>(), 0..12)], 0..3
        ),
        upstream in prop::collection::vec(
            prop::sample::select(vec![
                ("Vary", "Accept"), ("vary", "origin"), ("Vary", "*"), ("Access-Control-Allow-Origin", "*"),
                ("ACCESS-CONTROL-EXPOSE-HEADERS", "x"), ("ETag", "1"), ("Timing-Allow-Origin", "*"),
            ]), 0..5
        ),
        options in any::<bool>(),
    ) {
        let Ok((policy, _)) = CorsPolicy::compile(&settings) else {
            prop_assert!(settings.allow_credentials);
            return Ok(());
        };
        let mut fields: Vec<(&str, &[u8])> = vec![("Access-Control-Request-Method", &method)];
        fields.extend(origin.iter().map(|origin| ("Origin", origin.as_slice())));
        fields.extend(headers.iter().map(|line| ("Access-Control-Request-Headers", line.as_slice())));
        let request = Sample::new(fields);
        let decision = request.decide(&policy, if options { Method::Options } else { Method::Get }, false);
        let upstream = Sample::new(upstream);
        let standing = Standing::of(decision, &request.bytes);
        let actual = written(|out| write_fields(standing, &policy, upstream.lines(), Transit::default(), &["Via"], out));
        let edge = written(|out| write_preflight_lines(decision, &policy, request.lines(), out));
        let allowed = origin.as_ref().is_some_and(|origin| decide_origin(&policy, origin));
        for text in [actual, edge] {
            check(&text, &policy, origin.as_deref(), allowed)?;
        }
    }
}

/// Every line well-formed, every name once, and no permission that the policy does not give.
fn check(text: &str, policy: &CorsPolicy, origin: Option<&[u8]>, allowed: bool) -> Result<(), TestCaseError> {
    prop_assert!(text.is_empty() || text.ends_with("\r\n"));
    let mut names = Vec::new();
    for line in text.split_terminator("\r\n") {
        let (name, value) = line.split_once(": ").unwrap();
        prop_assert!(
            !value.is_empty() && value.bytes().all(|b| b == b'\t' || matches!(b, b' '..=b'~')),
            "{}",
            line
        );
        prop_assert!(!names.contains(&name.to_ascii_lowercase()), "{} twice in {}", name, text);
        names.push(name.to_ascii_lowercase());
        if name == "Access-Control-Allow-Origin" {
            let expected = if policy.is_any_origin() { Some(&b"*"[..]) } else { origin };
            prop_assert_eq!(Some(value.as_bytes()), expected);
            prop_assert!(allowed || origin.is_none() && policy.is_any_origin());
        }
    }
    let has = |name: &str| names.iter().any(|known| known == name);
    prop_assert!(!has("access-control-allow-credentials") || !policy.is_any_origin());
    if origin.is_some() && !allowed {
        prop_assert!(
            !names.iter().any(|name| name.starts_with("access-control") || name.starts_with("timing"))
        );
    }
    prop_assert!(!policy.depends_on_origin() || has("vary"));
    prop_assert_eq!(has("corsair-cors"), origin.is_some());
    Ok(())
}

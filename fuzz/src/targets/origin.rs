//! Origins: a list admits what its entries mean and nothing that looks like it.

use std::{sync::LazyLock, time::Duration};

use corsair::cors::{
    CorsPolicy, CorsSettings, Preflight, UpstreamHeaders, decide_origin, is_serialized_origin,
};

use crate::{
    input::{Input, shown},
    reference::origin::{self, EXPRESSIONS, entry_admits},
};

/// Lists that are compiled once.
static LISTS: LazyLock<Vec<(Vec<String>, CorsPolicy)>> = LazyLock::new(|| {
    let many: Vec<String> = (0..12).map(|number| format!("https://app{number}.example.com")).collect();
    let expressions: Vec<String> = EXPRESSIONS.iter().map(|(text, _)| (*text).to_owned()).collect();
    let lists: [&[&str]; 9] = [
        &["*"],
        &["https://app.example.com"],
        &["https://app.example.com:8443", "http://app.example.com", "null"],
        &["https://*.example.com", "http://*.example.org:8080"],
        &["loopback"],
        &["https://*.example.com", "loopback", "https://[2001:db8::1]:8443"],
        &["moz-extension://0a1b2c3d-0000-4000-8000-000000000000", "https://*.xn--bcher-kva.example"],
        &["safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8F", "file://", "app://."],
        &[],
    ];
    let lists = lists.into_iter().map(|list| list.iter().map(|entry| (*entry).to_owned()).collect());
    lists.chain([many, expressions]).map(|list: Vec<String>| (list.clone(), compiled(list))).collect()
});

/// Origins that a list could mean.
const ORIGINS: [&str; 18] = [
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://app.example.com",
    "null",
    "https://a.b.example.com",
    "http://a.example.org:8080",
    "http://localhost:5173",
    "https://127.0.0.1",
    "http://[::1]:3000",
    "https://[2001:db8::1]:8443",
    "moz-extension://0a1b2c3d-0000-4000-8000-000000000000",
    "safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8F",
    "file://",
    "https://app7.example.com",
    "https://dev.example.net",
    "https://test.example.com:8000",
    "http://api.example.com",
    "https://two.example",
];

fn compiled(list: Vec<String>) -> CorsPolicy {
    CorsPolicy::compile(&settings(list, false)).expect("the list is valid").0
}

/// A policy of these origins; what else it says is of no matter here.
fn settings(allow_origins: Vec<String>, allow_credentials: bool) -> CorsSettings {
    CorsSettings {
        allow_origins,
        deny_origins: Vec::new(),
        allow_credentials,
        allow_methods: vec!["any".to_owned()],
        allow_headers: vec!["any".to_owned()],
        expose_headers: vec!["all".to_owned()],
        max_age: Duration::ZERO,
        private_network: false,
        upstream_headers: UpstreamHeaders::Replace,
        preflight: Preflight::Answer,
        refuse_other_origins: false,
        timing: false,
        resource_policy: None,
        verdict: true,
        report_only: false,
    }
}

/// The property.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    if input.flag() {
        return entry_means_what_it_says(input);
    }
    let (list, policy) = &LISTS[usize::from(input.byte()) % LISTS.len()];
    let origin = if input.flag() { edited(input) } else { input.rest().to_vec() };
    let is_origin = origin::is_origin(&origin);
    assert_eq!(is_serialized_origin(&origin), is_origin, "{}", shown(&origin));
    let expected = list.iter().any(|entry| entry_admits(entry, &origin));
    assert_eq!(decide_origin(policy, &origin), expected, "{list:?} {}", shown(&origin));
}

/// An origin that is meant, with a few bytes of it changed: a look-alike.
fn edited(mut input: Input<'_>) -> Vec<u8> {
    let mut origin = ORIGINS[usize::from(input.byte()) % ORIGINS.len()].as_bytes().to_vec();
    for edit in input.rest().chunks(3) {
        let [what, place, byte] = edit else { break };
        let place = usize::from(*place) % (origin.len() + 1);
        match what % 4 {
            0 => origin.insert(place, *byte),
            1 if place < origin.len() => origin[place] = *byte,
            2 if place < origin.len() => drop(origin.remove(place)),
            3 if place < origin.len() => origin[place] ^= 0x20,
            _ => {}
        }
    }
    origin
}

/// An entry that somebody typed: refused, or understood as a slow reader understands it.
fn entry_means_what_it_says(mut input: Input<'_>) {
    let allow_credentials = input.flag();
    let mut parts = input.parts();
    let Ok(entry) = str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let origin = parts.next().unwrap_or(entry.as_bytes());
    let policy = match CorsPolicy::compile(&settings(vec![entry.to_owned()], allow_credentials)) {
        Ok((policy, _)) => policy,
        Err(faults) => {
            assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.to_string().is_empty()));
            return;
        }
    };
    assert!(!(allow_credentials && (policy.is_any_origin() || decide_origin(&policy, b"null"))), "{entry:?}");
    for origin in [origin, entry.as_bytes(), b"null", b"https://evil.test"] {
        let got = decide_origin(&policy, origin);
        if let Some(expression) = entry.strip_prefix('~') {
            let is_origin = origin::is_origin(origin);
            assert!(!got || is_origin, "~{expression} admits {}", shown(origin));
        } else {
            assert_eq!(got, entry_admits(entry, origin), "{entry:?} {}", shown(origin));
        }
    }
}

//! From settings to a policy: every check of a configuration, and the rendering of what never changes.
//!
//! All faults are reported, not the first. A policy that would hand data to the wrong reader is refused;
//! one that probably does not say what was meant is warned of.

use std::fmt::Write as _;

use super::{
    origin::{Admission, OriginEntries, OriginList, Wildcard, canonical, is_canonical, is_loopback},
    pattern::{Pattern, union},
    policy::{
        Allowed, CorsPolicy, CorsSettings, Origins, PolicyFault, Preflight, Rendered, UpstreamHeaders, family,
    },
};
use crate::{http1::fields::is_token, uri::is_public_suffix};

const ORIGINS: &str = "allow_origins";
const DENIED: &str = "deny_origins";
const CREDENTIALS: &str = "allow_credentials";
const METHODS: &str = "allow_methods";
const HEADERS: &str = "allow_headers";
const EXPOSE: &str = "expose_headers";

/// Entries of `allow_origins` that are words.
const WORDS: [&str; 2] = ["null", "loopback"];

/// What is written elsewhere for any origin.
const ANY_ELSEWHERE: [&str; 5] = ["any", "all", "true", "yes", "on"];

/// Methods that need no permission (Fetch, "CORS-safelisted method").
const SAFELISTED_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// Methods that no script can send (Fetch, "forbidden method").
const FORBIDDEN_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Methods that are easily written in the wrong case.
const COMMON_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const ALLOWED_VERDICT: &str = "Corsair-Cors: allowed\r\n";

impl CorsPolicy {
    /// Checks settings and makes the policy of them, with warnings about what may not be meant.
    ///
    /// # Errors
    /// Every fault that keeps the settings from being a policy.
    pub fn compile(settings: &CorsSettings) -> Result<(Self, Vec<PolicyFault>), Vec<PolicyFault>> {
        let mut findings = Findings::default();
        let (origins, plain_http_origins, strangers) = compile_origins(settings, &mut findings);
        let denied = compile_denied(settings, &mut findings);
        let methods = compile_methods(settings, &mut findings);
        let headers = compile_names(HEADERS, "any", &settings.allow_headers, &mut findings);
        let exposed = compile_names(EXPOSE, "all", &settings.expose_headers, &mut findings);
        if settings.preflight == Preflight::Forward && settings.upstream_headers == UpstreamHeaders::Replace {
            findings.warn(
                "preflight",
                "is forward, but the upstream's headers are replaced: what the application permits in its answers \
                 to preflights is removed, so browsers refuse them; add --upstream-headers keep",
            );
        }
        if !findings.faults.is_empty() {
            return Err(findings.faults);
        }
        let mut policy = Self {
            origins,
            denied,
            methods,
            headers,
            expose_all: matches!(exposed, Allowed::Any),
            private_network: settings.private_network,
            upstream_headers: settings.upstream_headers,
            preflight: settings.preflight,
            refuse_other_origins: settings.refuse_other_origins,
            timing: settings.timing,
            resource_policy: settings.resource_policy.is_some(),
            verdict: settings.verdict,
            report_only: settings.report_only,
            rendered: Rendered::default(),
            plain_http_origins: if settings.allow_credentials { plain_http_origins } else { Vec::new() },
            strangers,
            description: describe(settings),
        };
        policy.rendered = render(&policy, settings, &exposed);
        Ok((policy, findings.warnings))
    }
}

/// Origins by their names, for whoever asks about them beside a policy.
#[derive(Clone, Debug)]
pub struct NamedOrigins(OriginList);

impl NamedOrigins {
    /// Those of a list such as `allow_origins` is, without `*`.
    ///
    /// # Errors
    /// Every fault in it.
    pub fn compile(list: &[String]) -> Result<Self, Vec<String>> {
        let mut findings = Findings::default();
        let (list, ..) = compile_list(list, (ORIGINS, false), &mut findings);
        if findings.faults.is_empty() {
            Ok(Self(list))
        } else {
            Err(findings.faults.into_iter().map(|fault| fault.message).collect())
        }
    }

    /// Whether this one, the value of an `Origin` field, is among them.
    #[must_use]
    pub fn name(&self, origin: &[u8]) -> bool {
        self.0.admits(origin) == Admission::Allowed
    }
}

#[derive(Default)]
struct Findings {
    faults: Vec<PolicyFault>,
    warnings: Vec<PolicyFault>,
}

impl Findings {
    fn fault(&mut self, key: &'static str, message: impl Into<String>) {
        self.faults.push(PolicyFault { key, message: message.into() });
    }

    fn warn(&mut self, key: &'static str, message: impl Into<String>) {
        self.warnings.push(PolicyFault { key, message: message.into() });
    }
}

/// The origins, those of them that are fetched over plain HTTP from elsewhere than this machine, and those that anybody
/// can have.
fn compile_origins(settings: &CorsSettings, findings: &mut Findings) -> (Origins, Vec<String>, Vec<String>) {
    let credentials = settings.allow_credentials;
    if settings.allow_origins.iter().any(|entry| entry == "*") {
        if credentials {
            findings.fault(
                CREDENTIALS,
                "needs a list of origins, not \"*\"; name the origins, or leave credentials off",
            );
        }
        if settings.allow_origins.len() > 1 {
            findings.warn(ORIGINS, "\"*\" allows every origin; the other entries have no effect");
        }
        return (Origins::Any, Vec::new(), Vec::new());
    }
    let (list, plain_http_origins, strangers) =
        compile_list(&settings.allow_origins, (ORIGINS, credentials), findings);
    (Origins::Listed { list, credentials }, plain_http_origins, strangers)
}

/// The origins that are denied. What is doubtful about an entry that lets in is none about one that keeps out.
fn compile_denied(settings: &CorsSettings, findings: &mut Findings) -> Option<OriginList> {
    if settings.deny_origins.is_empty() {
        return None;
    }
    if settings.deny_origins.iter().any(|entry| entry == "*") {
        findings.fault(
            DENIED,
            "\"*\" would deny every origin; name some, or have allow_origins name those that are allowed",
        );
        return None;
    }
    let mut own = Findings::default();
    let (list, ..) = compile_list(&settings.deny_origins, (DENIED, false), &mut own);
    findings.faults.append(&mut own.faults);
    Some(list)
}

/// The list that a setting of this key names, those of its entries that are plain HTTP, and those that anybody can have.
fn compile_list(
    list: &[String],
    (key, credentials): (&'static str, bool),
    findings: &mut Findings,
) -> (OriginList, Vec<String>, Vec<String>) {
    let mut entries = OriginEntries::default();
    let mut patterns = Vec::new();
    let mut plain_http_origins = Vec::new();
    let mut strangers = Vec::new();
    for entry in list {
        let plain_http = match entry.as_str() {
            "null" => {
                entries.null = true;
                strangers.push(entry.clone());
                if credentials {
                    findings.fault(
                        key,
                        "\"null\" cannot be allowed with credentials: every sandboxed frame has that \
                         origin; remove it, or leave credentials off",
                    );
                }
                false
            }
            "loopback" => {
                entries.loopback = true;
                false
            }
            text => match text.strip_prefix('~') {
                Some(expression) => {
                    let (patterns, strangers) = (&mut patterns, &mut strangers);
                    compile_pattern(expression, (key, credentials), patterns, strangers, findings)
                }
                None => compile_origin(text, (key, credentials), &mut entries, &mut strangers, findings),
            },
        };
        if plain_http {
            plain_http_origins.push(entry.clone());
        }
    }
    if !patterns.is_empty() {
        match union(&patterns) {
            Ok(set) => entries.patterns = Some(set),
            Err(reason) => findings.fault(key, format!("the expressions together: {reason}")),
        }
    }
    (OriginList::new(entries), plain_http_origins, strangers)
}

/// One expression; whether it can admit plain HTTP.
fn compile_pattern(
    expression: &str,
    (key, credentials): (&'static str, bool),
    patterns: &mut Vec<String>,
    strangers: &mut Vec<String>,
    findings: &mut Findings,
) -> bool {
    match Pattern::parse(expression) {
        Ok(pattern) => {
            if pattern.admits_anybody && credentials {
                findings.fault(
                    CREDENTIALS,
                    format!(
                        "needs a list of origins, but \"~{expression}\" matches any; name the hosts in it, \
                         or leave credentials off"
                    ),
                );
            }
            for doubt in pattern.doubts {
                findings.warn(key, format!("\"~{expression}\" {doubt}"));
            }
            if pattern.admits_strangers {
                strangers.push(format!("~{expression}"));
            }
            patterns.push(pattern.anchored);
            pattern.admits_plain_http
        }
        Err(reason) => {
            findings.fault(key, format!("\"~{expression}\" is no regular expression: {reason}"));
            false
        }
    }
}

/// One exact origin or wildcard; whether it is plain HTTP from elsewhere than this machine.
fn compile_origin(
    text: &str,
    (key, credentials): (&'static str, bool),
    entries: &mut OriginEntries,
    strangers: &mut Vec<String>,
    findings: &mut Findings,
) -> bool {
    if text.contains('*') {
        if let Some(wildcard) = Wildcard::parse(text) {
            let parent = String::from_utf8_lossy(wildcard.parent());
            if is_public_suffix(parent.split(':').next().unwrap_or_default()) {
                let with = if credentials { ", with credentials" } else { "" };
                let message = format!(
                    "\"{text}\" allows every host under a suffix that anybody can register under{with}"
                );
                findings.warn(key, message);
                strangers.push(text.to_owned());
            }
            entries.wildcards.push(wildcard);
        } else {
            findings.fault(key, wildcard_fault(text));
        }
    } else if is_canonical(text) {
        let origin: Box<[u8]> = text.as_bytes().into();
        if !entries.exact.contains(&origin) {
            entries.exact.push(origin);
        }
    } else {
        findings.fault(
            key,
            match canonical(text) {
                _ if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) => {
                    format!("\"{text}\" is no origin; write \"{}\"", text.to_ascii_lowercase())
                }
                _ if ANY_ELSEWHERE.iter().any(|word| text.eq_ignore_ascii_case(word)) => {
                    format!("\"{text}\" is no origin; write \"*\" for any")
                }
                _ if let Some(spelled) = on_this_machine(text) => format!(
                    "\"{text}\" is no origin, it has no scheme; write \"{spelled}\", or \"loopback\" for every \
                     port of this machine"
                ),
                Some(spelled) => format!("\"{text}\" is not what browsers send; write \"{spelled}\""),
                None => format!(
                    "\"{text}\" is no origin; write scheme://host[:port], https://*.host, \"*\", \"null\", \
                     \"loopback\", or ~ and a regular expression"
                ),
            },
        );
    }
    // `http://*.localhost` stays on this machine as `http://localhost` does.
    text.starts_with("http://") && !is_loopback(text.replacen("*.", "", 1).as_bytes())
}

/// The origin of a page on this machine, for a host and port without a scheme: development servers speak plain HTTP.
fn on_this_machine(text: &str) -> Option<String> {
    let spelled = (!text.contains("://")).then(|| canonical(&format!("http://{text}"))).flatten()?;
    is_loopback(spelled.as_bytes()).then_some(spelled)
}

fn wildcard_fault(text: &str) -> String {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let spelled = with_scheme
        .split_once("://*.")
        .and_then(|(scheme, host)| canonical(&format!("{scheme}://a.{host}")))
        .map(|spelled| spelled.replacen("://a.", "://*.", 1));
    match spelled.filter(|spelled| Wildcard::parse(spelled).is_some()) {
        Some(spelled) => format!("\"{text}\" is not what browsers send; write \"{spelled}\""),
        None => format!(
            "\"{text}\" has a wildcard in the wrong place; it stands for whole labels in front of a host, \
             as in https://*.example.com"
        ),
    }
}

fn compile_methods(settings: &CorsSettings, findings: &mut Findings) -> Allowed {
    let Allowed::Listed(names) = compile_names(METHODS, "any", &settings.allow_methods, findings) else {
        return Allowed::Any;
    };
    for name in &settings.allow_methods {
        let upper = name.to_ascii_uppercase();
        if FORBIDDEN_METHODS.contains(&upper.as_str()) {
            findings.warn(METHODS, format!("\"{name}\" has no effect: browsers never send it"));
        } else if *name != upper && COMMON_METHODS.contains(&upper.as_str()) {
            findings.warn(METHODS, format!("\"{name}\" is not {upper}: methods are case-sensitive"));
        }
    }
    let mut methods: Vec<Box<[u8]>> = SAFELISTED_METHODS.map(|name| name.as_bytes().into()).into();
    for name in names {
        if !methods.contains(&name) {
            methods.push(name);
        }
    }
    Allowed::Listed(methods.into())
}

/// A list of tokens, or the word that stands for all of them.
fn compile_names(key: &'static str, all: &str, names: &[String], findings: &mut Findings) -> Allowed {
    if names.len() == 1 && names.iter().any(|name| name == all) {
        return Allowed::Any;
    }
    let mut listed: Vec<Box<[u8]>> = Vec::with_capacity(names.len());
    for name in names {
        if matches!(name.as_str(), "*" | "any" | "all") {
            findings.fault(key, format!("\"{name}\" is no name; write \"{all}\" alone, or a list of names"));
        } else if !is_token(name.as_bytes()) {
            findings.fault(key, format!("\"{}\" is no name; it must be a token", name.escape_debug()));
        } else if key == EXPOSE && family(name.as_bytes()).is_some() {
            findings.fault(
                key,
                format!(
                    "\"{name}\" exposes nothing: browsers know no such names; write \"all\", or the names"
                ),
            );
        } else if !listed.iter().any(|known| **known == *name.as_bytes()) {
            listed.push(name.as_bytes().into());
        }
    }
    Allowed::Listed(listed.into())
}

fn render(policy: &CorsPolicy, settings: &CorsSettings, exposed: &Allowed) -> Rendered {
    let verdict = if policy.verdict { ALLOWED_VERDICT } else { "" };
    let mut own_names = Vec::new();
    let mut always = String::new();
    let mut origin = String::new();
    if policy.is_any_origin() {
        origin.push_str("Access-Control-Allow-Origin: *\r\n");
    }
    if policy.depends_on_origin() {
        own_names.push("Vary");
    }
    if policy.allows_credentials() {
        origin.push_str("Access-Control-Allow-Credentials: true\r\n");
    }
    if let Some(resource_policy) = settings.resource_policy {
        own_names.push("Cross-Origin-Resource-Policy");
        line(&mut always, "Cross-Origin-Resource-Policy", resource_policy.as_str());
    }
    if policy.timing {
        own_names.push("Timing-Allow-Origin");
    }
    let mut allowed = origin.clone();
    list_line(&mut allowed, "Access-Control-Expose-Headers", exposed);
    if policy.timing && policy.is_any_origin() {
        line(&mut allowed, "Timing-Allow-Origin", "*");
    }
    allowed.push_str(&always);

    let mut asked = "Access-Control-Request-Method, Access-Control-Request-Headers".to_owned();
    if policy.private_network {
        asked.push_str(", Access-Control-Request-Private-Network, Access-Control-Request-Local-Network");
    }
    let mut preflight = origin;
    list_line(&mut preflight, "Access-Control-Allow-Methods", &policy.methods);
    line(&mut preflight, "Access-Control-Max-Age", &settings.max_age.as_secs().to_string());
    let by_origin = if policy.depends_on_origin() { "Origin, " } else { "" };
    line(&mut preflight, "Vary", &format!("{by_origin}{asked}"));
    preflight.push_str(verdict);
    let mut refused_preflight = String::new();
    // Even where any origin is allowed, one that is none is refused.
    line(&mut refused_preflight, "Vary", &format!("Origin, {asked}"));
    let mut allow_headers = String::new();
    let has_families =
        matches!(&policy.headers, Allowed::Listed(names) if names.iter().any(|name| family(name).is_some()));
    if !has_families {
        list_line(&mut allow_headers, "Access-Control-Allow-Headers", &policy.headers);
    }
    Rendered {
        allowed_explained: bytes(allowed.clone() + verdict),
        allowed: bytes(allowed),
        always: bytes(always),
        preflight: bytes(preflight),
        refused_preflight: bytes(refused_preflight),
        allow_headers: bytes(allow_headers),
        verdict: bytes(verdict.to_owned()),
        own_names: own_names.into(),
    }
}

fn bytes(text: String) -> Box<[u8]> {
    text.into_bytes().into()
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "{name}: {value}\r\n");
}

fn list_line(out: &mut String, name: &str, allowed: &Allowed) {
    if let Allowed::Listed(names) = allowed
        && !names.is_empty()
    {
        let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        line(out, name, &names.join(", "));
    }
}

/// `https://app.example.com and 2 more, with credentials, methods PUT`.
fn describe(settings: &CorsSettings) -> String {
    let origins = match settings.allow_origins.as_slice() {
        [] => "no origin".to_owned(),
        entries if entries.iter().any(|entry| entry == "*") => "any origin".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    let denied = match settings.deny_origins.len() {
        0 => String::new(),
        count => format!(" but {count} that {} denied", if count == 1 { "is" } else { "are" }),
    };
    let credentials = if settings.allow_credentials { "with credentials" } else { "no credentials" };
    let mut text = format!("{origins}{denied}, {credentials}");
    for (key, names, all) in
        [("methods", &settings.allow_methods, "any"), ("headers", &settings.allow_headers, "any")]
    {
        if names.as_slice() != [all] {
            let _ = write!(
                text,
                ", {key} {}",
                if names.is_empty() { "none named".into() } else { names.join(" ") }
            );
        }
    }
    for (on, words) in [
        (settings.preflight == Preflight::Forward, "preflights forwarded"),
        (settings.upstream_headers == UpstreamHeaders::Keep, "upstream's CORS fields kept"),
        (settings.refuse_other_origins, "other origins refused"),
        (settings.report_only, "report only"),
    ] {
        if on {
            let _ = write!(text, ", {words}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::sample::strings, *};

    fn settings(origins: &[&str], credentials: bool) -> CorsSettings {
        CorsSettings {
            allow_origins: strings(origins),
            allow_credentials: credentials,
            ..CorsSettings::default()
        }
    }

    fn faults_of(settings: &CorsSettings) -> Vec<String> {
        CorsPolicy::compile(settings).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn warnings(settings: &CorsSettings) -> Vec<String> {
        let (_, warnings) = CorsPolicy::compile(settings).unwrap();
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn no_such_entry_is_exposed() {
        let compiled = |change: fn(&mut CorsSettings)| {
            let mut settings = CorsSettings::default();
            change(&mut settings);
            CorsPolicy::compile(&settings).map(|_| ()).map_err(|faults| faults[0].to_string())
        };
        assert_eq!(
            compiled(|settings| settings.expose_headers = strings(&["X-A", "X-B-*"])),
            Err("expose_headers: \"X-B-*\" exposes nothing: browsers know no such names; write \"all\", or the names".into())
        );
        assert_eq!(compiled(|settings| settings.allow_headers = strings(&["X-A", "X-B-*"])), Ok(()));
    }

    #[test]
    fn an_entry_that_denies_is_held_to_the_same_spelling_and_warned_of_for_nothing() {
        let denying =
            |entry: &str| CorsSettings { deny_origins: strings(&[entry]), ..CorsSettings::default() };
        for (entry, expected) in [
            ("*", "deny_origins: \"*\" would deny every origin"),
            ("https://Evil.example/", "deny_origins: \"https://Evil.example/\" is not what browsers send"),
            ("~(", "deny_origins: \"~(\" is no regular expression"),
        ] {
            let faults = faults_of(&denying(entry));
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{entry}: {faults:?}");
        }
        for entry in ["https://evil.example", "https://*.co.uk", "~https://.*", "null", "loopback"] {
            let (policy, warnings) = CorsPolicy::compile(&denying(entry)).unwrap();
            assert_eq!(warnings, [], "{entry}");
            assert!(policy.is_any_origin() && policy.depends_on_origin() && !policy.is_list());
        }
    }

    #[test]
    fn the_default_is_any_origin_without_credentials() {
        let (policy, warnings) = CorsPolicy::compile(&CorsSettings::default()).unwrap();
        assert!(policy.is_any_origin() && !policy.depends_on_origin() && !policy.allows_credentials());
        assert!(policy.strips_upstream_headers() && policy.answers_preflight() && policy.verdict());
        assert!(!policy.refuses_other_origins() && !policy.is_report_only());
        assert_eq!(warnings, []);
        assert_eq!(policy.describe(), "any origin, no credentials");
    }

    #[test]
    fn credentials_need_a_list_of_origins() {
        for origins in
            [&["*"][..], &["*", "https://a.test"], &["~.*"], &["~https?://.+"], &["https://a.test", "~.*"]]
        {
            let found = faults_of(&settings(origins, true));
            assert!(
                found.len() == 1 && found[0].starts_with("allow_credentials: needs a list of origins"),
                "{found:?}"
            );
            assert_eq!(faults_of(&settings(origins, false)), Vec::<String>::new());
        }
        assert!(faults_of(&settings(&["https://a.test", "https://*.b.test", "loopback"], true)).is_empty());
    }

    #[test]
    fn a_list_names_somebody() {
        for origins in [
            &["https://app.example.com"][..],
            &["https://*.example.com", "loopback"],
            &[r"~https://[a-z]+\.example\.com"],
            &[r"~https://app-[0-9]+\.vercel\.app"],
            &["https://*.internal"],
        ] {
            let (policy, _) = CorsPolicy::compile(&settings(origins, false)).unwrap();
            assert!(policy.is_list(), "{origins:?}: {:?}", policy.strangers());
        }
        for origins in [
            &["*"][..],
            &["null"],
            &["https://app.example.com", "null"],
            &["~.*"],
            &["~https://.*"],
            &["~https?://[^/]+"],
            &[r"~https://[a-z0-9-]+\.com"],
            &[r"~https://.+\.github\.io"],
            &["https://*.com"],
            &["https://*.co.uk"],
            &["https://*.vercel.app"],
            &["https://*.com:8443"],
        ] {
            let (policy, _) = CorsPolicy::compile(&settings(origins, false)).unwrap();
            assert!(!policy.is_list(), "{origins:?}");
        }
    }

    #[test]
    fn null_is_never_granted_credentials() {
        let found = faults_of(&settings(&["null", "https://a.test"], true));
        assert!(found.len() == 1 && found[0].starts_with("allow_origins: \"null\""), "{found:?}");
        assert!(faults_of(&settings(&["null"], false)).is_empty());
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_spelling_that_is_one() {
        let cases = [
            ("https://App.example.com/", "write \"https://app.example.com\""),
            ("app.example.com", "write \"https://app.example.com\""),
            ("https://app.example.com:443", "write \"https://app.example.com\""),
            ("https://*.Example.com/", "write \"https://*.example.com\""),
            ("https://*", "wildcard in the wrong place"),
            ("https://*example.com", "wildcard in the wrong place"),
            ("*.example.com", "write \"https://*.example.com\""),
            ("localhost:5173", "write \"http://localhost:5173\", or \"loopback\""),
            ("127.0.0.1", "write \"http://127.0.0.1\", or \"loopback\""),
            ("localhost", "write \"http://localhost\", or \"loopback\""),
            ("any", "write \"*\""),
            ("All", "write \"*\""),
            ("", "is no origin"),
            ("Null", "write \"null\""),
            ("https://", "is no origin"),
            ("~(", "is no regular expression: unclosed group"),
            ("~", "is no regular expression: is empty"),
        ];
        for (entry, expected) in cases {
            let found = faults_of(&settings(&[entry], false));
            assert!(found.len() == 1 && found[0].contains(expected), "{entry}: {found:?}");
            assert!(found[0].starts_with("allow_origins: ") && !found[0].contains('\n'), "{found:?}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let settings = CorsSettings {
            allow_methods: strings(&["P UT", "*"]),
            allow_headers: strings(&["x:y", "*"]),
            expose_headers: strings(&["*", "x\r\ny", ""]),
            ..settings(&["null", "https://A.test", "~("], true)
        };
        let found = faults_of(&settings);
        assert_eq!(found.len(), 10, "{found:#?}");
        assert!(found.iter().all(|fault| !fault.contains(['\r', '\n'])));
    }

    #[test]
    fn the_words_for_all_names_stand_alone() {
        for key in [METHODS, HEADERS, EXPOSE] {
            for names in [&["*"][..], &["any", "X-A"], &["all", "X-A"]] {
                let mut settings = CorsSettings::default();
                match key {
                    METHODS => settings.allow_methods = strings(names),
                    HEADERS => settings.allow_headers = strings(names),
                    _ => settings.expose_headers = strings(names),
                }
                let found = faults_of(&settings);
                assert!(
                    found.len() == 1 && found[0].starts_with(key) && found[0].contains("alone"),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn what_may_not_be_meant_is_warned_of() {
        let with = |change: &dyn Fn(&mut CorsSettings)| {
            let mut settings = settings(&["https://a.test"], false);
            change(&mut settings);
            warnings(&settings)
        };
        let cases = [
            (with(&|s| s.allow_origins = strings(&["~https://app.example.com"])), "dot"),
            (with(&|s| s.allow_origins = strings(&[r"~https://.*example\.com"])), "https://evilexample.com"),
            (with(&|s| s.allow_origins = strings(&["*", "https://a.test"])), "every origin"),
            (with(&|s| s.allow_methods = strings(&["patch"])), "PATCH"),
            (with(&|s| s.allow_methods = strings(&["TRACE"])), "never"),
            (with(&|s| s.preflight = Preflight::Forward), "--upstream-headers keep"),
            (warnings(&settings(&["https://*.com"], true)), "anybody can register under, with credentials"),
            (warnings(&settings(&["https://*.co.uk:8443"], false)), "anybody can register under"),
        ];
        for (warnings, expected) in cases {
            assert!(warnings.len() == 1 && warnings[0].contains(expected), "{expected}: {warnings:?}");
        }
        let quiet = with(&|s| {
            s.preflight = Preflight::Forward;
            s.upstream_headers = UpstreamHeaders::Keep;
            s.allow_methods = strings(&["PATCH", "PROPFIND"]);
        });
        assert_eq!(quiet, Vec::<String>::new());
    }

    #[test]
    fn plain_http_with_credentials_is_a_fault_behind_tls_only() {
        for (origins, credentials, expected) in [
            (&["https://a.test", "http://a.test"][..], true, Some("http://a.test")),
            (&["http://*.a.test"], true, Some("http://*.a.test")),
            (&[r"~https?://a\.test"], true, Some("a\\.test")),
            (&["http://a.test"], false, None),
            (&["http://localhost:3000", "http://127.0.0.1", "http://[::1]:1", "loopback"], true, None),
            (&["https://a.test", r"~https://b\.test"], true, None),
            (&["http://localhost.evil.test"], true, Some("http://localhost.evil.test")),
        ] {
            let (policy, _) = CorsPolicy::compile(&settings(origins, credentials)).unwrap();
            let fault = policy.faults_behind_tls().next().map(|fault| fault.message);
            assert_eq!(fault.is_some(), expected.is_some(), "{origins:?}");
            assert!(expected.is_none_or(|text| fault.unwrap().contains(text)), "{origins:?}");
        }
    }

    #[test]
    fn get_head_and_post_are_always_allowed_and_case_counts_for_methods_only() {
        let settings = CorsSettings {
            allow_methods: strings(&["PUT"]),
            allow_headers: strings(&["X-Token"]),
            ..CorsSettings::default()
        };
        let (policy, _) = CorsPolicy::compile(&settings).unwrap();
        for (method, allowed) in [
            ("GET", true),
            ("HEAD", true),
            ("POST", true),
            ("PUT", true),
            ("put", false),
            ("get", false),
            ("DELETE", false),
        ] {
            assert_eq!(policy.allows_method(method.as_bytes()), allowed, "{method}");
        }
        assert!(policy.allows_header(b"x-tOKEN") && !policy.allows_header(b"x-toke"));
    }

    #[test]
    fn a_policy_describes_itself_in_one_line() {
        let settings = CorsSettings {
            allow_methods: strings(&["PUT"]),
            preflight: Preflight::Forward,
            upstream_headers: UpstreamHeaders::Keep,
            ..settings(&["https://a.test", "https://b.test", "loopback"], true)
        };
        let (policy, _) = CorsPolicy::compile(&settings).unwrap();
        assert_eq!(
            policy.describe(),
            "https://a.test and 2 more, with credentials, methods PUT, preflights forwarded, \
             upstream's CORS fields kept"
        );
    }
}

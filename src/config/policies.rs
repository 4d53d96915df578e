//! The CORS policy and the gateway's settings: text to values, defaults where nothing was typed.
//!
//! What the values mean is decided where they are compiled, in [`cors`](crate::cors) and
//! [`access`](crate::access); their faults come back here to be noted under the flag that was typed.

use std::time::Duration;

use super::{
    Redirects,
    flags::{GatewaySettings, PolicySettings},
    notes::Notes,
    units, words,
};
use crate::{
    access::{AllowHosts, RuleFault, TargetRules},
    cors::{CorsPolicy, CorsSettings, PolicyFault, Preflight, ResourcePolicy, UpstreamHeaders},
    gateway::GatewayForms,
    http1::fields,
};

/// The CORS policy in its own terms.
pub(super) fn cors_settings(settings: &PolicySettings, notes: &mut Notes) -> CorsSettings {
    let list_or = |notes: &mut Notes, key, typed: &[String], default: &str| match typed {
        [] => vec![default.to_owned()],
        typed => notes.list(key, typed),
    };
    CorsSettings {
        report_only: false,
        allow_origins: list_or(notes, "--allow-origin", &settings.allow_origin, "*"),
        allow_credentials: notes.switch("--allow-credentials", settings.allow_credentials.as_ref()),
        allow_methods: list_or(notes, "--allow-method", &settings.allow_method, "any"),
        allow_headers: list_or(notes, "--allow-header", &settings.allow_header, "any"),
        expose_headers: list_or(notes, "--expose-header", &settings.expose_header, "all"),
        max_age: notes.value(
            "--max-age",
            settings.max_age.as_ref(),
            Duration::from_secs(600),
            units::duration,
        ),
        private_network: notes.switch("--private-network", settings.private_network.as_ref()),
        upstream_headers: notes.value(
            "--upstream-headers",
            settings.upstream_headers.as_ref(),
            UpstreamHeaders::Replace,
            |text| {
                words::choice(text, &[("replace", UpstreamHeaders::Replace), ("keep", UpstreamHeaders::Keep)])
            },
        ),
        preflight: notes.value("--preflight", settings.preflight.as_ref(), Preflight::Answer, |text| {
            words::choice(text, &[("answer", Preflight::Answer), ("forward", Preflight::Forward)])
        }),
        refuse_other_origins: notes.switch("--refuse-other-origins", settings.refuse_other_origins.as_ref()),
        timing: notes.switch("--timing", settings.timing.as_ref()),
        resource_policy: notes.value("--resource-policy", settings.resource_policy.as_ref(), None, |text| {
            let policies = [
                ("cross-origin", ResourcePolicy::CrossOrigin),
                ("same-site", ResourcePolicy::SameSite),
                ("same-origin", ResourcePolicy::SameOrigin),
            ];
            words::choice(text, &policies).map(Some)
        }),
        verdict: !notes.switch("--no-verdict", settings.no_verdict.as_ref()),
    }
}

/// The CORS policy; `None` if it is faulty.
pub(super) fn cors(settings: &CorsSettings, notes: &mut Notes) -> Option<CorsPolicy> {
    match CorsPolicy::compile(settings) {
        Ok((policy, warnings)) => {
            warnings
                .into_iter()
                .for_each(|PolicyFault { key, message }| notes.warn(&policy_flag(key), message));
            Some(policy)
        }
        Err(faults) => {
            faults
                .into_iter()
                .for_each(|PolicyFault { key, message }| notes.fault(&policy_flag(key), message));
            None
        }
    }
}

/// The flag of a key of the policy: lists are plural there, and a flag names one member at a time.
fn policy_flag(key: &str) -> String {
    match key {
        "allow_origins" => "--allow-origin".into(),
        "allow_methods" => "--allow-method".into(),
        "allow_headers" => "--allow-header".into(),
        "expose_headers" => "--expose-header".into(),
        "verdict" => "--no-verdict".into(),
        key => format!("--{}", key.replace('_', "-")),
    }
}

/// The gateway's settings, understood one by one. They are read even where there is no gateway, so that a
/// fault in them does not wait for the day when there is.
pub(super) struct GatewayParts {
    /// `None`: there is no gateway.
    pub(super) forms: Option<GatewayForms>,
    /// `None`: faulty.
    pub(super) rules: Option<TargetRules>,
    /// What becomes of redirects.
    pub(super) redirects: Redirects,
    /// Fields of which one is required.
    pub(super) require_headers: Vec<Box<str>>,
    /// `None`: faulty.
    pub(super) allow_hosts: Option<AllowHosts>,
    /// The hosts behind `allow_hosts`, as typed.
    pub(super) hosts: Vec<String>,
    /// Published knowingly.
    pub(super) open: bool,
}

/// The gateway's settings; without an upstream the gateway is on unasked, in both forms.
pub(super) fn gateway(settings: &GatewaySettings, has_upstream: bool, notes: &mut Notes) -> GatewayParts {
    let both = GatewayForms { query: true, path: true };
    let forms = if settings.gateway.is_empty() {
        (!has_upstream).then_some(both)
    } else {
        let (query, path) =
            (GatewayForms { query: true, path: false }, GatewayForms { query: false, path: true });
        let named = notes.members("--gateway", &settings.gateway, |text| {
            words::choice(text, &[("query", query), ("path", path)])
        });
        Some(GatewayForms {
            query: named.iter().any(|form| form.query),
            path: named.iter().any(|form| form.path),
        })
    };
    let allow = notes.list("--allow-target", &settings.allow_target);
    let deny = notes.list("--deny-target", &settings.deny_target);
    let rules = TargetRules::compile(&allow, &deny)
        .map_err(|faults| {
            for RuleFault { rule, message } in faults {
                let key = if allow.contains(&rule) { "--allow-target" } else { "--deny-target" };
                notes.fault(key, format!("\"{rule}\": {message}"));
            }
        })
        .ok();
    let hosts = match settings.allow_host.as_slice() {
        [] => ["localhost", "127.0.0.1", "[::1]"].map(String::from).to_vec(),
        typed => notes.list("--allow-host", typed),
    };
    let allow_hosts = AllowHosts::compile(&hosts)
        .map_err(|faults| {
            for RuleFault { rule, message } in faults {
                notes.fault("--allow-host", format!("\"{rule}\": {message}"));
            }
        })
        .ok();
    let choices = [("follow", Redirects::Follow), ("rewrite", Redirects::Rewrite), ("pass", Redirects::Pass)];
    GatewayParts {
        forms,
        rules,
        redirects: notes.value("--redirects", settings.redirects.as_ref(), Redirects::Follow, |text| {
            words::choice(text, &choices)
        }),
        require_headers: notes.members("--require-header", &settings.require_header, |name| {
            if fields::is_token(name.as_bytes()) {
                Ok(name.into())
            } else {
                Err(format!("\"{name}\" is no name of a header; expected one such as Origin"))
            }
        }),
        allow_hosts,
        hosts,
        open: notes.switch("--open", settings.open.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    /// What `read` makes of its settings, and the messages of the faults it notes.
    fn noted<T>(read: impl FnOnce(&mut Notes) -> T) -> (T, Vec<String>) {
        let mut notes = Notes::default();
        let value = read(&mut notes);
        (value, notes.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_word_of_the_cors_policy_reaches_its_field() {
        let defaults = noted(|notes| cors_settings(&PolicySettings::default(), notes)).0;
        assert_eq!((defaults.allow_origins, defaults.allow_methods), (vec!["*".into()], vec!["any".into()]));
        assert_eq!(
            (defaults.allow_headers, defaults.expose_headers),
            (vec!["any".into()], vec!["all".into()])
        );
        assert_eq!(defaults.max_age, Duration::from_secs(600));
        assert!(matches!(defaults.upstream_headers, UpstreamHeaders::Replace));
        assert!(matches!(defaults.preflight, Preflight::Answer));
        assert!(defaults.resource_policy.is_none() && defaults.verdict);
        assert!(!defaults.allow_credentials && !defaults.private_network);
        assert!(!defaults.refuse_other_origins && !defaults.timing);

        let settings = PolicySettings {
            allow_origin: vec!["https://a.example, https://b.example".into(), "null".into()],
            allow_credentials: text("true"),
            allow_method: vec!["PUT,DELETE".into()],
            allow_header: vec!["X-A".into()],
            expose_header: vec!["X-B".into()],
            max_age: text("0"),
            private_network: text("on"),
            upstream_headers: text("keep"),
            preflight: text("forward"),
            refuse_other_origins: text("1"),
            timing: text("yes"),
            resource_policy: text("same-site"),
            no_verdict: text("true"),
        };
        let (typed, faults) = noted(|notes| cors_settings(&settings, notes));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(typed.allow_origins, ["https://a.example", "https://b.example", "null"]);
        assert_eq!(
            (typed.allow_methods, typed.allow_headers),
            (vec!["PUT".into(), "DELETE".into()], vec!["X-A".into()])
        );
        assert_eq!((typed.expose_headers, typed.max_age), (vec!["X-B".into()], Duration::ZERO));
        assert!(
            typed.allow_credentials && typed.private_network && typed.refuse_other_origins && typed.timing
        );
        assert!(matches!(typed.upstream_headers, UpstreamHeaders::Keep));
        assert!(matches!(typed.preflight, Preflight::Forward));
        assert!(matches!(typed.resource_policy, Some(ResourcePolicy::SameSite)) && !typed.verdict);
    }

    #[test]
    fn keys_of_the_policy_become_flags() {
        for (key, flag) in [
            ("allow_origins", "--allow-origin"),
            ("expose_headers", "--expose-header"),
            ("max_age", "--max-age"),
            ("refuse_other_origins", "--refuse-other-origins"),
        ] {
            assert_eq!(policy_flag(key), flag);
        }
    }

    #[test]
    fn the_forms_of_the_gateway_are_switched_on_by_name() {
        for (typed, has_upstream, expected) in [
            (&[][..], false, Some((true, true))),
            (&[], true, None),
            (&["query"], true, Some((true, false))),
            (&["path"], false, Some((false, true))),
            (&["query,path"], true, Some((true, true))),
            (&["path", "query"], false, Some((true, true))),
        ] {
            let settings = GatewaySettings {
                gateway: typed.iter().map(ToString::to_string).collect(),
                ..Default::default()
            };
            let (parts, faults) = noted(|notes| gateway(&settings, has_upstream, notes));
            assert_eq!(parts.forms.map(|forms| (forms.query, forms.path)), expected, "{typed:?}");
            assert_eq!(faults, Vec::<String>::new());
        }
    }

    #[test]
    fn faults_of_the_gateway_name_flag_and_value() {
        let settings = GatewaySettings {
            gateway: vec!["querry".into()],
            require_header: vec!["Origin, X A".into()],
            redirects: text("folow"),
            open: text("perhaps"),
            allow_host: vec![",".into()],
            ..Default::default()
        };
        let (_, faults) = noted(|notes| gateway(&settings, false, notes));
        for expected in [
            "--gateway: \"querry\" is none of query, path; did you mean query?",
            "--require-header: \"X A\" is no name of a header; expected one such as Origin",
            "--redirects: \"folow\" is none of follow, rewrite, pass; did you mean follow?",
            "--open: \"perhaps\" is neither true nor false",
            "--allow-host: has an empty member; expected a value before and after every comma",
        ] {
            assert!(faults.iter().any(|fault| fault == expected), "{expected}: {faults:?}");
        }
    }
}

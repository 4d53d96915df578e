//! `[gateway]`: who may use it for what.

use std::sync::Arc;

use super::{
    forward,
    gateway_target::{self, TargetEdits},
    keys::Key,
    parent_proxy::ParentProxies,
    reader::Reader,
    settings::Part,
    values,
};
use crate::{
    access::{RuleFault, TargetRules},
    gateway::GatewayForms,
    http1::{
        edits::{Edits, fault_of_set},
        fields,
    },
    tls::ClientTls,
    uri::TargetUrl,
};

/// The gateway, and who may use it for what.
pub struct Gateway {
    /// How a request names its target; at least one is on.
    pub forms: GatewayForms,
    /// Which targets it may name.
    pub rules: TargetRules,
    /// What becomes of a target's redirect.
    pub redirects: Redirects,
    /// Whether a page that asks for something of its own origin is sent there.
    pub redirect_same_origin: bool,
    /// What becomes of cookies.
    pub cookies: Cookies,
    /// Names of fields of which a request must carry one; empty asks for none.
    pub require_headers: Vec<Box<str>>,
    /// Names of fields that a page may set for a target.
    pub set_headers: Vec<Box<str>>,
    /// Whether nothing but the list of origins restricts who uses it where strangers reach it: then a request must come
    /// from one of them.
    pub only_origins: bool,
    /// How TLS is spoken to targets.
    pub tls: ClientTls,
    /// What is changed of requests for some targets; the first that is for one counts.
    pub targets: Vec<TargetEdits>,
    /// What targets are asked through; `None`: nothing.
    pub parents: Option<Arc<ParentProxies>>,
}

impl Gateway {
    /// What is changed of requests for this target.
    #[must_use]
    pub fn edits_of(&self, target: &TargetUrl) -> Option<&Edits> {
        self.targets.iter().find(|own| own.pattern.covers(target)).map(|own| &own.edits)
    }
}

/// What becomes of a target's redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// The gateway goes there itself.
    Follow,
    /// `Location` becomes a URL of this gateway.
    Rewrite,
    /// The browser gets it as it is.
    Pass,
}

/// What becomes of the cookies of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// They go neither way.
    Strip,
    /// They go back to the target that has set them, and to no other.
    Isolate,
    /// They go both ways as they are.
    Pass,
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
    /// Whether pages are sent to their own origin.
    pub(super) redirect_same_origin: bool,
    /// What becomes of cookies.
    pub(super) cookies: Cookies,
    /// Fields of which one is required.
    pub(super) require_headers: Vec<Box<str>>,
    /// Fields that may be set.
    pub(super) set_headers: Vec<Box<str>>,
    /// What is added for some targets; `None`: faulty.
    pub(super) targets: Option<Vec<TargetEdits>>,
    /// Published knowingly.
    pub(super) open: bool,
    /// The name of its policy.
    pub(super) cors: String,
    /// Those of the tables that must admit.
    pub(super) access: Vec<String>,
    /// Those of the limits that count.
    pub(super) limit: Vec<String>,
}

impl GatewayParts {
    /// The gateway, where there is one; `None` where something of it is faulty.
    pub(super) fn gateway(
        self,
        only_origins: bool,
        tls: Option<ClientTls>,
        parents: Option<Arc<ParentProxies>>,
    ) -> Option<Option<Gateway>> {
        let redirect_same_origin = self.redirect_same_origin;
        let Self { forms, rules, redirects, cookies, require_headers, set_headers, targets, .. } = self;
        let Some(forms) = forms else { return Some(None) };
        let (rules, targets, tls) = (rules?, targets?, tls?);
        Some(Some(Gateway {
            forms,
            rules,
            redirects,
            redirect_same_origin,
            cookies,
            require_headers,
            set_headers,
            only_origins,
            tls,
            targets,
            parents,
        }))
    }
}

/// The gateway's settings; without an upstream the gateway is on unasked, in both forms.
pub(super) fn read(reader: &mut Reader<'_>) -> GatewayParts {
    let forms = forms(reader);
    let allow = reader.list(Key::AllowTarget);
    let deny = reader.list(Key::DenyTarget);
    let rules = TargetRules::compile(&allow, &deny)
        .map_err(|faults| {
            for RuleFault { rule, message } in faults {
                let key = if allow.contains(&rule) { Key::AllowTarget } else { Key::DenyTarget };
                reader.fault_of_member(key, &rule, format!("\"{rule}\": {message}"));
            }
        })
        .ok();
    let choices = [("follow", Redirects::Follow), ("rewrite", Redirects::Rewrite), ("pass", Redirects::Pass)];
    let cookies = [("strip", Cookies::Strip), ("isolate", Cookies::Isolate), ("pass", Cookies::Pass)];
    GatewayParts {
        forms,
        rules,
        redirects: reader.value(Key::Redirects, |text| values::choice(text, &choices)),
        redirect_same_origin: reader.switch(Key::RedirectSameOrigin),
        cookies: reader.value(Key::GatewayCookies, |text| values::choice(text, &cookies)),
        require_headers: reader.members(Key::RequireHeader, |name| {
            if fields::is_token(name.as_bytes()) {
                Ok(name.into())
            } else {
                Err(format!("\"{name}\" is no name of a header; expected one such as Origin"))
            }
        }),
        set_headers: reader.members(Key::SetHeaders, |name| match fault_of_set(name) {
            Some(reason) => Err(format!("\"{name}\" {reason}")),
            None => Ok(name.into()),
        }),
        targets: gateway_target::read(reader),
        open: reader.switch(Key::Open),
        cors: reader.value(Key::GatewayCors, |text| Ok(text.to_owned())),
        access: reader.list(Key::GatewayAccess),
        limit: reader.list(Key::GatewayLimit),
    }
}

/// The forms that a flag names, or those of the file; where neither speaks of a gateway, both, unless there is an
/// upstream, a route or a forward proxy to serve instead.
fn forms(reader: &mut Reader<'_>) -> Option<GatewayForms> {
    let bare_hosts = reader.switch(Key::BareHosts);
    let (query, path) = (
        GatewayForms { query: true, path: false, bare_hosts: false },
        GatewayForms { query: false, path: true, bare_hosts },
    );
    let named =
        reader.members(Key::GatewayForms, |text| values::choice(text, &[("query", query), ("path", path)]));
    let of_file = GatewayForms {
        bare_hosts,
        query: reader.value(Key::GatewayQuery, |text| values::choice(text, &[("url", true), ("off", false)])),
        path: reader.switch(Key::GatewayPath),
    };
    let has_paths =
        if reader.has(Key::GatewayForms) { named.iter().any(|form| form.path) } else { of_file.path };
    if bare_hosts && !has_paths {
        reader.warn(Key::BareHosts, "has no effect without the path form");
    }
    let serves_others = forward::is_on(reader)
        || reader.has(Key::Upstream)
        || [Part::Upstream, Part::Route].iter().any(|part| !reader.parts(*part).is_empty());
    if reader.has(Key::GatewayForms) {
        Some(GatewayForms {
            query: named.iter().any(|form| form.query),
            path: named.iter().any(|form| form.path),
            bare_hosts,
        })
    } else if !reader.has_table("gateway") {
        (!serves_others).then_some(of_file)
    } else if of_file.query || of_file.path {
        Some(of_file)
    } else {
        reader.fault(Key::GatewayPath, "a gateway without any form serves nothing; leave [gateway] out");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

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
            let mut settings: Vec<(Key, &str)> =
                typed.iter().map(|text| (Key::GatewayForms, *text)).collect();
            settings.extend(has_upstream.then_some((Key::Upstream, "http://127.0.0.1:9001")));
            let (parts, faults) = sample::faults(&settings, read);
            assert_eq!(parts.forms.map(|forms| (forms.query, forms.path)), expected, "{typed:?}");
            assert_eq!(faults, Vec::<String>::new());
        }
    }

    #[test]
    fn bare_hosts_are_part_of_the_path_form() {
        for (text, expected, warning) in [
            ("[gateway]", Some(false), None),
            ("[gateway]\nbare_hosts = true", Some(true), None),
            (
                "[gateway]\nbare_hosts = true\npath = false",
                Some(true),
                Some("f:2:14: gateway.bare_hosts: has no effect without the path form"),
            ),
        ] {
            let (faults, warnings) = sample::notes_of_file(text, &[]);
            assert_eq!((faults, warnings.first().map(String::as_str)), (vec![], warning), "{text}");
            let config = sample::compiled(&sample::file(text, &[]));
            assert_eq!(config.gateway.map(|gateway| gateway.forms.bare_hosts), expected, "{text}");
        }
    }

    #[test]
    fn faults_of_the_gateway_name_flag_and_value() {
        let settings = [
            (Key::GatewayForms, "querry"),
            (Key::RequireHeader, "Origin, X A"),
            (Key::Redirects, "folow"),
            (Key::Open, "perhaps"),
        ];
        let (_, faults) = sample::faults(&settings, read);
        for expected in [
            "--gateway: \"querry\" is none of query, path; did you mean query?",
            "--require-header: \"X A\" is no name of a header; expected one such as Origin",
            "--redirects: \"folow\" is none of follow, rewrite, pass; did you mean follow?",
            "--open: \"perhaps\" is neither true nor false",
        ] {
            assert!(faults.iter().any(|fault| fault == expected), "{expected}: {faults:?}");
        }
    }
}

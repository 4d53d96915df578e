//! `[cors]`: who may read the answers.
//!
//! What the values mean is decided where they are compiled, in [`cors`](crate::cors); its faults come back here to be
//! noted under the setting that was typed.

use super::{keys::Key, preset::Preset, reader::Reader, values};
use crate::cors::{CorsPolicy, CorsSettings, PolicyFault, Preflight, ResourcePolicy, UpstreamHeaders};

/// A policy by its place among all of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyId(pub(super) u16);

impl PolicyId {
    /// That of `[cors]`.
    pub const DEFAULT: Self = Self(0);

    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The policy in its own terms, and the preset that stands in for what was not typed.
pub(super) fn settings(reader: &mut Reader<'_>) -> (CorsSettings, Option<Preset>) {
    let preset = reader.optional(Key::Preset, |text| match text {
        "" => Err("is empty; give a value, or leave it out".to_owned()),
        _ => values::choice(text, &Preset::CHOICES),
    });
    (reader.with_preset(preset, typed), preset)
}

fn typed(reader: &mut Reader<'_>) -> CorsSettings {
    CorsSettings {
        allow_origins: reader.list(Key::AllowOrigin),
        deny_origins: reader.list(Key::DenyOrigin),
        allow_credentials: reader.switch(Key::AllowCredentials),
        allow_methods: reader.list(Key::AllowMethod),
        allow_headers: reader.list(Key::AllowHeader),
        expose_headers: reader.list(Key::ExposeHeader),
        max_age: reader.value(Key::MaxAge, values::duration),
        private_network: reader.switch(Key::PrivateNetwork),
        upstream_headers: reader.value(Key::UpstreamHeaders, |text| {
            values::choice(text, &[("replace", UpstreamHeaders::Replace), ("keep", UpstreamHeaders::Keep)])
        }),
        preflight: reader.value(Key::Preflight, |text| {
            values::choice(text, &[("answer", Preflight::Answer), ("forward", Preflight::Forward)])
        }),
        refuse_other_origins: reader.switch(Key::RefuseOtherOrigins),
        timing: reader.switch(Key::Timing),
        resource_policy: reader.optional(Key::ResourcePolicy, |text| {
            let policies = [
                ("cross-origin", ResourcePolicy::CrossOrigin),
                ("same-site", ResourcePolicy::SameSite),
                ("same-origin", ResourcePolicy::SameOrigin),
            ];
            values::choice(text, &policies)
        }),
        verdict: reader.switch(Key::Verdict),
        report_only: reader.switch(Key::ReportOnly),
    }
}

/// The policy; `None` if it is faulty.
pub(super) fn policy(
    (settings, preset): &(CorsSettings, Option<Preset>),
    reader: &mut Reader<'_>,
) -> Option<CorsPolicy> {
    let is_open = preset.is_some() && settings.allow_origins.iter().any(|origin| origin == "*");
    if is_open {
        let message = "\"*\" would let any page use a server that takes whoever reaches it for its user; name the origins, or \
                       leave the preset out";
        reader.fault_of_member(Key::AllowOrigin, "*", message);
    }
    match CorsPolicy::compile(settings) {
        Ok((policy, warnings)) => {
            warnings.into_iter().for_each(|PolicyFault { key, message }| reader.warn(setting(key), message));
            (!is_open).then_some(policy)
        }
        Err(faults) => {
            faults
                .into_iter()
                .for_each(|PolicyFault { key, message }| reader.fault_of_quoted(setting(key), message));
            None
        }
    }
}

/// Warns of what is dangerous about the policy where TLS is served.
pub(super) fn warn_behind_tls(policy: &CorsPolicy, reader: &mut Reader<'_>) {
    policy.faults_behind_tls().for_each(|PolicyFault { key, message }| reader.warn(setting(key), message));
}

/// The setting that the policy calls `key`; a key that is none yet is told as the origins, which all is about.
fn setting(key: &str) -> Key {
    Key::named(&format!("cors.{key}")).unwrap_or(Key::AllowOrigin)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::sample, *};

    #[test]
    fn each_word_of_the_cors_policy_reaches_its_field() {
        let ((defaults, _), _) = sample::faults(&[], settings);
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

        let typed = [
            (Key::AllowOrigin, "https://a.example, https://b.example"),
            (Key::AllowOrigin, "null"),
            (Key::AllowCredentials, "true"),
            (Key::AllowMethod, "PUT,DELETE"),
            (Key::AllowHeader, "X-A"),
            (Key::ExposeHeader, "X-B"),
            (Key::MaxAge, "0"),
            (Key::PrivateNetwork, "on"),
            (Key::UpstreamHeaders, "keep"),
            (Key::Preflight, "forward"),
            (Key::RefuseOtherOrigins, "1"),
            (Key::Timing, "yes"),
            (Key::ResourcePolicy, "same-site"),
            (Key::Verdict, "true"),
        ];
        let ((typed, _), faults) = sample::faults(&typed, settings);
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
        // The flag says the contrary: `--no-verdict`.
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
            let (_, faults) = sample::faults(&[], |reader| reader.fault(setting(key), "x"));
            assert_eq!(faults, [format!("{flag}: x")]);
        }
    }
}

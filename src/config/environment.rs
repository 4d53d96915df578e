//! The environment: settings from variables, for what the command line leaves out.
//!
//! A variable that begins like ours and is no setting's is a fault where it resembles one: `CORSAIR_ALLOW_ORIGINS` was
//! meant to restrict, and ignored it would let everybody in. So were those of cors-anywhere, whose users change the program
//! and not what they start it with: they are read for the settings that do the same.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    intent,
    keys::Key,
    settings::{Settings, Typed, TypedAt},
};

/// What all variables of ours begin with.
const PREFIX: &str = "CORSAIR_";

/// What variables of cors-anywhere stand for.
const OF_CORS_ANYWHERE: [(&str, Key); 2] =
    [("CORSANYWHERE_WHITELIST", Key::AllowOrigin), ("CORSANYWHERE_BLACKLIST", Key::DenyOrigin)];
/// Another one, which restricts.
const RATE_OF_CORS_ANYWHERE: &str = "CORSANYWHERE_RATELIMIT";

/// Adds what `variables` say of settings that were not typed before.
///
/// A variable that is set but empty counts as not set: that is how container tools pass what nobody gave. Only where
/// it decides about access it is read, for then it is a fault.
pub(super) fn add(variables: impl IntoIterator<Item = (OsString, OsString)>, settings: &mut Settings) {
    let named = |(name, value): (OsString, OsString)| (name.to_string_lossy().into_owned(), value);
    let is_ours =
        |name: &String| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let (ours, others): (BTreeMap<String, OsString>, BTreeMap<String, OsString>) =
        variables.into_iter().map(named).partition(|(name, _)| is_ours(name));
    let variable_of = |key: &Key| key.row().flag.map(|flag| flag.variable());
    for (name, value) in ours {
        let key = Key::ALL.iter().copied().find(|key| variable_of(key).as_ref() == Some(&name));
        match (key, value.into_string()) {
            (Some(key), _) if settings.has(key) => {}
            (Some(key), Ok(text)) if text.is_empty() && !key.decides_about_access() => {}
            (Some(key), Ok(text)) => settings.add(key, Typed { text, at: TypedAt::Variable }),
            (Some(_), Err(_)) => settings.fault(name, "is no text in UTF-8"),
            (None, value) => unknown(&name, &value.unwrap_or_default(), settings),
        }
    }
    of_cors_anywhere(&others, settings);
}

/// Takes over what was said to cors-anywhere, and says how to say it here.
fn of_cors_anywhere(variables: &BTreeMap<String, OsString>, settings: &mut Settings) {
    let set = |name: &str| {
        let value = variables.get(name)?.to_string_lossy();
        (!value.is_empty()).then(|| value.into_owned())
    };
    for (name, key) in OF_CORS_ANYWHERE {
        let Some(text) = set(name) else { continue };
        let own = key.row().flag.map(|flag| flag.variable()).unwrap_or_default();
        if settings.has(key) {
            settings.warn(name.to_owned(), format!("has no effect beside {own}; leave it out"));
            continue;
        }
        settings.add(key, Typed { text, at: TypedAt::Variable });
        if key == Key::AllowOrigin && !settings.has(Key::RefuseOtherOrigins) {
            // There others are blocked, and not only unable to read.
            settings.add(Key::RefuseOtherOrigins, Typed { text: "true".into(), at: TypedAt::Variable });
            settings.warn(
                name.to_owned(),
                format!("is read as {own} with CORSAIR_REFUSE_OTHER_ORIGINS=true; set those instead"),
            );
        } else {
            settings.warn(name.to_owned(), format!("is read as {own}; set that instead"));
        }
    }
    if set(RATE_OF_CORS_ANYWHERE).is_some() {
        let message = "counts by origins, which only a file can say: write [limit.NAME] with rate, key = \"origin\" \
                       and exempt, and limit in [gateway]";
        settings.fault(RATE_OF_CORS_ANYWHERE.to_owned(), message);
    }
}

fn unknown(name: &str, value: &str, settings: &mut Settings) {
    let own = name.get(PREFIX.len()..).unwrap_or_default();
    if is_an_orchestrators(own, value) {
        return;
    }
    match intent::of_variable(own, value) {
        Some(hint) => settings.fault(name, hint),
        None => settings.warn(name, "has no effect: there is no such setting"),
    }
}

/// Whether Kubernetes or Docker sets a variable of this name for a service called `corsair`, or `corsair-…`.
fn is_an_orchestrators(name: &str, value: &str) -> bool {
    let is_url = value.contains("://");
    ["SERVICE_", "PORT_"].iter().any(|start| name.starts_with(start))
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part))
        || (name == "PORT" || name.ends_with("_PORT")) && is_url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{compile::compile, sample};

    fn added(variables: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        add(variables.iter().map(|(name, value)| (name.into(), value.into())), &mut settings);
        settings
    }

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let faults = compile(&added(variables), sample::MACHINE, None).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for key in Key::ALL {
            let Some(flag) = key.row().flag else { continue };
            let variable = format!("CORSAIR_{}", flag.long.replace('-', "_").to_uppercase());
            let settings = added(&[(&variable, "x")]);
            assert_eq!(
                settings.typed(*key),
                [Typed { text: "x".into(), at: TypedAt::Variable }],
                "{variable}"
            );
        }
    }

    #[test]
    fn what_is_typed_already_stands() {
        let mut settings = sample::settings(&[(Key::HostsFile, "a")]);
        add([("CORSAIR_HOSTS_FILE".into(), "b".into())], &mut settings);
        assert_eq!(settings.typed(Key::HostsFile), [Typed { text: "a".into(), at: TypedAt::Flag }]);
    }

    #[test]
    fn an_empty_variable_is_not_set_unless_it_decides_about_access() {
        for key in Key::ALL {
            let Some(flag) = key.row().flag else { continue };
            let found = faults(&[(&flag.variable(), "")]);
            let expected = format!("{}: is empty; give a value, or leave it out", flag.variable());
            let expected = if key.decides_about_access() { vec![expected] } else { vec![] };
            assert_eq!(found, expected);
        }
        for blank in [" ", ",", "https://a.example,", " , "] {
            let found = faults(&[("CORSAIR_ALLOW_ORIGIN", blank)]);
            assert!(found.len() == 1 && found[0].starts_with("CORSAIR_ALLOW_ORIGIN: "), "{found:?}");
        }
    }

    #[test]
    fn a_variable_that_resembles_a_setting_is_a_fault() {
        for (name, hint) in [
            ("CORSAIR_ALLOW_ORIGINS", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("CORSAIR_ALOW_ORIGIN", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("CORSAIR_ALLOWED_ORIGINS", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("CORSAIR_CORS_ALLOW_ORIGIN", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("Corsair_allow_origin", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("CORSAIR_ALLOW-ORIGIN", "; did you mean CORSAIR_ALLOW_ORIGIN?"),
            ("CORSAIR_ORIGIN", "; set CORSAIR_ALLOW_ORIGIN"),
            ("CORSAIR_BACKEND", "; set CORSAIR_UPSTREAM"),
            ("CORSAIR_PORT", "; set CORSAIR_LISTEN=127.0.0.1:8080, or :8080 for all addresses"),
            ("CORSAIR_OPEM", ""),
        ] {
            assert_eq!(faults(&[(name, "8080")]), [format!("{name}: there is no such setting{hint}")]);
            assert_eq!(faults(&[(name, "")]).len(), 1, "{name}");
        }
    }

    #[test]
    fn what_was_said_to_cors_anywhere_is_taken_over_and_told() {
        let set = |variables: &[(&str, &str)], more: &[(Key, &str)]| {
            let mut settings = sample::settings(more);
            add(variables.iter().map(|(name, value)| (name.into(), value.into())), &mut settings);
            let notes = settings.notes();
            let told = |notes: &[crate::config::ConfigFault]| notes.iter().map(ToString::to_string).collect();
            let (warnings, faults): (Vec<String>, Vec<String>) = (told(&notes.warnings), told(&notes.faults));
            (settings, warnings, faults)
        };
        let (settings, warnings, faults) = set(
            &[
                ("CORSANYWHERE_WHITELIST", "https://a.example,http://a.example:8080"),
                ("CORSANYWHERE_BLACKLIST", "https://b.example"),
            ],
            &[],
        );
        assert_eq!(
            warnings,
            [
                "CORSANYWHERE_WHITELIST: is read as CORSAIR_ALLOW_ORIGIN with CORSAIR_REFUSE_OTHER_ORIGINS=true; set those instead",
                "CORSANYWHERE_BLACKLIST: is read as CORSAIR_DENY_ORIGIN; set that instead",
            ]
        );
        assert_eq!(faults, Vec::<String>::new());
        let config = sample::compiled(&settings);
        assert!(config.cors().is_list() && config.cors().refuses_other_origins());
        let (settings, warnings, _) = set(
            &[("CORSANYWHERE_WHITELIST", "https://a.example")],
            &[(Key::AllowOrigin, "https://b.example")],
        );
        assert_eq!(
            warnings,
            ["CORSANYWHERE_WHITELIST: has no effect beside CORSAIR_ALLOW_ORIGIN; leave it out"]
        );
        assert!(!settings.has(Key::RefuseOtherOrigins));
        let (settings, warnings, faults) =
            set(&[("CORSANYWHERE_RATELIMIT", "50 3 my.example.com"), ("CORSANYWHERE_WHITELIST", "")], &[]);
        assert_eq!((warnings, settings.has(Key::AllowOrigin)), (vec![], false));
        assert_eq!(
            faults,
            [
                "CORSANYWHERE_RATELIMIT: counts by origins, which only a file can say: write [limit.NAME] with rate, \
                 key = \"origin\" and exempt, and limit in [gateway]"
            ]
        );
    }

    #[test]
    fn other_variables_are_warned_of_and_an_orchestrators_own_are_not() {
        let settings = added(&[("CORSAIR_COLOUR", "red"), ("CORSAIR_HOME", "/"), ("CORSAIRS", "x")]);
        let notes = settings.notes();
        let warned: Vec<&str> = notes.warnings.iter().map(|warning| warning.key.as_str()).collect();
        assert_eq!((warned, notes.faults.len()), (vec!["CORSAIR_COLOUR", "CORSAIR_HOME"], 0));
        let orchestrated = [
            ("CORSAIR_SERVICE_HOST", "10.0.0.1"),
            ("CORSAIR_SERVICE_PORT_HTTP", "80"),
            ("CORSAIR_PORT", "tcp://10.0.0.1:80"),
            ("CORSAIR_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("CORSAIR_GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("CORSAIR_GATEWAY_PORT", "tcp://10.0.0.1:80"),
            ("CORSAIR_GATEWAY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ];
        assert_eq!(added(&orchestrated), Settings::default());
    }
}

//! The command line and its environment: settings from flags, and from variables where there is no flag.
//!
//! The grammar is made of the rows of [`Key`]; what a value means is none of its business.

use std::ffi::{OsStr, OsString};

use clap::{
    Arg, ArgAction, Command,
    builder::Resettable,
    error::ContextKind,
    parser::{ArgMatches, ValueSource},
};

use super::{
    keys::{Flag, Key, Kind, Row},
    settings::{Settings, Typed, TypedAt},
};

/// Reads the command line and, for what it leaves out, the environment.
///
/// A variable that is set but empty counts as not set: that is how container tools pass what nobody gave.
///
/// # Errors
/// clap's, for flags that do not exist and values that are missing; for `--help` and `--version` too. It
/// prints itself and knows its exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Settings, clap::Error> {
    settings(command(), arguments)
}

fn settings(
    command: Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Settings, clap::Error> {
    let mut matches = command.try_get_matches_from(arguments).map_err(without_dangerous_tip)?;
    let mut settings = Settings::default();
    for &key in Key::ALL {
        let Row { flag: Some(flag), kind, .. } = key.row() else { continue };
        let at = match matches.value_source(flag.long) {
            Some(ValueSource::CommandLine) => TypedAt::Flag,
            Some(ValueSource::EnvVariable) => TypedAt::Variable,
            Some(_) | None => continue,
        };
        for text in texts(&mut matches, *flag, *kind) {
            settings.add(key, Typed { text, at });
        }
    }
    Ok(settings)
}

/// What was typed for one flag.
fn texts(matches: &mut ArgMatches, flag: Flag, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Count => vec![matches.get_count(flag.long).to_string()],
        Kind::Value(_) | Kind::List(_) | Kind::Switch | Kind::Opposite => {
            matches.remove_many(flag.long).into_iter().flatten().collect()
        }
    }
}

/// A slip of the fingers must not be answered with the advice to open what is closed.
fn without_dangerous_tip(mut fault: clap::Error) -> clap::Error {
    let tip = fault.get(ContextKind::SuggestedArg).map(ToString::to_string);
    if tip.is_some_and(|tip| ["--open", "--insecure-upstream"].contains(&tip.as_str())) {
        fault.remove(ContextKind::SuggestedArg);
        fault.remove(ContextKind::Usage);
    }
    fault
}

/// The grammar, for the environment as it is. Shared with the generators of completions and manual.
#[must_use]
pub fn command() -> Command {
    grammar().mut_args(|arg| match arg.get_env().is_some_and(is_unset) {
        true => arg.env(Resettable::Reset),
        false => arg,
    })
}

fn grammar() -> Command {
    let answer = |id, short, action, help| {
        Arg::new(id).short(short).long(id).action(action).help(help).help_heading("Observation")
    };
    Command::new("corsair")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A CORS reverse proxy and gateway for HTTP/1")
        .help_template(HELP)
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(Key::ALL.iter().filter_map(|key| argument(key.row())))
        .arg(answer("help", 'h', ArgAction::Help, "Print this help"))
        .arg(answer("version", 'V', ArgAction::Version, "Print the version"))
}

/// The flag of a setting, if it has one.
fn argument(row: &Row) -> Option<Arg> {
    let flag = row.flag?;
    let arg = Arg::new(flag.long)
        .long(flag.long)
        .env(flag.variable())
        .hide_env(true)
        .help_heading(row.heading)
        .help(row.help_line());
    let arg = match row.kind {
        Kind::Value(value) => arg.action(ArgAction::Set).value_name(value),
        Kind::List(value) => arg.action(ArgAction::Append).value_name(value),
        Kind::Switch | Kind::Opposite => arg
            .action(ArgAction::Set)
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::Count => arg.action(ArgAction::Count),
    };
    Some(match flag.short {
        Some(short) => arg.short(short),
        None => arg,
    })
}

fn is_unset(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_none_or(|value| value.is_empty())
}

const HELP: &str = "\
{about-with-newline}
Examples:
  corsair
      gateway on 127.0.0.1:3000: /?url=… and /https://host/…, any origin, public targets only
  corsair --upstream http://127.0.0.1:9001
      reverse proxy on 127.0.0.1:3000, any origin, no credentials
  corsair -l :8080 -u https://api.example.org --allow-origin https://app.example.com --allow-credentials
      reverse proxy for one web application
  corsair -l :8080 --allow-origin https://app.example.com --allow-target api.example.org
      gateway for one web application and one target

Every flag is also an environment variable: --allow-origin is CORSAIR_ALLOW_ORIGIN; a flag wins. Lists are
repeated or separated by commas. Durations: 250ms, 30s, 5m, 1h. Sizes: bytes, 16k, 10m, 1g.

{usage-heading} {usage}

{all-args}
";

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{self, compiled, described},
        *,
    };

    fn typed(arguments: &[&str]) -> Result<Settings, clap::Error> {
        parse(std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into))
    }

    fn rows() -> Vec<Arg> {
        let special = ["help", "version"];
        command().get_arguments().filter(|arg| !special.contains(&arg.get_id().as_str())).cloned().collect()
    }

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for arg in grammar().get_arguments() {
            let long = arg.get_long().expect("every flag has a long name");
            if !["help", "version"].contains(&long) {
                let variable = format!("CORSAIR_{}", long.replace('-', "_").to_uppercase());
                assert_eq!(arg.get_env(), Some(OsStr::new(&variable)), "--{long}");
            }
        }
    }

    #[test]
    fn every_flag_stands_under_a_heading_with_one_line_of_help() {
        let headings =
            ["Serving", "CORS", "Gateway", "TLS", "Upstream", "DNS", "Limits", "Timeouts", "Observation"];
        for arg in command().get_arguments() {
            let id = arg.get_id();
            assert!(arg.get_help_heading().is_some_and(|heading| headings.contains(&heading)), "{id}");
            let help = arg.get_help().expect("help").to_string();
            assert!(!help.contains('\n') && !help.ends_with('.'), "{id}: {help}");
            assert!(arg.get_long_help().is_none_or(|long| long.to_string() == help), "{id}");
        }
    }

    #[test]
    fn every_default_is_in_the_help_and_is_what_holds_when_nothing_is_typed() {
        let plain = described(&sample::defaults());
        let mut found = 0;
        for key in Key::ALL {
            let row = key.row();
            let settings = match (row.flag, row.default) {
                (_, None) => {
                    assert!(!row.help_line().contains("[default: "), "{key:?}");
                    continue;
                }
                // Behind the flag stands what the help calls the default.
                (Some(flag), Some(_)) => {
                    let arg = rows().into_iter().find(|arg| arg.get_long() == Some(flag.long));
                    let help = arg.and_then(|arg| arg.get_help().cloned()).expect("help").to_string();
                    let (_, default) = help.split_once("[default: ").expect("a default");
                    let default = default.strip_suffix(']').expect("the default ends the line");
                    typed(&[&format!("--{}={default}", flag.long)]).expect("a flag")
                }
                (None, Some(default)) => sample::settings(&[(*key, default)]),
            };
            assert_eq!(described(&compiled(&settings)), plain, "{key:?}");
            found += 1;
        }
        assert!(found > 40, "only {found} defaults");
    }

    #[test]
    fn an_unknown_flag_hears_the_nearest_one() {
        let fault = typed(&["--alow-origin", "*"]).expect_err("unknown").to_string();
        assert!(fault.contains("--allow-origin"), "{fault}");
        assert_eq!(typed(&["--alow-origin", "*"]).expect_err("unknown").exit_code(), 2);
    }

    #[test]
    fn flags_of_later_stages_do_not_exist() {
        for flag in ["--config=x", "--admin=x", "--token=x", "--rate-limit=1", "--log-format=x", "--forward"]
        {
            assert!(typed(&[flag]).is_err(), "{flag}");
        }
        assert!(typed(&["check"]).is_err());
    }

    #[test]
    fn help_and_version_end_well() {
        for flag in ["--help", "-h", "--version", "-V"] {
            assert_eq!(typed(&[flag]).expect_err("an answer").exit_code(), 0, "{flag}");
        }
        let version = typed(&["-V"]).expect_err("an answer").to_string();
        assert_eq!(version.trim_end(), format!("corsair {}", env!("CARGO_PKG_VERSION")));
        let help = typed(&["--help"]).expect_err("an answer").to_string();
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text} is missing: {help}"));
        assert!(at("Examples:") < at("Usage:") && at("Usage:") < at("\nServing:"));
        assert!(!help.contains("CORSAIR_LISTEN"), "one sentence names the variables");
    }

    #[test]
    fn a_value_says_whether_it_came_from_a_flag_or_a_variable() {
        // A variable that every run of the tests has.
        let command = || command().mut_arg("hosts-file", |arg| arg.env("CARGO_MANIFEST_DIR"));
        for (arguments, text, at) in [
            (&["corsair"][..], env!("CARGO_MANIFEST_DIR"), TypedAt::Variable),
            (&["corsair", "--hosts-file=a"], "a", TypedAt::Flag),
        ] {
            let settings = settings(command(), arguments.iter().map(Into::into)).expect("flags");
            assert_eq!(settings.typed(Key::HostsFile), [Typed { text: text.into(), at }]);
        }
    }

    #[test]
    fn what_is_typed_is_kept_as_text() {
        let settings =
            typed(&["-l", ":1", "--listen=:2", "--timeout-head", "soon", "-vv", "--allow-credentials"]);
        let settings = settings.expect("flags");
        let texts = |settings: &Settings, key| -> Vec<String> {
            settings.typed(key).iter().map(|typed| typed.text.clone()).collect()
        };
        assert_eq!(texts(&settings, Key::Listen), [":1", ":2"]);
        assert_eq!(texts(&settings, Key::TimeoutHead), ["soon"]);
        assert_eq!(texts(&settings, Key::Verbose), ["2"]);
        assert_eq!(texts(&settings, Key::AllowCredentials), ["true"]);
        assert!(settings.typed(Key::Listen).iter().all(|typed| typed.at == TypedAt::Flag));
        let settings = typed(&["--allow-credentials=false", "--limit-head=1k"]).expect("flags");
        assert_eq!(texts(&settings, Key::AllowCredentials), ["false"]);
        assert_eq!(texts(&settings, Key::LimitHead), ["1k"]);
        assert!(!settings.has(Key::TimeoutHead));
    }
}

//! The command line: settings from flags, and from variables where there is no flag.
//!
//! The grammar is made of the rows of [`Key`]; what a value means is none of its business. It is read here and not by
//! clap, which writes the help: clap stops at the first word that it does not know, and that would hide what is
//! wrong with all others.

use std::{ffi::OsString, iter::Peekable, vec};

use clap::{Arg, ArgAction, ValueHint, builder::PossibleValuesParser};

use super::{
    artifact::Artifact,
    command::{Command, Takes},
    environment, intent,
    keys::{Key, Kind, Row},
    settings::{Settings, Typed, TypedAt},
    shorthand,
    subcommands::{Argument, FlagsOf, OwnFlag, SUBCOMMANDS, Subcommand},
};

/// Reads the command line and, for what it leaves out, the environment.
///
/// What belongs to no setting is noted in the settings, to be reported with everything else.
///
/// # Errors
/// The answer to `--help` and `--version`. It prints itself and knows its exit code.
pub fn parse_command(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(Command, Settings), clap::Error> {
    let (command, mut settings) = typed(arguments)?;
    environment::add(std::env::vars_os(), &mut settings);
    shorthand::expand(&mut settings);
    Ok((command, settings))
}

/// The settings alone.
///
/// # Errors
/// As [`parse_command`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Settings, clap::Error> {
    parse_command(arguments).map(|(_, settings)| settings)
}

/// Reads the command line alone; its first word is the program's own name.
fn typed(arguments: impl IntoIterator<Item = OsString>) -> Result<(Command, Settings), clap::Error> {
    let mut settings = Settings::default();
    let mut words = Vec::new();
    for word in arguments.into_iter().skip(1) {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => settings.fault(word.to_string_lossy(), "is no text in UTF-8"),
        }
    }
    let mut line =
        Line { words: words.into_iter().peekable(), settings, command: Command::Serve, named: None };
    if let Some(word) = line.words.next_if(|word| ["help", "version"].contains(&word.as_str())) {
        line.command();
        return Err(line.answer(&word));
    }
    line.command();
    while let Some(word) = line.words.next() {
        match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) if !long.is_empty() => line.long(&word, long)?,
            (None, Some(short)) if !short.is_empty() => line.short(&word, short)?,
            _ if word.is_empty() => line.settings.fault("\"\"", intent::of_word(&word)),
            _ if line.command.operand(&word) => {}
            _ => line.settings.fault(&word, intent::of_word(&word)),
        }
    }
    if let Some((word, message)) = line.command.missing() {
        line.settings.fault(word, message);
    }
    Ok((line.command, line.settings))
}

/// A command line that is being read.
struct Line {
    words: Peekable<vec::IntoIter<String>>,
    settings: Settings,
    command: Command,
    /// The command that the line begins with.
    named: Option<&'static Subcommand>,
}

impl Line {
    /// The command, if the line begins with one.
    fn command(&mut self) {
        let Some(word) = self.words.next_if(|word| Command::of_word(word).is_some()) else { return };
        self.named = Subcommand::named(&word);
        self.command = Command::of_word(&word).unwrap_or(Command::Serve);
        if matches!(self.command, Command::Generate(_)) {
            self.generate();
        }
    }

    /// What is to be generated: words up to the first flag.
    fn generate(&mut self) {
        let mut words = Vec::new();
        while let Some(word) = self.word_if(|word| !word.starts_with('-')) {
            words.push(word);
        }
        // Who asks what there is has not forgotten to say what.
        if words.is_empty() && self.words.peek().is_some_and(|word| ["-h", "--help"].contains(&word.as_str()))
        {
            return;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match Artifact::read(&words) {
            Ok((artifact, taken)) => {
                self.command = Command::Generate(artifact);
                for word in words.iter().skip(taken) {
                    self.settings.fault(*word, intent::of_word(word));
                }
            }
            Err((key, message)) => self.settings.fault(key, message),
        }
    }

    /// `--name`, with or without `=value`.
    fn long(&mut self, word: &str, long: &str) -> Result<(), clap::Error> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if ["help", "version"].contains(&name) {
            return Err(self.answer(name));
        }
        if let Some(takes) = self.command.option(name) {
            self.option(name, takes, value);
            return Ok(());
        }
        match Key::of_flag(name) {
            Some(key) => self.flag(key, &format!("--{name}"), value),
            None => self.unknown(word.split('=').next().unwrap_or(word), name, value),
        }
        Ok(())
    }

    /// `-l`, `-l:8080`, `-l=:8080`, or several that take no value in one word.
    fn short(&mut self, word: &str, letters: &str) -> Result<(), clap::Error> {
        let name = letters.split('=').next().unwrap_or(letters);
        if name.len() > 1 && Key::of_flag(name).is_some() {
            let value = self.value(letters.split_once('=').map(|(_, value)| value));
            self.settings.fault(word, intent::of_flag(name, value.as_deref()));
            return Ok(());
        }
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let attached = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
            match (letter, Key::of_short(letter)) {
                ('h', _) => return Err(self.answer("help")),
                ('V', _) => return Err(self.answer("version")),
                // The habit of those who have served with nginx.
                ('t', None) => {
                    if self.command == Command::Serve {
                        self.command = Command::Check { print: false };
                    }
                }
                (_, None) => {
                    self.unknown(&format!("-{letter}"), &letter.to_string(), attached);
                    break;
                }
                (_, Some(key)) => {
                    let takes_all = match key.row().kind {
                        Kind::Value(_) | Kind::List(_) | Kind::Fields(_) => true,
                        Kind::Switch | Kind::Opposite | Kind::Count => rest.starts_with('='),
                    };
                    self.flag(key, &format!("-{letter}"), attached.filter(|_| takes_all));
                    if takes_all {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// An option of the command, with what was attached to it.
    fn option(&mut self, name: &str, takes: Takes, attached: Option<&str>) {
        let spelled = format!("--{name}");
        let value = match takes {
            Takes::Nothing if attached.is_some() => {
                return self.settings.fault(spelled, "takes no value; leave it out where it is not meant");
            }
            Takes::Nothing => String::new(),
            Takes::Value(shown) => match self.value(attached) {
                Some(value) => value,
                None => {
                    let message = format!("needs a value: {spelled} {shown}");
                    return self.settings.fault(spelled, message);
                }
            },
        };
        if let Err(message) = self.command.set(name, value) {
            self.settings.fault(spelled, message);
        }
    }

    /// A flag that exists, spelled so, with what was attached to it.
    fn flag(&mut self, key: Key, spelled: &str, attached: Option<&str>) {
        match key.row().kind {
            Kind::Value(shown) | Kind::List(shown) | Kind::Fields(shown) => match self.value(attached) {
                Some(text) => self.add(key, spelled, text),
                None => self.settings.fault(spelled, format!("needs a value: {spelled} {shown}")),
            },
            Kind::Switch | Kind::Opposite => {
                if let Some(word) = attached.is_none().then(|| self.word_if(intent::is_yes_or_no)).flatten() {
                    let message = format!(
                        "is a switch, and \"{word}\" stands apart; write {spelled} or {spelled}={word}"
                    );
                    self.settings.fault(spelled, message);
                }
                self.add(key, spelled, attached.unwrap_or("true").to_owned());
            }
            Kind::Count => {
                let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
                if attached.is_some() || self.word_if(number).is_some() {
                    self.settings.fault(spelled, "takes no value; give it twice to say everything: -vv");
                }
                let before = self.settings.typed(key).last();
                let count = before.and_then(|typed| typed.text.parse().ok()).unwrap_or(0_usize);
                self.settings.set(key, Typed { text: (count + 1).to_string(), at: TypedAt::Flag });
            }
        }
    }

    fn add(&mut self, key: Key, spelled: &str, text: String) {
        if let ([first, ..], false) =
            (self.settings.typed(key), matches!(key.row().kind, Kind::List(_) | Kind::Fields(_)))
        {
            let message = format!("is given twice, as \"{}\" and \"{text}\"; give one", first.text);
            self.settings.fault(spelled, message);
        } else {
            self.settings.add(key, Typed { text, at: TypedAt::Flag });
        }
    }

    /// A flag that does not exist. The word behind it was probably its value.
    fn unknown(&mut self, spelled: &str, name: &str, attached: Option<&str>) {
        let value = self.value(attached);
        self.settings.fault(spelled, intent::of_flag(name, value.as_deref()));
    }

    /// What is attached to a flag, or the word behind it where that is no flag. Numbers below zero are none.
    fn value(&mut self, attached: Option<&str>) -> Option<String> {
        attached.map(ToOwned::to_owned).or_else(|| {
            self.word_if(|word| match word.strip_prefix('-') {
                Some(rest) => rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit()),
                None => true,
            })
        })
    }

    /// The text of the help, of the command if it has one of its own, or of the version.
    fn answer(&self, name: &str) -> clap::Error {
        let own = self.command.help().filter(|_| name == "help");
        let of = self.named.filter(|_| name == "help");
        let flag = format!("--{name}");
        let answer = match (own, of) {
            (Some(own), _) => {
                let own = own.arg(answering("help", 'h', ArgAction::Help).help("Print this help"));
                own.try_get_matches_from(["corsair", &flag])
            }
            (None, Some(of)) => command().try_get_matches_from(["corsair", of.name, &flag]),
            (None, None) => without_commands().try_get_matches_from(["corsair", &flag]),
        };
        answer.expect_err("help and version are no settings")
    }

    /// The next word, if it is such a one.
    fn word_if(&mut self, is: impl Fn(&str) -> bool) -> Option<String> {
        self.words.next_if(|word| is(word))
    }
}

/// The grammar, of which completions and manual are made.
#[must_use]
pub fn command() -> clap::Command {
    without_commands().subcommands(SUBCOMMANDS.iter().map(subcommand))
}

/// The grammar as the help shows it, in which commands are part of the text.
fn without_commands() -> clap::Command {
    let answer =
        |id, short, action, help| answering(id, short, action).help(help).help_heading("Observation");
    clap::Command::new("corsair")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A CORS reverse proxy and gateway for HTTP/1")
        .override_usage("corsair [OPTIONS]\n       corsair COMMAND [OPTIONS]")
        .help_template(help())
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args(Key::ALL.iter().filter_map(|key| argument(key.row())))
        .arg(answer("help", 'h', ArgAction::Help, "Print this help"))
        .arg(answer("version", 'V', ArgAction::Version, "Print the version"))
}

/// A flag that is answered at once.
fn answering(id: &'static str, short: char, action: ArgAction) -> Arg {
    Arg::new(id).short(short).long(id).action(action)
}

/// The grammar of one command.
fn subcommand(row: &Subcommand) -> clap::Command {
    let settings = match row.settings {
        FlagsOf::All => Key::ALL,
        FlagsOf::These(keys) => keys,
        FlagsOf::None => &[],
    };
    let own = Command::of_word(row.name).and_then(|command| command.help());
    let mut about = row.help.to_owned();
    about[..1].make_ascii_uppercase();
    clap::Command::new(row.name)
        .about(about)
        .max_term_width(100)
        .args(row.words.iter().map(word))
        .args(row.flags.iter().map(own_flag))
        .args(own.iter().flat_map(clap::Command::get_arguments).cloned())
        .args(settings.iter().filter_map(|key| argument(key.row())))
        .disable_help_flag(true)
        .arg(answering("help", 'h', ArgAction::Help).help("Print this help"))
}

fn word(word: &Argument) -> Arg {
    let arg = Arg::new(word.name).value_name(word.name).required(word.required).help(word.help);
    let choices = (word.choices)();
    if choices.is_empty() {
        return arg;
    }
    arg.value_parser(PossibleValuesParser::new(choices.into_iter().map(|(word, help)| {
        let value = clap::builder::PossibleValue::new(word);
        if help.is_empty() { value } else { value.help(help) }
    })))
}

fn own_flag(flag: &OwnFlag) -> Arg {
    let arg = Arg::new(flag.long).long(flag.long).help(flag.help);
    match (flag.value, flag.repeatable) {
        (Some(value), true) => arg.action(ArgAction::Append).value_name(value),
        (Some(value), false) => arg.action(ArgAction::Set).value_name(value),
        (None, _) => arg.action(ArgAction::SetTrue),
    }
}

/// The flag of a setting, if it has one.
fn argument(row: &Row) -> Option<Arg> {
    let flag = row.flag?;
    let arg = Arg::new(flag.long).long(flag.long).help_heading(row.heading).help(row.help_line());
    let arg = match row.kind {
        Kind::Value(value) => offering(arg.action(ArgAction::Set).value_name(value), value),
        Kind::List(value) | Kind::Fields(value) => {
            offering(arg.action(ArgAction::Append).value_name(value), value)
        }
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

/// What completions offer for a value that is called so in the help.
fn offering(arg: Arg, value: &'static str) -> Arg {
    if ["FILE", "PATH"].iter().any(|word| value.split('|').any(|choice| choice == *word)) {
        return arg.value_hint(ValueHint::FilePath);
    }
    let is_word = |choice: &str| !choice.is_empty() && choice.bytes().all(|byte| byte.is_ascii_lowercase());
    if value.contains('|') && value.split('|').all(is_word) {
        return arg.value_parser(PossibleValuesParser::new(value.split('|'))).hide_possible_values(true);
    }
    arg
}

/// The help, from its examples to its flags.
fn help() -> String {
    let mut commands = String::new();
    for Subcommand { name, usage, help, .. } in SUBCOMMANDS {
        let line = format!("  corsair {:<23}  {help}\n", format!("{name} {usage}"));
        commands += &line;
    }
    HELP.replace("{commands}", &commands)
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
  corsair --forward
      forward proxy on 127.0.0.1:3000: http://… and CONNECT, public targets only
  corsair -c /etc/corsair/corsair.toml
      all that a file says: listeners, policies, upstreams and routes

Commands:
{commands}
Every flag is also an environment variable: --allow-origin is CORSAIR_ALLOW_ORIGIN; a flag wins over
that, and both over the file. Lists are repeated or separated by commas. Durations: 250ms, 30s, 5m, 1h. Sizes: bytes, 16k, 10m, 1g.

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
        let words = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
        super::typed(words).map(|(_, settings)| settings)
    }

    /// What is said of words that are no setting's.
    fn noted(arguments: &[&str]) -> Vec<String> {
        typed(arguments).expect("settings").notes().faults.iter().map(ToString::to_string).collect()
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
    fn every_flag_stands_under_a_heading_with_one_line_of_help() {
        let headings = [
            "Serving",
            "CORS",
            "Gateway",
            "Forward proxy",
            "Rate limits",
            "TLS",
            "Upstream",
            "DNS",
            "Limits",
            "Timeouts",
            "Observation",
        ];
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
            // Asked for everywhere where they are typed, these names are not what nothing is.
            if *key == Key::AllowHost {
                continue;
            }
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
    fn an_unknown_flag_hides_nothing_and_takes_its_value_along() {
        let arguments = [
            "--alow-origin",
            "*",
            "--max-age",
            "10",
            "--no-such=x",
            "-p",
            "8080",
            "-x9",
            "http://a",
            "--port",
            "-q",
        ];
        let settings = typed(&arguments).expect("settings");
        let keys: Vec<&str> = settings.notes().faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["--alow-origin", "--no-such", "-p", "-x", "http://a", "--port"]);
        assert!(settings.has(Key::MaxAge) && settings.has(Key::Quiet) && !settings.has(Key::AllowOrigin));
        assert_eq!(
            noted(&["--alow-origin", "*"]),
            ["--alow-origin: there is no such flag; did you mean --allow-origin?"]
        );
    }

    #[test]
    fn a_value_that_is_missing_or_too_many_is_a_fault() {
        for (arguments, expected) in [
            (&["--max-age"][..], "--max-age: needs a value: --max-age DURATION"),
            (&["-l", "--quiet"], "-l: needs a value: -l ADDRESS"),
            (&["--workers", "1", "--workers=2"], "--workers: is given twice, as \"1\" and \"2\"; give one"),
            (
                &["--allow-credentials", "yes"],
                "--allow-credentials: is a switch, and \"yes\" stands apart; write --allow-credentials or \
                 --allow-credentials=yes",
            ),
            (&["-q", "1"], "-q: is a switch, and \"1\" stands apart; write -q or -q=1"),
            (&["--verbose=2"], "--verbose: takes no value; give it twice to say everything: -vv"),
            (&["-v", "2"], "-v: takes no value; give it twice to say everything: -vv"),
            (&["-listen", ":80"], "-listen: there is no such flag; did you mean --listen?"),
            (&["--", "x"], "--: belongs to no flag; corsair --help lists all of them"),
        ] {
            assert_eq!(noted(arguments).first().map(String::as_str), Some(expected), "{arguments:?}");
        }
        for arguments in
            [&["--workers", "-1"][..], &["-l:80"], &["-l=:80"], &["-qv"], &["-q=no"], &["--allow-origin="]]
        {
            assert_eq!(noted(arguments), Vec::<String>::new(), "{arguments:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_a_fault() {
        use std::os::unix::ffi::OsStringExt as _;
        let settings =
            super::typed(["corsair".into(), OsString::from_vec(b"--a\xff".into())]).expect("settings");
        assert_eq!(settings.1.notes().faults.len(), 1);
    }

    #[test]
    fn help_and_version_end_well() {
        for flag in ["--help", "-h", "--version", "-V", "-qh"] {
            assert_eq!(typed(&["--no-such", flag]).expect_err("an answer").exit_code(), 0, "{flag}");
        }
        assert_eq!(typed(&["help"]).expect_err("an answer").exit_code(), 0);
        for words in [&["generate", "--help"][..], &["generate", "man", "-h"], &["help", "generate"]] {
            let help = typed(words).expect_err("an answer").to_string();
            let known = Artifact::WORDS.iter().all(|(word, help_of, _)| {
                help.lines().any(|line| line.contains(word) && line.contains(help_of))
            });
            assert!(known && help.contains("[possible values: bash, "), "{words:?}: {help}");
        }
        assert_eq!(noted(&["-q", "help"]).len(), 1, "behind a flag it is a word that belongs to none");
        let version = typed(&["-V"]).expect_err("an answer").to_string();
        assert_eq!(version.trim_end(), format!("corsair {}", env!("CARGO_PKG_VERSION")));
        let help = typed(&["--help"]).expect_err("an answer").to_string();
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text} is missing: {help}"));
        assert!(at("Examples:") < at("Usage:") && at("Usage:") < at("\nServing:"));
        assert!(!help.contains("CORSAIR_LISTEN"), "one sentence names the variables");
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

//! What is to be done besides serving: the words that a command line may begin with, and what each takes beside the
//! flags of the settings.
//!
//! A command is a row of [`WORDS`]. What it takes is read by [`Command::option`], what stands alone by
//! [`Command::operand`].

use clap::Arg;

use super::{artifact::Artifact, values};

/// What is to be done with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve,
    /// Tell what is wrong with them.
    Check {
        /// Tell what is effective as a file.
        print: bool,
    },
    /// Tell what becomes of a request.
    Explain(Question),
    /// Tell what a running process does.
    Status {
        /// Again and again.
        watch: bool,
    },
    /// Have a running process read its configuration anew.
    Reload,
    /// Sign a URL.
    Sign(Signing),
    /// Print a file that goes with the program.
    Generate(Artifact),
}

/// A URL that is to be signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// The URL, as clients will ask for it.
    pub url: Option<String>,
    /// The name of the key.
    pub key: Option<String>,
    /// The table of access that has it; `None`: the only one that has.
    pub access: Option<String>,
    /// For how long.
    pub expires: Option<String>,
    /// The method; `None`: GET.
    pub method: Option<String>,
}

/// A request as a page would make it, of which is to be told what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What it is for.
    pub url: Option<String>,
    /// The origin of the page; `None`: no page asks, or one of the very origin of the URL.
    pub origin: Option<String>,
    /// Its method; `None`: GET.
    pub method: Option<String>,
    /// Fields that a script sets, each a name, or a name and a value behind a colon.
    pub headers: Vec<String>,
    /// Whether it is made with the credentials of its user.
    pub credentials: bool,
    /// Whether a WebSocket is opened.
    pub upgrade: bool,
    /// Whether programs are told, as JSON.
    pub json: bool,
}

/// A word that a command line may begin with.
pub(super) struct Word {
    pub(super) name: &'static str,
    /// The command.
    pub(super) begins: fn() -> Command,
}

/// All of them, but for those that are answered at once: help and version.
pub(super) const WORDS: &[Word] = &[
    Word { name: "check", begins: || Command::Check { print: false } },
    Word { name: "explain", begins: || Command::Explain(Question::default()) },
    Word { name: "status", begins: || Command::Status { watch: false } },
    Word { name: "reload", begins: || Command::Reload },
    Word { name: "sign", begins: || Command::Sign(Signing::default()) },
    Word { name: "generate", begins: || Command::Generate(Artifact::Config) },
];

/// What an option of a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// No value.
    Nothing,
    /// One, which the help calls so.
    Value(&'static str),
}

impl Command {
    /// The command that this word begins.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|known| known.name == word).map(|known| (known.begins)())
    }

    /// What the option `--NAME` of this command takes, if it has one.
    pub(super) fn option(&self, name: &str) -> Option<Takes> {
        match (self, name) {
            (Self::Check { .. }, "print")
            | (Self::Status { .. }, "watch")
            | (Self::Explain(_), "credentials" | "upgrade" | "json") => Some(Takes::Nothing),
            (Self::Explain(_), "origin") => Some(Takes::Value("ORIGIN")),
            (Self::Explain(_) | Self::Sign(_), "method") => Some(Takes::Value("METHOD")),
            (Self::Sign(_), "key" | "access") => Some(Takes::Value("NAME")),
            (Self::Sign(_), "expires") => Some(Takes::Value("DURATION")),
            (Self::Explain(_), "header") => Some(Takes::Value("NAME[: VALUE]")),
            _ => None,
        }
    }

    /// Takes an option that it has, with its value if that takes one.
    ///
    /// # Errors
    /// What is wrong with giving it.
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match (self, name) {
            (Self::Check { print }, "print") => *print = true,
            (Self::Status { watch }, "watch") => *watch = true,
            (Self::Explain(question), "credentials") => question.credentials = true,
            (Self::Explain(question), "upgrade") => question.upgrade = true,
            (Self::Explain(question), "json") => question.json = true,
            (Self::Explain(question), "header") => question.headers.push(value),
            (Self::Explain(question), "origin") => return once(&mut question.origin, value),
            (Self::Explain(question), "method") => return once(&mut question.method, value),
            (Self::Sign(signing), "method") => return once(&mut signing.method, value),
            (Self::Sign(signing), "key") => return once(&mut signing.key, value),
            (Self::Sign(signing), "access") => return once(&mut signing.access, value),
            (Self::Sign(signing), "expires") => return once(&mut signing.expires, value),
            _ => {}
        }
        Ok(())
    }

    /// Takes a word that belongs to no flag; whether it has a place for one.
    pub(super) fn operand(&mut self, word: &str) -> bool {
        match self {
            Self::Explain(Question { url: url @ None, .. }) | Self::Sign(Signing { url: url @ None, .. }) => {
                *url = Some(word.to_owned());
                true
            }
            Self::Serve
            | Self::Check { .. }
            | Self::Explain(_)
            | Self::Status { .. }
            | Self::Reload
            | Self::Sign(_)
            | Self::Generate(_) => false,
        }
    }

    /// What is missing of it, once all words are read.
    pub(super) const fn missing(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Explain(Question { url: None, .. }) => Some((
                "explain",
                "needs a URL: corsair explain --origin https://app.example.com http://127.0.0.1:3000/",
            )),
            Self::Sign(
                Signing { url: None, .. } | Signing { key: None, .. } | Signing { expires: None, .. },
            ) => Some((
                "sign",
                "needs a key, a time and a URL: corsair sign -c FILE --key k1 --expires 1h https://proxy.example.com/a",
            )),
            Self::Serve
            | Self::Check { .. }
            | Self::Explain(_)
            | Self::Status { .. }
            | Self::Reload
            | Self::Sign(_)
            | Self::Generate(_) => None,
        }
    }

    /// Its own help, where it has one.
    pub(super) fn help(&self) -> Option<clap::Command> {
        match self {
            Self::Explain(_) => Some(explain_help()),
            Self::Serve
            | Self::Check { .. }
            | Self::Status { .. }
            | Self::Reload
            | Self::Sign(_)
            | Self::Generate(_) => None,
        }
    }
}

fn once(place: &mut Option<String>, value: String) -> Result<(), String> {
    match place {
        Some(first) => Err(format!("is given twice, as \"{first}\" and \"{value}\"; give one")),
        None => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// The command that a word is a slip of.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    values::nearest(word, WORDS.iter().map(|known| known.name).chain(["help", "version"]))
}

/// The help of `corsair explain`.
fn explain_help() -> clap::Command {
    let value = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(clap::ArgAction::SetTrue).help(help)
    };
    clap::Command::new("corsair explain")
        .about("Tell what becomes of a page's request: route, policy, answers, and whether the page can read them")
        .help_template(EXPLAIN_HELP)
        .max_term_width(100)
        .disable_help_flag(true)
        .arg(value("origin", "ORIGIN", "Origin of the page, such as https://app.example.com; without it no page asks"))
        .arg(value("method", "METHOD", "Method, told apart by case [default: GET]"))
        .arg(
            value("header", "NAME[: VALUE]", "Field that the script sets; repeatable")
                .action(clap::ArgAction::Append),
        )
        .arg(switch("credentials", "Ask with the user's cookies, as fetch() does with credentials: \"include\""))
        .arg(switch("upgrade", "Open a WebSocket"))
        .arg(switch("json", "Tell programs: one JSON object on stdout"))
        .arg(Arg::new("url").value_name("URL").required(true).help(
            "What the page asks for: its scheme and port say which listener, its host which Host",
        ))
}

const EXPLAIN_HELP: &str = "\
{about-with-newline}
Examples:
  corsair explain -c /etc/corsair/corsair.toml --origin https://app.example.com https://api.example.com/v1
  corsair explain -u http://127.0.0.1:9001 --allow-origin https://app.example.com \\
      --origin https://app.example.com --method PUT --header x-token http://127.0.0.1:3000/
  corsair explain --origin null 'http://127.0.0.1:3000/?url=https://api.example.org/'

Usage: corsair explain [-c FILE] [FLAGS] [OPTIONS] URL

{all-args}

Flags are those of corsair --help: what is explained is what corsair would do with them. Nothing is sent, and no name is
resolved. Exit code: 0 where the page can read the answer, 3 where it cannot, 2 where something is wrong with what was
typed.
";

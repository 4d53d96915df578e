//! What was probably meant by words that are no setting's: slips of the pen, and habits from other programs.
//!
//! A hint never leads to what opens something: who mistypes a flag must not be told to trust everybody.

use super::{
    command::{self, WORDS},
    keys::{Key, Kind},
    values,
};

/// Flags that no hint names.
const DANGEROUS: [&str; 2] = ["open", "insecure-upstream"];

/// Names under which other programs know our settings, and what stands for them here. None of them is a flag of ours:
/// a test looks.
const HABITS: &[(&[&str], Meant)] = &[
    (&["port", "p"], Meant::Port),
    (&["host", "bind", "address", "addr", "b", "a", "server-port"], Meant::Flag("listen")),
    (
        &["origin", "origins", "o", "cors", "cors-origin", "whitelist", "origin-whitelist"],
        Meant::Flag("allow-origin"),
    ),
    (&["target"], Meant::Target),
    (
        &[
            "backend",
            "backends",
            "proxy",
            "proxy-pass",
            "reverse-proxy",
            "server",
            "to",
            "url",
            "destination",
        ],
        Meant::Flag("upstream"),
    ),
    (&["credentials", "with-credentials", "supports-credentials"], Meant::Flag("allow-credentials")),
    (&["methods", "method", "m"], Meant::Flag("allow-method")),
    (&["headers", "header"], Meant::Flag("allow-header")),
    (&["exposed-headers", "expose"], Meant::Flag("expose-header")),
    (&["cert", "certificate", "ssl-cert", "crt"], Meant::Flag("tls-cert")),
    (&["key", "private-key", "ssl-key"], Meant::Flag("tls-key")),
    (&["ca", "cacert", "ca-cert"], Meant::Flag("ca-file")),
    (&["threads", "jobs", "j", "processes"], Meant::Flag("workers")),
    (&["debug", "d"], Meant::Flag("verbose")),
    (&["loglevel", "level"], Meant::Flag("log-level")),
    (&["silent", "s"], Meant::Flag("quiet")),
    (&["log", "log-file", "logfile"], Meant::Flag("access-log")),
    (&["timeout"], Meant::Flag("timeout-response")),
];

/// What stands here for a name of somewhere else.
#[derive(Clone, Copy)]
enum Meant {
    /// This flag.
    Flag(&'static str),
    /// A listener on this port.
    Port,
    /// Where requests go, or may go.
    Target,
}

/// What to say of a flag that does not exist, `name` without its dashes, with what stood behind it.
pub(super) fn of_flag(name: &str, value: Option<&str>) -> String {
    let name = folded(name);
    let shown = value.map_or_else(String::new, |value| format!(" {value}"));
    let hint = match habit(&name) {
        Some(Meant::Flag("verbose")) => "write -v, or -vv for everything".to_owned(),
        Some(Meant::Flag(flag)) => format!("write --{flag}{}", if takes_value(flag) { &shown } else { "" }),
        Some(Meant::Port) => format!("write --listen {}", listener(value.unwrap_or("8080"))),
        Some(Meant::Target) => format!(
            "write --upstream{shown} to send every request there, or --allow-target to say what a gateway may reach"
        ),
        None => match nearest(&name) {
            Some(flag) if !DANGEROUS.contains(&flag) => format!("did you mean --{flag}?"),
            Some(_) | None => "corsair --help lists all of them".to_owned(),
        },
    };
    format!("there is no such flag; {hint}")
}

/// What to say of a variable that is no setting's, `name` without what all of them begin with; nothing where it
/// resembles none.
pub(super) fn of_variable(name: &str, value: &str) -> Option<String> {
    let name = folded(name);
    let hint = match habit(&name) {
        Some(Meant::Flag(flag)) => format!("; set {}", variable(flag)),
        Some(Meant::Port) => format!("; set {}={}", variable("listen"), listener(value)),
        Some(Meant::Target) => {
            format!("; set {} or {}", variable("upstream"), variable("allow-target"))
        }
        None => match nearest(&name)? {
            flag if DANGEROUS.contains(&flag) => String::new(),
            flag => format!("; did you mean {}?", variable(flag)),
        },
    };
    Some(format!("there is no such setting{hint}"))
}

/// What to say of a word that belongs to no flag.
pub(super) fn of_word(word: &str) -> String {
    let looks_like_a_port =
        !word.is_empty() && word.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit());
    if word.contains("://") || word.starts_with("unix:") {
        format!("belongs to no flag; write --upstream {word} to send requests there")
    } else if looks_like_a_port {
        format!("belongs to no flag; write --listen {}", listener(word))
    } else if WORDS.iter().map(|known| known.name).chain(["help", "version"]).any(|known| known == word) {
        format!("is a command, which comes first: corsair {word}")
    } else if let Some(near) = command::nearest(word) {
        format!("belongs to no flag, and is no command; did you mean corsair {near}?")
    } else if is_yes_or_no(word) {
        format!("belongs to no flag; the value of a switch follows an equals sign, as in --timing={word}")
    } else if word.contains([':', '.']) {
        format!("belongs to no flag; write --upstream http://{word} to send requests there")
    } else {
        "belongs to no flag; corsair --help lists all of them".to_owned()
    }
}

/// Whether `word` could be the value of a switch.
pub(super) fn is_yes_or_no(word: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&word.to_ascii_lowercase().as_str())
}

fn takes_value(flag: &str) -> bool {
    Key::of_flag(flag)
        .is_some_and(|key| matches!(key.row().kind, Kind::Value(_) | Kind::List(_) | Kind::Fields(_)))
}

/// A listener on this port, for this machine and for all.
fn listener(port: &str) -> String {
    let port = port.trim_start_matches(':');
    format!("127.0.0.1:{port}, or :{port} for all addresses")
}

fn variable(flag: &str) -> String {
    Key::of_flag(flag).and_then(|key| key.row().flag).map_or_else(String::new, |flag| flag.variable())
}

fn folded(name: &str) -> String {
    name.trim_matches(['-', '_']).to_ascii_lowercase().replace('_', "-")
}

fn habit(name: &str) -> Option<Meant> {
    HABITS.iter().find(|(names, _)| names.contains(&name)).map(|(_, meant)| *meant)
}

/// The flag that `name` is a slip of: some letters away from it, or its name with more words around it.
fn nearest(name: &str) -> Option<&'static str> {
    let flags = || Key::ALL.iter().filter_map(|key| key.row().flag).map(|flag| flag.long);
    let slip = values::nearest(name, flags());
    let words = format!("-{name}-");
    let around = |flag: &&str| ["-", "s-"].iter().any(|end| words.contains(&format!("-{flag}{end}")));
    slip.or_else(|| flags().filter(around).max_by_key(|flag| flag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_and_commands_are_no_flags_of_ours_and_lead_to_some() {
        for (names, meant) in HABITS {
            for name in *names {
                assert!(Key::of_flag(name).is_none(), "--{name}");
                let short = name.chars().next().filter(|_| name.len() == 1);
                assert!(short.is_none_or(|short| Key::of_short(short).is_none()), "-{name}");
                if let Meant::Flag(flag) = meant {
                    assert!(Key::of_flag(flag).is_some(), "--{flag}");
                }
            }
        }
    }

    #[test]
    fn a_slip_hears_the_flag_that_was_meant() {
        for (name, flag) in [
            ("upstreem", "upstream"),
            ("alow-origin", "allow-origin"),
            ("allow-origins", "allow-origin"),
            ("allowed-origins", "allow-origin"),
            ("allow_origin", "allow-origin"),
            ("Listen", "listen"),
            ("max-agee", "max-age"),
            ("tls-cert-file", "tls-cert"),
            ("cors-allow-headers", "allow-header"),
            ("verbos", "verbose"),
        ] {
            assert_eq!(
                of_flag(name, None),
                format!("there is no such flag; did you mean --{flag}?"),
                "{name}"
            );
        }
        for name in ["no-such", "opem", "insecure", "insecure-upstrem", "x", "nothing-like-it"] {
            assert_eq!(
                of_flag(name, None),
                "there is no such flag; corsair --help lists all of them",
                "{name}"
            );
        }
    }

    #[test]
    fn habits_are_answered_with_ours() {
        for (name, value, hint) in [
            ("port", Some("8080"), "write --listen 127.0.0.1:8080, or :8080 for all addresses"),
            ("p", Some(":80"), "write --listen 127.0.0.1:80, or :80 for all addresses"),
            ("origin", Some("https://a.example"), "write --allow-origin https://a.example"),
            ("backend", Some("http://b"), "write --upstream http://b"),
            ("backend", None, "write --upstream"),
            ("credentials", Some("true"), "write --allow-credentials"),
            ("loglevel", Some("debug"), "write --log-level debug"),
            ("debug", None, "write -v, or -vv for everything"),
        ] {
            assert_eq!(of_flag(name, value), format!("there is no such flag; {hint}"), "{name}");
        }
        let target = of_flag("target", Some("http://b"));
        assert!(target.contains("--upstream http://b") && target.contains("--allow-target"), "{target}");
    }

    #[test]
    fn words_that_belong_to_no_flag_hear_where_they_belong() {
        for (word, hint) in [
            ("http://127.0.0.1:9101", "write --upstream http://127.0.0.1:9101"),
            ("unix:/run/app.sock", "write --upstream unix:/run/app.sock"),
            ("localhost:9101", "write --upstream http://localhost:9101"),
            ("8080", "write --listen 127.0.0.1:8080"),
            (":8080", "write --listen 127.0.0.1:8080"),
            ("yes", "an equals sign"),
            ("check", "comes first"),
            ("explain", "comes first"),
            ("status", "comes first"),
            ("sign", "comes first"),
            ("help", "comes first"),
            ("explian", "did you mean corsair explain?"),
            ("chek", "did you mean corsair check?"),
            ("", "lists all of them"),
            ("x", "lists all of them"),
        ] {
            assert!(of_word(word).contains(hint), "{word}: {}", of_word(word));
        }
    }
}

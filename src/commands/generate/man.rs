//! The manual page corsair(1): the flags as the help has them, the settings of a file, the commands, and what else the
//! process heeds and answers.

use std::io::{self, Write as _};

use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};

use crate::config::{Key, Row, SUBCOMMANDS, Subcommand, flags};

/// What becomes of a signal.
const SIGNALS: &[(&str, &str)] = &[
    (
        "TERM, INT",
        "Drain: running exchanges end, for at most --drain-timeout, then the process does. A second one, more than 100 ms \
         later, ends it at once.",
    ),
    ("HUP", "Read the configuration file and the certificates again. A file with a fault changes nothing."),
    ("USR1", "Open the access log anew."),
    (
        "USR2",
        "Start the program that has the name of this one by now on the same listening sockets, and drain once it serves.",
    ),
];

/// What the process ends with.
const CODES: &[(&str, &str)] = &[
    ("0", "All is fine, or it was told to stop."),
    ("1", "It failed while it ran."),
    ("2", "What was asked for cannot be done: flags, variables, the configuration file."),
];

/// Where things are that are installed with it.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/corsair/corsair.toml",
        "What the service serves. corsair generate config prints everything that can be in it.",
    ),
    ("/var/log/corsair/", "The access log of the service, where its file says so."),
    ("/run/corsair/", "For Unix sockets of the service."),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("corsair", "A gateway on 127.0.0.1:3000: /?url=https://host/path, any origin, public targets only."),
    (
        "corsair --upstream http://127.0.0.1:9001",
        "A reverse proxy on 127.0.0.1:3000: any origin, no credentials.",
    ),
    (
        "corsair -l :8080 -u https://api.example.org --allow-origin https://app.example.com --allow-credentials",
        "A reverse proxy for one web application that sends cookies.",
    ),
    (
        "corsair check -c /etc/corsair/corsair.toml",
        "Everything that is wrong with a file, else what it comes to.",
    ),
];

/// How roff is told what an apostrophe is.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The page, in roff.
pub(super) fn man() -> String {
    let mut text = Vec::new();
    // Writing to a vector cannot fail.
    let _ = write(&mut text);
    // Each section says anew what an apostrophe is; once will do.
    let text = String::from_utf8_lossy(&text).replace(APOSTROPHE, "");
    format!("{APOSTROPHE}{text}")
}

fn write(text: &mut Vec<u8>) -> io::Result<()> {
    let command = flags::command().long_about(concat!(
        env!("CARGO_PKG_DESCRIPTION"),
        ".\n\nWithout --upstream and without a configuration file it is a gateway, whose requests name their target \
         themselves; with --upstream it is a reverse proxy; a file may have both, with a policy for each route.\n\n\
         Every flag is also an environment variable: --allow-origin is CORSAIR_ALLOW_ORIGIN, lists separated by commas. \
         A flag wins over that, and both over the file. Durations: 250ms, 30s, 5m, 1h. Sizes: bytes, 16k, 10m, 1g."
    ));
    let page = Man::new(command);
    // No date: the page of a version is the same wherever it is made.
    writeln!(text, r#".TH CORSAIR 1 "" "corsair {}" "User Commands""#, env!("CARGO_PKG_VERSION"))?;
    page.render_name_section(text)?;
    synopsis().to_writer(text)?;
    page.render_description_section(text)?;
    listed("COMMANDS", SUBCOMMANDS.iter().flat_map(described)).to_writer(text)?;
    page.render_options_section(text)?;
    listed("CONFIGURATION FILE", Key::ALL.iter().filter_map(|key| setting(key.row()))).to_writer(text)?;
    for (title, entries) in
        [("SIGNALS", SIGNALS), ("EXIT STATUS", CODES), ("FILES", FILES), ("EXAMPLES", EXAMPLES)]
    {
        let entries = entries.iter().map(|(name, said)| (vec![bold(*name)], (*said).to_owned()));
        listed(title, entries).to_writer(text)?;
    }
    Roff::new()
        .control("SH", ["SEE ALSO"])
        .text([roman(concat!(env!("CARGO_PKG_REPOSITORY"), "; "))])
        .text([bold("systemctl"), roman("(1), "), bold("logrotate"), roman("(8)")])
        .to_writer(text)
}

fn synopsis() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text([bold("corsair"), roman(" ["), italic("OPTIONS"), roman("]")]);
    for Subcommand { name, usage, .. } in SUBCOMMANDS {
        roff.control("br", []).text([bold("corsair "), bold(*name), roman(" "), italic(*usage)]);
    }
    roff
}

/// A section of terms with what is said of each.
fn listed(title: &str, entries: impl Iterator<Item = (Vec<Inline>, String)>) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, said) in entries {
        roff.control("TP", []).text(term).text([roman(said)]);
    }
    roff
}

/// A command, its flags and the words that it knows.
fn described(command: &Subcommand) -> Vec<(Vec<Inline>, String)> {
    let sentence = |text: &str| {
        let mut text = format!("{text}.");
        text[..1].make_ascii_uppercase();
        text
    };
    let named = |more: Vec<Inline>| [vec![bold(command.name), roman(" ")], more].concat();
    let mut entries = vec![(named(vec![italic(command.usage)]), sentence(command.help))];
    let grammar = flags::command();
    let own = grammar.find_subcommand(command.name).into_iter().flat_map(clap::Command::get_arguments);
    let own = own.filter(|arg| arg.get_help_heading().is_none() && arg.get_id() != "help");
    entries.extend(own.filter_map(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let value =
            if arg.get_action().takes_values() { format!(" {}", names.join(" ")) } else { String::new() };
        let flag = bold(format!("--{}", arg.get_long()?));
        Some((named(vec![flag, italic(value)]), sentence(&arg.get_help()?.to_string())))
    }));
    let choices = command.words.iter().flat_map(|word| (word.choices)());
    entries.extend(
        choices
            .filter(|(_, help)| !help.is_empty())
            .map(|(word, help)| (named(vec![bold(word)]), sentence(help))),
    );
    entries
}

/// A setting of a file, if it can stand in one.
fn setting(row: &Row) -> Option<(Vec<Inline>, String)> {
    let default = row.default.map(|default| format!(" Default: {default}.")).unwrap_or_default();
    Some((vec![bold(row.name?)], format!("{}.{default}", row.help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_every_setting_and_every_command_stands_in_it() {
        let page = man().replace("\\-", "-");
        for key in Key::ALL {
            let Row { name, flag, .. } = key.row();
            assert!(name.is_none_or(|name| page.contains(&format!("\\fB{name}\\fR"))), "{name:?}");
            let shown = flag.map(|flag| format!("\\fB--{}\\fR", flag.long));
            assert!(shown.is_none_or(|flag| page.contains(&flag)), "{flag:?}");
        }
        for command in SUBCOMMANDS {
            assert!(page.contains(&format!("\\fBcorsair \\fR\\fB{}\\fR", command.name)), "{}", command.name);
        }
    }
}

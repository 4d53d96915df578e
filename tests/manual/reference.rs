//! The reference is made from the tables of the program.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use corsair::{
    config::{Key, Kind, Obstacle, Row},
    cors::Reason,
    error::Error,
    observe::{
        access_log::KEYS,
        metrics::{CATALOGUE, CAUSES},
    },
};

use super::page::root;

const MADE: &str = "<!-- made by UPDATE_MANUAL=1 cargo test --test manual -->\n";

/// Every page of `docs/reference`, and what must stand in it.
fn pages() -> [(&'static str, String); 5] {
    [
        ("settings.md", settings()),
        ("access-log.md", access_log()),
        ("causes.md", causes()),
        ("metrics.md", metrics()),
        ("cors-reasons.md", cors_reasons()),
    ]
}

fn settings() -> String {
    let mut page = format!(
        "# Settings\n\n{MADE}\nThe name is that in a file: tables are those before the last dot, and `listen`, `route` and \
         `upstream` are `[[listen]]`, `[[route]]` and `[upstream.NAME]`. What stands under `cors` stands in `[policy.NAME]`, too. \
         Which one wins is told in [Configuration](../configuration.md#which-one-wins).\n"
    );
    let mut heading = "";
    for key in Key::ALL {
        let row = key.row();
        if row.heading != heading {
            heading = row.heading;
            let _ = write!(
                page,
                "\n## {heading}\n\n| name | flag | variable | takes | default | |\n|---|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(page, "{}", setting(row));
    }
    page
}

fn setting(row: &Row) -> String {
    let short = row.flag.and_then(|flag| flag.short).map(|short| format!(", `-{short}`")).unwrap_or_default();
    let flag = row.flag.map(|flag| format!("`--{}`{short}", flag.long)).unwrap_or_default();
    let variable = row.flag.map(|flag| code(&flag.variable())).unwrap_or_default();
    let name = row.name.map(code).unwrap_or_default();
    let default = row.default.map(code).unwrap_or_default();
    let takes = match row.kind {
        Kind::Value(value) => code(value),
        Kind::List(value) => format!("list of {}", code(value)),
        Kind::Fields(value) => format!("fields, {}", code(value)),
        Kind::Switch => "switch".to_owned(),
        Kind::Opposite => "switch; the flag says the contrary".to_owned(),
        Kind::Count => "how often it is given".to_owned(),
    };
    format!("| {name} | {flag} | {variable} | {takes} | {default} | {} |", cell(row.help))
}

fn access_log() -> String {
    let mut page = format!(
        "# Keys of the access log\n\n{MADE}\nThe members of a line of JSON, in their order, and the keys of a template. What is not \
         known or did not happen is left out, or is `-` in a template. [Observing](../observing.md#access-log) tells of the \
         formats.\n\n| key | |\n|---|---|\n"
    );
    for (key, help) in KEYS {
        let _ = writeln!(page, "| `{key}` | {} |", help.replace('|', "\\|"));
    }
    page
}

fn causes() -> String {
    let mut page = format!(
        "# Causes\n\n{MADE}\nOne word says why there is no complete answer of the upstream's own: `cause` in the access log, the label \
         `cause` of `corsair_errors_total`, `error` in `Proxy-Status`, and the beginning of the answer's body. The words are those of \
         the Proxy-Status registry (RFC 9209 §2.3), where it has one. What to do about each is told in [Errors](../errors.md).\n\n\
         | cause | status | for |\n|---|---|---|\n"
    );
    let mut by_cause: BTreeMap<&str, Vec<&Error>> = BTreeMap::new();
    for error in Error::ALL {
        by_cause.entry(error.token()).or_default().push(error);
    }
    for (cause, errors) in by_cause {
        let mut statuses: Vec<String> = errors.iter().map(|error| error.status().to_string()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let texts: Vec<String> = errors.iter().map(|error| cell(&error.to_string())).collect();
        let _ = writeln!(page, "| `{cause}` | {} | {} |", statuses.join(", "), texts.join("; "));
    }
    page
}

fn metrics() -> String {
    let mut page = format!(
        "# Metrics\n\n{MADE}\nWhat `/metrics` of the [admin listener](../observing.md#the-admin-listener) shows, beside the usual \
         `process_…`. Times are seconds, sizes bytes. Names are an interface and stay.\n\n| name | type | labels | |\n|---|---|---|---|\n"
    );
    for metric in CATALOGUE {
        let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.label(),
            labels.join(", "),
            cell(metric.help)
        );
    }
    page
}

fn cors_reasons() -> String {
    let mut page = format!(
        "# CORS reasons\n\n{MADE}\nWhy a policy refuses: the word in the access log (`cors_reason`) and in the label `reason` of \
         `corsair_cors_requests_total`, the words in `Corsair-Cors`, and the setting that decides. `corsair explain` tells its line.\n\n\
         | word | in `Corsair-Cors` | setting |\n|---|---|---|\n"
    );
    for reason in Reason::ALL {
        let (text, part) = reason.text();
        let named = if part.is_some() { "…" } else { "" };
        let key = Obstacle::Policy(reason).key().and_then(|key| key.row().name);
        let setting = key.map_or_else(|| "none: no browser sends that".to_owned(), code);
        let _ = writeln!(page, "| `{}` | {text}{named} | {setting} |", reason.label());
    }
    page
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Text as it stands in a cell of a table; nothing of it is markup.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '|' | '*' | '_' | '<' | '[' | '~' | '`') {
            cell.push('\\');
        }
        cell.push(character);
    }
    cell
}

#[test]
fn the_reference_is_what_the_program_knows() {
    for (name, page) in pages() {
        let path = root().join("docs/reference").join(name);
        if std::env::var_os("UPDATE_MANUAL").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &page).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        let differs = page.lines().zip(written.lines()).find(|(made, written)| made != written);
        assert!(
            page == written,
            "docs/reference/{name} is not what the program says: {differs:?}; UPDATE_MANUAL=1 cargo test --test manual"
        );
    }
}

#[test]
fn every_cause_is_counted_by_its_own_word() {
    for error in Error::ALL {
        assert!(CAUSES.contains(&error.token()), "{error:?}");
    }
}

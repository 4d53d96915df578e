//! What the manual names exists, and the files that it shows are accepted.

use std::{collections::BTreeSet, path::Path};

use corsair::{config::Key, error::Error, observe::metrics::CATALOGUE};

use super::{
    page::{Page, manual},
    program::{Program, flags_in, is_setting, unknown_settings},
};

/// What is wrong with a page.
fn faults(page: &Page, program: &Program) -> Vec<String> {
    let mut faults = Vec::new();
    for (info, text) in &page.blocks {
        match info.as_str() {
            "toml" => faults.extend(program.against(text)),
            "toml fragment" => faults.extend(unknown_settings(text)),
            "sh" => text.replace("\\\n", " ").lines().for_each(|line| typed(line, program, &mut faults)),
            _ => {}
        }
    }
    for code in &page.codes {
        typed(code, program, &mut faults);
        named(code, &mut faults);
    }
    faults.extend(metrics_in(&page.source).into_iter().filter(|name| !is_metric(name)));
    faults
}

/// What is typed in a line that begins with `corsair`, or with a flag.
fn typed(line: &str, program: &Program, faults: &mut Vec<String>) {
    let is_flag = line.starts_with("--") && !line.starts_with("---");
    let behind = line.strip_prefix("corsair ");
    if behind.is_none() && !is_flag {
        return;
    }
    faults.extend(flags_in(line).difference(&program.flags).map(|flag| format!("--{flag}")));
    let word: String = behind.unwrap_or_default().chars().take_while(char::is_ascii_lowercase).collect();
    if !word.is_empty() && !program.commands.contains(&word) {
        faults.push(format!("corsair {word}"));
    }
    let printed = line.strip_prefix("corsair generate ").and_then(|rest| rest.split(' ').next());
    let printed = printed.filter(|what| *what != "WHAT" && !program.printed.contains(*what));
    faults.extend(printed.map(|what| format!("corsair generate {what}")));
}

/// A setting that is named in full, or a variable.
fn named(code: &str, faults: &mut Vec<String>) {
    const TABLES: [&str; 14] = [
        "access", "admin", "cors", "dns", "forward", "gateway", "limit", "limits", "listen", "log", "pool",
        "route", "timeouts", "upstream",
    ];
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'));
    if let Some((table, _)) = code.split_once('.')
        && TABLES.contains(&table)
        && is_name(code)
        && !is_setting(code)
    {
        faults.push(code.to_owned());
    }
    let is_variable = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let mut flags = Key::ALL.iter().filter_map(|key| key.row().flag);
    if code.starts_with("CORSAIR_") && is_variable(code) && !flags.any(|flag| flag.variable() == code) {
        faults.push(code.to_owned());
    }
}

/// Names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let behind = text.split("corsair_").skip(1);
    let names = behind.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect());
    names.filter(|name: &String| !name.is_empty()).map(|name| format!("corsair_{name}")).collect()
}

fn is_metric(name: &str) -> bool {
    let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    CATALOGUE.iter().any(|metric| metric.name == name || metric.name == plain)
}

#[test]
fn what_the_manual_names_exists_and_its_files_are_accepted() {
    let program = Program::new();
    let mut files = 0;
    for page in manual() {
        assert_eq!(faults(&page, &program), [""; 0], "in {}", page.path.display());
        files += page.blocks.iter().filter(|(info, _)| info == "toml").count();
        let is_known =
            |info: &str| ["toml", "toml fragment", "sh", "ini", "text", "json", "http", "js"].contains(&info);
        let odd = page.blocks.iter().find(|(info, _)| !is_known(info));
        assert_eq!(odd, None, "a block in {} of a kind that nobody looks at", page.path.display());
    }
    assert!(files > 5, "only {files} files");
}

#[test]
fn every_error_has_a_row_that_says_what_to_do() {
    let page = Page::read(Path::new("docs/errors.md"));
    let rows: Vec<&str> =
        page.source.lines().filter(|line| line.starts_with('|') && line.contains("| `")).collect();
    assert_eq!(rows.len(), Error::ALL.len(), "rows without an error");
    for error in Error::ALL {
        let begin = |text: &str| format!("| {} | `{}` | {text} | ", error.status(), error.token());
        let begins = [begin(&error.to_string()), begin(&format!("*{error}*"))];
        let row =
            rows.iter().find_map(|row| begins.iter().find_map(|begin| row.strip_prefix(begin.as_str())));
        let advice = row.unwrap_or_else(|| panic!("{error:?} has no row; it begins with {}", begins[0]));
        assert!(advice.len() > 10, "{error:?}: nothing is said of what to do");
    }
}

#[test]
fn what_does_not_exist_is_found() {
    let program = Program::new();
    let page = |source: &str| faults(&Page::of(Path::new("docs/page.md"), source), &program);
    for right in [
        "```toml\n[[listen]]\naddress = \"127.0.0.1:3000\"\n[gateway]\n```",
        "```toml fragment\n[[route]]\nupstream = \"elsewhere\"\n```",
        "```sh\ncorsair check -c FILE --allow-origin https://a.example\ncurl --unix-socket a b\n```",
        "`--listen` `corsair explain --origin O URL` `cors.allow_origins` `CORSAIR_LISTEN` `tests/cors.rs` `a.example`",
        "corsair_requests_total and corsair_request_duration_seconds_bucket",
    ] {
        assert_eq!(page(right), [""; 0], "{right}");
    }
    for wrong in [
        "```toml\n[[listen]]\naddres = \"127.0.0.1:3000\"\n```",
        "```toml\n[[route]]\nupstream = \"elsewhere\"\n```",
        "```toml fragment\n[[route]]\nupstraem = \"elsewhere\"\n```",
        "```toml fragment\n[[route]\n```",
        "```sh\ncorsair check --alow-origin https://a.example\n```",
        "```sh\ncorsair chekc\n```",
        "`--lisen`",
        "`corsair explain --orign O URL`",
        "`corsair explian`",
        "`corsair generate manual`",
        "`cors.allow_origin`",
        "`CORSAIR_LISTENS`",
        "corsair_request_total",
    ] {
        assert_eq!(page(wrong).len(), 1, "{wrong}: {:?}", page(wrong));
    }
}

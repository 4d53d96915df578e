//! The same checks with nginx in the place of corsair, and the table of the manual that tells what comes of both.

use std::{fmt::Write as _, fs, path::Path};

use super::{
    aborts,
    application::Site,
    check::{Check, Nginx, outcomes},
    chromium::{Tab, skipped},
    credentials, elements, errors, fields, origins,
    proxies::{Proxy, SNIPPET},
    redirects, requests, sockets, streams,
};

/// All checks, by what they are about.
const SUBJECTS: &[(&str, &[Check])] = &[
    ("Requests and preflights", requests::CHECKS),
    ("Credentials", credentials::CHECKS),
    ("What a page learns", fields::CHECKS),
    ("Errors", errors::CHECKS),
    ("Redirects", redirects::CHECKS),
    ("Origins", origins::CHECKS),
    ("Streams and uploads", streams::CHECKS),
    ("Aborts", aborts::CHECKS),
    ("WebSockets", sockets::CHECKS),
    ("Pictures, fonts, scripts, styles", elements::CHECKS),
];

fn checks() -> impl Iterator<Item = &'static Check> {
    SUBJECTS.iter().flat_map(|(_, checks)| *checks)
}

#[test]
fn nginx_with_the_snippet_that_is_pasted_fails_what_the_manual_says() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let Some(proxy) = Proxy::nginx(&site) else {
        return skipped("nginx is not installed (apt-get install nginx)");
    };
    let compared = checks().filter(|check| !matches!(check.nginx, Nginx::HasNothingLike));
    let outcomes = outcomes(&tab, &site, &proxy, compared);
    let failed: Vec<&str> =
        outcomes.iter().filter(|(_, outcome)| outcome.is_some()).map(|(check, _)| check.name).collect();
    let expected: Vec<&str> =
        checks().filter(|check| matches!(check.nginx, Nginx::Fails(_))).map(|check| check.name).collect();
    eprintln!("nginx with the snippet fails {} of {}:", failed.len(), outcomes.len());
    for (check, outcome) in &outcomes {
        if let Some(outcome) = outcome {
            eprintln!("  {}: {outcome} instead of {}", check.name, check.expected);
        }
    }
    assert_eq!(failed, expected);
}

#[test]
fn the_table_of_the_manual_is_that_of_the_checks() {
    const BEGIN: &str = "<!-- made by UPDATE_MANUAL=1 cargo test --test browser the_table -->\n";
    const END: &str = "<!-- end -->\n";
    let mut table = "| | corsair | nginx with the snippet |\n|---|---|---|\n".to_owned();
    for (subject, checks) in SUBJECTS {
        writeln!(table, "| **{subject}** | | |").unwrap();
        for Check { name, nginx, .. } in *checks {
            let nginx = match nginx {
                Nginx::Passes => "yes".to_owned(),
                Nginx::Fails(why) => format!("**no**: {why}"),
                Nginx::HasNothingLike => "not compared".to_owned(),
            };
            writeln!(table, "| {name} | yes | {nginx} |").unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/browsers.md");
    let page = fs::read_to_string(&path).unwrap();
    for line in SNIPPET.lines().map(str::trim) {
        assert!(page.contains(line), "the manual shows another snippet: {line}");
    }
    let (before, rest) = page.split_once(BEGIN).expect("the table begins");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let made = [before, BEGIN, &table, END, after].concat();
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        fs::write(&path, &made).unwrap();
    } else {
        assert!(page == made, "docs/browsers.md is not that of the checks; UPDATE_MANUAL=1 writes it");
    }
}

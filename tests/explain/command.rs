//! The command: what it prints, and what is wrong with what was typed.

use serde_json::Value;

use crate::support::Corsair;

#[test]
fn programs_get_the_keys_of_the_contract_in_their_order_and_people_get_lines() {
    let arguments =
        ["-u", "http://127.0.0.1:9", "--origin=https://a.example", "--method=PUT", "http://127.0.0.1:3000/"];
    let ended = Corsair::run_to_end(&[&["explain", "--json"], &arguments[..]].concat());
    let mut rest = ended.stdout.as_str();
    for key in [
        "{\"listener\":",
        ",\"route\":",
        ",\"policy\":",
        ",\"place\":",
        ",\"preflight\":{\"status\":",
        ",\"headers\":{",
        ",\"answer\":{\"status\":",
        ",\"headers\":{",
        ",\"readable\":",
        ",\"reason\":",
    ] {
        let at = rest.find(key).unwrap_or_else(|| panic!("{key} is missing: {rest}"));
        rest = &rest[at + key.len()..];
    }
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(8), "{told:#}");
    let ended = Corsair::run_to_end(&[&["explain"], &arguments[..]].concat());
    assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals: {}", ended.stdout);
    for line in [
        "listener  http://127.0.0.1:3000",
        "route     /",
        "policy    default",
        "preflight OPTIONS / -> 204",
        "          Access-Control-Allow-Methods: PUT",
        "answer    PUT / -> the upstream's",
        "readable  yes; the origin is allowed",
    ] {
        assert!(ended.stdout.lines().any(|own| own == line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn what_no_page_can_ask_is_a_fault_and_all_are_told() {
    for (arguments, faults) in [
        (&[][..], &["explain: needs a URL"][..]),
        (
            &["--origin", "a.example", "--method", "TRACE", "--header", "Cookie: a", "ftp://x/"],
            &[
                "ftp://x/: is a URL of ftp; only http and https are served",
                "--origin: \"a.example\" is no origin, it has no scheme; write https://a.example, or null",
                "--method: no page can send TRACE",
                "--header: no script can set Cookie; --credentials asks with cookies",
            ],
        ),
        (
            &["--origin=https://a.example/app", "http://127.0.0.1:3000/"],
            &[
                "--origin: \"https://a.example/app\" is a URL; an origin ends before the path: https://a.example",
            ],
        ),
        (
            &["http://127.0.0.1:3001/"],
            &[
                "http://127.0.0.1:3001/: no listener serves http on port 3001; the nearest is http://127.0.0.1:3000",
            ],
        ),
        (
            &["https://127.0.0.1:3000/"],
            &[
                "https://127.0.0.1:3000/: no listener serves https on port 3000; the nearest is http://127.0.0.1:3000",
            ],
        ),
        (&["127.0.0.1"], &["127.0.0.1: is no URL"]),
        (
            &["--max-age=10", "--no-such=1", "http://a/", "http://b/"],
            &[
                "--no-such: there is no such flag",
                "http://b/: belongs to no flag",
                "--max-age: \"10\" has no unit",
            ],
        ),
        (
            &["--json=yes", "--origin", "http://127.0.0.1:3000/"],
            &["--json: takes no value", "explain: needs a URL"],
        ),
    ] {
        let ended = Corsair::run_to_end(&[&["explain"], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), faults.len(), "{arguments:?}: {lines:?}");
        for (line, fault) in lines.iter().zip(faults) {
            assert!(line.starts_with(&format!("corsair: {fault}")), "{arguments:?}: {line}");
        }
    }
    for arguments in [&["explain", "--help"][..], &["help", "explain"], &["explain", "-h"]] {
        let ended = Corsair::run_to_end(arguments);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("Usage: corsair explain"), "{}", ended.stdout);
    }
}

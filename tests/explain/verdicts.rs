//! Who may read what, why, and which line decides it.

use std::fs;

use serde_json::Value;

use super::{explained, text};
use crate::support::{Corsair, daemon::command};

const URL: &str = "http://127.0.0.1:3000/v1";
const LISTED: &[&str] = &["-u", "http://127.0.0.1:9", "--allow-origin=https://a.example"];
const A: &str = "--origin=https://a.example";
type Case = (&'static [&'static str], &'static [&'static str], i32, (u64, u64), &'static str, &'static str);
/// What is refused and allowed by flags: beside those of the case, the exit code, the status of the preflight and of
/// the answer (0 where there is none or it is the upstream's), what decides, and a part of the reason.
const CASES: &[Case] = &[
    (LISTED, &[A, URL], 0, (0, 0), "--allow-origin", "the origin is allowed"),
    (
        LISTED,
        &["--origin=https://b.example", URL],
        3,
        (0, 0),
        "--allow-origin",
        "origin not allowed; add --allow-origin https://b.example",
    ),
    (LISTED, &["--origin=null", URL], 3, (0, 0), "--allow-origin", "add --allow-origin null"),
    (LISTED, &[A, "--method=PUT", URL], 0, (204, 0), "--allow-origin", "the origin is allowed"),
    (
        LISTED,
        &["--origin=https://b.example", "--method=PUT", URL],
        3,
        (403, 0),
        "--allow-origin",
        "origin not allowed",
    ),
    (
        LISTED,
        &[A, "--method=PUT", "--allow-method=DELETE", URL],
        3,
        (403, 0),
        "--allow-method",
        "method not allowed: PUT; add --allow-method PUT",
    ),
    (
        LISTED,
        &[A, "--method=patch", "--allow-method=PATCH", URL],
        3,
        (403, 0),
        "--allow-method",
        "write PATCH in capitals",
    ),
    (
        LISTED,
        &[A, "--header=X-Token", "--allow-header=x-a", URL],
        3,
        (403, 0),
        "--allow-header",
        "header not allowed: x-token; add --allow-header x-token",
    ),
    (
        LISTED,
        &[A, "--header", "content-type: text/plain", "--allow-header=x-a", URL],
        0,
        (0, 0),
        "--allow-origin",
        "the origin is allowed",
    ),
    (LISTED, &[A, "--credentials", URL], 3, (0, 0), "", "made with credentials; write --allow-credentials"),
    (
        LISTED,
        &[A, "--credentials", "--allow-credentials", URL],
        0,
        (0, 0),
        "--allow-origin",
        "the origin is allowed",
    ),
    (LISTED, &[URL], 0, (0, 0), "", "no page asks"),
    (LISTED, &["--origin=http://127.0.0.1:3000", "--method=PUT", URL], 0, (0, 0), "", "the very origin"),
    (
        LISTED,
        &["--origin=https://b.example", "--refuse-other-origins", URL],
        3,
        (0, 403),
        "--allow-origin",
        "origin not allowed",
    ),
    (
        LISTED,
        &["--origin=https://b.example", "--upgrade", "ws://127.0.0.1:3000/"],
        3,
        (0, 403),
        "--allow-origin",
        "the WebSocket is answered 403; origin not allowed",
    ),
    (
        LISTED,
        &[A, "--upgrade", "ws://127.0.0.1:3000/"],
        0,
        (0, 0),
        "--allow-origin",
        "the WebSocket is passed on",
    ),
    (LISTED, &["--allow-host=c.example", A, URL], 0, (0, 403), "--allow-host", "add --allow-host 127.0.0.1"),
    (
        &["-u", "http://127.0.0.1:9"],
        &["--origin=https://b.example", "--method=PURGE", URL],
        0,
        (204, 0),
        "",
        "the origin is allowed",
    ),
    (
        &["-u", "http://127.0.0.1:9"],
        &["--origin=https://b.example", "--credentials", URL],
        3,
        (0, 0),
        "",
        "write --allow-credentials, and name the origins in --allow-origin",
    ),
    (
        &[],
        &["--origin=https://b.example", "http://127.0.0.1:3000/https://api.example/x"],
        0,
        (0, 0),
        "",
        "the origin is allowed",
    ),
    (
        &[],
        &["--origin=https://b.example", "http://127.0.0.1:3000/http://10.0.0.1/"],
        0,
        (0, 403),
        "",
        "allow the target with --allow-target",
    ),
    (
        &[],
        &["--origin=https://b.example", "http://rebound.example:3000/https://api.example/x"],
        0,
        (0, 403),
        "",
        "name \"rebound.example\" in --allow-host",
    ),
    (
        &[],
        &["--origin=https://b.example", "http://127.0.0.1:3000/"],
        0,
        (0, 400),
        "",
        "corsair answers 400 itself",
    ),
    (
        &["-l", ":3000", "--allow-origin=https://a.example"],
        &["http://127.0.0.1:3000/https://api.example/x"],
        0,
        (0, 403),
        "--allow-origin",
        "that --allow-origin lists",
    ),
    (
        &["--listen=[::1]:3000"],
        &["--origin=https://b.example", "http://[::1]:3000/?url=https://api.example/"],
        0,
        (0, 0),
        "",
        "the origin is allowed",
    ),
];

#[test]
fn what_becomes_of_a_request_and_why() {
    for (flags, asked, code, (preflight, answer), place, reason) in CASES {
        let (ended, told) = explained(&[*flags, *asked].concat());
        let context = format!("{flags:?} {asked:?}: {told:#}");
        assert_eq!(ended, Some(*code), "{context}");
        assert_eq!(told["readable"], *code == 0, "{context}");
        assert_eq!(told["preflight"]["status"].as_u64().unwrap_or(0), *preflight, "{context}");
        assert_eq!(told["answer"]["status"].as_u64().unwrap_or(0), *answer, "{context}");
        assert_eq!(text(&told["place"]), *place, "{context}");
        assert!(text(&told["reason"]).contains(reason), "{context}");
    }
}

const FILE: &str = r#"[[listen]]
address = "127.0.0.1:3000"
[upstream.a]
servers = ["http://127.0.0.1:9"]
[cors]
allow_origins = ["https://a.example"]
allow_headers = ["x-a"]
[policy.app]
allow_origins = [
  "https://b.example",
]
refuse_other_origins = true
[policy.quiet]
report_only = true
allow_origins = ["${EXPLAINED_ORIGIN}"]
[[route]]
host = "api.example.com"
upstream = "a"
[[route]]
host = "api.example.com"
path = "/app"
upstream = "a"
cors = "app"
methods = ["GET"]
[[route]]
host = "api.example.com"
path = "/quiet"
upstream = "a"
cors = "quiet"
"#;

type Line = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    i32,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// Origin, method, field and target; exit code, route, policy, line and column, and a part of the reason.
const LINES: &[Line] = &[
    (
        "https://a.example",
        "GET",
        "accept: a",
        "/x",
        0,
        "api.example.com/",
        "default",
        "6:18",
        "the origin is allowed",
    ),
    (
        "https://b.example",
        "GET",
        "accept: a",
        "/x",
        3,
        "api.example.com/",
        "default",
        "6:18",
        "add \"https://b.example\" to cors.allow_origins",
    ),
    (
        "https://a.example",
        "GET",
        "x-b",
        "/x",
        3,
        "api.example.com/",
        "default",
        "7:18",
        "add \"x-b\" to cors.allow_headers",
    ),
    (
        "https://b.example",
        "PUT",
        "x-b",
        "/app/x",
        0,
        "api.example.com/app",
        "app",
        "24:12",
        "add the method to route.methods",
    ),
    (
        "https://a.example",
        "GET",
        "x-b",
        "/app/x",
        3,
        "api.example.com/app",
        "app",
        "10:3",
        "add \"https://a.example\" to policy.app.allow_origins",
    ),
    (
        "https://x.example",
        "GET",
        "accept: a",
        "/quiet",
        3,
        "api.example.com/quiet",
        "quiet",
        "15:18",
        "origin not allowed",
    ),
];

#[test]
fn the_line_of_the_file_that_decides_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsair.toml");
    fs::write(&path, FILE).unwrap();
    let path = path.to_str().unwrap();
    for &(origin, method, header, target, code, route, policy, line, reason) in LINES {
        let url = format!("http://api.example.com:3000{target}");
        let mut command = command(&[
            "explain", "--json", "-c", path, "--origin", origin, "--method", method, "--header", header, &url,
        ]);
        command.env("EXPLAINED_ORIGIN", "https://secret.example");
        let ended = Corsair::command_to_end(command);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        let context = format!("{origin} {method} {header} {target}: {told:#}");
        assert_eq!(ended.code, Some(code), "{context}");
        assert_eq!((text(&told["route"]), text(&told["policy"])), (route, policy), "{context}");
        assert_eq!(text(&told["place"]), format!("{path}:{line}"), "{context}");
        assert!(text(&told["reason"]).contains(reason), "{context}");
        assert!(!ended.stdout.contains("secret.example"), "{context}");
    }
}

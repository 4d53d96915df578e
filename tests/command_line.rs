//! The command as an operator meets it: exit codes, messages, and what the environment changes.

use std::process::{Command, Output};

/// Runs the command to its end with these variables alone. Only for what ends by itself: faults and answers.
fn corsair(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corsair"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the command runs")
}

fn faults(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let output = corsair(arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("text").lines().map(String::from).collect()
}

#[test]
fn every_fault_is_a_line_that_names_its_flag() {
    assert_eq!(
        faults(&["--allow-credentials", "--drain-timeout", "30"], &[]),
        [
            "corsair: --drain-timeout: \"30\" has no unit; write 30s if seconds are meant",
            "corsair: --allow-credentials: needs a list of origins, not \"*\"; name the \
             origins, or leave credentials off",
        ]
    );
}

#[test]
fn an_open_gateway_says_how_to_restrict_it() {
    assert_eq!(
        faults(&["-l", ":8080"], &[]),
        [
            "corsair: a gateway on 0.0.0.0:8080 would let anyone reach any site through this machine; restrict it with \
          --allow-origin, --allow-target or --token, or publish it knowingly with --open"
        ]
    );
}

#[test]
fn a_flag_beats_its_variable_and_the_variable_beats_the_default() {
    let complaint = |lines: &[String], place: &str| {
        lines.iter().any(|line| line.starts_with(&format!("corsair: {place}: ")))
    };
    let variable = &[("CORSAIR_MAX_AGE", "soon")];
    let lines = faults(&["--drain-timeout=x"], variable);
    assert!(complaint(&lines, "CORSAIR_MAX_AGE") && !complaint(&lines, "--max-age"), "{lines:?}");
    let lines = faults(&["--drain-timeout=x", "--max-age=1m"], variable);
    assert!(!complaint(&lines, "CORSAIR_MAX_AGE") && lines.len() == 1, "{lines:?}");
    let lines = faults(&["--drain-timeout=x", "--max-age=x"], variable);
    assert!(complaint(&lines, "--max-age") && !complaint(&lines, "CORSAIR_MAX_AGE"), "{lines:?}");
    let lines = faults(&["--drain-timeout=x", "--open=false", "-l", ":80"], &[("CORSAIR_OPEN", "true")]);
    assert!(lines.iter().any(|line| line.contains("a gateway on")), "{lines:?}");
    let lines = faults(&["--drain-timeout=x", "-l", ":80"], &[("CORSAIR_OPEN", "1")]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn lists_in_the_environment_are_separated_by_commas() {
    let lines = faults(&[], &[("CORSAIR_LISTEN", "here,there"), ("CORSAIR_UPSTREAM", "ftp://a,ftp://b")]);
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn an_empty_variable_is_one_that_is_not_set_and_an_empty_flag_is_a_fault() {
    let empty =
        [("CORSAIR_LISTEN", ""), ("CORSAIR_TLS_CERT", ""), ("CORSAIR_VERBOSE", ""), ("CORSAIR_OPEN", "")];
    assert_eq!(faults(&["--drain-timeout=x"], &empty).len(), 1);
    assert_eq!(
        faults(&["--tls-cert", ""], &[]),
        ["corsair: --tls-cert: is empty; expected the name of a file"]
    );
}

#[test]
fn verbosity_has_variables_too() {
    let lines = faults(&[], &[("CORSAIR_VERBOSE", "2"), ("CORSAIR_QUIET", "1")]);
    assert_eq!(lines, ["corsair: CORSAIR_QUIET: contradicts CORSAIR_VERBOSE; give one of the two"]);
}

#[test]
fn an_unknown_flag_is_a_usage_fault_with_a_suggestion() {
    assert_eq!(
        faults(&["--upstreem", "http://127.0.0.1:9001"], &[]),
        ["corsair: --upstreem: there is no such flag; did you mean --upstream?"]
    );
}

#[test]
fn no_fault_hides_another_whatever_its_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate =
        rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate").cert;
    let pem = folder.path().join("a.pem");
    std::fs::write(&pem, certificate.pem()).expect("written");
    let pem = pem.to_str().expect("text");
    for (arguments, places) in [
        (&["--no-such", "--max-age", "10"][..], &["--no-such", "--max-age"][..]),
        (&["--max-age", "10", "--no-such"], &["--no-such", "--max-age"]),
        (&["--no-such", "--other=1", "stray", "--max-age"], &["--no-such", "--other", "stray", "--max-age"]),
        (&["--tls-cert", "nosuch", "--tls-key", "nosuch"], &["--tls-cert", "--tls-key"]),
        (&["--tls-cert", pem, "--tls-key", "nosuch"], &["--tls-key"]),
        (
            &["--access-log", "/nonexistent/log", "--ca-file", "nosuch", "--hosts-file", "nosuch"],
            &["--ca-file", "--hosts-file", "--access-log"],
        ),
        (&["--access-log", "/"], &["--access-log"]),
    ] {
        let lines = faults(arguments, &[]);
        let found: Vec<&str> = lines.iter().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(found, places, "{arguments:?}: {lines:?}");
    }
    let lines =
        faults(&["--no-such", "--workers", "x"], &[("CORSAIR_MAX_AGE", "10"), ("CORSAIR_UPSTREM", "x")]);
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn a_variable_that_was_meant_to_restrict_is_not_ignored() {
    for (name, value) in [
        ("CORSAIR_ALLOW_ORIGIN", ""),
        ("CORSAIR_ALLOW_ORIGINS", "https://a.example"),
        ("CORSAIR_ALOW_ORIGIN", ""),
    ] {
        let lines = faults(&[], &[(name, value)]);
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("corsair: {name}: ")), "{lines:?}");
    }
    let orchestrated =
        [("CORSAIR_SERVICE_HOST", "10.0.0.1"), ("CORSAIR_PORT", "tcp://10.0.0.1:80"), ("CORSAIR_X", "")];
    assert_eq!(faults(&["--max-age=10"], &orchestrated).len(), 1);
}

#[test]
fn what_was_probably_meant_is_said_in_our_words_and_where_it_was_typed() {
    for (arguments, hint) in [
        (
            &["--port", "8080"][..],
            "--port: there is no such flag; write --listen 127.0.0.1:8080, or :8080 for all",
        ),
        (&["-p", "8080"], "-p: there is no such flag; write --listen 127.0.0.1:8080"),
        (
            &["--origin", "https://a.example"],
            "--origin: there is no such flag; write --allow-origin https://a.example",
        ),
        (&["--target", "http://b"], "--target: there is no such flag; write --upstream http://b"),
        (&["--backend", "http://b"], "--backend: there is no such flag; write --upstream http://b"),
        (
            &["http://127.0.0.1:9101"],
            "http://127.0.0.1:9101: belongs to no flag; write --upstream http://127.0.0.1:9101",
        ),
        (
            &["--allow-credentials", "yes", "--allow-origin=https://a.example"],
            "--allow-credentials: is a switch",
        ),
        (
            &["--allow-origin", "localhost:5173"],
            "--allow-origin: \"localhost:5173\" is no origin, it has no scheme; write \"http://localhost:5173\", or",
        ),
        (&["--allow-origin", "any"], "--allow-origin: \"any\" is no origin; write \"*\""),
        (
            &["--allow-target", "api.example.org/v1"],
            "--allow-target: \"api.example.org/v1\": has a path, and hosts are judged whole; write api.example.org",
        ),
        (
            &["-l", "::1:3998"],
            "--listen: \"::1:3998\" is no address to serve; an IPv6 address stands in brackets: write [::1]:3998",
        ),
    ] {
        let lines = faults(arguments, &[]);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("corsair: {hint}")),
            "{arguments:?}: {lines:?}"
        );
    }
    for (name, value, hint) in [
        ("CORSAIR_MAX_AGE", "10", "\"10\" has no unit; write 10s if seconds are meant"),
        ("CORSAIR_VERBOSE", "true", "\"true\" is no number; write 1 to hear more, or 2 to hear everything"),
    ] {
        assert_eq!(faults(&[], &[(name, value)]), [format!("corsair: {name}: {hint}")]);
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (flag, expected) in
        [("--help", "Examples:"), ("--version", concat!("corsair ", env!("CARGO_PKG_VERSION")))]
    {
        let output = corsair(&[flag], &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected), "{output:?}");
    }
}

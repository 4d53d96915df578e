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
          --allow-origin or --allow-target, or publish it knowingly with --open"
        ]
    );
}

#[test]
fn a_flag_beats_its_variable_and_the_variable_beats_the_default() {
    let bad = &["--drain-timeout=x"];
    let complaint = |lines: &[String], flag: &str| {
        lines.iter().any(|line| line.starts_with(&format!("corsair: {flag}: ")))
    };
    let lines = faults(bad, &[("CORSAIR_MAX_AGE", "soon")]);
    assert!(complaint(&lines, "--max-age"), "{lines:?}");
    let lines = faults(&["--drain-timeout=x", "--max-age=1m"], &[("CORSAIR_MAX_AGE", "soon")]);
    assert!(!complaint(&lines, "--max-age"), "{lines:?}");
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
    assert_eq!(lines, ["corsair: --quiet: contradicts --verbose; give one of the two"]);
}

#[test]
fn an_unknown_flag_is_a_usage_fault_with_a_suggestion() {
    let lines = faults(&["--upstreem", "http://127.0.0.1:9001"], &[]);
    assert!(lines.iter().any(|line| line.contains("--upstream")), "{lines:?}");
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

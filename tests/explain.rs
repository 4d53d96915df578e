//! `corsair explain`: what it says is what the daemon does, and what a browser makes of it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod explain {
    mod agreement;
    mod command;
    mod random;
    mod verdicts;

    use serde_json::Value;

    use crate::support::Corsair;

    /// What the command explains as JSON, with its exit code.
    pub(super) fn explained(arguments: &[&str]) -> (Option<i32>, Value) {
        let ended = Corsair::run_to_end(&[&["explain", "--json"], arguments].concat());
        let explanation = serde_json::from_str(&ended.stdout);
        (ended.code, explanation.unwrap_or_else(|fault| panic!("{fault}: {} {}", ended.stdout, ended.stderr)))
    }

    pub(super) fn text(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }
}

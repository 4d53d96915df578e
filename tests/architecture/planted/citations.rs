//! Documents that are cited and not there.

use super::{HOUSE, finds};

#[test]
fn a_comment_cites_no_document_that_is_not_here() {
    finds(
        &HOUSE,
        r#"
== src/lib.rs
//! The tour; for operators there is `README.md`, and README.md. See https://example.com/other.md too.
mod plan; // reliability.md, R16
/// See [the rules](docs/rules.md).
const NAME: &str = "missing.md";
#[cfg(test)]
mod tests {
    /* (cors.md §4) */
}
== src/plan.rs
#[cfg(test)]
mod tests;
== src/plan/tests.rs
//README.md and http1.md.
"#,
        &[
            "src/lib.rs:2: `reliability.md` is no file of the repository",
            "src/lib.rs:3: `docs/rules.md` is no file of the repository",
            "src/lib.rs:7: `cors.md` is no file of the repository",
            "src/plan/tests.rs:1: `http1.md` is no file of the repository",
        ],
    );
}

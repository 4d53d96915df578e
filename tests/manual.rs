//! The manual tells the truth: its tables are those of the program, its links lead somewhere, its files are accepted, and
//! what it names exists.
//!
//! `UPDATE_MANUAL=1 cargo test --test manual` writes the pages of `docs/reference` anew.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod manual {
    mod claims;
    mod links;
    mod page;
    mod program;
    mod reference;
}

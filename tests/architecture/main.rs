//! The floors of the house, held by a test: who may name whom, which rooms stay pure, and that no files name
//! each other in a circle.
//!
//! The sources are read as text: comments, literals and test code are blanked out, every path that is left is
//! followed to the file that defines its name, re-exports or not, and each is held against the [`rules`]. The
//! list of floors is the list of `mod` lines: in `src/lib.rs` for rooms, in the `mod.rs` of a room for its
//! files. A violation names file, line, what is wrong, and what to do. When a rule is in the way of a good
//! change, change the rule, with the reason; `planted` proves that it still finds what it looks for.

mod arrows;
mod names;
mod paths;
mod planted;
mod rules;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use names::Tree;
use rules::{FUZZ, House, LIBRARY, judge};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crate whose sources lie in `folder`, beneath the root.
fn tree(folder: &str) -> Tree {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    files.sort();
    let texts: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(root()).expect("a file beneath the root").display().to_string();
            (name, fs::read_to_string(file).expect("a source file"))
        })
        .collect();
    Tree::new(folder, texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Fails with everything wrong with the crate in `folder`.
fn hold(folder: &str, house: &House<'_>) {
    let violations = judge(&tree(folder), house, |name| root().join(name).is_file());
    let mut report = String::new();
    for of_one_rule in Vec::from_iter(&violations).chunk_by(|one, other| one.rule == other.rule) {
        report.push_str(&format!("\n{} ({})\n", of_one_rule[0].rule, of_one_rule.len()));
        for violation in of_one_rule {
            report.push_str(&format!("  {violation}\n"));
        }
    }
    assert!(
        violations.is_empty(),
        "{folder} breaks the rules of the house at {} places:\n{report}",
        violations.len()
    );
}

#[test]
fn the_library_keeps_the_rules_of_the_house() {
    hold("src", &LIBRARY);
}

#[test]
fn the_fuzz_targets_keep_the_rules_of_the_house() {
    hold("fuzz/src", &FUZZ);
}

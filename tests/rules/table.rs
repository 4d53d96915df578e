//! The table of the rules in the docs of `corsair::http1`, held against the tests.

use std::collections::BTreeSet;

/// Each group of the table, its tests, and its first and last rule.
const GROUPS: [(&str, &str, u32, u32); 6] = [
    ("request_framing", include_str!("request_framing.rs"), 1, 10),
    ("request_syntax", include_str!("request_syntax.rs"), 11, 22),
    ("hop_by_hop", include_str!("hop_by_hop.rs"), 23, 29),
    ("responses", include_str!("responses.rs"), 30, 40),
    ("limits", include_str!("limits.rs"), 41, 44),
    ("choices", include_str!("choices.rs"), 45, 49),
];

/// Number, rule, source and test of every row.
fn rows() -> Vec<(u32, [&'static str; 3])> {
    let docs = include_str!("../../src/http1/mod.rs");
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix("//! | ")?.strip_suffix(" |")?.split(" | ");
        let number = cells.next()?.parse().ok()?;
        let rest = [cells.next()?, cells.next()?, cells.next()?];
        assert_eq!(cells.next(), None, "{line}");
        Some((number, rest))
    };
    docs.lines().filter_map(cells).collect()
}

/// The number in the name of a test of a rule.
fn number_of(test: &str) -> Option<u32> {
    test.strip_prefix("rule_")?.get(..2)?.parse().ok()
}

/// The functions with `#[test]` in a source file.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line == "#[test]" {
            let name = lines.next().and_then(|line| line.strip_prefix("fn ")?.strip_suffix("() {"));
            tests.insert(name.expect("a test without arguments"));
        }
    }
    tests
}

#[test]
fn every_rule_of_the_table_has_the_test_that_it_names() {
    let rows = rows();
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=49).collect::<Vec<_>>());
    for (number, [rule, source, test]) in rows {
        let (group, tests, ..) =
            GROUPS.into_iter().find(|(.., first, last)| (*first..=*last).contains(&number)).unwrap();
        let name = test.trim_matches('`').strip_prefix(&format!("rules::{group}::"));
        let name = name.unwrap_or_else(|| panic!("rule {number} belongs to {group}, not to {test}"));
        assert_eq!(number_of(name), Some(number), "{name}");
        assert!(tests_of(tests).contains(name), "there is no test {test}");
        assert!(!rule.is_empty() && source.starts_with("RFC "), "rule {number}");
    }
}

#[test]
fn every_test_is_named_after_a_rule_of_its_group() {
    for (group, source, first, last) in GROUPS {
        let tests = tests_of(source);
        assert!(!tests.is_empty());
        for test in tests {
            let number = number_of(test);
            assert!(number.is_some_and(|number| (first..=last).contains(&number)), "{group}::{test}");
        }
    }
}

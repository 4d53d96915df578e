//! The tables of rules in the docs of rooms, held against the tests that their rows name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// How a table of rules begins.
const HEADING: &str = "//! | | rule | source | test |";

/// Each group of the rules of `http1`, its tests, and its first and last rule.
const GROUPS: [(&str, &str, u32, u32); 6] = [
    ("request_framing", include_str!("request_framing.rs"), 1, 10),
    ("request_syntax", include_str!("request_syntax.rs"), 11, 22),
    ("hop_by_hop", include_str!("hop_by_hop.rs"), 23, 29),
    ("responses", include_str!("responses.rs"), 30, 40),
    ("limits", include_str!("limits.rs"), 41, 44),
    ("choices", include_str!("choices.rs"), 45, 49),
];

/// A row of a table.
struct Row {
    number: u32,
    rule: String,
    source: String,
    /// The tests that prove the rule, each by its path.
    tests: Vec<String>,
}

/// The table of rules in the docs of a room.
struct Table {
    file: String,
    rows: Vec<Row>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads `number | rule | source | test`, the last one or several in backticks.
fn row(file: &str, line: &str) -> Row {
    let cells = line.strip_prefix("//! | ").and_then(|line| line.strip_suffix(" |"));
    let cells: Vec<&str> = cells.unwrap_or_default().split(" | ").collect();
    let [number, rule, source, tests] = cells[..] else { panic!("{file}: no row of four cells: {line}") };
    let number = number.parse().unwrap_or_else(|_| panic!("{file}: no number: {line}"));
    let tests = tests.split(", ").map(|test| test.trim_matches('`').to_owned()).collect();
    Row { number, rule: rule.to_owned(), source: source.to_owned(), tests }
}

/// The table of rules in one file, if it has one.
fn table(file: &str, text: &str) -> Option<Table> {
    let mut lines = text.lines().skip_while(|line| *line != HEADING).skip(1);
    lines.next().filter(|ruler| ruler.starts_with("//! |---"))?;
    let rows = lines.take_while(|line| line.starts_with("//! |")).map(|line| row(file, line)).collect();
    Some(Table { file: file.to_owned(), rows })
}

/// Every table of rules in the sources.
fn tables() -> Vec<Table> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    files
        .iter()
        .filter_map(|path| {
            let file = path.strip_prefix(root()).unwrap().display().to_string();
            table(&file, &fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The tests in a source file: functions without arguments, or of a property.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let function = lines.by_ref().find(|line| !line.starts_with("#[")).unwrap_or_default();
            let function = function.strip_prefix("async ").unwrap_or(function);
            tests.extend(function.strip_prefix("fn ").and_then(|rest| rest.split('(').next()));
        }
    }
    tests
}

/// Whether there is a test of this path: `binary::function` or `binary::module::function` for one in `tests/`,
/// `room::file::tests::function` for one in `src/`.
fn exists(test: &str) -> bool {
    let Some((module, name)) = test.rsplit_once("::") else { return false };
    let mut modules = vec![module];
    modules.extend(module.strip_suffix("::tests"));
    let files = modules.iter().flat_map(|module| {
        let path = module.replace("::", "/");
        ["tests", "src"].into_iter().flat_map(move |folder| {
            [
                format!("{folder}/{path}.rs"),
                format!("{folder}/{path}/mod.rs"),
                format!("{folder}/{path}/main.rs"),
            ]
        })
    });
    files
        .filter_map(|file| fs::read_to_string(root().join(file)).ok())
        .any(|text| tests_of(&text).contains(name))
}

/// The number in the name of a test of a rule of `http1`.
fn number_of(test: &str) -> Option<u32> {
    test.strip_prefix("rule_")?.get(..2)?.parse().ok()
}

#[test]
fn every_rule_of_a_table_has_the_tests_that_it_names() {
    let tables = tables();
    assert!(tables.iter().any(|table| table.file == "src/http1/mod.rs"), "no table is found");
    for Table { file, rows } in tables {
        let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
        assert_eq!(
            numbers,
            (1..).take(rows.len()).collect::<Vec<u32>>(),
            "{file}: rules are numbered from 1"
        );
        for Row { number, rule, source, tests } in rows {
            assert!(!rule.is_empty() && !source.is_empty(), "{file}: rule {number} has an empty cell");
            for test in tests {
                assert!(exists(&test), "{file}: rule {number} names {test:?}, and there is no such test");
            }
        }
    }
}

#[test]
fn every_rule_of_http1_names_a_test_of_its_group_and_number() {
    let table = table("src/http1/mod.rs", include_str!("../../src/http1/mod.rs")).unwrap();
    assert_eq!(table.rows.len(), 49);
    for Row { number, source, tests, .. } in table.rows {
        let (group, ..) =
            GROUPS.into_iter().find(|(.., first, last)| (*first..=*last).contains(&number)).unwrap();
        let [test] = &tests[..] else { panic!("rule {number} names several tests") };
        let name = test.strip_prefix(&format!("rules::{group}::"));
        let name = name.unwrap_or_else(|| panic!("rule {number} belongs to {group}, not to {test}"));
        assert_eq!(number_of(name), Some(number), "{name}");
        assert!(source.starts_with("RFC "), "rule {number}");
    }
}

#[test]
fn every_test_of_http1_is_named_after_a_rule_of_its_group() {
    for (group, source, first, last) in GROUPS {
        let tests = tests_of(source);
        assert!(!tests.is_empty());
        for test in tests {
            let number = number_of(test);
            assert!(number.is_some_and(|number| (first..=last).contains(&number)), "{group}::{test}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_table_is_seen() {
    let text = "//! Docs.\n//! | | rule | source | test |\n//! |---|---|---|---|\n//! | 1 | a | RFC 1 | `x::y`, `z` |\n";
    let found = table("x.rs", text).unwrap();
    assert_eq!((found.rows.len(), &found.rows[0].tests[..]), (1, &["x::y".to_owned(), "z".to_owned()][..]));
    assert!(table("x.rs", "//! | | rule | source |\n//! |---|---|---|\n").is_none());
    for missing in ["MISSING", "cors::no_such_test", "no_such_binary::it_drains_like_term", "process::"] {
        assert!(!exists(missing), "{missing}");
    }
    for there in [
        "process::int_drains_like_term",
        "rules::limits::rule_42_the_time_for_a_head_is_a_total",
        "http1::fields::tests::only_sp_and_htab_are_blanks",
    ] {
        assert!(exists(there), "{there}");
    }
}

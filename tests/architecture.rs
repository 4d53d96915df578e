//! The floors of the house, held by a test: who may name whom, and which rooms stay pure.
//!
//! The sources are read as text: comments, literals and test code are blanked out, every path that is left
//! (`use` trees included) is resolved, and each is held against the rules below. A violation names file,
//! line and rule. When a rule is in the way of a good change, change the rule here, with the reason.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path as FilePath, PathBuf},
};

/// The rooms from the lowest floor to the highest. Code names rooms of its own floor and of those before it.
const FLOORS: [&str; 16] = [
    "error",
    "http1",
    "uri",
    "cors",
    "gateway",
    "access",
    "tls",
    "config",
    "plan",
    "net",
    "observe",
    "upstream",
    "proxy",
    "worker",
    "server",
    "diagnostics",
];

/// Uses no other room and is used by none: only the command names it.
const LEAF: &str = "diagnostics";

/// Rooms and files that decide and do not do: no socket, no file, no clock, no runtime.
const PURE: [&str; 7] = ["error", "http1", "uri", "cors", "gateway", "access", "plan"];

/// What a pure room never names. An imported parent counts as well: `time::Instant` is `std::time::Instant`.
const IMPURE: [&str; 15] = [
    "tokio",
    "tokio_rustls",
    "hickory_resolver",
    "rustix",
    "socket2",
    "tracing",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
];

/// Rooms of its own crate that a pure room never names, beside files of `proxy` that are not pure.
const IMPURE_ROOMS: [&str; 5] =
    ["crate::net", "crate::observe", "crate::upstream", "crate::worker", "crate::server"];

/// A file of `src/`, ready to be judged.
struct Source {
    file: String,
    /// `["http1", "head"]` for `src/http1/head.rs`; empty for the root.
    module: Vec<String>,
    text: String,
}

/// A path as written, and where.
#[derive(Debug, PartialEq, Eq)]
struct Path {
    line: usize,
    segments: Vec<String>,
    /// It is re-exported: `pub use`, `pub(crate) use`.
    reexported: bool,
}

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    place: String,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

/// `text` with comments and the insides of literals blanked; lines stay where they are.
fn without_comments_and_literals(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(characters.len());
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut index = 0;
    while index < characters.len() {
        let end = match at(index) {
            '/' if at(index + 1) == '/' => (index..characters.len()).find(|&end| at(end) == '\n'),
            '/' if at(index + 1) == '*' => end_of_block_comment(&characters, index),
            '"' => end_of_string(&characters, index, raw_hashes(&out)),
            '\'' if at(index + 1) == '\\' => {
                (index + 3..characters.len()).find(|&end| at(end) == '\'').map(|end| end + 1)
            }
            '\'' if at(index + 2) == '\'' => Some(index + 3),
            _ => {
                out.push(at(index));
                index += 1;
                continue;
            }
        };
        let end = end.unwrap_or(characters.len());
        out.extend(characters[index..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        index = end;
    }
    out.into_iter().collect()
}

fn end_of_block_comment(characters: &[char], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut index = start;
    while index + 1 < characters.len() {
        match (characters[index], characters[index + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                index += 1;
                continue;
            }
        }
        index += 2;
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// The number of `#` of a raw string whose quote comes next; `None` if the string is not raw.
fn raw_hashes(before: &[char]) -> Option<usize> {
    let hashes = before.iter().rev().take_while(|&&c| c == '#').count();
    let prefix: String = before[..before.len() - hashes]
        .iter()
        .rev()
        .take_while(|c| c.is_alphanumeric() || **c == '_')
        .collect();
    matches!(prefix.as_str(), "r" | "rb" | "rc").then_some(hashes)
}

fn end_of_string(characters: &[char], start: usize, raw_hashes: Option<usize>) -> Option<usize> {
    let mut index = start + 1;
    while index < characters.len() {
        match (characters[index], raw_hashes) {
            ('\\', None) => index += 1,
            ('"', None) => return Some(index + 1),
            ('"', Some(hashes)) if characters[index + 1..].iter().take(hashes).all(|&c| c == '#') => {
                return Some(index + 1 + hashes);
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// `text` without the items behind `#[cfg(test)]`, and the names of the test modules that have a file.
fn without_tests(text: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut out = text.to_owned();
    let mut modules = Vec::new();
    while let Some(start) = out.find(MARK) {
        let rest = &out[start + MARK.len()..];
        let mut depth = 0_usize;
        let length = rest.char_indices().find_map(|(index, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0 && matches!(c, '}' | ';')).then_some(index + 1)
        });
        let end = start + MARK.len() + length.unwrap_or(rest.len());
        let item = &out[start..end];
        if item.ends_with(';')
            && let Some((_, name)) = item.trim_end_matches(';').rsplit_once("mod ")
        {
            modules.push(name.trim().to_owned());
        }
        let blank: String = item.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    (out, modules)
}

/// A word, a `::`, or any other character, with its line.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let (mut line, mut continues) = (1, false);
    for c in text.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some((_, word)) if continues && is_word => word.push(c),
            Some((_, colons)) if continues && c == ':' && colons == ":" => colons.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push((line, c.to_string())),
        }
        continues = is_word || c == ':' && tokens.last().is_some_and(|(_, token)| token == ":");
        line += usize::from(c == '\n');
    }
    tokens
}

/// Every path of two segments or more, `use` trees unfolded.
fn paths(text: &str) -> Vec<Path> {
    let tokens = tokens(text);
    let word = |index: usize| {
        tokens.get(index).filter(|(_, token)| token.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    let is = |index: usize, wanted: &str| tokens.get(index).is_some_and(|(_, token)| token == wanted);
    let mut paths = Vec::new();
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut reexported = false;
    let mut index = 0;
    while index < tokens.len() {
        if is(index, "use") {
            reexported = index > 0 && (is(index - 1, "pub") || is(index - 1, ")"));
        }
        if is(index, "}") && !groups.is_empty() {
            groups.pop();
        }
        if is(index, ";") {
            reexported = false;
        }
        let Some((line, first)) = word(index) else {
            index += 1;
            continue;
        };
        let mut segments: Vec<String> = groups.last().cloned().unwrap_or_default();
        segments.push(first.clone());
        index += 1;
        let mut is_group = false;
        while is(index, "::") {
            if let Some((_, next)) = word(index + 1) {
                segments.push(next.clone());
                index += 2;
            } else {
                is_group = is(index + 1, "{");
                index += if is_group { 2 } else { 1 };
                break;
            }
        }
        if is(index, "as") && !groups.is_empty() {
            index += 2;
        }
        if is_group {
            groups.push(segments);
        } else if segments.len() > 1 {
            paths.push(Path { line: *line, segments, reexported });
        }
    }
    paths
}

/// The path from the root of the crate, beginning with `crate`; what is not ours stays as it is.
fn resolve(module: &[String], segments: &[String]) -> Vec<String> {
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let (base, rest) = match segments.first().map(String::as_str) {
        Some("crate") => (&module[..0], &segments[1..]),
        Some("self") => (module, &segments[1..]),
        Some("super") => (&module[..module.len().saturating_sub(supers)], &segments[supers..]),
        _ => return segments.to_vec(),
    };
    let root = [String::from("crate")];
    root.iter().chain(base).chain(rest).filter(|segment| *segment != "self").cloned().collect()
}

/// Whether `path` is `prefix` or lies beneath it.
fn is_beneath(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(segment, wanted)| segment == wanted)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|name| *name == room)
}

/// Everything wrong with one file.
fn judge(source: &Source, modules: &BTreeSet<Vec<String>>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let own = source.module.first().map(String::as_str).unwrap_or_default();
    let is_pure = PURE.iter().any(|pure| is_beneath(&source.module, pure));
    for path in paths(&source.text) {
        let resolved = resolve(&source.module, &path.segments);
        let name = resolved.join("::");
        let mut breach = |rule: String| {
            violations.push(Violation { place: format!("{}:{}", source.file, path.line), rule });
        };
        if let [root, room, ..] = resolved.as_slice()
            && root == "crate"
            && room != own
            && let Some(below) = floor(room)
        {
            if floor(own).is_some_and(|own| below > own) {
                breach(format!(
                    "{name}: `{own}` may name only the floors before it, and `{room}` comes after"
                ));
            }
            if own == LEAF {
                breach(format!("{name}: `{LEAF}` names no other room"));
            }
        }
        if is_pure && let Some(impurity) = impurity(&resolved) {
            breach(format!("{name}: a pure room names no {impurity}"));
        }
        if path.reexported {
            let child = [source.module.as_slice(), &path.segments[..1]].concat();
            let is_own =
                path.segments[0] == "self" || path.segments[0] != "super" && modules.contains(&child);
            if !is_own {
                breach(format!(
                    "{name}: a room re-exports its own children only, so that re-exports never form a circle"
                ));
            }
        }
    }
    violations
}

/// What keeps `path` out of a pure room.
fn impurity(path: &[String]) -> Option<&str> {
    let is_own = path.first().is_some_and(|root| root == "crate");
    if is_own {
        let is_io = IMPURE_ROOMS.iter().any(|room| is_beneath(path, room));
        let is_pure = PURE.iter().any(|pure| is_beneath(&path[1..], pure));
        return (is_io && !is_pure).then_some("room that does I/O");
    }
    IMPURE.into_iter().find(|impure| {
        let imported = impure.strip_prefix("std::").filter(|_| path.len() > 1);
        is_beneath(path, impure) || imported.is_some_and(|imported| is_beneath(path, imported))
    })
}

/// Every file of the library but test modules, with the violations of the list of rooms itself.
fn sources() -> Vec<Source> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut sources = Vec::new();
    let mut test_modules = BTreeSet::new();
    for file in files {
        let relative = file.strip_prefix(root).expect("a file of the crate");
        let mut module: Vec<String> = relative
            .with_extension("")
            .components()
            .skip(1)
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        match module.last().map(String::as_str) {
            // The command is a crate of its own.
            Some("main") if module.len() == 1 => continue,
            Some("lib") if module.len() == 1 => module.clear(),
            Some("mod") => drop(module.pop()),
            _ => {}
        }
        let text = fs::read_to_string(&file).expect("a source file");
        let (text, tests) = without_tests(&without_comments_and_literals(&text));
        for test in tests {
            test_modules.insert([module.as_slice(), &[test]].concat());
        }
        sources.push(Source { file: relative.display().to_string(), module, text });
    }
    sources.retain(|source| !test_modules.iter().any(|test| source.module.starts_with(test)));
    sources
}

fn collect(folder: &FilePath, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn lib_rs_lists_every_room_in_floor_order() {
    let sources = sources();
    let root = sources.iter().find(|source| source.module.is_empty()).expect("src/lib.rs");
    let listed: Vec<&str> = root
        .text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(listed, FLOORS, "the modules of src/lib.rs against FLOORS of tests/architecture.rs");
    for source in &sources {
        if let Some(room) = source.module.first() {
            assert!(floor(room).is_some(), "{}: `{room}` stands on no floor; add it to FLOORS", source.file);
        }
    }
}

#[test]
fn every_room_keeps_to_its_floor_and_pure_rooms_stay_pure() {
    let sources = sources();
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|source| source.module.clone()).collect();
    let mut violations = Vec::new();
    for source in &sources {
        violations.extend(judge(source, &modules).iter().map(ToString::to_string));
    }
    assert!(violations.is_empty(), "the floors do not hold:\n{}", violations.join("\n"));
}

#[test]
fn the_judge_finds_what_it_looks_for() {
    let modules: BTreeSet<Vec<String>> = [vec!["net".into(), "buffer".into()]].into();
    for (module, text, expected) in [
        ("http1::head", "use crate::config::Config;", &["config` comes after"][..]),
        (
            "http1::head",
            "use crate::error::Error;\nfn f() { super::super::proxy::run() }",
            &["x.rs:2: crate::proxy"],
        ),
        ("cors", "use crate::{error::Error, net::{buffer, stream::Stream}};", &["comes after", "no room"]),
        ("cors", "use crate::http1::head::{self, Span};", &[]),
        ("gateway", "// crate::server\n/* crate::proxy /* x */ tokio::spawn */ /// [`crate::net`]", &[]),
        (
            "gateway",
            "const A: &str = \"crate::net::x\"; const B: &[u8] = br#\"tokio::x \" \"#; const C: char = '\"';",
            &[],
        ),
        (
            "gateway",
            "#[cfg(test)]\nmod tests { use tokio::net::TcpStream; fn f() { { } } }\nuse std::fs;",
            &["x.rs:3: std::fs"],
        ),
        ("access", "use std::net::{IpAddr, TcpStream as Socket};", &["std::net::TcpStream"]),
        ("access", "use std::{net::IpAddr, time::Duration}; use url::Url;", &[]),
        ("plan", "use crate::proxy::core::Core;", &["comes after"]),
        ("proxy::exchange", "use super::core::Core; use tokio::time::Instant;", &[]),
        ("net", "pub use self::buffer::Buffer; pub use buffer::BufferPool;", &[]),
        ("net", "pub use crate::error::Error;", &["re-exports its own children only"]),
        ("net::stream", "pub(crate) use super::buffer::Buffer;", &["re-exports its own children only"]),
        ("diagnostics", "use crate::error::Error;", &["names no other room"]),
        ("server", "use crate::diagnostics::install;", &["comes after"]),
    ] {
        let (text, _) = without_tests(&without_comments_and_literals(text));
        let module = module.split("::").map(String::from).collect();
        let source = Source { file: "x.rs".into(), module, text };
        let violations = judge(&source, &modules);
        let messages: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let all = messages.join("\n");
        assert_eq!(messages.is_empty(), expected.is_empty(), "{}: {all}", source.text);
        for part in expected {
            assert!(all.contains(part), "{}: no {part:?} in {all:?}", source.text);
        }
    }
}

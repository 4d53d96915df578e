//! The rules of the house, each a function over the sources of one crate.

use std::{collections::BTreeSet, fmt};

use super::{
    arrows::{Arrow, Arrows, circles},
    names::Tree,
};

/// What a house promises beside the order of its floors.
pub(super) struct House<'a> {
    /// Rooms, and files of other rooms, that decide and do not do: no socket, no file, no clock, no runtime.
    pub(super) pure: &'a [&'a str],
    /// The room that names no other and that none names: only the command does.
    pub(super) leaf: Option<&'a str>,
}

/// The library.
pub(super) const LIBRARY: House<'static> = House {
    pure: &[
        "error",
        "http1",
        "uri",
        "routing",
        "cors",
        "gateway",
        "access",
        "trust",
        "admission",
        "limit",
        "tls::certificate",
        "tls::handshake",
        "plan",
        "upstream::balance",
        "upstream::health",
    ],
    leaf: Some("diagnostics"),
};

/// The fuzz targets.
pub(super) const FUZZ: House<'static> = House { pure: &[], leaf: None };

/// Of `config` a pure room names the types; it never asks where they come from.
const SOURCES_OF_CONFIG: [&str; 4] =
    ["config::flags", "config::file", "config::compile", "config::published"];

/// What a pure room never names.
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

/// A time, as the half that waits has it. It is a plain value like the one of `std`, which it wraps; only
/// asking it for the present needs the runtime, and that is refused of both.
const TIME_OF_THE_RUNTIME: &str = "tokio::time::Instant";

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// The rule, and what to do about a breach of it.
    pub(super) rule: &'static str,
    file: String,
    line: usize,
    fact: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.fact)
    }
}

const LISTED: &str = "Every file stands on a floor: list it in a `mod` line of its folder.";
const FLOORS: &str = "Code names only what is listed before it: move the name down, or the `mod` line, or pass \
                      the value as an argument.";
const LEAF: &str = "The leaf names no other room, and no room names it: only the command does.";
const CIRCLES: &str = "No files name each other in a circle. An arrow goes to the file that defines the name: \
                       move what both ends need into a file of its own below them, or pass it as an argument. \
                       Towards one child a mod.rs is the ground (defines what it uses) or the roof (uses it), \
                       never both.";
const PURITY: &str = "A pure room decides and does not do: what it needs from outside comes in as an argument, \
                      a time too.";
const PURE_ROOMS: &str = "The list of pure rooms in tests/architecture/rules.rs is true: correct it there.";
const REEXPORTS: &str = "A file re-exports what its children define, and nothing else: name the thing by the \
                         path of the room that defines it.";
const CITATIONS: &str = "Comments cite what is here: say the reason itself, or link to what says it.";

/// Everything wrong with one crate. `is_document` tells whether a file of this name is in the repository.
pub(super) fn judge(
    tree: &Tree,
    house: &House<'_>,
    is_document: impl Fn(&str) -> bool,
) -> BTreeSet<Violation> {
    let court = Court { tree, house, names: Arrows::of(tree) };
    let mut violations = BTreeSet::new();
    violations.extend(court.files_that_no_list_names());
    violations.extend(court.names_from_floors_above());
    violations.extend(court.names_of_the_leaf());
    violations.extend(court.circles());
    violations.extend(court.pure_rooms_that_are_not_there());
    violations.extend(court.impure_names_in_pure_rooms());
    violations.extend(court.reexports_of_what_is_not_a_child());
    violations.extend(court.citations_of_what_is_not_here(is_document));
    violations
}

struct Court<'a> {
    tree: &'a Tree,
    house: &'a House<'a>,
    names: Arrows,
}

/// Whether `path` is `prefix` or lies beneath it.
fn is_beneath(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(segment, wanted)| segment == wanted)
}

impl Court<'_> {
    fn violation(&self, source: usize, line: usize, fact: String, rule: &'static str) -> Violation {
        Violation { file: self.file(source).to_owned(), line, fact, rule }
    }

    fn file(&self, source: usize) -> &str {
        &self.tree.sources[source].file
    }

    fn module(&self, source: usize) -> &[String] {
        &self.tree.sources[source].module
    }

    /// The floor of a module in the folder of its parent, from 0.
    fn floor(&self, module: &[String]) -> Option<usize> {
        let (name, parent) = module.split_last()?;
        let parent = self.tree.source(parent)?;
        self.tree.sources[parent].content.modules.iter().position(|listed| listed == name)
    }

    fn files_that_no_list_names(&self) -> impl Iterator<Item = Violation> {
        (0..self.tree.sources.len()).filter_map(|source| {
            let module = self.module(source);
            let is_listed = module.is_empty() || self.floor(module).is_some();
            let fact = || format!("no `mod` line lists `{}`", module.join("::"));
            (!is_listed).then(|| self.violation(source, 1, fact(), LISTED))
        })
    }

    /// What is wrong with an arrow whose end stands above its beginning.
    fn upwards(&self, arrow: &Arrow) -> Option<String> {
        let (from, to) = (self.module(arrow.from), self.module(arrow.to));
        let common = from.iter().zip(to).take_while(|(from, to)| from == to).count();
        let (lower, upper) = (from.get(..=common)?, to.get(..=common)?);
        let list = self.file(self.tree.source(&from[..common])?);
        let (name, lower_name, upper_name) = (&arrow.name, &lower[common], &upper[common]);
        (self.floor(upper)? > self.floor(lower)?)
            .then(|| format!("{name}: {list} lists `{upper_name}` after `{lower_name}`"))
    }

    /// The first name for each two files.
    fn names_from_floors_above(&self) -> impl Iterator<Item = Violation> {
        let mut seen = BTreeSet::new();
        self.names.arrows.iter().filter_map(move |arrow| {
            let fact = self.upwards(arrow).filter(|_| seen.insert((arrow.from, arrow.to)))?;
            Some(self.violation(arrow.from, arrow.line, fact, FLOORS))
        })
    }

    fn names_of_the_leaf(&self) -> impl Iterator<Item = Violation> {
        self.names.arrows.iter().filter_map(|arrow| {
            let leaf = self.house.leaf?;
            let [from, to] = [arrow.from, arrow.to].map(|end| self.module(end).first());
            let is_breach = from != to && [from, to].into_iter().flatten().any(|room| room == leaf);
            let fact = || format!("{}: `{leaf}` names no other room, and none names it", arrow.name);
            is_breach.then(|| self.violation(arrow.from, arrow.line, fact(), LEAF))
        })
    }

    fn circles(&self) -> impl Iterator<Item = Violation> {
        circles(self.tree.sources.len(), &self.names.arrows).into_iter().map(|circle| {
            let files: BTreeSet<usize> = circle.iter().map(|arrow| arrow.from).collect();
            let mut fact = format!("{} files name each other in a circle:", files.len());
            for arrow in &circle {
                let [from, to] = [arrow.from, arrow.to].map(|end| self.file(end));
                let mark = if self.upwards(arrow).is_some() { ", upwards" } else { "" };
                fact.push_str(&format!("\n    {from}:{} → {to} ({}{mark})", arrow.line, arrow.name));
            }
            self.violation(circle[0].from, circle[0].line, fact, CIRCLES)
        })
    }

    fn is_pure(&self, module: &[String]) -> bool {
        self.house.pure.iter().any(|pure| is_beneath(module, pure))
    }

    fn pure_rooms_that_are_not_there(&self) -> impl Iterator<Item = Violation> {
        self.house.pure.iter().filter_map(|pure| {
            let is_there = self.tree.sources.iter().any(|source| is_beneath(&source.module, pure));
            let root = self.tree.source(&[])?;
            let fact = || format!("there is no `{pure}`, which is listed as pure");
            (!is_there).then(|| self.violation(root, 1, fact(), PURE_ROOMS))
        })
    }

    fn impure_names_in_pure_rooms(&self) -> impl Iterator<Item = Violation> {
        let rooms = self.names.arrows.iter().filter_map(|arrow| {
            let to = self.module(arrow.to);
            let is_type_of_config =
                is_beneath(to, "config") && !SOURCES_OF_CONFIG.iter().any(|source| is_beneath(to, source));
            let is_allowed = to.is_empty() || is_type_of_config || self.is_pure(to);
            let fact = || format!("{}: a pure room names no `{}`", arrow.name, to.join("::"));
            (!is_allowed).then(|| (arrow.from, arrow.line, fact()))
        });
        let foreign = self.names.foreign.iter().filter_map(|foreign| {
            let fact =
                format!("{}: a pure room names no `{}`", foreign.path.join("::"), impurity(&foreign.path)?);
            Some((foreign.from, foreign.line, fact))
        });
        let elapsed = self.tree.sources.iter().enumerate().flat_map(|(index, source)| {
            let fact = "elapsed(): a pure room names no `elapsed`";
            source.content.elapsed.iter().map(move |&line| (index, line, fact.to_owned()))
        });
        let all = rooms.chain(foreign).chain(elapsed);
        all.filter(|(source, ..)| self.is_pure(self.module(*source)))
            .map(|(source, line, fact)| self.violation(source, line, fact, PURITY))
    }

    fn reexports_of_what_is_not_a_child(&self) -> impl Iterator<Item = Violation> {
        let sources = self.tree.sources.iter().enumerate();
        let reexports = sources.flat_map(|(index, source)| {
            source
                .content
                .imports
                .iter()
                .filter(|import| import.is_reexport)
                .map(move |import| (index, import))
        });
        reexports.filter_map(|(index, import)| {
            let first = import.path[0].as_str();
            let child = [self.module(index), &[first.to_owned()]].concat();
            // A single name is a macro of this file.
            let is_own = first == "self" || import.path.len() == 1 || self.tree.source(&child).is_some();
            let fact = || format!("{}: re-exported, and no child of this file", import.path.join("::"));
            (!is_own).then(|| self.violation(index, import.line, fact(), REEXPORTS))
        })
    }

    fn citations_of_what_is_not_here(
        &self,
        is_document: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = Violation> {
        self.tree.citations.iter().filter(move |(.., name)| !is_document(name)).map(|(file, line, name)| {
            let fact = format!("`{name}` is no file of the repository");
            Violation { rule: CITATIONS, file: file.clone(), line: *line, fact }
        })
    }
}

/// What keeps a path that leads out of the crate out of a pure room.
fn impurity(path: &[String]) -> Option<&str> {
    if let [.., kind, asked] = path
        && ["Instant", "SystemTime"].contains(&kind.as_str())
        && ["now", "elapsed"].contains(&asked.as_str())
    {
        return Some(asked);
    }
    IMPURE.into_iter().find(|impure| is_beneath(path, impure) && !is_beneath(path, TIME_OF_THE_RUNTIME))
}

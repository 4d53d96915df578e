//! Which file defines a name: paths are followed through modules, imports and re-exports.

use std::collections::HashMap;

use super::{
    paths::{Content, read},
    source::{Blanked, blanked, cited_documents, without_tests},
};

/// A path that still leads elsewhere after so many imports leads in a circle.
const MAX_HOPS: usize = 12;

/// A file of a crate that is not there for tests.
pub(super) struct Source {
    /// From the root of the repository: `src/http1/head.rs`.
    pub(super) file: String,
    /// `["http1", "head"]` for it; empty for the root of the crate.
    pub(super) module: Vec<String>,
    pub(super) content: Content,
}

/// The sources of one crate.
pub(super) struct Tree {
    pub(super) sources: Vec<Source>,
    by_module: HashMap<Vec<String>, usize>,
    /// Every document that a comment cites, in tests too: file, line and name.
    pub(super) citations: Vec<(String, usize, String)>,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To something that this source defines.
    Item(usize),
    /// To the module of this source itself.
    Module(usize),
    /// Out of the crate, or to a name of the language: the path from there, as far as it is known.
    Foreign(Vec<String>),
}

/// `["http1", "head"]` for `src/http1/head.rs` in `src`; `None` for a command, which is a crate of its own.
fn module_of(folder: &str, file: &str) -> Option<Vec<String>> {
    let inside = file.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let mut module: Vec<String> = inside.split('/').map(String::from).collect();
    match (module.len(), module.last().map(String::as_str)) {
        (1, Some("main")) => return None,
        (1, Some("lib")) => module.clear(),
        (_, Some("mod")) => drop(module.pop()),
        _ => {}
    }
    Some(module)
}

impl Tree {
    /// Reads the crate whose sources lie in `folder`, from its files: name and text of each.
    pub(super) fn new<'a>(folder: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sources = Vec::new();
        let mut citations = Vec::new();
        let mut test_modules = Vec::new();
        for (file, text) in files {
            let Some(module) = module_of(folder, file) else { continue };
            let Blanked { code, comments } = blanked(text);
            let cited = cited_documents(&comments);
            citations.extend(cited.into_iter().map(|(line, name)| (file.to_owned(), line, name)));
            let (code, tests) = without_tests(&code);
            test_modules.extend(tests.into_iter().map(|test| [module.as_slice(), &[test]].concat()));
            sources.push(Source { file: file.to_owned(), module, content: read(&code) });
        }
        sources.retain(|source| !test_modules.iter().any(|test| source.module.starts_with(test)));
        let by_module =
            sources.iter().enumerate().map(|(index, source)| (source.module.clone(), index)).collect();
        Self { sources, by_module, citations }
    }

    /// The source of a module.
    pub(super) fn source(&self, module: &[String]) -> Option<usize> {
        self.by_module.get(module).copied()
    }

    fn child(&self, of: usize, name: &str) -> Option<usize> {
        self.source(&[self.sources[of].module.as_slice(), &[name.to_owned()]].concat())
    }

    /// Where `path`, written in the source `from`, leads. Two places are possible where one name is imported
    /// twice, for one system and another.
    pub(super) fn places(&self, from: usize, path: &[String]) -> Vec<Place> {
        self.begin(from, path, 0)
    }

    fn begin(&self, from: usize, path: &[String], hops: usize) -> Vec<Place> {
        let module = &self.sources[from].module;
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let start = match path.first().map(String::as_str) {
            _ if hops > MAX_HOPS => None,
            Some("crate") => self.source(&[]).map(|root| (root, 1)),
            Some("self") => Some((from, 1)),
            Some("super") => module
                .len()
                .checked_sub(supers)
                .and_then(|length| Some((self.source(&module[..length])?, supers))),
            Some(first) if self.has(from, first, hops) => Some((from, 0)),
            _ => None,
        };
        match start {
            Some((at, taken)) => self.walk(at, &path[taken..], hops),
            None => vec![Place::Foreign(path.to_vec())],
        }
    }

    fn walk(&self, at: usize, path: &[String], hops: usize) -> Vec<Place> {
        let Some((name, rest)) = path.split_first() else { return vec![Place::Module(at)] };
        if let Some(child) = self.child(at, name) {
            return self.walk(child, rest, hops);
        }
        let content = &self.sources[at].content;
        if content.defined.contains(name) {
            return vec![Place::Item(at)];
        }
        let named = content.imports.iter().filter(|import| import.name.as_ref() == Some(name));
        let places: Vec<Place> = named
            .flat_map(|import| self.begin(at, &[import.path.as_slice(), rest].concat(), hops + 1))
            .collect();
        if !places.is_empty() {
            return places;
        }
        match self.globbed(at, name, hops) {
            Some(module) => self.walk(module, path, hops + 1),
            // Not seen to be defined: a macro did.
            None => vec![Place::Item(at)],
        }
    }

    /// Whether `name` means something in the source `at`, as the first word of a path.
    fn has(&self, at: usize, name: &str, hops: usize) -> bool {
        let content = &self.sources[at].content;
        self.child(at, name).is_some()
            || content.defined.contains(name)
            || content.imports.iter().any(|import| import.name.as_deref() == Some(name))
            || self.globbed(at, name, hops).is_some()
    }

    /// The module from which a `*` in the source `at` brings `name`.
    fn globbed(&self, at: usize, name: &str, hops: usize) -> Option<usize> {
        if hops > MAX_HOPS {
            return None;
        }
        let globs = self.sources[at].content.imports.iter().filter(|import| import.is_glob);
        let mut places = globs.flat_map(|glob| self.begin(at, &glob.path, hops + 1));
        places.find_map(|place| match place {
            Place::Module(module) if module != at && self.has(module, name, hops + 1) => Some(module),
            Place::Item(_) | Place::Module(_) | Place::Foreign(_) => None,
        })
    }
}

//! Which file names which: an arrow for every name, to the file that defines it; and circles of arrows.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Place, Tree};

/// The source `from` names something that the source `to` defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
    /// The path as written.
    pub(super) name: String,
}

/// The source `from` names something that is not of its crate.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) from: usize,
    pub(super) line: usize,
    /// The whole path, whatever part of it was imported.
    pub(super) path: Vec<String>,
}

/// Every name of a crate that leads out of its file.
#[derive(Default)]
pub(super) struct Arrows {
    pub(super) arrows: BTreeSet<Arrow>,
    pub(super) foreign: Vec<Foreign>,
}

impl Arrows {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut all = Self::default();
        (0..tree.sources.len()).for_each(|from| all.collect(tree, from));
        all
    }

    fn draw(&mut self, from: usize, to: usize, line: usize, path: &[String]) {
        if from != to {
            self.arrows.insert(Arrow { from, to, line, name: path.join("::") });
        }
    }

    fn collect(&mut self, tree: &Tree, from: usize) {
        let content = &tree.sources[from].content;
        let first_words: BTreeSet<&str> =
            content.mentions.iter().filter(|m| m.path.len() > 1).map(|m| m.path[0].as_str()).collect();
        let mut modules: BTreeSet<&str> = BTreeSet::new();
        // Names of things that are no modules: what is said of them was said by their import.
        let mut items: BTreeSet<&str> = BTreeSet::new();
        let mut reexported: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for import in &content.imports {
            for place in tree.places(from, &import.path) {
                let name = import.name.as_deref();
                match place {
                    Place::Foreign(path) => self.foreign.push(Foreign { from, line: import.line, path }),
                    // A module counts for what is then named through it.
                    Place::Module(_) if name.is_some_and(|name| first_words.contains(name)) => {
                        modules.extend(name);
                    }
                    Place::Module(_) if import.is_reexport => {}
                    Place::Item(to) if import.is_reexport => {
                        items.extend(name);
                        name.into_iter().for_each(|name| reexported.entry(name).or_default().push(to));
                    }
                    Place::Item(to) => {
                        items.extend(name);
                        self.draw(from, to, import.line, &import.path);
                    }
                    Place::Module(to) => self.draw(from, to, import.line, &import.path),
                }
            }
        }
        for mention in &content.mentions {
            let first = mention.path[0].as_str();
            // What a file re-exports is not its own need, unless its code names it too.
            let is_type = first.starts_with(char::is_uppercase);
            if mention.path.len() > 1 || is_type || mention.is_call {
                for &to in reexported.get(first).into_iter().flatten() {
                    self.draw(from, to, mention.line, &mention.path);
                }
            }
            let is_known = items.contains(first) && !modules.contains(first);
            if mention.path.len() == 1 || is_known {
                continue;
            }
            for place in tree.places(from, &mention.path) {
                match place {
                    Place::Foreign(path) => self.foreign.push(Foreign { from, line: mention.line, path }),
                    Place::Item(to) | Place::Module(to) => self.draw(from, to, mention.line, &mention.path),
                }
            }
        }
    }
}

/// Every set of files each of which can be reached from each other, with the first arrow between each two.
pub(super) fn circles(files: usize, arrows: &BTreeSet<Arrow>) -> Vec<Vec<Arrow>> {
    let mut next: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); files];
    for arrow in arrows {
        next[arrow.from].insert(arrow.to);
    }
    let reached: Vec<BTreeSet<usize>> = (0..files).map(|start| reachable(&next, start)).collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for start in 0..files {
        let circle: BTreeSet<usize> =
            reached[start].iter().copied().filter(|&other| reached[other].contains(&start)).collect();
        if circle.is_empty() || !seen.insert(circle.clone()) {
            continue;
        }
        // Arrows are sorted by file, file and line.
        let mut within: Vec<Arrow> = arrows
            .iter()
            .filter(|arrow| circle.contains(&arrow.from) && circle.contains(&arrow.to))
            .cloned()
            .collect();
        within.dedup_by_key(|arrow| (arrow.from, arrow.to));
        circles.push(within);
    }
    circles
}

/// What can be reached from `start`; itself only if a way leads back.
fn reachable(next: &[BTreeSet<usize>], start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        open.extend(next[at].iter().filter(|&&to| reached.insert(to)));
    }
    reached
}

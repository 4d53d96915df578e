//! A configuration file as it was read, and places in it: what faults point at.

use std::{fmt, ops::Range, path::Path, sync::Arc};

/// A file, under the name by which it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as it was typed.
    pub name: Box<str>,
    /// What it holds.
    pub text: Box<str>,
}

/// Some of the text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Which bytes of it.
    pub span: Range<usize>,
}

impl Source {
    /// A file that was read from `path`. A byte order mark at its beginning is none of the text: no editor shows it, or
    /// counts it as a column.
    #[must_use]
    pub fn new(path: &Path, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self { name: path.display().to_string().into(), text: text.into() })
    }
}

impl Place {
    /// The line and the column of its first byte, counted in characters from 1.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or(&self.source.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_line_and_column_in_characters() {
        let source = Source::new(Path::new("corsair.toml"), "a = 1\nüb = \"x\"\n");
        for (text, expected) in
            [("a", "corsair.toml:1:1"), ("b", "corsair.toml:2:2"), ("x", "corsair.toml:2:7")]
        {
            let start = source.text.find(text).unwrap();
            let place = Place { source: Arc::clone(&source), span: start..start + 1 };
            assert_eq!(place.to_string(), expected);
        }
        let behind = Place { source: Arc::clone(&source), span: 999..1000 };
        assert_eq!(behind.to_string(), "corsair.toml:3:1", "no span can make it panic");
    }
}

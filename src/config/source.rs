//! A configuration file as it was read, and places in it: what faults point at.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE: u64 = 4 << 20;

/// A file, under the name by which it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as it was typed.
    pub name: Box<str>,
    /// What it holds.
    pub text: Box<str>,
    /// Which bytes of it are told to nobody.
    hidden: OnceLock<Vec<Range<usize>>>,
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
        Arc::new(Self { name: path.display().to_string().into(), text: text.into(), hidden: OnceLock::new() })
    }

    /// Has nobody told what stands in these places.
    pub(super) fn hide(&self, places: Vec<Range<usize>>) {
        // It is walked once.
        let _ = self.hidden.set(places);
    }

    /// What it holds, as it may be shown: what is hidden is stars, and everything stands in its place.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        let hidden = self.hidden.get().map_or(&[][..], Vec::as_slice);
        if hidden.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut bytes = self.text.as_bytes().to_vec();
        for place in hidden {
            for byte in bytes.get_mut(place.clone()).unwrap_or_default() {
                if !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'') {
                    *byte = b'*';
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned().into()
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

/// What stands in a file of text, up to [`MAX_FILE`].
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is longer than {} MiB", MAX_FILE >> 20)));
    }
    String::from_utf8(text).map_err(|fault| {
        io::Error::other(format!("it is no text in UTF-8 behind byte {}", fault.utf8_error().valid_up_to()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_as_stars_in_its_place() {
        let source = Source::new(Path::new("f"), "a = \"sécret 1\"\nb = 2\n");
        assert_eq!(source.shown(), &*source.text);
        source.hide(vec![4..15, 90..99]);
        assert_eq!(source.shown(), "a = \"******* *\"\nb = 2\n");
        assert_eq!(source.shown().len(), source.text.len());
    }

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

//! What a file says: the modules it lists, what it defines, what it imports, and the paths in its code.

use std::collections::BTreeSet;

/// One name that a `use` brings in.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) line: usize,
    /// The path as written, without a `self` at its end.
    pub(super) path: Vec<String>,
    /// What it is called here; `None` for `*` and `_`.
    pub(super) name: Option<String>,
    /// It ends in `*`.
    pub(super) is_glob: bool,
    /// It is re-exported: `pub use`, `pub(crate) use`.
    pub(super) is_reexport: bool,
}

/// A path in the code, of one word or more.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    /// An opening parenthesis follows.
    pub(super) is_call: bool,
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The modules listed in `mod` lines, in their order.
    pub(super) modules: Vec<String>,
    /// The names of what is defined at the top of the file.
    pub(super) defined: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: Vec<Mention>,
    /// The lines in which a time is asked how long it is ago.
    pub(super) elapsed: Vec<usize>,
}

/// A word, a `::`, or any other character, with its line.
#[derive(Clone, Copy)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_part_of_word(first) {
            rest.find(|c| !is_part_of_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if !first.is_whitespace() {
            tokens.push(Token { line, text });
        }
        line += usize::from(first == '\n');
        rest = after;
    }
    tokens
}

/// Reads `code`, in which comments, the insides of literals and tests are blank.
pub(super) fn read(code: &str) -> Content {
    let tokens = tokens(code);
    let mut reader = Reader { tokens: &tokens, index: 0, depth: 0, content: Content::default() };
    while reader.index < tokens.len() {
        reader.step();
    }
    reader.content
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    index: usize,
    /// How many braces are open.
    depth: usize,
    content: Content,
}

impl<'a> Reader<'a> {
    fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text)
    }

    /// The word at `index`; a number is none.
    fn word(&self, index: usize) -> Option<&'a str> {
        Some(self.text(index)).filter(|text| text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    }

    fn before(&self, index: usize) -> &'a str {
        index.checked_sub(1).map_or("", |before| self.text(before))
    }

    fn step(&mut self) {
        let line = self.tokens[self.index].line;
        match self.text(self.index) {
            "{" => self.depth += 1,
            "}" => self.depth = self.depth.saturating_sub(1),
            // `use<'a>` in a return type is no import.
            "use" if self.text(self.index + 1) != "<" => {
                let is_reexport = matches!(self.before(self.index), "pub" | ")");
                self.index += 1;
                self.import(&[], is_reexport);
                return;
            }
            // `pub(in path)` names no item.
            "in" if self.before(self.index) == "(" && self.before(self.index - 1) == "pub" => {
                while !matches!(self.text(self.index), ")" | "") {
                    self.index += 1;
                }
            }
            "elapsed" if self.before(self.index) == "." && self.text(self.index + 1) == "(" => {
                self.content.elapsed.push(line);
            }
            keyword if self.depth == 0 && self.defines(keyword) => return,
            _ if self.word(self.index).is_some() => {
                self.mention();
                return;
            }
            _ => {}
        }
        self.index += 1;
    }

    /// Notes what the item defines that begins here, and goes on behind its name.
    fn defines(&mut self, keyword: &str) -> bool {
        let behind = match keyword {
            // A lifetime, or a raw pointer.
            _ if matches!(self.before(self.index), "'" | "*") => return false,
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" | "mod" => 1,
            "macro_rules" => 2,
            _ => return false,
        };
        let Some(name) = self.word(self.index + behind).filter(|name| *name != "fn" && *name != "unsafe")
        else {
            return false;
        };
        if keyword == "mod" && self.text(self.index + 2) == ";" {
            self.content.modules.push(name.to_owned());
        } else {
            self.content.defined.insert(name.to_owned());
        }
        self.index += behind + 1;
        true
    }

    /// Reads a path, which begins here.
    fn mention(&mut self) {
        let start = self.index;
        let mut path = Vec::new();
        while let Some(word) = self.word(self.index) {
            path.push(word.to_owned());
            self.index += 1;
            if self.text(self.index) != "::" || self.word(self.index + 1).is_none() {
                break;
            }
            self.index += 1;
        }
        let (before, earlier) = (self.before(start), self.before(start.saturating_sub(1)));
        let belongs = match before {
            // A field or a method, but for the rest of a struct, as in `..Self::new()`.
            "." => earlier != ".",
            // To a type, but for a path that begins so, as in `::std::fs`.
            "::" => earlier == ">" || earlier.starts_with(is_part_of_word),
            // A definition.
            "fn" => true,
            _ => false,
        };
        if !belongs {
            let is_call = self.text(self.index) == "(";
            self.content.mentions.push(Mention { line: self.tokens[start].line, path, is_call });
        }
    }

    /// Reads the tree of a `use`, or a branch of it, up to the `;`, `,` or `}` behind it.
    fn import(&mut self, stem: &[String], is_reexport: bool) {
        let mut path = stem.to_vec();
        let mut line = self.tokens.get(self.index).map_or(0, |token| token.line);
        let mut is_glob = false;
        loop {
            match self.text(self.index) {
                "::" => {}
                "*" => is_glob = true,
                "{" => {
                    self.index += 1;
                    while !matches!(self.text(self.index), "}" | ";" | "") {
                        self.import(&path, is_reexport);
                        if self.text(self.index) == "," {
                            self.index += 1;
                        }
                    }
                    self.index += 1;
                    return;
                }
                _ => match self.word(self.index).filter(|word| *word != "as") {
                    Some(word) => {
                        line = self.tokens[self.index].line;
                        path.push(word.to_owned());
                    }
                    None => break,
                },
            }
            self.index += 1;
        }
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        let mut name = path.last().cloned();
        if self.text(self.index) == "as" {
            name = Some(self.text(self.index + 1).to_owned());
            self.index += 2;
        }
        let name = name.filter(|name| !is_glob && name != "_");
        if !path.is_empty() {
            self.content.imports.push(Import { line, path, name, is_glob, is_reexport });
        }
        // Something that is no import tree, as in a macro: go on, and never stand still.
        if !matches!(self.text(self.index), ";" | "," | "}" | "") {
            self.index += 1;
        }
    }
}

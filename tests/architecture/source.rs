//! A source file as text: what of it is code, what is comment, and what is there for tests alone.

/// A source file with its code and its comments apart. Lines stay where they are in both.
pub(super) struct Blanked {
    /// Without comments, and without the insides of literals.
    pub(super) code: String,
    /// Nothing but comments.
    pub(super) comments: String,
}

/// Takes `text` apart.
pub(super) fn blanked(text: &str) -> Blanked {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut code: Vec<char> = Vec::with_capacity(characters.len());
    let mut comments = String::with_capacity(characters.len());
    let mut index = 0;
    while index < characters.len() {
        let (end, is_comment) = match at(index) {
            '/' if at(index + 1) == '/' => ((index..characters.len()).find(|&end| at(end) == '\n'), true),
            '/' if at(index + 1) == '*' => (end_of_block_comment(&characters, index), true),
            '"' => (end_of_string(&characters, index, raw_hashes(&code)), false),
            '\'' if at(index + 1) == '\\' => {
                ((index + 3..characters.len()).find(|&end| at(end) == '\'').map(|end| end + 1), false)
            }
            '\'' if at(index + 2) == '\'' => (Some(index + 3), false),
            other => {
                code.push(other);
                comments.push(blank(other));
                index += 1;
                continue;
            }
        };
        let end = end.unwrap_or(characters.len());
        for &c in &characters[index..end] {
            code.push(blank(c));
            comments.push(if is_comment { c } else { blank(c) });
        }
        index = end;
    }
    Blanked { code: code.into_iter().collect(), comments }
}

const fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
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

/// `code` without the items behind `#[cfg(test)]`, and the names of the test modules that have a file.
pub(super) fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    let mut modules = Vec::new();
    while let Some(start) = out.find(MARK) {
        let rest = &out[start + MARK.len()..];
        let mut depth = 0_usize;
        let length = rest.char_indices().find_map(|(index, c)| {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
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
        let blank: String = item.chars().map(blank).collect();
        out.replace_range(start..end, &blank);
    }
    (out, modules)
}

/// Every name in a comment that ends in `.md`, with its line. Addresses on the net are left out.
pub(super) fn cited_documents(comments: &str) -> Vec<(usize, String)> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    let words = comments
        .lines()
        .enumerate()
        .flat_map(|(line, text)| text.split_whitespace().map(move |word| (line + 1, word)))
        .filter(|(_, word)| !word.contains("://"));
    let parts = words.flat_map(|(line, word)| word.split(|c| !is_part(c)).map(move |part| (line, part)));
    parts
        .map(|(line, part)| (line, part.trim_start_matches('/').trim_end_matches('.')))
        .filter(|(_, name)| name.ends_with(".md"))
        .map(|(line, name)| (line, name.to_owned()))
        .collect()
}

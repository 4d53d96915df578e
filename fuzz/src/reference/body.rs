//! The chunked coding, decoded line by line and checked for the one canonical spelling.
//!
//! Source: RFC 9112 §7.1.

use super::head::{self, Lines};

/// What a slow decoder makes of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// It is all there: its trailers, and where it ends.
    Complete(Lines, usize),
    /// More is to come.
    Incomplete,
    /// It breaks a rule.
    Malformed,
    /// A chunk leads beyond the limit of the payload.
    TooLarge,
}

/// Bounds of a body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of payload.
    pub payload: u64,
    /// Bytes of all chunk extensions.
    pub extensions: usize,
    /// Bytes of the trailer section.
    pub trailers: usize,
    /// Fields of the trailer section.
    pub fields: usize,
}

impl Bounds {
    /// No bounds but those of memory.
    pub const NONE: Self =
        Self { payload: u64::MAX, extensions: usize::MAX, trailers: usize::MAX, fields: 1000 };
}

/// Decodes a chunked body; what was decoded before it ended or broke is the first value.
#[must_use]
pub fn decode(bytes: &[u8], bounds: Bounds) -> (Vec<u8>, Decoded) {
    let mut payload = Vec::new();
    let mut extensions = 0;
    let mut at = 0;
    loop {
        let Some(lf) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
            return (payload, Decoded::Incomplete);
        };
        let line = &bytes[at..at + lf];
        let Some((size, extension)) = line.strip_suffix(b"\r").and_then(size_line) else {
            return (payload, Decoded::Malformed);
        };
        extensions += extension;
        if extensions > bounds.extensions {
            return (payload, Decoded::Malformed);
        }
        at += lf + 1;
        if size == 0 {
            let decoded = trailer_section(&bytes[at..], bounds);
            return match decoded {
                Decoded::Complete(lines, end) => (payload, Decoded::Complete(lines, at + end)),
                other => (payload, other),
            };
        }
        let total = (payload.len() as u64).checked_add(size);
        if total.is_none_or(|total| total > bounds.payload) {
            return (payload, Decoded::TooLarge);
        }
        let here = (bytes.len() - at).min(usize::try_from(size).unwrap_or(usize::MAX));
        payload.extend_from_slice(&bytes[at..at + here]);
        if (here as u64) < size {
            return (payload, Decoded::Incomplete);
        }
        at += here;
        match &bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return (payload, Decoded::Incomplete),
            _ => return (payload, Decoded::Malformed),
        }
    }
}

/// Size and bytes of extensions of a chunk's first line.
fn size_line(line: &[u8]) -> Option<(u64, usize)> {
    let semicolon = line.iter().position(|byte| *byte == b';');
    let digits = &line[..semicolon.unwrap_or(line.len())];
    // Nobody who means well sends more zeros than this.
    if digits.is_empty() || digits.len() > 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digits = str::from_utf8(digits).ok()?.trim_start_matches('0');
    let size = if digits.is_empty() { 0 } else { u64::from_str_radix(digits, 16).ok()? };
    let Some(semicolon) = semicolon else { return Some((size, 0)) };
    let extension = &line[semicolon + 1..];
    are_extensions(extension).then_some((size, extension.len()))
}

/// `BWS name [ BWS "=" BWS value ] *( BWS ";" … )`.
fn are_extensions(text: &[u8]) -> bool {
    let mut pieces = vec![Vec::new()];
    let mut quoted = false;
    let mut escaped = false;
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                pieces.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(*byte);
        }
    }
    // No grammar has a blank in front of the end of the line.
    let blank_at_end = matches!(text.last(), Some(b' ' | b'\t'));
    !quoted && !escaped && !blank_at_end && pieces.iter().all(|piece| is_extension(piece))
}

fn is_extension(piece: &[u8]) -> bool {
    let Some(equals) = piece.iter().position(|byte| *byte == b'=') else {
        return head::is_token(head::blanks_off(piece));
    };
    let (name, value) = (&piece[..equals], head::blanks_off(&piece[equals + 1..]));
    let value_is_valid = match value {
        [b'"', text @ .., b'"'] => is_quoted_text(text),
        token => head::is_token(token),
    };
    head::is_token(head::blanks_off(name)) && value_is_valid
}

/// What may stand between quotes, with `\` in front of some of it.
fn is_quoted_text(text: &[u8]) -> bool {
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let meant = match byte {
            b'"' => return false,
            b'\\' => match rest.next() {
                Some(meant) => meant,
                None => return false,
            },
            byte => byte,
        };
        if !head::is_value(&[*meant]) {
            return false;
        }
    }
    true
}

/// The trailer section behind the last chunk's line.
fn trailer_section(bytes: &[u8], bounds: Bounds) -> Decoded {
    let mut at = 0;
    loop {
        let Some(lf) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() > bounds.trailers.saturating_add(2) {
                Decoded::Malformed
            } else {
                Decoded::Incomplete
            };
        };
        let line = &bytes[at..at + lf];
        at += lf + 1;
        if !line.ends_with(b"\r") {
            return Decoded::Malformed;
        }
        // The line that ends the section counts as no trailer.
        if at == 2 && line == b"\r" {
            return Decoded::Complete(Lines::default(), at);
        }
        if at > bounds.trailers.saturating_add(2) {
            return Decoded::Malformed;
        }
        if line == b"\r" {
            break;
        }
    }
    match head::trailers(&bytes[..at]) {
        Some(lines) if lines.0.len() <= bounds.fields => Decoded::Complete(lines, at),
        _ => Decoded::Malformed,
    }
}

/// What a strict reader makes of a chunked body that nobody was asked to repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// Payload, trailers, and where it ends.
    Complete(Vec<u8>, Lines, usize),
    /// What there is, is the beginning of one.
    Incomplete(Vec<u8>),
    /// Something in it is spelled in another way than the one.
    Not(&'static str),
}

/// Reads a chunked body in which everything must have its one spelling: sizes without leading zeros and in
/// lower case, no extensions, `name: value` in the trailers.
#[must_use]
pub fn canonical(bytes: &[u8]) -> Canonical {
    let mut payload = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        if digits == 0 && !rest.is_empty() || digits > 16 {
            return Canonical::Not("a size");
        }
        match &rest[digits..] {
            [] | [b'\r'] => return Canonical::Incomplete(payload),
            [b'\r', b'\n', ..] => {}
            _ => return Canonical::Not("the end of a size"),
        }
        if rest[0] == b'0' && digits > 1 {
            return Canonical::Not("leading zeros");
        }
        let text = str::from_utf8(&rest[..digits]).unwrap_or_default();
        let size = u64::from_str_radix(text, 16).unwrap_or(u64::MAX);
        at += digits + 2;
        if size == 0 {
            break;
        }
        let here = (bytes.len() - at).min(usize::try_from(size).unwrap_or(usize::MAX));
        payload.extend_from_slice(&bytes[at..at + here]);
        if (here as u64) < size {
            return Canonical::Incomplete(payload);
        }
        at += here;
        match &bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Canonical::Incomplete(payload),
            _ => return Canonical::Not("the end of a chunk"),
        }
    }
    let section = at;
    loop {
        let Some(lf) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
            return Canonical::Incomplete(payload);
        };
        let line = &bytes[at..at + lf];
        at += lf + 1;
        match line {
            b"\r" => break,
            [.., b'\r'] => {
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
                if line.get(colon + 1) != Some(&b' ') {
                    return Canonical::Not("a trailer");
                }
            }
            _ => return Canonical::Not("the end of a trailer"),
        }
    }
    match head::trailers(&bytes[section..at]) {
        Some(lines) => Canonical::Complete(payload, lines, at),
        None => Canonical::Not("the trailers"),
    }
}

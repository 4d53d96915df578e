//! How bytes of unknown origin are written so that they can neither end a line nor a value.

/// Where a value stands, which says what means something there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// In a string of JSON: controls are `\u00XX`, and so is every byte that is part of no UTF-8.
    Json,
    /// Among words parted by blanks: what is not visible ASCII is `\xHH`, blanks too.
    Word,
    /// In a line that its operator has laid out, perhaps in quotes: as in a word, but blanks stay.
    Line,
}

/// Whether all of it means nothing anywhere: visible ASCII without quotes and backslashes, and blanks in between.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    all(bytes, |word| invisible(word) | equal(word, b'"') | equal(word, b'\\'))
}

/// Whether it is plain and, what is more, holds neither a query nor userinfo: nothing of `?@%#;`.
#[inline]
pub(super) fn is_plain_path(bytes: &[u8]) -> bool {
    all(bytes, |word| {
        invisible(word)
            | equal(word, b'\\')
            | equal(word, b'@')
            | equal(word, b'%')
            // Pairs of which each differs in one bit: `"` and `#`, `;` and `?`.
            | equal(word | every(0x01), b'#')
            | equal(word | every(0x04), b'?')
    })
}

/// Whether `flags`, of eight bytes at a time, raises no highest bit. What is left at the end is looked at together with what
/// stands before it, so that what is short has no loop.
#[inline]
fn all(bytes: &[u8], flags: impl Fn(u64) -> u64) -> bool {
    let is_well = |word: u64| flags(word) & every(0x80) == 0;
    if let ((whole, rest), Some(last)) = (bytes.as_chunks::<8>(), bytes.last_chunk::<8>()) {
        return whole.iter().all(|chunk| is_well(u64::from_le_bytes(*chunk)))
            && (rest.is_empty() || is_well(u64::from_le_bytes(*last)));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return is_well(first | last << 32);
    }
    match *bytes {
        [] => true,
        [first, .., last] => {
            let middle = bytes.get(1).copied().unwrap_or(last);
            is_well(
                every(b'a') & !0xff_ffff | u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16,
            )
        }
        [only] => is_well(every(b'a') & !0xff | u64::from(only)),
    }
}

/// Eight times the same byte.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Raises the highest bit of some byte where one of them is a control or no ASCII, and else of none.
const fn invisible(word: u64) -> u64 {
    word.wrapping_sub(every(b' ')) | word.wrapping_add(every(0x01)) | word
}

/// Raises the highest bit of some byte where one of them is this one, and else, if all are ASCII, of none.
const fn equal(word: u64, byte: u8) -> u64 {
    (word ^ every(byte)).wrapping_sub(every(0x01))
}

/// Writes a value in pieces, up to a limit. Past that it writes `...` and then nothing.
pub(super) struct Escaped<'o> {
    out: &'o mut Vec<u8>,
    style: Style,
    left: usize,
    cut: bool,
}

impl<'o> Escaped<'o> {
    const ELLIPSIS: &'static [u8] = b"...";

    /// At most `limit` bytes of it.
    pub(super) const fn new(out: &'o mut Vec<u8>, style: Style, limit: usize) -> Self {
        Self {
            out,
            style,
            left: limit.saturating_sub(Self::ELLIPSIS.len()),
            cut: limit < Self::ELLIPSIS.len(),
        }
    }

    /// Writes more of it.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.cut && !bytes.is_empty() {
            let plain = bytes.iter().position(|byte| !self.style.shows(*byte)).unwrap_or(bytes.len());
            let (now, rest) = bytes.split_at(plain.min(self.left));
            self.out.extend_from_slice(now);
            self.left -= now.len();
            bytes = rest;
            if !bytes.is_empty() {
                let (unit, len) =
                    if now.len() < plain { (Unit::default(), 0) } else { self.style.unit(bytes) };
                if len == 0 || self.left < unit.len {
                    self.out.extend_from_slice(Self::ELLIPSIS);
                    self.cut = true;
                } else {
                    self.out.extend_from_slice(&unit.bytes[..unit.len]);
                    self.left -= unit.len;
                    bytes = bytes.get(len..).unwrap_or_default();
                }
            }
        }
    }
}

/// What stands for something that is not shown as it is.
#[derive(Default)]
struct Unit {
    bytes: [u8; 6],
    len: usize,
}

impl Style {
    /// Whether this byte is shown as it is, whatever stands beside it.
    const fn shows(self, byte: u8) -> bool {
        matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\')
            || byte == b' ' && !matches!(self, Self::Word)
    }

    /// What stands for the first byte or character of these, and how many bytes that is about.
    fn unit(self, bytes: &[u8]) -> (Unit, usize) {
        let [byte, ..] = *bytes else { return (Unit::default(), 0) };
        if matches!(byte, b'"' | b'\\') {
            return (Unit { bytes: [b'\\', byte, 0, 0, 0, 0], len: 2 }, 1);
        }
        if self != Self::Json {
            let [high, low] = hexadecimal(byte);
            return (Unit { bytes: [b'\\', b'x', high, low, 0, 0], len: 4 }, 1);
        }
        if let Some(char) = first_char(bytes)
            && !char.is_control()
        {
            let mut unit = Unit { len: char.len_utf8(), ..Unit::default() };
            char.encode_utf8(&mut unit.bytes);
            return (unit, char.len_utf8());
        }
        let [high, low] = hexadecimal(byte);
        (Unit { bytes: [b'\\', b'u', b'0', b'0', high, low], len: 6 }, 1)
    }
}

/// The character that these bytes begin with, if they are UTF-8.
fn first_char(bytes: &[u8]) -> Option<char> {
    let few = bytes.get(..4).unwrap_or(bytes);
    few.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())
}

fn hexadecimal(byte: u8) -> [u8; 2] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8], style: Style, limit: usize) -> String {
        let mut out = Vec::new();
        Escaped::new(&mut out, style, limit).push(bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_means_something_is_escaped_and_nothing_else() {
        for (bytes, json, word, line) in [
            (&b"plain"[..], "plain", "plain", "plain"),
            (b"a b", "a b", "a\\x20b", "a b"),
            (b"\"\\", "\\\"\\\\", "\\\"\\\\", "\\\"\\\\"),
            (b"\r\n\0\x7f", "\\u000D\\u000A\\u0000\\u007F", "\\x0D\\x0A\\x00\\x7F", "\\x0D\\x0A\\x00\\x7F"),
            ("ü".as_bytes(), "ü", "\\xC3\\xBC", "\\xC3\\xBC"),
            (b"\xff\xc3", "\\u00FF\\u00C3", "\\xFF\\xC3", "\\xFF\\xC3"),
            // A control of the terminal that is UTF-8: its bytes.
            (b"\xc2\x9b", "\\u00C2\\u009B", "\\xC2\\x9B", "\\xC2\\x9B"),
            ("\u{1f600}".as_bytes(), "\u{1f600}", "\\xF0\\x9F\\x98\\x80", "\\xF0\\x9F\\x98\\x80"),
        ] {
            for (style, expected) in [(Style::Json, json), (Style::Word, word), (Style::Line, line)] {
                assert_eq!(escaped(bytes, style, 100), expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_cut_where_something_ends() {
        for (bytes, limit, expected) in [
            (&b"abcdef"[..], 9, "abcdef"),
            (b"abcdefg", 9, "abcdef..."),
            (b"abcde\xff", 9, "abcde..."),
            (b"\xff\xff", 9, "\\u00FF..."),
            ("aaaaaü".as_bytes(), 9, "aaaaa..."),
            (b"abc", 2, ""),
        ] {
            assert_eq!(escaped(bytes, Style::Json, limit), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_is_what_is_escaped_as_itself(bytes in prop::collection::vec(0x1e..0x81_u8, 0..40)) {
            let as_itself = escaped(&bytes, Style::Json, 1_000).as_bytes() == bytes;
            prop_assert_eq!(is_plain(&bytes), as_itself && bytes.is_ascii());
            let is_path = is_plain(&bytes) && !bytes.iter().any(|byte| b"?@%#;".contains(byte));
            prop_assert_eq!(is_plain_path(&bytes), is_path);
        }

        #[test]
        fn nothing_is_longer_than_its_limit(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            limit in 0..80_usize,
        ) {
            for style in [Style::Json, Style::Word, Style::Line] {
                prop_assert!(escaped(&bytes, style, limit).len() <= limit);
            }
        }
    }
}

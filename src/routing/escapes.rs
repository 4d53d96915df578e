//! Percent-encoding (RFC 3986 §2.1).

/// The byte of the escape that `bytes` begin with, if they do.
pub(super) const fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    match (digit(*high), digit(*low)) {
        (Some(high), Some(low)) => Some(high << 4 | low),
        (None, _) | (_, None) => None,
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether a byte means the same with and without an escape (RFC 3986 §2.3).
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Adds the escape of a byte in upper case.
pub(super) fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_two_hexadecimal_digits_behind_a_percent_sign() {
        for byte in 0..=255 {
            let mut text = Vec::new();
            push_escape(&mut text, byte);
            assert_eq!(text, format!("%{byte:02X}").into_bytes());
            assert_eq!(escaped(&text), Some(byte));
            assert_eq!(escaped(format!("%{byte:02x}rest").as_bytes()), Some(byte));
        }
        for text in ["", "%", "%4", "%+1", "%4g", "%g4", "% 1", "41", "x%41"] {
            assert_eq!(escaped(text.as_bytes()), None, "{text}");
        }
    }
}

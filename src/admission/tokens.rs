//! Tokens that let whoever bears them in.

use std::{fmt, sync::OnceLock};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
};

use super::authorization::MAX_CREDENTIALS;

/// The most tokens of one table: each request is compared with all of them.
pub const MAX_TOKENS: usize = 1024;

/// What a token begins with that is given by its digest.
const BY_DIGEST: &str = "sha256:";

/// Tokens, known by their digests: nothing here can tell one that nobody has shown yet.
pub struct Tokens {
    tokens: Box<[Token]>,
}

struct Token {
    digest: [u8; SHA256_OUTPUT_LEN],
    /// Itself, once it was shown: a digest costs a request more than all else that is asked of it.
    shown: OnceLock<Box<[u8]>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.tokens.len())
    }
}

impl Tokens {
    /// These, each plain or `sha256:HEX`.
    ///
    /// # Errors
    /// Which of them is none, counted from 0, and why.
    pub fn of<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, String)> {
        let read = |(at, token)| read(token).map_err(|fault| (at, fault));
        let digests: Vec<_> = tokens.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let tokens = digests.into_iter().map(|digest| Token { digest, shown: OnceLock::new() });
        let tokens: Box<[Token]> = tokens.collect();
        match tokens.len() {
            0 => Err((0, "holds no token".to_owned())),
            1..=MAX_TOKENS => Ok(Self { tokens }),
            many => Err((MAX_TOKENS, format!("is one of {many} tokens; at most {MAX_TOKENS} can be"))),
        }
    }

    /// Those of a file, one in a line; blank lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// What is wrong, with the number of the line and without what is in it.
    pub fn of_file(text: &str) -> Result<Self, String> {
        let is_one = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        let lines: Vec<_> = (1..).zip(text.lines().map(str::trim)).filter(is_one).collect();
        Self::of(lines.iter().map(|(_, line)| *line)).map_err(|(at, fault)| match lines.get(at) {
            Some((number, _)) => format!("line {number} {fault}"),
            None => fault,
        })
    }

    /// Whether `token` is one of them. All are looked at, whichever it is (rule 4 of [`admission`](super)).
    #[must_use]
    pub fn admit(&self, token: &[u8]) -> bool {
        let is_same = |known: &[u8], shown: &[u8]| verify_slices_are_equal(known, shown).is_ok();
        let before = self.tokens.iter().filter_map(|known| known.shown.get());
        if before.fold(false, |is_known, known| is_known | is_same(known, token)) {
            return true;
        }
        let digest = digest(&SHA256, token);
        let mut right = None;
        for known in &self.tokens {
            if is_same(&known.digest, digest.as_ref()) {
                right = Some(known);
            }
        }
        right.is_some_and(|right| {
            right.shown.get_or_init(|| token.into());
            true
        })
    }
}

/// The digest of a token that is plain or `sha256:HEX`.
fn read(token: &str) -> Result<[u8; SHA256_OUTPUT_LEN], String> {
    if let Some(hex) = token.strip_prefix(BY_DIGEST) {
        return of_hex(hex)
            .ok_or_else(|| format!("is no {BY_DIGEST}HEX; expected 64 hexadecimal digits behind it"));
    }
    let is_fine = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_fine {
        return Err("is no token; expected visible ASCII without blanks, or sha256:HEX".to_owned());
    }
    if token.len() > MAX_CREDENTIALS {
        return Err(format!("is longer than {MAX_CREDENTIALS} bytes"));
    }
    let mut own = [0; SHA256_OUTPUT_LEN];
    own.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    Ok(own)
}

fn of_hex(hex: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    let is_hex = hex.len() == 2 * SHA256_OUTPUT_LEN && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)).filter(|_| is_hex) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of `abc` (FIPS 180-4, its first example).
    const OF_ABC: &str = "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_token_is_known_plain_or_by_its_digest() {
        let tokens = Tokens::of(["one", OF_ABC, "t:w/o"]).expect("tokens");
        // Once as nobody has shown one yet, and once as all were.
        for _ in 0..2 {
            for (token, expected) in [
                ("one", true),
                ("abc", true),
                ("t:w/o", true),
                ("", false),
                ("on", false),
                ("One", false),
                ("abd", false),
                ("abcd", false),
                (OF_ABC, false),
            ] {
                assert_eq!(tokens.admit(token.as_bytes()), expected, "{token}");
            }
        }
        assert_eq!(format!("{tokens:?}"), "3 tokens");
    }

    #[test]
    fn a_file_has_one_in_a_line_and_what_is_none_is_told_by_its_number() {
        let text = format!("# of the staff\r\n\r\n  one \n\t{OF_ABC}\n#two\n");
        let tokens = Tokens::of_file(&text).expect("tokens");
        assert!(tokens.admit(b"one") && tokens.admit(b"abc") && !tokens.admit(b"#two"));
        for (text, expected) in [
            ("", "holds no token"),
            ("# nothing\n", "holds no token"),
            ("a\n\nto ken\n", "line 3 is no token; expected visible ASCII without blanks, or sha256:HEX"),
            ("sha256:ba78", "line 1 is no sha256:HEX; expected 64 hexadecimal digits behind it"),
            (
                &OF_ABC.replace("BA", "G\u{e9}"),
                "line 1 is no sha256:HEX; expected 64 hexadecimal digits behind it",
            ),
        ] {
            assert_eq!(Tokens::of_file(text).err().as_deref(), Some(expected), "{text:?}");
        }
        let many = "a\n".repeat(MAX_TOKENS + 1);
        let told = Tokens::of_file(&many).err();
        assert_eq!(told.as_deref(), Some("line 1025 is one of 1025 tokens; at most 1024 can be"));
        assert!(Tokens::of_file(&"a".repeat(MAX_CREDENTIALS + 1)).is_err());
    }
}

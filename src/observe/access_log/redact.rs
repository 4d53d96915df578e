//! What of a request target may be shown: everything but userinfo and the values of secret query parameters.
//!
//! A parameter is secret when one of the words of its name is: `access_token`, `clientSecret`, `X-Amz-Signature`,
//! `token[]`. The operator adds names and lifts them.
//!
//! In gateway mode a target holds another URL, as it is or percent-encoded, and that one may hold a third. So
//! the scan reads every byte together with the depth of its encoding (`&` is 0, `%26` is 1, `%2526` is 2) and
//! looks for parameters and authorities at every depth. In doubt it hides.

use memchr::{memchr2, memchr3};

use crate::config::SecretNames;

/// What stands where something was hidden.
const HIDDEN: &[u8] = b"***";

/// Words that make a name that of a secret.
const WORDS: [&[u8]; 17] = [
    b"token",
    b"key",
    b"apikey",
    b"secret",
    b"password",
    b"passwd",
    b"pwd",
    b"pass",
    b"auth",
    b"authorization",
    b"jwt",
    b"session",
    b"sid",
    b"sig",
    b"signature",
    b"credential",
    b"code",
];

/// The longest of them.
const LONGEST_WORD: usize = 13;

/// Encodings deeper than this are taken to be of this depth, which bounds the work per byte.
const MAX_DEPTH: u8 = 4;

/// Gives `target` to `show` in pieces, with the values of secret parameters and all userinfo replaced by `***`.
pub(crate) fn redact(target: &[u8], names: &SecretNames, mut show: impl FnMut(&[u8])) {
    if memchr3(b'?', b'@', b'%', target).is_none() && memchr2(b'#', b';', target).is_none() {
        return show(target);
    }
    let mut scan = Scan { target, at: 0, shown: 0, authority: Looked::default(), value: Looked::default() };
    // What begins with no slash is an authority (CONNECT), or a scheme, which ends at the first slash.
    let mut before = Before { scheme: !target.starts_with(b"/"), ..Before::default() };
    while let Some(unit) = scan.unit() {
        if before.begins_authority(unit) {
            scan.hide_userinfo(before.depth, &mut show);
            before = Before::default();
        }
        scan.at += unit.len;
        if matches!(unit.byte, b'?' | b'&' | b';' | b'#') {
            scan.hide_value(names, &mut show);
            before = Before::default();
        } else {
            before.push(unit);
        }
    }
    show(target.get(scan.shown..).unwrap_or_default());
}

/// `target` as it may be shown: what is said of it in a line on stderr.
#[must_use]
pub fn redacted(target: &[u8], names: &SecretNames) -> String {
    let mut shown = Vec::with_capacity(target.len());
    redact(target, names, |piece| shown.extend_from_slice(piece));
    String::from_utf8_lossy(&shown).into_owned()
}

/// One byte of the target as its innermost reader will see it.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    /// How often it is percent-encoded.
    depth: u8,
    /// Bytes that it takes up in the target.
    len: usize,
}

impl Unit {
    fn first(bytes: &[u8]) -> Option<Self> {
        let (&byte, rest) = bytes.split_first()?;
        if byte != b'%' {
            return Some(Self { byte, depth: 0, len: 1 });
        }
        let mut len = 1;
        let mut depth = 0;
        let mut rest = rest;
        while let [b'2', b'5', inner @ ..] = rest {
            rest = inner;
            len += 2;
            depth = MAX_DEPTH.min(depth + 1);
        }
        if let [high, low, ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            return Some(Self { byte: high << 4 | low, depth: MAX_DEPTH.min(depth + 1), len: len + 2 });
        }
        Some(Self { byte, depth, len })
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// What stands directly before the place of the scan, as far as it can introduce an authority.
#[derive(Default)]
struct Before {
    /// The last bytes in lower case.
    recent: [u8; 5],
    /// `http:`, `https:`, `ws:` or `wss:`, after which the URL standard wants no slashes.
    scheme: bool,
    /// Slashes of either kind since.
    slashes: usize,
    /// The depth of the deepest of them.
    depth: u8,
}

impl Before {
    /// Whether an authority begins with `next`.
    const fn begins_authority(&self, next: Unit) -> bool {
        (self.scheme || self.slashes >= 2) && !matches!(next.byte, b'/' | b'\\' | b'\t' | b'\n' | b'\r')
    }

    fn push(&mut self, unit: Unit) {
        match unit.byte {
            // The URL standard drops these wherever they stand.
            b'\t' | b'\n' | b'\r' => {}
            b'/' | b'\\' => {
                self.slashes = self.slashes.saturating_add(1);
                self.depth = self.depth.max(unit.depth);
            }
            b':' if [&b"http"[..], b"https", b"ws", b"wss"].iter().any(|it| self.recent.ends_with(it)) => {
                *self = Self { scheme: true, depth: unit.depth, ..Self::default() };
            }
            byte => {
                self.recent.rotate_left(1);
                self.recent[4] = byte.to_ascii_lowercase();
                self.slashes = 0;
                self.depth = 0;
            }
        }
    }
}

/// A stretch that was looked through ahead of the scan. Its like inside it, at its depth or deeper, ends
/// within it and hides nothing more; to skip those keeps the work linear.
#[derive(Default)]
struct Looked {
    end: usize,
    depth: u8,
}

impl Looked {
    const fn covers(&self, at: usize, depth: u8) -> bool {
        at < self.end && depth >= self.depth
    }
}

/// A place in the target.
struct Scan<'a> {
    target: &'a [u8],
    at: usize,
    /// Everything before it has been shown or hidden.
    shown: usize,
    /// The last authority.
    authority: Looked,
    /// The last hidden value.
    value: Looked,
}

impl Scan<'_> {
    fn unit(&self) -> Option<Unit> {
        self.unit_at(self.at)
    }

    fn unit_at(&self, at: usize) -> Option<Unit> {
        Unit::first(self.target.get(at..)?)
    }

    /// Shows what stands before `start` and hides from there to `end`. The scan goes on inside, because
    /// something else that begins there may have to be hidden beyond `end`.
    fn hide(&mut self, start: usize, end: usize, show: &mut impl FnMut(&[u8])) {
        if start >= self.shown {
            show(self.target.get(self.shown..start).unwrap_or_default());
            show(HIDDEN);
        }
        self.shown = self.shown.max(end);
    }

    /// Here begins an authority that was introduced at `depth`: hides what stands before its last `@`.
    fn hide_userinfo(&mut self, depth: u8, show: &mut impl FnMut(&[u8])) {
        if self.authority.covers(self.at, depth) {
            return;
        }
        let mut end = self.at;
        let mut host = None;
        while let Some(unit) = self.unit_at(end) {
            match unit.byte {
                b'/' | b'\\' | b'?' | b'#' if unit.depth <= depth => break,
                // The parameter that holds this URL ends; at the URL's own depth it may be of the password.
                b'&' if unit.depth < depth => break,
                b'@' => host = Some(end),
                _ => {}
            }
            end += unit.len;
        }
        self.authority = Looked { end, depth };
        if let Some(host) = host {
            self.hide(self.at, host, show);
        }
    }

    /// Here begins a parameter: hides its value when it is a secret.
    fn hide_value(&mut self, names: &SecretNames, show: &mut impl FnMut(&[u8])) {
        let named = |names: &[String]| names.iter().find_map(|name| self.value_of(name.as_bytes()));
        let secret =
            named(&names.redact).or_else(|| self.value_of_secret().filter(|_| named(&names.allow).is_none()));
        let Some((start, depth)) = secret else { return };
        if self.value.covers(start, depth) {
            return;
        }
        let mut end = start;
        while let Some(unit) = self.unit_at(end) {
            // A deeper `&` belongs to the value.
            if matches!(unit.byte, b'&' | b'#') && unit.depth <= depth {
                break;
            }
            end += unit.len;
        }
        self.value = Looked { end, depth };
        self.hide(start, end, show);
    }

    /// Where the value of the parameter begins that begins here, if a word of its name makes it a secret, and the depth
    /// of its `=`.
    fn value_of_secret(&self) -> Option<(usize, u8)> {
        let mut at = self.at;
        let mut words = Words::default();
        while let Some(unit) = self.unit_at(at) {
            at += unit.len;
            match unit.byte {
                b'=' => return words.end().then_some((at, unit.depth)),
                // Another parameter begins: this one has no value.
                b'?' | b'&' | b';' | b'#' => return None,
                byte => words.push(byte),
            }
        }
        None
    }

    /// Where the value of the parameter begins that begins here, if `name` is its name, and the depth of its
    /// `=`.
    fn value_of(&self, name: &[u8]) -> Option<(usize, u8)> {
        let mut at = self.at;
        for expected in name {
            let unit = self.unit_at(at)?;
            if !unit.byte.eq_ignore_ascii_case(expected) {
                return None;
            }
            at += unit.len;
        }
        let sign = self.unit_at(at)?;
        (sign.byte == b'=').then_some((at + sign.len, sign.depth))
    }
}

/// The words of a name, as they go by. They end where no letter stands, and where the case says so: `accessToken`,
/// `APIKey`. A run of letters counts as a whole too, since case is no certain sign.
#[derive(Default)]
struct Words {
    run: Word,
    word: Word,
    /// The last letter was a capital one, and so was that before it.
    capitals: (bool, bool),
    found: bool,
}

impl Words {
    fn push(&mut self, byte: u8) {
        if !byte.is_ascii_alphabetic() {
            self.end();
            return;
        }
        let is_capital = byte.is_ascii_uppercase();
        match (self.capitals, is_capital) {
            // `accessT…`: a word begins.
            ((false, _), true) => self.end_word(),
            // `APIKe…`: it began with the letter before.
            ((true, true), false) => {
                if let Some(first) = self.word.pop() {
                    self.end_word();
                    self.word.push(first);
                }
            }
            _ => {}
        }
        self.capitals = (is_capital, self.capitals.0);
        self.run.push(byte);
        self.word.push(byte);
    }

    /// Whether there was a secret one; the name ends here, or a part of it.
    fn end(&mut self) -> bool {
        self.end_word();
        self.found |= self.run.is_secret();
        self.run = Word::default();
        self.capitals = (false, false);
        self.found
    }

    fn end_word(&mut self) {
        self.found |= self.word.is_secret();
        self.word = Word::default();
    }
}

/// Letters in lower case; of a word that is too long to be one of [`WORDS`], only how many.
#[derive(Default)]
struct Word {
    letters: [u8; LONGEST_WORD],
    len: usize,
}

impl Word {
    fn push(&mut self, letter: u8) {
        if let Some(place) = self.letters.get_mut(self.len) {
            *place = letter.to_ascii_lowercase();
        }
        self.len += 1;
    }

    fn pop(&mut self) -> Option<u8> {
        self.len = self.len.checked_sub(1)?;
        self.letters.get(self.len).copied()
    }

    fn is_secret(&self) -> bool {
        self.letters.get(..self.len).is_some_and(|letters| WORDS.contains(&letters))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(target: &[u8]) -> String {
        redacted_with(target, SecretNames::NONE)
    }

    fn redacted_with(target: &[u8], names: &SecretNames) -> String {
        let mut out = Vec::new();
        redact(target, names, |piece| out.extend_from_slice(piece));
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Percent-encodes all but letters and digits, `depth` times.
    fn encoded(text: &str, depth: usize) -> String {
        (0..depth).fold(text.to_owned(), |text, _| {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                    _ => format!("%{byte:02X}"),
                })
                .collect()
        })
    }

    #[test]
    fn named_values_and_userinfo_are_hidden_and_the_rest_is_not() {
        for (target, expected) in [
            ("/", "/"),
            ("*", "*"),
            ("", ""),
            ("/a?b=c", "/a?b=c"),
            ("/a?token=s", "/a?token=***"),
            ("/a?x=1&token=s&y=2", "/a?x=1&token=***&y=2"),
            ("/a?TOKEN=s&Key=t#end", "/a?TOKEN=***&Key=***#end"),
            ("/a?t%6Fken=s&y", "/a?t%6Fken=***&y"),
            ("/a?token=s%26t&y=2", "/a?token=***&y=2"),
            ("/a?token=&y=2", "/a?token=***&y=2"),
            ("/a?token", "/a?token"),
            ("/a?mytoken=s&tokens=t", "/a?mytoken=s&tokens=t"),
            ("/a?x=1;token=s", "/a?x=1;token=***"),
            // absolute-form and authority-form
            ("http://u:p@h/a?token=s", "http://***@h/a?token=***"),
            ("HTTP://u:p@w@h:80/", "HTTP://***@h:80/"),
            ("u:p@h:443", "***@h:443"),
            ("h:443", "h:443"),
            // the gateway's path form
            ("/https://u:p@h/a@b?token=s", "/https://***@h/a@b?token=***"),
            ("/https:/u:p@h/", "/https:/***@h/"),
            ("/wss:/u:p@h/", "/wss:/***@h/"),
            ("/ws:u:p@h/", "/ws:***@h/"),
            ("//https%3A%2Fu%3Ap%40h%2F", "//***%40h%2F"),
            ("/?https:u:p@h/", "/?https:***@h/"),
            ("/credentials=omit/https:/u:p@h/", "/credentials=omit/https:/***@h/"),
            ("/https:u:p@h/", "/https:***@h/"),
            ("/https:\\\\u:p@h/", "/https:\\\\***@h/"),
            ("/https:///u%2Fv:p@h/", "/https:///***@h/"),
            ("/https:/%09/u:p@h/", "/https:/%09/***@h/"),
            // the gateway's query form, raw
            ("/?url=https://u:p@h/a?token=s&key=t", "/?url=https://***@h/a?token=***&key=***"),
            ("/?url=https://u:p&w=@h/a", "/?url=https://***@h/a"),
            ("/?url=//u@h/a", "/?url=//***@h/a"),
            ("/?url=https://h&next=https%3A%2F%2Fh%3Ftoken%3Ds%40t", "/?url=https://***"),
            ("/?token=https://u:p&w@h/a", "/?token=***@h/a"),
            // the gateway's query form, encoded
            ("/?url=https%3A%2F%2Fu%3Ap%40h%2Fa", "/?url=https%3A%2F%2F***%40h%2Fa"),
            ("/?url=https%3a%2f%2fu:p@h%2fa", "/?url=https%3a%2f%2f***@h%2fa"),
            (
                "/?url=https%3A%2F%2Fh%3Ftoken%3Ds%26x%3D1&y=2",
                "/?url=https%3A%2F%2Fh%3Ftoken%3D***%26x%3D1&y=2",
            ),
            ("/?url=https%3A%2F%2Fh%3Ftoken%3Ds%2526t%26x", "/?url=https%3A%2F%2Fh%3Ftoken%3D***%26x"),
            ("/?url=https%3A%2F%2Fh&mail=a@b", "/?url=https%3A%2F%2Fh&mail=a@b"),
            // what only looks like userinfo
            ("/left-pad@1.0.0/?at=@", "/left-pad@1.0.0/?at=@"),
            ("/a?mail=a@b", "/a?mail=a@b"),
        ] {
            assert_eq!(redacted(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn a_parameter_is_secret_when_a_word_of_its_name_is() {
        for name in [
            "token",
            "key",
            "secret",
            "password",
            "passwd",
            "pwd",
            "pass",
            "auth",
            "authorization",
            "jwt",
            "session",
            "sid",
            "sig",
            "signature",
            "credential",
            "code",
            "access_token",
            "client_secret",
            "clientSecret",
            "ClientSecret",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "token[]",
            "token%5B%5D",
            "user[password]",
            "apiKey",
            "APIKey",
            "apikey",
            "api.key",
            "ToKeN",
            "aTOKEN",
            "token2",
            "oauth2_token",
            "t%6Fken",
            "x+key",
            "%20sid",
            "OAuthToken",
            "sessionID",
            "x/token",
            "user:pass",
        ] {
            for target in [format!("/?{name}=s"), format!("/?a=b&{name}=s&y"), format!("/#{name}=s")] {
                let shown = redacted(target.as_bytes());
                assert_eq!(shown, target.replace("=s", "=***"), "{target}");
            }
            let nested = format!("/?url={}", encoded(&format!("https://h/?{name}=SECRET"), 1));
            assert!(!redacted(nested.as_bytes()).contains("SECRET"), "{nested}");
        }
        for name in [
            "tokens",
            "monkey",
            "keyboard",
            "passage",
            "author",
            "authority",
            "barcode",
            "encoded",
            "design",
            "inside",
            "compass",
            "sigma",
            "page",
            "url",
            "id",
            "authorizationauthorization",
            "",
            "toke",
        ] {
            let target = format!("/?{name}=s&y=2");
            assert_eq!(redacted(target.as_bytes()), target, "{target}");
        }
        for target in ["/?token", "/?token&x=1", "/token=s", "/?token?x=1"] {
            assert_eq!(redacted(target.as_bytes()), target);
        }
    }

    #[test]
    fn the_operator_adds_names_and_lifts_them() {
        let both = vec!["Both".to_owned()];
        let names = SecretNames {
            redact: [vec!["ssn".to_owned()], both.clone()].concat(),
            allow: [vec!["Country_Code".to_owned(), "key".to_owned()], both].concat(),
        };
        assert_eq!(
            redacted_with(b"/?SSN=1&ssns=2&country_code=3&key=4&code=5&both=6", &names),
            "/?SSN=***&ssns=2&country_code=3&key=4&code=***&both=***"
        );
    }

    proptest! {
        #[test]
        fn a_secret_is_never_shown_at_whatever_depth_it_is_encoded(
            depth in 0_usize..4,
            pieces in prop::collection::vec("[a-z0-9/?&=#:@.;]{0,8}", 2),
            user in any::<bool>(),
        ) {
            let [before, after] = &pieces[..] else { unreachable!("two pieces are made") };
            let url = if user {
                format!("https://me:SECRET@host/{after}")
            } else {
                format!("https://host/?x=1&token=@SECRET&{after}")
            };
            let target = format!("/?{before}&url={}", encoded(&url, depth));
            prop_assert!(!redacted(target.as_bytes()).contains("SECRET"), "{}", target);
        }

        #[test]
        fn any_bytes_are_survived_and_only_shown_or_hidden(
            target in prop::collection::vec(prop_oneof![
                any::<u8>(), prop::sample::select(b"%25/@:?&=#\\http".to_vec()),
            ], 0..300),
        ) {
            let names = SecretNames { redact: vec!["h".to_owned()], allow: vec!["p".to_owned()] };
            let mut rest = &target[..];
            redact(&target, &names, |piece| {
                if piece != HIDDEN {
                    let at = memchr::memmem::find(rest, piece).expect("shown pieces come from the target");
                    rest = &rest[at + piece.len()..];
                }
            });
        }
    }
}

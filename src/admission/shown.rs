//! What a request shows for itself in its target, and what is therefore no part of that for anybody else.

use std::{ops::Range, time::SystemTime};

use percent_encoding::percent_decode;

use super::{
    authorization::MAX_CREDENTIALS,
    signed::{MAC, Signature},
};
use crate::{
    error::Error,
    http1::{
        head::{Request, RequestHead},
        span::Span,
    },
};

/// What the parameter begins with that holds a token.
const TOKEN: &[u8] = b"corsair-token=";

/// What is taken out of request targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Signatures of links.
    pub signatures: bool,
    /// Tokens.
    pub tokens: bool,
}

/// What a request shows in its target, and when it came. The bytes stay where they were read to, behind the target.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    time: SystemTime,
    token: Option<Span>,
    /// There was more than one.
    tokens_are_several: bool,
    signature: Option<Span>,
}

impl Takes {
    /// Whether a URL may hold any of it.
    #[must_use]
    pub fn any_of(self, url: &[u8]) -> bool {
        let has = |parameter: &[u8]| memchr::memmem::find(url, parameter).is_some();
        self.tokens && has(TOKEN) || self.signatures && has(MAC)
    }
}

impl Shown {
    /// Nothing, at this time.
    #[must_use]
    pub const fn nothing(time: SystemTime) -> Self {
        Self { time, token: None, tokens_are_several: false, signature: None }
    }

    /// What this head shows, which came at this time: from here on nothing of it is part of the target (rule 15 of
    /// [`admission`](super)).
    #[must_use]
    pub fn take(bytes: &mut [u8], head: &mut RequestHead, takes: Takes, time: SystemTime) -> Self {
        let mut shown = Self::nothing(time);
        if takes.tokens {
            shown.take_tokens(bytes, &mut head.target);
        }
        if takes.signatures {
            shown.take_signature(bytes, &mut head.target);
        }
        shown
    }

    /// When the request came.
    #[must_use]
    pub const fn time(&self) -> SystemTime {
        self.time
    }

    /// The signature of its target.
    ///
    /// # Errors
    /// [`Error::SignatureMissing`]
    pub fn signature<'a>(&self, request: Request<'a>) -> Result<Signature<'a>, Error> {
        let signature = self.signature.and_then(|span| Signature::at_the_end(span.of(request.bytes)));
        signature.map(|(_, signature)| signature).ok_or(Error::SignatureMissing)
    }

    /// The token of its target, if there is one, decoded to `room`.
    ///
    /// # Errors
    /// [`Error::CredentialsRefused`] for several, and for a very long one.
    pub fn token<'a>(
        &self,
        request: Request<'_>,
        room: &'a mut [u8; MAX_CREDENTIALS],
    ) -> Result<Option<&'a [u8]>, Error> {
        let Some(token) = self.token else { return Ok(None) };
        if self.tokens_are_several {
            return Err(Error::CredentialsRefused);
        }
        let mut length = 0;
        for byte in percent_decode(token.of(request.bytes)) {
            *room.get_mut(length).ok_or(Error::CredentialsRefused)? = byte;
            length += 1;
        }
        Ok(room.get(..length))
    }

    fn take_signature(&mut self, bytes: &[u8], target: &mut Span) {
        let Range { start, end } = target.range();
        if let Some((before, _)) = Signature::of(target.of(bytes)) {
            let cut = start.saturating_add(before);
            *target = Span::new(start, cut);
            self.signature = Some(Span::new(cut, end));
        }
    }

    /// Moves the first token behind the target, and what is left of that together.
    fn take_tokens(&mut self, bytes: &mut [u8], target: &mut Span) {
        let Range { start, end } = target.range();
        let Some(whole) = bytes.get_mut(start..end) else { return };
        let Some(first) = Parameter::next(whole, 0) else { return };
        let taken = first.with_separator(
            first.name.checked_sub(1).and_then(|before| whole.get(before)).copied(),
            whole.len(),
        );
        let left = whole.len().saturating_sub(taken.len());
        if let Some(behind) = whole.get_mut(taken.start..) {
            behind.rotate_left(taken.len());
        }
        let now = |at: usize| start.saturating_add(left).saturating_add(at.saturating_sub(taken.start));
        self.token = Some(Span::new(now(first.value.start), now(first.value.end)));
        let kept = whole.get_mut(..left).map_or(0, |rest| without_tokens(rest, taken.start));
        self.tokens_are_several = kept < left;
        *target = Span::new(start, start.saturating_add(kept));
    }
}

/// Where a token stands in a target.
struct Parameter {
    /// Where it begins.
    name: usize,
    value: Range<usize>,
}

impl Parameter {
    /// The first one behind `from`, wherever it stands in the query: of the gateway, that may be behind the `?` of a target
    /// that is written as it is.
    fn next(target: &[u8], from: usize) -> Option<Self> {
        let query = memchr::memchr(b'?', target)?;
        let mut at = query.max(from);
        loop {
            let name = memchr::memmem::find(target.get(at..)?, TOKEN)?.saturating_add(at);
            let start = name.saturating_add(TOKEN.len());
            let before = name.checked_sub(1).and_then(|before| target.get(before));
            if name > query && matches!(before, Some(b'?' | b'&')) {
                let length = memchr::memchr(b'&', target.get(start..)?);
                let end = length.map_or(target.len(), |length| start.saturating_add(length));
                return Some(Self { name, value: start..end });
            }
            at = start;
        }
    }

    /// With the separator that goes with it, in a target of this length: a query that goes on begins with its `?` all the
    /// same.
    fn with_separator(&self, before: Option<u8>, length: usize) -> Range<usize> {
        if before == Some(b'?') && self.value.end < length {
            self.name..self.value.end.saturating_add(1)
        } else {
            self.name.saturating_sub(1)..self.value.end
        }
    }
}

/// Moves what is left without tokens together, which are looked for from there; how much that is.
fn without_tokens(target: &mut [u8], from: usize) -> usize {
    let length = target.len();
    let (mut read, mut written) = (from, from);
    // They are found where they stood, while what is before them moves.
    while let Some(next) = Parameter::next(target, read) {
        target.copy_within(read..next.name, written);
        written = written.saturating_add(next.name.saturating_sub(read));
        let before = written.checked_sub(1).and_then(|before| target.get(before)).copied();
        let taken = next.with_separator(before, length);
        written = written.saturating_sub(next.name.saturating_sub(taken.start));
        read = taken.end;
    }
    target.copy_within(read..length, written);
    written.saturating_add(length.saturating_sub(read))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::http1::sample::{self, ParsedRequest};

    const BOTH: Takes = Takes { signatures: true, tokens: true };
    const SIGNATURE: &str =
        "corsair-key=k1&corsair-expires=12&corsair-signature=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn taken(target: &str, takes: Takes) -> (ParsedRequest, Shown) {
        let mut parsed = sample::request(format!("GET {target} HTTP/1.1\r\nHost: h\r\nX-After: yes\r\n\r\n"));
        let shown = Shown::take(&mut parsed.bytes, &mut parsed.head, takes, UNIX_EPOCH);
        (parsed, shown)
    }

    /// What is left of a target, and its token.
    fn read(target: &str, takes: Takes) -> (String, Result<Option<String>, Error>, bool) {
        let (parsed, shown) = taken(target, takes);
        let request = parsed.request();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let after = request.head.fields.iter().last().map(|field| field.value.of(request.bytes));
        assert_eq!(after, Some(&b"yes"[..]), "nothing behind the target has moved");
        let mut room = [0; MAX_CREDENTIALS];
        let token = shown.token(request, &mut room).map(|token| token.map(text));
        (text(request.target()), token, shown.signature(request).is_ok())
    }

    #[test]
    fn a_token_is_taken_out_wherever_it_stands_in_the_query() {
        let several = Err(Error::CredentialsRefused);
        let token = |token: &str| Ok(Some(token.to_owned()));
        for (target, left, expected) in [
            ("/", "/", Ok(None)),
            ("/a?b=c", "/a?b=c", Ok(None)),
            ("/a?corsair-token=t", "/a", token("t")),
            ("/a?corsair-token=t&b", "/a?b", token("t")),
            ("/a?b&corsair-token=t", "/a?b", token("t")),
            ("/a?b&corsair-token=t&c", "/a?b&c", token("t")),
            ("/a?corsair-token=", "/a", token("")),
            ("/a?corsair-token=a%2Bb%2F%3D+", "/a", token("a+b/=+")),
            ("/a?corsair-token=t?u", "/a", token("t?u")),
            ("http://h/a?corsair-token=t&b", "http://h/a?b", token("t")),
            ("http://h?corsair-token=t", "http://h", token("t")),
            // The forms of the gateway.
            ("/?corsair-token=t&url=https://t/x?a&b", "/?url=https://t/x?a&b", token("t")),
            ("/?url=https://t/x?a=1&corsair-token=t", "/?url=https://t/x?a=1", token("t")),
            ("/?url=https://t/x?corsair-token=t", "/?url=https://t/x", token("t")),
            ("/?url=https://t/x?corsair-token=t&b", "/?url=https://t/x?b", token("t")),
            ("/?url=https%3A%2F%2Ft%2Fx&corsair-token=t", "/?url=https%3A%2F%2Ft%2Fx", token("t")),
            ("/?https://t/x?a&corsair-token=t", "/?https://t/x?a", token("t")),
            ("/https://t/x?corsair-token=t", "/https://t/x", token("t")),
            ("/https://t/x?a&corsair-token=t&b", "/https://t/x?a&b", token("t")),
            // What only looks like one.
            ("/corsair-token=t", "/corsair-token=t", Ok(None)),
            ("/a&corsair-token=t?b", "/a&corsair-token=t?b", Ok(None)),
            ("/a?xcorsair-token=t", "/a?xcorsair-token=t", Ok(None)),
            ("/a?corsair-token", "/a?corsair-token", Ok(None)),
            ("/a?corsair-tokens=t", "/a?corsair-tokens=t", Ok(None)),
            ("/a?Corsair-Token=t", "/a?Corsair-Token=t", Ok(None)),
            // Of several none is right, and none goes on.
            ("/a?corsair-token=t&corsair-token=u", "/a", several.clone()),
            ("/a?corsair-token=t&corsair-token=u&b", "/a?b", several.clone()),
            ("/a?b&corsair-token=t&c&corsair-token=u&d&corsair-token=v", "/a?b&c&d", several.clone()),
            ("/?url=https://t/x?corsair-token=t&corsair-token=u&b", "/?url=https://t/x?b", several.clone()),
            ("/?b&corsair-token=t&url=https://t/x?corsair-token=u", "/?b&url=https://t/x", several),
        ] {
            assert_eq!(read(target, BOTH), (left.to_owned(), expected, false), "{target}");
            let untouched = (target.to_owned(), Ok(None), false);
            assert_eq!(read(target, Takes { tokens: false, ..BOTH }), untouched, "{target}");
        }
        let longest = "t".repeat(MAX_CREDENTIALS);
        assert_eq!(read(&format!("/?corsair-token={longest}"), BOTH).1, Ok(Some(longest.clone())));
        assert_eq!(
            read(&format!("/?corsair-token={longest}t"), BOTH),
            ("/".to_owned(), Err(Error::CredentialsRefused), false)
        );
    }

    #[test]
    fn a_signature_is_taken_out_and_stands_last_without_the_token() {
        for (target, left, has_token) in [
            (format!("/?{SIGNATURE}"), "/", false),
            (format!("/a?b&{SIGNATURE}"), "/a?b", false),
            (format!("/?url=https://t/x?a=1&{SIGNATURE}"), "/?url=https://t/x?a=1", false),
            (format!("/https://t/x?{SIGNATURE}"), "/https://t/x", false),
            (format!("http://h/a?{SIGNATURE}"), "http://h/a", false),
            (format!("/a?b&{SIGNATURE}&corsair-token=t"), "/a?b", true),
            (format!("/a?b&corsair-token=t&{SIGNATURE}"), "/a?b", true),
            (format!("/a?corsair-token=t&{SIGNATURE}"), "/a", true),
        ] {
            let token = has_token.then(|| "t".to_owned());
            assert_eq!(read(&target, BOTH), (left.to_owned(), Ok(token), true), "{target}");
            let (parsed, shown) = taken(&target, Takes { tokens: true, signatures: false });
            assert!(parsed.request().target().ends_with(SIGNATURE.as_bytes()), "{target}");
            assert_eq!(shown.signature(parsed.request()), Err(Error::SignatureMissing));
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_token_is_left_and_everything_else_is(
            pieces in prop::collection::vec("(corsair-token=[a-z?=]{0,3}|[a-z=/:%]{0,4}|[?])", 0..12),
            separators in prop::collection::vec("[?&]", 12),
        ) {
            let joined: String = pieces.iter().zip(&separators).map(|(piece, separator)| format!("{piece}{separator}")).collect();
            let target = format!("/p?{joined}x");
            let (left, _, _) = read(&target, BOTH);
            prop_assert!(!left.contains("?corsair-token=") && !left.contains("&corsair-token="), "{} {}", target, left);
            // Slowly: of the pieces of the query, those that are no token.
            let mut kept = String::from("/p");
            let mut before = '?';
            let mut rest = &target[3..];
            loop {
                let is_token = rest.starts_with("corsair-token=");
                let end = if is_token { rest.find('&') } else { rest.find(['&', '?']) }.unwrap_or(rest.len());
                if !is_token {
                    kept.push(before);
                    kept.push_str(&rest[..end]);
                }
                let Some(separator) = rest[end..].chars().next() else { break };
                before = if is_token && before == '?' { '?' } else { separator };
                rest = &rest[end + 1..];
            }
            prop_assert_eq!(left, kept, "{}", target);
        }
    }
}

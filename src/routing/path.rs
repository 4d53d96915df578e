//! The paths that a route is for, as operators write them.

use std::fmt;

use super::{
    escapes::{escaped, push_escape},
    resolved::{push_decoded, resolved},
};

/// The paths that a route is for: all that begin with these segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix {
    /// Resolved, without a last slash; empty for every path.
    pub(super) text: Box<str>,
}

impl PathPrefix {
    /// Reads `/v1`, which takes `/v1`, `/v1/` and `/v1/x`, but not `/v10`; a last slash means nothing, and `/` takes
    /// every path. Escapes of unreserved characters are decoded, bytes beyond ASCII escaped.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |hint: &str| Err(format!("\"{text}\" is no path of a route; {hint}"));
        if text.is_empty() {
            return fault("write / for every path");
        }
        if text.contains("://") {
            return fault("write the path alone, such as /v1; a host has a setting of its own");
        }
        if text.contains(['?', '#']) {
            return fault("leave out \"?\" and \"#\" and what follows: only a path is looked at");
        }
        if text.contains('*') {
            return fault("leave out the *: a path takes everything below it");
        }
        if !text.starts_with('/') {
            return fault(&format!("it begins with a slash: write /{text}"));
        }
        if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return fault("write blanks as %20; control characters cannot stand in it");
        }
        if text.contains('\\') {
            return fault("write / for \\: a backslash is read as a slash");
        }
        if text.contains("//") {
            return fault("write one slash: several are read as one");
        }
        let is_escape = |(at, _)| text.as_bytes().get(at..).and_then(escaped).is_some();
        if !text.match_indices('%').all(is_escape) {
            return fault("write %25 for a percent sign that begins no escape");
        }
        let mut visible = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            if byte.is_ascii() {
                visible.push(byte);
            } else {
                push_escape(&mut visible, byte);
            }
        }
        let mut decoded = Vec::with_capacity(visible.len());
        push_decoded(&mut decoded, &visible);
        let decoded = String::from_utf8(decoded).expect("bytes beyond ASCII are escaped");
        // What may still change is a dot segment.
        if resolved(decoded.as_bytes()).as_deref() != Ok(decoded.as_bytes()) {
            return fault("leave out the segments \".\" and \"..\": paths are matched without them");
        }
        Ok(Self { text: decoded.trim_end_matches('/').into() })
    }

    /// Whether it is every path.
    #[must_use]
    pub const fn is_every(&self) -> bool {
        self.text.is_empty()
    }

    /// The path without a last slash, as it is matched; empty for every path. This is what a route takes away that
    /// strips its prefix.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_every() { "/" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_matched() {
        for (text, shown) in [
            ("/", "/"),
            ("/v1", "/v1"),
            ("/v1/", "/v1"),
            ("/V1/b.c", "/V1/b.c"),
            ("/.well-known/..a", "/.well-known/..a"),
            ("/%7euser/%2d", "/~user/-"),
            ("/%76%31", "/v1"),
            ("/a%2fb%c3%bc", "/a%2Fb%C3%BC"),
            ("/\u{fc}", "/%C3%BC"),
            ("/a;b=c/d,e", "/a;b=c/d,e"),
            ("/%25", "/%25"),
        ] {
            let prefix = PathPrefix::parse(text).unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(prefix.to_string(), shown, "{text}");
            assert_eq!(
                (prefix.is_every(), prefix.as_str().is_empty()),
                (shown == "/", shown == "/"),
                "{text}"
            );
            assert_eq!(PathPrefix::parse(shown), Ok(prefix), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_route_hears_what_to_write() {
        for (text, hint) in [
            ("", "write / for every path"),
            ("v1", "write /v1"),
            ("http://a.example/v1", "write the path alone"),
            ("/v1?a=b", "leave out \"?\""),
            ("/v1#a", "leave out \"?\""),
            ("/v1/*", "leave out the *"),
            ("/a b", "write blanks as %20"),
            ("/a\tb", "control characters"),
            ("/a\r\nb", "control characters"),
            ("/a\u{7f}", "control characters"),
            ("/a\\b", "write / for \\"),
            ("//a", "write one slash"),
            ("/a//", "write one slash"),
            ("/a%", "write %25"),
            ("/a%4", "write %25"),
            ("/%zz", "write %25"),
            ("/%%41", "write %25"),
            ("/.", "leave out the segments"),
            ("/a/../b", "leave out the segments"),
            ("/a/%2e%2E", "leave out the segments"),
            ("/a%2F..", "leave out the segments"),
            ("/a/..;b", "leave out the segments"),
        ] {
            let fault = PathPrefix::parse(text).expect_err(text);
            assert!(fault.contains(hint), "{text}: {fault}");
        }
    }
}

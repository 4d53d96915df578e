//! A path as a back end resolves it.
//!
//! Dot segments are removed and escapes of unreserved characters decoded (RFC 3986 §5.2.4, §6.2.2). Where back ends are
//! known to part, the reading is taken that no longer route escapes by: slashes that follow each other are one, and a
//! backslash is a slash (the URL standard reads it so, and with it every back end that parses the path by that). An
//! escaped slash stays an escape and parts no segments, and a parameter (`;a`) belongs to its segment (RFC 3986 §2.2,
//! §3.3). Where no reading is safe, because it depends on the back end which segment a `..` takes away, the path is
//! refused.

use std::borrow::Cow;

use super::escapes::{escaped, is_unreserved, push_escape};

/// Why a path is not resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It climbs above the root.
    AboveRoot,
    /// Back ends resolve it to different paths.
    Ambiguous,
}

/// A path that begins with a slash, resolved, with its empty segments.
///
/// # Errors
/// Where it leads nowhere, or who knows where.
pub(super) fn resolved(path: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(path.len());
    let (mut has_dots, mut has_doubtful_separator) = (false, memchr::memchr(b'\\', path).is_some());
    let segments = path.strip_prefix(b"/").unwrap_or(path);
    let mut rest = Some(segments);
    while let Some(segments) = rest {
        let end = memchr::memchr2(b'/', b'\\', segments);
        let (segment, behind) = match end {
            Some(at) => (&segments[..at], Some(&segments[at + 1..])),
            None => (segments, None),
        };
        rest = behind;
        let start = out.len();
        out.push(b'/');
        push_decoded(&mut out, segment);
        let segment = &out[start + 1..];
        match segment {
            b"." => out.truncate(start),
            b".." => {
                out.truncate(start);
                let parent = memchr::memrchr(b'/', &out).ok_or(Refusal::AboveRoot)?;
                // Who takes several slashes for one goes up from the segment before them.
                if parent + 1 == out.len() {
                    return Err(Refusal::Ambiguous);
                }
                out.truncate(parent);
            }
            segment => {
                // Most have neither, and are not looked at again.
                if memchr::memchr2(b'%', b';', segment).is_none() {
                    continue;
                }
                for part in between_escaped_separators(segment) {
                    has_doubtful_separator |= part.len() < segment.len();
                    if is_dots(part) || is_dots_with_parameter(part) {
                        return Err(Refusal::Ambiguous);
                    }
                }
                continue;
            }
        }
        has_dots = true;
        if rest.is_none() {
            out.push(b'/');
        }
    }
    if has_dots && has_doubtful_separator { Err(Refusal::Ambiguous) } else { Ok(out) }
}

/// Whether [`resolved`] and [`merged`] leave a path that begins with a slash as it is.
pub(super) fn is_resolved(path: &[u8]) -> bool {
    let behind = path.get(1..).unwrap_or_default();
    if !any_pair(path, behind, |byte, next| is_changed(byte, next) | ((byte == b'/') & (next == b'.'))) {
        return true;
    }
    let may_be_dots = |text| is_dots(text) || is_dots_with_parameter(text);
    !any_pair(path, behind, is_changed) && !path.split(|byte| *byte == b'/').any(may_be_dots)
}

/// Whether a byte and the next one do not stay as they are, whatever stands around them.
const fn is_changed(byte: u8, next: u8) -> bool {
    (next == b'%') | (next == b'\\') | ((byte == b'/') & (next == b'/'))
}

/// Whether it is so for any byte and the one at the same place of the other text, which is no longer.
fn any_pair(text: &[u8], other: &[u8], is_so: impl Fn(u8, u8) -> bool + Copy) -> bool {
    let text = text.get(..other.len()).unwrap_or_default();
    any_of_chunks::<16>(text, other, is_so)
        .or_else(|| any_of_chunks::<8>(text, other, is_so))
        .unwrap_or_else(|| any_of(text, other, is_so))
}

/// The same for so many bytes at once; nothing where there are fewer. The last ones may be looked at twice.
fn any_of_chunks<const N: usize>(
    text: &[u8],
    other: &[u8],
    is_so: impl Fn(u8, u8) -> bool + Copy,
) -> Option<bool> {
    let last = any_of(text.last_chunk::<N>()?, other.last_chunk::<N>()?, is_so);
    let mut chunks = text.as_chunks::<N>().0.iter().zip(other.as_chunks::<N>().0);
    Some(last || chunks.any(|(text, other)| any_of(text, other, is_so)))
}

/// Nothing but comparisons, all of which are made, so that a compiler makes many of them at once.
fn any_of(text: &[u8], other: &[u8], is_so: impl Fn(u8, u8) -> bool) -> bool {
    text.iter().zip(other).fold(false, |any, (byte, next)| any | is_so(*byte, *next))
}

/// A path without the empty segments between others.
pub(super) fn merged(resolved: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(resolved, b"//").is_none() {
        return Cow::Borrowed(resolved);
    }
    let mut merged = resolved.to_vec();
    merged.dedup_by(|next, byte| *next == b'/' && *byte == b'/');
    Cow::Owned(merged)
}

/// What is left of a resolved path behind the first `len` bytes of [`merged`].
pub(super) fn behind_merged(resolved: &[u8], len: usize) -> &[u8] {
    let mut before = 0;
    let mut left = len;
    let end = resolved.iter().position(|byte| {
        let is_merged = before == b'/' && *byte == b'/';
        before = *byte;
        if left == 0 {
            return true;
        }
        left -= usize::from(!is_merged);
        false
    });
    &resolved[end.unwrap_or(resolved.len())..]
}

/// Adds a segment with its unreserved characters decoded and its escapes in upper case; to do so again changes nothing.
pub(super) fn push_decoded(out: &mut Vec<u8>, segment: &[u8]) {
    let mut rest = segment;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let (byte, len) = match escaped(&rest[at..]) {
            Some(byte) => (byte, 3),
            // What is no escape is a percent sign to those that take it at all, and must not become one.
            None => (b'%', 1),
        };
        if is_unreserved(byte) {
            out.push(byte);
        } else {
            push_escape(out, byte);
        }
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
}

const fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether a segment is a dot segment to those that take parameters away first (`..;a`).
fn is_dots_with_parameter(segment: &[u8]) -> bool {
    memchr::memchr(b';', segment).is_some_and(|at| is_dots(&segment[..at]))
}

/// The parts of a decoded segment, for those that decode separators before they part the path.
fn between_escaped_separators(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(segment);
    std::iter::from_fn(move || {
        let segment = rest?;
        let separator = memchr::memchr_iter(b'%', segment)
            .find(|at| matches!(segment.get(*at..*at + 3), Some(b"%2F" | b"%5C")));
        let end = separator.unwrap_or(segment.len());
        rest = separator.map(|at| &segment[at + 3..]);
        Some(&segment[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> Result<String, Refusal> {
        resolved(path.as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn dot_segments_are_removed_as_the_rfc_does() {
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/a/./b/", "/a/b/"),
            ("/a/%2e/b", "/a/b"),
            ("/a/%2E%2e/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e./b", "/b"),
            ("/a/...", "/a/..."),
            ("/a/.b", "/a/.b"),
            ("/a/..b", "/a/..b"),
            ("/a/b..", "/a/b.."),
            // Empty segments stay here.
            ("//a//b//", "//a//b//"),
            ("/a//b/..", "/a//"),
            ("/a//.", "/a//"),
            // Escapes.
            ("/%41%7e%2D%5f%30", "/A~-_0"),
            ("/%2f%c3%bc%00", "/%2F%C3%BC%00"),
            ("/%252e", "/%252e"),
            ("/%252f%25", "/%252f%25"),
            ("/%/%4/%zz/%%41/%2%65", "/%25/%254/%25zz/%25A/%252e"),
            ("/a\\b", "/a/b"),
            ("/a\\", "/a/"),
            ("/a;b/c;d=..", "/a;b/c;d=.."),
        ] {
            assert_eq!(text(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_climbs_above_the_root_leads_nowhere() {
        for path in ["/..", "/../", "/../a", "/a/../..", "/./%2e%2e/a", "/a/../../a"] {
            assert_eq!(text(path), Err(Refusal::AboveRoot), "{path}");
        }
    }

    #[test]
    fn dot_segments_that_back_ends_read_differently_are_refused() {
        for path in [
            // Slashes that some merge.
            "/a//..",
            "/a//../b",
            "/a//b/../..",
            "//..",
            // Backslashes that are slashes to some.
            "/a/..\\b",
            "/a\\../b",
            "/a\\b/../c",
            "/a/./b\\c",
            // Separators that some decode first.
            "/a/..%2fb",
            "/a/%2e%2e%2Fb",
            "/a%2f../b",
            "/a%5c..%5cb",
            "/a%2f.",
            "/a%2Fb/../c",
            "/b/../a%5Cc",
            // Parameters that some take away.
            "/a/..;/b",
            "/a/..;x=y/b",
            "/a/.;/b",
            "/a/%2e%2e;/b",
            "/a/b%2f..;c",
        ] {
            assert_eq!(text(path), Err(Refusal::Ambiguous), "{path}");
        }
    }

    #[test]
    fn what_is_left_alone_is_known_without_resolving_it() {
        for (path, expected) in [
            ("/", true),
            ("/a/b.c/d..e/", true),
            ("/.well-known/..a/.b", true),
            ("/a;b=../c", true),
            ("/a%41", false),
            ("/a/.", false),
            ("/a/../b", false),
            ("/./", false),
            ("/..;a", false),
            ("//", false),
            ("/a//b", false),
            ("/a\\b", false),
        ] {
            assert_eq!(is_resolved(path.as_bytes()), expected, "{path}");
            if expected {
                assert_eq!(text(path).as_deref(), Ok(path));
                assert_eq!(merged(path.as_bytes()), path.as_bytes());
            }
        }
    }

    #[test]
    fn what_is_not_left_alone_is_known_wherever_it_stands() {
        for length in 1..70 {
            let plain = format!("/{}", "a".repeat(length));
            assert!(is_resolved(plain.as_bytes()), "{plain}");
            for (odd, expected) in
                [("%", false), ("\\", false), ("//", false), ("/./", false), ("/..;", false), ("b/.a", true)]
            {
                for at in 1..plain.len() {
                    let path = format!("{}{odd}{}", &plain[..at], &plain[at..]);
                    assert_eq!(is_resolved(path.as_bytes()), expected, "{path}");
                }
            }
        }
    }

    #[test]
    fn empty_segments_are_merged_and_counted_again() {
        for (path, expected, len, rest) in [
            ("/a/b", "/a/b", 2, "/b"),
            ("//a//b", "/a/b", 2, "//b"),
            ("///a//b", "/a/b", 4, ""),
            ("//", "/", 1, "/"),
            ("/a", "/a", 0, "/a"),
        ] {
            assert_eq!(merged(path.as_bytes()), expected.as_bytes(), "{path}");
            assert_eq!(behind_merged(path.as_bytes(), len), rest.as_bytes(), "{path}");
        }
    }
}

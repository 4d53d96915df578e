//! Which route takes a request, found by looking at all of them.
//!
//! Source: RFC 3986 §5.2.4, §6.2.2, and what back ends are known to do beside it.

use std::net::{IpAddr, Ipv6Addr};

/// A path as its segments, without empty ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// What a back end makes of it.
    Segments(Vec<Vec<u8>>),
    /// It climbs above the root.
    AboveRoot,
    /// It depends on the back end.
    Ambiguous,
}

/// A segment with its unreserved characters decoded, escapes in upper case, and a stray percent sign escaped.
fn decoded(segment: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    let mut at = 0;
    while at < segment.len() {
        let digits = segment.get(at + 1..at + 3).and_then(|digits| str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
        let (byte, len, is_escape) = match (segment[at], digits) {
            (b'%', Some(digits)) => (u8::from_str_radix(digits, 16).expect("digits"), 3, true),
            (byte, _) => (byte, 1, byte == b'%'),
        };
        if is_escape && !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            // One character for one byte, and back below.
            out.push(char::from(byte));
        }
        at += len;
    }
    out.chars().map(|character| u8::try_from(u32::from(character)).expect("a byte")).collect()
}

/// The parts of a segment between escaped separators.
fn parts(segment: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut at = 0;
    while at < segment.len() {
        if segment[at..].starts_with(b"%2F") || segment[at..].starts_with(b"%5C") {
            parts.push(Vec::new());
            at += 3;
        } else {
            parts.last_mut().expect("one at least").push(segment[at]);
            at += 1;
        }
    }
    parts
}

/// A path that begins with a slash, segment by segment.
#[must_use]
pub fn resolve(path: &[u8]) -> Path {
    let is_dots = |text: &[u8]| text == b"." || text == b"..";
    let (mut has_dots, mut is_doubtful) = (false, path.contains(&b'\\'));
    let mut resolved: Vec<Vec<u8>> = Vec::new();
    // What is met first is told.
    for segment in path[1..].split(|byte| *byte == b'/' || *byte == b'\\').map(decoded) {
        has_dots |= is_dots(&segment);
        if segment == b".." {
            match resolved.pop() {
                None => return Path::AboveRoot,
                Some(parent) if parent.is_empty() => return Path::Ambiguous,
                Some(_) => {}
            }
        } else if segment != b"." {
            let parts = parts(&segment);
            is_doubtful |= parts.len() > 1;
            for part in parts {
                let before_parameter = part.split(|byte| *byte == b';').next().unwrap_or_default();
                if is_dots(before_parameter) {
                    return Path::Ambiguous;
                }
            }
            resolved.push(segment);
        }
    }
    if has_dots && is_doubtful {
        return Path::Ambiguous;
    }
    Path::Segments(resolved.into_iter().filter(|segment| !segment.is_empty()).collect())
}

/// The host of an authority as a pattern would spell it; nothing where no pattern can.
#[must_use]
pub fn host(authority: &[u8]) -> Option<Vec<u8>> {
    if authority.starts_with(b"[") {
        let end = authority.iter().position(|byte| *byte == b']')?;
        if !matches!(&authority[end + 1..], [] | [b':', ..]) {
            return None;
        }
        let ip: Ipv6Addr = str::from_utf8(&authority[1..end]).ok()?.parse().ok()?;
        return Some(match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_string().into(),
            IpAddr::V6(ip) => format!("[{ip}]").into(),
        });
    }
    let name = authority.split(|byte| *byte == b':').next().unwrap_or_default();
    let mut out = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let digits = name.get(at + 1..at + 3).and_then(|digits| str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
        match (name[at], digits) {
            (b'%', Some(digits)) => {
                out.push(u8::from_str_radix(digits, 16).expect("digits"));
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    // No name of the net is longer, a last dot included.
    if out.len() > 254 {
        return None;
    }
    if out.ends_with(b".") {
        out.pop();
    }
    Some(out.to_ascii_lowercase())
}

/// How well a pattern fits a host; nothing where it does not.
fn fit(pattern: &str, host: Option<&[u8]>) -> Option<usize> {
    match (pattern.strip_prefix('*'), host) {
        (Some(""), _) => Some(0),
        (Some(end), Some(host)) => {
            (host.len() > end.len() && host.ends_with(end.as_bytes())).then_some(end.len())
        }
        (None, Some(host)) => (pattern.as_bytes() == host).then_some(usize::MAX),
        (_, None) => None,
    }
}

/// The places of the routes whose host is the one that keeps a request; routes are hosts and paths as corsair shows
/// them.
#[must_use]
pub fn of_host(routes: &[(String, String)], authority: &[u8]) -> Vec<usize> {
    let host = host(authority);
    let fits: Vec<Option<usize>> = routes.iter().map(|(pattern, _)| fit(pattern, host.as_deref())).collect();
    let Some(best) = fits.iter().flatten().max() else { return Vec::new() };
    (0..routes.len()).filter(|place| fits[*place] == Some(*best)).collect()
}

/// Of these routes the one whose path takes most of these segments.
#[must_use]
pub fn longest(routes: &[(String, String)], places: &[usize], segments: &[Vec<u8>]) -> Option<usize> {
    let taken = |place: &usize| {
        let path = &routes[*place].1;
        let prefix: Vec<&[u8]> =
            path.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes).collect();
        let fits = prefix.len() <= segments.len()
            && prefix.iter().zip(segments).all(|(one, other)| *one == other.as_slice());
        fits.then_some(prefix.len())
    };
    places.iter().filter(|place| taken(place).is_some()).max_by_key(|place| taken(place)).copied()
}

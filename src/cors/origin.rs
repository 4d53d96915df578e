//! Origins: what a serialized one looks like, and which ones a list admits.
//!
//! Everything is compared byte for byte against the serialization that browsers send; nothing is decoded,
//! lower-cased or repaired, so that no two spellings can pass for one origin. The grammar tells listed from unlisted
//! origins; where any is allowed, one is as good as another.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use regex::bytes::RegexSet;
use url::Url;

use crate::http1::target::is_same_authority;

/// The longest origin that can be one: a DNS name has at most 253 bytes.
const MAX_ORIGIN: usize = 320;

/// The longest label of a DNS name (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The longest list of exact origins that is compared one by one; beyond it a hash is cheaper.
const FEW: usize = 8;

/// The opaque origin of sandboxed frames, `data:` and `file:` documents.
const NULL: &[u8] = b"null";

/// Schemes whose origins are a host and a port for every browser (URL standard, "special scheme"). `file` is special
/// too, but what its documents send, where it is not `null`, has no host.
const OF_HOSTS: [&[u8]; 5] = [b"https", b"http", b"wss", b"ws", b"ftp"];

/// Whether `value` can be one origin at all: something, visible, and no list.
pub(super) fn is_one_value(value: &[u8]) -> bool {
    // All bytes are looked at in any case, so that the compiler takes many at a time.
    let is_one = value.iter().fold(true, |is_one, byte| is_one & byte.is_ascii_graphic() & (*byte != b','));
    !value.is_empty() && is_one
}

/// Whether `origin` is `null` or `scheme://host[:port]` as browsers serialize it: scheme and host in lower
/// case, the default port left out, no path. Of schemes that browsers and applications have made for themselves
/// (`safari-web-extension`, `app`, `file`) the scheme alone is in lower case, and the host is what they say, or missing.
///
/// Source: HTML "serialization of an origin"; RFC 6454 §6.2.
#[must_use]
pub fn is_serialized_origin(origin: &[u8]) -> bool {
    origin == NULL || Parts::of(origin).is_some() || is_of_other_scheme(origin)
}

/// Whether `origin` has a scheme of its own kind, and behind it what can be a host and a port (RFC 3986 §3.2.2).
fn is_of_other_scheme(origin: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', origin).filter(|_| origin.len() <= MAX_ORIGIN) else {
        return false;
    };
    let (scheme, rest) = origin.split_at(colon);
    is_scheme(scheme)
        && !OF_HOSTS.contains(&scheme)
        && rest.strip_prefix(b"://").is_some_and(|host| host.iter().all(|byte| is_of_other_host(*byte)))
}

/// A byte of a host that no other part of a URL begins with.
const fn is_of_other_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b';' | b'=')
}

/// Whether `origin` is that of what is reached under `authority`, by TLS where it is `secure`: a page of it talks to
/// itself. Names compare without case, addresses by what they are, and a port that is not written is the scheme's own
/// (RFC 6454 §5; RFC 3986 §6.2.3).
#[must_use]
pub fn is_same_origin(origin: &[u8], secure: bool, authority: &[u8]) -> bool {
    let (scheme, port) = if secure { (&b"https://"[..], 443) } else { (&b"http://"[..], 80) };
    let Some(named) = origin.strip_prefix(scheme) else { return false };
    is_same_authority((named, port), (authority, port)) && is_serialized_origin(origin)
}

/// Whether `origin` is that of a page served by the machine it is read on.
pub(super) fn is_loopback(origin: &[u8]) -> bool {
    Parts::of(origin).is_some_and(|parts| parts.is_loopback())
}

/// What a serialized origin consists of.
struct Parts<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(origin: &'a [u8]) -> Option<Self> {
        if origin.len() > MAX_ORIGIN {
            return None;
        }
        let (scheme, authority) = if let Some(authority) = origin.strip_prefix(b"https://") {
            (&b"https"[..], authority)
        } else if let Some(authority) = origin.strip_prefix(b"http://") {
            (&b"http"[..], authority)
        } else {
            let (scheme, rest) = origin.split_at(origin.iter().position(|byte| *byte == b':')?);
            (Some(scheme).filter(|scheme| is_scheme(scheme))?, rest.strip_prefix(b"://")?)
        };
        let host_len = match authority {
            [b'[', ..] => memchr::memchr(b']', authority)? + 1,
            _ => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at(host_len);
        let valid = is_host(host)
            && match port {
                [] => true,
                [b':', digits @ ..] => is_port(digits, scheme),
                _ => false,
            };
        valid.then_some(Self { scheme, host })
    }

    fn is_loopback(&self) -> bool {
        matches!(self.scheme, b"http" | b"https")
            && (matches!(self.host, b"localhost" | b"[::1]")
                || parse::<Ipv4Addr>(self.host).is_some_and(|address| address.is_loopback()))
    }
}

fn parse<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// `scheme` of RFC 3986 §3.1 in lower case.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_lowercase)
        && scheme.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

fn is_host(host: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = host {
        let plain = address.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b':'));
        return plain && parse::<Ipv6Addr>(address).is_some();
    }
    // In one pass, for every request with an Origin comes here.
    let (mut label_len, mut is_number) = (0, true);
    for byte in host.strip_suffix(b".").unwrap_or(host) {
        match byte {
            b'.' if label_len > 0 => (label_len, is_number) = (0, true),
            b'0'..=b'9' if label_len < MAX_LABEL => label_len += 1,
            b'a'..=b'z' | b'-' | b'_' if label_len < MAX_LABEL => {
                (label_len, is_number) = (label_len + 1, false)
            }
            _ => return false,
        }
    }
    // A host whose last label is a number is an IPv4 address or nothing (URL standard, "ends in a number").
    label_len > 0 && (!is_number || parse::<Ipv4Addr>(host).is_some())
}

/// One label of a host name: what browsers send of it, `_` included.
fn is_label(label: &[u8]) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

fn is_port(digits: &[u8], scheme: &[u8]) -> bool {
    let canonical = digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    let port = if canonical { parse::<u16>(digits) } else { None };
    let default = match scheme {
        b"http" | b"ws" => Some(80),
        b"https" | b"wss" => Some(443),
        _ => None,
    };
    port.is_some() && port != default
}

/// The spelling of an origin that a browser would send for `text`, if it stands for one.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() => url,
        // `app.example.com` and `app.example.com:8080`, the latter with what looks like a scheme.
        _ if !text.contains("://") => Url::parse(&format!("https://{text}")).ok()?,
        _ => return None,
    };
    let origin = url.origin();
    let spelled = if origin.is_tuple() {
        origin.ascii_serialization()
    } else {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", url.scheme(), url.host_str()?)
    };
    is_serialized_origin(spelled.as_bytes()).then_some(spelled)
}

/// Whether `text` is what a browser sends for the origin it stands for.
pub(super) fn is_canonical(text: &str) -> bool {
    is_of_other_scheme(text.as_bytes()) || is_canonical_with_host(text)
}

fn is_canonical_with_host(text: &str) -> bool {
    Parts::of(text.as_bytes()).is_some() && canonical(text).is_none_or(|spelled| spelled == text)
}

/// What a list says of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// One of its entries matches.
    Allowed,
    /// None of its entries matches.
    NotAllowed,
    /// It is no serialized origin, so that no entry can match.
    NotAnOrigin,
}

/// `scheme://*.suffix`: one label or more in front of a host.
#[derive(Clone, Debug)]
pub(super) struct Wildcard {
    /// `https://`
    prefix: Box<[u8]>,
    /// `.example.com`, with the port if it is not the default one.
    suffix: Box<[u8]>,
}

impl Wildcard {
    /// The wildcard of `scheme://*.host[:port]`, or nothing when `text` is of another form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, suffix) = text.split_once("://*")?;
        let parent = suffix.strip_prefix('.')?;
        // Both: there are no names below an address, and there is none without a parent.
        let valid = is_canonical_with_host(&format!("{scheme}://{parent}"))
            && is_canonical_with_host(&format!("{scheme}://a{suffix}"));
        valid.then(|| Self {
            prefix: format!("{scheme}://").into_bytes().into(),
            suffix: suffix.as_bytes().into(),
        })
    }

    /// The host below which everything is meant, port included: `example.com`.
    pub(super) fn parent(&self) -> &[u8] {
        self.suffix.get(1..).unwrap_or_default()
    }

    fn matches(&self, origin: &[u8]) -> bool {
        let labels = origin.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        labels.is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
    }
}

/// Origins that are named in full.
#[derive(Clone, Debug)]
enum Exact {
    Few(Box<[Box<[u8]>]>),
    Many(HashSet<Box<[u8]>>),
}

impl Exact {
    fn has(&self, origin: &[u8]) -> bool {
        match self {
            Self::Few(origins) => origins.iter().any(|named| **named == *origin),
            Self::Many(origins) => origins.contains(origin),
        }
    }
}

/// What an [`OriginList`] is made of; every part has been checked.
#[derive(Debug, Default)]
pub(super) struct OriginEntries {
    /// Serialized origins.
    pub(super) exact: Vec<Box<[u8]>>,
    /// Subdomain wildcards.
    pub(super) wildcards: Vec<Wildcard>,
    /// Expressions anchored at both ends.
    pub(super) patterns: Option<RegexSet>,
    /// Whether `null` is named.
    pub(super) null: bool,
    /// Whether `loopback` is named.
    pub(super) loopback: bool,
}

/// The origins that a policy names.
#[derive(Clone, Debug)]
pub(super) struct OriginList {
    exact: Exact,
    wildcards: Box<[Wildcard]>,
    patterns: Option<RegexSet>,
    null: bool,
    loopback: bool,
}

impl OriginList {
    pub(super) fn new(entries: OriginEntries) -> Self {
        let OriginEntries { exact, wildcards, patterns, null, loopback } = entries;
        let exact = if exact.len() <= FEW {
            Exact::Few(exact.into())
        } else {
            Exact::Many(exact.into_iter().collect())
        };
        Self { exact, wildcards: wildcards.into(), patterns, null, loopback }
    }

    /// What this list says of `origin`, the value of an `Origin` field.
    pub(super) fn admits(&self, origin: &[u8]) -> Admission {
        // `null` is settled first: no expression may let it in by accident.
        if origin == NULL {
            return if self.null { Admission::Allowed } else { Admission::NotAllowed };
        }
        // Named origins are serialized ones, so that a hit needs no further look.
        if self.exact.has(origin) {
            return Admission::Allowed;
        }
        let matches = || self.patterns.as_ref().is_some_and(|patterns| patterns.is_match(origin));
        let allowed = match Parts::of(origin) {
            Some(parts) => {
                (self.loopback && parts.is_loopback())
                    || self.wildcards.iter().any(|wildcard| wildcard.matches(origin))
                    || matches()
            }
            None if is_of_other_scheme(origin) => matches(),
            None => return Admission::NotAnOrigin,
        };
        if allowed { Admission::Allowed } else { Admission::NotAllowed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_the_same_by_scheme_host_and_port_however_the_host_is_spelled() {
        for (origin, secure, authority, expected) in [
            ("http://app.example", false, "app.example", true),
            ("http://app.example", false, "APP.Example", true),
            ("http://app.example", false, "app.example:80", true),
            ("http://app.example", false, "app.example:", true),
            ("https://app.example", true, "app.example:443", true),
            ("https://app.example", true, "app.example", true),
            ("http://app.example:8080", false, "app.example:8080", true),
            ("http://app.example:8080", false, "app.example:08080", true),
            ("http://127.0.0.1:3000", false, "127.0.0.1:3000", true),
            ("http://[::1]:3000", false, "[::1]:3000", true),
            ("http://[::1]", false, "[0:0:0:0:0:0:0:1]:80", true),
            ("http://[2001:db8::a]", false, "[2001:DB8::A]", true),
            ("https://app.example", false, "app.example", false),
            ("http://app.example", true, "app.example", false),
            ("http://app.example", true, "app.example:80", false),
            ("http://app.example:443", false, "app.example", false),
            ("http://app.example:8080", false, "app.example", false),
            ("http://app.example", false, "app.example:8080", false),
            ("http://app.example", false, "app.example.", false),
            ("http://app.example", false, "www.app.example", false),
            ("http://www.app.example", false, "app.example", false),
            ("http://localhost:3000", false, "127.0.0.1:3000", false),
            ("http://app.example/", false, "app.example/", false),
            ("http://a@app.example", false, "a@app.example", false),
            ("http://", false, "", false),
            ("http://:80", false, ":80", false),
            ("null", false, "null", false),
            ("http://[::1", false, "[::1", false),
            ("http://app.example:x", false, "app.example:x", false),
            ("HTTP://app.example", false, "app.example", false),
        ] {
            assert_eq!(
                is_same_origin(origin.as_bytes(), secure, authority.as_bytes()),
                expected,
                "{origin} {secure} {authority}"
            );
        }
        assert!(!is_same_origin(b"http://\xff", false, b"\xfe"));
    }

    #[test]
    fn a_serialized_origin_is_scheme_host_and_a_port_that_is_not_the_default() {
        let valid: [&[u8]; 21] = [
            b"null",
            b"https://example.com",
            b"http://example.com",
            b"https://app.example.com:8443",
            b"http://localhost:3000",
            b"http://127.0.0.1",
            b"http://127.0.0.1:8080",
            b"http://[::1]:5173",
            b"https://[2001:db8::1]",
            b"https://xn--bcher-kva.example",
            b"https://my_app.example.com",
            b"https://example.com.",
            b"https://a",
            b"http://example.com:443",
            b"https://example.com:80",
            b"https://example.com:0",
            b"https://example.com:65535",
            b"chrome-extension://gppongmhjkpfnbhagpmjfkannfbllamg",
            b"moz-extension://6a8a1f2e-0c3b-4d77-9a54-7a0e1f9f4a11",
            b"capacitor://localhost",
            b"vscode-webview://0abc",
        ];
        for origin in valid {
            assert!(is_serialized_origin(origin), "{}", origin.escape_ascii());
        }
    }

    #[test]
    fn an_origin_of_another_scheme_is_compared_as_it_is() {
        let texts = [
            "safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8F",
            "file://",
            "app://.",
            "app://-",
            "app://My_App",
            "capacitor://localhost",
            "tauri://localhost:0080",
            "ms-appx-web://Contoso.App",
        ];
        let exact = texts.map(|text| text.as_bytes().into()).into();
        let list = OriginList::new(OriginEntries { exact, ..OriginEntries::default() });
        let union = RegexSet::new([r"\A(?:safari-web-extension://[0-9A-F-]+|file://)\z"]).unwrap();
        let patterns = OriginList::new(OriginEntries { patterns: Some(union), ..OriginEntries::default() });
        for (index, text) in texts.into_iter().enumerate() {
            assert!(is_serialized_origin(text.as_bytes()) && is_canonical(text), "{text}");
            assert_eq!(list.admits(text.as_bytes()), Admission::Allowed, "{text}");
            let expected = if index < 2 { Admission::Allowed } else { Admission::NotAllowed };
            assert_eq!(patterns.admits(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "safari-web-extension://140bb581-a2c0-4e8b-9f0d-3c2a1b0e9d8f",
            "safari-web-extension://140BB581-A2C0-4E8B-9F0D-3C2A1B0E9D8",
            "app://my_app",
            "file://localhost",
            "tauri://localhost:80",
        ] {
            assert_eq!(list.admits(text.as_bytes()), Admission::NotAllowed, "{text}");
        }
        for text in [
            "Safari-Web-Extension://140BB581",
            "file:",
            "file:/",
            "file:///",
            "file:///etc/passwd",
            "app://a/b",
            "app://a?b",
            "app://a#b",
            "app://u@a",
            "app://a,app://b",
            "app://a app://b",
            "app://\u{e9}",
            "app",
            "://",
            "https://",
            "https://App",
            "wss://A",
            "ftp://A",
        ] {
            assert!(!is_serialized_origin(text.as_bytes()) && !is_canonical(text), "{text}");
            assert_eq!(list.admits(text.as_bytes()), Admission::NotAnOrigin, "{text}");
        }
        assert!(!is_serialized_origin(format!("app://{}", "a".repeat(MAX_ORIGIN)).as_bytes()));
        // There are no names below what is no host.
        assert!(Wildcard::parse("app://*.Example").is_none() && Wildcard::parse("file://*.").is_none());
    }

    #[test]
    fn any_one_visible_value_can_be_an_origin() {
        for value in ["null", "https://a", "HTTPS://A/", "file://", "x\"y", "*", "safari-web-extension://A"] {
            assert!(is_one_value(value.as_bytes()), "{value}");
        }
        for value in ["", "a b", "a,b", ",", "a\tb", "a\u{7f}", "\u{e9}", "https://a https://b", "a\0"] {
            assert!(!is_one_value(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn what_a_browser_never_sends_is_no_serialized_origin() {
        let invalid: [&[u8]; 45] = [
            b"",
            b"*",
            b"Null",
            b"NULL",
            b"null ",
            b"example.com",
            b"//example.com",
            b"https:example.com",
            b"https:/example.com",
            b"https://",
            b"://example.com",
            b"https://example.com/",
            b"https://example.com/path",
            b"https://example.com?",
            b"https://example.com#",
            b"https://example.com:",
            b"https://example.com:443",
            b"http://example.com:80",
            b"https://example.com:0443",
            b"https://example.com:65536",
            b"https://example.com:8a",
            b"https://example.com:+80",
            b"https://user@example.com",
            b"https://user:secret@example.com",
            b"HTTPS://example.com",
            b"https://Example.com",
            b"https://exa mple.com",
            b"https://example.com https://b.example",
            b"https://example.com,https://b.example",
            b"https://example.com\r\nx: y",
            b"https://example.com\0",
            b"https://example.com\t",
            b"https://example..com",
            b"https://.example.com",
            b"https://example.com..",
            b"https://b\xc3\xbccher.example",
            b"https://exa%6dple.com",
            b"https://example.com{.evil.test",
            b"https://127.1",
            b"https://127.0.0.256",
            b"https://example.127",
            b"https://[::1",
            b"https://[::1]x",
            b"https://[::G]",
            b"1https://example.com",
        ];
        for origin in invalid {
            assert!(!is_serialized_origin(origin), "{}", origin.escape_ascii());
        }
        let long = format!("https://{}.example.com", "a.".repeat(200) + "a");
        assert!(!is_serialized_origin(long.as_bytes()));
    }

    #[test]
    fn a_near_origin_has_one_canonical_spelling() {
        let cases = [
            ("https://app.example.com/", Some("https://app.example.com")),
            ("https://App.Example.com", Some("https://app.example.com")),
            ("HTTPS://app.example.com", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://app.example.com:80/x?y", Some("http://app.example.com")),
            ("https://b\u{fc}cher.example", Some("https://xn--bcher-kva.example")),
            ("app.example.com", Some("https://app.example.com")),
            ("app.example.com:8443", Some("https://app.example.com:8443")),
            ("http://0x7f.1", Some("http://127.0.0.1")),
            ("http://[0:0:0:0:0:0:0:1]", Some("http://[::1]")),
            ("http:// bad", None),
            ("", None),
            ("file:///etc", None),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
            assert!(!is_canonical(text), "{text}");
        }
        for text in ["https://app.example.com", "http://[::1]:3000", "capacitor://localhost"] {
            assert!(is_canonical(text), "{text}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label_or_more_and_for_no_look_alike() {
        let wildcard = Wildcard::parse("https://*.example.com").unwrap();
        for origin in ["https://a.example.com", "https://a.b.example.com", "https://x_y.example.com"] {
            assert!(wildcard.matches(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "https://a.example.com.evil.com",
            "https://a..example.com",
            "https://evil.com/.example.com",
            "https://evil.com:1.example.com",
            "https://evil.com#.example.com",
            "https://user@a.example.com",
            "https://A.example.com",
            "https://a.example.com:8443",
            "http://a.example.com",
            "https://[::1].example.com",
        ] {
            assert!(!wildcard.matches(origin.as_bytes()), "{origin}");
        }
        let with_port = Wildcard::parse("http://*.example.com:8080").unwrap();
        assert!(with_port.matches(b"http://a.example.com:8080"));
        assert!(!with_port.matches(b"http://a.example.com"));
        assert_eq!(with_port.parent(), b"example.com:8080");
    }

    #[test]
    fn a_wildcard_elsewhere_than_in_front_of_a_host_is_none() {
        for text in [
            "https://*",
            "https://*example.com",
            "https://app.*.com",
            "https://*.*.example.com",
            "*://*.example.com",
            "https://*.example.com/",
            "https://*.Example.com",
            "https://*.example.com:443",
            "*.example.com",
            "https://*.",
            "https://*.127.0.0.1",
        ] {
            assert!(Wildcard::parse(text).is_none(), "{text}");
        }
    }

    fn loopback() -> OriginList {
        OriginList::new(OriginEntries { loopback: true, ..OriginEntries::default() })
    }

    #[test]
    fn loopback_is_localhost_127_and_one_on_any_port_over_http_and_https() {
        for origin in [
            "http://localhost",
            "https://localhost:5173",
            "http://127.0.0.1:3000",
            "http://127.255.255.254",
            "https://[::1]:8443",
        ] {
            assert_eq!(loopback().admits(origin.as_bytes()), Admission::Allowed, "{origin}");
        }
        for origin in [
            "http://localhost.evil.com",
            "http://127.0.0.1.evil.com",
            "http://evil.localhost",
            "http://128.0.0.1",
            "http://[::2]",
            "ftp://localhost",
            "null",
        ] {
            assert_eq!(loopback().admits(origin.as_bytes()), Admission::NotAllowed, "{origin}");
        }
        assert_eq!(loopback().admits(b"http://127.1"), Admission::NotAnOrigin);
    }

    #[test]
    fn a_long_list_answers_like_a_short_one() {
        let origins: Vec<Box<[u8]>> =
            (0..100).map(|n| format!("https://a{n}.example").into_bytes().into()).collect();
        let list = OriginList::new(OriginEntries { exact: origins, ..OriginEntries::default() });
        assert_eq!(list.admits(b"https://a99.example"), Admission::Allowed);
        assert_eq!(list.admits(b"https://a100.example"), Admission::NotAllowed);
        assert_eq!(list.admits(b"https://A99.example"), Admission::NotAnOrigin);
        assert_eq!(list.admits(b"null"), Admission::NotAllowed);
    }

    /// The same rules, written for the eye and not for the machine.
    fn reference(origin: &str) -> bool {
        let wildcard = regex::Regex::new(r"\Ahttps://([a-z0-9_-]{1,63}\.)+example\.com\z").unwrap();
        let local = regex::Regex::new(
            r"\Ahttps?://(localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\])(:[0-9]+)?\z",
        )
        .unwrap();
        origin == "https://app.test"
            || wildcard.is_match(origin)
            || local.is_match(origin) && is_canonical(origin)
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_an_obvious_one(
            scheme in "(https?|ftp|HTTPS)",
            host in "(([a-cA_-]{0,3}\\.){0,3}(example\\.com|evilexample\\.com|app\\.test)|localhost\
                     |127\\.[0-9]{1,3}\\.0\\.[0-9]{1,2}|\\[::1\\])",
            tail in "(|:80|:443|:[0-9]{1,5}|\\.evil\\.com|/|@x)",
        ) {
            let list = OriginList::new(OriginEntries {
                exact: vec![b"https://app.test".as_slice().into()],
                wildcards: vec![Wildcard::parse("https://*.example.com").unwrap()],
                loopback: true,
                ..OriginEntries::default()
            });
            let origin = format!("{scheme}://{host}{tail}");
            prop_assert_eq!(
                list.admits(origin.as_bytes()) == Admission::Allowed, reference(&origin), "{}", origin
            );
        }

        #[test]
        fn no_bytes_upset_the_matcher(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = loopback().admits(&bytes);
            if is_serialized_origin(&bytes) {
                prop_assert!(bytes.iter().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}

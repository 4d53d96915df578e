//! Signed links: URLs whose last parameters prove that somebody who has a key lets others ask for them, until a time.
//!
//! What is signed are four lines, `METHOD`, `HOST`, `TARGET` and `EXPIRES`, with a line feed between them, which none of
//! them can hold.

use std::{
    collections::BTreeSet,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{Context, HMAC_SHA256, Key, Tag},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    error::Error,
    http1::{
        head::{Method, Request},
        target::{RequestTarget, split_port},
    },
};

/// The most keys of one table.
pub const MAX_KEYS: usize = 64;

/// The fewest bytes of a key: fewer than a digest has make the signature weaker (RFC 2104 §3).
pub const MIN_KEY: usize = 32;

/// The most bytes of a key, and of the name of one.
pub const MAX_KEY: usize = 1024;
const MAX_NAME: usize = 64;

/// What the three parameters begin with, in their order.
const NAME: &[u8] = b"corsair-key=";
const EXPIRES: &[u8] = b"&corsair-expires=";
pub(super) const MAC: &[u8] = b"&corsair-signature=";

/// Bytes of a signature, and of how it is written.
const MAC_LEN: usize = 32;
const ENCODED_LEN: usize = 43;

/// Digits of the latest time that a number of ours can say.
const MAX_DIGITS: usize = 20;

/// Keys by their names.
pub struct Keys {
    keys: Box<[(Box<str>, Key)]>,
}

/// The last three parameters of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    key: &'a [u8],
    expires: &'a [u8],
    /// The signature itself.
    pub(super) mac: &'a [u8],
}

/// What a signature is about.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The method; a HEAD is asked for as GET.
    pub method: &'a [u8],
    /// The authority that the client asks, and whether it does so over TLS.
    pub authority: (&'a [u8], bool),
    /// Path and query without the three parameters, in parts.
    pub target: [&'a [u8]; 2],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

impl Keys {
    /// These, each with its name.
    ///
    /// # Errors
    /// The name of what is no key, and why.
    pub fn of<'a>(keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, (&'a str, String)> {
        let mut names = BTreeSet::new();
        let mut read = Vec::new();
        for (name, key) in keys {
            let fault = if !is_name(name.as_bytes()) {
                "is no name of a key; expected at most 64 letters, digits, dots, dashes and underscores"
                    .to_owned()
            } else if !names.insert(name) {
                "is the name of two keys; give each its own".to_owned()
            } else if key.len() < MIN_KEY {
                format!(
                    "is shorter than {MIN_KEY} bytes, and could be guessed from a link; make one with openssl rand -base64 32"
                )
            } else if key.len() > MAX_KEY {
                format!("is longer than {MAX_KEY} bytes")
            } else if read.len() == MAX_KEYS {
                format!("is one more than the {MAX_KEYS} keys that there can be")
            } else {
                read.push((name.into(), Key::new(HMAC_SHA256, key.as_bytes())));
                continue;
            };
            return Err((name, fault));
        }
        Ok(Self { keys: read.into() })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(name, _)| &**name)
    }

    /// Whether one of them has signed this, for a time that is not over. That it is over is told only of what was signed.
    ///
    /// # Errors
    /// [`Error::SignatureRefused`] and [`Error::SignatureExpired`].
    pub fn verify(&self, link: &Link<'_>, signature: Signature<'_>, now: SystemTime) -> Result<(), Error> {
        let key = self.get(signature.key).ok_or(Error::SignatureRefused)?;
        let mut shown = [0; MAC_LEN];
        let decoded = BASE64_URL_SAFE_NO_PAD.decode_slice(signature.mac, &mut shown);
        let is_whole = decoded.is_ok_and(|length| length == MAC_LEN);
        let right = signed(key, link, signature.expires);
        if !is_whole || verify_slices_are_equal(right.as_ref(), &shown).is_err() {
            return Err(Error::SignatureRefused);
        }
        let digits = str::from_utf8(signature.expires).ok();
        let expires: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or(Error::SignatureRefused)?;
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if seconds < expires { Ok(()) } else { Err(Error::SignatureExpired) }
    }

    /// The parameters by which the key of this name lets others ask for `link` before `expires`, in seconds since 1970;
    /// nothing where there is no such key. They stand last, behind a `&`, or behind a `?` where there was no query.
    #[must_use]
    pub fn sign(&self, name: &str, link: &Link<'_>, expires: u64) -> Option<String> {
        let expires = expires.to_string();
        let mac = signed(self.get(name.as_bytes())?, link, expires.as_bytes());
        let mac = BASE64_URL_SAFE_NO_PAD.encode(mac);
        Some(format!("corsair-key={name}&corsair-expires={expires}&corsair-signature={mac}"))
    }

    /// A name is no secret.
    fn get(&self, name: &[u8]) -> Option<&Key> {
        self.keys.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, key)| key)
    }
}

impl<'a> Signature<'a> {
    /// That of a request target, and how much of it stands before, without the `?` or `&` between them.
    #[must_use]
    pub fn of(target: &'a [u8]) -> Option<(usize, Self)> {
        let (before, signature) = Self::at_the_end(target)?;
        let (separator, before) = before.split_last()?;
        let expected = if memchr::memchr(b'?', before).is_some() { b'&' } else { b'?' };
        (*separator == expected).then_some((before.len(), signature))
    }

    /// That at the end of some bytes, and what stands before it.
    pub(super) fn at_the_end(bytes: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let (rest, mac) = bytes.split_at_checked(bytes.len().checked_sub(ENCODED_LEN)?)?;
        let is_mac = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let rest = rest.strip_suffix(MAC).filter(|_| mac.iter().all(is_mac))?;
        let (rest, expires) = split_behind_equals(rest)?;
        let is_time = (1..=MAX_DIGITS).contains(&expires.len()) && expires.iter().all(u8::is_ascii_digit);
        let rest = rest.strip_suffix(EXPIRES).filter(|_| is_time)?;
        let (rest, key) = split_behind_equals(rest)?;
        let before = rest.strip_suffix(NAME).filter(|_| is_name(key))?;
        Some((before, Self { key, expires, mac }))
    }
}

impl<'a> Link<'a> {
    /// What is asked for by this request, whose target is without the three parameters.
    ///
    /// # Errors
    /// Those of [`RequestTarget::parse`].
    pub fn of(request: Request<'a>, authority: (&'a [u8], bool)) -> Result<Self, Error> {
        let target = RequestTarget::parse(request)?.origin_form(request);
        Ok(Self { method: request.method_name(), authority, target })
    }
}

fn split_behind_equals(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(memchr::memrchr(b'=', bytes)?.saturating_add(1))
}

/// A name stands in URLs as it is.
fn is_name(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= MAX_NAME && name.iter().all(is_plain)
}

fn signed(key: &Key, link: &Link<'_>, expires: &[u8]) -> Tag {
    let Link { method, authority, target: [path, rest] } = *link;
    let method = if Method::of(method) == Method::Head { b"GET" } else { method };
    let mut context = Context::with_key(key);
    context.update(method);
    context.update(b"\n");
    // However a client writes the host.
    let mut lower = [0; 64];
    for piece in without_default_port(authority).chunks(lower.len()) {
        for (byte, of_it) in lower.iter_mut().zip(piece) {
            *byte = of_it.to_ascii_lowercase();
        }
        context.update(lower.get(..piece.len()).unwrap_or_default());
    }
    for part in [b"\n", path, rest, b"\n", expires] {
        context.update(part);
    }
    context.sign()
}

/// An authority without a port that its scheme means anyway.
fn without_default_port((authority, secure): (&[u8], bool)) -> &[u8] {
    match split_port(authority) {
        Some((host, port)) if port.is_empty() || port == if secure { &b"443"[..] } else { b"80" } => host,
        Some(_) | None => authority,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http1::sample;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn keys() -> Keys {
        Keys::of([("k1", KEY), ("k.2_b-", OTHER)]).expect("keys")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn link<'a>(method: &'a str, host: &'a str, target: &'a str) -> Link<'a> {
        Link {
            method: method.as_bytes(),
            authority: (host.as_bytes(), false),
            target: [target.as_bytes(), b""],
        }
    }

    /// `target` with its signature for `link`.
    fn with_signature(target: &str, link: &Link<'_>, expires: u64) -> String {
        let separator = if target.contains('?') { '&' } else { '?' };
        format!("{target}{separator}{}", keys().sign("k1", link, expires).expect("a key"))
    }

    #[test]
    fn a_signature_is_what_others_can_compute() {
        // printf 'GET\nproxy.example.com\n/files/a.pdf?v=2\n2000000000' | openssl dgst -sha256 -hmac KEY -binary |
        // basenc --base64url
        let url = with_signature(
            "/files/a.pdf?v=2",
            &link("GET", "proxy.example.com", "/files/a.pdf?v=2"),
            2_000_000_000,
        );
        let expected = "/files/a.pdf?v=2&corsair-key=k1&corsair-expires=2000000000&corsair-signature=FBWToW8YhhfeQ1EcnzxrfMoz7eHtzI55Y2_kVUD0jAM";
        assert_eq!(url, expected);
    }

    #[test]
    fn a_signature_is_of_one_method_host_target_and_time() {
        let signed = link("GET", "h.example:8080", "/a?b=c");
        let url = with_signature("/a?b=c", &signed, 100);
        let (before, signature) = Signature::of(url.as_bytes()).expect("a signature");
        assert_eq!(&url[..before], "/a?b=c");
        let verified = |link: &Link<'_>, signature, now| keys().verify(link, signature, at(now));
        let (refused, expired) = (Err(Error::SignatureRefused), Err(Error::SignatureExpired));
        for (method, host, target, now, expected) in [
            ("GET", "h.example:8080", "/a?b=c", 99, Ok(())),
            ("GET", "h.example:8080", "/a?b=c", 0, Ok(())),
            ("HEAD", "h.example:8080", "/a?b=c", 99, Ok(())),
            ("GET", "H.Example:8080", "/a?b=c", 99, Ok(())),
            ("GET", "h.example:8080", "/a?b=c", 100, expired),
            ("GET", "h.example:8080", "/a?b=c", u64::from(u32::MAX), expired),
            ("POST", "h.example:8080", "/a?b=c", 99, refused),
            ("head", "h.example:8080", "/a?b=c", 99, refused),
            ("GET", "h.example", "/a?b=c", 99, refused),
            ("GET", "h.example:8080", "/a?b=", 99, refused),
            ("GET", "h.example:8080", "/a", 99, refused),
            ("GET", "h.example:8080", "/A?b=c", 99, refused),
            // That it is over is told of nothing that was not signed.
            ("POST", "h.example:8080", "/a?b=c", 100, refused),
        ] {
            assert_eq!(
                verified(&link(method, host, target), signature, now),
                expected,
                "{method} {host}{target} {now}"
            );
        }
        for other in [
            Signature { key: b"k.2_b-", ..signature },
            Signature { key: b"k3", ..signature },
            Signature { expires: b"101", ..signature },
            Signature { expires: b"0100", ..signature },
            Signature { mac: &[b'A'; ENCODED_LEN], ..signature },
        ] {
            assert_eq!(verified(&signed, other, 0), refused, "{other:?}");
        }
        // The last digit has two bits that say nothing, and so no other spelling.
        let mut mac = signature.mac.to_vec();
        let last = mac.last_mut().expect("a digit");
        *last = if *last == b'B' { b'C' } else { *last + 1 };
        assert_eq!(verified(&signed, Signature { mac: &mac, ..signature }, 0), refused);
    }

    #[test]
    fn no_part_runs_into_the_next() {
        let signed = |method, host, target, expires| keys().sign("k1", &link(method, host, target), expires);
        let all = [
            signed("GET", "h.example", "/a", 11),
            signed("GET", "h.example", "/a1", 1),
            signed("GET", "h.example/", "a", 11),
            signed("GETh", ".example", "/a", 11),
            signed("GET", "h.example", "/a?", 11),
        ];
        let macs: BTreeSet<&str> =
            all.iter().flatten().filter_map(|signed| signed.rsplit_once('=')).map(|(_, mac)| mac).collect();
        assert_eq!(macs.len(), all.len());
        let split = Link { target: [b"/a", b"?b"], ..link("GET", "h.example", "") };
        assert_eq!(keys().sign("k1", &split, 1), signed("GET", "h.example", "/a?b", 1), "of parts it is one");
    }

    #[test]
    fn a_port_that_the_scheme_means_is_no_part_of_the_host() {
        let with = |host: &'static str, secure| {
            let authority = (host.as_bytes(), secure);
            keys().sign("k1", &Link { authority, ..link("GET", "", "/") }, 1)
        };
        let plain = with("h.example", false);
        for (host, secure, is_same) in [
            ("h.example", true, true),
            ("h.example:80", false, true),
            ("h.example:443", true, true),
            ("h.example:", true, true),
            ("h.example:80", true, false),
            ("h.example:443", false, false),
            ("h.example:8080", false, false),
        ] {
            assert_eq!(with(host, secure) == plain, is_same, "{host} {secure}");
        }
        assert_eq!(with("[::1]:80", false), with("[::1]", false));
        let long = "a".repeat(150);
        let of = |host: &str| keys().sign("k1", &link("GET", host, "/"), 1);
        assert_eq!(of(&long), of(&long.to_uppercase()));
        assert_ne!(of(&long), of(&long[1..]));
    }

    #[test]
    fn a_signature_is_the_last_three_parameters_in_their_order() {
        let mac = "A".repeat(ENCODED_LEN);
        let right = format!("corsair-key=k1&corsair-expires=12&corsair-signature={mac}");
        for (target, before) in [
            (format!("/?{right}"), Some("/")),
            (format!("/a?b&{right}"), Some("/a?b")),
            (format!("/a?&{right}"), Some("/a?")),
            (format!("?{right}"), Some("")),
            (format!("/?url=https://t/?a&{right}"), Some("/?url=https://t/?a")),
            (format!("/https://t/x?{right}"), Some("/https://t/x")),
            // Signed twice: what stands before is what the last one is about.
            (format!("/?{right}&{right}"), Some(&*format!("/?{right}"))),
            (format!("/a&{right}"), None),
            (format!("/?url=https://t/?{right}"), None),
            (format!("/a{right}"), None),
            (right.clone(), None),
            (format!("/?{right}&a"), None),
            (format!("/?{right}A"), None),
            (format!("/?{right}="), None),
            (format!("/?x{right}"), None),
            (format!("/?{}", right.replace("k1", "")), None),
            (format!("/?{}", right.replace("k1", "k%31")), None),
            (format!("/?{}", right.replace("k1", "k=1")), None),
            (format!("/?{}", right.replace("k1", &"k".repeat(65))), None),
            (format!("/?{}", right.replace("12", "")), None),
            (format!("/?{}", right.replace("12", "+12")), None),
            (format!("/?{}", right.replace("12", "-1")), None),
            (format!("/?{}", right.replace("12", &"1".repeat(21))), None),
            (format!("/?{}", right.replace('A', "+")), None),
            (format!("/?{}", right.replace("corsair-expires", "Corsair-Expires")), None),
            (format!("/?corsair-expires=1&corsair-key=k1&corsair-signature={mac}"), None),
            (format!("/?corsair-key=k1&corsair-signature={mac}"), None),
            (String::new(), None),
        ] {
            let found = Signature::of(target.as_bytes()).map(|(before, _)| &target[..before]);
            assert_eq!(found, before, "{target}");
        }
    }

    #[test]
    fn an_absolute_target_is_signed_as_its_path() {
        for (line, target) in [
            ("GET http://h.example/a?b HTTP/1.1", "/a?b"),
            ("GET http://h.example HTTP/1.1", "/"),
            ("GET /a?b HTTP/1.1", "/a?b"),
        ] {
            let parsed = sample::request(format!("{line}\r\nHost: h.example\r\n\r\n"));
            let found = Link::of(parsed.request(), (b"h.example", false)).expect("a target");
            assert_eq!(
                keys().sign("k1", &found, 1),
                keys().sign("k1", &link("GET", "h.example", target), 1),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_no_key_hears_why() {
        let long = "k".repeat(MAX_KEY + 1);
        for (keys, expected) in [
            (&[("k1", "short")][..], Some(("k1", "is shorter than 32 bytes, and could be guessed"))),
            (&[("k1", &KEY[1..])], Some(("k1", "is shorter than 32 bytes"))),
            (&[("k1", &long)], Some(("k1", "is longer than 1024 bytes"))),
            (&[("k 1", KEY)], Some(("k 1", "is no name of a key"))),
            (&[("", KEY)], Some(("", "is no name of a key"))),
            (&[("a", KEY), ("a", OTHER)], Some(("a", "is the name of two keys"))),
            (&[("a", KEY), ("b", KEY)], None),
        ] {
            let found = Keys::of(keys.iter().copied());
            match (found, expected) {
                (Ok(_), None) => {}
                (Err((name, fault)), Some((expected, begin))) => {
                    assert!(name == expected && fault.starts_with(begin), "{name}: {fault}");
                }
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
        let names: Vec<String> = (0..=MAX_KEYS).map(|number| number.to_string()).collect();
        let (name, fault) = Keys::of(names.iter().map(|name| (name.as_str(), KEY))).expect_err("too many");
        assert_eq!((name, &*fault), ("64", "is one more than the 64 keys that there can be"));
        assert_eq!(format!("{:?}", keys()), "2 keys");
        assert_eq!(keys().sign("k2", &link("GET", "h", "/"), 1), None);
    }
}

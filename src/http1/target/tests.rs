//! Targets and authorities as bytes, and what is made of them.

use proptest::prelude::*;

use super::*;
use crate::http1::sample;

fn parse(method: &str, target: &str) -> Result<RequestTarget, Error> {
    let sample = sample::request(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
    RequestTarget::parse(sample.request())
}

/// The authority of a request with these Host lines.
fn authority(version: &str, method: &str, target: &str, hosts: &[&str]) -> Result<Option<String>, Error> {
    let lines: String = hosts.iter().map(|host| format!("Host:{host}\r\n")).collect();
    let text = format!("{method} {target} HTTP/{version}\r\n{lines}\r\n");
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let sample = sample::try_request(latin)?;
    let request = sample.request();
    let span = RequestTarget::parse(request)?.authority(request)?;
    Ok(span.map(|span| String::from_utf8(span.of(request.bytes).to_vec()).unwrap()))
}

const AUTHORITIES: &[&str] = &[
    "a",
    "example.com",
    "EXAMPLE.com",
    "a.b.c.",
    "abcd-ef.g02.xyz:",
    "a:80",
    "a:0",
    "a:65535",
    "a:00080",
    "127.0.0.1",
    "127.0.0.1:8080",
    "[::1]",
    "[::1]:443",
    "[::1]:",
    "[::ffff:12.30.67.89]",
    "[2001:DB8::1]",
    "a_b~c",
    "%41.example",
    "a!$&'()*+;=b",
    ".",
];

const BAD_AUTHORITIES: &[&str] = &[
    "",
    ":80",
    ":",
    "a:b",
    "a:80x",
    "a:-1",
    "a:+1",
    "a:65536",
    "a:99999",
    "a:000080",
    "a:18446744073709551617",
    "a:80:80",
    "a:80:",
    "a b",
    "a\tb",
    "a,b",
    "a, b",
    "a@b",
    "user:pass@a",
    "a/b",
    "a/",
    "http://a",
    "a\\b",
    "a?b",
    "a#b",
    "a%",
    "a%4",
    "a%zz",
    "a<b",
    "a\"b",
    "a|b",
    "a^b",
    "a`b",
    "{a}",
    "[::1",
    "::1",
    "::1]",
    "[::1]]",
    "[[::1]]",
    "[::1]80",
    "[::1]:80:80",
    "[::1%25eth0]",
    "[::1%eth0]",
    "[127.0.0.1]",
    "[a]",
    "[]",
    "a[::1]",
    "a]",
    "[abcd::e\\f98:0/:7654:321]",
    "[v1.a]",
];

#[test]
fn an_authority_is_a_host_and_perhaps_a_port() {
    for text in AUTHORITIES {
        assert!(is_authority(text.as_bytes()), "{text:?}");
    }
    for text in BAD_AUTHORITIES {
        assert!(!is_authority(text.as_bytes()), "{text:?}");
    }
    for byte in (0..=0x20).chain(0x7f..=u8::MAX) {
        assert!(!is_authority(&[b'a', byte, b'b']), "{byte:#x}");
        assert!(!is_authority(&[b'a', byte]), "{byte:#x}");
    }
}

#[test]
fn the_form_of_a_target_goes_with_the_method() {
    use RequestTarget::{Asterisk, Authority, Origin};
    for (method, target, form) in [
        ("GET", "/", Some(Origin)),
        ("GET", "//x/../%2e?a=b?c", Some(Origin)),
        ("OPTIONS", "/", Some(Origin)),
        ("GET", "/http://h/", Some(Origin)),
        ("OPTIONS", "*", Some(Asterisk)),
        ("GET", "*", None),
        ("OPTIONS", "**", None),
        ("OPTIONS", "*?", None),
        ("GET", "/a#b", None),
        ("GET", "/#", None),
        ("GET", "http://h/#b", None),
        ("GET", "admin", None),
        ("GET", "!", None),
        ("GET", "?x", None),
        ("GET", "h:80", None),
        ("GET", "ftp://h/", None),
        ("GET", "http:/h", None),
        ("GET", "http:h", None),
        ("GET", "http:///x", None),
        ("GET", "http://", None),
        ("GET", "http://?x", None),
        ("GET", "http://u@h/", None),
        ("GET", "http://u:p@h/", None),
        ("GET", "http://h\\@x/", None),
        ("GET", "http://h,i/", None),
        ("GET", "http://h:x/", None),
        ("GET", "ws://h/", None),
        ("CONNECT", "h:443", Some(Authority)),
        ("CONNECT", "[::1]:443", Some(Authority)),
        ("CONNECT", "h", None),
        ("CONNECT", "h:", None),
        ("CONNECT", "[::1]", None),
        ("CONNECT", "[::1]:", None),
        ("CONNECT", ":443", None),
        ("CONNECT", "h:65536", None),
        ("CONNECT", "u@h:443", None),
        ("CONNECT", "/", None),
        ("CONNECT", "*", None),
        ("CONNECT", "http://h:80", None),
        ("CONNECT", "h:80/", None),
    ] {
        match (parse(method, target), form) {
            (Ok(parsed), Some(form)) => assert_eq!(parsed, form, "{method} {target}"),
            (Err(Error::RequestHead(_)), None) => {}
            (other, _) => panic!("{method} {target}: {other:?}"),
        }
    }
}

#[test]
fn the_upstream_gets_origin_form_byte_for_byte() {
    for (method, target, origin_form) in [
        ("GET", "/", "/"),
        ("GET", "/a/../b//c/%2E%2e/?x=/../y&z=%", "/a/../b//c/%2E%2e/?x=/../y&z=%"),
        ("GET", "//host/x", "//host/x"),
        ("GET", "http://h", "/"),
        ("GET", "http://h/", "/"),
        ("GET", "HTTPS://h/a/../b?c", "/a/../b?c"),
        ("GET", "http://h?x", "/?x"),
        ("GET", "http://h:80//x", "//x"),
        ("GET", "http://[::1]:80/x", "/x"),
        ("OPTIONS", "*", "*"),
        ("OPTIONS", "http://h", "*"),
        ("OPTIONS", "http://h:80", "*"),
        ("OPTIONS", "http://h/", "/"),
        ("OPTIONS", "http://h?x", "/?x"),
    ] {
        let sample = sample::request(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let parsed = RequestTarget::parse(sample.request()).unwrap();
        let written = parsed.origin_form(sample.request()).concat();
        assert_eq!(String::from_utf8(written).unwrap(), origin_form, "{method} {target}");
    }
}

#[test]
fn there_is_exactly_one_well_formed_host() {
    for host in AUTHORITIES {
        for blanks in ["", " ", "\t", " \t "] {
            let read = authority("1.1", "GET", "/", &[&format!("{blanks}{host}{blanks}")]);
            assert_eq!(read.as_ref().map(Option::as_deref), Ok(Some(*host)));
        }
    }
    for host in BAD_AUTHORITIES.iter().chain(&["\u{ff}a", "a\u{a0}", "a\u{85}"]) {
        for target in ["/", "http://h/"] {
            let read = authority("1.1", "GET", target, &[host]);
            assert!(matches!(read, Err(Error::RequestHead(_))), "{host:?}: {read:?}");
        }
    }
    for hosts in [&["a", "b"][..], &["a", "a"], &["a", ""], &["a", "a", "a"]] {
        for (version, target) in [("1.1", "/"), ("1.0", "/"), ("1.1", "http://h/"), ("1.0", "http://h/")] {
            let read = authority(version, "GET", target, hosts);
            assert!(matches!(read, Err(Error::RequestHead(_))), "{version} {target} {hosts:?}: {read:?}");
        }
    }
}

#[test]
fn host_may_be_missing_in_http_10_only() {
    for target in ["/", "http://h/"] {
        assert!(matches!(authority("1.1", "GET", target, &[]), Err(Error::RequestHead(_))), "{target}");
    }
    assert_eq!(authority("1.0", "GET", "/", &[]), Ok(None));
    assert_eq!(authority("1.0", "GET", "http://h/", &[]), Ok(Some("h".to_owned())));
    assert_eq!(authority("1.0", "GET", "/", &["h"]), Ok(Some("h".to_owned())));
}

#[test]
fn the_authority_of_an_absolute_target_takes_the_place_of_host() {
    let read = |method, target| authority("1.1", method, target, &["other.example:1"]).unwrap();
    assert_eq!(read("GET", "http://h:81/x").as_deref(), Some("h:81"));
    assert_eq!(read("GET", "https://[::1]:81?x").as_deref(), Some("[::1]:81"));
    assert_eq!(read("CONNECT", "h:443").as_deref(), Some("h:443"));
    assert_eq!(read("OPTIONS", "*").as_deref(), Some("other.example:1"));
    assert_eq!(read("GET", "/http://h/").as_deref(), Some("other.example:1"));
}

proptest! {
    #[test]
    fn what_is_told_apart_by_its_first_bytes_is_not_the_same(
        one in "[aAb.:08\\[\\]]{0,6}|\\[(::|0:0:0:0:0:0:0:)[aA1](\\]|:)(:80)?",
        other in "[aAb.:08\\[\\]]{0,6}|\\[(::|0:0:0:0:0:0:0:)[aA1](\\]|:)(:80)?",
    ) {
        let (one, other) = ((one.as_bytes(), 80), (other.as_bytes(), 80));
        prop_assert_eq!(is_same_authority(one, other), have_same_parts(one, other));
        prop_assert!(is_same_authority(one, one) == have_same_parts(one, one));
    }
}

//! Chains as they come, and as a slow look at them says.

use proptest::prelude::*;

use super::*;
use crate::{
    http1::sample::{self, ParsedRequest},
    trust::proxies::TrustRule,
};

fn trust(rules: &str, headers: TrustedHeaders) -> Trust {
    let rules: Vec<_> = rules.split_whitespace().map(|rule| TrustRule::parse(rule).unwrap()).collect();
    Trust { proxies: TrustedProxies::of(&rules), headers }
}

fn request(fields: &str) -> ParsedRequest {
    sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
}

/// The client, the scheme, the host, and the texts of the links.
type Seen = (Option<String>, Option<bool>, Option<String>, Vec<String>);

/// An address, without a port that nobody knows.
fn shown(address: &SocketAddr) -> String {
    if address.port() == 0 { address.ip().to_string() } else { address.to_string() }
}

fn seen(fields: &str, headers: TrustedHeaders) -> Seen {
    let parsed = request(fields);
    let request = parsed.request();
    let told = told(request, &trust("private", headers));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let links: Vec<_> = links(request, &told).collect();
    assert_eq!(links.first().copied(), told.client, "{fields}");
    (
        told.client.as_ref().map(shown),
        told.secure,
        told.host.map(|host| text(host.of(request.bytes))),
        links.iter().map(shown).collect(),
    )
}

fn chain(fields: &str, headers: TrustedHeaders) -> Vec<String> {
    seen(fields, headers).3
}

#[test]
fn the_first_that_is_not_trusted_is_the_client() {
    for (fields, expected) in [
        ("", &[][..]),
        ("X-Forwarded-For: 203.0.113.7\r\n", &["203.0.113.7"]),
        ("X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n", &["203.0.113.7"]),
        ("X-Forwarded-For: 6.6.6.6,203.0.113.7:4711 ,\t10.0.0.2\r\n", &["203.0.113.7:4711", "10.0.0.2"]),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n", &["203.0.113.7"]),
        (
            "X-Forwarded-For: 203.0.113.7\r\nX: 1\r\nx-forwarded-for: 10.0.0.2, 10.0.0.3\r\n",
            &["203.0.113.7", "10.0.0.2", "10.0.0.3"],
        ),
        ("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", &["10.0.0.1", "10.0.0.2"]),
        ("X-Forwarded-For: 2001:db8::7, fd00::1\r\n", &["2001:db8::7", "fd00::1"]),
        ("X-Forwarded-For: ,, 203.0.113.7, ,10.0.0.2,,\r\n", &["203.0.113.7", "10.0.0.2"]),
        ("Forwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\n", &[]),
    ] {
        assert_eq!(chain(fields, TrustedHeaders::XForwarded), expected, "{fields}");
    }
    for (fields, expected) in [
        ("Forwarded: for=6.6.6.6, for=203.0.113.7\r\n", &["203.0.113.7"][..]),
        ("Forwarded: for=203.0.113.7;by=_a, for=\"10.0.0.2:80\"\r\n", &["203.0.113.7", "10.0.0.2:80"]),
        // A client that opens a quote hides nobody behind it.
        ("Forwarded: for=\", for=203.0.113.7\r\n", &["203.0.113.7"]),
        ("Forwarded: x=\"a,b\";for=203.0.113.7,for=10.0.0.2\r\n", &["203.0.113.7", "10.0.0.2"]),
        ("X-Forwarded-For: 203.0.113.7\r\n", &[]),
    ] {
        assert_eq!(chain(fields, TrustedHeaders::Forwarded), expected, "{fields}");
    }
}

#[test]
fn what_is_no_address_ends_the_chain() {
    for hidden in
        ["unknown", "_hidden", "10.0.0", "10.0.0.2:", "10.0.0.2:x", "a.example", "\"10.0.0.2\"", "10.0.0.2;x"]
    {
        let fields = format!("X-Forwarded-For: 203.0.113.7, {hidden}, 10.0.0.3\r\n");
        assert_eq!(chain(&fields, TrustedHeaders::XForwarded), ["10.0.0.3"], "{hidden}");
        assert!(chain(&format!("X-Forwarded-For: {hidden}\r\n"), TrustedHeaders::XForwarded).is_empty());
    }
    for hidden in
        ["for=unknown", "for=\"_hidden\"", "for=10.0.0.2:80", "for=\"10.0.0.2", "proto=http", "10.0.0.2"]
    {
        let fields = format!("Forwarded: for=203.0.113.7, {hidden}, for=10.0.0.3\r\n");
        assert_eq!(chain(&fields, TrustedHeaders::Forwarded), ["10.0.0.3"], "{hidden}");
    }
}

#[test]
fn a_chain_is_followed_over_so_many_proxies_and_no_further() {
    let proxies = |count: usize| {
        let all: Vec<_> = (0..count).map(|index| format!("10.0.0.{index}")).collect();
        format!("X-Forwarded-For: 203.0.113.7, {}\r\n", all.join(","))
    };
    assert_eq!(seen(&proxies(MOST_PROXIES - 1), TrustedHeaders::XForwarded).0.unwrap(), "203.0.113.7");
    let (client, .., links) = seen(&proxies(MOST_PROXIES), TrustedHeaders::XForwarded);
    assert_eq!((client.unwrap().as_str(), links.len()), ("10.0.0.0", MOST_PROXIES));
}

#[test]
fn scheme_and_host_are_told_once_or_not_at_all() {
    let told = |fields: &str| {
        let (_, secure, host, _) = seen(fields, TrustedHeaders::XForwarded);
        (secure, host)
    };
    for (value, expected) in [
        ("https", Some(true)),
        ("HTTP", Some(false)),
        ("wss", Some(true)),
        ("ftp", None),
        ("https, http", None),
        ("", None),
    ] {
        assert_eq!(told(&format!("X-Forwarded-Proto: {value}\r\n")), (expected, None), "{value}");
    }
    assert_eq!(told("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n").0, None);
    for (value, expected) in [
        ("app.example", Some("app.example")),
        ("app.example:8443", Some("app.example:8443")),
        ("[2001:db8::1]", Some("[2001:db8::1]")),
        ("a.example, b.example", None),
        ("a.example,b.example", None),
        ("user@a.example", None),
        ("a.example:65536", None),
        (":80", None),
        ("", None),
    ] {
        let (secure, host) = told(&format!("X-Forwarded-Host: {value}\r\n"));
        assert_eq!((secure, host.as_deref()), (None, expected), "{value}");
    }
    assert_eq!(told("X-Forwarded-Host: a\r\nX-Forwarded-Host: a\r\n").1, None);
    assert_eq!(told("Forwarded: proto=https;host=a\r\n"), (None, None), "of the other family");
}

#[test]
fn in_forwarded_the_outermost_word_counts() {
    for (value, secure, host) in [
        ("for=203.0.113.7;proto=https;host=a", Some(true), Some("a")),
        ("for=203.0.113.7;proto=https;host=a, for=10.0.0.2;proto=http;host=b", Some(true), Some("a")),
        ("for=203.0.113.7, for=10.0.0.2;proto=https;host=b", Some(true), Some("b")),
        ("for=6.6.6.6;proto=https;host=evil, for=203.0.113.7", None, None),
        ("for=203.0.113.7;proto=https;host=a b, for=10.0.0.2", None, None),
        ("proto=https;host=\"a:1\"", Some(true), Some("a:1")),
    ] {
        let (_, found, named, _) = seen(&format!("Forwarded: {value}\r\n"), TrustedHeaders::Forwarded);
        assert_eq!((found, named.as_deref()), (secure, host), "{value}");
    }
}

/// What may stand in a chain: who is trusted, who is not, and what is no address.
fn element() -> impl Strategy<Value = (&'static str, Option<bool>)> {
    prop_oneof![
        Just(("10.0.0.1", Some(true))),
        Just(("[fd00::1]:80", Some(true))),
        Just(("203.0.113.7", Some(false))),
        Just(("[2001:db8::7]", Some(false))),
        Just(("203.0.113.7:4711", Some(false))),
        Just(("unknown", None)),
        Just(("_x", None)),
        Just(("300.0.0.1", None)),
    ]
}

proptest! {
    #[test]
    fn any_chain_is_read_as_a_slow_look_at_it_does(
        lines in proptest::collection::vec(proptest::collection::vec(element(), 0..6), 0..4),
        forwarded in any::<bool>(),
    ) {
        let mut expected = Vec::new();
        for (text, trusted) in lines.iter().flatten().rev() {
            let Some(trusted) = trusted else { break };
            expected.insert(0, (*text).to_owned());
            if !trusted {
                break;
            }
        }
        let spelled = |text: &str| if forwarded { format!("for=\"{text}\"") } else { text.to_owned() };
        let fields: String = lines
            .iter()
            .map(|line| {
                let line: Vec<_> = line.iter().map(|(text, _)| spelled(text)).collect();
                let name = if forwarded { "Forwarded" } else { "X-Forwarded-For" };
                format!("{name}: {}\r\n", line.join(", "))
            })
            .collect();
        let headers = if forwarded { TrustedHeaders::Forwarded } else { TrustedHeaders::XForwarded };
        let bare = |text: String| match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(bare) => bare.to_owned(),
            None => text,
        };
        let expected: Vec<_> = expected.into_iter().map(bare).collect();
        prop_assert_eq!(chain(&fields, headers), expected);
    }

    #[test]
    fn whatever_is_sent_is_read_within_the_head_and_twice_the_same(
        values in proptest::collection::vec("[ -~]{0,40}|[for=\";,0-9.:\\[\\]]{0,60}", 0..4),
        forwarded in any::<bool>(),
    ) {
        let fields: String =
            values.iter().map(|value| format!("Forwarded: {value}\r\nX-Forwarded-For: {value}\r\n")).collect();
        let headers = if forwarded { TrustedHeaders::Forwarded } else { TrustedHeaders::XForwarded };
        let parsed = request(&fields);
        let told = told(parsed.request(), &trust("0.0.0.0/0 ::/0", headers));
        let links: Vec<_> = links(parsed.request(), &told).collect();
        prop_assert!(links.len() <= MOST_PROXIES);
        prop_assert_eq!(links.first().copied(), told.client);
    }
}

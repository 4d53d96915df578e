//! URLs that are spelled as the URL standard would spell them: most are, and need not be parsed and put
//! together again.
//!
//! Only what is certain is taken: whatever the standard might change goes to its parser.

use std::net::{IpAddr, Ipv4Addr};

use super::host::{Scheme, can_be_resolved};

/// Where the parts of a URL lie, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) scheme: Scheme,
    /// The host, where it is an address.
    pub(super) address: Option<IpAddr>,
    /// That of the scheme where none is written.
    pub(super) port: u16,
    /// Where the host ends.
    pub(super) host_end: usize,
    /// Where the path begins.
    pub(super) path: usize,
}

/// The parts of an http or https URL that the standard would leave as it is: no userinfo, a host that is an
/// IPv4 address or a name in plain letters, no port that could be left out, a path without dot segments, and
/// nothing to be escaped. Nothing where that is not plain to see.
///
/// Source: URL standard, "URL parsing" and "host parsing".
pub(super) fn parts(url: &str) -> Option<Parts> {
    let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|scheme| url.starts_with(scheme.prefix()))?;
    let start = scheme.prefix().len();
    let path = start + memchr::memchr(b'/', &url.as_bytes()[start..])?;
    if !stands_as_it_is(&url.as_bytes()[path..]) {
        return None;
    }
    let authority = url.get(start..path)?;
    let (host, port) = match memchr::memchr(b':', authority.as_bytes()) {
        Some(at) => (authority.get(..at)?, port_beside(scheme, authority.get(at + 1..)?)?),
        None => (authority, scheme.default_port()),
    };
    Some(Parts { scheme, address: address_or_name(host)?, port, host_end: start + host.len(), path })
}

/// A port as the standard writes it, other than the scheme's own.
fn port_beside(scheme: Scheme, digits: &str) -> Option<u16> {
    // `str::parse` would accept a sign, and zeros before the number.
    if !matches!(digits.as_bytes(), [b'1'..=b'9', ..]) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != scheme.default_port())
}

/// An IPv4 address as the standard writes it, or `None` inside for a name that stays as it is.
fn address_or_name(host: &str) -> Option<Option<IpAddr>> {
    let bytes = host.as_bytes();
    if bytes.first()?.is_ascii_digit()
        && let Ok(ip) = host.parse::<Ipv4Addr>()
    {
        return Some(Some(IpAddr::V4(ip)));
    }
    // Labels that IDNA would look into (`xn--`, and what else has hyphens in that place), and a last one that
    // may be a number, by which the standard tells addresses, are for its parser.
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let is_name = bytes.last()?.is_ascii_lowercase()
        && bytes.iter().all(is_plain)
        && !bytes.windows(2).any(|pair| pair == b"--")
        && !bytes.rsplit(|byte| *byte == b'.').next()?.first()?.is_ascii_digit();
    (is_name && can_be_resolved(host)).then_some(None)
}

/// Whether a path, with its query, stays as it is.
fn stands_as_it_is(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|byte| {
        // What begins with a dot, escaped or not, may be a dot segment.
        let may_be_dot = before == b'/' && matches!(byte, b'.' | b'%');
        before = *byte;
        PLAIN[usize::from(*byte)] && !may_be_dot
    })
}

/// The bytes that no part of a path or a query changes: those of RFC 3986 §3.3 and §3.4, but for the quote.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'(' | b')'
            | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%');
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::{Host, Position, Url};

    use super::*;

    /// The same, asked of the standard's parser.
    fn by_the_standard(text: &str) -> Option<(Parts, String)> {
        let url = Url::parse(text).ok()?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let address = match url.host()? {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(name) => {
                assert!(can_be_resolved(name), "{text}");
                None
            }
        };
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{text}");
        let parts = Parts {
            scheme,
            address,
            port: url.port_or_known_default()?,
            host_end: url[..Position::AfterHost].len(),
            path: url[..Position::BeforePath].len(),
        };
        Some((parts, url.into()))
    }

    fn check(text: &str) -> bool {
        let found = parts(text);
        if let Some(parts) = found {
            assert_eq!(by_the_standard(text), Some((parts, text.to_owned())), "{text}");
        }
        found.is_some()
    }

    #[test]
    fn what_most_pages_ask_for_is_taken_as_it_is() {
        for text in "
            http://a.example/ https://a.example/b?c=1&d=2 http://127.0.0.1:9001/1k https://a.example:8443/
            https://a-b.c1.example/x/y.json?q=%20+a~b(c)*!$,;:@/?x http://localhost:3000/a..b/c.d/x%2f//
            http://0.0.0.0/ https://1a.example/ https://a.example/?http://b.example/
        "
        .split_whitespace()
        {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn what_the_standard_may_change_or_refuse_is_left_to_it() {
        for text in "
            HTTP://a.example/ http:a.example/ http:/a.example/ http:///a.example/ ftp://a.example/ http:// http:///
            https://a.example https://a.example?b https://A.example/ http://a.example:80/ https://a.example:443/
            http://a.example:/ http://a.example:080/ http://a.example:0/ http://a.example:65536/ http://a.example:+1/
            http://a.example:99999/ http://user@a.example/ http://user:word@a.example/ http://a.example:1:2/
            http://a.example/#b http://a.example/./b http://a.example/../b http://a.example/%2e/b
            http://a.example/%2E%2e/b http://a.example/.b http://a.example/b\\c http://a.example\\b/
            http://a.example/b'c http://a.example/\u{fc} http://b\u{fc}cher.example/ http://xn--bcher-kva.example/
            http://ab--c.example/ http://a%2eexample/ http://a_b.example/ http://a.example./ http://a..example/
            http://.example/ http://-/ http://0x7f.1/ http://127.1/ http://2130706433/ http://127.0.0.01/
            http://256.1.1.1/ http://1.2.3.4.5/ http://1.2.3.4./ http://a.0/ http://a.0x1/ http://a.0xf/
            http://[::1]/ http://[::ffff:127.0.0.1]/ http://a.example/{b} http://a.example/<b> http://a.example/b|c
            http://a.example/[b] http://a.example/^ http://a.example/`
        "
        .split_whitespace()
        {
            assert!(!check(text), "{text}");
        }
        for text in
            ["http://a.example/b c", " http://a.example/", "http://a.example/\t", "http://a.ex\nample/"]
        {
            assert!(!check(text), "{text:?}");
        }
        assert!(!check(&format!("http://{}.example/", "a".repeat(64))));
        assert!(!check(&format!("http://{}example/", "a.".repeat(130))));
    }

    proptest! {
        #[test]
        fn what_is_taken_as_it_is_reads_the_same_by_the_standard(
            scheme in "https?:/{1,3}",
            host in "[a-z0-9x.-]{1,12}|[0-9]{1,3}(\\.[0-9]{1,3}){0,4}|(xn--)?[a-z0-9-]{1,9}\\.(0x)?[0-9a-f]{1,3}",
            port in "(:[0-9]{0,6})?",
            path in "[/.%2eE?a&='~|^\\\\\\[#-]{0,12}",
        ) {
            check(&format!("{scheme}{host}{port}{path}"));
        }

        #[test]
        fn whatever_is_taken_as_it_is_reads_the_same_by_the_standard(rest in "[!-~]{0,24}") {
            check(&format!("http://{rest}"));
            check(&format!("http://a.example/{rest}"));
        }
    }
}

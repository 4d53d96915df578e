//! Which targets an operator means, for whom more is said than for all.

use crate::uri::{Scheme, TargetHost, TargetUrl, is_public_suffix};

/// Targets by their origin: `api.example.org`, which is https on port 443, `http://…`, `:8443`, and `*.example.com` for all
/// names below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPattern {
    /// The origin; of a wildcard, the one below which the others are.
    url: TargetUrl,
    is_below: bool,
}

impl TargetPattern {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |reason: &str| Err(format!("\"{text}\" is no target; {reason}"));
        let (scheme, authority) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return fault("its scheme must be http or https"),
            None => (Scheme::Https, text),
        };
        let (is_below, authority) = match authority.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, authority),
        };
        if authority.is_empty() || authority.contains(['/', '?', '#', '\\', '*']) {
            return fault(
                "write a host such as api.example.org, *.example.org or http://api.example.org:8080",
            );
        }
        let Ok(url) = TargetUrl::parse(&format!("{}{authority}/", scheme.prefix())) else {
            return fault("that is no host, and no port behind one");
        };
        match url.host() {
            TargetHost::Name(name) if is_below && is_public_suffix(name) => {
                fault("anybody can have a name below that")
            }
            TargetHost::Ip(_) if is_below => fault("no name is below an address"),
            TargetHost::Name(_) | TargetHost::Ip(_) => Ok(Self { url, is_below }),
        }
    }

    /// Whether a target is one of them.
    #[must_use]
    pub fn covers(&self, target: &TargetUrl) -> bool {
        if !self.is_below {
            return self.url.same_origin(target);
        }
        let (TargetHost::Name(base), TargetHost::Name(name)) = (self.url.host(), target.host()) else {
            return false;
        };
        self.url.scheme() == target.scheme()
            && self.url.port() == target.port()
            && name.strip_suffix(base).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_meant_by_its_scheme_its_host_and_its_port() {
        for (pattern, covered, others) in [
            (
                "api.example.org",
                &["https://api.example.org/", "https://API.example.org:443/x?y"][..],
                &[
                    "http://api.example.org/",
                    "https://api.example.org:8443/",
                    "https://api.example.org./",
                    "https://a.api.example.org/",
                    "https://example.org/",
                    "https://api.example.org.evil.example/",
                    "https://evilapi.example.org/",
                ][..],
            ),
            ("API.Example.org:443", &["https://api.example.org/"], &["http://api.example.org:443/"]),
            ("http://127.0.0.1:9", &["http://127.1:9/"], &["http://127.0.0.1/", "http://127.0.0.2:9/"]),
            ("[::1]:8443", &["https://[0::1]:8443/"], &["https://[::1]/"]),
            (
                "*.example.org",
                &["https://a.example.org/", "https://a.b.example.org/"],
                &[
                    "https://example.org/",
                    "https://aexample.org/",
                    "http://a.example.org/",
                    "https://a.example.org:1/",
                ],
            ),
            ("http://*.example.org:80", &["http://a.example.org/"], &["https://a.example.org/"]),
        ] {
            let read = TargetPattern::parse(pattern).unwrap();
            for (urls, expected) in [(covered, true), (others, false)] {
                for url in urls {
                    assert_eq!(read.covers(&TargetUrl::parse(url).unwrap()), expected, "{pattern}: {url}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_target_is_told_why() {
        for (text, reason) in [
            ("", "write a host"),
            ("*", "write a host"),
            ("*.", "write a host"),
            ("a.*.example", "write a host"),
            ("api.example.org/v1", "write a host"),
            ("https://api.example.org/", "write a host"),
            ("ftp://a.example", "its scheme"),
            ("wss://a.example", "its scheme"),
            ("user@a.example", "that is no host"),
            ("a.example:99999", "that is no host"),
            ("a b", "that is no host"),
            ("*.co.uk", "anybody"),
            ("*.com", "anybody"),
            ("*.127.0.0.1", "no name is below"),
        ] {
            let fault = TargetPattern::parse(text).unwrap_err();
            assert!(fault.starts_with(&format!("\"{text}\" is no target; {reason}")), "{fault}");
        }
    }
}

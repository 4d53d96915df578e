//! The hosts that a route is for, as operators write them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use url::Host;

use crate::uri::can_be_resolved;

/// The hosts that a route is for, on all listeners.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern(pub(super) Pattern);

/// A pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    /// Every host, and requests that name none.
    Every,
    /// One name, in its ASCII form, lower case, without a last dot.
    Name(Box<str>),
    /// All names below this one.
    Below(Box<str>),
    /// One address; an IPv4-mapped one is kept as IPv4.
    Address(IpAddr),
}

impl HostPattern {
    /// Every host.
    pub const EVERY: Self = Self(Pattern::Every);

    /// Reads `api.example.com`, `*.example.com`, `127.0.0.1` or `[::1]`; every host where there is nothing. Names are
    /// converted as the URL standard does.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::EVERY);
        }
        let fault = |hint: &str| Err(format!("\"{text}\" is no host of a route; {hint}"));
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#', ':']).next().filter(|host| reads(host));
            return fault(&format!(
                "leave out the scheme, and write the host alone: {}",
                host.unwrap_or("api.example.com")
            ));
        }
        if text.contains(['/', '?', '#']) {
            return fault("leave out the path: a route has one of its own");
        }
        if text == "*" {
            return fault("leave the host out, and the route is for every host");
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return fault(&format!("an IPv6 address stands in brackets: write [{text}]"));
        }
        if let Some(literal) = text.strip_prefix('[') {
            return match literal.split_once(']') {
                Some((literal, "")) => match literal.parse::<Ipv6Addr>() {
                    Ok(ip) => Ok(Self(Pattern::Address(IpAddr::V6(ip).to_canonical()))),
                    Err(_) => fault("there is no IPv6 address between its brackets, as in [::1]"),
                },
                Some((_, port)) if port.starts_with(':') => fault(WITHOUT_PORT),
                Some(_) | None => fault("an IPv6 address stands in brackets, as in [::1]"),
            };
        }
        if text.contains(':') {
            return fault(WITHOUT_PORT);
        }
        let (is_wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return fault("a * is the whole first label: write *.example.com");
        }
        match Host::parse(name) {
            Ok(Host::Domain(name)) if can_be_resolved(&name) => {
                let name = name.strip_suffix('.').unwrap_or(&name).into();
                Ok(Self(if is_wildcard { Pattern::Below(name) } else { Pattern::Name(name) }))
            }
            Ok(Host::Ipv4(ip)) if !is_wildcard => Ok(Self(Pattern::Address(IpAddr::V4(ip)))),
            Ok(Host::Ipv4(_)) => fault("nothing stands below an address: write the address alone"),
            Ok(Host::Domain(_) | Host::Ipv6(_)) | Err(_) => {
                fault("write one such as api.example.com, *.example.com, 127.0.0.1 or [::1]")
            }
        }
    }

    /// Whether it is every host.
    #[must_use]
    pub const fn is_every(&self) -> bool {
        matches!(self.0, Pattern::Every)
    }
}

/// What to write instead of a host with a port.
const WITHOUT_PORT: &str = "leave out the port: a route is for a host on all listeners";

/// Whether a host is one that a hint may show.
fn reads(host: &str) -> bool {
    !host.is_empty() && HostPattern::parse(host).is_ok()
}

impl fmt::Display for HostPattern {
    /// As it is written; `*` for every host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Every => f.write_str("*"),
            Pattern::Name(name) => f.write_str(name),
            Pattern::Below(name) => write!(f, "*.{name}"),
            Pattern::Address(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Pattern::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_the_url_standard_reads_it() {
        for (text, shown) in [
            ("", "*"),
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("localhost", "localhost"),
            ("*.example.com", "*.example.com"),
            ("*.Example.com.", "*.example.com"),
            ("*.com", "*.com"),
            ("a_b.internal", "a_b.internal"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("*.B\u{dc}CHER.example", "*.xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ] {
            let pattern = HostPattern::parse(text).unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(pattern.to_string(), shown, "{text}");
            assert_eq!(pattern.is_every(), text.is_empty());
            if !text.is_empty() {
                assert_eq!(HostPattern::parse(shown), Ok(pattern), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_host_of_a_route_hears_what_to_write() {
        for (text, hint) in [
            ("example.com:8080", "leave out the port: a route is for a host on all listeners"),
            ("*.example.com:80", "leave out the port"),
            ("[::1]:80", "leave out the port"),
            ("127.0.0.1:80", "leave out the port"),
            ("https://example.com/a", "write the host alone: example.com"),
            ("https://example.com:81", "write the host alone: example.com"),
            ("https://", "write the host alone: api.example.com"),
            ("example.com/v1", "leave out the path"),
            ("example.com?a", "leave out the path"),
            ("*", "leave the host out"),
            ("a.*.example.com", "write *.example.com"),
            ("*example.com", "write *.example.com"),
            ("*.*.example.com", "write *.example.com"),
            ("::1", "write [::1]"),
            ("[::1", "stands in brackets"),
            ("[::1]x", "stands in brackets"),
            ("[example.com]", "no IPv6 address between its brackets"),
            ("*.127.0.0.1", "write the address alone"),
            ("exa mple.com", "write one such as"),
            (" example.com", "write one such as"),
            ("a..example.com", "write one such as"),
            (".example.com", "write one such as"),
            (".", "write one such as"),
            ("*.", "write one such as"),
            ("user@example.com", "write one such as"),
            ("a,b", "write one such as"),
        ] {
            let fault = HostPattern::parse(text).expect_err(text);
            assert!(fault.contains(hint), "{text}: {fault}");
        }
    }
}

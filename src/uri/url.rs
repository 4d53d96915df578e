//! An http or https URL, read by the URL standard and held to the rules of a proxy.
//!
//! What a host may be used for is not decided here.

use std::{borrow::Cow, fmt, net::IpAddr};

use url::{Host, ParseError, Position, Url};

use super::{
    canonical::{self, Parts},
    host::{Scheme, TargetHost, can_be_resolved},
};
use crate::error::Error;

/// An http or https URL without userinfo and without fragment, normalised by the URL standard.
///
/// All of its text is visible ASCII, so it can stand in a request head as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    text: String,
    scheme: Scheme,
    /// The host, where it is an address.
    address: Option<IpAddr>,
    /// What stands behind the host and its colon, or what the scheme leaves out.
    port: u16,
    /// Where the host ends in `text`.
    host_end: usize,
    /// Where the path begins in `text`.
    path: usize,
}

impl TargetUrl {
    /// Reads an absolute URL; a fragment is dropped.
    ///
    /// # Errors
    /// [`Error::TargetInvalid`] for what the URL standard rejects, another scheme, userinfo, and a name that
    /// DNS cannot carry.
    ///
    /// Source: URL standard, "URL parsing" and "host parsing".
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(Cow::Borrowed(text))
    }

    /// [`TargetUrl::parse`], of text that can be kept if it is owned already.
    pub(crate) fn read(text: Cow<'_, str>) -> Result<Self, Error> {
        if let Some(parts) = canonical::parts(&text) {
            let Parts { scheme, address, port, host_end, path } = parts;
            return Ok(Self { text: text.into_owned(), scheme, address, port, host_end, path });
        }
        let url = Url::parse(&text).map_err(|fault| Error::TargetInvalid(reason(fault)))?;
        if !is_http(&url) {
            return Err(Error::TargetInvalid("only http and https targets are fetched"));
        }
        Self::vetted(url)
    }

    /// `url`, which is http or https, held to the rules that go beyond the URL standard.
    pub(crate) fn vetted(mut url: Url) -> Result<Self, Error> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::TargetInvalid("a url with a user name or password is refused"));
        }
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(name)) if can_be_resolved(name) => None,
            Some(Host::Domain(_)) | None => {
                return Err(Error::TargetInvalid("the host is no name that DNS could carry"));
            }
        };
        if url.fragment().is_some() {
            url.set_fragment(None);
        }
        let scheme = if url.scheme() == Scheme::Https.as_str() { Scheme::Https } else { Scheme::Http };
        Ok(Self {
            scheme,
            address,
            port: url.port().unwrap_or(scheme.default_port()),
            host_end: url[..Position::AfterHost].len(),
            path: url[..Position::BeforePath].len(),
            text: url.into(),
        })
    }

    /// The URL that `reference` means on a page at this one.
    pub(crate) fn join(&self, reference: &str) -> Result<Url, ParseError> {
        Url::parse(&self.text)?.join(reference)
    }

    /// http or https.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Name or address to connect to.
    #[must_use]
    pub fn host(&self) -> TargetHost<'_> {
        match self.address {
            Some(ip) => TargetHost::Ip(ip),
            None => TargetHost::Name(&self.text[self.scheme.prefix().len()..self.host_end]),
        }
    }

    /// The port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` field: IPv6 in brackets, a default port left out (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.text[self.scheme.prefix().len()..self.path]
    }

    /// The origin-form of the request line; never empty (RFC 9112 §3.2.1).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.text[self.path..]
    }

    /// `scheme://host[:port]`, a default port left out. Equal exactly when the origins are, so it also keys
    /// pools of connections.
    ///
    /// Source: HTML standard, "ASCII serialization of an origin".
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.path]
    }

    /// Whether scheme, host and port are those of `other` (HTML standard, "same origin").
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }

    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the scheme is http or https; the parser has put it in lower case.
pub(crate) fn is_http(url: &Url) -> bool {
    [Scheme::Http, Scheme::Https].iter().any(|scheme| url.scheme() == scheme.as_str())
}

/// Why the URL standard rejects a URL.
const fn reason(fault: ParseError) -> &'static str {
    match fault {
        ParseError::RelativeUrlWithoutBase
        | ParseError::RelativeUrlWithCannotBeABaseBase
        | ParseError::SetHostOnCannotBeABaseUrl => "the url has no scheme; begin it with http:// or https://",
        ParseError::EmptyHost => "the url has no host",
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => "the host is no valid name",
        ParseError::InvalidPort => "the port is no number up to 65535",
        ParseError::InvalidIpv4Address => "the host is no valid IPv4 address",
        ParseError::InvalidIpv6Address => "the host is no valid IPv6 address",
        ParseError::Overflow => "the url is too long",
        _ => "the url cannot be parsed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text).unwrap()
    }

    #[test]
    fn a_target_says_what_the_request_head_needs() {
        let target = url("HTTPS://B\u{fc}cher.Example:443/a/../b c?d e#f");
        assert_eq!(target.scheme(), Scheme::Https);
        assert_eq!(target.host(), TargetHost::Name("xn--bcher-kva.example"));
        assert_eq!(target.port(), 443);
        assert_eq!(target.authority(), "xn--bcher-kva.example");
        assert_eq!(target.path_and_query(), "/b%20c?d%20e");
        assert_eq!(target.origin(), "https://xn--bcher-kva.example");
        assert_eq!(target.to_string(), "https://xn--bcher-kva.example/b%20c?d%20e");

        let target = url("http://[2001:DB8::0:1]:8080");
        assert_eq!(target.host(), TargetHost::Ip("2001:db8::1".parse().unwrap()));
        assert_eq!(target.port(), 8080);
        assert_eq!(target.authority(), "[2001:db8::1]:8080");
        assert_eq!(target.path_and_query(), "/");
        assert_eq!(target.origin(), "http://[2001:db8::1]:8080");
    }

    #[test]
    fn origins_are_the_same_in_scheme_host_and_port() {
        let base = url("https://a.example/");
        assert!(base.same_origin(&url("https://A.example:443/b?c")));
        let others = "http://a.example/ https://a.example:8443/ https://b.a.example/ http://a.example:443/";
        for other in others.split_whitespace() {
            assert!(!base.same_origin(&url(other)), "{other}");
        }
    }
}

//! One server of `upstream.servers`: where it is, and what it is called.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::unix_name::UnixName;
use crate::uri::{Scheme, TargetHost};

/// One server of an [`Upstream`](super::Upstream).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Where it is.
    pub(super) host: EndpointHost,
    /// What its idle connections are kept under: scheme, host and port.
    pub key: Box<str>,
    /// Its port, the scheme's own if none was typed; 0 for a Unix socket.
    pub port: u16,
    /// The value of `Host` for it: no port where it is the scheme's own (RFC 9110 §7.2).
    pub authority: Box<str>,
    /// What stands before every request target: empty, or `/…` without a slash at its end.
    pub prefix: Box<str>,
    /// The name its certificate must bear; `None` without TLS.
    pub tls_server_name: Option<ServerName<'static>>,
    /// Its URL as it may be shown to anybody: without what came out of the environment or of a file.
    pub shown: Box<str>,
    /// Its share of the requests.
    pub share: Share,
}

/// What a server has of the requests of its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How much, compared with the others; at least 1.
    pub weight: u16,
    /// Whether only while no other one is usable.
    pub backup: bool,
    /// Connections that may be open to it, over all workers; 0: as many as it takes.
    pub max_connections: usize,
}

impl Share {
    /// That of a server of which nothing else is said.
    const USUAL: Self = Self { weight: 1, backup: false, max_connections: 0 };
}

/// A name to be resolved, an address, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndpointHost {
    Name(Box<str>),
    Ip(IpAddr),
    Unix(UnixName),
    /// The name of a service.
    Service(Box<str>),
    /// A name, and one of the addresses that it stands for.
    Found(Box<str>, IpAddr),
}

/// Where an upstream listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// On a port of a name or an address.
    Port(TargetHost<'a>, u16),
    /// Where DNS says that this service is to be had.
    Service(&'a str),
    /// On a Unix socket.
    Unix(&'a UnixName),
}

impl Endpoint {
    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match &self.host {
            EndpointHost::Name(name) => Place::Port(TargetHost::Name(name), self.port),
            EndpointHost::Ip(ip) | EndpointHost::Found(_, ip) => Place::Port(TargetHost::Ip(*ip), self.port),
            EndpointHost::Service(name) => Place::Service(name),
            EndpointHost::Unix(name) => Place::Unix(name),
        }
    }

    /// The name whose addresses are raced, where that is what leads to it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            EndpointHost::Name(name) => Some(name),
            EndpointHost::Ip(_)
            | EndpointHost::Unix(_)
            | EndpointHost::Service(_)
            | EndpointHost::Found(..) => None,
        }
    }

    /// It as it is typed: `http://HOST:PORT/PREFIX`, `unix:/PATH` or `unix:@NAME`.
    #[must_use]
    pub(super) fn url(&self) -> String {
        let Self { scheme, host, authority, prefix, .. } = self;
        match host {
            EndpointHost::Unix(name) => format!("unix:{name}"),
            EndpointHost::Service(name) => format!("{}://{name}{prefix}", scheme.as_str()),
            EndpointHost::Name(_) | EndpointHost::Ip(_) | EndpointHost::Found(..) => {
                format!("{}://{authority}{prefix}", scheme.as_str())
            }
        }
    }

    /// Whether it expects to be called by its own name, whatever the client called us: an https server
    /// given by name does, since its certificate and its virtual host are for that name.
    pub(super) const fn wants_own_host(&self) -> bool {
        match &self.host {
            EndpointHost::Name(_) | EndpointHost::Service(_) | EndpointHost::Found(..) => {
                matches!(self.scheme, Scheme::Https)
            }
            EndpointHost::Ip(_) | EndpointHost::Unix(_) => false,
        }
    }
}

/// An upstream: `http://HOST[:PORT][/PREFIX]`, the same with `https`, `unix:/PATH`, or `unix:@NAME`.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let fault = |reason: &str| Err(format!("\"{text}\" is no upstream; {reason}"));
    if let Some(name) = text.strip_prefix("unix:") {
        return UnixName::parse(name).map(unix).or_else(|reason| fault(&reason));
    }
    let scheme = match text.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        Some(_) => return fault("its scheme must be http or https"),
        None => return fault(&format!("write http://{text} or https://{text}")),
    };
    // The URL standard repairs these; in a configuration they are a slip.
    if text
        .contains(|character: char| character.is_whitespace() || character.is_control() || character == '\\')
    {
        return fault("it contains a space, a control character or a backslash");
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(reason) => return fault(&reason.to_string()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return fault("leave out user and password: they would stand in every request and log");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return fault("leave out \"?\" and \"#\" and what follows: only a path can be a prefix");
    }
    let Some(port) = url.port_or_known_default().filter(|port| *port != 0) else {
        return fault("port 0 cannot be connected to");
    };
    let (host, shown) = match url.host() {
        Some(Host::Domain(name)) => (EndpointHost::Name(name.into()), name.to_owned()),
        Some(Host::Ipv4(ip)) => (EndpointHost::Ip(ip.into()), ip.to_string()),
        Some(Host::Ipv6(ip)) => (EndpointHost::Ip(ip.into()), format!("[{ip}]")),
        None => return fault("it has no host"),
    };
    let tls_server_name = match (&scheme, &host) {
        (Scheme::Http, _) | (_, EndpointHost::Unix(_)) => None,
        (Scheme::Https, EndpointHost::Ip(ip) | EndpointHost::Found(_, ip)) => Some(ServerName::from(*ip)),
        // A certificate names no trailing dot (RFC 6066 §3).
        (Scheme::Https, EndpointHost::Name(name) | EndpointHost::Service(name)) => {
            match ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned()) {
                Ok(name) => Some(name),
                Err(_) => return fault("its host is no name that a certificate can bear"),
            }
        }
    };
    Ok(Endpoint {
        key: format!("{}://{shown}:{port}", scheme.as_str()).into(),
        scheme,
        host,
        port,
        authority: url.port().map_or_else(|| shown.clone(), |port| format!("{shown}:{port}")).into(),
        prefix: url.path().trim_end_matches('/').into(),
        tls_server_name,
        shown: Box::default(),
        share: Share::USUAL,
    })
}

/// An application on a Unix socket; it is called `localhost` where the client gave no name.
fn unix(name: UnixName) -> Endpoint {
    Endpoint {
        key: format!("unix:{name}").into(),
        scheme: Scheme::Http,
        host: EndpointHost::Unix(name),
        port: 0,
        authority: "localhost".into(),
        prefix: "".into(),
        tls_server_name: None,
        shown: Box::default(),
        share: Share::USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_taken_apart() {
        for (text, host, port, authority, prefix) in [
            ("http://127.0.0.1:9001", "127.0.0.1", 9001, "127.0.0.1:9001", ""),
            ("http://example.com/", "example.com", 80, "example.com", ""),
            ("HTTPS://API.Example.org/v1/", "api.example.org", 443, "api.example.org", "/v1"),
            ("https://[2001:db8::1]:8443/a/b", "2001:db8::1", 8443, "[2001:db8::1]:8443", "/a/b"),
            ("http://example.com:80", "example.com", 80, "example.com", ""),
            ("http://bücher.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", ""),
        ] {
            let endpoint = endpoint(text).expect(text);
            let expected = host.parse().map_or(TargetHost::Name(host), TargetHost::Ip);
            assert_eq!(endpoint.place(), Place::Port(expected, port), "{text}");
            assert_eq!((endpoint.port, &*endpoint.authority, &*endpoint.prefix), (port, authority, prefix));
            assert_eq!(endpoint.tls_server_name.is_some(), endpoint.scheme == Scheme::Https, "{text}");
        }
    }

    #[test]
    fn an_upstream_on_a_unix_socket_is_a_path_or_an_abstract_name() {
        for text in ["unix:/run/app.sock", "unix:@app"] {
            let endpoint = endpoint(text).expect(text);
            let Place::Unix(name) = endpoint.place() else { panic!("{text}") };
            assert_eq!(
                (format!("unix:{name}"), endpoint.url(), &*endpoint.key),
                (text.into(), text.into(), text)
            );
            assert_eq!(&*endpoint.authority, "localhost");
        }
    }

    #[test]
    fn the_certificate_of_a_name_with_a_final_dot_bears_none() {
        let endpoint = endpoint("https://api.example.org.").expect("valid");
        assert_eq!(endpoint.tls_server_name, ServerName::try_from("api.example.org").ok());
    }

    #[test]
    fn what_is_no_upstream_hears_the_reason() {
        for (text, reason) in [
            ("unix:run/app.sock", "give the absolute path"),
            ("unix:@", "its abstract name is empty"),
            ("127.0.0.1:9001", "write http://127.0.0.1:9001"),
            ("localhost:9001", "write http://localhost:9001"),
            ("ws://example.com", "must be http or https"),
            ("file:///etc/passwd", "must be http or https"),
            ("http://user@example.com", "leave out user and password"),
            ("http://:pass@example.com", "leave out user and password"),
            ("http://example.com?x=1", "leave out \"?\""),
            ("http://example.com/?", "leave out \"?\""),
            ("http://example.com/#a", "leave out \"?\""),
            ("http://example.com:0", "port 0"),
            ("http://example.com:99999", "invalid port"),
            ("http://", "empty host"),
            ("http://exa mple.com", "contains a space"),
            ("http:\\\\example.com", "write http://"),
            ("http://example.com\\x", "backslash"),
            ("http://[::1", "invalid IPv6"),
            ("", "write http://"),
        ] {
            let fault = endpoint(text).expect_err(text);
            assert!(fault.contains(reason), "{text}: {fault}");
        }
    }
}

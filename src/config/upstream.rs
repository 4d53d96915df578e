//! `[upstream]`: the application behind the reverse proxy, and how TLS is spoken to servers.

use std::{net::IpAddr, sync::Arc};

use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::{
    ejection::{self, Ejection},
    keys::Key,
    reader::Reader,
    values,
};
use crate::{
    http1::target::is_authority,
    tls,
    uri::{Scheme, TargetHost},
};

/// The application behind the reverse proxy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its servers, in the order typed; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken to those that want it.
    pub tls: Arc<rustls::ClientConfig>,
    /// Whether responses name this proxy where they name a server.
    pub rewrite: bool,
    /// What takes a server out.
    pub ejection: Ejection,
}

/// One server of an [`Upstream`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Where it is.
    host: EndpointHost,
    /// What its idle connections are kept under: scheme, host and port.
    pub key: Box<str>,
    /// Its port, the scheme's own if none was typed; 0 for a Unix socket.
    pub port: u16,
    /// The value of `Host` for it: no port where it is the scheme's own (RFC 9110 §7.2).
    pub authority: Box<str>,
    /// The value of `Host` that it gets whatever the client called us; `None` where it gets the client's.
    pub called: Option<Box<str>>,
    /// What stands before every request target: empty, or `/…` without a slash at its end.
    pub prefix: Box<str>,
    /// The name its certificate must bear; `None` without TLS.
    pub tls_server_name: Option<ServerName<'static>>,
}

/// A name to be resolved, an address, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EndpointHost {
    Name(Box<str>),
    Ip(IpAddr),
    Unix(Arc<str>),
}

/// Where an upstream listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// On a port of a name or an address.
    Port(TargetHost<'a>, u16),
    /// On a Unix socket of this path.
    Unix(&'a Arc<str>),
}

impl Endpoint {
    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match &self.host {
            EndpointHost::Name(name) => Place::Port(TargetHost::Name(name), self.port),
            EndpointHost::Ip(ip) => Place::Port(TargetHost::Ip(*ip), self.port),
            EndpointHost::Unix(path) => Place::Unix(path),
        }
    }

    /// It as it is typed: `http://HOST:PORT/PREFIX`, or `unix:/PATH`.
    #[must_use]
    pub fn url(&self) -> String {
        let Self { scheme, host, authority, prefix, .. } = self;
        match host {
            EndpointHost::Unix(path) => format!("unix:{path}"),
            EndpointHost::Name(_) | EndpointHost::Ip(_) => {
                format!("{}://{authority}{prefix}", scheme.as_str())
            }
        }
    }

    /// Whether it expects to be called by its own name, whatever the client called us: an https server
    /// given by name does, since its certificate and its virtual host are for that name.
    const fn wants_own_host(&self) -> bool {
        matches!((self.scheme, &self.host), (Scheme::Https, EndpointHost::Name(_)))
    }
}

/// Which `Host` an upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostHeader {
    /// The server's own where it expects that, else the client's.
    Auto,
    /// The client's.
    Keep,
    /// The server's own.
    Upstream,
    /// This.
    Named(Box<str>),
}

impl HostHeader {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "keep" => Ok(Self::Keep),
            "upstream" => Ok(Self::Upstream),
            name if is_authority(name.as_bytes()) => Ok(Self::Named(name.into())),
            _ => Err(format!(
                "\"{text}\" is no Host; expected auto, keep, upstream or a name such as app.example.com or \
                 app.example.com:8443"
            )),
        }
    }

    fn of(&self, server: &Endpoint) -> Option<Box<str>> {
        match self {
            Self::Auto => server.wants_own_host().then(|| server.authority.clone()),
            Self::Keep => None,
            Self::Upstream => Some(server.authority.clone()),
            Self::Named(name) => Some(name.clone()),
        }
    }
}

/// What is typed of an upstream; it is none where there are no servers.
pub(super) struct UpstreamParts {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) rewrite: bool,
    pub(super) ejection: Ejection,
}

/// What is typed of it.
pub(super) fn read(reader: &mut Reader<'_>) -> UpstreamParts {
    UpstreamParts { endpoints: endpoints(reader), rewrite: rewrite(reader), ejection: ejection::read(reader) }
}

/// The servers, in the order typed.
fn endpoints(reader: &mut Reader<'_>) -> Vec<Endpoint> {
    let host_header = reader.value(Key::HostHeader, HostHeader::read);
    let mut endpoints = reader.members(Key::Upstream, endpoint);
    for server in &mut endpoints {
        server.called = host_header.of(server);
    }
    endpoints
}

/// Whether responses name this proxy where they name a server.
fn rewrite(reader: &mut Reader<'_>) -> bool {
    reader.value(Key::Rewrite, |text| values::choice(text, &[("on", true), ("off", false)]))
}

/// TLS towards upstreams and targets; `None` if a file is faulty.
pub(super) fn client_tls(reader: &mut Reader<'_>) -> Option<Arc<rustls::ClientConfig>> {
    let verify = reader.switch(Key::VerifyUpstream);
    let ca_file = reader.optional(Key::CaFile, values::file);
    if !verify {
        let message = "any certificate is trusted: whoever is on the way can read and change what passes";
        reader.warn(Key::VerifyUpstream, message);
    }
    tls::client_config(ca_file.as_deref(), !verify)
        .map_err(|fault| reader.fault(Key::CaFile, fault.to_string()))
        .ok()
}

/// An upstream: `http://HOST[:PORT][/PREFIX]`, the same with `https`, or `unix:/PATH`.
fn endpoint(text: &str) -> Result<Endpoint, String> {
    let fault = |reason: &str| Err(format!("\"{text}\" is no upstream; {reason}"));
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).or_else(fault);
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
        (Scheme::Https, EndpointHost::Ip(ip)) => Some(ServerName::from(*ip)),
        // A certificate names no trailing dot (RFC 6066 §3).
        (Scheme::Https, EndpointHost::Name(name)) => {
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
        called: None,
        prefix: url.path().trim_end_matches('/').into(),
        tls_server_name,
    })
}

/// An application on a Unix socket; it is called `localhost` where the client gave no name.
fn unix(path: &str) -> Result<Endpoint, &'static str> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err("give the absolute path of its socket, such as unix:/run/app.sock");
    }
    Ok(Endpoint {
        key: format!("unix:{path}").into(),
        scheme: Scheme::Http,
        host: EndpointHost::Unix(path.into()),
        port: 0,
        authority: "localhost".into(),
        called: None,
        prefix: "".into(),
        tls_server_name: None,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

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
    fn a_server_is_called_as_the_operator_says() {
        let servers = "http://web.internal:8080,https://api.example.org,https://10.0.0.1,unix:/run/app.sock";
        for (typed, expected) in [
            ("auto", [None, Some("api.example.org"), None, None]),
            ("keep", [None, None, None, None]),
            (
                "upstream",
                [Some("web.internal:8080"), Some("api.example.org"), Some("10.0.0.1"), Some("localhost")],
            ),
            ("app.test:81", [Some("app.test:81"); 4]),
            ("[::1]:81", [Some("[::1]:81"); 4]),
        ] {
            let settings = [(Key::Upstream, servers), (Key::HostHeader, typed)];
            let (endpoints, faults) = sample::faults(&settings, endpoints);
            let called: Vec<_> = endpoints.iter().map(|server| server.called.as_deref()).collect();
            assert_eq!((called, faults), (expected.to_vec(), vec![]), "{typed}");
        }
        for typed in ["", "http://app.test", "a b", "user@app.test", "app.test:99999", "app.test/x", "[::1"] {
            let (_, faults) = sample::faults(&[(Key::HostHeader, typed)], endpoints);
            assert!(faults.len() == 1 && faults[0].starts_with("--host-header: "), "{typed}: {faults:?}");
        }
    }

    #[test]
    fn responses_are_rewritten_unless_told_otherwise() {
        for (settings, expected) in
            [(&[][..], true), (&[(Key::Rewrite, "off")], false), (&[(Key::Rewrite, "on")], true)]
        {
            assert_eq!(sample::faults(settings, rewrite), (expected, vec![]));
        }
        let (_, faults) = sample::faults(&[(Key::Rewrite, "maybe")], rewrite);
        assert!(faults.len() == 1 && faults[0].starts_with("--rewrite: "), "{faults:?}");
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

    #[test]
    fn a_file_of_trust_that_cannot_be_used_is_a_fault() {
        let (made, faults) = sample::faults(&[(Key::CaFile, "/nonexistent/file")], client_tls);
        assert!(made.is_none() && faults.len() == 1 && faults[0].starts_with("--ca-file: "), "{faults:?}");
        let (_folder, cert, _) = sample::certificate();
        let (made, faults) = sample::faults(&[(Key::CaFile, &cert)], client_tls);
        assert_eq!((made.is_some(), faults), (true, vec![]));
    }

    #[test]
    fn certificates_are_verified_unless_that_is_switched_off() {
        for (settings, warnings) in
            [(&[][..], 0), (&[(Key::VerifyUpstream, "false")], 0), (&[(Key::VerifyUpstream, "true")], 1)]
        {
            let (_, notes) = sample::noted(settings, client_tls);
            assert_eq!(notes.warnings.len(), warnings, "{settings:?}: {notes:?}");
        }
    }
}

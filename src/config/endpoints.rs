//! Typed text to places on the network: addresses to serve, upstreams, resolvers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::uri::{Scheme, TargetHost};

/// One server of an [`Upstream`](super::Upstream).
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

    /// Whether it expects to be called by its own name, whatever the client called us: an https server
    /// given by name does, since its certificate and its virtual host are for that name.
    #[must_use]
    pub const fn wants_own_host(&self) -> bool {
        matches!((self.scheme, &self.host), (Scheme::Https, EndpointHost::Name(_)))
    }
}

/// An address to serve: `127.0.0.1:3000`, `[::]:443`, or `:8080` for all of IPv4.
///
/// # Errors
/// What is wrong with it, with the spelling that was probably meant.
pub fn listener(text: &str) -> Result<SocketAddr, String> {
    if let Some(Ok(port)) = text.strip_prefix(':').map(port) {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let fault = |hint: &str| Err(format!("\"{text}\" is no address to serve; {hint}"));
    if text.starts_with("unix:") {
        return fault("unix sockets are not supported, give an address and a port such as 127.0.0.1:3000");
    }
    if text.contains("://") {
        return fault("leave out the scheme; --tls-cert and --tls-key make a listener speak TLS");
    }
    match text.rsplit_once(':') {
        Some(("localhost", port)) => return fault(&format!("write 127.0.0.1:{port} or [::1]:{port}")),
        Some(("*", port)) => {
            return fault(&format!("write :{port} for IPv4 or [::]:{port} for both families"));
        }
        _ => {}
    }
    if port(text).is_ok() {
        return fault(&format!("write :{text} for all addresses or 127.0.0.1:{text} for this machine only"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return fault("it needs a port, such as 127.0.0.1:3000 or [::]:443");
    }
    text.parse().or_else(|_| fault("expected one such as 127.0.0.1:3000, :8080 or [::]:443"))
}

/// A resolver: an address, with the port where it is not 53.
///
/// # Errors
/// That it is none; names cannot be taken, since nothing could resolve them.
pub fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .map(|ip| SocketAddr::from((ip, 53)))
        .or_else(|_| text.parse())
        .ok()
        .filter(|address| address.port() != 0)
        .ok_or_else(|| {
            format!("\"{text}\" is no resolver; expected an address such as 10.0.0.2 or 10.0.0.2:53")
        })
}

/// An upstream: `http://HOST[:PORT][/PREFIX]`, the same with `https`, or `unix:/PATH`.
///
/// # Errors
/// What is wrong with the URL, and what to write instead.
pub fn upstream(text: &str) -> Result<Endpoint, String> {
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
        prefix: "".into(),
        tls_server_name: None,
    })
}

/// Digits and nothing else: `str::parse` would take a sign.
fn port(text: &str) -> Result<u16, ()> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| ()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_addresses_with_a_port() {
        for (text, address) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            (":8080", "0.0.0.0:8080"),
            ("[::]:443", "[::]:443"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(listener(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_listener_hears_what_to_write() {
        for (text, hint) in [
            ("unix:/run/corsair.sock", "unix sockets are not supported"),
            ("http://127.0.0.1:3000", "leave out the scheme"),
            ("localhost:3000", "write 127.0.0.1:3000"),
            ("*:80", "write :80"),
            ("8080", "write :8080"),
            ("127.0.0.1", "needs a port"),
            ("::1", "needs a port"),
            (":99999", "expected one such as"),
            (":+80", "expected one such as"),
            ("", "expected one such as"),
            (":", "expected one such as"),
            ("example.com:80", "expected one such as"),
        ] {
            let fault = listener(text).expect_err(text);
            assert!(fault.contains(hint), "{text}: {fault}");
        }
    }

    #[test]
    fn resolvers_are_addresses() {
        for (text, address) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:54", "[::1]:54"),
        ] {
            assert_eq!(resolver(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "dns.example", "10.0.0.2:0", "10.0.0.2:"] {
            assert!(resolver(text).expect_err(text).contains("is no resolver"), "{text}");
        }
    }

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
            let endpoint = upstream(text).expect(text);
            let expected = host.parse().map_or(TargetHost::Name(host), TargetHost::Ip);
            assert_eq!(endpoint.place(), Place::Port(expected, port), "{text}");
            assert_eq!((endpoint.port, &*endpoint.authority, &*endpoint.prefix), (port, authority, prefix));
            assert_eq!(endpoint.tls_server_name.is_some(), endpoint.scheme == Scheme::Https, "{text}");
        }
    }

    #[test]
    fn the_certificate_of_a_name_with_a_final_dot_bears_none() {
        let endpoint = upstream("https://api.example.org.").expect("valid");
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
            let fault = upstream(text).expect_err(text);
            assert!(fault.contains(reason), "{text}: {fault}");
        }
    }
}

//! `[upstream]`: the application behind the reverse proxy, and how TLS is spoken to servers.

use std::{net::IpAddr, time::SystemTime};

use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::{
    balancing::{self, Balancing},
    ejection::{self, Ejection},
    health::{self, HealthCheck},
    keys::Key,
    pool::{self, Pooling},
    reader::Reader,
    retry::{self, Retry},
    settings::Part,
    unix_name::UnixName,
    upstream_tls, values,
};
use crate::{
    http1::target::is_authority,
    tls::ClientTls,
    trust::ProxyVersion,
    uri::{Scheme, TargetHost},
};

/// An upstream by its place among all of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamId(pub(super) u16);

impl UpstreamId {
    /// The first one.
    pub const FIRST: Self = Self(0);

    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An application: servers that do the same.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What it is called.
    pub name: Box<str>,
    /// Its servers, in the order typed; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken to those that want it.
    pub tls: ClientTls,
    /// Which server a request goes to.
    pub balancing: Balancing,
    /// How they are asked whether they are well.
    pub health: HealthCheck,
    /// What takes a server out.
    pub ejection: Ejection,
    /// What is kept of connections to it that no request uses.
    pub pool: Pooling,
    /// How often a request is tried that one of its servers has failed at.
    pub retry: Retry,
    /// The header that connections to it begin with; each then serves one client connection alone.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Which `Host` its servers are asked for by probes: that of the first route which leads there.
    pub host_header: HostHeader,
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
enum EndpointHost {
    Name(Box<str>),
    Ip(IpAddr),
    Unix(UnixName),
}

/// Where an upstream listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// On a port of a name or an address.
    Port(TargetHost<'a>, u16),
    /// On a Unix socket.
    Unix(&'a UnixName),
}

impl Endpoint {
    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match &self.host {
            EndpointHost::Name(name) => Place::Port(TargetHost::Name(name), self.port),
            EndpointHost::Ip(ip) => Place::Port(TargetHost::Ip(*ip), self.port),
            EndpointHost::Unix(name) => Place::Unix(name),
        }
    }

    /// It as it is typed: `http://HOST:PORT/PREFIX`, `unix:/PATH` or `unix:@NAME`.
    #[must_use]
    pub(super) fn url(&self) -> String {
        let Self { scheme, host, authority, prefix, .. } = self;
        match host {
            EndpointHost::Unix(name) => format!("unix:{name}"),
            EndpointHost::Name(_) | EndpointHost::Ip(_) => {
                format!("{}://{authority}{prefix}", scheme.as_str())
            }
        }
    }

    /// Whether it expects to be called by its own name, whatever the client called us: an https server
    /// given by name does, since its certificate and its virtual host are for that name.
    pub(super) const fn wants_own_host(&self) -> bool {
        matches!((self.scheme, &self.host), (Scheme::Https, EndpointHost::Name(_)))
    }
}

/// Which `Host` an upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
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
    pub(super) fn read(text: &str) -> Result<Self, String> {
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

    /// The value of `Host` that `server` gets whatever the client called us; `None` where it gets the client's.
    #[must_use]
    pub fn of<'a>(&'a self, server: &'a Endpoint) -> Option<&'a str> {
        match self {
            Self::Auto => server.wants_own_host().then_some(&server.authority),
            Self::Keep => None,
            Self::Upstream => Some(&server.authority),
            Self::Named(name) => Some(name),
        }
    }
}

/// What is typed of an upstream; it is none where there are no servers.
pub(super) struct UpstreamParts {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) balancing: Balancing,
    pub(super) health: HealthCheck,
    pub(super) ejection: Ejection,
    pub(super) pool: Pooling,
    pub(super) retry: Retry,
    proxy_protocol: Option<ProxyVersion>,
    /// `None`: faulty.
    pub(super) tls: Option<ClientTls>,
}

impl UpstreamParts {
    /// The upstream of this name, if it has servers and nothing is wrong with it.
    pub(super) fn upstream(self, name: &str) -> Option<Upstream> {
        let Self { mut endpoints, balancing, health, ejection, pool, retry, proxy_protocol, tls } = self;
        let tls = tls?;
        for endpoint in &mut endpoints {
            // To verify otherwise is to speak to somebody else.
            if endpoint.scheme == Scheme::Https && !tls.told_apart().is_empty() {
                endpoint.key = format!("{} {}", endpoint.key, tls.told_apart()).into();
            }
            if let (Some(name), Some(typed)) = (&mut endpoint.tls_server_name, tls.server_name()) {
                name.clone_from(typed);
            }
            // What begins otherwise cannot be used instead.
            if let Some(version) = proxy_protocol {
                endpoint.key = format!("{} proxy_protocol={version:?}", endpoint.key).into();
            }
        }
        (!endpoints.is_empty()).then(|| Upstream {
            name: name.into(),
            endpoints,
            tls,
            balancing,
            health,
            ejection,
            pool,
            retry,
            proxy_protocol,
            host_header: HostHeader::Auto,
        })
    }
}

/// What is typed of the upstream in the table that is being read; files of TLS that were read `before` and cannot be any
/// more are used as they were.
pub(super) fn read(before: &[&ClientTls], reader: &mut Reader<'_>) -> UpstreamParts {
    let mut endpoints = reader.members(Key::Upstream, endpoint);
    for endpoint in &mut endpoints {
        endpoint.shown = reader.without_secrets(&endpoint.url()).into();
    }
    give_shares(&mut endpoints, reader);
    let is_plain = !endpoints.is_empty() && endpoints.iter().all(|server| server.scheme == Scheme::Http);
    UpstreamParts {
        endpoints,
        balancing: balancing::read(reader),
        health: health::read(reader),
        ejection: ejection::read(reader),
        pool: pool::read(reader),
        retry: retry::read(reader),
        proxy_protocol: reader.value(Key::UpstreamProxyProtocol, |text| {
            values::choice(
                text,
                &[("off", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))],
            )
        }),
        tls: upstream_tls::read(before, is_plain, SystemTime::now(), reader),
    }
}

/// Gives each server what the table says by which it was written.
fn give_shares(endpoints: &mut [Endpoint], reader: &mut Reader<'_>) {
    // A list of texts says nothing of it.
    share(reader);
    for table in reader.parts(Part::Server) {
        let place = reader.place_among(Key::Upstream, table);
        let share = reader.within(table, share);
        if let Some(endpoint) = place.and_then(|place| endpoints.get_mut(place)) {
            endpoint.share = share;
        }
    }
    if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.share.backup) {
        reader.fault(Key::Upstream, "has backups alone; one server at least must be none");
    }
}

fn share(reader: &mut Reader<'_>) -> Share {
    let weight = reader.value(Key::ServerWeight, |text| values::count(text, 1..=1000));
    Share {
        weight: u16::try_from(weight).unwrap_or(u16::MAX),
        backup: reader.switch(Key::ServerBackup),
        max_connections: reader.value(Key::ServerMaxConnections, |text| values::count(text, 0..=1_000_000)),
    }
}

/// An upstream: `http://HOST[:PORT][/PREFIX]`, the same with `https`, `unix:/PATH`, or `unix:@NAME`.
fn endpoint(text: &str) -> Result<Endpoint, String> {
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

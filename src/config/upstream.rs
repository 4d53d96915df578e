//! `[upstream]`: the application behind the reverse proxy, and how TLS is spoken to servers.

use std::{sync::Arc, time::SystemTime};

use super::{
    balancing::{self, Balancing},
    ejection::{self, Ejection},
    endpoint::{Endpoint, Place, Share, endpoint},
    health::{self, HealthCheck},
    keys::Key,
    parent_proxy::{self, Parent, ParentParts, ParentProxies},
    pool::{self, Pooling},
    reader::Reader,
    resolution::{self, Resolution},
    retry::{self, Retry},
    settings::{Part, Settings},
    upstream_tls, values,
};
use crate::{http1::target::is_authority, tls::ClientTls, trust::ProxyVersion, uri::Scheme};

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
    /// What their names stand for.
    pub resolution: Resolution,
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
    /// What its servers are asked through; `None`: nothing.
    pub parents: Option<Arc<ParentProxies>>,
    /// Which `Host` its servers are asked for by probes: that of the first route which leads there.
    pub host_header: HostHeader,
}

impl Upstream {
    /// The parent proxy that one of its servers is asked through.
    #[must_use]
    pub fn parent_of(&self, server: &Endpoint) -> Option<&Parent> {
        parent_of(self.parents.as_deref()?, server)
    }

    /// How many servers it may have at a time.
    #[must_use]
    pub fn most_servers(&self) -> usize {
        self.endpoints.len() * self.resolution.most_servers()
    }
}

fn parent_of<'a>(parents: &'a ParentProxies, server: &Endpoint) -> Option<&'a Parent> {
    match server.place() {
        Place::Port(host, port) => parents.of_destination(server.scheme, host, port),
        // Who resolves a service here connects to its servers.
        Place::Service(_) | Place::Unix(_) => None,
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
    resolution: Resolution,
    pub(super) balancing: Balancing,
    pub(super) health: HealthCheck,
    pub(super) ejection: Ejection,
    pub(super) pool: Pooling,
    pub(super) retry: Retry,
    proxy_protocol: Option<ProxyVersion>,
    parents: Option<Arc<ParentProxies>>,
    /// `None`: faulty.
    pub(super) tls: Option<ClientTls>,
}

impl UpstreamParts {
    /// The upstream of this name, if it has servers and nothing is wrong with it.
    pub(super) fn upstream(self, name: &str) -> Option<Upstream> {
        let Self {
            mut endpoints,
            resolution,
            balancing,
            health,
            ejection,
            pool,
            retry,
            proxy_protocol,
            parents,
            tls,
        } = self;
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
            if let Some(parent) = parents.as_ref().and_then(|parents| parent_of(parents, endpoint)) {
                endpoint.key = parent.key(&endpoint.key).into();
            }
        }
        (!endpoints.is_empty()).then(|| Upstream {
            name: name.into(),
            endpoints,
            resolution,
            tls,
            balancing,
            health,
            ejection,
            pool,
            retry,
            proxy_protocol,
            parents,
            host_header: HostHeader::Auto,
        })
    }
}

/// What is typed of the upstream in the table that is being read; files of TLS that were read `before` and cannot be any
/// more are used as they were. It may be asked through `parents`.
pub(super) fn read(before: &[&ClientTls], parents: &ParentParts, reader: &mut Reader<'_>) -> UpstreamParts {
    let mut endpoints = reader.members(Key::Upstream, endpoint);
    for endpoint in &mut endpoints {
        endpoint.shown = reader.without_secrets(&endpoint.url()).into();
    }
    give_shares(&mut endpoints, reader);
    let resolution = resolution::read(&mut endpoints, reader);
    let is_plain = !endpoints.is_empty() && endpoints.iter().all(|server| server.scheme == Scheme::Http);
    let proxy_protocol = reader.value(Key::UpstreamProxyProtocol, |text| {
        values::choice(text, &[("off", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))])
    });
    let wants_parent =
        reader.value(Key::UpstreamProxy, |text| values::choice(text, &[("none", false), ("parent", true)]));
    if wants_parent {
        refuse_what_no_parent_does(&endpoints, resolution, proxy_protocol, parents, reader);
    }
    UpstreamParts {
        parents: parents.shared().filter(|_| wants_parent),
        proxy_protocol,
        endpoints,
        resolution,
        balancing: balancing::read(reader),
        health: health::read(reader),
        ejection: ejection::read(reader),
        pool: pool::read(reader),
        retry: retry::read(reader),
        tls: upstream_tls::read(before, is_plain, SystemTime::now(), reader),
    }
}

/// A service by its URL that is asked for what has to be known beside traffic, with the settings that nobody has typed.
pub(super) fn service(mut server: Endpoint, tls: ClientTls, reader: &Reader<'_>) -> UpstreamParts {
    server.shown = reader.without_secrets(&server.url()).into();
    let nothing = Settings::default();
    let parents = parent_proxy::read(&mut Reader::new(&nothing));
    let parts = read(&[], &parents, &mut Reader::new(&nothing));
    UpstreamParts { endpoints: vec![server], tls: Some(tls), ..parts }
}

/// Refuses what an upstream that is asked through a parent says and cannot have.
fn refuse_what_no_parent_does(
    endpoints: &[Endpoint],
    resolution: Resolution,
    proxy_protocol: Option<ProxyVersion>,
    parents: &ParentParts,
    reader: &mut Reader<'_>,
) {
    for scheme in [Scheme::Http, Scheme::Https] {
        let is_asked =
            |server: &Endpoint| server.scheme == scheme && matches!(server.place(), Place::Port(..));
        if let Some(remedy) = parents.lack(scheme).filter(|_| endpoints.iter().any(is_asked)) {
            let message = format!("there is no parent for {} servers; {remedy}", scheme.as_str());
            reader.fault(Key::UpstreamProxy, message);
        }
    }
    for server in endpoints.iter().filter(|server| matches!(server.place(), Place::Unix(_))) {
        let message =
            "no parent connects to a unix socket; leave proxy out, or give the server an upstream of its own";
        reader.fault_of_member(Key::Upstream, &server.url(), message);
    }
    if resolution != Resolution::First {
        let message =
            "stands beside proxy = \"parent\": it is the parent that resolves; leave one of them out";
        reader.fault(Key::UpstreamResolve, message);
    }
    if proxy_protocol.is_some() {
        let message =
            "stands beside proxy = \"parent\": no parent passes such a header on; leave one of them out";
        reader.fault(Key::UpstreamProxyProtocol, message);
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

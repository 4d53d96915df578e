//! All upstreams of a configuration, and which are named.

use std::cell::Cell;

use super::{
    keys::Key,
    listen::Listener,
    listen_address::ListenAddress,
    names::unknown_name,
    reader::Reader,
    settings::{Part, Section},
    upstream::{self, ClientTls, Endpoint, Place, Upstream, UpstreamId},
};
use crate::uri::{Scheme, TargetHost};

/// All of them: those of the file, and the one that flags name.
pub(super) struct Upstreams<'a> {
    list: Vec<Named<'a>>,
    /// How TLS is spoken to the gateway's targets; `None`: faulty.
    pub(super) tls: Option<ClientTls>,
    /// Whether flags name one.
    pub(super) of_flags: bool,
}

struct Named<'a> {
    name: &'a str,
    /// `None` for the one that flags name.
    table: Option<&'a Section>,
    /// Its servers, as far as they are understood.
    servers: Vec<Endpoint>,
    /// `None`: faulty.
    upstream: Option<Upstream>,
    is_used: Cell<bool>,
}

/// What the upstream of the flags is called.
pub(super) const DEFAULT: &str = "default";

impl<'a> Upstreams<'a> {
    /// What is typed.
    pub(super) fn read(reader: &mut Reader<'a>) -> Self {
        let parts = upstream::read(reader);
        let (tls, of_flags) = (parts.tls.clone(), reader.has(Key::Upstream));
        let mut list = Vec::new();
        if of_flags {
            let servers = parts.endpoints.clone();
            let upstream = parts.upstream(DEFAULT);
            list.push(Named { name: DEFAULT, table: None, servers, upstream, is_used: Cell::new(true) });
        }
        for table in reader.parts(Part::Upstream) {
            let name = table.name.as_deref().unwrap_or_default();
            if of_flags && name == DEFAULT {
                continue;
            }
            let parts = reader.within(table, |reader| {
                if !reader.has(Key::Upstream) {
                    reader.fault(Key::Upstream, "is missing: write servers = [\"http://127.0.0.1:9001\"]");
                }
                upstream::read(reader)
            });
            let servers = parts.endpoints.clone();
            let upstream = parts.upstream(name);
            list.push(Named { name, table: Some(table), servers, upstream, is_used: Cell::new(false) });
        }
        Self { list, tls, of_flags }
    }

    /// The upstream of the name that `key` gives; where there is none, that is a fault.
    pub(super) fn find(&self, key: Key, name: &str, reader: &mut Reader<'_>) -> Option<UpstreamId> {
        let found = self.list.iter().zip(0..).find(|(upstream, _)| upstream.name == name);
        match found {
            Some((upstream, id)) => {
                upstream.is_used.set(true);
                Some(UpstreamId(id))
            }
            None => {
                let names = self.list.iter().map(|upstream| upstream.name);
                reader.fault(key, unknown_name("upstream", name, names));
                None
            }
        }
    }

    /// All servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Endpoint> {
        self.list.iter().flat_map(|named| &named.servers)
    }

    /// Whether any of them has several servers.
    pub(super) fn has_several_servers(&self) -> bool {
        self.list.iter().any(|named| named.servers.len() > 1)
    }

    /// An upstream that is our own listener answers every request with itself.
    pub(super) fn refuse_loops(&self, listeners: &[Listener], reader: &mut Reader<'a>) {
        for Named { table, servers, .. } in &self.list {
            for server in servers {
                let Some(address) = own_listener(server, listeners) else { continue };
                let shown = match server.place() {
                    Place::Port(..) => server.authority.to_string(),
                    Place::Unix(_) => server.url(),
                };
                let message =
                    format!("{shown} is corsair's own listener {address}; give the application's address");
                match table {
                    Some(table) => reader.within(table, |reader| {
                        reader.fault_of_member(Key::Upstream, &server.url(), message);
                    }),
                    None => reader.fault(Key::Upstream, message),
                }
            }
        }
    }

    /// Warns of those that nothing names.
    pub(super) fn warn_of_idle_ones(&self, reader: &mut Reader<'a>) {
        for Named { name, table, is_used, .. } in &self.list {
            if let (Some(table), false) = (table, is_used.get()) {
                reader.within(table, |reader| {
                    reader.warn_of_table(format!("upstream.{name}"), "has no effect: no route leads to it");
                });
            }
        }
    }

    /// The upstreams themselves, in their order; `None` where one is faulty.
    pub(super) fn into_compiled(self) -> Option<Vec<Upstream>> {
        self.list.into_iter().map(|named| named.upstream).collect()
    }
}

fn own_listener<'l>(server: &Endpoint, listeners: &'l [Listener]) -> Option<&'l ListenAddress> {
    let is_own = |address: &&ListenAddress| match (*address, server.place()) {
        (ListenAddress::Tcp(address), Place::Port(TargetHost::Ip(ip), port)) => {
            let everywhere = address.ip().is_unspecified() && ip.to_canonical().is_loopback();
            address.port() == port && (address.ip() == ip || everywhere)
        }
        (ListenAddress::Unix(own), Place::Unix(name)) => own == name,
        (ListenAddress::Tcp(_) | ListenAddress::Unix(_), _) => false,
    };
    listeners.iter().map(|listener| &listener.address).find(is_own)
}

impl Upstreams<'_> {
    /// Whether all servers are plain.
    pub(super) fn are_plain(&self) -> bool {
        self.servers().all(|server| server.scheme == Scheme::Http)
    }

    /// Whether none is given by name.
    pub(super) fn are_addresses(&self) -> bool {
        self.servers().all(|server| !matches!(server.place(), Place::Port(TargetHost::Name(_), _)))
    }
}

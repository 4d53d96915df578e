//! All upstreams of a configuration, and which are named.

use std::{borrow::Cow, cell::Cell};

use super::{
    endpoint::{Endpoint, Place},
    keys::Key,
    listen::Listener,
    listen_address::ListenAddress,
    names::unknown_name,
    parent_proxy::ParentParts,
    reader::Reader,
    settings::{Part, Section},
    upstream::{self, Upstream, UpstreamId, UpstreamParts},
};
use crate::{
    tls::ClientTls,
    uri::{Scheme, TargetHost},
};

/// All of them: those of the file, and the one that flags name.
pub(super) struct Upstreams<'a> {
    list: Vec<Named<'a>>,
    /// How TLS is spoken to the gateway's targets; `None`: faulty.
    pub(super) tls: Option<ClientTls>,
    /// Whether flags name one.
    pub(super) of_flags: bool,
}

struct Named<'a> {
    name: Cow<'a, str>,
    /// What says where its servers are.
    key: Key,
    /// `None` for the one that flags name.
    table: Option<&'a Section>,
    /// Its servers, as far as they are understood.
    servers: Vec<Endpoint>,
    /// `None`: faulty.
    upstream: Option<Upstream>,
    is_used: Cell<bool>,
}

/// The most that there can be beside that of the flags.
const MOST: usize = u16::MAX as usize - 1;

/// What the upstream of the flags is called.
pub(super) const DEFAULT: &str = "default";

impl<'a> Upstreams<'a> {
    /// What is typed; `before` is how TLS is spoken under the configuration that is in use.
    pub(super) fn read(before: &[&ClientTls], parents: &ParentParts, reader: &mut Reader<'a>) -> Self {
        let parts = upstream::read(before, parents, reader);
        let (tls, of_flags) = (parts.tls.clone(), reader.has(Key::Upstream));
        let mut list = Vec::new();
        if of_flags {
            let servers = parts.endpoints.clone();
            let upstream = parts.upstream(DEFAULT);
            let (name, is_used) = (DEFAULT.into(), Cell::new(true));
            list.push(Named { name, key: Key::Upstream, table: None, servers, upstream, is_used });
        }
        let tables = reader.parts(Part::Upstream);
        if tables.len() > MOST {
            reader.fault_of_several(format!("there are {} upstreams; at most {MOST} can be", tables.len()));
        }
        for table in tables.into_iter().take(MOST) {
            let name = table.name.as_deref().unwrap_or_default();
            if of_flags && name == DEFAULT {
                continue;
            }
            let parts = reader.within(table, |reader| {
                if !reader.has(Key::Upstream) {
                    reader
                        .fault(Key::Upstream, "names no server: write servers = [\"http://127.0.0.1:9001\"]");
                }
                upstream::read(before, parents, reader)
            });
            let servers = parts.endpoints.clone();
            let upstream = parts.upstream(name);
            let (name, is_used) = (name.into(), Cell::new(false));
            list.push(Named { name, key: Key::Upstream, table: Some(table), servers, upstream, is_used });
        }
        Self { list, tls, of_flags }
    }

    /// Takes up a service that is asked by a table whose `key` says where it is; no route leads to it.
    pub(super) fn add(
        &mut self,
        name: String,
        (key, table): (Key, &'a Section),
        parts: UpstreamParts,
        reader: &mut Reader<'a>,
    ) -> Option<UpstreamId> {
        let Ok(id) = u16::try_from(self.list.len()) else {
            reader.fault_of_several(format!("there are more than {MOST} upstreams and services"));
            return None;
        };
        let servers = parts.endpoints.clone();
        let upstream = parts.upstream(&name);
        let (name, is_used) = (name.into(), Cell::new(true));
        self.list.push(Named { name, key, table: Some(table), servers, upstream, is_used });
        Some(UpstreamId(id))
    }

    /// The upstream of the name that `key` gives; where there is none, that is a fault.
    pub(super) fn find(&self, key: Key, name: &str, reader: &mut Reader<'_>) -> Option<UpstreamId> {
        let typed = self.list.iter().zip(0..).filter(|(upstream, _)| upstream.key == Key::Upstream);
        let found = typed.clone().find(|(upstream, _)| upstream.name == name);
        match found {
            Some((upstream, id)) => {
                upstream.is_used.set(true);
                Some(UpstreamId(id))
            }
            None => {
                let names = typed.map(|(upstream, _)| &*upstream.name);
                reader.fault(key, unknown_name("upstream", name, names));
                None
            }
        }
    }

    /// All servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Endpoint> {
        self.list.iter().flat_map(|named| &named.servers)
    }

    /// Whether any of them is asked through a parent proxy.
    pub(super) fn have_parents(&self) -> bool {
        self.list
            .iter()
            .filter_map(|named| named.upstream.as_ref())
            .any(|upstream| upstream.parents.is_some())
    }

    /// Whether a parent proxy gets requests for a server of one of them itself.
    pub(super) fn have_parent_for_http(&self, id: UpstreamId) -> bool {
        let upstream = self.list.get(id.index()).and_then(|named| named.upstream.as_ref());
        upstream.is_some_and(|upstream| {
            let is_asked =
                |server: &Endpoint| server.scheme == Scheme::Http && upstream.parent_of(server).is_some();
            upstream.endpoints.iter().any(is_asked)
        })
    }

    /// Whether any of them may have several servers.
    pub(super) fn has_several_servers(&self) -> bool {
        self.list.iter().any(|named| {
            named.servers.len() > 1 || named.upstream.as_ref().is_some_and(|it| it.most_servers() > 1)
        })
    }

    /// An upstream that is our own listener answers every request with itself.
    pub(super) fn refuse_loops(&self, listeners: &[Listener], reader: &mut Reader<'a>) {
        for Named { key, table, servers, .. } in &self.list {
            for server in servers {
                let Some(address) = own_listener(server.place(), listeners) else { continue };
                let shown = match server.place() {
                    Place::Port(..) | Place::Service(_) => server.authority.to_string(),
                    Place::Unix(_) => server.url(),
                };
                let message =
                    format!("{shown} is corsair's own listener {address}; give the application's address");
                match table {
                    Some(table) => reader.within(table, |reader| {
                        reader.fault_of_member(*key, &server.url(), message);
                    }),
                    None => reader.fault(*key, message),
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

/// The listener of ours that is at a place.
pub(super) fn own_listener<'l>(place: Place<'_>, listeners: &'l [Listener]) -> Option<&'l ListenAddress> {
    let is_own = |address: &&ListenAddress| match (*address, place) {
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
    /// Whether all servers are plain; services have settings of their own for TLS.
    pub(super) fn are_plain(&self) -> bool {
        let upstreams = self.list.iter().filter(|named| named.key == Key::Upstream);
        upstreams.flat_map(|named| &named.servers).all(|server| server.scheme == Scheme::Http)
    }

    /// Whether none is given by name.
    pub(super) fn are_addresses(&self) -> bool {
        self.servers()
            .all(|server| !matches!(server.place(), Place::Port(TargetHost::Name(_), _) | Place::Service(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use crate::config::LeadsTo;

    #[test]
    fn a_route_leads_to_the_upstream_that_it_names() {
        let text = "[upstream.b]\nservers = [\"http://127.0.0.1:1\", { url = \"http://127.0.0.1:2\" }]\n\
                    [upstream.a]\nservers = [\"unix:/run/a.sock\"]\npool.max_idle = 5\n\
                    [[route]]\nupstream = \"a\"\n[[route]]\npath = \"/b\"\nupstream = \"b\"\n";
        let config = sample::compiled(&sample::file(text, &[]));
        let names: Vec<(&str, usize, usize)> = config
            .routes
            .typed()
            .map(|route| {
                let LeadsTo::Upstream(id) = route.leads_to else { panic!("leads elsewhere") };
                let upstream = config.upstream(id);
                (&*upstream.name, upstream.endpoints.len(), upstream.pool.max_idle)
            })
            .collect();
        assert_eq!(names, [("a", 1, 5), ("b", 2, 1024)]);
    }

    #[test]
    fn an_upstream_that_is_not_there_hears_the_nearest() {
        for (tables, name, message) in [
            ("[upstream.backend]\nservers = [\"http://b\"]", "backnd", "; did you mean backend?"),
            ("[upstream.backend]\nservers = [\"http://b\"]", "x", "; there are backend"),
            ("\n", "x", "; write a table [upstream.x]"),
        ] {
            let (faults, _) =
                sample::notes_of_file(&format!("{tables}\n[[route]]\nupstream = \"{name}\""), &[]);
            assert_eq!(faults, [format!("f:4:12: route.upstream: there is no upstream \"{name}\"{message}")]);
        }
    }

    #[test]
    fn a_faulty_server_is_told_by_its_place() {
        let (faults, _) = sample::notes_of_file(
            "[gateway]\n[upstream.a]\nservers = [\"http://b\", \"b:80\", { url = \"ftp://b\" }, \"\"]\neject.failures = \"x\"",
            &[],
        );
        for (fault, begins) in faults.iter().zip([
            "f:3:24: upstream.a.servers: \"b:80\" is no upstream; write http://b:80",
            "f:3:40: upstream.a.servers: \"ftp://b\" is no upstream",
            "f:3:53: upstream.a.servers: is empty",
            "f:4:18: upstream.a.eject.failures: \"x\" is out of range",
        ]) {
            assert!(fault.starts_with(begins), "{begins}: {fault}");
        }
        assert_eq!(faults.len(), 4, "{faults:#?}");
    }

    #[test]
    fn an_upstream_that_is_a_listener_is_told_by_its_place() {
        let text = "[[listen]]\naddress = \":3000\"\n[upstream.a]\nservers = [\"http://10.0.0.1\", \"http://127.0.0.1:3000\"]\n[[route]]\nupstream = \"a\"";
        let (faults, _) = sample::notes_of_file(text, &[]);
        assert_eq!(
            faults,
            [
                "f:4:31: upstream.a.servers: 127.0.0.1:3000 is corsair's own listener 0.0.0.0:3000; give the application's address"
            ]
        );
    }

    #[test]
    fn an_upstream_of_flags_takes_what_no_narrower_route_does() {
        let text = "[upstream.default]\nservers = [\"http://127.0.0.1:1\"]\n[upstream.b]\nservers = [\"http://127.0.0.1:2\"]\n\
                    [[route]]\nupstream = \"default\"\n[[route]]\npath = \"/b\"\nupstream = \"b\"";
        let config = sample::compiled(&sample::file(text, &[(Key::Upstream, "http://127.0.0.1:9")]));
        let urls: Vec<String> = config.upstreams.iter().map(|upstream| upstream.endpoints[0].url()).collect();
        assert_eq!(urls, ["http://127.0.0.1:9", "http://127.0.0.1:2"]);
        assert_eq!(config.routes.typed().count(), 2);
    }

    #[test]
    fn an_idle_upstream_is_warned_of() {
        let (faults, warnings) =
            sample::notes_of_file("[gateway]\n[upstream.a]\nservers = [\"http://127.0.0.1:1\"]", &[]);
        assert_eq!(
            (faults, warnings),
            (vec![], vec!["f:2:11: upstream.a: has no effect: no route leads to it".into()])
        );
    }

    #[test]
    fn there_are_no_more_upstreams_than_places() {
        let text: String =
            (0..MOST + 2).map(|at| format!("[upstream.p{at}]\nservers=\"http://a\"\n")).collect();
        let (faults, _) = sample::notes_of_file(&text, &[]);
        assert!(
            faults.contains(&format!("there are {} upstreams; at most {MOST} can be", MOST + 2)),
            "{faults:?}"
        );
    }
}

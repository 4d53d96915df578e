//! `upstream.resolve`: what the name of a server stands for.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;

use super::{
    endpoint::{Endpoint, EndpointHost, Share},
    keys::Key,
    reader::Reader,
    values,
};
use crate::uri::Scheme;

/// Addresses of one name that are remembered, and servers of a service.
pub const MAX_ADDRESSES: usize = 256;

/// What the name of a server stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// For one server, whose addresses are raced.
    First,
    /// For as many servers as it has addresses.
    All,
    /// For the servers of a service (RFC 2782).
    Service,
}

impl Resolution {
    /// How many servers one that is typed may stand for.
    pub(super) const fn most_servers(self) -> usize {
        match self {
            Self::First => 1,
            Self::All | Self::Service => MAX_ADDRESSES,
        }
    }
}

/// What the names of `endpoints` stand for.
pub(super) fn read(endpoints: &mut [Endpoint], reader: &mut Reader<'_>) -> Resolution {
    let resolution = reader.value(Key::UpstreamResolve, |text| {
        values::choice(
            text,
            &[("first", Resolution::First), ("all", Resolution::All), ("srv", Resolution::Service)],
        )
    });
    if resolution == Resolution::Service {
        for endpoint in endpoints {
            if let Err(reason) = endpoint.become_service() {
                reader.fault_of_member(Key::Upstream, &endpoint.url(), reason);
            }
        }
    }
    resolution
}

impl Endpoint {
    /// Takes its name as one of a service.
    fn become_service(&mut self) -> Result<(), String> {
        let EndpointHost::Name(name) = &self.host else {
            return Err(format!(
                "{} is no name; srv wants one such as http://_http._tcp.api.example",
                self.url()
            ));
        };
        if *self.authority != **name {
            return Err(format!("{} has a port; with srv DNS says which, so leave it out", self.url()));
        }
        // What a certificate can bear, and an application be called: the domain whose service it is.
        let mut domain = &**name;
        while let Some((label, rest)) = domain.split_once('.')
            && label.starts_with('_')
        {
            domain = rest;
        }
        let domain: Box<str> = domain.into();
        if self.scheme == Scheme::Https {
            let bare = domain.strip_suffix('.').unwrap_or(&domain).to_owned();
            let bare = ServerName::try_from(bare);
            self.tls_server_name =
                Some(bare.map_err(|_| format!("{domain} is no name that a certificate can bear"))?);
        }
        self.host = EndpointHost::Service(name.clone());
        self.authority = domain;
        Ok(())
    }

    /// Whether it is a typed one, or one of those that its name stands for.
    #[must_use]
    pub fn stands_for(&self, typed: &Self) -> bool {
        let found = self.found().map(|address| typed.at(address, self.share));
        *self == *typed || found.is_some_and(|found| *self == found)
    }

    /// The address that was found for its name, where that stands for several.
    #[must_use]
    pub const fn found(&self) -> Option<SocketAddr> {
        match &self.host {
            EndpointHost::Found(_, ip) => Some(SocketAddr::new(*ip, self.port)),
            EndpointHost::Name(_)
            | EndpointHost::Ip(_)
            | EndpointHost::Unix(_)
            | EndpointHost::Service(_) => None,
        }
    }

    /// The server at one of the addresses that its name stands for.
    #[must_use]
    pub fn at(&self, address: SocketAddr, share: Share) -> Self {
        let name = match &self.host {
            EndpointHost::Name(name) | EndpointHost::Service(name) | EndpointHost::Found(name, _) => {
                name.clone()
            }
            EndpointHost::Ip(_) | EndpointHost::Unix(_) => return self.clone(),
        };
        Self {
            host: EndpointHost::Found(name, address.ip()),
            port: address.port(),
            key: format!("{} {address}", self.key).into(),
            shown: format!("{} {address}", self.shown).into(),
            share,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{endpoint::Place, sample},
        *,
    };
    use crate::uri::TargetHost;

    fn upstream(server: &str, resolve: &str) -> Endpoint {
        let text = format!(
            "[upstream.a]\nservers = \"{server}\"\nresolve = \"{resolve}\"\n[[route]]\nupstream = \"a\""
        );
        sample::compiled(&sample::file(&text, &[])).upstreams[0].endpoints[0].clone()
    }

    #[test]
    fn a_server_that_was_found_is_what_it_was_but_for_its_place() {
        let typed = upstream("https://api.example:8443/v1", "all");
        let address = "10.0.0.1:8443".parse().unwrap();
        let share = Share { weight: 3, ..typed.share };
        let found = typed.at(address, share);
        assert_eq!(found.place(), Place::Port(TargetHost::Ip(address.ip()), 8443));
        assert_eq!(
            (&*found.authority, &*found.prefix, &found.tls_server_name),
            ("api.example:8443", "/v1", &typed.tls_server_name)
        );
        assert_eq!(&*found.shown, "https://api.example:8443/v1 10.0.0.1:8443");
        assert_eq!((&*found.key, found.share), ("https://api.example:8443 10.0.0.1:8443", share));
        assert!(found.wants_own_host());
    }

    #[test]
    fn a_service_is_called_by_its_domain() {
        for (typed, domain, name) in [
            ("http://_http._tcp.api.example", "api.example", "_http._tcp.api.example"),
            ("https://_https._tcp.api.example/v1", "api.example", "_https._tcp.api.example"),
            ("http://web.service.consul", "web.service.consul", "web.service.consul"),
        ] {
            let endpoint = upstream(typed, "srv");
            assert_eq!((&*endpoint.authority, endpoint.place()), (domain, Place::Service(name)), "{typed}");
            let expected =
                typed.starts_with("https").then(|| ServerName::try_from(domain.to_owned()).unwrap());
            assert_eq!(endpoint.tls_server_name, expected);
        }
    }

    #[test]
    fn what_is_no_service_hears_the_reason() {
        for (server, reason) in [
            (
                "http://10.0.0.1",
                "http://10.0.0.1 is no name; srv wants one such as http://_http._tcp.api.example",
            ),
            (
                "unix:/run/app.sock",
                "unix:/run/app.sock is no name; srv wants one such as http://_http._tcp.api.example",
            ),
            (
                "http://api.example:8080",
                "http://api.example:8080 has a port; with srv DNS says which, so leave it out",
            ),
        ] {
            let text = format!(
                "[upstream.a]\nservers = \"{server}\"\nresolve = \"srv\"\n[[route]]\nupstream = \"a\""
            );
            let (faults, _) = sample::notes_of_file(&text, &[]);
            assert_eq!(faults, [format!("f:2:11: upstream.a.servers: {reason}")]);
        }
    }
}

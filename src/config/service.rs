//! A service of the operator's that is asked beside traffic, by the URL of what it is asked for.

use std::path::PathBuf;

use super::{
    endpoint::{Endpoint, Place, endpoint},
    keys::Key,
    reader::Reader,
    upstream::{self, UpstreamParts},
};
use crate::{
    tls::{ClientSettings, ClientTls, TlsVersion},
    uri::{Scheme, TargetHost},
};

/// A service, and what it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Service {
    server: Endpoint,
    /// Path and query.
    target: Box<str>,
}

/// How TLS is spoken to one.
pub(super) struct Tls<'a> {
    /// The setting that names `ca`.
    pub(super) key: Key,
    /// Whose certificates are trusted, instead of those that browsers trust.
    pub(super) ca: Option<PathBuf>,
    /// What was spoken under the configuration that is in use.
    pub(super) before: &'a [&'a ClientTls],
}

impl Service {
    /// `http://HOST[:PORT][/PATH][?QUERY]`, the same with `https`, or `unix:/PATH`, which is asked for `/`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (url, query) = text.split_once('?').map_or((text, None), |(url, query)| (url, Some(query)));
        let mut server = endpoint(url).map_err(|fault| fault.replace("is no upstream", "is no service"))?;
        let is_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !query.unwrap_or_default().bytes().all(is_target) {
            return Err(format!("\"{text}\" is no service; its query holds what must be percent-encoded"));
        }
        let slash = if url.ends_with('/') || server.prefix.is_empty() { "/" } else { "" };
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{}{slash}{query}", server.prefix).into();
        server.prefix = "".into();
        Ok(Self { server, target })
    }

    /// Whether it is asked over the network without TLS.
    pub(super) fn is_plain(&self) -> bool {
        let is_near = match self.server.place() {
            Place::Port(TargetHost::Ip(ip), _) => ip.to_canonical().is_loopback(),
            Place::Port(TargetHost::Name(name), _) => name == "localhost",
            Place::Unix(_) | Place::Service(_) => true,
        };
        self.server.scheme == Scheme::Http && !is_near
    }

    /// What it is asked for, and the upstream that it is; `None` where something is faulty.
    pub(super) fn parts(self, tls: &Tls<'_>, reader: &mut Reader<'_>) -> Option<(Box<str>, UpstreamParts)> {
        let Self { server, target } = self;
        if tls.ca.is_some() && server.scheme == Scheme::Http {
            reader.warn(tls.key, "has no effect: the service is not https");
        }
        let settings = ClientSettings {
            ca: tls.ca.clone(),
            verify: true,
            certificate: None,
            server_name: None,
            min_version: TlsVersion::V12,
        };
        match ClientTls::load(&settings, tls.before) {
            Ok((loaded, kept)) => {
                for (_, fault) in kept {
                    reader.warn(tls.key, format!("{fault}; meanwhile what was read last is used"));
                }
                Some((target, upstream::service(server, loaded, reader)))
            }
            Err(faults) => {
                for (_, fault) in faults {
                    reader.fault(tls.key, fault.to_string());
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_is_asked_for_is_what_its_url_says() {
        for (url, target) in [
            ("http://127.0.0.1:9091", "/"),
            ("http://127.0.0.1:9091/", "/"),
            ("http://auth:9091/api/verify", "/api/verify"),
            ("https://auth.example/verify/", "/verify/"),
            ("http://auth/verify?rd=https://auth.example/?a=b", "/verify?rd=https://auth.example/?a=b"),
            ("http://auth?x", "/?x"),
            ("unix:/run/auth.sock", "/"),
        ] {
            let service = Service::read(url).expect(url);
            assert_eq!((&*service.target, &*service.server.prefix), (target, ""), "{url}");
        }
        for (url, fault) in [
            ("auth:9091/verify", "is no service; write http://auth:9091/verify"),
            ("http://auth/verify#x", "leave out \"?\" and \"#\""),
            ("http://auth/?a b", "percent-encoded"),
            ("http://auth/?a#b", "percent-encoded"),
            ("http://u:p@auth/", "leave out user and password"),
        ] {
            let found = Service::read(url).expect_err(url);
            assert!(found.contains(fault), "{url}: {found}");
        }
    }
}

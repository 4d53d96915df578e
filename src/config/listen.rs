//! `[[listen]]`: what is served where, and with what certificate.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use super::{keys::Key, reader::Reader, settings::Part, values};
use crate::{
    access::{AllowHosts, RuleFault},
    tls,
};

/// A listener by its place among all that a process has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(pub(super) u16);

impl ListenerId {
    /// The first one.
    pub const FIRST: Self = Self(0);
}

/// An address to serve.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where; port 0 lets the kernel choose one.
    pub address: SocketAddr,
    /// With what certificate; `None` is plain TCP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether the gateway can be reached here, where there is one.
    pub gateway: bool,
    /// Whether routes can be reached here.
    pub routes: bool,
    /// Names by which it is called if it is a loopback one. A page that comes under any other, though it is bound to
    /// loopback, is none of what is served here.
    pub allow_hosts: AllowHosts,
    /// Values of `Host` that are asked for of every request; `None` where none were typed.
    pub required_hosts: Option<AllowHosts>,
    /// Whether it is served; what came to it while it was is served on.
    pub is_served: bool,
}

impl Listener {
    /// Whether only this machine can reach it.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// All listeners; an address given twice is a fault. `hosts` are the names of the routes.
pub(super) fn read(hosts: &[String], reader: &mut Reader<'_>) -> Vec<Listener> {
    let tables = reader.parts(Part::Listen);
    let mut listeners = Vec::new();
    // What flags say of the addresses, they say of all.
    if tables.is_empty() || reader.has(Key::Listen) {
        of_table(hosts, &mut listeners, reader);
    } else {
        for table in tables {
            reader.within(table, |reader| {
                if reader.is_own(Key::Listen) {
                    of_table(hosts, &mut listeners, reader);
                } else {
                    reader.fault(Key::Listen, "is missing: write address = \"127.0.0.1:3000\"");
                }
            });
        }
    }
    listeners
}

/// These listeners, each in the place of the one of its address `before`; those that are gone keep theirs, for their
/// connections live on.
///
/// # Errors
/// That there have been too many.
pub(super) fn in_place(mut listeners: Vec<Listener>, before: &[Listener]) -> Result<Vec<Listener>, String> {
    let mut placed = Vec::new();
    for old in before {
        let new = listeners.iter().position(|new| new.address == old.address);
        placed.push(match new {
            Some(new) => listeners.remove(new),
            None => Listener { is_served: false, ..old.clone() },
        });
    }
    placed.extend(listeners);
    if placed.len() > usize::from(u16::MAX) {
        return Err("has had too many addresses over the life of this process; restart it".to_owned());
    }
    Ok(placed)
}

/// The listeners of one table.
fn of_table(hosts: &[String], listeners: &mut Vec<Listener>, reader: &mut Reader<'_>) {
    let addresses = reader.members(Key::Listen, listener);
    let tls = server_tls(reader);
    let services = reader.members(Key::ListenServices, |text| {
        values::choice(text, &[("gateway", (true, false)), ("routes", (false, true))])
    });
    let allow_hosts = allow_hosts(hosts, reader);
    for address in addresses {
        // Two times port 0 are two ports.
        if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
            reader.fault(Key::Listen, format!("{address} is given twice"));
        } else if let Some((allow_hosts, required_hosts)) = allow_hosts.clone() {
            listeners.push(Listener {
                address,
                tls: tls.clone(),
                gateway: services.iter().any(|(gateway, _)| *gateway),
                routes: services.iter().any(|(_, routes)| *routes),
                allow_hosts,
                required_hosts,
                is_served: true,
            });
        }
    }
}

/// The names by which a listener is called, and those that are asked for.
fn allow_hosts(hosts: &[String], reader: &mut Reader<'_>) -> Option<(AllowHosts, Option<AllowHosts>)> {
    let mut names = reader.list(Key::AllowHost);
    let is_typed = reader.has(Key::AllowHost);
    if !is_typed {
        names.extend(hosts.iter().cloned());
    }
    match AllowHosts::compile(&names) {
        Ok(hosts) => Some((hosts.clone(), is_typed.then_some(hosts))),
        Err(faults) => {
            for RuleFault { rule, message } in faults {
                reader.fault_of_member(Key::AllowHost, &rule, format!("\"{rule}\": {message}"));
            }
            None
        }
    }
}

/// TLS of the listeners; `None` where they are plain, or the files faulty.
fn server_tls(reader: &mut Reader<'_>) -> Option<Arc<rustls::ServerConfig>> {
    let cert = reader.optional(Key::TlsCert, values::file);
    let key = reader.optional(Key::TlsKey, values::file);
    let (of_cert, of_key) = tls::identity_faults(cert.as_deref(), key.as_deref());
    let usable = of_cert.is_none() && of_key.is_none();
    for (key, fault) in [(Key::TlsCert, of_cert), (Key::TlsKey, of_key)] {
        if let Some(fault) = fault {
            reader.fault(key, fault.to_string());
        }
    }
    match (cert, key) {
        // Each is fine for itself: what is left is that they do not belong together.
        (Some(cert), Some(key)) if usable => {
            tls::server_config(&cert, &key).map_err(|fault| reader.fault(Key::TlsKey, fault.to_string())).ok()
        }
        (Some(_), Some(_)) => None,
        (Some(_), None) if !reader.has(Key::TlsKey) => {
            reader.fault(Key::TlsCert, "a certificate needs its private key; give it with --tls-key");
            None
        }
        (None, Some(_)) if !reader.has(Key::TlsCert) => {
            reader.fault(Key::TlsKey, "a private key needs its certificate; give it with --tls-cert");
            None
        }
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    }
}

/// An address to serve: `127.0.0.1:3000`, `[::]:443`, or `:8080` for all of IPv4.
fn listener(text: &str) -> Result<SocketAddr, String> {
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
    if text == "localhost" {
        return fault("write 127.0.0.1:3000 or [::1]:3000");
    }
    if port(text).is_ok() {
        return fault(&format!("write :{text} for all addresses or 127.0.0.1:{text} for this machine only"));
    }
    match text.rsplit_once(':') {
        Some((host, own)) if host.parse::<Ipv6Addr>().is_ok() && port(own).is_ok() => {
            return fault(&format!("an IPv6 address stands in brackets: write [{host}]:{own}"));
        }
        _ => {}
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return fault(&format!("it needs a port: write [{text}]:3000"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return fault("it needs a port, such as 127.0.0.1:3000 or [::]:443");
    }
    text.parse().or_else(|_| fault("expected one such as 127.0.0.1:3000, :8080 or [::]:443"))
}

/// Digits and nothing else: `str::parse` would take a sign.
fn port(text: &str) -> Result<u16, ()> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| ()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

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
            ("localhost", "write 127.0.0.1:3000"),
            ("*:80", "write :80"),
            ("8080", "write :8080"),
            ("127.0.0.1", "needs a port"),
            ("::1", "it needs a port: write [::1]:3000"),
            ("::", "it needs a port: write [::]:3000"),
            ("::1:3998", "write [::1]:3998"),
            ("2001:db8::1:80", "write [2001:db8::1]:80"),
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
    fn an_address_is_served_once() {
        let listen = |typed: &[&str]| {
            let settings: Vec<(Key, &str)> = typed.iter().map(|text| (Key::Listen, *text)).collect();
            sample::faults(&settings, |reader| read(&[], reader).len())
        };
        assert_eq!(listen(&[]), (1, vec![]));
        assert_eq!(listen(&["127.0.0.1:0", "127.0.0.1:0"]), (2, vec![]));
        assert_eq!(listen(&[":80", "[::]:80"]), (2, vec![]));
        assert_eq!(listen(&[":80,0.0.0.0:80"]).1, ["--listen: 0.0.0.0:80 is given twice"]);
    }

    #[test]
    fn certificate_and_key_come_together() {
        let (_folder, cert, private) = sample::certificate();
        for (settings, expected) in [
            (
                &[(Key::TlsCert, &*cert)][..],
                "--tls-cert: a certificate needs its private key; give it with --tls-key",
            ),
            (
                &[(Key::TlsKey, &*private)],
                "--tls-key: a private key needs its certificate; give it with --tls-cert",
            ),
            (
                &[(Key::TlsCert, ""), (Key::TlsKey, &*private)],
                "--tls-cert: is empty; expected the name of a file",
            ),
        ] {
            let (made, faults) = sample::faults(settings, server_tls);
            assert_eq!((made.is_none(), faults), (true, vec![expected.into()]));
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_a_fault() {
        let (_folder, cert, private) = sample::certificate();
        let (_other, _, foreign) = sample::certificate();
        let missing = "/nonexistent/file";
        for (typed, expected) in [
            ((missing, missing), &["--tls-cert: cannot read", "--tls-key: cannot read"][..]),
            ((&*cert, missing), &["--tls-key: cannot read"]),
            ((missing, &*private), &["--tls-cert: cannot read"]),
            ((&*private, &*cert), &["--tls-cert: ", "--tls-key: "]),
            ((&*cert, &*foreign), &["--tls-key: the private key in "]),
        ] {
            let (made, faults) =
                sample::faults(&[(Key::TlsCert, typed.0), (Key::TlsKey, typed.1)], server_tls);
            assert!(made.is_none() && faults.len() == expected.len(), "{faults:?}");
            assert!(faults.iter().zip(expected).all(|(fault, start)| fault.starts_with(start)), "{faults:?}");
        }
        let (_, faults) = sample::faults(&[(Key::TlsCert, missing)], server_tls);
        assert_eq!(faults.len(), 2, "its own fault, and that the key is missing: {faults:?}");
    }

    #[test]
    fn a_certificate_makes_the_listeners_speak_tls() {
        let (_folder, cert, key) = sample::certificate();
        let (made, faults) = sample::faults(&[(Key::TlsCert, &cert), (Key::TlsKey, &key)], server_tls);
        assert_eq!(faults, Vec::<String>::new());
        assert!(made.is_some());
    }
}

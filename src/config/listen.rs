//! `[[listen]]`: what is served where, and with what certificate.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use super::{
    keys::Key,
    listen_address::{self, ListenAddress},
    places::TablePlaces,
    reader::Reader,
    settings::Part,
    values,
};
use crate::{
    access::{AllowHosts, RuleFault},
    tls::{self, CertificateFiles, ServerSettings, ServerTls, TlsPart},
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
    /// Where.
    pub address: ListenAddress,
    /// It as a URL, as it was typed: `http://127.0.0.1:3000`.
    pub url: Box<str>,
    /// With what certificates; `None` is plain TCP.
    pub tls: Option<ServerTls>,
    /// Whether trusted proxies must begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether the gateway can be reached here, where there is one.
    pub gateway: bool,
    /// Whether the forward proxy can be reached here, where there is one.
    pub forward: bool,
    /// Whether routes can be reached here.
    pub routes: bool,
    /// Names by which it is called if it is a loopback one. A page that comes under any other, though it is bound to
    /// loopback, is none of what is served here.
    pub allow_hosts: AllowHosts,
    /// Values of `Host` that are asked for of every request; `None` where none were typed.
    pub required_hosts: Option<AllowHosts>,
    /// Whether it is served; what came to it while it was is served on.
    pub is_served: bool,
    /// Where its settings were typed; of one that is not served any more nobody knows.
    pub(super) places: Arc<TablePlaces>,
}

impl Listener {
    /// Whether only this machine can reach it.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }
}

/// All listeners; an address given twice is a fault. `hosts` are the names of the routes.
pub(super) fn read(hosts: &[String], before: &[Listener], reader: &mut Reader<'_>) -> Vec<Listener> {
    let tables = reader.parts(Part::Listen);
    let mut listeners = Vec::new();
    // Said of each table that asks for headers, and asked outside of them all.
    let no_proxies = (!reader.has(Key::TrustedProxies)).then(|| {
        let proxies = reader.spelled(Key::TrustedProxies);
        format!("has no effect: nobody is trusted; name the balancers with {proxies}")
    });
    let no_proxies = no_proxies.as_deref();
    // What flags say of the addresses, they say of all.
    if tables.is_empty() || reader.has(Key::Listen) {
        of_table(hosts, no_proxies, before, &mut listeners, reader);
    } else {
        for table in tables {
            reader.within(table, |reader| {
                if !reader.is_own(Key::Listen) {
                    reader.fault(Key::Listen, "names no address: write address = \"127.0.0.1:3000\"");
                }
                of_table(hosts, no_proxies, before, &mut listeners, reader);
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
            None => Listener { is_served: false, places: Arc::default(), ..old.clone() },
        });
    }
    placed.extend(listeners);
    if placed.len() > usize::from(u16::MAX) {
        return Err("has had too many addresses over the life of this process; restart it".to_owned());
    }
    Ok(placed)
}

/// The listeners of one table.
fn of_table(
    hosts: &[String],
    no_proxies: Option<&str>,
    before: &[Listener],
    listeners: &mut Vec<Listener>,
    reader: &mut Reader<'_>,
) {
    let addresses = reader.members(Key::Listen, |text| Ok((text.to_owned(), listen_address::parse(text)?)));
    let old = before.iter().find(|old| addresses.iter().any(|(_, address)| *address == old.address));
    let tls = server_tls(old.and_then(|old| old.tls.as_ref()), SystemTime::now(), reader);
    let services: Vec<&str> = reader.members(Key::ListenServices, |text| {
        values::choice(text, &["gateway", "forward", "routes"].map(|name| (name, name)))
    });
    let allow_hosts = allow_hosts(hosts, reader);
    let proxy_protocol = reader.switch(Key::ListenProxyProtocol);
    if proxy_protocol && let Some(message) = no_proxies {
        reader.warn(Key::ListenProxyProtocol, message);
    }
    let places = Arc::new(reader.places("listen.", "listen"));
    for (text, address) in addresses {
        // Two times port 0 are two ports; what is not typed is none.
        if !address.is_any_port()
            && reader.has(Key::Listen)
            && listeners.iter().any(|listener| listener.address == address)
        {
            reader.fault_of_member(Key::Listen, &text, format!("{address} is given twice"));
        } else if let Some((allow_hosts, required_hosts)) = allow_hosts.clone() {
            let scheme = if tls.is_some() { "https" } else { "http" };
            listeners.push(Listener {
                url: match address {
                    ListenAddress::Unix(_) => address.to_string().into(),
                    ListenAddress::Tcp(_) => format!("{scheme}://{address}").into(),
                },
                address,
                tls: tls.clone(),
                proxy_protocol,
                gateway: services.contains(&"gateway"),
                forward: services.contains(&"forward"),
                routes: services.contains(&"routes"),
                allow_hosts,
                required_hosts,
                is_served: true,
                places: Arc::clone(&places),
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

/// TLS of the listeners, with a warning for each certificate that ends soon after `now`; `None` where they are plain, or
/// the files faulty. What cannot be read any more of what there was `before` is used as it was, which is warned of.
fn server_tls(before: Option<&ServerTls>, now: SystemTime, reader: &mut Reader<'_>) -> Option<ServerTls> {
    let settings = tls_settings(reader)?;
    match ServerTls::load(&settings, before) {
        Ok((tls, kept)) => {
            for fault in kept {
                reader.warn(Key::TlsCert, format!("{fault}; meanwhile what was read last is used"));
            }
            for (part, warning) in tls.expiry_warnings(now) {
                at(part, reader, |reader, key| reader.warn(key, warning.clone()));
            }
            Some(tls)
        }
        Err(faults) => {
            for (part, fault) in faults {
                at(part, reader, |reader, key| reader.fault(key, fault.to_string()));
            }
            None
        }
    }
}

/// Tells something of a part of TLS where it was typed.
fn at(part: TlsPart, reader: &mut Reader<'_>, tell: impl FnOnce(&mut Reader<'_>, Key)) {
    let key = key_of(part);
    let table = match part {
        TlsPart::Certificate(index) | TlsPart::Key(index) => {
            reader.parts(Part::Certificate).get(index).copied()
        }
        TlsPart::Authority | TlsPart::Settings => None,
    };
    match table {
        Some(table) => reader.within(table, |reader| tell(reader, key)),
        None => tell(reader, key),
    }
}

/// Certificates and keys: those of flags, or one of each in every table of certificates.
fn certificate_files(reader: &mut Reader<'_>) -> (Vec<Option<PathBuf>>, Vec<Option<PathBuf>>) {
    let tables = reader.parts(Part::Certificate);
    if tables.is_empty() || reader.has(Key::TlsCert) || reader.has(Key::TlsKey) {
        return (reader.each(Key::TlsCert, values::file), reader.each(Key::TlsKey, values::file));
    }
    let mut pairs = (Vec::new(), Vec::new());
    for table in tables {
        reader.within(table, |reader| {
            for key in [Key::TlsCert, Key::TlsKey] {
                if !reader.is_own(key) {
                    reader.fault(key, "is missing: a certificate has a file, and its key has one");
                }
            }
            pairs.0.push(reader.each(Key::TlsCert, values::file).pop().flatten());
            pairs.1.push(reader.each(Key::TlsKey, values::file).pop().flatten());
        });
    }
    pairs
}

/// What is asked of TLS; `None` where the listeners are plain, or where what was typed does not go together.
fn tls_settings(reader: &mut Reader<'_>) -> Option<ServerSettings> {
    let (certificates, keys) = certificate_files(reader);
    let min_version = reader.value(Key::TlsMinVersion, values::tls_version);
    let client_ca = reader.optional(Key::TlsClientCa, values::file);
    if certificates.is_empty() && keys.is_empty() {
        if reader.has_table("tls") {
            // Meant to be secret, and it would be plain.
            let message = "names no certificate: write certificates = [{ cert = \"FILE\", key = \"FILE\" }]";
            reader.fault_of_table("tls", message);
            return None;
        }
        if reader.has(Key::TlsClientCa) {
            reader.fault(
                Key::TlsClientCa,
                format!("on plain TCP no client shows a certificate; {}", GIVE_BOTH),
            );
        }
        if reader.has(Key::TlsMinVersion) {
            reader.warn(Key::TlsMinVersion, format!("has no effect on plain TCP; {GIVE_BOTH}"));
        }
        return None;
    }
    let pairs = if certificates.len() == keys.len() {
        let pair = |(certificate, key): (&Option<PathBuf>, &Option<PathBuf>)| {
            Some(CertificateFiles { certificate: certificate.clone()?, key: key.clone()? })
        };
        certificates.iter().zip(&keys).map(pair).collect()
    } else {
        None
    };
    let Some(certificates) = pairs else {
        refuse_without_pair(&certificates, &keys, reader);
        return None;
    };
    Some(ServerSettings { certificates, min_version, client_ca })
}

const GIVE_BOTH: &str = "give a certificate and its key with --tls-cert and --tls-key";

/// Certificates and keys that are no pairs: what is wrong with each file, and where one is missing.
fn refuse_without_pair(certificates: &[Option<PathBuf>], keys: &[Option<PathBuf>], reader: &mut Reader<'_>) {
    for fault in certificates.iter().flatten().filter_map(|file| tls::certificate_fault(file)) {
        reader.fault(Key::TlsCert, fault.to_string());
    }
    for fault in keys.iter().flatten().filter_map(|file| tls::key_fault(file)) {
        reader.fault(Key::TlsKey, fault.to_string());
    }
    if certificates.iter().chain(keys).any(Option::is_none) {
        return;
    }
    let (key, message) = match (certificates.len(), keys.len()) {
        (_, 0) => (Key::TlsCert, "a certificate needs its private key; give it with --tls-key".to_owned()),
        (0, _) => (Key::TlsKey, "a private key needs its certificate; give it with --tls-cert".to_owned()),
        (more, fewer) if more > fewer => {
            (Key::TlsCert, alone(certificates, fewer, "private key", "--tls-key"))
        }
        (fewer, _) => (Key::TlsKey, alone(keys, fewer, "certificate", "--tls-cert")),
    };
    reader.fault(key, message);
}

/// Which of the `files` is the first without its counterpart.
fn alone(files: &[Option<PathBuf>], fewer: usize, counterpart: &str, flag: &str) -> String {
    let file =
        files.get(fewer).and_then(Option::as_deref).map_or("", |file| file.to_str().unwrap_or_default());
    format!("number {}, {file}, has no {counterpart}; give one {flag} for each, in the same order", fewer + 1)
}

/// The setting that a fault of TLS is about.
const fn key_of(part: TlsPart) -> Key {
    match part {
        TlsPart::Certificate(_) | TlsPart::Settings => Key::TlsCert,
        TlsPart::Key(_) => Key::TlsKey,
        TlsPart::Authority => Key::TlsClientCa,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{notes::ConfigFault, sample},
        *,
    };
    use crate::tls::TlsVersion;

    #[test]
    fn an_address_is_served_once() {
        let listen = |typed: &[&str]| {
            let settings: Vec<(Key, &str)> = typed.iter().map(|text| (Key::Listen, *text)).collect();
            sample::faults(&settings, |reader| read(&[], &[], reader).len())
        };
        assert_eq!(listen(&[]), (1, vec![]));
        assert_eq!(listen(&["127.0.0.1:0", "127.0.0.1:0"]), (2, vec![]));
        assert_eq!(listen(&[":80", "[::]:80"]), (2, vec![]));
        assert_eq!(listen(&["unix:/a", "unix:/b", "unix:@a"]), (3, vec![]));
        assert_eq!(listen(&[":80,0.0.0.0:80"]).1, ["--listen: 0.0.0.0:80 is given twice"]);
        assert_eq!(listen(&["unix:/a", "unix:/a"]).1, ["--listen: unix:/a is given twice"]);
    }

    #[test]
    fn headers_that_nobody_can_send_are_warned_of_in_their_table() {
        let text = "[[listen]]\naddress = \":1\"\n[[listen]]\naddress = \":2\"\nproxy_protocol = true\n\
                    [upstream.a]\nservers = [\"http://127.0.0.1:9\"]\n[[route]]\nupstream = \"a\"\n";
        let (faults, warnings) = sample::notes_of_file(text, &[]);
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(
            warnings,
            [
                "f:5:18: listen.proxy_protocol: has no effect: nobody is trusted; name the balancers with trusted_proxies"
            ]
        );
        let trusting = format!("trusted_proxies = [\"private\"]\n{text}");
        assert_eq!(sample::notes_of_file(&trusting, &[]), (vec![], vec![]));
    }

    fn tls(reader: &mut Reader<'_>) -> Option<ServerTls> {
        server_tls(None, SystemTime::now(), reader)
    }

    #[test]
    fn each_certificate_has_the_key_of_its_number() {
        let ((_a, a_cert, a_key), (_b, b_cert, b_key)) = (sample::certificate(), sample::certificate());
        let (made, faults) = sample::faults(
            &[(Key::TlsCert, &a_cert), (Key::TlsCert, &b_cert), (Key::TlsKey, &a_key), (Key::TlsKey, &b_key)],
            tls,
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(made.expect("TLS").certificates().count(), 2);
        let swapped =
            [(Key::TlsCert, &*a_cert), (Key::TlsCert, &b_cert), (Key::TlsKey, &b_key), (Key::TlsKey, &a_key)];
        let (_, faults) = sample::faults(&swapped, tls);
        assert!(
            faults.len() == 2 && faults.iter().all(|fault| fault.starts_with("--tls-key: ")),
            "{faults:?}"
        );
        for (settings, expected) in [
            (
                &[(Key::TlsCert, &*a_cert), (Key::TlsKey, &a_key), (Key::TlsCert, &b_cert)][..],
                format!(
                    "--tls-cert: number 2, {b_cert}, has no private key; give one --tls-key for each, in the same order"
                ),
            ),
            (
                &[(Key::TlsKey, &a_key), (Key::TlsCert, &a_cert), (Key::TlsKey, &b_key)],
                format!(
                    "--tls-key: number 2, {b_key}, has no certificate; give one --tls-cert for each, in the same order"
                ),
            ),
        ] {
            assert_eq!(sample::faults(settings, tls).1, [expected]);
        }
    }

    #[test]
    fn a_comma_in_the_name_of_a_file_separates_nothing() {
        let (folder, cert, key) = sample::certificate();
        let [with_cert, with_key] = ["a,b.pem", "a,b.key"]
            .map(|name| folder.path().join(name).to_str().map(String::from).expect("UTF-8"));
        std::fs::rename(cert, &with_cert).expect("renamed");
        std::fs::rename(key, &with_key).expect("renamed");
        let (made, faults) = sample::faults(&[(Key::TlsCert, &with_cert), (Key::TlsKey, &with_key)], tls);
        assert!(made.is_some(), "{faults:?}");
    }

    #[test]
    fn version_and_authority_are_read_and_want_a_certificate() {
        let (_folder, cert, key) = sample::certificate();
        let pair = [(Key::TlsCert, &*cert), (Key::TlsKey, &*key)];
        let asked = |more: &[(Key, &str)]| sample::faults(&[&pair[..], more].concat(), tls_settings);
        let (settings, faults) = asked(&[(Key::TlsMinVersion, "1.3"), (Key::TlsClientCa, &cert)]);
        let settings = settings.unwrap_or_else(|| panic!("{faults:?}"));
        assert_eq!(settings.min_version, TlsVersion::V13);
        assert_eq!(settings.client_ca.as_deref(), Some(std::path::Path::new(&cert)));
        assert_eq!(asked(&[]).0.map(|settings| settings.min_version), Some(TlsVersion::V12));
        assert_eq!(
            asked(&[(Key::TlsMinVersion, "1.1")]).1,
            ["listen.tls.min_version: \"1.1\" is no version of TLS that is spoken here; expected 1.2 or 1.3"]
        );
        let missing = [&pair[..], &[(Key::TlsClientCa, "/nonexistent/file")]].concat();
        let faults = sample::faults(&missing, tls).1;
        assert!(
            faults.len() == 1 && faults[0].starts_with("listen.tls.client_ca: cannot read"),
            "{faults:?}"
        );

        let (made, notes) = sample::noted(&[(Key::TlsClientCa, &cert), (Key::TlsMinVersion, "1.3")], tls);
        let told = |notes: &[ConfigFault]| notes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(made.is_none());
        assert_eq!(
            told(&notes.faults),
            [
                "listen.tls.client_ca: on plain TCP no client shows a certificate; give a certificate and its key with \
             --tls-cert and --tls-key"
            ]
        );
        assert_eq!(
            told(&notes.warnings),
            [
                "listen.tls.min_version: has no effect on plain TCP; give a certificate and its key with --tls-cert and \
             --tls-key"
            ]
        );
    }

    #[test]
    fn a_certificate_that_ends_soon_is_warned_of() {
        let (_folder, cert, key) = sample::certificate();
        let warned = |now| {
            let settings = [(Key::TlsCert, &*cert), (Key::TlsKey, &*key), (Key::TlsClientCa, &*cert)];
            let notes = sample::noted(&settings, |reader| server_tls(None, now, reader)).1;
            notes.warnings.iter().map(|warning| warning.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(warned(SystemTime::now()), Vec::<String>::new());
        // What rcgen makes ends with the year 4095.
        let late =
            SystemTime::UNIX_EPOCH + Duration::from_secs(4095 * 31_557_600 - 1970 * 31_557_600 + 31_557_600);
        assert_eq!(warned(late), ["--tls-cert", "listen.tls.client_ca"]);
    }

    #[test]
    fn a_table_of_tls_without_certificates_is_no_plain_listener() {
        for tls in ["tls = {}", "tls = { certificates = [] }", "tls.min_version = \"1.3\"", "[listen.tls]"] {
            let text = format!("[[listen]]\naddress = \"127.0.0.1:1\"\n{tls}");
            let (faults, _) = sample::notes_of_file(&text, &[]);
            assert_eq!(faults.len(), 1, "{tls}: {faults:?}");
            assert!(faults[0].contains("listen.tls: names no certificate"), "{tls}: {faults:?}");
        }
    }

    fn port(listener: &Listener) -> u16 {
        match listener.address {
            ListenAddress::Tcp(address) => address.port(),
            ListenAddress::Unix(_) => panic!("a port was typed"),
        }
    }

    #[test]
    fn a_listener_keeps_its_place_and_one_that_is_gone_too() {
        let read = |typed: &[&str]| {
            let settings: Vec<(Key, &str)> = typed.iter().map(|text| (Key::Listen, *text)).collect();
            sample::faults(&settings, |reader| read(&[], &[], reader)).0
        };
        let places = |listeners: &[Listener]| {
            listeners.iter().map(|one| (port(one), one.is_served)).collect::<Vec<_>>()
        };
        let first = in_place(read(&[":1", ":2", ":0", ":0"]), &[]).expect("few");
        assert_eq!(places(&first), [(1, true), (2, true), (0, true), (0, true)]);
        let second = in_place(read(&[":3", ":2", ":0"]), &first).expect("few");
        assert_eq!(places(&second), [(1, false), (2, true), (0, true), (0, false), (3, true)]);
        let third = in_place(read(&[":1", ":3"]), &second).expect("few");
        assert_eq!(places(&third), [(1, true), (2, false), (0, false), (0, false), (3, true)]);
        let many = vec![first[0].clone(); usize::from(u16::MAX)];
        assert!(in_place(read(&[":1"]), &many).is_ok());
        assert!(in_place(read(&[":9"]), &many).expect_err("many").contains("restart it"));
    }

    #[test]
    fn a_loopback_listener_is_called_by_the_hosts_of_the_routes_too() {
        let hosts =
            ["*.example.com", "b.example.", "bücher.example", "127.0.0.2", "[::2]", "[::ffff:127.0.0.3]"];
        let routes: String =
            hosts.iter().map(|host| format!("[[route]]\nhost = \"{host}\"\nrespond = {{}}\n")).collect();
        let config = sample::compiled(&sample::file(&format!("[gateway]\n{routes}"), &[]));
        let (_, listener) = config.listeners().next().expect("a listener");
        for host in [
            "localhost",
            "a.example.com",
            "b.example",
            "xn--bcher-kva.example",
            "127.0.0.2",
            "[::2]",
            "127.0.0.3",
        ] {
            assert!(listener.allow_hosts.admits(host.as_bytes()), "{host}");
        }
        assert!(!listener.allow_hosts.admits(b"c.example") && listener.required_hosts.is_none());
        let (faults, _) = sample::notes_of_file("[gateway]\n[[route]]\nhost = \"a b\"\nrespond = {}", &[]);
        assert_eq!(faults.len(), 1, "one fault, which is the route's: {faults:?}");
    }

    #[test]
    fn what_no_listener_serves_is_warned_of() {
        for (services, expected) in [("gateway", "route"), ("routes", "f:4:1: gateway")] {
            let text = format!(
                "[[listen]]\naddress = \"127.0.0.1:1\"\nservices = [\"{services}\"]\n[gateway]\n[[route]]\nrespond = {{}}"
            );
            let expected = format!("{expected}: cannot be reached: services of no [[listen]] names it");
            assert_eq!(sample::notes_of_file(&text, &[]), (vec![], vec![expected]));
        }
    }

    #[test]
    fn each_table_says_what_is_served_at_its_addresses() {
        let text = "[gateway]\n[[listen]]\naddress = \":81\"\nservices = [\"routes\"]\n[[listen]]\naddress = [\"127.0.0.1:82\", \"[::1]:83\"]\nservices = [\"gateway\"]\nallow_hosts = [\"a.example\"]\n[[listen]]\naddress = \"127.0.0.1:84\"";
        let config = sample::compiled(&sample::file(text, &[]));
        let found: Vec<_> = config
            .listeners()
            .map(|(_, one)| (port(one), one.gateway, one.routes, one.required_hosts.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                (81, false, true, false),
                (82, true, false, true),
                (83, true, false, true),
                (84, true, true, false)
            ]
        );
        let config = sample::compiled(&sample::file(
            text,
            &[(Key::Listen, "127.0.0.1:85"), (Key::AllowHost, "b.example")],
        ));
        let found: Vec<_> = config
            .listeners()
            .map(|(_, one)| (port(one), one.gateway, one.routes, one.required_hosts.is_some()))
            .collect();
        assert_eq!(found, [(85, true, true, true)], "what flags say of the addresses, they say of all");
        let (faults, _) = sample::notes_of_file(
            "[[listen]]\nservices = [\"route\"]\n[[listen]]\naddress = [\":80\", \"0.0.0.0:80\", \"x\"]\n[cors]\nallow_origins = [\"https://a.example\"]",
            &[],
        );
        for (fault, begins) in faults.iter().zip([
            "f:1:1: listen.address: names no address",
            "f:2:13: listen.services: \"route\" is none of",
            "f:4:19: listen.address: 0.0.0.0:80 is given twice",
            "f:4:33: listen.address: \"x\" is no address",
        ]) {
            assert!(fault.starts_with(begins), "{begins}: {faults:#?}");
        }
        assert_eq!(faults.len(), 4, "{faults:#?}");
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
            let (made, faults) = sample::faults(settings, tls);
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
            let (made, faults) = sample::faults(&[(Key::TlsCert, typed.0), (Key::TlsKey, typed.1)], tls);
            assert!(made.is_none() && faults.len() == expected.len(), "{faults:?}");
            assert!(faults.iter().zip(expected).all(|(fault, start)| fault.starts_with(start)), "{faults:?}");
        }
        let (_, faults) = sample::faults(&[(Key::TlsCert, missing)], tls);
        assert_eq!(faults.len(), 2, "its own fault, and that the key is missing: {faults:?}");
    }

    #[test]
    fn a_certificate_makes_the_listeners_speak_tls() {
        let (_folder, cert, key) = sample::certificate();
        let (made, faults) = sample::faults(&[(Key::TlsCert, &cert), (Key::TlsKey, &key)], tls);
        assert_eq!(faults, Vec::<String>::new());
        assert!(made.is_some());
    }
}

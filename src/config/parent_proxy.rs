//! `[proxy]`: parent proxies, through which destinations are asked.

use std::{env, fmt, hash::BuildHasher as _, net::IpAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use foldhash::quality::FixedState;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{keys::Key, reader::Reader};
use crate::{
    access::DirectHosts,
    uri::{Scheme, TargetHost},
};

/// The longest user and password, in bytes: with every request they leave in a buffer that was made for its head.
const MAX_CREDENTIALS: usize = 1 << 10;

/// The parent proxies of a configuration, and what is asked directly all the same.
#[derive(Debug, Default)]
pub struct ParentProxies {
    http: Option<Parent>,
    https: Option<Parent>,
    direct: DirectHosts,
}

/// A proxy that other servers are asked through.
pub struct Parent {
    /// Its name or address.
    host: Host<Box<str>>,
    /// Its port.
    port: u16,
    /// The value of `Proxy-Authorization` for it.
    authorization: Option<Box<str>>,
    /// What tells connections through it from others, as part of the name that they are kept under.
    key: Box<str>,
    /// Its URL as it may be shown to anybody.
    shown: Box<str>,
}

impl fmt::Debug for Parent {
    /// Without its credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl ParentProxies {
    /// The one that this destination is asked through; nothing where it is asked directly.
    #[must_use]
    pub fn of_destination(&self, scheme: Scheme, host: TargetHost<'_>, port: u16) -> Option<&Parent> {
        self.of_scheme(scheme).filter(|_| !self.direct.has(host, port))
    }

    /// The one for all destinations of a scheme that are not asked directly.
    #[must_use]
    pub const fn of_scheme(&self, scheme: Scheme) -> Option<&Parent> {
        match scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }
}

impl Parent {
    /// The one of a URL that is fine.
    #[cfg(test)]
    pub(crate) fn of(url: &str) -> Self {
        parent(url).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> TargetHost<'_> {
        match &self.host {
            Host::Domain(name) => TargetHost::Name(name),
            Host::Ipv4(ip) => TargetHost::Ip(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => TargetHost::Ip(IpAddr::V6(*ip)),
        }
    }

    /// The port on which it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of `Proxy-Authorization` for it (RFC 7617 §2).
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Its URL as it may be shown to anybody: without credentials, and without what came out of the environment or a file.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The name under which connections through it are kept that would be kept under `endpoint` else: what goes through
    /// another parent, with other credentials or directly is never used instead.
    #[must_use]
    pub fn key(&self, endpoint: &str) -> String {
        format!("{endpoint} {}", self.key)
    }
}

/// What is typed of parent proxies.
pub(super) struct ParentParts {
    /// They, as far as they are understood.
    pub(super) proxies: Arc<ParentProxies>,
    /// Whether anything says what they are for http and for https, and be it faulty.
    is_typed: [bool; 2],
    /// The environment is to say it.
    is_environment: bool,
}

impl ParentParts {
    /// What to do where nothing says what the parent for this scheme is.
    pub(super) fn lack(&self, scheme: Scheme) -> Option<String> {
        let [http, https] = self.is_typed;
        let (is_typed, scheme) = (if scheme == Scheme::Http { http } else { https }, scheme.as_str());
        let remedy = if self.is_environment {
            format!("set {scheme}_proxy in the environment")
        } else {
            format!("write {scheme} = \"http://HOST:PORT\" in a table [proxy]")
        };
        (!is_typed).then_some(remedy)
    }

    /// They for what is to be asked through them; nothing where there are none.
    pub(super) fn shared(&self) -> Option<Arc<ParentProxies>> {
        (self.proxies.http.is_some() || self.proxies.https.is_some()).then(|| Arc::clone(&self.proxies))
    }

    /// Whether one is given by name.
    pub(super) fn are_named(&self) -> bool {
        [Scheme::Http, Scheme::Https].iter().any(|scheme| {
            self.proxies.of_scheme(*scheme).is_some_and(|parent| matches!(parent.host, Host::Domain(_)))
        })
    }
}

/// The parents, of the file or of the environment.
pub(super) fn read(reader: &mut Reader<'_>) -> ParentParts {
    let mut direct = DirectHosts::default();
    let is_typed = [Key::ProxyHttp, Key::ProxyHttps].map(|key| reader.has(key));
    let [http, https] = [Key::ProxyHttp, Key::ProxyHttps].map(|key| {
        let parent = reader.optional(key, parent);
        parent.map(|parent| shown(parent, reader))
    });
    for entry in reader.list(Key::NoProxy) {
        if let Err(reason) = direct.add(&entry) {
            reader.fault_of_member(Key::NoProxy, &entry, format!("\"{entry}\" {reason}"));
        }
    }
    if reader.switch(Key::ProxyEnvironment) {
        for key in [Key::ProxyHttp, Key::ProxyHttps, Key::NoProxy] {
            if reader.has(key) {
                let message = "stands beside environment = true, which takes it from the environment; leave one of them out";
                reader.fault(key, message);
            }
        }
        let mut parts = of_environment(|name| env::var(name).ok(), reader);
        for (own, typed) in parts.is_typed.iter_mut().zip(is_typed) {
            *own |= typed;
        }
        return parts;
    }
    if reader.has(Key::NoProxy) && is_typed == [false, false] {
        reader.warn(Key::NoProxy, "has no effect without http or https");
    }
    let proxies = Arc::new(ParentProxies { http, https, direct });
    ParentParts { proxies, is_typed, is_environment: false }
}

/// The parents that the environment names, as most programs read it. `HTTP_PROXY` is not among that: where a program is
/// started by CGI, that is a field of the request, which anybody may send.
fn of_environment(variable: impl Fn(&str) -> Option<String>, reader: &mut Reader<'_>) -> ParentParts {
    let mut direct = DirectHosts::default();
    // One that is empty was not set.
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| {
            let value = variable(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty()).map(|value| (*name, value))
        })
    };
    let named = [&["http_proxy"][..], &["https_proxy", "HTTPS_PROXY"]].map(first);
    let is_typed = [named[0].is_some(), named[1].is_some()];
    if is_typed == [false, false] {
        let message = "has no effect: the environment has neither http_proxy nor https_proxy";
        reader.warn(Key::ProxyEnvironment, message);
    }
    let [http, https] = named.map(|named| {
        let (name, value) = named?;
        let url = if value.contains("://") { value } else { format!("http://{value}") };
        match parent(&url) {
            Ok(parent) => Some(shown(parent, reader)),
            Err(fault) => {
                reader.fault(Key::ProxyEnvironment, format!("the variable {name}: {fault}"));
                None
            }
        }
    });
    let (name, entries) = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let entries = entries.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    for entry in entries {
        if let Err(reason) = direct.add_of_environment(entry) {
            let message = format!("the variable {name}: \"{entry}\" {reason}; it is passed over");
            reader.warn(Key::ProxyEnvironment, message);
        }
    }
    let proxies = Arc::new(ParentProxies { http, https, direct });
    ParentParts { proxies, is_typed, is_environment: true }
}

fn shown(mut parent: Parent, reader: &Reader<'_>) -> Parent {
    parent.shown = reader.without_secrets(&parent.shown).into();
    parent
}

/// A parent: `http://[USER:PASSWORD@]HOST[:PORT]`.
fn parent(text: &str) -> Result<Parent, String> {
    let fault = |reason: &str| Err(format!("\"{}\" is no parent proxy; {reason}", without_credentials(text)));
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
            return fault(
                "TLS is not spoken to a parent, only inside of what it connects; write http://HOST:PORT",
            );
        }
        Some(_) => return fault("its scheme must be http"),
        None => return fault("write http://HOST:PORT"),
    };
    // A password may hold anything, and nothing but a host stands behind it.
    let (credentials, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(|c: char| matches!(c, '/' | '?' | '#' | '\\') || c.is_whitespace() || c.is_control()) {
        return fault("leave out what stands behind host and port");
    }
    let url = match Url::parse(&format!("http://{place}")) {
        Ok(url) => url,
        Err(reason) => return fault(&reason.to_string()),
    };
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default().filter(|port| *port != 0)) else {
        return fault("port 0 cannot be connected to");
    };
    let authorization = match credentials.map(basic).transpose() {
        Ok(authorization) => authorization,
        Err(reason) => return fault(reason),
    };
    let shown = format!("http://{host}:{port}");
    // They themselves are in no key, for keys are shown where somebody looks for a fault.
    let told_apart = authorization.as_ref().map_or_else(String::new, |authorization| {
        format!(" as {:016x}", FixedState::default().hash_one(authorization))
    });
    let host = match host {
        Host::Domain(name) => Host::Domain(name.into()),
        Host::Ipv4(ip) => Host::Ipv4(ip),
        Host::Ipv6(ip) => Host::Ipv6(ip),
    };
    Ok(Parent {
        host,
        port,
        authorization: authorization.map(Into::into),
        key: format!("through {shown}{told_apart}").into(),
        shown: shown.into(),
    })
}

/// A URL without what stands before its host.
pub(super) fn without_credentials(text: &str) -> String {
    let scheme = text.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
    match text[scheme.len()..].rsplit_once('@') {
        Some((_, place)) => format!("{scheme}***@{place}"),
        None => text.to_owned(),
    }
}

/// The value of `Proxy-Authorization` for `USER:PASSWORD`, in which bytes may be written as `%` and two digits.
///
/// Source: RFC 7617 §2.
fn basic(credentials: &str) -> Result<String, &'static str> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let [user, password] = [user, password].map(|part| percent_decode_str(part).collect::<Vec<u8>>());
    if user.contains(&b':') {
        return Err("its user has a colon, which Basic cannot carry");
    }
    if user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err("its user or password has a control character, which Basic cannot carry");
    }
    let both = [&user[..], b":", &password].concat();
    if both.len() > MAX_CREDENTIALS {
        return Err("its user and password have more than 1 KiB");
    }
    Ok(format!("Basic {}", BASE64_STANDARD.encode(&both)))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_parent_is_taken_apart() {
        for (text, shown, authorization) in [
            ("http://parent:3128", "http://parent:3128", None),
            ("HTTP://Parent.Example/", "http://parent.example:80", None),
            ("http://10.0.0.1:8080/", "http://10.0.0.1:8080", None),
            ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128", None),
            // The example of RFC 7617 §2.
            ("http://Aladdin:open%20sesame@p:1", "http://p:1", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://a:@p:1", "http://p:1", Some("Basic YTo=")),
            ("http://a@p:1", "http://p:1", Some("Basic YTo=")),
            ("http://a:b:c@p:1", "http://p:1", Some("Basic YTpiOmM=")),
            ("http://a:p@ss/w?#rd@p:1", "http://p:1", Some("Basic YTpwQHNzL3c/I3Jk")),
            ("http://a:1%zz%3a@p:1", "http://p:1", Some("Basic YToxJXp6Og==")),
        ] {
            let parent = parent(text).expect(text);
            assert_eq!((parent.shown(), parent.authorization()), (shown, authorization), "{text}");
            assert!(!format!("{parent:?} {}", parent.key("http://a:80")).contains("Basic"), "{parent:?}");
        }
    }

    #[test]
    fn what_is_no_parent_hears_why_and_its_credentials_are_hidden() {
        for (text, reason) in [
            ("parent:3128", "\"parent:3128\" is no parent proxy; write http://HOST:PORT"),
            (
                "https://u:hunter2@p:1",
                "\"https://***@p:1\" is no parent proxy; TLS is not spoken to a parent",
            ),
            ("socks5://u:hunter2@p:1", "\"socks5://***@p:1\" is no parent proxy; its scheme must be http"),
            ("u:hunter2@p:1", "\"***@p:1\" is no parent proxy; write http://"),
            ("http://u:hunter2@p:99999", "\"http://***@p:99999\" is no parent proxy; invalid port"),
            ("http://u:hunter2@p:0", "\"http://***@p:0\" is no parent proxy; port 0"),
            ("http://u:hunter2@p/path", "leave out what stands behind"),
            ("http://p?x", "leave out what stands behind"),
            ("http://hunter%3a2:x@p:1", "its user has a colon"),
            ("http://a:hunter%0a2@p:1", "control character"),
            (&format!("http://{}@p:1", "hunter".repeat(200)), "more than 1 KiB"),
            ("http://", "empty host"),
        ] {
            let fault = parent(text).expect_err(text);
            assert!(fault.contains(reason) && !fault.contains("hunter"), "{text}: {fault}");
        }
    }

    #[test]
    fn connections_are_told_apart_by_parent_and_credentials() {
        let keys = ["http://p:1", "http://p:2", "http://a:b@p:1", "http://a:c@p:1"]
            .map(|text| parent(text).expect(text).key("http://a:80"));
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
        assert!(keys.iter().all(|key| key.starts_with("http://a:80 through http://p:")), "{keys:?}");
    }

    #[test]
    fn each_scheme_has_its_parent_and_what_is_listed_none() {
        let typed = [(Key::ProxyHttp, "http://a:1"), (Key::NoProxy, ".internal,host:8080,10.0.0.0/8")];
        let (parts, faults) = sample::faults(&typed, read);
        assert_eq!(faults, Vec::<String>::new());
        assert!(parts.lack(Scheme::Http).is_none() && parts.lack(Scheme::Https).is_some());
        let through = |scheme, host: &str, port| {
            let host = host.parse().map_or(TargetHost::Name(host), TargetHost::Ip);
            parts.proxies.of_destination(scheme, host, port).map(Parent::shown)
        };
        for (scheme, host, port, expected) in [
            (Scheme::Http, "example.com", 80, Some("http://a:1")),
            (Scheme::Https, "example.com", 443, None),
            (Scheme::Http, "x.internal", 80, None),
            (Scheme::Http, "host", 8080, None),
            (Scheme::Http, "host", 8081, Some("http://a:1")),
            (Scheme::Http, "10.2.3.4", 80, None),
        ] {
            assert_eq!(through(scheme, host, port), expected, "{host}:{port}");
        }
    }

    #[test]
    fn a_parent_that_nobody_asks_is_warned_of_and_one_that_is_a_listener_a_fault() {
        let upstream = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[[route]]\nupstream = \"a\"\n";
        let proxy = "[proxy]\nhttp = \"http://127.0.0.1:3128\"\n";
        let idle = "f:1:1: proxy: has no effect: there is neither gateway nor forward proxy, and no upstream has proxy = \"parent\"";
        let asked = upstream.replace("servers", "proxy = \"parent\"\nservers");
        for (text, warnings) in [
            (format!("{proxy}{upstream}"), &[idle][..]),
            (format!("{proxy}{asked}"), &[]),
            (format!("{proxy}{asked}host_header = \"upstream\""), &[]),
            (
                format!("{proxy}{asked}host_header = \"keep\""),
                &[
                    "f:8:15: route.host_header: has no effect on http servers that are asked through a parent: it asks them by their own names",
                ],
            ),
            (format!("{proxy}[gateway]"), &[]),
            (
                "[gateway]\n[proxy]\nno_proxy = [\"a\"]".into(),
                &["f:3:13: proxy.no_proxy: has no effect without http or https"],
            ),
        ] {
            let expected = (vec![], warnings.iter().map(|text| (*text).to_owned()).collect());
            assert_eq!(sample::notes_of_file(&text, &[]), expected, "{text}");
        }
        let (faults, _) = sample::notes_of_file(
            &format!("[gateway]\n[[listen]]\naddress = \"127.0.0.1:3128\"\n{proxy}"),
            &[],
        );
        let expected = "f:5:8: proxy.http: http://127.0.0.1:3128 is corsair's own listener 127.0.0.1:3128; give the parent's address";
        assert_eq!(faults, [expected]);
    }

    #[test]
    fn the_environment_is_read_as_other_programs_do() {
        let of = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let (parts, notes) = sample::noted(&[], |reader| of_environment(variable, reader));
            let shown = [Scheme::Http, Scheme::Https]
                .map(|scheme| parts.proxies.of_scheme(scheme).map(|parent| parent.shown().to_owned()));
            let notes: Vec<String> =
                notes.faults.iter().chain(&notes.warnings).map(ToString::to_string).collect();
            (shown, notes, parts)
        };
        for (variables, http, https) in [
            (
                &[("http_proxy", "http://a:1"), ("https_proxy", "b:2")][..],
                Some("http://a:1"),
                Some("http://b:2"),
            ),
            (&[("HTTP_PROXY", "http://evil:1"), ("HTTPS_PROXY", "http://b:2/")], None, Some("http://b:2")),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "http://b:2")], None, Some("http://b:2")),
            (&[("https_proxy", "c:3"), ("HTTPS_PROXY", "http://b:2")], None, Some("http://c:3")),
        ] {
            let (shown, notes, _) = of(variables);
            assert_eq!(
                (shown, notes),
                ([http, https].map(|own| own.map(String::from)), vec![]),
                "{variables:?}"
            );
        }
        let list = ("no_proxy", "localhost, .internal example.com,,192.168.*");
        let (_, notes, parts) = of(&[("http_proxy", "a:1"), ("NO_PROXY", "*"), list]);
        assert!(notes.len() == 1 && notes[0].contains("no_proxy: \"192.168.*\" has a *"), "{notes:?}");
        for (host, is_direct) in
            [("localhost", true), ("a.internal", true), ("a.example.com", true), ("b.com", false)]
        {
            let through = parts.proxies.of_destination(Scheme::Http, TargetHost::Name(host), 80);
            assert_eq!(through.is_none(), is_direct, "{host}");
        }
        let (_, notes, _) = of(&[("http_proxy", "ftp://u:hunter2@a:1")]);
        assert!(
            notes[0].contains("the variable http_proxy: \"ftp://***@a:1\" is no parent proxy"),
            "{notes:?}"
        );
        assert!(of(&[]).1[0].contains("neither http_proxy nor https_proxy"));
    }
}

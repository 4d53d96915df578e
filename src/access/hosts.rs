//! Patterns of hosts as operators write them, and the Host names a listener answers to.
//!
//! `host[:port]`, `*.example.com[:port]` and addresses, compiled into tables that are asked without
//! allocation. What an address may be used for is not decided here.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use foldhash::fast::RandomState;
use url::Host;

use crate::{
    http1::fields::trim,
    uri::{can_be_resolved, is_public_suffix},
};

/// A rule that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {message}")]
pub struct RuleFault {
    /// The rule as it was written.
    pub rule: String,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}

/// The ports of one host in a set of patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ports {
    Any,
    These(Vec<u16>),
}

impl Ports {
    fn add(&mut self, port: Option<u16>) {
        match (&mut *self, port) {
            (Self::Any, _) => {}
            (Self::These(_), None) => *self = Self::Any,
            (Self::These(ports), Some(port)) => ports.push(port),
        }
    }

    fn admit(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::These(ports) => ports.contains(&port),
        }
    }
}

/// One host pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// One name, in its ASCII form, lower case, without a last dot.
    Name(Box<str>),
    /// All names below this one.
    Below(Box<str>),
    /// One address; IPv4-mapped ones are kept as IPv4.
    Address(IpAddr),
}

/// A compiled set of host patterns. Only operators fill it, so that clients cannot choose what is hashed beside what.
#[derive(Clone, Debug, Default)]
pub(super) struct HostPatterns {
    names: HashMap<Box<str>, Ports, RandomState>,
    below: HashMap<Box<str>, Ports, RandomState>,
    addresses: HashMap<IpAddr, Ports, RandomState>,
}

impl HostPatterns {
    /// Adds `rule` and tells how it was understood; the error says what is wrong with it.
    pub(super) fn add(&mut self, rule: &str) -> Result<String, String> {
        let (pattern, port) = parse(rule)?;
        let mut shown = match &pattern {
            Pattern::Name(name) => name.to_string(),
            Pattern::Below(name) => format!("*.{name}"),
            Pattern::Address(IpAddr::V6(ip)) => format!("[{ip}]"),
            Pattern::Address(IpAddr::V4(ip)) => ip.to_string(),
        };
        if let Some(port) = port {
            shown.push_str(&format!(":{port}"));
        }
        let ports = match pattern {
            Pattern::Name(name) => self.names.entry(name).or_insert(Ports::These(Vec::new())),
            Pattern::Below(name) => self.below.entry(name).or_insert(Ports::These(Vec::new())),
            Pattern::Address(ip) => self.addresses.entry(ip).or_insert(Ports::These(Vec::new())),
        };
        ports.add(port);
        Ok(shown)
    }

    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.below.is_empty() && self.addresses.is_empty()
    }

    /// Whether a wildcard stands over names that anybody can have.
    pub(super) fn has_public_suffix(&self) -> bool {
        self.below.keys().any(|parent| is_public_suffix(parent))
    }

    /// Whether `name`, lower case and without a last dot, is named itself.
    pub(super) fn has_name(&self, name: &str, port: u16) -> bool {
        self.names.get(name).is_some_and(|ports| ports.admit(port))
    }

    /// Whether `name`, lower case and without a last dot, stands below a wildcard.
    pub(super) fn has_wildcard_over(&self, name: &str, port: u16) -> bool {
        if self.below.is_empty() {
            return false;
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if self.below.get(parent).is_some_and(|ports| ports.admit(port)) {
                return true;
            }
            rest = parent;
        }
        false
    }

    /// Whether `ip` is named itself.
    pub(super) fn has_address(&self, ip: IpAddr, port: u16) -> bool {
        self.addresses.get(&ip.to_canonical()).is_some_and(|ports| ports.admit(port))
    }
}

/// `name` as the tables hold it: lower case, without the last dot (RFC 4343; RFC 1034 §3.1).
pub(super) fn folded(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn parse(rule: &str) -> Result<(Pattern, Option<u16>), String> {
    if rule.is_empty() {
        return Err("is empty; leave it out".to_owned());
    }
    if let Some((_, rest)) = rule.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().filter(|host| parse(host).is_ok());
        return Err(format!(
            "is a URL; write the host alone: {}",
            host.unwrap_or("example.com or example.com:8443")
        ));
    }
    if let Some(fault) = with_path(rule) {
        return Err(fault);
    }
    if let Ok(ip) = rule.parse::<IpAddr>() {
        return Ok((Pattern::Address(ip.to_canonical()), None));
    }
    let (host, port) =
        split_port(rule).ok_or("is no host with a port; write host, host:port or [IPv6]:port")?;
    let port = match port {
        Some(digits) => Some(port_number(digits).ok_or("has no port from 1 to 65535 behind its colon")?),
        None => None,
    };
    if host.starts_with('[') {
        let ip = bracketed(host).ok_or("holds no IPv6 address between its brackets")?;
        return Ok((Pattern::Address(ip.to_canonical()), port));
    }
    let (is_wildcard, name) = match host.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, host),
    };
    if name.contains('*') {
        return Err("has a * that is not the whole first label; write *.example.com".to_owned());
    }
    match Host::parse(name) {
        Ok(Host::Domain(name)) if can_be_resolved(&name) => {
            let name = folded(&name).into();
            Ok((if is_wildcard { Pattern::Below(name) } else { Pattern::Name(name) }, port))
        }
        Ok(Host::Ipv4(ip)) if !is_wildcard => Ok((Pattern::Address(IpAddr::V4(ip)), port)),
        Ok(Host::Ipv4(_)) => {
            Err("is a wildcard over an address; write a network, as in 10.0.0.0/8".to_owned())
        }
        Ok(Host::Domain(_) | Host::Ipv6(_)) | Err(_) => {
            Err("is no host name; write host, host:port, *.example.com, an address or a network".to_owned())
        }
    }
}

/// What to say of a host that has a path behind it; nothing where it has none, or where a network was meant.
pub(super) fn with_path(rule: &str) -> Option<String> {
    let (host, path) = rule.split_once('/')?;
    let is_network = host.parse::<IpAddr>().is_ok() && path.bytes().all(|byte| byte.is_ascii_digit());
    (!is_network && parse(host).is_ok())
        .then(|| format!("has a path, and hosts are judged whole; write {host}"))
}

/// Host and port of an authority, neither of them checked; nothing when a colon is ambiguous.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let name_end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    match authority[name_end..].split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((rest, port)) => Some((&authority[..name_end + rest.len()], Some(port))),
        None => Some((authority, None)),
    }
}

/// A port in plain digits; 0 is none.
fn port_number(digits: &str) -> Option<u16> {
    // `str::parse` would accept "+80".
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|port| *port != 0)
}

/// The address in `[…]`.
fn bracketed(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// The longest Host value that can name a host: a name, its last dot, a colon and a port.
const MAX_HOST_VALUE: usize = 253 + 1 + 6;

/// The Host names that a listener answers to.
///
/// A page whose name was bound to a loopback address after it was loaded is same-origin with whatever
/// listens there; only its Host field tells it from the real one.
#[derive(Clone, Debug)]
pub struct AllowHosts {
    any: bool,
    patterns: HostPatterns,
    /// Hosts on any port as nearly every client writes them: nothing has to be parsed for these.
    written: Vec<Box<str>>,
}

impl AllowHosts {
    /// Compiles `host[:port]`, `*.example.com[:port]` and addresses; `*` switches the check off. Without
    /// rules: `localhost`, `127.0.0.1` and `[::1]`.
    ///
    /// # Errors
    /// Every rule that cannot be understood.
    pub fn compile(rules: &[String]) -> Result<Self, Vec<RuleFault>> {
        let mut compiled = Self { any: false, patterns: HostPatterns::default(), written: Vec::new() };
        let mut faults = Vec::new();
        let written = rules.iter().map(|rule| rule.trim());
        let default = ["localhost", "127.0.0.1", "[::1]"].into_iter().filter(|_| rules.is_empty());
        for rule in written.chain(default) {
            if rule == "*" {
                compiled.any = true;
                continue;
            }
            match compiled.patterns.add(rule) {
                Ok(shown) if shown.starts_with("*.") => {}
                Ok(shown) if shown.ends_with(']') || !shown.contains(':') => {
                    compiled.written.push(shown.into())
                }
                Ok(_) => {}
                Err(message) => faults.push(RuleFault { rule: rule.to_owned(), message }),
            }
        }
        if faults.is_empty() { Ok(compiled) } else { Err(faults) }
    }

    /// Whether a request with this Host value is for one of the names, and not merely answered because any is.
    #[must_use]
    pub fn names(&self, host_header: &[u8]) -> bool {
        !self.any && self.admits(host_header)
    }

    /// Whether a request with this Host value is answered. A missing port counts as both default ports,
    /// because the scheme is not known here.
    #[must_use]
    pub fn admits(&self, host_header: &[u8]) -> bool {
        if self.any {
            return true;
        }
        let value = trim(host_header);
        if value.len() > MAX_HOST_VALUE {
            return false;
        }
        let Some((host, port)) = str::from_utf8(value).ok().and_then(split_port) else { return false };
        match port {
            None | Some("") => self.admits_host(host, 80) || self.admits_host(host, 443),
            Some(digits) => port_number(digits).is_some_and(|port| self.admits_host(host, port)),
        }
    }

    fn admits_host(&self, host: &str, port: u16) -> bool {
        if self.written.iter().any(|written| **written == *host) {
            return true;
        }
        if let Some(ip) = bracketed(host).or_else(|| host.parse().ok().map(IpAddr::V4)) {
            return self.patterns.has_address(ip, port);
        }
        let name = folded(host);
        self.patterns.has_name(&name, port) || self.patterns.has_wildcard_over(&name, port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(rules: &[&str]) -> AllowHosts {
        AllowHosts::compile(&rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn without_rules_only_the_loopback_names_are_answered() {
        let hosts = allow(&[]);
        for host in [
            "localhost",
            "localhost:3000",
            "LocalHost:3000",
            "localhost.:3000",
            "localhost:",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:3000",
            "[0:0:0:0:0:0:0:1]:3000",
        ] {
            assert!(hosts.admits(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":3000",
            "rebound.example",
            "rebound.example:3000",
            "a.localhost",
            "localhost.example",
            "127.0.0.2",
            "127.0.0.1.example",
            "0.0.0.0:3000",
            "::1",
            "[::1",
            "[::1]x",
            "[localhost]",
            "localhost:x",
            "localhost:+80",
            "localhost:0",
            "localhost:80:80",
            "localhost:65536",
            "user@localhost",
            "localhost..",
            "localhost,rebound.example",
        ] {
            assert!(!hosts.admits(host.as_bytes()), "{host}");
        }
        assert!(!hosts.admits(b"localhost\xff"));
        assert!(!hosts.admits("a".repeat(20_000).as_bytes()));
    }

    #[test]
    fn rules_replace_the_loopback_names() {
        let hosts = allow(&["Gate.Example", "*.dev.example", "other.example:8443", "10.0.0.1"]);
        for host in
            ["gate.example:99", "a.dev.example", "a.b.dev.example:1", "other.example:8443", "10.0.0.1:3000"]
        {
            assert!(hosts.admits(host.as_bytes()), "{host}");
        }
        for host in [
            "localhost",
            "dev.example",
            "xdev.example",
            "other.example",
            "other.example:443",
            "a.gate.example",
        ] {
            assert!(!hosts.admits(host.as_bytes()), "{host}");
        }
        assert!(allow(&["web.example:443"]).admits(b"web.example"));
        assert!(allow(&["*"]).admits(b"anything at all"));
    }

    #[test]
    fn every_rule_that_cannot_be_understood_is_named() {
        let rules = [
            "",
            "http://a.example",
            "a.example:x",
            "*a.example",
            "a b",
            "good.example",
            "*.10.0.0.1",
            "[::x]",
        ];
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let faults = AllowHosts::compile(&rules).unwrap_err();
        let named: Vec<&str> = faults.iter().map(|fault| fault.rule.as_str()).collect();
        assert_eq!(
            named,
            ["", "http://a.example", "a.example:x", "*a.example", "a b", "*.10.0.0.1", "[::x]"]
        );
    }
}

//! Who may be reached: the operator's rules for targets, asked before and after resolution.
//!
//! [`TargetRules::admit_name`] judges what a URL says, and [`TargetRules::admit_address`] judges every address
//! at the moment it is connected to: no answer of a resolver, and no redirect, gets past the two. Where somebody else
//! resolves, [`TargetRules::admit_unresolved`] takes the place of the second. Rules are
//! compiled once; asking them is pure. No socket, no resolver and no HTTP may enter this room.

pub mod address;
pub mod hosts;

mod networks;

mod direct;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use self::{
    address::embedded,
    hosts::{HostPatterns, folded},
};
pub use self::{
    address::{AddressClass, class_of},
    direct::DirectHosts,
    hosts::{AllowHosts, RuleFault},
    networks::cover_the_internet,
};
use crate::{
    error::Error,
    uri::{TargetHost, may_be_public},
};

/// What stands where the operator says nothing.
const DEFAULT_RULE: &str = "public";

/// One side of the rules: what is allowed, or what is denied.
#[derive(Clone, Debug, Default)]
struct RuleSet {
    any: bool,
    public: bool,
    private: bool,
    loopback: bool,
    networks: Vec<IpNet>,
    hosts: HostPatterns,
}

impl RuleSet {
    /// Adds `rule` and tells how it was understood; the error says what is wrong with it.
    fn add(&mut self, rule: &str) -> Result<String, String> {
        let keyword = rule.to_ascii_lowercase();
        match keyword.as_str() {
            "any" => self.any = true,
            "public" => self.public = true,
            "private" => self.private = true,
            "loopback" => self.loopback = true,
            "*" => {
                return Err("is no rule; write any, and know that it reaches private networks too".to_owned());
            }
            _ if rule.contains('/') && !rule.contains("://") => {
                let network = parse_network(rule).ok_or_else(|| {
                    hosts::with_path(rule).unwrap_or_else(|| {
                        "is no network; write an address and a prefix, as in 10.0.0.0/8 or fd00::/8"
                            .to_owned()
                    })
                })?;
                self.networks.push(network);
                return Ok(network.to_string());
            }
            _ => return self.hosts.add(rule),
        }
        Ok(keyword)
    }

    /// Whether a network that is named itself holds the address.
    fn has_network_of(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Whether a range covers `ip`. `private` and `loopback` mean addresses that are that, not IPv6 detours
    /// which end there.
    fn covers(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let by_class = match class_of(ip) {
            AddressClass::Public => self.public,
            AddressClass::Private => self.private && embedded(ip).is_none(),
            AddressClass::Loopback => self.loopback && embedded(ip).is_none(),
            AddressClass::LinkLocal
            | AddressClass::Metadata
            | AddressClass::Unspecified
            | AddressClass::Multicast
            | AddressClass::Documentation
            | AddressClass::Reserved => false,
        };
        self.any || by_class || self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Whether there is any range, so that a name which no rule mentions may still lead to one.
    const fn has_ranges(&self) -> bool {
        self.any || self.public || self.private || self.loopback || !self.networks.is_empty()
    }

    /// Whether there is no rule at all.
    fn is_empty(&self) -> bool {
        !self.has_ranges() && self.hosts.is_empty()
    }

    /// Whether `ip`, or the IPv4 address that it carries, is covered or named.
    fn touches(&self, ip: IpAddr, port: u16) -> bool {
        if self.is_empty() {
            return false;
        }
        let hit = |ip| self.covers(ip) || self.hosts.has_address(ip, port);
        hit(ip) || embedded(ip).is_some_and(|ip| hit(IpAddr::V4(ip)))
    }
}

/// A network, its host bits cleared; one of IPv4-mapped addresses becomes the IPv4 network that it means.
#[must_use]
pub fn parse_network(rule: &str) -> Option<IpNet> {
    let network = rule.parse::<IpNet>().ok()?.trunc();
    if let IpNet::V6(mapped) = network
        && let Some(prefix) = mapped.prefix_len().checked_sub(96)
        && let Some(address) = mapped.addr().to_ipv4_mapped()
    {
        return Ipv4Net::new(address, prefix).ok().map(IpNet::V4);
    }
    Some(network)
}

/// Which addresses a name may lead to; only [`TargetRules::admit_name`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameVerdict(Reach);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The host is named itself: any address that is not denied.
    Everywhere,
    /// The name stands below a wildcard: public addresses, and those of the ranges.
    PublicOrRanges,
    /// No rule mentions the name: addresses of the ranges.
    Ranges,
}

/// The operator's rules for targets, compiled.
///
/// A rule is `public`, `private`, `loopback`, `any`, a network, a host or address with or without a port, or
/// `*.example.com` with or without a port. What is denied stays denied, whatever allows it. A host or address
/// that is named itself is allowed as it stands in the URL, wherever its ranges lie; ranges are judged on
/// the address that is connected to. Metadata addresses are reached only by name, by network, or by `any`.
#[derive(Clone, Debug)]
pub struct TargetRules {
    allow: RuleSet,
    deny: RuleSet,
    description: Box<str>,
}

impl TargetRules {
    /// Compiles the rules; without an allowed one, `public` is allowed.
    ///
    /// # Errors
    /// Every rule that cannot be understood.
    pub fn compile(allow: &[String], deny: &[String]) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
        let mut compile = |rules: &[String]| {
            let mut set = RuleSet::default();
            let mut shown = Vec::new();
            for rule in rules {
                match set.add(rule.trim()) {
                    Ok(understood) => shown.push(understood),
                    Err(message) => faults.push(RuleFault { rule: rule.clone(), message }),
                }
            }
            (set, shown.join(", "))
        };
        let default = [DEFAULT_RULE.to_owned()];
        let (allow, mut description) = compile(if allow.is_empty() { &default } else { allow });
        let (deny, denied) = compile(deny);
        if !faults.is_empty() {
            return Err(faults);
        }
        if !denied.is_empty() {
            description.push_str("; never ");
            description.push_str(&denied);
        }
        Ok(Self { allow, deny, description: description.into() })
    }

    /// Whether the host that a URL names may be asked for at all; the verdict is for
    /// [`TargetRules::admit_address`], which has the last word even on an address in the URL.
    ///
    /// # Errors
    /// [`Error::TargetDenied`] when the rules deny the host or do not mention it;
    /// [`Error::TargetAddressProhibited`] when it is an address that is not public, or a name that always
    /// means this machine (RFC 6761 §6.3), and nothing allows it.
    pub fn admit_name(&self, host: TargetHost<'_>, port: u16) -> Result<NameVerdict, Error> {
        match host {
            TargetHost::Ip(ip) => self.admit_literal(ip, port),
            TargetHost::Name(name) => self.admit_folded(&folded(name), port),
        }
        .map(NameVerdict)
    }

    fn admit_literal(&self, ip: IpAddr, port: u16) -> Result<Reach, Error> {
        if self.deny.touches(ip, port) {
            Err(Error::TargetDenied)
        } else if self.allow.hosts.has_address(ip, port) {
            Ok(Reach::Everywhere)
        } else if self.allow.covers(ip) {
            Ok(Reach::Ranges)
        } else if class_of(ip) == AddressClass::Public {
            Err(Error::TargetDenied)
        } else {
            Err(Error::TargetAddressProhibited)
        }
    }

    fn admit_folded(&self, name: &str, port: u16) -> Result<Reach, Error> {
        let RuleSet { any, hosts, .. } = &self.deny;
        if *any || hosts.has_name(name, port) || hosts.has_wildcard_over(name, port) {
            return Err(Error::TargetDenied);
        }
        if self.allow.hosts.has_name(name, port) {
            return Ok(Reach::Everywhere);
        }
        // Not left to the resolver: some answer for these names with what the network tells them.
        if name == "localhost" || name.ends_with(".localhost") {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return if loopback.iter().any(|ip| self.allow.covers(*ip)) {
                Ok(Reach::Ranges)
            } else {
                Err(Error::TargetAddressProhibited)
            };
        }
        if self.allow.hosts.has_wildcard_over(name, port) {
            Ok(Reach::PublicOrRanges)
        } else if self.allow.has_ranges() {
            Ok(Reach::Ranges)
        } else {
            Err(Error::TargetDenied)
        }
    }

    /// Whether this address of an admitted host may be connected to. To be asked for the very address that is
    /// then connected to, and again when a pooled connection to it is reused.
    #[must_use]
    pub fn admit_address(&self, verdict: NameVerdict, ip: IpAddr, port: u16) -> bool {
        if self.deny.touches(ip, port) {
            return false;
        }
        match verdict.0 {
            Reach::Everywhere => true,
            Reach::PublicOrRanges => class_of(ip) == AddressClass::Public || self.allow.covers(ip),
            Reach::Ranges => self.allow.covers(ip),
        }
    }

    /// Whether an address of an admitted host may be connected to that turned out to be one of this machine's own,
    /// whatever its range: then it is as near as loopback, and what listens there may count on being out of reach.
    #[must_use]
    pub fn admit_own_address(&self, verdict: NameVerdict, ip: IpAddr, port: u16) -> bool {
        let loopback = if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let as_itself = match verdict.0 {
            Reach::Everywhere => true,
            Reach::PublicOrRanges | Reach::Ranges => self.allow.has_network_of(ip),
        };
        let denied = self.deny.touches(ip, port) || self.deny.touches(loopback, port);
        !denied && (as_itself || self.admit_address(verdict, loopback, port))
    }

    /// Whether an admitted host may be asked for by way of somebody else, who resolves its name: nobody here sees the address
    /// that this leads to, and so the name has to do.
    ///
    /// # Errors
    /// [`Error::TargetAddressProhibited`] for an address that is not admitted, and for a name that can be of no public
    /// server where nothing but `public` admits it; [`Error::TargetDenied`] for one that no rule mentions where only
    /// networks are allowed.
    pub fn admit_unresolved(
        &self,
        verdict: NameVerdict,
        host: TargetHost<'_>,
        port: u16,
    ) -> Result<(), Error> {
        match (host, verdict.0) {
            (TargetHost::Ip(ip), _) if !self.admit_address(verdict, ip, port) => {
                Err(Error::TargetAddressProhibited)
            }
            (TargetHost::Ip(_), _) | (TargetHost::Name(_), Reach::Everywhere | Reach::PublicOrRanges) => {
                Ok(())
            }
            (TargetHost::Name(_), Reach::Ranges) if self.allow.any => Ok(()),
            (TargetHost::Name(_), Reach::Ranges) if !self.allow.public => Err(Error::TargetDenied),
            (TargetHost::Name(name), Reach::Ranges) if may_be_public(name) => Ok(()),
            (TargetHost::Name(_), Reach::Ranges) => Err(Error::TargetAddressProhibited),
        }
    }

    /// Whether what is allowed is a list, and not all of the internet: a gateway that anyone can reach needs
    /// one. Networks that hold a sixteenth of the internet or more together, and a wildcard over a public suffix, are
    /// none.
    #[must_use]
    pub fn is_list(&self) -> bool {
        let RuleSet { any, public, networks, hosts, .. } = &self.allow;
        !(*any || *public || cover_the_internet(networks) || hosts.has_public_suffix())
    }

    /// The rules in a line, as they were understood.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.description
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        gateway::{GatewayForms, GatewayRequest, parse},
        uri::TargetUrl,
    };

    fn owned(rules: &[&str]) -> Vec<String> {
        rules.iter().map(|rule| (*rule).to_owned()).collect()
    }

    fn rules(allow: &[&str], deny: &[&str]) -> TargetRules {
        TargetRules::compile(&owned(allow), &owned(deny)).unwrap()
    }

    #[test]
    fn an_own_address_of_any_range_is_judged_as_loopback() {
        for (allow, deny, url, expected) in [
            (&["public"][..], &[][..], "http://203.0.113.9:8080/", false),
            (&["public"], &[], "http://9.9.9.9:8080/", false),
            (&["public"], &[], "http://[2606:4700::1]:8080/", false),
            (&["public"], &[], "http://name.example/", false),
            (&["public", "loopback"], &[], "http://9.9.9.9:8080/", true),
            (&["public", "loopback"], &[], "http://[2606:4700::1]:8080/", true),
            (&["public", "loopback"], &[], "http://name.example/", true),
            (&["public", "9.9.9.0/24"], &[], "http://9.9.9.9:8080/", true),
            (&["public", "9.9.8.0/24"], &[], "http://9.9.9.9:8080/", false),
            (&["public", "name.example"], &[], "http://name.example/", true),
            (&["public", "loopback"], &["loopback"], "http://9.9.9.9:8080/", false),
            (&["public", "loopback"], &["9.9.9.9"], "http://9.9.9.9:8080/", false),
        ] {
            let rules = rules(allow, deny);
            let target = TargetUrl::parse(url).unwrap();
            let ip = match target.host() {
                TargetHost::Ip(ip) => ip,
                TargetHost::Name(_) => "9.9.9.9".parse().unwrap(),
            };
            let admitted =
                judge(&rules, url).is_ok_and(|verdict| rules.admit_own_address(verdict, ip, target.port()));
            assert_eq!(admitted, expected, "{allow:?} {deny:?} {url}");
        }
    }

    #[test]
    fn what_somebody_else_resolves_is_judged_by_name_and_a_literal_by_its_address() {
        use Error::{TargetAddressProhibited as Prohibited, TargetDenied as Denied};
        for (allow, deny, url, expected) in [
            (&["public"][..], &[][..], "http://example.com/", Ok(())),
            (&["public"], &[], "http://9.9.9.9/", Ok(())),
            (&["public"], &[], "http://10.0.0.1/", Err(Prohibited)),
            (&["public"], &[], "http://[::ffff:10.0.0.1]/", Err(Prohibited)),
            (&["public"], &[], "http://169.254.169.254/", Err(Prohibited)),
            (&["public"], &[], "http://localhost/", Err(Prohibited)),
            (&["public"], &[], "http://intranet/", Err(Prohibited)),
            (&["public"], &[], "http://metadata.google.internal/", Err(Prohibited)),
            (&["public"], &[], "http://printer.local./", Err(Prohibited)),
            (&["public", "intranet"], &[], "http://intranet/", Ok(())),
            (&["public", "*.corp.internal"], &[], "http://a.corp.internal/", Ok(())),
            (&["any"], &[], "http://intranet/", Ok(())),
            (&["10.0.0.0/8"], &[], "http://example.com/", Err(Denied)),
            (&["private"], &[], "http://example.com/", Err(Denied)),
            (&["10.0.0.0/8"], &[], "http://10.0.0.1/", Ok(())),
            (&["api.example.org"], &[], "http://api.example.org/", Ok(())),
            (&["api.example.org"], &[], "http://example.com/", Err(Denied)),
            (&["public"], &["example.com"], "http://example.com/", Err(Denied)),
        ] {
            let rules = rules(allow, deny);
            let target = TargetUrl::parse(url).unwrap();
            let judged = judge(&rules, url)
                .and_then(|verdict| rules.admit_unresolved(verdict, target.host(), target.port()));
            assert_eq!(judged, expected, "{allow:?} {deny:?} {url}");
        }
    }

    fn judge(rules: &TargetRules, url: &str) -> Result<NameVerdict, Error> {
        let target = TargetUrl::parse(url)?;
        rules.admit_name(target.host(), target.port())
    }

    /// Loopback, unspecified, private, metadata and other addresses that are not public, as one may spell them.
    const PROHIBITED: &str = "
        127.0.0.1 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0X7F000001 017700000001 0x7f.1
        0x7F.0x0.0x0.0x1 0177.0.0.1 0177.0.0.01 00000177.1 127.0.0.1. 0x7f.1. %31%32%37.0.0.1
        127%2e0%2E0.1 %EF%BC%91%EF%BC%92%EF%BC%97.0.0.1 127%E3%80%820%E3%80%820%E3%80%821
        %E2%91%A0%E2%91%A1%E2%91%A6.%E2%93%AA.%E2%93%AA.%E2%91%A0 0 0.0.0.0 0x0 0.1.2.3 [::] [::1]
        [0:0:0:0:0:0:0:1] [0000::0001] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::FFFF:7F00:1]
        [0:0:0:0:0:ffff:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::127.0.0.1]
        [2002:7f00:1::] [2002:7f00:0001::1] [::ffff:0:127.0.0.1] localhost LOCALHOST localhost.
        a.localhost a.localhost. %6cocalhost loc%61lhost %EF%BD%8Cocalhost l%E2%93%9Ecalhost 10.0.0.1 10.1
        167772161 0xa.0.0.1 012.0.0.1 172.16.0.1 0xac100001 192.168.1.1 3232235777 0300.0250.1.1
        192.168.257 100.64.0.1 [fc00::1] [fd12:3456::1] [::ffff:10.0.0.1] [::ffff:c0a8:101]
        [64:ff9b::10.0.0.1] [2002:a00:1::] [2002:c0a8:101::] 169.254.169.254 2852039166 0xA9FEA9FE
        0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 169.254.43518 169.16689662 169.254.169.254.
        [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [64:ff9b::a9fe:a9fe] [2002:a9fe:a9fe::]
        %E2%91%A0%E2%91%A5%E2%91%A8.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 [fd00:ec2::254]
        [FD00:EC2:0:0::254] 169.254.170.2 [fe80::1] [fec0::1] 224.0.0.1 [ff02::1] 255.255.255.255
        240.0.0.1 198.18.0.1 192.0.2.1 198.51.100.1 203.0.113.1 192.88.99.1 [2001:db8::1] [2001::1]
        [3fff::1] [100::1] [5f00::1] [2001:10::1] [2001:20::1] [4000::1]
    ";

    #[test]
    fn no_spelling_of_a_prohibited_host_gets_past_the_default_rules() {
        let rules = rules(&[], &[]);
        for host in PROHIBITED.split_whitespace() {
            let refused = |answer: Result<GatewayRequest, Error>| match answer {
                Ok(GatewayRequest::Target(target, _)) => match rules.admit_name(target.host(), target.port())
                {
                    Err(Error::TargetAddressProhibited) => true,
                    Ok(_) | Err(_) => false,
                },
                Ok(_) => false,
                Err(error) => matches!(error, Error::TargetInvalid(_)),
            };
            let escaped = host.replace('%', "%25");
            for request_target in [
                format!("/http://{host}/"),
                format!("/http:/{host}:8080/"),
                format!("/HTTPS://{host}"),
                format!("/?url=http://{host}/&x"),
                format!("/?url=http%3A%2F%2F{escaped}%2F"),
                format!("/?url=http%3A%2F%2F{host}"),
                format!("/?url=http:%5C%5C{host}%5C"),
            ] {
                assert!(
                    refused(parse(GatewayForms::default(), request_target.as_bytes())),
                    "{request_target}"
                );
            }
        }
    }

    #[test]
    fn the_standard_reads_these_spellings_and_the_rules_refuse_them() {
        let rules = rules(&[], &[]);
        for url in [
            "http://127.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1./",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://%31%32%37.1/",
            "http://[::ffff:7f00:1]/",
            "http://localhost./",
        ] {
            assert_eq!(judge(&rules, url), Err(Error::TargetAddressProhibited), "{url}");
        }
    }

    #[test]
    fn allow_rules_decide_on_the_host_in_the_url() {
        use Error::{TargetAddressProhibited as Prohibited, TargetDenied as Denied};
        use Reach::{Everywhere, PublicOrRanges, Ranges};
        let table: &[(&[&str], &str, Result<Reach, Error>)] = &[
            (&[], "http://a.example/", Ok(Ranges)),
            (&[], "http://1.1.1.1/", Ok(Ranges)),
            (&[], "http://10.0.0.1/", Err(Prohibited)),
            (&["127.0.0.1:9001"], "http://127.0.0.1:9001/", Ok(Everywhere)),
            (&["127.0.0.1:9001"], "http://0x7f.1:9001/", Ok(Everywhere)),
            (&["127.0.0.1:9001"], "http://[::ffff:127.0.0.1]:9001/", Ok(Everywhere)),
            (&["127.0.0.1:9001"], "http://127.0.0.1:9002/", Err(Prohibited)),
            (&["127.0.0.1:9001"], "http://127.0.0.1/", Err(Prohibited)),
            (&["127.0.0.1:9001"], "http://localhost:9001/", Err(Prohibited)),
            (&["127.0.0.1:9001"], "http://a.example:9001/", Err(Denied)),
            (&["127.0.0.1:9001"], "http://1.1.1.1/", Err(Denied)),
            (&["localhost:9001"], "http://localhost:9001/", Ok(Everywhere)),
            (&["localhost:9001"], "http://LOCALHOST.:9001/", Ok(Everywhere)),
            (&["localhost:9001"], "http://localhost/", Err(Prohibited)),
            (&["localhost:9001"], "http://127.0.0.1:9001/", Err(Prohibited)),
            (&["localhost"], "http://localhost:1/", Ok(Everywhere)),
            (&["localhost:1", "localhost:2"], "http://localhost:2/", Ok(Everywhere)),
            (&["localhost:1", "localhost"], "http://localhost:2/", Ok(Everywhere)),
            (&["[::1]:9001"], "http://[::1]:9001/", Ok(Everywhere)),
            (&["::1"], "http://[::1]/", Ok(Everywhere)),
            (&["::1"], "http://127.0.0.1/", Err(Prohibited)),
            (&["B\u{fc}cher.Example."], "http://b\u{fc}cher.example/", Ok(Everywhere)),
            (&["a.example"], "https://a.example/", Ok(Everywhere)),
            (&["a.example:443"], "https://a.example/", Ok(Everywhere)),
            (&["a.example:443"], "http://a.example/", Err(Denied)),
            (&["a.example"], "https://b.a.example/", Err(Denied)),
            (&["*.a.example"], "https://b.a.example/", Ok(PublicOrRanges)),
            (&["*.a.example"], "https://c.b.a.example./", Ok(PublicOrRanges)),
            (&["*.a.example"], "https://a.example/", Err(Denied)),
            (&["*.a.example"], "https://ba.example/", Err(Denied)),
            (&["*.a.example:8443"], "https://b.a.example/", Err(Denied)),
            (&["*.localhost"], "http://a.localhost/", Err(Prohibited)),
            (&["loopback"], "http://localhost/", Ok(Ranges)),
            (&["loopback"], "http://a.localhost/", Ok(Ranges)),
            (&["loopback"], "http://127.9.9.9/", Ok(Ranges)),
            (&["loopback"], "http://[::1]/", Ok(Ranges)),
            (&["loopback"], "http://[::ffff:127.0.0.1]/", Ok(Ranges)),
            (&["loopback"], "http://[2002:7f00:1::]/", Err(Prohibited)),
            (&["loopback"], "http://10.0.0.1/", Err(Prohibited)),
            (&["loopback"], "http://1.1.1.1/", Err(Denied)),
            (&["private"], "http://10.0.0.1/", Ok(Ranges)),
            (&["private"], "http://[fd12::1]/", Ok(Ranges)),
            (&["private"], "http://100.64.0.1/", Ok(Ranges)),
            (&["private"], "http://127.0.0.1/", Err(Prohibited)),
            (&["private"], "http://169.254.1.1/", Err(Prohibited)),
            (&["private"], "http://169.254.169.254/", Err(Prohibited)),
            (&["private"], "http://100.100.100.200/", Err(Prohibited)),
            (&["private"], "http://[fd00:ec2::254]/", Err(Prohibited)),
            (&["169.254.169.254"], "http://169.254.169.254/", Ok(Everywhere)),
            (&["169.254.0.0/16"], "http://169.254.169.254/", Ok(Ranges)),
            (&["any"], "http://169.254.169.254/", Ok(Ranges)),
            (&["any"], "http://localhost/", Ok(Ranges)),
            (&["any"], "http://[64:ff9b::7f00:1]/", Ok(Ranges)),
            (&["10.0.0.0/8"], "http://10.9.9.9/", Ok(Ranges)),
            (&["10.9.9.9/8"], "http://10.1.1.1/", Ok(Ranges)),
            (&["::ffff:10.0.0.0/104"], "http://10.1.1.1/", Ok(Ranges)),
            (&["10.0.0.0/8"], "http://[::ffff:10.9.9.9]/", Ok(Ranges)),
            (&["10.0.0.0/8"], "http://11.0.0.1/", Err(Denied)),
            (&["10.0.0.0/8"], "http://intranet/", Ok(Ranges)),
            (&["127.0.0.0/8"], "http://localhost/", Ok(Ranges)),
            (&["PUBLIC", "loopback"], "http://a.example/", Ok(Ranges)),
        ];
        for (allow, url, expected) in table {
            assert_eq!(judge(&rules(allow, &[]), url).map(|verdict| verdict.0), *expected, "{allow:?} {url}");
        }
    }

    #[test]
    fn addresses_are_judged_again_when_they_are_connected_to() {
        for (allow, deny, url, ip, expected) in [
            ("", "", "http://a.example/", "1.1.1.1", true),
            ("", "", "http://a.example/", "127.0.0.1", false),
            ("", "", "http://a.example/", "::ffff:10.0.0.1", false),
            ("", "", "http://a.example/", "169.254.169.254", false),
            ("a.example", "", "http://a.example/", "10.0.0.1", true),
            ("a.example", "private", "http://a.example/", "10.0.0.1", false),
            ("a.example", "10.0.0.1:80", "http://a.example/", "10.0.0.1", false),
            ("a.example", "10.0.0.1:81", "http://a.example/", "10.0.0.1", true),
            ("a.example", "10.0.0.0/8", "http://a.example/", "64:ff9b::a00:1", false),
            ("*.example", "", "http://a.example/", "1.1.1.1", true),
            ("*.example", "", "http://a.example/", "10.0.0.1", false),
            ("*.example private", "", "http://a.example/", "10.0.0.1", true),
            ("*.example private", "", "http://a.example/", "127.0.0.1", false),
            ("*.example 127.0.0.1", "", "http://a.example/", "127.0.0.1", false),
            ("*.example 127.0.0.1/32", "", "http://a.example/", "127.0.0.1", true),
            ("private", "", "http://other.test/", "10.0.0.1", true),
            ("private", "", "http://other.test/", "1.1.1.1", false),
            ("loopback", "", "http://localhost/", "::1", true),
            ("loopback", "", "http://localhost/", "1.1.1.1", false),
            ("127.0.0.1:80", "", "http://127.0.0.1/", "127.0.0.1", true),
            ("any", "", "http://a.example/", "169.254.169.254", true),
            ("any", "169.254.169.254", "http://a.example/", "169.254.169.254", false),
            ("any", "loopback", "http://a.example/", "::1", false),
        ] {
            let words = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
            let rules = rules(&words(allow), &words(deny));
            let verdict = judge(&rules, url).unwrap();
            assert_eq!(
                rules.admit_address(verdict, ip.parse().unwrap(), 80),
                expected,
                "{allow} {deny} {url} {ip}"
            );
        }
    }

    #[test]
    fn what_is_denied_stays_denied() {
        for (allow, deny, url) in [
            ("public", "evil.example", "http://evil.example./"),
            ("public", "*.evil.example", "http://a.evil.example/"),
            ("public", "evil.example:8080", "http://evil.example:8080/"),
            ("a.example", "a.example", "http://a.example/"),
            ("a.example", "any", "http://a.example/"),
            ("any", "1.1.1.1", "http://1.1.1.1/"),
            ("any", "1.1.1.1", "http://[::ffff:1.1.1.1]/"),
            ("any", "1.1.1.0/24", "http://[2002:101:101::]/"),
            ("any", "private", "http://10.1/"),
            ("10.0.0.1", "private", "http://10.0.0.1/"),
            ("any", "loopback", "http://127.1/"),
        ] {
            assert_eq!(
                judge(&rules(&[allow], &[deny]), url),
                Err(Error::TargetDenied),
                "{allow} {deny} {url}"
            );
        }
        assert!(judge(&rules(&["public"], &["evil.example:8080"]), "http://evil.example/").is_ok());
        assert!(judge(&rules(&["public"], &["*.evil.example"]), "http://evil.example/").is_ok());
    }

    #[test]
    fn names_are_compared_without_case() {
        let rules = rules(&["a.example"], &["*.b.example"]);
        assert!(rules.admit_name(TargetHost::Name("A.Example"), 80).is_ok());
        assert_eq!(rules.admit_name(TargetHost::Name("X.B.EXAMPLE"), 80), Err(Error::TargetDenied));
    }

    #[test]
    fn every_rule_that_cannot_be_understood_is_named() {
        let bad = [
            "*",
            "",
            "http://a.example",
            "10.0.0.0/33",
            "a.example/b",
            "a.example:",
            "a.example:0",
            "::1:x:80",
        ];
        let faults =
            TargetRules::compile(&owned(&bad), &owned(&["a b", "*.*.example", "good.example"])).unwrap_err();
        let named: Vec<&str> = faults.iter().map(|fault| fault.rule.as_str()).collect();
        assert_eq!(named[..bad.len()], bad);
        assert_eq!(named[bad.len()..], ["a b", "*.*.example"]);
        assert!(faults[0].to_string().starts_with("*: is no rule"));
    }

    #[test]
    fn only_rules_that_leave_something_out_are_a_list() {
        for (allow, expected) in [
            (&[][..], false),
            (&["public"], false),
            (&["any"], false),
            (&["0.0.0.0/0"], false),
            (&["a.example", "public"], false),
            (&["0.0.0.0/1", "128.0.0.0/1"], false),
            (&["a.example", "*.com"], false),
            (&["*.co.uk:8443"], false),
            (&["a.example"], true),
            (&["*.example"], true),
            (&["127.0.0.1:9001"], true),
            (&["10.0.0.0/8"], true),
        ] {
            assert_eq!(rules(allow, &[]).is_list(), expected, "{allow:?}");
        }
    }

    #[test]
    fn the_rules_are_described_as_they_were_understood() {
        assert_eq!(rules(&[], &[]).describe(), "public");
        assert_eq!(
            rules(&["Public", "*.A.example:443", "10.1.1.1/8", "::1"], &["B.example."]).describe(),
            "public, *.a.example:443, 10.0.0.0/8, [::1]; never b.example"
        );
    }

    proptest! {
        #[test]
        fn an_address_is_admitted_by_default_exactly_when_it_is_public(bits: u32, wide: u128, style in 0_u8..7) {
            let rules = rules(&[], &[]);
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets();
            let host = match style {
                0 => v4.to_string(),
                1 => bits.to_string(),
                2 => format!("{bits:#x}"),
                3 => format!("0{bits:o}"),
                4 => format!("{a:#X}.0{b:o}.{}", u16::from_be_bytes([c, d])),
                5 => format!("[::ffff:{v4}]"),
                _ => format!("[{}]", Ipv6Addr::from(wide)),
            };
            let ip = if style < 6 { IpAddr::V4(v4) } else { IpAddr::V6(Ipv6Addr::from(wide)) };
            let verdict = judge(&rules, &format!("http://{}/", host));
            prop_assert_eq!(verdict.is_ok(), class_of(ip) == AddressClass::Public, "{}", host);
            if let Ok(verdict) = verdict {
                prop_assert!(rules.admit_address(verdict, ip, 80));
            }
        }

        #[test]
        fn no_url_leads_to_a_prohibited_literal_under_the_default_rules(host in "[0-9a-fA-FxX.:%\\[\\]]{1,24}") {
            if let Ok(target) = TargetUrl::parse(&format!("http://{host}/"))
                && let TargetHost::Ip(ip) = target.host()
                && rules(&[], &[]).admit_name(target.host(), target.port()).is_ok()
            {
                prop_assert_eq!(class_of(ip), AddressClass::Public);
            }
        }

        #[test]
        fn no_rule_breaks_the_compiler(rule in "\\PC{0,30}") {
            let _ = TargetRules::compile(std::slice::from_ref(&rule), &[]);
            if let Ok(hosts) = AllowHosts::compile(std::slice::from_ref(&rule)) {
                let _ = hosts.admits(rule.as_bytes());
            }
        }
    }
}

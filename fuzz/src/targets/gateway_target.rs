//! Targets of the gateway: an accepted URL reads back as itself, is never a prohibited address under the
//! default rules, and no redirect leads to userinfo, to another scheme, or out of the gateway.

use std::net::{IpAddr, Ipv6Addr};

use corsair::{
    access::TargetRules,
    error::Error,
    gateway::{self, Form, GatewayForms, GatewayRequest, HopMethod, Naming, next_hop, to_gateway_location},
    http1::head::Method,
    uri::{Scheme, TargetHost, TargetUrl},
};

use crate::{
    input::{Input, shown},
    reference::{address::is_public, head},
};

const BOTH: GatewayForms = GatewayForms { query: true, path: true, bare_hosts: false };

/// The property. The parts are a request target, a `Location` and an address.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let form = input.pick(&[Form::Query, Form::Path]);
    let status = input.pick(&[302, 301, 303, 307, 308, 200, 300, 304]);
    let method = input.pick(&["GET", "POST", "HEAD", "PUT"]);
    let mut parts = input.parts();
    let target = parts.next().unwrap_or_default();
    let location = parts.next().unwrap_or_default();
    let address = address(parts.next().unwrap_or_default());
    let current = match gateway::parse(BOTH, target) {
        Ok(GatewayRequest::Target(url, _)) => Some(url),
        Ok(_) | Err(Error::TargetInvalid(_)) => None,
        Err(error) => panic!("{error:?}: {}", shown(target)),
    };
    let alone = str::from_utf8(target).ok().and_then(|text| TargetUrl::parse(text).ok());
    for url in [&current, &alone].into_iter().flatten() {
        is_sound(url);
        is_admitted_rightly(url, address);
        leads_on(url, form, status, method, location);
    }
}

/// Sixteen bytes, or four, as an address.
fn address(bytes: &[u8]) -> IpAddr {
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(bytes) {
        *to = *from;
    }
    match bytes.len() {
        0..=4 => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        _ => IpAddr::V6(Ipv6Addr::from(octets)),
    }
}

/// A URL whose text says the same as its parts.
fn is_sound(url: &TargetUrl) {
    let text = url.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#'), "{text:?}");
    let (scheme, rest) = text.split_once("://").expect("a scheme");
    let (default, is_https) = match scheme {
        "http" => (80, false),
        "https" => (443, true),
        _ => panic!("{text}"),
    };
    assert_eq!((url.scheme() == Scheme::Https, url.scheme().as_str()), (is_https, scheme));
    let (authority, path) = rest.split_at(rest.find('/').expect("a path"));
    assert_eq!((url.authority(), url.path_and_query()), (authority, path));
    assert_eq!(url.origin(), format!("{scheme}://{authority}"));
    assert!(!authority.contains(['@', '\\', '?', ',']) && !authority.contains("%"), "{text}");
    assert!(head::is_authority(authority.as_bytes()), "{text}");
    let host_len = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_len);
    let port = port.strip_prefix(':').map(|digits| digits.parse::<u16>().expect("a port"));
    assert_ne!(port, Some(default), "{text}");
    assert_eq!(url.port(), port.unwrap_or(default));
    match url.host() {
        TargetHost::Ip(IpAddr::V4(ip)) => assert_eq!(host, ip.to_string()),
        TargetHost::Ip(IpAddr::V6(ip)) => {
            assert_eq!(host.trim_matches(['[', ']']).parse(), Ok(ip), "{text}");
        }
        TargetHost::Name(name) => {
            assert_eq!(host, name);
            let name = name.strip_suffix('.').unwrap_or(name);
            assert!(
                name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len())),
                "{text}"
            );
            assert!(!name.chars().any(|character| character.is_ascii_uppercase()), "{text}");
            // What ends in a number is an address to some resolvers (URL standard, "ends in a number").
            let last = name.rsplit('.').next().unwrap_or_default();
            let hexadecimal = last
                .strip_prefix("0x")
                .is_some_and(|rest| rest.chars().all(|character| character.is_ascii_hexdigit()));
            assert!(!hexadecimal && !last.chars().all(|character| character.is_ascii_digit()), "{text}");
        }
    }
    assert_eq!(TargetUrl::parse(text).as_ref(), Ok(url));
    for form in [Form::Query, Form::Path] {
        for omits_credentials in [false, true] {
            let naming = Naming { omits_credentials, ..form.into() };
            let location = to_gateway_location(naming, url, text.as_bytes()).expect("a URL").expect("http");
            let again = gateway::parse(BOTH, location.as_bytes());
            assert_eq!(again, Ok(GatewayRequest::Target(url.clone(), naming)), "{location}");
        }
    }
}

/// The default rules: what is public, and nothing else, before and after resolution.
fn is_admitted_rightly(url: &TargetUrl, address: IpAddr) {
    thread_local! {
        static RULES: TargetRules = TargetRules::compile(&[], &[]).expect("no rules are valid rules");
    }
    RULES.with(|rules| {
        let verdict = rules.admit_name(url.host(), url.port());
        let expected = match url.host() {
            TargetHost::Ip(ip) => is_public(ip),
            TargetHost::Name(name) => {
                let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
                labels.last() != Some(&"localhost")
            }
        };
        assert_eq!(verdict.is_ok(), expected, "{url}");
        if let TargetHost::Ip(ip) = url.host()
            && let Ok(verdict) = verdict
        {
            assert!(rules.admit_address(verdict, ip, url.port()), "{url}");
        }
        if let Ok(verdict) = verdict {
            assert_eq!(rules.admit_address(verdict, address, url.port()), is_public(address), "{address}");
        }
    });
}

/// Where a `Location` leads, followed and rewritten.
fn leads_on(current: &TargetUrl, form: Form, status: u16, method: &str, location: &[u8]) {
    let hop = next_hop(current, status, location, Method::of(method.as_bytes()));
    let rewritten = to_gateway_location(form.into(), current, location);
    let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
    match (&hop, &rewritten) {
        _ if !is_redirect => assert_eq!(hop, Ok(None)),
        (Ok(Some(hop)), Ok(Some(rewritten))) => {
            is_sound(&hop.target);
            let (to_get, drops) = match status {
                301 | 302 => (method == "POST", method == "POST"),
                303 => (method != "GET" && method != "HEAD", true),
                _ => (false, false),
            };
            assert_eq!((hop.method == HopMethod::Get, hop.drop_body_fields), (to_get, drops));
            let same = hop.target.scheme() == current.scheme()
                && hop.target.host() == current.host()
                && hop.target.port() == current.port();
            assert_eq!(hop.cross_origin, !same, "{current} to {}", hop.target);
            assert!(rewritten.bytes().all(|byte| byte.is_ascii_graphic()), "{rewritten:?}");
            let without_fragment = rewritten.split('#').next().unwrap_or_default();
            let again = gateway::parse(BOTH, without_fragment.as_bytes());
            // The browser takes every target for one origin: what leads to another is marked.
            let naming = Naming { omits_credentials: !same, ..form.into() };
            assert_eq!(again, Ok(GatewayRequest::Target(hop.target.clone(), naming)), "{rewritten}");
        }
        (Ok(None), Ok(None)) => assert!(!leaves(location), "{} is passed on", shown(location)),
        (Err(Error::TargetInvalid(_)), Err(Error::TargetInvalid(_))) => {}
        other => panic!("{other:?}: {}", shown(location)),
    }
}

/// Whether a browser would clearly follow this to http or https.
fn leaves(location: &[u8]) -> bool {
    let text: Vec<u8> =
        location.iter().copied().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')).collect();
    let start = text.iter().position(|byte| *byte > b' ').unwrap_or(text.len());
    let text = text[start..].to_ascii_lowercase();
    let plain = |bytes: &[u8]| {
        let host = bytes.split(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).next().unwrap_or_default();
        let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
        labels.iter().all(|label| {
            // Neither a number nor a name that has been encoded.
            label.first().is_some_and(u8::is_ascii_alphabetic)
                && label.iter().all(u8::is_ascii_alphabetic)
                && label.len() < 60
        }) && host.len() < 200
    };
    ["http://", "https://", "//", "http:\\\\"]
        .iter()
        .any(|prefix| text.strip_prefix(prefix.as_bytes()).is_some_and(plain))
}

//! Who may ask: programs and this listener's own page, and no page of another origin.
//!
//! A page that is read in a browser on this machine can send requests here. It cannot hide where it comes from: a browser
//! tells its origin or its site, and a page whose name was bound to this address after it was loaded still has that
//! name.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    access::AllowHosts,
    cors::is_same_origin,
    http1::{fields::FieldId, head::Request},
};

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    /// The name is none that this listener has.
    #[error("this Host is not known here; ask by address, or add the name to admin.allow_hosts")]
    Host,
    /// The page is of another origin.
    #[error("pages of other origins cannot use this listener")]
    Page,
}

/// Whether whoever has sent this may ask.
///
/// # Errors
/// Why not.
pub(super) fn admit(request: Request<'_>, hosts: &AllowHosts) -> Result<(), Stranger> {
    let field = |id| request.value(id).filter(|value| !value.is_empty());
    let host = field(FieldId::Host);
    if host.is_some_and(|host| !is_address(host) && !hosts.admits(host)) {
        return Err(Stranger::Host);
    }
    let own_page = |origin| host.is_some_and(|host| is_same_origin(origin, false, host));
    let sites = request.head.fields.all(FieldId::SecFetch);
    let mut sites =
        sites.filter(|field| field.name.of(request.bytes).eq_ignore_ascii_case(b"sec-fetch-site"));
    let own_site = sites.all(|field| matches!(field.value.of(request.bytes), b"same-origin" | b"none"));
    let is_own = field(FieldId::Origin).is_none_or(own_page) && own_site;
    if is_own { Ok(()) } else { Err(Stranger::Page) }
}

/// Whether it is an address, with or without a port: nobody can bind one to a name.
fn is_address(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    if let Some((ip, port)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return ip.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'));
    }
    host.split(':').next().is_some_and(|ip| ip.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    fn judged(fields: &str) -> Result<(), Stranger> {
        let head = format!("GET /status HTTP/1.1\r\n{fields}\r\n");
        let parsed = sample::try_request(head).unwrap();
        let hosts = AllowHosts::compile(&["localhost".to_owned(), "metrics.internal".to_owned()]).unwrap();
        admit(parsed.request(), &hosts)
    }

    #[test]
    fn programs_and_the_own_page_are_admitted() {
        for fields in [
            "Host: 127.0.0.1:9900\r\n",
            "Host: 10.1.2.3\r\n",
            "Host: [::1]:9900\r\n",
            "Host: localhost:9900\r\n",
            "Host: metrics.internal\r\n",
            "Host:\r\n",
            "Host: 127.0.0.1:9900\r\nSec-Fetch-Site: none\r\n",
            "Host: 127.0.0.1:9900\r\nOrigin: http://127.0.0.1:9900\r\nSec-Fetch-Site: same-origin\r\n",
        ] {
            assert_eq!(judged(fields), Ok(()), "{fields}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for (fields, expected) in [
            ("Host: evil.example\r\n", Stranger::Host),
            ("Host: 127.0.0.1.evil.example\r\n", Stranger::Host),
            ("Host: 1.2.3.4.5\r\n", Stranger::Host),
            ("Host: localhost.evil.example:9900\r\n", Stranger::Host),
            ("Host: 127.0.0.1:9900\r\nOrigin: https://evil.example\r\n", Stranger::Page),
            ("Host: 127.0.0.1:9900\r\nOrigin: null\r\n", Stranger::Page),
            ("Host: 127.0.0.1:9900\r\nOrigin: http://127.0.0.1:3000\r\n", Stranger::Page),
            ("Host: 127.0.0.1:9900\r\nOrigin: https://127.0.0.1:9900\r\n", Stranger::Page),
            ("Host: 127.0.0.1:9900\r\nSec-Fetch-Site: cross-site\r\n", Stranger::Page),
            ("Host: 127.0.0.1:9900\r\nSec-Fetch-Site: same-site\r\n", Stranger::Page),
            ("Host:\r\nOrigin: http://127.0.0.1:9900\r\n", Stranger::Page),
        ] {
            assert_eq!(judged(fields), Err(expected), "{fields}");
        }
    }
}

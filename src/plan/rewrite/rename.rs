//! What was renamed on the way up is renamed back on the way down.
//!
//! An application that is called by another name than the client uses, or under a prefix, writes both into what it
//! sends: into URLs that lead to it, and into the scope of cookies. There they become what the client knows. All else
//! is left as it is, and nothing is allocated unless something changes.

use std::net::Ipv4Addr;

use crate::{
    config::{Endpoint, HostHeader, Place},
    http1::{
        fields::{FieldId, starts_with_ignore_case, trim},
        target::{is_authority, is_same_authority, split_port},
    },
    uri::Scheme,
};

/// The names by which upstream and client know the same thing.
#[derive(Clone, Copy, Debug)]
pub struct Renaming<'a> {
    /// All servers of the upstream.
    pub servers: &'a [Endpoint],
    /// The one that answers.
    pub server: &'a Endpoint,
    /// Which `Host` it was sent.
    pub host_header: &'a HostHeader,
    /// What was taken away of the path before the prefix of the server was added; empty where nothing was. It begins
    /// with a slash, and ends with none.
    pub stripped: &'a str,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// The authority that the client used.
    pub authority: &'a [u8],
    /// The one by which the request came here: another one where a proxy before us renames it.
    pub called: &'a [u8],
}

impl Renaming<'_> {
    /// Whether a field may name the upstream.
    pub(super) const fn is_of(id: FieldId) -> bool {
        matches!(id, FieldId::Location | FieldId::ContentLocation | FieldId::Refresh | FieldId::SetCookie)
    }

    /// The value of a field as the client is to see it; nothing where it stays as it is.
    #[must_use]
    pub fn renamed(&self, id: FieldId, value: &[u8]) -> Option<Vec<u8>> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other field names the upstream")]
        match id {
            FieldId::Location | FieldId::ContentLocation => self.url(value),
            FieldId::Refresh => self.refresh(value),
            FieldId::SetCookie => self.cookie(value),
            _ => None,
        }
    }

    /// A URL, or its path alone (RFC 3986 §4.2).
    fn url(&self, url: &[u8]) -> Option<Vec<u8>> {
        let (scheme, rest) = if starts_with_ignore_case(url, b"http://") {
            (Some(Scheme::Http), url.get(7..)?)
        } else if starts_with_ignore_case(url, b"https://") {
            (Some(Scheme::Https), url.get(8..)?)
        } else if let Some(rest) = url.strip_prefix(b"//") {
            (None, rest)
        } else if let [b'/', ..] = url {
            // Browsers take `/\` for `//`, and leave out tabs.
            let names_host = |path: &[u8]| matches!(path, [b'/', b'/' | b'\\' | b'\t', ..]);
            if names_host(url) {
                return None;
            }
            let path = self.below(&self.server.prefix, url)?;
            if !self.stripped.is_empty() {
                return Some([self.stripped.as_bytes(), path].concat());
            }
            // What is left must not name a host.
            return match *path {
                _ if names_host(path) => Some(self.absolute(path)),
                [b'/', ..] => Some(path.to_vec()),
                _ => Some([b"/", path].concat()),
            };
        } else {
            return None;
        };
        let end = rest.iter().position(|byte| b"/?#\\".contains(byte)).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let prefix = self.prefix_of(scheme, authority).filter(|_| path.first() != Some(&b'\\'))?;
        let is_same = prefix.is_empty() && self.stripped.is_empty();
        let path = if is_same { path } else { self.below(prefix, path)? };
        let renamed = self.absolute(path);
        (renamed != url).then_some(renamed)
    }

    /// The URL of a path on this proxy.
    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let scheme: &[u8] = if self.secure { b"https://" } else { b"http://" };
        let needs_slash = self.stripped.is_empty() && !matches!(path, [] | [b'/', ..]);
        let slash: &[u8] = if needs_slash { b"/" } else { b"" };
        [scheme, self.authority, self.stripped.as_bytes(), slash, path].concat()
    }

    /// What follows the prefix of a server in a path, which the client knows behind what was stripped; nothing where the
    /// path is not below it, and where both know it by the same name.
    fn below<'p>(&self, prefix: &str, path: &'p [u8]) -> Option<&'p [u8]> {
        if prefix.is_empty() && self.stripped.is_empty() { None } else { without_prefix(prefix, path) }
    }

    /// The prefix of the server that is meant, if one is: by its address as configured, or by the `Host` that it was
    /// sent. Its scheme is the one that it is spoken to by, or the client's, which it may have been told.
    fn prefix_of(&self, scheme: Option<Scheme>, authority: &[u8]) -> Option<&str> {
        if !is_authority(authority) {
            return None;
        }
        let client = if self.secure { Scheme::Https } else { Scheme::Http };
        let is_named = |server: &Endpoint, name: &[u8]| {
            let scheme = scheme.unwrap_or(client);
            (scheme == server.scheme || scheme == client)
                && (authority.eq_ignore_ascii_case(name)
                    || is_same_authority(
                        (authority, scheme.default_port()),
                        (name, server.scheme.default_port()),
                    ))
        };
        let has_address = |server: &&Endpoint| {
            !matches!(server.place(), Place::Unix(_)) && is_named(server, server.authority.as_bytes())
        };
        let was_called = is_named(self.server, self.sent_host());
        let found = Some(self.server).filter(|server| was_called || has_address(server));
        found.or_else(|| self.servers.iter().find(has_address)).map(|server| &*server.prefix)
    }

    /// The `Host` that the server was sent.
    fn sent_host(&self) -> &[u8] {
        self.host_header.of(self.server).map_or(self.called, str::as_bytes)
    }

    /// `5; url=…` (HTML, "shared declarative refresh steps").
    fn refresh(&self, value: &[u8]) -> Option<Vec<u8>> {
        let is_time = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let rest = skip(trim(value), is_time);
        let rest = skip(rest, is_blank);
        let rest = if let [b';' | b',', rest @ ..] = rest { skip(rest, is_blank) } else { rest };
        let named = if starts_with_ignore_case(rest, b"url") {
            match skip(rest.get(3..)?, is_blank) {
                [b'=', url @ ..] => skip(url, is_blank),
                _ => rest,
            }
        } else {
            rest
        };
        let url = match *named {
            [quote @ (b'"' | b'\''), ref quoted @ ..] => {
                quoted.get(..memchr::memchr(quote, quoted).unwrap_or(quoted.len()))?
            }
            _ => named,
        };
        let renamed = self.url(url)?;
        // The URL is a part of the value, from its place to its end.
        let quote = usize::from(url.len() < named.len() && matches!(named, [b'"' | b'\'', ..]));
        let start = value.len().checked_sub(named.len())?.checked_add(quote)?;
        let end = start.checked_add(url.len())?;
        Some([value.get(..start)?, &renamed, value.get(end..)?].concat())
    }

    /// A cookie whose `Domain` is a server's loses it, and so becomes the client's for this proxy alone; its `Path`
    /// becomes the client's (RFC 6265 §4.1.2).
    fn cookie(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut changed = false;
        let mut renamed = Vec::new();
        for (index, attribute) in value.split(|byte| *byte == b';').enumerate() {
            let named = match memchr::memchr(b'=', attribute).and_then(|at| attribute.split_at_checked(at)) {
                Some((name, value)) if index > 0 => (trim(name), trim(value.get(1..)?)),
                Some(_) | None => (&b""[..], &b""[..]),
            };
            let path = match named {
                (name, domain) if name.eq_ignore_ascii_case(b"domain") && self.is_of_server(domain) => {
                    changed = true;
                    continue;
                }
                (name, path) if name.eq_ignore_ascii_case(b"path") => self.cookie_path(path),
                _ => None,
            };
            if index > 0 {
                renamed.push(b';');
            }
            match path {
                Some(path) => {
                    changed = true;
                    renamed.extend_from_slice(b" Path=");
                    renamed.extend_from_slice(self.stripped.as_bytes());
                    renamed.extend_from_slice(path);
                    if renamed.ends_with(b"=") {
                        renamed.push(b'/');
                    }
                }
                None => renamed.extend_from_slice(attribute),
            }
        }
        changed.then_some(renamed)
    }

    /// What follows the prefix of the server in the path of a cookie.
    fn cookie_path<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        match self.below(&self.server.prefix, path)? {
            // That of the whole server is that of all that the client knows of it, with a slash behind it or without.
            b"/" if self.server.prefix.is_empty() => Some(b""),
            // Without a slash at its start it is none (RFC 6265 §5.2.4).
            _ if !path.starts_with(b"/") => None,
            rest => Some(rest),
        }
    }

    /// Whether a cookie's domain holds a server, and not the name that the client uses.
    fn is_of_server(&self, domain: &[u8]) -> bool {
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        let holds = |authority: &[u8]| {
            split_port(authority).is_some_and(|(host, _)| {
                let is_below = || {
                    let above = host.len().checked_sub(domain.len()).and_then(|at| host.split_at_checked(at));
                    let is_address = str::from_utf8(host).is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok());
                    !is_address
                        && above.is_some_and(|(below, host)| {
                            below.ends_with(b".") && host.eq_ignore_ascii_case(domain)
                        })
                };
                host.eq_ignore_ascii_case(domain) || is_below()
            })
        };
        let is_server = |server: &Endpoint| {
            matches!(server.place(), Place::Port(..)) && holds(server.authority.as_bytes())
        };
        !domain.is_empty()
            && !holds(self.authority)
            && (holds(self.sent_host()) || self.servers.iter().any(is_server))
    }
}

const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `bytes` without those at its start that `is_skipped`.
fn skip(bytes: &[u8], is_skipped: impl Fn(&u8) -> bool) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_skipped(byte)).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// What follows a prefix in a path that begins with it, as whole segments; nothing where the path may lead out of it.
fn without_prefix<'a>(prefix: &str, path: &'a [u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(prefix.as_bytes())?;
    let end = rest.iter().position(|byte| b"?#".contains(byte)).unwrap_or(rest.len());
    let climbs = rest.get(..end)?.split(|byte| b"/\\".contains(byte)).any(|segment| {
        let dots = |text: &str| segment.eq_ignore_ascii_case(text.as_bytes());
        dots("..") || dots("%2e%2e") || dots(".%2e") || dots("%2e.")
    });
    (matches!(rest, [] | [b'/' | b'?' | b'#', ..]) && !climbs).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::config;

    /// A field as a client gets it that called this proxy `authority`.
    fn renamed(arguments: &[&str], client: &str, id: FieldId, value: &str) -> String {
        renamed_behind("", arguments, client, id, value)
    }

    /// The same behind a route that takes its prefix away.
    fn renamed_behind(stripped: &str, arguments: &[&str], client: &str, id: FieldId, value: &str) -> String {
        let config = config(arguments);
        let servers = &config.upstreams[0].endpoints;
        let host_header = &config.routes.typed().next().unwrap().host_header;
        let (scheme, authority) = client.split_once("://").unwrap();
        let (secure, authority) = (scheme == "https", authority.as_bytes());
        let called = authority;
        let renaming =
            Renaming { servers, server: &servers[0], host_header, stripped, secure, authority, called };
        renaming
            .renamed(id, value.as_bytes())
            .map_or_else(|| "kept".to_owned(), |value| String::from_utf8(value).unwrap())
    }

    const PLAIN: &[&str] = &["--upstream=http://10.0.0.1:8080", "--upstream=http://other.internal"];
    const NAMED: &[&str] = &["--upstream=https://api.example.org"];
    const CALLED: &[&str] = &["--upstream=http://10.0.0.1:8080", "--host-header=web.internal"];
    const PREFIXED: &[&str] = &["--upstream=http://10.0.0.1:8080/v1"];
    const CLIENT: &str = "http://app.test:3000";

    #[test]
    fn a_url_that_names_the_upstream_names_this_proxy() {
        for (arguments, client, url, expected) in [
            (PLAIN, CLIENT, "http://10.0.0.1:8080/a?b#c", "http://app.test:3000/a?b#c"),
            (PLAIN, CLIENT, "HTTP://10.0.0.1:8080", "http://app.test:3000"),
            (PLAIN, CLIENT, "http://10.0.0.1:8080?x", "http://app.test:3000/?x"),
            (PLAIN, CLIENT, "//10.0.0.1:8080/a", "http://app.test:3000/a"),
            (PLAIN, CLIENT, "http://other.internal/a", "http://app.test:3000/a"),
            (PLAIN, CLIENT, "http://Other.Internal:80/a", "http://app.test:3000/a"),
            (PLAIN, "https://app.test", "http://10.0.0.1:8080/a", "https://app.test/a"),
            // The Host that it was sent, by the scheme of its connection.
            (PLAIN, "https://app.test", "http://app.test/a", "https://app.test/a"),
            (PLAIN, "https://app.test", "https://10.0.0.1:8080/a", "https://app.test/a"),
            (NAMED, CLIENT, "https://api.example.org/a", "http://app.test:3000/a"),
            (NAMED, CLIENT, "http://api.example.org/a", "http://app.test:3000/a"),
            (NAMED, CLIENT, "https://api.example.org:443/a", "http://app.test:3000/a"),
            (CALLED, CLIENT, "http://web.internal/a", "http://app.test:3000/a"),
            (CALLED, CLIENT, "http://10.0.0.1:8080/a", "http://app.test:3000/a"),
            // What names something else, or is right as it is.
            (PLAIN, CLIENT, "http://app.test:3000/a", "kept"),
            (PLAIN, CLIENT, "https://app.test:3000/a", "kept"),
            (PLAIN, CLIENT, "https://10.0.0.1:8080/a", "kept"),
            (PLAIN, CLIENT, "http://10.0.0.1/a", "kept"),
            (PLAIN, CLIENT, "http://10.0.0.1:80801/a", "kept"),
            (PLAIN, CLIENT, "http://10.0.0.1:8080.evil.test/a", "kept"),
            (PLAIN, CLIENT, "http://user@10.0.0.1:8080/a", "kept"),
            (PLAIN, CLIENT, "http://10.0.0.1:8080\\a", "kept"),
            (PLAIN, CLIENT, "http://evil.test/http://10.0.0.1:8080/", "kept"),
            (PLAIN, CLIENT, "/a", "kept"),
            (PLAIN, CLIENT, "a/b", "kept"),
            (PLAIN, CLIENT, "", "kept"),
            (PLAIN, CLIENT, "ftp://10.0.0.1:8080/a", "kept"),
            (NAMED, CLIENT, "https://example.org/a", "kept"),
        ] {
            for id in [FieldId::Location, FieldId::ContentLocation] {
                assert_eq!(renamed(arguments, client, id, url), expected, "{arguments:?} {client} {url}");
            }
        }
        assert_eq!(renamed(PLAIN, CLIENT, FieldId::Other, "http://10.0.0.1:8080/"), "kept");
    }

    #[test]
    fn prefixes_are_exchanged_as_whole_segments() {
        for (url, expected) in [
            ("/v1/a?b", "/a?b"),
            ("/v1", "/"),
            ("/v1/", "/"),
            ("/v1?x", "/?x"),
            ("/v1#x", "/#x"),
            ("http://10.0.0.1:8080/v1/a", "http://app.test:3000/a"),
            ("http://10.0.0.1:8080/v1", "http://app.test:3000"),
            ("http://app.test:3000/v1/a", "http://app.test:3000/a"),
            ("/v10/a", "kept"),
            ("/a", "kept"),
            ("/V1/a", "kept"),
            ("http://10.0.0.1:8080/a", "kept"),
            ("http://10.0.0.1:8080/", "kept"),
            ("/v1/../a", "kept"),
            ("/v1/%2E%2e/a", "kept"),
            ("/v1/a?x=/../", "/a?x=/../"),
            // What is left would name a host.
            ("/v1//evil.test/", "http://app.test:3000//evil.test/"),
            ("/v1/\\evil.test/", "http://app.test:3000/\\evil.test/"),
            ("/v1/\t/evil.test/", "http://app.test:3000/\t/evil.test/"),
        ] {
            assert_eq!(renamed(PREFIXED, CLIENT, FieldId::Location, url), expected, "{url}");
        }
    }

    #[test]
    fn what_a_route_took_away_comes_back() {
        const BASED: &[&str] = &["--upstream=http://10.0.0.1:8080/base"];
        for (arguments, url, expected) in [
            (BASED, "http://10.0.0.1:8080/base/y?z#w", "http://app.test:3000/v1/y?z#w"),
            (BASED, "http://10.0.0.1:8080/base", "http://app.test:3000/v1"),
            (BASED, "http://10.0.0.1:8080/base?x", "http://app.test:3000/v1?x"),
            (BASED, "//10.0.0.1:8080/base/", "http://app.test:3000/v1/"),
            (BASED, "http://app.test:3000/base/y", "http://app.test:3000/v1/y"),
            (BASED, "/base/y", "/v1/y"),
            (BASED, "/base", "/v1"),
            (BASED, "/base#x", "/v1#x"),
            (BASED, "/base//y", "/v1//y"),
            (BASED, "/base/\\y", "/v1/\\y"),
            (PLAIN, "http://10.0.0.1:8080/y", "http://app.test:3000/v1/y"),
            (PLAIN, "http://10.0.0.1:8080", "http://app.test:3000/v1"),
            (PLAIN, "http://other.internal?x", "http://app.test:3000/v1?x"),
            (PLAIN, "/y", "/v1/y"),
            (PLAIN, "/", "/v1/"),
            (PLAIN, "/?x=/../", "/v1/?x=/../"),
            // What is not below the prefix, may lead out of it, or names something else.
            (BASED, "/y", "kept"),
            (BASED, "/basement", "kept"),
            (BASED, "http://10.0.0.1:8080/", "kept"),
            (BASED, "/base/../y", "kept"),
            (PLAIN, "/../y", "kept"),
            (PLAIN, "/a/%2E./y", "kept"),
            (PLAIN, "http://10.0.0.1:8080/../y", "kept"),
            (PLAIN, "//evil.test/y", "kept"),
            (PLAIN, "/\\evil.test/y", "kept"),
            (PLAIN, "/\t/evil.test/y", "kept"),
            (PLAIN, "http://evil.test/y", "kept"),
            (PLAIN, "y/z", "kept"),
            (PLAIN, "?x", "kept"),
            (PLAIN, "", "kept"),
        ] {
            let renamed = renamed_behind("/v1", arguments, CLIENT, FieldId::Location, url);
            assert_eq!(renamed, expected, "{arguments:?} {url}");
        }
        for (arguments, cookie, expected) in [
            (BASED, "a=b; Path=/base", "a=b; Path=/v1"),
            (BASED, "a=b; Path=/base/", "a=b; Path=/v1/"),
            (BASED, "a=b; path=/base/x; Domain=10.0.0.1", "a=b; Path=/v1/x"),
            // It holds for more than the prefix, and so for what the client knows of it.
            (BASED, "a=b; Path=/", "kept"),
            (BASED, "a=b; Path=/basement", "kept"),
            (PLAIN, "a=b; Path=/; Secure", "a=b; Path=/v1; Secure"),
            (PLAIN, "a=b; Path=/x", "a=b; Path=/v1/x"),
            (PLAIN, "a=b; Path=/../x", "kept"),
            (PLAIN, "a=b; Path=x", "kept"),
            (PLAIN, "a=b; Path=", "kept"),
            (PLAIN, "a=b; Path", "kept"),
            (PLAIN, "a=b", "kept"),
        ] {
            let renamed = renamed_behind("/v1", arguments, CLIENT, FieldId::SetCookie, cookie);
            assert_eq!(renamed, expected, "{arguments:?} {cookie}");
        }
        let refresh = renamed_behind("/v1", PLAIN, CLIENT, FieldId::Refresh, "5; url='/y'");
        assert_eq!(refresh, "5; url='/v1/y'");
    }

    #[test]
    fn the_url_of_a_refresh_is_renamed_where_it_stands() {
        for (value, expected) in [
            ("5; url=http://10.0.0.1:8080/v1/a", "5; url=http://app.test:3000/a"),
            ("0;URL='http://10.0.0.1:8080/v1/a'", "0;URL='http://app.test:3000/a'"),
            ("0, url = \"/v1/a\" x", "0, url = \"/a\" x"),
            ("1.5 /v1/a", "1.5 /a"),
            ("5; /v1/a", "5; /a"),
            ("0;url='/v1/a", "0;url='/a"),
            ("5", "kept"),
            ("5; url=", "kept"),
            ("5; url=http://evil.test/v1/", "kept"),
            ("", "kept"),
            ("5; url='", "kept"),
        ] {
            assert_eq!(renamed(PREFIXED, CLIENT, FieldId::Refresh, value), expected, "{value}");
        }
    }

    #[test]
    fn a_cookie_is_for_this_proxy_and_the_path_that_the_client_knows() {
        let named = &["--upstream=https://api.example.org/v1"][..];
        for (arguments, client, cookie, expected) in [
            (named, CLIENT, "a=b; Domain=api.example.org; Path=/v1; Secure", "a=b; Path=/; Secure"),
            (named, CLIENT, "a=b;domain=.API.example.org;path=/v1/x;HttpOnly", "a=b; Path=/x;HttpOnly"),
            (named, CLIENT, "a=b; Domain=example.org", "a=b"),
            (named, CLIENT, "a=b; Path=/v1/", "a=b; Path=/"),
            (named, CLIENT, "a=b; Path=/; Domain=evil.test", "kept"),
            (named, CLIENT, "a=b; Path=/v10", "kept"),
            (named, CLIENT, "a=b; Domain=org.evil", "kept"),
            (named, CLIENT, "a=b; Domain=xapi.example.org", "kept"),
            (named, CLIENT, "Domain=api.example.org", "kept"),
            (named, CLIENT, "a=Domain=api.example.org; Secure", "kept"),
            (named, CLIENT, "a=b; Domain=", "kept"),
            (named, CLIENT, "a=b; Domain", "kept"),
            (named, CLIENT, "", "kept"),
            // The client knows the name as well.
            (named, "https://www.example.org", "a=b; Domain=example.org", "kept"),
            (PLAIN, CLIENT, "a=b; Domain=app.test; Path=/", "kept"),
            (PLAIN, CLIENT, "a=b; Domain=10.0.0.1", "a=b"),
            (PLAIN, CLIENT, "a=b; Domain=0.0.1", "kept"),
            (PLAIN, CLIENT, "a=b; Domain=other.internal; Path=/", "a=b; Path=/"),
        ] {
            let renamed = renamed(arguments, client, FieldId::SetCookie, cookie);
            assert_eq!(renamed, expected, "{arguments:?} {client} {cookie}");
        }
    }
}

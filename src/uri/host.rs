//! Schemes and hosts: what a name on the net is.

use std::net::IpAddr;

/// The longest name that DNS can carry, in bytes without a last dot (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// The longest label of a name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The schemes that are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// http
    Http,
    /// https
    Https,
}

impl Scheme {
    /// The scheme as a URL begins with it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// What stands before the authority.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    /// The port that a URL of this scheme leaves out.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host, as the URL standard understood it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHost<'a> {
    /// A name in its ASCII form, lower case; a last dot is kept, because resolvers heed it.
    Name(&'a str),
    /// An address, however it was spelled.
    Ip(IpAddr),
}

/// Top-level names that nobody can register below, and that stay on a machine or in a network (RFC 6761, RFC 6762,
/// RFC 2606, and what ICANN reserved).
const OWN_TOP_LEVEL: [&str; 6] = ["localhost", "local", "internal", "test", "example", "invalid"];

/// Whether anybody can have a name below this one: `com`, `co.uk`, `github.io`. A wildcard over it names nobody.
///
/// Source: the Public Suffix List, as it was when this was built. A top-level name that it does not know counts too.
#[must_use]
pub fn is_public_suffix(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !OWN_TOP_LEVEL.contains(&name) && psl::suffix_str(name) == Some(name)
}

/// Whether a name stands below a suffix that the Public Suffix List knows: one that anybody may have registered, as no name of a
/// file has.
#[must_use]
pub fn is_below_known_suffix(name: &str) -> bool {
    psl::domain(name.to_ascii_lowercase().as_bytes()).is_some_and(|domain| domain.suffix().is_known())
}

/// Whether a name may be of a server that everybody reaches: it stands below a top-level name, and that is none of those that
/// stay on a machine or in a network.
#[must_use]
pub fn may_be_public(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit_once('.')
        .is_some_and(|(_, top)| !OWN_TOP_LEVEL.iter().any(|own| top.eq_ignore_ascii_case(own)))
}

/// Whether a name fits DNS: no empty label but the root's, none too long (RFC 1035 §2.3.4), and nothing in it
/// that a `Host` could not carry. The URL standard lets all of that pass, commas and quotes too, and
/// resolvers do not agree on what `localhost..` is.
#[must_use]
pub fn can_be_resolved(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &[u8]| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_NAME && name.as_bytes().split(|byte| *byte == b'.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_anybody_may_have_registered_is_told_from_one_of_a_file() {
        for name in ["example.com", "GitHub.com", "a.b.co.uk", "me.github.io"] {
            assert!(is_below_known_suffix(name), "{name}");
        }
        for name in ["com", "co.uk", "favicon.ico", "index.html", "localhost", "a.internal", "127.0.0.1", ""]
        {
            assert!(!is_below_known_suffix(name), "{name}");
        }
    }

    #[test]
    fn below_a_public_suffix_anybody_can_have_a_name() {
        for name in ["com", "com.", "co.uk", "github.io", "vercel.app", "dev", "a-name-of-tomorrow"] {
            assert!(is_public_suffix(name), "{name}");
        }
        for name in
            ["example.com", "a.co.uk", "me.github.io", "example", "localhost", "internal", "a.internal"]
        {
            assert!(!is_public_suffix(name), "{name}");
        }
    }
}

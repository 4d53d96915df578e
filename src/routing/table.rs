//! The table of routes, and the look-up in it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use foldhash::fast::RandomState;

use super::{
    escapes::escaped,
    host::{HostPattern, Pattern},
    index::Index,
    path::PathPrefix,
    resolved::{Refusal, behind_merged, is_resolved, merged, resolved},
};
use crate::http1::target::split_port;

/// Which route a request takes. Only operators fill it, so that clients cannot choose what is hashed beside what.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// The routes of each host.
    hosts: Vec<Paths<T>>,
    /// Places in `hosts`, by names as they are, IPv4 addresses among them.
    names: Index<usize>,
    /// By names that others stand below.
    below: Index<usize>,
    /// By IPv6 addresses, and IPv4 addresses that are spelled like these.
    addresses: HashMap<IpAddr, usize, RandomState>,
    /// Of every other host, and of requests that name none.
    every: Option<usize>,
}

/// Two routes for the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The place of the first in the list.
    pub first: usize,
    /// The place of the second.
    pub second: usize,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a, T> {
    /// To this route.
    Route {
        /// What the table holds for it.
        value: &'a T,
        /// What a route that strips its prefix leaves of the path.
        rest: Rest,
    },
    /// Nowhere: the host has routes, but none for this path (404).
    NoPath,
    /// Nowhere: no route is for this host (404).
    NoHost,
    /// Nowhere: the path climbs above the root (400).
    AboveRoot,
    /// Who knows where: it depends on the back end which segments a `..` of the path takes away (400).
    Ambiguous,
}

/// What is left of a path behind the prefix of its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes of the path as it came are the prefix; what follows is as the client spelled it.
    Behind(usize),
    /// The path as it came does not begin with the prefix, or leaves it again: this is left of what it resolves to.
    Resolved(Box<[u8]>),
}

impl Rest {
    /// What is left of `path`, which must be the one that was looked up: it begins with a slash, or is `*`.
    #[must_use]
    pub fn of<'a>(&'a self, path: &'a [u8]) -> &'a [u8] {
        let rest = match self {
            Self::Behind(len) => path.get(*len..).unwrap_or_default(),
            Self::Resolved(rest) => rest,
        };
        if rest.is_empty() { b"/" } else { rest }
    }
}

impl<T> Table<T> {
    /// A table of these routes.
    ///
    /// # Errors
    /// The first two that take the same requests.
    pub fn build(routes: Vec<(HostPattern, PathPrefix, T)>) -> Result<Self, Duplicate> {
        let mut places: HashMap<HostPattern, usize, RandomState> = HashMap::default();
        let mut seen: HashMap<(usize, Box<str>), usize, RandomState> = HashMap::default();
        let mut hosts: Vec<Vec<(PathPrefix, T)>> = Vec::new();
        for (second, (host, path, value)) in routes.into_iter().enumerate() {
            let next = places.len();
            let place = *places.entry(host).or_insert(next);
            if let Some(first) = seen.insert((place, path.text.clone()), second) {
                return Err(Duplicate { first, second });
            }
            hosts.resize_with(places.len(), Vec::new);
            hosts[place].push((path, value));
        }
        Ok(Self::of(hosts.into_iter().map(Paths::new).collect(), places))
    }

    /// A table of the routes of each host, and the places of these.
    fn of(hosts: Vec<Paths<T>>, places: HashMap<HostPattern, usize, RandomState>) -> Self {
        let (mut names, mut below, mut addresses) = (Vec::new(), Vec::new(), HashMap::default());
        let mut every = None;
        for (host, place) in places {
            match host.0 {
                Pattern::Every => every = Some(place),
                Pattern::Name(name) => names.push((name.into_boxed_bytes(), place)),
                Pattern::Below(name) => below.push((name.into_boxed_bytes(), place)),
                Pattern::Address(ip) => {
                    if ip.is_ipv4() {
                        names.push((ip.to_string().into_bytes().into(), place));
                    }
                    addresses.insert(ip, place);
                }
            }
        }
        Self { hosts, names: Index::new(names), below: Index::new(below), addresses, every }
    }

    /// Where a request goes: `host` is its authority as it came, empty where it has none; `path` is its path as it
    /// came, without the query, and `*` for `OPTIONS *`, which is taken for `/`.
    #[must_use]
    pub fn find(&self, host: &[u8], path: &[u8]) -> Found<'_, T> {
        let place = self.place_of(host).or(self.every);
        match place.and_then(|place| self.hosts.get(place)) {
            Some(paths) => paths.find(path),
            None => Found::NoHost,
        }
    }

    /// The place of the host that a request names itself.
    fn place_of(&self, host: &[u8]) -> Option<usize> {
        if self.names.is_empty() && self.below.is_empty() && self.addresses.is_empty() {
            return None;
        }
        // Most spell a name as it is held, and then nothing has to be taken apart.
        self.names.get(without_port(host)).or_else(|| self.place_of_spelled(host)).copied()
    }

    /// The place of a host, however it is spelled.
    fn place_of_spelled(&self, host: &[u8]) -> Option<&usize> {
        let (host, _port) = split_port(host)?;
        if let Some(literal) = host.strip_prefix(b"[") {
            let ip: Ipv6Addr = str::from_utf8(literal.strip_suffix(b"]")?).ok()?.parse().ok()?;
            return self.addresses.get(&IpAddr::V6(ip).to_canonical());
        }
        let mut buffer = [0; MAX_NAME];
        let name = folded(host, &mut buffer)?;
        self.names.get(name).or_else(|| self.wildcard_over(name))
    }

    /// The longest wildcard that a name stands below.
    fn wildcard_over(&self, name: &[u8]) -> Option<&usize> {
        parents(name, self.below.lengths()).find_map(|parent| self.below.get(parent))
    }
}

/// An authority without its port, where that is short enough to be one.
fn without_port(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rev().take(":65535".len()).position(|byte| *byte == b':');
    let end = colon.map_or(authority.len(), |behind| authority.len() - behind - 1);
    authority.get(..end).unwrap_or(authority)
}

/// The names of these lengths that a name stands below.
fn parents<'a>(name: &'a [u8], lengths: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    lengths.iter().filter_map(|len| {
        let (below, parent) = name.split_at_checked(name.len().checked_sub(*len)?)?;
        matches!(below, [_, .., b'.']).then_some(parent)
    })
}

/// The longest name that DNS can carry, with its last dot (RFC 1035 §2.3.4): no pattern holds a longer one.
const MAX_NAME: usize = 254;

/// A name as the table holds it: lower case, without escapes and the last dot; nothing where it is too long for any.
fn folded<'a>(host: &[u8], buffer: &'a mut [u8; MAX_NAME]) -> Option<&'a [u8]> {
    let mut len = 0;
    if memchr::memchr(b'%', host).is_none() {
        len = host.len();
        let name = buffer.get_mut(..len)?;
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
    } else {
        let mut rest = host;
        while let [byte, behind @ ..] = rest {
            let (byte, behind) = match escaped(rest) {
                Some(byte) => (byte, rest.get(3..)?),
                None => (*byte, behind),
            };
            *buffer.get_mut(len)? = byte.to_ascii_lowercase();
            len += 1;
            rest = behind;
        }
    }
    let name = buffer.get(..len)?;
    Some(name.strip_suffix(b".").unwrap_or(name))
}

/// The routes of one host.
#[derive(Clone, Debug)]
struct Paths<T> {
    /// That of the path `/`.
    every: Option<T>,
    /// Those of longer ones.
    prefixes: Index<T>,
}

impl<T> Paths<T> {
    fn new(routes: Vec<(PathPrefix, T)>) -> Self {
        let (mut every, mut prefixes) = (None, Vec::new());
        for (path, value) in routes {
            if path.is_every() {
                every = Some(value);
            } else {
                prefixes.push((path.text.into_boxed_bytes(), value));
            }
        }
        Self { every, prefixes: Index::new(prefixes) }
    }

    fn find(&self, path: &[u8]) -> Found<'_, T> {
        if path.first() != Some(&b'/') {
            return self
                .every
                .as_ref()
                .map_or(Found::NoPath, |value| Found::Route { value, rest: Rest::Behind(0) });
        }
        if is_resolved(path) {
            return self
                .longest(path)
                .map_or(Found::NoPath, |(len, value)| Found::Route { value, rest: Rest::Behind(len) });
        }
        match resolved(path) {
            Ok(resolved) => {
                let merged = merged(&resolved);
                self.longest(&merged).map_or(Found::NoPath, |(len, value)| Found::Route {
                    value,
                    rest: rest(path, &resolved, &merged, len),
                })
            }
            Err(Refusal::AboveRoot) => Found::AboveRoot,
            Err(Refusal::Ambiguous) => Found::Ambiguous,
        }
    }

    /// The route with the longest prefix of a resolved path, and the length of that.
    fn longest(&self, path: &[u8]) -> Option<(usize, &T)> {
        let longest = prefixes(path, self.prefixes.lengths())
            .find_map(|prefix| self.prefixes.get(prefix).map(|value| (prefix.len(), value)));
        longest.or_else(|| self.every.as_ref().map(|value| (0, value)))
    }
}

/// The prefixes of a path that have these lengths and whole segments.
fn prefixes<'a>(path: &'a [u8], lengths: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    lengths.iter().filter_map(|len| {
        let (prefix, behind) = path.split_at_checked(*len)?;
        matches!(behind, [] | [b'/', ..]).then_some(prefix)
    })
}

/// What is left of a path that had to be resolved, behind the first `len` bytes of what became of it.
fn rest(path: &[u8], resolved_path: &[u8], merged: &[u8], len: usize) -> Rest {
    let left = behind_merged(resolved_path, len);
    let as_it_came = merged.get(..len).and_then(|prefix| path.strip_prefix(prefix));
    let is_left = |behind: &[u8]| match behind {
        [] => left.is_empty(),
        [b'/', ..] => resolved(behind).as_deref() == Ok(left),
        _ => false,
    };
    if as_it_came.is_some_and(is_left) { Rest::Behind(len) } else { Rest::Resolved(left.into()) }
}

#[cfg(test)]
mod tests;

//! The table of routes, and the look-up in it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use foldhash::fast::RandomState;

use super::{
    escapes::escaped,
    host::{HostPattern, Pattern},
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
    names: HashMap<Box<[u8]>, usize, RandomState>,
    /// By names that others stand below.
    below: HashMap<Box<[u8]>, usize, RandomState>,
    /// By IPv6 addresses, and IPv4 addresses that are spelled like these.
    addresses: HashMap<IpAddr, usize, RandomState>,
    /// The labels of the longest name in `below`.
    labels: usize,
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
        let mut table = Self {
            hosts: Vec::new(),
            names: HashMap::default(),
            below: HashMap::default(),
            addresses: HashMap::default(),
            labels: 0,
            every: None,
        };
        for (second, (host, path, value)) in routes.into_iter().enumerate() {
            let place = *places.entry(host).or_insert_with_key(|host| table.add(host));
            if let Some(first) = seen.insert((place, path.text.clone()), second) {
                return Err(Duplicate { first, second });
            }
            if let Some(paths) = table.hosts.get_mut(place) {
                paths.add(&path, value);
            }
        }
        Ok(table)
    }

    /// A host without routes yet; its place.
    fn add(&mut self, host: &HostPattern) -> usize {
        let place = self.hosts.len();
        self.hosts.push(Paths { every: None, prefixes: HashMap::default(), depth: 0 });
        match &host.0 {
            Pattern::Every => self.every = Some(place),
            Pattern::Name(name) => _ = self.names.insert(name.as_bytes().into(), place),
            Pattern::Below(name) => {
                self.labels = self.labels.max(name.split('.').count());
                self.below.insert(name.as_bytes().into(), place);
            }
            Pattern::Address(ip) => {
                if ip.is_ipv4() {
                    self.names.insert(ip.to_string().into_bytes().into(), place);
                }
                self.addresses.insert(*ip, place);
            }
        }
        place
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
        let (host, _port) = split_port(host)?;
        if let Some(literal) = host.strip_prefix(b"[") {
            let ip: Ipv6Addr = str::from_utf8(literal.strip_suffix(b"]")?).ok()?.parse().ok()?;
            return self.addresses.get(&IpAddr::V6(ip).to_canonical()).copied();
        }
        let mut buffer = [0; MAX_NAME];
        let name = folded(host, &mut buffer)?;
        self.names.get(name).or_else(|| self.wildcard_over(name)).copied()
    }

    /// The longest wildcard that a name stands below.
    fn wildcard_over(&self, name: &[u8]) -> Option<&usize> {
        if self.below.is_empty() {
            return None;
        }
        parents(name, self.labels).find_map(|parent| self.below.get(parent))
    }
}

/// The names that a name stands below, from the longest one that has no more than so many labels.
fn parents(name: &[u8], labels: usize) -> impl Iterator<Item = &[u8]> {
    let longest = memchr::memrchr_iter(b'.', name).take(labels).take_while(|dot| *dot > 0).last();
    let mut rest = longest.and_then(|dot| name.get(dot + 1..));
    std::iter::from_fn(move || {
        let parent = rest?;
        rest = memchr::memchr(b'.', parent).and_then(|dot| parent.get(dot + 1..));
        Some(parent)
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
    prefixes: HashMap<Box<[u8]>, T, RandomState>,
    /// How many segments the longest of them has.
    depth: usize,
}

impl<T> Paths<T> {
    fn add(&mut self, path: &PathPrefix, value: T) {
        if path.is_every() {
            self.every = Some(value);
        } else {
            self.depth = self.depth.max(path.depth());
            self.prefixes.insert(path.text.as_bytes().into(), value);
        }
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
        let longest = prefixes(path, self.depth)
            .find_map(|prefix| self.prefixes.get(prefix).map(|value| (prefix.len(), value)));
        longest.or_else(|| self.every.as_ref().map(|value| (0, value)))
    }
}

/// The prefixes of a path that begins with a slash, from the longest one that has no more than so many segments.
fn prefixes(path: &[u8], segments: usize) -> impl Iterator<Item = &[u8]> {
    // A slash begins each segment: the one behind the last that counts ends the longest.
    let end = (segments > 0).then(|| memchr::memchr_iter(b'/', path).nth(segments).unwrap_or(path.len()));
    let mut rest = path.get(..end.unwrap_or_default()).unwrap_or_default();
    std::iter::from_fn(move || {
        let prefix = rest;
        rest = memchr::memrchr(b'/', prefix).and_then(|slash| prefix.get(..slash)).unwrap_or_default();
        (!prefix.is_empty()).then_some(prefix)
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

//! Routes: a request takes the one that a look at all of them finds, and what is left of its path means the same.

use std::collections::BTreeSet;

use corsair::routing::{Duplicate, Found, HostPattern, PathPrefix, Table};

use crate::{
    input::{Input, shown},
    reference::routing::{Path, longest, of_host, resolve},
};

/// Routes beside those of an input.
const ROUTES: &str = "/\n/a\n/a/b\n/a%2Fb\n/admin\nx.test/a\nx.test/b/a\n*.test/\n*.test/a/a\n*.x.test/a\n*.b.x.test/\n\
                      a.x.test/b\n127.0.0.1/a\n[::1]/b\ntest/";

/// The property. The parts are an authority, a path, and routes, one a line.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let is_beside = input.flag();
    let mut parts = input.parts();
    let host = parts.next().unwrap_or_default();
    let path = parts.next().unwrap_or_default();
    let own = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let lines = own.lines().chain(ROUTES.lines().filter(|_| is_beside));
    let mut seen = BTreeSet::new();
    let read: Vec<(HostPattern, PathPrefix)> = lines.filter_map(route).collect();
    let is_new =
        |(host, path): &&(HostPattern, PathPrefix)| seen.insert((host.to_string(), path.to_string()));
    let distinct: Vec<&(HostPattern, PathPrefix)> = read.iter().filter(is_new).collect();
    let texts: Vec<(String, String)> =
        distinct.iter().map(|(host, path)| (host.to_string(), path.to_string())).collect();
    if distinct.len() < read.len() {
        let all = read.iter().map(|(host, path)| (host.clone(), path.clone(), ())).collect();
        let Duplicate { first, second } = Table::build(all).expect_err("two routes are the same");
        assert!(first < second && read[first] == read[second]);
    }
    let routes = distinct.iter().enumerate().map(|(place, (host, path))| (host.clone(), path.clone(), place));
    let table = Table::build(routes.collect()).expect("no two routes are the same");
    finds(&table, &texts, host, path);
}

/// A route that somebody typed: refused with a reason, or read the same when it is shown.
fn route(line: &str) -> Option<(HostPattern, PathPrefix)> {
    let (host, path) = line.split_at(line.find('/').unwrap_or(line.len()));
    match (HostPattern::parse(host), PathPrefix::parse(path)) {
        (Ok(host), Ok(path)) => {
            if !host.is_every() {
                assert_eq!(HostPattern::parse(&host.to_string()), Ok(host.clone()), "{line:?}");
            }
            assert_eq!(PathPrefix::parse(&path.to_string()), Ok(path.clone()), "{line:?}");
            assert!(path.to_string().bytes().all(|byte| byte.is_ascii_graphic()), "{line:?}");
            Some((host, path))
        }
        (host, path) => {
            assert!(
                [host.err(), path.err()].into_iter().flatten().all(|fault| fault.contains(';')),
                "{line:?}"
            );
            None
        }
    }
}

fn finds(table: &Table<usize>, routes: &[(String, String)], host: &[u8], path: &[u8]) {
    let found = table.find(host, path);
    let context = || format!("{} {} {routes:?}", shown(host), shown(path));
    let places = of_host(routes, host);
    if places.is_empty() {
        assert_eq!(found, Found::NoHost, "{}", context());
        return;
    }
    let resolved = if path.first() == Some(&b'/') { resolve(path) } else { Path::Segments(Vec::new()) };
    match (&resolved, found) {
        (Path::AboveRoot, found) => assert_eq!(found, Found::AboveRoot, "{}", context()),
        (Path::Ambiguous, found) => assert_eq!(found, Found::Ambiguous, "{}", context()),
        (Path::Segments(segments), Found::Route { value, rest }) => {
            assert_eq!(Some(*value), longest(routes, &places, segments), "{}", context());
            let rest = rest.of(path);
            if path.first() == Some(&b'/') {
                let prefix = routes[*value].1.trim_end_matches('/').as_bytes();
                assert_eq!(rest.first(), Some(&b'/'), "{}", context());
                assert_eq!(resolve(&[prefix, rest].concat()), resolved, "{} {}", shown(rest), context());
                // Sent alone it stays below what it is sent to.
                assert!(matches!(resolve(rest), Path::Segments(_)), "{} {}", shown(rest), context());
            } else {
                assert_eq!(rest, if path.is_empty() { b"/" } else { path });
            }
        }
        (Path::Segments(segments), found) => {
            assert_eq!(found, Found::NoPath, "{}", context());
            assert_eq!(longest(routes, &places, segments), None, "{}", context());
        }
    }
}

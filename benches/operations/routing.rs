//! Finding the route of a request.

use std::hint::black_box;

use corsair::routing::{Found, HostPattern, PathPrefix, Table};

use super::{Operation, Operations};

/// A request of a browser, a few segments below its route.
const HOST: &[u8] = b"shop4.example.com";
const PATH: &[u8] = b"/api/v4/items/1234567/pictures/large.webp";

pub(super) fn operations() -> Operations {
    let hostile = [b"/a".repeat(10_000), b"/..".repeat(10_000), b"/api/v4".to_vec()].concat();
    vec![
        ("one-route", find(&Table::build(vec![route("", "/", 0)]), HOST, PATH)),
        ("10-routes", find(&table(5, 2), HOST, PATH)),
        ("5000-routes", find(&table(500, 10), HOST, PATH)),
        ("5000-routes-wildcard", find(&table(500, 10), b"x.y.shop4.example.com", PATH)),
        ("5000-routes-escaped", find(&table(500, 10), HOST, b"/api/%76%34/items/../pictures/large.webp")),
        ("5000-routes-deep", find(&table(500, 10), HOST, &hostile)),
    ]
}

fn route(host: &str, path: &str, value: usize) -> (HostPattern, PathPrefix, usize) {
    (HostPattern::parse(host).expect("a host"), PathPrefix::parse(path).expect("a path"), value)
}

/// So many hosts, half of them with wildcards, with so many routes each.
fn table(hosts: usize, paths: usize) -> Result<Table<usize>, corsair::routing::Duplicate> {
    let host = |number: usize| match number % 2 {
        0 => format!("shop{number}.example.com"),
        _ => format!("*.shop{}.example.com", number - 1),
    };
    let path = |number: usize| match number {
        0 => "/".to_owned(),
        _ => format!("/api/v{}", number + 3),
    };
    let all = (0..hosts).flat_map(|of| (0..paths).map(move |number| (of, number)));
    Table::build(all.map(|(of, number)| route(&host(of), &path(number), of * paths + number)).collect())
}

fn find(table: &Result<Table<usize>, corsair::routing::Duplicate>, host: &[u8], path: &[u8]) -> Operation {
    let (table, host, path) = (table.clone().expect("no two alike"), host.to_vec(), path.to_vec());
    Box::new(move || {
        let found = black_box(table.find(black_box(&host), black_box(&path)));
        assert!(matches!(found, Found::Route { .. }), "a route");
    })
}

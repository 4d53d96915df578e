//! Look-ups, one by one and against a scan of all routes.

use proptest::prelude::*;

use super::*;

/// A table of routes, written `host/path`, whose values are themselves.
fn table<'a>(routes: &[&'a str]) -> Table<&'a str> {
    Table::build(routes.iter().map(|route| parts(route)).collect()).unwrap()
}

fn parts(route: &str) -> (HostPattern, PathPrefix, &str) {
    let (host, path) = route.split_at(route.find('/').unwrap());
    (HostPattern::parse(host).unwrap(), PathPrefix::parse(path).unwrap(), route)
}

/// The route that is found, or why there is none.
fn found<'a>(table: &Table<&'a str>, host: &str, path: &str) -> &'a str {
    match table.find(host.as_bytes(), path.as_bytes()) {
        Found::Route { value, .. } => value,
        Found::NoPath => "no path",
        Found::NoHost => "no host",
        Found::AboveRoot => "above root",
        Found::Ambiguous => "ambiguous",
    }
}

/// What the route that takes a path leaves of it.
fn left(table: &Table<&str>, path: &str) -> (String, bool) {
    let found = table.find(b"a.example", path.as_bytes());
    let Found::Route { rest, .. } = found else { panic!("{path}: {found:?}") };
    let text = String::from_utf8(rest.of(path.as_bytes()).to_vec()).unwrap();
    (text, matches!(rest, Rest::Behind(_)))
}

#[test]
fn the_host_decides_before_the_path() {
    let table = table(&[
        "/long/path",
        "/",
        "*.example.com/",
        "*.b.example.com/",
        "a.b.example.com/",
        "*.c.d.example.com/",
        "example.com/",
    ]);
    for (host, expected) in [
        ("example.com", "example.com/"),
        ("x.example.com", "*.example.com/"),
        ("x.y.example.com", "*.example.com/"),
        ("b.example.com", "*.example.com/"),
        ("x.b.example.com", "*.b.example.com/"),
        ("x.y.z.u.b.example.com", "*.b.example.com/"),
        ("a.b.example.com", "a.b.example.com/"),
        ("x.a.b.example.com", "*.b.example.com/"),
        ("d.example.com", "*.example.com/"),
        ("c.d.example.com", "*.example.com/"),
        ("x.c.d.example.com", "*.c.d.example.com/"),
        ("xexample.com", "/long/path"),
        (".example.com", "/long/path"),
        ("com", "/long/path"),
        ("other.test", "/long/path"),
        ("", "/long/path"),
    ] {
        assert_eq!(found(&table, host, "/long/path"), expected, "{host}");
    }
}

#[test]
fn a_host_that_has_routes_keeps_its_requests() {
    let table = table(&["/", "*.example.com/w", "a.example.com/v"]);
    for (host, path, expected) in [
        ("a.example.com", "/v", "a.example.com/v"),
        ("a.example.com", "/w", "no path"),
        ("a.example.com", "/", "no path"),
        ("b.example.com", "/w", "*.example.com/w"),
        ("b.example.com", "/v", "no path"),
        ("example.com", "/v", "/"),
    ] {
        assert_eq!(found(&table, host, path), expected, "{host}{path}");
    }
    assert_eq!(found(&self::table(&["a.example/"]), "b.example", "/"), "no host");
    assert_eq!(found(&self::table(&["a.example/"]), "", "/"), "no host");
    assert_eq!(found(&self::table(&[]), "a.example", "/"), "no host");
    assert_eq!(found(&self::table(&["/v"]), "a.example", "/"), "no path");
}

#[test]
fn a_host_is_known_however_it_is_spelled() {
    let table = table(&[
        "a.example/",
        "*.below.example/",
        "127.0.0.1/",
        "[::1]/",
        "[::ffff:10.0.0.1]/",
        "xn--bcher-kva.example/",
    ]);
    for (host, expected) in [
        ("a.example", "a.example/"),
        ("A.EXAMPLE", "a.example/"),
        ("a.example.", "a.example/"),
        ("a.example:8080", "a.example/"),
        ("a.example.:80", "a.example/"),
        ("a.example:", "a.example/"),
        ("%61.ex%41mple", "a.example/"),
        ("a%2Eexample", "a.example/"),
        ("a%2eexample%2E:1", "a.example/"),
        ("x%2ebelow.example", "*.below.example/"),
        ("X.Below.Example.:1", "*.below.example/"),
        ("127.0.0.1:80", "127.0.0.1/"),
        ("[::ffff:127.0.0.1]", "127.0.0.1/"),
        ("[::1]", "[::1]/"),
        ("[0:0::0:1]:80", "[::1]/"),
        ("10.0.0.1", "[::ffff:10.0.0.1]/"),
        ("[::FFFF:a00:1]", "[::ffff:10.0.0.1]/"),
        ("xn--bcher-KVA.example", "xn--bcher-kva.example/"),
        ("a.example..", "no host"),
        ("a%3a.example", "no host"),
        ("127.0.0.2", "no host"),
        ("[::2]", "no host"),
        ("[::1", "no host"),
        ("::1", "no host"),
        ("", "no host"),
        (":80", "no host"),
        ("%", "no host"),
    ] {
        assert_eq!(found(&table, host, "/x"), expected, "{host}");
    }
    let long = format!("{}.below.example", "x.".repeat(2_000));
    assert_eq!(found(&table, &long, "/"), "no host");
}

#[test]
fn the_longest_path_decides_by_whole_segments() {
    let table = table(&["/v1", "/v1/a/b", "/v1/a/b/c/d", "/w/"]);
    for (path, expected) in [
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("/v1/x", "/v1"),
        ("/v1/a", "/v1"),
        ("/v1/a/b", "/v1/a/b"),
        ("/v1/a/b/c", "/v1/a/b"),
        ("/v1/a/bc", "/v1"),
        ("/v1/a/b/c/d/e/f", "/v1/a/b/c/d"),
        ("/w", "/w/"),
        ("/w/", "/w/"),
        ("/v10", "no path"),
        ("/V1", "no path"),
        ("/", "no path"),
        ("*", "no path"),
        ("", "no path"),
    ] {
        assert_eq!(found(&table, "h", path), expected, "{path}");
    }
    let rooted = self::table(&["/", "/v1"]);
    for (path, expected) in [("/", "/"), ("/x/v1", "/"), ("*", "/"), ("", "/"), ("/v1/x", "/v1")] {
        assert_eq!(found(&rooted, "h", path), expected, "{path}");
    }
}

#[test]
fn a_path_is_matched_as_a_back_end_resolves_it() {
    let table = table(&["/", "/admin", "/a%2Fb", "/~user/x"]);
    for (path, expected) in [
        ("/x/../admin", "/admin"),
        ("/./admin", "/admin"),
        ("/%61dm%69n", "/admin"),
        ("/x/%2E%2e/admin", "/admin"),
        ("/x/.%2e/admin/y", "/admin"),
        ("/admin/..", "/"),
        ("/admin/../x", "/"),
        ("/admin/.", "/admin"),
        ("/admin%2Fx", "/"),
        ("/admin%2f", "/"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%2fb/c", "/a%2Fb"),
        ("/a/b", "/"),
        ("/%7Euser/x", "/~user/x"),
        ("/~user/%78", "/~user/x"),
        ("/%41dmin", "/"),
        ("/%2561dmin", "/"),
    ] {
        assert_eq!(found(&table, "h", path), expected, "{path}");
    }
}

#[test]
fn no_spelling_slips_past_a_longer_route() {
    let table = table(&["/", "/admin", "/admin/open"]);
    for (path, expected) in [
        ("//admin", "/admin"),
        ("///admin//x", "/admin"),
        ("/admin//open", "/admin/open"),
        ("\\admin", "/"),
        ("/\\admin", "/admin"),
        ("/admin\\x", "/admin"),
        ("/admin\\open", "/admin/open"),
        ("/x\\..\\admin", "ambiguous"),
        ("/admin/..\\admin", "ambiguous"),
        ("/admin//../x", "ambiguous"),
        ("/x/..;/admin", "ambiguous"),
        ("/x%2f../admin", "ambiguous"),
    ] {
        assert_eq!(found(&table, "h", path), expected, "{path}");
    }
}

#[test]
fn a_path_that_climbs_above_the_root_is_refused() {
    let table = table(&["a.example/v1"]);
    for path in ["/..", "/../v1", "/v1/../..", "/%2e%2e/v1", "/v1/../../v1"] {
        assert_eq!(found(&table, "a.example", path), "above root", "{path}");
        assert_eq!(found(&table, "b.example", path), "no host", "{path}");
    }
}

#[test]
fn the_rest_is_cut_from_the_path_as_it_came_or_from_what_it_resolves_to() {
    let table = table(&["/", "/v1", "/v1/a%2Fb"]);
    for (path, expected, is_cut) in [
        ("/v1", "/", true),
        ("/v1/", "/", true),
        ("/v1/x", "/x", true),
        ("/v1/%78/%2f", "/%78/%2f", true),
        ("/v1/x/../y", "/x/../y", true),
        ("/v1//x", "//x", true),
        ("/v1/x\\y", "/x\\y", true),
        ("/v1/a%2Fb/%c3", "/%c3", true),
        ("/x/%79", "/x/%79", true),
        ("/x/./y", "/x/./y", true),
        ("//x", "//x", true),
        ("*", "*", true),
        // The prefix is spelled otherwise, or left again.
        ("/%761/%78/%2f", "/x/%2F", false),
        ("/%761", "/", false),
        ("//v1/x//y", "/x//y", false),
        ("/x/../v1/y", "/y", false),
        ("/v1/../v1/x", "/x", false),
        ("/v1/x/../../v1/y", "/y", false),
        ("/v1\\x", "/x", false),
        ("/v1/a%2fb/c", "/c", false),
        ("/./v1", "/", false),
    ] {
        assert_eq!(left(&table, path), (expected.to_owned(), is_cut), "{path}");
    }
}

#[test]
fn no_more_is_looked_up_than_routes_and_wildcards_have_lengths() {
    let shown = |names: &mut dyn Iterator<Item = &[u8]>| -> Vec<String> {
        names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    };
    for (path, lengths, expected) in [
        ("/a/b/c", &[][..], &[][..]),
        ("/a/b/c", &[2], &["/a"]),
        ("/a/b/c", &[4, 2], &["/a/b", "/a"]),
        ("/a/b/c", &[9, 7, 6, 5, 4, 3, 2, 1], &["/a/b/c", "/a/b", "/a"]),
        ("/a/", &[3, 2], &["/a/", "/a"]),
        ("/", &[2], &[]),
    ] {
        assert_eq!(shown(&mut prefixes(path.as_bytes(), lengths)), expected, "{path} {lengths:?}");
    }
    for (name, lengths, expected) in [
        ("a.b.c", &[][..], &[][..]),
        ("a.b.c", &[1], &["c"]),
        ("a.b.c", &[3, 1], &["b.c", "c"]),
        ("a.b.c", &[9, 5, 4, 3, 2, 1], &["b.c", "c"]),
        (".b.c", &[3, 1], &["c"]),
        ("a", &[1], &[]),
        ("", &[1], &[]),
    ] {
        assert_eq!(shown(&mut parents(name.as_bytes(), lengths)), expected, "{name} {lengths:?}");
    }
    assert_eq!(prefixes("/a".repeat(10_000).as_bytes(), &[8, 4, 3]).count(), 2);
    assert_eq!(parents("a.".repeat(100).as_bytes(), &[8, 4, 3]).count(), 2);
}

#[test]
fn two_routes_for_the_same_requests_are_told() {
    let build =
        |routes: &[&'static str]| Table::build(routes.iter().map(|route| parts(route)).collect()).map(|_| ());
    assert_eq!(build(&["/", "a.example/", "a.example/v1", "*.a.example/v1", "/v1"]), Ok(()));
    for (routes, first, second) in [
        (&["/", "/v1", "/v1/"][..], 1, 2),
        (&["/", "a.example/", "/"], 0, 2),
        (&["a.example/%61", "A.Example./a"], 0, 1),
        (&["[::1]/", "[0:0::1]/"], 0, 1),
        (&["127.0.0.1/", "[::ffff:127.0.0.1]/"], 0, 1),
        (&["*.a.example/x", "b.example/x", "*.A.example/x/"], 0, 2),
    ] {
        assert_eq!(build(routes), Err(Duplicate { first, second }), "{routes:?}");
    }
}

/// A path as its segments, resolved one by one; nothing where it climbs above the root, or back ends differ.
fn segments(path: &str) -> Option<Vec<String>> {
    let decoded = |text: &str| {
        let mut decoded = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let digits =
                rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = match digits.filter(|_| character == '%') {
                Some(digits) => char::from(u8::from_str_radix(digits, 16).unwrap()),
                None => character,
            };
            let is_escape = character == '%' && digits.is_some();
            if byte == '%' || is_escape && !(byte.is_ascii_alphanumeric() || "-._~".contains(byte)) {
                decoded.push_str(&format!("%{:02X}", u32::from(byte)));
            } else {
                decoded.push(byte);
            }
            rest = &rest[if is_escape { 3 } else { 1 }..];
        }
        decoded
    };
    let all: Vec<String> = path.strip_prefix('/')?.split(['/', '\\']).map(decoded).collect();
    let is_dots = |text: &str| text == "." || text == "..";
    let hides_dots = |segment: &String| {
        segment.split("%2F").flat_map(|part| part.split("%5C")).any(|part| {
            part != segment && is_dots(part)
                || part.split_once(';').is_some_and(|(before, _)| is_dots(before))
        })
    };
    let is_doubtful =
        path.contains('\\') || all.iter().any(|text| text.contains("%2F") || text.contains("%5C"));
    if all.iter().any(hides_dots) || is_doubtful && all.iter().any(|text| is_dots(text)) {
        return None;
    }
    let mut resolved: Vec<String> = Vec::new();
    for segment in all {
        match segment.as_str() {
            "." => {}
            ".." => _ = resolved.pop().filter(|parent| !parent.is_empty())?,
            _ => resolved.push(segment),
        }
    }
    resolved.retain(|segment| !segment.is_empty());
    Some(resolved)
}

/// How well a host pattern fits a host in lower case; nothing where it does not.
fn fit(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix('*') {
        _ if pattern.is_empty() => Some(0),
        Some(end) => host.strip_suffix(end).filter(|before| !before.is_empty()).map(|_| end.len()),
        None => (pattern == host).then_some(usize::MAX),
    }
}

/// The route that a scan of all routes finds.
fn scanned<'a>(routes: &[&'a str], host: &str, path: &str) -> Option<&'a str> {
    let segments = segments(path)?;
    let host = host.split(':').next()?.to_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let fits = |route: &&&str| fit(&route[..route.find('/')?], host);
    let best = routes.iter().filter_map(|route| fits(&route)).max()?;
    let of_host = routes.iter().filter(|route| fits(route) == Some(best));
    let length = |route: &str| {
        let prefix: Vec<&str> =
            route[route.find('/')?..].split('/').filter(|part| !part.is_empty()).collect();
        (segments.len() >= prefix.len() && prefix.iter().zip(&segments).all(|(one, other)| *one == other))
            .then_some(prefix.len())
    };
    of_host
        .filter_map(|route| Some((length(route)?, *route)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, route)| route)
}

const ROUTES: [&str; 16] = [
    "/",
    "/a",
    "/a/b",
    "/a/b/a/b",
    "/a%2Fb",
    "/..a",
    "x.test/a",
    "x.test/b/a",
    "*.test/",
    "*.test/a/a",
    "*.x.test/a",
    "*.b.x.test/",
    "a.x.test/b",
    "a.x.test/",
    "127.0.0.1/a",
    "test/b",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_request_finds_what_a_scan_of_all_routes_finds(
        chosen in prop::sample::subsequence(&ROUTES[..], 0..=ROUTES.len()),
        host in "((a|b|x)\\.){0,3}(test|TEST|x|127\\.0\\.0\\.1)?\\.?(:80)?",
        path in "/(a|b|c|/|\\.|\\.\\.|%2e|%2E|%61|%2f|%2F|%5c|\\\\|;|%|2|%C3){0,9}",
    ) {
        let table = table(&chosen);
        let expected = scanned(&chosen, &host, &path);
        match table.find(host.as_bytes(), path.as_bytes()) {
            Found::Route { value, rest } => {
                prop_assert_eq!(Some(*value), expected);
                // What is left, below the prefix, is what the path resolves to.
                let prefix = parts(value).1.as_str().to_owned();
                let rest = String::from_utf8(rest.of(path.as_bytes()).to_vec()).unwrap();
                prop_assert!(rest.starts_with('/'));
                prop_assert_eq!(segments(&format!("{prefix}{rest}")), segments(&path), "{} {}", prefix, rest);
            }
            Found::NoPath | Found::NoHost => prop_assert_eq!(expected, None),
            Found::AboveRoot | Found::Ambiguous => prop_assert_eq!(segments(&path), None),
        }
    }
}

//! All routes together, and which of them takes a request.

use super::route::{LeadsTo, Route, RouteId};
use crate::routing::{Duplicate, Found, HostPattern, PathPrefix, Rest, Table};

/// All routes of a configuration.
#[derive(Debug)]
pub struct Routes {
    /// Those of corsair itself first, then those that were typed.
    list: Vec<Route>,
    table: Table<RouteId>,
    /// The route that takes whatever comes, where there is no other.
    only: Option<RouteId>,
}

/// What takes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This route; and what its prefix leaves of the path, where it is not the only one.
    By(RouteId, Option<Rest>),
    /// None.
    ByNone,
    /// None could: the path climbs above the root, or means different things to different back ends.
    Ambiguous,
}

impl Routes {
    /// No route is known yet, or none takes the request.
    pub const NOTHING: RouteId = RouteId(0);
    /// That of the gateway.
    pub const GATEWAY: RouteId = RouteId(1);
    /// What that is called, and what all its targets together are.
    pub const GATEWAY_NAME: &str = "gateway";
    /// That of the forward proxy.
    pub const FORWARD: RouteId = RouteId(2);
    /// What that is called, and what all its targets together are.
    pub const FORWARD_NAME: &str = "forward";
    /// How many there are that nobody has typed.
    const OWN: usize = 3;

    /// The most that a configuration may hold.
    pub const MOST: usize = u16::MAX as usize - Self::OWN;

    /// Routes by host and path, beside those of corsair itself: of what no route takes, of the gateway and of the forward
    /// proxy.
    ///
    /// # Errors
    /// Two that take the same, by their places in the list.
    pub(super) fn new(
        own: [Route; Self::OWN],
        routes: Vec<(HostPattern, PathPrefix, Route)>,
    ) -> Result<Self, (usize, usize)> {
        let mut list = Vec::from(own);
        let mut rows = Vec::new();
        for (host, path, route) in routes {
            rows.push((host, path, RouteId(u16::try_from(list.len()).unwrap_or(u16::MAX))));
            list.push(route);
        }
        let only = match &*rows {
            [(host, path, id)] if *host == HostPattern::EVERY && path.as_str().is_empty() => Some(*id),
            _ => None,
        };
        let table = Table::build(rows).map_err(|Duplicate { first, second, .. }| (first, second))?;
        Ok(Self { list, table, only })
    }

    /// What takes a request for this host and path; a query behind it says nothing of that.
    #[must_use]
    pub fn find(&self, host: &[u8], target: &[u8]) -> Taken {
        if let Some(only) = self.only {
            return Taken::By(only, None);
        }
        let path = target.get(..memchr::memchr(b'?', target).unwrap_or(target.len())).unwrap_or(target);
        match self.table.find(host, path) {
            Found::Route { value, rest } => Taken::By(*value, Some(rest)),
            Found::NoPath | Found::NoHost => Taken::ByNone,
            Found::AboveRoot | Found::Ambiguous => Taken::Ambiguous,
        }
    }

    /// The place of a route among those that were typed, if it is one of them.
    pub(super) fn typed_index(id: RouteId) -> Option<usize> {
        usize::from(id.0).checked_sub(Self::OWN)
    }

    /// One of them.
    #[must_use]
    pub(super) fn get(&self, id: RouteId) -> &Route {
        &self.list[usize::from(id.0)]
    }

    /// Whether none was typed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.len() == Self::OWN
    }

    /// All of them, by their places.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }

    /// Those that were typed.
    pub fn typed(&self) -> impl Iterator<Item = &Route> {
        self.list.iter().skip(Self::OWN)
    }

    /// Whether any of them leads to an upstream.
    #[must_use]
    pub fn lead_to_upstreams(&self) -> bool {
        self.typed().any(|route| matches!(route.leads_to, LeadsTo::Upstream(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    const UPSTREAM: &str = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n";

    #[test]
    fn the_only_route_takes_everything_and_looks_at_nothing() {
        let text = format!("{UPSTREAM}[[route]]\nupstream = \"a\"");
        let routes = sample::compiled(&sample::file(&text, &[])).routes;
        for (host, path) in [(&b"x"[..], &b"/"[..]), (b"", b"/a/../../.."), (b"\xff", b"*")] {
            assert_eq!(routes.find(host, path), Taken::By(RouteId(3), None));
        }
    }

    #[test]
    fn a_request_is_taken_by_its_host_and_then_its_path() {
        let text = format!(
            "{UPSTREAM}[[route]]\nname = \"api\"\nhost = \"api.example.com\"\npath = \"/v1\"\nupstream = \"a\"\n\
             [[route]]\nname = \"any\"\nhost = \"*.example.com\"\nupstream = \"a\"\n\
             [[route]]\nname = \"docs\"\npath = \"/docs\"\nrespond = {{}}\n"
        );
        let routes = sample::compiled(&sample::file(&text, &[])).routes;
        for (host, path, expected) in [
            ("api.example.com", "/v1/x", Some("api")),
            ("api.example.com", "/docs", None),
            ("b.example.com:80", "/v1", Some("any")),
            ("other", "/docs/", Some("docs")),
            ("other", "/", None),
        ] {
            let name = match routes.find(host.as_bytes(), path.as_bytes()) {
                Taken::By(id, rest) => {
                    assert!(rest.is_some());
                    Some(&*routes.get(id).name)
                }
                Taken::ByNone => None,
                Taken::Ambiguous => panic!("ambiguous"),
            };
            assert_eq!(name, expected, "{host}{path}");
        }
        assert_eq!(routes.find(b"other", b"/docs/../.."), Taken::Ambiguous);
        assert!(routes.lead_to_upstreams() && !routes.is_empty());
    }

    #[test]
    fn two_routes_for_the_same_are_a_fault_that_names_the_first() {
        for (first, second) in [
            ("", "path = \"/\""),
            ("path = \"/a\"", "path = \"/%61/\""),
            ("host = \"a.example\"", "host = \"A.example.\""),
        ] {
            let text = format!(
                "{UPSTREAM}[[route]]\nupstream = \"a\"\n{first}\n[[route]]\nupstream = \"a\"\n{second}"
            );
            let (faults, _) = sample::notes_of_file(&text, &[]);
            let told = ": route.path: host and path are those of the route at line 3; change one of them";
            assert!(faults.len() == 1 && faults[0].ends_with(told), "{faults:?}");
        }
    }

    #[test]
    fn a_route_leads_somewhere_and_to_one_thing() {
        for (lines, expected) in [
            ("", "f:3:1: route.upstream: is missing: name an upstream, or write respond = { status = 404 }"),
            (
                "upstream = \"a\"\nrespond = {}",
                "f:4:12: route.upstream: stands beside respond: a route leads to one of them",
            ),
        ] {
            let (faults, _) = sample::notes_of_file(&format!("{UPSTREAM}[[route]]\n{lines}"), &[]);
            assert_eq!(faults, [expected]);
        }
    }

    #[test]
    fn what_serves_nothing_is_a_fault() {
        let told = "nothing is served: add a [[route]] that leads to an upstream, [gateway] or [forward]";
        let (faults, _) = sample::notes_of_file(UPSTREAM, &[]);
        assert_eq!(faults, [told]);
        let (faults, _) = sample::notes_of_file("", &[]);
        assert_eq!(faults, Vec::<String>::new(), "an empty file is the gateway that no file is");
    }

    #[test]
    fn a_file_without_a_route_has_none() {
        let routes = sample::defaults().routes;
        assert!(routes.is_empty() && !routes.lead_to_upstreams() && routes.typed().next().is_none());
        assert_eq!(routes.find(b"a", b"/"), Taken::ByNone);
    }
}

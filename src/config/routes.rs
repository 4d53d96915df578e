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
    /// How many there are that nobody has typed.
    const OWN: usize = 2;

    /// The most that a configuration may hold.
    pub const MOST: usize = u16::MAX as usize - Self::OWN;

    /// Routes by host and path, beside those of corsair itself: of what no route takes, and of the gateway.
    ///
    /// # Errors
    /// Two that take the same, by their places in the list.
    pub(super) fn new(
        own: [Route; 2],
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

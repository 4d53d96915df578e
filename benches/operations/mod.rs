//! Every operation that is measured, by floor and name. Each works on input that it was given when it was
//! made, so that calling it again costs the same and nothing but the operation.

mod access_log;
mod chunked;
mod cors;
mod framing;
mod gateway;
mod head;
mod rewrite;
mod routing;
mod samples;

use std::fmt;

/// Does one operation once.
pub(crate) type Operation = Box<dyn FnMut()>;

/// The operations of a floor, by name.
pub(crate) type Operations = Vec<(&'static str, Operation)>;

/// A room of pure functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Parsing heads.
    Head,
    /// How a body ends.
    Framing,
    /// Progress through chunked bodies.
    Chunked,
    /// Which route a request takes.
    Routing,
    /// What CORS says, and writing it.
    Cors,
    /// Naming a target.
    Gateway,
    /// Planning an exchange, and the heads that leave.
    Rewrite,
    /// Lines of the access log.
    AccessLog,
}

impl Floor {
    /// From the lowest to the highest.
    pub(crate) const ALL: [Self; 8] = [
        Self::Head,
        Self::Framing,
        Self::Chunked,
        Self::Routing,
        Self::Cors,
        Self::Gateway,
        Self::Rewrite,
        Self::AccessLog,
    ];

    /// The floor that is displayed so.
    pub(crate) fn named(name: &str) -> Self {
        let named = Self::ALL.into_iter().find(|floor| floor.as_str() == name);
        named.unwrap_or_else(|| panic!("no floor is called {name:?}"))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Framing => "framing",
            Self::Chunked => "chunked",
            Self::Routing => "routing",
            Self::Cors => "cors",
            Self::Gateway => "gateway",
            Self::Rewrite => "rewrite",
            Self::AccessLog => "access-log",
        }
    }

    /// What is measured of it.
    pub(crate) fn operations(self) -> Operations {
        match self {
            Self::Head => head::operations(),
            Self::Framing => framing::operations(),
            Self::Chunked => chunked::operations(),
            Self::Routing => routing::operations(),
            Self::Cors => cors::operations(),
            Self::Gateway => gateway::operations(),
            Self::Rewrite => rewrite::operations(),
            Self::AccessLog => access_log::operations(),
        }
    }

    /// The names of its operations.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.operations().into_iter().map(|(name, _)| name)
    }

    /// One of its operations.
    pub(crate) fn operation(self, name: &str) -> Operation {
        let found = self.operations().into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{self} has no operation {name:?}")).1
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

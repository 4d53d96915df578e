//! What the configuration calls what had to do with a request, for the log: also of what outlives it.

use super::{outcome::Outcome, snapshot::Snapshot};
use crate::{
    config::Routes,
    plan::{Client, Plan},
};

/// What the configuration calls what had to do with a request; empty where nothing had.
pub(super) struct Names<'a> {
    pub(super) listener: &'a str,
    pub(super) route: &'a str,
    pub(super) policy: &'a str,
    pub(super) access: &'a str,
    pub(super) limit: &'a str,
    pub(super) upstream: &'a str,
    pub(super) server: &'a str,
}

/// Who knows what things are called.
pub(crate) enum Naming<'a> {
    /// The configuration that the request saw.
    Snapshot(&'a Snapshot),
    /// Whoever wrote them down while it was there.
    Kept(&'a KeptNames),
}

impl<'a> Naming<'a> {
    /// Those of a request.
    pub(super) fn names(&self, client: &Client, plan: &Plan, outcome: &Outcome) -> Names<'a> {
        match *self {
            Self::Snapshot(snapshot) => Names::of(snapshot, client, plan, outcome),
            Self::Kept(kept) => Names {
                listener: &kept.listener,
                route: &kept.route,
                policy: &kept.policy,
                access: &kept.access,
                // What was refused outlives nothing.
                limit: "",
                upstream: &kept.upstream,
                server: &kept.server,
            },
        }
    }
}

impl<'a> Names<'a> {
    fn of(snapshot: &'a Snapshot, client: &Client, plan: &Plan, outcome: &Outcome) -> Self {
        let config = &*snapshot.config;
        let route = config.route(plan.route);
        let id = route.leads_to.upstream();
        let servers = id.map(|id| snapshot.group(id).servers.endpoints());
        let server = servers.zip(outcome.server).and_then(|(servers, index)| servers.get(index));
        let asked = route.access.ids();
        let access = plan.admission.decided_by(asked.len()).and_then(|at| asked.get(at));
        Self {
            listener: &config.listener(client.listener).url,
            route: if plan.route == Routes::NOTHING { "" } else { &route.name },
            policy: config.policy_name(route.policy),
            access: access.map_or("", |id| &config.access(*id).name),
            limit: outcome.limited_by.map_or("", |id| &config.limit(id).name),
            upstream: id.map_or("", |id| &config.upstream(id).name),
            server: server.map_or("", |server| &server.shown),
        }
    }
}

/// Names for what outlives its configuration.
pub(crate) struct KeptNames {
    listener: Box<str>,
    route: Box<str>,
    policy: Box<str>,
    access: Box<str>,
    upstream: Box<str>,
    server: Box<str>,
}

impl KeptNames {
    /// Those of a request under way.
    pub(crate) fn of(snapshot: &Snapshot, client: &Client, plan: &Plan, outcome: &Outcome) -> Self {
        let Names { listener, route, policy, access, upstream, server, .. } =
            Names::of(snapshot, client, plan, outcome);
        Self {
            listener: listener.into(),
            route: route.into(),
            policy: policy.into(),
            access: access.into(),
            upstream: upstream.into(),
            server: server.into(),
        }
    }
}

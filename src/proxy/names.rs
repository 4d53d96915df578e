//! What the configuration calls what had to do with a request, for the log: also of what outlives it.

use super::outcome::Outcome;
use crate::{
    config::{Config, Routes},
    plan::{Client, Plan},
};

/// What the configuration calls what had to do with a request; empty where nothing had.
pub(super) struct Names<'a> {
    pub(super) listener: &'a str,
    pub(super) route: &'a str,
    pub(super) policy: &'a str,
    pub(super) upstream: &'a str,
    pub(super) server: &'a str,
}

/// Who knows what things are called.
pub(crate) enum Naming<'a> {
    /// The configuration that the request saw.
    Config(&'a Config),
    /// Whoever wrote them down while it was there.
    Kept(&'a KeptNames),
}

impl<'a> Naming<'a> {
    /// Those of a request.
    pub(super) fn names(&self, client: &Client, plan: &Plan, outcome: &Outcome) -> Names<'a> {
        match *self {
            Self::Config(config) => Names::of(config, client, plan, outcome),
            Self::Kept(kept) => Names {
                listener: &kept.listener,
                route: &kept.route,
                policy: &kept.policy,
                upstream: &kept.upstream,
                server: &kept.server,
            },
        }
    }
}

impl<'a> Names<'a> {
    fn of(config: &'a Config, client: &Client, plan: &Plan, outcome: &Outcome) -> Self {
        let route = config.route(plan.route);
        let upstream = route.leads_to.upstream().map(|id| config.upstream(id));
        let server = upstream.zip(outcome.server).and_then(|(upstream, index)| upstream.endpoints.get(index));
        Self {
            listener: &config.listener(client.listener).url,
            route: if plan.route == Routes::NOTHING { "" } else { &route.name },
            policy: config.policy_name(route.policy),
            upstream: upstream.map_or("", |upstream| &upstream.name),
            server: server.map_or("", |server| &server.shown),
        }
    }
}

/// Names for what outlives its configuration.
pub(crate) struct KeptNames {
    listener: Box<str>,
    route: Box<str>,
    policy: Box<str>,
    upstream: Box<str>,
    server: Box<str>,
}

impl KeptNames {
    /// Those of a request under way.
    pub(crate) fn of(config: &Config, client: &Client, plan: &Plan, outcome: &Outcome) -> Self {
        let Names { listener, route, policy, upstream, server } = Names::of(config, client, plan, outcome);
        Self {
            listener: listener.into(),
            route: route.into(),
            policy: policy.into(),
            upstream: upstream.into(),
            server: server.into(),
        }
    }
}

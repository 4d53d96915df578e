//! What the configuration calls what had to do with a request, for the log.

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

impl<'a> Names<'a> {
    /// Those of a request.
    pub(super) fn of(snapshot: &'a Snapshot, client: &Client, plan: &Plan, outcome: &Outcome) -> Self {
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

//! All of it together.

use std::{path::PathBuf, sync::Arc};

use super::{
    access::{Access, AccessId},
    admin::Admin,
    dns::Dns,
    forward::Forward,
    gateway::Gateway,
    jwt::KeySource,
    keys::Key,
    limit::LimitId,
    limits::Limits,
    listen::{Listener, ListenerId},
    log::Log,
    places::{Places, SettingPlace, TablePlaces},
    policy::PolicyId,
    process::Process,
    route::{Route, RouteId},
    routes::Routes,
    source::{Place, Source},
    timeouts::Timeouts,
    upstream::{Upstream, UpstreamId},
};
use crate::{
    admission::{AccessTable, Takes},
    cors::CorsPolicy,
    limit::Limit,
    trust::Trust,
};

/// All that the process does, decided.
pub struct Config {
    /// What holds for the life of the process.
    pub process: Process,
    /// Whether pages are told why they are refused, under `/__corsair/`.
    pub dev: bool,
    /// What is served where, and what was.
    pub(crate) listeners: Vec<Listener>,
    /// Who may read the answers; the first is the one of `[cors]`.
    pub(super) policies: Vec<CorsPolicy>,
    /// Ways in, of which routes name those that must admit.
    pub(super) access: Vec<Access>,
    /// What is taken out of request targets, whatever route takes them.
    pub takes: Takes,
    /// How often something may be asked for; routes name those that count for them.
    pub(super) limit_tables: Vec<Limit>,
    /// What is behind the reverse proxy.
    pub upstreams: Vec<Upstream>,
    /// What becomes of which request.
    pub routes: Routes,
    /// The gateway, where there is one: what has one of its forms goes to the target that it names.
    pub gateway: Option<Gateway>,
    /// The forward proxy, where there is one.
    pub forward: Option<Forward>,
    /// Every wait, where a route has none of its own.
    pub timeouts: Timeouts,
    /// Every bound, where a route has none of its own.
    pub limits: Limits,
    /// Whose word about a client counts.
    pub trust: Trust,
    /// Where names are resolved.
    pub dns: Dns,
    /// What is written, and where.
    pub log: Log,
    /// Where the process shows what it does.
    pub admin: Admin,
    /// All files that say something of it.
    pub files: Vec<PathBuf>,
    /// What they held, as a number, before it was read.
    pub content: u64,
    /// The file that it was read from.
    pub file: Option<Arc<Source>>,
    /// Field lines that an example request needs to be let in, such as `Origin: https://app.example.com`.
    pub example_fields: Vec<Box<str>>,
    /// The path of the URL that clients are given, where there is but one.
    pub client_path: Option<Box<str>>,
    /// Where what decides was typed.
    pub(super) places: Places,
}

impl Config {
    /// The policy of `[cors]`.
    #[must_use]
    pub fn cors(&self) -> &CorsPolicy {
        self.policy(PolicyId::DEFAULT)
    }

    /// A policy of this configuration.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> &CorsPolicy {
        &self.policies[usize::from(id.0)]
    }

    /// The name of a policy; that of `[cors]` is `default`.
    #[must_use]
    pub fn policy_name(&self, id: PolicyId) -> &str {
        &self.places.policies[usize::from(id.0)].name
    }

    /// Where a setting of a policy, such as [`Key::AllowOrigin`], was typed.
    #[must_use]
    pub fn setting(&self, policy: PolicyId, key: Key) -> SettingPlace {
        self.places.policies[usize::from(policy.0)].settings.setting(key)
    }

    /// Where a setting of a listener, such as [`Key::AllowHost`], was typed.
    #[must_use]
    pub fn listener_setting(&self, listener: ListenerId, key: Key) -> SettingPlace {
        self.listener(listener).places.setting(key)
    }

    /// Where a setting of a route, such as [`Key::RouteMethods`], was typed; of the gateway's, one of `[gateway]`.
    #[must_use]
    pub fn route_setting(&self, route: RouteId, key: Key) -> SettingPlace {
        self.route_places(route)
            .map_or_else(|| TablePlaces::default().setting(key), |places| places.setting(key))
    }

    /// Where the table of a route begins; nothing where flags say what it is, or nobody.
    #[must_use]
    pub fn route_place(&self, route: RouteId) -> Option<&Place> {
        self.route_places(route).and_then(|places| places.place.as_ref())
    }

    fn route_places(&self, route: RouteId) -> Option<&TablePlaces> {
        match route {
            Routes::NOTHING => None,
            Routes::GATEWAY => Some(&self.places.gateway),
            Routes::FORWARD => Some(&self.places.forward),
            route => self.places.routes.get(Routes::typed_index(route)?),
        }
    }

    /// A route of this configuration.
    #[must_use]
    pub fn route(&self, id: RouteId) -> &Route {
        self.routes.get(id)
    }

    /// All policies by their places.
    pub fn policy_ids(&self) -> impl Iterator<Item = PolicyId> + use<> {
        (0..u16::try_from(self.policies.len()).unwrap_or(u16::MAX)).map(PolicyId)
    }

    /// A way in of this configuration.
    #[must_use]
    pub fn access(&self, id: AccessId) -> &AccessTable {
        &self.access[usize::from(id.0)].table
    }

    /// The service that a way in asks, where it asks one.
    #[must_use]
    pub fn asked_by(&self, id: AccessId) -> Option<UpstreamId> {
        self.access[usize::from(id.0)].asks
    }

    /// Whether keys are fetched for a way in.
    #[must_use]
    pub fn is_fetched(&self, id: AccessId) -> bool {
        self.access[usize::from(id.0)].fetches.is_some()
    }

    /// Where keys of tokens are fetched, and for which way in.
    pub fn key_sources(&self) -> impl Iterator<Item = (&KeySource, &AccessTable)> {
        self.access.iter().filter_map(|access| Some((access.fetches.as_ref()?, &access.table)))
    }

    /// All ways in.
    pub fn access_tables(&self) -> impl Iterator<Item = &AccessTable> {
        self.access.iter().map(|access| &access.table)
    }

    /// A limit of this configuration.
    #[must_use]
    pub fn limit(&self, id: LimitId) -> &Limit {
        &self.limit_tables[usize::from(id.0)]
    }

    /// All tables of limits.
    #[must_use]
    pub fn limit_tables(&self) -> &[Limit] {
        &self.limit_tables
    }

    /// An upstream of this configuration.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[usize::from(id.0)]
    }

    /// All upstreams by their places.
    pub fn upstream_ids(&self) -> impl Iterator<Item = UpstreamId> + use<> {
        (0..u16::try_from(self.upstreams.len()).unwrap_or(u16::MAX)).map(UpstreamId)
    }

    /// What is served, where.
    pub fn listeners(&self) -> impl Iterator<Item = (ListenerId, &Listener)> + Clone {
        let listeners = (0..).map(ListenerId).zip(&self.listeners);
        listeners.filter(|(_, listener)| listener.is_served)
    }

    /// A listener of this configuration.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> &Listener {
        &self.listeners[usize::from(id.0)]
    }

    /// Whether clients choose what is asked: through the gateway or the forward proxy.
    #[must_use]
    pub const fn reaches_chosen_targets(&self) -> bool {
        self.gateway.is_some() || self.forward.is_some()
    }

    /// Whether there is an application beside the gateway.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }
}

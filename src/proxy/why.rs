//! Why a request of a page was refused, as the page is told under `/__corsair/why` by who develops it.

use std::str;

use serde_json::json;
use url::form_urlencoded;

use super::{core::Core, snapshot::Snapshot};
use crate::{
    config::{self, Config, Obstacle},
    cors::CorsDecision,
    http1::{fields::FieldId, head::Request},
    observe::refusals::Refusal,
    plan::Plan,
};

/// What stands in the way of a page once its request is decided, or would if it had sent it with credentials; nothing where
/// nothing does.
pub(super) fn obstacle(config: &Config, plan: &Plan) -> Option<Obstacle> {
    let policy = config.policy(config.route(plan.route).policy);
    if policy.is_report_only() || matches!(plan.cors, CorsDecision::NotCors | CorsDecision::SameOrigin) {
        // The upstream decides, or nobody.
        return None;
    }
    let of_policy = plan.cors.reason().map(Obstacle::Policy);
    let of_upstream = (!policy.strips_upstream_headers()).then_some(Obstacle::UpstreamFields);
    of_policy.or(of_upstream).or_else(|| (!policy.allows_credentials()).then_some(Obstacle::Credentials))
}

/// What the page that asks may know, as JSON: what became of its own last request for a URL.
pub(super) fn told(core: &Core, snapshot: &Snapshot, request: Request<'_>) -> String {
    let query = request.target().splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
    let value = |wanted: &str| {
        let found = form_urlencoded::parse(query).find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (method, url) = (value("method"), value("url"));
    let config = &snapshot.config;
    // Nobody is told of what came without one.
    let origin = request.value(FieldId::Origin).filter(|origin| !origin.is_empty());
    let found = origin.and_then(|origin| {
        let asked = (origin, method.as_bytes(), url.as_bytes());
        core.counters.recent.last(asked, &config.log.secrets, snapshot.generation)
    });
    let is_found = found.is_some();
    let with_credentials = value("credentials") == "include";
    let refusal =
        found.filter(|refusal| with_credentials || !matches!(refusal.obstacle, Obstacle::Credentials));
    let Some(refusal) = refusal else { return json!({ "found": is_found }).to_string() };
    explained(config, &refusal)
}

fn explained(config: &Config, refusal: &Refusal) -> String {
    let refused = config::Refused {
        listener: refusal.listener,
        route: refusal.route,
        head: &refusal.detail,
        origin: Some(&refusal.origin),
        host: &refusal.host,
        access: refusal.access,
    };
    let remedy = config.remedy(refusal.obstacle, &refused);
    let setting = remedy.as_ref().and_then(|remedy| remedy.setting.as_ref());
    let place = setting.and_then(|setting| setting.place.as_ref()).map(ToString::to_string);
    json!({
        "found": true,
        "reason": refusal.obstacle.describe(&refusal.detail),
        "remedy": remedy.as_ref().map(|remedy| &remedy.hint),
        "setting": setting.map(|setting| &setting.name),
        "place": place,
    })
    .to_string()
}

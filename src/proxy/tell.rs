//! What is said of requests to whoever asks for it with `-v` and `-vv`. Where nobody does, each costs a look at a level.

use tracing::Level;

use crate::{
    admission::TokenFault,
    config::{Config, LeadsTo, Routes},
    cors::CorsDecision,
    error::Error,
    http1::{fields::FieldId, head::Request},
    observe::access_log::redacted,
    plan::{Action, Answer, Destination, Plan},
};

/// One line for a request that CORS refuses, with the reason (`-v`).
#[inline]
pub(super) fn refusal(request: Request<'_>, plan: &Plan, config: &Config) {
    if plan.cors.reason().is_some() && tracing::enabled!(target: "corsair::cors", Level::DEBUG) {
        tell_refusal(request, plan, config);
    }
}

#[cold]
fn tell_refusal(request: Request<'_>, plan: &Plan, config: &Config) {
    let Some(reason) = plan.cors.reason() else { return };
    tracing::debug!(
        target: "corsair::cors",
        origin = %shown(request.value(FieldId::Origin).unwrap_or_default(), config),
        method = %shown(request.method_name(), config),
        target = %shown(request.target(), config),
        policy = config.policy_name(config.route(plan.route).policy),
        reason = reason.label(),
        "CORS refuses"
    );
}

/// One line for a token that lets nobody in, with the reason (`-v`).
#[inline]
pub(super) fn refused_token(access: &str, fault: TokenFault) {
    tracing::debug!(target: "corsair::access", access, reason = %fault, "a token is refused");
}

/// One line for an attempt that failed, with the reason (`-v`).
#[inline]
pub(super) fn failed_attempt(server: &str, error: Error, attempt: u32) {
    if tracing::enabled!(target: "corsair::upstream", Level::DEBUG) {
        tell_failed_attempt(server, error, attempt);
    }
}

#[cold]
fn tell_failed_attempt(server: &str, error: Error, attempt: u32) {
    tracing::debug!(target: "corsair::upstream", server, %error, cause = error.token(), attempt, "an attempt failed");
}

/// One line for an answer that another server is asked for instead (`-v`).
#[inline]
pub(super) fn declined_answer(server: &str, status: u16, attempt: u32) {
    tracing::debug!(target: "corsair::upstream", server, status, attempt, "an answer is tried again elsewhere");
}

/// One line for an attempt that is not made, since there were too many of late (`-v`).
#[inline]
pub(super) fn budget_is_spent(upstream: &str) {
    tracing::debug!(target: "corsair::upstream", upstream, "retry.budget is used up: no further attempt");
}

/// One line for what was decided about a request (`-vv`).
#[inline]
pub(super) fn decision(request: Request<'_>, plan: &Plan, action: &Action, config: &Config) {
    if tracing::enabled!(target: "corsair::decision", Level::TRACE) {
        tell_decision(request, plan, action, config);
    }
}

#[cold]
fn tell_decision(request: Request<'_>, plan: &Plan, action: &Action, config: &Config) {
    let route = config.route(plan.route);
    let destination = match action {
        // Its URL may hold secrets.
        Action::Respond(Answer::ToOwnOrigin(_)) => "answered here: ToOwnOrigin".to_owned(),
        Action::Respond(answer) => format!("answered here: {answer:?}"),
        Action::Exchange(exchange) => match &exchange.destination {
            Destination::Upstream(id) | Destination::Question { upstream: id, .. } => {
                config.upstream(*id).name.to_string()
            }
            Destination::Target(target) => target.url.origin().to_owned(),
            Destination::Forward(target) => target.url().origin().to_owned(),
        },
        Action::Connect(target) => format!("a tunnel to {}", target.url().authority()),
    };
    let name =
        if plan.route == Routes::NOTHING || route.leads_to == LeadsTo::Nothing { "-" } else { &*route.name };
    tracing::trace!(
        target: "corsair::decision",
        method = %shown(request.method_name(), config),
        target = %shown(request.target(), config),
        route = name,
        policy = config.policy_name(route.policy),
        cors = if matches!(plan.cors, CorsDecision::NotCors | CorsDecision::Exempt) { "-" } else { plan.cors.result() },
        destination,
        "decided"
    );
}

/// What a client sent, as one word: what could be taken for something else is escaped, and secrets are hidden.
fn shown(bytes: &[u8], config: &Config) -> String {
    format!("{:?}", redacted(bytes, &config.log.secrets))
}

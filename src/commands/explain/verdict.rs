//! What the page will be able to read, and which setting decides it.

use super::{
    edge::{Answered, Edge},
    fetch,
    page::PageRequest,
    told::{Explanation, Told},
};
use crate::{
    config::{
        Config, ConfigFault, Key, Obstacle, Question, Refused, Remedy, SettingPlace, Settings,
        compile::compile, machine::Machine,
    },
    cors::write_reason,
};

/// What becomes of the request that is asked about, by the configuration that `settings` make.
///
/// Reads the files that the settings name; sends nothing and resolves no name.
///
/// # Errors
/// Everything that is wrong with the settings, or that no page can ask.
pub fn explain(
    settings: &Settings,
    question: &Question,
) -> Result<(Explanation, Vec<ConfigFault>), Vec<ConfigFault>> {
    let (config, warnings) = compile(settings, Machine::claim(), None)?;
    let page = PageRequest::of(question, &config)?;
    let explanation = explained(&config, &page).without_secrets(|text| settings.without_secrets(text));
    Ok((explanation, warnings))
}

fn explained(config: &Config, page: &PageRequest) -> Explanation {
    let edge = Edge::new(config, page);
    let preflight = page.wants_preflight().then(|| edge.answer(page.preflight()));
    let answer = edge.answer(page.request());
    let policy = config.route(answer.route).policy;
    let (checked, decides) = judge(page, preflight.as_ref(), &answer);
    let remedy = remedy(config, page, &edge, decides, checked.is_err());
    let mut reason = reason(page, decides, &checked, remedy.as_ref());
    if let Some(id) = answer.asks.filter(|_| answer.status.is_none()) {
        let table = &config.access(id).name;
        reason
            .push_str(&format!("; access.{table} asks its service, which is not asked here: it may refuse"));
    }
    let setting = match remedy {
        Some(Remedy { setting, .. }) => setting,
        // What lets it in.
        None if checked.is_ok() && page.script().is_some() => Some(config.setting(policy, Key::AllowOrigin)),
        None => None,
    };
    let listener = config.listener(page.listener);
    Explanation {
        listener: listener.address.url(listener.tls.is_some()),
        route: config.route(answer.route).name.to_string(),
        policy: config.policy_name(policy).to_owned(),
        place: setting.as_ref().and_then(place),
        setting: setting.map(|setting| setting.name),
        preflight: preflight.map(told),
        answer: told(answer),
        readable: checked.is_ok(),
        reason,
    }
}

fn told(Answered { status, fields, head, .. }: Answered) -> Told {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let request = line.strip_suffix(" HTTP/1.1").unwrap_or(&line).to_owned();
    Told { request, status, headers: fields }
}

/// Where a setting was typed: a place in a file, or else the flag or the variable.
fn place(setting: &SettingPlace) -> Option<String> {
    match &setting.place {
        Some(place) => Some(place.to_string()),
        None => (!setting.is_default).then(|| setting.name.clone()),
    }
}

/// Whether the page can read the answer, and which of the two requests decides that.
fn judge<'a>(
    page: &PageRequest,
    preflight: Option<&'a Answered>,
    answer: &'a Answered,
) -> (Result<(), String>, &'a Answered) {
    if page.upgrade {
        // No browser asks who may open a WebSocket: it is open, or it is not.
        let opened = match answer.status {
            None => Ok(()),
            Some(status) => Err(format!("the WebSocket is answered {status}")),
        };
        return (opened, answer);
    }
    let Some(script) = page.script() else { return (Ok(()), answer) };
    if let Some(preflight) = preflight
        && let Err(why) = fetch::preflight_check(&script, preflight.status, &preflight.fields)
    {
        return (Err(why), preflight);
    }
    (fetch::cors_check(&script, &answer.fields), answer)
}

/// What would have to be written where the page is refused something.
fn remedy(
    config: &Config,
    page: &PageRequest,
    edge: &Edge<'_>,
    decides: &Answered,
    is_unreadable: bool,
) -> Option<Remedy> {
    let policy = config.policy(config.route(decides.route).policy);
    let of_policy = decides.reason.map(Obstacle::Policy);
    let of_credentials =
        (is_unreadable && page.credentials && !policy.allows_credentials()).then_some(Obstacle::Credentials);
    let of_error = decides.error.map(Obstacle::Error);
    let host = page.url[url::Position::BeforeHost..url::Position::AfterPort].as_bytes();
    let origin = page.origin.as_deref().map(str::as_bytes);
    let refused = Refused {
        listener: edge.listener(),
        route: decides.route,
        head: &decides.head,
        origin,
        host,
        access: decides.access,
    };
    [of_policy, of_error, of_credentials]
        .into_iter()
        .flatten()
        .find_map(|obstacle| config.remedy(obstacle, &refused))
}

/// All of it in a sentence.
fn reason(
    page: &PageRequest,
    decides: &Answered,
    checked: &Result<(), String>,
    remedy: Option<&Remedy>,
) -> String {
    let mut reason = match checked {
        Err(why) => why.clone(),
        Ok(()) if page.origin.is_none() => "no page asks, and programs read whatever they get".to_owned(),
        Ok(()) if page.upgrade => "the WebSocket is passed on".to_owned(),
        Ok(()) if page.is_same_origin() => "the page is of the very origin that it asks".to_owned(),
        Ok(()) => "the origin is allowed".to_owned(),
    };
    let mut add = |more: &str| {
        if !more.is_empty() {
            reason.push_str("; ");
            reason.push_str(more);
        }
    };
    if let Some(why) = decides.reason {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write_reason(why, &decides.head, &mut text);
        add(&text);
    } else if let Some((error, status)) = decides.error.zip(decides.status) {
        add(&format!("corsair answers {status} itself: {}", error.to_string().trim_end_matches('.')));
    } else if decides.status.is_none() && checked.is_err() && decides.head.starts_with(b"OPTIONS ") {
        add("the application answers the preflight, and what it says decides");
    }
    add(remedy.map(|remedy| remedy.hint.as_str()).unwrap_or_default());
    reason
}

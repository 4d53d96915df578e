//! `corsair sign`: a URL that lets in whoever has it, for a time.

use std::time::{SystemTime, UNIX_EPOCH};

use url::{Position, Url};

use crate::{
    admission::{Link, Signature},
    config::{Config, ConfigFault, Settings, Signing, compile::compile, duration, machine::Machine},
    http1::fields::is_token,
};

/// The URL that is to be signed with its signature, by the configuration that `settings` make, and every warning. It lets
/// in for so long from `now` on.
///
/// Reads the files that the settings name.
///
/// # Errors
/// Everything that is wrong with the settings, or with what is to be signed.
pub fn sign(
    settings: &Settings,
    signing: &Signing,
    now: SystemTime,
) -> Result<(String, Vec<ConfigFault>), Vec<ConfigFault>> {
    let (config, warnings) = compile(settings, Machine::claim(), None)?;
    signed(&config, signing, now).map(|url| (url + "\n", warnings)).map_err(|faults| {
        let fault = |(key, message)| ConfigFault { key, message, place: None };
        faults.into_iter().map(fault).collect()
    })
}

/// What is signed, or what of it cannot be.
fn signed(config: &Config, signing: &Signing, now: SystemTime) -> Result<String, Vec<(String, String)>> {
    let typed = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut faults = Vec::new();
    let mut note = |key: &str, message: String| faults.push((key.to_owned(), message));
    let key = typed(&signing.key);
    let keys = config
        .signing_keys(&key, signing.access.as_deref())
        .map_err(|(flag, message)| note(flag, message))
        .ok();
    let method = signing.method.as_deref().unwrap_or("GET");
    if !is_token(method.as_bytes()) {
        note("--method", format!("\"{method}\" is no method; expected one such as PUT"));
    }
    let expires = expiry(&typed(&signing.expires), now).map_err(|message| note("--expires", message)).ok();
    let url = url(&typed(&signing.url)).map_err(|message| note(&typed(&signing.url), message)).ok();
    let (Some(keys), Some(expires), Some(url), true) = (keys, expires, url, faults.is_empty()) else {
        return Err(faults);
    };
    let link = Link {
        method: method.as_bytes(),
        authority: (url[Position::BeforeHost..Position::AfterPort].as_bytes(), is_secure(&url)),
        target: [url[Position::BeforePath..Position::AfterQuery].as_bytes(), b""],
    };
    let separator = if url.query().is_some() { '&' } else { '?' };
    // The name was found.
    let signature = keys.sign(&key, &link, expires).unwrap_or_default();
    let (asked, fragment) = (&url[..Position::AfterQuery], &url[Position::AfterQuery..]);
    Ok(format!("{asked}{separator}{signature}{fragment}"))
}

/// When it ends, in seconds since 1970.
fn expiry(typed: &str, now: SystemTime) -> Result<u64, String> {
    let lasts = duration(typed)?;
    if lasts.as_secs() == 0 {
        return Err(format!("\"{typed}\" is over at once; expected one such as 10m, 1h or 30d"));
    }
    Ok(now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(lasts).as_secs())
}

fn is_secure(url: &Url) -> bool {
    ["https", "wss"].contains(&url.scheme())
}

/// The URL as clients send it.
fn url(typed: &str) -> Result<Url, String> {
    let url = Url::parse(typed).map_err(|fault| {
        let hint = if typed.contains("://") {
            ""
        } else {
            "; write it as clients ask for it, with https:// and the host"
        };
        format!("is no URL: {fault}{hint}")
    })?;
    if !["http", "https", "ws", "wss"].contains(&url.scheme()) {
        return Err(format!("is a URL of {}; only http, https, ws and wss are served", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name, which is no part of what is signed; leave it out".to_owned());
    }
    if Signature::of(url[Position::BeforePath..Position::AfterQuery].as_bytes()).is_some() {
        return Err("is signed already; leave its last three parameters out".to_owned());
    }
    Ok(url)
}

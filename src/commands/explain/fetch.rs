//! What a browser does: which requests want a preflight, and who may read which answer.
//!
//! Read from the Fetch standard and independent of what corsair takes it for: what is produced is judged by it.

/// A request as a script makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    /// The origin of its page, serialized.
    pub(super) origin: &'a str,
    /// The method, normalized.
    pub(super) method: &'a str,
    /// The fields that it sets.
    pub(super) headers: &'a [(String, String)],
    /// Whether the credentials mode is "include".
    pub(super) credentials: bool,
}

/// The method as it is sent: some are put into capitals, and `patch` is not among them.
///
/// Source: Fetch, "normalize a method".
pub(super) fn normalized(method: &str) -> String {
    let upper = method.to_ascii_uppercase();
    let is_normalized = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].contains(&&*upper);
    if is_normalized { upper } else { method.to_owned() }
}

/// Whether no script can send this method.
///
/// Source: Fetch, "forbidden method".
pub(super) fn is_forbidden_method(method: &str) -> bool {
    ["CONNECT", "TRACE", "TRACK"].iter().any(|known| known.eq_ignore_ascii_case(method))
}

/// Whether no script can set this field.
///
/// Source: Fetch, "forbidden request-header".
pub(super) fn is_forbidden_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FORBIDDEN.contains(&&*name) || name.starts_with("proxy-") || name.starts_with("sec-")
}

const FORBIDDEN: [&str; 22] = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a preflight goes before it.
///
/// Source: Fetch, "main fetch" and "HTTP fetch".
pub(super) fn wants_preflight(script: &Script<'_>) -> bool {
    !is_safelisted_method(script.method) || !unsafe_names(script.headers).is_empty()
}

fn is_safelisted_method(method: &str) -> bool {
    ["GET", "HEAD", "POST"].contains(&method)
}

/// The names of the fields that a preflight asks for: in small letters, sorted, each once.
///
/// Source: Fetch, "CORS-unsafe request-header names".
pub(super) fn unsafe_names(headers: &[(String, String)]) -> Vec<String> {
    let mut names = Vec::new();
    let mut perhaps = Vec::new();
    let mut size = 0;
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if is_safelisted(&lower, value) {
            size += value.len();
            perhaps.push(lower);
        } else {
            names.push(lower);
        }
    }
    if size > 1024 {
        names.append(&mut perhaps);
    }
    names.sort();
    names.dedup();
    names
}

/// Source: Fetch, "CORS-safelisted request-header".
fn is_safelisted(name: &str, value: &str) -> bool {
    if value.len() > 128 {
        return false;
    }
    match name {
        "accept" => !value.bytes().any(is_unsafe),
        "accept-language" | "content-language" => {
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" *,-.;=".contains(&byte))
        }
        "content-type" => {
            let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            !value.bytes().any(is_unsafe)
                && ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
                    .contains(&&*essence)
        }
        "range" => is_simple_range(value),
        _ => false,
    }
}

/// Source: Fetch, "CORS-unsafe request-header byte".
fn is_unsafe(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f || b"\"():<>?@[\\]{}".contains(&byte)
}

/// `bytes=FIRST-` or `bytes=FIRST-LAST`.
///
/// Source: Fetch, "parse a single range header value".
fn is_simple_range(value: &str) -> bool {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return false;
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>());
    match (number(first), number(last)) {
        (Some(Ok(_)), _) if last.is_empty() => true,
        (Some(Ok(first)), Some(Ok(last))) => first <= last,
        _ => false,
    }
}

/// Whether the page may read an answer with these fields.
///
/// # Errors
/// What the browser says in its console, about.
///
/// Source: Fetch, "CORS check".
pub(super) fn cors_check(script: &Script<'_>, fields: &[(String, String)]) -> Result<(), String> {
    let Some(allowed) = value(fields, "access-control-allow-origin") else {
        return Err("no Access-Control-Allow-Origin is sent".to_owned());
    };
    if allowed == "*" && !script.credentials {
        return Ok(());
    }
    if allowed == "*" {
        return Err("Access-Control-Allow-Origin is * and the request is made with credentials".to_owned());
    }
    if allowed != script.origin {
        return Err(format!("Access-Control-Allow-Origin is {allowed} and not {}", script.origin));
    }
    match value(fields, "access-control-allow-credentials") {
        _ if !script.credentials => Ok(()),
        Some(granted) if granted == "true" => Ok(()),
        _ => Err("Access-Control-Allow-Credentials is not true and the request is made with credentials"
            .to_owned()),
    }
}

/// Whether the request may be sent behind a preflight that was answered so; a `status` that nobody knows is taken for
/// one that is fine.
///
/// # Errors
/// What the browser says in its console, about.
///
/// Source: Fetch, "CORS-preflight fetch".
pub(super) fn preflight_check(
    script: &Script<'_>,
    status: Option<u16>,
    fields: &[(String, String)],
) -> Result<(), String> {
    cors_check(script, fields)?;
    if let Some(status) = status.filter(|status| !(200..300).contains(status)) {
        return Err(format!("the preflight is answered {status}, which is not ok"));
    }
    let methods = list(fields, "access-control-allow-methods")?;
    let names = list(fields, "access-control-allow-headers")?;
    let any = |list: &[String]| !script.credentials && list.iter().any(|member| member == "*");
    if !is_safelisted_method(script.method)
        && !methods.iter().any(|method| method == script.method)
        && !any(&methods)
    {
        return Err(format!("Access-Control-Allow-Methods does not grant {}", script.method));
    }
    let is_named = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let wanted = unsafe_names(script.headers);
    match wanted.iter().find(|name| !is_named(name) && (*name == "authorization" || !any(&names))) {
        Some(name) => Err(format!("Access-Control-Allow-Headers does not grant {name}")),
        None => Ok(()),
    }
}

/// The members of a list of tokens; none where the field is missing.
fn list(fields: &[(String, String)], name: &str) -> Result<Vec<String>, String> {
    let value = value(fields, name).unwrap_or_default();
    let members = value.split(',').map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<String> = members.filter(|member| !member.is_empty()).map(str::to_owned).collect();
    let is_token = |text: &String| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    if members.iter().all(is_token) {
        Ok(members)
    } else {
        Err(format!("{name} is no list of names: {value}"))
    }
}

/// The value of a field, those of several lines put together.
///
/// Source: Fetch, "get".
fn value(fields: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = fields
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://a.example";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn script<'a>(method: &'a str, headers: &'a [(String, String)], credentials: bool) -> Script<'a> {
        Script { origin: ORIGIN, method, headers, credentials }
    }

    #[test]
    fn a_preflight_goes_before_what_a_form_could_not_send() {
        let long = "x".repeat(129);
        for (method, name, value, wants) in [
            ("GET", "Accept", "*/*", false),
            ("POST", "Content-Type", "text/plain;charset=UTF-8", false),
            ("POST", "Content-Type", "multipart/form-data; boundary=x", false),
            ("HEAD", "Accept-Language", "de-CH, en;q=0.5", false),
            ("GET", "Range", "bytes=0-", false),
            ("GET", "Range", "bytes=5-9", false),
            ("PUT", "Accept", "*/*", true),
            ("get", "Accept", "*/*", true),
            ("POST", "Content-Type", "application/json", true),
            ("GET", "Accept", "a(b", true),
            ("GET", "Accept", &long, true),
            ("GET", "Accept-Language", "a_b", true),
            ("GET", "Range", "bytes=9-5", true),
            ("GET", "Range", "bytes=-5", true),
            ("GET", "X-Token", "1", true),
            ("GET", "Authorization", "Bearer x", true),
        ] {
            let headers = fields(&[(name, value)]);
            assert_eq!(wants_preflight(&script(method, &headers, false)), wants, "{method} {name}: {value}");
        }
        let many = fields(&[("Accept", &"a".repeat(128)), ("X-B", "1"), ("x-b", "2"), ("X-A", "")]);
        assert_eq!(unsafe_names(&many), ["x-a", "x-b"]);
        let much: Vec<_> = (0..9).map(|_| ("Accept".to_owned(), "a".repeat(128))).collect();
        assert_eq!(unsafe_names(&much), ["accept"], "1024 bytes in all");
    }

    #[test]
    fn who_may_read_is_said_by_one_value_and_by_another_for_credentials() {
        const ALLOW: &str = "Access-Control-Allow-Origin";
        const WITH: &str = "Access-Control-Allow-Credentials";
        for (answer, plain, with_credentials) in [
            (&[][..], false, false),
            (&[(ALLOW, "*")], true, false),
            (&[(ALLOW, "*"), (WITH, "true")], true, false),
            (&[(ALLOW, ORIGIN)], true, false),
            (&[(ALLOW, ORIGIN), (WITH, "true")], true, true),
            (&[(ALLOW, ORIGIN), (WITH, "True")], true, false),
            (&[(ALLOW, ORIGIN), (WITH, "true"), (WITH, "true")], true, false),
            (&[(ALLOW, ORIGIN), (ALLOW, ORIGIN)], false, false),
            (&[(ALLOW, "*, *")], false, false),
            (&[(ALLOW, "https://A.example")], false, false),
            (&[(ALLOW, "null")], false, false),
        ] {
            let answer = fields(answer);
            let read = |credentials| cors_check(&script("GET", &[], credentials), &answer).is_ok();
            assert_eq!((read(false), read(true)), (plain, with_credentials), "{answer:?}");
        }
    }

    #[test]
    fn a_preflight_grants_methods_and_fields_by_name_and_a_star_no_authorization() {
        let headers = fields(&[("X-Token", "1")]);
        let authorized = fields(&[("Authorization", "x")]);
        for (method, headers, credentials, status, more, sends) in [
            ("PUT", &[][..], false, Some(204), &[("Access-Control-Allow-Methods", "GET, PUT")][..], true),
            ("PUT", &[], false, None, &[("Access-Control-Allow-Methods", "*")], true),
            ("PUT", &[], true, Some(204), &[("Access-Control-Allow-Methods", "*")], false),
            ("PUT", &[], false, Some(204), &[("Access-Control-Allow-Methods", "put")], false),
            ("PUT", &[], false, Some(204), &[], false),
            ("PUT", &[], false, Some(204), &[("Access-Control-Allow-Methods", "PUT; x")], false),
            ("PUT", &[], false, Some(403), &[("Access-Control-Allow-Methods", "PUT")], false),
            ("POST", &headers, false, Some(200), &[("Access-Control-Allow-Headers", "x-TOKEN")], true),
            ("POST", &headers, false, Some(200), &[("Access-Control-Allow-Headers", "*")], true),
            ("POST", &headers, true, Some(200), &[("Access-Control-Allow-Headers", "*")], false),
            ("POST", &headers, false, Some(200), &[], false),
            ("GET", &authorized, false, Some(200), &[("Access-Control-Allow-Headers", "*")], false),
            (
                "GET",
                &authorized,
                false,
                Some(200),
                &[("Access-Control-Allow-Headers", "*, Authorization")],
                true,
            ),
        ] {
            let allow =
                [("Access-Control-Allow-Origin", ORIGIN), ("Access-Control-Allow-Credentials", "true")];
            let answer = fields(&[&allow[..], more].concat());
            let checked = preflight_check(&script(method, headers, credentials), status, &answer);
            assert_eq!(checked.is_ok(), sends, "{method} {headers:?} {more:?}: {checked:?}");
        }
    }

    #[test]
    fn methods_are_normalized_and_forbidden_as_scripts_know_it() {
        for (typed, sent) in [("put", "PUT"), ("patch", "patch"), ("Get", "GET"), ("PURGE", "PURGE")] {
            assert_eq!(normalized(typed), sent);
        }
        assert!(is_forbidden_method("Trace") && !is_forbidden_method("PATCH"));
        for (name, forbidden) in
            [("Cookie", true), ("Sec-Fetch-Mode", true), ("proxy-x", true), ("authorization", false)]
        {
            assert_eq!(is_forbidden_header(name), forbidden, "{name}");
        }
    }
}

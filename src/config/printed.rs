//! Settings as a file that says the same: what is effective, with nothing in it that is secret.

use std::fmt::Write as _;

use super::{
    keys::{Key, Kind},
    settings::{Part, Section, Settings, Typed, TypedAt},
};

/// The tables of a file that there is one of, by what their settings begin with.
const TABLES: [&str; 7] = ["", "timeouts.", "limits.", "dns.", "log.", "cors.", "gateway."];

/// A file that says all that these settings say, and the defaults of what they leave out.
#[must_use]
pub fn printed(settings: &Settings) -> String {
    let root = settings.root();
    let mut text = String::new();
    for begins in TABLES {
        let has_gateway =
            settings.has(Key::GatewayForms) || root.tables.iter().any(|(own, _)| own == "gateway");
        if begins == "gateway." && !has_gateway {
            continue;
        }
        if let Some(table) = begins.strip_suffix('.') {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{table}]\n");
        }
        table(begins, true, root, &mut text);
        if begins == "gateway." {
            forms(settings, &mut text);
        }
    }
    for (part, header, begins) in [
        (Part::Policy, "policy", "cors."),
        (Part::Listen, "[listen]", "listen."),
        (Part::Upstream, "upstream", "upstream."),
        (Part::Route, "[route]", "route."),
    ] {
        for section in root.parts(part) {
            let name = section.name.as_ref().map_or_else(String::new, |name| format!(".{}", quoted(name)));
            let _ = write!(text, "\n[{header}{name}]\n");
            table(begins, false, section, &mut text);
            if part == Part::Route {
                table("timeouts.", false, section, &mut text);
                table("limits.", false, section, &mut text);
            }
            for certificate in section.parts(Part::Certificate) {
                text.push_str("[[listen.tls.certificates]]\n");
                table("listen.tls.certificates.", false, certificate, &mut text);
            }
        }
    }
    of_flags(root, &mut text);
    text
}

/// What flags say of the only listener, upstream and route.
fn of_flags(root: &Section, text: &mut String) {
    if root.has(Key::Listen) || root.parts(Part::Listen).next().is_none() {
        text.push_str("\n[[listen]]\n");
        table("listen.", true, root, text);
    }
    if root.has(Key::Upstream) {
        text.push_str("\n[upstream.default]\n");
        table("upstream.", true, root, text);
        text.push_str("\n[[route]]\nupstream = \"default\"\n");
        table("route.", true, root, text);
    }
}

/// The forms of a gateway that flags name.
fn forms(settings: &Settings, text: &mut String) {
    let typed: Vec<&str> =
        settings.typed(Key::GatewayForms).iter().map(|typed| typed.text.as_str()).collect();
    if !typed.is_empty() {
        let has = |form: &str| typed.iter().any(|text| text.split(',').any(|own| own.trim() == form));
        let query = if has("query") { "url" } else { "off" };
        let _ = write!(text, "query = \"{query}\"\npath = {}\n", has("path"));
    }
}

/// The settings of one table: what was typed, and the defaults of the rest where those are asked for.
fn table(begins: &str, with_defaults: bool, section: &Section, text: &mut String) {
    let is_within = |name: &str| {
        let own = name.strip_prefix(begins)?;
        let deeper = begins.is_empty() && own.contains('.') || own.starts_with("tls.certificates.");
        (!deeper).then_some(own.to_owned())
    };
    for key in Key::ALL {
        let Some(own) = key.row().name.and_then(is_within) else { continue };
        let forms = [Key::GatewayQuery, Key::GatewayPath].contains(key) && section.has(Key::GatewayForms);
        let typed = section.typed(*key);
        let value = match (typed, key.row().default) {
            _ if forms => continue,
            ([], Some(default)) if with_defaults => {
                let typed = Typed { text: default.to_owned(), at: TypedAt::Variable };
                of_file(*key, std::slice::from_ref(&typed), true)
            }
            ([], _) => continue,
            (typed, _) => of_file(*key, typed, false),
        };
        let _ = writeln!(text, "{own} = {value}");
    }
}

/// A value as it stands in a file.
fn of_file(key: Key, typed: &[Typed], is_default: bool) -> String {
    match key.row().kind {
        Kind::List(_) => {
            let members = typed.iter().flat_map(|typed| match &typed.at {
                TypedAt::File(_) => vec![one(typed)],
                TypedAt::Flag | TypedAt::Variable => super::values::list([typed.text.as_str()])
                    .unwrap_or_default()
                    .iter()
                    .map(|text| quoted(text))
                    .collect(),
            });
            format!("[{}]", members.collect::<Vec<_>>().join(", "))
        }
        Kind::Fields(_) => {
            let fields = typed.iter().filter_map(|typed| {
                let (name, value) = typed.text.split_once(':')?;
                let value = match &typed.at {
                    TypedAt::File(place) => {
                        raw(place.source.text.get(place.span.clone()), name.trim(), value)
                    }
                    TypedAt::Flag | TypedAt::Variable => raw(None, name.trim(), value),
                };
                Some(format!("{} = {value}", quoted(name.trim())))
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Kind::Opposite if !is_default => {
            let is_flag = typed.last().is_some_and(|typed| !matches!(typed.at, TypedAt::File(_)));
            let on = typed.last().is_some_and(|typed| super::values::boolean(&typed.text) == Ok(true));
            (on != is_flag).to_string()
        }
        Kind::Switch | Kind::Opposite => {
            let on = typed.last().is_some_and(|typed| super::values::boolean(&typed.text) == Ok(true));
            on.to_string()
        }
        Kind::Value(_) | Kind::Count => typed.last().map(one).unwrap_or_default(),
    }
}

/// One value: as it stands in the file, with the variables that it names, or as it was typed.
fn one(typed: &Typed) -> String {
    match &typed.at {
        TypedAt::File(place) => match place.source.text.get(place.span.clone()) {
            Some(raw) if raw.contains("${") => raw.to_owned(),
            _ => quoted(&typed.text),
        },
        TypedAt::Flag | TypedAt::Variable => quoted(&typed.text),
    }
}

/// The value of a field: as it stands in the file where it names variables; hidden where it is a secret.
fn raw(in_file: Option<&str>, name: &str, value: &str) -> String {
    match in_file {
        Some(raw) if raw.contains("${") => raw.to_owned(),
        _ if is_secret(name) => quoted("***"),
        _ => quoted(value.trim()),
    }
}

/// Whether the value of a field of this name is nobody's business.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "authorization",
        "cookie",
        "token",
        "key",
        "secret",
        "password",
        "credential",
        "session",
        "signature",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// A text as TOML writes it (TOML 1.0, "basic strings").
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            // A literal one where values are read.
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    // What was put in already must not be taken for the name of a variable.
    quoted.replace("${", "$${")
}

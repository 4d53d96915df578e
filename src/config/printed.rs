//! Settings as a file that says the same: what is effective, with nothing in it that is secret.

use std::fmt::Write as _;

use toml::de::DeValue;

use super::{
    health::KEYS as HEALTH,
    keys::{Key, Kind},
    parent_proxy::without_credentials,
    preset,
    settings::{Part, Section, Settings, Typed, TypedAt},
    source::Place,
    upstreams, values,
};
use crate::{
    admission::MIN_KEY,
    routing::{HostPattern, PathPrefix},
};

/// The tables of a file that there is one of, by what their settings begin with.
const TABLES: [&str; 9] =
    ["", "timeouts.", "limits.", "dns.", "proxy.", "log.", "cors.", "gateway.", "forward."];

/// The tables of a file that there may be several of: what stands in their brackets, and what their settings begin with.
const PARTS: [(Part, &str, &[&str]); 7] = [
    (Part::Policy, "policy", &["cors."]),
    (Part::Access, "access", &["access."]),
    (Part::Limit, "limit", &["limit."]),
    (Part::Target, "[gateway.target]", &["gateway.target."]),
    (Part::Listen, "[listen]", &["listen."]),
    (Part::Upstream, "upstream", &["upstream."]),
    (Part::Route, "[route]", &["route.", "timeouts.", "limits."]),
];

/// A file that says all that these settings say, and the defaults of what they leave out.
#[must_use]
pub fn printed(settings: &Settings) -> String {
    let printer = Printer { settings };
    let mut text = String::new();
    for begins in TABLES.into_iter().filter(|begins| printer.has_table(begins)) {
        if let Some(table) = begins.strip_suffix('.') {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{table}]\n");
        }
        printer.table(begins, true, settings.root(), &mut text);
    }
    for (part, header, begins) in PARTS {
        for section in settings.root().parts(part).filter(|section| !printer.is_replaced(part, section)) {
            let name = section.name.as_ref().map_or_else(String::new, |name| format!(".{}", quoted(name)));
            let _ = write!(text, "\n[{header}{name}]\n");
            for begins in begins {
                printer.table(begins, false, section, &mut text);
            }
            for (table, keys) in SAYING_TABLES {
                let has_table = section.tables.iter().any(|(own, _)| own == table);
                if has_table && !keys.iter().any(|key| section.has(*key)) {
                    let _ = writeln!(text, "{table} = {{}}");
                }
            }
            let is_replaced = [Key::TlsCert, Key::TlsKey].iter().any(|key| settings.has(*key));
            for certificate in section.parts(Part::Certificate).filter(|_| !is_replaced) {
                text.push_str("[[listen.tls.certificates]]\n");
                printer.table(CERTIFICATE, false, certificate, &mut text);
            }
            if part == Part::Listen {
                printer.certificate_of_flags(&mut text);
            }
        }
        printer.of_flags(part, &mut text);
    }
    printer.what_no_file_can_say(&mut text);
    text
}

/// Tables that say something by being there, and what may stand in them.
const SAYING_TABLES: [(&str, &[Key]); 3] = [
    ("fetch_site", &[Key::AccessSiteUnsafe, Key::AccessSiteSafe]),
    ("respond", &[Key::RespondStatus, Key::RespondLocation, Key::RespondBody, Key::RespondContentType]),
    ("health", &HEALTH),
];

/// What the settings of a certificate begin with.
const CERTIFICATE: &str = "listen.tls.certificates.";
/// What the settings of a server begin with.
const SERVER: &str = "upstream.servers.";

struct Printer<'a> {
    settings: &'a Settings,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few settings are like no other")]
impl Printer<'_> {
    /// Whether there is a table of those that are not always there.
    fn has_table(&self, begins: &str) -> bool {
        match begins {
            "gateway." => self.has_gateway(),
            "forward." => self.has_forward(),
            "proxy." => self.settings.root().tables.iter().any(|(own, _)| own == "proxy"),
            _ => true,
        }
    }

    /// Whether there is a gateway: asked for by a flag or a table, or because there is nothing else.
    fn has_gateway(&self) -> bool {
        let root = self.settings.root();
        let serves_others = self.has_forward()
            || root.has(Key::Upstream)
            || [Part::Upstream, Part::Route].iter().any(|part| root.parts(*part).next().is_some());
        root.has(Key::GatewayForms) || root.tables.iter().any(|(own, _)| own == "gateway") || !serves_others
    }

    /// Whether there is a forward proxy: a flag says so, or the file has its table.
    fn has_forward(&self) -> bool {
        let root = self.settings.root();
        match root.typed(Key::Forward).last() {
            Some(typed) => values::boolean(typed.text.trim()) == Ok(true),
            None => root.tables.iter().any(|(own, _)| own == "forward"),
        }
    }

    /// Whether flags that say something of a gateway say what `key` of the forward proxy is, too; and which.
    fn flag_of_forward(&self, key: Key) -> Option<Key> {
        let flag = match key {
            Key::ForwardAllowTargets => Key::AllowTarget,
            Key::ForwardDenyTargets => Key::DenyTarget,
            Key::ForwardOpen => Key::Open,
            _ => return None,
        };
        let root = self.settings.root();
        let is_on =
            || root.typed(flag).last().is_some_and(|typed| values::boolean(typed.text.trim()) == Ok(true));
        (root.has_outside_of_a_file(flag) && (flag != Key::Open || is_on())).then_some(flag)
    }

    /// Whether flags say something in place of this table of the file.
    fn is_replaced(&self, part: Part, section: &Section) -> bool {
        let root = self.settings.root();
        match part {
            Part::Listen => root.has(Key::Listen),
            Part::Upstream => root.has(Key::Upstream) && section.name.as_deref() == Some(upstreams::DEFAULT),
            Part::Route => root.has(Key::Upstream) && takes_everything(section),
            Part::Policy | Part::Access | Part::Limit | Part::Target | Part::Certificate | Part::Server => {
                false
            }
        }
    }

    /// What flags say of the only listener, upstream and route.
    fn of_flags(&self, part: Part, text: &mut String) {
        let root = self.settings.root();
        match part {
            Part::Listen if root.has(Key::Listen) || root.parts(Part::Listen).next().is_none() => {
                text.push_str("\n[[listen]]\n");
                self.table("listen.", true, root, text);
                self.certificate_of_flags(text);
            }
            Part::Upstream if root.has(Key::Upstream) => {
                let _ = write!(text, "\n[upstream.{}]\n", quoted(upstreams::DEFAULT));
                self.table("upstream.", true, root, text);
            }
            Part::Route if root.has(Key::Upstream) => {
                text.push_str("\n[[route]]\n");
                self.table("route.", true, root, text);
            }
            Part::Listen
            | Part::Upstream
            | Part::Route
            | Part::Policy
            | Part::Access
            | Part::Limit
            | Part::Target
            | Part::Certificate
            | Part::Server => {}
        }
    }

    /// What is left of the flags.
    fn what_no_file_can_say(&self, text: &mut String) {
        let root = self.settings.root();
        if root.has(Key::Token) {
            let _ = write!(text, "\n# Only a flag can say {}.\n", root.spelled(Key::Token));
        }
        if self.has_gateway() {
            for key in [Key::CaFile, Key::VerifyUpstream].into_iter().filter(|key| root.has(*key)) {
                let _ = write!(
                    text,
                    "\n# Towards targets of the gateway only a flag can say {}.\n",
                    root.spelled(key)
                );
            }
        }
    }

    fn certificate_of_flags(&self, text: &mut String) {
        let root = self.settings.root();
        let (certificates, keys) = (root.typed(Key::TlsCert), root.typed(Key::TlsKey));
        for at in 0..certificates.len().max(keys.len()) {
            text.push_str("[[listen.tls.certificates]]\n");
            for (name, typed) in [("cert", certificates.get(at)), ("key", keys.get(at))] {
                if let Some(typed) = typed {
                    let _ = writeln!(text, "{name} = {}", one(typed));
                }
            }
        }
    }

    /// Whether flags, which name the forms of the gateway, say what `key` is; and what.
    fn form(&self, key: Key) -> Option<String> {
        let typed = self.settings.typed(Key::GatewayForms).iter().map(|typed| typed.text.as_str());
        let typed = values::list(typed).ok().filter(|typed| !typed.is_empty())?;
        let has = |form: &str| typed.iter().any(|own| own == form);
        match key {
            Key::GatewayQuery => Some(quoted(if has("query") { "url" } else { "off" })),
            Key::GatewayPath => Some(has("path").to_string()),
            _ => None,
        }
    }

    /// The settings of one table: what was typed, and the defaults of the rest where those are asked for.
    fn table(&self, begins: &str, with_defaults: bool, section: &Section, text: &mut String) {
        let is_within = |name: &'static str| {
            let own = name.strip_prefix(begins)?;
            let is_deeper = begins.is_empty() && own.contains('.')
                || ["tls.certificates.", "servers.", "target."].iter().any(|part| own.starts_with(part));
            (!is_deeper).then_some((name, own))
        };
        for key in Key::ALL {
            let Some((name, own)) = key.row().name.and_then(is_within) else { continue };
            // What the whole file says of waits and bounds stands there once.
            let is_inherited = key.is_inherited() && !section.has(*key) && section.place.is_some();
            let said_by = self.flag_of_forward(*key).unwrap_or(*key);
            let typed =
                if is_inherited { &[] } else { self.settings.holder(section, said_by).typed(said_by) };
            let value = match (typed, self.default(*key)) {
                _ if self.form(*key).is_some() => self.form(*key).unwrap_or_default(),
                // A table of TLS is there with its certificates alone, and one of health starts probes.
                ([], Some(default))
                    if with_defaults && *key != Key::TlsMinVersion && !HEALTH.contains(key) =>
                {
                    let default = [Typed { text: default.to_owned(), at: TypedAt::Variable }];
                    of_file(*key, &default, true)
                }
                ([], _) => continue,
                (typed, _) if *key == Key::Upstream && section.parts(Part::Server).next().is_some() => {
                    self.servers(typed, section)
                }
                (typed, _) => of_file(*key, typed, false),
            };
            // Of a route, those of the whole file stand in tables of the same names.
            let shown = if section.place.is_some() && key.is_inherited() { name } else { own };
            let _ = writeln!(text, "{shown} = {value}");
        }
    }

    /// Servers, some of which are tables.
    fn servers(&self, typed: &[Typed], section: &Section) -> String {
        let server = |typed: &Typed| {
            let url = one(typed);
            let table =
                section.parts(Part::Server).find(|table| table.typed(Key::Upstream).last() == Some(typed));
            let mut rest = String::new();
            if let Some(table) = table {
                self.table(SERVER, false, table, &mut rest);
            }
            if rest.is_empty() {
                return url;
            }
            let rest: Vec<&str> = rest.lines().collect();
            format!("{{ url = {url}, {} }}", rest.join(", "))
        };
        format!("[{}]", typed.iter().map(server).collect::<Vec<_>>().join(", "))
    }

    /// What holds where nothing is typed.
    fn default(&self, key: Key) -> Option<&'static str> {
        match key {
            Key::AccessLog if self.settings.file.is_some() => Some("stdout"),
            // Written out, these would say more than they do where they are left out: that the names are asked for
            // everywhere, and that there is an answer.
            Key::AllowHost | Key::RespondStatus | Key::RespondContentType => None,
            Key::RouteUpstream => Some(upstreams::DEFAULT),
            // What stands in for them is said by the preset.
            _ if self.settings.has(Key::Preset) && preset::speaks_of(key) => None,
            _ => key.row().default,
        }
    }
}

/// Whether a route is for any host and any path.
fn takes_everything(route: &Section) -> bool {
    let typed = |key: Key| route.typed(key).last().map(|typed| typed.text.trim());
    typed(Key::RouteHost).is_none_or(|host| HostPattern::parse(host) == Ok(HostPattern::EVERY))
        && typed(Key::RoutePath)
            .is_none_or(|path| PathPrefix::parse(path).is_ok_and(|path| path.as_str().is_empty()))
}

/// A value as it stands in a file.
fn of_file(key: Key, typed: &[Typed], is_default: bool) -> String {
    let is_on = || typed.last().is_some_and(|typed| values::boolean(typed.text.trim()) == Ok(true));
    match key.row().kind {
        // Each table of certificates names one.
        Kind::List(_) if [Key::TlsCert, Key::TlsKey].contains(&key) => {
            typed.last().map(one).unwrap_or_default()
        }
        Kind::List(_) => {
            let members = typed.iter().flat_map(|typed| match &typed.at {
                TypedAt::File(_) if key.is_secret() && as_written(typed).is_none() => vec![quoted("***")],
                TypedAt::File(_) => vec![one(typed)],
                TypedAt::Flag | TypedAt::Variable => {
                    let members = values::list([typed.text.as_str()]).unwrap_or_default();
                    members.iter().map(|text| quoted(text)).collect()
                }
            });
            format!("[{}]", members.collect::<Vec<_>>().join(", "))
        }
        // As long as a key must be: what is printed is accepted.
        Kind::Fields(_) if key == Key::AccessSignedKeys => fields(typed, Some(&"*".repeat(MIN_KEY))),
        Kind::Fields(_) => fields(typed, key.is_secret().then_some("***")),
        Kind::Opposite if !is_default => {
            let is_flag = typed.last().is_some_and(|typed| !matches!(typed.at, TypedAt::File(_)));
            (is_on() != is_flag).to_string()
        }
        Kind::Switch | Kind::Opposite => is_on().to_string(),
        Kind::Value(_) if [Key::ProxyHttp, Key::ProxyHttps].contains(&key) => {
            typed.last().map(parent).unwrap_or_default()
        }
        Kind::Value(_) if key.is_secret() => {
            let hidden = |typed: &Typed| as_written(typed).map_or_else(|| quoted("***"), |_| one(typed));
            typed.last().map(hidden).unwrap_or_default()
        }
        Kind::Value(_) | Kind::Count => typed.last().map(one).unwrap_or_default(),
    }
}

/// Fields as a table of names, each with its values, or with `stars` in their place where no value may be told.
fn fields(typed: &[Typed], stars: Option<&str>) -> String {
    let mut fields: Vec<(&str, Vec<String>)> = Vec::new();
    for typed in typed {
        let Some((name, value)) = typed.text.split_once(':') else { continue };
        let name = name.trim();
        let is_in_file = matches!(typed.at, TypedAt::File(_));
        let value = match as_written(typed) {
            Some(raw) => raw.to_owned(),
            // Behind a flag, too, it names variables.
            None if !is_in_file && value.contains("${") => basic(value.trim()),
            None if is_secret(name) => quoted(stars.unwrap_or("***")),
            None => quoted(stars.unwrap_or(value.trim())),
        };
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, values)| match &**values {
            [value] => format!("{} = {value}", quoted(name)),
            several => format!("{} = [{}]", quoted(name), several.join(", ")),
        })
        .collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// One value: as it stands in the file, with the variables that it names, or as it was typed.
fn one(typed: &Typed) -> String {
    as_written(typed).map_or_else(|| quoted(&typed.text), ToOwned::to_owned)
}

/// The URL of a parent proxy: its user and password are nobody's business, but where a variable stands for them.
fn parent(typed: &Typed) -> String {
    let written = as_written(typed).and_then(|raw| Some((raw, text_of(raw)?)));
    let Some((raw, text)) = written else { return quoted(&without_credentials(&typed.text)) };
    let credentials =
        text.rsplit_once('@').map_or("", |(before, _)| before.rsplit("://").next().unwrap_or(before));
    let secret = credentials.split_once(':').map_or(credentials, |(_, password)| password);
    let is_variable = |text: &str| text.starts_with("${") && text.find('}') == Some(text.len() - 1);
    if secret.is_empty() || is_variable(secret) { raw.to_owned() } else { basic(&without_credentials(&text)) }
}

/// A value as it stands in the file, if it names variables there.
fn as_written(typed: &Typed) -> Option<&str> {
    let TypedAt::File(Place { source, span }) = &typed.at else { return None };
    let raw = source.text.get(span.clone())?;
    // However the dollar sign is written: as an escape, too.
    text_of(raw).is_some_and(|text| text.contains("${")).then_some(raw)
}

/// What a value of a file says, if it is a text.
fn text_of(raw: &str) -> Option<String> {
    let value = DeValue::parse(raw).ok()?;
    value.get_ref().as_str().map(ToOwned::to_owned)
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
    // What was put in already must not be taken for the name of a variable.
    basic(text).replace("${", "$${")
}

/// The same, in which variables are named.
fn basic(text: &str) -> String {
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
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{compile::compile, sample},
        *,
    };

    /// What is printed is accepted, means the same and is printed the same.
    fn survives(settings: &Settings) -> String {
        let text = printed(settings);
        let again = sample::file(&text, &[]);
        let config = compile(settings, sample::MACHINE, None);
        let (config, _) = config.unwrap_or_else(|faults| panic!("{faults:#?}"));
        let (other, _) = compile(&again, sample::MACHINE, None).unwrap_or_else(|faults| {
            panic!("{}\n{text}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        assert_eq!(sample::described(&other), sample::described(&config), "{text}");
        // Files are read in the order of names, flags beside them in their own.
        let settled = printed(&again);
        assert_eq!(printed(&sample::file(&settled, &[])), settled);
        text
    }

    /// Flags with values that are fine together, whichever of them are given.
    const FLAGS: &[(Key, &str)] = &[
        (Key::Workers, "3"),
        (Key::MaxConnections, "77"),
        (Key::DrainDelay, "1s"),
        (Key::User, "nobody"),
        (Key::HalfClose, "false"),
        (Key::Listen, "127.0.0.1:0"),
        (Key::Listen, "[::1]:8080"),
        (Key::AllowOrigin, "https://a.example,https://*.b.example"),
        (Key::AllowOrigin, r"~https://app-[0-9]{1,3}\.example\.com"),
        (Key::AllowMethod, "PUT"),
        (Key::MaxAge, "5m"),
        (Key::Verdict, "true"),
        (Key::ResourcePolicy, "same-site"),
        (Key::AllowTarget, "api.example.org"),
        (Key::DenyTarget, "10.0.0.0/8"),
        (Key::RequireHeader, "Origin"),
        (Key::Redirects, "pass"),
        (Key::AllowHost, "localhost"),
        (Key::GatewayForms, "query"),
        (Key::Upstream, "http://127.0.0.1:9001/v1,unix:/run/a\"b.sock"),
        (Key::Upstream, "https://api.example.org"),
        (Key::SetRequestHeader, "X-A: 1 $${x} \"quoted\" ${CARGO_PKG_NAME}"),
        (Key::RemoveResponseHeader, "Server,X-Powered-By"),
        (Key::HostHeader, "keep"),
        (Key::Rewrite, "off"),
        (Key::EjectStatus, "502,503"),
        (Key::DnsServer, "10.0.0.2"),
        (Key::LimitBody, "1m"),
        (Key::TimeoutResponse, "7s"),
        (Key::RedactQuery, "a,b"),
    ];

    /// A file with some of everything.
    const FILE: &str = r#"
        workers = 2
        drain_timeout = "5s"
        [timeouts]
        connect = "1s"
        [gateway]
        allow_targets = ["api.example.org", "public"]
        cors = "open"
        [cors]
        allow_origins = ["https://a.example"]
        [policy.open]
        verdict = false
        [proxy]
        http = "http://parent:3128"
        https = "http://${CARGO_PKG_NAME}@parent:3128"
        no_proxy = [".internal", "10.0.0.0/8"]
        [[listen]]
        address = ["127.0.0.1:0", "[::1]:0"]
        services = ["routes"]
        allow_hosts = ["localhost"]
        [[listen]]
        address = "127.0.0.1:9999"
        services = ["gateway"]
        [upstream.api]
        servers = ["http://127.0.0.1:1", { url = "https://b.example:8443/x" }]
        pool = { max_idle = 7 }
        [upstream.default]
        servers = ["http://127.0.0.1:2"]
        proxy = "parent"
        tls.verify = false
        [[route]]
        upstream = "api"
        [[route]]
        name = "v1"
        host = "*.example.com"
        path = "/v1"
        upstream = "default"
        methods = ["GET", "PUT"]
        strip_prefix = true
        cors = "open"
        upgrades = ["none"]
        request_headers = { set = { x-a = "${CARGO_PKG_NAME}" }, add = { x-b = ["1", "2"] }, remove = ["x-c"] }
        timeouts = { response = "1s" }
        limits.body = "1k"
        [[route]]
        path = "/old"
        respond = { status = 301, location = "https://a.example/", body = "gone\n" }
        [[route]]
        path = "/ok"
        respond = {}
    "#;

    #[test]
    fn a_file_is_printed_as_one_that_says_the_same() {
        let text = survives(&sample::file(FILE, &[]));
        for line in ["timeouts.response = \"1s\"", "limits.body = \"1k\"", "access = \"stdout\""] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_certificate_of_flags_is_printed() {
        let (_folder, cert, key) = sample::certificate();
        let text = printed(&sample::settings(&[(Key::TlsCert, &cert), (Key::TlsKey, &key)]));
        let expected =
            format!("[[listen.tls.certificates]]\ncert = {}\nkey = {}\n", quoted(&cert), quoted(&key));
        assert!(text.contains(&expected), "{text}");
    }

    #[test]
    fn what_no_file_can_say_is_told() {
        let text = printed(&sample::settings(&[(Key::VerifyUpstream, "true")]));
        assert!(text.contains("only a flag can say --insecure-upstream"), "{text}");
    }

    #[test]
    fn no_secret_is_printed() {
        let flags = [
            (Key::Upstream, "http://127.0.0.1:9001"),
            (Key::SetRequestHeader, "Authorization: Bearer hunter2"),
            (Key::SetRequestHeader, "X-Team: web"),
            (Key::SetResponseHeader, "X-Api-Key: hunter2"),
        ];
        let text = printed(&sample::settings(&flags));
        assert!(!text.contains("hunter2") && text.contains("\"X-Team\" = \"web\""), "{text}");
        assert_eq!(text.matches("\"***\"").count(), 2, "{text}");
    }

    #[test]
    fn the_credentials_of_a_parent_are_not_printed_and_what_stands_for_them_is() {
        for (written, expected) in [
            ("\"http://parent:3128\"", "\"http://parent:3128\""),
            ("\"http://user:hunter2@parent:3128\"", "\"http://***@parent:3128\""),
            ("\"http://user:hunter@2@parent:3128\"", "\"http://***@parent:3128\""),
            ("'http://user:${CARGO_PKG_NAME}@parent:3128'", "'http://user:${CARGO_PKG_NAME}@parent:3128'"),
            ("\"http://${CARGO_PKG_NAME}@parent:3128\"", "\"http://${CARGO_PKG_NAME}@parent:3128\""),
            ("\"http://user:hunter2@${CARGO_PKG_NAME}:3128\"", "\"http://***@${CARGO_PKG_NAME}:3128\""),
            ("\"http://u:${CARGO_PKG_NAME}hunter2${CARGO_PKG_NAME}@p\"", "\"http://***@p\""),
            ("\"http://${CARGO_PKG_NAME}:3128\"", "\"http://${CARGO_PKG_NAME}:3128\""),
        ] {
            let file = format!("[gateway]\n[proxy]\nhttps = {written}\nno_proxy = [\".internal\"]");
            let text = printed(&sample::file(&file, &[]));
            assert!(text.contains(&format!("\nhttps = {expected}\n")), "{written}: {text}");
            assert!(text.contains("\n[proxy]\n") && !text.contains("hunter"), "{text}");
            compile(&sample::file(&text, &[]), sample::MACHINE, None)
                .unwrap_or_else(|faults| panic!("{faults:?}"));
        }
        assert!(!printed(&Settings::default()).contains("[proxy]"));
    }

    #[test]
    fn what_names_a_variable_is_printed_as_it_was_typed_however_that_was() {
        let value = env!("CARGO_PKG_DESCRIPTION");
        for written in [
            "\"a ${CARGO_PKG_DESCRIPTION}\"",
            "'a ${CARGO_PKG_DESCRIPTION}'",
            "\"a \\u0024{CARGO_PKG_DESCRIPTION}\"",
            "\"a $\\u007bCARGO_PKG_DESCRIPTION}\"",
            "\"\"\"a ${CARGO_PKG_DESCRIPTION}\"\"\"",
        ] {
            for (begins, ends) in [
                ("request_headers = { set = { x-a = ", " } }"),
                ("request_headers.add = { authorization = [", ", \"$${x}\"] }"),
                ("request_headers.set.x-a = ", ""),
                ("respond.body = ", ""),
            ] {
                let to = if begins.starts_with("respond") { "" } else { "upstream = \"a\"" };
                let text = format!(
                    "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[[route]]\n{to}\n{begins}{written}{ends}\n"
                );
                let text = survives(&sample::file(&text, &[]));
                assert!(!text.contains(value) && text.contains(written), "{written}: {text}");
            }
        }
        let text = printed(&sample::file("user = \"$${NAME}\"", &[]));
        assert!(text.contains("user = \"$${NAME}\"\n"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn flags_are_printed_as_a_file_that_says_the_same(
            flags in proptest::sample::subsequence(FLAGS, 0..FLAGS.len()),
        ) {
            survives(&sample::settings(&flags));
        }

        #[test]
        fn a_file_under_flags_is_printed_as_one_that_says_the_same(
            flags in proptest::sample::subsequence(FLAGS, 0..8),
        ) {
            survives(&sample::file(FILE, &flags));
        }

        #[test]
        fn a_text_is_read_as_it_was_quoted(text in ".{0,40}") {
            let value = quoted(&text);
            let settings = sample::file(&format!("user = {value}"), &[]);
            prop_assert_eq!(&settings.typed(Key::User)[0].text, &text);
        }
    }
}

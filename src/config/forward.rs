//! `[forward]`: the forward proxy, and who may use it for what.

use std::sync::Arc;

use super::{keys::Key, parent_proxy::ParentProxies, reader::Reader, values};
use crate::access::{RuleFault, TargetRules};

/// The forward proxy, and who may use it for what.
#[derive(Debug)]
pub struct Forward {
    /// Which targets may be asked for.
    pub rules: TargetRules,
    /// Ports that CONNECT leads to.
    pub connect_ports: Box<[u16]>,
    /// What targets are asked through; `None`: nothing.
    pub parents: Option<Arc<ParentProxies>>,
}

impl Forward {
    /// What it does, in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let ports: Vec<String> = self.connect_ports.iter().map(ToString::to_string).collect();
        format!(
            "forward proxy: http://… and CONNECT to port {}; targets: {}",
            ports.join(" or "),
            self.rules.describe()
        )
    }
}

/// Its settings, understood one by one, also where there is none.
pub(super) struct ForwardParts {
    /// Whether there is one.
    pub(super) is_on: bool,
    /// `None`: faulty.
    rules: Option<TargetRules>,
    connect_ports: Box<[u16]>,
    /// Published knowingly.
    pub(super) open: bool,
    /// Those of the tables that must admit.
    pub(super) access: Vec<String>,
    /// Those of the limits that count.
    pub(super) limit: Vec<String>,
}

impl ForwardParts {
    /// The forward proxy, where there is one; `None` where something of it is faulty.
    pub(super) fn forward(self, parents: Option<Arc<ParentProxies>>) -> Option<Option<Forward>> {
        if !self.is_on {
            return Some(None);
        }
        let Self { rules, connect_ports, .. } = self;
        Some(Some(Forward { rules: rules?, connect_ports, parents }))
    }
}

/// Whether there is a forward proxy: a flag says so, or the file has its table.
pub(super) fn is_on(reader: &Reader<'_>) -> bool {
    match reader.typed_members(Key::Forward).last() {
        Some(typed) => values::boolean(typed).unwrap_or(true),
        None => reader.has_table("forward"),
    }
}

/// Its settings. What flags say of the targets of a gateway, and that it is published knowingly, they say of these, too.
pub(super) fn read(reader: &mut Reader<'_>) -> ForwardParts {
    // Read for its faults.
    let _ = reader.switch(Key::Forward);
    let is_on = is_on(reader);
    let (allow, allow_key) = targets(Key::ForwardAllowTargets, Key::AllowTarget, reader);
    let (deny, deny_key) = targets(Key::ForwardDenyTargets, Key::DenyTarget, reader);
    let rules = TargetRules::compile(&allow, &deny)
        .map_err(|faults| {
            for RuleFault { rule, message } in faults {
                let key = if allow.contains(&rule) { allow_key } else { deny_key };
                // Of what flags say the gateway has told.
                if matches!(key, Key::ForwardAllowTargets | Key::ForwardDenyTargets) {
                    reader.fault_of_member(key, &rule, format!("\"{rule}\": {message}"));
                }
            }
        })
        .ok();
    let open = reader.switch(Key::ForwardOpen);
    let is_open_by_flag = reader.is_outside_of_a_file(Key::Open)
        && reader.typed_members(Key::Open).last().is_some_and(|typed| values::boolean(typed) == Ok(true));
    ForwardParts {
        is_on,
        rules,
        connect_ports: reader.members(Key::ForwardConnectPorts, port).into(),
        open: open || is_open_by_flag,
        access: reader.list(Key::ForwardAccess),
        limit: reader.list(Key::ForwardLimit),
    }
}

/// What is said of targets, and by which setting: by a flag, else by the file.
fn targets(own: Key, flag: Key, reader: &mut Reader<'_>) -> (Vec<String>, Key) {
    let of_file = reader.list(own);
    if reader.is_outside_of_a_file(flag) { (reader.typed_members(flag), flag) } else { (of_file, own) }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("\"{text}\" is no port; expected a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use crate::config::Config;

    const OFFICE: &str = "[access.office]\nclients.allow = [\"10.0.0.0/8\"]\n";

    fn forward(text: &str) -> Option<(Vec<u16>, String)> {
        let config: Config = sample::compiled(&sample::file(text, &[]));
        config.forward.map(|forward| (forward.connect_ports.to_vec(), forward.rules.describe().to_owned()))
    }

    #[test]
    fn the_table_or_the_flag_switches_it_on_instead_of_the_gateway() {
        for (text, flags, is_forward, is_gateway) in [
            ("", &[][..], false, true),
            ("", &[(Key::Forward, "true")], true, false),
            ("", &[(Key::Forward, "true"), (Key::GatewayForms, "query")], true, true),
            ("[forward]", &[], true, false),
            ("[forward]\n[gateway]", &[], true, true),
            ("[forward]", &[(Key::Forward, "false")], false, true),
        ] {
            let config = sample::compiled(&sample::file(text, flags));
            let found = (config.forward.is_some(), config.gateway.is_some());
            assert_eq!(found, (is_forward, is_gateway), "{text} {flags:?}");
        }
    }

    #[test]
    fn it_connects_to_two_ports_of_public_targets_unless_told_otherwise() {
        assert_eq!(forward("[forward]"), Some((vec![443, 80], "public".into())));
        let text = "[forward]\nconnect_ports = [8443]\nallow_targets = [\"loopback\"]\ndeny_targets = [\"a.example\"]";
        assert_eq!(forward(text), Some((vec![8443], "loopback; never a.example".into())));
        let flags = [(Key::AllowTarget, "api.example.org"), (Key::DenyTarget, "10.0.0.0/8")];
        let config = sample::compiled(&sample::file(text, &flags));
        let rules = config.forward.map(|forward| forward.rules.describe().to_owned());
        assert_eq!(rules.as_deref(), Some("api.example.org; never 10.0.0.0/8"), "a flag outranks the file");
    }

    #[test]
    fn faults_of_it_name_what_was_typed() {
        for (lines, expected) in [
            (
                "connect_ports = [0]",
                "f:2:18: forward.connect_ports: \"0\" is no port; expected a number from 1 to 65535",
            ),
            (
                "connect_ports = [\"https\"]",
                "f:2:18: forward.connect_ports: \"https\" is no port; expected a number from 1 to 65535",
            ),
            ("access = [\"stuff\"]", "f:2:11: forward.access: there is no access \"stuff\""),
            (
                "limit = [\"api\"]",
                "f:2:10: forward.limit: there is no limit \"api\"; write a table [limit.api]",
            ),
        ] {
            let (faults, _) = sample::notes_of_file(&format!("[forward]\n{lines}"), &[]);
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{lines}: {faults:?}");
        }
        let links = "[access.links]\nsigned.keys = { k1 = \"0123456789abcdef0123456789abcdef\" }\n[forward]\naccess = [\"links\"]";
        let (faults, _) = sample::notes_of_file(links, &[]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("f:4:11: forward.access: \"links\" verifies links"),
            "{faults:?}"
        );
        let (faults, _) = sample::notes_of_file("[forward]\nallow_targets = [\"10.0.0.0/99\"]", &[]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("f:2:18: forward.allow_targets: \"10.0.0.0/99\": "),
            "{faults:?}"
        );
        let (faults, _) = sample::notes_of_file("[forward]", &[(Key::AllowTarget, "10.0.0.0/99")]);
        assert!(faults.len() == 1 && faults[0].starts_with("--allow-target: "), "told once: {faults:?}");
    }

    #[test]
    fn who_may_use_a_published_one_is_said_or_that_anybody_may() {
        let refusal = |text: &str| {
            let (faults, warnings) = sample::notes_of_file(text, &[]);
            (
                faults.iter().any(|fault| fault.contains("a forward proxy on 0.0.0.0:3128 would")),
                faults,
                warnings,
            )
        };
        let published = |lines: &str| format!("{OFFICE}[forward]\n{lines}\n[[listen]]\naddress = \":3128\"");
        for (lines, is_refused) in [
            ("", true),
            ("allow_targets = [\"api.example.org\"]", true),
            ("open = false", true),
            ("access = [\"office\"]", false),
            ("open = true", false),
        ] {
            let (found, faults, _) = refusal(&published(lines));
            assert_eq!((found, faults.len()), (is_refused, usize::from(is_refused)), "{lines}: {faults:?}");
        }
        for (way, is_refused) in [
            ("clients.allow = [\"0.0.0.0/1\", \"128.0.0.0/1\"]", true),
            ("clients.deny = [\"10.0.0.0/8\"]", true),
            ("fetch_site = {}", true),
            ("bearer.tokens = [\"t\"]", false),
        ] {
            let text =
                format!("[access.a]\n{way}\n[forward]\naccess = [\"a\"]\n[[listen]]\naddress = \":3128\"");
            let (found, faults, _) = refusal(&text);
            assert_eq!(found, is_refused, "{way}: {faults:?}");
        }
        let elsewhere = "[forward]\n[gateway]\nopen = true\n[[listen]]\naddress = \":3128\"\nservices = [\"gateway\"]\n\
                         [[listen]]\naddress = \"127.0.0.1:3129\"\nservices = [\"forward\"]";
        let (found, faults, warnings) = refusal(elsewhere);
        assert_eq!((found, &faults, &warnings), (false, &vec![], &vec![]));
        let (_, _, warnings) = refusal(&published("open = true\naccess = []"));
        assert!(
            warnings.iter().any(|warning| {
                warning.starts_with("f:4:8: forward.open: anyone who reaches 0.0.0.0:3128 can reach")
            }),
            "{warnings:?}"
        );
    }

    #[test]
    fn what_it_says_without_effect_is_warned_of() {
        let (faults, warnings) = sample::notes_of_file(
            "[forward]\n[[listen]]\naddress = \"127.0.0.1:1\"\nservices = [\"routes\"]",
            &[],
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(warnings, ["f:1:1: forward: cannot be reached: services of no [[listen]] names it"]);
        let (_, warnings) = sample::notes_of_file("[forward]\nopen = true", &[(Key::Forward, "false")]);
        let expected =
            "f:2:8: forward.open: has no effect without a forward proxy; add [forward] or leave it out";
        assert!(warnings.iter().any(|warning| warning == expected), "{warnings:?}");
        let proxy = "[forward]\n[proxy]\nhttp = \"http://a:1\"\nhttps = \"http://a:1\"";
        assert_eq!(sample::notes_of_file(proxy, &[]), (vec![], vec![]));
    }
}

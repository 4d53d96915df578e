//! `corsair generate config`: every setting of a file, with its help and its default.

use std::fmt::Write as _;

use crate::config::{Key, Kind, Row, printed::quoted};

/// Where the names of settings stand in a file, in its order: what they begin with, the table that holds them there,
/// and what it is for.
const TABLES: [(&str, &str, &str); 18] = [
    ("", "", "What holds for the whole process"),
    ("timeouts.", "[timeouts]", "Every wait; a route may have its own"),
    ("limits.", "[limits]", "Every bound; a route may have its own"),
    ("dns.", "[dns]", "Where names are resolved"),
    (
        "proxy.",
        "[proxy]",
        "A parent proxy: what the gateway, the forward proxy and upstreams with proxy = \"parent\" go through",
    ),
    ("log.", "[log]", "What is written"),
    (
        "admin.",
        "[admin]",
        "Where the process shows what it does; an address of its own, that no page can use",
    ),
    ("cors.", "[cors]", "The policy \"default\"; [policy.NAME] is another one, with the same settings"),
    (
        "gateway.",
        "[gateway]",
        "Requests that name their target themselves; without this table there are none",
    ),
    (
        "gateway.target.",
        "[[gateway.target]]",
        "What is added for a target that no page is to know, such as a key; the first that is for it counts; repeatable",
    ),
    (
        "forward.",
        "[forward]",
        "A forward proxy: requests that name a whole URL, and CONNECT; without this table there is none",
    ),
    (
        "access.",
        "[access.NAME]",
        "A way in, one of clients, bearer, jwt, basic, forward, signed and fetch_site; routes, gateway and forward proxy name those that must admit",
    ),
    (
        "limit.",
        "[limit.NAME]",
        "How often somebody may ask, and how much at a time; routes and the gateway name those that must admit",
    ),
    ("listen.", "[[listen]]", "An address to serve; repeatable"),
    ("listen.tls.certificates.", "[[listen.tls.certificates]]", "A certificate of that address; repeatable"),
    ("upstream.", "[upstream.NAME]", "Servers that do the same"),
    (
        "upstream.servers.",
        "[[upstream.NAME.servers]]",
        "A server of which more is said than its url = \"http://HOST:PORT\", which stands here, too; in place of a text in servers",
    ),
    ("route.", "[[route]]", "What becomes of requests for a host and a path; repeatable"),
];

/// A file with everything that can be in one, commented out.
pub(super) fn config() -> String {
    let mut text =
        "# Everything that a configuration file of corsair may hold, with what holds where it is left out.\n\
                    # Check yours with: corsair check -c FILE\n"
            .to_owned();
    for (begins, table, purpose) in TABLES {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# {purpose}.\n");
        if !table.is_empty() {
            let _ = writeln!(text, "# {table}");
        }
        for row in Key::ALL.iter().map(|key| key.row()) {
            let Some(name) = row.name.and_then(|name| own_name(begins, name)) else { continue };
            let _ = writeln!(text, "# {name} = {:<24} # {}", shown(row), row.help);
        }
    }
    text
}

/// The name that a setting has in the table of those that begin so; nothing where it stands in another one.
fn own_name(begins: &str, name: &'static str) -> Option<&'static str> {
    let table = |name: &str| {
        TABLES
            .iter()
            .map(|(begins, ..)| *begins)
            .filter(|begins| name.starts_with(begins))
            .max_by_key(|b| b.len())
    };
    (table(name) == Some(begins)).then(|| &name[begins.len()..])
}

/// The default, as it would stand in a file; where there is none, what can.
fn shown(row: &Row) -> String {
    match (row.kind, row.default) {
        (Kind::Switch | Kind::Opposite, Some(default)) => default.to_owned(),
        (Kind::List(_), Some(default)) => {
            let members: Vec<String> = default.split(',').map(quoted).collect();
            format!("[{}]", members.join(", "))
        }
        // Each table of certificates names one.
        (Kind::List("FILE"), None) => quoted("FILE"),
        (Kind::List(_), None) => "[]".to_owned(),
        (Kind::Fields(_), _) => "{}".to_owned(),
        (_, Some(default)) if default.bytes().all(|byte| byte.is_ascii_digit()) => default.to_owned(),
        (_, Some(default)) => quoted(default),
        (Kind::Value(value), None) => quoted(value),
        (Kind::Switch | Kind::Opposite | Kind::Count, None) => "false".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_a_file_stands_in_it_once() {
        let text = config();
        for key in Key::ALL {
            let Row { name: Some(name), help, .. } = key.row() else { continue };
            let lines = text.lines().filter(|line| line.contains(&format!("# {help}")));
            assert!(lines.count() >= 1, "{name}");
        }
    }
}

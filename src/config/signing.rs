//! Keys that sign, by their names: which one is meant.

use super::{configuration::Config, names::unknown_key, values};
use crate::admission::{Keys, Way};

impl Config {
    /// The keys of the table of access that has one of this name: of `access`, else of the only one.
    ///
    /// # Errors
    /// The flag that cannot be right, and why.
    pub fn signing_keys(&self, key: &str, access: Option<&str>) -> Result<&Keys, (&'static str, String)> {
        let tables = self.access_tables().filter_map(|table| match &table.way {
            Way::Signed(keys) => Some((&*table.name, keys)),
            Way::Clients(_)
            | Way::FetchSite(_)
            | Way::Bearer(_)
            | Way::Token(_)
            | Way::Jwt(_)
            | Way::Basic(..)
            | Way::Forward(_) => None,
        });
        let all: Vec<(&str, &Keys)> = tables.collect();
        if all.is_empty() {
            let message = "nothing has keys: write one into signed = { keys = { k1 = \"${KEY}\" } } of [access.NAME], in the \
                           file that -c names";
            return Err(("--key", message.to_owned()));
        }
        let asked: Vec<_> =
            all.iter().filter(|(name, _)| access.is_none_or(|wanted| wanted == *name)).collect();
        if let (Some(wanted), []) = (access, &*asked) {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            let hint = match values::nearest(wanted, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names.join(", ")),
            };
            return Err(("--access", format!("there is no [access.{wanted}] with keys; {hint}")));
        }
        let having: Vec<_> = asked.iter().filter(|(_, keys)| keys.names().any(|name| name == key)).collect();
        match &*having {
            [(_, keys)] => Ok(keys),
            [] => Err(("--key", unknown_key(key, asked.iter().flat_map(|(_, keys)| keys.names())))),
            several => {
                let names: Vec<String> = several.iter().map(|(name, _)| format!("access.{name}")).collect();
                let message =
                    format!("stands in {}; say whose it is with --access NAME", names.join(" and "));
                Err(("--key", format!("\"{key}\" {message}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    const FILE: &str = "[access.links]\nsigned.keys = { k1 = \"12345678901234567890123456789012\", \
                        spring = \"12345678901234567890123456789012\" }\n[access.other]\nsigned.keys = { k1 = \
                        \"abcdefghijabcdefghijabcdefghijab\" }\n[access.robots]\nbearer.tokens = [\"t\"]\n\
                        [[route]]\nrespond = {}\naccess = [\"links\", \"robots\"]\n[[route]]\npath = \"/o\"\n\
                        respond = {}\naccess = [\"other\"]\n";

    #[test]
    fn the_key_that_is_meant_is_found_or_what_is_unclear_told() {
        let config = sample::compiled(&sample::file(FILE, &[]));
        for (key, access, expected) in [
            ("spring", None, Ok(2)),
            ("k1", Some("links"), Ok(2)),
            ("k1", Some("other"), Ok(1)),
            (
                "k1",
                None,
                Err((
                    "--key",
                    "\"k1\" stands in access.links and access.other; say whose it is with --access NAME",
                )),
            ),
            ("sprng", None, Err(("--key", "there is no key \"sprng\"; did you mean spring?"))),
            ("spring", Some("other"), Err(("--key", "there is no key \"spring\"; there are k1"))),
            (
                "k1",
                Some("lnks"),
                Err(("--access", "there is no [access.lnks] with keys; did you mean links?")),
            ),
            (
                "k1",
                Some("robots"),
                Err(("--access", "there is no [access.robots] with keys; there are links, other")),
            ),
        ] {
            let found = config.signing_keys(key, access).map(|keys| keys.names().count());
            let expected = expected.map_err(|(flag, message)| (flag, message.to_owned()));
            assert_eq!(found, expected, "{key} {access:?}");
        }
        let (flag, message) = sample::defaults().signing_keys("k1", None).expect_err("no keys");
        assert!(
            flag == "--key" && message.starts_with("nothing has keys: write one into signed"),
            "{message}"
        );
    }
}

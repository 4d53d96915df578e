//! All policies of a configuration, and which are named.

use std::cell::Cell;

use super::{
    keys::Key,
    names::unknown_name,
    places::{PolicyPlaces, TablePlaces},
    policy::{self, PolicyId},
    reader::Reader,
    settings::{Part, Section},
};
use crate::cors::{CorsPolicy, CorsSettings};

/// The most that there can be beside that of `[cors]`.
const MOST: usize = u16::MAX as usize - 1;

/// What the names of their settings begin with.
const BEGIN: &str = "cors.";

/// All of them; that of `[cors]` first.
pub(super) struct Policies<'a> {
    list: Vec<Named<'a>>,
    /// What is typed of that of `[cors]`.
    pub(super) settings: CorsSettings,
}

struct Named<'a> {
    name: &'a str,
    /// `None` for that of `[cors]`.
    table: Option<&'a Section>,
    /// `None`: faulty.
    policy: Option<CorsPolicy>,
    /// Whether any origin was to be let in.
    is_any_origin: bool,
    /// Whether requests must be for a host that was named.
    asks_for_host: bool,
    is_used: Cell<bool>,
    /// Where its settings were typed.
    places: TablePlaces,
}

impl<'a> Policies<'a> {
    /// What is typed.
    pub(super) fn read(reader: &mut Reader<'a>) -> Self {
        let (settings, own) = Named::read("default", None, reader);
        let mut list = vec![own];
        let tables = reader.parts(Part::Policy);
        if tables.len() > MOST {
            reader.fault_of_several(format!("there are {} policies; at most {MOST} can be", tables.len()));
        }
        for table in tables.into_iter().take(MOST) {
            let named = reader.within(table, |reader| {
                let name = reader.name().unwrap_or_default();
                if name == "default" {
                    reader.fault_of_several("[policy.default] is [cors]; write it there".to_owned());
                }
                Named::read(name, Some(table), reader).1
            });
            list.push(named);
        }
        Self { list, settings }
    }

    /// The policy of the name that `key` gives; that of `[cors]` where there is none, which is a fault.
    pub(super) fn find(&self, key: Key, name: &str, reader: &mut Reader<'_>) -> PolicyId {
        let found = self.list.iter().zip(0..).find(|(policy, _)| policy.name == name);
        if let Some((policy, id)) = found {
            policy.is_used.set(true);
            return PolicyId(id);
        }
        let names = self.list.iter().map(|policy| policy.name);
        reader.fault(key, unknown_name("policy", name, names));
        PolicyId::DEFAULT
    }

    /// One of them; `None` where it is faulty.
    pub(super) fn get(&self, id: PolicyId) -> Option<&CorsPolicy> {
        self.named(id).and_then(|named| named.policy.as_ref())
    }

    /// Whether one of them restricts who may read. What cannot be understood was meant to.
    pub(super) fn is_list(&self, id: PolicyId) -> bool {
        self.named(id)
            .is_some_and(|named| named.policy.as_ref().map_or(!named.is_any_origin, CorsPolicy::is_list))
    }

    /// Whether one of them is by a preset, so that requests must be for a host that was named: a page whose name was
    /// bound to this machine would be no other origin, and needs no `Origin` to ask with GET.
    pub(super) fn asks_for_host(&self, id: PolicyId) -> bool {
        self.named(id).is_some_and(|named| named.asks_for_host)
    }

    /// How a setting of one of them is spelled.
    pub(super) fn spelled(&self, id: PolicyId, key: Key, reader: &mut Reader<'a>) -> String {
        match self.named(id).and_then(|named| named.table) {
            Some(table) => reader.within(table, |reader| reader.spelled(key)),
            None => reader.spelled(key),
        }
    }

    fn named(&self, id: PolicyId) -> Option<&Named<'a>> {
        self.list.get(usize::from(id.0))
    }

    /// Warns of what is dangerous about them where TLS is served.
    pub(super) fn warn_behind_tls(&self, reader: &mut Reader<'a>) {
        for Named { table, policy, .. } in &self.list {
            match (policy, table) {
                (Some(policy), Some(table)) => {
                    reader.within(table, |reader| policy::warn_behind_tls(policy, reader));
                }
                (Some(policy), None) => policy::warn_behind_tls(policy, reader),
                (None, _) => {}
            }
        }
    }

    /// Warns of those that nothing names.
    pub(super) fn warn_of_idle_ones(&self, reader: &mut Reader<'a>) {
        for Named { name, table, is_used, .. } in &self.list {
            if let (Some(table), false) = (table, is_used.get()) {
                reader.within(table, |reader| {
                    reader.warn_of_table(format!("policy.{name}"), "has no effect: no route names it");
                });
            }
        }
    }

    /// The policies themselves, in their order; `None` where one is faulty. And where their settings were typed.
    pub(super) fn into_compiled(self) -> (Option<Vec<CorsPolicy>>, Vec<PolicyPlaces>) {
        let split = |Named { name, policy, places, .. }: Named<'_>| {
            (policy, PolicyPlaces { name: name.into(), settings: places })
        };
        let (policies, places): (Vec<_>, Vec<_>) = self.list.into_iter().map(split).unzip();
        (policies.into_iter().collect(), places)
    }
}

impl<'a> Named<'a> {
    /// That of a table, or of `[cors]`, with what is typed of it.
    fn read(name: &'a str, table: Option<&'a Section>, reader: &mut Reader<'a>) -> (CorsSettings, Self) {
        let typed = policy::settings(reader);
        let policy = policy::policy(&typed, reader);
        let (settings, preset) = typed;
        let own = Self {
            name,
            table,
            policy,
            is_any_origin: settings.allow_origins.iter().any(|origin| origin == "*"),
            asks_for_host: preset.is_some(),
            is_used: Cell::new(table.is_none()),
            places: reader.places(BEGIN, if table.is_none() { "cors" } else { "" }),
        };
        (settings, own)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    const UPSTREAM: &str = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n";

    #[test]
    fn a_route_has_the_policy_that_it_names_and_else_the_default_one() {
        let text = format!(
            "{UPSTREAM}[cors]\nallow_origins = [\"https://a.example\"]\n[policy.open]\nverdict = false\n\
             [[route]]\nupstream = \"a\"\n[[route]]\npath = \"/o\"\nupstream = \"a\"\ncors = \"open\"\n\
             [gateway]\ncors = \"open\""
        );
        let config = sample::compiled(&sample::file(&text, &[]));
        let policies: Vec<PolicyId> = config.routes.typed().map(|route| route.policy).collect();
        assert_eq!(policies, [PolicyId::DEFAULT, PolicyId(1)]);
        assert_eq!(config.route(crate::config::Routes::GATEWAY).policy, PolicyId(1));
        assert!(!config.cors().is_any_origin());
        assert!(
            config.policy(PolicyId(1)).is_any_origin(),
            "what is left out has its default, and not that of [cors]"
        );
    }

    #[test]
    fn a_flag_says_what_is_in_cors_and_in_no_other_policy() {
        let text = "[gateway]\n[policy.b]\n[cors]\nallow_origins = [\"https://a.example\"]";
        let config = sample::compiled(&sample::file(text, &[(Key::AllowOrigin, "https://b.example")]));
        assert!(
            config.cors().describe().contains("b.example") && !config.cors().describe().contains("a.example")
        );
        assert!(config.policy(PolicyId(1)).is_any_origin());
    }

    #[test]
    fn a_policy_that_is_not_there_hears_the_nearest() {
        for (table, name, message) in [
            ("[policy.partner]", "partnr", "there is no policy \"partnr\"; did you mean partner?"),
            ("[policy.partner]", "x", "there is no policy \"x\"; there are default, partner"),
            ("", "Default", "there is no policy \"Default\"; did you mean default?"),
        ] {
            let text = format!("{UPSTREAM}{table}\n[[route]]\nupstream = \"a\"\ncors = \"{name}\"");
            let (faults, _) = sample::notes_of_file(&text, &[]);
            assert_eq!(faults, [format!("f:6:8: route.cors: {message}")]);
            let (faults, _) = sample::notes_of_file(&format!("{table}\n[gateway]\ncors = \"{name}\""), &[]);
            assert_eq!(faults, [format!("f:3:8: gateway.cors: {message}")]);
        }
    }

    #[test]
    fn the_default_policy_has_one_name_and_an_idle_one_is_warned_of() {
        let (faults, _) = sample::notes_of_file("[policy.default]\nmax_age = \"1s\"", &[]);
        assert_eq!(faults, ["f:1:9: [policy.default] is [cors]; write it there"]);
        let (faults, warnings) =
            sample::notes_of_file("[policy.x]\n[policy.y]\n[gateway]\ncors = \"y\"", &[]);
        assert_eq!(
            (faults, warnings),
            (vec![], vec!["f:1:9: policy.x: has no effect: no route names it".into()])
        );
    }

    #[test]
    fn faults_and_warnings_of_each_policy_are_told_by_its_name() {
        let (faults, _) = sample::notes_of_file(
            "[cors]\nallow_credentials = true\n[policy.b]\nallow_credentials = true\nallow_origins = [\"x y\"]",
            &[],
        );
        for begins in ["f:2:21: cors.allow_credentials: ", "f:5:18: policy.b.allow_origins: "] {
            assert!(faults.iter().any(|fault| fault.starts_with(begins)), "{begins}: {faults:#?}");
        }
    }

    #[test]
    fn there_are_no_more_policies_than_places() {
        let text: String = (0..MOST + 2).map(|at| format!("[policy.p{at}]\n")).collect();
        let (faults, _) = sample::notes_of_file(&text, &[]);
        assert_eq!(faults, [format!("there are {} policies; at most {MOST} can be", MOST + 2)]);
    }
}

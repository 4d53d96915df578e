//! Where what counts was typed, kept beside what was compiled of it: who is refused by a setting is told which, and
//! where it stands.
//!
//! Kept is no more than what was typed, so that it is bounded by the configuration; and no value, which may be a secret.

use std::collections::BTreeMap;

use super::{
    keys::Key,
    settings::{Section, Settings, TypedAt, spelled},
    source::Place,
};

/// A setting as its operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingPlace {
    /// Its name as it was typed: `cors.allow_origins`, `policy.app.allow_origins`, `--allow-origin` or
    /// `CORSAIR_ALLOW_ORIGIN`; where nothing was, as in the file if there is one, else as its flag.
    pub name: String,
    /// Where it was typed in a file, shown as `FILE:LINE:COLUMN`; of a list, its first member. Where nothing was typed,
    /// the table of the file in which it would stand, if there is one.
    pub place: Option<Place>,
    /// Whether nothing was typed, so that its default counts.
    pub is_default: bool,
}

/// Where the settings of one table were typed.
#[derive(Clone, Debug, Default)]
pub(super) struct TablePlaces {
    /// What its keys begin with in the table of settings, and what they begin with in the file.
    spelling: Option<(&'static str, Box<str>)>,
    /// Where the table begins.
    pub(super) place: Option<Place>,
    /// Whether there is a file to write in.
    has_file: bool,
    typed: Box<[(Key, TypedAt)]>,
}

impl TablePlaces {
    /// Those of the settings whose names begin so, in what counts for `section`: it is a table of its own, or the whole
    /// file, which holds them in a table called `table`.
    pub(super) fn of(settings: &Settings, section: &Section, begins: &str, table: &str) -> Self {
        let is_of = |key: &Key| key.row().name.is_some_and(|name| name.starts_with(begins));
        let mut typed = BTreeMap::new();
        for key in section.keys().chain(settings.root().keys()).filter(is_of) {
            if let Some(first) = settings.holder(section, key).typed(key).first() {
                typed.entry(key).or_insert_with(|| first.at.clone());
            }
        }
        let within = || section.tables.iter().find(|(own, _)| own == table).map(|(_, place)| place.clone());
        Self {
            spelling: section.spelling.as_ref().map(|(begins, instead)| (*begins, instead.as_str().into())),
            place: section.place.clone().or_else(within),
            has_file: settings.file.is_some(),
            typed: typed.into_iter().collect(),
        }
    }

    /// One of the settings.
    pub(super) fn setting(&self, key: Key) -> SettingPlace {
        let typed = self.typed.binary_search_by_key(&key, |(known, _)| *known).ok();
        let at = typed.and_then(|index| self.typed.get(index)).map(|(_, at)| at);
        let spelling = self.spelling.as_ref().map(|(begins, instead)| (*begins, &**instead));
        SettingPlace {
            name: spelled(key, at, spelling, self.has_file),
            place: match at {
                Some(TypedAt::File(place)) => Some(place.clone()),
                Some(TypedAt::Flag | TypedAt::Variable) => None,
                None => self.place.clone(),
            },
            is_default: at.is_none(),
        }
    }
}

/// A policy by its name, and where its settings were typed.
#[derive(Debug)]
pub(super) struct PolicyPlaces {
    pub(super) name: Box<str>,
    pub(super) settings: TablePlaces,
}

/// Where the settings of all tables were typed that decide who may do what; those of listeners are theirs.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By policy.
    pub(super) policies: Vec<PolicyPlaces>,
    /// Of the gateway.
    pub(super) gateway: TablePlaces,
    /// Of the forward proxy.
    pub(super) forward: TablePlaces,
    /// By route, those of corsair itself excepted.
    pub(super) routes: Vec<TablePlaces>,
}

#[cfg(test)]
mod tests {
    use super::super::{
        keys::Key,
        listen::ListenerId,
        policy::PolicyId,
        route::RouteId,
        routes::Routes,
        sample,
        settings::{Typed, TypedAt},
    };
    use super::*;

    fn told(setting: &SettingPlace) -> String {
        let SettingPlace { name, place, is_default } = setting;
        let place = place.as_ref().map_or_else(String::new, |place| format!(" {place}"));
        format!("{name}{place}{}", if *is_default { " by default" } else { "" })
    }

    #[test]
    fn where_a_setting_was_typed_is_known_of_each_policy() {
        let text = "[gateway]\ncors = \"b\"\n[cors]\nmax_age = \"1s\"\n[policy.b]\n\
                    allow_origins = [\n  \"https://a.example\",\n  \"https://b.example\"]";
        let mut settings = sample::file(text, &[(Key::AllowMethod, "PUT")]);
        settings.add(Key::AllowHeader, Typed { text: "x".into(), at: TypedAt::Variable });
        let config = sample::compiled(&settings);
        for (policy, key, expected) in [
            (PolicyId::DEFAULT, Key::MaxAge, "cors.max_age f:4:11"),
            (PolicyId::DEFAULT, Key::AllowOrigin, "cors.allow_origins f:3:1 by default"),
            (PolicyId::DEFAULT, Key::AllowMethod, "--allow-method"),
            (PolicyId::DEFAULT, Key::AllowHeader, "CORSAIR_ALLOW_HEADER"),
            (PolicyId(1), Key::AllowOrigin, "policy.b.allow_origins f:7:3"),
            (PolicyId(1), Key::AllowMethod, "policy.b.allow_methods f:5:9 by default"),
            (PolicyId(1), Key::ReportOnly, "policy.b.report_only f:5:9 by default"),
        ] {
            assert_eq!(told(&config.setting(policy, key)), expected);
        }
        assert_eq!(
            (config.policy_name(PolicyId::DEFAULT), config.policy_name(PolicyId(1))),
            ("default", "b")
        );
        assert_eq!(told(&config.route_setting(Routes::GATEWAY, Key::GatewayCors)), "gateway.cors f:2:8");
        let default = "gateway.allow_targets f:1:1 by default";
        assert_eq!(told(&config.route_setting(Routes::GATEWAY, Key::AllowTarget)), default);
    }

    #[test]
    fn where_a_route_and_a_listener_stand_is_known() {
        let text = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[[route]]\nupstream = \"a\"\n\
                    [[route]]\npath = \"/a\"\nrespond = { status = 204 }\nmethods = [\"GET\"]\n\
                    [[listen]]\naddress = \":80\"\n[[listen]]\naddress = \":81\"\nallow_hosts = [\"a.example\"]";
        let config = sample::compiled(&sample::file(text, &[(Key::Rewrite, "off")]));
        let place = |route| config.route_place(route).map(ToString::to_string).unwrap_or_default();
        assert_eq!([place(RouteId(3)), place(RouteId(4)), place(Routes::NOTHING)], ["f:3:1", "f:5:1", ""]);
        for (route, key, expected) in [
            (3, Key::RouteCors, "route.cors f:3:1 by default"),
            (4, Key::RouteMethods, "route.methods f:8:12"),
            (4, Key::RoutePath, "route.path f:6:8"),
            (3, Key::Rewrite, "--rewrite"),
        ] {
            assert_eq!(told(&config.route_setting(RouteId(route), key)), expected);
        }
        for (listener, expected) in
            [(0, "listen.allow_hosts f:9:1 by default"), (1, "listen.allow_hosts f:13:16")]
        {
            assert_eq!(told(&config.listener_setting(ListenerId(listener), Key::AllowHost)), expected);
        }
        let allowed = sample::compiled(&sample::file(text, &[(Key::AllowHost, "b.example")]));
        assert_eq!(told(&allowed.listener_setting(ListenerId(0), Key::AllowHost)), "--allow-host");
    }

    #[test]
    fn without_a_file_settings_are_flags() {
        let config = sample::compiled(&sample::settings(&[(Key::Upstream, "http://127.0.0.1:1")]));
        assert_eq!(told(&config.setting(PolicyId::DEFAULT, Key::AllowOrigin)), "--allow-origin by default");
        assert_eq!(told(&config.setting(PolicyId::DEFAULT, Key::ReportOnly)), "cors.report_only by default");
        assert_eq!(config.route_place(RouteId(3)), None);
    }
}

//! What was typed for each setting, as text, and where.
//!
//! [`Settings`] is the seam between the places where settings come from and
//! [`compile`](crate::config::compile::compile), which alone gives them meaning: every value stays the text that was
//! typed, so that all faults are found together and none hides the next. Nothing is parsed, checked or defaulted
//! here. What was typed and belongs to no setting is noted beside them: a flag that does not exist hides no other fault.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{
    keys::{Key, Kind, Row},
    notes::{self, ConfigFault, Notes},
    preset,
    source::{Place, Source},
};

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What holds for the whole process, and what flags say of the only listener, upstream and route.
    root: Section,
    /// The file that was read, if there was one.
    pub(super) file: Option<Arc<Source>>,
    /// What all files held before they were read, as a number.
    pub(super) content: u64,
    /// Values that came out of the environment or of files: they are shown to nobody.
    pub(super) secrets: Vec<String>,
    /// What is wrong with the places themselves: words that are no setting's.
    notes: Notes,
}

/// What was typed for the settings of one table: of the whole file, of a `[[route]]`, of a `[policy.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    typed: BTreeMap<Key, Vec<Typed>>,
    parts: Vec<(Part, Self)>,
    /// The tables that are there, even if empty.
    pub(super) tables: Vec<(String, Place)>,
    /// Its NAME, where it has one.
    pub(super) name: Option<Box<str>>,
    /// What its keys begin with in the table of settings, and what they begin with in the file.
    pub(super) spelling: Option<(&'static str, String)>,
    /// Where it begins, if that is in a file.
    pub(super) place: Option<Place>,
}

/// The tables that a file may hold more than one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `[[listen]]`.
    Listen,
    /// A member of `tls.certificates` of a listener.
    Certificate,
    /// `[policy.NAME]`.
    Policy,
    /// `[access.NAME]`.
    Access,
    /// `[limit.NAME]`.
    Limit,
    /// `[upstream.NAME]`.
    Upstream,
    /// A member of `servers` of an upstream that is written as a table.
    Server,
    /// `[[gateway.target]]`.
    Target,
    /// `[[route]]`.
    Route,
}

/// One value, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The value, unread.
    pub text: String,
    /// Where it was typed: a fault is told in the words of that place.
    pub at: TypedAt,
}

/// Where a value was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypedAt {
    /// Behind a flag.
    Flag,
    /// In an environment variable.
    Variable,
    /// In a file, at this place; its text there differs from what it stands for where it names variables.
    File(Place),
}

impl Settings {
    /// Adds what was typed for `key` to what is there.
    pub fn add(&mut self, key: Key, typed: Typed) {
        self.root.add(key, typed);
    }

    /// Takes `typed` for all that was typed for `key`.
    pub(super) fn set(&mut self, key: Key, typed: Typed) {
        self.root.typed.insert(key, vec![typed]);
    }

    /// What was typed for `key`, in that order.
    #[must_use]
    pub fn typed(&self, key: Key) -> &[Typed] {
        self.root.typed(key)
    }

    /// Whether anything was typed for `key`.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.root.has(key)
    }

    /// Where `key` counts for what is read of `section`: what flags say of all tables, then this one, then what a table
    /// takes over from the whole file.
    pub(super) fn holder<'a>(&'a self, section: &'a Section, key: Key) -> &'a Section {
        let is_overridden = key.is_overridden() && self.root.has_outside_of_a_file(key);
        if is_overridden || key.is_inherited() && !section.has(key) { &self.root } else { section }
    }

    /// What holds for the whole process.
    pub(super) const fn root(&self) -> &Section {
        &self.root
    }

    /// The same, to be added to.
    pub(super) const fn root_mut(&mut self) -> &mut Section {
        &mut self.root
    }

    /// All files that settings name.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        fn add(section: &Section, files: &mut Vec<PathBuf>) {
            for (key, typed) in &section.typed {
                if matches!(key.row().kind, Kind::Value("FILE") | Kind::List("FILE")) {
                    files.extend(typed.iter().map(|typed| PathBuf::from(&typed.text)));
                }
            }
            section.parts.iter().for_each(|(_, part)| add(part, files));
        }
        let mut files = Vec::new();
        add(&self.root, &mut files);
        files
    }

    /// Notes that what was typed as `key` cannot be used.
    pub(super) fn fault(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.fault_at(None, key, message);
    }

    /// Notes that what was typed as `key` at this place of a file cannot be used.
    pub(super) fn fault_at(
        &mut self,
        place: Option<Place>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.notes.faults.push(ConfigFault { key: key.into(), message: message.into(), place });
    }

    /// Notes that what was typed as `key` changes nothing.
    pub(super) fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.notes.warnings.push(ConfigFault { key: key.into(), message: message.into(), place: None });
    }

    /// A text that is shown, without what came out of the environment or of files.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        notes::without(&self.secrets, text)
    }

    /// What is wrong with the words themselves that were typed.
    #[must_use]
    pub fn faults(&self) -> &[ConfigFault] {
        &self.notes.faults
    }

    /// What was noted where settings were gathered.
    pub(super) const fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Section {
    /// Adds what was typed for `key` to what is there.
    pub(super) fn add(&mut self, key: Key, typed: Typed) {
        self.typed.entry(key).or_default().push(typed);
    }

    /// Everything for which something was typed here.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.typed.keys().copied()
    }

    /// What was typed for `key` here, in that order.
    pub(super) fn typed(&self, key: Key) -> &[Typed] {
        self.typed.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Adds what another one holds, except for what is typed here.
    pub(super) fn take_over(&mut self, other: Self) {
        for (key, typed) in other.typed {
            self.typed.entry(key).or_insert(typed);
        }
        self.parts.extend(other.parts);
        self.tables.extend(other.tables);
    }

    /// Whether anything was typed for `key` here.
    pub(super) fn has(&self, key: Key) -> bool {
        !self.typed(key).is_empty()
    }

    /// An empty table of a file that begins at `place`, whose settings begin with `begins` in the table of settings, and
    /// with `instead` in the file.
    pub(super) fn at(place: Place, begins: &'static str, instead: String) -> Self {
        Self { spelling: Some((begins, instead)), place: Some(place), ..Self::default() }
    }

    /// Adds a table of which there may be several.
    pub(super) fn add_part(&mut self, part: Part, section: Self) {
        self.parts.push((part, section));
    }

    /// The tables of this kind, in their order.
    pub(super) fn parts(&self, part: Part) -> impl Iterator<Item = &Self> {
        self.parts.iter().filter(move |(kind, _)| *kind == part).map(|(_, section)| section)
    }

    /// How `key` is spelled where it was typed last; where nothing was, as in the file that this stands in, or else as
    /// its flag.
    pub(super) fn spelled(&self, key: Key) -> String {
        self.spelled_where(key, self.place.is_some())
    }

    /// The same; where nothing was typed, as in a file if there `is_file`.
    pub(super) fn spelled_where(&self, key: Key, is_file: bool) -> String {
        let key = preset::flag_behind(key, |flag| self.has(flag)).unwrap_or(key);
        let at = self.typed(key).last().map(|typed| &typed.at);
        spelled(key, at, self.spelling.as_ref().map(|(begins, instead)| (*begins, instead.as_str())), is_file)
    }

    /// What points at `key`: where it was typed last, or the beginning of the table.
    pub(super) fn place_of(&self, key: Key) -> Option<Place> {
        match self.typed(key).last().map(|typed| &typed.at) {
            Some(TypedAt::File(place)) => Some(place.clone()),
            Some(TypedAt::Flag | TypedAt::Variable) => None,
            None => self.place.clone(),
        }
    }

    /// Whether a flag or a variable says what `key` is.
    pub(super) fn has_outside_of_a_file(&self, key: Key) -> bool {
        self.typed(key).last().is_some_and(|typed| !matches!(typed.at, TypedAt::File(_)))
    }
}

/// How `key` is spelled that was typed there; where nothing was typed, as in a file if there `is_file`. In the table of
/// the file its name has another beginning where `spelling` says so.
pub(super) fn spelled(
    key: Key,
    at: Option<&TypedAt>,
    spelling: Option<(&str, &str)>,
    is_file: bool,
) -> String {
    let in_file = |name: &str| match spelling {
        Some((begins, instead)) => format!("{instead}{}", name.strip_prefix(begins).unwrap_or(name)),
        None => name.to_owned(),
    };
    match (key.row(), at) {
        (Row { flag: Some(flag), .. }, Some(TypedAt::Variable)) => flag.variable(),
        (Row { name: Some(name), .. }, Some(TypedAt::File(_))) => in_file(name),
        (Row { flag: Some(flag), .. }, Some(TypedAt::Flag)) => format!("--{}", flag.long),
        (Row { name: Some(name), .. }, None) if is_file => in_file(name),
        (Row { flag: Some(flag), .. }, _) => format!("--{}", flag.long),
        (Row { flag: None, name, .. }, _) => name.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_setting_is_called_as_it_was_typed_and_by_its_name_where_it_cannot_be() {
        for (key, flag, variable, named) in [
            (Key::Listen, "--listen", "CORSAIR_LISTEN", "listen.address"),
            (Key::Verdict, "--no-verdict", "CORSAIR_NO_VERDICT", "cors.verdict"),
            (Key::PoolMaxIdle, "upstream.pool.max_idle", "upstream.pool.max_idle", "upstream.pool.max_idle"),
        ] {
            let mut section = Section::default();
            assert_eq!(section.spelled(key), flag);
            let place = Place { source: Source::new(Path::new("a"), "x"), span: 0..1 };
            for (at, spelled) in
                [(TypedAt::Flag, flag), (TypedAt::Variable, variable), (TypedAt::File(place), named)]
            {
                section.add(key, Typed { text: "x".into(), at });
                assert_eq!(section.spelled(key), spelled);
            }
        }
    }

    #[test]
    fn in_a_table_of_a_file_a_setting_is_called_as_it_stands_there() {
        let place = Place { source: Source::new(Path::new("a"), "x"), span: 0..1 };
        for (spelling, key, spelled) in [
            (("cors.", "policy.partner."), Key::MaxAge, "policy.partner.max_age"),
            (("route.", "route."), Key::Rewrite, "route.rewrite"),
            (("route.", "route."), Key::TimeoutSend, "route.timeouts.send"),
            (("upstream.", "upstream.api."), Key::PoolMaxIdle, "upstream.api.pool.max_idle"),
        ] {
            let spelling = Some((spelling.0, spelling.1.to_owned()));
            let section = Section { spelling, place: Some(place.clone()), ..Section::default() };
            assert_eq!(section.spelled(key), spelled);
        }
    }

    #[test]
    fn what_is_typed_is_kept_in_order() {
        let mut settings = Settings::default();
        assert!(!settings.has(Key::Upstream));
        for text in ["a", "b"] {
            settings.add(Key::Upstream, Typed { text: text.into(), at: TypedAt::Flag });
        }
        let typed: Vec<&str> = settings.typed(Key::Upstream).iter().map(|typed| &*typed.text).collect();
        assert_eq!((typed, settings.has(Key::Upstream)), (vec!["a", "b"], true));
    }
}

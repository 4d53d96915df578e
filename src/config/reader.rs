//! From settings to values, one setting at a time: what was typed, else the default of its row.
//!
//! Nothing stops at a fault: it is noted under the name that was typed, and the default stands in. Every setting is
//! read in one place and whether or not it matters, so that a fault in it does not wait for the day when it does.

use super::{
    keys::{Key, Kind},
    notes::{ConfigFault, Notes},
    settings::{Part, Section, Settings, Typed, TypedAt},
    source::Place,
    values,
};

/// Settings that are being read, and what was found wrong with them so far.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    /// The table that is being read.
    section: &'a Section,
    notes: Notes,
    /// What was read, in that order. A setting has one reader: a test looks for those with none or two.
    pub(super) read: Vec<Key>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet; what was noted where the settings were gathered comes first.
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, section: settings.root(), notes: settings.notes().clone(), read: Vec::new() }
    }

    /// What was found.
    pub(super) fn into_notes(self) -> Notes {
        self.notes.tidied(&self.settings.secrets)
    }

    /// The tables of this kind in the one that is being read.
    pub(super) fn parts(&self, part: Part) -> Vec<&'a Section> {
        self.section.parts(part).collect()
    }

    /// Reads a table within.
    pub(super) fn within<T>(&mut self, section: &'a Section, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.section, section);
        let value = read(self);
        self.section = outer;
        value
    }

    /// The name of the table that is being read.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.section.name.as_deref()
    }

    /// Whether a file was read.
    pub(super) const fn has_file(&self) -> bool {
        self.settings.file.is_some()
    }

    /// Whether the table that is being read holds one of this name.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.section.tables.iter().any(|(own, _)| own == name)
    }

    /// Whether anything was typed for `key`.
    pub(super) fn has(&self, key: Key) -> bool {
        !self.all(key).is_empty()
    }

    /// Whether `key` was typed in the table that is being read itself.
    pub(super) fn is_own(&self, key: Key) -> bool {
        self.section.has(key)
    }

    /// How `key` is spelled where it was typed.
    pub(super) fn spelled(&self, key: Key) -> String {
        self.holder(key).spelled(key)
    }

    /// Notes a fault of `key`.
    pub(super) fn fault(&mut self, key: Key, message: impl Into<String>) {
        let fault = self.note(key, None, message.into());
        self.notes.faults.push(fault);
    }

    /// Notes a fault of one member of the list `key`.
    pub(super) fn fault_of_member(&mut self, key: Key, member: &str, message: impl Into<String>) {
        let fault = self.note(key, Some(member), message.into());
        self.notes.faults.push(fault);
    }

    /// Notes a fault of the field `name` of the fields `key`.
    pub(super) fn fault_of_field(&mut self, key: Key, name: &str, message: impl Into<String>) {
        let is_of = |text: &&str| text.split(':').next().is_some_and(|own| own.trim() == name);
        let member = self.all(key).iter().map(|typed| typed.text.trim()).find(is_of);
        let fault = self.note(key, member, message.into());
        self.notes.faults.push(fault);
    }

    /// Notes a fault of several settings together.
    pub(super) fn fault_of_several(&mut self, message: String) {
        let place = self.section.place.clone();
        self.notes.faults.push(ConfigFault { key: String::new(), message, place });
    }

    /// Notes a warning about `key`.
    pub(super) fn warn(&mut self, key: Key, message: impl Into<String>) {
        let warning = self.note(key, None, message.into());
        self.notes.warnings.push(warning);
    }

    /// Notes a warning about the table that is being read.
    pub(super) fn warn_of_table(&mut self, key: String, message: &str) {
        let place = self.section.place.clone();
        self.notes.warnings.push(ConfigFault { key, message: message.to_owned(), place });
    }

    /// The value of a setting that has a default.
    pub(super) fn value<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
        self.typed(key, |typed| read(typed.text.trim())).unwrap_or_else(|| default(key, read))
    }

    /// The value of a setting that has no default; `None` where nothing was typed, or where that is faulty.
    pub(super) fn optional<T>(
        &mut self,
        key: Key,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.typed(key, |typed| read(typed.text.trim()))
    }

    /// Whether a switch is on, in the sense of its name in a file.
    pub(super) fn switch(&mut self, key: Key) -> bool {
        let typed = self.typed(key, |typed| {
            let on = values::boolean(typed.text.trim())?;
            Ok(match (key.row().kind, &typed.at) {
                (Kind::Opposite, TypedAt::Flag | TypedAt::Variable) => !on,
                (Kind::Opposite, TypedAt::File(_))
                | (Kind::Value(_) | Kind::List(_) | Kind::Switch | Kind::Count | Kind::Fields(_), _) => on,
            })
        });
        typed.unwrap_or_else(|| default(key, values::boolean))
    }

    /// The members of a list, those of its default where nothing was typed; none where that is faulty.
    pub(super) fn list(&mut self, key: Key) -> Vec<String> {
        self.read.push(key);
        let mut members = Vec::new();
        let typed = self.all(key);
        if typed.is_empty() {
            return values::list(key.row().default).unwrap_or_default();
        }
        let is_of_file = |typed: &&Typed| matches!(typed.at, TypedAt::File(_));
        // In a file a list is written as one: a comma is nothing but a comma there.
        for Typed { text, at } in typed.iter().filter(is_of_file) {
            if text.trim().is_empty() {
                let message = "is empty; give a value, or leave it out";
                let TypedAt::File(place) = at else { continue };
                self.fault_at(key, place.clone(), message);
            } else {
                members.push(text.trim().to_owned());
            }
        }
        let words: Vec<&str> =
            typed.iter().filter(|typed| !is_of_file(typed)).map(|typed| typed.text.as_str()).collect();
        if !words.is_empty() {
            match values::list(words) {
                Ok(more) => members.extend(more),
                Err(message) => self.fault(key, message),
            }
        }
        members
    }

    /// The members of a list that another reader reads, where they can be understood; none where nothing was typed.
    pub(super) fn typed_members(&self, key: Key) -> Vec<String> {
        values::list(self.all(key).iter().map(|typed| typed.text.as_str())).unwrap_or_default()
    }

    /// The members of a list that `read` understands; each of the others is a fault.
    pub(super) fn members<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut members = Vec::new();
        for text in self.list(key) {
            match read(&text) {
                Ok(member) => members.push(member),
                Err(message) => self.fault_of_member(key, &text, message),
            }
        }
        members
    }

    /// The fields of a head, as names and values.
    pub(super) fn fields(&mut self, key: Key) -> Vec<(String, String)> {
        self.read.push(key);
        let mut fields = Vec::new();
        for Typed { text, .. } in self.all(key) {
            match text.split_once(':') {
                Some((name, value)) => fields.push((name.trim().to_owned(), value.trim().to_owned())),
                None => self.fault_of_member(
                    key,
                    text,
                    format!("\"{text}\" is no field; write 'NAME: VALUE', such as 'X-Team: web'"),
                ),
            }
        }
        fields
    }

    /// All that was typed for `key`, each value for itself and whole, commas and all; `None` stands for one that is
    /// faulty.
    pub(super) fn each<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> Vec<Option<T>> {
        self.read.push(key);
        let mut each = Vec::new();
        for Typed { text, .. } in self.all(key) {
            let value = read(text.trim());
            each.push(value.map_err(|message| self.fault_of_member(key, text.trim(), message)).ok());
        }
        each
    }

    /// What was typed for `key` as `read` understands it; `None` where nothing was, or where it is faulty.
    fn typed<T>(&mut self, key: Key, read: impl FnOnce(&Typed) -> Result<T, String>) -> Option<T> {
        self.read.push(key);
        match read(self.all(key).last()?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fault(key, message);
                None
            }
        }
    }

    /// All that was typed for `key` in what counts for the table that is being read.
    fn all(&self, key: Key) -> &'a [Typed] {
        self.holder(key).typed(key)
    }

    /// The table in which `key` counts: what flags say of all tables, then this one, then what a table takes over from
    /// the whole file.
    fn holder(&self, key: Key) -> &'a Section {
        let root = self.settings.root();
        let inherits = key
            .row()
            .name
            .is_some_and(|name| ["timeouts.", "limits."].iter().any(|table| name.starts_with(table)));
        if key.is_overridden() && root.has(key) || inherits && !self.section.has(key) {
            root
        } else {
            self.section
        }
    }

    fn note(&self, key: Key, member: Option<&str>, message: String) -> ConfigFault {
        let holder = self.holder(key);
        let of_member = member
            .and_then(|member| holder.typed(key).iter().find(|typed| typed.text.trim() == member))
            .and_then(|typed| match &typed.at {
                TypedAt::File(place) => Some(place.clone()),
                TypedAt::Flag | TypedAt::Variable => None,
            });
        ConfigFault { key: holder.spelled(key), message, place: of_member.or_else(|| holder.place_of(key)) }
    }

    fn fault_at(&mut self, key: Key, place: Place, message: &str) {
        let key = self.spelled(key);
        self.notes.faults.push(ConfigFault { key, message: message.to_owned(), place: Some(place) });
    }
}

/// The default of `key`, which its own reader understands: a test reads all of them.
fn default<T>(key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
    let text = key.row().default.unwrap_or_default();
    read(text).unwrap_or_else(|fault| unreachable!("the default of {key:?}: {fault}"))
}

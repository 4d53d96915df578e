//! From settings to values, one setting at a time: what was typed, else the default of its row.
//!
//! Nothing stops at a fault: it is noted under the name that was typed, and the default stands in. Every setting is
//! read in one place and whether or not it matters, so that a fault in it does not wait for the day when it does.

use super::{
    interpolation::interpolate,
    keys::{Key, Kind},
    notes::{self, ConfigFault, Notes},
    places::TablePlaces,
    preset::Preset,
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
    /// What variables stand for in the values of flags.
    secrets: Vec<String>,
    /// What stands in for what is not typed, before the defaults of the settings do.
    preset: Option<Preset>,
    /// What was read, in that order. A setting has one reader: a test looks for those with none or two.
    pub(super) read: Vec<Key>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet; what was noted where the settings were gathered comes first.
    pub(super) fn new(settings: &'a Settings) -> Self {
        let notes = settings.notes().clone();
        Self {
            settings,
            section: settings.root(),
            notes,
            secrets: settings.secrets.clone(),
            preset: None,
            read: Vec::new(),
        }
    }

    /// What was found.
    pub(super) fn into_notes(self) -> Notes {
        self.notes.tidied(&self.secrets)
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

    /// Reads with other defaults.
    pub(super) fn with_preset<T>(&mut self, preset: Option<Preset>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.preset = preset;
        let value = read(self);
        self.preset = None;
        value
    }

    /// The name of the table that is being read.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.section.name.as_deref()
    }

    /// Where those settings of the table that is being read were typed whose names begin so; in the whole file they
    /// stand in a table called `table`.
    pub(super) fn places(&self, begins: &str, table: &str) -> TablePlaces {
        TablePlaces::of(self.settings, self.section, begins, table)
    }

    /// Whether a file was read.
    pub(super) const fn has_file(&self) -> bool {
        self.settings.file.is_some()
    }

    /// Whether the table that is being read holds one of this name.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.section.tables.iter().any(|(own, _)| own == name)
    }

    /// Notes a fault of the table `name` in the one that is being read.
    pub(super) fn fault_of_table(&mut self, name: &str, message: &str) {
        let place = self.section.tables.iter().find(|(own, _)| own == name).map(|(_, place)| place.clone());
        let begins = self.section.spelling.as_ref().map_or("", |(_, instead)| instead);
        let key = format!("{begins}{name}");
        self.notes.faults.push(ConfigFault { key, message: message.to_owned(), place });
    }

    /// A text without what came out of the environment or of files.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        notes::without(&self.secrets, text)
    }

    /// Whether anything was typed for `key`.
    pub(super) fn has(&self, key: Key) -> bool {
        !self.all(key).is_empty()
    }

    /// What was typed for `key`, with the blanks around it; nothing where nothing was.
    pub(super) fn verbatim(&mut self, key: Key) -> Option<String> {
        self.typed(key, |typed| Ok(typed.text.clone()))
    }

    /// Whether `key` was typed in the table that is being read itself.
    pub(super) fn is_own(&self, key: Key) -> bool {
        self.section.has(key)
    }

    /// Whether a flag or a variable says what `key` is.
    pub(super) fn is_outside_of_a_file(&self, key: Key) -> bool {
        self.holder(key).has_outside_of_a_file(key)
    }

    /// How `key` is spelled where it was typed; where nothing was, as it would be in the file if there is one, else as
    /// its flag.
    pub(super) fn spelled(&self, key: Key) -> String {
        self.holder(key).spelled_where(key, self.has_file())
    }

    /// How `key` is spelled with this value, where it is to be typed.
    pub(super) fn spelled_with(&self, key: Key, value: &str) -> String {
        let spelled = self.spelled(key);
        let equals = match (spelled.starts_with("--"), key.row().kind) {
            (true, Kind::Switch | Kind::Opposite | Kind::Count) => return spelled,
            (true, Kind::Value(_) | Kind::List(_) | Kind::Fields(_)) => " ",
            (false, _) if self.has_file() => " = ",
            (false, _) => "=",
        };
        format!("{spelled}{equals}{value}")
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

    /// Notes a fault of the member of the list `key` that the message quotes; of all of it where it quotes none.
    pub(super) fn fault_of_quoted(&mut self, key: Key, message: String) {
        let is_quoted = |text: &&str| message.contains(&format!("\"{text}\""));
        let member = self.all(key).iter().map(|typed| typed.text.trim()).find(is_quoted);
        let fault = self.note(key, member, message);
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

    /// Notes a warning about the table that is being read, or one of this name in it.
    pub(super) fn warn_of_table(&mut self, key: String, message: &str) {
        let own = self.section.tables.iter().find(|(own, _)| *own == key).map(|(_, place)| place.clone());
        let place = own.or_else(|| self.section.place.clone());
        self.notes.warnings.push(ConfigFault { key, message: message.to_owned(), place });
    }

    /// The value of a setting that has a default.
    pub(super) fn value<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
        self.typed(key, |typed| read(typed.text.trim())).unwrap_or_else(|| self.default(key, read))
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
        typed.unwrap_or_else(|| self.default(key, values::boolean))
    }

    /// The members of a list, those of its default where nothing was typed; none where that is faulty.
    pub(super) fn list(&mut self, key: Key) -> Vec<String> {
        self.read.push(key);
        let mut members = Vec::new();
        let typed = self.all(key);
        if typed.is_empty() {
            return values::list(self.default_text(key)).unwrap_or_default();
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

    /// The members of a list of secrets, with what variables in them stand for: arguments are shown to everybody on the
    /// machine.
    pub(super) fn secrets(&mut self, key: Key) -> Vec<String> {
        let mut secrets = Vec::new();
        for member in self.list(key) {
            match interpolate(&member, &mut self.secrets) {
                Ok(secret) => secrets.push(secret),
                Err(message) => self.fault(key, message),
            }
        }
        secrets
    }

    /// The fields of a head, as names and values.
    pub(super) fn fields(&mut self, key: Key) -> Vec<(String, String)> {
        self.read.push(key);
        let mut fields = Vec::new();
        for Typed { text, at } in self.all(key) {
            match text.split_once(':') {
                Some((name, value)) => match self.put_in(value, at) {
                    Ok(value) => fields.push((name.trim().to_owned(), value.trim().to_owned())),
                    Err(message) => self.fault_of_member(key, text, message),
                },
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

    /// The value of a field with what its variables stand for. In a file they are put in where it is read; arguments
    /// are shown to everybody on the machine, and would be a worse place for a secret.
    fn put_in(&mut self, value: &str, at: &TypedAt) -> Result<String, String> {
        match at {
            TypedAt::File(_) => Ok(value.to_owned()),
            TypedAt::Flag | TypedAt::Variable => interpolate(value, &mut self.secrets),
        }
    }

    fn default_text(&self, key: Key) -> Option<&'static str> {
        self.preset.and_then(|preset| preset.default_of(key)).or(key.row().default)
    }

    /// The default of `key`, which its own reader understands: a test reads all of them.
    fn default<T>(&self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> T {
        let text = self.default_text(key).unwrap_or_default();
        read(text).unwrap_or_else(|fault| unreachable!("the default of {key:?}: {fault}"))
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

    /// Which of what was typed for `key` is what stands for it in a table of its own.
    pub(super) fn place_among(&self, key: Key, table: &Section) -> Option<usize> {
        let own = table.typed(key).last()?;
        self.all(key).iter().position(|typed| typed == own)
    }

    /// The table in which `key` counts.
    fn holder(&self, key: Key) -> &'a Section {
        self.settings.holder(self.section, key)
    }

    fn note(&self, key: Key, member: Option<&str>, message: String) -> ConfigFault {
        let holder = self.holder(key);
        let of_member = member
            .and_then(|member| holder.typed(key).iter().find(|typed| typed.text.trim() == member))
            .and_then(|typed| match &typed.at {
                TypedAt::File(place) => Some(place.clone()),
                TypedAt::Flag | TypedAt::Variable => None,
            });
        let place = of_member.or_else(|| holder.place_of(key));
        ConfigFault { key: self.spelled(key), message, place }
    }

    fn fault_at(&mut self, key: Key, place: Place, message: &str) {
        let key = self.spelled(key);
        self.notes.faults.push(ConfigFault { key, message: message.to_owned(), place: Some(place) });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::sample, *};
    use crate::config::{AccessLog, HostHeader};

    const FILE: &str = "[timeouts]\nresponse = \"2s\"\n[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\neject.failures = 2\n\
                        [[route]]\nupstream = \"a\"\nhost_header = \"keep\"\ntimeouts.response = \"3s\"\n\
                        [[route]]\npath = \"/b\"\nupstream = \"a\"\n";

    #[test]
    fn a_flag_outranks_every_table_of_a_file() {
        let seen = |flags: &[(Key, &str)]| {
            let config = sample::compiled(&sample::file(FILE, flags));
            let routes: Vec<(Duration, HostHeader)> = config
                .routes
                .typed()
                .map(|route| (route.timeouts.response, route.host_header.clone()))
                .collect();
            (routes, config.timeouts.response, config.upstreams[0].ejection.failures)
        };
        let seconds = Duration::from_secs;
        assert_eq!(
            seen(&[]),
            (vec![(seconds(3), HostHeader::Keep), (seconds(2), HostHeader::Auto)], seconds(2), 2)
        );
        let flags = [(Key::HostHeader, "upstream"), (Key::TimeoutResponse, "9s"), (Key::EjectFailures, "7")];
        assert_eq!(
            seen(&flags),
            (vec![(seconds(9), HostHeader::Upstream), (seconds(9), HostHeader::Upstream)], seconds(9), 7)
        );
    }

    #[test]
    fn a_setting_is_spelled_as_it_was_typed_and_else_as_the_file_would() {
        let settings =
            sample::file("[gateway]\nopen = false\n[[route]]\npath = \"/\"", &[(Key::MaxAge, "1s")]);
        let reader = Reader::new(&settings);
        for (key, expected) in [
            (Key::MaxAge, "--max-age"),
            (Key::Open, "gateway.open"),
            (Key::AllowOrigin, "cors.allow_origins"),
            (Key::Verbose, "--verbose"),
        ] {
            assert_eq!(reader.spelled(key), expected);
        }
        assert_eq!(reader.spelled_with(Key::Open, "true"), "gateway.open = true");
        assert_eq!(reader.spelled_with(Key::MaxAge, "2s"), "--max-age 2s");
        let settings = Settings::default();
        let reader = Reader::new(&settings);
        assert_eq!(reader.spelled(Key::AllowOrigin), "--allow-origin");
        assert_eq!(reader.spelled_with(Key::Open, "true"), "--open");
    }

    #[test]
    fn messages_name_keys_where_there_is_a_file() {
        for (text, expected) in [
            (
                "[[listen]]\naddress = \":80\"\n[gateway]\n",
                "a gateway on 0.0.0.0:80 would let anyone reach any site through this machine; restrict it with \
                 cors.allow_origins, gateway.allow_targets or gateway.access, or publish it knowingly with gateway.open = true",
            ),
            (
                "[[listen]]\naddress = \":80\"\n[policy.b]\nallow_origins = [\"null\"]\n[gateway]\ncors = \"b\"",
                "a gateway on 0.0.0.0:80 would let anyone reach any site through this machine, for the origin null can \
                 be anybody's; restrict it with policy.b.allow_origins, gateway.allow_targets or gateway.access, or publish it knowingly \
                 with gateway.open = true",
            ),
            ("group = \"www\"", "f:1:9: group: www needs a user; give it with user"),
        ] {
            assert_eq!(sample::notes_of_file(text, &[]).0, [expected]);
        }
        let (_, warnings) = sample::notes_of_file("", &[(Key::HostHeader, "keep")]);
        assert_eq!(
            warnings,
            [
                "--host-header: has no effect without an upstream; add a [[route]] that leads to one or leave it out"
            ]
        );
        let text = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[[route]]\nupstream = \"a\"";
        let (_, warnings) = sample::notes_of_file(text, &[(Key::Redirects, "pass")]);
        assert_eq!(warnings, ["--redirects: has no effect without a gateway; add [gateway] or leave it out"]);
    }

    #[test]
    fn secrets_are_hidden_in_faults() {
        let value = env!("CARGO_PKG_DESCRIPTION");
        let text = "drain_delay = \"${CARGO_PKG_DESCRIPTION}\"\nworkers = \"  ${CARGO_PKG_DESCRIPTION} \"\n\
                    [cors]\nallow_origins = [\"${CARGO_PKG_DESCRIPTION}\"]\n[gateway]\nallow_targets = [\"x ${CARGO_PKG_DESCRIPTION}\"]\n\
                    [[route]]\nhost = \"${CARGO_PKG_DESCRIPTION}\"\nupstream = \"${CARGO_PKG_DESCRIPTION}\"\ncors = \"${CARGO_PKG_DESCRIPTION}\"";
        let (faults, _) = sample::notes_of_file(text, &[]);
        assert!(faults.len() >= 7, "{faults:#?}");
        for fault in faults {
            assert!(fault.contains("***") && !fault.contains(value), "{fault}");
        }
    }

    #[test]
    fn a_comma_separates_behind_a_flag_and_is_one_in_a_file() {
        let flags = sample::settings(&[(Key::RedactQuery, "a,b")]);
        assert_eq!(Reader::new(&flags).list(Key::RedactQuery), ["a", "b"]);
        let file = sample::file("[log]\nredact_query = [\"a,b\", \" c \"]", &[]);
        assert_eq!(Reader::new(&file).list(Key::RedactQuery), ["a,b", "c"]);
        assert_eq!(sample::compiled(&file).log.access, AccessLog::Stdout);
    }
}

//! A file: settings from the tables of a TOML document, for what the command line and the environment leave out.
//!
//! Names are looked up in the one table of settings, whichever table of the file they stand in; what a value means is
//! none of its business. The document is walked and not deserialized: that would stop at the first fault, and lose where
//! things stand.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use foldhash::quality::FixedState;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    interpolation::interpolate,
    keys::{Key, Kind},
    settings::{Part, Section, Settings, Typed, TypedAt},
    source::{Place, Source, text},
    values,
};

/// Reads the file that `settings` name, if they name one, for what they leave out.
pub fn read(settings: &mut Settings) {
    if let Some(path) = settings.typed(Key::ConfigFile).last().map(|typed| typed.text.clone())
        // Its reader tells of an empty one.
        && !path.is_empty()
    {
        let spelled = settings.root().spelled(Key::ConfigFile);
        match text(Path::new(&path)) {
            Ok(text) => add(&Source::new(Path::new(&path), &text), settings),
            Err(fault) => settings.fault(spelled, format!("cannot read {path}: {fault}")),
        }
    }
    // The other files are read later: what changes meanwhile is seen to be something else.
    settings.content = content_of(settings.file.as_deref(), &settings.files());
}

/// What these files hold, as a number.
#[must_use]
pub fn content(files: &[PathBuf]) -> u64 {
    content_of(None, files)
}

/// The same; one that was read already holds what it held then.
fn content_of(known: Option<&Source>, files: &[PathBuf]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for file in files {
        let known = known.filter(|known| file.as_os_str() == &*known.name);
        let content = match known {
            Some(known) => Some(known.text.as_bytes().to_vec()),
            None => fs::read(file).ok(),
        };
        // One that is not there is another state of it.
        hasher.write_usize(content.as_ref().map_or(usize::MAX, Vec::len));
        hasher.write(&content.unwrap_or_default());
    }
    hasher.finish()
}

/// Adds what the file says of settings that were not typed before.
pub fn add(source: &Arc<Source>, settings: &mut Settings) {
    let (document, faults) = DeTable::parse_recoverable(&source.text);
    let mut broken = BTreeSet::new();
    for fault in faults {
        let span = fault.span().unwrap_or(0..0);
        let place = Place { source: Arc::clone(source), span };
        broken.insert(place.line_and_column().0);
        settings.fault_at(Some(place), "", format!("is no TOML: {}", fault.message()));
    }
    let mut root = Section::default();
    let mut walk = Walk { source, settings, broken, hidden: Vec::new() };
    walk.table(document.get_ref(), Table::ROOT, "", &mut root);
    source.hide(walk.hidden);
    settings.file = Some(Arc::clone(source));
    settings.root_mut().take_over(root);
}

/// Which names a table may hold.
#[derive(Clone, Copy)]
struct Table {
    /// What the names of its settings begin with in the table of settings.
    begins: &'static str,
    /// What it is.
    within: Within,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Root,
    Part(Part),
}

impl Table {
    const ROOT: Self = Self { begins: "", within: Within::Root };

    const fn of(part: Part) -> Self {
        let begins = match part {
            Part::Listen => "listen.",
            Part::Certificate => "listen.tls.certificates.",
            Part::Policy => "cors.",
            Part::Access => "access.",
            Part::Limit => "limit.",
            Part::Upstream => "upstream.",
            Part::Server => "upstream.servers.",
            Part::Target => "gateway.target.",
            Part::Route => "route.",
        };
        Self { begins, within: Within::Part(part) }
    }

    /// The setting that `path` means here.
    fn key(self, path: &str) -> Option<Key> {
        self.names().find(|(_, own)| *own == path).map(|(key, _)| key)
    }

    /// Whether `path` is a table here.
    fn has_below(self, path: &str) -> bool {
        let is_below = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.names().any(|(_, name)| is_below(name)) || self.parts().any(is_below)
    }

    /// The tables of which there may be several here, by the names that they have here.
    fn parts(self) -> impl Iterator<Item = &'static str> {
        PARTS.iter().filter(move |(within, ..)| *within == self.within).map(|(_, name, _)| *name)
    }

    /// The settings that may stand here, by the names that they have here.
    fn names(self) -> impl Iterator<Item = (Key, &'static str)> {
        Key::ALL.iter().filter_map(move |key| {
            let name = key.row().name?;
            let own = match self.within {
                Within::Root => (!is_of_part(name)).then_some(name),
                Within::Part(Part::Route)
                    if ["timeouts.", "limits."].iter().any(|begins| name.starts_with(begins)) =>
                {
                    Some(name)
                }
                Within::Part(Part::Listen) if name.starts_with(Self::of(Part::Certificate).begins) => None,
                Within::Part(Part::Upstream) if name.starts_with(Self::of(Part::Server).begins) => None,
                Within::Part(_) => name.strip_prefix(self.begins),
            }?;
            Some((*key, own))
        })
    }
}

/// Whether a setting stands in tables of which there may be several.
fn is_of_part(name: &str) -> bool {
    [Part::Listen, Part::Access, Part::Limit, Part::Upstream, Part::Target, Part::Route]
        .iter()
        .any(|part| name.starts_with(Table::of(*part).begins))
}

/// A document that is being walked.
struct Walk<'a> {
    source: &'a Arc<Source>,
    settings: &'a mut Settings,
    /// Lines that are no TOML: what they mean is anybody's guess, and no fault of theirs is told beside that.
    broken: BTreeSet<usize>,
    /// What nobody is told of it.
    hidden: Vec<Range<usize>>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else stands there is described")]
impl Walk<'_> {
    /// What stands in a table. `path` leads to it from where its [`Table`] begins, with a dot at its end.
    fn table(&mut self, table: &DeTable<'_>, kind: Table, path: &str, section: &mut Section) {
        for (name, value) in table {
            let own = format!("{path}{}", name.get_ref());
            if let Some(key) = kind.key(&own) {
                self.setting(key, value, kind, &own, section);
            } else if let Some(part) = part(kind, &own) {
                self.parts(part, value, &own, section);
            } else if kind.has_below(&own) {
                match value.get_ref() {
                    DeValue::Table(inner) => {
                        section.tables.push((own.clone(), self.place(value.span())));
                        self.table(inner, kind, &format!("{own}."), section);
                    }
                    other => {
                        let message = format!("is a table of settings, and not {}", described(other));
                        self.fault(value.span(), &spelled(section, &own), message);
                    }
                }
            } else {
                // It may be the name of a secret, mistyped.
                if [Part::Access, Part::Target].map(Within::Part).contains(&kind.within) {
                    self.hidden.push(value.span());
                }
                self.unknown(name, kind, path, &own, section);
            }
        }
    }

    /// `[[NAME]]`, `[NAME.OTHER]`, or a list of tables.
    fn parts(&mut self, part: Part, value: &Spanned<DeValue<'_>>, own: &str, section: &mut Section) {
        let named = matches!(part, Part::Policy | Part::Access | Part::Limit | Part::Upstream);
        let spelled = spelled(section, own);
        match value.get_ref() {
            DeValue::Table(tables) if named => {
                for (name, value) in tables {
                    let is_a_setting = Table::of(part).key(name.get_ref()).is_some();
                    if is_a_setting && !matches!(value.get_ref(), DeValue::Table(_)) {
                        let own = format!("{spelled}.{}", name.get_ref());
                        let message =
                            format!("belongs to a table with a name: write [{spelled}.NAME] above it");
                        self.fault(name.span(), &own, message);
                        continue;
                    }
                    let spelled = format!("{spelled}.{}", name.get_ref());
                    if let Some(fault) = fault_of_name(name.get_ref()) {
                        self.fault(name.span(), &spelled, fault);
                    }
                    let mut own = self.section(part, name.span(), &spelled);
                    own.name = Some(name.get_ref().as_ref().into());
                    self.part(value, part, &spelled, own, section);
                }
            }
            DeValue::Array(tables) if !named => {
                for value in tables {
                    let own = self.section(part, value.span(), &spelled);
                    self.part(value, part, &spelled, own, section);
                }
            }
            DeValue::Table(_) if !named => {
                let message = if part == Part::Certificate {
                    "is a list of tables: write [{ cert = \"FILE\", key = \"FILE\" }]".to_owned()
                } else {
                    format!("is a list of tables: write [[{spelled}]], with two brackets on each side")
                };
                self.fault(value.span(), &spelled, message);
            }
            other => {
                let message = if named {
                    format!("holds tables with names: write [{spelled}.NAME], not {}", described(other))
                } else {
                    format!("is a list of tables: write [[{spelled}]], not {}", described(other))
                };
                self.fault(value.span(), &spelled, message);
            }
        }
    }

    fn part(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        part: Part,
        spelled: &str,
        mut own: Section,
        section: &mut Section,
    ) {
        match value.get_ref() {
            DeValue::Table(table) => {
                self.table(table, Table::of(part), "", &mut own);
                section.add_part(part, own);
            }
            other => self.fault(value.span(), spelled, format!("is a table, and not {}", described(other))),
        }
    }

    fn section(&self, part: Part, span: Range<usize>, spelled: &str) -> Section {
        // Of a table that is written out, its first line says enough.
        let line = self.source.text.get(span.clone()).and_then(|text| text.find('\n'));
        let span = line.map_or_else(|| span.clone(), |length| span.start..span.start + length);
        Section::at(self.place(span), Table::of(part).begins, format!("{spelled}."))
    }

    fn setting(
        &mut self,
        key: Key,
        value: &Spanned<DeValue<'_>>,
        kind: Table,
        own: &str,
        section: &mut Section,
    ) {
        let spelled = spelled(section, own);
        if key.is_secret() {
            match value.get_ref() {
                // A table of its own ends who knows where; names are no secrets.
                DeValue::Table(members) => {
                    self.hidden.extend(members.iter().map(|(_, value)| value.span()));
                }
                _ => self.hidden.push(value.span()),
            }
        }
        // What a flag says of it counts, whatever stands here.
        if kind.within == Within::Root && self.settings.has(key) || self.is_broken(&value.span()) {
            return;
        }
        match (key.row().kind, value.get_ref()) {
            (Kind::Fields(_), DeValue::Table(fields)) => {
                for (name, value) in fields {
                    if name.get_ref().contains(':') || name.get_ref().trim() != name.get_ref().as_ref() {
                        let message = format!(
                            "\"{}\" is no field name; write letters, digits and dashes, as in X-Name",
                            name.get_ref()
                        );
                        self.fault(name.span(), &spelled, message);
                        continue;
                    }
                    // The table may be written out, each field on a line of its own.
                    if key.is_secret() {
                        self.hidden.push(value.span());
                    }
                    for (text, span) in self.texts(value, &spelled) {
                        let text = format!("{}: {text}", name.get_ref());
                        section.add(key, Typed { text, at: TypedAt::File(self.place(span)) });
                    }
                }
            }
            (Kind::Fields(_), other) => {
                let message =
                    format!("is a table of fields: write {{ NAME = \"value\" }}, not {}", described(other));
                self.fault(value.span(), &spelled, message);
            }
            (Kind::List(_), DeValue::Array(members)) => {
                if members.is_empty() && key.grants() {
                    let message =
                        "is empty, and so would let nothing in; name what is allowed, or leave it out";
                    self.fault(value.span(), &spelled, message);
                }
                for member in members {
                    if let (Key::Upstream, DeValue::Table(server)) = (key, member.get_ref()) {
                        self.server(server, member.span(), &spelled, section);
                    } else if let Some(text) = self.text(member, &spelled) {
                        section.add(key, Typed { text, at: TypedAt::File(self.place(member.span())) });
                    }
                }
            }
            (_, _) => {
                if let Some(text) = self.text(value, &spelled) {
                    section.add(key, Typed { text, at: TypedAt::File(self.place(value.span())) });
                }
            }
        }
    }

    /// A server that is written as a table: its URL is one of the list, and what else it says is a table of its own, which
    /// knows by that URL and its place whose it is.
    fn server(&mut self, server: &DeTable<'_>, span: Range<usize>, spelled: &str, section: &mut Section) {
        let kind = Table::of(Part::Server);
        let mut own = self.section(Part::Server, span.clone(), spelled);
        for (name, value) in server {
            let name_of_it = name.get_ref().as_ref();
            if name_of_it == "url" {
                if let Some(text) = self.text(value, &format!("{spelled}.url")) {
                    let typed = Typed { text, at: TypedAt::File(self.place(value.span())) };
                    section.add(Key::Upstream, typed.clone());
                    own.add(Key::Upstream, typed);
                }
            } else if let Some(key) = kind.key(name_of_it) {
                self.setting(key, value, kind, name_of_it, &mut own);
            } else {
                let message = unknown_name(name_of_it, kind.names().map(|(_, name)| name).chain(["url"]));
                self.fault(name.span(), &format!("{spelled}.{name_of_it}"), message);
            }
        }
        if !server.iter().any(|(name, _)| name.get_ref() == "url") {
            self.fault(span, spelled, "a server needs its url, such as { url = \"http://127.0.0.1:9001\" }");
        }
        section.add_part(Part::Server, own);
    }

    /// The texts of a value that may be one or several.
    fn texts(&mut self, value: &Spanned<DeValue<'_>>, spelled: &str) -> Vec<(String, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(members) => {
                members.iter().filter_map(|one| Some((self.text(one, spelled)?, one.span()))).collect()
            }
            _ => self.text(value, spelled).map(|text| (text, value.span())).into_iter().collect(),
        }
    }

    /// A value as text, the way it would be typed behind a flag.
    fn text(&mut self, value: &Spanned<DeValue<'_>>, spelled: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => match interpolate(text, &mut self.settings.secrets) {
                Ok(text) => Some(text),
                Err(fault) => {
                    self.fault(value.span(), spelled, fault);
                    None
                }
            },
            DeValue::Integer(number) if number.radix() == 10 => {
                Some(number.as_str().strip_prefix('+').unwrap_or(number.as_str()).to_owned())
            }
            DeValue::Boolean(yes) => Some(yes.to_string()),
            other => {
                self.fault(value.span(), spelled, format!("expected a text, and found {}", described(other)));
                None
            }
        }
    }

    fn unknown(
        &mut self,
        name: &Spanned<Cow<'_, str>>,
        kind: Table,
        path: &str,
        own: &str,
        section: &Section,
    ) {
        let depth = path.len();
        let siblings = kind.names().filter_map(|(_, other)| {
            other.starts_with(path).then(|| other[depth..].split('.').next()).flatten()
        });
        let parts = kind
            .parts()
            .filter_map(|other| other.starts_with(path).then(|| other[depth..].split('.').next()).flatten());
        let message = unknown_name(name.get_ref(), siblings.chain(parts));
        self.fault(name.span(), &spelled(section, own), message);
    }

    fn fault(&mut self, span: Range<usize>, spelled: &str, message: impl Into<String>) {
        if !self.is_broken(&span) {
            let place = self.place(span);
            self.settings.fault_at(Some(place), spelled, message);
        }
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        !self.broken.is_empty() && self.broken.contains(&self.place(span.clone()).line_and_column().0)
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span }
    }
}

/// Where tables of which there may be several stand, and what they are called there.
const PARTS: [(Within, &str, Part); 8] = [
    (Within::Root, "listen", Part::Listen),
    (Within::Root, "policy", Part::Policy),
    (Within::Root, "access", Part::Access),
    (Within::Root, "limit", Part::Limit),
    (Within::Root, "upstream", Part::Upstream),
    (Within::Root, "gateway.target", Part::Target),
    (Within::Root, "route", Part::Route),
    (Within::Part(Part::Listen), "tls.certificates", Part::Certificate),
];

fn part(kind: Table, own: &str) -> Option<Part> {
    PARTS.iter().find(|(within, name, _)| *within == kind.within && *name == own).map(|(_, _, part)| *part)
}

/// How a name that stands in a section is spelled in full.
fn spelled(section: &Section, own: &str) -> String {
    match &section.spelling {
        Some((_, begins)) => format!("{begins}{own}"),
        None => own.to_owned(),
    }
}

fn unknown_name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    match values::nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no such setting; did you mean {near}?"),
        None => format!("there is no such setting; here may stand {}", known.join(", ")),
    }
}

/// Names are labels of the log and of metrics.
fn fault_of_name(name: &str) -> Option<&'static str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (name.is_empty() || name.len() > 64 || !name.bytes().all(is_fine))
        .then_some("is no name; expected at most 64 letters, digits, dots, dashes and underscores")
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(number) if number.radix() == 10 => "a number",
        DeValue::Integer(_) => "a number that is not written in digits",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests;

//! `[limit.NAME]`: how often something may be asked for, of which routes and the gateway name those that must admit.

use std::{cell::Cell, sync::Arc, time::Duration};

use super::{
    keys::Key,
    names::unknown_name,
    reader::Reader,
    settings::{Part, Section},
    values,
};
use crate::{
    cors::NamedOrigins,
    http1::fields,
    limit::{CountedBy, Limit, Rate, Shared, State},
    uri::can_be_resolved,
};

/// The most of them that there can be.
const MOST: usize = 1_000;

/// The most that can be asked about one request.
const MOST_OF_ONE: usize = 8;

/// The most that can be known of one of them.
const MOST_KEYS: usize = 1 << 20;

/// What the one is called that a flag makes.
const OF_FLAG: &str = "--rate-limit";

/// A table by its place among all of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitId(pub(super) u16);

impl LimitId {
    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Tables that must all admit a request; those that others must be asked about stand last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitList {
    ids: Box<[LimitId]>,
    /// Whether a server has to be asked.
    pub asks_a_server: bool,
}

impl LimitList {
    /// They, by their places.
    #[must_use]
    pub const fn ids(&self) -> &[LimitId] {
        &self.ids
    }

    /// These and others.
    pub(super) fn and(self, others: Self) -> Self {
        Self {
            // Those that ask a server stay behind.
            ids: others.ids.iter().chain(&self.ids).copied().collect(),
            asks_a_server: self.asks_a_server || others.asks_a_server,
        }
    }
}

/// All of a file, and the one of a flag.
pub(super) struct LimitTables<'a> {
    list: Vec<Named<'a>>,
}

struct Named<'a> {
    name: &'a str,
    /// `None`: a flag says it.
    table: Option<&'a Section>,
    /// `None`: faulty.
    limit: Option<Limit>,
    is_used: Cell<bool>,
}

impl<'a> LimitTables<'a> {
    /// What is typed. Who was known `before` to a table that counts in the same way stays known.
    pub(super) fn read(before: &[Limit], reader: &mut Reader<'a>) -> Self {
        // Nothing of it can stand outside of its tables; what is read there is that there is nothing.
        let _ = typed(reader);
        let mut list = Vec::new();
        if let Some(rate) = reader.optional(Key::RateLimit, rate) {
            let limit = Typed { rate: Some(rate), ..Typed::default() }.limit(OF_FLAG, before);
            list.push(Named { name: OF_FLAG, table: None, limit, is_used: Cell::new(false) });
        }
        let tables = reader.parts(Part::Limit);
        if tables.len() > MOST {
            reader.fault_of_several(format!("there are {} limits; at most {MOST} can be", tables.len()));
        }
        list.extend(tables.into_iter().take(MOST).map(|table| {
            reader.within(table, |reader| {
                let name = reader.name().unwrap_or_default();
                let limit = read(name, before, reader);
                Named { name, table: Some(table), limit, is_used: Cell::new(false) }
            })
        }));
        Self { list }
    }

    /// Those of the names that `key` gives, for what lets in by tables of access or does not.
    pub(super) fn find(
        &self,
        key: Key,
        names: &[String],
        asks_for_access: bool,
        reader: &mut Reader<'_>,
    ) -> LimitList {
        if names.len() > MOST_OF_ONE {
            reader.fault(key, format!("names {} limits; at most {MOST_OF_ONE} can be", names.len()));
        }
        let mut found: Vec<(LimitId, &Limit)> = Vec::new();
        for name in names {
            let Some((named, id)) = self.named().find(|(named, _)| named.name == name) else {
                let known = self.named().map(|(named, _)| named.name);
                reader.fault_of_member(key, name, unknown_name("limit", name, known));
                continue;
            };
            named.is_used.set(true);
            let Some(limit) = &named.limit else { continue };
            if found.iter().any(|(_, other)| other.name == limit.name) {
                reader.fault_of_member(key, name, format!("\"{name}\" is named twice"));
            } else if limit.counted_by == CountedBy::Access && !asks_for_access {
                let message = format!("\"{name}\" counts by who was let in, and access names nobody here");
                reader.fault_of_member(key, name, message);
            } else {
                found.push((id, limit));
            }
        }
        listed(found)
    }

    /// The one of the flag, for what flags make.
    pub(super) fn of_flag(&self) -> LimitList {
        let named = self.list.iter().zip(0..).find(|(named, _)| named.table.is_none());
        listed(
            named
                .into_iter()
                .filter_map(|(named, id)| {
                    named.is_used.set(true);
                    named.limit.as_ref().map(|limit| (LimitId(id), limit))
                })
                .collect(),
        )
    }

    /// Whether one of them depends on what DNS says of a name.
    pub(super) fn are_named(&self) -> bool {
        let mut limits = self.list.iter().filter_map(|named| named.limit.as_ref());
        limits.any(|limit| matches!(limit.shared, Shared::Replicas { .. }))
    }

    fn named(&self) -> impl Iterator<Item = (&Named<'a>, LimitId)> {
        self.list.iter().zip((0..).map(LimitId)).filter(|(named, _)| named.table.is_some())
    }

    /// Warns of those that nothing names.
    pub(super) fn warn_of_idle_ones(&self, reader: &mut Reader<'a>) {
        for Named { name, table, .. } in self.list.iter().filter(|named| !named.is_used.get()) {
            let Some(table) = table else {
                reader.warn(
                    Key::RateLimit,
                    "limits nothing: there is no gateway, no forward proxy and no --upstream",
                );
                continue;
            };
            reader.within(table, |reader| {
                let message =
                    "limits nothing: no route names it, and neither the gateway nor the forward proxy does";
                reader.warn_of_table(format!("limit.{name}"), message);
            });
        }
    }

    /// The tables themselves, in their order; `None` where one is faulty.
    pub(super) fn into_compiled(self) -> Option<Vec<Limit>> {
        self.list.into_iter().map(|named| named.limit).collect()
    }
}

fn listed(mut found: Vec<(LimitId, &Limit)>) -> LimitList {
    let asks_a_server = |limit: &Limit| matches!(limit.shared, Shared::Redis { .. });
    found.sort_by_key(|(_, limit)| asks_a_server(limit));
    LimitList {
        asks_a_server: found.iter().any(|(_, limit)| asks_a_server(limit)),
        ids: found.into_iter().map(|(id, _)| id).collect(),
    }
}

/// What is typed of one table.
struct Typed {
    rate: Option<(u32, Duration)>,
    burst: Option<usize>,
    counted_by: CountedBy,
    concurrent: usize,
    keys: usize,
    exempt: Vec<String>,
    shared: Shared,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            rate: None,
            burst: None,
            counted_by: CountedBy::Client,
            concurrent: 0,
            keys: 1 << 16,
            exempt: Vec::new(),
            shared: Shared::Local,
        }
    }
}

impl Typed {
    /// What it makes, called `name`; `None` where it counts what cannot be counted.
    fn limit(self, name: &str, before: &[Limit]) -> Option<Limit> {
        let Self { rate, burst, counted_by, concurrent, keys, exempt, shared } = self;
        let rate = match rate {
            Some((count, period)) => {
                let burst = burst.map_or(Ok(count), u32::try_from).ok()?;
                Some(Rate::new(count, period, burst)?)
            }
            None => None,
        };
        let is_same = |limit: &&Limit| {
            *limit.name == *name && limit.counted_by == counted_by && limit.state.keys() == keys
        };
        let state = before.iter().find(is_same).map(|limit| Arc::clone(&limit.state));
        Some(Limit {
            name: name.into(),
            counted_by,
            rate,
            concurrent: u32::try_from(concurrent).ok().filter(|most| *most > 0),
            exempt: if exempt.is_empty() { None } else { NamedOrigins::compile(&exempt).ok() },
            shared,
            state: state.unwrap_or_else(|| State::new(keys)),
        })
    }
}

fn typed(reader: &mut Reader<'_>) -> Typed {
    Typed {
        rate: reader.optional(Key::LimitRate, rate),
        burst: reader.optional(Key::LimitBurst, |text| values::count(text, 1..=MOST_KEYS)),
        counted_by: reader.value(Key::LimitKey, counted_by),
        concurrent: reader.value(Key::LimitConcurrent, |text| values::count(text, 0..=MOST_KEYS)),
        keys: reader.value(Key::LimitKeys, |text| values::count(text, 1..=MOST_KEYS)),
        exempt: reader.list(Key::LimitExempt),
        shared: reader.value(Key::LimitShared, shared),
    }
}

/// The table that is being read; `None` where it is faulty.
fn read(name: &str, before: &[Limit], reader: &mut Reader<'_>) -> Option<Limit> {
    let mut typed = typed(reader);
    // Whatever is counted, there is one.
    if typed.counted_by == CountedBy::Route && !reader.has(Key::LimitKeys) {
        typed.keys = usize::from(u16::MAX);
    }
    if !reader.has(Key::LimitRate) && typed.concurrent == 0 {
        let message = format!("[limit.{name}] limits nothing: write rate = \"200/1m\", or concurrent = 10");
        reader.fault_of_several(message);
        return None;
    }
    if !reader.has(Key::LimitRate) {
        for key in [Key::LimitBurst, Key::LimitShared] {
            if reader.has(key) {
                reader.warn(key, "has no effect without a rate");
            }
        }
    }
    if let Err(faults) = NamedOrigins::compile(&typed.exempt) {
        faults.into_iter().for_each(|fault| reader.fault_of_quoted(Key::LimitExempt, fault));
        return None;
    }
    typed.limit(name, before)
}

/// `200/1m`, or `200/m` where it is one of a unit.
fn rate(text: &str) -> Result<(u32, Duration), String> {
    let fault = || format!("\"{text}\" is no rate; expected a count in a time, such as 200/1m or 10/1s");
    let (count, period) = text.split_once('/').ok_or_else(fault)?;
    let count = count.trim().parse::<u32>().map_err(|_| fault())?;
    let period = period.trim();
    let period = match period {
        "s" | "m" | "h" | "d" => values::duration(&format!("1{period}")),
        period => values::duration(period),
    };
    let period = period.map_err(|_| fault())?;
    Rate::new(count, period, 1).map(|_| (count, period)).ok_or_else(|| {
        format!(
            "\"{text}\" cannot be counted; expected at most a million in a second and at least one in a year"
        )
    })
}

fn counted_by(text: &str) -> Result<CountedBy, String> {
    match text.split_once(':') {
        Some(("header", name)) if fields::is_token(name.as_bytes()) => Ok(CountedBy::Header(name.into())),
        Some(("header", name)) => {
            Err(format!("\"{name}\" is no name of a header; expected one such as header:X-Api-Key"))
        }
        Some(_) | None => values::choice(
            text,
            &[
                ("client", CountedBy::Client),
                ("origin", CountedBy::Origin),
                ("access", CountedBy::Access),
                ("route", CountedBy::Route),
                ("header:NAME", CountedBy::Route),
            ],
        )
        .and_then(|by| if text == "header:NAME" { counted_by("header:") } else { Ok(by) }),
    }
}

fn shared(text: &str) -> Result<Shared, String> {
    let expected = "expected local, replicas:NAME or redis://HOST:PORT";
    if text == "local" {
        Ok(Shared::Local)
    } else if let Some(name) = text.strip_prefix("replicas:") {
        if can_be_resolved(name) {
            Ok(Shared::Replicas { name: name.into() })
        } else {
            Err(format!("\"{name}\" is no name that could have addresses; {expected}"))
        }
    } else if text.starts_with("rediss://") {
        Err("TLS is not spoken to redis; reach it over a network of your own with redis://HOST:PORT"
            .to_owned())
    } else if text.starts_with("redis://") {
        match redis::parse_redis_url(text) {
            Some(url) if url.host_str().is_some_and(|host| !host.is_empty()) => {
                Ok(Shared::Redis { url: text.into() })
            }
            // What stands in it may be a password.
            Some(_) | None => Err("is no URL of a redis server; write redis://HOST:PORT".to_owned()),
        }
    } else {
        Err(format!("is none of what a rate can be shared with; {expected}"))
    }
}

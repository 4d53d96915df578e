//! All policies of a configuration, and which are named.

use std::cell::Cell;

use super::{
    keys::Key,
    names::unknown_name,
    policy::{self, PolicyId},
    reader::Reader,
    settings::{Part, Section},
};
use crate::cors::{CorsPolicy, CorsSettings};

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
    is_used: Cell<bool>,
}

impl<'a> Policies<'a> {
    /// What is typed.
    pub(super) fn read(reader: &mut Reader<'a>) -> Self {
        let settings = policy::settings(reader);
        let policy = policy::policy(&settings, reader);
        let mut list = vec![Named { name: "default", table: None, policy, is_used: Cell::new(true) }];
        for table in reader.parts(Part::Policy) {
            let (name, policy) = reader.within(table, |reader| {
                let settings = policy::settings(reader);
                let name = reader.name().unwrap_or_default();
                if name == "default" {
                    reader.fault_of_several("[policy.default] is [cors]; write it there".to_owned());
                }
                (name, policy::policy(&settings, reader))
            });
            list.push(Named { name, table: Some(table), policy, is_used: Cell::new(false) });
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
        self.list.get(usize::from(id.0)).and_then(|named| named.policy.as_ref())
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

    /// The policies themselves, in their order; `None` where one is faulty.
    pub(super) fn into_compiled(self) -> Option<Vec<CorsPolicy>> {
        self.list.into_iter().map(|named| named.policy).collect()
    }
}

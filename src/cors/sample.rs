//! Heads for the tests of this room, made of names and values.

use super::{
    decide::{CorsDecision, decide_lines},
    lines::Lines,
    policy::{CorsPolicy, CorsSettings},
};
use crate::{
    config,
    http1::{
        emit::HeadWriter,
        fields::{Field, FieldId},
        head::{Fields, Method},
        span::Span,
    },
};

/// The bytes of a head and its fields.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Fields,
}

impl Sample {
    pub(super) fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        // Something stands in front of the fields of every head.
        let mut bytes = b"OPTIONS / HTTP/1.1\r\n".to_vec();
        let mut list = Vec::new();
        for (name, value) in fields {
            let (name, value) = (name.as_ref(), value.as_ref());
            let start = bytes.len();
            bytes.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
            let value_start = start + name.len() + 2;
            let places =
                (Span::new(start, start + name.len()), Span::new(value_start, value_start + value.len()));
            list.push(Field::new(&bytes, places.0, places.1, FieldId::of(name)));
        }
        Self { bytes, fields: Fields::of(list) }
    }

    pub(super) const fn lines(&self) -> Lines<'_> {
        Lines { bytes: self.bytes.as_slice(), fields: &self.fields }
    }

    pub(super) fn decide(&self, policy: &CorsPolicy, method: Method, upgrade: bool) -> CorsDecision {
        decide_lines(policy, method, self.lines(), upgrade, |_| false)
    }
}

impl Default for CorsSettings {
    fn default() -> Self {
        config::sample::cors_defaults()
    }
}

/// The default policy with some settings changed; it must compile.
pub(super) fn policy(change: impl FnOnce(&mut CorsSettings)) -> CorsPolicy {
    let mut settings = CorsSettings::default();
    change(&mut settings);
    CorsPolicy::compile(&settings).unwrap().0
}

/// A list of owned strings.
pub(super) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What is written into a head.
pub(super) fn written(write: impl FnOnce(&mut HeadWriter<'_>)) -> String {
    let mut buffer = vec![0; 32 << 10];
    let mut out = HeadWriter::new(&mut buffer);
    write(&mut out);
    let len = out.finish().unwrap();
    buffer.truncate(len - 2);
    String::from_utf8(buffer).unwrap()
}

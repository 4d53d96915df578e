//! One JSON object on a line.

use super::{
    escape::Style,
    record::Record,
    second::SecondCache,
    value::{self, Value},
};
use crate::config::{LogKey, log_keys};

/// Appends a record as one line.
pub(super) fn render(record: &Record<'_>, second: &mut SecondCache, out: &mut Vec<u8>) {
    macro_rules! members {
        ($($id:ident = $name:literal: $help:literal,)*) => {
            $({
                /// As it stands before a value, and before a text.
                const BEFORE: (&[u8], &[u8]) =
                    (concat!(",\"", $name, "\":").as_bytes(), concat!(",\"", $name, "\":\"").as_bytes());
                member(BEFORE, Value::of(LogKey::$id, record), second, out);
            })*
        };
    }
    let start = out.len();
    log_keys!(members);
    // The time is always known, and stands first.
    if let Some(comma) = out.get_mut(start) {
        *comma = b'{';
    }
    out.extend_from_slice(b"}\n");
}

#[expect(clippy::inline_always, reason = "where the key is known, what is left is one kind of value")]
#[inline(always)]
fn member(
    (before, before_text): (&'static [u8], &'static [u8]),
    value: Value<'_>,
    second: &mut SecondCache,
    out: &mut Vec<u8>,
) {
    match value {
        Value::Nothing => return,
        Value::Number(number) => {
            out.extend_from_slice(before);
            return value::number(number, out);
        }
        Value::Duration(duration) => {
            out.extend_from_slice(before);
            return value::milliseconds(duration, out);
        }
        Value::Flag(flag) => {
            out.extend_from_slice(before);
            return out.extend_from_slice(if flag { b"true" } else { b"false" });
        }
        Value::Time(time) => {
            out.extend_from_slice(before_text);
            second.render(time, out);
        }
        Value::Client(client) => {
            out.extend_from_slice(before_text);
            value::client(client, out);
        }
        Value::Peer(peer) => {
            out.extend_from_slice(before_text);
            value::peer(peer, Style::Json, out);
        }
        Value::Word(word) => {
            out.extend_from_slice(before_text);
            out.extend_from_slice(word.as_bytes());
        }
        Value::Text(text, limit) => {
            out.extend_from_slice(before_text);
            value::text(text, Style::Json, limit, out);
        }
        Value::Url(url, secrets, limit) => {
            out.extend_from_slice(before_text);
            value::url(url, secrets, Style::Json, limit, out);
        }
    }
    out.push(b'"');
}

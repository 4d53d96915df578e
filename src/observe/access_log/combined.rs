//! Apache's `combined`: what most tools that read logs read.

use super::{
    escape::Style,
    record::Record,
    second::SecondCache,
    value::{self, REFERER_MAX, Value},
};
use crate::{config::LogKey, http1::head::Version};

/// Appends a record as one line.
pub(super) fn render(record: &Record<'_>, second: &mut SecondCache, out: &mut Vec<u8>) {
    match record.client {
        Some(client) => value::ip_address(client.ip(), out),
        None => out.extend_from_slice(b"unix:"),
    }
    out.extend_from_slice(b" - - [");
    second.render_common(record.time, out);
    out.extend_from_slice(b"] \"");
    show(Value::of(LogKey::Method, record), out);
    out.push(b' ');
    show(Value::of(LogKey::Target, record), out);
    out.extend_from_slice(match record.version {
        Some(Version::Http11) => b" HTTP/1.1\" ",
        Some(Version::Http10) => b" HTTP/1.0\" ",
        None => b" -\" ",
    });
    value::number(record.status.into(), out);
    out.push(b' ');
    match record.bytes_out {
        0 => out.push(b'-'),
        bytes => value::number(bytes, out),
    }
    out.extend_from_slice(b" \"");
    show(record.referer.map_or(Value::Nothing, |url| Value::Url(url, record.redact, REFERER_MAX)), out);
    out.extend_from_slice(b"\" \"");
    show(Value::agent(record.user_agent, record.redact), out);
    out.extend_from_slice(b"\"\n");
}

fn show(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text, limit) => value::text(text, Style::Line, limit, out),
        Value::Url(url, secrets, limit) => value::url(url, secrets, Style::Line, limit, out),
        Value::Nothing
        | Value::Time(_)
        | Value::Client(_)
        | Value::Peer(_)
        | Value::Number(_)
        | Value::Duration(_)
        | Value::Flag(_)
        | Value::Word(_) => out.push(b'-'),
    }
}

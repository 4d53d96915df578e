//! A line as its operator has laid it out.

use super::{
    escape::Style,
    record::{LINE_MAX, Record},
    second::SecondCache,
    value::{self, Value},
};
use crate::config::{Piece, Template};

/// Appends a record as one line. What is longer than a line may be is cut, and ends in `...`.
pub(super) fn render(template: &Template, record: &Record<'_>, second: &mut SecondCache, out: &mut Vec<u8>) {
    const END: &[u8] = b"...\n";
    let start = out.len();
    for piece in template.pieces() {
        // What has no room does not make the line grow first.
        let room = (start + LINE_MAX - END.len()).saturating_sub(out.len());
        match piece {
            Piece::Literal(literal) => {
                let literal = literal.as_bytes();
                out.extend_from_slice(literal.get(..room).unwrap_or(literal));
                if literal.len() > room {
                    return out.extend_from_slice(END);
                }
            }
            Piece::Value(key) => {
                let value = Value::of(*key, record);
                if value.most() > room {
                    return out.extend_from_slice(END);
                }
                show(&value, second, out);
            }
        }
    }
    out.push(b'\n');
}

fn show(value: &Value<'_>, second: &mut SecondCache, out: &mut Vec<u8>) {
    match *value {
        Value::Nothing => out.push(b'-'),
        Value::Time(time) => second.render(time, out),
        Value::Client(client) => value::client(client, out),
        Value::Peer(peer) => value::peer(peer, Style::Line, out),
        Value::Number(number) => value::number(number, out),
        Value::Duration(duration) => value::milliseconds(duration, out),
        Value::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Word(word) => out.extend_from_slice(word.as_bytes()),
        Value::Text(text, limit) => value::text(text, Style::Line, limit, out),
        Value::Url(url, secrets, limit) => value::url(url, secrets, Style::Line, limit, out),
    }
}

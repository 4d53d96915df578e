//! What is said to whoever asks.

use std::fmt::Write as _;

use crate::plan::reason;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    content_type: &'static str,
    /// Lines of fields that this answer alone has.
    fields: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
}

impl Answer {
    /// A line of text.
    pub(super) fn text(status: u16, line: &str) -> Self {
        Self::of(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
    }

    /// A document of this type.
    pub(super) const fn of(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, fields: &[], body }
    }

    /// The same with fields of its own.
    pub(super) fn with(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    /// Its bytes; of an answer to HEAD the head alone.
    pub(super) fn bytes(self, head_only: bool) -> Vec<u8> {
        let Self { status, content_type, fields, body } = self;
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let length = body.len();
        // Writing to a String cannot fail.
        let _ = write!(head, "Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
        for (name, value) in fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // What is shown is of now, and of no use to a page of another origin.
        head.push_str(
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n\r\n",
        );
        let mut bytes = head.into_bytes();
        if !head_only {
            bytes.extend_from_slice(&body);
        }
        bytes
    }
}

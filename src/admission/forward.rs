//! A service of the operator's that is asked about every request, and what it says of who asks.

use std::time::Duration;

use crate::http1::{fields::Field, head::Response};

/// A service that lets requests in with a 2xx; any other answer is the one that the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// What it is asked for: path and query.
    pub target: Box<str>,
    /// Fields of its answers that go on with requests which it lets in.
    pub pass: Box<[Box<str>]>,
    /// How long it may take, from the question to the head of its answer.
    pub timeout: Duration,
}

impl ForwardAuth {
    /// Field lines, each with its CRLF, that go on with a request which this answer lets in.
    #[must_use]
    pub fn passed(&self, response: Response<'_>) -> Box<[u8]> {
        let name = |field: &Field| field.name.of(response.bytes);
        let fields = response.head.fields.iter();
        // In the spelling of the answer alone, for what stands beside it is nobody's word.
        let is_passed =
            |field: &&Field| self.pass.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name(field)));
        let lines = fields
            .filter(is_passed)
            .map(|field| [name(field), b": ", field.value.of(response.bytes), b"\r\n"].concat());
        lines.flatten().collect()
    }
}

/// Whether a back end may take a field of this name for one of `names`: some read `_` as `-` (rule 16 of
/// [`admission`](super)).
#[must_use]
pub fn speaks_for(names: &[Box<str>], name: &[u8]) -> bool {
    let is_same = |known: &u8, byte: &u8| {
        let byte = if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        known.to_ascii_lowercase() == byte
    };
    names.iter().any(|known| {
        known.len() == name.len() && known.bytes().zip(name).all(|(known, byte)| is_same(&known, byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    fn names(names: &[&str]) -> Box<[Box<str>]> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn what_is_named_goes_on_as_the_service_says_it() {
        let service = ForwardAuth {
            target: "/verify".into(),
            pass: names(&["remote-user", "Remote-Groups"]),
            timeout: Duration::from_secs(1),
        };
        for (fields, expected) in [
            ("", ""),
            ("Remote-User: ann\r\n", "Remote-User: ann\r\n"),
            (
                "X: y\r\nREMOTE-USER:  ann \r\nremote-groups: a\r\nRemote-Groups: b\r\n",
                "REMOTE-USER: ann\r\nremote-groups: a\r\nRemote-Groups: b\r\n",
            ),
            ("Remote_User: ann\r\nRemote-User-Id: 1\r\n", ""),
        ] {
            let response = sample::response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
            let passed = service.passed(response.response());
            assert_eq!(String::from_utf8_lossy(&passed), expected, "{fields}");
        }
    }

    #[test]
    fn a_name_is_spoken_for_however_a_back_end_may_read_it() {
        let names = names(&["remote-user"]);
        for (name, expected) in [
            ("Remote-User", true),
            ("remote_user", true),
            ("REMOTE_USER", true),
            ("remote-use", false),
            ("remote-users", false),
            ("remoteXuser", false),
        ] {
            assert_eq!(speaks_for(&names, name.as_bytes()), expected, "{name}");
        }
        assert!(!speaks_for(&[], b"remote-user"));
    }
}

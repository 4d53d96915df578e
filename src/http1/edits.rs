//! Edits of the fields of a head, as an operator gives them: compiled once, asked for every field.

use std::fmt;

use super::fields::{FieldId, is_token};

/// Which heads are edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// Those of requests, on their way to a server.
    Requests,
    /// Those of responses, on their way to a client.
    Responses,
}

/// What is done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It takes the place of all of its name.
    Set,
    /// It joins those of its name.
    Add,
    /// All of its name go.
    Remove,
}

impl Edit {
    /// The edit as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }
}

/// An edit that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: \"{}\" {message}", .edit.as_str(), .name.escape_debug())]
pub struct EditFault {
    /// What was to be done.
    pub edit: Edit,
    /// To which field.
    pub name: String,
    /// What is wrong with it, and what to do instead.
    pub message: &'static str,
}

/// Edits of the fields of a head.
#[derive(Clone, PartialEq, Eq)]
pub struct Edits {
    /// The names of which nothing that came goes on.
    dropped: Box<[(FieldId, Box<str>)]>,
    /// The names of what is written.
    written: Box<[Box<str>]>,
    /// Field lines, each with its CRLF.
    lines: Box<[u8]>,
}

impl Edits {
    /// Compiles edits: what is set or removed of a head goes first, what is set and then what is added comes behind the
    /// rest, in the order given.
    ///
    /// # Errors
    /// Every edit that cannot be made: no name or value of a field (RFC 9110 §5.1, §5.5); what belongs to a connection
    /// or frames a message (RFC 9110 §7.6.1; RFC 9112 §6); what is somebody else's to write; a name that is set and
    /// removed, or set twice.
    pub fn compile(
        edited: Edited,
        set: &[(String, String)],
        add: &[(String, String)],
        remove: &[String],
    ) -> Result<Self, Vec<EditFault>> {
        let mut faults = Vec::new();
        let mut check = |edit, name: &str, value: Option<&str>, is_repeated| {
            let fault = fault(edited, edit, name).or_else(|| value.and_then(value_fault)).or(is_repeated);
            faults.extend(fault.map(|message| EditFault { edit, name: name.to_owned(), message }));
        };
        for (at, (name, value)) in set.iter().enumerate() {
            let is_repeated = set.iter().take(at).any(|(other, _)| other.eq_ignore_ascii_case(name));
            let repeated = is_repeated.then_some("is set twice; add what is to stand beside it");
            check(Edit::Set, name, Some(value), repeated);
        }
        for (name, value) in add {
            check(Edit::Add, name, Some(value), None);
        }
        for name in remove {
            let is_set = set.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            check(
                Edit::Remove,
                name,
                None,
                is_set.then_some("is set as well; to set it replaces all that came"),
            );
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let written = || set.iter().chain(add);
        let line =
            |(name, value): &(String, String)| format!("{name}: {}\r\n", trim_blanks(value)).into_bytes();
        let dropped = set.iter().map(|(name, _)| name).chain(remove);
        Ok(Self {
            dropped: dropped.map(|name| (FieldId::of(name.as_bytes()), name.as_str().into())).collect(),
            written: written().map(|(name, _)| name.as_str().into()).collect(),
            lines: written().flat_map(line).collect(),
        })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.written.is_empty()
    }

    /// Whether a field of this name goes no further.
    #[must_use]
    pub fn drops(&self, id: FieldId, name: &[u8]) -> bool {
        self.dropped.iter().any(|(known, text)| *known == id && text.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The field lines that come behind the rest, each with its CRLF.
    #[must_use]
    pub const fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The names of these.
    #[must_use]
    pub const fn written(&self) -> &[Box<str>] {
        &self.written
    }
}

impl fmt::Debug for Edits {
    /// The names: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edits").field("dropped", &self.dropped).field("written", &self.written).finish()
    }
}

/// Why a field of requests is nobody's to set.
#[must_use]
pub fn fault_of_set(name: &str) -> Option<&'static str> {
    // Made here, and called so in the log.
    let names_it = matches!(FieldId::of(name.as_bytes()), FieldId::XRequestId | FieldId::Traceparent);
    let own = names_it.then_some("names the request, as it is in the log; leave it out");
    own.or_else(|| fault(Edited::Requests, Edit::Set, name))
}

/// Why a field is not edited.
fn fault(edited: Edited, edit: Edit, name: &str) -> Option<&'static str> {
    if !is_token(name.as_bytes()) {
        return Some("is no field name; write letters, digits and dashes, as in X-Name");
    }
    let is_request = edited == Edited::Requests;
    if is_request && FieldId::is_underscore_alias(name.as_bytes()) {
        return Some("is read as if it had dashes by some back ends; write it with dashes");
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are the operator's to edit")]
    match FieldId::of(name.as_bytes()) {
        FieldId::ContentLength | FieldId::TransferEncoding | FieldId::Trailer => {
            Some("frames the body, which corsair does; leave it out")
        }
        FieldId::Upgrade => {
            Some("belongs to one connection; leave it out: which upgrades are allowed is set elsewhere")
        }
        id if id.is_hop_by_hop() => Some("belongs to one connection and never travels further; leave it out"),
        FieldId::Expect => Some("says when the body comes, which is the client's to say; leave it out"),
        FieldId::Host if is_request => Some("is set by host_header; use that"),
        FieldId::Host => Some("is no field of a response; leave it out"),
        FieldId::Via if edit != Edit::Add => Some("shows loops, and is never hidden; leave it out"),
        FieldId::CorsResponse
        | FieldId::CorsairCors
        | FieldId::TimingAllowOrigin
        | FieldId::CrossOriginResourcePolicy
            if !is_request =>
        {
            Some("is written by the policy of CORS; use its settings")
        }
        FieldId::Vary if !is_request && edit != Edit::Add => {
            Some("is written by the policy of CORS, too, for caches; add to it instead")
        }
        _ => None,
    }
}

/// Why a value is none (RFC 9110 §5.5).
fn value_fault(value: &str) -> Option<&'static str> {
    let is_fine = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    (!value.bytes().all(is_fine)).then_some("has a control character in its value; leave it out")
}

/// A value without the blanks around it, which no reader would keep.
fn trim_blanks(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic fails the test")]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn compiled(
        edited: Edited,
        set: &[(&str, &str)],
        add: &[(&str, &str)],
        remove: &[&str],
    ) -> Result<Edits, Vec<EditFault>> {
        let remove: Vec<String> = remove.iter().map(|name| (*name).to_owned()).collect();
        Edits::compile(edited, &pairs(set), &pairs(add), &remove)
    }

    const BOTH: [Edited; 2] = [Edited::Requests, Edited::Responses];

    #[test]
    fn what_is_set_or_removed_goes_and_what_is_set_or_added_comes() {
        for edited in BOTH {
            let edits = compiled(
                edited,
                &[("X-Set", " a\t"), ("Cookie", "")],
                &[("X-Add", "b, c"), ("x-add", "\u{e9}\td"), ("x-gone", "e")],
                &["X-Gone", "Date"],
            )
            .unwrap();
            let lines = "X-Set: a\r\nCookie: \r\nX-Add: b, c\r\nx-add: \u{e9}\td\r\nx-gone: e\r\n";
            assert_eq!(str::from_utf8(edits.lines()), Ok(lines));
            let written: Vec<&str> = edits.written().iter().map(|name| &**name).collect();
            assert_eq!(written, ["X-Set", "Cookie", "X-Add", "x-add", "x-gone"]);
            for (name, drops) in [
                ("X-Set", true),
                ("x-SET", true),
                ("cookie", true),
                ("x-gone", true),
                ("DATE", true),
                ("X-Add", false),
                ("X-Sett", false),
                ("X-Other", false),
                ("Authorization", false),
            ] {
                assert_eq!(edits.drops(FieldId::of(name.as_bytes()), name.as_bytes()), drops, "{name}");
            }
            assert!(!edits.is_empty());
        }
        let nothing = compiled(Edited::Requests, &[], &[], &[]).unwrap();
        assert!(nothing.is_empty() && nothing.lines().is_empty());
        assert!(!compiled(Edited::Requests, &[], &[], &["A"]).unwrap().is_empty());
    }

    #[test]
    fn a_secret_value_is_not_shown() {
        let edits = compiled(Edited::Requests, &[("Authorization", "Bearer secret")], &[], &[]).unwrap();
        let shown = format!("{edits:?}");
        assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_frames_a_message_or_belongs_to_a_connection_is_no_field_to_edit() {
        for edited in BOTH {
            for (name, reason) in [
                ("Content-Length", "frames the body"),
                ("transfer-encoding", "frames the body"),
                ("Trailer", "frames the body"),
                ("Connection", "belongs to one connection"),
                ("Keep-Alive", "belongs to one connection"),
                ("TE", "belongs to one connection"),
                ("Upgrade", "belongs to one connection"),
                ("Proxy-Connection", "belongs to one connection"),
                ("Proxy-Authorization", "belongs to one connection"),
                ("HTTP2-Settings", "belongs to one connection"),
                ("Expect", "says when the body comes"),
                ("Host", if edited == Edited::Requests { "use that" } else { "no field of a response" }),
            ] {
                let faults = [
                    compiled(edited, &[(name, "x")], &[], &[]),
                    compiled(edited, &[], &[(name, "x")], &[]),
                    compiled(edited, &[], &[], &[name]),
                ];
                for (fault, edit) in faults.into_iter().zip([Edit::Set, Edit::Add, Edit::Remove]) {
                    let fault = fault.expect_err(name);
                    assert_eq!((fault.len(), fault[0].edit, fault[0].name.as_str()), (1, edit, name));
                    assert!(fault[0].message.contains(reason), "{fault:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_policy_or_the_loop_detection_writes_is_theirs() {
        use Edited::{Requests, Responses};
        for (edited, edit, name, is_fault) in [
            (Responses, Edit::Set, "Access-Control-Allow-Origin", true),
            (Responses, Edit::Add, "access-control-expose-headers", true),
            (Responses, Edit::Remove, "Access-Control-Max-Age", true),
            (Responses, Edit::Set, "Corsair-Cors", true),
            (Responses, Edit::Set, "Timing-Allow-Origin", true),
            (Responses, Edit::Add, "Cross-Origin-Resource-Policy", true),
            (Responses, Edit::Set, "Vary", true),
            (Responses, Edit::Remove, "Vary", true),
            (Responses, Edit::Add, "Vary", false),
            (Responses, Edit::Remove, "Via", true),
            (Requests, Edit::Set, "Via", true),
            (Requests, Edit::Add, "Via", false),
            (Requests, Edit::Set, "Vary", false),
            (Requests, Edit::Set, "Origin", false),
            (Requests, Edit::Set, "Access-Control-Request-Method", false),
            (Requests, Edit::Set, "X-Forwarded-For", false),
            (Requests, Edit::Remove, "X-Request-Id", false),
            (Requests, Edit::Set, "X_Forwarded_For", true),
            (Requests, Edit::Add, "Content_Length", true),
            (Responses, Edit::Set, "X_Forwarded_For", false),
            (Responses, Edit::Set, "Set-Cookie", false),
            (Responses, Edit::Remove, "Server", false),
        ] {
            let field = [(name, "x")];
            let made = match edit {
                Edit::Set => compiled(edited, &field, &[], &[]),
                Edit::Add => compiled(edited, &[], &field, &[]),
                Edit::Remove => compiled(edited, &[], &[], &[name]),
            };
            assert_eq!(made.is_err(), is_fault, "{edited:?} {edit:?} {name}: {made:?}");
        }
    }

    #[test]
    fn what_is_no_field_is_told() {
        for (set, remove, expected) in [
            (
                &[("X A", "b")][..],
                &[][..],
                "set: \"X A\" is no field name; write letters, digits and dashes, as in X-Name",
            ),
            (&[("", "b")], &[], "set: \"\" is no field name; write letters, digits and dashes, as in X-Name"),
            (&[], &["a:"], "remove: \"a:\" is no field name; write letters, digits and dashes, as in X-Name"),
            (
                &[],
                &["\u{e9}"],
                "remove: \"\u{e9}\" is no field name; write letters, digits and dashes, as in X-Name",
            ),
            (&[("A", "b\r\nC: d")], &[], "set: \"A\" has a control character in its value; leave it out"),
            (&[("A", "b\0")], &[], "set: \"A\" has a control character in its value; leave it out"),
            (&[("A", "b\u{7f}")], &[], "set: \"A\" has a control character in its value; leave it out"),
            (&[("A", "b"), ("a", "c")], &[], "set: \"a\" is set twice; add what is to stand beside it"),
            (&[("A", "b")], &["a"], "remove: \"a\" is set as well; to set it replaces all that came"),
        ] {
            let faults = compiled(Edited::Responses, set, &[], remove).expect_err(expected);
            assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
        let all = compiled(Edited::Requests, &[("Host", "a"), ("B\n", "c")], &[("TE", "\n")], &["Upgrade"]);
        assert_eq!(all.expect_err("faults").len(), 4);
    }
}

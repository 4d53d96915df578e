//! `[[gateway.target]]`: what this operator adds to requests for a target.

use super::{keys::Key, reader::Reader, route, settings::Part};
use crate::{
    gateway::TargetPattern,
    http1::edits::{Edited, Edits},
};

/// What is changed of requests for some targets.
#[derive(Debug)]
pub struct TargetEdits {
    /// Which.
    pub pattern: TargetPattern,
    /// How.
    pub edits: Edits,
}

/// All of them, in their order; `None` where one is faulty.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Vec<TargetEdits>> {
    // Read in any case, though nothing can be typed outside of the tables.
    let _ = of_table(reader);
    let mut targets = Some(Vec::new());
    for table in reader.parts(Part::Target) {
        let target = reader.within(table, |reader| {
            if !reader.is_own(Key::GatewayTarget) {
                reader.fault(Key::GatewayTarget, "names no target: write host = \"api.example.org\"");
            }
            let (pattern, edits) = of_table(reader);
            if edits.is_none() {
                let message =
                    "adds nothing: write request_headers = { set = { authorization = \"Bearer ${TOKEN}\" } }";
                reader.warn_of_table("gateway.target".to_owned(), message);
            }
            pattern.map(|pattern| edits.map(|edits| TargetEdits { pattern, edits }))
        });
        targets = targets.zip(target).map(|(mut targets, target)| {
            targets.extend(target);
            targets
        });
    }
    targets
}

fn of_table(reader: &mut Reader<'_>) -> (Option<TargetPattern>, Option<Edits>) {
    let keys = [Key::TargetSetHeader, Key::TargetAddHeader, Key::TargetRemoveHeader];
    (reader.optional(Key::GatewayTarget, TargetPattern::parse), route::edits(Edited::Requests, keys, reader))
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn faults_and_idle_tables_are_told_where_they_stand_and_no_value_with_them() {
        for (text, expected) in [
            (
                "[[gateway.target]]",
                "f:1:1: gateway.target.host: names no target: write host = \"api.example.org\"",
            ),
            (
                "[[gateway.target]]\nhost = \"*.com\"\nrequest_headers.set.x-a = \"s3cret\"",
                "f:2:8: gateway.target.host: \"*.com\" is no target; anybody can have a name below that",
            ),
            (
                "[[gateway.target]]\nhost = \"a.example\"\nrequest_headers.set = { connection = \"s3cret\" }",
                "f:3:38: gateway.target.request_headers.set: \"connection\" belongs to one connection and never travels \
                 further; leave it out",
            ),
            (
                "[[gateway.target]]\nhost = \"a.example\"\nrequest_header = { set = { x-a = \"s3cret\" } }",
                "f:3:1: gateway.target.request_header: there is no such setting; did you mean request_headers?",
            ),
        ] {
            let (faults, _) = sample::notes_of_file(text, &[]);
            assert_eq!(faults, [expected], "{text}");
        }
        let (faults, warnings) = sample::notes_of_file("[[gateway.target]]\nhost = \"a.example\"", &[]);
        assert_eq!(
            (faults, warnings),
            (
                vec![],
                vec![
                    "f:1:1: gateway.target: adds nothing: write request_headers = { set = { authorization = \"Bearer \
                     ${TOKEN}\" } }"
                        .to_owned()
                ]
            )
        );
    }

    #[test]
    fn what_any_page_can_use_is_warned_of() {
        const TARGET: &str =
            "[[gateway.target]]\nhost = \"a.example\"\nrequest_headers.set.x-key = \"s3cret\"\n";
        let warning =
            "f:1:1: gateway.target: any page can use what is added for its targets; name the origins in ";
        for (more, key) in [
            ("", Some("cors.allow_origins")),
            ("[cors]\nallow_origins = [\"https://*.com\"]", Some("cors.allow_origins")),
            ("[gateway]\ncors = \"p\"\n[policy.p]\nverdict = false", Some("policy.p.allow_origins")),
            ("[cors]\nallow_origins = [\"https://app.example.com\"]", None),
            ("[gateway]\naccess = [\"t\"]\n[access.t]\nbearer.tokens = [\"${PATH}\"]", None),
        ] {
            let (faults, warnings) = sample::notes_of_file(&format!("{TARGET}{more}"), &[]);
            assert_eq!(faults, Vec::<String>::new());
            let told: Vec<&String> =
                warnings.iter().filter(|told| told.contains("any page can use")).collect();
            match key {
                Some(key) => assert_eq!(told, [&format!("{warning}{key}")], "{more}"),
                None => assert!(told.is_empty(), "{more}: {told:?}"),
            }
        }
    }
}

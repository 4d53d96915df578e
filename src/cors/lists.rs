//! The two fields that are lists over a whole response: `Vary` and `Access-Control-Expose-Headers`.

use super::{lines::Lines, policy::CorsPolicy};
use crate::http1::{
    connection::Nominated,
    emit::HeadWriter,
    field_set::FieldSet,
    fields::{Field, FieldId, list, name_order},
};

/// Bytes that the names in one `Access-Control-Expose-Headers` may take, so that a head with very many
/// fields still fits its buffer.
const MAX_EXPOSED: usize = 2048;

/// Fields up to which looking back for a name that may be met again is cheap, and costs no allocation.
const USUAL_NAMES: usize = 32;

/// Writes the upstream's `Vary` as one line, and `Origin` behind it when the response depends on the
/// origin and nothing says so yet.
pub(super) fn write_vary<'a>(upstream: Lines<'a>, by_origin: bool, out: &mut HeadWriter<'_>) {
    let mut vary = out.list_field(b"Vary");
    let mut said = false;
    for value in upstream.values(FieldId::Vary).filter(|value| !value.is_empty()) {
        // What is mostly said has no r in it.
        said |= memchr::memchr3(b'*', b'r', b'R', value).is_some()
            && list(value).any(|member| member == b"*" || member.eq_ignore_ascii_case(b"origin"));
        vary.push(value);
    }
    if by_origin && !said {
        vary.push(b"Origin");
    }
    vary.finish();
}

/// Writes `Access-Control-Expose-Headers` with the names of this response's fields: those of `own`, then
/// the upstream's of which `leaves` says that they are sent on. A literal `*` would not do where credentials are sent.
pub(super) fn write_exposed<'a, N>(
    policy: &CorsPolicy,
    upstream: Lines<'a>,
    leaves: Option<&dyn Fn(&Field) -> bool>,
    own: impl Fn() -> N,
    out: &mut HeadWriter<'_>,
) where
    N: Iterator<Item = &'a str>,
{
    let nominated = Nominated::of(|| upstream.values(FieldId::Connection));
    let exposable = exposable(policy);
    let candidates = || {
        let theirs = upstream.iter().filter_map(|field| {
            let name = field.name.of(upstream.bytes);
            let travels = exposable.has(field.id) && (nominated.is_empty() || !nominated.contains(name));
            (travels && leaves.is_none_or(|leaves| leaves(field))).then_some(name)
        });
        own().map(str::as_bytes).chain(theirs)
    };
    let mut room = MAX_EXPOSED;
    let mut fits = |name: &&[u8]| {
        let left = room.checked_sub(name.len() + 2);
        room = left.unwrap_or_default();
        left.is_some()
    };
    let mut exposed = out.list_field(b"Access-Control-Expose-Headers");
    if own().count() + upstream.fields.len() <= USUAL_NAMES {
        let mut seen = Seen::default();
        for (index, name) in candidates().enumerate() {
            // Most names are met once, so that the slow look back is rare.
            if seen.maybe(name) && is_among(name, candidates().take(index)) {
                continue;
            }
            if !fits(&name) {
                break;
            }
            exposed.push(name);
        }
    } else {
        let names = once_each(candidates().enumerate().collect());
        names.take_while(fits).for_each(|name| exposed.push(name));
    }
    exposed.finish();
}

#[cold]
#[inline(never)]
fn is_among<'a>(name: &[u8], mut others: impl Iterator<Item = &'a [u8]>) -> bool {
    others.any(|other| other.eq_ignore_ascii_case(name))
}

/// Each of the names that are numbered in their order, where it comes first. Looking back for each would take
/// an upstream's word for how much work its response is.
fn once_each(mut names: Vec<(usize, &[u8])>) -> impl Iterator<Item = &[u8]> {
    names.sort_unstable_by(|(place, name), (other_place, other)| {
        name_order(name, other).then(place.cmp(other_place))
    });
    names.dedup_by(|(_, later), (_, first)| later.eq_ignore_ascii_case(first));
    names.sort_unstable_by_key(|(place, _)| *place);
    names.into_iter().map(|(_, name)| name)
}

/// A set of names that errs on one side only: it may take a new name for one that it has met.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// Adds a name; whether it may have been here already.
    fn maybe(&mut self, name: &[u8]) -> bool {
        let lower = |byte: Option<&u8>| usize::from(byte.map_or(0, |byte| byte | 0x20));
        // Tells the names that servers usually send from each other.
        let third_quarter = lower(name.get(name.len() * 3 / 4));
        let mark = (name.len() * 5) ^ (lower(name.first()) * 41) ^ (third_quarter * 7);
        let bit = 1 << (mark % 64);
        let marks = &mut self.0[mark / 64 % 4];
        let met = *marks & bit != 0;
        *marks |= bit;
        met
    }
}

/// The fields of a response that a script gains by being named: they are sent on, and are neither readable anyway
/// (Fetch, "CORS-safelisted response-header name") nor forbidden ("forbidden response-header name").
pub(super) const fn exposable(policy: &CorsPolicy) -> FieldSet {
    const LISTED_ELSEWHERE: FieldSet = FieldSet::HOP_BY_HOP.and(FieldSet::of(&[
        FieldId::CacheControl,
        FieldId::ContentLanguage,
        FieldId::ContentLength,
        FieldId::ContentType,
        FieldId::CorsResponse,
        FieldId::Expires,
        FieldId::LastModified,
        FieldId::Pragma,
        FieldId::SetCookie,
        FieldId::SetCookie2,
    ]));
    // `Vary` is written here, too, and sent on.
    LISTED_ELSEWHERE.and(policy.replaced()).complement().with(FieldId::Vary)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::sample::{Sample, policy, written},
        *,
    };

    fn vary(values: &[&str], by_origin: bool) -> String {
        let upstream = Sample::new(values.iter().map(|value| ("vary", *value)));
        written(|out| write_vary(upstream.lines(), by_origin, out))
    }

    #[test]
    fn origin_is_merged_into_vary_once_and_never_into_a_star() {
        let cases: [(&[&str], &str, &str); 13] = [
            (&[], "", "Vary: Origin\r\n"),
            (&[""], "", "Vary: Origin\r\n"),
            (&["Accept-Encoding"], "Vary: Accept-Encoding\r\n", "Vary: Accept-Encoding, Origin\r\n"),
            (&["Origin"], "Vary: Origin\r\n", "Vary: Origin\r\n"),
            (&["oRIGIN"], "Vary: oRIGIN\r\n", "Vary: oRIGIN\r\n"),
            (&["a,\torigin ,b"], "Vary: a,\torigin ,b\r\n", "Vary: a,\torigin ,b\r\n"),
            (&["a", "Origin", "b"], "Vary: a, Origin, b\r\n", "Vary: a, Origin, b\r\n"),
            (&["b", "", "a"], "Vary: b, a\r\n", "Vary: b, a, Origin\r\n"),
            (&["*"], "Vary: *\r\n", "Vary: *\r\n"),
            (&["Accept, *"], "Vary: Accept, *\r\n", "Vary: Accept, *\r\n"),
            (&["Accept", "*"], "Vary: Accept, *\r\n", "Vary: Accept, *\r\n"),
            (&["X-Origin"], "Vary: X-Origin\r\n", "Vary: X-Origin, Origin\r\n"),
            (&["Origins, x*"], "Vary: Origins, x*\r\n", "Vary: Origins, x*, Origin\r\n"),
        ];
        for (values, plain, by_origin) in cases {
            assert_eq!(vary(values, false), plain, "{values:?}");
            assert_eq!(vary(values, true), by_origin, "{values:?}");
        }
    }

    fn exposed(fields: &[(&str, &str)], own: &[&'static str]) -> String {
        let upstream = Sample::new(fields.iter().copied());
        let policy = policy(|settings| settings.timing = true);
        written(|out| write_exposed(&policy, upstream.lines(), None, || own.iter().copied(), out))
    }

    #[test]
    fn exposed_are_the_names_of_this_response_that_scripts_cannot_read_anyway() {
        let upstream = [
            ("Server", "x"),
            ("X-Request-Id", "1"),
            ("Vary", "a"),
            // Readable anyway.
            ("Cache-Control", "no-store"),
            ("content-language", "en"),
            ("CONTENT-LENGTH", "1"),
            ("Content-Type", "text/plain"),
            ("Expires", "0"),
            ("Last-Modified", "0"),
            ("Pragma", "x"),
            // Never readable.
            ("Set-Cookie", "a=b"),
            ("Set-Cookie2", "a=b"),
            // Not sent on.
            ("Connection", "close, x-hop, Keep-Alive"),
            ("Keep-Alive", "1"),
            ("X-Hop", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Max-Age", "1"),
            ("Timing-Allow-Origin", "*"),
            ("ETag", "1"),
        ];
        let expected = "Access-Control-Expose-Headers: Via, Server, X-Request-Id, Vary, ETag\r\n";
        assert_eq!(exposed(&upstream, &["Via"]), expected);
    }

    #[test]
    fn what_does_not_leave_is_not_exposed() {
        let upstream = Sample::new([("ETag", "1"), ("X-Stays", "1"), ("X-Leaves", "1")]);
        let policy = policy(|_| {});
        let leaves = |field: &Field| field.name.of(&upstream.bytes) != b"X-Stays";
        let line = written(|out| {
            write_exposed(&policy, upstream.lines(), Some(&leaves), || ["Via"].into_iter(), out);
        });
        assert_eq!(line, "Access-Control-Expose-Headers: Via, ETag, X-Leaves\r\n");
    }

    #[test]
    fn a_name_is_exposed_once() {
        let upstream = [("link", "a"), ("Link", "b"), ("via", "1"), ("LINK", "c"), ("x-y", "1")];
        assert_eq!(exposed(&upstream, &["Via", "Via"]), "Access-Control-Expose-Headers: Via, link, x-y\r\n");
    }

    #[test]
    fn nothing_to_expose_is_no_field() {
        assert_eq!(exposed(&[("Content-Type", "a")], &[]), "");
        assert_eq!(exposed(&[], &[]), "");
    }

    #[test]
    fn the_exposed_list_is_bounded_and_never_cuts_a_name() {
        let names: Vec<String> = (0..1000).map(|n| format!("x-some-field-{n}")).collect();
        let upstream = Sample::new(names.iter().map(|name| (name.as_str(), "1")));
        let policy = policy(|_| {});
        let line = written(|out| write_exposed(&policy, upstream.lines(), None, || [].into_iter(), out));
        assert!((MAX_EXPOSED - 50..MAX_EXPOSED + 50).contains(&line.len()));
        let value = line.trim_end().strip_prefix("Access-Control-Expose-Headers: ").unwrap();
        assert!(value.split(", ").all(|name| names.iter().any(|known| known == name)));
    }

    proptest! {
        #[test]
        fn merging_vary_twice_is_merging_it_once(
            values in prop::collection::vec("[ ,*]{0,2}(Origin|origin|\\*|Accept|X-[a-c])?\
             ([ ,]{1,3}[a-d*]{1,3}){0,3}", 0..4)
        ) {
            let values: Vec<&str> = values.iter().map(|value| value.trim()).collect();
            let once = vary(&values, true);
            prop_assert_eq!(once.matches("\r\n").count(), 1);
            let value = once.trim_end().strip_prefix("Vary: ").unwrap();
            prop_assert_eq!(&vary(&[value], true), &once);
            let members: Vec<&[u8]> = list(value.as_bytes()).collect();
            prop_assert!(members.iter().any(|m| *m == b"*" || m.eq_ignore_ascii_case(b"origin")));
            // What the upstream said is all there, in its order.
            let theirs: Vec<&[u8]> = values.iter().flat_map(|value| list(value.as_bytes())).collect();
            prop_assert_eq!(&members[..theirs.len()], &theirs[..]);
        }

        #[test]
        fn every_name_that_can_be_exposed_is_there_exactly_once(
            names in prop::collection::vec("[a-cA-C]{1,2}|content-type|Set-Cookie|connection", 0..80)
        ) {
            let upstream = Sample::new(names.iter().map(|name| (name.as_str(), "close")));
            let policy = policy(|_| {});
            let line = written(|out| write_exposed(&policy, upstream.lines(), None, || [].into_iter(), out));
            let value = line.trim_end().strip_prefix("Access-Control-Expose-Headers: ").unwrap_or_default();
            let mut expected: Vec<String> = Vec::new();
            for name in names.iter().filter(|name| name.len() < 3) {
                if !expected.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    expected.push(name.clone());
                }
            }
            prop_assert_eq!(value, expected.join(", "));
        }
    }
}

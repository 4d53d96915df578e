//! Fields that a page has set where a browser forbids scripts to: `X-Corsair-Set-Referer: …` reaches a target as `Referer: …`,
//! for the names that the operator lists.

use crate::http1::{
    fields::{Field, FieldId, starts_with_ignore_case},
    head::Request,
};

/// What the name of such a field begins with, in lower case.
const PREFIX: &[u8] = b"x-corsair-set-";

/// The fields of a request that are set for a target.
#[derive(Clone, Copy, Debug)]
pub struct SetFields<'a> {
    request: Request<'a>,
    /// Names that may be set.
    names: &'a [Box<str>],
    without_credentials: bool,
}

/// What becomes of a field of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetField<'a> {
    /// It has nothing to do with it.
    Untouched,
    /// It goes on under this name.
    Named(&'a str),
    /// It goes no further: another one takes its place, or its name is none of those that may be set.
    Dropped,
}

impl<'a> SetFields<'a> {
    /// Those of a request, of which a target may get credentials or not; nothing where there are none.
    #[must_use]
    pub fn of(request: Request<'a>, names: &'a [Box<str>], without_credentials: bool) -> Option<Self> {
        let is_any = || request.head.fields.iter().any(|field| named(field, request.bytes).is_some());
        (!names.is_empty() && is_any()).then_some(Self { request, names, without_credentials })
    }

    /// What becomes of a field.
    #[must_use]
    pub fn passage(&self, field: &Field) -> SetField<'a> {
        let bytes = self.request.bytes;
        if let Some(name) = named(field, bytes) {
            return self.listed(name).map_or(SetField::Dropped, SetField::Named);
        }
        let name = field.name.of(bytes);
        let takes_its_place =
            |other: &Field| named(other, bytes).is_some_and(|set| set.eq_ignore_ascii_case(name));
        if self.listed(name).is_some() && self.request.head.fields.iter().any(takes_its_place) {
            SetField::Dropped
        } else {
            SetField::Untouched
        }
    }

    /// The name as the operator writes it, if it may be set.
    fn listed(&self, name: &[u8]) -> Option<&'a str> {
        let is_credential = matches!(FieldId::of(name), FieldId::Cookie | FieldId::Authorization);
        let mut names = self.names.iter().filter(|_| !(is_credential && self.without_credentials));
        names.find(|listed| listed.as_bytes().eq_ignore_ascii_case(name)).map(|name| &**name)
    }
}

/// The name that a field sets.
fn named<'b>(field: &Field, bytes: &'b [u8]) -> Option<&'b [u8]> {
    if field.id != FieldId::Other {
        return None;
    }
    let name = field.name.of(bytes);
    starts_with_ignore_case(name, PREFIX).then(|| &name[PREFIX.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    #[test]
    fn a_name_that_is_listed_takes_the_place_of_the_browsers_own() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: browser\r\nReferer: gateway\r\nCookie: own\r\nX-Other: b\r\n\
                     X-Corsair-Set-User-Agent: mine\r\nx-corsair-set-cookie: theirs\r\nX-Corsair-Set-X-Secret: c\r\n\
                     X-Corsair-Set-: d\r\n\r\n";
        let parsed = sample::request(head);
        let request = parsed.request();
        let names: [Box<str>; 3] = ["User-Agent".into(), "Referer".into(), "Cookie".into()];
        let passages = |without_credentials| -> Vec<_> {
            let set = SetFields::of(request, &names, without_credentials).unwrap();
            request.head.fields.iter().map(|field| set.passage(field)).collect()
        };
        use SetField::{Dropped, Named, Untouched};
        let mut expected = [
            Untouched,
            Dropped,
            Untouched,
            Dropped,
            Untouched,
            Named("User-Agent"),
            Named("Cookie"),
            Dropped,
            Dropped,
        ];
        assert_eq!(passages(false), expected);
        // The origin has changed since they were set; the browser's own stays in the gateway anyway.
        (expected[3], expected[6]) = (Untouched, Dropped);
        assert_eq!(passages(true), expected);
        assert!(SetFields::of(request, &[], false).is_none());
    }
}

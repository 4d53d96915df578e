//! Of which site a page is that asks: what a browser says by itself, and no script can.

use crate::{
    cors::is_same_origin,
    http1::{
        fields::{FieldId, trim},
        head::Request,
        target::host_of,
    },
};

/// Which pages may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Those of any site.
    Any,
    /// Those of the origin that is asked alone.
    SameOrigin,
    /// Those of its site.
    SameSite,
    /// Those of its site, and what no page has asked for: an address that was typed, a bookmark.
    NoneOrSameSite,
}

/// Which pages may ask for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRules {
    /// By a method that may change something.
    pub r#unsafe: Site,
    /// By one that does not (RFC 9110 §9.2.1).
    pub safe: Site,
}

/// What asks, in the words of `Sec-Fetch-Site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    SameOrigin,
    SameSite,
    /// No page.
    None,
    CrossSite,
}

impl SiteRules {
    /// Whether this request, for `authority`, may come (rule 8 of [`admission`](super)).
    #[must_use]
    pub fn admit(&self, request: Request<'_>, authority: &[u8]) -> bool {
        let site = if request.head.method.is_safe() { self.safe } else { self.r#unsafe };
        site == Site::Any || relation(request, authority).is_none_or(|relation| site.admit(relation))
    }
}

impl Site {
    fn admit(self, relation: Relation) -> bool {
        match self {
            Self::Any => true,
            Self::SameOrigin => relation == Relation::SameOrigin,
            Self::SameSite => matches!(relation, Relation::SameOrigin | Relation::SameSite),
            Self::NoneOrSameSite => relation != Relation::CrossSite,
        }
    }
}

/// What asks; nothing where no browser does. Of several that are told, the one that counts least.
fn relation(request: Request<'_>, authority: &[u8]) -> Option<Relation> {
    let told = request
        .head
        .fields
        .all(FieldId::SecFetch)
        .filter(|field| field.name.of(request.bytes).eq_ignore_ascii_case(b"sec-fetch-site"));
    let told = told.map(|field| match trim(field.value.of(request.bytes)) {
        b"same-origin" => Relation::SameOrigin,
        b"same-site" => Relation::SameSite,
        b"none" => Relation::None,
        // What a later standard may add is not known to be ours.
        _ => Relation::CrossSite,
    });
    told.max().or_else(|| request.values(FieldId::Origin).map(|origin| of_origin(origin, authority)).max())
}

/// What a page of this origin is to whom it asks. Its scheme is not compared: browsers that say no more than this are
/// old, and a balancer before corsair ends TLS without anybody saying so.
fn of_origin(origin: &[u8], authority: &[u8]) -> Relation {
    if [true, false].into_iter().any(|secure| is_same_origin(origin, secure, authority)) {
        return Relation::SameOrigin;
    }
    let named = [&b"https://"[..], b"http://"].iter().find_map(|scheme| origin.strip_prefix(*scheme));
    let is_same = named.and_then(site).is_some_and(|page| site(authority) == Some(page));
    if is_same { Relation::SameSite } else { Relation::CrossSite }
}

/// The registrable domain of an authority (Public Suffix List); an address has none.
fn site(authority: &[u8]) -> Option<Vec<u8>> {
    let host = host_of(authority).to_ascii_lowercase();
    let is_address = host.last().is_none_or(|last| last.is_ascii_digit() || *last == b']');
    let domain = if is_address { None } else { psl::domain(&host) };
    domain.map(|domain| domain.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    const ALL: [Site; 4] = [Site::Any, Site::SameOrigin, Site::SameSite, Site::NoneOrSameSite];

    /// Which of all rules admit this, as a POST and as a GET.
    fn admitted(fields: &str) -> [String; 2] {
        ["POST", "GET"].map(|method| {
            let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let request = sample::request(format!(
                "{method} / HTTP/1.1\r\nHost: app.example.com\r\n{length}{fields}\r\n"
            ));
            let admits = |site: &Site| {
                let other = if method == "POST" { Site::Any } else { Site::SameOrigin };
                let rules = if method == "POST" {
                    SiteRules { r#unsafe: *site, safe: other }
                } else {
                    SiteRules { r#unsafe: other, safe: *site }
                };
                rules.admit(request.request(), b"app.example.com")
            };
            ALL.iter().map(|site| if admits(site) { 'y' } else { 'n' }).collect()
        })
    }

    #[test]
    fn a_page_is_judged_by_what_the_browser_says_of_it() {
        for (site, expected) in [
            ("same-origin", "yyyy"),
            ("same-site", "ynyy"),
            ("none", "ynny"),
            ("cross-site", "ynnn"),
            ("Same-Origin", "ynnn"),
            ("", "ynnn"),
        ] {
            let fields = format!("Sec-Fetch-Site: {site}\r\nOrigin: https://app.example.com\r\n");
            assert_eq!(admitted(&fields), [expected, expected], "{site}");
        }
        assert_eq!(admitted("Sec-Fetch-Site: same-origin\r\nsec-fetch-site: cross-site\r\n")[0], "ynnn");
        assert_eq!(admitted("Sec-Fetch-Mode: cors\r\n")[0], "yyyy", "what else is said says nothing of it");
    }

    #[test]
    fn without_sec_fetch_site_the_origin_is_held_against_the_host() {
        for (origin, expected) in [
            ("https://app.example.com", "yyyy"),
            ("http://app.example.com", "yyyy"),
            ("https://app.example.com:8443", "ynyy"),
            ("https://example.com", "ynyy"),
            ("https://other.example.com", "ynyy"),
            ("https://example.org", "ynnn"),
            ("https://app.example.com.evil.org", "ynnn"),
            ("https://notexample.com", "ynnn"),
            ("https://com", "ynnn"),
            ("app://app.example.com", "ynnn"),
            ("null", "ynnn"),
            ("", "ynnn"),
        ] {
            assert_eq!(admitted(&format!("Origin: {origin}\r\n"))[0], expected, "{origin}");
        }
        assert_eq!(
            admitted("Origin: https://app.example.com\r\nOrigin: https://evil.example\r\n")[0],
            "ynnn"
        );
        assert_eq!(admitted("")[0], "yyyy", "no browser asks");
    }

    #[test]
    fn addresses_are_of_no_site_but_their_own() {
        for (origin, authority, expected) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", Relation::SameOrigin),
            ("http://127.0.0.1:3001", "127.0.0.1:3000", Relation::CrossSite),
            ("http://10.0.0.1", "11.0.0.1", Relation::CrossSite),
            ("http://[::1]:1", "[::1]:2", Relation::CrossSite),
            ("http://localhost:1", "localhost:2", Relation::CrossSite),
        ] {
            assert_eq!(of_origin(origin.as_bytes(), authority.as_bytes()), expected, "{origin} {authority}");
        }
    }
}

//! Where a redirect leads, and how it reads in a form of the gateway.
//!
//! Whether a target may be reached, and how many hops are followed, is not decided here.

use std::borrow::Cow;

use url::{Position, Url, form_urlencoded};

use super::{
    cookies::SetCookie,
    form::{Form, Naming, OMITS_CREDENTIALS},
};
use crate::{
    error::Error,
    http1::{fields::trim, head::Method},
    uri::{TargetUrl, is_http},
};

/// The method of the request that follows a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopMethod {
    /// That of the request before.
    Keep,
    /// GET
    Get,
}

/// The request that follows a redirect. Its target is not vetted by the operator's rules yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where it goes.
    pub target: TargetUrl,
    /// With which method.
    pub method: HopMethod,
    /// Whether the body and the fields that describe it are left out; otherwise the body is sent again.
    pub drop_body_fields: bool,
    /// Whether `Authorization` and `Cookie` are left out, because the origin changed.
    pub cross_origin: bool,
    /// Cookies that the redirect has set, where they are kept.
    pub set_cookies: Vec<SetCookie>,
}

/// Where a response leads; nothing when it is no redirect, or has no `Location` that leads to an http or
/// https URL: then it is passed to the client. A 303 drops the body whatever the method was.
///
/// # Errors
/// [`Error::TargetInvalid`] for userinfo, and for what a browser could follow and we would not: passed on, it
/// would send the browser out of the gateway.
///
/// Source: Fetch standard, "HTTP-redirect fetch"; RFC 9110 §15.4.
pub fn next_hop(
    current: &TargetUrl,
    status: u16,
    location: &[u8],
    method: Method,
) -> Result<Option<Hop>, Error> {
    let (to_get, drop_body_fields) = match status {
        301 | 302 => (method == Method::Post, method == Method::Post),
        303 => (!matches!(method, Method::Get | Method::Head), true),
        307 | 308 => (false, false),
        _ => return Ok(None),
    };
    let Some(url) = resolve(current, location) else { return Ok(None) };
    let target = TargetUrl::vetted(url)?;
    Ok(Some(Hop {
        cross_origin: !target.same_origin(current),
        target,
        method: if to_get { HopMethod::Get } else { HopMethod::Keep },
        drop_body_fields,
        set_cookies: Vec::new(),
    }))
}

/// A `Location` in the gateway form in which the present target was given, so that the browser stays here;
/// nothing when it leads to no http or https URL. A fragment is kept: it is the browser's. One that leads to another
/// origin is marked, and so is all that follows it: no credentials go there, though the browser sends them.
///
/// # Errors
/// [`Error::TargetInvalid`] as in [`next_hop`].
pub fn to_gateway_location(
    naming: Naming,
    current: &TargetUrl,
    location: &[u8],
) -> Result<Option<String>, Error> {
    let Some(url) = resolve(current, location) else { return Ok(None) };
    let fragment = url[Position::AfterQuery..].to_owned();
    let target = TargetUrl::vetted(url)?;
    let mut rewritten = String::with_capacity(target.as_str().len() * 2 + fragment.len());
    let omits_credentials = naming.omits_credentials || !target.same_origin(current);
    match naming.form {
        Form::Query => {
            rewritten.push_str("/?url=");
            rewritten.extend(form_urlencoded::byte_serialize(target.as_str().as_bytes()));
            if omits_credentials {
                rewritten.push('&');
                rewritten.push_str(OMITS_CREDENTIALS);
            }
        }
        Form::Path => {
            rewritten.push('/');
            if omits_credentials {
                rewritten.push_str(OMITS_CREDENTIALS);
                rewritten.push('/');
            }
            rewritten.push_str(target.as_str());
        }
    }
    rewritten.push_str(&fragment);
    Ok(Some(rewritten))
}

/// The http or https URL that a `Location` means on a page at `current`; an empty one means nothing
/// (RFC 9110 §10.2.2).
fn resolve(current: &TargetUrl, location: &[u8]) -> Option<Url> {
    let location = trim(location);
    if location.is_empty() {
        return None;
    }
    current.join(&escape_non_ascii(location)).ok().filter(is_http)
}

/// `bytes` with every byte above ASCII percent-encoded: what they mean in a path, a query or a host, whatever
/// their encoding was meant to be.
fn escape_non_ascii(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        Ok(_) | Err(_) => {
            let mut escaped = String::with_capacity(bytes.len() * 3);
            for byte in bytes {
                if byte.is_ascii() {
                    escaped.push(char::from(*byte));
                } else {
                    // For these bytes the encoder of forms writes what a URL would: %XX.
                    escaped.extend(form_urlencoded::byte_serialize(std::slice::from_ref(byte)));
                }
            }
            Cow::Owned(escaped)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text).unwrap()
    }

    #[test]
    fn a_redirect_changes_the_method_as_fetch_does() {
        use HopMethod::{Get, Keep};
        let current = url("https://a.example/");
        for (status, method, expected) in [
            (301, Method::Post, Some((Get, true))),
            (302, Method::Post, Some((Get, true))),
            (301, Method::Get, Some((Keep, false))),
            (302, Method::Head, Some((Keep, false))),
            (302, Method::Other, Some((Keep, false))),
            (303, Method::Post, Some((Get, true))),
            (303, Method::Other, Some((Get, true))),
            (303, Method::Options, Some((Get, true))),
            (303, Method::Head, Some((Keep, true))),
            (303, Method::Get, Some((Keep, true))),
            (307, Method::Post, Some((Keep, false))),
            (308, Method::Other, Some((Keep, false))),
            (200, Method::Get, None),
            (201, Method::Post, None),
            (300, Method::Get, None),
            (304, Method::Get, None),
            (305, Method::Get, None),
            (306, Method::Get, None),
            (309, Method::Get, None),
        ] {
            let hop = next_hop(&current, status, b"/b", method).unwrap();
            assert_eq!(hop.map(|hop| (hop.method, hop.drop_body_fields)), expected, "{status} {method:?}");
        }
    }

    #[test]
    fn a_location_is_resolved_against_the_present_target() {
        let current = url("https://a.example/b/c?d");
        for (location, expected) in [
            ("/x", Some(("https://a.example/x", false))),
            ("x?y#z", Some(("https://a.example/b/x?y", false))),
            ("../../x", Some(("https://a.example/x", false))),
            ("?y", Some(("https://a.example/b/c?y", false))),
            ("#z", Some(("https://a.example/b/c?d", false))),
            ("https:x", Some(("https://a.example/b/x", false))),
            (" /x\t", Some(("https://a.example/x", false))),
            ("//b.example/x", Some(("https://b.example/x", true))),
            ("\\\\b.example\\x", Some(("https://b.example/x", true))),
            ("http://a.example/", Some(("http://a.example/", true))),
            ("https://a.example:8443/", Some(("https://a.example:8443/", true))),
            ("https://a.example:443/", Some(("https://a.example/", false))),
            ("http://0x7f.1/", Some(("http://127.0.0.1/", true))),
            ("/\u{e9}", Some(("https://a.example/%C3%A9", false))),
            ("https://b\u{fc}cher.example/", Some(("https://xn--bcher-kva.example/", true))),
            ("", None),
            (" ", None),
            ("http://", None),
            ("http://[::1", None),
            ("https://a.example:99999/", None),
            ("ftp://a.example/", None),
            ("javascript:alert(1)", None),
        ] {
            let hop = next_hop(&current, 302, location.as_bytes(), Method::Get).unwrap();
            let expected = expected.map(|(text, cross_origin)| (text.to_owned(), cross_origin));
            assert_eq!(hop.map(|hop| (hop.target.to_string(), hop.cross_origin)), expected, "{location}");
        }
        let latin = next_hop(&current, 302, b"/\xe9", Method::Get).unwrap().unwrap();
        assert_eq!(latin.target.as_str(), "https://a.example/%E9");
    }

    #[test]
    fn a_location_that_a_browser_could_follow_out_of_the_gateway_is_refused() {
        let current = url("https://a.example/");
        for location in ["https://user@b.example/", "//u:p@a.example/", "http://localhost../"] {
            let hop = next_hop(&current, 302, location.as_bytes(), Method::Get);
            assert!(matches!(hop, Err(Error::TargetInvalid(_))), "{location}");
            for form in [Form::Query, Form::Path] {
                let rewritten = to_gateway_location(form.into(), &current, location.as_bytes());
                assert!(matches!(rewritten, Err(Error::TargetInvalid(_))), "{location}");
            }
        }
    }

    #[test]
    fn a_rewritten_location_has_the_form_of_the_request() {
        let current = url("https://a.example/b/c");
        for (location, query, path) in [
            ("x?y=1&z", "/?url=https%3A%2F%2Fa.example%2Fb%2Fx%3Fy%3D1%26z", "/https://a.example/b/x?y=1&z"),
            (
                "//b.example",
                "/?url=https%3A%2F%2Fb.example%2F&credentials=omit",
                "/credentials=omit/https://b.example/",
            ),
            (
                "http://a.example/#top",
                "/?url=http%3A%2F%2Fa.example%2F&credentials=omit#top",
                "/credentials=omit/http://a.example/#top",
            ),
            ("/x#top", "/?url=https%3A%2F%2Fa.example%2Fx#top", "/https://a.example/x#top"),
        ] {
            let rewrite =
                |form: Form| to_gateway_location(form.into(), &current, location.as_bytes()).unwrap();
            assert_eq!(rewrite(Form::Query).as_deref(), Some(query));
            assert_eq!(rewrite(Form::Path).as_deref(), Some(path));
        }
        // What has been marked stays so, wherever it leads.
        let marked = Naming { omits_credentials: true, ..Form::Path.into() };
        let rewritten = to_gateway_location(marked, &current, b"/x");
        assert_eq!(rewritten.unwrap().as_deref(), Some("/credentials=omit/https://a.example/x"));
        assert_eq!(to_gateway_location(Form::Path.into(), &current, b"mailto:a@b.example"), Ok(None));
        assert_eq!(to_gateway_location(Form::Path.into(), &current, b""), Ok(None));
    }
}

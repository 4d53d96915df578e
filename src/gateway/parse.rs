//! Which target a request names.

use std::borrow::Cow;

use super::form::{Form, GatewayForms, Naming, OMITS_CREDENTIALS};
use crate::{
    error::Error,
    http1::fields::starts_with_ignore_case,
    uri::{TargetUrl, can_be_resolved, is_below_known_suffix},
};

/// The parameter of the query form.
const PARAMETER: &[u8] = b"url=";

/// Paths at which other tools take the query form.
const OTHER_TOOLS: [&[u8]; 4] = [b"proxy", b"raw", b"proxy/", b"raw/"];

/// Schemes that a target can be spelled with.
const SCHEMES: [&[u8]; 4] = [b"http", b"https", b"ws", b"wss"];

/// What a request to the gateway asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayRequest {
    /// A target to fetch.
    Target(TargetUrl, Naming),
    /// The root without a target.
    Missing,
    /// `/healthcheck`
    Healthcheck,
    /// A path that is none of the forms.
    NotFound,
}

/// Reads an origin-form request target, whose bytes are visible ASCII.
///
/// A `url` parameter that begins with a scheme and a literal `://` is taken as it stands, to the end of the
/// query and `&` included; otherwise it ends at the next `&` and is decoded as a form field. In path form
/// everything behind the first slash is taken as it stands, its query included, and a merged slash
/// (`/http:/host`) is understood.
///
/// So are the spellings of other tools: the query itself as the URL, several slashes before a path, an encoded path,
/// and the query form at `/proxy` and `/raw`. `ws://` and `wss://` stand for http and https. Where bare hosts are a form, too, a
/// path whose first segment is a name that anybody may have registered, with or without a port, is an https URL without
/// its scheme.
///
/// # Errors
/// [`Error::TargetInvalid`] when there is a target and [`TargetUrl::parse`] refuses it, or when it is not
/// UTF-8 once decoded.
pub fn parse(forms: GatewayForms, request_target: &[u8]) -> Result<GatewayRequest, Error> {
    let Some(rest) = request_target.strip_prefix(b"/") else {
        return Ok(GatewayRequest::NotFound);
    };
    let (path, query) = split_query(rest);
    if path.is_empty() {
        return in_query(forms, query);
    }
    if path == b"healthcheck" {
        return Ok(GatewayRequest::Healthcheck);
    }
    if forms.query && OTHER_TOOLS.contains(&path) {
        return in_query(forms, query);
    }
    if forms.path { in_path(rest, forms.bare_hosts) } else { Ok(GatewayRequest::NotFound) }
}

/// Whether a request target is of a path that belongs to other tools: beside an application it is the application's.
#[must_use]
pub fn is_path_of_other_tools(request_target: &[u8]) -> bool {
    request_target.strip_prefix(b"/").is_some_and(|rest| OTHER_TOOLS.contains(&split_query(rest).0))
}

fn split_query(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

fn in_query(forms: GatewayForms, query: &[u8]) -> Result<GatewayRequest, Error> {
    if !forms.query {
        return Ok(GatewayRequest::Missing);
    }
    let (value, before) = if is_absolute(query) || is_encoded(query) {
        (query, &[][..])
    } else {
        let Some(at) = parameter(query) else { return Ok(GatewayRequest::Missing) };
        (&query[at..], &query[..at])
    };
    let mut naming = Naming::from(Form::Query);
    let omits =
        |members: &[u8]| members.split(|byte| *byte == b'&').any(|it| it == OMITS_CREDENTIALS.as_bytes());
    naming.omits_credentials = !before.is_empty() && omits(before);
    if is_absolute(value) {
        return target(Cow::Borrowed(value), naming);
    }
    let (value, behind) = value.split_at(memchr::memchr(b'&', value).unwrap_or(value.len()));
    naming.omits_credentials |= !behind.is_empty() && omits(behind);
    target(decode(value, true), naming)
}

/// A path behind its first slash, with its query.
fn in_path(rest: &[u8], bare_hosts: bool) -> Result<GatewayRequest, Error> {
    let mut naming = Naming::from(Form::Path);
    let mut url = rest;
    if let Some(marked) =
        url.strip_prefix(OMITS_CREDENTIALS.as_bytes()).filter(|behind| behind.starts_with(b"/"))
    {
        naming.omits_credentials = true;
        url = marked;
    }
    while let Some(behind) = url.strip_prefix(b"/") {
        url = behind;
    }
    if is_absolute(url) || is_merged(url) {
        return target(Cow::Borrowed(url), naming);
    }
    if is_encoded(url) {
        let (path, query) = url.split_at(memchr::memchr(b'?', url).unwrap_or(url.len()));
        let mut decoded = decode(path, false);
        if !query.is_empty() {
            decoded.to_mut().extend_from_slice(query);
        }
        return target(decoded, naming);
    }
    if bare_hosts && is_bare_host(url) {
        return target(Cow::Owned([b"https://", url].concat()), naming);
    }
    Ok(GatewayRequest::NotFound)
}

/// Whether `bytes` begin with a host, and its port if there is one, as no path of an application does.
fn is_bare_host(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(bytes.len());
    let Ok(authority) = str::from_utf8(&bytes[..end]) else { return false };
    let (name, port) = authority.split_once(':').unwrap_or((authority, "443"));
    is_below_known_suffix(name) && can_be_resolved(name) && port.parse::<u16>().is_ok()
}

/// The target of these bytes, none of which is to be decoded.
fn target(bytes: Cow<'_, [u8]>, mut naming: Naming) -> Result<GatewayRequest, Error> {
    let text = match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    let mut text = text.ok_or(Error::TargetInvalid("the url is not UTF-8"))?;
    if [&b"ws:"[..], b"wss:"].iter().any(|scheme| starts_with_ignore_case(text.as_bytes(), scheme)) {
        naming.is_websocket = true;
        text.to_mut().replace_range(..2, "http");
    }
    Ok(GatewayRequest::Target(TargetUrl::read(text)?, naming))
}

/// Where the value of the first `url=` of a query begins; nothing when it is empty.
fn parameter(query: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &query[at..];
        if let Some(value) = rest.strip_prefix(PARAMETER) {
            return value.first().is_some_and(|byte| *byte != b'&').then_some(at + PARAMETER.len());
        }
        at += memchr::memchr(b'&', rest)? + 1;
    }
}

/// Whether `bytes` begin with a scheme of ours and a colon that is percent-encoded.
fn is_encoded(bytes: &[u8]) -> bool {
    begins_with_scheme(bytes, b"%3a")
}

/// Whether `bytes` begin with a scheme of ours and one slash at least: some servers merge two of them.
fn is_merged(bytes: &[u8]) -> bool {
    begins_with_scheme(bytes, b":/")
}

fn begins_with_scheme(bytes: &[u8], behind: &[u8]) -> bool {
    matches!(bytes, [b'h' | b'H' | b'w' | b'W', ..])
        && SCHEMES.iter().any(|scheme| {
            starts_with_ignore_case(bytes, scheme)
                && bytes.get(scheme.len()..).is_some_and(|rest| starts_with_ignore_case(rest, behind))
        })
}

/// Whether `bytes` begin with a scheme and a literal `://` (RFC 3986 §3.1).
fn is_absolute(bytes: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b':', bytes) else { return false };
    let (scheme, rest) = bytes.split_at(at);
    rest.starts_with(b"://")
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `value` without its percent-encoding. In a form a `+` is a blank: who percent-encodes a URL encodes its `+` too,
/// and who writes blanks as `+` (`URLSearchParams`, a submitted form) means them.
///
/// Source: URL standard, "application/x-www-form-urlencoded parsing".
fn decode(value: &[u8], is_form: bool) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'%' | b'+')) {
        let (plain, escape) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        let (byte, behind) = match escape {
            [b'%', high, low, behind @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, behind),
                (Some(_) | None, _) => (b'%', &escape[1..]),
            },
            [b'+', behind @ ..] if is_form => (b' ', behind),
            [byte, behind @ ..] => (*byte, behind),
            [] => break,
        };
        decoded.push(byte);
        rest = behind;
    }
    decoded.extend_from_slice(rest);
    Cow::Owned(decoded)
}

/// The value of a hexadecimal digit.
const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{next_hop, to_gateway_location},
        *,
    };
    use crate::http1::head::Method;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text).unwrap()
    }

    fn read(request_target: &str) -> Result<GatewayRequest, Error> {
        parse(GatewayForms::default(), request_target.as_bytes())
    }

    #[test]
    fn a_target_is_read_in_every_form() {
        for (request_target, form, expected) in [
            ("/?url=https%3A%2F%2Fa.example%2Fb%3Fc%3D1%26d%3D2", Form::Query, "https://a.example/b?c=1&d=2"),
            ("/?url=https%3A%2F%2Fa.example%2Fb&other=1", Form::Query, "https://a.example/b"),
            ("/?url=https%3A%2F%2Fa.example%2Fb&n=http://x", Form::Query, "https://a.example/b"),
            ("/?x=1&url=https%3A%2F%2Fa.example", Form::Query, "https://a.example/"),
            ("/?curl=1&url=http://a.example/", Form::Query, "http://a.example/"),
            ("/?url=https:%2F%2Fa.example%2Fb+c", Form::Query, "https://a.example/b%20c"),
            ("/?url=https%3A%2F%2Fa.example%2F%2B%2520", Form::Query, "https://a.example/+%20"),
            ("/?url=https%3A%2F%2Fa.example%2F%25", Form::Query, "https://a.example/%"),
            ("/?url=https%3A%2F%2Fa.example%2F%zz%4", Form::Query, "https://a.example/%zz%4"),
            ("/?url=https://a.example/b?c=1&d=2", Form::Query, "https://a.example/b?c=1&d=2"),
            ("/?url=https://a.example/b%20c+d", Form::Query, "https://a.example/b%20c+d"),
            ("/?url=https://a.example?url=http://b.c", Form::Query, "https://a.example/?url=http://b.c"),
            ("/?url=https://a.example/#top", Form::Query, "https://a.example/"),
            ("/https://a.example/b?c=1&url=http://d", Form::Path, "https://a.example/b?c=1&url=http://d"),
            ("/https://a.example", Form::Path, "https://a.example/"),
            ("/https://a.example?q", Form::Path, "https://a.example/?q"),
            ("/https://a.example/?", Form::Path, "https://a.example/?"),
            ("/http:/a.example/b", Form::Path, "http://a.example/b"),
            ("/HTTPS:/A.Example:8443/B", Form::Path, "https://a.example:8443/B"),
            ("/https://a.example/%2e%2E/%2f%20", Form::Path, "https://a.example/%2f%20"),
            ("/http://[::1]:80/", Form::Path, "http://[::1]/"),
            ("/http://0x7f.1/", Form::Path, "http://127.0.0.1/"),
            // As other tools write it.
            ("/?https://a.example/b?c=1&d=2", Form::Query, "https://a.example/b?c=1&d=2"),
            ("/?https%3A%2F%2Fa.example%2Fb%3Fc%3D1&other=1", Form::Query, "https://a.example/b?c=1"),
            ("/?HTTP%3a//a.example/b", Form::Query, "http://a.example/b"),
            ("//https://a.example/b", Form::Path, "https://a.example/b"),
            ("///https:/a.example/b?c", Form::Path, "https://a.example/b?c"),
            ("/https%3A%2F%2Fa.example%2Fb%3Fc%3D1", Form::Path, "https://a.example/b?c=1"),
            ("/https%3a%2f%2fa.example%2Fb+c%2520?d=%20&e", Form::Path, "https://a.example/b+c%20?d=%20&e"),
            ("//http%3A//a.example/", Form::Path, "http://a.example/"),
            ("/http%3a/a.example", Form::Path, "http://a.example/"),
            ("/proxy?url=https://a.example/b?c&d", Form::Query, "https://a.example/b?c&d"),
            ("/raw?url=https%3A%2F%2Fa.example%2Fb&c", Form::Query, "https://a.example/b"),
            ("/proxy/?url=https://a.example/", Form::Query, "https://a.example/"),
            ("/proxy?https://a.example/", Form::Query, "https://a.example/"),
        ] {
            let expected = GatewayRequest::Target(url(expected), form.into());
            assert_eq!(read(request_target), Ok(expected), "{request_target}");
        }
    }

    #[test]
    fn what_names_no_target_is_missing_or_not_found() {
        for (request_target, expected) in [
            ("/", GatewayRequest::Missing),
            ("/?", GatewayRequest::Missing),
            ("/?x=1&y", GatewayRequest::Missing),
            ("/?url", GatewayRequest::Missing),
            ("/?url=", GatewayRequest::Missing),
            ("/?url=&x=https://a.example", GatewayRequest::Missing),
            ("/?xurl=https://a.example", GatewayRequest::Missing),
            ("/healthcheck", GatewayRequest::Healthcheck),
            ("/healthcheck?now", GatewayRequest::Healthcheck),
            ("/healthcheck/", GatewayRequest::NotFound),
            ("/favicon.ico", GatewayRequest::NotFound),
            ("/a.example/b", GatewayRequest::NotFound),
            ("/index.html?url=https://a.example", GatewayRequest::NotFound),
            ("//", GatewayRequest::NotFound),
            ("//a.example/b", GatewayRequest::NotFound),
            ("/proxy", GatewayRequest::Missing),
            ("/proxy?x=https://a.example", GatewayRequest::Missing),
            ("/proxying?url=https://a.example", GatewayRequest::NotFound),
            ("/httpx%3A%2F%2Fa.example", GatewayRequest::NotFound),
            ("/credentials=omit", GatewayRequest::NotFound),
            ("/credentials=omithttps://a.example/", GatewayRequest::NotFound),
            ("/https:a.example", GatewayRequest::NotFound),
            ("/javascript:alert(1)", GatewayRequest::NotFound),
            ("*", GatewayRequest::NotFound),
            ("", GatewayRequest::NotFound),
        ] {
            assert_eq!(read(request_target), Ok(expected), "{request_target}");
        }
    }

    #[test]
    fn a_path_that_begins_with_a_host_is_an_https_url_where_that_is_a_form() {
        let bare = GatewayForms { bare_hosts: true, ..GatewayForms::default() };
        for (request_target, expected) in [
            ("/github.com/o/r.git/info/refs?service=a", "https://github.com/o/r.git/info/refs?service=a"),
            ("/GitHub.com", "https://github.com/"),
            ("//a.example.co.uk?b", "https://a.example.co.uk/?b"),
            ("/example.com:8443/b", "https://example.com:8443/b"),
        ] {
            let expected = GatewayRequest::Target(url(expected), Form::Path.into());
            assert_eq!(parse(bare, request_target.as_bytes()), Ok(expected), "{request_target}");
            assert_eq!(read(request_target), Ok(GatewayRequest::NotFound), "{request_target}");
        }
        for request_target in [
            "/favicon.ico",
            "/index.html?a",
            "/com/a",
            "/a.internal/b",
            "/localhost:3000/",
            "/127.0.0.1/",
            "/user@example.com/",
            "/example.com:99999/",
            "/example.com:/",
            "/ex,ample.com/",
        ] {
            assert_eq!(
                parse(bare, request_target.as_bytes()),
                Ok(GatewayRequest::NotFound),
                "{request_target}"
            );
        }
        let without_paths = GatewayForms { path: false, ..bare };
        assert_eq!(parse(without_paths, b"/github.com/o/r"), Ok(GatewayRequest::NotFound));
    }

    #[test]
    fn a_form_that_is_switched_off_takes_no_target() {
        let query = GatewayForms { path: false, ..GatewayForms::default() };
        let path = GatewayForms { query: false, ..GatewayForms::default() };
        assert_eq!(parse(query, b"/https://a.example/"), Ok(GatewayRequest::NotFound));
        assert_eq!(parse(path, b"/?url=https://a.example/"), Ok(GatewayRequest::Missing));
        assert!(matches!(parse(query, b"/?url=https://a.example/"), Ok(GatewayRequest::Target(..))));
        assert!(matches!(parse(path, b"/https://a.example/"), Ok(GatewayRequest::Target(..))));
        assert_eq!(parse(query, b"//https%3A%2F%2Fa.example/"), Ok(GatewayRequest::NotFound));
        assert_eq!(parse(path, b"/?https://a.example/"), Ok(GatewayRequest::Missing));
        assert_eq!(parse(path, b"/proxy?url=https://a.example/"), Ok(GatewayRequest::NotFound));
    }

    #[test]
    fn a_websockets_scheme_is_read_as_the_one_of_http() {
        for (request_target, form, expected) in [
            ("/ws://a.example/b?c", Form::Path, "http://a.example/b?c"),
            ("/WSS://a.example/b", Form::Path, "https://a.example/b"),
            ("/wss:/a.example:443/b", Form::Path, "https://a.example/b"),
            ("/wss%3A%2F%2Fa.example%2Fb", Form::Path, "https://a.example/b"),
            ("/?url=wss://a.example/b", Form::Query, "https://a.example/b"),
            ("/?url=ws%3A%2F%2Fa.example:80%2Fb", Form::Query, "http://a.example/b"),
            ("/?wss://a.example/b", Form::Query, "https://a.example/b"),
        ] {
            let naming = Naming { is_websocket: true, ..form.into() };
            assert_eq!(
                read(request_target),
                Ok(GatewayRequest::Target(url(expected), naming)),
                "{request_target}"
            );
        }
        for request_target in ["/?url=ws://u:p@a.example/", "/wsx://a.example/", "/ws://"] {
            assert!(matches!(read(request_target), Err(Error::TargetInvalid(_))), "{request_target}");
        }
    }

    #[test]
    fn the_mark_of_a_redirect_to_another_origin_is_read_where_it_is_not_the_targets() {
        for (request_target, expected, omits) in [
            ("/?url=https%3A%2F%2Fa.example%2F&credentials=omit", "https://a.example/", true),
            ("/?url=https%3A%2F%2Fa.example%2F&x&credentials=omit&y", "https://a.example/", true),
            ("/?credentials=omit&url=https://a.example/b", "https://a.example/b", true),
            ("/credentials=omit/https://a.example/b", "https://a.example/b", true),
            ("/credentials=omit//https%3A%2F%2Fa.example", "https://a.example/", true),
            ("/?url=https://a.example/?b&credentials=omit", "https://a.example/?b&credentials=omit", false),
            (
                "/?url=https%3A%2F%2Fa.example%2F%26credentials=omit",
                "https://a.example/&credentials=omit",
                false,
            ),
            ("/?credentials=omitted&url=https://a.example/", "https://a.example/", false),
            ("/https://a.example/credentials=omit/", "https://a.example/credentials=omit/", false),
        ] {
            let Ok(GatewayRequest::Target(found, naming)) = read(request_target) else {
                panic!("{request_target}")
            };
            assert_eq!((found.as_str(), naming.omits_credentials), (expected, omits), "{request_target}");
        }
    }

    #[test]
    fn a_target_that_is_no_http_url_is_invalid() {
        for request_target in "
            /?url=a.example /?url=/b /?url=//a.example/b /?url=localhost:8080 /?url=ftp://a.example/
            /?url=file:///etc/passwd /?url=javascript:alert(1) /?url=http://
            /?url=http://user@a.example/ /?url=http://user:word@a.example/ /?url=http://:word@a.example/
            /?url=http%3A%2F%2Fuser%40a.example%2F /?url=http://a.example:65536/ /?url=http://a.example:x/
            /?url=http://a..example/ /?url=http://a.example../ /?url=http://./ /?url=http://a%00b.example/
            /?url=http://a%20b.example/ /?url=http://a%2fb.example/ /?url=http://[::1/
            /?url=http://[fe80::1%25eth0]/ /?url=http://256.1.1.1/ /?url=http://1.2.3.4.5/
            /?url=http%3A%2F%2Fa.example%2F%FF /?url=%FF%FE /ftp://a.example/ /file:///etc/passwd /?ftp://a.example/
            /https%3A%2F%2Fu%40a.example%2F /?https://u:p@a.example/ //http://u@a.example/ /https%3A%2F%2F%FF
            /http://user@a.example/ /http:/ /https://
        "
        .split_whitespace()
        {
            assert!(matches!(read(request_target), Err(Error::TargetInvalid(_))), "{request_target}");
        }
        for host in ["a".repeat(64), "a.".repeat(150)] {
            let request_target = format!("/http://{host}.example/");
            assert!(matches!(read(&request_target), Err(Error::TargetInvalid(_))), "{request_target}");
        }
    }

    fn urlish() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            "[a-zA-Z0-9.%@:\\[\\]_-]{1,20}",
            "\\PC{1,12}",
            "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}(:[0-9]{1,5})?"
        ];
        ("[hH]ttps?:[/\\\\]{1,3}", host, "(/[!-~]{0,20})?")
            .prop_map(|(scheme, host, rest)| scheme + &host + &rest)
    }

    proptest! {
        #[test]
        fn an_accepted_url_reads_back_as_itself_in_every_form(text in urlish()) {
            if let Ok(target) = TargetUrl::parse(&text) {
                prop_assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(target.path_and_query().starts_with('/'));
                prop_assert_eq!(target.as_str(), format!("{}{}", target.origin(), target.path_and_query()));
                prop_assert_eq!(&TargetUrl::parse(target.as_str()), &Ok(target.clone()));
                for form in [Form::Query, Form::Path] {
                    for omits_credentials in [false, true] {
                        let naming = Naming { omits_credentials, ..form.into() };
                        let location = to_gateway_location(naming, &target, target.as_str().as_bytes());
                        let location = location.unwrap().unwrap();
                        prop_assert_eq!(read(&location), Ok(GatewayRequest::Target(target.clone(), naming)));
                    }
                }
            }
        }

        #[test]
        fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(GatewayForms::default(), &bytes);
            let _ = parse(GatewayForms::default(), &[b"/?url=".as_slice(), &bytes].concat());
            let _ = next_hop(&url("http://a.example/"), 302, &bytes, Method::Get);
        }
    }
}

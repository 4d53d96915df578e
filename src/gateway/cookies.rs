//! Cookies of targets, told apart by a mark in their names.
//!
//! To a browser all targets are one origin, and a `Path` alone separates nothing where they share one, as in `/?url=…`;
//! nor do cookies know ports. So the name of a cookie begins with the target that it is of, and what a target gets are
//! those that begin with it, under the names that it gave them.

use std::time::SystemTime;

use crate::{
    http1::fields::{starts_with_ignore_case, trim},
    uri::{Scheme, TargetUrl},
};

/// Cookies of one answer, and of all redirects that were followed to it.
const MAX_COOKIES: usize = 50;
/// Bytes of their lines, all together.
const MAX_BYTES: usize = 8 << 10;
/// Name and value of one, as browsers bound them (RFC 6265bis §5.6).
const MAX_PAIR: usize = 4096;
/// What else is said of one, each (RFC 6265bis §5.6).
const MAX_ATTRIBUTE: usize = 1024;

/// What names begin with that bind a cookie: the mark stands behind it, so that it goes on doing so.
const PREFIXES: [Prefix; 4] = [
    Prefix { text: b"__Host-Http-", of_host: true, http_only: true },
    Prefix { text: b"__Host-", of_host: true, http_only: false },
    Prefix { text: b"__Http-", of_host: false, http_only: true },
    Prefix { text: b"__Secure-", of_host: false, http_only: false },
];

/// What the name of a cookie says that it is (RFC 6265bis §4.1.3); all of them are `Secure`.
#[derive(Clone, Copy)]
struct Prefix {
    text: &'static [u8],
    /// For its host alone, and all of that.
    of_host: bool,
    /// Set by a response, and seen by no script.
    http_only: bool,
}

/// What the names of a target's cookies begin with: `https~api.example.org~443~`. No host holds the mark of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(Box<[u8]>);

impl Mark {
    /// That of a target.
    #[must_use]
    fn of(target: &TargetUrl) -> Self {
        let authority = target.authority();
        // An address in brackets is no token (RFC 9110 §5.6.2).
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address.replace(':', "!"),
            None => authority.split(':').next().unwrap_or_default().to_owned(),
        };
        Self(format!("{}~{host}~{}~", target.scheme().as_str(), target.port()).into_bytes().into())
    }

    /// The name that its target gave a cookie, in two parts; nothing where it is none of that target's.
    fn own<'a>(&self, name: &'a [u8]) -> Option<[&'a [u8]; 2]> {
        let (prefix, rest) = split_prefix(name);
        rest.strip_prefix(&*self.0).map(|rest| [prefix, rest])
    }
}

/// Whether a cookie is of a target, by its name.
fn is_marked(name: &[u8]) -> bool {
    let (_, rest) = split_prefix(name);
    let mut parts = rest.split(|byte| *byte == b'~');
    let is_scheme = matches!(parts.next(), Some(b"http" | b"https"));
    let has_host = parts.next().is_some_and(|host| !host.is_empty());
    let has_port = parts.next().is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
    is_scheme && has_host && has_port && parts.next().is_some()
}

fn split_prefix(name: &[u8]) -> (&[u8], &[u8]) {
    prefix_of(name).map_or((&[][..], name), |prefix| name.split_at(prefix.text.len()))
}

fn prefix_of(name: &[u8]) -> Option<&'static Prefix> {
    PREFIXES.iter().find(|prefix| starts_with_ignore_case(name, prefix.text))
}

/// Where an answer goes, as far as its cookies are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The browser came over TLS.
    pub secure: bool,
    /// What the paths of the target begin with for the browser: `/https://api.example.org`; nothing where they have no
    /// place of their own.
    pub path: Option<&'a str>,
    /// When it goes.
    pub now: SystemTime,
}

/// A cookie that a target has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    mark: Mark,
    /// As its target knows it.
    name: Box<[u8]>,
    /// `None`: it is deleted.
    value: Option<Box<[u8]>>,
    /// The value of `Set-Cookie` for the browser.
    line: Box<[u8]>,
}

impl SetCookie {
    /// Reads a `Set-Cookie` of a target; nothing where no browser would keep such a cookie, or none that is marked.
    ///
    /// `Domain` is dropped: it is the browser's way of sharing one. Over TLS it is `SameSite=None; Secure; Partitioned`,
    /// so that pages of other sites, whose cookies these are, can use it, each for itself.
    ///
    /// Source: RFC 6265bis §5.6, §5.7.
    #[must_use]
    pub fn read(target: &TargetUrl, scope: &Scope<'_>, value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b';');
        let (name, value) = pair(parts.next()?)?;
        let (mut path, mut kept) = (None, Vec::new());
        let (mut is_domain, mut is_secure, mut is_http_only, mut is_over) = (false, false, false, None);
        for part in parts {
            let (attribute, text) = pair(part).unwrap_or((trim(part), b""));
            if text.len() > MAX_ATTRIBUTE {
                continue;
            }
            match attribute.to_ascii_lowercase().as_slice() {
                b"domain" => is_domain |= !text.is_empty(),
                b"path" => path = Some(text),
                b"secure" => is_secure = true,
                b"httponly" => is_http_only = true,
                // It outranks the other (RFC 6265bis §5.7).
                b"max-age" => {
                    let is_below_one = text.starts_with(b"-") || text.iter().all(|byte| *byte == b'0');
                    is_over = Some(is_below_one);
                    kept.push(part);
                }
                b"expires" => {
                    is_over = is_over.or_else(|| Some(date(text)? <= scope.now));
                    kept.push(part);
                }
                _ => {}
            }
        }
        let prefix = prefix_of(name);
        let is_true_to_it = prefix.is_none_or(|prefix| {
            let is_of_host = !is_domain && path == Some(b"/");
            (is_secure && scope.secure && target.scheme() == Scheme::Https)
                && (!prefix.of_host || is_of_host)
                && (!prefix.http_only || is_http_only)
        });
        let is_of_host = prefix.is_some_and(|prefix| prefix.of_host);
        let mark = Mark::of(target);
        let is_token = |byte: &u8| !byte.is_ascii_control() && !b"=;, \"".contains(byte);
        let is_fine = !name.is_empty() && name.iter().all(is_token) && is_true_to_it;
        if !is_fine || mark.0.len() + name.len() + value.len() > MAX_PAIR {
            return None;
        }
        let (before, behind) = split_prefix(name);
        let mut line = [before, &*mark.0, behind, b"=", value].concat();
        line.extend_from_slice(b"; Path=");
        match scope.path {
            Some(begins) if !is_of_host => line.extend(scoped(begins, path, target)),
            Some(_) | None => line.push(b'/'),
        }
        for attribute in kept {
            line.push(b';');
            line.extend_from_slice(attribute);
        }
        if is_http_only {
            line.extend_from_slice(b"; HttpOnly");
        }
        if scope.secure {
            line.extend_from_slice(b"; SameSite=None; Secure; Partitioned");
        }
        let value = (is_over != Some(true)).then(|| value.into());
        Some(Self { mark, name: name.into(), value, line: line.into() })
    }

    /// The value of `Set-Cookie` for the browser.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

/// The path of a cookie, below what the paths of its target begin with.
fn scoped(begins: &str, path: Option<&[u8]>, target: &TargetUrl) -> Vec<u8> {
    let path = path.filter(|path| path.starts_with(b"/")).unwrap_or_else(|| {
        // "default-path" (RFC 6265 §5.1.4).
        let path = target.path_and_query().split('?').next().unwrap_or_default();
        path.rsplit_once('/').map_or("", |(folder, _)| folder).as_bytes()
    });
    let path = if path.contains(&b';') || path == b"/" { &b""[..] } else { path };
    [begins.as_bytes(), if path.is_empty() { b"/" } else { path }].concat()
}

/// `NAME=VALUE` without the blanks around both; nothing without a `=`.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', text)?;
    Some((trim(text.get(..at)?), trim(text.get(at + 1..)?)))
}

/// A date as cookies have it: with dashes in it, too.
fn date(text: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(text).ok()?;
    let parse = |text: &str| httpdate::parse_http_date(text).ok();
    parse(text).or_else(|| parse(&text.replace('-', " ")))
}

/// The cookies that targets have set on the way to an answer.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<SetCookie>,
    /// Of their lines.
    bytes: usize,
}

impl Jar {
    /// Keeps one, in place of one of the same name; `false` where there is no room for it.
    pub fn keep(&mut self, cookie: SetCookie) -> bool {
        let is_same = |other: &SetCookie| other.mark == cookie.mark && other.name == cookie.name;
        if let Some(at) = self.cookies.iter().position(is_same) {
            self.bytes -= self.cookies.remove(at).line.len();
        }
        let has_room = self.cookies.len() < MAX_COOKIES && self.bytes + cookie.line.len() <= MAX_BYTES;
        if has_room {
            self.bytes += cookie.line.len();
            self.cookies.push(cookie);
        }
        has_room
    }

    /// The values of `Set-Cookie` for the browser.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.cookies.iter().map(SetCookie::line)
    }

    /// Those of a target.
    fn of<'a>(&'a self, mark: &'a Mark) -> impl Iterator<Item = &'a SetCookie> {
        self.cookies.iter().filter(move |cookie| cookie.mark == *mark)
    }
}

/// The value of `Cookie` for a target: of those that the browser sent, the target's own, and what was set on the way;
/// nothing where there are none.
#[must_use]
pub fn cookies_for<'a>(
    target: &TargetUrl,
    sent: impl Iterator<Item = &'a [u8]>,
    jar: Option<&Jar>,
) -> Option<Vec<u8>> {
    let mark = Mark::of(target);
    let mut cookies = Vec::new();
    let is_newer = |name: [&[u8]; 2]| {
        let is_same =
            |cookie: &SetCookie| cookie.name.strip_prefix(name[0]).is_some_and(|rest| rest == name[1]);
        jar.is_some_and(|jar| jar.of(&mark).any(is_same))
    };
    for (name, value) in sent.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(pair) {
        if let Some(own) = mark.own(name).filter(|own| !is_newer(*own)) {
            push(&mut cookies, &own, value);
        }
    }
    for cookie in jar.into_iter().flat_map(|jar| jar.of(&mark)) {
        if let Some(value) = &cookie.value {
            push(&mut cookies, &[&cookie.name], value);
        }
    }
    (!cookies.is_empty()).then_some(cookies)
}

/// The value of `Cookie` for an application beside targets: what is no target's; nothing where that is all or nothing.
#[must_use]
pub fn cookies_of_no_target<'a>(sent: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut cookies = Vec::new();
    for part in sent.flat_map(|line| line.split(|byte| *byte == b';')).map(trim) {
        let is_targets = pair(part).is_some_and(|(name, _)| is_marked(name));
        if !part.is_empty() && !is_targets {
            if !cookies.is_empty() {
                cookies.extend_from_slice(b"; ");
            }
            cookies.extend_from_slice(part);
        }
    }
    (!cookies.is_empty()).then_some(cookies)
}

fn push(cookies: &mut Vec<u8>, name: &[&[u8]], value: &[u8]) {
    if !cookies.is_empty() {
        cookies.extend_from_slice(b"; ");
    }
    name.iter().for_each(|part| cookies.extend_from_slice(part));
    cookies.push(b'=');
    cookies.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::http1::fields::is_token;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text).unwrap()
    }

    fn scope(secure: bool, path: Option<&str>) -> Scope<'_> {
        Scope { secure, path, now: UNIX_EPOCH + Duration::from_secs(1_800_000_000) }
    }

    fn read(target: &str, secure: bool, path: Option<&str>, value: &str) -> Option<String> {
        let cookie = SetCookie::read(&url(target), &scope(secure, path), value.as_bytes());
        cookie.map(|cookie| String::from_utf8(cookie.line().to_vec()).unwrap())
    }

    #[test]
    fn a_mark_is_scheme_host_and_port_and_part_of_a_name() {
        for (target, mark) in [
            ("https://api.example.org/x", "https~api.example.org~443~"),
            ("https://api.example.org:8443/", "https~api.example.org~8443~"),
            ("http://API.example.org/", "http~api.example.org~80~"),
            ("http://127.1:9/", "http~127.0.0.1~9~"),
            ("https://[::1]:9/", "https~!!1~9~"),
        ] {
            let own = Mark::of(&url(target));
            assert_eq!(str::from_utf8(&own.0).unwrap(), mark);
            assert!(is_token(&own.0) && is_marked(format!("{mark}a").as_bytes()));
        }
        for name in
            ["sid", "https~a~443", "https~~443~a", "ftp~a~1~b", "http~a~b~c", "x~http~a~1~b", "__Host-sid"]
        {
            assert!(!is_marked(name.as_bytes()), "{name}");
        }
        assert!(is_marked(b"__Host-https~a~443~sid"));
    }

    #[test]
    fn a_cookie_is_of_its_target_alone_and_keeps_what_it_promises() {
        const T: &str = "https://t.example/a/b?c";
        const M: &str = "https~t.example~443~";
        let tls = "; SameSite=None; Secure; Partitioned";
        let none: Option<String> = None;
        for (secure, path, value, expected) in [
            (true, None, "sid=1", Some(format!("{M}sid=1; Path=/{tls}"))),
            (false, None, "sid=1", Some(format!("{M}sid=1; Path=/"))),
            (false, None, " sid = a=b \"c\" ; Secure", Some(format!("{M}sid=a=b \"c\"; Path=/"))),
            (
                true,
                None,
                "sid=1; domain=example.com; Path=/x; SameSite=Strict; HttpOnly; Max-Age=5; Priority=High",
                Some(format!("{M}sid=1; Path=/; Max-Age=5; HttpOnly{tls}")),
            ),
            // In the path form it has the place of its target, and there the path that it asks for.
            (
                false,
                Some("/https://t.example"),
                "sid=1",
                Some(format!("{M}sid=1; Path=/https://t.example/a")),
            ),
            (
                false,
                Some("/https://t.example"),
                "s=1; Path=/",
                Some(format!("{M}s=1; Path=/https://t.example/")),
            ),
            (
                false,
                Some("/https://t.example"),
                "s=1; Path=/x/",
                Some(format!("{M}s=1; Path=/https://t.example/x/")),
            ),
            (
                false,
                Some("/https://t.example"),
                "s=1; Path=x",
                Some(format!("{M}s=1; Path=/https://t.example/a")),
            ),
            // What its name promises is so, or it is not there.
            (true, None, "__Host-s=1; Secure; Path=/", Some(format!("__Host-{M}s=1; Path=/{tls}"))),
            (
                true,
                Some("/https://t.example"),
                "__Host-s=1; Secure; Path=/",
                Some(format!("__Host-{M}s=1; Path=/{tls}")),
            ),
            (true, None, "__Host-s=1; Secure", none.clone()),
            (true, None, "__Host-s=1; Secure; Path=/x", none.clone()),
            (true, None, "__Host-s=1; Path=/", none.clone()),
            (true, None, "__host-s=1; Secure; Path=/; Domain=t.example", none.clone()),
            (false, None, "__Host-s=1; Secure; Path=/", none.clone()),
            (true, None, "__Secure-s=1; Secure", Some(format!("__Secure-{M}s=1; Path=/{tls}"))),
            (true, None, "__Secure-s=1", none.clone()),
            (false, None, "__Secure-s=1; Secure", none.clone()),
            (true, None, "__Http-s=1; Secure", none.clone()),
            (
                true,
                None,
                "__Http-s=1; Secure; HttpOnly",
                Some(format!("__Http-{M}s=1; Path=/; HttpOnly{tls}")),
            ),
            // Without a name, or with one that ends it.
            (true, None, "nothing", none.clone()),
            (true, None, "=1", none.clone()),
            (true, None, "", none.clone()),
            (true, None, "a b=1", none.clone()),
        ] {
            assert_eq!(read(T, secure, path, value), expected, "{secure} {path:?} {value}");
        }
        assert_eq!(read("http://t.example/", true, None, "__Host-s=1; Secure; Path=/"), None);
        assert_eq!(read(T, true, None, &format!("s={}", "x".repeat(MAX_PAIR))), None);
        assert!(read(T, true, None, &format!("s={}", "x".repeat(MAX_PAIR - M.len() - 1))).is_some());
    }

    #[test]
    fn a_target_gets_its_own_under_the_names_that_it_gave_them() {
        let sent = [
            &b"own=1; https~t.example~443~sid=2; https~t.example~8443~sid=3;http~t.example~80~sid=4"[..],
            b"__Host-https~t.example~443~h=5; https~other.example~443~sid=6; https~t.example~443~a=b=c; x",
        ];
        for (target, expected) in [
            ("https://t.example/", Some("sid=2; __Host-h=5; a=b=c")),
            ("https://t.example:8443/", Some("sid=3")),
            ("http://t.example/", Some("sid=4")),
            ("https://other.example/", Some("sid=6")),
            ("https://none.example/", None),
        ] {
            let got = cookies_for(&url(target), sent.into_iter(), None);
            assert_eq!(got.map(|got| String::from_utf8(got).unwrap()).as_deref(), expected, "{target}");
        }
        assert_eq!(cookies_of_no_target(sent.into_iter()).as_deref(), Some(&b"own=1; x"[..]));
        assert_eq!(cookies_of_no_target([&b"http~a~80~b=1"[..]].into_iter()), None);
    }

    #[test]
    fn what_is_set_on_the_way_counts_and_what_is_deleted_is_gone() {
        let target = url("https://t.example/");
        let mut jar = Jar::default();
        for value in [
            "new=1",
            "changed=2",
            "again=a",
            "again=b",
            "gone=; Max-Age=0",
            "past=x; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
            "future=3; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
            "both=4; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert!(jar.keep(SetCookie::read(&target, &scope(true, None), value.as_bytes()).unwrap()));
        }
        let other = url("https://other.example/");
        jar.keep(SetCookie::read(&other, &scope(true, None), b"theirs=1").unwrap());
        let sent = b"https~t.example~443~changed=1; https~t.example~443~gone=1; https~t.example~443~past=1; \
                     https~t.example~443~old=1";
        let got = cookies_for(&target, [&sent[..]].into_iter(), Some(&jar)).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), "old=1; new=1; changed=2; again=b; future=3; both=4");
        assert_eq!(cookies_for(&other, [].into_iter(), Some(&jar)).as_deref(), Some(&b"theirs=1"[..]));
        assert_eq!(jar.lines().count(), 8, "the browser is told of each once");
    }

    #[test]
    fn a_jar_has_its_bounds() {
        let target = url("https://t.example/");
        let keep = |jar: &mut Jar, value: &str| {
            jar.keep(SetCookie::read(&target, &scope(true, None), value.as_bytes()).unwrap())
        };
        let mut jar = Jar::default();
        let kept = (0..100).filter(|at| keep(&mut jar, &format!("c{at}=1"))).count();
        assert_eq!((kept, jar.lines().count()), (MAX_COOKIES, MAX_COOKIES));
        assert!(keep(&mut jar, "c0=2"), "one takes the place of its name");
        let mut jar = Jar::default();
        let large = "x".repeat(1000);
        let kept = (0..20).filter(|at| keep(&mut jar, &format!("c{at}={large}"))).count();
        assert!(kept < 9 && jar.bytes <= MAX_BYTES, "{kept}");
    }

    proptest! {
        #[test]
        fn what_is_set_comes_back_to_its_target_and_to_no_other(
            name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}",
            value in "[!-:<-~]{0,20}",
            host in "[a-z0-9_.-]{1,12}",
            other in "[a-z0-9_.-]{1,12}",
            port in 1_u16..,
        ) {
            let (Ok(target), Ok(another)) = (
                TargetUrl::parse(&format!("https://{host}:{port}/")),
                TargetUrl::parse(&format!("https://{other}:{port}/")),
            ) else { return Ok(()) };
            let set = format!("{name}={value}; Secure; Path=/; HttpOnly");
            let cookie = SetCookie::read(&target, &scope(true, None), set.as_bytes());
            prop_assert!(cookie.is_some() || prefix_of(name.as_bytes()).is_some());
            let Some(cookie) = cookie else { return Ok(()) };
            let sent = cookie.line().split(|byte| *byte == b';').next().unwrap_or_default();
            let back = |target| cookies_for(target, [sent].into_iter(), None);
            prop_assert_eq!(back(&target), Some(format!("{name}={value}").into_bytes()));
            prop_assert_eq!(back(&another).is_some(), target.same_origin(&another));
            prop_assert_eq!(cookies_of_no_target([sent].into_iter()), None);
        }
    }
}

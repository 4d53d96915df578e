//! `[access.NAME]`: a way in, and what several of them say of a request.

use std::{net::IpAddr, sync::Arc};

use super::{
    authorization::{Audience, MAX_CREDENTIALS, basic, bearer, bearer_within, bearers},
    clients::ClientRules,
    forward::ForwardAuth,
    jwt::{MAX_TOKEN, TokenRules, subject},
    shown::Shown,
    signed::{Keys, Link},
    site::SiteRules,
    tokens::Tokens,
    users::{Attempt, Users},
};
use crate::{
    error::Error,
    http1::{fields::FieldId, head::Request},
};

/// A way in, by its name.
#[derive(Debug)]
pub struct AccessTable {
    /// What it is called in metrics and explanations.
    pub name: Box<str>,
    /// What lets in.
    pub way: Way,
}

/// What lets a request in; the cheapest to ask for is the first.
#[derive(Debug)]
pub enum Way {
    /// The network of the client.
    Clients(ClientRules),
    /// The site of the page that asks.
    FetchSite(SiteRules),
    /// A token (RFC 6750).
    Bearer(Arc<Tokens>),
    /// A token of `--token`, wherever a client can put one.
    Token(Tokens),
    /// A link that was signed.
    Signed(Keys),
    /// A signed token (RFC 7519).
    Jwt(TokenRules),
    /// A password (RFC 7617), and what is protected by it.
    Basic(Arc<Users>, Box<str>),
    /// What a service says of it.
    Forward(ForwardAuth),
}

/// What is asked of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its head.
    pub request: Request<'a>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// The authority that it is for, as the client knows it.
    pub authority: &'a [u8],
    /// Whether the client came over TLS.
    pub secure: bool,
    /// What it shows in its target, and when it came.
    pub shown: &'a Shown,
    /// For whom the credentials are that it is to show.
    pub audience: Audience,
}

/// What the tables that a route names say of a request. A number is the place of one of them among these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// None is named, or it is a request that is not asked.
    #[default]
    NotAsked,
    /// All of them admit it.
    Admitted,
    /// All before this one admit it, and this one has to be waited for: a password to be verified, a service to be asked.
    Unverified(u16),
    /// This one refuses it.
    Refused(u16),
    /// This one could not be asked.
    Failed(u16),
}

impl Admission {
    /// The place of the table that has decided last, where there are so many.
    #[must_use]
    pub fn decided_by(self, count: usize) -> Option<usize> {
        match self {
            Self::NotAsked => None,
            Self::Admitted => count.checked_sub(1),
            Self::Unverified(at) | Self::Refused(at) | Self::Failed(at) => Some(at.into()),
        }
    }
}

/// What `WWW-Authenticate` says in answers of a route, and `Proxy-Authenticate` in those of the forward proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges {
    missing: Box<str>,
    refused: Box<str>,
}

impl AccessTable {
    /// What `WWW-Authenticate` says where it refuses.
    #[must_use]
    pub fn challenges(&self) -> Challenges {
        match &self.way {
            Way::Clients(_) | Way::FetchSite(_) | Way::Signed(_) | Way::Forward(_) => Challenges::default(),
            Way::Bearer(_) | Way::Token(_) | Way::Jwt(_) => {
                let missing = format!("Bearer realm=\"{}\"", self.name);
                let refused = format!("{missing}, error=\"invalid_token\"").into();
                Challenges { missing: missing.into(), refused }
            }
            Way::Basic(_, realm) => {
                let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
                let challenge: Box<str> = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"").into();
                Challenges { missing: challenge.clone(), refused: challenge }
            }
        }
    }
}

impl Way {
    /// How dear it is to ask, compared with the others.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Clients(_) => 0,
            Self::FetchSite(_) => 1,
            Self::Bearer(_) | Self::Token(_) => 2,
            Self::Signed(_) => 3,
            Self::Jwt(_) => 4,
            Self::Basic(..) => 5,
            Self::Forward(_) => 6,
        }
    }

    /// The field of a request that it reads, if it reads one.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            // A service reads what it likes, and others may read the same.
            Self::Clients(_) | Self::Forward(_) => None,
            Self::FetchSite(_) => Some("Sec-Fetch-Site"),
            Self::Bearer(_) | Self::Jwt(_) | Self::Basic(..) => Some("Authorization"),
            Self::Token(_) => Some("X-Corsair-Token"),
            Self::Signed(_) => Some("corsair-signature"),
        }
    }

    /// Whether it keeps programs out, and not only pages: what a program says of its page is up to it.
    #[must_use]
    pub fn binds_programs(&self) -> bool {
        match self {
            Self::Clients(rules) => rules.restrict(),
            Self::FetchSite(_) => false,
            Self::Bearer(_)
            | Self::Token(_)
            | Self::Signed(_)
            | Self::Jwt(_)
            | Self::Basic(..)
            | Self::Forward(_) => true,
        }
    }

    /// Whether what it reads may go no further than to an upstream.
    #[must_use]
    pub const fn reads_credentials(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Jwt(_) | Self::Basic(..) | Self::Forward(_))
    }
}

impl Challenges {
    /// What the answer to this error says.
    #[must_use]
    pub fn of(&self, error: Error) -> Option<&str> {
        let challenge = if matches!(error, Error::CredentialsMissing | Error::ProxyCredentialsMissing) {
            &self.missing
        } else if matches!(error, Error::CredentialsRefused | Error::ProxyCredentialsRefused) {
            &self.refused
        } else {
            return None;
        };
        Some(&**challenge).filter(|challenge| !challenge.is_empty())
    }
}

/// What these tables say of a request, and what follows where one refuses it. What has to be waited for is left so; what
/// refuses behind it is told now.
#[must_use]
pub fn judge<'t>(
    tables: impl IntoIterator<Item = &'t AccessTable>,
    asked: &Asked<'_>,
) -> (Admission, Option<Error>) {
    let mut admission = Admission::Admitted;
    for (table, at) in tables.into_iter().zip(0..) {
        match admits(&table.way, asked) {
            Ok(true) => {}
            Ok(false) if admission == Admission::Admitted => admission = Admission::Unverified(at),
            Ok(false) => {}
            Err(error) => return (Admission::Refused(at), Some(error)),
        }
    }
    (admission, None)
}

/// Whether it admits a request; if not by now, it has to be waited for.
fn admits(way: &Way, asked: &Asked<'_>) -> Result<bool, Error> {
    let Asked { request, client, authority, secure, shown, audience } = *asked;
    match way {
        Way::Clients(rules) if rules.admit(client) => Ok(true),
        Way::Clients(_) => Err(Error::ClientRefused),
        Way::FetchSite(rules) if rules.admit(request, authority) => Ok(true),
        Way::FetchSite(_) => Err(Error::SiteRefused),
        Way::Bearer(tokens) => {
            let token = bearer(request, audience)?;
            if tokens.admit(token) { Ok(true) } else { Err(audience.refused()) }
        }
        Way::Token(tokens) => {
            let mut room = [0; MAX_CREDENTIALS];
            let token = token(request, shown, &mut room)?;
            if tokens.admit(token) { Ok(true) } else { Err(Error::CredentialsRefused) }
        }
        Way::Signed(keys) => {
            let signature = shown.signature(request)?;
            keys.verify(&Link::of(request, (authority, secure))?, signature, shown.time()).map(|()| true)
        }
        // Who knows what time it is verifies it.
        Way::Jwt(_) => bearer_within(MAX_TOKEN, request, audience).map(|_| false),
        Way::Basic(users, _) => {
            let mut room = [0; MAX_CREDENTIALS];
            let (user, password) = basic(request, audience, &mut room)?;
            Ok(users.remember(user, password))
        }
        Way::Forward(_) => Ok(false),
    }
}

/// The token of a request: of its own field, else of its target, else of `Authorization`, which may be for somebody else
/// where one of the others is there.
///
/// # Errors
/// [`Error::CredentialsMissing`] without one, and [`Error::CredentialsRefused`] for several in one place.
fn token<'a>(
    request: Request<'a>,
    shown: &Shown,
    room: &'a mut [u8; MAX_CREDENTIALS],
) -> Result<&'a [u8], Error> {
    let mut own = request.values(FieldId::XCorsairToken);
    match (own.next(), own.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(Error::CredentialsRefused),
        (None, _) => shown.token(request, room)?.map_or_else(|| bearer(request, Audience::Server), Ok),
    }
}

/// Whether `Authorization` holds a token of this way in, which is for nobody else then.
#[must_use]
pub fn token_in_authorization(way: &Way, request: Request<'_>) -> bool {
    let Way::Token(tokens) = way else { return false };
    bearers(request).any(|token| tokens.admit(token))
}

/// The password of a request, to be verified for a table that has left it so.
#[must_use]
pub fn attempt(way: &Way, request: Request<'_>, audience: Audience) -> Option<Attempt> {
    let Way::Basic(users, _) = way else { return None };
    let mut room = [0; MAX_CREDENTIALS];
    let (user, password) = basic(request, audience, &mut room).ok()?;
    Some(users.attempt(user, password))
}

/// Tells who a request shows to be that this table has let in, as bytes; nothing where it knows nobody.
pub fn person(
    table: &AccessTable,
    request: Request<'_>,
    shown: &Shown,
    audience: Audience,
    tell: &mut dyn FnMut(&[u8]),
) {
    match &table.way {
        Way::Clients(_) | Way::FetchSite(_) | Way::Forward(_) => {}
        Way::Bearer(_) => {
            if let Ok(token) = bearer(request, audience) {
                tell(table.name.as_bytes());
                tell(token);
            }
        }
        Way::Token(_) => {
            let mut room = [0; MAX_CREDENTIALS];
            if let Ok(token) = token(request, shown, &mut room) {
                tell(table.name.as_bytes());
                tell(token);
            }
        }
        // Whoever has the link.
        Way::Signed(_) => {
            if let Ok(signature) = shown.signature(request) {
                tell(table.name.as_bytes());
                tell(signature.mac);
            }
        }
        Way::Jwt(_) => {
            if let Ok(token) = bearer_within(MAX_TOKEN, request, audience) {
                tell(table.name.as_bytes());
                // Whoever it is for; it was verified.
                tell(subject(token).as_deref().map_or(token, str::as_bytes));
            }
        }
        Way::Basic(..) => {
            let mut room = [0; MAX_CREDENTIALS];
            if let Ok((user, _)) = basic(request, audience, &mut room) {
                tell(table.name.as_bytes());
                tell(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        admission::{shown::Takes, site::Site},
        http1::sample,
    };

    fn tables() -> [AccessTable; 4] {
        let hash = bcrypt::hash_with_salt("pw", 4, [7; 16]).expect("a hash");
        let file = format!("ann:{}", hash.format_for_version(bcrypt::Version::TwoY));
        let users = Users::of_file(&file, b"s", None).expect("users");
        let network = ClientRules::read("10.0.0.0/8").expect("a network");
        let table = |name: &str, way| AccessTable { name: name.into(), way };
        [
            table("office", Way::Clients(ClientRules::new(vec![network], vec![]))),
            table("page", Way::FetchSite(SiteRules { r#unsafe: Site::SameOrigin, safe: Site::SameSite })),
            table("robots", Way::Bearer(Arc::new(Tokens::of(["t"]).expect("tokens")))),
            table("staff", Way::Basic(Arc::new(users), "the \"staff\"".into())),
        ]
    }

    fn service() -> AccessTable {
        let service = ForwardAuth { target: "/".into(), pass: [].into(), timeout: std::time::Duration::ZERO };
        AccessTable { name: "sso".into(), way: Way::Forward(service) }
    }

    fn judged(tables: &[&AccessTable], client: &str, fields: &str) -> (Admission, Option<Error>) {
        judged_of(tables, client, "/", fields)
    }

    fn judged_of(
        tables: &[&AccessTable],
        client: &str,
        target: &str,
        fields: &str,
    ) -> (Admission, Option<Error>) {
        let mut parsed = sample::request(format!("GET {target} HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n"));
        let takes = Takes { signatures: true, tokens: true };
        let shown = Shown::take(&mut parsed.bytes, &mut parsed.head, takes, SystemTime::UNIX_EPOCH);
        let (request, client, authority) = (parsed.request(), client.parse().ok(), &b"h.example"[..]);
        let (secure, audience) = (false, Audience::Server);
        judge(tables.iter().copied(), &Asked { request, client, authority, secure, shown: &shown, audience })
    }

    #[test]
    fn all_tables_must_admit_and_the_first_that_refuses_is_told() {
        use Admission::{Admitted, Refused, Unverified};
        let [office, page, robots, staff] = &tables();
        let refused = |at, error| (Refused(at), Some(error));
        for (tables, client, fields, expected) in [
            (&[][..], "11.0.0.1", "", (Admitted, None)),
            (&[office], "10.0.0.1", "", (Admitted, None)),
            (&[office], "11.0.0.1", "", refused(0, Error::ClientRefused)),
            (&[office, robots], "10.0.0.1", "Authorization: Bearer t\r\n", (Admitted, None)),
            (&[office, robots], "11.0.0.1", "Authorization: Bearer t\r\n", refused(0, Error::ClientRefused)),
            (&[office, robots], "10.0.0.1", "", refused(1, Error::CredentialsMissing)),
            (
                &[office, robots],
                "10.0.0.1",
                "Authorization: Bearer u\r\n",
                refused(1, Error::CredentialsRefused),
            ),
            (&[page], "", "Sec-Fetch-Site: cross-site\r\n", refused(0, Error::SiteRefused)),
            (&[page, staff], "", "Authorization: Basic YW5uOnB3\r\n", (Unverified(1), None)),
            (&[page, staff], "", "Authorization: Bearer t\r\n", refused(1, Error::CredentialsMissing)),
        ] {
            assert_eq!(judged(tables, client, fields), expected, "{tables:?} {client} {fields}");
        }
        let sso = &service();
        for (tables, fields, expected) in [
            (&[sso][..], "", (Unverified(0), None)),
            (&[robots, sso], "", refused(0, Error::CredentialsMissing)),
            (&[robots, sso], "Authorization: Bearer t\r\n", (Unverified(1), None)),
            (&[staff, sso], "Authorization: Basic YW5uOnB3\r\n", (Unverified(0), None)),
            (&[sso, robots], "", refused(1, Error::CredentialsMissing)),
        ] {
            assert_eq!(judged(tables, "", fields), expected, "{tables:?} {fields}");
        }
        let Way::Basic(users, _) = &staff.way else { panic!("users") };
        let right = "Authorization: Basic YW5uOnB3\r\n";
        let request = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{right}\r\n"));
        assert!(
            attempt(&staff.way, request.request(), Audience::Server).is_some_and(|attempt| attempt.verify())
        );
        assert!(
            attempt(&robots.way, request.request(), Audience::Server).is_none()
                && users.remember(b"ann", b"pw")
        );
        assert_eq!(judged(&[staff], "", right), (Admitted, None), "it was verified before");
        assert_eq!(judged(&[staff], "", "Authorization: Basic YW5uOnh4\r\n"), (Unverified(0), None));
    }

    #[test]
    fn who_was_let_in_is_a_user_or_a_token_and_nobody_where_none_is_asked_for() {
        let [office, page, robots, staff] = &tables();
        let of = |table, authorization: &str| {
            let request = sample::request(format!(
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n"
            ));
            let mut told = Vec::new();
            let shown = Shown::nothing(SystemTime::UNIX_EPOCH);
            let mut tell = |bytes: &[u8]| told.extend_from_slice(bytes);
            person(table, request.request(), &shown, Audience::Server, &mut tell);
            told
        };
        assert_eq!(of(staff, "Basic YW5uOnB3"), b"staffann");
        assert_eq!(of(staff, "Basic YW5uOnh4"), b"staffann", "whatever the password");
        assert_eq!(of(robots, "Bearer t"), b"robotst");
        assert!(of(office, "Basic YW5uOnB3").is_empty() && of(page, "Bearer t").is_empty());
        let keys = Keys::of([("k1", "0123456789abcdef0123456789abcdef")]).expect("a key");
        let link = Link { method: b"GET", authority: (b"h", false), target: [b"/", b""] };
        let signature = keys.sign("k1", &link, 1).expect("a key");
        let named = |way| AccessTable { name: "of-".into(), way };
        let (token, links) =
            (named(Way::Token(Tokens::of(["t"]).expect("tokens"))), named(Way::Signed(keys)));
        for (table, target, fields, expected) in [
            (&token, "/?corsair-token=t".to_owned(), "Authorization: Bearer u\r\n", "of-t"),
            (&token, "/".to_owned(), "X-Corsair-Token: t\r\n", "of-t"),
            (&token, "/".to_owned(), "Authorization: Bearer t\r\n", "of-t"),
            (&token, "/".to_owned(), "", ""),
            (&links, format!("/?{signature}"), "", &format!("of-{}", &signature[signature.len() - 43..])),
            (&links, "/".to_owned(), "", ""),
        ] {
            let mut parsed = sample::request(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            let takes = Takes { signatures: true, tokens: true };
            let shown = Shown::take(&mut parsed.bytes, &mut parsed.head, takes, SystemTime::UNIX_EPOCH);
            let mut told = Vec::new();
            let mut tell = |bytes: &[u8]| told.extend_from_slice(bytes);
            person(table, parsed.request(), &shown, Audience::Server, &mut tell);
            assert_eq!(told, expected.as_bytes(), "{target} {fields}");
        }
    }

    #[test]
    fn a_token_is_shown_in_one_of_three_places() {
        let table = AccessTable { name: "token".into(), way: Way::Token(Tokens::of(["t"]).expect("tokens")) };
        let (missing, refused) = (Some(Error::CredentialsMissing), Some(Error::CredentialsRefused));
        for (target, fields, expected) in [
            ("/", "", missing),
            ("/", "X-Corsair-Token: t\r\n", None),
            ("/", "x-corsair-token:  t \r\n", None),
            ("/", "X-Corsair-Token: u\r\n", refused),
            ("/", "X-Corsair-Token:\r\n", refused),
            ("/", "X-Corsair-Token: t\r\nX-Corsair-Token: t\r\n", refused),
            ("/", "Authorization: Bearer t\r\n", None),
            ("/", "Authorization: Bearer u\r\n", refused),
            ("/", "Authorization: Basic dDp0\r\n", missing),
            ("/?corsair-token=t", "", None),
            ("/?corsair-token=%74", "", None),
            ("/?corsair-token=u", "", refused),
            ("/?corsair-token=", "", refused),
            ("/?corsair-token=t&corsair-token=t", "", refused),
            // Where it stands in its own place, others are for somebody else.
            ("/", "X-Corsair-Token: t\r\nAuthorization: Bearer u\r\n", None),
            ("/", "X-Corsair-Token: u\r\nAuthorization: Bearer t\r\n", refused),
            ("/?corsair-token=t", "Authorization: Basic dDp0\r\n", None),
            ("/?corsair-token=u", "X-Corsair-Token: t\r\n", None),
        ] {
            assert_eq!(judged_of(&[&table], "", target, fields).1, expected, "{target} {fields}");
        }
        assert_eq!(table.challenges().of(Error::CredentialsMissing), Some("Bearer realm=\"token\""));
        for (fields, expected) in [
            ("", false),
            ("X-Corsair-Token: t\r\n", false),
            ("Authorization: Bearer t\r\n", true),
            ("Authorization: Bearer u\r\n", false),
            ("Authorization: Bearer u\r\nAuthorization: bearer  t\r\n", true),
        ] {
            let parsed = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            assert_eq!(token_in_authorization(&table.way, parsed.request()), expected, "{fields}");
        }
    }

    #[test]
    fn a_link_is_admitted_by_the_signature_of_its_target() {
        let keys = Keys::of([("k1", "0123456789abcdef0123456789abcdef")]).expect("a key");
        let link = Link { method: b"GET", authority: (b"h.example", false), target: [b"/a?b", b""] };
        let signed = keys.sign("k1", &link, 100).expect("a key");
        let over = keys.sign("k1", &link, 0).expect("a key");
        let table = AccessTable { name: "links".into(), way: Way::Signed(keys) };
        for (target, expected) in [
            (format!("/a?b&{signed}"), None),
            (format!("http://h.example/a?b&{signed}"), None),
            (format!("/a?b&{over}"), Some(Error::SignatureExpired)),
            (format!("/a?c&{signed}"), Some(Error::SignatureRefused)),
            (format!("/a?b&{signed}&c"), Some(Error::SignatureMissing)),
            ("/a?b".to_owned(), Some(Error::SignatureMissing)),
        ] {
            assert_eq!(judged_of(&[&table], "", &target, "").1, expected, "{target}");
        }
        assert_eq!(table.challenges(), Challenges::default());
        assert!(table.way.binds_programs() && !table.way.reads_credentials());
    }

    #[test]
    fn a_challenge_says_what_is_wanted() {
        let [office, page, robots, staff] = tables().map(|table| table.challenges());
        let (missing, refused) = (Error::CredentialsMissing, Error::CredentialsRefused);
        for silent in [&office, &page, &Challenges::default()] {
            assert_eq!((silent.of(missing), silent.of(refused)), (None, None));
        }
        assert_eq!(robots.of(missing), Some("Bearer realm=\"robots\""));
        assert_eq!(robots.of(refused), Some("Bearer realm=\"robots\", error=\"invalid_token\""));
        let expected = Some("Basic realm=\"the \\\"staff\\\"\", charset=\"UTF-8\"");
        assert_eq!((staff.of(missing), staff.of(refused)), (expected, expected));
        assert_eq!(staff.of(Error::ClientRefused), None);
    }

    #[test]
    fn what_keeps_programs_out_is_no_page_and_no_half_of_the_internet() {
        let [office, page, robots, staff] = tables();
        let binds = [&office, &page, &robots, &staff].map(|table| table.way.binds_programs());
        assert_eq!(binds, [true, false, true, true]);
        assert!(service().way.binds_programs() && service().way.reads_credentials());
    }
}

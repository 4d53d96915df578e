//! `Authorization`, and `Proxy-Authorization` for a forward proxy: the credentials of one request.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    error::Error,
    http1::{fields::FieldId, head::Request},
};

/// The longest credentials that are looked at, in bytes: a token, or a user and a password with the colon between them.
pub const MAX_CREDENTIALS: usize = 1024;

/// Padded or not: clients do both (RFC 7617 §2 asks for it, RFC 4648 §3.2 lets it be left out).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// For whom credentials are meant, and so the field that they stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Whoever serves what is asked for: `Authorization` (RFC 9110 §11.6.2).
    #[default]
    Server,
    /// The proxy that leads there: `Proxy-Authorization` (RFC 9110 §11.7.2).
    Proxy,
}

impl Audience {
    const fn field(self) -> FieldId {
        match self {
            Self::Server => FieldId::Authorization,
            Self::Proxy => FieldId::ProxyAuthorization,
        }
    }

    /// What it comes to that there are none.
    #[must_use]
    pub const fn missing(self) -> Error {
        match self {
            Self::Server => Error::CredentialsMissing,
            Self::Proxy => Error::ProxyCredentialsMissing,
        }
    }

    /// What it comes to that they are not right.
    #[must_use]
    pub const fn refused(self) -> Error {
        match self {
            Self::Server => Error::CredentialsRefused,
            Self::Proxy => Error::ProxyCredentialsRefused,
        }
    }
}

/// The token of a request (RFC 6750 §2.1): visible ASCII, whatever is in it.
///
/// # Errors
/// That it is [missing](Audience::missing) without the field, and [refused](Audience::refused) where that holds none.
pub fn bearer(request: Request<'_>, audience: Audience) -> Result<&[u8], Error> {
    bearer_within(MAX_CREDENTIALS, request, audience)
}

/// The same of at most so many bytes.
///
/// # Errors
/// As [`bearer`].
pub fn bearer_within(most: usize, request: Request<'_>, audience: Audience) -> Result<&[u8], Error> {
    let token = of_scheme(request, audience, b"Bearer")?;
    let has_length = !token.is_empty() && token.len() <= most;
    // All of them, which takes less than to stop at the first that is not.
    if has_length && token.iter().fold(true, |all, byte| all & byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(audience.refused())
    }
}

/// All tokens in `Authorization`, however many fields there are.
pub(super) fn bearers(request: Request<'_>) -> impl Iterator<Item = &[u8]> {
    request.values(FieldId::Authorization).filter_map(|value| behind_scheme(value, b"Bearer"))
}

/// User and password of a request (RFC 7617 §2), decoded to `room`.
///
/// # Errors
/// That they are [missing](Audience::missing) without the field, and [refused](Audience::refused) where that holds none.
pub fn basic<'a>(
    request: Request<'_>,
    audience: Audience,
    room: &'a mut [u8; MAX_CREDENTIALS],
) -> Result<(&'a [u8], &'a [u8]), Error> {
    let encoded = of_scheme(request, audience, b"Basic")?;
    let length = BASE64.decode_slice(encoded, &mut room[..]).map_err(|_| audience.refused())?;
    let decoded = room.get(..length).unwrap_or_default();
    // Neither holds a control character, and so no NUL, at which bcrypt begins anew.
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(audience.refused());
    }
    let colon = memchr::memchr(b':', decoded).ok_or(audience.refused())?;
    let (user, rest) = decoded.split_at(colon);
    Ok((user, rest.get(1..).unwrap_or_default()))
}

/// What stands behind the name of this scheme, in the one field that there is. Anybody else's scheme is no credential of
/// ours, and told as a missing one.
fn of_scheme<'a>(request: Request<'a>, audience: Audience, scheme: &[u8]) -> Result<&'a [u8], Error> {
    let mut values = request.values(audience.field());
    let value = values.next().ok_or(audience.missing())?;
    if values.next().is_some() {
        return Err(audience.refused());
    }
    behind_scheme(value, scheme).ok_or(audience.missing())
}

fn behind_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_whole = rest.first().is_none_or(|byte| *byte == b' ');
    // Nearly everybody writes it as the registry does (RFC 9110 §16.4.1).
    let is_same = name == scheme || name.eq_ignore_ascii_case(scheme);
    (is_whole && is_same).then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::sample::{ParsedRequest, request, try_request};

    fn with(fields: &str) -> ParsedRequest {
        request(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    fn read(fields: &str) -> (Result<String, Error>, Result<String, Error>) {
        let request = with(fields);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut room = [0; MAX_CREDENTIALS];
        (
            bearer(request.request(), Audience::Server).map(text),
            basic(request.request(), Audience::Server, &mut room)
                .map(|(user, password)| [text(user), text(password)].join("|")),
        )
    }

    #[test]
    fn credentials_are_read_from_one_field_of_the_scheme() {
        const MISSING: Error = Error::CredentialsMissing;
        const REFUSED: Error = Error::CredentialsRefused;
        for (value, token, user) in [
            ("Bearer abc", Ok("abc"), Err(MISSING)),
            ("bEARER   a.b-c_~+/==", Ok("a.b-c_~+/=="), Err(MISSING)),
            ("Bearer", Err(REFUSED), Err(MISSING)),
            ("Bearer a b", Err(REFUSED), Err(MISSING)),
            ("Bearer a\tb", Err(REFUSED), Err(MISSING)),
            ("Bearerabc", Err(MISSING), Err(MISSING)),
            ("Basic YW5uOnB3", Err(MISSING), Ok("ann|pw")),
            ("basic YW5uOnA6dw==", Err(MISSING), Ok("ann|p:w")),
            ("BASIC YW5uOnA6dw", Err(MISSING), Ok("ann|p:w")),
            ("Basic Og==", Err(MISSING), Ok("|")),
            ("Basic YW5u", Err(MISSING), Err(REFUSED)),
            ("Basic YW5uOgA=", Err(MISSING), Err(REFUSED)),
            ("Basic YW5uOnB3 x", Err(MISSING), Err(REFUSED)),
            ("Basic %", Err(MISSING), Err(REFUSED)),
            ("Basic", Err(MISSING), Err(REFUSED)),
            ("Digest a", Err(MISSING), Err(MISSING)),
            ("", Err(MISSING), Err(MISSING)),
        ] {
            let found = read(&format!("Authorization: {value}\r\n"));
            let expected = (token.map(str::to_owned), user.map(str::to_owned));
            assert_eq!(found, expected, "{value:?}");
        }
        assert_eq!(read(""), (Err(MISSING), Err(MISSING)));
        let twice = "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n";
        assert_eq!(read(twice), (Err(REFUSED), Err(REFUSED)));
        let longest = "a".repeat(MAX_CREDENTIALS);
        assert_eq!(read(&format!("Authorization: Bearer {longest}\r\n")).0, Ok(longest.clone()));
        assert_eq!(read(&format!("Authorization: Bearer {longest}a\r\n")).0, Err(REFUSED));
        assert_eq!(read(&format!("Authorization: Basic {}\r\n", "YTph".repeat(342))).1, Err(REFUSED));
    }

    #[test]
    fn a_proxy_reads_a_field_of_its_own() {
        const BOTH: &str =
            "Authorization: Bearer of-the-server\r\nProxy-Authorization: Bearer of-the-proxy\r\n";
        let read = |fields: &str| {
            let request = with(fields);
            bearer(request.request(), Audience::Proxy)
                .map(|token| String::from_utf8_lossy(token).into_owned())
        };
        assert_eq!(read(BOTH), Ok("of-the-proxy".to_owned()));
        assert_eq!(read("Authorization: Bearer a\r\n"), Err(Error::ProxyCredentialsMissing));
        assert_eq!(read("Proxy-Authorization: Basic a\r\n"), Err(Error::ProxyCredentialsMissing));
        assert_eq!(read("Proxy-Authorization: Bearer\r\n"), Err(Error::ProxyCredentialsRefused));
        assert_eq!(read(&BOTH.repeat(2)), Err(Error::ProxyCredentialsRefused));
        let (request, mut room) = (with("Proxy-Authorization: Basic YW5uOnB3\r\n"), [0; MAX_CREDENTIALS]);
        assert_eq!(basic(request.request(), Audience::Proxy, &mut room), Ok((&b"ann"[..], &b"pw"[..])));
    }

    /// A decoder that goes byte by byte.
    fn slowly_decoded(text: &[u8]) -> Option<Vec<u8>> {
        let kept = text.len() - text.iter().rev().take_while(|byte| **byte == b'=').count();
        let padding = text.len() - kept;
        let (text, mut bits, mut held, mut decoded) = (&text[..kept], 0_u32, 0, Vec::new());
        for byte in text {
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            bits = bits << 6 | u32::try_from(digits.iter().position(|digit| digit == byte)?).ok()?;
            held += 6;
            if held >= 8 {
                held -= 8;
                decoded.push(u8::try_from(bits >> held & 0xff).ok()?);
                bits &= (1 << held) - 1;
            }
        }
        // What is left over says nothing, and padding fills the last four up at most.
        (held < 6 && bits == 0 && padding <= (4 - kept % 4) % 4).then_some(decoded)
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_as_a_slow_look_at_it_does(
            scheme in "(Basic|basic|Bearer|Digest|B)?", blanks in " {0,2}", text in "[A-Za-z0-9+/]{0,12}={0,3}|[ -~]{0,8}"
        ) {
            let Ok(request) = try_request(format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {scheme}{blanks}{text}\r\n\r\n"))
            else { return Ok(()) };
            let value = format!("{scheme}{blanks}{text}");
            let (name, rest) = value.trim_matches([' ', '\t']).split_once(' ').unwrap_or((value.trim(), ""));
            let rest = rest.trim_start();
            let mut room = [0; MAX_CREDENTIALS];
            let found = basic(request.request(), Audience::Server, &mut room).ok().map(|(user, password)| (user.to_vec(), password.to_vec()));
            let expected = Some(rest)
                .filter(|_| name.eq_ignore_ascii_case("basic"))
                .and_then(|rest| slowly_decoded(rest.as_bytes()))
                .filter(|decoded| !decoded.iter().any(u8::is_ascii_control))
                .and_then(|decoded| {
                    let colon = decoded.iter().position(|byte| *byte == b':')?;
                    Some((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
                });
            prop_assert_eq!(found, expected);
            let token = bearer(request.request(), Audience::Server).ok();
            let expected = name.eq_ignore_ascii_case("bearer") && !rest.is_empty() && !rest.contains(' ');
            prop_assert_eq!(token.map(<[u8]>::to_vec), expected.then(|| rest.as_bytes().to_vec()));
        }
    }
}

//! Who is let in: credentials are read from `Authorization` as a slow look reads them, what a target shows is taken out of it
//! and nothing else is, and a link lets in exactly as it was signed.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use corsair::{
    admission::{Audience, Keys, Link, MAX_CREDENTIALS, Shown, Takes, basic, bearer},
    error::Error,
    http1::{
        head::{Fields, HeadEnd, Request, RequestHead, parse_request},
        target::is_authority,
    },
};

use crate::{
    input::{Input, shown},
    reference::authorization::{self, Refusal, Taken, decoded, hmac, percent_decoded},
};

/// Keys that links are signed with, by their names.
const KEYS: [(&str, &str); 2] = [
    ("k1", "0123456789abcdef0123456789abcdef"),
    ("spring", "fedcba9876543210fedcba9876543210-and-more-than-one-block-of-it"),
];

static TABLE: LazyLock<Keys> = LazyLock::new(|| Keys::of(KEYS).expect("they are keys"));

/// Runs one input: which of tokens and signatures are taken out (`00` to `11`), whether TLS is spoken, whether the target is
/// signed first (`1` and `3`), when that is over, and where a byte of it is changed then (`0`: nowhere); then the host, the
/// method, the target, and lines of `Authorization`.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let takes = Takes { tokens: input.flag(), signatures: input.flag() };
    let (secure, is_signed, expires) = (input.flag(), input.flag(), u64::from(input.byte()));
    let changed = usize::from(input.byte().wrapping_sub(b'0'));
    let mut parts = input.parts();
    let mut part = || parts.next().unwrap_or_default();
    let (host, method, target, lines) = (part(), part(), part(), part());
    // No other is asked for.
    let host = if is_authority(host) { host } else { b"h.example" };
    let link = Link { method, authority: (host, secure), target: [target, b""] };
    let mut whole = target.to_vec();
    if is_signed && let Some(signature) = TABLE.sign("spring", &link, expires) {
        whole.push(if target.contains(&b'?') { b'&' } else { b'?' });
        whole.extend(signature.bytes());
        let at = whole.len().checked_sub(changed).filter(|_| changed > 0);
        if let Some(byte) = at.and_then(|at| whole.get_mut(at)) {
            *byte ^= 1;
        }
    }
    let Some((mut bytes, mut head)) = request(method, &whole, lines) else { return };
    credentials(Request { bytes: &bytes, head: &head }, lines);

    let before = bytes.clone();
    let range = head.target.range();
    let found = Shown::take(&mut bytes, &mut head, takes, at(60));
    let request = Request { bytes: &bytes, head: &head };
    assert_eq!((&bytes[..range.start], &bytes[range.end..]), (&before[..range.start], &before[range.end..]));
    let expected = authorization::taken(&whole, takes.tokens, takes.signatures);
    let context = shown(&whole);
    assert_eq!(shown(request.target()), shown(&expected.left), "what is left of {context}");
    token(request, &found, &expected, &context);
    signature(request, &found, &expected, (host, secure), &context);
}

/// A head with this target, and lines of `Authorization`; nothing where it is none.
fn request(method: &[u8], target: &[u8], lines: &[u8]) -> Option<(Vec<u8>, RequestHead)> {
    let mut bytes = [method, b" ", target, b" HTTP/1.1\r\nHost: h\r\n"].concat();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        bytes.extend([b"Authorization: ", line, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let mut end = HeadEnd::default();
    let len = end.find_request(&bytes).ok()??;
    let head = parse_request(&bytes, &end, len, 1024, Fields::default()).ok()?;
    // What has the end of a line in it is another head.
    let is_whole =
        len == bytes.len() && head.target.of(&bytes) == target && head.method_name.of(&bytes) == method;
    is_whole.then_some((bytes, head))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn credentials(request: Request<'_>, lines: &[u8]) {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let trimmed = |line: &[u8]| {
        let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
        let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
        line[start..end].to_vec()
    };
    let values: Vec<Vec<u8>> = lines.map(trimmed).collect();
    let context: Vec<String> = values.iter().map(|value| shown(value)).collect();
    let refusal = |refusal| match refusal {
        Refusal::Missing => Error::CredentialsMissing,
        Refusal::Wrong => Error::CredentialsRefused,
    };
    let token = bearer(request, Audience::Server).map(<[u8]>::to_vec);
    assert_eq!(token, authorization::bearer(&values).map_err(refusal), "the token of {context:?}");
    let mut room = [0; MAX_CREDENTIALS];
    let user = basic(request, Audience::Server, &mut room)
        .map(|(user, password)| (user.to_vec(), password.to_vec()));
    assert_eq!(user, authorization::basic(&values).map_err(refusal), "user and password of {context:?}");
}

fn token(request: Request<'_>, found: &Shown, expected: &Taken, context: &str) {
    let mut room = [0; MAX_CREDENTIALS];
    let token = found.token(request, &mut room).map(|token| token.map(<[u8]>::to_vec));
    let expected = match &*expected.tokens {
        [] => Ok(None),
        [token] => Some(percent_decoded(token))
            .filter(|token| token.len() <= MAX_CREDENTIALS)
            .map(Some)
            .ok_or(Error::CredentialsRefused),
        _ => Err(Error::CredentialsRefused),
    };
    assert_eq!(token, expected, "the token of {context}");
}

fn signature(
    request: Request<'_>,
    found: &Shown,
    expected: &Taken,
    (host, secure): (&[u8], bool),
    context: &str,
) {
    let signature = found.signature(request);
    let Some([name, expires, mac]) = &expected.signature else {
        assert_eq!(signature.err(), Some(Error::SignatureMissing), "{context}");
        return;
    };
    let signature = signature.unwrap_or_else(|error| panic!("{error:?}: {context}"));
    let Ok(link) = Link::of(request, (host, secure)) else { return };
    let verified = TABLE.verify(&link, signature, found.time());
    // A host is written in any case, and with the port that its scheme means or without it.
    let text = String::from_utf8_lossy(host).to_ascii_lowercase();
    let port = if secure { ":443" } else { ":80" };
    let plain = text.strip_suffix(port).or(text.strip_suffix(':')).unwrap_or(&text);
    let method = if request.method_name() == b"HEAD" { b"GET" } else { request.method_name() };
    let target = link.target.concat();
    let message = [method, b"\n", plain.as_bytes(), b"\n", &target, b"\n", expires].concat();
    let key = KEYS.iter().find(|(known, _)| known.as_bytes() == name);
    let is_right = key.is_some_and(|(_, key)| {
        decoded(mac, b"-_", false).as_deref() == Some(&hmac(key.as_bytes(), &message))
    });
    let until: Option<u64> = String::from_utf8_lossy(expires).parse().ok();
    let expected = match until {
        Some(until) if is_right && until > 60 => Ok(()),
        Some(_) if is_right => Err(Error::SignatureExpired),
        _ => Err(Error::SignatureRefused),
    };
    assert_eq!(verified, expected, "{} {plain} {context}", shown(method));
}

//! Signed tokens (RFC 7519), by the advice of RFC 8725.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use super::keys::{KeySet, KeyStore};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 << 10;

/// Tokens that a worker remembers.
pub const MAX_REMEMBERED: usize = 1024;

/// Keys that are tried for a token which does not say by which it was signed.
const MOST_TRIED: usize = 4;

/// Which tokens let in.
#[derive(Debug)]
pub struct TokenRules {
    /// Who has issued them; whoever has the keys where it is not said.
    pub issuer: Option<Box<str>>,
    /// Whom they are for, one of these; anybody where none is said.
    pub audience: Box<[Box<str>]>,
    /// How they may be signed.
    pub algorithms: Box<[Algorithm]>,
    /// How much clocks may differ.
    pub leeway: Duration,
    /// By whom.
    pub keys: Arc<KeyStore>,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no token, or says what is not understood.
    Malformed,
    /// It is signed in a way that is not allowed.
    Algorithm,
    /// It is signed with a key that is not known, or by now.
    UnknownKey,
    /// Its signature is not right.
    Signature,
    /// It does not say until when it is good.
    Unlimited,
    /// It is not good any more.
    Expired,
    /// It is not good yet.
    Early,
    /// Somebody else has issued it.
    Issuer,
    /// It is for somebody else.
    Audience,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Algorithm => "its algorithm is not among those of the table",
            Self::UnknownKey => "no key of the set has its kid and fits its algorithm",
            Self::Signature => "its signature is wrong",
            Self::Unlimited => "it has no exp",
            Self::Expired => "it has expired",
            Self::Early => "it is not valid yet: its nbf or iat is in the future",
            Self::Issuer => "its iss is not the issuer of the table",
            Self::Audience => "its aud is not the audience of the table",
        })
    }
}

/// What is read of a token.
#[derive(Debug, Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl TokenRules {
    /// Verifies a token with these keys; until when it is good, in seconds since 1970, with the leeway.
    ///
    /// # Errors
    /// Why it lets nobody in.
    pub fn verify(&self, token: &[u8], keys: &KeySet, now: SystemTime) -> Result<u64, TokenFault> {
        let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenFault::Algorithm);
        }
        // Claims are judged here, by a time that is given.
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let mut fault = TokenFault::UnknownKey;
        for key in keys.candidates(header.kid.as_deref(), header.alg).take(MOST_TRIED) {
            match decode::<Claims>(token, &key.decoding, &validation) {
                Ok(token) => return self.judge(&token.claims, now),
                Err(error) => {
                    let is_wrong = matches!(error.kind(), jsonwebtoken::errors::ErrorKind::InvalidSignature);
                    fault = if is_wrong { TokenFault::Signature } else { TokenFault::Malformed };
                }
            }
        }
        Err(fault)
    }

    fn judge(&self, claims: &Claims, now: SystemTime) -> Result<u64, TokenFault> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        let until = claims.exp.ok_or(TokenFault::Unlimited)? + leeway;
        if until <= now {
            return Err(TokenFault::Expired);
        }
        if [claims.nbf, claims.iat].into_iter().flatten().any(|from| from - leeway > now) {
            return Err(TokenFault::Early);
        }
        if self.issuer.is_some() && self.issuer.as_deref() != claims.iss.as_deref() {
            return Err(TokenFault::Issuer);
        }
        let is_for = |audience: &String| self.audience.iter().any(|own| **own == **audience);
        let is_for_us = match &claims.aud {
            _ if self.audience.is_empty() => true,
            Some(Audience::One(audience)) => is_for(audience),
            Some(Audience::Several(audiences)) => audiences.iter().any(is_for),
            None => false,
        };
        if !is_for_us {
            return Err(TokenFault::Audience);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`until` is after `now`")]
        Ok(until as u64)
    }
}

/// Whom a token is about that was verified.
pub(super) fn subject(token: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct About {
        sub: Option<String>,
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<About>(token).ok()?.sub
}

/// Tokens that were verified, by their digests: until when each is good, for which table, and with which keys.
#[derive(Debug, Default)]
pub struct KnownTokens {
    known: HashMap<(usize, [u8; SHA256_OUTPUT_LEN]), (u64, u64)>,
}

impl KnownTokens {
    /// Whether the token lets in by the rules of the table in this place: remembered, or verified now.
    ///
    /// # Errors
    /// Why it does not; nothing where no keys are known yet.
    pub fn admit(
        &mut self,
        table: usize,
        rules: &TokenRules,
        token: &[u8],
        now: SystemTime,
    ) -> Result<(), Option<TokenFault>> {
        // Before the keys: those that are there then are no older.
        let version = rules.keys.version();
        let keys = rules.keys.keys().ok_or(None)?;
        let mut own = [0; SHA256_OUTPUT_LEN];
        own.copy_from_slice(digest(&SHA256, token).as_ref());
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let known = self.known.get(&(table, own));
        if known.is_some_and(|(until, with)| *until > seconds && *with == version) {
            return Ok(());
        }
        let until = rules.verify(token, &keys, now).map_err(Some)?;
        if self.known.len() >= MAX_REMEMBERED {
            self.known.retain(|_, (until, with)| *until > seconds && *with == version);
        }
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        self.known.insert((table, own), (until, version));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};

    use super::*;

    const SECRET: &[u8] = b"a-secret-of-thirty-two-bytes-0123456789";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn rules() -> TokenRules {
        let algorithms: Box<[Algorithm]> = [Algorithm::HS256].into();
        let keys = KeyStore::new("");
        keys.put(KeySet::of_secret(SECRET, &algorithms).expect("a secret"));
        let (issuer, audience) = (Some("i".into()), ["a".into(), "b".into()].into());
        TokenRules { issuer, audience, algorithms, leeway: Duration::from_secs(10), keys }
    }

    fn token(claims: &serde_json::Value) -> String {
        let key = EncodingKey::from_secret(SECRET).expect("a key");
        encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
    }

    #[test]
    fn claims_are_judged_by_the_time_that_is_given_with_the_leeway() {
        use TokenFault::{Audience, Early, Expired, Issuer, Malformed, Unlimited};
        let (rules, keys) = (rules(), rules().keys.keys().expect("keys"));
        for (claims, expected) in [
            (r#"{"iss":"i","aud":"a","exp":1000}"#, Ok(1010)),
            (r#"{"iss":"i","aud":["x","b"],"exp":991}"#, Ok(1001)),
            (r#"{"iss":"i","aud":"a","exp":990}"#, Err(Expired)),
            (r#"{"iss":"i","aud":"a","exp":-1}"#, Err(Expired)),
            (r#"{"iss":"i","aud":"a"}"#, Err(Unlimited)),
            (r#"{"iss":"i","aud":"a","exp":"1000"}"#, Err(Malformed)),
            (r#"{"iss":"i","aud":"a","exp":2000,"nbf":1010}"#, Ok(2010)),
            (r#"{"iss":"i","aud":"a","exp":2000,"nbf":1011}"#, Err(Early)),
            (r#"{"iss":"i","aud":"a","exp":2000,"iat":1011}"#, Err(Early)),
            (r#"{"iss":"j","aud":"a","exp":2000}"#, Err(Issuer)),
            (r#"{"aud":"a","exp":2000}"#, Err(Issuer)),
            (r#"{"iss":"i","aud":"c","exp":2000}"#, Err(Audience)),
            (r#"{"iss":"i","exp":2000}"#, Err(Audience)),
            (r#"{"iss":"i","aud":[],"exp":2000}"#, Err(Audience)),
        ] {
            let token = token(&serde_json::from_str(claims).expect("claims"));
            assert_eq!(rules.verify(token.as_bytes(), &keys, at(1000)), expected, "{claims}");
        }
    }

    #[test]
    fn a_token_is_about_its_subject() {
        let about = |claims: &serde_json::Value| subject(token(claims).as_bytes());
        assert_eq!(about(&serde_json::json!({ "sub": "ann" })).as_deref(), Some("ann"));
        assert_eq!(about(&serde_json::json!({ "exp": 1 })), None);
    }

    #[test]
    fn a_token_is_remembered_until_it_ends_or_the_keys_change() {
        let (rules, mut known) = (rules(), KnownTokens::default());
        let token = token(&serde_json::json!({ "iss": "i", "aud": "a", "exp": 1000 }));
        let mut admit = |table, now| known.admit(table, &rules, token.as_bytes(), at(now));
        assert_eq!([admit(0, 900), admit(0, 1009), admit(1, 1009)], [Ok(()); 3]);
        assert_eq!(admit(0, 1010), Err(Some(TokenFault::Expired)), "its time is over");
        assert_eq!(admit(0, 900), Ok(()));
        let other = KeySet::of_secret(b"another-secret-of-more-than-32-bytes", &rules.algorithms);
        rules.keys.put(other.expect("a secret"));
        assert_eq!(admit(0, 900), Err(Some(TokenFault::Signature)), "its key is gone");
        let none = TokenRules { keys: KeyStore::new(""), ..self::rules() };
        assert_eq!(known.admit(0, &none, token.as_bytes(), at(900)), Err(None));
    }

    #[test]
    fn no_more_tokens_are_remembered_than_may_be() {
        let (rules, mut known) = (rules(), KnownTokens::default());
        for number in 0..=MAX_REMEMBERED {
            let claims = serde_json::json!({ "iss": "i", "aud": "a", "exp": 1000, "jti": number });
            assert_eq!(known.admit(0, &rules, token(&claims).as_bytes(), at(900)), Ok(()));
            assert!(known.known.len() <= MAX_REMEMBERED);
        }
    }
}

//! Keys that tokens are verified with: a set of public ones (RFC 7517), or a secret.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};

/// The most keys of a set.
pub const MAX_PUBLIC_KEYS: usize = 64;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Keys that stand for one signer at one time.
pub struct KeySet {
    keys: Box<[Key]>,
}

/// A key, and what it verifies.
pub(super) struct Key {
    pub(super) id: Option<Box<str>>,
    pub(super) algorithms: Box<[Algorithm]>,
    pub(super) decoding: DecodingKey,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

impl KeySet {
    /// Those of a JSON Web Key Set. What cannot verify a signature is left out: symmetric keys above all, which are no
    /// secret there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_json(json: &[u8]) -> Result<Self, String> {
        let document: serde_json::Value =
            serde_json::from_slice(json).map_err(|_| "is no JSON".to_owned())?;
        let members = document.get("keys").and_then(serde_json::Value::as_array);
        let members = members.ok_or("is no set of keys: it has no list \"keys\"")?;
        if members.len() > MAX_PUBLIC_KEYS {
            return Err(format!("holds {} keys; at most {MAX_PUBLIC_KEYS} can be", members.len()));
        }
        let keys: Box<[Key]> = members
            .iter()
            .filter_map(|member| Key::of(&serde_json::from_value(member.clone()).ok()?))
            .collect();
        if keys.is_empty() {
            return Err("holds no key that tokens can be verified with".to_owned());
        }
        Ok(Self { keys })
    }

    /// A secret, which verifies these.
    ///
    /// # Errors
    /// That it is shorter than what an algorithm makes of it (RFC 7518 §3.2).
    pub fn of_secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        let needs = |algorithm: Algorithm| algorithms.contains(&algorithm);
        let least = if needs(Algorithm::HS512) {
            64
        } else if needs(Algorithm::HS384) {
            48
        } else {
            32
        };
        if secret.len() < least {
            return Err(format!("is shorter than the {least} bytes that its algorithms need"));
        }
        let decoding = DecodingKey::from_secret(secret).map_err(|_| "is empty".to_owned())?;
        Ok(Self { keys: [Key { id: None, algorithms: algorithms.into(), decoding }].into() })
    }

    /// The keys that may have made a signature of this algorithm: the ones of this name, if it bears one.
    pub(super) fn candidates<'k>(
        &'k self,
        id: Option<&'k str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k Key> {
        let is_of = move |key: &&Key| match (id, &key.id) {
            (Some(id), Some(own)) => id == &**own,
            // A key without a name is what there is.
            (Some(_), None) | (None, _) => true,
        };
        self.keys.iter().filter(is_of).filter(move |key| key.algorithms.contains(&algorithm))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is no public key that is known here verifies nothing"
)]
impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
        let operations = common.key_operations.as_ref();
        let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let fitting = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                &[Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                &[Algorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            _ => return None,
        };
        let named = common.key_algorithm.map(|algorithm| algorithm.to_string());
        let is_named = |fitting: &Algorithm| {
            named.as_ref().is_none_or(|named| named.parse().is_ok_and(|named: Algorithm| named == *fitting))
        };
        let algorithms: Box<[Algorithm]> = fitting.iter().copied().filter(is_named).collect();
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        let is_usable = is_for_signatures && verifies && !algorithms.is_empty();
        is_usable.then(|| Self { id: common.key_id.as_deref().map(Into::into), algorithms, decoding })
    }
}

/// The keys of one table, as the whole process knows them: somebody else fetches them, where they are not at hand.
#[derive(Debug, Default)]
pub struct KeyStore {
    /// From where they are.
    source: Box<str>,
    set: ArcSwapOption<KeySet>,
    /// How often they were replaced.
    version: AtomicU64,
    is_wanted: AtomicBool,
    /// How often they were fetched, and could not be.
    counts: [AtomicU64; 2],
}

impl KeyStore {
    /// Nothing of this source is known yet.
    #[must_use]
    pub fn new(source: &str) -> Arc<Self> {
        Arc::new(Self { source: source.into(), ..Self::default() })
    }

    /// What it was made for.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The keys, once they are known.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.set.load_full()
    }

    /// Which of the sets that there were is in use; 0 for none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Replaces the keys.
    pub fn put(&self, keys: KeySet) {
        self.set.store(Some(Arc::new(keys)));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Says that others are wanted than are there.
    pub fn want(&self) {
        self.is_wanted.store(true, Ordering::Release);
    }

    /// Whether others were wanted since this was asked.
    #[must_use]
    pub fn was_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }

    /// Counts an attempt to fetch them.
    pub fn count(&self, has_failed: bool) {
        self.counts[usize::from(has_failed)].fetch_add(1, Ordering::Relaxed);
    }

    /// How often they were fetched, and could not be.
    #[must_use]
    pub fn counts(&self) -> [u64; 2] {
        [0, 1].map(|at: usize| self.counts[at].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_can_verify_signatures_and_nothing_else() {
        let rsa = r#""kty":"RSA","n":"AQAB","e":"AQAB""#;
        let ec = r#""kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB""#;
        for (key, expected) in [
            (rsa.to_owned(), RSA),
            (format!("{rsa},\"alg\":\"RS512\",\"use\":\"sig\""), &[Algorithm::RS512]),
            (format!("{rsa},\"key_ops\":[\"verify\"]"), RSA),
            (ec.to_owned(), &[Algorithm::ES256]),
            (ec.replace("P-256", "P-384"), &[Algorithm::ES384]),
            (r#""kty":"OKP","crv":"Ed25519","x":"AQAB""#.to_owned(), &[Algorithm::EdDSA]),
            (ec.replace("P-256", "P-521"), &[]),
            (format!("{rsa},\"use\":\"enc\""), &[]),
            (format!("{rsa},\"key_ops\":[\"encrypt\"]"), &[]),
            (format!("{rsa},\"alg\":\"RSA-OAEP\""), &[]),
            (format!("{rsa},\"alg\":\"HS256\""), &[]),
            (format!("{ec},\"alg\":\"RS256\""), &[]),
            (r#""kty":"oct","k":"AQAB""#.to_owned(), &[]),
            (r#""kty":"XYZ""#.to_owned(), &[]),
            (r#""kty":"RSA","n":"%","e":"AQAB""#.to_owned(), &[]),
        ] {
            let set = KeySet::of_json(format!("{{\"keys\":[{{{key}}}]}}").as_bytes());
            let found = set.as_ref().map_or(&[][..], |set| &set.keys[0].algorithms);
            assert_eq!(found, expected, "{key}");
            assert!(
                !expected.is_empty() || set.is_err_and(|fault| fault.starts_with("holds no key")),
                "{key}"
            );
        }
    }

    #[test]
    fn what_is_no_set_is_told() {
        let many = format!("{{\"keys\":[{}]}}", vec!["{}"; MAX_PUBLIC_KEYS + 1].join(","));
        for (text, expected) in [
            ("", "is no JSON"),
            ("[]", "is no set of keys: it has no list \"keys\""),
            ("{\"keys\":{}}", "is no set of keys: it has no list \"keys\""),
            ("{\"keys\":[]}", "holds no key that tokens can be verified with"),
            (&many, "holds 65 keys; at most 64 can be"),
        ] {
            assert_eq!(KeySet::of_json(text.as_bytes()).err().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_key_is_chosen_by_its_name_and_by_what_it_is_for() {
        let rsa = r#""kty":"RSA","n":"AQAB","e":"AQAB""#;
        let text = format!(
            "{{\"keys\":[{{{rsa},\"kid\":\"a\"}},{{{rsa},\"kid\":\"b\",\"alg\":\"RS256\"}},{{{rsa}}}]}}"
        );
        let set = KeySet::of_json(text.as_bytes()).expect("a set");
        for (id, algorithm, expected) in [
            (Some("a"), Algorithm::RS256, &[Some("a"), None][..]),
            (Some("b"), Algorithm::PS256, &[None]),
            (Some("c"), Algorithm::RS256, &[None]),
            (None, Algorithm::RS256, &[Some("a"), Some("b"), None]),
            (None, Algorithm::ES256, &[]),
        ] {
            let found: Vec<_> = set.candidates(id, algorithm).map(|key| key.id.as_deref()).collect();
            assert_eq!(found, expected, "{id:?} {algorithm:?}");
        }
    }
}

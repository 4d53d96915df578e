//! `[access.NAME] jwt`: which tokens let in, and where the keys are that they are verified with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::{
    keys::Key,
    reader::Reader,
    service::{Service, Tls},
    source::text,
    upstream::Upstream,
    values,
};
use crate::{
    admission::{KeySet, KeyStore, TokenRules},
    tls::ClientTls,
};

/// Where keys of tokens are fetched.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// The server that has them.
    pub upstream: Upstream,
    /// What it is asked for: path and query.
    pub target: Box<str>,
}

/// What is typed of it.
pub(super) struct Typed {
    jwks: Option<String>,
    secret: Option<String>,
    issuer: Option<Box<str>>,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    ca: Option<PathBuf>,
}

/// What was made of it.
pub(super) struct Compiled {
    pub(super) rules: TokenRules,
    pub(super) file: Option<PathBuf>,
    pub(super) fetches: Option<KeySource>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Typed {
    Typed {
        jwks: reader.optional(Key::AccessJwtJwks, |text| Ok(text.to_owned())),
        secret: reader.optional(Key::AccessJwtSecret, |text| Ok(text.to_owned())),
        issuer: reader.optional(Key::AccessJwtIssuer, |text| Ok(text.into())),
        audience: reader.list(Key::AccessJwtAudience),
        algorithms: reader.members(Key::AccessJwtAlgorithms, algorithm),
        leeway: reader.value(Key::AccessJwtLeeway, values::duration),
        ca: reader.optional(Key::AccessJwtCa, values::file),
    }
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(|_| {
        format!(
            "\"{text}\" is no algorithm; expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, or with a \
             secret HS256, HS384, HS512"
        )
    })
}

impl Typed {
    /// The rules of the table `name`; `None` where it is faulty. Keys that were `known` before of the same source stay so.
    pub(super) fn compile(
        mut self,
        name: &str,
        known: Option<(&Arc<KeyStore>, Option<&Path>)>,
        tls: &[&ClientTls],
        reader: &mut Reader<'_>,
    ) -> Option<Compiled> {
        let is_typed = [Key::AccessJwtJwks, Key::AccessJwtSecret].map(|key| reader.has(key));
        match is_typed {
            [true, false] | [false, true] => {}
            [false, false] => {
                let message =
                    "knows no key: write jwks = \"https://id.example/jwks\", or secret = \"${SECRET}\"";
                reader.fault_of_table("jwt", message);
                return None;
            }
            [true, true] => {
                let message =
                    "stands beside jwks: tokens are signed with one or the other; leave one of them out";
                reader.fault(Key::AccessJwtSecret, message);
                return None;
            }
        }
        self.check_algorithms(is_typed[1], reader)?;
        let (keys, file, fetches) = if is_typed[1] {
            (self.of_secret(reader)?, None, None)
        } else {
            self.warn_of_whom_it_lets_in(name, reader);
            let source = self.jwks.take()?;
            if source.contains("://") || source.starts_with("unix:") {
                let (store, fetches) = self.of_url(name, &source, known, tls, reader)?;
                (store, None, Some(fetches))
            } else {
                (of_file(Path::new(&source), known, reader)?, Some(source.into()), None)
            }
        };
        let Self { issuer, audience, algorithms, leeway, .. } = self;
        let audience = audience.into_iter().map(Into::into).collect();
        let rules = TokenRules { issuer, audience, algorithms: algorithms.into(), leeway, keys };
        Some(Compiled { rules, file, fetches })
    }

    /// Those that go with a secret, or with public keys; a public key is no secret, and so they never go together.
    fn check_algorithms(&mut self, is_secret: bool, reader: &mut Reader<'_>) -> Option<()> {
        if !reader.has(Key::AccessJwtAlgorithms) {
            self.algorithms =
                if is_secret { vec![Algorithm::HS256] } else { vec![Algorithm::RS256, Algorithm::ES256] };
        }
        let is_other = |algorithm: &&Algorithm| (algorithm.family() == AlgorithmFamily::Hmac) != is_secret;
        if let Some(other) = self.algorithms.iter().find(is_other) {
            let with = if is_secret {
                "a set of keys: name it with jwks"
            } else {
                "a secret, and jwks holds public keys"
            };
            reader.fault_of_member(
                Key::AccessJwtAlgorithms,
                &format!("{other:?}"),
                format!("{other:?} needs {with}; leave it out"),
            );
            return None;
        }
        // What is wrong with one has been told.
        (!self.algorithms.is_empty()).then_some(())
    }

    fn of_secret(&self, reader: &mut Reader<'_>) -> Option<Arc<KeyStore>> {
        match KeySet::of_secret(self.secret.as_ref()?.as_bytes(), &self.algorithms) {
            Ok(keys) => {
                let store = KeyStore::new("");
                store.put(keys);
                Some(store)
            }
            Err(fault) => {
                reader.fault(Key::AccessJwtSecret, fault);
                None
            }
        }
    }

    fn of_url(
        &self,
        name: &str,
        source: &str,
        known: Option<(&Arc<KeyStore>, Option<&Path>)>,
        tls: &[&ClientTls],
        reader: &mut Reader<'_>,
    ) -> Option<(Arc<KeyStore>, KeySource)> {
        let service = match Service::read(source) {
            Ok(service) => service,
            Err(fault) => {
                reader.fault(Key::AccessJwtJwks, fault);
                return None;
            }
        };
        if service.is_plain() {
            let message = "keys that come over plain http are whoever's is on the way; use https";
            reader.warn(Key::AccessJwtJwks, message);
        }
        let tls = Tls { key: Key::AccessJwtCa, ca: self.ca.clone(), before: tls };
        let (target, parts) = service.parts(&tls, reader)?;
        let upstream = parts.upstream(&format!("access:{name}"))?;
        let same = known.filter(|(store, file)| file.is_none() && store.source() == source);
        let store = same.map_or_else(|| KeyStore::new(source), |(store, _)| Arc::clone(store));
        Some((store, KeySource { upstream, target }))
    }

    fn warn_of_whom_it_lets_in(&self, name: &str, reader: &mut Reader<'_>) {
        if self.audience.is_empty() && !reader.has(Key::AccessJwtAudience) {
            let message = "names no audience: tokens let in that were issued for other applications";
            reader.warn_of_table(format!("access.{name}.jwt"), message);
        }
        if self.issuer.is_none() {
            let message = "names no issuer: tokens let in of whoever shares the keys";
            reader.warn_of_table(format!("access.{name}.jwt"), message);
        }
    }
}

/// The keys in a file; what was read last where it cannot be read now, which is warned of.
fn of_file(
    path: &Path,
    known: Option<(&Arc<KeyStore>, Option<&Path>)>,
    reader: &mut Reader<'_>,
) -> Option<Arc<KeyStore>> {
    let shown = path.display();
    let text = text(path).map_err(|fault| format!("cannot read {shown}: {fault}"));
    let keys =
        text.and_then(|text| KeySet::of_json(text.as_bytes()).map_err(|fault| format!("{shown}: {fault}")));
    match (keys, known.filter(|(_, file)| *file == Some(path))) {
        (Ok(keys), _) => {
            let store = KeyStore::new("");
            store.put(keys);
            Some(store)
        }
        (Err(fault), Some((last, _))) => {
            reader.warn(Key::AccessJwtJwks, format!("{fault}; meanwhile what was read last is used"));
            Some(Arc::clone(last))
        }
        (Err(fault), None) => {
            reader.fault(Key::AccessJwtJwks, fault);
            None
        }
    }
}

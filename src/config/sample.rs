//! Settings for tests, and what a reader makes of them.

use std::{num::NonZeroUsize, path::Path};

use tempfile::TempDir;

use super::{
    compile::compile,
    configuration::Config,
    keys::Key,
    machine::Machine,
    notes::Notes,
    policy,
    reader::Reader,
    settings::{Settings, Typed, TypedAt},
};
use crate::cors::CorsSettings;

/// A machine of one core.
pub(super) const MACHINE: Machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };

/// These values, as flags.
pub(super) fn settings(typed: &[(Key, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (key, text) in typed {
        settings.add(*key, Typed { text: (*text).to_owned(), at: TypedAt::Flag });
    }
    settings
}

/// What `read` makes of these flags, and what it notes.
pub(super) fn noted<T>(typed: &[(Key, &str)], read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Notes) {
    let settings = settings(typed);
    let mut reader = Reader::new(&settings);
    let value = read(&mut reader);
    (value, reader.into_notes())
}

/// What `read` makes of these flags, and the faults that it notes.
pub(super) fn faults<T>(typed: &[(Key, &str)], read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
    let (value, notes) = noted(typed, read);
    (value, notes.faults.iter().map(ToString::to_string).collect())
}

/// The configuration where nothing is typed.
pub(crate) fn defaults() -> Config {
    compiled(&Settings::default())
}

/// The configuration that `settings` ask for.
pub(super) fn compiled(settings: &Settings) -> Config {
    compile(settings, MACHINE, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// All of a configuration, to be compared with another.
pub(super) fn described(config: &Config) -> String {
    let gateway = config.gateway.as_ref().expect("a gateway");
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        config
            .listeners()
            .map(|(_, listener)| (listener.address.clone(), listener.gateway, listener.routes))
            .collect::<Vec<_>>(),
        config.timeouts,
        config.limits,
        config.process,
        config.dns,
        config.log,
        config.cors(),
        config.cors().describe(),
        config.cors().is_any_origin(),
        gateway.forms,
        gateway.redirects,
        gateway.require_headers,
        gateway.rules.describe(),
    )
}

/// The settings of a policy where nothing is typed.
pub(crate) fn cors_defaults() -> CorsSettings {
    policy::settings(&mut Reader::new(&Settings::default()))
}

/// The names of the files of a certificate and its key, which last as long as their folder.
pub(super) fn certificate() -> (TempDir, String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let name = |path: &Path| path.to_str().map(String::from).expect("a name in UTF-8");
    (folder, name(&cert), name(&key))
}

/// A list of owned strings.
pub(super) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

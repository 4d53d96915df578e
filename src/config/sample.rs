//! Settings for tests, and what a reader makes of them.

use std::{num::NonZeroUsize, path::Path};

use tempfile::TempDir;

use super::{
    compile::compile,
    configuration::Config,
    file,
    gateway::Gateway,
    keys::Key,
    listen::Listener,
    machine::Machine,
    notes::{ConfigFault, Notes},
    policy,
    reader::Reader,
    route::LeadsTo,
    routes::Routes,
    settings::{Settings, Typed, TypedAt},
    source::Source,
    upstream::Upstream,
};
use crate::{access::AllowHosts, cors::CorsSettings, http1::edits::Edits, limit::Limit};

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

/// What a file says beside these flags.
pub(crate) fn file(text: &str, flags: &[(Key, &str)]) -> Settings {
    let mut settings = settings(flags);
    file::add(&Source::new(Path::new("f"), text), &mut settings);
    settings
}

/// The faults of a file beside these flags, and the warnings.
pub(super) fn notes_of_file(text: &str, flags: &[(Key, &str)]) -> (Vec<String>, Vec<String>) {
    let lines = |notes: Vec<ConfigFault>| notes.iter().map(ToString::to_string).collect();
    match compile(&file(text, flags), MACHINE, None) {
        Ok((_, warnings)) => (vec![], lines(warnings)),
        Err(faults) => (lines(faults), vec![]),
    }
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
pub(crate) fn compiled(settings: &Settings) -> Config {
    compile(settings, MACHINE, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// All of a configuration, to be compared with another.
pub(super) fn described(config: &Config) -> String {
    let gateway = config.gateway.as_ref().map(|gateway| {
        let redirect_same_origin = gateway.redirect_same_origin;
        let Gateway { forms, redirects, cookies, require_headers, only_origins, parents, targets, .. } = gateway;
        let targets: Vec<String> =
            targets.iter().map(|own| format!("{own:?} {:?}", own.edits.lines())).collect();
        let rules = gateway.rules.describe();
        format!("{forms:?} {redirects:?} {redirect_same_origin} {cookies:?} {require_headers:?} {only_origins} {parents:?} {rules} {targets:?}")
    });
    let lines = |edits: &Option<Edits>| edits.as_ref().map(|edits| format!("{edits:?} {:?}", edits.lines()));
    let routes = [Routes::NOTHING, Routes::GATEWAY, Routes::FORWARD].into_iter().map(|id| config.route(id));
    // Their order is nobody's business: routes name them.
    let upstream = |upstream: &Upstream| {
        let Upstream {
            name,
            endpoints,
            resolution,
            tls,
            balancing,
            health,
            ejection,
            pool,
            retry,
            proxy_protocol,
            parents,
            host_header,
        } = upstream;
        format!(
            "{name} {endpoints:?} {resolution:?} {} {balancing:?} {health:?} {ejection:?} {pool:?} {retry:?} {proxy_protocol:?} {parents:?} {host_header:?}",
            tls.told_apart()
        )
    };
    // What is known of those who come is no part of it.
    let limit = |limit: &Limit| {
        let Limit { name, counted_by, rate, concurrent, exempt, shared, state } = limit;
        format!("{name} {counted_by:?} {rate:?} {concurrent:?} {exempt:?} {shared:?} {}", state.keys())
    };
    let mut upstreams: Vec<String> = config.upstreams.iter().map(upstream).collect();
    upstreams.sort();
    let routes = routes.chain(config.routes.typed()).map(|route| {
        let to = match &route.leads_to {
            LeadsTo::Upstream(id) => upstream(config.upstream(*id)),
            LeadsTo::Nothing | LeadsTo::Gateway | LeadsTo::Forward | LeadsTo::Respond(_) => String::new(),
        };
        let shown =
            format!("{route:?} {:?} {:?}", lines(&route.request_headers), lines(&route.response_headers));
        let place = format!("{:?}", route.leads_to);
        if to.is_empty() { shown } else { shown.replace(&place, &to) }
    });
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {gateway:?} {:?} {:?} {:?} {:?}",
        config.listeners().map(|(_, listener)| listener_described(listener)).collect::<Vec<_>>(),
        config.dev,
        config.forward.as_ref().map(|forward| format!("{} {:?}", forward.describe(), forward.parents)),
        config.trust,
        config.timeouts,
        config.limits,
        config.process,
        config.dns,
        config.log,
        config.policies,
        config.example_fields,
        routes.collect::<Vec<_>>(),
        upstreams,
        config.limit_tables().iter().map(limit).collect::<Vec<_>>(),
    )
}

fn listener_described(listener: &Listener) -> String {
    let Listener { address, proxy_protocol, gateway, forward, routes, allow_hosts, required_hosts, .. } =
        listener;
    // Its maps have no order; what was written has one.
    let written = |hosts: &AllowHosts| {
        let all = format!("{hosts:?}");
        all.split_once("written: ").map(|(_, written)| written.to_owned()).expect("what was written")
    };
    let required = required_hosts.as_ref().map(written);
    let hosts = written(allow_hosts);
    format!("{address} {proxy_protocol} {gateway} {forward} {routes} {hosts} {required:?}")
}

/// The settings of a policy where nothing is typed.
pub(crate) fn cors_defaults() -> CorsSettings {
    policy::settings(&mut Reader::new(&Settings::default())).0
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

//! `[access.NAME]`: ways in, of which routes, the gateway and the forward proxy name those that must admit a request.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    jwt::{self, KeySource},
    keys::Key,
    names::unknown_name,
    reader::Reader,
    service::{Service, Tls},
    settings::{Part, Section},
    source::text,
    upstream::{UpstreamId, UpstreamParts},
    upstreams::Upstreams,
    values,
};
use crate::{
    admission::{
        AccessTable, Challenges, ClientRules, ForwardAuth, KeyStore, Keys, Site, SiteRules, Takes, Tokens,
        Users, Way,
    },
    http1::edits::fault_of_set,
    tls::ClientTls,
};

/// The most of them that there can be.
const MOST: usize = u16::MAX as usize;

/// The ways in that a table may have, by the names of their tables in it.
const WAYS: [&str; 7] = ["clients", "bearer", "jwt", "basic", "forward", "fetch_site", "signed"];

/// What the table of `--token` is called in log and metrics.
const OF_FLAGS: &str = "token";

/// The longest realm, in bytes: it stands in answers.
const MAX_REALM: usize = 128;

/// A table by its place among all of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessId(pub(super) u16);

impl AccessId {
    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A table, and the file that it was read from.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) table: AccessTable,
    file: Option<PathBuf>,
    /// The service that it asks.
    pub(super) asks: Option<UpstreamId>,
    /// Where its keys are fetched.
    pub(super) fetches: Option<KeySource>,
}

/// Tables that must all admit a request, the cheapest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    ids: Box<[AccessId]>,
    /// What they want to be shown.
    pub challenges: Challenges,
    /// Whether one of them reads credentials.
    pub reads_credentials: bool,
    /// Whether one of them takes its token out of a request.
    pub takes_token: bool,
    /// Whether they keep programs out, too.
    pub(super) binds_programs: bool,
    /// Fields by which services say who asks: a client's own go no further.
    pub spoken_for: Box<[Box<str>]>,
}

impl AccessList {
    /// They, by their places.
    #[must_use]
    pub const fn ids(&self) -> &[AccessId] {
        &self.ids
    }
}

/// All of a file.
pub(super) struct Accesses<'a> {
    list: Vec<Named<'a>>,
}

struct Named<'a> {
    name: &'a str,
    /// `None`: it is made by a flag, and stands last.
    table: Option<&'a Section>,
    /// `None`: faulty.
    access: Option<Access>,
    /// The service that it asks.
    asks: Option<UpstreamParts>,
    is_used: Cell<bool>,
}

impl<'a> Accesses<'a> {
    /// What is typed. What cannot be read any more of what there was `before` is used as it was, which is warned of.
    pub(super) fn read(before: &[Access], tls: &[&ClientTls], reader: &mut Reader<'a>) -> Self {
        // Nothing of it can stand outside of its tables; what is read there is that there is nothing.
        let _ = typed(reader);
        let tables = reader.parts(Part::Access);
        if tables.len() > MOST {
            reader.fault_of_several(format!(
                "there are {} tables of access; at most {MOST} can be",
                tables.len()
            ));
        }
        let named = tables.into_iter().take(MOST).map(|table| {
            reader.within(table, |reader| {
                let name = reader.name().unwrap_or_default();
                let known = before.iter().find(|known| *known.table.name == *name);
                let mut asks = None;
                let access = access(name, (known, tls), &mut asks, reader);
                Named { name, table: Some(table), access, asks, is_used: Cell::new(false) }
            })
        });
        let mut list: Vec<Named<'_>> = named.collect();
        list.extend(of_flags(&list, reader));
        Self { list }
    }

    /// The upstreams, with the services that are asked among them.
    pub(super) fn served(&mut self, mut upstreams: Upstreams<'a>, reader: &mut Reader<'a>) -> Upstreams<'a> {
        for Named { name, table, access, asks, .. } in &mut self.list {
            if let (Some(access), Some(table), Some(parts)) = (access, table, asks.take()) {
                let at = (Key::AccessForwardUrl, *table);
                access.asks = upstreams.add(format!("access:{name}"), at, parts, reader);
            }
        }
        upstreams
    }

    /// Those of the names that `key` gives; of the gateway, what flags say as well.
    pub(super) fn find(&self, key: Key, names: &[String], reader: &mut Reader<'_>) -> AccessList {
        let mut found: Vec<(AccessId, &AccessTable)> = Vec::new();
        // What cannot be understood was meant to keep somebody out.
        let mut is_faulty = false;
        for name in names {
            let is_typed = |named: &Named<'_>| named.table.is_some();
            let mut typed = self.list.iter().zip(0..).filter(|(named, _)| is_typed(named));
            let Some((named, id)) = typed.find(|(named, _)| named.name == name) else {
                let known = self.list.iter().filter(|named| is_typed(named)).map(|named| named.name);
                reader.fault_of_member(key, name, unknown_name("access", name, known));
                is_faulty = true;
                continue;
            };
            named.is_used.set(true);
            let Some(Access { table, .. }) = &named.access else {
                is_faulty = true;
                continue;
            };
            if key == Key::ForwardAccess && matches!(table.way, Way::Forward(_)) {
                let message = format!(
                    "\"{name}\" asks a service about requests for what is served here; a forward proxy leads elsewhere: name tables \
                     of bearer, jwt, basic or clients"
                );
                reader.fault_of_member(key, name, message);
                continue;
            }
            if key == Key::ForwardAccess && matches!(table.way, Way::Signed(_)) {
                let message = format!(
                    "\"{name}\" verifies links, and a client of a forward proxy follows none of yours; name a table of clients, \
                     bearer or basic"
                );
                reader.fault_of_member(key, name, message);
                is_faulty = true;
                continue;
            }
            let reads_the_same = |(_, other): &&(AccessId, &AccessTable)| {
                other.name == table.name
                    || other.way.field().is_some() && other.way.field() == table.way.field()
            };
            match (found.iter().find(reads_the_same), table.way.field()) {
                (None, _) => found.push((AccessId(id), table)),
                (Some((_, other)), Some(field)) if other.name != table.name => {
                    let is_proxys = key == Key::ForwardAccess && field == "Authorization";
                    let field = if is_proxys { "Proxy-Authorization" } else { field };
                    let message =
                        format!("\"{name}\" reads {field}, and so does \"{}\": name one of them", other.name);
                    reader.fault_of_member(key, name, message);
                }
                (Some(_), _) => reader.fault_of_member(key, name, format!("\"{name}\" is named twice")),
            }
        }
        if key == Key::GatewayAccess {
            self.add_that_of_flags(&mut found, &mut is_faulty);
        }
        AccessList::of(found, is_faulty)
    }

    /// What flags say of who may use what they serve.
    pub(super) fn of_flags(&self) -> AccessList {
        let (mut found, mut is_faulty) = (Vec::new(), false);
        self.add_that_of_flags(&mut found, &mut is_faulty);
        AccessList::of(found, is_faulty)
    }

    fn add_that_of_flags<'t>(&'t self, found: &mut Vec<(AccessId, &'t AccessTable)>, is_faulty: &mut bool) {
        let Some((named, id)) = self.list.iter().zip(0..).find(|(named, _)| named.table.is_none()) else {
            return;
        };
        match &named.access {
            Some(Access { table, .. }) => found.push((AccessId(id), table)),
            None => *is_faulty = true,
        }
    }

    /// Warns of those that nothing names.
    pub(super) fn warn_of_idle_ones(&self, reader: &mut Reader<'a>) {
        let idle = self.list.iter().filter(|named| !named.is_used.get());
        for (name, table) in idle.filter_map(|named| Some((named.name, named.table?))) {
            reader.within(table, |reader| {
                let message =
                    "lets nobody in and keeps nobody out: no route names it, nor does a gateway or a forward proxy";
                reader.warn_of_table(format!("access.{name}"), message);
            });
        }
    }

    /// The tables themselves, in their order; `None` where one is faulty.
    pub(super) fn into_compiled(self) -> Option<Vec<Access>> {
        self.list.into_iter().map(|named| named.access).collect()
    }
}

impl AccessList {
    fn of(mut found: Vec<(AccessId, &AccessTable)>, is_faulty: bool) -> Self {
        found.sort_by_key(|(_, table)| table.way.rank());
        let any = |is: fn(&Way) -> bool| found.iter().any(|(_, table)| is(&table.way));
        let challenges = found.iter().map(|(_, table)| table.challenges());
        let passed =
            |way: &Way| if let Way::Forward(service) = way { service.pass.to_vec() } else { Vec::new() };
        Self {
            spoken_for: found.iter().flat_map(|(_, table)| passed(&table.way)).collect(),
            ids: found.iter().map(|(id, _)| *id).collect(),
            challenges: challenges.into_iter().find(|one| *one != Challenges::default()).unwrap_or_default(),
            reads_credentials: any(Way::reads_credentials),
            takes_token: any(|way| matches!(way, Way::Token(_))),
            binds_programs: is_faulty || any(Way::binds_programs),
        }
    }
}

/// What these tables have taken out of request targets.
pub(super) fn takes(tables: &[Access]) -> Takes {
    let any = |is: fn(&Way) -> bool| tables.iter().any(|access| is(&access.table.way));
    Takes {
        signatures: any(|way| matches!(way, Way::Signed(_))),
        tokens: any(|way| matches!(way, Way::Token(_))),
    }
}

/// The table that `--token` makes beside those of a file.
fn of_flags<'a>(typed: &[Named<'a>], reader: &mut Reader<'a>) -> Option<Named<'a>> {
    let tokens = reader.secrets(Key::Token);
    if !reader.has(Key::Token) {
        return None;
    }
    if let Some(table) = typed.iter().find(|named| named.name == OF_FLAGS).and_then(|named| named.table) {
        let message =
            format!("[access.{OF_FLAGS}] is what --token is called in log and metrics; give it another name");
        reader.within(table, |reader| reader.fault_of_several(message));
    }
    // What is wrong with a list that has none has been told.
    let made = (!tokens.is_empty()).then(|| Tokens::of(tokens.iter().map(String::as_str)));
    let tokens = made.and_then(|made| made.map_err(|(_, fault)| reader.fault(Key::Token, fault)).ok());
    let table = |tokens| AccessTable { name: OF_FLAGS.into(), way: Way::Token(tokens) };
    let access = tokens.map(|tokens| Access { table: table(tokens), file: None, asks: None, fetches: None });
    Some(Named { name: OF_FLAGS, table: None, access, asks: None, is_used: Cell::new(true) })
}

/// What is typed of one table.
struct Typed {
    allow: Vec<ipnet::IpNet>,
    deny: Vec<ipnet::IpNet>,
    tokens: Vec<String>,
    token_file: Option<PathBuf>,
    user_file: Option<PathBuf>,
    realm: Option<Box<str>>,
    service: Option<Service>,
    pass: Vec<Box<str>>,
    timeout: Duration,
    ca: Option<PathBuf>,
    tokens_of: jwt::Typed,
    sites: SiteRules,
    keys: Vec<(String, String)>,
}

fn typed(reader: &mut Reader<'_>) -> Typed {
    let sites = [
        ("any", Site::Any),
        ("same-origin", Site::SameOrigin),
        ("same-site", Site::SameSite),
        ("none-or-same-site", Site::NoneOrSameSite),
    ];
    Typed {
        allow: reader.members(Key::AccessClientsAllow, ClientRules::read),
        deny: reader.members(Key::AccessClientsDeny, ClientRules::read),
        tokens: reader.list(Key::AccessBearerTokens),
        token_file: reader.optional(Key::AccessBearerFile, values::file),
        user_file: reader.optional(Key::AccessBasicFile, values::file),
        realm: reader.optional(Key::AccessBasicRealm, realm),
        service: reader.optional(Key::AccessForwardUrl, Service::read),
        pass: reader.members(Key::AccessForwardPass, passed),
        timeout: reader.value(Key::AccessForwardTimeout, values::wait),
        ca: reader.optional(Key::AccessForwardCa, values::file),
        tokens_of: jwt::read(reader),
        sites: SiteRules {
            r#unsafe: reader.value(Key::AccessSiteUnsafe, |text| values::choice(text, &sites)),
            safe: reader.value(Key::AccessSiteSafe, |text| values::choice(text, &sites)),
        },
        keys: reader.fields(Key::AccessSignedKeys),
    }
}

/// The table that is being read; `None` where it is faulty.
fn access(
    name: &str,
    (before, tls): (Option<&Access>, &[&ClientTls]),
    asks: &mut Option<UpstreamParts>,
    reader: &mut Reader<'_>,
) -> Option<Access> {
    let Typed {
        allow,
        deny,
        tokens,
        token_file,
        user_file,
        realm,
        service,
        pass,
        timeout,
        ca,
        tokens_of,
        sites,
        keys,
    } = typed(reader);
    let ways: Vec<&str> = WAYS.into_iter().filter(|way| reader.has_table(way)).collect();
    let [way] = *ways else {
        let message = match &*ways {
            [] => format!("[access.{name}] lets nobody in: write one of {}", WAYS.join(", ")),
            several => format!(
                "[access.{name}] has {}: a table is one way in; write a table for each, and name all that must admit",
                several.join(" and ")
            ),
        };
        reader.fault_of_several(message);
        return None;
    };
    let (mut file, mut fetches) = (None, None);
    let way = match way {
        "clients" => clients(allow, deny, reader)?,
        "bearer" => match (reader.has(Key::AccessBearerTokens), reader.has(Key::AccessBearerFile)) {
            (true, false) => Way::Bearer(Arc::new(of_tokens(&tokens, reader)?)),
            (false, true) => {
                file = Some(token_file?);
                Way::Bearer(of_file(Key::AccessBearerFile, file.as_ref()?, before, reader, Tokens::of_file)?)
            }
            (false, false) => {
                reader.fault_of_table(
                    "bearer",
                    "has no tokens: write tokens = [\"${TOKEN}\"], or file = \"FILE\"",
                );
                return None;
            }
            (true, true) => {
                reader.fault(
                    Key::AccessBearerFile,
                    "stands beside tokens; write them into the file, or leave it out",
                );
                return None;
            }
        },
        "basic" => {
            let users = of_users(before, user_file.as_ref(), reader)?;
            file = user_file;
            Way::Basic(users, realm.unwrap_or_else(|| name.into()))
        }
        "signed" => Way::Signed(signed(&keys, reader)?),
        "jwt" => {
            let compiled = tokens_of.compile(name, before.and_then(known_keys), tls, reader)?;
            (file, fetches) = (compiled.file, compiled.fetches);
            Way::Jwt(compiled.rules)
        }
        "forward" => {
            let tls = Tls { key: Key::AccessForwardCa, ca, before: tls };
            let (target, parts) = asked(service, &tls, reader)?;
            *asks = Some(parts);
            Way::Forward(ForwardAuth { target, pass: pass.into(), timeout })
        }
        _ => Way::FetchSite(sites),
    };
    Some(Access { table: AccessTable { name: name.into(), way }, file, asks: None, fetches })
}

/// Users that stand in a file; right passwords of those that there were `before` are remembered.
fn of_users(before: Option<&Access>, file: Option<&PathBuf>, reader: &mut Reader<'_>) -> Option<Arc<Users>> {
    if !reader.has(Key::AccessBasicFile) {
        let message = "needs a file of users, as htpasswd -B writes it: file = \"FILE\"";
        reader.fault_of_table("basic", message);
        return None;
    }
    let known = before.and_then(users);
    let mut secret = [0; 32];
    if aws_lc_rs::rand::fill(&mut secret).is_err() {
        reader.fault(Key::AccessBasicFile, "needs random numbers, and the system gives none");
        return None;
    }
    let read = |text: &str| Users::of_file(text, &secret, known.map(|users| &**users));
    of_file(Key::AccessBasicFile, file?, before, reader, read)
}

/// The service that is asked, and for what.
fn asked(
    service: Option<Service>,
    tls: &Tls<'_>,
    reader: &mut Reader<'_>,
) -> Option<(Box<str>, UpstreamParts)> {
    if !reader.has(Key::AccessForwardUrl) {
        reader.fault_of_table("forward", "asks nobody: write url = \"http://127.0.0.1:9091/verify\"");
        return None;
    }
    service?.parts(tls, reader)
}

/// Keys of tokens that are known, and the file that they were read from.
fn known_keys(access: &Access) -> Option<(&Arc<KeyStore>, Option<&Path>)> {
    if let Way::Jwt(rules) = &access.table.way { Some((&rules.keys, access.file.as_deref())) } else { None }
}

fn clients(allow: Vec<ipnet::IpNet>, deny: Vec<ipnet::IpNet>, reader: &mut Reader<'_>) -> Option<Way> {
    let keys = [Key::AccessClientsAllow, Key::AccessClientsDeny];
    if !keys.iter().any(|key| reader.has(*key)) {
        reader.fault_of_table("clients", "names no network: write allow = [\"10.0.0.0/8\"], or deny");
        return None;
    }
    Some(Way::Clients(ClientRules::new(allow, deny)))
}

fn signed(keys: &[(String, String)], reader: &mut Reader<'_>) -> Option<Keys> {
    if keys.is_empty() {
        reader.fault_of_table("signed", "has no keys: write keys = { k1 = \"${KEY}\" }");
        return None;
    }
    let keys = Keys::of(keys.iter().map(|(name, key)| (name.as_str(), key.as_str())));
    keys.map_err(|(name, fault)| {
        reader.fault_of_field(Key::AccessSignedKeys, name, format!("\"{name}\" {fault}"));
    })
    .ok()
}

/// Tokens that stand in the file of the configuration itself; what is wrong with one does not tell it.
fn of_tokens(tokens: &[String], reader: &mut Reader<'_>) -> Option<Tokens> {
    match Tokens::of(tokens.iter().map(String::as_str)) {
        Ok(tokens) => Some(tokens),
        Err((at, fault)) => {
            // What is wrong with a list that has none has been told.
            if let Some(token) = tokens.get(at) {
                reader.fault_of_member(Key::AccessBearerTokens, token, fault);
            }
            None
        }
    }
}

/// What a table has out of a file, as it is there.
trait OutOfFile: Sized {
    fn of(way: &Way) -> Option<&Arc<Self>>;
}

impl OutOfFile for Tokens {
    fn of(way: &Way) -> Option<&Arc<Self>> {
        if let Way::Bearer(tokens) = way { Some(tokens) } else { None }
    }
}

impl OutOfFile for Users {
    fn of(way: &Way) -> Option<&Arc<Self>> {
        if let Way::Basic(users, _) = way { Some(users) } else { None }
    }
}

fn users(access: &Access) -> Option<&Arc<Users>> {
    Users::of(&access.table.way)
}

/// What stands in this file; what was read last where it cannot be read now, which is warned of.
fn of_file<T: OutOfFile>(
    key: Key,
    path: &PathBuf,
    before: Option<&Access>,
    reader: &mut Reader<'_>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Arc<T>> {
    let shown = path.display();
    let text = text(path).map_err(|fault| format!("cannot read {shown}: {fault}"));
    let fault = match text.and_then(|text| read(&text).map_err(|fault| format!("{shown}: {fault}"))) {
        Ok(made) => return Some(Arc::new(made)),
        Err(fault) => fault,
    };
    let last =
        before.filter(|before| before.file.as_ref() == Some(path)).and_then(|last| T::of(&last.table.way));
    match last {
        Some(last) => {
            reader.warn(key, format!("{fault}; meanwhile what was read last is used"));
            Some(Arc::clone(last))
        }
        None => {
            reader.fault(key, fault);
            None
        }
    }
}

/// The name of a field by which a service says who asks.
fn passed(text: &str) -> Result<Box<str>, String> {
    match fault_of_set(text) {
        Some(fault) => Err(format!("\"{text}\" {fault}")),
        None => Ok(text.into()),
    }
}

fn realm(text: &str) -> Result<Box<str>, String> {
    let is_fine = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_fine && text.len() <= MAX_REALM {
        Ok(text.into())
    } else {
        Err(format!("is no realm; expected at most {MAX_REALM} characters of ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        super::{compile::compile, sample, settings::Settings},
        *,
    };
    use crate::config::{Config, Routes};

    const ROUTE: &str = "[[route]]\nrespond = {}\n";
    /// That of `pw`, at the lowest cost.
    const ANN: &str = "ann:$2y$04$3o3fA6/w5wF8o9iYQz0hU.C0eT9Jt1Tq2mUqA8w1m0n7hD9rDq4lW\n";

    fn names(config: &Config, list: &AccessList) -> Vec<String> {
        list.ids().iter().map(|id| config.access(*id).name.to_string()).collect()
    }

    #[test]
    fn a_route_and_the_gateway_have_the_tables_that_they_name_the_cheapest_first() {
        let text = format!(
            "[access.robots]\nbearer = {{ tokens = [\"t\"] }}\n[access.office]\nclients.allow = [\"10.0.0.0/8\"]\n\
             [access.page]\nfetch_site = {{}}\n{ROUTE}access = [\"robots\", \"page\", \"office\"]\n\
             [gateway]\naccess = [\"office\"]"
        );
        let (faults, warnings) = sample::notes_of_file(&text, &[]);
        assert_eq!((faults, warnings), (vec![], vec![]));
        let config = sample::compiled(&sample::file(&text, &[]));
        let route = config.routes.typed().next().expect("a route");
        assert_eq!(names(&config, &route.access), ["office", "page", "robots"]);
        assert!(route.access.reads_credentials && route.access.binds_programs);
        let gateway = &config.route(Routes::GATEWAY).access;
        assert_eq!(names(&config, gateway), ["office"]);
        assert!(!gateway.reads_credentials && gateway.binds_programs);
    }

    #[test]
    fn a_table_has_one_way_in_and_every_fault_says_what_to_write() {
        for (table, expected) in [
            (
                "",
                "f:1:9: [access.a] lets nobody in: write one of clients, bearer, jwt, basic, forward, fetch_site, signed",
            ),
            (
                "fetch_site = {}\nclients.deny = [\"10.0.0.0/8\"]",
                "f:1:9: [access.a] has clients and fetch_site: a table is one way in; write a table for each, and name \
                 all that must admit",
            ),
            (
                "clients = {}",
                "f:2:11: access.a.clients: names no network: write allow = [\"10.0.0.0/8\"], or deny",
            ),
            (
                "clients.allow = [\"10.0.0.0/8\", \"x\"]",
                "f:2:32: access.a.clients.allow: \"x\" is no network; expected an address, or one with a prefix such as \
                 10.0.0.0/8 or fd00::/8",
            ),
            (
                "clients.allow = []",
                "f:2:17: access.a.clients.allow: is empty, and so would let nothing in; name what is allowed, or leave \
                 it out",
            ),
            (
                "bearer = {}",
                "f:2:10: access.a.bearer: has no tokens: write tokens = [\"${TOKEN}\"], or file = \"FILE\"",
            ),
            (
                "bearer = { tokens = [\"t\"], file = \"f\" }",
                "f:2:35: access.a.bearer.file: stands beside tokens; write them into the file, or leave it out",
            ),
            (
                "basic.realm = \"x\"",
                "f:2:1: access.a.basic: needs a file of users, as htpasswd -B writes it: file = \"FILE\"",
            ),
            (
                "fetch_site.unsafe = \"same-orign\"",
                "f:2:21: access.a.fetch_site.unsafe: \"same-orign\" is none of any, same-origin, same-site, \
                 none-or-same-site; did you mean same-origin?",
            ),
            ("signed = {}", "f:2:10: access.a.signed: has no keys: write keys = { k1 = \"${KEY}\" }"),
            ("signed.keys = {}", "f:2:1: access.a.signed: has no keys: write keys = { k1 = \"${KEY}\" }"),
            (
                "signed.keys = { k0 = \"0123456789abcdef0123456789abcdef\", k1 = \"hunter2\" }",
                "f:2:63: access.a.signed.keys: \"k1\" is shorter than 32 bytes, and could be guessed from a link; make one \
                 with openssl rand -base64 32",
            ),
            (
                "signed.keys = { \"k 1\" = \"0123456789abcdef0123456789abcdef\" }",
                "f:2:25: access.a.signed.keys: \"k 1\" is no name of a key; expected at most 64 letters, digits, dots, \
                 dashes and underscores",
            ),
            (
                "signed.keys = \"0123456789abcdef0123456789abcdef\"",
                "f:2:15: access.a.signed.keys: is a table of fields: write { NAME = \"value\" }, not a text",
            ),
        ] {
            let (faults, _) =
                sample::notes_of_file(&format!("[access.a]\n{table}\n{ROUTE}access = [\"a\"]"), &[]);
            assert!(faults.iter().any(|fault| fault == expected), "{table}: {faults:#?}");
            assert!(faults.len() <= 2, "{table}: {faults:#?}");
        }
    }

    #[test]
    fn a_service_is_an_upstream_of_its_own_to_which_no_route_leads() {
        let text = "[upstream.web]\nservers = [\"http://127.0.0.1:1\"]\n[access.sso]\n\
                    forward = { url = \"http://127.0.0.1:9091/v\", pass = [\"remote-user\"] }\n\
                    [access.other]\nforward = { url = \"http://127.0.0.1:9092\", pass = [\"x-groups\"] }\n\
                    [[route]]\nupstream = \"web\"\naccess = [\"sso\", \"other\"]\n";
        assert_eq!(sample::notes_of_file(text, &[]), (vec![], vec![]));
        let config = sample::compiled(&sample::file(text, &[]));
        let route = config.routes.typed().next().expect("a route");
        let asked = route.access.ids().iter().map(|id| {
            let upstream = config.upstream(config.asked_by(*id).expect("a service"));
            (&*upstream.name, upstream.endpoints[0].url(), upstream.tls.verifies())
        });
        let expected = [
            ("access:sso", "http://127.0.0.1:9091".to_owned(), true),
            ("access:other", "http://127.0.0.1:9092".to_owned(), true),
        ];
        assert_eq!(asked.collect::<Vec<_>>(), expected);
        assert_eq!(*route.access.spoken_for, [Box::from("remote-user"), Box::from("x-groups")]);
        assert!(route.access.binds_programs && route.access.reads_credentials);
        let named = text.replace("upstream = \"web\"", "upstream = \"access:sso\"");
        let (faults, _) = sample::notes_of_file(&named, &[]);
        assert!(faults[0].contains("there is no upstream \"access:sso\""), "{faults:?}");
        let (_folder, ca, _) = sample::certificate();
        let plain = text.replace("9091/v\"", &format!("9091/v\", ca = {ca:?}"));
        let (_, warnings) = sample::notes_of_file(&plain, &[]);
        assert_eq!(warnings, ["f:4:51: access.sso.forward.ca: has no effect: the service is not https"]);
    }

    #[test]
    fn what_cannot_be_asked_or_verified_says_what_to_write() {
        for (table, expected) in [
            (
                "jwt.leeway = \"1s\"",
                "f:2:1: access.a.jwt: knows no key: write jwks = \"https://id.example/jwks\", or secret = \"${SECRET}\"",
            ),
            (
                "jwt = { jwks = \"https://a\", secret = \"b\" }",
                "f:2:38: access.a.jwt.secret: stands beside jwks: tokens are signed with one or the other; leave one of them \
                 out",
            ),
            (
                "jwt.secret = \"0123456789abcdef\"",
                "f:2:14: access.a.jwt.secret: is shorter than the 32 bytes that its algorithms need",
            ),
            (
                "jwt = { jwks = \"https://a\", algorithms = [\"RS256\", \"HS256\"] }",
                "f:2:52: access.a.jwt.algorithms: HS256 needs a secret, and jwks holds public keys; leave it out",
            ),
            (
                "jwt = { jwks = \"https://a\", algorithms = [\"none\"] }",
                "f:2:43: access.a.jwt.algorithms: \"none\" is no algorithm; expected RS256, RS384, RS512, PS256, PS384, \
                 PS512, ES256, ES384, EdDSA, or with a secret HS256, HS384, HS512",
            ),
            (
                "jwt.jwks = \"/no/such/file\"",
                "f:2:12: access.a.jwt.jwks: cannot read /no/such/file: No such file or directory (os error 2)",
            ),
            (
                "forward.timeout = \"1s\"",
                "f:2:1: access.a.forward: asks nobody: write url = \"http://127.0.0.1:9091/verify\"",
            ),
            (
                "forward = { url = \"auth:9091\" }",
                "f:2:19: access.a.forward.url: \"auth:9091\" is no service; write http://auth:9091 or https://auth:9091",
            ),
            (
                "forward = { url = \"http://127.0.0.1:3000/v\" }",
                "f:2:19: access.a.forward.url: 127.0.0.1:3000 is corsair's own listener 127.0.0.1:3000; give the \
                 application's address",
            ),
            (
                "forward = { url = \"http://a\", pass = [\"X-Ok\", \"Content-Length\"] }",
                "f:2:47: access.a.forward.pass: \"Content-Length\" frames the body, which corsair does; leave it out",
            ),
            (
                "forward = { url = \"https://a\", ca = \"/no/such/file\" }",
                "f:2:37: access.a.forward.ca: cannot read /no/such/file: there is no such file; check the path",
            ),
        ] {
            let (faults, _) =
                sample::notes_of_file(&format!("[access.a]\n{table}\n{ROUTE}access = [\"a\"]"), &[]);
            assert_eq!(faults, [expected], "{table}");
        }
    }

    #[test]
    fn tokens_that_may_be_for_others_are_warned_of() {
        let warned = |more: &str| {
            let text = format!("[access.a]\njwt = {{ jwks = \"{more} }}\n{ROUTE}access = [\"a\"]");
            let (faults, warnings) = sample::notes_of_file(&text, &[]);
            assert!(faults.is_empty(), "{faults:?}");
            warnings.join("; ")
        };
        assert_eq!(warned("https://a/k\", issuer = \"i\", audience = [\"a\"]"), "");
        let both = warned("https://a/k\"");
        assert!(both.contains("names no audience") && both.contains("names no issuer"), "{both}");
        let plain = warned("http://id.example/k\", issuer = \"i\", audience = [\"a\"]");
        assert!(plain.contains("over plain http"), "{plain}");
        assert_eq!(warned("http://127.0.0.1:1/k\", issuer = \"i\", audience = [\"a\"]"), "");
    }

    #[test]
    fn a_list_names_tables_that_are_there_once_and_read_no_field_twice() {
        let tables = "[access.staff]\nbearer.tokens = [\"t\"]\n[access.page]\nfetch_site = {}\n\
                      [access.robots]\nbearer.tokens = [\"u\"]\n[access.idle]\nclients.deny = [\"10.0.0.0/8\"]\n";
        for (list, expected) in [
            ("[\"stuff\"]", "there is no access \"stuff\"; did you mean staff?"),
            ("[\"page\", \"page\"]", "\"page\" is named twice"),
            (
                "[\"staff\", \"robots\"]",
                "\"robots\" reads Authorization, and so does \"staff\": name one of them",
            ),
            ("[\"\"]", "is empty; give a value, or leave it out"),
        ] {
            let (faults, _) = sample::notes_of_file(&format!("{tables}{ROUTE}access = {list}"), &[]);
            assert!(
                faults.len() == 1 && faults[0].ends_with(&format!(": route.access: {expected}")),
                "{faults:?}"
            );
            let (faults, _) = sample::notes_of_file(&format!("{tables}[gateway]\naccess = {list}"), &[]);
            assert!(
                faults.len() == 1 && faults[0].ends_with(&format!(": gateway.access: {expected}")),
                "{faults:?}"
            );
        }
        let (faults, warnings) =
            sample::notes_of_file(&format!("{tables}{ROUTE}access = [\"staff\", \"page\"]"), &[]);
        let idle = |at: &str, name: &str| {
            format!(
                "f:{at}: access.{name}: lets nobody in and keeps nobody out: no route names it, nor does a gateway or a forward \
                 proxy"
            )
        };
        assert_eq!((faults, warnings), (vec![], vec![idle("5:9", "robots"), idle("7:9", "idle")]));
    }

    #[test]
    fn a_published_gateway_is_restricted_by_what_binds_programs() {
        for (way, is_open) in [
            ("clients.allow = [\"10.0.0.0/8\"]", false),
            ("clients.allow = [\"0.0.0.0/1\", \"128.0.0.0/1\"]", true),
            ("clients.deny = [\"10.0.0.0/8\"]", true),
            ("bearer.tokens = [\"t\"]", false),
            ("fetch_site = {}", true),
            ("signed.keys = { k = \"0123456789abcdef0123456789abcdef\" }", false),
        ] {
            let text =
                format!("[access.a]\n{way}\n[gateway]\naccess = [\"a\"]\n[[listen]]\naddress = \":80\"");
            let (faults, _) = sample::notes_of_file(&text, &[]);
            assert_eq!(
                faults.iter().any(|fault| fault.contains("let anyone reach any site")),
                is_open,
                "{way}: {faults:?}"
            );
        }
    }

    #[test]
    fn tokens_are_told_to_nobody() {
        let text =
            format!("[access.a]\nbearer.tokens = [\"hunter 2\", \"${{PATH}}\"]\n{ROUTE}access = [\"a\"]");
        let (faults, _) = sample::notes_of_file(&text, &[]);
        assert_eq!(
            faults,
            [
                "f:2:18: access.a.bearer.tokens: is no token; expected visible ASCII without blanks, or sha256:HEX"
            ]
        );
        let settings = sample::file(&text, &[]);
        let shown = settings.file.as_ref().expect("a file").shown();
        assert!(!shown.contains("hunter") && shown.contains("bearer.tokens"), "{shown}");
        let printed = crate::config::printed::printed(&settings);
        assert!(
            printed.contains("bearer.tokens = [\"***\", \"${PATH}\"]") && !printed.contains("hunter"),
            "{printed}"
        );
    }

    #[test]
    fn keys_are_told_to_nobody_however_their_table_is_written() {
        for table in [
            "signed = { keys = { k1 = \"hunter2hunter2hunter2hunter2hunter2\" } }",
            "signed.keys.k1 = \"hunter2hunter2hunter2hunter2hunter2\"",
            "[access.a.signed.keys]\nk1 = \"hunter2hunter2hunter2hunter2hunter2\"",
        ] {
            let settings = sample::file(&format!("[access.a]\n{table}\n{ROUTE}access = [\"a\"]"), &[]);
            let shown = settings.file.as_ref().expect("a file").shown();
            assert!(!shown.contains("hunter") && shown.contains("k1"), "{shown}");
            let printed = crate::config::printed::printed(&settings);
            assert!(
                printed.contains("signed.keys = { \"k1\" = \"********************************\" }")
                    && !printed.contains("hunter"),
                "{printed}"
            );
            let again = sample::compiled(&sample::file(&printed, &[]));
            assert!(again.takes.signatures && !again.takes.tokens);
        }
        let (faults, _) = sample::notes_of_file(
            &format!("[access.a]\nsigned.keys = \"hunter2\"\n{ROUTE}access = [\"a\"]"),
            &[],
        );
        assert!(faults.iter().all(|fault| !fault.contains("hunter2")), "{faults:?}");
    }

    #[test]
    fn a_token_of_a_flag_restricts_the_gateway_and_what_flags_serve() {
        let with = |text: &str, flags: &[(Key, &str)]| {
            let flags = [&[(Key::Token, "t,u")], flags].concat();
            sample::compiled(&sample::file(text, &flags))
        };
        let gateway = with("", &[]);
        let list = &gateway.route(Routes::GATEWAY).access;
        assert_eq!(names(&gateway, list), ["token"]);
        assert!(list.takes_token && list.binds_programs && !list.reads_credentials && gateway.takes.tokens);
        let both = with(
            "[access.office]\nclients.allow = [\"10.0.0.0/8\"]\n[access.robots]\nbearer.tokens = [\"v\"]\n\
             [gateway]\naccess = [\"robots\", \"office\"]",
            &[],
        );
        assert_eq!(names(&both, &both.route(Routes::GATEWAY).access), ["office", "robots", "token"]);
        let beside = with(&format!("{ROUTE}path = \"/own\"\n"), &[(Key::Upstream, "http://127.0.0.1:9001")]);
        let routes = beside
            .routes
            .typed()
            .map(|route| (route.leads_to.upstream().is_some(), route.access.ids().len()));
        assert_eq!(routes.collect::<Vec<_>>(), [(false, 0), (true, 1)]);
        let nobody = sample::compiled(&sample::file("", &[]));
        assert!(nobody.route(Routes::GATEWAY).access.ids().is_empty() && !nobody.takes.tokens);
    }

    #[test]
    fn what_is_wrong_with_a_token_of_a_flag_is_told_without_it() {
        let variable = env!("CARGO_PKG_DESCRIPTION");
        for (text, flags, fault, warning) in [
            ("", &[(Key::Token, "")][..], Some("--token: is empty; give a value, or leave it out"), None),
            (
                "",
                &[(Key::Token, "a,,b")],
                Some("--token: has an empty member; expected a value before and after every comma"),
                None,
            ),
            (
                "",
                &[(Key::Token, "hunter 2")],
                Some("--token: is no token; expected visible ASCII without blanks, or sha256:HEX"),
                None,
            ),
            (
                "",
                &[(Key::Token, "${CARGO_PKG_DESCRIPTION}")],
                Some("--token: is no token; expected visible ASCII without blanks, or sha256:HEX"),
                None,
            ),
            (
                "",
                &[(Key::Token, "${NO_SUCH_VARIABLE_HERE}")],
                Some("--token: there is no environment variable NO_SUCH_VARIABLE_HERE; set it"),
                None,
            ),
            ("", &[(Key::Token, "t"), (Key::Listen, ":80")], None, None),
            (
                "[[route]]\nrespond = {}",
                &[(Key::Token, "t")],
                Some(
                    "--token: restricts nothing: there is neither a gateway nor an --upstream; name tables of [access] in the \
                     access of each route instead",
                ),
                None,
            ),
            (
                "[[route]]\nrespond = {}\n[gateway]",
                &[(Key::Token, "t")],
                None,
                Some(
                    "--token: restricts no [[route]] of the file; name tables of [access] in the access of each route instead",
                ),
            ),
            (
                "[gateway]\naccess = [\"token\"]",
                &[(Key::Token, "t")],
                Some("f:2:11: gateway.access: there is no access \"token\"; write a table [access.token]"),
                None,
            ),
            (
                "[access.token]\nbearer.tokens = [\"u\"]\n[gateway]\naccess = [\"token\"]",
                &[(Key::Token, "t")],
                Some(
                    "f:1:9: [access.token] is what --token is called in log and metrics; give it another name",
                ),
                None,
            ),
        ] {
            let (faults, warnings) = sample::notes_of_file(text, flags);
            let told = |lines: &[String], expected: Option<&str>| {
                lines.first().map(String::as_str) == expected && lines.len() <= 1
            };
            assert!(
                told(&faults, fault) && told(&warnings, warning),
                "{text} {flags:?}: {faults:#?} {warnings:#?}"
            );
            assert!(
                !faults.iter().any(|fault| fault.contains("hunter") || fault.contains(variable)),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_file_is_read_anew_and_kept_where_it_cannot_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let [tokens, users] = ["tokens", "users"].map(|name| folder.path().join(name));
        let settings = || -> Settings {
            let text = format!(
                "[access.robots]\nbearer.file = {tokens:?}\n[access.staff]\nbasic.file = {users:?}\n\
                 {ROUTE}access = [\"robots\"]\n{ROUTE}path = \"/s\"\naccess = [\"staff\"]"
            );
            sample::file(&text, &[])
        };
        let noted = |before: Option<&Config>| compile(&settings(), sample::MACHINE, before);
        let faults = noted(None).err().expect("no such files");
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().all(|fault| fault.message.starts_with("cannot read ")), "{faults:?}");
        let admits = |config: &Config, token: &[u8]| {
            let Way::Bearer(tokens) = &config.access(AccessId(0)).way else { panic!("tokens") };
            tokens.admit(token)
        };
        fs::write(&tokens, "one\n").expect("written");
        fs::write(&users, ANN).expect("written");
        let (first, warnings) = noted(None).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(warnings.is_empty() && admits(&first, b"one") && !admits(&first, b"two"));
        fs::write(&tokens, "two\n").expect("written");
        let (next, warnings) = noted(Some(&first)).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(warnings.is_empty() && !admits(&next, b"one") && admits(&next, b"two"));
        fs::remove_file(&tokens).expect("removed");
        fs::write(&users, "ann:plain\n").expect("written");
        let (kept, warnings) = noted(Some(&next)).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(admits(&kept, b"two"));
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|told| told.ends_with("; meanwhile what was read last is used")), "{told:?}");
        assert!(told[1].contains("line 1 has no bcrypt hash") && !told[1].contains("plain"), "{told:?}");
    }
}

//! Settings to configuration: every setting read, every check made.
//!
//! Every fault is reported, not the first: the tables beside this file read each setting on its own, and here is
//! judged what concerns several of them together. Only what passes without a fault becomes a [`Config`].

use std::collections::{HashMap, hash_map::Entry};

use super::{
    access::{AccessList, Accesses, takes},
    admin::{self, Admin},
    configuration::Config,
    dns,
    endpoint::Place as UpstreamPlace,
    forward::{self, ForwardParts},
    gateway::{self, Cookies, GatewayParts},
    keys::Key,
    limit::{LimitList, LimitTables},
    limits::{self, Limits},
    listen::{self, Listener},
    log::{self, Log},
    machine::Machine,
    notes::{ConfigFault, Notes},
    parent_proxy::{self, ParentParts},
    places::Places,
    policies::Policies,
    policy::PolicyId,
    process,
    reader::Reader,
    route::{self, LeadsTo, Route, RouteParts},
    routes::Routes,
    settings::{Part, Section, Settings},
    shorthand,
    timeouts::{self, Timeouts},
    trust,
    upstream::{HostHeader, Upstream, UpstreamId},
    upstreams::{self, Upstreams},
};
use crate::{
    cors::{CorsPolicy, CorsSettings},
    tls::ClientTls,
    uri::Scheme,
};

/// The configuration that `settings` ask for on this `machine`, with what deserves a warning. Where it follows another
/// one, its listeners keep the places that they had `before`.
///
/// Reads the files that the settings name.
///
/// # Errors
/// Everything that is wrong.
pub fn compile(
    settings: &Settings,
    machine: Machine,
    before: Option<&Config>,
) -> Result<(Config, Vec<ConfigFault>), Vec<ConfigFault>> {
    let mut reader = Reader::new(settings);
    let config = read(settings, machine, before, &mut reader);
    let Notes { faults, warnings } = reader.into_notes();
    config.filter(|_| faults.is_empty()).map(|config| (config, warnings)).ok_or(faults)
}

/// Reads every setting; `None` if what was typed is too faulty to make anything of it.
fn read<'a>(
    settings: &'a Settings,
    machine: Machine,
    before: Option<&Config>,
    reader: &mut Reader<'a>,
) -> Option<Config> {
    let mut process = process::read(machine, reader);
    let policies = Policies::read(reader);
    let mut accesses = Accesses::read(before.map_or(&[], |before| &before.access), &tls_of(before), reader);
    let limit_tables = LimitTables::read(before.map_or(&[], |before| &before.limit_tables), reader);
    let (gateway, forward) = (gateway::read(reader), forward::read(reader));
    let (mut limits, timeouts) = (limits::read(reader), timeouts::read(reader));
    let parents = parent_proxy::read(reader);
    let upstreams = accesses.served(Upstreams::read(&tls_of(before), &parents, reader), reader);
    let routes = typed_routes(upstreams.of_flags, reader);
    let hosts = routes.iter().filter_map(|(_, parts)| parts.host.as_ref());
    let hosts: Vec<String> = hosts.filter(|host| !host.is_every()).map(ToString::to_string).collect();
    let listeners_before = before.map_or(&[][..], |before| &before.listeners);
    let listeners = listen::read(&hosts, listeners_before, reader);
    let (trust, dns, dev) = (trust::read(reader), dns::read(reader), dev(&listeners, reader));
    let (mut log, mut admin) = (log::read(reader), admin::read(reader));
    process.largest_head = limits.head.max(limits.response_head);
    if let Some(before) = before {
        process = process::kept(process, &before.process, reader);
        keep(before, process.largest_head, (&mut limits, &mut log, admin.as_mut()), reader);
    }

    let admitted = published(&listeners, (&gateway, &forward), (&policies, &accesses, &limit_tables), reader);
    let only_origins = admitted.only_origins;
    if listeners.iter().any(|listener| listener.tls.is_some()) {
        policies.warn_behind_tls(reader);
    }
    upstreams.refuse_loops(&listeners, reader);
    let reach_targets = gateway.forms.is_some() || forward.is_on;
    judge_parents(&parents, &listeners, reach_targets || upstreams.have_parents(), reader);
    warn_of_what_is_out_of_reach(&listeners, (&gateway, &forward), !routes.is_empty(), reader);
    judge_token(gateway.forms.is_some() || upstreams.of_flags || dev, &routes, reader);
    warn_of_idle_flags((&gateway, &forward), &upstreams, &parents, &limit_tables, reader);
    warn_of_a_shared_origin(&gateway, !routes.is_empty(), reader);
    warn_of_cookies(&gateway, !routes.is_empty(), policies.get(admitted.gateway_policy), reader);
    warn_of_secrets_for_anybody(&gateway, &admitted.gateway.0, (&policies, admitted.gateway_policy), reader);
    refuse_to_serve_nothing(!routes.is_empty() || reach_targets || upstreams.of_flags, reader);
    let hosts = asked_hosts(reader);
    let example_fields = example_fields(&policies.settings, &gateway, &hosts, reader.has(Key::Token));
    let gateway_policy = admitted.gateway_policy;
    let own = own_routes(admitted, &timeouts, &limits);
    let places = places(&routes, reader);
    let bounds = (&timeouts, &limits, process.largest_head);
    let routes = compiled(own, routes, (&policies, &accesses, &limit_tables, &upstreams), bounds, reader);
    let gateway_asks = gateway.forms.is_some() && policies.asks_for_host(gateway_policy);
    ask_for_hosts(&listeners, routes.as_ref(), gateway_asks, reader);
    upstreams.warn_of_idle_ones(reader);
    policies.warn_of_idle_ones(reader);
    accesses.warn_of_idle_ones(reader);
    limit_tables.warn_of_idle_ones(reader);
    let gateway = gateway.gateway(only_origins, upstreams.tls.clone(), parents.shared())?;
    let forward = forward.forward(parents.shared())?;
    let listeners = listen::in_place(listeners, listeners_before)
        .map_err(|fault| reader.fault(Key::Listen, fault))
        .ok()?;
    let (policies, policy_places) = policies.into_compiled();
    let access = accesses.into_compiled()?;
    Some(Config {
        process,
        dev,
        listeners,
        policies: policies?,
        takes: takes(&access),
        access,
        limit_tables: limit_tables.into_compiled()?,
        upstreams: probed(upstreams.into_compiled()?, routes.as_ref()?),
        routes: routes?,
        gateway,
        forward,
        timeouts,
        limits,
        trust,
        dns,
        log,
        admin: admin?,
        content: settings.content,
        files: settings.files(),
        file: settings.file.clone(),
        example_fields,
        client_path: shorthand::client_path(reader),
        places: Places { policies: policy_places, ..places },
    })
}

/// Whom gateway and forward proxy admit.
struct Admitted {
    gateway_policy: PolicyId,
    gateway: (AccessList, LimitList),
    forward: (AccessList, LimitList),
    /// Who is told why a page is refused.
    local: AccessList,
    /// Nothing but the list of origins restricts who uses the gateway.
    only_origins: bool,
}

/// Takes back what cannot change while the process lives.
fn keep(
    before: &Config,
    largest_head: usize,
    (limits, log, admin): (&mut Limits, &mut Log, Option<&mut Admin>),
    reader: &mut Reader<'_>,
) {
    limits::keep(limits, &before.limits, largest_head, reader);
    log::keep(log, &before.log, reader);
    if let Some(admin) = admin {
        admin::keep(admin, &before.admin, reader);
    }
}

/// Whom gateway and forward proxy admit; where that is everybody, they are published knowingly or not at all.
fn published<'a>(
    listeners: &[Listener],
    (gateway, forward): (&GatewayParts, &ForwardParts),
    (policies, accesses, limit_tables): (&Policies<'a>, &Accesses<'a>, &LimitTables<'a>),
    reader: &mut Reader<'a>,
) -> Admitted {
    let gateway_policy = policies.find(Key::GatewayCors, &gateway.cors, reader);
    let gateway_access = accesses.find(Key::GatewayAccess, &gateway.access, reader);
    let forward_access = accesses.find(Key::ForwardAccess, &forward.access, reader);
    let is_bound = gateway.open || gateway_access.binds_programs;
    refuse_an_open_gateway(listeners, gateway, is_bound, (policies, gateway_policy), reader);
    judge_an_open_forward_proxy(listeners, forward, &forward_access, reader);
    let only_origins = !is_bound && gateway.rules.as_ref().is_some_and(|rules| !rules.is_list());
    let of_gateway = (Key::GatewayLimit, &*gateway.limit, gateway.forms.is_some());
    let gateway = admits(of_gateway, gateway_access, limit_tables, reader);
    let of_forward = (Key::ForwardLimit, &*forward.limit, forward.is_on);
    let forward = admits(of_forward, forward_access, limit_tables, reader);
    Admitted { gateway_policy, gateway, forward, local: accesses.of_flags(), only_origins }
}

/// What must admit requests for the gateway, or for the forward proxy: what it names, and what a flag says beside it.
fn admits<'a>(
    (key, limit, is_on): (Key, &[String], bool),
    access: AccessList,
    limit_tables: &LimitTables<'a>,
    reader: &mut Reader<'a>,
) -> (AccessList, LimitList) {
    let asks = !access.ids().is_empty();
    let named = limit_tables.find(key, limit, asks, reader);
    (access, if is_on { named.and(limit_tables.of_flag()) } else { named })
}

/// Where others reach a listener, nobody but the operator knows under which names. What a preset is for trusts who gets
/// to it, and a page under any other name that leads there would be no other origin.
fn ask_for_hosts(
    listeners: &[Listener],
    routes: Option<&Routes>,
    gateway_asks: bool,
    reader: &mut Reader<'_>,
) {
    let routes_ask = routes.is_some_and(|routes| routes.typed().any(|route| route.asks_for_host));
    let is_asked = |listener: &&Listener| listener.gateway && gateway_asks || listener.routes && routes_ask;
    let nameless = |listener: &&Listener| !listener.is_loopback() && listener.required_hosts.is_none();
    let addresses: Vec<String> = listeners
        .iter()
        .filter(is_asked)
        .filter(nameless)
        .map(|listener| listener.address.to_string())
        .collect();
    if !addresses.is_empty() {
        let message = format!(
            "is missing: others reach {}, and a preset asks for the names under which browsers come there, such as \
             mcp.example.com",
            addresses.join(" and ")
        );
        reader.fault(Key::AllowHost, message);
    }
}

fn refuse_to_serve_nothing(serves: bool, reader: &mut Reader<'_>) {
    if !serves {
        reader.fault_of_several(
            "nothing is served: add a [[route]] that leads to an upstream, [gateway] or [forward]".into(),
        );
    }
}

/// Whether pages are told why they are refused: that names files and settings, which is for who develops here, or shows a
/// token.
fn dev(listeners: &[Listener], reader: &mut Reader<'_>) -> bool {
    let dev = reader.switch(Key::Dev);
    if let Some(published) = listeners.iter().find(|listener| !listener.is_loopback())
        && dev
        && !reader.has(Key::Token)
    {
        let message = format!(
            "tells pages which settings refuse them, and others can reach {}; listen on this machine alone, have it ask for \
             a token with {}, or leave it out",
            published.address,
            reader.spelled(Key::Token)
        );
        reader.fault(Key::Dev, message);
    }
    dev
}

/// The routes that nobody has typed.
fn own_routes(admitted: Admitted, timeouts: &Timeouts, limits: &Limits) -> [Route; 3] {
    let Admitted { gateway_policy, gateway, forward, local, .. } = admitted;
    let plain = |name, leads_to, policy, admits| {
        Route::plain(name, leads_to, policy, admits, timeouts.clone(), limits.clone())
    };
    [
        plain("local", LeadsTo::Nothing, PolicyId::DEFAULT, (local, LimitList::default())),
        plain(Routes::GATEWAY_NAME, LeadsTo::Gateway, gateway_policy, gateway),
        // Its policy is asked of nothing.
        plain(Routes::FORWARD_NAME, LeadsTo::Forward, PolicyId::DEFAULT, forward),
    ]
}

/// How TLS is spoken under a configuration.
fn tls_of(config: Option<&Config>) -> Vec<&ClientTls> {
    let gateways = config.and_then(|config| config.gateway.as_ref()).map(|gateway| &gateway.tls);
    let upstreams = config.into_iter().flat_map(|config| &config.upstreams);
    let sources = config.into_iter().flat_map(Config::key_sources).map(|(source, _)| &source.upstream.tls);
    upstreams.map(|upstream| &upstream.tls).chain(gateways).chain(sources).collect()
}

/// Upstreams whose probes ask as requests of the first route do that leads there.
fn probed(mut upstreams: Vec<Upstream>, routes: &Routes) -> Vec<Upstream> {
    for (upstream, id) in upstreams.iter_mut().zip(0..) {
        let leads_there = |route: &&Route| route.leads_to == LeadsTo::Upstream(UpstreamId(id));
        if let Some(route) = routes.typed().find(leads_there) {
            upstream.host_header = route.host_header.clone();
        }
    }
    upstreams
}

/// What is typed of every route, with its table; that of the flags has none.
fn typed_routes<'a>(of_flags: bool, reader: &mut Reader<'a>) -> Vec<(Option<&'a Section>, RouteParts)> {
    // Read in any case: a fault in it does not wait for the day when there is an upstream.
    let flags = route::read(reader);
    let mut routes: Vec<(Option<&Section>, RouteParts)> = Vec::new();
    for table in reader.parts(Part::Route) {
        let parts = reader.within(table, |reader| route::read(reader));
        // Flags say where everything goes that no narrower route takes.
        if !(of_flags && parts.takes_everything()) {
            routes.push((Some(table), parts));
        }
    }
    if of_flags {
        routes.push((None, flags));
    }
    routes
}

/// Where the settings of gateway, forward proxy and these routes were typed.
fn places<'a>(routes: &[(Option<&'a Section>, RouteParts)], reader: &mut Reader<'a>) -> Places {
    let [gateway, forward] = ["gateway", "forward"].map(|table| reader.places(&format!("{table}."), table));
    let of_route = |(table, _): &(Option<&'a Section>, RouteParts)| match table {
        Some(table) => reader.within(table, |reader| reader.places("route.", "route")),
        None => reader.places("route.", "route"),
    };
    Places { policies: Vec::new(), gateway, forward, routes: routes.iter().map(of_route).collect() }
}

/// All routes, with what each leads to; `None` where one is faulty.
fn compiled<'a>(
    own: [Route; 3],
    typed: Vec<(Option<&'a Section>, RouteParts)>,
    (policies, accesses, limit_tables, upstreams): (
        &Policies<'a>,
        &Accesses<'a>,
        &LimitTables<'a>,
        &Upstreams<'a>,
    ),
    (timeouts, limits, largest_head): (&Timeouts, &Limits, usize),
    reader: &mut Reader<'a>,
) -> Option<Routes> {
    if typed.len() > Routes::MOST {
        reader.fault_of_several(format!("there are {} routes; at most {} can be", typed.len(), Routes::MOST));
        return None;
    }
    refuse_twins(&typed, reader);
    let mut routes = Some(Vec::new());
    for (table, mut parts) in typed {
        let (leads_to, policy, admits, bounds) = match table {
            None => {
                let to = upstreams.find(Key::Upstream, upstreams::DEFAULT, reader).map(LeadsTo::Upstream);
                let admits = (accesses.of_flags(), limit_tables.of_flag());
                (to, PolicyId::DEFAULT, admits, (timeouts.clone(), limits.clone()))
            }
            Some(table) => reader.within(table, |reader| {
                let policy = policies.find(Key::RouteCors, &parts.cors, reader);
                let access = accesses.find(Key::RouteAccess, &parts.access, reader);
                let asks = !access.ids().is_empty();
                let limit = limit_tables.find(Key::RouteLimit, &parts.limit, asks, reader);
                let to = leads_to(&mut parts, upstreams, reader);
                warn_of_what_a_parent_renames(to.as_ref(), &parts, upstreams, reader);
                (to, policy, (access, limit), route::bounds(reader, limits, largest_head))
            }),
        };
        let route = leads_to.and_then(|leads_to| parts.route(leads_to, policy, admits, bounds));
        routes = routes.zip(route).map(|(mut routes, (host, path, mut route))| {
            route.asks_for_host = policies.asks_for_host(policy);
            routes.push((host, path, route));
            routes
        });
    }
    // Two that take the same have been told of.
    Routes::new(own, routes?).ok()
}

/// Of two routes for the same host and path, one would never be taken.
fn refuse_twins<'a>(routes: &[(Option<&'a Section>, RouteParts)], reader: &mut Reader<'a>) {
    let mut first = HashMap::new();
    for (table, parts) in routes {
        let (Some(table), Some(host), Some(path)) = (table, &parts.host, &parts.path) else { continue };
        match first.entry((host, path)) {
            Entry::Vacant(entry) => {
                entry.insert(table);
            }
            Entry::Occupied(entry) => {
                let line = entry.get().place.as_ref().map_or(0, |place| place.line_and_column().0);
                let message =
                    format!("host and path are those of the route at line {line}; change one of them");
                reader.within(table, |reader| reader.fault(Key::RoutePath, message));
            }
        }
    }
}

/// Where a route leads; `None` where that is faulty.
fn leads_to(parts: &mut RouteParts, upstreams: &Upstreams<'_>, reader: &mut Reader<'_>) -> Option<LeadsTo> {
    match (parts.upstream.take(), parts.respond.take()) {
        (Some(name), None) => upstreams.find(Key::RouteUpstream, &name, reader).map(LeadsTo::Upstream),
        (None, Some(respond)) => Some(LeadsTo::Respond(respond)),
        (Some(_), Some(_)) => {
            reader.fault(Key::RouteUpstream, "stands beside respond: a route leads to one of them");
            None
        }
        (None, None) => {
            let message = "is missing: name an upstream, or write respond = { status = 404 }";
            reader.fault(Key::RouteUpstream, message);
            None
        }
    }
}

/// A parent proxy that gets requests itself asks servers by their own names, whatever `Host` it gets.
fn warn_of_what_a_parent_renames(
    to: Option<&LeadsTo>,
    parts: &RouteParts,
    upstreams: &Upstreams<'_>,
    reader: &mut Reader<'_>,
) {
    let is_other = matches!(parts.host_header, HostHeader::Keep | HostHeader::Named(_));
    if is_other && to.and_then(LeadsTo::upstream).is_some_and(|id| upstreams.have_parent_for_http(id)) {
        let message =
            "has no effect on http servers that are asked through a parent: it asks them by their own names";
        reader.warn(Key::HostHeader, message);
    }
}

/// A gateway that strangers can reach must be restricted by something, or published knowingly: else it is an
/// open proxy, found by scanners within hours.
fn refuse_an_open_gateway<'a>(
    listeners: &[Listener],
    gateway: &GatewayParts,
    is_bound: bool,
    (policies, policy): (&Policies<'a>, PolicyId),
    reader: &mut Reader<'a>,
) {
    // What cannot be read was meant to restrict: its own fault is enough.
    let restricted =
        policies.is_list(policy) || is_bound || gateway.rules.as_ref().is_none_or(|rules| rules.is_list());
    let published: Vec<String> = listeners
        .iter()
        .filter(|listener| listener.gateway && !listener.is_loopback())
        .map(|listener| listener.address.to_string())
        .collect();
    if gateway.forms.is_none() || restricted || published.is_empty() {
        return;
    }
    let mut no_list = String::new();
    if let Some(stranger) = policies.get(policy).and_then(|cors| cors.strangers().first()) {
        no_list = format!(", for the origin {stranger} can be anybody's");
    } else if reader.has(Key::AllowTarget) {
        no_list = ", for those targets are no list".to_owned();
    }
    let mut ways = vec![policies.spelled(policy, Key::AllowOrigin, reader), reader.spelled(Key::AllowTarget)];
    ways.push(reader.spelled(if reader.has_file() { Key::GatewayAccess } else { Key::Token }));
    let last = ways.pop().unwrap_or_default();
    let message = format!(
        "a gateway on {} would let anyone reach any site through this machine{no_list}; restrict it with {} or {last}, or \
         publish it knowingly with {}",
        published.join(" and "),
        ways.join(", "),
        reader.spelled_with(Key::Open, "true"),
    );
    reader.fault_of_several(message);
}

/// What `--token` restricts is the gateway, and what flags serve.
fn judge_token(has_effect: bool, routes: &[(Option<&Section>, RouteParts)], reader: &mut Reader<'_>) {
    if !reader.has(Key::Token) {
        return;
    }
    let instead = "name tables of [access] in the access of each route instead";
    if !has_effect {
        let message = format!("restricts nothing: there is neither a gateway nor an --upstream; {instead}");
        reader.fault(Key::Token, message);
    } else if routes.iter().any(|(table, _)| table.is_some()) {
        let message = format!("restricts no [[route]] of the file; {instead}");
        reader.warn(Key::Token, message);
    }
}

/// A forward proxy that strangers can reach is for those whom a table of access lets in, or published knowingly, which is warned
/// of. What targets it has does not matter: whoever is not meant to use it hides behind it.
fn judge_an_open_forward_proxy(
    listeners: &[Listener],
    forward: &ForwardParts,
    access: &AccessList,
    reader: &mut Reader<'_>,
) {
    let published: Vec<String> = listeners
        .iter()
        .filter(|listener| listener.forward && !listener.is_loopback())
        .map(|listener| listener.address.to_string())
        .collect();
    if !forward.is_on || access.binds_programs || published.is_empty() {
        return;
    }
    let addresses = published.join(" and ");
    if forward.open {
        let key = if reader.has(Key::ForwardOpen) { Key::ForwardOpen } else { Key::Open };
        let message = format!(
            "anyone who reaches {addresses} can reach every target of the forward proxy through this machine, and in its name"
        );
        return reader.warn(key, message);
    }
    let nobody =
        if access.ids().is_empty() { "" } else { ", for what it names binds pages or nobody at all" };
    let open = if reader.has_file() { "forward.open = true" } else { "--open" };
    let message = format!(
        "a forward proxy on {addresses} would let anyone reach any site through this machine{nobody}; name those who may use it \
         in forward.access, serve it on loopback alone, or publish it knowingly with {open}"
    );
    reader.fault_of_several(message);
}

/// A parent that is our own listener would ask itself for every destination, and one that nobody asks was meant to be asked.
fn judge_parents(parents: &ParentParts, listeners: &[Listener], are_used: bool, reader: &mut Reader<'_>) {
    if reader.has_table("proxy") && !are_used {
        let message = "has no effect: there is neither gateway nor forward proxy, and no upstream has proxy = \"parent\"";
        reader.warn_of_table("proxy".to_owned(), message);
    }
    for (key, scheme) in [(Key::ProxyHttp, Scheme::Http), (Key::ProxyHttps, Scheme::Https)] {
        let Some(parent) = parents.proxies.of_scheme(scheme) else { continue };
        let place = UpstreamPlace::Port(parent.host(), parent.port());
        if let Some(address) = upstreams::own_listener(place, listeners) {
            let key = if reader.has(key) { key } else { Key::ProxyEnvironment };
            let message =
                format!("{} is corsair's own listener {address}; give the parent's address", parent.shown());
            reader.fault(key, message);
        }
    }
}

/// What no listener serves was meant to be served.
fn warn_of_what_is_out_of_reach(
    listeners: &[Listener],
    (gateway, forward): (&GatewayParts, &ForwardParts),
    has_routes: bool,
    reader: &mut Reader<'_>,
) {
    let message = "cannot be reached: services of no [[listen]] names it";
    if gateway.forms.is_some() && !listeners.iter().any(|listener| listener.gateway) {
        reader.warn_of_table("gateway".to_owned(), message);
    }
    if forward.is_on && !listeners.iter().any(|listener| listener.forward) {
        reader.warn_of_table("forward".to_owned(), message);
    }
    if has_routes && !listeners.iter().any(|listener| listener.routes) {
        reader.warn_of_table("route".to_owned(), message);
    }
}

/// A flag that changes nothing in this mode was probably meant to change something.
fn warn_of_idle_flags(
    (gateway, forward): (&GatewayParts, &ForwardParts),
    upstreams: &Upstreams<'_>,
    parents: &ParentParts,
    limit_tables: &LimitTables<'_>,
    reader: &mut Reader<'_>,
) {
    if upstreams.servers().next().is_none() && !upstreams.of_flags && reader.parts(Part::Route).is_empty() {
        for key in [
            Key::HostHeader,
            Key::Rewrite,
            Key::SetRequestHeader,
            Key::RemoveRequestHeader,
            Key::SetResponseHeader,
            Key::RemoveResponseHeader,
        ] {
            let add = if reader.has_file() { "a [[route]] that leads to one" } else { "--upstream" };
            warn_if_typed(
                key,
                &format!("has no effect without an upstream; add {add} or leave it out"),
                reader,
            );
        }
    }
    if !upstreams.has_several_servers() {
        for key in [Key::EjectFailures, Key::EjectStatus, Key::EjectMinTime] {
            warn_if_typed(
                key,
                "has no effect with fewer than two upstreams: the last one is never out",
                reader,
            );
        }
    }
    if !forward.is_on {
        for key in [
            Key::ForwardConnectPorts,
            Key::ForwardAllowTargets,
            Key::ForwardDenyTargets,
            Key::ForwardAccess,
            Key::ForwardLimit,
            Key::ForwardOpen,
        ] {
            warn_if_typed(
                key,
                "has no effect without a forward proxy; add [forward] or leave it out",
                reader,
            );
        }
    }
    if gateway.forms.is_none() {
        const OF_THE_GATEWAY: [Key; 6] = [
            Key::AllowTarget,
            Key::DenyTarget,
            Key::RequireHeader,
            Key::Open,
            Key::Redirects,
            Key::RedirectSameOrigin,
        ];
        // What flags say of targets, they say of both.
        let is_of_forward = |key: Key, reader: &Reader<'_>| {
            forward.is_on
                && matches!(key, Key::AllowTarget | Key::DenyTarget | Key::Open)
                && reader.is_outside_of_a_file(key)
        };
        for key in OF_THE_GATEWAY.into_iter().filter(|key| *key != Key::Open || gateway.open) {
            if is_of_forward(key, reader) {
                continue;
            }
            let add = if reader.has_file() { "[gateway]" } else { "--gateway query,path" };
            warn_if_typed(
                key,
                &format!("has no effect without a gateway; add {add} or leave it out"),
                reader,
            );
        }
        if upstreams.are_plain() {
            for key in [Key::CaFile, Key::VerifyUpstream] {
                warn_if_typed(key, "has no effect: no upstream is https", reader);
            }
        }
        let names_nobody = upstreams.are_addresses() && !parents.are_named() && !forward.is_on;
        if names_nobody && !limit_tables.are_named() {
            for key in [Key::DnsServer, Key::HostsFile] {
                warn_if_typed(key, "has no effect: no upstream is given by name", reader);
            }
        }
    }
}

/// To a browser the targets and the application are one origin. In a file both stand side by side, and who is served
/// where is said there.
fn warn_of_a_shared_origin(gateway: &GatewayParts, has_routes: bool, reader: &mut Reader<'_>) {
    if gateway.forms.is_some() && has_routes && !reader.has_file() {
        let message = "its targets share the origin of the application behind --upstream, so that their scripts, styles, \
                       frames and documents are refused; a corsair of its own, on another listener, is safer";
        reader.warn(Key::GatewayForms, message);
    }
}

/// Browsers send and keep cookies of another origin only where they are told that they may.
fn warn_of_cookies(
    gateway: &GatewayParts,
    has_routes: bool,
    policy: Option<&CorsPolicy>,
    reader: &mut Reader<'_>,
) {
    if gateway.forms.is_none() || gateway.cookies == Cookies::Strip {
        return;
    }
    if policy.is_some_and(|policy| !policy.allows_credentials()) {
        let message = "is of no use to pages: without allow_credentials of their policy they send no cookies, and keep none";
        reader.warn(Key::GatewayCookies, message);
    }
    if gateway.cookies == Cookies::Pass && has_routes {
        let message =
            "sends the cookies of the application beside it to every target; isolate keeps them apart";
        reader.warn(Key::GatewayCookies, message);
    }
}

/// What is added for a target is used by whoever may ask for it: where that is any page, a page has the key as good as in its hands.
fn warn_of_secrets_for_anybody<'a>(
    gateway: &GatewayParts,
    access: &AccessList,
    (policies, policy): (&Policies<'a>, PolicyId),
    reader: &mut Reader<'a>,
) {
    let adds = gateway.targets.as_ref().is_some_and(|targets| !targets.is_empty());
    if adds && !access.binds_programs && !policies.is_list(policy) {
        let origins = policies.spelled(policy, Key::AllowOrigin, reader);
        if let Some(table) = reader.parts(Part::Target).first().copied() {
            let message =
                format!("any page can use what is added for its targets; name the origins in {origins}");
            reader.within(table, |reader| reader.warn_of_table("gateway.target".to_owned(), &message));
        }
    }
}

fn warn_if_typed(key: Key, message: &str, reader: &mut Reader<'_>) {
    if reader.has(key) {
        reader.warn(key, message);
    }
}

/// The names that the first listener asks for.
fn asked_hosts(reader: &mut Reader<'_>) -> Vec<String> {
    match reader.parts(Part::Listen).first() {
        Some(table) if !reader.has(Key::Listen) => {
            reader.within(table, |reader| reader.typed_members(Key::AllowHost))
        }
        Some(_) | None => reader.typed_members(Key::AllowHost),
    }
}

/// The fields that an example request needs to be let in, and to show what the policy does.
fn example_fields(
    cors: &CorsSettings,
    gateway: &GatewayParts,
    hosts: &[String],
    has_token: bool,
) -> Vec<Box<str>> {
    let origin = cors.allow_origins.iter().find_map(|origin| match origin.as_str() {
        "*" => Some("https://app.example.com"),
        "loopback" => Some("http://localhost:5173"),
        exact if exact.contains("://") && !exact.contains('*') && !exact.starts_with('~') => Some(exact),
        _ => None,
    });
    let mut fields: Vec<Box<str>> =
        origin.map(|origin| format!("Origin: {origin}").into()).into_iter().collect();
    let host = hosts.iter().find(|host| !host.contains('*'));
    fields.extend(host.map(|host| format!("Host: {host}").into()));
    fields.extend(has_token.then(|| "X-Corsair-Token: TOKEN".into()));
    if gateway.forms.is_some() {
        let met = |name: &str| {
            fields
                .iter()
                .any(|field| field.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        if !gateway.require_headers.iter().any(|name| met(name)) {
            fields.extend(gateway.require_headers.first().map(|name| format!("{name}: example").into()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use tracing::level_filters::LevelFilter;

    use super::{super::sample, *};
    use crate::config::{flags, gateway::Redirects, log::AccessLog};

    fn compiled(arguments: &[&str]) -> Result<(Config, Vec<String>), Vec<String>> {
        let arguments = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::new(2).unwrap() };
        let lines = |notes: Vec<ConfigFault>| notes.iter().map(ToString::to_string).collect();
        compile(&flags::parse(arguments).expect("flags"), machine, None)
            .map(|(config, warnings)| (config, lines(warnings)))
            .map_err(lines)
    }

    fn faults(arguments: &[&str]) -> Vec<String> {
        compiled(arguments).err().unwrap_or_default()
    }

    fn warnings(arguments: &[&str]) -> Vec<String> {
        compiled(arguments).map_or_else(|faults| panic!("{faults:?}"), |(_, warnings)| warnings)
    }

    #[test]
    fn every_setting_is_read_once() {
        let settings = Settings::default();
        let mut reader = Reader::new(&settings);
        assert!(read(&settings, sample::MACHINE, None, &mut reader).is_some());
        for key in Key::ALL {
            let readers = reader.read.iter().filter(|read| *read == key).count();
            assert_eq!(readers, 1, "how often {key:?} is read");
        }
    }

    #[test]
    fn nothing_typed_is_a_gateway_on_loopback() {
        let (config, warnings) = compiled(&[]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.listeners[0].address.to_string(), "127.0.0.1:3000");
        assert!(config.listeners[0].tls.is_none());
        let Some(gateway) = config.gateway.as_ref().filter(|_| !config.has_routes()) else {
            panic!("not a gateway alone")
        };
        assert!(gateway.forms.query && gateway.forms.path);
        assert!(!gateway.rules.is_list() && gateway.require_headers.is_empty());
        assert_eq!(gateway.redirects, Redirects::Follow);
        assert!(config.cors().is_any_origin());
        assert_eq!((config.process.workers.get(), config.process.max_connections), (2, 9000));
        assert_eq!(config.process.drain_timeout, Duration::from_secs(30));
        assert_eq!((config.log.access, config.log.level), (AccessLog::Off, LevelFilter::INFO.into()));
        assert!(config.dns.servers.is_empty() && config.dns.hosts_file.is_none());
    }

    #[test]
    fn upstream_and_gateway_flags_choose_the_mode() {
        for (arguments, upstreams, is_gateway) in [
            (&["-u", "http://127.0.0.1:9001"][..], 1, false),
            (&["-u", "http://127.0.0.1:9001", "-u", "http://127.0.0.1:9002"], 2, false),
            (&["-u", "http://127.0.0.1:9001,https://api.example.org"], 2, false),
            (&["-u", "http://127.0.0.1:9001", "--gateway", "path"], 1, true),
            (&["--gateway", "query"], 0, true),
        ] {
            let (config, _) = compiled(arguments).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(
                config.upstreams.iter().map(|upstream| upstream.endpoints.len()).sum::<usize>(),
                upstreams
            );
            assert_eq!(config.gateway.as_ref().is_some(), is_gateway, "{arguments:?}");
        }
    }

    #[test]
    fn an_example_shows_a_place_for_the_token_and_not_the_token() {
        let (config, _) = compiled(&["--token", "hunter2"]).unwrap_or_else(|faults| panic!("{faults:?}"));
        let fields: Vec<&str> = config.example_fields.iter().map(|field| &**field).collect();
        assert_eq!(fields, ["Origin: https://app.example.com", "X-Corsair-Token: TOKEN"]);
    }

    #[test]
    fn an_open_gateway_is_not_published_unknowingly() {
        let refusal = |address: &str, no_list: &str| {
            format!(
                "a gateway on {address} would let anyone reach any site through this machine{no_list}; restrict it \
                 with --allow-origin, --allow-target or --token, or publish it knowingly with --open"
            )
        };
        for (arguments, address) in [
            (&["-l", ":8080"][..], "0.0.0.0:8080"),
            (&["-l", "[::]:8080"], "[::]:8080"),
            (&["-l", ":8080", "--allow-origin", "*"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--open=false"], "0.0.0.0:8080"),
            (&["-l", ":8080", "--require-header", "Origin"], "0.0.0.0:8080"),
            (&["-l", ":80", "--gateway", "query", "-u", "http://10.0.0.1"], "0.0.0.0:80"),
            (&["-l", "127.0.0.1:1", "-l", ":2", "-l", "[::]:2"], "0.0.0.0:2 and [::]:2"),
        ] {
            assert_eq!(faults(arguments), [refusal(address, "")], "{arguments:?}");
        }
        for origins in
            ["null", "~.*", "~https://.*", "https://*.com", "https://*.co.uk", "https://app.example,null"]
        {
            let stranger = origins.rsplit(',').next().unwrap_or(origins);
            assert_eq!(
                faults(&["-l", ":80", "--allow-origin", origins]),
                [refusal("0.0.0.0:80", &format!(", for the origin {stranger} can be anybody's"))]
            );
        }
        for targets in
            ["public", "any", "0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1", "::/0", "*.com", "*.co.uk,a.example"]
        {
            assert_eq!(
                faults(&["-l", ":80", "--allow-target", targets]),
                [refusal("0.0.0.0:80", ", for those targets are no list")]
            );
        }
    }

    #[test]
    fn a_gateway_that_is_restricted_or_local_starts() {
        for arguments in [
            &["-l", ":8080", "--open"][..],
            &["-l", ":8080", "--allow-origin", "https://app.example.com"],
            &["-l", ":8080", "--allow-target", "api.example.org"],
            &["-l", "127.9.9.9:80"],
            &["-l", "[::1]:80"],
            &["-l", "[::ffff:127.0.0.1]:80"],
            &["-l", ":8080", "-u", "http://127.0.0.1:9001"],
        ] {
            assert_eq!(faults(arguments), Vec::<String>::new(), "{arguments:?}");
        }
    }

    #[test]
    fn a_list_of_origins_alone_binds_programs_too() {
        let origins = ["-l", ":80", "--allow-origin", "https://app.example.com"];
        for (more, alone) in [
            (&[][..], true),
            (&["--allow-target", "public"], true),
            (&["--allow-target", "api.example.org"], false),
            (&["--open"], false),
        ] {
            let (config, _) =
                compiled(&[&origins[..], more].concat()).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(config.gateway.as_ref().map(|gateway| gateway.only_origins), Some(alone), "{more:?}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let found = faults(&[
            "-l",
            ":8080",
            "-l",
            "nowhere",
            "--workers",
            "none",
            "--allow-credentials",
            "--max-age",
            "600",
            "--redirects",
            "folow",
            "--tls-cert",
            "a.pem",
            "--limit-fields",
            "9999",
            "--timeout-head",
            "1x",
            "--dns-server",
            "dns.example",
            "--gateway",
            "query",
            "-u",
            "ftp://example.com",
            "-q",
            "-v",
        ]);
        for start in [
            "--listen: \"nowhere\"",
            "--workers: ",
            "--allow-credentials: needs a list of origins, not \"*\"",
            "--max-age: \"600\" has no unit; write 600s",
            "--redirects: \"folow\"",
            "--tls-cert: cannot read a.pem",
            "--tls-cert: a certificate needs its private key",
            "--limit-fields: ",
            "--timeout-head: ",
            "--dns-server: ",
            "--upstream: \"ftp://example.com\"",
            "--quiet: ",
            "a gateway on 0.0.0.0:8080 would let anyone",
        ] {
            assert_eq!(
                found.iter().filter(|fault| fault.starts_with(start)).count(),
                1,
                "{start}: {found:#?}"
            );
        }
        assert_eq!(found.len(), 13, "{found:#?}");
    }

    #[test]
    fn an_upstream_is_not_corsair_itself() {
        for arguments in [
            &["-u", "http://127.0.0.1:3000"][..],
            &["-l", ":80", "-u", "http://127.0.0.1"],
            &["-l", "[::]:80", "-u", "http://[::1]"],
            &["-l", "192.0.2.1:80", "-u", "http://192.0.2.1"],
            &["-l", "unix:/run/a", "-u", "unix:/run/a"],
            &["-l", "unix:@a", "-u", "unix:@a"],
        ] {
            let found = faults(arguments);
            assert!(
                found.len() == 1 && found[0].contains("is corsair's own listener"),
                "{arguments:?}: {found:?}"
            );
        }
        for others in
            [["127.0.0.2:80", "http://127.0.0.1"], ["unix:@a", "unix:/a"], ["unix:/a", "http://127.0.0.1"]]
        {
            assert_eq!(faults(&["-l", others[0], "-u", others[1]]), Vec::<String>::new());
        }
    }

    #[test]
    fn flags_without_effect_are_warned_of() {
        let reverse = ["-u", "http://127.0.0.1:9001"];
        for flag in [
            "--allow-target=a.example",
            "--deny-target=a.example",
            "--require-header=Origin",
            "--open",
            "--redirects=pass",
        ] {
            let key = flag.split('=').next().unwrap_or(flag);
            assert_eq!(
                warnings(&[&reverse[..], &[flag]].concat()),
                [format!("{key}: has no effect without a gateway; add --gateway query,path or leave it out")]
            );
        }
        assert_eq!(
            warnings(&[&reverse[..], &["--dns-server", "10.0.0.2"]].concat()),
            ["--dns-server: has no effect: no upstream is given by name"]
        );
        assert!(
            warnings(&[&reverse[..], &["--insecure-upstream"]].concat())
                .contains(&"--insecure-upstream: has no effect: no upstream is https".to_owned())
        );
        for asked in [&["-l", ":80", "--open"][..], &[], &reverse] {
            let arguments = [asked, &["--allow-host", "a.example"]].concat();
            assert_eq!(warnings(&arguments), Vec::<String>::new(), "asked wherever it is typed");
        }
    }

    #[test]
    fn a_plain_origin_with_credentials_is_warned_of_where_tls_is_served() {
        let (_folder, cert, key) = sample::certificate();
        let tls = ["--tls-cert", &cert, "--tls-key", &key];
        let origins = ["--allow-origin", "https://a.example,http://b.example,http://c.example"];
        let credentials = ["--allow-credentials"];
        assert_eq!(
            warnings(&[&tls[..], &origins, &credentials].concat()),
            ["http://b.example", "http://c.example"].map(|origin| format!(
                "--allow-origin: whoever is on the way to {origin} can change its pages and use the credentials \
                 that TLS protects here"
            ))
        );
        assert_eq!(warnings(&[&origins[..], &credentials].concat()), Vec::<String>::new());
        assert_eq!(warnings(&[&tls[..], &origins].concat()), Vec::<String>::new());
    }

    #[test]
    fn distrust_switched_off_is_warned_of() {
        let found = warnings(&["--insecure-upstream"]);
        assert!(
            found.len() == 1 && found[0].starts_with("--insecure-upstream: any certificate is trusted"),
            "{found:?}"
        );
    }
}

//! Rewriting: what leaves parses strictly, is framed once, and carries nothing that belonged to the hop
//! before; everything else passes unchanged and in order.

use std::{net::IpAddr, time::UNIX_EPOCH};

use corsair::{
    admission::Shown,
    config::{Config, ListenerId, compile::compile, flags, machine::Machine},
    http1::{
        framing::Framing,
        head::{
            Fields, HeadEnd, Method, Request, RequestHead, Response, ResponseHead, Version, parse_request,
            parse_response,
        },
    },
    plan::{
        self, Action, Client, Date, Destination, Exchange, Identity, Plan,
        rewrite::{self, CookiesHome, GatewayAnswer, Homeward, Location, Onward, Renaming},
    },
};

use crate::{
    input::{Input, shown},
    reference::{
        framing::{self, Body},
        head::{self, Line, Lines, Read},
    },
};

/// Fields that end at one hop, whether or not `Connection` names them.
pub(crate) const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Fields that `Connection` cannot strip: whoever names them does not mean this hop.
const SURVIVES: [&str; 14] = [
    "authorization",
    "content-length",
    "cookie",
    "date",
    "forwarded",
    "host",
    "origin",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Fields of a response by which an application names itself.
const NAMES_THE_UPSTREAM: [&str; 4] = ["content-location", "location", "refresh", "set-cookie"];

/// Fields of a request that corsair sets itself, or that stay behind in some modes.
const SET_IN_REQUESTS: [&str; 16] = [
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "max-forwards",
    "origin",
    "referer",
    "traceparent",
    "via",
    "x-corsair-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// Fields of a target's response that would act on the origin of the gateway.
pub(crate) const ACTS_ON_OUR_ORIGIN: [&str; 20] = [
    "accept-ch",
    "alt-svc",
    "clear-site-data",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "nel",
    "no-vary-search",
    "origin-agent-cluster",
    "origin-trial",
    "permissions-policy",
    "proxy-authenticate",
    "refresh",
    "report-to",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "set-login",
    "strict-transport-security",
    "www-authenticate",
    "x-frame-options",
];

/// Beginnings of names that the platform may add to, or by which proxies tell of a client: what is made of them is for
/// the table tests of the gateway.
const FAMILIES: [&str; 53] = [
    "accept-",
    "activate-",
    "ad-auction-",
    "allow-",
    "alt-",
    "alternate-",
    "attribution-",
    "authentication-",
    "clear-",
    "connection-",
    "content-security-",
    "critical-",
    "cross-origin-",
    "delegate-",
    "document-",
    "expect-",
    "feature-policy",
    "idp-",
    "integrity-policy",
    "login-status",
    "nel",
    "observe-",
    "optional-",
    "origin-",
    "permissions-",
    "persistent-auth",
    "private-",
    "proxy-",
    "public-key-",
    "refresh",
    "report-",
    "reporting-",
    "require-",
    "sec-",
    "secure-session-",
    "service-worker",
    "set-",
    "shared-storage-",
    "speculation-",
    "strict-",
    "supports-",
    "www-",
    "x-accel-",
    "x-chromium-",
    "x-content-",
    "x-dns-prefetch-",
    "x-lighttpd-",
    "x-permitted-",
    "x-reproxy-",
    "x-sendfile",
    "x-ua-",
    "x-webkit-",
    "x-xss-",
];

/// Fields of a target's response that a gateway sets itself, or whose place depends on others.
const SET_BY_GATEWAYS: [&str; 6] = [
    "content-security-policy",
    "location",
    "no-vary-search",
    "upgrade-insecure-requests",
    "use-as-dictionary",
    "x-final-url",
];

thread_local! {
    static CONFIGS: Vec<Config> = [
        &["--upstream=http://127.0.0.1:9001"][..],
        &[
            "--upstream=https://api.example.org/base",
            "--allow-origin=https://app.example.com",
            "--allow-credentials",
            "--timing",
            "--resource-policy=cross-origin",
        ],
        &["--allow-target=any"],
        &["--gateway=query,path", "--upstream=http://[::1]:9001/p", "--upstream-headers=keep"],
        &["--gateway=path", "--allow-origin=null", "--no-verdict", "--preflight=forward"],
        &["--upstream=http://127.0.0.1:9001", "--trusted-proxy=192.0.2.7,2001:db8::7,private"],
        &["--forward", "--allow-target=any"],
    ]
    .into_iter()
    .map(config)
    .collect();
    static IDENTITY: Identity = Identity::random();
}

/// The configuration of a command line.
fn config(arguments: &[&str]) -> Config {
    let typed = std::iter::once("corsair").chain(arguments.iter().copied());
    let settings = flags::parse(typed.map(Into::into)).expect("flags that exist");
    let machine = Machine { descriptors: 20_000, cores: std::num::NonZeroUsize::MIN };
    compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// The property. The parts are a request head and a response head.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let chosen = input.pick(&[0, 1, 2, 3, 4, 5, 6]);
    let secure = input.flag();
    let v6 = input.flag();
    let mut parts = input.parts();
    let Some((bytes, head)) = parts.next().and_then(request) else { return };
    let answer = parts.next().and_then(response);
    let address = if v6 { "[2001:db8::7]:4711" } else { "192.0.2.7:4711" };
    let client = Client {
        address: Some(address.parse().expect("an address")),
        anonymous: false,
        secure,
        loopback_listener: false,
        listener: ListenerId::FIRST,
        refusal: None,
        handshake: None,
    };
    CONFIGS.with(|configs| {
        IDENTITY.with(|identity| {
            let config = &configs[chosen];
            let request = Request { bytes: &bytes, head: &head };
            let (plan, action) =
                plan::request(request, &Shown::nothing(UNIX_EPOCH), config, &client, &identity.id);
            let (mut target, mut renaming) = (None, None);
            if let Action::Exchange(exchange) = &action {
                goes_up(config, request, &plan, exchange, &client, identity);
                if matches!(exchange.destination, Destination::Forward(_)) {
                    // What it answers passes, whatever a policy says.
                    return;
                }
                if let Destination::Target(found) = &exchange.destination {
                    target = Some(found.url.as_str().to_owned());
                } else if let (Some(upstream), Some(authority)) =
                    (config.upstreams.first(), exchange.authority)
                {
                    let (servers, authority) = (&*upstream.endpoints, authority.of(&bytes));
                    let host_header = &config.route(plan.route).host_header;
                    let server = &servers[0];
                    let called = authority;
                    renaming = Some(Renaming {
                        servers,
                        server,
                        host_header,
                        stripped: "",
                        secure,
                        authority,
                        called,
                    });
                }
            }
            if let Some((bytes, answer)) = answer {
                let response = Response { bytes: &bytes, head: &answer };
                goes_home(config, request, &plan, response, (target.as_deref(), None), identity);
                if renaming.is_some() {
                    goes_home(config, request, &plan, response, (None, renaming), identity);
                }
            }
        });
    });
}

fn request(bytes: &[u8]) -> Option<(Vec<u8>, RequestHead)> {
    let mut end = HeadEnd::default();
    let len = end.find_request(bytes).ok()??;
    let head = parse_request(bytes, &end, len, 1024, Fields::default()).ok()?;
    Some((bytes[..len].to_vec(), head))
}

fn response(bytes: &[u8]) -> Option<(Vec<u8>, ResponseHead)> {
    let mut bytes = bytes.to_vec();
    let mut end = HeadEnd::default();
    let len = end.find_response(&bytes).ok()??;
    let head = parse_response(&mut bytes, &end, len, 1024, Fields::default()).ok()?;
    bytes.truncate(len);
    Some((bytes, head))
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// The fields of a head that travel on, without those that corsair sets itself.
fn travelling<'a>(lines: &'a Lines, set_here: &'a dyn Fn(&str) -> bool) -> Vec<&'a Line> {
    let nominated = lines.members("connection");
    let travels = |name: &str| {
        !HOP_BY_HOP.contains(&name)
            && !set_here(name)
            && (SURVIVES.contains(&name) || !nominated.contains(&name.as_bytes().to_vec()))
    };
    lines.0.iter().filter(|(name, _)| travels(&lower(name))).collect()
}

/// What the upstream is told of the client: addresses and nothing else, in both families alike, the peer last; and without
/// a proxy that is trusted that peer alone.
fn told(lines: &Lines, plan: &Plan, peer: IpAddr, text: &str) {
    let chain = lines.members("x-forwarded-for");
    let chain: Vec<IpAddr> = chain.iter().map(|address| lower(address).parse().expect(text)).collect();
    assert_eq!(chain.last(), Some(&peer), "{text}");
    assert!(
        chain.len() == 1 || plan.asker.told.client.map(|client| client.ip()) == chain.first().copied(),
        "{text}"
    );
    assert_eq!(lines.all("x-real-ip"), [chain[0].to_string().as_bytes()], "{text}");
    let scheme: &[u8] = if plan.asker.secure { b"https" } else { b"http" };
    assert_eq!(lines.all("x-forwarded-proto"), [scheme], "{text}");
    let host = lower(lines.all("x-forwarded-host")[0]);
    let spelled = |ip: &IpAddr| if ip.is_ipv6() { format!("for=\"[{ip}]\"") } else { format!("for={ip}") };
    let mut forwarded = format!("{};host=\"{host}\";proto={}", spelled(&chain[0]), lower(scheme));
    for address in &chain[1..] {
        forwarded += &format!(", {}", spelled(address));
    }
    assert_eq!(lower(lines.all("forwarded")[0]), forwarded, "{text}");
}

/// The request head that goes to the upstream.
fn goes_up(
    config: &Config,
    request: Request<'_>,
    plan: &Plan,
    exchange: &Exchange,
    client: &Client,
    identity: &Identity,
) {
    let Read::Complete(given, _) = head::request(request.bytes, 1024) else {
        panic!("{}", shown(request.bytes))
    };
    let onward = onward(config, request, plan, exchange);
    let forwarding = rewrite::Forwarding::of(client);
    let (peer, asker) = (client.address, &plan.asker);
    let sender =
        rewrite::Sender { forwarding: &forwarding, peer, asker, identity, request_id: Default::default() };
    let mut out = vec![0; request.bytes.len() * 4 + 4096];
    let len = rewrite::request(request, exchange, &onward, &sender, &mut out).expect("room enough");
    let text = shown(&out[..len]);
    let Read::Complete(sent, end) = head::request(&out[..len], usize::MAX) else { panic!("{text}") };
    assert_eq!(end, len, "{text}");
    assert!(!sent.old.0 && sent.method == given.method, "{text}");
    assert_eq!(sent.target, onward.target.concat(), "{text}");
    assert!(sent.target.starts_with(b"/") || sent.target == b"*", "{text}");

    let framing = framing::of_request(&sent).unwrap_or_else(|| panic!("framing of {text}"));
    assert_eq!(framing, body(plan.framing), "{text}");
    assert!(sent.lines.count("content-length") + sent.lines.count("transfer-encoding") <= 1, "{text}");
    assert_eq!(sent.lines.all("host"), [onward.host], "{text}");
    assert!(head::is_authority(onward.host), "{text}");
    let set = ["x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
    let tells = !(onward.is_gateway || onward.is_forward);
    if !onward.is_forward {
        for own in set {
            assert_eq!(sent.lines.count(own), usize::from(tells), "{own} in {text}");
        }
        let claims = sent.lines.0.iter().filter(|(name, _)| head::is_forwarding_claim(name)).count();
        assert_eq!(claims, usize::from(tells) * set.len(), "{text}");
    }
    if tells {
        told(&sent.lines, plan, client.address.expect("an address").ip(), &text);
    }
    let vias = sent.lines.all("via");
    let own = vias.iter().filter(|via| is_own_via(via, identity)).count();
    assert!(own == 1 && vias.len() == given.lines.count("via") + 1, "{text}");
    for own in ["x-request-id", "traceparent"] {
        assert!(
            (onward.is_forward || sent.lines.count(own) >= 1)
                && sent.lines.count(own) <= given.lines.count(own).max(1),
            "{text}"
        );
    }
    let connection = if exchange.upgrade { "upgrade" } else { "te" };
    let options = sent.lines.members("connection");
    assert!(options.iter().all(|option| option == connection.as_bytes()), "{text}");
    assert!(exchange.upgrade || sent.lines.count("upgrade") == 0, "{text}");
    assert!(sent.lines.all("upgrade").iter().all(|protocol| *protocol == b"websocket"), "{text}");
    assert!(sent.lines.all("te").iter().all(|te| *te == b"trailers"), "{text}");
    for gone in ["keep-alive", "proxy-connection", "proxy-authorization", "http2-settings"] {
        assert_eq!(sent.lines.count(gone), 0, "{gone} in {text}");
    }
    if onward.is_gateway {
        for private in ["cookie", "origin", "referer", "x-corsair-token"] {
            assert_eq!(sent.lines.count(private), 0, "{private} in {text}");
        }
    } else {
        for passed in ["cookie", "origin", "authorization", "x-corsair-token"] {
            assert_eq!(sent.lines.all(passed), given.lines.all(passed), "{text}");
        }
    }
    assert!(sent.lines.count("expect") == 0 || !given.old.0, "{text}");
    let set_here = |name: &str| {
        SET_IN_REQUESTS.contains(&name)
            || !onward.is_forward && head::is_forwarding_claim(name.as_bytes())
            || onward.is_gateway && may_tell(name)
    };
    assert_eq!(travelling(&given.lines, &set_here), travelling_again(&sent.lines, &set_here), "{text}");
    assert!(rewrite::request(request, exchange, &onward, &sender, &mut out[..len / 2]).is_err());
}

/// Whether a field of a request might tell a target of the client.
fn may_tell(name: &str) -> bool {
    const TELLS: [&str; 27] = [
        "cdn-loop",
        "cf-",
        "client-ip",
        "cloudfront-",
        "fastly-",
        "fly-",
        "forwarded",
        "front-end-https",
        "proxy-client-ip",
        "remote-addr",
        "true-client-ip",
        "wl-proxy-",
        "x-appengine-",
        "x-azure-",
        "x-client-ip",
        "x-cluster-",
        "x-coming-from",
        "x-envoy-",
        "x-forwarded",
        "x-host",
        "x-original-",
        "x-proxyuser-",
        "x-real-",
        "x-remote-",
        "x-rewrite-",
        "x-scheme",
        "x-url-scheme",
    ];
    TELLS.iter().any(|start| name.starts_with(start))
}

/// What arrives, without what corsair sets: nothing of it may be of the hop before.
fn travelling_again<'a>(lines: &'a Lines, set_here: &'a dyn Fn(&str) -> bool) -> Vec<&'a Line> {
    let own =
        |name: &str| set_here(name) || ["connection", "te", "transfer-encoding", "upgrade"].contains(&name);
    lines.0.iter().filter(|(name, _)| !own(&lower(name))).collect()
}

fn is_own_via(via: &[u8], identity: &Identity) -> bool {
    via.windows(identity.id.len()).any(|window| window == &*identity.id)
}

const fn body(framing: Framing) -> Body {
    match framing {
        Framing::None => Body::None,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::Chunked,
        Framing::UntilClose => Body::UntilClose,
    }
}

/// Where the exchange goes, as its first attempt would say it.
fn onward<'a>(config: &'a Config, request: Request<'a>, plan: &Plan, exchange: &'a Exchange) -> Onward<'a> {
    match &exchange.destination {
        Destination::Target(target) => Onward::to_target(target, &[], plan.framing),
        Destination::Forward(target) => Onward::to_forwarded(target, exchange, request, plan.framing),
        Destination::Upstream(_) | Destination::Question { .. } => {
            let server = &config.upstreams[0].endpoints[0];
            Onward::to_server(server, config.route(plan.route), exchange, request, plan.framing)
        }
    }
}

/// The response head that goes to the client.
fn goes_home(
    config: &Config,
    request: Request<'_>,
    plan: &Plan,
    response: Response<'_>,
    (target, renaming): (Option<&str>, Option<Renaming<'_>>),
    identity: &Identity,
) {
    let Read::Complete(given, _) = head::response(response.bytes, usize::MAX) else {
        panic!("{}", shown(response.bytes));
    };
    let method = request.head.method;
    let Ok((framing, declared)) = Framing::of_response(response, method) else { return };
    if response.head.status < 200 {
        return;
    }
    let is_old = request.head.version == Version::Http10;
    let framing = match framing {
        Framing::Chunked if is_old => Framing::UntilClose,
        Framing::UntilClose if !is_old => Framing::Chunked,
        framing => framing,
    };
    let declared = match response.head.status {
        204 => None,
        304 => declared,
        _ if method == Method::Head => declared,
        _ => declared.or(Some(0)),
    };
    let homeward = Homeward {
        cors: plan.cors,
        policy: config.cors(),
        request_bytes: request.bytes,
        framing,
        declared,
        connection: is_old.then_some(b"close"),
        gateway: target.map(|final_url| GatewayAnswer {
            final_url,
            location: Location::Kept,
            cookies: CookiesHome::Dropped,
        }),
        renaming,
        edits: None,
        identity,
        date: &Date::of(UNIX_EPOCH),
    };
    let mut out = vec![0; response.bytes.len() * 4 + request.bytes.len() + 8192];
    let len = rewrite::response(response, &homeward, &mut out).expect("room enough");
    let text = shown(&out[..len]);
    let Read::Complete(sent, end) = head::response(&out[..len], usize::MAX) else { panic!("{text}") };
    assert!(head::is_in_good_form(&out[..len]), "{text}");
    assert_eq!((end, sent.status, &sent.reason), (len, given.status, &given.reason), "{text}");
    let again = framing::of_response(&sent, method == Method::Head).map(|(framing, _)| framing);
    let expected = if again == Some(Body::None) { Body::None } else { body(framing) };
    assert_eq!(again, Some(expected), "{text}");
    assert!(sent.lines.count("content-length") + sent.lines.count("transfer-encoding") <= 1, "{text}");
    assert_eq!(sent.lines.all("content-length").is_empty(), declared_nothing(&framing, declared), "{text}");
    assert_eq!(
        sent.lines.members("connection"),
        if is_old { vec![b"close".to_vec()] } else { vec![] },
        "{text}"
    );
    for gone in HOP_BY_HOP.iter().filter(|name| !["connection", "transfer-encoding"].contains(name)) {
        assert_eq!(sent.lines.count(gone), 0, "{gone} in {text}");
    }
    let vias = sent.lines.all("via");
    let own = vias.iter().filter(|via| is_own_via(via, identity)).count();
    assert!(own >= 1 && vias.len() == given.lines.count("via") + 1, "{text}");
    assert!(sent.lines.count("date") >= 1 && sent.lines.count("vary") <= 1, "{text}");
    let kept = config.cors().describe().contains("kept");
    if !kept {
        for once in [
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-expose-headers",
        ] {
            assert!(sent.lines.count(once) <= 1, "{once} in {text}");
        }
    }
    let credentials = sent.lines.all("access-control-allow-credentials").contains(&&b"true"[..]);
    let any = sent.lines.all("access-control-allow-origin").contains(&&b"*"[..]);
    assert!(!(credentials && any) || kept, "{text}");
    let is_gateway = target.is_some();
    let set_here = |name: &str| {
        [
            "content-length",
            "corsair-cors",
            "cross-origin-resource-policy",
            "date",
            "timing-allow-origin",
            "vary",
            "via",
        ]
        .contains(&name)
            || name.starts_with("access-control-")
            || renaming.is_some() && NAMES_THE_UPSTREAM.contains(&name)
            || is_gateway && SET_BY_GATEWAYS.contains(&name)
            || is_gateway && ACTS_ON_OUR_ORIGIN.contains(&name)
            || is_gateway && FAMILIES.iter().any(|family| name.starts_with(family))
    };
    assert_eq!(travelling(&given.lines, &set_here), travelling_again(&sent.lines, &set_here), "{text}");
    if is_gateway {
        acts_on_its_own_origin_only(&sent.lines, &text);
    }
    if let Some(renaming) = renaming {
        leads_nowhere_else(&given.lines, &sent.lines, &renaming, &text);
    }
    assert!(rewrite::response(response, &homeward, &mut out[..len / 2]).is_err());
}

fn declared_nothing(framing: &Framing, declared: Option<u64>) -> bool {
    match framing {
        Framing::Length(_) => false,
        Framing::None => declared.is_none(),
        Framing::Chunked | Framing::UntilClose => true,
    }
}

/// What is renamed leads to this proxy and to nobody else.
fn leads_nowhere_else(given: &Lines, sent: &Lines, renaming: &Renaming<'_>, text: &str) {
    let scheme = if renaming.secure { "https://" } else { "http://" };
    let here = [scheme.as_bytes(), renaming.authority].concat();
    for name in NAMES_THE_UPSTREAM {
        let (before, after) = (given.all(name), sent.all(name));
        if given.members("connection").contains(&name.as_bytes().to_vec()) && !SURVIVES.contains(&name) {
            continue;
        }
        assert_eq!(before.len(), after.len(), "{name} in {text}");
        if !name.ends_with("location") {
            continue;
        }
        for (before, after) in before.iter().zip(after).filter(|(before, after)| before != &after) {
            let rest = after.strip_prefix(&*here);
            let stays = match (rest, after) {
                (Some(rest), _) => matches!(rest, [] | [b'/' | b'?' | b'#', ..]),
                (None, [b'/', rest @ ..]) => !matches!(rest, [b'/' | b'\\' | b'\t', ..]),
                (None, _) => false,
            };
            assert!(stays, "{} became {}", shown(before), shown(after));
        }
    }
}

/// What a target says stays within its own sandbox.
pub(crate) fn acts_on_its_own_origin_only(lines: &Lines, text: &str) {
    for name in ACTS_ON_OUR_ORIGIN {
        assert_eq!(lines.count(name), 0, "{name} in {text}");
    }
    assert!(lines.all("content-security-policy").iter().all(|policy| *policy == b"sandbox"), "{text}");
    let types = lines.all("content-type");
    let is_inert = !types.is_empty() && types.iter().all(|content_type| is_inert(content_type));
    assert!(is_inert || lines.count("content-security-policy") == 1, "a document without a sandbox: {text}");
    assert_eq!(lines.count("x-final-url"), 1, "{text}");
}

/// Whether no browser takes a body of this type for a document. One that names several types is read as the
/// last of them (Fetch, "extract a MIME type"), one that is none is guessed, and every `+xml` is XML.
fn is_inert(content_type: &[u8]) -> bool {
    let text = lower(content_type);
    let essence = text.split(';').next().unwrap_or_default().trim();
    let (kind, form) = essence.split_once('/').unwrap_or_default();
    let inert = match kind {
        "image" | "font" | "audio" | "video" => head::is_token(form.as_bytes()) && !form.ends_with("+xml"),
        "text" => ["plain", "css", "event-stream"].contains(&form),
        "application" => ["json", "octet-stream", "pdf"].contains(&form),
        _ => false,
    };
    inert && !text.contains(',')
}

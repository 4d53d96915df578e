//! Every setting, one row each: its names, its kind, its default, its line of help.
//!
//! A row is all that the command line, the environment and the help know of a setting. Its default is text, read by
//! the same reader as what is typed, and stands nowhere else. What a value means is said by the table of the
//! configuration that the setting belongs to; a row and a reader are all that a new one needs.

/// Declares [`Key`] and the row of each from one table.
///
/// A row is `Key = "name in a file", flag "long" short 's': Kind("VALUE") = "default", "help";`. What a setting does
/// not have is left out: the name, if only a flag says it; the flag, if only a file can.
macro_rules! settings {
    ($($heading:literal {$(
        $key:ident $(= $name:literal)? $(, flag $long:literal $(short $short:literal)?)?
            : $kind:ident $(($value:literal))? $(= $default:literal)?, $help:literal;
    )*})*) => {
        /// One setting.
        #[allow(
            rustdoc::bare_urls,
            rustdoc::broken_intra_doc_links,
            reason = "the comments are the help, as a terminal shows it"
        )]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Key {
            $($(#[doc = $help] $key,)*)*
        }

        impl Key {
            /// All settings, in the order of the help.
            pub const ALL: &[Self] = &[$($(Self::$key),*),*];

            /// What is known of this setting.
            #[must_use]
            pub const fn row(self) -> &'static Row {
                match self {
                    $($(Self::$key => &Row {
                        name: optional!($($name)?),
                        flag: optional!($(Flag { long: $long, short: optional!($($short)?) })?),
                        kind: Kind::$kind $(($value))?,
                        default: optional!($($default)?),
                        heading: $heading,
                        help: $help,
                    },)*)*
                }
            }
        }
    };
}

/// `Some` of what is there.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// What is known of one setting.
#[derive(Debug)]
pub struct Row {
    /// Its name in a configuration file, tables included; `None` for a flag that stands for other settings.
    pub name: Option<&'static str>,
    /// Its flag; `None` for what only a file can set.
    pub flag: Option<Flag>,
    /// What can be typed for it.
    pub kind: Kind,
    /// What holds where nothing is typed, as one would type it; `None` where that is nothing, or where it depends on
    /// the machine or on other settings. Then the help says so in words.
    pub default: Option<&'static str>,
    /// The section of the help in which it stands.
    pub heading: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
}

/// The names of a flag, without dashes.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// As in `--listen`; the variable is made of it.
    pub long: &'static str,
    /// As in `-l`.
    pub short: Option<char>,
}

/// What can be typed for a setting, and the word that stands for it in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Value(&'static str),
    /// Any number of values.
    List(&'static str),
    /// Yes or no; the bare flag is yes.
    Switch,
    /// A switch whose flag says the contrary of its name in a file, as `--no-verdict` does of `verdict`.
    Opposite,
    /// How often the flag is given.
    Count,
    /// Fields of a head: `NAME: VALUE` behind a flag, a table of names and values in a file.
    Fields(&'static str),
}

settings! {
    "Serving" {
        ConfigFile, flag "config" short 'c': Value("FILE"),
            "Configuration file (TOML); what flags and variables say wins";
        Watch = "watch", flag "watch": Switch = "false",
            "Look every 2 s whether that file, a certificate or the hosts file has changed, and reload";
        Dev = "dev", flag "dev": Switch = "false",
            "For development on this machine: /__corsair/why.js tells pages why they are refused, /__corsair/ tries a route";
        Listen = "listen.address", flag "listen" short 'l': List("ADDRESS") = "127.0.0.1:3000",
            "Address to serve: 127.0.0.1:3000, :8080, [::]:443, unix:/PATH or unix:@NAME; repeatable";
        ListenServices = "listen.services": List("gateway|forward|routes") = "gateway,forward,routes",
            "What may be reached there";
        ListenProxyProtocol = "listen.proxy_protocol": Switch = "false",
            "Whether trusted proxies must begin each connection with a PROXY header (version 1 or 2)";
        Workers = "workers", flag "workers": Value("N|auto") = "auto",
            "Threads, or auto for one per usable core";
        MaxConnections = "max_connections", flag "max-connections": Value("N"),
            "Client connections at a time; by default 9 for every 20 file descriptors";
        MaxConnectionsPerClient = "max_connections_per_client", flag "max-connections-per-client": Value("N") = "0",
            "Those of one client (its /64 of IPv6) at a time, trusted proxies excepted; 0 for any number";
        MaxMemory = "max_memory", flag "max-memory": Value("SIZE|off") = "off",
            "Memory that the process may take: as many connections are served as fit, others are told with a 503";
        DrainDelay = "drain_delay", flag "drain-delay": Value("DURATION") = "0s",
            "How long to go on serving after TERM before the drain begins";
        DrainTimeout = "drain_timeout", flag "drain-timeout": Value("DURATION") = "30s",
            "How long running exchanges may take to end once the drain has begun";
        User = "user", flag "user": Value("NAME"),
            "User to become once the listeners and the access log are open; only root can";
        Group = "group", flag "group": Value("NAME"),
            "Group to become with --user; by default that user's own";
        HalfClose = "half_close", flag "half-close": Switch = "true",
            "Answer a client that ends its side behind its request; false takes that for an abort, as a browser's is";
        TrustedProxies = "trusted_proxies", flag "trusted-proxy": List("NETWORK"),
            "Proxies that are believed who the client is: a network, loopback, private, unix; repeatable, by default none";
        TrustedHeaders = "trusted_headers": Value("x-forwarded|forwarded") = "x-forwarded",
            "Fields of theirs that are believed; the other family is dropped";
    }
    "CORS" {
        AllowOrigin = "cors.allow_origins", flag "allow-origin": List("ORIGIN") = "*",
            "Origins that may read: https://app.example.com, https://*.example.com, ~REGEX, loopback, null, *";
        DenyOrigin = "cors.deny_origins", flag "deny-origin": List("ORIGIN"),
            "Origin whose requests are refused whatever else allows them; spelled like an allowed one; repeatable";
        AllowCredentials = "cors.allow_credentials", flag "allow-credentials": Switch = "false",
            "Let those origins send cookies and authorization; needs a list of origins";
        AllowMethod = "cors.allow_methods", flag "allow-method": List("METHOD") = "any",
            "Methods that a preflight grants";
        AllowHeader = "cors.allow_headers", flag "allow-header": List("NAME") = "any",
            "Request headers that a preflight grants: names, or NAME-* for all that begin so";
        ExposeHeader = "cors.expose_headers", flag "expose-header": List("NAME") = "all",
            "Response headers that scripts may read";
        MaxAge = "cors.max_age", flag "max-age": Value("DURATION") = "10m",
            "How long a browser may remember a preflight";
        PrivateNetwork = "cors.private_network", flag "private-network": Switch = "false",
            "Grant private network access when a preflight asks for it";
        UpstreamHeaders = "cors.upstream_headers", flag "upstream-headers": Value("replace|keep") = "replace",
            "The upstream's own CORS headers: replaced by ours, or kept where it sends any";
        Preflight = "cors.preflight", flag "preflight": Value("answer|forward") = "answer",
            "Answer preflights here, or forward them to the application";
        RefuseOtherOrigins = "cors.refuse_other_origins", flag "refuse-other-origins": Switch = "false",
            "Refuse requests of other origins with 403 instead of hiding the answer from them";
        Timing = "cors.timing", flag "timing": Switch = "false",
            "Send Timing-Allow-Origin to allowed origins";
        ResourcePolicy = "cors.resource_policy", flag "resource-policy": Value("POLICY"),
            "Send Cross-Origin-Resource-Policy: cross-origin, same-site or same-origin; unset by default";
        Verdict = "cors.verdict", flag "no-verdict": Opposite = "true",
            "Leave out the Corsair-Cors header that explains the verdict";
        ReportOnly = "cors.report_only": Switch = "false",
            "Decide, count and log, but change nothing";
        Preset = "cors.preset", flag "preset": Value("mcp|llm"),
            "What browser clients of an MCP server or of an OpenAI-style API need, where nothing else is said here";
    }
    "Gateway" {
        GatewayQuery = "gateway.query": Value("url|off") = "url",
            "Parameter that names a target, as in /?url=…, or off";
        GatewayPath = "gateway.path": Switch = "true",
            "Whether a path may name a target, as in /https://host/…";
        BareHosts = "gateway.bare_hosts": Switch = "false",
            "Whether a path may begin with the host of a target, as in /github.com/…, which is https then";
        GatewayCors = "gateway.cors": Value("POLICY") = "default",
            "Name of the policy of what the gateway serves: default is that of [cors]";
        GatewayAccess = "gateway.access": List("NAME"),
            "Tables [access.NAME] that must all admit what the gateway serves";
        GatewayForms, flag "gateway": List("query,path"),
            "Forms to serve: query (/?url=…), path (/https://host/…); both by default unless there is an --upstream";
        AllowTarget = "gateway.allow_targets", flag "allow-target": List("TARGET") = "public",
            "Targets: public, private, loopback, any, HOST, HOST:PORT, *.example.com, a network; repeatable";
        DenyTarget = "gateway.deny_targets", flag "deny-target": List("TARGET"),
            "Targets refused whatever else allows them; repeatable";
        RequireHeader = "gateway.require_headers", flag "require-header": List("NAME"),
            "Refuse requests that carry none of these headers, such as Origin; repeatable";
        Token, flag "token": List("TOKEN"),
            "Token to be shown by whoever uses the gateway, or --upstream; ${VARIABLE} keeps it out of ps; repeatable";
        SetHeaders = "gateway.set_headers": List("NAME"),
            "Headers that a page may set for a target with X-Corsair-Set-NAME, such as Referer";
        Open = "gateway.open", flag "open": Switch = "false",
            "Publish the gateway to everybody, knowingly";
        GatewayLimit = "gateway.limit": List("NAME"),
            "Tables [limit.NAME] that must all admit what the gateway serves";
        Redirects = "gateway.redirects", flag "redirects": Value("follow|rewrite|pass") = "follow",
            "Redirects of a target: followed here, rewritten to this gateway, or passed";
        GatewayTarget = "gateway.target.host": Value("HOST"),
            "Target that something is added for: api.example.org (https, port 443), http://…, …:8443, *.example.com";
        TargetSetHeader = "gateway.target.request_headers.set": Fields("'NAME: VALUE'"),
            "Field that it gets in place of what the client sent, such as a key that no page is to know";
        TargetAddHeader = "gateway.target.request_headers.add": Fields("'NAME: VALUE'"),
            "Field that it gets beside what the client sent";
        TargetRemoveHeader = "gateway.target.request_headers.remove": List("NAME"),
            "Field that it does not get";
        RedirectSameOrigin = "gateway.redirect_same_origin", flag "redirect-same-origin": Switch = "false",
            "Send a page that asks for something of its own origin there, instead of fetching it";
        GatewayCookies = "gateway.cookies": Value("strip|isolate|pass") = "strip",
            "Cookies of targets: stripped both ways, kept for their target alone, or passed as they are";
        AllowHost = "listen.allow_hosts", flag "allow-host": List("HOST") = "localhost,127.0.0.1,[::1]",
            "Host names that are answered to, on every listener where given, else on loopback with a gateway; repeatable";
    }
    "Forward proxy" {
        Forward, flag "forward": Switch = "false",
            "Be a forward proxy: http requests that name a whole URL, and CONNECT; instead of the gateway, or beside others";
        ForwardConnectPorts = "forward.connect_ports": List("PORT") = "443,80",
            "Ports that CONNECT leads to";
        ForwardAllowTargets = "forward.allow_targets": List("TARGET") = "public",
            "Targets, as for a gateway; what --allow-target says holds here, too";
        ForwardDenyTargets = "forward.deny_targets": List("TARGET"),
            "Targets refused whatever else allows them; what --deny-target says holds here, too";
        ForwardAccess = "forward.access": List("NAME"),
            "Tables [access.NAME] that must all admit a request, of which they read Proxy-Authorization";
        ForwardLimit = "forward.limit": List("NAME"),
            "Tables [limit.NAME] that must all admit a request";
        ForwardOpen = "forward.open": Switch = "false",
            "Publish it to everybody, knowingly; --open says so of it, too";
    }
    "Access" {
        AccessClientsAllow = "access.clients.allow": List("NETWORK"),
            "Networks that clients may come from; by default any";
        AccessClientsDeny = "access.clients.deny": List("NETWORK"),
            "Networks that they may not come from, whatever else allows them";
        AccessBearerTokens = "access.bearer.tokens": List("TOKEN"),
            "Tokens of which a request must bear one, as they are or as sha256:HEX; ${VARIABLE} keeps them out of the file";
        AccessBearerFile = "access.bearer.file": Value("FILE"),
            "File with such tokens instead, one in a line";
        AccessSignedKeys = "access.signed.keys": Fields("NAME: KEY"),
            "Keys by which URLs are signed that let in, each by its name; ${VARIABLE} keeps them out of the file";
        AccessBasicFile = "access.basic.file": Value("FILE"),
            "File with users and the hashes of their passwords, as htpasswd -B writes it";
        AccessBasicRealm = "access.basic.realm": Value("TEXT"),
            "What a browser calls that which it asks a password for; by default the name of the table";
        AccessJwtJwks = "access.jwt.jwks": Value("URL|FILE"),
            "Public keys that tokens are signed with, a JSON Web Key Set: by its URL, such as https://id.example/jwks, or a file";
        AccessJwtSecret = "access.jwt.secret": Value("SECRET"),
            "Secret that they are signed with instead (HS256); ${VARIABLE} keeps it out of the file";
        AccessJwtIssuer = "access.jwt.issuer": Value("TEXT"),
            "Who has to have issued them: their iss";
        AccessJwtAudience = "access.jwt.audience": List("TEXT"),
            "Whom they have to be for, one of these: their aud";
        AccessJwtAlgorithms = "access.jwt.algorithms": List("ALGORITHM"),
            "How they may be signed; by default RS256 and ES256, with a secret HS256";
        AccessJwtLeeway = "access.jwt.leeway": Value("DURATION") = "30s",
            "How much clocks may differ";
        AccessJwtCa = "access.jwt.ca": Value("FILE"),
            "Authorities that the certificate of the URL may be of (PEM), instead of those that browsers trust";
        AccessForwardUrl = "access.forward.url": Value("URL"),
            "Service that is asked about each request, and lets it in with a 2xx, such as http://127.0.0.1:9091/verify";
        AccessForwardPass = "access.forward.pass": List("NAME"),
            "Fields of its answer that go on to the upstream, in place of the client's own, such as Remote-User";
        AccessForwardTimeout = "access.forward.timeout": Value("DURATION") = "5s",
            "How long it may take, from the question to the head of its answer";
        AccessForwardCa = "access.forward.ca": Value("FILE"),
            "Authorities that its certificate may be of (PEM), instead of those that browsers trust";
        AccessSiteUnsafe = "access.fetch_site.unsafe": Value("any|same-origin|same-site|none-or-same-site") = "same-origin",
            "Pages that may ask with POST, PUT and whatever else may change something";
        AccessSiteSafe = "access.fetch_site.safe": Value("any|same-origin|same-site|none-or-same-site") = "any",
            "Pages that may ask with GET, HEAD, OPTIONS and TRACE";
    }
    "Rate limits" {
        RateLimit, flag "rate-limit": Value("COUNT/TIME"),
            "How often each client may ask the gateway, the forward proxy and --upstream: 200/1m; more is answered with 429";
        LimitRate = "limit.rate": Value("COUNT/TIME"),
            "How often those who are counted together may ask: 200/1m; by default as often as they like";
        LimitBurst = "limit.burst": Value("N"),
            "How many of their requests may come at once; by default the count of the rate";
        LimitKey = "limit.key": Value("client|origin|access|header:NAME|route") = "client",
            "Who is counted together: the client (its /64 of IPv6), the origin, who was let in, the value of a field, or the route";
        LimitConcurrent = "limit.concurrent": Value("N") = "0",
            "How many of their requests may be under way; 0 for any number";
        LimitKeys = "limit.keys": Value("N") = "65536",
            "How many are known at a time; who has asked the least is forgotten first";
        LimitExempt = "limit.exempt": List("ORIGIN"),
            "Origins whose pages are not counted; spelled like those of cors.allow_origins";
        LimitShared = "limit.shared": Value("local|replicas:NAME|redis://HOST:PORT") = "local",
            "Whom the rate is shared with: nobody, as many as a name has addresses, or all that count at a redis server";
    }
    "TLS" {
        TlsCert = "listen.tls.certificates.cert", flag "tls-cert": List("FILE"),
            "Certificate chain of the listeners (PEM), with which they speak TLS; repeatable, chosen by name, else the first";
        TlsKey = "listen.tls.certificates.key", flag "tls-key": List("FILE"),
            "Private key of that certificate (PEM); repeatable, in the order of the certificates";
        TlsMinVersion = "listen.tls.min_version": Value("1.2|1.3") = "1.2",
            "Oldest version of TLS that the listeners speak";
        TlsClientCa = "listen.tls.client_ca": Value("FILE"),
            "Certificates (PEM) of those who sign the ones that clients must show; without it they show none";
        CaFile = "upstream.tls.ca", flag "ca-file": Value("FILE"),
            "Certificates trusted beside the public ones towards upstreams (PEM)";
        UpstreamCert = "upstream.tls.cert": Value("FILE"),
            "Certificate (PEM, chain included) that servers get which ask for one";
        UpstreamKey = "upstream.tls.key": Value("FILE"),
            "Private key of that certificate";
        UpstreamServerName = "upstream.tls.server_name": Value("NAME"),
            "Name that servers are asked for, and that their certificates must bear; by default that of their URL";
        UpstreamMinVersion = "upstream.tls.min_version": Value("1.2|1.3") = "1.2",
            "Oldest version of TLS that is spoken to servers";
        VerifyUpstream = "upstream.tls.verify", flag "insecure-upstream": Opposite = "true",
            "Trust any certificate of an upstream";
    }
    "Upstream" {
        Upstream = "upstream.servers", flag "upstream" short 'u': List("URL"),
            "Where to send requests: http://HOST:PORT/PREFIX or https://…; repeatable, balanced";
        Mcp, flag "mcp": Value("URL"),
            "The same for one MCP server, with --preset mcp; its path is the client's to give, and is told at start";
        Llm, flag "llm": Value("URL"),
            "The same for one OpenAI-style API, with --preset llm";
        RouteName = "route.name": Value("NAME"),
            "What it is called in the log; by default its host and path";
        RouteHost = "route.host": Value("HOST"),
            "Host that requests are for: api.example.com or *.example.com; by default any";
        RoutePath = "route.path": Value("PATH") = "/",
            "What the path begins with, by whole segments";
        RouteMethods = "route.methods": List("METHOD"),
            "Methods that are served; others are answered 405; by default all";
        RouteUpstream = "route.upstream": Value("NAME"),
            "Upstream that requests go to";
        RouteStripPrefix = "route.strip_prefix": Switch = "false",
            "Whether the upstream gets the path without what the route takes of it";
        RouteCors = "route.cors": Value("POLICY") = "default",
            "Name of the policy: default is that of [cors]";
        RouteAccess = "route.access": List("NAME"),
            "Tables [access.NAME] that must all admit a request";
        RouteLimit = "route.limit": List("NAME"),
            "Tables [limit.NAME] that must all admit its requests";
        RouteUpgrades = "route.upgrades": List("websocket|none") = "websocket",
            "Protocols that may be switched to, or none";
        RespondStatus = "route.respond.status": Value("STATUS") = "200",
            "Status of an answer that corsair gives itself";
        RespondLocation = "route.respond.location": Value("URL"),
            "Where such an answer redirects to";
        RespondBody = "route.respond.body": Value("TEXT"),
            "What it says";
        RespondContentType = "route.respond.content_type": Value("TYPE") = "text/plain; charset=utf-8",
            "What that is";
        SetRequestHeader = "route.request_headers.set", flag "set-request-header": Fields("'NAME: VALUE'"),
            "Field that the upstream gets in place of what the client sent; ${VARIABLE} keeps a secret out of ps; repeatable";
        AddRequestHeader = "route.request_headers.add": Fields("'NAME: VALUE'"),
            "Field that the upstream gets beside what the client sent";
        RemoveRequestHeader = "route.request_headers.remove", flag "remove-request-header": List("NAME"),
            "Field that the upstream does not get; repeatable";
        SetResponseHeader = "route.response_headers.set", flag "set-response-header": Fields("'NAME: VALUE'"),
            "Field that the client gets in place of what the upstream sent under that name; repeatable";
        AddResponseHeader = "route.response_headers.add": Fields("'NAME: VALUE'"),
            "Field that the client gets beside what the upstream sent";
        RemoveResponseHeader = "route.response_headers.remove", flag "remove-response-header": List("NAME"),
            "Field that the client does not get; repeatable";
        HostHeader = "route.host_header", flag "host-header": Value("auto|keep|upstream|NAME") = "auto",
            "Host that upstreams get: the client's (keep), their own (upstream), a name; auto: their own for https by name";
        Rewrite = "route.rewrite", flag "rewrite": Value("on|off") = "on",
            "Rename upstreams back in Location, Content-Location, Refresh and Set-Cookie, or off";
        ServerWeight = "upstream.servers.weight": Value("N") = "1",
            "Share of a server that is written as { url = \"URL\", weight = 2 }, compared with that of the others";
        ServerBackup = "upstream.servers.backup": Switch = "false",
            "Whether such a server is used only while no other one is usable";
        ServerMaxConnections = "upstream.servers.max_connections": Value("N") = "0",
            "Open connections to such a server, idle ones included, over all workers; 0: as many as it takes";
        UpstreamResolve = "upstream.resolve": Value("first|all|srv") = "first",
            "What the name of a server stands for: one server, one for each address, or those of a service; they come and go with it";
        Balance = "upstream.balance": Value("round_robin|least_conn|random_two|hash:ip|hash:header:NAME|hash:uri") = "round_robin",
            "Which server a request goes to; with hash the same one for the same client, field or target";
        HashBound = "upstream.hash_bound": Value("PERCENT") = "150%",
            "What one server may have under way before hash takes the next one, of its share; never less than 8 requests";
        HealthPath = "upstream.health.path": Value("PATH"),
            "What each server is asked for time and again, with GET; without it, that it can be connected to is enough";
        HealthStatus = "upstream.health.status": List("STATUS|FROM-TO") = "200-399",
            "Statuses of a server that is well";
        HealthInterval = "upstream.health.interval": Value("DURATION") = "5s",
            "From one probe to the next, give or take a tenth; a table [upstream.NAME.health] is what starts them";
        HealthTimeout = "upstream.health.timeout": Value("DURATION") = "2s",
            "How long one may take, connecting included";
        HealthRise = "upstream.health.rise": Value("N") = "2",
            "Good probes in a row that bring a server back; the second follows within 200ms";
        HealthFall = "upstream.health.fall": Value("N") = "3",
            "Bad probes in a row that take one out";
        SlowStart = "upstream.health.slow_start": Value("DURATION") = "0s",
            "How long the share of a server that is back grows, from next to nothing to its weight";
        EjectFailures = "upstream.eject.failures", flag "eject-failures": Value("N") = "3",
            "Failed requests in a row that take one of several upstreams out until probes find it well; 0: never";
        EjectStatus = "upstream.eject.statuses", flag "eject-status": List("STATUS") = "503",
            "Statuses of an upstream that count as failures, or none; repeatable";
        EjectMinTime = "upstream.eject.min_time", flag "eject-min-time": Value("DURATION") = "10s",
            "How long one stays out that fails again soon after it was back; twice that the next time, up to 5m";
        EjectAtMost = "upstream.eject.at_most": Value("PERCENT") = "100%",
            "Servers that failed requests may have taken out at a time, of all; one stays in any case";
        RetryAttempts = "upstream.retry.attempts": Value("N") = "2",
            "How often a GET, HEAD or OPTIONS without a body is sent that a server gives no answer to; 1: once";
        RetryBudget = "upstream.retry.budget": Value("PERCENT") = "20%",
            "Further attempts for every 100 requests, and 10 at a time; refused connections cost nothing";
        RetryStatuses = "upstream.retry.statuses": List("STATUS"),
            "Statuses that are tried again at another server instead of being given to the client";
        UpstreamProxyProtocol = "upstream.proxy_protocol": Value("off|v1|v2") = "off",
            "PROXY header that connections begin with; each of them then serves one client alone";
        UpstreamProxy = "upstream.proxy": Value("none|parent") = "none",
            "Whether its servers are asked through the parent of [proxy]";
        PoolMaxIdle = "upstream.pool.max_idle": Value("N") = "1024",
            "Idle connections kept for each server, over all workers; twice that for all servers";
        PoolIdleTimeout = "upstream.pool.idle_timeout": Value("DURATION") = "60s",
            "How long they are kept, unless their server announces less";
        PoolMaxConnections = "upstream.pool.max_connections": Value("N") = "0",
            "Open connections to all servers of the upstream, idle ones included, over all workers; 0: as many as it takes";
        PoolQueue = "upstream.pool.queue": Value("N") = "100",
            "Requests that may wait where as many are open as may be; more are 503";
        PoolQueueTimeout = "upstream.pool.queue_timeout": Value("DURATION") = "1s",
            "How long one waits before it is 503";
        PoolReuseForUnsafe = "upstream.pool.reuse_for_unsafe": Switch = "true",
            "Whether a request that cannot be sent twice may go out on a connection that was used before";
    }
    "Parent proxy" {
        ProxyHttp = "proxy.http": Value("URL"),
            "Proxy through which http destinations are asked: http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT";
        ProxyHttps = "proxy.https": Value("URL"),
            "The same for https destinations, to which it connects (CONNECT); TLS is spoken with them";
        NoProxy = "proxy.no_proxy": List("HOST|NETWORK"),
            "What is asked directly: a host, .example.com for all below it, either with :PORT; an address or a network";
        ProxyEnvironment = "proxy.environment": Switch = "false",
            "Whether http_proxy, https_proxy and no_proxy of the environment say that instead";
    }
    "DNS" {
        DnsServer = "dns.servers", flag "dns-server": List("ADDRESS"),
            "Resolver to ask instead of the system's: IP or IP:PORT; repeatable";
        HostsFile = "dns.hosts_file", flag "hosts-file": Value("FILE"),
            "Hosts file to read instead of the system's";
        DnsMaxStale = "dns.max_stale": Value("DURATION") = "1h",
            "How long a last good answer may serve when the resolver fails";
    }
    "Limits" {
        LimitHead = "limits.head", flag "limit-head": Value("SIZE") = "16k",
            "Request head; more is 431, a request line alone 414";
        LimitFields = "limits.fields", flag "limit-fields": Value("N") = "100",
            "Header fields of a message";
        LimitResponseHead = "limits.response_head", flag "limit-response-head": Value("SIZE") = "16k",
            "Response head; more is 502";
        LimitTrailers = "limits.trailers", flag "limit-trailers": Value("SIZE") = "8k",
            "Trailers of a message";
        LimitChunkExtensions = "limits.chunk_extensions", flag "limit-chunk-extensions": Value("SIZE") = "16k",
            "Chunk extensions of a message, in all";
        LimitInterim = "limits.interim", flag "limit-interim": Value("N") = "16",
            "1xx responses of an exchange";
        LimitLinger = "limits.linger", flag "limit-linger": Value("SIZE") = "1m",
            "Request bytes read and thrown away after an early answer";
        LimitBody = "limits.body", flag "limit-body": Value("SIZE|off") = "off",
            "Request body, or off; more is 413";
        LimitReplay = "limits.replay", flag "limit-replay": Value("SIZE") = "64k",
            "Request body kept for a redirect that the gateway follows, or for upstream.retry.statuses; 0 keeps none";
        LimitBuffer = "limits.buffer", flag "limit-buffer": Value("SIZE") = "16k",
            "First relay buffer of each direction";
        LimitSocketBuffer = "limits.socket_buffer", flag "limit-socket-buffer": Value("SIZE|auto") = "128k",
            "Kernel buffers of each socket, or auto to leave them to the kernel; where a long body comes from they \
             grow to 4 times that once its reader has proved to keep up";
    }
    "Timeouts" {
        TimeoutHead = "timeouts.head", flag "timeout-head": Value("DURATION") = "10s",
            "From the first byte of a request head to its end; a PROXY header and a TLS handshake together";
        TimeoutKeepAlive = "timeouts.keep_alive", flag "timeout-keep-alive": Value("DURATION") = "75s",
            "An idle client connection";
        TimeoutBodyIdle = "timeouts.body_idle", flag "timeout-body-idle": Value("DURATION") = "30s",
            "Silence inside a request body";
        TimeoutMinRate = "timeouts.min_rate", flag "timeout-min-rate": Value("SIZE/s|off") = "100/s",
            "Average rate of a request body after the first --timeout-body-idle, or off";
        TimeoutConnect = "timeouts.connect", flag "timeout-connect": Value("DURATION") = "5s",
            "DNS, TCP and TLS towards an upstream";
        TimeoutResponse = "timeouts.response", flag "timeout-response": Value("DURATION") = "60s",
            "From the request sent to the response head";
        TimeoutUpstreamIdle = "timeouts.upstream_idle", flag "timeout-upstream-idle": Value("DURATION") = "60s",
            "Silence inside a response body";
        TimeoutSend = "timeouts.send", flag "timeout-send": Value("DURATION") = "60s",
            "A peer that takes nothing";
        TimeoutTunnelIdle = "timeouts.tunnel_idle", flag "timeout-tunnel-idle": Value("DURATION") = "1h",
            "A tunnel in which nothing moves";
        TimeoutTunnelHalfClosed = "timeouts.tunnel_half_closed", flag "timeout-tunnel-half-closed":
            Value("DURATION") = "60s", "A tunnel of which one direction has ended";
        TimeoutLinger = "timeouts.linger", flag "timeout-linger": Value("DURATION") = "2s",
            "How long input is thrown away after an early answer";
    }
    "Observation" {
        AccessLog = "log.access", flag "access-log": Value("PATH|stdout|stderr|off") = "off",
            "One line per request to a file, stdout or stderr, or off; stdout where there is a --config";
        LogFormat = "log.format", flag "log-format": Value("text|json|combined|TEMPLATE") = "text",
            "What a line looks like; in a template {status} and other keys stand for values";
        RedactQuery = "log.redact_query", flag "redact-query": List("NAME"),
            "Query parameters to hide in the access log beside those named like a secret; repeatable";
        AllowQuery = "log.allow_query", flag "allow-query": List("NAME"),
            "Query parameters to show there although they are named like a secret; repeatable";
        LogLevel = "log.level", flag "log-level": Value("LEVEL|TARGET=LEVEL,...") = "info",
            "What is worth a line on stderr: error, warn, info, debug or trace; also for parts of the program";
        AdminListen = "admin.listen", flag "admin": Value("ADDRESS"),
            "Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default";
        AdminAllowHosts = "admin.allow_hosts": List("HOST") = "localhost",
            "Host names under which it may be asked for, beside addresses";
        Verbose, flag "verbose" short 'v': Count,
            "Say more on stderr; twice for everything";
        Quiet, flag "quiet" short 'q': Switch = "false",
            "Say nothing but errors on stderr";
    }
}

impl Key {
    /// The setting that has this name in a file.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.row().name == Some(name))
    }

    /// The setting of the flag with this long name.
    #[must_use]
    pub fn of_flag(long: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.row().flag.is_some_and(|flag| flag.long == long))
    }

    /// The setting of the flag with this short name.
    #[must_use]
    pub fn of_short(short: char) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.row().flag.is_some_and(|flag| flag.short == Some(short)))
    }

    /// Whether a list of it lets something in: one that is empty was meant to let nothing in, and taken for one that is
    /// left out it would let in everything.
    #[must_use]
    pub const fn grants(self) -> bool {
        matches!(
            self,
            Self::AllowOrigin
                | Self::AllowMethod
                | Self::AllowHeader
                | Self::ExposeHeader
                | Self::AllowTarget
                | Self::ListenServices
                | Self::ForwardConnectPorts
                | Self::ForwardAllowTargets
                | Self::RouteUpgrades
                | Self::AccessClientsAllow
                | Self::AccessBearerTokens
                | Self::Token
                | Self::AccessJwtAudience
                | Self::AccessJwtAlgorithms
        )
    }

    /// Whether what a flag says of it holds in every table of a file that has it.
    #[must_use]
    pub fn is_overridden(self) -> bool {
        let is_of_tables = ["listen.", "route.", "upstream."].iter().any(|table| self.begins_with(table));
        !matches!(self, Self::Listen | Self::Upstream) && (is_of_tables || self.is_inherited())
    }

    /// Whether a table that says nothing of it has what the whole file says.
    #[must_use]
    pub fn is_inherited(self) -> bool {
        ["timeouts.", "limits."].iter().any(|table| self.begins_with(table))
    }

    /// Whether its values are told to nobody, wherever they were typed.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(
            self,
            Self::AccessBearerTokens
                | Self::AccessSignedKeys
                | Self::AccessJwtSecret
                | Self::Token
                | Self::TargetSetHeader
                | Self::TargetAddHeader
        )
    }

    fn begins_with(self, table: &str) -> bool {
        self.row().name.is_some_and(|name| name.starts_with(table))
    }

    /// Whether it says who may do what. Where such a variable is empty, somebody meant to restrict: taken for one
    /// that is not set, it would admit everybody.
    #[must_use]
    pub const fn decides_about_access(self) -> bool {
        matches!(
            self,
            Self::AllowOrigin
                | Self::AllowMethod
                | Self::AllowHeader
                | Self::ExposeHeader
                | Self::AllowTarget
                | Self::DenyTarget
                | Self::RequireHeader
                | Self::Token
                | Self::AllowHost
                | Self::Preset
                | Self::TrustedProxies
        )
    }
}

impl Row {
    /// The line of help, with the default as one would type it behind the flag.
    #[must_use]
    pub fn help_line(&self) -> String {
        let default = match (self.kind, self.default) {
            (Kind::Opposite, Some("true")) => Some("false"),
            (Kind::Opposite, Some("false")) => Some("true"),
            (_, default) => default,
        };
        default.map_or_else(|| self.help.into(), |default| format!("{} [default: {default}]", self.help))
    }
}

impl Flag {
    /// The environment variable that stands for the flag.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("CORSAIR_{}", self.long.replace('-', "_").to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_has_a_name_or_a_flag_and_shares_none() {
        let mut names = BTreeSet::new();
        for key in Key::ALL {
            let Row { name, flag, .. } = key.row();
            assert!(name.is_some() || flag.is_some(), "{key:?} cannot be set");
            assert!(name.is_none_or(|name| names.insert(name.to_owned())), "{name:?} is given twice");
            if let Some(Flag { long, short }) = flag {
                assert!(names.insert(format!("--{long}")), "--{long} is given twice");
                assert!(short.is_none_or(|short| names.insert(format!("-{short}"))), "{short:?}");
            }
            assert_eq!(name.and_then(Key::named), name.map(|_| *key));
        }
    }

    /// Who reads an error types flags: what it names must be one. Errors cannot look here, so the texts are looked at.
    #[test]
    fn what_errors_name_is_a_flag() {
        let mut named = 0;
        for source in [
            include_str!("../error.rs"),
            include_str!("../http1/chunked.rs"),
            include_str!("../http1/framing.rs"),
            include_str!("../http1/head/field_section.rs"),
            include_str!("../http1/head/whole.rs"),
            include_str!("../cors/compile.rs"),
            include_str!("../cors/policy.rs"),
            include_str!("../gateway/texts.rs"),
        ] {
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            for text in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
                assert!(
                    !["limits.", "timeouts.", "upstream_headers "].iter().any(|name| text.contains(name)),
                    "{text}"
                );
                for flag in text.split("--").skip(1) {
                    let name: String =
                        flag.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                    assert!(Key::of_flag(&name).is_some(), "--{name} in {text}");
                    named += 1;
                }
            }
        }
        assert!(named > 10, "only {named} flags are named");
    }

    #[test]
    fn limits_and_timeouts_have_the_flags_of_their_names() {
        for key in Key::ALL {
            let Row { name: Some(name), flag: Some(flag), .. } = key.row() else { continue };
            let Some((table, own)) = name.split_once('.') else { continue };
            if let Some(group) = table.strip_suffix('s').filter(|group| ["limit", "timeout"].contains(group))
            {
                assert_eq!(flag.long, format!("{group}-{}", own.replace('_', "-")));
            }
        }
    }
}

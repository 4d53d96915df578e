//! Files that somebody could have written: tables and settings of corsair, put together at random.
//!
//! Most of what is made up is fine, so that what is judged of several settings together is reached. The test of files
//! that start and stop uses it, too, and so it knows nothing of where its choices come from.

use std::fmt::Write as _;

use corsair::config::{Key, Kind};

/// Makes up a file. `choose` gives a number below the one that it gets; `is_odd` puts in what nobody should write.
#[must_use]
pub fn document(choose: &mut dyn FnMut(usize) -> usize, is_odd: bool) -> String {
    let mut document = Document { text: String::new(), choose, is_odd };
    document.tables();
    document.text
}

/// Names of policies, upstreams, limits and tables of access.
const NAMES: [&str; 3] = ["api", "web", "a.b-c_d"];

/// Words that stand for themselves.
const WORDS: [&str; 19] = [
    "auto",
    "off",
    "on",
    "url",
    "gateway",
    "routes",
    "replace",
    "keep",
    "answer",
    "forward",
    "follow",
    "rewrite",
    "pass",
    "strip",
    "isolate",
    "upstream",
    "websocket",
    "none",
    "any",
];

/// Values of the wrong kind, or of none.
const ODD: [&str; 14] = [
    "\"\"",
    "\" \"",
    "\"☃\"",
    "[]",
    "{}",
    "1.5",
    "0x10",
    "1979-05-27",
    "true",
    "-1",
    "\"${NO_SUCH}\"",
    "\"${PATH}\"",
    "\"$${x}\"",
    "[\"a\", [\"b\"]]",
];

struct Document<'a> {
    text: String,
    choose: &'a mut dyn FnMut(usize) -> usize,
    is_odd: bool,
}

impl Document<'_> {
    fn tables(&mut self) {
        for begins in ["", "timeouts.", "limits.", "dns.", "proxy.", "log.", "cors."] {
            if self.one_in(2) {
                self.header(begins.strip_suffix('.'), "");
                self.settings(begins, begins);
            }
        }
        let (policies, upstreams, routes) = (self.below(3), self.below(4), self.below(4));
        let (accesses, limits) = (self.below(3), self.below(3));
        if self.one_in(3) || upstreams == 0 {
            self.header(Some("gateway"), "");
            self.access(accesses);
            self.limit(limits);
            self.settings("gateway.", "gateway.");
            for _ in 0..self.below(3) {
                self.header(Some("[gateway.target]"), "");
                let host =
                    self.pick(&["\"api.example.org\"", "\"http://127.0.0.1:9\"", "\"*.example.com:8443\""]);
                self.line("host", host);
                self.settings("gateway.target.", "gateway.target.");
            }
        }
        if self.one_in(4) {
            self.header(Some("forward"), "");
            self.access(accesses);
            self.limit(limits);
            self.settings("forward.", "forward.");
        }
        for name in NAMES.iter().take(policies) {
            self.header(Some("policy"), name);
            self.settings("cors.", "policy.NAME.");
        }
        self.admission(accesses, limits);
        for _ in 0..self.below(3) {
            self.header(Some("[listen]"), "");
            let address =
                self.pick(&["\"127.0.0.1:0\"", "\"[::1]:0\"", "[\"127.0.0.1:0\", \"127.0.0.1:0\"]"]);
            self.line("address", address);
            self.settings("listen.", "listen.");
        }
        for name in NAMES.iter().take(upstreams) {
            self.header(Some("upstream"), name);
            let servers = self.pick(&[
                "[\"http://127.0.0.1:9\"]",
                "[\"http://127.0.0.1:9/x\", { url = \"https://api.example.org\" }]",
                "\"unix:/run/none.sock\"",
                "[{ url = \"http://127.0.0.1:9\", weight = 2 }, { url = \"http://[::1]:9\", backup = true }]",
                "[{ url = \"http://127.0.0.1:9\", max_connections = 3 }]",
            ]);
            self.line("servers", servers);
            self.settings("upstream.", "upstream.");
        }
        for at in 0..routes {
            self.header(Some("[route]"), "");
            if !self.one_in(4) {
                self.line("path", &format!("\"/r{at}\""));
            }
            if upstreams > 0 && !self.one_in(3) {
                let name = NAMES[self.below(upstreams)];
                self.line("upstream", &format!("\"{name}\""));
            } else {
                let status = self.pick(&["200", "404", "410", "\"503\""]);
                self.line("respond.status", status);
                if self.one_in(3) {
                    self.line("respond.body", "\"gone\\n\"");
                }
            }
            if policies > 0 && self.one_in(2) {
                let name = NAMES[self.below(policies)];
                self.line("cors", &format!("\"{name}\""));
            }
            self.access(accesses);
            self.limit(limits);
            self.settings("route.", "route.");
            for begins in ["timeouts.", "limits."] {
                self.settings(begins, "");
            }
        }
    }

    /// Tables of access and of limits.
    fn admission(&mut self, accesses: usize, limits: usize) {
        for name in NAMES.iter().take(accesses) {
            self.header(Some("access"), name);
            let way = self.pick(&[
                "clients = { allow = [\"10.0.0.0/8\", \"::1\"] }",
                "clients.deny = [\"192.0.2.1\"]",
                "bearer.tokens = [\"one\", \"${PATH}\"]",
                "bearer = { tokens = [\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"] }",
                "fetch_site = {}",
                "signed.keys = { k1 = \"0123456789abcdef0123456789abcdef\" }",
                "signed = { keys = { k1 = \"${PATH}\" } }",
                "fetch_site.safe = \"same-site\"",
            ]);
            let (name, value) = way.split_once(" = ").unwrap_or((way, "{}"));
            self.line(name, value);
        }
        self.limits(limits);
    }

    /// Which of so many tables of access must admit.
    fn access(&mut self, accesses: usize) {
        if accesses > 0 && self.one_in(2) {
            let name = NAMES[self.below(accesses)];
            self.line("access", &format!("[\"{name}\"]"));
        }
    }

    /// So many limits.
    fn limits(&mut self, limits: usize) {
        for name in NAMES.iter().take(limits) {
            self.header(Some("limit"), name);
            let rate = self.pick(&["\"200/1m\"", "\"1/1h\"", "\"10/s\"", "\"1000000/1s\""]);
            self.line("rate", rate);
            self.settings("limit.", "limit.NAME.");
        }
    }

    /// Which of so many limits must admit.
    fn limit(&mut self, limits: usize) {
        if limits > 0 && self.one_in(2) {
            let name = NAMES[self.below(limits)];
            self.line("limit", &format!("[\"{name}\"]"));
        }
    }

    fn header(&mut self, table: Option<&str>, name: &str) {
        let Some(table) = table else { return };
        // Writing to a String cannot fail.
        let _ = match (name, table.strip_suffix(']')) {
            ("", _) => writeln!(self.text, "[{table}]"),
            (name, _) => writeln!(self.text, "[{table}.\"{name}\"]"),
        };
    }

    fn line(&mut self, name: &str, value: &str) {
        let value = if self.is_odd && self.one_in(12) { self.pick(&ODD) } else { value };
        let _ = writeln!(self.text, "{name} = {value}");
    }

    /// Some settings whose names begin so. Where they stand for a route, they have their names in full.
    fn settings(&mut self, begins: &str, table: &str) {
        let rarely = if table.is_empty() && !begins.is_empty() { 12 } else { 5 };
        for key in Key::ALL {
            let Some(name) = key.row().name else { continue };
            let Some(own) = name.strip_prefix(begins) else { continue };
            let is_deeper = begins.is_empty() && own.contains('.')
                || own.starts_with("tls.certificates")
                || own.starts_with("servers.")
                || own.starts_with("target.");
            let is_written = matches!(
                key,
                Key::Listen
                    | Key::Upstream
                    | Key::RouteUpstream
                    | Key::RouteCors
                    | Key::RouteAccess
                    | Key::GatewayAccess
                    | Key::ForwardAccess
                    | Key::RouteLimit
                    | Key::GatewayLimit
                    | Key::ForwardLimit
                    | Key::LimitRate
                    | Key::LimitKeys
                    | Key::RoutePath
                    | Key::GatewayCors
                    | Key::GatewayTarget
                    | Key::RespondStatus
                    | Key::RespondLocation
                    | Key::RespondBody
                    | Key::RespondContentType
            );
            if is_deeper || !self.one_in(rarely) || is_written && !(self.is_odd && self.one_in(8)) {
                continue;
            }
            let shown = if rarely == 12 { name } else { own };
            if let Some(value) = self.value(*key) {
                self.line(shown, &value);
            }
        }
    }

    /// A value that may be typed for a setting; none where it would change the machine.
    fn value(&mut self, key: Key) -> Option<String> {
        Some(match key.row().kind {
            Kind::Switch | Kind::Opposite => self.pick(&["true", "false"]).to_owned(),
            Kind::Count => "1".to_owned(),
            Kind::Fields(_) => self
                .pick(&["{}", "{ x-a = \"1\" }", "{ x-b = [\"1\", \"2\"], \"X-C\" = \"${PATH}\" }"])
                .to_owned(),
            Kind::Value(words) => {
                let value = self.example(key, words)?;
                if value.bytes().all(|byte| byte.is_ascii_digit()) {
                    value.to_owned()
                } else {
                    format!("{value:?}")
                }
            }
            Kind::List(words) => {
                let mut members = Vec::new();
                for _ in 0..=self.below(2) {
                    members.push(format!("{:?}", self.example(key, words)?));
                }
                format!("[{}]", members.join(", "))
            }
        })
    }

    fn example(&mut self, key: Key, words: &str) -> Option<&'static str> {
        let words: Vec<&str> = words.split('|').collect();
        let word = words[self.below(words.len())];
        let examples: &[&'static str] = match (key, word) {
            (Key::User | Key::Group | Key::ConfigFile, _) | (_, "FILE") => return None,
            (Key::AccessLog, _) => &["off", "stdout", "stderr"],
            (Key::ResourcePolicy, _) => &["same-site", "cross-origin"],
            (Key::DnsServer, _) => &["127.0.0.1", "[::1]:53"],
            // Whoever starts it wants to see it end.
            (Key::DrainDelay, _) => &["0s", "10ms"],
            (Key::RouteName, _) => &["first", "second"],
            (Key::RouteHost, _) => &["api.example.com", "*.example.com", "127.0.0.1", "[::1]"],
            (Key::AllowMethod, _) => &["any", "PUT", "DELETE"],
            (Key::AllowHeader, _) => &["any", "x-token", "x-stainless-*"],
            (Key::Preset, _) => &["mcp", "llm"],
            (Key::ExposeHeader, _) => &["all", "x-token"],
            (Key::HostHeader, "NAME") => &["app.example.com", "[::1]:8080"],
            (Key::AccessJwtJwks, _) => &["https://id.example/jwks"],
            (Key::AccessJwtAlgorithms, _) => &["RS256", "EdDSA", "HS256", "none"],
            (Key::AccessForwardUrl, _) => {
                &["http://127.0.0.1:9/verify?a=b", "https://auth.example", "unix:/a"]
            }
            (Key::EjectStatus, _) => &["503", "502", "none"],
            (Key::RetryStatuses, _) => &["502", "503"],
            (Key::HealthStatus, _) => &["200-399", "204"],
            (Key::HealthPath, _) => &["/healthz"],
            (Key::Balance, _) => &["round_robin", "least_conn", "random_two", "hash:ip", "hash:header:x-a"],
            (Key::TrustedProxies, _) => &["loopback", "private", "10.0.0.0/8"],
            (Key::TrustedHeaders, _) => &["x-forwarded", "forwarded"],
            (Key::UpstreamProxyProtocol, _) => &["off", "v1", "v2"],
            (Key::UpstreamResolve, _) => &["first", "all", "srv"],
            (Key::ProxyHttp | Key::ProxyHttps, _) => {
                &["http://127.0.0.1:9", "http://u:p@parent.example:3128"]
            }
            (Key::ForwardConnectPorts, _) => &["443", "8443"],
            (Key::NoProxy, _) => &["localhost", ".internal", "10.0.0.0/8", "host:8080"],
            (Key::UpstreamProxy, _) => &["none", "parent"],
            (Key::LimitKey, _) => &["client", "origin", "route", "header:x-a"],
            (Key::LimitExempt, _) => &["https://app.example.com", "https://*.example.com", "loopback"],
            (Key::LimitShared, _) => &["local", "replicas:corsair.example", "redis://127.0.0.1:9/1"],
            (_, "PERCENT") => &["100%"],
            (Key::Workers, _) => &["1", "2", "auto"],
            (Key::LimitFields, _) => &["10", "1024"],
            (Key::MaxMemory, "SIZE") => &["1g", "300m"],
            (Key::MaxConnections, _) => &["1", "100"],
            (_, "N") => &["1", "3", "16"],
            (_, "SIZE") => &["4k", "16k", "4096"],
            (_, "SIZE/s") => &["100/s", "1k/s"],
            (_, "DURATION") => &["250ms", "1s", "1m30s", "1h"],
            (_, "ORIGIN") => &[
                "https://app.example.com",
                "https://*.example.com",
                "loopback",
                "~https://a[0-9]{1,2}\\.example",
            ],
            (_, "METHOD") => &["GET", "PUT", "BREW"],
            (_, "NAME") => &["x-a", "x-b"],
            (_, "HOST") => &["localhost", "app.example.com", "*"],
            (_, "TARGET") => &["public", "api.example.org", "10.0.0.0/8", "loopback"],
            (_, word) => return WORDS.iter().copied().find(|known| *known == word),
        };
        Some(examples[self.below(examples.len())])
    }

    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn below(&mut self, count: usize) -> usize {
        (self.choose)(count) % count
    }
}

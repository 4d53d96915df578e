//! Configurations and requests that nobody wrote, the same for the same seed.

use std::{fmt::Write as _, net::SocketAddr};

/// What the URLs of all requests call their port: listeners on port 0 take any.
pub(crate) const PORT: u16 = 8080;

const ENTRIES: [&str; 9] = [
    "*",
    "https://a.example",
    "https://b.example",
    "https://*.app.example",
    "null",
    "loopback",
    "~https://[a-c]\\\\.example",
    "chrome-extension://abcdefgh",
    "http://api.example.com:8080",
];

const ORIGINS: [&str; 10] = [
    "https://a.example",
    "https://b.example",
    "https://c.example",
    "https://x.app.example",
    "null",
    "http://localhost:5173",
    "https://evil.example",
    "chrome-extension://abcdefgh",
    "http://api.example.com:8080",
    "http://127.0.0.1:8080",
];

const HOSTS: [&str; 6] =
    ["127.0.0.1", "127.0.0.2", "localhost", "api.example.com", "b.example.com", "other.example"];

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "patch", "OPTIONS", "PURGE"];

/// Fields, each with whether a preflight asks for it.
const HEADERS: [(&str, bool); 8] = [
    ("X-Token: 1", true),
    ("Authorization: Bearer x", true),
    ("Content-Type: application/json", true),
    ("Content-Type: text/plain", false),
    ("Accept: text/html", false),
    ("x-b: 2", true),
    ("X-Requested-With: page", true),
    ("Range: bytes=0-5", false),
];

pub(crate) struct Random(fastrand::Rng);

/// A page's request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) host: &'static str,
    pub(crate) target: String,
    pub(crate) origin: Option<&'static str>,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(&'static str, bool)>,
    pub(crate) credentials: bool,
    pub(crate) upgrade: bool,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.0.usize(..one_in) == 0
    }

    fn some(&mut self, of: &[&'static str], most: usize) -> String {
        let count = self.0.usize(1..=most);
        let members: Vec<String> = (0..count).map(|_| format!("\"{}\"", self.one(of))).collect();
        format!("[{}]", members.join(", "))
    }

    /// What a policy says.
    fn policy(&mut self, text: &mut String) {
        let mut line = |key: &str, value: &str| writeln!(text, "{key} = {value}").unwrap();
        if !self.chance(4) {
            line("allow_origins", &self.some(&ENTRIES, 3));
        }
        if self.chance(3) {
            line("allow_credentials", "true");
        }
        if self.chance(3) {
            line("allow_methods", &self.some(&METHODS[3..], 3));
        }
        if self.chance(3) {
            line("allow_headers", &self.some(&["x-token", "Content-Type", "authorization", "X-B"], 3));
        }
        if self.chance(4) {
            line("expose_headers", &self.some(&["X-A", "ETag"], 2));
        }
        if self.chance(4) {
            line("deny_origins", &self.some(&["https://b.example", "null", "https://*.example.com"], 2));
        }
        for (key, value) in [
            ("max_age", "\"5s\""),
            ("private_network", "true"),
            ("upstream_headers", "\"keep\""),
            ("refuse_other_origins", "true"),
            ("timing", "true"),
            ("resource_policy", "\"cross-origin\""),
            ("verdict", "false"),
        ] {
            if self.chance(5) {
                line(key, value);
            }
        }
        if self.chance(10) {
            line("preflight", "\"forward\"");
        }
        if self.chance(10) {
            line("report_only", "true");
        }
    }

    /// A file; the only server of its upstream is at `origin`.
    pub(crate) fn file(&mut self, origin: SocketAddr) -> String {
        let mut text = "[cors]\n".to_owned();
        self.policy(&mut text);
        for name in ["one", "two"] {
            writeln!(text, "[policy.{name}]").unwrap();
            self.policy(&mut text);
        }
        let first = self.one(&["127.0.0.1:0", "127.0.0.1:0", "0.0.0.0:0"]);
        let second = self.chance(2).then_some("127.0.0.2:0");
        for address in [Some(first), second].into_iter().flatten() {
            writeln!(text, "[[listen]]\naddress = \"{address}\"").unwrap();
            if self.chance(4) {
                writeln!(text, "allow_hosts = {}", self.some(&HOSTS, 4)).unwrap();
            }
            if self.chance(4) {
                writeln!(text, "services = [\"{}\"]", self.one(&["gateway", "routes"])).unwrap();
            }
        }
        let policies = ["default", "one", "two"];
        if self.chance(2) {
            writeln!(text, "[gateway]\ncors = \"{}\"", self.one(&policies)).unwrap();
            if !self.chance(4) {
                let targets = self.one(&["\"loopback\"", "\"any\"", "\"api.example.com\""]);
                writeln!(text, "allow_targets = [{targets}]").unwrap();
            }
            if self.chance(4) {
                text += "require_headers = [\"X-Requested-With\", \"Origin\"]\n";
            }
            if self.chance(3) {
                text += "open = true\n";
            }
        }
        writeln!(text, "[upstream.a]\nservers = [\"http://{origin}\"]").unwrap();
        for _ in 0..self.0.usize(1..=4) {
            text += "[[route]]\n";
            let host = self.one(&["", "", "host = \"api.example.com\"\n", "host = \"*.example.com\"\n"]);
            let path = self.one(&["", "path = \"/v1\"\n", "path = \"/app\"\n"]);
            let to = self.one(&["upstream = \"a\"\n", "upstream = \"a\"\n", "respond = { status = 404 }\n"]);
            let cors = self.one(&policies);
            writeln!(text, "{host}{path}{to}cors = \"{cors}\"").unwrap();
            if self.chance(4) {
                writeln!(text, "methods = {}", self.some(&METHODS[..6], 4)).unwrap();
            }
            if self.chance(5) {
                text += "upgrades = [\"none\"]\n";
            }
        }
        text
    }

    /// A request; what a gateway is asked for is at `origin`.
    pub(crate) fn asked(&mut self, origin: SocketAddr) -> Asked {
        let mut headers: Vec<(&'static str, bool)> = Vec::new();
        for _ in 0..self.0.usize(..3) {
            let header = self.one(&HEADERS);
            let name = |header: (&'static str, bool)| header.0.split(':').next();
            if !headers.iter().any(|known| name(*known) == name(header)) {
                headers.push(header);
            }
        }
        let upgrade = self.chance(10);
        let target = match self.0.usize(..9) {
            0 | 1 => "/".to_owned(),
            2 | 3 => "/v1/x".to_owned(),
            4 => "/app?x=1".to_owned(),
            5 => "/nope%2f".to_owned(),
            6 => "/healthcheck".to_owned(),
            7 => format!("/http://{origin}/t"),
            _ => format!("/?url=http://{origin}/"),
        };
        Asked {
            host: self.one(&HOSTS),
            target,
            origin: (!self.chance(8)).then(|| self.one(&ORIGINS)),
            method: if upgrade { "GET" } else { self.one(&METHODS) },
            headers,
            credentials: self.chance(3),
            upgrade,
        }
    }
}

impl Asked {
    /// What the command is asked.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--method".to_owned(), self.method.to_owned()];
        arguments.extend(self.origin.iter().flat_map(|origin| ["--origin".to_owned(), (*origin).to_owned()]));
        arguments.extend(
            self.headers.iter().flat_map(|(header, _)| ["--header".to_owned(), (*header).to_owned()]),
        );
        arguments.extend(self.credentials.then(|| "--credentials".to_owned()));
        arguments.extend(self.upgrade.then(|| "--upgrade".to_owned()));
        arguments.push(format!("http://{}:{PORT}{}", self.host, self.target));
        arguments
    }

    fn is_same_origin(&self) -> bool {
        self.origin.is_some_and(|origin| origin == format!("http://{}:{PORT}", self.host))
    }

    /// Whether a browser sends a preflight.
    pub(crate) fn wants_preflight(&self) -> bool {
        let is_simple =
            ["GET", "HEAD", "POST"].contains(&self.method) && !self.headers.iter().any(|(_, asks)| *asks);
        self.origin.is_some() && !self.is_same_origin() && !self.upgrade && !is_simple
    }

    /// The preflight.
    pub(crate) fn preflight(&self) -> String {
        let Self { host, target, method, .. } = self;
        let mut names: Vec<String> = self
            .headers
            .iter()
            .filter(|(_, asks)| *asks)
            .filter_map(|(header, _)| header.split(':').next())
            .map(str::to_ascii_lowercase)
            .collect();
        names.sort();
        let names = if names.is_empty() {
            String::new()
        } else {
            format!("Access-Control-Request-Headers: {}\r\n", names.join(","))
        };
        format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: {host}:{PORT}\r\nAccess-Control-Request-Method: {method}\r\n{names}\
             Origin: {}\r\n\r\n",
            self.origin.unwrap_or_default()
        )
    }

    /// The request itself.
    pub(crate) fn request(&self) -> String {
        let Self { host, target, method, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}:{PORT}\r\n");
        if self.upgrade {
            head += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        }
        for (header, _) in &self.headers {
            write!(head, "{header}\r\n").unwrap();
        }
        if self.credentials {
            head += "Cookie: a=b\r\n";
        }
        let is_bare = self.is_same_origin() && !self.upgrade && ["GET", "HEAD"].contains(method);
        if let Some(origin) = self.origin.filter(|_| !is_bare) {
            write!(head, "Origin: {origin}\r\n").unwrap();
        }
        head + "\r\n"
    }
}

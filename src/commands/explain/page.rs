//! What a browser sends for a page: the request that was asked about, and the preflight before it.

use std::net::IpAddr;

use url::Url;

use super::fetch::{self, Script};
use crate::{
    config::{Config, ConfigFault, ListenAddress, Listener, ListenerId, Question},
    http1::fields::is_token,
};

/// A page's request, as it can be made.
pub(super) struct PageRequest {
    /// What it is for; of a WebSocket, the http URL that it is opened by.
    pub(super) url: Url,
    pub(super) listener: ListenerId,
    /// The origin of the page; nothing where no page asks.
    pub(super) origin: Option<String>,
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) credentials: bool,
    pub(super) upgrade: bool,
}

impl PageRequest {
    /// What is asked about, with the listener that it comes to.
    ///
    /// # Errors
    /// Everything of it that no page can ask.
    pub(super) fn of(question: &Question, config: &Config) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let mut note = |key: &str, message: String| {
            faults.push(ConfigFault { key: key.to_owned(), message, place: None });
        };
        let typed = question.url.as_deref().unwrap_or_default();
        let url = url(typed).map_err(|message| note(typed, message)).ok();
        let listener =
            url.as_ref().and_then(|url| listener(url, config).map_err(|message| note(typed, message)).ok());
        if let Some(Err(message)) = question.origin.as_deref().map(check_origin) {
            note("--origin", message);
        }
        let method = fetch::normalized(question.method.as_deref().unwrap_or("GET"));
        if !is_token(method.as_bytes()) {
            note("--method", format!("\"{method}\" is no method; expected one such as PUT"));
        } else if fetch::is_forbidden_method(&method) {
            note("--method", format!("no page can send {method}"));
        } else if question.upgrade && method != "GET" {
            note("--method", format!("a WebSocket is opened by GET, and not by {method}"));
        }
        let mut headers = Vec::new();
        for typed in &question.headers {
            match header(typed) {
                Ok(header) => headers.push(header),
                Err(message) => note("--header", message),
            }
        }
        let (Some(url), Some(listener), true) = (url, listener, faults.is_empty()) else {
            return Err(faults);
        };
        let Question { origin, credentials, upgrade, .. } = question;
        Ok(Self {
            url,
            listener,
            origin: origin.clone(),
            method,
            headers,
            credentials: *credentials,
            upgrade: *upgrade,
        })
    }

    /// The origin of what is asked for.
    pub(super) fn own_origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the page is of the very origin that it asks.
    pub(super) fn is_same_origin(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| *origin == self.own_origin())
    }

    /// The request of a script from elsewhere.
    pub(super) fn script(&self) -> Option<Script<'_>> {
        let origin = self.origin.as_deref().filter(|_| !self.is_same_origin())?;
        let Self { method, headers, credentials, .. } = self;
        Some(Script { origin, method, headers, credentials: *credentials })
    }

    /// Whether a preflight goes before it.
    pub(super) fn wants_preflight(&self) -> bool {
        !self.upgrade && self.script().is_some_and(|script| fetch::wants_preflight(&script))
    }

    /// The head of the preflight.
    pub(super) fn preflight(&self) -> String {
        let mut head = self.begin("OPTIONS");
        head += &format!("Accept: */*\r\nAccess-Control-Request-Method: {}\r\n", self.method);
        let names = fetch::unsafe_names(&self.headers);
        if !names.is_empty() {
            head += &format!("Access-Control-Request-Headers: {}\r\n", names.join(","));
        }
        head + &self.origin_line() + &self.fetch_lines() + "\r\n"
    }

    /// The head of the request itself.
    pub(super) fn request(&self) -> String {
        let mut head = self.begin(&self.method);
        if self.upgrade {
            head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: Y29yc2FpciBleHBsYWlucw==\r\n";
        } else if !["GET", "HEAD"].contains(&&*self.method) {
            head += "Content-Length: 0\r\n";
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            head += "Accept: */*\r\n";
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.credentials {
            head += "Cookie: session=explained\r\n";
        }
        // Of its own origin a page asks without one, unless it may change something or opens a WebSocket.
        if !self.is_same_origin() || self.upgrade || !["GET", "HEAD"].contains(&&*self.method) {
            head += &self.origin_line();
        }
        head + &self.fetch_lines() + "\r\n"
    }

    fn begin(&self, method: &str) -> String {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n")
    }

    fn origin_line(&self) -> String {
        self.origin.as_ref().map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"))
    }

    /// What browsers say of the request to a server that they trust the way to.
    fn fetch_lines(&self) -> String {
        let is_trusted = self.url.scheme() == "https" || is_loopback(&self.url);
        if self.origin.is_none() || !is_trusted {
            return String::new();
        }
        let mode = if self.upgrade { "websocket" } else { "cors" };
        let destination = if self.upgrade { "websocket" } else { "empty" };
        format!("Sec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {destination}\r\n")
    }
}

/// The URL that is asked for, without its fragment, which is never sent.
fn url(typed: &str) -> Result<Url, String> {
    let web_socket = [("ws://", "http://"), ("wss://", "https://")];
    let slip =
        web_socket.iter().find_map(|(ours, http)| Some(format!("{http}{}", typed.strip_prefix(ours)?)));
    let mut url = Url::parse(slip.as_deref().unwrap_or(typed)).map_err(|fault| {
        let hint = if typed.contains("://") { "" } else { "; write http:// or https:// before it" };
        format!("is no URL: {fault}{hint}")
    })?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("is a URL of {}; only http and https are served", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name, and no script can fetch such a URL; ask with --credentials".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether a page can have this origin.
fn check_origin(origin: &str) -> Result<(), String> {
    if origin == "null" {
        return Ok(());
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return Err(format!("\"{origin}\" is no origin, it has no scheme; write https://{origin}, or null"));
    };
    match authority.find(['/', '?', '#']) {
        Some(end) if scheme != "file" => {
            let authority = authority.get(..end).unwrap_or(authority);
            Err(format!("\"{origin}\" is a URL; an origin ends before the path: {scheme}://{authority}"))
        }
        _ if origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') => Ok(()),
        _ => Err(format!("\"{origin}\" is no origin of a page; write one such as https://app.example.com")),
    }
}

/// A field of the script's: `NAME` or `NAME: VALUE`.
fn header(typed: &str) -> Result<(String, String), String> {
    let (name, value) =
        typed.split_once(':').map_or((typed, None), |(name, value)| (name, Some(value.trim())));
    let name = name.trim();
    if !is_token(name.as_bytes()) {
        return Err(format!(
            "\"{name}\" is no name of a field; write one such as x-token, or 'x-token: value'"
        ));
    }
    if fetch::is_forbidden_header(name) {
        let cookie = name.eq_ignore_ascii_case("cookie");
        let hint =
            if cookie { "; --credentials asks with cookies" } else { ": the browser writes it itself" };
        return Err(format!("no script can set {name}{hint}"));
    }
    // Where no value is typed, it is one that a script would have to ask for.
    let value =
        value.unwrap_or(if name.eq_ignore_ascii_case("content-type") { "application/json" } else { "1" });
    if value.bytes().any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) {
        return Err(format!("the value of {name} holds what no field can"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// The listener that a request for this URL comes to: by scheme and port, and of several by the address.
fn listener(url: &Url, config: &Config) -> Result<ListenerId, String> {
    let secure = url.scheme() == "https";
    let port = url.port_or_known_default().unwrap_or_default();
    let fits = |one: &Listener, wanted: u16| match one.address {
        ListenAddress::Tcp(address) => address.port() == wanted && one.tls.is_some() == secure,
        ListenAddress::Unix(_) => false,
    };
    let of_port = |wanted| {
        let fitting = config.listeners().filter(move |(_, one)| fits(one, wanted));
        fitting.min_by_key(|(_, one)| distance(one, url)).map(|(id, _)| id)
    };
    // Which port the kernel will choose, nobody knows yet.
    let served = of_port(port).or_else(|| of_port(0)).or_else(|| by_proxy(config));
    served.ok_or_else(|| {
        let near = config.listeners().min_by_key(|(_, one)| match one.address {
            ListenAddress::Tcp(address) => {
                (one.tls.is_some() != secure, u32::from(address.port().abs_diff(port)))
            }
            ListenAddress::Unix(_) => (true, u32::MAX),
        });
        let near = near.map_or_else(String::new, |(_, one)| {
            format!("; the nearest is {}", one.address.url(one.tls.is_some()))
        });
        let forward = if config.forward.is_some() {
            "; through the forward proxy it is asked as it is, and CORS is for its own server to grant"
        } else {
            ""
        };
        format!("no listener serves {} on port {port}{near}{forward}", url.scheme())
    })
}

/// The listener that trusted proxies take requests to, by whatever name and port clients know it: the only plain one.
fn by_proxy(config: &Config) -> Option<ListenerId> {
    let is_trusting = !config.trust.proxies.is_empty();
    let mut plain = config.listeners().filter(|(_, one)| is_trusting && one.tls.is_none());
    match (plain.next(), plain.next()) {
        (Some((id, _)), None) => Some(id),
        // Between several nobody but the proxy can tell.
        _ => None,
    }
}

/// How far the address of a listener is from what the host of a URL says.
fn distance(listener: &Listener, url: &Url) -> u8 {
    let ListenAddress::Tcp(address) = listener.address else { return u8::MAX };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).parse::<IpAddr>();
    match host {
        Ok(host) if host == address.ip() => 0,
        Ok(_) if address.ip().is_unspecified() => 1,
        Ok(_) => 2,
        Err(_) if is_loopback(url) == listener.is_loopback() => 0,
        Err(_) => 1,
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

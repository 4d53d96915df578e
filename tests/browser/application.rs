//! What the pages are of, and what they ask through the proxy: an application that answers in every way that a test wants,
//! and a server of pages that tells them what became of a request over there.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio_tungstenite::tungstenite;

use crate::support::{Exchange, Fault, Origin, PATIENCE, Request, Then, answer, pause, sha256};

/// A TrueType font of one empty glyph.
const FONT: &str = "AAEAAAAKAIAAAwAgT1MvMkD2P1QAAAEoAAAAYGNtYXAADABGAAABjAAAACxnbHlmMxE5PwAAAbwAAAAUaGVhZC2ChEQAAACsAAAANmhoZWEAGQAa\
    AAAA5AAAACRobXR4ABAAAAAAAYgAAAAEbG9jYQAAAAoAAAG4AAAABG1heHAAAwAFAAABCAAAACBuYW1lAIlMyAAAAdAAAAA8cG9zdAADAAAAAAIMAAAAIAABAAAAAQAA\
    YPwJbV8PPPUAAwAQAAAAAOcyI5oAAAAA5zIjmgAAAAAACAAIAAAAAwACAAAAAAAAAAEAAAAQAAAAAAAQAAAACAAIAAEAAAAAAAAAAAAAAAAAAAABAAEAAAABAAMAAQAA\
    AAAAAgAAAAAAAAAAAAAAAAAAAAAAAwAQAZAABQAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPz8/PwAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAgAAAAEAAAAAAAAgAAAAMAAAAUAAMAAQAAABQABAAYAAAAAgACAAAAAP//AAD//wABAAAAAAAKAAEAAAAAAAgACAACAAAxNTMICAAAAAAE\
    ADYAAQAAAAAAAQABAAAAAQAAAAAAAgABAAEAAwABBAkAAQACAAIAAwABBAkAAgACAAREUgBEAFIAAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
/// A PNG of one pixel.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
/// What the application says of CORS itself, as many do.
const OWN_CORS: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n";
/// Fields of every kind, of which a page wants to read most.
const FIELDS: &str = "X-Total: 7\r\nETag: \"one\"\r\nLink: </next>; rel=next\r\nRateLimit-Limit: 5\r\n\
                      Set-Cookie: hidden=1\r\nContent-Type: text/plain\r\n";

/// What has happened, by its name, and how often; pages and the application wait for it.
#[derive(Clone, Default)]
struct Events(Arc<(Mutex<HashMap<String, usize>>, Condvar)>);

impl Events {
    fn tell(&self, event: &str) {
        *self.0.0.lock().unwrap().entry(event.to_owned()).or_default() += 1;
        self.0.1.notify_all();
    }

    /// Whether it happens so often before [`PATIENCE`] is over.
    fn happens(&self, event: &str, times: usize) -> bool {
        let events = self.0.0.lock().unwrap();
        let missing =
            |events: &mut HashMap<String, usize>| events.get(event).copied().unwrap_or_default() < times;
        !self.0.1.wait_timeout_while(events, PATIENCE, missing).unwrap().1.timed_out()
    }
}

/// An application and the server of the pages that use it.
pub(crate) struct Site {
    /// The application.
    pub(crate) application: Origin,
    pages: Origin,
    /// A WebSocket server that sends every message back.
    pub(crate) sockets: SocketAddr,
}

impl Site {
    /// Starts both.
    pub(crate) fn start() -> Self {
        let events = Events::default();
        let told = events.clone();
        let application = Origin::on_head(move |exchange| serve(exchange, &told));
        let pages = Origin::start(move |request| page(request, &events));
        Self { application, pages, sockets: echo_server() }
    }

    /// The origin of its pages under this name.
    pub(crate) fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.pages.address().port())
    }
}

/// A page without anything, and what pages ask of their own server: `/tell/EVENT`, and `/when/EVENT`, which is answered
/// once it has happened.
fn page(request: &Request, events: &Events) -> Vec<u8> {
    let isolated = "Cross-Origin-Embedder-Policy: require-corp\r\n";
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let (fields, body) = match path.trim_start_matches('/').split_once('/') {
        Some(("tell", event)) => {
            events.tell(event);
            ("Content-Type: text/plain\r\n", "told".to_owned())
        }
        Some(("when", event)) => ("Content-Type: text/plain\r\n", events.happens(event, 1).to_string()),
        _ => {
            let isolated = if query == "isolated" { isolated } else { "" };
            let page = "<!doctype html><meta charset=utf-8><title>a page</title><body>";
            return answer("200 OK", &format!("{isolated}Content-Type: text/html\r\n"), page).into_bytes();
        }
    };
    answer("200 OK", fields, &body).into_bytes()
}

/// The application: the first segment of the path says what is asked for, the second a name or a number.
fn serve(exchange: &mut Exchange<'_>, events: &Events) -> Then {
    let target = exchange.target.clone();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (what, name) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    if what == "hang" {
        return hang(exchange, events, name);
    }
    let Some(request) = exchange.request() else { return Then::Close };
    let response = match what {
        "fields" => answer("200 OK", FIELDS, "x").into_bytes(),
        "own" => answer("200 OK", OWN_CORS, "x").into_bytes(),
        "twice" => answer("200 OK", &OWN_CORS.repeat(2), "x").into_bytes(),
        "cookie" => cookie(&request, query),
        "status" => answer(&format!("{name} As Asked"), "Content-Type: text/plain\r\n", "the application's")
            .into_bytes(),
        "redirect" => answer("302 Found", &format!("Location: {query}\r\n"), "").into_bytes(),
        "picture" => resource("image/png", STANDARD.decode(PICTURE).unwrap()),
        "font" => resource("font/ttf", STANDARD.decode(FONT).unwrap()),
        "module" => resource("text/javascript", b"globalThis.loaded = 1; export const value = 7;".to_vec()),
        "style" => resource("text/css", b"body { margin-left: 7px }".to_vec()),
        "steps" => return steps(exchange, events, name, "text/plain", ""),
        "events" => return steps(exchange, events, name, "text/event-stream", "data: "),
        "download" => return download(exchange, name.parse().unwrap()),
        "close" => return Then::Close,
        _ => echo(&request),
    };
    if exchange.send(response) { Then::KeepAlive } else { Then::Close }
}

fn resource(media_type: &str, bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), bytes].concat()
}

/// What was asked, as JSON; of a field that came several times, the last one.
fn echo(request: &Request) -> Vec<u8> {
    let fields: HashMap<String, &str> =
        request.fields.0.iter().map(|(name, value)| (name.to_ascii_lowercase(), &**value)).collect();
    let told = json!({
        "method": request.method, "target": request.target, "fields": fields,
        "length": request.body.len(), "sha256": sha256(&request.body),
    });
    let body = if request.method == "HEAD" { String::new() } else { told.to_string() };
    answer("200 OK", "Content-Type: application/json\r\n", &body).into_bytes()
}

/// Sets a cookie with the attributes that the query asks for, and tells which ones came.
fn cookie(request: &Request, attributes: &str) -> Vec<u8> {
    let attributes = attributes.replace('&', "; ");
    let fields = format!("Set-Cookie: seen=1; {attributes}\r\nContent-Type: text/plain\r\n");
    answer("200 OK", &fields, request.fields.get("cookie").unwrap_or("none")).into_bytes()
}

/// Three pieces that name the time when they are written, in milliseconds: the first one at once, and each of the others
/// once the page has told that it has read the one before.
fn steps(exchange: &mut Exchange<'_>, events: &Events, name: &str, media_type: &str, begins: &str) -> Then {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    if !exchange.send(head) {
        return Then::Close;
    }
    for number in 0..3 {
        if !events.happens(name, number) {
            return Then::Reset;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let piece = format!("{begins}{number} {now}\n\n");
        if !exchange.send(format!("{:x}\r\n{piece}\r\n", piece.len())) {
            return Then::Close;
        }
    }
    if exchange.send("0\r\n\r\n") { Then::KeepAlive } else { Then::Close }
}

/// So many bytes.
fn download(exchange: &mut Exchange<'_>, length: usize) -> Then {
    let piece = vec![b'd'; 1 << 20];
    exchange.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    ));
    let mut rest = length;
    while rest > 0 {
        let now = rest.min(piece.len());
        if !exchange.send(&piece[..now]) {
            return Then::Close;
        }
        rest -= now;
    }
    Then::KeepAlive
}

/// Takes a request, and tells `begun-NAME` and, once the other side has ended it, `ended-NAME`. What is behind a dot in the
/// name says how far it goes: `body` begins an answer, `upload` reads the body of the request, slowly.
fn hang(exchange: &mut Exchange<'_>, events: &Events, name: &str) -> Then {
    let is_upload = name.ends_with(".upload");
    if !is_upload && exchange.request().is_none() {
        return Then::Close;
    }
    if name.ends_with(".body") {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
    }
    events.tell(&format!("begun-{name}"));
    exchange.connection.allow(PATIENCE * 3);
    let fault = loop {
        match exchange.connection.some() {
            Ok(_) => pause(Duration::from_millis(10)),
            Err(fault) => break fault,
        }
    };
    if !matches!(fault, Fault::Timeout) {
        events.tell(&format!("ended-{name}"));
    }
    Then::Close
}

/// A WebSocket server of another make that sends every message back.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else { return };
            thread::spawn(move || {
                let Ok(mut server) = tungstenite::accept(socket) else { return };
                while let Ok(message) = server.read() {
                    if (message.is_text() || message.is_binary()) && server.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

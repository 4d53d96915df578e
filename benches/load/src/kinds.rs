//! What is said on a connection: bytes that are made once and sent again and again.

use crate::framing::Framing;

pub(crate) const SATURATING: &str = "KIND: plain, browser, preflight, 10k or close";
pub(crate) const QUIET: &str = "KIND: waiting, events or websocket";

/// What Chromium sends with a `fetch` across origins, besides `Host`: fourteen fields.
const BROWSER: &str = "Connection: keep-alive\r
sec-ch-ua-platform: \"Linux\"\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36\r
sec-ch-ua: \"Chromium\";v=\"143\", \"Not A(Brand\";v=\"24\"\r
Content-Type: application/json\r
sec-ch-ua-mobile: ?0\r
Accept: */*\r
Origin: http://app.example\r
Sec-Fetch-Site: cross-site\r
Sec-Fetch-Mode: cors\r
Sec-Fetch-Dest: empty\r
Referer: http://app.example/\r
Accept-Encoding: gzip, deflate, br, zstd\r
Accept-Language: en-US,en;q=0.9\r
";

/// What an API sends back, besides `Content-Length`: twelve fields.
const API: &str = "Server: app\r
Date: Sat, 21 Nov 2026 12:00:00 GMT\r
Content-Type: application/json; charset=utf-8\r
Connection: keep-alive\r
Vary: Accept-Encoding\r
ETag: W/\"400-2b6f1c9a7d\"\r
Cache-Control: private, no-cache\r
X-RateLimit-Limit: 5000\r
X-RateLimit-Remaining: 4999\r
X-Request-Id: 7c9e6679f1b04b0f8d3c2a5e4b7a9d10\r
X-Content-Type-Options: nosniff\r
Strict-Transport-Security: max-age=31536000; includeSubDomains\r
";

/// What the origin sends with a file.
const FILE: &str =
    "Server: app\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: application/octet-stream\r\n";

/// What an application adds to a stream of events: nginx holds none back then.
const EVENTS: &str =
    "Server: app\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n";
const EVENT: &[u8] = b"data: 1\n\n";

/// A text frame of five letters, as a client masks it (with zeros) and as a server sends it.
const MASKED_FRAME: &[u8] = b"\x81\x85\0\0\0\0hello";
const FRAME: &[u8] = b"\x81\x05hello";

/// A question and its answer.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) ask: Vec<u8>,
    /// When the origin has the question.
    pub(crate) asked: Framing,
    /// Empty: it is never answered.
    pub(crate) answer: Vec<u8>,
    /// When the client has the answer.
    pub(crate) answered: Framing,
}

/// What a client does after the last turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    AskAgain,
    /// On a connection that replaces this one.
    Reconnect,
    Rest,
}

/// What is said on every connection.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) turns: Vec<Turn>,
    pub(crate) afterwards: Afterwards,
}

impl Kind {
    /// A kind of request that is asked as fast as it is answered.
    pub(crate) fn saturating(name: &str, host: &str, path: &str) -> Option<Self> {
        let get = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let origin = "Origin: http://app.example\r\n";
        let turn = match name {
            "plain" => exchange(get(path, origin), FILE, 1 << 10),
            "10k" => exchange(get(path, origin), FILE, 10 << 10),
            "browser" => exchange(get("/api/v1/items?page=2&sort=desc", BROWSER), API, 1 << 10),
            "close" => exchange(get(path, &format!("{origin}Connection: close\r\n")), FILE, 1 << 10),
            "preflight" => preflight(host, path),
            _ => return None,
        };
        let afterwards = if name == "close" { Afterwards::Reconnect } else { Afterwards::AskAgain };
        Some(Self { turns: vec![turn], afterwards })
    }

    /// A kind of stream that says nothing once it is open.
    pub(crate) fn quiet(name: &str, host: &str) -> Option<Self> {
        let turns = match name {
            "waiting" => vec![waiting(host)],
            "events" => vec![events(host)],
            "websocket" => vec![upgrade(host), echo()],
            _ => return None,
        };
        Some(Self { turns, afterwards: Afterwards::Rest })
    }

    /// Whether a client waits for an answer that does not come.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.turns.iter().any(|turn| turn.answer.is_empty())
    }
}

fn exchange(request: String, fields: &str, size: usize) -> Turn {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'x');
    Turn { ask: request.into(), asked: Framing::Request, answer, answered: Framing::length(size) }
}

/// The proxy answers it itself: what reaches the origin all the same gets nothing.
fn preflight(host: &str, path: &str) -> Turn {
    let ask = format!(
        "OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://app.example\r\n\
         Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-token\r\n\r\n"
    );
    Turn {
        ask: ask.into(),
        asked: Framing::Never,
        answer: b"HTTP/1.1 500 Not At The Edge\r\nContent-Length: 0\r\n\r\n".to_vec(),
        answered: Framing::Head(b"HTTP/1.1 204"),
    }
}

/// A long poll of which nothing has come yet.
fn waiting(host: &str) -> Turn {
    Turn {
        ask: format!("GET /poll HTTP/1.1\r\nHost: {host}\r\n{BROWSER}\r\n").into(),
        asked: Framing::Request,
        answer: Vec::new(),
        answered: Framing::Never,
    }
}

/// A stream of events after its first one.
fn events(host: &str) -> Turn {
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", EVENT.len());
    Turn {
        ask: format!("GET /events HTTP/1.1\r\nHost: {host}\r\n{BROWSER}\r\n").into(),
        asked: Framing::Request,
        answer: [head.as_bytes(), EVENT, b"\r\n"].concat(),
        answered: Framing::Stream(EVENT),
    }
}

/// The handshake of a WebSocket; key and answer are the example of RFC 6455.
fn upgrade(host: &str) -> Turn {
    let ask = format!(
        "GET /socket HTTP/1.1\r\nHost: {host}\r\nOrigin: http://app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    Turn {
        ask: ask.into(),
        asked: Framing::Request,
        answer: answer.into(),
        answered: Framing::Head(b"HTTP/1.1 101"),
    }
}

/// One message and the same back.
fn echo() -> Turn {
    Turn {
        ask: MASKED_FRAME.to_vec(),
        asked: Framing::Bytes(MASKED_FRAME.len()),
        answer: FRAME.to_vec(),
        answered: Framing::Exactly(FRAME.to_vec()),
    }
}

//! One request and its answer; then the connection ends.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::{
    answer::Answer,
    exposition,
    guard::admit,
    observed::{Observed, ReloadRequest, Stage},
    page, status,
};
use crate::{
    http1::head::{Fields, HeadEnd, MAX_FIELDS, Method, Request, RequestHead, parse_request},
    net::socket::Socket,
};

/// The longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 8 << 10;
/// How long a head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long an answer may take to be read.
const SEND: Duration = Duration::from_secs(10);
/// How long, and how much, is read behind an answer, so that its reader gets all of it.
const LINGER: (Duration, u64) = (Duration::from_secs(1), 64 << 10);

/// What all connections share.
pub(super) struct Desk {
    pub(super) observed: Rc<Observed>,
    /// One answer at a time is made that may be large.
    pub(super) large: Semaphore,
}

/// Serves one connection.
pub(super) async fn serve(desk: Rc<Desk>, mut socket: Socket, peer: Option<SocketAddr>) {
    let mut bytes = Vec::new();
    let head = match timeout(HEAD, read_head(&mut socket, &mut bytes)).await {
        Ok(Some(Ok(head))) => head,
        Ok(Some(Err(answer))) => return send(socket, answer.bytes(false)).await,
        // Nobody asks.
        Ok(None) | Err(_) => return,
    };
    let request = Request { bytes: &bytes, head: &head };
    let publication = desk.observed.published.current();
    if let Err(stranger) = admit(request, &publication.config.admin.hosts) {
        return send(socket, Answer::text(403, &stranger.to_string()).bytes(false)).await;
    }
    drop(publication);
    let target = String::from_utf8_lossy(request.target()).into_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let is_large = matches!(path, "/metrics" | "/status");
    // Held until the answer is gone: what takes memory is there once.
    let _turn = if is_large { desk.large.acquire().await.ok() } else { None };
    let is_near = peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    let answer = answer(&desk.observed, head.method, path, query, is_near).await;
    send(socket, answer.bytes(head.method == Method::Head)).await;
}

/// The head of a request, or what is said of one that is none; nothing where none comes.
async fn read_head(socket: &mut Socket, bytes: &mut Vec<u8>) -> Option<Result<RequestHead, Answer>> {
    let mut end = HeadEnd::default();
    loop {
        let len = match end.find_request(bytes) {
            Ok(len) => len,
            Err(fault) => return Some(Err(Answer::text(400, &fault.in_request().to_string()))),
        };
        if let Some(len) = len {
            let head = parse_request(bytes, &end, len, MAX_FIELDS, Fields::default());
            return Some(head.map_err(|error| Answer::text(error.status(), &error.to_string())));
        }
        if bytes.len() >= MAX_HEAD {
            return Some(Err(Answer::text(431, "the head of the request is too large")));
        }
        let mut piece = [0; 1024];
        let room = piece.len().min(MAX_HEAD - bytes.len());
        match socket.read(&mut piece[..room]).await {
            Ok(size) if size > 0 => bytes.extend_from_slice(&piece[..size]),
            Ok(_) | Err(_) => return None,
        }
    }
}

async fn answer(observed: &Observed, method: Method, path: &str, query: &str, is_near: bool) -> Answer {
    const GET_ALONE: &[(&str, &str)] = &[("Allow", "GET, HEAD")];
    match (path, method) {
        ("/reload", Method::Post) if is_near => reload(observed).await,
        ("/reload", Method::Post) => Answer::text(
            403,
            "a reload is asked for over loopback or a Unix socket; send the process HUP instead",
        ),
        ("/reload", _) => Answer::text(405, "POST asks for a reload").with(&[("Allow", "POST")]),
        ("/" | "/metrics" | "/status" | "/healthz" | "/livez" | "/readyz", Method::Get | Method::Head) => {
            shown(observed, path, query)
        }
        ("/" | "/metrics" | "/status" | "/healthz" | "/livez" | "/readyz", _) => {
            Answer::text(405, "GET shows it").with(GET_ALONE)
        }
        _ => Answer::text(404, "there are /, /metrics, /status, /healthz, /livez, /readyz and POST /reload"),
    }
}

fn shown(observed: &Observed, path: &str, query: &str) -> Answer {
    match path {
        "/metrics" => Answer::of(200, "text/plain; version=0.0.4; charset=utf-8", exposition::text(observed)),
        "/status" => Answer::of(200, "application/json", status::json(observed)),
        "/readyz" => readiness(observed, query.split('&').any(|word| word == "upstreams")),
        "/" => Answer::of(200, "text/html; charset=utf-8", page::html().into_bytes())
            .with(&[("Content-Security-Policy", page::POLICY)]),
        _ => Answer::text(200, "ok"),
    }
}

/// Whether traffic is welcome; with `upstreams`, also whether each upstream has a server that can be used.
fn readiness(observed: &Observed, upstreams: bool) -> Answer {
    match observed.stage.get() {
        Stage::Starting => return Answer::text(503, "starting"),
        Stage::Draining => return Answer::text(503, "draining"),
        Stage::Serving => {}
    }
    let publication = observed.published.current();
    let without = publication
        .config
        .upstreams
        .iter()
        .zip(&publication.servers)
        .find(|(_, servers)| !(0..servers.endpoints().len()).any(|index| servers.is_usable(index)));
    match without {
        Some((upstream, _)) if upstreams => {
            Answer::text(503, &format!("no server of the upstream {} can be used", upstream.name))
        }
        _ => Answer::text(200, "ok"),
    }
}

async fn reload(observed: &Observed) -> Answer {
    let (answer, end) = oneshot::channel();
    let stopping =
        || document(409, &json!({ "faults": ["the process is stopping, and reads nothing any more"] }));
    if observed.reload.send(ReloadRequest { answer }).await.is_err() {
        return stopping();
    }
    match end.await {
        Ok(Ok(generation)) => document(200, &json!({ "generation": generation })),
        Ok(Err(faults)) => document(409, &json!({ "faults": faults })),
        Err(_) => stopping(),
    }
}

fn document(status: u16, body: &serde_json::Value) -> Answer {
    Answer::of(status, "application/json", format!("{body}\n").into_bytes())
}

/// Sends an answer and ends the connection so that its reader gets all of it.
async fn send(mut socket: Socket, bytes: Vec<u8>) {
    let sent = timeout(SEND, async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        return;
    }
    drop(bytes);
    let (patience, most) = LINGER;
    let mut rest = [0; 1024];
    let mut read = 0;
    let lingering = async {
        while let Ok(size @ 1..) = socket.read(&mut rest).await {
            read += size as u64;
            if read > most {
                return;
            }
        }
    };
    // Whoever does not end its side is not waited for.
    let _ = timeout(patience, lingering).await;
}

//! An origin by hyper: an honest server of another make, with routes.
//!
//! `/plain`, `/echo` (length and SHA-256 of the body), `/mirror` (the body itself, streamed), `/sse` (three
//! events), `/big/N` (N zero bytes), `/status/N`, `/redirect?to=URL&status=N`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Runtime};

use super::sha256;

/// The runtime that all asynchronous helpers of a test binary share.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

type AnyBody = BoxBody<Bytes, hyper::Error>;

/// A running hyper server.
pub(crate) struct HyperOrigin {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl HyperOrigin {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let task = runtime().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                let service = service_fn(move |request| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    answer(request)
                });
                let connection =
                    http1::Builder::new().half_close(true).serve_connection(TokioIo::new(socket), service);
                runtime().spawn(async move { drop(connection.await) });
            }
        });
        Self { address, requests, task }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has had.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for HyperOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn full(data: impl Into<Bytes>) -> AnyBody {
    Full::new(data.into()).map_err(|never| match never {}).boxed()
}

fn stream(pieces: impl Iterator<Item = Bytes> + Send + Sync + 'static) -> AnyBody {
    let frames = pieces.map(|piece| Ok::<_, hyper::Error>(Frame::data(piece)));
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

async fn answer(request: Request<Incoming>) -> Result<Response<AnyBody>, Infallible> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let builder = Response::builder();
    let response = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "plain"] => builder.header("content-type", "text/plain").body(full("plain")),
        ["", "echo"] => match request.into_body().collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                builder.body(full(format!("{} {}", body.len(), sha256(&body))))
            }
            Err(_) => builder.status(StatusCode::BAD_REQUEST).body(full("cut")),
        },
        ["", "mirror"] => builder.body(request.into_body().boxed()),
        ["", "sse"] => {
            let events = (1..=3).map(|number| Bytes::from(format!("data: {number}\n\n")));
            builder.header("content-type", "text/event-stream").body(stream(events))
        }
        ["", "big", size] => {
            let size: usize = size.parse().unwrap_or_default();
            let piece = Bytes::from_static(&[0; 65536]);
            let full_pieces = std::iter::repeat_n(piece.clone(), size / 65536);
            let rest = piece.slice(..size % 65536);
            builder.header("content-length", size).body(stream(full_pieces.chain(std::iter::once(rest))))
        }
        ["", "status", status] => {
            builder.status(status.parse::<u16>().unwrap_or(400)).body(full(format!("status {status}")))
        }
        ["", "redirect"] => redirect(&query),
        _ => builder.status(StatusCode::NOT_FOUND).body(full("no such page")),
    };
    Ok(response.unwrap())
}

fn redirect(query: &str) -> hyper::http::Result<Response<AnyBody>> {
    let value =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default().to_owned();
    let status: u16 = value("status=").parse().unwrap_or(302);
    Response::builder().status(status).header("location", value("to=")).body(full("moved"))
}

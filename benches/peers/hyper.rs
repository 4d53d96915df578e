//! A small reverse proxy on hyper, as a peer: one thread, upstream connections pooled, the CORS field set.
//!
//! `hyper LISTEN UPSTREAM`, both of them `address:port`.

use std::{cell::RefCell, rc::Rc};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, ORIGIN, VARY},
    server::conn::http1::Builder,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{self, LocalOptions},
    task::spawn_local,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connections to the upstream that no request holds.
type Pool = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: hyper LISTEN UPSTREAM".into());
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(listen, upstream.into()))
}

async fn serve(listen: String, upstream: Rc<str>) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    let pool = Pool::default();
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let (pool, upstream) = (Rc::clone(&pool), Rc::clone(&upstream));
        spawn_local(async move {
            let service = service_fn(move |request| forward(request, Rc::clone(&pool), Rc::clone(&upstream)));
            // A client that leaves is no fault.
            drop(Builder::new().serve_connection(TokioIo::new(client), service).await);
        });
    }
}

async fn forward(
    request: Request<Incoming>,
    pool: Pool,
    upstream: Rc<str>,
) -> Result<Response<Incoming>, Failure> {
    let mut sender = checkout(&pool, &upstream).await?;
    let origin = request.headers().get(ORIGIN).cloned().unwrap_or(HeaderValue::from_static("*"));
    let mut response = sender.send_request(request).await?;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    pool.borrow_mut().push(sender);
    Ok(response)
}

async fn checkout(pool: &Pool, upstream: &str) -> Result<SendRequest<Incoming>, Failure> {
    if let Some(sender) = ready(&mut pool.borrow_mut()) {
        return Ok(sender);
    }
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(connection);
    Ok(sender)
}

/// A connection that can take a request now; one whose last body still runs cannot.
fn ready(waiting: &mut Vec<SendRequest<Incoming>>) -> Option<SendRequest<Incoming>> {
    waiting.retain(|sender| !sender.is_closed());
    let place = waiting.iter().rposition(SendRequest::is_ready)?;
    Some(waiting.swap_remove(place))
}

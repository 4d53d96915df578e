//! corsair: a CORS reverse proxy for HTTP/1 on raw TCP.

pub mod error;

pub mod http1;

pub mod cors;

pub mod gateway;

pub mod access;

pub mod tls;

pub mod config;

pub mod net;

pub mod observe;

pub mod upstream;

pub mod proxy;

pub mod worker;

pub mod server;

pub mod diagnostics;

//! corsair: a CORS reverse proxy for HTTP/1 on raw TCP.
pub mod error;
pub mod http1;
pub mod config;
pub mod cors;

//! Systems without epoll: nothing is parked there.

use std::{future::pending, io, net::TcpStream};

/// Watches nothing.
#[derive(Debug)]
pub(super) struct Watch;

/// What never happens.
pub(super) struct Ready {
    pub(super) key: u32,
    pub(super) ended: bool,
}

/// No events.
pub(super) struct Events;

impl Events {
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Ready> {
        std::iter::empty()
    }
}

impl Watch {
    pub(super) const AVAILABLE: bool = false;

    pub(super) fn new(_: usize) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn add(&self, _: &TcpStream, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn remove(&self, _: &TcpStream) {}

    pub(super) async fn ready(&self) -> Events {
        pending().await
    }
}

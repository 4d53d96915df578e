//! Linux: an epoll set that the runtime watches as one descriptor.

use std::{cell::RefCell, cell::RefMut, io, net::TcpStream, os::fd::OwnedFd};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
};
use tokio::io::{Interest, unix::AsyncFd};

/// Sockets that the kernel watches.
pub(super) struct Watch {
    set: AsyncFd<OwnedFd>,
    events: RefCell<Vec<Event>>,
}

/// What happened to a socket.
pub(super) struct Ready {
    /// The key that it was added with.
    pub(super) key: u32,
    /// Its peer has closed or reset it; bytes may lie before that.
    pub(super) ended: bool,
}

/// The events of one look.
pub(super) struct Events<'a>(RefMut<'a, Vec<Event>>);

impl Events<'_> {
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Ready> {
        self.0.drain(..).map(|event| Ready {
            key: u32::try_from({ event.data }.u64()).unwrap_or(u32::MAX),
            ended: { event.flags }.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
        })
    }
}

impl Watch {
    pub(super) const AVAILABLE: bool = true;

    /// Watches nothing yet; will tell of up to `batch` events at a time.
    pub(super) fn new(batch: usize) -> io::Result<Self> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "meant for types that may lie about their descriptor; an OwnedFd keeps the one it has"
        )]
        let set = AsyncFd::with_interest(set, Interest::READABLE)?;
        Ok(Self { set, events: RefCell::new(Vec::with_capacity(batch)) })
    }

    pub(super) fn add(&self, tcp: &TcpStream, key: u32) -> io::Result<()> {
        let data = EventData::new_u64(key.into());
        Ok(epoll::add(self.set.get_ref(), tcp, data, EventFlags::IN | EventFlags::RDHUP)?)
    }

    pub(super) fn remove(&self, tcp: &TcpStream) {
        // Fails only for a socket that is not in the set.
        let _ = epoll::delete(self.set.get_ref(), tcp);
    }

    /// Waits for events. Whoever takes them has to remove or close each socket before the next call: it would
    /// be reported again.
    pub(super) async fn ready(&self) -> Events<'_> {
        loop {
            // An error here is that of a runtime that ends; nothing is reported any more then.
            let Ok(mut guard) = self.set.readable().await else { std::future::pending().await };
            let mut events = self.events.borrow_mut();
            events.clear();
            let waited =
                epoll::wait(self.set.get_ref(), spare_capacity(&mut events), Some(&Timespec::default()));
            if events.len() < events.capacity() || waited.is_err() {
                guard.clear_ready();
            }
            if !events.is_empty() {
                return Events(events);
            }
        }
    }
}

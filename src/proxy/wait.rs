//! A request's wait for a connection to an upstream that has as many as it may.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;

use super::{core::Core, relay::ClientSide, snapshot::Group};
use crate::{
    error::Error,
    net::timer::Timer,
    upstream::{Place, Ticket, Waiting},
};

/// One request, which waits or does not.
pub(super) struct Wait<'a> {
    group: &'a Group,
    /// How long it may.
    patience: Duration,
    since: Option<Instant>,
    /// Its place in the line of this worker, and among all that wait.
    held: Option<(Ticket<'a>, Waiting<'a>)>,
}

/// What a connection that is opened takes of the places of its upstream: nothing where these have no limit.
pub(super) struct Taken(pub(super) Option<Place>);

impl<'a> Wait<'a> {
    /// A request that may wait so long.
    pub(super) const fn new(group: &'a Group, patience: Duration) -> Self {
        Self { group, patience, since: None, held: None }
    }

    /// Whether an idle connection of this worker is for this request: it waits and is called, or nobody waits.
    pub(super) fn is_next(&self) -> bool {
        self.held.is_some() || self.group.queue.is_empty()
    }

    /// A place for a connection to a server; nothing where there is none, or where others have waited for one longer.
    pub(super) fn place(&self, index: usize) -> Option<Taken> {
        let servers = &self.group.servers;
        if !servers.are_limited() {
            return Some(Taken(None));
        }
        let may_take = self.held.is_some() || servers.waiting() == 0;
        may_take.then(|| servers.place(index)).flatten().map(|place| Taken(Some(place)))
    }

    /// Waits until it is worth to look for a connection again, while an eye is kept on the client.
    ///
    /// # Errors
    /// [`Error::ConnectionLimit`] when as many requests wait as may, or this one has waited as long as it may; those of a
    /// client that leaves.
    pub(super) async fn turn(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        timer: &mut Timer,
    ) -> Result<(), Error> {
        let Group { servers, queue, .. } = self.group;
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.held.is_none() {
            let waiting = servers.wait().ok_or(Error::ConnectionLimit)?;
            self.held = Some((queue.join(), waiting));
        }
        let Some((ticket, _)) = &self.held else { return Err(Error::Internal) };
        // What waits idle in other workers is closed for it.
        core.descriptors.want_places();
        let mut turn = pin!(ticket.turn());
        poll_fn(|cx| {
            if turn.as_mut().poll(cx).is_ready() {
                let is_over = since.elapsed() >= self.patience;
                return Poll::Ready(if is_over { Err(Error::ConnectionLimit) } else { Ok(()) });
            }
            client.poll_leave(cx, timer, since + self.patience, Error::ConnectionLimit).map(Err)
        })
        .await
    }

    /// Leaves the line; how long was waited.
    pub(super) fn end(&mut self) -> Duration {
        self.held = None;
        self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

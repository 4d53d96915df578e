//! The slow path: bodies that do not fit one buffer move both ways at once.
//!
//! `copy_bidirectional` does the moving, between the two sides that know where messages begin and end. A
//! stream that proves to be bulk goes on with large buffers: the copy has one size per call, so the sides
//! pause at a mark and a new call starts.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use tokio::io::copy_bidirectional_with_sizes;

use super::{
    client_side::ClientSide,
    flow::{BULK_MARK, ExchangeState},
    source::Source,
    splice,
    state::{Course, Ended},
    upstream_side::UpstreamSide,
    watchdog::Watchdog,
};
use crate::{config::Config, error::Error, net::timer::Timer, proxy::core::Core};

/// The relay buffer of a bulk stream: larger ones save no more, and cost page faults.
pub const BULK_BUFFER: usize = 256 << 10;

/// A permit for one large buffer, out of a worker's fixed number.
struct BulkPermit<'a>(&'a Core);

impl<'a> BulkPermit<'a> {
    fn take(core: &'a Core) -> Option<Self> {
        let left = core.bulk_permits.get().checked_sub(1)?;
        core.bulk_permits.set(left);
        Some(Self(core))
    }
}

impl Drop for BulkPermit<'_> {
    fn drop(&mut self) {
        self.0.bulk_permits.set(self.0.bulk_permits.get() + 1);
    }
}

/// Moves the bodies of an exchange until it is over.
///
/// # Errors
/// What ended it early; whether the client can still be told is for the caller to see from the state.
pub(crate) async fn copy(
    core: &Core,
    config: &Config,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
    timer: &mut Timer,
) -> Result<Ended, Error> {
    let mut watchdog = Watchdog::new(&config.timeouts);
    let mut permit = None;
    let mut left = None;
    loop {
        if let Some(spliced) = splice::begin(core, client, upstream, state, left) {
            left = Some(spliced);
            if upstream.opaque().max(client.opaque()) >= BULK_MARK {
                splice::widen(spliced, client, upstream, config.limits.socket_buffer);
            }
            poll_fn(|cx| match splice::poll_spliced(cx, spliced, client, upstream, state) {
                Poll::Pending => watchdog.poll_expired(cx, timer, &config.timeouts, state).map(Err),
                ended => ended,
            })
            .await?;
            if upstream.is_complete() && !upstream.has_ready() {
                return Ok(Ended::Done);
            }
        }
        let down_is_bulk = state.download.is_bulk() || upstream.opaque() >= BULK_MARK;
        let up_is_bulk = state.upload.is_bulk() || client.opaque() >= BULK_MARK;
        if permit.is_none() && (down_is_bulk || up_is_bulk) {
            permit = BulkPermit::take(core);
        }
        let size = |is_bulk| if is_bulk && permit.is_some() { BULK_BUFFER } else { config.limits.buffer };
        state.watch_for_bulk(permit.is_none() && core.bulk_permits.get() > 0);
        let mut copying =
            pin!(copy_bidirectional_with_sizes(upstream, client, size(down_is_bulk), size(up_is_bulk)));
        let expired = poll_fn(|cx| {
            // What the copy returns says less than the state does.
            if copying.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            watchdog.poll_expired(cx, timer, &config.timeouts, state).map(Some)
        })
        .await;
        if let Some(error) = expired {
            return Err(error);
        }
        match state.course() {
            Course::Paused => state.resume(),
            Course::Over(Ended::Failed(error)) => return Err(error),
            Course::Over(ended) => return Ok(ended),
            Course::Running => return Err(Error::Internal),
        }
    }
}

#[cfg(test)]
mod tests;

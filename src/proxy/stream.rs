//! The slow path: bodies that do not fit one buffer move both ways at once.
//!
//! `copy_bidirectional` does the moving, between the two sides that know where messages begin and end. A
//! stream that proves to be bulk goes on with large buffers: the copy has one size per call, so the sides
//! pause at a mark and a new call starts.

use std::{future::Future, pin::pin, task::Poll};

use tokio::io::copy_bidirectional_with_sizes;

use super::{
    client_side::ClientSide,
    core::Core,
    state::{Ended, ExchangeState},
    upstream_side::UpstreamSide,
    watchdog::Watchdog,
};
use crate::{config::Config, error::Error, net::timer::Timer};

/// Bytes in one direction after which it counts as bulk.
pub(crate) const BULK_MARK: u64 = 512 << 10;
/// The relay buffer of a bulk stream: larger ones save no more (ARCHITECTURE, "slow path").
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
pub(crate) async fn stream(
    core: &Core,
    config: &Config,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
    timer: &mut Timer,
) -> Result<Ended, Error> {
    let mut watchdog = Watchdog::new(&config.timeouts);
    let mut permit = None;
    let (mut down, mut up) = (config.limits.buffer, config.limits.buffer);
    loop {
        state.watch_for_bulk(permit.is_none() && core.bulk_permits.get() > 0);
        let mut copy = pin!(copy_bidirectional_with_sizes(upstream, client, down, up));
        let expired = std::future::poll_fn(|cx| {
            // What the copy returns says less than the state does.
            if copy.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            watchdog.poll_expired(cx, timer, &config.timeouts, state).map(Some)
        })
        .await;
        if let Some(error) = expired {
            return Err(error);
        }
        match state.ended() {
            Some(Ended::Bulk) => {
                state.resume();
                permit = BulkPermit::take(core);
                if permit.is_some() {
                    down = if state.download.is_bulk() { BULK_BUFFER } else { down };
                    up = if state.upload.is_bulk() { BULK_BUFFER } else { up };
                }
            }
            Some(Ended::Failed(error)) => return Err(error),
            Some(ended) => return Ok(ended),
            None => return Err(Error::Internal),
        }
    }
}

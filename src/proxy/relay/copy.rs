//! The slow path: bodies that do not fit one buffer move both ways at once.
//!
//! `copy_bidirectional` does the moving, between the two sides that know where messages begin and end. A
//! stream that proves to be bulk, to a target that keeps up, goes on with large buffers until that one stalls: the copy
//! has one size per call, so the sides pause at a mark and a new call starts.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncWrite, copy_bidirectional_with_sizes},
    time::Instant,
};

use super::{
    client_side::ClientSide,
    flow::{ExchangeState, HEAD_BUFFER, Watch},
    source::Source,
    splice::{self, Window},
    state::{Course, Ended},
    upstream_side::UpstreamSide,
    watchdog::{LONG_QUIET, Noticed, Pace, Watchdog},
};
use crate::{
    config::Route,
    error::Error,
    net::timer::Timer,
    observe::metrics::Leg,
    proxy::{core::Core, send::gone},
};

/// The relay buffer of a bulk stream: larger ones save no more, and cost page faults.
pub const BULK_BUFFER: usize = 128 << 10;

/// The relay buffer of a direction in which nothing is left to come.
const NO_BUFFER: usize = 1;

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

/// How a copy ended.
#[derive(Debug)]
pub(crate) enum Copied {
    /// The exchange is over.
    Over(Ended),
    /// Nothing has moved for a while, and all that there is of it can be kept elsewhere until something does.
    Quiet {
        /// By when something must have moved.
        deadline: Instant,
        /// Goes on watching then.
        watchdog: Box<Watchdog>,
    },
}

/// So much of a response is passed on without a copy.
const PIECE: usize = 4 << 10;

/// Moves the bodies of an exchange until it is over or, where it `may_rest`, until nothing moves any more. One that has
/// rested is watched by the same `watchdog` as before.
///
/// # Errors
/// What ended it early; whether the client can still be told is for the caller to see from the state.
pub(crate) async fn copy(
    core: &Core,
    route: &Route,
    (client, upstream): (&mut ClientSide<'_>, &mut UpstreamSide<'_>),
    state: &ExchangeState,
    timer: &mut Timer,
    (may_rest, watchdog): (bool, Option<Box<Watchdog>>),
) -> Result<Copied, Error> {
    client.hold_less();
    let mut watchdog = watchdog.map_or_else(|| Watchdog::new(&route.timeouts), |watchdog| *watchdog);
    let mut permit = None;
    let mut left = None;
    // Nothing more had come when both sides were last read.
    let mut has_read = false;
    // Whether a pipe that was given back may be had again.
    let mut returns = false;
    let mut window = Window::new(route.limits.socket_buffer);
    loop {
        let rests = client.may_rest() && upstream.may_rest();
        // Who waits holds no buffer: it is taken when there is something to go into it (rule 29 of `proxy`). What TLS has
        // decrypted shows when it is read.
        if has_read || rests && !upstream.stream.is_tls() {
            has_read = false;
            let pace = if rests { Pace::Calm } else { Pace::Close };
            let notice = |cx: &mut Context<'_>| watchdog.poll_notice(cx, timer, &route.timeouts, state, pace);
            match wait(core, (client, upstream), state, (rests, may_rest), notice).await? {
                Waited::ForMore => {}
                Waited::Again => {
                    has_read = true;
                    continue;
                }
                Waited::Long => {
                    let deadline = watchdog.deadline(&route.timeouts, state);
                    return Ok(Copied::Quiet { deadline, watchdog: Box::new(watchdog) });
                }
                Waited::ToTheEnd => return Ok(Copied::Over(Ended::Done)),
            }
        }
        let begun = splice::begin(core, client, upstream, state, left);
        returns &= begun.is_some();
        if let Some(spliced) = begun {
            // Large buffers are for those who have no pipe.
            permit = None;
            poll_fn(|cx| match splice::poll_spliced(cx, spliced, client, upstream, state, &mut window) {
                Poll::Pending => watchdog.poll_expired(cx, timer, &route.timeouts, state).map(Err),
                ended => ended,
            })
            .await?;
            if upstream.is_complete() && !upstream.has_ready() {
                return Ok(Copied::Over(Ended::Done));
            }
            returns = spliced.flow(state).lags();
            left = Some(spliced).filter(|_| !returns);
        }
        let (down_is_bulk, up_is_bulk) = (state.download.is_bulk(), state.upload.is_bulk());
        permit = permit.filter(|_| down_is_bulk || up_is_bulk);
        if permit.is_none() && (down_is_bulk || up_is_bulk) {
            permit = BulkPermit::take(core);
        }
        let size = |is_bulk| if is_bulk && permit.is_some() { BULK_BUFFER } else { route.limits.buffer };
        let up_size = if client.has_more() { size(up_is_bulk) } else { NO_BUFFER };
        // A pause has to lead to something: to a permit or a pipe that there is, or to smaller buffers.
        let may_gain = core.bulk_permits.get() > 0 || (returns && !core.pipes.is_exhausted());
        let awaits_head = upstream.awaits_head() && client.has_more();
        let down_size = if awaits_head { HEAD_BUFFER } else { size(down_is_bulk) };
        state.watch(Watch {
            for_bulk: permit.is_none() && may_gain,
            has_large_buffers: permit.is_some(),
            has_head_buffer: awaits_head,
        });
        let sizes = (down_size, up_size);
        match copy_until(client, upstream, sizes, state, |cx| {
            watchdog.poll_notice(cx, timer, &route.timeouts, state, Pace::Close)
        })
        .await
        {
            None => {}
            Some(Noticed::Expired(error)) => return Err(error),
            Some(Noticed::Quiet(_)) => {
                permit = None;
                has_read = true;
                continue;
            }
        }
        match state.course() {
            Course::Paused => state.resume(),
            Course::Over(Ended::Failed(error)) => return Err(error),
            Course::Over(ended) => return Ok(Copied::Over(ended)),
            Course::Running => return Err(Error::Internal),
        }
    }
}

/// Passes a little of the response on that has come behind a quiet while, in a buffer of the worker: for an event it costs
/// less than to begin a copy. Whether that was all; what did not leave, or comes with more, is for the copy.
async fn pass_piece(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    state: &ExchangeState,
) -> Result<bool, Error> {
    // TLS may hold back what it was given, and more than has been read.
    let is_plain = client.stream.plain_tcp().is_some() && upstream.stream.plain_tcp().is_some();
    if !is_plain || !upstream.is_in_body() || state.has_stopped() {
        return Ok(false);
    }
    let mut piece = core.buffers.take();
    poll_fn(|cx| {
        let room = piece.spare();
        let most = room.len().min(PIECE);
        let size = match upstream.poll_body(cx, &mut room[..most]) {
            Poll::Ready(read) => read?,
            Poll::Pending => 0,
        };
        piece.filled(size);
        if !piece.is_empty() {
            match Pin::new(&mut *client.stream).poll_write(cx, piece.unread()) {
                Poll::Ready(Ok(sent)) if sent > 0 => {
                    piece.consume(sent);
                    state.download.wrote(sent);
                }
                Poll::Ready(_) => return Poll::Ready(Err(gone(Leg::Client))),
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    let is_all = piece.is_empty();
    let is_little = piece.all().len() < PIECE;
    if !is_all {
        upstream.out = Some(piece);
    }
    Ok(is_all && is_little)
}

/// Copies both ways until the exchange is over or pauses, or something is noticed; quiet that is nothing while anything waits
/// to leave.
async fn copy_until(
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamSide<'_>,
    (down_size, up_size): (usize, usize),
    state: &ExchangeState,
    mut poll_notice: impl FnMut(&mut Context<'_>) -> Poll<Noticed>,
) -> Option<Noticed> {
    let mut copying = pin!(copy_bidirectional_with_sizes(upstream, client, down_size, up_size));
    poll_fn(|cx| {
        loop {
            // What the copy returns says less than the state does.
            if copying.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            match ready!(poll_notice(cx)) {
                Noticed::Quiet(_) if !state.is_settled() => {}
                noticed @ (Noticed::Quiet(_) | Noticed::Expired(_)) => return Poll::Ready(Some(noticed)),
            }
        }
    })
    .await
}

/// What a wait without any buffer has come to.
enum Waited {
    /// There is something to copy.
    ForMore,
    /// There was a little, which has been passed on, or nothing yet.
    Again,
    /// The response is complete.
    ToTheEnd,
    /// Nothing has come for so long that it may rest.
    Long,
}

/// Waits until there is something to copy, and passes a little on by itself where nothing is left to go upstream.
///
/// # Errors
/// What the watchdog notices, and what ended it early.
async fn wait(
    core: &Core,
    (client, upstream): (&mut ClientSide<'_>, &mut UpstreamSide<'_>),
    state: &ExchangeState,
    (rests, may_rest): (bool, bool),
    poll_notice: impl FnMut(&mut Context<'_>) -> Poll<Noticed>,
) -> Result<Waited, Error> {
    match wait_for_more(client, upstream, poll_notice).await {
        None if rests && pass_piece(core, client, upstream, state).await? => {
            Ok(if upstream.is_complete() { Waited::ToTheEnd } else { Waited::Again })
        }
        None => Ok(Waited::ForMore),
        Some(Noticed::Expired(error)) => Err(error),
        Some(Noticed::Quiet(quiet)) if rests && may_rest && quiet >= LONG_QUIET => Ok(Waited::Long),
        Some(Noticed::Quiet(_)) => Ok(Waited::Again),
    }
}

/// Waits until there may be something to copy, without any buffer, or something is noticed.
async fn wait_for_more(
    client: &mut ClientSide<'_>,
    upstream: &UpstreamSide<'_>,
    mut poll_notice: impl FnMut(&mut Context<'_>) -> Poll<Noticed>,
) -> Option<Noticed> {
    poll_fn(|cx| {
        if client.poll_more(cx).is_ready() || upstream.stream.poll_more(cx).is_ready() {
            return Poll::Ready(None);
        }
        poll_notice(cx).map(Some)
    })
    .await
}

#[cfg(test)]
mod tests;

//! Notices that nothing moves any more: one timer for all the waits of a streaming exchange.
//!
//! The sides count what they move; the watchdog wakes up now and then and compares. So no timer is touched
//! per read, at the price that a limit is noticed up to an eighth of itself late, or half a second; where nothing is on its
//! way, two seconds.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::flow::{ExchangeState, Flow, Waiting};
use crate::{config::Timeouts, error::Error, net::timer::Timer};

/// Watches one exchange while its bodies stream.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// An eighth of the shortest limit.
    tick: Duration,
    /// When it last looked.
    looked: Instant,
    upload: Movement,
    download: Movement,
    /// How long the upload has waited for its client in all.
    upload_waited: Duration,
}

/// How closely an exchange is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It has buffers, or gathers a request: those are given back soon, and a rate is measured.
    Close,
    /// Nothing is on its way but an answer that goes on, for which no buffer is held: to look at it costs about what it
    /// costs to relay an event.
    Calm,
}

/// What the watchdog has noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// This limit was exceeded.
    Expired(Error),
    /// Nothing has moved for so long, which may last.
    Quiet(Duration),
}

/// When a direction last moved.
#[derive(Debug)]
struct Movement {
    moved: u64,
    since: Instant,
}

impl Movement {
    /// How long the flow has been standing still.
    fn stalled(&mut self, flow: &Flow, now: Instant) -> Duration {
        if flow.moved() != self.moved {
            self.moved = flow.moved();
            self.since = now;
        }
        now.saturating_duration_since(self.since)
    }
}

/// A stream in which nothing has moved for so long leaves its frame, and the runtime where it can. To leave and to come
/// back costs what relaying two events does: who says something every second must not pay for that each time.
pub(crate) const LONG_QUIET: Duration = Duration::from_secs(2);
const SHORTEST_TICK: Duration = Duration::from_millis(5);
const LONGEST_TICK: Duration = Duration::from_millis(500);

impl Pace {
    /// Time between two looks where limits would allow for any.
    const fn longest_tick(self) -> Duration {
        match self {
            Self::Close => LONGEST_TICK,
            Self::Calm => LONG_QUIET,
        }
    }
}

impl Watchdog {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let shortest = [timeouts.body_idle, timeouts.response, timeouts.upstream_idle, timeouts.send]
            .into_iter()
            .min()
            .unwrap_or_default();
        let now = Instant::now();
        Self {
            tick: (shortest / 8).max(SHORTEST_TICK),
            looked: now,
            upload: Movement { moved: 0, since: now },
            download: Movement { moved: 0, since: now },
            upload_waited: Duration::ZERO,
        }
    }

    /// Ready with the limit that was exceeded.
    pub(crate) fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        timeouts: &Timeouts,
        state: &ExchangeState,
    ) -> Poll<Error> {
        loop {
            let noticed = ready!(self.poll_notice(cx, timer, timeouts, state, Pace::Close));
            if let Noticed::Expired(error) = noticed {
                return Poll::Ready(error);
            }
        }
    }

    /// Ready with what was noticed at this pace.
    pub(crate) fn poll_notice(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        timeouts: &Timeouts,
        state: &ExchangeState,
        pace: Pace,
    ) -> Poll<Noticed> {
        let tick = self.tick.min(pace.longest_tick());
        loop {
            ready!(timer.poll_until(cx, self.looked + tick));
            let now = Instant::now();
            let elapsed = now.saturating_duration_since(self.looked);
            self.looked = now;
            if let Some(error) = self.judge(now, elapsed, timeouts, state) {
                return Poll::Ready(Noticed::Expired(error));
            }
            let latest = self.upload.since.max(self.download.since);
            let quiet = now.saturating_duration_since(latest);
            if quiet >= tick {
                return Poll::Ready(Noticed::Quiet(quiet));
            }
        }
    }

    /// By when something must have moved, where the whole request has left: for a response, or for more of its body.
    pub(super) fn deadline(&self, timeouts: &Timeouts, state: &ExchangeState) -> Instant {
        match state.response_begun() {
            true => self.download.since + timeouts.upstream_idle,
            false => self.upload.since + timeouts.response,
        }
    }

    fn judge(
        &mut self,
        now: Instant,
        elapsed: Duration,
        timeouts: &Timeouts,
        state: &ExchangeState,
    ) -> Option<Error> {
        let upload = self.upload.stalled(&state.upload, now);
        let download = self.download.stalled(&state.download, now);
        let started = state.response_begun();
        match state.upload.waiting() {
            Waiting::Read => {
                self.upload_waited += elapsed;
                if upload >= timeouts.body_idle || self.is_too_slow(timeouts, state) {
                    return Some(Error::RequestBodyTimeout);
                }
            }
            Waiting::Write if !started && upload >= timeouts.send => return Some(Error::UpstreamSendTimeout),
            Waiting::Done if !started && upload >= timeouts.response => {
                return Some(Error::ResponseTimeout);
            }
            Waiting::Write | Waiting::Done => {}
        }
        match state.download.waiting() {
            Waiting::Write if download >= timeouts.send => Some(Error::ClientSendTimeout),
            Waiting::Read if started && download >= timeouts.upstream_idle => {
                Some(Error::ResponseBodyTimeout)
            }
            Waiting::Read | Waiting::Write | Waiting::Done => None,
        }
    }

    /// Whether the client has sent less than `min_rate` on average, in the time that we waited for it.
    fn is_too_slow(&self, timeouts: &Timeouts, state: &ExchangeState) -> bool {
        let seconds = self.upload_waited.saturating_sub(timeouts.body_idle).as_secs();
        seconds > 0 && state.upload.arrived() < timeouts.min_rate.saturating_mul(seconds)
    }
}

#[cfg(test)]
mod tests;

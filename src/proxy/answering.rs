//! The response on its way to the client: its heads, what fits behind the final one, and then the bodies.

use std::{
    future::poll_fn,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    job::{Job, tell_of},
    patience::{Patience, Waited},
    relay::{self, Copied, Ended, HeadArrived, LONG_QUIET, UpstreamSide, Watchdog},
};
use crate::{error::Error, plan::Exchange, upstream::Turn};

/// How a response was relayed.
pub(super) enum Relayed {
    Over(Ended),
    /// Nothing moves, until then at the latest.
    Rests(Instant, Option<Box<Watchdog>>),
}

/// What the wait for a head has come to.
enum HeadWait {
    Arrived(HeadArrived),
    /// Its server has been silent for too long: another one is to be asked.
    Silent,
    /// It may take longer.
    NothingYet,
}

/// Who has waited so long for an answer may wait for longer, and keeps the head alone of what it has read.
const QUIET: Duration = Duration::from_millis(250);

impl Job<'_> {
    /// Relays the response, and what is left of the request body. Where that has been begun there is a watchdog.
    pub(super) async fn relay(
        &mut self,
        upstream: &mut UpstreamSide<'_>,
        turn: Option<&Turn<'_>>,
        exchange: &Exchange,
        patience: &mut Patience<'_>,
        (may_rest, watchdog): (bool, Option<Box<Watchdog>>),
    ) -> Result<Relayed, Error> {
        let is_written = self.client.is_written();
        if exchange.drops_body() && !is_written {
            // What is left of the client's body belongs to no request any more: it must never go upstream.
            self.state.upload.cut();
            self.state.upload.discard();
        }
        if is_written || exchange.drops_body() {
            self.state.upload.read_to_end();
            if watchdog.is_none()
                && let Some(relayed) = self.relay_heads(upstream, turn, patience, may_rest).await?
            {
                return Ok(relayed);
            }
        }
        self.outcome.streamed = true;
        let Self { core, route, client, state, timer, .. } = self;
        let (sides, watched) = ((client, upstream), (may_rest, watchdog));
        // Boxed, so that only a running stream pays for its size.
        Ok(match Box::pin(relay::copy(core, route, sides, state, timer, watched)).await? {
            Copied::Over(ended) => Relayed::Over(ended),
            Copied::Quiet { deadline, watchdog } => Relayed::Rests(deadline, Some(watchdog)),
        })
    }

    /// Relays heads, and the body that fits behind the final one; nothing when there is more of it.
    async fn relay_heads(
        &mut self,
        upstream: &mut UpstreamSide<'_>,
        turn: Option<&Turn<'_>>,
        patience: &mut Patience<'_>,
        may_rest: bool,
    ) -> Result<Option<Relayed>, Error> {
        let over = |ended| Ok(Some(Relayed::Over(ended)));
        loop {
            let arrived = match self.next_head(upstream, patience, may_rest).await? {
                HeadWait::Arrived(arrived) => arrived,
                HeadWait::Silent => return over(Ended::Abandoned),
                HeadWait::NothingYet => return Ok(Some(Relayed::Rests(patience.until(), None))),
            };
            // Now, for the body may be a stream that never ends.
            match (arrived, upstream.plan) {
                (HeadArrived::Switch, _) => tell_of(turn, 101),
                (_, Some(response)) => tell_of(turn, response.status),
                (_, None) => {}
            }
            match arrived {
                HeadArrived::Redirect => return over(Ended::Redirect),
                HeadArrived::Admitted => {
                    // So that the connection can be used again: nobody waits for it, nor for whether it is whole.
                    let _ = upstream.add_what_came().await;
                    upstream.take_out();
                    return over(Ended::Admitted);
                }
                HeadArrived::Declined(status) => return over(Ended::Declined(status)),
                HeadArrived::Interim => patience.begin_anew(),
                HeadArrived::Final if !upstream.is_complete() => {
                    if relay::is_worthwhile(self.core, &self.client, upstream) {
                        self.state.begin_response();
                        return Ok(None);
                    }
                    upstream.add_what_came().await?;
                    self.state.begin_response();
                }
                HeadArrived::Final | HeadArrived::Switch => self.state.begin_response(),
            }
            if let Some(out) = upstream.take_out() {
                let size = out.unread().len();
                self.client.send(out.unread(), self.timer, self.route.timeouts.send).await?;
                self.state.download.wrote(size);
            }
            match arrived {
                HeadArrived::Switch => return over(Ended::Switch),
                HeadArrived::Final if upstream.is_complete() => return over(Ended::Done),
                HeadArrived::Final => {
                    upstream.stream.acknowledge();
                    return Ok(None);
                }
                HeadArrived::Interim
                | HeadArrived::Redirect
                | HeadArrived::Admitted
                | HeadArrived::Declined(_) => {}
            }
        }
    }

    /// Waits for the next head while an eye is kept on the client.
    async fn next_head(
        &mut self,
        upstream: &mut UpstreamSide<'_>,
        patience: &mut Patience<'_>,
        may_rest: bool,
    ) -> Result<HeadWait, Error> {
        let Self { client, timer, .. } = self;
        let since = patience.since();
        let mut look = Some(since + QUIET);
        poll_fn(|cx| {
            if let Poll::Ready(arrived) = upstream.poll_head(cx) {
                return Poll::Ready(arrived.map(HeadWait::Arrived));
            }
            if upstream.received() {
                patience.hears();
            }
            loop {
                let until = look.map_or(patience.until(), |look| look.min(patience.until()));
                let error = ready!(client.poll_leave(cx, timer, until, Error::ResponseTimeout));
                if error.client_is_gone() {
                    return Poll::Ready(Err(error));
                }
                if until < patience.until() {
                    let long = since + LONG_QUIET;
                    if until < long {
                        client.hold_less();
                        look = Some(long).filter(|_| may_rest);
                        continue;
                    }
                    if client.may_rest() && upstream.may_rest() {
                        return Poll::Ready(Ok(HeadWait::NothingYet));
                    }
                    look = None;
                    continue;
                }
                match patience.waited() {
                    Waited::NotEnough => {}
                    Waited::Elsewhere => return Poll::Ready(Ok(HeadWait::Silent)),
                    Waited::Enough => return Poll::Ready(Err(error)),
                }
            }
        })
        .await
    }
}

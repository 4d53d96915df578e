//! How long one attempt waits for an answer: until its deadline, or until its server has been silent for too long where
//! another one can be asked.

use tokio::time::Instant;

use super::{snapshot::Group, tell};
use crate::{
    config::Upstream,
    plan::{Heard, Silence},
    upstream::Turn,
};

/// How long an attempt waits for the head of a response.
pub(super) struct Patience<'a> {
    /// By when it must have come.
    deadline: Instant,
    /// Since when it is waited for.
    since: Instant,
    /// While nothing has come.
    elsewhere: Option<Elsewhere<'a>>,
}

/// What decides whether another server is asked instead.
pub(super) struct Elsewhere<'a> {
    pub(super) silence: Silence,
    pub(super) turn: &'a Turn<'a>,
    /// The servers that the request has tried before.
    pub(super) tried: &'a [usize],
    pub(super) paid_by: (&'a Upstream, &'a Group),
}

/// What is to be done when a wait has ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// To wait on.
    NotEnough,
    /// To ask another server; that was paid for.
    Elsewhere,
    /// To give up.
    Enough,
}

impl<'a> Patience<'a> {
    pub(super) const fn new(deadline: Instant, since: Instant, elsewhere: Option<Elsewhere<'a>>) -> Self {
        Self { deadline, since, elsewhere }
    }

    /// Since when the next head is waited for.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// A head has come: another one is waited for.
    pub(super) fn begin_anew(&mut self) {
        self.since = Instant::now();
    }

    /// How long the server has been silent, where it may be left for that.
    pub(super) fn silence(&self) -> Option<Silence> {
        self.elsewhere.as_ref().map(|elsewhere| elsewhere.silence)
    }

    /// Something of an answer has come: it is waited for to the end.
    pub(super) fn hears(&mut self) {
        self.elsewhere = None;
    }

    /// When the wait ends, for now.
    pub(super) fn until(&self) -> Instant {
        let look = self.elsewhere.as_ref().map(|elsewhere| Instant::from_std(elsewhere.silence.next_look()));
        look.map_or(self.deadline, |look| look.min(self.deadline))
    }

    /// The wait has ended.
    pub(super) fn waited(&mut self) -> Waited {
        let now = Instant::now();
        if now >= self.deadline {
            Waited::Enough
        } else if self.elsewhere.as_mut().is_some_and(|elsewhere| elsewhere.is_asked(now)) {
            Waited::Elsewhere
        } else {
            Waited::NotEnough
        }
    }
}

impl Elsewhere<'_> {
    fn is_asked(&mut self, now: Instant) -> bool {
        match self.silence.look(now.into_std(), self.turn.answers()) {
            Heard::Enough => false,
            _ if !self.turn.has_another(self.tried) => false,
            Heard::Little => {
                self.turn.doubt();
                false
            }
            // What no request is sent to any more gets no multiple of its load by what leaves it.
            Heard::Nothing => self.turn.is_out() || pay(self.paid_by),
        }
    }
}

/// Pays for one more attempt, if the upstream allows for it.
pub(super) fn pay((upstream, group): (&Upstream, &Group)) -> bool {
    let is_paid = group.retries.spend();
    if !is_paid {
        tell::budget_is_spent(&upstream.name);
    }
    is_paid
}

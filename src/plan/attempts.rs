//! What follows when an attempt at a request has ended: another one, the next hop, or nothing more.

use std::time::{Duration, Instant};

use super::action::Plan;
use crate::{config::Timeouts, error::Error, http1::framing::Framing};

/// The attempts at one request: by when they must have come to something, and how often it may be tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// Time for connecting and for the answer, together.
    patience: Duration,
    deadline: Instant,
    /// Nothing of the request can have been acted on when nothing came back.
    repeatable: bool,
    /// A body is still to be sent, in whose time the clock stands still.
    uploads: bool,
    /// It was sent again already.
    fresh_only: bool,
}

/// How an attempt ended that did not complete the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With a redirect that the gateway follows.
    Redirected,
    /// With a fault.
    Failed {
        /// What went wrong.
        error: Error,
        /// The connection had served an exchange before.
        reused: bool,
        /// Anything came back.
        received: bool,
        /// There is a usable server that has not been tried.
        elsewhere: bool,
    },
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request once more.
    Again,
    /// Send it to where the redirect leads.
    Follow,
    /// Give up.
    Fail(Error),
}

impl Attempts {
    /// For a request that sets out at `begun`.
    #[must_use]
    pub fn new(plan: &Plan, timeouts: &Timeouts, begun: Instant) -> Self {
        let patience = timeouts.connect + timeouts.response;
        Self {
            patience,
            deadline: begun + patience,
            repeatable: plan.is_repeatable(),
            uploads: plan.framing != Framing::None,
            fresh_only: false,
        }
    }

    /// By when there must be a response head, over all attempts (rule 10 of [`plan`](super)).
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether only a connection that has served nobody yet will do.
    #[must_use]
    pub const fn fresh_only(&self) -> bool {
        self.fresh_only
    }

    /// What follows an attempt that ended `now`.
    ///
    /// What a stale connection has swallowed, or a server that is not the only one, is sent once more, if it is safe
    /// and has no body (RFC 9110 §9.2.2, RFC 9112 §9.3.1; rules 5 to 8 of [`plan`](super)).
    pub fn after(&mut self, end: AttemptEnd, now: Instant) -> Step {
        match end {
            AttemptEnd::Redirected => {
                self.fresh_only = false;
                if std::mem::take(&mut self.uploads) {
                    // The clock stood still while the body was sent; it is never sent again.
                    self.deadline = now + self.patience;
                }
                Step::Follow
            }
            AttemptEnd::Failed { error, reused, received: false, elsewhere }
                if error.is_retryable() && self.repeatable && !self.fresh_only && (reused || elsewhere) =>
            {
                self.fresh_only = true;
                Step::Again
            }
            AttemptEnd::Failed { error, .. } => Step::Fail(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{REVERSE, client, config, planned};

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
    const STALE: AttemptEnd =
        AttemptEnd::Failed { error: Error::UpstreamClosed, reused: true, received: false, elsewhere: false };

    fn attempts(head: &str) -> (Attempts, Instant, Duration) {
        let config = config(REVERSE);
        let begun = Instant::now();
        let (plan, _) = planned(&config, &client(), head);
        let timeouts = &config.timeouts;
        (Attempts::new(&plan, timeouts, begun), begun, timeouts.connect + timeouts.response)
    }

    #[test]
    fn what_was_swallowed_is_sent_once_more_if_it_is_safe_and_has_no_body() {
        let failed =
            |error, reused, received| AttemptEnd::Failed { error, reused, received, elsewhere: false };
        let elsewhere =
            |error, received| AttemptEnd::Failed { error, reused: false, received, elsewhere: true };
        for (head, end, again) in [
            (GET, STALE, true),
            ("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", STALE, true),
            ("OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n", STALE, true),
            ("POST / HTTP/1.1\r\nHost: h\r\n\r\n", STALE, false),
            ("PUT / HTTP/1.1\r\nHost: h\r\n\r\n", STALE, false),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", STALE, false),
            (POST, STALE, false),
            (GET, failed(Error::UpstreamClosed, false, false), false),
            (GET, elsewhere(Error::UpstreamClosed, false), true),
            (GET, elsewhere(Error::UpstreamClosed, true), false),
            (GET, elsewhere(Error::ResponseTimeout, false), false),
            ("POST / HTTP/1.1\r\nHost: h\r\n\r\n", elsewhere(Error::UpstreamClosed, false), false),
            (GET, failed(Error::UpstreamClosed, true, true), false),
            (GET, failed(Error::ResponseTimeout, true, false), false),
            (GET, failed(Error::ConnectRefused, false, false), false),
        ] {
            let (mut attempts, begun, _) = attempts(head);
            let step = attempts.after(end, begun);
            assert_eq!(step == Step::Again, again, "{head:?}, {end:?}: {step:?}");
            assert_eq!(attempts.fresh_only(), again, "{head:?}");
        }
    }

    #[test]
    fn it_is_tried_no_third_time() {
        let (mut attempts, begun, _) = attempts(GET);
        assert_eq!(attempts.after(STALE, begun), Step::Again);
        assert_eq!(attempts.after(STALE, begun), Step::Fail(Error::UpstreamClosed));
    }

    #[test]
    fn a_hop_may_take_a_pooled_connection_again() {
        let (mut attempts, begun, _) = attempts(GET);
        assert_eq!(attempts.after(STALE, begun), Step::Again);
        assert_eq!(attempts.after(AttemptEnd::Redirected, begun), Step::Follow);
        assert!(!attempts.fresh_only());
        assert_eq!(attempts.after(STALE, begun), Step::Again);
    }

    #[test]
    fn one_deadline_holds_over_all_attempts_but_for_the_time_of_an_upload() {
        let second = Duration::from_secs(1);
        let (mut get, begun, patience) = attempts(GET);
        for end in [STALE, AttemptEnd::Redirected, AttemptEnd::Redirected] {
            get.after(end, begun + second);
            assert_eq!(get.deadline(), begun + patience);
        }
        let (mut post, begun, _) = attempts(POST);
        assert_eq!(post.deadline(), begun + patience);
        for now in [begun + second, begun + 2 * second] {
            post.after(AttemptEnd::Redirected, now);
            assert_eq!(post.deadline(), begun + second + patience, "it begins anew once");
        }
    }
}

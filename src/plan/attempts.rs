//! What follows when an attempt at a request has ended: another one, the next hop, or nothing more.

use std::time::{Duration, Instant};

use super::{action::Plan, silence::Silence};
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
    /// Another server may be asked instead of an answer.
    declinable: bool,
    /// It was sent again already.
    fresh_only: bool,
    /// How often it may be sent.
    most: u32,
    /// How often it may be sent yet, beside the resend of what a stale connection has swallowed.
    left: u32,
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
    /// With an answer whose status is tried again at another server; that was paid for.
    Declined,
    /// With a server that was silent for its share of the time; that was paid for.
    Abandoned,
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
    /// For a request that sets out at `begun`, and may be sent `most` times.
    #[must_use]
    pub fn new(plan: &Plan, method_name: &[u8], timeouts: &Timeouts, most: u32, begun: Instant) -> Self {
        let patience = timeouts.connect + timeouts.response;
        Self {
            patience,
            deadline: begun + patience,
            repeatable: plan.is_repeatable() && most > 1,
            uploads: plan.framing != Framing::None,
            declinable: plan.may_be_declined(method_name),
            fresh_only: false,
            most,
            left: most.saturating_sub(1),
        }
    }

    /// The same, with so long from where it set out.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        let begun = self.deadline - self.patience;
        Self { patience, deadline: begun + patience, ..self }
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

    /// Whether another server may be asked instead of an answer, if that can be paid for and a body has been kept.
    #[must_use]
    pub const fn may_decline(&self) -> bool {
        self.declinable && self.left > 0
    }

    /// How long the server of an attempt may be silent that was `sent` to it when it had `answered` so many, where the time for
    /// a response is that of the route; as long as there is time where no attempt is left (rule 28 of [`plan`](super)).
    #[must_use]
    pub fn silence(&self, response: Duration, sent: Instant, answered: u64) -> Option<Silence> {
        (self.repeatable && self.left > 0).then(|| Silence::new(response, self.most, sent, answered))
    }

    /// What follows an attempt that ended `now`.
    ///
    /// What a stale connection has swallowed is sent once more, and what a server that is not the only one has swallowed
    /// as long as attempts are left and `pay` allows another one, if it is safe and has no body (RFC 9110 §9.2.2, RFC
    /// 9112 §9.3.1; rules 5 to 8 of [`plan`](super)).
    pub fn after(&mut self, end: AttemptEnd, now: Instant, pay: impl FnOnce() -> bool) -> Step {
        match end {
            AttemptEnd::Redirected => {
                self.fresh_only = false;
                self.uploaded(now);
                Step::Follow
            }
            AttemptEnd::Failed { error, reused, received: false, elsewhere }
                if error.is_retryable() && self.repeatable =>
            {
                let is_stale = reused && !self.fresh_only;
                if is_stale || elsewhere && self.left > 0 && pay() {
                    self.left -= u32::from(!is_stale);
                    self.fresh_only = true;
                    Step::Again
                } else {
                    Step::Fail(error)
                }
            }
            AttemptEnd::Declined => {
                self.left = self.left.saturating_sub(1);
                self.uploaded(now);
                Step::Again
            }
            AttemptEnd::Abandoned => {
                self.left = self.left.saturating_sub(1);
                self.fresh_only = true;
                Step::Again
            }
            AttemptEnd::Failed { error, .. } => Step::Fail(error),
        }
    }

    /// The body, if there is one, has been sent, and the clock stood still meanwhile; from memory it is sent in no time.
    fn uploaded(&mut self, now: Instant) {
        if std::mem::take(&mut self.uploads) {
            self.deadline = now + self.patience;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::silence::Heard, *};
    use crate::plan::sample::{REVERSE, client, config, planned};

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
    const STALE: AttemptEnd =
        AttemptEnd::Failed { error: Error::UpstreamClosed, reused: true, received: false, elsewhere: false };

    fn name(head: &str) -> &[u8] {
        head.split(' ').next().unwrap_or_default().as_bytes()
    }

    #[test]
    fn an_answer_is_declined_for_what_is_safe_or_says_that_it_can_be_repeated() {
        for (head, expected) in [
            (GET, true),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", false),
            ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", true),
            ("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("PATCH / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", false),
            (POST, false),
        ] {
            assert_eq!(attempts(head).0.may_decline(), expected, "{head}");
        }
    }

    fn attempts(head: &str) -> (Attempts, Instant, Duration) {
        let config = config(REVERSE);
        let begun = Instant::now();
        let (plan, _) = planned(&config, &client(), head);
        let timeouts = &config.timeouts;
        (Attempts::new(&plan, name(head), timeouts, 2, begun), begun, timeouts.connect + timeouts.response)
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
            let step = attempts.after(end, begun, || true);
            assert_eq!(step == Step::Again, again, "{head:?}, {end:?}: {step:?}");
            assert_eq!(attempts.fresh_only(), again, "{head:?}");
        }
    }

    #[test]
    fn it_is_tried_no_third_time() {
        let (mut attempts, begun, _) = attempts(GET);
        assert_eq!(attempts.after(STALE, begun, || true), Step::Again);
        assert_eq!(attempts.after(STALE, begun, || true), Step::Fail(Error::UpstreamClosed));
    }

    #[test]
    fn at_other_servers_it_is_tried_as_often_as_is_set_and_paid_for() {
        let swallowed = AttemptEnd::Failed {
            error: Error::UpstreamClosed,
            reused: false,
            received: false,
            elsewhere: true,
        };
        let stale = AttemptEnd::Failed {
            error: Error::UpstreamClosed,
            reused: true,
            received: false,
            elsewhere: true,
        };
        for (most, ends, expected) in [
            (1, &[swallowed][..], 0),
            (1, &[stale], 0),
            (2, &[swallowed, swallowed], 1),
            (4, &[swallowed; 9], 3),
            // What has gone stale costs nothing.
            (2, &[stale, swallowed, swallowed], 2),
            (3, &[AttemptEnd::Declined, stale, swallowed, swallowed], 3),
        ] {
            let (attempts, begun, _) = attempts(GET);
            let config = config(REVERSE);
            let (plan, _) = planned(&config, &client(), GET);
            for (is_rich, expected) in
                [(true, expected), (false, expected.min(usize::from(ends[0] == stale)))]
            {
                let mut attempts = Attempts::new(&plan, b"GET", &config.timeouts, most, begun);
                if !is_rich && ends[0] == AttemptEnd::Declined {
                    continue;
                }
                let again = |end: &&AttemptEnd| attempts.after(**end, begun, || is_rich) == Step::Again;
                assert_eq!(ends.iter().take_while(again).count(), expected, "{most}: {ends:?}");
            }
            assert!(attempts.may_decline());
        }
    }

    #[test]
    fn a_server_may_be_silent_for_a_share_only_while_an_attempt_is_left_that_may_be_made() {
        let config = config(REVERSE);
        let (response, now) = (Duration::from_secs(16), Instant::now());
        for (head, most, expected) in [
            (GET, 1, &[][..]),
            (GET, 2, &[8]),
            (GET, 4, &[4, 4, 4]),
            (POST, 4, &[]),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 4, &[]),
            ("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", 4, &[]),
        ] {
            let (plan, _) = planned(&config, &client(), head);
            let mut attempts = Attempts::new(&plan, name(head), &config.timeouts, most, now);
            for seconds in expected {
                let share = Duration::from_secs(*seconds);
                let silence = || attempts.silence(response, now, 7).expect("an attempt is left");
                for (after, expected) in
                    [(share - Duration::from_nanos(1), Heard::Little), (share, Heard::Nothing)]
                {
                    assert_eq!(silence().look(now + after, 7), expected, "{head:?}, {most}");
                }
                let paid = || -> bool { panic!("it was paid for") };
                assert_eq!(attempts.after(AttemptEnd::Abandoned, now, paid), Step::Again);
                assert!(attempts.fresh_only());
            }
            assert!(attempts.silence(response, now, 7).is_none(), "{head:?}, {most}");
        }
    }

    #[test]
    fn a_hop_may_take_a_pooled_connection_again() {
        let (mut attempts, begun, _) = attempts(GET);
        assert_eq!(attempts.after(STALE, begun, || true), Step::Again);
        assert_eq!(attempts.after(AttemptEnd::Redirected, begun, || true), Step::Follow);
        assert!(!attempts.fresh_only());
        assert_eq!(attempts.after(STALE, begun, || true), Step::Again);
    }

    #[test]
    fn one_deadline_holds_over_all_attempts_but_for_the_time_of_an_upload() {
        let second = Duration::from_secs(1);
        let (mut get, begun, patience) = attempts(GET);
        for end in [STALE, AttemptEnd::Redirected, AttemptEnd::Redirected] {
            get.after(end, begun + second, || true);
            assert_eq!(get.deadline(), begun + patience);
        }
        let (mut post, begun, _) = attempts(POST);
        assert_eq!(post.deadline(), begun + patience);
        for now in [begun + second, begun + 2 * second] {
            post.after(AttemptEnd::Redirected, now, || true);
            assert_eq!(post.deadline(), begun + second + patience, "it begins anew once");
        }
        let (mut put, begun, _) = attempts("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
        for now in [begun + second, begun + 2 * second] {
            put.after(AttemptEnd::Declined, now, || true);
            assert_eq!(put.deadline(), begun + second + patience, "wherever it is sent");
        }
    }
}

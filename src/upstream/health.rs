//! Whether one server of an upstream is usable: plain data that is told what happened, and when.
//!
//! Requests take a server out, and bad probes where all servers are probed; good probes alone bring it back. That the last
//! usable server stays is for whoever knows the others.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{
    config::{Ejection, HealthCheck},
    error::Error,
};

/// How soon the first probe follows after a server was taken out, and the next one after a good one.
pub(super) const SOON: Duration = Duration::from_millis(200);
/// How soon the next probe follows after a bad one, where servers are probed for as long as they are out alone.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest that a server is kept out before it is probed, unless the operator's shortest is longer.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Why a server is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// This went wrong.
    Failed(Error),
    /// It answered, and with this status.
    Answered(u16),
    /// This went wrong with so many probes in a row.
    ProbeFailed(Error),
    /// So many probes in a row were answered, the last with this status.
    ProbeAnswered(u16),
}

/// How much a failure says about its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Nothing: it is somebody else's, or no failure.
    None,
    /// So many in a row are enough: one URL may be the cause.
    InARow,
    /// One is enough if nothing else was answered meanwhile; else as the row before.
    Alone,
    /// One is enough.
    AtOnce,
}

impl Reason {
    fn weight(self) -> Weight {
        let Self::Failed(error) = self else { return Weight::InARow };
        let no_connection = matches!(
            error,
            Error::Dns
                | Error::DnsTimeout
                | Error::SocketMissing
                | Error::ConnectRefused
                | Error::ConnectTimeout
                | Error::ConnectFailed
                | Error::TlsCertificate
                | Error::TlsProtocol
        );
        let no_answer = matches!(
            error,
            Error::UpstreamClosed
                | Error::UpstreamSendTimeout
                | Error::ResponseTimeout
                | Error::ResponseHead(_)
                | Error::ResponseHeadTooLarge
                | Error::TooManyInterim
        );
        match (no_connection, no_answer) {
            // Whoever refuses to connect for an upgrade may well pass requests on.
            _ if error == Error::ParentRefused => Weight::InARow,
            (true, _) => Weight::AtOnce,
            (false, true) => Weight::Alone,
            (false, false) => Weight::None,
        }
    }

    /// Whether a connection alone shows that this is over. A process that was stopped or has hung itself up still has
    /// its connections accepted, by the kernel.
    fn ends_with_a_connection(self) -> bool {
        matches!(
            self,
            Self::Failed(Error::ConnectRefused | Error::SocketMissing)
                | Self::ProbeFailed(Error::ConnectRefused | Error::SocketMissing)
        )
    }

    /// Whether probes have found it.
    pub(super) const fn is_of_probes(self) -> bool {
        matches!(self, Self::ProbeFailed(_) | Self::ProbeAnswered(_))
    }

    /// What shows that this is over.
    fn proof(self) -> Proof {
        match self {
            _ if self.ends_with_a_connection() => Proof::Connection,
            Self::Failed(_) | Self::ProbeFailed(_) => Proof::Answer,
            Self::Answered(_) | Self::ProbeAnswered(_) => Proof::OtherStatus,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Answered(status) => write!(f, "the upstream answered {status}, time and again"),
            Self::ProbeFailed(error) => write!(f, "probes fail: {error}"),
            Self::ProbeAnswered(status) => write!(f, "probes are answered {status}"),
        }
    }
}

/// A failure of a request at a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// What happened.
    pub(super) reason: Reason,
    /// When the server was asked.
    pub(super) begun: Instant,
    /// Requests that the server had answered by then.
    pub(super) answered_before: u64,
    /// Requests that it has answered by now.
    pub(super) answered: u64,
}

/// What a probe must do to show that a server is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// To connect.
    Connection,
    /// To be answered.
    Answer,
    /// To be answered with another status than those that take a server out.
    OtherStatus,
}

/// What is to be known about a server that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    pub(super) reason: Reason,
    pub(super) proof: Proof,
    /// When the first probe is due.
    pub(super) first_probe: Instant,
    /// When it was taken out.
    pub(super) since: Instant,
}

/// How one server does.
#[derive(Clone, Debug)]
pub(super) struct Health {
    state: State,
    /// When it last came back, and how long it had been kept from that.
    back: Option<(Instant, Duration)>,
}

#[derive(Clone, Debug)]
enum State {
    /// It is used. So many requests in a row have failed, and so many had been answered when the last of them did; so many
    /// probes in a row have failed.
    In { failures: u32, answered: u64, bad: u32 },
    /// It is not, while others are.
    Out { absence: Absence, kept: Duration, good: u32 },
}

impl State {
    const USED: Self = Self::In { failures: 0, answered: 0, bad: 0 };
}

impl Default for Health {
    fn default() -> Self {
        Self { state: State::USED, back: None }
    }
}

impl Health {
    /// What is to be known while it is out.
    pub(super) const fn absence(&self) -> Option<Absence> {
        match self.state {
            State::In { .. } => None,
            State::Out { absence, .. } => Some(absence),
        }
    }

    /// When it came back, if it was ever out.
    pub(super) fn back(&self) -> Option<Instant> {
        self.back.map(|(back, _)| back)
    }

    /// Takes a failure in, `now`; returns whether that has taken the server out. The `last` one that is usable stays.
    pub(super) fn failed(
        &mut self,
        failure: &Failure,
        ejection: &Ejection,
        last: bool,
        now: Instant,
    ) -> bool {
        let State::In { failures, answered, .. } = &mut self.state else { return false };
        let weight = failure.reason.weight();
        // What was asked before it came back tells nothing of how it does since.
        let is_old = self.back.is_some_and(|(back, _)| failure.begun < back);
        if weight == Weight::None || is_old || ejection.failures == 0 {
            return false;
        }
        *failures = if *answered == failure.answered { *failures + 1 } else { 1 };
        *answered = failure.answered;
        let alone = failure.answered_before == failure.answered;
        let enough = match weight {
            Weight::None => false,
            Weight::InARow => *failures >= ejection.failures,
            Weight::Alone => alone || *failures >= ejection.failures,
            Weight::AtOnce => true,
        };
        if !enough || last {
            return false;
        }
        self.take_out(failure.reason, ejection, now);
        true
    }

    fn take_out(&mut self, reason: Reason, ejection: &Ejection, now: Instant) {
        let kept = self.kept(ejection.min_time, now);
        let absence =
            Absence { reason, proof: reason.proof(), first_probe: now + kept.max(SOON), since: now };
        self.state = State::Out { absence, kept, good: 0 };
    }

    /// How long a server that is taken out `now` is kept from coming back: not at all, unless it has just come back.
    fn kept(&self, shortest: Duration, now: Instant) -> Duration {
        let Some((back, before)) = self.back else { return Duration::ZERO };
        let next = (before * 2).clamp(shortest, LONGEST.max(shortest));
        if now.saturating_duration_since(back) < next { next } else { Duration::ZERO }
    }

    /// Takes in what a probe has found, `now`; returns how soon the next one is due.
    pub(super) fn probed(
        &mut self,
        found: Result<(), Reason>,
        check: &HealthCheck,
        ejection: &Ejection,
        now: Instant,
    ) -> Duration {
        match (&mut self.state, found) {
            (State::In { bad, .. }, Ok(())) => *bad = 0,
            (State::In { bad, .. }, Err(reason)) => {
                *bad += 1;
                if *bad >= check.fall {
                    self.take_out(reason, ejection, now);
                    return self.absence().map_or(SOON, |absence| absence.first_probe - now);
                }
            }
            (State::Out { good, .. }, Err(_)) => {
                *good = 0;
                return if check.probes_all { check.interval } else { INTERVAL };
            }
            (State::Out { kept, good, .. }, Ok(())) => {
                *good += 1;
                if *good < check.rise {
                    return SOON.min(check.interval);
                }
                self.back = Some((now, *kept));
                self.state = State::USED;
            }
        }
        check.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ejection(failures: u32) -> Ejection {
        Ejection { failures, statuses: vec![503], min_time: 10 * SECOND, at_most: 100 }
    }

    fn check() -> HealthCheck {
        HealthCheck { interval: 5 * SECOND, rise: 2, fall: 3, ..HealthCheck::default() }
    }

    fn probe(health: &mut Health, found: Result<(), Reason>, check: &HealthCheck, now: Instant) -> Duration {
        health.probed(found, check, &ejection(3), now)
    }

    const BAD: Result<(), Reason> = Err(Reason::ProbeFailed(Error::ConnectRefused));

    /// One that was asked at `begun`, when as many had been answered as when it failed.
    fn failure(error: Error, begun: Instant) -> Failure {
        Failure { reason: Reason::Failed(error), begun, answered_before: 7, answered: 7 }
    }

    /// Brings it back, with probes one after another from `now`.
    fn bring_back(health: &mut Health, now: Instant) {
        assert_eq!(probe(health, Ok(()), &check(), now), SOON);
        probe(health, Ok(()), &check(), now);
        assert!(health.absence().is_none());
    }

    #[test]
    fn what_keeps_a_server_from_being_connected_to_takes_it_out_at_once() {
        let now = Instant::now();
        for (error, proof) in [
            (Error::ConnectRefused, Proof::Connection),
            (Error::SocketMissing, Proof::Connection),
            (Error::ConnectTimeout, Proof::Answer),
            (Error::ConnectFailed, Proof::Answer),
            (Error::Dns, Proof::Answer),
            (Error::DnsTimeout, Proof::Answer),
            (Error::TlsCertificate, Proof::Answer),
            (Error::TlsProtocol, Proof::Answer),
        ] {
            let mut health = Health::default();
            let meanwhile = Failure { answered: 9, ..failure(error, now) };
            assert!(health.failed(&meanwhile, &ejection(3), false, now), "{error:?}");
            assert_eq!(health.absence().map(|absence| absence.proof), Some(proof), "{error:?}");
            assert!(!health.failed(&meanwhile, &ejection(3), false, now), "it is out already");
        }
    }

    #[test]
    fn a_request_without_an_answer_takes_it_out_when_nothing_else_was_answered_meanwhile() {
        let now = Instant::now();
        for error in [
            Error::UpstreamClosed,
            Error::UpstreamSendTimeout,
            Error::ResponseTimeout,
            Error::ResponseHead("no head"),
            Error::ResponseHeadTooLarge,
            Error::TooManyInterim,
        ] {
            let mut health = Health::default();
            let meanwhile = Failure { answered: 8, ..failure(error, now) };
            assert!(
                !health.failed(&meanwhile, &ejection(3), false, now),
                "{error:?}: one URL may be the cause"
            );
            assert!(health.failed(&failure(error, now), &ejection(3), false, now), "{error:?}");
            assert_eq!(health.absence().map(|absence| absence.proof), Some(Proof::Answer));
        }
    }

    #[test]
    fn else_it_takes_so_many_in_a_row() {
        let now = Instant::now();
        let at = |answered| Failure { answered, ..failure(Error::ResponseTimeout, now) };
        let mut health = Health::default();
        for (answered, out) in [(8, false), (8, false), (9, false), (9, false), (9, true)] {
            assert_eq!(health.failed(&at(answered), &ejection(3), false, now), out, "{answered}");
        }
    }

    #[test]
    fn a_status_takes_it_out_only_in_a_row_and_an_answer_with_another_one_brings_it_back() {
        let now = Instant::now();
        let answered = Failure { reason: Reason::Answered(503), ..failure(Error::Internal, now) };
        let mut health = Health::default();
        for out in [false, false, true] {
            assert_eq!(health.failed(&answered, &ejection(3), false, now), out);
        }
        assert_eq!(health.absence().map(|absence| absence.proof), Some(Proof::OtherStatus));
    }

    #[test]
    fn a_parent_that_does_not_connect_to_it_takes_it_out_only_in_a_row() {
        let now = Instant::now();
        let mut health = Health::default();
        for out in [false, false, true] {
            assert_eq!(health.failed(&failure(Error::ParentRefused, now), &ejection(3), false, now), out);
        }
    }

    #[test]
    fn what_is_not_the_servers_fault_counts_for_nothing() {
        let now = Instant::now();
        for error in [
            Error::ClientGone,
            Error::ClientSendTimeout,
            Error::RequestBody("broken"),
            Error::RequestBodyTimeout,
            Error::Internal,
            Error::UpgradeFailed,
            Error::ResponseIncomplete,
            Error::TargetAddressProhibited,
            Error::ParentUnreachable,
            Error::ParentUnauthorized,
        ] {
            let mut health = Health::default();
            for _ in 0..5 {
                assert!(!health.failed(&failure(error, now), &ejection(1), false, now), "{error:?}");
            }
        }
    }

    #[test]
    fn the_last_one_stays_and_so_does_any_where_that_is_switched_off() {
        let now = Instant::now();
        let refused = failure(Error::ConnectRefused, now);
        let mut health = Health::default();
        assert!(!health.failed(&refused, &ejection(3), true, now));
        assert!(!health.failed(&refused, &ejection(0), false, now));
        assert!(health.failed(&refused, &ejection(3), false, now), "it is not the last any more");
    }

    #[test]
    fn two_probes_in_a_row_bring_it_back_and_the_second_follows_soon() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(health.failed(&failure(Error::ConnectRefused, now), &ejection(3), false, now));
        assert_eq!(health.absence().map(|absence| absence.first_probe), Some(now + SOON));
        for (found, next) in [(BAD, INTERVAL), (Ok(()), SOON), (BAD, INTERVAL), (Ok(()), SOON)] {
            assert_eq!(probe(&mut health, found, &check(), now), next);
            assert!(health.absence().is_some());
        }
        probe(&mut health, Ok(()), &check(), now);
        assert!(health.absence().is_none());
    }

    #[test]
    fn probes_in_a_row_take_a_server_out_and_bring_it_back() {
        let now = Instant::now();
        let check = HealthCheck { probes_all: true, rise: 3, ..check() };
        let mut health = Health::default();
        for (found, is_out, next) in [
            (BAD, false, check.interval),
            (BAD, false, check.interval),
            (Ok(()), false, check.interval),
            (BAD, false, check.interval),
            (BAD, false, check.interval),
            (BAD, true, SOON),
            (BAD, true, check.interval),
            (Ok(()), true, SOON),
            (Ok(()), true, SOON),
            (BAD, true, check.interval),
            (Ok(()), true, SOON),
            (Ok(()), true, SOON),
            (Ok(()), false, check.interval),
            (BAD, false, check.interval),
        ] {
            assert_eq!(probe(&mut health, found, &check, now), next);
            assert_eq!(health.absence().is_some(), is_out);
        }
    }

    #[test]
    fn what_probes_have_found_says_what_shows_that_it_is_over() {
        let now = Instant::now();
        for (reason, proof) in [
            (Reason::ProbeFailed(Error::ConnectRefused), Proof::Connection),
            (Reason::ProbeFailed(Error::ResponseTimeout), Proof::Answer),
            (Reason::ProbeAnswered(500), Proof::OtherStatus),
        ] {
            let mut health = Health::default();
            probe(&mut health, Err(reason), &HealthCheck { fall: 1, ..check() }, now);
            assert_eq!(
                health.absence().map(|absence| (absence.proof, absence.reason)),
                Some((proof, reason))
            );
            assert!(reason.is_of_probes());
        }
    }

    #[test]
    fn what_was_asked_before_it_came_back_counts_for_nothing() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(health.failed(&failure(Error::ResponseTimeout, now), &ejection(3), false, now));
        bring_back(&mut health, now + SECOND);
        assert!(!health.failed(&failure(Error::ResponseTimeout, now), &ejection(3), false, now + 2 * SECOND));
        let since = failure(Error::ResponseTimeout, now + SECOND);
        assert!(health.failed(&since, &ejection(3), false, now + 2 * SECOND));
    }

    #[test]
    fn one_that_is_taken_out_again_soon_stays_out_longer_each_time() {
        let mut now = Instant::now();
        let mut health = Health::default();
        let mut out = |after: Duration| {
            now += after;
            assert!(health.failed(&failure(Error::ConnectRefused, now), &ejection(3), false, now));
            let first_probe = health.absence().map(|absence| absence.first_probe.duration_since(now));
            bring_back(&mut health, now);
            first_probe.map_or(0, |wait| wait.as_secs())
        };
        // It has been back so long, and is then kept out so long.
        for (after, kept) in [
            (0, 0),
            (9, 10),
            (19, 20),
            (39, 40),
            (1, 80),
            (1, 160),
            (1, 300),
            (299, 300),
            (300, 0),
            (9, 10),
            (20, 0),
        ] {
            assert_eq!(out(after * SECOND), kept, "after {after} s");
        }
    }
}

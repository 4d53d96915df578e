//! The last requests that CORS, or a rule beside it, has refused: so that an operator sees who is kept out, and why.
//!
//! A worker writes down its own and waits for nobody: while somebody reads them, one is left out. Of each request a part
//! is kept that is bounded and holds no secret.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use super::access_log::redact;
use crate::{
    config::{AccessId, ListenerId, Obstacle, RouteId, SecretNames},
    cors::{Reason, Stage},
    http1::span::Span,
};

/// Refusals that are kept of each worker.
const KEPT: usize = 32;
/// Requests of pages that are kept of all workers where they are told about.
const RECENT: usize = 256;
/// Bytes that are kept of each part of a request.
const PART: usize = 256;
/// What those of a worker take, in bytes.
pub const MEMORY: usize = KEPT * (size_of::<Refusal>() + 5 * PART);
/// What the recent ones of all workers take, in bytes.
pub const RECENT_MEMORY: usize = RECENT * (size_of::<Refusal>() + 5 * PART);

/// A request that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub time: SystemTime,
    /// Under which configuration.
    pub generation: u64,
    /// Where it came in.
    pub listener: ListenerId,
    /// What took it.
    pub route: RouteId,
    /// Which of a browser's two requests it was, where that is known.
    pub stage: Option<Stage>,
    /// Why; what a reason points at stands in `detail`.
    pub obstacle: Obstacle,
    /// The table of access that refuses it.
    pub access: Option<AccessId>,
    /// The method or the name of the field that is not allowed.
    pub detail: Vec<u8>,
    /// Its `Origin`.
    pub origin: Vec<u8>,
    /// The authority that it was for.
    pub host: Vec<u8>,
    /// Its method.
    pub method: Vec<u8>,
    /// Its target without secrets.
    pub target: Vec<u8>,
}

/// What is known of a request that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// When.
    pub time: SystemTime,
    /// Under which configuration.
    pub generation: u64,
    /// Where it came in.
    pub listener: ListenerId,
    /// What took it.
    pub route: RouteId,
    /// Which of a browser's two requests it was.
    pub stage: Option<Stage>,
    /// Why.
    pub obstacle: Obstacle,
    /// The table of access that refuses it.
    pub access: Option<AccessId>,
    /// The bytes of its head, in which a reason points at what it is about.
    pub head: &'a [u8],
    /// Its `Origin`.
    pub origin: &'a [u8],
    /// The authority that it was for.
    pub host: &'a [u8],
    /// Its method.
    pub method: &'a [u8],
    /// Its target.
    pub target: &'a [u8],
    /// What of a query is hidden.
    pub secrets: &'a SecretNames,
}

/// The last refusals of one worker.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<VecDeque<Refusal>>);

impl Refusals {
    /// Writes one down, unless somebody is reading.
    pub fn add(&self, refused: &Refused<'_>) {
        let Ok(mut kept) = self.0.try_lock() else { return };
        keep(&mut kept, KEPT, refused);
    }

    /// Those that are kept, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The last requests of pages to any worker, and what stands in the way of each, or would if it was sent with
/// credentials. Kept for who develops, and written by the requests themselves, which wait for each other here.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Refusal>>);

impl Recent {
    /// Writes one down.
    pub fn add(&self, refused: &Refused<'_>) {
        keep(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), RECENT, refused);
    }

    /// The last one of `origin` for `target`, sent with `method` or asked for by a preflight, under this configuration.
    #[must_use]
    pub fn last(
        &self,
        (origin, method, target): (&[u8], &[u8], &[u8]),
        secrets: &SecretNames,
        generation: u64,
    ) -> Option<Refusal> {
        let mut shown = Vec::new();
        put_redacted(&mut shown, target, secrets);
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |refusal: &&Refusal| {
            refusal.generation == generation
                && refusal.origin == origin
                && refusal.target == shown
                && (refusal.stage == Some(Stage::Preflight) || refusal.method == method)
        };
        kept.iter().rev().find(is_it).cloned()
    }
}

/// Writes one down beside at most so many others.
fn keep(kept: &mut VecDeque<Refusal>, most: usize, refused: &Refused<'_>) {
    // What the oldest was written in serves the newest.
    let mut refusal =
        if kept.len() >= most { kept.pop_front() } else { None }.unwrap_or_else(|| Refusal::blank(refused));
    refusal.write(refused);
    kept.push_back(refusal);
}

impl Refusal {
    /// One with room for every part.
    fn blank(refused: &Refused<'_>) -> Self {
        let room = || Vec::with_capacity(PART);
        Self {
            time: refused.time,
            generation: refused.generation,
            listener: refused.listener,
            route: refused.route,
            stage: refused.stage,
            obstacle: refused.obstacle,
            access: refused.access,
            detail: room(),
            origin: room(),
            host: room(),
            method: room(),
            target: room(),
        }
    }

    fn write(&mut self, refused: &Refused<'_>) {
        let Refused { time, generation, listener, route, stage, obstacle, .. } = *refused;
        let span = match obstacle {
            Obstacle::Policy(Reason::MethodNotAllowed(span) | Reason::HeaderNotAllowed(span)) => span,
            Obstacle::Policy(_) | Obstacle::Error(_) | Obstacle::Credentials | Obstacle::UpstreamFields => {
                Span::default()
            }
        };
        put(&mut self.detail, span.of(refused.head));
        put(&mut self.origin, refused.origin);
        put(&mut self.host, refused.host);
        put(&mut self.method, refused.method);
        put_redacted(&mut self.target, refused.target, refused.secrets);
        self.access = refused.access;
        (self.time, self.generation, self.listener, self.route, self.stage) =
            (time, generation, listener, route, stage);
        // What it points at stands beside it from now on.
        let own = Span::new(0, self.detail.len());
        self.obstacle = match obstacle {
            Obstacle::Policy(Reason::MethodNotAllowed(_)) => Obstacle::Policy(Reason::MethodNotAllowed(own)),
            Obstacle::Policy(Reason::HeaderNotAllowed(_)) => Obstacle::Policy(Reason::HeaderNotAllowed(own)),
            Obstacle::Policy(_) | Obstacle::Error(_) | Obstacle::Credentials | Obstacle::UpstreamFields => {
                obstacle
            }
        };
    }
}

/// As much of a target as is kept, without secrets, in place of what was there.
fn put_redacted(part: &mut Vec<u8>, target: &[u8], secrets: &SecretNames) {
    part.clear();
    redact(target, secrets, |piece| {
        let room = PART.saturating_sub(part.len());
        part.extend_from_slice(piece.get(..room).unwrap_or(piece));
    });
}

/// As much of `bytes` as is kept, in place of what was there.
fn put(part: &mut Vec<u8>, bytes: &[u8]) {
    part.clear();
    part.extend_from_slice(bytes.get(..PART).unwrap_or(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Routes;

    fn refused(target: &[u8]) -> Refused<'_> {
        Refused {
            time: SystemTime::UNIX_EPOCH,
            generation: 1,
            listener: ListenerId::FIRST,
            route: Routes::GATEWAY,
            stage: Some(Stage::Actual),
            obstacle: Obstacle::Policy(Reason::MethodNotAllowed(Span::new(3, 6))),
            access: None,
            head: b"...PUT...",
            origin: b"https://evil.example",
            host: b"localhost",
            method: b"PUT",
            target,
            secrets: SecretNames::NONE,
        }
    }

    #[test]
    fn the_last_ones_are_kept_with_what_their_reasons_point_at() {
        let refusals = Refusals::default();
        for number in 0..KEPT + 3 {
            refusals.add(&refused(format!("/{number}?token=x").as_bytes()));
        }
        let list = refusals.list();
        assert_eq!(list.len(), KEPT);
        let Refusal { target, detail, obstacle, .. } = &list[0];
        assert_eq!((&target[..], &detail[..]), (&b"/3?token=***"[..], &b"PUT"[..]));
        assert_eq!(*obstacle, Obstacle::Policy(Reason::MethodNotAllowed(Span::new(0, 3))));
    }

    #[test]
    fn a_page_finds_the_last_of_its_own_requests_by_what_it_has_asked_for() {
        let recent = Recent::default();
        for stage in [Stage::Actual, Stage::Preflight] {
            recent.add(&Refused { stage: Some(stage), method: b"GET", ..refused(b"/a?token=x") });
        }
        for number in 0..RECENT - 2 {
            recent.add(&refused(format!("/{number}").as_bytes()));
        }
        let last = |origin: &[u8], method: &[u8], target: &[u8], generation| {
            let found = recent.last((origin, method, target), SecretNames::NONE, generation);
            found.map(|refusal| refusal.stage)
        };
        let own = b"https://evil.example";
        assert_eq!(last(own, b"PUT", b"/a?token=y", 1), Some(Some(Stage::Preflight)));
        assert_eq!(last(own, b"PUT", b"/0", 1), Some(Some(Stage::Actual)));
        for (origin, method, target, generation) in [
            (&b"https://good.example"[..], &b"PUT"[..], &b"/0"[..], 1),
            (own, b"GET", b"/0", 1),
            (own, b"PUT", b"/b", 1),
            (own, b"PUT", b"/0", 2),
        ] {
            assert_eq!(last(origin, method, target, generation), None);
        }
        recent.add(&refused(b"/c"));
        recent.add(&refused(b"/c"));
        assert_eq!(last(own, b"PUT", b"/a?token=x", 1), None, "the oldest go");
    }

    #[test]
    fn of_a_long_request_a_bounded_part_is_kept() {
        let long = vec![b'a'; 10_000];
        let refusals = Refusals::default();
        refusals.add(&Refused { origin: &long, host: &long, method: &long, ..refused(&long) });
        let Refusal { origin, host, method, target, .. } = &refusals.list()[0];
        assert!([origin, host, method, target].iter().all(|part| part.len() == PART));
    }
}

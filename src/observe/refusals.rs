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
    config::{ListenerId, Obstacle, RouteId, SecretNames},
    cors::{Reason, Stage},
    http1::span::Span,
};

/// Refusals that are kept of each worker.
const KEPT: usize = 32;
/// Bytes that are kept of each part of a request.
const PART: usize = 256;
/// What those of a worker take, in bytes.
pub const MEMORY: usize = KEPT * (size_of::<Refusal>() + 5 * PART);

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
        // What the oldest was written in serves the newest.
        let mut refusal = if kept.len() >= KEPT { kept.pop_front() } else { None }
            .unwrap_or_else(|| Refusal::blank(refused));
        refusal.write(refused);
        kept.push_back(refusal);
    }

    /// Those that are kept, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
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
        self.target.clear();
        redact(refused.target, refused.secrets, |piece| {
            let room = PART.saturating_sub(self.target.len());
            self.target.extend_from_slice(piece.get(..room).unwrap_or(piece));
        });
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
    fn of_a_long_request_a_bounded_part_is_kept() {
        let long = vec![b'a'; 10_000];
        let refusals = Refusals::default();
        refusals.add(&Refused { origin: &long, host: &long, method: &long, ..refused(&long) });
        let Refusal { origin, host, method, target, .. } = &refusals.list()[0];
        assert!([origin, host, method, target].iter().all(|part| part.len() == PART));
    }
}

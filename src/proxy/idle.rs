//! Client connections that wait for a request: how to wake them, and which of them have waited for long.
//!
//! An idle connection is a task until it is told to leave the runtime, which costs system calls and is not for
//! one that is busy. Nothing is timed for that: a connection marks that it waits, and
//! [`IdleConnections::pass`], called at intervals, finds those that have waited since the call before the last.

use std::{cell::RefCell, task::Waker, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

/// How long to wait between two passes, as a rule: a connection leaves the runtime after one to two of these. Longer than
/// any pause within a page load or a burst of API calls that counts, short enough that of thousands of
/// connections that come within a second few are tasks at a time.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while so many wait that their memory counts: they must not pile up. A connection in use is never idle
/// for that long where requests come so fast.
const SHORT_INTERVAL: Duration = Duration::from_millis(20);
/// How many that are.
const MANY: usize = 256;
/// When corsair stops, an idle connection has this long to bring a request that is already on its way.
pub const LAST_CHANCE: Duration = Duration::from_millis(250);
/// A wait shorter than this needs a timer of its own: it might be over before the connection leaves.
pub(crate) const SHORT_WAIT: Duration = Duration::from_secs(1);
/// Idle connections that one call of [`IdleConnections::pass`] tells to leave, which costs some 3 µs each. To look
/// at one costs next to nothing.
const BATCH: usize = 256;

/// The connections of one worker that have ever waited, and still are tasks.
#[derive(Debug, Default)]
pub struct IdleConnections {
    list: RefCell<List>,
    /// There is something to look after.
    begun: Notify,
}

#[derive(Debug, Default)]
struct List {
    waiters: Vec<Waiter>,
    free: Vec<usize>,
    /// Somebody calls [`IdleConnections::pass`] until nothing is left.
    attended: bool,
    /// A stream has come to rest since nothing was left.
    has_more_room: bool,
    /// The present pass has come to this one.
    position: usize,
    /// Connections that wait and may leave.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Waiter {
    waker: Option<Waker>,
    stay: Stay,
    /// Since when it waits for a request, whether or not it may leave the runtime.
    since: Option<Instant>,
    /// It is to end, for a newcomer that finds no place.
    superseded: bool,
}

/// How long a connection has been idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stay {
    /// It is busy, or cannot leave the runtime.
    #[default]
    Exempt,
    /// Since the last pass.
    New,
    /// Since the pass before.
    Long,
    /// It has been told to leave.
    Called,
}

/// What becomes of a connection that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It goes on waiting.
    Stay,
    /// It is to leave the runtime.
    Leave,
    /// It is to end: somebody else needs its place.
    End,
}

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// There are more connections to look at; call again soon.
    Unfinished,
    /// All have been looked at, and some wait: call again after an interval.
    Waiting,
    /// None waits.
    Finished,
}

impl IdleConnections {
    /// A slot for one connection; costs nothing until it is idle.
    pub const fn slot(&self) -> IdleSlot<'_> {
        IdleSlot { idle: self, index: None }
    }

    /// Waits until a connection begins to wait that may leave the runtime, or many do.
    pub async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Looks at some of the connections: those that have waited for a whole interval are told to leave.
    pub fn pass(&self) -> Pass {
        let list = &mut *self.list.borrow_mut();
        let mut called = 0;
        for waiter in list.waiters.iter_mut().skip(list.position) {
            list.position += 1;
            match waiter.stay {
                Stay::Exempt => {}
                Stay::New => waiter.stay = Stay::Long,
                Stay::Long | Stay::Called => {
                    waiter.stay = Stay::Called;
                    waiter.waker.iter().for_each(Waker::wake_by_ref);
                    called += 1;
                }
            }
            if called == BATCH {
                break;
            }
        }
        if list.position < list.waiters.len() {
            return Pass::Unfinished;
        }
        list.position = 0;
        list.attended = list.waiting > 0 || std::mem::take(&mut list.has_more_room);
        if list.attended { Pass::Waiting } else { Pass::Finished }
    }

    /// A stream has come to rest, and what it took is free: the pass that finds nothing going on is yet to come.
    pub fn note_rest(&self) {
        let list = &mut *self.list.borrow_mut();
        list.has_more_room = true;
        if !list.attended {
            list.attended = true;
            self.begun.notify_one();
        }
    }

    /// Waits until the next pass is due.
    pub async fn interval(&self) {
        sleep(SHORT_INTERVAL).await;
        if self.list.borrow().waiting < MANY {
            // Ends early when they become many.
            let _ = timeout(INTERVAL - SHORT_INTERVAL, self.begun()).await;
        }
    }

    /// Tells the connection to end that waits longest, of those that have waited since `latest` at least; whether
    /// there was one.
    pub fn end_longest(&self, latest: Instant) -> bool {
        let list = &mut *self.list.borrow_mut();
        let waiting = list.waiters.iter_mut().filter(|waiter| !waiter.superseded);
        let long = waiting.filter(|waiter| waiter.since.is_some_and(|since| since <= latest));
        let Some(longest) = long.min_by_key(|waiter| waiter.since) else { return false };
        longest.superseded = true;
        longest.waker.iter().for_each(Waker::wake_by_ref);
        true
    }

    /// Wakes all of them.
    pub fn wake_all(&self) {
        for waiter in &self.list.borrow().waiters {
            waiter.waker.iter().for_each(Waker::wake_by_ref);
        }
    }
}

/// A connection's slot among the idle ones.
#[derive(Debug)]
pub struct IdleSlot<'a> {
    idle: &'a IdleConnections,
    index: Option<usize>,
}

impl IdleSlot<'_> {
    /// Marks that the connection waits, and for how long it has, and remembers whom to wake; costs something only
    /// the first time. Only a connection that `may_leave` the runtime is told to.
    pub fn wait(&mut self, waker: &Waker, since: Instant, may_leave: bool) -> Told {
        let list = &mut *self.idle.list.borrow_mut();
        let index = *self.index.get_or_insert_with(|| list.take_slot());
        let Some(waiter) = list.waiters.get_mut(index) else { return Told::Stay };
        waiter.since = Some(since);
        if !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            waiter.waker = Some(waker.clone());
        }
        if may_leave && waiter.stay == Stay::Exempt {
            waiter.stay = Stay::New;
            list.waiting += 1;
            if !list.attended || list.waiting == MANY {
                list.attended = true;
                self.idle.begun.notify_one();
            }
        }
        match waiter {
            Waiter { superseded: true, .. } => Told::End,
            Waiter { stay: Stay::Called, .. } => Told::Leave,
            Waiter { .. } => Told::Stay,
        }
    }

    /// Marks that the wait is over.
    pub fn leave(&mut self) {
        if let Some(index) = self.index {
            self.idle.list.borrow_mut().exempt(index);
        }
    }
}

impl Drop for IdleSlot<'_> {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.idle.list.borrow_mut().give_back(index);
        }
    }
}

impl List {
    fn take_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.waiters.push(Waiter::default());
            self.waiters.len() - 1
        })
    }

    /// Of those that wait, one less.
    fn exempt(&mut self, index: usize) {
        if let Some(waiter) = self.waiters.get_mut(index) {
            (waiter.since, waiter.superseded) = (None, false);
            if waiter.stay != Stay::Exempt {
                waiter.stay = Stay::Exempt;
                self.waiting -= 1;
            }
        }
    }

    fn give_back(&mut self, index: usize) {
        self.exempt(index);
        if let Some(waiter) = self.waiters.get_mut(index) {
            *waiter = Waiter::default();
        }
        self.free.push(index);
        if self.free.len() == self.waiters.len() {
            // Memory follows the load down, and what lay high up in the heap would keep all of it.
            self.waiters.clear();
            self.free.clear();
            if self.waiters.capacity() > KEPT {
                self.waiters.shrink_to_fit();
                self.free.shrink_to_fit();
            }
        }
    }
}

/// Slots worth keeping when the last connection has gone.
const KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole_pass(idle: &IdleConnections) -> Pass {
        std::iter::repeat_with(|| idle.pass()).find(|pass| *pass != Pass::Unfinished).unwrap()
    }

    fn wait(slot: &mut IdleSlot<'_>) -> Told {
        slot.wait(Waker::noop(), Instant::now(), true)
    }

    #[test]
    fn what_streams_that_rest_leave_free_is_looked_at_a_pass_later() {
        let idle = IdleConnections::default();
        idle.note_rest();
        assert_eq!([whole_pass(&idle), whole_pass(&idle)], [Pass::Waiting, Pass::Finished]);
        idle.note_rest();
        idle.note_rest();
        assert_eq!(
            [whole_pass(&idle), whole_pass(&idle)],
            [Pass::Waiting, Pass::Finished],
            "once for all of them"
        );
    }

    #[test]
    fn the_one_that_waits_longest_ends_and_none_that_has_begun_just_now() {
        let idle = IdleConnections::default();
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let mut slots = [idle.slot(), idle.slot(), idle.slot(), idle.slot()];
        let waits = [3, 1, 2, 9].map(|seconds| begun + seconds * second);
        let told = |slots: &mut [IdleSlot<'_>; 4]| {
            let mut waits = waits.iter();
            slots.each_mut().map(|slot| slot.wait(Waker::noop(), *waits.next().unwrap(), false))
        };
        assert!(!idle.end_longest(begun + 5 * second), "none waits");
        assert_eq!(told(&mut slots), [Told::Stay; 4]);
        slots[0].leave();
        assert!(idle.end_longest(begun + 5 * second));
        assert_eq!(told(&mut slots), [Told::Stay, Told::End, Told::Stay, Told::Stay]);
        slots[0].leave();
        assert!(idle.end_longest(begun + 5 * second), "the next one");
        assert!(!idle.end_longest(begun + 5 * second), "it is busy, and has begun just now");
        slots[2].leave();
        assert_eq!(told(&mut slots), [Told::Stay, Told::End, Told::Stay, Told::Stay], "it was faster");
    }

    #[test]
    fn a_connection_is_told_to_leave_after_a_whole_interval_of_waiting() {
        let idle = IdleConnections::default();
        let mut slot = idle.slot();
        for _ in 0..3 {
            assert_eq!(wait(&mut slot), Told::Stay);
            assert_eq!(whole_pass(&idle), Pass::Waiting);
            assert_eq!(wait(&mut slot), Told::Stay, "it may have begun just now");
            slot.leave();
            assert_eq!(whole_pass(&idle), Pass::Finished, "it is busy");
        }
        assert_eq!(wait(&mut slot), Told::Stay);
        assert_eq!((whole_pass(&idle), whole_pass(&idle)), (Pass::Waiting, Pass::Waiting));
        assert_eq!(wait(&mut slot), Told::Leave);
        drop(slot);
        assert_eq!(whole_pass(&idle), Pass::Finished);
    }

    #[test]
    fn one_that_may_not_leave_is_never_told_to() {
        let idle = IdleConnections::default();
        let mut slot = idle.slot();
        for _ in 0..4 {
            assert_eq!(slot.wait(Waker::noop(), Instant::now(), false), Told::Stay);
            assert_eq!(whole_pass(&idle), Pass::Finished);
        }
    }

    #[test]
    fn a_pass_tells_a_bounded_number_at_a_time_and_reaches_all() {
        let idle = IdleConnections::default();
        let mut slots: Vec<_> = (0..3 * BATCH).map(|_| idle.slot()).collect();
        slots.iter_mut().for_each(|slot| assert_eq!(wait(slot), Told::Stay));
        assert_eq!(idle.pass(), Pass::Waiting, "to look at all is one step");
        let mut steps = 1;
        while idle.pass() == Pass::Unfinished {
            steps += 1;
        }
        assert_eq!(steps, 3);
        assert!(slots.iter_mut().all(|slot| wait(slot) == Told::Leave));
        drop(slots);
        assert!(idle.list.borrow().waiters.is_empty());
    }
}

//! Client connections that wait for a request: how to wake them, and which of them have waited for long.
//!
//! An idle connection is a task until it is told to leave the runtime, which costs system calls and is not for
//! one that is busy. Nothing is timed for that: a connection marks that it waits, and
//! [`IdleConnections::pass`], called at intervals, finds those that have waited since the call before the last.

use std::{cell::RefCell, task::Waker, time::Duration};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
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
    /// The present pass has come to this one.
    position: usize,
    /// Connections that wait and may leave.
    waiting: usize,
}

#[derive(Debug)]
struct Waiter {
    waker: Option<Waker>,
    stay: Stay,
}

/// How long a connection has been idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// It is busy, or cannot leave the runtime.
    Exempt,
    /// Since the last pass.
    New,
    /// Since the pass before.
    Long,
    /// It has been told to leave.
    Called,
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
        list.attended = list.waiting > 0;
        if list.attended { Pass::Waiting } else { Pass::Finished }
    }

    /// Waits until the next pass is due.
    pub async fn interval(&self) {
        sleep(SHORT_INTERVAL).await;
        if self.list.borrow().waiting < MANY {
            // Ends early when they become many.
            let _ = timeout(INTERVAL - SHORT_INTERVAL, self.begun()).await;
        }
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
    /// Marks that the connection waits, and remembers whom to wake; costs something only the first time. Of a
    /// connection that `may_leave` the runtime: whether it is time to.
    pub fn wait(&mut self, waker: &Waker, may_leave: bool) -> bool {
        let list = &mut *self.idle.list.borrow_mut();
        let index = *self.index.get_or_insert_with(|| list.take_slot());
        let Some(waiter) = list.waiters.get_mut(index) else { return false };
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
        waiter.stay == Stay::Called
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
            self.waiters.push(Waiter { waker: None, stay: Stay::Exempt });
            self.waiters.len() - 1
        })
    }

    /// Of those that wait, one less.
    fn exempt(&mut self, index: usize) {
        if let Some(waiter) = self.waiters.get_mut(index)
            && waiter.stay != Stay::Exempt
        {
            waiter.stay = Stay::Exempt;
            self.waiting -= 1;
        }
    }

    fn give_back(&mut self, index: usize) {
        self.exempt(index);
        if let Some(waiter) = self.waiters.get_mut(index) {
            *waiter = Waiter { waker: None, stay: Stay::Exempt };
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

    #[test]
    fn a_connection_is_told_to_leave_after_a_whole_interval_of_waiting() {
        let idle = IdleConnections::default();
        let mut slot = idle.slot();
        for _ in 0..3 {
            assert!(!slot.wait(Waker::noop(), true));
            assert_eq!(whole_pass(&idle), Pass::Waiting);
            assert!(!slot.wait(Waker::noop(), true), "it may have begun just now");
            slot.leave();
            assert_eq!(whole_pass(&idle), Pass::Finished, "it is busy");
        }
        assert!(!slot.wait(Waker::noop(), true));
        assert_eq!((whole_pass(&idle), whole_pass(&idle)), (Pass::Waiting, Pass::Waiting));
        assert!(slot.wait(Waker::noop(), true));
        drop(slot);
        assert_eq!(whole_pass(&idle), Pass::Finished);
    }

    #[test]
    fn one_that_may_not_leave_is_never_told_to() {
        let idle = IdleConnections::default();
        let mut slot = idle.slot();
        for _ in 0..4 {
            assert!(!slot.wait(Waker::noop(), false));
            assert_eq!(whole_pass(&idle), Pass::Finished);
        }
    }

    #[test]
    fn a_pass_tells_a_bounded_number_at_a_time_and_reaches_all() {
        let idle = IdleConnections::default();
        let mut slots: Vec<_> = (0..3 * BATCH).map(|_| idle.slot()).collect();
        slots.iter_mut().for_each(|slot| assert!(!slot.wait(Waker::noop(), true)));
        assert_eq!(idle.pass(), Pass::Waiting, "to look at all is one step");
        let mut steps = 1;
        while idle.pass() == Pass::Unfinished {
            steps += 1;
        }
        assert_eq!(steps, 3);
        assert!(slots.iter_mut().all(|slot| slot.wait(Waker::noop(), true)));
        drop(slots);
        assert!(idle.list.borrow().waiters.is_empty());
    }
}

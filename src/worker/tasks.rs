//! Tasks that have served a connection and wait for the next one: to wake one costs less than to make one and
//! to end it, which a client that opens a connection for each request would pay each time.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use tokio::sync::Notify;

/// Tasks that may wait; who finds so many ends.
const MAX_WAITING: usize = 64;
/// Those of them kept while nothing happens.
const KEPT: usize = 4;

/// The tasks of one worker that wait for something to do, and what they are given.
#[derive(Debug)]
pub(super) struct WaitingTasks<T> {
    waiting: Cell<usize>,
    given: RefCell<VecDeque<T>>,
    called: Notify,
}

impl<T> Default for WaitingTasks<T> {
    fn default() -> Self {
        Self { waiting: Cell::new(0), given: RefCell::default(), called: Notify::new() }
    }
}

impl<T> WaitingTasks<T> {
    /// Has a waiting task do it; gives it back when none waits.
    pub(super) fn give(&self, work: T) -> Option<T> {
        let Some(left) = self.waiting.get().checked_sub(1) else { return Some(work) };
        self.waiting.set(left);
        self.given.borrow_mut().push_back(work);
        // The one that waits shortest: its memory is in the caches, and the others can end.
        self.called.notify_last();
        None
    }

    /// What the task that asks is to do next; nothing when it is to end.
    pub(super) async fn next(&self) -> Option<T> {
        if self.waiting.get() >= MAX_WAITING {
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        self.called.notified().await;
        self.given.borrow_mut().pop_front()
    }

    /// Drops what was given and is not begun.
    pub(super) fn clear(&self) {
        self.given.borrow_mut().clear();
    }

    /// Lets all but a few end, so that memory follows the load down.
    pub(super) fn shrink(&self) {
        let surplus = self.waiting.get().saturating_sub(KEPT);
        for _ in 0..surplus {
            self.called.notify_one();
        }
        self.waiting.set(self.waiting.get() - surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    type Task<'a> = Pin<Box<dyn Future<Output = Option<u32>> + 'a>>;

    /// So many tasks, each polled once: they wait, or have ended.
    fn tasks(waiting: &WaitingTasks<u32>, count: usize) -> Vec<Task<'_>> {
        let mut tasks: Vec<Task<'_>> = (0..count).map(|_| Box::pin(waiting.next()) as Task<'_>).collect();
        tasks.iter_mut().for_each(|task| _ = poll(task.as_mut()));
        tasks
    }

    fn poll(task: Pin<&mut dyn Future<Output = Option<u32>>>) -> Poll<Option<u32>> {
        task.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn work_goes_to_the_task_that_waits_shortest_and_back_when_none_waits() {
        let waiting = WaitingTasks::default();
        assert_eq!(waiting.give(1), Some(1));
        let mut tasks = tasks(&waiting, 2);
        assert_eq!(waiting.give(2), None);
        assert_eq!(poll(tasks[0].as_mut()), Poll::Pending);
        assert_eq!(poll(tasks[1].as_mut()), Poll::Ready(Some(2)));
        assert_eq!(waiting.give(3), None);
        assert_eq!(waiting.give(4), Some(4));
        assert_eq!(poll(tasks[0].as_mut()), Poll::Ready(Some(3)));
    }

    #[test]
    fn of_too_many_the_last_ones_end() {
        let waiting = WaitingTasks::default();
        let _tasks = tasks(&waiting, MAX_WAITING);
        assert_eq!(poll(pin!(waiting.next())), Poll::Ready(None));
        assert_eq!(waiting.give(1), None);
        assert_eq!(poll(pin!(waiting.next())), Poll::Pending);
    }

    #[test]
    fn all_but_a_few_end_when_nothing_happens_and_no_work_is_lost_on_them() {
        let waiting = WaitingTasks::default();
        let mut tasks = tasks(&waiting, KEPT + 3);
        assert_eq!(waiting.give(1), None);
        waiting.shrink();
        let polled: Vec<_> = tasks.iter_mut().map(|task| poll(task.as_mut())).collect();
        let ended = polled.iter().filter(|polled| **polled == Poll::Ready(None)).count();
        let working = polled.iter().filter(|polled| **polled == Poll::Ready(Some(1))).count();
        assert_eq!((ended, working), (2, 1));
        assert!((0..KEPT).all(|_| waiting.give(2).is_none()), "the others wait on");
        assert_eq!(waiting.give(2), Some(2));
    }
}

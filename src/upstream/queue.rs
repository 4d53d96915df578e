//! Who waits for a connection to an upstream, in one worker: the longest waiting first.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use tokio::{sync::Notify, time::timeout};

/// How often the first in the line looks whether a place has come free that another worker has given back.
const LOOK: Duration = Duration::from_millis(5);

/// The line of one worker.
#[derive(Debug, Default)]
pub struct Queue {
    line: RefCell<VecDeque<Rc<Notify>>>,
}

/// A place in the line.
#[derive(Debug)]
pub struct Ticket<'a> {
    queue: &'a Queue,
    called: Rc<Notify>,
}

impl Queue {
    /// A place at the end of the line.
    pub fn join(&self) -> Ticket<'_> {
        let called = Rc::new(Notify::new());
        self.line.borrow_mut().push_back(Rc::clone(&called));
        Ticket { queue: self, called }
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.borrow().is_empty()
    }

    /// Calls the first in the line: there is something to be had in this worker.
    pub fn call(&self) {
        if let Some(first) = self.line.borrow().front() {
            first.notify_one();
        }
    }
}

impl Ticket<'_> {
    /// Whether it is the first in the line.
    fn is_first(&self) -> bool {
        self.queue.line.borrow().front().is_some_and(|first| Rc::ptr_eq(first, &self.called))
    }

    /// Waits until it is worth to look for a connection: when this is the first in the line, and is called or has waited for
    /// a moment.
    pub async fn turn(&self) {
        if self.is_first() {
            // Whether it was called or not: a place may have come free anywhere.
            let _ = timeout(LOOK, self.called.notified()).await;
        }
        while !self.is_first() {
            self.called.notified().await;
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.queue.line.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.called));
        // Whoever is the first now: there may be more than one to be had.
        self.queue.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_waiting_is_first_and_nobody_is_forgotten() {
        let queue = Queue::default();
        let order = RefCell::new(Vec::new());
        let waits = async |name: u8| {
            let ticket = queue.join();
            ticket.turn().await;
            order.borrow_mut().push(name);
        };
        // One in the middle leaves while it waits.
        let leaves = async { drop(timeout(Duration::from_millis(1), waits(9)).await) };
        tokio::join!(waits(1), leaves, waits(2), waits(3));
        assert_eq!(*order.borrow(), [1, 2, 3]);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_looks_by_itself_within_10_ms_and_at_once_when_it_is_called() {
        let queue = Queue::default();
        for (calls, within) in [(false, LOOK), (true, Duration::ZERO)] {
            let ticket = queue.join();
            let begun = tokio::time::Instant::now();
            if calls {
                queue.call();
            }
            ticket.turn().await;
            assert_eq!(begun.elapsed(), within);
        }
    }
}

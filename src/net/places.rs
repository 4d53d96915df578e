//! A number of places, of which the one taken longest is given up for one that waits.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::pin,
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

/// Places for what takes much and waits for strangers. Whoever finds none makes the one that has run longest give way,
/// once that has had its time: what is well is quick, so that what is in the way is silent.
#[derive(Debug)]
pub struct Places {
    free: Semaphore,
    time: Duration,
    /// Those that have a place, the longest running first.
    running: RefCell<VecDeque<(Instant, Rc<Notify>)>>,
    /// How many wait.
    waiting: Cell<usize>,
    /// How many have been told to give way, and whose places nobody has taken since.
    giving_way: Cell<usize>,
}

/// How long one request has waited for places.
#[derive(Debug, Default)]
pub struct QueueTime {
    ended: Cell<Option<Duration>>,
    /// Since when it waits now.
    since: Cell<Option<Instant>>,
}

/// A wait for a place; whatever ends it, its length is added.
#[derive(Debug)]
pub struct Queuing<'a> {
    time: &'a QueueTime,
}

impl QueueTime {
    /// How long so far; nothing where none was waited for.
    #[must_use]
    pub fn so_far(&self) -> Option<Duration> {
        let now = self.since.get().map(|since| since.elapsed());
        match (self.ended.get(), now) {
            (Some(ended), Some(now)) => Some(ended.saturating_add(now)),
            (ended, now) => ended.or(now),
        }
    }

    /// Waits from now on, until the result is dropped.
    #[must_use]
    pub fn begin(&self) -> Queuing<'_> {
        self.since.set(Some(Instant::now()));
        Queuing { time: self }
    }

    /// Adds a wait.
    pub(super) fn add(&self, wait: Duration) {
        self.ended.set(Some(self.ended.get().unwrap_or_default().saturating_add(wait)));
    }
}

impl Drop for Queuing<'_> {
    fn drop(&mut self) {
        if let Some(since) = self.time.since.take() {
            self.time.add(since.elapsed());
        }
    }
}

/// Counts one that waits, for as long as it does.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A place, taken.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    _permit: SemaphorePermit<'a>,
    give_up: Rc<Notify>,
}

impl Places {
    /// So many, of which each has `time` although others wait.
    #[must_use]
    pub fn new(time: Duration, count: usize) -> Self {
        Self {
            free: Semaphore::new(count),
            time,
            running: RefCell::default(),
            waiting: Cell::new(0),
            giving_way: Cell::new(0),
        }
    }

    /// A place, and how long it was waited for is added to `queue`; nothing when there are none any more.
    pub(super) async fn take(&self, queue: &QueueTime) -> Option<Place<'_>> {
        let permit = match self.free.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _queuing = queue.begin();
                self.wait().await?
            }
        };
        self.giving_way.set(self.giving_way.get().saturating_sub(1));
        let give_up = Rc::new(Notify::new());
        self.running.borrow_mut().push_back((Instant::now(), Rc::clone(&give_up)));
        Some(Place { places: self, _permit: permit, give_up })
    }

    /// Waits for a place that others give up.
    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        // Before it queues: whoever looks must see it.
        let _waiting = Waiting::new(&self.waiting);
        let mut free = pin!(self.free.acquire());
        loop {
            match self.make_way() {
                Some(due) => {
                    if let Ok(permit) = timeout_at(due, &mut free).await {
                        return permit.ok();
                    }
                }
                None => return free.await.ok(),
            }
        }
    }

    /// Has those that have run longest give way, once they have had their time, until as many do as wait: whoever of
    /// these looks first does it for all, for places come in the order of waiting. Returns when to look again; nothing
    /// when there is a place on its way for everybody.
    fn make_way(&self) -> Option<Instant> {
        let (mut running, now) = (self.running.borrow_mut(), Instant::now());
        while self.giving_way.get() < self.waiting.get() {
            // Where all give way already, those that come after them have their time, too.
            let due = running.front().map_or(now, |(since, _)| *since) + self.time;
            if due > now {
                return Some(due);
            }
            if let Some((_, longest)) = running.pop_front() {
                longest.notify_one();
                self.giving_way.set(self.giving_way.get() + 1);
            }
        }
        None
    }
}

impl Place<'_> {
    /// Waits until somebody else needs it more.
    pub(super) async fn given_up(&self) {
        self.give_up.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.running.borrow_mut().retain(|(_, running)| !Rc::ptr_eq(running, &self.give_up));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        task::{Context, Waker},
    };

    use tokio::time::timeout;

    use super::*;
    use crate::net::testing::in_worker;

    const TIME: Duration = Duration::from_millis(250);

    #[test]
    fn a_place_is_given_up_for_one_that_waits_when_it_has_had_its_time_and_no_other() {
        in_worker(async {
            tokio::time::pause();
            let begun = Instant::now();
            let (places, queue) = (Places::new(TIME, 2), QueueTime::default());
            let (first, second) = (places.take(&queue).await.unwrap(), places.take(&queue).await.unwrap());
            let giving_way = async {
                first.given_up().await;
                drop(first);
                begun.elapsed()
            };
            let (third, given_up) = tokio::join!(places.take(&queue), giving_way);
            assert!(queue.so_far() >= Some(TIME), "{queue:?}");
            assert!(given_up >= TIME && given_up < TIME + Duration::from_millis(10), "{given_up:?}");
            assert!(timeout(Duration::from_secs(60), second.given_up()).await.is_err(), "nobody waits");
            // A place that is free is taken at once.
            drop(third);
            let begun = Instant::now();
            assert!(places.take(&queue).await.is_some());
            assert_eq!(begun.elapsed(), Duration::ZERO);
        });
    }

    #[test]
    fn everybody_who_waits_gets_a_place_whoever_looks_first() {
        in_worker(async {
            tokio::time::pause();
            let (places, queue) = (Places::new(TIME, 2), QueueTime::default());
            let (first, second) = (places.take(&queue).await.unwrap(), places.take(&queue).await.unwrap());
            let (mut before, mut behind) = (Box::pin(places.take(&queue)), Box::pin(places.take(&queue)));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(before.as_mut().poll(&mut cx).is_pending() && behind.as_mut().poll(&mut cx).is_pending());
            tokio::time::advance(TIME + Duration::from_millis(1)).await;
            // The last one looks first, and the place that it has asked for goes to the one before it.
            assert!(behind.as_mut().poll(&mut cx).is_pending());
            first.given_up().await;
            drop(first);
            let third = before.await;
            let giving_way = async {
                second.given_up().await;
                drop(second);
            };
            let both = async { tokio::join!(behind, giving_way).0.is_some() };
            assert_eq!(timeout(Duration::from_secs(60), both).await, Ok(true));
            assert!(third.is_some());
        });
    }
}

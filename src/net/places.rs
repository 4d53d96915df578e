//! A number of places, of which the one taken longest is given up for one that waits.

use std::{cell::RefCell, collections::VecDeque, pin::pin, rc::Rc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

/// Places for what takes much and waits for strangers. Whoever finds none makes the one that has run longest give way,
/// once that has had its time: what is well is quick, so that what is in the way is silent.
#[derive(Debug)]
pub struct Places {
    free: Semaphore,
    time: Duration,
    /// Those that have a place, the longest running first.
    running: RefCell<VecDeque<(Instant, Rc<Notify>)>>,
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
        Self { free: Semaphore::new(count), time, running: RefCell::default() }
    }

    /// A place; nothing when there are none any more.
    pub(super) async fn take(&self) -> Option<Place<'_>> {
        let mut free = pin!(self.free.acquire());
        let mut permit = timeout(Duration::ZERO, &mut free).await.ok();
        while permit.is_none() {
            // Each that waits makes one give way and no more: the places come in the order of waiting.
            let longest = self.running.borrow().front().map(|(since, _)| *since + self.time);
            let due = match longest {
                Some(due) if due > Instant::now() => Some(due),
                Some(_) => {
                    if let Some((_, longest)) = self.running.borrow_mut().pop_front() {
                        longest.notify_one();
                    }
                    None
                }
                // All of them give way already.
                None => None,
            };
            permit = match due {
                Some(due) => timeout_at(due, &mut free).await.ok(),
                None => Some(free.as_mut().await),
            };
        }
        let give_up = Rc::new(Notify::new());
        self.running.borrow_mut().push_back((Instant::now(), Rc::clone(&give_up)));
        Some(Place { places: self, _permit: permit?.ok()?, give_up })
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
    use super::*;
    use crate::net::testing::in_worker;

    const TIME: Duration = Duration::from_millis(250);

    #[test]
    fn a_place_is_given_up_for_one_that_waits_when_it_has_had_its_time_and_no_other() {
        in_worker(async {
            tokio::time::pause();
            let begun = Instant::now();
            let places = Places::new(TIME, 2);
            let (first, second) = (places.take().await.unwrap(), places.take().await.unwrap());
            let giving_way = async {
                first.given_up().await;
                drop(first);
                begun.elapsed()
            };
            let (third, given_up) = tokio::join!(places.take(), giving_way);
            assert!(given_up >= TIME && given_up < TIME + Duration::from_millis(10), "{given_up:?}");
            assert!(timeout(Duration::from_secs(60), second.given_up()).await.is_err(), "nobody waits");
            // A place that is free is taken at once.
            drop(third);
            let begun = Instant::now();
            assert!(places.take().await.is_some());
            assert_eq!(begun.elapsed(), Duration::ZERO);
        });
    }
}

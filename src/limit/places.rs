//! What is known of so many at most: who has come how often, and how many of theirs are under way.
//!
//! All workers share it without a lock. Each key has its place in one group of eight, which its digest names; where all of
//! them are taken, the key goes that has used the least of its time. What two workers do at the same moment with a place
//! that just changes hands may be counted for the wrong one of the two: once, and never for nobody.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::rate::{Exceeded, Rate};

/// Places of a group.
const WAYS: usize = 8;

/// Eight keys whose digests name the same group.
#[derive(Debug, Default)]
struct Group {
    /// Digests of the keys; 0 where there is none.
    digests: [AtomicU64; WAYS],
    /// The time up to which each has used theirs, in nanoseconds.
    used: [AtomicU64; WAYS],
    /// How many requests of each are under way.
    running: [AtomicU32; WAYS],
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    groups: Box<[Group]>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    group: u32,
    way: u8,
}

/// A place that was found, or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Whether another key had to go for it of which something was still to be known.
    pub(super) dropped: bool,
}

impl Places {
    /// Bytes of each key.
    pub(super) const MEMORY: usize = size_of::<Group>() / WAYS;

    /// So many places, rounded up to whole groups.
    pub(super) fn new(keys: usize) -> Self {
        Self { groups: (0..keys.div_ceil(WAYS).max(1)).map(|_| Group::default()).collect() }
    }

    /// The place of the key of this digest.
    pub(super) fn find(&self, digest: u64, now: u64) -> Found {
        // Which group, and whose it is there, are told by different bits: the number of groups is no secret.
        let many = self.groups.len() as u64;
        let group = u32::try_from((u128::from(digest) * u128::from(many)) >> 64).unwrap_or_default();
        let digest = digest.max(1);
        let found = |way: usize, dropped| Found { place: Place { group, way: way as u8 }, dropped };
        let Group { digests, used, running } = self.group(group);
        loop {
            if let Some(way) = digests.iter().position(|known| known.load(Relaxed) == digest) {
                return found(way, false);
            }
            let free = (0..WAYS).filter(|way| running[*way].load(Relaxed) == 0);
            let longest_ago =
                free.min_by_key(|way| (digests[*way].load(Relaxed) != 0, used[*way].load(Relaxed)));
            let Some(way) = longest_ago else {
                // Nobody can go, so that two have to share.
                let least = (0..WAYS).min_by_key(|way| running[*way].load(Relaxed)).unwrap_or_default();
                return found(least, false);
            };
            let (known, then) = (digests[way].load(Relaxed), used[way].load(Relaxed));
            if digests[way].compare_exchange(known, digest, Relaxed, Relaxed).is_ok() {
                let dropped = known != 0 && then > now;
                if dropped {
                    // Where somebody has counted meanwhile, it was for the new key.
                    let _ = used[way].compare_exchange(then, 0, Relaxed, Relaxed);
                }
                return found(way, dropped);
            }
        }
    }

    /// Counts one request that comes now.
    ///
    /// # Errors
    /// It may not come, and is not counted.
    pub(super) fn charge(&self, place: Place, rate: Rate, now: u64) -> Result<(), Exceeded> {
        let used = &self.group(place.group).used[usize::from(place.way)];
        let mut known = used.load(Relaxed);
        loop {
            match used.compare_exchange_weak(known, rate.charge(known, now)?, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(meanwhile) => known = meanwhile,
            }
        }
    }

    /// Takes back what was counted for a request that did not come after all.
    pub(super) fn give_back(&self, place: Place, rate: Rate) {
        let used = &self.group(place.group).used[usize::from(place.way)];
        // Nothing fails where the new value does not depend on anything else.
        let _ = used.fetch_update(Relaxed, Relaxed, |known| Some(known.saturating_sub(rate.interval())));
    }

    /// One more request is under way, if there are fewer than so many.
    pub(super) fn enter(&self, place: Place, most: u32) -> bool {
        let running = &self.group(place.group).running[usize::from(place.way)];
        running.fetch_update(Relaxed, Relaxed, |known| (known < most).then_some(known + 1)).is_ok()
    }

    /// One that was under way has ended.
    pub(super) fn leave(&self, place: Place) {
        let running = &self.group(place.group).running[usize::from(place.way)];
        let _ = running.fetch_update(Relaxed, Relaxed, |known| Some(known.saturating_sub(1)));
    }

    /// How many keys are known, of which nothing may be worth knowing any more.
    pub(super) fn count(&self) -> usize {
        let digests = self.groups.iter().flat_map(|group| &group.digests);
        digests.filter(|digest| digest.load(Relaxed) != 0).count()
    }

    fn group(&self, at: u32) -> &Group {
        &self.groups[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn rate(burst: u32) -> Rate {
        Rate::new(burst, Duration::from_secs(60), burst).expect("a rate")
    }

    /// A digest of the only group there is.
    fn place(places: &Places, digest: u64, now: u64) -> Found {
        places.find(digest, now)
    }

    #[test]
    fn a_key_keeps_its_place_and_its_count() {
        let places = Places::new(100);
        let Found { place: first, dropped } = place(&places, 7, 5);
        assert!(!dropped && places.find(7, 5).place == first && places.find(u64::MAX, 5).place != first);
        assert!(places.charge(first, rate(2), 5).is_ok() && places.charge(first, rate(2), 5).is_ok());
        assert!(places.charge(first, rate(2), 5).is_err());
        places.give_back(first, rate(2));
        assert!(places.charge(first, rate(2), 5).is_ok() && places.charge(first, rate(2), 5).is_err());
        assert_eq!(places.count(), 2);
    }

    #[test]
    fn who_has_used_the_least_goes_first_and_it_is_told_where_that_still_counted() {
        let places = Places::new(WAYS);
        let (now, rate) = (5, rate(10));
        for key in 1..=8 {
            let Found { place, dropped } = places.find(key, now);
            assert!(!dropped);
            // The first has come least often.
            for _ in 0..key {
                places.charge(place, rate, now).expect("one of those that may come at once");
            }
        }
        let first = places.find(1, now).place;
        assert_eq!(places.find(9, now), Found { place: first, dropped: true });
        assert!(places.charge(first, rate, now).is_ok(), "the newcomer has used nothing");
        assert_eq!(places.find(10, now), Found { place: first, dropped: true }, "nor has it used much");
        let later = now + Duration::from_secs(61).as_nanos() as u64;
        assert!(!places.find(11, later).dropped, "by then nothing is known of anybody");
        assert_eq!(places.count(), WAYS);
    }

    #[test]
    fn who_has_something_under_way_never_goes() {
        let places = Places::new(WAYS);
        let held: Vec<Place> = (1..=8).map(|key| places.find(key, 5).place).collect();
        assert!(held.iter().all(|place| places.enter(*place, 1)));
        assert!(held.iter().all(|place| !places.enter(*place, 1)), "one is under way");
        assert!(places.enter(held[0], 2));
        let shared = places.find(9, 5);
        assert!(shared.place == held[1] && !shared.dropped, "they share with who has the least");
        places.leave(held[3]);
        assert_eq!(places.find(9, 5).place, held[3]);
        assert_eq!(places.find(1, 5).place, held[0]);
    }

    #[test]
    fn threads_that_charge_one_key_admit_as_many_as_may_come() {
        let places = Places::new(WAYS);
        let (places, rate) = (&places, rate(1_000));
        let admitted: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let come = move |_: &u32| places.charge(places.find(3, 5).place, rate, 5).is_ok();
                    scope.spawn(move || (0..1_000).filter(come).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a count")).sum()
        });
        assert_eq!(admitted, 1_000);
        assert_eq!(places.count(), 1);
    }
}

//! How many in how long: the generic cell rate algorithm, in which one number says how far somebody is ahead.

use std::time::Duration;

/// The shortest distance between two requests, in nanoseconds: a million times a second is not limited in earnest.
const SHORTEST: u64 = 1_000;

/// So many in so long, of which so many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds from one to the next, where they come evenly.
    interval: u64,
    burst: u32,
}

/// Of whom too many have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// So many may come at once.
    pub burst: u32,
    /// Nanoseconds until one more may come.
    pub wait: u64,
    /// Nanoseconds until so many may come at once again.
    pub reset: u64,
}

impl Rate {
    /// So many in each period, of which `burst` may come at once; `None` if they come too often or too seldom to be
    /// counted: at most a million in a second and at least one in a year.
    #[must_use]
    pub fn new(count: u32, period: Duration, burst: u32) -> Option<Self> {
        let interval = u64::try_from(period.as_nanos() / u128::from(count.max(1))).ok()?;
        let is_countable = count > 0 && burst > 0 && interval >= SHORTEST;
        // So that what somebody is ahead can be told in nanoseconds, whatever is multiplied below.
        let is_countable = is_countable && interval <= Duration::from_secs(366 * 24 * 3600).as_nanos() as u64;
        is_countable.then_some(Self { interval, burst })
    }

    /// The share of one among so many that divide it evenly; each has one at a time at least.
    #[must_use]
    pub fn share_of(self, many: u32) -> Self {
        let many = many.max(1);
        Self { interval: self.interval.saturating_mul(many.into()), burst: (self.burst / many).max(1) }
    }

    /// Nanoseconds that one request takes of somebody's time.
    #[must_use]
    pub const fn interval(self) -> u64 {
        self.interval
    }

    /// How many may come at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The time up to which somebody has used theirs, which is `used` by now, once one more has come `now`.
    ///
    /// # Errors
    /// It may not come.
    pub fn charge(self, used: u64, now: u64) -> Result<u64, Exceeded> {
        let all = self.interval.saturating_mul(self.burst.into());
        // Under a slower rate, before a reload, somebody may have been further ahead.
        let ahead = used.saturating_sub(now).min(all);
        let with_one_more = ahead.saturating_add(self.interval);
        match with_one_more.checked_sub(all) {
            None | Some(0) => Ok(now.saturating_add(with_one_more)),
            Some(wait) => Err(Exceeded { burst: self.burst, wait, reset: ahead }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(count: u32, seconds: u64, burst: u32) -> Rate {
        Rate::new(count, Duration::from_secs(seconds), burst).expect("a rate")
    }

    #[test]
    fn so_many_may_come_at_once_and_then_one_by_one() {
        let rate = rate(100, 60, 100);
        let (mut used, now) = (0, 7 * SECOND);
        for _ in 0..100 {
            used = rate.charge(used, now).expect("one of those that may come at once");
        }
        let exceeded = Exceeded { burst: 100, wait: 600_000_000, reset: 60 * SECOND };
        assert_eq!(rate.charge(used, now), Err(exceeded));
        assert!(rate.charge(used, now + 599_999_999).is_err());
        used = rate.charge(used, now + 600_000_000).expect("one more");
        assert!(rate.charge(used, now + 600_000_000).is_err());
        assert!(rate.charge(used, now + 1_200_000_000).is_ok());
    }

    #[test]
    fn what_cannot_be_counted_is_no_rate() {
        let hour = Duration::from_secs(3600);
        for (count, period, burst, is_one) in [
            (1, hour, 1, true),
            (0, hour, 1, false),
            (1, hour, 0, false),
            (1_000_000, Duration::from_secs(1), 1, true),
            (1_000_001, Duration::from_secs(1), 1, false),
            (1, Duration::from_secs(366 * 24 * 3600), u32::MAX, true),
            (1, Duration::from_secs(367 * 24 * 3600), 1, false),
            (1, Duration::ZERO, 1, false),
        ] {
            assert_eq!(Rate::new(count, period, burst).is_some(), is_one, "{count} {period:?} {burst}");
        }
    }

    #[test]
    fn a_share_is_a_part_of_the_rate_and_never_nothing() {
        let share = rate(100, 60, 100).share_of(3);
        assert_eq!((share.interval(), share.burst()), (1_800_000_000, 33));
        assert_eq!(rate(1, 60, 1).share_of(9).burst(), 1);
        assert_eq!(rate(5, 60, 5).share_of(0), rate(5, 60, 5));
    }

    proptest! {
        /// Held against the plain statement: in no stretch of time more than the burst and what has come back in it.
        #[test]
        fn in_no_stretch_of_time_more_come_than_may(
            count in 1u32..50, burst in 1u32..50, steps in prop::collection::vec(0u64..3 * SECOND, 1..200),
        ) {
            let rate = rate(count, 10, burst);
            let (mut used, mut now, mut admitted) = (0, SECOND, Vec::new());
            for step in steps {
                now += step;
                if let Ok(next) = rate.charge(used, now) {
                    used = next;
                    admitted.push(now);
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (to - from) / rate.interval();
                    prop_assert!((last - first + 1) as u64 <= most, "{first} {last}");
                }
            }
        }

        #[test]
        fn no_number_makes_it_overflow(used: u64, now: u64, count in 1u32.., burst in 1u32.., many: u32) {
            if let Some(rate) = Rate::new(count, Duration::from_secs(365 * 24 * 3600), burst) {
                let _ = rate.share_of(many).charge(used, now);
            }
        }
    }
}

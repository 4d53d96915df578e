//! Distributions of durations over fixed bounds.

use std::time::Duration;

use super::cell::Cell;

/// Upper bounds, in nanoseconds, of the buckets for whole requests and for waiting: 0.5 ms to 60 s.
pub(super) const REQUEST_BOUNDS: [u64; 16] = micros([
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
]);

/// Upper bounds, in nanoseconds, of the buckets for what corsair adds of its own: 10 µs to 100 ms.
pub(super) const ADDED_BOUNDS: [u64; 13] =
    micros([10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000]);

const fn micros<const N: usize>(mut bounds: [u64; N]) -> [u64; N] {
    let mut index = 0;
    while index < N {
        bounds[index] *= 1_000;
        index += 1;
    }
    bounds
}

/// Durations counted in `N` buckets and one above them.
#[derive(Debug)]
pub(super) struct Histogram<C, const N: usize> {
    pub(super) buckets: [C; N],
    pub(super) above: C,
    /// Nanoseconds of all durations together.
    pub(super) sum: C,
}

impl<C: Default, const N: usize> Default for Histogram<C, N> {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| C::default()), above: C::default(), sum: C::default() }
    }
}

impl<const N: usize> Histogram<Cell, N> {
    /// Counts one duration in the first bucket whose bound it does not exceed.
    pub(super) fn record(&self, bounds: &[u64; N], duration: Duration) {
        let nanos =
            duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into());
        self.buckets.get(bounds.partition_point(|bound| *bound < nanos)).unwrap_or(&self.above).add(1);
        self.sum.add(nanos);
    }
}

impl<const N: usize> Histogram<u64, N> {
    pub(super) fn distribution(&self, bounds_nanos: &'static [u64; N]) -> Distribution {
        Distribution {
            bounds_nanos,
            counts: self.buckets.iter().copied().chain([self.above]).collect(),
            sum: Duration::from_nanos(self.sum),
        }
    }
}

/// What a histogram has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bound of each bucket, itself included, in nanoseconds; rising.
    pub bounds_nanos: &'static [u64],
    /// How many durations fell into each bucket, not cumulated, and last how many lay above all bounds.
    pub counts: Vec<u64>,
    /// All durations together.
    pub sum: Duration,
}

impl Distribution {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        assert!(REQUEST_BOUNDS.is_sorted_by(|a, b| a < b) && ADDED_BOUNDS.is_sorted_by(|a, b| a < b));
        assert_eq!((REQUEST_BOUNDS[0], REQUEST_BOUNDS[15]), (500_000, 60_000_000_000));
        assert_eq!((ADDED_BOUNDS[0], ADDED_BOUNDS[12]), (10_000, 100_000_000));
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (duration, bucket) in [
            (Duration::ZERO, 0),
            (Duration::from_micros(500), 0),
            (Duration::from_nanos(500_001), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_secs(60), 15),
            (Duration::from_nanos(60_000_000_001), 16),
            (Duration::MAX, 16),
        ] {
            let histogram = Histogram::<Cell, 16>::default();
            histogram.record(&REQUEST_BOUNDS, duration);
            let counts: Vec<u64> =
                histogram.buckets.iter().chain([&histogram.above]).map(Cell::value).collect();
            let expected: Vec<u64> = (0..17).map(|index| u64::from(index == bucket)).collect();
            assert_eq!(counts, expected, "{duration:?}");
        }
    }
}

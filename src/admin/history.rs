//! The last minutes, second by second.

use std::{collections::VecDeque, time::SystemTime};

use super::quantile::quantile;
use crate::observe::metrics::{Leg, Snapshot};

/// Seconds that are remembered.
pub(super) const SECONDS: usize = 300;
/// Seconds that make the present.
const PRESENT: usize = 60;

/// What had been counted at one time.
#[derive(Clone, Debug)]
struct Sample {
    time: SystemTime,
    requests: u64,
    failed: u64,
    durations: Vec<u64>,
    connections: u64,
}

/// What was counted, a sample each second.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    bounds: &'static [u64],
}

/// What happened between two samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Period {
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Milliseconds that half of the requests, nine of ten and 99 of a hundred did not exceed.
    pub(super) quantiles: [Option<f64>; 3],
    /// Client connections at its end.
    pub(super) connections: u64,
}

impl History {
    /// Remembers what has been counted by `time`.
    pub(super) fn remember(&mut self, snapshot: &Snapshot, time: SystemTime) {
        let durations = snapshot.request_duration();
        self.bounds = durations.bounds_nanos;
        self.samples.push_back(Sample {
            time,
            requests: snapshot.requests(),
            failed: snapshot.failed_requests(),
            durations: durations.counts,
            connections: snapshot.connections(Leg::Client),
        });
        // One more than there are seconds between them.
        while self.samples.len() > SECONDS + 1 {
            self.samples.pop_front();
        }
    }

    /// When the last sample was taken.
    pub(super) fn end(&self) -> Option<SystemTime> {
        self.samples.back().map(|sample| sample.time)
    }

    /// The seconds, the oldest first.
    pub(super) fn seconds(&self) -> Vec<Period> {
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        pairs.map(|(from, to)| self.between(from, to)).collect()
    }

    /// The last minute, or what there is of it.
    pub(super) fn present(&self) -> Period {
        let Some(last) = self.samples.len().checked_sub(1) else { return Period::default() };
        self.between(&self.samples[last.saturating_sub(PRESENT)], &self.samples[last])
    }

    fn between(&self, from: &Sample, to: &Sample) -> Period {
        let counts: Vec<u64> =
            to.durations.iter().zip(&from.durations).map(|(to, from)| to.saturating_sub(*from)).collect();
        let milliseconds = |share| quantile(self.bounds, &counts, share).map(|nanos| nanos / 1e6);
        Period {
            seconds: to.time.duration_since(from.time).unwrap_or_default().as_secs_f64(),
            requests: to.requests.saturating_sub(from.requests),
            failed: to.failed.saturating_sub(from.failed),
            quantiles: [0.5, 0.9, 0.99].map(milliseconds),
            connections: to.connections,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::observe::metrics::Metrics;

    #[test]
    fn seconds_are_differences_and_the_oldest_go() {
        let metrics = Metrics::new();
        let worker = metrics.register();
        let mut history = History::default();
        assert_eq!((history.present(), history.end()), (Period::default(), None));
        for second in 0..SECONDS as u64 + 10 {
            history.remember(&metrics.snapshot(), UNIX_EPOCH + Duration::from_secs(second));
            worker.connection_opened(Leg::Client);
            for _ in 0..second {
                worker.request_finished(second % 2 == 0, Duration::from_micros(400));
            }
        }
        let seconds = history.seconds();
        assert_eq!(seconds.len(), SECONDS);
        let last = seconds.last().unwrap();
        let expected = SECONDS as u64 + 8;
        assert_eq!((last.requests, last.failed, last.connections), (expected, expected, expected + 1));
        assert!(last.quantiles[0].is_some_and(|half| (0.2..0.3).contains(&half)), "{last:?}");
        let present = history.present();
        assert!((present.seconds - 60.0).abs() < 1e-9);
        assert_eq!(present.requests, (expected - 59..=expected).sum::<u64>());
    }
}

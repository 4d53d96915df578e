//! What a distribution says of most of what it has counted.

/// The value, in nanoseconds, below which this share of what was counted lies: within its bucket, all values are taken
/// to be spread evenly. Above the last bound nothing is known but that. Nothing where nothing was counted.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is estimated from buckets is not exact beyond fifteen digits"
)]
pub(super) fn quantile(bounds: &[u64], counts: &[u64], share: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = share * total as f64;
    let mut below = 0;
    let mut lower = 0;
    for (count, upper) in counts.iter().zip(bounds) {
        if (below + count) as f64 >= rank && *count > 0 {
            let part = (rank - below as f64) / *count as f64;
            return Some(lower as f64 + (upper - lower) as f64 * part.clamp(0.0, 1.0));
        }
        below += count;
        lower = *upper;
    }
    Some(lower as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lies_within_the_bucket_that_holds_it() {
        let bounds = [100, 200, 400];
        for (counts, share, expected) in [
            ([0, 0, 0, 0], 0.5, None),
            ([10, 0, 0, 0], 0.5, Some(50.0)),
            ([0, 10, 0, 0], 0.5, Some(150.0)),
            ([5, 5, 0, 0], 0.5, Some(100.0)),
            ([5, 0, 5, 0], 0.9, Some(360.0)),
            ([0, 0, 0, 3], 0.5, Some(400.0)),
        ] {
            assert_eq!(quantile(&bounds, &counts, share), expected, "{counts:?} {share}");
        }
    }
}

//! How many requests may be sent once more: plain data that knows neither connections nor time.

use std::cell::Cell;

/// What one attempt costs.
const TOKEN: u32 = 100;
/// The most that there can be.
const MOST: u32 = 10 * TOKEN;

/// Further attempts at the servers of one upstream: every request adds a share of one, so that the more of them fail the
/// smaller is the part that is tried again, and servers that are overloaded do not get a multiple of their load.
#[derive(Debug)]
pub struct RetryBudget {
    /// In hundredths of an attempt.
    left: Cell<u32>,
}

impl Default for RetryBudget {
    /// A full one.
    fn default() -> Self {
        Self { left: Cell::new(MOST) }
    }
}

impl RetryBudget {
    /// Adds what a request adds, in percent of an attempt.
    pub fn earn(&self, percent: u32) {
        self.left.set(self.left.get().saturating_add(percent).min(MOST));
    }

    /// Takes one attempt out; whether there was one.
    pub fn spend(&self) -> bool {
        let left = self.left.get().checked_sub(TOKEN);
        self.left.set(left.unwrap_or(self.left.get()));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &RetryBudget) -> usize {
        std::iter::from_fn(|| budget.spend().then_some(())).count()
    }

    #[test]
    fn there_are_ten_attempts_at_first_and_never_more() {
        let budget = RetryBudget::default();
        (0..1000).for_each(|_| budget.earn(100));
        assert_eq!(spent(&budget), 10);
    }

    #[test]
    fn every_request_adds_its_share() {
        let budget = RetryBudget::default();
        spent(&budget);
        for (percent, requests, expected) in
            [(20, 4, 0), (20, 1, 1), (20, 9, 1), (20, 1, 1), (0, 1000, 0), (100, 3, 3)]
        {
            (0..requests).for_each(|_| budget.earn(percent));
            assert_eq!(spent(&budget), expected, "{percent} {requests}");
        }
    }
}

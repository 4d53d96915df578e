//! Which server of an upstream is next: plain data that knows neither connections nor time.

use std::cell::Cell;

/// Whose turn it is among the servers of one upstream.
#[derive(Debug, Default)]
pub struct Balance {
    turn: Cell<usize>,
}

impl Balance {
    /// The servers of an upstream that has `count` of them, as indices, in the order in which one request tries
    /// them: each once, from the one whose turn it is. The turn moves on by one server, however many of them are
    /// tried.
    pub fn next(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.turn.get().checked_rem(count).unwrap_or(0);
        self.turn.set(first + 1);
        (first..count).chain(0..first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_begins_one_server_further_and_tries_all_of_them() {
        for (count, orders) in [
            (0, &[&[][..], &[]][..]),
            (1, &[&[0], &[0]]),
            (2, &[&[0, 1], &[1, 0], &[0, 1]]),
            (3, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1], &[0, 1, 2]]),
        ] {
            let balance = Balance::default();
            for order in orders {
                assert_eq!(balance.next(count).collect::<Vec<_>>(), *order, "of {count}");
            }
        }
    }

    #[test]
    fn a_turn_beyond_the_last_server_is_one_of_those_that_are_left() {
        let balance = Balance::default();
        for _ in 0..4 {
            let _ = balance.next(5);
        }
        assert_eq!(balance.next(3).collect::<Vec<_>>(), [1, 2, 0]);
    }
}

//! Which server of an upstream is next: plain data that knows neither connections nor time.

use std::cell::Cell;

/// Whose turn it is among the servers of one upstream.
#[derive(Debug, Default)]
pub struct Balance {
    turn: Cell<usize>,
}

impl Balance {
    /// The server that a request goes to, among `count` of which it has `tried` some: the first usable one from the
    /// one whose turn it is, or the first of all if none is; `None` when it has tried all of them. A request's first
    /// server moves the turn on; which others it has to try does not.
    pub fn next(&self, count: usize, tried: &[usize], is_usable: impl Fn(usize) -> bool) -> Option<usize> {
        let turn = self.turn.get().checked_rem(count).unwrap_or(0);
        if tried.is_empty() && turn < count && is_usable(turn) {
            // Nearly always.
            self.turn.set(turn + 1);
            return Some(turn);
        }
        let left = || (turn..count).chain(0..turn).filter(|server| !tried.contains(server));
        let next = left().find(|server| is_usable(*server)).or_else(|| left().next())?;
        if tried.is_empty() {
            self.turn.set(next + 1);
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_begins_one_server_further_and_tries_all_of_them() {
        for (count, orders) in [
            (1, &[&[0][..], &[0]][..]),
            (2, &[&[0, 1], &[1, 0], &[0, 1]]),
            (3, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
        ] {
            let balance = Balance::default();
            for order in orders {
                let mut tried = Vec::new();
                while let Some(next) = balance.next(count, &tried, |_| true) {
                    tried.push(next);
                }
                // The turn has moved on by one: what follows begins behind the first.
                assert_eq!(tried, *order, "of {count}");
            }
            assert_eq!(balance.next(0, &[], |_| true), None);
        }
    }

    #[test]
    fn those_that_are_out_are_passed_over_and_their_turns_go_round() {
        let balance = Balance::default();
        let next = || balance.next(4, &[], |server| server != 1).unwrap();
        assert_eq!([next(), next(), next(), next(), next(), next()], [0, 2, 3, 0, 2, 3]);
    }

    #[test]
    fn where_all_that_are_usable_have_failed_the_others_are_tried() {
        let balance = Balance::default();
        let is_usable = |server| server == 2;
        assert_eq!(balance.next(3, &[], is_usable), Some(2));
        assert_eq!(balance.next(3, &[2], is_usable), Some(0));
        assert_eq!(balance.next(3, &[2, 0], is_usable), Some(1));
        assert_eq!(balance.next(3, &[2, 0, 1], is_usable), None);
        assert_eq!(balance.next(3, &[], |_| false), Some(0), "rather than to refuse");
    }

    #[test]
    fn a_turn_beyond_the_last_server_is_one_of_those_that_are_left() {
        let balance = Balance::default();
        for _ in 0..4 {
            balance.next(5, &[], |_| true);
        }
        assert_eq!(balance.next(3, &[], |_| true), Some(1));
    }
}

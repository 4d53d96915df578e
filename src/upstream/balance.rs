//! Which server of an upstream is next: plain data that knows neither connections nor time.
//!
//! How each server stands is asked of whoever knows; what is kept here is whose turn it is, for each worker by itself.

use std::cell::{Cell, RefCell};

/// The least that a server takes of an upstream with bounded load, however little is under way: below it hashing would move
/// requests for nothing.
const ALWAYS_TAKEN: u64 = 8;

/// Whose turn it is among the servers of one upstream.
#[derive(Debug, Default)]
pub struct Balance {
    turn: Cell<usize>,
    /// What each server is owed, where they have different weights.
    owed: RefCell<Vec<i64>>,
}

/// By what rule a server is chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One after the other.
    EvenTurns,
    /// One after the other, those with more weight more often, and never several times in a row where that can be helped.
    WeightedTurns,
    /// The one with the least under way for its weight.
    LeastUnderWay,
    /// Of two that are drawn by their weights the one with less under way.
    RandomTwo,
    /// The same one for the same key, as long as it has no more than so many percent of its share under way.
    Hash {
        /// What requests that belong together have in common.
        key: u64,
        /// The bound, in percent.
        bound: u32,
    },
}

/// How a server stands when one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It may be used while others are.
    pub is_usable: bool,
    /// It is used where no other is usable.
    pub is_backup: bool,
    /// One more connection to it may be opened.
    pub has_room: bool,
    /// Its share, compared with that of the others; at least 1.
    pub weight: u32,
    /// Requests that it has under way.
    pub under_way: u32,
    /// What tells it from others wherever it stands in the list.
    pub identity: u64,
}

impl Standing {
    /// That of a server that is none.
    pub(super) const NONE: Self =
        Self { is_usable: false, is_backup: true, has_room: false, weight: 1, under_way: 0, identity: 0 };

    /// The lower, the sooner it is used: usable ones before others, of either those that are no backup, and of these those
    /// that have room.
    const fn rank(&self) -> u8 {
        (!self.is_usable as u8) << 2 | (self.is_backup as u8) << 1 | !self.has_room as u8
    }
}

impl Balance {
    /// The server that a request goes to, among `count` of which it has `tried` some: one of those that are usable, or of
    /// all if none is; `None` when it has tried all of them. A request's first server moves the turn on; which others it
    /// has to try does not.
    pub fn next(
        &self,
        rule: Rule,
        count: usize,
        tried: &[usize],
        standing: impl Fn(usize) -> Standing,
    ) -> Option<usize> {
        let turn = self.turn.get().checked_rem(count).unwrap_or(0);
        if rule == Rule::EvenTurns && tried.is_empty() && turn < count && standing(turn).rank() == 0 {
            // Nearly always.
            self.turn.set(turn + 1);
            return Some(turn);
        }
        let left = || (turn..count).chain(0..turn).filter(|server| !tried.contains(server));
        let rank = left().map(|server| standing(server).rank()).min()?;
        let candidates = || {
            left().map(|server| (server, standing(server))).filter(|(_, standing)| standing.rank() == rank)
        };
        let next = match rule {
            Rule::EvenTurns => candidates().next().map(|(server, _)| server),
            Rule::WeightedTurns => self.most_owed(count, tried.is_empty(), candidates()),
            Rule::LeastUnderWay => least_under_way(candidates()),
            Rule::RandomTwo => better_of_two(candidates, fastrand::u64(..), fastrand::u64(..)),
            Rule::Hash { key, bound } => nearest(candidates, key, bound),
        }?;
        if tried.is_empty() {
            self.turn.set(next + 1);
        }
        Some(next)
    }

    /// Everybody is owed their weight, and whoever is owed most gets the request and owes it to all.
    fn most_owed(
        &self,
        count: usize,
        settles: bool,
        candidates: impl Iterator<Item = (usize, Standing)>,
    ) -> Option<usize> {
        let mut owed = self.owed.borrow_mut();
        owed.resize(count, 0);
        let (mut total, mut most) = (0, None);
        for (server, standing) in candidates {
            let weight = i64::from(standing.weight);
            let now = owed[server] + weight;
            total += weight;
            if settles {
                owed[server] = now;
            }
            if most.is_none_or(|(most, _)| now > most) {
                most = Some((now, server));
            }
        }
        let (_, server) = most?;
        if settles {
            owed[server] -= total;
        }
        Some(server)
    }
}

/// Whether the first of two has less under way for its weight, were the next request its own.
fn has_less(first: Standing, second: Standing) -> bool {
    let load = |one: Standing, other: Standing| (u64::from(one.under_way) + 1) * u64::from(other.weight);
    load(first, second) < load(second, first)
}

fn least_under_way(candidates: impl Iterator<Item = (usize, Standing)>) -> Option<usize> {
    // The first of several, and the turn says where they begin.
    let least = candidates.reduce(|least, next| if has_less(next.1, least.1) { next } else { least });
    least.map(|(server, _)| server)
}

/// Draws two by these numbers and compares them.
fn better_of_two<I: Iterator<Item = (usize, Standing)>>(
    candidates: impl Fn() -> I,
    first: u64,
    second: u64,
) -> Option<usize> {
    let draw = |number: u64, without: Option<usize>| {
        let those = || candidates().filter(|(server, _)| Some(*server) != without);
        let total: u64 = those().map(|(_, standing)| u64::from(standing.weight)).sum();
        let mut point = number.checked_rem(total)?;
        those().find(|(_, standing)| {
            let weight = u64::from(standing.weight);
            let is_here = point < weight;
            point = point.saturating_sub(weight);
            is_here
        })
    };
    let first = draw(first, None)?;
    let other = draw(second, Some(first.0)).filter(|other| has_less(other.1, first.1));
    Some(other.unwrap_or(first).0)
}

/// The server that is nearest to a key, of those that have not more than their share; of all if each has. Where one goes only
/// its own keys move, for nothing else has changed its distance.
fn nearest<I: Iterator<Item = (usize, Standing)>>(
    candidates: impl Fn() -> I,
    key: u64,
    bound: u32,
) -> Option<usize> {
    let (mut weights, mut under_way) = (0, 1);
    for (_, standing) in candidates() {
        weights += u64::from(standing.weight);
        under_way += u64::from(standing.under_way);
    }
    let has_room = |standing: &Standing| {
        let share = under_way * u64::from(bound) * u64::from(standing.weight);
        let most = share.div_ceil((weights * 100).max(1)).max(ALWAYS_TAKEN);
        u64::from(standing.under_way) < most
    };
    let nearest_of = |candidates: &mut dyn Iterator<Item = (usize, Standing)>| {
        candidates
            .map(|(server, standing)| (distance(key, standing), server))
            .min_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, server)| server)
    };
    nearest_of(&mut candidates().filter(|(_, standing)| has_room(standing)))
        .or_else(|| nearest_of(&mut candidates()))
}

/// How far a server is from a key: a number by chance that is the same each time, and small the more often the more weight
/// the server has (weighted rendezvous hashing).
fn distance(key: u64, standing: Standing) -> f64 {
    /// 2^-53: what is between two neighbours of that many bits.
    const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;
    let bits = mixed(key ^ standing.identity) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are a number of their own each")]
    let chance = (bits as f64 + 0.5) * STEP;
    -chance.ln() / f64::from(standing.weight)
}

/// Spreads a number over all 64 bits, each of which depends on all (the finisher of SplitMix64).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Standing =
        Standing { is_usable: true, is_backup: false, has_room: true, weight: 1, under_way: 0, identity: 0 };

    /// Servers that differ in nothing but whether they are usable.
    fn where_usable(is_usable: impl Fn(usize) -> bool) -> impl Fn(usize) -> Standing {
        move |server| Standing { is_usable: is_usable(server), identity: mixed(server as u64), ..PLAIN }
    }

    /// How many of `requests` each server gets that has one of these weights.
    fn shares(balance: &Balance, rule: impl Fn(u64) -> Rule, weights: &[u32], requests: u64) -> Vec<u64> {
        let mut counts = vec![0; weights.len()];
        for request in 0..requests {
            let standing = |server: usize| Standing {
                weight: weights[server],
                identity: mixed(server as u64 + 1),
                ..PLAIN
            };
            counts[balance.next(rule(request), weights.len(), &[], standing).unwrap()] += 1;
        }
        counts
    }

    fn assert_within_5_percent(counts: &[u64], weights: &[u32]) {
        let (requests, total): (u64, u32) = (counts.iter().sum(), weights.iter().sum());
        for (count, weight) in counts.iter().zip(weights) {
            let expected = requests as f64 * f64::from(*weight) / f64::from(total);
            let off = (*count as f64 - expected).abs() / expected;
            assert!(off < 0.05, "{counts:?} for {weights:?}");
        }
    }

    #[test]
    fn each_request_begins_one_server_further_and_tries_all_of_them() {
        for (count, orders) in [
            (1, &[&[0][..], &[0]][..]),
            (2, &[&[0, 1], &[1, 0], &[0, 1]]),
            (3, &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
        ] {
            let balance = Balance::default();
            let next = |tried: &[usize]| balance.next(Rule::EvenTurns, count, tried, |_| PLAIN);
            for order in orders {
                let mut tried = Vec::new();
                while let Some(next) = next(&tried) {
                    tried.push(next);
                }
                // The turn has moved on by one: what follows begins behind the first.
                assert_eq!(tried, *order, "of {count}");
            }
            assert_eq!(balance.next(Rule::EvenTurns, 0, &[], |_| PLAIN), None);
        }
    }

    #[test]
    fn those_that_are_out_are_passed_over_and_their_turns_go_round() {
        let balance = Balance::default();
        let next = || balance.next(Rule::EvenTurns, 4, &[], where_usable(|server| server != 1)).unwrap();
        assert_eq!([next(), next(), next(), next(), next(), next()], [0, 2, 3, 0, 2, 3]);
    }

    #[test]
    fn where_all_that_are_usable_have_failed_the_others_are_tried() {
        for rule in [Rule::EvenTurns, Rule::WeightedTurns, Rule::LeastUnderWay, Rule::RandomTwo] {
            let balance = Balance::default();
            let next = |tried: &[usize]| balance.next(rule, 3, tried, where_usable(|server| server == 2));
            let mut tried = Vec::new();
            while let Some(server) = next(&tried) {
                tried.push(server);
            }
            assert_eq!((tried[0], tried.len()), (2, 3), "{rule:?}: {tried:?}");
            assert!(balance.next(rule, 3, &[], where_usable(|_| false)).is_some(), "rather than to refuse");
        }
    }

    #[test]
    fn a_backup_is_used_where_no_other_is_usable() {
        for rule in [
            Rule::EvenTurns,
            Rule::WeightedTurns,
            Rule::LeastUnderWay,
            Rule::RandomTwo,
            Rule::Hash { key: 7, bound: 150 },
        ] {
            let balance = Balance::default();
            let next = |usable: &[usize], tried: &[usize]| {
                balance.next(rule, 3, tried, |server| Standing {
                    is_usable: usable.contains(&server),
                    is_backup: server == 1,
                    ..PLAIN
                })
            };
            for _ in 0..20 {
                assert_ne!(next(&[0, 1, 2], &[]), Some(1), "{rule:?}");
                assert_eq!(next(&[0, 1, 2], &[0, 2]), Some(1), "{rule:?}: others have failed");
                assert_eq!(next(&[1], &[]), Some(1), "{rule:?}");
                assert_ne!(next(&[], &[]), Some(1), "{rule:?}: where all are out it is the last");
            }
        }
    }

    #[test]
    fn one_that_has_no_room_is_used_before_a_backup_and_after_any_other() {
        let balance = Balance::default();
        let next = |tried: &[usize]| {
            balance.next(Rule::EvenTurns, 3, tried, |server| Standing {
                has_room: server != 0,
                is_backup: server == 2,
                ..PLAIN
            })
        };
        assert_eq!([next(&[]), next(&[]), next(&[1]), next(&[1, 0])], [Some(1), Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn a_turn_beyond_the_last_server_is_one_of_those_that_are_left() {
        let balance = Balance::default();
        for _ in 0..4 {
            balance.next(Rule::EvenTurns, 5, &[], |_| PLAIN);
        }
        assert_eq!(balance.next(Rule::EvenTurns, 3, &[], |_| PLAIN), Some(1));
    }

    #[test]
    fn each_gets_its_weight_and_turns_are_spread_evenly() {
        let balance = Balance::default();
        let weights = [5, 1, 1];
        let order: Vec<usize> = (0..7)
            .filter_map(|_| {
                let standing = |server: usize| Standing { weight: weights[server], ..PLAIN };
                balance.next(Rule::WeightedTurns, 3, &[], standing)
            })
            .collect();
        assert_eq!(order.iter().filter(|server| **server == 0).count(), 5, "{order:?}");
        assert!(order.windows(4).all(|four| four.iter().any(|server| *server != 0)), "{order:?}");
        for weights in [&[1, 2, 3][..], &[10, 1], &[1, 1, 1, 1], &[1000, 999]] {
            assert_within_5_percent(&shares(&balance, |_| Rule::WeightedTurns, weights, 30_000), weights);
            assert_within_5_percent(&shares(&balance, |_| Rule::RandomTwo, &[1, 1, 1], 30_000), &[1, 1, 1]);
        }
    }

    #[test]
    fn the_one_with_the_least_under_way_for_its_weight_is_next() {
        let balance = Balance::default();
        for (servers, expected) in
            [(&[(3, 1), (1, 1), (2, 1)][..], 1), (&[(3, 4), (1, 1), (2, 1)], 0), (&[(0, 1), (0, 5)], 1)]
        {
            for rule in [Rule::LeastUnderWay, Rule::RandomTwo] {
                if rule == Rule::RandomTwo && servers.len() > 2 {
                    continue;
                }
                let standing = |server: usize| {
                    let (under_way, weight) = servers[server];
                    Standing { under_way, weight, ..PLAIN }
                };
                for _ in 0..10 {
                    let next = balance.next(rule, servers.len(), &[], standing);
                    assert_eq!(next, Some(expected), "{rule:?} {servers:?}");
                }
            }
        }
        assert_within_5_percent(&shares(&balance, |_| Rule::LeastUnderWay, &[1, 1, 1], 300), &[1, 1, 1]);
    }

    #[test]
    fn a_key_has_its_server_and_where_one_goes_only_its_own_keys_move() {
        const KEYS: u64 = 30_000;
        let balance = Balance::default();
        let hash = |key: u64| Rule::Hash { key: mixed(key), bound: 150 };
        for weights in [&[1, 1, 1, 1, 1][..], &[1, 2, 3]] {
            assert_within_5_percent(&shares(&balance, hash, weights, KEYS), weights);
        }
        for count in [2, 3, 5, 10] {
            let at = |key, gone: usize| {
                balance.next(hash(key), count, &[], where_usable(|server| server != gone)).unwrap()
            };
            let moved: Vec<u64> = (0..KEYS).filter(|key| at(*key, usize::MAX) != at(*key, 0)).collect();
            assert!(moved.iter().all(|key| at(*key, usize::MAX) == 0), "others have moved");
            let share = moved.len() as f64 / KEYS as f64;
            assert!(share <= 1.2 / count as f64, "{share} of {count}");
        }
    }

    #[test]
    fn a_server_that_has_more_than_its_share_leaves_keys_to_the_next() {
        let balance = Balance::default();
        let next = |under_way: [u32; 2]| {
            balance.next(Rule::Hash { key: 1, bound: 150 }, 2, &[], |server| Standing {
                under_way: under_way[server],
                identity: server as u64,
                ..PLAIN
            })
        };
        let own = next([0, 0]).unwrap();
        let with = |mine: u32, other: u32| if own == 0 { [mine, other] } else { [other, mine] };
        for (mine, other, is_own) in [
            (7, 0, true),
            (8, 0, false),
            (20, 20, true),
            (29, 10, true),
            (30, 8, false),
            (1_000_000, 1_000_000, true),
        ] {
            assert_eq!(next(with(mine, other)) == Some(own), is_own, "{mine} here, {other} there");
        }
    }
}

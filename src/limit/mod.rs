//! How much is served to whom: how often somebody may ask, and how many requests of theirs may be under way.
//!
//! A [`Limit`] is `[limit.NAME]` of a file. It says who is counted together, and keeps what is known of so many at most, for
//! all workers and over reloads, in numbers that are changed without a lock. The time is an argument, in nanoseconds: no
//! clock, no socket and no task may enter this room. Where a limit is shared with other processes, asking them is done
//! elsewhere.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | So many may come at once, and then one as often as the rate says: in no stretch of time more than both together | experience | `limit::rate::tests::so_many_may_come_at_once_and_then_one_by_one`, `limit::rate::tests::in_no_stretch_of_time_more_come_than_may` |
//! | 2 | A client is its network; what has nothing of what is counted by shares one place | RFC 6177 §2 | `limit::key::tests::requests_are_counted_by_what_the_operator_says` |
//! | 3 | So many are known at most; who has used the least goes first, is counted where that still mattered, and never goes while something of theirs is under way | experience | `limit::places::tests::who_has_used_the_least_goes_first_and_it_is_told_where_that_still_counted`, `limit::places::tests::who_has_something_under_way_never_goes` |
//! | 4 | Workers that count at the same time admit no more than may come | experience | `limit::places::tests::threads_that_charge_one_key_admit_as_many_as_may_come` |
//! | 5 | Of pages of an exempt origin nothing is counted; two origins are none | RFC 6454 §7 | `limit::table::tests::each_has_as_many_as_may_come_and_an_exempt_origin_is_not_counted` |
//! | 6 | A request is under way until its last byte has left or its tunnel has ended | experience | `limit::table::tests::so_many_are_under_way_until_they_end`, `rate_limits::a_tunnel_has_its_place_until_it_ends` |
//! | 7 | A rate that is shared is divided among as many processes as are known | experience | `limit::table::tests::a_shared_rate_is_divided_among_as_many_as_are_known` |
//! | 8 | A limit is asked last: neither a preflight nor what CORS, a method, access or the size of a body refuses takes a place in it, and what another limit refuses takes none either | Fetch, "CORS-preflight fetch" | `rate_limits::what_is_refused_before_takes_no_place`, `rate_limits::all_limits_must_admit_and_one_that_refuses_costs_nothing_at_the_others` |
//! | 9 | A 429 says when to come again, in fields that scripts can read | RFC 6585 §4; RFC 9110 §10.2.3 | `rate_limits::too_many_requests_are_a_429_that_a_page_can_read` |
//! | 10 | A client network has so many connections at most; who is let in by a trusted proxy is counted by who they are, and the proxy itself is not | experience | `limit::connections::tests::so_many_of_one_network_and_as_many_of_another`, `limit::connections::tests::hardly_anybody_is_taken_for_more_than_they_have`, `rate_limits::a_client_has_so_many_connections_and_another_one_is_told` |

mod rate;

mod key;

mod places;

mod table;

mod connections;

pub use self::{
    connections::ConnectionsByClient,
    key::{Asked, CountedBy, Person},
    rate::{Exceeded, Rate},
    table::{Counted, Limit, Limited, Running, Shared, State},
};

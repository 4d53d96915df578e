//! What happens to one client connection.
//!
//! What is decided stands in [`plan`](crate::plan); here it is carried out, and no policy is held: [`serve`] is the
//! loop over the requests of a connection, `request` one turn of it, `exchange` a request's way to an upstream and
//! back, [`relay`] the bodies. No socket option, no parsing rule and no CORS rule may enter here; they live on the
//! floors below.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Where no byte has come nobody waits for an answer: a connection that stays silent, new or kept alive, is closed without one. Only one that is refused is told so, for what it asks may be on its way | RFC 9110 §15.5.9 | `rules::limits::rule_42_the_time_for_a_head_is_a_total`, `limits::an_idle_kept_alive_connection_is_closed_without_an_answer`, `idle::parked_connections_expire_silently_each_by_its_own_timeout`, `memory::with_a_bound_on_memory_newcomers_without_a_place_are_told_so` |
//! | 2 | From the first byte a head has a total time, and then it is a 408 | RFC 9110 §15.5.9 | `rules::limits::rule_42_the_time_for_a_head_is_a_total`, `idle::a_parked_client_that_sends_one_byte_and_stops_gets_408` |
//! | 3 | Beyond the limit of a head an `Origin` is looked for in 256 KiB and for a second, and no further | measured | `cors::the_search_for_an_origin_ends_after_a_bounded_number_of_bytes`, `cors::the_search_for_an_origin_ends_after_a_second` |
//! | 4 | A body has a limit on silence and a lowest rate; to break either is the client's fault, a 408 | RFC 9110 §15.5.9 | `limits::a_body_that_stalls_is_408`, `limits::a_body_that_trickles_below_the_minimum_rate_is_408`, `regression::min_rate_is_what_it_says`, `proxy::relay::watchdog::tests::only_what_the_client_sends_counts_for_its_rate` |
//! | 5 | Time in which the upstream takes nothing is not the client's | experience | `proxy::relay::watchdog::tests::time_in_which_the_upstream_takes_nothing_is_not_the_clients` |
//! | 6 | Interim responses do not put off the deadline of the final one | RFC 9110 §15.6.5 | `proxy::relay::watchdog::tests::whatever_moves_is_not_standing_still` |
//! | 7 | A head that trickles in does not put it off either | RFC 9110 §15.6.5 | `regression::a_trickled_response_head_times_out_behind_a_streamed_body` |
//! | 8 | An answer that comes before the upload has ended leaves at once, and arrives | RFC 9112 §9.5, §9.6 | `bodies::an_early_413_reaches_a_client_that_is_still_sending`, `bodies::our_own_413_reaches_a_client_that_is_still_sending` |
//! | 9 | It is not cut because the rest of the upload stands still | experience | `regression::an_early_response_is_not_cut_because_the_upload_is_not_read`, `bodies::a_response_arrives_while_the_upload_beside_it_stands_still` |
//! | 10 | What still comes behind an answer that ends the connection is read and thrown away, for a bounded time and up to a bounded amount | RFC 9112 §9.6 | `limits::what_follows_a_refusal_is_read_for_timeout_linger_and_no_longer`, `limits::what_follows_a_refusal_is_read_up_to_limit_linger_and_no_further` |
//! | 11 | A client that ends its direction gets the answers to all that it asked | RFC 9112 §9.6 | `regression::pipelined_requests_are_answered_although_the_client_half_closed`, `idle::a_parked_client_may_end_its_direction_behind_its_last_request` |
//! | 12 | A client that is gone takes its upstream connection with it, whatever was going on | experience | `upstream::a_client_that_resets_makes_corsair_close_the_upstream_connection`, `regression::a_reset_is_noticed_behind_a_half_close`, `regression::a_reset_is_noticed_behind_pipelined_input` |
//! | 13 | Once a head is sent, a body that breaks is seen to be broken: no last chunk, no clean end | RFC 9112 §8 | `bodies::a_truncated_body_is_never_a_clean_end`, `splice::a_body_cut_in_its_pipe_is_never_a_clean_end` |
//! | 14 | So is one that TLS cuts without a word | RFC 9112 §9.8 | `upstream_tls::a_tls_end_without_close_notify_under_a_close_delimited_body_is_seen_as_cut` |
//! | 15 | HTTP/1.0 clients read to the end, whatever the length said: what was cut for them ends in a reset | RFC 9112 §8 | `regression::a_cut_response_to_http10_is_a_reset` |
//! | 16 | Silence inside a body of the upstream is a cut | RFC 9112 §8 | `upstream::silence_inside_a_body_is_a_visible_cut_after_timeout_upstream_idle` |
//! | 17 | A client that takes nothing is cut after a time | experience | `limits::a_client_that_takes_nothing_is_cut_after_timeout_send`, `regression::a_tls_client_that_stops_reading_is_cut_after_send` |
//! | 18 | What has come leaves, and is not held back for what has not | experience | `bodies::a_head_arrives_before_its_body`, `bodies::an_event_arrives_while_the_next_one_is_held_back`, `splice::what_has_come_is_not_held_back_for_what_has_not` |
//! | 19 | Nothing more is read from one side than the other has taken, but for a bounded amount | experience | `process::a_client_that_does_not_read_stops_the_upstream` |
//! | 20 | There is a tunnel only behind a 101 that was asked for, or a connection that a CONNECT asked for; what came behind either head belongs to it | RFC 9110 §7.8, §9.3.6 | `websocket::a_101_for_another_protocol_is_a_502`, `websocket::bytes_sent_behind_the_request_belong_to_the_tunnel`, `websocket::bytes_sent_behind_the_101_belong_to_the_tunnel`, `forward::a_tunnel_carries_bytes_both_ways_what_came_early_first_and_passes_a_half_close_on` |
//! | 21 | In a tunnel a half-close passes on, and the other direction lives | RFC 9112 §9.6 | `websocket::a_half_close_is_passed_on_and_the_other_direction_lives` |
//! | 22 | But for a bounded time, which counts from that end and not from the last byte | experience | `regression::a_half_closed_tunnel_has_its_time_from_the_end_not_from_the_last_byte` |
//! | 23 | One clock watches both directions of a tunnel, and neither the times of a body nor those between requests apply | experience | `proxy::relay::tunnel::tests::movement_in_either_direction_keeps_it_open`, `websocket::an_idle_tunnel_outlives_the_other_timeouts_and_ends_by_its_own` |
//! | 24 | What fails in a tunnel is recorded of the end that failed | experience | `proxy::relay::tunnel::tests::the_end_that_fails_is_the_one_it_is_recorded_of` |
//! | 25 | The states of an exchange change by one table each: what has ended stays so, and the first reason to end stays | experience | `proxy::relay::state::tests::a_body_that_has_ended_or_was_cut_stays_so`, `proxy::relay::state::tests::a_target_that_discards_takes_nothing_any_more_and_only_a_flush_makes_sure`, `proxy::relay::state::tests::the_first_reason_to_end_stays_and_a_pause_is_none` |
//! | 26 | Another attempt begins with nothing but what the client has done | experience | `proxy::relay::flow::tests::another_attempt_begins_with_nothing_but_what_the_client_has_done` |
//! | 27 | A pipe, a wide receive window and large buffers are for a body whose target keeps up; one that stalls gives them back | measured | `proxy::relay::copy::tests::a_pipe_and_a_wide_window_are_for_a_client_that_keeps_up`, `proxy::relay::copy::tests::large_buffers_are_for_a_client_that_keeps_up`, `proxy::relay::flow::tests::a_target_lags_from_a_stall_until_it_has_taken_what_makes_a_stream_bulk` |
//! | 28 | Bulk in a tunnel between plain connections goes through pipes by the same rule, and a direction in which nothing is on its way holds none | measured | `proxy::relay::tunnel::tests::what_goes_through_pipes_arrives_whole_both_ways_at_once`, `forward::two_hundred_megabytes_through_a_tunnel_take_no_memory` |
//! | 29 | A stream in which nothing moves holds no buffer, and no more than what it goes on with: a request that waits for its answer, or for more of it, leaves its frame when nothing has moved for two seconds, and a tunnel has a buffer only for what is on its way | measured | `memory::a_stream_in_which_nothing_moves_holds_no_buffer_and_goes_on_when_something_does`, `proxy::relay::tunnel::tests::a_tunnel_in_which_nothing_moves_holds_no_buffer`, `proxy::relay::watchdog::tests::it_is_quiet_for_as_long_as_nothing_has_moved`, `proxy::kept_head::tests::a_head_whose_answer_has_not_begun_is_the_same_again`, `proxy::kept_head::tests::a_head_whose_answer_has_begun_is_gone_but_for_what_came_behind_it`, `proxy::kept_head::tests::who_has_to_be_told_of_a_request_has_its_head_to_the_end` |
//! | 30 | Between two plain TCP connections it leaves the runtime as well, and what happens then happens as if it had not: it goes on, is answered, cut, recorded and drained, and its limits count | experience | `resting::it_goes_on_when_its_upstream_does_and_is_recorded_as_one_request`, `resting::both_connections_serve_the_next_request_behind_it_and_what_came_meanwhile_is_answered`, `resting::a_client_that_leaves_takes_its_upstream_connection_with_it`, `resting::an_upstream_that_leaves_ends_it`, `resting::it_may_stand_still_for_as_long_as_its_limit_says`, `resting::a_drain_waits_for_it`, `resting::a_reload_lets_it_end_under_its_configuration` |
//! | 31 | Where many requests have come at once they begin a few at a time, in the order in which they came, and answers come between; none waits for what takes long, nor where connections to upstreams are short | measured | `proxy::beginnings::tests::while_few_are_under_way_none_waits`, `proxy::beginnings::tests::where_connections_are_short_all_begin_at_once`, `proxy::beginnings::tests::of_many_a_few_begin_at_a_time_in_their_order_and_none_waits_for_what_takes_long`, `proxy::beginnings::tests::who_has_gone_holds_nobody_up` |

mod outcome;

mod send;

mod tell;

mod clock;

mod beginnings;

mod verifications;

mod counting_servers;

pub mod idle;

mod frame;

pub mod snapshot;

mod names;

pub mod core;

mod limiting;

pub mod relay;

mod receive;

mod why;

mod record;

mod connection;

mod wait;

mod checkout;

mod patience;

mod resting_attempt;

mod job;

mod sending;

mod answering;

mod exchange;

mod connect;

mod admit;

mod kept_request;

mod kept_head;

mod tunnel;

mod resting;

mod request;

pub mod serve;

pub use self::{
    frame::MAX_FREE_FRAMES,
    resting::{KeptStream, RestingStream},
};

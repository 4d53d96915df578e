//! The language: bytes to values and values to bytes.
//!
//! Parsing, framing and emitting of HTTP/1 messages (RFC 9112) as pure functions over slices. No socket, no
//! clock, no configuration may enter this room: limits come in as arguments.
//!
//! # The rules
//!
//! What corsair as a whole does with HTTP/1 on the wire. Where an RFC leaves the choice between repairing a request
//! and refusing it, it refuses: with the status named, 400 otherwise, and the connection ends. What is wrong with a
//! response is 502, unless every browser would have read it, and all in one way (rule 45). Each rule is a test over
//! real sockets, in `tests/rules`; a test beside them holds this table against theirs.
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | `Content-Length` beside `Transfer-Encoding` is refused | RFC 9112 §6.1, §6.3 | `rules::request_framing::rule_01_content_length_with_transfer_encoding_is_refused` |
//! | 2 | One `chunked`, in any case, is the only transfer coding; others before a final `chunked` are 501, all else is 400 | RFC 9112 §6.1, §7 | `rules::request_framing::rule_02_every_transfer_coding_but_one_chunked_is_refused` |
//! | 3 | A transfer coding in an HTTP/1.0 message is refused | RFC 9112 §6.1 | `rules::request_framing::rule_03_a_transfer_coding_in_http_10_is_refused` |
//! | 4 | `Content-Length` of a request is one line of plain digits below 2^64, and leaves without leading zeros | RFC 9110 §8.6; RFC 9112 §6.3 | `rules::request_framing::rule_04_content_length_is_plain_digits_within_64_bits` |
//! | 5 | Chunk sizes are plain hexadecimal, every line of the framing ends in CRLF, data is followed by exactly CRLF | RFC 9112 §7.1; erratum 7633 | `rules::request_framing::rule_05_chunked_framing_is_strict` |
//! | 6 | Chunk extensions are checked, dropped and bounded over the message | RFC 9112 §7.1.1 | `rules::request_framing::rule_06_chunk_extensions_are_checked_and_dropped` |
//! | 7 | Trailers are checked as fields are, filtered, and never merged into the head | RFC 9110 §6.5.1; RFC 9112 §7.1.2 | `rules::request_framing::rule_07_trailers_are_checked_and_never_become_fields` |
//! | 8 | A request cut short is never completed towards the upstream | RFC 9112 §8 | `rules::request_framing::rule_08_a_body_cut_by_the_client_is_never_completed` |
//! | 9 | A body follows its framing whatever the method, and is consumed | RFC 9112 §6 | `rules::request_framing::rule_09_a_body_follows_any_method_and_is_consumed` |
//! | 10 | Nothing behind a refused or last request, or a CONNECT, is parsed | RFC 9112 §9.6 | `rules::request_framing::rule_10_nothing_behind_a_close_or_a_refusal_is_parsed` |
//! | 11 | A head is rendered from its parts; no line goes over as it stands but one that we would spell so | RFC 9112 §2.2, §5 | `rules::request_syntax::rule_11_the_head_is_rendered_anew` |
//! | 12 | Lines of a request end in CRLF; a bare CR or LF is refused; two empty lines may stand before it, and start no clock | RFC 9112 §2.2 | `rules::request_syntax::rule_12_lines_end_in_crlf_and_hold_no_bare_cr` |
//! | 13 | No blank before a colon or a field of a request, no folding | RFC 9112 §2.2, §5.1, §5.2 | `rules::request_syntax::rule_13_blanks_before_a_colon_or_a_field_and_folding_are_refused` |
//! | 14 | A field name is a token; a line that is no field is refused, not dropped | RFC 9112 §5; RFC 9110 §5.1 | `rules::request_syntax::rule_14_a_field_name_is_a_token_and_no_line_is_dropped` |
//! | 15 | A value of a request holds no control byte; SP and HTAB alone are trimmed; 8-bit bytes pass | RFC 9110 §5.5, §5.6.3 | `rules::request_syntax::rule_15_a_value_holds_no_control_byte_and_only_blanks_are_trimmed` |
//! | 16 | A name that is a framing, routing, forwarding or hop-by-hop field when `_` is read as `-` is refused | RFC 9110 §5.1 | `rules::request_syntax::rule_16_an_underscore_is_no_dash_of_a_framing_or_routing_field` |
//! | 17 | A request line is a token, a visible target and `HTTP/1.x`, parted by single blanks; another major version is 505 | RFC 9112 §2.3, §3 | `rules::request_syntax::rule_17_a_request_line_is_three_parts_and_a_version` |
//! | 18 | corsair speaks HTTP/1.1 both ways; an HTTP/1.0 client gets neither chunks nor 1xx | RFC 9112 §2.3, §6.1; RFC 9110 §15.2 | `rules::request_syntax::rule_18_the_version_is_our_own_both_ways` |
//! | 19 | A target has the form that its method asks for, and no fragment | RFC 9112 §3.2 | `rules::request_syntax::rule_19_a_target_has_the_form_that_its_method_asks_for` |
//! | 20 | The authority of an absolute target replaces Host, without userinfo | RFC 9112 §3.2.2, §3.2.4; RFC 9110 §4.2.4 | `rules::request_syntax::rule_20_absolute_form_becomes_origin_form_and_its_host_counts` |
//! | 21 | HTTP/1.1 has exactly one well-formed Host | RFC 9112 §3.2; RFC 3986 §3.2.2 | `rules::request_syntax::rule_21_there_is_exactly_one_wellformed_host` |
//! | 22 | A target is otherwise forwarded byte for byte | RFC 9112 §3.2; RFC 9110 §7.7 | `rules::request_syntax::rule_22_a_target_is_forwarded_byte_for_byte` |
//! | 23 | `Connection` strips what it names, but neither framing, Host, nor what corsair adds | RFC 9110 §7.6.1 | `rules::hop_by_hop::rule_23_connection_strips_what_it_names_but_never_what_counts` |
//! | 24 | Hop-by-hop fields end here; `TE` is `trailers` or nothing | RFC 9110 §7.6.1, §10.1.4, §11.7.1 | `rules::hop_by_hop::rule_24_hop_by_hop_fields_never_travel_and_te_is_reduced` |
//! | 25 | Only a WebSocket is upgraded to, and only when `Connection` says so | RFC 9110 §7.8; RFC 9113 §3.1 | `rules::hop_by_hop::rule_25_only_a_websocket_is_upgraded_and_only_when_connection_says_so` |
//! | 26 | A 101 answers an offer of its protocol; what comes behind it is the tunnel's | RFC 9110 §7.8, §15.2.2 | `rules::hop_by_hop::rule_26_a_101_is_taken_only_for_what_was_offered` |
//! | 27 | Each 1xx is relayed at once, unframed; their number is bounded; a final response follows | RFC 9110 §15.2 | `rules::hop_by_hop::rule_27_every_interim_response_is_relayed_and_followed_by_the_final_one` |
//! | 28 | `100-continue` is forwarded and never a deadlock; a body not sent is never a request | RFC 9110 §10.1.1 | `rules::hop_by_hop::rule_28_an_expectation_is_forwarded_and_never_a_deadlock` |
//! | 29 | The upstream learns the real peer, and nothing that the client claims of it under any name of that family; `Via` both ways; `Max-Forwards` counts | RFC 9110 §7.6.2, §7.6.3; RFC 7239 §4 | `rules::hop_by_hop::rule_29_the_real_peer_is_forwarded_and_what_the_client_claims_is_dropped` |
//! | 30 | A status line is `HTTP/1.x`, three digits and a reason without control bytes; anything else is 502 | RFC 9112 §4 | `rules::responses::rule_30_what_is_no_http_1_status_line_is_a_502` |
//! | 31 | Doubtful framing of a response is 502, without a byte of its body | RFC 9112 §6.3 | `rules::responses::rule_31_doubtful_framing_is_a_502_without_a_body_byte` |
//! | 32 | HEAD, 204 and 304 have no body, whatever their fields say | RFC 9112 §6.3; RFC 9110 §8.6, §9.3.2 | `rules::responses::rule_32_a_response_without_a_body_ends_with_its_head` |
//! | 33 | A response that was cut is seen to be, and never repeated | RFC 9112 §8 | `rules::responses::rule_33_a_body_that_ends_too_early_or_breaks_is_seen_as_cut` |
//! | 34 | What stands behind a response, or comes on an idle connection, reaches no client | RFC 9112 §9.2 | `rules::responses::rule_34_bytes_behind_a_response_reach_no_client` |
//! | 35 | Only a surely clean connection is used again | RFC 9112 §9.3 | `rules::responses::rule_35_only_a_surely_clean_connection_is_used_again` |
//! | 36 | What a stale connection swallowed is sent once more if it is safe and has no body | RFC 9110 §9.2.2; RFC 9112 §9.3.1 | `rules::responses::rule_36_what_a_stale_connection_swallowed_is_repeated_only_if_safe_and_without_a_body` |
//! | 37 | A final response during the upload is relayed at once | RFC 9112 §9.5, §9.6 | `rules::responses::rule_37_a_final_response_during_the_upload_is_relayed_at_once` |
//! | 38 | Fields keep their order, are never joined, and none is invented | RFC 9110 §5.3 | `rules::responses::rule_38_response_fields_keep_their_order_and_none_is_invented` |
//! | 39 | Heads and chunks leave as they arrive, both ways at once | RFC 9110 §7.5 | `rules::responses::rule_39_heads_and_chunks_leave_as_they_arrive` |
//! | 40 | A FIN behind a request is no abort; a reset is | RFC 9112 §9.6 | `rules::responses::rule_40_a_fin_behind_a_request_is_no_abort_and_a_reset_is` |
//! | 41 | Request line, head, fields, body, trailers, extensions and 1xx each have a limit | RFC 9110 §15.5.14, §15.5.15; RFC 6585 §5 | `rules::limits::rule_41_a_request_line_a_head_and_a_number_of_fields_have_their_own_limits` |
//! | 42 | The time for a head is a total; stalls end in 408, 504 or silence | RFC 9110 §15.5.9, §15.6.5 | `rules::limits::rule_42_the_time_for_a_head_is_a_total` |
//! | 43 | Who does not read stops who writes, in every direction | RFC 9112 §9.3.2 | `rules::limits::rule_43_a_client_that_does_not_read_stops_the_upstream` |
//! | 44 | An error has a length, says whether it closes, and arrives | RFC 9112 §9.6 | `rules::limits::rule_44_an_error_reaches_a_client_that_is_still_sending` |
//! | 45 | What could be repaired in a request is refused; what every browser reads in a response, and all in one way, is read, and leaves in good form | RFC 9112 §2.2, §4, §5.1, §5.2, §6.3 | `rules::choices::rule_45_what_could_be_repaired_is_refused` |
//! | 46 | Canonical chunks pass as they are, all others become canonical | RFC 9112 §7.1 | `rules::choices::rule_46_canonical_chunks_pass_as_they_are_and_all_others_become_so` |
//! | 47 | A close-delimited response leaves chunked to HTTP/1.1, and the connection lives | RFC 9112 §6.3, §9.3 | `rules::choices::rule_47_a_close_delimited_response_leaves_chunked_and_the_connection_lives` |
//! | 48 | A response that has begun wins over a 413 | RFC 9110 §15.5.14 | `rules::choices::rule_48_a_response_that_has_begun_wins_over_a_413` |
//! | 49 | Data inside a body is counted, never looked at | RFC 9112 §7.1 | `rules::choices::rule_49_data_is_never_looked_at_and_costs_no_more_in_chunks` |
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)]

pub mod span;

mod name_table;

pub mod fields;

pub mod field_set;

pub mod head;

pub mod connection;

pub mod target;

pub mod framing;

pub mod chunked;

pub mod body;

pub mod emit;

pub mod edits;

pub mod scan;

pub mod accept;

#[cfg(test)]
pub(crate) mod sample;

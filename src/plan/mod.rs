//! The decisions: what is to be done about a request, and what a response means.
//!
//! A request head and the configuration become a [`Plan`] and an [`Action`]; a response head becomes a
//! [`ResponsePlan`]; what corsair says itself is written by the [`Responder`]. Everything here is a function of its
//! arguments, a time among them where one counts: no socket, no clock, no buffer that fills and no task may enter
//! this room. The code that does what is decided stands above, in [`proxy`](crate::proxy), and holds no policy.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Asked first is the syntax, then Host and route, then CORS, and last what the route admits: a preflight is answered whatever it is for | Fetch, "CORS-preflight fetch" | `plan::request::tests::faults_of_the_head_are_found_before_anything_else`, `plan::request::tests::the_gateway_answers_preflights_whatever_the_target` |
//! | 2 | A refusal knows what CORS says of the request, so that a script can read it | Fetch, "CORS check" | `plan::request::tests::a_refusal_knows_what_cors_says_so_that_a_script_can_read_it` |
//! | 3 | A browser never half-closes: behind a request with `Origin`, `Sec-Fetch-…` or a `User-Agent` that begins with `Mozilla/` a FIN is an abort, and behind any where half-closing is switched off | measured | `upstream::a_page_that_aborts_by_a_fin_makes_corsair_close_the_upstream_connection`, `upstream::without_half_closing_every_fin_is_an_abort`, `plan::request::tests::a_fin_is_an_abort_behind_what_a_browser_sent` |
//! | 4 | Behind any other request it is the end of what the client has to say, and it gets its answer | RFC 9112 §9.6 | `bodies::a_client_that_half_closes_after_its_request_still_gets_the_answer` |
//! | 5 | A request is sent again, on a new connection, if it is safe, has no body, and nothing came back: once before the end of a connection that was used before, and as often as its upstream says before that of one to a server that is not the only usable one | RFC 9110 §9.2.2; RFC 9112 §9.3.1 | `plan::attempts::tests::what_was_swallowed_is_sent_once_more_if_it_is_safe_and_has_no_body`, `plan::attempts::tests::it_is_tried_no_third_time`, `plan::attempts::tests::at_other_servers_it_is_tried_as_often_as_is_set_and_paid_for`, `upstream::a_get_on_a_stale_pooled_connection_is_retried_once_on_a_fresh_one`, `ejection::a_get_that_a_server_swallowed_is_answered_by_another`, `retries::with_one_attempt_nothing_is_sent_twice` |
//! | 6 | Any other is never sent twice when nothing came back | RFC 9110 §9.2.2 | `rules::responses::rule_36_what_a_stale_connection_swallowed_is_repeated_only_if_safe_and_without_a_body`, `upstream::a_post_is_delivered_exactly_once_and_its_loss_is_a_502` |
//! | 7 | On a new connection to the only server an end without an answer is the answer: a 502 | RFC 9112 §9.3.1 | `upstream::a_request_on_a_fresh_connection_is_not_retried` |
//! | 8 | A response that has begun is never asked for again | RFC 9112 §9.3.1 | `upstream::a_response_once_begun_is_never_retried` |
//! | 9 | A 408 on a connection that was used before is for its idleness and no answer; on a new one it is an answer | RFC 9110 §15.5.9 | `regression::a_408_for_the_idle_connection_reaches_no_client`, `regression::a_408_that_is_an_answer_reaches_its_client` |
//! | 10 | One deadline, the times for connecting and for the answer together, covers all until the head of the response, over all attempts and hops | experience | `gateway::one_deadline_for_connecting_and_answering_covers_all_hops_of_a_redirect`, `plan::attempts::tests::one_deadline_holds_over_all_attempts_but_for_the_time_of_an_upload` |
//! | 11 | An upload stops the clock, that of a redirect behind it too, and stops it once | experience | `limits::a_slow_upload_does_not_run_into_the_response_timeout`, `regression::an_upload_does_not_use_up_the_deadline_of_the_redirect_behind_it`, `plan::attempts::tests::one_deadline_holds_over_all_attempts_but_for_the_time_of_an_upload` |
//! | 12 | What is left of a body when a redirect drops it belongs to no request: it goes nowhere, and neither connection is used again | RFC 9112 §9.3 | `regression::a_body_left_over_after_a_followed_redirect_reaches_no_target`, `splice::what_waits_in_a_pipe_is_left_behind_by_a_redirect` |
//! | 13 | Whoever refuses in the middle of an upload will not read the rest: the connection ends behind the answer | RFC 9112 §9.6; RFC 9110 §15.5.14 | `plan::response::tests::a_refusal_in_the_middle_of_an_upload_closes_after_it` |
//! | 14 | Where corsair answers itself, only a body that has come completely is skipped; for the rest of one nobody waits | RFC 9112 §9.3, §9.6 | `plan::action::tests::of_a_refused_body_only_one_that_has_come_completely_is_skipped`, `plan::action::tests::what_is_left_of_the_body_of_a_failed_exchange_depends_on_how_far_it_was_read` |
//! | 15 | An upgrade with a body is none: nothing says when the tunnel would begin | RFC 9110 §7.8 | `regression::an_upgrade_with_a_body_is_no_tunnel` |
//! | 16 | An https server that is given by name is called by that name, any other by the one that the client used, unless the operator says otherwise | RFC 9110 §7.2, §15.5.20 | `upstream::a_server_is_called_as_the_operator_says`, `upstream_tls::an_https_server_given_by_name_gets_its_own_host_and_server_name`, `rules::request_syntax::rule_20_absolute_form_becomes_origin_form_and_its_host_counts` |
//! | 17 | An error of corsair's own has a length, a date and the word for its cause, and tells nothing of the upstream | RFC 9209 §2.1.1; RFC 9112 §9.6 | `plan::respond::tests::every_error_has_a_status_line_a_length_a_date_and_a_name`, `upstream::a_refused_connection_is_a_502_at_once` |
//! | 18 | What a page of the origin that a request is for asks of it is the application's own; on a loopback listener only under a name that this is called by, for DNS rebinding makes any other its own origin as well | RFC 6454 §5; experience | `plan::request::tests::a_page_of_the_application_is_known_by_where_it_is_addressed`, `cors::a_rebound_page_is_no_page_of_the_applications_own` |
//! | 19 | What was renamed on the way up is renamed back: URLs that name a server of the upstream, or the `Host` that it was sent, name this proxy, prefixes are exchanged, what a route took away comes back, cookies lose the domain of a server; nothing else is touched, and no path that is left may name a host | RFC 9110 §10.2.2; RFC 6265 §4.1.2 | `plan::rewrite::rename::tests::a_url_that_names_the_upstream_names_this_proxy`, `plan::rewrite::rename::tests::prefixes_are_exchanged_as_whole_segments`, `plan::rewrite::rename::tests::what_a_route_took_away_comes_back`, `plan::rewrite::rename::tests::the_url_of_a_refresh_is_renamed_where_it_stands`, `plan::rewrite::rename::tests::a_cookie_is_for_this_proxy_and_the_path_that_the_client_knows`, `upstream::what_names_the_upstream_names_the_proxy_when_it_arrives` |
//! | 20 | A connection on which somebody logged in by NTLM or Negotiate, or was asked to, serves that client connection alone | RFC 4559 §6 | `plan::authentication::tests::a_scheme_that_authenticates_connections_is_known_in_any_case_and_place`, `plan::response::tests::a_connection_on_which_somebody_logs_in_is_bound_to_its_client`, `upstream::a_connection_that_authenticates_serves_one_client_alone` |
//! | 21 | What the operator sets, adds or removes of a head is so, of what corsair itself says too; scripts are told of what is new and of nothing that is gone | experience | `plan::rewrite::tests::what_the_operator_sets_adds_and_removes_of_a_request_is_so`, `plan::rewrite::tests::the_operator_may_set_or_remove_what_corsair_says_of_the_client`, `plan::rewrite::tests::responses::what_the_operator_sets_adds_and_removes_of_a_response_is_so` |
//! | 22 | What frames a message or belongs to a connection is nobody's to edit, nor what shows loops or is written by the policy of CORS | RFC 9110 §7.6.1, §7.6.3; RFC 9112 §6 | `http1::edits::tests::what_frames_a_message_or_belongs_to_a_connection_is_no_field_to_edit`, `http1::edits::tests::what_the_policy_or_the_loop_detection_writes_is_theirs` |
//! | 23 | On a TLS connection a request is for the server name that the client has sent, or for a host for which the certificate is that it got; where clients must show certificates, for the server name alone | RFC 9110 §4.3.3, §15.5.20 | `plan::misdirected::tests::a_request_is_for_the_server_name_or_for_another_host_of_its_certificate`, `plan::misdirected::tests::where_clients_show_certificates_a_request_is_for_the_server_name_alone`, `client_tls::a_request_for_a_host_of_another_certificate_is_a_421_that_scripts_can_read` |
//! | 24 | Over a Unix socket nobody has an address: `Forwarded` and `X-Forwarded-For` say `unknown`, and `X-Real-IP`, which has no word for that, is left out; what the client says of itself is dropped all the same | RFC 7239 §6.2 | `plan::rewrite::tests::a_client_without_an_address_is_said_to_be_unknown`, `unix_listener::an_upstream_is_told_that_nobody_knows_the_address` |
//! | 25 | By way of a trusted proxy the client is who that says: for the log, for upstreams, and for what is of the same origin. Which route takes a request, and whether it may come here, is asked of the `Host` that came | RFC 7239 §5 | `load_balancer::fields::the_client_of_a_trusted_proxy_is_the_client_everywhere`, `load_balancer::fields::a_page_is_of_the_origin_that_the_client_knows`, `load_balancer::fields::the_route_is_that_of_the_host_that_came` |
//! | 26 | Upstreams are told in both families by whom a request came: the client, the proxies that are believed, and the peer of the connection last; what a client claims, nobody repeats | RFC 7239 §4 | `plan::rewrite::tests::a_chain_is_told_in_both_families_and_ends_with_the_peer`, `load_balancer::fields::what_is_told_is_passed_on_and_extended` |
//! | 27 | An answer whose status is to be tried again is given to nobody while another server is usable, attempts are left and the budget pays, where the request is safe and has no body, or is a PUT or DELETE whose body has been kept; else it is the answer | RFC 9110 §9.2.2 | `plan::attempts::tests::an_answer_is_declined_for_what_is_safe_or_says_that_it_can_be_repeated`, `retries::a_put_or_a_delete_is_tried_again_with_its_body_where_that_was_kept`, `retries::a_status_that_is_tried_again_reaches_no_client_while_another_server_answers_better`, `retries::a_status_is_given_where_no_other_server_is_left_or_nothing_pays_for_another_attempt` |
//! | 28 | A safe request without a body, to which nothing of an answer has come, is taken from a server that has answered nobody for the share that each attempt has of the time for a response, and sent to another usable one, if attempts are left and the budget pays, or it has been taken out; else it is waited for, as the last attempt is, until the time is over | RFC 9110 §9.2.2 | `plan::silence::tests::a_server_may_be_silent_for_a_share_of_the_time_for_a_response_and_every_answer_begins_it_anew`, `plan::attempts::tests::a_server_may_be_silent_for_a_share_only_while_an_attempt_is_left_that_may_be_made`, `retries::a_get_that_a_silent_server_has_is_answered_by_another_within_the_time_for_a_response`, `retries::where_all_servers_are_silent_one_more_is_asked_and_then_it_is_a_504`, `retries::a_slow_url_of_a_server_that_answers_others_is_waited_for`, `retries::a_server_that_has_begun_to_answer_is_waited_for`, `retries::where_nothing_pays_for_another_attempt_a_silent_server_is_waited_for`, `ejection::what_waits_at_a_server_that_is_out_goes_to_another_at_no_cost` |
//! | 29 | Where pages are told why they are refused, what tells them is asked for before any route, refused to no page, and tells an origin of its own requests alone | experience | `plan::local::tests::what_is_there_is_served_for_the_methods_that_it_has`, `dev::with_it_the_page_and_the_scripts_are_served_to_everybody_on_this_machine`, `dev::an_origin_is_told_of_its_own_requests_alone`, `browser::why::the_console_of_a_page_says_why_it_is_refused_and_which_line_decides` |
//! | 30 | The forward proxy adds no field of CORS and takes none away, answers no preflight and says nothing of the client: what it did there would switch the protection of browsers off, and what it leads to is none of ours | Fetch, "HTTP CORS protocol"; RFC 9110 §7.7 | `forward::what_a_target_answers_passes_its_cors_cookies_and_redirects_too`, `forward::what_looks_like_a_preflight_is_the_targets_to_answer`, `forward::a_url_is_fetched_as_it_is_asked_for_and_nothing_is_said_of_the_client` |
//! | 31 | Requests that name a whole URL, and CONNECT, are the forward proxy's before anybody else's, but for a URL under a name of what is served beside it | RFC 9112 §3.2.2, §3.2.3 | `plan::route::tests::the_forward_proxy_takes_whole_urls_and_connect_but_for_names_of_others`, `forward::it_stands_before_gateway_and_routes_but_for_their_own_names` |
//! | 32 | CONNECT leads to the ports that are named, has no body, and nothing of the answer that makes a tunnel frames one | RFC 9110 §9.3.6 | `forward::a_connect_leads_to_the_ports_that_are_named`, `forward::a_tunnel_carries_bytes_both_ways_what_came_early_first_and_passes_a_half_close_on` |
//! | 33 | No spelling of an address leads the forward proxy where it may not, and no name does by what it resolves to | URL standard, "host parsing"; RFC 6890 | `forward::no_spelling_of_an_address_gets_to_what_is_not_public`, `forward::a_name_is_judged_by_the_address_that_is_connected_to` |

mod date;

mod identity;

mod client;

mod asker;

mod body;

mod target;

mod forward;

mod local;

mod action;

mod misdirected;

mod affinity;

mod route;

mod request;

mod replay;

mod question;

mod silence;

mod attempts;

mod authentication;

pub mod rewrite;

mod response;

mod respond;

#[cfg(test)]
pub(crate) mod sample;

pub use self::{
    action::{Action, Answer, Destination, Exchange, Plan, Service, Withheld},
    affinity::affinity,
    asker::Asker,
    attempts::{AttemptEnd, Attempts, Step},
    body::{BodyProgress, request_body_limits, response_body_limits},
    client::{Client, Refusal},
    date::Date,
    forward::ForwardTarget,
    identity::{Identity, RequestId},
    local::Local,
    request::{is_counted, request},
    respond::{Recipient, Responder, reason},
    response::{Arrived, ResponseContext, ResponsePlan, Seen},
    silence::{Heard, Silence},
    target::{CookiesOnward, Target, admit_target},
};

//! CORS: one policy, and what it makes of every request and response.
//!
//! [`CorsPolicy::compile`] turns settings into a policy whose lines are rendered once; [`decide()`] turns a request
//! head into a [`CorsDecision`]; the `write_…` functions write the fields that follow from it. All of
//! it is pure: no socket, no clock, no log and no knowledge of routes may enter this room.
//!
//! Sources: the Fetch standard ("HTTP CORS protocol", "CORS check", "CORS-preflight fetch"), RFC 6454,
//! RFC 9110.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | A request without `Origin` is no CORS request and is forwarded; under a list of origins its response varies by `Origin` all the same | Fetch, "CORS protocol and HTTP caches"; RFC 9110 §12.5.5 | `cors::decide::tests::a_request_without_an_origin_is_no_cors_request`, `cors::vary_is_merged_and_never_doubled` |
//! | 2 | Several `Origin` lines are no allowed origin, under any policy, and are never echoed | Fetch, "`Origin` header" | `cors::decide::tests::two_origins_are_none`, `cors::two_origins_are_never_echoed` |
//! | 3 | A value that is no serialized origin is on no list; where any origin is allowed, it is enough that it can be one | Fetch, "`Origin` header"; RFC 6454 §7 | `cors::decide::tests::any_origin_means_any_value_that_can_be_one`, `cors::decide::tests::an_actual_request_is_forwarded_and_its_response_shown_or_withheld` |
//! | 4 | A preflight is OPTIONS with an origin and one requested method, and nothing else is | Fetch, "CORS-preflight request" | `cors::only_options_with_origin_and_requested_method_is_a_preflight`, `cors::decide::tests::a_preflight_is_options_with_an_origin_and_one_requested_method` |
//! | 5 | A preflight is answered here, in whatever state the upstream is: only then can a script read the error behind it; the policy may leave it to the upstream instead | Fetch, "CORS-preflight fetch" | `cors::a_preflight_to_a_dead_upstream_succeeds_and_the_request_is_a_readable_502`, `cors::a_preflight_can_be_left_to_the_application` |
//! | 6 | An allowed one is a 204, without body and length | RFC 9110 §8.6, §15.3.5 | `cors::a_preflight_is_answered_at_the_edge_without_touching_the_upstream` |
//! | 7 | A refused one is a 403 that says why and allows nothing | Fetch, "CORS-preflight fetch" | `cors::a_refused_preflight_is_403_with_the_reason_and_nothing_that_allows` |
//! | 8 | GET, HEAD and POST are always allowed; case counts for methods and not for field names | Fetch, "CORS-safelisted method"; RFC 9110 §5.1, §9.1 | `cors::compile::tests::get_head_and_post_are_always_allowed_and_case_counts_for_methods_only`, `cors::decide::tests::a_preflight_is_refused_for_its_origin_its_method_or_a_field` |
//! | 9 | Requested field names are tokens, on however many lines; anything else is a 400 that names the allowed origin | RFC 9110 §5.6.1, §5.6.2 | `cors::header_names_compare_without_case_and_may_come_on_several_lines`, `cors::requested_headers_that_are_no_tokens_are_a_readable_400` |
//! | 10 | What the answer to a preflight depends on stands in its `Vary` | RFC 9110 §12.5.5 | `cors::the_answer_to_a_preflight_varies_by_what_it_depends_on` |
//! | 11 | Browsers ask nobody before they open a WebSocket: where origins are listed, one from elsewhere is refused before the upstream sees it | RFC 6455 §10.2 | `cors::an_upgrade_from_another_origin_never_reaches_the_upstream` |
//! | 12 | Any other request with an `Origin` is forwarded, and its response shown or withheld; `refuse_other_origins` makes it a 403 here, as `deny_origins` makes any of an origin that it names | Fetch, "CORS check" | `cors::decide::tests::an_actual_request_is_forwarded_and_its_response_shown_or_withheld`, `cors::other_origins_can_be_refused_instead_of_hidden`, `cors::an_origin_that_is_denied_is_refused_whatever_else_allows_it` |
//! | 13 | The upstream's CORS fields are replaced, however often they come: by one right set for an allowed origin, by nothing for another. The policy may keep them, but never for an origin that is refused | Fetch, "CORS check" | `cors::the_upstreams_cors_fields_are_replaced_by_one_right_set`, `cors::answer::tests::the_upstreams_fields_are_stripped_unless_they_are_kept_for_an_allowed_origin` |
//! | 14 | That holds for every status of the upstream | Fetch, "CORS check" | `cors::every_status_of_the_upstream_is_readable` |
//! | 15 | `Origin` is merged into `Vary` once, and `Vary: *` stays alone | RFC 9110 §12.5.5 | `cors::vary_is_merged_and_never_doubled` |
//! | 16 | Under any origin `*` is sent with and without `Origin`: a cache may answer the one from the other. What goes without it, to a value that is no origin, varies by `Origin` | Fetch, "CORS protocol and HTTP caches" | `cors::answer::tests::without_an_origin_a_list_only_varies_and_a_star_is_sent_all_the_same`, `cors::answer::tests::a_response_to_another_origin_carries_no_permission` |
//! | 17 | Credentials need a list of origins; then the origin is echoed and nothing is a `*` | Fetch, "CORS protocol and credentials" | `cors::compile::tests::credentials_need_a_list_of_origins`, `cors::with_credentials_the_origin_is_echoed_and_lists_are_never_a_star` |
//! | 18 | `null` is never granted credentials: any sandboxed frame can be it | experience | `cors::compile::tests::null_is_never_granted_credentials` |
//! | 19 | Exposed are the names that really leave and that scripts cannot read anyway, but never `Set-Cookie`; or those that the policy lists | Fetch, "CORS-exposed header-name list" | `cors::lists::tests::exposed_are_the_names_of_this_response_that_scripts_cannot_read_anyway`, `cors::lists::tests::what_does_not_leave_is_not_exposed`, `gateway::what_the_gateway_removed_is_not_exposed`, `cors::answer::tests::exposed_are_own_names_extra_names_and_the_upstreams_or_those_of_a_list` |
//! | 20 | What corsair answers itself carries what a success would: an error that a script cannot read is none | Fetch, "CORS check" | `cors::every_error_that_corsair_makes_is_readable_by_the_page`, `cors::timeouts_are_readable_by_the_page`, `cors::upstream_failures_are_readable_by_the_page`, `cors::the_gateways_own_texts_are_readable_by_the_page`, `plan::respond::tests::every_error_carries_the_cors_fields_of_a_success` |
//! | 21 | A head that cannot be understood is answered for the `Origin` that can be read in it, and with `*` where that is the policy | Fetch, "CORS check" | `cors::answer::tests::an_error_for_an_unreadable_head_uses_the_origin_that_was_found` |
//! | 22 | Browsers send `Origin` behind the author's fields: of a head that is too long, the rest is searched for it where the answer depends on it (as far as rule 3 of [`proxy`](crate::proxy) says) | measured | `cors::an_origin_far_behind_the_head_limit_is_still_found` |
//! | 23 | No field that is written holds bytes that were not validated | RFC 9110 §5.5 | `cors::soundness::whatever_is_asked_the_fields_are_sound` |
//! | 24 | A policy that only reports decides, and changes nothing | experience | `cors::decide::tests::a_policy_that_only_reports_decides_but_answers_nothing`, `cors::answer::tests::a_policy_that_only_reports_writes_nothing_but_the_upstreams_vary` |
//! | 25 | A request whose `Origin` is the one that it is addressed to is an application talking to itself: no policy refuses it, and its response needs no permission. Several origins are never it | Fetch, "CORS check"; RFC 6454 §5 | `cors::origin::tests::an_origin_is_the_same_by_scheme_host_and_port_however_the_host_is_spelled`, `cors::decide::tests::an_application_that_talks_to_itself_is_never_refused`, `cors::an_applications_own_page_is_never_refused`, `cors::a_rebound_page_is_no_page_of_the_applications_own` |
//! | 26 | What cannot work is said in the verdict: an answer of the upstream's that no browser accepts, credentials that the policy does not grant, cookies that the gateway has dropped | Fetch, "CORS check" | `cors::answer::tests::what_no_browser_accepts_is_never_called_allowed`, `cors::answer::tests::credentials_without_effect_are_told`, `cors::an_answer_that_no_browser_accepts_is_called_so`, `gateway::dropped_cookies_are_told` |
//! | 27 | An entry `NAME-*` of the request fields that a preflight grants stands for all that begin so; granted are those that were asked for, for browsers know no such names | Fetch, "CORS-preflight fetch" | `cors::decide::tests::an_entry_that_ends_in_a_dash_and_a_star_allows_all_fields_that_begin_so`, `cors::compile::tests::no_such_entry_is_exposed`, `presets::what_browser_clients_of_such_servers_ask_for_is_granted` |

mod reason;

mod origin;

mod pattern;

mod policy;

mod compile;

mod lines;

mod lists;

mod decide;

mod answer;

#[cfg(test)]
mod sample;

#[cfg(test)]
mod soundness;

pub use self::{
    answer::{
        Transit, Upstream, strips, write_origin_fields, write_preflight, write_reason, write_response_fields,
    },
    compile::NamedOrigins,
    decide::{CorsDecision, Credentials, PreflightAnswer, Refusal, Stage, decide, decide_origin},
    origin::{is_same_origin, is_serialized_origin},
    policy::{CorsPolicy, CorsSettings, PolicyFault, Preflight, ResourcePolicy, UpstreamHeaders},
    reason::Reason,
};

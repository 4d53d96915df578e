//! The gateway's language: which target a path names, and where a redirect leads.
//!
//! Pure functions from a request target or a `Location` to a [`TargetUrl`](crate::uri::TargetUrl). Whether its host
//! may be reached is asked in [`access`](crate::access). No socket, no name resolution and no rule of an operator
//! may enter this room.
//!
//! # The rules
//!
//! To a browser all targets are one origin, the gateway's: with it they would share cookies, storage, passwords and
//! workers. So nothing of one target may act on that origin, or be sent to another target. What is said of redirects
//! holds unless the operator has them passed on as they are. Fields are taken out in [`plan`](crate::plan).
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Cookies go neither to a target nor to the browser, unless the operator says otherwise | RFC 6265 §8.5 | `gateway::cookies_are_stripped_both_ways`, `gateway_cookies::passed_cookies_go_both_ways_as_they_are` |
//! | 2 | A target learns neither the page nor its origin | experience | `gateway::origin_and_referer_are_not_sent_to_the_target` |
//! | 3 | Fields that act on an origin are dropped, in interim responses and in a 101 too: of what belongs to the platform, only what is known to be harmless leaves | experience | `gateway::fields::tests::what_acts_on_an_origin_stays_and_what_describes_a_message_leaves`, `gateway::fields::tests::a_field_that_the_platform_adds_to_one_of_its_families_stays`, `plan::rewrite::tests::responses::a_target_cannot_act_on_the_gateways_origin`, `gateway::a_target_cannot_act_on_the_gateways_own_origin`, `plan::response::tests::a_target_cannot_act_on_the_gateways_origin_by_switching_or_in_advance` |
//! | 4 | What a browser could take for a document of this origin is put into a sandbox, an unknown, missing, listed or doubled type above all | CSP 3, `sandbox`; MIME Sniffing | `plan::rewrite::tests::responses::what_is_known_to_be_inert_is_not_guessed_at`, `plan::rewrite::tests::responses::what_a_browser_could_take_for_a_document_is_put_into_a_sandbox`, `plan::rewrite::tests::responses::a_target_that_names_no_media_type_is_sandboxed_for_browsers_guess`, `plan::rewrite::tests::responses::of_a_list_of_media_types_browsers_take_the_last` |
//! | 5 | `Authorization` does not follow a redirect to another origin: a rewritten `Location` carries the mark `credentials=omit`, for to the browser it is the same origin | Fetch, "HTTP-redirect fetch" | `gateway::a_rewritten_redirect_to_another_origin_leaves_credentials_behind`, `plan::route::tests::a_request_that_carries_the_mark_of_a_redirect_goes_without_credentials`, `gateway::parse::tests::the_mark_of_a_redirect_to_another_origin_is_read_where_it_is_not_the_targets`, `gateway::authorization_stays_with_the_origin_it_was_meant_for` |
//! | 6 | A redirect changes method and body as a browser would | Fetch, "HTTP-redirect fetch"; RFC 9110 §15.4 | `gateway::redirect::tests::a_redirect_changes_the_method_as_fetch_does`, `gateway::a_redirect_is_followed_with_the_method_and_body_that_its_status_asks_for` |
//! | 7 | One that keeps a body is followed with it where all of that has been kept, and is else left to the browser, with a `Location` in the gateway | RFC 9110 §15.4.8 | `gateway::a_redirect_that_keeps_a_body_is_followed_with_it`, `gateway::a_body_that_is_not_kept_is_answered_with_a_location_in_the_gateway`, `gateway::a_307_with_a_body_beyond_the_replay_limit_gets_its_location_rewritten`, `plan::response::tests::a_redirect_that_keeps_the_body_is_left_to_the_browser` |
//! | 8 | Ten are followed, then it is a 508 | RFC 9110 §15.4 | `gateway::a_redirect_loop_ends_in_508_after_a_bounded_number_of_requests` |
//! | 9 | Every hop is judged as a first target is | experience | `gateway::a_redirect_to_a_prohibited_address_is_403_and_not_followed` |
//! | 10 | A `Location` by which a browser could leave the gateway ends the exchange: one with userinfo, or several | experience | `gateway::redirect::tests::a_location_that_a_browser_could_follow_out_of_the_gateway_is_refused`, `plan::response::tests::a_location_that_a_browser_could_follow_out_of_the_gateway_ends_the_exchange` |
//! | 11 | One that leads to no http or https URL is not followed and does not leave: we cannot read it, but a browser might | experience | `plan::response::tests::a_location_that_leads_to_no_http_url_never_reaches_a_gateways_client`, `gateway::a_redirect_with_userinfo_or_another_scheme_is_not_followed` |
//! | 12 | However a prohibited host is spelled, it is prohibited | URL standard, "host parsing" | `gateway::no_spelling_of_a_prohibited_address_is_connected_to` |
//! | 13 | A gateway on loopback serves loopback names and those that it is told, so that a page whose name was bound to 127.0.0.1 cannot use it | experience | `gateway::a_loopback_listener_serves_only_loopback_hosts` |
//! | 14 | An absolute target names the gateway itself; it is no forward proxy | RFC 9112 §3.2.2 | `gateway::an_absolute_form_request_must_name_the_gateway_itself` |
//! | 15 | Where fields are required, a request with none of them is refused: the gateway is not for browsing | experience | `gateway::a_required_field_keeps_others_out` |
//! | 16 | What is not to be seen of the client and of the gateway, a target is not told: it is no back end of ours | RFC 7239 §8.3 | `gateway::fields::tests::a_target_is_told_neither_who_asks_nor_through_whom`, `plan::rewrite::tests::a_target_is_told_neither_who_asks_nor_what_the_gateway_is_called`, `gateway::a_target_is_told_neither_who_asks_nor_through_which_gateway` |
//! | 17 | A target's challenge leaves as `X-WWW-Authenticate`: under its own name a browser would ask for a password, and hand it to the next target that asks | RFC 7617 §2.2 | `gateway::fields::tests::a_challenge_leaves_under_a_name_that_no_browser_asks_for_a_password_by`, `plan::rewrite::tests::responses::a_targets_challenge_reaches_scripts_and_no_browser`, `gateway::a_targets_challenge_never_reaches_the_browser_under_its_name`, `browser::gateway::a_browser_hands_no_targets_password_to_another` |
//! | 18 | A 3xx that is no redirect to Fetch leaves without its `Location`, which some browsers would follow | Fetch, "redirect status" | `plan::response::tests::the_location_of_a_3xx_that_is_no_redirect_does_not_leave` |
//! | 19 | Scripts are told of no field that does not leave | Fetch, "CORS protocol" | `plan::rewrite::tests::responses::scripts_are_told_of_no_field_that_does_not_leave` |
//! | 20 | Credentials go to a target only where a script can have set them for it; those that browsers keep for an origin never where an application shares it | Fetch, "HTTP-network-or-cache fetch" | `plan::route::tests::credentials_go_to_a_target_only_where_a_script_can_have_set_them`, `browser::gateway::a_browser_gives_nothing_of_an_application_to_a_target_beside_it`, `gateway::the_applications_password_and_origin_are_kept_from_targets_beside_it` |
//! | 21 | As a target is spelled by other tools it is understood; what is not is answered with how it is written | experience | `gateway::parse::tests::a_target_is_read_in_every_form`, `gateway::every_form_of_a_target_reaches_it`, `gateway::what_is_not_understood_is_told_how_it_is_written` |
//! | 22 | What would run as the shared origin is refused: workers always, and beside an application its scripts, styles, frames and documents | Fetch, "request destination"; Service Workers, "Service-Worker" | `plan::route::tests::what_would_act_as_the_gateways_origin_is_not_loaded`, `gateway::the_applications_password_and_origin_are_kept_from_targets_beside_it` |
//! | 23 | `ws` and `wss` are read as http and https, and may only be upgraded | RFC 6455 §3 | `gateway::parse::tests::a_websockets_scheme_is_read_as_the_one_of_http`, `plan::route::tests::a_websockets_target_may_only_be_upgraded` |
//! | 24 | Where strangers reach it, it is restricted by something that names somebody: a list of targets, a list of origins, or knowingly by nothing. `null`, expressions that admit anybody, wildcards over a public suffix and networks that hold the internet are no list | experience | `config::compile::tests::an_open_gateway_is_not_published_unknowingly`, `cors::compile::tests::a_list_names_somebody`, `access::networks::tests::halves_and_detours_hold_the_internet_as_much_as_a_whole` |
//! | 25 | CORS binds browsers only: where a list of origins is all that restricts, requests without one of them are refused | experience | `gateway::published_for_some_origins_it_serves_nobody_else`, `plan::route::tests::a_gateway_that_only_origins_restrict_serves_nothing_without_one_of_them` |
//! | 26 | Hosts that the operator names are asked for on every listener, of the application too | experience | `gateway::hosts_that_were_named_are_asked_for_on_every_listener`, `plan::route::tests::hosts_that_were_typed_are_asked_for_everywhere` |
//! | 27 | Where the operator lists names, a page sets those fields of a request that a browser keeps from scripts, and no other; credentials among them go to no other origin behind a redirect | experience | `gateway::set_fields::tests::a_name_that_is_listed_takes_the_place_of_the_browsers_own`, `gateway::a_page_sets_fields_that_the_operator_lists` |
//! | 28 | What an operator adds for a target goes there and nowhere else: it is asked for anew at each hop, never sent with TRACE, and nothing that leaves corsair for the client, its log or its admin listener holds a value of it | Fetch, "HTTP-redirect fetch"; RFC 9110 §9.3.8 | `gateway::pattern::tests::a_target_is_meant_by_its_scheme_its_host_and_its_port`, `gateway_targets::what_is_added_for_a_target_takes_the_place_of_what_came`, `gateway_targets::at_a_redirect_each_target_gets_its_own`, `gateway_targets::a_trace_brings_nothing_back`, `gateway_targets::no_byte_that_leaves_corsair_holds_the_secret` |
//! | 29 | It is sent for whom the answer may be shown to, and for programs: a page whose origin is not allowed uses no secret, and neither does what it loads without asking | Fetch, "CORS check"; Fetch Metadata, "Sec-Fetch-Site" | `plan::route::tests::nothing_is_added_for_a_page_that_may_not_read_the_answer`, `gateway_targets::a_page_that_may_not_read_uses_no_secret` |
//! | 30 | Isolated cookies bear the mark of their target, scheme and port included; a target gets those of its mark under its own names, and an application beside it none of a target's | RFC 6265 §8.5, §8.6 | `gateway::cookies::tests::a_mark_is_scheme_host_and_port_and_part_of_a_name`, `gateway::cookies::tests::a_target_gets_its_own_under_the_names_that_it_gave_them`, `gateway_cookies::isolated_cookies_come_back_to_their_target_alone`, `gateway_cookies::an_application_beside_gets_none_of_a_targets_cookies` |
//! | 31 | They have no `Domain`, a place of their own where their target has one, and over TLS `SameSite=None; Secure; Partitioned`; what a name such as `__Host-` promises is so, or the cookie is dropped, and that is told | RFC 6265bis §4.1.3, §5.7 | `gateway::cookies::tests::a_cookie_is_of_its_target_alone_and_keeps_what_it_promises`, `gateway_cookies::over_tls_they_can_be_used_by_pages_of_other_sites`, `gateway_cookies::a_cookie_that_cannot_be_kept_is_told` |
//! | 32 | What is set on a redirect that is followed counts for the hops behind it, and reaches the browser with the answer; of all together no more than a number and a size that are fixed | Fetch, "HTTP-redirect fetch" | `gateway::cookies::tests::what_is_set_on_the_way_counts_and_what_is_deleted_is_gone`, `gateway::cookies::tests::a_jar_has_its_bounds`, `gateway_cookies::what_a_hop_sets_counts_for_the_next_and_reaches_the_browser` |
//! | 33 | Where the operator says so, a page that asks for something of its own origin is sent there, with its method: 302 with GET and HEAD, else 307 | RFC 9110 §15.4 | `plan::route::tests::a_page_is_sent_to_its_own_origin_where_that_is_wanted`, `gateway::a_page_that_asks_for_its_own_origin_is_sent_there` |

mod texts;

mod fields;

mod set_fields;

mod form;

mod cookies;

mod parse;

mod redirect;

mod pattern;

pub use self::{
    cookies::{Jar, Scope, SetCookie, cookies_for, cookies_of_no_target},
    fields::{Passage, RENAMED_CHALLENGE, passage, tells_of_the_client},
    form::{Form, GatewayForms, Naming},
    parse::{GatewayRequest, is_path_of_other_tools, parse},
    pattern::TargetPattern,
    redirect::{Hop, HopMethod, next_hop, to_gateway_location},
    set_fields::{SetField, SetFields},
    texts::{HEALTHY, INVALID, MISSING, MISSING_HTML, NOT_FOUND, USAGE},
};

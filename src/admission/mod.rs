//! Who is let in: what a request must show before a route or the gateway takes it.
//!
//! An [`AccessTable`] is one way in, `[access.NAME]` of a file: a network of the client, a token, a password, a page of the
//! right site, a link that was signed, or what a service says. [`judge`] asks all those that a route names. It decides about everything that needs no
//! wait: to verify a password that nobody has shown before is made to take long, so that it leaves an [`Attempt`] for somebody
//! who has the time, and a service is asked by whoever has sockets. Files are read elsewhere; no socket, no clock and no task
//! may enter this room, and nothing here writes a credential anywhere.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | All tables that are named must admit; the cheapest is asked first, and the first that refuses is told | experience | `admission::table::tests::all_tables_must_admit_and_the_first_that_refuses_is_told`, `access::two_tables_must_both_admit` |
//! | 2 | A preflight carries no credentials, and is asked for none; every other `OPTIONS` is a request like any | Fetch, "CORS-preflight fetch" | `access::each_way_in_admits_what_it_should_and_its_refusals_are_readable`, `access::an_options_that_is_no_preflight_is_asked` |
//! | 3 | Credentials stand in one `Authorization` of one scheme, whose name has no case; several, malformed ones and very long ones are as wrong as any | RFC 9110 §11.6.2; RFC 7617 §2; RFC 6750 §2.1 | `admission::authorization::tests::credentials_are_read_from_one_field_of_the_scheme`, `admission::authorization::tests::whatever_is_sent_is_read_as_a_slow_look_at_it_does` |
//! | 4 | A token is compared by its digest, and one that was right before by itself, with all that there are and in constant time | RFC 6750 §5.2 | `admission::tokens::tests::a_token_is_known_plain_or_by_its_digest` |
//! | 5 | A password that was right is remembered by a keyed digest and costs no second verification, over a reload too; where its line has changed, nothing is remembered | experience | `admission::users::tests::a_right_password_is_remembered_and_no_other`, `admission::users::tests::what_is_remembered_outlives_a_reload_of_the_same_line` |
//! | 6 | A user who does not exist takes as long as one whose password is wrong | experience | `admission::users::tests::who_does_not_exist_is_verified_as_everybody_is` |
//! | 7 | A client is who a trusted proxy says it is; one without an address is in no network, and is not admitted by one | experience | `admission::clients::tests::a_client_is_admitted_by_its_network_and_never_without_an_address`, `access::the_client_is_who_a_trusted_proxy_says`, `access::a_balancer_that_names_no_client_is_not_let_in_for_it` |
//! | 8 | A page is of the site that `Sec-Fetch-Site` says; where a client sends none, `Origin` is held against the host that is asked for, and what has neither is no browser's and is admitted | Fetch Metadata §2.4; RFC 6454 §7 | `admission::site::tests::a_page_is_judged_by_what_the_browser_says_of_it`, `admission::site::tests::without_sec_fetch_site_the_origin_is_held_against_the_host` |
//! | 9 | A 401 says how to do better, in a field that scripts can read; that a token is wrong, and not missing, is said too | RFC 9110 §11.6.1; RFC 6750 §3; RFC 7617 §2 | `admission::table::tests::a_challenge_says_what_is_wanted`, `access::each_way_in_admits_what_it_should_and_its_refusals_are_readable` |
//! | 10 | What was verified goes on to the upstream of a route, and to no target of the gateway | experience | `access::what_was_verified_goes_to_an_upstream_and_to_no_target` |
//! | 11 | Passwords are verified a few at a time, beside all traffic; of those that wait one network has a share, and more are refused with a 503 | experience | `access::guessing_passwords_keeps_nobody_else_waiting`, `proxy::verifications::tests::so_many_wait_and_so_many_of_one_network` |
//! | 12 | A file that cannot be read at a reload leaves in force what was read last, and is told; at the start it is a fault | experience | `access::a_file_is_read_anew_at_a_reload_and_kept_where_it_cannot_be` |
//! | 13 | No credential and no name of a user reaches a log, an error, what is printed or what is explained | experience | `access::no_credential_reaches_a_log`, `config::access::tests::tokens_are_told_to_nobody` |
//! | 14 | Who was let in is a user, the bearer of a token or whoever has a link, so that they can be counted | experience | `admission::table::tests::who_was_let_in_is_a_user_or_a_token_and_nobody_where_none_is_asked_for` |
//! | 15 | What a request shows in its target is no part of that for anybody else: it is taken out before the target is read, whatever becomes of the request. A token goes no further in any form, nor does a `Referer` that has either | experience | `admission::shown::tests::a_token_is_taken_out_wherever_it_stands_in_the_query`, `admission::shown::tests::nothing_of_a_token_is_left_and_everything_else_is`, `admission::shown::tests::a_signature_is_taken_out_and_stands_last_without_the_token`, `signed::what_a_link_is_signed_by_reaches_no_log`, `signed::a_token_lets_into_the_gateway_from_each_of_its_places_and_goes_no_further`, `signed::a_token_restricts_the_upstream_of_flags_which_sees_nothing_of_it` |
//! | 16 | A link is signed for one method (GET covers HEAD), host, path and query, until a time, in parts that cannot run into each other; a signature has one spelling and stands last | RFC 2104 | `admission::signed::tests::a_signature_is_of_one_method_host_target_and_time`, `admission::signed::tests::no_part_runs_into_the_next`, `admission::signed::tests::a_signature_is_the_last_three_parameters_in_their_order`, `signed::a_signed_link_lets_in_until_its_time_and_its_refusals_are_readable`, `signed::a_method_is_signed_and_a_host_is_that_which_the_client_asks` |
//! | 17 | That a time is over is told only of what was signed; a wrong signature, a wrong key and another link are told alike | experience | `admission::signed::tests::a_signature_is_of_one_method_host_target_and_time`, `signed::a_signed_link_lets_in_until_its_time_and_its_refusals_are_readable` |
//! | 18 | A token of `--token` is read from `X-Corsair-Token`, else from the query, else from `Authorization`, which is somebody else's where one of the others is there; several in one place are wrong | experience | `admission::table::tests::a_token_is_shown_in_one_of_three_places`, `signed::without_its_token_a_gateway_answers_401_that_a_page_can_read` |
//! | 19 | To a forward proxy credentials are shown in `Proxy-Authorization`, which goes no further, and a refusal is a 407; preflights are asked as well, for browsers send it with them | RFC 9110 §11.7, §15.5.8; Fetch, "HTTP-network-or-cache fetch" | `admission::authorization::tests::a_proxy_reads_a_field_of_its_own`, `forward::who_may_use_it_shows_proxy_authorization_which_goes_no_further` |
//! | 20 | A service is asked with the fields of a request and nothing of its body, and its 2xx lets in; what else it says is the answer, and without an answer nobody is let in | Traefik, "ForwardAuth"; nginx, "auth_request" | `access_forward::the_service_is_asked_about_the_request_and_gets_nothing_of_its_body`, `access_forward::anything_but_a_2xx_is_the_answer_and_a_page_can_read_it`, `access_forward::where_the_service_cannot_be_asked_it_is_a_503_that_a_page_can_read`, `access_forward::a_body_is_not_asked_for_before_the_request_is_let_in` |
//! | 21 | What a service says of who asks is all that an upstream hears of it: a client's own word goes no further under these names, however they are spelled, and no target of the gateway hears any of it | experience | `admission::forward::tests::a_name_is_spoken_for_however_a_back_end_may_read_it`, `access_forward::what_the_service_says_of_who_asks_takes_the_place_of_what_the_client_says`, `access_forward::what_lets_somebody_in_at_a_gateway_goes_to_no_target` |
//! | 22 | A token is signed by an algorithm of the list with a key that is for it, says until when it is good, and whom it is for; it is verified by what is at hand, and says nothing of where keys are | RFC 8725 §3; RFC 7519 §4.1 | `access_jwt::a_token_lets_in_by_its_signature_and_its_claims`, `access_jwt::a_secret_lets_in_what_is_signed_with_it`, `admission::keys::tests::a_set_holds_what_can_verify_signatures_and_nothing_else` |
//! | 23 | A token that was right is remembered until it ends or the keys change | experience | `admission::jwt::tests::a_token_is_remembered_until_it_ends_or_the_keys_change`, `access_jwt::keys_are_fetched_for_a_token_that_bears_an_unknown_name_and_old_ones_let_nobody_in_then` |
//! | 24 | Keys that cannot be fetched leave in force those that were there last; where there never were any, it is a 503 | experience | `access_jwt::without_keys_it_is_a_503_and_the_last_good_ones_are_kept` |

mod authorization;

mod tokens;

mod users;

mod clients;

mod site;

mod signed;

mod shown;

mod forward;

mod keys;

mod jwt;

mod table;

pub use self::{
    authorization::{Audience, MAX_CREDENTIALS, basic, bearer, bearer_within},
    clients::ClientRules,
    forward::{ForwardAuth, speaks_for},
    jwt::{KnownTokens, MAX_REMEMBERED, MAX_TOKEN, TokenFault, TokenRules},
    keys::{KeySet, KeyStore, MAX_PUBLIC_KEYS},
    shown::{Shown, Takes},
    signed::{Keys, Link, MAX_KEY, MAX_KEYS, MIN_KEY, Signature},
    site::{Site, SiteRules},
    table::{AccessTable, Admission, Asked, Challenges, Way, attempt, judge, person, token_in_authorization},
    tokens::{MAX_TOKENS, Tokens},
    users::{Attempt, HIGHEST_COST, MAX_USERS, Users},
};

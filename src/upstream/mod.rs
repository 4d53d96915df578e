//! Connections to upstreams: opened once, used as often as they allow.
//!
//! Which server is asked next, and which is out, is decided by plain data that knows no connection. What HTTP is, and
//! whether a connection may be used again, the callers know: no message may enter this room but a probe's own.
//!
//! - `balance`: which server of an upstream is next
//! - `budget`: how many requests may be sent once more
//! - `health`: whether one is usable
//! - `servers`: all of them, as the whole process knows them: which are usable, and what they have under way
//! - `room`: how many connections may be open
//! - `queue`: who waits for one
//! - `lease`: a connection while one exchange has it
//! - `bound`: connections that belong to one client connection
//! - `parent`: through a parent proxy
//! - [`pool`]: connections between two exchanges
//! - `discovery`: which servers names stand for
//! - [`connector`]: from a name to an open connection
//! - `probe`: servers are asked whether they are well
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | A connection is looked at before it is used again: one that has ended, or on which something came, is dropped | RFC 9112 §9.2, §9.5 | `upstream::pool::tests::one_that_has_died_or_says_something_is_passed_over` |
//! | 2 | For a request that cannot be sent twice the kernel itself is asked | RFC 9110 §9.2.2 | `upstream::a_post_is_not_lost_when_the_idle_connection_was_already_closed` |
//! | 3 | It is kept only where request and response ended exactly on their framing, and nobody wants to close | RFC 9112 §9.3 | `upstream::a_connection_that_is_not_surely_clean_is_closed`, `upstream::an_answer_before_the_end_of_the_upload_does_not_return_the_connection` |
//! | 4 | The newest goes first, and only to the endpoint that it was opened to | experience | `upstream::pool::tests::the_newest_goes_first_and_each_endpoint_has_its_own` |
//! | 5 | Idle ones are bounded for each endpoint and in all, and their age | experience | `upstream::pool::tests::of_too_many_for_one_endpoint_the_oldest_is_closed`, `upstream::pool::tests::there_are_never_more_than_the_total`, `upstream::pool::tests::none_waits_longer_than_the_limit` |
//! | 6 | What an upstream announces, less a second, shortens that age and never lengthens it | RFC 2068 §19.7.1.1 | `upstream::pool::tests::what_an_upstream_announces_shortens_the_wait_and_never_lengthens_it` |
//! | 7 | The address that was judged is the one that is connected to; no second resolution comes between | experience | `gateway::a_name_is_judged_by_the_address_it_resolves_to`, `gateway::no_second_resolution_comes_between_the_judgement_and_the_connection` |
//! | 8 | Before it is used again, a connection's address is judged again | experience | `upstream::pool::tests::a_peer_that_is_no_longer_admitted_is_closed` |
//! | 9 | A certificate is verified for chain, dates and name before a byte of a request is sent, unless the operator switches that off | RFC 9110 §4.3.4 | `upstream_tls::a_server_that_cannot_be_trusted_is_a_502_and_gets_no_request_byte`, `upstream_tls::verification_can_be_switched_off_knowingly` |
//! | 10 | A server that cannot be connected to is passed over for the next one | experience | `upstream::a_dead_server_among_several_is_skipped`, `upstream::balance::tests::where_all_that_are_usable_have_failed_the_others_are_tried` |
//! | 11 | A tunnel's connection is never kept | RFC 9110 §7.8 | `websocket::a_tunnel_connection_never_returns_to_the_pool` |
//! | 12 | A connection on which a client has logged in is never pooled: it waits for that client's next request, and ends with it | RFC 4559 §6 | `upstream::a_connection_that_authenticates_serves_one_client_alone`, `upstream::a_connection_that_authenticates_ends_with_its_client`, `upstream::bound::tests::each_endpoint_has_one_and_the_least_recently_used_goes` |
//! | 13 | Of too many in all the longest idle of whoever has most goes, where all targets that clients chose are one: they push no server of the operator's out | experience | `upstream::pool::tests::when_there_are_too_many_the_longest_idle_of_whoever_has_most_goes`, `upstream::pool::tests::whoever_walks_through_targets_leaves_nothing_behind_and_the_application_its_connections` |
//! | 14 | Descriptors are a budget: connections to upstreams may take as many as there may be clients, and idle ones are given up first, also when the system has none left | experience | `limits::a_client_that_walks_through_origins_leaves_descriptors_for_everybody_else`, `net::descriptors::tests::what_is_open_and_what_races_is_counted_exactly` |
//! | 15 | A request races four addresses at a time and sixteen in all, and fewer where descriptors are scarce | RFC 8305 §5 | `net::connect::tests::of_many_silent_addresses_few_are_tried_at_a_time_and_each_has_its_time`, `net::connect::tests::of_more_addresses_than_sixteen_the_others_are_not_tried`, `limits::names_with_many_silent_addresses_leave_descriptors_for_everybody_else` |
//! | 16 | A lookup that nobody waits for gives its place up, and one that has run longest gives way to one that waits: silent names keep nobody from good ones | experience | `net::dns::resolver::tests::a_lookup_that_nobody_waits_for_gives_its_place_up`, `net::dns::resolver::tests::silent_names_give_way_to_one_that_waits`, `net::places::tests::a_place_is_given_up_for_one_that_waits_when_it_has_had_its_time_and_no_other` |
//! | 17 | Names that were good before never wait behind names that were not | experience | `net::dns::resolver::tests::names_that_were_good_before_wait_behind_none_that_was_not` |
//! | 18 | An address of this machine itself, whatever its range, is judged as loopback: asked of the kernel after connecting, before a byte is sent | experience | `upstream::connector::tests::an_own_address_is_known_by_the_kernel`, `access::tests::an_own_address_of_any_range_is_judged_as_loopback` |
//! | 19 | A server that cannot be connected to is out at once; one that took a request and gave no answer too, unless it answered others meanwhile: then, and where statuses count, it takes several in a row. What a client does, and the end of an idle connection, count for nothing | experience | `upstream::health::tests::what_keeps_a_server_from_being_connected_to_takes_it_out_at_once`, `upstream::health::tests::a_request_without_an_answer_takes_it_out_when_nothing_else_was_answered_meanwhile`, `upstream::health::tests::else_it_takes_so_many_in_a_row`, `upstream::servers::tests::a_connection_that_had_gone_stale_tells_nothing_of_its_server`, `ejection::whatever_is_no_answer_takes_a_server_out`, `ejection::a_server_that_answers_503_three_times_in_a_row_is_out`, `ejection::a_slow_url_takes_no_server_out_while_others_are_answered`, `ejection::a_client_that_leaves_takes_no_server_out` |
//! | 20 | One that is out gets nothing while another is usable; the last usable one stays, and where all fail all are tried | experience | `upstream::servers::tests::the_last_usable_server_stays_whatever_happens_to_it`, `upstream::balance::tests::those_that_are_out_are_passed_over_and_their_turns_go_round`, `ejection::a_dead_server_gets_nothing_until_a_probe_can_connect`, `ejection::the_last_usable_server_stays_and_the_others_are_tried_rather_than_to_refuse` |
//! | 21 | Only probes bring it back, two good ones in a row: a connection where that was refused, else an answer, for the kernel takes connections for a process that is stopped | experience | `upstream::health::tests::two_probes_in_a_row_bring_it_back_and_the_second_follows_soon`, `upstream::health::tests::what_was_asked_before_it_came_back_counts_for_nothing`, `ejection::a_probe_asks_as_requests_do` |
//! | 22 | One that is taken out again soon stays out longer, twice as long each time | experience | `upstream::health::tests::one_that_is_taken_out_again_soon_stays_out_longer_each_time` |
//! | 23 | Of connections on which one client has logged in at several upstreams, one is kept where there are as many connections to upstreams as there may be | experience | `upstream::bound::tests::one_is_kept_where_there_are_as_many_connections_as_there_may_be` |
//! | 24 | A chain of certificates has at most 16 of them, and 32 KiB | experience | `bounds::an_upstream_that_shows_too_many_certificates_is_a_502` |
//! | 25 | A worker carries out 128 handshakes with upstreams at once; one that has run longest, and for a second, gives way to one that waits | experience | `upstream_tls::silent_handshakes_give_way_to_one_that_waits`, `bounds::handshakes_with_upstreams_that_never_end_are_in_the_bound` |
//! | 26 | Servers have requests by their weights and those of one are spread evenly, unless the operator says otherwise: to whom has the least under way, or the better of two; a backup has some only where no other is usable | experience | `upstream::balance::tests::each_gets_its_weight_and_turns_are_spread_evenly`, `upstream::balance::tests::the_one_with_the_least_under_way_for_its_weight_is_next`, `upstream::balance::tests::a_backup_is_used_where_no_other_is_usable`, `servers::servers_have_requests_by_their_weights`, `servers::a_backup_has_requests_only_where_no_other_server_is_usable`, `servers::the_server_with_the_least_under_way_is_next` |
//! | 27 | Requests with the same key go to the same server, in every process: where one goes only its own keys move, and one with more than its share under way leaves them to the next | experience | `upstream::balance::tests::a_key_has_its_server_and_where_one_goes_only_its_own_keys_move`, `upstream::balance::tests::a_server_that_has_more_than_its_share_leaves_keys_to_the_next`, `plan::affinity::tests::requests_that_have_the_same_in_common_have_the_same_key`, `servers::requests_with_the_same_key_go_to_the_same_server_and_where_it_dies_no_others_move` |
//! | 28 | Where the operator wants all servers probed, bad probes in a row take one out, the last one too, and good ones bring it back; its share grows from then on | experience | `upstream::health::tests::probes_in_a_row_take_a_server_out_and_bring_it_back`, `upstream::servers::tests::the_share_of_one_that_is_back_grows`, `servers::probes_take_out_a_server_that_is_not_well_and_bring_it_back_and_no_request_fails`, `servers::without_a_path_a_server_is_well_that_can_be_connected_to`, `servers::an_only_server_that_is_not_well_is_tried_rather_than_to_refuse` |
//! | 29 | Requests take no more servers out at a time than they may | experience | `upstream::servers::tests::requests_take_no_more_servers_out_than_they_may_and_probes_any` |
//! | 30 | No more connections are open to a server, and to an upstream, than may be, idle ones included, over all workers; so many requests wait for one, the longest waiting first, and others are told to come again | experience | `upstream::room::tests::there_are_never_more_connections_than_places`, `upstream::queue::tests::the_longest_waiting_is_first_and_nobody_is_forgotten`, `servers::no_more_connections_are_open_than_may_be_and_so_many_requests_wait`, `servers::whoever_waits_has_the_connection_before_whoever_comes_later`, `servers::a_request_that_has_waited_long_enough_is_told_to_come_again`, `servers::an_idle_connection_of_another_worker_makes_room` |
//! | 31 | Where the operator wants that, what cannot be sent twice goes out on a connection that served nothing before | RFC 9110 §9.2.2 | `servers::what_cannot_be_sent_twice_goes_out_on_a_connection_of_its_own_where_that_is_wanted` |
//! | 32 | Every request allows for a share of a further attempt, at most ten of them wait, and there are ten at first: a failure of all servers multiplies nothing. What a refused connection or one that has gone stale costs is not counted, nor what leaves a silent server that is out | experience | `upstream::budget::tests::there_are_ten_attempts_at_first_and_never_more`, `upstream::budget::tests::every_request_adds_its_share`, `retries::where_every_server_fails_the_additional_load_stays_within_the_budget`, `ejection::what_waits_at_a_server_that_is_out_goes_to_another_at_no_cost` |
//! | 33 | A connection that names a client in a PROXY header serves that client alone, and on one client connection; what corsair asks for itself, it says so | PROXY protocol §2 | `load_balancer::upstream_header::a_connection_to_an_upstream_names_one_client_and_serves_it_alone`, `load_balancer::upstream_header::of_several_clients_on_one_connection_each_has_its_own`, `load_balancer::upstream_header::the_header_comes_before_tls`, `load_balancer::upstream_header::a_probe_says_that_it_is_for_nobody` |
//! | 34 | A name is followed: connections that are kept are used only to addresses that it has by now, or had when it was known last | experience | `names::kept_connections_go_where_the_name_leads_by_now`, `names::a_name_server_that_dies_or_forgets_a_name_costs_no_request`, `net::dns::resolver::tests::an_address_is_one_of_its_name_until_a_newer_answer_says_otherwise`, `net::dns::resolver::tests::a_name_that_is_gone_has_its_last_good_answer_for_as_long_as_one_that_cannot_be_resolved` |
//! | 35 | Where the operator wants that, each address of a name is a server, or each server of a service, with its port, weight and priority; they come and go with the name, and what is known of one that stays is kept | RFC 2782 | `names::each_address_is_a_server_and_they_come_and_go_with_the_name`, `names::a_service_is_its_servers_with_their_ports_weights_and_priorities`, `names::a_reload_keeps_the_servers_that_were_found`, `names::idle_connections_to_a_server_that_is_gone_take_nobody_a_place`, `config::resolution::tests::a_server_that_was_found_is_what_it_was_but_for_its_place` |
//! | 36 | It starts and serves without DNS, and a name that is not followed yet is resolved by whoever needs it | experience | `names::without_dns_it_starts_and_serves_as_soon_as_there_is_some`, `names::the_first_request_finds_the_servers_of_a_name_that_is_not_followed_yet` |
//! | 37 | A server that nobody may have asked anything meanwhile is no silent one: one that has answered nobody for half of the time that a request would wait is asked by a probe, and any answer counts | experience | `upstream::servers::tests::a_server_that_is_doubted_and_answers_a_probe_is_not_silent`, `retries::a_slow_url_of_a_server_that_nobody_else_asks_is_waited_for_because_a_probe_is_answered`, `ejection::a_slow_url_takes_no_server_out_while_others_are_answered` |
//! | 38 | By way of a parent proxy nobody here sees the address: a target is judged by its name, and one that is an address by that, before the parent hears of it. The parent's own address is the operator's, and is not judged | experience | `access::tests::what_somebody_else_resolves_is_judged_by_name_and_a_literal_by_its_address`, `parent_proxy::a_target_is_judged_by_its_name_and_a_literal_by_its_address_before_the_parent_hears_of_it`, `parent_proxy::what_no_proxy_lists_is_asked_directly_and_judged_as_ever` |
//! | 39 | A parent connects to https servers, whose certificates are verified inside; its answer is held to bounds, not a byte behind it is taken, and nothing of it but that it failed is told to a client | RFC 9110 §9.3.6 | `parent_proxy::an_https_server_is_connected_to_and_its_certificate_is_verified_inside`, `parent_proxy::a_server_that_shows_another_certificate_inside_gets_no_request_byte`, `parent_proxy::interim_answers_to_connect_are_passed_over_and_a_length_of_a_2xx_means_nothing`, `parent_proxy::whatever_a_parent_says_to_connect_is_told_promptly_and_nothing_of_it`, `upstream::parent::tests::not_a_byte_behind_the_answer_is_taken` |
//! | 40 | For http it gets the request itself, unless that asks for an upgrade; connections through it serve nobody who goes directly, through another one or with other credentials | RFC 9112 §3.2.2; RFC 6455 §4.1 | `parent_proxy::an_http_server_is_asked_for_in_absolute_form_on_one_connection`, `parent_proxy::a_websocket_over_http_is_connected_to_and_what_comes_behind_the_answer_is_its_own`, `parent_proxy::what_goes_through_other_parents_or_with_other_credentials_shares_no_connection` |
//! | 41 | Its credentials are corsair's, and so is it to log in: a 407 is a 502, no challenge passes, and what is written or shown hides them | RFC 9110 §11.7.1, §15.5.8 | `parent_proxy::a_407_to_a_request_is_ours_and_a_challenge_never_passes`, `parent_proxy::credentials_are_shown_to_nobody`, `plan::response::tests::that_a_parent_wants_a_login_is_told_to_no_client`, `config::printed::tests::the_credentials_of_a_parent_are_not_printed_and_what_stands_for_them_is` |

mod balance;

mod budget;

mod health;

mod room;

mod queue;

mod servers;

mod lease;

mod bound;

mod parent;

pub mod pool;

mod discovery;

pub mod connector;

mod probe;

mod document;

pub use self::{
    balance::{Balance, Rule, Standing},
    bound::BoundLeases,
    budget::RetryBudget,
    discovery::Discovery,
    document::{Document, Fetcher, MAX_DOCUMENT},
    lease::{DetachedLease, Lease, OpenConnection},
    parent::Through,
    probe::Prober,
    queue::{Queue, Ticket},
    room::{Place, Waiting},
    servers::{KeptTurn, ServerState, Servers, Turn, UnderWay},
};

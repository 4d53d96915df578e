//! Whom to believe about a client, and what is said of it.
//!
//! A client that comes by way of a balancer or of another proxy is known from what that says of it: in fields of each
//! request. [`TrustedProxies`] are those whose word counts; [`told`] reads it, from the right, as far as it comes from
//! one of them. A proxy that does not look into what it passes on says it once, in the header of the PROXY protocol
//! ([`proxy_header()`]). What is malformed, or nobody's word, is as if it were not there. Everything here is a function of its
//! arguments: no socket and no clock may enter this room.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Believed is who the operator names, by network, as a kind of address, or over a Unix socket; nobody where none is named | RFC 7239 §8.1 | `trust::proxies::tests::those_are_trusted_who_are_named`, `load_balancer::fields::a_stranger_says_nothing_of_the_client` |
//! | 2 | One family of fields is believed; the other is dropped from everybody, for a proxy that writes one passes on the other as it came | experience | `load_balancer::fields::the_family_that_is_not_believed_is_dropped_from_everybody` |
//! | 3 | A chain is read from the right: each address was written by who stands behind it, and the first that is not trusted is the client. What stands before it is the client's own claim | RFC 7239 §4, §8.1 | `trust::told::tests::the_first_that_is_not_trusted_is_the_client`, `trust::told::tests::any_chain_is_read_as_a_slow_look_at_it_does` |
//! | 4 | What is no address ends the chain: a word, a hidden identifier, a port that is none; the one behind it is the nearest that is certain | RFC 7239 §6 | `trust::told::tests::what_is_no_address_ends_the_chain` |
//! | 5 | A chain is followed over 32 proxies, and no further | experience | `trust::told::tests::a_chain_is_followed_over_so_many_proxies_and_no_further` |
//! | 6 | Scheme and host are told once, or not at all; in `Forwarded` they are those of the outermost proxy that is believed and names them | RFC 7239 §5.3, §5.4 | `trust::told::tests::scheme_and_host_are_told_once_or_not_at_all`, `trust::told::tests::in_forwarded_the_outermost_word_counts` |
//! | 7 | An element of `Forwarded` that is malformed in any part of it says nothing | RFC 7239 §4 | `trust::element::tests::an_element_is_read_whole_or_not_at_all` |
//! | 8 | A header of the PROXY protocol is judged byte by byte and whole: its version, command, addresses, ports and length, of 536 bytes at most; what a proxy adds to it is passed over | PROXY protocol §2 | `trust::proxy_header::tests::a_header_says_for_whom_the_connection_is`, `trust::proxy_header::tests::what_is_no_header_is_refused_as_soon_as_it_can_be_known`, `trust::proxy_header::tests::a_header_is_bounded` |
//! | 9 | Of a client that is not named nothing is believed, though its proxy is trusted: what stands in its requests it may have written itself | PROXY protocol §2.1; RFC 7239 §8.1 | `load_balancer::proxy_header::an_unnamed_client_says_nothing_of_others` |
//! | 10 | A header that is written reads back as what was meant | PROXY protocol §2 | `trust::proxy_header::tests::what_is_written_reads_back_as_what_was_meant` |
//! | 11 | What is shared out among clients is shared out by networks: an IPv4 address, or the /64 of an IPv6 one | RFC 6177 §2 | `trust::network::tests::a_network_is_an_address_or_the_half_of_a_long_one` |

mod network;

mod proxies;

mod node;

mod element;

mod told;

mod proxy_header;

pub use self::{
    network::ClientNetwork,
    proxies::{Trust, TrustRule, TrustedHeaders, TrustedProxies},
    proxy_header::{
        PROXY_HEADER_MAX, ProxyHeader, ProxyHeaderFault, ProxyVersion, Source, begins_proxy_header,
        proxy_header, write_proxy_header,
    },
    told::{Told, links, told},
};

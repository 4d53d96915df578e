//! Which route a request takes, by its host and its path.
//!
//! Patterns are read here and compiled into a table; what a route does is nothing to it. No socket and no other setting
//! may enter this room.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | The host decides first: an exact one before a wildcard, the longer wildcard before the shorter, and either before none | experience | `routing::table::tests::the_host_decides_before_the_path` |
//! | 2 | A host that has routes keeps its requests: where none of them takes the path, no wider host is asked | experience | `routing::table::tests::a_host_that_has_routes_keeps_its_requests` |
//! | 3 | A host is what it names, however it is spelled: in any case, with a last dot, with any port, with escapes; an IPv6 address in any notation | RFC 3986 §6.2.2, §6.2.3; RFC 5952 §4 | `routing::table::tests::a_host_is_known_however_it_is_spelled` |
//! | 4 | Of the paths the longest decides, and each takes whole segments | RFC 3986 §3.3 | `routing::table::tests::the_longest_path_decides_by_whole_segments` |
//! | 5 | A path is matched as a back end resolves it: without dot segments, with escaped unreserved characters decoded; all other escapes stay, that of the slash too | RFC 3986 §5.2.4, §6.2.2 | `routing::table::tests::a_path_is_matched_as_a_back_end_resolves_it`, `routing::resolved::tests::dot_segments_are_removed_as_the_rfc_does` |
//! | 6 | Slashes that follow each other count as one, and a backslash as a slash: some back ends read them so, and no others mean anything by them | URL standard, "path state"; experience | `routing::table::tests::no_spelling_slips_past_a_longer_route` |
//! | 7 | A path that climbs above the root is refused | RFC 3986 §5.4.2 | `routing::table::tests::a_path_that_climbs_above_the_root_is_refused` |
//! | 8 | So is one with dot segments that take away different segments for different back ends: behind an empty segment, beside a backslash or an escaped separator, with a parameter | experience | `routing::resolved::tests::dot_segments_that_back_ends_read_differently_are_refused` |
//! | 9 | What is left behind a prefix is the client's own spelling, byte for byte, wherever the prefix stands in the path as it was configured and the rest does not climb into it; it is resolved otherwise | RFC 9112 §3.2; experience | `routing::table::tests::the_rest_is_cut_from_the_path_as_it_came_or_from_what_it_resolves_to` |
//! | 10 | However long a request's path and host are, no more is looked up than the routes of the host have different lengths, and the wildcards | experience | `routing::table::tests::no_more_is_looked_up_than_routes_and_wildcards_have_lengths` |

mod escapes;

mod host;

mod index;

mod resolved;

mod path;

mod table;

pub use self::{
    host::HostPattern,
    path::PathPrefix,
    table::{Duplicate, Found, Rest, Table},
};

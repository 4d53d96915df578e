//! Which fields of a target's response leave under which name, and which of a request a target is not told.

use crate::http1::fields::{FieldId, starts_with_ignore_case};

/// The name under which a target's `WWW-Authenticate` leaves, for scripts to read.
pub const RENAMED_CHALLENGE: &str = "X-WWW-Authenticate";

/// What becomes of a field of a target's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It leaves as it is.
    Leaves,
    /// It leaves as [`RENAMED_CHALLENGE`].
    Renamed,
    /// It goes no further.
    Stays,
}

/// Fields of which the platform has a whole family, and means to add to it: none leaves but those of [`ALLOWED`].
/// In lower case, by their first letter; one that ends in a dash stands for all names that begin with it.
static FAMILIES: Names = Names::new([
    (
        'a',
        &[
            "accept-",
            "activate-",
            "ad-auction-",
            "allow-",
            "alt-",
            "alternate-",
            "attribution-",
            "authentication-",
        ],
    ),
    ('c', &["clear-", "connection-", "content-security-", "critical-", "cross-origin-"]),
    ('d', &["delegate-", "document-"]),
    ('e', &["expect-"]),
    ('f', &["feature-policy"]),
    ('i', &["idp-", "integrity-policy", "integrity-policy-"]),
    ('l', &["login-status"]),
    ('n', &["nel", "no-vary-search"]),
    ('o', &["observe-", "optional-", "origin-"]),
    ('p', &["permissions-", "persistent-auth", "private-", "proxy-", "public-key-"]),
    ('r', &["refresh", "report-", "reporting-", "require-"]),
    (
        's',
        &[
            "sec-",
            "secure-session-",
            "service-worker-",
            "set-",
            "shared-storage-",
            "speculation-",
            "strict-",
            "supports-",
        ],
    ),
    ('u', &["upgrade-insecure-", "use-as-dictionary"]),
    ('w', &["www-"]),
    (
        'x',
        &[
            // What a server in front of corsair would obey.
            "x-accel-",
            "x-lighttpd-",
            "x-reproxy-",
            "x-sendfile",
            // What browsers obey, or did.
            "x-chromium-",
            "x-content-security-",
            "x-dns-prefetch-",
            "x-permitted-cross-",
            "x-ua-compatible",
            "x-webkit-csp",
            "x-webkit-csp-",
            "x-xss-protection",
        ],
    ),
]);

/// Members of a family that describe a representation, or what may be asked for.
static ALLOWED: Names = Names::new([
    (
        'a',
        &[
            "accept-additions",
            "accept-encoding",
            "accept-features",
            "accept-patch",
            "accept-post",
            "accept-query",
            "accept-ranges",
        ],
    ),
    ('p', &["proxy-status"]),
    (
        's',
        &[
            "sec-websocket-accept",
            "sec-websocket-extensions",
            "sec-websocket-protocol",
            "sec-websocket-version",
        ],
    ),
]);

/// What becomes of a field of this name, which was classified as `id`.
///
/// Nothing of one target may act on the origin that all targets share (rule 3 of [`gateway`](super)): of what
/// belongs to the platform, only what was found to be harmless leaves; names that nobody but the target's own
/// scripts knows leave as they are.
#[must_use]
pub fn passage(id: FieldId, name: &[u8]) -> Passage {
    #[expect(clippy::wildcard_enum_match_arm, reason = "known fields that no line names describe a message")]
    match id {
        FieldId::SetCookie
        | FieldId::SetCookie2
        | FieldId::ContentSecurityPolicy
        | FieldId::XFrameOptions
        | FieldId::CrossOriginOpenerPolicy
        | FieldId::CrossOriginResourcePolicy
        | FieldId::ClearSiteData
        | FieldId::ProxyAuthenticate
        | FieldId::StrictTransportSecurity
        | FieldId::ServiceWorker
        | FieldId::ServiceWorkerAllowed
        | FieldId::Refresh
        | FieldId::SecFetch => Passage::Stays,
        FieldId::WwwAuthenticate => Passage::Renamed,
        FieldId::Other if !FAMILIES.has(name) => Passage::Leaves,
        FieldId::Other if ALLOWED.has(name) => Passage::Leaves,
        FieldId::Other => Passage::Stays,
        _ => Passage::Leaves,
    }
}

/// Names, beside those that no upstream is told either ([`FieldId::is_forwarding`]), by which proxies tell of a client
/// or of themselves.
static TELLS: Names = Names::new([
    ('c', &["cdn-loop", "cf-connecting-", "cf-ipcountry", "cf-visitor", "cf-worker", "cloudfront-"]),
    ('f', &["fly-forwarded-"]),
    ('x', &["x-appengine-", "x-coming-from", "x-envoy-"]),
]);

/// Whether a field of a request tells of the client, or of the gateway: a target is no back end of ours (rule 16 of
/// [`gateway`](super)).
#[must_use]
pub fn tells_of_the_client(id: FieldId, name: &[u8]) -> bool {
    id.is_forwarding() || id == FieldId::Other && TELLS.has(name)
}

/// Names, and beginnings of names, each of three bytes at least.
struct Names {
    /// By their first letter.
    members: [&'static [&'static str]; 26],
    /// The marks of these, so that most names are told apart without a look at any.
    marks: [u64; 26],
}

impl Names {
    #[expect(
        clippy::indexing_slicing,
        clippy::as_conversions,
        reason = "evaluated by the compiler, where a fault is a build error"
    )]
    const fn new<const N: usize>(rows: [(char, &'static [&'static str]); N]) -> Self {
        let mut names = Self { members: [&[]; 26], marks: [0; 26] };
        let mut row = 0;
        while row < N {
            let (letter, members) = rows[row];
            let place = letter as usize - 'a' as usize;
            names.members[place] = members;
            let mut member = 0;
            while member < members.len() {
                let mark = mark(members[member].as_bytes());
                assert!(mark != 0, "a name of three bytes at least");
                names.marks[place] |= mark;
                member += 1;
            }
            row += 1;
        }
        names
    }

    /// Whether this name is among them, or a beginning of it that ends in a dash.
    fn has(&self, name: &[u8]) -> bool {
        let [first, _, third, ..] = name else { return false };
        let place = usize::from((first | 0x20).wrapping_sub(b'a'));
        let (Some(members), Some(marks)) = (self.members.get(place), self.marks.get(place)) else {
            return false;
        };
        let is_close = |member: &&[u8]| member.get(2) == Some(&(third | 0x20));
        marks & mark(name) != 0
            && members.iter().map(|member| member.as_bytes()).filter(is_close).any(|member| {
                name.len() == member.len() && name.eq_ignore_ascii_case(member)
                    || member.last() == Some(&b'-') && starts_with_ignore_case(name, member)
            })
    }
}

/// A bit for the third and fourth byte of a name, whatever their case; others may share it.
const fn mark(name: &[u8]) -> u64 {
    let (third, fourth) = match name {
        [_, _, third, fourth, ..] => (*third & 31, *fourth & 31),
        [_, _, third] => (*third & 31, 0),
        _ => return 0,
    };
    1 << (third.wrapping_mul(11).wrapping_add(fourth) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage_of(name: &str) -> Passage {
        passage(FieldId::of(name.as_bytes()), name.as_bytes())
    }

    /// Describe a message, its representation, its caching, its range, its rate or its way; and what a target and
    /// its own scripts have agreed on.
    const LEAVES: &str = "
        Accept-Patch Accept-Post Accept-Query Accept-Ranges Age Allow Cache-Control Cache-Status
        CDN-Cache-Control Content-Digest Content-Disposition Content-Encoding Content-Language Content-Length
        Content-Location Content-Range Content-Type Date Deprecation Digest ETag Expires Last-Modified Link Location
        Memento-Datetime Pragma Preference-Applied Priority Proxy-Status RateLimit RateLimit-Limit RateLimit-Policy
        RateLimit-Remaining RateLimit-Reset Repr-Digest Retry-After Server Server-Timing Signature Signature-Input
        SourceMap Sunset Surrogate-Control Surrogate-Key Tk Timing-Allow-Origin Traceparent Tracestate Trailer Vary
        Via Warning X-SourceMap X-Content-Type-Options X-Request-Id X-RateLimit-Limit X-RateLimit-Remaining
        X-Total-Count X-Robots-Tag X-Powered-By X-Cache X-Amzn-RequestId X-Custom X-A x WAF Notes Nelson Cluster
        CF-Ray Mcp-Session-Id Mcp-Protocol-Version OpenAI-Processing-Ms anthropic-ratelimit-requests-limit
        GitHub-Media-Type Docker-Content-Digest Request-Id DPoP-Nonce api_key Sec-WebSocket-Accept
        Sec-WebSocket-Protocol Sec-WebSocket-Extensions Sec-WebSocket-Version Access-Control-Allow-Origin
    ";

    /// Act on an origin, on a connection, on what a browser keeps, or on a server in front of corsair.
    const STAYS: &str = "
        Accept-CH Accept-CH-Lifetime Activate-Storage-Access Ad-Auction-Signals Ad-Auction-Allowed
        Allow-CSP-From Allow-Fenced-Frame-Automatic-Beacons Alt-Svc Alternate-Protocol
        Attribution-Reporting-Register-Source Attribution-Reporting-Register-Trigger Authentication-Control
        Authentication-Info Clear-Site-Data Connection-Allowlist Content-Security-Policy
        Content-Security-Policy-Report-Only Critical-CH Cross-Origin-Embedder-Policy
        Cross-Origin-Embedder-Policy-Report-Only Cross-Origin-Opener-Policy Cross-Origin-Opener-Policy-Report-Only
        Cross-Origin-Resource-Policy Delegate-CH Document-Isolation-Policy Document-Policy
        Document-Policy-Report-Only Expect-CT Expect-Staple Feature-Policy IdP-SignIn-Status Integrity-Policy
        Integrity-Policy-Report-Only Login-Status NEL No-Vary-Search Observe-Browsing-Topics
        Optional-WWW-Authenticate Origin-Agent-Cluster Origin-Isolation Origin-Policy Origin-Trial
        Permissions-Policy Permissions-Policy-Report-Only Persistent-Auth Proxy-Authenticate
        Proxy-Authentication-Info Public-Key-Pins Public-Key-Pins-Report-Only Refresh Report-To
        Reporting-Endpoints Require-Document-Policy Sec-Session-Challenge Sec-Session-Registration Sec-GPC
        Sec-Fetch-Mode Sec-Purpose Secure-Session-Challenge Secure-Session-Registration Service-Worker
        Service-Worker-Allowed Set-Cookie Set-Cookie2 Set-Login Shared-Storage-Write Speculation-Rules
        Strict-Transport-Security Supports-Loading-Mode Upgrade-Insecure-Requests Use-As-Dictionary
        X-Accel-Redirect X-Accel-Buffering X-Chromium-Appcache-Fallback-Override X-Content-Security-Policy
        X-Content-Security-Policy-Report-Only X-DNS-Prefetch-Control X-Frame-Options X-LIGHTTPD-send-file
        X-Permitted-Cross-Domain-Policies X-Reproxy-URL X-Sendfile X-UA-Compatible X-WebKit-CSP X-XSS-Protection
    ";

    #[test]
    fn what_acts_on_an_origin_stays_and_what_describes_a_message_leaves() {
        for (names, expected) in [(LEAVES, Passage::Leaves), (STAYS, Passage::Stays)] {
            for name in names.split_whitespace() {
                for spelled in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                    assert_eq!(passage_of(&spelled), expected, "{spelled}");
                }
            }
        }
    }

    #[test]
    fn a_name_of_a_table_is_found_in_any_case_and_what_begins_so_where_it_ends_in_a_dash() {
        for table in [&FAMILIES, &ALLOWED, &TELLS] {
            for name in table.members.iter().copied().flatten() {
                for spelled in [(*name).to_owned(), name.to_ascii_uppercase()] {
                    assert!(table.has(spelled.as_bytes()), "{spelled}");
                    assert!(!table.has(&spelled.as_bytes()[..2]), "{spelled}");
                }
                let longer = format!("{name}q");
                assert_eq!(table.has(longer.as_bytes()), name.ends_with('-'), "{longer}");
            }
        }
    }

    #[test]
    fn a_field_that_the_platform_adds_to_one_of_its_families_stays() {
        for name in
            ["Sec-New", "Cross-Origin-New-Policy", "Report-New", "Set-New", "Accept-CH-New", "Document-New"]
        {
            assert_eq!(passage_of(name), Passage::Stays, "{name}");
        }
    }

    #[test]
    fn a_challenge_leaves_under_a_name_that_no_browser_asks_for_a_password_by() {
        for name in ["WWW-Authenticate", "www-authenticate"] {
            assert_eq!(passage_of(name), Passage::Renamed, "{name}");
        }
        assert_eq!(passage_of(RENAMED_CHALLENGE), Passage::Leaves);
    }

    #[test]
    fn a_target_is_told_neither_who_asks_nor_through_whom() {
        let tells = |name: &str| tells_of_the_client(FieldId::of(name.as_bytes()), name.as_bytes());
        for name in "
            Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix
            X-Forwarded-Ssl X-Forwarded-Scheme X-Forwarded-Server X-Forwarded-By X-Forwarded Forwarded-For X-Real-IP
            X-Real-Port True-Client-IP X-Client-IP X-Cluster-Client-IP CF-Connecting-IP CF-Connecting-IPv6
            Fastly-Client-IP Fly-Client-IP X-Original-Forwarded-For X-Original-Host X-Original-URL X-Rewrite-URL
            X-Host X-Scheme X-Remote-IP X-ProxyUser-Ip X-Envoy-External-Address X-AppEngine-User-IP Client-IP
            Proxy-Client-IP WL-Proxy-Client-IP X-Azure-ClientIP Front-End-Https
        "
        .split_whitespace()
        {
            for spelled in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                assert!(tells(&spelled), "{spelled}");
            }
        }
        for name in
            ["Accept", "Authorization", "X-Request-Id", "Traceparent", "X-Api-Key", "X-Requested-With", "X-F"]
        {
            assert!(!tells(name), "{name}");
        }
    }
}

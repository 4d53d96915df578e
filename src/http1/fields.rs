//! Field names that mean something to a proxy, and the lists that fields hold.

use std::{cmp::Ordering, ops::Range};

use super::{
    name_table::{Name, NameTable},
    span::Span,
};

/// Declares [`FieldId`] and its classifier from two tables: of names that have one to themselves, and of names that
/// most heads hold, which are listed so that they are classified at once, too.
macro_rules! field_ids {
    ($($id:ident = $name:literal),* $(,)?; $($family:ident: $($common:literal),*;)*) => {
        /// A field name that some rule of corsair knows; everything else is [`FieldId::Other`].
        ///
        /// Names are classified once, when the head is parsed; every later look-up compares this byte.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FieldId {
            $(#[doc = concat!("`", $name, "`")] $id,)*
            /// `Access-Control-*` fields that only a response carries.
            CorsResponse,
            /// `Sec-Fetch-*`: sent by browsers, never by scripts.
            SecFetch,
            /// `X-Forwarded-*`, `X-Real-IP` and all others by which proxies tell of the client and of what it asked for.
            ForwardingClaim,
            /// Any other name.
            Other,
        }

        #[cfg(test)]
        const KNOWN: &[(&[u8], FieldId)] = &[$(($name.as_bytes(), FieldId::$id)),*];

        impl FieldId {
            /// All of them.
            pub(super) const ALL: &[Self] =
                &[$(Self::$id,)* Self::CorsResponse, Self::SecFetch, Self::ForwardingClaim, Self::Other];
        }

        static NAMES: NameTable<FieldId> = NameTable::new(LISTED);

        const LISTED: &[Name<FieldId>] = &[
            $(Name::new($name.as_bytes(), FieldId::$id),)*
            $($(Name::new($common.as_bytes(), FieldId::$family),)*)*
        ];
    };
}

field_ids! {
    Accept = "accept",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    AccessControlRequestPrivateNetwork = "access-control-request-private-network",
    Authorization = "authorization",
    CacheControl = "cache-control",
    ClearSiteData = "clear-site-data",
    Connection = "connection",
    ContentEncoding = "content-encoding",
    ContentLanguage = "content-language",
    ContentLength = "content-length",
    ContentLocation = "content-location",
    ContentRange = "content-range",
    ContentSecurityPolicy = "content-security-policy",
    ContentType = "content-type",
    Cookie = "cookie",
    CorsairCors = "corsair-cors",
    CrossOriginOpenerPolicy = "cross-origin-opener-policy",
    CrossOriginResourcePolicy = "cross-origin-resource-policy",
    Date = "date",
    Expect = "expect",
    Expires = "expires",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    KeepAlive = "keep-alive",
    LastModified = "last-modified",
    Location = "location",
    MaxForwards = "max-forwards",
    Origin = "origin",
    Pragma = "pragma",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    ProxyStatus = "proxy-status",
    Referer = "referer",
    Refresh = "refresh",
    ServiceWorker = "service-worker",
    ServiceWorkerAllowed = "service-worker-allowed",
    SetCookie = "set-cookie",
    SetCookie2 = "set-cookie2",
    StrictTransportSecurity = "strict-transport-security",
    Te = "te",
    TimingAllowOrigin = "timing-allow-origin",
    Traceparent = "traceparent",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Vary = "vary",
    Via = "via",
    WwwAuthenticate = "www-authenticate",
    XCorsairToken = "x-corsair-token",
    XFinalUrl = "x-final-url",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedProto = "x-forwarded-proto",
    XFrameOptions = "x-frame-options",
    XRequestId = "x-request-id";
    CorsResponse: "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
        "access-control-allow-origin", "access-control-expose-headers", "access-control-max-age";
    SecFetch: "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user";
    Other: "accept-encoding", "accept-language", "accept-ranges", "age", "alt-svc", "content-disposition", "dnt", "etag",
        "if-modified-since", "if-none-match", "if-range", "link", "nel", "permissions-policy", "priority", "range",
        "referrer-policy", "report-to", "retry-after", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-gpc",
        "server", "server-timing", "upgrade-insecure-requests", "x-cache", "x-content-type-options", "x-powered-by",
        "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-requested-with", "x-xss-protection";
}

/// No known name is longer.
const LONGEST_KNOWN: usize = 64;

impl FieldId {
    /// The identity of a field name, without regard to case (RFC 9110 §5.1).
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        Self::listed(name).unwrap_or_else(|| Self::of_unlisted(name))
    }

    /// That of a name which is listed. None of these has an underscore.
    pub(super) fn listed(name: &[u8]) -> Option<Self> {
        NAMES.find(name)
    }

    /// That of a name which is not listed.
    #[inline(always)]
    pub(super) fn of_unlisted(name: &[u8]) -> Self {
        match name {
            [b'a' | b'A', ..]
                if starts_with_ignore_case(name, b"access-control-allow-")
                    || name.eq_ignore_ascii_case(b"access-control-expose-headers")
                    || name.eq_ignore_ascii_case(b"access-control-max-age") =>
            {
                Self::CorsResponse
            }
            [b's' | b'S', ..] if starts_with_ignore_case(name, b"sec-fetch-") => Self::SecFetch,
            _ if may_be_forwarding_claim(name) && is_forwarding_claim(name) && !has_underscore(name) => {
                Self::ForwardingClaim
            }
            _ => Self::Other,
        }
    }

    /// Fields by which a proxy tells a back end who the client is, how it came, and what it asked for: what a client
    /// says of that itself goes no further (RFC 7239 §8.1).
    #[must_use]
    pub const fn is_forwarding(self) -> bool {
        matches!(
            self,
            Self::Forwarded
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedProto
                | Self::ForwardingClaim
        )
    }

    /// Fields that belong to one connection and never travel further (RFC 9110 §7.6.1), whether or not
    /// `Connection` names them. `Te` and `Upgrade` come back where the rewrite performs them.
    #[must_use]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
        )
    }

    /// Fields that never travel in a trailer section: framing, routing, credentials, content
    /// (RFC 9110 §6.5.1), and the CORS fields, which are ours to set.
    #[must_use]
    pub const fn is_forbidden_in_trailers(self) -> bool {
        self.is_hop_by_hop()
            || self.is_forwarding()
            || matches!(
                self,
                Self::AccessControlRequestHeaders
                    | Self::AccessControlRequestMethod
                    | Self::AccessControlRequestPrivateNetwork
                    | Self::Authorization
                    | Self::ClearSiteData
                    | Self::ContentEncoding
                    | Self::ContentLanguage
                    | Self::ContentLength
                    | Self::ContentLocation
                    | Self::ContentRange
                    | Self::ContentSecurityPolicy
                    | Self::ContentType
                    | Self::Cookie
                    | Self::CorsResponse
                    | Self::CorsairCors
                    | Self::CrossOriginOpenerPolicy
                    | Self::CrossOriginResourcePolicy
                    | Self::Date
                    | Self::Expect
                    | Self::Host
                    | Self::Location
                    | Self::MaxForwards
                    | Self::Origin
                    | Self::ServiceWorkerAllowed
                    | Self::SetCookie
                    | Self::StrictTransportSecurity
                    | Self::TimingAllowOrigin
                    | Self::Trailer
                    | Self::Vary
                    | Self::Via
                    | Self::XFrameOptions
            )
    }

    /// Fields that a `Connection` option can never strip: a peer that names them does not mean its own
    /// hop (RFC 9110 §7.6.1).
    #[must_use]
    pub const fn survives_nomination(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::ContentLength
                | Self::TransferEncoding
                | Self::Origin
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedProto
                | Self::Forwarded
                | Self::Via
                | Self::Vary
                | Self::Date
                | Self::SetCookie
                | Self::Authorization
                | Self::Cookie
        )
    }

    /// Names that a CGI-style back end could take for a framing, routing or forwarding field when it
    /// reads `_` as `-` (rule 16).
    #[must_use]
    pub fn is_underscore_alias(name: &[u8]) -> bool {
        if !has_underscore(name) {
            return false;
        }
        if name.len() >= LONGEST_KNOWN {
            return is_forwarding_claim(name);
        }
        let mut spelled = [0; LONGEST_KNOWN];
        for (to, from) in spelled.iter_mut().zip(name) {
            *to = if *from == b'_' { b'-' } else { *from };
        }
        let id = Self::of(spelled.get(..name.len()).unwrap_or_default());
        id.is_hop_by_hop()
            || id.is_forwarding()
            || matches!(id, Self::ContentLength | Self::Expect | Self::Host | Self::Trailer | Self::Via)
    }
}

fn has_underscore(name: &[u8]) -> bool {
    memchr::memchr(b'_', name).is_some()
}

/// Whether a name is one of those by which proxies and delivery networks tell of the client, with `_` for `-`, too.
/// Their number grows, so that the words count of which they are made: how they begin, or how they end.
fn is_forwarding_claim(name: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 5] =
        [b"x-forward", b"x-original-", b"x-originating-", b"x-real-", b"forwarded-"];
    /// Of names whose beginning is that of a vendor; whole words, which a dash or nothing stands before.
    const ENDINGS: [&[u8]; 13] = [
        b"client-ip",
        b"clientip",
        b"connecting-ip",
        b"connecting-ipv6",
        b"external-address",
        b"proxyuser-ip",
        b"real-ip",
        b"remote-addr",
        b"remote-ip",
        b"socketip",
        b"src-ip",
        b"user-ip",
        b"viewer-address",
    ];
    const WHOLE: [&[u8]; 7] = [
        b"front-end-https",
        b"x-arr-ssl",
        b"x-host",
        b"x-http-host-override",
        b"x-rewrite-url",
        b"x-scheme",
        b"x-url-scheme",
    ];
    let is_spelled = |spelled: &[u8], known: &[u8]| {
        spelled.len() == known.len()
            && spelled.iter().zip(known).all(|(byte, known)| match byte {
                b'_' => *known == b'-',
                byte => byte.to_ascii_lowercase() == *known,
            })
    };
    let begins = |known: &&[u8]| name.get(..known.len()).is_some_and(|start| is_spelled(start, known));
    let ends = |known: &&[u8]| match name.split_at_checked(name.len().wrapping_sub(known.len())) {
        Some((before, end)) => matches!(before, [] | [.., b'-' | b'_']) && is_spelled(end, known),
        None => false,
    };
    BEGINNINGS.iter().any(begins)
        || WHOLE.iter().any(|known| is_spelled(name, known))
        || ENDINGS.iter().any(ends)
}

/// Whether [`is_forwarding_claim`] need look at a name: most are told apart by a few of their bytes.
fn may_be_forwarding_claim(name: &[u8]) -> bool {
    let may_begin = match name {
        [b'x' | b'X', _, third, fourth, ..] => matches!(
            [third | 0x20, fourth | 0x20],
            [b'a' | b'u', b'r']
                | [b'f', b'o']
                | [b'h', b'o' | b't']
                | [b'o', b'r']
                | [b'r', b'e']
                | [b's', b'c']
        ),
        [b'f' | b'F', second, third, ..] => {
            matches!([second | 0x20, third | 0x20], [b'o', b'r'] | [b'r', b'o'])
        }
        _ => false,
    };
    let may_end = match name {
        [.., before, last] => {
            matches!([before | 0x20, last | 0x20], [b'i', b'p'] | [b'v', b'6'] | [b'd', b'r'] | [b's', b's'])
        }
        _ => false,
    };
    may_begin || may_end
}

/// An order of field names without regard to case: the shorter one first.
#[must_use]
pub fn name_order(name: &[u8], other: &[u8]) -> Ordering {
    let lower = u8::to_ascii_lowercase;
    name.len().cmp(&other.len()).then_with(|| name.iter().map(lower).cmp(other.iter().map(lower)))
}

/// Whether `bytes` begin with `prefix`, which is given in lower case.
#[must_use]
pub fn starts_with_ignore_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `tchar` of RFC 9110 §5.6.2.
#[must_use]
pub const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether `bytes` are a `token` (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// `bytes` without SP and HTAB at both ends; nothing else is blank (RFC 9110 §5.6.3).
#[must_use]
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list, trimmed; empty ones are left out (RFC 9110 §5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// One field line: where its name and its value stand, and which name it is.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name, in the case that the peer used.
    pub name: Span,
    /// The value without surrounding blanks.
    pub value: Span,
    /// The name, classified.
    pub id: FieldId,
    is_canonical: bool,
}

impl Field {
    /// The field whose name and value stand there in `head`.
    #[must_use]
    pub fn new(head: &[u8], name: Span, value: Span, id: FieldId) -> Self {
        let (colon, start, end) = (name.range().end, value.range().start, value.range().end);
        let around = head.get(colon..end.saturating_add(2)).unwrap_or_default();
        let is_canonical = start == colon.saturating_add(2)
            && around.first_chunk() == Some(b": ")
            && around.last_chunk() == Some(b"\r\n");
        Self { name, value, id, is_canonical }
    }

    /// Whether it is spelled in the one way in which we would write it: nothing but `: ` stands between name and value,
    /// nothing but CRLF behind the value.
    #[must_use]
    pub const fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// Where the whole line with its CRLF stands, if it is canonical.
    #[must_use]
    pub fn canonical_line(&self) -> Option<Range<usize>> {
        self.is_canonical.then(|| self.name.range().start..self.value.range().end.saturating_add(2))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_nothing_close_to_it() {
        for (name, id) in KNOWN {
            let text = str::from_utf8(name).unwrap();
            assert_eq!(FieldId::of(name), *id, "{text}");
            assert_eq!(FieldId::of(text.to_uppercase().as_bytes()), *id, "{text}");
            let mixed: Vec<u8> = name
                .iter()
                .enumerate()
                .map(|(at, byte)| if at % 2 == 0 { byte.to_ascii_uppercase() } else { *byte })
                .collect();
            assert_eq!(FieldId::of(&mixed), *id, "{text}");
            let is_other = |close: &[u8]| !KNOWN.iter().any(|(known, _)| known == &close);
            // Some are of a family that is known by its words.
            let unknown =
                |close: &[u8]| matches!(FieldId::of(close), FieldId::Other | FieldId::ForwardingClaim);
            for at in 0..name.len() {
                let mut close = name.to_vec();
                close[at] = b'!';
                assert!(unknown(&close), "{}", String::from_utf8_lossy(&close));
                close.remove(at);
                assert!(is_other(&close) == unknown(&close));
            }
            for longer in
                [[name, b"-".as_slice()].concat(), [b"x", *name].concat(), [name, b" ".as_slice()].concat()]
            {
                assert!(unknown(&longer), "{}", String::from_utf8_lossy(&longer));
            }
        }
    }

    #[test]
    fn a_name_that_is_listed_is_what_it_would_be_without_that() {
        let is_known = |name: &[u8]| KNOWN.iter().any(|(known, _)| *known == name);
        for (name, id) in LISTED.iter().map(Name::parts).filter(|(name, _)| !is_known(name)) {
            assert_eq!(FieldId::of_unlisted(name), id, "{}", String::from_utf8_lossy(name));
            assert_eq!(FieldId::of(name), id, "{}", String::from_utf8_lossy(name));
        }
        assert!(LISTED.iter().all(|name| !has_underscore(name.parts().0)));
    }

    #[test]
    fn names_of_a_family_are_known_by_their_beginning() {
        for (name, id) in [
            ("Access-Control-Allow-Origin", FieldId::CorsResponse),
            ("access-control-allow-credentials", FieldId::CorsResponse),
            ("Access-Control-Allow-Methods", FieldId::CorsResponse),
            ("Access-Control-Allow-Headers", FieldId::CorsResponse),
            ("Access-Control-Allow-Private-Network", FieldId::CorsResponse),
            ("ACCESS-CONTROL-EXPOSE-HEADERS", FieldId::CorsResponse),
            ("Access-Control-Max-Age", FieldId::CorsResponse),
            ("Access-Control-Max-Ages", FieldId::Other),
            ("Access-Control-Allow", FieldId::Other),
            ("Access-Control", FieldId::Other),
            ("Sec-Fetch-Mode", FieldId::SecFetch),
            ("sec-fetch-", FieldId::SecFetch),
            ("Sec-WebSocket-Key", FieldId::Other),
            ("X-Forwarded-Port", FieldId::ForwardingClaim),
            ("x-forwarded-", FieldId::ForwardingClaim),
            ("X-FORWARDED", FieldId::ForwardingClaim),
            ("X-Forwarded_Port", FieldId::Other),
            ("", FieldId::Other),
            ("a-name-that-is-much-longer-than-every-one-that-is-known", FieldId::Other),
        ] {
            assert_eq!(FieldId::of(name.as_bytes()), id, "{name}");
        }
    }

    /// By which proxies of many makes tell of a client.
    const CLAIMS: &[&str] = &[
        "Forwarded",
        "Forwarded-For",
        "X-Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
        "X-Forwarded-Uri",
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Anything-That-Comes-To-Somebodys-Mind-In-The-Years-That-Are-Ahead-Of-Us",
        "X-Forward-For",
        "X-ForwardedFor",
        "X-Original-URL",
        "X-Original-Host",
        "X-Original-Forwarded-For",
        "X-Originating-IP",
        "X-Real-IP",
        "X-Real-Port",
        "X-Client-IP",
        "Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "X-Cluster-Client-IP",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "Proxy-Client-IP",
        "WL-Proxy-Client-IP",
        "X-Azure-ClientIP",
        "X-Azure-SocketIP",
        "Ali-CDN-Real-IP",
        "Cdn-Src-Ip",
        "X-Remote-IP",
        "X-Remote-Addr",
        "X-ProxyUser-Ip",
        "X-AppEngine-User-IP",
        "CloudFront-Viewer-Address",
        "X-Envoy-External-Address",
        "Front-End-Https",
        "X-Scheme",
        "X-Url-Scheme",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Host-Override",
    ];

    #[test]
    fn what_a_client_says_of_itself_is_known_by_the_words_of_the_name() {
        for claim in CLAIMS {
            for name in [(*claim).to_owned(), claim.to_lowercase(), claim.to_uppercase()] {
                let id = FieldId::of(name.as_bytes());
                assert!(id.is_forwarding() && id.is_forbidden_in_trailers(), "{name}");
            }
            for name in [claim.replace('-', "_"), claim.replacen('-', "_", 1)] {
                assert_eq!(FieldId::is_underscore_alias(name.as_bytes()), claim.contains('-'), "{name}");
                assert!(!claim.contains('-') || FieldId::of(name.as_bytes()) == FieldId::Other, "{name}");
            }
        }
        for name in [
            "Origin",
            "X-Request-Id",
            "X-Requested-With",
            "X-Forgotten",
            "X-Realtime",
            "X-Hostname",
            "X-Schema",
            "X-Originator",
            "X-Client",
            "X-Clients",
            "X-Ship",
            "X-Recipient-Ip",
            "Notclient-Ip",
            "X-Zip",
            "Forward",
            "IP",
            "DNT",
            "User-Agent",
        ] {
            assert!(!FieldId::of(name.as_bytes()).is_forwarding(), "{name}");
        }
    }

    #[test]
    fn what_belongs_to_one_connection_stays_on_it() {
        let hop_by_hop = [
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "TE",
            "Transfer-Encoding",
            "Upgrade",
            "HTTP2-Settings",
        ];
        for (name, id) in KNOWN {
            let text = str::from_utf8(name).unwrap();
            let expected = hop_by_hop.iter().any(|hop| hop.eq_ignore_ascii_case(text));
            assert_eq!(id.is_hop_by_hop(), expected, "{text}");
        }
    }

    #[test]
    fn framing_routing_credentials_and_content_never_come_as_trailers() {
        for name in [
            "Transfer-Encoding",
            "Content-Length",
            "Host",
            "Connection",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "Content-Type",
            "Content-Encoding",
            "Content-Range",
            "Trailer",
            "TE",
            "Upgrade",
            "Expect",
            "Max-Forwards",
            "Location",
            "Vary",
            "Origin",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Real-IP",
            "Forwarded",
            "Access-Control-Allow-Origin",
            "Access-Control-Request-Method",
        ] {
            assert!(FieldId::of(name.as_bytes()).is_forbidden_in_trailers(), "{name}");
        }
        for name in ["ETag", "X-Checksum", "Server-Timing", "Digest"] {
            assert!(!FieldId::of(name.as_bytes()).is_forbidden_in_trailers(), "{name}");
        }
    }

    #[test]
    fn connection_cannot_strip_what_a_message_needs() {
        for name in
            ["Host", "Content-Length", "Transfer-Encoding", "X-Forwarded-For", "Forwarded", "Via", "Origin"]
        {
            assert!(FieldId::of(name.as_bytes()).survives_nomination(), "{name}");
        }
        for name in ["X-Anything", "Keep-Alive", "TE", "Upgrade"] {
            assert!(!FieldId::of(name.as_bytes()).survives_nomination(), "{name}");
        }
    }

    #[test]
    fn an_underscore_is_no_dash_in_framing_routing_and_forwarding_names() {
        for (name, alias) in [
            ("Content_Length", true),
            ("content_length", true),
            ("Transfer_Encoding", true),
            ("X_Forwarded_For", true),
            ("X-Forwarded_For", true),
            ("x_forwarded-proto", true),
            ("X_Forwarded_Prefix", true),
            ("x-real_ip", true),
            ("TRUE_CLIENT_IP", true),
            ("client_ip", true),
            ("Keep_Alive", true),
            ("Proxy_Connection", true),
            ("HTTP2_Settings", true),
            ("api_key", false),
            ("X_Request_Id", false),
            ("Content_Type", false),
            ("Content-Length", false),
            ("Host", false),
            ("_Host", false),
            ("Content__Length", false),
            ("_", false),
            ("", false),
            ("a_name_that_is_much_longer_than_every_one_that_is_known", false),
        ] {
            assert_eq!(FieldId::is_underscore_alias(name.as_bytes()), alias, "{name}");
        }
    }

    #[test]
    fn a_token_is_made_of_the_bytes_of_the_grammar() {
        let tchars = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for byte in 0..=u8::MAX {
            assert_eq!(is_tchar(byte), tchars.contains(&byte), "{byte:#x}");
            assert_eq!(is_token(&[b'a', byte]), tchars.contains(&byte), "{byte:#x}");
        }
        assert!(is_token(tchars) && !is_token(b""));
    }

    #[test]
    fn only_sp_and_htab_are_blanks() {
        for (value, trimmed) in [
            (&b""[..], &b""[..]),
            (b" ", b""),
            (b" \t ", b""),
            (b"a", b"a"),
            (b" \ta b\t ", b"a b"),
            (b"\x0ba\x0c", b"\x0ba\x0c"),
            (b"\x85a\xa0", b"\x85a\xa0"),
            (b"\ra\n", b"\ra\n"),
        ] {
            assert_eq!(trim(value), trimmed, "{value:?}");
        }
    }

    #[test]
    fn the_members_of_a_list_are_trimmed_and_empty_ones_left_out() {
        for (value, members) in [
            ("", &[][..]),
            (",", &[]),
            (" , ,\t,", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (" a\t,, b c ,", &["a", "b c"]),
        ] {
            let read: Vec<&str> =
                list(value.as_bytes()).map(|member| str::from_utf8(member).unwrap()).collect();
            assert_eq!(read, members, "{value:?}");
        }
    }

    #[test]
    fn a_prefix_is_compared_without_case_and_within_bounds() {
        assert!(starts_with_ignore_case(b"HTTP://x", b"http://"));
        assert!(starts_with_ignore_case(b"http://", b"http://"));
        assert!(!starts_with_ignore_case(b"http:/", b"http://"));
        assert!(!starts_with_ignore_case(b"xhttp://", b"http://"));
    }
}

//! Authentication that belongs to a connection and not to a request.

use crate::http1::{
    fields::{self, FieldId},
    head::{Request, Response},
};

/// Schemes that authenticate the connection (RFC 4559 §6; \[MS-NTHT\]), or may choose one that does. Whoever sends
/// the next request on such a connection is taken for the one who logged in.
const OF_CONNECTIONS: [&[u8]; 4] = [b"ntlm", b"negotiate", b"nego2", b"kerberos"];

/// Whether the connection that carried these two may serve nobody but this client from now on (rule 20 of
/// [`plan`](super)). What a value may mean is looked at generously: a connection too many costs little.
pub(super) fn is_of_connection(request: Request<'_>, response: Response<'_>) -> bool {
    request.values(FieldId::Authorization).any(names_one)
        || response.values(FieldId::WwwAuthenticate).any(names_one)
}

/// Whether a list of challenges or credentials names such a scheme: at the start of a member, up to a blank.
fn names_one(value: &[u8]) -> bool {
    fields::list(value).any(|member| {
        let scheme = member.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
        OF_CONNECTIONS.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    fn is_bound(request: &str, response: &str) -> bool {
        let request = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{request}\r\n"));
        let response = sample::response(format!("HTTP/1.1 401 Unauthorized\r\n{response}\r\n"));
        is_of_connection(request.request(), response.response())
    }

    #[test]
    fn a_scheme_that_authenticates_connections_is_known_in_any_case_and_place() {
        for (value, expected) in [
            ("NTLM TlRMTVNTUAABAAAA", true),
            ("ntlm TlRMTVNTUAABAAAA", true),
            ("Negotiate YIIJ=", true),
            ("NEGOTIATE\tYIIJ==", true),
            ("Negotiate", true),
            ("Nego2 a", true),
            ("Kerberos a", true),
            ("Basic realm=\"x\", NTLM", true),
            ("Basic realm=\"a, b\" , Negotiate", true),
            ("Digest realm=\"x\", qop=\"auth\", NTLM, Basic realm=\"y\"", true),
            ("Basic TlRMTQ==", false),
            ("Bearer NTLM", false),
            ("Basic realm=\"NTLM\"", false),
            ("NTLMv2 a", false),
            ("X-NTLM a", false),
            ("", false),
        ] {
            assert_eq!(is_bound(&format!("Authorization: {value}\r\n"), ""), expected, "{value:?} sent");
            assert_eq!(
                is_bound("", &format!("WWW-Authenticate: {value}\r\n")),
                expected,
                "{value:?} asked for"
            );
        }
        assert!(!is_bound("", ""));
        let several = |name: &str| format!("{name}: Basic realm=\"x\"\r\nA: b\r\n{name}: ntlm\r\n");
        assert!(is_bound(&several("Authorization"), ""));
        assert!(is_bound("", &several("www-authenticate")));
        assert!(!is_bound("X-Authorization: NTLM a\r\n", "Proxy-Status: NTLM\r\n"));
    }
}

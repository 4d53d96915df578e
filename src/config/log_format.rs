//! `log.format`: what a line of the access log looks like, and the keys that it may show.

use std::str::FromStr;

use super::{names::unknown_key, values};

/// Declares [`LogKey`] from the one table of keys, and hands its rows to whoever makes something for each of them.
macro_rules! log_keys {
    ($then:ident) => {
        $then! {
            Time = "time": "When the request began: RFC 3339, UTC, milliseconds",
            Client = "client": "Address and port of the client, without the port where a trusted proxy tells of none; `unix:` over a Unix socket, where nobody has one",
            Listener = "listener": "What was listened on, as in `http://127.0.0.1:3000`",
            Method = "method": "The method as it was spelled",
            Scheme = "scheme": "`http` or `https`, by the connection of the client",
            Host = "host": "The host that the request is for, with the port if one was named",
            Target = "target": "The request target; secrets in it are `***`",
            Version = "version": "The HTTP version of the request: `1.1` or `1.0`",
            Status = "status": "The status that the client got, or would have got had it stayed",
            Cause = "cause": "Why there is no complete answer of the upstream's own",
            BytesIn = "bytes_in": "Bytes read from the client: head and body",
            BytesOut = "bytes_out": "Bytes written to the client: heads and body",
            HeadMs = "head_ms": "From the first byte of the head to its last, where it came in pieces",
            QueueMs = "queue_ms": "Waiting for a place in the steps below: to look a name up, to shake hands, for a descriptor",
            DnsMs = "dns_ms": "Resolving the name of the upstream",
            ConnectMs = "connect_ms": "Connecting to it",
            TlsMs = "tls_ms": "The TLS handshake with it",
            FirstByteMs = "first_byte_ms": "From the request sent to the head of the response",
            TotalMs = "total_ms": "From the first byte of the request to the last of the answer",
            Service = "service": "What took the request: `gateway`, `forward` or `routes`",
            Route = "route": "The name of the route",
            Upstream = "upstream": "The name of the upstream",
            Server = "server": "The URL of the server that was asked last; the address, for a target of the gateway that was asked without a parent proxy",
            Attempts = "attempts": "How often the request was tried, without those behind a redirect: more than 1 are retries",
            Hops = "hops": "How many redirects the gateway followed",
            Reused = "reused": "Whether the last connection came out of the pool",
            Cors = "cors": "What CORS said: `allowed`, `refused` or `same-origin`",
            CorsReason = "cors_reason": "Why it refused, in the word that the metrics use",
            Policy = "policy": "The policy that said it",
            Origin = "origin": "The value of `Origin`",
            Access = "access": "The table of access that refused it, or else the last one that let it in",
            Limit = "limit": "The limit that refused it",
            ClientCertificate = "client_certificate": "The subject of the client's certificate, as RFC 4514 writes it",
            UserAgent = "user_agent": "The value of `User-Agent`",
            RequestId = "request_id": "The value of `X-Request-Id`, the client's or the one that was made",
            TraceId = "trace_id": "The trace of a valid `traceparent` (W3C Trace Context)",
        }
    };
}

pub(crate) use log_keys;

macro_rules! declare {
    ($($id:ident = $name:literal: $help:literal,)*) => {
        /// What a line of the access log may show of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogKey {
            $(#[doc = $help] $id,)*
        }

        impl LogKey {
            /// All of them, in the order in which a line shows them.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];

            /// Its name in a line of JSON and in a template, and a line that says what it is.
            #[must_use]
            pub const fn row(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$id => ($name, $help),)*
                }
            }
        }
    };
}

log_keys!(declare);

/// What a line of the access log looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One JSON object.
    Json,
    /// Apache's `combined`.
    Combined,
    /// What the operator wrote.
    Template(Template),
}

impl FromStr for LogFormat {
    type Err = String;

    /// The format that is called so, or the template that this is: `{key}` stands for a value, `{{` and `}}` for braces.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "combined" => Ok(Self::Combined),
            text => template(text).map(Self::Template),
        }
    }
}

/// A line with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Box<[Piece]>);

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What stands there as it is.
    Literal(Box<str>),
    /// The value of a key, or `-`.
    Value(LogKey),
}

impl Template {
    /// Its parts, in their order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

const FORMATS: [&str; 3] = ["text", "json", "combined"];

fn template(text: &str) -> Result<Template, String> {
    if text.chars().any(|char| char.is_control() && char != '\t') {
        return Err("holds a control character; a record is one line".to_owned());
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(behind) = from.strip_prefix("{{") {
            literal.push('{');
            rest = behind;
        } else if let Some(behind) = from.strip_prefix("}}") {
            literal.push('}');
            rest = behind;
        } else if let Some((name, behind)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Value(key(name)?));
            rest = behind;
        } else {
            let brace = from.get(..1).unwrap_or_default();
            return Err(format!(
                "has a {brace} that belongs to no key; write {brace}{brace} for a brace itself"
            ));
        }
    }
    literal.push_str(rest);
    if pieces.is_empty() {
        let hint = values::nearest(text, FORMATS.into_iter())
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        return Err(format!(
            "\"{text}\" is none of {}, and no template either: it names no key such as {{status}}{hint}",
            FORMATS.join(", ")
        ));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(Template(pieces.into()))
}

fn key(name: &str) -> Result<LogKey, String> {
    let names = || LogKey::ALL.iter().map(|key| key.row().0);
    LogKey::ALL.iter().copied().find(|key| key.row().0 == name).ok_or_else(|| unknown_key(name, names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LogFormat, String> {
        text.parse()
    }

    #[test]
    fn keys_stand_in_the_order_of_the_interface() {
        let names: Vec<&str> = LogKey::ALL.iter().map(|key| key.row().0).collect();
        assert_eq!(
            names.join(" "),
            "time client listener method scheme host target version status cause bytes_in bytes_out head_ms \
             queue_ms dns_ms connect_ms tls_ms first_byte_ms total_ms service route upstream server attempts hops \
             reused cors cors_reason policy origin access limit client_certificate user_agent request_id trace_id"
        );
        assert!(LogKey::ALL.iter().all(|key| !key.row().1.is_empty() && !key.row().1.ends_with('.')));
    }

    #[test]
    fn formats_have_names_and_everything_else_is_a_template() {
        let literal = |text: &str| Piece::Literal(text.into());
        for (text, pieces) in [
            ("{status}", vec![Piece::Value(LogKey::Status)]),
            (
                "{method} {target} HTTP/{version}",
                vec![
                    Piece::Value(LogKey::Method),
                    literal(" "),
                    Piece::Value(LogKey::Target),
                    literal(" HTTP/"),
                    Piece::Value(LogKey::Version),
                ],
            ),
            ("{{\"s\":{status}}}\t", vec![literal("{\"s\":"), Piece::Value(LogKey::Status), literal("}\t")]),
        ] {
            assert_eq!(parse(text), Ok(LogFormat::Template(Template(pieces.into()))), "{text}");
        }
        assert_eq!(parse("text"), Ok(LogFormat::Text));
        assert_eq!(parse("json"), Ok(LogFormat::Json));
        assert_eq!(parse("combined"), Ok(LogFormat::Combined));
    }

    #[test]
    fn what_is_no_template_is_a_fault_that_says_what_was_meant() {
        for (text, part) in [
            ("jsn", "none of text, json, combined, and no template either: it names no key such as {status}"),
            ("combinde", "did you mean combined?"),
            ("", "names no key"),
            ("{statsu}", "there is no key \"statsu\"; did you mean status?"),
            ("{}", "there is no key \"\""),
            ("{status", "has a { that belongs to no key; write {{ for a brace itself"),
            ("{status} }", "has a } that belongs to no key; write }} for a brace itself"),
            ("{status}\n", "holds a control character; a record is one line"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }
}

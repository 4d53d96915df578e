//! Expressions over origins: anchoring, and what an expression admits beyond what it seems to say.
//!
//! An expression is judged by what it matches, not by how it looks: it is asked about origins that nobody
//! can have meant.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Bytes that the compiled form of one list of expressions may take.
const MAX_COMPILED: usize = 1 << 20;

/// Hosts that have nothing in common but that nobody names: an expression that admits two of them admits
/// anybody.
const STRANGERS: [&str; 6] =
    ["qzvx.invalid", "qzvx-probe.test", "a.qzvx.example", "a.b.qzvx.com:8443", "qzvx", "198.51.100.7"];

/// Where names are sold or given to anybody, as far as an expression is asked about them.
const PUBLIC_SUFFIXES: [&str; 16] = [
    "com",
    "org",
    "net",
    "io",
    "dev",
    "app",
    "xyz",
    "de",
    "co",
    "co.uk",
    "com.au",
    "github.io",
    "vercel.app",
    "netlify.app",
    "pages.dev",
    "web.app",
];

/// An expression that can be used, and what is to be said about it.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The expression, anchored at both ends.
    pub(super) anchored: String,
    /// Whether it admits origins that have nothing in common.
    pub(super) admits_anybody: bool,
    /// Whether it admits origins that anybody can have: any, or any under a public suffix.
    pub(super) admits_strangers: bool,
    /// Whether it can admit an origin over plain HTTP.
    pub(super) admits_plain_http: bool,
    /// What it admits although it looks as if it did not.
    pub(super) doubts: Vec<String>,
}

impl Pattern {
    /// Reads one expression.
    ///
    /// # Errors
    /// The reason, when it is no expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        // Alone first: `a)|(b` would be a valid expression only between our parentheses, and unanchored.
        compile(text)?;
        let anchored = format!(r"\A(?:{text})\z");
        let regex = compile(&anchored)?;
        let matches = |origin: &str| regex.is_match(origin.as_bytes());
        let strangers = STRANGERS
            .iter()
            .filter(|host| matches(&format!("https://{host}")) || matches(&format!("http://{host}")))
            .count();
        let admits_anybody = strangers > 1;
        let plain = text.replace("\\/", "/").replace("\\:", ":");
        let admits_plain_http =
            plain.contains("http:") || plain.contains("https?") || !plain.contains("https");
        let mut doubts = Vec::new();
        if !admits_anybody {
            doubts.extend(missing_scheme(&plain));
            doubts.extend(unescaped_dot(text));
            doubts.extend(look_alike(text, &matches));
        }
        let admits_strangers = admits_anybody
            || PUBLIC_SUFFIXES.iter().any(|suffix| {
                ["qzvx", "wkjp"].iter().all(|name| {
                    matches(&format!("https://{name}.{suffix}"))
                        || matches(&format!("http://{name}.{suffix}"))
                })
            });
        Ok(Self { anchored, admits_anybody, admits_strangers, admits_plain_http, doubts })
    }
}

/// All expressions of one list, each anchored, as one automaton.
///
/// # Errors
/// The reason, when together they are too large.
pub(super) fn union(anchored: &[String]) -> Result<RegexSet, String> {
    // Origins are ASCII: without Unicode classes the automaton is small.
    RegexSetBuilder::new(anchored).unicode(false).size_limit(MAX_COMPILED).build().map_err(|e| reason(&e))
}

fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).unicode(false).size_limit(MAX_COMPILED).build().map_err(|e| reason(&e))
}

/// The last line of an error text, which names the fault; the lines before it draw a picture of it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn missing_scheme(text: &str) -> Option<String> {
    (!text.contains("://"))
        .then(|| "names no scheme, but is matched on the whole origin; begin it with https://".to_owned())
}

/// A dot that matches any byte where a host name has its dots.
fn unescaped_dot(text: &str) -> Option<String> {
    let mut rest = text.bytes().peekable();
    let mut in_class = false;
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => drop(rest.next()),
            b'[' => in_class = true,
            b']' => in_class = false,
            b'.' if !in_class && !rest.peek().is_some_and(|next| is_quantifier(*next)) => {
                return Some("has a dot that matches any character; write \\. for a dot".to_owned());
            }
            _ => {}
        }
    }
    None
}

const fn is_quantifier(byte: u8) -> bool {
    matches!(byte, b'*' | b'+' | b'?' | b'{')
}

/// An origin of somebody else that the expression admits because a host in it is open at one end.
fn look_alike(text: &str, matches: &impl Fn(&str) -> bool) -> Option<String> {
    let hosts = literal_hosts(text);
    let others = hosts.iter().flat_map(|host| {
        [
            format!("evil{host}"),
            format!("a.evil{host}"),
            format!("{host}.evil.test"),
            format!("a.{host}.evil.test"),
        ]
    });
    let origins = others.flat_map(|host| [format!("https://{host}"), format!("http://{host}")]);
    origins
        .into_iter()
        .find(|origin| matches(origin))
        .map(|origin| format!("matches {origin} too; close the host with \\. in front and nothing behind"))
}

/// The runs of an expression that read like a host name of two labels or more.
fn literal_hosts(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    let mut run = String::new();
    let mut rest = text.chars().peekable();
    let end = |run: &mut String, hosts: &mut Vec<String>| {
        let host = run.trim_matches('.');
        if host.contains('.') && host.len() <= 200 {
            hosts.push(host.to_owned());
        }
        run.clear();
    };
    while let Some(character) = rest.next() {
        let literal = match character {
            '\\' => rest.next().filter(|escaped| matches!(escaped, '.' | '-')),
            'a'..='z' | '0'..='9' | '-' | '_' | '.' => Some(character),
            _ => None,
        };
        let quantified = rest.peek().is_some_and(|next| next.is_ascii() && "*+?{".contains(*next));
        match literal {
            Some(literal) if !quantified => run.push(literal),
            _ => end(&mut run, &mut hosts),
        }
    }
    end(&mut run, &mut hosts);
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> RegexSet {
        union(&[Pattern::parse(text).unwrap().anchored]).unwrap()
    }

    #[test]
    fn an_expression_is_anchored_at_both_ends_whatever_is_written() {
        let cases: [(&str, &[&str], &[&str]); 6] = [
            (
                r"https://a\.test",
                &["https://a.test"],
                &["https://a.test.evil", "xhttps://a.test", "https://a.testx"],
            ),
            // The alternatives as a whole are anchored, not the first at its start and the last at its end.
            (
                r"https://a\.test|https://b\.test",
                &["https://a.test", "https://b.test"],
                &["https://a.test.evil.com", "https://evil.com?https://b.test"],
            ),
            (r"^https://a\.test$", &["https://a.test"], &["https://a.test.evil.com"]),
            (r"(?m)^https://a\.test$", &["https://a.test"], &["https://a.test\nx", "x\nhttps://a.test"]),
            (r"(?i)https://a\.test", &["https://a.test"], &["https://a.test.evil"]),
            (r"https://(a|aa)\.test", &["https://aa.test"], &["https://aaa.test"]),
        ];
        for (text, matching, others) in cases {
            for origin in matching {
                assert!(set(text).is_match(origin.as_bytes()), "{text} {origin}");
            }
            for origin in others {
                assert!(!set(text).is_match(origin.as_bytes()), "{text} {origin}");
            }
        }
    }

    #[test]
    fn what_is_no_expression_alone_is_refused() {
        for text in [
            "",
            "(",
            r"https://a\.test)|(?:.*",
            "a{1000}{1000}{1000}",
            r"\p{Greek}",
            "(?=a)",
            "(?x)https://a # open",
        ] {
            let reason = Pattern::parse(text).unwrap_err();
            assert!(!reason.is_empty() && !reason.contains('\n'), "{text}: {reason}");
        }
    }

    #[test]
    fn an_expression_that_admits_strangers_is_known_by_what_it_matches() {
        for text in [
            ".*",
            "https://.*",
            "https?://.+",
            r"https://[^/]+",
            "(?s).*",
            r"https?://[a-z.-]+(:\d+)?",
            ".*|x",
        ] {
            assert!(Pattern::parse(text).unwrap().admits_anybody, "{text}");
        }
        for text in [r"https://.*\.example\.com", r"https://app-[0-9]+\.test", "https://qzvx"] {
            assert!(!Pattern::parse(text).unwrap().admits_anybody, "{text}");
        }
    }

    #[test]
    fn an_open_host_is_doubted_and_a_closed_one_is_not() {
        let doubtful = [
            ("https://app.example.com", "dot"),
            ("https://[a-z]+.preview.example.com", "dot"),
            (r"https://.*example\.com", "https://evilexample.com"),
            (r"https://([a-z.]+)?example\.com", "https://evilexample.com"),
            (r"https://example\.com.*", "https://example.com.evil.test"),
            (r"https:\/\/app\.example\.com.*", "https://app.example.com.evil.test"),
            (r".*\.example\.com", "scheme"),
            (r"example\.com", "scheme"),
        ];
        for (text, expected) in doubtful {
            let doubts = Pattern::parse(text).unwrap().doubts;
            assert!(doubts.iter().any(|doubt| doubt.contains(expected)), "{text}: {doubts:?}");
        }
        for text in [
            r"https://app\.example\.com",
            r"^https://app\.example\.com$",
            r"https://(?:[a-z0-9-]+\.)*example\.com",
            r"https://.*\.example\.com",
            r"https?://pr-[0-9]+\.preview\.example\.com(:[0-9]+)?",
            r"https://[a-z.]+\.example\.com",
        ] {
            assert_eq!(Pattern::parse(text).unwrap().doubts, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_seen_in_an_expression() {
        for text in [r"http://a\.test", r"https?://a\.test", r".*\.a\.test", r"https?:\/\/a\.test"] {
            assert!(Pattern::parse(text).unwrap().admits_plain_http, "{text}");
        }
        assert!(!Pattern::parse(r"https://a\.test").unwrap().admits_plain_http);
    }
}

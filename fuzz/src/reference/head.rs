//! Heads: lines until an empty one. Those of a request end in CRLF; in a response, LF alone will do.
//!
//! Source: RFC 9112 §2–5, RFC 9110 §5.

use std::fmt;

/// What a slow reader makes of bytes that may not be complete yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// It is all there; the number is where it ends.
    Complete(T, usize),
    /// More is to come.
    Incomplete,
    /// It breaks the rule that the text names.
    Malformed(&'static str),
}

/// Whether a message is of HTTP/1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old(pub bool);

/// Name and value of a field, the value without surrounding blanks.
pub type Line = (Vec<u8>, Vec<u8>);

/// The field lines of a head, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<Line>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| (name.escape_ascii(), value.escape_ascii()));
        f.debug_list().entries(shown.map(|(name, value)| format!("{name}: {value}"))).finish()
    }
}

impl Lines {
    /// The values of all fields of a name, which is given in lower case.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.0.iter().filter(|line| is(&line.0, name)).map(|line| line.1.as_slice()).collect()
    }

    /// How many fields have this name.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.all(name).len()
    }

    /// The members of all comma-separated lists under this name, trimmed, without empty ones, in lower case.
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<Vec<u8>> {
        let values = self.all(name);
        let members = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
        members
            .map(|member| blanks_off(member).to_ascii_lowercase())
            .filter(|member| !member.is_empty())
            .collect()
    }
}

/// A request head.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method as spelled.
    pub method: Vec<u8>,
    /// The request target.
    pub target: Vec<u8>,
    /// Whether it is HTTP/1.0.
    pub old: Old,
    /// The fields.
    pub lines: Lines,
}

/// A response head.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// Whether it is HTTP/1.0.
    pub old: Old,
    /// The fields.
    pub lines: Lines,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = if self.old.0 { " 1.0" } else { "" };
        write!(f, "{} {}{old} {:?}", self.method.escape_ascii(), self.target.escape_ascii(), self.lines)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = if self.old.0 { " 1.0" } else { "" };
        write!(f, "{} {}{old} {:?}", self.status, self.reason.escape_ascii(), self.lines)
    }
}

/// Whether a name is this one, which is given in lower case.
#[must_use]
pub fn is(name: &[u8], lower: &str) -> bool {
    name.to_ascii_lowercase() == lower.as_bytes()
}

/// `tchar` of RFC 9110 §5.6.2, from the grammar.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    let symbols = b"!#$%&'*+-.^_`|~";
    !bytes.is_empty()
        && bytes.iter().all(|byte| {
            byte.is_ascii_digit() || byte.is_ascii_alphabetic() || symbols.iter().any(|symbol| symbol == byte)
        })
}

/// `bytes` without SP and HTAB around it.
#[must_use]
pub fn blanks_off(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(first) = bytes.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let last = bytes.iter().rposition(|byte| !is_blank(byte)).unwrap_or(first);
    &bytes[first..=last]
}

/// Whether a value holds nothing but visible characters, SP, HTAB and bytes above ASCII.
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// Whether a value of a response holds nothing that could end it.
#[must_use]
pub fn is_response_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| [0, b'\r', b'\n'].contains(byte))
}

/// What a reader forgives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Nothing.
    Strict,
    /// What a browser forgives a server.
    Browser,
}

/// The lines up to the empty one that ends a head, and where that ends. `leading` empty lines may come first.
fn lines(bytes: &[u8], leading: usize, reader: Reader) -> Read<Vec<&[u8]>> {
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut empty = 0;
    let mut at = 0;
    while let Some(lf) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + lf];
        at += lf + 1;
        let line = match line.strip_suffix(b"\r") {
            Some(line) => line,
            None if reader == Reader::Browser => line,
            None => return Read::Malformed("LF without CR"),
        };
        match (line.is_empty(), lines.is_empty()) {
            (true, false) => return Read::Complete(lines, at),
            (true, true) if empty < leading => empty += 1,
            (true, true) => return Read::Malformed("empty lines in front"),
            (false, _) => lines.push(line),
        }
    }
    Read::Incomplete
}

/// Whether a name would be a framing, Host, hop-by-hop or forwarding field if `_` were `-`.
fn is_alias(name: &[u8]) -> bool {
    const DANGEROUS: [&str; 12] = [
        "content-length",
        "transfer-encoding",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "http2-settings",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x_forwarded-for",
        "x_forwarded-host",
        "x_forwarded-proto",
    ];
    let spelled: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    name.contains(&b'_')
        && (DANGEROUS.iter().any(|dangerous| is(&spelled, dangerous)) || is_forwarding_claim(&spelled))
}

/// Whether proxies use a name to tell of a client and of what it asked for.
#[must_use]
pub fn is_forwarding_claim(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let begins = ["x-forward", "x-original-", "x-originating-", "x-real-", "forwarded-"];
    let ends = [
        "-client-ip",
        "-clientip",
        "-connecting-ip",
        "-connecting-ipv6",
        "-external-address",
        "-proxyuser-ip",
        "-real-ip",
        "-remote-addr",
        "-remote-ip",
        "-socketip",
        "-src-ip",
        "-user-ip",
        "-viewer-address",
    ];
    let whole = [
        "forwarded",
        "front-end-https",
        "x-arr-ssl",
        "x-host",
        "x-http-host-override",
        "x-rewrite-url",
        "x-scheme",
        "x-url-scheme",
    ];
    begins.iter().any(|known| name.starts_with(known))
        || ends.iter().any(|known| format!("-{name}").ends_with(known))
        || whole.contains(&&*name)
}

/// Splits field lines; `None` if one of them is none.
fn fields(lines: &[&[u8]], reader: Reader) -> Option<Lines> {
    let mut fields = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], blanks_off(&line[colon + 1..]));
        let (name, is_value) = match reader {
            Reader::Strict => (name, is_value(value)),
            Reader::Browser if matches!(name.first(), Some(b' ' | b'\t')) => return None,
            Reader::Browser => (blanks_off(name), is_response_value(value)),
        };
        if !is_token(name) || !is_value {
            return None;
        }
        fields.push((name.to_vec(), value.to_vec()));
    }
    Some(Lines(fields))
}

/// The fields of a trailer section, which ends in an empty line.
#[must_use]
pub fn trailers(section: &[u8]) -> Option<Lines> {
    if section == b"\r\n" || section.is_empty() {
        return Some(Lines::default());
    }
    match lines(section, 0, Reader::Strict) {
        Read::Complete(lines, end) if end == section.len() => fields(&lines, Reader::Strict),
        _ => None,
    }
}

/// Reads a request head.
#[must_use]
pub fn request(bytes: &[u8], max_fields: usize) -> Read<Request> {
    let (lines, end) = match lines(bytes, 2, Reader::Strict) {
        Read::Complete(lines, end) => (lines, end),
        Read::Incomplete => return Read::Incomplete,
        Read::Malformed(rule) => return Read::Malformed(rule),
    };
    let parts: Vec<&[u8]> = lines[0].split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Read::Malformed("not three parts") };
    let minor = match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => minor - b'0',
        _ => return Read::Malformed("version"),
    };
    if !is_token(method) {
        return Read::Malformed("method");
    }
    if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte >= 0x7f) {
        return Read::Malformed("target");
    }
    let Some(fields) = fields(&lines[1..], Reader::Strict) else { return Read::Malformed("field line") };
    if fields.0.iter().any(|(name, _)| is_alias(name)) {
        return Read::Malformed("underscore");
    }
    if fields.0.len() > max_fields {
        return Read::Malformed("too many fields");
    }
    let (method, target) = (method.to_vec(), target.to_vec());
    Read::Complete(Request { method, target, old: Old(minor == 0), lines: fields }, end)
}

/// Whether a head is spelled without anything that only a browser forgives, but for the bytes of its values.
#[must_use]
pub fn is_in_good_form(bytes: &[u8]) -> bool {
    let Read::Complete(lines, end) = lines(bytes, 0, Reader::Strict) else { return false };
    let is_line = |line: &&[u8]| {
        let colon = line.iter().position(|byte| *byte == b':');
        colon.is_some_and(|colon| is_token(&line[..colon]) && line[colon + 1..].first() == Some(&b' '))
    };
    end == bytes.len() && lines[0].get(12) == Some(&b' ') && lines[1..].iter().all(is_line)
}

/// Reads a response head; every byte of a line break in front of a blank becomes a blank.
#[must_use]
pub fn response(bytes: &[u8], max_fields: usize) -> Read<Response> {
    let (raw, end) = match lines(bytes, 0, Reader::Browser) {
        Read::Complete(lines, end) => (lines, end),
        Read::Incomplete => return Read::Incomplete,
        Read::Malformed(rule) => return Read::Malformed(rule),
    };
    let mut unfolded: Vec<Vec<u8>> = Vec::new();
    for (number, line) in raw.iter().enumerate() {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        match unfolded.last_mut() {
            Some(_) if folded && number == 1 => return Read::Malformed("blank before the first field"),
            Some(last) if folded => {
                if !last.contains(&b':') {
                    return Read::Malformed("folded before its colon");
                }
                let start = line.as_ptr() as usize - bytes.as_ptr() as usize;
                let has_cr = bytes[..start].ends_with(b"\r\n");
                last.extend_from_slice(&[if has_cr { b"  " } else { &b" "[..] }, *line].concat());
            }
            _ => unfolded.push(line.to_vec()),
        }
    }
    let first = &unfolded[0];
    let Some(rest) = first.strip_prefix(b"HTTP/1.") else { return Read::Malformed("version") };
    let [minor, b' ', a, b, c, rest @ ..] = rest else { return Read::Malformed("status line") };
    let reason = match rest {
        [] => rest,
        [b' ', reason @ ..] => reason,
        _ => return Read::Malformed("status"),
    };
    if ![minor, a, b, c].into_iter().all(u8::is_ascii_digit) || *a == b'0' {
        return Read::Malformed("digits");
    }
    if !is_value(reason) {
        return Read::Malformed("reason");
    }
    let lines: Vec<&[u8]> = unfolded[1..].iter().map(Vec::as_slice).collect();
    let Some(fields) = fields(&lines, Reader::Browser) else { return Read::Malformed("field line") };
    if fields.0.len() > max_fields {
        return Read::Malformed("too many fields");
    }
    let status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    Read::Complete(Response { status, reason: reason.to_vec(), old: Old(*minor == b'0'), lines: fields }, end)
}

/// Whether this is `uri-host [":" port]` without userinfo, blanks or a list (RFC 9110 §7.2, RFC 3986 §3.2.2).
#[must_use]
pub fn is_authority(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("", rest)
        }
        None => match text.find(':') {
            Some(colon) => (&text[..colon], &text[colon..]),
            None => (text, ""),
        },
    };
    if !text.starts_with('[') {
        let mut rest = host.chars();
        let mut count = 0;
        while let Some(character) = rest.next() {
            count += 1;
            let allowed = match character {
                '%' => {
                    let digits = (rest.next(), rest.next());
                    matches!(digits, (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
                }
                _ => character.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(character),
            };
            if !allowed {
                return false;
            }
        }
        if count == 0 {
            return false;
        }
    }
    match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || digits.len() <= 5
                    && digits.chars().all(|digit| digit.is_ascii_digit())
                    && digits.parse::<u32>().is_ok_and(|port| port <= 65_535)
        }
        None => port.is_empty(),
    }
}

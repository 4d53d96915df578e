//! A strict reader of HTTP/1 messages: what it does not accept, corsair must never send.

use super::{connection::Connection, latin1};

/// Why no message could be read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The peer ended before the first byte.
    Closed,
    /// The peer cut the connection before the first byte of the message.
    Reset,
    /// The deadline passed.
    Timeout,
    /// The bytes are no strict HTTP/1.
    Malformed(String),
    /// The message began and did not end: what came of its body, and whether by a reset.
    Truncated { head: Option<Box<Head>>, body: Vec<u8>, reset: bool },
}

/// Fields in their order on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The values of every line of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of the only line of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} occurs {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// Whether a line of this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The members of a list field, in lower case.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        self.all(name)
            .join(",")
            .split(',')
            .map(|m| m.trim().to_ascii_lowercase())
            .filter(|m| !m.is_empty())
            .collect()
    }
}

/// A start line and its fields.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The first line without its CRLF.
    pub(crate) start: String,
    /// The fields.
    pub(crate) fields: Fields,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(usize),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A body as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    /// The bytes without framing.
    pub(crate) bytes: Vec<u8>,
    /// The trailer section.
    pub(crate) trailers: Fields,
}

/// A request as an origin received it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// The fields.
    pub(crate) fields: Fields,
    /// How the body ended.
    pub(crate) framing: Framing,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The trailer section.
    pub(crate) trailers: Fields,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
}

/// A response as a client received it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The fields.
    pub(crate) fields: Fields,
    /// The 1xx heads that came before it.
    pub(crate) interim: Vec<Head>,
    /// How the body ended.
    pub(crate) framing: Framing,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The trailer section.
    pub(crate) trailers: Fields,
}

impl Response {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        latin1(&self.body)
    }

    /// The value of the only line of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Whether the connection ends with this response.
    pub(crate) fn closes(&self) -> bool {
        self.fields.members("connection").iter().any(|option| option == "close")
    }
}

fn malformed<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Malformed(what.into()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The end of the connection inside a message.
fn cut(head: Option<&Head>, body: Vec<u8>, reset: bool) -> Fault {
    Fault::Truncated { head: head.cloned().map(Box::new), body, reset }
}

impl Head {
    /// The status of a response head.
    pub(crate) fn status(&self) -> Result<u16, Fault> {
        let start = self.start.as_bytes();
        let shape = start.len() >= 13 && start.starts_with(b"HTTP/1.1 ") && start[12] == b' ';
        let digits = shape && start[9..12].iter().all(u8::is_ascii_digit);
        if !digits {
            return malformed(format!("status line {:?}", self.start));
        }
        Ok(self.start[9..12].parse().unwrap())
    }

    /// Method and target of a request head.
    pub(crate) fn request_line(&self) -> Result<(&str, &str), Fault> {
        let parts: Vec<&str> = self.start.split(' ').collect();
        let &[method, target, "HTTP/1.1"] = parts.as_slice() else {
            return malformed(format!("request line {:?}", self.start));
        };
        if !is_token(method)
            || target.is_empty()
            || !target.bytes().all(|b| b.is_ascii_graphic())
            || target.contains('#')
        {
            return malformed(format!("request line {:?}", self.start));
        }
        Ok((method, target))
    }

    /// The framing that the fields state; `None` where they state none.
    fn stated_framing(&self) -> Result<Option<Framing>, Fault> {
        let lengths = self.fields.all("content-length");
        let codings = self.fields.all("transfer-encoding");
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(None),
            ([length], []) => {
                let canonical = length.parse::<usize>().ok().filter(|n| n.to_string() == *length);
                canonical
                    .map_or_else(|| malformed(format!("length {length:?}")), |n| Ok(Some(Framing::Length(n))))
            }
            ([], ["chunked"]) => Ok(Some(Framing::Chunked)),
            _ => malformed(format!("framing {lengths:?} {codings:?}")),
        }
    }

    /// The framing of a request's body.
    pub(crate) fn framing_of_request(&self) -> Result<Framing, Fault> {
        Ok(self.stated_framing()?.unwrap_or(Framing::None))
    }

    /// The framing of the body of a response to `method`.
    pub(crate) fn framing_of_response(&self, method: &str) -> Result<Framing, Fault> {
        let status = self.status()?;
        let stated = self.stated_framing()?;
        if (status == 204 || status < 200) && stated.is_some() {
            return malformed(format!("{status} with framing {stated:?}"));
        }
        let bodyless = status < 200 || matches!(status, 204 | 304) || method == "HEAD";
        Ok(if bodyless { Framing::None } else { stated.unwrap_or(Framing::UntilClose) })
    }
}

impl Connection {
    /// One line without its CRLF; `Ok(None)` is the end before its first byte.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.unread[searched..].iter().position(|&b| b == b'\n') {
                let mut line = self.take(searched + at + 1);
                line.pop();
                if line.pop() != Some(b'\r') || line.contains(&b'\r') {
                    return malformed(format!("line end after {:?}", latin1(&line)));
                }
                return Ok(Some(line));
            }
            searched = self.unread.len();
            match self.fill() {
                Ok(0) if searched > 0 => return Err(cut(None, Vec::new(), false)),
                Err(Fault::Reset) if searched > 0 => return Err(cut(None, Vec::new(), true)),
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Field lines; control bytes may stand in the values of a response's head.
    fn fields(&mut self, of_response: bool) -> Result<Fields, Fault> {
        let mut fields = Fields::default();
        loop {
            let line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => return Err(cut(None, Vec::new(), false)),
                Err(Fault::Reset) => return Err(cut(None, Vec::new(), true)),
                Err(fault) => return Err(fault),
            };
            if line.is_empty() {
                return Ok(fields);
            }
            let line = latin1(&line);
            let Some((name, value)) = line.split_once(':') else {
                return malformed(format!("field line {line:?}"));
            };
            let value = value.trim_matches([' ', '\t']);
            let is_bad = |c: char| {
                if of_response { matches!(c, '\r' | '\0') } else { (c < ' ' && c != '\t') || c == '\x7f' }
            };
            if !is_token(name) || value.chars().any(is_bad) {
                return malformed(format!("field line {line:?}"));
            }
            fields.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A start line and its fields.
    pub(crate) fn head(&mut self) -> Result<Head, Fault> {
        let Some(start) = self.line()? else { return Err(Fault::Closed) };
        let start = latin1(&start);
        if start.chars().any(|c| c < ' ' || c == '\x7f') {
            return malformed(format!("start line {start:?}"));
        }
        let fields = self.fields(start.starts_with("HTTP/"))?;
        Ok(Head { start, fields })
    }

    /// The body that follows `head`.
    pub(crate) fn body(&mut self, head: &Head, framing: Framing) -> Result<Body, Fault> {
        match framing {
            Framing::None => Ok(Body::default()),
            Framing::Length(length) => {
                let mut bytes = Vec::new();
                self.append(head, &mut bytes, length)?;
                Ok(Body { bytes, trailers: Fields::default() })
            }
            Framing::Chunked => self.chunks(head),
            Framing::UntilClose => loop {
                match self.fill() {
                    Ok(0) => {
                        break Ok(Body {
                            bytes: std::mem::take(&mut self.unread),
                            trailers: Fields::default(),
                        });
                    }
                    Ok(_) => {}
                    Err(Fault::Reset) => break Err(cut(Some(head), std::mem::take(&mut self.unread), true)),
                    Err(fault) => break Err(fault),
                }
            },
        }
    }

    fn append(&mut self, head: &Head, bytes: &mut Vec<u8>, mut count: usize) -> Result<(), Fault> {
        loop {
            let now = count.min(self.unread.len());
            let piece = self.take(now);
            bytes.extend_from_slice(&piece);
            count -= now;
            if count == 0 {
                return Ok(());
            }
            match self.fill() {
                Ok(0) => return Err(cut(Some(head), std::mem::take(bytes), false)),
                Ok(_) => {}
                Err(Fault::Reset) => return Err(cut(Some(head), std::mem::take(bytes), true)),
                Err(fault) => return Err(fault),
            }
        }
    }

    fn chunks(&mut self, head: &Head) -> Result<Body, Fault> {
        let mut body = Body::default();
        loop {
            let line = match self.line() {
                Ok(Some(line)) => latin1(&line),
                Ok(None) => return Err(cut(Some(head), body.bytes, false)),
                Err(Fault::Reset) => return Err(cut(Some(head), body.bytes, true)),
                Err(Fault::Truncated { reset, .. }) => return Err(cut(Some(head), body.bytes, reset)),
                Err(fault) => return Err(fault),
            };
            let size = usize::from_str_radix(&line, 16).ok().filter(|size| {
                let canonical = format!("{size:x}");
                canonical.eq_ignore_ascii_case(&line)
            });
            let Some(size) = size else { return malformed(format!("chunk size line {line:?}")) };
            if size == 0 {
                body.trailers = self.fields(false)?;
                return Ok(body);
            }
            self.append(head, &mut body.bytes, size)?;
            let mut end = Vec::new();
            let result = self.append(head, &mut end, 2);
            if let Err(Fault::Truncated { reset, .. }) = result {
                return Err(cut(Some(head), body.bytes, reset));
            }
            result?;
            if end != b"\r\n" {
                return malformed(format!("chunk end {:?}", latin1(&end)));
            }
        }
    }

    /// The 1xx heads and then the final head of a response.
    pub(crate) fn final_head(&mut self) -> Result<(Vec<Head>, Head), Fault> {
        let mut interim = Vec::new();
        loop {
            let head = self.head()?;
            let status = head.status()?;
            if status >= 200 || status == 101 {
                return Ok((interim, head));
            }
            head.framing_of_response("GET")?;
            interim.push(head);
        }
    }

    /// A whole response to `method`.
    pub(crate) fn response(&mut self, method: &str) -> Result<Response, Fault> {
        let (interim, head) = self.final_head()?;
        let framing = head.framing_of_response(method)?;
        let Body { bytes, trailers } = self.body(&head, framing)?;
        Ok(Response { status: head.status()?, fields: head.fields, interim, framing, body: bytes, trailers })
    }
}

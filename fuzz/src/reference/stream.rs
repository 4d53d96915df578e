//! Connections: one message behind the other, as long as each of them says where it ends.

use super::{
    body::{self, Bounds, Canonical, Decoded},
    framing::{self, Body},
    head::{self, Read, Request, Response},
};

/// Fields that a head may have where nobody asks for a limit.
const MANY: usize = 2000;

/// A request with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its head.
    pub head: Request,
    /// Its body, decoded, as far as it came.
    pub payload: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

/// The requests in what a client sends, until one is incomplete or malformed.
#[must_use]
pub fn requests(bytes: &[u8]) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut rest = bytes;
    while let Read::Complete(head, end) = head::request(rest, MANY) {
        rest = &rest[end..];
        let Some(framing) = framing::of_request(&head) else { break };
        let (payload, end) = match framing {
            Body::None | Body::UntilClose => (Vec::new(), Some(0)),
            Body::Length(length) => {
                let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                (rest[..here].to_vec(), (here as u64 == length).then_some(here))
            }
            Body::Chunked => match body::decode(rest, Bounds::NONE) {
                (payload, Decoded::Complete(_, end)) => (payload, Some(end)),
                (payload, _) => (payload, None),
            },
        };
        sent.push(Sent { head, payload, complete: end.is_some() });
        let Some(end) = end else { break };
        rest = &rest[end..];
    }
    sent
}

/// The requests that a strict server reads out of these bytes; the last one may be incomplete.
///
/// # Errors
/// What is not spelled in the one way in which corsair spells it.
pub fn strict_requests(bytes: &[u8]) -> Result<Vec<Sent>, String> {
    let mut sent = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, end) = match head::request(rest, MANY) {
            Read::Complete(head, end) => (head, end),
            Read::Incomplete => break,
            Read::Malformed(rule) => return Err(format!("request {}: {rule}", sent.len())),
        };
        let mut spelled = [&head.method, b" ".as_slice(), &head.target, b" HTTP/1.1\r\n"].concat();
        spell(&mut spelled, &head.lines);
        if rest[..end] != spelled {
            return Err(format!("request {}: the head is not spelled as it should be", sent.len()));
        }
        rest = &rest[end..];
        let fault = |rule: &str| format!("request {}: {rule}", sent.len());
        let framing = framing::of_request(&head).ok_or_else(|| fault("framing"))?;
        let (payload, complete) = match framing {
            Body::None | Body::UntilClose => (Vec::new(), true),
            Body::Length(length) => {
                let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                let payload = rest[..here].to_vec();
                rest = &rest[here..];
                (payload, here as u64 == length)
            }
            Body::Chunked => match body::canonical(rest) {
                Canonical::Complete(payload, _, end) => {
                    rest = &rest[end..];
                    (payload, true)
                }
                Canonical::Incomplete(payload) => {
                    rest = &[];
                    (payload, false)
                }
                Canonical::Not(rule) => return Err(fault(rule)),
            },
        };
        sent.push(Sent { head, payload, complete });
    }
    Ok(sent)
}

/// Fields and the empty line, each field as `name: value`.
fn spell(out: &mut Vec<u8>, lines: &head::Lines) {
    for (name, value) in &lines.0 {
        out.extend_from_slice(&[name.as_slice(), b": ", value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
}

/// What a client is told of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Interim responses.
    pub interim: Vec<Response>,
    /// The final response, or the 101.
    pub head: Response,
    /// Its body, decoded, as far as it came.
    pub payload: Vec<u8>,
    /// Whether the body came to its end, and could be seen to.
    pub complete: bool,
}

/// What is known of a request whose answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whether the method is HEAD.
    pub to_head: bool,
    /// Whether the client speaks HTTP/1.0.
    pub old: bool,
}

/// The answers that a strict client reads out of a connection that has ended; `asked` are its requests. What
/// follows a 101 is not looked at.
///
/// # Errors
/// What a strict client would not take.
pub fn strict_answers(bytes: &[u8], asked: &[Asked]) -> Result<Vec<Answer>, String> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut rest = bytes;
    'answers: while !rest.is_empty() {
        let number = answers.len();
        let fault = |rule: &str| format!("answer {number}: {rule}");
        // A request that could not be read is answered with 400 and a body.
        let asked = asked.get(number).copied().unwrap_or(Asked { to_head: false, old: false });
        let mut interim = Vec::new();
        let head = loop {
            let (head, end) = match head::response(rest, MANY) {
                Read::Complete(head, end) => (head, end),
                Read::Incomplete => break 'answers,
                Read::Malformed(rule) => return Err(fault(rule)),
            };
            let mut spelled = format!("HTTP/1.1 {} ", head.status).into_bytes();
            spelled.extend_from_slice(&[&head.reason, b"\r\n".as_slice()].concat());
            spell(&mut spelled, &head.lines);
            if rest[..end] != spelled {
                return Err(fault("the head is not spelled as it should be"));
            }
            rest = &rest[end..];
            if head.status >= 200 || head.status == 101 {
                break head;
            }
            if asked.old || head.lines.count("content-length") + head.lines.count("transfer-encoding") > 0 {
                return Err(fault("an interim response with framing, or for HTTP/1.0"));
            }
            interim.push(head);
        };
        let closes = head.lines.members("connection").contains(&b"close".to_vec());
        if head.status == 101 {
            answers.push(Answer { interim, head, payload: Vec::new(), complete: true });
            break;
        }
        if head.status == 204
            && head.lines.count("content-length") + head.lines.count("transfer-encoding") > 0
        {
            return Err(fault("204 with framing"));
        }
        let (framing, _) = framing::of_response(&head, asked.to_head).ok_or_else(|| fault("framing"))?;
        let (payload, end) = match framing {
            Body::None => (Vec::new(), Some(0)),
            Body::Length(length) => {
                let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                (rest[..here].to_vec(), (here as u64 == length).then_some(here))
            }
            Body::Chunked if asked.old => return Err(fault("chunks for HTTP/1.0")),
            Body::Chunked => match body::canonical(rest) {
                Canonical::Complete(payload, _, end) => (payload, Some(end)),
                Canonical::Incomplete(payload) => (payload, None),
                Canonical::Not(rule) => return Err(fault(rule)),
            },
            Body::UntilClose if closes => (rest.to_vec(), Some(rest.len())),
            Body::UntilClose => return Err(fault("a body without an end")),
        };
        answers.push(Answer { interim, head, payload, complete: end.is_some() });
        let Some(end) = end else { break };
        rest = &rest[end..];
        if closes && !rest.is_empty() {
            return Err(format!("bytes behind answer {number}, which closes"));
        }
    }
    Ok(answers)
}

/// What an upstream's bytes say to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A switch of protocols.
    Switch,
    /// A final response; its status, its body as far as it came, whether that came to its end.
    Final {
        /// The status.
        status: u16,
        /// The body, decoded.
        payload: Vec<u8>,
        /// Where it ends, if it is complete.
        end: Option<usize>,
    },
    /// No response, or not yet.
    Nothing,
    /// Nothing that may be passed on.
    Malformed,
}

/// Reads what an upstream said to a request; `closed` says whether it closed the connection behind it.
#[must_use]
pub fn said(bytes: &[u8], to_head: bool, closed: bool) -> Said {
    let mut rest = bytes;
    let head = loop {
        match head::response(rest, MANY) {
            Read::Complete(head, end) => {
                rest = &rest[end..];
                match head.status {
                    101 => return Said::Switch,
                    100..=199 => {}
                    _ => break head,
                }
            }
            Read::Incomplete => return Said::Nothing,
            Read::Malformed(_) => return Said::Malformed,
        }
    };
    let Some((framing, _)) = framing::of_response(&head, to_head) else { return Said::Malformed };
    let (payload, end) = match framing {
        Body::None => (Vec::new(), Some(0)),
        Body::Length(length) => {
            let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            (rest[..here].to_vec(), (here as u64 == length).then_some(here))
        }
        Body::Chunked => match body::decode(rest, Bounds::NONE) {
            (payload, Decoded::Complete(_, end)) => (payload, Some(end)),
            (payload, _) => (payload, None),
        },
        Body::UntilClose => (rest.to_vec(), closed.then_some(rest.len())),
    };
    let before = bytes.len() - rest.len();
    Said::Final { status: head.status, payload, end: end.map(|end| before + end) }
}

//! The verdict on what came out at both ends.

use super::stage::{Ending, Mode, PLAIN, Part, Play, Record, Seen, afterwards};
use crate::{
    input::shown,
    reference::{
        body::{self, Canonical},
        head::Lines,
        stream::{Answer, Asked, Said, Sent, requests, said, strict_answers, strict_requests},
    },
    targets::rewrite::{ACTS_ON_OUR_ORIGIN, HOP_BY_HOP, acts_on_its_own_origin_only},
};

/// A request that the upstream read.
struct Read<'a> {
    request: Sent,
    /// Whether the connection had carried a request before.
    reused: bool,
    /// How it was answered, if it was.
    answer: Option<&'a Part>,
}

/// Holds a record against what was played.
///
/// # Panics
/// If corsair did what it must not.
pub(super) fn judge(play: &Play, record: &Record) {
    let asked = requests(&play.client);
    let read = upstream_reads_requests(record, play.mode);
    let answers = client_reads_answers(play, record, &asked);
    none_is_lost(play, record, &asked, &answers);
    others_are_not_concerned(record);
    let prefix = match play.mode {
        Mode::Reverse => "",
        Mode::Strict => "/base",
        Mode::Follow | Mode::Rewrite => return gateway_keeps_its_origin(&answers),
    };
    if let Some(answer) = answers.get(asked.len()) {
        assert!(answer.head.lines.count("proxy-status") == 1, "{answer:?}{}", described(record));
    }
    // What came afterwards has been judged.
    let answers = &answers[..answers.len().min(asked.len())];
    let everything = [asked.clone(), requests(&afterwards(play.mode))].concat();
    let orderly = is_orderly(play);
    everything_has_its_place(&everything, &read, answers, (prefix, orderly), record);
    for (_, answer) in asked.iter().zip(answers).filter(|(sent, _)| orderly && sent.complete) {
        // 501 and 505 are the client's fault.
        let failed = is_own(answer) && [500, 502, 503, 504].contains(&answer.head.status);
        assert!(!failed && answer.complete, "nothing was wrong, but {:?}{}", answer.head, described(record));
    }
}

/// Whether the client waits for its answers, and the upstream gives each of them whole and in its time.
fn is_orderly(play: &Play) -> bool {
    let is_plain = |part: &Part| {
        let bytes = &part.bytes;
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
        let (head, body) = bytes.split_at(end + 4);
        let lines = head.iter().filter(|byte| **byte == b'\n').count();
        let Said::Final { end: Some(end), payload, .. } = said(bytes, false, false) else { return false };
        let canonical =
            matches!(body::canonical(body), Canonical::Complete(_, trailers, _) if trailers.0.is_empty());
        let is_interim = bytes.get(9) == Some(&b'1');
        let framed_plainly = payload.len() == body.len() || canonical;
        end == bytes.len() && lines < 60 && head.len() < 4096 && !is_interim && framed_plainly
    };
    let calm = play.answers.iter().all(|part| !part.early && !part.closes && is_plain(part));
    play.mode == Mode::Reverse && play.ending == Ending::Stays && calm
}

fn described(record: &Record) -> String {
    let connections: Vec<String> = record.upstream.iter().map(|seen| shown(&seen.bytes)).collect();
    format!("\nupstream read {connections:#?}\nclient read {}", shown(&record.client.read))
}

/// Everything that reached the upstream is requests, spelled strictly, each with what corsair adds.
fn upstream_reads_requests(record: &Record, mode: Mode) -> Vec<Read<'_>> {
    let mut read = Vec::new();
    for seen in &record.upstream {
        // Behind a switch of protocols the bytes are nobody's business.
        let switched = strict_requests(&seen.bytes).is_err().then(|| tunnel_start(seen)).flatten();
        let bytes = &seen.bytes[..switched.unwrap_or(seen.bytes.len())];
        let requests = strict_requests(bytes).unwrap_or_else(|fault| panic!("{fault}{}", described(record)));
        let count = requests.len();
        for (number, request) in requests.into_iter().enumerate() {
            let answer = seen.answers.get(number);
            let switches = answer.is_some_and(|part| said(&part.bytes, false, false) == Said::Switch);
            let offered = request.head.lines.count("upgrade") == 1;
            let to_head = request.head.method == b"HEAD";
            carries_what_corsair_adds(&request.head.lines, mode, record);
            read.push(Read { request, reused: number > 0, answer });
            if switches && offered {
                break;
            }
            let spoilt = answer.is_some_and(|part| spoils_its_connection(part, to_head));
            assert!(
                !spoilt || number + 1 == count,
                "a spoilt connection was used again{}",
                described(record)
            );
        }
    }
    read
}

/// Whether a connection can carry nothing behind this answer: more came at once than the answer, or no answer,
/// or half of one (rules 34 and 35).
fn spoils_its_connection(part: &Part, to_head: bool) -> bool {
    if part.dribbles {
        // Nobody can know what has not come yet.
        return false;
    }
    match said(&part.bytes, to_head, false) {
        Said::Final { end, .. } => end != Some(part.bytes.len()),
        Said::Switch | Said::Nothing | Said::Malformed => true,
    }
}

/// Where the request that was answered with a switch of protocols ends.
fn tunnel_start(seen: &Seen) -> Option<usize> {
    let switch = seen.answers.iter().position(|part| said(&part.bytes, false, false) == Said::Switch)?;
    (0..=seen.bytes.len()).find(|end| {
        strict_requests(&seen.bytes[..*end])
            .is_ok_and(|requests| requests.get(switch).is_some_and(|request| request.complete))
    })
}

fn carries_what_corsair_adds(lines: &Lines, mode: Mode, record: &Record) {
    assert_eq!(lines.count("host"), 1, "host{}", described(record));
    let expected = match mode {
        Mode::Reverse | Mode::Strict => 1,
        Mode::Follow => 0,
        // The upstream is a target, too: what goes to it as the one is told all, as the other nothing.
        Mode::Rewrite => lines.count("x-forwarded-for").min(1),
    };
    for told in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"] {
        assert_eq!(lines.count(told), expected, "{told}{}", described(record));
    }
    for gone in ["keep-alive", "proxy-connection", "proxy-authorization", "http2-settings"] {
        assert_eq!(lines.count(gone), 0, "{gone}{}", described(record));
    }
}

/// Everything that reached the client is answers, spelled strictly, at most one for each request and one for
/// what was none.
fn client_reads_answers(play: &Play, record: &Record, asked: &[Sent]) -> Vec<Answer> {
    let about: Vec<Asked> = asked
        .iter()
        .map(|sent| Asked { to_head: sent.head.method == b"HEAD", old: sent.head.old.0 })
        .collect();
    let answers = strict_answers(&record.client.read, &about)
        .unwrap_or_else(|fault| panic!("{fault}{}", described(record)));
    assert!(answers.len() <= asked.len() + 1, "answers that nobody asked for{}", described(record));
    for head in answers.iter().flat_map(|answer| &answer.interim) {
        for name in
            HOP_BY_HOP.iter().chain(&["access-control-allow-origin", "access-control-allow-credentials"])
        {
            assert_eq!(head.lines.count(name), 0, "{name}{}", described(record));
        }
    }
    if play.ending != Ending::Leaves {
        assert!(record.client.saw_end, "the end is kept from the client{}", described(record));
    }
    answers
}

/// A client that waits for its answers gets them all, unless one says that it is the last, or is cut.
fn none_is_lost(play: &Play, record: &Record, asked: &[Sent], answers: &[Answer]) {
    let complete = asked.iter().filter(|sent| sent.complete).count();
    // Behind an answer that came before its request was complete, nothing is read any more.
    let early = play.answers.iter().any(|part| part.early);
    if play.ending != Ending::Stays
        || early
        || record.client.sent < play.client.len()
        || answers.len() >= complete
    {
        return;
    }
    let goes_on = answers.last().is_none_or(|last| {
        let closes = last.head.lines.members("connection").contains(&b"close".to_vec());
        last.complete && last.head.status != 101 && !closes
    });
    assert!(!goes_on, "{} of {complete} requests were answered{}", answers.len(), described(record));
}

/// Whatever a client and an upstream have done to each other, the next client gets its own answer.
fn others_are_not_concerned(record: &Record) {
    let read = &record.afterwards.read;
    let answers = strict_answers(read, &[Asked { to_head: false, old: false }]);
    let answers = answers.unwrap_or_else(|fault| panic!("{fault}: {}{}", shown(read), described(record)));
    let is_its_own = matches!(&answers[..], [answer]
        if answer.complete && answer.head.status == 200 && answer.payload == PLAIN && answer.interim.is_empty());
    assert!(is_its_own, "another client read {}{}", shown(read), described(record));
}

/// Every request that the upstream read is one of the client's, in order, and every answer that the client read
/// is the upstream's to that very request, or corsair's own.
///
/// Which of several equal requests was read cannot be told from the request alone, so all ways are tried.
fn everything_has_its_place(
    asked: &[Sent],
    read: &[Read<'_>],
    answers: &[Answer],
    (prefix, orderly): (&str, bool),
    record: &Record,
) {
    // How many of the requests that were read can be explained by the client's requests so far.
    let mut explained = vec![0];
    let mut faults = Vec::new();
    for (number, sent) in asked.iter().enumerate() {
        let mut next = Vec::new();
        for from in explained {
            // None, one, or one and its repetition.
            for to in from..=read.len().min(from + 2) {
                if next.contains(&to) {
                    continue;
                }
                let tried = &read[from..to];
                let verdict = reads_are_of(sent, tried, prefix).and_then(|()| {
                    let last = tried.last().and_then(|read| read.answer);
                    answers.get(number).map_or(Ok(()), |answer| answer_is_right(sent, last, answer, orderly))
                });
                match verdict {
                    Ok(()) => next.push(to),
                    Err(fault) => faults.push(format!("request {number}: {fault}")),
                }
            }
        }
        explained = next;
    }
    assert!(explained.contains(&read.len()), "{faults:#?}{}", described(record));
}

/// Whether these are the client's request, sent once, or once more over a fresh connection.
fn reads_are_of(sent: &Sent, tried: &[Read<'_>], prefix: &str) -> Result<(), String> {
    for Read { request, .. } in tried {
        let payload = if request.complete {
            sent.complete && sent.payload == request.payload
        } else {
            sent.payload.starts_with(&request.payload)
        };
        let head = &request.head;
        if !(sent.head.method == head.method && origin_form(sent, prefix) == head.target && payload) {
            return Err(format!("the client did not send {head:?}"));
        }
    }
    if let [before, again] = tried {
        let safe = [&b"GET"[..], b"HEAD", b"OPTIONS", b"TRACE"].contains(&sent.head.method.as_slice());
        let name = |read: &Read<'_>| read.request.head.lines.all("x-request-id").concat();
        let died = before.answer.is_none_or(|part| part.closes && part.bytes.is_empty());
        if !(safe && sent.payload.is_empty() && before.reused && died && name(before) == name(again)) {
            return Err(format!("{:?} was sent twice", before.request.head));
        }
    }
    Ok(())
}

/// The target as the upstream must read it.
fn origin_form(sent: &Sent, prefix: &str) -> Vec<u8> {
    let target = &sent.head.target;
    let lower = target.to_ascii_lowercase();
    let scheme = ["http://", "https://"].iter().find(|scheme| lower.starts_with(scheme.as_bytes()));
    let path = match scheme {
        None => target.clone(),
        Some(scheme) => {
            let rest = &target[scheme.len()..];
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            match &rest[end..] {
                [] if sent.head.method == b"OPTIONS" => b"*".to_vec(),
                path @ [b'/', ..] => path.to_vec(),
                path => [b"/", path].concat(),
            }
        }
    };
    if path == b"*" { path } else { [prefix.as_bytes(), &path].concat() }
}

/// Whether an answer is an error of corsair's own.
fn is_own(answer: &Answer) -> bool {
    answer.head.lines.all("proxy-status").iter().any(|value| value.starts_with(b"corsair; error="))
}

/// Whether an answer is the one that the upstream gave, or one of corsair's own.
fn answer_is_right(sent: &Sent, given: Option<&Part>, answer: &Answer, orderly: bool) -> Result<(), String> {
    let is_own = is_own(answer);
    let Some(part) = given else {
        let is_local = is_own || [204, 400, 403].contains(&answer.head.status);
        return if is_local { Ok(()) } else { Err(format!("an answer out of nothing: {answer:?}")) };
    };
    if is_own {
        return Ok(());
    }
    let fault = |what: &str| {
        let (payload, bytes) = (shown(&answer.payload), shown(&part.bytes));
        Err(format!("{what}: {:?} {payload} for {bytes}", answer.head))
    };
    match said(&part.bytes, sent.head.method == b"HEAD", part.closes && !part.resets) {
        Said::Switch if answer.head.status == 101 => Ok(()),
        Said::Switch => fault("another answer than a switch"),
        Said::Nothing | Said::Malformed => fault("passed on"),
        Said::Final { status, .. } if answer.head.status != status => fault("another status"),
        // Where the end of the connection is the end, a cut is a reset, which this pair does not know.
        Said::Final { payload, end, .. } if answer.complete && (orderly || !is_unframed(sent, answer)) => {
            match (answer.payload == payload, end) {
                (true, Some(_)) => Ok(()),
                (true, None) => fault("a clean end of what was cut short"),
                (false, _) => fault("other bytes"),
            }
        }
        Said::Final { payload, .. } if payload.starts_with(&answer.payload) => Ok(()),
        Said::Final { .. } => fault("other bytes"),
    }
}

/// Whether the end of the connection is the end of the body.
fn is_unframed(sent: &Sent, answer: &Answer) -> bool {
    let framed = answer.head.lines.count("content-length") + answer.head.lines.count("transfer-encoding") > 0;
    !(framed || sent.head.method == b"HEAD" || [204, 304].contains(&answer.head.status))
}

/// A gateway's answers act on no origin but their own, and send the browser nowhere else.
fn gateway_keeps_its_origin(answers: &[Answer]) {
    for answer in answers {
        let lines = &answer.head.lines;
        let text = format!("{answer:?}");
        let heads_in_between =
            answer.interim.iter().chain(Some(&answer.head).filter(|head| head.status == 101));
        for head in heads_in_between {
            for name in ACTS_ON_OUR_ORIGIN {
                assert_eq!(head.lines.count(name), 0, "{name} in {text}");
            }
        }
        // What corsair says itself comes from no target.
        if lines.count("x-final-url") == 0 {
            continue;
        }
        acts_on_its_own_origin_only(lines, &text);
        let redirects = matches!(answer.head.status, 301 | 302 | 303 | 307 | 308);
        for location in lines.all("location").into_iter().filter(|_| redirects) {
            let lower = location.to_ascii_lowercase();
            let leaves = [&b"http:"[..], b"https:", b"//"].iter().any(|prefix| lower.starts_with(prefix));
            assert!(!leaves, "{} leaves: {text}", shown(location));
        }
    }
}

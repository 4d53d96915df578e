//! The cases of `tests/data/wire_sample.json`, each against a daemon and an origin of its own.
//!
//! A case names outcomes (`ok`, joined by `|`); those of `warn` are tolerated. What must hold in every case
//! is checked too: the origin's reader is strict, nothing unsent appears, and requests on new connections
//! (and on the same, while it is open) then get exactly their own answers.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a JSON value of any other kind is a fault of the data")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{
    Client, Corsair, Exchange, Fault, Fields, Origin, Request, Response, Then, bytes, latin1, pause,
};

const DATA: &str = include_str!("data/wire_sample.json");

/// How the bytes of a case are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Dribble,
    UpstreamDribble,
}

/// What the client saw of one case.
struct Observed {
    responses: Vec<Response>,
    fault: Option<Fault>,
    closed: bool,
    received: Vec<u8>,
}

fn generated_send(id: &str) -> Vec<Value> {
    assert_eq!(id, "chunk-ext-pieces", "no generator for this case");
    let chunk = format!("1;{}\r\nA\r\n", "x".repeat(2000));
    let head = "POST / HTTP/1.1\r\nHost: wire.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    vec![Value::from(format!("{head}{}0\r\n\r\n", chunk.repeat(100)))]
}

fn generated_steps(id: &str) -> Vec<Value> {
    let close = serde_json::json!({ "op": "close", "args": [] });
    match id {
        "rs-cl-short-big" => {
            let body = "X".repeat(1_000_000);
            vec![Value::from(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000100\r\n\r\n{body}")), close]
        }
        "rs-1xx-endless" => {
            let all = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(40_000);
            let pieces = all.as_bytes().chunks(4100).map(latin1);
            pieces.flat_map(|piece| [Value::from(piece), Value::from(0.002)]).collect()
        }
        other => panic!("no generator for {other}"),
    }
}

/// The steps with which the origin answers request `index` of the case.
fn steps_of(case: &Value, index: usize) -> Option<Vec<Value>> {
    match &case["up"] {
        Value::String(_) => (index == 0).then(|| generated_steps(case["id"].as_str().unwrap())),
        up => Some(up[index]["steps"].as_array()?.clone()),
    }
}

fn play(exchange: &mut Exchange<'_>, steps: &[Value], dribbled: bool) -> Then {
    for step in steps {
        match step {
            Value::String(text) => {
                let data = bytes(text);
                // Large answers are cut too, though not into a million pieces.
                let size = if data.len() > 10_000 { 4093 } else { 2 };
                let taken =
                    if dribbled { exchange.send_split(data.chunks(size)) } else { exchange.send(data) };
                if !taken {
                    return Then::Close;
                }
            }
            Value::Number(seconds) => pause(Duration::from_secs_f64(seconds.as_f64().unwrap())),
            action => match action["op"].as_str() {
                Some("close") => return Then::Close,
                Some("rst") => return Then::Reset,
                other => panic!("unknown action {other:?}"),
            },
        }
    }
    Then::KeepAlive
}

fn upstream(case: &Arc<Value>, mode: Mode) -> Origin {
    let (case, count) = (Arc::clone(case), Mutex::new(0));
    Origin::on_head(move |exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        if request.target.starts_with("/canary") {
            exchange.send(support::origin::describe(&request));
            return Then::KeepAlive;
        }
        let index = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        match steps_of(&case, index) {
            Some(steps) => play(exchange, &steps, mode == Mode::UpstreamDribble),
            None => {
                exchange.send(support::origin::describe(&request));
                Then::KeepAlive
            }
        }
    })
}

fn send_all(client: &mut Client, case: &Value, mode: Mode) {
    let steps = match &case["send"] {
        Value::Array(steps) => steps.clone(),
        _ => generated_send(case["id"].as_str().unwrap()),
    };
    for step in steps {
        match step {
            Value::String(text) if mode == Mode::Dribble => drop(client.dribble(bytes(&text))),
            Value::String(text) => drop(client.offer(bytes(&text))),
            Value::Number(seconds) => pause(Duration::from_secs_f64(seconds.as_f64().unwrap())),
            action => panic!("unknown action {action}"),
        }
    }
}

/// Reads until the end, an error with `Connection: close` and its end, `expected` responses, or silence.
fn observe(client: &mut Client, case: &Value, expected: usize) -> Observed {
    let patience = Duration::from_secs_f64(case["t"].as_f64().unwrap_or(0.6));
    let until = Instant::now() + patience;
    let mut observed = Observed { responses: Vec::new(), fault: None, closed: false, received: Vec::new() };
    loop {
        let method = case["methods"][observed.responses.len()].as_str().unwrap_or("GET");
        client.0.allow(until.saturating_duration_since(Instant::now()));
        match client.0.response(method) {
            Ok(response) => {
                let closes = response.closes();
                observed.responses.push(response);
                if closes {
                    client.0.allow(Duration::from_secs(5));
                    observed.closed = match client.0.read_to_end() {
                        Ok(rest) => {
                            assert!(rest.is_empty(), "bytes behind the last response: {:?}", latin1(&rest));
                            true
                        }
                        Err(fault) => matches!(fault, Fault::Reset),
                    };
                    break;
                }
                if observed.responses.len() >= expected {
                    break;
                }
            }
            Err(fault) => {
                observed.closed = !matches!(fault, Fault::Timeout);
                observed.fault = Some(fault);
                break;
            }
        }
    }
    observed.received = client.0.received.bytes();
    observed
}

fn text_matches(wanted: &Value, actual: Option<&str>) -> bool {
    match wanted {
        Value::Null => actual.is_some(),
        wanted => actual == wanted.as_str(),
    }
}

/// The conditions of `upx` and `clx` that requests and responses share.
fn fields_meet(condition: &Value, fields: &Fields, body: &[u8]) -> bool {
    let empty = serde_json::Map::new();
    let map = |key: &str| condition[key].as_object().unwrap_or(&empty).clone();
    let value = |name: &str| fields.all(name).first().map(|value| (*value).to_owned());
    condition["body"].as_str().is_none_or(|wanted| bytes(wanted) == body)
        && map("has").iter().all(|(name, wanted)| text_matches(wanted, value(name).as_deref()))
        && map("isnt").iter().all(|(name, wanted)| value(name).as_deref() != wanted.as_str())
        && condition["no"]
            .as_array()
            .is_none_or(|names| names.iter().all(|name| !fields.has(name.as_str().unwrap())))
}

fn meets_upx(case: &Value, requests: &[Request]) -> bool {
    let conditions = case["upx"].as_array().cloned().unwrap_or_default();
    conditions.iter().zip(requests).all(|(condition, request)| {
        let target = match &condition["t"] {
            Value::Null => true,
            Value::String(target) => request.target == *target,
            list => list.as_array().unwrap().iter().any(|t| t.as_str() == Some(&request.target)),
        };
        target && fields_meet(condition, &request.fields, &request.body)
    })
}

fn meets_clx(case: &Value, responses: &[Response]) -> bool {
    let conditions = case["clx"].as_array().cloned().unwrap_or_default();
    conditions.iter().zip(responses).all(|(condition, response)| {
        let status = condition["st"]
            .as_array()
            .is_none_or(|list| list.iter().any(|st| *st == u64::from(response.status)));
        status && fields_meet(condition, &response.fields, &response.body)
    })
}

fn is_cut(observed: &Observed) -> bool {
    matches!(observed.fault, Some(Fault::Closed | Fault::Reset | Fault::Truncated { .. }))
}

fn refuses(status: u16) -> bool {
    (400..500).contains(&status) || matches!(status, 501 | 505)
}

fn holds(outcome: &str, case: &Value, observed: &Observed, requests: &[Request]) -> bool {
    let expected = usize::try_from(case["n"].as_u64().unwrap_or(1)).unwrap();
    let statuses: Vec<u16> = observed.responses.iter().map(|response| response.status).collect();
    let served = requests.len() == expected
        && statuses.len() == expected
        && statuses.iter().all(|status| (200..300).contains(status))
        && meets_upx(case, requests);
    let refused = requests.is_empty()
        && statuses.len() <= 1
        && statuses.first().map_or_else(|| is_cut(observed), |&status| refuses(status));
    let failed = match statuses.as_slice() {
        [] => is_cut(observed),
        [status] => (500..=504).contains(status),
        _ => false,
    };
    match outcome {
        "reject" => refused,
        "reject!" => refused && (observed.closed || observed.responses.iter().any(Response::closes)),
        "relay" => served,
        "relay+close" => served && observed.closed,
        "first+reject" => {
            requests.len() == 1
                && statuses.first().is_some_and(|status| (200..300).contains(status))
                && (statuses.get(1).is_some_and(|&status| refuses(status)) || is_cut(observed))
        }
        "hang" => requests.is_empty() && statuses.is_empty() && !observed.closed,
        "close" => requests.is_empty() && statuses.is_empty() && observed.closed,
        "local" => requests.is_empty() && statuses.len() == 1 && statuses[0] < 500,
        "502" => failed,
        "pass" => statuses.len() == 1 && observed.fault.is_none() && meets_clx(case, &observed.responses),
        "trunc" => is_cut(observed) || failed,
        other => panic!("unknown outcome {other:?}"),
    }
}

fn canaries(corsair: &Corsair, client: &mut Client, case: &Value, observed: &Observed) -> Result<(), String> {
    pause(Duration::from_secs_f64(case["canary_delay"].as_f64().unwrap_or(0.0)));
    let check = |response: Result<Response, Fault>, path: &str| match response {
        Ok(response) if response.status == 200 && response.text().contains(path) => Ok(()),
        other => Err(format!("canary {path} got {other:?}")),
    };
    let settled = !observed.closed && observed.fault.is_none() && !observed.responses.is_empty();
    if settled
        && case["same"] != false
        && client.offer("GET /canary-same HTTP/1.1\r\nHost: wire.test\r\n\r\n")
    {
        match client.try_response("GET") {
            Err(Fault::Closed | Fault::Reset) => {}
            other => check(other, "/canary-same")?,
        }
    }
    for path in ["/canary-1", "/canary-2"] {
        let mut fresh = corsair.connect();
        fresh.send(format!("GET {path} HTTP/1.1\r\nHost: wire.test\r\n\r\n"));
        check(fresh.try_response("GET"), path)?;
    }
    Ok(())
}

fn run(case: &Arc<Value>, mode: Mode) -> Result<(), String> {
    let origin = upstream(case, mode);
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    send_all(&mut client, case, mode);
    let expected = usize::try_from(case["n"].as_u64().unwrap_or(1)).unwrap();
    let observed = observe(&mut client, case, expected);
    let requests = origin.seen().requests.clone();
    let allowed = format!("{}|{}", case["ok"].as_str().unwrap(), case["warn"].as_str().unwrap_or(""));
    let mut outcomes = allowed.split('|').filter(|outcome| !outcome.is_empty());
    if !outcomes.any(|outcome| holds(outcome, case, &observed, &requests)) {
        let statuses: Vec<u16> = observed.responses.iter().map(|response| response.status).collect();
        return Err(format!(
            "none of {allowed}: {statuses:?}, fault {:?}, closed {}, upstream saw {requests:?}",
            observed.fault, observed.closed
        ));
    }
    for never in case["never"].as_array().into_iter().flatten() {
        let never = bytes(never.as_str().unwrap());
        if observed.received.windows(never.len()).any(|window| window == never) {
            return Err(format!("the client received {:?}", latin1(&never)));
        }
    }
    canaries(&corsair, &mut client, case, &observed)?;
    let smuggled = origin.seen().requests.iter().any(|request| request.target == "/smuggled");
    if smuggled {
        return Err("a request appeared that the client did not send".to_owned());
    }
    let faults = std::mem::take(&mut origin.seen().faults);
    if faults.is_empty() { Ok(()) } else { Err(format!("malformed towards the upstream: {faults:?}")) }
}

/// Runs the cases whose class starts with `class` and reports all failures at once.
fn run_class(class: &str) {
    let data: Value = serde_json::from_str(DATA).unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for case in data["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["cls"].as_str().unwrap().starts_with(class))
    {
        let case = Arc::new(case.clone());
        for mode in case["modes"].as_array().unwrap() {
            let mode = match mode.as_str().unwrap() {
                "whole" => Mode::Whole,
                "dribble" => Mode::Dribble,
                "updrip" => Mode::UpstreamDribble,
                other => panic!("unknown mode {other}"),
            };
            count += 1;
            if let Err(failure) = run(&case, mode) {
                failures.push(format!("{} ({mode:?}, {}): {failure}", case["id"], case["rfc"]));
            }
        }
    }
    assert!(count > 0, "no case of class {class}");
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn request_framing() {
    run_class("A.req-framing");
}

#[test]
fn request_hop_by_hop_fields() {
    run_class("A.req-hop");
}

#[test]
fn request_hosts() {
    run_class("A.req-host");
}

#[test]
fn request_lines() {
    run_class("A.req-line");
}

#[test]
fn request_semantics() {
    run_class("A.req-semantics");
}

#[test]
fn request_syntax() {
    run_class("A.req-syntax");
}

#[test]
fn interim_responses() {
    run_class("A.resp-1xx");
}

#[test]
fn response_framing() {
    run_class("A.resp-framing");
}

#[test]
fn response_syntax() {
    run_class("A.resp-syntax");
}

#[test]
fn pipelines() {
    run_class("B.pipeline");
}

#[test]
fn every_case_belongs_to_a_class_that_is_run() {
    let data: Value = serde_json::from_str(DATA).unwrap();
    let run = [
        "A.req-framing",
        "A.req-hop",
        "A.req-host",
        "A.req-line",
        "A.req-semantics",
        "A.req-syntax",
        "A.resp-1xx",
        "A.resp-framing",
        "A.resp-syntax",
        "B.pipeline",
    ];
    for case in data["cases"].as_array().unwrap() {
        assert!(run.contains(&case["cls"].as_str().unwrap()), "{}", case["id"]);
    }
}

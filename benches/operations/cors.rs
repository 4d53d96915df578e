//! Deciding what CORS says of a request, and writing the fields that follow.

use std::hint::black_box;

use corsair::{
    cors::{CorsDecision, Transit, Upstream, decide, write_preflight, write_response_fields},
    http1::emit::HeadWriter,
};

use super::{
    Operation, Operations,
    samples::{ANY, APPLICATION_ANSWER, Answered, Asked, BROWSER, LIST, PATTERNS, PLAIN, PREFLIGHT, config},
};

pub(super) fn operations() -> Operations {
    vec![
        ("decide-any-plain", judge(ANY, PLAIN)),
        ("decide-list-browser", judge(LIST, BROWSER)),
        ("decide-patterns-browser", judge(PATTERNS, BROWSER)),
        ("decide-list-preflight", judge(LIST, PREFLIGHT)),
        ("answer-preflight", preflight(LIST)),
        ("answer-any", answer(ANY)),
        ("answer-list", answer(LIST)),
    ]
}

fn judge(arguments: &[&str], text: &str) -> Operation {
    let (config, asked) = (config(arguments), Asked::new(text));
    Box::new(move || {
        let decision = black_box(decide(config.cors(), black_box(asked.request()), false, |_| false));
        assert!(!matches!(decision, CorsDecision::Refuse(_)), "the origin is allowed");
    })
}

fn preflight(arguments: &[&str]) -> Operation {
    let (config, asked) = (config(arguments), Asked::new(PREFLIGHT));
    let decision = decide(config.cors(), asked.request(), false, |_| false);
    let mut out = vec![0; 4 << 10];
    Box::new(move || {
        let mut writer = HeadWriter::new(black_box(&mut out));
        write_preflight(decision, config.cors(), asked.request(), &mut writer);
        black_box(writer.finish()).expect("room enough");
    })
}

fn answer(arguments: &[&str]) -> Operation {
    let (config, asked) = (config(arguments), Asked::new(BROWSER));
    let answered = Answered::new(APPLICATION_ANSWER);
    let decision = decide(config.cors(), asked.request(), false, |_| false);
    let mut out = vec![0; 4 << 10];
    Box::new(move || {
        let mut writer = HeadWriter::new(black_box(&mut out));
        let upstream = Some(Upstream { response: answered.response(), transit: Transit::default() });
        write_response_fields(
            decision,
            config.cors(),
            asked.request().bytes,
            upstream,
            &["Via"],
            &mut writer,
        );
        black_box(writer.finish()).expect("room enough");
    })
}

//! Lines of the access log: what each takes to render.

use std::{
    hint::black_box,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use corsair::{
    config::SecretNames,
    http1::{fields::FieldId, head::Version},
    observe::access_log::{LINE_MAX, Record, Renderer, Server, Times},
};

use super::{
    Operation, Operations,
    samples::{Asked, BROWSER, PLAIN},
};

pub(super) fn operations() -> Operations {
    vec![
        ("json-plain", line("json", PLAIN)),
        ("json-browser", line("json", BROWSER)),
        ("text-plain", line("text", PLAIN)),
        ("combined-plain", line("combined", PLAIN)),
        ("combined-browser", line("combined", BROWSER)),
        ("template-plain", line("{time} {client} {status} {method} {target} {total_ms}", PLAIN)),
    ]
}

fn line(format: &str, text: &str) -> Operation {
    let asked = Asked::new(text);
    let mut renderer = Renderer::new(Arc::new(format.parse().expect("a format")), false);
    let mut out = Vec::with_capacity(LINE_MAX);
    let client = Some(SocketAddr::from(([127, 0, 0, 1], 50_412)));
    let time = UNIX_EPOCH + Duration::from_millis(1_772_368_496_007);
    let micros = |micros| Some(Duration::from_micros(micros));
    Box::new(move || {
        let request = asked.request();
        let record = Record {
            client,
            listener: "http://127.0.0.1:3000",
            method: request.method_name(),
            host: request.value(FieldId::Host),
            target: request.target(),
            version: Some(Version::Http11),
            bytes_in: 80,
            bytes_out: 1_300,
            times: Times { first_byte: micros(183), total: micros(241), ..Times::default() },
            service: "routes",
            route: "default",
            upstream: "default",
            server: Server::Url("http://127.0.0.1:9101"),
            attempts: 1,
            reused: Some(true),
            cors: "allowed",
            policy: "default",
            origin: request.value(FieldId::Origin),
            referer: request.value(FieldId::Referer),
            user_agent: request.value(FieldId::UserAgent),
            request_id: Some(b"4bf92f3577b34da6a3ce929d0e0e4736"),
            ..Record::nothing(time, 200, SecretNames::NONE)
        };
        out.clear();
        renderer.render(black_box(&record), &mut out);
        black_box(&out);
    })
}

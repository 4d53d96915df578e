//! Reading which target a gateway's request names.

use std::hint::black_box;

use corsair::gateway::{GatewayForms, GatewayRequest, parse};

use super::{Operation, Operations};

pub(super) fn operations() -> Operations {
    let escapes = format!("/?url=https%3A%2F%2Fapi.example.org%2F{}", "%C3%A9".repeat(1000));
    vec![
        ("query", read("/?url=https://api.example.org/items?page=1")),
        ("query-encoded", read("/?url=https%3A%2F%2Fapi.example.org%2Fitems%3Fpage%3D1")),
        ("query-of-escapes", read(&escapes)),
        ("path", read("/https://api.example.org/items?page=1")),
    ]
}

fn read(target: &str) -> Operation {
    let target = target.as_bytes().to_vec();
    Box::new(move || {
        let forms = GatewayForms::default();
        let found = black_box(parse(forms, black_box(&target)));
        assert!(matches!(found, Ok(GatewayRequest::Target(..))), "a target");
    })
}

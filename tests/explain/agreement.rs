//! What is explained and what the daemon answers, for configurations and requests that nobody wrote.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::Path,
};

use corsair::config::{Settings, Source, compile::compile, file, machine::Machine};
use serde_json::Value;

use super::{
    explained,
    random::{Asked, Random},
    text,
};
use crate::support::{Client, Corsair, Origin, Response, daemon::command};

/// How many requests are made; `PAIRS=1000` makes it long.
fn wanted() -> usize {
    std::env::var("PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(100)
}

/// Requests that each configuration is asked.
const EACH: usize = 25;

#[test]
fn what_is_explained_is_what_the_daemon_answers() {
    let origin = Origin::always("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsair.toml");
    let name = path.to_str().unwrap();
    let (mut left, mut readable) = (wanted(), 0);
    for seed in 0.. {
        if left == 0 {
            break;
        }
        let mut random = Random::new(seed);
        let text = random.file(origin.address());
        if !is_accepted(&text) {
            continue;
        }
        fs::write(&path, &text).unwrap();
        let count = text.matches("[[listen]]").count();
        let corsair = Corsair::listening(command(&["-c", name, "--workers=1"]), count);
        for _ in 0..EACH.min(left) {
            let asked = random.asked(origin.address());
            readable +=
                usize::from(agrees(&asked, &corsair, name, &format!("seed {seed}: {asked:?}\n{text}")));
            left -= 1;
        }
    }
    let few = wanted() / 10;
    assert!(readable > few && wanted() - readable > few, "{readable} of {} are readable", wanted());
}

fn is_accepted(text: &str) -> bool {
    let mut settings = Settings::default();
    file::add(&Source::new(Path::new("f.toml"), text), &mut settings);
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    compile(&settings, machine, None).is_ok()
}

/// Asks both; whether the page can read the answer.
fn agrees(asked: &Asked, corsair: &Corsair, file: &str, context: &str) -> bool {
    let arguments = asked.arguments();
    let arguments: Vec<&str> = ["-c", file].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let (code, told) = explained(&arguments);
    let context = format!("{context}\n{told:#}");
    assert_eq!(code, Some(if told["readable"] == true { 0 } else { 3 }), "{context}");
    let address = address(text(&told["listener"]), corsair);
    assert_eq!(told["preflight"].is_null(), !asked.wants_preflight(), "{context}");
    if asked.wants_preflight() {
        let answer = Client::connect(address).send(asked.preflight()).response_to("OPTIONS");
        same(&answer, &told["preflight"], &context);
    }
    let answer = Client::connect(address).send(asked.request()).response_to(asked.method);
    if asked.upgrade && told["answer"]["status"].is_null() {
        assert_eq!(answer.status, 200, "{context}");
    } else {
        same(&answer, &told["answer"], &context);
    }
    told["readable"] == true
}

/// Where the daemon listens that is said to listen there.
fn address(url: &str, corsair: &Corsair) -> SocketAddr {
    let told: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut address = *corsair.addresses().iter().find(|address| address.ip() == told.ip()).unwrap();
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

/// Compares the status and the fields that say who may read what.
fn same(answer: &Response, told: &Value, context: &str) {
    assert_eq!(u64::from(answer.status), told["status"].as_u64().unwrap_or(200), "{context}");
    let concerns = |name: &str| {
        name.starts_with("access-control-")
            || ["vary", "corsair-cors", "timing-allow-origin", "cross-origin-resource-policy"].contains(&name)
    };
    let mut sent: Vec<(String, String)> = answer
        .fields
        .0
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| concerns(name))
        .collect();
    let headers = told["headers"].as_object().unwrap();
    let mut explained: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value).to_owned())).collect();
    sent.sort();
    explained.sort();
    assert_eq!(sent, explained, "{context}");
}

//! Signed tokens: which let in, where the keys come from, and what becomes of them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Client, Corsair, Origin, Response, answer, eventually, nobody};

const ISSUER: &str = "https://id.example";
const SECRET: &str = "a-secret-of-thirty-two-bytes-0123456789";
const ORIGIN: &str = "Origin: https://app.example.com\r\n";

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that let in, with these beside them or instead.
fn claims(more: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": "api", "sub": "ann", "exp": now() + 300 });
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
    let signature = text(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// One signer of each kind.
struct Signers {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signers {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// Their public keys under the names `rsa`, `ec` and `ed`, each with this behind it.
    fn set(&self, behind: &str) -> String {
        let public = self.rsa.public_key();
        let (n, e) = (public.modulus(), public.exponent());
        let (_, point) = self.ec.public_key().as_ref().split_first().unwrap();
        let (x, y) = point.split_at(32);
        json!({ "keys": [
            { "kty": "RSA", "kid": format!("rsa{behind}"), "use": "sig",
              "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero()) },
            { "kty": "EC", "kid": format!("ec{behind}"), "crv": "P-256", "x": text(x), "y": text(y) },
            { "kty": "OKP", "kid": format!("ed{behind}"), "crv": "Ed25519", "x": text(self.ed.public_key()) },
            { "kty": "oct", "kid": "oct", "k": text(SECRET) },
            { "kty": "XYZ", "kid": "strange" },
        ] })
        .to_string()
    }

    fn rs256(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
        token(&header, claims, |message| self.of_rsa(&RSA_PKCS1_SHA256, message))
    }

    fn of_rsa(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    fn of_ec(&self, message: &[u8]) -> Vec<u8> {
        self.ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

fn of_secret(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

/// A server of keys, which can be exchanged.
struct KeyServer {
    origin: Origin,
    content: Arc<Mutex<Vec<u8>>>,
}

impl KeyServer {
    fn new(set: &str) -> Self {
        let content = Arc::new(Mutex::new(Self::fine(set)));
        let answers = Arc::clone(&content);
        Self { origin: Origin::start(move |_| answers.lock().unwrap().clone()), content }
    }

    fn fine(set: &str) -> Vec<u8> {
        answer("200 OK", "Content-Type: application/json\r\nCache-Control: max-age=600\r\n", set).into()
    }

    fn serve(&self, answer: impl Into<Vec<u8>>) {
        *self.content.lock().unwrap() = answer.into();
    }
}

struct Scene {
    folder: tempfile::TempDir,
    corsair: Corsair,
    origin: Origin,
}

impl Scene {
    /// With routes that name one table each: `/id` with keys from this server, `/file` with the same out of a file, and
    /// `/secret`.
    fn new(keys: SocketAddr, set: &str, more: &str) -> Self {
        let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::echo());
        let file = folder.path().join("corsair.toml");
        fs::write(folder.path().join("keys.json"), set).unwrap();
        let routes = ["id", "file", "secret"].map(|name| {
            format!("[[route]]\nname = \"{name}\"\npath = \"/{name}\"\nupstream = \"web\"\naccess = [\"{name}\"]\n")
        });
        let rules = format!(
            "issuer = \"{ISSUER}\", audience = [\"web\", \"api\"], algorithms = [\"RS256\", \"PS256\", \"ES256\", \"EdDSA\"]"
        );
        let config = format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[admin]\nlisten = \"unix:{}\"\n\
             [upstream.web]\nservers = [\"http://{}\"]\n\
             [access.id]\njwt = {{ jwks = \"http://{keys}/jwks\", {rules} }}\n\
             [access.file]\njwt = {{ jwks = {:?}, {rules} }}\n\
             [access.secret]\njwt = {{ secret = \"{SECRET}\" }}\n{}{more}",
            folder.path().join("admin.sock").display(),
            origin.address(),
            folder.path().join("keys.json"),
            routes.concat(),
        );
        fs::write(&file, config).unwrap();
        let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "-v"]);
        Self { folder, corsair, origin }
    }

    fn ask(&self, path: &str, token: &str) -> Response {
        self.corsair.get(path, &format!("Authorization: Bearer {token}\r\n{ORIGIN}"))
    }

    fn counted(&self, begins: &str) -> u64 {
        let name = self.folder.path().join("admin.sock").display().to_string();
        let mut client = Client::connect_unix(&name);
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        let value = text.lines().find_map(|line| line.strip_prefix(begins)?.trim().parse().ok());
        value.unwrap_or(0)
    }
}

/// Tokens that are told apart by how they are signed, and what they are answered.
fn by_signature(signers: &Signers, strangers: &Signers) -> Vec<(&'static str, String, u16)> {
    let fine = claims(json!({}));
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    let ec = |header: &Value, claims: &Value| token(header, claims, |message| signers.of_ec(message));
    let rs256 = signers.rs256("rsa", &fine);
    let mut tampered = rs256.clone();
    tampered.insert(rs256.find('.').unwrap() + 1, 'A');
    vec![
        ("RS256", rs256.clone(), 200),
        (
            "PS256",
            token(&header("PS256", "rsa"), &fine, |message| signers.of_rsa(&RSA_PSS_SHA256, message)),
            200,
        ),
        ("ES256", ec(&header("ES256", "ec"), &fine), 200),
        (
            "EdDSA",
            token(&header("EdDSA", "ed"), &fine, |message| signers.ed.sign(message).as_ref().to_vec()),
            200,
        ),
        ("without kid", ec(&json!({ "alg": "ES256" }), &fine), 200),
        ("tampered with", tampered, 401),
        ("of a stranger", strangers.rs256("rsa", &fine), 401),
        ("a key of another kind", ec(&header("ES256", "rsa"), &fine), 401),
        (
            "an algorithm that is not listed",
            token(&header("RS512", "rsa"), &fine, |message| signers.of_rsa(&RSA_PKCS1_SHA256, message)),
            401,
        ),
        ("none", token(&header("none", "rsa"), &fine, |_| Vec::new()), 401),
        ("None", token(&header("None", "rsa"), &fine, |_| Vec::new()), 401),
        ("no signature", rs256[..=rs256.rfind('.').unwrap()].to_owned(), 401),
        ("critical fields", ec(&json!({ "alg": "ES256", "kid": "ec", "crit": ["x"], "x": 1 }), &fine), 401),
        (
            "a symmetric key of the set",
            token(&header("HS256", "oct"), &fine, |message| of_secret(SECRET.as_bytes(), message)),
            401,
        ),
        (
            "the public key as a secret",
            token(&header("HS256", "rsa"), &fine, |message| {
                of_secret(signers.rsa.public_key().as_ref(), message)
            }),
            401,
        ),
        ("no token", "abc".to_owned(), 401),
        ("two parts", "e30.e30".to_owned(), 401),
        ("four parts", format!("{rs256}.a"), 401),
        ("too long", format!("{}{rs256}", "a".repeat(8 << 10)), 401),
    ]
}

/// Those that are told apart by what they say.
fn by_claims(signers: &Signers) -> Vec<(&'static str, String, u16)> {
    vec![
        ("several audiences", signers.rs256("rsa", &claims(json!({ "aud": ["other", "web"] }))), 200),
        (
            "within the leeway",
            signers.rs256("rsa", &claims(json!({ "exp": now() - 5, "nbf": now() + 5 }))),
            200,
        ),
        ("fractions", signers.rs256("rsa", &claims(json!({ "exp": now() as f64 + 99.5 }))), 200),
        ("expired", signers.rs256("rsa", &claims(json!({ "exp": now() - 60 }))), 401),
        ("without exp", signers.rs256("rsa", &claims(json!({ "exp": null }))), 401),
        ("exp that is no number", signers.rs256("rsa", &claims(json!({ "exp": "never" }))), 401),
        ("not yet", signers.rs256("rsa", &claims(json!({ "nbf": now() + 60 }))), 401),
        ("issued in the future", signers.rs256("rsa", &claims(json!({ "iat": now() + 60 }))), 401),
        ("another audience", signers.rs256("rsa", &claims(json!({ "aud": "other" }))), 401),
        ("no audience", signers.rs256("rsa", &claims(json!({ "aud": null }))), 401),
        ("another issuer", signers.rs256("rsa", &claims(json!({ "iss": "https://id.example/" }))), 401),
        ("no issuer", signers.rs256("rsa", &claims(json!({ "iss": null }))), 401),
    ]
}

#[test]
fn a_token_lets_in_by_its_signature_and_its_claims() {
    let (signers, strangers) = (Signers::new(), Signers::new());
    let server = KeyServer::new(&signers.set(""));
    let scene = Scene::new(server.origin.address(), &signers.set(""), "");
    let mut tokens = by_signature(&signers, &strangers);
    let begins = tokens[0].1[..20].to_owned();
    tokens.extend(by_claims(&signers));
    for (what, shown, expected) in tokens {
        for path in ["/id", "/file"] {
            let response = scene.ask(path, &shown);
            let context = format!("{what} at {path}: {response:?}");
            assert_eq!(response.status, expected, "{context}");
            let challenge = response.field("www-authenticate").map(str::to_owned);
            let realm = &path[1..];
            let invalid = format!("Bearer realm=\"{realm}\", error=\"invalid_token\"");
            assert_eq!(challenge, (expected == 401).then_some(invalid), "{context}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
            assert!(!response.text().contains("exp"), "why is told to nobody: {context}");
        }
    }
    let missing = scene.corsair.get("/id", ORIGIN);
    assert_eq!((missing.status, missing.field("www-authenticate")), (401, Some("Bearer realm=\"id\"")));
    let log = scene.corsair.log();
    for reason in [
        "it has expired",
        "its signature is wrong",
        "its aud is not",
        "its iss is not",
        "it has no exp",
        "its algorithm is not",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    assert!(!log.contains(&begins) && !scene.corsair.stdout().contains(&begins), "no token is told");
}

#[test]
fn a_secret_lets_in_what_is_signed_with_it() {
    let signers = Signers::new();
    let server = KeyServer::new(&signers.set(""));
    let scene = Scene::new(server.origin.address(), &signers.set(""), "");
    let fine = json!({ "exp": now() + 60 });
    let hs256 = |claims: &Value, secret: &[u8]| {
        token(&json!({ "alg": "HS256" }), claims, |message| of_secret(secret, message))
    };
    for _ in 0..2 {
        assert_eq!(scene.ask("/secret", &hs256(&fine, SECRET.as_bytes())).status, 200);
        assert_eq!(
            scene.ask("/secret", &hs256(&fine, b"another-secret-of-more-than-32-bytes-00")).status,
            401
        );
    }
    assert_eq!(scene.ask("/secret", &hs256(&json!({ "exp": now() - 60 }), SECRET.as_bytes())).status, 401);
    assert_eq!(scene.ask("/secret", &signers.rs256("rsa", &fine)).status, 401);
    let file = scene.folder.path().join("corsair.toml");
    let printed = Corsair::run_to_end(&["check", "--print", "-c", file.to_str().unwrap()]);
    assert!(printed.stdout.contains("***") && !printed.stdout.contains(SECRET), "{}", printed.stdout);
}

#[test]
fn a_token_that_is_remembered_ends_with_its_time() {
    let signers = Signers::new();
    let server = KeyServer::new(&signers.set(""));
    let scene = Scene::new(server.origin.address(), &signers.set(""), "");
    let short = token(&json!({ "alg": "HS256" }), &json!({ "exp": now() - 27 }), |message| {
        of_secret(SECRET.as_bytes(), message)
    });
    assert_eq!(scene.ask("/secret", &short).status, 200, "it has three seconds of the leeway left");
    eventually("it is not good any more", || scene.ask("/secret", &short).status == 401);
}

#[test]
fn keys_are_fetched_for_a_token_that_bears_an_unknown_name_and_old_ones_let_nobody_in_then() {
    let (old, new) = (Signers::new(), Signers::new());
    let server = KeyServer::new(&old.set("-1"));
    let scene = Scene::new(server.origin.address(), &old.set("-1"), "");
    let (before, after) = (old.rs256("rsa-1", &claims(json!({}))), new.rs256("rsa-2", &claims(json!({}))));
    eventually("the first keys are there", || scene.ask("/id", &before).status == 200);
    assert_eq!(server.origin.lines(), ["GET /jwks"]);
    server.serve(KeyServer::fine(&new.set("-2")));
    assert_eq!(scene.ask("/id", &before).status, 200, "nobody has looked");
    eventually("the new keys are there", || scene.ask("/id", &after).status == 200);
    assert_eq!(scene.ask("/id", &before).status, 401, "what is remembered ends with its key");
    assert_eq!(server.origin.lines().len(), 2, "and fetched once");
    let strange = new.rs256("rsa-3", &claims(json!({})));
    for _ in 0..3 {
        assert_eq!(scene.ask("/id", &strange).status, 401);
    }
    assert!(server.origin.lines().len() <= 4, "never more than once in five seconds");
}

#[test]
fn without_keys_it_is_a_503_and_the_last_good_ones_are_kept() {
    let signers = Signers::new();
    let address = nobody();
    let scene = Scene::new(address, &signers.set(""), "");
    let token = signers.rs256("rsa", &claims(json!({})));
    let response = scene.ask("/id", &token);
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")), "{response:?}");
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert_eq!(scene.corsair.get("/id", "").status, 401, "who shows nothing is told what to show");
    assert_eq!(scene.ask("/file", &token).status, 200, "nobody else waits");
    scene
        .corsair
        .wait_for_log("the keys of its tokens cannot be fetched; meanwhile its tokens let nobody in");
    let content = Arc::new(Mutex::new(KeyServer::fine(&signers.set(""))));
    let served = Arc::clone(&content);
    let origin = Origin::at(address, move |exchange| {
        exchange.request();
        let answer = served.lock().unwrap().clone();
        exchange.send(answer);
        support::Then::Close
    });
    eventually("the keys are fetched again", || scene.ask("/id", &token).status == 200);
    scene.corsair.wait_for_log("the keys of its tokens are fetched again");
    let mut fetched = origin.lines().len();
    for (what, answer, told) in [
        ("fails", answer("500 Internal Server Error", "", ""), "it is answered 500"),
        ("is no JSON", answer("200 OK", "", "<html>"), "it is no JSON"),
        (
            "has no key",
            answer("200 OK", "", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"),
            "it holds no key",
        ),
        ("is too long", answer("200 OK", "", &" ".repeat(300_000)), "it is longer than 262144 bytes"),
        ("redirects", answer("302 Found", "Location: /other\r\n", ""), "it is answered 302"),
    ] {
        *content.lock().unwrap() = answer.into();
        scene.corsair.signal(Signal::HUP);
        eventually("it is fetched at a reload", || origin.lines().len() > fetched);
        fetched = origin.lines().len();
        scene.corsair.wait_for_log(told);
        assert_eq!(scene.ask("/id", &token).status, 200, "a server that {what} takes no keys away");
    }
    assert!(scene.counted("corsair_access_key_fetches_total{access=\"id\",result=\"failed\"}") >= 5);
    assert!(scene.counted("corsair_access_key_fetches_total{access=\"id\",result=\"fetched\"}") >= 1);
    assert!(scene.counted("corsair_access_total{access=\"id\",result=\"error\"}") >= 1);
    assert!(scene.counted("corsair_access_total{access=\"id\",result=\"admitted\"}") >= 5);
}

#[test]
fn a_file_of_keys_is_read_anew_at_a_reload() {
    let (old, new) = (Signers::new(), Signers::new());
    let server = KeyServer::new(&old.set(""));
    let scene = Scene::new(server.origin.address(), &old.set(""), "");
    let (before, after) = (old.rs256("rsa", &claims(json!({}))), new.rs256("rsa", &claims(json!({}))));
    let admitted = || [scene.ask("/file", &before).status, scene.ask("/file", &after).status];
    assert_eq!(admitted(), [200, 401]);
    fs::write(scene.folder.path().join("keys.json"), new.set("")).unwrap();
    scene.corsair.signal(Signal::HUP);
    scene.corsair.wait_for_log("reloaded generation=2");
    assert_eq!(admitted(), [401, 200]);
    fs::write(scene.folder.path().join("keys.json"), "{").unwrap();
    scene.corsair.signal(Signal::HUP);
    scene.corsair.wait_for_log("reloaded generation=3");
    assert_eq!(admitted(), [401, 200], "what was read last stays");
    assert!(scene.corsair.log().contains("keys.json: is no JSON; meanwhile what was read last is used"));
}

#[test]
fn a_token_goes_on_to_an_upstream_and_to_no_target() {
    let signers = Signers::new();
    let server = KeyServer::new(&signers.set(""));
    let more = "[gateway]\nallow_targets = [\"any\"]\naccess = [\"secret\"]\n";
    let scene = Scene::new(server.origin.address(), &signers.set(""), more);
    let token = token(&json!({ "alg": "HS256" }), &json!({ "exp": now() + 60 }), |message| {
        of_secret(SECRET.as_bytes(), message)
    });
    let credentials = format!("Host: localhost\r\nAuthorization: Bearer {token}\r\nSec-Fetch-Mode: cors\r\n");
    let target = format!("/?url=http://{}/x", scene.origin.address());
    for (target, expected) in [("/secret", Some(format!("Bearer {token}"))), (&*target, None)] {
        let response = scene.corsair.ask(format!("GET {target} HTTP/1.1\r\n{credentials}\r\n"));
        assert_eq!(response.status, 200, "{target}: {response:?}");
        let seen = scene.origin.seen().requests.last().unwrap().fields.clone();
        assert_eq!(seen.get("authorization").map(str::to_owned), expected, "{target}");
    }
}

#[test]
fn what_is_explained_verifies_what_can_be_verified() {
    let signers = Signers::new();
    let server = KeyServer::new(&signers.set(""));
    let scene = Scene::new(server.origin.address(), &signers.set(""), "");
    let file = scene.folder.path().join("corsair.toml").display().to_string();
    let explained = |path: &str, token: &str| {
        let (url, header) = (format!("http://127.0.0.1{path}"), format!("Authorization: Bearer {token}"));
        Corsair::run_to_end(&[
            "explain",
            "-c",
            &file,
            "--origin",
            "https://app.example.com",
            "--header",
            &header,
            &url,
        ])
        .stdout
    };
    let (fine, late) =
        (signers.rs256("rsa", &claims(json!({}))), signers.rs256("rsa", &claims(json!({ "exp": 1 }))));
    assert!(!explained("/file", &fine).contains("asked by"), "{}", explained("/file", &fine));
    let refused = explained("/file", &late);
    assert!(refused.contains("asked by access.file: send a token of its issuer"), "{refused}");
    let unknown = explained("/id", &fine);
    assert!(unknown.contains("access.id asks its service, which is not asked here"), "{unknown}");
}

//! TLS on the listeners.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{io::Write, net::TcpStream, sync::Arc, time::Duration};

use rustls::{CertificateError, ClientConfig, ClientConnection, pki_types::ServerName};
use support::{Client, Corsair, Origin, PATIENCE, certificates::Authority, connection, noise, sha256};

struct Secure {
    authority: Authority,
    corsair: Corsair,
}

fn secure(origin: &Origin, more: &[&str]) -> Secure {
    let authority = Authority::new();
    let (certificate, key) = authority.write(&authority.leaf(&["localhost", "127.0.0.1"]));
    let mut arguments = vec!["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    arguments.extend_from_slice(more);
    let corsair = Corsair::reverse(origin.address(), &arguments);
    Secure { authority, corsair }
}

impl Secure {
    fn connect(&self) -> Client {
        Client::connect_tls(self.corsair.address(), "localhost", self.authority.client(&["http/1.1"]))
    }
}

#[test]
fn a_listener_with_a_certificate_serves_https() {
    let origin = Origin::echo();
    let secure = secure(&origin, &[]);
    let mut client = secure.connect();
    for number in 0..3 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(origin.only_proto(), "https");
}

/// What the origin was told of the client's scheme.
trait Proto {
    fn only_proto(&self) -> String;
}

impl Proto for Origin {
    fn only_proto(&self) -> String {
        let seen = self.seen();
        let mut protos: Vec<_> =
            seen.requests.iter().map(|r| r.fields.get("x-forwarded-proto").unwrap().to_owned()).collect();
        protos.dedup();
        assert_eq!(protos.len(), 1, "{protos:?}");
        protos.remove(0)
    }
}

#[test]
fn bodies_pass_tls_exactly_both_ways() {
    let origin = Origin::echo();
    let secure = secure(&origin, &[]);
    let data = noise(1_000_003, 5);
    let mut client = secure.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", data.len()));
    client.send(&data);
    assert!(client.response().text().contains(&sha256(&data)));

    let body = data.clone();
    let origin = Origin::start(move |_| {
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        response.extend_from_slice(&body);
        response
    });
    let mut client = self::secure(&origin, &[]).ask_and_keep();
    assert!(client.1.body == data);
    client.0.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.0.response().body == data);
}

impl Secure {
    /// Asks once, and hands back the connection together with what keeps it alive.
    fn ask_and_keep(self) -> (Client, support::Response, Self) {
        let mut client = self.connect();
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let response = client.response();
        (client, response, self)
    }
}

#[test]
fn http_1_1_is_negotiated_and_h2_alone_is_refused() {
    let origin = Origin::echo();
    let secure = secure(&origin, &[]);
    let mut client = Client::connect_tls(
        secure.corsair.address(),
        "localhost",
        secure.authority.client(&["h2", "http/1.1"]),
    );
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let mut client =
        Client::connect_tls(secure.corsair.address(), "localhost", secure.authority.client(&["h2"]));
    client.offer("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.try_response("GET").is_err());
}

#[test]
fn plain_http_on_a_tls_listener_is_told_so_in_plain_http() {
    let origin = Origin::echo();
    let secure = secure(&origin, &["--timeout-head", "2s"]);
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "get / HTTP/1.0\r\n\r\n",
        "\r\nPOST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        "G",
    ] {
        let mut client = secure.corsair.connect();
        client.offer(request);
        let response = client.try_response("GET").unwrap();
        assert_eq!((response.status, response.closes()), (400, true), "{request:?}");
        assert!(response.text().contains("https://"), "{request:?}: {}", response.text());
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{request:?}");
        client.expect_end();
    }
    // Nothing is said before they speak, and what is neither gets the alert of its own language.
    assert!(secure.corsair.connect().is_quiet_for(Duration::from_millis(200)));
    let mut client = secure.corsair.connect();
    client.offer(b"\x16\x03\x01\x00\x01\x00");
    assert!(client.try_response("GET").is_err());
    // A large upload can read its answer too.
    let mut client = secure.corsair.connect();
    client.offer(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    ));
    assert_eq!(client.try_response("POST").unwrap().status, 400);
    assert_eq!(origin.connections(), 0);
    assert_eq!(secure.ask_and_keep().1.status, 200);
}

#[test]
fn a_handshake_that_stalls_is_closed_after_timeout_head() {
    let origin = Origin::echo();
    let secure = secure(&origin, &["--timeout-head", "300ms"]);
    let mut socket = TcpStream::connect(secure.corsair.address()).unwrap();
    socket.write_all(&[0x16, 0x03, 0x01]).unwrap();
    let mut client = Client(connection::Connection::new(connection::Wire::Plain(socket)));
    client.0.allow(Duration::from_millis(1500));
    let end = client.0.read_to_end();
    assert!(!matches!(end, Err(support::Fault::Timeout)), "the stalled handshake stays open");
}

/// Corsair with a certificate for each of these lists of names.
fn with_certificates(origin: &Origin, names: &[&[&str]]) -> Secure {
    let authority = Authority::new();
    let mut arguments = Vec::new();
    for (index, names) in names.iter().enumerate() {
        let (certificate, key) = authority.write_as(&index.to_string(), &authority.leaf(names));
        arguments.extend(["--tls-cert".to_owned(), certificate.display().to_string()]);
        arguments.extend(["--tls-key".to_owned(), key.display().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let corsair = Corsair::reverse(origin.address(), &arguments);
    Secure { authority, corsair }
}

/// The names in the certificate that a client gets who asks for this one, where that is not for it.
fn other_names(corsair: &Corsair, name: &str, config: Arc<ClientConfig>) -> Option<Vec<String>> {
    let mut tcp = TcpStream::connect(corsair.address()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let error = ClientConnection::new(config, name).unwrap().complete_io(&mut tcp).err()?;
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        })) => Some(presented.clone()),
        cause => panic!("{error}: {cause:?}"),
    }
}

#[test]
fn each_name_gets_its_certificate_and_an_unknown_one_the_first() {
    let origin = Origin::echo();
    let names: [&[&str]; 3] =
        [&["first.example"], &["*.wild.example"], &["exact.wild.example", "last.example"]];
    let secure = with_certificates(&origin, &names);
    let config = || secure.authority.client(&["http/1.1"]);
    for name in ["first.example", "a.wild.example", "exact.wild.example", "last.example"] {
        assert_eq!(other_names(&secure.corsair, name, config()), None, "{name}");
        let mut client = Client::connect_tls(secure.corsair.address(), name, config());
        client.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n"));
        assert_eq!(client.response().status, 200, "{name}");
    }
    for name in ["other.example", "wild.example", "b.a.wild.example", "127.0.0.1"] {
        let presented = other_names(&secure.corsair, name, config()).unwrap();
        assert!(presented.len() == 1 && presented[0].contains("first.example"), "{name}: {presented:?}");
    }
}

#[test]
fn a_request_for_a_host_of_another_certificate_is_a_421_that_scripts_can_read() {
    let origin = Origin::echo();
    let secure = with_certificates(&origin, &[&["a.example", "also.example"], &["b.example"]]);
    let config = || secure.authority.client(&["http/1.1"]);
    let mut client = Client::connect_tls(secure.corsair.address(), "a.example", config());
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: a.example:8443", 200),
        ("GET / HTTP/1.1\r\nHost: b.example", 421),
        ("GET / HTTP/1.1\r\nHost: also.example", 200),
        ("GET https://b.example/ HTTP/1.1\r\nHost: a.example", 421),
        ("OPTIONS / HTTP/1.1\r\nHost: b.example\r\nAccess-Control-Request-Method: PUT", 421),
        ("GET / HTTP/1.1\r\nHost: A.Example.", 200),
    ] {
        client.send(format!("{head}\r\nOrigin: https://page.example\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, status, "{head}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{head}");
        if status == 421 {
            assert!(response.text().contains("send the request on a connection of its own"), "{head}");
            assert_eq!(response.field("proxy-status"), Some("corsair; error=http_request_error"), "{head}");
        }
    }
    assert_eq!(origin.seen().requests.len(), 3);
    // On a connection of its own it is served, and one that was made to no name is for all.
    let mut client = Client::connect_tls(secure.corsair.address(), "b.example", config());
    client.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let secure = with_certificates(&origin, &[&["127.0.0.1"]]);
    let config = secure.authority.client(&["http/1.1"]);
    let mut client = Client::connect_tls(secure.corsair.address(), "127.0.0.1", config);
    client.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_certificate_that_has_expired_is_warned_of_at_start() {
    let origin = Origin::echo();
    let authority = Authority::new();
    let (certificate, key) = authority.write(&authority.expired_leaf(&["localhost"]));
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let corsair = Corsair::reverse(origin.address(), &["--tls-cert", &certificate, "--tls-key", &key]);
    let expected = format!(
        "--tls-cert: the certificate {certificate} for localhost has expired on 2020-02-01T00:00:00Z; renew it"
    );
    corsair.wait_for_log(&expected);
}

#[test]
fn a_certificate_without_its_key_ends_with_2() {
    let authority = Authority::new();
    let (certificate, _) = authority.write(&authority.leaf(&["localhost"]));
    let ended = Corsair::run_to_end(&[
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--tls-cert",
        certificate.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("key"), "{}", ended.stderr);
}

#[test]
fn the_access_log_tells_the_subject_of_the_certificate_that_a_client_has_shown() {
    let (origin, authority) = (Origin::echo(), Authority::new());
    let (certificate, key) = authority.write(&authority.leaf(&["localhost"]));
    let (ca, folder) = (authority.file(), tempfile::tempdir().unwrap());
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = {certificate:?}, key = {key:?} }}], client_ca = {ca:?} }}\n\
         [log]\nformat = \"json\"\n\
         [upstream.a]\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"a\"\n",
        origin.address()
    );
    let file = folder.path().join("corsair.toml");
    std::fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap()]);
    let config = authority.client_showing(&authority.client_leaf("reader, of logs"));
    // The second one resumes the session of the first.
    for number in 0..2 {
        let mut client = Client::connect_tls(corsair.address(), "localhost", Arc::clone(&config));
        for part in ["a", "b"] {
            client.send(format!("GET /{number}-{part} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert_eq!(client.response().status, 200);
            let record = corsair.wait_for_record(&format!("/{number}-{part}"));
            let subject = "CN=reader\\, of logs,O=Example\\, Inc.";
            assert_eq!(record["client_certificate"], subject, "{record}");
        }
    }
}

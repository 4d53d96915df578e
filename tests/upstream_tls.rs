//! TLS towards upstreams: trusted or refused, and never a request byte to a server that is not trusted.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::time::Duration;

use support::{Corsair, Origin, Then, answer, certificates::Authority, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn url(origin: &Origin) -> String {
    format!("https://{}", origin.address())
}

#[test]
fn an_upstream_signed_by_the_given_authority_is_served() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["127.0.0.1"]).server(), support::origin::describe);
    let file = authority.file();
    let corsair = Corsair::start(&["--upstream", &url(&origin), "--ca-file", file.to_str().unwrap()]);
    for _ in 0..5 {
        assert_eq!(corsair.ask(GET).status, 200);
    }
    assert_eq!(origin.connections(), 1, "TLS connections are pooled");
    assert_eq!(origin.seen().requests.len(), 5);
}

#[test]
fn a_server_that_cannot_be_trusted_is_a_502_and_gets_no_request_byte() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let file = trusted.file();
    let servers = [
        ("unknown authority", unknown.leaf(&["127.0.0.1"])),
        ("expired", trusted.expired_leaf(&["127.0.0.1"])),
        ("wrong name", trusted.leaf(&["other.example.org"])),
    ];
    for (what, leaf) in servers {
        let origin = Origin::start_tls(leaf.server(), support::origin::describe);
        let corsair = Corsair::start(&["--upstream", &url(&origin), "--ca-file", file.to_str().unwrap()]);
        let response = corsair.get("/", "Origin: https://app.example.com\r\n");
        assert_eq!(response.status, 502, "{what}");
        let status = response.field("proxy-status").unwrap();
        assert!(status.contains("error=tls_certificate_error"), "{what}: {status}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{what}");
        assert_eq!(origin.seen().heads, 0, "{what}");
    }
}

#[test]
fn a_certificate_that_stands_itself_in_the_ca_file_is_trusted_in_date_and_for_its_name() {
    let (authority, files) = (Authority::new(), Authority::new());
    let here = &["127.0.0.1"][..];
    let elsewhere = &["other.example.org", "127.0.0.2"][..];
    for (what, leaf, expected) in [
        ("self-signed as an authority", Authority::self_signed(here, true, false), 200),
        ("self-signed as a server", Authority::self_signed(here, false, false), 200),
        ("signed by somebody unknown", authority.leaf(here), 200),
        ("an authority, wrong name", Authority::self_signed(elsewhere, true, false), 502),
        ("a server, wrong name", Authority::self_signed(elsewhere, false, false), 502),
        ("unknown signer, wrong name", authority.leaf(elsewhere), 502),
        ("an authority, expired", Authority::self_signed(here, true, true), 502),
        ("a server, expired", Authority::self_signed(here, false, true), 502),
        ("unknown signer, expired", authority.expired_leaf(here), 502),
    ] {
        let (file, _) = files.write(&leaf);
        let origin = Origin::start_tls(leaf.server(), support::origin::describe);
        let corsair = Corsair::start(&["--upstream", &url(&origin), "--ca-file", file.to_str().unwrap()]);
        assert_eq!(corsair.ask(GET).status, expected, "{what}");
        assert_eq!(origin.seen().heads, usize::from(expected == 200), "{what}");
    }
    // Another one of the same name is another one, and trust in one is none in those beside it.
    for is_authority in [true, false] {
        let (file, _) = files.write(&Authority::self_signed(here, is_authority, false));
        let other = Authority::self_signed(here, is_authority, false);
        let origin = Origin::start_tls(other.server(), support::origin::describe);
        let corsair = Corsair::start(&["--upstream", &url(&origin), "--ca-file", file.to_str().unwrap()]);
        assert_eq!(corsair.ask(GET).status, 502);
        assert_eq!(origin.seen().heads, 0);
    }
}

#[test]
fn without_a_ca_file_a_private_authority_is_not_trusted() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["127.0.0.1"]).server(), support::origin::describe);
    assert_eq!(Corsair::start(&["--upstream", &url(&origin)]).ask(GET).status, 502);
    assert_eq!(origin.seen().heads, 0);
}

#[test]
fn verification_can_be_switched_off_knowingly() {
    let authority = Authority::new();
    let origin =
        Origin::start_tls(authority.expired_leaf(&["other.example.org"]).server(), support::origin::describe);
    let corsair = Corsair::start(&["--upstream", &url(&origin), "--insecure-upstream"]);
    assert_eq!(corsair.ask(GET).status, 200);
}

#[test]
fn a_server_that_speaks_no_tls_is_a_502() {
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        for socket in plain.incoming() {
            drop(socket.unwrap().write_all(answer("200 OK", "", "plain").as_bytes()));
        }
    });
    let response = Corsair::start(&["--upstream", &format!("https://{address}")]).ask(GET);
    assert_eq!(response.status, 502);
    let status = response.field("proxy-status").unwrap();
    assert!(status.contains("error=tls_") || status.contains("error=connection_terminated"), "{status}");
}

#[test]
fn an_https_server_given_by_name_gets_its_own_host_and_server_name() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["api.example.org"]).server(), support::origin::describe);
    let hosts = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hosts.path(), "127.0.0.1 api.example.org\n").unwrap();
    let (file, port) = (authority.file(), origin.address().port());
    let corsair = Corsair::start(&[
        "--upstream",
        &format!("https://api.example.org:{port}"),
        "--ca-file",
        file.to_str().unwrap(),
        "--hosts-file",
        hosts.path().to_str().unwrap(),
    ]);
    assert_eq!(corsair.get("/", "").status, 200);
    let host = origin.only_request().fields.get("host").unwrap().to_owned();
    assert_eq!(host, format!("api.example.org:{port}"));
}

#[test]
fn a_tls_end_without_close_notify_under_a_close_delimited_body_is_seen_as_cut() {
    let authority = Authority::new();
    let origin = Origin::on_head_tls(authority.leaf(&["127.0.0.1"]).server(), |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\n\r\npart");
        // A FIN alone, without a close_notify.
        drop(exchange.connection.tcp().shutdown(std::net::Shutdown::Write));
        Then::Hold
    });
    let file = authority.file();
    let corsair = Corsair::start(&["--upstream", &url(&origin), "--ca-file", file.to_str().unwrap()]);
    let mut client = corsair.connect();
    client.send(GET);
    match client.try_response("GET") {
        Err(support::Fault::Truncated { .. }) => {}
        // It was noticed before anything had left.
        Ok(response) => assert_eq!(response.status, 502),
        other => panic!("{other:?}"),
    }
}

#[test]
fn silent_handshakes_give_way_to_one_that_waits() {
    let authority = Authority::new();
    let good = Origin::start_tls(authority.leaf(&["127.0.0.1"]).server(), support::origin::describe);
    // It takes connections, and says nothing on them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (file, port) = (authority.file(), silent.local_addr().unwrap().port());
    let corsair = Corsair::start(&[
        "--allow-target",
        "127.0.0.1",
        "--ca-file",
        file.to_str().unwrap(),
        // The good one would come too late if it had to wait for that.
        "--timeout-connect",
        "5m",
    ]);
    let mut clients = Vec::new();
    let mut held = Vec::new();
    // More than one worker has places for.
    for _ in 0..140 {
        let mut client = corsair.connect();
        client.send(format!("GET /https://127.0.0.1:{port}/ HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        held.push(silent.accept().unwrap());
        clients.push(client);
    }
    assert_eq!(corsair.get(&format!("/https://{}/", good.address()), "").status, 200);
    // Some have given way, and hear so, whichever came first; the others still wait for their server.
    let mut told = None;
    eventually("one has given way", || {
        told = clients.iter_mut().position(|client| !client.is_quiet_for(Duration::from_millis(1)));
        told.is_some()
    });
    assert_eq!(clients.remove(told.unwrap()).response().status, 504);
    assert!(clients.pop().unwrap().is_quiet_for(Duration::from_millis(1)));
}

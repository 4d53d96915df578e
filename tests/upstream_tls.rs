//! TLS towards upstreams: trusted or refused, and never a request byte to a server that is not trusted.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::ProducesTickets,
    version::{TLS12, TLS13},
};
use support::{
    Corsair, Origin, Then, answer,
    certificates::{Authority, Leaf},
    eventually,
};

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

/// What a file says of the servers at this port, the paths of files being in `folder`.
struct Settings<'a> {
    folder: &'a Path,
    origin: &'a Origin,
}

impl Settings<'_> {
    /// A corsair with an upstream for each of these ways to speak TLS, under the paths `/0`, `/1` and so on.
    fn start(&self, ways: &[&str]) -> Corsair {
        Corsair::start(&["-c", self.write(ways).to_str().unwrap(), "--access-log", "off"])
    }

    fn write(&self, ways: &[&str]) -> PathBuf {
        let upstreams = ways.iter().enumerate().map(|(index, tls)| {
            format!(
                "[[route]]\npath = \"/{index}\"\nupstream = \"u{index}\"\n\
                 [upstream.u{index}]\nservers = [\"{}\"]\ntls = {{ {tls} }}\n",
                url(self.origin)
            )
        });
        let text = format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{}", upstreams.collect::<String>());
        let file = self.folder.join("corsair.toml");
        std::fs::write(&file, text.replace("DIR", self.folder.to_str().unwrap())).unwrap();
        file
    }
}

/// A folder with the authority's certificate and, as `own` and `other`, two for clients with their keys.
fn folder_of(authority: &Authority) -> PathBuf {
    let folder = authority.file().parent().unwrap().to_owned();
    for name in ["own", "other"] {
        authority.write_as(name, &authority.client_leaf(name));
    }
    folder
}

const CA: &str = "ca = \"DIR/ca.pem\"";
const SHOWN: &str = "cert = \"DIR/own.pem\", key = \"DIR/own.key\"";

#[test]
fn a_server_that_asks_for_a_certificate_gets_it_and_another_upstream_shows_none() {
    let authority = Authority::new();
    let folder = folder_of(&authority);
    let leaf = authority.leaf(&["127.0.0.1"]);
    let origin = Origin::start_tls(leaf.server_asking(&authority), support::origin::describe);
    let corsair = Settings { folder: &folder, origin: &origin }.start(&[&format!("{CA}, {SHOWN}"), CA]);
    for _ in 0..3 {
        assert_eq!(corsair.get("/0", "").status, 200);
    }
    assert_eq!(origin.connections(), 1);
    // A connection of the other one would serve it.
    assert_eq!(corsair.get("/1", "").status, 502);
    assert_eq!(origin.seen().requests.len(), 3);
    assert_eq!(corsair.get("/0", "").status, 200);
}

#[test]
fn a_server_is_asked_for_the_name_that_is_set_and_must_prove_it() {
    let authority = Authority::new();
    let folder = folder_of(&authority);
    let leaf = authority.leaf(&["api.internal", "127.0.0.2"]);
    let origin = Origin::start_tls(leaf.server_named("api.internal"), support::origin::describe);
    let named = |name: &str| format!("{CA}, server_name = \"{name}\"");
    let corsair = Settings { folder: &folder, origin: &origin }.start(&[&named("api.internal"), CA]);
    assert_eq!(corsair.get("/0", "").status, 200);
    // By its address it cannot be asked for.
    assert_eq!(corsair.get("/1", "").status, 502);
    assert_eq!(origin.seen().heads, 1);
    let origin = Origin::start_tls(leaf.server(), support::origin::describe);
    let corsair = Settings { folder: &folder, origin: &origin }.start(&[
        &named("other.internal"),
        CA,
        &named("127.0.0.1"),
        &named("127.0.0.2"),
    ]);
    for path in ["/0", "/1", "/2"] {
        let response = corsair.get(path, "");
        assert_eq!(response.status, 502, "{path}");
        let status = response.field("proxy-status").unwrap().to_owned();
        assert!(status.contains("error=tls_certificate_error"), "{path}: {status}");
        assert_eq!(origin.seen().heads, 0, "{path}");
    }
    assert_eq!(corsair.get("/3", "").status, 200, "the certificate is for that address");
}

#[test]
fn a_server_that_speaks_only_older_versions_than_are_taken_gets_no_request_byte() {
    let authority = Authority::new();
    let folder = folder_of(&authority);
    let leaf = authority.leaf(&["127.0.0.1"]);
    let newest = format!("{CA}, min_version = \"1.3\"");
    for (version, expected) in [(&TLS12, 502), (&TLS13, 200)] {
        let origin = Origin::start_tls(leaf.server_of(version), support::origin::describe);
        let corsair = Settings { folder: &folder, origin: &origin }.start(&[&newest, CA]);
        assert_eq!(corsair.get("/0", "").status, expected, "{version:?}");
        assert_eq!(origin.seen().heads, usize::from(expected == 200));
        assert_eq!(corsair.get("/1", "").status, 200, "{version:?}");
    }
}

/// Tickets of which it is counted how many came back that it has issued.
#[derive(Debug)]
struct Counted {
    tickets: Arc<dyn ProducesTickets>,
    taken: AtomicUsize,
}

impl ProducesTickets for Counted {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let ticket = self.tickets.decrypt(cipher);
        self.taken.fetch_add(usize::from(ticket.is_some()), Ordering::SeqCst);
        ticket
    }
}

fn counted(server: &ServerConfig) -> (Arc<ServerConfig>, Arc<Counted>) {
    let counted = Arc::new(Counted { tickets: Ticketer::new().unwrap(), taken: AtomicUsize::new(0) });
    let mut server = server.clone();
    server.ticketer = Arc::<Counted>::clone(&counted);
    (Arc::new(server), counted)
}

#[test]
fn sessions_are_resumed_on_new_connections_and_never_by_an_upstream_of_other_settings() {
    let authority = Authority::new();
    let folder = folder_of(&authority);
    let leaf: Leaf = authority.leaf(&["127.0.0.1", "api.internal"]);
    for version in [&TLS12, &TLS13] {
        let (server, tickets) = counted(&leaf.server_of(version));
        let origin =
            Origin::start_tls(server, |_| answer("200 OK", "Connection: close\r\n", "").into_bytes());
        let settings = Settings { folder: &folder, origin: &origin };
        let others = ["verify = false", "server_name = \"127.0.0.1\", ca = \"DIR/ca.pem\"", CA];
        let shown = format!("{CA}, {SHOWN}");
        let corsair = settings.start(&[&[CA, &shown], &others[..2]].concat());
        let taken = || tickets.taken.load(Ordering::SeqCst);
        for (path, expected) in
            [("/0", 0), ("/0", 1), ("/0", 2), ("/1", 2), ("/1", 3), ("/2", 3), ("/3", 3), ("/3", 4)]
        {
            assert_eq!((corsair.get(path, "").status, taken()), (200, expected), "{version:?} {path}");
        }
        // They live on through a reload, unless the settings have changed.
        settings.write(&[CA, others[0]]);
        corsair.signal(Signal::HUP);
        corsair.wait_for_log("reloaded");
        for (path, expected) in [("/0", 5), ("/1", 6)] {
            assert_eq!((corsair.get(path, "").status, taken()), (200, expected), "{version:?} {path}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_read_at_a_reload_is_shown_as_it_was_read_last() {
    let authority = Authority::new();
    let folder = folder_of(&authority);
    let leaf = authority.leaf(&["127.0.0.1"]);
    let origin = Origin::start_tls(leaf.server_asking(&authority), |_| {
        answer("200 OK", "Connection: close\r\n", "").into_bytes()
    });
    let settings = Settings { folder: &folder, origin: &origin };
    let shown = format!("{CA}, {SHOWN}");
    let corsair = settings.start(&[&shown]);
    std::fs::write(folder.join("own.key"), "").unwrap();
    settings.write(&[&shown, &shown]);
    corsair.signal(Signal::HUP);
    let told = corsair.wait_for_log("meanwhile what was read last is used");
    assert!(told.contains("upstream.u0.tls.key") && told.contains("own.key"), "{told}");
    corsair.wait_for_log("reloaded");
    assert_eq!((corsair.get("/0", "").status, corsair.get("/1", "").status), (200, 200));
    // Another one was never read.
    settings.write(&["ca = \"DIR/ca.pem\", cert = \"DIR/other.pem\", key = \"DIR/own.key\""]);
    corsair.signal(Signal::HUP);
    let told = corsair.wait_for_log("reload refused");
    assert!(corsair.log().contains("own.key holds no private key"), "{told}");
    assert_eq!(corsair.get("/1", "").status, 200);
}

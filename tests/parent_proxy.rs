//! Through a parent proxy: what it is asked for, what becomes of its answers, and what never gets there.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use support::{
    Connection, Corsair, Origin, Response, answer, certificates::Authority, connection::Wire,
    daemon::command, eventually, message::Head, nobody,
};
use tempfile::TempDir;

/// What a parent does about what it is asked for.
enum Deed {
    /// Answers it, and takes the next one.
    Answer(String),
    /// Connects, as an answer to CONNECT: with this head, and no byte before it.
    Connect(String, SocketAddr),
    /// Says this and closes.
    Close(Vec<u8>),
    /// Says nothing.
    Silence,
}

/// A parent proxy that does as a test says, and remembers what it was asked for: by which connection, and the head.
struct Parent {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(usize, Head)>>>,
    connections: Arc<Mutex<usize>>,
}

impl Parent {
    fn start(deed: impl Fn(&Head) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (deed, told, counted) = (Arc::new(deed), Arc::clone(&asked), Arc::clone(&connections));
        thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                *counted.lock().unwrap() += 1;
                let (deed, told) = (Arc::clone(&deed), Arc::clone(&told));
                thread::spawn(move || serve(socket.unwrap(), number, &*deed, &told));
            }
        });
        Self { address, asked, connections }
    }

    /// One that connects everybody to this address, and answers what it gets itself with the target.
    fn to(origin: SocketAddr) -> Self {
        Self::start(move |head| match head.start.split(' ').collect::<Vec<_>>()[..] {
            ["CONNECT", ..] => Deed::Connect("HTTP/1.1 200 Connection established\r\n\r\n".into(), origin),
            [_, target, _] => Deed::Answer(answer("200 OK", "Content-Type: text/plain\r\n", target)),
            _ => Deed::Close(Vec::new()),
        })
    }

    fn asked(&self) -> Vec<(usize, Head)> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|(_, head)| head.start).collect()
    }

    fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn serve(
    socket: TcpStream,
    number: usize,
    deed: &(dyn Fn(&Head) -> Deed + Send + Sync),
    asked: &Mutex<Vec<(usize, Head)>>,
) {
    let mut connection = Connection::new(Wire::Plain(socket));
    loop {
        connection.allow(Duration::from_secs(60));
        let Ok(head) = connection.head() else { return };
        let framing = head.framing_of_request().unwrap();
        connection.body(&head, framing).unwrap();
        asked.lock().unwrap().push((number, head.clone()));
        match deed(&head) {
            Deed::Answer(text) => {
                if connection.write(text.as_bytes()).is_err() {
                    return;
                }
            }
            Deed::Connect(head, to) => {
                connection.write(head.as_bytes()).unwrap();
                return relay(connection, TcpStream::connect(to).unwrap());
            }
            Deed::Close(bytes) => {
                drop(connection.write(&bytes));
                connection.shutdown_write();
                drop(connection.read_to_end());
                return;
            }
            Deed::Silence => {
                drop(connection.read_to_end());
                return;
            }
        }
    }
}

/// Carries bytes both ways until both directions have ended.
fn relay(connection: Connection, there: TcpStream) {
    assert!(connection.unread.is_empty(), "what comes before the answer belongs to no tunnel");
    let here = connection.tcp().try_clone().unwrap();
    here.set_read_timeout(None).unwrap();
    let carry = |mut from: TcpStream, mut to: TcpStream| {
        move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        }
    };
    let back = thread::spawn(carry(there.try_clone().unwrap(), here.try_clone().unwrap()));
    carry(here, there)();
    back.join().unwrap();
}

/// A file in a folder of its own, and the daemon with it.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsair.toml");
    let begin =
        "workers = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"stdout\"\nformat = \"json\"\n";
    fs::write(&path, format!("{begin}{text}\n")).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The command in whose environment no proxy is named.
fn clean(arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    for name in ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn start(text: &str) -> (Corsair, TempDir) {
    let (folder, path) = file(text);
    (Corsair::listening(clean(&["-c", &path]), 1), folder)
}

/// A gateway behind a parent, which gets this user and password.
fn gateway(parent: SocketAddr, credentials: &str, more: &str) -> (Corsair, TempDir) {
    start(&format!(
        "{more}\n[gateway]\n[proxy]\nhttp = \"http://{credentials}{parent}\"\nhttps = \"http://{credentials}{parent}\""
    ))
}

/// An upstream of these servers that is asked through a parent.
fn upstream(parent: SocketAddr, servers: &str, more: &str) -> (Corsair, TempDir) {
    start(&format!(
        "[[route]]\nupstream = \"app\"\n[proxy]\nhttp = \"http://user:pass@{parent}\"\nhttps = \"http://user:pass@{parent}\"\n\
         [upstream.app]\nservers = [{servers}]\nproxy = \"parent\"\n{more}"
    ))
}

/// `user:pass`, as Basic has it.
const BASIC: &str = "Basic dXNlcjpwYXNz";

fn cause(response: &Response) -> &str {
    response
        .field("proxy-status")
        .and_then(|status| status.split_once("error="))
        .map_or("", |(_, cause)| cause)
}

/// That a fault of the parent's is told to a page, and nothing of the parent.
fn is_told_to_scripts(response: &Response, parent: SocketAddr) {
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    let all = format!("{:?} {}", response.fields, response.text());
    for secret in [&parent.port().to_string(), "hunter2", "user", BASIC, "secret realm"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(!response.fields.has("proxy-authenticate"));
}

const ORIGIN: &str = "Origin: https://app.example.com\r\n";

#[test]
fn an_https_server_is_connected_to_and_its_certificate_is_verified_inside() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["api.example.org"]).server(), support::origin::describe);
    let parent = Parent::to(origin.address());
    let ca = authority.file();
    let server = "\"https://api.example.org:8443/v1\"";
    let (corsair, _folder) = upstream(parent.address, server, &format!("tls.ca = {ca:?}"));
    for _ in 0..3 {
        let response = corsair.get("/a?b", ORIGIN);
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(response.text().starts_with("GET /v1/a?b"), "the server gets origin-form");
    }
    let asked = parent.asked();
    let [(_, head)] = &asked[..] else { panic!("one connection serves all of them: {asked:?}") };
    assert_eq!(head.start, "CONNECT api.example.org:8443 HTTP/1.1");
    assert_eq!(head.fields.all("host"), ["api.example.org:8443"]);
    assert_eq!(head.fields.all("proxy-authorization"), [BASIC]);
    let seen = origin.seen();
    assert_eq!((seen.connections, seen.requests.len()), (1, 3));
    assert!(seen.requests.iter().all(|request| request.fields.all("host") == ["api.example.org:8443"]));
}

#[test]
fn a_server_that_shows_another_certificate_inside_gets_no_request_byte() {
    let authority = Authority::new();
    let origin =
        Origin::start_tls(authority.leaf(&["other.example.org"]).server(), support::origin::describe);
    let parent = Parent::to(origin.address());
    let ca = authority.file();
    let (corsair, _folder) =
        upstream(parent.address, "\"https://api.example.org\"", &format!("tls.ca = {ca:?}"));
    let response = corsair.get("/", ORIGIN);
    assert_eq!((response.status, cause(&response)), (502, "tls_certificate_error"));
    is_told_to_scripts(&response, parent.address);
    assert_eq!(origin.seen().heads, 0);
    assert_eq!(parent.lines(), ["CONNECT api.example.org:443 HTTP/1.1"]);
}

#[test]
fn an_http_server_is_asked_for_in_absolute_form_on_one_connection() {
    let parent = Parent::to(([127, 0, 0, 1], 9).into());
    let (corsair, _folder) = upstream(parent.address, "\"http://api.example.org:8080/v1\"", "");
    let mut client = corsair.connect();
    for (request, target) in [
        ("GET /a?b HTTP/1.1\r\nHost: me\r\n", "http://api.example.org:8080/v1/a?b"),
        ("OPTIONS * HTTP/1.1\r\nHost: me\r\n", "http://api.example.org:8080"),
        (
            "POST / HTTP/1.1\r\nHost: me\r\nContent-Length: 2\r\nProxy-Authorization: Basic mine\r\n",
            "http://api.example.org:8080/v1/",
        ),
    ] {
        let body = if request.starts_with("POST") { "ok" } else { "" };
        client.send(format!("{request}\r\n{body}"));
        let response = client.response();
        assert_eq!((response.status, &*response.text()), (200, target));
    }
    let asked = parent.asked();
    assert_eq!(asked.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 0, 0]);
    for (_, head) in &asked {
        assert_eq!(head.fields.all("host"), ["api.example.org:8080"], "what a proxy makes of it anyway");
        assert_eq!(head.fields.all("proxy-authorization"), [BASIC]);
        assert_eq!(head.fields.all("via").len(), 1);
        assert_eq!(head.fields.all("x-forwarded-host"), ["me"]);
    }
    let record = corsair.wait_for_record("/a?b");
    assert_eq!(record["server"], "http://api.example.org:8080/v1");
}

#[test]
fn targets_of_the_gateway_go_through_the_parent_of_their_scheme() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["a.example.org"]).server(), support::origin::describe);
    let parent = Parent::to(origin.address());
    let (folder, path) = file(&format!(
        "[gateway]\n[proxy]\nhttp = \"http://user:pass@{0}\"\nhttps = \"http://{0}\"",
        parent.address
    ));
    let ca = authority.file();
    let corsair = Corsair::listening(clean(&["-c", &path, "--ca-file", ca.to_str().unwrap()]), 1);
    for _ in 0..2 {
        let response = corsair.get("/http://b.example.org/x?y=1", ORIGIN);
        assert_eq!((response.status, &*response.text()), (200, "http://b.example.org/x?y=1"));
        assert_eq!(response.field("x-final-url"), Some("http://b.example.org/x?y=1"));
        let response = corsair.get("/https://a.example.org/z", ORIGIN);
        assert!(response.status == 200 && response.text().starts_with("GET /z"), "{}", response.text());
    }
    let asked = parent.asked();
    let lines: Vec<&str> = asked.iter().map(|(_, head)| &*head.start).collect();
    let absolute = "GET http://b.example.org/x?y=1 HTTP/1.1";
    assert_eq!(lines, [absolute, "CONNECT a.example.org:443 HTTP/1.1", absolute]);
    assert_eq!(asked[0].0, asked[2].0, "one connection");
    let credentials: Vec<bool> =
        asked.iter().map(|(_, head)| head.fields.has("proxy-authorization")).collect();
    assert_eq!(credentials, [true, false, true], "each parent has its own");
    let record = corsair.wait_for_record("b.example.org");
    assert!(record.get("server").is_none(), "the parent is not the destination: {record}");
    drop(folder);
}

#[test]
fn a_target_is_judged_by_its_name_and_a_literal_by_its_address_before_the_parent_hears_of_it() {
    let parent = Parent::to(([127, 0, 0, 1], 9).into());
    let (corsair, _folder) = gateway(parent.address, "", "");
    for target in [
        "http://10.0.0.1/",
        "https://192.168.1.1/",
        "http://127.0.0.1:8080/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/",
        "http://2130706433/",
        "http://localhost/",
        "http://intranet/",
        "http://metadata.google.internal/",
    ] {
        let response = corsair.get(&format!("/{target}"), ORIGIN);
        assert_eq!((response.status, cause(&response)), (403, "destination_ip_prohibited"), "{target}");
    }
    assert_eq!(parent.connections(), 0);
    assert_eq!(corsair.get("/http://9.9.9.9/", ORIGIN).status, 200);
    assert_eq!(parent.lines(), ["GET http://9.9.9.9/ HTTP/1.1"]);
    // What a list does not name may be anything where its name leads.
    let (listed, _folder) = start(&format!(
        "[gateway]\nallow_targets = [\"10.0.0.0/8\", \"*.corp.internal\"]\n[proxy]\nhttp = \"http://{}\"",
        parent.address
    ));
    for (target, status) in
        [("http://a.example.org/", 403), ("http://a.corp.internal/", 200), ("http://10.1.2.3/", 200)]
    {
        assert_eq!(listed.get(&format!("/{target}"), ORIGIN).status, status, "{target}");
    }
}

#[test]
fn what_no_proxy_lists_is_asked_directly_and_judged_as_ever() {
    let origin = Origin::echo();
    let parent = Parent::to(origin.address());
    let port = origin.address().port();
    let hosts = tempfile::NamedTempFile::new().unwrap();
    fs::write(hosts.path(), "127.0.0.1 exact.example a.below.example ported.example\n").unwrap();
    let text = format!(
        "[gateway]\nallow_targets = [\"public\", \"exact.example\", \"*.below.example\", \"127.0.0.1\"]\n\
         [dns]\nhosts_file = {:?}\n[proxy]\nhttp = \"http://{}\"\n\
         no_proxy = [\"exact.example\", \".below.example\", \"127.0.0.0/8\", \"ported.example:{port}\"]",
        hosts.path(),
        parent.address,
    );
    let (corsair, _folder) = start(&text);
    for (host, expected) in [
        ("exact.example", 200),
        // Named by a wildcard, and its address is not public.
        ("a.below.example", 403),
        ("127.0.0.1", 200),
        ("ported.example", 403),
    ] {
        let response = corsair.get(&format!("/http://{host}:{port}/x"), ORIGIN);
        assert_eq!(response.status, expected, "{host}: {}", response.text());
    }
    assert_eq!(parent.connections(), 0);
    assert_eq!(origin.lines(), ["GET /x", "GET /x"]);
    for host in ["b.exact.example", "below.example.org", "126.0.0.1"] {
        assert_eq!(corsair.get(&format!("/http://{host}:{port}/"), ORIGIN).status, {
            if host == "b.exact.example" { 403 } else { 200 }
        });
    }
    assert_eq!(parent.connections(), 2);
}

#[test]
fn the_environment_names_parents_where_the_operator_wants_that() {
    let parent = Parent::to(([127, 0, 0, 1], 9).into());
    let hosts = tempfile::NamedTempFile::new().unwrap();
    fs::write(hosts.path(), "127.0.0.1 parent.test www.direct.example.org\n").unwrap();
    let (folder, path) =
        file(&format!("[gateway]\n[dns]\nhosts_file = {:?}\n[proxy]\nenvironment = true", hosts.path()));
    let mut command = clean(&["-c", &path]);
    command.env("http_proxy", format!("http://user:pass@parent.test:{}/", parent.address.port()));
    command.env("HTTP_PROXY", "http://127.0.0.1:9");
    command.env("NO_PROXY", "direct.example.org,.internal");
    let corsair = Corsair::listening(command, 1);
    assert_eq!(corsair.get("/http://a.example.org/", ORIGIN).status, 200);
    assert_eq!(parent.asked()[0].1.fields.all("proxy-authorization"), [BASIC]);
    let direct = corsair.get("/http://www.direct.example.org/", ORIGIN);
    assert_eq!(
        (direct.status, cause(&direct)),
        (403, "destination_ip_prohibited"),
        "no_proxy holds below a name"
    );
    assert_eq!(parent.lines(), ["GET http://a.example.org/ HTTP/1.1"]);
    let printed = Corsair::command_to_end({
        let mut command = clean(&["check", "--print", "-c", &path]);
        command.env("http_proxy", "http://user:hunter2@parent.example:1");
        command
    });
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stdout.contains("environment = true"), "{}", printed.stdout);
    assert!(!format!("{}{}", printed.stdout, printed.stderr).contains("hunter2"));
    drop(folder);
}

#[test]
fn a_redirect_that_the_gateway_follows_chooses_anew() {
    let direct = Origin::echo();
    let port = direct.address().port();
    let parent = Parent::start(move |head| {
        let there = if head.start.contains("/first") {
            "http://b.example.org/second".to_owned()
        } else {
            format!("http://127.0.0.1:{port}/third")
        };
        Deed::Answer(answer("302 Found", &format!("Location: {there}\r\n"), ""))
    });
    let text = format!(
        "[gateway]\nallow_targets = [\"public\", \"127.0.0.1\"]\n[proxy]\nhttp = \"http://{}\"\nno_proxy = [\"127.0.0.1\"]",
        parent.address
    );
    let (corsair, _folder) = start(&text);
    let response = corsair.get("/http://a.example.org/first", ORIGIN);
    assert!(response.status == 200 && response.text().starts_with("GET /third"), "{}", response.text());
    assert_eq!(
        parent.lines(),
        ["GET http://a.example.org/first HTTP/1.1", "GET http://b.example.org/second HTTP/1.1"]
    );
    let prohibited =
        Parent::start(|_| Deed::Answer(answer("302 Found", "Location: http://10.0.0.1/\r\n", "")));
    let (corsair, _folder) = gateway(prohibited.address, "", "");
    assert_eq!(corsair.get("/http://a.example.org/", ORIGIN).status, 403);
    assert_eq!(prohibited.lines().len(), 1);
}

/// What a parent says to CONNECT, and what comes of it.
fn refusals() -> Vec<(&'static str, Deed, u16, &'static str)> {
    let challenge =
        "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"secret realm\"\r\nContent-Length: 0\r\n\r\n";
    vec![
        ("forbidden", Deed::Answer(answer("403 Forbidden", "", "user hunter2")), 502, "connection_refused"),
        ("bad gateway", Deed::Close(b"HTTP/1.1 502 Down\r\n\r\n".to_vec()), 502, "connection_refused"),
        ("switching", Deed::Answer("HTTP/1.1 101 Switching\r\n\r\n".into()), 502, "connection_refused"),
        ("407", Deed::Answer(challenge.into()), 502, "proxy_configuration_error"),
        ("garbage", Deed::Answer("\x16\x03\x01 no http\r\n\r\n".into()), 502, "http_protocol_error"),
        ("no status", Deed::Answer("HTTP/1.1 2xx OK\r\n\r\n".into()), 502, "http_protocol_error"),
        ("a cut head", Deed::Close(b"HTTP/1.1 200 OK\r\nA: ".to_vec()), 502, "destination_unavailable"),
        ("nothing", Deed::Close(Vec::new()), 502, "destination_unavailable"),
        (
            "an endless head",
            Deed::Close(format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(20_000)).into()),
            502,
            "http_response_header_section_size",
        ),
        (
            "too many fields",
            Deed::Answer(format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101))),
            502,
            "http_response_header_section_size",
        ),
        (
            "interim ones without end",
            Deed::Close("HTTP/1.1 100 Continue\r\n\r\n".repeat(50).into()),
            502,
            "http_protocol_error",
        ),
        ("silence", Deed::Silence, 504, "connection_timeout"),
    ]
}

#[test]
fn whatever_a_parent_says_to_connect_is_told_promptly_and_nothing_of_it() {
    for (what, deed, status, expected) in refusals() {
        let deed = Mutex::new(Some(deed));
        let parent = Parent::start(move |_| deed.lock().unwrap().take().expect("it is asked once"));
        let (corsair, _folder) = gateway(parent.address, "user:hunter2@", "[timeouts]\nconnect = \"1s\"");
        let begun = Instant::now();
        let response = corsair.get("/https://a.example.org/", ORIGIN);
        assert_eq!((response.status, cause(&response)), (status, expected), "{what}: {}", response.text());
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        is_told_to_scripts(&response, parent.address);
        let line = corsair.wait_for_log("parent proxy");
        assert!(line.contains(&format!("http://{}", parent.address)), "{what}: {line}");
        assert!(what != "forbidden" || line.contains("status=403"), "{line}");
        assert!(!format!("{}{}", corsair.log(), corsair.stdout()).contains("hunter2"), "{what}");
    }
}

#[test]
fn a_parent_that_is_not_there_is_told_of_at_once() {
    let nobody = nobody();
    let (corsair, _folder) = gateway(nobody, "user:hunter2@", "");
    for target in ["http://a.example.org/", "https://a.example.org/"] {
        let begun = Instant::now();
        let response = corsair.get(&format!("/{target}"), ORIGIN);
        assert_eq!((response.status, cause(&response)), (502, "destination_unavailable"));
        assert!(begun.elapsed() < Duration::from_secs(2));
        is_told_to_scripts(&response, nobody);
    }
    let line = corsair.wait_for_log("parent proxy");
    assert!(line.contains(&format!("http://{nobody}")) && line.contains("connection_refused"), "{line}");
    assert!(!corsair.log().contains("hunter2"));
    let record = corsair.wait_for_record("https://a.example.org/");
    assert!(record["cause"] == "destination_unavailable" && record.get("server").is_none(), "{record}");
}

#[test]
fn a_407_to_a_request_is_ours_and_a_challenge_never_passes() {
    let challenge = "Proxy-Authenticate: Basic realm=\"secret realm\"\r\n";
    for (status, expected) in [("407 No", 502), ("200 OK", 200)] {
        let parent = Parent::start(move |_| Deed::Answer(answer(status, challenge, "x")));
        for ((corsair, _folder), target) in [
            (gateway(parent.address, "user:hunter2@", ""), "/http://a.example.org/"),
            (upstream(parent.address, "\"http://a.example.org\"", ""), "/"),
        ] {
            let response = corsair.get(target, ORIGIN);
            assert_eq!(response.status, expected, "{status}");
            is_told_to_scripts(&response, parent.address);
            if expected == 502 {
                assert_eq!(cause(&response), "proxy_configuration_error");
                assert!(corsair.wait_for_log("parent proxy").contains("status=407"));
            }
        }
    }
}

#[test]
fn interim_answers_to_connect_are_passed_over_and_a_length_of_a_2xx_means_nothing() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["api.example.org"]).server(), support::origin::describe);
    let ca = authority.file();
    for head in [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n",
        "HTTP/1.1 204 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200\nA: b\n\n",
    ] {
        let to = origin.address();
        let parent = Parent::start(move |_| Deed::Connect(head.into(), to));
        let (corsair, _folder) =
            upstream(parent.address, "\"https://api.example.org\"", &format!("tls.ca = {ca:?}"));
        assert_eq!(corsair.get("/", "").status, 200, "{head}");
    }
}

#[test]
fn a_websocket_over_http_is_connected_to_and_what_comes_behind_the_answer_is_its_own() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello from there",
        );
        exchange.peer_closes();
        support::Then::Close
    });
    let parent = Parent::to(origin.address());
    let (corsair, _folder) = upstream(parent.address, "\"http://api.example.org\"", "");
    assert_eq!(corsair.get("/first", "").status, 200);
    let mut client = corsair.connect();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(client.head().start.starts_with("HTTP/1.1 101"));
    client.until(b"hello from there");
    drop(client);
    assert_eq!(corsair.get("/second", "").status, 200);
    let asked = parent.asked();
    let lines: Vec<&str> = asked.iter().map(|(_, head)| &*head.start).collect();
    assert_eq!(
        lines,
        [
            "GET http://api.example.org/first HTTP/1.1",
            "CONNECT api.example.org:80 HTTP/1.1",
            "GET http://api.example.org/second HTTP/1.1"
        ]
    );
    assert_eq!((asked[0].0, asked[1].0, asked[2].0), (0, 1, 0), "tunnels and requests are not mixed");
    assert_eq!(origin.only_request().target, "/ws");
}

#[test]
fn probes_go_through_the_parent_too() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["api.example.org"]).server(), support::origin::describe);
    let ca = authority.file();
    let parent = Parent::to(origin.address());
    for (server, health, expected) in [
        ("http://api.example.org:81", "path = \"/up\"", "GET http://api.example.org:81/up HTTP/1.1"),
        ("http://api.example.org", "", "OPTIONS http://api.example.org HTTP/1.1"),
        ("https://api.example.org", "path = \"/up\"", "CONNECT api.example.org:443 HTTP/1.1"),
        ("https://api.example.org", "", "CONNECT api.example.org:443 HTTP/1.1"),
    ] {
        let before = parent.asked().len();
        let more = format!(
            "tls.ca = {ca:?}\nhealth = {{ {health}{} interval = \"50ms\" }}",
            if health.is_empty() { "" } else { "," }
        );
        let (_corsair, _folder) = upstream(parent.address, &format!("{server:?}"), &more);
        eventually("a second probe", || parent.asked().len() >= before + 2);
        for (_, head) in &parent.asked()[before..] {
            assert_eq!(head.start, expected, "{server} {health}");
            assert_eq!(head.fields.all("proxy-authorization"), [BASIC]);
        }
    }
    assert!(origin.lines().iter().all(|line| line == "GET /up"));
}

#[test]
fn a_server_that_the_parent_does_not_reach_is_found_ill_and_a_parent_that_refuses_us_takes_none_out() {
    let parent = Parent::start(|head| {
        let status = if head.start.contains("bad.example") { "503 Down" } else { "200 OK" };
        Deed::Answer(answer(status, "", if head.start.contains("bad") { "bad" } else { "good" }))
    });
    let servers = "\"http://bad.example\", \"http://good.example\"";
    let health = "health = { interval = \"50ms\", fall = 1 }\neject.statuses = [\"none\"]";
    let (corsair, _folder) = upstream(parent.address, servers, health);
    corsair.wait_for_log("a server is out");
    for _ in 0..4 {
        assert_eq!(corsair.get("/", "").text(), "good");
    }
    let refusing = Parent::start(|_| Deed::Answer(answer("407 No", "", "")));
    let (corsair, _folder) = upstream(refusing.address, "\"http://a.example\", \"http://b.example\"", "");
    for _ in 0..6 {
        assert_eq!(corsair.get("/", "").status, 502);
    }
    assert!(!corsair.log().contains("a server is out"), "{}", corsair.log());
}

#[test]
fn what_goes_through_other_parents_or_with_other_credentials_shares_no_connection() {
    let parent = Parent::to(([127, 0, 0, 1], 9).into());
    let text = |credentials: &str| {
        format!(
            "workers = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\n[gateway]\n[proxy]\nhttp = \"http://{credentials}@{}\"\n",
            parent.address
        )
    };
    let (folder, path) = file("");
    fs::write(&path, text("a:b")).unwrap();
    let corsair = Corsair::listening(clean(&["-c", &path]), 1);
    let mut numbers = Vec::new();
    for credentials in ["a:b", "a:b", "a:c", "a:c", "a:b"] {
        let before = corsair.log().matches("reloaded").count();
        fs::write(&path, text(credentials)).unwrap();
        corsair.signal(rustix::process::Signal::HUP);
        eventually("a reload", || corsair.log().matches("reloaded").count() > before);
        assert_eq!(corsair.get("/http://a.example.org/", "").status, 200);
        numbers.push(parent.asked().last().unwrap().0);
    }
    assert_eq!(numbers, [0, 0, 1, 1, 0]);
    drop(folder);
}

#[test]
fn a_client_that_leaves_while_the_parent_is_silent_leaves_nothing_behind() {
    let parent = Parent::start(|_| Deed::Silence);
    let (corsair, _folder) = gateway(parent.address, "", "[timeouts]\nconnect = \"60s\"");
    let mut client = corsair.connect();
    client
        .send("GET /https://a.example.org/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\r\n");
    eventually("the parent is asked", || parent.lines().len() == 1);
    drop(client);
    let record = corsair.wait_for_record("a.example.org");
    assert_eq!(record["status"], 499, "{record}");
}

#[test]
fn credentials_are_shown_to_nobody() {
    let (folder, path) = file(
        "[gateway]\n[proxy]\nhttp = \"http://user:hunter2@parent.example:3128\"\nhttps = \"http://user:${SECRET}@parent.example:3128\"",
    );
    let ended = |arguments: &[&str]| {
        let mut command = clean(&[arguments, &["-c", &path]].concat());
        command.env("SECRET", "hunter3");
        let ended = Corsair::command_to_end(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        format!("{}{}", ended.stdout, ended.stderr)
    };
    let printed = ended(&["check", "--print"]);
    for line in
        ["http = \"http://***@parent.example:3128\"", "https = \"http://user:${SECRET}@parent.example:3128\""]
    {
        assert!(printed.lines().any(|own| own == line), "{printed}");
    }
    let all = format!("{printed}{}", ended(&["check"]));
    assert!(!all.contains("hunter"), "{all}");
    // Nor where a fault points at the line.
    fs::write(Path::new(&path), "[gateway]\n[proxy]\nhttp = \"http://user:hunter2@parent.example:0\"\n")
        .unwrap();
    let refused = Corsair::command_to_end(clean(&["check", "-c", &path]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("port 0") && !refused.stderr.contains("hunter2"), "{}", refused.stderr);
    drop(folder);
}

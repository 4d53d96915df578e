use std::time::Duration;

use super::{
    super::{
        endpoint::Endpoint,
        parent_proxy, sample,
        settings::{Part, Settings},
        upstream,
    },
    *,
};

/// What `read` makes of the first route of a file, and the faults.
fn of_route<T>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
    let settings = sample::file(&format!("[[route]]\n{text}\n"), &[]);
    let mut reader = Reader::new(&settings);
    let route = reader.parts(Part::Route)[0];
    let value = reader.within(route, read);
    (value, reader.into_notes().faults.iter().map(ToString::to_string).collect())
}

fn parts(text: &str) -> (RouteParts, Vec<String>) {
    of_route(text, read)
}

fn endpoints(reader: &mut Reader<'_>) -> Vec<Endpoint> {
    upstream::read(&[], &parent_proxy::read(&mut Reader::new(&Settings::default())), reader).endpoints
}

#[test]
fn a_server_is_called_as_the_operator_says() {
    let servers = "http://web.internal:8080,https://api.example.org,https://10.0.0.1,unix:/run/app.sock";
    let (servers, _) = sample::faults(&[(Key::Upstream, servers)], endpoints);
    for (typed, expected) in [
        ("auto", [None, Some("api.example.org"), None, None]),
        ("keep", [None, None, None, None]),
        (
            "upstream",
            [Some("web.internal:8080"), Some("api.example.org"), Some("10.0.0.1"), Some("localhost")],
        ),
        ("app.test:81", [Some("app.test:81"); 4]),
        ("[::1]:81", [Some("[::1]:81"); 4]),
    ] {
        let (parts, faults) = parts(&format!("host_header = \"{typed}\""));
        let called: Vec<_> = servers.iter().map(|server| parts.host_header.of(server)).collect();
        assert_eq!((called, faults), (expected.to_vec(), vec![]), "{typed}");
        let (parts, faults) = sample::faults(&[(Key::HostHeader, typed)], read);
        let called: Vec<_> = servers.iter().map(|server| parts.host_header.of(server)).collect();
        assert_eq!((called, faults), (expected.to_vec(), vec![]), "--host-header {typed}");
    }
    for typed in ["", "http://app.test", "a b", "user@app.test", "app.test:99999", "app.test/x", "[::1"] {
        let (_, faults) = sample::faults(&[(Key::HostHeader, typed)], read);
        assert!(faults.len() == 1 && faults[0].starts_with("--host-header: "), "{typed}: {faults:?}");
    }
}

#[test]
fn responses_are_rewritten_unless_told_otherwise() {
    for (text, expected) in
        [("", true), ("rewrite = \"off\"", false), ("rewrite = false", false), ("rewrite = true", true)]
    {
        let (parts, faults) = parts(text);
        assert_eq!((parts.rewrite, faults), (expected, vec![]), "{text}");
    }
    let (_, faults) = sample::faults(&[(Key::Rewrite, "maybe")], read);
    assert!(faults.len() == 1 && faults[0].starts_with("--rewrite: "), "{faults:?}");
}

#[test]
fn what_is_typed_of_a_route_reaches_its_field() {
    let (parts, faults) = parts("");
    assert_eq!(faults, Vec::<String>::new());
    assert!(parts.takes_everything() && parts.name.is_none() && parts.label == "/");
    assert!(!parts.strip_prefix && parts.websockets && parts.respond.is_none() && parts.upstream.is_none());
    assert!(parts.cors == "default" && parts.methods == Methods::default());
    assert!(parts.request_headers.is_none() && parts.response_headers.is_none());
    let (parts, faults) = of_route(
        "name = \"v1\"\nhost = \"*.Example.com\"\npath = \"/v1/\"\nupstream = \"a\"\nstrip_prefix = true\ncors = \"b\"\n\
             upgrades = [\"none\"]\nrequest_headers.set.x-a = \"1\"\nresponse_headers.remove = [\"Server\"]",
        read,
    );
    assert_eq!(faults, Vec::<String>::new());
    assert!(!parts.takes_everything() && parts.strip_prefix && !parts.websockets);
    assert_eq!((parts.name.as_deref(), parts.host), (Some("v1"), HostPattern::parse("*.example.com").ok()));
    assert_eq!((parts.path, &*parts.label), (PathPrefix::parse("/v1").ok(), "*.Example.com/v1"));
    assert_eq!((parts.upstream.as_deref(), &*parts.cors), (Some("a"), "b"));
    assert!(parts.request_headers.is_some() && parts.response_headers.is_some());
}

#[test]
fn methods_are_served_and_told_as_they_are_named_with_head_beside_get() {
    for (typed, allow, served, refused) in [
        ("[]", "", &["GET", "BREW", "get"][..], &[][..]),
        ("[\"GET\"]", "GET, HEAD", &["GET", "HEAD"], &["POST", "OPTIONS", "get"]),
        ("[\"HEAD\", \"GET\"]", "HEAD, GET", &["GET", "HEAD"], &["PUT"]),
        ("[\"POST\", \"GET\", \"POST\"]", "POST, GET, HEAD", &["GET", "HEAD", "POST"], &[""]),
        ("[\"PUT\"]", "PUT", &["PUT"], &["GET", "HEAD", "PUTT"]),
        ("[\"BREW\", \"brew\"]", "BREW, brew", &["BREW", "brew"], &["Brew"]),
    ] {
        let (parts, faults) = parts(&format!("methods = {typed}"));
        assert_eq!((parts.methods.allow(), faults), (allow, vec![]));
        assert!(served.iter().all(|method| parts.methods.admit(method.as_bytes())), "{typed}");
        assert!(!refused.iter().any(|method| parts.methods.admit(method.as_bytes())), "{typed}");
    }
    let (_, faults) = parts("methods = [\"get\", \"A B\", \"\"]");
    assert_eq!(
        faults,
        [
            "f:2:12: route.methods: \"get\" is another method than GET; write it in capitals",
            "f:2:19: route.methods: \"A B\" is no method; expected one such as GET",
            "f:2:26: route.methods: is empty; give a value, or leave it out",
        ]
    );
}

#[test]
fn an_answer_is_what_its_table_says() {
    let plain = |status| Respond {
        status,
        location: None,
        body: "".into(),
        content_type: "text/plain; charset=utf-8".into(),
    };
    for (text, expected) in [
        ("", None),
        ("respond = {}", Some(plain(200))),
        ("[route.respond]", Some(plain(200))),
        ("respond.status = 404", Some(plain(404))),
        ("respond.body = \" a\\n\"", Some(Respond { body: " a\n".into(), ..plain(200) })),
        (
            "respond.content_type = \"text/html\"",
            Some(Respond { content_type: "text/html".into(), ..plain(200) }),
        ),
        (
            "respond = { status = 308, location = \"https://a.example/x\", body = \"b\" }",
            Some(Respond { location: Some("https://a.example/x".into()), body: "b".into(), ..plain(308) }),
        ),
    ] {
        let (parts, faults) = parts(text);
        assert_eq!((parts.respond, faults), (expected, vec![]), "{text}");
    }
}

#[test]
fn an_answer_that_cannot_be_given_is_a_fault() {
    for (text, expected) in [
        ("status = 199", "status: \"199\" is out of range; expected 200 to 599"),
        ("status = 600", "status: \"600\" is out of range"),
        ("status = \"ok\"", "status: \"ok\" is out of range"),
        ("status = 301", "location: is missing: a 301 leads somewhere"),
        ("location = \"/x\"", "location: redirects only with a status of 301, 302, 303, 307 or 308"),
        ("status = 304\nrespond.location = \"/x\"", "location: redirects only with"),
        ("status = 302\nrespond.location = \"\"", "location: \"\" is no URL; escape what is not ASCII"),
        ("status = 302\nrespond.location = \"/ü\"", "location: \"/ü\" is no URL"),
        ("status = 302\nrespond.location = \"/a\\r\\nb: c\"", "location: \"/a\\r\\nb: c\" is no URL"),
        ("status = 204\nrespond.body = \"x\"", "body: a 204 has no body"),
        ("content_type = \"html\"", "content_type: \"html\" is no type; expected one such as text/html"),
        ("content_type = \"text/html\\r\\nx: y\"", "content_type: \"text/html\\r\\nx: y\" is no type"),
        (
            &format!("status = 302\nrespond.location = \"{}\"", "x".repeat(MAX_VALUE + 1)),
            "location: is longer than 512 bytes",
        ),
        (&format!("body = \"{}\"", "x".repeat(MAX_BODY + 1)), "body: is longer than 2048 bytes; serve"),
    ] {
        let (_, faults) = parts(&format!("respond.{text}"));
        assert!(
            faults.len() == 1 && faults[0].contains(&format!(": route.respond.{expected}")),
            "{text}: {faults:?}"
        );
    }
    assert_eq!(parts(&format!("respond.body = \"{}\"", "x".repeat(MAX_BODY))).1, Vec::<String>::new());
}

#[test]
fn a_name_can_be_a_label_and_is_none_of_corsairs_own() {
    for name in ["a", "api.example.com/v1", "A_b-c/*"] {
        assert_eq!(parts(&format!("name = \"{name}\"")).1, Vec::<String>::new());
    }
    for name in ["gateway", "forward", "local", "none"] {
        let (_, faults) = parts(&format!("name = \"{name}\""));
        assert_eq!(
            faults,
            [format!(
                "f:2:8: route.name: \"{name}\" is what corsair calls something else; choose another name"
            )]
        );
    }
    for name in ["", "a b", "ü", "a\\tb", &"x".repeat(65)] {
        let (_, faults) = parts(&format!("name = \"{name}\""));
        assert!(faults.len() == 1 && faults[0].contains("is no name; expected"), "{name}: {faults:?}");
    }
}

#[test]
fn host_path_and_edits_that_cannot_be_are_faults_at_their_place() {
    for (text, expected) in [
        ("host = \"\"", "f:2:8: route.host: is empty; give a host, or leave it out for all of them"),
        ("host = \"https://a\"", "f:2:8: route.host: \"https://a\" is no host of a route; "),
        (
            "path = \"v1\"",
            "f:2:8: route.path: \"v1\" is no path of a route; it begins with a slash: write /v1",
        ),
        ("path = \"\"", "f:2:8: route.path: \"\" is no path of a route; write / for every path"),
        (
            "request_headers.set = { x-a = \"1\", host = \"b\" }",
            "f:2:43: route.request_headers.set: \"host\" is set by host_header; use that",
        ),
        (
            "response_headers.add.content-length = \"1\"",
            "f:2:39: route.response_headers.add: \"content-length\" frames the body",
        ),
        (
            "response_headers.remove = [\"x\", \"connection\"]",
            "f:2:33: route.response_headers.remove: \"connection\" belongs to one connection",
        ),
        ("upgrades = [\"h2c\"]", "f:2:13: route.upgrades: \"h2c\" is none of websocket, none"),
    ] {
        let (_, faults) = parts(text);
        assert!(faults.len() == 1 && faults[0].starts_with(expected), "{text}: {faults:?}");
    }
}

#[test]
fn a_route_has_the_waits_and_bounds_of_the_file_but_for_its_own() {
    let read = |text: &str| {
        let file =
            format!("[timeouts]\nconnect = \"1s\"\nsend = \"2s\"\n[limits]\nbody = 7\n[[route]]\n{text}\n");
        let settings = sample::file(&file, &[]);
        let mut reader = Reader::new(&settings);
        let (root, route) = (limits::read(&mut reader), reader.parts(Part::Route)[0]);
        let found = reader.within(route, |reader| bounds(reader, &root, 32 << 10));
        (found, reader.into_notes().faults.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let ((timeouts, limits), faults) = read("timeouts.send = \"3s\"\nlimits.trailers = 9");
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!((timeouts.connect, timeouts.send), (Duration::from_secs(1), Duration::from_secs(3)));
    assert_eq!((timeouts.response, limits.body, limits.trailers), (Duration::from_secs(60), Some(7), 9));
    for (text, expected) in [
        (
            "timeouts.head = \"1s\"",
            "timeouts.head: counts whatever the route is; write it as timeouts.head of the",
        ),
        ("timeouts.keep_alive = \"1s\"", "timeouts.keep_alive: counts whatever the route is"),
        ("timeouts.linger = \"1s\"", "timeouts.linger: counts whatever the route is"),
        ("limits.head = \"1k\"", "limits.head: counts whatever the route is"),
        ("limits.fields = 9", "limits.fields: counts whatever the route is"),
        ("limits.linger = 9", "limits.linger: counts whatever the route is"),
        (
            "limits.response_head = \"33k\"",
            "limits.response_head: is more than the buffers of the process hold",
        ),
        ("limits.body = \"x\"", "limits.body: \"x\" is no size"),
    ] {
        let (_, faults) = read(text);
        assert!(
            faults.len() == 1 && faults[0].contains(&format!(": route.{expected}")),
            "{text}: {faults:?}"
        );
    }
    assert_eq!(read("limits.response_head = \"32k\"").1, Vec::<String>::new());
}

#[test]
fn heads_of_a_route_are_kept_where_those_of_the_file_are() {
    let settings = sample::file("[limits]\nresponse_head = \"64k\"\nhead = \"64k\"\n[[route]]\n", &[]);
    let mut reader = Reader::new(&settings);
    let mut root = limits::read(&mut reader);
    let before = Limits { head: 8 << 10, response_head: 16 << 10, ..root.clone() };
    limits::keep(&mut root, &before, 16 << 10, &mut reader);
    let route = reader.parts(Part::Route)[0];
    let (_, limits) = reader.within(route, |reader| bounds(reader, &root, 16 << 10));
    assert_eq!((limits.head, limits.response_head), (8 << 10, 16 << 10));
    assert_eq!(reader.into_notes().faults, []);
}

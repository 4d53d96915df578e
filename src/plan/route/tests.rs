//! Which part takes a request, and where it leads.

use super::*;
use crate::plan::{
    action::{Action, Answer, Destination, Exchange},
    sample::{REVERSE, client, config, planned},
};

/// The label of the route, and where it leads.
fn routed(config: &Config, client: &Client, head: &str) -> (&'static str, String) {
    let (plan, action) = planned(config, client, &format!("{head}\r\n\r\n"));
    let to = match action {
        Action::Respond(Answer::Fault(error)) => format!("{error:?}"),
        Action::Respond(answer) => format!("{answer:?}"),
        Action::Exchange(Exchange { destination: Destination::Upstream(_), .. }) => "upstream".to_owned(),
        Action::Exchange(Exchange { destination: Destination::Target(target), .. }) => target.url.to_string(),
        Action::Exchange(Exchange { destination: Destination::Forward(target), .. }) => {
            target.url().origin().to_owned()
        }
        Action::Connect(target) => format!("tunnel to {}", target.url().authority()),
        Action::Exchange(Exchange { destination: Destination::Question { .. }, .. }) => {
            "a service".to_owned()
        }
    };
    (plan.service.label(), to)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost")
}

const ANY: &[&str] = &["--allow-target=any"];
const BOTH: &[&str] = &["--upstream=http://127.0.0.1:9001", "--gateway=query,path", "--allow-target=any"];

#[test]
fn a_reverse_proxy_takes_no_path_from_its_application() {
    for target in ["/", "/healthcheck", "/?url=http://t.example/", "/http://t.example/", "http://other/x"] {
        assert_eq!(routed(&config(REVERSE), &client(), &get(target)), ("reverse", "upstream".to_owned()));
    }
}

#[test]
fn a_gateway_takes_its_forms_and_refuses_the_rest() {
    for (target, to) in [
        ("/?url=http://t.example/a?b&c", "http://t.example/a?b&c"),
        ("/?url=http%3A%2F%2Ft.example%2Fa&c", "http://t.example/a"),
        ("/https://t.example/a?b", "https://t.example/a?b"),
        ("/http:/t.example/a", "http://t.example/a"),
        ("/healthcheck", "Healthcheck"),
        ("/?https://t.example/a", "https://t.example/a"),
        ("//https://t.example/a", "https://t.example/a"),
        ("/https%3A%2F%2Ft.example%2Fa", "https://t.example/a"),
        ("/proxy?url=https://t.example/a", "https://t.example/a"),
        ("/", "TargetMissing"),
        ("/?x=y", "TargetMissing"),
        ("/nothing", "TargetMissing"),
        ("/t.example/a", "TargetMissing"),
    ] {
        assert_eq!(routed(&config(ANY), &client(), &get(target)), ("gateway", to.to_owned()), "{target}");
    }
    for target in ["/?url=ftp://t.example/", "/?url=http://u:p@t.example/", "/http://"] {
        let (route, to) = routed(&config(ANY), &client(), &get(target));
        assert!(route == "gateway" && to.starts_with("TargetInvalid"), "{target}: {to}");
    }
}

#[test]
fn a_gateway_beside_an_upstream_takes_its_forms_only() {
    for (target, expected) in [
        ("/?url=http://t.example/", ("gateway", "http://t.example/")),
        ("/http://t.example/", ("gateway", "http://t.example/")),
        ("/", ("reverse", "upstream")),
        ("/healthcheck", ("reverse", "upstream")),
        ("/nothing?x=y", ("reverse", "upstream")),
        ("/proxy?url=http://t.example/", ("reverse", "upstream")),
        ("/raw/?url=nonsense", ("reverse", "upstream")),
        ("//http://t.example/", ("gateway", "http://t.example/")),
    ] {
        let (route, to) = routed(&config(BOTH), &client(), &get(target));
        assert_eq!((route, to.as_str()), expected, "{target}");
    }
}

#[test]
fn a_form_that_is_switched_off_is_no_route() {
    let query = config(&["--gateway=query", "--allow-target=any"]);
    assert_eq!(routed(&query, &client(), &get("/http://t.example/")).1, "TargetMissing");
    let path = config(&["--gateway=path", "--allow-target=any"]);
    assert_eq!(routed(&path, &client(), &get("/?url=http://t.example/")).1, "TargetMissing");
}

#[test]
fn a_foreign_host_on_a_loopback_gateway_is_rebinding() {
    let config = config(ANY);
    let local = Client { loopback_listener: true, ..client() };
    for (host, admitted) in [
        ("localhost", true),
        ("localhost:3000", true),
        ("127.0.0.1:3000", true),
        ("[::1]:3000", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
    ] {
        for target in ["/?url=http://t.example/", "/healthcheck", "/nothing"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: {host}");
            let refused = routed(&config, &local, &head).1 == "HostNotAllowed";
            assert_eq!(refused, !admitted, "{host} {target}");
            assert_ne!(routed(&config, &client(), &head).1, "HostNotAllowed", "{host} {target}");
        }
    }
    // An application beside the gateway is reached by such a page as well.
    let both = self::config(BOTH);
    for (host, to) in [("localhost", "upstream"), ("evil.example", "HostNotAllowed")] {
        let head = format!("GET /nothing HTTP/1.1\r\nHost: {host}");
        assert_eq!(routed(&both, &local, &head).1, to);
        assert_eq!(routed(&both, &client(), &head).1, "upstream");
    }
    // HTTP/1.0 may leave Host out, but not here.
    assert_eq!(routed(&config, &local, "GET /healthcheck HTTP/1.0").1, "HostNotAllowed");
}

#[test]
fn an_absolute_target_is_the_gateways_only_under_its_own_name() {
    let config = config(ANY);
    for (target, to) in [
        ("http://localhost/?url=http://t.example/", "http://t.example/"),
        ("http://localhost?url=http://t.example/", "http://t.example/"),
        ("http://localhost/healthcheck", "Healthcheck"),
        ("http://t.example/", "HostNotAllowed"),
        ("http://t.example/?url=http://t.example/", "HostNotAllowed"),
    ] {
        assert_eq!(routed(&config, &client(), &get(target)).1, to, "{target}");
    }
}

#[test]
fn targets_are_vetted_before_they_are_resolved() {
    let config = config(&[]);
    for (target, to) in [
        ("http://t.example/", "http://t.example/"),
        ("http://127.0.0.1/", "TargetAddressProhibited"),
        ("http://[::1]/", "TargetAddressProhibited"),
        ("http://0x7f.1/", "TargetAddressProhibited"),
        ("http://10.0.0.1/", "TargetAddressProhibited"),
        ("http://169.254.169.254/", "TargetAddressProhibited"),
        ("http://[::ffff:10.0.0.1]/", "TargetAddressProhibited"),
    ] {
        for form in [format!("/?url={target}"), format!("/{target}")] {
            assert_eq!(routed(&config, &client(), &get(&form)).1, to, "{form}");
        }
    }
}

#[test]
fn a_gateway_that_requires_a_field_is_not_for_browsing() {
    let config = config(&["--allow-target=any", "--require-header=Origin,X-Requested-With"]);
    let head = get("/?url=http://t.example/");
    assert_eq!(routed(&config, &client(), &head).1, "FieldRequired");
    for line in ["Origin:", "Origin: \t", "X-Requested-With: "] {
        assert_eq!(routed(&config, &client(), &format!("{head}\r\n{line}")).1, "FieldRequired", "{line:?}");
    }
    for line in ["Origin: https://a.example", "x-requested-with: fetch"] {
        assert_eq!(routed(&config, &client(), &format!("{head}\r\n{line}")).1, "http://t.example/");
    }
    assert_eq!(routed(&config, &client(), &get("/healthcheck")).1, "Healthcheck");
}

/// Whether the credentials of a request to a target go there.
fn sends_credentials(config: &Config, lines: &str) -> bool {
    let head = format!("GET /?url=http://t.example/ HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
    match planned(config, &client(), &head).1 {
        Action::Exchange(Exchange { destination: Destination::Target(target), .. }) => {
            !target.without_credentials
        }
        action @ (Action::Respond(_) | Action::Exchange(_) | Action::Connect(_)) => {
            panic!("{lines:?}: {action:?}")
        }
    }
}

#[test]
fn credentials_go_to_a_target_only_where_a_script_can_have_set_them() {
    for (lines, alone, beside) in [
        ("X: y", true, true),
        ("Authorization: Bearer t", true, true),
        ("Authorization: Basic dTpw", true, false),
        ("Authorization: bAsIc dTpw", true, false),
        ("Authorization: Basic\tdTpw", true, false),
        ("Authorization: Digest username=u", true, false),
        ("Authorization: NTLM TlRM", true, false),
        ("Authorization: Negotiate YII", true, false),
        ("Authorization: Bearer t\r\nAuthorization: Basic dTpw", true, false),
        ("Authorization: Basically t", true, true),
        ("Sec-Fetch-Mode: cors\r\nAuthorization: Bearer t", true, true),
        ("Sec-Fetch-Mode: same-origin\r\nAuthorization: Bearer t", true, true),
        ("Sec-Fetch-Mode: cors\r\nAuthorization: Basic dTpw", true, false),
        ("Sec-Fetch-Mode: no-cors\r\nAuthorization: Basic dTpw", false, false),
        ("Sec-Fetch-Mode: navigate\r\nAuthorization: Bearer t", false, false),
        ("Sec-Fetch-Mode: websocket\r\nAuthorization: Basic dTpw", false, false),
        ("sec-fetch-mode: no-cors\r\nSec-Fetch-Mode: cors\r\nAuthorization: Bearer t", false, false),
        ("Sec-Fetch-Mode:\r\nAuthorization: Bearer t", false, false),
        ("Sec-Fetch-Dest: empty\r\nSec-Fetch-Site: cross-site\r\nAuthorization: Bearer t", true, true),
    ] {
        assert_eq!(sends_credentials(&config(ANY), lines), alone, "{lines:?}");
        assert_eq!(sends_credentials(&config(BOTH), lines), beside, "{lines:?} beside an upstream");
    }
}

#[test]
fn a_request_that_carries_the_mark_of_a_redirect_goes_without_credentials() {
    for (target, sends) in [
        ("/?url=http%3A%2F%2Ft.example%2F&credentials=omit", false),
        ("/credentials=omit/http://t.example/", false),
        ("/http://t.example/", true),
    ] {
        let head = format!("{}\r\nAuthorization: Bearer t\r\n\r\n", get(target));
        let Action::Exchange(exchange) = planned(&config(ANY), &client(), &head).1 else {
            panic!("{target}")
        };
        assert_eq!(!exchange.gateway_target().unwrap().without_credentials, sends, "{target}");
    }
}

#[test]
fn what_would_act_as_the_gateways_origin_is_not_loaded() {
    for (destination, alone, beside) in [
        ("serviceworker", false, false),
        ("ServiceWorker", false, false),
        ("worker", false, false),
        ("sharedworker", false, false),
        ("script", true, false),
        ("style", true, false),
        ("object", true, false),
        ("embed", true, false),
        ("frame", true, false),
        ("iframe", true, false),
        ("document", true, false),
        ("audioworklet", true, false),
        ("xslt", true, false),
        ("empty", true, true),
        ("image", true, true),
        ("video", true, true),
        ("font", true, true),
        ("", true, true),
    ] {
        for target in ["/?url=http://t.example/", "/http://t.example/"] {
            let head = format!("{}\r\nSec-Fetch-Dest: {destination}", get(target));
            for (arguments, loads) in [(ANY, alone), (BOTH, beside)] {
                let (route, to) = routed(&config(arguments), &client(), &head);
                let expected = if loads { "http://t.example/" } else { "DestinationRefused" };
                assert_eq!((route, to.as_str()), ("gateway", expected), "{destination:?} {arguments:?}");
            }
        }
    }
    for arguments in [ANY, BOTH] {
        let head = format!("{}\r\nService-Worker: script", get("/http://t.example/sw.js"));
        assert_eq!(routed(&config(arguments), &client(), &head).1, "DestinationRefused");
    }
    // The application's own scripts are its own.
    let head = format!("{}\r\nService-Worker: script\r\nSec-Fetch-Dest: serviceworker", get("/sw.js"));
    assert_eq!(routed(&config(BOTH), &client(), &head), ("reverse", "upstream".to_owned()));
}

#[test]
fn a_websockets_target_may_only_be_upgraded() {
    for target in ["/ws://t.example/", "/?url=ws://t.example/", "/?ws://t.example/"] {
        assert!(routed(&config(ANY), &client(), &get(target)).1.starts_with("TargetInvalid"), "{target}");
        let upgrade = format!("{}\r\nConnection: upgrade\r\nUpgrade: websocket", get(target));
        assert_eq!(routed(&config(ANY), &client(), &upgrade).1, "http://t.example/", "{target}");
    }
}

#[test]
fn hosts_that_were_typed_are_asked_for_everywhere() {
    let local = Client { loopback_listener: true, ..client() };
    for (arguments, target) in [
        (&["--upstream=http://127.0.0.1:9001", "--allow-host=app.example"][..], "/"),
        (&["--upstream=http://127.0.0.1:9001", "--gateway=path", "--allow-host=app.example"], "/"),
        (&["--allow-target=any", "--allow-host=app.example"], "/healthcheck"),
        (&["--allow-target=any", "--allow-host=app.example"], "/http://t.example/"),
    ] {
        let config = config(arguments);
        for client in [local.clone(), client()] {
            for (host, admitted) in
                [("app.example", true), ("app.example:8080", true), ("evil.example", false)]
            {
                let head = format!("GET {target} HTTP/1.1\r\nHost: {host}");
                let refused = routed(&config, &client, &head).1 == "HostNotAllowed";
                assert_eq!(refused, !admitted, "{arguments:?} {host}");
            }
            let named = format!("GET http://app.example{target} HTTP/1.1\r\nHost: app.example");
            assert_ne!(routed(&config, &client, &named).1, "HostNotAllowed");
            let foreign = format!("GET http://evil.example{target} HTTP/1.1\r\nHost: evil.example");
            assert_eq!(routed(&config, &client, &foreign).1, "HostNotAllowed");
        }
    }
}

#[test]
fn a_gateway_that_only_origins_restrict_serves_nothing_without_one_of_them() {
    let alone = config(&["--allow-target=any", "--allow-origin=https://a.example", "--listen=127.0.0.1:0"]);
    let local = Client { loopback_listener: true, ..client() };
    let head = get("/http://t.example/");
    for (line, to) in [
        ("X-A: b", "OriginRequired"),
        ("Origin: https://b.example", "OriginRequired"),
        ("Origin: null", "OriginRequired"),
        ("Origin: https://a.example", "http://t.example/"),
    ] {
        let head = format!("{head}\r\n{line}");
        assert_eq!(routed(&alone, &client(), &head).1, to);
        assert_eq!(
            routed(&alone, &local, &head).1,
            "http://t.example/",
            "on loopback there are no strangers"
        );
    }
    assert_eq!(routed(&alone, &client(), &get("/healthcheck")).1, "Healthcheck");
    for arguments in [
        &["--allow-target=t.example", "--allow-origin=https://a.example"][..],
        &["--open", "--allow-origin=https://a.example"],
        &["--allow-target=any"],
    ] {
        assert_eq!(routed(&config(arguments), &client(), &head).1, "http://t.example/", "{arguments:?}");
    }
}

#[test]
fn nothing_is_added_for_a_page_that_may_not_read_the_answer() {
    let text = "[gateway]\nallow_targets = [\"any\"]\n[cors]\nallow_origins = [\"https://app.example.com\"]\n\
                [[gateway.target]]\nhost = \"t.example\"\nrequest_headers.set.authorization = \"Bearer s3cret\"";
    let config = crate::config::sample::compiled(&crate::config::sample::file(text, &[]));
    let local = Client { loopback_listener: true, ..client() };
    for (method, target, lines, expected) in [
        ("GET", "https://t.example/a", "", true),
        ("POST", "https://t.example/a", "\r\nOrigin: https://app.example.com", true),
        ("POST", "https://t.example/a", "\r\nOrigin: https://evil.example", false),
        ("GET", "https://t.example/a", "\r\nOrigin: null", false),
        (
            "GET",
            "https://t.example/a",
            "\r\nOrigin: https://app.example.com\r\nOrigin: https://app.example.com",
            false,
        ),
        ("POST", "https://t.example/a", "\r\nOrigin: http://localhost", true),
        // An image, a link; the address that was typed.
        ("GET", "https://t.example/a", "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors", false),
        ("GET", "https://t.example/a", "\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate", false),
        ("GET", "https://t.example/a", "\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate", true),
        ("GET", "https://t.example/a", "\r\nSec-Fetch-Site: same-origin", true),
        ("TRACE", "https://t.example/a", "", false),
        ("GET", "http://t.example/a", "", false),
        ("GET", "https://t.example:8443/a", "", false),
        ("GET", "https://u.example/a", "", false),
    ] {
        let head = format!("{method} /{target} HTTP/1.1\r\nHost: localhost{lines}\r\n\r\n");
        let (_, action) = planned(&config, &local, &head);
        let Action::Exchange(exchange) = action else { panic!("{head}: {action:?}") };
        let target = exchange.gateway_target().expect("a target");
        let edits = target.edits(config.gateway.as_ref().expect("a gateway"));
        assert_eq!(edits.is_some(), expected, "{head}");
    }
}

#[test]
fn a_page_is_sent_to_its_own_origin_where_that_is_wanted() {
    for (origin, target, expected) in [
        ("https://t.example", "https://t.example/a?b", true),
        ("https://t.example", "https://T.example:443/a", true),
        ("http://t.example:8080", "http://t.example:8080/", true),
        ("https://t.example", "http://t.example/", false),
        ("https://t.example:8443", "https://t.example/", false),
        ("https://a.t.example", "https://t.example/", false),
        ("null", "https://t.example/", false),
        ("https://t.example\r\nOrigin: https://t.example", "https://t.example/", false),
    ] {
        let head = format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}");
        for (arguments, is_wanted) in [(&[ANY[0], "--redirect-same-origin"][..], true), (ANY, false)] {
            let (_, to) = routed(&config(arguments), &client(), &head);
            assert_eq!(to.starts_with("ToOwnOrigin"), expected && is_wanted, "{head}: {to}");
        }
    }
    // It is asked of CORS first, and a WebSocket follows no redirect.
    let wanted = config(&[ANY[0], "--redirect-same-origin"]);
    let upgrade = "GET /https://t.example/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://t.example\r\n\
                   Connection: upgrade\r\nUpgrade: websocket";
    assert_eq!(routed(&wanted, &client(), upgrade).1, "https://t.example/");
    let preflight = "OPTIONS /https://t.example/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://t.example\r\n\
                     Access-Control-Request-Method: PUT";
    assert_eq!(routed(&wanted, &client(), preflight).1, "Cors");
}

#[test]
fn the_forward_proxy_takes_whole_urls_and_connect_but_for_names_of_others() {
    let request = |head: &str| format!("{head} HTTP/1.1\r\nHost: whatever");
    for (arguments, cases) in [
        (
            &["--forward", "--allow-target=any"][..],
            &[
                ("GET http://A.example:80/x", "forward", "http://a.example"),
                ("OPTIONS http://[::1]:81", "forward", "http://[::1]:81"),
                ("GET http://localhost/", "forward", "http://localhost"),
                ("CONNECT a.example:443", "forward", "tunnel to a.example"),
                ("CONNECT 0x7f.1:80", "forward", "tunnel to 127.0.0.1:80"),
                ("CONNECT a.example:25", "forward", "ConnectPortDenied"),
                ("GET /", "local", "NoRoute"),
            ][..],
        ),
        (
            &["--forward", "--allow-target=any", "--upstream=http://10.0.0.1"],
            &[
                ("GET http://localhost:3000/", "reverse", "upstream"),
                ("GET http://localhost/", "reverse", "upstream"),
                ("GET http://localhost:8080/", "forward", "http://localhost:8080"),
                ("GET http://a.example/", "forward", "http://a.example"),
                ("CONNECT localhost:443", "forward", "tunnel to localhost"),
                ("GET /", "reverse", "upstream"),
            ],
        ),
        (
            &["--forward", "--upstream=http://10.0.0.1", "--allow-host=*"],
            &[
                ("GET http://localhost/", "forward", "TargetAddressProhibited"),
                ("GET /", "reverse", "upstream"),
            ],
        ),
        (
            &["--forward", "--allow-target=any", "--upstream=http://10.0.0.1", "--allow-host=app.example"],
            &[
                ("GET http://app.example/", "reverse", "upstream"),
                ("GET http://b.example/", "forward", "http://b.example"),
                ("GET /", "local", "HostNotAllowed"),
            ],
        ),
        (
            &["--upstream=http://10.0.0.1"],
            &[
                ("GET http://a.example/", "reverse", "upstream"),
                ("CONNECT a.example:443", "reverse", "MethodNotAllowed"),
            ],
        ),
    ] {
        let config = config(arguments);
        for (head, service, to) in cases {
            let found = routed(&config, &client(), &request(head));
            assert_eq!(found, (*service, (*to).to_owned()), "{arguments:?}: {head}");
        }
    }
}

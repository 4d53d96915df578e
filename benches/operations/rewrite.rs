//! From a parsed request to the decision what to do about it, and the two heads that leave.

use std::hint::black_box;

use corsair::{
    config::Config,
    cors::CorsDecision,
    http1::{emit::HeadWriter, framing::Framing, head::Request},
    proxy::{
        identity::Identity,
        plan::{Action, Client, Exchange, plan},
        rewrite::{self, Forwarding, GatewayAnswer, Homeward, Location, Onward, Sender},
        route::Destination,
    },
};

use super::{
    Operation, Operations,
    samples::{
        ANY, APPLICATION_ANSWER, Answered, Asked, BROWSER, GATEWAY, LIST, PLAIN, PREFLIGHT, SMALL_ANSWER,
        config, full_answer, full_request,
    },
};

/// A request to a gateway.
const GATEWAY_REQUEST: &str = "GET /?url=https://api.example.org/items?page=1 HTTP/1.1\r\nHost: gateway.example\r\n\
                               Origin: https://app.example.com\r\n\r\n";

pub(super) fn operations() -> Operations {
    vec![
        ("plan-plain", decide(ANY, PLAIN)),
        ("plan-browser", decide(LIST, BROWSER)),
        ("plan-preflight", decide(LIST, PREFLIGHT)),
        ("plan-gateway", decide(GATEWAY, GATEWAY_REQUEST)),
        ("plan-full", decide(LIST, &full_request())),
        ("request-plain", request(ANY, PLAIN)),
        ("request-browser", request(LIST, BROWSER)),
        ("request-gateway", request(GATEWAY, GATEWAY_REQUEST)),
        ("request-full", request(LIST, &full_request())),
        ("response-small", response(ANY, PLAIN, SMALL_ANSWER)),
        ("response-application", response(LIST, BROWSER, APPLICATION_ANSWER)),
        ("response-gateway", response(GATEWAY, GATEWAY_REQUEST, APPLICATION_ANSWER)),
        ("response-full", response(LIST, BROWSER, &full_answer())),
    ]
}

fn client() -> Client {
    let address = "192.0.2.7:40000".parse().expect("an address");
    Client { address, secure: false, loopback_listener: false }
}

fn decide(arguments: &[&str], text: &str) -> Operation {
    let (config, asked, identity, client) =
        (config(arguments), Asked::new(text), Identity::random(), client());
    Box::new(move || {
        black_box(plan(black_box(asked.request()), &config, &client, &identity.id));
    })
}

/// Everything that is known of an exchange when its heads are written.
struct Planned {
    config: Config,
    asked: Asked,
    exchange: Exchange,
    cors: CorsDecision,
    framing: Framing,
    client: Client,
    identity: Identity,
}

impl Planned {
    fn new(arguments: &[&str], text: &str) -> Self {
        let (config, asked, identity, client) =
            (config(arguments), Asked::new(text), Identity::random(), client());
        let plan = plan(asked.request(), &config, &client, &identity.id);
        let Action::Exchange(exchange) = plan.action else { panic!("{text:?}: {:?}", plan.action) };
        Self { config, asked, exchange, cors: plan.cors, framing: plan.framing, client, identity }
    }

    fn request(&self) -> Request<'_> {
        self.asked.request()
    }

    fn onward(&self) -> Onward<'_> {
        let plain = Onward {
            method: None,
            target: [b"", b"", b""],
            host: b"",
            framing: self.framing,
            is_gateway: false,
            without_credentials: false,
            without_body: false,
        };
        match &self.exchange.destination {
            Destination::Target(target) => Onward {
                target: [target.url.path_and_query().as_bytes(), b"", b""],
                host: target.url.authority().as_bytes(),
                is_gateway: true,
                ..plain
            },
            Destination::Upstream => {
                let [path, rest] = self.exchange.target.origin_form(self.request());
                let authority = self.exchange.authority.expect("a Host");
                Onward { target: [b"", path, rest], host: authority.of(self.request().bytes), ..plain }
            }
        }
    }

    fn gateway(&self) -> Option<GatewayAnswer<'_>> {
        match &self.exchange.destination {
            Destination::Target(target) => {
                Some(GatewayAnswer { final_url: target.url.as_str(), location: Location::Kept })
            }
            Destination::Upstream => None,
        }
    }
}

fn request(arguments: &[&str], text: &str) -> Operation {
    let planned = Planned::new(arguments, text);
    let forwarding = Forwarding::of(&planned.client);
    let mut out = vec![0; 32 << 10];
    Box::new(move || {
        let Planned { exchange, identity, .. } = &planned;
        let sender = Sender { forwarding: &forwarding, identity, request_id: Default::default() };
        let (request, onward) = (black_box(planned.request()), planned.onward());
        black_box(rewrite::request(request, exchange, &onward, &sender, &mut out)).expect("room enough");
    })
}

fn response(arguments: &[&str], asked: &str, answered: &str) -> Operation {
    let (planned, answered) = (Planned::new(arguments, asked), Answered::new(answered));
    let mut out = vec![0; 32 << 10];
    Box::new(move || {
        let homeward = Homeward {
            cors: planned.cors,
            policy: &planned.config.cors,
            request_bytes: planned.request().bytes,
            framing: Framing::Chunked,
            declared: None,
            connection: None,
            gateway: planned.gateway(),
            identity: &planned.identity,
            date: &|writer: &mut HeadWriter<'_>| writer.field(b"Date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        };
        black_box(rewrite::response(black_box(answered.response()), &homeward, &mut out))
            .expect("room enough");
    })
}

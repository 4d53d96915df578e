//! From a parsed request to the decision what to do about it, and the two heads that leave.

use std::{hint::black_box, time::UNIX_EPOCH};

use corsair::{
    admission::Shown,
    config::{Config, ListenerId},
    http1::{framing::Framing, head::Request},
    plan::{
        self, Action, Client, Date, Destination, Exchange, Identity, Plan,
        rewrite::{self, CookiesHome, Forwarding, GatewayAnswer, Homeward, Location, Onward, Sender},
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
    let address = Some("192.0.2.7:40000".parse().expect("an address"));
    Client {
        address,
        anonymous: false,
        secure: false,
        loopback_listener: false,
        listener: ListenerId::FIRST,
        refusal: None,
        handshake: None,
    }
}

fn decide(arguments: &[&str], text: &str) -> Operation {
    let (config, asked, identity, client) =
        (config(arguments), Asked::new(text), Identity::random(), client());
    let shown = Shown::nothing(UNIX_EPOCH);
    Box::new(move || {
        black_box(plan::request(black_box(asked.request()), &shown, &config, &client, &identity.id));
    })
}

/// Everything that is known of an exchange when its heads are written.
struct Planned {
    config: Config,
    asked: Asked,
    plan: Plan,
    exchange: Exchange,
    client: Client,
    identity: Identity,
}

impl Planned {
    fn new(arguments: &[&str], text: &str) -> Self {
        let (config, asked, identity, client) =
            (config(arguments), Asked::new(text), Identity::random(), client());
        let shown = Shown::nothing(UNIX_EPOCH);
        let (plan, action) = plan::request(asked.request(), &shown, &config, &client, &identity.id);
        let Action::Exchange(exchange) = action else { panic!("{text:?}: {action:?}") };
        Self { config, asked, plan, exchange, client, identity }
    }

    fn request(&self) -> Request<'_> {
        self.asked.request()
    }

    fn onward(&self) -> Onward<'_> {
        match &self.exchange.destination {
            Destination::Target(target) => Onward::to_target(target, &[], self.plan.framing),
            Destination::Forward(_) => unreachable!("there is no forward proxy"),
            Destination::Upstream(_) | Destination::Question { .. } => {
                let server = &self.config.upstreams[0].endpoints[0];
                let route = self.config.route(self.plan.route);
                Onward::to_server(server, route, &self.exchange, self.request(), self.plan.framing)
            }
        }
    }

    fn gateway(&self) -> Option<GatewayAnswer<'_>> {
        let target = self.exchange.gateway_target()?;
        Some(GatewayAnswer {
            final_url: target.url.as_str(),
            location: Location::Kept,
            cookies: CookiesHome::Dropped,
        })
    }
}

fn request(arguments: &[&str], text: &str) -> Operation {
    let planned = Planned::new(arguments, text);
    let forwarding = Forwarding::of(&planned.client);
    let mut out = vec![0; 32 << 10];
    Box::new(move || {
        let Planned { exchange, identity, .. } = &planned;
        let (peer, asker) = (planned.client.address, &planned.plan.asker);
        let sender =
            Sender { forwarding: &forwarding, peer, asker, identity, request_id: Default::default() };
        let (request, onward) = (black_box(planned.request()), planned.onward());
        black_box(rewrite::request(request, exchange, &onward, &sender, &mut out)).expect("room enough");
    })
}

fn response(arguments: &[&str], asked: &str, answered: &str) -> Operation {
    let (planned, answered) = (Planned::new(arguments, asked), Answered::new(answered));
    let (date, mut out) = (Date::of(UNIX_EPOCH), vec![0; 32 << 10]);
    Box::new(move || {
        let homeward = Homeward {
            cors: planned.plan.cors,
            policy: planned.config.cors(),
            request_bytes: planned.request().bytes,
            framing: Framing::Chunked,
            declared: None,
            connection: None,
            gateway: planned.gateway(),
            renaming: None,
            edits: None,
            identity: &planned.identity,
            date: &date,
        };
        black_box(rewrite::response(black_box(answered.response()), &homeward, &mut out))
            .expect("room enough");
    })
}

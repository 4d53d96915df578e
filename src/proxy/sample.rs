//! Exchanges for the tests of this room: a configuration, a request, and what was decided about it.

use std::cell::RefCell;

use super::{
    clock::HttpDate,
    identity::Identity,
    plan::{Action, Client, Exchange, Plan, plan},
    response::ResponseContext,
    route::{Destination, Target},
    state::ExchangeState,
};
use crate::{
    config::{Config, compile::compile, flags, machine::Machine},
    cors::CorsDecision,
    http1::{
        connection::Persistence,
        framing::Framing,
        head::{Fields, Method},
        sample::{self, ParsedRequest},
    },
    net::buffer::{Buffer, BufferPool},
};

/// How the process of a test names itself.
pub(super) const OWN_ID: &str = "0123456789abcdef";

/// The arguments of a reverse proxy.
pub(super) const REVERSE: &[&str] = &["--upstream=http://127.0.0.1:9001"];

/// The configuration that these arguments make.
pub(super) fn config(arguments: &[&str]) -> Config {
    let machine = Machine { descriptors: 20_000, cores: std::num::NonZeroUsize::MIN };
    let settings = flags::parse(std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into));
    compile(&settings.unwrap(), machine).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// A client of the documentation's network.
pub(super) fn client() -> Client {
    Client { address: "192.0.2.7:40000".parse().unwrap(), secure: false, loopback_listener: false }
}

pub(super) fn identity() -> Identity {
    Identity {
        id: OWN_ID.as_bytes().into(),
        via: format!("Via: 1.1 corsair ({OWN_ID})\r\n").into_bytes().into(),
    }
}

/// What is decided about a request.
pub(super) fn planned(config: &Config, client: &Client, text: &str) -> Plan {
    plan(sample::request(text).request(), config, client, OWN_ID.as_bytes())
}

/// An exchange that is under way.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) identity: Identity,
    pub(super) date: HttpDate,
    pub(super) inbound: RefCell<Buffer>,
    pub(super) request: ParsedRequest,
    pub(super) exchange: Exchange,
    pub(super) cors: CorsDecision,
    pub(super) framing: Framing,
    pub(super) persistence: Persistence,
    pub(super) state: ExchangeState,
}

impl Setup {
    /// The exchange that a request leads to; what follows its head is in the buffer.
    pub(super) fn new(arguments: &[&str], text: &str) -> Self {
        let config = config(arguments);
        let request = sample::request(text);
        let plan = plan(request.request(), &config, &client(), OWN_ID.as_bytes());
        let Action::Exchange(exchange) = plan.action else { panic!("{text:?}: {:?}", plan.action) };
        let mut inbound = BufferPool::new(16 << 10).take();
        inbound.push(text.as_bytes());
        inbound.consume(request.head.len);
        Self {
            config,
            identity: identity(),
            date: HttpDate::default(),
            inbound: RefCell::new(inbound),
            request,
            exchange,
            cors: plan.cors,
            framing: plan.framing,
            persistence: plan.persistence,
            state: ExchangeState::new(),
        }
    }

    /// The target of a gateway's exchange.
    pub(super) fn target(&self) -> Option<&Target> {
        match &self.exchange.destination {
            Destination::Target(target) => Some(target),
            Destination::Upstream => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn target_mut(&mut self) -> &mut Target {
        match &mut self.exchange.destination {
            Destination::Target(target) => target,
            Destination::Upstream => panic!("no gateway"),
        }
    }

    pub(super) fn context(&self) -> ResponseContext<'_> {
        ResponseContext {
            reused: false,
            config: &self.config,
            identity: &self.identity,
            date: &self.date,
            inbound: &self.inbound,
            request: &self.request.head,
            exchange: &self.exchange,
            cors: self.cors,
            target: self.target(),
            method: self
                .target()
                .filter(|target| target.get)
                .map_or(self.request.head.method, |_| Method::Get),
            has_body: self.framing != Framing::None,
            persistence: self.persistence,
            state: &self.state,
        }
    }
}

/// A head that was written, as its reader would take it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) start: String,
    pub(super) fields: Vec<(String, String)>,
    /// What follows the head.
    pub(super) body: Vec<u8>,
}

impl Written {
    /// A request head, which must be right.
    pub(super) fn request(bytes: &[u8]) -> Self {
        let parsed = sample::request(bytes);
        Self::of(bytes, &parsed.head.fields, parsed.head.len)
    }

    /// A response head, which must be right.
    pub(super) fn response(bytes: &[u8]) -> Self {
        let parsed = sample::response(bytes);
        Self::of(bytes, &parsed.head.fields, parsed.head.len)
    }

    fn of(bytes: &[u8], fields: &Fields, len: usize) -> Self {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let line = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        Self {
            start: text(&bytes[..line]),
            fields: fields
                .iter()
                .map(|field| (text(field.name.of(bytes)), text(field.value.of(bytes))))
                .collect(),
            body: bytes[len..].to_vec(),
        }
    }

    /// The values of all fields of one name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }
}

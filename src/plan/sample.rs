//! Exchanges for the tests of this room: a configuration, a request, and what was decided about it.

use std::time::SystemTime;

use super::{
    action::{Action, Destination, Exchange, Plan},
    client::Client,
    identity::Identity,
    request::request,
    response::ResponseContext,
    target::Target,
};
use crate::{
    admission::Shown,
    config::{Config, ListenerId, compile::compile, flags, machine::Machine},
    http1::{
        head::Fields,
        sample::{self, ParsedRequest},
    },
};

/// How the process of a test names itself.
pub(crate) const OWN_ID: &str = "0123456789abcdef";

/// The arguments of a reverse proxy.
pub(crate) const REVERSE: &[&str] = &["--upstream=http://127.0.0.1:9001"];

/// The configuration that these arguments make.
pub(crate) fn config(arguments: &[&str]) -> Config {
    let machine = Machine { descriptors: 20_000, cores: std::num::NonZeroUsize::MIN };
    let settings = flags::parse(std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into));
    compile(&settings.unwrap(), machine, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// A client of the documentation's network.
pub(crate) fn client() -> Client {
    Client {
        address: Some("192.0.2.7:40000".parse().unwrap()),
        anonymous: false,
        secure: false,
        loopback_listener: false,
        listener: ListenerId::FIRST,
        refusal: None,
        handshake: None,
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        id: OWN_ID.as_bytes().into(),
        via: format!("Via: 1.1 corsair ({OWN_ID})\r\n").into_bytes().into(),
    }
}

/// What is decided about a request.
pub(crate) fn planned(config: &Config, client: &Client, text: &str) -> (Plan, Action) {
    let mut parsed = sample::request(text);
    let shown = Shown::take(&mut parsed.bytes, &mut parsed.head, config.takes, SystemTime::UNIX_EPOCH);
    request(parsed.request(), &shown, config, client, OWN_ID.as_bytes())
}

/// An exchange, and all that is decided about it.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) request: ParsedRequest,
    pub(crate) plan: Plan,
    pub(crate) exchange: Exchange,
}

impl Setup {
    /// The exchange that a request leads to.
    pub(crate) fn new(arguments: &[&str], text: &str) -> Self {
        let config = config(arguments);
        let request = sample::request(text);
        let (plan, action) = planned(&config, &client(), text);
        let Action::Exchange(exchange) = action else { panic!("{text:?}: {action:?}") };
        Self { config, identity: identity(), request, plan, exchange }
    }

    /// The target of a gateway's exchange, to be changed.
    pub(crate) fn target_mut(&mut self) -> &mut Target {
        match &mut self.exchange.destination {
            Destination::Target(target) => target,
            Destination::Upstream(_) | Destination::Forward(_) | Destination::Question { .. } => {
                panic!("no gateway")
            }
        }
    }

    pub(crate) fn context(&self) -> ResponseContext<'_> {
        let server = match self.exchange.destination {
            Destination::Upstream(upstream) => self.config.upstream(upstream).endpoints.first(),
            Destination::Target(_) | Destination::Forward(_) | Destination::Question { .. } => None,
        };
        ResponseContext::new(&self.config, &self.identity, &self.plan, &self.exchange, server, false)
    }
}

/// A head that was written, as its reader would take it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
    /// What follows the head.
    pub(crate) body: Vec<u8>,
}

impl Written {
    /// A request head, which must be right.
    pub(crate) fn request(bytes: &[u8]) -> Self {
        let parsed = sample::request(bytes);
        Self::of(bytes, &parsed.head.fields, parsed.head.len)
    }

    /// A response head, which must be right.
    pub(crate) fn response(bytes: &[u8]) -> Self {
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
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }
}

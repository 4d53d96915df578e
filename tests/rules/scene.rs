//! A corsair between raw clients and a raw scripted origin, and the ways in which a message is cut.

use std::sync::{Arc, LazyLock, Mutex};

use regex::{Captures, Regex};

use crate::support::{
    Client, Corsair, Exchange, Fault, Framing, Origin, Response, Then, answer, bytes, latin1,
    origin::describe,
};

/// The request that follows every refused one, as it is sent and as it reaches the origin.
pub(super) const GOOD: &str = "GET /good HTTP/1.1\r\nHost: good\r\n\r\n";

/// A message that is no longer than this is cut at every position, a longer one at some.
const SHORT: usize = 120;
const SOME_POSITIONS: usize = 40;

/// How a message is cut on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// One write.
    Whole,
    /// Byte by byte, each read alone.
    Dribbled,
    /// Two pieces, each read alone.
    At(usize),
}

impl Cut {
    /// Every way in which a message of `len` bytes is cut, in two pieces not before `from`.
    fn every(len: usize, from: usize) -> impl Iterator<Item = Self> {
        let step = if len <= SHORT { 1 } else { len.saturating_sub(from).div_ceil(SOME_POSITIONS).max(1) };
        [Self::Whole, Self::Dribbled].into_iter().chain((from.max(1)..len).step_by(step).map(Self::At))
    }

    /// The target that asks the origin to cut its answer in this way.
    fn target(self) -> String {
        match self {
            Self::Whole => "/whole".to_owned(),
            Self::Dribbled => "/dribbled".to_owned(),
            Self::At(position) => format!("/{position}"),
        }
    }

    fn of_target(target: &str) -> Self {
        match target.trim_start_matches('/') {
            "dribbled" => Self::Dribbled,
            position => position.parse().map_or(Self::Whole, Self::At),
        }
    }

    /// Sends an answer cut in this way; whether corsair took it.
    fn send(self, exchange: &mut Exchange<'_>, data: &[u8]) -> bool {
        match self {
            Self::Whole => exchange.send(data),
            Self::Dribbled => exchange.send_split(data.chunks(1)),
            Self::At(position) => {
                let (first, second) = data.split_at(position.min(data.len()));
                exchange.send_split([first, second])
            }
        }
    }
}

/// What the origin says to everything but `/good`, and what it does then.
type Script = Arc<Mutex<Option<(Vec<u8>, Then)>>>;

/// An origin and a corsair in front of it.
pub(super) struct Scene {
    /// The origin. It answers `/good` with `good` and closes; everything else by the script, or as
    /// [`Origin::echo`].
    pub(super) origin: Origin,
    /// The daemon.
    pub(super) corsair: Corsair,
    script: Script,
}

impl Scene {
    /// A scene with these flags.
    pub(super) fn new(flags: &[&str]) -> Self {
        let script = Script::default();
        let said = Arc::clone(&script);
        let origin = Origin::on_head(move |exchange| {
            if exchange.target == "/good" {
                exchange.request();
                exchange.send(answer("200 OK", "Connection: close\r\n", "good"));
                return Then::Close;
            }
            let Some(request) = exchange.request() else { return Then::Close };
            let said = said.lock().unwrap().clone();
            match said {
                None if exchange.send(describe(&request)) => Then::KeepAlive,
                None => Then::Close,
                Some((text, then)) => {
                    Cut::of_target(&request.target).send(exchange, &text);
                    then
                }
            }
        });
        let corsair = Corsair::reverse(origin.address(), flags);
        Self { origin, corsair, script }
    }

    /// A scene whose origin sends `text` and then does `then`.
    pub(super) fn answering(text: &str, then: Then, flags: &[&str]) -> Self {
        let scene = Self::new(flags);
        scene.say(text, then);
        scene
    }

    /// From now the origin answers with `text` and does `then`.
    pub(super) fn say(&self, text: &str, then: Then) {
        *self.script.lock().unwrap() = Some((bytes(text), then));
    }

    /// Sends `message` in every cut, each on a connection of its own.
    pub(super) fn send_every(&self, message: &str) -> Vec<(Cut, Client)> {
        self.send_every_from(0, message)
    }

    fn send_every_from(&self, from: usize, message: &str) -> Vec<(Cut, Client)> {
        let data = bytes(message);
        let mut clients: Vec<(Cut, Client)> =
            Cut::every(data.len(), from).map(|cut| (cut, self.corsair.connect())).collect();
        for (cut, client) in &mut clients {
            match *cut {
                Cut::Whole => client.offer(&data),
                Cut::At(position) => client.offer(&data[..position]),
                Cut::Dribbled => true,
            };
        }
        for (_, client) in clients.iter_mut().filter(|(cut, _)| *cut == Cut::Dribbled) {
            client.dribble(&data);
        }
        for (cut, client) in &mut clients {
            if let Cut::At(position) = *cut {
                client.0.write_split([&data[position..]]);
            }
        }
        clients
    }

    /// Expects `status` and the end of the connection for `message`, however it is cut, and a good answer
    /// on the next connection each time. Returns what the connections brought to the origin beside that.
    fn refusals(&self, status: u16, message: &str, from: usize) -> Vec<String> {
        let clients = self.send_every_from(from, message);
        let count = clients.len();
        for (cut, mut client) in clients {
            let response = client
                .try_response(method_of(message))
                .unwrap_or_else(|fault| panic!("{message:?} {cut:?}: {fault:?}"));
            assert_eq!(response.status, status, "{message:?} {cut:?}");
            assert!(response.closes(), "{message:?} {cut:?}: no Connection: close");
            assert_ne!(response.framing, Framing::UntilClose, "{message:?} {cut:?}: no length");
            client.expect_end();
        }
        self.assert_good_again(count);
        self.origin.wait("every connection is closed", |seen| seen.open == 0);
        let (good, others): (Vec<String>, Vec<String>) =
            self.caused().into_iter().partition(|caused| caused == GOOD);
        assert_eq!(good.len(), count, "{message:?}: {others:?}");
        others
    }

    /// Each of these is refused with its status, however it is cut, and not one byte of it goes upstream.
    pub(super) fn assert_refused<S: AsRef<str>>(&self, cases: impl IntoIterator<Item = (u16, S)>) {
        self.assert_broken(cases.into_iter().map(|(status, message)| (status, message, "")));
    }

    /// Each of these is refused with its status, however it is cut; of what goes upstream before the fault
    /// is seen, the third value is the most.
    pub(super) fn assert_broken<S: AsRef<str>, M: AsRef<str>>(
        &self,
        cases: impl IntoIterator<Item = (u16, S, M)>,
    ) {
        let mut before = String::new();
        for (status, message, most) in cases {
            let (message, most) = (message.as_ref(), most.as_ref());
            for caused in self.refusals(status, message, shared(&before, message)) {
                assert!(most.starts_with(&caused), "{message:?} became {caused:?}");
            }
            message.clone_into(&mut before);
        }
    }

    /// `message` is answered with 200, however it is cut, and reaches the origin as exactly `expected`.
    pub(super) fn assert_forwarded(&self, message: &str, expected: &str) {
        let clients = self.send_every(message);
        let count = clients.len();
        for (cut, mut client) in clients {
            match client.try_response(method_of(message)) {
                Ok(response) => assert_eq!(response.status, 200, "{message:?} {cut:?}"),
                Err(fault) => panic!("{message:?} {cut:?}: {fault:?}"),
            }
        }
        self.assert_caused(expected, count);
    }

    /// The origin received exactly this, so many times, since the last call.
    pub(super) fn assert_caused(&self, expected: &str, count: usize) {
        let caused = self.caused().concat();
        if caused != expected.repeat(count) {
            let other = caused.replace(expected, "");
            panic!(
                "{expected:?} {} times instead of {count}, and {other:.400?}",
                caused.matches(expected).count()
            );
        }
    }

    /// What the origin received on each connection since the last call, without what corsair adds to every
    /// request of its own accord (rule 29).
    pub(super) fn caused(&self) -> Vec<String> {
        self.origin.take_received().iter().map(|received| without_additions(&latin1(received))).collect()
    }

    /// A good request on a fresh connection gets its own answer.
    pub(super) fn assert_good(&self) {
        let response = self.corsair.ask(GOOD);
        assert_eq!((response.status, response.text().as_str()), (200, "good"));
    }

    /// So many good requests, each on a fresh connection, get their own answers.
    fn assert_good_again(&self, count: usize) {
        let mut clients: Vec<Client> = (0..count).map(|_| self.corsair.connect()).collect();
        for client in &mut clients {
            client.send(GOOD);
        }
        for client in &mut clients {
            let response = client.response();
            assert_eq!((response.status, response.text().as_str()), (200, "good"));
        }
    }

    /// Clients of a request whose answer comes in every cut. The request is `METHOD TARGET` and whatever
    /// `behind` says.
    pub(super) fn relayed(&self, method: &str, behind: &str) -> Vec<(Cut, Client)> {
        self.relayed_from(0, method, behind)
    }

    fn relayed_from(&self, from: usize, method: &str, behind: &str) -> Vec<(Cut, Client)> {
        let len = self.script.lock().unwrap().as_ref().map_or(0, |(text, _)| text.len());
        let mut clients = Vec::new();
        for cut in Cut::every(len, from) {
            let mut client = self.corsair.connect();
            client.send(format!("{method} {} {behind}", cut.target()));
            clients.push((cut, client));
        }
        clients
    }

    /// The responses to GET by an HTTP/1.1 client whose answer comes in every cut.
    pub(super) fn responses(&self, text: &str, then: Then) -> Vec<(Cut, Client, Result<Response, Fault>)> {
        self.say(text, then);
        let clients = self.relayed("GET", "HTTP/1.1\r\nHost: a\r\n\r\n");
        clients
            .into_iter()
            .map(|(cut, mut client)| {
                let response = client.try_response("GET");
                (cut, client, response)
            })
            .collect()
    }

    /// Each of these answers becomes a 502 that shows nothing of it, and its connection is closed.
    pub(super) fn assert_502(&self, cases: &[&str]) {
        let mut before = "";
        for text in cases {
            self.say(text, Then::Hold);
            let clients = self.relayed_from(shared(before, text), "GET", "HTTP/1.1\r\nHost: a\r\n\r\n");
            let count = clients.len();
            for (cut, mut client) in clients {
                let response =
                    client.try_response("GET").unwrap_or_else(|fault| panic!("{text:?} {cut:?}: {fault:?}"));
                assert_eq!(response.status, 502, "{text:?} {cut:?}");
                assert!(!response.text().contains("POISON"), "{text:?} {cut:?}");
            }
            self.assert_good_again(count);
            self.origin.wait("every connection is closed", |seen| seen.open == 0);
            before = text;
        }
    }
}

/// Characters at the start of both; a cut there has been tried with the one that came before.
fn shared(before: &str, text: &str) -> usize {
    before.chars().zip(text.chars()).take_while(|(a, b)| a == b).count()
}

fn method_of(message: &str) -> &str {
    message.trim_start().split(' ').next().unwrap_or_default()
}

/// What corsair adds to a request; nothing of it may come from the client.
static ADDITIONS: LazyLock<Regex> = LazyLock::new(|| {
    let lines = [
        r"X-Real-IP: 127\.0\.0\.1",
        r"X-Forwarded-For: 127\.0\.0\.1",
        r"X-Forwarded-Proto: http",
        r"X-Forwarded-Host: (?<host>[^\r\n]*)",
        r#"Forwarded: for=127\.0\.0\.1;host="(?<quoted>[^\r\n"]*)";proto=http"#,
        r"Via: 1\.1 corsair \([0-9a-f]{16}\)",
        r"X-Request-Id: [0-9a-f-]+",
        r"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00",
    ];
    Regex::new(&(lines.join(r"\r\n") + r"\r\n\r\n")).unwrap()
});

fn without_additions(received: &str) -> String {
    let strip = |captures: &Captures<'_>| {
        assert_eq!(captures["host"], captures["quoted"]);
        "\r\n"
    };
    ADDITIONS.replace_all(received, strip).into_owned()
}

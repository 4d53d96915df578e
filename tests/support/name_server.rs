//! A name server on loopback whose zone the test changes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SRV},
};

/// What a name has.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// These servers of a service: priority, weight, port and target.
    Services(Vec<(u16, u16, u16, String)>),
}

#[derive(Default)]
struct State {
    zones: BTreeMap<String, Zone>,
    asked: BTreeMap<String, usize>,
    is_dead: bool,
}

/// It serves until it is dropped; what it does not know does not exist.
pub(crate) struct NameServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Seconds.
    ttl: u32,
}

impl NameServer {
    /// One whose answers live for so many seconds.
    pub(crate) fn with_ttl(ttl: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let serving = Arc::downgrade(&state);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        thread::spawn(move || {
            let mut query = [0; 1500];
            while let Some(state) = serving.upgrade() {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                if let Some(answer) = answer(&mut state.lock().unwrap(), &query[..length], ttl) {
                    socket.send_to(&answer, client).unwrap();
                }
            }
        });
        Self { address, state, ttl }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long its answers live.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl.into())
    }

    /// A name has these addresses from now on.
    pub(crate) fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        self.set(name, Zone::Addresses(addresses.to_vec()));
    }

    /// A name has this from now on.
    pub(crate) fn set(&self, name: &str, zone: Zone) {
        self.state.lock().unwrap().zones.insert(format!("{name}."), zone);
    }

    /// A name does not exist any more.
    pub(crate) fn remove(&self, name: &str) {
        self.state.lock().unwrap().zones.remove(&format!("{name}."));
    }

    /// It answers nobody any more.
    pub(crate) fn die(&self) {
        self.state.lock().unwrap().is_dead = true;
    }

    /// How often a name was asked for, IPv6 left out.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.state.lock().unwrap().asked.get(&format!("{name}.")).copied().unwrap_or_default()
    }
}

fn answer(state: &mut State, query: &[u8], ttl: u32) -> Option<Vec<u8>> {
    let request = Message::from_vec(query).unwrap();
    let question = request.queries.first().unwrap().clone();
    let name = question.name().to_string();
    if question.query_type() != RecordType::AAAA {
        *state.asked.entry(name.clone()).or_default() += 1;
    }
    if state.is_dead {
        return None;
    }
    let mut response = Message::response(request.metadata.id, OpCode::Query);
    response.metadata.recursion_available = true;
    response.add_query(question.clone());
    let data: Vec<RData> = match state.zones.get(&name) {
        None => {
            response.metadata.response_code = ResponseCode::NXDomain;
            Vec::new()
        }
        Some(Zone::Addresses(addresses)) => addresses
            .iter()
            .map(|address| match address {
                IpAddr::V4(ip) => RData::A((*ip).into()),
                IpAddr::V6(ip) => RData::AAAA((*ip).into()),
            })
            .collect(),
        Some(Zone::Services(servers)) => servers
            .iter()
            .map(|(priority, weight, port, target)| {
                RData::SRV(SRV::new(*priority, *weight, *port, Name::from_ascii(target).unwrap()))
            })
            .collect(),
    };
    for data in data.into_iter().filter(|data| data.record_type() == question.query_type()) {
        response.add_answer(Record::from_rdata(question.name().clone(), ttl, data));
    }
    Some(response.to_vec().unwrap())
}

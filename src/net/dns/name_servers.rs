//! What DNS says about one name, now: a thin layer over hickory-resolver that remembers nothing.
//!
//! The servers and the search list are those of the settings, or of `/etc/resolv.conf`, which is read when
//! the first name is asked for and again whenever it has changed; while it is missing or unusable, lookups
//! fail and nothing else does. Hickory's own cache and hosts file are off: [`Resolver`](super::Resolver) has both.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::pin,
    rc::Rc,
    time::Duration,
};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, Record, RecordType},
    },
};
use tokio::time::timeout;

use super::hosts::Stamp;
use crate::{config::MAX_ADDRESSES, error::Error, net::throttle::Throttle};

/// What one answer takes at most, in bytes: a message of 64 KiB (RFC 1035 §4.2.2) and the records in it, of 16 bytes
/// at least, each with its name, which outside of the message is written out.
pub(super) const ANSWER_MEMORY: usize = (64 << 10) + (64 << 10) / 16 * (size_of::<Record>() + 384);

/// How long one server is waited for; a datagram is sent again after two thirds of a second within it.
/// A system setting is taken only when it is shorter: the default of 5 s is all that a request has.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often all servers are asked again after a failure.
const REPEATS: usize = 1;

/// How long the family that has answered waits for the other.
const FAMILY_DELAY: Duration = Duration::from_millis(250);

/// How long the answer of one family lives when the other could not be learnt.
const HALF_ANSWER_TTL: Duration = Duration::from_secs(10);

/// Where a service is to be had (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceRecord {
    /// Those with the lowest number are used while any of them can be.
    pub priority: u16,
    /// Its share among those of the same priority.
    pub weight: u16,
    /// The port there.
    pub port: u16,
    /// The name of the machine, absolute.
    pub target: Box<str>,
}

/// What DNS says about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<A> {
    /// It has what was asked for; of addresses those of IPv6 first.
    Found { answer: A, ttl: Duration },
    /// It does not exist or has nothing of that kind, and the server may know (RFC 2308).
    Absent { ttl: Duration },
    /// The servers failed, or did not answer.
    Failed(Error),
}

/// The servers that one worker asks.
#[derive(Debug)]
pub(super) struct NameServers {
    servers: Vec<SocketAddr>,
    resolv_conf: PathBuf,
    built: RefCell<Option<Rc<Built>>>,
}

#[derive(Debug)]
struct Built {
    stamp: Option<Stamp>,
    resolver: TokioResolver,
    search: Vec<Name>,
    ndots: usize,
}

impl NameServers {
    /// Reads nothing yet. Without `servers`, those in the file `resolv_conf` are asked.
    pub(super) fn new(servers: Vec<SocketAddr>, resolv_conf: PathBuf) -> Self {
        Self { servers, resolv_conf, built: RefCell::new(None) }
    }

    /// Asks for the addresses of both families of `name`: lower case, of letters, digits, hyphens,
    /// underscores and dots; absolute with a final dot.
    pub(super) async fn look_up(&self, name: &str) -> Reply<Vec<IpAddr>> {
        self.look_up_with(name, Built::ask).await
    }

    /// Asks where the service `name` is to be had, which is of the same characters.
    pub(super) async fn look_up_service(&self, name: &str) -> Reply<Vec<ServiceRecord>> {
        self.look_up_with(name, Built::ask_service).await
    }

    async fn look_up_with<A>(&self, name: &str, ask: impl AsyncFn(&Built, Name) -> Reply<A>) -> Reply<A> {
        let Some(built) = self.current() else { return Reply::Failed(Error::Dns) };
        let Some(candidates) = built.candidates(name) else { return Reply::Failed(Error::Dns) };
        let mut absent = Duration::MAX;
        let mut failed = false;
        for candidate in candidates {
            match ask(&built, candidate).await {
                found @ Reply::Found { .. } => return found,
                Reply::Absent { ttl } => absent = absent.min(ttl),
                // A search domain whose server is broken does not hide the name itself.
                Reply::Failed(Error::Dns) => failed = true,
                timed_out @ Reply::Failed(_) => return timed_out,
            }
        }
        if failed { Reply::Failed(Error::Dns) } else { Reply::Absent { ttl: absent } }
    }

    /// The resolver for the present settings, built when there is none or `resolv.conf` has changed.
    fn current(&self) -> Option<Rc<Built>> {
        static UNUSABLE: Throttle = Throttle::new();
        let stamp = if self.servers.is_empty() { Stamp::of(&self.resolv_conf) } else { None };
        let known = self.built.borrow().clone();
        if let Some(built) = &known
            && built.stamp == stamp
        {
            return known;
        }
        match self.build(stamp) {
            Ok(built) => {
                let built = Rc::new(built);
                self.built.replace(Some(Rc::clone(&built)));
                Some(built)
            }
            Err(error) => {
                if let Some(held_back) = UNUSABLE.admit() {
                    tracing::warn!(
                        file = %self.resolv_conf.display(), %error, held_back,
                        "no name server is known; repair the file or set dns.servers"
                    );
                }
                // A file that is just being rewritten: the last good settings serve until it is whole.
                known
            }
        }
    }

    fn build(&self, stamp: Option<Stamp>) -> Result<Built, NetError> {
        let (mut config, mut options) =
            if self.servers.is_empty() { self.system_settings()? } else { self.own_settings() };
        let several = config.name_servers.len() > 1;
        for server in &mut config.name_servers {
            // Two are asked at once and the faster one answers. Where one knows names that the other does
            // not (a private server listed before a public one), "no such name" must not win by speed.
            server.trust_negative_responses = !several;
        }
        options.timeout = options.timeout.min(SERVER_TIMEOUT);
        options.attempts = options.attempts.min(REPEATS);
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let mut search = config.search().to_vec();
        if search.is_empty() {
            search.extend(config.domain().cloned());
        }
        let ndots = options.ndots;
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()?;
        Ok(Built { stamp, resolver, search, ndots })
    }

    fn own_settings(&self) -> (ResolverConfig, ResolverOpts) {
        let servers = self.servers.iter().map(|address| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            server
        });
        (ResolverConfig::from_name_servers(servers.collect()), ResolverOpts::default())
    }

    #[cfg(not(target_vendor = "apple"))]
    fn system_settings(&self) -> Result<(ResolverConfig, ResolverOpts), NetError> {
        hickory_resolver::system_conf::parse_resolv_conf(std::fs::read(&self.resolv_conf)?)
    }

    /// There the file is a courtesy, and the settings are in the system's store.
    #[cfg(target_vendor = "apple")]
    fn system_settings(&self) -> Result<(ResolverConfig, ResolverOpts), NetError> {
        hickory_resolver::system_conf::read_system_conf()
    }
}

impl Built {
    /// The absolute names to ask for, in order: a name with at least `ndots` dots, or a final one, is asked
    /// for as it is and never under a search domain; any other under each search domain first.
    fn candidates(&self, name: &str) -> Option<Vec<Name>> {
        let mut name = Name::from_ascii(name).ok()?;
        let mut candidates = Vec::new();
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        if !name.is_fqdn() && dots < self.ndots {
            for domain in &self.search {
                // Too long with this domain: then it is no name under it.
                candidates.extend(name.clone().append_domain(domain).ok());
            }
            for candidate in &mut candidates {
                candidate.set_fqdn(true);
            }
        }
        name.set_fqdn(true);
        candidates.push(name);
        Some(candidates)
    }

    async fn ask(&self, name: Name) -> Reply<Vec<IpAddr>> {
        let mut six = pin!(self.ask_family(name.clone(), RecordType::AAAA));
        let mut four = pin!(self.ask_family(name, RecordType::A));
        // RFC 8305 §3: both at once, and no long wait for the second when the first can be used.
        let (six, four) = tokio::select! {
            six = &mut six => {
                let four = after(&six, four).await;
                (six, four)
            }
            four = &mut four => (after(&four, six).await, four),
        };
        merge(six, four)
    }

    async fn ask_family(&self, name: Name, family: RecordType) -> Reply<Vec<IpAddr>> {
        match self.resolver.lookup(name, family).await {
            Ok(lookup) => from_records(lookup.answers(), MAX_ADDRESSES, |data| data.ip_addr()),
            Err(error) => from_error(&error),
        }
    }

    async fn ask_service(&self, name: Name) -> Reply<Vec<ServiceRecord>> {
        match self.resolver.lookup(name, RecordType::SRV).await {
            Ok(lookup) => from_records(lookup.answers(), MAX_ADDRESSES, service),
            Err(error) => from_error(&error),
        }
    }
}

/// The answer of the other family, waited for as long as the first one allows.
async fn after(
    first: &Reply<Vec<IpAddr>>,
    other: impl Future<Output = Reply<Vec<IpAddr>>>,
) -> Reply<Vec<IpAddr>> {
    match first {
        Reply::Found { .. } => timeout(FAMILY_DELAY, other).await.unwrap_or(Reply::Failed(Error::DnsTimeout)),
        Reply::Absent { .. } | Reply::Failed(_) => other.await,
    }
}

fn merge(six: Reply<Vec<IpAddr>>, four: Reply<Vec<IpAddr>>) -> Reply<Vec<IpAddr>> {
    use Reply::{Absent, Failed, Found};
    match (six, four) {
        (Found { answer: six, ttl }, Found { answer: four, ttl: four_ttl }) => {
            Found { answer: both(six, four), ttl: ttl.min(four_ttl) }
        }
        (Found { answer, ttl }, Absent { .. }) | (Absent { .. }, Found { answer, ttl }) => {
            Found { answer, ttl }
        }
        (Found { answer, ttl }, Failed(_)) | (Failed(_), Found { answer, ttl }) => {
            Found { answer, ttl: ttl.min(HALF_ANSWER_TTL) }
        }
        (Absent { ttl }, Absent { ttl: four_ttl }) => Absent { ttl: ttl.min(four_ttl) },
        (Failed(Error::DnsTimeout), Failed(_)) => Failed(Error::DnsTimeout),
        (Failed(_), Failed(error)) | (Failed(error), Absent { .. }) | (Absent { .. }, Failed(error)) => {
            Failed(error)
        }
    }
}

/// The addresses of both families, as many as are remembered; each has half of them if it needs that.
fn both(mut six: Vec<IpAddr>, four: Vec<IpAddr>) -> Vec<IpAddr> {
    six.truncate(MAX_ADDRESSES.saturating_sub(four.len()).max(MAX_ADDRESSES / 2));
    six.extend(four);
    six.truncate(MAX_ADDRESSES);
    six
}

/// What is in an answer of the kind that was asked for, at most so many.
fn from_records<A>(records: &[Record], most: usize, of: impl Fn(&RData) -> Option<A>) -> Reply<Vec<A>> {
    let mut answer = Vec::new();
    let mut ttl = u32::MAX;
    for record in records {
        if let Some(one) = of(&record.data) {
            if answer.len() < most {
                answer.push(one);
            }
            ttl = ttl.min(record.ttl);
        } else if let RData::CNAME(_) = record.data {
            ttl = ttl.min(record.ttl);
        }
    }
    if answer.is_empty() {
        return Reply::Absent { ttl: Duration::ZERO };
    }
    Reply::Found { answer, ttl: Duration::from_secs(ttl.into()) }
}

/// The server that a record names; a target of "." says that the service is not to be had (RFC 2782).
fn service(data: &RData) -> Option<ServiceRecord> {
    let RData::SRV(record) = data else { return None };
    if record.target.is_root() || record.port == 0 {
        return None;
    }
    let mut target = record.target.clone();
    target.set_fqdn(true);
    Some(ServiceRecord {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: target.to_ascii().to_ascii_lowercase().into(),
    })
}

fn from_error<A>(error: &NetError) -> Reply<A> {
    if let NetError::Dns(DnsError::NoRecordsFound(no_records)) = error
        && matches!(no_records.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
    {
        let seconds = no_records.negative_ttl.unwrap_or_default();
        return Reply::Absent { ttl: Duration::from_secs(seconds.into()) };
    }
    tracing::debug!(%error, "a name server failed");
    Reply::Failed(if let NetError::Timeout = error { Error::DnsTimeout } else { Error::Dns })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::net::testing::in_worker;

    fn built(resolv_conf: &str) -> Rc<Built> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        fs::write(&path, resolv_conf).unwrap();
        NameServers::new(Vec::new(), path).current().unwrap()
    }

    #[test]
    fn search_domains_are_for_names_with_fewer_dots_than_the_system_says() {
        in_worker(async {
            let plain = built("nameserver 192.0.2.1\nsearch a.test b.test\n");
            let five = built("nameserver 192.0.2.1\nsearch a.test\noptions ndots:5\n");
            for (built, name, expected) in [
                (&plain, "api", &["api.a.test.", "api.b.test.", "api."][..]),
                (&plain, "api.", &["api."]),
                (&plain, "api.example", &["api.example."]),
                (&plain, "api.example.", &["api.example."]),
                (&five, "api.example", &["api.example.a.test.", "api.example."]),
                (&five, "a.b.c.d.e.f", &["a.b.c.d.e.f."]),
            ] {
                let candidates = built.candidates(name).unwrap();
                let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
                assert_eq!(candidates, expected, "{name}");
            }
        });
    }

    #[test]
    fn resolv_conf_may_come_late_and_change() {
        in_worker(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("resolv.conf");
            let servers = NameServers::new(Vec::new(), path.clone());
            assert_eq!(servers.look_up("api.test").await, Reply::Failed(Error::Dns));
            fs::write(&path, "search a.test\n").unwrap();
            assert_eq!(servers.look_up("api.test").await, Reply::Failed(Error::Dns));
            fs::write(&path, "nameserver 192.0.2.1\nsearch b.test c.test\n").unwrap();
            let first = servers.current().unwrap();
            assert_eq!(first.search.len(), 2);
            assert!(Rc::ptr_eq(&first, &servers.current().unwrap()));
            fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
            let second = servers.current().unwrap();
            assert!(!Rc::ptr_eq(&first, &second));
            fs::write(&path, "\n").unwrap();
            assert!(Rc::ptr_eq(&second, &servers.current().unwrap()));
        });
    }

    #[test]
    fn the_two_families_make_one_answer() {
        use Reply::{Absent, Failed};
        let seconds = Duration::from_secs;
        let six = || Reply::Found { answer: vec![[0, 0, 0, 0, 0, 0, 0, 6].into()], ttl: seconds(60) };
        let four = || Reply::Found { answer: vec![[0, 0, 0, 4].into()], ttl: seconds(30) };
        let both = vec![[0, 0, 0, 0, 0, 0, 0, 6].into(), [0, 0, 0, 4].into()];
        for (six, four, expected) in [
            (six(), four(), Reply::Found { answer: both, ttl: seconds(30) }),
            (Absent { ttl: seconds(5) }, four(), four()),
            (six(), Absent { ttl: seconds(5) }, six()),
            (
                six(),
                Failed(Error::Dns),
                Reply::Found { answer: vec![[0, 0, 0, 0, 0, 0, 0, 6].into()], ttl: HALF_ANSWER_TTL },
            ),
            (Absent { ttl: seconds(5) }, Absent { ttl: seconds(3) }, Absent { ttl: seconds(3) }),
            (Absent { ttl: seconds(5) }, Failed(Error::DnsTimeout), Failed(Error::DnsTimeout)),
            (Failed(Error::DnsTimeout), Absent { ttl: seconds(5) }, Failed(Error::DnsTimeout)),
            (Failed(Error::Dns), Failed(Error::DnsTimeout), Failed(Error::DnsTimeout)),
            (Failed(Error::DnsTimeout), Failed(Error::Dns), Failed(Error::DnsTimeout)),
        ] {
            assert_eq!(merge(six, four), expected);
        }
    }
}

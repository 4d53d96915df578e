//! Names become addresses: the hosts file first, then a bounded memory, then DNS.
//!
//! Of a name it is asked which addresses it has, or where the service is to be had that it stands for; the one is remembered
//! apart from the other.
//!
//! One resolver per worker, and one of the process. A name is asked for once at a time, whoever waits for it; an answer lives for
//! its TTL; when DNS fails, or knows the name no more, the last good one stays in use for a bounded time. Nothing here
//! blocks the worker. A lookup that nobody waits for any more gives its place up, unless it renews what was good before:
//! that still ends and is remembered.
//!
//! Names that were never resolved share a number of places. When all are taken, the lookup that has run longest gives
//! way to one that waits: good names take milliseconds, so what is in the way is silent. Names that were good before
//! have places of their own.
//!
//! Which of the addresses may be connected to is not decided here.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    rc::{Rc, Weak},
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_local,
    time::{Instant, sleep_until, timeout},
};

use super::{
    hosts::HostsFile,
    name_servers::{ANSWER_MEMORY, NameServers, Reply, ServiceRecord},
};
use crate::{
    error::Error,
    net::{Places, QueueTime},
};

/// Names that are remembered; the least useful one goes first.
pub const MAX_NAMES: usize = 1024;

/// What one of them takes at most, in bytes: its addresses, 4.3 KiB, or the task of a lookup that waits for its place.
pub const NAME_MEMORY: usize = 8 << 10;

/// What a lookup under way takes at most, in bytes: its sockets and questions, and an answer for each family. Answers
/// that come at the same time are all read before the first is made use of.
pub const LOOKUP_MEMORY: usize = (32 << 10) + 2 * ANSWER_MEMORY;

/// Names that were good before that are asked for at once: there are few, and an old answer serves meanwhile.
pub const LOOKUPS_OF_GOOD: usize = 16;
/// How long a lookup has its place, although others wait for one.
const PLACE_TIME: Duration = Duration::from_millis(250);

/// How long an answer lives: its TTL, but a TTL of 0 would be a query per connection, and no mistake in a
/// zone should outlive a day.
const POSITIVE_TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// How long "no such name" lives: as the zone says (RFC 2308 §5), but a name that has just been made must
/// not stay unknown.
const NEGATIVE_TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How long a name that could not be resolved is left alone.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How long a request waits for a fresh answer while an old one may be used (RFC 8767 §5, "client response
/// timer"): the resolver's silence must not use up the time the connection needs.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long one lookup may take with all its search domains and repeats.
const MAX_LOOKUP_TIME: Duration = Duration::from_secs(15);

/// The addresses of a name, at least one; those of IPv6 first, each family in the order of the answer.
pub type Addresses = Rc<[IpAddr]>;

/// Where a service is to be had, at one server at least.
pub type Services = Rc<[ServiceRecord]>;

/// Where names come from.
#[derive(Clone, Debug)]
pub struct ResolverSettings {
    /// The servers to ask; empty: those of the system, whose `/etc/resolv.conf` may come late and change.
    pub servers: Vec<SocketAddr>,
    /// The hosts file; `None` is `/etc/hosts`.
    pub hosts_file: Option<PathBuf>,
    /// How long a last good answer serves after its TTL while the resolver fails.
    pub max_stale: Duration,
    /// New names that are asked for at once, each with a handful of sockets, and as many that were good before.
    pub lookups: usize,
}

/// The resolver of one worker; cloning it is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Resolver(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    hosts: Rc<HostsFile>,
    servers: NameServers,
    max_stale: Duration,
    names: Memory<IpAddr>,
    services: Memory<ServiceRecord>,
    /// Counts uses, to know the least recent one.
    uses: Cell<u64>,
    places: Places,
    /// Places of names that were good before.
    places_of_good: Semaphore,
}

/// What is known of names. Hashed with random numbers of this process: they may be clients' input.
type Memory<A> = RefCell<HashMap<Rc<str>, Entry<A>, RandomState>>;

/// What can be asked of a name.
trait Asked: Sized + 'static {
    /// What is known of names in this regard.
    fn memory(shared: &Shared) -> &Memory<Self>;

    /// What DNS says, now.
    async fn ask(servers: &NameServers, name: &str) -> Reply<Vec<Self>>;
}

impl Asked for IpAddr {
    fn memory(shared: &Shared) -> &Memory<Self> {
        &shared.names
    }

    async fn ask(servers: &NameServers, name: &str) -> Reply<Vec<Self>> {
        servers.look_up(name).await
    }
}

impl Asked for ServiceRecord {
    fn memory(shared: &Shared) -> &Memory<Self> {
        &shared.services
    }

    async fn ask(servers: &NameServers, name: &str) -> Reply<Vec<Self>> {
        servers.look_up_service(name).await
    }
}

/// What is known about one name.
#[derive(Debug)]
struct Entry<A> {
    cached: Option<Cached<A>>,
    failure: Option<Failure>,
    lookup: Option<Running<A>>,
    used: u64,
}

/// The last good answer.
#[derive(Debug)]
struct Cached<A> {
    answer: Rc<[A]>,
    expires: Instant,
}

/// The last lookup brought nothing; until when it need not be repeated.
#[derive(Debug)]
struct Failure {
    error: Error,
    until: Instant,
}

type Announce<A> = watch::Sender<Option<Result<Rc<[A]>, Error>>>;

/// A lookup under way. Its task owns what announces the result, so that it knows when nobody waits any more.
#[derive(Debug)]
struct Running<A> {
    announce: Weak<Announce<A>>,
    since: Instant,
    queue: Rc<QueueTime>,
}

/// A wait for a lookup.
#[derive(Debug)]
struct Lookup<A> {
    result: watch::Receiver<Option<Result<Rc<[A]>, Error>>>,
    since: Instant,
    /// How long it waits for its place.
    queue: Rc<QueueTime>,
}

/// What the memory says about a name.
enum Known<A> {
    Now(Result<Rc<[A]>, Error>),
    /// A lookup is under way; an old answer may serve instead.
    Soon(Lookup<A>, Option<Rc<[A]>>),
}

impl<A> Default for Entry<A> {
    fn default() -> Self {
        Self { cached: None, failure: None, lookup: None, used: 0 }
    }
}

impl<A> Entry<A> {
    fn usable(&self, now: Instant, max_stale: Duration) -> Option<&Cached<A>> {
        self.cached.as_ref().filter(|cached| {
            // A sum too large for the clock is "for ever".
            cached.expires.checked_add(max_stale).is_none_or(|end| now < end)
        })
    }

    /// The lookup that is under way; one that ended without a result (it panicked) is not.
    fn lookup(&self) -> Option<Lookup<A>> {
        let Running { announce, since, queue } = self.lookup.as_ref()?;
        let (result, queue) = (announce.upgrade()?.subscribe(), Rc::clone(queue));
        Some(Lookup { result, since: *since, queue })
    }
}

impl Resolver {
    /// Reads and asks nothing before the first name.
    #[must_use]
    pub fn new(settings: ResolverSettings) -> Self {
        let hosts_file = settings.hosts_file.unwrap_or_else(|| PathBuf::from("/etc/hosts"));
        Self(Rc::new(Shared {
            hosts: Rc::new(HostsFile::new(hosts_file)),
            servers: NameServers::new(settings.servers, PathBuf::from("/etc/resolv.conf")),
            max_stale: settings.max_stale,
            names: RefCell::default(),
            services: RefCell::default(),
            uses: Cell::new(0),
            places: Places::new(PLACE_TIME, settings.lookups),
            places_of_good: Semaphore::new(settings.lookups.min(LOOKUPS_OF_GOOD)),
        }))
    }

    /// The addresses of `name`, which may be an address itself. A final dot makes a name absolute;
    /// `localhost` and what ends in it is loopback without a question (RFC 6761 §6.3).
    ///
    /// What its lookup has waited for a place is added to `queue`, and if it waits still, so far.
    ///
    /// There is no deadline here beyond that of the servers; dropping the future leaves the lookup running
    /// for others that wait for it.
    ///
    /// # Errors
    /// [`Error::Dns`] when the name does not exist, has no address or is none, or when the servers fail;
    /// [`Error::DnsTimeout`] when they do not answer.
    pub async fn resolve(&self, name: &str, queue: &QueueTime) -> Result<Addresses, Error> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Rc::new([address]));
        }
        let name = normal(name).ok_or(Error::Dns)?;
        let relative = name.strip_suffix('.').unwrap_or(&name);
        if is_loopback(relative) {
            // IPv4 first: what listens on one of them only is most often found there.
            return Ok(Rc::new([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        }
        if let Some(addresses) = self.0.hosts.look_up(relative).await {
            return Ok(addresses.into());
        }
        self.remembered(&name, queue).await
    }

    /// Where the service `name` is to be had, such as `_http._tcp.api.example` (RFC 2782), as [`resolve`](Self::resolve) has
    /// addresses.
    ///
    /// # Errors
    /// As for addresses.
    pub async fn services(&self, name: &str, queue: &QueueTime) -> Result<Services, Error> {
        self.remembered(&normal(name).ok_or(Error::Dns)?, queue).await
    }

    /// Whether `address` is still one of those that `name` has, or nothing newer is known; where the last answer has ended,
    /// the name is asked for behind that.
    #[must_use]
    pub fn still_has(&self, name: &str, address: IpAddr) -> bool {
        let Some(name) = normal(name) else { return true };
        let relative = name.strip_suffix('.').unwrap_or(&name);
        if is_loopback(relative) {
            return true;
        }
        if let Some(has) = self.0.hosts.has(relative, address) {
            return has;
        }
        if self.0.names.borrow().get(&*name).is_none_or(|entry| entry.cached.is_none()) {
            return true;
        }
        match self.known::<IpAddr>(&name) {
            Ok(Known::Now(Ok(addresses)) | Known::Soon(_, Some(addresses))) => addresses.contains(&address),
            Ok(Known::Now(Err(_)) | Known::Soon(_, None)) | Err(_) => true,
        }
    }

    /// When it is worth to ask for the addresses of `name` again.
    #[must_use]
    pub fn due(&self, name: &str) -> Instant {
        self.due_of::<IpAddr>(name)
    }

    /// When it is worth to ask again where the service `name` is to be had.
    #[must_use]
    pub fn service_due(&self, name: &str) -> Instant {
        self.due_of::<ServiceRecord>(name)
    }

    fn due_of<A: Asked>(&self, name: &str) -> Instant {
        let now = Instant::now();
        let known = normal(name).and_then(|name| {
            let memory = A::memory(&self.0).borrow();
            let entry = memory.get(&*name)?;
            let fresh = entry.cached.as_ref().map(|cached| cached.expires).filter(|expires| *expires > now);
            fresh.or_else(|| entry.failure.as_ref().map(|failure| failure.until))
        });
        // What is in the hosts file, or is no name at all, is looked at as often as that one.
        known.unwrap_or(now + RETRY_EVERY).max(now + PATIENCE)
    }

    /// What is remembered of a name, or asked for.
    async fn remembered<A: Asked>(&self, name: &str, queue: &QueueTime) -> Result<Rc<[A]>, Error> {
        match self.known(name)? {
            Known::Now(result) => result,
            Known::Soon(lookup, None) => {
                let _shared = SharedQueue::of(&lookup, queue);
                ended(lookup).await
            }
            Known::Soon(lookup, Some(old)) => {
                let _shared = SharedQueue::of(&lookup, queue);
                let patience = lookup.since + PATIENCE;
                tokio::select! {
                    biased;
                    result = ended(lookup) => result,
                    () = sleep_until(patience) => Ok(old),
                }
            }
        }
    }

    /// What is known about a name, after starting a lookup where one is due.
    fn known<A: Asked>(&self, name: &str) -> Result<Known<A>, Error> {
        let now = Instant::now();
        let shared = &self.0;
        let mut names = A::memory(shared).borrow_mut();
        if !names.contains_key(name) {
            make_room(&mut names, now, shared.max_stale)?;
            names.insert(name.into(), Entry::default());
        }
        let entry = names.get_mut(name).ok_or(Error::Internal)?;
        shared.uses.set(shared.uses.get().wrapping_add(1));
        entry.used = shared.uses.get();
        if let Some(cached) = &entry.cached
            && now < cached.expires
        {
            return Ok(Known::Now(Ok(Rc::clone(&cached.answer))));
        }
        let old = entry.usable(now, shared.max_stale).map(|cached| Rc::clone(&cached.answer));
        if let Some(failure) = &entry.failure
            && now < failure.until
        {
            return Ok(Known::Now(old.ok_or(failure.error)));
        }
        let lookup = match entry.lookup() {
            Some(lookup) => lookup,
            None => {
                let (announce, result) = watch::channel(None);
                let announce = Rc::new(announce);
                let queue = Rc::<QueueTime>::default();
                let running =
                    Running { announce: Rc::downgrade(&announce), since: now, queue: Rc::clone(&queue) };
                entry.lookup = Some(running);
                let was_good = entry.cached.is_some();
                // Spawned, so that the one who asked first may go.
                let waited = Rc::clone(&queue);
                spawn_local(look_up(Rc::clone(shared), name.into(), announce, waited, was_good));
                Lookup { result, since: now, queue }
            }
        };
        Ok(Known::Soon(lookup, old))
    }
}

/// The wait of a lookup for its place, as it is that of one who waits for the lookup.
struct SharedQueue<'a> {
    of_lookup: Rc<QueueTime>,
    queue: &'a QueueTime,
    since: Instant,
}

impl<'a> SharedQueue<'a> {
    fn of<A>(lookup: &Lookup<A>, queue: &'a QueueTime) -> Self {
        Self { of_lookup: Rc::clone(&lookup.queue), queue, since: Instant::now() }
    }
}

impl Drop for SharedQueue<'_> {
    fn drop(&mut self) {
        // Whoever came later has waited for less of it.
        if let Some(wait) = self.of_lookup.so_far() {
            self.queue.add(wait.min(self.since.elapsed()));
        }
    }
}

/// Waits for the end of a lookup.
async fn ended<A>(mut lookup: Lookup<A>) -> Result<Rc<[A]>, Error> {
    let result = lookup.result.wait_for(Option::is_some).await.map(|result| (*result).clone());
    // Closed without a result: the lookup panicked, or was abandoned at the moment we came.
    result.ok().flatten().unwrap_or(Err(Error::Dns))
}

async fn look_up<A: Asked>(
    shared: Rc<Shared>,
    name: Rc<str>,
    announce: Rc<Announce<A>>,
    queue: Rc<QueueTime>,
    was_good: bool,
) {
    let asking = async {
        let reply = if was_good {
            let places = &shared.places_of_good;
            let _place = match places.try_acquire() {
                Ok(place) => place,
                Err(_) => {
                    let _queuing = queue.begin();
                    places.acquire().await.ok()?
                }
            };
            timeout(MAX_LOOKUP_TIME, A::ask(&shared.servers, &name)).await
        } else {
            let place = shared.places.take(&queue).await?;
            let looking = async {
                tokio::select! {
                    biased;
                    reply = A::ask(&shared.servers, &name) => reply,
                    () = place.given_up() => Reply::Failed(Error::DnsTimeout),
                }
            };
            timeout(MAX_LOOKUP_TIME, looking).await
        };
        Some(reply.unwrap_or(Reply::Failed(Error::DnsTimeout)))
    };
    let abandoned = async {
        announce.closed().await;
        // Somebody may have come since.
        while announce.receiver_count() > 0 {
            announce.closed().await;
        }
    };
    let reply = tokio::select! {
        biased;
        reply = asking => reply,
        () = abandoned, if !was_good => None,
    };
    let Some(reply) = reply else {
        if let Some(entry) = A::memory(&shared).borrow_mut().get_mut(&name) {
            entry.lookup = None;
        }
        return;
    };
    let result = shared.learn(&name, reply);
    announce.send_replace(Some(result));
}

impl Shared {
    /// Remembers what a lookup brought and says what its waiters are told.
    fn learn<A: Asked>(&self, name: &str, reply: Reply<Vec<A>>) -> Result<Rc<[A]>, Error> {
        let now = Instant::now();
        let mut names = A::memory(self).borrow_mut();
        // Never evicted while its lookup is under way.
        let entry = names.get_mut(name).ok_or(Error::Internal)?;
        entry.lookup = None;
        let (error, until) = match reply {
            Reply::Found { answer, ttl } => {
                let answer: Rc<[A]> = answer.into();
                let expires = now + ttl.clamp(POSITIVE_TTL.0, POSITIVE_TTL.1);
                entry.cached = Some(Cached { answer: Rc::clone(&answer), expires });
                entry.failure = None;
                return Ok(answer);
            }
            Reply::Absent { ttl } => (Error::Dns, now + ttl.clamp(NEGATIVE_TTL.0, NEGATIVE_TTL.1)),
            Reply::Failed(error) => (error, now + RETRY_EVERY),
        };
        entry.failure = Some(Failure { error, until });
        // A name that is gone may be a zone that was emptied by mistake.
        let old = entry.usable(now, self.max_stale).map(|cached| Rc::clone(&cached.answer));
        if old.is_some() {
            tracing::debug!(name, %error, "cannot resolve; the last good answer stays in use");
        }
        old.ok_or(error)
    }
}

/// Removes the least useful name when no other fits: first what can no longer serve, then what was used
/// least recently. Names being looked up stay.
fn make_room<A>(
    names: &mut HashMap<Rc<str>, Entry<A>, RandomState>,
    now: Instant,
    max_stale: Duration,
) -> Result<(), Error> {
    if names.len() < MAX_NAMES {
        return Ok(());
    }
    let least = names
        .iter()
        .filter(|(_, entry)| entry.lookup().is_none())
        .min_by_key(|(_, entry)| (entry.usable(now, max_stale).is_some(), entry.used))
        .map(|(name, _)| Rc::clone(name));
    let Some(least) = least else {
        tracing::debug!("more than {MAX_NAMES} names are being resolved at once");
        return Err(Error::Dns);
    };
    names.remove(&least);
    Ok(())
}

/// Whether a name stands for this machine, whatever DNS says (RFC 6761 §6.3).
fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// The name in lower case, when it is one that DNS can be asked for (RFC 1123 §2.1, and underscores).
fn normal(name: &str) -> Option<Cow<'_, str>> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if labels.len() > 253 || !labels.split('.').all(is_label) {
        return None;
    }
    Some(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

#[cfg(test)]
mod tests;

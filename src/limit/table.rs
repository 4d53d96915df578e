//! `[limit.NAME]`: how often something may be asked for, and how much of it at a time.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use super::{
    key::{Asked, CountedBy},
    places::{Place, Places},
    rate::{Exceeded, Rate},
};
use crate::{cors::NamedOrigins, error::Error, http1::fields::FieldId};

/// How often something may be asked for, and how much of it at a time.
#[derive(Debug)]
pub struct Limit {
    /// What it is called in metrics, the log and answers.
    pub name: Box<str>,
    /// Who is counted together.
    pub counted_by: CountedBy,
    /// How often they may come; `None`: as often as they like.
    pub rate: Option<Rate>,
    /// How many of their requests may be under way; `None`: any number.
    pub concurrent: Option<u32>,
    /// Origins whose pages are not counted.
    pub exempt: Option<NamedOrigins>,
    /// Whom they are counted with.
    pub shared: Shared,
    /// Who is known.
    pub state: Arc<State>,
}

/// With which other processes a limit is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    /// None.
    Local,
    /// As many as a name has addresses.
    Replicas {
        /// That name.
        name: Box<str>,
    },
    /// All that count at this server.
    Redis {
        /// Its URL.
        url: Box<str>,
    },
}

/// What is known of those who come, in all workers and over reloads.
#[derive(Debug)]
pub struct State {
    random: RandomState,
    places: Places,
    keys: usize,
    /// Among how many processes the rate is divided; 0 where nobody knows yet.
    replicas: AtomicU32,
}

/// Why a request may not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Too many have come.
    Rate {
        /// So many may come at once.
        burst: u32,
        /// Seconds until one more may come, at least 1.
        retry_after: u32,
        /// Seconds until so many may come at once again.
        reset: u32,
    },
    /// Too many are under way.
    Concurrency,
}

impl Limited {
    /// What follows.
    #[must_use]
    pub const fn error(self) -> Error {
        match self {
            Self::Rate { .. } => Error::RateLimited,
            Self::Concurrency => Error::ConcurrencyLimited,
        }
    }
}

impl From<Exceeded> for Limited {
    fn from(Exceeded { burst, wait, reset }: Exceeded) -> Self {
        let seconds =
            |nanoseconds: u64| u32::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
        Self::Rate { burst, retry_after: seconds(wait).max(1), reset: seconds(reset) }
    }
}

/// A request that is under way: it has its place until this is dropped.
#[derive(Debug)]
pub struct Running {
    state: Arc<State>,
    place: Place,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.state.places.leave(self.place);
    }
}

/// Where a request is counted that comes now.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    place: Place,
    /// Whether somebody else was forgotten for it of whom something was still to be known.
    pub dropped: bool,
}

impl State {
    /// Knows nobody yet, and so many at most.
    #[must_use]
    pub fn new(keys: usize) -> Arc<Self> {
        let (random, places) = (RandomState::new(), Places::new(keys));
        Arc::new(Self { random, places, keys, replicas: AtomicU32::new(0) })
    }

    /// How many it was made for.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.keys
    }

    /// How many are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.places.count()
    }

    /// What so many take, in bytes.
    #[must_use]
    pub const fn memory(keys: usize) -> usize {
        (keys + 8) * Places::MEMORY
    }

    /// Takes note of how many processes there are, this one among them.
    pub fn set_replicas(&self, replicas: u32) {
        self.replicas.store(replicas, Relaxed);
    }

    /// Among how many processes the rate is divided; 0 where nobody knows.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas.load(Relaxed)
    }
}

impl Limit {
    /// Where it counts this request, which comes `now`; `None` if it does not.
    #[must_use]
    pub fn counted(&self, asked: &Asked<'_>, now: u64) -> Option<Counted> {
        if self.exempts(asked) {
            return None;
        }
        let mut hasher = self.state.random.build_hasher();
        self.counted_by.tell(asked, &mut |bytes| hasher.write(bytes));
        let found = self.state.places.find(hasher.finish(), now);
        Some(Counted { place: found.place, dropped: found.dropped })
    }

    /// Lets one more request of them begin, if there are not too many; `None` where any number may.
    ///
    /// # Errors
    /// [`Limited::Concurrency`].
    pub fn begin(&self, counted: Counted) -> Result<Option<Running>, Limited> {
        let Some(most) = self.concurrent else { return Ok(None) };
        if self.state.places.enter(counted.place, most) {
            Ok(Some(Running { state: Arc::clone(&self.state), place: counted.place }))
        } else {
            Err(Limited::Concurrency)
        }
    }

    /// Counts a request that comes `now`, in nanoseconds since any time that stays the same.
    ///
    /// # Errors
    /// [`Limited::Rate`]; then it is not counted.
    pub fn charge(&self, counted: Counted, now: u64) -> Result<(), Limited> {
        match self.own_rate() {
            Some(rate) => Ok(self.state.places.charge(counted.place, rate, now)?),
            None => Ok(()),
        }
    }

    /// Takes back what was counted for a request that something else has refused.
    pub fn give_back(&self, counted: Counted) {
        if let Some(rate) = self.own_rate() {
            self.state.places.give_back(counted.place, rate);
        }
    }

    /// The rate that holds in this process, where it counts alone.
    #[must_use]
    pub fn own_rate(&self) -> Option<Rate> {
        let replicas = match self.shared {
            Shared::Local => 1,
            Shared::Replicas { .. } | Shared::Redis { .. } => self.state.replicas(),
        };
        self.rate.map(|rate| if replicas > 1 { rate.share_of(replicas) } else { rate })
    }

    fn exempts(&self, asked: &Asked<'_>) -> bool {
        let Some(exempt) = &self.exempt else { return false };
        let mut origins = asked.request.values(FieldId::Origin);
        matches!((origins.next(), origins.next()), (Some(origin), None) if exempt.name(origin))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http1::sample;

    fn limit(rate: Option<(u32, u32)>, concurrent: Option<u32>) -> Limit {
        let rate =
            rate.map(|(count, burst)| Rate::new(count, Duration::from_secs(60), burst).expect("a rate"));
        let exempt = NamedOrigins::compile(&["https://ours.example".to_owned()]).expect("an origin");
        Limit {
            name: "api".into(),
            counted_by: CountedBy::Origin,
            rate,
            concurrent,
            exempt: Some(exempt),
            shared: Shared::Local,
            state: State::new(100),
        }
    }

    fn counted(limit: &Limit, fields: &str, now: u64) -> Option<Counted> {
        let request = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
        let asked = Asked { request: request.request(), client: None, person: &|_| {}, route: "r" };
        limit.counted(&asked, now)
    }

    fn of(limit: &Limit, origin: &str) -> Counted {
        counted(limit, &format!("Origin: {origin}\r\n"), 5).expect("one that is counted")
    }

    #[test]
    fn each_has_as_many_as_may_come_and_an_exempt_origin_is_not_counted() {
        let limit = limit(Some((60, 2)), None);
        let (one, other) = (of(&limit, "https://a.example"), of(&limit, "https://b.example"));
        assert!(limit.charge(one, 5).is_ok() && limit.charge(one, 5).is_ok());
        let limited = Limited::Rate { burst: 2, retry_after: 1, reset: 2 };
        assert_eq!(limit.charge(one, 5), Err(limited));
        assert_eq!(limited.error(), Error::RateLimited);
        assert!(limit.charge(other, 5).is_ok());
        limit.give_back(one);
        assert!(limit.charge(one, 5).is_ok());
        assert!(counted(&limit, "Origin: https://ours.example\r\n", 5).is_none());
        let two = "Origin: https://ours.example\r\nOrigin: https://ours.example\r\n";
        assert!(counted(&limit, two, 5).is_some(), "two origins are none");
    }

    #[test]
    fn so_many_are_under_way_until_they_end() {
        let limit = limit(None, Some(1));
        let one = of(&limit, "https://a.example");
        let running = limit.begin(one).expect("the first");
        assert!(running.is_some() && limit.charge(one, 5).is_ok());
        assert_eq!(limit.begin(one).map(|_| ()), Err(Limited::Concurrency));
        assert_eq!(Limited::Concurrency.error(), Error::ConcurrencyLimited);
        drop(running);
        assert!(limit.begin(one).is_ok());
    }

    #[test]
    fn a_shared_rate_is_divided_among_as_many_as_are_known() {
        let mut limit = limit(Some((100, 100)), None);
        limit.state.set_replicas(4);
        assert_eq!(limit.own_rate().map(Rate::burst), Some(100), "it is shared with nobody");
        limit.shared = Shared::Replicas { name: "corsair".into() };
        assert_eq!(limit.own_rate().map(Rate::burst), Some(25));
        limit.state.set_replicas(0);
        assert_eq!(limit.own_rate().map(Rate::burst), Some(100));
    }
}

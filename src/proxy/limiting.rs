//! Whether a request may come by the limits of its route, asked when everything else has admitted it.

use std::{cell::RefCell, fmt::Write as _, sync::LazyLock};

use aws_lc_rs::digest::{Context, SHA256};
use redis::Script;
use tokio::time::Instant;

use super::{core::Core, snapshot::Snapshot};
use crate::{
    admission::{self, Shown},
    config::{LimitId, Route},
    http1::head::{Request, RequestHead},
    limit::{Asked, Counted, Exceeded, Limit, Limited, Rate, Running, Shared},
    net::{buffer::Buffer, redis::Unanswered},
    plan::{self, Action, Client, Plan},
};

/// Counts one request of a key by the clock of the server, and who counts there. Times are microseconds.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[2], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 30000000)
redis.call('PEXPIRE', KEYS[2], 60000)
local replicas = redis.call('ZCARD', KEYS[2])
local interval = tonumber(ARGV[1])
local all = interval * tonumber(ARGV[2])
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local ahead = math.min(math.max(used - now, 0), all)
local wait = ahead + interval - all
if wait > 0 then
  return {0, replicas, math.ceil(wait), math.ceil(ahead)}
end
local lifetime = math.ceil((ahead + interval) / 1000) + 1
redis.call('SET', KEYS[1], string.format('%.3f', now + ahead + interval), 'PX', lifetime)
return {1, replicas, 0, 0}",
    )
});

/// What a request keeps while it is under way.
#[derive(Debug, Default)]
pub(super) struct Held {
    // Most have one at most.
    first: Option<Running>,
    more: Vec<Running>,
}

impl Held {
    fn push(&mut self, running: Running) {
        match &mut self.first {
            None => self.first = Some(running),
            Some(_) => self.more.push(running),
        }
    }
}

/// A limit does not let it come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) by: LimitId,
    pub(super) limited: Limited,
}

/// A request whose limits are asked.
pub(super) struct Limiting<'a> {
    pub(super) core: &'a Core,
    pub(super) snapshot: &'a Snapshot,
    pub(super) plan: &'a Plan,
    pub(super) shown: &'a Shown,
    pub(super) client: &'a Client,
    /// Its head, and where that is.
    pub(super) came: (&'a RefCell<Buffer>, &'a RequestHead),
    pub(super) now: Instant,
}

impl Limiting<'_> {
    /// Whether it may come that this is to be done about, where no server has to be asked.
    ///
    /// # Errors
    /// The limit that refuses it; then it counts for none of them.
    pub(super) fn pass(&self, action: &Action) -> Result<Held, Refused> {
        self.asked(|asked| {
            let (mut held, now) = (Held::default(), self.snapshot.nanoseconds(self.now));
            if !plan::is_counted(asked.request, self.plan, action) {
                return Ok(held);
            }
            for (at, (id, limit)) in self.limits().enumerate() {
                let Some(counted) = self.counted(id, limit, asked, now) else { continue };
                let passed = begin(limit, counted, &mut held).and_then(|()| limit.charge(counted, now));
                passed.map_err(|limited| self.refused(at, limited, asked, now))?;
            }
            Ok(held)
        })
    }

    /// The same, by the word of servers too.
    ///
    /// # Errors
    /// As [`pass`](Self::pass); what was counted at a server stays so.
    pub(super) async fn pass_at_servers(&self, action: &Action) -> Result<Held, Refused> {
        let (mut held, now) = (Held::default(), self.snapshot.nanoseconds(self.now));
        if !self.asked(|asked| plan::is_counted(asked.request, self.plan, action)) {
            return Ok(held);
        }
        for (at, (id, limit)) in self.limits().enumerate() {
            let found = self.asked(|asked| {
                self.counted(id, limit, asked, now).map(|counted| (counted, digest(limit, asked)))
            });
            let Some((counted, digest)) = found else { continue };
            let mut passed = begin(limit, counted, &mut held);
            if passed.is_ok() {
                passed = match (&limit.shared, limit.rate) {
                    (Shared::Redis { url }, Some(rate)) => {
                        let here = || limit.charge(counted, now);
                        match self.count_at(url, limit, rate, &digest).await {
                            // Counted here as well, so that where the server gives no answer somebody has no share anew.
                            Ok(passed) => passed.inspect(|()| _ = here()),
                            Err(Unanswered) => {
                                self.snapshot.limit_counters(id).shared_failure();
                                here()
                            }
                        }
                    }
                    (Shared::Redis { .. } | Shared::Local | Shared::Replicas { .. }, _) => {
                        limit.charge(counted, now)
                    }
                };
            }
            passed.map_err(|limited| self.asked(|asked| self.refused(at, limited, asked, now)))?;
        }
        Ok(held)
    }

    fn route(&self) -> &Route {
        self.snapshot.config.route(self.plan.route)
    }

    fn limits(&self) -> impl Iterator<Item = (LimitId, &Limit)> {
        self.route().limit.ids().iter().map(|id| (*id, self.snapshot.config.limit(*id)))
    }

    /// Counts it at a server, within the rate that is for all who count there.
    async fn count_at(
        &self,
        url: &str,
        limit: &Limit,
        rate: Rate,
        digest: &str,
    ) -> Result<Result<(), Limited>, Unanswered> {
        let redis = self.core.counting_servers.at(url).ok_or(Unanswered)?;
        // In braces stands what a cluster chooses a server by: a script works at one.
        let (key, replicas) =
            (format!("corsair:{{{}}}:{digest}", limit.name), format!("corsair:{{{}}}", limit.name));
        let microseconds = format!("{}.{:03}", rate.interval() / 1_000, rate.interval() % 1_000);
        let (burst, id) = (rate.burst().to_string(), String::from_utf8_lossy(&self.core.identity.id));
        let answer = redis.run(&SCRIPT, &[&key, &replicas], &[&microseconds, &burst, &id]).await?;
        let [admitted, replicas, wait, reset] = *answer else { return Err(Unanswered) };
        let number = |number: i64| u64::try_from(number).map_err(|_| Unanswered);
        limit.state.set_replicas(u32::try_from(replicas).map_err(|_| Unanswered)?);
        Ok(match admitted {
            1 => Ok(()),
            _ => Err(Limited::from(Exceeded {
                burst: rate.burst(),
                wait: number(wait)?.saturating_mul(1_000),
                reset: number(reset)?.saturating_mul(1_000),
            })),
        })
    }

    fn counted(&self, id: LimitId, limit: &Limit, asked: &Asked<'_>, now: u64) -> Option<Counted> {
        let counted = limit.counted(asked, now);
        if counted.is_some_and(|counted| counted.dropped) {
            self.snapshot.limit_counters(id).key_dropped();
        }
        counted
    }

    /// What the limit in this place has said; those before it forget the request again.
    fn refused(&self, at: usize, limited: Limited, asked: &Asked<'_>, now: u64) -> Refused {
        for (_, limit) in self.limits().take(at) {
            if !matches!(limit.shared, Shared::Redis { .. })
                && let Some(counted) = limit.counted(asked, now)
            {
                limit.give_back(counted);
            }
        }
        let by = self.route().limit.ids()[at];
        self.snapshot.limit_counters(by).limited();
        Refused { by, limited }
    }

    /// Asks something about the request.
    fn asked<T>(&self, about: impl FnOnce(&Asked<'_>) -> T) -> T {
        let (inbound, head) = self.came;
        let (inbound, config, route) = (inbound.borrow(), &self.snapshot.config, self.route());
        let request = Request { bytes: inbound.all(), head };
        let person = |tell: &mut dyn FnMut(&[u8])| {
            let tables = route.access.ids().iter();
            tables.for_each(|id| {
                admission::person(config.access(*id), request, self.shown, self.plan.audience(), tell);
            });
        };
        // The address of a balancer that names no client is not the client's.
        let address = self.plan.asker.address.filter(|_| !self.client.anonymous);
        let client = address.map(|address| address.ip());
        about(&Asked { request, client, person: &person, route: &route.name })
    }
}

/// Begins with it, as far as others are under way.
fn begin(limit: &Limit, counted: Counted, held: &mut Held) -> Result<(), Limited> {
    if let Some(running) = limit.begin(counted)? {
        held.push(running);
    }
    Ok(())
}

/// What its key is called at a server: the same in every process, and nothing that tells a secret.
fn digest(limit: &Limit, asked: &Asked<'_>) -> String {
    let mut context = Context::new(&SHA256);
    limit.counted_by.tell(asked, &mut |bytes| context.update(bytes));
    let digest = context.finish();
    digest.as_ref().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

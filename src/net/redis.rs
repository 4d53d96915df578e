//! A redis server at which several processes count together.
//!
//! What is to be counted is one script, run there in one step by the server's own clock. Whoever asks has an answer within a
//! few milliseconds or none: nobody waits for a server that is gone or stands still. Each worker has a connection of its own,
//! made when it is first needed, and again after a while where it was lost.

use std::{cell::RefCell, fmt, rc::Rc, time::Duration};

use redis::{Client, Script, aio::MultiplexedConnection};
use tokio::{
    sync::Notify,
    task::spawn_local,
    time::{Instant, timeout, timeout_at},
};

/// Within this an answer counts.
const DEADLINE: Duration = Duration::from_millis(2);
/// Answers in a row that came too late before a connection is given up: what waits in it would grow.
const MOST_LATE: u32 = 3;
/// How long making a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// Until a lost connection is made anew: first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A server, as one worker asks it.
#[derive(Clone)]
pub struct Redis(Rc<Link>);

struct Link {
    client: Client,
    state: RefCell<State>,
    /// Tells those who came before there was a connection that it is there, or will not be.
    settled: Notify,
}

enum State {
    /// Nobody has asked yet.
    New,
    Connecting {
        /// Whether there was one before.
        again: bool,
    },
    Up {
        connection: MultiplexedConnection,
        late: u32,
    },
    Down {
        until: Instant,
        pause: Duration,
    },
}

/// It has given no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a redis server")
    }
}

impl Redis {
    /// The server at a URL that was found to be one; `None` if it is none. Nothing is sent.
    #[must_use]
    pub fn new(url: &str) -> Option<Self> {
        let client = Client::open(url).ok()?;
        Some(Self(Rc::new(Link { client, state: RefCell::new(State::New), settled: Notify::new() })))
    }

    /// What `script` answers for these keys and arguments, as numbers.
    ///
    /// # Errors
    /// [`Unanswered`]: there is no connection, or no answer within 2 ms.
    pub async fn run(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Vec<i64>, Unanswered> {
        let deadline = Instant::now() + DEADLINE;
        let mut connection = self.connection(deadline).await.ok_or(Unanswered)?;
        let mut call = script.prepare_invoke();
        keys.iter().for_each(|key| {
            call.key(*key);
        });
        arguments.iter().for_each(|argument| {
            call.arg(*argument);
        });
        match timeout_at(deadline, call.invoke_async(&mut connection)).await {
            Ok(Ok(numbers)) => {
                self.was_in_time();
                Ok(numbers)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "redis failed");
                if error.is_unrecoverable_error() || error.is_io_error() || error.is_connection_dropped() {
                    self.lose(PAUSES.0);
                }
                Err(Unanswered)
            }
            Err(_) => {
                self.was_late();
                Err(Unanswered)
            }
        }
    }

    /// The connection; only the very first one is waited for.
    async fn connection(&self, deadline: Instant) -> Option<MultiplexedConnection> {
        let settled = self.0.settled.notified();
        let is_first = match &*self.0.state.borrow() {
            State::Up { connection, .. } => return Some(connection.clone()),
            State::Down { until, .. } if Instant::now() < *until => return None,
            State::Connecting { again } => {
                if *again {
                    return None;
                }
                None
            }
            State::Down { pause, .. } => Some((true, *pause)),
            State::New => Some((false, PAUSES.0)),
        };
        if let Some((again, pause)) = is_first {
            *self.0.state.borrow_mut() = State::Connecting { again };
            spawn_local(connect(Rc::clone(&self.0), pause));
            if again {
                return None;
            }
        }
        timeout_at(deadline, settled).await.ok()?;
        match &*self.0.state.borrow() {
            State::Up { connection, .. } => Some(connection.clone()),
            State::New | State::Connecting { .. } | State::Down { .. } => None,
        }
    }

    fn was_in_time(&self) {
        if let State::Up { late, .. } = &mut *self.0.state.borrow_mut() {
            *late = 0;
        }
    }

    fn was_late(&self) {
        let is_lost = match &mut *self.0.state.borrow_mut() {
            State::Up { late, .. } => {
                *late += 1;
                *late >= MOST_LATE
            }
            State::New | State::Connecting { .. } | State::Down { .. } => false,
        };
        if is_lost {
            self.lose(PAUSES.0);
        }
    }

    fn lose(&self, pause: Duration) {
        *self.0.state.borrow_mut() = State::Down { until: Instant::now() + pause, pause };
    }
}

/// Makes a connection; where there is none, the next one is tried after `pause`.
async fn connect(link: Rc<Link>, pause: Duration) {
    let made = timeout(CONNECT_DEADLINE, link.client.get_multiplexed_async_connection()).await;
    let state = match made {
        Ok(Ok(connection)) => State::Up { connection, late: 0 },
        failed => {
            let error = match failed {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(_)) | Err(_) => "no answer".to_owned(),
            };
            tracing::debug!(%error, "redis cannot be reached");
            State::Down { until: Instant::now() + pause, pause: (pause * 2).min(PAUSES.1) }
        }
    };
    *link.state.borrow_mut() = state;
    link.settled.notify_waiters();
}

//! All there is to see.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Instant, SystemTime},
};

use prometheus::{core::Collector, process_collector::ProcessCollector, proto::MetricFamily};
use tokio::sync::{mpsc, oneshot};

use super::history::History;
use crate::{
    config::{Config, ListenAddress, Upstream},
    observe::{
        metrics::{CATALOGUE, Metrics},
        reloads::Reloads,
    },
    proxy::snapshot::Published,
};

/// Bytes that a line of an answer takes, with what it is made of.
const LINE: usize = 512;
/// Lines of each route, and of each server: every method with every code, and the bounds of a distribution.
const LINES_OF_A_ROUTE: usize = 10 * 72 + 20;
/// Lines that do not depend on the configuration.
const LINES: usize = 400;

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Workers start.
    Starting,
    /// They serve.
    Serving,
    /// They serve what they have, and nothing new is to be sent here.
    Draining,
}

/// Somebody wants the configuration to be read anew.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Where the end is told: the generation, or everything that is wrong.
    pub answer: oneshot::Sender<Result<u64, Vec<String>>>,
}

/// All there is to see of a process.
pub struct Observed {
    /// The configuration and its servers.
    pub published: Arc<Published>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// What became of reloads.
    pub reloads: Arc<Reloads>,
    /// How far it is.
    pub stage: Cell<Stage>,
    /// Where its listeners are, in the order of the configuration.
    pub addresses: RefCell<Vec<ListenAddress>>,
    /// Where a reload is asked for.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// The most memory, in bytes, that traffic can take under a configuration.
    pub memory_bound: fn(&Config) -> u64,
    /// When it began.
    pub(super) started: SystemTime,
    /// The same, for what is told by another clock.
    pub(super) began: Instant,
    pub(super) history: RefCell<History>,
    process: ProcessCollector,
}

impl Observed {
    /// A process that has just begun.
    #[must_use]
    pub fn new(
        published: Arc<Published>,
        metrics: Arc<Metrics>,
        reloads: Arc<Reloads>,
        reload: mpsc::Sender<ReloadRequest>,
        memory_bound: fn(&Config) -> u64,
    ) -> Self {
        Self {
            published,
            metrics,
            reloads,
            stage: Cell::new(Stage::Starting),
            addresses: RefCell::default(),
            reload,
            memory_bound,
            started: SystemTime::now(),
            began: Instant::now(),
            history: RefCell::default(),
            process: ProcessCollector::for_self(),
        }
    }

    /// What the system says of the process.
    pub(super) fn process(&self) -> Vec<MetricFamily> {
        self.process.collect()
    }

    /// When that was by the clock on the wall.
    pub(super) fn time_of(&self, instant: Instant) -> SystemTime {
        self.started + instant.saturating_duration_since(self.began)
    }
}

/// What the largest answer about this configuration takes while it is made, in bytes.
#[must_use]
pub fn answer_memory(config: &Config) -> usize {
    let servers: usize = config.upstreams.iter().map(Upstream::most_servers).sum();
    let routes = config.routes.iter().count();
    let lines = CATALOGUE.len() + LINES + (routes + servers + 2) * LINES_OF_A_ROUTE;
    (lines + config.policy_ids().count() * 20).saturating_mul(LINE)
}

//! The servers at which limits of a worker are counted.

use std::cell::RefCell;

use crate::{
    limit::{Limit, Shared},
    net::redis::Redis,
};

/// The servers at which limits of a worker are counted.
#[derive(Debug, Default)]
pub(crate) struct CountingServers(RefCell<Vec<(Box<str>, Option<Redis>)>>);

impl CountingServers {
    /// The one of this URL.
    pub(super) fn at(&self, url: &str) -> Option<Redis> {
        let mut known = self.0.borrow_mut();
        if let Some((_, redis)) = known.iter().find(|(known, _)| **known == *url) {
            return redis.clone();
        }
        let redis = Redis::new(url);
        known.push((url.into(), redis.clone()));
        redis
    }

    /// Closes the connections to those that no limit of these names.
    pub(super) fn retain(&self, limits: &[Limit]) {
        let is_named = |url: &str| {
            limits
                .iter()
                .any(|limit| matches!(&limit.shared, Shared::Redis { url: named } if **named == *url))
        };
        self.0.borrow_mut().retain(|(url, _)| is_named(url));
    }
}

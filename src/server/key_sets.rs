//! Keys of tokens are fetched for all workers, on the thread of the process: when they grow old, when a token bears a name
//! that none of them has, and at a reload. Where that fails, those that were there before stay.

use std::{sync::Arc, time::Duration};

use tokio::{
    pin, select,
    time::{Instant, sleep_until},
};

use crate::{
    admission::{KeySet, KeyStore},
    proxy::snapshot::KeyNews,
    upstream::Fetcher,
};

/// They are fetched no more often, whoever wants others.
const LEAST: Duration = Duration::from_secs(5);
/// How long they are kept at least, whatever their server says.
const SHORTEST: Duration = Duration::from_secs(60);
/// How long they are kept where it says nothing.
const USUAL: Duration = Duration::from_secs(15 * 60);
/// How long they are kept at most.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long those are kept that could not be fetched anew.
const AGAIN: Duration = Duration::from_secs(30);

/// Keeps the keys of a table fresh, for as long as it is there.
pub(super) async fn keep_fresh(name: Box<str>, store: Arc<KeyStore>, fetcher: Fetcher, news: Arc<KeyNews>) {
    let mut has_failed = false;
    loop {
        let begun = Instant::now();
        // What is wanted by now is what is fetched.
        let _ = store.was_wanted();
        let fetched = fetcher.fetch().await.and_then(|document| {
            let keys = KeySet::of_json(&document.content).map_err(|fault| format!("it {fault}"))?;
            Ok((keys, document.max_age))
        });
        store.count(fetched.is_err());
        let next = match fetched {
            Ok((keys, max_age)) => {
                if std::mem::take(&mut has_failed) {
                    tracing::info!(access = %name, "the keys of its tokens are fetched again");
                }
                store.put(keys);
                max_age.map_or(USUAL, |max_age| max_age.clamp(SHORTEST, LONGEST))
            }
            Err(fault) => {
                let is_known = store.keys().is_some();
                if !std::mem::replace(&mut has_failed, true) {
                    let meanwhile =
                        if is_known { "those that were known are used" } else { "its tokens let nobody in" };
                    tracing::warn!(access = %name, url = store.source(), %fault, "the keys of its tokens cannot be fetched; meanwhile {meanwhile}");
                }
                if is_known { AGAIN } else { LEAST }
            }
        };
        news.renewed.notify_waiters();
        sleep_until(begun + LEAST).await;
        let due = sleep_until(begun + next);
        pin!(due);
        loop {
            let wanted = news.wanted.notified();
            pin!(wanted);
            // From here on none is missed.
            wanted.as_mut().enable();
            if store.was_wanted() {
                break;
            }
            select! {
                () = &mut wanted => {}
                () = &mut due => break,
            }
        }
    }
}

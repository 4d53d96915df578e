//! One timer for deadline after deadline, moved as rarely as possible.
//!
//! Moving a tokio timer costs a lock and a walk through its wheel. Here a deadline is a value; the timer
//! behind it is armed only when it would ring too late, and when it rings too early it is armed anew. A
//! keep-alive connection touches it once a minute, not once a request: while it is armed for the same task, it is
//! not even polled.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, Sleep};

/// A lazily armed timer.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes when it rings.
    waker: Option<Waker>,
}

impl Timer {
    /// Ready once `deadline` has passed.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        } else if !sleep.is_elapsed() && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            return Poll::Pending;
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        task::Wake,
        time::Duration,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long the timer takes to ring for `deadline`.
    async fn ring(timer: &mut Timer, deadline: Instant) -> Duration {
        let begun = Instant::now();
        poll_fn(|cx| timer.poll_until(cx, deadline)).await;
        begun.elapsed()
    }

    /// Another task, and whether it was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    /// Looks at the timer once.
    async fn look(timer: &mut Timer, deadline: Instant) -> bool {
        poll_fn(|cx| Poll::Ready(timer.poll_until(cx, deadline).is_ready())).await
    }

    /// Within the millisecond that tokio's wheel turns by.
    fn is_about(took: Duration, expected: Duration) -> bool {
        took >= expected && took <= expected + Duration::from_millis(2)
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_its_deadline_again_and_again() {
        let mut timer = Timer::default();
        for seconds in [3, 1, 7, 2] {
            let took = ring(&mut timer, Instant::now() + seconds * SECOND).await;
            assert!(is_about(took, seconds * SECOND), "{seconds}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_forward_rings_at_the_earlier_time() {
        let mut timer = Timer::default();
        let begun = Instant::now();
        assert!(!look(&mut timer, begun + 60 * SECOND).await);
        let took = ring(&mut timer, begun + 5 * SECOND).await;
        assert!(is_about(took, 5 * SECOND), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_back_does_not_ring_early() {
        let mut timer = Timer::default();
        let begun = Instant::now();
        assert!(!look(&mut timer, begun + 5 * SECOND).await);
        tokio::time::advance(4 * SECOND).await;
        assert!(!look(&mut timer, begun + 9 * SECOND).await);
        let took = ring(&mut timer, begun + 20 * SECOND).await;
        assert!(is_about(took, 16 * SECOND), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_moves_the_last_one_counts() {
        let mut timer = Timer::default();
        let begun = Instant::now();
        for seconds in [10, 4, 30, 2, 8, 3, 50, 6] {
            assert!(!look(&mut timer, begun + seconds * SECOND).await);
        }
        let took = ring(&mut timer, begun + 6 * SECOND).await;
        assert!(is_about(took, 6 * SECOND), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_looked_last_is_woken() {
        let mut timer = Timer::default();
        let deadline = Instant::now() + SECOND;
        assert!(!look(&mut timer, deadline).await, "armed for this task");
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut other = Context::from_waker(&waker);
        for _ in 0..2 {
            assert!(timer.poll_until(&mut other, deadline).is_pending());
        }
        tokio::time::sleep(2 * SECOND).await;
        assert!(woken.0.load(Relaxed));
        assert!(timer.poll_until(&mut other, deadline).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_rings_at_once() {
        let mut timer = Timer::default();
        let begun = Instant::now();
        tokio::time::advance(10 * SECOND).await;
        assert!(ring(&mut timer, begun + SECOND).await < 2 * SECOND / 1000);
        assert!(look(&mut timer, begun + 2 * SECOND).await);
        // Having rung, it still rings for what is to come.
        assert!(!look(&mut timer, begun + 11 * SECOND).await);
        let took = ring(&mut timer, begun + 11 * SECOND).await;
        assert!(is_about(took, SECOND), "{took:?}");
    }
}

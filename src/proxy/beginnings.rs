//! When requests begin: where many have come at once, answers come between.
//!
//! A request that is under way has memory of its own, and a connection to its upstream. Were all of them begun that have
//! come, each would find what it left cold when its answer comes, however fast that is. So beyond a number that stays in
//! the caches, they begin a few at a time, in the order in which they came, and the runtime looks for answers
//! before it begins the next few. Nobody waits for more than that: not for a request that takes long. And where
//! connections to upstreams are short all begin at once: those would only be opened later, one after the other, while
//! their servers are busy, and a busy server may take long to accept one.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use tokio::{sync::Notify, task::yield_now};

/// So many requests may be under way before others wait for their turn to begin.
const UNORDERED: usize = 64;
/// So many begin between two looks for answers, however many are under way.
const AT_ONCE: usize = 32;

/// The requests of a worker that have come and have not begun.
#[derive(Debug, Default)]
pub(crate) struct Beginnings {
    under_way: Cell<usize>,
    waiting: RefCell<VecDeque<Waker>>,
    /// How many have been let begin that had to wait.
    let_begin: Cell<u64>,
    called: Notify,
}

/// The place of a request among those that wait to begin.
pub(crate) type Number = u64;

impl Beginnings {
    /// Whether a request that comes now has to wait.
    pub(crate) fn is_crowded(&self) -> bool {
        self.under_way.get() >= UNORDERED || !self.waiting.borrow().is_empty()
    }

    /// Ready when a request that has come may begin; until then its place is kept in `number`.
    pub(crate) fn poll_begin(&self, cx: &mut Context<'_>, number: &mut Option<Number>) -> Poll<()> {
        let let_begin = self.let_begin.get();
        match *number {
            Some(at) if at < let_begin => {}
            Some(at) => {
                let mut waiting = self.waiting.borrow_mut();
                if let Some(waker) = usize::try_from(at - let_begin).ok().and_then(|at| waiting.get_mut(at)) {
                    waker.clone_from(cx.waker());
                }
                return Poll::Pending;
            }
            None if !self.is_crowded() => {}
            None => {
                let mut waiting = self.waiting.borrow_mut();
                if waiting.is_empty() {
                    self.called.notify_one();
                }
                *number = Some(let_begin + waiting.len() as u64);
                waiting.push_back(cx.waker().clone());
                return Poll::Pending;
            }
        }
        *number = None;
        Poll::Ready(())
    }

    /// Serves a request that has begun, which is under way until its end, or until it is dropped.
    pub(crate) async fn serve<F: Future>(&self, request: F) -> F::Output {
        let _counted = self.count();
        request.await
    }

    fn count(&self) -> UnderWay<'_> {
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(self)
    }

    /// Lets requests begin, for as long as the worker lives; `pooled` tells how many connections wait for them.
    pub(crate) async fn run(&self, pooled: impl Fn() -> usize) {
        loop {
            self.called.notified().await;
            loop {
                // The runtime looks for what has come meanwhile.
                yield_now().await;
                let mut waiting = self.waiting.borrow_mut();
                let free = UNORDERED.saturating_sub(self.under_way.get());
                let few = if pooled() < AT_ONCE { waiting.len() } else { AT_ONCE };
                let count = free.max(few).min(waiting.len());
                self.let_begin.set(self.let_begin.get() + count as u64);
                waiting.drain(..count).for_each(Waker::wake);
                if waiting.is_empty() {
                    break;
                }
            }
        }
    }

    /// Gives the memory back that a queue took.
    pub(crate) fn shrink(&self) {
        self.waiting.borrow_mut().shrink_to(UNORDERED);
    }
}

/// Counts a request that is under way.
struct UnderWay<'a>(&'a Beginnings);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, rc::Rc};

    use tokio::task::spawn_local;

    use super::*;
    use crate::net::testing::in_worker;

    const ALL: usize = UNORDERED + 3 * AT_ONCE;

    /// Whether a request may begin that comes now.
    fn begins(beginnings: &Beginnings) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        beginnings.poll_begin(&mut cx, &mut None).is_ready()
    }

    /// Many come while so many connections are `pooled`: how many have begun after each look for answers, until all
    /// have, in their order.
    async fn looks(pooled: usize) -> Vec<usize> {
        let (beginnings, begun) = (Rc::<Beginnings>::default(), Rc::<RefCell<Vec<usize>>>::default());
        for which in 0..ALL {
            spawn_local(comes(Rc::clone(&beginnings), which, Rc::clone(&begun)));
        }
        let runs = Rc::clone(&beginnings);
        spawn_local(async move { runs.run(|| pooled).await });
        let mut looks = Vec::new();
        while looks.last() != Some(&ALL) {
            yield_now().await;
            looks.push(begun.borrow().len());
        }
        assert!(begun.borrow().is_sorted());
        looks
    }

    /// A request that comes now: it tells which it is when it begins, and is under way for good.
    async fn comes(beginnings: Rc<Beginnings>, which: usize, begun: Rc<RefCell<Vec<usize>>>) {
        let mut number = None;
        poll_fn(|cx| beginnings.poll_begin(cx, &mut number)).await;
        begun.borrow_mut().push(which);
        beginnings.serve(std::future::pending::<()>()).await;
    }

    #[test]
    fn while_few_are_under_way_none_waits() {
        let beginnings = Beginnings::default();
        let mut under_way: Vec<UnderWay<'_>> = Vec::new();
        while under_way.len() < UNORDERED {
            assert!(begins(&beginnings));
            under_way.push(beginnings.count());
        }
        assert!(!begins(&beginnings));
        under_way.clear();
        assert!(!begins(&beginnings), "behind one that waits nobody begins");
    }

    #[test]
    fn of_many_a_few_begin_at_a_time_in_their_order_and_none_waits_for_what_takes_long() {
        in_worker(async {
            let mut before = 0;
            for now in looks(AT_ONCE).await {
                assert!(now <= before.max(UNORDERED) + AT_ONCE, "{before} {now}");
                before = now;
            }
        });
    }

    #[test]
    fn where_connections_are_short_all_begin_at_once() {
        in_worker(async {
            let mut looks = looks(AT_ONCE - 1).await;
            looks.retain(|begun| *begun >= UNORDERED);
            let mut between = looks.windows(2).map(|looks| looks[1] - looks[0]);
            assert!(between.any(|begun| begun > AT_ONCE), "{looks:?}");
        });
    }

    #[test]
    fn who_has_gone_holds_nobody_up() {
        in_worker(async {
            let beginnings = Rc::<Beginnings>::default();
            let _under_way: Vec<UnderWay<'_>> = (0..UNORDERED).map(|_| beginnings.count()).collect();
            assert!((0..5 * AT_ONCE).all(|_| !begins(&beginnings)), "they do not come back");
            let mut number = None;
            let last = poll_fn(|cx| beginnings.poll_begin(cx, &mut number));
            tokio::select! {
                () = last => {}
                () = beginnings.run(|| AT_ONCE) => {}
            }
            assert!(beginnings.waiting.borrow().is_empty());
        });
    }
}

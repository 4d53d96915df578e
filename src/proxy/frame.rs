//! Room for what only a running request needs: a future whose memory serves one request after another.
//!
//! What a request's exchange keeps while it runs is several times what its connection keeps between requests.
//! Within the connection's own future every idle connection would hold it; boxed anew, every request would
//! allocate it. Here it lies in a frame: a future that never ends and serves whatever is put before it. A frame
//! that was used last is taken first, so that few of them are touched and those stay in the processor's cache.
//! Nothing here knows what a request is.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Frames kept at most for the next requests: as many as may be under way at once before it costs allocations.
pub const MAX_FREE_FRAMES: usize = 1024;
/// Those of them kept while nothing goes on.
const KEPT: usize = 4;

/// The frames of one worker that are not in use.
pub(crate) struct FramePool<I, O> {
    free: RefCell<Vec<Frame<I, O>>>,
}

/// A future that turns one `I` after another into an `O` each.
struct Frame<I, O> {
    desk: Rc<Desk<I, O>>,
    future: Pin<Box<dyn Future<Output = Infallible>>>,
}

/// Where a frame finds what it is to do and leaves what came of it.
pub(crate) struct Desk<I, O> {
    input: Cell<Option<I>>,
    output: Cell<Option<O>>,
}

impl<I, O> Desk<I, O> {
    /// Waits for the next input.
    pub(crate) async fn next(&self) -> I {
        poll_fn(|_| self.input.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Ends the call with this output.
    pub(crate) fn done(&self, output: O) {
        self.output.set(Some(output));
    }
}

impl<I: 'static, O: 'static> FramePool<I, O> {
    /// Without any frame.
    pub(crate) const fn new() -> Self {
        Self { free: RefCell::new(Vec::new()) }
    }

    /// Has a frame turn `input` into its output. `serve` is what runs in frames, the same for all calls: it
    /// takes an input from its desk, leaves the output there, and waits for the next one.
    pub(crate) fn call<F>(&self, serve: fn(Rc<Desk<I, O>>) -> F, input: I) -> Call<'_, I, O>
    where
        F: Future<Output = Infallible> + 'static,
    {
        let free = self.free.borrow_mut().pop();
        let frame = free.unwrap_or_else(|| {
            let desk = Rc::new(Desk { input: Cell::new(None), output: Cell::new(None) });
            Frame { future: Box::pin(serve(Rc::clone(&desk))), desk }
        });
        frame.desk.input.set(Some(input));
        Call { pool: self, frame: Some(frame) }
    }

    /// Gives most of the free frames back to the allocator.
    pub(crate) fn shrink(&self) {
        self.free.borrow_mut().truncate(KEPT);
    }
}

/// A call under way. Dropped before its end, it takes its frame with it.
pub(crate) struct Call<'p, I, O> {
    pool: &'p FramePool<I, O>,
    frame: Option<Frame<I, O>>,
}

impl<I, O> Future for Call<'_, I, O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        let Some(frame) = &mut self.frame else { return Poll::Pending };
        let Poll::Pending = frame.future.as_mut().poll(cx);
        let Some(output) = frame.desk.output.take() else { return Poll::Pending };
        let frame = self.frame.take();
        let mut free = self.pool.free.borrow_mut();
        if free.len() < MAX_FREE_FRAMES {
            free.extend(frame);
        }
        Poll::Ready(output)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    async fn double_later(desk: Rc<Desk<u32, u32>>) -> Infallible {
        loop {
            let number = desk.next().await;
            yield_once().await;
            desk.done(number * 2);
        }
    }

    async fn yield_once() {
        let mut asked = false;
        poll_fn(|_| if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_frame_serves_call_after_call() {
        let pool = FramePool::new();
        for number in 0..3 {
            let mut call = Box::pin(pool.call(double_later, number));
            assert_eq!(poll(call.as_mut()), Poll::Pending);
            assert!(pool.free.borrow().is_empty(), "it is in use");
            assert_eq!(poll(call.as_mut()), Poll::Ready(2 * number));
            assert_eq!(pool.free.borrow().len(), 1);
        }
    }

    #[test]
    fn calls_at_the_same_time_have_a_frame_each() {
        let pool = FramePool::new();
        let mut calls: Vec<_> = (0..2 * KEPT as u32).map(|n| Box::pin(pool.call(double_later, n))).collect();
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        let served: Vec<_> = calls.iter_mut().map(|call| poll(call.as_mut())).collect();
        assert_eq!(served, (0..2 * KEPT as u32).map(|n| Poll::Ready(2 * n)).collect::<Vec<_>>());
        assert_eq!(pool.free.borrow().len(), 2 * KEPT);
        pool.shrink();
        assert_eq!(pool.free.borrow().len(), KEPT);
    }

    #[test]
    fn a_call_that_is_dropped_takes_its_frame_with_it() {
        let pool = FramePool::new();
        let mut dropped = Box::pin(pool.call(double_later, 1));
        assert_eq!(poll(dropped.as_mut()), Poll::Pending);
        drop(dropped);
        assert!(pool.free.borrow().is_empty());
        let mut next = Box::pin(pool.call(double_later, 5));
        assert_eq!((poll(next.as_mut()), poll(next.as_mut())), (Poll::Pending, Poll::Ready(10)));
    }
}

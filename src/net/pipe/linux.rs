//! Pipes and `splice(2)`.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    net::SendFlags,
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::{
    io::{Interest, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

use super::PIPE_CAPACITY;

/// The pipes of one worker.
#[derive(Debug)]
pub struct PipePool {
    free: RefCell<Vec<Ends>>,
    /// Pipes that may still be taken.
    permits: Cell<usize>,
    /// The least number of free pipes since the last sweep: nobody has needed so many.
    unneeded: Cell<usize>,
    /// There is a free pipe.
    freed: Notify,
}

impl PipePool {
    /// A pool of at most `size` pipes; none is opened yet.
    #[must_use]
    pub fn new(size: usize) -> Rc<Self> {
        Rc::new(Self {
            free: RefCell::default(),
            permits: Cell::new(size),
            unneeded: Cell::new(0),
            freed: Notify::new(),
        })
    }

    /// An empty pipe; `None` when all are in use, or when the process has no descriptors left.
    #[must_use]
    pub fn take(self: &Rc<Self>) -> Option<Pipe> {
        let permits = self.permits.get().checked_sub(1)?;
        let recycled = self.free.borrow_mut().pop();
        let ends = recycled.or_else(|| Ends::open().ok())?;
        self.permits.set(permits);
        self.unneeded.set(self.unneeded.get().min(self.free()));
        Some(Pipe { ends: Some(ends), held: 0, behind: Vec::new(), pool: Rc::clone(self) })
    }

    /// Whether [`PipePool::take`] may succeed.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.permits.get() == 0
    }

    /// Pipes that wait for their next use.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.borrow().len()
    }

    /// Closes the free pipes that nobody has needed since the last call.
    pub fn sweep(&self) {
        let mut free = self.free.borrow_mut();
        let needed = free.len().saturating_sub(self.unneeded.get());
        free.truncate(needed);
        self.unneeded.set(needed);
    }

    /// Waits until there is a free pipe to look after.
    pub async fn wait_until_free(&self) {
        while self.free() == 0 {
            self.freed.notified().await;
        }
    }
}

/// Both ends of a pipe.
#[derive(Debug)]
struct Ends {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Ends {
    fn open() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller pipe does the same in more steps.
        let _ = fcntl_setpipe_size(&writer, PIPE_CAPACITY);
        Ok(Self { reader, writer })
    }
}

/// A pipe on loan. One that is dropped with bytes in it is closed, for they belong to nobody else.
#[derive(Debug)]
pub struct Pipe {
    /// Present until dropped.
    ends: Option<Ends>,
    held: usize,
    /// The last of the bytes held, which the pipe had no room for: it is full of pages, however few bytes are in
    /// them.
    behind: Vec<u8>,
    pool: Rc<PipePool>,
}

impl Pipe {
    /// Bytes in the pipe, and those that are to go in as soon as there is room.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Moves up to `most` bytes from `source` into the pipe, behind what it holds. 0 is the end of the source.
    ///
    /// A full pipe cannot be told from a source that has nothing, so there is no waiting for the source of a pipe
    /// that holds anything: pending then wakes nobody, and the pipe is to be drained before it is filled again.
    ///
    /// # Errors
    /// Those of the source.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &TcpStream,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        if !self.behind.is_empty() {
            return Poll::Pending;
        }
        loop {
            ready!(source.poll_read_ready(cx))?;
            let moved = source.try_io(Interest::READABLE, || {
                let most = most.min(PIPE_CAPACITY);
                match splice(source.as_fd(), None, &ends.writer, None, most, SpliceFlags::NONBLOCK) {
                    // The source may have more: it stays ready.
                    Err(Errno::AGAIN) if self.held > 0 => Ok(None),
                    moved => Ok(Some(moved?)),
                }
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(None) => return Poll::Pending,
                Ok(Some(size)) => {
                    self.held += size;
                    return Poll::Ready(Ok(size));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Puts `bytes`, which are few, behind what is in the pipe.
    ///
    /// # Errors
    /// None is to be expected of a pipe.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = if self.behind.is_empty() { self.write(bytes)? } else { 0 };
        self.behind.extend_from_slice(&bytes[size..]);
        self.held += bytes.len();
        Ok(())
    }

    /// Writes as much of `bytes` as there is room for; the number of bytes.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(ends) = self.ends.as_ref().filter(|_| !bytes.is_empty()) else { return Ok(0) };
        match rustix::io::write(&ends.writer, bytes) {
            Err(Errno::AGAIN) => Ok(0),
            written => Ok(written?),
        }
    }

    /// Bytes that can be taken out of the pipe; what found no room goes in once it is empty.
    fn movable(&mut self) -> io::Result<usize> {
        if self.held == self.behind.len() {
            let size = self.write(&self.behind)?;
            self.behind.drain(..size);
        }
        Ok(self.held - self.behind.len())
    }

    /// Copies what is left in a pipe into `room`, for when the pipe is not the way any more; it is given back
    /// once it is empty. Whether anything was copied.
    ///
    /// # Errors
    /// None is to be expected of a pipe.
    pub fn copy_rest(left: &mut Option<Self>, room: &mut ReadBuf<'_>) -> io::Result<bool> {
        let Some(pipe) = left else { return Ok(false) };
        let mut size = 0;
        let movable = pipe.movable()?;
        if let Some(ends) = pipe.ends.as_ref().filter(|_| movable > 0) {
            size = rustix::io::read(&ends.reader, room.initialize_unfilled())?;
            room.advance(size);
            pipe.held -= size.min(pipe.held);
        }
        if pipe.held == 0 {
            *left = None;
        }
        Ok(size > 0)
    }

    /// Moves bytes out of the pipe, which holds some, into `target`; how many.
    ///
    /// # Errors
    /// Those of the target.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, target: &TcpStream) -> Poll<io::Result<usize>> {
        let movable = self.movable()?;
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(target.poll_write_ready(cx))?;
            let moved = target.try_io(Interest::WRITABLE, || {
                Ok(splice(&ends.reader, None, target.as_fd(), None, movable, SpliceFlags::NONBLOCK)?)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(size) => {
                    self.held -= size.min(self.held);
                    return Poll::Ready(Ok(size));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.pool.permits.set(self.pool.permits.get() + 1);
        if self.held == 0
            && let Some(ends) = self.ends.take()
        {
            self.pool.free.borrow_mut().push(ends);
            self.pool.freed.notify_one();
        }
    }
}

/// Writes `bytes` to `target`; when `more` follows at once, both leave together (`MSG_MORE`).
///
/// # Errors
/// Those of the target.
pub fn poll_send(
    cx: &mut Context<'_>,
    target: &TcpStream,
    bytes: &[u8],
    more: bool,
) -> Poll<io::Result<usize>> {
    let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
    loop {
        ready!(target.poll_write_ready(cx))?;
        let sent = target.try_io(Interest::WRITABLE, || Ok(rustix::net::send(target, bytes, flags)?));
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::testing::{in_worker, tcp_pair};

    async fn fill(pipe: &mut Pipe, source: &TcpStream, most: usize) -> usize {
        poll_fn(|cx| pipe.poll_fill(cx, source, most)).await.unwrap()
    }

    async fn drain(pipe: &mut Pipe, target: &TcpStream) -> usize {
        poll_fn(|cx| pipe.poll_drain(cx, target)).await.unwrap()
    }

    #[test]
    fn a_sweep_closes_the_pipes_that_nobody_has_needed() {
        let pool = PipePool::new(4);
        let take = |count: usize| -> Vec<Pipe> { (0..count).map(|_| pool.take().unwrap()).collect() };
        drop(take(4));
        pool.sweep();
        assert_eq!(pool.free(), 4, "all of them were needed a moment ago");
        drop(take(1));
        pool.sweep();
        assert_eq!(pool.free(), 1, "one of four was needed");
        pool.sweep();
        assert_eq!(pool.free(), 0);
        assert_eq!(take(4).len(), 4, "there are as many as before");
    }

    #[test]
    fn bytes_pass_in_order_with_what_is_put_between_them() {
        in_worker(async {
            let ((mut writer, source), (target, mut reader)) = (tcp_pair().await, tcp_pair().await);
            let mut pipe = PipePool::new(1).take().unwrap();
            writer.write_all(b"abcdef").await.unwrap();
            assert_eq!(fill(&mut pipe, &source, 4).await, 4, "no more than asked for");
            pipe.push(b"--").unwrap();
            assert_eq!(pipe.held(), 6);
            assert_eq!(drain(&mut pipe, &target).await, 6);
            assert_eq!(fill(&mut pipe, &source, 100).await, 2, "no more than there is");
            drain(&mut pipe, &target).await;
            drop(target);
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"abcd--ef");
        });
    }

    #[test]
    fn a_quiet_source_is_pending_and_an_end_is_nothing() {
        in_worker(async {
            let (writer, source) = tcp_pair().await;
            let mut pipe = PipePool::new(1).take().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pipe.poll_fill(&mut cx, &source, 10).is_pending());
            drop(writer);
            assert_eq!(fill(&mut pipe, &source, 10).await, 0);
        });
    }

    #[test]
    fn a_full_pipe_keeps_the_order_and_leaves_its_source_ready() {
        in_worker(async {
            let ((mut writer, source), (target, mut reader)) = (tcp_pair().await, tcp_pair().await);
            let pool = PipePool::new(1);
            let mut pipe = pool.take().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let mut sent = Vec::new();
            writer.write_all(&[b'a'; 100]).await.unwrap();
            // Every piece takes a page, so that few bytes fill the pipe.
            while pipe.behind.is_empty() {
                source.readable().await.unwrap();
                if let Poll::Ready(size) = pipe.poll_fill(&mut cx, &source, 1) {
                    assert_eq!(size.unwrap(), 1);
                    sent.push(b'a');
                    writer.write_all(b"a").await.unwrap();
                }
                pipe.push(&[b'-'; 4096]).unwrap();
                sent.extend_from_slice(&[b'-'; 4096]);
            }
            pipe.push(b"end").unwrap();
            sent.extend_from_slice(b"end");
            assert_eq!(pipe.held(), sent.len());
            assert!(pipe.poll_fill(&mut cx, &source, 1).is_pending(), "what found no room comes first");
            let copy = tokio::task::spawn_local(async move {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).await.unwrap();
                all
            });
            while pipe.held() > 0 {
                drain(&mut pipe, &target).await;
            }
            // Nothing has come since: a source that was taken for dry would never wake.
            assert_eq!(fill(&mut pipe, &source, 1).await, 1);
            drain(&mut pipe, &target).await;
            sent.push(b'a');
            drop(target);
            assert!(copy.await.unwrap() == sent);
        });
    }

    #[test]
    fn what_found_no_room_in_a_pipe_can_be_copied_too() {
        let pool = PipePool::new(1);
        let mut pipe = pool.take().unwrap();
        while pipe.behind.is_empty() {
            pipe.push(&[b'x'; 4096]).unwrap();
        }
        pipe.push(b"end").unwrap();
        let (size, mut left, mut all) = (pipe.held(), Some(pipe), Vec::new());
        let mut room = [0; 1000];
        let mut buffer = ReadBuf::new(&mut room);
        while Pipe::copy_rest(&mut left, &mut buffer).unwrap() {
            all.extend_from_slice(buffer.filled());
            buffer.clear();
        }
        assert_eq!((all.len(), &all[size - 4..]), (size, &b"xend"[..]));
        assert!(pool.take().is_some(), "it was given back");
    }

    #[test]
    fn a_target_that_is_full_is_pending_and_loses_nothing() {
        in_worker(async {
            let ((mut writer, source), (target, mut reader)) = (tcp_pair().await, tcp_pair().await);
            let mut pipe = PipePool::new(1).take().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let mut sent = 0;
            loop {
                if pipe.held() == 0 {
                    writer.write_all(&[b'x'; 65_536]).await.unwrap();
                    sent += fill(&mut pipe, &source, 65_536).await;
                }
                target.writable().await.unwrap();
                if pipe.poll_drain(&mut cx, &target).is_pending() {
                    break;
                }
            }
            let left = pipe.held();
            assert!(left > 0);
            let mut room = vec![0; sent];
            reader.read_exact(&mut room[left..]).await.unwrap();
            while pipe.held() > 0 {
                drain(&mut pipe, &target).await;
            }
            reader.read_exact(&mut room[..left]).await.unwrap();
        });
    }

    #[test]
    fn what_is_left_in_a_pipe_can_be_copied() {
        in_worker(async {
            let (mut writer, source) = tcp_pair().await;
            writer.write_all(b"abcdef").await.unwrap();
            let pool = PipePool::new(1);
            let mut pipe = pool.take().unwrap();
            fill(&mut pipe, &source, 6).await;
            let mut left = Some(pipe);
            let mut room = [0; 4];
            let mut buffer = ReadBuf::new(&mut room);
            assert!(Pipe::copy_rest(&mut left, &mut buffer).unwrap());
            assert_eq!((buffer.filled(), left.as_ref().unwrap().held()), (&b"abcd"[..], 2));
            buffer.clear();
            assert!(Pipe::copy_rest(&mut left, &mut buffer).unwrap());
            assert_eq!((buffer.filled(), left.is_none()), (&b"ef"[..], true));
            assert!(!Pipe::copy_rest(&mut left, &mut buffer).unwrap());
            assert!(pool.take().is_some(), "it was given back");
        });
    }

    #[test]
    fn a_pool_lends_no_more_than_it_has_and_recycles_only_empty_pipes() {
        let pool = PipePool::new(2);
        let mut first = pool.take().unwrap();
        let second = pool.take().unwrap();
        assert!(pool.is_exhausted() && pool.take().is_none());
        first.push(b"of another connection").unwrap();
        drop((first, second));
        assert_eq!(pool.free.borrow().len(), 1, "what is in a pipe belongs to nobody else");
        assert!(!pool.is_exhausted());
        let again = (pool.take().unwrap(), pool.take().unwrap());
        assert_eq!((again.0.held(), again.1.held()), (0, 0));
    }

    #[test]
    fn bytes_sent_with_more_to_come_arrive_before_them() {
        in_worker(async {
            let (mut near, mut far) = tcp_pair().await;
            let sent = poll_fn(|cx| poll_send(cx, &near, b"head ", true)).await.unwrap();
            assert_eq!(sent, 5);
            near.write_all(b"body").await.unwrap();
            let mut both = [0; 9];
            far.read_exact(&mut both).await.unwrap();
            assert_eq!(&both, b"head body");
        });
    }
}

//! Buffers of one fixed size, recycled within a worker.
//!
//! Whoever holds a [`Buffer`] holds memory; it goes back to its [`BufferPool`] when dropped. A connection
//! that waits holds none.
//!
//! Buffers are pieces of slabs. Were each allocated by itself, what a busy second leaves between them would
//! keep the allocator from ever giving their memory back to the system; a slab goes back as a whole.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::Notify,
};

/// Bytes of a slab. Address space; only what is used becomes memory. Above 32 MiB glibc maps an allocation by
/// itself, always, and unmaps it when it is freed.
const SLAB: usize = 33 << 20;
/// Buffers kept, however few were needed of late.
const KEPT: usize = 16;

/// The free list of one worker.
#[derive(Debug)]
pub struct BufferPool {
    capacity: usize,
    /// The next to be taken is the last one.
    free: RefCell<VecDeque<BytesMut>>,
    /// What no buffer has been cut from yet.
    slab: RefCell<BytesMut>,
    /// Buffers of an earlier generation are not kept when they come back.
    generation: Cell<u32>,
    taken: Cell<usize>,
    /// The most that were in use at a time since the last [`BufferPool::shrink`].
    peak: Cell<usize>,
    /// There are more buffers than before.
    grown: Notify,
}

impl BufferPool {
    /// A pool of buffers of `capacity` bytes; none is allocated yet.
    #[must_use]
    pub fn new(capacity: usize) -> Rc<Self> {
        Rc::new(Self {
            capacity,
            free: RefCell::default(),
            slab: RefCell::default(),
            generation: Cell::new(0),
            taken: Cell::new(0),
            peak: Cell::new(0),
            grown: Notify::new(),
        })
    }

    /// An empty buffer.
    #[must_use]
    pub fn take(self: &Rc<Self>) -> Buffer {
        let taken = self.taken.get() + 1;
        self.taken.set(taken);
        self.peak.set(self.peak.get().max(taken));
        let bytes = self.free.borrow_mut().pop_back().unwrap_or_else(|| self.cut());
        Buffer { bytes, start: 0, end: 0, origin: Some(self.generation.get()), pool: Rc::clone(self) }
    }

    /// Takes a piece of that generation back, to be used before all others or, while it `is_cold`, behind them.
    #[inline]
    fn put(&self, bytes: BytesMut, generation: u32, is_cold: bool) {
        self.taken.set(self.taken.get() - 1);
        if generation == self.generation.get() {
            let mut free = self.free.borrow_mut();
            if is_cold {
                free.push_front(bytes);
            } else {
                free.push_back(bytes);
            }
        }
    }

    fn cut(&self) -> BytesMut {
        self.grown.notify_one();
        let mut slab = self.slab.borrow_mut();
        if slab.len() < self.capacity {
            *slab = BytesMut::zeroed(SLAB.max(self.capacity));
        }
        slab.split_to(self.capacity)
    }

    /// Gives memory back if many more buffers lie free than were needed since the last call: the slabs go as
    /// soon as the buffers in use have come back, and new ones are begun.
    pub fn shrink(&self) {
        let needed = self.peak.replace(self.taken.get());
        if self.free() > 2 * needed + KEPT {
            self.generation.set(self.generation.get().wrapping_add(1));
            self.free.take();
            self.slab.take();
        }
    }

    /// Waits until there are more buffers than before, at the last call or since.
    pub async fn grown(&self) {
        self.grown.notified().await;
    }

    /// Buffers that are in use now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Buffers that wait for their next use.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.borrow().len()
    }
}

/// A fixed piece of memory: bytes come in at the end and are used up from the start.
#[derive(Debug)]
pub struct Buffer {
    bytes: BytesMut,
    start: usize,
    end: usize,
    /// The generation of the pool that its memory is a piece of; nothing where it has given that back.
    origin: Option<u32>,
    pool: Rc<BufferPool>,
}

impl Buffer {
    /// Gives its memory back for no more than its bytes take and `room` behind them, until [`Buffer::grow`]: for whoever
    /// has to keep a little for long.
    pub fn shrink(&mut self, room: usize) {
        let size = self.end.saturating_add(room);
        if size < self.bytes.len() {
            let mut small = BytesMut::zeroed(size);
            small[..self.end].copy_from_slice(&self.bytes[..self.end]);
            let large = std::mem::replace(&mut self.bytes, small);
            if let Some(generation) = self.origin.take() {
                // Most of it has not become memory yet, and need not as long as others are there.
                self.pool.put(large, generation, true);
            }
        }
    }

    /// Takes a whole piece of memory again.
    pub fn grow(&mut self) {
        if self.origin.is_none() {
            let mut whole = self.pool.take();
            whole.push(self.all());
            whole.start = self.start;
            *self = whole;
        }
    }

    /// All bytes since the last [`Buffer::compact`], those that are used up included.
    #[must_use]
    pub fn all(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// The same, to be changed in place.
    pub fn all_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }

    /// The bytes not yet used up.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The bytes not yet used up, to be changed in place.
    pub fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The room behind the bytes.
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Room that is left.
    #[must_use]
    pub fn spare_len(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// Whether every byte is used up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Adds `size` bytes that were written to [`Buffer::spare`].
    pub fn filled(&mut self, size: usize) {
        self.end = (self.end + size).min(self.bytes.len());
    }

    /// Uses up `size` bytes.
    pub fn consume(&mut self, size: usize) {
        self.start = (self.start + size).min(self.end);
    }

    /// Cuts the unread bytes down to their first `size`.
    pub fn truncate(&mut self, size: usize) {
        self.end = self.end.min(self.start + size);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Makes the room behind the first `keep` bytes free again if everything behind them is used up.
    pub fn reclaim(&mut self, keep: usize) {
        if self.is_empty() {
            self.start = keep.min(self.end);
            self.end = self.start;
        }
    }

    /// Moves what is unread to the front.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Adds as much of `bytes` as there is room for; the number of bytes added.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let size = bytes.len().min(self.spare_len());
        self.spare()[..size].copy_from_slice(&bytes[..size]);
        self.filled(size);
        size
    }

    /// Reads once into the spare room; 0 is the end of the input.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<std::io::Result<usize>> {
        self.poll_fill_up_to(cx, reader, usize::MAX)
    }

    /// Reads once into the spare room, until the buffer holds no more than `size` bytes, those that are used
    /// up included.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn poll_fill_up_to<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        size: usize,
    ) -> Poll<std::io::Result<usize>> {
        let size = size.clamp(self.end, self.bytes.len());
        let mut room = ReadBuf::new(&mut self.bytes[self.end..size]);
        ready!(Pin::new(reader).poll_read(cx, &mut room))?;
        let size = room.filled().len();
        self.filled(size);
        Poll::Ready(Ok(size))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(generation) = self.origin {
            self.pool.put(std::mem::take(&mut self.bytes), generation, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, io, task::Waker};

    use super::*;

    fn buffer(capacity: usize, bytes: &[u8]) -> Buffer {
        let mut buffer = BufferPool::new(capacity).take();
        assert_eq!(buffer.push(bytes), bytes.len());
        buffer
    }

    #[test]
    fn bytes_come_in_at_the_end_and_are_used_up_from_the_start() {
        let mut buffer = buffer(8, b"abcdef");
        assert_eq!((buffer.unread(), buffer.spare_len()), (&b"abcdef"[..], 2));
        buffer.consume(2);
        assert_eq!((buffer.unread(), buffer.all(), buffer.spare_len()), (&b"cdef"[..], &b"abcdef"[..], 2));
        assert_eq!(buffer.push(b"ghij"), 2, "no more than there is room for");
        assert_eq!(buffer.unread(), b"cdefgh");
        buffer.unread_mut()[0] = b'C';
        buffer.compact();
        assert_eq!((buffer.unread(), buffer.all(), buffer.spare_len()), (&b"Cdefgh"[..], &b"Cdefgh"[..], 2));
        buffer.truncate(3);
        assert_eq!((buffer.unread(), buffer.spare_len()), (&b"Cde"[..], 5));
        buffer.clear();
        assert_eq!((buffer.is_empty(), buffer.spare_len()), (true, 8));
    }

    #[test]
    fn no_count_leads_beyond_the_bytes() {
        let mut buffer = buffer(4, b"ab");
        buffer.consume(100);
        assert!(buffer.is_empty());
        assert_eq!(buffer.all(), b"ab");
        buffer.filled(100);
        assert_eq!((buffer.unread().len(), buffer.spare_len()), (2, 0));
        buffer.truncate(100);
        assert_eq!(buffer.unread().len(), 2);
    }

    #[test]
    fn room_is_reclaimed_behind_the_head_once_all_is_used_up() {
        let mut buffer = buffer(8, b"headbody");
        buffer.consume(4);
        buffer.reclaim(4);
        assert_eq!((buffer.unread(), buffer.spare_len()), (&b"body"[..], 0), "not while bytes are unread");
        buffer.consume(4);
        buffer.reclaim(4);
        assert_eq!((buffer.all(), buffer.spare_len()), (&b"head"[..], 4));
        assert!(buffer.is_empty());
        buffer.push(b"next");
        assert_eq!((buffer.unread(), buffer.all()), (&b"next"[..], &b"headnext"[..]));
    }

    #[test]
    fn one_that_has_little_to_keep_gives_its_memory_back_until_it_needs_it_again() {
        let pool = BufferPool::new(16);
        let mut buffer = pool.take();
        buffer.push(b"headnext");
        buffer.consume(4);
        buffer.shrink(2);
        assert_eq!((pool.taken(), pool.free()), (0, 1));
        assert_eq!((buffer.all(), buffer.unread(), buffer.spare_len()), (&b"headnext"[..], &b"next"[..], 2));
        assert_eq!(buffer.push(b"one"), 2);
        buffer.shrink(0);
        buffer.grow();
        assert_eq!((pool.taken(), pool.free()), (1, 0));
        assert_eq!(
            (buffer.all(), buffer.unread(), buffer.spare_len()),
            (&b"headnexton"[..], &b"nexton"[..], 6)
        );
        buffer.grow();
        buffer.shrink(6);
        assert_eq!((pool.taken(), buffer.spare_len()), (1, 6), "nothing would be gained");
        buffer.shrink(0);
        drop(buffer);
        assert_eq!((pool.taken(), pool.free()), (0, 1));
    }

    #[test]
    fn a_pool_counts_what_is_taken_and_what_is_free() {
        let pool = BufferPool::new(16);
        assert_eq!((pool.taken(), pool.free()), (0, 0));
        let taken: Vec<Buffer> = (0..100).map(|_| pool.take()).collect();
        assert_eq!((pool.taken(), pool.free()), (100, 0));
        drop(taken);
        assert_eq!((pool.taken(), pool.free()), (0, 100));
        let again = pool.take();
        assert_eq!((pool.taken(), pool.free()), (1, 99));
        assert!(again.is_empty() && again.spare_len() == 16);
    }

    #[test]
    fn a_pool_gives_back_what_it_has_not_needed_of_late() {
        let pool = BufferPool::new(16);
        let mut taken: Vec<Buffer> = (0..100).map(|_| pool.take()).collect();
        let mut held = taken.split_off(90);
        held[0].push(b"still here");
        drop(taken);
        pool.shrink();
        assert_eq!(pool.free(), 90, "a hundred were in use at a time");
        pool.shrink();
        assert_eq!((pool.taken(), pool.free()), (10, 0));
        let new = pool.take();
        assert_eq!(held[0].unread(), b"still here");
        drop(held);
        assert_eq!((pool.taken(), pool.free()), (1, 0), "those of before are not kept");
        drop(new);
        pool.shrink();
        pool.shrink();
        assert_eq!((pool.taken(), pool.free()), (0, 1), "a few are");
    }

    #[test]
    fn a_pool_tells_when_it_has_grown() {
        let has_grown = |pool: &BufferPool| {
            let mut cx = Context::from_waker(Waker::noop());
            std::pin::pin!(pool.grown()).poll(&mut cx).is_ready()
        };
        let pool = BufferPool::new(16);
        assert!(!has_grown(&pool));
        drop([pool.take(), pool.take()]);
        assert!(has_grown(&pool) && !has_grown(&pool), "once for all");
        drop(pool.take());
        assert!(!has_grown(&pool), "there was one");
    }

    #[test]
    fn buffers_do_not_share_bytes_also_across_slabs() {
        let pool = BufferPool::new(SLAB / 3);
        let mut buffers: Vec<Buffer> = (0..5).map(|_| pool.take()).collect();
        for (number, buffer) in (0_u8..).zip(&mut buffers) {
            assert_eq!(buffer.spare_len(), SLAB / 3);
            buffer.push(&[number]);
        }
        assert!((0_u8..).zip(&buffers).all(|(number, buffer)| buffer.unread() == [number]));
    }

    #[test]
    fn a_recycled_buffer_shows_nothing_of_its_last_use() {
        let pool = BufferPool::new(16);
        let mut first = pool.take();
        first.push(b"secret");
        first.consume(2);
        drop(first);
        let second = pool.take();
        assert_eq!((second.all(), second.unread()), (&b""[..], &b""[..]));
    }

    #[tokio::test]
    async fn a_read_fills_the_room_that_is_left_and_no_more() {
        let mut buffer = buffer(8, b"abc");
        let mut reader = &b"defghijk"[..];
        let mut fill = async || std::future::poll_fn(|cx| buffer.poll_fill(cx, &mut reader)).await;
        assert_eq!(fill().await.unwrap(), 5);
        assert_eq!((buffer.unread(), reader), (&b"abcdefgh"[..], &b"ijk"[..]));
        buffer.clear();
        let mut ended = tokio::io::empty();
        assert_eq!(std::future::poll_fn(|cx| buffer.poll_fill(cx, &mut ended)).await.unwrap(), 0);
        let mut broken = reset_reader();
        let error = std::future::poll_fn(|cx| buffer.poll_fill(cx, &mut broken)).await.unwrap_err();
        assert_eq!((error.kind(), buffer.is_empty()), (io::ErrorKind::ConnectionReset, true));
    }

    /// A reader whose connection was reset.
    fn reset_reader() -> impl AsyncRead + Unpin {
        struct Reset;
        impl AsyncRead for Reset {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
        Reset
    }
}

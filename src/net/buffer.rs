//! Buffers of one fixed size, recycled within a worker.
//!
//! Whoever holds a [`Buffer`] holds memory; it goes back to its [`BufferPool`] when dropped. A connection
//! that waits holds none.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Buffers kept for reuse; what is returned beyond that is freed, so that memory follows the load down.
const MAX_FREE: usize = 128;

/// The free list of one worker.
#[derive(Debug)]
pub struct BufferPool {
    capacity: usize,
    free: RefCell<Vec<Box<[u8]>>>,
    taken: Cell<usize>,
}

impl BufferPool {
    /// A pool of buffers of `capacity` bytes; none is allocated yet.
    #[must_use]
    pub fn new(capacity: usize) -> Rc<Self> {
        Rc::new(Self { capacity, free: RefCell::default(), taken: Cell::new(0) })
    }

    /// An empty buffer.
    #[must_use]
    pub fn take(self: &Rc<Self>) -> Buffer {
        self.taken.set(self.taken.get() + 1);
        let bytes = self.free.borrow_mut().pop().unwrap_or_else(|| vec![0; self.capacity].into_boxed_slice());
        Buffer { bytes, start: 0, end: 0, pool: Rc::clone(self) }
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
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    pool: Rc<BufferPool>,
}

impl Buffer {
    /// All bytes since the last [`Buffer::compact`], those that are used up included.
    #[must_use]
    pub fn all(&self) -> &[u8] {
        &self.bytes[..self.end]
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
        let mut room = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(Pin::new(reader).poll_read(cx, &mut room))?;
        let size = room.filled().len();
        self.filled(size);
        Poll::Ready(Ok(size))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.taken.set(self.pool.taken.get() - 1);
        let mut free = self.pool.free.borrow_mut();
        if free.len() < MAX_FREE {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

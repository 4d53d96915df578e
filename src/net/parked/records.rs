//! What is kept of parked sockets, found by their key and by their deadline: plain data.
//!
//! Deadlines lie on a wheel of 1,024 slots of 100 ms, each the head of a list through the records; a record is
//! added and removed in constant time. What is due later than the wheel reaches shares a slot with what is due
//! sooner and is passed over.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

/// The time between two slots.
const TICK: Duration = Duration::from_millis(100);
/// Slots of the wheel.
const SLOTS: u32 = 1024;
/// Rows kept when the last record has gone.
const KEPT_ROWS: usize = 64;
/// No record.
const NONE: u32 = u32::MAX;

/// Sockets that are parked together.
#[derive(Debug)]
pub(super) struct Record<T, const N: usize> {
    pub(super) sockets: [TcpStream; N],
    pub(super) ticket: T,
    /// The first tick at which its time is over.
    due: u32,
    /// Its neighbours in the slot.
    before: u32,
    behind: u32,
    /// Who was parked before it, and who after it.
    older: u32,
    newer: u32,
}

/// A row of the table: a record, or room for one.
#[derive(Debug)]
enum Row<T, const N: usize> {
    Taken(Record<T, N>),
    /// The next free row.
    Free(u32),
}

/// All records.
#[derive(Debug)]
pub(super) struct Records<T, const N: usize> {
    rows: Vec<Row<T, N>>,
    free: u32,
    len: usize,
    /// Who has been parked longest, and who last.
    oldest: u32,
    newest: u32,
    wheel: Box<[u32]>,
    /// When the wheel began to turn.
    epoch: Instant,
    /// The last tick of which nothing is left.
    swept: u32,
}

impl<T, const N: usize> Records<T, N> {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rows: Vec::new(),
            free: NONE,
            len: 0,
            oldest: NONE,
            newest: NONE,
            wheel: vec![NONE; SLOTS as usize].into(),
            epoch: now,
            swept: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The key that the next record gets.
    pub(super) fn next_key(&self) -> u32 {
        if self.free == NONE { u32::try_from(self.rows.len()).unwrap_or(NONE) } else { self.free }
    }

    pub(super) fn insert(&mut self, sockets: [TcpStream; N], deadline: Instant, ticket: T) {
        let key = self.next_key();
        let elapsed = deadline.saturating_duration_since(self.epoch);
        let due = u32::try_from(elapsed.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(NONE);
        // What is due already is found by the next sweep.
        let due = due.max(self.swept.saturating_add(1));
        let behind = std::mem::replace(&mut self.wheel[slot(due)], key);
        if let Some(Row::Taken(next)) = self.row(behind) {
            next.before = key;
        }
        let older = std::mem::replace(&mut self.newest, key);
        match self.row(older) {
            Some(Row::Taken(older)) => older.newer = key,
            Some(Row::Free(_)) | None => self.oldest = key,
        }
        let record = Row::Taken(Record { sockets, ticket, due, before: NONE, behind, older, newer: NONE });
        match self.row(key) {
            Some(row) => {
                if let Row::Free(next) = std::mem::replace(row, record) {
                    self.free = next;
                }
            }
            None => self.rows.push(record),
        }
        self.len += 1;
    }

    /// Takes out the record of this key.
    pub(super) fn take(&mut self, key: u32) -> Option<Record<T, N>> {
        let free = self.free;
        let row = self.row(key).filter(|row| matches!(row, Row::Taken(_)))?;
        let Row::Taken(record) = std::mem::replace(row, Row::Free(free)) else { return None };
        self.free = key;
        match self.row(record.before) {
            Some(Row::Taken(before)) => before.behind = record.behind,
            Some(Row::Free(_)) | None => self.wheel[slot(record.due)] = record.behind,
        }
        if let Some(Row::Taken(behind)) = self.row(record.behind) {
            behind.before = record.before;
        }
        match self.row(record.older) {
            Some(Row::Taken(older)) => older.newer = record.newer,
            Some(Row::Free(_)) | None => self.oldest = record.newer,
        }
        match self.row(record.newer) {
            Some(Row::Taken(newer)) => newer.older = record.older,
            Some(Row::Free(_)) | None => self.newest = record.older,
        }
        self.len -= 1;
        if self.len == 0 {
            // Memory follows the load down.
            self.rows.clear();
            self.rows.shrink_to(KEPT_ROWS);
            self.free = NONE;
        }
        Some(record)
    }

    /// Takes out the one of the `among` longest parked that was parked first, of those that `may` go.
    pub(super) fn take_oldest(
        &mut self,
        among: usize,
        may: impl Fn(&[TcpStream; N]) -> bool,
    ) -> Option<Record<T, N>> {
        let mut key = self.oldest;
        for _ in 0..among {
            let Some(Row::Taken(record)) = self.row(key) else { return None };
            if may(&record.sockets) {
                return self.take(key);
            }
            key = record.newer;
        }
        None
    }

    /// Takes out any record.
    pub(super) fn take_any(&mut self) -> Option<Record<T, N>> {
        let first = self.wheel.iter().copied().find(|first| *first != NONE)?;
        self.take(first)
    }

    /// Takes out a record whose time is over.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Record<T, N>> {
        let ticks = now.saturating_duration_since(self.epoch).as_millis() / TICK.as_millis();
        let now = u32::try_from(ticks).unwrap_or(NONE);
        // Once around is enough, however long the last sweep is ago.
        let mut tick = self.swept.max(now.saturating_sub(SLOTS));
        while tick < now {
            tick += 1;
            let mut key = self.wheel[slot(tick)];
            while let Some(Row::Taken(record)) = self.row(key) {
                if record.due <= now {
                    return self.take(key);
                }
                key = record.behind;
            }
            self.swept = tick;
        }
        None
    }

    /// When the next record may be due.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let mut ticks = (1..=SLOTS).map(|ahead| self.swept.saturating_add(ahead));
        ticks.find(|tick| self.wheel[slot(*tick)] != NONE).map(|tick| self.epoch + TICK * tick)
    }

    /// The deadline of a record, to the tick.
    pub(super) fn deadline(&self, record: &Record<T, N>) -> Instant {
        self.epoch + TICK * record.due
    }

    fn row(&mut self, key: u32) -> Option<&mut Row<T, N>> {
        self.rows.get_mut(key as usize)
    }
}

const fn slot(tick: u32) -> usize {
    (tick % SLOTS) as usize
}

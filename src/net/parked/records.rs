//! What is kept of a parked socket, found by its key and by its deadline: plain data.
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
/// Places kept when the last record has gone.
const KEPT_PLACES: usize = 64;
/// No record.
const NONE: u32 = u32::MAX;

/// A parked socket.
#[derive(Debug)]
pub(super) struct Record<T> {
    pub(super) tcp: TcpStream,
    pub(super) ticket: T,
    /// The first tick at which its time is over.
    due: u32,
    /// Its neighbours in the slot.
    before: u32,
    behind: u32,
}

/// A place for a record.
#[derive(Debug)]
enum Place<T> {
    Taken(Record<T>),
    /// The next free place.
    Free(u32),
}

/// All records.
#[derive(Debug)]
pub(super) struct Records<T> {
    places: Vec<Place<T>>,
    free: u32,
    len: usize,
    wheel: Box<[u32]>,
    /// When the wheel began to turn.
    epoch: Instant,
    /// The last tick of which nothing is left.
    swept: u32,
}

impl<T> Records<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            places: Vec::new(),
            free: NONE,
            len: 0,
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
        if self.free == NONE { u32::try_from(self.places.len()).unwrap_or(NONE) } else { self.free }
    }

    pub(super) fn insert(&mut self, tcp: TcpStream, deadline: Instant, ticket: T) {
        let key = self.next_key();
        let elapsed = deadline.saturating_duration_since(self.epoch);
        let due = u32::try_from(elapsed.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(NONE);
        // What is due already is found by the next sweep.
        let due = due.max(self.swept.saturating_add(1));
        let behind = std::mem::replace(&mut self.wheel[slot(due)], key);
        if let Some(Place::Taken(next)) = self.place(behind) {
            next.before = key;
        }
        let record = Place::Taken(Record { tcp, ticket, due, before: NONE, behind });
        match self.place(key) {
            Some(place) => {
                if let Place::Free(next) = std::mem::replace(place, record) {
                    self.free = next;
                }
            }
            None => self.places.push(record),
        }
        self.len += 1;
    }

    /// Takes out the record of this key.
    pub(super) fn take(&mut self, key: u32) -> Option<Record<T>> {
        let free = self.free;
        let place = self.place(key).filter(|place| matches!(place, Place::Taken(_)))?;
        let Place::Taken(record) = std::mem::replace(place, Place::Free(free)) else { return None };
        self.free = key;
        match self.place(record.before) {
            Some(Place::Taken(before)) => before.behind = record.behind,
            Some(Place::Free(_)) | None => self.wheel[slot(record.due)] = record.behind,
        }
        if let Some(Place::Taken(behind)) = self.place(record.behind) {
            behind.before = record.before;
        }
        self.len -= 1;
        if self.len == 0 {
            // Memory follows the load down.
            self.places.clear();
            self.places.shrink_to(KEPT_PLACES);
            self.free = NONE;
        }
        Some(record)
    }

    /// Takes out any record.
    pub(super) fn take_any(&mut self) -> Option<Record<T>> {
        let first = self.wheel.iter().copied().find(|first| *first != NONE)?;
        self.take(first)
    }

    /// Takes out a record whose time is over.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Record<T>> {
        let ticks = now.saturating_duration_since(self.epoch).as_millis() / TICK.as_millis();
        let now = u32::try_from(ticks).unwrap_or(NONE);
        // Once around is enough, however long the last sweep is ago.
        let mut tick = self.swept.max(now.saturating_sub(SLOTS));
        while tick < now {
            tick += 1;
            let mut key = self.wheel[slot(tick)];
            while let Some(Place::Taken(record)) = self.place(key) {
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
    pub(super) fn deadline(&self, record: &Record<T>) -> Instant {
        self.epoch + TICK * record.due
    }

    fn place(&mut self, key: u32) -> Option<&mut Place<T>> {
        self.places.get_mut(key as usize)
    }
}

const fn slot(tick: u32) -> usize {
    (tick % SLOTS) as usize
}

//! A request body that is kept while it goes upstream, so that it can be sent again.

/// What is kept of a body, in the framing of the upstream request.
#[derive(Debug)]
pub(crate) struct Replay {
    kept: Vec<u8>,
    most: usize,
    /// How much of it has been sent again; `None` before it is.
    again: Option<usize>,
}

impl Replay {
    /// For a body of which at most so many bytes are kept.
    pub(crate) fn of(most: usize) -> Box<Self> {
        Box::new(Self { kept: Vec::new(), most, again: None })
    }

    /// Adds what has come of it; whether there was room for it.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> bool {
        if self.kept.capacity() == 0 {
            // At once, for to grow would take both the old room and the new.
            self.kept.reserve_exact(self.most);
        }
        let fits = self.kept.len() + bytes.len() <= self.most;
        if fits {
            self.kept.extend_from_slice(bytes);
        }
        fits
    }

    /// Begins to send it again.
    pub(super) const fn begin(&mut self) {
        self.again = Some(0);
    }

    /// Whether something of it is to be sent again yet.
    pub(super) fn is_running(&self) -> bool {
        self.again.is_some_and(|sent| sent < self.kept.len())
    }

    /// Puts the next bytes of it to the start of `room`; how many.
    pub(super) fn take(&mut self, room: &mut [u8]) -> usize {
        let Some(sent) = &mut self.again else { return 0 };
        let rest = &self.kept[*sent..];
        let size = rest.len().min(room.len());
        room[..size].copy_from_slice(&rest[..size]);
        *sent += size;
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_sent_again_as_often_as_it_is_wanted_and_takes_no_more_room_than_its_bound() {
        let mut replay = Replay::of(10);
        assert!(replay.keep(b"01234") && replay.keep(b"56789"));
        assert_eq!((replay.kept.capacity(), replay.is_running()), (10, false));
        for _ in 0..2 {
            replay.begin();
            let (mut sent, mut room) = (Vec::new(), [0; 4]);
            while replay.is_running() {
                let size = replay.take(&mut room);
                sent.extend_from_slice(&room[..size]);
            }
            assert_eq!(sent, b"0123456789");
            assert_eq!(replay.take(&mut room), 0);
        }
        assert!(!replay.keep(b"x"));
    }
}

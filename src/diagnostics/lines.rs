//! A bounded queue of lines, and the thread that writes them to stderr.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait; what comes when there are more is dropped.
const MOST: usize = 256 << 10;

/// Where lines go that nobody may wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something has come.
    come: Condvar,
    /// All that had come is written, or given up.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Box<[u8]>>,
    /// The sum of their lengths.
    bytes: usize,
    /// One has been taken and is not written yet.
    is_writing: bool,
    /// Lines that were not written and have not been told of.
    dropped: u64,
}

impl Lines {
    /// Starts the thread that hands lines to `write`, which may block for as long as it likes.
    ///
    /// # Errors
    /// That there can be no more threads.
    pub(super) fn start(write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let ours = lines.clone();
        thread::Builder::new().name("diagnostics".to_owned()).spawn(move || ours.run(write))?;
        Ok(lines)
    }

    /// Hands a line over, or drops it and counts that.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.bytes + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.waiting.push_back(line.into());
        drop(state);
        self.0.come.notify_one();
    }

    /// Waits until all lines are written, but not for long. Whether they are.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        while state.is_writing || !state.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn run(self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        loop {
            let line = self.next();
            let written = write(&line);
            let mut state = self.state();
            state.is_writing = false;
            state.bytes = state.bytes.saturating_sub(line.len());
            match written {
                Err(_) => state.dropped += 1,
                // Told only when it works again, and then it finds room.
                Ok(()) if state.dropped > 0 && state.waiting.is_empty() => {
                    let dropped = std::mem::take(&mut state.dropped);
                    drop(state);
                    tracing::warn!("dropped {dropped} lines here: standard error took none, or too few");
                    state = self.state();
                }
                Ok(()) => {}
            }
            if state.waiting.is_empty() {
                self.0.gone.notify_all();
            }
        }
    }

    /// Waits for a line.
    fn next(&self) -> Box<[u8]> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.is_writing = true;
                return line;
            }
            state = self.0.come.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole line comes in one call.
impl io::Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Writes all of it to standard error, without the lock of the standard library's handle: while a write is stuck,
/// nobody else must be.
pub(super) fn write_to_stderr(mut bytes: &[u8]) -> io::Result<()> {
    let stderr = io::stderr();
    let stderr = stderr.as_fd();
    while !bytes.is_empty() {
        match rustix::io::write(stderr, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            // Whoever shares a terminal or pipe with us may have made it non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                let mut writable = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
                match poll(&mut writable, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Lines, and what is written of them: each for one permit.
    fn lines(permits: Receiver<()>) -> (Lines, Receiver<Vec<u8>>) {
        let (written, seen) = channel();
        let lines = Lines::start(move |line| {
            permits.recv().map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            written.send(line.to_vec()).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))
        });
        (lines.unwrap(), seen)
    }

    #[test]
    fn lines_are_written_in_their_order_and_flushed() {
        let (permit, permits) = channel();
        let (lines, seen) = lines(permits);
        for number in 0..100 {
            permit.send(()).unwrap();
            lines.push(format!("{number}\n").as_bytes());
        }
        assert!(lines.flush(PATIENCE));
        let text: Vec<u8> = seen.try_iter().flatten().collect();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn nobody_waits_for_what_takes_nothing_and_what_is_dropped_is_counted() {
        let (permit, permits) = channel();
        let (lines, seen) = lines(permits);
        let line = [b'x'; 1024];
        for _ in 0..2 * MOST / line.len() {
            lines.push(&line);
        }
        assert!(!lines.flush(Duration::ZERO));
        let (kept, dropped) = {
            let state = lines.state();
            (state.waiting.len() + usize::from(state.is_writing), state.dropped)
        };
        assert_eq!((kept, dropped), (MOST / line.len(), (MOST / line.len()) as u64));
        for _ in 0..kept {
            permit.send(()).unwrap();
        }
        assert!(lines.flush(PATIENCE));
        assert_eq!(seen.try_iter().count(), kept);
        // It works again, and that was told.
        assert_eq!(lines.state().dropped, 0);
    }

    #[test]
    fn what_fails_is_dropped_and_nobody_waits_for_it() {
        let (permit, permits) = channel();
        let (lines, _seen) = lines(permits);
        drop(permit);
        for _ in 0..3 {
            lines.push(b"lost\n");
        }
        assert!(lines.flush(PATIENCE));
        assert_eq!(lines.state().dropped, 3);
    }
}

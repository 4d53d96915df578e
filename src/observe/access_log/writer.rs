//! The thread that empties the rings into a file or pipe, and what it does when that fails.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
        mpsc::{Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    record::LINE_MAX,
    ring::Ring,
    target::{AccessLogTarget, open},
};

/// Bytes that go out in one write while more are waiting.
pub(super) const BATCH: usize = 64 << 10;

/// How long the writer lets lines gather after it wrote some: the most that a line is late, and the least time
/// between two wake-ups by workers whose rings are less than half full.
const GATHER: Duration = Duration::from_millis(10);

/// The least time between two reports of drops or failures.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// What the process tells the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// One more worker.
    Attach(Arc<Ring>),
    /// Open the file again: it was renamed (log rotation), or may work again.
    Reopen,
    /// Write what is waiting, then end.
    Stop,
}

/// What the workers and the writer share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Records that were not written, for whatever reason.
    pub(super) dropped: Arc<AtomicU64>,
    /// The writer waits until somebody wakes it.
    pub(super) asleep: AtomicBool,
    /// Nothing will be written: the reader is gone, or the log has been shut down.
    pub(super) refusing: AtomicBool,
}

/// The writer thread's own state.
pub(super) struct Writer {
    target: AccessLogTarget,
    file: File,
    shared: Arc<Shared>,
    messages: Receiver<Message>,
    /// Dropped with the writer, which is how [`shutdown`](super::AccessLog::shutdown) learns of its end.
    _running: Sender<()>,
    rings: Vec<Arc<Ring>>,
    batch: Vec<u8>,
    /// The reader is gone; nothing is tried until the target is opened again.
    dead: bool,
    /// The last write ended within a line.
    broken_line: bool,
    reported_drops: u64,
    last_drop_report: Option<Instant>,
    last_failure_report: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        target: AccessLogTarget,
        file: File,
        shared: Arc<Shared>,
        messages: Receiver<Message>,
        running: Sender<()>,
    ) -> Self {
        Self {
            target,
            file,
            shared,
            messages,
            _running: running,
            rings: Vec::new(),
            batch: Vec::with_capacity(BATCH + LINE_MAX),
            dead: false,
            broken_line: false,
            reported_drops: 0,
            last_drop_report: None,
            last_failure_report: None,
        }
    }

    /// Writes until told to stop.
    pub(super) fn run(mut self) {
        while !self.stop_requested() {
            let wrote = self.drain();
            self.rings.retain(|ring| !ring.is_finished());
            let drops_unreported = self.report_drops();
            if wrote {
                thread::park_timeout(GATHER);
            } else {
                self.sleep(drops_unreported);
            }
        }
        self.shared.refusing.store(true, Ordering::Relaxed);
        while self.drain() {}
        self.last_drop_report = None;
        self.report_drops();
    }

    /// Handles what the process has said.
    fn stop_requested(&mut self) -> bool {
        use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
        loop {
            match self.messages.try_recv() {
                Ok(Message::Attach(ring)) => self.rings.push(ring),
                Ok(Message::Reopen) => self.reopen(),
                Ok(Message::Stop) | Err(Disconnected) => return true,
                Err(Empty) => return false,
            }
        }
    }

    /// Waits for the next line or message; no longer than until drops may be reported, if there are any.
    fn sleep(&self, drops_unreported: bool) {
        self.shared.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `log`: either we see the line or its worker sees that we sleep.
        fence(Ordering::SeqCst);
        if self.rings.iter().all(|ring| ring.is_empty()) {
            if drops_unreported {
                thread::park_timeout(REPORT_INTERVAL);
            } else {
                thread::park();
            }
        }
        self.shared.asleep.store(false, Ordering::Relaxed);
    }

    /// Writes what stands in the rings now. Returns whether there was anything.
    fn drain(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.rings.len() {
            let ring = Arc::clone(&self.rings[index]);
            // One worker that never pauses must not keep us from the others.
            let end = ring.end();
            while ring.pop(end, &mut self.batch) {
                any = true;
                if self.batch.len() >= BATCH {
                    self.write_batch();
                }
            }
        }
        self.write_batch();
        any
    }

    fn write_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let written = if batch.is_empty() || self.dead { 0 } else { self.write(&batch) };
        let lost = memchr::memchr_iter(b'\n', batch.get(written..).unwrap_or_default()).count();
        if lost > 0 {
            self.shared.dropped.fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        self.batch = batch;
        self.batch.clear();
    }

    /// Returns how many of `bytes` were written before the first failure.
    fn write(&mut self, bytes: &[u8]) -> usize {
        // What a failure has cut off must not run into the next line.
        if self.broken_line {
            match write_all(&mut self.file, b"\n") {
                (_, None) => self.broken_line = false,
                (_, Some(error)) => {
                    self.failed(&error);
                    return 0;
                }
            }
        }
        let (written, failure) = write_all(&mut self.file, bytes);
        if let Some(last) = bytes.get(..written).and_then(<[u8]>::last) {
            self.broken_line = *last != b'\n';
        }
        if let Some(error) = failure {
            self.failed(&error);
        }
        written
    }

    fn failed(&mut self, error: &io::Error) {
        let target = &self.target;
        if error.kind() == ErrorKind::BrokenPipe {
            self.dead = true;
            self.shared.refusing.store(true, Ordering::Relaxed);
            tracing::error!(
                "nobody reads the access log {target} any more; records are dropped, restart corsair with a reader"
            );
        } else if is_due(self.last_failure_report) {
            self.last_failure_report = Some(Instant::now());
            tracing::error!(
                "cannot write the access log {target}: {error}; records are dropped until it works"
            );
        }
    }

    /// Reports new drops unless that was done a moment ago. Returns whether some are left to be reported.
    fn report_drops(&mut self) -> bool {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if self.dead || dropped == self.reported_drops {
            return false;
        }
        if !is_due(self.last_drop_report) {
            return true;
        }
        let records = dropped - self.reported_drops;
        tracing::warn!(
            "dropped {records} records of the access log {}: it takes fewer than there are requests",
            self.target
        );
        self.reported_drops = dropped;
        self.last_drop_report = Some(Instant::now());
        false
    }

    fn reopen(&mut self) {
        match open(&self.target) {
            Ok(file) => {
                self.file = file;
                self.dead = false;
                self.broken_line = false;
                self.shared.refusing.store(false, Ordering::Relaxed);
            }
            Err(error) => tracing::error!("{error}; going on with the file that was open"),
        }
    }
}

fn is_due(last: Option<Instant>) -> bool {
    last.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL)
}

/// Writes as much as can be: how much that was, and what ended it early.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares a terminal or pipe with us may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::new(file, PollFlags::OUT)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return (written, Some(error.into())),
                }
            }
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::OwnedFd, path::PathBuf, sync::mpsc::channel};

    use super::*;

    fn writer(path: PathBuf, file: File) -> Writer {
        let (_, inbox) = channel();
        Writer::new(AccessLogTarget::File(path), file, Arc::default(), inbox, channel().0)
    }

    #[test]
    fn a_line_that_a_failure_cut_off_does_not_run_into_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut writer = writer(path.clone(), File::create(&path).unwrap());
        assert_eq!(writer.write(b"whole\ncut o"), 11);
        assert_eq!(writer.write(b"whole\n"), 6);
        assert_eq!(fs::read_to_string(path).unwrap(), "whole\ncut o\nwhole\n");
    }

    #[test]
    fn a_reopen_goes_to_the_new_file_and_revives_a_dead_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let mut writer = writer(path.clone(), File::from(OwnedFd::from(pipe)));
        writer.batch.extend_from_slice(b"a\nb\n");
        writer.write_batch();
        assert!(writer.dead && writer.shared.refusing.load(Ordering::Relaxed));
        assert_eq!(writer.shared.dropped.load(Ordering::Relaxed), 2);
        writer.reopen();
        writer.batch.extend_from_slice(b"c\n");
        writer.write_batch();
        assert!(!writer.dead && !writer.shared.refusing.load(Ordering::Relaxed));
        assert_eq!(fs::read_to_string(path).unwrap(), "c\n");
    }

    #[test]
    fn a_reopen_that_fails_keeps_the_file_that_was_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut writer = writer(directory.path().join("missing/access.log"), File::create(&path).unwrap());
        writer.reopen();
        assert_eq!(writer.write(b"still here\n"), 11);
        assert_eq!(fs::read_to_string(path).unwrap(), "still here\n");
    }

    #[test]
    fn drops_are_reported_at_most_once_in_a_while_and_never_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut writer = writer(path.clone(), File::create(&path).unwrap());
        assert!(!writer.report_drops());
        for (dropped, left) in [(3, false), (3, false), (5, true)] {
            writer.shared.dropped.store(dropped, Ordering::Relaxed);
            assert_eq!(writer.report_drops(), left, "{dropped}");
        }
        writer.last_drop_report = None;
        assert!(!writer.report_drops());
        assert_eq!(writer.reported_drops, 5);
    }
}

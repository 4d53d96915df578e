//! The access log: one line per request, written when it has ended.
//!
//! Each worker has a bounded ring of rendered lines, and one thread empties all rings into the
//! target. A worker never waits, allocates or fails here: when its ring is full, because the disk is, or
//! because nobody reads the pipe, the record is dropped and counted. Nothing that is not a finished request
//! may enter this room; diagnostics go through `tracing`.
//!
//! # The formats
//! A line has at most 8 KiB. Values that come from outside are cut where they are long, and end in `...` then; nothing in
//! them can end a line or a value. Secrets never get here: userinfo, and the values of query parameters that are named
//! like a secret or that the operator names, are `***`. Times are milliseconds. What is not known or did not happen is left
//! out, or is `-`.
//! ```text
//! 2026-03-01T12:34:56.007Z 502 GET api.example.org/a?token=*** 80.300ms api cause=http_response_incomplete
//! ```
//! - `text` is made for eyes: time, status, method, host and target, how long it took, the upstream, and then what is
//!   unusual as `key=value`. What is not visible ASCII is `\xHH`.
//! - `json` is one object, with the members of [`KEYS`] in their order. A control character is `\u00XX`, and so is each byte
//!   of what is not UTF-8: the number is that of the byte.
//! - `combined` is that of Apache. Its size counts heads, too.
//! - A template shows what its operator wrote, with values for keys; `\xHH` as in `text`, but blanks stay.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | Whatever a client sends, a line of JSON is one line and valid, with the keys of the table in their order | RFC 8259 §7 | `observe::access_log::render::tests::every_line_of_json_is_valid_whatever_was_sent`, `observe::access_log::render::tests::json_has_the_keys_of_the_table_in_their_order`, `access_log::ten_thousand_hostile_requests_are_valid_json` |
//! | 2 | No value forges a line, a value or a column | experience | `observe::access_log::render::tests::no_value_forges_a_line_or_a_column`, `access_log::bytes_of_a_request_cannot_forge_a_record` |
//! | 3 | A line is no longer than it may be, and rendering it allocates nothing | experience | `observe::access_log::render::tests::the_longest_record_is_cut_to_a_line_and_still_has_all_its_keys`, `observe::access_log::render::tests::a_template_is_cut_to_a_line` |
//! | 4 | What a query says in secret is hidden in every format | experience | `observe::access_log::render::tests::secrets_are_hidden_in_every_format`, `access_log::secrets_never_reach_a_log` |
//!
//! # The files
//! - `redact`: what of a request target may be shown
//! - `record`: one finished request
//! - `kept`: one that goes on for long when what it is told of by is gone
//! - `second`: points in time
//! - `escape`: how bytes of unknown origin are written
//! - `value`: what each key shows
//! - `json`, `template`, `combined`, `text`: the formats
//! - `render`: which of them it is
//! - `ring`: a bounded ring of lines between one worker and the writer
//! - `target`: where the log goes, and how that is opened
//! - `writer`: the thread that empties the rings

mod redact;

mod record;

mod kept;

mod second;

mod escape;

mod value;

mod json;

mod template;

mod combined;

mod text;

mod render;

mod ring;

mod target;

mod writer;

use std::{
    cell::RefCell,
    fs::File,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, Thread},
    time::Duration,
};

pub(super) use self::redact::redact;
pub use self::{
    kept::{Ended, KeptRecord},
    record::{LINE_MAX, Record, Server, Times},
    redact::redacted,
    render::Renderer,
    target::AccessLogTarget,
};
use self::{
    ring::{Push, Ring},
    writer::{Message, Shared, Writer},
};
use crate::config::{LogFormat, LogKey};

/// What a record can tell, each with a line that says what it is: the members of a line of JSON in their order, and the
/// keys of a template.
pub const KEYS: [(&str, &str); LogKey::ALL.len()] = {
    let mut keys = [("", ""); LogKey::ALL.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = LogKey::ALL[at].row();
        at += 1;
    }
    keys
};

/// What one worker's way into the log takes, in bytes: its ring, and room for a line.
pub const HANDLE_MEMORY: usize = ring::MEMORY + LINE_MAX;
/// What the thread that writes takes, in bytes: its batch, its stack, and what the allocator keeps for one more thread.
pub const WRITER_MEMORY: usize = writer::BATCH + LINE_MAX + (512 << 10);

/// The access log of the process. An operator who wants none (`off`) has no value of this type.
///
/// Dropped without [`shutdown`](Self::shutdown), it still writes what is queued, but nobody waits for that.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    messages: Sender<Message>,
    writer: Thread,
    format: Arc<LogFormat>,
    colours: bool,
    /// Disconnected when the writer has ended.
    running: Receiver<()>,
}

impl AccessLog {
    /// Opens the target and starts the writer thread.
    ///
    /// # Errors
    /// When the target cannot be opened, with its path and the reason; when no thread can be started.
    pub fn start(target: AccessLogTarget, format: LogFormat) -> io::Result<Self> {
        let file = target::open(&target)?;
        Self::start_with(target, file, format)
    }

    fn start_with(target: AccessLogTarget, file: File, format: LogFormat) -> io::Result<Self> {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = file.is_terminal() && !no_colour;
        let shared = Arc::new(Shared::default());
        let (messages, inbox) = channel();
        let (alive, running) = channel();
        let writer = Writer::new(target, file, Arc::clone(&shared), inbox, alive);
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run())?;
        let writer = thread.thread().clone();
        Ok(Self { shared, messages, writer, format: Arc::new(format), colours, running })
    }

    /// A way into the log for one worker, with a ring of its own (256 KiB).
    #[must_use]
    pub fn handle(&self) -> AccessLogHandle {
        let ring = Arc::new(Ring::new());
        self.tell(Message::Attach(Arc::clone(&ring)));
        AccessLogHandle {
            ring,
            shared: Arc::clone(&self.shared),
            writer: self.writer.clone(),
            scratch: RefCell::new(Scratch {
                line: Vec::with_capacity(LINE_MAX),
                renderer: Renderer::new(Arc::clone(&self.format), self.colours),
            }),
        }
    }

    /// How many records were not written, as a count that goes on: `corsair_log_dropped_total`.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.dropped)
    }

    /// Opens the target again (log rotation, USR1); what is still queued goes there. When it cannot be opened,
    /// which is reported, the file that was open stays.
    pub fn reopen(&self) {
        self.tell(Message::Reopen);
    }

    /// Writes what is queued and ends the log; what is logged later is dropped and counted. Returns whether
    /// that was done `within` this time; when the target takes nothing, the rest is lost with the process.
    pub fn shutdown(self, within: Duration) -> bool {
        self.tell(Message::Stop);
        self.running.recv_timeout(within) == Err(RecvTimeoutError::Disconnected)
    }

    fn tell(&self, message: Message) {
        // Without a writer rings fill up, and what does not fit is counted.
        let _ = self.messages.send(message);
        self.writer.unpark();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.tell(Message::Stop);
    }
}

/// One worker's way into the log.
#[derive(Debug)]
pub struct AccessLogHandle {
    ring: Arc<Ring>,
    shared: Arc<Shared>,
    writer: Thread,
    scratch: RefCell<Scratch>,
}

/// Where a line is rendered.
#[derive(Debug)]
struct Scratch {
    line: Vec<u8>,
    renderer: Renderer,
}

impl AccessLogHandle {
    /// Hands one record to the writer, or counts it as dropped; never waits.
    pub fn log(&self, record: &Record<'_>) {
        if self.shared.refusing.load(Ordering::Relaxed) {
            self.count_drop();
            return;
        }
        let Scratch { line, renderer } = &mut *self.scratch.borrow_mut();
        line.clear();
        renderer.render(record, line);
        match self.ring.push(line) {
            Push::Stored => self.wake_sleeper(),
            // The writer may be letting lines gather; there are enough now.
            Push::HalfFull => self.writer.unpark(),
            Push::Full => self.count_drop(),
        }
    }

    fn wake_sleeper(&self) {
        // Pairs with the fence before the writer's last look at the rings.
        fence(Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::Relaxed) && self.shared.asleep.swap(false, Ordering::Relaxed) {
            self.writer.unpark();
        }
    }

    fn count_drop(&self) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for AccessLogHandle {
    fn drop(&mut self) {
        self.ring.close();
        // A sleeping writer would keep the ring until the next line of another worker.
        self.writer.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{PipeReader, Read},
        net::SocketAddr,
        os::fd::{AsRawFd, OwnedFd},
        path::PathBuf,
        time::UNIX_EPOCH,
    };

    use super::*;
    use crate::{config::SecretNames, http1::head::Version};

    /// Longer than any of these tests may take.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn log(handle: &AccessLogHandle, target: &str) {
        handle.log(&Record {
            client: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
            method: b"GET",
            target: target.as_bytes(),
            version: Some(Version::Http11),
            ..Record::nothing(UNIX_EPOCH, 200, SecretNames::NONE)
        });
    }

    fn dropped(log: &AccessLog) -> u64 {
        log.dropped().load(Ordering::Relaxed)
    }

    fn lines(text: &str) -> u64 {
        assert!(text.is_empty() || text.ends_with('\n'));
        assert!(text.lines().all(|line| line.starts_with("1970-") && line.ends_with(" - -")));
        u64::try_from(text.lines().count()).unwrap()
    }

    fn to_file() -> (tempfile::TempDir, PathBuf, AccessLog) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let log = AccessLog::start(AccessLogTarget::File(path.clone()), LogFormat::Text).unwrap();
        (directory, path, log)
    }

    fn to_pipe() -> (PipeReader, AccessLog) {
        let (reader, pipe) = io::pipe().unwrap();
        let file = File::from(OwnedFd::from(pipe));
        (reader, AccessLog::start_with(AccessLogTarget::Stdout, file, LogFormat::Text).unwrap())
    }

    /// Logs until something has been dropped; returns how many records that took.
    fn log_until_dropped(access_log: &AccessLog, handle: &AccessLogHandle) -> u64 {
        let mut logged = 0;
        while dropped(access_log) == 0 {
            log(handle, "/stuck");
            logged += 1;
        }
        logged
    }

    #[test]
    fn every_record_of_every_worker_is_written_before_shutdown_ends() {
        let (_directory, path, log_) = to_file();
        thread::scope(|scope| {
            for worker in 0..2 {
                let handle = log_.handle();
                scope.spawn(move || (0..200).for_each(|index| log(&handle, &format!("/{worker}/{index}"))));
            }
        });
        assert_eq!(dropped(&log_), 0);
        assert!(log_.shutdown(PATIENCE));
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(lines(&text), 400);
        for worker in 0..2 {
            let mine: Vec<&str> = text
                .lines()
                .filter_map(|line| line.split(' ').nth(3))
                .filter(|target| target.starts_with(&format!("/{worker}/")))
                .collect();
            let expected: Vec<String> = (0..200).map(|index| format!("/{worker}/{index}")).collect();
            assert_eq!(mine, expected, "a worker's records stay in order");
        }
    }

    #[test]
    fn a_record_is_written_without_another_one_behind_it() {
        let (mut reader, log_) = to_pipe();
        let handle = log_.handle();
        for _ in 0..3 {
            log(&handle, "/alone");
            let mut byte = [0];
            while byte != *b"\n" {
                reader.read_exact(&mut byte).unwrap();
            }
        }
    }

    #[test]
    fn a_reader_who_takes_nothing_costs_records_but_no_time_and_they_are_counted() {
        let (mut reader, log_) = to_pipe();
        let handle = log_.handle();
        let logged = log_until_dropped(&log_, &handle);
        assert!(logged > 800, "the ring holds some: {logged}");
        let drops = log_.dropped();
        assert!(!log_.shutdown(Duration::ZERO), "shutdown does not wait for a reader who takes nothing");
        drop(handle);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(lines(&text) + drops.load(Ordering::Relaxed), logged);
    }

    #[test]
    fn a_reader_who_leaves_costs_records_only() {
        let (reader, log_) = to_pipe();
        let handle = log_.handle();
        drop(reader);
        let logged = log_until_dropped(&log_, &handle);
        let drops = log_.dropped();
        assert!(log_.shutdown(PATIENCE));
        assert_eq!(drops.load(Ordering::Relaxed), logged);
        log(&handle, "/late");
        assert_eq!(drops.load(Ordering::Relaxed), logged + 1, "after the shutdown everything is dropped");
    }

    #[test]
    fn a_full_disk_costs_records_only() {
        let log_ = AccessLog::start(AccessLogTarget::File("/dev/full".into()), LogFormat::Text).unwrap();
        let handle = log_.handle();
        (0..10).for_each(|_| log(&handle, "/full"));
        let drops = log_.dropped();
        assert!(log_.shutdown(PATIENCE));
        assert_eq!(drops.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_fifo_without_a_reader_neither_stops_the_start_nor_the_log() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", pipe.as_raw_fd()));
        let log_ = AccessLog::start(AccessLogTarget::File(path), LogFormat::Text).unwrap();
        drop(pipe);
        let handle = log_.handle();
        log(&handle, "/fifo");
        assert!(log_.shutdown(PATIENCE));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(lines(&text), 1);
    }

    #[test]
    fn a_non_blocking_pipe_is_waited_for() {
        let (mut reader, pipe) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&pipe, true).unwrap();
        let log_ =
            AccessLog::start_with(AccessLogTarget::Stderr, File::from(OwnedFd::from(pipe)), LogFormat::Text)
                .unwrap();
        let handle = log_.handle();
        let logged = log_until_dropped(&log_, &handle);
        let drops = log_.dropped();
        drop(log_);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(lines(&text) + drops.load(Ordering::Relaxed), logged);
    }

    #[test]
    fn after_a_rename_and_a_reopen_records_go_to_a_new_file() {
        let (_directory, path, log_) = to_file();
        let rotated = path.with_extension("1");
        fs::rename(&path, &rotated).unwrap();
        let handle = log_.handle();
        log_.reopen();
        while !path.exists() {
            thread::yield_now();
        }
        log(&handle, "/new");
        assert!(log_.shutdown(PATIENCE));
        // The file exists a moment before the writer has it, and a record of that moment is in the old one.
        let written = [path, rotated].map(|path| lines(&fs::read_to_string(path).unwrap()));
        assert_eq!(written.into_iter().sum::<u64>(), 1);
    }

    #[test]
    fn a_reopen_brings_back_a_log_whose_reader_was_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let target = AccessLogTarget::File(path.clone());
        let log_ = AccessLog::start_with(target, File::from(OwnedFd::from(pipe)), LogFormat::Text).unwrap();
        let handle = log_.handle();
        log_until_dropped(&log_, &handle);
        while !log_.shared.refusing.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        log_.reopen();
        while log_.shared.refusing.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        log(&handle, "/again");
        assert!(log_.shutdown(PATIENCE));
        assert!(fs::read_to_string(path).unwrap().contains("/again"));
    }

    #[test]
    fn a_target_that_cannot_be_opened_is_reported_with_its_path_and_reason() {
        let path = PathBuf::from("/nonexistent/access.log");
        let error = AccessLog::start(AccessLogTarget::File(path), LogFormat::Text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = error.to_string();
        assert!(
            text.starts_with("cannot open the access log /nonexistent/access.log: No such file"),
            "{text}"
        );
    }

    #[test]
    fn the_writer_forgets_workers_that_are_gone() {
        let (_directory, _path, log_) = to_file();
        let handle = log_.handle();
        log(&handle, "/last");
        let ring = Arc::downgrade(&handle.ring);
        drop(handle);
        while ring.strong_count() > 0 {
            thread::yield_now();
        }
    }
}

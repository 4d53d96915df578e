//! The hosts file: names that the operator of the machine has fixed, followed as the file changes.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Mutex,
    task::{spawn_blocking, spawn_local},
    time::Instant,
};

use crate::config::MAX_ADDRESSES;

/// How often the file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes of the file that are read; the longest lists in use (blocklists) have a third of it.
const MAX_BYTES: u64 = 16 << 20;

type Table = HashMap<Box<str>, Vec<IpAddr>>;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    /// The present state of the file at `path`; `None` when there is none that can be seen.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::from_metadata(&std::fs::metadata(path).ok()?)
    }

    fn from_metadata(metadata: &Metadata) -> Option<Self> {
        Some(Self { modified: metadata.modified().ok()?, bytes: metadata.len(), inode: metadata.ino() })
    }
}

/// The hosts file of one worker's resolver.
#[derive(Debug)]
pub(super) struct HostsFile {
    path: PathBuf,
    table: RefCell<Table>,
    stamp: Cell<Option<Stamp>>,
    looked: Cell<Option<Instant>>,
    reading: Mutex<()>,
}

impl HostsFile {
    /// Reads nothing yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            table: RefCell::default(),
            stamp: Cell::new(None),
            looked: Cell::new(None),
            reading: Mutex::new(()),
        }
    }

    /// The addresses that the file has for `name` (lower case, no final dot), those of IPv6 first; `None`
    /// when it has none.
    pub(super) async fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.renew().await;
        self.table.borrow().get(name).cloned()
    }

    async fn renew(&self) {
        if self.is_due() {
            let _one_reader = self.reading.lock().await;
            if self.is_due() {
                self.look().await;
            }
        }
    }

    /// Whether the file had `address` for `name` when it was read last; `None` when it had none. Where it is due the file
    /// is looked at behind that.
    pub(super) fn has(self: &Rc<Self>, name: &str, address: IpAddr) -> Option<bool> {
        if self.is_due() && self.reading.try_lock().is_ok() {
            let file = Rc::clone(self);
            spawn_local(async move { file.renew().await });
        }
        self.table.borrow().get(name).map(|addresses| addresses.contains(&address))
    }

    fn is_due(&self) -> bool {
        self.looked.get().is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    async fn look(&self) {
        let first = self.looked.get().is_none();
        // Taken before reading: a change between the two is then seen as one at the next look.
        let stamp = Stamp::of(&self.path);
        if first || stamp != self.stamp.get() {
            let path = self.path.clone();
            // A blocklist of some megabytes takes milliseconds to parse, and others are being served.
            match spawn_blocking(move || read(&path)).await {
                Ok(Ok(table)) => {
                    tracing::debug!(file = %self.path.display(), names = table.len(), "read the hosts file");
                    self.table.replace(table);
                }
                Ok(Err(error)) => {
                    tracing::warn!(
                        file = %self.path.display(), %error,
                        "cannot read the hosts file; its names are asked of DNS"
                    );
                    self.table.replace(Table::new());
                }
                Err(ended) => {
                    tracing::error!(%ended, "reading the hosts file was cut short; the last state stays in use");
                }
            }
            self.stamp.set(stamp);
        }
        self.looked.set(Some(Instant::now()));
    }
}

fn read(path: &Path) -> io::Result<Table> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Reads `ADDRESS NAME...` lines (hosts(5)); what is no such line is skipped, as every resolver does.
fn parse(text: &str) -> Table {
    let mut table = Table::new();
    for line in text.lines() {
        let content = line.split('#').next().unwrap_or_default();
        let mut words = content.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let addresses = table.entry(name.into_boxed_str()).or_default();
            if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        }
    }
    for addresses in table.values_mut() {
        // Stable, so each family keeps the order of the file.
        addresses.sort_by_key(IpAddr::is_ipv4);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::net::testing::{in_worker, pass};

    #[test]
    fn lines_are_an_address_and_its_names() {
        let table = parse(
            "# comment\n\
             127.0.0.1 localhost\n\
             10.0.0.1\tAPI.example api # trailing\n\
             ::1 localhost ip6-localhost\r\n\
             10.0.0.2 api.example.\n\
             10.0.0.1 api.example\n\
             fe80::1%eth0 scoped\n\
             nonsense here\n\
             10.0.0.3\n",
        );
        for (name, expected) in [
            ("localhost", &["::1", "127.0.0.1"][..]),
            ("api.example", &["10.0.0.1", "10.0.0.2"]),
            ("api", &["10.0.0.1"]),
            ("ip6-localhost", &["::1"]),
        ] {
            let expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(table.get(name), Some(&expected), "{name}");
        }
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn changes_are_followed_and_a_missing_file_is_an_empty_one() {
        in_worker(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("hosts");
            let hosts = HostsFile::new(path.clone());
            assert_eq!(hosts.look_up("a.test").await, None);
            fs::write(&path, "10.0.0.1 a.test\n").unwrap();
            // Looked at once a second at most.
            assert_eq!(hosts.look_up("a.test").await, None);
            pass(LOOK_EVERY).await;
            assert_eq!(hosts.look_up("a.test").await, Some(vec![[10, 0, 0, 1].into()]));
            fs::write(&path, "10.0.0.22 a.test\n").unwrap();
            pass(LOOK_EVERY).await;
            assert_eq!(hosts.look_up("a.test").await, Some(vec![[10, 0, 0, 22].into()]));
            fs::remove_file(&path).unwrap();
            pass(LOOK_EVERY).await;
            assert_eq!(hosts.look_up("a.test").await, None);
        });
    }
}
